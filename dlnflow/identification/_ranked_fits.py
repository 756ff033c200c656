"""Ranked fits, with standard errors and intervals over every explanation that the data allow.

The confidence distribution of a parameter is a mixture over mode equations and kinds of noise. It
lives on a **signed line**, on which the logarithms of negative values come before those of positive
ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray

from dlnflow._common._frozen import read_only
from dlnflow.identification._candidates import Candidate, Equation
from dlnflow.identification._fit import PREFERENCE, Fit
from dlnflow.identification._least_squares import Indices
from dlnflow.identification._measurements import Measurements, RowRecord
from dlnflow.identification._misfit import Misfit, misfit_of
from dlnflow.identification._profile_likelihood import LikelihoodProfile, profiles
from dlnflow.identification._trajectory import SIGNS
from dlnflow.theory._clock import Clock

Array = NDArray[np.float64]

SIGN_OFFSET = 800.0  # added to a logarithm, so that it is positive and can carry the sign
END = 690.0  # of a logarithm, beyond which its exponential counts as 0 or infinite
BISECTIONS = 64  # from the length of the signed line to rounding
TINY = 1e-300  # a divisor in place of 0
LEAST_WEIGHT = 1e-4  # explanations below this weight do not change a 95 % interval
LEAST_ERROR_WEIGHT = 1e-6  # candidates below this weight do not change standard errors
REFUTED = 14.0  # difference of AIC: a weight ratio of 1000
BY_CHANCE = 1e-3  # probability at which a constant with noise counts as moving
ERROR_LEVEL = 0.95  # of the interval that standard errors are compared with
INFINITE_FREEDOM = 1e9  # degrees of freedom that count as infinite
FAR = 100.0  # in a logarithm: as good as 0, infinite or of the other sign
PARABOLA = 2.0  # ratio of interval to standard error up to which the error is kept
SIGMA_CHANCE = 1e-6  # probability at which residuals contradict the sigma given
LEAST_EXCESS = 1.5  # factor by which they must differ from it, too, to matter
LARGEST_EXPONENT = 700.0  # of an exponential that is still finite
ENDLESS = 4.0 * SIGN_OFFSET  # beyond both ends of the signed line


@dataclass(frozen=True, eq=False)
class RankedFits(RowRecord):
    """All mode equations fitted to the same curves, with intervals and standard errors.

    Attributes
    ----------
    fits : tuple of Fit
        One for each mode equation, to the modes that move, under the kind of noise chosen for each.
    laws : tuple of Fit
        The same for mode equations that no candidate has.
    other : RankedFits or None
        The same under the other kind of noise; None for a joint fit, or if only one was tried.
    clock : str or Training
    constant : tuple of int
        Modes that do not move, in places of their own.
    names : tuple of str
        Of all modes; empty where they are numbered.
    """

    common: ClassVar[tuple[str, ...]] = ("clock", "constant", "names")
    fits: tuple[Fit, ...]
    laws: tuple[Fit, ...]
    other: RankedFits | None
    clock: Clock
    constant: tuple[int, ...]
    names: tuple[str, ...] = ()

    def reordered(self, order: Indices) -> Self:
        """The record with its mode equations in another order."""
        return replace(
            self,
            fits=tuple(self.fits[i] for i in order),
            other=self.other and self.other.reordered(order),
        )

    @property
    def data(self) -> Measurements:
        """Measurements of the modes that move."""
        return self.fits[0].data

    @property
    def equations(self) -> tuple[Equation, ...]:
        """The mode equations."""
        return tuple(cast(Equation, one.trajectory.equation) for one in self.fits)

    @cached_property
    def aic(self) -> tuple[float, ...]:
        """Akaike's criterion."""
        return tuple(one.aic for one in self.fits)

    @cached_property
    def weight(self) -> Array:
        """Share of the evidence; less unequal where residuals repeat each other."""
        raw = self._likelihood(self.fits)
        return read_only(raw / raw.sum())

    @cached_property
    def no_candidate(self) -> float:
        """Share of the evidence for mode equations that no candidate has, among all."""
        raw, other = self._likelihood(self.fits), self._likelihood(self.laws)
        return float(other.sum() / (raw.sum() + other.sum()))

    @cached_property
    def refuted(self) -> bool:
        """Whether a mode equation that no candidate has explains the curves, and far better."""
        law = min(self.laws, key=lambda one: one.aic)
        return law.aic < min(self.aic) - REFUTED and misfit_of(law).explained

    def _likelihood(self, fits: Sequence[Fit]) -> Array:
        """Likelihoods that count as evidence, over that of the best candidate; at most finite."""
        sharpness = float(self.fits[0].sharpness.mean()) * self.misfit.independent
        behind = np.array([one.aic for one in fits]) - min(self.aic)
        return np.asarray(np.exp(np.minimum(-0.5 * sharpness * behind, LARGEST_EXPONENT)))

    @cached_property
    def misfit(self) -> Misfit:
        """How far the best mode equation is from the data, and where."""
        return misfit_of(self.fits[0])

    @property
    def time_scale(self) -> float | None:
        """Units of the paper's clock in one unit of ``t``, if it was fitted."""
        scale = self.fits[0].scale
        return None if scale is None else float(np.exp(scale[0]))

    @property
    def signs(self) -> Array:
        """Signs of the best estimates, shape (modes, 3)."""
        sign = self.fits[0].sign
        return np.stack([sign, sign, np.ones_like(sign)], axis=1)

    def logarithms(self, rank: int) -> Array:
        """Logarithms of ``|lam|``, ``|rho|``, ``eps``, with ``lam`` in the units of known ones."""
        fit = self.fits[rank]
        return fit.parameters if fit.scale is None else fit.parameters - [fit.scale[0], 0.0, 0.0]

    @property
    def best(self) -> Candidate:
        """The candidate that represents the best mode equation."""
        return self.equations[0][0]

    @property
    def misfits(self) -> Array:
        """Root mean square residual of every mode equation, over the amplitude, of all modes."""
        return np.array([np.sqrt(np.mean(one.cost / self.data.count)) for one in self.fits])

    @property
    def estimates(self) -> Array:
        """Best ``lam``, ``rho`` and ``eps``, shape (modes, 3)."""
        return np.exp(self.logarithms(0)) * self.signs

    @property
    def errors(self) -> Array:
        """Standard errors of the estimates, shape (modes, 3)."""
        with np.errstate(invalid="ignore", over="ignore"):
            errors = self.log_errors * np.exp(self.logarithms(0))
        return np.where(np.isinf(self.log_errors), np.inf, errors)

    @property
    def sigma_excess(self) -> Array:
        """Size of the residuals over the ``sigma`` given, 1 where they agree."""
        from scipy.special import chdtr, chdtrc

        best, data = self.fits[0], self.data
        left = data.count - best.free
        squares = best.cost * (data.size / best.sigma) ** 2
        ratio = np.sqrt(squares / left)
        chance = np.minimum(chdtr(left, squares), chdtrc(left, squares))
        factor = np.maximum(ratio, 1.0 / np.maximum(ratio, TINY))
        apart = (chance < SIGMA_CHANCE) & (factor > LEAST_EXCESS)
        return np.where(apart & np.isinf(best.freedom), ratio, 1.0)

    @property
    def seen(self) -> Array:
        """Fitted amplitude over plateau, with the sign of ``rho``, shape (modes, times)."""
        fit = self.fits[0]
        plateau = fit.parameters[:, 1:2] / fit.trajectory.power
        height = np.minimum(self.fits[0].heights(self.data.t) - plateau, LARGEST_EXPONENT)
        return read_only(fit.sign[:, None] * np.exp(height))

    @property
    def residuals(self) -> Array:
        """Measured less fitted, in standard deviations of the noise, shape (modes, times)."""
        best, data = self.fits[0], self.data
        away = data.residuals(best.heights(data.t), np.arange(len(data.w)))
        return -away * (data.size / best.sigma)[:, None]

    @property
    def places(self) -> list[int]:
        """Places of the modes that move, among all modes."""
        return [i for i in range(len(self.data.w) + len(self.constant)) if i not in self.constant]

    @property
    def labels(self) -> list[Any]:
        """Names or numbers of the modes that move."""
        return [self.label(place) for place in self.places]

    def label(self, place: int) -> Any:
        """Name or number of a mode."""
        return self.names[place] if self.names else place

    def spread(self, values: NDArray[Any], fill: float = np.nan) -> NDArray[Any]:
        """Values of the modes that move, filled for those that do not."""
        places = np.array(self.constant, int) - np.arange(len(self.constant))
        return np.insert(values, places, fill, axis=0)

    @cached_property
    def moved(self) -> NDArray[np.bool_]:
        """Whether each mode moved beyond its noise, by an F test against a constant."""
        from scipy.special import fdtri

        data, best = self.data, self.fits[0]
        heights = np.log(np.where(data.w > 0.0, data.w, 1.0))
        curve = np.where(data.relative[:, None], heights, data.w / data.size[:, None])
        start = np.where(best.precision[:, 2] > 0.0, best.parameters[:, 2], data.known[:, 2])
        start = np.where(data.relative, start, data.values(start) / data.size)
        mean = np.sum(curve * data.used, axis=1) / data.count
        away = curve - np.where(np.isnan(start), mean, start)[:, None]
        constant = np.sum(data.used * away**2, axis=1)
        gain = (constant - best.cost) / (best.sigma / data.size) ** 2
        freedom = np.minimum(best.freedom, INFINITE_FREEDOM)
        free = np.maximum(np.isnan(data.known[:, :2]).sum(axis=1), 1)
        limit = free * fdtri(free, freedom, 1.0 - BY_CHANCE)
        return np.asarray((gain > limit) | data.given[:, :2].any(axis=1) | (data.count <= free))

    @cached_property
    def _profiles(self) -> list[tuple[int, int, float, LikelihoodProfile]]:
        """Rank, mode, weight and profile likelihood of all explanations that count."""
        ranks = np.flatnonzero(self.weight > LEAST_WEIGHT).tolist()
        weight = self.weight[ranks, None] * np.ones(len(self.data.w))
        share = np.array([self._other_share(rank) for rank in ranks])
        found = []
        for kind, part in ((self, weight * (1.0 - share)), (self.other, weight * share)):
            rows = np.flatnonzero(part.any(axis=0))
            if kind is not None and rows.size:
                each = profiles([kind.fits[rank].rows(rows) for rank in ranks])
                found += [
                    (rank, int(row), float(weights[row]), profile)
                    for rank, weights, own in zip(ranks, part, each, strict=True)
                    for row, profile in zip(rows, own, strict=True)
                    if weights[row] > 0.0
                ]
        return found

    def _other_share(self, rank: int) -> Array:
        """Share of a mode equation's weight due to the other kind of noise, for each mode."""
        from scipy.special import expit

        if self.other is None:
            return np.zeros(len(self.data.w))
        behind = self.other.evidence(rank) - self.evidence(rank)
        share = np.where(self.other.data.relative == self.data.relative, 0.0, expit(behind))
        return np.asarray(np.where(share > LEAST_WEIGHT, share, 0.0))

    def evidence(self, rank: int) -> Array:
        """Log-likelihood of each mode that counts, less the margin for relative noise."""
        fit = self.fits[rank]
        return fit.sharpness * fit.log_likelihood - PREFERENCE * self.data.relative

    def interval(self, column: int, level: float, *, conditional: bool = False) -> Array:
        """Both ends of a parameter's interval, shape (2, modes); the estimate lies within."""
        places = self._places(column, level, conditional)
        ends = _value(places, self.signs[:, column], self.fits[0].parameters[:, column])
        return ends / (self.time_scale or 1.0) if column == 0 else ends

    def _places(self, column: int, level: float, conditional: bool) -> Array:
        """The same on the signed line, relative to the estimates."""
        tails = np.array([0.5 - 0.5 * level, 0.5 + 0.5 * level])
        places = np.zeros((2, len(self.data.w)))
        for row in map(int, np.flatnonzero(~self.data.given[:, column])):
            if self.moved[row]:
                mixture = [
                    (weight, profile)
                    for rank, mode, weight, profile in self._profiles
                    if mode == row and (rank == 0 or not conditional)
                ]
                sign, best = self.signs[row, column], self.fits[0].parameters[row, column]
                places[:, row] = _quantiles(mixture, column, sign, best, tails)
            else:
                places[:, row] = self._unconstrained(row, column, tails)
        return np.stack([np.minimum(places[0], 0.0), np.maximum(places[1], 0.0)])

    def _unconstrained(self, row: int, column: int, tails: Array) -> Array:
        """The interval of a mode that did not move, from its sign and its first amplitude."""
        from scipy.special import ndtri

        data, best = self.data, float(self.fits[0].parameters[row, column])
        if column == 2:
            if data.t[0] > 0.0:
                return np.array([-ENDLESS, ENDLESS])
            size = 1.0 if data.relative[row] else np.exp(best)
            return np.asarray(ndtri(tails) * self.fits[0].sigma[row] / size)
        allowed = {sign for branch, sign in SIGNS.items() if data.allowed[row, branch]}
        zero = -self.signs[row, column] * (SIGN_OFFSET + best)
        return np.array(
            [-ENDLESS if -1.0 in allowed else zero, ENDLESS if 1.0 in allowed else zero]
        )

    @cached_property
    def log_errors(self) -> Array:
        """Standard errors of the logarithms, over all candidates, shape (modes, 3).

        The usual ones, unless the interval is much wider. Then the error is that of a parabola as
        wide as the interval. It is infinite where the interval reaches 0, infinity or the other
        sign.
        """
        from scipy.special import ndtri, stdtrit

        variance = np.zeros_like(self.signs)
        for rank in map(int, np.flatnonzero(self.weight > LEAST_ERROR_WEIGHT)):
            shift = self.logarithms(rank) - self.logarithms(0)
            variance += self.weight[rank] * (self.fits[rank].stderr ** 2 + shift**2)
        usual = np.sqrt(variance)
        places = np.stack([self._places(i, ERROR_LEVEL, False) for i in range(3)], axis=-1)
        reach = np.abs(places).max(axis=0)
        tail = 0.5 + 0.5 * ERROR_LEVEL
        freedom = self.fits[0].freedom[:, None]
        student = stdtrit(np.minimum(freedom, INFINITE_FREEDOM), tail)
        wide = np.where(np.isinf(freedom), ndtri(tail), student)
        reach = np.where(reach > FAR, np.inf, reach / wide)
        errors = np.where(reach > PARABOLA * usual, reach, usual)
        return np.where(self.data.given, 0.0, errors)


def _quantiles(
    mixture: Sequence[tuple[float, LikelihoodProfile]],
    column: int,
    sign: float,
    best: float,
    tails: Array,
) -> Array:
    """Quantiles of the confidence distribution, on the signed line relative to the estimate.

    The confidence that a parameter lies below a place comes from signed roots of the profile
    likelihood ratio, with Student's t; of its lower envelope, since an interval has no holes. A
    parabola gives the usual interval.
    """
    from scipy.special import ndtr, stdtr

    share = np.array([weight for weight, _ in mixture])
    each = [profile for _, profile in mixture]
    freedom = np.array([one.freedom for one in each])
    logarithm = np.concatenate([one.parameters[:, column] for one in each])
    logarithm = np.clip(logarithm, -END - 1.0, END + 1.0)
    own = np.concatenate([one.sign for one in each]) if column < 2 else np.ones_like(logarithm)
    place = own * logarithm - sign * best + (own - sign) * SIGN_OFFSET
    rise = np.concatenate([one.rise for one in each])
    width = np.maximum(np.concatenate([one.width[:, column] for one in each]), TINY)
    first = np.cumsum([0, *(one.rise.size for one in each[:-1])])
    low, high = np.full(tails.size, -ENDLESS), np.full(tails.size, ENDLESS)
    with np.errstate(all="ignore"):
        for _ in range(BISECTIONS):
            here = 0.5 * (low + high)
            away = (here[:, None] - place) / width
            up, down = (
                np.sqrt(np.minimum.reduceat(rise + np.maximum(one, 0.0) ** 2, first, axis=1))
                for one in (away, -away)
            )
            root = up - down
            below = np.where(np.isinf(freedom), ndtr(root), stdtr(freedom, root))
            reached = below @ share >= tails * share.sum()
            low, high = np.where(reached, low, here), np.where(reached, here, high)
    return np.asarray(0.5 * (low + high))


def _value(place: Array, sign: Array, best: Array) -> Array:
    """The parameter itself at places on the signed line."""
    across = sign * (best + SIGN_OFFSET) + place
    own = np.where(across < 0.0, -1.0, 1.0)
    logarithm = np.where(own == sign, best + sign * place, np.abs(across) - SIGN_OFFSET)
    with np.errstate(over="ignore", under="ignore"):
        size = np.exp(logarithm)
    size = np.where(logarithm > END, np.inf, np.where(logarithm < -END, 0.0, size))
    return np.asarray(own * size)

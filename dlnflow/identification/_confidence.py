"""Confidence intervals and standard errors, over every explanation that the data allow.

The confidence distribution of a parameter is a mixture over mode equations and kinds of noise. It
lives on a **signed line**, on which the logarithms of negative values come before those of positive
ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlnflow.identification._fit import PREFERENCE, Measurements
from dlnflow.identification._likelihood import EvaluatedFit
from dlnflow.identification._profile_likelihood import LikelihoodProfile, profiles
from dlnflow.identification._trajectory import SIGNS, Trajectory

Array = NDArray[np.float64]


class ConfidenceLimits(NamedTuple):
    """Thresholds of this module."""

    offset: float = 800.0  # added to a logarithm, so that it is positive and can carry the sign
    end: float = 690.0  # of a logarithm, beyond which its exponential counts as 0 or infinite
    bisections: int = 64  # from the length of the signed line to rounding
    tiny: float = 1e-300  # a divisor in place of 0
    weight: float = 1e-4  # explanations below this weight do not change a 95 % interval
    by_chance: float = (
        1e-3  # probability at which a constant with noise passes for a mode that moves
    )
    level: float = 0.95  # of the interval that standard errors are compared with
    freedom: float = 1e9  # degrees of freedom that count as infinite
    far: float = 100.0  # in a logarithm: as good as 0, infinite or of the other sign
    parabola: float = 2.0  # ratio of interval to standard error up to which the error is kept


LIMITS = ConfidenceLimits()
ENDLESS = 4.0 * LIMITS.offset  # beyond both ends of the signed line


class MixtureComponent(NamedTuple):
    """The profile likelihood of one parameter under one explanation.

    Attributes
    ----------
    weight : float
        Of the explanation.
    place : array, shape (points,)
        On the signed line, relative to the estimate.
    width, rise : array, shape (points,)
    freedom : float
        As in `LikelihoodProfile`.
    """

    weight: float
    place: Array
    width: Array
    rise: Array
    freedom: float


@dataclass(frozen=True)
class Confidence:
    """All mode equations that count, under either kind of noise, with their profile likelihoods.

    Attributes
    ----------
    trajectories : sequence of Trajectory
        Best first, as ``weight`` and ``fits``.
    weight : array, shape (equations,)
    data, fits
        Under the kind of noise that was chosen.
    other : tuple of Measurements and fits, or None
        Under the other kind of noise; None for a joint fit.
    given : bool array, shape (modes, 3)
        Parameters that were given.
    """

    trajectories: Sequence[Trajectory]
    weight: Array
    data: Measurements
    fits: Sequence[EvaluatedFit]
    other: tuple[Measurements, Sequence[EvaluatedFit]] | None
    given: NDArray[np.bool_]

    @property
    def _best(self) -> Array:
        """Logarithms of the best estimates, ``lam`` in units of the clock."""
        return self.fits[0].fit.parameters

    def _sign(self, column: int) -> Array:
        """Signs of the best estimates of a parameter."""
        sign = self.fits[0].fit.sign
        return sign if column < 2 else np.ones_like(sign)

    @cached_property
    def moved(self) -> NDArray[np.bool_]:
        """Whether each mode moved beyond its noise, by an F test against a constant."""
        from scipy.special import fdtri

        data, best, n = self.data, self.fits[0], self.data.t.size
        heights = np.log(np.where(data.w > 0.0, data.w, 1.0))
        curve = np.where(data.relative[:, None], heights, data.w / data.size[:, None])
        level = curve.mean(axis=1)
        start = data.known[:, 2]
        if best.fit.shared is not None:
            start = np.where(best.fit.shared.precision[:, 2] > 0.0, self._best[:, 2], start)
        start = np.where(data.relative, start, np.exp(start) / data.size)
        level = np.where(np.isnan(start), level, start)
        constant = np.sum((curve - level[:, None]) ** 2, axis=1)
        gain = (constant - best.fit.cost) / (best.sigma / data.size) ** 2
        freedom = np.minimum(best.freedom, LIMITS.freedom)
        free = np.maximum(np.isnan(data.known).sum(axis=1) - np.isnan(data.known[:, 2]), 1)
        limit = free * fdtri(free, freedom, 1.0 - LIMITS.by_chance)
        return np.asarray((gain > limit) | self.given[:, :2].any(axis=1) | (n <= free))

    @cached_property
    def _profiles(self) -> list[tuple[int, Array, list[LikelihoodProfile]]]:
        """Rank of a mode equation, its weight's share for each mode, and the modes' profiles."""
        ranks = [i for i, weight in enumerate(self.weight) if weight > LIMITS.weight]
        trajectories = [self.trajectories[i] for i in ranks]
        chosen = profiles(trajectories, self.data, [self.fits[i] for i in ranks])
        if self.other is None:
            every = np.ones(len(self.data.w))
            return [(i, every, own) for i, own in zip(ranks, chosen, strict=True)]
        data, fits = self.other
        share = np.array([self._other_share(i) for i in ranks])
        found = [(i, 1.0 - s, own) for i, s, own in zip(ranks, share, chosen, strict=True)]
        rows = np.flatnonzero(share.any(axis=0))
        if rows.size:
            more = profiles(trajectories, data.rows(rows), [fits[i].rows(rows) for i in ranks])
            place = np.searchsorted(rows, np.arange(len(data.w))).clip(max=rows.size - 1)
            found += [
                (i, s, [own[at] for at in place])
                for i, s, own in zip(ranks, share, more, strict=True)
            ]
        return found

    def _other_share(self, rank: int) -> Array:
        """Share of a mode equation's weight due to the other kind of noise, for each mode."""
        from scipy.special import expit

        assert self.other is not None
        data, fits = self.other
        ahead = _evidence(self.fits[rank], self.data) - _evidence(fits[rank], data)
        share = np.where(data.relative == self.data.relative, 0.0, expit(-ahead))
        return np.asarray(np.where(share > LIMITS.weight, share, 0.0))

    def _components(self, row: int, column: int, conditional: bool) -> list[MixtureComponent]:
        best = (float(self._sign(column)[row]), float(self._best[row, column]))
        return [
            _component(profile[row], column, float(self.weight[rank] * share[row]), *best)
            for rank, share, profile in self._profiles
            if (rank == 0 or not conditional) and self.weight[rank] * share[row] > 0.0
        ]

    def interval(self, column: int, level: float, *, conditional: bool = False) -> Array:
        """Both ends of the interval, shape (2, modes); the estimate lies within."""
        places = self._places(column, level, conditional)
        return np.asarray(_value(places, self._sign(column), self._best[:, column]))

    def _places(self, column: int, level: float, conditional: bool) -> Array:
        """The same on the signed line, relative to the estimates."""
        tails = np.array([0.5 - 0.5 * level, 0.5 + 0.5 * level])
        places = np.zeros((2, len(self.data.w)))
        for row in map(int, np.flatnonzero(~self.given[:, column])):
            if self.moved[row]:
                places[:, row] = _quantiles(self._components(row, column, conditional), tails)
            else:
                places[:, row] = self._unconstrained(row, column, tails)
        return np.stack([np.minimum(places[0], 0.0), np.maximum(places[1], 0.0)])

    def _unconstrained(self, row: int, column: int, tails: Array) -> Array:
        """The interval of a mode that did not move, from its sign and its first amplitude."""
        from scipy.special import ndtri

        data, best = self.data, float(self._best[row, column])
        if column == 2:
            if data.t[0] > 0.0:
                return np.array([-ENDLESS, ENDLESS])
            size = 1.0 if data.relative[row] else np.exp(best)
            return np.asarray(ndtri(tails) * self.fits[0].sigma[row] / size)
        allowed = {SIGNS[one] for one in data.branches[row]}
        zero = -float(self._sign(column)[row]) * (LIMITS.offset + best)
        return np.array(
            [-ENDLESS if -1.0 in allowed else zero, ENDLESS if 1.0 in allowed else zero]
        )

    def errors(self, column: int, usual: Array) -> Array:
        """Standard errors of a logarithm: the usual ones, unless the interval is much wider.

        Then the error is that of a parabola as wide as the interval. It is infinite where the
        interval reaches 0, infinity or the other sign.
        """
        from scipy.special import ndtri, stdtrit

        reach = np.abs(self._places(column, LIMITS.level, False)).max(axis=0)
        tail = 0.5 + 0.5 * LIMITS.level
        freedom = self.fits[0].freedom
        student = stdtrit(np.minimum(freedom, LIMITS.freedom), tail)
        wide = np.where(np.isinf(freedom), ndtri(tail), student)
        reach = np.where(reach > LIMITS.far, np.inf, reach / wide)
        errors = np.where(reach > LIMITS.parabola * usual, reach, usual)
        return np.where(self.given[:, column], 0.0, errors)


def _evidence(fit: EvaluatedFit, data: Measurements) -> Array:
    """Log-likelihood of each row that counts as evidence, less the margin for relative noise."""
    return fit.sharpness * fit.log_likelihood - PREFERENCE * data.relative


def _component(
    profile: LikelihoodProfile, column: int, weight: float, sign: float, best: float
) -> MixtureComponent:
    """A profile along one parameter, relative to an estimate with a sign and a logarithm."""
    own = profile.sign if column < 2 else np.ones_like(profile.sign)
    logarithm = np.clip(profile.parameters[:, column], -LIMITS.end - 1.0, LIMITS.end + 1.0)
    place = own * logarithm - sign * best + (own - sign) * LIMITS.offset
    return MixtureComponent(weight, place, profile.width[:, column], profile.rise, profile.freedom)


def _quantiles(components: Sequence[MixtureComponent], tails: Array) -> Array:
    """Quantiles of the confidence distribution, on the signed line.

    The confidence that a parameter lies below a place comes from signed roots of the profile
    likelihood ratio, with Student's t; of its lower envelope, since an interval has no holes. A
    parabola gives the usual interval.
    """
    from scipy.special import ndtr, stdtr

    share = np.array([one.weight for one in components])
    freedom = np.array([one.freedom for one in components])
    place = np.concatenate([one.place for one in components])
    rise = np.concatenate([one.rise for one in components])
    width = np.maximum(np.concatenate([one.width for one in components]), LIMITS.tiny)
    first = np.cumsum([0, *(one.place.size for one in components[:-1])])
    low, high = np.full(tails.size, -ENDLESS), np.full(tails.size, ENDLESS)
    with np.errstate(all="ignore"):
        for _ in range(LIMITS.bisections):
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
    across = sign * (best + LIMITS.offset) + place
    own = np.where(across < 0.0, -1.0, 1.0)
    logarithm = np.where(own == sign, best + sign * place, np.abs(across) - LIMITS.offset)
    with np.errstate(over="ignore", under="ignore"):
        size = np.exp(logarithm)
    size = np.where(logarithm > LIMITS.end, np.inf, np.where(logarithm < -LIMITS.end, 0.0, size))
    return np.asarray(own * size)

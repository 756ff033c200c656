"""Fits every mode equation to the measured curves and ranks them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlnflow._common._frozen import read_only
from dlnflow.identification._candidates import Candidate, EquivalentCandidates
from dlnflow.identification._confidence import Confidence
from dlnflow.identification._fit import PREFERENCE, Measurements, fit_each
from dlnflow.identification._joint_fit import fit_jointly
from dlnflow.identification._least_squares import Indices
from dlnflow.identification._likelihood import EvaluatedFit, evaluate
from dlnflow.identification._trajectory import Trajectory
from dlnflow.identification._validation import ValidatedCurves, branches, known_clock
from dlnflow.theory._clock import Clock

Array = NDArray[np.float64]

NAMES = ("lam", "rho", "eps")


class RankingLimits(NamedTuple):
    """Thresholds of this module."""

    weight: float = 1e-6  # candidates of less weight do not change standard errors
    chance: float = 1e-6  # probability at which residuals contradict the sigma given
    excess: float = 1.5  # factor by which they must differ from it, too, to matter
    tiny: float = 1e-300  # a divisor in place of 0
    exponent: float = 700.0  # of an exponential that is still finite


LIMITS = RankingLimits()


class AllFits(NamedTuple):
    """Fits of all mode equations: under the noise chosen for each mode, and under the other."""

    data: Measurements
    fits: list[EvaluatedFit]
    other: tuple[Measurements, list[EvaluatedFit]] | None


@dataclass(frozen=True, eq=False)
class RankedFits:
    """All mode equations fitted to the same curves, best first, and what follows for the modes.

    Attributes
    ----------
    data : Measurements
        Of the modes that move.
    clock : str or Training
    constant : tuple of int
        Modes that do not move, in places of their own.
    equations : tuple of EquivalentCandidates
    fits : tuple of EvaluatedFit
    other : tuple of Measurements and fits, or None
        The fits under the other kind of noise.
    given : bool array, shape (modes, 3)
        Parameters that were given.
    """

    data: Measurements
    clock: Clock
    constant: tuple[int, ...]
    equations: tuple[EquivalentCandidates, ...]
    fits: tuple[EvaluatedFit, ...]
    other: tuple[Measurements, tuple[EvaluatedFit, ...]] | None
    given: NDArray[np.bool_]

    @property
    def best(self) -> Candidate:
        """The candidate that represents the best mode equation."""
        return self.equations[0].first

    @cached_property
    def trajectories(self) -> list[Trajectory]:
        """Of the candidates that represent the mode equations."""
        clock = known_clock(self.clock)
        return [Trajectory(one.first, clock) for one in self.equations]

    @cached_property
    def aic(self) -> tuple[float, ...]:
        """Akaike's criterion."""
        return tuple(one.aic for one in self.fits)

    @property
    def weight(self) -> Array:
        """Share of the evidence."""
        sharpness = float(self.fits[0].sharpness.mean())
        raw = np.exp(-0.5 * sharpness * (np.array(self.aic) - self.aic[0]))
        return np.asarray(raw / raw.sum())

    @property
    def misfit(self) -> Array:
        """Root mean square residual over the noise of the best fit."""
        sizes = self.fits[0].sigma / self.data.size
        costs = np.array([np.maximum(one.fit.cost, self.data.floor) for one in self.fits])
        return np.asarray(np.sqrt(np.mean(costs / sizes**2, axis=1) / self.data.t.size))

    @cached_property
    def confidence(self) -> Confidence:
        """Intervals and standard errors, ``lam`` in units of the clock."""
        return Confidence(
            self.trajectories, self.weight, self.data, self.fits, self.other, self.given
        )

    @property
    def time_scale(self) -> float | None:
        """Units of the paper's clock in one unit of ``t``, if it was fitted."""
        shared = self.fits[0].fit.shared
        return None if shared is None or shared.scale is None else float(np.exp(shared.scale[0]))

    def logarithms(self, rank: int) -> Array:
        """Logarithms of ``|lam|``, ``|rho|``, ``eps``, with ``lam`` in the units of known ones."""
        fit = self.fits[rank].fit
        if fit.shared is None or fit.shared.scale is None:
            return fit.parameters
        return fit.parameters - [fit.shared.scale[0], 0.0, 0.0]

    @property
    def estimates(self) -> Array:
        """Best ``lam``, ``rho`` and ``eps``, shape (modes, 3)."""
        sign = self.fits[0].fit.sign
        return np.exp(self.logarithms(0)) * np.stack([sign, sign, np.ones_like(sign)], axis=1)

    @cached_property
    def log_errors(self) -> Array:
        """Standard errors of the logarithms, over all candidates, shape (modes, 3)."""
        best = self.logarithms(0)
        variance = np.zeros_like(best)
        for rank, weight in enumerate(self.weight):
            if weight > LIMITS.weight:
                shift = self.logarithms(rank) - best
                variance += weight * (self.fits[rank].stderr ** 2 + shift**2)
        usual = np.sqrt(variance)
        columns = [self.confidence.errors(i, usual[:, i]) for i in range(len(NAMES))]
        return np.stack(columns, axis=1)

    @property
    def errors(self) -> Array:
        """Standard errors of the estimates, shape (modes, 3)."""
        with np.errstate(invalid="ignore", over="ignore"):
            errors = self.log_errors * np.exp(self.logarithms(0))
        return np.where(np.isinf(self.log_errors), np.inf, errors)

    def interval(self, column: int, level: float, *, conditional: bool = False) -> Array:
        """Both ends of a parameter's interval, shape (2, modes)."""
        ends = self.confidence.interval(column, level, conditional=conditional)
        return ends / (self.time_scale or 1.0) if column == 0 else ends

    @property
    def sigma_excess(self) -> Array:
        """Size of the residuals over the ``sigma`` given, 1 where they agree."""
        from scipy.special import chdtr, chdtrc

        best, data = self.fits[0], self.data
        left = data.t.size - best.fit.free
        squares = best.fit.cost * (data.size / best.sigma) ** 2
        ratio = np.sqrt(squares / left)
        chance = np.minimum(chdtr(left, squares), chdtrc(left, squares))
        factor = np.maximum(ratio, 1.0 / np.maximum(ratio, LIMITS.tiny))
        apart = (chance < LIMITS.chance) & (factor > LIMITS.excess)
        return np.where(apart & np.isinf(best.freedom), ratio, 1.0)

    def heights(self, t: Array, rank: int = 0) -> Array:
        """Fitted ``log w``, shape (modes, times)."""
        return self.fits[rank].fit.heights(self.trajectories[rank], t)

    @property
    def seen(self) -> Array:
        """Fitted amplitude over plateau, with the sign of ``rho``, shape (modes, times)."""
        fit = self.fits[0].fit
        plateau = fit.parameters[:, 1:2] / self.trajectories[0].power
        height = np.minimum(self.heights(self.data.t) - plateau, LIMITS.exponent)
        return np.asarray(fit.sign[:, None] * np.exp(height))

    @property
    def residuals(self) -> Array:
        """Measured less fitted, in standard deviations of the noise, shape (modes, times)."""
        rows = np.arange(len(self.data.w))
        away = self.data.residuals(self.heights(self.data.t), rows) * self.data.size[:, None]
        return -away / self.fits[0].sigma[:, None]

    @property
    def places(self) -> list[int]:
        """Places of the modes that move, among all modes."""
        return [i for i in range(len(self.data.w) + len(self.constant)) if i not in self.constant]

    def spread(self, values: NDArray[Any], fill: float = np.nan) -> NDArray[Any]:
        """Values of the modes that move, filled for those that do not."""
        places = np.array(self.constant, int) - np.arange(len(self.constant))
        return np.insert(values, places, fill, axis=0)


def fit_all(curves: ValidatedCurves, *, one_eps: bool = False) -> AllFits:
    """Fit every mode equation, under the kind of noise that explains each mode best."""
    lam = curves.log_lam_in_own_units
    joint = one_eps or lam is not None
    known = curves.known.copy()
    if lam is not None:
        known[:, 0] = np.nan
    kinds = len(curves.noise_kinds)
    tried = Measurements(
        curves.t,
        np.tile(curves.w, (kinds, 1)),
        np.tile(known, (kinds, 1)),
        branches(curves.t, curves.w, curves.sign) * kinds,
        np.concatenate(curves.noise_kinds),
    )
    clock = known_clock(curves.clock)
    trajectories = [Trajectory(one.first, clock) for one in curves.equations]
    sigma = None if curves.sigma is None else np.tile(curves.sigma, kinds)
    fits = [evaluate(fit, tried, sigma) for fit in fit_each(trajectories, tried)]
    chosen = _likeliest_noise(curves, fits, joint)
    data = tried.rows(chosen)
    if joint:
        together = [
            fit_jointly(one, data, each.fit.rows(chosen), one_eps=one_eps, lam=lam)
            for one, each in zip(trajectories, fits, strict=True)
        ]
        return AllFits(data, [evaluate(fit, data, curves.sigma) for fit in together], None)
    rest = (chosen + len(curves.w)) % len(tried.w)
    other = None if kinds == 1 else (tried.rows(rest), [one.rows(rest) for one in fits])
    return AllFits(data, [one.rows(chosen) for one in fits], other)


def _likeliest_noise(curves: ValidatedCurves, fits: list[EvaluatedFit], joint: bool) -> Indices:
    """The row of each mode under the noise whose best fit is likelier."""
    modes = np.arange(len(curves.w))
    if len(curves.noise_kinds) == 1:
        return modes
    likely = np.max([one.sharpness * one.log_likelihood for one in fits], axis=0)
    absolute, relative = likely.reshape(2, -1)
    can = curves.noise_kinds[1]
    with np.errstate(invalid="ignore"):
        gain = np.where(can, np.nan_to_num(relative - absolute), 0.0)
    if joint:
        gain = np.where(can, gain.sum(), 0.0)
    return np.where(gain > PREFERENCE, modes + modes.size, modes)


def ranked(curves: ValidatedCurves, found: AllFits, modes: Indices) -> RankedFits:
    """The fits of some of the modes, in the order of Akaike's criterion."""
    some = [one.rows(modes) for one in found.fits]
    criterion = np.array([one.aic for one in some])
    if not np.isfinite(criterion).any():
        raise ValueError(
            "lam, rho, eps must allow some candidate a trajectory like the measured ones: got "
            "values that none fits"
        )
    order = np.argsort(criterion, kind="stable")
    data = found.data.rows(modes)
    read_only(data.w)
    other = None
    if found.other is not None:
        other_data, other_fits = found.other
        other = other_data.rows(modes), tuple(other_fits[i].rows(modes) for i in order)
    return RankedFits(
        data,
        curves.clock,
        curves.constant,
        tuple(curves.equations[i] for i in order),
        tuple(some[i] for i in order),
        other,
        np.isfinite(curves.known[modes]),
    )

"""A candidate's trajectories, their exact derivatives, and initial guesses for fitting them.

A mode has three parameters, ``(log |lam|, log |rho|, log eps)``, and the sign of ``rho``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dlnflow.identification._candidates import Candidate, Equation, GrowthLaw
from dlnflow.theory._clock import Clock, network_time
from dlnflow.theory.curve._master_curve import Branch, OnOneSide, master_curve
from dlnflow.theory.curve._response import plain_responses

Array = NDArray[np.float64]

SIGNS = {Branch.GROWTH: 1.0, Branch.DECAY: 1.0, Branch.SUPPRESSION: -1.0}
EARLIEST = 1e-6  # smallest elapsed time of a decay, where the fitted line reaches below 0
FAR = 1e3  # ratio of elapsed times from the point where a curve is started to the one wanted
MERGED = 1e-7  # relative distance from a guessed plateau within which a time tells nothing
BARELY = 1e-3  # slope over the whole measurement, where the fitted line falls
# Guesses of the plateau, over the largest amplitude (growth, suppression) or the smallest (decay):
# dense around a plateau that was reached, sparse beyond.
PLATEAU_GUESSES = {
    Branch.GROWTH: (0.95, 0.98, 0.995, 1.0, 1.01, 1.05, 1.3, 2.0, 5.0, 30.0, 1e3),
    Branch.DECAY: (1.05, 1.02, 1.0, 0.99, 0.95, 0.8, 0.5, 0.2, 0.05, 0.01),
    Branch.SUPPRESSION: (0.01, 0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0, 100.0),
}


@dataclass(frozen=True)
class Trajectory:
    """The trajectories of one mode equation on one clock, without validation.

    A fit evaluates a few hundred points thousands of times. `amplitude` would spend most of that
    time on validation and broadcasting. The tests compare the two.
    """

    equation: Equation | tuple[GrowthLaw]
    clock: Clock

    @property
    def candidate(self) -> Candidate | GrowthLaw:
        """The candidate that represents the mode equation."""
        return self.equation[0]

    @cached_property
    def power(self) -> float:
        """``b = k / L``."""
        return self.candidate.gap / self.candidate.L

    @cached_property
    def growth_exponent(self) -> float:
        """``alpha = (N - 2 + m) / L``."""
        return self.candidate.growth_exponent / self.candidate.L

    def curve(self, branch: Branch) -> OnOneSide:
        """Its master curve."""
        curve = master_curve(self.candidate.order, branch)
        assert isinstance(curve, OnOneSide)
        return curve

    def heights(self, t: Array, parameters: Array, branch: Branch) -> Array:
        """``log w``, shape (modes, times), for parameters of shape (modes, 3) on one branch.

        NaN where the parameters belong to another branch.
        """
        curve = self.curve(branch)
        scaled, log_r0 = self._scaled(t, parameters, branch)
        growth = curve.log_growth(scaled, log_r0, curve.start(log_r0))
        return parameters[:, 2:] + growth / self.power

    def with_slopes(self, t: Array, parameters: Array, branch: Branch) -> tuple[Array, Array]:
        """`heights` and their derivatives by the three parameters, shape (modes, times, 3)."""
        scaled, log_r0 = self._scaled(t, parameters, branch)
        log_r, by_x, by_start, by_fixed_point = plain_responses(self.curve(branch), scaled, log_r0)
        by_lam = np.where(by_x == 0.0, 0.0, scaled * by_x)
        slopes = [by_lam / self.power, by_fixed_point / self.power, by_start]
        return parameters[:, 2:] + (log_r - log_r0) / self.power, np.stack(slopes, axis=-1)

    def _scaled(self, t: Array, parameters: Array, branch: Branch) -> tuple[Array, Array]:
        """The master curve's time and initial value; NaN where the latter is on another branch."""
        log_lam, log_rho, log_eps = parameters.T[:, :, None]
        log_r0 = self.power * log_eps - log_rho
        beyond = {Branch.GROWTH: log_r0 >= 0.0, Branch.DECAY: log_r0 <= 0.0}.get(branch)
        if beyond is not None and beyond.any():
            log_r0 = np.where(beyond, np.nan, log_r0)
        return t * (self._rate * np.exp(log_lam + self.growth_exponent * log_eps)), log_r0

    @cached_property
    def _rate(self) -> float:
        """Scaled time per unit of the clock, for ``lam = eps = 1``."""
        return self.candidate.gap * float(network_time(self.clock, self.candidate.L))

    @np.errstate(all="ignore")
    def log_rise(self, parameters: Array, height: Array) -> tuple[Array, Array]:
        """``log (lam t)`` for the time ``t`` at which a growing mode passes ``log w = height``.

        Parameters
        ----------
        parameters : array, shape (modes, 3)
            Parameters of growing modes. ``lam`` has no influence.
        height : array, shape (modes,)

        Returns
        -------
        array, shape (modes,), and array, shape (modes, 3)
            The logarithm and its derivatives by the parameters. NaN for amplitudes not passed.
        """
        curve, b = self.curve(Branch.GROWTH), self.power
        _, log_rho, log_eps = parameters.T
        log_r0, log_r1, ratio = b * log_eps - log_rho, b * height - log_rho, b * (height - log_eps)
        passed = (ratio > 0.0) & (log_r1 < 0.0)
        log_r0, log_r1, ratio = (np.where(passed, x, np.nan) for x in (log_r0, log_r1, ratio))
        delay = curve.elapsed(log_r0, log_r1, ratio)
        left0, left1 = -np.expm1(log_r0), -np.expm1(log_r1)
        by_rho = (1.0 / left0 - np.exp(-curve.a * ratio) / left1) / delay - curve.a
        by_eps = -b / (left0 * delay)
        value = np.log(delay / self._rate) - self.growth_exponent * log_eps
        return value, np.stack([np.zeros_like(value), by_rho, by_eps], axis=-1)

    @np.errstate(all="ignore")
    def starts(
        self,
        t: Array,
        w: Array,
        branch: Branch,
        known: Array,
        relative: NDArray[np.bool_],
        sizes: Sequence[float] | None = None,
        *,
        used: NDArray[np.bool_],
    ) -> Array:
        """Initial parameters, shape (guesses, modes, 3); NaN where no such curve exists.

        For the true plateau the elapsed time ``T(q)`` is a straight line over ``t``. Its slope
        gives the rate and its value at 0 gives ``eps``. It is fitted for each guess of the plateau.

        Parameters
        ----------
        t : array, shape (times,)
        w : array, shape (modes, times)
        branch : Branch
        known : array, shape (modes, 3)
            Known parameters, NaN where unknown.
        relative : bool array, shape (modes,)
            Whether the noise is proportional to the amplitude.
        sizes : sequence of float, optional
            Guesses of the plateau, relative to the `reference` amplitude.
        used : bool array, shape (modes, times)
            Which measurements count.
        """
        b, curve = self.power, self.curve(branch)
        a = curve.a
        positive = used & (w > 0.0)
        height = np.log(np.where(positive, w, 1.0))
        size = reference(w, used, branch) + np.log(sizes or PLATEAU_GUESSES[branch])[:, None]
        size = np.where(np.isnan(known[:, 1]), size, known[:, 1] / b)
        log_r = b * (height - size[..., None])
        away = {Branch.GROWTH: -log_r, Branch.DECAY: log_r}
        there = positive & (away.get(branch, np.full_like(log_r, np.inf)) > MERGED * b)
        log_r = np.where(there, log_r, -1.0 if branch == Branch.GROWTH else 1.0)
        elapsed = curve.start(log_r) * np.exp(-a * log_r)
        steepness = np.exp(a * log_r) * np.abs(curve.side.distance(log_r)) / b
        weight = np.where(there, steepness * np.where(relative[:, None], 1.0, w), 0.0)
        weight = np.where(np.isfinite(weight) & np.isfinite(elapsed), weight, 0.0) ** 2
        elapsed = np.where(np.isfinite(elapsed), elapsed, 0.0)
        log_rho = b * size
        fixed_slope = self._rate * np.exp(known[:, 0] + a * log_rho)
        start_r = b * (known[:, 2] - size)
        fixed_value = curve.start(start_r) * np.exp(-a * start_r)
        slope, value = _line(t, elapsed, weight, fixed_slope, fixed_value)
        log_lam = np.log(slope / self._rate) - a * log_rho
        log_lam = np.where(np.isnan(known[:, 0]), log_lam, known[:, 0])
        log_r0 = _fraction_at(curve, branch, value)
        log_eps = np.where(np.isnan(known[:, 2]), size + log_r0 / b, known[:, 2])
        return np.stack([log_lam, log_rho, log_eps], axis=-1)


def reference(w: Array, used: NDArray[np.bool_], branch: Branch) -> Array:
    """Logarithm of the amplitude to which guesses of the plateau are relative."""
    if branch == Branch.DECAY:
        return np.log(np.where(used & (w > 0.0), w, np.inf).min(axis=1))
    return np.log(np.where(used, w, 0.0).max(axis=1))


def _line(
    t: Array, y: Array, weight: Array, fixed_slope: Array, fixed_value: Array
) -> tuple[Array, Array]:
    """Slope and value at 0 of the best line through ``y(t)``; either may be fixed, else NaN."""
    total = weight.sum(axis=-1)
    centre = (weight * t).sum(axis=-1) / total
    middle = (weight * y).sum(axis=-1) / total
    away = t - centre[..., None]
    free = (weight * away * (y - middle[..., None])).sum(-1) / (weight * away**2).sum(-1)
    through = (weight * t * (y - fixed_value[..., None])).sum(-1) / (weight * t**2).sum(-1)
    slope = np.where(np.isnan(fixed_value), free, through)
    slope = np.where(np.isnan(fixed_slope), slope, fixed_slope)
    slope = np.where(slope > 0.0, slope, BARELY / t[-1])
    return slope, np.where(np.isnan(fixed_value), middle - slope * centre, fixed_value)


def _fraction_at(curve: OnOneSide, branch: Branch, elapsed: Array) -> Array:
    """``log r`` at an elapsed time ``T``; NaN beyond the curve's ends."""
    a = curve.a
    if a == 0.0:
        return curve.side.log_r(np.where(branch == Branch.GROWTH, elapsed, np.abs(elapsed)))
    if branch == Branch.GROWTH:
        about = np.log(np.maximum(-a * elapsed, 1e-300)) / -a
        before = np.minimum(about, 0.0) - np.log(FAR) / a
    else:
        elapsed = np.maximum(elapsed, EARLIEST)
        head = np.log((a + 1.0) * elapsed) / -(a + 1.0)
        tail = np.log(a * elapsed) / -a
        before = np.maximum(np.maximum(head, tail), 0.0) + np.log(FAR) / (a + 1.0)
    start = curve.start(before)
    x = elapsed * np.exp(a * before) - start
    moved = curve.log_growth(np.maximum(x, 0.0), before, start)
    return np.where(x >= 0.0, before + moved, np.nan)

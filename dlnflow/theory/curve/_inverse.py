"""Tables for the way back: the fraction after a time, as a bounded smooth function of the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlnflow.theory.curve._mills import NEGLIGIBLE, Mills
from dlnflow.theory.curve._piecewise import PiecewisePolynomial
from dlnflow.theory.curve._sides import Growth

Array = NDArray[np.float64]

TOLERANCE = 1e-15
KNEE_REACH = 37.0  # above the knee, in T
STALLED = 0.25  # one doubling gains a factor 128, until rounding error is met
FEWEST_PANELS = 256
NEWTON_STEPS = 5


@dataclass(frozen=True)
class SoftTable:
    """A function of ``d`` on the whole line, tabulated over ``d / (softness + |d|)``.

    Panels are narrow near ``d = 0``, where the function bends, and wide far out, where it is flat.
    """

    softness: float
    table: PiecewisePolynomial

    def __call__(self, d: Array) -> Array:
        spread = np.abs(d)
        spread += self.softness
        return self.table(np.divide(d, spread, out=spread))


def _fit(function: Callable[[Array], Array], low: float, high: float, a: float) -> SoftTable:
    """Tabulate ``function``, constant outside ``[low, high]`` and bent at 0.

    The panels, as many on either side of 0, are doubled until rounding error is met.
    """
    softness = 4.0 + 0.5 * a

    def of_fraction(s: Array) -> Array:
        return function(np.clip(softness * s / (1.0 - np.abs(s)), low, high))

    between = np.linspace(low / (softness - low), high / (softness + high), 4098)
    truth = of_fraction(between)
    half, error = FEWEST_PANELS // 2, np.inf
    while True:
        table = PiecewisePolynomial.fit(of_fraction, -half, 1.0 / half, 2 * half)
        before, error = error, float(np.max(np.abs(table(between) - truth)))
        if error < TOLERANCE or not error <= STALLED * before:
            return SoftTable(softness, table)
        half *= 2


def _solve(
    d_and_slope: Callable[[Array], tuple[Array, Array]], grid: Array
) -> Callable[[Array], Array]:
    """The inverse of a rising function: interpolation on a grid, polished by Newton's method."""
    d_on_grid = d_and_slope(grid)[0]

    def solve(d: Array) -> Array:
        y = np.interp(d, d_on_grid, grid)
        for _ in range(NEWTON_STEPS):
            value, slope = d_and_slope(y)
            y = np.clip(y - (value - d) / slope, grid[0], grid[-1])
        return y

    return solve


def growth_table(mills: Mills, a: float) -> SoftTable:
    """``P`` of the growth branch over ``d``: ``-log(-T)`` below the knee at -1, ``T + 1`` above."""
    side = mills.side
    reach = NEGLIGIBLE / min(a, 1.0)

    def d_and_slope(z: Array) -> tuple[Array, Array]:
        h, stretch = mills(z), -a * side.log_r(z)
        log_time = np.log(np.maximum(-h, 1e-300)) + stretch
        below = (h < 0.0) & (log_time > 0.0)
        steep = np.exp(np.where(below, 0.0, stretch))
        return np.where(below, -log_time, h * steep + 1.0), np.where(below, -1.0 / h, steep)

    z_of = _solve(d_and_slope, np.arange(-reach, NEGLIGIBLE + 10.0 + np.log1p(a), 0.05))

    def p(d: Array) -> Array:
        z = z_of(d)
        deep = np.log(np.maximum(-mills(z), 1e-300)) / a
        return np.where(d < 0.0, deep, side.log_r(z) * np.exp(np.maximum(d, 0.0)))

    return _fit(p, -a * reach, KNEE_REACH, a)


def decay_table(mills: Mills, a: float) -> SoftTable:
    """``P`` of the decay branch over ``d``: ``log T`` below the knee ``T = 1``, ``T - 1`` above."""
    side = mills.side

    def d_and_slope(y: Array) -> tuple[Array, Array]:
        z = np.exp(y)
        h, stretch = mills(z), -a * side.log_r(z)
        log_time = np.log(h) + stretch
        below = log_time < 0.0
        steep = np.exp(np.where(below, 0.0, stretch))
        return np.where(below, log_time, h * steep - 1.0), z * np.where(below, 1.0 / h, steep)

    y_of = _solve(
        d_and_slope, np.arange(-NEGLIGIBLE, np.log(NEGLIGIBLE + 10.0 + np.log1p(a)), 0.02)
    )

    def p(d: Array) -> Array:
        z = np.exp(y_of(d))
        return np.where(
            d < 0.0,
            _log_bend(mills, z) / (a + 1.0),
            side.log_r(z) * np.exp(np.maximum(d, 0.0)),
        )

    return _fit(p, -(a + 1.0) * NEGLIGIBLE, KNEE_REACH, a)


def suppression_table(mills: Mills, a: float) -> SoftTable:
    """``log r`` of the suppression branch over ``d = log T``, less its straight asymptotes."""
    side = mills.side
    reach = NEGLIGIBLE / min(a, 1.0)

    def d_and_slope(y: Array) -> tuple[Array, Array]:
        z = np.exp(y)
        h = mills(z)
        return np.log(h) - a * side.log_r(z), z / h

    y_of = _solve(d_and_slope, np.arange(-NEGLIGIBLE, np.log(reach) + 1.0, 0.02))

    def p(d: Array) -> Array:
        z = np.exp(y_of(d))
        return np.where(d < 0.0, _log_bend(mills, z) / (a + 1.0), np.log(mills(z)) / a)

    return _fit(p, -(a + 1.0) * NEGLIGIBLE, a * reach, a)


def _log_bend(mills: Mills, z: Array) -> Array:
    """``log(T r**c)``, which is ``log r`` less its asymptote at small ``z``, times ``c``."""
    assert not isinstance(mills.side, Growth)
    return np.log(mills(z) / z) + mills.side.log_rz(z)

"""How a solution of the master curve answers to changes of time, start and fixed point.

With ``carry = (q1 / q0)**a (1 - q1) / (1 - q0)`` the derivative of ``log|q1|`` by ``log|q0|`` is
``carry``, and by the scaled time ``carry (1 - q0)``, of the opposite sign for negative ``q``. A
fixed point that moves from 1 to ``h``, ``dq/dtau = q**c (1 - q / h)``, moves ``log|q1|`` per unit
of ``log h`` by

    q1**a (1 - q1) integral of dq / (q**a (1 - q)**2) from q0 to q1  =  D1 - carry D0

with ``D = 1 + a H (1 - q)``. The right side cancels where ``q`` is small; there the integrand is
expanded in powers of ``q``. It cancels between close points; there the integral is a quadrature.
Between small and large ``q`` the way is cut in two at ``|q| = 1/4``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlnflow.theory.curve._master_curve import CLOSE, GAUSS, OnOneSide
from dlnflow.theory.curve._sides import AnySide, Decay, Growth

Array = NDArray[np.float64]

SMALL = 0.25  # |q| up to which the expansion is used
TERMS = 30  # of it: what is left out is 0.25**30 of the sum
NEWTON_STEPS = 5
CANCELLED = 1e-13  # of the terms of a difference


class Responses(NamedTuple):
    """``log|q1|``, and its derivatives by ``x`` and by the logarithms of start and fixed point."""

    log_r: Array
    by_time: Array
    by_start: Array
    by_fixed_point: Array


class _Point(NamedTuple):
    """A point of the curve: ``log|q|`` and ``log|1 - q|``."""

    log_r: Array
    log_distance: Array


def responses(curve: OnOneSide, x: Array, log_r0: Array) -> Responses:
    """The answers at the scaled time ``x`` of a solution that starts at ``log_r0``.

    Arguments as for `MasterCurve`. Right to a few digits less than a float has, or for a time
    within rounding of ``x``.
    """
    x, log_r0 = np.broadcast_arrays(x, log_r0)
    start, end = _ends(curve, x, log_r0)
    near = x * np.maximum(1.0, curve.a * np.abs(curve.side.distance(log_r0))) < CLOSE
    moved = _fixed_point_moved(curve, start, end)
    log_carry = _log_carry(curve.a, start, end)
    if near.any():
        rise, growth = _close_point(curve, x[near], log_r0[near])
        log_carry[near] = (curve.a + 1.0) * growth - rise
        end.log_r[near] = log_r0[near] + growth
        moved[near] = _between_close_points(curve, rise, end.log_r[near])
    return Responses(end.log_r, *_by_time_and_start(curve, start, log_carry), moved)


def plain_responses(curve: OnOneSide, x: Array, log_r0: Array) -> Responses:
    """`responses` for a fit, which needs no digits of a small answer to the fixed point."""
    start, end = _ends(curve, x, log_r0)
    by_time, by_start = _by_time_and_start(curve, start, _log_carry(curve.a, start, end))
    scaled = np.where(by_time == 0.0, 0.0, x * by_time)
    moved = 1.0 + curve.a * scaled - by_start
    # what has cancelled is rounding, and no direction for a fit
    moved = np.where(np.abs(moved) < CANCELLED * (1.0 + np.abs(by_start)), 0.0, moved)
    return Responses(end.log_r, by_time, by_start, moved)


def _ends(curve: OnOneSide, x: Array, log_r0: Array) -> tuple[_Point, _Point]:
    start = _Point(log_r0, curve.side.log_distance(log_r0))
    return start, _Point(*curve.position(x, log_r0, curve.start(log_r0)))


def _by_time_and_start(curve: OnOneSide, start: _Point, log_carry: Array) -> tuple[Array, Array]:
    by_time = _direction(curve.side) * np.exp(log_carry + start.log_distance)
    return by_time, np.exp(log_carry)


def _direction(side: AnySide) -> float:
    """Of ``|q|`` in time: decay and suppression fall."""
    return 1.0 if isinstance(side, Growth) else -1.0


def _log_carry(a: float, one: _Point, other: _Point) -> Array:
    return a * (other.log_r - one.log_r) + other.log_distance - one.log_distance


def _fixed_point_moved(curve: OnOneSide, start: _Point, end: _Point) -> Array:
    """The answer to the fixed point, in two pieces: where ``|q|`` is small, and elsewhere."""
    side = curve.side
    if isinstance(side, Decay):
        return _by_difference(curve, start, end)
    low, high = (np.minimum, np.maximum) if isinstance(side, Growth) else (np.maximum, np.minimum)
    between = low(high(np.log(SMALL), start.log_r), end.log_r)
    cut = _Point(between, side.log_distance(between))
    log_carry = _log_carry(curve.a, cut, end)
    if isinstance(side, Growth):
        early = _by_expansion(curve, start, cut, log_carry)
        late = _by_difference(curve, cut, end)
    else:
        early = _by_difference(curve, start, cut) * np.exp(log_carry)
        late = _by_expansion(curve, cut, end, np.zeros(1))
    return early + late


def _by_difference(curve: OnOneSide, start: _Point, end: _Point) -> Array:
    difference = _d(curve, end) - np.exp(_log_carry(curve.a, start, end)) * _d(curve, start)
    return np.where(start.log_r == end.log_r, 0.0, difference)


def _d(curve: OnOneSide, point: _Point) -> Array:
    """``1 + a H (1 - q)``."""
    near_one = point.log_distance < -1.0
    z = np.where(near_one, point.log_r - point.log_distance, curve.side.z(point.log_r))
    distance = np.exp(point.log_distance)
    share = np.where(distance == 0.0, 0.0, curve.mills(z) * distance)  # z may be infinite
    return 1.0 + _direction(curve.side) * curve.a * share


def _by_expansion(curve: OnOneSide, start: _Point, end: _Point, log_factor: Array) -> Array:
    """``1 / (1 - q)**2 = sum of (n + 1) q**n``, integrated term by term, times a factor."""
    a, sign = curve.a, curve.side.motion  # the sign of q
    log_factor = log_factor + end.log_distance
    growth = end.log_r - start.log_r
    total = np.zeros_like(growth)
    for n in range(TERMS):
        power = n + 1.0 - a
        at_end = np.exp(log_factor + (n + 1.0) * end.log_r)
        if power == 0.0:
            term = growth * at_end
        else:
            at_start = np.exp(log_factor + a * end.log_r + power * start.log_r)
            near = at_end * -np.expm1(np.minimum(-power * growth, 1.0))
            term = np.where(np.abs(power * growth) < 1.0, near, at_end - at_start) / power
        total += (n + 1.0) * sign ** (n + 1) * term
    return np.where(growth == 0.0, 0.0, total)


def _close_point(curve: OnOneSide, x: Array, log_r0: Array) -> tuple[Array, Array]:
    """How far ``log|q / (1 - q)|`` and ``log|q|`` have come after a short time ``x``."""
    rise = curve.side.motion * x
    for _ in range(NEWTON_STEPS):
        ratio = curve.log_ratio(log_r0, rise)
        miss = curve.time_of_rise(log_r0, rise) - x
        rise = rise - curve.side.motion * miss * np.exp(curve.a * ratio)
    return rise, curve.log_ratio(log_r0, rise)


def _between_close_points(curve: OnOneSide, rise: Array, log_r1: Array) -> Array:
    nodes, weights = GAUSS
    back = 0.5 * (nodes + 1.0) * rise[:, None]
    distance = curve.side.distance(log_r1)[:, None]
    integrand = np.exp(curve.a * np.log1p(distance * np.expm1(back)) - back)
    return np.exp(log_r1) * np.abs(rise) * np.sum(integrand * (0.5 * weights), axis=-1)

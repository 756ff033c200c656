"""Tables of ``H(z) = T(z) r**a``: elapsed time over its own slope, for one side and order.

``T(z) = integral of r**-a dz`` spans hundreds of orders of magnitude; ``H`` is of order one, smooth
on the scale of ``z`` and analytic up to the distance pi from the real axis, so that polynomials of
degree 6 on panels of width 1/32 reach rounding error. It is computed outward from the zero of
``T``, panel by panel with Gauss-Legendre: sums of one sign, which cannot cancel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial.legendre import leggauss
from numpy.typing import NDArray

from dlnflow.theory.curve._piecewise import PiecewisePolynomial
from dlnflow.theory.curve._sides import AnySide, Decay, Growth, Side, Suppression

Array = NDArray[np.float64]

PANEL = 1.0 / 32.0
NEGLIGIBLE = 40.0  # exp(-40) is below the rounding of 1
NEAR_ZERO = 1.0  # decay and suppression: up to here in one quadrature from zero
GAUSS, FINE_GAUSS = leggauss(8), leggauss(16)
STEEP = 40.0  # a, up to which 8 points a panel are exact to rounding


@dataclass(frozen=True)
class Mills:
    """``H`` as a function of ``z``, from a table; exact asymptotes beyond it.

    For ``a = 0`` it is ``H(z) = z`` and there is no table.
    """

    side: AnySide
    table: PiecewisePolynomial | None

    def __call__(self, z: Array) -> Array:
        if self.table is None:
            return z
        inside, last = z, self.table.last
        if not (z.min(initial=0.0) >= self.table.low and z.max(initial=0.0) <= last):
            inside = np.clip(z, self.table.low, last)
        value = self.table(inside)
        if not isinstance(self.side, Growth):
            value *= _factor(self.side, inside)
        if inside is not z and not isinstance(self.side, Suppression):
            value += np.maximum(z - last, 0.0)
        return value


def mills(side: AnySide, a: float) -> Mills:
    """``H`` for ``a = order - 1``."""
    if a == 0.0:
        return Mills(side, None)
    reach = int(np.ceil(NEGLIGIBLE / min(a, 1.0) / PANEL))
    first = -reach if isinstance(side, Growth) else 0
    last = reach if isinstance(side, Suppression) else int(NEGLIGIBLE / PANEL)
    starts: Array = PANEL * np.arange(first, last, dtype=np.float64)

    def quotient(z: Array) -> Array:
        if isinstance(side, Growth):
            return _growth_values(side, a, starts, z)
        return _values_from_zero(side, a, starts, z) / _factor(side, z)

    return Mills(side, PiecewisePolynomial.fit(quotient, first, PANEL, last - first))


def _factor(side: Decay | Suppression, z: Array) -> Array:
    """The part of ``H`` that vanishes at ``z = 0``, split off to keep relative accuracy."""
    if isinstance(side, Decay):
        return z
    return -np.expm1(-z)


def _growth_values(side: Side, a: float, starts: Array, z: Array) -> Array:
    """``H`` in each panel (a row of ``z``), with ``T = 0`` at a panel's edge near the knee."""
    knee = int(np.searchsorted(starts, np.log(max(a, 1.0)) + 2.0))
    rising = _march(side, a, starts[knee:], PANEL, z[knee:], 0.0)
    ends = starts[:knee][::-1] + PANEL
    falling = _march(side, a, ends, -PANEL, z[:knee][::-1], 0.0)
    return np.concatenate([falling[::-1], rising])


def _values_from_zero(side: Decay | Suppression, a: float, starts: Array, z: Array) -> Array:
    """The same on ``z > 0`` with ``T(0) = 0``."""
    near = int(np.searchsorted(starts, NEAR_ZERO))
    first = _integral_from_zero(side, a, z[:near])
    edge = _integral_from_zero(side, a, starts[near : near + 1]).item()
    return np.concatenate([first, _march(side, a, starts[near:], PANEL, z[near:], edge)])


def _integral_from_zero(side: Decay | Suppression, a: float, z: Array) -> Array:
    """``H(z)`` as one Gauss-Jacobi quadrature, since ``r**-a ~ z**a`` at zero."""
    from scipy.special import roots_jacobi

    nodes, weights = roots_jacobi(24, 0.0, a)
    u = 0.5 * (nodes + 1.0)
    smooth = np.exp(a * (side.log_rz(z)[..., None] - side.log_rz(z[..., None] * u)))
    return z * (smooth @ (weights / weights.sum())) / (a + 1.0)


def _march(side: Side, a: float, starts: Array, step: float, z: Array, value: float) -> Array:
    """``H`` at the points ``z`` of successive panels, from its value at the first panel's start."""
    rest = _resting_value(side, a)
    keep, add = _advance(side, a, starts, np.full_like(starts, step))
    at_start = [value - rest]
    for kept, added in zip(keep.tolist(), add.tolist(), strict=True):
        at_start.append(at_start[-1] * kept + added)
    keep, add = _advance(side, a, starts[:, None], z - starts[:, None])
    return rest + (np.array(at_start[:-1])[:, None] * keep + add)


def _resting_value(side: Side, a: float) -> float:
    """Where ``H`` tends as ``r`` vanishes; measured from there, rounding errors do not add up."""
    return {Growth: -1.0 / a, Suppression: 1.0 / a}.get(type(side), 0.0)


def _advance(side: Side, a: float, start: Array, step: Array) -> tuple[Array, Array]:
    """The two terms of ``h(z + step) = h(z) * keep + add`` for ``h = H`` less its resting value.

    From ``dH/dz = 1 + a H dlog(r)/dz`` follows ``dh/dz = source + a h dlog(r)/dz``.
    """
    nodes, weights = GAUSS if a <= STEEP else FINE_GAUSS
    distance = side.distance(side.log_r(start))

    def log_rise(dz: Array, distance: Array) -> Array:
        return -np.log1p(distance * np.expm1(-side.motion * dz))

    on_the_way = step[..., None] * 0.5 * (nodes + 1.0)
    whole, part = log_rise(step, distance), log_rise(on_the_way, distance[..., None])
    r = np.exp(side.log_r(start[..., None] + on_the_way))
    source = {Growth: r, Suppression: -r}.get(type(side), np.ones_like(r))
    add = 0.5 * step * ((np.exp(a * (whole[..., None] - part)) * source) @ weights)
    return np.exp(a * whole), add

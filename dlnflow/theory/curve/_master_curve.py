"""The master curve: Blumberg's hyperlogistic law, ``dq/dtau = q**c (1 - q)``, both ways.

It knows no network. A solution is fixed by its order ``c`` and its starting point, and one table
for each order serves every starting point and every time at the same cost: no iteration, no
dependence on how small the start is.

Four branches, by the sign of ``q`` and the side of the fixed point ``q = 1``, with ``r = |q|``:

===========  ===============  ==============================
growth       ``0 < q < 1``    ``dr/dtau = r**c (1 - r)``
decay        ``q > 1``        ``dr/dtau = -r**c (r - 1)``
suppression  ``q < 0``        ``dr/dtau = -r**c (1 + r)``
noise        ``r`` infinite   ``dr/dtau = -r**(c + 1)``
===========  ===============  ==============================

In the coordinate ``z`` of ``dlnflow._sides`` (the logit, for growth) the elapsed time is
``T(z) = integral of r**-a dz`` with ``a = c - 1``. It spans hundreds of orders of magnitude, so it
is kept as ``H(z) = T(z) r**a``, of order one everywhere (``dlnflow._mills``), and times are
**scaled**: ``x = tau r0**a``, in units of the start's own time scale. Between two points

    x = H(z1) (r0 / r1)**a - H(z0),

and the way back, from ``m = H(z0) + x``, is a table in ``log|m|`` where ``T`` is far from its knee
and in ``m`` where it is near.

Closed forms of ``T``, up to its constant, against which the tests hold this module: for integer
order ``-sum(q**-n / n for n in 1 .. c - 1) + log(q / (1 - q))``, otherwise
``q**(1 - c) / (1 - c) 2F1(1, 1 - c; 2 - c; q)``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property, lru_cache
from threading import RLock
from typing import ClassVar

import numpy as np
from numpy.polynomial.legendre import leggauss
from numpy.typing import NDArray

from dlnflow.theory.curve._inverse import SoftTable, decay_table, growth_table, suppression_table
from dlnflow.theory.curve._mills import Mills, mills
from dlnflow.theory.curve._sides import AnySide, Decay, Growth, Suppression

Array = NDArray[np.float64]

LOWEST_ORDER = 1.1  # but for 1 itself; a network has 1 or at least 4/3
LARGEST_EXPONENT = 700.0  # exp of it is finite
LARGEST = float(np.finfo(np.float64).max)
_MAKING = RLock()  # a second thread waits for a table rather than make it too
NEAR_ONE = 37.0  # exp(-37) is below the rounding of 1
CLOSE = 0.25  # in log(r**a): nearer than that the difference of H would lose digits
GAUSS = leggauss(8)  # exact to rounding over such a distance, also next to the singularity z = 0


class Branch(IntEnum):
    """The side of the fixed points on which a solution runs."""

    GROWTH = 0
    DECAY = 1
    SUPPRESSION = 2
    NOISE = 3


class MasterCurve(ABC):
    """One order and branch. Arguments are arrays, with one axis or more, that broadcast together.

    ``log_r0`` is ``log|q|`` at the start, ``start`` what the method of that name says of it, and
    ``x`` the scaled time ``tau |q0|**(order - 1)`` (on the noise branch ``tau |q0|**order``).
    """

    @abstractmethod
    def start(self, log_r0: Array) -> Array:
        """What `log_growth` wants to know of a starting point, computed once for all times."""

    @abstractmethod
    def log_growth(self, x: Array, log_r0: Array, start: Array) -> Array:
        """``log(q / q0)`` at the scaled time ``x >= 0``."""

    @abstractmethod
    def elapsed(self, log_r0: Array, log_r1: Array, log_ratio: Array) -> Array:
        """Scaled time from ``log_r0`` to ``log_r1``, which must lie ahead on the branch.

        ``log_ratio`` is ``log_r1 - log_r0``, apart because a caller often knows it better than the
        difference of the two tells: close points then keep their relative accuracy.
        """


def master_curve(order: float, branch: Branch) -> MasterCurve:
    """The curve of an order and a branch; its tables are made on first use and kept.

    Parameters
    ----------
    order : float
        ``c``: 1, or at least 1.1.
    branch : Branch
        Side of the fixed points.

    Returns
    -------
    MasterCurve
        Elapsed time of a fraction, and fraction after a time.

    Raises
    ------
    ValueError
        If the order is neither 1 nor at least 1.1.

    Examples
    --------
    From q = 0.01 to q = 1/2 a logistic curve (order 1) takes log(99):

    >>> import numpy as np
    >>> r0, r1 = np.log([0.01]), np.log([0.5])
    >>> curve = master_curve(1.0, Branch.GROWTH)
    >>> curve.elapsed(r0, r1, r1 - r0), np.log(99)
    (array([4.59511985]), np.float64(4.59511985013459))
    """
    if order != 1.0 and not order >= LOWEST_ORDER:
        raise ValueError(f"order must be 1 or at least {LOWEST_ORDER}: got {order}")
    with _MAKING:
        return _curve(order, branch)


@lru_cache(maxsize=1024)
def _curve(order: float, branch: Branch) -> MasterCurve:
    if branch == Branch.NOISE:
        return PowerLaw(order)
    side: AnySide = (Growth(), Decay(), Suppression())[branch]
    kind = (GrowthCurve, DecayCurve, SuppressionCurve)[branch] if order != 1.0 else Logistic
    with np.errstate(all="ignore"):
        return kind(side, order - 1.0, mills(side, order - 1.0))


@dataclass(frozen=True)
class OnOneSide(MasterCurve):
    """What growth, decay and suppression have in common: the elapsed time."""

    side: AnySide
    a: float
    mills: Mills

    def start(self, log_r0: Array) -> Array:
        return self.mills(self.side.z(log_r0))

    @abstractmethod
    def position(self, x: Array, log_r0: Array, start: Array) -> Array:
        """``log|q|`` and ``log|1 - q|`` at the scaled time ``x``, stacked.

        Each keeps its accuracy where the other runs into a fixed point, 1 or 0.
        """

    def elapsed(self, log_r0: Array, log_r1: Array, log_ratio: Array) -> Array:
        fall = log_ratio * -self.a
        time = self.start(log_r1) * np.exp(fall, out=fall)
        time -= self.start(log_r0)
        limit = CLOSE / max(self.a, 1.0)
        rises = isinstance(self.side, Growth)
        nearest = log_ratio.min(initial=limit) if rises else -log_ratio.max(initial=-limit)
        if not nearest >= limit:
            close = (np.abs(log_ratio) < limit) & (log_ratio != 0.0)
            here = np.nonzero(np.broadcast_to(close, time.shape))
            begins, ratio = (np.broadcast_to(end, time.shape)[here] for end in (log_r0, log_ratio))
            rise = -np.log1p(np.expm1(-ratio) / self.side.distance(begins))
            near = self.time_of_rise(begins, rise)
            time[here] = np.where(np.abs(rise) < 1.0, near, time[here])
        return np.maximum(time, 0.0, out=time)

    def time_of_rise(self, log_r0: Array, rise: Array) -> Array:
        """Scaled time in which ``log|q / (1 - q)|`` changes by ``rise``, at most about 1.

        A quadrature: the difference of ``H`` would cancel. Arguments with one axis.
        """
        nodes, weights = GAUSS
        falls = np.expm1(-0.5 * (nodes + 1.0) * rise[:, None])
        integrand = np.exp(self.a * np.log1p(self.side.distance(log_r0)[:, None] * falls))
        # a sum and no product, whose rounding would depend on the number of rows
        return np.abs(rise) * np.sum(integrand * (0.5 * weights), axis=-1)

    def log_ratio(self, log_r0: Array, rise: Array) -> Array:
        """``log(q / q0)`` once ``log|q / (1 - q)|`` has changed by ``rise``."""
        return -np.log1p(self.side.distance(log_r0) * np.expm1(-rise))


@dataclass(frozen=True)
class PowerLaw(MasterCurve):
    """Noise: with no fixed point left the amplitude falls as a power of time."""

    order: float

    def start(self, log_r0: Array) -> Array:
        return np.zeros_like(log_r0)

    def log_growth(self, x: Array, log_r0: Array, start: Array) -> Array:
        return np.log1p(self.order * x) / -self.order

    def elapsed(self, log_r0: Array, log_r1: Array, log_ratio: Array) -> Array:
        return np.expm1(-self.order * log_ratio) / self.order


@dataclass(frozen=True)
class Logistic(OnOneSide):
    """Order 1: ``z`` itself is the clock, and ``H(z) = z``."""

    def log_growth(self, x: Array, log_r0: Array, start: Array) -> Array:
        if isinstance(self.side, Growth):
            log_rest = log_r0 - start
            largest = np.maximum(log_r0, -x)
            return -(largest + np.log(np.exp(log_r0 - largest) + np.exp(log_rest - x - largest)))
        if isinstance(self.side, Decay):
            return -np.log1p(-np.exp(log_r0 - start) * np.expm1(-x))
        return -(x + np.log1p(-np.exp(log_r0) * np.expm1(-x)))

    def position(self, x: Array, log_r0: Array, start: Array) -> Array:
        z = start + x
        log_r = self.side.log_r(z)
        if isinstance(self.side, Suppression):
            return np.stack([log_r, self.side.log_distance(log_r)])
        return np.stack([log_r, np.where(z > NEAR_ONE, -z, self.side.log_distance(log_r))])


@dataclass(frozen=True)
class Tabulated(OnOneSide):
    """An order above 1: the way back is a table."""

    tabulate: ClassVar[staticmethod[[Mills, float], SoftTable]]

    @property
    def table(self) -> SoftTable:
        """Made when first asked for, since times alone do not need it."""
        with _MAKING:
            return self._table

    @cached_property
    def _table(self) -> SoftTable:
        with np.errstate(all="ignore"):
            return self.tabulate(self.mills, self.a)


@dataclass(frozen=True)
class GrowthCurve(Tabulated):
    """``0 < q < 1``: ``T`` rises from minus infinity through the knee at ``T = -1`` to infinity.

    Below the knee ``log q = P - g / a`` with ``g = log(-T)``, above it ``log q = P exp(-p)`` with
    ``p = T + 1``; one of ``g`` and ``p`` is always zero, so both cases are one formula, and the
    table of ``P`` runs over ``p - g``.
    """

    tabulate = staticmethod(growth_table)

    def log_growth(self, x: Array, log_r0: Array, start: Array) -> Array:
        log_q, p, g = self._parts(x, log_r0, start, LARGEST_EXPONENT)
        np.negative(p, out=p)
        log_q *= np.exp(p, out=p)
        g += log_r0
        log_q -= g
        return log_q

    def position(self, x: Array, log_r0: Array, start: Array) -> Array:
        value, p, g = self._parts(x, log_r0, start, np.inf)
        return _near_the_fixed_point(self.side, value, p, value * np.exp(-p) - g)

    def _parts(
        self, x: Array, log_r0: Array, start: Array, largest: float
    ) -> tuple[Array, Array, Array]:
        """``P``, ``p`` up to ``largest``, and ``g / a``."""
        scale = -self.a * log_r0
        m = start + x
        p = m * np.exp(np.minimum(scale, LARGEST_EXPONENT))
        g = np.negative(p)
        np.maximum(g, 1.0, out=g)
        np.log(g, out=g)
        if scale.max(initial=0.0) > LARGEST_EXPONENT:  # T itself may be no float
            with np.errstate(divide="ignore"):  # minus infinity once T is positive
                far = np.maximum(np.log(np.maximum(-m, 0.0)) + scale, 0.0)
            g = np.where(scale > LARGEST_EXPONENT, far, g)
        np.clip(p, -1.0, largest, out=p)
        p += 1.0
        value = self.table((p if largest < np.inf else np.minimum(p, LARGEST_EXPONENT)) - g)
        g *= 1.0 / self.a
        return value, p, g


@dataclass(frozen=True)
class DecayCurve(Tabulated):
    """``q > 1``: the same with the knee at ``T = 1`` and ``T`` rising from zero."""

    tabulate = staticmethod(decay_table)

    def log_growth(self, x: Array, log_r0: Array, start: Array) -> Array:
        value, p, g = self._parts(x, log_r0, start)
        value *= np.exp(-p)
        value -= g
        value -= log_r0
        return value

    def position(self, x: Array, log_r0: Array, start: Array) -> Array:
        value, p, g = self._parts(x, log_r0, start)
        return _near_the_fixed_point(self.side, value, p, value * np.exp(-p) - g)

    def _parts(self, x: Array, log_r0: Array, start: Array) -> tuple[Array, Array, Array]:
        """``P``, ``p`` and ``g / (a + 1)``, with ``g = log T`` below the knee and 0 above."""
        g = np.log(start + x)
        g -= self.a * log_r0
        p = np.expm1(np.clip(g, 0.0, LARGEST_EXPONENT))
        np.minimum(g, 0.0, out=g)
        value = self.table(np.minimum(p, LARGEST_EXPONENT) + g)
        g /= self.a + 1.0
        return value, p, g


@dataclass(frozen=True)
class SuppressionCurve(Tabulated):
    """``q < 0``: ``log r`` against ``log T`` is a bend between two straight lines."""

    tabulate = staticmethod(suppression_table)

    def log_growth(self, x: Array, log_r0: Array, start: Array) -> Array:
        a = self.a
        d = np.log(np.minimum(start + x, LARGEST)) - a * log_r0
        lines = np.maximum(-d, 0.0) / (a + 1.0) - np.maximum(d, 0.0) / a
        return self.table(d) + lines - log_r0

    def position(self, x: Array, log_r0: Array, start: Array) -> Array:
        log_r = self.log_growth(x, log_r0, start) + log_r0
        return np.stack([log_r, self.side.log_distance(log_r)])


def _near_the_fixed_point(side: AnySide, value: Array, p: Array, log_r: Array) -> Array:
    """``log|q|`` and ``log|1 - q|``, where ``log|q| = value exp(-p)`` above the knee."""
    with np.errstate(divide="ignore"):
        near, far = np.log(np.abs(value)) - p, side.log_distance(log_r)
    return np.stack([log_r, np.where(p > NEAR_ONE, near, far)])

"""Measured curves: what is known of each, and how far a trajectory is from it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from dlnflow.identification._least_squares import Indices
from dlnflow.network._probe import signal_to_noise

Array = NDArray[np.float64]

ROUNDING = 1e-14  # relative error of a noiseless trajectory
LEAST_R2 = 1e-6  # distance of ``R2`` from 0 and 1 that no measurement resolves


@dataclass(frozen=True, eq=False)
class RowRecord:
    """A record whose fields hold one entry for each row, except the fields in ``common``."""

    common: ClassVar[tuple[str, ...]] = ()

    def rows(self, chosen: Indices) -> Self:
        """The record of some of the rows."""
        names = [one.name for one in fields(self) if one.name not in self.common]
        return replace(self, **{name: _entries(getattr(self, name), chosen) for name in names})


def _entries(value: Any, chosen: Indices) -> Any:
    if isinstance(value, RowRecord):
        return value.rows(chosen)
    if isinstance(value, tuple):
        return tuple(one.rows(chosen) for one in value)
    return None if value is None else value[chosen]


@dataclass(frozen=True, eq=False)
class Measurements(RowRecord):
    """Validated measurements, one row for each mode and kind of noise.

    Attributes
    ----------
    t : array, shape (times,)
    w : array, shape (rows, times)
    known : array, shape (rows, 3)
        ``log |lam|``, ``log |rho|``, ``log eps`` where known, else NaN.
    own_lam : array, shape (rows,)
        ``log |lam|`` where known while the clock's unit is not, else NaN.
    allowed : bool array, shape (rows, branches)
        Branches that each curve may be on.
    relative : bool array, shape (rows,)
        Whether the noise is proportional to the amplitude. Otherwise it is equal at all times.
    given_sigma : array, shape (rows,), or None
        Standard deviation of the noise, if it was given.
    used : bool array, shape (rows, times)
        Which measurements are fitted.
    measure : {"amplitude", "scaled", "probe"}
        What ``w`` holds: amplitudes; the same up to a factor; or the ``R2`` of a linear probe,
        which is ``1 / (1 + 1 / a**2)`` for the amplitude ``a`` in units of the probe's noise.
    """

    common: ClassVar[tuple[str, ...]] = ("t", "measure")
    t: Array
    w: Array
    known: Array
    own_lam: Array
    allowed: NDArray[np.bool_]
    relative: NDArray[np.bool_]
    given_sigma: Array | None
    used: NDArray[np.bool_]
    measure: str = "amplitude"

    @property
    def probe(self) -> bool:
        """Whether ``w`` holds ``R2``."""
        return self.measure == "probe"

    @property
    def given(self) -> NDArray[np.bool_]:
        """Which parameters were given, shape (rows, 3)."""
        own = np.isfinite(self.own_lam)[:, None] & [True, False, False]
        return np.isfinite(self.known) | own

    @cached_property
    def count(self) -> Array:
        """Number of measurements fitted, for each row."""
        return self.used.sum(axis=1).astype(np.float64)

    @cached_property
    def size(self) -> Array:
        """Unit of the residuals: 1 for relative noise, else the largest value measured."""
        return np.where(self.relative, 1.0, np.where(self.used, self.w, 0.0).max(axis=1))

    @property
    def floor(self) -> float:
        """Sum of squared residuals that rounding leaves."""
        return self.t.size * ROUNDING**2

    @cached_property
    def amplitude(self) -> Array:
        """Amplitudes for initial guesses, from ``R2`` in units of the probe's noise."""
        return amplitude_of_r2(self.w) if self.probe else self.w

    @property
    def sum_of_logs(self) -> Array:
        """Sum of ``log |w|`` over the measurements that are fitted."""
        return np.asarray(np.log(np.where(self.used, np.abs(self.w), 1.0)).sum(axis=1))

    def values(self, heights: Array) -> Array:
        """What is measured, where the logarithm of the amplitude is ``heights``."""
        with np.errstate(over="ignore"):
            return 1.0 / (1.0 + np.exp(-2.0 * heights)) if self.probe else np.exp(heights)

    def residuals(self, heights: Array, rows: Indices) -> Array:
        """Residuals of trajectories ``log w`` for these rows, in units of `size`; 0 if not used."""
        relative = self.relative[rows]
        away = (self.values(heights) - self.w[rows]) / self.size[rows, None]
        if relative.any():
            away[relative] = heights[relative] - np.log(self.w[rows[relative]])
        return np.where(self.used[rows], away, 0.0)

    def slopes(self, heights: Array, slopes: Array, rows: Indices) -> Array:
        """Derivatives of `residuals` by the parameters, from those of ``log w``."""
        values = self.values(heights)
        factor = 2.0 * values * (1.0 - values) if self.probe else values
        factor = np.where(self.relative[rows, None], 1.0, factor / self.size[rows, None])
        return slopes * np.where(self.used[rows], factor, 0.0)[..., None]


def amplitude_of_r2(r2: Array) -> Array:
    """The amplitude in units of the probe's noise; within what noise in ``R2`` may do to it."""
    return signal_to_noise(np.clip(r2, LEAST_R2, 1.0 - LEAST_R2))

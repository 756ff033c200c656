"""Fitting one law to modes that share something: one start, or a clock of unknown unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlnflow.identification._fit import HUGE, Data, Fit, Shared, fit_each, linearised
from dlnflow.identification._least_squares import Indices, inverse, least_squares
from dlnflow.identification._trajectory import Trajectory
from dlnflow.theory.curve._master_curve import Branch

Array = NDArray[np.float64]

AGAIN = 3  # searches at most from where the rows' common start leads each
LITTLE = 1e-3  # twice the log-likelihood that another search is not worth


def fit_together(
    trajectory: Trajectory, data: Data, each: Fit, *, one_eps: bool, lam: Array | None
) -> Fit:
    """All rows with one ``eps``, or with ``lam`` known on a clock whose unit is not.

    Parameters
    ----------
    each : Fit
        Of every row by itself, with what is shared left free: the start.
    one_eps : bool
        Whether all rows start from one ``eps``.
    lam : array, shape (rows,), or None
        ``log |lam|``, NaN where not known, in unknown units of the clock.
    """
    if not np.isfinite(each.cost).all():
        return each
    sharing = _Sharing.of(data.known, one_eps, lam)
    noise = np.sqrt(np.maximum(each.cost, data.floor) / data.t.size)
    best = _search(trajectory, data, each, sharing, noise)
    for _ in range(AGAIN if one_eps else 0):
        anew = _from_one_start(trajectory, data, best)
        if not np.isfinite(anew.cost).all():
            break
        other = _search(trajectory, data, anew, sharing, noise)
        if not np.sum(other.cost / noise**2) < np.sum(best.cost / noise**2) - LITTLE:
            break
        best = other
    return best


def _from_one_start(trajectory: Trajectory, data: Data, fit: Fit) -> Fit:
    """Every row by itself again, from the ``eps`` that all agreed on.

    A row that hardly moves has several optima, and the one that it takes by itself need not be the
    one that the others' ``eps`` leaves to it.
    """
    known = data.known.copy()
    known[:, 2] = np.where(np.isnan(known[:, 2]), fit.parameters[:, 2], known[:, 2])
    return fit_each([trajectory], replace(data, known=known))[0]


def _search(trajectory: Trajectory, data: Data, each: Fit, sharing: _Sharing, noise: Array) -> Fit:
    """The optimum that lies next to a start."""
    every = _by_branch(trajectory, data, each.branch)

    def model(shared: Array, _: Indices) -> tuple[Array, Array]:
        residuals, slopes = every(sharing.spread(shared[0]))
        dense = sharing.gather(slopes / noise[:, None, None])
        return (residuals / noise[:, None]).reshape(1, -1), dense[None]

    start = sharing.start(each.parameters)[None]
    free = np.ones(start.shape, dtype=bool)
    floor = np.array([np.sum(data.floor / noise**2)])
    found = least_squares(model, start, free, floor)
    parameters = sharing.spread(found.parameters[0])
    with np.errstate(all="ignore"):
        residuals, slopes = every(parameters)
        cost = np.sum(residuals**2, axis=1)
    covariance = inverse(found.normal, free)[0]
    rows = len(data.w)
    told = _told_by_others(
        parameters,
        residuals / noise[:, None],
        slopes / noise[:, None, None],
        np.isnan(data.known),
        sharing.shares,
    )
    return Fit(
        parameters,
        each.branch,
        cost,
        sharing.of_rows(covariance) / (noise**2)[:, None, None],
        np.full(rows, start.shape[1] / rows),
        Shared(sharing.scale(found.parameters[0], covariance), *told),
    )


def _told_by_others(
    parameters: Array,
    residuals: Array,
    slopes: Array,
    free: NDArray[np.bool_],
    shares: NDArray[np.bool_],
) -> tuple[Array, Array]:
    """What all other rows say of a row's shared parameters: their middle, and how precisely.

    At the common optimum a row pulls as hard as all others pull back, which tells where they alone
    would be.
    """
    with np.errstate(all="ignore"):
        pull = np.einsum("rni,rn->ri", slopes, residuals)
        variance = np.einsum("rii->ri", inverse(slopes.swapaxes(1, 2) @ slopes, free))
        own = np.where(shares & (variance > 0.0), 1.0 / variance, 0.0)
        precision = np.where(shares, own.sum(axis=0) - own, 0.0)
        middle = np.where(precision > 0.0, parameters + pull / precision, parameters)
    return middle, precision


def _by_branch(
    trajectory: Trajectory, data: Data, branch: tuple[Branch, ...]
) -> Callable[[Array], Any]:
    """Residuals and Jacobian of all rows, each on its own branch."""
    groups = [
        (one, np.array([i for i, other in enumerate(branch) if other == one]))
        for one in sorted(set(branch))
    ]

    def every(parameters: Array) -> tuple[Array, Array]:
        residuals = np.empty(data.w.shape)
        slopes = np.empty((*data.w.shape, 3))
        for one, rows in groups:
            residuals[rows], slopes[rows] = linearised(
                trajectory, data, parameters[rows], rows, one
            )
        return residuals, slopes

    return every


@dataclass(frozen=True)
class _Sharing:
    """``parameters = fixed + design @ shared``, for the parameters of all rows one after another.

    A clock's unknown unit is one of the shared parameters: ``lam`` in units of the clock is ``lam``
    as known, times that unit.
    """

    fixed: Array
    design: Array
    place_of_scale: int | None
    shares: NDArray[np.bool_]  # which of a row's parameters others share

    @classmethod
    def of(cls, known: Array, one_eps: bool, lam: Array | None) -> _Sharing:
        known = known.copy()
        scaled = np.zeros(len(known), dtype=bool) if lam is None else np.isfinite(lam)
        if lam is not None:
            known[scaled, 0] = lam[scaled]
        free = np.isnan(known)
        if one_eps:
            free[:, 2] = False
        columns = [np.eye(known.size)[:, np.flatnonzero(free.ravel())]]
        if one_eps and np.isnan(known[:, 2]).any():
            columns.append((np.isnan(known[:, 2])[:, None] * [0.0, 0.0, 1.0]).reshape(-1, 1))
        place = None
        if scaled.any():
            place = sum(column.shape[1] for column in columns)
            columns.append((scaled[:, None] * [1.0, 0.0, 0.0]).reshape(-1, 1))
        shares = np.zeros(known.shape, dtype=bool)
        shares[:, 0] = scaled
        shares[:, 2] = one_eps & np.isnan(known[:, 2])
        fixed = np.where(np.isnan(known), 0.0, known).ravel()
        return cls(fixed, np.hstack(columns), place, shares)

    @property
    def by_row(self) -> Array:
        """The design, shape (rows, 3, shared)."""
        return self.design.reshape(len(self.design) // 3, 3, -1)

    def spread(self, shared: Array) -> Array:
        """The parameters of every row."""
        return (self.fixed + self.design @ shared).reshape(-1, 3)

    def start(self, parameters: Array) -> Array:
        """What the rows' own fits say, on average."""
        return (self.design.T @ (parameters.ravel() - self.fixed)) / self.design.sum(axis=0)

    def gather(self, slopes: Array) -> Array:
        """The Jacobian by the shared parameters, shape (rows * times, shared)."""
        dense = slopes @ self.by_row
        return dense.reshape(-1, dense.shape[-1])

    def of_rows(self, covariance: Array) -> Array:
        """The covariance of every row's own three, ``lam`` in its own units."""
        by_row = self.by_row.copy()
        if self.place_of_scale is not None:
            by_row[:, 0, self.place_of_scale] -= 1.0
        known = np.where(np.isfinite(covariance), covariance, HUGE)
        spread = by_row @ known @ by_row.swapaxes(1, 2)
        return np.where(np.abs(spread) >= HUGE, np.inf, spread)

    def scale(self, shared: Array, covariance: Array) -> tuple[float, float] | None:
        """The clock's unit, as a logarithm, and its variance."""
        if self.place_of_scale is None:
            return None
        place = self.place_of_scale
        return float(shared[place]), float(covariance[place, place])

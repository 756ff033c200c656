"""Fits one mode equation to all modes jointly: with one ``eps``, or one unknown clock unit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dlnflow.identification._fit import (
    HUGE,
    BranchSearch,
    Fit,
    Measurements,
    SharedInformation,
    fit_each,
    vectorised_model,
)
from dlnflow.identification._least_squares import Indices, inverse, least_squares
from dlnflow.identification._trajectory import Trajectory
from dlnflow.theory.curve._master_curve import Branch

Array = NDArray[np.float64]

RESTARTS = 3  # at most, from the shared ``eps`` of the fit before
LEAST_GAIN = 1e-3  # in twice the log-likelihood, below which restarts end


def fit_jointly(
    trajectory: Trajectory, data: Measurements, each: Fit, *, one_eps: bool, lam: Array | None
) -> Fit:
    """Fit all rows with one ``eps``, or with known ``lam`` on a clock of unknown unit.

    Parameters
    ----------
    each : Fit
        Independent fits of the rows, where the search starts.
    one_eps : bool
        Whether all rows have the same ``eps``.
    lam : array, shape (rows,), or None
        Known ``log |lam|`` in units of its own, NaN where unknown.
    """
    if not np.isfinite(each.cost).all():
        return each
    layout = _SharedParameters.of(data.known, one_eps, lam)
    noise = np.sqrt(np.maximum(each.cost, data.floor) / data.t.size)
    best = _search(trajectory, data, each, layout, noise)
    for _ in range(RESTARTS if one_eps else 0):
        anew = _refitted_from_shared_eps(trajectory, data, best)
        if not np.isfinite(anew.cost).all():
            break
        other = _search(trajectory, data, anew, layout, noise)
        if not np.sum(other.cost / noise**2) < np.sum(best.cost / noise**2) - LEAST_GAIN:
            break
        best = other
    return best


def _refitted_from_shared_eps(trajectory: Trajectory, data: Measurements, fit: Fit) -> Fit:
    """Fit every row independently again, with ``eps`` fixed to the shared value.

    A row that hardly moves has several optima, and its independent optimum need not be the best one
    at the shared ``eps``.
    """
    known = data.known.copy()
    known[:, 2] = np.where(np.isnan(known[:, 2]), fit.parameters[:, 2], known[:, 2])
    return fit_each([trajectory], replace(data, known=known))[0]


def _search(
    trajectory: Trajectory, data: Measurements, each: Fit, layout: _SharedParameters, noise: Array
) -> Fit:
    """The local optimum reached from the fit ``each``."""
    branch = np.array(each.branch)
    order = np.argsort(branch, kind="stable")
    searches = [
        BranchSearch(0, Branch(one), np.flatnonzero(branch == one), each.parameters[branch == one])
        for one in np.unique(branch)
    ]
    of_problems = vectorised_model([trajectory], data, searches)

    def every(parameters: Array) -> tuple[Array, Array]:
        residuals, slopes = of_problems(parameters[order], np.arange(len(order)))
        rows = np.argsort(order)
        return residuals[rows], slopes[rows]

    def model(shared: Array, _: Indices) -> tuple[Array, Array]:
        residuals, slopes = every(layout.spread(shared[0]))
        dense = layout.gather(slopes / noise[:, None, None])
        return (residuals / noise[:, None]).reshape(1, -1), dense[None]

    start = layout.start(each.parameters)[None]
    free = np.ones(start.shape, dtype=bool)
    floor = np.array([np.sum(data.floor / noise**2)])
    found = least_squares(model, start, free, floor)
    parameters = layout.spread(found.parameters[0])
    with np.errstate(all="ignore"):
        residuals, slopes = every(parameters)
        cost = np.sum(residuals**2, axis=1)
    covariance = inverse(found.normal, free)[0]
    rows = len(data.w)
    others = _determined_by_others(
        parameters,
        residuals / noise[:, None],
        slopes / noise[:, None, None],
        np.isnan(data.known),
        layout.shares,
    )
    return Fit(
        parameters,
        each.branch,
        cost,
        layout.of_rows(covariance) / (noise**2)[:, None, None],
        np.full(rows, start.shape[1] / rows),
        SharedInformation(layout.scale(found.parameters[0], covariance), *others),
    )


def _determined_by_others(
    parameters: Array,
    residuals: Array,
    slopes: Array,
    free: NDArray[np.bool_],
    shares: NDArray[np.bool_],
) -> tuple[Array, Array]:
    """Mean and precision of a row's shared parameters, as all other rows determine them.

    At the joint optimum the gradients of a row and of all others cancel, so the row's gradient over
    their precision is the distance to the optimum of the others.
    """
    with np.errstate(all="ignore"):
        gradient = np.einsum("rni,rn->ri", slopes, residuals)
        variance = np.einsum("rii->ri", inverse(slopes.swapaxes(1, 2) @ slopes, free))
        own = np.where(shares & (variance > 0.0), 1.0 / variance, 0.0)
        precision = np.where(shares, own.sum(axis=0) - own, 0.0)
        mean = np.where(precision > 0.0, parameters + gradient / precision, parameters)
    return mean, precision


@dataclass(frozen=True)
class _SharedParameters:
    """``parameters = fixed + design @ shared``, for the parameters of all rows in sequence.

    An unknown clock unit is one of the shared parameters: ``lam`` on the clock is the known ``lam``
    times that unit.
    """

    fixed: Array
    design: Array
    place_of_scale: int | None
    shares: NDArray[np.bool_]  # which parameters of a row are shared

    @classmethod
    def of(cls, known: Array, one_eps: bool, lam: Array | None) -> _SharedParameters:
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
        """The mean of the independent fits, for each shared parameter."""
        return (self.design.T @ (parameters.ravel() - self.fixed)) / self.design.sum(axis=0)

    def gather(self, slopes: Array) -> Array:
        """The Jacobian with respect to the shared parameters, shape (rows * times, shared)."""
        dense = slopes @ self.by_row
        return dense.reshape(-1, dense.shape[-1])

    def of_rows(self, covariance: Array) -> Array:
        """The covariance of each row's three parameters, ``lam`` in the units of the known ones."""
        by_row = self.by_row.copy()
        if self.place_of_scale is not None:
            by_row[:, 0, self.place_of_scale] -= 1.0
        known = np.where(np.isfinite(covariance), covariance, HUGE)
        spread = by_row @ known @ by_row.swapaxes(1, 2)
        return np.where(np.abs(spread) >= HUGE, np.inf, spread)

    def scale(self, shared: Array, covariance: Array) -> tuple[float, float] | None:
        """Logarithm of the clock's unit, and its variance."""
        if self.place_of_scale is None:
            return None
        place = self.place_of_scale
        return float(shared[place]), float(covariance[place, place])

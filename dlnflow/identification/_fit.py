"""Fitting laws to measured trajectories: every mode by itself, or all with something shared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlnflow.hyperlogistic import Branch
from dlnflow.identification._least_squares import Indices, Solution, inverse, least_squares
from dlnflow.identification._trajectory import SIGNS, Trajectory

Array = NDArray[np.float64]

ROUNDING = 1e-14  # what a noiseless trajectory is off its closed form, relative
HUGE = 1e100


@dataclass(frozen=True)
class Data:
    """Validated measurements, one row for each mode and kind of noise that it may have.

    Attributes
    ----------
    t : array, shape (times,)
    w : array, shape (rows, times)
    known : array, shape (rows, 3)
        ``log |lam|``, ``log |rho|``, ``log eps`` where known, else NaN.
    branches : tuple of tuple of Branch, one for each row
        On which its curve may run.
    relative : bool array, shape (rows,)
        Whether the noise is a share of the amplitude, or the same at all times.
    """

    t: Array
    w: Array
    known: Array
    branches: tuple[tuple[Branch, ...], ...]
    relative: NDArray[np.bool_]

    @property
    def size(self) -> Array:
        """What residuals are measured in: the amplitude itself, or its largest."""
        return np.where(self.relative, 1.0, self.w.max(axis=1))

    @property
    def floor(self) -> Array:
        """The sum of squared residuals that rounding leaves."""
        return np.full(len(self.w), self.t.size * ROUNDING**2)

    def residuals(self, heights: Array, rows: Indices) -> Array:
        """Of trajectories ``log w`` for the rows named, in units of `size`."""
        relative = self.relative[rows]
        away = (np.exp(heights) - self.w[rows]) / self.size[rows, None]
        if relative.any():
            away[relative] = heights[relative] - np.log(self.w[rows[relative]])
        return away

    def rows(self, chosen: Indices) -> Data:
        """Some of the rows."""
        return replace(
            self,
            w=self.w[chosen],
            known=self.known[chosen],
            branches=tuple(self.branches[i] for i in chosen),
            relative=self.relative[chosen],
        )


@dataclass(frozen=True)
class Fit:
    """A law's best trajectories.

    Attributes
    ----------
    parameters : array, shape (rows, 3)
        ``log |lam|``, ``log |rho|``, ``log eps``.
    branch : tuple of Branch
        On which each row's curve runs.
    cost : array, shape (rows,)
        Sum of squared residuals, in units of `Data.size`.
    covariance : array, shape (rows, 3, 3)
        Of the parameters, for residuals of unit variance.
    free : array, shape (rows,)
        Number of parameters fitted; a share of those that rows have in common.
    converged : bool array, shape (rows,)
    scale : tuple of float or None
        Log of the clock's unknown unit and its variance, where it was fitted.
    """

    parameters: Array
    branch: tuple[Branch, ...]
    cost: Array
    covariance: Array
    free: Array
    converged: NDArray[np.bool_]
    scale: tuple[float, float] | None = None

    @property
    def sign(self) -> Array:
        """Of ``lam`` and ``rho``."""
        return np.array([SIGNS[one] for one in self.branch])

    def rows(self, chosen: Indices) -> Fit:
        """Some of the rows."""
        return Fit(
            self.parameters[chosen],
            tuple(self.branch[i] for i in chosen),
            self.cost[chosen],
            self.covariance[chosen],
            self.free[chosen],
            self.converged[chosen],
            self.scale,
        )

    def heights(self, trajectory: Trajectory, t: Array) -> Array:
        """``log w`` at any times, shape (rows, times)."""
        with np.errstate(all="ignore"):
            return np.concatenate(
                [
                    trajectory.heights(t, self.parameters[i : i + 1], branch)
                    for i, branch in enumerate(self.branch)
                ]
            )


@dataclass(frozen=True)
class _Group:
    """The rows that one law is tried on along one branch, and where they start."""

    law: int
    branch: Branch
    rows: Indices
    start: Array


def fit_each(trajectories: Sequence[Trajectory], data: Data) -> list[Fit]:
    """Every row by itself, under every law: one search for all of them side by side."""
    groups = [group for group in _groups(trajectories, data) if group.rows.size]
    which = np.concatenate([np.full(g.rows.size, i) for i, g in enumerate(groups)])
    rows = np.concatenate([g.rows for g in groups])

    def model(parameters: Array, problems: Indices) -> tuple[Array, Array]:
        residuals = np.empty((problems.size, data.t.size))
        slopes = np.empty((problems.size, data.t.size, 3))
        for i in np.unique(which[problems]):
            here = which[problems] == i
            group, mine = groups[i], rows[problems[here]]
            residuals[here], slopes[here] = _linearised(
                trajectories[group.law], data, parameters[here], mine, group.branch
            )
        return residuals, slopes

    free = np.isnan(data.known)
    start = np.concatenate([g.start for g in groups])
    found = least_squares(model, start, free[rows], data.floor[rows])
    law = np.array([g.law for g in groups])[which]
    branch = np.array([int(g.branch) for g in groups])[which]
    return [
        _best(found, np.flatnonzero(law == i), rows, branch, free) for i in range(len(trajectories))
    ]


def _groups(trajectories: Sequence[Trajectory], data: Data) -> Iterator[_Group]:
    for branch in SIGNS:
        rows = np.array([i for i, allowed in enumerate(data.branches) if branch in allowed], int)
        if not rows.size:
            continue
        for law, trajectory in enumerate(trajectories):
            start = _start(trajectory, data, rows, branch)
            there = np.isfinite(start).all(axis=1)
            yield _Group(law, branch, rows[there], start[there])


def _best(
    found: Solution,
    mine: Indices,
    rows: Indices,
    branch: NDArray[np.int64],
    free: NDArray[np.bool_],
) -> Fit:
    """A law's fit: for every row the branch that suits it best; infinite cost where none does."""
    count = len(free)
    best = np.full(count, -1)
    cost = np.full(count, np.inf)
    for problem in mine:
        row = rows[problem]
        if found.cost[problem] < cost[row]:
            best[row], cost[row] = problem, found.cost[problem]
    there = best >= 0
    return Fit(
        np.where(there[:, None], found.parameters[best], 0.0),
        tuple(Branch(int(branch[i])) for i in best),
        cost,
        inverse(np.where(there[:, None, None], found.normal[best], 0.0), free),
        free.sum(axis=1).astype(np.float64),
        there & found.converged[best],
    )


def _start(trajectory: Trajectory, data: Data, rows: Indices, branch: Branch) -> Array:
    """The best of several guesses for each row."""
    guesses = trajectory.starts(data.t, data.w[rows], branch, data.known[rows], data.relative[rows])
    with np.errstate(all="ignore"):
        heights = trajectory.heights(data.t, guesses.reshape(-1, 3), branch)
        again = np.tile(rows, len(guesses))
        cost = np.sum(data.residuals(heights, again) ** 2, axis=1).reshape(guesses.shape[:2])
    cost = np.where(np.isfinite(cost), cost, np.inf)
    return guesses[cost.argmin(axis=0), np.arange(rows.size)]


def _linearised(
    trajectory: Trajectory, data: Data, parameters: Array, rows: Indices, branch: Branch
) -> tuple[Array, Array]:
    """Residuals and their Jacobian; huge and 0 where the parameters leave the branch."""
    heights = trajectory.heights(data.t, parameters, branch)
    slopes = trajectory.slopes(data.t, heights, parameters, branch)
    size = data.size[rows, None]
    slopes *= np.where(data.relative[rows, None], 1.0, np.exp(heights) / size)[..., None]
    residuals = data.residuals(heights, rows)
    if not np.isfinite(residuals).all() or not np.isfinite(slopes).all():
        residuals = np.where(np.isfinite(residuals), residuals, HUGE)
        slopes = np.where(np.isfinite(slopes), slopes, 0.0)
    return residuals, slopes


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
        residuals, _ = every(parameters)
    covariance = inverse(found.normal, free)[0]
    rows = len(data.w)
    return Fit(
        parameters,
        each.branch,
        np.sum(residuals**2, axis=1),
        sharing.of_rows(covariance) / (noise**2)[:, None, None],
        np.full(rows, start.shape[1] / rows),
        np.full(rows, bool(found.converged[0])),
        sharing.scale(found.parameters[0], covariance),
    )


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
            residuals[rows], slopes[rows] = _linearised(
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
        return cls(np.where(np.isnan(known), 0.0, known).ravel(), np.hstack(columns), place)

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

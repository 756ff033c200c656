"""Fits every mode equation to measured trajectories, each mode independently."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from dlnflow.identification._least_squares import (
    Indices,
    LeastSquaresSolution,
    inverse,
    least_squares,
)
from dlnflow.identification._trajectory import SIGNS, Trajectory
from dlnflow.theory.curve._master_curve import Branch

Array = NDArray[np.float64]

ROUNDING = 1e-14  # relative error of a noiseless trajectory
HUGE = 1e100  # residual of parameters that no curve has; its square is still finite
PREFERENCE = 2.0  # log-likelihood margin by which a less likely explanation must win


@dataclass(frozen=True)
class RowRecord:
    """A record whose fields hold one entry for each row, except the fields in ``common``."""

    common: ClassVar[tuple[str, ...]] = ()

    def rows(self, chosen: Indices) -> Self:
        """The record of some of the rows."""
        changed = {
            one.name: _entries(getattr(self, one.name), chosen)
            for one in fields(self)
            if one.name not in self.common
        }
        return replace(self, **changed)


def _entries(value: Any, chosen: Indices) -> Any:
    if isinstance(value, RowRecord):
        return value.rows(chosen)
    if isinstance(value, tuple):
        return tuple(value[i] for i in chosen)
    return None if value is None else value[chosen]


@dataclass(frozen=True)
class Measurements(RowRecord):
    """Validated measurements, one row for each mode and kind of noise.

    Attributes
    ----------
    t : array, shape (times,)
    w : array, shape (rows, times)
    known : array, shape (rows, 3)
        ``log |lam|``, ``log |rho|``, ``log eps`` where known, else NaN.
    branches : tuple of tuple of Branch, one for each row
        Branches that its curve may be on.
    relative : bool array, shape (rows,)
        Whether the noise is proportional to the amplitude. Otherwise it is equal at all times.
    """

    common: ClassVar[tuple[str, ...]] = ("t",)
    t: Array
    w: Array
    known: Array
    branches: tuple[tuple[Branch, ...], ...]
    relative: NDArray[np.bool_]

    @property
    def size(self) -> Array:
        """Unit of the residuals: 1 for relative noise, else the largest amplitude."""
        return np.where(self.relative, 1.0, self.w.max(axis=1))

    def rows_on(self, branch: Branch) -> Indices:
        """Rows whose curve may be on a branch."""
        return np.array([i for i, allowed in enumerate(self.branches) if branch in allowed], int)

    @property
    def floor(self) -> Array:
        """Sum of squared residuals that rounding leaves."""
        return np.full(len(self.w), self.t.size * ROUNDING**2)

    def residuals(self, heights: Array, rows: Indices) -> Array:
        """Residuals of trajectories ``log w`` for these rows, in units of `size`."""
        relative = self.relative[rows]
        away = (np.exp(heights) - self.w[rows]) / self.size[rows, None]
        if relative.any():
            away[relative] = heights[relative] - np.log(self.w[rows[relative]])
        return away


@dataclass(frozen=True)
class SharedInformation(RowRecord):
    """What a joint fit determines about each row through the other rows.

    Attributes
    ----------
    scale : tuple of float or None
        Logarithm of the clock's unit and its variance, if it was fitted.
    mean, precision : array, shape (rows, 3)
        Normal approximation of what all other rows determine of a row's parameters, for residuals
        of unit variance. Precision 0 where they determine nothing.
    """

    common: ClassVar[tuple[str, ...]] = ("scale",)
    scale: tuple[float, float] | None
    mean: Array
    precision: Array


@dataclass(frozen=True)
class Fit(RowRecord):
    """The best trajectories of one mode equation.

    Attributes
    ----------
    parameters : array, shape (rows, 3)
        ``log |lam|``, ``log |rho|``, ``log eps``.
    branch : tuple of Branch
        Branch of each row's curve.
    cost : array, shape (rows,)
        Sum of squared residuals, in units of `Measurements.size`.
    covariance : array, shape (rows, 3, 3)
        Of the parameters, for residuals of unit variance.
    free : array, shape (rows,)
        Number of parameters fitted. Shared parameters count in equal parts for all rows.
    shared : SharedInformation or None
        Of a joint fit.
    """

    parameters: Array
    branch: tuple[Branch, ...]
    cost: Array
    covariance: Array
    free: Array
    shared: SharedInformation | None = None

    @property
    def sign(self) -> Array:
        """Sign of ``lam`` and ``rho``."""
        return np.array([SIGNS[one] for one in self.branch])

    @np.errstate(all="ignore")
    def heights(self, trajectory: Trajectory, t: Array) -> Array:
        """``log w`` at the times ``t``, shape (rows, times)."""
        rows = [
            trajectory.heights(t, self.parameters[i : i + 1], branch)
            for i, branch in enumerate(self.branch)
        ]
        return np.concatenate(rows)


class BranchSearch(NamedTuple):
    """Rows for which one mode equation is fitted on one branch, and their initial parameters."""

    equation: int
    branch: Branch
    rows: Indices
    start: Array


def fit_each(trajectories: Sequence[Trajectory], data: Measurements) -> list[Fit]:
    """Fit every row independently, with every mode equation, in one vectorised search."""
    searches = [one for one in _searches(trajectories, data) if one.rows.size]
    equation, branch, rows, start = stacked(searches)
    free = np.isnan(data.known)
    model = vectorised_model(trajectories, data, searches)
    found = least_squares(model, start, free[rows], data.floor[rows])
    margin = np.exp(-2.0 * PREFERENCE / data.t.size)
    return [
        _best(found, np.flatnonzero(equation == i), rows, branch, free, margin)
        for i in range(len(trajectories))
    ]


def stacked(
    searches: Sequence[BranchSearch],
) -> tuple[Indices, NDArray[np.int64], Indices, Array]:
    """Equation, branch, row and initial parameters of every problem in the searches."""
    sizes = [one.rows.size for one in searches]
    return (
        np.repeat([one.equation for one in searches], sizes),
        np.repeat([int(one.branch) for one in searches], sizes),
        np.concatenate([one.rows for one in searches]),
        np.concatenate([one.start for one in searches]),
    )


def vectorised_model(
    trajectories: Sequence[Trajectory], data: Measurements, searches: Sequence[BranchSearch]
) -> Callable[[Array, Indices], tuple[Array, Array]]:
    """Residuals and Jacobian of all problems in the searches, one after another."""
    which = np.repeat(np.arange(len(searches)), [one.rows.size for one in searches])
    rows = np.concatenate([one.rows for one in searches])

    def model(parameters: Array, problems: Indices) -> tuple[Array, Array]:
        residuals = np.empty((problems.size, data.t.size))
        slopes = np.empty((problems.size, data.t.size, 3))
        for i in np.unique(which[problems]):
            here = which[problems] == i
            search, mine = searches[i], rows[problems[here]]
            residuals[here], slopes[here] = _linearised(
                trajectories[search.equation], data, parameters[here], mine, search.branch
            )
        return residuals, slopes

    return model


def _searches(trajectories: Sequence[Trajectory], data: Measurements) -> Iterator[BranchSearch]:
    for branch in SIGNS:
        rows = data.rows_on(branch)
        if not rows.size:
            continue
        for equation, trajectory in enumerate(trajectories):
            known, relative = data.known[rows], data.relative[rows]
            guesses = trajectory.starts(data.t, data.w[rows], branch, known, relative)
            start, _ = best_guess(trajectory, data, rows, branch, guesses)
            there = np.isfinite(start).all(axis=1)
            yield BranchSearch(equation, branch, rows[there], start[there])


def _best(
    found: LeastSquaresSolution,
    mine: Indices,
    rows: Indices,
    branch: NDArray[np.int64],
    free: NDArray[np.bool_],
    margin: float,
) -> Fit:
    """The fit of one mode equation, on the best branch of each row; infinite cost without one.

    Growth comes first, and another branch must win by a margin: a mode counts as growing unless the
    data contradict it.
    """
    count = len(free)
    best = np.full(count, -1)
    cost = np.full(count, np.inf)
    for problem in mine:
        row = rows[problem]
        if found.cost[problem] < margin * cost[row]:
            best[row], cost[row] = problem, found.cost[problem]
    there = best >= 0
    return Fit(
        np.where(there[:, None], found.parameters[best], 0.0),
        tuple(Branch(int(branch[i])) for i in best),
        cost,
        inverse(np.where(there[:, None, None], found.normal[best], 0.0), free),
        free.sum(axis=1).astype(np.float64),
    )


@np.errstate(all="ignore")
def best_guess(
    trajectory: Trajectory, data: Measurements, rows: Indices, branch: Branch, guesses: Array
) -> tuple[Array, Array]:
    """The guess with the least cost for each row, of shape (guesses, rows, 3), and that cost."""
    heights = trajectory.heights(data.t, guesses.reshape(-1, 3), branch)
    again = np.tile(rows, len(guesses))
    cost = np.sum(data.residuals(heights, again) ** 2, axis=1).reshape(guesses.shape[:2])
    cost = np.where(np.isfinite(cost), cost, np.inf)
    return guesses[cost.argmin(axis=0), np.arange(rows.size)], cost.min(axis=0)


def _linearised(
    trajectory: Trajectory, data: Measurements, parameters: Array, rows: Indices, branch: Branch
) -> tuple[Array, Array]:
    """Residuals and their Jacobian; `HUGE` and 0 where the parameters leave the branch."""
    heights, slopes = trajectory.with_slopes(data.t, parameters, branch)
    size = data.size[rows, None]
    slopes *= np.where(data.relative[rows, None], 1.0, np.exp(heights) / size)[..., None]
    residuals = data.residuals(heights, rows)
    if not np.isfinite(residuals).all() or not np.isfinite(slopes).all():
        residuals = np.where(np.isfinite(residuals), residuals, HUGE)
        slopes = np.where(np.isfinite(slopes), slopes, 0.0)
    return residuals, slopes

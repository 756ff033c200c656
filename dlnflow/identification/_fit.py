"""Fitting laws to measured trajectories: every mode by itself, or all with something shared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dlnflow.identification._least_squares import Indices, Solution, inverse, least_squares
from dlnflow.identification._trajectory import SIGNS, Trajectory
from dlnflow.theory.curve._master_curve import Branch

Array = NDArray[np.float64]

ROUNDING = 1e-14  # what a noiseless trajectory is off its closed form, relative
HUGE = 1e100
PREFERENCE = 2.0  # in log-likelihood: so much better must a less likely story be to be believed


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
class Shared:
    """What rows that were fitted together tell each other.

    Attributes
    ----------
    scale : tuple of float or None
        Log of the clock's unknown unit and its variance, where it was fitted.
    middle, precision : array, shape (rows, 3)
        What all other rows say of a row's parameters, on the scale of residuals of unit variance;
        precision 0 where they say nothing.
    """

    scale: tuple[float, float] | None
    middle: Array
    precision: Array

    def rows(self, chosen: Indices) -> Shared:
        """Some of the rows."""
        return Shared(self.scale, self.middle[chosen], self.precision[chosen])


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
    shared : Shared or None
        What the rows have in common, where they have.
    """

    parameters: Array
    branch: tuple[Branch, ...]
    cost: Array
    covariance: Array
    free: Array
    shared: Shared | None = None

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
            None if self.shared is None else self.shared.rows(chosen),
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
class Group:
    """The rows that one law is tried on along one branch, and where they start."""

    law: int
    branch: Branch
    rows: Indices
    start: Array


def fit_each(trajectories: Sequence[Trajectory], data: Data) -> list[Fit]:
    """Every row by itself, under every law: one search for all of them side by side."""
    groups = [group for group in _groups(trajectories, data) if group.rows.size]
    rows = np.concatenate([g.rows for g in groups])
    free = np.isnan(data.known)
    start = np.concatenate([g.start for g in groups])
    model = side_by_side(trajectories, data, groups)
    found = least_squares(model, start, free[rows], data.floor[rows])
    law = np.concatenate([np.full(g.rows.size, g.law) for g in groups])
    branch = np.concatenate([np.full(g.rows.size, int(g.branch)) for g in groups])
    plainly = np.exp(-2.0 * PREFERENCE / data.t.size)
    return [
        _best(found, np.flatnonzero(law == i), rows, branch, free, plainly)
        for i in range(len(trajectories))
    ]


def side_by_side(
    trajectories: Sequence[Trajectory], data: Data, groups: Sequence[Group]
) -> Callable[[Array, Indices], tuple[Array, Array]]:
    """Residuals and Jacobian of the groups' problems, one after another."""
    which = np.concatenate([np.full(g.rows.size, i) for i, g in enumerate(groups)])
    rows = np.concatenate([g.rows for g in groups])

    def model(parameters: Array, problems: Indices) -> tuple[Array, Array]:
        residuals = np.empty((problems.size, data.t.size))
        slopes = np.empty((problems.size, data.t.size, 3))
        for i in np.unique(which[problems]):
            here = which[problems] == i
            group, mine = groups[i], rows[problems[here]]
            residuals[here], slopes[here] = linearised(
                trajectories[group.law], data, parameters[here], mine, group.branch
            )
        return residuals, slopes

    return model


def _groups(trajectories: Sequence[Trajectory], data: Data) -> Iterator[Group]:
    for branch in SIGNS:
        rows = np.array([i for i, allowed in enumerate(data.branches) if branch in allowed], int)
        if not rows.size:
            continue
        for law, trajectory in enumerate(trajectories):
            start = _start(trajectory, data, rows, branch)
            there = np.isfinite(start).all(axis=1)
            yield Group(law, branch, rows[there], start[there])


def _best(
    found: Solution,
    mine: Indices,
    rows: Indices,
    branch: NDArray[np.int64],
    free: NDArray[np.bool_],
    plainly: float,
) -> Fit:
    """A law's fit: for every row the branch that suits it best; infinite cost where none does.

    Problems come growth first, and another branch must be plainly better: modes are learned unless
    the data say that they fall.
    """
    count = len(free)
    best = np.full(count, -1)
    cost = np.full(count, np.inf)
    for problem in mine:
        row = rows[problem]
        if found.cost[problem] < plainly * cost[row]:
            best[row], cost[row] = problem, found.cost[problem]
    there = best >= 0
    return Fit(
        np.where(there[:, None], found.parameters[best], 0.0),
        tuple(Branch(int(branch[i])) for i in best),
        cost,
        inverse(np.where(there[:, None, None], found.normal[best], 0.0), free),
        free.sum(axis=1).astype(np.float64),
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


def linearised(
    trajectory: Trajectory, data: Data, parameters: Array, rows: Indices, branch: Branch
) -> tuple[Array, Array]:
    """Residuals and their Jacobian; huge and 0 where the parameters leave the branch."""
    heights, slopes = trajectory.with_slopes(data.t, parameters, branch)
    size = data.size[rows, None]
    slopes *= np.where(data.relative[rows, None], 1.0, np.exp(heights) / size)[..., None]
    residuals = data.residuals(heights, rows)
    if not np.isfinite(residuals).all() or not np.isfinite(slopes).all():
        residuals = np.where(np.isfinite(residuals), residuals, HUGE)
        slopes = np.where(np.isfinite(slopes), slopes, 0.0)
    return residuals, slopes

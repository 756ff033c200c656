"""Fits every mode equation to measured trajectories, each mode independently."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlnflow.identification._least_squares import (
    Indices,
    LeastSquaresSolution,
    Model,
    inverse,
    least_squares,
)
from dlnflow.identification._measurements import Measurements, RowRecord
from dlnflow.identification._trajectory import SIGNS, Trajectory
from dlnflow.theory.curve._master_curve import Branch

Array = NDArray[np.float64]

HUGE = 1e100  # residual of parameters that no curve has; its square is still finite
STEEP = 1e3  # derivative of a curve by log lam, above which its rise is steep
NO_CURVE = (
    "lam, rho, eps must allow some candidate a trajectory like the measured ones: got values that "
    "none fits"
)
PREFERENCE = 2.0  # log-likelihood margin by which a less likely explanation must win


@dataclass(frozen=True, eq=False)
class Fit(RowRecord):
    """The best trajectories of one mode equation, and their likelihood.

    Attributes
    ----------
    trajectory : Trajectory
    data : Measurements
    parameters : array, shape (rows, 3)
        ``log |lam|``, ``log |rho|``, ``log eps``.
    branch : int array, shape (rows,)
        Branch of each row's curve.
    cost : array, shape (rows,)
        Sum of squared residuals, in units of `Measurements.size`; at least `Measurements.floor`.
    covariance : array, shape (rows, 3, 3)
        Of the parameters, for residuals of unit variance.
    free : array, shape (rows,)
        Number of parameters fitted. Shared parameters count in equal parts for all rows.
    scale : tuple of float or None
        Logarithm of the clock's unit and its variance, if a joint fit determined it.
    mean, precision : array, shape (rows, 3)
        Normal approximation of what all other rows of a joint fit determine of a row's parameters,
        for residuals of unit variance. Precision 0 where they determine nothing.
    """

    common: ClassVar[tuple[str, ...]] = ("trajectory", "scale")
    trajectory: Trajectory
    data: Measurements
    parameters: Array
    branch: Indices
    cost: Array
    covariance: Array
    free: Array
    scale: tuple[float, float] | None
    mean: Array
    precision: Array

    @property
    def sign(self) -> Array:
        """Sign of ``lam`` and ``rho``."""
        return np.array(list(SIGNS.values()))[self.branch]

    @cached_property
    def freedom(self) -> Array:
        """Degrees of freedom of the estimate of `sigma`; infinite if it was given."""
        return np.where(self.data.given_sigma is None, self.data.count - self.free, np.inf)

    @cached_property
    @np.errstate(divide="ignore", invalid="ignore")
    def sigma(self) -> Array:
        """Standard deviation of the noise, given or estimated: of ``w``, or of ``log w``."""
        estimate = np.sqrt(self.cost / self.freedom) * self.data.size
        return estimate if self.data.given_sigma is None else self.data.given_sigma

    @cached_property
    @np.errstate(invalid="ignore")
    def stderr(self) -> Array:
        """Standard errors of the parameters, shape (rows, 3)."""
        deviation = self.sigma / self.data.size
        return deviation[:, None] * np.sqrt(np.einsum("rii->ri", self.covariance))

    @cached_property
    @np.errstate(divide="ignore", invalid="ignore")
    def log_likelihood(self) -> Array:
        """Log-likelihood of each row."""
        data, n, size = self.data, self.data.count, self.data.size
        variance = self.cost / n if data.given_sigma is None else (data.given_sigma / size) ** 2
        jacobian = np.where(data.relative, data.sum_of_logs, n * np.log(size))
        likelihood = -0.5 * (n * np.log(2.0 * np.pi * variance) + self.cost / variance) - jacobian
        return np.where(np.isfinite(self.cost), likelihood, -np.inf)

    @property
    def aic(self) -> float:
        """Akaike's criterion; the fitted ``sigma`` of each row counts as a parameter."""
        fitted = self.free.sum() + np.isfinite(self.freedom).sum()
        return float(2.0 * fitted - 2.0 * self.log_likelihood.sum())

    @property
    def sharpness(self) -> Array:
        """The share of a difference in log-likelihood that counts as evidence, for each row.

        ``(n - k) / n`` for ``n`` measurements and ``k`` parameters, from integrating over ``sigma``
        instead of fitting it; 1 if ``sigma`` was given.
        """
        freedom = np.where(np.isinf(self.freedom), 1.0, self.freedom)
        return freedom / np.where(np.isinf(self.freedom), 1.0, freedom + self.free)

    @np.errstate(all="ignore")
    def heights(self, t: Array) -> Array:
        """``log w`` at the times ``t``, shape (rows, times)."""
        each = zip(self.parameters[:, None], map(Branch, self.branch), strict=True)
        return np.concatenate([self.trajectory.heights(t, one, branch) for one, branch in each])


class Problems(NamedTuple):
    """Rows to fit with a mode equation on a branch, and their initial parameters."""

    equation: Indices
    branch: Indices
    rows: Indices
    start: Array

    def some(self, chosen: Indices) -> Problems:
        """The problems with these indices."""
        return Problems(
            self.equation[chosen], self.branch[chosen], self.rows[chosen], self.start[chosen]
        )


def all_problems(searches: Iterable[tuple[int, Branch, Indices, Array]]) -> Problems:
    """The problems of several searches, each with one mode equation on one branch.

    Those without a finite start, for which no such curve exists, are left out.
    """
    pieces = []
    for equation, branch, rows, start in searches:
        there = np.isfinite(start).all(axis=1)
        codes = np.full((2, there.sum()), [[equation], [branch]])
        pieces.append((*codes, rows[there], start[there]))
    return Problems(*map(np.concatenate, zip(*pieces, strict=True)))


def vectorised_model(
    trajectories: Sequence[Trajectory], data: Measurements, problems: Problems
) -> Model:
    """Residuals and Jacobian of all problems; `HUGE` and 0 beyond the ends of a branch."""
    groups = problems.equation * len(SIGNS) + problems.branch

    def model(parameters: Array, which: Indices) -> tuple[Array, Array]:
        rows = problems.rows[which]
        heights = np.empty((which.size, data.t.size))
        slopes = np.empty((which.size, data.t.size, 3))
        for group in np.unique(groups[which]):
            here = groups[which] == group
            equation, branch = divmod(int(group), len(SIGNS))
            heights[here], slopes[here] = trajectories[equation].with_slopes(
                data.t, parameters[here], Branch(branch)
            )
        slopes = data.slopes(heights, slopes, rows)
        residuals = data.residuals(heights, rows)
        if not np.isfinite(residuals).all() or not np.isfinite(slopes).all():
            residuals = np.where(np.isfinite(residuals), residuals, HUGE)
            slopes = np.where(np.isfinite(slopes), slopes, 0.0)
        return residuals, slopes

    return model


def fit_each(trajectories: Sequence[Trajectory], data: Measurements) -> tuple[Fit, ...]:
    """Fit every row independently, with every mode equation, in one vectorised search.

    Growth comes first, and another branch must win by a margin: a mode counts as growing unless the
    data contradict it. The cost is infinite where no branch has such a curve.
    """
    problems = all_problems(_searches(trajectories, data))
    if not problems.rows.size:
        raise ValueError(NO_CURVE)
    free = np.isnan(data.known)
    model, fitted = vectorised_model(trajectories, data, problems), free[problems.rows]
    found = least_squares(model, problems.start, fitted, data.floor)
    found = _along_valleys(trajectories, data, problems, found, fitted)
    best = np.full((len(trajectories), len(free)), -1)
    cost = np.full(best.shape, np.inf)
    margin = np.exp(-2.0 * PREFERENCE / data.count)
    for problem, at in enumerate(zip(problems.equation, problems.rows, strict=True)):
        if found.cost[problem] < margin[at[1]] * cost[at]:
            best[at], cost[at] = problem, found.cost[problem]
    return tuple(
        Fit(
            trajectory,
            data,
            np.where(chosen[:, None] < 0, 0.0, found.parameters[chosen]),
            problems.branch[chosen],
            np.maximum(least, data.floor),
            inverse(np.where(chosen[:, None, None] < 0, 0.0, found.normal[chosen]), free),
            free.sum(axis=1).astype(np.float64),
            None,
            np.zeros(free.shape),
            np.zeros(free.shape),
        )
        for trajectory, chosen, least in zip(trajectories, best, cost, strict=True)
    )


@np.errstate(all="ignore")
def _along_valleys(
    trajectories: Sequence[Trajectory],
    data: Measurements,
    problems: Problems,
    found: LeastSquaresSolution,
    free: NDArray[np.bool_],
) -> LeastSquaresSolution:
    """Search on from solutions with a steep rise, where the sum of squares is a curved valley.

    A steep rise fixes its own time far better than any parameter. A search in ``lam`` has to creep
    along the parameters with that time. So ``lam`` is replaced by ``lam t``, where ``t`` is the
    time at which the fitted curve passes the amplitude of the steepest point.
    """
    steep = np.flatnonzero(
        (problems.branch == Branch.GROWTH)
        & (found.normal[:, 0, 0] > STEEP**2)
        & (found.cost > data.floor)
    )
    problems, free = problems.some(steep), free[steep]
    model, every = vectorised_model(trajectories, data, problems), np.arange(steep.size)
    parameters = found.parameters[steep]
    steepest = np.abs(model(parameters, every)[1][:, :, 0]).argmax(axis=1)
    height = np.log(data.amplitude[problems.rows, steepest])

    def rise(parameters: Array, which: Indices) -> tuple[Array, Array]:
        """Logarithm of ``lam t``, as a vector along ``lam``, and its gradient."""
        along, gradient = np.zeros((2, which.size, 3))
        for equation in np.unique(problems.equation[which]):
            here = problems.equation[which] == equation
            along[here, 0], gradient[here] = trajectories[equation].log_rise(
                parameters[here], height[which[here]]
            )
        return along, gradient

    def straight(shifted: Array, which: Indices) -> tuple[Array, Array]:
        along, gradient = rise(shifted, which)
        residuals, slopes = model(shifted + along, which)
        gradient = np.where(np.isfinite(gradient), gradient, 0.0)
        return residuals, slopes + slopes[:, :, :1] * gradient[:, None, :]

    start = parameters - rise(parameters, every)[0]
    shifted = least_squares(straight, start, free, data.floor).parameters
    again = least_squares(model, shifted + rise(shifted, every)[0], free, data.floor, steps=0)
    better = again.cost < found.cost[steep]
    best = LeastSquaresSolution(*(one.copy() for one in found))
    for old, new in zip(best, again, strict=True):
        old[steep[better]] = new[better]
    return best


def _searches(
    trajectories: Sequence[Trajectory], data: Measurements
) -> Iterator[tuple[int, Branch, Indices, Array]]:
    for branch in SIGNS:
        rows = np.flatnonzero(data.allowed[:, branch])
        if rows.size:
            for equation, trajectory in enumerate(trajectories):
                known, relative = data.known[rows], data.relative[rows]
                guesses = trajectory.starts(
                    data.t, data.amplitude[rows], branch, known, relative, used=data.used[rows]
                )
                start, _ = best_guess(trajectory, data, rows, branch, guesses)
                yield equation, branch, rows, start


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

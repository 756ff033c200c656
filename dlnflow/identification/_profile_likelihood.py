"""The profile likelihood of each mode as a function of ``rho``, over all branches.

The likelihood of a mode whose transition was not measured has several optima (about to rise, near
its plateau, falling), with flat directions between them and to infinity. At a fixed ``rho`` and
branch the rest is nearly a linear fit (`Trajectory.starts`) with one optimum. So ``rho`` is scanned
over all values that it may have, and the rest is fitted at each value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlnflow.identification._fit import (
    HUGE,
    Fit,
    all_problems,
    best_guess,
    vectorised_model,
)
from dlnflow.identification._least_squares import Indices, Model, inverse, least_squares
from dlnflow.identification._trajectory import SIGNS, reference
from dlnflow.theory.curve._master_curve import Branch

Array = NDArray[np.float64]

SMALL = (1e-10, 1e-6, 1e-3, 1e-2)
# Plateaus of the scan, relative as in `PLATEAU_GUESSES`.
SCANNED = {
    Branch.GROWTH: (0.9, 0.95, 0.98, 0.99, 1.0, 1.003, 1.01, 1.03, 1.1, 1.3, 2.0, 5.0, 30.0, 1e3),
    Branch.DECAY: (1.1, 1.05, 1.02, 1.01, 1.0, 0.997, 0.99, 0.97, 0.9, 0.7, 0.4, 0.1, *SMALL[::-1]),
    Branch.SUPPRESSION: (*SMALL, 0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0, 100.0, 1e3),
}
OFFSETS = np.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0])
NEARBY = np.concatenate([-OFFSETS[::-1], [0.0], OFFSETS])  # in standard errors, about the best fit

WIDEST = 3.0  # in log rho: larger standard errors would step over the other optima
GAIN = 1e-6  # relative decrease of the cost at which the fit at a value has converged
MOST_STEPS = 60  # of that fit at most
BETWEEN = 12  # interpolated points between two values: the interval is read off them
FAR = 1400.0  # in a logarithm: as good as 0 or infinity


class LikelihoodProfile(NamedTuple):
    """The profile likelihood of one row under one mode equation.

    Attributes
    ----------
    sign : array, shape (points,)
        Of ``lam`` and ``rho``.
    parameters : array, shape (points, 3)
        ``log |lam|``, ``log |rho|``, ``log eps``.
    width : array, shape (points, 3)
        Their standard deviations at that ``rho``.
    rise : array, shape (points,)
        Increase of the sum of squares over the best, in units of the noise variance.
    freedom : float
        Degrees of freedom of that variance; infinite if it was given.
    """

    sign: Array
    parameters: Array
    width: Array
    rise: Array
    freedom: float


def profiles(fits: Sequence[Fit]) -> list[list[LikelihoodProfile]]:
    """The profile likelihood for every mode equation and row, from fits to the same data."""
    data = fits[0].data
    problems = all_problems(
        search for equation, fit in enumerate(fits) for search in _scan(equation, fit)
    )
    equation, branch, rows, start = problems
    free = np.isnan(data.known)[rows] & [True, False, True]
    deviation = np.stack([one.sigma / data.size for one in fits])[equation, rows]
    model = vectorised_model([one.trajectory for one in fits], data, problems)
    if any(one.precision.any() for one in fits):
        mean = np.stack([one.mean for one in fits])[equation, rows]
        precision = np.stack([one.precision for one in fits])[equation, rows]
        model = _with_other_rows(model, mean, np.sqrt(precision) * deviation[:, None])
    found = least_squares(model, start, free, data.floor, gain=GAIN, steps=MOST_STEPS)
    spread = np.sqrt(np.einsum("pii->pi", inverse(found.normal, free)))
    width = np.where(free, spread * deviation[:, None], 0.0)
    cost = np.maximum(found.cost, data.floor)
    points = np.column_stack([found.parameters, width, cost / deviation**2])
    chosen = [
        [(equation == i) & (rows == row) & (cost < HUGE) for row in range(len(data.w))]
        for i in range(len(fits))
    ]
    return [
        [_profile(fit, row, branch[some], points[some]) for row, some in enumerate(own)]
        for fit, own in zip(fits, chosen, strict=True)
    ]


def _scan(equation: int, fit: Fit) -> Iterator[tuple[int, Branch, Indices, Array]]:
    """The values of ``rho`` on every branch, with initial values of the other parameters."""
    data = fit.data
    errors = np.minimum(np.nan_to_num(fit.stderr[:, 1], posinf=0.0), WIDEST)
    for branch, plateaus in SCANNED.items():
        rows = np.flatnonzero(data.allowed[:, branch])
        if not rows.size:
            continue
        size = reference(data.amplitude[rows], data.used[rows], branch)[:, None] + np.log(plateaus)
        near = fit.parameters[rows, 1:2] + errors[rows, None] * NEARBY
        own = (fit.branch[rows] == branch) & np.isfinite(fit.cost[rows])
        log_rho = np.hstack([fit.trajectory.power * size, np.where(own[:, None], near, np.nan)])
        given = np.isfinite(data.known[rows, 1])
        log_rho[given] = np.nan
        log_rho[given, 0] = data.known[rows[given], 1]
        repeated = np.repeat(rows, log_rho.shape[1])
        start = _guess(fit, repeated, log_rho.ravel(), branch)
        yield equation, branch, repeated, start


def _guess(fit: Fit, rows: Indices, log_rho: Array, branch: Branch) -> Array:
    """Initial parameters at each ``rho``: by the linear fit, or by extrapolating the best fit."""
    data, trajectory = fit.data, fit.trajectory
    known = data.known[rows].copy()
    known[:, 1] = log_rho
    curves, used, relative = data.amplitude[rows], data.used[rows], data.relative[rows]
    linear = trajectory.starts(data.t, curves, branch, known, relative, (1.0,), used=used)[0]
    with np.errstate(all="ignore"):
        slope = fit.covariance[rows, :, 1] / fit.covariance[rows, 1:2, 1]
        slope = np.where(np.isfinite(slope), slope, 0.0)
        moved = fit.parameters[rows] + slope * (log_rho - fit.parameters[rows, 1])[:, None]
        moved = np.where(np.isnan(known), moved, known)
    best, cost = best_guess(trajectory, data, rows, branch, np.stack([linear, moved]))
    return np.where(np.isfinite(cost)[:, None], best, np.nan)


def _with_other_rows(model: Model, mean: Array, weight: Array) -> Model:
    """The model, with what all other rows determine as three more residuals for each row."""

    def extended(parameters: Array, problems: Indices) -> tuple[Array, Array]:
        residuals, slopes = model(parameters, problems)
        away = weight[problems] * (parameters - mean[problems])
        more = weight[problems, :, None] * np.eye(3)
        return np.hstack([residuals, away]), np.concatenate([slopes, more], axis=1)

    return extended


def _profile(fit: Fit, row: int, branch: Indices, points: Array) -> LikelihoodProfile:
    """The scan in the order of ``rho``, interpolated, and extended to 0 and infinity.

    The best fit alone where the scan found no curve. The columns of ``points`` are the parameters,
    their widths and the rise.
    """
    sign, freedom = fit.sign[[row]], float(fit.freedom[row])
    if not branch.size:
        return LikelihoodProfile(
            sign, fit.parameters[[row]], fit.stderr[[row]], np.zeros(1), freedom
        )
    order = np.lexsort([points[:, 1], branch])
    tables = {
        one: _extended(_interpolated(points[order][branch[order] == one]), one)
        for one in SIGNS
        if (branch == one).any()
    }
    sign = np.concatenate([np.full(len(table), SIGNS[one]) for one, table in tables.items()])
    table = np.concatenate(list(tables.values()))
    if fit.scale is not None:
        table[:, 3] = np.sqrt(table[:, 3] ** 2 + fit.scale[1])
    rise = table[:, 6] - table[:, 6].min()
    return LikelihoodProfile(sign, table[:, :3], table[:, 3:6], rise, freedom)


def _interpolated(table: Array) -> Array:
    place = np.arange(len(table))
    fine = np.linspace(0, len(table) - 1, (len(table) - 1) * BETWEEN + 1)
    return np.column_stack([np.interp(fine, place, column) for column in table.T])


def _extended(table: Array, branch: Branch) -> Array:
    """Add ends: beyond the scan only parameters that go to 0 or infinity with ``rho`` change."""
    if len(table) == 1:
        return table
    before, after = table[0].copy(), table[-1].copy()
    before[:2] -= FAR
    after[1] += FAR
    ends = {Branch.GROWTH: [table, after], Branch.DECAY: [before, table]}
    return np.vstack(ends.get(branch, [before, table, after]))

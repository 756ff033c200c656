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
    BranchSearch,
    Fit,
    Measurements,
    best_guess,
    stacked,
    vectorised_model,
)
from dlnflow.identification._least_squares import Indices, Model, inverse, least_squares
from dlnflow.identification._likelihood import EvaluatedFit
from dlnflow.identification._trajectory import SIGNS, Trajectory, reference
from dlnflow.theory.curve._master_curve import Branch

Array = NDArray[np.float64]

SMALL = (1e-10, 1e-6, 1e-3, 1e-2)
# Plateaus of the scan, relative as in `PLATEAU_GUESSES`.
SCANNED = {
    Branch.GROWTH: (0.9, 0.95, 0.98, 0.99, 1.0, 1.003, 1.01, 1.03, 1.1, 1.3, 2.0, 5.0, 30.0, 1e3),
    Branch.DECAY: (1.1, 1.05, 1.02, 1.01, 1.0, 0.997, 0.99, 0.97, 0.9, 0.7, 0.4, 0.1, *SMALL[::-1]),
    Branch.SUPPRESSION: (*SMALL, 0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0, 100.0, 1e3),
}
STEPS = np.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0])
NEARBY = np.concatenate([-STEPS[::-1], [0.0], STEPS])  # in standard errors, about the best fit


class ScanLimits(NamedTuple):
    """Thresholds of the scan."""

    widest: float = 3.0  # in log rho: larger standard errors would step over the other optima
    gain: float = 1e-6  # relative decrease of the cost at which the fit at a value has converged
    steps: int = 60  # of that fit at most
    between: int = 12  # interpolated points between two values: the interval is read off them
    far: float = 1400.0  # in a logarithm: as good as 0 or infinity


LIMITS = ScanLimits()


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


def profiles(
    trajectories: Sequence[Trajectory], data: Measurements, fits: Sequence[EvaluatedFit]
) -> list[list[LikelihoodProfile]]:
    """The profile likelihood for every mode equation and row."""
    searches = [
        search
        for equation, (trajectory, fit) in enumerate(zip(trajectories, fits, strict=True))
        for search in _scan(equation, trajectory, data, fit)
        if search.rows.size
    ]
    equation, branch, rows, start = stacked(searches)
    free = np.isnan(data.known)[rows] & [True, False, True]
    deviation = np.stack([one.sigma / data.size for one in fits])[equation, rows]
    model = vectorised_model(trajectories, data, searches)
    model = _with_shared_information(model, fits, equation, rows, deviation)
    found = least_squares(
        model, start, free, data.floor[rows], gain=LIMITS.gain, steps=LIMITS.steps
    )
    spread = np.sqrt(np.einsum("pii->pi", inverse(found.normal, free)))
    width = np.where(free, spread * deviation[:, None], 0.0)
    cost = np.maximum(found.cost, data.floor[rows])
    here = (equation == np.arange(len(fits))[:, None, None]) & (cost < HUGE)
    here = here & (rows == np.arange(len(data.w))[:, None])
    return [
        [
            _profile(
                np.flatnonzero(here[i, row]),
                branch,
                found.parameters,
                width,
                cost / deviation**2,
                float(one.freedom[row]),
                _scale_variance(one.fit),
            )
            if here[i, row].any()
            else _best_fit_alone(one, row)
            for row in range(len(data.w))
        ]
        for i, one in enumerate(fits)
    ]


def _best_fit_alone(fit: EvaluatedFit, row: int) -> LikelihoodProfile:
    """The profile where the scan found no curve: the best fit only."""
    return LikelihoodProfile(
        fit.fit.sign[row : row + 1],
        fit.fit.parameters[row : row + 1],
        fit.stderr[row : row + 1],
        np.zeros(1),
        float(fit.freedom[row]),
    )


def _scan(
    equation: int, trajectory: Trajectory, data: Measurements, evaluated: EvaluatedFit
) -> Iterator[BranchSearch]:
    """The values of ``rho`` on every branch, with initial values of the other parameters."""
    fit = evaluated.fit
    errors = np.minimum(np.nan_to_num(evaluated.stderr[:, 1], posinf=0.0), LIMITS.widest)
    for branch, plateaus in SCANNED.items():
        rows = data.rows_on(branch)
        if not rows.size:
            continue
        size = reference(data.w[rows], branch)[:, None] + np.log(plateaus)
        near = fit.parameters[rows, 1:2] + errors[rows, None] * NEARBY
        own = np.array([fit.branch[i] == branch for i in rows]) & np.isfinite(fit.cost[rows])
        log_rho = np.hstack([trajectory.power * size, np.where(own[:, None], near, np.nan)])
        given = np.isfinite(data.known[rows, 1])
        log_rho[given] = np.nan
        log_rho[given, 0] = data.known[rows[given], 1]
        repeated = np.repeat(rows, log_rho.shape[1])
        start = _guess(trajectory, data, fit, repeated, log_rho.ravel(), branch)
        there = np.isfinite(start).all(axis=1)
        yield BranchSearch(equation, branch, repeated[there], start[there])


def _guess(
    trajectory: Trajectory,
    data: Measurements,
    fit: Fit,
    rows: Indices,
    log_rho: Array,
    branch: Branch,
) -> Array:
    """Initial parameters at each ``rho``: by the linear fit, or by extrapolating the best fit."""
    known = data.known[rows].copy()
    known[:, 1] = log_rho
    linear = trajectory.starts(data.t, data.w[rows], branch, known, data.relative[rows], (1.0,))[0]
    with np.errstate(all="ignore"):
        slope = fit.covariance[rows, :, 1] / fit.covariance[rows, 1:2, 1]
        slope = np.where(np.isfinite(slope), slope, 0.0)
        moved = fit.parameters[rows] + slope * (log_rho - fit.parameters[rows, 1])[:, None]
        moved = np.where(np.isnan(known), moved, known)
    best, cost = best_guess(trajectory, data, rows, branch, np.stack([linear, moved]))
    return np.where(np.isfinite(cost)[:, None], best, np.nan)


def _with_shared_information(
    model: Model,
    fits: Sequence[EvaluatedFit],
    equation: Indices,
    rows: Indices,
    deviation: Array,
) -> Model:
    """The model, with `SharedInformation` as three more residuals for each row."""
    if fits[0].fit.shared is None:
        return model
    shared = [one.fit.shared for one in fits]
    mean, precision = (
        np.stack([getattr(one, name) for one in shared])[equation, rows]
        for name in ("mean", "precision")
    )
    weight = np.sqrt(precision) * deviation[:, None]

    def extended(parameters: Array, problems: Indices) -> tuple[Array, Array]:
        residuals, slopes = model(parameters, problems)
        away = weight[problems] * (parameters - mean[problems])
        more = weight[problems, :, None] * np.eye(3)
        return np.hstack([residuals, away]), np.concatenate([slopes, more], axis=1)

    return extended


def _scale_variance(fit: Fit) -> float:
    """Variance of ``log lam`` due to the fitted unit of the clock."""
    return 0.0 if fit.shared is None or fit.shared.scale is None else fit.shared.scale[1]


def _profile(
    mine: Indices,
    branch: NDArray[np.int64],
    parameters: Array,
    width: Array,
    rise: Array,
    freedom: float,
    scale_variance: float,
) -> LikelihoodProfile:
    """The scan in the order of ``rho``, interpolated, and extended to 0 and infinity."""
    signs, tables = [], []
    for one in SIGNS:
        some = mine[branch[mine] == one]
        if some.size:
            some = some[np.argsort(parameters[some, 1], kind="stable")]
            table = _interpolated(np.column_stack([parameters[some], width[some], rise[some]]))
            if some.size > 1:
                table = _extended(table, one)
            signs.append(np.full(len(table), SIGNS[one]))
            tables.append(table)
    table = np.concatenate(tables)
    table[:, 3] = np.sqrt(table[:, 3] ** 2 + scale_variance)
    lowest = table[:, 6].min()
    return LikelihoodProfile(
        np.concatenate(signs), table[:, :3], table[:, 3:6], table[:, 6] - lowest, freedom
    )


def _interpolated(table: Array) -> Array:
    place = np.arange(len(table))
    fine = np.linspace(0, len(table) - 1, (len(table) - 1) * LIMITS.between + 1)
    return np.column_stack([np.interp(fine, place, column) for column in table.T])


def _extended(table: Array, branch: Branch) -> Array:
    """Add ends: beyond the scan only parameters that go to 0 or infinity with ``rho`` change."""
    before, after = table[0].copy(), table[-1].copy()
    before[:2] -= LIMITS.far
    after[1] += LIMITS.far
    if branch == Branch.GROWTH:
        return np.vstack([table, after])
    if branch == Branch.DECAY:
        return np.vstack([before, table])
    return np.vstack([before, table, after])

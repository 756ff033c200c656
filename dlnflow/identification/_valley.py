"""How well a law explains modes at every ``rho``, whatever the branch: the likelihood's valley.

The likelihood of a mode that was not seen through has several optima, one about to rise, one near
its plateau, one falling, and flat floors between them and to infinity. For a given ``rho`` and
branch what is left is nearly a straight line to be fitted (`Trajectory.starts`), with one optimum.
So ``rho`` is scanned over everything that it may be, the rest fitted at every stop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlnflow.identification._fit import HUGE, Data, Fit, Group, side_by_side
from dlnflow.identification._least_squares import Indices, Model, inverse, least_squares
from dlnflow.identification._likelihood import Judged
from dlnflow.identification._trajectory import SIGNS, Trajectory, reference
from dlnflow.theory.curve._master_curve import Branch

Array = NDArray[np.float64]

SMALL = (1e-10, 1e-6, 1e-3, 1e-2)
STOPS = {  # plateaus, as `Trajectory.starts` measures its guesses
    Branch.GROWTH: (0.9, 0.95, 0.98, 0.99, 1.0, 1.003, 1.01, 1.03, 1.1, 1.3, 2.0, 5.0, 30.0, 1e3),
    Branch.DECAY: (1.1, 1.05, 1.02, 1.01, 1.0, 0.997, 0.99, 0.97, 0.9, 0.7, 0.4, 0.1, *SMALL[::-1]),
    Branch.SUPPRESSION: (*SMALL, 0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0, 100.0, 1e3),
}
NEAR = np.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0])  # standard errors from the best fit
NEAR = np.concatenate([-NEAR[::-1], [0.0], NEAR])
WIDEST = 3.0  # of a standard error's logarithm that stops are taken by
GAIN, MOST = 1e-6, 60  # of the search at a stop
BETWEEN = 12  # points between two stops
FAR = 1400.0  # in the logarithm: 0 or infinity


class Valley(NamedTuple):
    """Where a row's trajectories may lie under one law, point by point.

    Attributes
    ----------
    sign : array, shape (points,)
        Of ``lam`` and ``rho``.
    parameters : array, shape (points, 3)
        ``log |lam|``, ``log |rho|``, ``log eps``.
    width : array, shape (points, 3)
        Standard deviations about them at that ``rho``.
    rise : array, shape (points,)
        Sum of squares above the best, in units of the noise's variance.
    freedom : float
        Degrees of freedom of that variance; infinite if it was given.
    """

    sign: Array
    parameters: Array
    width: Array
    rise: Array
    freedom: float


def valleys(
    trajectories: Sequence[Trajectory], data: Data, judged: Sequence[Judged]
) -> list[list[Valley]]:
    """For every law and row: the valley that its likelihood has."""
    groups = [
        group
        for law, (one, other) in enumerate(zip(trajectories, judged, strict=True))
        for group in _stops(law, one, data, other)
        if group.rows.size
    ]
    rows = np.concatenate([g.rows for g in groups])
    law = np.concatenate([np.full(g.rows.size, g.law) for g in groups])
    branch = np.concatenate([np.full(g.rows.size, int(g.branch)) for g in groups])
    free = np.isnan(data.known)[rows]
    held = free & [True, False, True]
    deviation = np.stack([one.sigma / data.size for one in judged])[law, rows]
    model = _with_others(side_by_side(trajectories, data, groups), judged, law, rows, deviation)
    start = np.concatenate([g.start for g in groups])
    found = least_squares(model, start, held, data.floor[rows], gain=GAIN, most=MOST)
    spread = np.sqrt(np.einsum("pii->pi", inverse(found.normal, held)))
    width = np.where(held, spread * deviation[:, None], 0.0)
    cost = np.maximum(found.cost, data.floor[rows])
    here = (law == np.arange(len(judged))[:, None, None]) & (cost < HUGE)
    here = here & (rows == np.arange(len(data.w))[:, None])
    return [
        [
            _valley(
                np.flatnonzero(here[i, row]),
                branch,
                found.parameters,
                width,
                cost / deviation**2,
                float(one.freedom[row]),
                _extra(one.fit, row),
            )
            if here[i, row].any()
            else _peak(one, row)
            for row in range(len(data.w))
        ]
        for i, one in enumerate(judged)
    ]


def _peak(judged: Judged, row: int) -> Valley:
    """Of a law whose scan found nothing, as where all is told: its fit and that alone."""
    return Valley(
        judged.fit.sign[row : row + 1],
        judged.fit.parameters[row : row + 1],
        judged.stderr[row : row + 1],
        np.zeros(1),
        float(judged.freedom[row]),
    )


def _stops(law: int, trajectory: Trajectory, data: Data, judged: Judged) -> Iterator[Group]:
    """Stops of the scan on every branch, with the best of two guesses of the rest."""
    fit = judged.fit
    errors = np.minimum(np.nan_to_num(judged.stderr[:, 1], posinf=0.0), WIDEST)
    for branch, stops in STOPS.items():
        rows = np.array([i for i, allowed in enumerate(data.branches) if branch in allowed], int)
        if not rows.size:
            continue
        size = reference(data.w[rows], branch)[:, None] + np.log(stops)
        near = fit.parameters[rows, 1:2] + errors[rows, None] * NEAR
        own = np.array([fit.branch[i] == branch for i in rows]) & np.isfinite(fit.cost[rows])
        log_rho = np.hstack([trajectory.power * size, np.where(own[:, None], near, np.nan)])
        told = np.isfinite(data.known[rows, 1])
        log_rho[told] = np.nan
        log_rho[told, 0] = data.known[rows[told], 1]
        again = np.repeat(rows, log_rho.shape[1])
        start = _guess(trajectory, data, fit, again, log_rho.ravel(), branch)
        there = np.isfinite(start).all(axis=1)
        yield Group(law, branch, again[there], start[there])


def _guess(
    trajectory: Trajectory, data: Data, fit: Fit, rows: Indices, log_rho: Array, branch: Branch
) -> Array:
    """Where to begin at a stop: by the straight line, or on from the best fit."""
    known = data.known[rows].copy()
    known[:, 1] = log_rho
    line = trajectory.starts(data.t, data.w[rows], branch, known, data.relative[rows], (1.0,))[0]
    with np.errstate(all="ignore"):
        slope = fit.covariance[rows, :, 1] / fit.covariance[rows, 1:2, 1]
        slope = np.where(np.isfinite(slope), slope, 0.0)
        on = fit.parameters[rows] + slope * (log_rho - fit.parameters[rows, 1])[:, None]
        on = np.where(np.isnan(known), on, known)
        guesses = np.stack([line, on])
        heights = trajectory.heights(data.t, guesses.reshape(-1, 3), branch)
        cost = np.sum(data.residuals(heights, np.tile(rows, 2)) ** 2, axis=1).reshape(2, -1)
    cost = np.where(np.isfinite(cost), cost, np.inf)
    best = guesses[cost.argmin(axis=0), np.arange(rows.size)]
    return np.where(np.isfinite(cost.min(axis=0))[:, None], best, np.nan)


def _with_others(
    model: Model, judged: Sequence[Judged], law: Indices, rows: Indices, deviation: Array
) -> Model:
    """The model with what the other rows say of shared parameters as three more residuals."""
    if judged[0].fit.shared is None:
        return model
    shared = [one.fit.shared for one in judged]
    middle, precision = (
        np.stack([getattr(one, name) for one in shared])[law, rows]
        for name in ("middle", "precision")
    )
    weight = np.sqrt(precision) * deviation[:, None]

    def extended(parameters: Array, problems: Indices) -> tuple[Array, Array]:
        residuals, slopes = model(parameters, problems)
        away = weight[problems] * (parameters - middle[problems])
        more = weight[problems, :, None] * np.eye(3)
        return np.hstack([residuals, away]), np.concatenate([slopes, more], axis=1)

    return extended


def _extra(fit: Fit, row: int) -> float:
    """Variance that a clock's fitted unit adds to ``log lam``."""
    return 0.0 if fit.shared is None or fit.shared.scale is None else fit.shared.scale[1]


def _valley(
    mine: Indices,
    branch: NDArray[np.int64],
    parameters: Array,
    width: Array,
    rise: Array,
    freedom: float,
    extra: float,
) -> Valley:
    """Stops in the order of ``rho``, with points between; ends are drawn out to 0 and infinity."""
    signs, tables = [], []
    for one in SIGNS:
        some = mine[branch[mine] == one]
        if some.size:
            some = some[np.argsort(parameters[some, 1], kind="stable")]
            table = _finer(np.column_stack([parameters[some], width[some], rise[some]]))
            if some.size > 1:
                table = _drawn_out(table, one)
            signs.append(np.full(len(table), SIGNS[one]))
            tables.append(table)
    table = np.concatenate(tables)
    table[:, 3] = np.sqrt(table[:, 3] ** 2 + extra)
    lowest = table[:, 6].min()
    return Valley(np.concatenate(signs), table[:, :3], table[:, 3:6], table[:, 6] - lowest, freedom)


def _finer(table: Array) -> Array:
    place = np.arange(len(table))
    fine = np.linspace(0, len(table) - 1, (len(table) - 1) * BETWEEN + 1)
    return np.column_stack([np.interp(fine, place, column) for column in table.T])


def _drawn_out(table: Array, branch: Branch) -> Array:
    """Beyond the scan nothing changes any more, but for what goes to 0 or infinity with ``rho``."""
    before, after = table[0].copy(), table[-1].copy()
    before[:2] -= FAR
    after[1] += FAR
    if branch == Branch.GROWTH:
        return np.vstack([table, after])
    if branch == Branch.DECAY:
        return np.vstack([before, table])
    return np.vstack([before, table, after])

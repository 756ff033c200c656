"""Nonlinear least squares, many problems at a time: Levenberg and Marquardt's method.

SciPy's ``least_squares`` solves one problem a call; identification has hundreds of small ones, and
their cost is that of calling. Source: K. Madsen, H. B. Nielsen, O. Tingleff, *Methods for
Non-linear Least Squares Problems* (2004), algorithm 3.16, in parameters scaled by the norms of the
Jacobian's columns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Model = Callable[[Array, Indices], tuple[Array, Array]]

MOST_STEPS = 200
LONGEST = 3.0  # of a step in one parameter, all of which are logarithms
DAMPING = 1e-4
WEAKEST = 1e-14  # of a damping: directions that say nothing stay harmless
GIVE_UP = 1e15  # the damping at which no step of any length improves the fit
GAIN = 1e-12  # relative decrease of the cost below which there is nothing left to gain
TINY = 1e-300


class Solution(NamedTuple):
    """Parameters, their cost (sum of squares), and the matrix ``J^T J`` there."""

    parameters: Array
    cost: Array
    normal: Array


def least_squares(
    model: Model,
    start: Array,
    free: NDArray[np.bool_],
    floor: Array,
    *,
    gain: float = GAIN,
    most: int = MOST_STEPS,
) -> Solution:
    """Minimise the sum of squares of every problem.

    Parameters
    ----------
    model : callable
        ``model(parameters, which)`` gives residuals (problems, points) and their Jacobian
        (problems, points, parameters) for the problems named.
    start : array, shape (problems, parameters)
    free : array of bool, shape (problems, parameters)
        Parameters that may move.
    floor : array, shape (problems,)
        The sum of squares that rounding alone leaves; below it a problem is solved.
    gain : float
        Relative decrease of the cost that is not worth another step.
    most : int
        Steps at most.

    Returns
    -------
    Solution
    """
    with np.errstate(all="ignore"):
        return _minimise(model, np.array(start, dtype=np.float64), free, floor, gain, most)


def _minimise(
    model: Model, best: Array, free: NDArray[np.bool_], floor: Array, enough: float, most: int
) -> Solution:
    count = len(best)
    everything = np.arange(count)
    cost, normal, slope = _linearised(*model(best, everything), free)
    damping, growth = np.full(count, DAMPING), np.full(count, 2.0)
    active = everything[(cost > floor) & np.isfinite(cost)]
    for _ in range(most):
        if not active.size:
            break
        step, predicted = _step(normal[active], slope[active], damping[active])
        trial = best[active] + step
        tried, tried_normal, tried_slope = _linearised(*model(trial, active), free[active])
        gain = np.where(np.isfinite(tried), cost[active] - tried, -np.inf)
        better = gain > 0.0
        settled = predicted <= enough * cost[active]
        won = active[better]
        done = tried[better] <= floor[won]
        settled[better] |= done
        best[won], cost[won] = trial[better], tried[better]
        normal[won], slope[won] = tried_normal[better], tried_slope[better]
        ratio = np.clip(gain[better] / np.maximum(predicted[better], TINY), 0.0, 2.0)
        damping[won] *= np.maximum(1.0 / 3.0, 1.0 - (2.0 * ratio - 1.0) ** 3)
        damping[won] = np.maximum(damping[won], WEAKEST)
        growth[won] = 2.0
        lost = active[~better]
        damping[lost] *= growth[lost]
        growth[lost] *= 2.0
        stuck = damping[active] > GIVE_UP
        active = active[~(settled | stuck)]
    return Solution(best, cost, normal)


def _linearised(
    residuals: Array, jacobian: Array, free: NDArray[np.bool_]
) -> tuple[Array, Array, Array]:
    """Cost, ``J^T J`` and ``J^T r``, with nothing in the parameters that are held."""
    jacobian = jacobian * free[:, None, :]
    cost = np.einsum("pn,pn->p", residuals, residuals)
    slope = np.einsum("pni,pn->pi", jacobian, residuals)
    return cost, jacobian.swapaxes(1, 2) @ jacobian, slope


def _step(normal: Array, slope: Array, damping: Array) -> tuple[Array, Array]:
    """The damped step, no longer than `LONGEST`, and the decrease it promises."""
    scale = np.sqrt(np.einsum("pii->pi", normal))
    scale = np.where(scale > TINY**0.5, scale, 1.0)
    scaled = normal / (scale[:, :, None] * scale[:, None, :])
    held = np.einsum("pii->pi", scaled) == 0.0
    size = normal.shape[-1]
    damped = scaled + damping[:, None, None] * np.eye(size) + held[:, :, None] * np.eye(size)
    direction = slope / scale
    step = -np.linalg.solve(damped, direction[:, :, None])[:, :, 0]
    predicted = -2.0 * np.einsum("pi,pi->p", step, direction) - np.einsum(
        "pi,pij,pj->p", step, scaled, step
    )
    step = step / scale
    longest = np.abs(step).max(axis=1)
    short = np.minimum(1.0, LONGEST / np.maximum(longest, TINY))
    return step * short[:, None], predicted


def inverse(normal: Array, free: NDArray[np.bool_]) -> Array:
    """``(J^T J)**-1`` over the free parameters; infinite variance where the data say nothing.

    Parameters
    ----------
    normal : array, shape (problems, parameters, parameters)
    free : array of bool, shape (problems, parameters)

    Returns
    -------
    array, shape (problems, parameters, parameters)
        0 for parameters that are held.
    """
    size = normal.shape[-1]
    scale = np.sqrt(np.einsum("pii->pi", normal))
    finite = np.array([np.isfinite(one).all() for one in normal], dtype=bool)
    known = free & (scale > TINY**0.5) & finite[:, None]
    safe = np.where(known, scale, 1.0)
    both = known[:, :, None] & known[:, None, :]
    normal = np.where(both, normal, np.eye(size))
    scaled = normal / safe[:, :, None] / safe[:, None, :]
    values, vectors = np.linalg.eigh(scaled)
    flat = values < size * np.finfo(np.float64).eps
    spread = np.einsum("pik,pk,pjk->pij", vectors, 1.0 / np.where(flat, 1.0, values), vectors)
    lost = (np.abs(vectors) ** 2 * flat[:, None, :]).sum(axis=2) > 1e-6
    covariance = np.where(both, spread / safe[:, :, None] / safe[:, None, :], 0.0)
    endless = (lost | ~known) & free
    diagonal = np.where(endless, np.inf, np.einsum("pii->pi", covariance))
    covariance[:, np.arange(size), np.arange(size)] = diagonal
    return covariance

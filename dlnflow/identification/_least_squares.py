"""Nonlinear least squares for many small problems at once, by the Levenberg-Marquardt method.

SciPy's ``least_squares`` solves one problem per call. Identification has hundreds of small ones,
whose cost would be that of the calls. Source: K. Madsen, H. B. Nielsen, O. Tingleff, *Methods for
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

MOST_STEPS = 200  # at most; a search that converges takes fewer than 50
LONGEST_STEP = 3.0  # in the logarithm of a parameter, within which the model is smooth
FIRST_DAMPING = 1e-4  # relative to the scaled normal matrix
LEAST_DAMPING = 1e-14  # above rounding, so that a singular matrix stays solvable
LAST_DAMPING = 1e15  # steps damped more change nothing in double precision
GAIN = 1e-12  # relative decrease of the cost at which a search has converged
TINY = 1e-300  # a divisor in place of 0


class LeastSquaresSolution(NamedTuple):
    """The best parameters, their cost (sum of squares), and the matrix ``J^T J`` there."""

    parameters: Array
    cost: Array
    normal: Array


@np.errstate(all="ignore")
def least_squares(
    model: Model,
    start: Array,
    free: NDArray[np.bool_],
    floor: float,
    *,
    gain: float = GAIN,
    steps: int = MOST_STEPS,
) -> LeastSquaresSolution:
    """Minimise the sum of squares of every problem.

    Parameters
    ----------
    model : callable
        ``model(parameters, which)`` gives residuals (problems, points) and their Jacobian
        (problems, points, parameters) of the problems ``which``.
    start : array, shape (problems, parameters)
    free : array of bool, shape (problems, parameters)
        Parameters to fit. The others keep their initial value.
    floor : float
        Sum of squares that rounding alone leaves. A problem below it is solved.
    gain : float
        Relative decrease of the cost at which a search has converged.
    steps : int
        Largest number of steps.

    Returns
    -------
    LeastSquaresSolution
    """
    best = np.array(start, dtype=np.float64)
    count = len(best)
    everything = np.arange(count)
    cost, normal, slope = _linearised(*model(best, everything), free)
    damping, growth = np.full(count, FIRST_DAMPING), np.full(count, 2.0)
    active = everything[(cost > floor) & np.isfinite(cost)]
    for _ in range(steps):
        if not active.size:
            break
        step, predicted = _step(normal[active], slope[active], damping[active])
        trial = best[active] + step
        tried, tried_normal, tried_slope = _linearised(*model(trial, active), free[active])
        decrease = np.where(np.isfinite(tried), cost[active] - tried, -np.inf)
        better = decrease > 0.0
        settled = predicted <= gain * cost[active]
        won = active[better]
        settled[better] |= tried[better] <= floor
        best[won], cost[won] = trial[better], tried[better]
        normal[won], slope[won] = tried_normal[better], tried_slope[better]
        ratio = np.clip(decrease[better] / np.maximum(predicted[better], TINY), 0.0, 2.0)
        damping[won] *= np.maximum(1.0 / 3.0, 1.0 - (2.0 * ratio - 1.0) ** 3)
        damping[won] = np.maximum(damping[won], LEAST_DAMPING)
        growth[won] = 2.0
        lost = active[~better]
        damping[lost] *= growth[lost]
        growth[lost] *= 2.0
        stuck = damping[active] > LAST_DAMPING
        active = active[~(settled | stuck)]
    return LeastSquaresSolution(best, cost, normal)


def _linearised(
    residuals: Array, jacobian: Array, free: NDArray[np.bool_]
) -> tuple[Array, Array, Array]:
    """Cost, ``J^T J`` and ``J^T r``, with 0 for the parameters that are held fixed."""
    jacobian = jacobian * free[:, None, :]
    cost = np.einsum("pn,pn->p", residuals, residuals)
    slope = np.einsum("pni,pn->pi", jacobian, residuals)
    return cost, jacobian.swapaxes(1, 2) @ jacobian, slope


def _step(normal: Array, slope: Array, damping: Array) -> tuple[Array, Array]:
    """The damped step, cut to the longest allowed, and the decrease predicted for the full step."""
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
    short = np.minimum(1.0, LONGEST_STEP / np.maximum(longest, TINY))
    return step * short[:, None], predicted


def inverse(normal: Array, free: NDArray[np.bool_]) -> Array:
    """Covariance ``(J^T J)**-1`` of the free parameters; infinite where undetermined.

    Parameters
    ----------
    normal : array, shape (problems, parameters, parameters)
    free : array of bool, shape (problems, parameters)

    Returns
    -------
    array, shape (problems, parameters, parameters)
        0 for parameters that are held fixed.
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

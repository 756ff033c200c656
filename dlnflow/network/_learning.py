"""Times at which modes are learned: crossings of measured curves, windows, rank agreement."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LOW, HIGH = 0.1, 0.9  # of the plateau: the ends of a learning window
GREEDY = 0.5  # overlap of learning windows above which learning is not greedy
BESIDE = 3  # points on either side of a crossing used in the interpolation


def crossing_times(t: Array, w: Array, level: Array) -> Array:
    """First time at which each curve reaches its level: infinite if it never does.

    Parameters
    ----------
    t : array, shape (times,)
    w : array, shape (modes, times)
        Positive where it rises.
    level : array, shape (modes,)

    Returns
    -------
    array, shape (modes,)
        By monotone cubic interpolation of ``t`` over ``log w``; ``t[0]`` for a curve that starts
        above its level.
    """
    from scipy.interpolate import PchipInterpolator

    times = np.full(len(w), np.inf)
    for mode, (curve, target) in enumerate(zip(w, level, strict=True)):
        above = np.flatnonzero(curve >= target)
        if target <= 0.0 or not above.size:
            continue
        start = end = first = int(above[0])
        with np.errstate(divide="ignore"):
            height = np.log(np.maximum(curve, 0.0))
        while start > max(0, first - BESIDE) and -np.inf < height[start - 1] < height[start]:
            start -= 1
        while end < min(len(t) - 1, first + BESIDE - 1) and height[end + 1] > height[end]:
            end += 1
        piece = slice(start, end + 1)
        times[mode] = t[first]
        if start < first:  # else it starts above, rises from 0, or was one ulp below the level
            times[mode] = PchipInterpolator(height[piece], t[piece])(np.log(target))
    return times


def loss_times(t: Array, w: Array, level: Array) -> Array:
    """Time at which each curve falls below its level and stays below to the end.

    Parameters
    ----------
    t, w, level
        As for `crossing_times`.

    Returns
    -------
    array, shape (modes,)
        Infinite for a curve that ends at its level or above, or never reaches it.
    """
    backwards = -crossing_times(-t[::-1], w[:, ::-1], level)
    return np.where((backwards > -np.inf) & (w[:, -1] < level), backwards, np.inf)


def overlap(low: Array, high: Array) -> float:
    """Mean overlap of the learning windows of neighbouring modes, from 0 to 1.

    Parameters
    ----------
    low, high : array, shape (modes,)
        Times at which each mode has a tenth and nine tenths of its plateau. Modes without finite
        times are left out.

    Returns
    -------
    float
        Neighbours are those next to each other in the order of ``high``. The overlap is relative to
        the shorter of the two windows. 0 for fewer than two modes.
    """
    known = np.isfinite(low) & np.isfinite(high) & (high > low)
    order = np.lexsort((low[known], high[known]))
    begin, end = low[known][order], high[known][order]
    if begin.size < 2:
        return 0.0
    common = np.minimum(end[:-1], end[1:]) - np.maximum(begin[:-1], begin[1:])
    length = end - begin
    return float(np.mean(np.maximum(common, 0.0) / np.minimum(length[:-1], length[1:])))


def breakdown(eps: Array, overlaps: Array) -> float:
    """The smallest ``eps`` at which the overlap reaches a half.

    Infinite if it never does, 0 if it does at the smallest ``eps``.
    """
    above = np.flatnonzero(overlaps >= GREEDY)
    if not above.size:
        return float("inf")
    if above[0] == 0:
        return 0.0
    i = int(above[0])
    share = (GREEDY - overlaps[i - 1]) / (overlaps[i] - overlaps[i - 1])
    return float(eps[i - 1] ** (1.0 - share) * eps[i] ** share)


class Agreement(NamedTuple):
    """Kendall's tau of two orders, with its standard error.

    ``tau`` is None for fewer than two modes, or if all are tied; ``stderr`` for fewer than four.
    """

    tau: float | None
    stderr: float | None


def order_agreement(predicted: Array, measured: Array) -> Agreement:
    """Kendall's tau-b between two sets of times, and its jackknife error over modes.

    Infinite times are tied.
    """
    tau = _tau(predicted, measured)
    n = len(predicted)
    if tau is None or n < 4:
        return Agreement(tau, None)
    without = [_tau(np.delete(predicted, i), np.delete(measured, i)) for i in range(n)]
    if None in without:
        return Agreement(tau, None)
    return Agreement(tau, float(np.std(np.asarray(without, dtype=np.float64)) * (n - 1) ** 0.5))


def _tau(one: Array, other: Array) -> float | None:
    from scipy.stats import kendalltau, rankdata

    ranks = rankdata(one), rankdata(other)
    if len(one) < 2 or any(np.ptp(rank) == 0.0 for rank in ranks):
        return None
    return float(kendalltau(*ranks).statistic)

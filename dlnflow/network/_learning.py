"""When modes are learned: crossings on measured curves, learning windows, rank agreement."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LOW, HIGH = 0.1, 0.9  # of the plateau: between them a mode is being learned
GREEDY = 0.5  # overlap of learning windows above which learning is no longer one at a time
BESIDE = 3  # points on either side of a crossing that the interpolation uses


def crossing_times(t: Array, w: Array, level: Array) -> Array:
    """When each curve first reaches its level: ``t[0]`` if it starts there, infinite if never.

    Parameters
    ----------
    t : array, shape (times,)
    w : array, shape (modes, times)
        Positive where it rises.
    level : array, shape (modes,)

    Returns
    -------
    array, shape (modes,)
        By monotone cubic interpolation of ``t`` over ``log w``.
    """
    from scipy.interpolate import PchipInterpolator

    times = np.full(len(w), np.inf)
    for mode, (curve, target) in enumerate(zip(w, level, strict=True)):
        above = np.flatnonzero(curve >= target)
        if target <= 0.0 or not above.size:
            continue
        first = int(above[0])
        if first == 0:
            times[mode] = t[0]
            continue
        start = first - 1
        if curve[start] <= 0.0:
            times[mode] = t[first]
            continue
        with np.errstate(divide="ignore"):
            height = np.log(np.maximum(curve, 0.0))
        if height[first] == height[start]:  # an ulp below it
            times[mode] = t[first]
            continue
        while start > max(0, first - BESIDE) and -np.inf < height[start - 1] < height[start]:
            start -= 1
        end = first
        while end < min(len(t) - 1, first + BESIDE - 1) and height[end + 1] > height[end]:
            end += 1
        piece = slice(start, end + 1)
        times[mode] = PchipInterpolator(height[piece], t[piece])(np.log(target))
    return times


def overlap(low: Array, high: Array) -> float:
    """How much of their learning modes share, from 0 (one at a time) to 1 (all together).

    Parameters
    ----------
    low, high : array, shape (modes,)
        When each mode has a tenth and nine tenths of its plateau. Modes whose times are not
        finite take no part.

    Returns
    -------
    float
        The mean, over modes next to each other in the order of ``high``, of the time in which both
        are being learned, over the shorter of their two windows. 0 for fewer than two modes.
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

    Infinite if it never does, 0 if it is above from the first.
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
    """Kendall's tau of two orders, with its standard error; None where there is none.

    With fewer than two modes, or all of them tied, there is no order; with fewer than four, no
    error.
    """

    tau: float | None
    stderr: float | None


def order_agreement(predicted: Array, measured: Array) -> Agreement:
    """Kendall's tau-b between two sets of times (infinite ones tie), by jackknife over modes."""
    tau = _tau(predicted, measured)
    n = len(predicted)
    if tau is None or n < 4:
        return Agreement(tau, None)
    without = [_tau(np.delete(predicted, i), np.delete(measured, i)) for i in range(n)]
    known = np.array([one for one in without if one is not None])
    if known.size < n:
        return Agreement(tau, None)
    error = np.sqrt((n - 1) / n * np.sum((known - known.mean()) ** 2))
    return Agreement(tau, float(error))


def _tau(one: Array, other: Array) -> float | None:
    from scipy.stats import kendalltau, rankdata

    ranks = rankdata(one), rankdata(other)
    if len(one) < 2 or any(np.ptp(rank) == 0.0 for rank in ranks):
        return None
    return float(kendalltau(*ranks).statistic)

"""Shapes of amplitude curves as numbers that do not depend on units, noise or spectrum."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEVELS = np.array([0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95])  # of a rise
SHARES = np.array([0.25, 0.5, 0.75, 0.9])  # of the time until half of the rise
LEARNED = 0.2  # of the largest amplitude of the log: below it, a mode is not learned
RISEN = 0.5  # a rise starts below this share of its top
LOST = 0.6  # a mode ends below this share of its top
INSIDE = 2  # rows within a rise, below which its shape was not measured
SMALL = 1e-3  # the smallest ratio that is told from 0


class LogShape(NamedTuple):
    """Features of a log.

    Attributes
    ----------
    features : array, shape (15,) or (34,)
        Of the mode that is learned first: six lags of its rise, the time before it, four bends of
        its logarithm until half of it, where it starts, how far it dips, where it ends, and how
        steeply. If the log has several modes, 19 more: how far the others dip and where they stand
        when half of the first is learned, the mean end and the share lost of those learned, and the
        mean of the first 15 over the others that are learned, or those of the first again.
    mode : int
        The mode that is learned first.
    half : float
        Time at which half of its rise is done.
    """

    features: Array
    mode: int
    half: float


class _Rise(NamedTuple):
    half: float  # time at which half of the rise is done
    features: Array


def shape(t: Array, w: Array) -> LogShape | None:
    """Shape of the curves ``w``, shape (modes, times), at the times ``t``; None if none rises."""
    smooth = np.array([_smoothed(mode) for mode in w])
    largest = smooth.max()
    rises = {
        i: rise
        for i, mode in enumerate(smooth)
        if mode.max() > LEARNED * largest and (rise := _rise(t, w[i], mode)) is not None
    }
    if not rises:
        return None
    first = min(rises, key=lambda i: rises[i].half)
    half, features = rises[first]
    if len(w) == 1:
        return LogShape(features, first, half)
    later = [i for i in rises if i != first]
    others = np.delete(smooth, first, axis=0)[:, t <= half]
    ends = smooth[[*rises], -1] / smooth[[*rises]].max(axis=1)
    together = [
        np.median(_log_ratio(others.min(axis=1), others[:, 0])),
        np.median(_log_ratio(others[:, -1], others[:, 0])),
        np.mean(ends),
        np.mean(ends < LOST),
        *np.mean([rises[i].features for i in later or [first]], axis=0),
    ]
    return LogShape(np.concatenate([features, together]), first, half)


def _rise(t: Array, raw: Array, smooth: Array) -> _Rise | None:
    """The rise of a mode to its top; None if it starts above half of it, or takes under 3 rows."""
    from scipy.optimize import isotonic_regression

    peak = int(smooth.argmax())
    foot = int(smooth[: peak + 1].argmin())
    base, top = float(smooth[foot]), float(smooth[peak])
    if not base < RISEN * top or peak - foot < 3:
        return None
    fitted = np.asarray(isotonic_regression(raw[foot : peak + 1]).x)
    times = t[foot : peak + 1]
    progress = np.clip((fitted - base) / (top - base), 0.0, 1.0)
    progress[0], progress[-1] = 0.0, 1.0
    if np.sum((progress > LEVELS[0]) & (progress < LEVELS[-2])) < INSIDE:
        return None
    crossed = _crossings(times, progress, LEVELS)
    half, unit = crossed[3], crossed[3] - crossed[1]
    lags = np.concatenate([crossed[3] - crossed[[0, 2]], crossed[4:] - crossed[3]])
    start = np.array(max(float(smooth[0]), 0.0))
    tail = max(2, smooth.size // 10)
    slope = (smooth[-1] - smooth[-tail]) / (t[-1] - t[-tail])
    features = [
        *_log_ratio(lags, unit),
        _log_ratio(np.array(half - t[0]), unit),
        *_bends(times, np.maximum(fitted, base), half, base, top),
        _log_ratio(start, top),
        _log_ratio(np.array(base), start),
        smooth[-1] / top,
        np.clip(slope * unit / top, -1.0, 1.0),
    ]
    return _Rise(float(half), np.array(features))


def _bends(t: Array, rise: Array, half: float, base: float, top: float) -> Array:
    """Logarithms of a rise until half of it, as shares of the way still to go at the base."""
    middle = 0.5 * (base + top)
    at = np.interp(t[0] + SHARES * (half - t[0]), t, rise)
    return _log_ratio(at, middle) / _log_ratio(np.array(base), middle)


def _crossings(t: Array, progress: Array, levels: Array) -> Array:
    """First times at which a rise reaches each level, linear between rows."""
    after = np.searchsorted(progress, levels)
    low, high = progress[after - 1], progress[after]
    return t[after - 1] + (levels - low) / (high - low) * (t[after] - t[after - 1])


def _smoothed(mode: Array) -> Array:
    """Moving average over a fortieth of the rows, three at least."""
    width = 2 * (mode.size // 80) + 3
    padded = np.pad(mode, width // 2, mode="edge")
    return np.convolve(padded, np.full(width, 1.0 / width), "valid")


def _log_ratio(value: Array, unit: Array | float) -> Array:
    """Logarithm of value / unit, with ratios kept within SMALL and 1 / SMALL."""
    small = np.maximum(unit, np.finfo(float).tiny)
    return np.log(np.clip(value / small, SMALL, 1.0 / SMALL))

"""Logs as people keep them, of trained networks and of curves that no network drew."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dlnflow.identification._shape import shape

Array = NDArray[np.float64]
Rng = np.random.Generator
Log = tuple[Array, Array]

LEAST_ROWS, MOST_ROWS = 20, 400
CUT = (1.3, 8.0)  # where a log ends, in half times of the first mode
NETWORK_NOISE, DECOY_NOISE = 0.03, 0.05  # the most, as a share of a mode's top
EVEN = 0.8  # share of logs that are evenly spaced; the others are logarithmic


def logs_of(t: Array, w: Array, rng: Rng) -> list[Log]:
    """A log of several modes of a network, and one of a single mode; none if none is learned.

    Half of the single modes are those learned first. Half of the other logs hold all modes.
    """
    found = shape(t, w)
    if found is None:
        return []
    drawn = rng.permutation(len(w))
    size = len(w) if rng.random() < 0.5 else rng.integers(2, len(w) + 1)
    several = w[drawn[:size]]
    alone = found.mode if rng.random() < 0.5 else drawn[0]
    end = found.half * _between(*CUT, rng)
    return [log for part in (several, w[[alone]]) if (log := _log(t, part, end, rng)) is not None]


def _log(t: Array, w: Array, end: float, rng: Rng) -> Log | None:
    """The curves up to ``end``, at drawn rows and with drawn noise; None if it has too few rows."""
    count = int(np.searchsorted(t, end, side="right"))
    if count < LEAST_ROWS:
        return None
    kept = _rows(count, min(count, int(_between(LEAST_ROWS, MOST_ROWS, rng))), rng)
    noise = NETWORK_NOISE * rng.random() if rng.random() < 0.5 else 0.0
    return t[kept], _noisy(w[:, kept], noise, rng)


def _rows(count: int, rows: int, rng: Rng) -> NDArray[np.int64]:
    even = rng.random() < EVEN
    places = np.linspace(0, count - 1, rows) if even else np.geomspace(1, count, rows) - 1
    return np.unique(places.astype(np.int64))


def _noisy(w: Array, noise: float, rng: Rng) -> Array:
    return np.abs(w + noise * w.max(axis=1, keepdims=True) * rng.normal(size=w.shape))


def _between(low: float, high: float, rng: Rng) -> float:
    """Drawn evenly on a logarithmic scale."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _logistic(t: Array, rng: Rng) -> Array:
    middle = rng.uniform(0.1, 0.8)
    return 1.0 / (1.0 + np.exp(-(t / middle - 1.0) / _between(0.04, 0.6, rng)))


def _saturating(t: Array, rng: Rng) -> Array:
    return 1.0 - rng.uniform(0.6, 1.0) * np.exp(-t / _between(0.05, 0.7, rng))


def _overshooting(t: Array, rng: Rng) -> Array:
    s = t / _between(0.05, 0.4, rng)
    return np.abs(1.0 - np.exp(-s) * np.cos(rng.uniform(1.0, 6.0) * s))


def _collapsing(t: Array, rng: Rng) -> Array:
    middle = rng.uniform(0.05, 0.4)
    width = middle * rng.uniform(0.02, 0.4)
    late, fall = rng.uniform(middle, 1.0), width * rng.uniform(0.5, 3.0)
    return 1.0 / (1.0 + np.exp(-(t - middle) / width)) / (1.0 + np.exp((t - late) / fall))


def _power(t: Array, rng: Rng) -> Array:
    return rng.uniform(0.0, 0.1) + t ** _between(0.3, 5.0, rng)


def _hill(t: Array, rng: Rng) -> Array:
    p, middle = rng.uniform(1.2, 8.0), rng.uniform(0.1, 0.8)
    return rng.uniform(0.0, 0.1) + t**p / (t**p + middle**p)


def _walking(t: Array, rng: Rng) -> Array:
    walk = np.cumsum(rng.normal(size=t.size))
    return np.abs(walk) if rng.random() < 0.5 else walk - walk.min() + 0.01


def _ramp(t: Array, rng: Rng) -> Array:
    begin = rng.uniform(0.0, 0.4)
    end = rng.uniform(begin + 0.05, 1.0)
    return rng.uniform(0.01, 0.2) + np.clip((t - begin) / (end - begin), 0.0, 1.0)


def _loss(t: Array, rng: Rng) -> Array:
    return rng.uniform(0.0, 0.3) + rng.uniform(0.5, 1.0) * np.exp(-t / _between(0.02, 0.5, rng))


DECOYS: dict[str, Callable[[Array, Rng], Array]] = {
    "logistic": _logistic,
    "saturation": _saturating,
    "overshoot": _overshooting,
    "collapse": _collapsing,
    "power law": _power,
    "Hill curve": _hill,
    "random walk": _walking,
    "ramp": _ramp,
    "loss": _loss,
}


def decoy(kind: str, single: bool, rng: Rng) -> Log:
    """A log of one curve, or of two to six, of this kind; each has parameters of its own."""
    rows = int(_between(LEAST_ROWS, MOST_ROWS, rng))
    t = np.linspace(0.0, 1.0, rows) if rng.random() < EVEN else np.geomspace(1.0 / rows, 1.0, rows)
    count = 1 if single else int(rng.integers(2, 7))
    w = np.array([_between(0.3, 1.0, rng) * DECOYS[kind](t, rng) for _ in range(count)])
    return t, _noisy(w, DECOY_NOISE * rng.random(), rng)

"""The part of each curve in which a mode learns: after alignment, and before it is lost again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RISEN = 0.2  # of the highest value: below it, a mode still aligns with the network
LOST = 0.8  # of the highest value: a mode that falls below it later is lost again
LEARNED = 0.97  # of the highest value: until here the mode counts before it is lost
FEWEST = 8  # measurements to fit, or else the whole curve is used


def learning(w: Array) -> NDArray[np.bool_]:
    """Which measurements belong to each mode's learning, shape (modes, times).

    All of a curve that does not rise, or if too few would be left.
    """
    return np.array([_of_one(one) for one in w])


def _of_one(w: Array) -> NDArray[np.bool_]:
    everything = np.ones(w.size, dtype=bool)
    if w.size < FEWEST:
        return everything
    smooth = np.convolve(np.pad(w, 1, mode="edge"), np.ones(3) / 3.0, "valid")
    top = int(smooth.argmax())
    before = np.flatnonzero(smooth[: top + 1] < RISEN * smooth[top])
    if not before.size:
        return everything
    after = smooth[top:]
    lost = after.min() < LOST * smooth[top]
    last = top + int(np.flatnonzero(after >= LEARNED * smooth[top])[-1]) if lost else w.size - 1
    place = np.arange(w.size)
    inside = (place >= before[-1]) & (place <= last)
    return inside if inside.sum() >= FEWEST else everything

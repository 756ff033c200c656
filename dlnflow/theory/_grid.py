"""Times that resolve every transition, however far apart the critical times lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.theory._modes import amplitude_of, hitting_time_of
from dlnflow.theory._scaled_modes import ValidatedModes

Array = NDArray[np.float64]

MOST_TIMES, FEWEST_TIMES = 2000, 400
PER_MODE = 24  # times inside each transition, while there is room
LOW, HIGH = 0.1, 0.9  # of the plateau: between them a mode is in transition
FEWEST_INSIDE = 3
LAST = 1e-4  # the grid ends when the slowest mode is that close to its plateau
LULL = 1.1  # and by how much it outlasts that


@dataclass(frozen=True)
class TimeGrid:
    """Times and a sentence about them."""

    t: Array
    description: str


def given_grid(t: ArrayLike) -> TimeGrid:
    """The user's own times.

    Raises
    ------
    ValueError, TypeError
        Unless ``t`` is one-dimensional, finite, not negative, rising and not empty.
    """
    times = _validate.not_negative("t", t)
    if times.ndim != 1 or times.size == 0:
        raise ValueError(f"t must have one axis and at least one time: got shape {times.shape}")
    if np.any(np.diff(times) <= 0.0):
        raise ValueError("t must rise from each time to the next: got times that do not")
    return TimeGrid(times, f"{times.size} times from {times[0]:g} to {times[-1]:g}, as given")


def resolving_grid(modes: ValidatedModes) -> TimeGrid:
    """Times for one objective, from 0 to when the slowest rising mode is learned.

    Two thirds are spread over the transitions, mode by mode, at equal steps in the logit of the
    learned fraction, one third evenly over the whole span and over its logarithm.

    Parameters
    ----------
    modes : ValidatedModes
        Of any shape.
    """
    modes = modes.along_time
    marks, rises = _marks(modes)
    finite = marks[np.isfinite(marks) & (marks > 0.0)]
    # What falls does so as a power of time, long after everything has been learned.
    last = marks[rises & np.isfinite(marks)]
    latest = float(np.max(last if last.size else finite, initial=0.0))
    end = LULL * min(latest, np.finfo(np.float64).max / 2.0) or 1.0
    finite = finite[finite <= end]
    count = int(np.clip(FEWEST_TIMES, marks.size * 3 // 2, MOST_TIMES))
    even = np.linspace(0.0, end, count // 6)
    start = float(finite.min()) if finite.size else end
    in_decades = np.geomspace(max(start / 10.0, end * 1e-300), end, count // 6)
    background = np.union1d(even, in_decades)
    chosen = _thin(np.unique(finite), count - background.size)
    t = _pad(np.union1d(background, chosen), count)
    return TimeGrid(t, _describe(t, modes))


def _marks(modes: ValidatedModes) -> tuple[Array, NDArray[np.bool_]]:
    """Times at which each mode passes a ladder of amplitudes, and whether it rises there."""
    rest, eps = modes.plateau, modes.eps
    room = 2 * MOST_TIMES // 3 // max(1, modes.rho.size)
    rungs = min(PER_MODE, max(FEWEST_INSIDE + 1, room))
    # Most rungs within the transition; the last one says when the mode is learned.
    inside = np.linspace(-2.0, 2.0, max(FEWEST_INSIDE, 2 * rungs // 3))
    around = np.linspace(-4.0, -np.log(LAST), rungs - inside.size + 1)[1:]
    share = 1.0 / (1.0 + np.exp(-np.sort(np.concatenate([inside, around]))))
    falling = eps * np.linspace(0.98, 0.3, share.size)
    ladder = np.where(rest > 0.0, eps + (rest - eps) * share, falling)
    marks = np.asarray(hitting_time_of(modes, ladder))
    return marks, np.broadcast_to(rest > eps, marks.shape)


def _thin(times: Array, count: int) -> Array:
    """At most ``count`` of the times, evenly by rank."""
    if times.size <= count:
        return times
    return times[np.unique(np.linspace(0, times.size - 1, count).astype(np.intp))]


def _pad(times: Array, count: int) -> Array:
    """Exactly ``count`` times, more being put evenly into the widest gaps."""
    while times.size < count:
        gaps = np.diff(times)
        widest = np.argsort(gaps)[::-1][: count - times.size]
        times = np.union1d(times, times[widest] + 0.5 * gaps[widest])
    return times


def _describe(t: Array, modes: ValidatedModes) -> str:
    w, rest = amplitude_of(modes, t), modes.plateau
    low, high = w < LOW * rest, w > HIGH * rest
    learned = low[..., 0] & high[..., -1]
    inside = np.sum(~low & ~high, axis=-1)[learned]
    text = f"{t.size} times from 0 to {t[-1]:.4g}"
    if not inside.size:
        return f"{text} (no mode rises from below {LOW} of its plateau)"
    text += f", every transition resolved: {LOW} to {HIGH} of each plateau in {{}} times or more"
    if inside.min() >= FEWEST_INSIDE:
        return text.format(inside.min())
    narrow = int(np.sum(inside < FEWEST_INSIDE))
    return (
        f"{text.split(',')[0]}; {narrow} of {inside.size} transitions hold fewer than "
        f"{FEWEST_INSIDE} of them, being narrower than the spacing of floats or too many"
    )

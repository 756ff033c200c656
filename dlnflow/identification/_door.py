"""What `identify` accepts: measured trajectories, and what is known of their modes beforehand."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.theory.curve._master_curve import Branch

Array = NDArray[np.float64]

NOISES = ("absolute", "relative")
NEGATIVE = 6.0  # standard deviations of its scatter that a curve may fall below 0
CHANCE = 3e-7  # of ends that differ so much in a curve that does not certainly rise or fall
EFFICIENCY = 0.37  # of the scatter's robust estimate: of so many measurements is it worth
TO_SPARE = 2  # measurements beyond the parameters
SMALLEST, LARGEST = 1e-50, 1e50  # of times, amplitudes and all that is told of them


def within_range(name: str, value: float) -> None:
    """A largest value, 0 or of a size whose powers floating point holds at any depth."""
    if value != 0.0 and not SMALLEST <= value <= LARGEST:
        raise ValueError(
            f"{name} must be in units that keep it between {SMALLEST:g} and {LARGEST:g}: "
            f"got {value:g}"
        )


def given_times(t: ArrayLike) -> Array:
    """Times that rise, from 0 on."""
    times = _validate.not_negative("t", t)
    if times.ndim != 1 or not times.size:
        raise ValueError(f"t must be one row of times: got shape {times.shape}")
    steps = np.diff(times)
    if (steps <= 0.0).any():
        at = int(np.flatnonzero(steps <= 0.0)[0])
        what = "repeated" if steps[at] == 0.0 else "unsorted"
        raise ValueError(
            f"t must rise from each time to the next: got {what} times {times[at]:g}, "
            f"{times[at + 1]:g} at index {at}, {at + 1}; sort them and average repeated ones"
        )
    within_range("t", float(times[-1]))
    return times


def given_amplitudes(w: ArrayLike, times: Array) -> Array:
    """Amplitudes, shape (modes, times), finite, and negative no further than their scatter."""
    curves = np.atleast_2d(_validate.real("w", w))
    if np.ndim(w) > 2 or curves.shape[1] != times.size or not curves.size:
        raise ValueError(
            f"w must have shape (times,) or (modes, times) with {times.size} times: "
            f"got {np.shape(w)}"
        )
    for largest in np.abs(curves).max(axis=1):
        within_range("w", float(largest))
    beyond = negative_beyond_noise(times, curves)
    if beyond.any():
        mode = int(np.flatnonzero(beyond)[0])
        at = int(curves[mode].argmin())
        raise ValueError(
            "w must not be negative beyond its noise, amplitudes being norms: got "
            f"{curves[mode, at]:g} in mode {mode} at t = {times[at]:g}; take absolute values, or "
            "norms of W b for each mode's direction b"
        )
    return curves


def negative_beyond_noise(t: Array, w: Array) -> NDArray[np.bool_]:
    """Which curves are, further than their scatter or most of their size."""
    lowest = w.min(axis=1)
    beyond: NDArray[np.bool_] = lowest < -NEGATIVE * scatter(t, w)
    return beyond | ((lowest < 0.0) & (w.max(axis=1) <= -lowest))


def scatter(t: Array, w: Array) -> Array:
    """A robust estimate of each curve's noise: how far points lie off their neighbours' line."""
    if t.size < 3:
        return np.zeros(len(w))
    share = (t[1:-1] - t[:-2]) / (t[2:] - t[:-2])
    off = w[:, 1:-1] - (1.0 - share) * w[:, :-2] - share * w[:, 2:]
    off /= np.sqrt(1.0 + share**2 + (1.0 - share) ** 2)
    deviation: Array = 1.4826 * np.median(np.abs(off), axis=1)
    return deviation


def branches(t: Array, w: Array, rho: Array) -> tuple[tuple[Branch, ...], ...]:
    """On which branches each curve may run: by its direction, where clear, and by a known sign."""
    from scipy.special import stdtrit

    third = max(1, t.size // 3)
    rise = w[:, -third:].mean(axis=1) - w[:, :third].mean(axis=1)
    error = scatter(t, w) * np.sqrt(2.0 / third)
    limit = -float(stdtrit(max(1.0, EFFICIENCY * (t.size - 2)), CHANCE))
    clear = np.abs(rise) > limit * error
    found = []
    for up, sure, sign in zip(rise > 0.0, clear, rho, strict=True):
        found.append(_allowed(bool(up) if sure else None, float(sign)))
    return tuple(found)


def _allowed(up: bool | None, sign: float) -> tuple[Branch, ...]:
    """The branches of a curve that rises, falls or does neither clearly, and of a known sign."""
    if sign < 0.0:
        return (Branch.SUPPRESSION,)
    if up:
        return (Branch.GROWTH,)
    falling = (Branch.DECAY,) if sign > 0.0 else (Branch.DECAY, Branch.SUPPRESSION)
    return falling if up is False else (Branch.GROWTH, *falling)


def given_known(
    lam: ArrayLike | None, rho: ArrayLike | None, eps: ArrayLike | None, modes: int
) -> tuple[Array, Array]:
    """What is known beforehand, shape (modes, 3), as logarithms, and the sign of ``rho``.

    NaN, and 0 for the sign, where nothing is.
    """
    columns = [
        _column(name, value, modes) for name, value in (("lam", lam), ("rho", rho), ("eps", eps))
    ]
    signs = np.sign(columns[:2])
    signs[np.isnan(signs)] = 0.0
    if (signs[0] * signs[1] < 0.0).any():
        mode = int(np.flatnonzero(signs[0] * signs[1] < 0.0)[0])
        raise ValueError(
            "lam and rho must have the same sign: "
            f"got {columns[0][mode]:g} and {columns[1][mode]:g} for mode {mode}"
        )
    if (columns[2] <= 0.0).any():
        raise ValueError(f"eps must be positive: got {np.nanmin(columns[2]):g}")
    return np.log(np.abs(np.stack(columns, axis=1))), np.where(signs[1], signs[1], signs[0])


def _column(name: str, value: ArrayLike | None, modes: int) -> Array:
    """One number for each mode, NaN where unknown."""
    if value is None:
        return np.full(modes, np.nan)
    array = _validate.numbers(name, value)
    if array.shape not in ((), (modes,)):
        raise ValueError(
            f"{name} must be one number, or one for each mode of w ({modes}): "
            f"got shape {array.shape}"
        )
    if np.isinf(array).any() or (array == 0.0).any():
        why = ", as it is in no mode that moves to a plateau" if name != "eps" else ""
        raise ValueError(
            f"{name} must be finite and not 0{why}; NaN where it is not known: got "
            f"{array[np.isinf(array) | (array == 0.0)].flat[0]:g}"
        )
    for one in np.abs(array[np.isfinite(array)]).flat:
        within_range(name, float(one))
    return np.broadcast_to(array, modes).copy()


def given_sigma(sigma: ArrayLike | None, modes: int) -> Array | None:
    """The noise's standard deviation, one for each mode, if it is known."""
    if sigma is None:
        return None
    array = _validate.positive("sigma", sigma)
    if array.shape not in ((), (modes,)):
        raise ValueError(
            f"sigma must be one number, or one for each mode of w ({modes}): "
            f"got shape {array.shape}"
        )
    for one in array.flat:
        within_range("sigma", float(one))
    return np.broadcast_to(array, modes).copy()


def given_noise(noise: Any, w: Array) -> tuple[NDArray[np.bool_], ...]:
    """The kinds of noise to try: for every mode, whether it is relative."""
    modes = len(w)
    can: NDArray[np.bool_] = np.asarray((w > 0.0).all(axis=1))
    if noise is None:
        absolute = np.zeros(modes, dtype=bool)
        return (absolute, can) if can.any() else (absolute,)
    if _validate.choice("noise", noise, NOISES) == "relative" and not can.all():
        mode = int(np.flatnonzero(~can)[0])
        raise ValueError(
            "noise must be 'absolute' where w is not positive: got 'relative' with "
            f"w = {w[mode].min():g} in mode {mode}"
        )
    return (np.full(modes, noise == "relative", dtype=np.bool_),)


def flag(name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False: got {value!r}")
    return bool(value)


def enough(t: Array, known: Array) -> None:
    """More measurements than there are parameters."""
    wanted = int(np.isnan(known).sum(axis=1).max()) + TO_SPARE
    if t.size < wanted:
        raise ValueError(
            f"t must hold at least {wanted} times for that many unknowns and the noise: "
            f"got {t.size}"
        )

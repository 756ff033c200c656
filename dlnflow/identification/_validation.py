"""Validates the arguments of `identify`, `identify_each` and `recover`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow._common._frozen import read_only_copy
from dlnflow.identification._candidates import EquivalentCandidates, distinct_equations
from dlnflow.theory._clock import Clock, Training, network_time
from dlnflow.theory.curve._master_curve import Branch

Array = NDArray[np.float64]

NOISES = ("absolute", "relative")
UNKNOWN = "unknown"  # a clock whose unit is not known
CLOCKS = ("paper", "network", UNKNOWN)


class InputLimits(NamedTuple):
    """Thresholds for measured curves."""

    smallest: float = 1e-50  # of times and amplitudes: high powers of smaller ones underflow
    largest: float = 1e50  # of the same: high powers of larger ones overflow
    negative: float = 6.0  # standard deviations below 0 that noise explains
    chance: float = 3e-7  # probability at which a difference of the two ends is not noise
    efficiency: float = 0.37  # statistical efficiency of the median absolute deviation
    spare_times: int = 2  # times beyond the number of parameters, so that noise can be estimated


LIMITS = InputLimits()


@dataclass(frozen=True)
class ValidatedCurves:
    """Measured curves, what is known of their modes, and the mode equations to fit.

    Attributes
    ----------
    t : array, shape (times,)
    w : array, shape (modes, times)
        Only of the modes that move.
    known : array, shape (modes, 3)
        ``log |lam|``, ``log |rho|``, ``log eps`` where known, else NaN.
    sign : array, shape (modes,)
        Known sign of ``rho``, 0 where unknown.
    sigma : array, shape (modes,), or None
    noise_kinds : tuple of bool arrays, shape (modes,)
        The kinds of noise to try; True where the noise of a mode is relative.
    equations : tuple of EquivalentCandidates
    clock : str or Training
    constant : tuple of int
        Modes that do not move.
    single : bool
        Whether ``w`` was one-dimensional.
    """

    t: Array
    w: Array
    known: Array
    sign: Array
    sigma: Array | None
    noise_kinds: tuple[NDArray[np.bool_], ...]
    equations: tuple[EquivalentCandidates, ...]
    clock: Clock
    constant: tuple[int, ...]
    single: bool

    @property
    def log_lam_in_own_units(self) -> Array | None:
        """Known ``log |lam|`` on a clock of unknown unit; None if there is nothing to convert."""
        if self.clock != UNKNOWN or np.isnan(self.known[:, 0]).all():
            return None
        return self.known[:, 0]


def validated(
    t: ArrayLike,
    w: ArrayLike,
    eps: ArrayLike | None,
    clock: Clock,
    *,
    lam: ArrayLike | None = None,
    rho: ArrayLike | None = None,
    objective: Any,
    L: ArrayLike | None,
    decoder_depth: ArrayLike,
    noise: str | None,
    sigma: ArrayLike | None,
) -> ValidatedCurves:
    """Validate all arguments of `identify`."""
    times = given_times(t)
    curves = _given_amplitudes(w, times)
    equations = distinct_equations(objective, L, decoder_depth)
    network_time(known_clock(clock), 1)
    known, sign = _given_known(lam, rho, eps, len(curves))
    wanted = int(np.isnan(known).sum(axis=1).max()) + LIMITS.spare_times
    if times.size < wanted:
        raise ValueError(
            f"t must hold at least {wanted} times for that many unknowns and the noise: "
            f"got {times.size}"
        )
    moves = np.ptp(curves, axis=1) > 0.0
    if not moves.any():
        raise ValueError(
            f"w must change: got {curves[0, 0]:g} at all times; a mode that does not move "
            "determines nothing: measure longer"
        )
    deviation = None
    if sigma is not None:
        deviation = _for_each_mode("sigma", _validate.positive("sigma", sigma), len(curves))
        for one in deviation:
            within_range("sigma", float(one))
        deviation = deviation[moves]
    return ValidatedCurves(
        read_only_copy(times),
        curves[moves],
        known[moves],
        sign[moves],
        deviation,
        _given_noise(noise, curves[moves]),
        equations,
        clock,
        tuple(map(int, np.flatnonzero(~moves))),
        np.ndim(w) == 1,
    )


def known_clock(clock: Clock) -> Clock:
    """The clock itself, or the paper's in place of an unknown one."""
    if not isinstance(clock, Training) and not (isinstance(clock, str) and clock in CLOCKS):
        raise ValueError(
            f"clock must be {', '.join(map(repr, CLOCKS))} or a dlnflow.Training: got {clock!r}"
        )
    return "paper" if clock == UNKNOWN else clock


def within_range(name: str, value: float) -> None:
    """Refuse a value, unless 0, whose powers floating point cannot hold at any depth."""
    least, most = LIMITS.smallest, LIMITS.largest
    if value != 0.0 and not least <= abs(value) <= most:
        raise ValueError(
            f"{name} must be in units that keep it between {least:g} and {most:g}: got {value:g}"
        )


def given_times(t: ArrayLike) -> Array:
    """Times that are not negative and rise."""
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


def _given_amplitudes(w: ArrayLike, times: Array) -> Array:
    """Finite amplitudes, shape (modes, times), not negative beyond their noise."""
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
            "w must not be negative beyond its noise, since amplitudes are norms: got "
            f"{curves[mode, at]:g} in mode {mode} at t = {times[at]:g}; take absolute values, or "
            "norms of W b for each mode's direction b"
        )
    return curves


def negative_beyond_noise(t: Array, w: Array) -> NDArray[np.bool_]:
    """Which curves fall below 0 by more than their noise, or by more than they rise above 0."""
    lowest = w.min(axis=1)
    beyond: NDArray[np.bool_] = lowest < -LIMITS.negative * scatter(t, w)
    return beyond | ((lowest < 0.0) & (w.max(axis=1) <= -lowest))


def scatter(t: Array, w: Array) -> Array:
    """A robust estimate of each curve's noise, from each point and its two neighbours."""
    if t.size < 3:
        return np.zeros(len(w))
    share = (t[1:-1] - t[:-2]) / (t[2:] - t[:-2])
    off = w[:, 1:-1] - (1.0 - share) * w[:, :-2] - share * w[:, 2:]
    off /= np.sqrt(1.0 + share**2 + (1.0 - share) ** 2)
    deviation: Array = 1.4826 * np.median(np.abs(off), axis=1)
    return deviation


def branches(t: Array, w: Array, rho: Array) -> tuple[tuple[Branch, ...], ...]:
    """The branches that each curve may be on, by its direction and the known sign of ``rho``."""
    from scipy.special import stdtrit

    third = max(1, t.size // 3)
    rise = w[:, -third:].mean(axis=1) - w[:, :third].mean(axis=1)
    error = scatter(t, w) * np.sqrt(2.0 / third)
    limit = -float(stdtrit(max(1.0, LIMITS.efficiency * (t.size - 2)), LIMITS.chance))
    clear = np.abs(rise) > limit * error
    return tuple(
        _allowed(bool(up) if sure else None, float(sign))
        for up, sure, sign in zip(rise > 0.0, clear, rho, strict=True)
    )


def _allowed(up: bool | None, sign: float) -> tuple[Branch, ...]:
    """The branches of a curve that rises (True), falls (False) or does neither clearly (None)."""
    if sign < 0.0:
        return (Branch.SUPPRESSION,)
    if up:
        return (Branch.GROWTH,)
    falling = (Branch.DECAY,) if sign > 0.0 else (Branch.DECAY, Branch.SUPPRESSION)
    return falling if up is False else (Branch.GROWTH, *falling)


def _given_known(
    lam: ArrayLike | None, rho: ArrayLike | None, eps: ArrayLike | None, modes: int
) -> tuple[Array, Array]:
    """Logarithms of the known parameters, shape (modes, 3), and the known sign of ``rho``.

    NaN, and 0 for the sign, where nothing is known.
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
    array = _for_each_mode(name, _validate.numbers(name, value), modes)
    if np.isinf(array).any() or (array == 0.0).any():
        why = ", as in every mode with a plateau" if name != "eps" else ""
        raise ValueError(
            f"{name} must be finite and not 0{why}; NaN where it is not known: got "
            f"{array[np.isinf(array) | (array == 0.0)].flat[0]:g}"
        )
    for one in array[np.isfinite(array)]:
        within_range(name, float(one))
    return array


def _for_each_mode(name: str, array: Array, modes: int) -> Array:
    """One number for each mode, from one number or one for each."""
    if array.shape not in ((), (modes,)):
        raise ValueError(
            f"{name} must be one number, or one for each mode of w ({modes}): "
            f"got shape {array.shape}"
        )
    return np.broadcast_to(array, modes).copy()


def _given_noise(noise: Any, w: Array) -> tuple[NDArray[np.bool_], ...]:
    """The kinds of noise to try: for each, whether the noise of a mode is relative."""
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

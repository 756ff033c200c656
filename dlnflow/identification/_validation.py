"""Validates the arguments of `identify`, `identify_each` and `recover`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow._common._frozen import read_only_copy
from dlnflow.identification._candidates import LAWS, distinct_equations
from dlnflow.identification._measurements import Measurements
from dlnflow.identification._trajectory import Trajectory
from dlnflow.theory._clock import Clock, Training

Array = NDArray[np.float64]

NAMES = ("lam", "rho", "eps")
NOISES = ("absolute", "relative")
UNKNOWN = "unknown"  # a clock whose unit is not known
CLOCKS = ("paper", "network", UNKNOWN)

MEASURES = ("amplitude", "scaled", "probe")
R2_BY_NOISE = 0.02  # above 1, which noise may take an estimate of ``R2`` to
LEAST_R2 = -10.0  # below which no probe was fitted

SMALLEST = 1e-50  # of times and amplitudes: high powers of smaller ones underflow
LARGEST = 1e50  # of the same: high powers of larger ones overflow
NEGATIVE_BY_NOISE = 6.0  # standard deviations below 0 that noise explains
RISE_BY_CHANCE = 3e-7  # probability at which a difference of the two ends is not noise
EFFICIENCY = 0.37  # statistical efficiency of the median absolute deviation
SPARE_TIMES = 2  # times beyond the number of parameters, so that noise can be estimated


@dataclass(frozen=True)
class ValidatedCurves:
    """Measured curves, what is known of their modes, and the mode equations to fit.

    Attributes
    ----------
    data : Measurements
        One row for each mode that moves and each kind of noise to try, the kinds one after another.
    kinds : int
        Number of kinds of noise to try.
    trajectories : tuple of Trajectory
        Of the mode equations of all candidates.
    laws : tuple of Trajectory
        Of mode equations that no candidate has.
    clock : str or Training
    one_eps : bool
    constant : tuple of int
        Modes that do not move.
    names : tuple of str
        Of all modes; empty where none were given.
    """

    data: Measurements
    kinds: int
    trajectories: tuple[Trajectory, ...]
    laws: tuple[Trajectory, ...]
    clock: Clock
    one_eps: bool
    constant: tuple[int, ...]
    names: tuple[str, ...]

    def labels(self, places: Iterable[int]) -> list[str | int]:
        """Names or numbers of the modes at these places."""
        return [self.names[place] if self.names else place for place in places]

    @property
    def joint(self) -> bool:
        """Whether all modes share a fitted parameter: one ``eps``, or the unit of the clock."""
        return self.one_eps or bool(np.isfinite(self.data.own_lam).any())


def validated(
    t: ArrayLike,
    w: ArrayLike,
    known: tuple[ArrayLike | None, ...],
    clock: Clock,
    network: tuple[Any, ...],
    noise: str | None,
    sigma: ArrayLike | None,
    one_eps: bool = False,
    *,
    measure: str = "amplitude",
    names: Sequence[str] | None = None,
) -> ValidatedCurves:
    """Validate all arguments of `identify`.

    ``known`` holds its ``lam``, ``rho`` and ``eps``, and ``network`` its ``objective``, ``L`` and
    ``decoder_depth``.
    """
    times = given_times(t)
    probe = _validate.choice("measure", measure, MEASURES) == "probe"
    curves = _given_r2(w, times) if probe else _given_amplitudes(w, times)
    equations = distinct_equations(*network)
    known_clock = _known_clock(clock)
    parameters, sign = _given_known(known, len(curves))
    if measure != "amplitude" and np.isfinite(parameters[:, :2]).any():
        raise ValueError(
            f"lam and rho must be left out where measure is {measure!r}, since the unit of the "
            "amplitude is not known"
        )
    wanted = int(np.isnan(parameters).sum(axis=1).max()) + SPARE_TIMES
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
        within_range("sigma", deviation)
    if not isinstance(one_eps, bool | np.bool_):
        raise TypeError(f"one_eps must be True or False: got {one_eps!r}")
    kinds = _given_noise(noise, curves[moves], probe)
    own_lam = np.full(len(curves), np.nan)
    if clock == UNKNOWN:
        own_lam, parameters[:, 0] = parameters[:, 0].copy(), np.nan
    data = Measurements(
        read_only_copy(times),
        curves,
        parameters,
        own_lam,
        branches(times, curves, sign),
        np.zeros(len(curves), dtype=bool),
        deviation,
        np.ones(curves.shape, dtype=bool),
        measure,
    ).rows(np.tile(np.flatnonzero(moves), len(kinds)))
    return ValidatedCurves(
        replace(data, relative=np.concatenate(kinds)),
        len(kinds),
        tuple(Trajectory(equation, known_clock) for equation in equations),
        tuple(Trajectory((law,), known_clock) for law in LAWS),
        clock,
        bool(one_eps),
        tuple(map(int, np.flatnonzero(~moves))),
        _given_names(names, len(curves)),
    )


def _known_clock(clock: Clock) -> Clock:
    """The clock itself, or the paper's in place of an unknown one."""
    if not isinstance(clock, Training) and not (isinstance(clock, str) and clock in CLOCKS):
        raise ValueError(
            f"clock must be {', '.join(map(repr, CLOCKS))} or a dlnflow.Training: got {clock!r}"
        )
    return "paper" if clock == UNKNOWN else clock


def within_range(name: str, values: ArrayLike) -> None:
    """Refuse values, unless 0 or NaN, whose powers floating point cannot hold at any depth."""
    sizes, (least, most) = np.abs(np.ravel(values)), (SMALLEST, LARGEST)
    beyond = ((sizes < least) & (sizes != 0.0)) | (sizes > most)
    if beyond.any():
        raise ValueError(
            f"{name} must be in units that keep it between {least:g} and {most:g}: "
            f"got {np.ravel(values)[beyond][0]:g}"
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
    within_range("t", times[-1])
    return times


def _given_names(names: Sequence[str] | None, modes: int) -> tuple[str, ...]:
    """One name for each mode, all different."""
    if names is None:
        return ()
    if not isinstance(names, Iterable):
        raise TypeError(f"names must be a sequence of names: got {names!r}")
    given = (names,) if isinstance(names, str) else tuple(map(str, names))
    if len(given) != modes or len(set(given)) != modes:
        raise ValueError(
            f"names must be {modes} different names, one for each mode of w: got {', '.join(given)}"
        )
    return given


def _given_r2(w: ArrayLike, times: Array) -> Array:
    """Values of ``R2``, shape (modes, times), at most 1 but for their noise."""
    curves = _of_shape(w, times)
    beyond = (curves > 1.0 + R2_BY_NOISE) | (curves < LEAST_R2)
    if beyond.any():
        mode, at = map(int, np.argwhere(beyond)[0])
        raise ValueError(
            "w must be R2, at most 1 and not far below 0, where measure is 'probe': got "
            f"{curves[mode, at]:g} in mode {mode}"
        )
    flat = np.flatnonzero(curves.max(axis=1) <= 0.0)
    if flat.size:
        raise ValueError(
            f"w must be R2 above 0 at some time: got {curves[flat[0]].max():g} at most in mode "
            f"{flat[0]}"
        )
    return curves


def _given_amplitudes(w: ArrayLike, times: Array) -> Array:
    """Finite amplitudes, shape (modes, times), not negative beyond their noise."""
    curves = _of_shape(w, times)
    within_range("w", np.abs(curves).max(axis=1))
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


def _of_shape(w: ArrayLike, times: Array) -> Array:
    """Finite values, shape (modes, times)."""
    given = _validate.real("w", w)
    curves = np.atleast_2d(given)
    if given.ndim > 2 or curves.shape[1] != times.size or not curves.size:
        turned = given.ndim == 2 and given.size and len(given) == times.size
        raise ValueError(
            f"w must have shape (times,) or (modes, times) with {times.size} times: "
            f"got {given.shape}{'; pass w.T' if turned else ''}"
        )
    return curves


def negative_beyond_noise(t: Array, w: Array) -> NDArray[np.bool_]:
    """Which curves fall below 0 by more than their noise, or by more than they rise above 0."""
    lowest = w.min(axis=1)
    beyond: NDArray[np.bool_] = lowest < -NEGATIVE_BY_NOISE * scatter(t, w)
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


def branches(t: Array, w: Array, rho: Array) -> NDArray[np.bool_]:
    """The branches that each curve may be on, by its direction and the known sign of ``rho``.

    Shape (curves, branches), in the order growth, decay, suppression.
    """
    from scipy.special import stdtrit

    third = max(1, t.size // 3)
    rise = w[:, -third:].mean(axis=1) - w[:, :third].mean(axis=1)
    error = scatter(t, w) * np.sqrt(2.0 / third)
    limit = -float(stdtrit(max(1.0, EFFICIENCY * (t.size - 2)), RISE_BY_CHANCE))
    clear = np.abs(rise) > limit * error
    rises, falls = clear & (rise > 0.0), clear & (rise <= 0.0)
    suppressed = (rho < 0.0) | ((rho == 0.0) & ~rises)
    return np.stack([(rho >= 0.0) & ~falls, (rho >= 0.0) & ~rises, suppressed], axis=1)


def _given_known(known: tuple[ArrayLike | None, ...], modes: int) -> tuple[Array, Array]:
    """Logarithms of the known parameters, shape (modes, 3), and the known sign of ``rho``.

    NaN, and 0 for the sign, where nothing is known.
    """
    columns = [_column(name, value, modes) for name, value in zip(NAMES, known, strict=True)]
    lam, rho, eps = columns
    if (lam * rho < 0.0).any():
        mode = int(np.flatnonzero(lam * rho < 0.0)[0])
        raise ValueError(
            "lam and rho must have the same sign: "
            f"got {lam[mode]:g} and {rho[mode]:g} for mode {mode}"
        )
    if (eps <= 0.0).any():
        raise ValueError(f"eps must be positive: got {np.nanmin(eps):g}")
    sign = np.nan_to_num(np.sign(np.where(np.isnan(rho), lam, rho)))
    return np.log(np.abs(np.stack(columns, axis=1))), sign


def _column(name: str, value: ArrayLike | None, modes: int) -> Array:
    """One number for each mode, NaN where unknown."""
    if value is None:
        return np.full(modes, np.nan)
    array = _for_each_mode(name, _validate.numbers(name, value), modes)
    wrong = np.isinf(array) | (array == 0.0)
    if wrong.any():
        why = ", as in every mode with a plateau" if name != "eps" else ""
        raise ValueError(
            f"{name} must be finite and not 0{why}; NaN where it is not known: got "
            f"{array[wrong][0]:g}"
        )
    within_range(name, array)
    return array


def _for_each_mode(name: str, array: Array, modes: int) -> Array:
    """One number for each mode, from one number or one for each."""
    if array.shape not in ((), (modes,)):
        raise ValueError(
            f"{name} must be one number, or one for each mode of w ({modes}): "
            f"got shape {array.shape}"
        )
    return np.broadcast_to(array, modes).copy()


def _given_noise(noise: Any, w: Array, probe: bool) -> tuple[NDArray[np.bool_], ...]:
    """The kinds of noise to try: for each, whether the noise of a mode is relative."""
    can: NDArray[np.bool_] = np.asarray((w > 0.0).all(axis=1))
    if probe:
        if noise is not None and _validate.choice("noise", noise, NOISES) != "absolute":
            raise ValueError(f"noise must be 'absolute' where measure is 'probe': got {noise!r}")
        return (np.zeros_like(can),)
    absolute = np.zeros_like(can)
    if noise is None:
        return (absolute, can) if can.any() else (absolute,)
    if _validate.choice("noise", noise, NOISES) == "absolute":
        return (absolute,)
    if not can.all():
        mode = int(np.flatnonzero(~can)[0])
        raise ValueError(
            "noise must be 'absolute' where w is not positive: got 'relative' with "
            f"w = {w[mode].min():g} in mode {mode}"
        )
    return (can,)

"""From physical units to the master curve and back: amplitude, learned fraction, hitting time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.theory._clock import Clock
from dlnflow.theory._labelled import Quantity, labelled
from dlnflow.theory._numerics import at_the_ends, between, rational_power
from dlnflow.theory._objective import Objective, as_objective, plateau_amplitude
from dlnflow.theory._scaled_modes import (
    FEWEST_DIGITS,
    ScaledModes,
    ValidatedModes,
    at_start,
    by_curve,
    elapsed,
    scaled,
    validated,
)
from dlnflow.theory.curve._master_curve import LARGEST_EXPONENT, Branch

Array = NDArray[np.float64]


@labelled(Quantity("wbar", "encoder amplitude"))
def amplitude(
    t: ArrayLike,
    lam: ArrayLike,
    rho: ArrayLike,
    L: ArrayLike,
    *,
    eps: ArrayLike = 1e-3,
    objective: str | Objective = "jepa",
    decoder_depth: ArrayLike = 1,
    clock: Clock = "paper",
    variance: ArrayLike | None = None,
) -> Array:
    """Encoder amplitude ``wbar(t)`` of a mode, exact.

    Parameters
    ----------
    t : array
        Time on ``clock``, from 0 to infinity included.
    lam, rho : array
        Covariance and regression coefficient of the mode, of one sign. Negative: the mode is
        suppressed, and ``wbar`` falls to 0.
    L : array of int
        Encoder depth.
    eps : array
        ``wbar(0)``, positive.
    objective : str or Objective
        ``"jepa"``, ``"mae"``, ``"layer-m"`` or an `Objective`.
    decoder_depth : array of int
        ``P``; the paper has 1.
    clock : {"paper", "network"} or Training
        What ``t`` counts; see `dlnflow.Training` and ``docs/conventions.md``.
    variance : array, optional
        ``s``. Read where ``lam = rho = 0`` (pure noise); elsewhere it must agree with
        ``lam / rho``.

    Returns
    -------
    float or array
        The broadcast shape of all arguments. ``eps`` exactly at ``t = 0``, the plateau at
        ``t = inf``. A ``DataArray`` if an argument is one: dimensions are broadcast by name, and
        other arguments must be single values. Lazy if an argument is held by Dask, whose numbers
        are then checked when they are computed; ``docs/sweeps.md``.

    Raises
    ------
    ValueError, TypeError
        For input out of range, of the wrong kind or of shapes that do not broadcast; the message
        names the argument.

    Notes
    -----
    Solves the mode equations of the paper (arXiv:2407.03475v1, gradient flow of its equations 7 and
    8; for a JEPA of integer order its Theorem 4.4 has the solution in implicit form) through the
    master curve, ``dq/dt = kappa q**c (1 - q)``; derived in ``docs/theory.md``, section 5. The
    returned value is exact for a time within 1e-14 (relative) of ``t``, or itself right to 1e-13.

    Examples
    --------
    >>> import dlnflow
    >>> dlnflow.amplitude([0, 20000, 23000, float("inf")], 1.0, 0.5, 2).round(6).tolist()
    [0.001, 0.003926, 0.021271, 0.25]
    """
    modes = validated(lam, rho, L, eps, decoder_depth, variance, t=t).under(objective, clock)
    return amplitude_of(modes, _validate.not_negative("t", t, infinite=True))


def amplitude_of(modes: ValidatedModes, t: Array) -> Any:
    """`amplitude` of validated modes."""
    return modes.over(_amplitude_block, at_start, t=t)


@labelled(Quantity("q", "learned fraction"))
def learned_fraction(
    t: ArrayLike,
    lam: ArrayLike,
    rho: ArrayLike,
    L: ArrayLike,
    *,
    eps: ArrayLike = 1e-3,
    objective: str | Objective = "jepa",
    decoder_depth: ArrayLike = 1,
    clock: Clock = "paper",
    variance: ArrayLike | None = None,
) -> Array:
    """Learned fraction ``q(t) = u**k / rho`` of the mode's regression coefficient, exact.

    Parameters
    ----------
    t, lam, rho, L, eps, objective, decoder_depth, clock, variance
        As for `amplitude`.

    Returns
    -------
    float or array
        The broadcast shape of all arguments. Rises to 1 for a mode that is learned; above 1 while a
        mode decays from above its plateau; negative, rising to 0, for ``rho < 0``; infinite for
        pure noise, which has nothing to learn.

    Raises
    ------
    ValueError, TypeError
        As for `amplitude`.

    Notes
    -----
    The variable in which all modes of one objective and depth follow one curve;
    ``docs/theory.md``, section 5.

    Examples
    --------
    >>> import dlnflow
    >>> q = dlnflow.learned_fraction([0, 40, 50, 60], 1.0, 0.5, 1, eps=0.02)
    >>> q.round(4).tolist()
    [0.04, 0.1544, 0.375, 0.9468]
    """
    modes = validated(lam, rho, L, eps, decoder_depth, variance, t=t).under(objective, clock)
    return learned_fraction_of(modes, _validate.not_negative("t", t, infinite=True))


def learned_fraction_of(modes: ValidatedModes, t: Array) -> Any:
    """`learned_fraction` of validated modes."""
    return modes.over(_learned_block, at_start, t=t)


@labelled(Quantity("t", "hitting time", "{clock}"))
def hitting_time(
    w: ArrayLike,
    lam: ArrayLike,
    rho: ArrayLike,
    L: ArrayLike,
    *,
    eps: ArrayLike = 1e-3,
    objective: str | Objective = "jepa",
    decoder_depth: ArrayLike = 1,
    clock: Clock = "paper",
    variance: ArrayLike | None = None,
) -> Array:
    """Time at which ``wbar`` takes the value ``w``: the inverse of `amplitude`.

    An absolute threshold, the same for every mode. It orders modes differently from
    `dlnflow.critical_time`, whose threshold is a fraction of each mode's own plateau.

    Parameters
    ----------
    w : array
        Amplitude to reach, not negative.
    lam, rho, L, eps, objective, decoder_depth, clock, variance
        As for `amplitude`.

    Returns
    -------
    float or array
        The broadcast shape of all arguments, on ``clock``. 0 where ``w = eps``; infinite where the
        mode never takes that value at ``t >= 0`` (its plateau itself included), or only after more
        time than a float holds.

    Raises
    ------
    ValueError, TypeError
        As for `amplitude`.

    Notes
    -----
    ``t = (T_c(q) - T_c(q0)) / kappa``; ``docs/theory.md``, section 5. Relative error about 1e-14 of
    the answer for the exact arguments, except near the plateau, where a rounding of ``w`` itself
    moves the time by more.

    Examples
    --------
    The mode with the smaller plateau is the first to cover half of it and the last to reach 0.2:

    >>> import dlnflow
    >>> modes = {"lam": [1.2, 1.0], "rho": [0.5, 1.0], "L": 2, "eps": 0.01}
    >>> dlnflow.critical_time(**modes).round(1).tolist()
    [774.4, 786.1]
    >>> dlnflow.hitting_time(0.2, **modes).round(1).tolist()
    [806.4, 773.7]
    """
    modes = validated(lam, rho, L, eps, decoder_depth, variance, w=w).under(objective, clock)
    return hitting_time_of(modes, _validate.not_negative("w", w))


def hitting_time_of(modes: ValidatedModes, w: Array) -> Any:
    """`hitting_time` of validated modes."""
    return modes.over(_hitting_block, scaled, t=w, name="w")


@labelled(Quantity("wbar(inf)", "plateau of the encoder amplitude"))
def plateau(
    rho: ArrayLike,
    L: ArrayLike,
    *,
    objective: str | Objective = "jepa",
    decoder_depth: ArrayLike = 1,
) -> Array:
    """Where ``wbar`` comes to rest: ``rho**(L / k)``, and 0 for ``rho <= 0``.

    Parameters
    ----------
    rho : array
        Regression coefficient.
    L, objective, decoder_depth
        As for `amplitude`.

    Returns
    -------
    float or array
        The broadcast shape of the arguments.

    Raises
    ------
    ValueError, TypeError
        As for `amplitude`.

    Notes
    -----
    The fixed point of the mode equation: ``rho**L`` for JEPA and ``rho**(L / (L + 1))`` for MAE
    with one decoder layer; ``docs/theory.md``, section 4.

    Examples
    --------
    >>> import dlnflow
    >>> float(dlnflow.plateau(0.5, 3)), round(float(dlnflow.plateau(0.5, 3, objective="mae")), 4)
    (0.125, 0.5946)
    """
    return as_objective(objective).plateau(rho, L, decoder_depth)


@labelled(Quantity("d wbar / d t", "velocity", "1 / ({clock})"))
def velocity(
    w: ArrayLike,
    lam: ArrayLike,
    rho: ArrayLike,
    L: ArrayLike,
    *,
    objective: str | Objective = "jepa",
    decoder_depth: ArrayLike = 1,
    clock: Clock = "paper",
    variance: ArrayLike | None = None,
) -> Array:
    """Right-hand side ``d wbar / dt`` of the mode equation.

    Parameters
    ----------
    w : array
        Amplitude, not negative.
    lam, rho, L, objective, decoder_depth, clock, variance
        As for `amplitude`.

    Returns
    -------
    float or array
        The broadcast shape of all arguments, per unit of ``clock``.

    Raises
    ------
    ValueError, TypeError
        As for `amplitude`.

    Notes
    -----
    Paper clock, one decoder layer: ``lam w**(3 - 1/L) - (lam / rho) w**3`` for JEPA and
    ``lam w**(2 - 1/L) - (lam / rho) w**3`` for MAE, as the paper's critical times imply;
    ``docs/theory.md``, section 4.

    Examples
    --------
    >>> import dlnflow
    >>> float(dlnflow.velocity(0.25, 1.0, 0.8, 1)), 0.25**2 - 0.25**3 / 0.8
    (0.04296875, 0.04296875)
    """
    modes = validated(lam, rho, L, 1.0, decoder_depth, variance).under(objective, clock)
    return velocity_of(modes, _validate.not_negative("w", w))


def velocity_of(modes: ValidatedModes, w: Array) -> Any:
    """`velocity` of validated modes."""
    return modes.over(_velocity_block, lambda same: same, t=w, name="w")


def _log_growth(t: Array, modes: ScaledModes) -> Array:
    """``log(q(t) / q0)``."""
    operands = scaled_time(t, modes), modes.log_r0, modes.start
    return by_curve(modes.order, modes.branch, lambda curve, *at: curve.log_growth(*at), *operands)


def scaled_time(t: Array, modes: ScaledModes) -> Array:
    """The master curve's time. Where it is no float a growing mode has come to rest."""
    x = t * modes.rate
    if t.size and t.max() * modes.rate.max() == np.inf:
        beyond = (x == np.inf) & (t < np.inf) & (modes.branch != Branch.GROWTH)
        if beyond.any():
            raise ValueError(
                "t must keep t times the rate lam eps**((N - 2 + m) / L) of a falling mode within "
                f"the range of floats: got t = {np.broadcast_to(t, x.shape)[beyond].max():g}"
            )
    return x


def _amplitude_block(t: Array, modes: ScaledModes) -> Array:
    """`amplitude` for modes that are ready, a block of times and modes at once."""
    growth, rest = _log_growth(t, modes), plateau_amplitude(modes.rho, modes.L, modes.gap)
    growth *= modes.L / modes.gap
    if growth.max(initial=0.0) < LARGEST_EXPONENT and growth.min(initial=0.0) > -LARGEST_EXPONENT:
        w = np.exp(growth, out=growth)
        w *= modes.eps
    else:  # w / eps may be no float though w is one
        far = np.abs(growth) >= LARGEST_EXPONENT
        w = np.where(far, np.exp(growth + np.log(modes.eps)), np.exp(growth) * modes.eps)
    return at_the_ends(t, between(w, modes.eps, rest), modes.eps, rest)


def _learned_block(t: Array, modes: ScaledModes) -> Array:
    noise = modes.rho == 0.0
    at_zero, at_rest = np.exp(modes.log_r0), np.where(modes.rho > 0.0, 1.0, 0.0)
    size = np.exp(_log_growth(t, modes) + np.where(noise, 0.0, modes.log_r0))
    size = at_the_ends(t, between(size, at_zero, at_rest), at_zero, at_rest)
    return np.where(noise, np.inf, np.sign(modes.rho) * size)


def _hitting_block(w: Array, modes: ScaledModes) -> Array:
    change = (w - modes.eps) / modes.eps
    power, rest = modes.gap / modes.L, plateau_amplitude(modes.rho, modes.L, modes.gap)
    log_ratio = power * np.where(change > -0.5, np.log1p(change), np.log(w / modes.eps))
    beyond = (w - rest) / rest
    log_r1 = np.where(
        np.abs(beyond) < 0.5,
        power * np.log1p(beyond),
        power * np.log(w) - np.log(np.abs(modes.rho)),
    )
    ahead = np.where(
        modes.branch == Branch.GROWTH, (log_ratio > 0.0) & (log_r1 < 0.0), log_ratio < 0.0
    )
    ahead &= ((modes.branch != Branch.DECAY) | (log_r1 > 0.0)) & (w > 0.0)
    time = elapsed(modes.order, modes.branch, modes.log_r0, log_r1, log_ratio) / modes.rate
    return np.where(w == modes.eps, 0.0, np.where(ahead, time, np.inf))


def _velocity_block(w: Array, modes: ValidatedModes) -> Array:
    lam, variance, _, L, gap, growth_exponent, unit = modes.columns()
    power, size = rational_power(w, gap, L), w * rational_power(w, growth_exponent, L)
    push = lam - variance * power
    speed = unit * L * size * push
    # a factor may be no float, or have lost digits, though the product is one
    ordinary = (size >= FEWEST_DIGITS) & (size < np.inf) & (power < np.inf)
    ordinary = ordinary & ((power >= FEWEST_DIGITS) | (lam != 0.0))
    if (ordinary | (w == 0.0)).all() and np.isfinite(speed).all():
        return speed
    log_w = np.log(w)
    push = lam - np.exp(np.log(variance) + gap / L * log_w)
    log_push = np.where(lam == 0.0, np.log(variance) + gap / L * log_w, np.log(np.abs(push)))
    log_speed = np.log(unit * L) + (1.0 + growth_exponent / L) * log_w + log_push
    by_logs = np.where(w == 0.0, 0.0, np.sign(push - (lam == 0.0)) * np.exp(log_speed))
    return np.where(ordinary & np.isfinite(speed), speed, by_logs)

"""From physical units to the master curve and back: amplitude, learned fraction, hitting time.

A mode starts at ``q0 = eps**(k / L) / rho``. With ``u0 = eps**(1 / L)`` its scaled time runs at the
rate ``k |lam| u0**(N - 2 + m)`` per unit of network time (pure noise: ``k s u0**(2 N - 2)``), in which
``rho`` does not appear; the encoder's amplitude is ``wbar = eps (q / q0)**(L / k)``.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow import _validate
from dlnflow._blocks import blockwise
from dlnflow.clock import Clock, network_time
from dlnflow.hyperlogistic import Branch, MasterCurve, master_curve
from dlnflow.objective import Objective, as_objective

Array = NDArray[np.float64]

NEXT_BELOW = 1.0 - 2.0**-52  # the plateau is approached, never reached


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
) -> Any:
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
        ``t = inf``.

    Raises
    ------
    ValueError, TypeError
        For input out of range, of the wrong kind or of shapes that do not broadcast; the message
        names the argument.

    Notes
    -----
    Solves the paper's mode equations (its theorem on the dynamics of JEPA and MAE) through the
    master curve, ``dq/dt = kappa q**c (1 - q)``; derived in ``docs/theory.md``, section 5. The
    returned value is exact for a time within 1e-14 (relative) of ``t``, or itself right to 1e-13.

    Examples
    --------
    >>> import dlnflow
    >>> [round(float(w), 6) for w in dlnflow.amplitude([0, 100, 1000, float("inf")], 1.0, 0.5, 2)]
    [0.001, 0.001116, 0.249998, 0.25]
    """
    modes = prepare(lam, rho, L, eps, objective, decoder_depth, clock, variance)
    return modes.over(_amplitude_block, t=_validate.not_negative("t", t, infinite=True))


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
) -> Any:
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
    >>> [round(float(q), 4) for q in dlnflow.learned_fraction([0, 50, 60, 70], 1, [0.5], 1, eps=0.02)]
    [0.04, 0.1935, 0.4146, 0.8894]
    """
    modes = prepare(lam, rho, L, eps, objective, decoder_depth, clock, variance)
    return modes.over(_learned_block, t=_validate.not_negative("t", t, infinite=True))


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
) -> Any:
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
    ``t = (T_c(q) - T_c(q0)) / kappa``; ``docs/theory.md``, section 5. Relative error a few 1e-15 of
    the answer for the exact arguments, except near the plateau, where a rounding of ``w`` itself
    moves the time by more.

    Examples
    --------
    The mode with the smaller plateau is the first to cover half of it and the last to reach 0.2:

    >>> import dlnflow
    >>> rho = [0.5, 1.0]
    >>> dlnflow.hitting_time(0.2, [1.2, 1.0], rho, 2, eps=0.01).round(1).tolist()
    [35.1, 32.6]
    >>> dlnflow.critical_time([1.2, 1.0], rho, 2, eps=0.01).round(1).tolist()
    [31.6, 34.0]
    """
    modes = prepare(lam, rho, L, eps, objective, decoder_depth, clock, variance)
    return modes.over(_hitting_block, t=_validate.not_negative("w", w), name="w")


def plateau(
    rho: ArrayLike,
    L: ArrayLike,
    *,
    objective: str | Objective = "jepa",
    decoder_depth: ArrayLike = 1,
) -> Any:
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
    The fixed point of the mode equation: ``rho**L`` for JEPA and ``rho**(L / (L + 1))`` for MAE with
    one decoder layer (the paper's theorem on the dynamics); ``docs/theory.md``, section 4.

    Examples
    --------
    >>> import dlnflow
    >>> float(dlnflow.plateau(0.5, 3)), round(float(dlnflow.plateau(0.5, 3, objective="mae")), 4)
    (0.125, 0.5946)
    """
    _validate.together(rho=rho, L=L, decoder_depth=decoder_depth)
    return as_objective(objective).plateau(rho, L, decoder_depth)


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
) -> Any:
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
    ``lam w**(2 - 1/L) - (lam / rho) w**3`` for MAE, the paper's own equations;
    ``docs/theory.md``, section 4.

    Examples
    --------
    >>> import dlnflow
    >>> float(dlnflow.velocity(0.25, 1.0, 0.8, 1)), 0.25**2 - 0.25**3 / 0.8
    (0.04296875, 0.04296875)
    """
    modes = prepare(lam, rho, L, 1.0, objective, decoder_depth, clock, variance)
    return modes.over(_velocity_block, t=_validate.not_negative("w", w), name="w")


@dataclass(frozen=True)
class Modes:
    """Validated modes with their network constants, as arrays that broadcast together."""

    lam: Array
    rho: Array
    variance: Array  # of pure noise; 1 where it is not needed
    eps: Array
    L: Array
    gap: Array
    inertia: Array
    unit: Array  # network time in one unit of the clock

    def over(self, block: Callable[..., Array], *, t: Array, name: str = "t") -> Any:
        """An elementwise function of ``t`` (or ``w``) and the modes, evaluated block by block."""
        _validate.together(**{name: t}, lam=self.lam, rho=self.rho, L=self.gap, eps=self.eps)
        fields = [getattr(self, field.name) for field in dataclasses.fields(self)]

        def evaluate(t: Array, *fields: Array) -> Array:
            with np.errstate(all="ignore"):
                return block(t, Modes(*fields))

        return blockwise(evaluate, t, *fields)[()]

    def columns(self) -> tuple[Array, ...]:
        """What the mode equation is made of: lam, variance, eps, L, gap, inertia, unit."""
        noise = self.rho == 0.0
        variance = np.where(noise, self.variance, self.lam / np.where(noise, 1.0, self.rho))
        return self.lam, variance, self.eps, self.L, self.gap, self.inertia, self.unit

    @property
    def log_r0(self) -> Array:
        """``log|q0|``; meaningless for pure noise."""
        return self.gap / self.L * np.log(self.eps) - np.log(np.abs(self.rho))

    @property
    def order(self) -> Array:
        """Order of the master curve."""
        return 1.0 + self.inertia / self.gap

    @property
    def rate(self) -> Array:
        """Scaled time in one unit of the clock."""
        growing = np.abs(self.lam) * _power(self.eps, self.inertia, self.L)
        if not self.rho.all():
            decaying = self.variance * _power(self.eps, self.inertia + self.gap, self.L)
            growing = np.where(self.rho == 0.0, decaying, growing)
        return self.gap * self.unit * growing

    def branch(self, log_r0: Array) -> NDArray[np.int8]:
        """The side of the fixed points each mode starts on."""
        above = (log_r0 > 0.0).astype(np.int8)
        if (self.rho > 0.0).all():
            return above
        below = np.where(self.rho < 0.0, Branch.SUPPRESSION, Branch.NOISE).astype(np.int8)
        return np.where(self.rho > 0.0, above, below)


def prepare(
    lam: ArrayLike,
    rho: ArrayLike,
    L: ArrayLike,
    eps: ArrayLike,
    objective: str | Objective,
    decoder_depth: ArrayLike,
    clock: Clock,
    variance: ArrayLike | None,
) -> Modes:
    """The door of every function of modes."""
    lam_, rho_, variance_ = _validate.modes(lam, rho, variance)
    eps_ = _validate.positive("eps", eps)
    depth = _validate.depth("L", L)
    chosen = as_objective(objective)
    unit = np.asarray(network_time(clock, depth), dtype=np.float64)
    _validate.together(
        lam=lam_, rho=rho_, L=depth, eps=eps_, decoder_depth=decoder_depth, variance=variance_
    )
    return Modes(
        lam_,
        rho_,
        np.ones(()) if variance_ is None else variance_,
        eps_,
        depth.astype(np.float64),
        np.asarray(chosen.gap(depth, decoder_depth), dtype=np.float64),
        np.asarray(chosen.inertia(depth, decoder_depth), dtype=np.float64),
        unit,
    )


def _growth_block(t: Array, modes: Modes) -> tuple[Array, Array, Array]:
    """``log(q(t) / q0)``, ``log|q0|`` and the branch."""
    log_r0 = modes.log_r0
    branch = modes.branch(log_r0)
    start = by_curve(modes.order, branch, lambda curve, r: curve.start(r), log_r0)
    growth = by_curve(
        modes.order,
        branch,
        lambda curve, x, r, s: curve.log_growth(x, r, s),
        t * modes.rate,
        log_r0,
        start,
    )
    return growth, log_r0, branch


def _amplitude_block(t: Array, modes: Modes) -> Array:
    growth, _, _ = _growth_block(t, modes)
    growth *= modes.L / modes.gap
    w = np.exp(growth, out=growth)
    w *= modes.eps
    rest = np.maximum(modes.rho, 0.0) ** (modes.L / modes.gap)
    falls = modes.eps > rest
    lowest = np.where(falls, rest * (2.0 - NEXT_BELOW), modes.eps)
    np.maximum(w, np.minimum(lowest, modes.eps), out=w)
    np.minimum(w, np.where(falls, modes.eps, np.maximum(rest * NEXT_BELOW, modes.eps)), out=w)
    return _at_the_ends(t, w, modes.eps, rest)


def _learned_block(t: Array, modes: Modes) -> Array:
    growth, _, _ = _growth_block(t, modes)
    q0 = _power(modes.eps, modes.gap, modes.L) / modes.rho
    q = np.exp(growth) * q0
    at_rest = np.where(modes.rho > 0.0, 1.0, np.where(modes.rho < 0.0, -0.0, np.inf))
    return _at_the_ends(t, np.where(modes.rho == 0.0, np.inf, q), q0, at_rest)


def _at_the_ends(t: Array, value: Array, at_zero: Array, at_rest: Array) -> Array:
    """The exact values at ``t = 0`` and ``t = inf``."""
    if not t.all():
        value = np.where(t == 0.0, at_zero, value)
    if t.max() == np.inf:
        value = np.where(t == np.inf, at_rest, value)
    return value


def _hitting_block(w: Array, modes: Modes) -> Array:
    log_r0 = modes.log_r0
    branch = modes.branch(log_r0)
    power = modes.gap / modes.L
    log_ratio = power * np.log1p((w - modes.eps) / modes.eps)
    log_r1 = power * np.log(w) - np.log(np.abs(modes.rho))
    rises = branch == Branch.GROWTH
    ahead = np.where(rises, (log_ratio > 0.0) & (log_r1 < 0.0), log_ratio < 0.0)
    ahead &= (branch != Branch.DECAY) | (log_r1 > 0.0)
    time = passage_time(modes, log_r0, branch, log_r1, log_ratio)
    return np.where(w == modes.eps, 0.0, np.where(ahead, time, np.inf))


def passage_time(
    modes: Modes, log_r0: Array, branch: NDArray[np.int8], log_r1: Array, log_ratio: Array
) -> Array:
    """Time, on the modes' clock, from ``log_r0`` to ``log_r1`` ahead of it."""
    scaled = by_curve(
        modes.order, branch, lambda curve, *ends: curve.elapsed(*ends), log_r0, log_r1, log_ratio
    )
    return scaled / modes.rate


def _velocity_block(w: Array, modes: Modes) -> Array:
    variance = np.where(modes.rho == 0.0, modes.variance, modes.lam / modes.rho)
    speed = modes.lam - variance * _power(w, modes.gap, modes.L)
    return modes.unit * modes.L * w * _power(w, modes.inertia, modes.L) * speed


def by_curve(
    order: Array,
    branch: NDArray[np.int8],
    compute: Callable[..., Array],
    *operands: Array,
) -> Array:
    """``compute(curve, *operands)`` where every element has its own order and branch."""
    orders, branches = _distinct(order), _distinct(branch)
    if len(orders) == len(branches) == 1:
        return compute(_curve(orders[0], branches[0]), *operands)
    everything = np.broadcast_arrays(order, branch, *operands)
    result = np.empty(everything[0].shape)
    for one_order in orders:
        for one_branch in branches:
            here = (everything[0] == one_order) & (everything[1] == one_branch)
            if here.any():
                curve = _curve(one_order, one_branch)
                result[here] = compute(curve, *(operand[here] for operand in everything[2:]))
    return result


def _distinct(array: NDArray[Any]) -> list[Any]:
    first = array.flat[0]
    return [first] if (array == first).all() else list(np.unique(array))


def _curve(order: Any, branch: Any) -> MasterCurve:
    return master_curve(float(order), Branch(int(branch)))


def _power(base: Array, numerator: Array, denominator: Array) -> Array:
    """``base**(numerator / denominator)``, corrected for the rounding of the quotient.

    At ``base = 1e-30`` that rounding alone would cost a relative 1e-14.
    """
    quotient = numerator / denominator
    high = np.round(quotient * 2.0**20) / 2.0**20
    rest = (numerator - high * denominator - (quotient - high) * denominator) / denominator
    power = base**quotient
    if rest.any():
        power = power * (1.0 + np.where(base > 0.0, rest * np.log(np.maximum(base, 1e-300)), 0.0))
    return power

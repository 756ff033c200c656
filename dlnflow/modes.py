"""From physical units to the master curve and back: amplitude, learned fraction, hitting time.

A mode starts at ``q0 = eps**(k / L) / rho``. With ``u0 = eps**(1 / L)`` its scaled time runs at the
rate ``k |lam| u0**(N - 2 + m)`` per unit of network time (pure noise: ``k s u0**(2 N - 2)``), in
which ``rho`` does not appear; the encoder's amplitude is ``wbar = eps (q / q0)**(L / k)``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow import _validate
from dlnflow._blocks import BLOCK, blockwise
from dlnflow._power import rational_power
from dlnflow.clock import Clock, network_time
from dlnflow.hyperlogistic import Branch, MasterCurve, master_curve
from dlnflow.objective import Objective, as_objective, plateau_amplitude

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
    >>> dlnflow.amplitude([0, 20000, 23000, float("inf")], 1.0, 0.5, 2).round(6).tolist()
    [0.001, 0.003926, 0.021271, 0.25]
    """
    modes = prepare(lam, rho, L, eps, objective, decoder_depth, clock, variance)
    return modes.over(_amplitude_block, launch, t=_validate.not_negative("t", t, infinite=True))


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
    >>> q = dlnflow.learned_fraction([0, 40, 50, 60], 1.0, 0.5, 1, eps=0.02)
    >>> q.round(4).tolist()
    [0.04, 0.1544, 0.375, 0.9468]
    """
    modes = prepare(lam, rho, L, eps, objective, decoder_depth, clock, variance)
    return modes.over(_learned_block, launch, t=_validate.not_negative("t", t, infinite=True))


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
    modes = prepare(lam, rho, L, eps, objective, decoder_depth, clock, variance)
    return modes.over(_hitting_block, course, t=_validate.not_negative("w", w), name="w")


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
    The fixed point of the mode equation: ``rho**L`` for JEPA and ``rho**(L / (L + 1))`` for MAE
    with one decoder layer (the paper's theorem on the dynamics); ``docs/theory.md``, section 4.

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
    amplitudes = _validate.not_negative("w", w)
    _validate.together(w=amplitudes, lam=modes.lam, rho=modes.rho, L=modes.gap)
    return blockwise(_velocity_block, amplitudes, *modes.columns())[()]


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

    def over(
        self,
        block: Callable[[Array, Any], Array],
        view: Callable[[Modes], Any],
        *,
        t: Array,
        name: str = "t",
    ) -> Any:
        """``block(t, view(modes))``, elementwise, a block at a time.

        ``view`` is `course` or `launch`. A few modes at many times have it computed once; as many
        modes as times have it computed with each block, to save memory.
        """
        _validate.together(
            **{name: t},
            lam=self.lam,
            rho=self.rho,
            L=self.gap,
            eps=self.eps,
            variance=self.variance,
        )
        shape = np.broadcast_shapes(*(field.shape for field in _fields(self)))
        with np.errstate(all="ignore"):
            if np.prod(shape, dtype=int) > BLOCK:
                return blockwise(lambda t, *some: block(t, view(Modes(*some))), t, *_fields(self))
            ready = view(Modes(*map(np.atleast_1d, _fields(self))))
            again = type(ready)
            result = blockwise(lambda t, *some: block(t, again(*some)), t, *_fields(ready))
        return result.reshape(np.broadcast_shapes(t.shape, shape))[()]

    def columns(self) -> tuple[Array, ...]:
        """What the mode equation is made of: lam, variance, eps, L, gap, inertia, unit."""
        noise = self.rho == 0.0
        variance = np.where(noise, self.variance, self.lam / np.where(noise, 1.0, self.rho))
        return self.lam, variance, self.eps, self.L, self.gap, self.inertia, self.unit


@dataclass(frozen=True)
class Course:
    """Modes as the master curve sees them, as arrays that broadcast together."""

    eps: Array
    rho: Array
    L: Array
    gap: Array
    order: Array
    log_r0: Array  # log|q0|; meaningless for pure noise
    branch: Array
    rate: Array  # scaled time in one unit of the clock

    @property
    def rest(self) -> Array:
        """The plateau."""
        return plateau_amplitude(self.rho, self.L, self.gap)


@dataclass(frozen=True)
class Launch(Course):
    """The same, with what the curve has to know of the start to go on from there."""

    start: Array


def course(modes: Modes) -> Course:
    """Where each mode starts on the master curve, and how fast it goes."""
    log_r0 = modes.gap / modes.L * np.log(modes.eps) - np.log(np.abs(modes.rho))
    growing = np.abs(modes.lam) * rational_power(modes.eps, modes.inertia, modes.L)
    branch = (log_r0 > 0.0).astype(np.float64)
    if not (modes.rho > 0.0).all():
        below = np.where(modes.rho < 0.0, float(Branch.SUPPRESSION), float(Branch.NOISE))
        branch = np.where(modes.rho > 0.0, branch, below)
    if not modes.rho.all():
        decaying = modes.variance * rational_power(modes.eps, modes.inertia + modes.gap, modes.L)
        growing = np.where(modes.rho == 0.0, decaying, growing)
    return Course(
        eps=modes.eps,
        rho=modes.rho,
        L=modes.L,
        gap=modes.gap,
        order=1.0 + modes.inertia / modes.gap,
        log_r0=log_r0,
        branch=branch,
        rate=modes.gap * modes.unit * growing,
    )


def launch(modes: Modes) -> Launch:
    """`course`, ready for `amplitude`."""
    here = course(modes)
    return Launch(**vars(here), start=by_curve(here.order, here.branch, "start", here.log_r0))


def _fields(record: Modes | Course) -> list[Array]:
    return [getattr(record, field.name) for field in dataclasses.fields(record)]


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


def _log_growth(t: Array, modes: Launch) -> Array:
    """``log(q(t) / q0)``."""
    operands = t * modes.rate, modes.log_r0, modes.start
    return by_curve(modes.order, modes.branch, "log_growth", *operands)


def _amplitude_block(t: Array, modes: Launch) -> Array:
    w = _log_growth(t, modes)
    w *= modes.L / modes.gap
    np.exp(w, out=w)
    w *= modes.eps
    # In finite time the plateau is approached and never reached, from either side.
    rest = modes.rest
    falls = modes.eps > rest
    lowest = np.where(falls, np.minimum(rest / NEXT_BELOW, modes.eps), modes.eps)
    highest = np.where(falls, modes.eps, np.maximum(rest * NEXT_BELOW, modes.eps))
    np.maximum(w, lowest, out=w)
    np.minimum(w, highest, out=w)
    return _at_the_ends(t, w, modes.eps, rest)


def _learned_block(t: Array, modes: Launch) -> Array:
    q0 = np.exp(modes.log_r0) * np.sign(modes.rho)
    q = np.where(modes.rho == 0.0, np.inf, np.exp(_log_growth(t, modes)) * q0)
    at_rest = np.where(modes.rho > 0.0, 1.0, np.where(modes.rho < 0.0, -0.0, np.inf))
    return _at_the_ends(t, q, np.where(modes.rho == 0.0, np.inf, q0), at_rest)


def _at_the_ends(t: Array, value: Array, at_zero: Array, at_rest: Array) -> Array:
    """The exact values at ``t = 0`` and ``t = inf``."""
    if not t.all():
        value = np.where(t == 0.0, at_zero, value)
    if t.max() == np.inf:
        value = np.where(t == np.inf, at_rest, value)
    return value


def _hitting_block(w: Array, modes: Course) -> Array:
    change = (w - modes.eps) / modes.eps
    power, rest = modes.gap / modes.L, modes.rest
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
    ahead &= (modes.branch != Branch.DECAY) | (log_r1 > 0.0)
    operands = modes.log_r0, log_r1, log_ratio
    time = by_curve(modes.order, modes.branch, "elapsed", *operands) / modes.rate
    return np.where(w == modes.eps, 0.0, np.where(ahead, time, np.inf))


def by_curve(order: Array, branch: Array, method: str, *operands: Array) -> Array:
    """A method of `MasterCurve` where every mode has its own order and branch."""
    orders, branches = _distinct(order), _distinct(branch)
    if len(orders) == len(branches) == 1:
        return getattr(_curve(orders[0], branches[0]), method)(*operands)
    shapes = (array.shape for array in (order, branch, *operands))
    result = np.empty(np.broadcast_shapes(*shapes))
    for one_order in orders:
        for one_branch in branches:
            here = (order == one_order) & (branch == one_branch)
            if here.any():
                chosen, take = _selection(here, result.shape)
                curve = _curve(one_order, one_branch)
                result[chosen] = getattr(curve, method)(*map(take, operands))
    return result


def _selection(
    here: NDArray[np.bool_], shape: tuple[int, ...]
) -> tuple[NDArray[np.bool_], Callable[[Array], Array]]:
    """Where ``here`` holds: whole rows if it tells rows apart and nothing else, else elements."""
    if here.size == here.shape[0]:
        rows = here.ravel()
        return rows, lambda operand: operand[rows] if len(operand) > 1 else operand
    spread = np.broadcast_to(here, shape)
    return spread, lambda operand: np.broadcast_to(operand, shape)[spread]


def _distinct(array: Array) -> list[float]:
    first = array.flat[0]
    return [first] if (array == first).all() else list(np.unique(array))


def _curve(order: float, branch: float) -> MasterCurve:
    return master_curve(float(order), Branch(int(branch)))


def _velocity_block(
    w: Array,
    lam: Array,
    variance: Array,
    _eps: Array,
    L: Array,
    gap: Array,
    inertia: Array,
    unit: Array,
) -> Array:
    push = lam - variance * rational_power(w, gap, L)
    return unit * L * w * rational_power(w, inertia, L) * push

"""Modes in physical units, and as the master curve sees them.

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

from dlnflow._common import _validate
from dlnflow.theory._blocks import BLOCK, blockwise
from dlnflow.theory._clock import Clock, network_time
from dlnflow.theory._objective import Objective, as_objective, order_from, plateau_amplitude
from dlnflow.theory._power import rational_power
from dlnflow.theory.curve._master_curve import Branch, MasterCurve, master_curve

Array = NDArray[np.float64]

HIGHEST_ORDER = 1000.0  # up to which the tables of the master curve have been measured
FEWEST_DIGITS = 1e-290  # a power below it may have lost digits


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

        ``view`` is `pace`, `course` or `launch`. A few modes at many times have it computed once;
        as many modes as times have it computed with each block, to save memory.
        """
        _validate.together(
            **{name: t},
            lam=self.lam,
            rho=self.rho,
            L=self.gap,
            eps=self.eps,
            variance=self.variance,
        )
        shape = np.broadcast_shapes(*(field.shape for field in self.fields))
        with np.errstate(all="ignore"):
            if np.prod(shape, dtype=int) > BLOCK:
                result = blockwise(lambda t, *some: block(t, view(Modes(*some))), t, *self.fields)
            else:
                ready = view(Modes(*map(np.atleast_1d, self.fields)))
                again = type(ready)
                result = blockwise(lambda t, *some: block(t, again(*some)), t, *_fields(ready))
        return _finished(result, np.broadcast_shapes(t.shape, shape))

    @property
    def fields(self) -> list[Array]:
        """The arrays, in order."""
        return _fields(self)

    def columns(self) -> tuple[Array, ...]:
        """What the mode equation is made of: lam, variance, eps, L, gap, inertia, unit."""
        noise = self.rho == 0.0
        with np.errstate(over="ignore", under="ignore"):
            variance = np.where(noise, self.variance, self.lam / np.where(noise, 1.0, self.rho))
        if variance.max() == np.inf or not variance.all():
            raise ValueError(
                "lam and rho must keep the variance lam / rho within the range of floats: "
                f"got |lam| in {_range(self.lam)}, |rho| in {_range(self.rho)}"
            )
        return self.lam, variance, self.eps, self.L, self.gap, self.inertia, self.unit


def _range(array: Array) -> str:
    return f"{np.abs(array).min():g} .. {np.abs(array).max():g}"


def _finished(result: Array, shape: tuple[int, ...]) -> Any:
    """The result in the shape of all arguments, those included that turned out not to matter."""
    if result.size and np.isnan(result.min()):
        raise ValueError(
            "eps, rho and the depths must keep eps**(k / L) / rho and its powers within the "
            "range of floats: got a value beyond it"
        )
    if result.shape != shape:
        result = np.broadcast_to(result, shape).copy() if shape else result.reshape(shape)
    return result[()]


@dataclass(frozen=True)
class Pace:
    """Where modes start on the master curve, and how fast they go."""

    eps: Array
    rho: Array
    L: Array
    gap: Array
    order: Array
    log_r0: Array  # log|q0|; meaningless for pure noise
    rate: Array  # scaled time in one unit of the clock

    @property
    def rest(self) -> Array:
        """The plateau."""
        return plateau_amplitude(self.rho, self.L, self.gap)


@dataclass(frozen=True)
class Course(Pace):
    """The same, with the branch that each mode is on."""

    branch: Array


@dataclass(frozen=True)
class Launch(Course):
    """The same, with what the curve has to know of the start to go on from there."""

    start: Array


def pace(modes: Modes) -> Pace:
    """The modes as the master curve sees them."""
    scale = modes.gap * modes.unit
    learned = modes.rho.min() > 0.0  # all of them: no sign, no noise to look out for
    lam, size = (one if learned else np.abs(one) for one in (modes.lam, modes.rho))
    rate = _times_power(lam, scale, modes.eps, modes.inertia, modes.L)
    if not learned:
        power = modes.inertia + modes.gap
        slowing = _times_power(modes.variance, scale, modes.eps, power, modes.L)
        rate = np.where(modes.rho == 0.0, slowing, rate)
    if rate.max() == np.inf:
        raise ValueError(
            "eps, lam and the depths must keep the rate lam eps**((N - 2 + m) / L) of a mode, or "
            "variance eps**((2 N - 2) / L) of pure noise, within the range of floats: "
            f"got eps up to {modes.eps.max():g}"
        )
    return Pace(
        eps=modes.eps,
        rho=modes.rho,
        L=modes.L,
        gap=modes.gap,
        order=order_from(modes.inertia, modes.gap),
        log_r0=modes.gap / modes.L * np.log(modes.eps) - np.log(size),
        rate=rate,
    )


def _times_power(
    factor: Array, scale: Array, base: Array, numerator: Array, denominator: Array
) -> Array:
    """``factor scale base**(numerator / denominator)``, also where the power alone is no float."""
    power = rational_power(base, numerator, denominator)
    if power.min() >= FEWEST_DIGITS and power.max() < np.inf:
        return factor * (scale * power)
    root = rational_power(base, numerator, 2.0 * denominator)
    ordinary = (power >= FEWEST_DIGITS) & (power < np.inf)
    return np.where(ordinary, factor * (scale * power), root * (scale * factor) * root)


def log_pace(modes: Modes) -> Pace:
    """`pace` with the logarithm of the rate as its rate, also where that is no float."""
    noise = modes.rho == 0.0
    size = np.where(noise, modes.variance, np.abs(modes.lam))
    power = np.where(noise, modes.inertia + modes.gap, modes.inertia) / modes.L
    log_rate = np.log(modes.gap * modes.unit) + np.log(size) + power * np.log(modes.eps)
    return dataclasses.replace(pace(modes), rate=log_rate)


def course(modes: Modes) -> Course:
    """`pace`, with the branches."""
    here = pace(modes)
    branch = np.where(here.log_r0 > 0.0, float(Branch.DECAY), float(Branch.GROWTH))
    if not modes.rho.min() > 0.0:
        below = np.where(modes.rho < 0.0, float(Branch.SUPPRESSION), float(Branch.NOISE))
        branch = np.where(modes.rho > 0.0, branch, below)
    return Course(**vars(here), branch=branch)


def launch(modes: Modes) -> Launch:
    """`course`, ready for `amplitude`."""
    here = course(modes)
    return Launch(**vars(here), start=by_curve(here.order, here.branch, _start, here.log_r0))


def _start(curve: MasterCurve, log_r0: Array) -> Array:
    return curve.start(log_r0)


def _fields(record: Any) -> list[Array]:
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
    _validate.together(L=depth, decoder_depth=_validate.depth("decoder_depth", decoder_depth))
    unit = np.asarray(network_time(clock, depth), dtype=np.float64)
    gap = np.asarray(chosen.gap(depth, decoder_depth), dtype=np.float64)
    inertia = np.asarray(chosen.inertia(depth, decoder_depth), dtype=np.float64)
    highest = float(np.max(order_from(inertia, gap)))
    if highest > HIGHEST_ORDER:
        raise ValueError(
            f"L must keep the order 2 (N - 1) / k at {HIGHEST_ORDER:g} or below (L <= 500 for a "
            f"JEPA with one decoder layer): got L = {int(depth.max())}, order {highest:g}"
        )
    _validate.together(
        lam=lam_, rho=rho_, L=depth, eps=eps_, decoder_depth=decoder_depth, variance=variance_
    )
    return Modes(
        lam_,
        rho_,
        np.ones(()) if variance_ is None else variance_,
        eps_,
        depth.astype(np.float64),
        gap,
        inertia,
        unit,
    )


def by_curve(
    order: Array, branch: Array, ask: Callable[..., Any], *operands: Array, stacked: int = 0
) -> Array:
    """``ask(curve, *operands)`` where every mode has its own order and branch.

    The result has the operands' shape, behind one axis more if the answer is ``stacked``.
    """
    orders, branches = _distinct(order), _distinct(branch)
    if len(orders) == len(branches) == 1:
        answer = ask(_curve(orders[0], branches[0]), *operands)
        return np.stack(answer) if stacked else answer
    shapes = (array.shape for array in (order, branch, *operands))
    result = np.empty((stacked,) * bool(stacked) + np.broadcast_shapes(*shapes))
    for one_order in orders:
        for one_branch in branches:
            here = (order == one_order) & (branch == one_branch)
            if here.any():
                chosen, take = _selection(here, result.shape[bool(stacked) :])
                where = (slice(None), chosen) if stacked else chosen
                result[where] = ask(_curve(one_order, one_branch), *map(take, operands))
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

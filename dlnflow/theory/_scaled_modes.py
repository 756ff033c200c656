"""ValidatedModes in physical units, and as the master curve sees them.

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
from dlnflow._common._frozen import read_only_copy
from dlnflow.theory._clock import Clock, network_time
from dlnflow.theory._numerics import BLOCK, blockwise, rational_power
from dlnflow.theory._objective import Objective, as_objective, order_from, plateau_amplitude
from dlnflow.theory.curve._master_curve import Branch, MasterCurve, master_curve

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

HIGHEST_ORDER = 1000.0  # up to which the tables of the master curve have been measured
FEWEST_DIGITS = 1e-290  # a power below it may have lost digits


@dataclass(frozen=True)
class ValidatedModes:
    """Validated modes with their network constants, as arrays that broadcast together."""

    lam: Array
    rho: Array
    variance: Array  # of pure noise; 1 where it is not needed
    eps: Array
    L: Array
    gap: Array
    growth_exponent: Array
    unit: Array  # network time in one unit of the clock

    def over(
        self,
        block: Callable[[Array, Any], Array],
        view: Callable[[ValidatedModes], Any],
        *,
        t: Array,
        name: str = "t",
    ) -> Any:
        """``block(t, view(modes))``, elementwise, a block at a time.

        ``view`` is `scaled`, `on_branch` or `at_start`. It is computed once for a few modes at many
        times, and with each block for as many modes as times, to save memory.
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
                result = blockwise(
                    lambda t, *some: block(t, view(ValidatedModes(*some))), t, *self.fields
                )
            else:
                ready = view(ValidatedModes(*map(np.atleast_1d, self.fields)))
                again = type(ready)
                result = blockwise(lambda t, *some: block(t, again(*some)), t, *_fields(ready))
        return _finished(result, np.broadcast_shapes(t.shape, shape))

    @property
    def fields(self) -> list[Array]:
        """The arrays, in order."""
        return _fields(self)

    @property
    def along_time(self) -> ValidatedModes:
        """The same with a last axis for times."""
        return ValidatedModes(*(field[..., None] for field in self.fields))

    @property
    def plateau(self) -> Array:
        """``rho**(L / k)``, 0 for a mode that is not learned."""
        return plateau_amplitude(self.rho, self.L, self.gap)

    def columns(self) -> tuple[Array, ...]:
        """What the mode equation is made of: lam, variance, eps, L, gap, growth_exponent, unit."""
        noise = self.rho == 0.0
        with np.errstate(over="ignore", under="ignore"):
            variance = np.where(noise, self.variance, self.lam / np.where(noise, 1.0, self.rho))
        if variance.max() == np.inf or not variance.all():
            raise ValueError(
                "lam and rho must keep the variance lam / rho within the range of floats: "
                f"got |lam| in {_range(self.lam)}, |rho| in {_range(self.rho)}"
            )
        return self.lam, variance, self.eps, self.L, self.gap, self.growth_exponent, self.unit


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
class ScaledModes:
    """Modes as the master curve sees them: its order, their starting points and their rates."""

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
class ScaledModesOnBranch(ScaledModes):
    """`ScaledModes`, and the branch of the master curve that each mode is on."""

    branch: Array


@dataclass(frozen=True)
class ScaledModesAtStart(ScaledModesOnBranch):
    """`ScaledModesOnBranch`, and the master curve's value at the initialisation."""

    start: Array


def scaled(modes: ValidatedModes) -> ScaledModes:
    """Starting points and rates on the master curve."""
    scale = modes.gap * modes.unit
    learned = modes.rho.min() > 0.0  # all of them: no sign, no noise to look out for
    lam, size = (one if learned else np.abs(one) for one in (modes.lam, modes.rho))
    rate = _times_power(lam, scale, modes.eps, modes.growth_exponent, modes.L)
    if not learned:
        power = modes.growth_exponent + modes.gap
        slowing = _times_power(modes.variance, scale, modes.eps, power, modes.L)
        rate = np.where(modes.rho == 0.0, slowing, rate)
    if rate.max() == np.inf:
        raise ValueError(
            "eps, lam and the depths must keep the rate lam eps**((N - 2 + m) / L) of a mode, or "
            "variance eps**((2 N - 2) / L) of pure noise, within the range of floats: "
            f"got eps up to {modes.eps.max():g}"
        )
    return ScaledModes(
        eps=modes.eps,
        rho=modes.rho,
        L=modes.L,
        gap=modes.gap,
        order=order_from(modes.growth_exponent, modes.gap),
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


def log_scaled(modes: ValidatedModes) -> ScaledModes:
    """`scaled` with the logarithm of the rate as its rate, also where that is no float."""
    noise = modes.rho == 0.0
    size = np.where(noise, modes.variance, np.abs(modes.lam))
    power = np.where(noise, modes.growth_exponent + modes.gap, modes.growth_exponent) / modes.L
    log_rate = np.log(modes.gap * modes.unit) + np.log(size) + power * np.log(modes.eps)
    return dataclasses.replace(scaled(modes), rate=log_rate)


def on_branch(modes: ValidatedModes) -> ScaledModesOnBranch:
    """`scaled` modes with their branches."""
    here = scaled(modes)
    branch = np.where(here.log_r0 > 0.0, float(Branch.DECAY), float(Branch.GROWTH))
    if not modes.rho.min() > 0.0:
        below = np.where(modes.rho < 0.0, float(Branch.SUPPRESSION), float(Branch.NOISE))
        branch = np.where(modes.rho > 0.0, branch, below)
    return ScaledModesOnBranch(**vars(here), branch=branch)


def at_start(modes: ValidatedModes) -> ScaledModesAtStart:
    """Modes `on_branch` with the master curve's value at the initialisation."""
    here = on_branch(modes)
    return ScaledModesAtStart(
        **vars(here), start=by_curve(here.order, here.branch, _start, here.log_r0)
    )


def _start(curve: MasterCurve, log_r0: Array) -> Array:
    return curve.start(log_r0)


def _fields(record: Any) -> list[Array]:
    return [getattr(record, field.name) for field in dataclasses.fields(record)]


@dataclass(frozen=True)
class GivenModes:
    """Validated modes, initial amplitudes and depths, whatever the objective."""

    lam: Array
    rho: Array
    variance: Array | None
    eps: Array
    L: IntArray
    decoder_depth: IntArray

    def under(self, objective: Objective, clock: Clock) -> ValidatedModes:
        """With the network constants of an objective on a clock."""
        gap = np.asarray(objective.gap(self.L, self.decoder_depth), dtype=np.float64)
        exponent = np.asarray(
            objective.growth_exponent(self.L, self.decoder_depth), dtype=np.float64
        )
        highest = float(np.max(order_from(exponent, gap)))
        if highest > HIGHEST_ORDER:
            raise ValueError(
                f"L must keep the order 2 (N - 1) / k at {HIGHEST_ORDER:g} or below (L <= 500 for "
                f"a JEPA with one decoder layer): got L = {int(self.L.max())}, order {highest:g}"
            )
        return ValidatedModes(
            self.lam,
            self.rho,
            np.ones_like(self.lam) if self.variance is None else self.variance,
            self.eps,
            self.L.astype(np.float64),
            gap,
            exponent,
            np.asarray(network_time(clock, self.L), dtype=np.float64),
        )

    def spread(self) -> GivenModes:
        """All in their common shape, read-only."""
        shape = _validate.together(**vars(self))
        spread: dict[str, Any] = {
            name: None if array is None else read_only_copy(np.broadcast_to(array, shape))
            for name, array in vars(self).items()
        }
        return GivenModes(**spread)


def validated(
    lam: ArrayLike,
    rho: ArrayLike,
    L: ArrayLike,
    eps: ArrayLike,
    decoder_depth: ArrayLike,
    variance: ArrayLike | None,
) -> GivenModes:
    """Validates the arguments that describe modes, once for every function of them."""
    lam_, rho_, variance_ = _validate.modes(lam, rho, variance)
    eps_ = _validate.positive("eps", eps)
    L_ = _validate.depth("L", L)
    decoder_ = _validate.depth("decoder_depth", decoder_depth)
    _validate.together(
        lam=lam_, rho=rho_, L=L_, eps=eps_, decoder_depth=decoder_, variance=variance_
    )
    return GivenModes(lam_, rho_, variance_, eps_, L_, decoder_)


def prepare(
    lam: ArrayLike,
    rho: ArrayLike,
    L: ArrayLike,
    eps: ArrayLike,
    objective: str | Objective,
    decoder_depth: ArrayLike,
    clock: Clock,
    variance: ArrayLike | None,
) -> ValidatedModes:
    """`validated` modes under an objective, on a clock."""
    chosen = as_objective(objective)
    return validated(lam, rho, L, eps, decoder_depth, variance).under(chosen, clock)


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

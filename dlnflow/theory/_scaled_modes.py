"""ValidatedModes in physical units, and as the master curve sees them.

A mode starts at ``q0 = eps**(k / L) / rho``. With ``u0 = eps**(1 / L)`` its scaled time runs at the
rate ``k |lam| u0**(N - 2 + m)`` per unit of network time (pure noise: ``k s u0**(2 N - 2)``), in
which ``rho`` does not appear; the encoder's amplitude is ``wbar = eps (q / q0)**(L / k)``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow._common._frozen import read_only_copy
from dlnflow.theory._clock import Clock, network_time
from dlnflow.theory._numerics import BLOCK, blockwise, rational_power
from dlnflow.theory._objective import Objective, as_objective, order_from, plateau_amplitude
from dlnflow.theory.curve._master_curve import Branch, master_curve

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

        ``view`` is `scaled`, `at_start`, `log_scaled`, or leaves the modes as they are. It is
        computed once for a few modes at many times, and with each block for as many modes as
        times, to save memory. The result has the shape of all arguments, those included that turned
        out not to matter.
        """
        named = {"lam": self.lam, "rho": self.rho, "L": self.gap, "eps": self.eps}
        shape = _validate.together(**{name: t}, **named, variance=self.variance)
        size = np.prod(np.broadcast_shapes(*(field.shape for field in self.fields)), dtype=int)
        with np.errstate(all="ignore"):
            if size > BLOCK:
                result = blockwise(
                    lambda t, *some: block(t, view(ValidatedModes(*some))), t, *self.fields
                )
            else:
                ready = view(ValidatedModes(*map(np.atleast_1d, self.fields)))
                again, fields = type(ready), vars(ready).values()
                result = blockwise(lambda t, *some: block(t, again(*some)), t, *fields)
        if result.size and np.isnan(result.min()):
            raise ValueError(
                "eps, rho and the depths must keep eps**(k / L) / rho and its powers within the "
                "range of floats: got a value beyond it"
            )
        if result.shape != shape:
            result = np.broadcast_to(result, shape or (1,)).copy().reshape(shape)
        return result[()]

    @property
    def fields(self) -> Collection[Array]:
        """The arrays, in order."""
        return vars(self).values()

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
            lam, rho = (f"{np.abs(a).min():g} .. {np.abs(a).max():g}" for a in (self.lam, self.rho))
            raise ValueError(
                "lam and rho must keep the variance lam / rho within the range of floats: "
                f"got |lam| in {lam}, |rho| in {rho}"
            )
        return self.lam, variance, self.eps, self.L, self.gap, self.growth_exponent, self.unit


@dataclass(frozen=True)
class ScaledModes:
    """Modes as the master curve sees them: its order and branch, starting points and rates."""

    eps: Array
    rho: Array
    L: Array
    gap: Array
    order: Array
    branch: Array
    log_r0: Array  # log|q0|; meaningless for pure noise
    rate: Array  # scaled time in one unit of the clock
    start: Array  # the master curve's value at the initialisation; NaN but for `at_start`


def scaled(modes: ValidatedModes) -> ScaledModes:
    """Branches, starting points and rates on the master curve."""
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
    log_r0 = modes.gap / modes.L * np.log(modes.eps) - np.log(size)
    branch = np.where(log_r0 > 0.0, float(Branch.DECAY), float(Branch.GROWTH))
    if not learned:
        below = np.where(modes.rho < 0.0, float(Branch.SUPPRESSION), float(Branch.NOISE))
        branch = np.where(modes.rho > 0.0, branch, below)
    order, unknown = order_from(modes.growth_exponent, modes.gap), np.full(1, np.nan)
    return ScaledModes(
        modes.eps, modes.rho, modes.L, modes.gap, order, branch, log_r0, rate, start=unknown
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
    return replace(scaled(modes), rate=log_rate)


def at_start(modes: ValidatedModes) -> ScaledModes:
    """`scaled` modes with the master curve's value at the initialisation."""
    here = scaled(modes)
    start = by_curve(here.order, here.branch, lambda curve, at: curve.start(at), here.log_r0)
    return replace(here, start=start)


@dataclass(frozen=True)
class GivenModes:
    """Validated modes, initial amplitudes and depths, whatever the objective."""

    lam: Array
    rho: Array
    variance: Array | None
    eps: Array
    L: IntArray
    decoder_depth: IntArray

    def under(self, objective: str | Objective, clock: Clock) -> ValidatedModes:
        """With the network constants of an objective on a clock."""
        chosen, depths = as_objective(objective), (self.L, self.decoder_depth)
        gap = np.asarray(chosen.gap(*depths), dtype=np.float64)
        exponent = np.asarray(chosen.growth_exponent(*depths), dtype=np.float64)
        highest = float(np.max(order_from(exponent, gap)))
        if highest > HIGHEST_ORDER:
            raise ValueError(
                f"L must keep the order 2 (N - 1) / k at {HIGHEST_ORDER:g} or below (L <= 500 for "
                f"a JEPA with one decoder layer): got L = {int(self.L.max())}, order {highest:g}"
            )
        variance = np.ones_like(self.lam) if self.variance is None else self.variance
        L, unit = (np.asarray(a, dtype=np.float64) for a in (self.L, network_time(clock, self.L)))
        return ValidatedModes(self.lam, self.rho, variance, self.eps, L, gap, exponent, unit)

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
    **others: ArrayLike,
) -> GivenModes:
    """Validates the arguments that describe modes, once for every function of them.

    Of ``others``, such as times, only the labels are compared.
    """
    _validate.same_labels(lam=lam, eps=eps, L=L, **others)
    modes = _validate.modes(lam, rho, variance)
    start = _validate.positive("eps", eps)
    depths = _validate.depth("L", L), _validate.depth("decoder_depth", decoder_depth)
    given = GivenModes(*modes, start, *depths)
    _validate.together(**vars(given))
    return given


def by_curve(
    order: Array, branch: Array, ask: Callable[..., Any], *operands: Array, stacked: int = 0
) -> Array:
    """``ask(curve, *operands)`` where every mode has its own order and branch.

    The result has the operands' shape, behind one axis more if the answer is ``stacked``.
    """
    orders, branches = _distinct(order), _distinct(branch)
    if len(orders) == len(branches) == 1:
        answer = ask(master_curve(orders[0], Branch(int(branches[0]))), *operands)
        return np.stack(answer) if stacked else answer
    shapes = (array.shape for array in (order, branch, *operands))
    result = np.empty((stacked,) * bool(stacked) + np.broadcast_shapes(*shapes))
    for one_order in orders:
        for one_branch in branches:
            here = (order == one_order) & (branch == one_branch)
            if here.any():
                chosen, take = _selection(here, result.shape[bool(stacked) :])
                where = (slice(None), chosen) if stacked else chosen
                curve = master_curve(one_order, Branch(int(one_branch)))
                result[where] = ask(curve, *map(take, operands))
    return result


def elapsed(order: Array, branch: Array, log_r0: Array, log_r1: Array, log_ratio: Array) -> Array:
    """`MasterCurve.elapsed`, for modes of any orders and branches."""
    operands = log_r0, log_r1, log_ratio
    return by_curve(order, branch, lambda curve, *ends: curve.elapsed(*ends), *operands)


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
    first = float(array.flat[0])
    return [first] if (array == first).all() else np.unique(array).tolist()

"""Step 11a: the order in ``eps`` at which a critical time depends on ``rho``."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._evaluate import Model, UndecidedError, holds_in, value
from dlnflow.symbolic._hyperlogistic import HyperlogisticForm, any_order, at_condition, ratio
from dlnflow.symbolic._limits import limit_holds, to_zero
from dlnflow.symbolic._notation import equation
from dlnflow.symbolic._series import Asymptotics
from dlnflow.symbolic._step import Step, definition

Cases = tuple[Mapping[Any, Any], ...]

t_of = sp.Function("t_star", positive=True)
gap_of = sp.Function("G", real=True)
lead_of = sp.Function("t_lead", positive=True)
scale_of = sp.Function("g", positive=True)


@dataclass(frozen=True)
class RelativeGap:
    """The order and coefficient of ``t_star(rho_2) / t_star(rho_1) - 1`` at equal ``lam``."""

    form: HyperlogisticForm

    def _by_order(self, **forms: Any) -> Any:
        """One of the forms, by whether the order is 1, between 1 and 2, 2, or above 2."""
        above = sp.expand(self.form.growth - 1 - self.form.gap)  # (c - 2) k
        one = dict(self.form.branches()).get("one", sp.false)
        two = self._is_two(above)
        below = sp.false if above.is_nonnegative else self._is_below(above)
        pairs = [("one", one), ("two", two), ("below", below), ("above", sp.true)]
        kept = [
            (at_condition(forms[kind](), when), when) for kind, when in pairs if when != sp.false
        ]
        first = next(i for i, (_, when) in enumerate(kept) if when == sp.true)
        return kept[0][0] if first == 0 else sp.Piecewise(*kept[: first + 1])

    @staticmethod
    def _is_below(above: Any) -> Any:
        layer = sp.expand(above / 2 + 1)
        return sp.Eq(layer, 0) if layer.is_Symbol and layer.is_integer else (above < 0)

    @staticmethod
    def _is_two(above: Any) -> Any:
        layer = sp.expand(above / 2 + 1)
        if above.is_nonzero or above.is_negative:
            return sp.false
        return sp.Eq(layer, 1) if layer.is_Symbol else sp.Eq(above, 0)

    @property
    def may_vanish(self) -> bool:
        """Whether the coefficient can be 0 at different ``rho``, as at orders between 1 and 2."""
        above = sp.expand(self.form.growth - 1 - self.form.gap)
        return not above.is_nonnegative and self.form.branches() != [("one", sp.true)]

    def leading(self) -> Any:
        """The critical time to leading order, which does not depend on ``rho``."""
        form = self.form
        power = no.eps ** ratio(form.growth - 1, form.L)

        def powers() -> Any:
            return 1 / (form.excess * form.simple_rate * power)

        return self._by_order(one=form.head, below=powers, two=powers, above=powers)

    def scale(self) -> Any:
        """The order of the relative gap, as a function of ``eps``."""
        form = self.form
        power = no.eps**form.exponent
        return self._by_order(
            one=lambda: 1 / sp.log(1 / no.eps),
            below=lambda: no.eps ** ratio(form.growth - 1, form.L),
            two=lambda: power * sp.log(1 / no.eps),
            above=lambda: power,
        )

    def power(self) -> Any:
        """The exponent of ``eps`` in the relative gap, logarithms aside."""
        form = self.form
        return self._by_order(
            one=lambda: sp.Integer(0),
            below=lambda: ratio(form.growth - 1, form.L),
            two=lambda: form.exponent,
            above=lambda: form.exponent,
        )

    def coefficient(self) -> Any:
        """The limit of the relative gap over its scale."""
        form, e = self.form, self.form.excess
        difference = 1 / no.rho_2 - 1 / no.rho_1
        return self._by_order(
            one=lambda: sp.log(no.rho_2 / no.rho_1) / form.exponent,
            below=lambda: e * any_order(form.q_p, e) * (no.rho_2**-e - no.rho_1**-e),
            two=lambda: form.exponent * difference,
            above=lambda: ratio(form.growth - 1, form.growth - 1 - form.gap) * difference,
        )


@dataclass(frozen=True)
class ModePair:
    """Two modes of equal covariance, and their exact times at three vanishing ``eps``."""

    form: HyperlogisticForm
    values: Mapping[Any, Any]

    @cached_property
    def modes(self) -> tuple[Asymptotics, Asymptotics]:
        """With ``rho_1`` and ``rho_2``."""
        first, second = (Asymptotics(self.form, {**self.values, no.rho: rho}) for rho in self.rhos)
        return first, second

    @property
    def rhos(self) -> tuple[Any, Any]:
        """``rho_1`` and ``rho_2``, other ones for each ``p``."""
        fraction = self.values[no.p]
        return sp.Rational(9, 10) + fraction / 7, sp.Rational(2, 5) + fraction / 3

    @property
    def names(self) -> dict[Any, Any]:
        """Numbers for the symbols of both modes."""
        return {**self.values, **dict(zip((no.rho_1, no.rho_2), self.rhos, strict=True))}

    def at_small_eps(self, leading: Any, scale: Any) -> list[dict[Any, Any]]:
        """Times and gaps, their leading orders and scales, at the three ``eps``."""
        return [self._at(eps, leading, scale) for eps in self.modes[0].small_eps]

    def _at(self, eps: Any, leading: Any, scale: Any) -> dict[Any, Any]:
        first, digits = self.modes[0], self.modes[0].digits(eps)
        model = {**self.values, no.eps: eps}
        return {
            no.eps: eps,
            t_of(no.eps): first.time(eps),
            gap_of(no.eps): self.gap(eps),
            lead_of(no.eps): _number(leading, model, digits),
            scale_of(no.eps): _number(scale, model, digits),
        }

    def limits(self, at: list[dict[Any, Any]]) -> tuple[Any, Any]:
        """The limits of ``t_star / t_lead`` and ``G / g``, from the two smallest ``eps``.

        At orders 1 and 2, where convergence is logarithmic, from slopes against ``log(1/eps)``.
        """
        time, gap, lead, scale = (
            [here[node(no.eps)] for here in at[1:]] for node in (t_of, gap_of, lead_of, scale_of)
        )
        logs, order = self.modes[0].logs[1:], self.modes[0].order
        if order == 1:
            slope = (time[1] - time[0]) / (lead[1] - lead[0])
            return slope, gap[1] * time[1] / (lead[1] * scale[1] * slope)
        if order == 2:
            x = [one / log for one, log in zip(scale, logs, strict=True)]
            slope = (gap[1] / x[1] - gap[0] / x[0]) / (logs[1] - logs[0])
            return time[1] / lead[1], slope
        return time[1] / lead[1], gap[1] / scale[1]

    def gap(self, eps: Any) -> Any:
        """The relative gap."""
        first, second = self.modes
        return second.time(eps) / first.time(eps) - 1


def _number(expression: Any, model: Model, digits: int) -> Any:
    return sp.N(sp.sympify(expression).xreplace(dict(model)).doit(), digits)


def gap_step(form: HyperlogisticForm, cases: Cases, tried: str, by_rho: bool) -> Step:
    """The relative gap of two critical times at equal ``lam``."""
    found, eps = RelativeGap(form), no.eps
    second = to_zero(gap_of(eps) / scale_of(eps))
    first = to_zero(t_of(eps) / lead_of(eps))
    claims = [
        equation(lead_of(eps), found.leading()),
        equation(first, 1),
        equation(scale_of(eps), found.scale()),
        equation(second, found.coefficient()),
    ]
    if by_rho:
        claims.append(sp.Implies(no.rho_2 < no.rho_1, second > 0))

    def route(statement: sp.Tuple) -> None:
        leading, ratio, scale, gap, *sign = statement
        lead, order = definition(leading, lead_of(eps)), definition(scale, scale_of(eps))
        for values in cases:
            pair = ModePair(form, without_rho(values))
            at = pair.at_small_eps(lead, order)
            limits = (sp.N(one, 30) for one in pair.limits(at))
            found = dict(zip((first, second), limits, strict=True))
            limit_holds(ratio, found, at, pair.names)
            limit_holds(gap, found, at, pair.names)
            if not prove_gap(form, depths_in(values), order, gap.rhs):
                raise UndecidedError(f"SymPy cannot decide {gap}")
        for relation in sign:
            holds_in(relation, _random_pairs(cases, gap))

    return Step(
        "11a",
        "Equal covariance: the order at which rho enters",
        sp.Tuple(*claims),
        "To leading order at small `eps` the critical time does not depend on `rho`, for any "
        "target. `G(eps) = t_star(rho_2)/t_star(rho_1) - 1` is the relative gap of two modes of "
        "equal `lam`, and `g` its order: `eps^(k/L)` when the target is read after at least two "
        "layers, `eps^(k/L) log(1/eps)` after one. With the data as target (MAE) the gap comes "
        "from the end of the rise, where `w` is near its plateau. "
        + (
            "Here the gap is positive for `rho_2 < rho_1`: the mode with the larger "
            "regression coefficient is learned first."
            if by_rho
            else "The sign of that gap depends on depth and `p`."
        ),
        "the paper (Theorem 4.5) for the leading order; derived here for the order and coefficient "
        "of the gap",
        "exact times by their series, at `eps` so small that corrections to the limit vanish; and "
        "the limit by SymPy, for all `rho_1`, `rho_2` and `p`",
        tried,
        route,
    )


def without_rho(values: Mapping[Any, Any]) -> dict[Any, Any]:
    """The numbers of a case without ``rho``."""
    return {key: one for key, one in values.items() if key != no.rho}


def _random_pairs(cases: Cases, gap: Any) -> Iterator[Model]:
    """Pairs of modes with either ``rho`` larger, and the claimed limit."""
    rng = random.Random(8)
    for values in cases:
        for _ in range(8):
            rho = sp.Rational(rng.randint(5, 150), 100)
            other = rho * (1 + sp.Rational(rng.choice((-700, -9, -1, 1, 9, 2000)), 1000))
            pair = {no.rho_1: rho, no.rho_2: other}
            model = {**without_rho(values), **pair}
            yield {**model, gap.lhs: sp.N(value(gap.rhs, model), 30)}


def depths_in(values: Mapping[Any, Any]) -> tuple[tuple[Any, Any], ...]:
    """The depths among the numbers of a case."""
    return tuple((key, one) for key, one in values.items() if key.is_integer)


@lru_cache(maxsize=1024)
def prove_gap(
    form: HyperlogisticForm, at: tuple[tuple[Any, Any], ...], scale: Any, coefficient: Any
) -> bool:
    """Whether the gap is its coefficient times its scale to leading order, for all rho and p.

    By SymPy at concrete depths, in a root ``y`` of ``eps**(k/L)`` with whole exponents.
    """
    depths = dict(at)
    there = form.at(depths)
    y = sp.Symbol("y", positive=True)
    x = y ** int(there.order.q)
    eps = x ** (1 / there.exponent)
    held: dict[Any, Any] = {}
    times = [_in_small_eps(there, rho, x, held) for rho in (no.rho_1, no.rho_2)]
    order_of_gap = sp.expand_log(scale.xreplace(depths).doit().xreplace({no.eps: eps}))
    log = -sp.log(x) / there.exponent
    factor = x**there.excess if there.order > 1 else 1 / log
    above, below = (
        _limit(sp.expand(sp.expand_log(one * factor)), y)
        for one in ((times[1] - times[0]) / order_of_gap, times[0])
    )
    claimed = coefficient.xreplace(depths).doit().xreplace(held)
    difference = sp.expand(above - claimed * below)
    return bool(difference == 0 or sp.simplify(above / below - claimed) == 0)


def _in_small_eps(there: HyperlogisticForm, rho: Any, x: Any, held: dict[Any, Any]) -> Any:
    """The critical time with ``q_0 = x / rho``.

    Hypergeometric functions of ``q_0`` are expanded to the order needed; those of ``p`` are
    constants, collected in ``held``.
    """
    form = HyperlogisticForm(there.lam, rho, there.growth, there.gap, there.L, there.speed)
    q_0 = sp.Symbol("q_0", positive=True)
    initial = {form.q_0: q_0, no.eps: (rho * q_0) ** (1 / form.exponent)}
    time = form.critical_time().xreplace(initial)
    for node in time.atoms(sp.hyper):
        if node.argument.has(q_0):
            first = sp.prod(node.ap) / sp.prod(node.bq)
            rest = sp.Symbol("bounded", positive=True) * q_0**2
            time = time.xreplace({node: 1 + first * q_0 + rest})
        else:
            held.setdefault(node, sp.Symbol(f"h_{len(held)}", positive=True))
    return time.xreplace(held).xreplace({q_0: x / rho})


def _limit(expression: Any, y: Any) -> Any:
    return sum(sp.limit(term, y, 0, "+") for term in sp.Add.make_args(expression))

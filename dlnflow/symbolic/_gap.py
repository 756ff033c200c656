"""Step 11a: to which order in ``eps`` a critical time depends on ``rho``."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._judge import Model, UndecidedError, holds_in, value
from dlnflow.symbolic._law import Law, any_order, at_condition
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
class GapLaw:
    """The order and coefficient of ``t_star(rho_2) / t_star(rho_1) - 1`` at equal ``lam``."""

    law: Law

    def _by_order(self, **forms: Any) -> Any:
        """By the order: 1, between 1 and 2, 2, above 2."""
        above = sp.expand(self.law.growth - 1 - self.law.gap)  # (c - 2) k
        one = dict(self.law.branches()).get("one", sp.false)
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
        """Whether the coefficient can be 0 for different rho: at orders between 1 and 2."""
        above = sp.expand(self.law.growth - 1 - self.law.gap)
        return not above.is_nonnegative and self.law.branches() != [("one", sp.true)]

    def leading(self) -> Any:
        """The critical time to leading order, free of ``rho``."""
        law = self.law
        power = no.eps ** _quotient(law.growth - 1, law.L)

        def powers() -> Any:
            return 1 / (law.excess * law.simple_rate * power)

        return self._by_order(one=law.head, below=powers, two=powers, above=powers)

    def scale(self) -> Any:
        """What the relative gap is divided by."""
        law = self.law
        start = no.eps**law.exponent
        return self._by_order(
            one=lambda: 1 / sp.log(1 / no.eps),
            below=lambda: no.eps ** _quotient(law.growth - 1, law.L),
            two=lambda: start * sp.log(1 / no.eps),
            above=lambda: start,
        )

    def power(self) -> Any:
        """The exponent of ``eps`` in the relative gap, logarithms aside."""
        law = self.law
        return self._by_order(
            one=lambda: sp.Integer(0),
            below=lambda: _quotient(law.growth - 1, law.L),
            two=lambda: law.exponent,
            above=lambda: law.exponent,
        )

    def coefficient(self) -> Any:
        """The limit of the relative gap over its scale."""
        law, e = self.law, self.law.excess
        difference = 1 / no.rho_2 - 1 / no.rho_1
        return self._by_order(
            one=lambda: sp.log(no.rho_2 / no.rho_1) / law.exponent,
            below=lambda: e * any_order(law.goal, e) * (no.rho_2**-e - no.rho_1**-e),
            two=lambda: law.exponent * difference,
            above=lambda: _quotient(law.growth - 1, law.growth - 1 - law.gap) * difference,
        )


def _quotient(above: Any, below: Any) -> Any:
    return sp.factor_terms(sp.expand(above)) / sp.factor_terms(sp.expand(below))


@dataclass(frozen=True)
class Pair:
    """Two modes of equal covariance, their exact times at three vanishing starts."""

    law: Law
    values: Mapping[Any, Any]

    @cached_property
    def modes(self) -> tuple[Asymptotics, Asymptotics]:
        """With ``rho_1`` and ``rho_2``."""
        first, second = (Asymptotics(self.law, {**self.values, no.rho: rho}) for rho in self.rhos)
        return first, second

    @property
    def rhos(self) -> tuple[Any, Any]:
        """``rho_1`` and ``rho_2``, a pair of its own for each ``p``."""
        fraction = self.values[no.p]
        return sp.Rational(9, 10) + fraction / 7, sp.Rational(2, 5) + fraction / 3

    @property
    def names(self) -> dict[Any, Any]:
        """Numbers for the symbols of both modes."""
        return {**self.values, **dict(zip((no.rho_1, no.rho_2), self.rhos, strict=True))}

    def at_starts(self, leading: Any, scale: Any) -> list[dict[Any, Any]]:
        """Times and gaps, and what they are compared with, at the three starts."""
        return [self._at(eps, leading, scale) for eps in self.modes[0].starts]

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
        """The limits of ``t_star / t_lead`` and ``G / g``, from the two smallest starts.

        Where logarithms make the approach slow, from slopes against ``log(1/eps)``.
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


def gap_step(law: Law, cases: Cases, tried: str, by_rho: bool) -> Step:
    """Where ``rho`` enters the critical time."""
    found, eps = GapLaw(law), no.eps
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
            pair = Pair(law, without_rho(values))
            at = pair.at_starts(lead, order)
            limits = (sp.N(one, 30) for one in pair.limits(at))
            found = dict(zip((first, second), limits, strict=True))
            limit_holds(ratio, found, at, pair.names)
            limit_holds(gap, found, at, pair.names)
            if not prove_gap(law, depths_in(values), order, gap.rhs):
                raise UndecidedError(f"SymPy cannot decide {gap}")
        for relation in sign:
            holds_in(relation, _random_pairs(cases, gap))

    return Step(
        "11a",
        "Equal covariance: where rho enters",
        sp.Tuple(*claims),
        "To leading order at small `eps` the critical time does not depend on `rho`, for any "
        "target. `G(eps) = t_star(rho_2)/t_star(rho_1) - 1` is the relative gap of two modes of "
        "equal `lam`, and `g` its order: `eps^(k/L)` when the target is read after at least two "
        "layers, `eps^(k/L) log(1/eps)` after one; with the data as target (MAE) `rho` enters at "
        "the end of the rise, not at its start. "
        + (
            "Here the gap is positive for `rho_2 < rho_1`: the mode of larger regression "
            "coefficient is learned first."
            if by_rho
            else "There the sign of the gap depends on depth and `p`: no preference that could be "
            "relied on."
        ),
        "the paper states the leading order; the orders and coefficients of the gap are new",
        "exact times by their series at `eps` down to where only the limit is left; the limit by "
        "SymPy, for all `rho_1`, `rho_2` and `p`",
        tried,
        route,
    )


def without_rho(values: Mapping[Any, Any]) -> dict[Any, Any]:
    """The numbers of a case, for modes with their own ``rho``."""
    return {key: one for key, one in values.items() if key != no.rho}


def _random_pairs(cases: Cases, gap: Any) -> Iterator[Model]:
    """Pairs of modes, in either order, with the claimed limit."""
    rng = random.Random(8)
    for values in cases:
        for _ in range(8):
            rho = sp.Rational(rng.randint(5, 150), 100)
            # far apart and close together, either way
            other = rho * (1 + sp.Rational(rng.choice((-700, -9, -1, 1, 9, 2000)), 1000))
            pair = {no.rho_1: rho, no.rho_2: other}
            model = {**without_rho(values), **pair}
            yield {**model, gap.lhs: sp.N(value(gap.rhs, model), 30)}


def depths_in(values: Mapping[Any, Any]) -> tuple[tuple[Any, Any], ...]:
    """The depths among the numbers of a case."""
    return tuple((key, one) for key, one in values.items() if key.is_integer)


@lru_cache(maxsize=1024)
def prove_gap(law: Law, at: tuple[tuple[Any, Any], ...], scale: Any, coefficient: Any) -> bool:
    """Whether the gap is its coefficient times its scale to leading order, for all rho and p.

    By SymPy at concrete depths, in a root ``y`` of ``eps**(k/L)``.
    """
    depths = dict(at)
    there = law.at(depths)
    y = sp.Symbol("y", positive=True)
    x = y ** int(there.order.q)  # so that all powers are whole
    eps = x ** (1 / there.exponent)
    held: dict[Any, Any] = {}
    times = [_in_start(there, rho, x, held) for rho in (no.rho_1, no.rho_2)]
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


def _in_start(there: Law, rho: Any, x: Any, held: dict[Any, Any]) -> Any:
    """The critical time with ``q_0 = x / rho``.

    Hypergeometric functions of it to the order needed; those of ``p`` are constants, ``held``.
    """
    law = Law(there.lam, rho, there.growth, there.gap, there.L, there.speed)
    q_0 = sp.Symbol("q_0", positive=True)
    start = {law.start: q_0, no.eps: (rho * q_0) ** (1 / law.exponent)}
    time = law.critical_time().xreplace(start)
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

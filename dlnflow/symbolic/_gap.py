"""Step 11a: the order in ``eps`` at which a critical time depends on ``rho``."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._evaluate import Model, decided_by, holds_in, limit_holds, to_zero, value
from dlnflow.symbolic._hyperlogistic import (
    Formula,
    HyperlogisticForm,
    any_order,
    by_condition,
    ratio,
)
from dlnflow.symbolic._notation import equation
from dlnflow.symbolic._series import Asymptotics, Cases, CheckedForm
from dlnflow.symbolic._step import Step, definition

t_of = sp.Function("t_star", positive=True)
gap_of = sp.Function("G", real=True)
lead_of = sp.Function("t_lead", positive=True)
scale_of = sp.Function("g", positive=True)


@dataclass(frozen=True)
class RelativeGap:
    """The order and coefficient of ``t_star(rho_2) / t_star(rho_1) - 1`` at equal ``lam``."""

    form: HyperlogisticForm

    def _by_order(self, one: Formula, below: Formula, two: Formula, above: Formula) -> Any:
        """One of the formulas, by whether the order is 1, between 1 and 2, 2, or above 2."""
        excess = self.form.above_two
        layer = sp.expand(excess / 2 + 1)
        by_layer = layer.is_Symbol and layer.is_integer
        is_two = sp.Eq(layer, 1) if layer.is_Symbol else sp.Eq(excess, 0)
        is_below = sp.Eq(layer, 0) if by_layer else excess < 0
        return by_condition(
            (one, self.form.is_one),
            (two, sp.false if excess.is_nonzero else is_two),
            (below, sp.false if excess.is_nonnegative else is_below),
            (above, sp.true),
        )

    @property
    def may_vanish(self) -> bool:
        """Whether the coefficient can be 0 at different ``rho``, as at orders between 1 and 2."""
        return not self.form.above_two.is_nonnegative and self.form.is_one != sp.true

    def leading(self) -> Any:
        """The critical time to leading order, which does not depend on ``rho``."""
        form = self.form
        power = no.eps ** ratio(form.growth - 1, form.L)
        powers = lambda: 1 / (form.excess * form.simple_rate * power)  # noqa: E731
        return self._by_order(form.head, powers, powers, powers)

    def scale(self) -> Any:
        """The order of the relative gap, as a function of ``eps``."""
        log, power = sp.log(1 / no.eps), no.eps**self.form.exponent
        return self._by_order(
            one=lambda: 1 / log,
            below=lambda: no.eps ** ratio(self.form.growth - 1, self.form.L),
            two=lambda: power * log,
            above=lambda: power,
        )

    def coefficient(self) -> Any:
        """The limit of the relative gap over its scale."""
        form, e = self.form, self.form.excess
        difference = 1 / no.rho_2 - 1 / no.rho_1
        return self._by_order(
            one=lambda: sp.log(no.rho_2 / no.rho_1) / form.exponent,
            below=lambda: e * any_order(form.q_p, e) * (no.rho_2**-e - no.rho_1**-e),
            two=lambda: form.exponent * difference,
            above=lambda: ratio(form.growth - 1, form.above_two) * difference,
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
        first, found = self.modes[0], []
        for eps in first.small_eps:
            lead, order = (
                one.xreplace({**self.values, no.eps: eps}).doit().n(first.digits(eps))
                for one in (leading, scale)
            )
            values = (eps, first.time(eps), self.gap(eps), lead, order)
            functions = (node(no.eps) for node in (t_of, gap_of, lead_of, scale_of))
            found.append(dict(zip((no.eps, *functions), values, strict=True)))
        return found

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


def gap_step(here: CheckedForm, by_rho: bool) -> Step:
    """The relative gap of two critical times at equal ``lam``."""
    found, eps = RelativeGap(here.form), no.eps
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
        for values in here.cases:
            pair = ModePair(here.form, without_rho(values))
            at = pair.at_small_eps(lead, order)
            limits = (sp.N(one, 30) for one in pair.limits(at))
            found = dict(zip((first, second), limits, strict=True))
            limit_holds(ratio, found, at, pair.names)
            limit_holds(gap, found, at, pair.names)
            decided_by(prove_gap(here.form, depths_in(values), order, gap.rhs), gap)
        for relation in sign:
            holds_in(relation, _random_pairs(here.cases, gap))

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
        here.tried,
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
    form = replace(there, rho=rho)
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

"""Step 11: what the critical times say about the order of learning."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._judge import DerivationError, Model, holds_in, prove_zero, truth, value
from dlnflow.symbolic._law import Law, any_order
from dlnflow.symbolic._notation import equation
from dlnflow.symbolic._series import HALF, Asymptotics, critical_time_by_series
from dlnflow.symbolic._step import Step, relations

Cases = tuple[Mapping[Any, Any], ...]

t_of = sp.Function("t_star", positive=True)
gap_of = sp.Function("G", real=True)
LARGE, SMALLER = sp.Rational(9, 10), sp.Rational(2, 5)  # rho_1 and rho_2 of the tried modes


def _to_zero(expression: Any) -> sp.Limit:
    return sp.Limit(expression, no.eps, 0, "+")


# --- 11a: the leading order, and where rho enters ----------------------------------------------


@dataclass(frozen=True)
class GapLaw:
    """``G(eps) = t_star(rho_2) / t_star(rho_1) - 1`` at equal ``lam``: its order and coefficient."""

    law: Law

    def _by_order(self, **forms: Any) -> Any:
        """By the order: 1, between 1 and 2, 2, above 2."""
        above = sp.expand(self.law.growth - 1 - self.law.gap)  # (c - 2) k
        one = dict(self.law.branches()).get("one", sp.false)
        two = self._is_two(above)
        below = sp.false if above.is_nonnegative else (above < 0)
        pairs = [("one", one), ("two", two), ("below", below), ("above", sp.true)]
        kept = [(forms[kind](), when) for kind, when in pairs if when != sp.false]
        first = next(i for i, (_, when) in enumerate(kept) if when == sp.true)
        return kept[0][0] if first == 0 else sp.Piecewise(*kept[: first + 1])

    @staticmethod
    def _is_two(above: Any) -> Any:
        layer = sp.expand(above / 2 + 1)
        if above.is_nonzero or above.is_negative:
            return sp.false
        return sp.Eq(layer, 1) if layer.is_Symbol else sp.Eq(above, 0)

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
            below=lambda: e
            * any_order(law.goal, e)
            * (no.rho_2**-e - no.rho_1**-e),
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
        first, second = (
            Asymptotics(self.law, {**self.values, no.rho: rho}) for rho in (LARGE, SMALLER)
        )
        return first, second

    @property
    def names(self) -> dict[Any, Any]:
        """Numbers for the symbols of both modes."""
        return {**self.values, no.p: HALF, no.rho_1: LARGE, no.rho_2: SMALLER}

    def measured(self, leading: Any, scale: Any) -> tuple[Any, Any]:
        """The limits of ``t_star / leading`` and ``G / scale``, from the exact times.

        Where logarithms make the approach slow, from slopes against ``log(1/eps)``.
        """
        first, second = self.modes
        starts, logs = first.starts[1:], first.logs[1:]
        digits = first.digits(starts[-1])
        at = [{**self.values, no.p: HALF, no.eps: eps} for eps in starts]
        leads, scales = ([_number(one, here, digits) for here in at] for one in (leading, scale))
        times = [first.time(eps) for eps in starts]
        apart = [second.time(eps) - first.time(eps) for eps in starts]
        gaps = [one / time for one, time in zip(apart, times, strict=True)]
        if first.order == 1:
            slope = (times[1] - times[0]) / (leads[1] - leads[0])
            per_scale = 1 / (leads[1] * scales[1] * slope)
            return slope, apart[1] * per_scale
        if first.order == 2:
            x = [scale / log for scale, log in zip(scales, logs, strict=True)]
            slope = (gaps[1] / x[1] - gaps[0] / x[0]) / (logs[1] - logs[0])
            return times[1] / leads[1], slope
        return times[1] / leads[1], gaps[1] / scales[1]

    def gap(self, eps: Any) -> Any:
        """The relative gap."""
        first, second = self.modes
        return second.time(eps) / first.time(eps) - 1


def _number(expression: Any, model: Model, digits: int) -> Any:
    return sp.N(sp.sympify(expression).xreplace(dict(model)).doit(), digits)


lead_of = sp.Function("t_lead", positive=True)
scale_of = sp.Function("g", positive=True)


def gap_step(law: Law, cases: Cases, depths: str, by_rho: bool) -> Step:
    """Where ``rho`` enters the critical time."""
    found, eps = GapLaw(law), no.eps
    second = _to_zero(gap_of(eps) / scale_of(eps))
    first = _to_zero(t_of(eps) / lead_of(eps))
    claims = [
        equation(lead_of(eps), found.leading()),
        equation(first, 1),
        equation(scale_of(eps), found.scale()),
        equation(second, found.coefficient()),
    ]
    if by_rho:
        claims.append(sp.Implies(no.rho_2 < no.rho_1, second > 0))

    def route(statement: sp.Tuple) -> None:
        leading, ratio, scale, gap, *sign = relations(statement, len(claims))
        for relation, node in zip(statement, (lead_of(eps), first, scale_of(eps), second), strict=False):
            if relation.lhs != node:
                raise DerivationError(f"{relation} does not say what {node} is")
        for values in cases:
            pair = Pair(law, _without_rho(values))
            measured = (sp.N(one, 30) for one in pair.measured(leading.rhs, scale.rhs))
            model = {**pair.names, **dict(zip((first, second), measured, strict=True))}
            holds_in(ratio, [model])
            holds_in(gap, [model])
            _prove_gap(law, values, scale.rhs, gap)
        for relation in sign:
            holds_in(relation, _random_pairs(cases, gap))

    return Step(
        "11a",
        "Equal covariance: where rho enters",
        sp.Tuple(*claims),
        "To leading order at small eps the critical time does not depend on rho, for any target. "
        "G(eps) = t_star(rho_2) / t_star(rho_1) - 1 is the relative gap of two modes of equal "
        "lam, and g its order: eps^(k/L) when the target is read after at least two layers, "
        "eps^(k/L) log(1/eps) after one; with the data as target (MAE) rho enters at the end of "
        "the rise, not at its start. "
        + (
            "Here the gap is positive for rho_2 < rho_1: the mode of larger regression "
            "coefficient is learned first."
            if by_rho
            else "There the gap has the sign of T_c(q_p), which depends on depth and p: no "
            "preference that could be relied on."
        ),
        "the paper, sections 3 and 4, states the orders; the coefficients are new",
        "exact times by their series at eps down to where only the limit is left, "
        f"{depths}; the limit by SymPy, for all rho_1, rho_2 and p, {depths}",
        route,
    )


def _without_rho(values: Mapping[Any, Any]) -> dict[Any, Any]:
    return {key: one for key, one in values.items() if key != no.rho}


def _random_pairs(cases: Cases, gap: Any) -> Iterator[Model]:
    """Pairs of modes, in either order, with the claimed limit."""
    rng = random.Random(8)
    for values in cases:
        for _ in range(6):
            rhos = (sp.Rational(rng.randint(5, 150), 100) for _ in range(2))
            pair = dict(zip((no.rho_1, no.rho_2), rhos, strict=True))
            model = {**_without_rho(values), no.p: HALF, **pair}
            yield {**model, gap.lhs: sp.N(value(gap.rhs, model), 30)}


def _prove_gap(law: Law, values: Mapping[Any, Any], scale: Any, relation: Any) -> None:
    """By SymPy at concrete depths, for all rho and p, in a root ``y`` of ``eps**(k/L)``."""
    depths = {key: one for key, one in values.items() if key.is_integer}
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
    claimed = relation.rhs.xreplace(depths).doit().xreplace(held)
    prove_zero(sp.simplify(above / below - claimed), relation)


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


# --- 11b, 11d: deeper encoders and deeper decoders ----------------------------------------------


def depth_step(
    law: Law, deeper: Law, cases: Cases, depths: str, what: str, by_rho: bool
) -> Step | None:
    """The relative gap with one layer more; None where it differs from depth to depth."""
    before, after = GapLaw(law), GapLaw(deeper)
    limit = _ratio_limit(before, after, cases)
    if limit is None:
        return None
    encoder = what == "encoder"
    next_gap = sp.Function("G_next", real=True)
    node = _to_zero(next_gap(no.eps) / gap_of(no.eps))
    claims = (equation(node, limit),)

    def route(statement: sp.Tuple) -> None:
        (relation,) = relations(statement, 1)
        if relation.lhs != node:
            raise DerivationError(f"{relation} does not say what {node} is", statement=relation)
        for values in cases:
            _seen_ratio(law, deeper, values, relation)

    words = {sp.oo: "grows without bound", sp.S.Zero: "vanishes"}.get(limit, "stays finite")
    return Step(
        "11b" if encoder else "11d",
        "A deeper encoder" if encoder else "A deeper decoder",
        sp.Tuple(*claims),
        f"G is the relative gap of step 11a, G_next the same with one {what} layer more. At small "
        f"eps their quotient {words}"
        + _moral(encoder, limit, by_rho),
        "the paper, section 4 (the effect of depth)" if encoder else "new",
        "the powers of eps in step 11a; exact times by their series at three vanishing starts, "
        f"{depths}",
        route,
    )


def _moral(encoder: bool, limit: Any, by_rho: bool) -> str:
    if not encoder and limit == 0:
        return ": a deep decoder undoes what the objective prefers."
    if encoder and by_rho and limit == sp.oo:
        return ": depth amplifies the preference for large rho, and a smaller start weakens it."
    return "."


def _ratio_limit(before: GapLaw, after: GapLaw, cases: Cases) -> Any:
    """Infinite, 0 or a number, by the powers of ``eps``; None if it differs between depths."""
    powers = [
        [one.power().xreplace(dict(values)).doit() for one in (before, after)] for values in cases
    ]
    signs = {sp.sign(second - first) for first, second in powers}
    if len(signs) > 1:
        return None
    if signs != {0}:
        return sp.S.Zero if signs == {1} else sp.oo
    quotient = sp.simplify(after.coefficient() / before.coefficient())
    return quotient if not quotient.has(sp.Piecewise, no.L, no.P, no.m) else None


def _seen_ratio(law: Law, deeper: Law, values: Mapping[Any, Any], relation: Any) -> None:
    """The quotient's trend over three starts against the claimed limit."""
    pair, other = (Pair(which, _without_rho(values)) for which in (law, deeper))
    starts = other.modes[0].starts
    quotients = [other.gap(eps) / pair.gap(eps) for eps in starts]
    logs = [sp.log(1 / eps).n(15) for eps in starts]
    # the power of 1/eps, from one start to the next
    slopes = [
        sp.log(quotients[j + 1] / quotients[j]) / (logs[j + 1] - logs[j]) for j in (0, 1)
    ]
    limit = relation.rhs
    if limit in (sp.oo, sp.S.Zero):
        agrees = all((slope > 0) == (limit == sp.oo) for slope in slopes)
        agrees &= bool(abs(slopes[1] - slopes[0]) < abs(slopes[0]) / 5)
    else:
        # logarithms may make the approach slow
        aim = sp.N(value(limit, pair.names), 30)
        agrees = bool(abs(quotients[2] - aim) < abs(aim) / 50)
    if not agrees:
        _contradict(relation, values, starts[2], quotients[2])


def _contradict(relation: Any, values: Mapping[Any, Any], eps: Any, quotient: Any) -> None:
    point = {**values, no.eps: eps}
    raise DerivationError(
        f"{relation} does not hold: at eps = {sp.N(eps, 3)} the quotient is {sp.N(quotient, 5)}",
        statement=relation,
        residual=quotient,
        counterexample=point,
    )


# --- 11c: a single encoder layer ----------------------------------------------------------------

t_jepa = sp.Function("t_jepa", positive=True)
t_mae = sp.Function("t_mae", positive=True)


def single_layer_step(jepa: Law, mae: Law) -> Step:
    """What is left of the difference at ``L = 1``, and what is not."""
    eps, r1, r2 = no.eps, no.rho_1, no.rho_2
    apart = {
        time: no.lam * (time(eps, r2) - time(eps, r1)) for time in (t_jepa, t_mae)
    }
    relative = {
        time: time(eps, r2) / time(eps, r1) - 1 for time in (t_jepa, t_mae)
    }
    nodes = (
        _to_zero(relative[t_jepa]),
        _to_zero(relative[t_mae]),
        _to_zero(apart[t_jepa] / sp.log(1 / eps)),
        _to_zero(apart[t_mae]),
        _to_zero(relative[t_jepa] / relative[t_mae]),
    )
    claims = (
        equation(nodes[0], 0),
        equation(nodes[1], 0),
        equation(nodes[2], 1 / r2 - 1 / r1),
        equation(nodes[3], sp.log(r2 / r1) / 2),
        equation(nodes[4], 0),
    )

    def route(statement: sp.Tuple) -> None:
        parts = relations(statement, len(claims))
        model = _single_layer_model(jepa, mae, nodes)
        for relation, node in zip(parts, nodes, strict=True):
            if node not in relation.atoms(sp.Limit):
                raise DerivationError(f"{relation} is not about {node}", statement=relation)
            holds_in(relation, [model])

    return Step(
        "11c",
        "A single encoder layer",
        sp.Tuple(*claims),
        "At L = P = 1 both relative gaps vanish with eps: to leading order no objective sees rho. "
        "But the difference does not disappear. JEPA's times move apart without bound, the larger "
        "rho first; MAE's differ by a constant with the opposite sign, the smaller rho first; and "
        "of the two relative gaps it is MAE's that is larger, since it only falls like "
        "1/log(1/eps).",
        "the paper, section 4, for the leading order; the rest new",
        "exact times by their series at three vanishing starts, the slow limits by their slopes "
        "against log(1/eps)",
        route,
    )


def _single_layer_model(jepa: Law, mae: Law, nodes: tuple[Any, ...]) -> Model:
    values = {no.lam: sp.Rational(7, 5)}
    pairs = {name: Pair(law, values) for name, law in (("jepa", jepa), ("mae", mae))}
    starts = pairs["jepa"].modes[0].starts
    times = {
        name: [[mode.time(eps) for eps in starts] for mode in pair.modes]
        for name, pair in pairs.items()
    }
    logs = pairs["jepa"].modes[0].logs
    lam = values[no.lam]
    apart = {
        name: [lam * (second - first) for first, second in zip(*both, strict=True)]
        for name, both in times.items()
    }
    gaps = {
        name: [second / first - 1 for first, second in zip(*both, strict=True)]
        for name, both in times.items()
    }
    return {
        no.rho_1: LARGE,
        no.rho_2: SMALLER,
        no.lam: lam,
        nodes[0]: _vanishing(gaps["jepa"]),
        # like 1 / log: the quotient of its values at two starts is that of the logarithms
        nodes[1]: _like_inverse_log(gaps["mae"], logs),
        nodes[2]: sp.N((apart["jepa"][2] - apart["jepa"][1]) / (logs[2] - logs[1]), 30),
        nodes[3]: sp.N(apart["mae"][2], 30),
        nodes[4]: _vanishing([j / m for j, m in zip(gaps["jepa"], gaps["mae"], strict=True)]),
    }


def _vanishing(values: list[Any]) -> Any:
    """0 for what falls below every digit that counts; the last value otherwise."""
    return sp.S.Zero if abs(values[2]) < sp.Float("1e-60") else values[2]


def _like_inverse_log(values: list[Any], logs: list[Any]) -> Any:
    """0 if ``1 / value`` grows linearly in the logarithm, so that the value goes to 0."""
    inverse = [1 / one for one in values]
    slopes = [(inverse[j + 1] - inverse[j]) / (logs[j + 1] - logs[j]) for j in (0, 1)]
    even = abs(slopes[1] - slopes[0]) < abs(slopes[0]) * sp.Float("1e-20")
    return sp.S.Zero if even and slopes[0] != 0 else values[2]


# --- 11e: opposite orders -----------------------------------------------------------------------


def opposite_order_step(
    here: tuple[str, Law], other: tuple[str, Law], cases: Cases, depths: str
) -> Step:
    """When two objectives learn two modes in opposite order."""
    times = [sp.Function(f"t_{name}", positive=True) for name, _ in (here, other)]
    scaled = [sp.Function(f"S_{name}", positive=True) for name, _ in (here, other)]
    modes = ((no.lam_1, no.rho_1), (no.lam_2, no.rho_2))
    share = no.lam_1 / no.lam_2
    bounds = [S(no.rho_1) / S(no.rho_2) for S in scaled]
    reverse = sp.And(times[0](*modes[0]) > times[0](*modes[1]), times[1](*modes[0]) < times[1](*modes[1]))
    window = sp.And(share < bounds[0], share > bounds[1])
    claims = (
        equation(times[0](no.lam, no.rho), scaled[0](no.rho) / no.lam),
        equation(times[1](no.lam, no.rho), scaled[1](no.rho) / no.lam),
        sp.Equivalent(reverse, window),
    )

    def route(statement: sp.Tuple) -> None:
        parts = relations(statement, 3)
        seen = set()
        for values in cases:
            for model in _two_modes((here[1], other[1]), times, scaled, values):
                for relation in parts:
                    holds_in(relation, [model])
                seen.add(truth(reverse, model))
        if seen != {True, False}:
            raise DerivationError("both orders were never seen: nothing was checked")

    return Step(
        "11e",
        "When two objectives learn in opposite order",
        sp.Tuple(*claims),
        "A critical time is a function of rho (and eps, p, the depths) over lam: S_x(rho)/lam for "
        f"objective x. So {here[0]} learns mode 2 first and {other[0]} mode 1 first if and only if "
        "lam_1/lam_2 lies between the two quotients of S. At small eps each quotient is 1 plus a "
        "relative gap of step 11a: that is how wide the window is.",
        "the paper, section 4, for the existence; the boundary new",
        "both sides evaluated with exact times, at pairs of modes within the window and on either side "
        f"of a boundary, {depths}",
        route,
    )


def _two_modes(
    laws: tuple[Law, Law], times: list[Any], scaled: list[Any], values: Mapping[Any, Any]
) -> Iterator[Model]:
    depths = {key: one for key, one in values.items() if key.is_integer}
    low, high = sp.Rational(3, 10), sp.Rational(8, 10)
    plateaus = [value(law.plateau, {**depths, no.rho: low}) for law in laws]
    eps = sp.Rational(str(sp.N(min(plateaus) / 40, 3)))

    def exact(law: Law, lam: Any, rho: Any) -> Any:
        numbers = {**depths, no.lam: lam, no.rho: rho, no.eps: eps, no.p: HALF}
        return critical_time_by_series(law, numbers, 40)

    unit = [{rho: exact(law, sp.Integer(1), rho) for rho in (low, high)} for law in laws]
    for rhos in ((low, high), (high, low)):
        bounds = [one[rhos[0]] / one[rhos[1]] for one in unit]
        beside = [bounds[0] * (1 + sp.Rational(s, 100)) for s in (-1, 1)]
        for share in ((bounds[0] + bounds[1]) / 2, *beside):
            lams = (sp.Rational(str(sp.N(share, 12))), sp.Integer(1))
            model: dict[Any, Any] = {**depths, no.lam: lams[0], no.rho: rhos[0]}
            model |= dict(zip((no.lam_1, no.lam_2), lams, strict=True))
            model |= dict(zip((no.rho_1, no.rho_2), rhos, strict=True))
            for time, S, law, one in zip(times, scaled, laws, unit, strict=True):
                first = exact(law, lams[0], rhos[0])
                model |= {S(no.rho): one[rhos[0]], time(no.lam, no.rho): first}
                model |= {S(no.rho_1): one[rhos[0]], time(no.lam_1, no.rho_1): first}
                model |= {S(no.rho_2): one[rhos[1]], time(no.lam_2, no.rho_2): one[rhos[1]]}
            yield model

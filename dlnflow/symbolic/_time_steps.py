"""Steps 9 and 10: the integral, the critical time, and what the paper's formula leaves out."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product
from typing import Any

import mpmath
import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._judge import (
    DerivationError,
    Model,
    UndecidedError,
    holds_in,
    prove_one,
    prove_zero,
    value,
)
from dlnflow.symbolic._law import Law, any_order, at_condition, whole_order
from dlnflow.symbolic._limits import limit_holds, to_zero
from dlnflow.symbolic._notation import equation
from dlnflow.symbolic._series import (
    Asymptotics,
    critical_time_by_quadrature,
    elapsed,
    quadrature,
)
from dlnflow.symbolic._step import Step, definition

Cases = tuple[Mapping[Any, Any], ...]  # numbers for every symbol but eps and p

whole_c = sp.Symbol("c", integer=True, positive=True)
t_star, t_head, t_published = sp.symbols("t_star t_head t_published", positive=True)
remainder = sp.Function("R", real=True)
DEEP = 12  # encoder depth up to which the form that a symbolic order takes is tried


# --- 9: the integral ---------------------------------------------------------------------------


def integral_step(law: Law, cases: Cases, tried: str) -> Step:
    """Both closed forms of the antiderivative, and which one this law takes."""
    q = no.q
    claims = (
        equation(sp.Derivative(whole_order(q, whole_c - 1), q), q**-whole_c / (1 - q)),
        equation(sp.Derivative(any_order(q, no.c - 1), q), q**-no.c / (1 - q)),
        equation(no.elapsed(q), law.antiderivative(q)),
    )

    def route(statement: sp.Tuple) -> None:
        whole, other, here = statement
        holds_in(here, _integral_models(law, cases, here))
        holds_in(here, _series_models(law, here))
        _integrates(whole, whole_c, tuple(map(sp.Integer, range(1, 7))))
        _integrates(other, no.c, tuple(sp.Rational(k, 4) for k in (3, 5, 6, 9, 15)))
        _prove_by_induction(whole)
        _prove_by_series(other)
        _prove_instance(law, here, (whole, other))

    return Step(
        "9",
        "The integral",
        sp.Tuple(*claims),
        "The law separates, `kappa dt = dq / (q^c (1 - q))`, and the integral `T_c` has two closed "
        "forms: a sum and a logarithm for whole orders `c`, a hypergeometric function for all "
        "others. The last line is the form that this order takes. Only differences of `T_c` have "
        "a meaning.",
        "new (standard integrals; the paper integrates JEPA's case to leading orders)",
        "differences of the closed forms against quadrature of the integrand; for all whole `c` "
        "by induction, for all others by the coefficients of the power series; the form taken "
        "by algebra, against quadrature, and against the integrand's series at depths to 12",
        tried,
        route,
    )


def _prove_instance(law: Law, here: Any, forms: tuple[Any, Any]) -> None:
    """The form taken is one of the two above it with this law's order; branch by branch."""
    whole, other = (one.lhs.expr for one in forms)
    branches = here.rhs.args if isinstance(here.rhs, sp.Piecewise) else ((here.rhs, sp.true),)
    for form, when in branches:
        order = at_condition(law.order, when)
        if not any(_same(form, one) for one in _instances(whole, other, order)):
            raise UndecidedError(f"SymPy cannot decide {here}", statement=here)


def _instances(whole: Any, other: Any, order: Any) -> list[Any]:
    """The forms that an order can take: both, if it is a symbol's."""
    as_whole, as_other = whole.xreplace({whole_c: order}), other.xreplace({no.c: order})
    if not order.is_number:
        return [as_whole, as_other]
    return [as_whole.doit()] if order.is_Integer and order >= 1 else [as_other]


def _same(form: Any, other: Any) -> bool:
    """The same sums, term by term, and all else equal."""
    if form == other:
        return True
    sums = [sorted(one.atoms(sp.Sum), key=str) for one in (form, other)]
    if len(sums[0]) != len(sums[1]):
        return False
    held: dict[Any, Any] = {}
    for one, two in zip(*sums, strict=True):
        if one.function != two.function or sp.simplify(one.limits[0][2] - two.limits[0][2]) != 0:
            return False
        held |= dict.fromkeys((one, two), sp.Symbol(f"sum_{len(held)}"))
    return bool(sp.simplify(form.xreplace(held) - other.xreplace(held)) == 0)


def _integral_models(law: Law, cases: Cases, relation: Any) -> Iterator[Model]:
    """``T_c(q)`` as quadrature from a reference point, at which it is given its own value."""
    # near the end, where it is smallest: from a larger value the digits of a smaller would be lost
    reference = sp.Rational(9, 10)
    for values in cases:
        order = value(law.order, values)
        anchor = value(relation.rhs, {**values, no.q: reference})
        for q in (sp.Rational(1, 20), sp.Rational(4, 5)):
            area = quadrature(_integrand(order), reference, q)
            yield {**values, no.q: q, no.elapsed(no.q): anchor + area}


def _series_models(law: Law, relation: Any) -> Iterator[Model]:
    """``T_c(q)`` by the integrand's series, at every depth up to ``DEEP`` that the law has."""
    low, high = sp.Rational(1, 5), sp.Rational(3, 5)
    for depths in _depths_of(law):
        order = sp.sympify(law.order).xreplace(depths)
        anchor = value(relation.rhs, {**depths, no.q: high})  # the smaller value, for its digits
        with mpmath.workdps(45):
            c = mpmath.mpf(int(order.p)) / int(order.q)
            area = elapsed(c, mpmath.mpf(1) / 5, mpmath.mpf(3) / 5)
        yield {**depths, no.q: low, no.elapsed(no.q): sp.N(anchor, 45) - sp.Float(area, 45)}


def _depths_of(law: Law) -> list[dict[Any, Any]]:
    """Depths for the symbols in a law's order; one empty set if there are none."""
    symbols = [one for one in (no.L, no.P, no.m) if law.order.has(one)]
    if law.order.free_symbols - set(symbols):
        return []
    found = []
    for L, P in product(range(1, DEEP + 1), (1, 2, 3) if no.P in symbols else (1,)):
        for m in range(L + 1) if no.m in symbols else (1,):
            values = {no.L: sp.Integer(L), no.P: sp.Integer(P), no.m: sp.Integer(m)}
            gap = sp.sympify(law.gap).xreplace(values)
            if not gap.is_number or gap > 0:
                found.append({one: values[one] for one in symbols})
    return [dict(one) for one in dict.fromkeys(tuple(one.items()) for one in found)]


def _integrand(order: Any) -> Any:
    p, q = int(order.p), int(order.q)
    return lambda x: x ** (-mpmath.mpf(p) / q) / (1 - x)


@cache
def _integrates(relation: Any, symbol: Any, orders: tuple[Any, ...]) -> None:
    """Both sides against quadrature: the differentiated form's differences, and the integrand."""
    if not isinstance(relation.lhs, sp.Derivative) or relation.lhs.variables != (no.q,):
        raise DerivationError(f"{relation} is no derivative by q", statement=relation)
    low, high = sp.Rational(1, 10), sp.Rational(7, 10)
    area, difference = sp.symbols("area difference")
    for order in orders:
        ends = (value(relation.lhs.expr, {symbol: order, no.q: q}) for q in (high, low))
        whole = next(ends) - next(ends)
        model = {difference: whole, area: quadrature(_integrand(order), low, high), symbol: order}
        holds_in(equation(difference, area), [model])
        for q in (low, high):
            exact = sp.Symbol("integrand")
            here = {symbol: order, no.q: q, exact: q**-order / (1 - q)}
            holds_in(equation(relation.rhs, exact), [here])


@cache
def _prove_by_induction(relation: Any) -> None:
    """From ``c`` to ``c + 1`` the sum gains one term; at ``c = 1`` it is empty."""
    form, q, c = relation.lhs.expr, no.q, whole_c
    (total,) = form.atoms(sp.Sum)
    if total.function.has(c) or total.limits[0][:2] != (no.n, 1):
        raise UndecidedError(f"SymPy cannot decide {relation}", statement=relation)
    gained = total.function.xreplace({no.n: total.limits[0][2].xreplace({c: c + 1})})
    held = sp.Dummy("sum")
    outside = form.xreplace({total: held})
    grown = outside.xreplace({c: c + 1, held: held + gained})
    step = sp.diff(sp.expand(grown - outside), q)
    prove_zero((step - relation.rhs.xreplace({c: c + 1}) + relation.rhs) * q**c, relation)
    base = sp.diff(outside.xreplace({held: sp.Integer(0), c: sp.Integer(1)}), q)
    prove_zero(base - relation.rhs.xreplace({c: sp.Integer(1)}), relation)


@cache
def _prove_by_series(relation: Any) -> None:
    """Term ``j`` of the form's series differentiates to ``q**(j - c)``, the integrand's term."""
    form, q, c = relation.lhs.expr, no.q, no.c
    (series,) = form.atoms(sp.hyper)
    if series.argument != q:
        raise UndecidedError(f"SymPy cannot decide {relation}", statement=relation)
    j = sp.Symbol("j", integer=True, nonnegative=True)
    above = sp.prod([sp.rf(one, j) for one in series.ap])
    below = sp.prod([sp.rf(one, j) for one in series.bq]) * sp.factorial(j)
    coefficient = sp.gammasimp((above / below).rewrite(sp.gamma))
    term = sp.diff(form / series * coefficient * q**j, q)
    prove_zero(sp.simplify(term / q ** (j - c)) - 1, relation)
    prove_zero(relation.rhs * q**c * (1 - q) - 1, relation)


# --- 10: the critical time ---------------------------------------------------------------------


def critical_time_step(law: Law, cases: Cases, tried: str) -> Step:
    """The exact time to the fraction ``p`` of the plateau."""
    difference = no.elapsed(no.q_p) - no.elapsed(no.q_0)
    claims = (
        equation(no.q_0, law.start),
        equation(no.q_p, law.goal),
        equation(t_star, difference / no.kappa),
    )

    def route(statement: sp.Tuple) -> None:
        parts = statement
        models = list(_time_models(law, cases, parts))
        for relation in parts:
            holds_in(relation, models)
        _prove_time(law, parts)

    return Step(
        "10a",
        "The exact critical time",
        sp.Tuple(*claims),
        "The encoder starts at `w = eps`, and `w` is the fraction `p` of its plateau when the "
        "learned fraction is `q_p = p^(k/L)`. The time between is a difference of `T_c` over "
        "the rate. It holds for `q_0 < q_p`; a mode that starts above the fraction has critical "
        "time 0.",
        "new (exact; the paper has its leading orders)",
        "quadrature of `dw/f(w)` over the mode equation of step 5; and by algebra: its "
        "derivative by `eps` is `-1/f(eps)`, and it is 0 where `eps` is `p` times the plateau",
        tried,
        route,
    )


def _time_models(law: Law, cases: Cases, parts: tuple[Any, ...]) -> Iterator[Model]:
    rng = random.Random(7)
    for values in cases:
        there = law.at(values)
        fraction = sp.Rational(rng.randint(4, 8), 10)
        goal = fraction * sp.sympify(there.plateau)
        eps = sp.Rational(str(sp.N(goal / rng.randint(4, 40), 8)))
        numbers = {**values, no.eps: eps, no.p: fraction}
        amounts = dict(zip((no.q_0, no.q_p), (eps / there.plateau, fraction), strict=True))
        learned = {name: part**there.exponent for name, part in amounts.items()}
        closed = {
            no.elapsed(name): there.antiderivative(sp.N(q, 60)) for name, q in learned.items()
        }
        time = critical_time_by_quadrature(there.velocity(no.w), numbers, goal)
        yield {**numbers, **learned, **closed, t_star: time, no.kappa: value(law.rate, values)}


def _prove_time(law: Law, parts: tuple[Any, ...]) -> None:
    start, goal, time = (part.rhs.xreplace({no.kappa: law.rate}) for part in parts)
    at_start = sp.diff(time.xreplace({no.q_0: no.q}), no.q).doit()
    slope = sp.Derivative(no.elapsed(no.q), no.q)
    by_q = at_start.xreplace({slope: no.q**-law.order / (1 - no.q)})
    q = sp.powdenest(start.xreplace({no.eps: no.u**law.L}), force=True)
    prove_one(-by_q.xreplace({no.q: q}) * sp.diff(q, no.u) * law.speed * law.flow(no.u), parts[2])
    prove_one(start.xreplace({no.eps: no.p * law.plateau}) / goal, parts[2])
    prove_zero(time.xreplace({no.q_0: no.q_p}), parts[2])


# --- 10b: the published part -------------------------------------------------------------------


def paper_critical_time(objective: str, L: Any) -> Any:
    """The paper's critical times as printed, without their Theta terms."""
    if objective == "jepa":
        term = L / (no.n * no.rho ** (2 * L - no.n - 1) * no.eps ** (no.n / L))
        total = sp.Sum(term, (no.n, 1, 2 * L - 1)) / no.lam
        return total.doit() if L.is_Integer else total
    shallow = sp.log(1 / no.eps) / no.lam
    if L == 1:
        return shallow
    deep = L / ((L - 1) * no.lam * no.eps ** ((L - 1) / L))
    return deep if L.is_Integer else sp.Piecewise((shallow, sp.Eq(L, 1)), (deep, True))


def head_step(law: Law, published: Any, exact: tuple[Asymptotics, ...], tried: str) -> Step:
    """The part that grows as a power of ``1/eps``, and the paper's sum beside it."""
    name = t_head if published is None else t_published
    claims = [equation(name, law.short_head())]
    if published is not None:
        claims.append(equation(name, published))

    def route(statement: sp.Tuple) -> None:
        parts = statement
        for relation in parts:
            part = definition(relation, name).xreplace(law.short)
            for one in exact:
                _leaves_little(one, relation, part)
        if published is not None:
            _prove_published(law, parts)

    return Step(
        "10b",
        "Small starts: the part that grows as a power of 1/eps",
        sp.Tuple(*claims),
        "The integrand is the geometric series `q^-c + q^(1-c) + ...`; at a small start every term "
        "with an exponent below -1 contributes a power of `1/q_0`. "
        + (
            "Put together these are the paper's formula, term by term (second line), the logarithm "
            "at order 1 among them."
            if published is not None
            else "The paper has such a formula for JEPA and MAE with one decoder layer; this is "
            "its analogue."
        ),
        "the paper, theorem on critical times" if published is not None else "new",
        "the exact time, by its series with hundreds of digits, less this part grows like "
        "`log(1/eps)` (whole orders from 2) or not at all, which fixes it up to such terms"
        + ("; the two lines against each other by algebra" if published is not None else ""),
        tried,
        route,
    )


def _leaves_little(exact: Asymptotics, relation: Any, part: Any) -> None:
    left, slopes = exact.trend(part)
    small = sp.Float("1e-15") / abs(sp.N(value(exact.law.rate, exact.values), 30))
    flat = abs(slopes[1]) <= small
    if abs(slopes[1] - slopes[0]) > small or flat == exact.logarithmic:
        shown = {**exact.values, no.eps: exact.starts[-1]}
        raise DerivationError(
            f"{relation} does not hold: the exact time less it grows faster than Theta(log eps) or "
            f"Theta(1); it is {sp.N(left[-1], 6)} at {shown}",
            statement=relation,
            residual=left[-1],
            counterexample=shown,
        )


def _prove_published(law: Law, parts: tuple[Any, ...]) -> None:
    """Sums by their terms, everything else as it stands; branch by branch."""
    head, published = parts[0].rhs.xreplace(law.short), parts[1].rhs
    sums = [one.atoms(sp.Sum) for one in (head, published)]
    if all(sums):
        (one,), (other,) = sums
        if one.limits != other.limits:
            raise UndecidedError(f"SymPy cannot decide {parts[1]}", statement=parts[1])
        head = head.xreplace({one: one.function})
        published = published.xreplace({other: other.function})
    if isinstance(head, sp.Piecewise):
        for (formula, when), (printed, condition) in zip(head.args, published.args, strict=True):
            if when != condition:
                raise UndecidedError(f"SymPy cannot decide {parts[1]}", statement=parts[1])
            prove_one(formula / printed, parts[1])
        return
    prove_one(head / published, parts[1])


# --- 10c: the Theta terms ----------------------------------------------------------------------


def remainder_step(law: Law, exact: tuple[Asymptotics, ...], tried: str, in_paper: bool) -> Step:
    """What the published part leaves out, in full, and its limit."""
    scale, limit = law.remainder_limit()
    R = remainder(no.eps)
    quotient = to_zero(R / scale)
    claims = (equation(R, law.short_remainder()), equation(quotient, limit))

    def route(statement: sp.Tuple) -> None:
        full, asymptotic = (
            equation(one.lhs, one.rhs.xreplace(law.short)) if isinstance(one, sp.Eq) else one
            for one in statement
        )
        holds_in(full, _remainder_models(exact))
        for one in exact:
            left, slopes = one.trend(one.law.head())
            found = {quotient: sp.N(slopes[-1] if one.logarithmic else left[-1], 50)}
            pairs = zip(one.starts, left, strict=True)
            at = [{no.eps: eps, R: sp.N(there, 50)} for eps, there in pairs]
            limit_holds(asymptotic, found, at, {**one.values})
        for one in exact:
            _prove_limit(one, full, asymptotic)

    theta = (
        ": what the paper calls Theta(log eps) for JEPA and Theta(1) for MAE" if in_paper else ""
    )
    return Step(
        "10c",
        "What the published part leaves out",
        sp.Tuple(*claims),
        "`R(eps)` is the exact critical time less the part of step 10b, in full and without "
        "cancellation (`kappa` of step 8, `q_0` and `q_p` of step 10a)" + theta + ". Divided by "
        "its order it has a limit as `eps` goes to 0, which at whole orders from 2 is free of `p`.",
        "new (the paper states the orders)" if in_paper else "new",
        "the exact time by its series less the part of step 10b, with hundreds of digits, at "
        "moderate and at vanishing `eps`; the limit by SymPy",
        tried,
        route,
    )


def _remainder_models(exact: tuple[Asymptotics, ...]) -> Iterator[Model]:
    for one in exact:
        plateau = sp.Rational(str(sp.N(value(one.law.plateau, one.values), 8)))
        for eps in (plateau / 500, plateau / 10**9):
            left = one.left_over(one.law.head(), eps)
            yield {**one.values, no.eps: eps, remainder(no.eps): sp.N(left, 60)}


def _prove_limit(exact: Asymptotics, full: Any, asymptotic: Any) -> None:
    """By SymPy in ``x = q_0``, at concrete depths, for all lam, rho and p."""
    x = sp.Symbol("x", positive=True)
    depths = {key: one for key, one in exact.values.items() if key.is_integer}
    there = exact.law.at(depths)
    in_x = full.rhs.xreplace(depths).doit()
    in_x = in_x.xreplace({there.start: x, no.eps: (there.rho * x) ** (1 / there.exponent)})
    held: dict[Any, Any] = {}
    for node in in_x.atoms(sp.hyper):
        # at the start it is 1, with something finite times x; elsewhere a constant
        bounded = sp.Symbol(f"bounded_{len(held)}", positive=True)
        held[node] = 1 + x * bounded if node.argument.has(x) else bounded
    back = {one: node for node, one in held.items() if one.is_Symbol}
    in_x = in_x.xreplace(held)
    if exact.logarithmic:
        in_x = in_x / (-(sp.log(there.rho) + sp.log(x)) / there.exponent)
    found = sp.limit(in_x, x, 0, "+").xreplace(back)
    prove_zero(found - asymptotic.rhs.xreplace(depths).doit(), asymptotic)

"""Step 10: the critical time, and what the paper's formula leaves out."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._evaluate import (
    DerivationError,
    Model,
    all_hold_in,
    decided_by,
    holds_in,
    limit_holds,
    prove_one,
    prove_zero,
    to_zero,
    value,
)
from dlnflow.symbolic._hyperlogistic import HyperlogisticForm
from dlnflow.symbolic._notation import equation
from dlnflow.symbolic._series import (
    Asymptotics,
    Cases,
    CheckedForm,
    critical_time_by_quadrature,
)
from dlnflow.symbolic._step import Step, definition

t_star, t_head, t_published = sp.symbols("t_star t_head t_published", positive=True)
remainder = sp.Function("R", real=True)


def critical_time_step(here: CheckedForm) -> Step:
    """The exact time to the fraction ``p`` of the plateau."""
    form = here.form
    difference = no.elapsed(no.q_p) - no.elapsed(no.q_0)
    claims = (
        equation(no.q_0, form.q_0),
        equation(no.q_p, form.q_p),
        equation(t_star, difference / no.kappa),
    )

    def route(statement: sp.Tuple) -> None:
        all_hold_in(statement, _time_models(form, here.cases))
        _prove_time(form, statement)

    return Step(
        "10a",
        "The exact critical time",
        sp.Tuple(*claims),
        "The initialisation is `w = eps`, and `w` is the fraction `p` of its plateau when the "
        "learned fraction is `q_p = p^(k/L)`. The critical time is a difference of `T_c` divided "
        "by the rate. It holds for `q_0 < q_p`; a mode initialised above the fraction has "
        "critical time 0.",
        "the paper for JEPA at whole orders (Theorem 4.4 as restated by others, its implicit "
        "solution at `w = p` times the plateau); derived here otherwise. The paper's Theorem 4.5 "
        "has the leading orders",
        "quadrature of `dw/f(w)` over the mode equation of step 5; and by algebra: its "
        "derivative by `eps` is `-1/f(eps)`, and it is 0 where `eps` is `p` times the plateau",
        here.tried,
        route,
    )


def _time_models(form: HyperlogisticForm, cases: Cases) -> Iterator[Model]:
    rng = random.Random(7)
    for values in cases:
        there = form.at(values)
        fraction = sp.Rational(rng.randint(4, 8), 10)
        goal = fraction * there.plateau
        eps = sp.Rational(str(sp.N(goal / rng.randint(4, 40), 8)))
        numbers = {**values, no.eps: eps, no.p: fraction}
        amounts = dict(zip((no.q_0, no.q_p), (eps / there.plateau, fraction), strict=True))
        learned = {name: part**there.exponent for name, part in amounts.items()}
        closed = {
            no.elapsed(name): there.antiderivative(sp.N(q, 60)) for name, q in learned.items()
        }
        time = critical_time_by_quadrature(there.velocity(no.w), numbers, goal)
        yield {**numbers, **learned, **closed, t_star: time, no.kappa: value(form.rate, values)}


def _prove_time(form: HyperlogisticForm, parts: sp.Tuple) -> None:
    q_0, q_p, time = (part.rhs.xreplace({no.kappa: form.rate}) for part in parts)
    at_start = sp.diff(time.xreplace({no.q_0: no.q}), no.q).doit()
    slope = sp.Derivative(no.elapsed(no.q), no.q)
    by_q = at_start.xreplace({slope: no.q**-form.order / (1 - no.q)})
    q = sp.powdenest(q_0.xreplace({no.eps: no.u**form.L}), force=True)
    prove_one(-by_q.xreplace({no.q: q}) * sp.diff(q, no.u) * form.speed * form.flow(no.u), parts[2])
    prove_one(q_0.xreplace({no.eps: no.p * form.plateau}) / q_p, parts[2])
    prove_zero(time.xreplace({no.q_0: no.q_p}), parts[2])


def paper_critical_time(objective: str, L: Any) -> Any:
    """The paper's critical times (Theorem 4.5) without their Theta terms."""
    if objective == "jepa":
        term = L / (no.n * no.rho ** (2 * L - no.n - 1) * no.eps ** (no.n / L))
        total = sp.Sum(term, (no.n, 1, 2 * L - 1)) / no.lam
        return total.doit() if L.is_Integer else total
    shallow = sp.log(1 / no.eps) / no.lam
    if L == 1:
        return shallow
    deep = L / ((L - 1) * no.lam * no.eps ** ((L - 1) / L))
    return deep if L.is_Integer else sp.Piecewise((shallow, sp.Eq(L, 1)), (deep, True))


def head_step(here: CheckedForm, published: Any = None) -> Step:
    """The part that grows as a power of ``1/eps``, and the paper's sum beside it."""
    form = here.form
    name = t_head if published is None else t_published
    claims = [equation(name, form.short_head())]
    if published is not None:
        claims.append(equation(name, published))

    def route(statement: sp.Tuple) -> None:
        for relation in statement:
            part = definition(relation, name).xreplace(form.short)
            for one in here.exact:
                _leaves_little(one, relation, part)
        if published is not None:
            _prove_published(form, statement)

    return Step(
        "10b",
        "Small initialisation: the part that grows as a power of 1/eps",
        sp.Tuple(*claims),
        "The integrand is the geometric series `q^-c + q^(1-c) + ...`. Each term with an exponent "
        "below -1 contributes a power of `1/q_0`. "
        + (
            "Their sum is the paper's formula, term by term (second line); at order 1 it is a "
            "logarithm."
            if published is not None
            else "The paper has this formula for JEPA and MAE with one decoder layer; here it is "
            "derived for the other cases."
        ),
        "the paper (Theorem 4.5)" if published is not None else "derived here",
        "the exact time minus this part, by its series with hundreds of digits, grows like "
        "`log(1/eps)` (whole orders from 2) or is bounded, which fixes this part up to such terms"
        + ("; the two lines against each other by algebra" if published is not None else ""),
        here.tried,
        route,
    )


def _leaves_little(exact: Asymptotics, relation: Any, part: Any) -> None:
    left, slopes = exact.trend(part)
    small = sp.Float("1e-15") / abs(sp.N(value(exact.form.rate, exact.values), 30))
    flat = abs(slopes[1]) <= small
    if abs(slopes[1] - slopes[0]) > small or flat == exact.logarithmic:
        shown = {**exact.values, no.eps: exact.small_eps[-1]}
        raise DerivationError(
            f"{relation} does not hold: the remainder grows faster than Theta(log eps) or "
            f"Theta(1); it is {sp.N(left[-1], 6)} at {shown}",
            statement=relation,
            residual=left[-1],
            counterexample=shown,
        )


def _prove_published(form: HyperlogisticForm, parts: sp.Tuple) -> None:
    """Compares sums term by term, and the rest directly; branch by branch."""
    head, published = parts[0].rhs.xreplace(form.short), parts[1].rhs
    sums = [one.atoms(sp.Sum) for one in (head, published)]
    if all(sums):
        (one,), (other,) = sums
        decided_by(one.limits == other.limits, parts[1])
        head = head.xreplace({one: one.function})
        published = published.xreplace({other: other.function})
    pairs = [((head, True), (published, True))]
    if isinstance(head, sp.Piecewise):
        pairs = list(zip(head.args, published.args, strict=True))
    for (formula, when), (printed, condition) in pairs:
        decided_by(when == condition, parts[1])
        prove_one(formula / printed, parts[1])


def remainder_step(here: CheckedForm) -> Step:
    """The exact time minus the part of step 10b, and its limit."""
    form, exact = here.form, here.exact
    scale, limit = form.remainder_limit()
    R = remainder(no.eps)
    quotient = to_zero(R / scale)
    claims = (equation(R, form.short_remainder()), equation(quotient, limit))

    def route(statement: sp.Tuple) -> None:
        full, asymptotic = (
            equation(one.lhs, one.rhs.xreplace(form.short)) if isinstance(one, sp.Eq) else one
            for one in statement
        )
        holds_in(full, _remainder_models(exact))
        for one in exact:
            left, slopes = one.trend(one.form.head())
            found = {quotient: sp.N(slopes[-1] if one.logarithmic else left[-1], 50)}
            pairs = zip(one.small_eps, left, strict=True)
            at = [{no.eps: eps, R: sp.N(there, 50)} for eps, there in pairs]
            limit_holds(asymptotic, found, at, one.values)
            _prove_limit(one, full, asymptotic)

    theta = (
        ": what the paper calls Theta(log eps) for JEPA and Theta(1) for MAE"
        if here.in_paper
        else ""
    )
    return Step(
        "10c",
        "The remainder",
        sp.Tuple(*claims),
        "`R(eps)` is the exact critical time minus the part of step 10b, written without "
        "cancellation (`kappa` of step 8, `q_0` and `q_p` of step 10a)" + theta + ". Divided by "
        "its order it has a limit as `eps` goes to 0; at whole orders from 2 the limit does not "
        "depend on `p`.",
        "derived here; the paper (Theorem 4.5) has the orders" if here.in_paper else "derived here",
        "the exact time by its series minus the part of step 10b, with hundreds of digits, at "
        "moderate and at vanishing `eps`; the limit by SymPy",
        here.tried,
        route,
    )


def _remainder_models(exact: tuple[Asymptotics, ...]) -> Iterator[Model]:
    for one in exact:
        plateau = sp.Rational(str(sp.N(value(one.form.plateau, one.values), 8)))
        for eps in (plateau / 500, plateau / 10**9):
            left = one.left_over(one.form.head(), eps)
            yield {**one.values, no.eps: eps, remainder(no.eps): sp.N(left, 60)}


def _prove_limit(exact: Asymptotics, full: Any, asymptotic: Any) -> None:
    """Shows it by SymPy in ``x = q_0``, at concrete depths, for all lam, rho and p."""
    x = sp.Symbol("x", positive=True)
    depths = {key: one for key, one in exact.values.items() if key.is_integer}
    there = exact.form.at(depths)
    in_x = full.rhs.xreplace(depths).doit()
    in_x = in_x.xreplace({there.q_0: x, no.eps: (there.rho * x) ** (1 / there.exponent)})
    held: dict[Any, Any] = {}
    for node in in_x.atoms(sp.hyper):
        # of x it is 1 plus a bounded multiple of x; of anything else it is a constant
        bounded = sp.Symbol(f"bounded_{len(held)}", positive=True)
        held[node] = 1 + x * bounded if node.argument.has(x) else bounded
    back = {one: node for node, one in held.items() if one.is_Symbol}
    in_x = in_x.xreplace(held)
    if exact.logarithmic:
        in_x = in_x / (-(sp.log(there.rho) + sp.log(x)) / there.exponent)
    found = sp.limit(in_x, x, 0, "+").xreplace(back)
    prove_zero(found - asymptotic.rhs.xreplace(depths).doit(), asymptotic)

"""Step 9: the integral of a mode equation in closed form."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any

import mpmath
import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._evaluate import (
    DerivationError,
    Model,
    decided_by,
    holds_in,
    prove_zero,
    value,
)
from dlnflow.symbolic._hyperlogistic import HyperlogisticForm, any_order, at_condition, whole_order
from dlnflow.symbolic._notation import equation
from dlnflow.symbolic._series import Cases, CheckedForm, elapsed, quadrature
from dlnflow.symbolic._step import Step

whole_c = sp.Symbol("c", integer=True, positive=True)
DEEP = 12  # layers up to which the branches of a symbolic order are compared with the series


def integral_step(here: CheckedForm) -> Step:
    """Both closed forms of the antiderivative, and the one for this order."""
    q, form = no.q, here.form
    claims = (
        equation(sp.Derivative(whole_order(q, whole_c - 1), q), q**-whole_c / (1 - q)),
        equation(sp.Derivative(any_order(q, no.c - 1), q), q**-no.c / (1 - q)),
        equation(no.elapsed(q), form.antiderivative(q)),
    )

    def route(statement: sp.Tuple) -> None:
        whole, other, last = statement
        holds_in(last, _integral_models(form, here.cases, last))
        holds_in(last, _series_models(form, last))
        _integrates(whole, whole_c, tuple(map(sp.Integer, range(1, 7))))
        _integrates(other, no.c, tuple(sp.Rational(k, 4) for k in (3, 5, 6, 9, 15)))
        _prove_by_induction(whole)
        _prove_by_series(other)
        _prove_instance(form, last, (whole, other))

    return Step(
        "9",
        "The integral",
        sp.Tuple(*claims),
        "The equation of step 8 separates, `kappa dt = dq / (q^c (1 - q))`. The integral `T_c` has "
        "two closed forms: a sum and a logarithm for whole orders `c`, a hypergeometric function "
        "for all others. The last line is the one for this order. `T_c` is defined up to a "
        "constant; only its differences enter.",
        "the paper for JEPA: Theorem 4.4 as restated by others, the implicit solution at whole "
        "orders by the partial fractions of its Lemma B.6; derived here otherwise",
        "differences of the closed forms against quadrature of the integrand; for all whole `c` "
        "by induction, for all others by the coefficients of the power series; the last line "
        "by algebra, by quadrature, and by the integrand's series at depths to 12",
        here.tried,
        route,
    )


def _prove_instance(form: HyperlogisticForm, here: Any, closed_forms: tuple[Any, Any]) -> None:
    """Each branch of the last line is one of the two closed forms, at this order."""
    whole, other = (one.lhs.expr for one in closed_forms)
    branches = here.rhs.args if isinstance(here.rhs, sp.Piecewise) else ((here.rhs, sp.true),)
    for branch, when in branches:
        order = at_condition(form.order, when)
        decided_by(any(_same(branch, one) for one in _instances(whole, other, order)), here)


def _instances(whole: Any, other: Any, order: Any) -> list[Any]:
    """The closed forms possible at an order: both, if it contains symbols."""
    as_whole, as_other = whole.xreplace({whole_c: order}), other.xreplace({no.c: order})
    if not order.is_number:
        return [as_whole, as_other]
    return [as_whole.doit()] if order.is_Integer and order >= 1 else [as_other]


def _same(form: Any, other: Any) -> bool:
    """Whether two expressions have the same sums, term by term, and the same rest."""
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


def _integral_models(form: HyperlogisticForm, cases: Cases, relation: Any) -> Iterator[Model]:
    """``T_c(q)`` by quadrature from a reference point, where the claimed value is taken."""
    # near 1, where `T_c` is smallest: a larger reference value would cost digits of the others
    reference = sp.Rational(9, 10)
    for values in cases:
        order = value(form.order, values)
        anchor = value(relation.rhs, {**values, no.q: reference})
        for q in (sp.Rational(1, 20), sp.Rational(4, 5)):
            area = quadrature(_integrand(order), reference, q)
            yield {**values, no.q: q, no.elapsed(no.q): anchor + area}


def _series_models(form: HyperlogisticForm, relation: Any) -> Iterator[Model]:
    """``T_c(q)`` by the integrand's series, at every encoder depth up to ``DEEP``."""
    low, high = sp.Rational(1, 5), sp.Rational(3, 5)
    for depths in _depths_of(form):
        order = form.order.xreplace(depths)
        # the smaller value, for the same reason
        anchor = value(relation.rhs, {**depths, no.q: high})
        with mpmath.workdps(45):
            c = mpmath.mpf(int(order.p)) / int(order.q)
            area = elapsed(c, mpmath.mpf(1) / 5, mpmath.mpf(3) / 5)
        yield {**depths, no.q: low, no.elapsed(no.q): sp.N(anchor, 45) - sp.Float(area, 45)}


def _depths_of(form: HyperlogisticForm) -> list[dict[Any, Any]]:
    """Values of the depths in an order; one empty dictionary if it has none."""
    ranges = {no.L: range(1, DEEP + 1), no.P: range(1, 4), no.m: range(DEEP + 1)}
    symbols = [one for one in ranges if form.order.has(one)]
    if form.order.free_symbols - set(symbols):
        return []
    found = [
        dict(zip(symbols, map(sp.Integer, depths), strict=True))
        for depths in product(*(ranges[one] for one in symbols))
    ]
    return [
        one
        for one in found
        if one.get(no.m, 0) <= one.get(no.L, DEEP) and (form.gap.xreplace(one) > 0) != sp.false
    ]


def _integrand(order: Any) -> Any:
    p, q = int(order.p), int(order.q)
    return lambda x: x ** (-mpmath.mpf(p) / q) / (1 - x)


@cache
def _integrates(relation: Any, symbol: Any, orders: tuple[Any, ...]) -> None:
    """Compares both sides with quadrature: differences of the antiderivative, and the integrand."""
    if not isinstance(relation.lhs, sp.Derivative) or relation.lhs.variables != (no.q,):
        raise DerivationError(f"{relation} is no derivative by q", statement=relation)
    low, high = sp.Rational(1, 10), sp.Rational(7, 10)
    area, difference, integrand = sp.symbols("area difference integrand")
    for order in orders:
        at = [{symbol: order, no.q: q, integrand: q**-order / (1 - q)} for q in (low, high)]
        start, end = (value(relation.lhs.expr, one) for one in at)
        exact = quadrature(_integrand(order), low, high)
        holds_in(
            equation(difference, area), [{symbol: order, difference: end - start, area: exact}]
        )
        holds_in(equation(relation.rhs, integrand), at)


@cache
def _prove_by_induction(relation: Any) -> None:
    """From ``c`` to ``c + 1`` the sum gains one term; at ``c = 1`` it is empty."""
    form, q, c = relation.lhs.expr, no.q, whole_c
    (total,) = form.atoms(sp.Sum)
    decided_by(not total.function.has(c) and total.limits[0][:2] == (no.n, 1), relation)
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
    """Shows that the terms of the series differentiate to ``q**-c``, ``q**(1-c)`` and so on."""
    form, q, c = relation.lhs.expr, no.q, no.c
    (series,) = form.atoms(sp.hyper)
    decided_by(series.argument == q, relation)
    j = sp.Symbol("j", integer=True, nonnegative=True)
    # the derivative of term j without its coefficient, and the quotient of two coefficients
    term, following = (sp.diff(form / series * q**power, q) for power in (j, j + 1))
    grows = sp.prod([one + j for one in series.ap]) / sp.prod([one + j for one in series.bq])
    prove_zero(term.xreplace({j: sp.S.Zero}) * q**c - 1, relation)
    prove_zero(sp.cancel(sp.powsimp(following * grows / (j + 1) / term)) / q - 1, relation)
    prove_zero(relation.rhs * q**c * (1 - q) - 1, relation)

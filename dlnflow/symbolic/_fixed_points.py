"""Fixed points of any mode equation that is a sum of powers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any

import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._evaluate import DerivationError, Model, holds_in, value
from dlnflow.symbolic._hyperlogistic import HyperlogisticForm
from dlnflow.symbolic._mode_loss import powers_of
from dlnflow.symbolic._notation import equation
from dlnflow.symbolic._numeric_modes import GUARD, NumericMode, slope_at, velocity_and_slope
from dlnflow.symbolic._step import Step

HIGHEST_SOLVED = 2  # degree up to which roots are given as formulas
HIGHEST_FACTORED = 64  # degree up to which polynomials are factored; the cost grows fast


@dataclass(frozen=True)
class FixedPoint:
    """An amplitude at which ``dw/dt`` is 0.

    Attributes
    ----------
    w : sympy.Expr
        The amplitude.
    slope : sympy.Expr
        ``df/dw`` at ``w``, where ``f`` is ``dw/dt`` on the chosen clock.
    stable : bool or None
        None if the sign of ``slope`` depends on parameters.
    """

    w: Any
    slope: Any
    stable: bool | None


def of_form(form: HyperlogisticForm) -> tuple[FixedPoint, ...]:
    """The fixed points of a hyperlogistic equation: 0 and the plateau."""
    plateau = FixedPoint(form.plateau, -form.rate, True)
    if not form.rests_at_zero:
        return (plateau,)
    return FixedPoint(sp.S.Zero, _slope_at_zero(form.terms(no.w)), False), plateau


def _slope_at_zero(velocity: Any) -> Any:
    return powers_of(velocity, no.w).get(sp.S.One, 0)


def of_powers(velocity: Any, candidates: Iterable[Model]) -> tuple[tuple[FixedPoint, ...], Any]:
    """Fixed points of ``dw/dt``, and the equation of those without a formula, or None.

    Roots that are positive at no candidate are omitted.
    """
    terms = powers_of(velocity, no.w)
    lowest = next((one for one in terms if _is_lowest(one, terms)), None)
    if lowest is None:
        return (), equation(velocity, 0)
    found: list[FixedPoint] = []
    if lowest.is_positive:
        stable = _stability(terms[lowest])
        found.append(FixedPoint(sp.S.Zero, _slope_at_zero(velocity), stable))
    rest = {sp.expand(exponent - lowest): one for exponent, one in terms.items()}
    # the exponents are whole multiples of the unit
    unit = reduce(sp.gcd, rest) or 1 if all(one.is_Rational for one in rest) else None
    if unit is None or max(rest) > HIGHEST_FACTORED * unit:
        return tuple(found), equation(velocity, 0)
    y = sp.Symbol("y", positive=True)
    polynomial = sp.Poly(sum(one * y ** (e / unit) for e, one in rest.items()), y)
    if polynomial.degree() == 0:
        return tuple(found), None
    factors = [factor for factor, _ in polynomial.factor_list()[1]]
    solved = [one for one in factors if one.degree() <= HIGHEST_SOLVED]
    for root in (root for one in solved for root in sp.roots(one)):
        if not any(_positive(root, point) for point in candidates):
            continue
        w = root ** (1 / unit)
        slope = sp.simplify(sp.diff(velocity, no.w).subs(no.w, w))
        found.append(FixedPoint(w, slope, _stability(slope)))
    return tuple(found), None if len(solved) == len(factors) else equation(velocity, 0)


def _positive(root: Any, point: Model) -> bool:
    number_there = sp.N(value(root, point), 20)
    return bool(number_there.is_real and number_there > 0)


def positive_roots(points: tuple[FixedPoint, ...], parameters: Model) -> int:
    """The number of fixed points with positive amplitude at some parameters."""
    return sum(_positive(point.w, parameters) for point in points)


def _is_lowest(one: Any, exponents: Iterable[Any]) -> bool:
    return all(sp.expand(other - one).is_nonnegative for other in exponents)


def _stability(slope: Any) -> bool | None:
    if slope.is_positive:
        return False
    return True if slope.is_negative else None


def fixed_points_step(
    points: Iterable[FixedPoint], rest: Any, speed: Any, modes: Iterable[NumericMode], **words: str
) -> Step:
    """Step 7 for an equation that is not hyperlogistic."""
    claims = []
    for point in points:
        claims.append(equation(no.velocity(point.w), 0))
        if point.w != 0:
            claims.append(equation(slope_at(point.w), point.slope))
    open_ones = "" if rest is None else f" Further ones are the positive solutions of {rest}."

    def route(statement: sp.Tuple) -> None:
        for relation, claim in zip(statement, claims, strict=True):
            models = [one for mode in modes for one in _rest_models(claim.lhs, mode, speed)]
            if not models:
                raise DerivationError(
                    f"{relation} was not checked: the root is positive at no tried parameters",
                    statement=relation,
                )
            holds_in(relation, models)

    return Step(
        "7",
        "Fixed points",
        sp.Tuple(*claims),
        "`f(w)` is `dw/dt`. A fixed point is a root of it, stable where the slope is negative. "
        "Roots whose sign depends on parameters are fixed points only where they are positive; "
        "roots that are positive at none of 400 random parameters are omitted." + open_ones,
        route=route,
        **words,
    )


def _rest_models(node: Any, mode: NumericMode, speed: Any) -> Iterator[Model]:
    """The velocity or its slope at a root, if the root is positive at the mode's parameters."""
    is_slope = isinstance(node, sp.Subs)
    root = node.point[0] if is_slope else node.args[0]
    amplitude = sp.N(value(root, mode.values), GUARD)
    if not amplitude.is_real or amplitude < 0:
        return
    rate = value(speed, mode.values)
    if amplitude == 0:
        yield {**mode.values, node: sp.N(rate * mode.encoder(Fraction(0)), GUARD)}
        return
    velocity, slope = velocity_and_slope(mode, amplitude, rate)
    yield {**mode.values, node: slope if is_slope else velocity}

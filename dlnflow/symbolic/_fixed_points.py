"""Where a mode can rest, for any mode equation that is a sum of powers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from math import gcd
from typing import Any

import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._judge import DerivationError, Model, holds_in, value
from dlnflow.symbolic._law import Law
from dlnflow.symbolic._notation import equation
from dlnflow.symbolic._scalar import powers_of
from dlnflow.symbolic._step import Step
from dlnflow.symbolic._witness import number
from dlnflow.symbolic._worlds import GUARD, SMALL, World

HIGHEST_SOLVED = 2  # degree up to which roots are written out
HIGHEST_FACTORED = 64  # degree up to which factors are looked for, at a cost that grows fast


@dataclass(frozen=True)
class FixedPoint:
    """An amplitude at which a mode rests.

    Attributes
    ----------
    w : sympy.Expr
        The amplitude.
    slope : sympy.Expr
        ``df/dw`` there, ``f`` being the velocity on the chosen clock; not defined by powers at 0.
    stable : bool or None
        None if it depends on parameters.
    """

    w: Any
    slope: Any
    stable: bool | None


def of_law(law: Law) -> tuple[FixedPoint, ...]:
    """0 and the plateau."""
    resting = (FixedPoint(sp.S.Zero, _slope_at_zero(law.terms(no.w)), False),)
    plateau = FixedPoint(law.plateau, -law.rate, True)
    return (*resting, plateau) if law.rests_at_zero else (plateau,)


def _slope_at_zero(velocity: Any) -> Any:
    slopes = {exponent - 1: one for exponent, one in powers_of(velocity, no.w).items()}
    return sum(one for exponent, one in slopes.items() if exponent == 0)


def of_powers(velocity: Any, candidates: Iterable[Model]) -> tuple[tuple[FixedPoint, ...], Any]:
    """Fixed points of ``dw/dt``, and the equation of those that are not written out, or None.

    Roots that are positive for none of the candidates' parameters are left out.
    """
    terms = powers_of(velocity, no.w)
    exponents = list(terms)
    lowest = exponents[0] if len(exponents) == 1 else _lowest(exponents)
    if lowest is None:
        return (), equation(velocity, 0)
    found: list[FixedPoint] = []
    if lowest.is_positive:
        stable = _sign_says(terms[lowest])
        found.append(FixedPoint(sp.S.Zero, _slope_at_zero(velocity), stable))
    rest = {sp.expand(exponent - lowest): one for exponent, one in terms.items()}
    if not all(exponent.is_Rational for exponent in rest):
        return tuple(found), equation(velocity, 0)
    unit = _unit([sp.Rational(exponent) for exponent in rest])
    if max(rest) > HIGHEST_FACTORED * unit:
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
        found.append(FixedPoint(w, slope, _sign_says(slope)))
    return tuple(found), None if len(solved) == len(factors) else equation(velocity, 0)


def _positive(root: Any, point: Model) -> bool:
    number_there = sp.N(value(root, point), 20)
    return bool(number_there.is_real and number_there > 0)


def positive_roots(points: tuple[FixedPoint, ...], parameters: Model) -> int:
    """How many fixed points are positive amplitudes for some parameters."""
    return sum(_positive(point.w, parameters) for point in points)


def _lowest(exponents: list[Any]) -> Any:
    for one in exponents:
        if all(sp.expand(other - one).is_nonnegative for other in exponents):
            return one
    return None


def _unit(exponents: list[Any]) -> Any:
    """The largest rational of which all are whole multiples."""
    scale = reduce(sp.ilcm, (e.q for e in exponents), 1)
    return sp.Rational(reduce(gcd, (int(e * scale) for e in exponents if e), 0) or 1, scale)


def _sign_says(slope: Any) -> bool | None:
    if slope.is_positive:
        return False
    return True if slope.is_negative else None


def fixed_points_step(
    velocity: Any,
    points: tuple[FixedPoint, ...],
    rest: Any,
    speed: Any,
    worlds: Callable[[], Iterable[World]],
    how: str,
    tried: str,
) -> Step:
    """The fixed points of an equation outside the family."""
    f, w = no.velocity, no.w
    claims = []
    for point in points:
        claims.append(equation(f(point.w), 0))
        if point.w != 0:
            at = sp.Subs(sp.Derivative(f(w), w), w, point.w)
            claims.append(equation(at, point.slope))
    open_ones = "" if rest is None else f" Further ones are the positive solutions of {rest}."

    def route(statement: sp.Tuple) -> None:
        seen = [0] * len(claims)
        for world in worlds():
            for index, relation in enumerate(statement):
                for model in _rest_models(relation, claims[index].lhs, world, speed):
                    seen[index] += holds_in(relation, [model])
        if not all(seen):
            missed = statement[seen.index(0)]
            raise DerivationError(
                f"{missed} was seen at no tried parameters: the root is not positive there",
                statement=missed,
            )

    return Step(
        "7",
        "Fixed points",
        sp.Tuple(*claims),
        "`f(w)` is `dw/dt`. Where it vanishes a mode can rest; a negative slope there makes the "
        "rest stable. Roots whose sign depends on parameters are fixed points only where they are "
        "positive; those that were so at none of 400 random parameters are left out." + open_ones,
        "the user's loss",
        how,
        tried,
        route,
    )


def _rest_models(relation: Any, node: Any, world: World, speed: Any) -> Iterator[Model]:
    """The velocity, or its slope, at a root that is positive for a world's parameters."""
    is_slope = isinstance(node, sp.Subs)
    root = node.point[0] if is_slope else node.args[0]
    amplitude = sp.N(value(root, world.values), GUARD)
    if not amplitude.is_real or amplitude < 0:
        return
    rate = value(speed, world.values)
    u = Fraction(str(sp.N(amplitude ** sp.Rational(1, world.L), GUARD)))
    if u == 0:
        yield {**world.values, node: sp.N(rate * world.encoder(Fraction(0)), GUARD)}
        return
    pair = [u * (1 + sign * SMALL) for sign in (1, -1)]
    rise = rate * (world.encoder(pair[0]) - world.encoder(pair[1]))
    run = number(pair[0]) ** world.L - number(pair[1]) ** world.L
    slope = sp.N(rise / run, 50)
    if is_slope:
        yield {**world.values, node: slope}
        return
    here = sp.N(rate * world.encoder(u), GUARD)
    typical = abs(slope) * amplitude
    yield {**world.values, node: sp.S.Zero if abs(here) < typical * sp.Float("1e-40") else here}

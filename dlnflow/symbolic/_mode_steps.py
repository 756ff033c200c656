"""Steps 5 to 8: the equation of one mode, and the law that all modes share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any

import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._judge import Model, holds_in, prove_zero, value
from dlnflow.symbolic._law import Law
from dlnflow.symbolic._notation import equation
from dlnflow.symbolic._setting import Setting
from dlnflow.symbolic._step import Step, definition
from dlnflow.symbolic._witness import number
from dlnflow.symbolic._worlds import GUARD, SMALL, World, matrix_worlds, singular_values

Worlds = Callable[[], Iterable[World]]


def network_clock() -> tuple[Any, Any]:
    """``du/dt`` and ``dw/dt`` on the network clock."""
    tn = no.t_network
    return sp.Derivative(no.u_of(tn), tn), sp.Derivative(no.w_of(tn), tn)


# --- 5: the mode equation ----------------------------------------------------------------------


def mode_step(
    flow: Any,
    L: Any,
    terms: Callable[[Any], Any],
    worlds: Worlds,
    *,
    by_layer: Any,
    loss: str,
    how: str,
    tried: str,
    source: str,
) -> Step:
    """``du/dt``, then ``dw/dt`` on both clocks: ``L terms(w)``, and without the factor ``L``.

    ``by_layer`` is the velocity of layer ``a`` as step 2 has it.
    """
    tn, tp = no.t_network, no.t_paper
    du, dw = network_clock()
    paper = sp.Derivative(no.w_of(tp), tp)
    claims = (
        equation(du, flow.xreplace({no.u: no.u_of(tn)})),
        equation(dw, sp.Mul(L, terms(no.w_of(tn)), evaluate=L == 1)),
        equation(paper, terms(no.w_of(tp))),
    )

    def models() -> Iterator[Model]:
        for world in worlds():
            for u in singular_values():
                along = world.encoder(u)
                common = dict(world.values)
                for name in (no.w_of(tn), no.w_of(tp)):
                    common[name] = number(u) ** world.L
                common |= {no.u_of(tn): number(u), dw: along, paper: along / world.L}
                for velocity in world.layers(u):
                    yield common | {du: velocity}

    def route(statement: sp.Tuple) -> None:
        of_layer, of_encoder, of_paper = statement
        found = list(models())
        for relation in statement:
            holds_in(relation, found)
        flow_of_u = of_layer.rhs.xreplace({no.u_of(tn): no.u})
        prove_zero(flow_of_u - by_layer, of_layer)
        in_w = of_encoder.rhs.xreplace({no.w_of(tn): no.u**L})
        prove_zero(in_w - L * no.u ** (L - 1) * flow_of_u, of_encoder)
        prove_zero(of_paper.rhs.xreplace({no.w_of(tp): no.u**L}) - in_w / L, of_paper)

    return Step(
        "5",
        "The equation of one mode",
        sp.Tuple(*claims),
        "At balance all layers carry a mode with one singular value `u`, and the derivative of "
        f"its loss is the same for each; the loss is, up to a constant, {loss}. The encoder's "
        "amplitude is `w = u^L`, so by the chain rule `dw/dt = L u^(L-1) du/dt`: `L` layers "
        "move at once. That factor `L` belongs to the network's own time. The paper leaves it "
        "out, so its clock runs `L` times as fast, `t_paper = L t_network`, and the third "
        "equation has none.",
        source,
        how,
        tried,
        route,
    )


# --- 6: the paper's equations ------------------------------------------------------------------


def paper_velocity(objective: str, L: Any, w: Any) -> Any:
    """The right-hand sides that the paper prints, as printed."""
    power = {"jepa": w ** (3 - 1 / L), "mae": w ** (2 - 1 / L)}[objective]
    return no.lam * power - no.lam * w**3 / no.rho


def paper_step(setting: Setting, velocity: Callable[[Setting], Any]) -> Step:
    """The derived equation beside the paper's; between its two objectives, both ends."""
    names = [setting.objective] if setting.objective in ("jepa", "mae") else ["jepa", "mae"]
    ends = {name: _end(setting, name) for name in names}
    paper = {name: sp.Derivative(no.w_of(no.t_paper), no.t_paper) for name in names}
    claims = [
        equation(velocity(end), paper_velocity(name, setting.L, no.w)) for name, end in ends.items()
    ]

    def models(name: str) -> Iterator[Model]:
        for world in matrix_worlds(ends[name]):
            for u in singular_values():
                yield {
                    **world.values,
                    no.w: number(u) ** world.L,
                    paper[name]: world.encoder(u) / world.L,
                }

    def route(statement: sp.Tuple) -> None:
        for name, relation in zip(names, statement, strict=True):
            found = list(models(name))
            for side in (relation.lhs, relation.rhs):
                holds_in(equation(paper[name], side), found)
            prove_zero(relation.lhs - relation.rhs, relation)

    direct = setting.in_paper
    return Step(
        "6",
        "The paper's equations",
        sp.Tuple(*claims),
        (
            "On the paper's clock the derived equation (left) is the one the paper prints (right)."
            if direct
            else "The paper has one decoder layer and two targets. There, with the target moved to "
            "the latent representation (`m = L`) or the data (`m = 0`), the derived equation "
            "(left) is the one the paper prints (right)."
        )
        + " The exponent of the growing term is all that distinguishes the objectives: `3 - 1/L` "
        "for JEPA, `2 - 1/L` for MAE.",
        "the paper, theorem on the dynamics of JEPA and MAE",
        "the derived side against the printed side by algebra, and each against the velocity of "
        "explicit matrices at random modes",
        setting.tried,
        route,
    )


def _end(setting: Setting, name: str) -> Setting:
    m = setting.L if name == "jepa" else sp.Integer(0)
    return Setting(name, setting.L, sp.Integer(1), m, "paper")


# --- 7: fixed points ---------------------------------------------------------------------------


def fixed_point_step(
    law: Law, worlds: Worlds, *, words: str, how: str, tried: str, source: str
) -> Step:
    """Where a mode can rest, and which rest is stable."""
    f, w, rest = no.velocity, no.w, no.w_plateau
    slope = sp.Subs(sp.Derivative(f(w), w), w, rest)
    starts_at_rest = law.rests_at_zero
    claims = (
        equation(rest, law.plateau),
        equation(f(rest), 0),
        equation(slope, -law.rate),
        sp.Implies(w < rest, f(w) > 0),
        sp.Implies(w > rest, f(w) < 0),
        *((equation(f(0), 0),) if starts_at_rest else ()),
    )

    def route(statement: sp.Tuple) -> None:
        plateau, resting, sloping, below, above, *zero = statement
        claimed = definition(plateau, rest)
        for world in worlds():
            model = _at_rest(world, value(claimed, world.values), law)
            for relation in (plateau, resting, sloping, *zero):
                holds_in(relation, [model])
            for relation in (below, above):
                holds_in(relation, _beside(world, model, law))
        prove_zero(law.velocity(w).xreplace({w: claimed}), resting)
        at_rest = sp.diff(law.velocity(w), w).xreplace({w: claimed})
        prove_zero(at_rest - sloping.rhs, sloping)

    return Step(
        "7",
        "Fixed points and the plateau",
        sp.Tuple(*claims),
        "`f(w)` is `dw/dt`, from here on for a mode with positive `lam` and `rho` (with "
        "negative ones both terms pull to 0, and nothing is learned). "
        + ("A mode rests at 0, which is unstable, and " if starts_at_rest else "A mode rests ")
        + words
        + " That plateau attracts from both sides, at the rate `kappa` of step 8.",
        source,
        how,
        tried,
        route,
    )


def _speed(world: World, law: Law) -> Any:
    """``dw/dt`` on the clock per ``dw/dt`` on the network's."""
    return value(law.speed, world.values)


def _root(w: Any, L: int) -> Fraction:
    """The singular value of an amplitude, as a fraction right to all digits carried."""
    return Fraction(str(sp.N(sp.N(w, GUARD) ** sp.Rational(1, L), GUARD)))


def _at_rest(world: World, plateau: Any, law: Law) -> Model:
    """The velocity and its slope at what is claimed to be the plateau; rounding taken for 0."""
    u, speed = _root(plateau, world.L), _speed(world, law)
    steps = [u * (1 + sign * SMALL) for sign in (1, -1)]
    ahead, behind = (speed * world.encoder(one) for one in steps)
    distance = number(steps[0]) ** world.L - number(steps[1]) ** world.L
    slope = sp.N((ahead - behind) / distance, GUARD)
    here = sp.N(speed * world.encoder(u), GUARD)
    typical = abs(slope) * number(u) ** world.L
    rest = sp.Integer(0) if abs(here) < typical * sp.Float("1e-50") else here
    w, f = no.w, no.velocity
    return {
        **world.values,
        no.w_plateau: plateau,
        f(0): speed * world.encoder(Fraction(0)),
        f(no.w_plateau): rest,
        sp.Subs(sp.Derivative(f(w), w), w, no.w_plateau): slope,
    }


def _beside(world: World, at_rest: Model, law: Law) -> Iterator[Model]:
    """Points below and above the plateau."""
    u = _root(at_rest[no.w_plateau], world.L)
    for factor in (Fraction(1, 10), Fraction(7, 10), Fraction(13, 10), Fraction(4)):
        moved = (u * factor).limit_denominator(1000)
        velocity = _speed(world, law) * world.encoder(moved)
        here = {no.w: number(moved) ** world.L, no.velocity(no.w): velocity}
        yield {**world.values, no.w_plateau: at_rest[no.w_plateau], **here}


# --- 8: the law --------------------------------------------------------------------------------


def law_step(law: Law, worlds: Worlds, *, words: str, how: str, tried: str, source: str) -> Step:
    """The learned fraction, its order and rate, and the equation they give."""
    of_time = no.q_of(no.t)
    change = sp.Derivative(of_time, no.t)
    claims = (
        equation(no.q, no.w**law.exponent / law.rho),
        equation(no.c, law.order),
        equation(no.kappa, law.rate),
        equation(change, no.kappa * of_time**no.c * (1 - of_time)),
    )

    def route(statement: sp.Tuple) -> None:
        parts = statement
        fraction, order, rate, equation_of_q = parts
        known = {no.c: definition(order, no.c), no.kappa: definition(rate, no.kappa)}
        for world in worlds():
            for u in singular_values(count=2):
                model = _fraction_model(world, u, law, change)
                holds_in(fraction, [model])
                model |= {symbol: value(one, model) for symbol, one in known.items()}
                holds_in(equation_of_q, [model])
        _prove_law(law, fraction, known, equation_of_q)

    return Step(
        "8",
        "One law for every mode",
        sp.Tuple(*claims),
        words
        + " Then everything but `q` itself enters only through an order `c` and a rate `kappa` (on "
        "the chosen clock): Blumberg's hyperlogistic law of growth.",
        source,
        how,
        tried,
        route,
    )


def _fraction_model(world: World, u: Fraction, law: Law, change: Any) -> dict[Any, Any]:
    """The learned fraction and its velocity, from the network's own map."""
    speed = _speed(world, law)
    velocity = Fraction(str(sp.N(speed * world.layers(u)[0], GUARD)))
    rho = value(law.rho, world.values)
    here = world.regression(u)
    if here is None:
        k = value(law.gap, world.values)
        fraction = sp.N(number(u) ** k / rho, GUARD)
        rate = fraction * k * number(velocity) / number(u)
    else:
        step = SMALL * u / abs(velocity) if velocity else SMALL
        ahead, behind = (world.regression(u + s * step * velocity) for s in (1, -1))
        fraction, rate = here / rho, sp.N((ahead - behind) / (2 * number(step)) / rho, GUARD)
    amplitude = number(u) ** world.L
    return {
        **world.values,
        no.w: amplitude,
        no.q: fraction,
        no.q_of(no.t): fraction,
        change: rate,
    }


def _prove_law(law: Law, fraction: Any, known: dict[Any, Any], equation_of_q: Any) -> None:
    """By the chain rule from the mode equation, for all values of the symbols."""
    q, w = fraction.rhs, no.w
    by_chain = sp.diff(q, w) * law.velocity(w)
    claimed = equation_of_q.rhs.xreplace({no.q_of(no.t): no.q}).xreplace({**known, no.q: q})
    # in u, so that every power has the exponent of a layer count
    both = (by_chain - claimed).xreplace({w: no.u**law.L})
    prove_zero(both / no.u ** (law.growth - 1), equation_of_q)

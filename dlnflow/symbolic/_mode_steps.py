"""Steps 5 to 8: the equation of one mode, its fixed points, and its hyperlogistic form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any

import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._architecture import Architecture
from dlnflow.symbolic._evaluate import Model, all_hold_in, holds_in, prove_zero, value
from dlnflow.symbolic._explicit_network import number
from dlnflow.symbolic._hyperlogistic import HyperlogisticForm
from dlnflow.symbolic._mode_loss import amplitude_velocity
from dlnflow.symbolic._notation import equation
from dlnflow.symbolic._numeric_modes import (
    GUARD,
    SMALL,
    NumericMode,
    network_modes,
    singular_value,
    singular_values,
    slope_at,
    velocity_and_slope,
)
from dlnflow.symbolic._series import CheckedForm
from dlnflow.symbolic._step import Step, definition


def mode_step(
    flow: Any, L: Any, modes: Iterable[NumericMode], by_layer: Any, *, loss: str, **words: str
) -> Step:
    """``du/dt``, then ``dw/dt`` on both clocks: ``L terms(w)``, and without the factor ``L``.

    ``by_layer`` is the velocity of layer ``a`` by step 2.
    """
    tn, tp = no.t_network, no.t_paper
    du, dw, paper = (
        sp.Derivative(of(t), t) for of, t in ((no.u_of, tn), (no.w_of, tn), (no.w_of, tp))
    )
    terms = amplitude_velocity(flow, L)
    claims = (
        equation(du, flow.xreplace({no.u: no.u_of(tn)})),
        equation(dw, sp.Mul(L, terms.xreplace({no.w: no.w_of(tn)}), evaluate=L == 1)),
        equation(paper, terms.xreplace({no.w: no.w_of(tp)})),
    )

    def models() -> Iterator[Model]:
        for mode in modes:
            for u in singular_values():
                along, w = mode.encoder(u), number(u) ** mode.L
                common = {**mode.values, no.u_of(tn): number(u), no.w_of(tn): w, no.w_of(tp): w}
                for velocity in mode.layers(u):
                    yield common | {dw: along, paper: along / mode.L, du: velocity}

    def route(statement: sp.Tuple) -> None:
        of_layer, of_encoder, of_paper = statement
        all_hold_in(statement, models())
        flow_of_u = of_layer.rhs.xreplace({no.u_of(tn): no.u})
        prove_zero(flow_of_u - by_layer, of_layer)
        in_w = of_encoder.rhs.xreplace({no.w_of(tn): no.u**L})
        prove_zero(in_w - L * no.u ** (L - 1) * flow_of_u, of_encoder)
        prove_zero(of_paper.rhs.xreplace({no.w_of(tp): no.u**L}) - in_w / L, of_paper)

    return Step(
        "5",
        "The equation of one mode",
        sp.Tuple(*claims),
        "In balanced layers a mode has the same singular value `u` in every layer, and the "
        f"derivative of its loss is the same for each layer. Up to a constant the loss is {loss}. "
        "The encoder's amplitude is `w = u^L`, so `dw/dt = L u^(L-1) du/dt` by the chain rule. "
        "The factor `L` holds in the network's own time. The paper's critical times imply a mode "
        "equation without it, hence a clock that runs `L` times as fast, `t_paper = L t_network`; "
        "the third equation is on that clock. Whether the paper prints its mode equations with "
        "the factor `L` could not be checked.",
        route=route,
        **words,
    )


def paper_velocity(objective: str, L: Any, w: Any) -> Any:
    """The right-hand sides of the paper's mode equations, as its critical times imply them."""
    power = {"jepa": w ** (3 - 1 / L), "mae": w ** (2 - 1 / L)}[objective]
    return no.lam * power - no.lam * w**3 / no.rho


def paper_step(architecture: Architecture, velocity: Callable[[Architecture], Any]) -> Step:
    """The derived equation and the paper's; for other targets, at both of the paper's."""
    named = architecture.objective in ("jepa", "mae")
    names = [architecture.objective] if named else ["jepa", "mae"]
    ends = [architecture.of_paper(name) for name in names]
    change = sp.Derivative(no.w_of(no.t_paper), no.t_paper)
    claims = [
        equation(velocity(end), paper_velocity(end.objective, architecture.L, no.w)) for end in ends
    ]

    def route(statement: sp.Tuple) -> None:
        for end, relation in zip(ends, statement, strict=True):
            sides = [equation(change, side) for side in (relation.lhs, relation.rhs)]
            all_hold_in(sides, _velocities(network_modes(end), no.w, change, end.speed))
            prove_zero(relation.lhs - relation.rhs, relation)

    return Step(
        "6",
        "The paper's equations",
        sp.Tuple(*claims),
        (
            "On the paper's clock the derived equation (left) is the paper's (right), as its "
            "critical times imply it."
            if architecture.in_paper
            else "The paper has one decoder layer and two targets. With the target at the latent "
            "representation (`m = L`) or the data (`m = 0`), the derived equation (left) is the "
            "paper's (right), as its critical times imply it."
        )
        + " The objectives differ only in the exponent of the growing term: `3 - 1/L` for JEPA, "
        "`2 - 1/L` for MAE.",
        "the paper for JEPA and MAE, as its critical times (Theorem 4.5) imply",
        "both sides against each other by algebra, and each against the velocity of explicit "
        "matrices at random modes",
        architecture.tried,
        route,
    )


def fixed_point_step(here: CheckedForm, where: str, how: str, source: str) -> Step:
    """The fixed points of a mode, and their stability."""
    f, w, rest, form = no.velocity, no.w, no.w_plateau, here.form
    claims = (
        equation(rest, form.plateau),
        equation(f(rest), 0),
        equation(slope_at(rest), -form.rate),
        sp.Implies(w < rest, f(w) > 0),
        sp.Implies(w > rest, f(w) < 0),
        *((equation(f(0), 0),) if form.rests_at_zero else ()),
    )

    def route(statement: sp.Tuple) -> None:
        plateau, resting, sloping, below, above, *zero = statement
        claimed = definition(plateau, rest)
        for mode in here.modes:
            model = _rest_model(mode, value(claimed, mode.values), form)
            all_hold_in((plateau, resting, sloping, *zero), [model])
            all_hold_in((below, above), _beside(mode, model, form))
        prove_zero(form.velocity(w).xreplace({w: claimed}), resting)
        at_rest = sp.diff(form.velocity(w), w).xreplace({w: claimed})
        prove_zero(at_rest - sloping.rhs, sloping)

    return Step(
        "7",
        "Fixed points and the plateau",
        sp.Tuple(*claims),
        "`f(w)` is `dw/dt`. From here on `lam` and `rho` are positive; where they are negative "
        "both terms are, and the mode is not learned. "
        + ("There is an unstable fixed point at 0, and one " if form.rests_at_zero else "It is 0 ")
        + where
        + " That plateau is stable, with the rate `kappa` of step 8.",
        source,
        how,
        here.tried,
        route,
    )


def _speed(mode: NumericMode, form: HyperlogisticForm) -> Any:
    """Network time in one unit of the clock."""
    return value(form.speed, mode.values)


def _rest_model(mode: NumericMode, plateau: Any, form: HyperlogisticForm) -> Model:
    """The velocity and its slope at the claimed plateau."""
    speed, f = _speed(mode, form), no.velocity
    rest, slope = velocity_and_slope(mode, plateau, speed)
    return {
        **mode.values,
        no.w_plateau: plateau,
        f(0): speed * mode.encoder(Fraction(0)),
        f(no.w_plateau): rest,
        slope_at(no.w_plateau): slope,
    }


def _beside(mode: NumericMode, at_rest: Model, form: HyperlogisticForm) -> Iterator[Model]:
    """Points below and above the plateau."""
    u = singular_value(at_rest[no.w_plateau], mode.L)
    for factor in (Fraction(1, 10), Fraction(7, 10), Fraction(13, 10), Fraction(4)):
        moved = (u * factor).limit_denominator(1000)
        velocity = _speed(mode, form) * mode.encoder(moved)
        here = {no.w: number(moved) ** mode.L, no.velocity(no.w): velocity}
        yield {**mode.values, no.w_plateau: at_rest[no.w_plateau], **here}


def learned_fraction_step(here: CheckedForm, what: str, how: str, source: str) -> Step:
    """The learned fraction, its order and rate, and the equation they give."""
    form, of_time = here.form, no.q_of(no.t)
    change = sp.Derivative(of_time, no.t)
    claims = (
        equation(no.q, no.w**form.exponent / form.rho),
        equation(no.c, form.order),
        equation(no.kappa, form.rate),
        equation(change, no.kappa * of_time**no.c * (1 - of_time)),
    )

    def route(statement: sp.Tuple) -> None:
        fraction, order, rate, equation_of_q = statement
        known = {no.c: definition(order, no.c), no.kappa: definition(rate, no.kappa)}
        for mode in here.modes:
            for u in singular_values(count=2):
                model = _fraction_model(mode, u, form, change)
                holds_in(fraction, [model])
                model |= {symbol: value(one, model) for symbol, one in known.items()}
                holds_in(equation_of_q, [model])
        _prove_learned_fraction(form, fraction, known, equation_of_q)

    return Step(
        "8",
        "One equation for all modes",
        sp.Tuple(*claims),
        what + " Its equation is Blumberg's hyperlogistic equation. Modes and objectives differ "
        "only in two constants, the order `c` and the rate `kappa` (on the chosen clock). The "
        "exponent of `rho` in `kappa` is `c - 1`.",
        source,
        how,
        here.tried,
        route,
    )


def _fraction_model(
    mode: NumericMode, u: Fraction, form: HyperlogisticForm, change: Any
) -> dict[Any, Any]:
    """The learned fraction and its velocity, from the network's prediction and target."""
    speed = _speed(mode, form)
    velocity = Fraction(str(sp.N(speed * mode.layers(u)[0], GUARD)))
    rho = value(form.rho, mode.values)
    here = mode.regression(u)
    if here is None:
        k = value(form.gap, mode.values)
        fraction = sp.N(number(u) ** k / rho, GUARD)
        rate = fraction * k * number(velocity) / number(u)
    else:
        step = SMALL * u / abs(velocity) if velocity else SMALL
        ahead, behind = (mode.regression(u + s * step * velocity) for s in (1, -1))
        fraction, rate = here / rho, sp.N((ahead - behind) / (2 * number(step)) / rho, GUARD)
    amplitude = number(u) ** mode.L
    return {**mode.values, no.w: amplitude, no.q: fraction, no.q_of(no.t): fraction, change: rate}


def _prove_learned_fraction(
    form: HyperlogisticForm, fraction: Any, known: dict[Any, Any], equation_of_q: Any
) -> None:
    """Shows it by the chain rule from the mode equation, for all values of the symbols."""
    q, w = fraction.rhs, no.w
    by_chain = sp.diff(q, w) * form.velocity(w)
    claimed = equation_of_q.rhs.xreplace({no.q_of(no.t): no.q}).xreplace({**known, no.q: q})
    # in u, so that every exponent is a number of layers
    both = (by_chain - claimed).xreplace({w: no.u**form.L})
    prove_zero(both / no.u ** (form.growth - 1), equation_of_q)


def refute(conjecture: Any, modes: Iterable[NumericMode], speed: Any) -> None:
    """Compare a conjectured ``dw/dt`` with the velocities of modes; ``speed`` is the clock's."""
    change, amplitude = sp.Derivative(no.w_of(no.t), no.t), no.w_of(no.t)
    claimed = conjecture if isinstance(conjecture, sp.Eq) else equation(change, conjecture)
    rhs = sp.nsimplify(claimed.rhs, rational=True).xreplace({no.w: amplitude})
    holds_in(equation(claimed.lhs, rhs), _velocities(modes, amplitude, change, speed))


def _velocities(
    modes: Iterable[NumericMode], amplitude: Any, change: Any, speed: Any
) -> Iterator[Model]:
    """The velocity of each mode at random amplitudes, on a clock of this speed."""
    for mode in modes:
        for u in singular_values():
            moving = value(speed, mode.values) * mode.encoder(u)
            yield {**mode.values, amplitude: number(u) ** mode.L, change: moving}

"""Steps 11b to 11e: consequences of the critical times for the order of learning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._evaluate import (
    DerivationError,
    Model,
    all_hold_in,
    decided_by,
    limit_holds,
    prove_zero,
    to_zero,
    truth,
    value,
)
from dlnflow.symbolic._gap import ModePair, RelativeGap, depths_in, gap_of, prove_gap, without_rho
from dlnflow.symbolic._hyperlogistic import HyperlogisticForm
from dlnflow.symbolic._notation import equation
from dlnflow.symbolic._series import Cases, CheckedForm, critical_time_by_series
from dlnflow.symbolic._step import Step

next_gap_of = sp.Function("G_next", real=True)
QUOTIENT = to_zero(next_gap_of(no.eps) / gap_of(no.eps))


def depth_step(
    here: CheckedForm, deeper: HyperlogisticForm, what: str, by_rho: bool
) -> Step | None:
    """The relative gap with one more layer; None if its trend differs between depths."""
    gaps = RelativeGap(here.form), RelativeGap(deeper)
    limit = _ratio_limit(*gaps, here.cases)
    if limit is None:
        return None
    encoder = what == "encoder"
    claimed = equation(QUOTIENT, limit)
    unless = any(one.may_vanish for one in gaps)
    if unless:
        claimed = sp.Implies(sp.Ne(gaps[0].coefficient(), 0), claimed)

    def route(statement: sp.Tuple) -> None:
        (claim,) = statement
        relation = claim.args[1] if unless else claim
        for values in here.cases:
            _compare_ratio(gaps, values, relation)
            _prove_ratio(gaps, values, relation)

    words = {sp.oo: "grows without bound", sp.S.Zero: "vanishes"}.get(limit, "stays finite")
    return Step(
        "11b" if encoder else "11d",
        "A deeper encoder" if encoder else "A deeper decoder",
        sp.Tuple(claimed),
        f"`G` is the relative gap of step 11a, `G_next` the gap with one more {what} layer. "
        f"At small `eps` their quotient {words}"
        + _meaning(encoder, limit, by_rho)
        + (
            " With the data as target the coefficient of step 11a is 0 at one `p` for each depth "
            "except `L = P = 1`. There the gap is smaller than `g`, and this limit does not hold."
            if unless
            else ""
        ),
        "the paper (depth widens the gap); derived here for the limit"
        if encoder
        else "derived here",
        "exact times by their series at three vanishing `eps`; and by SymPy from the limits of "
        "step 11a at both depths",
        here.tried,
        route,
    )


def _meaning(encoder: bool, limit: Any, by_rho: bool) -> str:
    if not encoder and limit == 0:
        return ": decoder depth removes the preference of the objective."
    if encoder and by_rho and limit == sp.oo:
        return (
            ": encoder depth amplifies the preference for large `rho`; a smaller `eps` weakens it."
        )
    return "."


def _ratio_limit(before: RelativeGap, after: RelativeGap, cases: Cases) -> Any:
    """Infinity, 0 or a number, by the powers of ``eps``; None if it differs between depths."""
    quotients = [(after.scale() / before.scale()).xreplace(values).doit() for values in cases]
    # the exponents of eps, logarithms aside
    signs = {sp.sign(one.as_powers_dict()[no.eps]) for one in quotients}
    if len(signs) > 1:
        return None
    if signs != {0}:
        return sp.S.Zero if signs == {1} else sp.oo
    quotient = sp.simplify(after.coefficient() / before.coefficient())
    return quotient if not quotient.has(sp.Piecewise, no.L, no.P, no.m) else None


def _compare_ratio(
    gaps: tuple[RelativeGap, RelativeGap], values: Mapping[Any, Any], relation: Any
) -> None:
    """Compares the limit with the quotient at three ``eps``."""
    pair, other = (ModePair(one.form, without_rho(values)) for one in gaps)
    small_eps, logs = other.modes[0].small_eps, other.modes[0].logs
    at = [
        {no.eps: eps, gap_of(no.eps): pair.gap(eps), next_gap_of(no.eps): other.gap(eps)}
        for eps in small_eps
    ]
    if relation.lhs != QUOTIENT:
        limit_holds(relation, {}, at, pair.names)
        return
    quotients = [one[next_gap_of(no.eps)] / one[gap_of(no.eps)] for one in at]
    # exponents of 1/eps between neighbouring eps: near 0, or falling, if the limit is finite
    slopes = [sp.log(quotients[j + 1] / quotients[j]) / (logs[j + 1] - logs[j]) for j in (0, 1)]
    if abs(slopes[1]) < abs(slopes[0]) / 2 or abs(slopes[1]) < sp.Float("1e-9"):
        aim = sp.N(value(relation.rhs, pair.names), 30)
        # convergence may be logarithmic
        agrees = bool(aim.is_finite and abs(quotients[2] - aim) < abs(aim) / 50)
    else:
        agrees = relation.rhs == (sp.S.Zero if slopes[1] < 0 else sp.oo)
    if not agrees:
        raise DerivationError(
            f"{relation} does not hold: at eps = {sp.N(small_eps[2], 3)} the quotient is "
            f"{sp.N(quotients[2], 5)}",
            statement=relation,
            residual=quotients[2],
            counterexample={**values, no.eps: small_eps[2]},
        )


def _prove_ratio(
    gaps: tuple[RelativeGap, RelativeGap], values: Mapping[Any, Any], relation: Any
) -> None:
    """Shows it from each gap being its coefficient times its scale to leading order."""
    depths = depths_in(values)
    proved = all(prove_gap(one.form, depths, one.scale(), one.coefficient()) for one in gaps)
    quotients = (
        gaps[1].scale() / gaps[0].scale(),
        gaps[1].coefficient() / gaps[0].coefficient(),
        relation.rhs,
    )
    scales, coefficients, claimed = (one.xreplace(dict(depths)).doit() for one in quotients)
    limit = sp.limit(scales, no.eps, 0, "+")
    decided_by(proved and (limit.is_finite or claimed.is_infinite), relation)
    if limit.is_finite:
        prove_zero(limit * coefficients - claimed, relation)


t_jepa = sp.Function("t_jepa", positive=True)
t_mae = sp.Function("t_mae", positive=True)


def single_layer_step(jepa: HyperlogisticForm, mae: HyperlogisticForm) -> Step:
    """Differences and relative gaps of critical times at ``L = P = 1``."""
    eps, r1, r2 = no.eps, no.rho_1, no.rho_2
    apart = {time: no.lam * (time(eps, r2) - time(eps, r1)) for time in (t_jepa, t_mae)}
    relative = {time: time(eps, r2) / time(eps, r1) - 1 for time in (t_jepa, t_mae)}
    nodes = (
        to_zero(relative[t_jepa]),
        to_zero(relative[t_mae]),
        to_zero(apart[t_jepa] / sp.log(1 / eps)),
        to_zero(apart[t_mae]),
        to_zero(relative[t_jepa] / relative[t_mae]),
    )
    claims = (
        equation(nodes[0], 0),
        equation(nodes[1], 0),
        equation(nodes[2], 1 / r2 - 1 / r1),
        equation(nodes[3], sp.log(r2 / r1) / 2),
        equation(nodes[4], 0),
    )

    def route(statement: sp.Tuple) -> None:
        forms = {t_jepa: jepa, t_mae: mae}
        found, at = _single_layer_limits(forms, nodes)
        for relation in statement:
            limit_holds(relation, found, at, ModePair(jepa, SINGLE).names)
            _prove_single_layer(relation, forms)

    return Step(
        "11c",
        "A single encoder layer",
        sp.Tuple(*claims),
        "At `L = P = 1` both relative gaps vanish with `eps`: to leading order neither critical "
        "time depends on `rho`. The differences of the times do not vanish. JEPA's grows without "
        "bound, and the larger `rho` is learned first. MAE's goes to a constant, and the smaller "
        "`rho` is learned first. MAE's relative gap is the larger one at small `eps`, since it "
        "falls only like `1/log(1/eps)`.",
        "the paper (Theorem 4.5) for the leading order; derived here for the rest",
        "exact times by their series at three vanishing `eps`, with logarithmic limits from slopes "
        "against `log(1/eps)`; and the limits by SymPy",
        "L = P = 1",
        route,
    )


SINGLE = {no.lam: sp.Rational(7, 5), no.p: sp.Rational(2, 7)}  # the modes tried


def _prove_single_layer(relation: Any, forms: dict[Any, HyperlogisticForm]) -> None:
    """Shows the limit by SymPy for all parameters, from the formulas of the times."""
    (node,) = relation.lhs.atoms(sp.Limit)
    written = {
        time(no.eps, rho): form.critical_time().xreplace({no.rho: rho})
        for time, form in forms.items()
        for rho in (no.rho_1, no.rho_2)
    }
    inner = sp.expand_log(sp.together(node.args[0].xreplace(written)), force=True)
    limit = sp.limit(inner, no.eps, 0, "+")
    prove_zero(sp.expand_log(limit - relation.rhs, force=True), relation)


def _single_layer_limits(
    forms: dict[Any, HyperlogisticForm], nodes: tuple[Any, ...]
) -> tuple[Model, list[dict[Any, Any]]]:
    """The five limits, and the times at the three ``eps`` from which they are taken."""
    pairs = {time: ModePair(form, SINGLE) for time, form in forms.items()}
    small_eps, logs = pairs[t_jepa].modes[0].small_eps, pairs[t_jepa].modes[0].logs
    at: list[dict[Any, Any]] = [{no.eps: eps} for eps in small_eps]
    for model in at:
        for time, pair in pairs.items():
            for rho, mode in zip((no.rho_1, no.rho_2), pair.modes, strict=True):
                model[time(no.eps, rho)] = mode.time(model[no.eps])
    j_gap, m_gap, j_apart, m_apart, quotient = (
        [value(node.args[0], {**SINGLE, **model}).n(200) for model in at] for node in nodes
    )
    found = (
        _vanishing(j_gap),
        _like_inverse_log(m_gap, logs),
        sp.N((j_apart[2] * logs[2] - j_apart[1] * logs[1]) / (logs[2] - logs[1]), 30),
        sp.N(m_apart[2], 30),
        _vanishing(quotient),
    )
    return dict(zip(nodes, found, strict=True)), at


def _vanishing(values: list[Any]) -> Any:
    """0 if the last value is below 1e-60; the last value otherwise."""
    return sp.S.Zero if abs(values[2]) < sp.Float("1e-60") else values[2]


def _like_inverse_log(values: list[Any], logs: list[Any]) -> Any:
    """0 if ``1 / value`` is linear in ``log(1/eps)``; the last value otherwise."""
    inverse = [1 / one for one in values]
    slopes = [(inverse[j + 1] - inverse[j]) / (logs[j + 1] - logs[j]) for j in (0, 1)]
    even = abs(slopes[1] - slopes[0]) < abs(slopes[0]) * sp.Float("1e-20")
    return sp.S.Zero if even and slopes[0] != 0 else values[2]


def opposite_order_step(
    here: CheckedForm, other: HyperlogisticForm, names: tuple[str, str]
) -> Step:
    """The condition under which two objectives learn two modes in opposite order."""
    times = [sp.Function(f"t_{name}", positive=True) for name in names]
    scaled = [sp.Function(f"S_{name}", positive=True) for name in names]
    forms = (here.form, other)
    modes = ((no.lam_1, no.rho_1), (no.lam_2, no.rho_2))
    share = no.lam_1 / no.lam_2
    bounds = [S(no.rho_1) / S(no.rho_2) for S in scaled]
    reverse = sp.And(
        times[0](*modes[0]) > times[0](*modes[1]), times[1](*modes[0]) < times[1](*modes[1])
    )
    in_range = sp.And(share < bounds[0], share > bounds[1])
    claims = (
        equation(times[0](no.lam, no.rho), scaled[0](no.rho) / no.lam),
        equation(times[1](no.lam, no.rho), scaled[1](no.rho) / no.lam),
        sp.Equivalent(reverse, in_range),
    )

    def route(statement: sp.Tuple) -> None:
        seen: set[bool] = set()
        for values in here.cases:
            models = list(_two_modes(forms, times, scaled, values))
            all_hold_in(statement, models)
            seen |= {truth(reverse, model) for model in models}
        for form in forms:
            scaled_time = sp.piecewise_fold(no.lam * form.critical_time())
            if no.lam in scaled_time.free_symbols:
                prove_zero(sp.diff(scaled_time, no.lam).doit(), statement[0])
        for S in scaled:
            _prove_boundary(S, statement[2])
        if seen != {True, False}:
            raise DerivationError(
                "no tried pair has opposite orders, or all have: nothing was checked"
            )

    first, second = ({"jepa": "JEPA", "mae": "MAE"}.get(one, "this objective") for one in names)
    return Step(
        "11e",
        "When two objectives learn in opposite order",
        sp.Tuple(*claims),
        "A critical time is `S(rho)/lam`, with a function `S` for each objective that also "
        "depends on `eps`, `p` and the depths; this holds for modes initialised below the "
        f"fraction. Therefore {first} learns mode 2 first and {second} mode 1 first if and only if "
        f"`lam_1/lam_2` lies below the quotient `S(rho_1)/S(rho_2)` of {first} and above that of "
        f"{second}. At small `eps` each quotient is 1 up to a relative gap of step 11a, which "
        "gives the width of this range.",
        "the paper for the existence of such pairs; derived here for the condition",
        "both sides evaluated with exact times, at pairs of modes within the range and on either "
        "side of a boundary; and by algebra, since `lam t_star` does not depend on `lam`",
        here.tried,
        route,
    )


def _prove_boundary(S: Any, claim: Any) -> None:
    """Shows that mode 1 is later if and only if ``lam_1/lam_2`` is below the quotient."""
    first, second = S(no.rho_1), S(no.rho_2)
    later = first / no.lam_1 - second / no.lam_2
    below = first / second - no.lam_1 / no.lam_2
    prove_zero(later * no.lam_1 / second - below, claim)


def _two_modes(
    forms: tuple[HyperlogisticForm, HyperlogisticForm],
    times: list[Any],
    scaled: list[Any],
    values: Mapping[Any, Any],
) -> Iterator[Model]:
    depths = dict(depths_in(values))
    low, high = sp.Rational(3, 10), sp.Rational(8, 10)
    plateaus = [value(form.plateau, {**depths, no.rho: low}) for form in forms]
    eps = sp.Rational(str(sp.N(min(plateaus) / 40, 3)))

    def exact(form: HyperlogisticForm, lam: Any, rho: Any) -> Any:
        numbers = {**depths, no.p: values[no.p], no.lam: lam, no.rho: rho, no.eps: eps}
        return critical_time_by_series(form, numbers, 40)

    second = sp.Rational(7, 3)
    for rho_1, rho_2 in ((low, high), (high, low)):
        bounds = [exact(form, sp.S.One, rho_1) / exact(form, sp.S.One, rho_2) for form in forms]
        beside = [bounds[0] * (1 + sp.Rational(s, 100)) for s in (-1, 1)]
        for share in ((bounds[0] + bounds[1]) / 2, *beside, bounds[1] * sp.Rational(99, 100)):
            first = sp.Rational(str(sp.N(share * second, 12)))
            model: dict[Any, Any] = {
                **depths,
                no.lam: first,
                no.lam_1: first,
                no.lam_2: second,
                no.rho: rho_1,
                no.rho_1: rho_1,
                no.rho_2: rho_2,
            }
            modes = ((no.lam, no.rho), (no.lam_1, no.rho_1), (no.lam_2, no.rho_2))
            for form, time, S in zip(forms, times, scaled, strict=True):
                for lam, rho in modes:
                    model[S(rho)] = exact(form, sp.S.One, model[rho])
                    model[time(lam, rho)] = exact(form, model[lam], model[rho])
            yield model

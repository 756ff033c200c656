"""Steps 11b to 11e: consequences of the critical times for the order of learning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._evaluate import (
    DerivationError,
    Model,
    UndecidedError,
    holds_in,
    prove_zero,
    truth,
    value,
)
from dlnflow.symbolic._gap import (
    Cases,
    ModePair,
    RelativeGap,
    depths_in,
    gap_of,
    prove_gap,
    without_rho,
)
from dlnflow.symbolic._hyperlogistic import HyperlogisticForm
from dlnflow.symbolic._limits import limit_holds, to_zero
from dlnflow.symbolic._notation import equation
from dlnflow.symbolic._series import critical_time_by_series
from dlnflow.symbolic._step import Step


def depth_step(
    form: HyperlogisticForm,
    deeper: HyperlogisticForm,
    cases: Cases,
    tried: str,
    what: str,
    by_rho: bool,
) -> Step | None:
    """The relative gap with one more layer; None if its trend differs between depths."""
    before, after = RelativeGap(form), RelativeGap(deeper)
    limit = _ratio_limit(before, after, cases)
    if limit is None:
        return None
    encoder = what == "encoder"
    next_gap = sp.Function("G_next", real=True)
    node = to_zero(next_gap(no.eps) / gap_of(no.eps))
    claimed = equation(node, limit)
    unless = before.may_vanish or after.may_vanish
    if unless:
        claimed = sp.Implies(sp.Ne(before.coefficient(), 0), claimed)

    def route(statement: sp.Tuple) -> None:
        (claim,) = statement
        relation = claim.args[1] if unless else claim
        for values in cases:
            _compare_ratio((form, deeper), (gap_of, next_gap), values, relation)
            _prove_ratio((before, after), values, relation)

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
        tried,
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


def _compare_ratio(
    forms: tuple[HyperlogisticForm, HyperlogisticForm],
    gaps: tuple[Any, Any],
    values: Mapping[Any, Any],
    relation: Any,
) -> None:
    """Compares the limit with the quotient at three ``eps``."""
    pair, other = (ModePair(form, without_rho(values)) for form in forms)
    small_eps = other.modes[0].small_eps
    at = [
        {no.eps: eps, gaps[0](no.eps): pair.gap(eps), gaps[1](no.eps): other.gap(eps)}
        for eps in small_eps
    ]
    quotients = [here[gaps[1](no.eps)] / here[gaps[0](no.eps)] for here in at]
    logs = [sp.log(1 / eps).n(15) for eps in small_eps]
    # exponents of 1/eps between neighbouring eps: near 0, or falling, if the limit is finite
    slopes = [sp.log(quotients[j + 1] / quotients[j]) / (logs[j + 1] - logs[j]) for j in (0, 1)]
    node = to_zero(gaps[1](no.eps) / gaps[0](no.eps))
    settles = abs(slopes[1]) < abs(slopes[0]) / 2 or abs(slopes[1]) < sp.Float("1e-9")
    if relation.lhs == node and settles:
        aim = sp.N(value(relation.rhs, pair.names), 30)
        # convergence may be logarithmic
        agrees = bool(aim.is_finite and abs(quotients[2] - aim) < abs(aim) / 50)
    elif relation.lhs == node:
        agrees = relation.rhs == (sp.S.Zero if slopes[1] < 0 else sp.oo)
    else:
        limit_holds(relation, {}, at, pair.names)
        return
    if not agrees:
        raise DerivationError(
            f"{relation} does not hold: at eps = {sp.N(small_eps[2], 3)} the quotient is "
            f"{sp.N(quotients[2], 5)}",
            statement=relation,
            residual=quotients[2],
            counterexample={**values, no.eps: small_eps[2]},
        )


def _prove_ratio(
    relative_gaps: tuple[RelativeGap, RelativeGap], values: Mapping[Any, Any], relation: Any
) -> None:
    """Shows it from each gap being its coefficient times its scale to leading order."""
    depths = dict(depths_in(values))
    for one in relative_gaps:
        if not prove_gap(one.form, depths_in(values), one.scale(), one.coefficient()):
            raise UndecidedError(f"SymPy cannot decide {relation}", statement=relation)
    scales, coefficients = (
        (getattr(relative_gaps[1], part)() / getattr(relative_gaps[0], part)())
        .xreplace(depths)
        .doit()
        for part in ("scale", "coefficient")
    )
    limit = sp.limit(scales, no.eps, 0, "+")
    claimed = relation.rhs.xreplace(depths).doit()
    if limit.is_finite:
        prove_zero(limit * coefficients - claimed, relation)
    elif not claimed.is_infinite:
        raise UndecidedError(f"SymPy cannot decide {relation}", statement=relation)


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
        parts = statement
        found, at = _single_layer_limits(jepa, mae, nodes)
        names = ModePair(jepa, SINGLE).names
        for relation in parts:
            limit_holds(relation, found, at, names)
            _prove_single_layer(relation, {t_jepa: jepa, t_mae: mae})

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
    jepa: HyperlogisticForm, mae: HyperlogisticForm, nodes: tuple[Any, ...]
) -> tuple[Model, list[dict[Any, Any]]]:
    """The five limits, and the times at the three ``eps`` from which they are taken."""
    pairs = {t_jepa: ModePair(jepa, SINGLE), t_mae: ModePair(mae, SINGLE)}
    lam = SINGLE[no.lam]
    small_eps, logs = pairs[t_jepa].modes[0].small_eps, pairs[t_jepa].modes[0].logs
    at = [
        {no.eps: eps}
        | {
            time(no.eps, rho): mode.time(eps)
            for time, pair in pairs.items()
            for rho, mode in zip((no.rho_1, no.rho_2), pair.modes, strict=True)
        }
        for eps in small_eps
    ]
    both = {
        time: [(here[time(no.eps, no.rho_1)], here[time(no.eps, no.rho_2)]) for here in at]
        for time in pairs
    }
    apart = {time: [lam * (b - a) for a, b in rows] for time, rows in both.items()}
    gaps = {time: [b / a - 1 for a, b in rows] for time, rows in both.items()}
    found = {
        nodes[0]: _vanishing(gaps[t_jepa]),
        nodes[1]: _like_inverse_log(gaps[t_mae], logs),
        nodes[2]: sp.N((apart[t_jepa][2] - apart[t_jepa][1]) / (logs[2] - logs[1]), 30),
        nodes[3]: sp.N(apart[t_mae][2], 30),
        nodes[4]: _vanishing([j / m for j, m in zip(gaps[t_jepa], gaps[t_mae], strict=True)]),
    }
    return found, at


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
    here: tuple[str, HyperlogisticForm],
    other: tuple[str, HyperlogisticForm],
    cases: Cases,
    tried: str,
) -> Step:
    """The condition under which two objectives learn two modes in opposite order."""
    times = [sp.Function(f"t_{name}", positive=True) for name, _ in (here, other)]
    scaled = [sp.Function(f"S_{name}", positive=True) for name, _ in (here, other)]
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
        parts = statement
        seen = set()
        for values in cases:
            for model in _two_modes((here[1], other[1]), times, scaled, values):
                for relation in parts:
                    holds_in(relation, [model])
                seen.add(truth(reverse, model))
        for form in (here[1], other[1]):
            scaled_time = sp.piecewise_fold(no.lam * form.critical_time())
            if no.lam in scaled_time.free_symbols:
                prove_zero(sp.diff(scaled_time, no.lam).doit(), parts[0])
        for S in scaled:
            _prove_boundary(S, parts[2])
        if seen != {True, False}:
            raise DerivationError(
                "no tried pair has opposite orders, or all have: nothing was checked"
            )

    return Step(
        "11e",
        "When two objectives learn in opposite order",
        sp.Tuple(*claims),
        "A critical time is `S(rho)/lam`, with a function `S` for each objective that also "
        "depends on `eps`, `p` and the depths; this holds for modes initialised below the "
        f"fraction. Therefore {_called(here[0])} learns mode 2 first and {_called(other[0])} mode "
        f"1 first if and only if `lam_1/lam_2` lies below the quotient `S(rho_1)/S(rho_2)` of "
        f"{_called(here[0])} and above that of {_called(other[0])}. At small `eps` each quotient "
        "is 1 up to a relative gap of step 11a, which gives the width of this range.",
        "the paper for the existence of such pairs; derived here for the condition",
        "both sides evaluated with exact times, at pairs of modes within the range and on either "
        "side of a boundary; and by algebra, since `lam t_star` does not depend on `lam`",
        tried,
        route,
    )


def _prove_boundary(S: Any, claim: Any) -> None:
    """Shows that mode 1 is later if and only if ``lam_1/lam_2`` is below the quotient."""
    first, second = S(no.rho_1), S(no.rho_2)
    later = first / no.lam_1 - second / no.lam_2
    below = first / second - no.lam_1 / no.lam_2
    prove_zero(later * no.lam_1 / second - below, claim)


def _called(name: str) -> str:
    return {"jepa": "JEPA", "mae": "MAE"}.get(name, "this objective")


def _two_modes(
    forms: tuple[HyperlogisticForm, HyperlogisticForm],
    times: list[Any],
    scaled: list[Any],
    values: Mapping[Any, Any],
) -> Iterator[Model]:
    depths = {key: one for key, one in values.items() if key.is_integer}
    low, high = sp.Rational(3, 10), sp.Rational(8, 10)
    plateaus = [value(form.plateau, {**depths, no.rho: low}) for form in forms]
    eps = sp.Rational(str(sp.N(min(plateaus) / 40, 3)))

    def exact(form: HyperlogisticForm, lam: Any, rho: Any) -> Any:
        numbers = {**depths, no.p: values[no.p], no.lam: lam, no.rho: rho, no.eps: eps}
        return critical_time_by_series(form, numbers, 40)

    unit = [{rho: exact(form, sp.Integer(1), rho) for rho in (low, high)} for form in forms]
    for rhos in ((low, high), (high, low)):
        bounds = [one[rhos[0]] / one[rhos[1]] for one in unit]
        beside = [bounds[0] * (1 + sp.Rational(s, 100)) for s in (-1, 1)]
        for share in ((bounds[0] + bounds[1]) / 2, *beside, bounds[1] * sp.Rational(99, 100)):
            second = sp.Rational(7, 3)
            lams = (sp.Rational(str(sp.N(share * second, 12))), second)
            model: dict[Any, Any] = {**depths, no.lam: lams[0], no.rho: rhos[0]}
            model |= dict(zip((no.lam_1, no.lam_2), lams, strict=True))
            model |= dict(zip((no.rho_1, no.rho_2), rhos, strict=True))
            for time, S, form, one in zip(times, scaled, forms, unit, strict=True):
                first = exact(form, lams[0], rhos[0])
                model |= {S(no.rho): one[rhos[0]], time(no.lam, no.rho): first}
                model |= {S(no.rho_1): one[rhos[0]], time(no.lam_1, no.rho_1): first}
                model |= {
                    S(no.rho_2): one[rhos[1]],
                    time(no.lam_2, no.rho_2): exact(form, lams[1], rhos[1]),
                }
            yield model

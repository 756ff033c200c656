"""`derive`: the theory's own objectives, from the loss of whole matrices."""

from __future__ import annotations

from typing import Any

import sympy as sp

from dlnflow.symbolic import _fixed_points
from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._consequences import (
    depth_step,
    opposite_order_step,
    single_layer_step,
)
from dlnflow.symbolic._decoupling_steps import decoupling_steps
from dlnflow.symbolic._derivation import Derivation
from dlnflow.symbolic._gap import gap_step
from dlnflow.symbolic._judge import holds_in
from dlnflow.symbolic._law import Law, law_of
from dlnflow.symbolic._matrix_steps import matrix_steps
from dlnflow.symbolic._mode_steps import fixed_point_step, law_step, mode_step, paper_step
from dlnflow.symbolic._notation import equation
from dlnflow.symbolic._scalar import mode_loss
from dlnflow.symbolic._series import Asymptotics
from dlnflow.symbolic._setting import Setting, setting
from dlnflow.symbolic._step import Step
from dlnflow.symbolic._time_steps import (
    critical_time_step,
    head_step,
    integral_step,
    paper_critical_time,
    remainder_step,
)
from dlnflow.symbolic._witness import number
from dlnflow.symbolic._worlds import MatrixWorld, matrix_worlds, singular_values
from dlnflow.theory._objective import Objective

# the modes of steps 9 to 11: one to a case where there are several cases, else two
TRIED = tuple(
    dict(zip((no.lam, no.rho, no.p), map(sp.Rational, mode), strict=True))
    for mode in (("7/5", "3/5", "2/5"), ("5/8", "6/5", "1/3"), ("9/4", "1/3", "1/5"))
)


def derive(
    objective: str | Objective,
    L: int | None = None,
    *,
    decoder_depth: int | None = 1,
    clock: str = "paper",
) -> Derivation:
    """Derive the mode equation of an objective from its loss, and what follows, step by step.

    Parameters
    ----------
    objective : str or Objective
        ``"jepa"``, ``"mae"``, ``"layer-2"`` or an `Objective`; ``"layer-m"`` keeps the target's
        layer a symbol.
    L : int, optional
        Encoder depth; None keeps it a symbol wherever the mathematics allows. Steps say where they
        were checked for concrete depths only.
    decoder_depth : int or None
        ``P``; the paper has 1, None keeps it a symbol.
    clock : {"paper", "network"}
        Of the mode equation, rates and times.

    Returns
    -------
    Derivation
        With ``steps``, ``mode_ode``, ``order``, ``rate``, ``plateau``, ``critical_time`` and more.
        Nothing is checked yet: `Derivation.verify` does it.

    Raises
    ------
    ValueError, TypeError
        For an unknown objective or clock, a depth below 1 or below the target's layer; and for a
        depth or target's layer above 100, since the cost grows with depth: None (and
        ``"layer-m"``) derives every depth at once. At 100 it takes about a second.

    Notes
    -----
    The paper's theorems for JEPA and MAE with one decoder layer; new otherwise.
    ``docs/derivation.md`` is this function's output.

    Examples
    --------
    >>> from dlnflow import symbolic
    >>> d = symbolic.derive("mae")
    >>> d.order, d.rate, d.plateau
    (2*L/(L + 1), lam*rho**((L - 1)/(L + 1))*(L + 1)/L, rho**(L/(L + 1)))
    >>> d["5"].statement[2].rhs
    lam*w(t_paper)**(2 - 1/L) - lam*w(t_paper)**3/rho
    """
    here = setting(objective, L, decoder_depth, clock)
    law = _law(here)
    published = (
        paper_critical_time(here.objective, here.L)
        if here.in_paper and here.clock == "paper"
        else None
    )
    velocity = law.velocity(no.w_of(no.t))
    tn = no.t_network
    return Derivation(
        title=str(here),
        steps=_steps(here, law, published),
        mode_ode=equation(sp.Derivative(no.w_of(no.t), no.t), velocity),
        flow=equation(sp.Derivative(no.u_of(tn), tn), law.flow(no.u_of(tn))),
        fixed_points=_fixed_points.of_law(law),
        law=law,
        depths=tuple(one for one in (no.L, no.P, no.m) if one in (here.L, here.P, here.m)),
        conditions=here.conditions,
        published=published,
        why_not="",
        refute=lambda conjecture: _refute(here, conjecture),
    )


def _law(here: Setting) -> Law:
    """The law, from the derivatives of the loss of one mode."""
    velocities = set(mode_loss(here).velocities().values())
    assert len(velocities) == 1, "balanced layers of the theory's loss move alike"
    law = law_of(velocities.pop(), here.L, here.speed)
    assert law is not None, "the theory's loss is of the family"
    return law


def _steps(here: Setting, law: Law, published: Any) -> tuple[Step, ...]:
    cases = _tried_modes(here)
    exact = tuple(Asymptotics(law, values) for values in cases)
    tried = here.tried
    by_matrices = "the velocity of explicit matrices in random bases, exactly"
    growing = lambda: matrix_worlds(here)  # noqa: E731
    source = "the paper, theorem on the dynamics of JEPA and MAE" if here.in_paper else "new"
    steps = [
        *matrix_steps(here),
        *decoupling_steps(here),
        mode_step(
            law.flow(no.u),
            law.L,
            law.terms,
            lambda: matrix_worlds(here, growing=False),
            by_layer=_by_layer(here),
            loss="`1/2 s (v w)^2 - lam v w tau`, with `v` and `w` the decoder and the encoder, "
            "`s = lam/rho` the variance and `tau` the frozen target",
            how="the loss of one mode differentiated by algebra, against the gradient of layer `a` "
            "in step 2 and the chain rule, for all values of the symbols; and against "
            + by_matrices
            + ", with either sign of `rho`",
            tried=tried,
            source=source,
        ),
        paper_step(here, lambda end: _law(end).velocity(no.w)),
        fixed_point_step(
            law,
            growing,
            words="where the `k` layers between target and prediction together have the "
            "regression coefficient, `u^k = rho`.",
            how=by_matrices + ", at, below and above the plateau; and algebra",
            tried=tried,
            source="the paper, for JEPA and MAE; otherwise new",
        ),
        law_step(
            law,
            growing,
            words="Let `q = u^k / rho`, the learned fraction of the mode's regression coefficient. "
            "The objectives differ in `c` and in the power of `rho` in `kappa`, which is `c - 1`.",
            how="the chain rule by algebra, for all values of the symbols; and the ratio of "
            "prediction and target, and " + by_matrices,
            tried=tried,
            source="new (in this form; the exponents for JEPA and MAE are the paper's)",
        ),
        integral_step(law, cases, tried),
        critical_time_step(law, cases, tried),
        head_step(law, published, exact, tried),
        remainder_step(law, exact, tried, here.in_paper),
        *_consequences(here, law, cases, tried),
    ]
    return tuple(steps)


def _tried_modes(here: Setting) -> tuple[dict[Any, Any], ...]:
    cases = here.cases()
    if len(cases) == 1:
        return tuple({**cases[0].symbols, **mode} for mode in TRIED[:2])
    return tuple({**case.symbols, **TRIED[index % len(TRIED)]} for index, case in enumerate(cases))


def _by_layer(here: Setting) -> Any:
    """The velocity of layer ``a`` by step 2: ``N - a`` layers after it, ``a - 1`` before it."""
    after, before = no.u ** (here.N - no.a), no.u ** (no.a - 1)
    error = no.lam * no.u**here.m - no.lam / no.rho * after * no.u * before
    return after * error * before


def _consequences(here: Setting, law: Law, cases: Any, tried: str) -> list[Step]:
    by_rho = here.m.is_positive is True  # the larger rho first, by design
    one = sp.Integer(1)
    latent = here.m == here.L
    deeper = Setting(here.objective, here.L + 1, here.P, here.m + (1 if latent else 0), here.clock)
    wider = Setting(here.objective, here.L, here.P + 1, here.m, here.clock)
    other = "jepa" if here.objective == "mae" else "mae"
    partner = _end(other, here.L, here.P, here.clock)
    name = here.objective.replace("-", "_")
    found = [
        gap_step(law, cases, tried, by_rho),
        depth_step(law, _law(deeper), cases, tried, "encoder", by_rho),
        single_layer_step(*(_law(_end(name, one, one, "paper")) for name in ("jepa", "mae"))),
        depth_step(law, _law(wider), cases, tried, "decoder", by_rho),
    ]
    if here.m != 0 or here.objective == "mae":
        found.append(opposite_order_step((name, law), (other, _law(partner)), cases, tried))
    return [step for step in found if step is not None]


def _end(name: str, L: Any, P: Any, clock: str) -> Setting:
    return Setting(name, L, P, L if name == "jepa" else sp.Integer(0), clock)


def _refute(here: Setting, conjecture: Any) -> None:
    """A conjectured mode equation in random networks."""
    change = sp.Derivative(no.w_of(no.t), no.t)
    claimed = conjecture if isinstance(conjecture, sp.Eq) else equation(change, conjecture)
    claimed = equation(
        claimed.lhs, sp.nsimplify(claimed.rhs, rational=True).xreplace({no.w: no.w_of(no.t)})
    )
    worlds = matrix_worlds(here)
    holds_in(claimed, (_moving(one, u, here, change) for one in worlds for u in singular_values()))


def _moving(world: MatrixWorld, u: Any, here: Setting, change: Any) -> dict[Any, Any]:
    speed = sp.sympify(here.speed).xreplace(dict(world.values))
    return {
        **world.values,
        no.w_of(no.t): number(u) ** world.L,
        change: speed * world.encoder(u),
    }

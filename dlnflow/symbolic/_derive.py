"""`derive`: the objectives of the theory, from the loss of a whole network."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle
from typing import Any

import sympy as sp

from dlnflow.symbolic import _fixed_points
from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._architecture import Architecture, validated_architecture
from dlnflow.symbolic._consequences import depth_step, opposite_order_step, single_layer_step
from dlnflow.symbolic._decoupling_steps import decoupling_steps
from dlnflow.symbolic._derivation import Derivation
from dlnflow.symbolic._gap import gap_step
from dlnflow.symbolic._hyperlogistic import HyperlogisticForm, form_of
from dlnflow.symbolic._integral_step import integral_step
from dlnflow.symbolic._matrix_steps import matrix_steps
from dlnflow.symbolic._mode_loss import mode_loss
from dlnflow.symbolic._mode_steps import (
    fixed_point_step,
    learned_fraction_step,
    mode_step,
    paper_step,
    refute,
)
from dlnflow.symbolic._notation import equation
from dlnflow.symbolic._numeric_modes import network_modes
from dlnflow.symbolic._series import Cases, CheckedForm
from dlnflow.symbolic._step import Step
from dlnflow.symbolic._time_steps import (
    critical_time_step,
    head_step,
    paper_critical_time,
    remainder_step,
)
from dlnflow.theory._objective import Objective

# Modes at which steps 9 to 11 are checked: one for each case, or two where there is one case
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
    """Derive the mode equation of an objective and its critical time from the loss, step by step.

    Parameters
    ----------
    objective : str or Objective
        ``"jepa"``, ``"mae"``, ``"layer-2"`` or an `Objective`; ``"layer-m"`` keeps the target's
        layer a symbol.
    L : int, optional
        Encoder depth; None keeps it a symbol. Steps name the depths at which they are checked.
    decoder_depth : int or None
        ``P``; the paper has 1, None keeps it a symbol.
    clock : {"paper", "network"}
        Of the mode equation, rates and times.

    Returns
    -------
    Derivation
        With ``steps``, ``mode_ode``, ``order``, ``rate``, ``plateau``, ``critical_time`` and more.
        Its steps are not checked yet; `Derivation.verify` checks them.

    Raises
    ------
    ValueError, TypeError
        If ``objective`` or ``clock`` is unknown, or a depth is below 1, below the target's layer or
        above 100. The cost grows with depth, to about a second at 100; None (and ``"layer-m"``)
        derives every depth at once.

    Notes
    -----
    Each step names its source. The paper covers JEPA and MAE with one decoder layer; the other
    cases are derived here.
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
    here = validated_architecture(objective, L, decoder_depth, clock)
    form = _form(here)
    published = (
        paper_critical_time(here.objective, here.L)
        if here.in_paper and here.clock == "paper"
        else None
    )
    w, u, tn = no.w_of(no.t), no.u_of(no.t_network), no.t_network
    return Derivation(
        title=str(here),
        steps=_steps(here, form, published),
        mode_ode=equation(sp.Derivative(w, no.t), form.velocity(w)),
        flow=equation(sp.Derivative(u, tn), form.flow(u)),
        fixed_points=_fixed_points.of_form(form),
        form=form,
        depths=tuple(one for one in (no.L, no.P, no.m) if one in (here.L, here.P, here.m)),
        conditions=here.conditions,
        published=published,
        why_not="",
        refute=lambda conjecture: refute(conjecture, network_modes(here), here.speed),
    )


def _form(here: Architecture) -> HyperlogisticForm:
    """The hyperlogistic form, from the derivatives of the loss of one mode."""
    velocities = set(mode_loss(here).velocities().values())
    assert len(velocities) == 1, "balanced layers have one velocity"
    form = form_of(velocities.pop(), here.L, here.speed)
    assert form is not None, "the mode equation is hyperlogistic"
    return form


def _steps(here: Architecture, form: HyperlogisticForm, published: Any) -> tuple[Step, ...]:
    modes = tuple(network_modes(here))
    checked = CheckedForm(form, modes, _tried_modes(here), here.tried, here.in_paper)
    by_matrices = "the velocity of explicit matrices in random bases, exactly"
    source = (
        "the paper, as its critical times (Theorem 4.5) imply" if here.in_paper else "derived here"
    )
    return (
        *matrix_steps(here),
        *decoupling_steps(here),
        mode_step(
            form.flow(no.u),
            form.L,
            tuple(network_modes(here, growing=False)),
            _by_layer(here),
            loss="`1/2 s (v w)^2 - lam v w tau`, with `v` and `w` the decoder and the encoder, "
            "`s = lam/rho` the variance and `tau` the frozen target",
            how="the loss of one mode differentiated by algebra, against the gradient of layer `a` "
            "in step 2 and the chain rule, for all values of the symbols; and against "
            + by_matrices
            + ", with either sign of `rho`",
            depths=here.tried,
            source=source,
        ),
        paper_step(here, lambda end: _form(end).velocity(no.w)),
        fixed_point_step(
            checked,
            "where the product of the `k` layers between target and prediction equals the "
            "regression coefficient, `u^k = rho`.",
            by_matrices + ", at, below and above the plateau; and algebra",
            source,
        ),
        learned_fraction_step(
            checked,
            "Let `q = u^k / rho` be the learned fraction of the mode's regression coefficient.",
            "the chain rule by algebra, for all values of the symbols; and the ratio of "
            "prediction and target, and " + by_matrices,
            "the paper for the exponents of JEPA and MAE, as its critical times imply; the "
            "form is derived here",
        ),
        integral_step(checked),
        critical_time_step(checked),
        head_step(checked, published),
        remainder_step(checked),
        *_consequences(here, checked),
    )


def _tried_modes(here: Architecture) -> Cases:
    cases = here.cases()
    if len(cases) == 1:
        return tuple({**cases[0].symbols, **mode} for mode in TRIED[:2])
    return tuple({**case.symbols, **mode} for case, mode in zip(cases, cycle(TRIED), strict=False))


def _by_layer(here: Architecture) -> Any:
    """The velocity of layer ``a`` by step 2: ``N - a`` layers after it, ``a - 1`` before it."""
    after, before = no.u ** (here.N - no.a), no.u ** (no.a - 1)
    error = no.lam * no.u**here.m - no.lam / no.rho * after * no.u * before
    return after * error * before


def _consequences(here: Architecture, checked: CheckedForm) -> list[Step]:
    by_rho = here.m.is_positive is True  # the larger rho first, by design
    deeper = replace(here, L=here.L + 1, m=here.m + (1 if here.m == here.L else 0))
    wider = replace(here, P=here.P + 1)
    single = replace(here, L=sp.S.One)
    found = [
        gap_step(checked, by_rho),
        depth_step(checked, _form(deeper), "encoder", by_rho),
        single_layer_step(*(_form(single.of_paper(name)) for name in ("jepa", "mae"))),
        depth_step(checked, _form(wider), "decoder", by_rho),
    ]
    if here.m != 0 or here.objective == "mae":
        other = "jepa" if here.objective == "mae" else "mae"
        partner = replace(here, m=here.L if other == "jepa" else sp.S.Zero)
        names = (here.objective.replace("-", "_"), other)
        found.append(opposite_order_step(checked, _form(partner), names))
    return [step for step in found if step is not None]

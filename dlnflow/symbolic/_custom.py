"""`derive_mode_ode`: the derivation for a user's own loss of one mode."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sympy as sp

from dlnflow.symbolic import _fixed_points
from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._architecture import DEEPEST
from dlnflow.symbolic._custom_validation import validated_loss
from dlnflow.symbolic._derivation import Derivation
from dlnflow.symbolic._evaluate import Model, random_points, truth
from dlnflow.symbolic._hyperlogistic import HyperlogisticForm, form_of
from dlnflow.symbolic._integral_step import integral_step
from dlnflow.symbolic._mode_loss import ModeLoss, powers_of
from dlnflow.symbolic._mode_steps import fixed_point_step, learned_fraction_step, mode_step, refute
from dlnflow.symbolic._notation import equation
from dlnflow.symbolic._numeric_modes import LossMode
from dlnflow.symbolic._series import Asymptotics
from dlnflow.symbolic._step import Step
from dlnflow.symbolic._time_steps import critical_time_step, head_step, remainder_step

Layers = Any  # a symbol, several, or a mapping of symbols to numbers of layers
HIGHEST_ORDER = 4 * DEEPEST  # reached by the theory's objectives at the greatest depths
TRIED = 4  # random parameter points
HOW = "differences of the loss in every layer, with 200 digits"
POINTS = "random parameters"


def derive_mode_ode(
    loss: sp.Expr,
    *,
    encoder: Layers,
    decoder: Layers = (),
    frozen: Mapping[sp.Symbol, Any] | None = None,
    parameters: Iterable[sp.Symbol] = (),
    clock: str = "paper",
) -> Derivation:
    """Derive the equation of one mode from your own loss, and its critical time where it has one.

    Parameters
    ----------
    loss : sympy.Expr
        The loss of one mode, in products of layers; that of the theory is
        ``lam/rho/2 * (v*w)**2 - lam*v*w*tau``. Gradient flow on every layer minimises it.
    encoder, decoder : symbol, sequence of symbols, or mapping of symbol to int or symbol
        The trained symbols, and the number of layers each is the product of: ``[w1, w2]`` are
        single layers, ``{w: 3}`` and ``{w: symbolic.L}`` products. The amplitude ``w`` of the mode
        equation is the product of the encoder's symbols. Write terms of single layers, such as
        weight decay, with single layers.
    frozen : mapping of symbol to expression, optional
        Symbols behind a stop-gradient, and their values after differentiation in trained symbols:
        ``{tau: w}`` is JEPA's target, ``{tau: 1}`` MAE's. A target that is constant in time is a
        parameter.
    parameters : symbols, optional
        All other symbols except `symbolic.lam` and `symbolic.rho`, declared positive. Floats in the
        loss are read as fractions.
    clock : {"paper", "network"}
        Of the mode equation.

    Returns
    -------
    Derivation
        Steps 5 and 7; and steps 8 to 10 if the equation is hyperlogistic (``in_family``). Otherwise
        only ``mode_ode`` and ``fixed_points`` are available.

    Raises
    ------
    TypeError, ValueError
        If the loss is not an expression, is not a sum of powers, or has symbols that are not
        declared; if balanced layers do not stay balanced, so that there is no single equation; if
        there are more than 100 layers or the order is above 400. The cost grows with both, to about
        a second at 100 layers; a symbol such as `symbolic.L` derives every depth at once.

    Notes
    -----
    Layers are balanced at the initialisation, with one singular value ``u``. Derived here.

    Examples
    --------
    Weight decay with a single encoder and decoder layer lowers the covariance:

    >>> import sympy as sp
    >>> from dlnflow.symbolic import derive_mode_ode, lam, rho
    >>> w, v, tau, beta = sp.symbols("w v tau beta", positive=True)
    >>> error = lam / rho / 2 * (v * w) ** 2 - lam * v * w * tau
    >>> decay = beta / 2 * (v**2 + w**2)
    >>> d = derive_mode_ode(
    ...     error + decay, encoder=w, decoder=v, frozen={tau: 1}, parameters=[beta]
    ... )
    >>> d.order, d.plateau, d.conditions
    (1, sqrt(-beta*rho + lam*rho)/sqrt(lam), (-beta + lam > 0,))

    For a JEPA the equation is not hyperlogistic, and small modes do not grow:

    >>> d = derive_mode_ode(
    ...     error + decay, encoder=w, decoder=v, frozen={tau: w}, parameters=[beta]
    ... )
    >>> d.in_family, d.fixed_points[0].stable
    (False, True)
    """
    described = validated_loss(loss, encoder, decoder, frozen, parameters, clock)
    flow = _common_flow(described)
    L = described.depth
    speed = 1 / L if clock == "paper" else sp.Integer(1)
    form = form_of(flow, L, speed)
    _not_too_high(form)
    velocity = _velocity(flow, L, speed)
    candidates = _candidates(described, form)
    points, rest = (
        (_fixed_points.of_form(form), None)
        if form
        else _fixed_points.of_powers(velocity, candidates)
    )
    # most fixed points are positive there, so that all of them are checked
    best = sorted(candidates, key=lambda one: -_fixed_points.positive_roots(points, one))
    values = tuple((candidates if form else best)[:TRIED])
    tn = no.t_network
    modes = [LossMode(described, one) for one in values]
    return Derivation(
        title=f"the loss {loss}, {clock} clock",
        steps=_steps(described, flow, form, modes, speed, points, rest),
        mode_ode=equation(
            sp.Derivative(no.w_of(no.t), no.t), velocity.xreplace({no.w: no.w_of(no.t)})
        ),
        flow=equation(sp.Derivative(no.u_of(tn), tn), flow.xreplace({no.u: no.u_of(tn)})),
        fixed_points=points,
        form=form,
        depths=_depths(described),
        conditions=form.conditions if form is not None else (),
        published=None,
        why_not=_why_not(flow) if form is None else "",
        refute=lambda conjecture: refute(conjecture, modes, speed),
    )


def _depths(described: ModeLoss) -> tuple[Any, ...]:
    counts = described.products.values()
    return tuple(sorted({one for count in counts for one in count.free_symbols}, key=str))


def _common_flow(described: ModeLoss) -> Any:
    """``du/dt``, after checking that it is the same for the layers of every symbol."""
    velocities = described.velocities()
    powers = {symbol: powers_of(one, no.u) for symbol, one in velocities.items()}
    (first, terms), *others = powers.items()
    for symbol, other in others:
        differences = [sp.simplify(terms.get(e, 0) - other.get(e, 0)) for e in {*terms, *other}]
        if any(difference != 0 for difference in differences):
            raise ValueError(
                "loss must move the layers of every symbol alike, or balanced layers do not stay "
                f"balanced and no single equation exists: at balance du/dt is {velocities[first]} "
                f"for {first} and {velocities[symbol]} for {symbol}"
            )
    if not terms:
        raise ValueError("loss must move its layers: got one whose derivatives vanish at balance")
    return sum(one * no.u**exponent for exponent, one in terms.items())


def _not_too_high(form: HyperlogisticForm | None) -> None:
    """Refuse orders so high that the sum in the critical time is too long."""
    if form is not None and form.order.is_Integer and form.order > HIGHEST_ORDER:
        raise ValueError(
            f"loss must lead to an order of at most {HIGHEST_ORDER}, since the cost grows with the "
            f"order: got {form.order}"
        )


def _velocity(flow: Any, L: Any, speed: Any) -> Any:
    """``dw/dt`` in ``w`` on the clock."""
    return sum(
        sp.cancel(L * speed) * one * no.w ** sp.expand((exponent + L - 1) / L)
        for exponent, one in powers_of(flow, no.u).items()
    )


def _candidates(described: ModeLoss, form: HyperlogisticForm | None) -> list[Model]:
    """Random parameters at which all conditions hold."""
    symbols = described.expression.free_symbols | {
        symbol
        for one in (*described.products.values(), *described.frozen.values())
        for symbol in one.free_symbols
    }
    symbols -= {*described.products, *described.frozen, no.u}
    symbols |= {no.p}
    conditions = form.conditions if form else ()
    candidates = random_points(symbols, count=400, seed=5)
    good = [point for point in candidates if all(truth(one, point) for one in conditions)]
    if not good:
        raise ValueError(
            f"parameters must allow {', '.join(map(str, conditions))}: no random ones do"
        )
    return good


def _steps(
    described: ModeLoss,
    flow: Any,
    form: HyperlogisticForm | None,
    loss_modes: list[LossMode],
    speed: Any,
    points: Any,
    rest: Any,
) -> tuple[Step, ...]:
    def terms(w: Any) -> Any:
        return _velocity(flow, described.depth, 1 / described.depth).xreplace({no.w: w})

    first = mode_step(
        flow,
        described.depth,
        terms,
        lambda: loss_modes,
        by_layer=next(iter(described.velocities().values())),
        loss=f"`{described.expression}`",
        how=HOW,
        tried=POINTS,
        source="the user's loss",
    )
    if form is None:
        velocity = _velocity(flow, described.depth, speed)
        if not points:
            return (first,)
        return first, _fixed_points.fixed_points_step(
            velocity, points, rest, speed, lambda: loss_modes, HOW, POINTS
        )
    values = tuple(one.values for one in loss_modes)
    exact = tuple(Asymptotics(form, one) for one in values)
    steps = (
        first,
        fixed_point_step(
            form,
            lambda: loss_modes,
            words="where its growing and its damping term are equal.",
            how=HOW + "; and algebra",
            tried=POINTS,
            source="the user's loss",
        ),
        learned_fraction_step(
            form,
            lambda: loss_modes,
            words="Let the learned fraction `q` be the damping term divided by the growing one.",
            how="the chain rule by algebra; and " + HOW,
            tried=POINTS,
            source="the user's loss",
        ),
        integral_step(form, values, POINTS),
        critical_time_step(form, values, POINTS),
        head_step(form, None, exact, POINTS),
        remainder_step(form, exact, POINTS, in_paper=False),
    )
    # below order 1 no power of 1/eps grows; at symbolic orders that is not known
    powers = form.excess.is_nonnegative or (form.excess.free_symbols and _only_depths(form.excess))
    return steps if powers else steps[:5]


def _only_depths(exponent: Any) -> bool:
    return all(symbol.is_integer for symbol in exponent.free_symbols)


def _why_not(flow: Any) -> str:
    terms = powers_of(flow, no.u)
    found = " and ".join(f"{one}*u**({exponent})" for exponent, one in terms.items())
    return (
        f"the mode equation du/dt = {flow} is not hyperlogistic: a growing power of u and a "
        f"higher, damping one were expected, got {len(terms)} terms, {found}; mode_ode and "
        "fixed_points remain"
    )

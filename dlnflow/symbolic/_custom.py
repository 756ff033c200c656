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
from dlnflow.symbolic._mode_loss import ModeLoss, amplitude_velocity, powers_of
from dlnflow.symbolic._mode_steps import fixed_point_step, learned_fraction_step, mode_step, refute
from dlnflow.symbolic._notation import equation
from dlnflow.symbolic._numeric_modes import LossMode
from dlnflow.symbolic._series import CheckedForm
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
    velocities = described.velocities()
    flow = _common_flow(velocities)
    L = described.depth
    speed = 1 / L if clock == "paper" else sp.S.One
    form = form_of(flow, L, speed)
    velocity = amplitude_velocity(flow, L, speed)
    candidates = _candidates(described, form)
    if form is None:
        points, rest = _fixed_points.of_powers(velocity, candidates)
        # most fixed points are positive there, so that all of them are checked
        candidates.sort(key=lambda one: -_fixed_points.positive_roots(points, one))
    else:
        points, rest = _fixed_points.of_form(form), None
    values = tuple(candidates[:TRIED])
    modes = tuple(LossMode(described, one) for one in values)
    words = {"source": "the user's loss", "how": HOW, "depths": POINTS}
    by_layer = next(iter(velocities.values()))
    steps = [mode_step(flow, L, modes, by_layer, loss=f"`{described.expression}`", **words)]
    if form is not None:
        steps += _steps(CheckedForm(form, modes, values, POINTS))
    elif points:
        steps.append(_fixed_points.fixed_points_step(points, rest, speed, modes, **words))
    layers = sp.Tuple(*described.products.values())
    w, u, tn = no.w_of(no.t), no.u_of(no.t_network), no.t_network
    return Derivation(
        title=f"the loss {loss}, {clock} clock",
        steps=tuple(steps),
        mode_ode=equation(sp.Derivative(w, no.t), velocity.xreplace({no.w: w})),
        flow=equation(sp.Derivative(u, tn), flow.xreplace({no.u: u})),
        fixed_points=points,
        form=form,
        depths=tuple(sorted(layers.free_symbols, key=str)),
        conditions=form.conditions if form is not None else (),
        published=None,
        why_not=_why_not(flow) if form is None else "",
        refute=lambda conjecture: refute(conjecture, modes, speed),
    )


def _common_flow(velocities: Mapping[Any, Any]) -> Any:
    """``du/dt``, after checking that it is the same for the layers of every symbol."""
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


def _candidates(described: ModeLoss, form: HyperlogisticForm | None) -> list[Model]:
    """Random parameters at which all conditions hold; the order must not be too high."""
    if form is not None and form.order.is_Integer and form.order > HIGHEST_ORDER:
        raise ValueError(
            f"loss must lead to an order of at most {HIGHEST_ORDER}, since the cost grows with the "
            f"order: got {form.order}"
        )
    counts, frozen = described.products, described.frozen
    symbols = sp.Tuple(described.expression, *counts.values(), *frozen.values()).free_symbols
    conditions = form.conditions if form else ()
    candidates = random_points(symbols - {*counts, *frozen, no.u} | {no.p}, count=400, seed=5)
    good = [point for point in candidates if all(truth(one, point) for one in conditions)]
    if not good:
        raise ValueError(
            f"parameters must allow {', '.join(map(str, conditions))}: no random ones do"
        )
    return good


def _steps(here: CheckedForm) -> list[Step]:
    """Steps 7 to 10 of a hyperlogistic equation."""
    source, excess = "the user's loss", here.form.excess
    steps = [
        fixed_point_step(
            here,
            "where its growing and its damping term are equal.",
            HOW + "; and algebra",
            source,
        ),
        learned_fraction_step(
            here,
            "Let the learned fraction `q` be the damping term divided by the growing one.",
            "the chain rule by algebra; and " + HOW,
            source,
        ),
        integral_step(here),
        critical_time_step(here),
    ]
    # below order 1 no power of 1/eps grows; at symbolic orders that is not known
    depths = excess.free_symbols
    if excess.is_nonnegative or (depths and all(one.is_integer for one in depths)):
        steps += [head_step(here), remainder_step(here)]
    return steps


def _why_not(flow: Any) -> str:
    terms = powers_of(flow, no.u)
    found = " and ".join(f"{one}*u**({exponent})" for exponent, one in terms.items())
    return (
        f"the mode equation du/dt = {flow} is not hyperlogistic: a growing power of u and a "
        f"higher, damping one were expected, got {len(terms)} terms, {found}; mode_ode and "
        "fixed_points remain"
    )

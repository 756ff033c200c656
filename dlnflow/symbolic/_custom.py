"""`derive_mode_ode`: a user's own loss of one mode."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping
from typing import Any

import sympy as sp

from dlnflow.symbolic import _fixed_points
from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._derivation import Derivation
from dlnflow.symbolic._judge import Model, holds_in, random_points, truth
from dlnflow.symbolic._law import Law, law_of
from dlnflow.symbolic._mode_steps import fixed_point_step, law_step, mode_step
from dlnflow.symbolic._notation import equation
from dlnflow.symbolic._scalar import ModeLoss, powers_of
from dlnflow.symbolic._series import Asymptotics
from dlnflow.symbolic._setting import CLOCKS, DEEPEST
from dlnflow.symbolic._size import RULE, oversized, shown
from dlnflow.symbolic._step import Step
from dlnflow.symbolic._time_steps import (
    critical_time_step,
    head_step,
    integral_step,
    remainder_step,
)
from dlnflow.symbolic._witness import number
from dlnflow.symbolic._worlds import ScalarWorld, scalar_worlds, singular_values

Layers = Any  # a symbol, several, or a mapping of symbols to numbers of layers
RESERVED = (no.eps, no.p, no.q, no.c, no.kappa, no.q_0, no.q_p, no.u, no.n, no.a)
# what a loss may be made of; SymPy's infinities are numbers too and are refused apart
WRITTEN = (sp.Add, sp.Mul, sp.Pow, sp.Symbol, sp.Number, sp.NumberSymbol, sp.Function)
HIGHEST_ORDER = 4 * DEEPEST  # of the theory's objectives at the deepest encoder and decoder
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
    """Derive the equation of one mode from your own loss, and what follows from it.

    Parameters
    ----------
    loss : sympy.Expr
        The loss of one mode, in products of layers: ``lam/rho/2 * (v*w)**2 - lam*v*w*tau`` is the
        theory's own. It is minimised by gradient flow on every layer.
    encoder, decoder : symbol, sequence of symbols, or mapping of symbol to int or symbol
        The trained symbols, and of how many layers each is the product: ``[w1, w2]`` are single
        layers, ``{w: 3}`` or ``{w: symbolic.L}`` the product of several. The amplitude ``w`` of the
        mode equation is the product of the encoder's. A term of each single layer, such as weight
        decay, is written with single layers.
    frozen : mapping of symbol to expression, optional
        Symbols behind a stop-gradient, and the value that each has once the loss is differentiated,
        in trained symbols: ``{tau: w}`` is JEPA's target, ``{tau: 1}`` MAE's. A target that does
        not move at all (an EMA, frozen) is a parameter.
    parameters : symbols, optional
        Other symbols, `symbolic.lam` and `symbolic.rho` apart; positive ones, declared so. Floats
        in the loss are taken for the fractions they stand for.
    clock : {"paper", "network"}
        Of the mode equation.

    Returns
    -------
    Derivation
        Steps 5 and 7 and, if the equation is hyperlogistic (``in_family``), 8 to 10. Otherwise it
        says so, and holds ``mode_ode`` and ``fixed_points``.

    Raises
    ------
    TypeError, ValueError
        For a loss that is no expression, is no sum of powers, or has symbols that are not declared;
        where balanced layers would not stay balanced, so that there is no single equation; and for
        more than 100 layers in numbers, or a whole order above 400, since the cost grows with both:
        a symbol such as `symbolic.L` derives every depth at once. 100 layers take about a second.

    Notes
    -----
    Layers start balanced, with one singular value ``u``; new.

    Examples
    --------
    Weight decay on a single encoder layer and decoder only lowers the covariance:

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

    For a JEPA it leaves the family, and small modes never grow:

    >>> d = derive_mode_ode(
    ...     error + decay, encoder=w, decoder=v, frozen={tau: w}, parameters=[beta]
    ... )
    >>> d.in_family, d.fixed_points[0].stable
    (False, True)
    """
    described = _described(loss, encoder, decoder, frozen, parameters, clock)
    flow = _common_flow(described)
    L = described.depth
    speed = 1 / L if clock == "paper" else sp.Integer(1)
    law = law_of(flow, L, speed)
    _not_too_high(law)
    velocity = _velocity(flow, L, speed)
    candidates = _candidates(described, law)
    points, rest = (
        (_fixed_points.of_law(law), None) if law else _fixed_points.of_powers(velocity, candidates)
    )
    # where most of the fixed points exist, so that all of them are tried
    telling = sorted(candidates, key=lambda one: -_fixed_points.positive_roots(points, one))
    values = tuple((candidates if law else telling)[:TRIED])
    tn = no.t_network
    return Derivation(
        title=f"the loss {loss}, {clock} clock",
        steps=_steps(described, flow, law, values, speed, points, rest),
        mode_ode=equation(
            sp.Derivative(no.w_of(no.t), no.t), velocity.xreplace({no.w: no.w_of(no.t)})
        ),
        flow=equation(sp.Derivative(no.u_of(tn), tn), flow.xreplace({no.u: no.u_of(tn)})),
        fixed_points=points,
        law=law,
        depths=_depths(described),
        conditions=law.conditions if law is not None else (),
        published=None,
        why_not=_why_not(flow) if law is None else "",
        refute=lambda conjecture: _refute(described, values, speed, conjecture),
    )


def _described(
    loss: Any, encoder: Any, decoder: Any, frozen: Any, parameters: Any, clock: Any
) -> ModeLoss:
    """The door: every symbol declared once, every count a positive integer."""
    if not isinstance(loss, sp.Expr):
        raise TypeError(f"loss must be a SymPy expression: got {shown(loss)}")
    loss = _expression("loss", loss)
    if not isinstance(clock, str) or clock not in CLOCKS:
        raise ValueError(f"clock must be 'paper' or 'network' in a derivation: got {shown(clock)}")
    trained = {"encoder": _layers("encoder", encoder), "decoder": _layers("decoder", decoder)}
    held = _frozen(frozen)
    others = _parameters(parameters)
    declared = [*trained["encoder"], *trained["decoder"], *held, *others]
    _declared_once(declared)
    counts = [*trained["encoder"].values(), *trained["decoder"].values()]
    _not_too_deep(trained)
    known = {*declared, no.lam, no.rho, *(s for count in counts for s in count.free_symbols)}
    _all_declared("loss", loss, known)
    for symbol, one in held.items():
        _all_declared(f"frozen's value of {symbol}", one, (known | {no.u}) - {*held})
    if not trained["encoder"]:
        raise ValueError("encoder must name at least one symbol: got none")
    for symbol in (*trained["encoder"], *trained["decoder"]):
        if not loss.has(symbol):
            raise ValueError(f"loss must depend on every trained symbol: {symbol} is not in {loss}")
    return ModeLoss(loss, trained["encoder"], trained["decoder"], held)


def _declared_once(symbols: list[Any]) -> None:
    twice = sorted({str(one) for one in symbols if symbols.count(one) > 1})
    if twice:
        raise ValueError(f"each symbol must be declared once: got {', '.join(twice)} again")


def _depths(described: ModeLoss) -> tuple[Any, ...]:
    counts = described.products.values()
    return tuple(sorted({one for count in counts for one in count.free_symbols}, key=str))


def _layers(name: str, given: Any) -> dict[Any, Any]:
    if isinstance(given, Mapping):
        pairs = list(given.items())
    else:
        pairs = [(one, 1) for one in _several(name, given)]
    _declared_once([symbol for symbol, _ in pairs])
    return {_symbol(name, symbol): _count(name, symbol, count) for symbol, count in pairs}


def _count(name: str, symbol: Any, count: Any) -> Any:
    layers = _whole(count) if _is_number(count) else count
    try:
        counts = isinstance(layers, sp.Expr) and layers.is_integer and layers.is_positive
    except RecursionError:  # nested deeper than Python can follow
        counts = False
    if not counts:
        raise ValueError(
            f"{name} must say a positive integer number of layers: got {shown(count)} for {symbol}"
        )
    for depth in layers.free_symbols:
        _symbol(name, depth)
    return layers


def _whole(count: Any) -> Any:
    """As a SymPy integer; None if it is not whole, infinite or NaN."""
    try:
        return sp.Integer(int(count)) if int(count) == count else None
    except (OverflowError, ValueError):
        return None


def _is_number(one: Any) -> bool:
    """Whether something is a real number of Python's, NumPy's or SymPy's; a truth value is none."""
    return isinstance(one, numbers.Real) and not isinstance(one, bool)


def _not_too_deep(trained: Mapping[str, Mapping[Any, Any]]) -> None:
    for name, layers in trained.items():
        depth = sum(int(one) for one in layers.values() if one.is_Integer)
        if depth > DEEPEST:
            raise ValueError(
                f"{name} must have at most {DEEPEST} layers, since the cost grows with depth (a "
                f"symbol in place of a number derives every depth at once): got {shown(depth)}"
            )


def _expression(name: str, one: Any) -> Any:
    """A real, finite expression of sums, products, powers and functions, floats as fractions."""
    try:
        shown = str(one)
        written = all(isinstance(node, WRITTEN) for node in sp.preorder_traversal(one))
        large = oversized(one)
    except (RecursionError, ValueError) as error:  # Python limits depth and digits
        raise ValueError(f"{name} must be small enough to print and evaluate: {error}") from None
    if one.has(sp.nan, sp.oo, -sp.oo, sp.zoo, sp.I) or one.is_real is False:
        raise ValueError(f"{name} must be real and finite: got {shown}")
    if not (written and one.is_commutative) or one.has(sp.Piecewise):
        raise ValueError(
            f"{name} must be written with numbers, symbols, sums, products, powers and functions: "
            f"got {shown}"
        )
    if large is not None:
        raise ValueError(f"{name} must be small enough to evaluate ({RULE}): got {large} in it")
    return sp.nsimplify(one, rational=True)


def _several(name: str, given: Any) -> list[Any]:
    if isinstance(given, sp.Symbol):
        return [given]
    try:
        return [given] if isinstance(given, str) else list(given)
    except TypeError:
        raise TypeError(f"{name} must hold SymPy symbols: got {shown(given)}") from None


def _frozen(frozen: Any) -> dict[Any, Any]:
    if not isinstance(frozen, Mapping | None):
        raise TypeError(f"frozen must map symbols to their values: got {shown(frozen)}")
    found = {_symbol("frozen", key): one for key, one in dict(frozen or {}).items()}
    for symbol, one in found.items():
        if not (isinstance(one, sp.Expr) or _is_number(one)):
            raise TypeError(f"frozen must map {symbol} to an expression: got {shown(one)}")
    return {
        symbol: _expression(f"frozen's value of {symbol}", sp.sympify(one))
        for symbol, one in found.items()
    }


def _parameters(parameters: Any) -> list[Any]:
    found = [_symbol("parameters", one) for one in _several("parameters", parameters)]
    for one in found:
        if not one.is_positive:
            raise ValueError(f"parameters must be symbols declared positive: got {one}")
    return found


def _symbol(name: str, one: Any) -> Any:
    if not isinstance(one, sp.Symbol):
        raise TypeError(f"{name} must hold SymPy symbols: got {shown(one)}")
    if one in RESERVED:
        raise ValueError(f"{name} must not be a symbol of the derivation's own: got {one}")
    return one


def _all_declared(name: str, expression: Any, known: set[Any]) -> None:
    unknown = sorted(map(str, expression.free_symbols - known))
    if not unknown:
        return
    ours = [one for one in unknown if one in ("lam", "rho")]
    hint = f"; {ours[0]} is dlnflow.symbolic.{ours[0]}, which is positive" if ours else ""
    raise ValueError(
        f"{name} has symbols that are not declared as encoder, decoder, frozen or parameters: "
        f"got {', '.join(unknown)}{hint}"
    )


def _common_flow(described: ModeLoss) -> Any:
    """``du/dt``, which must be the same for the layers of every symbol."""
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


def _not_too_high(law: Law | None) -> None:
    """The critical time of a whole order is a sum of as many terms."""
    if law is not None and law.order.is_Integer and law.order > HIGHEST_ORDER:
        raise ValueError(
            f"loss must lead to an order of at most {HIGHEST_ORDER}, since the cost grows with the "
            f"order: got {law.order}"
        )


def _velocity(flow: Any, L: Any, speed: Any) -> Any:
    """``dw/dt`` in ``w`` on the clock."""
    return sum(
        sp.cancel(L * speed) * one * no.w ** sp.expand((exponent + L - 1) / L)
        for exponent, one in powers_of(flow, no.u).items()
    )


def _candidates(described: ModeLoss, law: Law | None) -> list[Model]:
    """Random parameters at which what must be positive is."""
    symbols = described.expression.free_symbols | {
        symbol
        for one in (*described.products.values(), *described.frozen.values())
        for symbol in one.free_symbols
    }
    symbols -= {*described.products, *described.frozen, no.u}
    symbols |= {no.p}
    conditions = law.conditions if law else ()
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
    law: Law | None,
    values: tuple[Model, ...],
    speed: Any,
    points: Any,
    rest: Any,
) -> tuple[Step, ...]:
    def worlds() -> list[ScalarWorld]:
        return scalar_worlds(described, values)

    def terms(w: Any) -> Any:
        return _velocity(flow, described.depth, 1 / described.depth).xreplace({no.w: w})

    first = mode_step(
        flow,
        described.depth,
        terms,
        worlds,
        by_layer=next(iter(described.velocities().values())),
        loss=f"`{described.expression}`",
        how=HOW,
        tried=POINTS,
        source="the user's loss",
    )
    if law is None:
        velocity = _velocity(flow, described.depth, speed)
        if not points:
            return (first,)
        return first, _fixed_points.fixed_points_step(
            velocity, points, rest, speed, worlds, HOW, POINTS
        )
    exact = tuple(Asymptotics(law, one) for one in values)
    steps = (
        first,
        fixed_point_step(
            law,
            worlds,
            words="where its growing and its damping term are equal.",
            how=HOW + "; and algebra",
            tried=POINTS,
            source="the user's loss",
        ),
        law_step(
            law,
            worlds,
            words="Let `q` be the damping term over the growing one, the learned fraction.",
            how="the chain rule by algebra; and " + HOW,
            tried=POINTS,
            source="the user's loss",
        ),
        integral_step(law, values, POINTS),
        critical_time_step(law, values, POINTS),
        head_step(law, None, exact, POINTS),
        remainder_step(law, exact, POINTS, in_paper=False),
    )
    # below order 1 no power of 1/eps is left; with symbolic powers it is not known
    powers = law.excess.is_nonnegative or (law.excess.free_symbols and _only_depths(law.excess))
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


def _refute(described: ModeLoss, values: tuple[Model, ...], speed: Any, conjecture: Any) -> None:
    change = sp.Derivative(no.w_of(no.t), no.t)
    claimed = conjecture if isinstance(conjecture, sp.Eq) else equation(change, conjecture)
    claimed = equation(claimed.lhs, claimed.rhs.xreplace({no.w: no.w_of(no.t)}))
    models = []
    for world in scalar_worlds(described, values):
        for u in singular_values():
            rate = sp.sympify(speed).xreplace(dict(world.values))
            model = {no.w_of(no.t): number(u) ** world.L, change: rate * world.encoder(u)}
            models.append({**world.values, **model})
    holds_in(claimed, models)

"""Validates the arguments of `derive_mode_ode`."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any

import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._architecture import DEEPEST, validate_clock
from dlnflow.symbolic._mode_loss import ModeLoss
from dlnflow.symbolic._size import RULE, oversized, shown

RESERVED = (no.eps, no.p, no.q, no.c, no.kappa, no.q_0, no.q_p, no.u, no.n, no.a)
# SymPy's infinities are numbers too and are refused apart
WRITTEN = (sp.Add, sp.Mul, sp.Pow, sp.Symbol, sp.Number, sp.NumberSymbol, sp.Function)


def validated_loss(
    loss: Any, encoder: Any, decoder: Any, frozen: Any, parameters: Any, clock: Any
) -> ModeLoss:
    """The loss of one mode with every symbol declared once and every count a positive integer."""
    if not isinstance(loss, sp.Expr):
        raise TypeError(f"loss must be a SymPy expression: got {shown(loss)}")
    loss = _expression("loss", loss)
    validate_clock(clock)
    encoder, decoder = _layers("encoder", encoder), _layers("decoder", decoder)
    frozen = _frozen(frozen)
    declared = [*encoder, *decoder, *frozen, *_parameters(parameters)]
    _declared_once(declared)
    trained = encoder | decoder
    known = {*declared, no.lam, no.rho} | sp.Tuple(*trained.values()).free_symbols
    _all_declared("loss", loss, known)
    for symbol, one in frozen.items():
        _all_declared(f"frozen's value of {symbol}", one, (known | {no.u}) - {*frozen})
    if not encoder:
        raise ValueError("encoder must name at least one symbol: got none")
    for symbol in trained:
        if not loss.has(symbol):
            raise ValueError(f"loss must depend on every trained symbol: {symbol} is not in {loss}")
    return ModeLoss(loss, encoder, decoder, frozen)


def _declared_once(symbols: list[Any]) -> None:
    twice = sorted({str(one) for one in symbols if symbols.count(one) > 1})
    if twice:
        raise ValueError(
            "encoder, decoder, frozen and parameters must declare each symbol once: "
            f"got {', '.join(twice)} again"
        )


def _layers(name: str, given: Any) -> dict[Any, Any]:
    by_name = isinstance(given, Mapping)
    pairs = list(given.items()) if by_name else [(one, 1) for one in _several(name, given)]
    _declared_once([symbol for symbol, _ in pairs])
    found = {_symbol(name, symbol): _count(name, symbol, count) for symbol, count in pairs}
    depth = sum(int(one) for one in found.values() if one.is_Integer)
    if depth > DEEPEST:
        raise ValueError(
            f"{name} must have at most {DEEPEST} layers, since the cost grows with depth (a "
            f"symbol in place of a number derives every depth at once): got {shown(depth)}"
        )
    return found


def _count(name: str, symbol: Any, count: Any) -> Any:
    layers = _whole(count) if _is_number(count) else count
    try:
        counts = isinstance(layers, sp.Expr) and layers.is_integer and layers.is_positive
    except RecursionError:  # nested deeper than Python's recursion limit
        counts = False
    if not counts:
        raise ValueError(
            f"{name} must give positive integer numbers of layers: got {shown(count)} for {symbol}"
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
    """Whether a value is a real number of Python, NumPy or SymPy, and not a boolean."""
    return isinstance(one, numbers.Real) and not isinstance(one, bool)


def _expression(name: str, one: Any) -> Any:
    """A real, finite expression of sums, products, powers and functions, floats as fractions."""
    try:
        shown = str(one)
        written = all(isinstance(node, WRITTEN) for node in sp.preorder_traversal(one))
        large = oversized(one)
    # Python limits the depth of expressions and the digits of numbers
    except (RecursionError, ValueError) as error:
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
    found = {}
    for key, one in dict(frozen or {}).items():
        symbol = _symbol("frozen", key)
        if not (isinstance(one, sp.Expr) or _is_number(one)):
            raise TypeError(f"frozen must map {symbol} to an expression: got {shown(one)}")
        found[symbol] = _expression(f"frozen's value of {symbol}", sp.sympify(one))
    return found


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
        raise ValueError(f"{name} must not be a symbol that the derivation uses: got {one}")
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

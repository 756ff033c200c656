"""Refuses what SymPy would evaluate or print without end: it bounds neither powers nor sums."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from dlnflow.symbolic._evaluate import UndecidedError

LARGEST = 10_000  # exponent, argument of a function, number of terms, order of a derivative
MOST_BITS = 13_000  # of a number: some 4,000 digits, which Python still prints
RULE = (
    "exponents, arguments of functions, numbers of terms and orders of derivatives may be at most "
    f"{LARGEST}, and numbers may have some 4000 digits"
)
# SymPy evaluates these with symbols in them by methods that may not end
OPEN_ENDED = (sp.Integral, sp.Sum, sp.Product, sp.Limit, sp.Piecewise)
TRIAL_DEPTH, TRIAL_NUMBER = sp.Integer(12), sp.Integer(3)  # in place of symbols


def refuse_oversized(statement: Any) -> None:
    """Refuse a statement whose evaluation would fill the memory or not end.

    Raises
    ------
    UndecidedError
        If a part of it is `oversized`.
    """
    part = oversized(statement)
    if part is not None:
        raise UndecidedError(f"{shown(part)} is too large to evaluate: {RULE}", statement=statement)


def refuse_open_ended(statement: Any, derived: Any) -> None:
    """Refuse what SymPy might evaluate without end, in places where the derived statement has none.

    On right-hand sides numbers are put in for all symbols first, and only integrals are refused, in
    statements about limits: their numbers have thousands of digits.

    Raises
    ------
    UndecidedError
        With the part that is refused.
    """
    for claimed, known in zip(statement, derived, strict=True):
        places = (0, 1) if not isinstance(claimed, sp.Eq) else (0,)
        parts: list[tuple[Any, tuple[Any, ...], Any]] = [
            (claimed.args[i], OPEN_ENDED, known.args[i]) for i in places
        ]
        if derived.has(sp.Limit):
            parts.append((claimed, (sp.Integral,), known))
        for part, kinds, allowed in parts:
            refused = [kind for kind in kinds if part.has(kind) and not allowed.has(kind)]
            if refused:
                raise UndecidedError(
                    f"{part} is not evaluated: it has a {refused[0].__name__}", statement=claimed
                )


def oversized(statement: Any) -> Any:
    """The first part above `LARGEST` at small values of its symbols, or None."""
    # inner exponents first: an outer one is evaluated only once they are known to be small
    for node in sp.postorder_traversal(statement):
        if isinstance(node, sp.Rational) and max(abs(node.p), node.q).bit_length() > MOST_BITS:
            return node
        for part in _growing(node):
            size = _at_small_numbers(part)
            if size.is_number and LARGEST < abs(sp.N(size)) < sp.oo:
                return part
    return None


def shown(given: Any) -> str:
    """A value as text for a message; its type where Python limits depth or digits of the text."""
    try:
        return repr(given)
    except (RecursionError, ValueError):
        return f"a value of type {type(given).__name__}, too large to print"


def _growing(node: Any) -> Iterable[Any]:
    """The parts of an operation on which its cost or the size of its value depends."""
    if isinstance(node, sp.Pow | sp.MatPow):
        return (node.exp,)
    if isinstance(node, sp.Sum | sp.Product):
        return [end[2] - end[1] for end in node.limits if len(end) == 3]
    if isinstance(node, sp.Derivative):
        return [order for _, order in node.variable_count]
    if isinstance(node, sp.Function) and not isinstance(node, AppliedUndef | sp.log):
        return [one for one in node.args if isinstance(one, sp.Expr)]
    return ()


def _at_small_numbers(part: Any) -> Any:
    opened = part.free_symbols | part.atoms(AppliedUndef)
    trial = {one: TRIAL_DEPTH if one.is_integer else TRIAL_NUMBER for one in opened}
    return sp.sympify(part).xreplace(trial)

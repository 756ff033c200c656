"""What is too large to evaluate or to print: SymPy itself bounds neither powers nor sums."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from dlnflow.symbolic._judge import UndecidedError

LARGEST = 10_000  # exponent, argument of a function, number of terms, order of a derivative
RULE = (
    "exponents, arguments of functions, numbers of terms and orders of derivatives may be at most "
    f"{LARGEST}"
)
TRIAL_DEPTH, TRIAL_NUMBER = sp.Integer(12), sp.Integer(3)  # in place of symbols


def refuse_oversized(statement: Any) -> None:
    """Refuse a statement before its evaluation would fill the memory or take for ever.

    Raises
    ------
    UndecidedError
        If a part of it is `oversized`.
    """
    part = oversized(statement)
    if part is not None:
        raise UndecidedError(f"{part} is too large to evaluate: {RULE}", statement=statement)


def oversized(statement: Any) -> Any:
    """The first part that is beyond `LARGEST` at small numbers for its symbols, or None."""
    # exponents of exponents first: the outer one is evaluated only once they are known to be small
    for node in sp.postorder_traversal(statement):
        for part in _growing(node):
            size = _at_small_numbers(part)
            if size.is_number and LARGEST < abs(sp.N(size)) < sp.oo:
                return part
    return None


def shown(given: Any) -> str:
    """A value for a message, also where Python refuses to print it: it limits depth and digits."""
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

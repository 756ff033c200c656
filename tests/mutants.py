"""Wrong forms of a statement: every small change at every place of an expression."""

import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.matrices.expressions.matexpr import MatrixExpr

from dlnflow.symbolic._notation import LossGradient


def mutants(expression):
    """Yield each expression that differs from the given one by one small change."""
    yield from _here(expression)
    for index, argument in enumerate(expression.args):
        if _fixed(expression, index):
            continue
        for changed in mutants(argument):
            arguments = list(expression.args)
            arguments[index] = changed
            try:
                yield _rebuilt(expression, arguments)
            except (TypeError, ValueError, sp.ShapeError, AttributeError):
                continue


def _rebuilt(expression, arguments):
    if isinstance(expression, sp.Eq):
        return sp.Eq(*arguments, evaluate=False)
    return expression.func(*arguments)


def _fixed(expression, index):
    """Arguments that are names, not claims: a bound variable, a direction, a matrix's name."""
    if isinstance(expression, AppliedUndef | sp.MatrixSymbol | LossGradient):
        return True
    if isinstance(expression, sp.Sum | sp.Limit | sp.Subs | sp.Derivative):
        return index > 0
    if isinstance(expression, sp.hyper | sp.Piecewise | sp.Equivalent):
        return isinstance(expression, sp.Piecewise)
    return bool(getattr(expression, "is_symbol", False))


def _here(e):
    """Changes at the top of an expression."""
    if isinstance(e, sp.Rational) and e.is_finite:
        yield e + 1
        if e not in (0, 1):
            yield -e
    elif isinstance(e, sp.Symbol):
        yield 2 * e if e.is_integer is not True else e + 1
    elif isinstance(e, sp.Pow):
        yield e.base ** (e.exp + 1)
        yield e.base ** (e.exp / 2)
        yield 1 / e
    elif isinstance(e, sp.Add) and not isinstance(e, MatrixExpr):
        for term in e.args:
            yield e - term
            yield e - 2 * term
    elif isinstance(e, sp.Mul) and not isinstance(e, MatrixExpr):
        for factor in e.args:
            if factor != -1:
                yield e / factor
        yield -e
    elif isinstance(e, sp.MatMul):
        yield 2 * e
    elif isinstance(e, sp.MatAdd):
        for term in e.args:
            yield e - 2 * term
    elif isinstance(e, sp.Transpose):
        yield e.arg
    elif isinstance(e, sp.StrictLessThan | sp.StrictGreaterThan):
        yield e.func(e.rhs, e.lhs)

"""Decides whether a statement holds, in a model or by algebra.

A *model* maps the symbols and operations of a statement to values that were computed independently.
Both sides are evaluated in the model and compared. A statement that algebra cannot decide is
undecided.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from dlnflow.symbolic import _notation as no

Model = Mapping[Any, Any]

DIGITS = 40
TOLERANCE = sp.Float("1e-25", DIGITS)  # relative, for numbers that are not rational
ROUNDING = sp.Float("1e-35", DIGITS)  # absolute, where one side is exactly 0
LONGEST_NUMBER = 20  # characters of a number that a message shows exactly
NEAR = sp.Rational(1, 5)  # relative distance below which values may still converge
POINTS = 8  # random points at which an undecided expression is tried


class DerivationError(Exception):
    """A statement of the derivation does not hold.

    Attributes
    ----------
    statement : sympy.Basic
        What was claimed.
    residual : sympy.Basic or None
        Left minus right side at the counterexample.
    counterexample : dict
        Values at which the two sides differ.
    """

    def __init__(
        self,
        message: str,
        *,
        statement: Any = None,
        residual: Any = None,
        counterexample: Model | None = None,
    ) -> None:
        super().__init__(message)
        self.statement = statement
        self.residual = residual
        self.counterexample = dict(counterexample or {})


class UndecidedError(DerivationError):
    """A statement is neither proved nor refuted; the message has the reason.

    Either it holds at random points without a proof, or SymPy cannot evaluate it.
    """


for _public in (DerivationError, UndecidedError):
    _public.__module__ = "dlnflow.symbolic"  # the public name, in tracebacks


@contextmanager
def undecided_if_it_fails(statement: Any) -> Iterator[None]:
    """Turn any error of SymPy in a check into an `UndecidedError`.

    Raises
    ------
    UndecidedError
        From the error that stopped the check.
    """
    try:
        yield
    except DerivationError:
        raise
    # SymPy's errors have no common class, and RecursionError is among them
    except Exception as error:
        raise UndecidedError(
            f"it cannot be checked: {type(error).__name__}: {error}", statement=statement
        ) from error


def holds_in(relation: Any, models: Iterable[Model]) -> int:
    """Evaluate a relation in every model, and return the number of models.

    Raises
    ------
    DerivationError
        With residual and counterexample, at the first model in which it fails.
    """
    count = 0
    for model in models:
        _holds(relation, model)
        count += 1
    if not count:
        raise DerivationError("no model was given: nothing was checked", statement=relation)
    return count


def all_hold_in(relations: Iterable[Any], models: Iterable[Model]) -> None:
    """Evaluate several relations as `holds_in` does."""
    models = list(models)
    for relation in relations:
        holds_in(relation, models)


def decided_by(proof: bool, claim: Any) -> None:
    """Refuse a claim without a proof.

    Raises
    ------
    UndecidedError
        If there is no proof.
    """
    if not proof:
        raise UndecidedError(f"SymPy cannot decide {claim}", statement=claim)


def _holds(relation: Any, model: Model) -> None:
    residual: Any = None
    if isinstance(relation, sp.Eq):
        left, right = (value(side, model) for side in (relation.lhs, relation.rhs))
        residual = _residual(relation, left, right)
        holds = _vanishes(residual, left, right)
    elif isinstance(relation, sp.core.relational.Relational):
        holds = truth(relation, model)
        residual = None if holds else value(relation.lhs - relation.rhs, model)
    elif isinstance(relation, sp.logic.boolalg.BooleanFunction):
        holds = truth(relation, model)
    else:
        raise DerivationError(
            f"{relation} is not a relation that can be checked", statement=relation
        )
    if not holds:
        _refute(relation, residual, model)


def truth(relation: Any, model: Model) -> bool:
    """Whether an inequality, or a logical combination of inequalities, is true in a model."""
    if isinstance(relation, sp.core.relational.Relational):
        sides = [sp.N(value(side, model), DIGITS) for side in (relation.lhs, relation.rhs)]
        comparable = all(side.is_extended_real for side in sides)
        return comparable and bool(relation.func(*sides))
    parts = [sp.true if truth(part, model) else sp.false for part in relation.args]
    return bool(relation.func(*parts))


def value(expression: Any, model: Model) -> Any:
    """The value of an expression in a model, which must have values for all of its symbols."""
    try:
        # integrals are left to quadrature: SymPy's search for a closed form may not end
        found = sp.sympify(expression).xreplace(dict(model)).doit(integrals=False)
        found = sp.ImmutableDenseMatrix(found) if getattr(found, "is_Matrix", False) else found
    except (sp.ShapeError, TypeError, ValueError) as error:
        raise DerivationError(
            f"{expression} cannot be evaluated: {error}", statement=expression
        ) from None
    for entry in list(found) if isinstance(found, sp.MatrixBase) else [found]:
        # entries of matrices may keep their symbols
        left = entry.atoms(AppliedUndef, sp.Derivative, sp.Subs, sp.Limit, sp.MatrixSymbol)
        left |= {one for one in entry.free_symbols if not isinstance(one, MatrixEntry)}
        if left:
            names = ", ".join(sorted(map(str, left)))
            raise DerivationError(
                f"{expression} cannot be evaluated: there is no value for {names}",
                statement=expression,
            )
    return found


class MatrixEntry(sp.Symbol):
    """A symbol for an entry of a matrix in a model, which may take any value."""


def _residual(relation: Any, left: Any, right: Any) -> Any:
    shapes = [getattr(side, "shape", ()) for side in (left, right)]
    if shapes[0] != shapes[1]:
        raise DerivationError(
            f"{relation} compares shapes {shapes[0]} and {shapes[1]}", statement=relation
        )
    if left in (sp.oo, -sp.oo) and left == right:
        return sp.S.Zero
    return (left - right).expand() if left.free_symbols | right.free_symbols else left - right


def _vanishes(residual: Any, left: Any, right: Any) -> bool:
    if isinstance(residual, sp.MatrixBase):
        return residual.is_zero_matrix is True
    if residual.is_Rational or residual.free_symbols:
        return bool(residual == 0)
    size = abs(sp.N(residual, DIGITS))
    if not size.is_finite:
        return False
    scale = max(abs(sp.N(side, DIGITS)) for side in (left, right))
    return bool(size <= (ROUNDING if 0 in (left, right) else TOLERANCE * scale))


def _refute(relation: Any, residual: Any, model: Model) -> None:
    point: dict[Any, Any] = dict(model)
    if residual is not None and residual.free_symbols:
        entries = _nonzero_point(residual)
        residual = residual.xreplace(entries)
        point = {key: sp.sympify(shown).xreplace(entries) for key, shown in model.items()}
    if residual is not None and not isinstance(residual, sp.MatrixBase):
        short = residual.is_Rational and len(str(residual)) <= LONGEST_NUMBER
        residual = residual if short else sp.N(residual, 15)
    difference = "" if residual is None else f": left - right = {residual}"
    where = ", ".join(f"{key} = {_short(shown)}" for key, shown in point.items())
    raise DerivationError(
        f"{relation} does not hold{difference} at {where}",
        statement=relation,
        residual=residual,
        counterexample=point,
    )


def _short(shown: Any) -> str:
    if isinstance(shown, sp.MatrixBase):
        return str(shown.tolist())
    text = str(shown)
    return text if len(text) <= LONGEST_NUMBER else str(sp.N(shown, 6))


def _nonzero_point(residual: Any) -> dict[Any, Any]:
    rng = random.Random(0)
    symbols = sorted(residual.free_symbols, key=str)
    for _ in range(1000):
        point = {symbol: sp.Integer(rng.randint(-3, 3)) for symbol in symbols}
        there = residual.xreplace(point)
        if there != (there * 0 if isinstance(there, sp.MatrixBase) else 0):
            return point
    return {}


def prove_zero(expression: Any, claim: Any = None) -> None:
    """Prove by algebra that an expression is identically 0.

    Raises
    ------
    DerivationError
        If it is not 0 at a random point.
    UndecidedError
        If SymPy does not simplify it to 0, although it is 0 at random points.
    """
    claim = expression if claim is None else claim
    if any(way(expression) == 0 for way in (sp.expand, _powers, sp.simplify)):
        return
    for point in random_points(expression.free_symbols):
        there = expression.xreplace(point).doit()
        scale = max((abs(sp.N(term, DIGITS)) for term in sp.Add.make_args(there)), default=1)
        if not abs(sp.N(there, DIGITS)) <= TOLERANCE * scale:
            _refute(claim, sp.N(there, 15), point)
    raise UndecidedError(
        f"SymPy cannot decide {claim}; it holds at {POINTS} random points", statement=claim
    )


def prove_one(product: Any, claim: Any = None) -> None:
    """Prove that a product of powers of positive quantities is 1, by its logarithm."""
    exponents = sp.expand_log(sp.log(product), force=True)
    if sp.cancel(sp.together(sp.expand(exponents))) != 0:
        prove_zero(product - 1, claim)


def _powers(expression: Any) -> Any:
    """Powers of positive symbols combined, with exponents on a common denominator."""
    gathered = sp.powsimp(sp.expand(sp.expand_log(sp.powdenest(expression, force=True))))
    return sp.expand(
        gathered.replace(lambda e: e.is_Pow, lambda e: e.base ** sp.cancel(sp.together(e.exp)))
    )


def random_points(symbols: Iterable[Any], count: int = POINTS, seed: int = 0) -> list[Model]:
    """Random values for symbols that meet their assumptions; ``m`` is at most ``L``."""
    rng = random.Random(seed)
    ordered = sorted(symbols, key=str)
    return [_point(ordered, rng) for _ in range(count)]


def _point(symbols: list[Any], rng: random.Random) -> Model:
    point = {symbol: _number(symbol, rng) for symbol in symbols}
    named = {symbol.name: symbol for symbol in symbols}
    if "m" in named and "L" in named:
        point[named["m"]] = sp.Integer(rng.randint(0, int(point[named["L"]])))
    return point


def _number(symbol: Any, rng: random.Random) -> Any:
    if symbol.is_integer:
        return sp.Integer(rng.randint(2, 6))
    number = sp.Rational(rng.randint(5, 95), 100)
    if symbol.is_positive or symbol.is_nonnegative:
        return number
    if symbol.is_negative:
        return -number
    return number * rng.choice((-1, 1))


def to_zero(expression: Any) -> sp.Limit:
    """The limit at vanishing ``eps``."""
    return sp.Limit(expression, no.eps, 0, "+")


def limit_holds(
    relation: Any, found: Mapping[Any, Any], at_small_eps: Sequence[Model], names: Model
) -> None:
    """Check a relation between limits.

    Parameters
    ----------
    relation
        Equation or inequality of limits.
    found
        Known values of limits, extrapolated where convergence is slow.
    at_small_eps
        Values of the functions under the limits at decreasing ``eps``, for other limits.
    names
        Numbers for all other symbols.

    Raises
    ------
    DerivationError
        If it does not hold; with the values at the smallest ``eps``.
    UndecidedError
        If a limit is not known and the values approach the relation.
    """
    nodes = relation.atoms(sp.Limit)
    if not nodes:
        raise DerivationError(f"{relation} has no limit in it", statement=relation)
    unknown = [node for node in nodes if node not in found]
    if not unknown:
        holds_in(relation, [{**names, **{node: found[node] for node in nodes}}])
        return
    models = [
        {**names, **{node: sp.N(value(node.args[0], {**names, **one}), 30) for node in nodes}}
        for one in at_small_eps
    ]
    if isinstance(relation, sp.Eq) and relation.rhs.is_infinite:
        sizes = [value(relation.lhs, model) * sp.sign(relation.rhs) for model in models]
        converging = bool(sizes[-1] > sizes[-2] > 0)
    else:
        apart, scales = zip(*(_apart(relation, model) for model in models), strict=True)
        converging = bool(apart[-1] < apart[-2] and apart[-1] < NEAR * scales[-1])
    if converging:
        raise UndecidedError(f"{relation} cannot be decided from small eps", statement=relation)
    smallest = {**models[-1], **at_small_eps[-1]}
    raise DerivationError(
        f"{relation} does not hold: at eps = {sp.N(smallest[no.eps], 3)} the quantities are "
        + ", ".join(f"{node} = {sp.N(models[-1][node], 6)}" for node in nodes),
        statement=relation,
        residual=models[-1][unknown[0]],
        counterexample=smallest,
    )


def _apart(relation: Any, model: Model) -> tuple[Any, Any]:
    """The distance of two sides, and their size."""
    sides = [sp.N(value(side, model), 30) for side in (relation.lhs, relation.rhs)]
    return abs(sides[0] - sides[1]), max(map(abs, sides)) or sp.Integer(1)

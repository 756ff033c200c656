"""Claims about limits of a vanishing start, against values at starts small beyond doubt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._judge import DerivationError, Model, UndecidedError, holds_in, value

NEAR = sp.Rational(1, 5)  # relative distance below which a value may still be on its way


def to_zero(expression: Any) -> sp.Limit:
    """The limit of a vanishing start."""
    return sp.Limit(expression, no.eps, 0, "+")


def limit_holds(
    relation: Any,
    found: Mapping[Any, Any],
    at_starts: Sequence[Model],
    names: Model,
) -> None:
    """Check a relation between limits.

    Parameters
    ----------
    relation
        Equation or inequality of limits.
    found
        The limits that are known, slow ones accelerated.
    at_starts
        Values of the functions under the limits, at ever smaller starts, for limits not known.
    names
        Numbers for all other symbols.

    Raises
    ------
    DerivationError
        If it does not hold, with the values at the smallest start.
    UndecidedError
        If it is about other limits than those known, whose values come close.
    """
    nodes = relation.atoms(sp.Limit)
    if not nodes:
        raise DerivationError(f"{relation} is about no limit", statement=relation)
    unknown = [node for node in nodes if node not in found]
    if not unknown:
        holds_in(relation, [{**names, **{node: found[node] for node in nodes}}])
        return
    models = [
        {**names, **{node: sp.N(value(node.args[0], {**names, **one}), 30) for node in nodes}}
        for one in at_starts
    ]
    if isinstance(relation, sp.Eq) and relation.rhs.is_infinite:
        sizes = [value(relation.lhs, model) * sp.sign(relation.rhs) for model in models]
        on_its_way = bool(sizes[-1] > sizes[-2] > 0)
    else:
        apart, scales = zip(*(_apart(relation, model) for model in models), strict=True)
        on_its_way = bool(apart[-1] < apart[-2] and apart[-1] < NEAR * scales[-1])
    if on_its_way:
        raise UndecidedError(f"{relation} cannot be decided from small starts", statement=relation)
    smallest = {**models[-1], **at_starts[-1]}
    raise DerivationError(
        f"{relation} does not hold: at eps = {sp.N(smallest[no.eps], 3)} the quantities are "
        + ", ".join(f"{node} = {sp.N(models[-1][node], 6)}" for node in nodes),
        statement=relation,
        residual=models[-1][unknown[0]],
        counterexample=smallest,
    )


def _apart(relation: Any, model: Model) -> tuple[Any, Any]:
    """How far two sides are apart, and how large they are."""
    sides = [sp.N(value(side, model), 30) for side in (relation.lhs, relation.rhs)]
    return abs(sides[0] - sides[1]), max(map(abs, sides)) or sp.Integer(1)

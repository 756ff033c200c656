"""Checks statements about limits at vanishing ``eps`` against values at very small ``eps``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._evaluate import DerivationError, Model, UndecidedError, holds_in, value

NEAR = sp.Rational(1, 5)  # relative distance below which values may still converge


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

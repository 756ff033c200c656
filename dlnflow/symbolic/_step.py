"""One step of a derivation: what it says, and how that is checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import sympy as sp

from dlnflow.symbolic._judge import DerivationError


@dataclass(frozen=True, repr=False)
class Step:
    """A statement of the derivation with its explanation, its source and its check.

    Parameters
    ----------
    number, title : str
    statement : sympy.Tuple
        Equations and inequalities, all claimed.
    explanation : str
        One paragraph.
    source : str
        The paper's theorem, or "new".
    how : str
        The two routes that the check compares.
    depths : str
        The concrete depths at which numbers or whole matrices were tried.
    route : callable
        Recomputes a statement by the other route; raises `DerivationError` where it fails.

    Examples
    --------
    A step with another statement is checked against the same route:

    >>> from dlnflow import symbolic
    >>> step = symbolic.derive("jepa", L=2).steps[-6]
    >>> step.check()
    """

    number: str
    title: str
    statement: sp.Tuple
    explanation: str
    source: str
    how: str
    depths: str
    route: Callable[[sp.Tuple], None] = field(compare=False)

    def check(self) -> None:
        """Recompute the claim by an independent route.

        Raises
        ------
        DerivationError
            With the residual and a numeric counterexample, if it does not hold.
        UndecidedError
            If SymPy cannot decide it.
        """
        statement = self.statement
        if not isinstance(statement, sp.Tuple):
            statement = sp.Tuple(statement)
        try:
            self.route(statement)
        except DerivationError as error:
            if error.statement is None:
                error.statement = statement
            error.args = (f"step {self.number}, {self.title}: {error}",)
            raise

    def with_statement(self, *relations: Any) -> Step:
        """The same step, claiming something else."""
        return replace(self, statement=sp.Tuple(*relations))

    def __str__(self) -> str:
        return f"{self.number}. {self.title}"

    def __repr__(self) -> str:
        relations = "; ".join(map(str, self.statement))
        return f"<Step {self}: {relations}>"


def definition(relation: Any, node: Any) -> Any:
    """What a relation says a symbol is.

    Raises
    ------
    DerivationError
        If it does not determine the symbol.
    """
    symbol = sp.Dummy("sought", real=True)
    found = sp.solve(relation.lhs.xreplace({node: symbol}) - relation.rhs, symbol, dict=False)
    if len(found) != 1 or not relation.lhs.has(node):
        raise DerivationError(f"{relation} does not say what {node} is", statement=relation)
    return found[0]


def relations(statement: sp.Tuple, count: int) -> tuple[Any, ...]:
    """The relations of a statement, which must be as many as the route speaks of."""
    if len(statement) != count:
        raise DerivationError(
            f"{count} relations were expected and {len(statement)} are claimed", statement=statement
        )
    return tuple(statement)

"""One step of a derivation: what it says, and how that is checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from dlnflow.symbolic._judge import DerivationError, UndecidedError, undecided_if_it_fails
from dlnflow.symbolic._size import refuse_oversized


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
    derived: sp.Tuple | None = None

    def __post_init__(self) -> None:
        if self.derived is None:
            object.__setattr__(self, "derived", self.statement)

    def check(self) -> None:
        """Recompute the claim by an independent route.

        Raises
        ------
        DerivationError
            With the residual and a numeric counterexample, if it does not hold.
        UndecidedError
            If SymPy cannot decide it, or cannot evaluate it, or if it is not what was derived and
            yet holds wherever it was tried: numbers alone make nothing true.
        """
        try:
            with undecided_if_it_fails(self.statement):
                self._check()
        except DerivationError as error:
            if error.statement is None:
                error.statement = self.statement
            error.args = (f"step {self.number}, {self.title}: {error}",)
            raise

    def _check(self) -> None:
        statement = self.statement
        if not isinstance(statement, sp.Tuple):
            statement = sp.Tuple(statement)
        _of_the_same_kind(statement, self.derived)
        if statement == self.derived:
            self.route(statement)
            return
        refuse_oversized(statement)
        self.route(statement)
        raise UndecidedError("it holds wherever it was tried, but is not what was derived")

    def with_statement(self, *relations: Any) -> Step:
        """The same step, claiming something else."""
        return replace(self, statement=sp.Tuple(*relations))

    def __str__(self) -> str:
        return f"{self.number}. {self.title}"

    def _repr_markdown_(self) -> str:
        from dlnflow.symbolic._printers import latex

        formulas = "\n\n".join(f"$$\n{latex(relation)}\n$$" for relation in self.statement)
        return f"**{self}**\n\n{self.explanation}\n\n{formulas}\n\nChecked by: {self.how}."

    def __repr__(self) -> str:
        relations = "; ".join(map(str, self.statement))
        return f"<Step {self}: {relations}>"


def _of_the_same_kind(statement: sp.Tuple, derived: Any) -> None:
    """As many relations as were derived, each an equation where one was, about the same things."""
    if len(statement) != len(derived):
        raise DerivationError(
            f"{len(derived)} relations were expected and {len(statement)} are claimed: "
            f"{', '.join(map(str, derived))}"
        )
    for claimed, known in zip(statement, derived, strict=True):
        if type(claimed) is not type(known):
            kind = "an equation" if isinstance(known, sp.Eq) else "an implication or equivalence"
            raise DerivationError(f"{claimed} is not {kind}, as {known} is")
        subject, told = (
            one.atoms(sp.Symbol, sp.MatrixSymbol, AppliedUndef) for one in (known.args[0], claimed)
        )
        if not subject & told:
            raise DerivationError(f"{claimed} says nothing about {known.args[0]}")


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

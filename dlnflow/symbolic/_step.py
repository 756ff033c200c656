"""One step of a derivation: its statement and its check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from dlnflow.symbolic._evaluate import DerivationError, UndecidedError, undecided_if_it_fails
from dlnflow.symbolic._printers import latex, latex_block
from dlnflow.symbolic._size import refuse_open_ended, refuse_oversized


@dataclass(frozen=True, repr=False)
class Step:
    """A statement of a derivation with its explanation, source and check.

    Parameters
    ----------
    number, title : str
    statement : sympy.Tuple
        Equations and inequalities, all claimed.
    explanation : str
        One paragraph.
    source : str
        Who has published it: "the paper", "classical", or "derived here".
    how : str
        The two independent computations that the check compares.
    depths : str
        The depths at which numbers or matrices are tried.
    route : callable
        Recomputes a statement independently; raises `DerivationError` if it does not hold.

    Examples
    --------
    >>> from dlnflow import symbolic
    >>> step = symbolic.derive("jepa", L=2)["8"]
    >>> step.check()

    A step with another statement is checked in the same way:

    >>> fraction, order, *rest = step.statement
    >>> try:
    ...     step.with_statement(fraction, order.func(order.lhs, 3), *rest).check()
    ... except symbolic.DerivationError as error:
    ...     print(error.statement.lhs)
    Derivative(q(t), t)
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
        """Recompute the statement independently and compare.

        Raises
        ------
        DerivationError
            If the statement does not hold; with the residual and a numeric counterexample.
        UndecidedError
            If SymPy cannot decide or evaluate the statement; or if it is not what was derived and
            holds at all values tried, since numbers alone prove nothing.
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
        refuse_open_ended(statement, self.derived)
        self.route(statement)
        raise UndecidedError("it holds at all values tried, but is not what was derived")

    def with_statement(self, *relations: Any) -> Step:
        """The same step with another statement."""
        return replace(self, statement=sp.Tuple(*relations))

    def __str__(self) -> str:
        return f"{self.number}. {self.title}"

    def _repr_markdown_(self) -> str:
        formulas = "\n\n".join(f"$$\n{latex(relation)}\n$$" for relation in self.statement)
        return f"**{self}**\n\n{self.explanation}\n\n{formulas}\n\nChecked by: {self.how}."

    def _repr_latex_(self) -> str:
        return latex_block(self.statement)

    def __repr__(self) -> str:
        relations = "; ".join(map(str, self.statement))
        return f"<Step {self}: {relations}>"


def _of_the_same_kind(statement: sp.Tuple, derived: Any) -> None:
    """Refuse statements with another number, kind or subject of relations than derived."""
    if len(statement) != len(derived):
        raise DerivationError(
            f"{len(derived)} relations were expected and {len(statement)} are claimed: "
            f"{', '.join(map(str, derived))}"
        )
    for claimed, known in zip(statement, derived, strict=True):
        if type(claimed) is not type(known):
            kind = "an equation" if isinstance(known, sp.Eq) else "an implication or equivalence"
            raise DerivationError(f"{claimed} is not {kind}, as {known} is")
        subject, claimed_symbols = (
            one.atoms(sp.Symbol, sp.MatrixSymbol, AppliedUndef) for one in (known.args[0], claimed)
        )
        if not subject & claimed_symbols:
            raise DerivationError(f"{claimed} says nothing about {known.args[0]}")


def definition(relation: Any, node: Any) -> Any:
    """The value of a symbol by a relation.

    Raises
    ------
    DerivationError
        If the relation does not determine the symbol.
    """
    symbol = sp.Dummy("sought", real=True)
    found = sp.solve(relation.lhs.xreplace({node: symbol}) - relation.rhs, symbol, dict=False)
    if len(found) != 1 or not relation.lhs.has(node):
        raise DerivationError(f"{relation} does not say what {node} is", statement=relation)
    return found[0]

"""Derivations as objects: the steps, what they come to, and whether they hold."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._fixed_points import FixedPoint
from dlnflow.symbolic._functions import numpy_function
from dlnflow.symbolic._judge import DerivationError, UndecidedError, undecided_if_it_fails
from dlnflow.symbolic._law import Law
from dlnflow.symbolic._size import refuse_oversized, shown
from dlnflow.symbolic._step import Step

if TYPE_CHECKING:
    import pandas as pd

QUANTITIES = (
    "mode_ode",
    "order",
    "rate",
    "plateau",
    "critical_time",
    "critical_time_published",
    "critical_time_head",
    "remainder",
)


@dataclass(frozen=True, repr=False)
class Derivation:
    """The derivation of a mode equation and all that follows from it; made by `derive`.

    Attributes
    ----------
    title : str
        What is derived: objective, depths, clock.
    steps : tuple of Step
        In order; each can be checked by itself.
    mode_ode : sympy.Eq
        ``Derivative(w(t), t) = ...`` on the chosen clock.
    flow : sympy.Eq
        The same for the common singular value ``u``, on the network clock.
    fixed_points : tuple of FixedPoint
        Amplitudes at which a mode rests, and whether stably.
    order, rate, plateau : sympy.Expr
        ``c``, ``kappa`` and the amplitude's limit.
    critical_time : sympy.Expr
        Exact, in ``lam, rho, eps, p``; for modes that start below the fraction ``p``.
    depths : tuple of sympy.Symbol
        The depths that are symbols here.
    conditions : tuple of sympy.Relational
        Under which it holds, apart from the symbols' own assumptions.
    critical_time_published, critical_time_head, remainder : sympy.Expr
        The paper's formula; the part of the exact time that grows as a power of ``1/eps`` (the same
        where the paper has one); and the exact time less that part.

    Raises
    ------
    ValueError
        By attributes that do not exist here: all from ``order`` on for an equation outside the
        hyperlogistic family (``in_family`` tells), the published time where the paper has none.

    Notes
    -----
    Symbols are those of `dlnflow.symbolic`: ``lam``, ``rho``, ``eps``, ``p`` positive, ``t`` real.

    Examples
    --------
    >>> from dlnflow import symbolic
    >>> d = symbolic.derive("jepa", L=3)
    >>> d.order, d.rate, d.plateau
    (6, lam*rho**5/3, rho**3)
    >>> print(d.mode_ode.rhs)
    lam*w(t)**(8/3) - lam*w(t)**3/rho
    """

    title: str
    steps: tuple[Step, ...]
    mode_ode: sp.Eq
    flow: sp.Eq
    fixed_points: tuple[FixedPoint, ...]
    law: Law | None
    depths: tuple[Any, ...]
    conditions: tuple[Any, ...]
    published: Any
    why_not: str
    refute: Callable[[Any], None] = field(compare=False)

    @property
    def in_family(self) -> bool:
        """Whether the equation is hyperlogistic."""
        return self.law is not None

    @property
    def _law(self) -> Law:
        if self.law is None:
            raise ValueError(self.why_not)
        return self.law

    @property
    def order(self) -> Any:
        """``c``."""
        return self._law.order

    @property
    def rate(self) -> Any:
        """``kappa`` on the chosen clock."""
        return self._law.rate

    @property
    def plateau(self) -> Any:
        """The amplitude that a growing mode comes to."""
        return self._law.plateau

    @property
    def critical_time(self) -> Any:
        """The exact time to the fraction ``p`` of the plateau."""
        return self._law.critical_time()

    @property
    def critical_time_published(self) -> Any:
        """The paper's critical time, without its Theta terms."""
        if self.published is None:
            raise ValueError(
                "critical_time_published exists for JEPA and MAE with decoder_depth 1, on the "
                f"paper's clock: got {self.title}; critical_time_head is its analogue"
            )
        return self.published

    @property
    def critical_time_head(self) -> Any:
        """The part of the critical time that grows as a power of ``1/eps``."""
        return self._law.head()

    @property
    def remainder(self) -> Any:
        """Critical time less `critical_time_head`, without cancellation."""
        return self._law.remainder()

    def __getitem__(self, number: str) -> Step:
        """A step by its number: ``"5"``, ``"10a"``."""
        for step in self.steps:
            if step.number == str(number):
                return step
        known = ", ".join(step.number for step in self.steps)
        raise KeyError(f"step must be one of {known}: got {number!r}")

    def check_mode_ode(self, conjecture: Any) -> None:
        """Test a conjectured equation for ``w`` against explicit networks.

        Parameters
        ----------
        conjecture : sympy.Eq or sympy.Expr
            ``Eq(Derivative(w(t), t), ...)``, or its right-hand side in `symbolic.w`, on the
            derivation's clock.

        Raises
        ------
        DerivationError
            With residual and counterexample, if a network moves otherwise.
        UndecidedError
            If SymPy cannot evaluate it.
        TypeError
            For anything but an equation or expression.

        Examples
        --------
        A data-space loss read as a JEPA's:

        >>> from dlnflow.symbolic import DerivationError, derive, lam, rho, w
        >>> try:
        ...     derive("jepa", L=2).check_mode_ode(lam * w ** (2 - 1 / 2) * (rho - w**2))
        ... except DerivationError as error:
        ...     print(sorted(map(str, error.counterexample)))
        ['Derivative(w(t), t)', 'L', 'P', 'lam', 'm', 'rho', 'w(t)']
        """
        if not isinstance(conjecture, sp.Eq | sp.Expr):
            raise TypeError(
                f"conjecture must be a SymPy equation or expression: got {shown(conjecture)}"
            )
        with undecided_if_it_fails(conjecture):
            refuse_oversized(conjecture)
            self.refute(conjecture)

    def verify(self) -> pd.DataFrame:
        """Run every check.

        Returns
        -------
        pandas.DataFrame
            One row per step, with columns ``step``, ``holds`` (True; False with the counterexample
            in ``how``; None where it is undecided, with the reason there), ``how`` (the two routes
            compared) and ``seconds``.

        Examples
        --------
        >>> from dlnflow import symbolic
        >>> table = symbolic.derive("mae", L=1).verify()
        >>> bool(table["holds"].all()), len(table)
        (True, 18)
        """
        import pandas as pd

        return pd.DataFrame([_verified(step) for step in self.steps])

    def lambdify(self, name: str) -> Callable[..., Any]:
        """A derived quantity as a NumPy function.

        Parameters
        ----------
        name : str
            ``"mode_ode"`` (its right-hand side), ``"order"``, ``"rate"``, ``"plateau"``,
            ``"critical_time"``, ``"critical_time_published"``, ``"critical_time_head"`` or
            ``"remainder"``.

        Returns
        -------
        callable
            Of arrays that broadcast. Arguments by position or name, in the order ``w``, ``lam``,
            ``rho``, ``eps``, ``p``, as far as the quantity is one of them (see its docstring), then
            ``depths``, each a single integer, then other parameters. Positive numbers, ``p`` below
            1; a critical time is 0 where the mode starts at or above the fraction ``p``.

        Raises
        ------
        ValueError
            For another name.

        Examples
        --------
        >>> import dlnflow
        >>> from dlnflow import symbolic
        >>> time = symbolic.derive("jepa", L=3).lambdify("critical_time")
        >>> time(1.0, [1.0, 0.5], 1e-3, 0.5).round(1).tolist()
        [68678.7, 80559.9]
        """
        if name not in QUANTITIES:
            raise ValueError(f"name must be one of {', '.join(QUANTITIES)}: got {shown(name)}")
        if name == "mode_ode":
            velocity = self.mode_ode.rhs.xreplace({no.w_of(no.t): no.w})
            return numpy_function(name, velocity, self.depths)
        plateau = self.plateau if name == "critical_time" else None
        return numpy_function(name, getattr(self, name), self.depths, plateau)

    def to_text(self) -> str:
        """As plain text."""
        from dlnflow.symbolic._render import to_text

        return to_text(self)

    def to_markdown(self) -> str:
        """As Markdown with formulas in dollars."""
        from dlnflow.symbolic._render import to_markdown

        return to_markdown([self])

    def to_latex(self) -> str:
        """As a LaTeX document that compiles."""
        from dlnflow.symbolic._render import to_latex

        return to_latex(self)

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def __repr__(self) -> str:
        family = "" if self.in_family else "; not of the hyperlogistic family"
        return (
            f"<Derivation of {self.title}: {len(self.steps)} steps; "
            f"dw/dt = {self.mode_ode.rhs.xreplace({no.w_of(no.t): no.w})}{family}>"
        )


def _verified(step: Step) -> Mapping[str, Any]:
    began = time.perf_counter()
    holds: bool | None = True
    how = f"{step.how}; tried at {step.depths}"
    try:
        step.check()
    except UndecidedError as error:
        holds, how = None, f"undecided: {error}"
    except DerivationError as error:
        holds, how = False, str(error)
    seconds = round(time.perf_counter() - began, 3)
    return {"step": str(step), "holds": holds, "how": how, "seconds": seconds}

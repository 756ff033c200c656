"""A derivation as an object: its steps, its results, and the check of every step."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._evaluate import DerivationError, UndecidedError, undecided_if_it_fails
from dlnflow.symbolic._fixed_points import FixedPoint
from dlnflow.symbolic._functions import ARGUMENTS, numpy_function
from dlnflow.symbolic._hyperlogistic import HyperlogisticForm
from dlnflow.symbolic._printers import latex_block
from dlnflow.symbolic._render import to_latex, to_markdown, to_text
from dlnflow.symbolic._size import refuse_oversized, shown
from dlnflow.symbolic._step import Step

if TYPE_CHECKING:
    import pandas as pd


STABILITY = {True: "(stable)", False: "(unstable)", None: "(stability not decided)"}


@dataclass(frozen=True, repr=False)
class Derivation:
    """A mode equation derived step by step, with what follows from it; made by `derive`.

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
        Amplitudes at which a mode is at rest, and whether each is stable.
    order, rate, plateau : sympy.Expr
        Order ``c``, rate ``kappa``, and the amplitude at the end of training.
    critical_time : sympy.Expr
        Exact, in ``lam, rho, eps, p``; for modes initialised below the fraction ``p``.
    depths : tuple of sympy.Symbol
        The depths that are symbols here.
    conditions : tuple of sympy.Relational
        Conditions under which it holds, beyond the symbols' own assumptions.
    critical_time_published, critical_time_head, remainder : sympy.Expr
        The paper's formula; the part of the exact time that grows as a power of ``1/eps`` (equal to
        the paper's formula where there is one); and the exact time less that part.

    Raises
    ------
    ValueError
        By ``order`` and the attributes that follow it for an equation outside the hyperlogistic
        family (``in_family`` is False); by ``critical_time_published`` where the paper has none.

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
    form: HyperlogisticForm | None
    depths: tuple[Any, ...]
    conditions: tuple[Any, ...]
    published: Any
    why_not: str
    refute: Callable[[Any], None] = field(compare=False)

    @property
    def in_family(self) -> bool:
        """Whether the equation is hyperlogistic."""
        return self.form is not None

    @property
    def _form(self) -> HyperlogisticForm:
        if self.form is None:
            raise ValueError(self.why_not)
        return self.form

    @property
    def order(self) -> Any:
        """``c``."""
        return self._form.order

    @property
    def rate(self) -> Any:
        """``kappa`` on the chosen clock."""
        return self._form.rate

    @property
    def plateau(self) -> Any:
        """The amplitude at which a growing mode ends."""
        return self._form.plateau

    @property
    def critical_time(self) -> Any:
        """The exact time to the fraction ``p`` of the plateau."""
        return self._form.critical_time()

    @property
    def critical_time_published(self) -> Any:
        """The paper's critical time (Theorem 4.5), without its Theta terms."""
        if self.published is None:
            raise ValueError(
                "critical_time_published exists for JEPA and MAE with decoder_depth 1, on the "
                f"paper's clock: got {self.title}; critical_time_head is its analogue"
            )
        return self.published

    @property
    def critical_time_head(self) -> Any:
        """The part of the critical time that grows as a power of ``1/eps``."""
        return self._form.head()

    @property
    def remainder(self) -> Any:
        """Critical time less `critical_time_head`, without cancellation."""
        return self._form.remainder()

    @property
    def results(self) -> list[tuple[str, Any]]:
        """Names and values of what was derived."""
        if self.in_family:
            rest = [("order c", self.order), ("rate kappa", self.rate), ("plateau", self.plateau)]
        else:
            rest = [(f"fixed point {STABILITY[one.stable]}", one.w) for one in self.fixed_points]
        return [("mode equation", self.mode_ode), *rest]

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
            If SymPy cannot evaluate the conjecture.
        TypeError
            If ``conjecture`` is neither an equation nor an expression.

        Examples
        --------
        A wrong equation for a JEPA is refuted:

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
            One row per step. Columns: ``step``; ``holds`` (True, False, or None where it is
            undecided); ``how`` (the two routes compared, the counterexample, or the reason why it
            is undecided); ``seconds``.

        Examples
        --------
        >>> from dlnflow import symbolic
        >>> table = symbolic.derive("mae", L=1).verify()
        >>> bool(table["holds"].all()), len(table)
        (True, 18)
        """
        from dlnflow._common._frame import Frame

        return Frame([_verified(step) for step in self.steps])

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
            Takes arrays that broadcast, by position or name: those of ``w``, ``lam``, ``rho``,
            ``eps``, ``p`` that the quantity depends on (its docstring lists them), then ``depths``,
            each a single integer, then other parameters. All are positive and ``p`` is below 1. A
            critical time is 0 where the mode is initialised at or above the fraction ``p``.

        Raises
        ------
        ValueError
            If ``name`` is none of these.

        Examples
        --------
        >>> import dlnflow
        >>> from dlnflow import symbolic
        >>> time = symbolic.derive("jepa", L=3).lambdify("critical_time")
        >>> time(1.0, [1.0, 0.5], 1e-3, 0.5).round(1).tolist()
        [68678.7, 80559.9]
        """
        if name not in ARGUMENTS:
            raise ValueError(f"name must be one of {', '.join(ARGUMENTS)}: got {shown(name)}")
        if name == "mode_ode":
            velocity = self.mode_ode.rhs.xreplace({no.w_of(no.t): no.w})
            return numpy_function(name, velocity, self.depths)
        plateau = self.plateau if name == "critical_time" else None
        return numpy_function(name, getattr(self, name), self.depths, plateau)

    def to_text(self) -> str:
        """As plain text."""
        return to_text(self)

    def to_markdown(self) -> str:
        """As Markdown with formulas in dollars."""
        return to_markdown([self])

    def to_latex(self) -> str:
        """As a LaTeX document that compiles."""
        return to_latex(self)

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def _repr_latex_(self) -> str:
        symbols = (no.c, no.kappa, no.w_plateau)
        values = (self.order, self.rate, self.plateau) if self.in_family else ()
        return latex_block([self.mode_ode, *map(no.equation, symbols, values)])

    def __repr__(self) -> str:
        family = "" if self.in_family else "; not of the hyperlogistic family"
        return (
            f"<Derivation of {self.title}: {len(self.steps)} steps; "
            f"dw/dt = {self.mode_ode.rhs.xreplace({no.w_of(no.t): no.w})}{family}>"
        )


def side_by_side(derivations: Sequence[Derivation] | Any) -> str:
    """Several derivations as one Markdown text, step by step; what they share is printed once.

    Parameters
    ----------
    derivations : sequence of Derivation

    Returns
    -------
    str

    Raises
    ------
    TypeError
        If ``derivations`` is not a sequence of derivations.
    ValueError
        If it is empty.

    Examples
    --------
    >>> from dlnflow import symbolic
    >>> text = symbolic.side_by_side([symbolic.derive("jepa"), symbolic.derive("mae")])
    >>> print(text.splitlines()[0])
    # Derivation: JEPA; MAE
    """
    rule = "derivations must be a sequence of dlnflow.symbolic.Derivation"
    if isinstance(derivations, str) or not isinstance(derivations, Sequence):
        raise TypeError(f"{rule}: got {type(derivations).__name__}")
    for one in derivations:
        if not isinstance(one, Derivation):
            raise TypeError(f"{rule}: got {type(one).__name__} in it")
    if not derivations:
        raise ValueError("derivations must hold at least one: got none")
    return to_markdown(derivations)


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

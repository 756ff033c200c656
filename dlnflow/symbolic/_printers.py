"""Formulas in LaTeX, with the paper's symbols, and in plain text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from dlnflow.symbolic import _notation as no

CLOCKS = (no.t, no.t_network, no.t_paper)
NAMES = {
    "lam": r"\lambda",
    "eps": r"\varepsilon",
    "w": r"\bar{w}",
    "w_plateau": r"\bar{w}_{\infty}",
    "Wbar": r"\bar{W}",
    "t_network": r"t_{\mathrm{net}}",
    "t_paper": r"t_{\mathrm{paper}}",
    "t_star": "t^{*}",
    "t_head": r"t_{\mathrm{head}}",
    "t_published": r"t_{\mathrm{published}}",
    "t_lead": r"t_{\mathrm{lead}}",
    "t_jepa": r"t^{*}_{\mathrm{JEPA}}",
    "t_mae": r"t^{*}_{\mathrm{MAE}}",
    "S_jepa": r"S_{\mathrm{JEPA}}",
    "S_mae": r"S_{\mathrm{MAE}}",
    "G_next": r"G^{+}",
}


class PaperLatex(LatexPrinter):
    """LaTeX in the paper's symbols."""

    def __init__(self) -> None:
        super().__init__({"mat_symbol_style": "plain", "root_notation": False})

    def _deal_with_super_sub(self, string: str, style: str = "plain") -> str:
        return _named(string) or str(super()._deal_with_super_sub(string, style=style))

    def _print_AppliedUndef(self, expr: Any, exp: Any = None) -> str:
        name = self._deal_with_super_sub(expr.func.__name__)
        timed = all(arg in CLOCKS for arg in expr.args)
        arguments = ", ".join(map(self._print, expr.args))
        printed = name if timed else rf"{name}\left({arguments}\right)"
        if exp is None:
            return printed
        return rf"{printed}^{{{exp}}}" if timed else rf"{{{printed}}}^{{{exp}}}"

    def _print_Derivative(self, expr: Any) -> str:
        inner = expr.expr
        if isinstance(inner, AppliedUndef) and inner.args == (expr.variables[0],):
            name = self._deal_with_super_sub(inner.func.__name__)
            return rf"\frac{{d {name}}}{{d {self._print(expr.variables[0])}}}"
        variable = self._print(expr.variables[0])
        return rf"\frac{{d}}{{d {variable}}} \left[{self._print(inner)}\right]"

    def _print_Subs(self, expr: Any) -> str:
        at = f"{self._print(expr.variables[0])} = {self._print(expr.point[0])}"
        return rf"\left. {self._print(expr.expr)} \right|_{{{at}}}"

    def _print_Trace(self, expr: Any) -> str:
        return rf"\operatorname{{tr}}\left({self._print(expr.arg)}\right)"

    def _print_Symbol(self, expr: Any, style: str = "plain") -> str:
        return self._deal_with_super_sub(expr.name, style=style)

    def _print_Equivalent(self, expr: Any, altchar: Any = None) -> str:
        one, other = _sides(expr)
        return rf"{self._print(one)} \quad\Longleftrightarrow\quad {self._print(other)}"

    def _print_Implies(self, expr: Any, altchar: Any = None) -> str:
        one, other = expr.args
        return rf"{self._print(one)} \quad\Longrightarrow\quad {self._print(other)}"


def _sides(expr: Any) -> list[Any]:
    """The sides of an equivalence, the one that is a range of ``lam`` last."""
    return sorted(expr.args, key=lambda arg: str(arg).startswith("(lam"))


def _named(name: str) -> str | None:
    if name in NAMES:
        return NAMES[name]
    head, _, index = name.partition("_layer_")
    if index:
        return rf"{NAMES.get(head + '_star', head)}_{{({index})}}"
    base, _, index = name.rpartition("_")
    if base in NAMES:
        return f"{NAMES[base]}_{{{index}}}"
    return None


class PlainText(StrPrinter):
    """One line of text, with the names in the code."""

    def _print_Relational(self, expr: Any) -> str:
        return f"{self._print(expr.lhs)} {expr.rel_op.replace('==', '=')} {self._print(expr.rhs)}"

    def _print_AppliedUndef(self, expr: Any) -> str:
        if all(arg in CLOCKS for arg in expr.args):
            return str(expr.func.__name__)
        return str(self._print_Function(expr))

    def _print_Derivative(self, expr: Any) -> str:
        inner, variable = expr.expr, expr.variables[0]
        if isinstance(inner, AppliedUndef) and inner.args == (variable,):
            return f"d{inner.func.__name__}/d{variable}"
        return f"d/d{variable} [{self._print(inner)}]"

    def _print_Limit(self, expr: Any) -> str:
        inner, variable, at, _ = expr.args
        return f"lim[{variable} -> {at}] {self.parenthesize(inner, 1000)}"

    def _print_Sum(self, expr: Any) -> str:
        index, low, high = expr.limits[0]
        return f"sum[{index} = {low} .. {self._print(high)}] ({self._print(expr.function)})"

    def _print_Subs(self, expr: Any) -> str:
        return f"{self._print(expr.expr)} at {expr.variables[0]} = {self._print(expr.point[0])}"

    def _print_hyper(self, expr: Any) -> str:
        above = ", ".join(map(self._print, expr.ap))
        below = ", ".join(map(self._print, expr.bq))
        return f"2F1({above}; {below}; {self._print(expr.argument)})"

    def _print_Piecewise(self, expr: Any) -> str:
        parts = [
            f"{self._print(value)} "
            + ("otherwise" if when == sp.true else f"if {self._print(when)}")
            for value, when in expr.args
        ]
        return "{" + "; ".join(parts) + "}"

    def _print_Contains(self, expr: Any) -> str:
        return f"{self._print(expr.args[0])} is whole"

    def _print_And(self, expr: Any) -> str:
        return " and ".join(self._print(arg) for arg in sorted(expr.args, key=str))

    def _print_Implies(self, expr: Any) -> str:
        return f"if {self._print(expr.args[0])} then {self._print(expr.args[1])}"

    def _print_Equivalent(self, expr: Any) -> str:
        one, other = _sides(expr)
        return f"({self._print(one)}) if and only if ({self._print(other)})"

    def _print_Trace(self, expr: Any) -> str:
        return f"tr({self._print(expr.arg)})"

    def _print_Transpose(self, expr: Any) -> str:
        inner = self._print(expr.arg)
        return f"{inner}^T" if expr.arg.is_symbol else f"({inner})^T"

    def _print_Infinity(self, expr: Any) -> str:
        return "infinity"


def latex(expression: Any) -> str:
    """A formula in LaTeX."""
    return str(PaperLatex().doprint(expression))


def latex_block(relations: Iterable[Any]) -> str:
    """Formulas in LaTeX for a notebook, one below the other."""
    lines = r" \\ ".join(map(latex, relations))
    return rf"$\displaystyle \begin{{gathered}} {lines} \end{{gathered}}$"


def plain(expression: Any) -> str:
    """A formula on one line."""
    return str(PlainText().doprint(expression))

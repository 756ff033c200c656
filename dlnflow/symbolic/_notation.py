"""The symbols of the derivation, and matrix operations that SymPy does not have."""

from __future__ import annotations

from typing import Any

import sympy as sp

lam, rho, eps, p = sp.symbols("lam rho eps p", positive=True)
lam_1, lam_2, rho_1, rho_2 = sp.symbols("lam_1 lam_2 rho_1 rho_2", positive=True)
t = sp.Symbol("t", real=True)
t_network, t_paper = sp.symbols("t_network t_paper", real=True)
L, P = sp.symbols("L P", integer=True, positive=True)
m = sp.Symbol("m", integer=True, nonnegative=True)
n, a = sp.symbols("n a", integer=True, positive=True)
c = sp.Symbol("c", positive=True)
kappa, q, u, w = sp.symbols("kappa q u w", positive=True)
q_0, q_p, w_plateau = sp.symbols("q_0 q_p w_plateau", positive=True)
loss = sp.Symbol("E", real=True)

u_of, w_of, q_of = (sp.Function(name, positive=True) for name in "uwq")
velocity = sp.Function("f", real=True)  # dw/dt as a function of w
elapsed = sp.Function("T_c", real=True)  # T_c, the antiderivative of 1 / (q**c (1 - q))


class MatrixOperation(sp.MatrixExpr):
    """An operation on a matrix, its last argument, with a result of the same shape."""

    @property
    def shape(self) -> Any:
        return self.args[-1].shape


class LossGradient(MatrixOperation):
    """The matrix of derivatives of a scalar with respect to each entry of a matrix."""

    def _sympystr(self, printer: Any) -> str:
        return "d{}/d{}".format(*map(printer._print, self.args))

    def _latex(self, printer: Any) -> str:
        return r"\frac{{\partial {}}}{{\partial {}}}".format(*map(printer._print, self.args))


class TimeDerivative(MatrixOperation):
    """The derivative of a matrix in time, on the network clock."""

    def _sympystr(self, printer: Any) -> str:
        inner = printer._print(self.args[0])
        return f"d{inner}/dt" if self.args[0].is_symbol else f"d({inner})/dt"

    def _latex(self, printer: Any) -> str:
        inner = printer._print(self.args[0])
        if self.args[0].is_symbol:
            return rf"\frac{{d {inner}}}{{d t}}"
        return rf"\frac{{d}}{{d t}} \left({inner}\right)"


class OffDiagonal(MatrixOperation):
    """A matrix with its diagonal set to zero."""

    def doit(self, **hints: Any) -> sp.MatrixExpr:
        inner = self.args[0].doit(**hints)
        if not isinstance(inner, sp.MatrixBase):
            return OffDiagonal(inner)
        return sp.ImmutableDenseMatrix(inner - sp.diag(*inner.diagonal()))

    def _sympystr(self, printer: Any) -> str:
        return f"offdiag({printer._print(self.args[0])})"

    def _latex(self, printer: Any) -> str:
        return rf"\operatorname{{offdiag}}\left({printer._print(self.args[0])}\right)"


def equation(left: Any, right: Any) -> sp.Eq:
    """An equation that SymPy does not evaluate to true or false."""
    return sp.Eq(left, right, evaluate=False)

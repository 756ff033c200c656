"""The loss of one mode, and the velocity of the common singular value of its layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._architecture import Architecture

v, tau = sp.symbols("v tau", positive=True)


@dataclass(frozen=True)
class ModeLoss:
    """The loss restricted to one mode, in products of layers and frozen targets.

    ``encoder`` and ``decoder`` map each symbol to the number of layers it is the product of;
    ``frozen`` maps symbols behind a stop-gradient to their values.
    """

    expression: Any
    encoder: Mapping[Any, Any]
    decoder: Mapping[Any, Any]
    frozen: Mapping[Any, Any]

    @property
    def products(self) -> dict[Any, Any]:
        """Every trained symbol with its number of layers."""
        return {**self.encoder, **self.decoder}

    @property
    def depth(self) -> Any:
        """Number of encoder layers."""
        return sum(self.encoder.values())

    def balanced(self) -> dict[Any, Any]:
        """Every trained symbol when all layers have the singular value ``u``."""
        return {symbol: no.u**count for symbol, count in self.products.items()}

    def velocities(self) -> dict[Any, Any]:
        """``du/dt`` of a layer of each symbol, on the network clock, in balanced layers."""
        found = {}
        for symbol in self.products:
            # one layer of the product: d symbol / d layer = symbol / u
            slope = -sp.diff(self.expression, symbol) * symbol / no.u
            held = slope.xreplace(dict(self.frozen))
            found[symbol] = gathered(held.xreplace(self.balanced()))
        return found


def mode_loss(architecture: Architecture) -> ModeLoss:
    """``1/2 s (v w)**2 - lam v w tau`` with ``s = lam / rho`` and ``tau = u**m`` frozen."""
    error = no.lam / no.rho * (v * no.w) ** 2 / 2 - no.lam * v * no.w * tau
    return ModeLoss(error, {no.w: architecture.L}, {v: architecture.P}, {tau: no.u**architecture.m})


def gathered(expression: Any) -> Any:
    """An expression expanded, with powers of the same base combined."""
    return sp.expand(sp.powdenest(sp.expand(expression), force=True))


def powers_of(expression: Any, variable: Any) -> dict[Any, Any]:
    """An expression as ``{exponent: coefficient}`` in one variable.

    Raises
    ------
    ValueError
        If a term is not a constant times a power.
    """
    found: dict[Any, Any] = {}
    for term in sp.Add.make_args(gathered(expression)):
        coefficient, rest = term.as_independent(variable, as_Add=False)
        factors = [one.as_base_exp() for one in sp.Mul.make_args(rest) if one != 1]
        if any(base != variable or exponent.has(variable) for base, exponent in factors):
            raise ValueError(
                "loss must be a sum of powers of the layers' products, so that its mode equation "
                f"is one of powers of {variable}: got the term {term}"
            )
        exponent = sp.expand(sum(one for _, one in factors))
        found[exponent] = found.get(exponent, sp.Integer(0)) + coefficient
    simplified = {exponent: sp.factor(one) for exponent, one in found.items()}
    return {exponent: one for exponent, one in simplified.items() if one != 0}


def amplitude_velocity(flow: Any, L: Any, speed: Any = None) -> Any:
    """``dw/dt`` in ``w = u**L``, on a clock of this speed or the paper's, from ``du/dt``."""
    factor = 1 if speed is None else sp.cancel(L * speed)
    return sum(
        factor * one * no.w ** sp.expand((exponent + L - 1) / L)
        for exponent, one in powers_of(flow, no.u).items()
    )

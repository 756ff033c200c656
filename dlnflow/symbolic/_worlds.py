"""Worlds in which a mode moves: exact networks, or the user's own loss, evaluated and differenced.

A world has numbers for every parameter and tells, for a common singular value ``u``, how fast the
layers and the encoder move. It knows no mode equation.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, Protocol

import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._judge import DIGITS
from dlnflow.symbolic._scalar import ModeLoss
from dlnflow.symbolic._setting import Case, Setting
from dlnflow.symbolic._witness import Aligned, aligned_network, number

SMALL = Fraction(1, 10**20)  # step of the differences that are not exact
GUARD = 2 * DIGITS  # digits carried where numbers are not rational
MANY = 200  # digits with which a user's loss is differenced
CHOPPED = sp.Float("1e-60")  # a slope below this is rounding


class World(Protocol):
    """A mode with numbers for all its parameters."""

    @property
    def values(self) -> Mapping[Any, Any]:
        """Numbers for the symbols."""

    @property
    def L(self) -> int:
        """Encoder depth."""

    def layers(self, u: Fraction) -> list[Any]:
        """``du/dt`` of every layer, network clock."""

    def encoder(self, u: Fraction) -> Any:
        """``dw/dt``, network clock."""

    def regression(self, u: Fraction) -> Any:
        """The map from context to prediction over the read-out of the target; None if unknown."""


@dataclass(frozen=True)
class MatrixWorld:
    """The first mode of a balanced network of matrices, beside another mode at rest."""

    case: Case
    rho: Fraction
    seed: int

    def network(self, u: Fraction) -> Aligned:
        """The network when the mode's layers have the singular value ``u``."""
        return _beside_another(self.case, u, self.rho, self.seed)

    @property
    def values(self) -> Mapping[Any, Any]:
        """Depths, ``lam`` and ``rho``."""
        lam = self.network(Fraction(1)).lam[0]
        return self.case.symbols | {no.lam: number(lam), no.rho: number(self.rho)}

    @property
    def L(self) -> int:
        """Encoder depth."""
        return self.case.L

    def layers(self, u: Fraction) -> list[Any]:
        """``du/dt`` of every layer, from gradients taken entry by entry."""
        return [number(velocity[0, 0]) for velocity in self.network(u).layer_velocities()]

    def encoder(self, u: Fraction) -> Any:
        """``dw/dt`` by the product rule over the encoder's layers."""
        return number(self.network(u).encoder_velocity()[0, 0])

    def regression(self, u: Fraction) -> Any:
        """``(V Wbar)_ii / T_ii`` in the modes."""
        aligned = self.network(u)
        network, bases = aligned.network, aligned.bases
        prediction = bases[-1].T @ network.decoder @ network.encoder @ bases[0]
        target = bases[self.case.m].T @ network.target @ bases[0]
        return number(prediction[0, 0] / target[0, 0])


@lru_cache(maxsize=1024)
def _beside_another(case: Case, u: Fraction, rho: Fraction, seed: int) -> Aligned:
    return aligned_network(case, (u, Fraction(2, 3)), (rho, Fraction(1, 2)), seed)


def matrix_worlds(setting: Setting, *, growing: bool = True) -> Iterator[MatrixWorld]:
    """Two random modes for every concrete case; with either sign of rho if not only growing."""
    rng = random.Random(4)
    for case in setting.cases():
        for sign in (1, 1 if growing else -1):
            rho = sign * Fraction(rng.randint(2, 9), 10)
            yield MatrixWorld(case, rho, rng.randrange(1000))


@dataclass(frozen=True)
class ScalarWorld:
    """A user's loss with numbers in it, every layer a variable of its own."""

    loss: ModeLoss
    values: Mapping[Any, Any]

    @property
    def _counts(self) -> dict[Any, int]:
        counts = self.loss.products.items()
        return {symbol: int(sp.sympify(one).xreplace(dict(self.values))) for symbol, one in counts}

    @property
    def L(self) -> int:
        """Encoder depth."""
        return sum(self._counts[symbol] for symbol in self.loss.encoder)

    def layers(self, u: Fraction) -> list[Any]:
        """``du/dt`` by a symmetric difference of the loss in one layer of each product."""
        return list(self._slopes(u).values())

    def _slopes(self, u: Fraction) -> dict[Any, Any]:
        base = sp.Float(number(u), MANY)
        step = (base or 1) * sp.Float("1e-50", MANY)
        frozen = self._frozen(base)
        found = {}
        for symbol in self.loss.products:
            ahead, behind = (
                self._loss({symbol: base + sign * step}, base, frozen) for sign in (1, -1)
            )
            slope = -(ahead - behind) / (2 * step)
            found[symbol] = sp.S.Zero if abs(slope) < CHOPPED else slope
        return found

    def _frozen(self, base: Any) -> dict[Any, Any]:
        known = {no.u: base, **self._products({}, base), **self.values}
        held = self.loss.frozen.items()
        return {symbol: sp.N(sp.sympify(one).xreplace(known), MANY) for symbol, one in held}

    def _products(self, moved: Mapping[Any, Any], base: Any) -> dict[Any, Any]:
        """Each product of layers, one of them moved."""
        counts = self._counts.items()
        return {symbol: base ** (count - 1) * moved.get(symbol, base) for symbol, count in counts}

    def _loss(self, moved: Mapping[Any, Any], base: Any, frozen: Mapping[Any, Any]) -> Any:
        numbers = {**self.values, **frozen, **self._products(moved, base)}
        return sp.N(self.loss.expression.xreplace(numbers), MANY)

    def encoder(self, u: Fraction) -> Any:
        """``dw/dt`` by the product rule."""
        base, slopes = sp.Float(number(u), MANY), self._slopes(u)
        total = sum(self._counts[symbol] * slopes[symbol] for symbol in self.loss.encoder)
        return total * base ** (self.L - 1)

    def regression(self, u: Fraction) -> Any:
        """None: a loss of any form has no target to compare with."""


def scalar_worlds(loss: ModeLoss, points: tuple[Mapping[Any, Any], ...]) -> list[ScalarWorld]:
    """A user's loss at some points of its parameters."""
    return [ScalarWorld(loss, point) for point in points]


def singular_values(seed: int = 6, count: int = 3) -> list[Fraction]:
    """Random fractions in (0, 2)."""
    rng = random.Random(seed)
    return [Fraction(rng.randint(2, 19), 10) for _ in range(count)]

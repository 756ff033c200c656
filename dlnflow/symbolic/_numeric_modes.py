"""Modes with numbers for all parameters: in an explicit network, or under a user's own loss.

For a common singular value ``u`` of the layers they give the velocities of layers and encoder, by
differences of the loss. No mode equation is used.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._architecture import Architecture, ConcreteDepths
from dlnflow.symbolic._evaluate import DIGITS
from dlnflow.symbolic._explicit_network import AlignedNetwork, aligned_network, number
from dlnflow.symbolic._mode_loss import ModeLoss

SMALL = Fraction(1, 10**20)  # relative step of differences that are not exact
GUARD = 2 * DIGITS  # digits carried where numbers are not rational
MANY = 200  # digits with which a user's loss is differenced
CHOPPED = sp.Float("1e-60")  # a slope below this is rounding error


@dataclass(frozen=True)
class NetworkMode:
    """The first of two modes of a balanced network of matrices."""

    case: ConcreteDepths
    rho: Fraction
    seed: int

    @property
    def values(self) -> Mapping[Any, Any]:
        """Depths, ``lam`` and ``rho``."""
        lam = _network(self, Fraction(1)).lam[0]
        return self.case.symbols | {no.lam: number(lam), no.rho: number(self.rho)}

    @property
    def L(self) -> int:
        """Encoder depth."""
        return self.case.L

    def layers(self, u: Fraction) -> list[Any]:
        """``du/dt`` of every layer, from gradients taken entry by entry."""
        return [number(velocity[0, 0]) for velocity in _network(self, u).layer_velocities()]

    def encoder(self, u: Fraction) -> Any:
        """``dw/dt`` by the product rule over the encoder's layers."""
        return number(_network(self, u).encoder_velocity()[0, 0])

    def regression(self, u: Fraction) -> Any:
        """``(V Wbar)_ii / T_ii`` in the modes."""
        aligned = _network(self, u)
        network, bases = aligned.network, aligned.bases
        prediction = bases[-1].T @ network.decoder @ network.encoder @ bases[0]
        target = bases[self.case.m].T @ network.target @ bases[0]
        return number(prediction[0, 0] / target[0, 0])


@lru_cache(maxsize=1024)
def _network(mode: NetworkMode, u: Fraction) -> AlignedNetwork:
    """The network when the mode's layers have the singular value ``u``."""
    regression = (mode.rho, Fraction(1, 2))
    return aligned_network(mode.case, (u, Fraction(2, 3)), regression, mode.seed)


def network_modes(architecture: Architecture, *, growing: bool = True) -> Iterator[NetworkMode]:
    """Two random modes for every case; one of them with negative ``rho`` unless ``growing``."""
    rng = random.Random(4)
    for case in architecture.cases():
        for sign in (1, 1 if growing else -1):
            rho = sign * Fraction(rng.randint(2, 9), 10)
            yield NetworkMode(case, rho, rng.randrange(1000))


@dataclass(frozen=True)
class LossMode:
    """A user's loss with numbers for its parameters; every layer is a variable of its own."""

    loss: ModeLoss
    values: Mapping[Any, Any]

    @property
    def _counts(self) -> dict[Any, int]:
        counts = self.loss.products.items()
        return {symbol: int(one.xreplace(dict(self.values))) for symbol, one in counts}

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
        products = {symbol: base**count for symbol, count in self._counts.items()}
        known = {**self.values, **products, no.u: base}
        held = {key: sp.N(one.xreplace(known), MANY) for key, one in self.loss.frozen.items()}
        found = {}
        for symbol, count in self._counts.items():
            ahead, behind = (
                sp.N(self.loss.expression.xreplace({**known, **held, symbol: moved}), MANY)
                for moved in (base ** (count - 1) * (base + sign * step) for sign in (1, -1))
            )
            slope = -(ahead - behind) / (2 * step)
            found[symbol] = sp.S.Zero if abs(slope) < CHOPPED else slope
        return found

    def encoder(self, u: Fraction) -> Any:
        """``dw/dt`` by the product rule."""
        base, slopes = sp.Float(number(u), MANY), self._slopes(u)
        total = sum(self._counts[symbol] * slopes[symbol] for symbol in self.loss.encoder)
        return total * base ** (self.L - 1)

    def regression(self, u: Fraction) -> Any:
        """None: a loss of any form has no target to compare with."""


NumericMode = NetworkMode | LossMode


def singular_values(seed: int = 6, count: int = 3) -> list[Fraction]:
    """Random fractions in (0, 2)."""
    rng = random.Random(seed)
    return [Fraction(rng.randint(2, 19), 10) for _ in range(count)]


def singular_value(amplitude: Any, L: int) -> Fraction:
    """The layers' singular value at an amplitude, as a fraction exact to ``GUARD`` digits."""
    return Fraction(str(sp.N(sp.N(amplitude, GUARD) ** sp.Rational(1, L), GUARD)))


def slope_at(amplitude: Any) -> Any:
    """The symbol for ``df/dw`` at an amplitude."""
    f, w = no.velocity, no.w
    return sp.Subs(sp.Derivative(f(w), w), w, amplitude)


def velocity_and_slope(mode: NumericMode, amplitude: Any, speed: Any) -> tuple[Any, Any]:
    """``dw/dt`` and its slope in ``w`` near a root; a velocity of rounding errors is 0."""
    u = singular_value(amplitude, mode.L)
    ahead, behind = (u * (1 + sign * SMALL) for sign in (1, -1))
    rise = speed * (mode.encoder(ahead) - mode.encoder(behind))
    slope = sp.N(rise / (number(ahead) ** mode.L - number(behind) ** mode.L), GUARD)
    velocity = sp.N(speed * mode.encoder(u), GUARD)
    rounding = abs(slope) * number(u) ** mode.L * sp.Float("1e-40")
    return (sp.S.Zero if abs(velocity) < rounding else velocity), slope

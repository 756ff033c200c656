"""Networks of explicit matrices in exact arithmetic: an independent check of the derivation.

No formula of the derivation is used here. A population is a finite set of equally likely pairs
``(x, y)``, and the loss is its mean squared error. A derivative by an entry is an exact difference
of two losses, since the loss is quadratic in each entry once the target is held constant.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache, reduce
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from dlnflow.symbolic._architecture import ConcreteDepths

Matrix = NDArray[np.object_]  # of Fractions, or of anything that adds and multiplies


@dataclass(frozen=True)
class ExplicitNetwork:
    """Layers, encoder first, and the population they are trained on; columns are samples."""

    case: ConcreteDepths
    layers: tuple[Matrix, ...]
    x: Matrix
    y: Matrix

    @cached_property
    def target(self) -> Matrix:
        """``W_m ... W_1``, which the stop-gradient holds constant."""
        return product(self.layers[: self.case.m], self.x.shape[0])

    @property
    def encoder(self) -> Matrix:
        """``W_L ... W_1``."""
        return product(self.layers[: self.case.L], self.x.shape[0])

    @property
    def decoder(self) -> Matrix:
        """The decoder's layers, multiplied."""
        return product(self.layers[self.case.L :], self.encoder.shape[0])

    def covariance(self, one: str, other: str) -> Matrix:
        """The population's ``E[one other^T]``."""
        left, right = getattr(self, one), getattr(self, other)
        return left @ right.T / Fraction(left.shape[1])

    def loss(self, layers: Sequence[Matrix], target: Matrix) -> Any:
        """``1/2 E || prediction - target ||^2``, sample by sample."""
        error = product(layers, self.x.shape[0]) @ self.x - target @ self.y
        return (error * error).sum() / Fraction(2 * self.x.shape[1])

    @cached_property
    def gradients(self) -> tuple[Matrix, ...]:
        """Derivatives of the loss by every entry of every layer, the target held constant."""
        return tuple(map(self._gradient, range(len(self.layers))))

    def encoder_velocity(self) -> Matrix:
        """``d Wbar/dt``, by the product rule over the encoder's layers."""
        encoder = self.layers[: self.case.L]
        terms = [
            product([*encoder[:a], -gradient, *encoder[a + 1 :]], self.x.shape[0])
            for a, gradient in enumerate(self.gradients[: self.case.L])
        ]
        return sum(terms[1:], terms[0])

    def _gradient(self, layer: int) -> Matrix:
        found = np.empty(self.layers[layer].shape, dtype=object)
        for entry in np.ndindex(found.shape):
            ahead, behind = (self._moved(layer, entry, step) for step in (1, -1))
            found[entry] = (ahead - behind) / 2
        return found

    def _moved(self, layer: int, entry: tuple[int, ...], step: int) -> Any:
        layers = list(self.layers)
        layers[layer] = layers[layer].copy()
        layers[layer][entry] += step
        return self.loss(layers, self.target)


def product(layers: Sequence[Matrix], width: int) -> Matrix:
    """The layers multiplied, the last one leftmost."""
    return reduce(lambda below, layer: layer @ below, layers, identity(width))


def identity(size: int) -> Matrix:
    """The identity in Fractions."""
    return np.array([[Fraction(i == j) for j in range(size)] for i in range(size)], dtype=object)


def diagonal(entries: Sequence[Any]) -> Matrix:
    """A diagonal matrix."""
    return np.diag(np.array(list(entries), dtype=object))


def random_network(
    case: ConcreteDepths, widths: Sequence[int], rng: random.Random
) -> ExplicitNetwork:
    """A network of small whole numbers in which layer ``a`` has ``widths[a]`` inputs."""
    sizes = [*widths[:-1], widths[case.m]]
    layers = tuple(_whole(rng, *shape) for shape in zip(sizes[1:], sizes[:-1], strict=True))
    samples = sizes[0] + 2
    return ExplicitNetwork(
        case, layers, _whole(rng, sizes[0], samples), _whole(rng, sizes[0], samples)
    )


def _whole(rng: random.Random, rows: int, columns: int) -> Matrix:
    numbers = [[Fraction(rng.randint(-3, 3)) for _ in range(columns)] for _ in range(rows)]
    return np.array(numbers, dtype=object)


@dataclass(frozen=True)
class AlignedNetwork:
    """A balanced network whose layers are diagonal in the population's own modes."""

    network: ExplicitNetwork
    bases: tuple[Matrix, ...]
    lam: tuple[Fraction, ...]

    def layer_velocities(self) -> tuple[Matrix, ...]:
        """``dW/dt`` of every layer, in its bases; the diagonal holds each mode's ``du/dt``."""
        pairs = zip(self.network.gradients, self.bases[1:], self.bases[:-1], strict=True)
        return tuple(-(out.T @ gradient @ into) for gradient, out, into in pairs)

    def encoder_velocity(self) -> Matrix:
        """``d Wbar/dt`` in the modes."""
        case = self.network.case
        return self.bases[case.L].T @ self.network.encoder_velocity() @ self.bases[0]


def aligned_network(
    case: ConcreteDepths, u: Sequence[Any], rho: Sequence[Any], seed: int
) -> AlignedNetwork:
    """A population with modes ``rho`` in a random basis, and layers with singular values ``u``.

    The decoder's last basis is the target's, as alignment requires.
    """
    d = len(u)
    bases, scales = _bases_and_scales(case, d, seed)
    layers = tuple(
        out @ diagonal(u) @ into.T for out, into in zip(bases[1:], bases[:-1], strict=True)
    )
    x = bases[0] @ diagonal(scales)
    y = bases[0] @ diagonal([r * s for r, s in zip(rho, scales, strict=True)])
    lam = tuple(r * s * s / d for r, s in zip(rho, scales, strict=True))
    return AlignedNetwork(ExplicitNetwork(case, layers, x, y), bases, lam)


@lru_cache(maxsize=256)
def _bases_and_scales(
    case: ConcreteDepths, d: int, seed: int
) -> tuple[tuple[Matrix, ...], list[Fraction]]:
    """Random bases of all layers, and the scales of the context's modes."""
    rng = random.Random(seed)
    bases = [rational_rotation(d, rng) for _ in range(case.N)]
    scales = [Fraction(rng.randint(2, 9), rng.randint(2, 9)) for _ in range(d)]
    return (*bases, bases[case.m]), scales


def rational_rotation(d: int, rng: random.Random) -> Matrix:
    """A random orthogonal matrix of fractions, by Cayley's transform of a skew one."""
    skew = sp.Matrix(
        d, d, lambda i, j: sp.Rational(rng.randint(1, 5), rng.randint(1, 5)) if j < i else 0
    )
    skew = skew - skew.T
    rotation = (sp.eye(d) - skew) * (sp.eye(d) + skew).inv()
    return np.array([Fraction(int(r.p), int(r.q)) for r in rotation], dtype=object).reshape(d, d)


def explicit(matrix: Matrix) -> sp.ImmutableDenseMatrix:
    """A matrix of Fractions as a SymPy matrix."""
    return sp.ImmutableDenseMatrix([[number(entry) for entry in row] for row in matrix])


def number(entry: Any) -> Any:
    """A Fraction as a SymPy number; anything else is returned as it is."""
    if isinstance(entry, Fraction):
        return sp.Rational(entry.numerator, entry.denominator)
    return sp.sympify(entry)

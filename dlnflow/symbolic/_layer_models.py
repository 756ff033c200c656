"""Symbols for layers and covariances, and explicit networks that give them values."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._architecture import Architecture
from dlnflow.symbolic._evaluate import MatrixEntry
from dlnflow.symbolic._explicit_network import ExplicitNetwork, explicit, number, random_network

WRITTEN_OUT = 8  # number of layers up to which each has its own equation

d_in, d_out, d_latent, d_above, d_below = sp.symbols(
    "d_0 d_m d_L d_a d_b", integer=True, positive=True
)
Sigma_xx = sp.MatrixSymbol("Sigma_xx", d_in, d_in)
Sigma_yx = sp.MatrixSymbol("Sigma_yx", d_in, d_in)
Sigma_yy = sp.MatrixSymbol("Sigma_yy", d_in, d_in)
Target = sp.MatrixSymbol("T", d_out, d_in)
Encoder = sp.MatrixSymbol("Wbar", d_latent, d_in)
Decoder = sp.MatrixSymbol("V", d_out, d_latent)

# A layer X, the product A of the layers after it, and the product B of those before it.
After = sp.MatrixSymbol("A", d_out, d_above)
One = sp.MatrixSymbol("X", d_above, d_below)
Before = sp.MatrixSymbol("B", d_below, d_in)
d_next = sp.Symbol("d_c", integer=True, positive=True)
Next = sp.MatrixSymbol("Y", d_next, d_above)


def written_out(architecture: Architecture) -> bool:
    """Whether every layer has its own symbol."""
    return not architecture.symbolic and architecture.N <= WRITTEN_OUT


def layers_of(architecture: Architecture) -> list[sp.MatrixSymbol]:
    """Symbols of all layers, first to last, with matching sizes."""
    L, P, m = int(architecture.L), int(architecture.P), int(architecture.m)
    names = [f"W_{a}" for a in range(1, L + 1)]
    names += ["V"] if P == 1 else [f"V_{b}" for b in range(1, P + 1)]
    sizes = [sp.Symbol(f"d_{a}", integer=True, positive=True) for a in range(L + P)]
    sizes.append(sizes[m])
    return [sp.MatrixSymbol(name, sizes[i + 1], sizes[i]) for i, name in enumerate(names)]


def chain(layers: Sequence[Any], width: Any) -> Any:
    """The product of layers, the last one leftmost."""
    if len(layers) == 1:
        return layers[0]
    return sp.MatMul(*reversed(layers)) if layers else sp.Identity(width)


def entries(name: str, rows: int, columns: int) -> sp.ImmutableDenseMatrix:
    """A matrix with a symbol for every entry."""
    return sp.ImmutableDenseMatrix(
        [[MatrixEntry(f"{name}_{i}{j}") for j in range(columns)] for i in range(rows)]
    )


def loss_model(network: ExplicitNetwork, architecture: Architecture) -> dict[Any, Any]:
    """Values of the loss, its matrices and its covariances."""
    return {
        no.loss: number(network.loss(network.layers, network.target)),
        **by_name(architecture, network),
        Decoder: explicit(network.decoder),
        Encoder: explicit(network.encoder),
        Target: explicit(network.target),
        Sigma_xx: explicit(network.covariance("x", "x")),
        Sigma_yx: explicit(network.covariance("y", "x")),
        Sigma_yy: explicit(network.covariance("y", "y")),
    }


def by_name(architecture: Architecture, network: ExplicitNetwork) -> dict[Any, Any]:
    """Values of layers, products and sizes, where layers have their own symbols."""
    if not written_out(architecture):
        return {}
    layers = layers_of(architecture)
    L, size = int(architecture.L), layers[0].shape[1]
    found: dict[Any, Any] = {}
    for symbol, matrix in zip(layers, network.layers, strict=True):
        found[symbol] = explicit(matrix)
        found |= dict(zip(symbol.shape, map(sp.Integer, matrix.shape), strict=True))
    found[sp.MatrixSymbol("Wbar", layers[L - 1].shape[0], size)] = explicit(network.encoder)
    found[sp.MatrixSymbol("T", layers[-1].shape[0], size)] = explicit(network.target)
    found[sp.MatrixSymbol("Sigma_xx", size, size)] = explicit(network.covariance("x", "x"))
    found[sp.MatrixSymbol("Sigma_yx", size, size)] = explicit(network.covariance("y", "x"))
    return found


def networks_of(architecture: Architecture) -> Iterator[ExplicitNetwork]:
    """Whole-number networks of every case: d = 2, d = 3, and unequal widths."""
    rng = random.Random(1)
    for case in architecture.cases():
        for d in (2, 3):
            yield random_network(case, [d] * (case.N + 1), rng)
        yield random_network(case, [2, *(1 + (a % 3) for a in range(case.N))], rng)

"""Step 4: modes that do not mix, and the coupling where covariances do not commute."""

from __future__ import annotations

import random
from collections.abc import Iterator
from fractions import Fraction
from itertools import permutations
from typing import Any

import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._architecture import Architecture
from dlnflow.symbolic._evaluate import (
    DerivationError,
    Model,
    all_hold_in,
    decided_by,
    holds_in,
    prove_zero,
)
from dlnflow.symbolic._explicit_network import (
    ExplicitNetwork,
    aligned_network,
    diagonal,
    explicit,
    number,
    random_network,
)
from dlnflow.symbolic._matrix_steps import layers_of, stretches, written_out
from dlnflow.symbolic._notation import OffDiagonal, TimeDerivative, equation
from dlnflow.symbolic._step import Step


def decoupling_steps(architecture: Architecture) -> tuple[Step, ...]:
    """Steps 4a and 4b."""
    return _decoupling_step(architecture), _coupling_step(architecture)


def _decoupling_step(architecture: Architecture) -> Step:
    claims = []
    for i, layer in enumerate(layers_of(architecture)):
        into, out = _bases(architecture, i, layer)
        inner = out.T * TimeDerivative(layer) * into
        claims.append(equation(OffDiagonal(inner), sp.ZeroMatrix(*inner.shape)))

    def route(statement: sp.Tuple) -> None:
        rng = random.Random(2)
        for case in architecture.cases():
            for d in (2, 3):
                u = [Fraction(rng.randint(1, 9), 5) for _ in range(d)]
                rho = [Fraction(rng.randint(-5, 9), 10) for _ in range(d)]
                witness = aligned_network(case, u, rho, rng.randrange(1000))
                all_hold_in(statement, _aligned_models(witness, architecture))

    return Step(
        "4a",
        "Modes that do not mix",
        sp.Tuple(*claims),
        "Let one orthogonal basis diagonalise `Sigma_xx` and `Sigma_yx` (which is then "
        "symmetric), and let every layer be `X = R_a diag(u) R_b^T` with orthogonal `R_a`, `R_b`: "
        "neighbouring layers share a basis, the first basis is the data's, and the decoder's last "
        "is the target's. Then every product in the gradient is diagonal in these bases, and so "
        "is the velocity of every layer. The bases are constant in time, and the modes do not "
        "interact.",
        "the paper for the covariances (Assumption 4.1); a classical argument for the weights",
        "gradients taken entry by entry, for random modes (either sign of `rho`) in random "
        "rational bases, exactly, d = 2 and 3",
        architecture.tried,
        route,
    )


def _bases(architecture: Architecture, i: int, layer: Any) -> tuple[Any, Any]:
    into, out = layer.shape[1], layer.shape[0]
    if not written_out(architecture):
        return sp.MatrixSymbol("R_b", into, into), sp.MatrixSymbol("R_a", out, out)
    last = int(architecture.N) - 1
    above = int(architecture.m) if i == last else i + 1
    return sp.MatrixSymbol(f"R_{i}", into, into), sp.MatrixSymbol(f"R_{above}", out, out)


def _aligned_models(witness: Any, architecture: Architecture) -> Iterator[Model]:
    network, bases = witness.network, witness.bases
    layers = layers_of(architecture)
    for part in stretches(layers, len(network.layers)):
        model: dict[Any, Any] = {}
        for i, symbol in enumerate(layers):
            at = part.start + i
            into, out = _bases(architecture, i, symbol)
            model |= {into: explicit(bases[at]), out: explicit(bases[at + 1])}
            model |= dict(zip(symbol.shape, map(sp.Integer, network.layers[at].shape), strict=True))
            model[TimeDerivative(symbol)] = explicit(-network.gradients[at])
        yield model


X_ij, Y_ij = sp.symbols("X_ij Y_ij", real=True)
u_i, u_j = sp.symbols("u_i u_j", positive=True)
w_ij = sp.Function("w_ij", real=True)


def _coupling_step(architecture: Architecture) -> Step:
    L, N, m, a = architecture.L, architecture.N, architecture.m, no.a
    drive = Y_ij * u_i**m - X_ij * u_i**N
    total = sp.Sum(u_i ** (N + L - 2 * a) * u_j ** (2 * a - 2), (a, 1, L))
    claim = equation(sp.Derivative(w_ij(no.t_network), no.t_network), drive * total)

    def route(statement: sp.Tuple) -> None:
        (relation,) = statement
        models = list(_coupled_models(architecture))
        holds_in(relation, models)
        if all(model[claim.lhs] == 0 for model in models):
            raise DerivationError("no tried network has coupled modes", statement=relation)
        _prove_coupling(architecture, relation)

    return Step(
        "4b",
        "The coupling of modes when the covariances do not commute",
        sp.Tuple(claim),
        "Where no common basis exists (they do not commute, or `Sigma_yx` is not symmetric), "
        "some off-diagonal entry `X_ij` of `Sigma_xx` or `Y_ij` of `Sigma_yx` remains in every "
        "basis. From layers that are diagonal, with singular values `u_i`, the encoder's "
        "off-diagonal entry `w_ij` has exactly this velocity, which is linear in those entries. "
        "The term with `Y_ij` is of the same order in `u` as the growth of the modes. The term "
        "with `X_ij` is smaller by the factor `u^k`, and matters only near the plateau. Layer `a` "
        "contributes term `a`.",
        "derived here",
        "gradients taken entry by entry at diagonal layers and a random population, whose "
        "covariances do not commute, exactly, d = 2 and 3; and by algebra from the gradient of "
        "layer `a` in step 2, term by term",
        architecture.tried,
        route,
    )


def _prove_coupling(architecture: Architecture, relation: Any) -> None:
    """Sums over layers ``a``, with ``N - a`` layers after and ``a - 1`` before each."""
    L, N, m, a = architecture.L, architecture.N, architecture.m, no.a
    error = Y_ij * u_i**m - X_ij * u_i ** (N - a) * u_i * u_i ** (a - 1)
    layer = u_i ** (N - a) * error * u_j ** (a - 1)
    moved = u_i ** (L - a) * layer * u_j ** (a - 1)
    sums = relation.rhs.atoms(sp.Sum)
    decided_by([one.limits for one in sums] == [(sp.Tuple(a, 1, L),)], relation)
    (total,) = sums
    prove_zero(relation.rhs.xreplace({total: total.function}) - moved, relation)


def _coupled_models(architecture: Architecture) -> Iterator[Model]:
    rng = random.Random(3)
    for case in architecture.cases():
        for d in (2, 3):
            u = [Fraction(one, 4) for one in rng.sample(range(1, 10), d)]
            layers = (diagonal(u),) * case.N
            x, y = (random_network(case, [d] * (case.N + 1), rng).x for _ in range(2))
            network = ExplicitNetwork(case, layers, x, y)
            moving = network.encoder_velocity()
            Sxx, Syx = network.covariance("x", "x"), network.covariance("y", "x")
            for i, j in permutations(range(d), 2):
                yield case.symbols | {
                    u_i: number(u[i]),
                    u_j: number(u[j]),
                    X_ij: number(Sxx[i, j]),
                    Y_ij: number(Syx[i, j]),
                    sp.Derivative(w_ij(no.t_network), no.t_network): number(moving[i, j]),
                }

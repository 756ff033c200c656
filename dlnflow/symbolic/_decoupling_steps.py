"""Step 4: when modes do not mix, and what mixes them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from fractions import Fraction
from itertools import permutations
from typing import Any

import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._judge import (
    DerivationError,
    Model,
    UndecidedError,
    holds_in,
    prove_zero,
)
from dlnflow.symbolic._layer_models import One, layers_of, written_out
from dlnflow.symbolic._notation import OffDiagonal, TimeDerivative, equation
from dlnflow.symbolic._setting import Setting
from dlnflow.symbolic._step import Step
from dlnflow.symbolic._witness import (
    Network,
    aligned_network,
    diagonal,
    explicit,
    number,
    random_network,
)


def decoupling_steps(setting: Setting) -> tuple[Step, ...]:
    """Modes that stay apart, and the coupling where covariances do not commute."""
    return _decoupling_step(setting), _coupling_step(setting)


def _decoupling_step(setting: Setting) -> Step:
    layers = layers_of(setting) if written_out(setting) else [One]
    claims = []
    for i, layer in enumerate(layers):
        into, out = _bases(setting, i, layer)
        inner = out.T * TimeDerivative(layer) * into
        claims.append(equation(OffDiagonal(inner), sp.ZeroMatrix(*inner.shape)))

    def route(statement: sp.Tuple) -> None:
        rng = random.Random(2)
        for case in setting.cases():
            for d in (2, 3):
                u = [Fraction(rng.randint(1, 9), 5) for _ in range(d)]
                rho = [Fraction(rng.randint(-5, 9), 10) for _ in range(d)]
                witness = aligned_network(case, u, rho, rng.randrange(1000))
                models = list(_aligned_models(witness, setting))
                for relation in statement:
                    holds_in(relation, models)

    return Step(
        "4a",
        "Modes that do not mix",
        sp.Tuple(*claims),
        "Let one orthogonal basis diagonalise `Sigma_xx` and `Sigma_yx` (which is then "
        "symmetric), and let every layer carry singular vectors into singular vectors, `X = R_a "
        "diag(u) R_b^T`: the bases of neighbours agree, the first is the data's, and the "
        "decoder ends in the basis of the target. Then every product in the gradient is "
        "diagonal in these bases, and so is the velocity of every layer: the bases stand still, "
        "and each mode moves by itself.",
        "the paper, its assumptions on covariances and weights",
        "gradients taken entry by entry, for random modes (either sign of `rho`) in random "
        "rational bases, exactly, d = 2 and 3",
        setting.tried,
        route,
    )


def _bases(setting: Setting, i: int, layer: Any) -> tuple[Any, Any]:
    into, out = layer.shape[1], layer.shape[0]
    if not written_out(setting):
        return sp.MatrixSymbol("R_b", into, into), sp.MatrixSymbol("R_a", out, out)
    last = int(setting.N) - 1
    above = int(setting.m) if i == last else i + 1
    return sp.MatrixSymbol(f"R_{i}", into, into), sp.MatrixSymbol(f"R_{above}", out, out)


def _aligned_models(witness: Any, setting: Setting) -> Iterator[Model]:
    network, bases = witness.network, witness.bases
    gradients = network.gradients
    layers = layers_of(setting) if written_out(setting) else [One] * len(gradients)
    together: dict[Any, Any] = {}
    for i, (symbol, gradient) in enumerate(zip(layers, gradients, strict=True)):
        into, out = _bases(setting, i, symbol)
        model = {
            into: explicit(bases[i]),
            out: explicit(bases[i + 1]),
            TimeDerivative(symbol): explicit(-gradient),
        }
        model |= dict(zip(symbol.shape, map(sp.Integer, gradient.shape), strict=True))
        together |= model
        if not written_out(setting):
            yield model
    if written_out(setting):
        yield together


X_ij, Y_ij = sp.symbols("X_ij Y_ij", real=True)
u_i, u_j = sp.symbols("u_i u_j", positive=True)
w_ij = sp.Function("w_ij", real=True)


def _coupling_step(setting: Setting) -> Step:
    L, N, m, a = setting.L, setting.N, setting.m, no.a
    drive = Y_ij * u_i**m - X_ij * u_i**N
    total = sp.Sum(u_i ** (N + L - 2 * a) * u_j ** (2 * a - 2), (a, 1, L))
    claim = equation(sp.Derivative(w_ij(no.t_network), no.t_network), drive * total)

    def route(statement: sp.Tuple) -> None:
        (relation,) = statement
        models = list(_coupled_models(setting))
        holds_in(relation, models)
        if all(model[claim.lhs] == 0 for model in models):
            raise DerivationError("no coupled modes were seen", statement=relation)
        _prove_coupling(setting, relation)

    return Step(
        "4b",
        "What mixes them when the covariances do not commute",
        sp.Tuple(claim),
        "Where no common basis exists (they do not commute, or `Sigma_yx` is not symmetric), "
        "some off-diagonal entry `X_ij` of `Sigma_xx` or `Y_ij` of `Sigma_yx` remains in every "
        "basis. From layers that are diagonal, with singular values `u_i`, the encoder's "
        "off-diagonal entry `w_ij` then starts to move at this rate, exactly: first order in "
        "those entries. The term of the cross-covariance is of the same order in `u` as the "
        "modes' own growth; that of the context is smaller by the power `k` of `u`, and only "
        "counts where the mode is near its plateau. Layer `a` contributes term `a`.",
        "new",
        "gradients taken entry by entry at diagonal layers and a random population, whose "
        "covariances do not commute, exactly, d = 2 and 3; and by algebra from the gradient of "
        "layer `a` in step 2, term by term",
        setting.tried,
        route,
    )


def _prove_coupling(setting: Setting, relation: Any) -> None:
    """Layer ``a`` stands between ``N - a`` layers and ``a - 1``; the sum is over layers."""
    L, N, m, a = setting.L, setting.N, setting.m, no.a
    error = Y_ij * u_i**m - X_ij * u_i ** (N - a) * u_i * u_i ** (a - 1)
    layer = u_i ** (N - a) * error * u_j ** (a - 1)
    moved = u_i ** (L - a) * layer * u_j ** (a - 1)
    sums = relation.rhs.atoms(sp.Sum)
    if len(sums) != 1 or next(iter(sums)).limits != (sp.Tuple(a, 1, L),):
        raise UndecidedError(f"SymPy cannot decide {relation}", statement=relation)
    (total,) = sums
    prove_zero(relation.rhs.xreplace({total: total.function}) - moved, relation)


def _coupled_models(setting: Setting) -> Iterator[Model]:
    rng = random.Random(3)
    for case in setting.cases():
        for d in (2, 3):
            u = [Fraction(one, 4) for one in rng.sample(range(1, 10), d)]
            layers = (diagonal(u),) * case.N
            x, y = (random_network(case, [d] * (case.N + 1), rng).x for _ in range(2))
            network = Network(case, layers, x, y)
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

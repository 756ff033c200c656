"""Steps 1 to 3: the population loss, its gradients, and what gradient flow conserves.

First the symbols of layers and covariances, and explicit networks that give them values.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._architecture import Architecture
from dlnflow.symbolic._evaluate import (
    DerivationError,
    MatrixEntry,
    Model,
    all_hold_in,
    holds_in,
    value,
)
from dlnflow.symbolic._explicit_network import (
    ExplicitNetwork,
    explicit,
    number,
    product,
    random_network,
)
from dlnflow.symbolic._notation import LossGradient, TimeDerivative, equation
from dlnflow.symbolic._step import Step

WRITTEN_OUT = 8  # number of layers up to which each has its own equation

d_in, d_out, d_latent, d_above, d_below, d_next = sp.symbols(
    "d_0 d_m d_L d_a d_b d_c", integer=True, positive=True
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
Next = sp.MatrixSymbol("Y", d_next, d_above)


def written_out(architecture: Architecture) -> bool:
    """Whether every layer has its own symbol."""
    return not architecture.symbolic and architecture.N <= WRITTEN_OUT


def layers_of(architecture: Architecture, *any_layers: Any) -> Sequence[Any]:
    """Symbols of all layers with matching sizes; or, where they have none, ``any_layers``."""
    if not written_out(architecture):
        return any_layers or (One,)
    L, P, m = int(architecture.L), int(architecture.P), int(architecture.m)
    names = [f"W_{a}" for a in range(1, L + 1)]
    names += ["V"] if P == 1 else [f"V_{b}" for b in range(1, P + 1)]
    sizes = [sp.Symbol(f"d_{a}", integer=True, positive=True) for a in range(L + P)]
    sizes.append(sizes[m])
    return [sp.MatrixSymbol(name, sizes[i + 1], sizes[i]) for i, name in enumerate(names)]


def encoder_and_target(architecture: Architecture) -> tuple[Any, Any]:
    """``Wbar`` and ``T`` with sizes that match the layers."""
    if not written_out(architecture):
        return Encoder, Target
    layers = layers_of(architecture)
    latent, out = layers[int(architecture.L) - 1].shape[0], layers[-1].shape[0]
    return sp.MatrixSymbol("Wbar", latent, d_in), sp.MatrixSymbol("T", out, d_in)


def stretches(symbols: Sequence[Any], count: int) -> Iterator[slice]:
    """Neighbouring layers that the symbols can stand for: all of them, or any."""
    return (slice(i, i + len(symbols)) for i in range(count - len(symbols) + 1))


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
    layers = layers_of(architecture) if written_out(architecture) else ()
    encoder, target = encoder_and_target(architecture)
    return {
        no.loss: number(network.loss(network.layers, network.target)),
        **values_of(layers, network.layers[: len(layers)]),
        Decoder: explicit(network.decoder),
        **dict.fromkeys((Encoder, encoder), explicit(network.encoder)),
        **dict.fromkeys((Target, target), explicit(network.target)),
        Sigma_xx: explicit(network.covariance("x", "x")),
        Sigma_yx: explicit(network.covariance("y", "x")),
        Sigma_yy: explicit(network.covariance("y", "y")),
    }


def values_of(symbols: Sequence[Any], matrices: Sequence[Any]) -> dict[Any, Any]:
    """Values of matrices and of their sizes."""
    found: dict[Any, Any] = {}
    for symbol, matrix in zip(symbols, matrices, strict=True):
        found |= dict(zip(symbol.shape, map(sp.Integer, matrix.shape), strict=True))
        found[symbol] = explicit(matrix)
    return found


def networks_of(architecture: Architecture) -> Iterator[ExplicitNetwork]:
    """Whole-number networks of every case: d = 2, d = 3, and unequal widths."""
    rng = random.Random(1)
    for case in architecture.cases():
        for d in (2, 3):
            yield random_network(case, [d] * (case.N + 1), rng)
        yield random_network(case, [2, *(1 + (a % 3) for a in range(case.N))], rng)


def matrix_steps(architecture: Architecture) -> tuple[Step, ...]:
    """Steps 1 to 3, which hold at any weights."""
    return _loss_step(architecture), _gradient_step(architecture), _conservation_step(architecture)


def _loss_step(architecture: Architecture) -> Step:
    prediction = Decoder * Encoder
    expanded = (
        sp.Trace(prediction * Sigma_xx * prediction.T) / 2
        - sp.Trace(prediction * Sigma_yx.T * Target.T)
        + sp.Trace(Target * Sigma_yy * Target.T) / 2
    )
    claims = [equation(no.loss, expanded)]
    if written_out(architecture):
        layers, (encoder, target) = layers_of(architecture), encoder_and_target(architecture)
        claims += [
            equation(encoder, chain(layers[: int(architecture.L)], d_in)),
            equation(target, chain(layers[: int(architecture.m)], d_in)),
        ]

    def route(statement: sp.Tuple) -> None:
        _for_all_entries(statement[0], _symbolic_populations)
        networks = networks_of(architecture)
        all_hold_in(statement, (loss_model(network, architecture) for network in networks))

    return Step(
        "1",
        "The population loss",
        sp.Tuple(*claims),
        "The loss is `1/2 E || V Wbar x - sg(T y) ||^2`, with `x` and `y` centred: an encoder "
        "`Wbar = W_L ... W_1`, a decoder `V` of `P` layers, and the target read after `m` "
        "encoder layers, `T = W_m ... W_1` (`m = L` for JEPA; for MAE `m = 0`, and `T` is the "
        "identity). Because of the stop-gradient `sg`, `T` is a symbol of its own: its value is "
        "the encoder's, and it is constant in every derivative. The loss depends on the data "
        "only through three covariances.",
        "the paper for JEPA and MAE (equations 4 and 5); derived here for targets at other layers",
        "the mean over a population of points, written out sample by sample: with every entry a "
        "symbol (2 x 2, and rectangular), and in whole networks",
        architecture.tried,
        route,
    )


@cache
def _for_all_entries(relation: Any, models: Callable[[Any], Iterable[Model]]) -> None:
    holds_in(relation, models(relation))


def _symbolic_populations(_: Any) -> Iterator[Model]:
    """Two samples, and matrices with a symbol for every entry."""
    for d_input, latent, output in ((2, 2, 2), (2, 1, 3)):
        x, y = entries("x", d_input, 2), entries("y", d_input, 2)
        V, W = entries("v", output, latent), entries("w", latent, d_input)
        T = entries("t", output, d_input)
        errors = [V * W * x[:, s] - T * y[:, s] for s in range(2)]
        mean = sum(entry**2 for error in errors for entry in error) / 4
        yield {
            no.loss: mean,
            Decoder: V,
            Encoder: W,
            Target: T,
            Sigma_xx: x * x.T / 2,
            Sigma_yx: y * x.T / 2,
            Sigma_yy: y * y.T / 2,
        }


def _gradient_step(architecture: Architecture) -> Step:
    layers, (_, target) = layers_of(architecture), encoder_and_target(architecture)
    own = written_out(architecture)
    around = [(After, Before)]
    if own:
        out = layers[-1].shape[0]
        around = [
            (chain(layers[i + 1 :], out), chain(layers[:i], d_in)) for i in range(len(layers))
        ]
    claims = [
        equation(LossGradient(no.loss, X), _gradient(A, X, B, target))
        for X, (A, B) in zip(layers, around, strict=True)
    ]

    def route(statement: sp.Tuple) -> None:
        if not own:
            _for_all_entries(statement[0], _symbolic_layers)
        for network in networks_of(architecture):
            all_hold_in(statement, _gradient_models(network, architecture))

    return Step(
        "2",
        "The gradient of every layer",
        sp.Tuple(*claims),
        "Let `X` be a layer of the encoder or decoder, `A` the product of the layers after it and "
        "`B` the product of those before it. The prediction is `A X B x`. It is linear in `X`, so "
        "the loss is quadratic in `X`, and its gradient is linear. `T` is held constant.",
        "the paper for JEPA and MAE (equations 7 and 8, gradient flow); derived here for targets "
        "at other layers",
        "the loss differentiated entry by entry with the target held constant: "
        + ("" if written_out(architecture) else "with all entries symbols at d = 2, 3, and 2 x 3; ")
        + "exactly, in networks of whole numbers, d = 2, d = 3 and unequal widths",
        architecture.tried,
        route,
    )


def _gradient(A: Any, X: Any, B: Any, T: Any) -> Any:
    left, right = ([] if isinstance(one, sp.Identity) else [sp.Transpose(one)] for one in (A, B))
    return sp.MatMul(*left, sp.MatMul(A, X, B, Sigma_xx).doit() - T * Sigma_yx, *right)


def _symbolic_layers(_: Any) -> Iterator[Model]:
    """A layer between two others and the covariances, with a symbol for every entry."""
    for d_input, below, above, output in ((2, 2, 2, 2), (3, 3, 3, 3), (2, 3, 2, 1)):
        A, B = entries("a", output, above), entries("b", below, d_input)
        X, T = entries("x", above, below), entries("t", output, d_input)
        upper = entries("s", d_input, d_input)
        Sxx = sp.ImmutableDenseMatrix(
            d_input, d_input, lambda i, j, s=upper: s[min(i, j), max(i, j)]
        )
        Syx = entries("c", d_input, d_input)
        M = A * X * B
        indices = [(i, j, k) for i in range(output) for j in range(d_input) for k in range(d_input)]
        moments = sum(M[i, j] * M[i, k] * Sxx[j, k] / 2 for i, j, k in indices)
        moments -= sum(M[i, j] * T[i, k] * Syx[k, j] for i, j, k in indices)
        by_entry = X.applyfunc(lambda entry, E=moments: sp.diff(E, entry))
        yield {
            LossGradient(no.loss, One): by_entry,
            After: A,
            One: X,
            Before: B,
            Target: T,
            Sigma_xx: Sxx,
            Sigma_yx: Syx,
        }


def _gradient_models(network: ExplicitNetwork, architecture: Architecture) -> Iterator[Model]:
    common, layers = loss_model(network, architecture), network.layers
    symbols = layers_of(architecture)
    for part in stretches(symbols, len(layers)):
        nodes = [LossGradient(no.loss, one) for one in symbols]
        model = common | dict(zip(nodes, map(explicit, network.gradients[part]), strict=True))
        if not written_out(architecture):
            after = product(layers[part.stop :], layers[part.start].shape[0])
            before = product(layers[: part.start], network.x.shape[0])
            model |= values_of((After, One, Before), (after, layers[part.start], before))
        yield model


def _conservation_step(architecture: Architecture) -> Step:
    claims = []
    for X, Y in pairwise(layers_of(architecture, One, Next)):
        size = X.shape[0]
        claims.append(equation(TimeDerivative(Y.T * Y - X * X.T), sp.ZeroMatrix(size, size)))

    def route(statement: sp.Tuple) -> None:
        if not written_out(architecture):
            _for_all_entries(statement[0], _symbolic_neighbours)
        for network in networks_of(architecture):
            all_hold_in(statement, _flow_models(network, architecture, statement))

    return Step(
        "3",
        "What gradient flow conserves",
        sp.Tuple(*claims),
        "For neighbouring layers, `X` and `Y` after it, gradient flow moves `Y^T Y` and `X X^T` "
        "by the same amount: both derivatives contain the gradient by the product `Y X`. Layers "
        "that are balanced at the initialisation therefore stay balanced, and so do the last "
        "encoder layer and the first decoder layer. This holds with the stop-gradient, since the "
        "target enters both derivatives in the same way.",
        "a classical property of deep linear networks; derived here with the stop-gradient",
        "the derivative along the flow, from gradients taken entry by entry: "
        + (
            ""
            if written_out(architecture)
            else "with all entries symbols at d = 2 and unequal widths; "
        )
        + "exactly, in networks of whole numbers, d = 2, d = 3 and unequal widths",
        architecture.tried,
        route,
    )


def _symbolic_neighbours(statement: Any) -> Iterator[Model]:
    for d_input, below, middle, above, output in ((2, 2, 2, 2, 2), (1, 2, 1, 2, 2)):
        A, Y = entries("a", output, above), entries("y", above, middle)
        X, B = entries("x", middle, below), entries("b", below, d_input)
        T, Syx = entries("t", output, d_input), entries("c", d_input, d_input)
        scales = entries("s", d_input, 1)
        M, Sxx = A * Y * X * B, sp.diag(*scales)
        E = (M * Sxx * M.T).trace() / 2 - (M * Syx.T * T.T).trace()
        flow = {
            symbol: matrix.applyfunc(lambda entry, E=E: -sp.diff(E, entry))
            for symbol, matrix in ((One, X), (Next, Y))
        }
        sizes = zip((*One.shape, *Next.shape), map(sp.Integer, (*X.shape, *Y.shape)), strict=True)
        model = {One: X, Next: Y, **dict(sizes)}
        yield model | _moving(statement, model, flow)


def _moving(statement: Any, model: Model, flow: dict[Any, Any]) -> dict[Any, Any]:
    """Values of the time derivatives in a statement, along a flow of its matrices."""
    return {
        node: value(_along(node.args[0], flow), model) for node in statement.atoms(TimeDerivative)
    }


def _along(matrix: Any, flow: dict[Any, Any]) -> Any:
    """The derivative of a polynomial in matrices along a flow, by the product rule."""
    if isinstance(matrix, sp.MatAdd):
        return sp.MatAdd(*(_along(term, flow) for term in matrix.args))
    if isinstance(matrix, sp.Transpose):
        return _along(matrix.arg, flow).T
    if isinstance(matrix, sp.MatMul):
        factors = matrix.args
        return sp.MatAdd(
            *(
                sp.MatMul(*factors[:i], _along(factor, flow), *factors[i + 1 :])
                for i, factor in enumerate(factors)
                if factor.is_Matrix
            )
        )
    if matrix in flow:
        return flow[matrix]
    raise DerivationError(
        f"{matrix} is not a layer: its time derivative is unknown", statement=matrix
    )


def _flow_models(
    network: ExplicitNetwork, architecture: Architecture, statement: Any
) -> Iterator[Model]:
    symbols = layers_of(architecture, One, Next)
    for part in stretches(symbols, len(network.layers)):
        model = values_of(symbols, network.layers[part])
        flow = (explicit(-gradient) for gradient in network.gradients[part])
        yield model | _moving(statement, model, dict(zip(symbols, flow, strict=True)))

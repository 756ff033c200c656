"""Steps 1 to 3: the population loss, its gradients, and what gradient flow conserves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._architecture import Architecture
from dlnflow.symbolic._evaluate import DerivationError, Model, holds_in, value
from dlnflow.symbolic._explicit_network import ExplicitNetwork, explicit, product
from dlnflow.symbolic._layer_models import (
    After,
    Before,
    Decoder,
    Encoder,
    Next,
    One,
    Sigma_xx,
    Sigma_yx,
    Sigma_yy,
    Target,
    by_name,
    chain,
    d_next,
    entries,
    layers_of,
    loss_model,
    networks_of,
    written_out,
)
from dlnflow.symbolic._notation import LossGradient, TimeDerivative, equation
from dlnflow.symbolic._step import Step


def matrix_steps(architecture: Architecture) -> tuple[Step, ...]:
    """Steps 1 to 3, which hold at any weights."""
    makers = (_loss_step, _gradient_step, _conservation_step)
    return tuple(maker(architecture) for maker in makers)


def _loss_step(architecture: Architecture) -> Step:
    prediction = Decoder * Encoder
    expanded = (
        sp.Trace(prediction * Sigma_xx * prediction.T) / 2
        - sp.Trace(prediction * Sigma_yx.T * Target.T)
        + sp.Trace(Target * Sigma_yy * Target.T) / 2
    )
    claims = [equation(no.loss, expanded)]
    if written_out(architecture):
        layers = layers_of(architecture)
        L, m = int(architecture.L), int(architecture.m)
        size = layers[0].shape[1]
        latent = sp.MatrixSymbol("Wbar", layers[L - 1].shape[0], size)
        target = sp.MatrixSymbol("T", layers[-1].shape[0], size)
        claims += [
            equation(latent, chain(layers[:L], size)),
            equation(target, chain(layers[:m], size)),
        ]

    def route(statement: sp.Tuple) -> None:
        _for_all_populations(statement[0])
        networks = list(networks_of(architecture))
        for relation in statement:
            holds_in(relation, (loss_model(network, architecture) for network in networks))

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
def _for_all_populations(relation: Any) -> None:
    holds_in(relation, _symbolic_populations())


def _symbolic_populations() -> Iterator[Model]:
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


def _split(architecture: Architecture) -> list[tuple[Any, Any, Any, Any, Any, Any]]:
    """Every layer as ``(after, layer, before, target, Sigma_xx, Sigma_yx)``."""
    if not written_out(architecture):
        return [(After, One, Before, Target, Sigma_xx, Sigma_yx)]
    layers = layers_of(architecture)
    size = layers[0].shape[1]
    out = layers[-1].shape[0]
    rest = (
        sp.MatrixSymbol("T", out, size),
        sp.MatrixSymbol("Sigma_xx", size, size),
        sp.MatrixSymbol("Sigma_yx", size, size),
    )
    return [
        (chain(layers[i + 1 :], out), layer, chain(layers[:i], size), *rest)
        for i, layer in enumerate(layers)
    ]


def _gradient_step(architecture: Architecture) -> Step:
    parts = _split(architecture)
    claims = [
        equation(LossGradient(no.loss, X), _gradient(A, X, B, T, Sxx, Syx))
        for A, X, B, T, Sxx, Syx in parts
    ]

    def route(statement: sp.Tuple) -> None:
        if not written_out(architecture):
            _for_all_entries(statement[0])
        for network in networks_of(architecture):
            gradients = network.gradients
            for relation in statement:
                holds_in(relation, _gradient_models(network, gradients, architecture))

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


def _gradient(A: Any, X: Any, B: Any, T: Any, Sxx: Any, Syx: Any) -> Any:
    factors = [one for one in (A, X, B) if not isinstance(one, sp.Identity)]
    prediction = sp.MatMul(*factors, Sxx).doit()
    left = [] if isinstance(A, sp.Identity) else [sp.Transpose(A)]
    right = [] if isinstance(B, sp.Identity) else [sp.Transpose(B)]
    return sp.MatMul(*left, prediction - T * Syx, *right)


@cache
def _for_all_entries(relation: Any) -> None:
    holds_in(relation, _symbolic_layers())


def _symbolic_layers() -> Iterator[Model]:
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


def _gradient_models(
    network: ExplicitNetwork, gradients: Sequence[Any], architecture: Architecture
) -> Iterator[Model]:
    common = loss_model(network, architecture)
    if written_out(architecture):
        nodes = [LossGradient(no.loss, layer) for layer in layers_of(architecture)]
        yield common | dict(zip(nodes, map(explicit, gradients), strict=True))
        return
    for i, (layer, gradient) in enumerate(zip(network.layers, gradients, strict=True)):
        yield common | {
            After: explicit(_above(network, i)),
            One: explicit(layer),
            Before: explicit(product(network.layers[:i], network.x.shape[0])),
            LossGradient(no.loss, One): explicit(gradient),
        }


def _above(network: ExplicitNetwork, i: int) -> Any:
    layers = network.layers
    return product(layers[i + 1 :], layers[i].shape[0])


def _conservation_step(architecture: Architecture) -> Step:
    neighbours = (
        list(pairwise(layers_of(architecture))) if written_out(architecture) else [(One, Next)]
    )
    claims = []
    for X, Y in neighbours:
        size = X.shape[0]
        claims.append(equation(TimeDerivative(Y.T * Y - X * X.T), sp.ZeroMatrix(size, size)))

    def route(statement: sp.Tuple) -> None:
        if not written_out(architecture):
            _for_all_neighbours(statement[0])
        for network in networks_of(architecture):
            flow = [-gradient for gradient in network.gradients]
            for relation in statement:
                holds_in(relation, _flow_models(network, flow, architecture, relation))

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


@cache
def _for_all_neighbours(relation: Any) -> None:
    holds_in(relation, _symbolic_neighbours(relation))


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
        sizes = dict(zip(One.shape, X.shape, strict=True)) | {d_next: sp.Integer(above)}
        model = {One: X, Next: Y, **{key: sp.Integer(one) for key, one in sizes.items()}}
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
    network: ExplicitNetwork, flow: Sequence[Any], architecture: Architecture, relation: Any
) -> Iterator[Model]:
    if written_out(architecture):
        model = by_name(architecture, network)
        layers = layers_of(architecture)
        yield model | _moving(relation, model, dict(zip(layers, map(explicit, flow), strict=True)))
        return
    for (X, dX), (Y, dY) in pairwise(zip(network.layers, flow, strict=True)):
        model = {One: explicit(X), Next: explicit(Y)}
        model |= dict(zip(One.shape, map(sp.Integer, X.shape), strict=True))
        yield model | _moving(relation, model, {One: explicit(dX), Next: explicit(dY)})

"""Steps 1 to 4: from the population loss to modes that do not mix."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cache
from itertools import pairwise, permutations
from typing import Any

import numpy as np
import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._judge import DerivationError, Entry, Model, holds_in, value
from dlnflow.symbolic._notation import LossGradient, OffDiagonal, TimeDerivative, equation
from dlnflow.symbolic._setting import Case, Setting
from dlnflow.symbolic._step import Step, relations
from dlnflow.symbolic._witness import (
    Network,
    aligned_network,
    explicit,
    number,
    product,
    random_network,
)

WRITTEN_OUT = 8  # layers up to which every layer gets its own equation

d_in, d_out, d_latent, d_above, d_below = sp.symbols(
    "d_0 d_m d_L d_a d_b", integer=True, positive=True
)
Sigma_xx = sp.MatrixSymbol("Sigma_xx", d_in, d_in)
Sigma_yx = sp.MatrixSymbol("Sigma_yx", d_in, d_in)
Sigma_yy = sp.MatrixSymbol("Sigma_yy", d_in, d_in)
Target = sp.MatrixSymbol("T", d_out, d_in)
Encoder = sp.MatrixSymbol("Wbar", d_latent, d_in)
Decoder = sp.MatrixSymbol("V", d_out, d_latent)

# One layer among others: X with the product A of the layers after it and B of those before.
After = sp.MatrixSymbol("A", d_out, d_above)
One = sp.MatrixSymbol("X", d_above, d_below)
Before = sp.MatrixSymbol("B", d_below, d_in)
d_next = sp.Symbol("d_c", integer=True, positive=True)
Next = sp.MatrixSymbol("Y", d_next, d_above)
AfterNext = sp.MatrixSymbol("A", d_out, d_next)


def matrix_steps(setting: Setting) -> tuple[Step, ...]:
    """The steps that speak of whole matrices."""
    makers = (_loss_step, _gradient_step, _conservation_step, _decoupling_step, _coupling_step)
    return tuple(maker(setting) for maker in makers)


def _written_out(setting: Setting) -> bool:
    return not setting.symbolic and setting.N <= WRITTEN_OUT


def _layers(setting: Setting) -> list[sp.MatrixSymbol]:
    """Symbols of all layers, first to last, their sizes chained."""
    L, P, m = int(setting.L), int(setting.P), int(setting.m)
    names = [f"W_{a}" for a in range(1, L + 1)]
    names += ["V"] if P == 1 else [f"V_{b}" for b in range(1, P + 1)]
    sizes = [sp.Symbol(f"d_{a}", integer=True, positive=True) for a in range(L + P)]
    sizes.append(sizes[m])
    return [sp.MatrixSymbol(name, sizes[i + 1], sizes[i]) for i, name in enumerate(names)]


def _chain(layers: Sequence[Any], width: Any) -> Any:
    """The product of layers, last one leftmost."""
    return sp.MatMul(*reversed(layers)) if layers else sp.Identity(width)


# --- 1: the loss -------------------------------------------------------------------------------


def _loss_step(setting: Setting) -> Step:
    prediction = Decoder * Encoder
    expanded = (
        sp.Trace(prediction * Sigma_xx * prediction.T) / 2
        - sp.Trace(prediction * Sigma_yx.T * Target.T)
        + sp.Trace(Target * Sigma_yy * Target.T) / 2
    )
    claims = [equation(no.loss, expanded)]
    if _written_out(setting):
        layers = _layers(setting)
        L, m = int(setting.L), int(setting.m)
        size = layers[0].shape[1]
        latent = sp.MatrixSymbol("Wbar", layers[L - 1].shape[0], size)
        target = sp.MatrixSymbol("T", layers[-1].shape[0], size)
        claims += [
            equation(latent, _chain(layers[:L], size)),
            equation(target, _chain(layers[:m], size)),
        ]

    def route(statement: sp.Tuple) -> None:
        relations(statement, len(claims))
        _for_all_populations(statement[0])
        networks = list(_networks(setting))
        for relation in statement:
            holds_in(relation, (_loss_model(network, setting) for network in networks))

    return Step(
        "1",
        "The population loss",
        sp.Tuple(*claims),
        "The loss is 1/2 E || V Wbar x - sg(T y) ||^2, with the encoder Wbar = W_L ... W_1, the "
        f"decoder V (of {setting.P} layers) and the target's T = W_m ... W_1, here m = {setting.m}. "
        "The stop-gradient sg makes T a symbol of its own: it takes its value from the encoder, "
        "and no derivative goes through it. The expectation only sees three covariances.",
        "the paper, section 2; for targets at other layers new",
        "the mean over a population of points, written out sample by sample: with every entry a "
        f"symbol (2 x 2, and rectangular), and for whole networks of {_which(setting)}",
        route,
    )


@cache
def _for_all_populations(relation: Any) -> None:
    holds_in(relation, _symbolic_populations())


def _symbolic_populations() -> Iterator[Model]:
    """Two samples and matrices whose every entry is a symbol."""
    for d_input, latent, output in ((2, 2, 2), (2, 1, 3)):
        x, y = _entries("x", d_input, 2), _entries("y", d_input, 2)
        V, W = _entries("v", output, latent), _entries("w", latent, d_input)
        T = _entries("t", output, d_input)
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


def _entries(name: str, rows: int, columns: int) -> sp.ImmutableDenseMatrix:
    return sp.ImmutableDenseMatrix(
        [[Entry(f"{name}_{i}{j}") for j in range(columns)] for i in range(rows)]
    )


def _loss_model(network: Network, setting: Setting) -> Model:
    model = {
        no.loss: number(network.loss(network.layers, network.target)),
        **_by_name(setting, network),
        Decoder: explicit(network.decoder),
        Encoder: explicit(network.encoder),
        Target: explicit(network.target),
        Sigma_xx: explicit(network.covariance("x", "x")),
        Sigma_yx: explicit(network.covariance("y", "x")),
        Sigma_yy: explicit(network.covariance("y", "y")),
    }
    return model


def _by_name(setting: Setting, network: Network) -> dict[Any, Any]:
    """Values of the written-out layers, products and sizes."""
    if not _written_out(setting):
        return {}
    layers = _layers(setting)
    L, size = int(setting.L), layers[0].shape[1]
    found: dict[Any, Any] = {}
    for symbol, matrix in zip(layers, network.layers, strict=True):
        found[symbol] = explicit(matrix)
        found |= dict(zip(symbol.shape, map(sp.Integer, matrix.shape), strict=True))
    found[sp.MatrixSymbol("Wbar", layers[L - 1].shape[0], size)] = explicit(network.encoder)
    found[sp.MatrixSymbol("T", layers[-1].shape[0], size)] = explicit(network.target)
    found[sp.MatrixSymbol("Sigma_xx", size, size)] = explicit(network.covariance("x", "x"))
    found[sp.MatrixSymbol("Sigma_yx", size, size)] = explicit(network.covariance("y", "x"))
    return found


def _networks(setting: Setting) -> Iterator[Network]:
    """Whole-number networks of every case: d = 2, d = 3, and unequal widths."""
    rng = random.Random(1)
    for case in setting.cases():
        for d in (2, 3):
            yield random_network(case, [d] * (case.N + 1), rng)
        yield random_network(case, [2, *(1 + (a % 3) for a in range(case.N))], rng)


def _which(setting: Setting) -> str:
    """The concrete cases in words."""
    cases = setting.cases()
    if not setting.symbolic:
        return f"L = {setting.L}"
    depths = sorted({case.L for case in cases})
    text = f"L = {depths[0]}..{depths[-1]}"
    if setting.P.free_symbols:
        text += ", decoder depths 1 and 2"
    return text + " (the concrete depths tried)"


# --- 2: the gradients --------------------------------------------------------------------------


def _split(setting: Setting) -> list[tuple[Any, Any, Any, Any, Any, Any]]:
    """Every layer as ``(after, layer, before, target, Sigma_xx, Sigma_yx)``."""
    if not _written_out(setting):
        return [(After, One, Before, Target, Sigma_xx, Sigma_yx)]
    layers = _layers(setting)
    size = layers[0].shape[1]
    out = layers[-1].shape[0]
    rest = (
        sp.MatrixSymbol("T", out, size),
        sp.MatrixSymbol("Sigma_xx", size, size),
        sp.MatrixSymbol("Sigma_yx", size, size),
    )
    return [
        (_chain(layers[i + 1 :], out), layer, _chain(layers[:i], size), *rest)
        for i, layer in enumerate(layers)
    ]


def _gradient_step(setting: Setting) -> Step:
    parts = _split(setting)
    claims = [
        equation(LossGradient(no.loss, X), _gradient(A, X, B, T, Sxx, Syx))
        for A, X, B, T, Sxx, Syx in parts
    ]

    def route(statement: sp.Tuple) -> None:
        relations(statement, len(claims))
        if not _written_out(setting):
            _for_all_entries(statement[0])
        for network in _networks(setting):
            gradients = network.gradients()
            for relation in statement:
                holds_in(relation, _gradient_models(network, gradients, setting))

    every = "each layer X, encoder's or decoder's, with A the product of the layers after it and B"
    return Step(
        "2",
        "The gradient of every layer",
        sp.Tuple(*claims),
        f"For {every} of those before, the prediction is A X B x: linear in X, so the loss is "
        "quadratic, and its gradient is the error correlated with what enters and leaves the "
        "layer. T is held constant.",
        "the paper, appendix (gradient flow); for targets at other layers new",
        "the loss differentiated entry by entry with the target held constant: "
        + ("" if _written_out(setting) else "with all entries symbols at d = 2, 3, and 2 x 3; ")
        + f"exactly, for d = 2, d = 3 and unequal widths, {_which(setting)}",
        route,
    )


def _gradient(A: Any, X: Any, B: Any, T: Any, Sxx: Any, Syx: Any) -> Any:
    factors = [one for one in (A, X, B) if not isinstance(one, sp.Identity)]
    prediction = sp.MatMul(*factors, Sxx).doit()
    left = [] if isinstance(A, sp.Identity) else [A.T]
    right = [] if isinstance(B, sp.Identity) else [B.T]
    return sp.MatMul(*left, prediction - T * Syx, *right)


@cache
def _for_all_entries(relation: Any) -> None:
    holds_in(relation, _symbolic_layers())


def _symbolic_layers() -> Iterator[Model]:
    """A layer between two others, every entry a symbol; the moments too."""
    for d_input, below, above, output in ((2, 2, 2, 2), (3, 3, 3, 3), (2, 3, 2, 1)):
        A, B = _entries("a", output, above), _entries("b", below, d_input)
        X, T = _entries("x", above, below), _entries("t", output, d_input)
        upper = _entries("s", d_input, d_input)
        Sxx = sp.ImmutableDenseMatrix(
            d_input, d_input, lambda i, j, s=upper: s[min(i, j), max(i, j)]
        )
        Syx = _entries("c", d_input, d_input)
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
    network: Network, gradients: Sequence[Any], setting: Setting
) -> Iterator[Model]:
    common = _loss_model(network, setting)
    if _written_out(setting):
        nodes = [LossGradient(no.loss, layer) for layer in _layers(setting)]
        yield common | dict(zip(nodes, map(explicit, gradients), strict=True))
        return
    for i, (layer, gradient) in enumerate(zip(network.layers, gradients, strict=True)):
        yield common | {
            After: explicit(_above(network, i)),
            One: explicit(layer),
            Before: explicit(product(network.layers[:i], network.x.shape[0])),
            LossGradient(no.loss, One): explicit(gradient),
        }


def _above(network: Network, i: int) -> Any:
    layers = network.layers
    return product(layers[i + 1 :], layers[i].shape[0])


# --- 3: conservation ---------------------------------------------------------------------------


def _conservation_step(setting: Setting) -> Step:
    if _written_out(setting):
        neighbours = list(pairwise(_layers(setting)))
    else:
        neighbours = [(One, Next)]
    claims = []
    for X, Y in neighbours:
        size = X.shape[0]
        claims.append(equation(TimeDerivative(Y.T * Y - X * X.T), sp.ZeroMatrix(size, size)))

    def route(statement: sp.Tuple) -> None:
        relations(statement, len(claims))
        if not _written_out(setting):
            _for_all_neighbours(statement[0])
        for network in _networks(setting):
            flow = [-gradient for gradient in network.gradients()]
            for relation in statement:
                holds_in(relation, _flow_models(network, flow, setting, relation))

    return Step(
        "3",
        "What the flow conserves",
        sp.Tuple(*claims),
        "For neighbouring layers, X and Y after it, gradient flow moves Y^T Y and X X^T by the same "
        "amount: both get the gradient of the product Y X, once from each side. Balanced layers "
        "therefore stay balanced, the last encoder layer and the decoder's first among them. The "
        "stop-gradient does no harm, since the target enters both derivatives alike.",
        "the paper, section 3 (balanced initialisation)",
        "the flow's own derivative, from gradients taken entry by entry: "
        + ("" if _written_out(setting) else "with all entries symbols at d = 2 and unequal widths; ")
        + f"exactly, for d = 2, d = 3 and unequal widths, {_which(setting)}",
        route,
    )


@cache
def _for_all_neighbours(relation: Any) -> None:
    holds_in(relation, _symbolic_neighbours(relation))


def _symbolic_neighbours(statement: Any) -> Iterator[Model]:
    for d_input, below, middle, above, output in ((2, 2, 2, 2, 2), (1, 2, 1, 2, 2)):
        A, Y = _entries("a", output, above), _entries("y", above, middle)
        X, B = _entries("x", middle, below), _entries("b", below, d_input)
        T, Syx = _entries("t", output, d_input), _entries("c", d_input, d_input)
        scales = _entries("s", d_input, 1)
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
        node: value(_along(node.args[0], flow), model)
        for node in statement.atoms(TimeDerivative)
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
    raise DerivationError(f"{matrix} is no layer: its time derivative is unknown", statement=matrix)


def _flow_models(
    network: Network, flow: Sequence[Any], setting: Setting, relation: Any
) -> Iterator[Model]:
    if _written_out(setting):
        model = _by_name(setting, network)
        layers = _layers(setting)
        yield model | _moving(relation, model, dict(zip(layers, map(explicit, flow), strict=True)))
        return
    for (X, dX), (Y, dY) in pairwise(zip(network.layers, flow, strict=True)):
        model = {One: explicit(X), Next: explicit(Y)}
        model |= dict(zip(One.shape, map(sp.Integer, X.shape), strict=True))
        yield model | _moving(relation, model, {One: explicit(dX), Next: explicit(dY)})


# --- 4: modes that do not mix, and when they do -------------------------------------------------


def _decoupling_step(setting: Setting) -> Step:
    if _written_out(setting):
        layers = _layers(setting)
    else:
        layers = [One]
    claims = []
    for i, layer in enumerate(layers):
        into, out = _bases(setting, i, layer)
        inner = out.T * TimeDerivative(layer) * into
        claims.append(equation(OffDiagonal(inner), sp.ZeroMatrix(*inner.shape)))

    def route(statement: sp.Tuple) -> None:
        relations(statement, len(claims))
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
        "Let one orthogonal basis diagonalise Sigma_xx and Sigma_yx, and let every layer carry "
        "singular vectors into singular vectors: W_a = R_a diag(u) R_(a-1)^T, with R_0 the basis of "
        "the data and the decoder ending in the basis of the target. Then every product in the "
        "gradient is diagonal in these bases, and so is the velocity of every layer: the bases "
        "stand still, and each mode moves by itself.",
        "the paper, section 3 (simultaneously diagonalisable covariances, aligned weights)",
        "gradients taken entry by entry, for random modes (either sign of rho) in random rational "
        f"bases, exactly, d = 2 and 3, {_which(setting)}",
        route,
    )


def _bases(setting: Setting, i: int, layer: Any) -> tuple[Any, Any]:
    into, out = layer.shape[1], layer.shape[0]
    if not _written_out(setting):
        return sp.MatrixSymbol("R_b", into, into), sp.MatrixSymbol("R_a", out, out)
    last = int(setting.N) - 1
    above = int(setting.m) if i == last else i + 1
    return sp.MatrixSymbol(f"R_{i}", into, into), sp.MatrixSymbol(f"R_{above}", out, out)


def _aligned_models(witness: Any, setting: Setting) -> Iterator[Model]:
    network, bases = witness.network, witness.bases
    gradients = network.gradients()
    layers = _layers(setting) if _written_out(setting) else [One] * len(gradients)
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
        if not _written_out(setting):
            yield model
    if _written_out(setting):
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
        (relation,) = relations(statement, 1)
        models = list(_coupled_models(setting))
        holds_in(relation, models)
        if all(model[claim.lhs] == 0 for model in models):
            raise DerivationError("no coupled modes were seen", statement=relation)

    return Step(
        "4b",
        "What mixes them when the covariances do not commute",
        sp.Tuple(claim),
        "Where no common basis exists, some off-diagonal entry X_ij of Sigma_xx or Y_ij of Sigma_yx "
        "(i not j) remains in every basis. From layers that are diagonal, with singular values u_i, "
        "the encoder's off-diagonal entry w_ij then starts to move at this rate, exactly: first "
        "order in the entries, and of the same order in u as the modes' own growth. The "
        "cross-covariance mixes small modes, the covariance of the context only modes near their "
        "plateau.",
        "new",
        "gradients taken entry by entry at diagonal layers and a random population, whose "
        f"covariances do not commute, exactly, d = 2 and 3, {_which(setting)}",
        route,
    )


def _coupled_models(setting: Setting) -> Iterator[Model]:
    rng = random.Random(3)
    for case in setting.cases():
        for d in (2, 3):
            u = [Fraction(one, 4) for one in rng.sample(range(1, 10), d)]
            layers = (np.diag(u),) * case.N
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

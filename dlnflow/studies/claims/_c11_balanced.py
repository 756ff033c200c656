"""Claim 11: the error of the prediction for an initialisation that is not balanced.

A difference in scale between decoder and encoder shifts every critical time in proportion. One
between encoder layers with the same product shifts it in proportion to its square.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlnflow.studies.claims._claim import (
    Axis,
    Claim,
    Control,
    Effort,
    Noted,
    Observation,
    Observations,
)
from dlnflow.studies.claims._departures import CAP, NetworkCase, forecast, measured
from dlnflow.studies.claims.routes import _plain_network as plain_network

Array = NDArray[np.float64]

LAM, RHO = (1.2, 0.8, 0.5), (0.95, 0.85, 0.7)
EPS, DEPTH = 1e-2, 2
GOOD = 0.05  # largest relative error of a predicted critical time
DECODER, ENCODER = "decoder", "encoder layers"
SCALES = {DECODER: (0.0, 0.0, -1.0), ENCODER: (1.0, -1.0, 0.0)}  # log of each layer's scale
AROUND = {DECODER: (0.05, 0.2), ENCODER: (0.2, 0.5)}  # on both sides of the boundary
CLOSE, FURTHER = (0.97, 1.03), (0.03, 0.1, 0.4, 2.0)  # over the boundary
WAIT = 1.5  # training time over the last predicted critical time
PATIENCE = 6.0  # the same from Gaussian weights
GAUSSIAN = (1e-1, 1e-2, 1e-3, 1e-4)  # initial amplitudes of Gaussian weights
ERROR = {"plain network": 2e-4, "matrix network": 3e-3}


class ImbalanceLimit(NamedTuple):
    """Imbalance at an error of 5 %, and the power of the scale in the error there."""

    size: float
    imbalance: float
    power: float


def observe(effort: Effort, *, turned: float = 0.0) -> Iterator[Observation]:
    """Largest relative error of a critical time, against the imbalance of the initial layers.

    A mode that is not learned in time counts as an error of 5.

    Parameters
    ----------
    turned : float
        Angle (radians) by which the decoder's output is rotated away from its target, which
        leaves the layers balanced.
    """
    both = ("plain network", "matrix network")
    for objective in ("jepa", "mae"):
        for kind in SCALES:
            edge = boundary(objective, kind)
            for share in effort.choose(CLOSE, CLOSE + FURTHER):
                initial = _out_of_scale(objective, kind, share * edge.size)
                initial[-1] = _turn(turned) @ initial[-1]
                routes = both if share in CLOSE else both[:1]
                inside = imbalance(initial) < edge.imbalance
                yield from _observed(objective, f"{kind} scaled", initial, inside, routes)
        for scale in effort.choose(GAUSSIAN[:1], GAUSSIAN):
            for seed in effort.choose((0,), (0, 1, 2)):
                initial = _gaussian(scale, seed)
                strictest = min(boundary(objective, kind).imbalance for kind in SCALES)
                inside = imbalance(initial) < strictest
                series = f"Gaussian of scale {scale:g}"
                yield from _observed(objective, series, initial, inside, both, PATIENCE)


@lru_cache
def boundary(objective: str, kind: str) -> ImbalanceLimit:
    """The limit by a power law between two networks of matrices."""
    sizes = np.log(AROUND[kind])
    cases = [_out_of_scale(objective, kind, size) for size in AROUND[kind]]
    errors = np.log([_error("plain network", objective, initial) for initial in cases])
    size = float(np.exp(np.interp(np.log(GOOD), errors, sizes)))
    power = float((errors[1] - errors[0]) / (sizes[1] - sizes[0]))
    return ImbalanceLimit(size, imbalance(_out_of_scale(objective, kind, size)), power)


def imbalance(initial: list[Array]) -> float:
    """Largest ``|W_{a+1}^T W_{a+1} - W_a W_a^T|`` over the largest ``|W_a W_a^T|``."""
    size = max(np.linalg.norm(one @ one.T) for one in initial)
    gaps = (after.T @ after - before @ before.T for before, after in pairwise(initial))
    return float(max(np.linalg.norm(gap) for gap in gaps) / size)


def _out_of_scale(objective: str, kind: str, size: float) -> list[Array]:
    """Aligned layers in random bases, with the same ``wbar(0)`` for every size."""
    initial = plain_network.aligned_layers(len(LAM), DEPTH, EPS, objective)
    return [np.exp(size * by) * one for by, one in zip(SCALES[kind], initial, strict=True)]


def _gaussian(scale: float, seed: int) -> list[Array]:
    """Independent normal weights with root mean square ``|Wbar b|`` equal to ``scale``."""
    random, d = np.random.default_rng(seed), len(LAM)
    deviation = scale ** (1.0 / DEPTH) / d**0.5
    return [deviation * random.normal(size=(d, d)) for _ in range(DEPTH + 1)]


def _turn(angle: float) -> Array:
    turn = np.eye(len(LAM))
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return turn


def _error(route: str, objective: str, initial: list[Array], spare: float = WAIT) -> float:
    given = NetworkCase(objective, np.diag(np.divide(LAM, RHO)), np.diag(LAM), initial, DEPTH)
    ratio = measured(route, given, spare) / forecast(given).times
    return float(np.minimum(np.abs(ratio - 1.0), CAP).max())


def _observed(
    objective: str,
    series: str,
    initial: list[Array],
    inside: bool,
    routes: tuple[str, ...],
    spare: float = WAIT,
) -> Iterator[Observation]:
    name, x = f"{objective.upper()}, {series}", imbalance(initial)
    for route in routes:
        error = _error(route, objective, initial, spare)
        yield Observation(route, name, x, error, error < GOOD, inside, ERROR[route] * (1.0 + error))


def note(seen: Observations) -> Noted:
    """The limits and powers, and the error from Gaussian weights."""
    edges = {
        f"{objective.upper()}, {kind}": boundary(objective, kind)
        for kind in SCALES
        for objective in ("jepa", "mae")
    }
    jepa, mae, jepa_encoder, mae_encoder = edges.values()
    least = min(one.number for one in seen if "Gaussian" in one.series)
    return Noted(
        f"An imbalance between decoder and encoder shifts the times in proportion (power "
        f"{jepa.power:.2f} JEPA, {mae.power:.2f} MAE), by 5 % at {jepa.imbalance:.2g} and "
        f"{mae.imbalance:.2g}. One among encoder layers alone shifts them by its square (power "
        f"{jepa_encoder.power:.1f} and {mae_encoder.power:.1f}), by 5 % at "
        f"{jepa_encoder.imbalance:.2g} and {mae_encoder.imbalance:.2g}. From Gaussian weights, "
        f"whose imbalance is about 1, the largest error is at least {100 * least:.0f} %.",
        {f"imbalance at 5 %, {name}": edge.imbalance for name, edge in edges.items()}
        | {f"power of the imbalance, {name}": edge.power for name, edge in edges.items()},
        "the layers are nearly in balance: at L = 2 and eps = 0.01 the imbalance of decoder and "
        f"encoder is below {jepa.imbalance:.2g} (JEPA) or {mae.imbalance:.2g} (MAE), that of "
        f"encoder layers alone below {jepa_encoder.imbalance:.2g} or {mae_encoder.imbalance:.2g}; "
        "Gaussian weights exceed all of these limits",
    )


CLAIM = Claim(
    name="11",
    title="The prediction tolerates an unbalanced initialisation",
    statement="The initialisation need not be balanced: from unbalanced layers, or from Gaussian "
    "weights, the closed form predicts every critical time to 5 % from the encoder's amplitudes. "
    "(A mode is learned when a linear probe reads half of its variance. Imbalance: the largest "
    "|W_{a+1}^T W_{a+1} - W_a W_a^T| over the largest |W_a W_a^T|.)",
    source="a test of the paper's assumption of a balanced orthogonal initialisation",
    x=Axis("imbalance of the initial layers", log=True),
    number=Axis("largest relative error of a critical time", log=True),
    observe=observe,
    note=note,
    control=Control(
        "balanced layers that are not aligned: the output rotated by one radian", {"turned": 1.0}
    ),
    module=__name__,
    level=GOOD,
    drawn=lambda one: "Gaussian" not in one.series or one.series.endswith(f" {GAUSSIAN[0]:g}"),
)

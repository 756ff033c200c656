"""Claim 11: the balanced orthogonal initialisation, and what it costs that layers differ.

A decoder out of scale with the encoder shifts every critical time in proportion; encoder layers out
of scale with each other, their product being the same, in proportion to the square only.
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
from dlnflow.studies.claims._departures import CAP, Setting, forecast, measured
from dlnflow.studies.claims.routes import _plain_network as plain_network

Array = NDArray[np.float64]

LAM, RHO = (1.2, 0.8, 0.5), (0.95, 0.85, 0.7)
EPS, DEPTH = 1e-2, 2
GOOD = 0.05  # error of a critical time that still counts as predicted
DECODER, ENCODER = "decoder", "encoder layers"
SCALES = {DECODER: (0.0, 0.0, -1.0), ENCODER: (1.0, -1.0, 0.0)}  # logarithms, layer by layer
AROUND = {DECODER: (0.05, 0.2), ENCODER: (0.2, 0.5)}  # sizes of it, on both sides of the boundary
CLOSE, FURTHER = (0.97, 1.03), (0.03, 0.1, 0.4, 2.0)  # of the size at the boundary
WAIT = 1.5  # how many times as long as predicted networks are trained
PATIENCE = 6.0  # the same from Gaussian weights
GAUSSIAN = (1e-1, 1e-2, 1e-3, 1e-4)  # scales of starts
ERROR = {"plain network": 2e-4, "matrix network": 3e-3}


class Boundary(NamedTuple):
    """Where the error is 5 %, and the power of the size with which it grows there."""

    size: float
    imbalance: float
    power: float


def observe(effort: Effort, *, turned: float = 0.0) -> Iterator[Observation]:
    """The largest relative error of a critical time, against the imbalance of the start.

    A mode not learned within six times the predicted time counts with an error of 5.

    Parameters
    ----------
    turned : float
        Angle (radians) by which the decoder's output is turned away from its target, while the
        layers' balance stays what it is.
    """
    both = ("plain network", "matrix network")
    for objective in ("jepa", "mae"):
        for kind in SCALES:
            edge = boundary(objective, kind)
            for share in effort.choose(CLOSE, CLOSE + FURTHER):
                start = _out_of_scale(objective, kind, share * edge.size)
                start[-1] = _turn(turned) @ start[-1]
                routes = both if share in CLOSE else both[:1]
                inside = imbalance(start) < edge.imbalance
                yield from _observed(objective, f"{kind} out of scale", start, inside, routes)
        for scale in effort.choose(GAUSSIAN[:1], GAUSSIAN):
            for seed in effort.choose((0,), (0, 1, 2)):
                start = _gaussian(scale, seed)
                strictest = min(boundary(objective, kind).imbalance for kind in SCALES)
                inside = imbalance(start) < strictest
                series = f"Gaussian of scale {scale:g}"
                yield from _observed(objective, series, start, inside, both, PATIENCE)


@lru_cache
def boundary(objective: str, kind: str) -> Boundary:
    """Between two networks of matrices, by a power law."""
    sizes = np.log(AROUND[kind])
    starts = [_out_of_scale(objective, kind, size) for size in AROUND[kind]]
    errors = np.log([_error("plain network", objective, start) for start in starts])
    size = float(np.exp(np.interp(np.log(GOOD), errors, sizes)))
    power = float((errors[1] - errors[0]) / (sizes[1] - sizes[0]))
    return Boundary(size, imbalance(_out_of_scale(objective, kind, size)), power)


def imbalance(start: list[Array]) -> float:
    """Largest ``|W_{a+1}^T W_{a+1} - W_a W_a^T|`` over the largest ``|W_a W_a^T|``."""
    size = max(np.linalg.norm(one @ one.T) for one in start)
    gaps = (after.T @ after - before @ before.T for before, after in pairwise(start))
    return float(max(np.linalg.norm(gap) for gap in gaps) / size)


def _out_of_scale(objective: str, kind: str, size: float) -> list[Array]:
    """Aligned, in random bases, ``wbar(0)`` being the same for every size."""
    start = plain_network.aligned_start(len(LAM), DEPTH, EPS, objective)
    return [np.exp(size * by) * one for by, one in zip(SCALES[kind], start, strict=True)]


def _gaussian(scale: float, seed: int) -> list[Array]:
    """Independent normal weights; ``|Wbar b|`` has the root mean square ``scale``."""
    random, d = np.random.default_rng(seed), len(LAM)
    deviation = scale ** (1.0 / DEPTH) / d**0.5
    return [deviation * random.normal(size=(d, d)) for _ in range(DEPTH + 1)]


def _turn(angle: float) -> Array:
    turn = np.eye(len(LAM))
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return turn


def _error(route: str, objective: str, start: list[Array], spare: float = WAIT) -> float:
    given = Setting(objective, np.diag(np.divide(LAM, RHO)), np.diag(LAM), start, DEPTH)
    ratio = measured(route, given, spare) / forecast(given).times
    return float(np.minimum(np.abs(ratio - 1.0), CAP).max())


def _observed(
    objective: str,
    series: str,
    start: list[Array],
    inside: bool,
    routes: tuple[str, ...],
    spare: float = WAIT,
) -> Iterator[Observation]:
    name, x = f"{objective.upper()}, {series}", imbalance(start)
    for route in routes:
        error = _error(route, objective, start, spare)
        yield Observation(route, name, x, error, error < GOOD, inside, ERROR[route] * (1.0 + error))


def note(seen: Observations) -> Noted:
    """The boundaries and powers, and what a Gaussian start does."""
    edges = {
        f"{objective.upper()}, {kind}": boundary(objective, kind)
        for kind in SCALES
        for objective in ("jepa", "mae")
    }
    jepa, mae, jepa_encoder, mae_encoder = edges.values()
    least = min(one.number for one in seen if "Gaussian" in one.series)
    return Noted(
        f"An imbalance between decoder and encoder shifts the times in proportion (power "
        f"{jepa.power:.2f} JEPA, {mae.power:.2f} MAE) and costs 5 % at {jepa.imbalance:.2g} and "
        f"{mae.imbalance:.2g}; one among encoder layers alone costs its square (power "
        f"{jepa_encoder.power:.1f} and {mae_encoder.power:.1f}), 5 % at "
        f"{jepa_encoder.imbalance:.2g} and {mae_encoder.imbalance:.2g}. From Gaussian weights, "
        f"whose imbalance is about 1, the worst time is off by {100 * (least):.0f} % or more.",
        {f"imbalance at 5 %, {name}": edge.imbalance for name, edge in edges.items()}
        | {f"power of the imbalance, {name}": edge.power for name, edge in edges.items()},
        "the layers are nearly in balance: at L = 2 and eps = 0.01 the imbalance of decoder and "
        f"encoder is below {jepa.imbalance:.2g} (JEPA) or {mae.imbalance:.2g} (MAE), that of "
        f"encoder layers alone below {jepa_encoder.imbalance:.2g} or {mae_encoder.imbalance:.2g}; "
        "Gaussian weights are beyond either",
    )


CLAIM = Claim(
    name="11",
    title="The prediction bears a start out of balance",
    statement="The start need not be balanced exactly: from layers that are not, or from Gaussian "
    "weights, the closed form predicts every critical time to 5 % from the encoder's amplitudes. "
    "(Imbalance: the largest |W_{a+1}^T W_{a+1} - W_a W_a^T| over the largest |W_a W_a^T|.)",
    source="the paper's assumption of a balanced orthogonal initialisation",
    x=Axis("imbalance of the layers at the start", log=True),
    number=Axis("largest relative error of a critical time", log=True),
    observe=observe,
    note=note,
    control=Control(
        "layers balanced but not aligned: the output turned by a radian", {"turned": 1.0}
    ),
    module=__name__,
    level=GOOD,
)

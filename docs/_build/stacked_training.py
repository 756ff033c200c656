"""Trains a stack of linear networks at once: far faster than one network after another.

`dlnflow.network.gradient_descent` trains one network; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Rng = np.random.Generator

BETA = (0.9, 0.999)  # decay of Adam's two averages


@dataclass(frozen=True)
class Optimiser:
    """How a stack of networks is trained.

    ``batch`` 0 stands for the full batch, that is the covariances themselves. ``schedule`` is
    ``"constant"``, ``"cosine"`` or ``"warm-up"``.
    """

    lr: float
    batch: int = 0
    momentum: float = 0.0
    ema: float = 0.0
    decay: float = 0.0
    adam: bool = False
    schedule: str = "constant"

    @property
    def flow_time(self) -> float:
        """Time of the gradient flow that passes in a step."""
        return self.lr / (1.0 - self.momentum)

    def rate(self, progress: float) -> float:
        """Learning rate after this share of the training."""
        if self.schedule == "cosine":
            return self.lr * 0.5 * (1.0 + np.cos(np.pi * progress))
        if self.schedule == "warm-up":
            return self.lr * min(1.0, 10.0 * progress + 0.01)
        return self.lr


def train(
    layers: list[Array],
    variance: Array,
    rho: Array,
    *,
    objective: str,
    optimiser: Optimiser,
    record: NDArray[np.int64],
    rng: Rng,
) -> Array:
    """Amplitudes |W b_i| of stacked networks, shape (networks, modes, len(record)).

    ``layers`` are the encoder's and then the decoder, each of shape (networks, out, in); the modes
    of the data are the axes, with ``variance`` and ``rho`` of shape (networks, modes). ``record``
    are the steps to keep, rising. Networks that blow up end in NaN.
    """
    target = layers[:-1]
    velocity = [np.zeros_like(layer) for layer in layers]
    square = [np.zeros_like(layer) for layer in layers]
    kept = np.empty((*variance.shape, record.size))
    done, last = 0, int(record[-1])
    with np.errstate(over="ignore", invalid="ignore"):
        for step in range(last + 1):
            if record[done] == step:
                kept[..., done] = np.linalg.norm(prefixes(layers[:-1])[-1], axis=1)
                done += 1
            if step == last:
                break
            xx, yx = moments(variance, rho, optimiser.batch, rng)
            slopes = gradients(layers, target if optimiser.ema else None, xx, yx, objective)
            rate = optimiser.rate(step / last)
            for i, (layer, slope) in enumerate(zip(layers, slopes, strict=True)):
                slope = slope + optimiser.decay * layer if optimiser.decay else slope
                if optimiser.adam:
                    velocity[i] = BETA[0] * velocity[i] + (1.0 - BETA[0]) * slope
                    square[i] = BETA[1] * square[i] + (1.0 - BETA[1]) * slope**2
                    first, second = (1.0 - beta ** (step + 1) for beta in BETA)
                    change = velocity[i] / first / (np.sqrt(square[i] / second) + 1e-8)
                else:
                    change = velocity[i] = optimiser.momentum * velocity[i] + slope
                layers = [*layers[:i], layer - rate * change, *layers[i + 1 :]]
            if ema := optimiser.ema:
                pairs = zip(target, layers[:-1], strict=True)
                target = [ema * slow + (1.0 - ema) * online for slow, online in pairs]
    return kept


def gradients(
    layers: list[Array], target: list[Array] | None, xx: Array, yx: Array, objective: str
) -> list[Array]:
    """Gradients of half the summed squared error, for the encoder's layers and the decoder.

    ``target`` are the layers of a JEPA's target encoder, by default those of its encoder.
    """
    before = prefixes(layers[:-1])
    encoded = before[-1] if target is None else prefixes(target)[-1]
    aim = encoded @ yx if objective == "jepa" else yx
    back = layers[-1] @ before[-1] @ xx - aim
    found: list[Array] = []
    for i in range(len(layers) - 1, 0, -1):
        found.append(back @ before[i - 1].swapaxes(1, 2))
        back = layers[i].swapaxes(1, 2) @ back
    return [back, *reversed(found)]


def prefixes(layers: list[Array]) -> list[Array]:
    """Products of the first, the first two, ... of all layers."""
    products = layers[:1]
    for layer in layers[1:]:
        products = [*products, layer @ products[-1]]
    return products


def moments(variance: Array, rho: Array, batch: int, rng: Rng) -> tuple[Array, Array]:
    """Covariances of the data, or of a fresh batch of them."""
    size = variance.shape[1]
    if not batch:
        eye = np.eye(size)
        return eye * variance[:, None], eye * (rho * variance)[:, None]
    z, noise = rng.normal(size=(2, len(variance), batch, size))
    x = z * np.sqrt(variance)[:, None]
    y = rho[:, None] * x + noise * np.sqrt(variance * (1.0 - rho**2))[:, None]
    transposed = x.swapaxes(1, 2)
    return transposed @ x / batch, (transposed @ y).swapaxes(1, 2) / batch


def initialised(
    objective: str, sizes: list[int], eps: Array, balanced: bool, rng: Rng
) -> list[Array]:
    """A stack of networks with encoder widths ``sizes``; |W b_i| is about its ``eps``."""
    scale = eps[:, None, None] ** (1.0 / (len(sizes) - 1))
    shapes = [*zip(sizes[1:], sizes, strict=False)]
    shapes.append((sizes[-1] if objective == "jepa" else sizes[0], sizes[-1]))
    drawn = [rng.normal(size=(eps.size, *shape)) for shape in shapes]
    if not balanced:
        return [scale / np.sqrt(layer.shape[1]) * layer for layer in drawn]
    frames = [np.broadcast_to(np.eye(sizes[0]), (eps.size, sizes[0], sizes[0]))]
    frames += [np.linalg.qr(layer)[0][..., : sizes[0]] for layer in drawn[:-1]]
    frames.append(frames[-1] if objective == "jepa" else frames[0])
    pairs = zip(frames[1:], frames, strict=False)
    return [scale * out @ into.swapaxes(1, 2) for out, into in pairs]

"""Writes ``examples/metrics.csv``, the training log with which docs/identify.md begins.

``python docs/_build/example_log.py``. A network of two encoder layers of width 24 is trained as an
MAE by minibatch SGD from Gaussian weights. The log has the form of Lightning's CSV logger: a row
for the loss and a row for the amplitudes.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from dlnflow import network

RHO, VARIANCE = np.array([0.9, 0.75, 0.6, 0.45]), np.array([1.0, 1.3, 0.8, 1.1])
NAMES = ("colour", "shape", "size", "texture")


def pairs(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Paired samples whose modes are the axes."""
    x = rng.normal(size=(n, 4)) * np.sqrt(VARIANCE)
    return x, RHO * x + rng.normal(size=(n, 4)) * np.sqrt(VARIANCE * (1.0 - RHO**2))


def main() -> None:
    """Train the network and write its log."""
    data = np.diag(VARIANCE), np.diag(RHO * VARIANCE)
    start = network.gaussian(*data, L=2, eps=0.02, widths=[24, 24, 4], rng=3)
    run = network.gradient_descent(
        start,
        *data,
        sampler=pairs,
        batch_size=32,
        objective="mae",
        lr=0.05,
        steps=600,
        record=np.arange(0, 601, 6),
        sigma_yy=np.diag(VARIANCE),
    )
    place = [int(np.abs(run.spectrum.basis[:, i]).argmax()) for i in range(4)]
    columns = [f"amplitude/{NAMES[i]}" for i in place]
    with Path("examples/metrics.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", "step", "train_loss", *columns])
        for step, loss, amplitudes in zip(run.steps, run.loss, run.w.T, strict=True):
            epoch = int(step) // 100
            writer.writerow([epoch, step, f"{loss:.6g}", *[""] * 4])
            writer.writerow([epoch, step, "", *[f"{one:.5g}" for one in amplitudes]])


if __name__ == "__main__":
    main()

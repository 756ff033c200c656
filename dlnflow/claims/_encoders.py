"""Encoders trained until nothing changes, and what they have kept."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlnflow.claims.routes import paper_ode, plain_network

Array = NDArray[np.float64]

SMALL, GAUSSIAN = 0.3, 0.02  # starts: a balanced one over the smallest plateau, a Gaussian one
LATE = 0.97  # of its plateau
LONG, ENOUGH = 30.0, 1.5  # trained for so many times as long as the last mode takes, on samples
SEEDS = 5
BATCH, RATES = 256, {"jepa": 0.2, "mae": 0.02}  # of the largest stable rate


def plain(objective: str, lam: Array, rho: Array, L: int, width: int) -> Array:
    """From a balanced, aligned start that sees random directions.

    Of a bottleneck's layers only ``width`` units are alive; the others' weights stay 0 exactly.
    """
    eps, last = _small_start(objective, lam, rho, L)
    d = len(lam)
    alive = np.diag(np.arange(d) < width).astype(float)
    first = alive @ np.linalg.qr(np.random.default_rng(0).normal(size=(d, d)))[0]
    decoder = alive if objective == "jepa" else first.T
    start = [eps ** (1.0 / L) * one for one in (first, *[alive] * (L - 1), decoder)]
    data = np.diag(lam / rho), np.diag(lam)
    return plain_network.train(*data, start, L, objective, LONG * last).encoder


def sampled(objective: str, lam: Array, rho: Array, L: int) -> Array:
    """By descent on batches of fresh samples, of modes in a random basis."""
    from dlnflow import network
    from dlnflow.network._worlds import World

    eps, last = _small_start(objective, lam, rho, L)
    world = World.of(lam, rho, np.random.default_rng(0))
    data = world.sigma_xx, world.sigma_yx
    net = network.balanced(*data, L, eps=eps, objective=objective, rng=1)
    lr = RATES[objective] * network.largest_stable_rate(net, *data, objective)
    settings: dict[str, Any] = {"sampler": world.sample, "batch_size": BATCH, "record": 2}
    settings |= {"lr": lr, "steps": int(ENOUGH * last / L / lr)}
    return network.gradient_descent(net, *data, objective, **settings).encoder[-1]


def kept(objective: str, lam: Array, rho: Array, L: int) -> int:
    """How many modes have half of their plateau in the end, from several Gaussian starts."""
    half = 0.5 * np.array([paper_ode.plateau(objective, 1.0, one, L) for one in rho])
    until = LONG * float(paper_ode.times(objective, lam, rho, L, GAUSSIAN).max())
    d, count = len(lam), 0
    for seed in range(SEEDS):
        random = np.random.default_rng(seed)
        scale = GAUSSIAN ** (1.0 / L) / d**0.5
        start = [scale * random.normal(size=(d, d)) for _ in range(L + 1)]
        data = np.diag(lam / rho), np.diag(lam)
        made = plain_network.train(*data, start, L, objective, until)
        count += int(np.sum(made.w[:, -1] > half))
    return count


def _small_start(objective: str, lam: Array, rho: Array, L: int) -> tuple[float, float]:
    """An initialisation, and when the last mode is learned from it."""
    modes = zip(lam, rho, strict=True)
    eps = SMALL * min(paper_ode.plateau(objective, a, b, L) for a, b in modes)
    return eps, float(paper_ode.times(objective, lam, rho, L, eps, p=LATE).max())

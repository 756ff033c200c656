"""Encoders trained until nothing changes, and what they have kept."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlnflow.studies.claims.routes import _paper_ode as paper_ode
from dlnflow.studies.claims.routes import _plain_network as plain_network

Array = NDArray[np.float64]

SMALL = 0.3  # a start over the smallest plateau
LATE = 0.97  # of its plateau
LONG, ENOUGH = 30.0, 1.5  # trained for so many times as long as the last mode takes
BATCH, RATES = 256, {"jepa": 0.2, "mae": 0.02}  # of the largest stable rate


def plain(objective: str, lam: Array, rho: Array, L: int, width: int) -> Array:
    """From a balanced, aligned start that sees random directions."""
    start, last = _alive(objective, lam, rho, L, width)
    data = np.diag(lam / rho), np.diag(lam)
    return plain_network.train(*data, start, L, objective, LONG * last).encoder


def by_library(objective: str, lam: Array, rho: Array, L: int, width: int) -> Array:
    """The same by the gradient flow of `dlnflow.network`."""
    from dlnflow import network

    start, last = _alive(objective, lam, rho, L, width)
    net = network.Network(tuple(start[:L]), tuple(start[L:]))
    data = np.diag(lam / rho), np.diag(lam)
    t = [0.0, LONG * last]
    return network.gradient_flow(net, *data, objective, t=t, rtol=1e-9).encoder[-1]


def _alive(objective: str, lam: Array, rho: Array, L: int, width: int) -> tuple[list[Array], float]:
    """A start, and when the last mode is learned from it.

    Of a bottleneck's layers only ``width`` units are alive; the others' weights stay 0 exactly.
    """
    eps, last = _small_start(objective, lam, rho, L)
    d = len(lam)
    alive = np.diag(np.arange(d) < width).astype(float)
    first = alive @ np.linalg.qr(np.random.default_rng(0).normal(size=(d, d)))[0]
    decoder = alive if objective == "jepa" else first.T
    return [eps ** (1.0 / L) * one for one in (first, *[alive] * (L - 1), decoder)], last


def sampled(objective: str, lam: Array, rho: Array, L: int) -> Array:
    """By descent on batches of fresh samples, of modes in a random basis."""
    from dlnflow import network
    from dlnflow.studies._worlds import World

    eps, last = _small_start(objective, lam, rho, L)
    world = World.of(lam, rho, np.random.default_rng(0))
    data = world.sigma_xx, world.sigma_yx
    net = network.balanced(*data, L, eps=eps, objective=objective, rng=1)
    lr = RATES[objective] * network.largest_stable_rate(net, *data, objective)
    settings: dict[str, Any] = {"sampler": world.sample, "batch_size": BATCH, "record": 2}
    settings |= {"lr": lr, "steps": int(ENOUGH * last / L / lr)}
    return network.gradient_descent(net, *data, objective, **settings).encoder[-1]


def _small_start(objective: str, lam: Array, rho: Array, L: int) -> tuple[float, float]:
    """An initialisation, and when the last mode is learned from it."""
    modes = zip(lam, rho, strict=True)
    eps = SMALL * min(paper_ode.plateau(objective, a, b, L) for a, b in modes)
    return eps, float(paper_ode.times(objective, lam, rho, L, eps, p=LATE).max())

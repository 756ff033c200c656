"""A JEPA network through all its transitions: seconds, error, and cost against width and depth.

The first run has all threads of the BLAS, which wait for each other wherever another program runs;
the rest are on one thread. Ratios are to 32 modes and three layers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from threadpoolctl import threadpool_limits

import dlnflow
from benchmarks.timing import Finding
from dlnflow import network

EPS, PAST, TIMES = 1e-2, 1.1, 64
BASE = (32, 3)
RATIOS = (  # d, L, what is allowed, and as many runs as are affordable, of which the least counts
    (16, 3, 1.5, 4),
    (64, 3, 8.0, 2),
    (128, 3, 60.0, 1),
    (32, 1, 0.5, 4),
    (32, 2, 1.2, 4),
    (32, 4, 2.0, 4),
    (32, 5, 2.5, 4),
)


def findings() -> Iterator[Finding]:
    seconds, error = trained(64, 3)
    yield Finding("gradient_flow, JEPA d=64 L=3, all transitions, in seconds", seconds, 60)
    with threadpool_limits(1):
        least = {BASE: min(trained(*BASE)[0] for _ in range(6))}
        for d, L, _, runs in RATIOS:
            least[d, L] = min(trained(d, L)[0] for _ in range(runs))
    yield Finding("the same run on one thread, in seconds", least[64, 3], 60)
    yield Finding("its largest relative error against amplitude, in 1e-10", error / 1e-10, 100)
    for d, L, allowed, _ in RATIOS:
        question = f"the run with d={d} L={L} / with d={BASE[0]} L={BASE[1]}"
        yield Finding(question, least[d, L] / least[BASE], allowed)


def trained(d: int, L: int) -> tuple[float, float]:
    """Seconds of a run in random bases, and the largest relative error of an amplitude."""
    lam, rho = np.linspace(1.0, 0.5, d), np.linspace(0.95, 0.4, d)
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(d, d)))[0]
    sigma_xx, sigma_yx = (basis * (lam / rho)) @ basis.T, (basis * lam) @ basis.T
    net = network.balanced(sigma_xx, sigma_yx, L, eps=EPS, objective="jepa")
    last = PAST * dlnflow.critical_time(lam, rho, L, eps=EPS).max()
    t = np.linspace(0.0, last, TIMES)
    start = time.perf_counter()
    run = network.gradient_flow(net, sigma_xx, sigma_yx, t=t)
    seconds = time.perf_counter() - start
    modes = run.spectrum
    exact = dlnflow.amplitude(t, modes.lam[:, None], modes.rho[:, None], L, eps=EPS)
    return seconds, float(np.abs(run.w / exact - 1.0).max())

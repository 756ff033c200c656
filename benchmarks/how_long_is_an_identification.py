"""1000 trajectories, six candidates each: the seconds it takes, side by side and one at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

import dlnflow
from benchmarks.timing import Finding

SECONDS, SOME = 20.0, 100


def curves(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Random JEPAs and MAEs of up to three layers, with 1 percent noise."""
    rng = np.random.default_rng(0)
    t = np.linspace(0.0, 1.0, 100)
    found = []
    for _ in range(count):
        setting = {"L": int(rng.integers(1, 4)), "objective": str(rng.choice(["jepa", "mae"]))}
        rho = rng.uniform(0.3, 0.95)
        eps = min(10 ** rng.uniform(-3, -1), 0.3 * dlnflow.plateau(rho, **setting))
        lam = 1.15 * dlnflow.critical_time(1.0, rho, eps=eps, p=0.9, **setting)
        w = dlnflow.amplitude(t, lam, rho, eps=eps, **setting)
        found.append(w * (1.0 + 0.01 * rng.normal(size=t.size)))
    return t, np.array(found)


def findings() -> Iterator[Finding]:
    t, w = curves(1000)
    depths = [1, 2, 3]
    dlnflow.identify(t, w[0], L=depths)
    start = time.perf_counter()
    dlnflow.identify_each(t, w, L=depths)
    yield Finding("1000 trajectories, identify_each, s", time.perf_counter() - start, SECONDS)
    start = time.perf_counter()
    for one in w[:SOME]:
        dlnflow.identify(t, one, L=depths)
    seconds = (time.perf_counter() - start) * len(w) / SOME / 2.0
    yield Finding("1000 calls of identify on two cores, s", seconds, SECONDS)

"""Peak memory of `amplitude` on 1e7 points, in units of its output."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np

import dlnflow
from benchmarks.timing import Finding


def findings() -> Iterator[Finding]:
    rng = np.random.default_rng(0)
    for shape in ((1000, 10_000), (10_000_000, 1)):
        lam = rng.uniform(0.5, 1.5, (shape[0], 1))
        rho = rng.uniform(0.05, 1.0, (shape[0], 1))
        t = np.linspace(0.0, 1e5, shape[1])
        dlnflow.amplitude(t[:1], lam[:1], rho[:1], 3)
        tracemalloc.start()
        w = dlnflow.amplitude(t, lam, rho, 3)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        yield Finding(f"peak memory / output, {shape[0]} x {shape[1]}", peak / w.nbytes, 3.0)

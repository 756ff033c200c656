"""`critical_time` on a million pairs, in units of `np.exp` on an array of that size."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import dlnflow
from benchmarks.timing import Finding, median_seconds


def findings() -> Iterator[Finding]:
    rng = np.random.default_rng(0)
    lam, rho = rng.uniform(0.5, 1.5, 10**6), rng.uniform(0.05, 1.0, 10**6)
    grid = rng.uniform(-2.0, 2.0, 10**6)
    for objective in ("jepa", "mae"):
        for L in (1, 3, 8):

            def times(L: int = L, objective: str = objective) -> object:
                return dlnflow.critical_time(lam, rho, L, objective=objective)

            exp, ours = median_seconds(lambda: np.exp(grid), times, repeats=40)
            yield Finding(f"critical_time / exp, {objective} L={L}", ours / exp, 35.0)

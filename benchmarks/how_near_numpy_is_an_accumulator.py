"""Means, centring, checks and all, against NumPy's own two products of the same rows.

`x.T @ x` is a product of half the work (BLAS knows its symmetry), `y.T @ x` a full one. On one
thread and on two, since centring runs on one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.timing import Finding, median_seconds
from dlnflow.data import CovarianceAccumulator

CASES = ((16, 400_000), (64, 100_000), (512, 12_000))
ALLOWED = 1.5


def findings() -> Iterator[Finding]:
    for threads in (1, 2):
        for d, n in CASES:
            rng = np.random.default_rng(0)
            x, y = rng.normal(5.0, 1.0, size=(2, n, d))

            def products(x: np.ndarray = x, y: np.ndarray = y) -> tuple[np.ndarray, np.ndarray]:
                return x.T @ x, y.T @ x

            def accumulated(x: np.ndarray = x, y: np.ndarray = y) -> None:
                CovarianceAccumulator().update(x, y)

            with threadpool_limits(threads):
                plain, ours = median_seconds(products, accumulated, repeats=15)
            question = f"accumulate / x.T @ x and y.T @ x, d={d} n={n} {threads} thread(s)"
            yield Finding(question, ours / plain, ALLOWED)

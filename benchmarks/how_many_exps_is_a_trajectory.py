"""`amplitude` on 1000 modes x 1000 times, in units of `np.exp` on an array of that size."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import dlnflow
from benchmarks.timing import Finding, median_seconds


def findings() -> Iterator[Finding]:
    rng = np.random.default_rng(0)
    lam, rho = rng.uniform(0.5, 1.5, (1000, 1)), rng.uniform(0.05, 1.0, (1000, 1))
    grid = rng.uniform(-2.0, 2.0, (1000, 1000))
    for objective in ("jepa", "mae"):
        for L in (1, 3, 8):
            actions = [lambda: np.exp(grid)]
            for eps in (1e-2, 1e-8):
                times = dlnflow.critical_time(lam, rho, L, eps=eps, objective=objective)
                t = np.linspace(0.0, 1.2 * times.max(), 1000)
                settings = {"eps": eps, "objective": objective}
                actions.append(lambda t=t, s=settings, L=L: dlnflow.amplitude(t, lam, rho, L, **s))
            exp, large, small = median_seconds(*actions, repeats=25)
            name = f"amplitude / exp, {objective} L={L}"
            yield Finding(f"{name} eps=1e-2", large / exp, 35.0)
            yield Finding(f"{name} eps=1e-8", small / exp, 35.0)
            ratio = max(small, large) / min(small, large)
            yield Finding(f"{name}: one eps / the other", ratio, 1.5)

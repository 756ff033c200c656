"""How often 95 % intervals of `Spectrum` hold the data's modes, at 20 samples per dimension."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

import dlnflow
from benchmarks.timing import Finding

LEAST, MOST = 90.0, 99.0  # percent
PER_DIMENSION = 20
CASES: tuple[tuple[int, float, int, dict[str, Any]], ...] = (
    (8, 0.8, 300, {}),
    (16, 0.8, 300, {}),
    (16, 0.9, 300, {}),
    (8, 0.8, 300, {"basis": "variance"}),
    (16, 0.8, 300, {"basis": "variance"}),
    (16, 0.9, 300, {"basis": "variance"}),
    (8, 0.8, 300, {"basis": "generalised"}),
    (8, 0.8, 200, {"errors": "bootstrap", "resamples": 100}),
    (8, 0.8, 60, {"basis": "variance", "errors": "bootstrap", "resamples": 100}),
)


def world(d: int, ratio: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Geometric variances, regression coefficients of both signs and one 0, in a random basis."""
    rng = np.random.default_rng(1)
    rho = np.linspace(0.05, 0.95, d)
    rho[::4] *= -1.0
    rho[d // 2] = 0.0
    return ratio ** np.arange(d), rng.permutation(rho), np.linalg.qr(rng.normal(size=(d, d)))[0]


def coverage(d: int, ratio: float, repetitions: int, **options: Any) -> dict[str, np.ndarray]:
    """Of each quantity, the share of repetitions that hold each mode, in percent."""
    variance, rho, basis = world(d, ratio)
    truth = {"lam": rho * variance, "variance": variance, "rho": rho}
    held = {name: np.zeros(d) for name in truth}
    rng = np.random.default_rng(0)
    options = {"errors": "asymptotic", **options}
    for _ in range(repetitions):
        z, e = rng.normal(size=(2, PER_DIMENSION * d, d)) * np.sqrt(variance)
        x, y = z @ basis.T, (rho * z + np.sqrt(1.0 - rho**2) * e) @ basis.T
        found = dlnflow.Spectrum.from_samples(x, y, **options)
        mode, match = linear_sum_assignment(-np.abs(basis.T @ found.basis))
        for name, values in truth.items():
            low, high = found.interval(name)[:, match]
            held[name][mode] += (low <= values[mode]) & (values[mode] <= high)
    return {name: 100.0 * count / repetitions for name, count in held.items()}


def findings() -> Iterator[Finding]:
    for d, ratio, repetitions, options in CASES:
        words = f"{options.get('basis', 'cross')}, {options.get('errors', 'asymptotic')}"
        for name, share in coverage(d, ratio, repetitions, **options).items():
            where = f"{name} held, %, d={d} ratio={ratio} {words}"
            mean = float(share.mean())
            yield Finding(where, mean, LEAST, larger_is_better=True)
            if mean > MOST:
                yield Finding(f"{where}: too often", mean, MOST)

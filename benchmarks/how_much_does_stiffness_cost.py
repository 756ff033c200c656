"""Stiff whole networks: CVODE on photographs, and `method="auto"` against DOP853 alone.

A JEPA from a small start learns some modes tens of thousands of relaxation times before others.
The steps of an explicit method are limited by stability all that time. CVODE is held against the
matrix products of its own Jacobian by NumPy, and against the pace of DOP853, which is given
`PATIENCE` seconds and would need hours. On one thread; in seconds of the processor, which other
programs change least.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.linalg  # noqa: F401  (loaded before its threads are limited)
from threadpoolctl import threadpool_limits

import dlnflow
from benchmarks.timing import Finding
from dlnflow import network
from dlnflow.studies.demo import patch_pairs, photographs

L, EPS, PAST, TIMES = 3, 1e-3, 1.1, 200
PATCH, PHOTO_EPS, FEATURES, PATIENCE = 8, 1e-2, 9, 20.0
RTOL, PRODUCTS = 1e-6, 20_000
SECONDS = {"jepa": 10.0, "mae": 3.0}


def findings() -> Iterator[Finding]:
    with threadpool_limits(1):
        yield from on_photographs()
        for d, allowed in ((6, 0.5), (12, 0.5)):
            explicit, _ = trained(d, "DOP853")
            seconds, error = min(trained(d, "auto") for _ in range(3))
            question = f"auto / DOP853, seconds, JEPA d={d} L={L} eps=1e-3"
            yield Finding(question, seconds / explicit, allowed)
            yield Finding("auto's largest error, in 1e-6 of a plateau", error / 1e-6, 1.0)


def on_photographs() -> Iterator[Finding]:
    x, y = patch_pairs(photographs(), PATCH)
    sigma_xx, sigma_yx = network.covariances(x, y)
    sigma_yx = 0.5 * (sigma_yx + sigma_yx.T)
    _, basis = np.linalg.eigh(sigma_yx)
    lam, variance = (np.einsum("di,de,ei->i", basis, m, basis) for m in (sigma_yx, sigma_xx))
    d = len(lam)
    layer = PHOTO_EPS ** (1.0 / L) * np.eye(d)
    net = network.Network([layer] * L, [layer])
    factor = np.random.default_rng(0).normal(size=(d, d))
    start = time.process_time()
    for _ in range(PRODUCTS):
        factor @ factor
    product = (time.process_time() - start) / PRODUCTS
    for objective, allowed in SECONDS.items():
        due = dlnflow.critical_time(
            lam, lam / variance, L, eps=PHOTO_EPS, objective=objective, variance=variance
        )
        due = np.sort(due[np.isfinite(due) & (due > 0.0)])[:FEATURES]
        settings: dict[str, Any] = {
            "objective": objective,
            "t": np.concatenate([[0.0], np.geomspace(0.02 * due[0], 1.5 * due[-1], 300)]),
        }
        start = time.process_time()
        stiff = network.gradient_flow(
            net, sigma_xx, sigma_yx, **settings, method="CVODE", rtol=RTOL
        )
        seconds = time.process_time() - start
        start = time.process_time()
        explicit = network.gradient_flow(
            net, sigma_xx, sigma_yx, **settings, method="DOP853", max_seconds=PATIENCE
        )
        patience = time.process_time() - start
        name = f"CVODE (rtol {RTOL:g}), photographs, d={d} L={L} {objective}"
        yield Finding(f"{name}, {FEATURES} features, seconds", seconds, allowed)
        products = int(stiff.how.split(", ")[1].split()[0]) * (6 * L + 1)
        yield Finding("the same / its matrix products alone", seconds / (products * product), 6.0)
        pace = patience * stiff.t[-1] / explicit.t[-1] / seconds
        yield Finding("DOP853 at its pace / the same", pace, 20.0, larger_is_better=True)


def trained(d: int, method: str) -> tuple[float, float]:
    """Seconds of a run through all transitions, and its largest error in plateaus."""
    lam, rho = np.linspace(1.0, 0.5, d), np.linspace(1.0, 0.2, d)
    sigma_xx, sigma_yx = np.diag(lam / rho), np.diag(lam)
    net = network.balanced(sigma_xx, sigma_yx, L, eps=EPS, objective="jepa")
    last = PAST * dlnflow.critical_time(lam, rho, L, eps=EPS).max()
    t = np.linspace(0.0, last, TIMES)
    start = time.process_time()
    run = network.gradient_flow(net, sigma_xx, sigma_yx, t=t, method=method)
    seconds = time.process_time() - start
    modes = run.spectrum
    exact = dlnflow.amplitude(t, modes.lam[:, None], modes.rho[:, None], L, eps=EPS)
    plateau = dlnflow.plateau(modes.rho, L)[:, None]
    return seconds, float(np.abs((run.w - exact) / plateau).max())

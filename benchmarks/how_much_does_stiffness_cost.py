"""`method="auto"`, which goes on with Radau where the flow turns stiff, against DOP853 alone.

A JEPA from a small start learns some modes tens of thousands of relaxation times before others. At
`d = 6` an implicit method pays; at `d = 12` factorising its Jacobian costs more than it saves, and
`auto` must see that. BDF is held against Radau at the tolerance with which it is nearly as exact.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import scipy.linalg  # noqa: F401  (loaded before its threads are limited)
from threadpoolctl import threadpool_limits

import dlnflow
from benchmarks.timing import Finding
from dlnflow import network

L, EPS, PAST, TIMES = 3, 1e-3, 1.1, 200


def findings() -> Iterator[Finding]:
    with threadpool_limits(1):
        explicit, _ = trained(6, "DOP853")
        seconds, error = min(trained(6, "auto") for _ in range(3))
        yield Finding(f"auto / DOP853, seconds, JEPA d=6 L={L} eps=1e-3", seconds / explicit, 0.5)
        yield Finding("auto's largest relative error against amplitude, in 1e-9", error / 1e-9, 10)
        ratio = trained(12, "auto")[0] / trained(12, "DOP853")[0]
        yield Finding("auto / DOP853, the same with d=12", ratio, 1.6)
        radau, radau_error = min(trained(4, "Radau", rtol=1e-9) for _ in range(3))
        bdf, bdf_error = min(trained(4, "BDF", rtol=1e-13) for _ in range(3))
        better = {"larger_is_better": True}
        yield Finding("BDF (rtol 1e-13) / Radau (1e-9), d=4, seconds", bdf / radau, 1.0, **better)
        yield Finding("the same, errors", bdf_error / radau_error, 1.0, **better)


def trained(d: int, method: str, rtol: float | None = None) -> tuple[float, float]:
    """Seconds of a run through all transitions, and the largest relative error of an amplitude."""
    lam, rho = np.linspace(1.0, 0.5, d), np.linspace(1.0, 0.2, d)
    sigma_xx, sigma_yx = np.diag(lam / rho), np.diag(lam)
    net = network.balanced(sigma_xx, sigma_yx, L, eps=EPS, objective="jepa")
    last = PAST * dlnflow.critical_time(lam, rho, L, eps=EPS).max()
    t = np.linspace(0.0, last, TIMES)
    start = time.perf_counter()
    run = network.gradient_flow(net, sigma_xx, sigma_yx, t=t, method=method, rtol=rtol)
    seconds = time.perf_counter() - start
    modes = run.spectrum
    exact = dlnflow.amplitude(t, modes.lam[:, None], modes.rho[:, None], L, eps=EPS)
    return seconds, float(np.abs(run.w / exact - 1.0).max())

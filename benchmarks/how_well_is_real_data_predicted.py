"""Real data: how long a prediction takes, and how near it comes to whole networks.

The data ship with packages; their views can be exchanged (`dlnflow.studies._real_pairs`). Seconds
are of the processor, on one thread. Errors are of the first eight features' times.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import scipy.linalg  # noqa: F401  (loaded before its threads are limited)
from threadpoolctl import threadpool_limits

from benchmarks.timing import Finding
from dlnflow import network
from dlnflow.data import FeaturePrediction, Spectrum
from dlnflow.studies._real_pairs import REAL_PAIRS
from dlnflow.studies.demo import patch_pairs, photographs

L, EPS = 3, 1e-2
FIRST = {"jepa": 2, "mae": 3}  # features judged by the closed form alone
LIMITS = {8: 2.0, 16: 10.0}  # seconds of a prediction for both objectives, by width of a patch
COVERED = 0.9
ALONE, ENOUGH = 1.05, 7  # factor of the closed form alone, and data sets within it


def findings() -> Iterator[Finding]:
    with threadpool_limits(1):
        for width, allowed in LIMITS.items():
            spectrum = Spectrum.from_samples(*patch_pairs(photographs(), width))
            start = time.process_time()
            spectrum.predict(L, eps=EPS)
            seconds = time.process_time() - start
            question = f"predict, both objectives, d={width**2} L={L} eps={EPS:g}, seconds"
            yield Finding(question, seconds, allowed)
        yield from on_real_data()
        yield whole_network()


def whole_network() -> Finding:
    """A JEPA on patches of 16 x 16 pixels, through its first ten transitions."""
    pairs = patch_pairs(photographs(), 16)
    made = Spectrum.from_samples(*pairs).predict(L, eps=EPS, objective="jepa", modes=10)["jepa"]
    sigma_xx, sigma_yx = network.covariances(*pairs)
    start = time.process_time()
    run = network.gradient_flow(
        network.balanced(sigma_xx, sigma_yx, L, eps=EPS),
        sigma_xx,
        sigma_yx,
        t=np.geomspace(0.1 * made.time.min(), 1.1 * made.time.max(), 60),
        keep="encoder",
        rtol=1e-6,
    )
    seconds = time.process_time() - start
    count = int(np.sum((run.probe_r2(made.features) >= 0.5).any(axis=0)))
    return Finding(f"whole network, d=256, {count} features, seconds", seconds, 300.0)


def on_real_data() -> Iterator[Finding]:
    covered: list[bool] = []
    near = dict.fromkeys(FIRST, 0)
    for name, pairs in REAL_PAIRS.items():
        made = Spectrum.from_samples(*pairs()).predict(L, eps=EPS, verify=True)
        for objective, part in made.items():
            errors = np.abs(np.log(part.network_time / part.time))[np.isfinite(part.time)]
            title = f"{name}, {objective}"
            tau = 1.0 if part.tau is None else part.tau
            yield Finding(f"{title}: Kendall's tau", tau, 0.95, larger_is_better=True)
            yield Finding(f"{title}: median factor", float(np.exp(np.median(errors))), 1.05)
            yield Finding(f"{title}: largest factor", float(np.exp(errors.max())), 1.3)
            near[objective] += alone(part) <= ALONE
            known = part.bound[np.isfinite(part.time)] <= 0.3
            covered += (errors <= part.bound[np.isfinite(part.time)])[known].tolist()
    for objective, count in near.items():
        question = f"data sets with the closed form of {objective}'s first within {ALONE}"
        yield Finding(question, count, ENOUGH, larger_is_better=True)
    share = float(np.mean(covered))
    question = f"share of {len(covered)} errors below their bound"
    yield Finding(question, share, COVERED, larger_is_better=True)


def alone(part: FeaturePrediction) -> float:
    """The largest factor between the network and the closed form of the first features."""
    first = np.argsort(part.closed_form)[: FIRST[part.objective.name]]
    ratio = part.network_time[first] / part.closed_form[first]
    return float(np.exp(np.abs(np.log(ratio)).max()))

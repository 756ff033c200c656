"""Measures how often `dlnflow.identify` is right, by kind of training: the table of identify.md.

``python docs/_build/identification_table.py [LOGS]`` prints it; LOGS (100) of each kind, twice as
many curves of every wrong family. About 25 minutes on two cores. The networks are drawn as for the
reference of trained networks, but from other seeds, and the five kinds of log in `FIVE` are none of
its kinds.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from reference_curves import DECOYS, Log, decoy, logs_of
from stacked_training import Optimiser, initialised, train
from trained_networks import drawn_stack

import dlnflow
from dlnflow.identification import _trained

SEED, SEEDS = 2026, 20
Case = tuple[str, str | None, int | None, Log]  # kind, objective, depth, log

FIVE = (("jepa", 2, 0.1), ("jepa", 3, 0.1), ("mae", 2, 0.01), ("mae", 3, 0.03), ("jepa", 2, 0.03))
KINDS = (
    "balanced full batch",
    "balanced sgd",
    "gaussian full batch",
    "gaussian sgd",
    "momentum",
    "ema",
    "weight decay",
    "cosine",
    "warm-up",
    "adam",
)


def closed_forms(count: int, noise: float) -> Iterator[Case]:
    """Curves of the closed form, one to three modes, through their transition."""
    for place in range(count):
        rng = np.random.default_rng([SEED, 1, place])
        objective, L = str(rng.choice(["jepa", "mae"])), int(rng.integers(1, 5))
        lam, rho = rng.uniform((0.5, 0.3), (1.5, 0.95), (int(rng.integers(1, 4)), 2)).T
        eps = 0.1 * float(dlnflow.plateau(rho, L, objective=objective).min())
        options = {"eps": eps, "objective": objective}
        last = 2.0 * dlnflow.critical_time(lam, rho, L, **options).max()
        t = np.linspace(0.0, float(last), int(rng.choice([30, 60, 120])))
        w = dlnflow.amplitude(t, lam[:, None], rho[:, None], L, **options)
        w = np.abs(w + noise * w.max(axis=1, keepdims=True) * rng.normal(size=w.shape))
        yield f"closed form, noise {100.0 * noise:g} %", objective, L, (t, w)


def five_kinds(seeds: int) -> Iterator[Case]:
    """Minibatch SGD from a Gaussian start in narrow layers, at a rate of 0.05."""
    for kind, (objective, L, eps) in enumerate(FIVE):
        rng = np.random.default_rng([SEED, 2, kind])
        d = 4
        rho, variance = rng.uniform((0.3, 0.6), (0.95, 1.6), (seeds, d, 2)).transpose(2, 0, 1)
        options = {"eps": eps, "objective": objective, "clock": "network"}
        times = dlnflow.critical_time(rho * variance, rho, L, **options).max(axis=1)
        record = np.unique(np.linspace(0, 3.0 * np.median(times) / 0.05, 150).astype(np.int64))
        w = train(
            initialised(objective, [d] * (L + 1), np.full(seeds, eps), False, rng),
            variance,
            rho,
            objective=objective,
            optimiser=Optimiser(lr=0.05, batch=32),
            record=record,
            rng=rng,
        )
        for one in w:
            yield "five kinds of log", objective, L, (record.astype(float), one)


def trained(count: int) -> Iterator[Case]:
    """Logs of trained networks, ``count`` of every kind."""
    wanted, place = dict.fromkeys(KINDS, count), 0
    while any(wanted.values()):
        rng = np.random.default_rng([SEED, 3, place])
        stack = drawn_stack(*_trained.CLASSES[place % len(_trained.CLASSES)], rng)
        place += 1
        for w in stack.w if wanted.get(stack.kind) else []:
            logs = logs_of(stack.t, w, rng) if np.isfinite(w).all() else []
            for log in logs[: wanted[stack.kind]]:
                wanted[stack.kind] -= 1
                yield stack.kind, stack.objective, stack.L, log


def wrong(count: int) -> Iterator[Case]:
    """Curves of no network, ``count`` of every family, half of them alone."""
    for kind in DECOYS:
        for place in range(count):
            rng = np.random.default_rng([SEED, 4, *kind.encode(), place])
            yield f"no network: {kind}", None, None, decoy(kind, place % 2 == 0, rng)


def outcome(case: Case) -> tuple[str, str]:
    """The kind of log, and what the answer is worth."""
    kind, objective, L, (t, w) = case
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = dlnflow.identify(t, w, clock="unknown")
        except ValueError:
            return kind, "refused"
    answer = found.answer
    if answer.objective is None:
        return kind, "cannot tell"
    same = (found.candidate, *found.equivalent)
    if answer.objective != objective:
        return kind, "wrong"
    if answer.L is None:
        return kind, "objective"
    return kind, "right" if L in [one.L for one in same] else "wrong"


def table(outcomes: Iterator[tuple[str, str]]) -> str:
    """A row for each kind of log, in the order of their coming."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for kind, result in outcomes:
        counts[kind][result] += 1
        counts["all"][result] += 1
    lines = [
        "| log | number | right | right objective, depth not told | cannot tell | wrong |",
        "|---|---|---|---|---|---|",
    ]
    counts["all"] = counts.pop("all")
    for kind, found in counts.items():
        number = sum(found.values())
        found["cannot tell"] += found["refused"]
        shares = [f"{100.0 * found[name] / number:.0f} %" for name in RESULTS[:-1]]
        lines.append(
            f"| {kind} | {number} | {' | '.join(shares)} | {100.0 * found['wrong'] / number:.1f} % |"
        )
    return "\n".join(lines)


RESULTS = ("right", "objective", "cannot tell", "wrong")

if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    cases = [
        *closed_forms(count, 0.0),
        *closed_forms(count, 0.01),
        *five_kinds(SEEDS),
        *trained(count),
        *wrong(2 * count),
    ]
    with ProcessPoolExecutor(2) as pool:
        print(table(pool.map(partial(outcome), cases, chunksize=10)))

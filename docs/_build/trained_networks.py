"""Trains the networks that are the reference of `likeness`, and measures its answers.

``python docs/_build/trained_networks.py dlnflow/identification/trained_networks.npz ACCURACY.md``

Classes are JEPA and MAE with L = 1 to 4. Six networks train at once, as a stack of matrices: it
shares the objective, the depth, the widths and the optimiser, and each of its networks has data and
an initialisation of its own. Every network leaves a log of several modes and one of a single mode.
The shapes of these logs are the reference. How often answers are right is measured by fivefold
cross-validation, in which no stack is in two parts. Seeds are fixed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from reference_curves import DECOYS, decoy, logs_of
from stacked_training import Optimiser, initialised, train

import dlnflow
from dlnflow.identification import _trained
from dlnflow.identification._shape import shape

Array = NDArray[np.float64]
Rng = np.random.Generator

SEED = 7
ROUNDS = 170  # stacks of each class
STACK = 6  # networks trained at once
MOST_STEPS = 6_000  # of the first mode's critical time; a smaller eps is raised until it fits
TRIES = 60  # of an eps
HIGH = 4.0  # a mode whose plateau is fewer times eps is not learned visibly
LATE = 3.0  # deep JEPAs learn so much later from a Gaussian start than from a balanced one
ROWS = 600  # recorded of each training
FOLDS = 5
DECOYS_PER_CLASS = 2  # as many decoys as networks of so many classes
SHRINKAGE = 0.03  # of the scatter within classes, towards the identity
STRANGE = 0.01  # share of networks that count as strange
BINS = [0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1.01]  # of probabilities
DIMS = 12  # of the projection


@dataclass(frozen=True)
class Stack:
    """Trained networks: their kind of training, class, steps, and amplitudes."""

    kind: str
    objective: str
    L: int
    t: Array
    w: Array


def kind_of_training(rng: Rng, objective: str) -> tuple[str, dict[str, Any]]:
    """Name of a kind of training, and what it changes in a plain `Optimiser`."""
    kinds: dict[str, dict[str, Any]] = {
        "sgd": {},
        "momentum": {"momentum": 0.9},
        "ema": {"ema": float(rng.choice([0.9, 0.99, 0.996]))},
        "weight decay": {"decay": float(np.exp(rng.uniform(np.log(1e-4), np.log(2e-3))))},
        "cosine": {"schedule": "cosine"},
        "warm-up": {"schedule": "warm-up"},
        "adam": {"adam": True},
    }
    share = np.array([0.6, 0.07, 0.07, 0.07, 0.06, 0.05, 0.08])
    if objective == "mae":
        share[2] = 0.0
    name = str(rng.choice([*kinds], p=share / share.sum()))
    return name, kinds[name]


def drawn_stack(objective: str, L: int, rng: Rng) -> Stack:
    """A stack of networks with drawn data, widths, initialisation and optimiser, trained."""
    d = int(rng.integers(2, 9))
    rho = rng.uniform(0.15, 0.97, (STACK, d))
    rho[:, 0] = rng.uniform(0.5, 0.97, STACK)
    variance = np.exp(rng.uniform(np.log(0.3), np.log(3.0), (STACK, d)))
    kind, changes = kind_of_training(rng, objective)
    batch = int(rng.choice([0, 8, 16, 32, 64, 128], p=[0.25, 0.15, 0.15, 0.2, 0.15, 0.1]))
    lr = float(rng.uniform(0.02, 0.1)) * (1.0 - changes.get("momentum", 0.0))
    optimiser = Optimiser(lr=lr, batch=batch, **changes)
    balanced = bool(rng.random() < 0.25)
    eps, longer = np.exp(rng.uniform(np.log([0.005, 1.5]), np.log([0.15, 8.0])))
    eps, first = learnable(objective, L, rho, variance, eps, optimiser)
    longer *= LATE if objective == "jepa" and L > 1 and not balanced else 1.0
    longer *= 2.0 if optimiser.schedule == "cosine" else 1.0
    steps = int(min(longer * first, 2.5 * MOST_STEPS))
    if optimiser.adam:
        steps, optimiser = 3000, Optimiser(lr=1e-3, batch=batch, adam=True)
    width = int(rng.choice([d, d, d, 2 * d, 2 * d, 24, 24, 32, 64]))
    each = eps * np.exp(rng.uniform(-0.5, 0.5, STACK))
    layers = initialised(objective, [d] + [max(d, width)] * L, each, balanced, rng)
    record = np.unique(np.linspace(0, max(steps, ROWS), ROWS).astype(np.int64))
    w = train(
        layers, variance, rho, objective=objective, optimiser=optimiser, record=record, rng=rng
    )
    if kind == "sgd":
        kind = ("balanced " if balanced else "gaussian ") + ("sgd" if batch else "full batch")
    return Stack(kind, objective, L, record.astype(float), w)


def learnable(
    objective: str, L: int, rho: Array, variance: Array, eps: float, optimiser: Optimiser
) -> tuple[float, float]:
    """The eps nearest to the one given that is learned in time, and steps to its first mode.

    The steps are to the critical time of the first mode with a plateau well above eps, in half of
    the networks.
    """
    for _ in range(TRIES):
        options: dict[str, Any] = {"eps": eps, "objective": objective, "clock": "network"}
        times = dlnflow.critical_time(rho * variance, rho, L, **options)
        high = dlnflow.plateau(rho, L, objective=objective) > HIGH * eps
        first = float(np.median(np.where(high, times, np.inf).min(axis=1))) / optimiser.flow_time
        if first <= MOST_STEPS:
            return eps, first
        eps *= 1.1 if np.isfinite(first) else 0.7
    return eps, float(MOST_STEPS)


class Curve(NamedTuple):
    """Shape of a log, and where it comes from."""

    stack: int
    kind: str
    label: int
    features: Array


def curves(stacks: list[Stack], single: bool) -> list[Curve]:
    """Shapes of logs of single modes or of several, as many of each class, and of decoys."""
    size = _trained.SINGLE if single else _trained.SEVERAL
    found = [c for i, s in enumerate(stacks) for c in _of_stack(i, s) if c.features.size == size]
    sizes = np.bincount([c.label for c in found], minlength=_trained.NONE)
    rng = np.random.default_rng([SEED, 1])
    order = rng.permutation(len(found))
    kept: list[Curve] = []
    for label in range(_trained.NONE):
        members = [found[i] for i in order if found[i].label == label]
        kept += members[: sizes.min()]
    return kept + _of_decoys(DECOYS_PER_CLASS * int(sizes.min()), single)


def _of_stack(place: int, stack: Stack) -> Iterator[Curve]:
    label = _trained.CLASSES.index((stack.objective, stack.L))
    rng = np.random.default_rng([SEED, 2, place])
    for w in stack.w:
        for log in logs_of(stack.t, w, rng) if np.isfinite(w).all() else []:
            if (found := shape(*log)) is not None:
                yield Curve(place, stack.kind, label, found.features)


def _of_decoys(count: int, single: bool) -> list[Curve]:
    made: list[Curve] = []
    kinds, place = [*DECOYS], 0
    while len(made) < count:
        kind = kinds[place % len(kinds)]
        found = shape(*decoy(kind, single, np.random.default_rng([SEED, 3, single, place])))
        if found is not None:
            made.append(Curve(-1 - place, kind, _trained.NONE, found.features))
        place += 1
    return made


def metric(known: list[Curve], far: float) -> _trained.Metric:
    """Points of the curves in the projection that separates classes and kinds of decoys best.

    This is Fisher's linear discriminant analysis of the features and their products.
    """
    features = np.array([c.features for c in known])
    labels = np.array([c.label for c in known], dtype=np.uint8)
    mean, scale = features.mean(axis=0), features.std(axis=0)
    terms = _trained.with_products((features - mean) / scale)
    spread = terms.std(axis=0)
    projection = _discriminants(terms / spread, [_group(c) for c in known]) / spread[:, None]
    points = (terms @ projection).astype(np.float16)
    return _trained.Metric(mean, scale, projection, points.astype(float), labels, np.float64(far))


def _group(curve: Curve) -> str:
    """What the projection separates: classes by initialisation, Adam, and kinds of decoys."""
    if curve.label == _trained.NONE:
        return curve.kind
    apart = curve.kind if curve.kind == "adam" else curve.kind.startswith("balanced")
    return f"{curve.label} {apart}"


def _discriminants(terms: Array, groups: list[str]) -> Array:
    within, centres, counts = np.zeros((terms.shape[1],) * 2), [], []
    for group in sorted(set(groups)):
        members = terms[[g == group for g in groups]]
        centres.append(members.mean(axis=0))
        counts.append(len(members))
        within += (members - centres[-1]).T @ (members - centres[-1])
    within = within / len(terms) + SHRINKAGE * np.eye(len(within))
    deviations = np.array(centres) - np.average(centres, axis=0, weights=counts)
    between = (deviations * (np.array(counts) / len(terms))[:, None]).T @ deviations
    return scipy.linalg.eigh(between, within)[1][:, : -DIMS - 1 : -1]


def held_out(every: list[Curve]) -> tuple[_trained.Metric, list[_trained.Likeness]]:
    """The reference, with the distance that 1 % of networks exceed, and what folds answer."""
    names = np.array([c.stack for c in every])
    folds = np.random.default_rng([SEED, 4]).integers(0, FOLDS, np.ptp(names) + 1)[names]
    answers: dict[int, _trained.Likeness] = {}
    for fold in range(FOLDS):
        reference = metric([c for c, own in zip(every, folds, strict=True) if own != fold], np.inf)
        for i in np.flatnonzero(folds == fold):
            answers[int(i)] = _trained.judged(reference, every[i].features)
    ordered = [answers[i] for i in range(len(every))]
    networks = [a.distance for a, c in zip(ordered, every, strict=True) if c.label < _trained.NONE]
    far = float(np.quantile(networks, 1.0 - STRANGE))
    return metric(every, far), [replace(a, strange=a.distance > far) for a in ordered]


def outcome(answer: _trained.Likeness, label: int) -> str:
    """Whether an answer is right, and how far it goes."""
    objective, L = answer.told
    if objective is None:
        return "cannot tell"
    if label == _trained.NONE or objective != _trained.CLASSES[label][0]:
        return "wrong"
    return "objective" if L is None else "right" if _trained.CLASSES[label][1] == L else "wrong"


OUTCOMES = ("right", "objective", "cannot tell", "wrong")


def outcomes(every: list[Curve], answers: list[_trained.Likeness]) -> str:
    """Table of outcomes by kind of training and of decoy."""
    found: dict[str, list[str]] = {}
    pairs = zip(every, answers, strict=True)
    for curve, answer in sorted(pairs, key=lambda p: (p[0].label == _trained.NONE, p[0].kind)):
        decoys = curve.label == _trained.NONE
        for name in (curve.kind, "all decoys" if decoys else "all networks", "all"):
            found.setdefault(name, []).append(outcome(answer, curve.label))
    lines = ["| training | logs | right, % | objective only, % | cannot tell, % | wrong, % |"]
    lines.append("|---|---|---|---|---|---|")
    for name in sorted(found, key=lambda name: name.startswith("all")):
        own = found[name]
        shares = [f"{100 * own.count(o) / len(own):.1f}" for o in OUTCOMES]
        lines.append(f"| {name} | {len(own)} | " + " | ".join(shares) + " |")
    return "\n".join(lines) + "\n"


def reliability(every: list[Curve], answers: list[_trained.Likeness]) -> str:
    """Table of how often an objective, or a class, is the true one, given its probability."""
    classes = np.array([a.classes for a in answers])
    labels = np.array([c.label for c in every])
    objectives = np.array([[*a.objective.values()] for a in answers])
    own = np.where(labels == _trained.NONE, -1, labels // len(_trained.DEPTHS))
    lines = ["| probability | of objectives, true, % | of classes, true, % |", "|---|---|---|"]
    for low, high in pairwise(BINS):
        cells = []
        for p, true in ((objectives, own), (classes, labels)):
            where, what = np.nonzero((p >= low) & (p < high))
            share = f"{100 * (true[where] == what).mean():.0f}" if where.size else "-"
            cells.append(f"{share} of {where.size}")
        lines.append(f"| {low:g} to {min(high, 1.0):g} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines) + "\n"


def build(stacks: list[Stack], table: Path, report: Path) -> None:
    """Write the reference, and how well it answers."""
    arrays, text = {}, ""
    for single in (True, False):
        every = curves(stacks, single)
        reference, answers = held_out(every)
        text += f"## Logs of {'one mode' if single else 'several modes'}\n\n"
        text += outcomes(every, answers) + "\n" + reliability(every, answers) + "\n"
        for name, part in reference._asdict().items():
            kind = {"labels": np.uint8, "points": np.float16}.get(name, np.float32)
            arrays[f"{name}_{reference.mean.size}"] = part.astype(kind)
    np.savez_compressed(table, **arrays)
    report.write_text(text)


def trained() -> list[Stack]:
    """All stacks, the classes by turns."""
    return [
        drawn_stack(*both, np.random.default_rng([SEED, round_, i]))
        for round_ in range(ROUNDS)
        for i, both in enumerate(_trained.CLASSES)
    ]


if __name__ == "__main__":
    build(trained(), Path(sys.argv[1]), Path(sys.argv[2]))

"""Predict and train on every real data set, and write the table of ``docs/networks.md``.

It takes about 20 minutes. Run it from the project's folder with ``OMP_NUM_THREADS=1``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dlnflow.data import FeaturePrediction, Spectrum
from dlnflow.studies._real_pairs import REAL_PAIRS
from dlnflow.studies.claims import _pages as pages

PAGE = Path(__file__).parents[1] / "networks.md"
DEPTHS, INITIAL = (2, 3), (1e-2, 1e-3)
FIRST = {"jepa": 2, "mae": 3}
HEAD = """\
| data | d | objective | features | Kendall's tau | median factor | largest factor | closed form, first ones |
|---|---|---|---|---|---|---|---|
"""


def main() -> None:
    np.seterr(divide="ignore", invalid="ignore")  # features that are never learned
    rows, inside, known = [], 0, 0
    for name, pairs in REAL_PAIRS.items():
        spectrum = Spectrum.from_samples(*pairs())
        made = [spectrum.predict(L, eps=eps, verify=True) for L in DEPTHS for eps in INITIAL]
        for objective in FIRST:
            parts = [one[objective] for one in made]
            rows.append(row(name, spectrum.lam.size, objective, parts))
            print(rows[-1], flush=True)
            for part in parts:
                errors, bounds = errors_of(part)
                inside += int(np.sum(errors <= bounds))
                known += int(np.sum(np.isfinite(bounds)))
    note = f"\nOf {known} times with a bound, {inside} ({inside / known:.0%}) are within it.\n"
    text = pages.with_block(
        PAGE.read_text(encoding="utf-8"), "real data", HEAD + "".join(rows) + note
    )
    PAGE.write_text(text, encoding="utf-8")
    print(note)


def errors_of(part: FeaturePrediction) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of network over prediction, and their bounds, of the features predicted."""
    due = np.isfinite(part.time) & np.isfinite(part.bound)
    return np.abs(np.log(part.network_time[due] / part.time[due])), part.bound[due]


def row(name: str, d: int, objective: str, parts: list[FeaturePrediction]) -> str:
    """One line of the table, over all depths and initialisations."""
    factors = [np.abs(np.log(p.network_time / p.time))[np.isfinite(p.time)] for p in parts]
    tau = min(p.tau for p in parts if p.tau is not None)
    first = [np.argsort(p.closed_form)[: FIRST[objective]] for p in parts]
    alone = max(
        float(np.abs(np.log(p.network_time[i] / p.closed_form[i])).max())
        for p, i in zip(parts, first, strict=True)
    )
    counts = "/".join(str(int(np.isfinite(p.time).sum())) for p in parts)
    median, worst = max(map(np.median, factors)), max(map(np.max, factors))
    cells = [
        f"{np.exp(one):.2f}" if np.isfinite(one) else "never" for one in (median, worst, alone)
    ]
    return f"| {name} | {d} | {objective.upper()} | {counts} | {tau:.2f} | {' | '.join(cells)} |\n"


if __name__ == "__main__":
    main()

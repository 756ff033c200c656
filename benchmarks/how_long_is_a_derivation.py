"""Seconds of a derivation and of all checks, beside importing SymPy in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.timing import Finding, median_seconds

DERIVE = "from dlnflow import symbolic; symbolic.derive('jepa', L=3)"
VERIFIED = [(name, L) for name in ("jepa", "mae", "layer-1") for L in (None, 1, 2, 3, 4, 5)]


def findings() -> Iterator[Finding]:
    def running(code: str) -> object:
        return subprocess.run([sys.executable, "-c", code], check=True)

    sympy, derive = median_seconds(
        lambda: running("import sympy"), lambda: running(DERIVE), repeats=5
    )
    yield Finding("derive('jepa', L=3) in a fresh interpreter / import sympy", derive / sympy, 4)
    yield Finding("the same in seconds", derive, 2)

    from dlnflow import symbolic

    start = time.perf_counter()
    held = [symbolic.derive(name, L).verify()["holds"].eq(True).all() for name, L in VERIFIED]
    seconds = time.perf_counter() - start
    yield Finding("verify() of JEPA, MAE, layer 1, any L and L = 1..5, in seconds", seconds, 60)
    yield Finding("derivations among these with a step that fails", float(held.count(False)), 0)

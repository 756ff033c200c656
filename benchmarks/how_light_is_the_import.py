"""`import dlnflow` against `import scipy.special`, each in fresh interpreters, in turn."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from benchmarks.timing import Finding, median_seconds

HEAVY = ("sympy", "matplotlib", "pandas", "xarray", "dask", "torch", "jax", "typer", "rich")


def findings() -> Iterator[Finding]:
    def importing(module: str) -> object:
        return subprocess.run([sys.executable, "-c", f"import {module}"], check=True)

    bare, scipy, ours = median_seconds(
        lambda: importing("sys"),
        lambda: importing("scipy.special"),
        lambda: importing("dlnflow"),
        repeats=12,
    )
    ratio = (ours - bare) / (scipy - bare)
    yield Finding("import dlnflow / import scipy.special (start-up deducted)", ratio, 1.6)
    code = f"import dlnflow, sys; print(sum(m in sys.modules for m in {HEAVY!r}))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    yield Finding(f"of {', '.join(HEAVY)} loaded by it", float(loaded.stdout), 0.0)

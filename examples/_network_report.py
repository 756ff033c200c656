"""Shared by the scripts on whole networks: writes a table and a figure to a folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt


def folder() -> Path:
    """Where to write: the first argument of the script, or ``network-output``."""
    chosen = Path(sys.argv[1] if len(sys.argv) > 1 else "network-output")
    chosen.mkdir(parents=True, exist_ok=True)
    return chosen


def report(made: Any, name: str, into: Path) -> None:
    """Print the finding and the table of an experiment or map, and save table and figure."""
    print(repr(made), "\n")
    print(made.table.to_string(index=False, float_format="{:.4g}".format), "\n")
    made.table.to_csv(into / f"{name}.csv", index=False)
    made.plot()
    plt.savefig(into / f"{name}.png", dpi=150)
    plt.close("all")
    print(f"{into / name}.csv\n{into / name}.png")

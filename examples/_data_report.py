"""Shared by the scripts on real data: what is learned first, and networks trained to check it."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt

import dlnflow


def report(
    cases: dict[str, dlnflow.Spectrum], into: Path, name: str, *, features: int, L: int = 3
) -> None:
    """Print each data set's modes, what is learned first and what networks do; save a figure."""
    size = (7.6, 4.8 * len(cases))
    figure, panels = plt.subplots(len(cases), 1, figsize=size, layout="constrained")
    for axes, (words, spectrum) in zip(panels, cases.items(), strict=True):
        prediction = spectrum.predict(L, eps=1e-2, modes=features, verify=True)
        print(f"{words.upper()}\n{spectrum}\n\n{prediction}\n")
        prediction.plot(ax=axes)
        axes.set_title(f"{words}\n{axes.get_title()}", fontsize="medium")
    file = into / f"{name}.png"
    figure.savefig(file, dpi=100)
    plt.close(figure)
    print(file)

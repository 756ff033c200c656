"""Draw the figures of the README and the documentation: `make docs`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np

import dlnflow
from dlnflow import demo, network, plot
from dlnflow.studies import experiments, validity

MAPS = (
    validity.commuting,
    validity.balance,
    validity.alignment,
    validity.initialisation,
    validity.learning_rate,
    validity.samples,
    validity.ema,
    validity.decoder_depth,
)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "panels": lambda: plot.paper_panels(),
        "collapse": lambda: plot.collapse([1.0, 2.0, 0.7, 1.4], [1.0, 0.8, 0.7, 0.6], 3, eps=1e-2),
        "depth": lambda: plot.critical_time_against_depth(1.0, [1.0, 0.8, 0.6]),
        "map": lambda: plot.first_learned_map(4, eps=1e-2),
        "noisy_features": plot.noisy_features,
        "identify": measured_curves,
        "metrics": logged_curves,
        "network_probe": amplitude_and_probe,
    }
    for name, draw in figures.items():
        draw()
        save(folder / f"{name}.png")
    for experiment in (experiments.order, experiments.depth, experiments.initialisation):
        experiment().plot()
        save(folder / f"network_{experiment.__name__}.png")
    grid = plt.subplots(4, 2, figsize=(11, 19), layout="constrained")[1]
    for axes, measure in zip(grid.ravel(), MAPS, strict=True):
        measure().plot(ax=axes)
    save(folder / "network_validity.png", dpi=100)
    with TemporaryDirectory() as scratch:
        demo.run(Path(scratch))
        shutil.copy(Path(scratch) / "times.png", folder / "photographs.png")
    print(folder / "photographs.png")


def measured_curves() -> None:
    """The first example of ``docs/identify.md``."""
    t = np.linspace(0.0, 60.0, 80)
    w = dlnflow.amplitude(t, [[1.0], [1.1]], [[0.8], [0.5]], 3, eps=0.01, objective="mae")
    noise = np.random.default_rng(0).normal(size=w.shape)
    dlnflow.identify(t, w * (1.0 + 0.01 * noise)).plot()


def logged_curves() -> None:
    """The log with which ``docs/identify.md`` begins."""
    dlnflow.read_log("examples/metrics.csv").identify().plot()


def amplitude_and_probe() -> None:
    """Two networks of ``docs/networks.md``, by amplitude and by the probe."""
    grid = plt.subplots(2, 2, figsize=(11.0, 9.0), layout="constrained")[1]
    xx, yx = np.diag([1.0, 1.01]), np.array([[0.5, 0.45], [0.45, 0.5]])
    net, t = network.balanced(xx, yx, 2, eps=1e-3), np.linspace(0.0, 1e5, 4000)
    one = network.gradient_flow(net, xx, yx, t=t)
    xx, yx = np.diag([2.0, 0.7]), np.diag([1.0, 0.7])
    unit = [0.1 * np.array([[np.cos(0.1), np.sin(0.1)]]), [[0.1]]]
    narrow = network.Network(unit, [[[0.1]]])
    turned = network.gradient_flow(narrow, xx, yx, t=np.linspace(0.0, 2000.0, 4000))
    cases = ("Width 2", one, "log"), ("Width 1", turned, "linear")
    for row, (name, run, scale) in zip(grid, cases, strict=True):
        for axes, measure in zip(row, ("amplitude", "probe"), strict=True):
            made = network.compare(run, measure=measure)
            made.plot(ax=axes)
            level, words = [0.5], "half of the variance"
            if measure == "amplitude":
                level, words = 0.5 * made.plateau, "half of each plateau"
                axes.set_yscale(scale)
            for height in level:
                axes.axhline(height, color="0.5", linewidth=0.9, linestyle=":")
            lost = "".join(f", one lost at t = {t:.0f}" for t in made.lost_time[made.lost])
            axes.set_title(
                f"{name}, by {measure}: {made.learned.sum()} of {made.eps.size} learned{lost}\n"
                f"(dotted: {words})",
                fontsize="medium",
            )


def save(path: Path, dpi: int = 150) -> None:
    plt.savefig(path, dpi=dpi)
    plt.close("all")
    print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/figures"))

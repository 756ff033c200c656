"""The figures of the demo."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from dlnflow import plot
from dlnflow.data import Prediction, Spectrum


def times(prediction: Prediction) -> Figure:
    """When each feature is learned, predicted and measured."""
    figure = Figure(figsize=(7.6, 5.0), layout="constrained")  # no window under any backend
    plot.prediction(prediction, ax=figure.subplots())
    return figure


def features(spectrum: Spectrum, prediction: Prediction) -> Figure:
    """The features learned first as pictures, in the predicted order."""
    most = max(part.mode.size for part in prediction.values())
    figure = Figure(figsize=(1.35 * most + 0.6, 4.4), layout="constrained")
    grid = figure.subplots(len(prediction), most, squeeze=False)
    width = round(spectrum.basis.shape[0] ** 0.5)
    for axes in grid.ravel():
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    for row, (name, part) in zip(grid, prediction.items(), strict=True):
        tint = plot.colour(name)
        row[0].set_ylabel(name.upper(), color=tint, fontweight="bold")
        for axes, i in zip(row, part.order, strict=False):
            picture = spectrum.basis[:, part.mode[i]].reshape(width, width)
            size = np.abs(picture).max()
            axes.imshow(picture, cmap="gray", vmin=-size, vmax=size)
            axes.spines[:].set(visible=True, color=tint, linewidth=2.0)
            axes.set_title(
                rf"mode {part.mode[i]}, $\rho = {part.rho[i]:.2f}$"
                f"\npredicted {_time(part.time[i])}\nnetwork {_time(part.network_time[i])}",
                fontsize=8.5,
            )
    learned = ({*part.mode[np.isfinite(part.time)]} for part in prediction.values())
    figure.suptitle(
        "Features in the order in which they are learned; "
        f"the JEPA and the MAE share {len(set.intersection(*learned))}\n"
        f"(above each picture: {prediction.time_label}, predicted and in a trained network)",
    )
    return figure


def _time(value: float) -> str:
    return f"{value:.3g}" if value < np.inf else "never"

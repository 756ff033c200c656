"""How far prediction and network differ when one assumption does not hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from dlnflow.plot._style import (
    NEUTRAL,
    colour,
    display,
    legend_below,
    marker,
    number,
    refuse_without,
    single_axes,
)

Array = NDArray[np.float64]

MOST_LAYERS = 16  # whole numbers up to which an axis counts layers


class DrawnMap(Protocol):
    """What the figure reads of a map of validity."""

    @property
    def table(self) -> Any: ...
    @property
    def variable(self) -> str: ...
    @property
    def assumption(self) -> str: ...
    @property
    def exponents(self) -> Mapping[str, float | None]: ...
    @property
    def largest_fitted(self) -> float: ...


def validity(made: DrawnMap, *, ax: Axes | None = None) -> Axes:
    """Error of the prediction against how strongly one assumption is broken.

    Parameters
    ----------
    made : ValidityMap
        From `dlnflow.network.validity`.
    ax : Axes, optional
        By default those of a new figure.

    Returns
    -------
    Axes
        Filled markers: the largest error of a critical time; hollow ones: the largest distance of a
        trajectory. Where a mode was not learned at all, an arrowhead stands at the top.

    Raises
    ------
    ValueError, TypeError
        If ``made`` lacks what is drawn, or ``ax`` is no Axes.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import matplotlib.pyplot as plt
    >>> import dlnflow
    >>> from dlnflow.studies import validity
    >>> made = validity.balance([0.003, 0.01, 0.03], objective="mae")
    >>> print(dlnflow.plot.validity(made).get_xlabel())
    imbalance of the layers
    >>> plt.close("all")
    """
    refuse_without(DrawnMap, "made", made, "dlnflow.network ValidityMap")
    axes = single_axes(ax, figsize=(6.4, 5.0))
    x = made.table["x"].to_numpy()
    layers = bool((x == np.round(x)).all() and x.max() <= MOST_LAYERS)
    if not layers:
        axes.set_xscale("log")
    axes.set_yscale("log")
    handles = list(_curves(axes, made))
    if layers:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(made.variable)
    axes.set_ylabel("error of the prediction")
    axes.set_title(_headline(made), fontsize="medium")
    legend_below(axes, handles, columns=2)
    return axes


def _curves(axes: Axes, made: DrawnMap) -> Iterator[Line2D]:
    also = {
        "own_error": "critical time, closed form for $P$",
        "published_error": "published formula, balanced start",
    }
    tops = []
    for name, part in made.table.groupby("objective", sort=False):
        look: dict[str, Any] = {"color": colour(name), "marker": marker(name)}
        x = part["x"].to_numpy()
        columns = {"time_error": "critical time", "deviation": "trajectory", **also}
        for column, words in columns.items():
            if column not in part:
                continue
            error = part[column].to_numpy()
            good = np.isfinite(error) & (error > 0.0) & np.isfinite(x) & (x > 0.0)
            style = {"time_error": "-", "deviation": ":"}.get(column, "--")
            fill = look["color"] if column == "time_error" else "white"
            if column == "deviation" and "own_error" in part:
                words += ", closed form for $P$"
            (line,) = axes.plot(
                x[good],
                error[good],
                linestyle=style,
                markerfacecolor=fill,
                markersize=5,
                label=f"{display(name)}: {words}",
                **look,
            )
            yield line
            if column == "time_error" and np.isinf(error).any():
                tops.append((x[np.isinf(error)], look["color"]))
    for x, tint in tops:
        axes.plot(
            x,
            np.full(x.shape, 0.97),
            linestyle="",
            marker="^",
            color=tint,
            transform=axes.get_xaxis_transform(),
            label="_never learned",
        )
    if tops:
        yield Line2D([], [], linestyle="", marker="^", color=NEUTRAL, label="a mode not learned")


def _headline(made: DrawnMap) -> str:
    powers = [
        f"{name.upper()} as $x^{{{power:.2f}}}$"
        for name, power in made.exponents.items()
        if power is not None
    ]
    finding = f"errors of critical times below {made.largest_fitted:g} grow: {', '.join(powers)}"
    if not powers:
        errors = made.table.groupby("objective", sort=False)["time_error"]
        finding = "errors of critical times: " + ", ".join(
            _span(str(name), error.to_numpy()) for name, error in errors
        )
    return f"Breaking one assumption: {made.assumption}\n{finding}"


def _span(name: str, error: Array) -> str:
    if np.isinf(error.min()):
        return f"{name.upper()} does not learn a mode"
    largest = "or more" if np.isinf(error.max()) else f"to {number(float(error.max()), 2)}"
    return f"{name.upper()} {number(float(error.min()), 2)} {largest}"

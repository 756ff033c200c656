"""How far prediction and network differ when one assumption does not hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from dlnflow.plot import _style as style

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
    style.refuse_without(DrawnMap, "made", made, "dlnflow.network ValidityMap")
    axes = style.single_axes(ax, figsize=(6.4, 5.0))
    x = made.table["x"].to_numpy()
    layers = bool((x == np.round(x)).all() and x.max() <= MOST_LAYERS)
    axes.set(xscale="linear" if layers else "log", yscale="log")
    handles = list(_curves(axes, made))
    if layers:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel=made.variable, ylabel="error of the prediction")
    axes.set_title(_headline(made), fontsize="medium")
    style.legend_below(axes, handles)
    return axes


def _curves(axes: Axes, made: DrawnMap) -> Iterator[Line2D]:
    own = ", closed form for $P$"
    never = []
    for name, part in made.table.groupby("objective", sort=False):
        tint, x = style.colour(name), part["x"].to_numpy()
        for column, words, line, face in (
            ("time_error", "critical time", "-", tint),
            (
                "deviation",
                "trajectory" + (own if "own_error" in part else ""),
                ":",
                style.background(),
            ),
            ("own_error", f"critical time{own}", "--", style.background()),
            ("published_error", "published formula, balanced start", "--", style.background()),
        ):
            if column not in part:
                continue
            error = part[column].to_numpy()
            good = np.isfinite(error) & (error > 0.0) & np.isfinite(x) & (x > 0.0)
            yield from axes.plot(
                x[good],
                error[good],
                color=tint,
                linestyle=line,
                marker=style.marker(name),
                markerfacecolor=face,
                markersize=5,
                label=f"{style.display(name)}: {words}",
            )
        infinite = np.isinf(part["time_error"].to_numpy())
        if infinite.any():
            never.append((x[infinite], tint))
    look: dict[str, Any] = {"marker": "^", "linestyle": ""}
    for x, tint in never:
        top: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "label": "_never learned"}
        axes.plot(x, np.full(x.shape, 0.97), color=tint, **look, **top)
    if never:
        yield style.legend_entry("a mode not learned", **look)


def _headline(made: DrawnMap) -> str:
    powers = [
        f"{name.upper()} as $x^{{{power:.2f}}}$"
        for name, power in made.exponents.items()
        if power is not None
    ]
    finding = f"errors of critical times below {made.largest_fitted:g} grow: {', '.join(powers)}"
    if not powers:
        errors = made.table.groupby("objective", sort=False)["time_error"]
        spans = (_span(str(name), error.min(), error.max()) for name, error in errors)
        finding = f"errors of critical times: {', '.join(spans)}"
    return f"Breaking one assumption: {made.assumption}\n{finding}"


def _span(name: str, least: float, most: float) -> str:
    if np.isinf(least):
        return f"{name.upper()} does not learn a mode"
    largest = "or more" if np.isinf(most) else f"to {style.number(most, 2)}"
    return f"{name.upper()} {style.number(least, 2)} {largest}"

"""One claim: what every route observed, and where the claim is true."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from textwrap import fill
from typing import Any, Protocol

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from dlnflow.plot import _style as style

Array = NDArray[np.float64]

ROUTE_MARKERS = {
    "derivation": "x",
    "closed form": ".",
    "quadrature": "+",
    "mode ODE": "^",
    "plain network": "o",
    "matrix network": "s",
    "trained network": "D",
    "real data": "*",
}
UNFILLED = ("x", "+", ".")
CLOSE = 1.3  # largest quotient of two neighbouring x between which a boundary is drawn
FLOOR = 1e-16  # zeros on a logarithmic axis are drawn here
WIDTH = 92  # characters of a title
LINE = 0.05  # of the axes' height: a line of text


class DrawnFinding(Protocol):
    """What the figure reads of a finding."""

    @property
    def claim(self) -> Any: ...
    @property
    def observations(self) -> Iterable[Any]: ...
    @property
    def brief(self) -> str: ...


def claim(finding: DrawnFinding, *, ax: Axes | None = None) -> Axes:
    """What was observed of a claim, over what was varied.

    Parameters
    ----------
    finding : Finding
        Of one claim, from `dlnflow.claims.run`.
    ax : matplotlib.axes.Axes, optional
        To draw on.

    Returns
    -------
    matplotlib.axes.Axes
        Each series has a colour, and a line through the points of its first route. Each route has
        a marker, open where the claim is false (``x``, ``+`` and dots have no open form). A thin
        vertical line marks where the condition of a series ends.

    Raises
    ------
    TypeError
        If ``finding`` lacks what is drawn.

    Examples
    --------
    >>> from dlnflow import plot
    >>> from dlnflow.studies import claims
    >>> axes = plot.claim(claims.run("1", quick=True)["1"])
    >>> axes.get_xlabel()
    'encoder depth L'
    """
    style.refuse_without(DrawnFinding, "finding", finding, "dlnflow.claims.Finding")
    axes = style.single_axes(ax, figsize=(9.6, 5.4))
    about = finding.claim
    shown = [one for one in finding.observations if about.drawn(one)]
    names = list(dict.fromkeys(one.series for one in shown))
    for index, name in enumerate(names):
        seen = [one for one in shown if one.series == name]
        look = {
            "color": _colour(name, names),
            "linestyle": style.LINE_STYLES[index % len(style.LINE_STYLES)],
        }
        _series(axes, seen, name, about.number.log, look)
        for x in _boundaries(seen, about.x.log):
            axes.axvline(x, color=look["color"], linewidth=0.6, alpha=0.6, label="_boundary")
    if about.level is not None:
        axes.axhline(about.level, color=style.neutral(), linewidth=0.8, zorder=0, label="_level")
    zeros = about.number.log and any(one.number <= 0.0 for one in shown)
    axes.set(
        xlabel=about.x.label,
        ylabel=about.number.label + (f"\n(0 is drawn at {FLOOR:g})" if zeros else ""),
        xscale="log" if about.x.log else "linear",
        yscale="log" if about.number.log else "linear",
    )
    if all(one.x == int(one.x) for one in shown) and not about.x.log:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    heading = f"{about.name}. {about.title}: {finding.brief}"
    axes.set_title(fill(heading, WIDTH), fontsize="medium", loc="left")
    _name_series(axes)
    _legend(axes, shown)
    return axes


def _series(axes: Axes, seen: list[Any], name: str, log: bool, look: dict[str, Any]) -> None:
    for order, route in enumerate(dict.fromkeys(one.route for one in seen)):
        mine = sorted((one for one in seen if one.route == route), key=lambda one: one.x)
        x, y, true = map(
            np.array, zip(*((one.x, one.number, one.holds) for one in mine), strict=True)
        )
        y = np.maximum(y, FLOOR) if log else y
        if order == 0:
            axes.plot(x, y, **look, linewidth=1.5, label=name)
        marker: dict[str, Any] = {"marker": ROUTE_MARKERS[route], "markersize": 9 - order}
        marker |= {"color": look["color"], "linestyle": "none", "label": "_"}
        axes.plot(x[true], y[true], **marker)
        if marker["marker"] not in UNFILLED:
            marker["markerfacecolor"] = style.background()
        axes.plot(x[~true], y[~true], **marker)


def _boundaries(seen: list[Any], log: bool) -> list[float]:
    """Between neighbouring ``x`` of which one meets the condition and the other does not."""
    places = sorted({(one.x, one.inside) for one in seen})
    whole = all(x == int(x) for x, _ in places)
    return [
        float(np.sqrt(x * y)) if log else 0.5 * (x + y)
        for (x, met), (y, also) in pairwise(places)
        if met != also and (whole or y < CLOSE * x)
    ]


def _colour(name: str, names: list[str]) -> Any:
    """Shades of an objective's colour for its series, other colours or a scale for the rest."""
    for objective, base in style.COLOURS.items():
        mine = [other for other in names if other.lower().startswith(objective)]
        if name in mine:
            share = mine.index(name) / (len(mine) - 1) if len(mine) > 1 else 0.5
            weak, strong = style.ends_of(base, 0.45, 0.5)
            return tuple(weak + share * (strong - weak))
    rest = [other for other in names if not other.lower().startswith(tuple(style.COLOURS))]
    if len(rest) <= len(style.BETWEEN):
        return style.BETWEEN[rest.index(name)]
    ends = (0.25, 1.0) if style.is_dark() else (0.0, 0.92)
    return colormaps["viridis"](np.linspace(*ends, len(rest))[rest.index(name)])


def _name_series(axes: Axes) -> None:
    """Write the name of each series beside the axes, at the height where its line ends."""
    lines = style.named_lines(axes)
    points = [_last_point(line) for line in lines]
    to_axes = axes.transData + axes.transAxes.inverted()
    axes.get_ylim()  # computes the limits, which the transformation needs
    heights = [float(np.clip(to_axes.transform(point)[1], 0.0, 1.0)) for point in points]
    order = np.argsort(heights, kind="stable")
    for index, height in zip(order, _apart(np.sort(heights)), strict=True):
        tint = lines[index].get_color()
        axes.annotate(
            str(lines[index].get_label()),
            points[index],
            xytext=(1.04, height),
            textcoords=axes.transAxes,
            va="center",
            color=tint,
            fontsize="small",
            arrowprops={"arrowstyle": "-", "color": tint, "linewidth": 0.6, "relpos": (0.0, 0.5)},
            annotation_clip=False,
        )


def _last_point(line: Line2D) -> tuple[float, float]:
    x, y = (np.asarray(values, dtype=np.float64) for values in line.get_data())
    finite = np.flatnonzero(np.isfinite(y))
    last = int(finite[-1]) if finite.size else -1
    return float(x[last]), float(y[last])


def _apart(heights: Array) -> Array:
    """Rising heights, moved so that neighbours are a line of text apart, between 0 and 1."""
    gap = min(LINE, 1.0 / heights.size)
    steps = gap * np.arange(heights.size)
    shifted = heights - steps
    up, down = np.maximum.accumulate(shifted), np.minimum.accumulate(shifted[::-1])[::-1]
    return np.clip(0.5 * (up + down), 0.0, 1.0 - steps[-1]) + steps


def _legend(axes: Axes, shown: list[Any]) -> None:
    """Routes, and what an open marker means, below the axes."""
    taken = {one.route for one in shown}
    handles = [
        style.legend_entry(route, marker=mark, linestyle="none")
        for route, mark in ROUTE_MARKERS.items()
        if route in taken
    ]
    if not all(one.holds for one in shown):
        look = {
            "marker": "h",
            "markersize": 10,
            "markerfacecolor": style.background(),
            "linestyle": "none",
        }
        handles.append(style.legend_entry("open marker: claim false", **look))
    if any(line.get_label() == "_boundary" for line in axes.get_lines()):
        handles.append(style.legend_entry("condition ends", linewidth=0.6))
    style.legend_below(axes, handles, columns=4)

"""One claim of the paper: what every route observed, and where the claim is true."""

from __future__ import annotations

from itertools import pairwise
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from dlnflow.plot._style import BETWEEN, COLOURS, LINE_STYLES, NEUTRAL, refuse_without, single_axes

if TYPE_CHECKING:
    from dlnflow.studies.claims import Finding, Observation

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
DRAWN = ("claim", "observations", "brief")
CLOSE = 1.3  # quotient of two settings between which a boundary is drawn
FLOOR = 1e-16  # zeros on a logarithmic axis are drawn here
WIDTH = 92  # characters of a title


def claim(finding: Finding, *, ax: Axes | None = None) -> Axes:
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
        Each series has a colour and a line through its first route; the routes have markers,
        filled where the claim is true. A thin line marks where a series' condition ends.

    Raises
    ------
    TypeError
        For what is not a finding.

    Examples
    --------
    >>> from dlnflow import claims, plot
    >>> axes = plot.claim(claims.run("1", quick=True)["1"])
    >>> axes.get_xlabel()
    'encoder depth L'
    """
    refuse_without(DRAWN, "finding", finding, "dlnflow.claims.Finding")
    axes = single_axes(ax, figsize=(9.6, 5.4))
    shown = [one for one in finding.observations if finding.claim.drawn(one)]
    names = list(dict.fromkeys(one.series for one in shown))
    for index, name in enumerate(names):
        seen = [one for one in shown if one.series == name]
        look = {"color": _colour(name, names), "linestyle": _line(index)}
        _series(axes, seen, name, finding.claim.number.log, look)
        for x in _boundaries(seen, finding.claim.x.log):
            axes.axvline(x, color=look["color"], linewidth=0.6, alpha=0.6, label="_boundary")
    zeros = finding.claim.number.log and any(one.number <= 0.0 for one in shown)
    note = f"\n(0 is drawn at {FLOOR:g})" if zeros else ""
    axes.set(xlabel=finding.claim.x.label, ylabel=finding.claim.number.label + note)
    if finding.claim.level is not None:
        axes.axhline(finding.claim.level, color=NEUTRAL, linewidth=0.8, zorder=0, label="_level")
    axes.set_xscale("log" if finding.claim.x.log else "linear")
    axes.set_yscale("log" if finding.claim.number.log else "linear")
    if all(one.x == int(one.x) for one in shown) and not finding.claim.x.log:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    heading = f"{finding.claim.name}. {finding.claim.title}: {finding.brief}"
    axes.set_title(fill(heading, WIDTH), fontsize="medium", loc="left")
    _legend(axes, shown)
    return axes


def _series(
    axes: Axes, seen: list[Observation], name: str, log: bool, look: dict[str, Any]
) -> None:
    for order, route in enumerate(dict.fromkeys(one.route for one in seen)):
        mine = sorted((one for one in seen if one.route == route), key=lambda one: one.x)
        x = np.array([one.x for one in mine])
        y = np.array([one.number for one in mine])
        y = np.maximum(y, FLOOR) if log else y
        if order == 0:
            axes.plot(x, y, **look, linewidth=1.5, label=name)
        marker = ROUTE_MARKERS[route]
        true = np.array([one.holds for one in mine])
        for chosen, filled in ((true, True), (~true, False)):
            face = look["color"] if filled or marker in UNFILLED else "white"
            axes.plot(
                x[chosen],
                y[chosen],
                linestyle="none",
                marker=marker,
                markersize=9 - order,
                markerfacecolor=face,
                markeredgecolor=look["color"],
                label="_",
            )


def _boundaries(seen: list[Observation], log: bool) -> list[float]:
    """Amid close settings of which one meets the condition and the other does not."""
    settings = sorted({(one.x, one.inside) for one in seen})
    whole = all(x == int(x) for x, _ in settings)
    return [
        float(np.sqrt(x * y)) if log else 0.5 * (x + y)
        for (x, met), (y, also) in pairwise(settings)
        if met != also and (whole or y < CLOSE * x)
    ]


def _colour(name: str, names: list[str]) -> Any:
    """Shades of an objective's colour for its series, other colours or a scale for the rest."""
    for objective, base in COLOURS.items():
        mine = [other for other in names if other.lower().startswith(objective)]
        if name in mine:
            share = mine.index(name) / (len(mine) - 1) if len(mine) > 1 else 0.5
            own = np.array(to_rgb(base))
            light, dark = own + 0.45 * (1.0 - own), 0.5 * own
            return tuple(light + share * (dark - light))
    rest = [other for other in names if not other.lower().startswith(tuple(COLOURS))]
    if len(rest) <= len(BETWEEN):
        return BETWEEN[rest.index(name)]
    return colormaps["viridis"](0.92 * rest.index(name) / (len(rest) - 1))


def _line(index: int) -> Any:
    return LINE_STYLES[index % len(LINE_STYLES)]


def _legend(axes: Axes, shown: list[Observation]) -> None:
    """Series, routes, and what a filled marker means, beside the axes."""
    lines = [line for line in axes.get_lines() if not str(line.get_label()).startswith("_")]
    for line in lines:
        line.set_label(fill(str(line.get_label()), 34))
    routes = [
        Line2D([], [], color=NEUTRAL, marker=ROUTE_MARKERS[route], linestyle="none", label=route)
        for route in ROUTE_MARKERS
        if route in {one.route for one in shown}
    ]
    meaning = []
    if not all(one.holds for one in shown):
        look: dict[str, Any] = {
            "color": NEUTRAL,
            "marker": "h",
            "markersize": 10,
            "linestyle": "none",
        }
        meaning = [
            Line2D([], [], **look, label="filled: claim true"),
            Line2D([], [], **look, markerfacecolor="white", label="open: claim false"),
        ]
    if any(line.get_label() == "_boundary" for line in axes.get_lines()):
        meaning.append(Line2D([], [], color=NEUTRAL, linewidth=0.6, label="condition ends"))
    axes.legend(
        handles=[*lines, *routes, *meaning],
        fontsize="small",
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        borderaxespad=0.0,
        handlelength=3.0,
    )

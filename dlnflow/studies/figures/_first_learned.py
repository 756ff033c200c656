"""Which of two modes is learned first, over the plane of their ratios."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.plot._style import (
    LINE_STYLES,
    background,
    colour,
    display,
    equals,
    ink,
    is_dark,
    legend_below,
    number,
    single_axes,
)
from dlnflow.theory import Objective, critical_time
from dlnflow.theory._objective import Objectives, as_objectives

Array = NDArray[np.float64]

DIMMED = 0.3  # brightness of a region on a dark background


def first_learned_map(
    L: int,
    *,
    lam: float = 1.0,
    rho: float = 1.0,
    eps: float = 1e-3,
    rho_ratio: tuple[float, float] = (0.2, 5.0),
    lam_ratio: tuple[float, float] = (0.2, 5.0),
    objective: Objectives = ("jepa", "mae"),
    p: float = 0.5,
    decoder_depth: int = 1,
    points: int = 400,
    ax: Axes | None = None,
) -> Axes:
    """Which of two modes is learned first, over the ratios of their ``rho`` and ``lam``.

    Parameters
    ----------
    L : int
        Encoder depth.
    lam, rho : float
        Mode 1, positive. The map does not depend on ``lam``.
    eps : float
        ``wbar(0)`` of both modes.
    rho_ratio, lam_ratio : pair of float
        Range of mode 2's ``rho`` and ``lam`` over those of mode 1.
    objective : str, Objective or several
        Each gets a boundary; above it, mode 2 is learned first.
    p, decoder_depth
        As for `dlnflow.critical_time`.
    points : int
        Number of points on each boundary.
    ax : Axes, optional
        By default those of a new figure.

    Returns
    -------
    Axes
        A line for each objective, and hatching where they disagree; the title says how much of the
        map (on its logarithmic axes) that is. A mode 2 that starts above the fraction ``p`` of its
        plateau counts as first; a bar at the foot of the map shows where.

    Raises
    ------
    ValueError, TypeError
        As for `dlnflow.critical_time`; if a range is not two rising positive numbers, or mode 1
        starts above the fraction ``p`` of its plateau.

    Notes
    -----
    Critical times (`dlnflow.critical_time`) are inversely proportional to ``lam``. The boundary is
    therefore exact at every point: the ratio of ``lam`` equals that of the critical times at equal
    ``lam``. ``docs/theory.md``, section 6.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import matplotlib.pyplot as plt
    >>> import dlnflow
    >>> ax = dlnflow.plot.first_learned_map(3)
    >>> [line.get_label() for line in ax.get_lines()][:2]
    ['JEPA: both at once', 'MAE: both at once']
    >>> plt.close("all")
    """
    objectives = as_objectives(objective)
    _validate.positive("lam", lam)
    _validate.positive("rho", rho)
    x_range, y_range = _range("rho_ratio", rho_ratio), _range("lam_ratio", lam_ratio)
    count = int(_validate.single("points", _validate.depth("points", points)))
    x = np.geomspace(*x_range, count)
    shared: dict[str, Any] = {"L": L, "eps": eps, "p": p, "decoder_depth": decoder_depth}
    boundaries = {one: _boundary(x, lam, rho, objective=one, **shared) for one in objectives}
    axes = single_axes(ax, figsize=(6.4, 5.8))
    axes.set_xscale("log")
    axes.set_yscale("log")
    clipped = [np.clip(boundary, *y_range) for boundary in boundaries.values()]
    regions = _fill(axes, x, clipped, objectives, y_range)
    for i, (one, boundary) in enumerate(boundaries.items()):
        _draw_boundary(axes, x, boundary, one, LINE_STYLES[i % len(LINE_STYLES)], y_range[0])
    if x_range[0] <= 1.0 <= x_range[1] and y_range[0] <= 1.0 <= y_range[1]:
        axes.plot(1.0, 1.0, "*", color=ink(), markersize=11, linestyle="none", label="mode 1")
    axes.set(xlim=x_range, ylim=y_range)
    _ticks(axes)
    axes.set_xlabel(r"$\rho$ of mode 2 over $\rho$ of mode 1")
    axes.set_ylabel(r"$\lambda$ of mode 2 over $\lambda$ of mode 1")
    axes.set_title(
        f"{_finding(x, clipped, objectives, y_range)}\n{_in_common(rho=rho, **shared)}",
        fontsize="medium",
    )
    visible = [line for line in axes.get_lines() if _within(np.asarray(line.get_ydata()), y_range)]
    legend_below(axes, [*visible, *regions], columns=2)
    return axes


def _range(name: str, pair: tuple[float, float]) -> tuple[float, float]:
    ends = _validate.positive(name, pair)
    if ends.shape != (2,) or ends[0] >= ends[1]:
        raise ValueError(f"{name} must be two rising positive numbers: got {pair!r}")
    return float(ends[0]), float(ends[1])


def _boundary(ratio: Array, lam: ArrayLike, rho: float, **shared: Any) -> Array:
    """The ratio of ``lam`` at which both modes have the same critical time."""
    first = critical_time(lam, rho, **shared)
    if np.ndim(first):
        raise ValueError(
            f"lam, rho, L, eps, p and decoder_depth must be single numbers: got shape {first.shape}"
        )
    if not 0.0 < first < np.inf:
        raise ValueError(
            "eps must lie below the fraction p of mode 1's plateau, and its critical time must fit "
            f"a float: got eps = {shared['eps']!r} with a critical time of {float(first)}"
        )
    return np.asarray(critical_time(lam, rho * ratio, **shared) / first)


def _draw_boundary(
    axes: Axes, x: Array, boundary: Array, objective: Objective, style: Any, foot: float
) -> None:
    inside = np.where((boundary > 0.0) & np.isfinite(boundary), boundary, np.nan)
    look: dict[str, Any] = {"color": colour(objective)}
    axes.plot(
        x, inside, **look, linestyle=style, lw=2.4, label=f"{display(objective)}: both at once"
    )
    at_start = np.where(boundary == 0.0, foot, np.nan)
    if np.isfinite(at_start).any():
        label = f"{display(objective)}: mode 2 starts as learned"
        axes.plot(x, at_start, **look, linestyle="-", lw=7.0, label=label, solid_capstyle="butt")


def _within(y: Array, y_range: tuple[float, float]) -> bool:
    return bool(np.any((y >= y_range[0]) & (y <= y_range[1])))


def _fill(
    axes: Axes,
    x: Array,
    boundaries: list[Array],
    objectives: tuple[Objective, ...],
    y_range: tuple[float, float],
) -> list[Patch]:
    """Fill the regions, by which mode comes first; returns their entries for the legend."""
    handles: list[Patch] = []
    low, high = np.min(boundaries, axis=0), np.max(boundaries, axis=0)
    who = "both: " if len(objectives) == 2 else "all: " if len(objectives) > 2 else ""
    regions = [
        (high, np.full_like(x, y_range[1]), f"{who}mode 2 first", "0.86", ""),
        (np.full_like(x, y_range[0]), low, f"{who}mode 1 first", background(), ""),
    ]
    if len(objectives) == 2:
        one, other = map(display, objectives)
        by_one, by_other = boundaries
        regions += [
            (by_other, high, f"{one}: mode 1 first, {other}: mode 2", "#E7C1D5", "//"),
            (by_one, high, f"{one}: mode 2 first, {other}: mode 1", "#F7F0A8", ".."),
        ]
    else:
        regions.append((low, high, "the objectives disagree", "#E7C1D5", "//"))
    for bottom, top, label, tint, hatch in regions:
        if np.any(top > bottom):
            look: dict[str, Any] = {"facecolor": _fill_colour(tint), "hatch": hatch}
            look["edgecolor"] = "0.45"
            axes.fill_between(x, bottom, top, **look, lw=0.0, label=f"_{label}")
            handles.append(Patch(**look, lw=0.6, label=label))
    return handles


def _fill_colour(tint: str) -> Any:
    """The colour of a region, which on a dark background is a dark one."""
    if tint == background() or not is_dark():
        return tint
    return tuple(DIMMED * np.array(to_rgb(tint)))


def _finding(
    x: Array,
    boundaries: list[Array],
    objectives: tuple[Objective, ...],
    y_range: tuple[float, float],
) -> str:
    """The share of the map in which the objectives disagree, or one objective's share of mode 2."""
    low, high = np.min(boundaries, axis=0), np.max(boundaries, axis=0)
    if len(objectives) == 1:
        low, high = high, np.full_like(x, y_range[1])
    width = np.trapezoid(np.log(high / low), np.log(x)) / np.log(x[-1] / x[0])
    share = number(100.0 * float(width / np.log(y_range[1] / y_range[0])), 2)
    if len(objectives) == 1:
        return f"{display(objectives[0])} learns mode 2 first on {share} % of this map"
    names = " and ".join(map(display, objectives)) if len(objectives) == 2 else "The objectives"
    return f"{names} disagree on {share} % of this map"


def _in_common(rho: float, L: int, eps: float, p: float, decoder_depth: int) -> str:
    parts = [equals("L", L), equals("eps", eps), f"mode 1: {equals('rho', rho)}", f"$p = {p:g}$"]
    return ", ".join(
        parts if decoder_depth == 1 else [*parts, equals("decoder_depth", decoder_depth)]
    )


def _ticks(axes: Axes) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())

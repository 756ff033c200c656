"""Trajectories, of one objective or of several together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from dlnflow._common import _validate
from dlnflow.plot import _style as style

Array = NDArray[np.float64]

QUANTITIES = {"w": r"encoder amplitude $\bar w$", "learned": "learned fraction $q$"}
TIMES = ("linear", "log", "log-log")
TOGETHER = 0.02  # relative spread of critical times below which a title states no order
HALF = 0.5  # of the plateau, at which a mode counts as learned
DEEPEST = 1e-3  # a log axis shows decay down to this part of the smallest initial value


class DrawnTrajectories(Protocol):
    """What the figure reads of a `dlnflow.Trajectories`."""

    @property
    def t(self) -> Array: ...
    @property
    def w(self) -> Array: ...
    @property
    def learned(self) -> Array: ...
    @property
    def plateau(self) -> Array: ...
    @property
    def lam(self) -> Array: ...
    @property
    def rho(self) -> Array: ...
    @property
    def L(self) -> Any: ...
    @property
    def eps(self) -> Array: ...
    @property
    def decoder_depth(self) -> Any: ...
    @property
    def objective(self) -> Any: ...
    @property
    def time_label(self) -> str: ...
    def critical_time(self, p: float = HALF) -> Any: ...


class DrawnSimulation(Protocol):
    """What the figure reads of a `dlnflow.Simulation`."""

    @property
    def parts(self) -> Sequence[DrawnTrajectories]: ...


def trajectories(
    part: DrawnTrajectories | DrawnSimulation,
    *,
    quantity: str = "w",
    time: str = "linear",
    ax: Axes | None = None,
) -> Axes:
    r"""All modes of one objective, or of several, against time.

    Parameters
    ----------
    part : Trajectories or Simulation
        As ``sim["jepa"]`` or ``sim``. All objectives of a simulation share the axes; `simulation`
        gives each its own.
    quantity : {"w", "learned"}
        Encoder amplitude or learned fraction.
    time : {"linear", "log", "log-log"}
        Scale of the time axis, or of both axes. A logarithmic one leaves ``t = 0`` out.
    ax : Axes, optional
        By default those of a new figure.

    Returns
    -------
    Axes
        One line for each mode that has a value to show; circles where it passes half its plateau.
        A legend names up to five modes; a colour bar shows more.

    Raises
    ------
    ValueError
        If ``quantity`` or ``time`` is unknown, ``ax`` is no Axes, or a log axis has no time above 0
        to show.
    TypeError
        If ``part`` lacks what is drawn.

    Notes
    -----
    Draws ``part.w`` and ``part.learned``; see `dlnflow.amplitude` and `dlnflow.learned_fraction`.
    Pure noise has no learned fraction, and a log axis shows no negative one: the title counts the
    modes left out. It states an order that the exact critical times have.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import matplotlib.pyplot as plt
    >>> import dlnflow
    >>> sim = dlnflow.simulate(1.0, [1.0, 0.5], 2, objective="jepa")
    >>> ax = dlnflow.plot.trajectories(sim, time="log")
    >>> print(ax.get_title().splitlines()[1])
    largest $\rho$ first
    >>> plt.close("all")
    """
    check_words(quantity, time)
    parts = _parts(part)
    for one in parts if time != "linear" else ():
        if not np.any(one.t > 0.0):
            raise ValueError(f"t must hold a time above 0 for time={time!r}: got {one.t.tolist()}")
    axes = style.single_axes(ax)
    modes = style.ModeColumns.of(**{name: getattr(parts[0], name) for name in style.SYMBOLS})
    modes = replace(modes, features=getattr(parts[0], "labels", None))
    left_out = 0
    marks: list[Line2D] = []
    for one in parts:
        left_out = max(left_out, _draw_lines(axes, one, modes, quantity, time))
        marks = (_mark_critical_times(axes, one, quantity) if modes.named else []) or marks
    axes.set(xlabel=f"$t$ ({parts[0].time_label})", ylabel=QUANTITIES[quantity])
    note = f" ({left_out} without a value to show)" if left_out else ""
    names = " and ".join(style.display(one.objective) for one in parts)
    finding = _finding(parts[0]) if len(parts) == 1 else _comparison(parts)
    heading = [modes.common()] if len(parts) > 1 and finding else [names, modes.common()]
    axes.set_title(f"{', '.join(filter(None, heading))}\n{finding}{note}", fontsize="medium")
    _explain(axes, parts, modes, marks)
    return axes


def check_words(quantity: str, time: str) -> None:
    """Validates the two choices of every figure of trajectories."""
    _validate.choice("quantity", quantity, tuple(QUANTITIES))
    _validate.choice("time", time, TIMES)


def _parts(given: Any) -> Sequence[Any]:
    """The trajectories of one objective, or of all that a simulation has."""
    if style.has_fields(DrawnSimulation, given):
        return tuple(given.parts)
    style.refuse_without(DrawnTrajectories, "part", given, "dlnflow Simulation or Trajectories")
    return (given,)


def _explain(
    axes: Axes, parts: Sequence[DrawnTrajectories], modes: style.ModeColumns, marks: list[Line2D]
) -> None:
    lines = style.named_lines(axes)
    if len(parts) == 1:
        style.explain_modes(axes, modes, style.colour(parts[0].objective), lines, marks)
        return
    drawn = {line.get_label() for line in lines}
    styles = [
        style.legend_entry(text, linestyle=modes.line_style(i))
        for i, text in enumerate(modes.labels())
        if text in drawn
    ]
    tints = [
        style.legend_entry(style.display(one.objective), color=style.colour(one.objective))
        for one in parts
    ]
    style.explain_modes(axes, modes, style.neutral(), styles, [*tints, *marks])


def _draw_lines(
    axes: Axes, part: DrawnTrajectories, modes: style.ModeColumns, quantity: str, time: str
) -> int:
    """Draw the modes; returns the number of those without a point to draw."""
    shown = (part.t > 0.0) | (time == "linear")
    values = np.reshape(part.w if quantity == "w" else part.learned, (modes.count, -1))[:, shown]
    visible = np.isfinite(values) & ((values > 0.0) | (time != "log-log"))
    values = np.where(visible, values, np.nan)
    if time != "linear":
        axes.set_xscale("log")
    else:
        axes.ticklabel_format(axis="x", scilimits=(-3, 4), useMathText=True)
    if time == "log-log":
        axes.set_yscale("log")
    colours, _, _ = modes.scale(style.colour(part.objective))
    for i, text in enumerate(modes.labels()):
        if visible[i].any():
            axes.plot(
                part.t[shown],
                values[i],
                color=colours[i],
                linestyle=modes.line_style(i),
                linewidth=1.8 if modes.named else 1.0,
                label=text,
            )
    if time == "log-log" and visible.any():
        initial = np.nanmin(values[:, 0], initial=np.inf)
        if np.nanmin(values) < DEEPEST * initial:
            axes.set_ylim(bottom=DEEPEST * initial)
    return int(np.sum(~visible.any(axis=1)))


def _mark_critical_times(axes: Axes, part: DrawnTrajectories, quantity: str) -> list[Line2D]:
    """A circle where each mode passes half its plateau; returns its entry for the legend."""
    times = np.ravel(part.critical_time())
    inside = (times > part.t[0]) & (times <= part.t[-1])
    if not inside.any():
        return []
    gaps = part.objective.gap(part.L, part.decoder_depth)
    heights = np.ravel(HALF * part.plateau if quantity == "w" else HALF ** (gaps / part.L))
    look: dict[str, Any] = {"marker": "o", "linestyle": "none", "markersize": 5.5}
    look |= {"markerfacecolor": style.background(), "markeredgecolor": style.neutral()}
    axes.plot(times[inside], heights[inside], **look, label="_critical times", zorder=3)
    return [style.legend_entry(r"half of its plateau in $\bar w$", **look)]


def _finding(part: DrawnTrajectories) -> str:
    """What the critical times say, in words that hold for these modes."""
    times = np.ravel(part.critical_time())
    learned = np.isfinite(times)
    never = int(np.sum(~learned))
    if never == times.size:
        return "never learned" if never == 1 else "no mode is learned"
    words = _order(times[learned], np.ravel(part.lam)[learned], np.ravel(part.rho)[learned])
    return words + (f"; {never} of {times.size} modes never learned" if never else "")


def _order(times: Array, lam: Array, rho: Array) -> str:
    first, last = float(times.min()), float(times.max())
    if last == 0.0:
        return "initialised above half of the plateau"
    if times.size == 1:
        return f"half of its plateau at $t$ = {style.number(first)}"
    if last == first:
        return "learned at the same time"
    if last <= (1.0 + TOGETHER) * first:
        return f"learned together, within {style.number(100.0 * (last / first - 1.0), 2)} %"
    words = [
        f"{extreme} {symbol}"
        for extreme, sign in (("largest", -1.0), ("smallest", 1.0))
        for symbol, values in ((r"$\lambda$", lam), (r"$\rho$", rho))
        if _sorted_by(sign * values, times)
    ]
    if words:
        return f"{', '.join(words)} first"
    return f"learned from $t$ = {style.number(first)} to {style.number(last)}"


def _sorted_by(values: Array, times: Array) -> bool:
    """Whether a smaller value always means an earlier time."""
    if np.ptp(values) == 0.0:
        return False
    order = np.lexsort((times, values))
    rises = np.diff(values[order]) > 0.0
    steps = np.diff(times[order])
    return bool(np.all(steps[rises] > 0.0) and np.all(steps >= 0.0))


def simulation(
    sim: DrawnSimulation, *, quantity: str = "w", time: str = "linear", ax: Any = None
) -> NDArray[Any]:
    """All objectives of a simulation side by side; what ``sim.plot()`` calls.

    Parameters
    ----------
    sim : Simulation
        As `dlnflow.simulate` returns it.
    quantity, time
        As for `trajectories`.
    ax : array of Axes, shape (objectives,), optional
        By default those of a new figure, headed by how the objectives' learning orders compare.

    Returns
    -------
    array of Axes, shape (objectives,)
        In the order of the simulation.

    Raises
    ------
    ValueError, TypeError
        As for `trajectories`, and if ``ax`` has another shape.

    Notes
    -----
    Each objective has its own time axis: critical times differ between objectives by orders of
    magnitude.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import matplotlib.pyplot as plt
    >>> import dlnflow
    >>> sim = dlnflow.simulate(lam=[1.0, 1.3], rho=[0.9, 0.4], L=4)
    >>> panels = dlnflow.plot.simulation(sim)
    >>> panels.shape, panels[0].figure.get_suptitle()
    ((2,), 'JEPA and MAE learn the modes in opposite order')
    >>> plt.close("all")
    """
    check_words(quantity, time)
    style.refuse_without(DrawnSimulation, "sim", sim, "dlnflow Simulation")
    parts = sim.parts
    width = (5.4 if len(parts) < 3 else 4.4) * len(parts)
    panels = style.many_axes(ax, (len(parts),), figsize=(width, 4.6))
    for part, panel in zip(parts, panels, strict=True):
        trajectories(part, quantity=quantity, time=time, ax=panel)
    if ax is None and (heading := _comparison(parts)):
        panels[0].figure.suptitle(heading)
    return panels


def _comparison(parts: Sequence[DrawnTrajectories]) -> str:
    """How the learning orders compare; empty where there is nothing to compare."""
    times = [np.ravel(part.critical_time()) for part in parts]
    learned = np.all(np.isfinite(times), axis=0)
    if len(parts) < 2 or learned.sum() < 2:
        return ""
    times = [one[learned] for one in times]
    names = " and ".join(style.display(part.objective) for part in parts)
    if any(one.max() <= (1.0 + TOGETHER) * one.min() for one in times):
        spreads = (
            f"{style.display(part.objective)} {style.factor(float(one.max() / one.min()))}"
            for part, one in zip(parts, times, strict=True)
            if one.min() > 0.0
        )
        return "Slowest mode's critical time over the fastest's: " + ", ".join(spreads)
    orders = [np.argsort(one, kind="stable") for one in times]
    if all(np.array_equal(orders[0], order) for order in orders):
        return f"{names} learn the modes in the same order"
    if len(parts) == 2 and np.array_equal(orders[0], orders[1][::-1]):
        return f"{names} learn the modes in opposite order"
    return f"{names} learn the modes in different orders"

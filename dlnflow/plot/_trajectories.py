"""Trajectories: of one objective, of a simulation, and the six panels of the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.data._covariance import described
from dlnflow.plot._style import (
    NEUTRAL,
    ModeColumns,
    display,
    explain_modes,
    factor,
    many_axes,
    number,
    refuse_without,
    single_axes,
)
from dlnflow.theory._clock import Clock, label
from dlnflow.theory._modes import amplitude, learned_fraction
from dlnflow.theory._simulate import simulate

if TYPE_CHECKING:
    from dlnflow.theory._simulate import Simulation, Trajectories

Array = NDArray[np.float64]

QUANTITIES = {"w": r"encoder amplitude $\bar w$", "learned": "learned fraction $q$"}
TIMES = ("linear", "log", "log-log")
TOGETHER = 0.02  # relative spread of critical times below which no order is claimed in a title
MODE = ("lam", "rho", "L", "eps", "decoder_depth")
DRAWN = (*MODE, "t", "w", "learned", "objective", "clock", "critical_time")
DEEPEST = 1e-3  # a log axis shows decay down to this part of the smallest start


def trajectories(
    part: Trajectories, *, quantity: str = "w", time: str = "linear", ax: Axes | None = None
) -> Axes:
    r"""All modes of one objective against time.

    Parameters
    ----------
    part : Trajectories
        As ``sim["jepa"]``.
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
        Up to eight modes are named in a legend, more are told apart by a colour scale.

    Raises
    ------
    ValueError, TypeError
        For an unknown quantity or time, a ``part`` without what is drawn, an ``ax`` that is none,
        or no time above 0 for a log axis.

    Notes
    -----
    Draws ``part.w`` and ``part.learned``; see `dlnflow.amplitude` and `dlnflow.learned_fraction`.
    Pure noise has no learned fraction, and a log axis no negative one: the title counts the modes
    left out. The order that it states is read off the exact critical times.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import matplotlib.pyplot as plt
    >>> import dlnflow
    >>> sim = dlnflow.simulate(1.0, [1.0, 0.5], 2, objective="jepa")
    >>> ax = dlnflow.plot.trajectories(sim["jepa"], time="log")
    >>> print(ax.get_title().splitlines()[1])
    largest $\rho$ first
    >>> plt.close("all")
    """
    _validate.choice("quantity", quantity, tuple(QUANTITIES))
    _validate.choice("time", time, TIMES)
    refuse_without(DRAWN, "part", part, "dlnflow Trajectories")
    if time != "linear" and not np.any(part.t > 0.0):
        raise ValueError(f"t must hold a time above 0 for time={time!r}: got {part.t.tolist()}")
    axes = single_axes(ax)
    modes = _columns(part)
    left_out = _draw_lines(axes, part, modes, quantity, time)
    marks = _mark_critical_times(axes, part, modes, quantity) if modes.named else []
    axes.set_xlabel(f"$t$ ({label(part.clock)})")
    axes.set_ylabel(QUANTITIES[quantity])
    heading = ", ".join(filter(None, (display(part.objective), modes.setting())))
    note = f" ({left_out} without a value to show)" if left_out else ""
    axes.set_title(f"{heading}\n{_finding(part)}{note}", fontsize="medium")
    explain_modes(axes, modes, part.objective, marks)
    return axes


def _columns(part: Trajectories) -> ModeColumns:
    return ModeColumns.of(**{name: getattr(part, name) for name in MODE})


def _draw_lines(
    axes: Axes, part: Trajectories, modes: ModeColumns, quantity: str, time: str
) -> int:
    """The lines; returns the number of modes without a point to draw."""
    shown = part.t > 0.0 if time != "linear" else np.ones(part.t.shape, dtype=bool)
    values = np.reshape(part.w if quantity == "w" else part.learned, (modes.count, -1))[:, shown]
    visible = np.isfinite(values) & ((values > 0.0) | (time != "log-log"))
    values = np.where(visible, values, np.nan)
    if time != "linear":
        axes.set_xscale("log")
    else:
        axes.ticklabel_format(axis="x", scilimits=(-3, 4), useMathText=True)
    if time == "log-log":
        axes.set_yscale("log")
    colours, _, _ = modes.scale(part.objective)
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
        start = np.nanmin(np.where(visible, values, np.nan)[:, 0], initial=np.inf)
        if np.nanmin(values) < DEEPEST * start:
            axes.set_ylim(bottom=DEEPEST * start)
    return int(np.sum(~visible.any(axis=1)))


def _mark_critical_times(
    axes: Axes, part: Trajectories, modes: ModeColumns, quantity: str
) -> list[Line2D]:
    """A circle where each mode passes half its plateau; returns its entry for the legend."""
    times = np.ravel(part.critical_time())
    inside = (times > part.t[0]) & (times <= part.t[-1])
    if not inside.any():
        return []
    curve = amplitude if quantity == "w" else learned_fraction
    columns: dict[str, Any] = vars(modes.among(inside))
    heights = curve(times[inside], **columns, objective=part.objective, clock=part.clock)
    look: dict[str, Any] = {"marker": "o", "linestyle": "none", "markersize": 5.5}
    look |= {"markerfacecolor": "white", "markeredgecolor": NEUTRAL}
    axes.plot(times[inside], heights, **look, label="_critical times", zorder=3)
    return [Line2D([], [], **look, label=r"half of its plateau in $\bar w$")]


def _finding(part: Trajectories) -> str:
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
        return "learned from the start"
    if times.size == 1:
        return f"half of its plateau at $t$ = {number(first)}"
    if last == first:
        return "learned at the same time"
    if last <= (1.0 + TOGETHER) * first:
        return f"learned together, within {number(100.0 * (last / first - 1.0), 2)} %"
    words = [
        f"{extreme} {symbol}"
        for extreme, sign in (("largest", -1.0), ("smallest", 1.0))
        for symbol, values in ((r"$\lambda$", lam), (r"$\rho$", rho))
        if _sorted_by(sign * values, times)
    ]
    if words:
        return f"{', '.join(words)} first"
    return f"learned from $t$ = {number(first)} to {number(last)}"


def _sorted_by(values: Array, times: Array) -> bool:
    """Whether a smaller value always means an earlier time."""
    if np.ptp(values) == 0.0:
        return False
    order = np.lexsort((times, values))
    rises = np.diff(values[order]) > 0.0
    steps = np.diff(times[order])
    return bool(np.all(steps[rises] > 0.0) and np.all(steps >= 0.0))


def simulation(
    sim: Simulation, *, quantity: str = "w", time: str = "linear", ax: Any = None
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
        As for `trajectories`, and for an ``ax`` of another shape.

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
    _validate.choice("quantity", quantity, tuple(QUANTITIES))
    _validate.choice("time", time, TIMES)
    refuse_without(("parts",), "sim", sim, "dlnflow Simulation")
    parts = sim.parts
    panels = many_axes(
        ax, (len(parts),), figsize=((5.4 if len(parts) < 3 else 4.4) * len(parts), 4.6)
    )
    for part, panel in zip(parts, panels, strict=True):
        trajectories(part, quantity=quantity, time=time, ax=panel)
    if ax is None and (heading := _comparison(parts)):
        panels[0].figure.suptitle(heading)
    return panels


def _comparison(parts: tuple[Trajectories, ...]) -> str:
    """How the learning orders compare; empty where there is nothing to compare."""
    times = [np.ravel(part.critical_time()) for part in parts]
    learned = np.all(np.isfinite(times), axis=0)
    if len(parts) < 2 or learned.sum() < 2:
        return ""
    times = [one[learned] for one in times]
    names = " and ".join(display(part.objective) for part in parts)
    if any(one.max() <= (1.0 + TOGETHER) * one.min() for one in times):
        spreads = (
            f"{display(part.objective)} {factor(float(one.max() / one.min()))}"
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


def paper_panels(
    L: int = 5,
    *,
    eps: float = 1e-2,
    lam: ArrayLike = (2.0, 1.4, 1.0),
    rho: ArrayLike = (1.0, 0.8, 0.6),
    crossed: tuple[ArrayLike, ArrayLike] = ((1.0, 1.1, 1.2), (1.0, 0.8, 0.6)),
    quantity: str = "w",
    time: str = "linear",
    decoder_depth: int = 1,
    clock: Clock = "paper",
    ax: Any = None,
) -> NDArray[Any]:
    r"""The six panels of the paper's simulation figure: JEPA above, MAE below.

    Parameters
    ----------
    L : int
        Encoder depth.
    eps : float
        ``wbar(0)``.
    lam : array, shape (modes,)
        Covariances of the left column, at ``rho = 1``.
    rho : array, shape (modes,)
        Regression coefficients of the middle column, at ``lam = 1``.
    crossed : pair of arrays, shape (modes,) each
        ``lam`` and ``rho`` of the right column. With the default, ``lam`` rises while ``rho``
        falls, and the objectives learn the modes in opposite order.
    quantity, time
        As for `trajectories`.
    decoder_depth, clock
        As for `dlnflow.amplitude`, single values.
    ax : array of Axes, shape (2, 3), optional
        By default those of a new figure.

    Returns
    -------
    array of Axes, shape (2, 3)

    Raises
    ------
    ValueError, TypeError
        As for `dlnflow.simulate` and `trajectories`, for a ``crossed`` that is not a pair, and for
        an ``ax`` of another shape.

    Notes
    -----
    After the paper's figure of simulated mode dynamics. With the default modes both objectives
    learn a larger ``lam`` first; of equal ``lam``, JEPA learns the larger ``rho`` first and MAE all
    together. Titles are computed: they state what happens for the modes given.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import matplotlib.pyplot as plt
    >>> import dlnflow
    >>> panels = dlnflow.plot.paper_panels()
    >>> for panel in panels[:, 2]:
    ...     print(panel.get_title().splitlines()[1])
    largest $\rho$, smallest $\lambda$ first
    largest $\lambda$, smallest $\rho$ first
    >>> plt.close("all")
    """
    _validate.choice("quantity", quantity, tuple(QUANTITIES))
    _validate.choice("time", time, TIMES)
    try:
        crossed_lam, crossed_rho = crossed
    except (TypeError, ValueError):
        raise ValueError(f"crossed must be a pair, lam and rho: got {described(crossed)}") from None
    columns: Any = ((lam, 1.0), (1.0, rho), (crossed_lam, crossed_rho))
    settings: dict[str, Any] = {"eps": eps, "decoder_depth": decoder_depth, "clock": clock}
    sims = [simulate(one_lam, one_rho, L, **settings) for one_lam, one_rho in columns]
    panels = many_axes(ax, (2, 3), figsize=(13.0, 9.0))
    for column, sim in enumerate(sims):
        simulation(sim, quantity=quantity, time=time, ax=panels[:, column])
    return panels

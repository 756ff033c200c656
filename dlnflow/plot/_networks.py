"""Whole networks beside their predictions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from dlnflow._common import _validate
from dlnflow.network._learning import GREEDY, breakdown
from dlnflow.plot._style import (
    LINE_STYLES,
    NEUTRAL,
    colour,
    display,
    legend_below,
    many_axes,
    marker,
    number,
    refuse_without,
    shades_of,
    single_axes,
)
from dlnflow.studies.validity._mapping import CEILING
from dlnflow.theory._clock import label
from dlnflow.theory._objective import JEPA, as_objective

if TYPE_CHECKING:
    from dlnflow.network import Comparison
    from dlnflow.studies.experiments._experiments import Experiment
    from dlnflow.studies.validity._mapping import ValidityMap

Array = NDArray[np.float64]

COMPARED = ("spectrum", "run", "predicted", "measured", "largest_deviation")
MEASURED = ("name", "table", "comparisons")
MAPPED = ("table", "variable", "assumption", "exponents")
MOST_DRAWN = 8  # modes drawn of a comparison, those of largest lam
MOST_LAYERS = 16  # whole numbers up to which an axis counts layers
MARKS = 14  # markers on a measured curve
SETTINGS = {"same": "both objectives learn in this order", "opposite": "the objectives disagree"}


def comparison(made: Comparison, *, ax: Axes | None = None, modes: int = MOST_DRAWN) -> Axes:
    """A network's amplitudes (markers) on the closed form's (lines).

    Parameters
    ----------
    made : Comparison
        From `dlnflow.network.compare`.
    ax : Axes, optional
        By default those of a new figure.
    modes : int
        How many to draw, those of largest ``lam``; positive.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError, TypeError
        For what is no comparison, and an ``ax`` that is none.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import matplotlib.pyplot as plt
    >>> import dlnflow
    >>> from dlnflow import network
    >>> xx, yx = [[1.0, 0.0], [0.0, 2.0]], [[0.9, 0.0], [0.0, 1.0]]
    >>> run = network.gradient_flow(network.balanced(xx, yx, L=2, eps=0.01), xx, yx)
    >>> print(dlnflow.plot.comparison(network.compare(run)).get_title().splitlines()[0])
    JEPA: network and closed form at most $10^{-10}$ of a plateau apart
    >>> plt.close("all")
    """
    refuse_without(COMPARED, "made", made, "dlnflow.network.Comparison")
    axes = single_axes(ax, figsize=(6.4, 4.8))
    count = int(_validate.single("modes", _validate.depth("modes", modes)))
    drawn = np.argsort(-made.spectrum.lam, kind="stable")[:count]
    shades = shades_of(made.run.objective)(np.linspace(0.0, 1.0, max(2, drawn.size)))
    t = made.run.t
    for place, mode in enumerate(drawn):
        style = LINE_STYLES[place % len(LINE_STYLES)]
        name = rf"$\lambda = {made.spectrum.lam[mode]:.3g}$, $\rho = {made.spectrum.rho[mode]:.3g}$"
        look: dict[str, Any] = {"color": shades[place]}
        axes.plot(t, made.predicted[mode], linestyle=style, label=name, **look)
        seen = _spread(t, made.measured[mode], place / drawn.size)
        axes.plot(
            t[seen],
            made.measured[mode][seen],
            linestyle="",
            marker=marker(made.run.objective),
            markersize=4.5,
            markerfacecolor="white",
            label=f"_network {mode}",
            **look,
        )
    axes.set_xlabel(label(made.run.clock))
    axes.set_ylabel(r"encoder amplitude $\bar w$")
    L, P = made.run.start.L, made.run.start.decoder_depth
    depth = f"encoder depth $L = {L}$, decoder depth $P = {P}$"
    left = made.spectrum.lam.size - drawn.size
    also = f", {left} smaller modes not drawn" if left else ""
    apart = number(max(made.largest_deviation, 1e-10), 2)
    axes.set_title(
        f"{display(made.run.objective)}: network and closed form at most {apart} of a plateau "
        f"apart\n{depth}{also}",
        fontsize="medium",
    )
    lines = [line for line in axes.get_lines() if not str(line.get_label()).startswith("_")]
    legend_below(axes, [*lines, *_routes(made.run.objective)], columns=2)
    return axes


def _spread(t: Array, w: Array, phase: float) -> NDArray[np.intp]:
    """Points evenly along the drawn curve, shifted from mode to mode."""
    if t.size < 2:
        return np.arange(t.size)
    height = float(w.max() - w.min()) or 1.0
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(t) / t[-1], np.diff(w) / height))])
    wanted = (np.arange(MARKS) + phase) / MARKS * length[-1]
    return np.unique(np.clip(np.searchsorted(length, wanted), 0, t.size - 1))


def _routes(objective: Any) -> list[Line2D]:
    seen = Line2D([], [], color=NEUTRAL, linestyle="", marker=marker(objective), label="network")
    seen.set_markerfacecolor("white")
    seen.set_markersize(4.5)
    return [Line2D([], [], color=NEUTRAL, label="closed form"), seen]


def experiment(made: Experiment, *, ax: Any = None) -> NDArray[Any]:
    r"""The figure of one of the paper's experiments.

    Parameters
    ----------
    made : Experiment
        From `dlnflow.network.experiments`.
    ax : array of Axes, optional
        Two by two for the experiment on order (distributions down, objectives across), one for the
        others. By default those of a new figure.

    Returns
    -------
    array of Axes

    Raises
    ------
    ValueError, TypeError
        For what is no experiment, and for axes of another shape.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import matplotlib.pyplot as plt
    >>> import dlnflow
    >>> from dlnflow.studies.experiments import _experiments as experiments
    >>> made = experiments.depth([1, 2], eps=1e-2)
    >>> print(dlnflow.plot.experiment(made)[0].get_ylabel())
    delay of the smallest $\rho$ behind the largest
    >>> plt.close("all")
    """
    refuse_without(MEASURED, "made", made, "dlnflow.network Experiment")
    draw = {"order": _order, "depth": _depth, "initialisation": _initialisation}[made.name]
    return draw(made, ax)


def _order(made: Experiment, ax: Any) -> NDArray[Any]:
    grid = many_axes(ax, (2, 2), (9.6, 8.2))
    for row, name in zip(grid, ("same", "opposite"), strict=True):
        for axes, objective in zip(row, ("jepa", "mae"), strict=True):
            one = made.comparisons.get((name, objective))
            if one is None:  # the experiment was interrupted
                axes.set_axis_off()
                continue
            comparison(one, ax=axes)
            first = int(one.measured_time.argmin())
            rho, lam = one.spectrum.rho[first], one.spectrum.lam[first]
            axes.set_title(
                rf"{objective.upper()} learns $\rho = {rho:.2f}$, $\lambda = {lam:.2f}$ first"
                f"\n({SETTINGS[name]})",
                fontsize="medium",
            )
    return grid


def _depth(made: Experiment, ax: Any) -> NDArray[Any]:
    axes = many_axes(ax, (1,), (6.4, 4.8))
    one = axes[0]
    for name, part in made.table.groupby("objective", sort=False):
        objective = as_objective(str(name))
        look: dict[str, Any] = {"color": colour(objective)}
        one.plot(
            part["L"], part["predicted_gap"], label=f"{display(objective)}, closed form", **look
        )
        one.plot(
            part["L"],
            part["measured_gap"],
            linestyle="",
            marker=marker(objective),
            markerfacecolor="white",
            label=f"{display(objective)}, network",
            **look,
        )
    one.axhline(0.0, color=NEUTRAL, linewidth=0.8)
    one.xaxis.set_major_locator(MaxNLocator(integer=True))
    one.set_xlabel("encoder depth $L$")
    one.set_ylabel(r"delay of the smallest $\rho$ behind the largest")
    ends = [
        (as_objective(str(name)), part.iloc[0], part.iloc[-1])
        for name, part in made.table.groupby("objective", sort=False)
    ]
    said = ", ".join(
        rf"{display(o)} ${last['measured_gap']:+.2g}$ at $L = {last['L']}$" for o, _, last in ends
    )
    grows = all(b["measured_gap"] > a["measured_gap"] for o, a, b in ends if o == JEPA)
    finding = r"Delay of small $\rho$ against depth"
    if grows and any(o == JEPA for o, *_ in ends):
        finding = r"The deeper the encoder, the later a JEPA learns small $\rho$"
    one.set_title(f"{finding}\n" rf"relative delay at equal $\lambda$: {said}", fontsize="medium")
    legend_below(one, one.get_lines()[:-1], columns=2)
    return axes


def _initialisation(made: Experiment, ax: Any) -> NDArray[Any]:
    axes = many_axes(ax, (1,), (6.4, 4.8))
    one = axes[0]
    said = []
    for name, part in made.table.groupby("objective", sort=False):
        objective = as_objective(str(name))
        look: dict[str, Any] = {"color": colour(objective)}
        one.plot(
            part["eps"],
            part["predicted_overlap"],
            label=f"{display(objective)}, closed form",
            **look,
        )
        one.plot(
            part["eps"],
            part["measured_overlap"],
            linestyle="",
            marker=marker(objective),
            markerfacecolor="white",
            label=f"{display(objective)}, network",
            **look,
        )
        where = breakdown(part["eps"].to_numpy(), part["measured_overlap"].to_numpy())
        words = {0.0: "below these starts", float("inf"): "above these starts"}
        said.append(words.get(where, rf"at $\epsilon \approx$ {number(where, 2)}"))
        said[-1] += f" ({display(objective)})"
    one.axhline(GREEDY, color=NEUTRAL, linewidth=0.8, linestyle=(0, (2, 2)))
    one.set_xscale("log")
    one.set_ylim(-0.04, 1.04)
    one.set_xlabel(r"initial amplitude $\epsilon$")
    one.set_ylabel("overlap of neighbours' learning\n(0 one at a time, 1 all together)")
    one.set_title(f"Greedy learning ends {', '.join(said)}", fontsize="medium")
    legend_below(one, one.get_lines()[:-1], columns=2)
    return axes


def validity(made: ValidityMap, *, ax: Axes | None = None) -> Axes:
    """How far prediction and network part as one assumption is broken by degrees.

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
        For what is no map, and an ``ax`` that is none.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import matplotlib.pyplot as plt
    >>> import dlnflow
    >>> from dlnflow.studies.validity import _validity as validity
    >>> made = validity.balance([0.003, 0.01, 0.03], objective="mae")
    >>> print(dlnflow.plot.validity(made).get_xlabel())
    imbalance of the layers
    >>> plt.close("all")
    """
    refuse_without(MAPPED, "made", made, "dlnflow.network ValidityMap")
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


def _curves(axes: Axes, made: ValidityMap) -> Iterator[Line2D]:
    also = {
        "own_error": "critical time, closed form for $P$",
        "published_error": "published formula, balanced start",
    }
    tops = []
    for name, part in made.table.groupby("objective", sort=False):
        objective = as_objective(str(name))
        look: dict[str, Any] = {"color": colour(objective), "marker": marker(objective)}
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
                label=f"{display(objective)}: {words}",
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


def _headline(made: ValidityMap) -> str:
    powers = [
        f"{name.upper()} as $x^{{{power:.2f}}}$"
        for name, power in made.exponents.items()
        if power is not None
    ]
    finding = f"critical times err, below {CEILING:g}: {', '.join(powers)}"
    if not powers:
        errors = made.table.groupby("objective", sort=False)["time_error"]
        finding = "critical times err: " + ", ".join(_span(str(n), e.to_numpy()) for n, e in errors)
    return f"Breaking one assumption: {made.assumption}\n{finding}"


def _span(name: str, error: Array) -> str:
    if np.isinf(error.min()):
        return f"{name.upper()} leaves modes unlearned"
    largest = "or more" if np.isinf(error.max()) else f"to {number(float(error.max()), 2)}"
    return f"{name.upper()} by {number(float(error.min()), 2)} {largest}"

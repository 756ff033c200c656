"""Whole networks beside their predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from dlnflow._common import _validate
from dlnflow.plot import _style as style

Array = NDArray[np.float64]

MARKS = 14  # markers on a measured curve
LEAST = 1e-10  # a smaller deviation is rounding
MEASURES = {  # the axis, and how far apart network and closed form are
    "probe": (
        "share $R^2$ of a feature that a probe reads",
        "$R^2$ of network and closed form at most {} apart",
    ),
    "amplitude": (
        r"encoder amplitude $\bar w$",
        "network and closed form at most {} of a plateau apart",
    ),
}
DISTRIBUTIONS = {
    "same": "both objectives learn in this order",
    "opposite": "the objectives disagree",
}


class DrawnComparison(Protocol):
    """What the figure reads of a `dlnflow.network.Comparison`."""

    @property
    def spectrum(self) -> Any: ...
    @property
    def run(self) -> Any: ...
    @property
    def predicted(self) -> Array: ...
    @property
    def measured(self) -> Array: ...
    @property
    def measure(self) -> str: ...
    @property
    def measured_time(self) -> Array: ...
    @property
    def largest_deviation(self) -> float: ...


class DrawnExperiment(Protocol):
    """What the figures read of an experiment on networks."""

    @property
    def name(self) -> str: ...
    @property
    def table(self) -> Any: ...
    @property
    def comparisons(self) -> Mapping[tuple[Any, ...], DrawnComparison]: ...
    @property
    def most_overlap(self) -> float: ...
    @property
    def greedy_below(self) -> Mapping[str, float]: ...


def comparison(
    made: DrawnComparison, *, ax: Axes | None = None, modes: int = style.MOST_NAMED
) -> Axes:
    """What was measured of a network (markers) on the closed form (lines).

    By `dlnflow.network.compare`'s default this is the share of each mode's feature that a linear
    probe reads.

    Parameters
    ----------
    made : Comparison
        From `dlnflow.network.compare`.
    ax : Axes, optional
        By default those of a new figure.
    modes : int
        How many to draw, those of largest ``lam``; positive. A legend names up to five; a colour
        bar of ``lam`` shows more.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError, TypeError
        If ``made`` lacks what is drawn, ``ax`` is no Axes or ``modes`` is no positive integer.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import matplotlib.pyplot as plt
    >>> import dlnflow
    >>> from dlnflow import network
    >>> xx, yx = [[1.0, 0.0], [0.0, 2.0]], [[0.9, 0.0], [0.0, 1.0]]
    >>> run = network.gradient_flow(network.balanced(xx, yx, L=2, eps=0.01), xx, yx)
    >>> print(dlnflow.plot.comparison(network.compare(run)).get_title().splitlines()[0])
    JEPA: $R^2$ of network and closed form at most $10^{-10}$ apart
    >>> plt.close("all")
    """
    style.refuse_without(DrawnComparison, "made", made, "dlnflow.network.Comparison")
    axes = style.single_axes(ax, figsize=(6.4, 4.8))
    count = _validate.positive_integer("modes", modes)
    run, lam, rho = made.run, made.spectrum.lam, made.spectrum.rho
    drawn = np.argsort(-lam, kind="stable")[:count]
    shades = style.shades_of(style.colour(run.objective))
    mark = _network_mark(run.objective) | {"markersize": 4.5}
    tints = shades(np.linspace(0.0, 1.0, max(2, drawn.size)))
    for place, mode in enumerate(drawn):
        line = style.LINE_STYLES[place % len(style.LINE_STYLES)]
        name = rf"$\lambda = {lam[mode]:.3g}$, $\rho = {rho[mode]:.3g}$"
        if made.spectrum.labels is not None:
            name = f"{mode}: {style.plain(made.spectrum.labels[mode])}"
        axes.plot(run.t, made.predicted[mode], color=tints[place], linestyle=line, label=name)
        measured = made.measured[mode]
        seen = _spread(run.t, measured, place / drawn.size)
        axes.plot(run.t[seen], measured[seen], color=tints[place], label=f"_network {mode}", **mark)
    quantity, finding = MEASURES[made.measure]
    axes.set(xlabel=run.time_label, ylabel=quantity)
    depth = f"encoder depth $L = {run.start.L}$, decoder depth $P = {run.start.decoder_depth}$"
    left = lam.size - drawn.size
    also = f", {left} smaller modes not drawn" if left else ""
    apart = style.number(max(made.largest_deviation, LEAST), 2)
    axes.set_title(
        f"{style.display(run.objective)}: {finding.format(apart)}\n{depth}{also}",
        fontsize="medium",
    )
    named = style.named_lines(axes)
    if drawn.size > style.MOST_NAMED:
        named = []
        rank = ScalarMappable(Normalize(1, drawn.size), shades)
        axes.figure.colorbar(rank, ax=axes, label=r"mode, from the largest $\lambda$ down")
    style.legend_below(
        axes, [*named, style.legend_entry("closed form"), style.legend_entry("network", **mark)]
    )
    return axes


def _network_mark(objective: Any) -> dict[str, Any]:
    return {
        "linestyle": "",
        "marker": style.marker(objective),
        "markerfacecolor": style.background(),
    }


def _spread(t: Array, w: Array, phase: float) -> NDArray[np.intp]:
    """Points evenly along the drawn curve, shifted from mode to mode."""
    if t.size < 2:
        return np.arange(t.size)
    height = float(w.max() - w.min()) or 1.0
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(t) / t[-1], np.diff(w) / height))])
    wanted = (np.arange(MARKS) + phase) / MARKS * length[-1]
    return np.unique(np.clip(np.searchsorted(length, wanted), 0, t.size - 1))


def experiment(made: DrawnExperiment, *, ax: Any = None) -> NDArray[Any]:
    r"""The figure of one of the experiments on the paper's claims.

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
        If ``made`` lacks what is drawn, or ``ax`` has another shape.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import matplotlib.pyplot as plt
    >>> import dlnflow
    >>> from dlnflow.studies import experiments
    >>> made = experiments.depth([1, 2], eps=1e-2)
    >>> print(dlnflow.plot.experiment(made)[0].get_ylabel())
    delay of the smallest $\rho$ behind the largest
    >>> plt.close("all")
    """
    style.refuse_without(DrawnExperiment, "made", made, "dlnflow.network Experiment")
    if made.name == "order":
        return _order(made, ax)
    panels = style.many_axes(ax, (1,), (6.4, 4.8))
    {"depth": _depth, "initialisation": _initialisation}[made.name](made, panels[0])
    style.legend_below(panels[0], style.named_lines(panels[0]))
    return panels


def _order(made: DrawnExperiment, ax: Any) -> NDArray[Any]:
    grid = style.many_axes(ax, (2, 2), (9.6, 8.2))
    for row, (name, words) in zip(grid, DISTRIBUTIONS.items(), strict=True):
        for axes, objective in zip(row, ("jepa", "mae"), strict=True):
            one = made.comparisons.get((name, objective))
            if one is None:  # the experiment was interrupted
                axes.set_axis_off()
                continue
            comparison(one, ax=axes)
            first = int(np.argmin(one.measured_time))
            rho, lam = one.spectrum.rho[first], one.spectrum.lam[first]
            axes.set_title(
                rf"{objective.upper()} learns $\rho = {rho:.2f}$, $\lambda = {lam:.2f}$ first"
                f"\n({words})",
                fontsize="medium",
            )
    return grid


def _depth(made: DrawnExperiment, axes: Axes) -> None:
    _both_kinds(axes, made.table, "L", "gap")
    axes.axhline(0.0, color=style.neutral(), linewidth=0.8, label="_no delay")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="encoder depth $L$", ylabel=r"delay of the smallest $\rho$ behind the largest")
    ends = {
        str(name): (part.iloc[0], part.iloc[-1])
        for name, part in made.table.groupby("objective", sort=False)
    }
    said = ", ".join(
        rf"{style.display(name)} ${last['measured_gap']:+.2g}$ at $L = {last['L']}$"
        for name, (_, last) in ends.items()
    )
    finding = r"Delay of small $\rho$ against depth"
    if "jepa" in ends and ends["jepa"][1]["measured_gap"] > ends["jepa"][0]["measured_gap"]:
        finding = r"The deeper the encoder, the later a JEPA learns small $\rho$"
    axes.set_title(f"{finding}\n" rf"relative delay at equal $\lambda$: {said}", fontsize="medium")


def _initialisation(made: DrawnExperiment, axes: Axes) -> None:
    _both_kinds(axes, made.table, "eps", "overlap")
    words = {0.0: r"below these $\epsilon$", float("inf"): r"above these $\epsilon$"}
    said = [
        words.get(eps, rf"at $\epsilon \approx$ {style.number(eps, 2)}")
        + f" ({style.display(name)})"
        for name, eps in made.greedy_below.items()
    ]
    look: dict[str, Any] = {"color": style.neutral(), "linewidth": 0.8, "linestyle": (0, (2, 2))}
    axes.axhline(made.most_overlap, **look, label="_greedy below")
    axes.set(
        xscale="log",
        ylim=(-0.04, 1.04),
        xlabel=r"initial amplitude $\epsilon$",
        ylabel="overlap of neighbours' learning\n(0 one at a time, 1 all together)",
    )
    axes.set_title(f"Greedy learning ends {', '.join(said)}", fontsize="medium")


def _both_kinds(axes: Axes, table: Any, x: str, quantity: str) -> None:
    """Lines for the closed form and markers for the network, of each objective."""
    for name, part in table.groupby("objective", sort=False):
        look: dict[str, Any] = {
            "color": style.colour(name),
            "label": f"{style.display(name)}, closed form",
        }
        axes.plot(part[x], part[f"predicted_{quantity}"], **look)
        look |= _network_mark(name) | {"label": f"{style.display(name)}, network"}
        axes.plot(part[x], part[f"measured_{quantity}"], **look)

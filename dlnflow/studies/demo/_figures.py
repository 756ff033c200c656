"""The figures of the demo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from dlnflow import plot
from dlnflow.data import Spectrum
from dlnflow.theory import critical_time

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Times = dict[tuple[str, int], Array]

# large hollow squares over small discs, so that both are visible where they coincide
LOOKS: dict[str, dict[str, Any]] = {
    "jepa": {"marker": "o", "markersize": 6},
    "mae": {"marker": "s", "markersize": 10, "markerfacecolor": "none"},
}
SHADES = "cividis_r"
SHOWN = 8  # patterns at each end of the order


def learned(spectrum: Spectrum, L: int, eps: float) -> Figure:
    """Learned fraction of the modes over time under both objectives."""
    sim = spectrum.simulate(L, eps=eps, objective=("jepa", "mae"))
    figure = plot.simulation(sim, quantity="learned", time="log")[0].figure
    plt.close(figure)
    return figure


def order_against_depth(orders: pd.DataFrame) -> Figure:
    """Rank correlations, and the share of conflicts in which larger rho is first, against depth."""
    figure = _new(9.6, 4.2)
    left, right = figure.subplots(1, 2)
    depths = sorted(int(L) for L in orders["L"].unique())
    at_last: dict[str, Any] = {}
    for name, look in LOOKS.items():
        rows = orders[orders["objective"] == name]
        style = {**look, "color": plot.colour(name)}
        left.plot(depths, rows["with_lam"], "--", **style, label=rf"{name.upper()}, with $\lambda$")
        left.plot(depths, rows["with_rho"], "-", **style, label=rf"{name.upper()}, with $\rho$")
        right.plot(depths, rows["by_rho"], "-", **style, label=name.upper())
        at_last[name] = rows.to_dict("records")[-1]
    jepa, mae = at_last["jepa"], at_last["mae"]
    left.set_ylabel("rank correlation with order of learning")
    left.set_title(
        rf"Order of {jepa['compared']} modes at $L = {depths[-1]}$: correlation with $\rho$ is"
        f"\n{jepa['with_rho']:.2f} for JEPA, {mae['with_rho']:.2f} for MAE",
        fontsize="medium",
    )
    right.set_ylabel(r"pairs in which the larger $\rho$ is learned first")
    # steps of whole percents, so that no label is rounded
    right.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    right.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    right.set_title(
        rf"{jepa['conflicts']} pairs ranked oppositely by $\lambda$ and $\rho$:"
        f"\nlarger $\\rho$ first in {jepa['by_rho']:.0%} for JEPA, {mae['by_rho']:.0%} for MAE",
        fontsize="medium",
    )
    left.legend(fontsize="small", handlelength=3.2, loc="center left", bbox_to_anchor=(0.0, 0.6))
    right.legend(fontsize="small", handlelength=3.2)
    for axes in (left, right):
        axes.set_xlabel("encoder depth $L$")
        axes.set_xticks(depths)
    return figure


def order_map(spectrum: Spectrum, times: Times, L: int, eps: float) -> Figure:
    """The modes with positive rho over lam and rho, with lines of equal critical time."""
    figure = _new(11.0, 5.0)
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    learnable = spectrum.rho > 0.0
    lam, rho = spectrum.lam[learnable], spectrum.rho[learnable]
    norm = Normalize(1, lam.size)
    started = np.all([times[name, L][learnable] > 0.0 for name in LOOKS], axis=0)
    rhos = tuple(np.quantile(rho[started] if started.any() else rho, (0.25, 0.75)))
    for axes, objective in zip(panels, LOOKS, strict=True):
        _equal_times(axes, lam, rho, L, eps, objective)
        left_out = _scatter(axes, lam, rho, times[objective, L][learnable], objective, norm)
        ratio = np.divide(*critical_time(1.0, rhos, L, eps=eps, objective=objective))
        note = f"grey: starts above half its plateau, as {left_out} modes do (crosses)"
        axes.set_title(
            f"{objective.upper()}, $L = {L}$; lines of equal critical time, a decade apart\n"
            rf"$\rho = {rhos[0]:.2g}$ takes {ratio:.2f} times as long as $\rho = {rhos[1]:.2g}$"
            f"\n{note if left_out else ''}",
            fontsize="medium",
        )
        axes.set_xlabel(r"covariance $\lambda$")
    panels[0].set_ylabel(r"regression coefficient $\rho$")
    shades = ScalarMappable(norm, SHADES)
    figure.colorbar(shades, ax=list(panels), label="place in the order of learning")
    return figure


def _scatter(
    axes: Axes, lam: Array, rho: Array, time_of: Array, objective: str, norm: Normalize
) -> int:
    """Draw modes, coloured by their place in the order; returns the number of those without one."""
    has_place = time_of > 0.0
    place = 1 + np.argsort(np.argsort(time_of[has_place]))
    axes.scatter(
        lam[has_place],
        rho[has_place],
        c=place,
        cmap=SHADES,
        norm=norm,
        s=48,
        marker=LOOKS[objective]["marker"],
        edgecolors="black",
        linewidths=0.6,
        zorder=3,
    )
    axes.scatter(lam[~has_place], rho[~has_place], marker="x", color="0.3", s=36, zorder=3)
    return int(np.sum(~has_place))


def _equal_times(axes: Axes, lam: Array, rho: Array, L: int, eps: float, objective: str) -> None:
    x = np.geomspace(lam.min() / 2.0, lam.max() * 2.0, 160)
    y = np.geomspace(rho.min() / 1.5, 1.2, 160)
    grid = np.asarray(critical_time(x[None, :], y[:, None], L, eps=eps, objective=objective))
    with np.errstate(divide="ignore"):
        decades = np.where(grid > 0.0, np.log10(grid), np.nan)
    levels = np.arange(np.floor(np.nanmin(decades)), np.ceil(np.nanmax(decades)) + 1)
    look: dict[str, Any] = {"colors": plot.colour(objective), "linewidths": 1.0}
    axes.contour(x, y, decades, levels=levels, linestyles="-", **look)
    axes.contourf(x, y, grid == 0.0, levels=[0.5, 1.5], colors="0.92")
    axes.set_xscale("log")
    axes.set_yscale("log")


def patterns(spectrum: Spectrum, times: Times, L: int) -> Figure:
    """Patterns learned first, last and never under both objectives."""
    figure = _new(11.0, 3.4)
    orders = {name: _order(spectrum, times[name, L]) for name in LOOKS}
    ends = min(SHOWN, *(len(order) // 2 for order in orders.values()))
    never = np.flatnonzero(spectrum.rho < 0.0)
    never = never[np.argsort(spectrum.rho[never])][: 2 * SHOWN]
    grid = figure.subplots(3, 2 * SHOWN + 1)
    for row, (name, order) in zip(grid, orders.items(), strict=False):
        _row(row, spectrum, order[:ends], order[len(order) - ends :], plot.colour(name))
        row[0].set_ylabel(name.upper(), color=plot.colour(name), fontweight="bold")
    _row(grid[2], spectrum, never[:SHOWN], never[SHOWN:], "0.3")
    grid[2][0].set_ylabel("never", color="0.3", fontweight="bold")
    jepa, mae = (set(order[:ends]) for order in orders.values())
    figure.suptitle(
        f"$L = {L}$: patterns learned first (left) and last (right); "
        f"JEPA and MAE share {len(jepa & mae)} of the first {ends}",
        fontsize="large",
    )
    return figure


def _order(spectrum: Spectrum, time_of: Array) -> NDArray[np.intp]:
    """Modes with a critical time that is positive and finite, first learned first."""
    order = np.argsort(time_of, kind="stable")
    return order[(time_of[order] > 0.0) & np.isfinite(time_of[order])]


def _row(row: Any, spectrum: Spectrum, left: Any, right: Any, frame: str) -> None:
    width = round(spectrum.basis.shape[0] ** 0.5)
    for axes in row:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    for axes, mode in [
        *zip(row, left, strict=False),
        *zip(row[len(row) - len(right) :], right, strict=True),
    ]:
        pattern = spectrum.basis[:, mode].reshape(width, width)
        size = np.abs(pattern).max()
        axes.imshow(pattern, cmap="gray", vmin=-size, vmax=size)
        axes.set_title(rf"$\rho$ {spectrum.rho[mode]:.2f}", fontsize=7)
        axes.spines[:].set(visible=True, color=frame, linewidth=2.0)


def _new(width: float, height: float) -> Figure:
    """A figure without a window under any backend."""
    return Figure(figsize=(width, height), layout="constrained")

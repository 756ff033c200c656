"""Measured trajectories with what explains them, and what is left over."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from dlnflow.plot._style import NEUTRAL, colour, legend_below, many_axes, number, refuse_without

Array = NDArray[np.float64]

MARKS = "osD^vP*X"
FINE = 400  # times of a fitted curve
ORDERS = 30.0  # of the largest over the smallest amplitude, beyond which the axis is logarithmic
SURE = 0.99  # share of the evidence with which the title names no rival


class DrawnIdentification(Protocol):
    """What the figure reads of a `dlnflow.Identification`."""

    @property
    def t(self) -> Array: ...
    @property
    def w(self) -> Array: ...
    @property
    def residuals(self) -> Any: ...
    @property
    def noise(self) -> Any: ...
    @property
    def objective(self) -> Any: ...
    @property
    def candidate(self) -> Any: ...
    @property
    def rival(self) -> Any: ...
    @property
    def weight(self) -> Array: ...
    @property
    def aic(self) -> Any: ...
    @property
    def time_label(self) -> str: ...
    def predict(self, t: Any, *, rank: int = 0) -> Any: ...


def identification(found: DrawnIdentification, *, ax: Any = None) -> NDArray[Any]:
    r"""Measured trajectories with the best explanation and its rival, and the residuals below.

    Parameters
    ----------
    found : Identification
        From `dlnflow.identify`.
    ax : array of two Axes, optional
        By default those of a new figure.

    Returns
    -------
    array of Axes, shape (2,)

    Raises
    ------
    ValueError, TypeError
        If ``found`` lacks what is drawn, or ``ax`` is not two Axes.

    Examples
    --------
    >>> import numpy as np
    >>> import dlnflow
    >>> t = np.linspace(0.0, 60.0, 80)
    >>> found = dlnflow.identify(t, dlnflow.amplitude(t, 1.0, 0.8, 2, eps=0.02, objective="mae"))
    >>> [one.get_ylabel() for one in dlnflow.plot.identification(found)]
    ['amplitude $\\bar{w}$', 'residual / noise']
    """
    refuse_without(DrawnIdentification, "found", found, "dlnflow Identification")
    upper, lower = axes = many_axes(ax, (2,), (6.4, 5.6)) if ax is not None else _stacked()
    handles = _curves(upper, found)
    _residuals(lower, found)
    upper.set_ylabel(r"amplitude $\bar{w}$")
    lower.set_ylabel("residual / noise")
    lower.set_xlabel(found.time_label)
    upper.set_title(_title(found), fontsize="medium")
    legend_below(lower, handles, columns=2)
    return axes


def _stacked() -> NDArray[Any]:
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(
        2, 1, figsize=(6.4, 5.6), layout="constrained", sharex=True, height_ratios=(3, 1)
    )
    return axes


def _curves(axes: Axes, found: DrawnIdentification) -> list[Line2D]:
    times = np.linspace(found.t[0], found.t[-1], FINE)
    times = np.union1d(times, found.t)
    curves = np.atleast_2d(found.predict(times))
    curves = curves[np.isfinite(curves).all(axis=1)]
    best = colour(found.objective)
    handles = []
    for mode, (w, curve) in enumerate(zip(found.w, curves, strict=True)):
        mark = MARKS[mode % len(MARKS)]
        axes.plot(found.t, w, mark, color=NEUTRAL, markersize=3.0, alpha=0.6, zorder=1)
        axes.plot(times, curve, "-", color=best, zorder=3)
    handles.append(Line2D([], [], color=NEUTRAL, marker="o", linestyle="", label="measured"))
    share = 100.0 * found.weight[0]
    handles.append(
        Line2D([], [], color=best, label=f"{found.candidate} ({share:.3g} % of the evidence)")
    )
    if found.weight.size > 1:
        rival = found.rival
        other = NEUTRAL if colour(rival.objective) == best else colour(rival.objective)
        others = np.atleast_2d(found.predict(times, rank=1))
        for curve in others[np.isfinite(others).all(axis=1)]:
            axes.plot(times, curve, ":", color=other, linewidth=1.6, zorder=2)
        share = 100.0 * found.weight[1]
        handles.append(Line2D([], [], color=other, linestyle=":", label=f"{rival} ({share:.2g} %)"))
    relative = bool(np.all(np.asarray(found.noise) == "relative"))
    if relative and found.w.max() > ORDERS * found.w.min():
        axes.set_yscale("log")
    return handles


def _residuals(axes: Axes, found: DrawnIdentification) -> None:
    away = np.atleast_2d(found.residuals)
    for mode, one in enumerate(away):
        axes.plot(
            found.t,
            one,
            MARKS[mode % len(MARKS)],
            color=NEUTRAL,
            markersize=3.0,
            alpha=0.6,
        )
    axes.axhline(0.0, color=NEUTRAL, linewidth=1)
    for height in (-2.0, 2.0):
        axes.axhline(height, color=NEUTRAL, linewidth=0.6, linestyle="--")


def _title(found: DrawnIdentification) -> str:
    if found.weight[0] > SURE:
        return f"{found.candidate}, with {100 * found.weight[0]:.3g} % of the evidence"
    ahead = number(found.aic[1] - found.aic[0], 2)
    return f"{found.candidate} or {found.rival}? AIC apart by {ahead}"

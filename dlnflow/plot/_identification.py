"""Measured trajectories with what explains them, and what is left over."""

from __future__ import annotations

from textwrap import fill
from typing import Any, Protocol

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from dlnflow.plot import _style as style

Array = NDArray[np.float64]

MARKS = "osD^vP*X"
FINE = 400  # times of a fitted curve
ORDERS = 30.0  # of the largest over the smallest amplitude, beyond which the axis is logarithmic
LEAST = 0.01  # per cent, below which a share of the evidence is given no number
WIDTH = 72  # letters in a line of the title


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
    def explained(self) -> bool: ...
    @property
    def verdict(self) -> str: ...
    @property
    def answer(self) -> Any: ...
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
    style.refuse_without(DrawnIdentification, "found", found, "dlnflow Identification")
    if ax is None:
        look: dict[str, Any] = {"layout": "constrained", "sharex": True, "height_ratios": (3, 1)}
        ax = plt.subplots(2, 1, figsize=(6.4, 5.6), **look)[1]
    upper, lower = axes = style.many_axes(ax, (2,), (6.4, 5.6))
    handles = _curves(upper, found)
    _measured(lower, found.t, np.atleast_2d(found.residuals))
    lower.axhline(0.0, color=style.neutral(), linewidth=1)
    for height in (-2.0, 2.0):
        lower.axhline(height, color=style.neutral(), linewidth=0.6, linestyle="--")
    upper.set_ylabel(r"amplitude $\bar{w}$")
    lower.set(xlabel=found.time_label, ylabel="residual / noise")
    upper.set_title(_title(found), fontsize="medium")
    style.legend_below(lower, handles)
    return axes


def _measured(axes: Axes, t: Array, values: Any) -> None:
    for mode, one in enumerate(values):
        mark = MARKS[mode % len(MARKS)]
        axes.plot(t, one, mark, color=style.neutral(), markersize=3.0, alpha=0.6, zorder=1)


def _curves(axes: Axes, found: DrawnIdentification) -> list[Line2D]:
    """Measured amplitudes, and the curves of the best explanation and of its rival."""
    times = np.union1d(np.linspace(found.t[0], found.t[-1], FINE), found.t)
    _measured(axes, found.t, found.w)
    handles = [style.legend_entry("measured", marker="o", linestyle="")]
    best = style.colour(found.objective)
    looks: list[dict[str, Any]] = [{"color": best, "zorder": 3, "linestyle": "-"}]
    share = f" ({100.0 * found.weight[0]:.3g} % of the evidence)"
    labels = [f"{found.candidate}{share if found.explained else ', the best fit'}"]
    if found.weight.size > 1 and found.explained:
        own = style.colour(found.rival.objective)
        other: dict[str, Any] = {"color": style.neutral() if own == best else own, "linestyle": ":"}
        looks.append(other | {"linewidth": 1.6, "zorder": 2})
        second = 100.0 * found.weight[1]
        number = f"{second:.2g}" if second > LEAST else f"under {LEAST:g}"
        labels.append(f"{found.rival} ({number} %)")
    for rank, (look, label) in enumerate(zip(looks, labels, strict=True)):
        curves = np.atleast_2d(found.predict(times, rank=rank))
        for curve in curves[np.isfinite(curves).all(axis=1)]:
            axes.plot(times, curve, **look)
        handles.append(style.legend_entry(label, color=look["color"], linestyle=look["linestyle"]))
    relative = bool(np.all(np.asarray(found.noise) == "relative"))
    if relative and found.w.max() > ORDERS * found.w.min():
        axes.set_yscale("log")
    return handles


def _title(found: DrawnIdentification) -> str:
    """The verdict, whether the curves are explained first."""
    text = found.verdict[0].upper() + found.verdict[1:]
    if not found.explained:
        text = text.split(", in ")[0]  # where it fails is seen below
        if found.answer.source:
            text += f"; the curves are like those of trained networks: {found.answer}"
    return fill(text, WIDTH)

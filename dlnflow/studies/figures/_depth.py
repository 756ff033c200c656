"""Critical times against encoder depth."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.plot._style import (
    ModeColumns,
    colour,
    display,
    equals,
    explain_modes,
    factor,
    marker,
    neutral,
    single_axes,
)
from dlnflow.theory import critical_time, critical_time_published
from dlnflow.theory._clock import Clock, label
from dlnflow.theory._objective import Objective, Objectives, as_objectives
from dlnflow.theory._published import published

Array = NDArray[np.float64]


def given_modes(lam: ArrayLike, rho: ArrayLike, eps: ArrayLike, **others: Any) -> ModeColumns:
    """Modes as the user gives them, validated; pure noise is allowed."""
    columns = {"lam": _validate.real("lam", lam), "rho": _validate.real("rho", rho)}
    columns["eps"] = _validate.positive("eps", eps)
    _validate.together(**columns)
    modes = ModeColumns.of(**columns, **others)
    _validate.modes(modes.lam, modes.rho, modes.variance)
    return modes


def critical_time_against_depth(
    lam: ArrayLike,
    rho: ArrayLike,
    depths: ArrayLike = range(1, 9),
    *,
    eps: ArrayLike = 1e-3,
    objective: Objectives = ("jepa", "mae"),
    p: float = 0.5,
    decoder_depth: int = 1,
    clock: Clock = "paper",
    ax: Axes | None = None,
) -> Axes:
    r"""Exact critical times against depth, with the published ones where the paper has a formula.

    Parameters
    ----------
    lam, rho, eps : array
        The modes, broadcast together and flattened.
    depths : array of int, shape (depths,)
        Encoder depths. An objective with its target at layer ``m`` is drawn from depth ``m`` on.
    objective : str, Objective or several
    p, decoder_depth, clock
        As for `dlnflow.critical_time`, single values.
    ax : Axes, optional
        By default those of a new figure.

    Returns
    -------
    Axes
        A line with small markers for each objective and mode (exact) and hollow markers
        (published). Critical times that are 0 or infinite are not on the log axis.

    Raises
    ------
    ValueError, TypeError
        As for `dlnflow.critical_time`, and if ``ax`` is no Axes.

    Notes
    -----
    `dlnflow.critical_time` and `dlnflow.critical_time_published`; ``docs/theory.md``, section 6.
    The published formula does not depend on ``p``.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import matplotlib.pyplot as plt
    >>> import dlnflow
    >>> ax = dlnflow.plot.critical_time_against_depth(1.0, [1.0, 0.5], range(1, 7))
    >>> print(ax.get_title().splitlines()[0])
    Slowest mode over fastest at $L = 6$: JEPA $\times\,2.131$, MAE $\times\,1$
    >>> plt.close("all")
    """
    objectives = as_objectives(objective)
    layers = np.unique(_validate.depth("depths", depths))
    _validate.single("p", _validate.fraction("p", p))
    _validate.single("decoder_depth", _validate.depth("decoder_depth", decoder_depth))
    modes = given_modes(lam, rho, eps, L=1, decoder_depth=decoder_depth)
    network: dict[str, Any] = {"decoder_depth": decoder_depth, "clock": clock}
    exact = {one: _times(critical_time, modes, layers, one, p=p, **network) for one in objectives}
    axes = single_axes(ax, figsize=(6.4, 5.0))
    axes.set_yscale("log")
    for one in objectives:
        _draw(axes, one, modes, layers, exact[one], filled=True)
        if published(one, decoder_depth):
            heads = _times(critical_time_published, modes, layers, one, **network)
            _draw(axes, one, modes, layers, heads, filled=False)
    axes.set_xlim(layers[0] - 0.5, layers[-1] + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("encoder depth $L$")
    axes.set_ylabel(f"critical time $t^*$ ({label(clock)})")
    common = modes.shared("lam", "rho", "eps", "decoder_depth")
    second_line = ", ".join(filter(None, (common, f"$p = {p:g}$")))
    axes.set_title(f"{_finding(exact, layers)}\n{second_line}", fontsize="medium")
    _explain(axes, modes, objectives, decoder_depth)
    return axes


def _times(
    compute: Any,
    modes: ModeColumns,
    layers: NDArray[np.int64],
    objective: Objective,
    **options: Any,
) -> Array:
    """Critical times, modes x depths; NaN where a log axis cannot show them."""
    reach = layers >= (objective.target_layer or 0)
    if not reach.any():
        objective.layer(layers)
    learned = modes.rho > 0.0
    times = np.full((modes.count, layers.size), np.nan)
    if learned.any():
        some = modes.among(learned)
        columns = {name: getattr(some, name)[:, None] for name in ("lam", "rho", "eps")}
        found = compute(**columns, L=layers[reach], objective=objective, **options)
        times[np.ix_(learned, reach)] = found
    return np.where(np.isfinite(times) & (times > 0.0), times, np.nan)


def _draw(
    axes: Axes,
    objective: Objective,
    modes: ModeColumns,
    layers: NDArray[np.int64],
    times: Array,
    *,
    filled: bool,
) -> None:
    kind = "exact" if filled else "published"
    tints, _, _ = modes.scale(colour(objective))
    for i, text in enumerate(modes.labels()):
        tint = colour(objective) if modes.named else tints[i]
        axes.plot(
            layers,
            times[i],
            color=tint,
            marker=marker(objective),
            markersize=(4.0 if filled else 9.0) / (1.0 if modes.named else 2.0),
            markerfacecolor=tint if filled else "none",
            linestyle=modes.line_style(i) if filled else "none",
            linewidth=1.5 if modes.named else 0.7,
            label=f"_{display(objective)}, {text}, {kind}",
        )


def _finding(exact: dict[Objective, Array], layers: NDArray[np.int64]) -> str:
    """The spread over modes at the deepest network, or the growth with depth of a single mode."""
    shared = np.flatnonzero([np.isfinite(times).all() for times in np.stack([*exact.values()]).T])
    several = next(iter(exact.values())).shape[0] > 1
    if shared.size < (1 if several else 2):
        return "Critical time against depth"
    first, last = shared[0], shared[-1]
    ratios = ", ".join(
        f"{display(one)} {factor(_ratio(t[:, last]) if several else t[0, last] / t[0, first])}"
        for one, t in exact.items()
    )
    if several:
        return f"Slowest mode over fastest at {equals('L', layers[last])}: {ratios}"
    return f"From {equals('L', layers[first])} to {layers[last]}: {ratios}"


def _ratio(times: Array) -> float:
    return float(times.max() / times.min())


def _explain(
    axes: Axes, modes: ModeColumns, objectives: tuple[Objective, ...], decoder_depth: int
) -> None:
    styles = [
        Line2D([], [], color=neutral(), linestyle=modes.line_style(i), label=text)
        for i, text in enumerate(modes.labels())
    ]
    others = [
        Line2D([], [], color=colour(one), marker=marker(one), markersize=4.0, label=display(one))
        for one in objectives
    ]
    with_formula = [one for one in objectives if published(one, decoder_depth)]
    if with_formula:
        look: dict[str, Any] = {"linestyle": "none", "markersize": 9.0, "markerfacecolor": "none"}
        mark = marker(with_formula[0])
        others.append(
            Line2D(
                [], [], **look, marker=mark, markeredgecolor=neutral(), label="published formula"
            )
        )
    explain_modes(axes, modes, neutral(), styles if modes.count > 1 else [], others)

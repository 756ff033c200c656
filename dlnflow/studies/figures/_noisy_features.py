"""Noisy features in three kinds of data, learned by a JEPA and by an MAE."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from dlnflow._common import _validate
from dlnflow.generative import noisy_features as case_of
from dlnflow.generative._noisy import KINDS, NoisyFeatures
from dlnflow.plot._style import LINE_STYLES, colour, display, ends_of, equals, many_axes
from dlnflow.theory import JEPA, MAE, Objective, amplitude, plateau
from dlnflow.theory._clock import label

OBJECTIVES = (JEPA, MAE)
CLEAN, NOISY = 0, 1
POINTS = 600
BEYOND = 1.4  # length of the time axis over the later critical time: shows both plateaus
HALF = 0.5
STYLES = {CLEAN: LINE_STYLES[0], NOISY: LINE_STYLES[1]}
WIDTHS = {CLEAN: 2.4, NOISY: 1.8}


def noisy_features(L: int = 5, *, eps: float = 1e-2, ax: Any = None) -> NDArray[Any]:
    r"""A clean and a larger, noisy feature in three kinds of data, as each objective learns them.

    Parameters
    ----------
    L : int
        Encoder depth.
    eps : float
        ``wbar(0)`` of every feature.
    ax : array of Axes, shape (2, 3), optional
        By default those of a new figure.

    Returns
    -------
    array of Axes, shape (2, 3)
        JEPA above MAE; static, temporal and masked data side by side. In each the amplitudes of
        the two features, as shares of their plateaus, and a dot where they reach half.

    Raises
    ------
    ValueError, TypeError
        As for `dlnflow.critical_time`; if a feature starts above half of its plateau, or is learned
        after more time than a float holds; or if ``ax`` has another shape.

    Notes
    -----
    The data is that of `dlnflow.generative.noisy_features`, the curves are `dlnflow.amplitude`.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import matplotlib.pyplot as plt
    >>> import dlnflow
    >>> panels = dlnflow.plot.noisy_features()
    >>> print(panels[0, 0].figure.get_suptitle().splitlines()[0])
    JEPA learns the clean feature first, MAE the larger, noisy one: in 3 of 3 kinds of data
    >>> plt.close("all")
    """
    depth = int(_validate.single("L", _validate.depth("L", L)))
    initial = float(_validate.single("eps", _validate.positive("eps", eps)))
    cases = {kind: replace(case_of(kind), L=depth, eps=initial) for kind in KINDS}
    _refuse_unordered(cases)
    panels = many_axes(ax, (2, len(cases)), figsize=(12.0, 6.6))
    for column, (kind, case) in enumerate(cases.items()):
        for row, objective in enumerate(OBJECTIVES):
            _draw(panels[row, column], case, objective)
        panels[0, column].set_title(f"{kind}\n{_described(case)}", fontsize="small")
        panels[1, column].set_xlabel(f"{label('paper')}, $t$")
    for row, objective in enumerate(OBJECTIVES):
        panels[row, 0].set_ylabel(
            f"{display(objective)}\n" r"amplitude over plateau, $\bar w / \bar w_\infty$"
        )
    network = f"{equals('L', depth)}, {equals('eps', initial)}"
    panels[0, 0].figure.suptitle(f"{_finding(cases)}\n{network}")
    return panels


def _refuse_unordered(cases: dict[str, NoisyFeatures]) -> None:
    """Refuse features without a positive, finite critical time."""
    for kind, case in cases.items():
        for objective in OBJECTIVES:
            lowest = float(np.min(plateau(case.rho, case.L, objective=objective)))
            if case.eps >= HALF * lowest:
                raise ValueError(
                    "eps must be below half of every plateau, so that each feature has something "
                    f"to learn: got {case.eps:g}, with a plateau of {lowest:.3g} in {kind} data "
                    f"({display(objective)}, L = {case.L})"
                )
            if not np.isfinite(case.critical_times(objective)).all():
                raise ValueError(
                    "eps must be large enough that every critical time fits a float: "
                    f"got {case.eps:g} for L = {case.L}"
                )


def _draw(axes: Axes, case: NoisyFeatures, objective: Objective) -> None:
    times = case.critical_times(objective)
    t = np.linspace(0.0, BEYOND * times.max(), POINTS)
    reached = plateau(case.rho, case.L, objective=objective)
    modes = case.lam[:, None], case.rho[:, None], case.L
    shares = amplitude(t, *modes, eps=case.eps, objective=objective) / reached[:, None]
    for feature in (CLEAN, NOISY):
        look: dict[str, Any] = {"color": _tint(objective, feature)}
        name = case.features[feature]
        axes.plot(
            t, shares[feature], **look, ls=STYLES[feature], lw=WIDTHS[feature], label=f"_{name}"
        )
        axes.plot(times[feature], HALF, "o", **look, markersize=5.0, label=f"_{name}, half")
        first = times[feature] == times.min()
        axes.annotate(
            f"{name} ",
            (times[feature], HALF),
            xytext=(-8 if first else 8, 0),
            textcoords="offset points",
            ha="right" if first else "left",
            va="center",
            **look,
        )
    axes.set(xlim=(0.0, t[-1]), ylim=(0.0, 1.05))


def _tint(objective: Objective, feature: int) -> Any:
    """The objective's colour for the clean feature, a stronger one for the noisy."""
    base = colour(objective)
    return to_rgb(base) if feature == CLEAN else tuple(ends_of(base, 0.5, 0.5)[1])


def _described(case: NoisyFeatures) -> str:
    """Both features in words and numbers, a line each."""
    lines = []
    for feature, words in ((CLEAN, case.clean), (NOISY, case.noisy)):
        lam, rho = (f"{values[feature]:.2f}" for values in (case.lam, case.rho))
        lines.append(rf"{case.features[feature]}: {words} ($\lambda = {lam}$, $\rho = {rho}$)")
    return "\n".join(lines)


def _finding(cases: dict[str, NoisyFeatures]) -> str:
    parted = sum(
        case.learning_order(JEPA)[0] == "clean" and case.learning_order(MAE)[0] == "noisy"
        for case in cases.values()
    )
    return (
        "JEPA learns the clean feature first, MAE the larger, noisy one: "
        f"in {parted} of {len(cases)} kinds of data"
    )

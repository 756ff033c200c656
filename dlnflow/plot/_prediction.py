"""Predicted times of features beside those of trained networks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from dlnflow.plot import _style as style

Array = NDArray[np.float64]

APART = 0.24  # between two objectives at one place in the order
MOST_OBJECTIVES = 4  # named in the legend, which also names four marks
AGREED = 1.0 - 1e-9  # Kendall's tau of two equal orders, up to rounding
LEAST = 0.01  # percent: a smaller error is that of the integration
MOST_NUMBERED = 12  # features whose mode is written beside them


class DrawnFeatures(Protocol):
    """What the figure reads of a prediction for one objective."""

    @property
    def objective(self) -> Any: ...
    @property
    def mode(self) -> NDArray[np.intp]: ...
    @property
    def time(self) -> Array: ...
    @property
    def closed_form(self) -> Array: ...
    @property
    def order(self) -> NDArray[np.intp]: ...
    @property
    def decided_by(self) -> NDArray[np.str_]: ...
    @property
    def believed(self) -> bool: ...
    @property
    def verification(self) -> Any: ...


class DrawnPrediction(Protocol):
    """What the figure reads of the record that `dlnflow.Spectrum.predict` returns."""

    @property
    def L(self) -> int: ...
    @property
    def eps(self) -> float: ...
    @property
    def time_label(self) -> str: ...
    @property
    def parts(self) -> Mapping[str, DrawnFeatures]: ...


def prediction(prediction: DrawnPrediction, *, ax: Axes | None = None) -> Axes:
    """When each feature is learned: predicted, in a trained network, and by the closed form.

    Parameters
    ----------
    prediction : Prediction
        From `dlnflow.Spectrum.predict`. With ``verify=True`` the times of the trained networks are
        drawn too.
    ax : Axes, optional
        By default those of a new figure.

    Returns
    -------
    Axes
        Features of each objective in the predicted order of learning, on a logarithmic axis of
        time. Numbers are modes of the spectrum, in place of which features with names are
        written. A feature that is never learned has an arrowhead at
        the top.

    Raises
    ------
    ValueError, TypeError
        If ``prediction`` lacks what is drawn or ``ax`` is no Axes.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import matplotlib.pyplot as plt
    >>> import numpy as np
    >>> import dlnflow
    >>> spectrum = dlnflow.Spectrum.from_covariances(np.diag([2.0, 1.0]), np.diag([0.8, 0.7]))
    >>> made = spectrum.predict(2, eps=0.01, objective="mae", verify=True)
    >>> print(dlnflow.plot.prediction(made).get_title().splitlines()[0])
    MAE: a network confirms the order of 2 of 2 features; median error below 0.01 %
    >>> plt.close("all")
    """
    style.refuse_without(DrawnPrediction, "prediction", prediction, "dlnflow Prediction")
    axes = style.single_axes(ax, figsize=(7.6, 5.0))
    axes.set_yscale("log")
    parts = list(prediction.parts.values())
    never = [_features(axes, part, place, len(parts)) for place, part in enumerate(parts)]
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(y=0.12)
    axes.set(
        xlabel="place in the predicted order of learning"
        + (" (numbers in the figure: modes)" if not getattr(parts[0], "labels", None) else ""),
        ylabel=f"learned at ({prediction.time_label})",
    )
    settings = f"$L = {prediction.L}$, {style.equals('eps', prediction.eps)}"
    axes.set_title("\n".join([*map(_finding, parts), settings]), fontsize="medium")
    verified = any(part.verification is not None for part in parts)
    style.legend_below(axes, [*_named(parts), *_marks(axes, verified, any(never))], columns=3)
    return axes


def _features(axes: Axes, part: DrawnFeatures, place: int, count: int) -> bool:
    """Draw the features of one objective; return whether some are never learned."""
    order = np.asarray(part.order)
    x = 1.0 + np.arange(order.size) + APART * (place - 0.5 * (count - 1))
    tint, shape = style.colour(part.objective), style.marker(part.objective)
    name = part.objective.name
    heights = {"predicted": part.time[order], "closed form": part.closed_form[order]}
    if part.verification is not None:
        heights["network"] = part.verification.time[order]
    looks = _looks(axes, shape)
    for kind, height in heights.items():
        drawn = _positive(height)
        label = f"_{name} {kind}"
        axes.plot(x[drawn], height[drawn], color=tint, label=label, **looks[kind])
    never = np.isinf(part.time[order])
    axes.plot(
        x[never],
        np.full(int(never.sum()), 0.97),
        color=tint,
        transform=axes.get_xaxis_transform(),
        label=f"_{name} never",
        **looks["never"],
    )
    labels = getattr(part, "labels", None)
    numbers = [style.plain(labels[i]) if labels else str(part.mode[i]) for i in order]
    _number(axes, numbers, x, np.stack([*heights.values()]), tint)
    return bool(never.any())


def _positive(height: Array) -> NDArray[np.bool_]:
    return np.isfinite(height) & (height > 0.0)


def _number(axes: Axes, names: list[str], x: Any, heights: Any, tint: str) -> None:
    """Write the mode, or its features, under the lowest mark of each feature."""
    if len(names) > MOST_NUMBERED:
        return
    for i, name in enumerate(names):
        seen = heights[_positive(heights[:, i]), i]
        if seen.size:
            axes.annotate(
                name,
                (x[i], seen.min()),
                xytext=(0, -11),
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize="small",
                color=tint,
            )


def _looks(axes: Axes, shape: str) -> dict[str, dict[str, Any]]:
    """How each kind of time is drawn: a disc within a ring, and a bar."""
    ring = {"markersize": 10, "markerfacecolor": "none", "markeredgewidth": 1.3}
    return {
        "predicted": {"marker": shape, "markersize": 4.5, "linestyle": ":", "linewidth": 0.9},
        "network": {"marker": shape, "linestyle": "", **ring},
        "closed form": {"marker": "_", "markersize": 13, "markeredgewidth": 1.3, "linestyle": ""},
        "never": {"marker": "^", "markersize": 6, "linestyle": ""},
    }


def _named(parts: list[DrawnFeatures]) -> Iterator[Any]:
    for part in parts[:MOST_OBJECTIVES]:
        yield style.legend_entry(
            style.display(part.objective),
            color=style.colour(part.objective),
            marker=style.marker(part.objective),
            linestyle=":",
        )


def _marks(axes: Axes, verified: bool, never: bool) -> Iterator[Any]:
    looks = _looks(axes, "o")
    words = {"predicted": "predicted", "closed form": "closed form"}
    if verified:
        words["network"] = "network"
    if never:
        words["never"] = "predicted: not learned"
    for kind, label in words.items():
        yield style.legend_entry(label, **looks[kind] | {"color": style.ink(), "linestyle": ""})


def _finding(part: DrawnFeatures) -> str:
    """What the figure shows of one objective."""
    who, made = style.display(part.objective), part.verification
    ever = np.isfinite(part.time)
    if not ever.size:
        return f"{who}: no feature is left to learn"
    if made is None or made.run is None:
        alone = int(np.sum(part.decided_by == "closed form"))
        sure = "" if part.believed else "; the prediction need not hold"
        return f"{who}: the closed form decides {alone} of {int(ever.sum())} times{sure}"
    both = int(np.sum(ever & np.isfinite(made.time)))
    error = 100.0 * made.median_error
    off = f"median error {f'{error:.2g}' if error >= LEAST else f'below {LEAST}'} %"
    if not both:
        return f"{who}: a network learned none of the features by {style.number(made.until)}"
    if made.tau is None:
        return f"{who}: a network learned {both} of {ever.size} features; {off}"
    if made.tau > AGREED:
        return f"{who}: a network confirms the order of {both} of {ever.size} features; {off}"
    return f"{who}: Kendall's tau with a network's order {made.tau:.2g}; {off}"

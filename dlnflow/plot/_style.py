"""What the figures share: colours, line styles, words for numbers, and the door for axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from inspect import getattr_static
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize, to_rgb
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.data._covariance import described
from dlnflow.theory._objective import JEPA, MAE, Objective, as_objective

Array = NDArray[np.float64]
MISSING = object()

# Okabe and Ito's palette, which colour-blind readers can tell apart
COLOURS = {"jepa": "#0072B2", "mae": "#D55E00"}
BETWEEN = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = {"jepa": "o", "mae": "s"}
MARKERS_BETWEEN = ("^", "D", "v", "P")
NEUTRAL = "0.35"
SHADES = 257  # odd, so that the middle one is the objective's own colour
BELOW = 0.55  # inches from the axes to a legend below them: tick labels and axis label

LINE_STYLES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1, 1.2)),
    (0, (6, 1.5, 1, 1.5)),
    (0, (9, 3)),
    (0, (2.5, 2.5)),
    (0, (6, 1.2, 1, 1.2, 1, 1.2)),
    (0, (1, 3)),
)
MOST_NAMED = len(LINE_STYLES)  # with more modes a colour scale replaces the legend

SYMBOLS = {"lam": r"\lambda", "rho": r"\rho", "L": "L", "eps": r"\epsilon", "decoder_depth": "P"}


def colour(objective: str | Objective) -> str:
    """The colour of an objective, the same in every figure.

    Parameters
    ----------
    objective : str or Objective
        ``"jepa"``, ``"mae"``, ``"layer-m"`` or an `dlnflow.Objective`.

    Returns
    -------
    str
        A colour of the palette of Okabe and Ito, in hexadecimal. The targets between JEPA and MAE
        share four colours, in turn.

    Raises
    ------
    ValueError, TypeError
        For what is not an objective.

    Examples
    --------
    >>> from dlnflow import plot
    >>> plot.colour("jepa"), plot.colour("mae")
    ('#0072B2', '#D55E00')
    """
    one = as_objective(objective)
    return COLOURS.get(one.name) or BETWEEN[_turn(one)]


def marker(objective: Objective) -> str:
    """The marker of an objective."""
    return MARKERS.get(objective.name) or MARKERS_BETWEEN[_turn(objective)]


def _turn(objective: Objective) -> int:
    assert objective.target_layer is not None
    return (objective.target_layer - 1) % len(BETWEEN)


def display(objective: Objective) -> str:
    """The objective in words."""
    if objective in (JEPA, MAE):
        return objective.name.upper()
    return f"target at layer {objective.target_layer}"


def number(value: float, digits: int = 3) -> str:
    """A number for text, in mathematical notation where it is very large or small."""
    text = f"{value:.{digits}g}"
    mantissa, _, exponent = text.partition("e")
    if not exponent and value and abs(value) <= 0.01:
        mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
        mantissa = mantissa.rstrip("0").rstrip(".")
    if not exponent:
        return text
    power = f"10^{{{int(exponent)}}}"
    return f"${power}$" if mantissa == "1" else rf"${mantissa} \times {power}$"


def factor(value: float) -> str:
    """A ratio for text."""
    return rf"$\times\,{number(value, 4).replace('$', '')}$"


def equals(name: str, value: float) -> str:
    """``lambda = 0.5`` for text."""
    return rf"${SYMBOLS[name]} = {number(value, 4).replace('$', '')}$"


@dataclass(frozen=True)
class ModeColumns:
    """The modes of a figure, one array element each, and how they are drawn."""

    lam: Array
    rho: Array
    L: Array
    eps: Array
    decoder_depth: Array

    @classmethod
    def of(cls, **columns: ArrayLike) -> ModeColumns:
        """Modes from columns that broadcast."""
        arrays = np.broadcast_arrays(*(np.asarray(a, dtype=np.float64) for a in columns.values()))
        return cls(**dict(zip(columns, (a.ravel() for a in arrays), strict=True)))

    @property
    def count(self) -> int:
        """Number of modes."""
        return self.lam.size

    @property
    def variance(self) -> Array | None:
        """1 for pure noise, whose critical time needs none; NaN where lam and rho say it."""
        return None if self.rho.all() else np.where(self.rho == 0.0, 1.0, np.nan)

    def among(self, chosen: NDArray[np.bool_]) -> ModeColumns:
        """Some of the modes."""
        return ModeColumns(**{name: getattr(self, name)[chosen] for name in SYMBOLS})

    @property
    def named(self) -> bool:
        """Whether they are few enough for a legend."""
        return self.count <= MOST_NAMED

    def varying(self) -> list[str]:
        """Names of the columns in which the modes differ."""
        return [name for name in SYMBOLS if np.ptp(getattr(self, name)) > 0.0]

    def labels(self) -> list[str]:
        """A label for each mode: what sets it apart, or lam and rho where nothing does."""
        names = self.varying() or ["lam", "rho"]
        rows = zip(*(getattr(self, name) for name in names), strict=True)
        return [", ".join(map(equals, names, row)) for row in rows]

    def shared(self, *names: str) -> str:
        """What all modes have in common, of the columns named, but for a decoder of one layer."""
        common = [name for name in names if name not in self.varying()]
        values = {name: float(getattr(self, name)[0]) for name in common}
        return ", ".join(
            equals(name, value)
            for name, value in values.items()
            if not (name == "decoder_depth" and value == 1.0)
        )

    def setting(self) -> str:
        """All that the modes have in common and that no label mentions."""
        named = ("lam", "rho") if self.varying() else ()
        return self.shared("L", *named, "eps", "decoder_depth")

    def scale(self, objective: Objective) -> tuple[list[Any], ScalarMappable, str]:
        """A shade of the objective's colour for each mode, their scale, and the scale's label."""
        name = next((n for n in ("rho", "lam", "eps", "L") if n in self.varying()), "rho")
        values = getattr(self, name)
        shades = ScalarMappable(_norm(values), shades_of(objective))
        if self.named:
            rank = np.searchsorted(np.unique(values), values)
            position = rank / rank.max() if rank.max() else np.full(values.shape, 0.5)
            colours = list(shades_of(objective)(position))
        else:
            colours = [shades.to_rgba(value) for value in values]
        return colours, shades, rf"${SYMBOLS[name]}$"

    def line_style(self, index: int) -> Any:
        """The style of one mode's line."""
        return LINE_STYLES[index] if self.named else "-"


def given_modes(lam: ArrayLike, rho: ArrayLike, eps: ArrayLike, **settings: Any) -> ModeColumns:
    """Modes as the user gives them: checked, pure noise among them."""
    columns = {"lam": _validate.real("lam", lam), "rho": _validate.real("rho", rho)}
    columns["eps"] = _validate.positive("eps", eps)
    _validate.together(**columns)
    modes = ModeColumns.of(**columns, **settings)
    _validate.modes(modes.lam, modes.rho, modes.variance)
    return modes


def shades_of(objective: Objective) -> LinearSegmentedColormap:
    """From a tint of the objective's colour through the colour to a shade of it."""
    base = np.array(to_rgb(colour(objective)))
    ends = base + 0.5 * (1.0 - base), 0.4 * base
    return LinearSegmentedColormap.from_list(objective.name, [ends[0], base, ends[1]], N=SHADES)


def _norm(values: Array) -> Normalize:
    low, high = float(values.min()), float(values.max())
    return LogNorm(low, high) if low > 0.0 and high > 30.0 * low else Normalize(low, high)


def explain_modes(
    axes: Axes, modes: ModeColumns, objective: Objective, extra: list[Line2D]
) -> None:
    """A legend for few modes, a colour scale for many."""
    lines = [line for line in axes.get_lines() if not str(line.get_label()).startswith("_")]
    if not modes.named and modes.varying():
        _, shades, label = modes.scale(objective)
        axes.figure.colorbar(shades, ax=axes, label=label)
    handles = [*(lines if modes.named else []), *extra]
    if handles:
        legend_below(axes, handles, columns=2 if len(modes.varying()) != 1 else 3)


def legend_below(axes: Axes, handles: Sequence[Artist], columns: int) -> None:
    """A legend under the axes, where it hides no data, if the figure's layout makes room for it."""
    look: dict[str, Any] = {"handles": handles, "fontsize": "small", "handlelength": 3.2}
    if axes.figure.get_layout_engine() is None:
        axes.legend(**look, loc="best")
        return
    shift = ScaledTranslation(0.0, -BELOW, axes.figure.dpi_scale_trans)
    axes.legend(
        **look,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        bbox_transform=axes.transAxes + shift,
        borderaxespad=0.0,
        ncols=min(columns, len(handles)),
    )


def refuse_without(fields: Sequence[str], name: str, value: Any, kind: str) -> None:
    """Refuse a record that lacks one of the attributes that a figure draws."""
    if any(getattr_static(value, field, MISSING) is MISSING for field in fields):
        raise TypeError(f"{name} must be a {kind}: got {type(value).__name__}")


def single_axes(ax: Axes | None, figsize: tuple[float, float] = (6.4, 4.4)) -> Axes:
    """The axes given, or those of a new figure."""
    if ax is None:
        return plt.subplots(figsize=figsize, layout="constrained")[1]
    if not isinstance(ax, Axes):
        raise ValueError(f"ax must be a Matplotlib Axes or None: got {type(ax).__name__}")
    return ax


def many_axes(ax: Any, shape: tuple[int, ...], figsize: tuple[float, float]) -> NDArray[Any]:
    """The array of axes given, or that of a new figure."""
    if ax is None:
        rows, columns = shape if len(shape) == 2 else (1, shape[0])
        grid = plt.subplots(rows, columns, figsize=figsize, layout="constrained", squeeze=False)[1]
        return grid.reshape(shape)
    given = np.asarray(ax, dtype=object)
    if shape == (1,) and given.ndim == 0:
        given = given.reshape(1)
    if not all(isinstance(one, Axes) for one in given.ravel()):
        raise ValueError(
            f"ax must be an array of Matplotlib Axes of shape {shape}: got {described(ax)}"
        )
    if given.shape != shape:
        raise ValueError(f"ax must have shape {shape}, one Axes for each panel: got {given.shape}")
    return given

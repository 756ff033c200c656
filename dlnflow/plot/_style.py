"""What the figures share: colours, line styles, numbers in text, and validation of axes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from inspect import getattr_static
from typing import Any, Protocol

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize, to_rgb, to_rgba
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation
from numpy.typing import ArrayLike, NDArray

from dlnflow._common._validate import described

Array = NDArray[np.float64]
MISSING = object()

# Okabe and Ito's palette, which colour-blind readers can tell apart
COLOURS = {"jepa": "#0072B2", "mae": "#D55E00"}
BETWEEN = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = {"jepa": "o", "mae": "s"}
MARKERS_BETWEEN = ("^", "D", "v", "P")
DARK = 0.5  # luminance of a background below which marks on it have to be light
SHADES = 257  # odd, so that the middle one is the objective's own colour
BELOW = 0.55  # inches from the axes to a legend below them: room for tick labels and axis label
LAYER = re.compile(r"layer-(\d{1,10})", re.ASCII)

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
MOST_NAMED = 5  # modes in a legend, which also names objectives and marks; a colour bar has more

LUMINANCE = (0.2126, 0.7152, 0.0722)  # of red, green and blue
SYMBOLS = {"lam": r"\lambda", "rho": r"\rho", "L": "L", "eps": r"\epsilon", "decoder_depth": "P"}


def background() -> str:
    """The colour behind the data in the present Matplotlib style."""
    faces = (mpl.rcParams[name] for name in ("axes.facecolor", "figure.facecolor"))
    return next((face for face in faces if to_rgba(face)[3] > 0.0), "white")


def is_dark() -> bool:
    """Whether the present Matplotlib style has a dark background."""
    return float(np.dot(LUMINANCE, to_rgb(background()))) < DARK


def ink() -> str:
    """The colour of text in the present Matplotlib style."""
    return str(mpl.rcParams["text.color"])


def neutral() -> str:
    """A grey that stands for no objective, readable on the present background."""
    return "0.65" if is_dark() else "0.35"


def ends_of(tint: str, paler: float, stronger: float) -> tuple[Array, Array]:
    """A weaker and a stronger shade of a colour; on a dark background the colour and a lighter one.

    ``paler`` and ``stronger`` are the shares of white and of black on a light background.
    """
    base = np.array(to_rgb(tint))
    if is_dark():
        return base, base + max(paler, stronger) * (1.0 - base)
    return base + paler * (1.0 - base), (1.0 - stronger) * base


class Named(Protocol):
    """An objective: anything with a name."""

    @property
    def name(self) -> str: ...


def objective_name(objective: str | Named) -> str:
    """``"jepa"``, ``"mae"`` or ``"layer-m"``, from a name in any case or an objective."""
    given = getattr(objective, "name", objective)
    if not isinstance(given, str):
        raise TypeError(f"objective must be a name or an Objective: got {described(objective)}")
    name = given.lower()
    if name in COLOURS:
        return name
    layer = LAYER.fullmatch(name)
    if layer is None:
        raise ValueError(
            "objective must be 'jepa', 'mae', 'layer-m' with a number m, or an Objective: "
            f"got {described(objective)}"
        )
    return f"layer-{int(layer[1])}" if int(layer[1]) else "mae"


def colour(objective: str | Named) -> str:
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
    ValueError
        For another name.
    TypeError
        For anything but a name or an objective.

    Examples
    --------
    >>> from dlnflow import plot
    >>> plot.colour("jepa"), plot.colour("mae")
    ('#0072B2', '#D55E00')
    """
    return _look(objective, COLOURS, BETWEEN)


def marker(objective: str | Named) -> str:
    """The marker of an objective."""
    return _look(objective, MARKERS, MARKERS_BETWEEN)


def _look(objective: str | Named, ends: dict[str, str], between: Sequence[str]) -> str:
    name = objective_name(objective)
    if name in ends:
        return ends[name]
    return between[(int(name.removeprefix("layer-")) - 1) % len(between)]


def display(objective: str | Named) -> str:
    """The objective in words."""
    name = objective_name(objective)
    return name.upper() if name in COLOURS else f"target at layer {name.removeprefix('layer-')}"


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


def plain(text: str) -> str:
    """A text without mathematics for Matplotlib."""
    return text.replace("$", r"\$")


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
    features: tuple[str, ...] | None = None

    @classmethod
    def of(cls, **columns: ArrayLike) -> ModeColumns:
        """Modes from columns that broadcast together."""
        arrays = np.broadcast_arrays(*(np.asarray(a, dtype=np.float64) for a in columns.values()))
        flat: dict[str, Any] = dict(zip(columns, (a.ravel() for a in arrays), strict=True))
        return cls(**flat)

    @property
    def count(self) -> int:
        """Number of modes."""
        return self.lam.size

    @property
    def variance(self) -> Array | None:
        """1 for pure noise, whose critical time needs no value; NaN where it is ``lam / rho``."""
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
        """A label for each mode: its features, or what sets it apart, or lam and rho."""
        if self.features is not None:
            return [f"{mode}: {plain(text)}" for mode, text in enumerate(self.features)]
        names = self.varying() or ["lam", "rho"]
        rows = zip(*(getattr(self, name) for name in names), strict=True)
        return [", ".join(map(equals, names, row)) for row in rows]

    def shared(self, *names: str) -> str:
        """What all modes have in common, of the columns named, but for a decoder of one layer."""
        one_layer = {"decoder_depth"} if self.decoder_depth[0] == 1.0 else set()
        hidden = one_layer.union(self.varying())
        return ", ".join(
            equals(name, getattr(self, name)[0]) for name in names if name not in hidden
        )

    def common(self) -> str:
        """All that the modes have in common and that no label mentions."""
        named = ("lam", "rho") if self.varying() else ()
        return self.shared("L", *named, "eps", "decoder_depth")

    def scale(self, tint: str) -> tuple[list[Any], ScalarMappable, str]:
        """A shade of the colour for each mode, their scale, and the scale's label."""
        name = next((n for n in ("rho", "lam", "eps", "L") if n in self.varying()), "rho")
        values = getattr(self, name)
        shades = ScalarMappable(_norm(values), shades_of(tint))
        if self.named:
            rank = np.searchsorted(np.unique(values), values)
            position = (
                rank / rank.max()
                if rank.max()
                else np.full(values.shape, 0.0 if is_dark() else 0.5)
            )
            colours = list(shades_of(tint)(position))
        else:
            colours = [shades.to_rgba(value) for value in values]
        return colours, shades, rf"${SYMBOLS[name]}$"

    def line_style(self, index: int) -> Any:
        """The style of one mode's line."""
        return LINE_STYLES[index] if self.named else "-"


def shades_of(tint: str) -> LinearSegmentedColormap:
    """From a weaker shade of a colour to a stronger one, if the background is light through it."""
    weak, strong = ends_of(tint, 0.5, 0.6)
    middle = 0.5 * (weak + strong) if is_dark() else np.array(to_rgb(tint))
    return LinearSegmentedColormap.from_list(tint, [weak, middle, strong], N=SHADES)


def _norm(values: Array) -> Normalize:
    low, high = float(values.min()), float(values.max())
    return LogNorm(low, high) if low > 0.0 and high > 30.0 * low else Normalize(low, high)


def named_lines(axes: Axes) -> list[Line2D]:
    """The lines that a legend lists."""
    return [line for line in axes.get_lines() if not str(line.get_label()).startswith("_")]


def explain_modes(
    axes: Axes, modes: ModeColumns, tint: str, named: Sequence[Line2D], others: Sequence[Line2D]
) -> None:
    """A legend for few modes; for many a colour bar, in shades of ``tint``."""
    if not modes.named and modes.varying():
        _, shades, label = modes.scale(tint)
        axes.figure.colorbar(shades, ax=axes, label=label)
    handles = [*(named if modes.named else []), *others]
    if handles:
        legend_below(axes, handles, columns=2 if len(modes.varying()) != 1 else 3)


def legend_entry(label: str, **look: Any) -> Line2D:
    """An entry of a legend that stands for several lines, neutral unless it has a colour."""
    return Line2D([], [], **{"color": neutral(), "label": label} | look)


def legend_below(axes: Axes, handles: Sequence[Artist], columns: int = 2) -> None:
    """A legend under the axes, where it hides no data, if the figure's layout makes room for it."""
    look: dict[str, Any] = {"loc": "best"}
    if axes.figure.get_layout_engine() is not None:
        shift = ScaledTranslation(0.0, -BELOW, axes.figure.dpi_scale_trans)
        look = {
            "loc": "upper center",
            "bbox_to_anchor": (0.5, 0.0),
            "bbox_transform": axes.transAxes + shift,
            "borderaxespad": 0.0,
            "ncols": min(columns, len(handles)),
        }
    axes.legend(handles=handles, fontsize="small", handlelength=3.2, **look)


def fields_of(record: type) -> list[str]:
    """The attributes that a protocol lists."""
    return [name for name in vars(record) if not name.startswith("_")]


def has_fields(record: type, value: Any) -> bool:
    """Whether a value has all attributes of the protocol, without computing any."""
    return all(getattr_static(value, name, MISSING) is not MISSING for name in fields_of(record))


def refuse_without(record: type, name: str, value: Any, kind: str) -> None:
    """Refuse a value that lacks one of the attributes that a figure draws."""
    if not has_fields(record, value):
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

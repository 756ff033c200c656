"""Records of a prediction: what networks would learn first from data, and how far to believe it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dlnflow._common._frozen import read_only, set_fields
from dlnflow.theory._clock import Clock, label
from dlnflow.theory._objective import Objective

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Array = NDArray[np.float64]
IntArray = NDArray[np.intp]

AGREES = 0.02  # relative difference up to which a time is that of the closed form
NAMED, WIDTH = 12, 100  # rows of a printed table, and columns of printed text


@dataclass(frozen=True, eq=False)
class Verification:
    """What a whole network, trained beside the prediction, did: an immutable record.

    Attributes
    ----------
    time : array, shape (modes,)
        Times at which the network had learned each feature; infinite if it had not by ``until``.
    lost_time : array, shape (modes,)
        Times from which a learned feature was lost again; infinite if it was not.
    tau : float or None
        Kendall's tau between predicted and measured order, over the features that the prediction or
        the network learned by ``until``; None for fewer than two.
    median_error : float
        Median of ``|measured / predicted - 1|`` over the same features; NaN for none.
    until : float
        The last time reached.
    stopped : str or None
        Why the network's training ended early.
    run
        The training run, a `dlnflow.network.Run`.
    """

    time: Array
    lost_time: Array
    tau: float | None
    median_error: float
    until: float
    stopped: str | None
    run: Any

    def __post_init__(self) -> None:
        set_fields(self, vars(self))

    __setstate__ = set_fields


@dataclass(frozen=True, eq=False, repr=False)
class FeaturePrediction:
    """The features that one objective learns first: an immutable record.

    Rows of all arrays are features, in the order of the spectrum's modes.

    Attributes
    ----------
    objective : Objective
    mode : array of int, shape (modes,)
        Number of each feature among the modes of the spectrum.
    lam, rho : array, shape (modes,)
    time : array, shape (modes,)
        Time at which each feature is learned: half of its variance can be read from the encoder
        under the default noise of `dlnflow.network.Run.probe_r2`. Infinite if it is not learned by
        ``until``.
    lost_time : array, shape (modes,)
        Time from which a learned feature is lost again, because units leave it for another one, up
        to 1.5 times the last of the times (or to ``until``); infinite if it is not lost then.
    closed_form : array, shape (modes,)
        Critical time of the mode alone.
    bound : array, shape (modes,)
        Relative error of ``time`` to expect; infinite where it is not known, and where ``time`` is.
    features : array, shape (d, modes)
        Filters ``v``, so that ``x @ features`` are the features with unit variance; of ``x``
        divided by `Spectrum.scale` if that is not None.
    probability : array, shape (learned - 1,), or None
        For each step of the order, among the features that are learned, the probability that the
        two are learned in this order, from the standard errors of the spectrum; None without them.
        Times scatter about the predicted ones as those of the closed form do.
    dimensions : int
        Dimensions of the network that was integrated; the rank of the data for the whole network.
    until : float
        Time to which it was integrated.
    started : array of int
        Modes that are left out since they start above half of their plateau.
    believed : bool
        If the prediction should hold; ``verdict`` says why, or why not. False if a network trained
        beside it contradicts more than a tenth of the times.
    verdict : str
    verification : Verification or None
    labels : tuple of str, or None
        What the data call each feature: `Spectrum.labels`.
    """

    objective: Objective
    mode: IntArray
    lam: Array
    rho: Array
    time: Array
    lost_time: Array
    closed_form: Array
    bound: Array
    features: Array
    probability: Array | None
    dimensions: int
    until: float
    started: IntArray
    believed: bool
    verdict: str
    verification: Verification | None = None
    labels: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        set_fields(self, vars(self))

    __setstate__ = set_fields

    @property
    def order(self) -> IntArray:
        """Rows in the order of learning; those that are never learned come last."""
        return read_only(np.argsort(self.time, kind="stable"))

    @property
    def decided_by(self) -> NDArray[np.str_]:
        """What decides each time: ``"closed form"``, ``"interaction"`` or ``"not learned"``.

        By the closed form, to 2 %, a feature is learned as a mode alone. An interaction is the
        effect of units that have learned other features: a JEPA's turn to features of larger
        ``rho``.
        """
        with np.errstate(invalid="ignore"):
            agrees = np.abs(self.time / self.closed_form - 1.0) <= AGREES
        names = np.where(agrees, "closed form", "interaction")
        return np.where(np.isinf(self.time), "not learned", names)

    @property
    def network_time(self) -> Array:
        """`Verification.time`; an error without ``verify=True``."""
        return self._verified("network_time").time

    @property
    def network_lost_time(self) -> Array:
        """`Verification.lost_time`; an error without ``verify=True``."""
        return self._verified("network_lost_time").lost_time

    @property
    def tau(self) -> float | None:
        """`Verification.tau`; an error without ``verify=True``."""
        return self._verified("tau").tau

    @property
    def median_error(self) -> float:
        """`Verification.median_error`; an error without ``verify=True``."""
        return self._verified("median_error").median_error

    def _verified(self, name: str) -> Verification:
        if self.verification is None:
            raise ValueError(f"{name} needs a trained network: use predict(..., verify=True)")
        return self.verification

    def to_dataframe(self) -> pd.DataFrame:
        """One row per feature, in the order of learning.

        Columns ``mode, lam, rho, time, bound, closed_form, decided_by, lost_time``, and
        ``network_time, network_lost_time`` with a verification; with `labels` also ``features``.
        """
        from dlnflow._common._frame import Frame

        names = ("mode", "lam", "rho", "time", "bound", "closed_form", "decided_by", "lost_time")
        columns: dict[str, Any] = {name: getattr(self, name) for name in names}
        if self.labels is not None:
            columns = {"mode": self.mode, "features": self.labels} | columns
        if self.verification is not None:
            columns["network_time"] = self.verification.time
            columns["network_lost_time"] = self.verification.lost_time
        return Frame(columns).iloc[self.order].reset_index(drop=True)

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        """The verdict, the table, and what a trained network says."""
        yield textwrap.fill(f"{self.objective.name.upper()}: {self.verdict}", WIDTH)
        if not self.mode.size:
            return
        shown = self.to_dataframe().head(NAMED)
        shown = shown.loc[:, [name for name in shown if name == "time" or not _empty(shown[name])]]
        looks = dict.fromkeys(shown.columns, _cell) | {"bound": "{:.2g}".format}
        yield shown.to_string(index=False, formatters=looks)
        if self.probability is not None and self.probability.size:
            order = self.mode[self.order][: self.probability.size + 1]
            sure = ", ".join(
                f"{before} before {after} {chance:.2f}"
                for (before, after), chance in zip(pairwise(order), self.probability, strict=True)
            )
            yield textwrap.fill(
                f"probability of each step, from the sampling errors: {sure}", WIDTH
            )


@dataclass(frozen=True, eq=False, repr=False)
class Prediction(Mapping[str, FeaturePrediction]):
    """What networks would learn first, for each objective: an immutable record.

    Index it by the name of an objective.

    Attributes
    ----------
    L, decoder_depth, eps, p, clock
        The arguments of the prediction.
    """

    L: int
    decoder_depth: int
    eps: float
    p: float
    clock: Clock
    parts: Mapping[str, FeaturePrediction]

    def __getitem__(self, objective: str) -> FeaturePrediction:
        if objective not in self.parts:
            names = ", ".join(map(repr, self.parts))
            raise KeyError(f"{objective!r} was not predicted; here are {names}")
        return self.parts[objective]

    def __iter__(self) -> Iterator[str]:
        return iter(self.parts)

    def __len__(self) -> int:
        return len(self.parts)

    @property
    def believed(self) -> bool:
        """If the predictions for all objectives should hold."""
        return all(part.believed for part in self.values())

    @property
    def time_label(self) -> str:
        """The clock in words."""
        return label(self.clock)

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """When each feature is learned; see `dlnflow.plot.prediction`."""
        from dlnflow import plot

        return plot.prediction(self, ax=ax)

    def to_dataframe(self) -> pd.DataFrame:
        """The tables of all objectives, with a column ``objective``."""
        import pandas as pd

        frames = []
        for name, part in self.items():
            frame = part.to_dataframe()
            frame.insert(0, "objective", name)
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    def __repr__(self) -> str:
        title = f"Prediction: L = {self.L}, eps = {self.eps:g} ({self.time_label})"
        return "\n\n".join([title, *map(repr, self.values())])

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"


Predictor = Callable[..., Prediction]
_supplied: list[Predictor] = []


def supply(predictor: Predictor) -> None:
    """Set the function behind `Spectrum.predict`.

    A prediction integrates whole networks, whose package stands above that of the data and imports
    it. So that package supplies the function when it is loaded, which ``import dlnflow`` does.
    """
    _supplied[:] = [predictor]


def supplied() -> Predictor:
    """The function that was supplied."""
    return _supplied[0]


def _empty(column: Any) -> bool:
    return column.dtype.kind == "f" and not np.isfinite(column).any()


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

"""Compares amplitude curves with those of trained networks, whatever the closed form says.

The reference is a table of some thousand trained networks, ``trained_networks.npz``, written by
``docs/_build/trained_networks.py``. Each is a point: the features of its curves, projected so that
networks of one class lie together. A log is judged by the networks nearest to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow._common._frozen import read_only, set_fields
from dlnflow.identification._shape import shape

Array = NDArray[np.float64]

OBJECTIVES = ("jepa", "mae")
DEPTHS = (1, 2, 3, 4)
CLASSES = tuple((objective, L) for objective in OBJECTIVES for L in DEPTHS)
TABLE = "trained_networks.npz"
NONE = len(CLASSES)  # label of the curves that no network drew

SINGLE, SEVERAL = 15, 34  # features of logs of one mode, and of several
FARTHEST = 4.0  # standard deviations at which features are cut off
NEIGHBOURS = 50
OBJECTIVE_FROM = 0.84  # probability from which the objective is told
DEPTH_FROM = 0.9  # probability of objective and depth from which the depth is told, too
LEAST_TIMES = 15
NEGATIVE = 0.2  # of the largest amplitude: noise draws no mode this far below 0


@dataclass(frozen=True, eq=False)
class Likeness:
    """Which trained networks have curves like these: an immutable record.

    Build one with `likeness`.

    Attributes
    ----------
    classes : array, shape (9,)
        Probabilities of JEPA with L = 1 to 4, of MAE with L = 1 to 4, and that no trained network
        of the reference has curves like these.
    neighbours : int
        Number of reference curves that the probabilities count; 0 if no mode of the log rises.
    distance : float
        How far these curves go, in the projection; infinite if there are none.
    strange : bool
        Whether the log is farther from the reference than 99 % of the logs of other trained
        networks.
    """

    classes: Array
    neighbours: int
    distance: float
    strange: bool

    def __setstate__(self, state: Mapping[str, object]) -> None:
        set_fields(self, state)

    @property
    def probability(self) -> dict[tuple[str, int] | str, float]:
        """Probability of each objective and depth, and of ``"none"``."""
        return dict(zip((*CLASSES, "none"), self.classes.tolist(), strict=True))

    @property
    def objective(self) -> dict[str, float]:
        """Probability of each objective, whatever the depth."""
        sums = self._networks.sum(axis=1).round(12)  # so that 0.9 reaches a threshold of 0.9
        return dict(zip(OBJECTIVES, sums.tolist(), strict=True))

    @property
    def depth(self) -> dict[int, float]:
        """Probability of each depth, given the more probable objective; 0 if both are 0."""
        row = self._networks[self._networks.sum(axis=1).argmax()]
        shares = row / row.sum() if row.any() else row
        return dict(zip(DEPTHS, shares.tolist(), strict=True))

    @property
    def told(self) -> tuple[str | None, int | None]:
        """Objective and depth as far as they are probable enough, else None.

        The objective from a probability of ``OBJECTIVE_FROM`` on, the depth if it and the objective
        have one of ``DEPTH_FROM``. A strange log is told nothing.
        """
        objective, probable = max(self.objective.items(), key=lambda item: item[1])
        if self.strange or probable < OBJECTIVE_FROM:
            return None, None
        row = self._networks[OBJECTIVES.index(objective)]
        return objective, DEPTHS[row.argmax()] if row.max() >= DEPTH_FROM else None

    @property
    def _networks(self) -> Array:
        return self.classes[:NONE].reshape(len(OBJECTIVES), len(DEPTHS))


def likeness(t: ArrayLike, w: ArrayLike) -> Likeness:
    """Compare measured amplitudes with those of trained networks of known objective and depth.

    `identify` fits the closed form, which holds for a balanced and aligned initialisation. Networks
    trained by batches from Gaussian weights do not follow it. Their curves still show the objective
    in about half of the logs with several modes, and the depth in a few. This function does not
    explain a log; it counts, among the reference networks with the most similar curves, those of
    each objective and depth. The closed form is not used.

    Only the shape of curves counts: how a mode rises from its foot to its top, how long it takes to
    begin, and whether it is lost again. Units of time and amplitude, plateaus, and the order of the
    rows do not. ``t`` may count steps of any schedule.

    Parameters
    ----------
    t : array, shape (times,)
        Rising times in any unit, at least 15, from the initialisation on.
    w : array, shape (modes, times) or (times,)
        Amplitudes |W b_i| in any unit, one row for each mode. A row that is nowhere above 0
        does not count.

    Returns
    -------
    Likeness

    Raises
    ------
    ValueError
        If ``t`` does not rise or has fewer than 15 times, if ``w`` does not fit to ``t``, is 0
        throughout or is well below 0.
    TypeError
        If one of them does not hold real numbers.

    Examples
    --------
    >>> import numpy as np
    >>> import dlnflow
    >>> from dlnflow.identification import _trained
    >>> t = np.linspace(0, 20, 200)
    >>> w = dlnflow.amplitude(t, [[1.0], [0.7]], [[0.9], [0.6]], 2, eps=0.02, objective="mae")
    >>> like = _trained.likeness(t, w)
    >>> like.told[0]
    'mae'
    """
    found = shape(*_validated(t, w))
    if found is None:
        return Likeness(read_only(np.eye(NONE + 1)[NONE]), 0, np.inf, strange=True)
    return judged(reference(found.features.size), found.features)


def _validated(t: ArrayLike, w: ArrayLike) -> tuple[Array, Array]:
    times, curves = _validate.real("t", t), np.atleast_2d(_validate.real("w", w))
    if times.ndim != 1 or times.size < LEAST_TIMES or (np.diff(times) <= 0).any():
        raise ValueError(
            f"t must hold at least {LEAST_TIMES} rising times: got {_validate.described(t)}"
        )
    if curves.ndim != 2 or curves.shape[1] != times.size or not len(curves):
        raise ValueError(
            f"w must have shape (modes, {times.size}), as t has {times.size} times: "
            f"got shape {np.shape(w)}"
        )
    largest = curves.max()
    if not largest > 0 or curves.min() < -NEGATIVE * largest:
        raise ValueError(
            f"w must be amplitudes, above 0 but for noise: got values from {curves.min():g} "
            f"to {largest:g}"
        )
    moving = curves[curves.max(axis=1) > 0]
    return (times - times[0]) / (times[-1] - times[0]), moving / largest


class Metric(NamedTuple):
    """Reference curves as points, and how the features of a log become a point.

    Attributes
    ----------
    mean, scale : array, shape (features,)
        Features are measured from ``mean`` in units of ``scale``.
    projection : array, shape (terms, dims)
        Of the features and their products, to where classes lie apart.
    points : array, shape (curves, dims)
    labels : array of int, shape (curves,)
        Place in `CLASSES`, or `NONE`.
    far : array, shape ()
        Distance to the last neighbour beyond which a log is strange.
    """

    mean: Array
    scale: Array
    projection: Array
    points: Array
    labels: NDArray[np.uint8]
    far: Array


def with_products(features: Array) -> Array:
    """Standardised features, cut off far out, and their products: shape (..., terms)."""
    near = np.clip(features, -FARTHEST, FARTHEST)
    one, other = np.triu_indices(near.shape[-1])
    return np.concatenate([near, near[..., one] * near[..., other]], axis=-1)


@cache
def reference(size: int) -> Metric:
    """The reference for logs with ``SINGLE`` or ``SEVERAL`` features."""
    with (files("dlnflow.identification") / TABLE).open("rb") as file, np.load(file) as table:
        parts = {name: table[f"{name}_{size}"] for name in Metric._fields}
    labels = parts.pop("labels")
    return Metric(labels=labels, **{name: part.astype(float) for name, part in parts.items()})


def judged(metric: Metric, features: Array) -> Likeness:
    """The classes of the reference curves that are nearest to these features."""
    point = with_products((features - metric.mean) / metric.scale) @ metric.projection
    distances = np.linalg.norm(metric.points - point, axis=1)
    nearest = np.argpartition(distances, NEIGHBOURS)[:NEIGHBOURS]
    counts = np.bincount(metric.labels[nearest], minlength=NONE + 1)
    distance = float(distances[nearest].max())
    return Likeness(
        read_only(counts / NEIGHBOURS), NEIGHBOURS, distance, strange=bool(distance > metric.far)
    )

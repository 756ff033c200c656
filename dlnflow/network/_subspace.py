"""The flow of whole networks inside the subspace that decides what is learned first.

From a small balanced initialisation features grow along the singular vectors of ``Sigma_yx``. Then
a JEPA's units turn to generalised eigenvectors of larger ``rho``. Covariances projected onto the
leading vectors of both kinds give a small network that learns as the whole one does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlnflow._common._progress import Progress
from dlnflow.network._equations import Equations, prefixes
from dlnflow.network._learning import crossing_times, loss_times
from dlnflow.network._preconditioner import Preconditioner
from dlnflow.network._probe import Readout, signal_to_noise
from dlnflow.network._solvers import (
    LARGEST_FACTORISED,
    MISSING,
    cvode_is_installed,
    integrate,
)

Array = NDArray[np.float64]

RTOL = {"DOP853": 1e-6, "CVODE": 1e-4, "Radau": 1e-5}  # for times to a few thousandths
FINE = {"DOP853": 1e-8, "CVODE": 1e-6, "Radau": 1e-7}
READ = 0.05  # relative change of a signal over its noise, for the bounds of times
SPELL, LOST = 1.05, 1.5  # over the time of the last feature: end of the flow, and of `lost`
WITHIN = 6  # times recorded within a step in which a feature is first learned
COMPLETE = "all features are learned"
RANK = 1e-10  # singular values of a basis below this share of the largest are rounding


@dataclass(frozen=True, eq=False)
class Subspace:
    """Orthonormal columns in whose span the covariances are projected."""

    columns: Array  # d x r

    @classmethod
    def spanned(cls, *directions: Array) -> Subspace:
        """The span of some directions, as unit columns."""
        together = np.hstack([one / np.linalg.norm(one, axis=0) for one in directions])
        left, size, _ = np.linalg.svd(together, full_matrices=False)
        return cls(left[:, size > RANK * size[0]])

    @property
    def size(self) -> int:
        """``r``."""
        return self.columns.shape[1]

    def inside(self, matrix: Array) -> Array:
        """A covariance matrix in the coordinates of the columns."""
        return np.asarray(self.columns.T @ matrix @ self.columns)


@dataclass(frozen=True, eq=False)
class BalancedFlow:
    """Gradient flow from the balanced initialisation, and the features to read from it.

    Parameters
    ----------
    xx, yx : array, shape (d, d)
    target_layer, L, decoder_depth : int
    eps : float
    filters : array, shape (d, k)
        Features ``v . x`` of unit variance.
    sigma : array, shape (k,)
        Noise of the probe.
    read : float
        Relative change of a signal over its noise for the bounds of times.
    """

    xx: Array
    yx: Array
    target_layer: int
    L: int
    decoder_depth: int
    eps: float
    filters: Array
    sigma: Array
    read: float = READ


class Learned(NamedTuple):
    """Network times at which each feature is learned, and lost again; infinite if never.

    ``lost`` is judged at `LOST` times the last of the first ``wanted`` times, or at the end.
    ``early`` and ``late`` are the times if the signal over the noise were larger or smaller by the
    share ``read``. ``until`` is the last time reached, and ``stopped`` why, if it is not the end
    asked for.
    """

    time: Array
    lost: Array
    early: Array
    late: Array
    until: float
    stopped: str | None = None


def learned(
    flow: BalancedFlow,
    subspace: Subspace,
    *,
    wanted: int,
    end: float,
    most_steps: int,
    tracker: Progress,
    rtol: Mapping[str, float] = RTOL,
) -> Learned:
    """Integrate the projected flow until ``wanted`` features are learned.

    It ends at the network time ``end`` or after ``most_steps`` at the latest.

    Raises
    ------
    ImportError
        If the network is too large for SciPy's implicit methods and scikit-sundae is missing.
    """
    weights = subspace.size**2 * (flow.L + flow.decoder_depth)
    if weights > LARGEST_FACTORISED and not cvode_is_installed():
        raise ImportError(f"a prediction for {subspace.size} dimensions needs {MISSING}")
    follower = _Follower(flow, subspace, wanted, most_steps)
    done = integrate(
        follower.equations,
        follower.start,
        np.array([end]),
        keep=lambda _: np.zeros(1),
        rtol=rtol,
        atol=None,
        method="auto",
        tracker=tracker,
        watch=follower,
        precondition=Preconditioner.serves(follower.equations),
    )
    t, curves = np.array(follower.times), np.array(follower.heights).T
    level = np.ones(len(curves))
    if tracker.error is not None:
        raise tracker.error
    if done.stopped == "interrupted":
        raise KeyboardInterrupt
    shares = (1.0 - flow.read, 1.0, 1.0 + flow.read)
    early, first, late = (crossing_times(t, curves, share * level) for share in shares)
    last = np.max(np.sort(first)[:wanted], where=np.isfinite(np.sort(first)[:wanted]), initial=0.0)
    followed = t <= max(LOST * last, t[0])
    lost = loss_times(t[followed], curves[:, followed], level)
    reason = None if done.stopped == COMPLETE else done.stopped
    return Learned(first, lost, early, late, float(t[-1]), reason)


class _Follower:
    """Records the height of every feature at every step of the projected flow.

    Also within steps in which a feature is first learned, or nearly.
    """

    def __init__(
        self, flow: BalancedFlow, subspace: Subspace, wanted: int, most_steps: int
    ) -> None:
        variances, rotation = np.linalg.eigh(subspace.inside(flow.xx))
        columns, r = subspace.columns @ rotation, subspace.size
        layers = flow.L + flow.decoder_depth
        self._root = np.sqrt(np.maximum(variances, 0.0))
        self._seen = columns.T @ flow.xx @ flow.filters / self._root[:, None]
        self._flow, self._wanted, self._most_steps = flow, wanted, most_steps
        self.equations = Equations(
            ((r, r),) * layers, flow.target_layer, variances, columns.T @ flow.yx @ columns
        )
        self.start = np.tile((flow.eps ** (1.0 / flow.L) * np.eye(r)).ravel(), layers)
        self.times, self.heights = [0.0], [self._height(self.start)]
        self._highest, self._steps, self._end = self.heights[0], 0, np.inf

    def __call__(self, t: float, weights: Array, at: Callable[[float], Array]) -> str | None:
        after = self._height(weights)
        read = self._flow.read
        levels = np.array([[1.0 - read], [1.0], [1.0 + read]])
        if np.any((self._highest < levels) & (after >= levels)):
            for time in np.linspace(self.times[-1], t, WITHIN + 1, endpoint=False)[1:].tolist():
                self._record(time, self._height(at(time)))
        self._record(t, after)
        if np.sum(self._highest >= 1.0 + 1.5 * read) >= self._wanted:
            self._end = min(self._end, SPELL * t)
        if t >= self._end:
            return COMPLETE
        self._steps += 1
        return f"{self._most_steps} steps" if self._steps > self._most_steps else None

    def _record(self, t: float, height: Array) -> None:
        self.times.append(t)
        self.heights.append(height)
        self._highest = np.maximum(self._highest, height)

    def _height(self, weights: Array) -> Array:
        """Signal over noise of every feature: 1 where half of its variance can be read."""
        encoder = prefixes(self.equations.layers(weights)[: self._flow.L])[-1]
        readout = Readout((encoder * self._root)[None], self._seen)
        return signal_to_noise(readout.r2(self._flow.sigma)[0])

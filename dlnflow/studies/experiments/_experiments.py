"""Three experiments with whole networks on the paper's claims: order, depth, initialisation.

Each function trains networks and returns an `Experiment`: a table, the finding in one sentence, and
``plot()``. An interrupt (Ctrl-C) ends it early with what was measured. Any other exception
propagates; its attribute ``experiment`` is the partial experiment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow._common._progress import Progress, ProgressOption
from dlnflow.network._compare import compare
from dlnflow.network._descent import gradient_descent
from dlnflow.network._flow import gradient_flow
from dlnflow.network._initialise import balanced
from dlnflow.network._learning import GREEDY, breakdown
from dlnflow.network._network import Network
from dlnflow.network._run import Run, finished
from dlnflow.studies._pairs import GaussianPairs
from dlnflow.studies.experiments._tables import (
    Comparisons,
    depth_finding,
    depth_table,
    greedy_finding,
    order_finding,
    order_table,
    overlap_table,
)
from dlnflow.theory._critical_time import critical_time
from dlnflow.theory._modes import plateau
from dlnflow.theory._objective import Objective, Objectives, as_objectives

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

SAME_ORDER = ((1.4, 1.25, 1.1, 1.0), (0.95, 0.85, 0.72, 0.6))
OPPOSITE_ORDER = ((1.0, 1.08, 1.16, 1.24), (0.95, 0.84, 0.72, 0.6))
LATE = 0.97  # of the plateau of the last mode: training ends there
DECADES = tuple(float(f"{start:.2g}") for start in np.geomspace(1e-7, 1e-1, 25))
POINTS = 400


@dataclass(frozen=True, eq=False, repr=False)
class Experiment:
    """The result of an experiment: an immutable record.

    Attributes
    ----------
    name : {"order", "depth", "initialisation"}
    finding : str
        The result in one sentence.
    table : pandas.DataFrame
    comparisons : dict
        The runs with their predictions; see each experiment for the keys.
    stopped : str or None
        Why the experiment is not complete, if it is not.
    """

    name: str
    finding: str
    table: pd.DataFrame
    comparisons: Comparisons
    stopped: str | None = None

    @property
    def most_overlap(self) -> float:
        """Overlap of learning windows up to which modes are learned one at a time."""
        return GREEDY

    @property
    def greedy_below(self) -> dict[str, float]:
        """By objective, the ``eps`` at which the measured overlap reaches `most_overlap`.

        0 if it is larger from the first, infinite if it stays smaller; empty for the experiments
        that do not vary ``eps``.
        """
        if "measured_overlap" not in self.table:
            return {}
        return {
            str(name): breakdown(part["eps"].to_numpy(), part["measured_overlap"].to_numpy())
            for name, part in self.table.groupby("objective", sort=False)
        }

    def plot(self, *, ax: Any = None) -> NDArray[Any]:
        """Draw the result; see `dlnflow.plot.experiment`."""
        from dlnflow import plot

        return plot.experiment(self, ax=ax)

    def __repr__(self) -> str:
        cut = f" (stopped early: {self.stopped})" if self.stopped else ""
        return f"Experiment {self.name!r}: {self.finding}{cut}"


def order(
    same: tuple[ArrayLike, ArrayLike] = SAME_ORDER,
    opposite: tuple[ArrayLike, ArrayLike] = OPPOSITE_ORDER,
    *,
    L: int = 5,
    eps: float = 1e-2,
    lr: float = 0.04,
    batch_size: int = 256,
    rng: int = 0,
    progress: ProgressOption = False,
) -> Experiment:
    """Order of learning of JEPA and MAE, on Gaussian samples from two distributions.

    Parameters
    ----------
    same, opposite : (lam, rho)
        Modes of a distribution for which both objectives learn in the same order, and of one for
        which the orders are opposite; ``0 < rho <= 1``.
    L, eps
        Depth and initial amplitude.
    lr, batch_size
        Settings of gradient descent on fresh samples.
    rng : int
        Seed of bases, initialisation and samples; 0 by default.
    progress : bool or callable
        As for `dlnflow.network.gradient_flow`; over the four runs.

    Returns
    -------
    Experiment
        Table: ``distribution, objective, mode, lam, rho, predicted_time, measured_time``, on the
        network clock, and ``place``, the rank of each mode in the order of learning. Comparisons by
        (distribution, objective).

    Raises
    ------
    ValueError, TypeError
        As for `dlnflow.network.gradient_descent`.

    Examples
    --------
    >>> from dlnflow.studies import experiments
    >>> quick = experiments.order(L=2, eps=0.1, batch_size=64)
    >>> quick.table.shape
    (16, 8)
    """
    random = _validate.generator("rng", rng)
    rate = float(_validate.single("lr", _validate.positive("lr", lr)))
    distributions = {
        "same": GaussianPairs.of(*_given_modes("same", same), random),
        "opposite": GaussianPairs.of(*_given_modes("opposite", opposite), random),
    }

    def train(name: str, objective: Objective) -> Run:
        data = distributions[name]
        end = critical_time(
            data.lam, data.rho, L, eps=eps, objective=objective, p=LATE, clock="network"
        )
        return gradient_descent(
            _initial(data, L, eps, objective, random),
            data.sigma_xx,
            data.sigma_yx,
            objective=objective,
            lr=lr,
            steps=int(np.ceil(float(np.max(end)) / rate)),
            sampler=data.sample,
            batch_size=batch_size,
            record=POINTS,
            clock="network",
            rng=random,
        )

    runs = _Runs("{} order, {}", distributions, ("jepa", "mae"), train)
    return runs.experiment("order", order_table, order_finding, progress)


def depth(
    depths: ArrayLike = range(1, 7),
    rho: ArrayLike = (1.0, 0.8, 0.65, 0.5),
    *,
    lam: float = 1.0,
    eps: float = 1e-3,
    objective: Objectives = ("jepa", "mae"),
    rng: int = 0,
    progress: ProgressOption = False,
) -> Experiment:
    """Delay of features of small ``rho`` behind those of large ``rho``, against depth.

    Parameters
    ----------
    depths : array of int
        Encoder depths.
    rho : array
        Regression coefficients, of which the largest and the smallest are compared; in (0, 1].
    lam : float
        Covariance, the same for all.
    eps, objective
        As for `dlnflow.simulate`.
    rng, progress
        As for `order`.

    Returns
    -------
    Experiment
        Table: ``L, objective, predicted_gap, measured_gap``: the delay of the mode of smallest
        ``rho`` behind that of largest ``rho``, relative to the critical time of the latter.
        Comparisons by (L, objective).

    Raises
    ------
    ValueError, TypeError
        As for `dlnflow.network.gradient_flow`.

    Examples
    --------
    >>> from dlnflow.studies import experiments
    >>> experiments.depth([1, 2], eps=1e-2).table.round(3)
       L objective  predicted_gap  measured_gap
    0  1      jepa          0.012         0.012
    1  1       mae         -0.085        -0.085
    2  2      jepa          0.182         0.182
    3  2       mae         -0.033        -0.033
    """
    layers = np.unique(_validate.depth("depths", depths)).tolist()
    random = _validate.generator("rng", rng)
    covariance = _validate.single("lam", _validate.positive("lam", lam))
    data = GaussianPairs.of(*_given_modes("rho", (covariance, rho)), random)
    _refuse_large("eps", data, layers, eps, objective)

    def train(L: int, one: Objective) -> Run:
        return _flow(data, L, eps, one, random)

    runs = _Runs("L = {}, {}", layers, objective, train)
    return runs.experiment("depth", partial(depth_table, data), depth_finding, progress)


def initialisation(
    eps: ArrayLike = DECADES,
    lam: ArrayLike = (1.0, 0.92, 0.85, 0.78),
    rho: ArrayLike = (0.95, 0.9, 0.85, 0.8),
    *,
    L: int = 2,
    objective: Objectives = ("jepa", "mae"),
    rng: int = 0,
    progress: ProgressOption = False,
) -> Experiment:
    """Overlap of learning windows against the scale of the initialisation.

    Parameters
    ----------
    eps : array
        Initial amplitudes, six decades of them by default.
    lam, rho : array
        The modes.
    L, objective
        As for `dlnflow.simulate`.
    rng, progress
        As for `order`.

    Returns
    -------
    Experiment
        Table: ``eps, objective, predicted_overlap, measured_overlap``: the overlap of the learning
        windows of neighbouring modes, from 0 (one at a time) to 1 (all together); see
        `dlnflow.network.Comparison.overlap`. Comparisons by (eps, objective).

    Raises
    ------
    ValueError, TypeError
        As for `dlnflow.network.gradient_flow`.

    Examples
    --------
    >>> from dlnflow.studies import experiments
    >>> experiments.initialisation([0.001, 0.01], objective="mae").table.round(3)
         eps objective  predicted_overlap  measured_overlap
    0  0.001       mae              0.214             0.214
    1  0.010       mae              0.830             0.830
    """
    amplitudes = np.unique(_validate.positive("eps", eps)).tolist()
    random = _validate.generator("rng", rng)
    data = GaussianPairs.of(*_given_modes("lam and rho", (lam, rho)), random)

    def train(start: float, one: Objective) -> Run:
        return _flow(data, L, start, one, random)

    runs = _Runs("eps = {:.1g}, {}", amplitudes, objective, train)
    finding = partial(greedy_finding, L)
    return runs.experiment("initialisation", overlap_table, finding, progress)


class _Runs(NamedTuple):
    """The runs of an experiment: one for each value and objective."""

    text: str  # of progress
    values: Iterable[Any]
    objective: Objectives
    train: Callable[[Any, Objective], Run]

    def experiment(
        self,
        name: str,
        tabulate: Callable[[Comparisons], pd.DataFrame],
        find: Callable[[pd.DataFrame, Comparisons], str],
        progress: ProgressOption,
    ) -> Experiment:
        """Train all networks and put the experiment together."""
        objectives = as_objectives(self.objective)
        jobs = [(value, one) for value in self.values for one in objectives]
        comparisons: Comparisons = {}
        with Progress(progress, None) as tracker:
            for value, one in jobs:
                share = len(comparisons) / len(jobs)
                tracker.update(share, partial(self.text.format, value, one.name))
                comparisons[value, one.name] = compare(finished(self.train(value, one)))

        def made() -> Experiment:
            table = tabulate(comparisons)
            finding = find(table, comparisons)
            return Experiment(name, finding, table, comparisons, tracker.stopped)

        return tracker.result("experiment", comparisons, made)


def _given_modes(name: str, modes: tuple[ArrayLike, ArrayLike]) -> tuple[Array, Array]:
    if not isinstance(modes, tuple | list) or len(modes) != 2:
        raise ValueError(f"{name} must be a pair, lam and rho: got {modes!r}")
    lam, rho, _ = _validate.modes(*modes, None)
    if lam.ndim > 1 or rho.ndim > 1:
        raise ValueError(
            f"{name} must hold modes along one axis: got shapes {lam.shape}, {rho.shape}"
        )
    if (rho <= 0.0).any() or (rho > 1.0).any():
        raise ValueError(f"{name} must have every rho in (0, 1] to be sampled: got {rho.tolist()}")
    return lam, rho


def _refuse_large(
    name: str, data: GaussianPairs, depths: Iterable[int], eps: float, objective: Objectives
) -> None:
    """Refuse amplitudes above half of a plateau, for which there is no critical time."""
    for L in depths:
        for one in as_objectives(objective):
            times = critical_time(data.lam, data.rho, L, eps=eps, objective=one)
            if not np.all(times > 0.0):
                least = float(np.min(plateau(data.rho, L, objective=one)))
                raise ValueError(
                    f"{name} must lie below half of every plateau, here below {0.5 * least:.2g} "
                    f"({one.name}, L = {L}): got {eps:g}"
                )


def _initial(
    data: GaussianPairs, L: int, eps: float, objective: Objective, random: np.random.Generator
) -> Network:
    return balanced(data.sigma_xx, data.sigma_yx, L, eps=eps, objective=objective, rng=random)


def _flow(
    data: GaussianPairs, L: int, eps: float, objective: Objective, random: np.random.Generator
) -> Run:
    net = _initial(data, L, eps, objective, random)
    return gradient_flow(net, data.sigma_xx, data.sigma_yx, objective=objective)

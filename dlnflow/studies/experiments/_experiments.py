"""The paper's three experiments, on whole networks: order, depth, initialisation.

Each function trains networks and returns an `Experiment`: a table, the finding in one sentence, and
``plot()``. An interrupt (Ctrl-C) ends it early with what was measured; any other exception on the
way propagates with that as its attribute ``experiment``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow._common._progress import Report, Watch
from dlnflow.network._compare import Comparison, compare, describe
from dlnflow.network._descent import gradient_descent
from dlnflow.network._flow import gradient_flow
from dlnflow.network._initialise import balanced
from dlnflow.network._learning import breakdown
from dlnflow.network._run import finished
from dlnflow.studies._worlds import World
from dlnflow.theory._critical_time import critical_time
from dlnflow.theory._modes import plateau
from dlnflow.theory._objective import Objective, as_objectives

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

SAME_ORDER = ((1.4, 1.25, 1.1, 1.0), (0.95, 0.85, 0.72, 0.6))
OPPOSITE_ORDER = ((1.0, 1.08, 1.16, 1.24), (0.95, 0.84, 0.72, 0.6))
LATE = 0.97  # of its plateau: trained until the last mode is there
DECADES = tuple(float(f"{start:.2g}") for start in np.geomspace(1e-7, 1e-1, 25))
POINTS = 400


@dataclass(frozen=True, eq=False, repr=False)
class Experiment:
    """What an experiment found: an immutable record.

    Attributes
    ----------
    name : {"order", "depth", "initialisation"}
    finding : str
        In one sentence.
    table : pandas.DataFrame
    comparisons : dict
        The runs beside their predictions, by their setting (see each experiment).
    stopped : str or None
        Why it is not complete, if it is not.
    """

    name: str
    finding: str
    table: pd.DataFrame
    comparisons: dict[tuple[Any, ...], Comparison]
    stopped: str | None = None

    def plot(self, **options: Any) -> Any:
        """The figure; see `dlnflow.plot.experiment`."""
        from dlnflow import plot

        return plot.experiment(self, **options)

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
    progress: Report = False,
) -> Experiment:
    """Which features come first: JEPA and MAE on Gaussian samples from two distributions.

    Parameters
    ----------
    same, opposite : (lam, rho)
        Modes of a distribution for which both objectives learn in the same order, and of one for
        which the orders are opposite; ``0 < rho <= 1``.
    L, eps
        Depth and initial amplitude.
    lr, batch_size
        Of gradient descent on fresh samples.
    rng : int
        Seed of bases, start and samples.
    progress : bool or callable
        As for `dlnflow.network.gradient_flow`; over the four runs.

    Returns
    -------
    Experiment
        Table: ``distribution, objective, mode, lam, rho, predicted_time, measured_time``, on the
        network clock, and the place of each mode in the order of learning. Comparisons by
        (distribution, objective).

    Raises
    ------
    ValueError, TypeError
        As for `dlnflow.network.gradient_descent`.

    Examples
    --------
    >>> from dlnflow.studies.experiments import _experiments as experiments
    >>> quick = experiments.order(L=2, eps=0.1, batch_size=64)
    >>> quick.table.shape
    (16, 8)
    """
    random = _validate.generator("rng", rng)
    rate = float(_validate.single("lr", _validate.positive("lr", lr)))
    worlds = {
        "same": World.of(*_given_modes("same", same), random),
        "opposite": World.of(*_given_modes("opposite", opposite), random),
    }
    objectives = as_objectives(("jepa", "mae"))
    comparisons: dict[tuple[Any, ...], Comparison] = {}
    with Watch(progress, None) as watch:
        for name, world in worlds.items():
            for objective in objectives:
                watch.goes_on(
                    len(comparisons) / 4, partial(str.format, "{} order, {}", name, objective.name)
                )
                net = _start(world, L, eps, objective, random)
                end = _latest(world, L, eps, objective)
                run = gradient_descent(
                    net,
                    world.sigma_xx,
                    world.sigma_yx,
                    objective,
                    lr=lr,
                    steps=int(np.ceil(end / rate)),
                    sampler=world.sample,
                    batch_size=batch_size,
                    record=POINTS,
                    clock="network",
                    rng=random,
                )
                comparisons[name, objective.name] = compare(finished(run))

    def made() -> Experiment:
        table = _order_table(comparisons)
        return Experiment("order", _order_finding(comparisons), table, comparisons, watch.stopped)

    return watch.outcome("experiment", comparisons, made)


def depth(
    depths: ArrayLike = range(1, 7),
    rho: ArrayLike = (1.0, 0.8, 0.65, 0.5),
    *,
    lam: float = 1.0,
    eps: float = 1e-3,
    objective: Any = ("jepa", "mae"),
    rng: int = 0,
    progress: Report = False,
) -> Experiment:
    """How the temporal gap between features of high and low ``rho`` grows with depth.

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
        Table: ``L, objective, predicted_gap, measured_gap``: by how much the mode of smallest
        ``rho`` is later than that of the largest, relative to that one. Comparisons by
        (L, objective).

    Raises
    ------
    ValueError, TypeError
        As for `dlnflow.network.gradient_flow`.

    Examples
    --------
    >>> from dlnflow.studies.experiments import _experiments as experiments
    >>> experiments.depth([1, 2], eps=1e-2).table.round(3)
       L objective  predicted_gap  measured_gap
    0  1      jepa          0.012         0.012
    1  1       mae         -0.085        -0.085
    2  2      jepa          0.182         0.182
    3  2       mae         -0.033        -0.033
    """
    import pandas as pd

    layers = np.unique(_validate.depth("depths", depths))
    random = _validate.generator("rng", rng)
    world = World.of(
        *_given_modes("rho", (_validate.single("lam", _validate.positive("lam", lam)), rho)), random
    )
    _rise("eps", world, layers, eps, objective)
    first, last = int(world.rho.argmax()), int(world.rho.argmin())
    comparisons: dict[tuple[Any, ...], Comparison] = {}
    rows = []
    objectives = as_objectives(objective)
    with Watch(progress, None) as watch:
        for L in map(int, layers):
            for one in objectives:
                share = len(comparisons) / (layers.size * len(objectives))
                watch.goes_on(share, partial(str.format, "L = {}, {}", L, one.name))
                compared = comparisons[L, one.name] = _flow(world, L, eps, one, random)
                place = _places(compared, world)
                rows.append(
                    {
                        "L": L,
                        "objective": one.name,
                        "predicted_gap": _gap(compared.predicted_time[place], first, last),
                        "measured_gap": _gap(compared.measured_time[place], first, last),
                    }
                )

    def made() -> Experiment:
        table = pd.DataFrame(rows)
        return Experiment("depth", _depth_finding(table), table, comparisons, watch.stopped)

    return watch.outcome("experiment", rows, made)


def initialisation(
    eps: ArrayLike = DECADES,
    lam: ArrayLike = (1.0, 0.92, 0.85, 0.78),
    rho: ArrayLike = (0.95, 0.9, 0.85, 0.8),
    *,
    L: int = 2,
    objective: Any = ("jepa", "mae"),
    rng: int = 0,
    progress: Report = False,
) -> Experiment:
    """Where greedy, one-at-a-time learning breaks down as the initialisation grows.

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
        Table: ``eps, objective, predicted_overlap, measured_overlap``: how much of their learning
        neighbouring modes share, from 0 (one at a time) to 1 (all together); see
        `dlnflow.network.Comparison.overlap`. Comparisons by (eps, objective).

    Raises
    ------
    ValueError, TypeError
        As for `dlnflow.network.gradient_flow`.

    Examples
    --------
    >>> from dlnflow.studies.experiments import _experiments as experiments
    >>> experiments.initialisation([0.001, 0.01], objective="mae").table.round(3)
         eps objective  predicted_overlap  measured_overlap
    0  0.001       mae              0.214             0.214
    1  0.010       mae              0.830             0.830
    """
    import pandas as pd

    starts = np.unique(_validate.positive("eps", eps))
    random = _validate.generator("rng", rng)
    world = World.of(*_given_modes("lam and rho", (lam, rho)), random)
    objectives = as_objectives(objective)
    comparisons: dict[tuple[Any, ...], Comparison] = {}
    rows = []
    with Watch(progress, None) as watch:
        for start in map(float, starts):
            for one in objectives:
                share = len(comparisons) / (starts.size * len(objectives))
                watch.goes_on(share, partial(str.format, "eps = {:.1g}, {}", start, one.name))
                compared = comparisons[start, one.name] = _flow(world, L, start, one, random)
                predicted, measured = compared.overlap
                rows.append(
                    {
                        "eps": start,
                        "objective": one.name,
                        "predicted_overlap": predicted,
                        "measured_overlap": measured,
                    }
                )

    def made() -> Experiment:
        table = pd.DataFrame(rows)
        finding = _greedy_finding(table, L)
        return Experiment("initialisation", finding, table, comparisons, watch.stopped)

    return watch.outcome("experiment", rows, made)


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


def _rise(name: str, world: World, layers: Any, eps: float, objective: Any) -> None:
    """Refuse starts above half of some plateau, where there is no time to learn it."""
    for L in map(int, layers):
        for one in as_objectives(objective):
            times = critical_time(world.lam, world.rho, L, eps=eps, objective=one)
            if not np.all(times > 0.0):
                least = float(np.min(plateau(world.rho, L, objective=one)))
                raise ValueError(
                    f"{name} must lie below half of every plateau, here below {0.5 * least:.2g} "
                    f"({one.name}, L = {L}): got {eps:g}"
                )


def _start(
    world: World, L: int, eps: float, objective: Objective, random: np.random.Generator
) -> Any:
    return balanced(world.sigma_xx, world.sigma_yx, L, eps=eps, objective=objective, rng=random)


def _latest(world: World, L: int, eps: float, objective: Objective) -> float:
    times = critical_time(
        world.lam, world.rho, L, eps=eps, objective=objective, p=LATE, clock="network"
    )
    return float(np.max(times))


def _flow(
    world: World, L: int, eps: float, objective: Objective, random: np.random.Generator
) -> Comparison:
    net = _start(world, L, eps, objective, random)
    return compare(finished(gradient_flow(net, world.sigma_xx, world.sigma_yx, objective)))


def _places(comparison: Comparison, world: World) -> NDArray[np.intp]:
    """For each mode of the world, its place in the comparison's spectrum."""
    meets = np.abs(comparison.spectrum.basis.T @ world.basis)
    return np.asarray(meets.argmax(axis=0))


def _gap(times: Array, first: int, last: int) -> float:
    return float(times[last] / times[first] - 1.0)


def _order_table(comparisons: dict[tuple[Any, ...], Comparison]) -> pd.DataFrame:
    import pandas as pd

    parts = []
    for (name, objective), one in comparisons.items():
        part = one.to_dataframe()[["mode", "lam", "rho", "predicted_time", "measured_time"]]
        part.insert(0, "objective", objective)
        part.insert(0, "distribution", name)
        part["place"] = one.measured_time.argsort(kind="stable").argsort(kind="stable")
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _order_finding(comparisons: dict[tuple[Any, ...], Comparison]) -> str:
    said = []
    for (name, objective), one in comparisons.items():
        rho = one.spectrum.rho[int(one.measured_time.argmin())]
        said.append(f"{name} order: {objective.upper()} starts with rho = {rho:.2f}")
    taus = [describe(one.order) for one in comparisons.values()]
    return "; ".join(said) + f" (against prediction: {', '.join(taus)})"


def _depth_finding(table: pd.DataFrame) -> str:
    deepest = table[table["L"] == table["L"].max()]
    gaps = [
        f"{row.objective.upper()} {row.measured_gap:+.3g} (predicted {row.predicted_gap:+.3g})"
        for row in deepest.itertuples()
    ]
    return f"at L = {table['L'].max()} the smallest rho is later by {', '.join(gaps)}"


def _greedy_finding(table: pd.DataFrame, L: int) -> str:
    said = []
    for name, part in table.groupby("objective", sort=False):
        eps = part["eps"].to_numpy()
        seen, due = (
            breakdown(eps, part[f"{kind}_overlap"].to_numpy()) for kind in ("measured", "predicted")
        )
        known = 0.0 < due < np.inf
        said.append(
            f"{str(name).upper()} {_where(seen)} (predicted {due:.2g})"
            if known
            else f"{str(name).upper()} {_where(seen)}"
        )
    return f"at L = {L} greedy learning ends for {', '.join(said)}"


def _where(eps: float) -> str:
    if eps == 0.0:
        return "below every eps here"
    return "at no eps here" if np.isinf(eps) else f"at eps = {eps:.2g}"

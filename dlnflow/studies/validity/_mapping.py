"""The machinery of the maps of validity: one world, one broken assumption, many degrees of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dlnflow._common._progress import Report, Watch
from dlnflow.data._spectrum import Spectrum
from dlnflow.network._compare import Comparison, compare
from dlnflow.network._descent import gradient_descent
from dlnflow.network._flow import gradient_flow
from dlnflow.network._initialise import balanced
from dlnflow.network._network import Network
from dlnflow.network._run import finished
from dlnflow.studies._worlds import World
from dlnflow.theory._critical_time import critical_time
from dlnflow.theory._objective import Objective, as_objectives
from dlnflow.theory._published import critical_time_published, published

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

LAM, RHO = (1.2, 0.9, 0.65, 0.45), (0.95, 0.88, 0.8, 0.7)  # learned in this order by both
EPS, DEPTH = 1e-2, 2
LEAST_PLATEAU = min(RHO) ** DEPTH  # a JEPA's, with one decoder layer
BOTH = ("jepa", "mae")
FLOOR, CEILING = 1e-5, 0.1  # of errors that a power is fitted to: above interpolation, small
FEWEST = 3  # points for a power
LATE, SPARE = 0.9, 1.5  # trained so many times as long as the last mode takes to that share
PATIENCE = 6.0  # the same for Gaussian starts, which take longer
POINTS = 600


@dataclass(frozen=True, eq=False, repr=False)
class ValidityMap:
    """How the error grows with one broken assumption: an immutable record.

    Attributes
    ----------
    assumption : str
    variable : str
        What is varied: the column ``x`` of the table, in words.
    table : pandas.DataFrame
        Columns ``objective``, ``x``, ``time_error`` (the largest relative error of a critical time,
        infinite where a mode was not learned at all), ``deviation`` (the largest distance of a
        trajectory from its prediction, in plateaus), ``tau`` (Kendall's, of the learning order with
        the predicted one), and what else a map has to say.
    exponents : dict
        By objective: the power of ``x`` with which ``time_error`` grows between 1e-5 and 0.1, or
        None where there are fewer than three such points.
    stopped : str or None
        Why the map is not complete, if it is not.
    """

    assumption: str
    variable: str
    table: pd.DataFrame
    exponents: dict[str, float | None]
    stopped: str | None = None

    @property
    def finding(self) -> str:
        """In one sentence."""
        said = []
        for name, power in self.exponents.items():
            error = self.table.loc[self.table["objective"] == name, "time_error"]
            known = error[np.isfinite(error)]
            text = "leaves modes unlearned"
            if known.size:
                text = f"off by {known.min():.2g} to {known.max():.2g}"
                text += "" if known.size == error.size else " where all modes are learned"
            power_law = "" if power is None else f", as x**{power:.2f}"
            said.append(f"{name.upper()} {text}{power_law}")
        cut = f" (stopped early: {self.stopped})" if self.stopped else ""
        return f"{self.variable}: {'; '.join(said)}{cut}"

    def plot(self, **options: Any) -> Any:
        """The figure; see `dlnflow.plot.validity`."""
        from dlnflow import plot

        return plot.validity(self, **options)

    def __repr__(self) -> str:
        return f"ValidityMap of {self.assumption}; {self.finding}"


def seed(rng: int) -> int:
    """The seed of a map, from which several sources of random numbers grow."""
    whole = np.asarray(rng)
    if whole.ndim or whole.dtype.kind not in "iu" or whole < 0:
        raise TypeError(f"rng must be a non-negative integer: got {rng!r}")
    return int(whole)


def aligned_start(world: World, objective: Objective, rng: int) -> Network:
    """A network that meets every assumption."""
    return balanced(world.sigma_xx, world.sigma_yx, DEPTH, eps=EPS, objective=objective, rng=rng)


def end_of_learning(sigma_xx: Array, sigma_yx: Array, objective: Objective, eps: float) -> float:
    """When, on the network clock, all that is to be learned has been."""
    spectrum = Spectrum.from_covariances(sigma_xx, sigma_yx)
    rising = spectrum.rho > 0.0
    settings: dict[str, Any] = {"eps": eps, "objective": objective, "clock": "network"}
    times = critical_time(spectrum.lam[rising], spectrum.rho[rising], DEPTH, p=LATE, **settings)
    return float(np.max(times))


def flow(
    sigma_xx: Array,
    sigma_yx: Array,
    objective: Objective,
    net: Network | None = None,
    *,
    eps: float = EPS,
    spare: float = SPARE,
    spectrum: Spectrum | None = None,
) -> Comparison:
    """Gradient flow until the last mode is learned and some time more, beside its prediction."""
    if net is None:
        net = balanced(sigma_xx, sigma_yx, DEPTH, eps=eps, objective=objective)
    data = Spectrum.from_covariances(sigma_xx, sigma_yx) if spectrum is None else spectrum
    grid = data.simulate(DEPTH, eps=eps, objective=objective, clock="network")[objective].t
    even = np.linspace(0.0, spare * end_of_learning(sigma_xx, sigma_yx, objective, eps), POINTS)
    t = np.union1d(even, grid[grid < even[-1]])
    run = gradient_flow(net, sigma_xx, sigma_yx, objective, t, clock="network", rtol=1e-10)
    return compare(finished(run), spectrum=spectrum)


def descent(
    world: World, objective: Objective, net: Network, *, lr: float, **options: Any
) -> Comparison:
    """The same by gradient descent."""
    end = SPARE * end_of_learning(world.sigma_xx, world.sigma_yx, objective, EPS)
    run = gradient_descent(
        net,
        world.sigma_xx,
        world.sigma_yx,
        objective,
        lr=lr,
        steps=int(np.ceil(end / lr)),
        record=POINTS,
        clock="network",
        **options,
    )
    return compare(finished(run))


def published_error(world: World, objective: Objective, eps: float) -> dict[str, float]:
    """What the paper's formula leaves out of the exact critical times, if it has one."""
    if not published(objective, 1):
        return {}
    settings: dict[str, Any] = {"eps": eps, "objective": objective}
    head = critical_time_published(world.lam, world.rho, DEPTH, **settings)
    exact = critical_time(world.lam, world.rho, DEPTH, **settings)
    if not exact.all():
        return {}
    return {"published_error": float(np.abs(head / exact - 1.0).max())}


def errors_of(comparison: Comparison) -> dict[str, float]:
    """How far prediction and network part: the columns of every map."""
    return {
        "time_error": float(np.nanmax(np.abs(comparison.time_error), initial=0.0)),
        "deviation": comparison.largest_deviation,
        "tau": comparison.tau,
    }


def typical(errors: list[dict[str, float]]) -> dict[str, float]:
    """The median of several errors, column by column."""
    return {name: float(np.median([one[name] for one in errors])) for name in errors[0]}


def map_of(
    assumption: str,
    variable: str,
    values: Iterable[float],
    objective: Any,
    measure: Callable[[float, Objective], dict[str, float]],
    progress: Report,
) -> ValidityMap:
    """The map of one assumption: ``measure`` at every value, for every objective."""
    objectives = as_objectives(objective)
    jobs = [(one, float(value)) for one in objectives for value in np.unique(list(values))]
    rows: list[dict[str, Any]] = []
    with Watch(progress, None) as watch:
        for done, (one, value) in enumerate(jobs):
            watch.goes_on(done / len(jobs), partial(str.format, "{}, {:.3g}", one.name, value))
            rows.append({"objective": one.name, **measure(value, one)})
    return watch.outcome("map", rows, lambda: _mapped(assumption, variable, rows, watch.stopped))


def _mapped(
    assumption: str, variable: str, rows: list[dict[str, Any]], stopped: str | None
) -> ValidityMap:
    import pandas as pd

    table = pd.DataFrame(rows)
    exponents = {}
    for name, part in table.groupby("objective", sort=False):
        x, error = part["x"].to_numpy(), part["time_error"].to_numpy()
        small = (x > 0.0) & (error > FLOOR) & (error < CEILING)
        fits = np.unique(x[small]).size >= FEWEST
        slope = np.polyfit(np.log(x[small]), np.log(error[small]), 1)[0] if fits else None
        exponents[str(name)] = None if slope is None else float(slope)
    return ValidityMap(assumption, variable, table, exponents, stopped)

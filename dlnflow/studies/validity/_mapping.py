"""What all maps of validity share: the record of a map, and the runner that measures one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlnflow._common._progress import Progress, ProgressOption
from dlnflow.studies._pairs import GaussianPairs
from dlnflow.theory._objective import Objective, Objectives, as_objectives

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

LAM, RHO = (1.2, 0.9, 0.65, 0.45), (0.95, 0.88, 0.8, 0.7)  # learned in this order by both
FLOOR, CEILING = 1e-5, 0.1  # errors that a power is fitted to: above interpolation error, small
FEWEST = 3  # points that a power is fitted to


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
        infinite where a mode was not learned at all), ``deviation`` (the largest distance of an
        ``R2`` from its prediction; `dlnflow.network.compare`), ``tau`` (Kendall's, of the learning
        order with the predicted one), and further columns of single maps.
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
    def largest_fitted(self) -> float:
        """Errors below this one have the power in `exponents`."""
        return CEILING

    @property
    def finding(self) -> str:
        """The result in one sentence."""
        parts = []
        for name, power in self.exponents.items():
            error = self.table.loc[self.table["objective"] == name, "time_error"]
            known = error[np.isfinite(error)]
            text = "leaves modes unlearned"
            if known.size:
                text = f"off by {known.min():.2g} to {known.max():.2g}"
                text += "" if known.size == error.size else " where all modes are learned"
            power_law = "" if power is None else f", as x**{power:.2f}"
            parts.append(f"{name.upper()} {text}{power_law}")
        cut = f" (stopped early: {self.stopped})" if self.stopped else ""
        return f"{self.variable}: {'; '.join(parts)}{cut}"

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw the map; see `dlnflow.plot.validity`."""
        from dlnflow import plot

        return plot.validity(self, ax=ax)

    def __repr__(self) -> str:
        return f"ValidityMap of {self.assumption}; {self.finding}"


class Case(NamedTuple):
    """What one measurement needs besides the degree of violation."""

    pairs: GaussianPairs
    objective: Objective
    rng: int
    rotation: int  # seed of the rotation by which `commuting` turns the modes of sigma_yx

    @property
    def data(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """``sigma_xx`` and ``sigma_yx``."""
        return self.pairs.sigma_xx, self.pairs.sigma_yx


class Sweep(NamedTuple):
    """One assumption: what is varied, and how a single degree of violation is measured."""

    assumption: str
    variable: str
    measure: Callable[..., dict[str, float]]  # of a case and a value; the row of the table

    def run(
        self,
        values: NDArray[Any],
        objective: Objectives,
        rng: int,
        progress: ProgressOption,
        **options: Any,
    ) -> ValidityMap:
        """Measure every value, for every objective; ``options`` go to ``measure``."""
        seed = np.asarray(rng)
        if seed.ndim or seed.dtype.kind not in "iu" or seed < 0:
            raise TypeError(f"rng must be a non-negative integer: got {rng!r}")
        random = np.random.default_rng(int(seed))
        pairs = GaussianPairs.of(LAM, RHO, random)
        rotation = int(random.integers(2**31))
        jobs = [
            (one, float(value)) for one in as_objectives(objective) for value in _sorted(values)
        ]
        rows: list[dict[str, Any]] = []
        with Progress(progress, None) as tracker:
            for done, (one, value) in enumerate(jobs):
                tracker.update(done / len(jobs), partial(str.format, "{}, {:.3g}", one.name, value))
                case = Case(pairs, one, int(seed), rotation)
                rows.append({"objective": one.name, **self.measure(case, value, **options)})
        return tracker.result("map", rows, lambda: self._map(rows, tracker.stopped))

    def _map(self, rows: list[dict[str, Any]], stopped: str | None) -> ValidityMap:
        from dlnflow._common._frame import Frame

        table = Frame(rows)
        parts = table.groupby("objective", sort=False)
        exponents = {str(name): _exponent(part) for name, part in parts}
        return ValidityMap(self.assumption, self.variable, table, exponents, stopped)


def _sorted(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.unique(values.ravel()).astype(np.float64)


def _exponent(table: pd.DataFrame) -> float | None:
    x, error = table["x"].to_numpy(), table["time_error"].to_numpy()
    small = (x > 0.0) & (error > FLOOR) & (error < CEILING)
    if np.unique(x[small]).size < FEWEST:
        return None
    return float(np.polyfit(np.log(x[small]), np.log(error[small]), 1)[0])

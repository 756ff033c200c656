"""Tables and findings of the three experiments, from the compared runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dlnflow.network._compare import Comparison, describe
from dlnflow.network._learning import breakdown
from dlnflow.studies._pairs import GaussianPairs

if TYPE_CHECKING:
    import pandas as pd

Comparisons = dict[tuple[Any, ...], Comparison]


def order_table(comparisons: Comparisons) -> pd.DataFrame:
    """One row per distribution, objective and mode."""
    import pandas as pd

    parts = []
    for (name, objective), one in comparisons.items():
        part = one.to_dataframe()[["mode", "lam", "rho", "predicted_time", "measured_time"]]
        part.insert(0, "objective", objective)
        part.insert(0, "distribution", name)
        part["place"] = one.measured_time.argsort(kind="stable").argsort(kind="stable")
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def order_finding(table: pd.DataFrame, comparisons: Comparisons) -> str:
    """What each objective learns first, and the agreement with the prediction."""
    parts = []
    for (name, objective), one in comparisons.items():
        rho = one.spectrum.rho[int(one.measured_time.argmin())]
        parts.append(f"{name} order: {objective.upper()} starts with rho = {rho:.2f}")
    taus = [describe(one.order) for one in comparisons.values()]
    return "; ".join(parts) + f" (against prediction: {', '.join(taus)})"


def depth_table(data: GaussianPairs, comparisons: Comparisons) -> pd.DataFrame:
    """The delay of the smallest ``rho`` behind the largest, by depth and objective."""
    from dlnflow._common._frame import Frame

    first, last = int(data.rho.argmax()), int(data.rho.argmin())
    rows = []
    for (L, objective), one in comparisons.items():
        place = np.abs(one.spectrum.basis.T @ data.basis).argmax(axis=0)
        late, soon = place[last], place[first]
        gaps = {
            f"{kind}_gap": float(times[late] / times[soon] - 1.0)
            for kind, times in (
                ("predicted", one.predicted_time),
                ("measured", one.measured_time),
            )
        }
        rows.append({"L": L, "objective": objective, **gaps})
    return Frame(rows)


def depth_finding(table: pd.DataFrame, comparisons: Comparisons) -> str:
    """The delay in the deepest network."""
    deepest = table[table["L"] == table["L"].max()]
    gaps = [
        f"{row.objective.upper()} {row.measured_gap:+.3g} (predicted {row.predicted_gap:+.3g})"
        for row in deepest.itertuples()
    ]
    return f"at L = {table['L'].max()} the smallest rho is later by {', '.join(gaps)}"


def overlap_table(comparisons: Comparisons) -> pd.DataFrame:
    """The overlap of learning windows, by ``eps`` and objective."""
    from dlnflow._common._frame import Frame

    columns = ("eps", "objective", "predicted_overlap", "measured_overlap")
    return Frame([(*key, *one.overlap) for key, one in comparisons.items()], columns=columns)


def greedy_finding(L: int, table: pd.DataFrame, comparisons: Comparisons) -> str:
    """The ``eps`` at which the overlap reaches a half."""
    parts = []
    for name, part in table.groupby("objective", sort=False):
        eps = part["eps"].to_numpy()
        measured, predicted = (
            breakdown(eps, part[f"{kind}_overlap"].to_numpy()) for kind in ("measured", "predicted")
        )
        known = f" (predicted {predicted:.2g})" if 0.0 < predicted < np.inf else ""
        parts.append(f"{str(name).upper()} {_where(measured)}{known}")
    return f"at L = {L} greedy learning ends for {', '.join(parts)}"


def _where(eps: float) -> str:
    if eps == 0.0:
        return "below every eps here"
    return "at no eps here" if np.isinf(eps) else f"at eps = {eps:.2g}"

"""Claim 12b: whether a useful, noisy feature is learned before a spurious, slow one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dlnflow.generative import Temporal
from dlnflow.studies.claims._claim import (
    Axis,
    Claim,
    Control,
    Effort,
    Noted,
    Observation,
    Observations,
)
from dlnflow.studies.claims._times import BESIDE, behind, by, closed_form, delay, error, number_at

Array = NDArray[np.float64]

EPS = 1e-2
USEFUL = 0.9, 0.5  # autocorrelation; noise over variance: rho = 0.6, at lam = 1
SLOW = 0.999  # autocorrelation of the spurious feature, without noise: rho = 0.999
NOISIER = 0.75  # noise over variance in the control: rho = 0.51
DEPTHS, MORE_DEPTHS = (2, 5), (1, 2, 3, 4, 5)
SHARES, MORE_SHARES = BESIDE, (0.5, *BESIDE, 2.0)  # times the boundary
SMALLER = 0.7  # ratio of lam of the numbers in the note
OBJECTIVES = ("jepa", "mae")
FEW = ("closed form", "mode ODE", "plain network")


def observe(effort: Effort, *, noise: float = USEFUL[1]) -> Iterator[Observation]:
    """Relative delay of the spurious feature behind the useful one.

    Both are features of a `dlnflow.generative.Temporal`; the task depends on the useful one alone.
    The variance of the spurious one is varied, and ``lam`` with it. Networks of matrices are
    initialised in the basis of the data. In random bases a JEPA's units switch to the larger
    ``rho``, so that the spurious feature is learned even earlier.

    Parameters
    ----------
    noise : float
        Noise of the useful feature over its variance; the condition stays that of 0.5.
    """
    routes = effort.choose(FEW, (*FEW, "quadrature"))
    for objective in OBJECTIVES:
        for L in effort.choose(DEPTHS, MORE_DEPTHS):
            ends = largest_ratio(objective, L)
            shares = effort.choose(SHARES, MORE_SHARES)
            for ratio in sorted({SMALLER, *(share * ends for share in shares)}):
                lam, rho = modes(ratio, noise)
                for way in by(*routes):
                    number = delay(way, objective, lam, rho, L, EPS, exact_zeros=True)
                    series, off = _name(objective, L), error(way, number)
                    yield Observation(
                        way.route, series, ratio, number, number > 0, ratio < ends, off
                    )


def modes(ratio: float, noise: float) -> tuple[Array, Array]:
    """``lam`` and ``rho`` of the useful feature and of the spurious one."""
    kept = USEFUL[0]
    variance = np.array([1.0 / kept, ratio / SLOW])
    model = Temporal.from_features([kept, SLOW], variance, [noise * variance[0], 0.0])
    sigma_xx, sigma_yx = model.covariances()
    lam = np.diag(sigma_yx)
    return lam, lam / np.diag(sigma_xx)


@lru_cache
def largest_ratio(objective: str, L: int) -> float:
    """Largest ratio of ``lam`` at which the spurious feature is second, by the closed form."""
    from scipy.optimize import brentq

    def later(ratio: float) -> float:
        return behind(closed_form(objective, *modes(ratio, USEFUL[1]), L, EPS))

    return float(brentq(later, 0.1, 2.0))


def _name(objective: str, L: int) -> str:
    return f"{objective.upper()}, L = {L}"


def note(seen: Observations) -> Noted:
    """The boundaries of both objectives."""
    ends = {(one, L): largest_ratio(one, L) for one in OBJECTIVES for L in DEPTHS}
    jepa, mae = ([ends[one, L] for L in DEPTHS] for one in OBJECTIVES)
    at = {one: number_at(seen, _name(one, max(DEPTHS)), SMALLER) for one in OBJECTIVES}
    return Noted(
        "A predictable spurious feature (rho = 0.999) is learned before a useful, noisy one (rho "
        f"= 0.6) by a JEPA if its lam exceeds {jepa[0]:#.2g} (L = 2) or {jepa[1]:#.2g} (L = 5) "
        f"times that of the useful one, by an MAE if it exceeds {mae[0]:#.2g} (L = 2 and 5) times "
        f"that (eps = 0.01). With {SMALLER} times the lam of the useful one it is learned "
        f"{100 * -at['jepa']:.0f} % earlier by a JEPA of L = 5 and {100 * at['mae']:.0f} % later "
        "by an MAE: a JEPA prefers a spurious feature already at a smaller lam.",
        {f"boundary, {_name(one, L)}": end for (one, L), end in ends.items()}
        | {f"delay at {SMALLER}, {one.upper()}, L = 5": delayed for one, delayed in at.items()},
        "the lam of the spurious feature, divided by that of the useful one, is below a limit, "
        "which falls with depth for a JEPA and is about 1 for an MAE: "
        f"{jepa[0]:#.2g} (JEPA, L = 2), {jepa[1]:#.2g} (JEPA, L = 5), "
        f"{mae[0]:#.2g} (MAE, L = 2), {mae[1]:#.2g} (MAE, L = 5)",
    )


CLAIM = Claim(
    name="12b",
    title="A useful feature is learned before a spurious, slow one",
    statement="A useful but noisy feature is learned before a spurious one that has no value for "
    "the task and that the context predicts almost perfectly, like a fixed background.",
    source="a question raised about the paper: whether a preference for large rho is one for "
    "useful features",
    x=Axis("lam of the spurious over that of the useful feature", log=True),
    number=Axis("delay of the spurious behind the useful feature"),
    observe=observe,
    note=note,
    control=Control("a noisier useful feature, of rho = 0.51, in place of 0.6", {"noise": NOISIER}),
    module=__name__,
    level=0.0,
    drawn=lambda one: "L = 4" not in one.series,
)

"""Claim 12b: a spurious, slow feature beside a useful, noisy one: which is learned first."""

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
from dlnflow.studies.claims._delays import BESIDE, behind, delay, error, told
from dlnflow.studies.claims._times import by, closed_form

Array = NDArray[np.float64]

EPS = 1e-2
USEFUL = 0.9, 0.5  # memory; noise over variance: rho = 0.6, at lam = 1
SLOW = 0.999  # memory of the spurious feature, which is seen without noise: rho = 0.999
NOISIER = 0.75  # times its variance: rho = 0.51, in the control
DEPTHS, MORE_DEPTHS = (2, 5), (1, 2, 3, 4, 5)
SHARES, MORE_SHARES = BESIDE, (0.5, *BESIDE, 2.0)  # times the boundary
SMALLER = 0.7  # a ratio that all are seen at
OBJECTIVES = ("jepa", "mae")
FEW = ("closed form", "mode ODE", "plain network")


def observe(effort: Effort, *, noise: float = USEFUL[1]) -> Iterator[Observation]:
    """How much later the spurious feature is learned than the useful one.

    Both are features of a `dlnflow.generative.Temporal`; the task sees the useful one alone. What
    is varied is the variance of the spurious one, and with it ``lam``. Networks of matrices start
    in the coordinates: in random bases a JEPA's units switch to the larger ``rho``, and it is
    fooled more easily still.

    Parameters
    ----------
    noise : float
        Of the useful feature, over its variance; the condition stays that of a half.
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
    world = Temporal.from_features([kept, SLOW], variance, [noise * variance[0], 0.0])
    sigma_xx, sigma_yx = world.covariances()
    lam = np.diag(sigma_yx)
    return lam, lam / np.diag(sigma_xx)


@lru_cache
def largest_ratio(objective: str, L: int) -> float:
    """Up to which ratio of their ``lam`` the spurious feature comes second, by the closed form."""
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
    at = {one: told(seen, _name(one, max(DEPTHS)), SMALLER) for one in OBJECTIVES}
    return Noted(
        "A spurious feature that the context foretells (rho = 0.999) comes before a useful, noisy "
        f"one (rho = 0.6) in a JEPA from {jepa[0]:.3g} times its lam on at L = 2, {jepa[1]:.3g} at "
        f"L = 5, in an MAE from {mae[0]:.3g} and {mae[1]:.3g} (eps = 0.01). One of {SMALLER} times "
        f"the useful one's lam comes {100 * (-at['jepa']):.0f} % earlier in a JEPA of L = 5 and "
        f"{100 * (at['mae']):.0f} % later in an MAE: prediction in latent space is fooled by "
        "smaller spurious features.",
        {f"boundary, {_name(one, L)}": end for (one, L), end in ends.items()}
        | {f"delay at {SMALLER}, {one.upper()}, L = 5": delayed for one, delayed in at.items()},
        "the spurious feature is smaller by enough, by more the deeper a JEPA, or hardly larger in "
        "an MAE: its lam below that of the useful one times "
        f"{jepa[0]:.3g} (JEPA, L = 2), {jepa[1]:.3g} (JEPA, L = 5), {mae[0]:.3g} (MAE, L = 2) or "
        f"{mae[1]:.3g} (MAE, L = 5)",
    )


CLAIM = Claim(
    name="12b",
    title="The useful feature comes before a spurious or slow one",
    statement="A feature that is useful but noisy is learned before a spurious one, of no value "
    "for a task, that the context foretells almost perfectly, like a fixed background.",
    source="left open by the paper: whether a preference for large rho is one for what is useful",
    x=Axis("lam of the spurious feature over that of the useful one", log=True),
    number=Axis("delay of the spurious feature behind the useful one"),
    observe=observe,
    note=note,
    control=Control("a noisier useful feature, of rho = 0.51, in place of 0.6", {"noise": NOISIER}),
    module=__name__,
    level=0.0,
)

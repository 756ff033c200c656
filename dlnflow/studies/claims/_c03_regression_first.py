"""Claim 3: a JEPA learns features by regression coefficient rather than variance."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dlnflow.studies.claims._claim import (
    Axis,
    Claim,
    Control,
    Effort,
    Noted,
    Observation,
    Observations,
)
from dlnflow.studies.claims._times import (
    BESIDE,
    TRAINED_ERROR,
    behind,
    boundary,
    by,
    closed_form,
    delay,
    error,
    number_at,
    trained_delay,
)

HALF = (1.0, 0.5)  # rho; at equal lam the second mode has twice the variance
CLOSE = (0.9, 0.8)
SERIES = ((3, HALF), (6, HALF))  # L, rho
MORE_SERIES = ((1, HALF), (2, HALF), (3, HALF), (5, HALF), (6, HALF), (3, CLOSE))
HEADLINE = 1e-3  # eps of the numbers in the note
AROUND, MORE_AROUND = BESIDE, (0.02, 0.2, 0.5, *BESIDE, 2.0)  # times the boundary
TRAINED = (3, 1e-2)  # L, eps


def observe(effort: Effort, *, objective: str = "jepa") -> Iterator[Observation]:
    """Relative delay of the mode of small ``rho`` and large variance, at equal ``lam``.

    Networks of matrices are initialised in random bases.

    Parameters
    ----------
    objective : str
        Objective that is trained; the condition stays that of the JEPA.
    """
    for L, rho in effort.choose(SERIES, MORE_SERIES):
        ends = largest_start(L, rho)
        values = {share * ends for share in effort.choose(AROUND, MORE_AROUND)}
        if rho == HALF:
            values |= {HEADLINE} | {eps for depth, eps in (TRAINED,) if depth == L}
        for eps in sorted(values):
            yield from _by_routes(objective, L, rho, eps, ends, effort)
    if effort is Effort.full:
        depth, eps = TRAINED
        number = trained_delay(objective, (1.0, 1.0), HALF, depth, eps, seed=0)
        series = _name(depth, HALF)
        yield Observation("trained network", series, eps, number, number > 0, error=TRAINED_ERROR)


def _by_routes(
    objective: str, L: int, rho: tuple[float, float], eps: float, ends: float, effort: Effort
) -> Iterator[Observation]:
    inside = eps < ends
    for way in by("closed form", "quadrature", "mode ODE", "plain network"):
        if way.route == "plain network" and effort is Effort.quick and eps != HEADLINE:
            continue
        number = delay(way, objective, (1.0, 1.0), rho, L, eps)
        off = error(way, number, eps, min(rho) ** L)
        yield Observation(way.route, _name(L, rho), eps, number, number > 0, inside, off)


def largest_start(L: int, rho: tuple[float, float]) -> float:
    """Largest ``eps`` at which a JEPA learns the larger ``rho`` first, by the closed form."""
    from scipy.optimize import brentq

    def later(log_eps: float) -> float:
        return behind(closed_form("jepa", (1.0, 1.0), rho, L, float(np.exp(log_eps))))

    half = 0.5 * min(rho) ** L  # from there the mode counts as learned initially
    return float(np.exp(brentq(later, np.log(1e-4 * half), np.log(half))))


def _name(L: int, rho: tuple[float, float]) -> str:
    return f"L = {L}" if rho == HALF else f"L = {L}, rho = {rho[1]} behind {rho[0]}"


def note(seen: Observations) -> Noted:
    """The delays at eps = 1e-3, and the eps from which they are negative."""
    delays = {L: number_at(seen, f"L = {L}", HEADLINE) for L in (3, 6)}
    ends = {L: boundary(seen, f"L = {L}") for L in (3, 6)}
    shares = [ends[L] / (0.5 * min(HALF) ** L) for L in ends]
    numbers = {f"delay, L = {L}, eps = {HEADLINE:g}": one for L, one in delays.items()}
    numbers |= {f"boundary eps, L = {L}": one for L, one in ends.items()}
    return Noted(
        f"At equal lam and eps = {HEADLINE:g} the mode of rho = 0.5, of twice the variance, takes "
        f"{100 * delays[3]:.3g} % longer than that of rho = 1 at L = 3, {100 * delays[6]:.3g} % at "
        f"L = 6. Above eps = {ends[3]:.2g} (L = 3) and {ends[6]:.2g} (L = 6) it is learned first.",
        numbers,
        f"the initialisation is small: for rho = 1 and 0.5, eps < {ends[3]:.2g} at L = 3 and "
        f"{ends[6]:.2g} at L = 6, which are {shares[0]:.2g} and {shares[1]:.2g} of half the lower "
        "plateau, rho**L / 2",
    )


CLAIM = Claim(
    name="3",
    title="A JEPA learns by regression coefficient, not variance",
    statement="Of two features of equal covariance lam, a JEPA learns the one of larger regression "
    "coefficient rho first, although the other has the larger variance.",
    source="the paper's main claim on the implicit bias of JEPAs",
    x=Axis("initial amplitude eps", log=True),
    number=Axis("delay of the smaller rho behind the larger"),
    observe=observe,
    note=note,
    control=Control("an MAE in place of the JEPA", {"objective": "mae"}),
    module=__name__,
    level=0.0,
)

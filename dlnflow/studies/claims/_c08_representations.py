"""Claim 8: both objectives reach similar representations.

Alike are the directions, and their ranking by rho. Not alike are the sizes, ``rho**L`` and
``rho**(L/(L+1))``: less and less of the spectrum is left to a JEPA as it gets deeper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from dlnflow.studies.claims._claim import (
    Axis,
    Claim,
    Control,
    Effort,
    Noted,
    Observation,
    Observations,
)
from dlnflow.studies.claims._encoders import by_library, plain, sampled
from dlnflow.studies.claims.routes import _paper_ode as paper_ode
from dlnflow.studies.claims.routes import _plain_network as plain_network

Array = NDArray[np.float64]

MODES, FEW = 8, 4
LOWEST = 0.3  # rho falls evenly from 1 to that
LARGEST = 4.0  # lam rises evenly from 1 to that: by lam the modes would rank the other way round
ALIKE = 0.95  # agreement, or ratio, from which representations are alike
SPREADS = (0.97, 1.03)  # of spectra, over that where effective ranks stop being alike
SMALL = 0.3  # a start over the smallest plateau
ENOUGH = 1.5  # trained for so many times as long as the last mode takes to 0.9 of its plateau
ROUTES = ("closed form", "mode ODE", "plain network")
ERROR = {"closed form": 1e-10, "mode ODE": 1e-8, "plain network": 2e-3}
ERROR |= {"matrix network": 2e-3, "trained network": 3e-2}
MANY, SAMPLED = 3, 2  # depths up to which several networks are trained, and on samples


def observe(effort: Effort, *, width: int = FEW) -> Iterator[Observation]:
    """How much a JEPA's representation is an MAE's, 1 where they are the same.

    Parameters
    ----------
    width : int
        Of the encoders whose directions are compared, on four modes.
    """
    trained = {"plain network": plain, "matrix network": by_library}
    for L in effort.choose((1, 3), range(1, 7)):
        for route in ROUTES:
            yield _seen(route, "ranking by size", L, _ranking(route, L), True)
            inside = boundary(L) < LOWEST
            yield _seen(route, "effective rank", L, _ranks(route, L, LOWEST), inside)
            for share in SPREADS:
                lowest = 1.0 - share * (1.0 - boundary(L))
                series = f"effective rank, {share:g} of the spread"
                inside = boundary(L) < lowest
                yield _seen(route, series, L, _ranks(route, L, lowest), inside)
        if L <= MANY:
            for route, train in trained.items():
                cosine = _directions(partial(train, width=width), L, width)
                yield _seen(route, "directions", L, cosine, True)
        if L <= SAMPLED and effort is Effort.full and width == FEW:
            yield _seen("trained network", "directions", L, _directions(sampled, L, width), True)


def _seen(route: str, series: str, L: int, number: float, inside: bool) -> Observation:
    return Observation(route, series, L, number, number > ALIKE, inside, ERROR[route])


def _spectrum(lowest: float, modes: int = MODES) -> tuple[Array, Array]:
    return np.linspace(1.0, LARGEST, modes), np.linspace(1.0, lowest, modes)


@lru_cache
def boundary(L: int) -> float:
    """The smallest rho above which both have the same effective rank to 5 %."""
    from scipy.optimize import brentq

    return float(brentq(lambda low: _ranks("closed form", L, low) - ALIKE, 0.05, 0.999))


@lru_cache
def sizes(route: str, objective: str, L: int, lowest: float) -> Array:
    """Of the modes at the plateau, by a route."""
    lam, rho = _spectrum(lowest)
    if route == "closed form":
        from dlnflow.theory._modes import plateau

        return plateau(rho, L, objective=objective)
    modes = zip(lam, rho, strict=True)
    rest = np.array([paper_ode.plateau(objective, a, b, L) for a, b in modes])
    if route == "mode ODE":
        return rest
    eps = SMALL * float(rest.min())
    start = plain_network.aligned_start(MODES, L, eps, objective, seed=None)
    until = ENOUGH * float(paper_ode.times(objective, lam[-1], rho[-1], L, eps, p=0.9)[0])
    made = plain_network.settled(np.diag(lam / rho), np.diag(lam), start, L, objective, until)
    return made.w[:, -1]


def effective_rank(w: Array) -> float:
    """The exponential of the entropy of squared sizes as shares of their sum."""
    share = w**2 / np.sum(w**2)
    return float(np.exp(-np.sum(share * np.log(share))))


def _ranks(route: str, L: int, lowest: float) -> float:
    jepa, mae = (effective_rank(sizes(route, name, L, lowest)) for name in ("jepa", "mae"))
    return jepa / mae


def _ranking(route: str, L: int) -> float:
    """The least Kendall's tau of the two rankings with each other and with rho."""
    from scipy.stats import kendalltau

    jepa, mae = (sizes(route, name, L, LOWEST) for name in ("jepa", "mae"))
    pairs = ((jepa, mae), (jepa, _spectrum(LOWEST)[1]))
    return min(float(kendalltau(*pair).statistic) for pair in pairs)


def _directions(train: Callable[..., Array], L: int, width: int) -> float:
    """The least cosine between principal directions of the same rank."""
    modes = _spectrum(LOWEST, FEW)
    jepa, mae = (np.linalg.svd(train(name, *modes, L))[2][:width] for name in ("jepa", "mae"))
    return float(np.min(np.abs(np.sum(jepa * mae, axis=1))))


def note(seen: Observations) -> Noted:
    """What is alike, and what is not."""
    ranks = {L: _ranks("closed form", L, LOWEST) for L in (1, 3, 6)}
    cosine = min(one.number for one in seen if one.series == "directions")
    edges = {L: boundary(L) for L in (1, 3, 6)}
    return Noted(
        f"Both keep the same principal directions (cosine {cosine:.3f} or more) and rank modes by "
        f"rho whatever their lam; but of {MODES} modes with rho from 1 to {LOWEST:g} a JEPA's "
        f"effective rank is {ranks[1]:.2f} of an MAE's at L = 1, {ranks[3]:.2f} at L = 3 and "
        f"{ranks[6]:.2f} at L = 6.",
        {
            "effective rank, JEPA over MAE, L = 1": ranks[1],
            "effective rank, JEPA over MAE, L = 3": ranks[3],
            "smallest rho with like effective ranks, L = 1": edges[1],
            "smallest rho with like effective ranks, L = 3": edges[3],
        },
        "similar means directions and ranking, not sizes: of 8 modes with rho evenly from 1 "
        f"effective ranks too are alike where the smallest exceeds {edges[1]:.2f} at L = 1, "
        f"{edges[3]:.2f} at L = 3, {edges[6]:.2f} at L = 6",
    )


CLAIM = Claim(
    name="8",
    title="Both reach similar representations",
    statement="Trained on the same data, a JEPA and an MAE come to the same representation: the "
    "same principal directions, ranked alike, with the same effective rank, to 5 %.",
    source="the paper's abstract, a linear setting in which both learn similar representations; "
    "what similar means is spelled out here",
    x=Axis("encoder depth L"),
    number=Axis("JEPA over MAE, or their agreement (1: alike)"),
    observe=observe,
    note=note,
    control=Control(
        "a bottleneck of two units for four modes: a JEPA keeps those of largest rho, an MAE those "
        "of largest lam rho",
        {"width": 2},
    ),
    module=__name__,
    level=ALIKE,
)

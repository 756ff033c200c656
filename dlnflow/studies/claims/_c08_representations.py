"""Claim 8: both objectives reach similar representations.

The directions and their ranking by rho agree. The amplitudes ``rho**L`` and ``rho**(L/(L+1))`` do
not: the deeper a JEPA, the fewer modes carry its representation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any

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
from dlnflow.studies.claims.routes import _paper_ode as paper_ode
from dlnflow.studies.claims.routes import _plain_network as plain_network

Array = NDArray[np.float64]

MODES, FEW = 8, 4
LOWEST = 0.3  # rho falls evenly from 1 to this
LARGEST = 4.0  # lam rises evenly from 1 to this, so that ranking by lam would be opposite
ALIKE = 0.95  # agreement, or ratio, above which representations are similar
SPREADS = (0.97, 1.03)  # spreads of rho, in units of that at the boundary
SMALL = 0.3  # initial amplitude over the smallest plateau
ENOUGH = 1.5  # training time in units of the last mode's time
LATE = 0.97  # fraction of the plateau that ends the last mode's time
BATCH, RATES = 256, {"jepa": 0.2, "mae": 0.02}  # rates over the largest stable one
LONG = 30.0  # training time in the same units for encoders at rest
ROUTES = ("closed form", "mode ODE", "plain network")
ERROR = {"closed form": 1e-10, "mode ODE": 1e-8, "plain network": 2e-3}
ERROR |= {"matrix network": 2e-3, "trained network": 3e-2}
MANY, SAMPLED = 3, 2  # largest depth of several networks, and of networks on samples


def observe(effort: Effort, *, width: int = FEW) -> Iterator[Observation]:
    """Agreement of a JEPA's representation with an MAE's; 1 if they are the same.

    Parameters
    ----------
    width : int
        Width of the encoders whose directions are compared, on four modes.
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
    """The smallest rho of a spectrum for which both effective ranks agree to 5 %."""
    from scipy.optimize import brentq

    return float(brentq(lambda low: _ranks("closed form", L, low) - ALIKE, 0.05, 0.999))


@lru_cache
def sizes(route: str, objective: str, L: int, lowest: float) -> Array:
    """Amplitudes of the modes at the plateau, by a route."""
    lam, rho = _spectrum(lowest)
    if route == "closed form":
        from dlnflow.theory import plateau

        return plateau(rho, L, objective=objective)
    modes = zip(lam, rho, strict=True)
    rest = np.array([paper_ode.plateau(objective, a, b, L) for a, b in modes])
    if route == "mode ODE":
        return rest
    eps = SMALL * float(rest.min())
    initial = plain_network.aligned_layers(MODES, L, eps, objective, seed=None)
    until = ENOUGH * float(paper_ode.times(objective, lam[-1], rho[-1], L, eps, p=0.9)[0])
    made = plain_network.settled(np.diag(lam / rho), np.diag(lam), initial, L, objective, until)
    return made.w[:, -1]


def effective_rank(w: Array) -> float:
    """Exponential of the entropy of the normalised squared amplitudes."""
    share = w**2 / np.sum(w**2)
    return float(np.exp(-np.sum(share * np.log(share))))


def _ranks(route: str, L: int, lowest: float) -> float:
    jepa, mae = (effective_rank(sizes(route, name, L, lowest)) for name in ("jepa", "mae"))
    return jepa / mae


def _ranking(route: str, L: int) -> float:
    """The smaller Kendall's tau of the two rankings, with each other and with rho."""
    from scipy.stats import kendalltau

    jepa, mae = (sizes(route, name, L, LOWEST) for name in ("jepa", "mae"))
    pairs = ((jepa, mae), (jepa, _spectrum(LOWEST)[1]))
    return min(float(kendalltau(*pair).statistic) for pair in pairs)


def _directions(train: Callable[..., Array], L: int, width: int) -> float:
    """The smallest cosine between principal directions of the same rank."""
    modes = _spectrum(LOWEST, FEW)
    jepa, mae = (np.linalg.svd(train(name, *modes, L))[2][:width] for name in ("jepa", "mae"))
    return float(np.min(np.abs(np.sum(jepa * mae, axis=1))))


def plain(objective: str, lam: Array, rho: Array, L: int, width: int) -> Array:
    """Final encoder of the plain network, from balanced, aligned layers in random directions."""
    initial, last = _initial_layers(objective, lam, rho, L, width)
    data = np.diag(lam / rho), np.diag(lam)
    return plain_network.train(*data, initial, L, objective, LONG * last).encoder


def by_library(objective: str, lam: Array, rho: Array, L: int, width: int) -> Array:
    """Final encoder by the gradient flow of `dlnflow.network`."""
    from dlnflow import network

    initial, last = _initial_layers(objective, lam, rho, L, width)
    net = network.Network(tuple(initial[:L]), tuple(initial[L:]))
    data = np.diag(lam / rho), np.diag(lam)
    t = [0.0, LONG * last]
    return network.gradient_flow(net, *data, objective=objective, t=t, rtol=1e-9).encoder[-1]


def _initial_layers(
    objective: str, lam: Array, rho: Array, L: int, width: int
) -> tuple[list[Array], float]:
    """Initial layers with ``width`` units, and the time at which the last mode is learned.

    The weights of the other units of a bottleneck are 0 and stay exactly 0.
    """
    eps, last = _small_start(objective, lam, rho, L)
    d = len(lam)
    alive = np.diag(np.arange(d) < width).astype(float)
    first = alive @ np.linalg.qr(np.random.default_rng(0).normal(size=(d, d)))[0]
    decoder = alive if objective == "jepa" else first.T
    return [eps ** (1.0 / L) * one for one in (first, *[alive] * (L - 1), decoder)], last


def sampled(objective: str, lam: Array, rho: Array, L: int) -> Array:
    """Final encoder by gradient descent on fresh samples of modes in a random basis."""
    from dlnflow import network
    from dlnflow.studies._pairs import GaussianPairs

    eps, last = _small_start(objective, lam, rho, L)
    pairs = GaussianPairs.of(lam, rho, np.random.default_rng(0))
    data = pairs.sigma_xx, pairs.sigma_yx
    net = network.balanced(*data, L, eps=eps, objective=objective, rng=1)
    lr = RATES[objective] * network.largest_stable_rate(net, *data, objective=objective)
    options: dict[str, Any] = {"sampler": pairs.sample, "batch_size": BATCH, "record": 2}
    options |= {"lr": lr, "steps": int(ENOUGH * last / L / lr)}
    return network.gradient_descent(net, *data, objective=objective, **options).encoder[-1]


def _small_start(objective: str, lam: Array, rho: Array, L: int) -> tuple[float, float]:
    """Initial amplitude, and the time at which the last mode is learned."""
    modes = zip(lam, rho, strict=True)
    eps = SMALL * min(paper_ode.plateau(objective, a, b, L) for a, b in modes)
    return eps, float(paper_ode.times(objective, lam, rho, L, eps, p=LATE).max())


def note(seen: Observations) -> Noted:
    """What agrees, and what does not."""
    ranks = {L: _ranks("closed form", L, LOWEST) for L in (1, 3, 6)}
    cosine = min(one.number for one in seen if one.series == "directions")
    edges = {L: boundary(L) for L in (1, 3, 6)}
    return Noted(
        f"Both have the same principal directions (cosine at least {cosine:.3f}) and rank modes by "
        f"rho whatever their lam. But for {MODES} modes with rho from 1 to {LOWEST:g} a JEPA's "
        f"effective rank is {ranks[1]:.2f} of an MAE's at L = 1, {ranks[3]:.2f} at L = 3 and "
        f"{ranks[6]:.2f} at L = 6.",
        {
            "effective rank, JEPA over MAE, L = 1": ranks[1],
            "effective rank, JEPA over MAE, L = 3": ranks[3],
            "smallest rho with equal effective ranks, L = 1": edges[1],
            "smallest rho with equal effective ranks, L = 3": edges[3],
        },
        "similar means directions and ranking, not amplitudes: for 8 modes with rho falling evenly "
        f"from 1 the effective ranks agree too if the smallest rho exceeds {edges[1]:.2g} at "
        f"L = 1, {edges[3]:.2g} at L = 3, {edges[6]:.2g} at L = 6",
    )


CLAIM = Claim(
    name="8",
    title="Both reach similar representations",
    statement="Trained on the same data, a JEPA and an MAE reach the same representation: the same "
    "principal directions, in the same ranking, with the same effective rank, to 5 %.",
    source="the paper's abstract, in which both objectives learn similar representations; the "
    "meaning of similar is defined here",
    x=Axis("encoder depth L"),
    number=Axis("JEPA over MAE, or their agreement (1: equal)"),
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

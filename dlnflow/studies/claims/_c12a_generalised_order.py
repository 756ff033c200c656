"""Claim 12a: the order of learning where the two covariances do not commute."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import combinations, pairwise

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
from dlnflow.studies.claims._delays import BESIDE
from dlnflow.studies.claims._times import closed_form
from dlnflow.studies.claims.routes import _plain_network as plain_network

Array = NDArray[np.float64]
Times = tuple[float, ...]

RHO = np.array([0.95, 0.8, 0.65, 0.5])  # generalised; lam = 1
EPS = 1e-2
MIDDLE, OUTER, EVEN = "the middle two overlap", "the outer two overlap", "all overlap alike"
SINGLE = {  # of which two alone overlap
    MIDDLE: (1, 2),
    OUTER: (0, 3),
    "the first two overlap": (0, 1),
    "the last two overlap": (2, 3),
    "the first and third overlap": (0, 2),
    "the second and fourth overlap": (1, 3),
}
PAIRS: Mapping[str, tuple[tuple[int, int], ...]] = {
    **{name: (pair,) for name, pair in SINGLE.items()},
    EVEN: tuple(combinations(range(4), 2)),
}
DEPTHS, MORE_DEPTHS = (2, 3), (2, 3, 4)
SCANNED = (0.01, 0.4, 0.7)  # cosines, up to where patterns can hardly be told apart
SPARE = 2.5  # a network is trained that much longer than its last mode takes without overlap
TIMES, RTOL = 601, 1e-8
FURTHER = 1.25  # times a boundary
FINE = 1e-3  # to which a boundary is found


def observe(effort: Effort, *, objective: str = "jepa") -> Iterator[Observation]:
    """Kendall's tau between falling generalised ``rho`` and the times of learning.

    Features are independent of each other and seen along patterns ``p_i`` that are not orthogonal:
    ``Sigma_xx = P P^T`` and ``Sigma_yx = P diag(rho) P^T``. So the generalised eigenvalues of the
    two are ``rho`` whatever the overlaps, the covariance ``lam_i = rho_i |p_i|**2`` is 1 for all,
    and the overlaps alone keep the two from commuting. (In the basis that makes ``Sigma_xx``
    diagonal the patterns are ``Sigma_xx**(1/2) R``, with a rotation ``R``.)

    A feature counts as learned when ``|Wbar p_i|`` passes half of its own final value for the last
    time. A feature of small ``rho`` gets there for the first time along with one that it overlaps,
    whose filter has not yet turned away from its pattern, and falls back. All networks start as
    multiples of the identity.

    Parameters
    ----------
    objective : str
        What is trained; the condition stays the JEPA's.
    """
    for world in effort.choose((MIDDLE,), PAIRS):
        for L in effort.choose(DEPTHS, MORE_DEPTHS if world == MIDDLE else DEPTHS):
            ends = largest_overlap(L, world)
            around = [share * ends for share in BESIDE] if np.isfinite(ends) else []
            for overlap in sorted({*around, *effort.choose((), SCANNED)}):
                for route, times in ROUTES.items():
                    tau = _tau(times(objective, L, world, overlap))
                    inside = overlap < ends
                    yield Observation(route, _name(L, world), overlap, tau, tau == 1.0, inside)


def data(world: str, overlap: float) -> tuple[Array, Array, Array]:
    """``Sigma_xx``, ``Sigma_yx``, and the patterns as columns of unit length."""
    size = np.sqrt(1.0 / RHO)
    cosines = np.eye(len(RHO))
    for i, j in PAIRS[world]:
        cosines[i, j] = cosines[j, i] = overlap
    gram = np.outer(size, size) * cosines
    values, vectors = np.linalg.eigh(gram)
    patterns = (vectors * np.sqrt(values)) @ vectors.T
    sigma_yx = (patterns * RHO) @ patterns.T
    return patterns @ patterns.T, sigma_yx, patterns / np.linalg.norm(patterns, axis=0)


def commutator(world: str, overlap: float) -> float:
    """Of the two covariances, relative to their sizes."""
    xx, yx, _ = data(world, overlap)
    size = np.linalg.norm(xx) * np.linalg.norm(yx)
    return float(np.linalg.norm(xx @ yx - yx @ xx) / size)


@lru_cache
def _plain(objective: str, L: int, world: str, overlap: float) -> Times:
    xx, yx, patterns = data(world, overlap)
    start = plain_network.aligned_start(len(RHO), L, EPS, objective, seed=None)
    until = _horizon(objective, L)
    made = plain_network.settled(xx, yx, start, L, objective, until, patterns)
    return _learned(made.t, made.w)


def _matrix(objective: str, L: int, world: str, overlap: float) -> Times:
    from dlnflow import network

    xx, yx, _ = data(world, overlap)
    net = network.balanced(xx, yx, L, eps=EPS)
    t = np.linspace(0.0, _horizon(objective, L), TIMES)
    run = network.gradient_flow(net, xx, yx, objective, t=t, rtol=RTOL)
    return _learned(run.t, run.amplitudes("generalised"))


def _horizon(objective: str, L: int) -> float:
    return SPARE * float(closed_form(objective, 1.0, RHO, L, EPS).max())


def _learned(t: Array, w: Array) -> Times:
    """When each amplitude passes half of its last value for the last time."""
    times = []
    for one in w / (0.5 * w[:, -1:]):
        last = int(np.flatnonzero(one < 1.0)[-1])
        share = (1.0 - one[last]) / (one[last + 1] - one[last])
        times.append(float(t[last] + share * (t[last + 1] - t[last])))
    return tuple(times)


def _tau(times: Times) -> float:
    from scipy.stats import kendalltau

    return round(float(kendalltau(-RHO, times).statistic), 12)


Route = Callable[[str, int, str, float], Times]
ROUTES: Mapping[str, Route] = {"plain network": _plain, "matrix network": _matrix}


@lru_cache
def largest_overlap(L: int, world: str) -> float:
    """Up to which cosine a JEPA learns by falling ``rho``, by the plain network; else infinite."""
    from scipy.optimize import brentq

    def least_step(overlap: float) -> float:
        return float(np.diff(_plain("jepa", L, world, overlap)).min())

    for low, high in pairwise(SCANNED):
        if least_step(high) < 0.0:
            return float(brentq(least_step, low, high, xtol=FINE))
    return float("inf")


def _name(L: int, world: str) -> str:
    return f"L = {L}, {world}"


def note(seen: Observations) -> Noted:
    """How much overlap the order bears, and what overlap does."""
    depths = [L for L in MORE_DEPTHS if any(one.series == _name(L, MIDDLE) for one in seen)]
    ends = {L: largest_overlap(L, MIDDLE) for L in depths}
    apart = {L: commutator(MIDDLE, end) for L, end in ends.items()}
    without, overlapping = (_plain("jepa", 2, MIDDLE, one) for one in (0.0, FURTHER * ends[2]))
    sooner, later = (overlapping[i] / without[i] - 1.0 for i in (1, 2))
    words = ", ".join(
        f"{end:.2g} at L = {L} (relative commutator {apart[L]:.2g})" for L, end in ends.items()
    )
    return Noted(
        "Of four features of equal lam, with generalised rho from 0.95 to 0.5, the middle two may "
        f"overlap by a cosine of {words} before a JEPA's order is another. Two that overlap keep "
        f"their order, but move apart and overtake others: at {FURTHER} times the first cosine "
        f"one comes {100 * (-sooner):.1f} % sooner, the other {100 * (later):.1f} % later.",
        {f"overlap, L = {L}": ends[L] for L in DEPTHS}
        | {f"commutator, L = {L}": apart[L] for L in DEPTHS},
        "no two features alone overlap much, the first and the last apart: for these rho at eps = "
        f"0.01 the cosine of the middle two is below {words}, that of other pairs below a limit of "
        "its own; overlap that is alike between all, or between the first and the last alone, was "
        f"never too much (seen up to a cosine of {max(SCANNED)})",
    )


CLAIM = Claim(
    name="12a",
    title="Without commuting covariances a JEPA learns by generalised rho",
    statement="Where the covariances do not commute, a JEPA learns features of equal covariance in "
    "the order of their generalised regression coefficients, the generalised eigenvalues of "
    "(Sigma_yx, Sigma_xx).",
    source="left open by the paper, which assumes covariances that are diagonal together",
    x=Axis("cosine between patterns that overlap"),
    number=Axis("Kendall's tau of rho and order of learning"),
    observe=observe,
    note=note,
    control=Control("an MAE in place of the JEPA", {"objective": "mae"}),
    module=__name__,
)

"""Claim 12a: the order of learning where the two covariances do not commute."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from dlnflow.data._covariance import commutator as relative_commutator
from dlnflow.studies.claims._claim import (
    Axis,
    Claim,
    Control,
    Effort,
    Noted,
    Observation,
    Observations,
)
from dlnflow.studies.claims._times import BESIDE, closed_form
from dlnflow.studies.claims.routes import _plain_network as plain_network

Array = NDArray[np.float64]
Times = tuple[float, ...]

RHO = np.array([0.95, 0.8, 0.65, 0.5])  # generalised; lam = 1
EPS = 1e-2
MIDDLE, OUTER, EVEN = "the middle two overlap", "the outer two overlap", "all overlap equally"
THIRD = "the first and third overlap"
SINGLE = {  # the only two that overlap
    MIDDLE: (1, 2),
    OUTER: (0, 3),
    "the first two overlap": (0, 1),
    "the last two overlap": (2, 3),
    THIRD: (0, 2),
    "the second and fourth overlap": (1, 3),
}
PAIRS: Mapping[str, tuple[tuple[int, int], ...]] = {
    **{name: (pair,) for name, pair in SINGLE.items()},
    EVEN: tuple(combinations(range(4), 2)),
}
DEPTHS, MORE_DEPTHS = (2, 3), (2, 3, 4)
DRAWN = (
    *(f"L = {L}, {MIDDLE}" for L in MORE_DEPTHS),
    *(f"L = 2, {name}" for name in (THIRD, OUTER, EVEN)),
)
SCANNED = (0.01, 0.4, 0.7)  # cosines; beyond, the patterns are nearly parallel
SPARE = 2.5  # training time over the last critical time without overlap
TIMES, RTOL = 601, 1e-8
FURTHER = 1.25  # over a boundary
FINE = 1e-3  # error of a boundary


def observe(effort: Effort, *, objective: str = "jepa") -> Iterator[Observation]:
    """Kendall's tau between decreasing generalised ``rho`` and the times of learning.

    The features are independent, with patterns ``p_i`` that are not orthogonal: ``Sigma_xx = P
    P^T`` and ``Sigma_yx = P diag(rho) P^T``. So the generalised eigenvalues are ``rho`` for every
    overlap, the covariance ``lam_i = rho_i |p_i|**2`` is 1 for all, and only the overlaps keep the
    covariances from commuting. (In the basis that makes ``Sigma_xx``
    diagonal the patterns are ``Sigma_xx**(1/2) R``, with a rotation ``R``.)

    The features are the generalised eigenvectors, ``v_i . x`` with ``Sigma_xx v_i`` along ``p_i``.
    A feature counts as learned when a linear probe reads half of its variance for good, with the
    noise of `dlnflow.network.Run.probe_r2`. At large overlaps half of a feature of small ``rho``
    can be read earlier, from the unit of another feature, and is lost again. All layers are
    multiples of the identity initially.

    Parameters
    ----------
    objective : str
        Objective that is trained; the condition stays that of the JEPA.
    """
    for overlapping in effort.choose((MIDDLE,), PAIRS):
        for L in effort.choose(DEPTHS, MORE_DEPTHS if overlapping == MIDDLE else DEPTHS):
            ends = largest_overlap(L, overlapping)
            around = [share * ends for share in BESIDE] if np.isfinite(ends) else []
            for overlap in sorted({*around, *effort.choose((), SCANNED)}):
                for route, times in ROUTES.items():
                    tau = _tau(times(objective, L, overlapping, overlap))
                    inside = overlap < ends
                    yield Observation(
                        route, _name(L, overlapping), overlap, tau, tau == 1.0, inside
                    )


def data(overlapping: str, overlap: float) -> tuple[Array, Array, Array]:
    """``Sigma_xx``, ``Sigma_yx``, and the filters of the features as columns."""
    size = np.sqrt(1.0 / RHO)
    cosines = np.eye(len(RHO))
    for i, j in PAIRS[overlapping]:
        cosines[i, j] = cosines[j, i] = overlap
    gram = np.outer(size, size) * cosines
    values, vectors = np.linalg.eigh(gram)
    patterns = (vectors * np.sqrt(values)) @ vectors.T
    sigma_yx = (patterns * RHO) @ patterns.T
    return patterns @ patterns.T, sigma_yx, np.linalg.inv(patterns).T


def commutator(overlapping: str, overlap: float) -> float:
    """Relative commutator of the two covariances."""
    xx, yx, _ = data(overlapping, overlap)
    return relative_commutator(xx, yx)


@lru_cache
def _plain(objective: str, L: int, overlapping: str, overlap: float) -> Times:
    xx, yx, filters = data(overlapping, overlap)
    initial = plain_network.aligned_layers(len(RHO), L, EPS, objective, seed=None)
    made = plain_network.train(xx, yx, initial, L, objective, _horizon(objective, L))
    rest = RHO ** (L if objective == "jepa" else L / (L + 1))
    noise = plain_network.HALF * rest * np.linalg.norm(xx @ filters, axis=0)
    return _kept(made.t, plain_network.probe_r2(made.encoders, xx, filters, noise))


@lru_cache
def _matrix(objective: str, L: int, overlapping: str, overlap: float) -> Times:
    from dlnflow import network

    xx, yx, filters = data(overlapping, overlap)
    net = network.balanced(xx, yx, L, eps=EPS)
    t = np.linspace(0.0, _horizon(objective, L), TIMES)
    run = network.gradient_flow(net, xx, yx, objective=objective, t=t, rtol=RTOL)
    return _kept(run.t, run.probe_r2(filters))


def _horizon(objective: str, L: int) -> float:
    return SPARE * float(closed_form(objective, 1.0, RHO, L, EPS).max())


def _kept(t: Array, r2: Array) -> Times:
    """Time from which each ``R2`` stays above 1/2, by its logit; shape of ``r2`` (times, modes)."""
    times = []
    for one in np.log(r2 / (1.0 - r2)).T:
        last = int(np.flatnonzero(one < 0.0)[-1])
        if last + 1 == len(t):
            times.append(float("inf"))
            continue
        share = -one[last] / (one[last + 1] - one[last])
        times.append(float(t[last] + share * (t[last + 1] - t[last])))
    return tuple(times)


def _tau(times: Times) -> float:
    from scipy.stats import kendalltau

    return round(float(kendalltau(-RHO, times).statistic), 12)


Route = Callable[[str, int, str, float], Times]
ROUTES: Mapping[str, Route] = {"plain network": _plain, "matrix network": _matrix}


@lru_cache
def largest_overlap(L: int, overlapping: str) -> float:
    """Largest cosine at which a JEPA learns by decreasing ``rho``, by the plain network."""
    from scipy.optimize import brentq

    def least_step(overlap: float) -> float:
        return float(np.diff(_plain("jepa", L, overlapping, overlap)).min())

    for low, high in pairwise(SCANNED):
        if least_step(high) < 0.0:
            return float(brentq(least_step, low, high, xtol=FINE))
    return float("inf")


def _name(L: int, overlapping: str) -> str:
    return f"L = {L}, {overlapping}"


def note(seen: Observations) -> Noted:
    """The overlaps at which the order changes, and the effect of an overlap."""
    depths = [L for L in MORE_DEPTHS if any(one.series == _name(L, MIDDLE) for one in seen)]
    ends = {L: largest_overlap(L, MIDDLE) for L in depths}
    apart = {L: commutator(MIDDLE, end) for L, end in ends.items()}
    without, overlapping = (_plain("jepa", 2, MIDDLE, one) for one in (0.0, FURTHER * ends[2]))
    sooner, later = (overlapping[i] / without[i] - 1.0 for i in (1, 2))
    words = ", ".join(
        f"{end:.2g} at L = {L} (relative commutator {apart[L]:.2g})" for L, end in ends.items()
    )
    return Noted(
        "For four features of equal lam, with generalised rho from 0.95 to 0.5, a JEPA's order "
        f"changes if the middle two overlap by a cosine above {words}. These two keep their order, "
        f"but move apart and pass others: at {FURTHER} times the first cosine "
        f"one comes {100 * -sooner:.1f} % sooner, the other {100 * later:.1f} % later.",
        {f"overlap, L = {L}": ends[L] for L in DEPTHS}
        | {f"commutator, L = {L}": apart[L] for L in DEPTHS},
        "no single pair overlaps much, except the first and the last: for these rho at eps = "
        f"0.01 the cosine of the middle two is below {words}, that of other pairs below a limit of "
        "its own; equal overlap of all, or overlap of the first and the last alone, never changed "
        f"the order (up to a cosine of {max(SCANNED)})",
    )


CLAIM = Claim(
    name="12a",
    title="With non-commuting covariances a JEPA learns by generalised rho",
    statement="If the covariances do not commute, a JEPA learns features of equal covariance in "
    "the order of their generalised regression coefficients, the generalised eigenvalues of "
    "(Sigma_yx, Sigma_xx). (A feature is learned when a linear probe reads half of its variance "
    "for good.)",
    source="beyond the paper, whose Assumption 4.1 has both covariances diagonal in one basis",
    x=Axis("cosine between overlapping patterns"),
    number=Axis("Kendall's tau between rho and order of learning"),
    observe=observe,
    note=note,
    control=Control("an MAE in place of the JEPA", {"objective": "mae"}),
    module=__name__,
    drawn=lambda one: one.series in DRAWN,
)

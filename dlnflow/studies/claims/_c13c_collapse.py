"""Claim 13c: all modes of one objective and depth follow one curve."""

from __future__ import annotations

from collections.abc import Iterator

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
from dlnflow.theory import hitting_time
from dlnflow.theory._objective import as_objective

Array = NDArray[np.float64]

LAM = np.array([1.0, 1.3, 0.7, 1.1])
RHO = np.array([1.0, 0.9, 0.8, 0.7])
EPS = np.array([1e-3, 3e-3, 2e-3, 1e-3])
LEARNED = np.array([0.5, 0.6, 0.7, 0.8, 0.9])  # fractions q, all above the initial ones
SAME = 1e-4  # relative spread that counts as none
SPARE = 1.2  # training time at first, in units of the last critical time
OBJECTIVES = {"JEPA": "jepa", "MAE": "mae", "target after one layer": "layer-1"}
QUICK, FULL = (1, 2), range(1, 6)  # depths


def observe(effort: Effort, *, rate: str | None = None) -> Iterator[Observation]:
    """Largest relative spread of ``kappa (t(q) - t(0.5))`` over modes.

    Four modes differ in ``lam``, ``rho`` and ``wbar(0)``. At ``t(q)`` the amplitude is ``(q
    rho)**(L/k)``, the fraction ``q**(L/k)`` of its plateau. Rates are on the network's clock, times
    on the paper's, which runs ``L`` times faster. Networks are initialised in the basis of the
    data, so that no rounding error grows between modes.

    Parameters
    ----------
    rate : str, optional
        Objective whose formula gives all rates; by default each network's own.
    """
    for series, objective in OBJECTIVES.items():
        for L in effort.choose(QUICK, FULL):
            if objective == "layer-1" and L == 1:
                continue  # that is the JEPA
            kappa = as_objective(rate or objective).rate(LAM, RHO, L) / L
            power = L / float(as_objective(objective).gap(L))
            for route, times in ROUTES.items():
                spread = _spread(kappa[:, None] * times(objective, L, power))
                off = 0.5 * SAME + 1e-3 * spread
                yield Observation(route, series, L, spread, spread < SAME, error=off)


def _spread(times: Array) -> float:
    """Largest range of the durations after the first fraction, relative to their mean."""
    lasted = times[:, 1:] - times[:, :1]
    return float(np.max(np.ptp(lasted, axis=0) / lasted.mean(axis=0)))


def _closed_form(objective: str, L: int, power: float) -> Array:
    lam, rho, eps = (one[:, None] for one in (LAM, RHO, EPS))
    w = (LEARNED * rho) ** power
    return np.asarray(hitting_time(w, lam, rho, L, eps=eps, objective=objective))


def _mode_ode(objective: str, L: int, power: float) -> Array:
    modes = zip(LAM, RHO, EPS, strict=True)
    return np.array(
        [
            [paper_ode.times(objective, a, b, L, eps, p=q**power)[0] for q in LEARNED]
            for a, b, eps in modes
        ]
    )


def _network(objective: str, L: int, power: float) -> Array:
    """Times of all modes in one network, each from its own initial amplitude."""
    modes = zip(LAM, RHO, EPS, strict=True)
    last = max(float(paper_ode.times(objective, a, b, L, eps)[0]) for a, b, eps in modes)
    initial = [np.diag(EPS ** (1.0 / L))] * (L + 1)
    data = np.diag(LAM / RHO), np.diag(LAM)
    made = plain_network.settled(*data, initial, L, objective, SPARE * last)
    return np.array([made.times(q**power) for q in LEARNED]).T


ROUTES = {"mode ODE": _mode_ode, "plain network": _network, "closed form": _closed_form}


def note(seen: Observations) -> Noted:
    """The largest spread; it is an error of a solver and not recorded."""
    deepest = int(max(one.x for one in seen))
    worst = max(one.number for one in seen)
    return Noted(
        "Four modes with lam from 0.7 to 1.3, rho from 0.7 to 1 and eps from 0.001 to 0.003, "
        f"L = 1 to {deepest}, take the same time from q = 0.5 to any q up to 0.9, in units of "
        f"1/kappa, within {worst:.1g}: kappa is lam rho**(2L-1) for a JEPA and (L+1) lam "
        "rho**((L-1)/(L+1)) for an MAE, on the network's clock.",
        {},
    )


CLAIM = Claim(
    name="13c",
    title="One curve for all modes",
    statement="As functions of kappa t, the learned fractions q of all growing modes of one "
    "objective and depth follow one curve, whatever their lam, rho and eps.",
    source="derived here: the master equation dq/dt = kappa q**c (1 - q), of which the paper "
    "solves the integer orders of a JEPA implicitly (Theorem 4.4)",
    x=Axis("encoder depth L"),
    number=Axis("spread of kappa t over modes", log=True),
    observe=observe,
    note=note,
    control=Control("the MAE's rate kappa for every objective", {"rate": "mae"}),
    module=__name__,
    level=SAME,
)

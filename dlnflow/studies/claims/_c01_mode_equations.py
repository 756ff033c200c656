"""Claim 1: the mode equations and their fixed points."""

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
from dlnflow.studies.claims.routes import _paper_ode as paper_ode
from dlnflow.studies.claims.routes import _plain_network as plain_network

MODES = ((1.0, 0.9), (1.1, 0.6))  # lam, rho
EPS = 1e-2
CLOSE = 1e-5  # distance from the equation, in plateaus, that counts as none


def observe(
    effort: Effort, *, objective: str | None = None, imbalance: float = 0.0
) -> Iterator[Observation]:
    """Distance of networks of matrices and of the derivation from the paper's equations.

    Parameters
    ----------
    objective : str, optional
        Objective whose equations all networks are compared with; by default each network's own.
    imbalance : float
        Factor 1 + imbalance by which the first layer is larger and the last smaller initially.
    """
    for trained in ("jepa", "mae"):
        for L in effort.choose((1, 3), range(1, 6)):
            stated = objective or trained
            yield from _network(trained, stated, L, imbalance)
            yield from _closed_form(trained, stated, L)
            if not imbalance:
                yield from _derivation(trained, stated, L)


def _network(trained: str, stated: str, L: int, imbalance: float) -> Iterator[Observation]:
    lam, rho = np.array(MODES).T
    initial = plain_network.aligned_layers(2, L, EPS, trained)
    initial[0], initial[-1] = (1.0 + imbalance) * initial[0], initial[-1] / (1.0 + imbalance)
    until = 3.0 * float(paper_ode.times(trained, lam, rho, L, EPS).max())
    made = plain_network.settled(np.diag(lam / rho), np.diag(lam), initial, L, trained, until)
    gap = 0.0
    for w, a, b in zip(made.w, lam, rho, strict=True):
        rest = paper_ode.plateau(stated, a, b, L)
        predicted = paper_ode.trajectory(stated, a, b, L, EPS, made.t)
        gap = max(gap, float(np.max(np.abs(w - predicted)) / rest))
    yield _observation("plain network", f"{trained.upper()}, trajectory", L, gap)
    power = L if stated == "jepa" else L / (L + 1)
    ends = float(np.max(np.abs(made.w[:, -1] / rho**power - 1.0)))
    yield _observation("plain network", f"{trained.upper()}, fixed point", L, ends)


def _closed_form(trained: str, stated: str, L: int) -> Iterator[Observation]:
    from dlnflow.theory import amplitude, plateau

    lam, rho = np.array(MODES).T
    until = 1.2 * float(paper_ode.times(trained, lam, rho, L, EPS).max())
    t = np.linspace(0.0, until, 400)
    gap = ends = 0.0
    for a, b in MODES:
        rest = paper_ode.plateau(stated, a, b, L)
        w = amplitude(t, a, b, L, eps=EPS, objective=trained)
        predicted = paper_ode.trajectory(stated, a, b, L, EPS, t)
        gap = max(gap, float(np.max(np.abs(w - predicted)) / rest))
        ends = max(ends, abs(float(plateau(b, L, objective=trained)) / rest - 1.0))
    yield _observation("closed form", f"{trained.upper()}, trajectory", L, gap)
    yield _observation("closed form", f"{trained.upper()}, fixed point", L, ends)


def _derivation(trained: str, stated: str, L: int) -> Iterator[Observation]:
    """The paper's right-hand side and plateau, checked by the derivation in its own networks."""
    import sympy as sp

    from dlnflow import symbolic

    derived = symbolic.derive(trained, L)
    w, lam, rho = symbolic.w, symbolic.lam, symbolic.rho
    power = sp.Rational(3 * L - 1, L) if stated == "jepa" else sp.Rational(2 * L - 1, L)
    try:
        derived.check_mode_ode(lam * w**power - lam / rho * w**3)
        derived["7"].check()
        refuted = 0.0
    except symbolic.DerivationError:
        refuted = 1.0
    yield _observation("derivation", f"{trained.upper()}, trajectory", L, refuted)
    rest = rho ** (L if stated == "jepa" else sp.Rational(L, L + 1))
    apart = 0.0 if sp.simplify(derived.plateau - rest) == 0 else 1.0
    yield _observation("derivation", f"{trained.upper()}, fixed point", L, apart)


def _observation(route: str, series: str, L: int, gap: float) -> Observation:
    return Observation(route, series, L, gap, holds=gap < CLOSE, error=None)


def note(seen: Observations) -> Noted:
    """The largest distances; they are errors of solvers and not recorded."""
    network = max(one.number for one in seen if one.route == "plain network")
    closed = max(one.number for one in seen if one.route == "closed form")
    depths = int(max(one.x for one in seen))
    return Noted(
        f"Networks of matrices follow the equations within {network:.1g} of a plateau over the "
        f"whole trajectory, L = 1 to {depths}, and end at rho**L (JEPA) and rho**(L/(L+1)) (MAE). "
        f"The closed form follows them within {closed:.1g}. Both distances are errors of solvers. "
        "The derivation gives the same formulas.",
        {},
    )


CLAIM = Claim(
    name="1",
    title="Mode equations and fixed points",
    statement="From a balanced orthogonal initialisation, every mode of a JEPA obeys d wbar/dt = "
    "lam wbar**(3-1/L) - (lam/rho) wbar**3 and rests at rho**L; every mode of an MAE obeys "
    "d wbar/dt = lam wbar**(2-1/L) - (lam/rho) wbar**3 and rests at rho**(L/(L+1)).",
    source="the paper's mode equations, as its critical times (Theorem 4.5) imply them; for a "
    "JEPA of integer order the paper also has their implicit exact solution (Theorem 4.4, with "
    "the partial fractions of its Lemma B.6); whether it prints the equations with the factor L "
    "of the chain rule could not be checked",
    x=Axis("encoder depth L"),
    number=Axis("largest distance from the equation (plateaus)", log=True),
    observe=observe,
    note=note,
    control=Control(
        "unbalanced layers: the first 1.5 times as large, the last 1.5 times smaller",
        {"imbalance": 0.5},
    ),
    module=__name__,
    level=CLOSE,
)

"""Claim 4: an MAE learns features in the order of their covariance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

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
from dlnflow.studies.claims._departures import NetworkCase, measured, recorded
from dlnflow.studies.claims._times import (
    BESIDE,
    TimeRoute,
    behind,
    boundary,
    by,
    closed_form,
    number_at,
)
from dlnflow.studies.claims.routes import _plain_network as plain_network

HIGH, LOW = 1.0, 0.5  # rho
SERIES = ((1, 0.05, 0.5), (3, 0.05, 0.5), (3, 0.01, 0.5))  # L, lead in lam, fraction p
MORE_SERIES = (*SERIES, (2, 0.05, 0.5), (4, 0.05, 0.5), (2, 0.01, 0.5), (3, 0.01, 0.9))
AROUND, MORE_AROUND = (0.1, *BESIDE), (0.02, 0.1, *BESIDE, 2.0)  # times the boundary
FIRST, LAST = 1e-8, 0.05  # eps between which a boundary lies
SMALL = 1e-6  # eps at which the limit of small eps is measured
CLOSE = 0.02  # of an exponent
RECORDED_DEPTHS, RECORDED_EPS, RECORDED_LEAD = (2, 4), 1e-3, 0.08
RECORDED_ERROR = 0.01  # by the network's times
LIMIT_ERROR = 0.005  # of what is measured at SMALL in place of the limit


def observe(effort: Effort, *, objective: str = "mae") -> Iterator[Observation]:
    """Relative delay of the mode of smaller ``lam``, and the remaining effect of ``rho``.

    Parameters
    ----------
    objective : str
        Objective that is trained; the condition stays that of the MAE.
    """
    for L, lead, p in effort.choose(SERIES, MORE_SERIES):
        ends = largest_start(L, lead, p)
        for share in effort.choose(AROUND, MORE_AROUND):
            yield from _ordered(objective, L, lead, p, share * ends, share < 1.0, effort)
    for L in effort.choose((3,), (2, 3, 4)):
        yield from _limit(objective, L, effort)
    for L in effort.choose((), RECORDED_DEPTHS):
        yield from _recorded(objective, L)


def _ordered(
    objective: str, L: int, lead: float, p: float, eps: float, inside: bool, effort: Effort
) -> Iterator[Observation]:
    """The mode of larger ``lam`` has the larger ``rho`` in one pair, the smaller in another."""
    name = _name(L, lead, p)
    quick = ("closed form", "quadrature", "mode ODE")
    for way in by(*effort.choose(quick, (*quick, "derivation", "plain network"))):
        number = _least(way.times, objective, L, lead, p, eps)
        off = 4.0 * way.error * (1.0 + 1.0 / lead)
        yield Observation(way.route, name, eps, number, number > 0.0, inside, off)


def _least(
    times: Callable[..., Any], objective: str, L: int, lead: float, p: float, eps: float
) -> float:
    """The smaller of the two delays behind a mode of larger ``lam``, in units of its lead."""
    found = times(
        objective, [1.0 + lead, 1.0, 1.0 + lead, 1.0], [HIGH, LOW, LOW, HIGH], L, eps, p=p
    )
    return min(behind(found[:2]), behind(found[2:])) / lead


def largest_start(L: int, lead: float, p: float) -> float:
    """Largest ``eps`` at which an MAE learns the larger ``lam`` first, by the closed form."""
    from scipy.optimize import brentq

    def later(log_eps: float) -> float:
        return _least(closed_form, "mae", L, lead, p, float(np.exp(log_eps)))

    return float(np.exp(brentq(later, np.log(FIRST), np.log(LAST))))


def _recorded(objective: str, L: int) -> Iterator[Observation]:
    """An electroencephalogram of four channels, predicted one sample ahead and back."""
    from dlnflow.data import Spectrum

    xx, yx = recorded(1)
    lam = Spectrum.from_covariances(xx, yx, basis="variance").lam  # as `forecast` has the modes
    initial = plain_network.aligned_layers(len(lam), L, RECORDED_EPS, objective, seed=None)
    for route in ("real data", "plain network"):
        times = measured(route, NetworkCase(objective, xx, yx, initial, L))
        number = float(np.min((times[1:] / times[:-1] - 1.0) / (lam[:-1] / lam[1:] - 1.0)))
        name = f"electroencephalogram, L = {L}, leads of {100 * RECORDED_LEAD:g} % and more"
        yield Observation(route, name, RECORDED_EPS, number, number > 0.0, error=RECORDED_ERROR)


def _limit(objective: str, L: int, effort: Effort) -> Iterator[Observation]:
    """Effect of ``rho`` at equal ``lam``: its power of ``eps``, and where its sign changes."""
    expected = (L - 1) / L
    found: dict[str, tuple[float, float]] = {}
    for way in by("closed form", "mode ODE", *effort.choose((), ("quadrature",))):
        found[way.route] = _power(way, objective, L), _turn(way, objective, L)
    if effort is Effort.full:
        found["derivation"] = _derived_limit(objective, L)
    for route, (power, turn) in found.items():
        fits = abs(power - expected) < CLOSE
        yield Observation(route, f"L = {L}: power of eps", SMALL, power, fits, error=LIMIT_ERROR)
        series = f"L = {L}: sign change at p"
        yield Observation(route, series, SMALL, turn, turn < 1.0, error=LIMIT_ERROR)


def _left(way: TimeRoute, objective: str, L: int, eps: float, p: float) -> float:
    return behind(way.times(objective, [1.0, 1.0], [HIGH, LOW], L, eps, p=p))


def _power(way: TimeRoute, objective: str, L: int) -> float:
    larger, smaller = (_left(way, objective, L, eps, 0.5) for eps in (SMALL, 0.1 * SMALL))
    return float(np.log10(abs(larger / smaller)))


def _turn(way: TimeRoute, objective: str, L: int) -> float:
    return _root(lambda p: _left(way, objective, L, SMALL, p))


def _root(left: Callable[[float], float]) -> float:
    """The ``p`` above which the smaller ``rho`` is no longer first; 1 if there is none."""
    from scipy.optimize import brentq

    first, last = 0.05, 0.999
    return float(brentq(left, first, last, xtol=1e-5)) if left(first) < 0.0 < left(last) else 1.0


def _derived_limit(objective: str, L: int) -> tuple[float, float]:
    """Power and sign change from the limit of small ``eps`` in step 11a of the derivation."""
    import sympy as sp

    from dlnflow import symbolic

    _, _, scale, limit, *_ = symbolic.derive(objective, L)["11a"].statement
    size = sp.lambdify(symbolic.eps, scale.rhs)
    rho_1, rho_2 = sp.symbols("rho_1 rho_2", positive=True)
    coefficient = limit.rhs.subs({rho_1: sp.Rational(HIGH), rho_2: sp.Rational(LOW)})
    turn = _root(lambda p: float(coefficient.subs(symbolic.p, p)))
    return float(np.log10(size(SMALL) / size(0.1 * SMALL))), turn


def _name(L: int, lead: float, p: float) -> str:
    return f"L = {L}, lead {100 * lead:g} %" + ("" if p == 0.5 else f", p = {p:g}")


def note(seen: Observations) -> Noted:
    """The largest initialisations, and the effect of rho at L = 3."""
    ends = {key: boundary(seen, _name(*key)) for key in SERIES}
    power, turn = (
        number_at(seen, f"L = 3: {of}", SMALL) for of in ("power of eps", "sign change at p")
    )
    numbers = {f"largest eps, {_name(*key)}": one for key, one in ends.items()}
    numbers |= {"power of eps, L = 3": power, "sign change at p, L = 3": turn}
    one, three, less = ends.values()
    return Noted(
        f"At equal lam and L = 3 the effect of rho falls as eps**{power:.3f}. The smaller rho "
        f"comes first up to the fraction p = {turn:.2f} of the plateau, and the larger rho beyond.",
        numbers,
        "the lead in lam exceeds the remaining effect of rho: for rho = 1 and 0.5 a lead of 5 % "
        f"is enough at eps < {one:.2g} (L = 1) and {three:.2g} (L = 3), a lead of 1 % at eps < "
        f"{less:.2g} (L = 3)",
    )


CLAIM = Claim(
    name="4",
    title="An MAE learns by covariance, whatever rho",
    statement="Of two features an MAE learns the one of larger covariance lam first, whatever "
    "their regression coefficients rho; the remaining effect of rho is of relative order "
    "eps**((L-1)/L) for L > 1, with a sign that depends on the fraction of the plateau.",
    source="the paper's critical time of an MAE (Theorem 4.5), which does not contain rho; the "
    "order of the remaining effect is derived here",
    x=Axis("initial amplitude eps", log=True),
    number=Axis("delay of the smaller lam over the lead in lam"),
    observe=observe,
    note=note,
    control=Control("a JEPA in place of the MAE", {"objective": "jepa"}),
    module=__name__,
    level=0.0,
    drawn=lambda one: "lead" in one.series and "p =" not in one.series,
)

"""Claim 2: the published critical times and their error terms."""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
from dlnflow.studies.claims._times import by
from dlnflow.studies.claims.routes import _quadrature as quadrature

LAM, RHO = 1.1, 0.7
DECADE = 10.0
CLOSE = 0.05  # of a slope
EPS_VALUES, MORE_EPS_VALUES = (1e-8, 1e-12), (1e-8, 1e-10, 1e-12)
WHOLE = 1e-2  # eps at which times with their remainders are compared
TOGETHER = ", relative error of published time plus remainder"
GOOD = 0.01  # relative error of a published time


def observe(effort: Effort, *, formula: str | None = None) -> Iterator[Observation]:
    """Growth of the remainder of the published times with ``log(1/eps)``, and whole times.

    Parameters
    ----------
    formula : {"jepa", "mae"}, optional
        Objective whose published formula is used; by default each objective's own.
    """
    for objective in ("jepa", "mae"):
        for L in effort.choose((1, 3), (1, 2, 3, 4)):
            stated = formula or objective
            for eps in effort.choose(EPS_VALUES, MORE_EPS_VALUES):
                yield from _growth(objective, stated, L, eps)
            yield from _whole(objective, stated, L)


def _growth(objective: str, stated: str, L: int, eps: float) -> Iterator[Observation]:
    """Slope of the remainder in ``log(1/eps)`` over a decade, in units of its limit."""
    expected = 1.0 if objective == "jepa" else 0.0
    unit = LAM * RHO ** (2 * L - 1) if objective == "jepa" else LAM
    ways: dict[str, Callable[[float], float]] = {
        "quadrature": lambda initial: float(
            quadrature.time(objective, LAM, RHO, L, initial)
            - quadrature.published(stated, LAM, RHO, L, initial)
        ),
        "closed form": _closed_form(objective, stated, L),
        "derivation": _derived(objective, stated, L),
    }
    for route, remainder in ways.items():
        slope = (remainder(eps / DECADE) - remainder(eps)) / np.log(DECADE) * unit
        fits = abs(slope - expected) < CLOSE
        series = f"{objective.upper()}, L = {L}"
        yield Observation(route, series, eps, slope, fits, error=1e-6 * (1.0 + abs(slope)))


def _closed_form(objective: str, stated: str, L: int) -> Callable[[float], float]:
    from dlnflow.theory import critical_time, critical_time_published, critical_time_remainder

    if stated == objective:
        return lambda eps: float(critical_time_remainder(LAM, RHO, L, eps=eps, objective=objective))
    return lambda eps: float(
        critical_time(LAM, RHO, L, eps=eps, objective=objective)
        - critical_time_published(LAM, RHO, L, eps=eps, objective=stated)
    )


def _derived(objective: str, stated: str, L: int) -> Callable[[float], float]:
    from dlnflow import symbolic

    derived = symbolic.derive(objective, L)
    if stated == objective:
        derived_remainder = derived.lambdify("remainder")
        return lambda eps: float(derived_remainder(LAM, RHO, eps, 0.5))
    whole = derived.lambdify("critical_time")
    other = symbolic.derive(stated, L).lambdify("critical_time_published")
    return lambda eps: float(whole(LAM, RHO, eps, 0.5) - other(LAM, RHO, eps))


def _whole(objective: str, stated: str, L: int) -> Iterator[Observation]:
    """Integrated times at moderate ``eps``, compared with published time plus remainder."""
    from dlnflow.theory import critical_time_remainder

    remainder = float(critical_time_remainder(LAM, RHO, L, eps=WHOLE, objective=objective))
    whole = float(quadrature.published(stated, LAM, RHO, L, WHOLE)) + remainder
    series = f"{objective.upper()}, L = {L}{TOGETHER}"
    for way in by("mode ODE", "plain network"):
        off = float(way.times(objective, LAM, RHO, L, WHOLE)[0]) / whole - 1.0
        yield Observation(way.route, series, WHOLE, off, abs(off) < 1e-4, error=None)


def good_below(objective: str, L: int) -> float:
    """The ``eps`` below which the published time is within 1 % of the exact one."""
    from scipy.optimize import brentq

    from dlnflow.theory import critical_time, critical_time_remainder

    def excess(log_eps: float) -> float:
        eps = float(np.exp(log_eps))
        remainder = critical_time_remainder(LAM, RHO, L, eps=eps, objective=objective)
        whole = critical_time(LAM, RHO, L, eps=eps, objective=objective)
        return float(abs(remainder) / whole - GOOD)

    grid = np.log(np.geomspace(1e-12, 1e-2, 100))
    first = int(np.flatnonzero([excess(one) > 0.0 for one in grid])[0])
    return float(np.exp(brentq(excess, grid[first - 1], grid[first])))


def note(seen: Observations) -> Noted:
    """The slopes, and the eps below which the published times are within 1 %."""
    slopes = [one for one in seen if TOGETHER not in one.series and one.x == EPS_VALUES[-1]]
    jepa = [one.number for one in slopes if one.series.startswith("JEPA")]
    mae = [one.number for one in slopes if one.series.startswith("MAE")]
    good = {f"JEPA, L = {L}, within 1 % below eps": good_below("jepa", L) for L in (1, 3)}
    good["MAE, L = 3, within 1 % below eps"] = good_below("mae", 3)
    first, third, other = good.values()
    off = max(abs(one - 1.0) for one in jepa)
    return Noted(
        "The remainder of the JEPA's formula is log(1/eps) / (lam rho**(2L-1)) plus a constant: "
        f"at eps = {EPS_VALUES[-1]:g} its slope is that one to {off:.1g}. The remainder of the "
        f"MAE's tends to a constant (slope {max(map(abs, mae)):.1g} / lam). At lam = {LAM}, rho = "
        f"{RHO} published times are within 1 % (by the closed form) for eps below {first:.2g} "
        f"(JEPA, L = 1), {third:.2g} (JEPA, L = 3) and {other:.2g} (MAE, L = 3).",
        good,
    )


CLAIM = Claim(
    name="2",
    title="Critical times and their error terms",
    statement="For small eps the critical time of a JEPA is (1/lam) sum_{n=1}^{2L-1} L / "
    "(n rho**(2L-n-1) eps**(n/L)) + Theta(log eps); that of an MAE is "
    "L / ((L-1) lam eps**((L-1)/L)) + Theta(1), and log(1/eps) / lam + Theta(1) at L = 1.",
    source="the paper's Theorem 4.5, its critical times",
    x=Axis("initial amplitude eps", log=True),
    number=Axis("slope of the remainder in log(1/eps)"),
    observe=observe,
    note=note,
    control=Control("the MAE's formula for both objectives", {"formula": "mae"}),
    module=__name__,
    drawn=lambda one: TOGETHER not in one.series,
)

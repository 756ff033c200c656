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
CLOSE = 0.05
STARTS, MORE_STARTS = (1e-8, 1e-12), (1e-8, 1e-10, 1e-12)
WHOLE = 1e-2  # eps at which whole times are compared
TOGETHER = ", published and left out together, off by"
GOOD = 0.01  # relative error below which the published time is good enough


def observe(effort: Effort, *, formula: str | None = None) -> Iterator[Observation]:
    """How what the published times leave out grows with ``log(1/eps)``, and whole times.

    Parameters
    ----------
    formula : {"jepa", "mae"}, optional
        Whose published formula is taken; by default each objective's own.
    """
    for objective in ("jepa", "mae"):
        for L in effort.choose((1, 3), (1, 2, 3, 4)):
            printed = formula or objective
            for eps in effort.choose(STARTS, MORE_STARTS):
                yield from _growth(objective, printed, L, eps)
            yield from _whole(objective, printed, L)


def _growth(objective: str, printed: str, L: int, eps: float) -> Iterator[Observation]:
    """The slope of what is left out in ``log(1/eps)``, over a decade, in units of its limit."""
    expected = 1.0 if objective == "jepa" else 0.0
    unit = LAM * RHO ** (2 * L - 1) if objective == "jepa" else LAM
    ways: dict[str, Callable[[float], float]] = {
        "quadrature": lambda start: float(
            quadrature.time(objective, LAM, RHO, L, start)
            - quadrature.published(printed, LAM, RHO, L, start)
        ),
        "closed form": _closed_form(objective, printed, L),
        "derivation": _derived(objective, printed, L),
    }
    for route, left_out in ways.items():
        slope = (left_out(eps / DECADE) - left_out(eps)) / np.log(DECADE) * unit
        fits = abs(slope - expected) < CLOSE
        series = f"{objective.upper()}, L = {L}"
        yield Observation(route, series, eps, slope, fits, error=1e-6 * (1.0 + abs(slope)))


def _closed_form(objective: str, printed: str, L: int) -> Callable[[float], float]:
    from dlnflow.theory._critical_time import critical_time
    from dlnflow.theory._published import critical_time_published, critical_time_remainder

    if printed == objective:
        return lambda eps: float(critical_time_remainder(LAM, RHO, L, eps=eps, objective=objective))
    return lambda eps: float(
        critical_time(LAM, RHO, L, eps=eps, objective=objective)
        - critical_time_published(LAM, RHO, L, eps=eps, objective=printed)
    )


def _derived(objective: str, printed: str, L: int) -> Callable[[float], float]:
    from dlnflow import symbolic

    derived = symbolic.derive(objective, L)
    if printed == objective:
        remainder = derived.lambdify("remainder")
        return lambda eps: float(remainder(LAM, RHO, eps, 0.5))
    whole = derived.lambdify("critical_time")
    other = symbolic.derive(printed, L).lambdify("critical_time_published")
    return lambda eps: float(whole(LAM, RHO, eps, 0.5) - other(LAM, RHO, eps))


def _whole(objective: str, printed: str, L: int) -> Iterator[Observation]:
    """Integrated times at a start that is not tiny, against published and left out together."""
    from dlnflow.theory._published import critical_time_remainder

    left_out = float(critical_time_remainder(LAM, RHO, L, eps=WHOLE, objective=objective))
    whole = float(quadrature.published(printed, LAM, RHO, L, WHOLE)) + left_out
    series = f"{objective.upper()}, L = {L}{TOGETHER}"
    for way in by("mode ODE", "plain network"):
        off = float(way.times(objective, LAM, RHO, L, WHOLE)[0]) / whole - 1.0
        yield Observation(way.route, series, WHOLE, off, abs(off) < 1e-4, error=None)


def good_below(objective: str, L: int) -> float:
    """Up to which ``eps`` the published time is within 1 % of the exact one."""
    from scipy.optimize import brentq

    from dlnflow.theory._critical_time import critical_time
    from dlnflow.theory._published import critical_time_remainder

    def excess(log_eps: float) -> float:
        eps = float(np.exp(log_eps))
        left_out = critical_time_remainder(LAM, RHO, L, eps=eps, objective=objective)
        whole = critical_time(LAM, RHO, L, eps=eps, objective=objective)
        return float(abs(left_out) / whole - GOOD)

    starts = np.log(np.geomspace(1e-12, 1e-2, 100))
    first = int(np.flatnonzero([excess(one) > 0.0 for one in starts])[0])
    return float(np.exp(brentq(excess, starts[first - 1], starts[first])))


def note(seen: Observations) -> Noted:
    """The slopes, and from which start on the published times are good."""
    slopes = [one for one in seen if TOGETHER not in one.series and one.x == STARTS[-1]]
    jepa = [one.number for one in slopes if one.series.startswith("JEPA")]
    mae = [one.number for one in slopes if one.series.startswith("MAE")]
    good = {f"JEPA, L = {L}, within 1 % below eps": good_below("jepa", L) for L in (1, 3)}
    good["MAE, L = 3, within 1 % below eps"] = good_below("mae", 3)
    first, third, other = good.values()
    off = max(abs(one - 1.0) for one in jepa)
    return Noted(
        "What the JEPA's formula leaves out is log(1/eps) / (lam rho**(2L-1)) and a constant: at "
        f"eps = {STARTS[-1]:g} it grows at that rate to {off:.1g}; what the MAE's leaves out stops "
        f"growing ({max(map(abs, mae)):.1g} / lam). At lam = {LAM}, rho = {RHO} published times "
        f"are within 1 % (by the closed form) for eps below {first:.2g} (JEPA, L = 1), "
        f"{third:.2g} (JEPA, L = 3) and "
        f"{other:.2g} (MAE, L = 3).",
        good,
    )


CLAIM = Claim(
    name="2",
    title="Critical times and their error terms",
    statement="For small eps the critical time of a JEPA is (1/lam) sum_{n=1}^{2L-1} L / "
    "(n rho**(2L-n-1) eps**(n/L)) + Theta(log eps); that of an MAE is "
    "L / ((L-1) lam eps**((L-1)/L)) + Theta(1), and log(1/eps) / lam + Theta(1) at L = 1.",
    source="the paper's theorem on critical times",
    x=Axis("initial amplitude eps", log=True),
    number=Axis("growth of what is left out, per log(1/eps)"),
    observe=observe,
    note=note,
    control=Control("the MAE's formula for both objectives", {"formula": "mae"}),
    module=__name__,
    drawn=lambda one: TOGETHER not in one.series,
)

"""Claim 6: with one encoder layer the difference between JEPA and MAE disappears."""

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
from dlnflow.studies.claims._times import (
    BESIDE,
    TimeRoute,
    behind,
    boundary,
    by,
    closed_form,
    delay,
    error,
    number_at,
)
from dlnflow.studies.claims.routes import _paper_ode as paper_ode

RHO = (0.95, 0.6)
ONE = 1  # encoder depth
RATIOS = (1.24, 1.0)  # lam of the smaller rho over lam of the larger
SLIGHT = 0.98  # ratio at which the order depends on eps
EPS_VALUES, MORE_EPS_VALUES = (1e-2, 1e-3, 1e-4), (1e-2, 3e-3, 1e-3, 1e-4, 1e-5)
AROUND, MORE_AROUND = BESIDE, (0.1, *BESIDE, 10.0)  # times the boundary
SMALL = 1e-6  # eps at which the power of eps is measured
CLOSE, POWER_ERROR = 0.1, 0.01  # of that power: from its limit, and between routes
HEADLINE = 1e-3  # eps of the numbers in the note
ALIKE = 0.01  # relative difference of times and of plateaus that counts as none
TIMES, PLATEAUS = "critical time: 1 - MAE / JEPA", "plateau: 1 - JEPA / MAE"
POWER = "power of eps in a JEPA's delay"


def observe(effort: Effort, *, L: int = ONE) -> Iterator[Observation]:
    """Whether JEPA and MAE learn two modes in the same order, at equal times, to equal plateaus.

    Networks of matrices are initialised in the basis of the data, so that no unit switches to
    another mode.

    Parameters
    ----------
    L : int
        Encoder depth; the condition stays that of one layer.
    """
    names = ("closed form", "mode ODE", *effort.choose((), ("quadrature", "plain network")))
    ends = largest_start(SLIGHT)
    values = effort.choose(EPS_VALUES, MORE_EPS_VALUES)
    cases = [(ratio, eps) for ratio in RATIOS for eps in values]
    cases += [(SLIGHT, share * ends) for share in effort.choose(AROUND, MORE_AROUND)]
    for ratio, eps in cases:
        alike = _agreement(_delay(_by_closed_form(), ratio, ONE, eps)) > 0.0
        inside = eps < ends if ratio == SLIGHT else alike
        for way in by(*names):
            number = _agreement(_delay(way, ratio, L, eps))
            off = error(way, number)
            yield Observation(way.route, _order(ratio), eps, number, number > 0.0, inside, off)
    for eps in values:
        yield from _times(names, L, eps)
        yield from _plateaus(L, eps)
    for way in by(*(name for name in names if name != "plain network")):
        power = _power(way, L)
        fits = abs(power - 1.0) < CLOSE
        yield Observation(way.route, POWER, SMALL, power, fits, error=POWER_ERROR)


def _order(ratio: float) -> str:
    return f"order, lam ratio {ratio:g}"


def _by_closed_form() -> TimeRoute:
    return next(by("closed form"))


def _delay(way: TimeRoute, ratio: float, L: int, eps: float) -> Callable[[str], float]:
    """Delay of the mode of larger ``rho`` behind the other, as a function of the objective."""
    lam = (ratio, 1.0)
    return lambda objective: delay(way, objective, lam, RHO[::-1], L, eps, exact_zeros=True)


def _agreement(late: Callable[[str], float]) -> float:
    """The smaller of both objectives' delays in size; negative if their orders are opposite."""
    jepa, mae = late("jepa"), late("mae")
    return float(min(abs(jepa), abs(mae)) * np.sign(jepa * mae))


def largest_start(ratio: float) -> float:
    """Largest ``eps`` at which one layer gives the same order, by the closed form."""
    from scipy.optimize import brentq

    def mae_later(log_eps: float) -> float:
        return _delay(_by_closed_form(), ratio, ONE, float(np.exp(log_eps)))("mae")

    return float(np.exp(brentq(mae_later, np.log(1e-9), np.log(1e-2))))


def _times(names: tuple[str, ...], L: int, eps: float) -> Iterator[Observation]:
    """Critical times of the mode of larger ``rho``."""
    for way in by(*names):
        jepa, mae = (float(way.times(one, 1.0, RHO[0], L, eps)[0]) for one in ("jepa", "mae"))
        number = 1.0 - mae / jepa
        alike = abs(number) < ALIKE
        yield Observation(way.route, TIMES, eps, number, alike, False, error(way, number))


def _plateaus(L: int, eps: float) -> Iterator[Observation]:
    """Plateaus of the mode of smaller ``rho``; they do not depend on ``eps``."""
    from dlnflow.theory import plateau

    found: dict[str, Callable[[str], float]] = {
        "closed form": lambda one: float(plateau(RHO[1], L, objective=one)),
        "mode ODE": lambda one: paper_ode.plateau(one, 1.0, RHO[1], L),
    }
    for route, rest in found.items():
        number = 1.0 - rest("jepa") / rest("mae")
        yield Observation(route, PLATEAUS, eps, number, abs(number) < ALIKE, False, 1e-9)


def _power(way: TimeRoute, L: int) -> float:
    """Power of ``eps`` in a JEPA's delay at equal ``lam``, without a factor ``log(1/eps)``."""
    larger, smaller = (
        delay(way, "jepa", (1.0, 1.0), RHO, L, eps) / np.log(1.0 / eps)
        for eps in (SMALL, 0.1 * SMALL)
    )
    return float(np.log10(larger / smaller))


def note(seen: Observations) -> Noted:
    """What agrees with one layer, and what does not."""
    clear = min(one.number for one in seen if one.series == _order(RATIOS[0]))
    kept = -number_at(seen, _order(RATIOS[1]), HEADLINE)
    power, gap = number_at(seen, POWER, SMALL), number_at(seen, PLATEAUS, HEADLINE)
    slower = 1.0 / (1.0 - number_at(seen, TIMES, HEADLINE))
    ends = boundary(seen, _order(SLIGHT))
    led = [
        f"{100 * (-behind(closed_form('mae', 1.0, RHO, ONE, eps))):.1f} %"
        for eps in (1e-2, 1e-3, 1e-4)
    ]
    return Noted(
        "Both objectives learn lam = 1.24, rho = 0.6 before lam = 1, rho = 0.95, by "
        f"at least {100 * clear:.2g} % of the time. At equal lam a JEPA's delay of the smaller rho "
        f"is {kept:.2g} at eps = 1e-3 and falls as eps**{power:.2f} log(1/eps), but the MAE learns "
        f"the smaller rho first. Times and plateaus differ: at eps = 1e-3 the JEPA takes "
        f"{slower:.0f} times as long, and its plateau for rho = 0.6 is {100 * gap:.2g} % lower.",
        {
            "JEPA's delay at equal lam, eps = 1e-3": kept,
            "power of eps in that delay": power,
            f"largest eps, {_order(SLIGHT)}": ends,
            "JEPA's time over the MAE's, eps = 1e-3": slower,
            "plateau, 1 - JEPA / MAE": gap,
        },
        "difference means the order of learning, not times or plateaus, and lam differs enough: "
        "for rho = 0.95 and 0.6 the lam of the smaller rho is either lower by more than the lead "
        f"that an MAE gives it at equal lam, {', '.join(led)} at eps = 1e-2, 1e-3, 1e-4 (2 % at "
        f"{ends:.2g}), or higher by more than the JEPA's delay",
    )


CLAIM = Claim(
    name="6",
    title="With one layer the difference disappears",
    statement="With one encoder layer the difference between JEPA and MAE disappears.",
    source="the paper's critical times (Theorem 4.5) at L = 1",
    x=Axis("initial amplitude eps", log=True),
    number=Axis("agreement in order, or relative difference"),
    observe=observe,
    note=note,
    control=Control("five encoder layers", {"L": 5}),
    module=__name__,
    drawn=lambda one: one.series != POWER,
)

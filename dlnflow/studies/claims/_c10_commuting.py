"""Claim 10: covariances that one basis makes diagonal, and what it costs that none does.

Their commutator does not tell where the prediction ends. A JEPA's learned units turn to features of
larger rho: where those come last a commutator of 1e-10 is too large, elsewhere 1e-2 is not. What
tells is how strongly units learned before answer to a mode when its own time comes
(`dlnflow.claims._answers`). Starts have exact zeros, as rounding alone would be answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlnflow.studies.claims._answers import answers
from dlnflow.studies.claims._claim import (
    Axis,
    Claim,
    Control,
    Effort,
    Noted,
    Observation,
    Observations,
)
from dlnflow.studies.claims._covariances import commutator, recorded, turned
from dlnflow.studies.claims._departures import Setting, forecast, measured
from dlnflow.studies.claims.routes import _plain_network as plain_network

Array = NDArray[np.float64]
Coefficients = tuple[float, ...]

LAM, RHO = (1.2, 0.9, 0.65, 0.45), (0.95, 0.88, 0.8, 0.7)
RISING = RHO[::-1]
EPS, DEPTH = 1e-2, 2
GOOD = 0.05  # error of a critical time that still counts as predicted
BRACKET = {"jepa": (0.06, 0.066), "mae": (0.17, 0.19)}  # angles around the boundary
SMALL, CLOSE, FAR = (0.1, 0.3), (0.97, 1.03), (0.03, 0.6, 2.0)  # of the boundary
OTHER = {"jepa": (0.5, 2.5), "mae": (0.5, 2.5)}  # the same where rho rises as lam falls
BEYOND = 1.25  # times the boundary, where the order of learning is told
PROBE = 1e-3  # an angle
ERROR = {"plain network": 1e-4, "matrix network": 3e-3, "real data": 3e-3}


class Place(NamedTuple):
    """How far covariances are from commuting, for an objective."""

    answer: float
    commutator: float


def observe(effort: Effort, *, condition: str = "answer") -> Iterator[Observation]:
    """The largest relative error of a critical time, as the covariances stop commuting.

    Parameters
    ----------
    condition : {"answer", "commutator"}
        Whose boundary, found on one spectrum, is put to the others.
    """
    both = ("plain network", "matrix network")
    for objective in ("jepa", "mae"):
        for share in effort.choose(SMALL + CLOSE, SMALL + CLOSE + FAR):
            routes = both if share in CLOSE else both[:1]
            yield from _turned(objective, RHO, share, routes, condition)
        for share in OTHER[objective] if objective == "jepa" or effort is Effort.full else ():
            yield from _turned(objective, RISING, share, both, condition)
        for lag in effort.choose((1,), (1, 4)):
            yield from _recorded(objective, lag, condition)


@lru_cache
def boundary(objective: str) -> Place:
    """Where the error is 5 %, by networks of matrices."""
    from scipy.optimize import brentq

    def above(log_angle: float) -> float:
        return float(np.log(_error("plain network", objective, RHO, np.exp(log_angle)) / GOOD))

    angle = float(np.exp(brentq(above, *np.log(BRACKET[objective]), xtol=5e-3)))
    return _place(objective, *turned(LAM, RHO, angle))


def _place(objective: str, xx: Array, yx: Array) -> Place:
    return Place(float(answers(objective, xx, yx, DEPTH, EPS).max()), commutator(xx, yx))


@lru_cache
def _angle(objective: str, rho: Coefficients, share: float) -> float:
    """At which the answer is that share of the boundary's; small ones grow as the angle."""
    from scipy.optimize import brentq

    def above(log_angle: float) -> float:
        place = _place(objective, *turned(LAM, rho, float(np.exp(log_angle))))
        return float(np.log(place.answer / (share * boundary(objective).answer)))

    about = np.log(PROBE) - above(np.log(PROBE))
    return float(np.exp(brentq(above, about - 0.5, about + 0.5, xtol=1e-4)))


def _setting(objective: str, xx: Array, yx: Array) -> Setting:
    start = plain_network.aligned_start(len(xx), DEPTH, EPS, objective, seed=None)
    return Setting(objective, xx, yx, start, DEPTH)


@lru_cache
def _run(route: str, objective: str, rho: Coefficients, angle: float) -> tuple[Array, Array]:
    """Predicted and measured times."""
    given = _setting(objective, *turned(LAM, rho, angle))
    return forecast(given).times, measured(route, given)


def _error(route: str, objective: str, rho: Coefficients, angle: float) -> float:
    predicted, seen = _run(route, objective, rho, float(angle))
    return float(np.max(np.abs(seen / predicted - 1.0)))


def _observation(
    route: str, objective: str, data: str, place: Place, error: float, condition: str
) -> Observation:
    inside = bool(getattr(place, condition) < getattr(boundary(objective), condition))
    series = objective.upper() + data
    return Observation(route, series, place.answer, error, error < GOOD, inside, ERROR[route])


def _turned(
    objective: str, rho: Coefficients, share: float, routes: tuple[str, ...], condition: str
) -> Iterator[Observation]:
    angle = _angle(objective, rho, share)
    place = _place(objective, *turned(LAM, rho, angle))
    data = ", rho rising as lam falls" if rho == RISING else ""
    for route in routes:
        error = _error(route, objective, rho, angle)
        yield _observation(route, objective, data, place, error, condition)


def _recorded(objective: str, lag: int, condition: str) -> Iterator[Observation]:
    given = _setting(objective, *recorded(lag))
    place = _place(objective, given.sigma_xx, given.sigma_yx)
    for route in ("real data", "plain network"):
        error = float(np.max(np.abs(measured(route, given) / forecast(given).times - 1.0)))
        yield _observation(route, objective, ", EEG", place, error, condition)


def note(seen: Observations) -> Noted:
    """The boundaries, in answers and in commutators; how the error grows up to them."""
    jepa, mae = boundary("jepa"), boundary("mae")
    powers = [_power(name, seen) for name in ("JEPA", "MAE")]
    tiny = _place("jepa", *turned(LAM, RISING, _angle("jepa", RISING, OTHER["jepa"][1])))
    off = next(one.number for one in seen if one.x == tiny.answer)
    recording = next(one.number for one in seen if one.series == "JEPA, EEG")
    taus = [_tau(objective) for objective in ("jepa", "mae")]
    return Noted(
        f"Where rho falls as lam does the error grows as the commutator to the power "
        f"{powers[0]:.1f} (JEPA) and {powers[1]:.1f} (MAE) and passes 5 % at {jepa.commutator:.2g} "
        f"and {mae.commutator:.2g}; at {BEYOND} times the boundary the order of learning has "
        f"Kendall's tau {taus[0]:.2g} and {taus[1]:.2g} with the predicted one. Where rho rises as "
        f"lam falls, a JEPA is off by {100 * (off):.1f} % at a commutator of "
        f"{tiny.commutator:.0e}; on an "
        f"electroencephalogram with a commutator of {commutator(*recorded(1)):.2g} by "
        f"{100 * (recording):.0f} %.",
        {
            "largest answer, JEPA": jepa.answer,
            "largest answer, MAE": mae.answer,
            "commutator there, JEPA": jepa.commutator,
            "commutator there, MAE": mae.commutator,
            "power of the commutator, JEPA": powers[0],
            "power of the commutator, MAE": powers[1],
            f"tau at {BEYOND} times the boundary, JEPA": taus[0],
            f"tau at {BEYOND} times the boundary, MAE": taus[1],
            "error of a JEPA where rho rises": off,
            "commutator there": tiny.commutator,
        },
        "units that were learned before answer little to a mode when its own time comes: at L = "
        f"{DEPTH}, eps = {EPS:g} and with rho falling as lam does, with less than "
        f"{jepa.answer:.2g} (JEPA) or {mae.answer:.2g} (MAE) of its plateau; where rho "
        "rises as lam "
        "falls the limit is another by up to a factor of two (asked at half and at two and a half "
        "times), and an electroencephalogram, far from either, agrees",
    )


def _power(series: str, seen: Observations) -> float:
    """Of the answer, and so of the commutator, with which a small error grows."""
    edge = boundary(series.lower()).answer
    at = {round(one.x / edge, 2): one for one in seen if one.series == series}
    first, second = (at[share] for share in SMALL)
    return float(np.log(second.number / first.number) / np.log(second.x / first.x))


def _tau(objective: str) -> float:
    from scipy.stats import kendalltau

    angle = _angle(objective, RHO, BEYOND)
    return float(kendalltau(*_run("plain network", objective, RHO, angle))[0])


CLAIM = Claim(
    name="10",
    title="The prediction bears covariances that do not commute",
    statement="Data need not be diagonalised by one basis exactly: taken on the diagonal of "
    "covariances that do not commute, the closed form predicts every critical time to 5 %. "
    "(Answer: the size |Wbar b| that the units of modes learned before give to a "
    "mode's direction b, "
    "to first order; commutator: |Sxx Syx - Syx Sxx| / (|Sxx| |Syx|).)",
    source="the paper's assumption that the covariances are simultaneously diagonalisable",
    x=Axis("answer of other modes' units (plateaus)", log=True),
    number=Axis("largest relative error of a critical time", log=True),
    observe=observe,
    note=note,
    control=Control(
        "the boundary told as a commutator, as if all data of one commutator were alike",
        {"condition": "commutator"},
    ),
    module=__name__,
    level=GOOD,
)

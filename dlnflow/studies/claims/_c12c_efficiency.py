"""Claim 12c: whether a deeper encoder learns the features of largest ``rho`` sooner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

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
from dlnflow.studies.claims._delays import BESIDE, told
from dlnflow.studies.claims._times import SPARE, closed_form
from dlnflow.studies.claims.routes import _paper_ode as paper_ode
from dlnflow.studies.claims.routes import _plain_network as plain_network
from dlnflow.theory._modes import plateau
from dlnflow.theory._objective import as_objective

Array = NDArray[np.float64]

RHO = np.array([1.0, 0.9, 0.8, 0.7])  # lam = 1
DEPTHS = range(2, 7)
TOPS = {"jepa": (1, 4), "mae": (4,)}  # how many features
# objective, unit, eps; a JEPA's fastest rate does not depend on depth, and the units are one
SETTINGS = (("jepa", "steps", 2e-2), ("mae", "time", 2e-2), ("mae", "steps", 2e-2))
MORE_SETTINGS = (
    *SETTINGS,
    ("jepa", "steps", 1e-3),
    ("mae", "time", 1e-3),
    ("mae", "time", 0.2),
    ("mae", "steps", 0.2),
)
TURN, MORE_TURNS = (2,), (2, 3, 4)  # depths near whose smallest start an MAE begins
LEAST = 1e-6
AS_NAMED = {"jepa": "jepa", "mae": "mae"}
FEW = ("closed form", "mode ODE")
NETWORKS = {"time": (2e-2, 0.2), "steps": (2e-2,)}  # starts; from a large one it has few steps
NEAR = 1e-3, 1e-4  # distances from a plateau between which a network's rate is measured
ERROR = {  # relative
    ("closed form", "time"): 1e-9,
    ("closed form", "steps"): 1e-9,
    ("mode ODE", "time"): 1e-6,
    ("mode ODE", "steps"): 1e-5,
    ("plain network", "time"): 5e-4,
    ("plain network", "steps"): 5e-3,
}


def observe(effort: Effort, *, trained: Mapping[str, str] = AS_NAMED) -> Iterator[Observation]:
    """Time to the k features of largest ``rho``, over that of an encoder of a layer less.

    Time is that of gradient flow (the network's clock), or is counted in steps of gradient descent
    at a fixed share of the rate ``2 / kappa`` at which the fastest mode overshoots its plateau. The
    largest stable rate of the whole network, `dlnflow.network.largest_stable_rate`, is that for a
    JEPA from L = 2 on, and for an MAE an eighth smaller at L = 2, less beyond. Where a deeper JEPA
    starts close to half its last plateau (L = 7 here), it can be sooner for that reason alone.
    Networks of matrices start in the coordinates.

    Parameters
    ----------
    trained : mapping
        What is trained in place of each objective; the condition stays that objective's.
    """
    for objective, unit, eps in effort.choose(SETTINGS, MORE_SETTINGS):
        matrices = effort is Effort.full and eps in NETWORKS[unit]
        routes = (*FEW, "plain network") if matrices else FEW
        yield from _course(objective, unit, eps, DEPTHS, trained[objective], routes)
    for L in effort.choose(TURN, MORE_TURNS):
        for share in BESIDE:
            eps = share * smallest_start("mae", "time", L, max(TOPS["mae"]))
            yield from _course("mae", "time", eps, (L,), trained["mae"], tuple(ROUTES))


def _course(
    objective: str,
    unit: str,
    eps: float,
    depths: Sequence[int],
    trained: str,
    routes: Sequence[str],
) -> Iterator[Observation]:
    """Encoders of several depths from one start."""
    for route in routes:
        scale = {L: ROUTES[route](trained, L, eps) for L in (depths[0] - 1, *depths)}
        for k in TOPS[objective]:
            for L in depths:
                number = _top(*scale[L], unit, k) / _top(*scale[L - 1], unit, k)
                inside = eps > smallest_start(objective, unit, L, k)
                series, off = _name(objective, k, unit, eps), ERROR[route, unit] * number
                yield Observation(route, series, L, number, number < 1.0, inside, off)


def _top(times: Array, rate: float, unit: str, k: int) -> float:
    """When the first ``k`` are all learned: in units of flow time, or of the fastest rate."""
    last = float(times[:k].max())
    return last * rate if unit == "steps" else last


def _closed_form(objective: str, L: int, eps: float) -> tuple[Array, float]:
    """Critical times and the fastest rate, on the network's clock."""
    times = closed_form(objective, 1.0, RHO, L, eps, clock="network")
    return times, float(as_objective(objective).rate(1.0, RHO, L).max())


def _mode_ode(objective: str, L: int, eps: float) -> tuple[Array, float]:
    """The rate is the slope of the printed velocity at the plateau."""
    slopes = []
    for rho in RHO:
        speed = paper_ode.velocity(objective, 1.0, rho, L)
        rest = paper_ode.plateau(objective, 1.0, rho, L)
        step = 1e-5 * rest
        slopes.append((speed(rest - step) - speed(rest + step)) / (2.0 * step))
    return paper_ode.times(objective, 1.0, RHO, L, eps) / L, L * max(slopes)


def _network(objective: str, L: int, eps: float) -> tuple[Array, float]:
    """The rate is that at which the distance from the plateau falls, in the fastest mode."""
    until = SPARE * float(paper_ode.times(objective, 1.0, RHO, L, eps).max())
    start = plain_network.aligned_start(len(RHO), L, eps, objective, seed=None)
    made = plain_network.settled(np.diag(1.0 / RHO), np.eye(len(RHO)), start, L, objective, until)
    far, near = (made.times(1.0 - gap) for gap in NEAR)
    rate = np.log(NEAR[0] / NEAR[1]) / float((near - far).min())
    return made.times() / L, float(L * rate)


ROUTES = {"closed form": _closed_form, "mode ODE": _mode_ode, "plain network": _network}


@lru_cache
def smallest_start(objective: str, unit: str, L: int, k: int) -> float:
    """From which ``eps`` on ``L`` layers are sooner than ``L - 1``; infinite if from none."""
    from scipy.optimize import brentq

    def later(log_eps: float) -> float:
        eps = float(np.exp(log_eps))
        one, other = (_top(*_closed_form(objective, n, eps), unit, k) for n in (L, L - 1))
        return one / other - 1.0

    half = 0.5 * float(plateau(RHO[:k].min(), L, objective=objective))
    least, most = np.log([LEAST, 0.99 * half])
    if min(later(one) for one in np.linspace(least, most, 30)) > 0.0:
        return float("inf")
    return float(np.exp(brentq(later, least, most)))


def _name(objective: str, k: int, unit: str, eps: float) -> str:
    return f"{objective.upper()}, top {k}, {unit}, eps = {eps:.3g}"


def note(seen: Observations) -> Noted:
    """What a layer costs each objective, and from which start on it pays."""
    last = max(DEPTHS)
    jepa = {k: told(seen, _name("jepa", k, "steps", 2e-2), last) for k in TOPS["jepa"]}
    mae = {unit: told(seen, _name("mae", 4, unit, 2e-2), last) for unit in ("time", "steps")}
    ends = {L: smallest_start("mae", "time", L, 4) for L in (2, 3, 4)}
    return Noted(
        "At eps = 0.02 the sixth layer of a JEPA makes its first feature "
        f"{100 * (jepa[1] - 1):.1f} % later, its first four {100 * (jepa[4] - 1):.1f} %: depth "
        "separates features, and hastens none. An MAE's first four come "
        f"{100 * (1 - mae['time']):.1f} % earlier in flow time, but in steps "
        f"{100 * (mae['steps'] - 1):.1f} % later, since a deeper network bears a smaller rate.",
        {f"JEPA, top {k}, L = 6 over 5": one for k, one in jepa.items()}
        | {f"MAE, {unit}, L = 6 over 5": one for unit, one in mae.items()}
        | {f"smallest eps, MAE, L = {L}": end for L, end in ends.items()},
        "the objective is an MAE, time that of gradient flow, and the start large: eps > "
        f"{ends[2]:.3g} for L = 2, {ends[3]:.3g} for L = 3, {ends[4]:.3g} for L = 4. No start "
        "does it for a JEPA of up to six layers, nor for an MAE whose time is counted in steps of "
        "gradient descent, at a fixed share of the rate at which the fastest mode overshoots",
    )


CLAIM = Claim(
    name="12c",
    title="A deeper encoder learns the top features sooner",
    statement="A deeper encoder learns the k features of largest rho sooner: with L layers before "
    "one of L - 1 layers, from the same initial amplitude.",
    source="left open by the paper: what depth does for the efficiency of learning",
    x=Axis("encoder depth L"),
    number=Axis("time to the top k over that with a layer less", log=True),
    observe=observe,
    note=note,
    control=Control("a JEPA in place of the MAE", {"trained": {"jepa": "jepa", "mae": "jepa"}}),
    module=__name__,
    level=1.0,
)

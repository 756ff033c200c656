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
from dlnflow.studies.claims._times import BESIDE, SPARE, closed_form, number_at
from dlnflow.studies.claims.routes import _paper_ode as paper_ode
from dlnflow.studies.claims.routes import _plain_network as plain_network
from dlnflow.theory import plateau
from dlnflow.theory._objective import as_objective

Array = NDArray[np.float64]

RHO = np.array([1.0, 0.9, 0.8, 0.7])  # lam = 1
DEPTHS = range(2, 7)
TOPS = {"jepa": (1, 4), "mae": (4,)}  # numbers k of features
# objective, unit, eps; for a JEPA both units agree, since its fastest rate is that of rho = 1
CASES = (("jepa", "steps", 2e-2), ("mae", "time", 2e-2), ("mae", "steps", 2e-2))
MORE_CASES = (
    *CASES,
    ("jepa", "steps", 1e-3),
    ("mae", "time", 1e-3),
    ("mae", "time", 0.2),
    ("mae", "steps", 0.2),
)
TURN, MORE_TURNS = (2,), (2, 3, 4)  # depths whose smallest eps is tested
LEAST = 1e-6  # eps above which a boundary is looked for
AS_NAMED = {"jepa": "jepa", "mae": "mae"}
FEW = ("closed form", "mode ODE")
NETWORKS = {"time": (2e-2, 0.2), "steps": (2e-2,)}  # eps of networks of matrices
NEAR = 1e-3, 1e-4  # relative distances from a plateau between which a rate is measured
ERROR = {  # relative
    ("closed form", "time"): 1e-9,
    ("closed form", "steps"): 1e-9,
    ("mode ODE", "time"): 1e-6,
    ("mode ODE", "steps"): 1e-5,
    ("plain network", "time"): 5e-4,
    ("plain network", "steps"): 5e-3,
}


def observe(effort: Effort, *, trained: Mapping[str, str] = AS_NAMED) -> Iterator[Observation]:
    """Time to the k features of largest ``rho``, over that of an encoder with one layer less.

    Time is that of gradient flow (the network's clock), or the number of steps of gradient descent
    at a fixed share of the rate ``2 / kappa`` at which the fastest mode overshoots its plateau. The
    largest stable rate of a whole network, `dlnflow.network.largest_stable_rate`, equals that for a
    JEPA with L >= 2; for an MAE it is an eighth smaller at L = 2, and closer to it beyond. If a
    deeper JEPA starts near half of its last plateau (L = 7 here), it can be sooner for that reason
    alone. Networks of matrices are initialised in the basis of the data.

    Parameters
    ----------
    trained : mapping
        Objective trained in place of each one; the condition stays that of the latter.
    """
    for objective, unit, eps in effort.choose(CASES, MORE_CASES):
        matrices = effort is Effort.full and eps in NETWORKS[unit]
        routes = (*FEW, "plain network") if matrices else FEW
        yield from _by_depth(objective, unit, eps, DEPTHS, trained[objective], routes)
    for L in effort.choose(TURN, MORE_TURNS):
        for share in BESIDE:
            eps = share * smallest_start("mae", "time", L, max(TOPS["mae"]))
            yield from _by_depth("mae", "time", eps, (L,), trained["mae"], tuple(ROUTES))


def _by_depth(
    objective: str,
    unit: str,
    eps: float,
    depths: Sequence[int],
    trained: str,
    routes: Sequence[str],
) -> Iterator[Observation]:
    """Encoders of several depths with one eps."""
    for route in routes:
        scale = {L: ROUTES[route](trained, L, eps) for L in (depths[0] - 1, *depths)}
        for k in TOPS[objective]:
            for L in depths:
                number = _top(*scale[L], unit, k) / _top(*scale[L - 1], unit, k)
                inside = eps > smallest_start(objective, unit, L, k)
                series, off = _name(objective, k, unit, eps), ERROR[route, unit] * number
                yield Observation(route, series, L, number, number < 1.0, inside, off)


def _top(times: Array, rate: float, unit: str, k: int) -> float:
    """Time at which the first ``k`` are learned: flow time, or its product with the rate."""
    last = float(times[:k].max())
    return last * rate if unit == "steps" else last


def _closed_form(objective: str, L: int, eps: float) -> tuple[Array, float]:
    """Critical times and the largest rate, on the network's clock."""
    times = closed_form(objective, 1.0, RHO, L, eps, clock="network")
    return times, float(as_objective(objective).rate(1.0, RHO, L).max())


def _mode_ode(objective: str, L: int, eps: float) -> tuple[Array, float]:
    """As `_closed_form`; the rate is the slope of the velocity at the plateau."""
    slopes = []
    for rho in RHO:
        speed = paper_ode.velocity(objective, 1.0, rho, L)
        rest = paper_ode.plateau(objective, 1.0, rho, L)
        step = 1e-5 * rest
        slopes.append((speed(rest - step) - speed(rest + step)) / (2.0 * step))
    return paper_ode.times(objective, 1.0, RHO, L, eps) / L, L * max(slopes)


def _network(objective: str, L: int, eps: float) -> tuple[Array, float]:
    """As `_closed_form`; the rate is that of the approach of the fastest mode to its plateau."""
    until = SPARE * float(paper_ode.times(objective, 1.0, RHO, L, eps).max())
    initial = plain_network.aligned_layers(len(RHO), L, eps, objective, seed=None)
    made = plain_network.settled(np.diag(1.0 / RHO), np.eye(len(RHO)), initial, L, objective, until)
    far, near = (made.times(1.0 - gap) for gap in NEAR)
    rate = np.log(NEAR[0] / NEAR[1]) / float((near - far).min())
    return made.times() / L, float(L * rate)


ROUTES = {"closed form": _closed_form, "mode ODE": _mode_ode, "plain network": _network}


@lru_cache
def smallest_start(objective: str, unit: str, L: int, k: int) -> float:
    """The ``eps`` above which ``L`` layers are sooner than ``L - 1``; infinite if there is none."""
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
    """The effect of one more layer, and the eps above which it saves time."""
    last = max(DEPTHS)
    jepa = {k: number_at(seen, _name("jepa", k, "steps", 2e-2), last) for k in TOPS["jepa"]}
    mae = {unit: number_at(seen, _name("mae", 4, unit, 2e-2), last) for unit in ("time", "steps")}
    ends = {L: smallest_start("mae", "time", L, 4) for L in (2, 3, 4)}
    return Noted(
        f"At eps = 0.02 a sixth layer delays a JEPA's first feature by {100 * (jepa[1] - 1):.1f} "
        f"% and its first four by {100 * (jepa[4] - 1):.1f} %: depth separates features and "
        f"speeds up none. An MAE's first four are learned {100 * (1 - mae['time']):.1f} % earlier "
        f"in flow time, but {100 * (mae['steps'] - 1):.1f} % later in steps, since a deeper "
        "network needs a smaller learning rate.",
        {f"JEPA, top {k}, L = 6 over 5": one for k, one in jepa.items()}
        | {f"MAE, {unit}, L = 6 over 5": one for unit, one in mae.items()}
        | {f"smallest eps, MAE, L = {L}": end for L, end in ends.items()},
        "the objective is an MAE, time is that of gradient flow, and the initialisation is "
        f"large: eps > {ends[2]:#.2g} for L = 2, {ends[3]:#.2g} for L = 3, {ends[4]:#.2g} for L = "
        "4. It is false at every eps for a JEPA of up to six layers, and for an MAE whose time "
        "is counted in steps of gradient descent at a fixed share of the learning rate at which "
        "the fastest mode overshoots",
    )


CLAIM = Claim(
    name="12c",
    title="A deeper encoder learns the top features sooner",
    statement="A deeper encoder learns the k features of largest rho sooner: one with L layers "
    "before one with L - 1 layers, from the same initial amplitude.",
    source="a question raised about the paper: whether depth makes learning more efficient",
    x=Axis("encoder depth L"),
    number=Axis("time to the top k over that with one layer less", log=True),
    observe=observe,
    note=note,
    control=Control("a JEPA in place of the MAE", {"trained": {"jepa": "jepa", "mae": "jepa"}}),
    module=__name__,
    level=1.0,
    drawn=lambda one: one.series.endswith(("eps = 0.02", "eps = 0.001", "time, eps = 0.2")),
)

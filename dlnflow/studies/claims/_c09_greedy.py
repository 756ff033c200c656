"""Claim 9: a small initialisation makes learning greedy, one feature after another.

Learning windows are those of amplitudes. From its aligned initialisations on data of one basis a
probe gives the same: its ``R2`` is 1/2 where the amplitude is the fraction for which it has noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

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

Array = NDArray[np.float64]
Modes = tuple[float, ...]

LAM, RHO, DEPTH = (1.0, 0.92, 0.85, 0.78), (0.95, 0.9, 0.85, 0.8), 2
LOW, HIGH = 0.1, 0.9  # fractions of the plateau at the ends of a learning window
GREEDY = 0.5  # overlap of neighbours' windows below which learning is sequential
SMALLEST, LARGEST = 1e-20, 0.05  # eps between which the boundary lies
CLOSE, FURTHER = (0.5, 0.97, 1.03, 2.0), (0.01, 0.1, 2.5)  # eps over the boundary
RATES = (0.1, 0.5, 0.9, 1.2)  # learning rates over the largest stable one
FAST = 0.9  # the rate of the note
SPARE = 1.5  # training time in units of the last mode's time
LAST, RESTING = 4, 1e-2  # a mode at rest changes by less over the last steps


def observe(effort: Effort, *, lam: Modes = LAM, rho: Modes = RHO) -> Iterator[Observation]:
    """Overlap of neighbouring modes' learning windows, on both sides of the boundary.

    By gradient flow and by gradient descent. Above the stable rate modes oscillate about their
    plateaus; if a mode is not at rest at the end the overlap counts as 1.

    Parameters
    ----------
    lam, rho : tuple of float
        The modes that are trained; the condition stays that of the claim's own modes.
    """
    for objective in ("jepa", "mae"):
        for share in effort.choose(CLOSE, CLOSE + FURTHER):
            yield from _flow(objective, lam, rho, DEPTH, share * boundary(objective, DEPTH))
        for L in effort.choose((), (1, 3, 5)):
            for share in CLOSE[1:3]:
                yield from _flow(objective, lam, rho, L, share * boundary(objective, L))
        for rate in effort.choose(RATES[-2:], RATES):
            for share in (0.5, 2.0):
                eps = share * boundary(objective, DEPTH)
                yield from _descent(objective, lam, rho, eps, rate)


@lru_cache
def boundary(objective: str, L: int) -> float:
    """The eps at which neighbours share half of their windows, by the closed form."""
    from scipy.optimize import brentq

    def above(log_eps: float) -> float:
        return _by_closed_form(objective, LAM, RHO, L, float(np.exp(log_eps))) - GREEDY

    return float(np.exp(brentq(above, np.log(SMALLEST), np.log(LARGEST), xtol=1e-12)))


def overlap(low: Array, high: Array) -> float:
    """Mean over neighbours of the shared part of the shorter of their windows."""
    order = np.argsort(high)
    begin, end = low[order], high[order]
    both = np.minimum(end[:-1], end[1:]) - np.maximum(begin[:-1], begin[1:])
    shorter = np.minimum((end - begin)[:-1], (end - begin)[1:])
    return float(np.mean(np.maximum(both, 0.0) / shorter))


def _by_closed_form(objective: str, lam: Modes, rho: Modes, L: int, eps: float) -> float:
    """Overlap by the library's own function, which the other routes do not use."""
    from dlnflow.network._learning import overlap as of
    from dlnflow.theory import critical_time

    return of(*(critical_time(lam, rho, L, eps=eps, objective=objective, p=p) for p in (LOW, HIGH)))


def _flow(objective: str, lam: Modes, rho: Modes, L: int, eps: float) -> Iterator[Observation]:
    series, inside = f"{objective.upper()}, L = {L}", eps < boundary(objective, L)

    def seen(route: str, number: float, error: float) -> Observation:
        return Observation(route, series, eps, number, number < GREEDY, inside, error)

    yield seen("closed form", _by_closed_form(objective, lam, rho, L, eps), 1e-9)
    low, high = (paper_ode.times(objective, lam, rho, L, eps, p=p) for p in (LOW, HIGH))
    yield seen("mode ODE", overlap(low, high), 1e-6)
    initial = plain_network.aligned_layers(len(lam), L, eps, objective)
    xx, yx = np.diag(np.divide(lam, rho)), np.diag(lam)
    made = plain_network.settled(xx, yx, initial, L, objective, SPARE * float(high.max()))
    yield seen("plain network", overlap(made.times(LOW), made.times(HIGH)), 1e-3)


def _descent(
    objective: str, lam: Modes, rho: Modes, eps: float, share: float
) -> Iterator[Observation]:
    """Full-batch descent, by plain code and by the library, at a share of the stable rate."""
    from dlnflow.network import Network, largest_stable_rate

    xx, yx = np.diag(np.divide(lam, rho)), np.diag(lam)
    initial = plain_network.aligned_layers(len(lam), DEPTH, eps, objective)
    net = Network(tuple(initial[:DEPTH]), tuple(initial[DEPTH:]))
    lr = share * largest_stable_rate(net, xx, yx, objective=objective)
    end = SPARE * float(paper_ode.times(objective, lam, rho, DEPTH, eps, p=HIGH).max()) / DEPTH
    steps = int(np.ceil(end / lr))
    series = f"{objective.upper()}, {share:g} of the stable rate"
    inside = eps < boundary(objective, DEPTH) and share < 1.0

    def seen(route: str, number: float) -> Observation:
        return Observation(route, series, eps, number, number < GREEDY, inside, 1e-2)

    made = _descend(xx, yx, initial, objective, lr, steps)
    number = overlap(made.times(LOW), made.times(HIGH)) if _at_rest(made.w) else 1.0
    yield seen("plain network", number)
    yield seen("trained network", _trained(net, xx, yx, objective, lr, steps))


def _descend(
    xx: Array, yx: Array, initial: list[Array], objective: str, lr: float, steps: int
) -> plain_network.Trained:
    weights, encoders = list(initial), []
    target = DEPTH if objective == "jepa" else 0
    for _ in range(steps + 1):
        passed = [np.eye(len(xx))]
        for weight in weights:
            passed.append(weight @ passed[-1])
        encoders.append(passed[DEPTH])
        error = passed[-1] @ xx - passed[target] @ yx
        for place in reversed(range(len(weights))):
            gradient, error = error @ passed[place].T, weights[place].T @ error
            weights[place] = weights[place] - lr * gradient
    t = DEPTH * lr * np.arange(steps + 1.0)
    every = np.array(encoders)
    return plain_network.Trained(t, np.linalg.norm(every, axis=1).T, every)


def _trained(net: Any, xx: Array, yx: Array, objective: str, lr: float, steps: int) -> float:
    from dlnflow.network import DivergenceError, compare, gradient_descent

    options: dict[str, Any] = {"lr": lr, "steps": steps, "record": np.arange(steps + 1)}
    try:
        run = gradient_descent(net, xx, yx, objective=objective, **options)
    except DivergenceError:
        return 1.0
    return compare(run, measure="amplitude").overlap[1] if _at_rest(run.w) else 1.0


def _at_rest(w: Array) -> bool:
    last = w[:, -LAST:]
    return bool(np.all(np.ptp(last, axis=1) < RESTING * last[:, -1]))


def note(seen: Observations) -> Noted:
    """The boundaries, and the effect of a large rate."""
    jepa, mae = (boundary(objective, DEPTH) for objective in ("jepa", "mae"))
    by_flow = {one.x: one.number for one in seen if one.route == "closed form"}
    fast = [one for one in seen if one.series.endswith(f"{FAST:g} of the stable rate")]
    rise = max(one.number - by_flow[one.x] for one in fast if one.route == "plain network")
    return Noted(
        f"Four modes are learned one after another, neighbours sharing less than half of the "
        f"shorter window on average, up to eps = {jepa:.2g} (JEPA) and {mae:.2g} (MAE) at L "
        f"= {DEPTH}; at L = 1 up to {boundary('jepa', 1):.2g} and {boundary('mae', 1):.1e}. A "
        f"learning rate of {FAST:g} of the largest stable one adds at most {rise:.2g} to the "
        "overlap. Above the stable rate some mode never comes to rest at its plateau.",
        {
            f"largest eps, JEPA, L = {DEPTH}": jepa,
            f"largest eps, MAE, L = {DEPTH}": mae,
            "rise of the overlap at a large rate": rise,
        },
        "the initialisation is small and the learning rate stable: for these modes at L = "
        f"{DEPTH}, eps below {jepa:.2g} (JEPA) and {mae:.2g} (MAE)",
    )


CLAIM = Claim(
    name="9",
    title="Small initialisation makes learning greedy",
    statement="From a small initialisation the features are learned one after another: "
    "neighbours in the order of learning share, on average, less than half of the shorter of "
    "their learning windows (amplitude from 0.1 to 0.9 of the plateau).",
    source="the paper's account of learning from a small initialisation, feature after feature; "
    "its Figure 2 simulates several modes",
    x=Axis("initialisation eps", log=True),
    number=Axis("overlap of learning windows (1 if not at rest)"),
    observe=observe,
    note=note,
    control=Control(
        "nearly equal modes: lam all 1, rho from 0.9 to 0.897",
        {"lam": (1.0,) * 4, "rho": (0.9, 0.899, 0.898, 0.897)},
    ),
    module=__name__,
    level=GREEDY,
    drawn=lambda one: "stable rate" not in one.series,
)

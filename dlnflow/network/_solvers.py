"""Integration of the flow by SciPy's steppers: explicit at first, implicit once it is stiff.

Once some modes are learned, the critical times of others can be millions of their relaxation times
away. The steps of an explicit method are then limited by stability. An implicit method has no such
limit, but factorises matrices of the size of all weights, so it is used for small networks only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlnflow._common._progress import Progress
from dlnflow.network._equations import Equations

Array = NDArray[np.float64]

METHODS = ("auto", "DOP853", "Radau", "BDF")
LARGEST_IMPLICIT = 1500  # weights: 18 MB of Jacobian, a second to factorise it
CHECK_EVERY = 300  # steps between two tests for stiffness
EXPLICIT_RTOL, IMPLICIT_RTOL = 1e-12, 1e-9  # at 1e-12 a method of order 5 takes 6 times the steps
WORTH_A_SWITCH, WEIGHTS = (
    2500,
    100,
)  # switch if more than 2500 (1 + (weights / 100)**2) steps remain
TINIEST = 1e-300
MOST_STEPS = {"DOP853": 10_000_000, "Radau": 100_000, "BDF": 100_000}  # some hours, or minutes
SAME = 1e-15  # relative difference of two times by a change of clock
FOLLOWED = 1e15  # largest implicit step times the norm of the Jacobian: rounding dominates beyond
STABLE, POWER_STEPS = 2.0, 12  # step times fastest rate at which stability limits the step


@dataclass(frozen=True)
class Integration:
    """States at the times reached, and the cost.

    If the last requested time was not reached, the last state follows, with its own time.
    """

    states: Array
    times: Array
    methods: tuple[str, ...]
    steps: int
    evaluations: int
    seconds: float
    stopped: str | None


def integrate(
    equations: Equations,
    start: Array,
    times: Array,
    *,
    rtol: float | None,
    atol: float | None,
    method: str,
    tracker: Progress,
) -> Integration:
    """Weights at ``times`` (network clock, rising, not negative) from ``start`` at time 0."""
    states = np.empty((times.size, start.size))
    done = int(times[0] == 0.0)
    states[:done] = start
    end = float(times[-1])
    tolerances = _tolerances(start, rtol, atol)
    methods = ["DOP853" if method == "auto" else method]
    steps = evaluations = before = 0
    solver: Any = None
    t, y = 0.0, start
    with tracker:
        while done < times.size:
            if solver is None:
                solver = _solver(methods[-1], equations, 0.0, start, end, tolerances)
            tracker.stopped = _limit(solver, end, steps - before)
            if tracker.stopped:
                break
            problem = _step(solver, float(times[done]))
            steps += 1
            if solver.status == "failed":
                tracker.stopped = f"the integrator gave up: {problem}"
                break
            t, y = float(solver.t), solver.y
            upto = int(np.searchsorted(times, solver.t, side="right"))
            if upto > done:
                states[done:upto] = _states(solver, times[done:upto])
                done = upto
            if not tracker.update(t / end, partial(_line, solver, end, steps)):
                break
            look = method == "auto" and len(methods) == 1 and steps % CHECK_EVERY == 0
            if look and _stiff(solver, end, equations):
                methods.append("Radau")
                evaluations, before = solver.nfev, steps
                solver = _solver("Radau", equations, solver.t, solver.y, end, tolerances)
    evaluations += 0 if solver is None else solver.nfev
    took = tuple(methods), steps, evaluations, tracker.seconds
    if done == times.size:
        return Integration(states, times, *took, None)
    if done and t <= times[done - 1] * (1.0 + SAME):
        return Integration(states[:done], times[:done], *took, tracker.stopped)
    states[done] = y
    return Integration(states[: done + 1], np.append(times[:done], t), *took, tracker.stopped)


def _limit(solver: Any, end: float, steps: int) -> str | None:
    """Why the integration has to end, or None; ``steps`` are those of this solver."""
    method = type(solver).__name__
    if steps >= MOST_STEPS[method]:
        return f"{steps} steps of {method} did not reach the last time"
    if method == "DOP853":
        return None
    # The Newton matrix is the Jacobian less a multiple of 1 / step. Beyond this step the multiple
    # is below rounding, as are the rates of modes that would still grow.
    size = float(np.linalg.norm(solver.J))
    if min(solver.h_abs, end - solver.t) * size <= FOLLOWED:
        return None
    return (
        f"double precision follows the flow no further than some {FOLLOWED:g} of its fastest "
        "relaxation times"
    )


def _tolerances(
    start: Array, rtol: float | None, atol: float | None
) -> dict[str, dict[str, float]]:
    """Tolerances of each method; by default absolute ones are relative to the initial weights."""
    size = max(float(np.sqrt(np.mean(start**2))), TINIEST)
    defaults = {"DOP853": EXPLICIT_RTOL, "Radau": IMPLICIT_RTOL, "BDF": IMPLICIT_RTOL}
    relative = {name: least if rtol is None else rtol for name, least in defaults.items()}
    return {
        name: {"rtol": one, "atol": 0.01 * one * size if atol is None else atol}
        for name, one in relative.items()
    }


def _step(solver: Any, landing: float) -> str | None:
    """One step; an explicit one never passes ``landing``, the next requested time.

    If stability limits its steps, the interpolant of an explicit method is far less accurate than
    they are.
    """
    if type(solver).__name__ != "DOP853":
        return solver.step()
    planned = solver.h_abs
    solver.t_bound, solver.status = landing, "running"
    # At rest the error norm underflows to 0 / 0, and the solver tries a smaller step.
    with np.errstate(invalid="ignore"):
        problem = solver.step()
    if solver.t == landing:
        solver.h_abs = max(solver.h_abs, planned)
    return problem


def _states(solver: Any, times: Array) -> Array:
    if times[-1] == times[0] == solver.t:
        return solver.y[None]
    return solver.dense_output()(times).T


def _solver(
    method: str,
    equations: Equations,
    t: float,
    y: Array,
    end: float,
    tolerances: dict[str, dict[str, float]],
) -> Any:
    import scipy.integrate

    implicit: dict[str, Any] = {}
    if method != "DOP853":
        identity = np.eye(equations.size)
        implicit["jac"] = lambda _, weights: equations.linearised(weights, identity).T
    return getattr(scipy.integrate, method)(
        equations.velocity, t, y, end, **tolerances[method], **implicit
    )


def _stiff(solver: Any, end: float, equations: Equations) -> bool:
    """If stability, not accuracy, limits the step, and many such steps remain."""
    if equations.size > LARGEST_IMPLICIT:
        return False
    if (end - solver.t) / solver.h_abs < WORTH_A_SWITCH * (1.0 + (equations.size / WEIGHTS) ** 2):
        return False
    return bool(solver.h_abs * fastest_rate(equations, solver.y) > STABLE)


def fastest_rate(equations: Equations, weights: Array) -> float:
    """The spectral radius of the linearised flow, estimated by power iteration."""
    direction = np.random.default_rng(0).normal(size=weights.shape)
    size = 0.0
    for _ in range(POWER_STEPS):
        direction = equations.linearised(weights, direction / np.linalg.norm(direction))
        size = float(np.linalg.norm(direction))
        if size == 0.0:
            break
    return size


def _line(solver: Any, end: float, steps: int) -> str:
    return f"t = {solver.t:.4g} of {end:.4g} (network clock), {steps} steps"

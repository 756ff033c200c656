"""Integration of the flow: explicit at first, implicit once it is stiff.

Once some modes are learned, the critical times of others can be millions of their relaxation times
away. The steps of an explicit method are then limited by stability, those of an implicit one are
not. CVODE solves its linear systems by GMRES, from products of the Jacobian with vectors, so it
suits networks of any size. SciPy's implicit methods factorise a matrix with as many rows as there
are weights, and are used for small networks only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dlnflow._common._progress import Progress
from dlnflow.network._equations import Equations

Array = NDArray[np.float64]

METHODS = ("auto", "DOP853", "CVODE", "Radau", "BDF")
LARGEST_FACTORISED = 1500  # weights: 18 MB of Jacobian, a second to factorise it
CHECK_EVERY = 300  # steps between two tests for stiffness
# Explicit steps are cheap. At 1e-12 a method of order 5 takes 6 times the steps.
RTOL = {"DOP853": 1e-12, "CVODE": 1e-8, "Radau": 1e-9, "BDF": 1e-9}
WORTH_A_SWITCH = 2500  # explicit steps to go: about the cost of a whole run by CVODE
MOST_STEPS = {"DOP853": 10_000_000, "CVODE": 1_000_000, "Radau": 100_000, "BDF": 100_000}
TINIEST = 1e-300
SAME = 1e-15  # relative difference of two times by a change of clock
FOLLOWED = 1e15  # longest step times the fastest rate: rounding dominates beyond
STABLE, POWER_STEPS = 2.0, 12  # step times fastest rate at which stability limits the step
RATED_ANEW = 100.0  # growth of the step after which the fastest rate is estimated anew
KRYLOV = 30  # vectors of GMRES; a linear system takes some ten
MISSING = "scikit-sundae, which comes with pip install 'dlnflow[stiff]'"


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
    note: str = ""


class Stepper(Protocol):
    """An integrator that is asked for one step after another."""

    @property
    def t(self) -> float: ...
    @property
    def y(self) -> Array: ...
    @property
    def evaluations(self) -> int: ...
    @property
    def next_step(self) -> float: ...
    @property
    def fastest(self) -> float: ...  # rate of the flow; 0 for explicit methods
    def step(self, landing: float) -> str | None: ...  # the reason if it failed
    def at(self, times: Array) -> Array: ...  # states at times within the last step


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
    """Weights at ``times`` (network clock, rising, not negative) from ``start`` at time 0.

    ``atol`` is by default a hundredth of ``rtol`` times the root mean square of ``start``.
    """
    size = max(float(np.sqrt(np.mean(start**2))), TINIEST)

    def stepper(name: str, t: float, y: Array) -> Stepper:
        relative = RTOL[name] if rtol is None else rtol
        absolute = 0.01 * relative * size if atol is None else atol
        made = _Cvode if name == "CVODE" else partial(_Scipy, name)
        return made(equations, t, y, end, relative, absolute)

    states = np.empty((times.size, start.size))
    done = int(times[0] == 0.0)
    states[:done] = start
    end = float(times[-1])
    methods = ["DOP853" if method == "auto" else method]
    watching, note = method == "auto", ""
    steps = evaluations = before = 0
    now: Stepper | None = None
    t, y = 0.0, start
    with tracker:
        while done < times.size:
            if now is None:
                now = stepper(methods[-1], t, y)
            tracker.stopped = _limit(now, methods[-1], end, steps - before)
            if tracker.stopped:
                break
            problem = now.step(float(times[done]))
            steps += 1
            if problem is not None:
                tracker.stopped = f"the integrator gave up: {problem}"
                break
            t, y = now.t, now.y
            upto = int(np.searchsorted(times, t, side="right"))
            if upto > done:
                states[done:upto] = now.at(times[done:upto])
                done = upto
            if not tracker.update(t / end, partial(_line, t, end, steps)):
                break
            if watching and steps % CHECK_EVERY == 0 and _stiff(now, end, equations):
                watching = False
                if not cvode_is_installed():
                    note = f"; stiff from t = {t:.3g} on, where {MISSING}, would be faster"
                if cvode_is_installed() or equations.size <= LARGEST_FACTORISED:
                    methods.append("CVODE" if cvode_is_installed() else "Radau")
                    evaluations, before = now.evaluations, steps
                    now = stepper(methods[-1], t, y)
    evaluations += 0 if now is None else now.evaluations
    took = tuple(methods), steps, evaluations, tracker.seconds
    if done == times.size:
        return Integration(states, times, *took, None, note)
    if done and t <= times[done - 1] * (1.0 + SAME):
        return Integration(states[:done], times[:done], *took, tracker.stopped, note)
    states[done] = y
    reached = np.append(times[:done], t)
    return Integration(states[: done + 1], reached, *took, tracker.stopped, note)


class _Scipy:
    """One of SciPy's integrators."""

    def __init__(
        self,
        method: str,
        equations: Equations,
        t: float,
        y: Array,
        end: float,
        rtol: float,
        atol: float,
    ) -> None:
        import scipy.integrate

        options: dict[str, Any] = {"rtol": rtol, "atol": atol}
        self._explicit = method == "DOP853"
        if not self._explicit:
            identity = np.eye(equations.size)
            options["jac"] = lambda _, weights: equations.linearisation(weights)(identity).T
        self._solver = getattr(scipy.integrate, method)(equations.velocity, t, y, end, **options)

    @property
    def t(self) -> float:
        return float(self._solver.t)

    @property
    def y(self) -> Array:
        return self._solver.y

    @property
    def evaluations(self) -> int:
        return int(self._solver.nfev)

    @property
    def next_step(self) -> float:
        return float(self._solver.h_abs)

    @property
    def fastest(self) -> float:
        return 0.0 if self._explicit else float(np.linalg.norm(self._solver.J))

    def step(self, landing: float) -> str | None:
        # If stability limits the steps of an explicit method, its interpolant is far less accurate
        # than they are, so none passes the next requested time.
        solver = self._solver
        if not self._explicit:
            return solver.step()
        planned = solver.h_abs
        solver.t_bound, solver.status = landing, "running"
        # At rest the error norm underflows to 0 / 0, and the solver tries a smaller step.
        with np.errstate(invalid="ignore"):
            problem = solver.step()
        if solver.t == landing:
            solver.h_abs = max(solver.h_abs, planned)
        return problem

    def at(self, times: Array) -> Array:
        if times[-1] == times[0] == self.t:
            return self.y[None]
        return self._solver.dense_output()(times).T


class _Cvode:
    """SUNDIALS' CVODE: backward differentiation, and GMRES without a preconditioner."""

    def __init__(
        self, equations: Equations, t: float, y: Array, end: float, rtol: float, atol: float
    ) -> None:
        from sksundae.cvode import CVODE, CVODEJacTimes

        self.t, self.y, self.evaluations = t, y, 0
        self.next_step, self._end, self._equations = 0.0, end, equations
        self._linear = equations.linearisation(y)
        self._rate, self._rated = 0.0, 0.0
        self._solver = CVODE(
            self._velocity,
            rtol=rtol,
            atol=atol,
            linsolver="gmres",
            krylov_dim=KRYLOV,
            jactimes=CVODEJacTimes(self._linearise, self._product),
        )
        self._solver.init_step(t, y)

    def _velocity(self, _: float, y: Array, out: Array) -> None:
        self.evaluations += 1
        out[:] = self._equations.downhill(y)

    def _linearise(self, _: float, y: Array, velocity: Array) -> None:
        self._linear = self._equations.linearisation(y.copy())

    def _product(self, _: float, y: Array, velocity: Array, change: Array, out: Array) -> None:
        self.evaluations += 1
        out[:] = self._linear(change)

    @property
    def fastest(self) -> float:
        if self.next_step > RATED_ANEW * self._rated:
            self._rate, self._rated = fastest_rate(self._linear, self.y.size), self.next_step
        return self._rate

    def step(self, landing: float) -> str | None:
        found = self._solver.step(self._end, method="onestep", tstop=self._end)
        if not found.success:
            return str(found.message)
        self.next_step = float(found.t) - self.t
        self.t, self.y = float(found.t), np.array(found.y)
        return None

    def at(self, times: Array) -> Array:
        return np.array([np.array(self._solver.step(float(t)).y) for t in times])


def _limit(now: Stepper, method: str, end: float, steps: int) -> str | None:
    """Why the integration has to end, or None; ``steps`` are those of this method."""
    if steps >= MOST_STEPS[method]:
        return f"{steps} steps of {method} did not reach the last time"
    # The matrix of an implicit step is the Jacobian less a multiple of 1 / step. Beyond this step
    # the multiple is below rounding, as are the rates of modes that would still grow.
    if min(now.next_step, end - now.t) * now.fastest <= FOLLOWED:
        return None
    return (
        f"double precision follows the flow no further than some {FOLLOWED:g} of its fastest "
        "relaxation times"
    )


def cvode_is_installed() -> bool:
    """If scikit-sundae can be imported."""
    return find_spec("sksundae") is not None


def _stiff(now: Stepper, end: float, equations: Equations) -> bool:
    """If stability, not accuracy, limits the step, and many such steps remain."""
    if (end - now.t) / now.next_step < WORTH_A_SWITCH:
        return False
    rate = fastest_rate(equations.linearisation(now.y), equations.size)
    return bool(now.next_step * rate > STABLE)


def fastest_rate(linear: Callable[[Array], Array], size: int) -> float:
    """The spectral radius of the linearised flow, estimated by power iteration."""
    direction = np.random.default_rng(0).normal(size=size)
    rate = 0.0
    for _ in range(POWER_STEPS):
        direction = linear(direction / np.linalg.norm(direction))
        rate = float(np.linalg.norm(direction))
        if rate == 0.0:
            break
    return rate


def _line(t: float, end: float, steps: int) -> str:
    return f"t = {t:.4g} of {end:.4g} (network clock), {steps} steps"

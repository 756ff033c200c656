"""Integration of the flow: explicit at first, implicit once it is stiff.

Once some modes are learned, the critical times of others can be millions of their relaxation times
away. The steps of an explicit method are then limited by stability, those of an implicit one are
not. CVODE solves its linear systems by GMRES, from products of the Jacobian with vectors, so it
suits networks of any size. SciPy's implicit methods factorise a matrix with as many rows as there
are weights, and are used for small networks only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from io import StringIO
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlnflow._common._progress import Progress
from dlnflow.network._equations import Equations
from dlnflow.network._preconditioner import Preconditioner

Array = NDArray[np.float64]
Watch = Callable[[float, Array, Callable[[float], Array]], str | None]

METHODS = ("auto", "DOP853", "CVODE", "Radau", "BDF")
LARGEST_FACTORISED = 1500  # weights: 18 MB of Jacobian, a second to factorise it
CHECK_EVERY = 100  # steps between two tests for stiffness
# Explicit steps are cheap. At 1e-12 a method of order 5 takes 6 times the steps.
RTOL = {"DOP853": 1e-12, "CVODE": 1e-10, "Radau": 1e-9, "BDF": 1e-9}
WORTH_A_SWITCH = 2500  # explicit steps to go: about the cost of a whole run by CVODE
MOST_STEPS = {"DOP853": 10_000_000, "CVODE": 100_000, "Radau": 100_000, "BDF": 100_000}
TINIEST = 1e-300
SAME = 1e-15  # relative difference of two times by a change of clock
FOLLOWED = 1e15  # longest step times the fastest rate: rounding dominates beyond
STABLE, POWER_STEPS = 2.0, 12  # step times fastest rate at which stability limits the step
RATED_ANEW = 100.0  # growth of the step after which the fastest rate is estimated anew
KRYLOV = (
    60  # vectors of GMRES at most; with 30 some linear systems end unsolved and cost more steps
)
PRINTING = Lock()  # redirecting the output is not safe in threads
MISSING = "scikit-sundae, which comes with pip install 'dlnflow[stiff]'"


@dataclass(frozen=True)
class Integration:
    """What was kept at the times reached, the first and the last state, and the cost.

    If the last requested time was not reached, the last time reached follows.
    """

    kept: Array
    ends: Array
    times: Array
    methods: tuple[str, ...]
    steps: int
    evaluations: int
    seconds: float
    stopped: str | None
    note: str = ""


def integrate(
    equations: Equations,
    start: Array,
    times: Array,
    *,
    keep: Callable[[Array], Array],
    rtol: Mapping[str, float],
    atol: float | None,
    method: str,
    tracker: Progress,
    watch: Watch | None = None,
    precondition: bool = False,
) -> Integration:
    """``keep(weights)`` at ``times`` (network clock, rising, not negative), from ``start`` at 0.

    ``keep`` returns a vector. ``rtol`` has a number for each method. ``atol`` is by default a
    hundredth of it times the root mean square of ``start``. ``watch(t, weights, at)`` is called
    after every step, with ``at(time)`` the weights at a time within it; what it returns ends the
    integration, as the reason, unless it is None. ``precondition`` gives CVODE a `Preconditioner`.
    """
    size = max(float(np.sqrt(np.mean(start**2))), TINIEST)

    def stepper(name: str, t: float, y: Array) -> _Scipy | _Cvode:
        absolute = 0.01 * rtol[name] * size if atol is None else atol
        if name == "CVODE":
            return _Cvode(equations, t, y, end, rtol[name], absolute, precondition)
        return _Scipy(name, equations, t, y, end, rtol[name], absolute)

    done = int(times[0] == 0.0)
    ends = [start] * done
    first = keep(start)
    kept = np.empty((times.size, first.size))
    kept[:done] = first
    end = float(times[-1])
    methods = ["DOP853" if method == "auto" else method]
    watching, note = method == "auto", ""
    steps = evaluations = before = 0
    now: _Scipy | _Cvode | None = None
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
            if watch is not None:
                tracker.stopped = watch(t, y, now.at)
                if tracker.stopped:
                    break
            while done < times.size and times[done] <= t:
                ends = [*ends[:1], now.at(float(times[done]))]
                kept[done] = keep(ends[-1])
                done += 1
            if not tracker.update(t / end, partial(_line, t, end, steps)):
                break
            if watching and steps % CHECK_EVERY == 0 and _stiff(now, end, equations):
                if not cvode_is_installed() and not note:
                    note = f"; stiff from t = {t:.3g} on, where {MISSING}, would be faster"
                better = _implicit((end - t) / now.next_step, equations.size)
                if better is not None:
                    watching = False
                    methods.append(better)
                    evaluations, before = now.evaluations, steps
                    now = stepper(better, t, y)
    evaluations += 0 if now is None else now.evaluations
    took = tuple(methods), steps, evaluations, tracker.seconds
    if done == times.size:
        return Integration(kept, np.array(ends), times, *took, None, note)
    reached = times[:done]
    if not done or t > times[done - 1] * (1.0 + SAME):
        ends, kept[done] = [*ends[:1], y], keep(y)
        reached = np.append(reached, t)
    kept = kept[: reached.size]
    return Integration(kept, np.array(ends), reached, *took, tracker.stopped, note)


class _Scipy:
    """One of SciPy's integrators, asked for one step after another."""

    def __init__(
        self,
        name: str,
        equations: Equations,
        t: float,
        y: Array,
        end: float,
        rtol: float,
        atol: float,
    ) -> None:
        import scipy.integrate

        options: dict[str, Any] = {"rtol": rtol, "atol": atol}
        self._explicit = name == "DOP853"
        if not self._explicit:
            identity = np.eye(equations.size)
            options["jac"] = lambda _, weights: equations.linearisation(weights)(identity).T
        self._solver = getattr(scipy.integrate, name)(equations.velocity, t, y, end, **options)
        self._read()

    def _read(self) -> None:
        self.t, self.y = float(self._solver.t), self._solver.y
        self.next_step, self.evaluations = float(self._solver.h_abs), int(self._solver.nfev)

    @property
    def fastest(self) -> float:
        """Rate of the flow; 0 for explicit methods."""
        return 0.0 if self._explicit else float(np.linalg.norm(self._solver.J))

    def step(self, landing: float) -> str | None:
        """Make a step, up to the next requested time; return the reason if it failed."""
        # If stability limits the steps of an explicit method, its interpolant is far less accurate
        # than they are, so none passes the next requested time.
        solver, planned = self._solver, self._solver.h_abs
        if self._explicit:
            solver.t_bound, solver.status = landing, "running"
        # At rest the error norm underflows to 0 / 0, and too long a trial step may overflow. The
        # solver then tries a smaller one.
        with np.errstate(over="ignore", invalid="ignore"):
            problem = solver.step()
        if self._explicit and solver.t == landing:
            solver.h_abs = max(solver.h_abs, planned)
        self._read()
        return problem

    def at(self, time: float) -> Array:
        """The state at a time within the last step."""
        return self.y if time == self.t else self._solver.dense_output()(time)


class _Cvode:
    """As `_Scipy`, by SUNDIALS' CVODE: backward differentiation and GMRES."""

    def __init__(
        self,
        equations: Equations,
        t: float,
        y: Array,
        end: float,
        rtol: float,
        atol: float,
        precondition: bool,
    ) -> None:
        from sksundae.cvode import CVODE, CVODEJacTimes, CVODEPrecond

        self.t, self.y, self.evaluations = t, y, 0
        self.next_step, self._end, self._equations = 0.0, end, equations
        self._linear = equations.linearisation(y)
        self._rate, self._rated = fastest_rate(self._linear, y.size), 0.0
        self._preconditioner = Preconditioner(equations)
        prepared = CVODEPrecond(self._factorise, self._solve, "right") if precondition else None
        self._solver = CVODE(
            self._velocity,
            rtol=rtol,
            atol=max(atol, TINIEST),
            first_step=min(STABLE / self._rate, end - t) if self._rate else 0.0,
            linsolver="gmres",
            krylov_dim=KRYLOV,
            jactimes=CVODEJacTimes(self._linearise, self._product),
            precond=prepared,
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

    def _factorise(
        self, _: float, y: Array, velocity: Array, known: int, new: list[int], gamma: float
    ) -> None:
        new[0] = 1
        self._preconditioner.setup(y.copy(), gamma)

    def _solve(
        self,
        _: float,
        y: Array,
        velocity: Array,
        residual: Array,
        out: Array,
        gamma: float,
        tolerance: float,
        side: int,
    ) -> None:
        out[:] = self._preconditioner.solve(residual)

    @property
    def fastest(self) -> float:
        if self.next_step > RATED_ANEW * self._rated:
            self._rate, self._rated = fastest_rate(self._linear, self.y.size), self.next_step
        return self._rate

    def step(self, landing: float) -> str | None:
        # CVODE prints its warnings. A trial step that is too long may overflow; it is repeated.
        quiet = np.errstate(over="ignore", invalid="ignore")
        with PRINTING, redirect_stdout(StringIO()), quiet:
            found = self._advance()
            if found.success and found.t == self.t:  # the last step once more, after `at`
                found = self._advance()
        if not found.success:
            return str(found.message)
        self.next_step = float(found.t) - self.t
        self.t, self.y = float(found.t), found.y
        return None

    def _advance(self) -> Any:
        return self._solver.step(self._end, method="onestep", tstop=self._end)

    def at(self, time: float) -> Array:
        return self.y if time == self.t else self._solver.step(time).y


def _limit(now: _Scipy | _Cvode, method: str, end: float, steps: int) -> str | None:
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


def _implicit(steps: float, weights: int) -> str | None:
    """The implicit method that is faster than so many explicit steps, if there is one."""
    if cvode_is_installed():
        return "CVODE"
    # Radau factorises weights**3 numbers some hundred times. An explicit step takes less than
    # weights**2.
    return "Radau" if weights <= LARGEST_FACTORISED and steps > weights**2 else None


def _stiff(now: _Scipy | _Cvode, end: float, equations: Equations) -> bool:
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

"""The mode equation by ``scipy.integrate.solve_ivp``: the independent check of the closed form.

Of the theory it uses the equation alone,

    d(log w)/dt = L (lam u**(N-2+m) - s u**(N-2+m+k)),      u = w**(1/L),  s = lam / rho,

and nothing of its solution. Two changes of variable keep small ``eps`` harmless. The state is
``y = log(w / eps)``. And the independent variable is not time, in which a transition can be
narrower than the spacing of floats, but a parameter ``sigma`` that runs at the speed of the two
terms together, so that ``|dy/dsigma| <= 1`` everywhere; beside ``y`` runs ``log(1 + time)``, in
units of its initial scale, which a suppressed mode can outlast by any power of ten.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RTOL, ATOL = 3e-14, 1e-13  # both variables are logarithms
TRIAL_STEP_LIMIT = 600.0  # of an exponent; the solver tries steps far past the solution
FINER, NEWTON_STEPS = 8, 5  # points a solver step, and refinements, to find when a time is reached
AT_REST = 1e-11  # distance in y from the fixed point: what the tolerances still tell from zero


@dataclass(frozen=True)
class ModeEquation:
    """One mode as an initial value problem; plain numbers.

    Parameters
    ----------
    lam, variance, eps : float
        Covariance, variance, and amplitude at ``t = 0``.
    L, gap, growth_exponent : float
        Encoder depth, ``k`` and ``N - 2 + m``.
    unit : float
        Network time in one unit of the clock.
    """

    lam: float
    variance: float
    eps: float
    L: float
    gap: float
    growth_exponent: float
    unit: float

    def amplitude(self, t: Array) -> Array:
        """``wbar`` at finite times ``t >= 0``, in any order."""
        wanted = self._log_time(t)
        result = self._solve(until_log_time=float(wanted.max()))
        y = np.full(t.shape, result.y[0, -1])
        inside = wanted < result.y[1, -1]
        if inside.any():
            y[inside] = result.sol(self._sigma_at(wanted[inside], result))[0]
        return np.where(t == 0.0, self.eps, self.eps * np.exp(y))

    def _sigma_at(self, wanted: Array, result: Any) -> Array:
        """Where the integrated time takes the wanted values: bracketed, then by Newton's method."""
        steps = np.linspace(0.0, 1.0, FINER, endpoint=False)
        knots = (result.t[:-1, None] + np.diff(result.t)[:, None] * steps).ravel()
        knots = np.append(knots, result.t[-1])
        times = np.maximum.accumulate(result.sol(knots)[1])
        place = np.clip(np.searchsorted(times, wanted, side="right") - 1, 0, len(knots) - 2)
        low, high = knots[place], knots[place + 1]
        sigma = np.interp(wanted, times, knots)
        for _ in range(NEWTON_STEPS):
            y, time = result.sol(sigma)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                step = (wanted - time) / self._motion(y, time)[1]
            sigma = np.clip(sigma + np.where(np.isfinite(step), step, 0.0), low, high)
        return sigma

    def time_of(self, w: float) -> float:
        """When ``wbar`` first reaches ``w > eps``; infinite if it never does."""
        if self.lam <= self._drag(0.0):
            return float("inf")  # it falls from the start
        result = self._solve(until_y=float(np.log1p((w - self.eps) / self.eps)))
        if result.t_events[0].size == 0:
            return float("inf")
        log_time = float(result.y_events[0][0, 1])
        with np.errstate(over="ignore"):
            if log_time < 1.0:
                return float(np.expm1(log_time) * np.exp(self._log_scale))
            return float(np.exp(log_time + np.log(-np.expm1(-log_time)) + self._log_scale))

    def _log_time(self, t: Array) -> Array:
        """``log(1 + t / scale)``."""
        with np.errstate(divide="ignore", over="ignore"):
            near = np.log1p(np.exp(np.log(t) - self._log_scale))
            return np.where(near < np.inf, near, np.log(t) - self._log_scale)

    @property
    def _log_scale(self) -> float:
        """Of the time, on the clock, that the start takes for one unit of ``sigma``."""
        slowness = -self.growth_exponent / self.L * np.log(self.eps)
        return float(slowness - np.log(self.L) - np.log(self._size(0.0)) - np.log(self.unit))

    def _drag(self, y: Any) -> Any:
        return self.variance * _bounded_exp(self.gap / self.L * (np.log(self.eps) + y))

    def _size(self, y: Any) -> Any:
        """Both terms of the equation together, without their common power of ``u``."""
        return abs(self.lam) + self._drag(y)

    def _motion(self, y: Any, log_time: Any) -> tuple[Any, Any]:
        """``dy/dsigma`` and ``dlog(1 + time)/dsigma``."""
        total = self._size(y)
        slowing = _bounded_exp(-self.growth_exponent / self.L * y - log_time)
        return (self.lam - self._drag(y)) / total, slowing * self._size(0.0) / total

    def _solve(self, until_log_time: float = np.inf, until_y: float = np.inf) -> Any:
        from scipy.integrate import solve_ivp

        def motion(_: float, state: Array) -> Array:
            return np.array(self._motion(*state))

        def target(_: float, state: Array) -> float:
            return float(state[0]) - until_y

        def time_is_up(_: float, state: Array) -> float:
            return float(state[1]) - until_log_time

        def at_rest(_: float, state: Array) -> float:
            return abs(self._motion(*state)[0]) * self.L / self.gap - AT_REST

        result = solve_ivp(
            motion,
            (0.0, np.finfo(np.float64).max ** 0.5),
            np.zeros(2),
            method="DOP853",
            rtol=RTOL,
            atol=ATOL,
            dense_output=True,
            events=[_stops_at(event) for event in (target, time_is_up, at_rest)],
        )
        if result.status < 0:
            raise RuntimeError(f"solve_ivp gave up on {self}: {result.message}")
        return result


def _bounded_exp(exponent: Any) -> Any:
    return np.exp(np.minimum(exponent, TRIAL_STEP_LIMIT))


def _stops_at(event: Callable[[float, Array], float]) -> Any:
    event.terminal = True  # type: ignore[attr-defined]
    return event

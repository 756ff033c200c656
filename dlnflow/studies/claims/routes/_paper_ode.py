"""The equation of one mode as the paper's critical times imply it, by SciPy's ``solve_ivp``.

Shares no code with the rest of the library: it has its own exponents, finds the plateau as a root
and the critical time as an event. Everything is on the paper's clock. Whether the paper prints the
equation with the factor ``L`` of the chain rule could not be checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from dlnflow.studies.claims.routes import target_layer

Array = NDArray[np.float64]

RTOL, ATOL = 1e-11, 1e-12
LOWEST, HIGHEST = 1e-20, 1e6  # amplitudes between which the plateau lies


def velocity(
    objective: str, lam: float, rho: float, L: int, decoder_depth: int = 1
) -> Callable[[float], float]:
    """``d wbar/dt`` as a function of ``wbar``.

    JEPA and MAE with one decoder layer have the paper's equation; every other network follows from
    ``du/dt = lam u**(N-1+m) (1 - u**(N-m) / rho)`` with ``wbar = u**L``.
    """
    if decoder_depth == 1 and objective == "jepa":
        return lambda w: float(lam * w ** (3 - 1 / L) - lam / rho * w**3)
    if decoder_depth == 1 and objective == "mae":
        return lambda w: float(lam * w ** (2 - 1 / L) - lam / rho * w**3)
    N, m = L + decoder_depth, target_layer(objective, L)

    def of(w: float) -> float:
        u = w ** (1 / L)
        return float(u ** (L - 1) * lam * u ** (N - 1 + m) * (1 - u ** (N - m) / rho))

    return of


def plateau(objective: str, lam: float, rho: float, L: int, decoder_depth: int = 1) -> float:
    """The amplitude at which the velocity changes sign."""
    speed = velocity(objective, lam, rho, L, decoder_depth)

    def sign(log_w: float) -> float:
        w = float(np.exp(log_w))
        return speed(w) / w**3

    return float(np.exp(brentq(sign, np.log(LOWEST), np.log(HIGHEST), xtol=1e-14, rtol=1e-14)))


def times(
    objective: str,
    lam: ArrayLike,
    rho: ArrayLike,
    L: int,
    eps: float,
    *,
    p: float = 0.5,
    decoder_depth: int = 1,
) -> Array:
    """Time at which each mode reaches the fraction ``p`` of its plateau; 0 if it starts above."""
    modes = np.broadcast_arrays(np.atleast_1d(np.asarray(lam, float)), np.asarray(rho, float))
    return np.array(
        [
            _time(objective, float(a), float(b), L, eps, p, decoder_depth)
            for a, b in zip(*modes, strict=True)
        ]
    )


def _time(
    objective: str, lam: float, rho: float, L: int, eps: float, p: float, decoder_depth: int
) -> float:
    level = np.log(p * plateau(objective, lam, rho, L, decoder_depth))
    if np.log(eps) >= level:
        return 0.0

    def there(_: float, state: Array) -> float:
        return float(state[0] - level)

    there.terminal = True  # type: ignore[attr-defined]
    solved = _solve(objective, lam, rho, L, eps, decoder_depth, events=there)
    return float(solved.t_events[0][0])


def trajectory(
    objective: str,
    lam: float,
    rho: float,
    L: int,
    eps: float,
    t: Array,
    *,
    decoder_depth: int = 1,
) -> Array:
    """``wbar`` at increasing times ``t``."""
    solved = _solve(objective, lam, rho, L, eps, decoder_depth, until=float(t[-1]), t_eval=t)
    return np.asarray(np.exp(solved.y[0]))


def _solve(
    objective: str,
    lam: float,
    rho: float,
    L: int,
    eps: float,
    decoder_depth: int,
    until: float = np.inf,
    **options: Any,
) -> Any:
    """Solution for ``log wbar``, which is well scaled for small ``eps``."""
    speed = velocity(objective, lam, rho, L, decoder_depth)

    def motion(_: float, state: Array) -> Array:
        w = np.exp(min(state[0], 30.0))
        return np.array([speed(w) / w])

    initial = [np.log(eps)]
    solved = solve_ivp(motion, (0.0, until), initial, "LSODA", rtol=RTOL, atol=ATOL, **options)
    if solved.status < 0:
        raise RuntimeError(f"solve_ivp failed: {solved.message}")
    return solved

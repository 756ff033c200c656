"""The critical time as an integral, by mpmath: ``t = integral of dw / velocity(w)`` from ``eps``.

Shares no code with the rest of the library, and uses no expansion, table or special function.
Everything is on the paper's clock.
"""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow.studies.claims.routes import target_layer

Array = NDArray[np.float64]

DIGITS = 40


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
            float(time(objective, float(a), float(b), L, eps, p=p, decoder_depth=decoder_depth))
            for a, b in zip(*modes, strict=True)
        ]
    )


def time(
    objective: str,
    lam: float,
    rho: float,
    L: int,
    eps: float,
    *,
    p: float = 0.5,
    decoder_depth: int = 1,
) -> Any:
    """The critical time of one mode with all digits.

    With ``u = wbar**(1/L)``, on the paper's clock ``du/dt = (lam/L) u**(N-1+m) (1 - u**k/rho)``,
    integrated over ``log u``, where the integrand is smooth.
    """
    with mp.workdps(DIGITS):
        N, m = L + decoder_depth, target_layer(objective, L)
        k = N - m
        covariance, coefficient = mp.mpf(lam), mp.mpf(rho)

        def slowness(log_u: Any) -> Any:
            u = mp.exp(log_u)
            return L / (covariance * u ** (N - 2 + m) * (1 - u**k / coefficient))

        first = mp.log(mp.mpf(eps)) / L
        last = mp.log(mp.mpf(p)) / L + mp.log(coefficient) / k
        if first >= last:
            return mp.mpf(0)
        pieces = mp.linspace(first, last, max(2, int(last - first) + 2))
        return mp.quad(slowness, pieces)


def published(objective: str, lam: float, rho: float, L: int, eps: float) -> Any:
    """The paper's critical time (Theorem 4.5) without its Theta terms, with all digits."""
    with mp.workdps(DIGITS):
        covariance, coefficient, initial = mp.mpf(lam), mp.mpf(rho), mp.mpf(eps)
        if objective == "jepa":
            terms = (
                L / (n * coefficient ** (2 * L - n - 1) * initial ** (mp.mpf(n) / L))
                for n in range(1, 2 * L)
            )
            return sum(terms) / covariance
        if L == 1:
            return mp.log(1 / initial) / covariance
        return L / ((L - 1) * covariance * initial ** (mp.mpf(L - 1) / L))

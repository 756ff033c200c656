"""Linear response of a mode that is still small to the units of modes learned before it.

A unit that has learned mode ``j`` also responds to mode ``i`` if the covariances couple the two. In
the notation of ``docs/networks.md``, "When units switch", with the coupling as a source: the
first-layer weight ``delta`` of unit ``j`` on mode ``i``, in units of its weight on ``j``, obeys

    JEPA  d delta/dt = rho_j**(2L-1) ((Sigma_yx)_ji + s_i (rho_i - rho_j) delta)
    MAE   d delta/dt = U' ((Sigma_yx)_ji + lam_i gamma) - s_i U**2 delta
          d gamma/dt = U' ((Sigma_yx)_ij + lam_i delta) - s_j U**2 gamma

(network clock, ``U = rho_j**(L/(L+1))``, ``U' = rho_j**((L-1)/(L+1))``) once ``j`` is learned.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlnflow.data import Spectrum
from dlnflow.theory import critical_time, plateau

Array = NDArray[np.float64]

LARGEST_EXPONENT = 300.0  # of growth: exp of more would overflow


def response_at_critical_time(
    objective: str, sigma_xx: Array, sigma_yx: Array, L: int, eps: float
) -> Array:
    """Response of earlier units along each mode's direction at that mode's critical time.

    Parameters
    ----------
    objective : {"jepa", "mae"}
    sigma_xx, sigma_yx : array, shape (d, d)
    L : int
    eps : float

    Returns
    -------
    array, shape (modes,)
        Root sum of squares over the units of all modes learned earlier, divided by the mode's
        plateau. 0 for the first mode and for modes that are never learned.
    """
    data = Spectrum.from_covariances(sigma_xx, sigma_yx, basis="variance")
    coupling = data.basis.T @ sigma_yx @ data.basis
    options: dict[str, Any] = {"eps": eps, "objective": objective, "variance": data.variance}
    times = critical_time(data.lam, data.rho, L, **options)
    rest = plateau(data.rho, L, objective=objective)
    squares = np.zeros(len(times))
    for i in np.flatnonzero(np.isfinite(times)):
        for j in np.flatnonzero(times < times[i]):
            wait = (times[i] - times[j]) / L
            delta = _delta(objective, data, coupling, L, int(i), int(j), wait)
            squares[i] += (delta * rest[j] / rest[i]) ** 2
    return np.sqrt(squares)


def _delta(
    objective: str, data: Spectrum, coupling: Array, L: int, i: int, j: int, wait: float
) -> float:
    """``delta`` after the time ``wait``, from 0."""
    from scipy.linalg import expm

    motion, gain = linear_response(objective, data.lam, data.rho, L, i, j)
    both = np.array([coupling[j, i], coupling[i, j]])
    source = gain * (both[:1] if objective == "jepa" else both)
    size = len(source)
    if np.max(np.linalg.eigvalsh(motion)) * wait > LARGEST_EXPONENT:
        return float(np.exp(LARGEST_EXPONENT))
    joint = np.zeros((size + 1, size + 1))
    joint[:size, :size], joint[:size, size] = motion, source
    return float(expm(wait * joint)[0, size])


def linear_response(
    objective: str, lam: Array, rho: Array, L: int, i: int, j: int
) -> tuple[Array, float]:
    """Matrix of the linear equation for the weights of unit ``j`` on mode ``i``, and source gain.

    Without coupling the largest eigenvalue is `dlnflow.network.switching_rate` where positive.
    """
    s = lam / rho
    if objective == "jepa":
        gain = float(rho[j] ** (2 * L - 1))
        return np.array([[gain * s[i] * (rho[i] - rho[j])]]), gain
    product, gain = rho[j] ** (L / (L + 1)), float(rho[j] ** ((L - 1) / (L + 1)))
    mixed = gain * lam[i]
    return np.array([[-s[i] * product**2, mixed], [mixed, -s[j] * product**2]]), gain

"""How strongly a network answers to a mode before the mode's own unit has grown.

A unit that has learned mode ``j`` answers a little to mode ``i`` too if the covariances tie the
two. In the notation of ``docs/networks.md``, "When units switch", with the tie as a source: the
first-layer weight ``delta`` of unit ``j`` on mode ``i``, in units of its weight on ``j``, obeys

    JEPA  d delta/dt = rho_j**(2L-1) ((Sigma_yx)_ji + s_i (rho_i - rho_j) delta)
    MAE   d delta/dt = U' ((Sigma_yx)_ji + lam_i gamma) - s_i U**2 delta
          d gamma/dt = U' ((Sigma_yx)_ij + lam_i delta) - s_j U**2 gamma

(network clock, ``U = rho_j**(L/(L+1))``, ``U' = rho_j**((L-1)/(L+1))``) from when ``j`` is learned.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlnflow.data._spectrum import Spectrum

Array = NDArray[np.float64]

LARGEST = 300.0  # exponent of growth above which an answer is as good as infinite


def answers(objective: str, sigma_xx: Array, sigma_yx: Array, L: int, eps: float) -> Array:
    """Of the units of all modes learned before, when a mode's own time comes, over its plateau.

    Root sums of squares, shape (modes,); 0 for the first mode and for those never learned.
    """
    from dlnflow.theory._critical_time import critical_time
    from dlnflow.theory._modes import plateau

    data = Spectrum.from_covariances(sigma_xx, sigma_yx)
    ties = data.basis.T @ sigma_yx @ data.basis
    options: dict[str, Any] = {"eps": eps, "objective": objective, "variance": data.variance}
    times = critical_time(data.lam, data.rho, L, **options)
    rest = plateau(data.rho, L, objective=objective)
    squares = np.zeros(len(times))
    for i in np.flatnonzero(np.isfinite(times)):
        for j in np.flatnonzero(times < times[i]):
            share = _share(objective, data, ties, L, int(i), int(j), (times[i] - times[j]) / L)
            squares[i] += (share * rest[j] / rest[i]) ** 2
    return np.sqrt(squares)


def _share(
    objective: str, data: Spectrum, ties: Array, L: int, i: int, j: int, wait: float
) -> float:
    """``delta`` after the wait."""
    from scipy.linalg import expm

    motion, gain = linear_response(objective, data.lam, data.rho, L, i, j)
    source = gain * (ties[j, [i]] if objective == "jepa" else np.array([ties[j, i], ties[i, j]]))
    size = len(source)
    if np.max(np.linalg.eigvalsh(motion)) * wait > LARGEST:
        return float(np.exp(LARGEST))
    joint = np.zeros((size + 1, size + 1))
    joint[:size, :size], joint[:size, size] = motion, source
    return float(expm(wait * joint)[0, size])


def linear_response(
    objective: str, lam: Array, rho: Array, L: int, i: int, j: int
) -> tuple[Array, float]:
    """How the weights of unit ``j`` on mode ``i`` move each other, and what a tie gives them.

    Without a tie the first of them grows at `dlnflow.network.switching_rate`.
    """
    s = lam / rho
    if objective == "jepa":
        pace = float(rho[j] ** (2 * L - 1))
        return np.array([[pace * s[i] * (rho[i] - rho[j])]]), pace
    whole, without = rho[j] ** (L / (L + 1)), float(rho[j] ** ((L - 1) / (L + 1)))
    across = without * lam[i]
    return np.array([[-s[i] * whole**2, across], [across, -s[j] * whole**2]]), without

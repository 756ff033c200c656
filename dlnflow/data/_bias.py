"""How far sampling moves modes on average: variances of a sample lie further apart than the data's.

The second order of perturbation theory, for Gaussian samples: a mode turns towards another by an
angle with the sample's own noise in it, and on average gains from every such turn (D. N. Lawley,
Biometrika 43 (1956) 128, for the variances). Where two modes are nearer than the noise they repel
each other no further, and ``1 / gap`` is damped there. And covariances about a sample's own mean,
divided by ``n``, are all too small by ``1 / n``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dlnflow.data._joint_basis import InBasis

Array = NDArray[np.float64]


def gaussian_bias(whole: InBasis, joint: Array, n: float, *, generalised: bool) -> Array:
    """Mean of sampled ``lam`` and ``variance`` less the data's, shape (2, modes).

    Parameters
    ----------
    whole : InBasis
    joint : array, shape (2 modes, 2 modes)
        Covariance of context and target in the modes' coordinates.
    n : float
        Independent samples.
    generalised : bool
        Whether the modes are the generalised ones; then only ``rho`` is corrected for the turns.
    """
    m = len(joint) // 2
    s, lam, of_y = np.diag(joint)[:m], np.diag(joint[m:, :m]), np.diag(joint)[m:]
    if generalised:
        rho, spread = lam / s, of_y / s
        square = 0.25 * (spread[:, None] + spread - 2.0 * np.outer(rho, rho)) / n
        of_rho = np.sum(square * _over(rho, square), axis=1)
        return np.array([s * of_rho - lam / n, -s / n])
    alike = whole.spaces[:, None] == whole.spaces
    xx = np.outer(s, s) / n
    both = 0.5 * (np.outer(lam, s) + np.outer(s, lam)) / n
    yx = 0.25 * (np.outer(s, of_y) + np.outer(of_y, s) + 2.0 * np.outer(lam, lam)) / n
    between = np.where(alike, 0.0, _over(s, xx))
    within = np.where(alike, _over(lam, yx), 0.0)
    of_lam = (2.0 * both - xx * between * _apart(lam)) * between + yx * within
    of_variance = xx * between + (2.0 * both - yx * within * _apart(s)) * within
    return np.array([of_lam.sum(axis=1) - lam / n, of_variance.sum(axis=1) - s / n])


def _apart(values: Array) -> Array:
    return values[:, None] - values


def _over(values: Array, noise: Array) -> Array:
    """``1 / (values_i - values_j)``, damped by the variance of what turns one to the other."""
    gap = _apart(values)
    damped = gap**2 + 2.0 * np.abs(noise)
    return np.divide(gap, damped, out=np.zeros_like(gap), where=damped > 0.0)

"""How large the modes of unrelated context and target come out in a sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

HALVINGS = 24  # of an interval: to a relative 1e-7, far below what the law itself is worth
MOST_STEPS, SETTLED = 100, 1e-9
LEVEL = 0.05  # two-sided, over all modes together
# the largest eigenvalue's law about the edge (Tracy-Widom, real) as a shifted gamma distribution:
# M. Chiani, J. Multivariate Anal. 129 (2014) 69, table 1
SHAPE, SCALE, SHIFT = 46.446, 0.186054, 9.84801


def noise_floor(
    lam_error: Array, xx: Array, noise: Array, spaces: NDArray[np.intp], n: float
) -> Array:
    """The size of ``lam`` below which chance explains it, shape (modes,).

    A mode that ``sigma_xx`` alone picks is compared with its own standard error, at a level shared
    among the modes (Bonferroni). Modes that ``sigma_yx`` picks from a space are extremes even of
    pure noise, and are compared with the largest eigenvalue of that.

    Parameters
    ----------
    lam_error : array, shape (modes,)
        Of generalised modes, whose size may be uncertain where ``rho`` is not, that of ``rho``
        times the variance.
    xx, noise : array, shape (modes, modes)
        In the modes' coordinates, covariances of the context and of what it does not predict of
        the target.
    spaces : array of int, shape (modes,)
        Modes of one number share a space.
    n : float
        Independent samples.
    """
    from scipy.linalg import eigh
    from scipy.special import ndtri

    m = lam_error.size
    floor: Array = -ndtri(0.5 * LEVEL / m) * lam_error
    for space in np.unique(spaces):
        inside = np.flatnonzero(spaces == space)
        if inside.size > 1:
            block = np.ix_(inside, inside)
            share = np.maximum(eigh(noise[block], xx[block], eigvals_only=True), 0.0)
            largest = _largest(share, n, LEVEL * inside.size / m)
            floor[inside] = np.maximum(floor[inside], largest * np.diag(xx)[inside])
    return floor


def _largest(noise: Array, n: float, level: float) -> float:
    """What sampled sym(Syx) of white ``x`` and unrelated ``y`` exceeds with chance ``level``."""
    from scipy.special import gammaincinv

    quantile = SCALE * float(gammaincinv(SHAPE, 1.0 - 0.5 * level)) - SHIFT
    return edge(noise, n) * (1.0 + quantile / (2.0 * noise.size ** (2.0 / 3.0)))


def edge(noise: Array, n: float) -> float:
    """The edge of the spectrum of ``sym(y x^T)`` over ``n`` pairs, ``x`` white, ``y`` unrelated.

    In the eigenbasis of ``y``'s covariance (eigenvalues ``noise``) entries are independent, of
    variance ``(noise_i + noise_j) / 4 n``. The edge is the least ``z`` for which ``1 / x_i = z -
    sum_j var_ij x_j`` has a positive solution (F. Lehner, Amer. J. Math. 121 (1999) 1197; equal
    noise gives Wigner's ``sqrt(2 d noise / n)``).
    """
    top = float(noise.max())
    if top == 0.0:
        return 0.0
    share = noise / top
    low, high = np.sqrt(0.5 * share.mean()), np.sqrt(2.0)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if _solvable(share, middle) else (middle, high)
    return float(high * np.sqrt(top * noise.size / n))


def _solvable(share: Array, z: float) -> bool:
    """Whether Newton's iteration from 0 has a limit, to which it then rises.

    The unknowns are the means of ``x`` and of ``share * x``, in units in which noise is at most 1.
    """
    mean, weighted = 0.0, 0.0
    for _ in range(MOST_STEPS):
        left = z - 0.25 * (mean * share + weighted)
        if left.min() <= 0.0:
            return False
        x = 1.0 / left
        by_share = share * x
        corner = 0.25 * float(np.mean(x * x))
        middle = 1.0 - 0.25 * float(np.mean(by_share * x))
        other = 0.25 * float(np.mean(by_share * by_share))
        determinant = middle * middle - corner * other
        if middle <= 0.0 or determinant <= 0.0:
            return False
        off, off_weighted = float(x.mean()) - mean, float(by_share.mean()) - weighted
        step = (middle * off + corner * off_weighted) / determinant
        step_weighted = (other * off + middle * off_weighted) / determinant
        mean, weighted = mean + step, weighted + step_weighted
        if step <= SETTLED * mean and step_weighted <= SETTLED * weighted:
            break
    return True

"""What sampling alone does to modes: the bias of their estimates, and the noise floor of ``lam``.

The bias is the second order of perturbation theory for Gaussian samples. Sampling noise turns a
mode towards the others, and every such turn moves its ``lam`` and ``variance`` on average (D. N.
Lawley, Biometrika 43 (1956) 128, for the variances). For two modes nearer to each other than the
noise, ``1 / gap`` is damped. Covariances about a sample's own mean, divided by ``n``, are also too
small by ``1 / n``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlnflow.data._estimation import InBasis

Array = NDArray[np.float64]


class EdgeOptions(NamedTuple):
    """Accuracy of the noise floor, and the distribution of the largest eigenvalue of noise.

    The Tracy-Widom distribution (real) is approximated by a shifted gamma distribution: M. Chiani,
    J. Multivariate Anal. 129 (2014) 69, table 1.
    """

    level: float = 0.05  # two-sided, over all modes together
    halvings: int = 24  # of an interval: a relative 1e-7, far below the accuracy of the asymptotics
    newton_steps: int = 100  # at most
    newton_tolerance: float = 1e-9  # relative size of the last step
    shape: float = 46.446  # of the gamma distribution
    scale: float = 0.186054
    shift: float = 9.84801


OPTIONS = EdgeOptions()


def gaussian_bias(whole: InBasis, joint: Array, n: float, *, generalised: bool) -> Array:
    """Expected ``lam`` and ``variance`` of samples less those of the data, shape (2, modes).

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
    same_space = whole.spaces[:, None] == whole.spaces
    xx = np.outer(s, s) / n
    both = 0.5 * (np.outer(lam, s) + np.outer(s, lam)) / n
    yx = 0.25 * (np.outer(s, of_y) + np.outer(of_y, s) + 2.0 * np.outer(lam, lam)) / n
    between = np.where(same_space, 0.0, _over(s, xx))
    within = np.where(same_space, _over(lam, yx), 0.0)
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


def noise_floor(
    lam_error: Array, xx: Array, noise: Array, spaces: NDArray[np.intp], n: float
) -> Array:
    """Size of ``lam`` that unrelated context and target reach by chance, shape (modes,).

    For a mode whose direction ``sigma_xx`` determines it is a multiple of the standard error, by a
    Bonferroni correction over the modes. Modes whose directions ``sigma_yx`` determines inside a
    space of equal variances are extreme even for pure noise; for these it is the largest eigenvalue
    of such noise.

    Parameters
    ----------
    lam_error : array, shape (modes,)
        Standard error of ``lam``; of generalised modes that of ``rho`` times the variance, as
        their ``lam`` can be uncertain where ``rho`` is not.
    xx, noise : array, shape (modes, modes)
        Covariances, in the modes' coordinates, of the context and of the target's residual after
        linear regression on it.
    spaces : array of int, shape (modes,)
        Modes of one number share a space.
    n : float
        Independent samples.
    """
    from scipy.linalg import eigh
    from scipy.special import gammaincinv, ndtri

    m = lam_error.size
    floor: Array = -ndtri(0.5 * OPTIONS.level / m) * lam_error
    for space in np.unique(spaces):
        inside = np.flatnonzero(spaces == space)
        if inside.size > 1:
            block = np.ix_(inside, inside)
            share = np.maximum(eigh(noise[block], xx[block], eigvals_only=True), 0.0)
            level = OPTIONS.level * inside.size / m
            quantile = OPTIONS.scale * gammaincinv(OPTIONS.shape, 1.0 - 0.5 * level) - OPTIONS.shift
            largest = edge(share, n) * (1.0 + quantile / (2.0 * inside.size ** (2.0 / 3.0)))
            floor[inside] = np.maximum(floor[inside], largest * np.diag(xx)[inside])
    return floor


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
    for _ in range(OPTIONS.halvings):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if _solvable(share, middle) else (middle, high)
    return float(high * np.sqrt(top * noise.size / n))


def _solvable(share: Array, z: float) -> bool:
    """Whether the equations have a solution, which Newton's iteration from 0 approaches from below.

    The unknowns, ``means``, are those of ``x`` and of ``share * x``, in units in which noise is at
    most 1.
    """
    powers, means = np.array([np.ones_like(share), share]), np.zeros(2)
    for _ in range(OPTIONS.newton_steps):
        left = z - 0.25 * (means[0] * share + means[1])
        if left.min() <= 0.0:
            return False
        x = powers / left
        squares = 0.25 / share.size * (x @ x.T)
        middle = 1.0 - squares[0, 1]
        determinant = middle**2 - squares[0, 0] * squares[1, 1]
        if middle <= 0.0 or determinant <= 0.0:
            return False
        adjugate = np.array([[middle, squares[0, 0]], [squares[1, 1], middle]])
        step = adjugate @ (x.mean(axis=1) - means) / determinant
        means += step
        if (step <= OPTIONS.newton_tolerance * means).all():
            break
    return True

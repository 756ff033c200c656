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

WHITENED = (1.0,)  # powers of sigma_xx by which the noise floor scales sigma_yx
COMPROMISES = (0.0, 0.5, 1.0)  # sharp for the largest variances, those between, and the smallest
TINY = 1e-12  # of the largest variance: least one that is divided by


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
    by_yx = whole.by_yx
    xx = np.outer(s, s) / n
    both = 0.5 * (np.outer(lam, s) + np.outer(s, lam)) / n
    yx = 0.25 * (np.outer(s, of_y) + np.outer(of_y, s) + 2.0 * np.outer(lam, lam)) / n
    turn_xx = np.where(by_yx, 0.0, _over(s, xx))
    turn_yx = np.where(by_yx, _over(lam, yx), 0.0)
    of_lam = (2.0 * both - xx * turn_xx * _apart(lam)) * turn_xx + yx * turn_yx
    of_variance = xx * turn_xx + (2.0 * both - yx * turn_yx * _apart(s)) * turn_yx
    return np.array([of_lam.sum(axis=1) - lam / n, of_variance.sum(axis=1) - s / n])


def _apart(values: Array) -> Array:
    return values[:, None] - values


def _over(values: Array, noise: Array) -> Array:
    """``1 / (values_i - values_j)``, damped by the variance of what turns one to the other."""
    gap = _apart(values)
    damped = gap**2 + 2.0 * np.abs(noise)
    return np.divide(gap, damped, out=np.zeros_like(gap), where=damped > 0.0)


def noise_floor(
    lam_error: Array,
    xx: Array,
    noise: Array,
    spaces: NDArray[np.intp],
    n: float,
    powers: tuple[float, ...] = WHITENED,
) -> Array:
    """Size of ``lam`` that unrelated context and target reach by chance, shape (modes,).

    For a mode whose direction ``sigma_xx`` determines it is a multiple of the standard error, by a
    Bonferroni correction over the modes. Modes whose directions ``sigma_yx`` determines inside a
    space are extreme even for pure noise; for these it is a bound by the largest eigenvalue of such
    noise. ``|lam_i|`` is at most the largest eigenvalue of ``A^-1/2 sym(sigma_yx) A^-1/2`` times
    ``(A)_ii``, for any positive ``A``; here ``A`` is ``xx`` to some power. The least bound counts,
    by a Bonferroni correction over the powers.

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
    powers : tuple of float
        Powers of ``xx``. With 1 the bound is sharp for generalised modes and for equal variances.
    """
    from scipy.special import gammaincinv, ndtri

    m = lam_error.size
    floor: Array = -ndtri(0.5 * OPTIONS.level / m) * lam_error
    for space in np.unique(spaces):
        inside = np.flatnonzero(spaces == space)
        if inside.size > 1:
            block = np.ix_(inside, inside)
            level = OPTIONS.level * inside.size / m / len(powers)
            quantile = OPTIONS.scale * gammaincinv(OPTIONS.shape, 1.0 - 0.5 * level) - OPTIONS.shift
            bounds = []
            for power in powers:
                of_x, of_noise, sizes = _scaled(xx[block], noise[block], power)
                size = _effective_size(of_x, of_noise)
                largest = edge(of_noise, n, of_x) * (1.0 + quantile / (2.0 * size ** (2.0 / 3.0)))
                bounds.append(largest * sizes)
            floor[inside] = np.maximum(floor[inside], np.min(bounds, axis=0))
    return floor


def _scaled(xx: Array, noise: Array, power: float) -> tuple[Array, Array, Array]:
    """Covariances of context and noise after division by ``A = xx**power``, and ``A``'s diagonal.

    In a basis in which the context's is diagonal, and the noise's too if possible; as in `edge`.
    """
    from scipy.linalg import eigh

    if power == 1.0:
        whitened = np.maximum(eigh(noise, xx, eigvals_only=True), 0.0)
        return np.ones_like(whitened), whitened, np.diag(xx)
    variance, vectors = np.linalg.eigh(xx)
    variance = np.maximum(variance, TINY * variance[-1])
    scale = variance**power
    of_noise = vectors.T @ noise @ vectors / np.sqrt(np.outer(scale, scale))
    return variance / scale, of_noise, vectors**2 @ scale


def _effective_size(of_x: Array, noise: Array) -> float:
    """Number of rows that share the variance of the noise matrix; all if they share it equally."""
    of_noise = np.maximum(np.diag(noise) if noise.ndim == 2 else noise, 0.0)
    tops = float(of_x.max()), float(of_noise.max())
    if min(tops) <= 0.0:
        return float(of_x.size)
    x, y = of_x / tops[0], of_noise / tops[1]
    rows = x * y.mean() + y * x.mean()
    return float(rows.sum() ** 2 / (rows @ rows))


def edge(noise: Array, n: float, of_x: Array | None = None) -> float:
    """The edge of the spectrum of ``sym(y x^T)`` over ``n`` pairs, ``y`` unrelated to ``x``.

    Parameters
    ----------
    noise : array, shape (d,) or (d, d)
        Eigenvalues of the covariance of ``y``, or the matrix, in an eigenbasis of that of ``x``.
    n : float
    of_x : array, shape (d,)
        Eigenvalues of the covariance of ``x``; 1 by default.

    Notes
    -----
    If both covariances are diagonal, entries are independent, of variance
    ``(noise_i of_x_j + noise_j of_x_i) / 4 n``. The edge is the least ``z`` for which ``1 / x_i = z
    - sum_j var_ij x_j`` has a positive solution (F. Lehner, Amer. J. Math. 121 (1999) 1197; equal
    noise gives Wigner's ``sqrt(2 d noise / n)``). Otherwise the largest eigenvalue of ``X^-1 +
    E[M X M]`` is an upper bound for every positive ``X`` (the same source); here ``X`` is the
    solution without the elements off the diagonal.
    """
    of_noise = np.maximum(np.diag(noise) if noise.ndim == 2 else noise, 0.0)
    widths = np.ones_like(of_noise) if of_x is None else of_x
    sizes = float(widths.max()), float(of_noise.max())
    if min(sizes) <= 0.0:
        return 0.0
    shares = np.array([widths / sizes[0], of_noise / sizes[1]])
    low, high = np.sqrt(0.5 * np.prod(shares.mean(axis=1))), np.sqrt(2.0)
    for _ in range(OPTIONS.halvings):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _solution(shares, middle) is None else (low, middle)
    found = _solution(shares, high)
    if noise.ndim == 2 and found is not None:
        beside = noise / sizes[1] - np.diag(shares[1])
        bound = np.diag(np.full(len(noise), high)) + 0.25 * np.mean(shares[0] * found) * beside
        high = np.linalg.eigvalsh(bound)[-1]
    return float(high * np.sqrt(sizes[0] * sizes[1] * of_noise.size / n))


def _solution(shares: Array, z: float) -> Array | None:
    """The solution ``x``, if any, which Newton's iteration from 0 approaches from below.

    The unknowns, ``means``, are those of ``shares * x``, for the variances of context and noise, in
    units in which both are at most 1.
    """
    means = np.zeros(2)
    for _ in range(OPTIONS.newton_steps):
        left = z - 0.25 * (means[::-1] @ shares)
        if left.min() <= 0.0:
            return None
        x = shares / left
        squares = 0.25 / left.size * (x @ x.T)
        middle = 1.0 - squares[0, 1]
        determinant = middle**2 - squares[0, 0] * squares[1, 1]
        if middle <= 0.0 or determinant <= 0.0:
            return None
        adjugate = np.array([[middle, squares[0, 0]], [squares[1, 1], middle]])
        step = adjugate @ (x.mean(axis=1) - means) / determinant
        means += step
        if (step <= OPTIONS.newton_tolerance * means).all():
            break
    return 1.0 / left

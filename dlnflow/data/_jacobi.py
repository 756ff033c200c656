"""The orthonormal basis in which several symmetric matrices are diagonal, as nearly as possible."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

TURN = 1e-8  # in radians: no pair of the last sweep was turned by more
SWEEPS = 2000


def jointly_diagonal(matrices: Array, start: Array) -> Array:
    """Orthonormal columns that make the off-diagonal squares of all matrices together least.

    Parameters
    ----------
    matrices : array, shape (k, d, d)
        Symmetric.
    start : array, shape (d, d)
        Orthonormal columns to begin with. Where the matrices do not commute there may be several
        minima; it is the one reached from here.

    Returns
    -------
    array, shape (d, d)

    Notes
    -----
    Jacobi angles of J.-F. Cardoso and A. Souloumiac, SIAM J. Matrix Anal. Appl. 17 (1996) 161. A
    sweep takes the pairs in the rounds of a tournament, ``d // 2`` disjoint pairs at once.
    """
    basis = start.copy()
    turned = basis.T @ matrices @ basis
    for _ in range(SWEEPS):
        largest = max((_turn(turned, basis, *pairs) for pairs in _rounds(len(basis))), default=0.0)
        if largest <= TURN:
            return basis
    warnings.warn(
        f"basis='joint' has not settled after {SWEEPS} sweeps (last turn {largest:.1g} radians): "
        "some modes can hardly be told apart",
        UserWarning,
        stacklevel=2,
    )
    return basis


def _rounds(d: int) -> Iterator[tuple[Indices, Indices]]:
    """Every pair once, in rounds of disjoint pairs (the circle method)."""
    ring = np.arange(d + d % 2)
    for _ in range(len(ring) - 1):
        left, right = ring[: len(ring) // 2], ring[len(ring) // 2 :][::-1]
        real = (left < d) & (right < d)
        yield left[real], right[real]
        ring = np.concatenate([ring[:1], np.roll(ring[1:], 1)])


def _turn(turned: Array, basis: Array, p: Indices, q: Indices) -> float:
    """Turn the pairs ``(p, q)``, in place, each by its best angle; the largest of them."""
    apart = turned[:, p, p] - turned[:, q, q]
    beside = 2.0 * turned[:, p, q]
    along = np.sum(apart**2 - beside**2, axis=0)
    across = 2.0 * np.sum(apart * beside, axis=0)
    angle = 0.25 * np.arctan2(across, along)
    c, s = np.cos(angle), np.sin(angle)
    for matrix in (turned, basis):
        first, second = matrix[..., p], matrix[..., q]
        matrix[..., p], matrix[..., q] = c * first + s * second, c * second - s * first
    first, second = turned[:, p], turned[:, q]
    turned[:, p] = c[:, None] * first + s[:, None] * second
    turned[:, q] = c[:, None] * second - s[:, None] * first
    return float(np.abs(s).max(initial=0.0))

"""Approximate joint diagonalisation of symmetric matrices by Jacobi rotations."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

CONVERGED = 1e-8  # radians: largest rotation in the last sweep
SWEEPS = 2000


def jointly_diagonal(matrices: Array, start: Array) -> Array:
    """Orthonormal columns that minimise the summed squares off the diagonal of all matrices.

    Parameters
    ----------
    matrices : array, shape (k, d, d)
        Symmetric.
    start : array, shape (d, d)
        Initial orthonormal columns. They select the minimum if matrices that do not commute have
        several.

    Returns
    -------
    array, shape (d, d)

    Notes
    -----
    Jacobi angles of J.-F. Cardoso and A. Souloumiac, SIAM J. Matrix Anal. Appl. 17 (1996) 161. A
    sweep rotates ``d // 2`` disjoint pairs at once, in the rounds of a round-robin tournament.
    """
    basis = start.copy()
    turned = basis.T @ matrices @ basis
    for _ in range(SWEEPS):
        largest = max(
            (_rotate(turned, basis, *pairs) for pairs in _rounds(len(basis))), default=0.0
        )
        if largest <= CONVERGED:
            return basis
    warnings.warn(
        f"basis='joint' has not converged after {SWEEPS} sweeps (last rotation {largest:.1g} "
        "radians): some modes are hardly distinguishable",
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


def _rotate(turned: Array, basis: Array, p: Indices, q: Indices) -> float:
    """Rotate the pairs ``(p, q)`` in place by their optimal angles; return the largest sine."""
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

"""A basis in which two covariances are diagonal, exactly or approximately, and diagnostics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlnflow.data._covariance import commutator, generalised_modes, refuse_negative
from dlnflow.data._jacobi import jointly_diagonal

Array = NDArray[np.float64]
Spaces = NDArray[np.intp]

BASES = ("variance", "generalised", "joint")

ZERO_VARIANCE = 1e-10  # of the largest variance; rounding errors are below 1e-14
DEGENERATE = 1e-4  # relative difference of variances that count as equal
SAMPLED, LARGEST_TOLERANCE = 4.0, 0.3  # sampled variances of white noise scatter over 4 sqrt(d / n)


@dataclass(frozen=True, eq=False)
class InBasis:
    """All modes of the data, sorted, with both covariances in their coordinates.

    ``sigma_yx`` determines the directions of modes with the same number in ``spaces`` inside their
    common space.
    """

    basis: Array
    filters: Array
    xx: Array
    yx: Array
    spaces: Spaces


def joint_modes(
    xx: Array, yx: Array, basis: str, *, rounding: float, tolerance: float, floor: float = 0.0
) -> dict[str, Any]:
    """The fields of a `Spectrum`, from validated covariances.

    Variances within a relative ``tolerance`` of each other count as equal; ``yx`` then determines
    the basis of their space. ``floor``, the part of each variance that shrinkage added, is
    subtracted first. Both matrices are scaled to unit size, so that no square overflows.
    """
    size_xx, size_yx = np.abs(xx).max(), np.abs(yx).max() or 1.0
    xx, yx, floor = xx / size_xx, yx / size_yx, floor / size_xx
    variance, eigenvectors = _falling(xx, size_xx)
    own = variance - floor
    kept = int(np.sum(own > max(ZERO_VARIANCE, rounding) * own[0]))
    space, null = eigenvectors[:, :kept], eigenvectors[:, kept:]
    columns, filters, spaces = _columns(
        basis, space, variance[:kept], own[:kept], xx, yx, tolerance
    )
    whole = np.hstack([filters, null])
    in_basis = whole.T @ yx @ whole
    lengths = np.linalg.norm(whole, axis=0)
    small = np.abs(in_basis) <= rounding * np.linalg.norm(yx) * np.outer(lengths, lengths)
    lam = np.where(np.diag(small), 0.0, np.diag(in_basis))[:kept]
    order = np.argsort(-lam, kind="stable")
    columns, filters = columns[:, order], filters[:, order]
    signs = np.sign(columns[np.abs(columns).argmax(axis=0), np.arange(kept)])
    columns, filters = columns * signs, filters * signs
    inside = np.ix_(order, order)
    xx_inside = filters.T @ xx @ filters
    yx_inside = np.where(small, 0.0, in_basis)[:kept, :kept][inside] * np.outer(signs, signs)
    return {
        "lam": lam[order] * size_yx,
        "variance": np.diag(xx_inside) * size_xx,
        "basis": columns,
        "filters": filters,
        "coupling": _coupling(yx_inside, np.diag(xx_inside)),
        "dropped": len(xx) - kept,
        **_diagnostics(xx, yx, in_basis, xx_inside, columns),
        "_whole": InBasis(
            columns, filters, xx_inside * size_xx, yx_inside * size_yx, spaces[order]
        ),
    }


def equality_tolerance(n: int, d: int) -> float:
    """The relative width over which ``n`` samples scatter equal variances (Marchenko-Pastur)."""
    return min(LARGEST_TOLERANCE, max(DEGENERATE, SAMPLED * (d / n) ** 0.5))


def _falling(xx: Array, size: float) -> tuple[Array, Array]:
    variance, eigenvectors = np.linalg.eigh(xx)
    refuse_negative("sigma_xx", variance, size)
    return variance[::-1], eigenvectors[:, ::-1]


def _columns(
    basis: str, space: Array, variance: Array, own: Array, xx: Array, yx: Array, tolerance: float
) -> tuple[Array, Array, Spaces]:
    """The basis, its duals and the spaces, from the eigenvectors of ``xx``, largest first."""
    symmetric = 0.5 * (yx + yx.T)
    together = np.zeros(variance.size, dtype=np.intp)
    if basis == "generalised":
        _, patterns, duals = generalised_modes(space, variance, yx)
        return patterns, duals, together
    resolved, spaces = _resolved(own, space, symmetric, tolerance)
    if basis == "variance":
        return resolved, resolved, spaces
    both = [space.T @ matrix @ space for matrix in (xx, symmetric)]
    sized = np.array([matrix / (np.linalg.norm(matrix) or 1.0) for matrix in both])
    turned = space @ jointly_diagonal(sized, space.T @ resolved)
    return turned, turned, together


def _resolved(
    variance: Array, basis: Array, symmetric: Array, tolerance: float
) -> tuple[Array, Spaces]:
    """The basis, rotated in every degenerate eigenspace so that ``sigma_yx`` is diagonal there."""
    turned, spaces = basis.copy(), np.empty(variance.size, dtype=np.intp)
    for number, space in enumerate(_spaces_of_equal_variance(variance, tolerance)):
        spaces[space] = number
        if space.stop - space.start > 1:
            inside = basis[:, space]
            _, rotation = np.linalg.eigh(inside.T @ symmetric @ inside)
            turned[:, space] = inside @ rotation
    return turned, spaces


def _spaces_of_equal_variance(variance: Array, tolerance: float) -> Iterator[slice]:
    """Runs of descending variances within a relative ``tolerance`` of the run's first."""
    start = 0
    for end in range(1, variance.size + 1):
        if end == variance.size or variance[end] < (1.0 - tolerance) * variance[start]:
            yield slice(start, end)
            start = end


def _coupling(yx: Array, variance: Array) -> Array:
    squares = yx**2 / np.outer(variance, variance)
    together = squares.sum(axis=0) + squares.sum(axis=1)
    own = 2.0 * np.diag(squares)
    return np.divide(
        np.maximum(together - own, 0.0), together, out=np.zeros_like(own), where=together > 0.0
    )


def _diagnostics(
    xx: Array, yx: Array, yx_inside: Array, xx_inside: Array, columns: Array
) -> dict[str, float]:
    cosines = np.abs(columns.T @ columns - np.eye(columns.shape[1]))
    found = {"off_variance": _off_share(xx_inside), "overlap": float(cosines.max())}
    size = float(np.linalg.norm(yx))
    if size == 0.0:
        return found | {"commutator": 0.0, "off_diagonal": 0.0, "asymmetry": 0.0}
    return found | {
        "commutator": commutator(xx, yx),
        "off_diagonal": _off_share(yx_inside),
        "asymmetry": float(np.linalg.norm(yx - yx.T) / (2.0 * size)),
    }


def _off_share(matrix: Array) -> float:
    """Share of the squared Frobenius norm that is off the diagonal."""
    outside = matrix - np.diag(np.diag(matrix))
    return float(np.linalg.norm(outside) / np.linalg.norm(matrix)) ** 2

"""One basis for two covariances, as nearly as there is one: the numerics of `Spectrum`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ZERO_VARIANCE = 1e-10  # of the largest; rounding leaves less than 1e-14
DEGENERATE = 1e-4  # relative; so much of a variance is neglected where sigma_yx picks the basis
SAMPLED, MOST_ALIKE = 4.0, 0.3  # white noise spreads sampled variances over 4 sqrt(d / n)
NEGATIVE = 1e-6  # of the largest variance; rounding of single precision passes


def joint_modes(xx: Array, yx: Array, *, rounding: float, alike: float) -> dict[str, Any]:
    """The fields of a `Spectrum`, from covariances that have passed the door.

    Variances within a relative ``alike`` of each other count as one, whose space ``yx`` divides.
    Both are brought to unit size first, so that no square overflows.
    """
    size_xx, size_yx = np.abs(xx).max(), np.abs(yx).max() or 1.0
    xx, yx = xx / size_xx, yx / size_yx
    variance, basis = np.linalg.eigh(xx)
    if variance[0] < -NEGATIVE * variance[-1]:
        raise ValueError(
            "sigma_xx must be positive semi-definite, as covariances are: "
            f"got an eigenvalue {variance[0] * size_xx:.3g}"
        )
    variance, basis = variance[::-1], basis[:, ::-1]
    kept = int(np.sum(variance > max(ZERO_VARIANCE, rounding) * variance[0]))
    basis = _resolved(variance[:kept], basis, yx, alike)
    in_basis = basis.T @ yx @ basis
    lam = np.diag(in_basis)[:kept].copy()
    small = np.abs(in_basis) <= rounding * np.linalg.norm(yx)
    lam[np.diag(small)[:kept]] = 0.0
    variance = np.einsum("ij,ij->j", basis[:, :kept], xx @ basis[:, :kept])
    order = np.argsort(-lam, kind="stable")
    chosen = basis[:, :kept][:, order]
    signs = np.sign(chosen[np.abs(chosen).argmax(axis=0), np.arange(kept)])
    return {
        "lam": lam[order] * size_yx,
        "variance": variance[order] * size_xx,
        "basis": chosen * signs,
        "coupling": _coupling(np.where(small, 0.0, in_basis)[:kept, :kept], variance)[order],
        "dropped": len(xx) - kept,
        **_diagnostics(xx, yx, in_basis),
    }


def alike_in_samples(n: int, d: int) -> float:
    """The relative width over which equal variances spread in ``n`` samples (Marchenko-Pastur)."""
    return min(MOST_ALIKE, max(DEGENERATE, SAMPLED * (d / n) ** 0.5))


def _resolved(variance: Array, basis: Array, yx: Array, alike: float) -> Array:
    """The basis turned in every degenerate eigenspace so that ``sigma_yx`` is diagonal there."""
    turned = basis.copy()
    symmetric = 0.5 * (yx + yx.T)
    for space in _degenerate_spaces(variance, alike):
        inside = basis[:, space]
        _, rotation = np.linalg.eigh(inside.T @ symmetric @ inside)
        turned[:, space] = inside @ rotation
    return turned


def _degenerate_spaces(variance: Array, alike: float) -> Iterator[slice]:
    """Runs of two or more falling variances within a relative ``alike`` of the run's first."""
    start = 0
    for end in range(1, variance.size + 1):
        if end == variance.size or variance[end] < (1.0 - alike) * variance[start]:
            if end - start > 1:
                yield slice(start, end)
            start = end


def _coupling(yx: Array, variance: Array) -> Array:
    squares = yx**2 / np.outer(variance, variance)
    together = squares.sum(axis=0) + squares.sum(axis=1)
    own = 2.0 * np.diag(squares)
    return np.divide(
        np.maximum(together - own, 0.0), together, out=np.zeros_like(own), where=together > 0.0
    )


def _diagnostics(xx: Array, yx: Array, in_basis: Array) -> dict[str, float]:
    size = float(np.linalg.norm(yx))
    if size == 0.0:
        return {"commutator": 0.0, "off_diagonal": 0.0, "asymmetry": 0.0}
    outside = in_basis - np.diag(np.diag(in_basis))
    return {
        "commutator": float(np.linalg.norm(xx @ yx - yx @ xx) / (np.linalg.norm(xx) * size)),
        "off_diagonal": float(np.linalg.norm(outside) / size) ** 2,
        "asymmetry": float(np.linalg.norm(yx - yx.T) / (2.0 * size)),
    }

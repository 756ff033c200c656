"""Covariances and paired samples at the door: what every reader of data accepts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow import _validate

Array = NDArray[np.float64]

SYMMETRIC = 1e-6  # of the largest entry; single precision passes, another matrix does not


def square(name: str, value: ArrayLike) -> Array:
    """A finite square matrix."""
    matrix = _validate.real(name, value)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(f"{name} must be a square matrix (d x d): got shape {matrix.shape}")
    return matrix


def covariance(xx: Array) -> Array:
    """``sigma_xx``, symmetric to the last bit; refused where it is not, or is zero."""
    apart = np.abs(xx - xx.T)
    i, j = np.unravel_index(int(apart.argmax()), xx.shape)
    if apart[i, j] > SYMMETRIC * np.abs(xx).max():
        raise ValueError(
            f"sigma_xx must be symmetric: got {xx[i, j]:g} at {(int(i), int(j))} and {xx[j, i]:g} "
            f"at {(int(j), int(i))}"
        )
    if not xx.any():
        raise ValueError("sigma_xx must have variance in some direction: got all zeros")
    return 0.5 * (xx + xx.T)


def paired_samples(x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    """Context and target, one pair per row, at least two."""
    context, target = samples_in_rows("x", x), samples_in_rows("y", y)
    if context.shape != target.shape:
        raise ValueError(
            "x and y must have the same shape, one pair per row and the same dimension: "
            f"got {context.shape} and {target.shape}"
        )
    if len(context) < 2:
        raise ValueError(f"x must hold at least 2 samples (rows): got {len(context)}")
    return context, target


def samples_in_rows(name: str, value: ArrayLike) -> Array:
    """Finite samples, shape (n, d)."""
    samples = _validate.numbers(name, value)
    if samples.ndim != 2 or not samples.size:
        raise ValueError(
            f"{name} must hold samples in rows, shape (n, d), none of them 0: "
            f"got shape {samples.shape}"
        )
    bad = np.argwhere(~np.isfinite(samples))
    if len(bad):
        row, column = map(int, bad[0])
        raise ValueError(
            f"{name} must hold finite numbers: got {len(bad)} that are not, the first "
            f"{samples[row, column]:g} at row {row}, column {column}; drop or fill them first"
        )
    return samples


def centred(samples: Array) -> Array:
    """The samples less their mean; columns that do not vary become exactly 0."""
    constant = (samples == samples[0]).all(axis=0)
    return np.where(constant, 0.0, samples - samples.mean(axis=0))

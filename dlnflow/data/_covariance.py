"""Validation of covariance matrices and paired samples, and covariances of samples."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow._common._validate import described

Array = NDArray[np.float64]

SYMMETRIC = 1e-6  # of the largest entry; rounding in single precision is smaller
NEGATIVE = 1e-6  # of the largest variance; rounding errors of single precision are smaller
LEAST = float(np.finfo(np.float64).tiny / np.finfo(np.float64).eps)  # smaller products lose digits


def square(name: str, value: ArrayLike, d: int | None = None) -> Array:
    """A finite square matrix, of shape (d, d) if ``d`` is given."""
    matrix = _validate.real(name, value)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(f"{name} must be a square matrix (d x d): got shape {matrix.shape}")
    if d not in (None, len(matrix)):
        raise ValueError(f"{name} must have shape {(d, d)}: got {matrix.shape}")
    return matrix


def covariance(xx: Array) -> Array:
    """``sigma_xx``, symmetrised; refused if it is not symmetric or is zero."""
    if not xx.any():
        raise ValueError("sigma_xx must have variance in some direction: got all zeros")
    return symmetric("sigma_xx", xx)


def symmetric(name: str, xx: Array) -> Array:
    """A matrix that is symmetric up to rounding errors, symmetrised."""
    apart = np.abs(xx - xx.T)
    i, j = np.unravel_index(int(apart.argmax()), xx.shape)
    if apart[i, j] > SYMMETRIC * np.abs(xx).max():
        raise ValueError(
            f"{name} must be symmetric: got {xx[i, j]:g} at {(int(i), int(j))} and {xx[j, i]:g} "
            f"at {(int(j), int(i))}"
        )
    return 0.5 * (xx + xx.T)


def refuse_negative(name: str, eigenvalues: NDArray[Any], unit: float = 1.0) -> None:
    """Refuse a matrix whose ascending eigenvalues, in multiples of ``unit``, are negative."""
    if eigenvalues[0] < -NEGATIVE * max(eigenvalues[-1], 0.0):
        raise ValueError(
            f"{name} must be positive semi-definite, as covariances are: "
            f"got an eigenvalue {eigenvalues[0] * unit:.3g}"
        )


def commutator(xx: Array, yx: Array) -> float:
    """``|xx yx - yx xx| / (|xx| |yx|)`` in Frobenius norms; 0 if ``yx`` is 0."""
    size = float(np.linalg.norm(xx) * np.linalg.norm(yx))
    return float(np.linalg.norm(xx @ yx - yx @ xx)) / size if size else 0.0


def generalised_modes(
    eigenvectors: Array, variances: Array, yx: Array
) -> tuple[Array, Array, Array]:
    """Solve ``sym(yx) v = rho xx v``, given the eigenvectors of ``xx`` and their variances.

    Returns ``rho``, falling, the patterns ``xx v`` at unit length, as columns, and their duals.
    """
    root = np.sqrt(variances)
    whitened = (eigenvectors / root).T @ (0.5 * (yx + yx.T)) @ (eigenvectors / root)
    rho, vectors = np.linalg.eigh(whitened)
    vectors = vectors[:, ::-1]
    patterns = (eigenvectors * root) @ vectors
    lengths = np.linalg.norm(patterns, axis=0)
    return rho[::-1], patterns / lengths, (eigenvectors / root) @ vectors * lengths


def paired_samples(x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    """Context and target, one pair per row, at least two."""
    context, target = samples_in_rows("x", x), samples_in_rows("y", y)
    refuse_other_shape(context, target)
    if len(context) < 2:
        raise ValueError(f"x must hold at least 2 samples (rows): got {len(context)}")
    return context, target


def refuse_other_shape(context: NDArray[Any], target: NDArray[Any]) -> None:
    """Refuse contexts and targets that are not pairs."""
    if context.shape != target.shape:
        turned = context.shape == target.shape[::-1]
        raise ValueError(
            "x and y must have the same shape, one pair per row and the same dimension: "
            f"got {context.shape} and {target.shape}{'; pass x.T or y.T' if turned else ''}"
        )


def samples_in_rows(name: str, value: ArrayLike) -> Array:
    """Finite samples, shape (n, d)."""
    samples = _validate.numbers(name, value)
    if samples.ndim != 2 or not samples.size:
        raise ValueError(
            f"{name} must hold samples in rows, shape (n, d), none of them 0: "
            f"got shape {samples.shape}{rows_hint(samples.shape)}"
        )
    bad = np.argwhere(~np.isfinite(samples))
    if len(bad):
        row, column = map(int, bad[0])
        raise ValueError(
            f"{name} must hold finite numbers: got {len(bad)} that are not, the first "
            f"{samples[row, column]:g} at row {row}, column {column}; drop or fill them first"
        )
    return samples


def rows_hint(shape: tuple[int, ...]) -> str:
    """How to make rows of samples that are arrays themselves; empty for other shapes."""
    return "; flatten=True makes a row of each sample" if len(shape) > 2 and 0 not in shape else ""


def flattened(name: str, value: ArrayLike) -> NDArray[Any]:
    """Samples of any shape, such as images (n, h, w), as rows."""
    samples = value if isinstance(value, np.ndarray) else _validate.numbers(name, value)
    if samples.ndim < 2:
        raise ValueError(
            f"{name} must hold samples along its first axis, shape (n, ...): "
            f"got shape {samples.shape}"
        )
    return samples.reshape(len(samples), math.prod(samples.shape[1:]))


def centred(samples: Array) -> Array:
    """The samples less their mean; constant columns become exactly 0.

    The mean of numbers far from 0 has a rounding error, so a second mean is subtracted.
    """
    constant = (samples == samples[0]).all(axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        near = np.where(constant, 0.0, samples - samples.mean(axis=0))
        return near - near.mean(axis=0)


def products(x: Array, y: Array) -> tuple[Array, Array]:
    """``sigma_xx`` and ``sigma_yx`` of centred samples, divided by ``n``."""
    with np.errstate(over="ignore", invalid="ignore"):
        xx, yx = x.T @ x / len(x), y.T @ x / len(x)
    if not (np.isfinite(xx).all() and np.isfinite(yx).all()):
        raise overflow(x, y)
    size = np.abs(x).max()
    refuse_underflow("x", float(size * size))
    if y.any():
        refuse_underflow("y", float(size * np.abs(y).max()))
    return xx, yx


def overflow(x: NDArray[Any], y: NDArray[Any]) -> ValueError:
    """The error for samples whose covariances overflow."""
    top = np.finfo(np.float64).max
    largest = max(float(np.abs(np.nan_to_num(rows, nan=top)).max()) for rows in (x, y))
    return ValueError(f"x and y must hold numbers whose squares do not overflow: got {largest:g}")


def refuse_underflow(name: str, largest: float) -> None:
    """Refuse samples whose largest square, or product with the context, underflows."""
    if largest < LEAST:
        what = "squares" if name == "x" else "products with x"
        raise ValueError(
            f"{name} must vary by numbers whose {what} do not underflow: got {what} of at most "
            f"{largest:.2g}; divide by their size"
        )


def in_pairs(batches: Any) -> Iterator[tuple[ArrayLike, ArrayLike]]:
    """The batches of an iterable, each a pair (x, y)."""
    expected = "batches must be an iterable of pairs (x, y), as [(x, y)] if there is one"
    try:
        every = iter(batches)
    except TypeError:
        raise TypeError(f"{expected}: got {described(batches)}") from None
    for batch in every:
        if getattr(batch, "ndim", 3) < 3:  # x itself, where (x, y) was given; it may have two rows
            raise ValueError(f"{expected}: got {described(batch)} in it")
        try:
            x, y = batch
        except (TypeError, ValueError):
            raise ValueError(f"{expected}: got {described(batch)} in it") from None
        yield x, y

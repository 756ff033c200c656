"""Validation of covariance matrices and paired samples, and covariances of samples."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow._common._validate import described
from dlnflow.data._labels import (
    Names,
    aligned,
    aligned_square,
    columns,
    feature_order,
    row_order,
    taken,
)

Array = NDArray[np.float64]

SYMMETRIC = 1e-6  # of the largest entry; rounding in single precision is smaller
NEGATIVE = 1e-6  # of the largest variance; rounding errors of single precision are smaller
MISSING = ("refuse", "drop")  # what is done with pairs that have missing values
ONE_ENCODER = (
    "; a JEPA encodes both with one encoder, and only Spectrum.from_samples and from_covariances "
    "answer for an MAE whose target has another dimension"
)
LEAST = float(np.finfo(np.float64).tiny / np.finfo(np.float64).eps)  # smaller products lose digits


def square(name: str, value: ArrayLike, d: int | None = None) -> Array:
    """A finite square matrix, of shape (d, d) if ``d`` is given."""
    matrix = _validate.real(name, value)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(f"{name} must be a square matrix (d x d): got shape {matrix.shape}")
    if d not in (None, len(matrix)):
        raise ValueError(f"{name} must have shape {(d, d)}: got {matrix.shape}")
    return matrix


def given_pair(
    sigma_xx: ArrayLike,
    sigma_yx: ArrayLike,
    names: Names | None = None,
    *,
    other_target: bool = False,
) -> tuple[Array, Array, Names | None]:
    """``sigma_xx``, symmetrised, and ``sigma_yx``, in one order of the features; their names.

    With ``other_target`` the target may have another dimension; its features keep their order.
    """
    xx, names = aligned_square("sigma_xx", sigma_xx, square("sigma_xx", sigma_xx), names)
    yx = _validate.real("sigma_yx", sigma_yx)
    if other_target and yx.ndim == 2 and yx.size and len(yx) != len(xx) == yx.shape[1]:
        places = feature_order(names, columns(sigma_yx), "columns of sigma_yx", "sigma_xx")
        return covariance(xx), taken(yx, places, 1), names
    yx, names = aligned_square("sigma_yx", sigma_yx, square("sigma_yx", yx), names)
    if xx.shape != yx.shape:
        raise ValueError(
            "sigma_xx and sigma_yx must have the same shape, context and target the same "
            f"dimension: got {xx.shape} and {yx.shape}{ONE_ENCODER}"
        )
    return covariance(xx), yx, names


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


@dataclass(frozen=True, eq=False)
class Samples:
    """Validated pairs: rows of both views, weights of mean 1 or None, and how many were dropped.

    What is dropped has weight 0.
    """

    x: Array
    y: Array
    weights: Array | None = None
    names: Names | None = None
    missing: int = 0

    @property
    def effective(self) -> int:
        """Effective number of samples, ``sum(w)**2 / sum(w**2)``; the number without weights."""
        count = len(self.x)
        return count if self.weights is None else round(count / float(np.mean(self.weights**2)))


def paired_samples(x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    """Context and target, one pair per row, at least two."""
    found = given_samples(x, y)
    return found.x, found.y


def given_samples(
    x: ArrayLike,
    y: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    weights: ArrayLike | None = None,
    missing: str = "refuse",
    flatten: bool = False,
    other_target: bool = False,
) -> Samples:
    """Validates pairs, at least two; tables are aligned by their labels.

    With ``other_target`` the target may have another dimension.
    """
    drop = _validate.choice("missing", missing, MISSING) == "drop"
    if flatten:
        x, y = as_rows("x", x), as_rows("y", y)
    arrays = samples_in_rows("x", x, missing=drop), samples_in_rows("y", y, missing=drop)
    context, target, known = aligned(x, y, arrays, names)
    if not (other_target and len(context) == len(target)):
        refuse_other_shape(context, target)
    known = given_names(known if names is None else names, context.shape[1])
    heavy = np.ones(len(context)) if weights is None else given_weights(weights, x, len(context))
    absent = missing_rows(context, target)
    heavy, lost = np.where(absent, 0.0, heavy), int(np.sum(absent))
    count = np.count_nonzero(heavy)
    if count < 2:
        left = " left" if count < len(context) else ""
        raise ValueError(f"x must hold at least 2 samples (rows): got {count}{left}")
    if weights is None and not lost:
        return Samples(context, target, None, known)
    context, target = filled(context, target, heavy)
    heavy = heavy / heavy.max()  # whose mean does not overflow
    return Samples(context, target, heavy / heavy.mean(), known, lost)


def missing_rows(context: NDArray[Any], target: NDArray[Any]) -> NDArray[np.bool_]:
    """Pairs with NaN in either view."""
    absent: NDArray[np.bool_] = np.isnan(context).any(axis=1) | np.isnan(target).any(axis=1)
    return absent


def filled(context: Array, target: Array, weights: Array) -> tuple[Array, Array]:
    """The pairs, those of weight 0 replaced by one that counts.

    So rows keep their places, and with them the blocks of the errors.
    """
    if weights.all():
        return context, target
    first = int(np.argmax(weights > 0.0))
    counts = weights[:, None] > 0.0
    return np.where(counts, context, context[first]), np.where(counts, target, target[first])


def given_weights(weights: ArrayLike, x: ArrayLike, n: int) -> Array:
    """One weight per row, in the order of ``x``; not negative, and not all zero."""
    array = _validate.not_negative("weights", weights)
    if array.shape != (n,):
        raise ValueError(f"weights must have shape ({n},), one per row of x: got {array.shape}")
    if not array.any():
        raise ValueError("weights must not all be 0: got 0 for every row")
    return taken(array, row_order(x, weights, "weights", "x"), 0)


def given_names(names: Sequence[str] | None, d: int) -> Names | None:
    """One name per feature, or None."""
    if names is None:
        return None
    found = (names,) if isinstance(names, str | bytes) else tuple(map(str, names))
    if isinstance(names, str | bytes) or len(found) != d:
        raise ValueError(f"names must be {d} names, one per feature: got {described(found)}")
    return found


def refuse_other_shape(context: NDArray[Any], target: NDArray[Any]) -> None:
    """Refuse contexts and targets that are not pairs."""
    if context.shape != target.shape:
        turned = context.shape == target.shape[::-1]
        raise ValueError(
            "x and y must have the same shape, one pair per row and the same dimension: "
            f"got {context.shape} and {target.shape}{'; pass x.T or y.T' if turned else ''}"
            + ONE_ENCODER
            * (context.shape[0] == target.shape[0])
        )


def samples_in_rows(name: str, value: ArrayLike, *, missing: bool = False) -> Array:
    """Finite samples, shape (n, d); NaN too if values may be ``missing``."""
    samples = _validate.numbers(name, with_gaps(value) if missing else value)
    if samples.ndim != 2 or not samples.size:
        raise ValueError(
            f"{name} must hold samples in rows, shape (n, d), none of them 0: "
            f"got shape {samples.shape}{rows_hint(samples.shape)}"
        )
    bad = np.argwhere(np.isinf(samples) if missing else ~np.isfinite(samples))
    if len(bad):
        row, column = map(int, bad[0])
        raise ValueError(
            f"{name} must hold finite numbers: got {len(bad)} that are not, the first "
            f"{samples[row, column]:g} at row {row}, column {column}{_called(value, column)}; drop "
            "or fill them first"
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


def as_rows(name: str, value: Any) -> Any:
    """`flattened`, except for a table: it has rows, and keeps its labels."""
    return flattened(name, value) if columns(value) is None else value


def with_gaps(value: Any) -> Any:
    """A table with nullable columns, or a masked array, as numbers with NaN."""
    if isinstance(value, np.ma.MaskedArray):
        return np.ma.filled(value.astype(np.float64), np.nan)
    kinds = () if _validate.is_lazy(value) else getattr(value, "dtypes", ())
    if len(kinds) and all(getattr(kind, "kind", None) in ("i", "u", "f") for kind in kinds):
        return value.to_numpy(dtype=np.float64, na_value=np.nan)
    return value


def _called(value: Any, column: int) -> str:
    """The name of a table's column, in brackets."""
    labels = columns(value)
    return "" if labels is None else f" ({labels[column]})"


def centred(samples: Array, weights: Array | None = None) -> Array:
    """The samples less their (weighted) mean; constant columns become exactly 0.

    The mean of numbers far from 0 has a rounding error, so a second mean is subtracted.
    """
    constant = (samples == samples[0]).all(axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        near = np.where(constant, 0.0, samples - samples.mean(axis=0))
        of = near if weights is None else near * weights[:, None]
        return near - of.mean(axis=0)


def products(x: Array, y: Array, weights: Array | None = None) -> tuple[Array, Array]:
    """``sigma_xx`` and ``sigma_yx`` of centred samples, divided by ``n``; weights have mean 1."""
    with np.errstate(over="ignore", invalid="ignore"):
        of = x if weights is None else x * weights[:, None]
        xx, yx = of.T @ x / len(x), y.T @ of / len(x)
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


def in_pairs(batches: Any) -> Iterator[tuple[ArrayLike, ArrayLike, ArrayLike | None]]:
    """The batches of an iterable, each a pair (x, y) or (x, y, weights); None without weights."""
    expected = "batches must be an iterable of pairs (x, y), as [(x, y)] if there is one"
    try:
        every = iter(batches)
    except TypeError:
        raise TypeError(f"{expected}: got {described(batches)}") from None
    for batch in every:
        if getattr(batch, "ndim", 3) < 3:  # x itself, where (x, y) was given; it may have two rows
            raise ValueError(f"{expected}: got {described(batch)} in it")
        try:
            x, y, *rest = batch
        except (TypeError, ValueError):
            raise ValueError(f"{expected}: got {described(batch)} in it") from None
        if len(rest) > 1:
            raise ValueError(f"{expected}: got {described(batch)} in it")
        yield x, y, rest[0] if rest else None

"""Means and centred products of paired rows in one pass, exact for any mean and any drift.

A block of rows is centred by a mean that is already known. A first block with small means is not
centred, which costs at most two digits. Blocks are combined by the formula of Chan, Golub and
LeVeque (1983). A mean is stored as an origin near the data and a small offset, so that its rounding
error is relative to the spread of the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Limits(NamedTuple):
    """Sizes of the blocks of rows, and when rows are centred before they are multiplied."""

    in_cache: int = 2**16  # numbers in a block: half a megabyte, which fits a core's cache
    fewest_rows: int = (
        1024  # in a block, so that adding d x d products is cheap beside forming them
    )
    growth: int = 16  # factor by which rounding may grow, to change the provisional mean less often
    small_mean: float = 100.0  # squared mean over variance: below, rows are multiplied uncentred
    sampled: int = 256  # evenly spaced rows from which that ratio is estimated


LIMITS = Limits()


@dataclass(frozen=True, eq=False)
class PairMoments:
    """Number of pairs, means, and sums of centred products, weighted if the pairs are.

    ``weight`` and ``squares`` are sums of the weights and of their squares, ``n`` without weights.
    Arrays have one entry for the contexts and one for the targets: ``origin``, ``offset`` and
    ``constant`` (which features are constant) have shape (2, d). The mean is ``origin + offset``.
    For a constant feature ``origin`` is its value and ``offset`` is 0, both exactly. ``products``
    has shape (2, d, d); its columns are contexts.
    """

    n: int
    origin: Array
    offset: Array
    constant: Flags
    products: Array
    weight: float
    squares: float

    @property
    def mean(self) -> Array:
        """Mean of all rows, shape (2, d)."""
        return self.origin + self.offset

    @property
    def finite(self) -> bool:
        """Whether no product and no mean has overflowed."""
        return bool(np.isfinite(self.products).all() and np.isfinite(self.mean).all())


def joined(one: PairMoments, other: PairMoments) -> PairMoments:
    """Moments of the two sets of pairs together."""
    weight = one.weight + other.weight
    share = other.weight / weight
    apart = (other.origin - one.origin) + (other.offset - one.offset)
    products = apart[:, :, None] * (one.weight * share * apart[0])
    for part in (one, other):
        products += part.products
    constant = one.constant & other.constant & (one.origin == other.origin)
    return PairMoments(
        one.n + other.n,
        one.origin,
        one.offset + share * apart,
        constant,
        products,
        weight,
        one.squares + other.squares,
    )


def moments(x: NDArray[Any], y: NDArray[Any], weights: Array | None = None) -> PairMoments:
    """Moments of at least one pair of rows, shapes (n, d), of any real type.

    Weights have shape (n,) and are positive. Rows are centred by the mean of all rows before them,
    and the first block by its own. Up to ``growth - 1`` times as many rows as came before share a
    mean. Products about it, and their rounding errors, are then at most ``growth`` times those
    about the true mean.
    """
    n, d = x.shape
    rows = min(n, max(LIMITS.fewest_rows, LIMITS.in_cache // d, d))
    if weights is None and _need_no_centring(x) and _need_no_centring(y):
        return _moments(x, y, None, rows)
    near = np.array([member[:rows].mean(axis=0, dtype=np.float64) for member in (x, y)])

    def part(at: slice, near: Array) -> PairMoments:
        return _moments(x[at], y[at], None if weights is None else weights[at], rows, near)

    total = part(slice(rows), near)
    while total.n < n:
        rest = slice(total.n, total.n + max(rows, (LIMITS.growth - 1) * total.n))
        total = joined(total, part(rest, total.mean))
    return total


def _need_no_centring(samples: NDArray[Any]) -> bool:
    """Whether rows can be multiplied uncentred.

    Rounding errors are then at most ``sqrt(small_mean)`` times those of centred rows. The sampled
    rows may overestimate a variance by up to ``n / sampled``; errors then grow by its root.
    """
    adjacent = samples.itemsize in samples.strides  # as the product wants them, in rows or columns
    if samples.dtype != np.float64 or not adjacent:
        return False
    some = samples[:: max(1, len(samples) // LIMITS.sampled)]
    return bool(np.all(some.mean(axis=0) ** 2 <= LIMITS.small_mean * some.var(axis=0)))


def _moments(
    x: NDArray[Any],
    y: NDArray[Any],
    weights: Array | None,
    rows: int,
    near: Array | None = None,
) -> PairMoments:
    """Moments of pairs, in blocks of rows centred by the means ``near``, or not centred."""
    n, d = x.shape
    weight = squares = float(n)
    if weights is not None:
        weight, squares = float(weights.sum()), float(weights @ weights)
    constant = np.array([_constant(member, rows) for member in (x, y)])
    start_at = np.zeros((2, d)) if near is None else near
    origin = np.where(constant, [x[0], y[0]], start_at).astype(np.float64)
    # NumPy subtracts a full block faster than it broadcasts one row
    shifts = np.repeat(origin[:, None], rows, axis=1)
    centred, product, ones = np.empty_like(shifts), np.empty((d, d)), np.ones(rows)
    products, sums = np.empty((2, d, d)), np.zeros((2, d))
    for start in range(0, n, rows):
        contexts = None
        heavy = ones if weights is None else weights[start : start + rows]
        for member, samples in enumerate((x, y)):
            block = samples[start : start + rows]
            m = len(block)
            if near is not None:
                block = np.subtract(block, shifts[member, :m], out=centred[member, :m])
            if contexts is None:
                contexts = block if weights is None else heavy[:, None] * block
            sums[member] += heavy[:m] @ block
            if start:
                products[member] += np.matmul(block.T, contexts, out=product)
            else:
                np.matmul(block.T, contexts, out=products[member])
    offset = sums / weight
    products -= offset[:, :, None] * sums[0]
    return PairMoments(n, origin, offset, constant, products, weight, squares)


def _constant(samples: NDArray[Any], rows: int) -> Flags:
    """Which features equal their first value in every row."""
    first = samples[0]
    constant: Flags = samples[-1] == first
    for start in range(0, len(samples), rows):
        if not constant.any():
            break
        block = samples[start : start + rows]
        constant[constant] = (block[:, constant] == first[constant]).all(axis=0)
    return constant

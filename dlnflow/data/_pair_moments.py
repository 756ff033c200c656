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
class MemberMean:
    """Mean of the contexts or of the targets, and the features that are constant; shapes (d,).

    The mean is ``origin + offset``. For a constant feature ``origin`` is its value and ``offset``
    is 0, both exactly.
    """

    origin: Array
    offset: Array
    constant: Flags

    @property
    def mean(self) -> Array:
        """Mean of all rows."""
        return self.origin + self.offset

    def apart(self, other: MemberMean) -> Array:
        """Difference of the two means, the other's less this one's."""
        return (other.origin - self.origin) + (other.offset - self.offset)

    def joined(self, other: MemberMean, share: float) -> MemberMean:
        """Mean of both sets of rows; ``share`` of the rows are the other's."""
        constant = self.constant & other.constant & (self.origin == other.origin)
        return MemberMean(self.origin, self.offset + share * self.apart(other), constant)


@dataclass(frozen=True, eq=False)
class PairMoments:
    """Number of pairs, means, and sums of centred products (rows of ``yx`` are targets)."""

    n: int
    x: MemberMean
    y: MemberMean
    xx: Array
    yx: Array


def joined(one: PairMoments, other: PairMoments) -> PairMoments:
    """Moments of the two sets of pairs together."""
    n = one.n + other.n
    share = other.n / n
    apart_x, apart_y = one.x.apart(other.x), one.y.apart(other.y)
    weighted = one.n * share * apart_x
    xx, yx = np.outer(apart_x, weighted), np.outer(apart_y, weighted)
    for part in (one, other):
        xx += part.xx
        yx += part.yx
    return PairMoments(n, one.x.joined(other.x, share), one.y.joined(other.y, share), xx, yx)


def moments(x: NDArray[Any], y: NDArray[Any]) -> PairMoments:
    """Moments of at least one pair of rows, shapes (n, d), of any real type.

    Rows are centred by the mean of all rows before them, and the first block by its own. Up to
    ``growth - 1`` times as many rows as came before share a mean. Products about it, and their
    rounding errors, are then at most ``growth`` times those about the true mean.
    """
    n, d = x.shape
    rows = max(LIMITS.fewest_rows, LIMITS.in_cache // d, d)
    scratch = Workspace(min(rows, n), d)
    if _need_no_centring(x) and _need_no_centring(y):
        return scratch.moments(x, y)
    total = None
    start = 0
    while start < n:
        stop = min(n, start + max(rows, (LIMITS.growth - 1) * start))
        near = _first_means(x[:rows], y[:rows]) if total is None else (total.x.mean, total.y.mean)
        part = scratch.moments(x[start:stop], y[start:stop], near)
        total = part if total is None else joined(total, part)
        start = stop
    assert total is not None
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


def _first_means(x: NDArray[Any], y: NDArray[Any]) -> tuple[Array, Array]:
    return x.mean(axis=0, dtype=np.float64), y.mean(axis=0, dtype=np.float64)


class Workspace:
    """Preallocated arrays for a block of centred rows of contexts and targets."""

    def __init__(self, rows: int, d: int) -> None:
        self.rows = rows
        self.centred = np.empty((2, rows, d))
        self.shifts = np.empty((2, rows, d))
        self.product = np.empty((d, d))
        self.ones = np.ones(rows)

    def moments(
        self, x: NDArray[Any], y: NDArray[Any], near: tuple[Array, Array] | None = None
    ) -> PairMoments:
        """Moments of rows, centred by the means ``near`` or, without these, not centred."""
        n, d = x.shape
        near_x, near_y = near or np.zeros((2, d))
        constant_x, constant_y = _constant(x, self.rows), _constant(y, self.rows)
        origin_x = np.where(constant_x, x[0], near_x).astype(np.float64)
        origin_y = np.where(constant_y, y[0], near_y).astype(np.float64)
        # NumPy subtracts a full block faster than it broadcasts one row
        self.shifts[0], self.shifts[1] = origin_x, origin_y
        xx, yx = np.empty((2, d, d))
        sums = np.zeros((2, d))
        for start in range(0, n, self.rows):
            in_x, in_y = x[start : start + self.rows], y[start : start + self.rows]
            m = len(in_x)
            if near is not None:
                in_x = np.subtract(in_x, self.shifts[0, :m], out=self.centred[0, :m])
            sums[0] += self.ones[:m] @ in_x
            self._add(xx, in_x, in_x, first=not start)
            if near is not None:
                in_y = np.subtract(in_y, self.shifts[1, :m], out=self.centred[1, :m])
            sums[1] += self.ones[:m] @ in_y
            self._add(yx, in_y, in_x, first=not start)
        offset_x, offset_y = sums / n
        xx -= np.outer(offset_x, sums[0])
        yx -= np.outer(offset_y, sums[0])
        return PairMoments(
            n,
            MemberMean(origin_x, offset_x, constant_x),
            MemberMean(origin_y, offset_y, constant_y),
            xx,
            yx,
        )

    def _add(self, total: Array, rows: Array, columns: Array, *, first: bool) -> None:
        """Add a product to the total; the first one replaces it."""
        if first:
            np.matmul(rows.T, columns, out=total)
        else:
            total += np.matmul(rows.T, columns, out=self.product)


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

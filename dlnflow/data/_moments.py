"""Means and centred products of paired rows, in one pass that any mean or drift leaves exact.

Rows are centred block by block, in cache, by a mean that is already known, unless their means are
small beside their spread, which costs no more than two digits; blocks add up by the formula of
Chan, Golub and LeVeque (1983). The means are kept as an origin, a value near the data,
and a small offset from it, so that their rounding is that of the spread and not of the mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

IN_CACHE = 2**16  # numbers, half a megabyte
FEWEST_ROWS = 1024  # so that adding up d x d products stays cheap beside forming them
GROWTH = 16  # what rounding may grow by, for fewer changes of the mean
SMALL = 100.0  # squared mean over variance up to which rows are multiplied as they are
LOOKED_AT = 256  # rows, evenly spread, by which that is judged


@dataclass(frozen=True, eq=False)
class Side:
    """Mean of one member of the pairs, and which features have never varied; shapes (d,).

    The mean is ``origin + offset``. Where a feature has not varied, ``origin`` is its value and
    ``offset`` 0, both exactly.
    """

    origin: Array
    offset: Array
    constant: Flags

    @property
    def mean(self) -> Array:
        """Of all rows so far."""
        return self.origin + self.offset

    def apart(self, other: Side) -> Array:
        """How far the other's mean lies from this one's."""
        return (other.origin - self.origin) + (other.offset - self.offset)

    def joined(self, other: Side, share: float) -> Side:
        """The two together, of which the other is a ``share``."""
        constant = self.constant & other.constant & (self.origin == other.origin)
        return Side(self.origin, self.offset + share * self.apart(other), constant)


@dataclass(frozen=True, eq=False)
class Moments:
    """Of ``n`` pairs: means, and products summed about them (rows of ``yx`` are targets)."""

    n: int
    x: Side
    y: Side
    xx: Array
    yx: Array


def joined(one: Moments, other: Moments) -> Moments:
    """The moments of both sets of pairs together."""
    n = one.n + other.n
    share = other.n / n
    apart_x, apart_y = one.x.apart(other.x), one.y.apart(other.y)
    weighted = one.n * share * apart_x
    xx, yx = np.outer(apart_x, weighted), np.outer(apart_y, weighted)
    for part in (one, other):
        xx += part.xx
        yx += part.yx
    return Moments(n, one.x.joined(other.x, share), one.y.joined(other.y, share), xx, yx)


def moments(x: NDArray[Any], y: NDArray[Any]) -> Moments:
    """Of at least one pair of rows, shapes (n, d), of any real type.

    Blocks are centred by the mean of all rows before them. Up to ``GROWTH - 1`` times as many rows
    as came before share a mean, so that products about it are at most ``GROWTH`` times those about
    the true one, and rounding is too. The first block is centred by its own mean.
    """
    n, d = x.shape
    rows = max(FEWEST_ROWS, IN_CACHE // d, d)
    scratch = Scratch(min(rows, n), d)
    if _as_they_are(x) and _as_they_are(y):
        return scratch.moments(x, y)
    total = None
    start = 0
    while start < n:
        stop = min(n, start + max(rows, (GROWTH - 1) * start))
        near = _first_means(x[:rows], y[:rows]) if total is None else (total.x.mean, total.y.mean)
        part = scratch.moments(x[start:stop], y[start:stop], near)
        total = part if total is None else joined(total, part)
        start = stop
    assert total is not None
    return total


def _as_they_are(samples: NDArray[Any]) -> bool:
    """Whether rows can be multiplied without being centred first.

    For rounding of ``sqrt(SMALL)`` times that of centred rows in each member. Should the rows
    looked at overestimate a variance, by a factor ``n / LOOKED_AT`` at most, the loss in a product
    is its root.
    """
    adjacent = samples.itemsize in samples.strides  # as the product wants them, in rows or columns
    if samples.dtype != np.float64 or not adjacent:
        return False
    some = samples[:: max(1, len(samples) // LOOKED_AT)]
    return bool(np.all(some.mean(axis=0) ** 2 <= SMALL * some.var(axis=0)))


def _first_means(x: NDArray[Any], y: NDArray[Any]) -> tuple[Array, Array]:
    return x.mean(axis=0, dtype=np.float64), y.mean(axis=0, dtype=np.float64)


class Scratch:
    """Room for a block of centred rows of both members, used over and over."""

    def __init__(self, rows: int, d: int) -> None:
        self.rows = rows
        self.centred = np.empty((2, rows, d))
        self.shifts = np.empty((2, rows, d))
        self.product = np.empty((d, d))
        self.ones = np.ones(rows)

    def moments(
        self, x: NDArray[Any], y: NDArray[Any], near: tuple[Array, Array] | None = None
    ) -> Moments:
        """Of rows that lie near the given means, or else near 0."""
        n, d = x.shape
        near_x, near_y = near or np.zeros((2, d))
        constant_x, constant_y = _constant(x, self.rows), _constant(y, self.rows)
        origin_x = np.where(constant_x, x[0], near_x).astype(np.float64)
        origin_y = np.where(constant_y, y[0], near_y).astype(np.float64)
        # a row of the same length beside every row: NumPy is slow to repeat a short one
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
        return Moments(
            n, Side(origin_x, offset_x, constant_x), Side(origin_y, offset_y, constant_y), xx, yx
        )

    def _add(self, total: Array, rows: Array, columns: Array, *, first: bool) -> None:
        """A product to a total, or in its place."""
        if first:
            np.matmul(rows.T, columns, out=total)
        else:
            total += np.matmul(rows.T, columns, out=self.product)


def _constant(samples: NDArray[Any], rows: int) -> Flags:
    """Which features equal their first value in every row; only those that still may are read."""
    first = samples[0]
    constant: Flags = samples[-1] == first
    for start in range(0, len(samples), rows):
        if not constant.any():
            break
        block = samples[start : start + rows]
        constant[constant] = (block[:, constant] == first[constant]).all(axis=0)
    return constant

"""The record of batches of pairs: `Pairs`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dlnflow.data._files import Rows

BATCH = 2**20  # numbers in a batch of x or of y: 8 MB in double precision

Batches = Iterator[tuple[Rows, Rows]]


@dataclass(frozen=True)
class Pairs:
    """Batches of pairs (x, y) from files; `pairs_from` makes one. It can be iterated repeatedly.

    Attributes
    ----------
    d : int
        Number of features.
    n : int or None
        Number of pairs, where known without reading the file.
    names : tuple of str or None
        Of the features of ``x``.
    series : bool
        Whether the pairs follow each other in time.
    """

    d: int
    n: int | None
    names: tuple[str, ...] | None
    series: bool
    batch: int
    read: Callable[[int], Batches]

    def __iter__(self) -> Batches:
        return self.read(self.batch)


def batch_rows(batch: int | None, d: int) -> int:
    """Rows per batch."""
    return batch or max(1, BATCH // d)

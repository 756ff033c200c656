"""Rows of numbers in a file, a block at a time: what every format of file has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[Any]

NAMED = 5  # rows listed in a message


class FileError(ValueError):
    """A file cannot be used; the message is one line that names it and says why."""


class Table(ABC):
    """A matrix in a file, shape (n, width), which need not fit into memory.

    Attributes
    ----------
    label : str
        The file, and the array in it if there are several.
    width : int
        Numbers per row.
    n : int or None
        Number of rows, where known without reading them.
    names : tuple of str or None
        Of the columns.
    """

    label: str
    width: int
    n: int | None = None
    names: tuple[str, ...] | None = None

    @abstractmethod
    def raw_blocks(self, rows: int) -> Iterator[Rows]:
        """Blocks of at most so many rows, from the first row on, as they come."""

    def blocks(self, rows: int) -> Iterator[Rows]:
        """Blocks of exactly so many rows, but for the last; all of them finite.

        Raises
        ------
        FileError
            For NaN and infinity, by row (counted from 0), and for a file that cannot be read on.
        """
        start = 0
        for block in exactly(rows, self.raw_blocks(rows)):
            self.check(block, start)
            yield block
            start += len(block)

    def check(self, block: Rows, start: int) -> None:
        """Refuse NaN and infinity in a block whose first row is number ``start``."""
        if block.dtype.kind != "f":
            return
        with np.errstate(invalid="ignore", over="ignore"):
            if np.isfinite(block.sum(dtype=np.float64)):
                return
        bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
        if bad.size:
            row = block[bad[0]]
            value = row[~np.isfinite(row)][0]
            listed = ", ".join(map(str, start + bad[:NAMED])) + ", ..." * (bad.size > NAMED)
            rows = "row" if bad.size == 1 else f"{bad.size} of these rows,"
            raise FileError(
                f"{self.label}: must hold finite numbers: got {value:g} at {rows} {listed} "
                "(counted from 0); drop or fill them first"
            )


def exactly(rows: int, blocks: Iterator[Rows]) -> Iterator[Rows]:
    """The same rows in blocks of one size, but for the last; copied only where they are not so."""
    rest: Rows | None = None
    for block in blocks:
        joined = block if rest is None else np.concatenate([rest, block])
        whole = len(joined) - len(joined) % rows
        for start in range(0, whole, rows):
            yield joined[start : start + rows]
        rest = joined[whole:] if whole < len(joined) else None
    if rest is not None:
        yield rest


def listed(names: Iterable[str]) -> str:
    """Names found in a file, for a message of one line."""
    return ", ".join(name if name.isprintable() else repr(name) for name in names) or "none"


def opened(path: Path) -> Path:
    """The path of a file that is there; the error of opening it otherwise."""
    with path.open("rb"):
        return path


def flat_width(label: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Numbers per row of an array, which has one or two axes."""
    if dtype.kind not in "iuf":
        what = "objects" if dtype.hasobject else f"type {dtype}"
        raise FileError(f"{label}: must hold real numbers: got {what}")
    if not shape:
        raise FileError(f"{label}: must hold samples in rows, shape (n, d): got a single number")
    if len(shape) > 2:
        raise FileError(
            f"{label}: must hold samples in rows, shape (n, d): got shape {shape}; flatten each "
            "sample first, array.reshape(n, -1)"
        )
    width = shape[1] if len(shape) == 2 else 1
    if not width or not shape[0]:
        raise FileError(f"{label}: no samples: got shape {shape}")
    return width

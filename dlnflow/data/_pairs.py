"""Pairs of rows from files, batch by batch: `pairs_from`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from os import PathLike
from pathlib import Path

import numpy as np

from dlnflow._common import _validate
from dlnflow.data._files import (
    FileError,
    Names,
    Rows,
    Table,
    listed,
    open_array,
    open_table,
    row_groups,
    suffix,
)

BATCH = 2**20  # numbers in a batch of x or of y: 8 MB in double precision

PathName = str | PathLike[str]
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


def pairs_from(
    path: PathName,
    other: PathName | None = None,
    *,
    pairs: Sequence[str] = ("x", "y"),
    lag: int | None = None,
    batch: int | None = None,
) -> Pairs:
    """Batches of pairs (x, y) from one file or two, of any size.

    Parameters
    ----------
    path : path
        ``.npy``, ``.npz``, ``.csv``, or ``.parquet`` (which needs ``dlnflow[parquet]``).
    other : path, optional
        A second file: then ``path`` holds the contexts and ``other`` the targets, row by row, each
        one array or table. A table's columns all count.
    pairs : two str
        Which parts of one file make the pairs, contexts first. Of an ``.npz``, the names of two
        arrays. Of a table, prefixes of column names: ``"x"`` stands for the columns that are
        called x and a whole number, ``x1`` or ``x_1``; columns of one number go together, in
        rising order, both prefixes need the same numbers, and other columns are left alone.
    lag : int, optional
        The file holds a time series: ``x`` is each row and ``y`` the row ``lag`` later. An
        ``.npz`` must then hold one array; a table's columns all count.
    batch : int, optional
        Rows per batch; by default a million numbers' worth.

    Returns
    -------
    Pairs
        To iterate over, more than once if you like; it opens the file each time.

    Raises
    ------
    OSError
        If a file cannot be opened.
    ImportError
        For Parquet without ``pyarrow``.
    ValueError
        For anything in a file that does not make pairs of numbers, NaN and infinity included, here
        or where the iteration meets it; in one line that names the file, and the row (counted from
        0), or in CSV the line and column.

    Notes
    -----
    Arrays have shape (n, d). A flat one, shape (n,), has one feature; reshape images (n, 8, 8) to
    (n, 64) first. ``.npy`` is memory-mapped, CSV and Parquet are read in blocks: for these, memory
    does not grow with the file. The two arrays of an ``.npz`` are loaded whole. In CSV commas
    separate the columns; a first line without any number is a header.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np
    >>> from dlnflow.data import accumulate, pairs_from
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     series = pathlib.Path(folder) / "series.npy"
    ...     np.save(series, np.arange(10.0) ** 2)
    ...     for x, y in pairs_from(series, lag=1, batch=4):
    ...         print(x.ravel(), y.ravel())
    [0. 1. 4.] [1. 4. 9.]
    [ 9. 16. 25. 36.] [16. 25. 36. 49.]
    [49. 64.] [64. 81.]
    """
    size = None if batch is None else _validate.positive_integer("batch", batch)
    first = Path(path)
    if other is not None:
        if lag is not None:
            raise ValueError(f"lag must be None with two files, which hold pairs: got {lag!r}")
        return _row_by_row(open_table(first), open_table(Path(other)), size)
    if lag is not None:
        return _lagged(open_table(first), _validate.positive_integer("lag", lag), size)
    names = two_names(pairs)
    kind = suffix(first)
    if kind == ".npy":
        raise FileError(f"{path}: holds one array: pairs need an .npz, a second file, or a lag")
    if kind == ".npz":
        return _row_by_row(open_array(first, names[0]), open_array(first, names[1]), size)
    return _halves(open_table(first, partial(numbered, first, names)), size)


def two_names(pairs: Sequence[str]) -> tuple[str, ...]:
    """The validated argument ``pairs``."""
    names = () if isinstance(pairs, str) else tuple(pairs)
    texts = all(isinstance(name, str) and name for name in names)
    if len(names) != 2 or not texts or names[0] == names[1]:
        raise ValueError(f"pairs must be two different names, as ('x', 'y'): got {pairs!r}")
    return names


def parquet_groups(path: Path, prefixes: Sequence[str]) -> list[tuple[Path, int]]:
    """The row groups of a Parquet file, or of all in a folder, which must name the same columns."""
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise FileError(f"{path}: holds no .parquet file")
    found, first = [], None
    for file in files:
        header, sizes = row_groups(file)
        columns = [header[place] for place in numbered(file, prefixes, header)]
        first = first or columns
        if columns != first:
            alone = listed(sorted(set(columns) ^ set(first)))
            raise FileError(f"{file}: must have the columns of {files[0]}: in one alone: {alone}")
        found += [(file, place) for place, size in enumerate(sizes) if size]
    if not found:
        raise FileError(f"{path}: no samples")
    return found


def _row_by_row(x: Table, y: Table, batch: int | None) -> Pairs:
    """Rows of one table with the rows of another."""
    both = f"{x.label} and {y.label}"
    if x.width != y.width:
        raise FileError(
            f"{both}: must have as many numbers per row, the dimension: got {x.width} and {y.width}"
        )
    rule = f"{both}: must hold as many rows, one pair each"
    if x.n is not None and y.n is not None and x.n != y.n:
        raise FileError(f"{rule}: got {x.n} and {y.n}")

    def read(rows: int) -> Batches:
        done = 0
        for one, other in zip_longest(x.blocks(rows), y.blocks(rows), fillvalue=np.empty(0)):
            common = min(len(one), len(other))
            if len(one) != len(other):
                shorter, longer = (x, y) if len(one) == common else (y, x)
                raise FileError(
                    f"{rule}: got fewer where {shorter.label} ends after {done + common}, "
                    f"{longer.label} goes on"
                )
            yield one, other
            done += common

    n = y.n if x.n is None else x.n
    return Pairs(x.width, n, x.names, False, _batch(batch, x.width), read)


def _halves(table: Table, batch: int | None) -> Pairs:
    """The first half of a table's columns with the second half."""
    d = table.width // 2

    def read(rows: int) -> Batches:
        for block in table.blocks(rows):
            yield block[:, :d], block[:, d:]

    return Pairs(d, table.n, table.names and table.names[:d], False, _batch(batch, d), read)


def _lagged(table: Table, lag: int, batch: int | None) -> Pairs:
    """Rows of a time series with the rows ``lag`` later."""

    def later(rows: int) -> int:
        if rows <= lag:
            raise FileError(f"{table.label}: must hold more than lag = {lag} rows: got {rows}")
        return rows - lag

    def read(rows: int) -> Batches:
        seen = 0
        held: Rows | None = None
        for block in table.blocks(rows):
            seen += len(block)
            joined = block if held is None else np.concatenate([held, block])
            if len(joined) > lag:
                yield joined[:-lag], joined[lag:]
            held = joined[-lag:].copy()
        later(seen)

    n = None if table.n is None else later(table.n)
    return Pairs(table.width, n, table.names, True, _batch(batch, table.width), read)


def _batch(batch: int | None, d: int) -> int:
    return batch or max(1, BATCH // d)


def numbered(path: object, prefixes: Sequence[str], header: Names) -> list[int]:
    """Places of the columns that two prefixes and a number name, in the same order for both."""
    if header is None:
        raise FileError(
            f"{path}: the first line must name the columns, {prefixes[0]}1, {prefixes[1]}1, ...: "
            "got numbers"
        )
    found: list[dict[int, int]] = []
    for prefix in prefixes:
        called = re.compile(re.escape(prefix) + r"[ _.\-]?([0-9]+)")
        columns: dict[int, int] = {}
        for place, name in enumerate(header):
            match = called.fullmatch(name)
            if match and columns.setdefault(int(match[1]), place) != place:
                twice = f"{header[columns[int(match[1])]]!r} and {name!r}"
                raise FileError(f"{path}: columns {twice} both stand for {prefix}{int(match[1])}")
        if not columns:
            raise FileError(
                f"{path}: columns {prefix}1, {prefix}2, ... are missing (found: {listed(header)})"
            )
        found.append(columns)
    contexts, targets = found
    alone = contexts.keys() ^ targets.keys()
    if alone:
        number = min(alone)
        name, partner = header[(contexts | targets)[number]], prefixes[number in contexts]
        raise FileError(f"{path}: column {name!r} has no partner: {partner}{number} is missing")
    return [columns[number] for columns in found for number in sorted(columns)]

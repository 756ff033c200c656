"""Pairs of rows from files, batch by batch: `pairs_from`."""

from __future__ import annotations

import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from dlnflow.data import _columns
from dlnflow.data import _numpy_files as _arrays
from dlnflow.data._rows import FileError, Rows, Table, listed

BATCH = 2**20  # numbers in a batch of each member: 8 MB in double precision

PathName = str | PathLike[str]


class Pairs(ABC):
    """Batches of pairs (x, y), as often as they are iterated over; `pairs_from` makes one.

    Attributes
    ----------
    n : int or None
        Number of pairs, where known without reading the file.
    d : int
        Number of features.
    names : tuple of str or None
        Of the features of ``x``.
    series : bool
        Whether the pairs follow each other in time.
    """

    d: int
    series: bool = False
    n: int | None = None
    names: tuple[str, ...] | None = None

    def __init__(self, batch: int | None, d: int) -> None:
        self.d = d
        self.batch = batch or max(1, BATCH // d)

    @abstractmethod
    def __iter__(self) -> Iterator[tuple[Rows, Rows]]:
        """The batches, from the first pair on."""


class _SideBySide(Pairs):
    """Rows of one table with the rows of another."""

    def __init__(self, x: Table, y: Table, batch: int | None) -> None:
        if x.width != y.width:
            raise FileError(
                f"{x.label} and {y.label}: must have as many numbers per row, the dimension: "
                f"got {x.width} and {y.width}"
            )
        if x.n is not None and y.n is not None and x.n != y.n:
            raise _unequal(x, y, f"got {x.n} and {y.n}")
        super().__init__(batch, x.width)
        self.x, self.y = x, y
        self.n = y.n if x.n is None else x.n
        self.names = x.names

    def __iter__(self) -> Iterator[tuple[Rows, Rows]]:
        done = 0
        contexts, targets = self.x.blocks(self.batch), self.y.blocks(self.batch)
        while True:
            x, y = next(contexts, None), next(targets, None)
            rows = [0 if block is None else len(block) for block in (x, y)]
            if rows[0] != rows[1]:
                ends, on = (self.x, self.y) if rows[0] < rows[1] else (self.y, self.x)
                shorter = f"{ends.label} ends after {done + min(rows)}, {on.label} goes on"
                raise _unequal(self.x, self.y, f"got fewer where {shorter}")
            if x is None or y is None:
                return
            yield x, y
            done += len(x)


class _TwoPrefixes(Pairs):
    """Columns of one table, the first half contexts and the second their targets."""

    def __init__(self, table: Table, batch: int | None) -> None:
        super().__init__(batch, table.width // 2)
        self.table = table
        self.n = table.n
        self.names = None if table.names is None else table.names[: self.d]

    def __iter__(self) -> Iterator[tuple[Rows, Rows]]:
        for block in self.table.blocks(self.batch):
            yield block[:, : self.d], block[:, self.d :]


class _Lagged(Pairs):
    """Rows of a time series with the rows ``lag`` later."""

    series = True

    def __init__(self, table: Table, lag: int, batch: int | None) -> None:
        if table.n is not None and table.n <= lag:
            raise _too_short(table, lag, table.n)
        super().__init__(batch, table.width)
        self.table, self.lag = table, lag
        self.n = None if table.n is None else table.n - lag
        self.names = table.names

    def __iter__(self) -> Iterator[tuple[Rows, Rows]]:
        seen = 0
        held: Rows | None = None
        for block in self.table.blocks(self.batch):
            seen += len(block)
            rows = block if held is None else np.concatenate([held, block])
            if len(rows) > self.lag:
                yield rows[: -self.lag], rows[self.lag :]
            held = rows[-self.lag :].copy()
        if seen <= self.lag:
            raise _too_short(self.table, self.lag, seen)


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
    Arrays have shape (n, d); a flat one, shape (n,), has one feature, and images (n, 8, 8) must be
    made rows of 64 first. A ``.npy`` and an uncompressed ``.npz`` are mapped into memory, and need
    none of it. The latter is read through once beforehand, about a second per GB, and refused if
    its checksum is wrong; ``.npy`` has none. A compressed ``.npz`` is unpacked block by block, its
    checksum compared at the end, but read whole, with a warning, if it is in Fortran order. In
    CSV commas separate the columns; a first line without a single number in it is a header.

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
    batch = None if batch is None else _count("batch", batch)
    first = Path(path)
    if other is not None:
        if lag is not None:
            raise ValueError(f"lag must be None with two files, which hold pairs: got {lag!r}")
        return _SideBySide(_table(first), _table(Path(other)), batch)
    if lag is not None:
        return _Lagged(_table(first), _count("lag", lag), batch)
    names = _two_names(pairs)
    if _kind(first) == ".npy":
        raise FileError(f"{path}: holds one array: pairs need an .npz, a second file, or a lag")
    if _kind(first) == ".npz":
        return _SideBySide(_arrays.npz(first, names[0]), _arrays.npz(first, names[1]), batch)
    return _TwoPrefixes(_prefixed(first, names), batch)


def _kind(path: Path) -> str:
    """The suffix, if it is one that can be read."""
    suffix = path.suffix.lower()
    if suffix not in (".npy", ".npz", ".csv", ".parquet"):
        raise FileError(f"{path}: samples are read from .npy, .npz, .csv or .parquet")
    return suffix


def _table(path: Path) -> Table:
    """The only array or table of a file."""
    kind = _kind(path)
    if kind == ".npy":
        return _arrays.npy(path)
    if kind == ".npz":
        names = _arrays.members(path)
        if len(names) != 1:
            raise FileError(f"{path}: must hold one array here: got {listed(names)}")
        return _arrays.npz(path, names[0])
    return _columns.CsvTable(path) if kind == ".csv" else _columns.ParquetTable(path)


def _prefixed(path: Path, prefixes: tuple[str, str]) -> Table:
    """The columns of a table that two prefixes name, in the same order for both."""
    is_csv = _kind(path) == ".csv"
    header = _columns.csv_header(path) if is_csv else _columns.parquet_header(path)
    if header is None:
        raise FileError(
            f"{path}: the first line must name the columns, {prefixes[0]}1, {prefixes[1]}1, ...: "
            "got numbers"
        )
    found = [_numbered(path, header, prefix) for prefix in prefixes]
    for mine, yours, prefix in ((0, 1, prefixes[1]), (1, 0, prefixes[0])):
        lonely = sorted(found[mine].keys() - found[yours].keys())
        if lonely:
            name = found[mine][lonely[0]]
            raise FileError(
                f"{path}: column {name!r} has no partner: {prefix}{lonely[0]} is missing"
            )
    chosen = [columns[number] for columns in found for number in sorted(columns)]
    kind = _columns.CsvTable if is_csv else _columns.ParquetTable
    return kind(path, chosen)


def _numbered(path: Path, header: Sequence[str], prefix: str) -> dict[int, str]:
    """Columns called by the prefix and a number, by number."""
    columns: dict[int, str] = {}
    for name in header:
        match = re.fullmatch(re.escape(prefix) + r"[ _.\-]?([0-9]+)", name)
        if match is None:
            continue
        number = int(match[1])
        if number in columns:
            twice = f"{columns[number]!r} and {name!r}"
            raise FileError(f"{path}: columns {twice} both stand for {prefix}{number}")
        columns[number] = name
    if not columns:
        raise FileError(
            f"{path}: columns {prefix}1, {prefix}2, ... are missing (found: {listed(header)})"
        )
    return columns


def _two_names(pairs: Sequence[str]) -> tuple[str, str]:
    names = () if isinstance(pairs, str) else tuple(pairs)
    texts = all(isinstance(name, str) and name for name in names)
    if len(names) != 2 or not texts or names[0] == names[1]:
        raise ValueError(f"pairs must be two different names, as ('x', 'y'): got {pairs!r}")
    return names[0], names[1]


def _count(name: str, value: Any) -> int:
    try:
        count = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be a positive integer: got {value!r}") from None
    if count < 1 or isinstance(value, bool):
        raise ValueError(f"{name} must be a positive integer: got {value!r}")
    return count


def _unequal(x: Table, y: Table, got: str) -> FileError:
    return FileError(f"{x.label} and {y.label}: must hold as many rows, one pair each: {got}")


def _too_short(table: Table, lag: int, rows: int) -> FileError:
    return FileError(f"{table.label}: must hold more than lag = {lag} rows: got {rows}")

"""Pairs of rows from files, batch by batch: `pairs_from`."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import zip_longest
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dlnflow._common import _validate
from dlnflow._common._validate import described
from dlnflow.data._batches import Batches, Pairs, batch_rows
from dlnflow.data._covariance import MISSING, missing_rows
from dlnflow.data._files import (
    FileError,
    Names,
    Table,
    file_order,
    listed,
    open_array,
    open_table,
    row_groups,
    suffix,
)
from dlnflow.data._labels import taken
from dlnflow.data._series import lagged, sequences

PathName = str | PathLike[str]


def pairs_from(
    path: PathName | ArrayLike | Sequence[PathName | ArrayLike],
    other: PathName | None = None,
    *,
    pairs: Sequence[str] = ("x", "y"),
    lag: int | None = None,
    groups: str | ArrayLike | None = None,
    missing: str = "refuse",
    batch: int | None = None,
    flatten: bool = False,
) -> Pairs:
    """Batches of pairs (x, y) from one file or two, of any size, or from series in memory.

    Parameters
    ----------
    path : path, or with ``lag`` also an array or DataFrame, or a list of these
        ``.npy``, ``.npz``, ``.csv``, or ``.parquet`` (which needs ``dlnflow[parquet]``). A list
        holds one sequence in each item, with the same features; no pair reaches from one to the
        next.
    other : path, optional
        A second file: then ``path`` holds the contexts and ``other`` the targets, row by row, each
        one array or table. A table's columns all count; if both have names, the columns of the
        second go in the order of the first.
    pairs : two str
        Which parts of one file make the pairs, contexts first. Of an ``.npz``, the names of two
        arrays. Of a table, prefixes of column names: ``"x"`` stands for the columns that are
        called x and a whole number, ``x1`` or ``x_1``; columns of one number go together, in
        rising order, both prefixes need the same numbers, and other columns are left alone.
    lag : int, optional
        The file holds a time series: ``x`` is each row and ``y`` the row ``lag`` later. An
        ``.npz`` must then hold one array; a table's columns all count.
    groups : str or array, optional
        With ``lag``, which sequence each row belongs to: a column of the table, or in memory also
        an array, shape (n,). The rows of a group need not be consecutive; no pair joins two groups.
    missing : {"refuse", "drop"}
        What happens to pairs with NaN or an empty cell in either row. The row keeps its place in
        time. A warning says how many pairs were dropped.
    batch : int, optional
        Rows per batch; by default a million numbers' worth.
    flatten : bool
        Whether to make a row of each sample of an array with more than two axes, such as images
        (n, h, w) or the frames of a video.

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
    Arrays have shape (n, d). A flat one, shape (n,), has one feature. ``.npy`` is memory-mapped,
    CSV and Parquet are read in blocks: for these, memory does not grow with the file. The two
    arrays of an ``.npz`` are loaded whole. In CSV commas separate the columns; a first line without
    any number is a header.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np
    >>> from dlnflow.data import accumulate, pairs_from
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     series = pathlib.Path(folder) / "series.npy"
    ...     np.save(series, np.arange(8.0) ** 2)
    ...     for x, y in pairs_from(series, lag=1, batch=4):
    ...         print(x.ravel(), y.ravel())
    [0. 1. 4.] [1. 4. 9.]
    [ 9. 16. 25. 36.] [16. 25. 36. 49.]
    >>> one, other = [0.0, 1.0, 2.0], [7.0, 8.0, 9.0]
    >>> [(x.ravel().tolist(), y.ravel().tolist()) for x, y in pairs_from([one, other], lag=2)]
    [([0.0], [2.0]), ([7.0], [9.0])]
    """
    size = None if batch is None else _validate.positive_integer("batch", batch)
    drop = _validate.choice("missing", missing, MISSING) == "drop"
    if lag is None:
        if groups is not None:
            raise ValueError(f"groups must be None without lag: got {described(groups)}")
        found = _from_files(path, other, pairs, size, drop, flatten)
    elif other is not None:
        raise ValueError(f"lag must be None with two files, which hold pairs: got {lag!r}")
    else:
        steps = _validate.positive_integer("lag", lag)
        found = lagged(sequences(path, groups, missing=drop, flatten=flatten), steps, size)
    return replace(found, n=None, read=partial(_complete, found.read)) if drop else found


def _from_files(
    path: Any, other: Any, pairs: Sequence[str], size: int | None, drop: bool, flatten: bool
) -> Pairs:
    """Pairs from the parts of one file, or from two files."""
    if not isinstance(path, str | PathLike):
        raise TypeError(f"path must be a path without lag: got {described(path)}")
    first = Path(path)
    if other is not None:
        x, y = (open_table(one, missing=drop, flatten=flatten) for one in (first, Path(other)))
        return _row_by_row(x, y, size)
    names = two_names(pairs)
    kind = suffix(first)
    if kind == ".npy":
        raise FileError(f"{path}: holds one array: pairs need an .npz, a second file, or a lag")
    if kind == ".npz":
        x, y = (replace(open_array(first, name, flatten=flatten), missing=drop) for name in names)
        return _row_by_row(x, y, size)
    return _halves(open_table(first, partial(numbered, first, names), missing=drop), size)


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


def _complete(read: Callable[[int], Batches], rows: int) -> Batches:
    """The pairs without missing values; warns of the others."""
    count = lost = 0
    for x, y in read(rows):
        whole = ~missing_rows(x, y)
        count, lost = count + len(x), lost + int(np.sum(~whole))
        yield x[whole], y[whole]
    if lost:
        warnings.warn(
            f"{lost} of {count} pairs have missing values and were dropped",
            UserWarning,
            stacklevel=2,
        )


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
    order = file_order(x, y)

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
            yield one, taken(other, order, 1)
            done += common

    n = y.n if x.n is None else x.n
    return Pairs(x.width, n, x.names, False, batch_rows(batch, x.width), read)


def _halves(table: Table, batch: int | None) -> Pairs:
    """The first half of a table's columns with the second half."""
    d = table.width // 2

    def read(rows: int) -> Batches:
        for block in table.blocks(rows):
            yield block[:, :d], block[:, d:]

    return Pairs(d, table.n, table.names and table.names[:d], False, batch_rows(batch, d), read)


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

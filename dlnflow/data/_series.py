"""Pairs of rows that lie some steps apart in time series, never across the border of two."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import partial
from itertools import repeat
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from dlnflow._common._validate import converted
from dlnflow.data._batches import Batches, Pairs, batch_rows
from dlnflow.data._covariance import flattened, samples_in_rows, with_gaps
from dlnflow.data._files import FileError, Rows, Table, all_but, file_order, open_table
from dlnflow.data._labels import columns, named, row_order, taken

LISTED = 3  # groups in a message
FEWEST_STEPS = 9  # by chance so many all go one way less than once in a million times


def sequences(source: Any, groups: Any, *, missing: bool, flatten: bool) -> list[Table]:
    """One table for each sequence of a file, an array, or a list of these."""
    several = source if isinstance(source, list | tuple) else [source]
    if groups is not None and several is source:
        raise ValueError("groups must be None with a list, whose items are the groups")
    tables = []
    for one in several:
        if isinstance(one, str | PathLike):
            if groups is not None and not isinstance(groups, str):
                raise ValueError("groups must be the name of a column of a file: got an array")
            table = open_table(Path(one), missing=missing, groups=groups, flatten=flatten)
        else:
            table = table_of(one, missing=missing, groups=groups, flatten=flatten)
        tables.append(table)
    if not tables:
        raise ValueError("path must hold at least one sequence: got an empty list")
    first = tables[0]
    for table in tables:
        if table.width != first.width:
            raise FileError(
                f"{table.label}: must have {first.width} features, as the first sequence: "
                f"got {table.width}"
            )
    return tables


def table_of(
    value: Any, *, missing: bool = False, groups: Any = None, flatten: bool = False
) -> Table:
    """Rows in memory as a table, with the names of a DataFrame's columns.

    ``groups`` is one of these columns, or an array with one entry per row. ``flatten`` makes a row
    of each sample of an array.
    """
    given, names = value, columns(value)
    if isinstance(groups, str):
        kept = all_but("the series", groups, names)
        groups, names = value[groups], tuple(names[place] for place in kept)  # type: ignore[index]
        # Polars and PyArrow, or pandas
        value = value.select(list(names)) if hasattr(value, "select") else value.iloc[:, kept]
    rows = np.asanyarray(converted("series", with_gaps(value) if missing else value))
    rows = rows[:, None] if rows.ndim == 1 and rows.size else rows
    rows = flattened("series", rows) if flatten else rows
    samples = samples_in_rows("series", rows, missing=missing)
    if groups is None:
        keys = None
    else:
        labels = np.asarray(converted("groups", groups))
        if labels.shape != (len(samples),):
            raise ValueError(
                f"groups must have shape ({len(samples)},), one per row: got {labels.shape}"
            )
        labels = taken(labels, row_order(given, groups, "groups", "the series"), 0)
        keys = partial(_pieces, labels)
    n, width = samples.shape
    read = partial(_pieces, samples)
    return Table("the series", width, n, named(names), read, missing=missing, keys=keys)


def _pieces(values: Rows, rows: int) -> Iterator[Rows]:
    for start in range(0, len(values), rows):
        yield values[start : start + rows]


def lagged(tables: list[Table], lag: int, batch: int | None) -> Pairs:
    """Rows of time series with the rows ``lag`` later in the same series."""
    first = tables[0]
    orders = [file_order(first, table) for table in tables]
    grouped = first.keys is not None
    for table in tables:
        if table.n is not None and not grouped:
            _refuse_short({None: table.n}, lag, table.label)

    def read(rows: int) -> Batches:
        trend = Trend(first.width)
        for table, order in zip(tables, orders, strict=True):
            yield from _of_table(table, order, lag, rows, trend)
        trend.warn(first)

    counts = [table.n for table in tables]
    known = [count - lag for count in counts if count is not None]
    n = sum(known) if len(known) == len(counts) and not grouped else None
    return Pairs(first.width, n, first.names, True, batch_rows(batch, first.width), read)


class Trend:
    """Which features have gone one way from each row to the next."""

    def __init__(self, width: int) -> None:
        self.steps = 0
        self.up, self.down = np.ones((2, width), dtype=bool)

    def add(self, rows: Rows) -> None:
        """Add consecutive rows of one sequence."""
        self.steps += max(0, len(rows) - 1)
        self.up &= (rows[1:] > rows[:-1]).all(axis=0)
        self.down &= (rows[1:] < rows[:-1]).all(axis=0)

    def warn(self, table: Table) -> None:
        """Warn of clocks and counters among the features."""
        found = np.flatnonzero(self.up | self.down)
        if self.steps < FEWEST_STEPS or not found.size:
            return
        names = [repr(table.names[one]) if table.names else str(one) for one in found[:LISTED]]
        more = ", ..." * (found.size > LISTED)
        warnings.warn(
            f"{table.label}: column {', '.join(names)}{more} goes one way from each row to the "
            "next, as a clock or a counter does: it is then no feature, and decides the modes; "
            "leave it out, or take differences of a series that grows",
            UserWarning,
            stacklevel=4,
        )


def _of_table(table: Table, order: Any, lag: int, rows: int, trend: Trend) -> Batches:
    """The pairs of one table, from groups if it has them."""
    held: dict[Any, Rows] = {}
    sizes: dict[Any, int] = {}
    keys = repeat(None) if table.keys is None else table.keys(rows)
    for block, key in zip(table.blocks(rows), keys, strict=False):
        found = []
        for group, piece in _groups(taken(block, order, 1), key, table.label):
            before = held.get(group)
            joined = piece if before is None else np.concatenate([before, piece])
            trend.add(joined[max(0, len(joined) - len(piece) - 1) :])
            sizes[group] = sizes.get(group, 0) + len(piece)
            if len(joined) > lag:
                found.append((joined[:-lag], joined[lag:]))
            held[group] = joined[-lag:].copy()
        if len(found) == 1:
            yield found[0]
        elif found:
            yield tuple(map(np.concatenate, zip(*found, strict=True)))  # type: ignore[misc]
    _refuse_short(sizes, lag, table.label)


def _groups(block: Rows, keys: Any, label: str) -> Iterator[tuple[Any, Rows]]:
    """The rows of each group, in their order."""
    if keys is None:
        yield None, block
        return
    absent = [key is None or key != key for key in keys]  # NaN is the one value unlike itself
    if any(absent):
        raise FileError(f"{label}: groups must be known in every row: got none in {sum(absent)}")
    found, places = np.unique(keys, return_inverse=True)
    order = np.argsort(places, kind="stable")
    pieces = np.split(order, np.cumsum(np.bincount(places))[:-1])
    yield from ((key, block[piece]) for key, piece in zip(found.tolist(), pieces, strict=True))


def _refuse_short(sizes: dict[Any, int], lag: int, label: str) -> None:
    """Refuse a series, or groups in it, without a single pair."""
    short = {key: size for key, size in sizes.items() if size <= lag}
    if not short:
        return
    if None in short:
        raise FileError(f"{label}: must hold more than lag = {lag} rows: got {short[None]}")
    listed = ", ".join(f"{size} in {key!r}" for key, size in list(short.items())[:LISTED])
    more = f" (and {len(short) - LISTED} more groups)" if len(short) > LISTED else ""
    raise FileError(
        f"{label}: groups must each hold more than lag = {lag} rows: got {listed}{more}; leave "
        "these out"
    )

"""Matrices in files, read in blocks of rows: NumPy arrays, CSV and Parquet."""

from __future__ import annotations

import csv
import errno
import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlnflow._common._validate import BLANK, number_in_text
from dlnflow.data._labels import Places, feature_order

Rows = NDArray[Any]
Names = tuple[str, ...] | None
Choice = Callable[[Names], list[int]]  # of columns, by the names of all

SUFFIXES = (".npy", ".npz", ".csv", ".parquet")
LISTED = 5  # row numbers in a message
PADDING = 8  # numbers after a column, so that equal rows of many do not compete in the cache
BUFFER = 2**16  # bytes of a column of Parquet that are read at once, not the whole row group
ENCODING = "utf-8-sig"  # drops the byte order mark with which spreadsheets begin a CSV file
OTHER_SEPARATOR = re.compile(r"[;\t]")


class FileError(ValueError):
    """A file cannot be used. The message is one line that names the file and the reason."""


@dataclass(frozen=True)
class Table:
    """A matrix in a file, shape (n, width), that is read in blocks of rows.

    ``label`` names the file, and the array in it if there are several. ``n`` and ``names`` (of the
    columns) are None where they are not known before reading. ``keys`` reads the column of groups,
    in the same blocks. With ``missing`` there may be NaN.
    """

    label: str
    width: int
    n: int | None
    names: Names
    read: Callable[[int], Iterator[Rows]]
    first: int = 0  # number of the first row, for messages
    missing: bool = False
    keys: Callable[[int], Iterator[Rows]] | None = None

    def blocks(self, rows: int) -> Iterator[Rows]:
        """Blocks of finite numbers, all of ``rows`` rows except the last."""
        start = self.first
        for block in self.read(rows):
            finite = ~np.isinf(block) if self.missing else np.isfinite(block)
            if not finite.all():
                bad = np.flatnonzero(~finite.all(axis=1))
                places = ", ".join(map(str, start + bad[:LISTED])) + ", ..." * (bad.size > LISTED)
                count = "row" if bad.size == 1 else f"{bad.size} of these rows,"
                raise FileError(
                    f"{self.label}: must hold finite numbers: got {block[~finite][0]:g} at {count} "
                    f"{places} (counted from 0); drop or fill them first"
                )
            yield block
            start += len(block)


def file_order(one: Table, other: Table) -> Places | None:
    """Places of the columns of ``one`` among those of ``other``, by name if both have names."""
    try:
        return feature_order(
            one.names, other.names, f"{other.label}:", f"{one.label}", "rename its columns"
        )
    except ValueError as error:
        raise FileError(str(error)) from None


def suffix(path: Path) -> str:
    """The file's suffix in lower case; refused if such files cannot be read."""
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise FileError(f"{path}: samples are read from .npy, .npz, .csv or .parquet")
    return kind


def listed(names: Iterable[str]) -> str:
    """Names found in a file, on one line."""
    return ", ".join(name if name.isprintable() else repr(name) for name in names) or "none"


def open_table(
    path: Path,
    choose: Choice | None = None,
    *,
    missing: bool = False,
    groups: str | None = None,
    flatten: bool = False,
) -> Table:
    """The only array of a file, or the columns of a CSV or Parquet file: all, or those chosen.

    The column ``groups`` is not among them: `Table.keys` reads it.
    """
    kind = suffix(path)
    if groups is not None:
        choose = partial(all_but, path, groups)
        if kind not in (".csv", ".parquet"):
            raise FileError(f"{path}: has no column {groups!r}: groups= names one of a table")
    if kind == ".csv":
        table = _csv(path, choose, missing)
    else:
        table = (
            parquet_table(path, choose) if kind == ".parquet" else open_array(path, flatten=flatten)
        )
    keys = None if groups is None else partial(_keys, path, groups)
    return replace(table, missing=missing, keys=keys)


def all_but(where: Any, groups: str, header: Names) -> list[int]:
    if header is None or groups not in header:
        found = "no names" if header is None else f"found: {listed(header)}"
        raise FileError(f"{where}: column {groups!r} of groups is missing ({found})")
    return [place for place, name in enumerate(header) if name != groups]


def _keys(path: Path, groups: str, rows: int) -> Iterator[Rows]:
    """Blocks of the column of groups, as text."""
    import pandas as pd

    if suffix(path) == ".csv":
        # text, so that 01 and 1 are two groups
        options: dict[str, Any] = {"usecols": [groups], "dtype": str, "chunksize": rows}
        with pd.read_csv(
            path, skipinitialspace=True, encoding=ENCODING, index_col=False, **options
        ) as reader:
            for chunk in reader:
                yield chunk[groups].to_numpy(dtype=object)
    else:
        with _parquet_file(path) as file:
            for batch in file.iter_batches(batch_size=rows, columns=[groups]):
                yield batch.to_pandas()[groups].to_numpy(dtype=object)


def open_array(path: Path, name: str | None = None, *, flatten: bool = False) -> Table:
    """The array of a ``.npy`` file, memory-mapped, or one of an ``.npz`` file, loaded.

    Without a name the ``.npz`` file must hold only one. ``flatten`` makes a row of each sample.
    """
    label = str(path) if name is None else f"{path}: array {name!r}"
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's parser warns about a damaged header
            zipped = file.read(2) == b"PK"
            file.seek(0)
            if zipped != (suffix(path) == ".npz"):
                held = "several arrays: call it .npz" if zipped else "one array: call it .npy"
                raise FileError(f"{path}: holds {held}")
            if zipped:
                arrays: Any = np.load(file, allow_pickle=False)
                found = arrays.files
                if name is None and len(found) != 1:
                    raise FileError(f"{path}: must hold one array here: got {listed(found)}")
                name = found[0] if name is None else name
                if name not in found:
                    raise FileError(f"{path}: array {name!r} is missing (found: {listed(found)})")
                label = f"{path}: array {name!r}"
                values = arrays[name]
            else:
                values = np.load(path, mmap_mode="r", allow_pickle=False)
                more = path.stat().st_size - values.offset - values.nbytes
                if more:
                    raise FileError(
                        f"{path}: cannot be read: its array of shape {values.shape} ends {more} "
                        "bytes before the file does: damaged, or several arrays in one file"
                    )
    except Exception as error:  # NumPy, zipfile and Python's parser raise almost any on damage
        # bz2 raises OSError without a number for damaged data, mmap EINVAL for a damaged offset
        system = isinstance(error, OSError) and error.errno not in (None, errno.EINVAL)
        if system or isinstance(error, FileError):
            raise
        why = "not a NumPy file of numbers, damaged or cut short"
        if isinstance(error, MemoryError):
            why = "damaged, or too large for memory; a large .npy array is read in blocks"
        raise FileError(f"{label}: cannot be read: {why}") from None
    if values.dtype.kind not in "iuf":
        raise FileError(f"{label}: must hold real numbers: got type {values.dtype}")
    if not values.ndim or (values.ndim > 2 and not flatten):
        got = f"shape {values.shape}; flatten=True (--flatten) makes a row of each sample"
        raise FileError(
            f"{label}: must hold samples in rows, shape (n, d): "
            f"got {got if values.ndim else 'a single number'}"
        )
    if not values.size:
        raise FileError(f"{label}: no samples: got shape {values.shape}")
    n, width = len(values), math.prod(values.shape[1:])

    def read(rows: int) -> Iterator[Rows]:
        for start in range(0, n, rows):
            yield np.asarray(values[start : start + rows]).reshape(-1, width)

    return Table(label, width, n, None, read)


def _csv(path: Path, choose: Choice | None, missing: bool) -> Table:
    """Columns of a CSV file. A first line without any number is a header."""
    _, first = next(_csv_rows(path), (0, None))
    if first is None:
        raise FileError(f"{path}: no samples")
    other = OTHER_SEPARATOR.search(first[0]) if len(first) == 1 else None
    if other:
        raise FileError(f"{path}: commas must separate the columns: got {other[0]!r}")
    header = None if any(map(_is_number, first)) else tuple(cell.strip() for cell in first)
    places = choose(header) if choose else list(range(len(first)))
    names = header and tuple(header[place] for place in places)

    def fault(why: str) -> FileError:
        """The error that names the first faulty cell, for which the file is read again."""
        for line, row in islice(_csv_rows(path), bool(header), None):
            if len(row) != len(first):
                return FileError(
                    f"{path}: line {line}: {len(row)} cells where {len(first)} are expected"
                )
            for place in places:
                wrong = "" if missing and _is_blank(row[place]) else _cell_fault(row[place])
                if wrong:
                    column = repr(header[place]) if header else place + 1
                    return FileError(f"{path}: line {line}, column {column}: {wrong}")
        return FileError(f"{path}: cannot be read as CSV: {' '.join(why.split())}")

    def read(rows: int) -> Iterator[Rows]:
        import pandas as pd

        options: dict[str, Any] = {
            "chunksize": rows,
            "header": 0 if header else None,
            "names": range(len(first)),
            "index_col": False,
            "dtype": dict.fromkeys(places, np.float64),
            "encoding": ENCODING,
        }
        if tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1):
            options["float_precision"] = "round_trip"  # later versions read exactly by default

        def chunks() -> Iterator[Any]:
            with pd.read_csv(path, **options) as reader:
                yield from reader

        ahead = chunks()
        while True:
            try:
                with warnings.catch_warnings():  # too many cells in the first row only warn
                    warnings.simplefilter("error", pd.errors.ParserWarning)
                    values = next(ahead)[places].to_numpy()
            except StopIteration:
                return
            except (ValueError, pd.errors.ParserWarning) as error:
                raise fault(str(error)) from None
            if not len(values):
                raise FileError(f"{path}: no samples")
            if not (missing or np.isfinite(values).all()):
                raise fault("not every cell is a finite number")
            yield values

    return Table(str(path), len(places), None, names, read)


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with the number of its last line."""
    try:
        with path.open(encoding=ENCODING, newline="") as file:
            reader = csv.reader(file)
            for row in reader:
                if len(row) > 1 or any(cell.strip() for cell in row):
                    yield reader.line_num, row
    except UnicodeDecodeError:
        raise FileError(f"{path}: cannot be read: not a text file in UTF-8") from None
    except csv.Error as error:
        raise FileError(f"{path}: cannot be read as CSV: {error}") from None


def _is_number(cell: str) -> bool:
    """Whether Python reads the cell as a number, so that the line is not a header."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_blank(cell: str) -> bool:
    """Whether pandas reads the cell as a missing value."""
    return not cell.strip(BLANK) or cell.strip(BLANK).lower() in ("na", "nan", "n/a", "null")


def _cell_fault(cell: str) -> str:
    """Why a cell is not a finite number; empty if it is one."""
    if not cell.strip(BLANK):
        return "a number is missing"
    try:
        value = number_in_text(cell)
    except ValueError as error:
        hint = "; commas must separate the columns" * bool(OTHER_SEPARATOR.search(cell.strip()))
        return f"{error}{hint}"
    return "" if math.isfinite(value) else f"must be finite: got {cell.strip()}"


def row_groups(path: Path) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The names of all columns of a Parquet file, and the number of rows in each row group."""
    with _parquet_file(path) as file:
        groups = range(file.metadata.num_row_groups)
        sizes = tuple(file.metadata.row_group(place).num_rows for place in groups)
        return tuple(file.schema_arrow.names), sizes


def parquet_table(path: Path, choose: Choice | None = None, group: int | None = None) -> Table:
    """Columns of a Parquet file, or of one of its row groups, which must hold numbers.

    A missing value counts as NaN. Each block of a row group takes the memory of the last one.
    """
    with _parquet_file(path) as file:
        schema, every = file.schema_arrow, range(file.metadata.num_row_groups)
        sizes = [file.metadata.row_group(place).num_rows for place in every]
    wanted = every if group is None else [group]
    n, first = sum(sizes[place] for place in wanted), sum(sizes[: wanted[0]] if wanted else [])
    from pyarrow import types

    header = tuple(schema.names)
    places = choose(header) if choose else range(len(header))
    names = tuple(header[place] for place in places)
    for place, name in zip(places, names, strict=True):
        kind = schema.field(place).type
        if not (types.is_integer(kind) or types.is_floating(kind)):
            raise FileError(f"{path}: column {name!r} must hold real numbers: got type {kind}")
    if not names or not n:
        raise FileError(f"{path}: no samples")

    whole = group is None
    options = {"row_groups": wanted, "columns": list(names), "use_threads": whole}

    def read(rows: int) -> Iterator[Rows]:
        held = np.empty((len(names), 0))
        with _parquet_file(path) as file:
            for batch in file.iter_batches(rows, **options):
                if whole or held.shape[1] < len(batch):
                    held = np.empty((len(names), len(batch) + PADDING))
                columns = held[:, : len(batch)]
                for column, values in zip(columns, batch.select(names).columns, strict=True):
                    column[:] = values.to_numpy(zero_copy_only=False)
                yield columns.T

    return Table(str(path), len(names), n, names, read, first=first)


@contextmanager
def _parquet_file(path: Path) -> Iterator[Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise ImportError("Parquet files need this: pip install 'dlnflow[parquet]'") from None
    with path.open("rb"):  # an error of the system is raised here, and one of the file below
        try:
            with parquet.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False) as file:
                yield file
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split())
            raise FileError(f"{path}: cannot be read as Parquet: {reason}") from None

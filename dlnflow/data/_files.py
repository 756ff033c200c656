"""Matrices in files, read in blocks of rows: NumPy arrays, CSV and Parquet."""

from __future__ import annotations

import csv
import errno
import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlnflow._common._validate import BLANK, number_in_text

Rows = NDArray[Any]

SUFFIXES = (".npy", ".npz", ".csv", ".parquet")
LISTED = 5  # row numbers in a message
ENCODING = "utf-8-sig"  # drops the byte order mark with which spreadsheets begin a CSV file
OTHER_SEPARATOR = re.compile(r"[;\t]")


class FileError(ValueError):
    """A file cannot be used. The message is one line that names the file and the reason."""


@dataclass(frozen=True)
class Table:
    """A matrix in a file, shape (n, width), that is read in blocks of rows.

    ``label`` names the file, and the array in it if there are several. ``n`` and ``names`` (of the
    columns) are None where they are not known before reading.
    """

    label: str
    width: int
    n: int | None
    names: tuple[str, ...] | None
    read: Callable[[int], Iterator[Rows]]

    def blocks(self, rows: int) -> Iterator[Rows]:
        """Blocks of finite numbers, all of ``rows`` rows except the last."""
        start = 0
        rest: Rows | None = None
        for block in self.read(rows):
            self._refuse_infinite(block, start)
            start += len(block)
            joined = block if rest is None else np.concatenate([rest, block])
            whole = len(joined) - len(joined) % rows
            for first in range(0, whole, rows):
                yield joined[first : first + rows]
            rest = joined[whole:] if whole < len(joined) else None
        if rest is not None:
            yield rest

    def _refuse_infinite(self, block: Rows, start: int) -> None:
        with np.errstate(invalid="ignore", over="ignore"):
            if block.dtype.kind != "f" or np.isfinite(block.sum(dtype=np.float64)):
                return
        bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
        if not bad.size:  # the sum of finite numbers can overflow
            return
        row = block[bad[0]]
        places = ", ".join(map(str, start + bad[:LISTED])) + ", ..." * (bad.size > LISTED)
        rows = "row" if bad.size == 1 else f"{bad.size} of these rows,"
        raise FileError(
            f"{self.label}: must hold finite numbers: got {row[~np.isfinite(row)][0]:g} at {rows} "
            f"{places} (counted from 0); drop or fill them first"
        )


def suffix(path: Path) -> str:
    """The file's suffix in lower case; refused if such files cannot be read."""
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise FileError(f"{path}: samples are read from .npy, .npz, .csv or .parquet")
    return kind


def listed(names: Iterable[str]) -> str:
    """Names found in a file, on one line."""
    return ", ".join(name if name.isprintable() else repr(name) for name in names) or "none"


def column_names(path: Path) -> tuple[str, ...] | None:
    """Names of a table's columns; None for a CSV file without a header."""
    if suffix(path) == ".csv":
        return _csv(path, None).names
    with _parquet_file(path) as file:
        return tuple(file.schema_arrow.names)


def table(path: Path, columns: Sequence[str] | None = None) -> Table:
    """All columns of a CSV or Parquet file, or those that are named."""
    return (_csv if suffix(path) == ".csv" else _parquet)(path, columns)


def array(path: Path, name: str | None = None) -> Table:
    """The array of a ``.npy`` file, memory-mapped, or one of an ``.npz`` file, loaded."""
    label = str(path) if name is None else f"{path}: array {name!r}"
    with _loading(path, label) as loaded:
        if name is not None:
            if name not in loaded.files:
                raise FileError(
                    f"{path}: array {name!r} is missing (found: {listed(loaded.files)})"
                )
            values = loaded[name]
        else:
            values = loaded
            more = path.stat().st_size - values.offset - values.nbytes
            if more:
                raise FileError(
                    f"{path}: cannot be read: its array of shape {values.shape} ends {more} bytes "
                    "before the file does: damaged, or several arrays in one file"
                )
    width = _width(label, values)

    def read(rows: int) -> Iterator[Rows]:
        for start in range(0, len(values), rows):
            block = np.asarray(values[start : start + rows])
            yield block.reshape(len(block), width)

    return Table(label, width, len(values), None, read)


def array_names(path: Path) -> list[str]:
    """Names of the arrays in an ``.npz`` file."""
    with _loading(path, str(path)) as loaded:
        return list(loaded.files)


@contextmanager
def _loading(path: Path, label: str) -> Iterator[Any]:
    """What `numpy.load` finds in a file. Errors of reading it become a `FileError`."""
    packed = suffix(path) == ".npz"
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's parser warns about a damaged header
            zipped = file.read(2) == b"PK"
            file.seek(0)
            if zipped and not packed:
                raise FileError(f"{path}: holds several arrays: call it .npz")
            loaded: Any = np.load(
                file if packed else path, mmap_mode=None if packed else "r", allow_pickle=False
            )
            if packed and not zipped:
                raise FileError(f"{path}: holds one array: call it .npy")
            yield loaded
    except FileError:
        raise
    except MemoryError:
        raise FileError(
            f"{label}: cannot be read: damaged, or too large for memory; save a large array as "
            ".npy, which is read in blocks"
        ) from None
    except OSError as error:
        # bz2 raises one without a number for damaged data, mmap EINVAL for a damaged offset
        if error.errno not in (None, errno.EINVAL):
            raise
        raise FileError(_damaged(label)) from None
    except Exception:  # NumPy, zipfile and Python's parser raise almost any on damaged bytes
        raise FileError(_damaged(label)) from None


def _damaged(label: str) -> str:
    return f"{label}: cannot be read: not a NumPy file of numbers, damaged or cut short"


def _width(label: str, values: Rows) -> int:
    """Numbers per row of an array of one or two axes."""
    if values.dtype.kind not in "iuf":
        raise FileError(f"{label}: must hold real numbers: got type {values.dtype}")
    if not values.ndim:
        raise FileError(f"{label}: must hold samples in rows, shape (n, d): got a single number")
    if values.ndim > 2:
        raise FileError(
            f"{label}: must hold samples in rows, shape (n, d): got shape {values.shape}; flatten "
            "each sample first, array.reshape(n, -1)"
        )
    if not values.size:
        raise FileError(f"{label}: no samples: got shape {values.shape}")
    return values.shape[1] if values.ndim == 2 else 1


def _csv(path: Path, columns: Sequence[str] | None) -> Table:
    """Columns of a CSV file. A first line without any number is a header."""
    line, first = next(_csv_rows(path), (0, [""]))
    if not line:
        raise FileError(f"{path}: no samples")
    other = OTHER_SEPARATOR.search(first[0]) if len(first) == 1 else None
    if other:
        raise FileError(f"{path}: commas must separate the columns: got {other[0]!r}")
    header = None if any(map(_is_number, first)) else tuple(cell.strip() for cell in first)
    names = header if columns is None else tuple(columns)
    places = list(range(len(first)))
    if columns is not None:
        places = [(header or ()).index(name) for name in columns]
    above = line if header else 0

    def read(rows: int) -> Iterator[Rows]:
        import pandas as pd

        options: dict[str, Any] = {
            "chunksize": rows,
            "header": None,
            "skiprows": above,
            "names": range(len(first)),
            "index_col": False,
            "dtype": dict.fromkeys(places, np.float64),
            "encoding": ENCODING,
        }
        if tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1):
            options["float_precision"] = "round_trip"  # later versions read exactly by default

        def following(chunks: Iterator[Any]) -> Rows | None:
            try:
                with warnings.catch_warnings():  # too many cells in the first row only warn
                    warnings.simplefilter("error", pd.errors.ParserWarning)
                    values: Rows = next(chunks)[places].to_numpy()
            except (StopIteration, pd.errors.EmptyDataError):
                return None
            except (ValueError, pd.errors.ParserWarning) as error:
                raise _csv_error(path, above, len(first), places, names, str(error)) from None
            if np.isfinite(values).all():
                return values
            why = "not every cell is a finite number"
            raise _csv_error(path, above, len(first), places, names, why)

        seen = 0
        with _utf8(path):  # pandas reads ahead
            chunks = pd.read_csv(path, **options)
        with chunks:
            while (values := following(chunks)) is not None:
                seen += len(values)
                yield values
        if not seen:
            raise FileError(f"{path}: no samples")

    return Table(str(path), len(places), None, names, read)


def _csv_error(
    path: Path, above: int, cells: int, places: list[int], names: Sequence[str] | None, why: str
) -> FileError:
    """The error that names the first faulty cell, for which the file is read again."""
    for line, row in _csv_rows(path):
        if line <= above:
            continue
        if len(row) != cells:
            return FileError(f"{path}: line {line}: {len(row)} cells where {cells} are expected")
        for place in places:
            fault = _cell_fault(row[place])
            if fault:
                column = repr(names[places.index(place)]) if names else place + 1
                return FileError(f"{path}: line {line}, column {column}: {fault}")
    return FileError(f"{path}: cannot be read as CSV: {' '.join(why.split())}")


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with the number of its last line."""
    with _utf8(path), path.open(encoding=ENCODING, newline="") as file:
        reader = csv.reader(file)
        for row in reader:
            if len(row) > 1 or any(cell.strip() for cell in row):
                yield reader.line_num, row


@contextmanager
def _utf8(path: Path) -> Iterator[None]:
    try:
        yield
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


def _parquet(path: Path, columns: Sequence[str] | None) -> Table:
    """Columns of a Parquet file, which must hold numbers. A missing value counts as NaN."""
    with _parquet_file(path) as file:
        schema, n = file.schema_arrow, file.metadata.num_rows
        names = tuple(schema.names if columns is None else columns)
    from pyarrow import types

    for name in names:
        kind = schema.field(name).type
        if not (types.is_integer(kind) or types.is_floating(kind)):
            raise FileError(f"{path}: column {name!r} must hold real numbers: got type {kind}")
    if not names or not n:
        raise FileError(f"{path}: no samples")

    def read(rows: int) -> Iterator[Rows]:
        with _parquet_file(path) as file:
            for batch in file.iter_batches(batch_size=rows, columns=list(names)):
                filled = (batch.column(name).to_numpy(zero_copy_only=False) for name in names)
                yield np.column_stack([column.astype(np.float64) for column in filled])

    return Table(str(path), len(names), n, names, read)


@contextmanager
def _parquet_file(path: Path) -> Iterator[Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise ImportError("Parquet files need this: pip install 'dlnflow[parquet]'") from None
    with path.open("rb") as source:
        try:
            with parquet.ParquetFile(source) as file:
                yield file
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split())
            raise FileError(f"{path}: cannot be read as Parquet: {reason}") from None

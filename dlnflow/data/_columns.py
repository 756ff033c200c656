"""Rows of tables in files: CSV and Parquet, chosen columns of them."""

from __future__ import annotations

import csv
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dlnflow._common._validate import BLANK, number_in_text
from dlnflow.data._rows import FileError, Rows, Table, opened

OTHER_SEPARATOR = re.compile(r"[;\t]")
ENCODING = "utf-8-sig"  # spreadsheets begin their CSV with a byte order mark, which this drops


class CsvTable(Table):
    """Columns of a CSV file. A first line without a single number in it is a header.

    Every cell of the columns must be a finite number; blank lines are skipped.
    """

    def __init__(self, path: Path, columns: Sequence[str] | None = None) -> None:
        self.path = opened(path)
        self.label = str(path)
        first = _first_row(path)
        other = OTHER_SEPARATOR.search(first[0]) if len(first) == 1 else None
        if other:
            raise FileError(f"{path}: commas must separate the columns: got {other[0]!r}")
        self.cells = len(first)
        self.header = not any(_like_a_number(cell) for cell in first)
        every = tuple(cell.strip() for cell in first) if self.header else None
        self.names = every if columns is None else tuple(columns)
        self.places = list(range(self.cells))
        if columns is not None:
            self.places = [(every or ()).index(name) for name in columns]
        self.width = len(self.places)

    def raw_blocks(self, rows: int) -> Iterator[Rows]:
        """Chunks as pandas reads them."""
        import pandas as pd

        options: dict[str, Any] = {
            "chunksize": rows,
            "header": None,
            "skiprows": self._above(),
            "names": range(self.cells),
            "index_col": False,
            "dtype": dict.fromkeys(self.places, np.float64),
            "encoding": ENCODING,
            **_to_the_last_bit(),
        }
        with _decoding(self.path):  # it reads ahead
            chunks = pd.read_csv(self.path, **options)
        seen = 0
        with chunks:
            while (chunk := self._next(chunks)) is not None:
                seen += len(chunk)
                yield chunk
        if not seen:
            raise FileError(f"{self.path}: no samples")

    def _above(self) -> int:
        """Physical lines down to the header's end."""
        if not self.header:
            return 0
        return next(_lines(self.path))[0]

    def _next(self, chunks: Iterator[Any]) -> Rows | None:
        """The next chunk, its columns in the order asked for; None at the end."""
        import pandas as pd

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", pd.errors.ParserWarning)
                values: Rows = next(chunks)[self.places].to_numpy()
        except StopIteration:
            return None
        except (ValueError, pd.errors.ParserWarning, csv.Error) as error:
            if isinstance(error, pd.errors.EmptyDataError):
                return None
            self._refuse(str(error))
        if not np.isfinite(values).all():
            self._refuse("not every cell is a finite number")
        return values

    def _refuse(self, why: str) -> None:
        """Name the first cell that is at fault; the file is read again for it, slowly."""
        lines = _lines(self.path)
        if self.header:
            next(lines)
        for line, row in lines:
            if len(row) != self.cells:
                raise FileError(
                    f"{self.path}: line {line}: {len(row)} cells where {self.cells} are expected"
                )
            for place in self.places:
                wrong = _fault(row[place])
                if wrong:
                    called = repr(self.names[self.places.index(place)]) if self.names else place + 1
                    raise FileError(f"{self.path}: line {line}, column {called}: {wrong}")
        raise FileError(f"{self.path}: cannot be read as CSV: {' '.join(why.split())}")


def _to_the_last_bit() -> dict[str, str]:
    """What pandas wants said before it reads numbers exactly; from 3.1 on, nothing."""
    import pandas as pd

    major, minor = map(int, pd.__version__.split(".")[:2])
    return {} if (major, minor) >= (3, 1) else {"float_precision": "round_trip"}


def csv_header(path: Path) -> tuple[str, ...] | None:
    """The names of a CSV file's columns; None if its first line holds a number."""
    return CsvTable(path).names


def _first_row(path: Path) -> list[str]:
    for _, row in _lines(path):
        return row
    raise FileError(f"{path}: no samples")


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with the number of the line that it ends on."""
    with _decoding(path), path.open(encoding=ENCODING, newline="") as file:
        reader = csv.reader(file)
        for row in reader:
            if len(row) > 1 or any(cell.strip() for cell in row):
                yield reader.line_num, row


@contextmanager
def _decoding(path: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError:
        raise FileError(f"{path}: cannot be read: not a text file in UTF-8") from None
    except csv.Error as error:
        raise FileError(f"{path}: cannot be read as CSV: {error}") from None


def _like_a_number(cell: str) -> bool:
    """Whether a cell of the first line is data, a spelling that is refused later included."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _fault(cell: str) -> str:
    """What keeps a cell from being a finite number; empty if nothing does."""
    if not cell.strip(BLANK):
        return "a number is missing"
    try:
        value = number_in_text(cell)
    except ValueError as error:
        hint = "; commas must separate the columns" * bool(OTHER_SEPARATOR.search(cell.strip()))
        return f"{error}{hint}"
    return "" if math.isfinite(value) else f"must be finite: got {cell.strip()}"


class ParquetTable(Table):
    """Columns of a Parquet file, which must hold numbers throughout."""

    def __init__(self, path: Path, columns: Sequence[str] | None = None) -> None:
        self.path = opened(path)
        self.label = str(path)
        with _parquet(path) as file:
            schema = file.schema_arrow
            self.n = file.metadata.num_rows
        self.columns = list(schema.names if columns is None else columns)
        self.names = tuple(self.columns)
        self.width = len(self.columns)
        if not self.width or not self.n:
            raise FileError(f"{path}: no samples")
        for name in self.columns:
            kind = schema.field(name).type
            if not _is_numeric(kind):
                raise FileError(f"{path}: column {name!r} must hold real numbers: got type {kind}")

    def raw_blocks(self, rows: int) -> Iterator[Rows]:
        """Record batches as pyarrow reads them; a missing value is NaN."""
        with _parquet(self.path) as file:
            for batch in file.iter_batches(batch_size=rows, columns=self.columns):
                columns = [batch.column(name) for name in self.columns]
                yield np.column_stack(
                    [c.to_numpy(zero_copy_only=False).astype(np.float64) for c in columns]
                )


def parquet_header(path: Path) -> tuple[str, ...]:
    """The names of a Parquet file's columns."""
    with _parquet(opened(path)) as file:
        return tuple(file.schema_arrow.names)


def _is_numeric(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_floating(kind))


@contextmanager
def _parquet(path: Path) -> Iterator[Any]:
    """A Parquet file, open."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise ImportError("Parquet files need this: pip install 'dlnflow[parquet]'") from None
    try:
        with parquet.ParquetFile(path) as file:
            yield file
    except (pyarrow.ArrowException, OSError) as error:
        raise FileError(
            f"{path}: cannot be read as Parquet: {' '.join(str(error).split())}"
        ) from None

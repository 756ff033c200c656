"""Tables of training logs as cells of text, from CSV files of any separator and pandas frames."""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlnflow._common._validate import described, number_in_text
from dlnflow.data._files import ENCODING, FileError, listed

Array = NDArray[np.float64]
Rows = list[tuple[int, list[str]]]  # cells, each row with the number of its last line

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
DECIMAL_COMMA = re.compile(r"[+-]?(?:\d+,\d*|,\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)  # a decimal comma or one of thousands


@dataclass(frozen=True)
class LogTable:
    """A log: cells of text in named columns.

    ``label`` names the source in messages, ``places`` says where each row is in it, and ``stem`` is
    the name of a file without its suffix.
    """

    label: str
    stem: str
    columns: dict[str, list[str]]
    places: list[str]

    def error(self, text: str) -> FileError:
        """An error in this log."""
        return FileError(f"{self.label}: {text}")

    def cell_error(self, row: int, name: str, text: str) -> FileError:
        """An error in a cell."""
        return self.error(f"{self.places[row]}, column {name!r}: {text}")

    def filled(self, name: str) -> NDArray[np.bool_]:
        """Which cells of a column are not empty, shape (rows,)."""
        return np.array([bool(cell) for cell in self.columns[name]], dtype=bool)

    def numbers(self, name: str) -> Array:
        """The numbers of a column, NaN where a cell is empty, shape (rows,)."""
        values = np.full(len(self.places), np.nan)
        for row, cell in enumerate(self.columns[name]):
            if cell:
                try:
                    values[row] = number_in_text(cell)
                except ValueError as error:
                    raise self.cell_error(row, name, str(error)) from None
        return values

    def rows(self, chosen: Sequence[int]) -> LogTable:
        """Some of the rows."""
        columns = {name: [cells[row] for row in chosen] for name, cells in self.columns.items()}
        return replace(self, columns=columns, places=[self.places[row] for row in chosen])

    def without(self, names: Iterable[str]) -> LogTable:
        """The other columns."""
        left_out = set(names)
        kept = {name: cells for name, cells in self.columns.items() if name not in left_out}
        return replace(self, columns=kept)


def tables(source: Any) -> list[LogTable]:
    """The logs in a path, in several paths, or in a pandas frame.

    Raises
    ------
    FileError
        If a file or a frame is no table with a header and rows.
    TypeError, ValueError
        For any other source, or none.
    OSError
        If a file cannot be opened.
    """
    if hasattr(source, "to_csv") and hasattr(source, "columns"):
        return [_frame(source)]
    paths = [source] if isinstance(source, str | os.PathLike) else source
    if not isinstance(paths, list | tuple) or not all(
        isinstance(path, str | os.PathLike) for path in paths
    ):
        raise TypeError(
            f"source must be a path, a list of paths or a pandas DataFrame: got {described(source)}"
        )
    if not paths:
        raise ValueError("source must hold at least one path: got none")
    return [_file(Path(path)) for path in paths]


def _frame(frame: Any) -> LogTable:
    """A pandas frame, with its index if that has a name."""
    if frame.columns.nlevels > 1:
        raise FileError("source: column names must be single, not tuples; join their parts first")
    if not frame.columns.size:
        raise FileError("source: a frame with columns is needed: got none")
    named = all(name is not None for name in frame.index.names)
    (_, header), *body = _parsed("source", frame.to_csv(index=named), ",")
    return _table(
        "source", "source", header, [(f"row {i}", row) for i, (_, row) in enumerate(body)]
    )


def _file(path: Path) -> LogTable:
    """A CSV file. In a tag exported by TensorBoard the column is named after the file."""
    try:
        text = path.read_bytes().decode(ENCODING)
    except UnicodeDecodeError:
        raise FileError(f"{path}: cannot be read: not a text file in UTF-8") from None
    rows, separator = _separated(str(path), text)
    if not rows:
        raise FileError(f"{path}: empty: a header and a column of times are needed")
    (top, header), *body = rows
    for line, row in body:
        if len(row) != len(header):
            hint = "; decimal commas need columns separated by semicolons or tabs"
            raise FileError(
                f"{path}: line {line}: {len(row)} cells under {len(header)} columns"
                f"{hint * (separator == ',' and len(row) == 2 * len(header))}"
            )
    if separator != ",":
        body = _with_points(path, body)
    header = [name.strip() for name in header]
    if sorted(name.casefold() for name in header) == ["step", "value", "wall time"]:
        header = [path.stem if name.casefold() == "value" else name for name in header]
    if all(DECIMAL_COMMA.fullmatch(name) or _is_number(name) for name in header):
        raise FileError(
            f"{path}: line {top}: a header is needed: a column named t or step, and one for each "
            "mode"
        )
    return _table(str(path), path.stem, header, [(f"line {line}", row) for line, row in body])


def _table(label: str, stem: str, header: list[str], body: list[tuple[str, list[str]]]) -> LogTable:
    if not body:
        raise FileError(f"{label}: no measurements below the header")
    names = [name.strip() or f"Unnamed: {place}" for place, name in enumerate(header)]
    if repeated := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise FileError(f"{label}: columns must have different names: got {listed(repeated)} twice")
    cells = [[row[place].strip() for _, row in body] for place in range(len(names))]
    return LogTable(label, stem, dict(zip(names, cells, strict=True)), [at for at, _ in body])


def _parsed(label: str, text: str, separator: str) -> Rows:
    """The rows that are not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        return [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise FileError(f"{label}: cannot be read as CSV: {error}") from None


def _separated(label: str, text: str) -> tuple[Rows, str]:
    """The rows, split by the one separator that divides header and rows alike, and it."""
    found = {sign: _parsed(label, text, sign) for sign in SEPARATORS if sign in text}
    split = {sign: rows for sign, rows in found.items() if rows and len(rows[0][1]) > 1}
    even = {
        sign: rows
        for sign, rows in split.items()
        if all(len(row) == len(rows[0][1]) for _, row in rows)
    }
    if len(choice := even or split) > 1:
        kinds = " or ".join(SEPARATORS[sign] for sign in choice)
        raise FileError(f"{label}: columns may be separated by {kinds}: use one of them only")
    sign, rows = next(iter(choice.items()), (",", None))
    return _parsed(label, text, sign) if rows is None else rows, sign


def _with_points(path: Path, body: Rows) -> Rows:
    """The rows with decimal points in place of decimal commas, if they have any."""
    width = len(body[0][1]) if body else 0
    read: list[int] = []  # columns with decimal commas
    for place in range(width):
        commas = [(line, row[place].strip()) for line, row in body if "," in row[place]]
        strange = [one for one in commas if not DECIMAL_COMMA.fullmatch(one[1])]
        if len(strange) < len(commas):
            read.append(place)
            _refuse_commas(path, strange, "is no number with a decimal comma, as others are")
    cells = [(line, row[place].strip()) for line, row in body for place in read]
    commas = [one for one in cells if "," in one[1]]
    if commas and all(THOUSANDS.fullmatch(cell) for _, cell in commas):
        _refuse_commas(path, commas, "may have a decimal comma or one of thousands")
    if commas:
        every = ((line, cell.strip()) for line, row in body for cell in row)
        points = [one for one in every if "." in one[1] and _is_number(one[1])]
        _refuse_commas(path, points, f"has a decimal point, and {commas[0][1]!r} a comma")
    return [
        (line, [cell.replace(",", ".") if at in read else cell for at, cell in enumerate(row)])
        for line, row in body
    ]


def _refuse_commas(path: Path, cells: list[tuple[int, str]], why: str) -> None:
    for line, cell in cells:
        raise FileError(f"{path}: line {line}: {cell!r} {why}: write numbers with decimal points")


def _is_number(cell: str) -> bool:
    """Whether a cell holds a number that is not NaN."""
    try:
        return not math.isnan(number_in_text(cell))
    except ValueError:
        return False

"""Input of the command line: lists of numbers, and modes from CSV files."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dlnflow._common._validate import number_in_text


class InputError(Exception):
    """Input that cannot be used; the message says why in one line."""


def numbers(name: str, text: str) -> list[float]:
    """The numbers of an inline list such as ``1,0.5``.

    Raises
    ------
    InputError
        If an item is not a number; the message names it.

    Examples
    --------
    >>> numbers("rho", "1, 0.5")
    [1.0, 0.5]
    """
    items = text.split(",")
    return [
        _number(item, f"{name}: ", f" (item {place} of {text!r})")
        for place, item in enumerate(items, start=1)
    ]


def number(name: str, text: str) -> float:
    """One number.

    Raises
    ------
    InputError
        For anything else.
    """
    return _number(text, f"{name}: ")


def whole(name: str, text: str) -> float:
    """One number, as an ``int`` if it is whole; the library validates it further.

    Raises
    ------
    InputError
        For anything but a number.
    """
    value = number(name, text)
    return int(value) if value.is_integer() else value


def positive(name: str, text: str) -> int:
    """A positive integer.

    Raises
    ------
    InputError
        For anything else.
    """
    value = whole(name, text)
    if not isinstance(value, int) or value < 1:
        raise InputError(f"{name} must be a positive integer: got {value:g}")
    return value


def names(_: str, text: str) -> tuple[str, ...]:
    """The names in an inline list."""
    return tuple(name.strip() for name in text.split(","))


def is_number(text: str) -> bool:
    """Whether a cell can be read as a number."""
    try:
        number_in_text(text)
    except ValueError:
        return False
    return True


def _number(text: str, before: str, after: str = "") -> float:
    try:
        value = number_in_text(text)
    except ValueError as error:
        found = str(error) if text.strip() else "a number is missing"
        raise InputError(f"{before}{found}{after}") from None
    if math.isinf(value) and "inf" not in text.lower():
        raise InputError(f"{before}{text.strip()} is too large for double precision{after}")
    if value == 0.0 and re.match(r"[^e]*[1-9]", text, re.IGNORECASE):
        raise InputError(f"{before}{text.strip()} is too small for double precision{after}")
    return value


@contextmanager
def reading(path: Path | None = None) -> Iterator[None]:
    """Turn errors of the system into input errors that name the path, or else the error's file."""
    try:
        yield
    except OSError as error:
        file = path or error.filename
        if file is None:
            raise
        raise InputError(f"{file}: cannot be read: {error.strerror or error}") from None


@dataclass(frozen=True)
class Sheet:
    """A CSV file: its header in line ``top``, and the rows below with their line numbers."""

    path: Path
    top: int
    header: list[str]
    body: list[tuple[int, list[str]]]

    def error(self, text: str) -> InputError:
        """An error in the header."""
        return InputError(f"{self.path}: line {self.top}: {text}")

    def numbers(self, place: int, *, finite: bool = False) -> list[float]:
        """The numbers of a column."""
        values = []
        for line, row in self.body:
            where = f"{self.path}: line {line}, column {self.header[place]!r}: "
            values.append(_number(row[place], where))
            if finite and not math.isfinite(values[-1]):
                raise InputError(f"{where}must be finite: got {row[place].strip()}")
        return values


def _read(path: Path, what: str, needed: str) -> Sheet:
    """A CSV file without its blank lines; refused if it is no table or holds no rows."""
    # spreadsheets write a byte order mark at the beginning, which utf-8-sig drops
    with reading(path), path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        try:
            rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
        except UnicodeDecodeError:
            raise InputError(f"{path}: cannot be read: not a text file in UTF-8") from None
        except csv.Error as error:
            raise InputError(f"{path}: cannot be read as CSV: {error}") from None
    if not rows:
        raise InputError(f"{path}: empty: {needed}")
    (top, names), *body = rows
    if not body:
        raise InputError(f"{path}: no {what} below the header (line {top})")
    for line, row in body:
        if len(row) != len(names):
            raise InputError(f"{path}: line {line}: {len(row)} cells under {len(names)} columns")
    return Sheet(path, top, [name.strip() for name in names], body)


def read_modes(path: Path) -> dict[str, list[float]]:
    """Columns ``lam``, ``rho`` and, if present, ``variance`` of a CSV file with a header.

    Other columns and blank lines are ignored.

    Raises
    ------
    InputError
        If the file cannot be read as modes; the message has file, line and column.
    """
    sheet = _read(path, "modes", "a header with lam and rho is needed")
    for name in ("lam", "rho"):
        if name not in sheet.header:
            raise sheet.error(f"column {name!r} is missing (found: {', '.join(sheet.header)})")
    wanted = [name for name in ("lam", "rho", "variance") if name in sheet.header]
    for name in wanted:
        if sheet.header.count(name) > 1:
            raise sheet.error(f"column {name!r} is there more than once")
    return {name: sheet.numbers(sheet.header.index(name), finite=True) for name in wanted}

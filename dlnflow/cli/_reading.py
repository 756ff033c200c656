"""What the command line reads: inline lists and modes; and what it says of samples."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dlnflow._common._validate import number_in_text


class InputError(Exception):
    """What the user gave cannot be used; the message is one line that says why."""


def numbers(name: str, text: str) -> list[float]:
    """The numbers of an inline list such as ``1,0.5``.

    Raises
    ------
    InputError
        For an item that is not a number; the message says which.

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
    """One number, an ``int`` if it is whole; the library refuses the others where it must.

    Raises
    ------
    InputError
        For anything but a number.
    """
    value = number(name, text)
    return int(value) if value.is_integer() else value


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
def _reading(path: Path) -> Iterator[None]:
    """Failures to open or decode a file as input errors that name it."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: cannot be read: not a text file in UTF-8") from None
    except csv.Error as error:
        raise InputError(f"{path}: cannot be read as CSV: {error}") from None


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Rows of a CSV file that are not blank, each with its line number."""
    # spreadsheets open their CSV with a byte order mark, which utf-8-sig drops
    with _reading(path), path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        return [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]


def read_modes(path: Path) -> dict[str, list[float]]:
    """Columns ``lam``, ``rho`` and, if there, ``variance`` of a CSV file with a header.

    Other columns are left alone, blank lines skipped.

    Raises
    ------
    InputError
        With file, line and column, for anything that cannot be read as modes.
    """
    rows = _rows(path)
    if not rows:
        raise InputError(f"{path}: empty: a header with lam and rho is needed")
    (top, header), body = rows[0], rows[1:]
    header = [name.strip() for name in header]
    for name in ("lam", "rho"):
        if name not in header:
            raise InputError(
                f"{path}: line {top}: column {name!r} is missing (found: {', '.join(header)})"
            )
    wanted = [name for name in ("lam", "rho", "variance") if name in header]
    for name in wanted:
        if header.count(name) > 1:
            raise InputError(f"{path}: line {top}: column {name!r} is there more than once")
    if not body:
        raise InputError(f"{path}: no modes below the header (line {top})")
    for line, row in body:
        if len(row) != len(header):
            raise InputError(f"{path}: line {line}: {len(row)} cells under {len(header)} columns")
    return {name: _column(path, name, header.index(name), body) for name in wanted}


def _column(path: Path, name: str, place: int, body: list[tuple[int, list[str]]]) -> list[float]:
    values = []
    for line, row in body:
        where = f"{path}: line {line}, column {name!r}: "
        value = _number(row[place], where)
        if not math.isfinite(value):
            raise InputError(f"{where}must be finite: got {row[place].strip()}")
        values.append(value)
    return values


@contextmanager
def reading_samples() -> Iterator[None]:
    """Failures to read samples as input errors; the library's messages name the file."""
    from dlnflow.data._accumulate import FileError

    try:
        yield
    except FileError as error:
        raise InputError(str(error)) from None
    except OSError as error:
        if error.filename is None:
            raise
        raise InputError(f"{error.filename}: cannot be read: {error.strerror}") from None
    except ImportError as error:
        if "pip install" not in str(error):
            raise
        raise InputError(str(error)) from None

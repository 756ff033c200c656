"""What the command line reads: inline lists, modes, samples."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


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
        float(text)
    except ValueError:
        return False
    return True


def _number(text: str, before: str, after: str = "") -> float:
    try:
        return float(text)
    except ValueError:
        found = f"{text.strip()!r} is not a number" if text.strip() else "a number is missing"
        raise InputError(f"{before}{found}{after}") from None


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


def read_samples(path: Path) -> Any:
    """A matrix of samples, one per row, from ``.npy`` or CSV.

    A first line of CSV without a single number in it is a header.

    Raises
    ------
    InputError
        For a file that cannot be read as one matrix of numbers.
    """
    if path.suffix.lower() == ".npy":
        array = _load(path)
        if hasattr(array, "files"):
            array.close()
            raise InputError(f"{path}: holds several arrays: give it with --pairs")
        return array
    if path.suffix.lower() != ".csv":
        raise InputError(f"{path}: samples are read from .npy or .csv")
    return _matrix(path)


def _matrix(path: Path) -> Any:
    import numpy as np

    rows = _rows(path)
    if rows and not any(is_number(cell) for cell in rows[0][1]):
        rows = rows[1:]
    if not rows:
        raise InputError(f"{path}: no samples")
    width = len(rows[0][1])
    for line, row in rows:
        if len(row) != width:
            raise InputError(f"{path}: line {line}: {len(row)} cells where {width} are expected")
    return np.array(
        [
            [
                _number(cell, f"{path}: line {line}, column {place}: ")
                for place, cell in enumerate(row, start=1)
            ]
            for line, row in rows
        ]
    )


def read_pairs(path: Path) -> tuple[Any, Any]:
    """The arrays ``x`` and ``y`` of an ``.npz`` file.

    Raises
    ------
    InputError
        For a file that is no ``.npz``, or has not both.
    """
    archive = _load(path)
    if not hasattr(archive, "files"):
        raise InputError(f"{path}: holds one array: for x and y in one file, an .npz is needed")
    with archive:
        for name in ("x", "y"):
            if name not in archive.files:
                found = ", ".join(archive.files) or "none"
                raise InputError(f"{path}: array {name!r} is missing (found: {found})")
        return _member(path, archive, "x"), _member(path, archive, "y")


def _load(path: Path) -> Any:
    import numpy as np

    with _reading(path), _numpy_failures(f"{path}: cannot be read: not a NumPy file of numbers"):
        return np.load(path, allow_pickle=False)


def _member(path: Path, archive: Any, name: str) -> Any:
    with _numpy_failures(f"{path}: array {name!r} cannot be read: not one of numbers"):
        return archive[name]


@contextmanager
def _numpy_failures(message: str) -> Iterator[None]:
    """Everything that NumPy raises over a file that is damaged, or holds objects."""
    import pickle
    import zipfile
    import zlib

    try:
        yield
    except (ValueError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile, zlib.error):
        raise InputError(message) from None

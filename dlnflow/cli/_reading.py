"""Input of the command line: lists of numbers, and modes and trajectories from CSV files."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dlnflow._common._validate import number_in_text

TIMES = ("t", "time", "step", "steps")
Rows = list[tuple[int, list[str]]]  # of cells, each with its line number


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
    """Turn failures to open or decode a file into input errors that name it."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: cannot be read: not a text file in UTF-8") from None
    except csv.Error as error:
        raise InputError(f"{path}: cannot be read as CSV: {error}") from None


def _rows(path: Path) -> Rows:
    """Rows of a CSV file that are not blank, with their line numbers."""
    # spreadsheets write a byte order mark at the beginning, which utf-8-sig drops
    with _reading(path), path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        return [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]


def read_modes(path: Path) -> dict[str, list[float]]:
    """Columns ``lam``, ``rho`` and, if present, ``variance`` of a CSV file with a header.

    Other columns and blank lines are ignored.

    Raises
    ------
    InputError
        If the file cannot be read as modes; the message has file, line and column.
    """
    top, header, body = _table(path, "a header with lam and rho is needed")
    for name in ("lam", "rho"):
        if name not in header:
            raise InputError(
                f"{path}: line {top}: column {name!r} is missing (found: {', '.join(header)})"
            )
    wanted = [name for name in ("lam", "rho", "variance") if name in header]
    for name in wanted:
        if header.count(name) > 1:
            raise InputError(f"{path}: line {top}: column {name!r} is there more than once")
    _check_body(path, top, header, body, "modes")
    return {name: _column(path, name, header.index(name), body, finite=True) for name in wanted}


def _table(path: Path, needed: str) -> tuple[int, list[str], Rows]:
    """The line and names of a CSV file's header, and the rows below."""
    rows = _rows(path)
    if not rows:
        raise InputError(f"{path}: empty: {needed}")
    (top, names), body = rows[0], rows[1:]
    return top, [name.strip() for name in names], body


def _check_body(path: Path, top: int, header: list[str], body: Rows, what: str) -> None:
    if not body:
        raise InputError(f"{path}: no {what} below the header (line {top})")
    for line, row in body:
        if len(row) != len(header):
            raise InputError(f"{path}: line {line}: {len(row)} cells under {len(header)} columns")


def _column(path: Path, name: str, place: int, body: Rows, *, finite: bool = False) -> list[float]:
    values = []
    for line, row in body:
        where = f"{path}: line {line}, column {name!r}: "
        value = _number(row[place], where)
        if finite and not math.isfinite(value):
            raise InputError(f"{where}must be finite: got {row[place].strip()}")
        values.append(value)
    return values


def read_trajectories(path: Path, run: str | None) -> tuple[list[float], list[list[float]]]:
    """Times and amplitudes, mode by mode.

    Either a column of times (``t``, ``time``, ``step``) and one column for each mode, or, as
    ``dlnflow simulate --format csv`` writes, the columns ``mode``, ``t`` and ``w``, a row for each
    measurement; if there is a column ``objective``, ``run`` chooses one.

    Raises
    ------
    InputError
        If the file cannot be read; the message has file, line and column.
    """
    top, header, body = _table(path, "a header and a column of times are needed")
    if all(is_number(name) for name in header):
        raise InputError(
            f"{path}: line {top}: a header is needed: a column named t, and one for each mode"
        )
    times = [name for name in header if name.lower() in TIMES]
    if len(times) != 1:
        raise InputError(
            f"{path}: line {top}: one column of times is needed, named "
            f"{', '.join(TIMES)}: got {', '.join(times) or 'none'} among {', '.join(header)}"
        )
    _check_body(path, top, header, body, "measurements")
    if {"mode", "w"} <= set(header):
        return _long(path, header, times[0], body, run)
    if run is not None:
        raise InputError(f"{path}: --run needs a column named objective")
    return _wide(path, header, times[0], body)


def _wide(path: Path, header: list[str], time: str, body: Rows) -> tuple[Any, Any]:
    modes = [(name, place) for place, name in enumerate(header) if name != time]
    if not modes:
        raise InputError(f"{path}: no column beside {time!r}: one is needed for each mode")
    t = _column(path, time, header.index(time), body)
    return t, [_column(path, name, place, body) for name, place in modes]


def _long(path: Path, header: list[str], time: str, body: Rows, run: str | None) -> tuple[Any, Any]:
    if "objective" in header:
        place = header.index("objective")
        runs = list(dict.fromkeys(row[place].strip() for _, row in body))
        if run is None and len(runs) > 1:
            raise InputError(f"{path}: holds runs of {', '.join(runs)}: choose one with --run")
        if run is not None and run not in runs:
            raise InputError(f"{path}: has no run {run!r} (found: {', '.join(runs)})")
        chosen = runs[0] if run is None else run
        body = [(line, row) for line, row in body if row[place].strip() == chosen]
    curves: dict[str, tuple[list[float], list[float]]] = {}
    columns = {name: header.index(name) for name in ("mode", time, "w")}
    for line, row in body:
        t, w = curves.setdefault(row[columns["mode"]].strip(), ([], []))
        for values, name in ((t, time), (w, "w")):
            values.append(_number(row[columns[name]], f"{path}: line {line}, column {name!r}: "))
    first, *others = curves.items()
    for name, (t, _) in others:
        if t != first[1][0]:
            raise InputError(f"{path}: mode {name} has other times than mode {first[0]}")
    return first[1][0], [w for _, w in curves.values()]


@contextmanager
def reading_samples() -> Iterator[None]:
    """Turn failures to read samples into input errors; the library's messages name the file."""
    from dlnflow.data import FileError

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

"""Input of the command line: lists of numbers, and modes and trajectories from CSV files."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from dlnflow._common._validate import number_in_text

TIMES = ("t", "time", "step", "steps")


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

    def texts(self, name: str) -> list[str]:
        """The cells of a column."""
        place = self.header.index(name)
        return [row[place].strip() for _, row in self.body]

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
    sheet = _read(path, "measurements", "a header and a column of times are needed")
    header = sheet.header
    if all(is_number(name) for name in header):
        raise sheet.error("a header is needed: a column named t, and one for each mode")
    times = [place for place, name in enumerate(header) if name.lower() in TIMES]
    if len(times) != 1:
        raise sheet.error(
            f"one column of times is needed, named {', '.join(TIMES)}: got "
            f"{', '.join(header[place] for place in times) or 'none'} among {', '.join(header)}"
        )
    if {"mode", "w"} <= set(header):
        return _long(_of_run(sheet, run), times[0])
    if run is not None:
        raise InputError(f"{path}: --run needs a column named objective")
    if len(header) == 1:
        raise InputError(f"{path}: no column beside {header[0]!r}: one is needed for each mode")
    t = sheet.numbers(times[0])
    return t, [sheet.numbers(place) for place in range(len(header)) if place != times[0]]


def _of_run(sheet: Sheet, run: str | None) -> Sheet:
    """The rows of one objective."""
    if "objective" not in sheet.header:
        return sheet
    runs = sheet.texts("objective")
    found = list(dict.fromkeys(runs))
    if run is None and len(found) > 1:
        raise InputError(f"{sheet.path}: holds runs of {', '.join(found)}: choose one with --run")
    if run is not None and run not in found:
        raise InputError(f"{sheet.path}: has no run {run!r} (found: {', '.join(found)})")
    chosen = run or found[0]
    body = [row for row, name in zip(sheet.body, runs, strict=True) if name == chosen]
    return replace(sheet, body=body)


def _long(sheet: Sheet, time: int) -> tuple[list[float], list[list[float]]]:
    curves: dict[str, tuple[list[float], list[float]]] = {}
    columns = sheet.numbers(time), sheet.numbers(sheet.header.index("w"))
    for name, *point in zip(sheet.texts("mode"), *columns, strict=True):
        for values, value in zip(curves.setdefault(name, ([], [])), point, strict=True):
            values.append(value)
    (first, (times, _)), *others = curves.items()
    for name, (t, _) in others:
        if t != times:
            raise InputError(f"{sheet.path}: mode {name} has other times than mode {first}")
    return times, [w for _, w in curves.values()]

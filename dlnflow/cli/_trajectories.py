"""Measured trajectories from a CSV file, one column a mode or one row a measurement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dlnflow.cli._reading import InputError, _number, _rows, is_number

TIMES = ("t", "time", "step", "steps")


def read_trajectories(path: Path, run: str | None) -> tuple[list[float], list[list[float]]]:
    """Times, and the amplitudes of every mode.

    Either a column of times (``t``, ``time``, ``step``) and one column for each mode, or, as
    ``dlnflow simulate --format csv`` writes, the columns ``mode``, ``t`` and ``w``, a row for each
    measurement; with a column ``objective``, ``run`` says which.

    Raises
    ------
    InputError
        With file, line and column, for anything that cannot be read so.
    """
    rows = _rows(path)
    if not rows:
        raise InputError(f"{path}: empty: a header and a column of times are needed")
    (top, names), body = rows[0], rows[1:]
    header = [name.strip() for name in names]
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
    if not body:
        raise InputError(f"{path}: no measurements below the header (line {top})")
    for line, row in body:
        if len(row) != len(header):
            raise InputError(f"{path}: line {line}: {len(row)} cells under {len(header)} columns")
    if {"mode", "w"} <= set(header):
        return _long(path, header, times[0], body, run)
    if run is not None:
        raise InputError(f"{path}: --run needs a column named objective")
    return _wide(path, header, times[0], body)


def _column(path: Path, name: str, place: int, body: Any) -> list[float]:
    return [_number(row[place], f"{path}: line {line}, column {name!r}: ") for line, row in body]


def _wide(path: Path, header: list[str], time: str, body: Any) -> tuple[Any, Any]:
    modes = [(name, place) for place, name in enumerate(header) if name != time]
    if not modes:
        raise InputError(f"{path}: no column beside {time!r}: one is needed for each mode")
    t = _column(path, time, header.index(time), body)
    return t, [_column(path, name, place, body) for name, place in modes]


def _long(path: Path, header: list[str], time: str, body: Any, run: str | None) -> tuple[Any, Any]:
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

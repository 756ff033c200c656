"""The rows of a training log that can be used: resumed runs, repeated steps, gaps, divergence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlnflow.identification._log_columns import Aside, Roles
from dlnflow.identification._log_table import LogTable

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

FEWEST_COMPLETE = 0.5  # share of the rows with modes that must have all of them
MOST_RESUMES = 20  # jumps back of one run; more are several runs mixed
MOST_REPEATED = 0.5  # share of the steps that a run may log twice
FEWEST_ROWS = 2


@dataclass(frozen=True)
class LogRate:
    """A column of learning rates: ``lr``, shape (rows,), logged at ``steps``."""

    name: str
    steps: Array
    lr: Array


@dataclass(frozen=True)
class LogCurves:
    """Modes of one log, shape (modes, rows), at rising times, in the log's own unit.

    ``w`` has no rows of modes if the log has none.
    """

    label: str
    stem: str
    time: str
    counts: str
    t: Array
    w: Array
    names: tuple[str, ...]
    rates: tuple[LogRate, ...]
    set_aside: Aside
    notes: tuple[str, ...]


def curves(table: LogTable, found: Roles) -> LogCurves:
    """The curves in a log, each at every step once."""
    notes: list[str] = []
    columns = [table.numbers(name) for name in found.modes]
    filled = [table.filled(name) for name in found.modes]
    rows = _rows_in_time(table, found, np.any(filled, axis=0) if filled else None, notes)
    rates = tuple(_rate(table, name, rows, found.time) for name in found.rates)
    times = table.numbers(found.time)
    rows_of_modes, sources = _last_of_each_step(table, times, rows, filled, notes)
    t = times[rows_of_modes]
    w = np.array(
        [np.where(at >= 0, one[at], np.nan) for one, at in zip(columns, sources, strict=True)]
    ).reshape(len(columns), t.size)
    if columns:
        end = _end(table, found, t, w, sources, notes)
        used = _complete(table, found, w[:, :end], notes)
        t, w = t[used], w[:, used]
    return LogCurves(
        table.label,
        table.stem,
        found.time,
        found.counts,
        t,
        w,
        found.modes,
        rates,
        found.set_aside,
        tuple(notes),
    )


def _rows_in_time(
    table: LogTable, found: Roles, has_mode: NDArray[np.bool_] | None, notes: list[str]
) -> Indices:
    """The rows with a time, in order, without those that a resumed run wrote again."""
    times, timed = table.numbers(found.time), table.filled(found.time)
    for row in np.flatnonzero(timed & ~np.isfinite(times)):
        text = table.columns[found.time][row]
        raise table.cell_error(int(row), found.time, f"must be finite: got {text}")
    if has_mode is not None:
        for row in np.flatnonzero(has_mode & ~timed):
            raise table.cell_error(int(row), found.time, "a number is missing")
        if missing := int((~has_mode).sum()):
            notes.append(f"Left out: {missing} of {has_mode.size} rows, which have no mode.")
    kept: list[int] = []
    given = times[timed]
    if int(np.sum(given[1:] < given[:-1])) > MOST_RESUMES:
        raise table.error(
            f"{found.time!r} goes back more than {MOST_RESUMES} times: several runs mixed in one "
            "log; keep the rows of one"
        )
    for row in np.flatnonzero(timed):
        if kept and times[row] < times[kept[-1]]:
            _resume(table, found, times, kept, int(row), notes)
        elif kept and found.counts == "time" and times[row] == times[kept[-1]]:
            raise table.cell_error(int(row), found.time, _must_rise(times, kept, int(row)))
        kept.append(int(row))
    return np.array(kept, dtype=np.intp)


def _resume(
    table: LogTable, found: Roles, times: Array, kept: list[int], row: int, notes: list[str]
) -> None:
    """Drop the rows that a run wrote again when it was resumed; refuse any other going back."""
    if found.counts not in ("steps", "epochs"):
        raise table.cell_error(row, found.time, _must_rise(times, kept, row))
    if times[row] <= times[kept[0]]:
        raise table.error(
            f"{found.time!r} begins again at {times[row]:g} in {table.places[row]}: several runs "
            "in one log; keep the rows of one"
        )
    last, before = times[kept[-1]], len(kept)
    while times[kept[-1]] >= times[row]:
        kept.pop()
    notes.append(
        f"Column {found.time!r} goes back from {last:g} to {times[row]:g} ({table.places[row]}), "
        f"as in a resumed run. Left out: {before - len(kept)} of {before} rows before it, from "
        f"{times[row]:g} on."
    )


def _must_rise(times: Array, kept: Sequence[int], row: int) -> str:
    return f"times must rise: got {times[row]:g} after {times[kept[-1]]:g}"


def _rate(table: LogTable, name: str, rows: Indices, time: str) -> LogRate:
    """A column of learning rates, the last at each step."""
    lr, filled = table.numbers(name), table.filled(name)
    for row in np.flatnonzero(filled & ~((lr >= 0.0) & (lr < np.inf))):
        text = f"a learning rate must be finite and not negative: got {table.columns[name][row]}"
        raise table.cell_error(int(row), name, text)
    rows = rows[filled[rows]]
    steps = table.numbers(time)[rows]
    last = np.append(np.diff(steps) > 0.0, True)[: steps.size]
    return LogRate(name, steps[last], lr[rows][last])


def _last_of_each_step(
    table: LogTable,
    times: Array,
    rows: Indices,
    filled: Sequence[NDArray[np.bool_]],
    notes: list[str],
) -> tuple[Indices, list[Indices]]:
    """A row of each step that has a mode; and for each mode the last row that has it, -1 if none.

    Loggers may write the values of one step in several rows.
    """
    _, group = np.unique(times[rows], return_inverse=True)
    count = int(group.max(initial=-1)) + 1
    some_row, sources, repeated = np.full(count, -1, dtype=np.intp), [], 0
    for has in filled:
        there = has[rows]
        last = np.full(count, -1, dtype=np.intp)
        last[group[there]] = rows[there]  # of repeated indices the last assignment counts
        repeated = max(repeated, int(there.sum() - (last >= 0).sum()))
        some_row = np.maximum(some_row, last)
        sources.append(last)
    if repeated:
        if repeated > MOST_REPEATED * max(1, count):
            raise table.error(
                f"{repeated} of {count} steps hold a mode twice or more: several runs mixed in one "
                "log; keep the rows of one"
            )
        notes.append(
            f"Of repeated steps the last value was used. Left out: {repeated} of {rows.size} rows."
        )
    used = some_row >= 0
    return some_row[used], [last[used] for last in sources]


def _end(
    table: LogTable,
    found: Roles,
    t: Array,
    w: Array,
    sources: Sequence[Indices],
    notes: list[str],
) -> int:
    """The number of steps before a mode is NaN or infinite for good."""
    end = t.size
    for name, values, at in zip(found.modes, w, sources, strict=True):
        logged = np.flatnonzero(at >= 0)
        after = logged[np.flatnonzero(np.isfinite(values[logged]))[-1:]]  # the last finite value
        bad = logged[logged > after] if after.size else logged
        if bad.size:
            row, first = int(at[bad[0]]), int(bad[0])
            why = (
                f"column {name!r} is not finite from {found.time} {t[first]:g} on "
                f"({table.columns[name][row]} in {table.places[row]})"
            )
            if first < FEWEST_ROWS:
                raise table.error(f"{why}: too few rows before it to use")
            notes.append(f"{why[0].upper()}{why[1:]}: the rows before that were used.")
            end = min(end, first)
    for mode, step in np.argwhere(np.isinf(w[:, :end])):
        row = int(sources[mode][step])
        raise table.cell_error(row, found.modes[mode], f"must be finite: got {w[mode, step]:g}")
    return end


def _complete(table: LogTable, found: Roles, w: Array, notes: list[str]) -> Indices:
    """The steps at which all modes are there, if those are not too few."""
    there = np.isfinite(w)
    used = np.flatnonzero(there.all(axis=0))
    steps = w.shape[1]
    if used.size < FEWEST_COMPLETE * steps:
        rare = int(there.sum(axis=1).argmin())
        raise table.error(
            f"column {found.modes[rare]!r} is logged at {int(there[rare].sum())} of {steps} steps "
            f"with modes, and all modes at {used.size}: choose columns that are logged together "
            "with columns= (--columns)"
        )
    if used.size < steps:
        notes.append(f"Left out: {steps - used.size} of {steps} steps, which lack a mode.")
    return used

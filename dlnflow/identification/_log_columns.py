"""What the columns of a training log hold: its clock, learning rates, modes, or something else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from dlnflow.data._files import listed
from dlnflow.identification._log_table import LogTable

# Names are compared in lower case. Of several counts of steps the first is the clock.
GLOBAL_STEPS = ("trainer/global_step", "global_step")
LOG_CALLS = "_step"  # W&B's count of calls
STEPS = (*GLOBAL_STEPS, "step", "steps", "iteration", "iter", LOG_CALLS)
EPOCHS = ("epoch",)
TIMES = ("t", "time")
RUNS = ("objective", "run", "run_id", "run_name", "seed", "trial", "experiment")

RATE = re.compile(r"(?:lr|learning[ _-]?rate)(?:[-_ ].*)?")  # a part of a name between slashes
NAMED = (  # columns that hold no mode; searched for in the whole name
    (re.compile(r"loss(?:es)?(?:$|[_/ .-])"), "a loss"),
    (re.compile(r"^val(?:id|idation)?[_/ .-]"), "of the validation"),
    (re.compile(r"(?:^|[_/ .-])(?:acc|accuracy)(?:$|[_/ .-])"), "an accuracy"),
    (re.compile(r"grad.*norm"), "a gradient's norm"),
    (re.compile(r"(weight|param).*norm"), "a norm of the weights"),
    (re.compile(r"(?:^|/)epochs?$"), "the epoch"),
    (
        re.compile(
            r"(?:^|/)(?:t|_?(?:\w+[ _])?(?:time|timestamp|runtime|walltime|elapsed|duration))"
            r"(?: \(.*\))?$"
        ),
        "a time, not the clock of training",
    ),
    (
        re.compile(r"(?:^|/)(?:seed|batch(?:_idx|_size)?|weight_decay|momentum)$"),
        "a setting of the training",
    ),
)
UNNAMED = re.compile(r"Unnamed: \d+")  # an index that pandas wrote
WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
LIKE_A_NUMBER = re.compile(r"[+-]?\.?\d(?!\d{3}-\d\d-\d\d)", re.ASCII)  # but no date
NOT_FINITE = re.compile(r"[+-]?(?:nan|inf(?:inity)?)", re.IGNORECASE)
FEWEST_COUNTS = 3  # whole numbers in a row that show a count of rows
NOT_CHOSEN = "not among the columns chosen"

Aside = tuple[tuple[str, str], ...]  # columns that are no modes, each with the reason


@dataclass(frozen=True)
class Roles:
    """What the columns of a log hold.

    ``counts`` says what the column ``time`` counts: ``"steps"``, ``"epochs"``, ``"time"`` on the
    paper's clock, or ``"unknown"``.
    """

    time: str
    counts: str
    rates: tuple[str, ...]
    modes: tuple[str, ...]
    set_aside: Aside


def metric(name: str) -> str:
    """A column's quantity, in lower case: without the run that W&B and TensorBoard put first."""
    return re.sub(r"^run-.*-tag-", "", name.casefold().split(" - ")[-1])


def roles(table: LogTable, columns: Sequence[str] | None, time: str | None) -> Roles:
    """The roles of all columns; ``columns`` and ``time`` are those that the user chose."""
    clock = _clock(table, columns or (), time)
    reasons = {} if columns is None else dict.fromkeys(table.columns, NOT_CHOSEN)
    rates = []
    for name in table.columns:
        if name == clock or name in (columns or ()):
            reasons.pop(name, None)
        elif is_rate(name) and table.filled(name).any():
            rates.append(name)
            reasons.pop(name, None)
        elif reason := _reason(table, name, columns is None):
            reasons[name] = reason
    others = [name for name in table.columns if name not in {clock, *rates, *reasons}]
    modes = others if columns is None else columns
    return Roles(clock, _counts(clock), tuple(rates), tuple(modes), tuple(reasons.items()))


def is_rate(name: str) -> bool:
    """Whether a column's name says that it holds learning rates."""
    return any(RATE.fullmatch(part) for part in metric(name).split("/"))


def _counts(clock: str) -> str:
    """What a column of times counts."""
    known = {"steps": STEPS, "epochs": EPOCHS, "time": TIMES}
    return next((kind for kind, names in known.items() if metric(clock) in names), "unknown")


def _clock(table: LogTable, chosen: Sequence[str], time: str | None) -> str:
    """The column that the user named, else the one of training steps, times or epochs."""
    if time is not None:
        if time not in table.columns:
            raise table.error(f"time must name a column: got {time!r} (found: {_found(table)})")
        if time in chosen:
            raise table.error(f"columns must leave out the column of times: got {time!r}")
        return time
    free = [name for name in table.columns if name not in chosen]
    steps = sorted(
        (name for name in free if metric(name) in STEPS), key=lambda one: STEPS.index(metric(one))
    )
    apart = [
        name
        for name in steps[1:]
        if metric(steps[0]) not in GLOBAL_STEPS
        and metric(name) != LOG_CALLS
        and table.columns[name] != table.columns[steps[0]]
    ]
    rivals = [name for name in free if metric(name) in (("t",) if steps else (*TIMES, *EPOCHS))]
    candidates = [*steps[:1], *apart, *rivals]
    if len(candidates) > 1:
        raise table.error(
            f"several columns may be the time: {listed(candidates)}; choose one with time= (--time)"
        )
    if not candidates:
        raise table.error(
            f"no column of times, named {listed((*TIMES, 'step', 'iteration', 'epoch'))}, among "
            f"{_found(table)}; choose one with time= (--time)"
        )
    return candidates[0]


def _found(table: LogTable) -> str:
    return listed(table.columns)


def _reason(table: LogTable, name: str, by_shape: bool) -> str | None:
    """Why a column is certainly no mode, by its name or by its cells."""
    base = re.sub(r"__(?:MIN|MAX)$", "", name)
    if base != name and base in table.columns:
        return f"the range of column {base!r}"
    if name.endswith("_epoch") and f"{name.removesuffix('_epoch')}_step" in table.columns:
        return f"the epoch's mean of column {name.removesuffix('_epoch') + '_step'!r}"
    if metric(name) in STEPS:
        return "another count of steps"
    if metric(name) in RUNS:
        return "the run" if _names_runs(name, table.columns[name]) else "a loss"
    named = (reason for pattern, reason in NAMED if pattern.search(metric(name)))
    return next(named, None) or (_by_shape(table, name) if by_shape else None)


def _by_shape(table: LogTable, name: str) -> str | None:
    """Why the cells of a column are certainly no amplitudes."""
    cells = [cell for cell in table.columns[name] if cell]
    if not cells:
        return "no value in any row"
    if all(map(NOT_FINITE.fullmatch, cells)):
        return "no finite number in any row"
    if not any(map(_like_a_number, cells)):
        return "text"
    whole = [int(cell) for cell in cells if WHOLE.fullmatch(cell)]
    steps = {after - before for before, after in pairwise(whole)}
    if len(whole) == len(cells):
        if UNNAMED.fullmatch(name) and min(steps, default=1) > 0:
            return "the index of the rows"
        if steps == {0}:
            return "the same whole number in every row"
        if len(cells) >= FEWEST_COUNTS and len(steps) == 1 and min(steps) > 0:
            return "a count of rows"
    if UNNAMED.fullmatch(name):
        raise table.error(
            f"column {name!r} has no name: name it, or choose the modes with columns= (--columns)"
        )
    return None


def _like_a_number(cell: str) -> bool:
    """Whether a cell is meant as a number, even if it cannot be read as one."""
    return bool(LIKE_A_NUMBER.match(cell) or NOT_FINITE.fullmatch(cell))


def one_run(table: LogTable, run: str | None, columns: Sequence[str] | None) -> LogTable:
    """The rows or columns of one run; refused if the log holds several and none is chosen."""
    held = {
        name: list(dict.fromkeys(filter(None, cells)))
        for name, cells in table.columns.items()
        if _names_runs(name, cells) and name not in (columns or ())
    }
    prefixes = {} if columns else _prefixes(table)
    if run is not None:
        by = [name for name, runs in held.items() if run in runs]
        if by:
            rows = [row for row, cell in enumerate(table.columns[by[0]]) if cell == run]
            return one_run(table.rows(rows), None, columns)
        if run in prefixes:
            others = [name for one, names in prefixes.items() if one != run for name in names]
            return table.without(others)
        found = [*prefixes, *(one for several in held.values() for one in several)]
        if found:
            raise table.error(f"has no run {run!r} (found: {listed(found)})")
        raise table.error(
            f"run must be left out, as no column names runs ({listed(RUNS)}): got {run!r}"
        )
    for runs in (*held.values(), list(prefixes)):
        if len(runs) > 1:
            raise table.error(f"holds runs of {listed(runs)}: choose one with run= (--run)")
    return table


def _names_runs(name: str, cells: Sequence[str]) -> bool:
    """Whether a column names runs; an objective in numbers is a loss."""
    loss = metric(name) == "objective" and any(map(_like_a_number, cells))
    return metric(name) in RUNS and not loss


def _prefixes(table: LogTable) -> dict[str, list[str]]:
    """The columns of each run in an export of W&B, which has a column of minima beside each."""
    runs: dict[str, list[str]] = {}
    for name in table.columns:
        base = re.sub(r"__(?:MIN|MAX)$", "", name)
        if f"{base}__MIN" in table.columns and " - " in base:
            runs.setdefault(base.split(" - ")[0], []).append(name)
    return runs


def each_mode(table: LogTable) -> tuple[dict[str, LogTable], Aside]:
    """A table for each mode of a log with columns ``mode`` and ``w``, a row for each measurement.

    Columns that are neither clocks nor learning rates are set aside.
    """
    clocks = (*STEPS, *EPOCHS, *TIMES)
    kept = [name for name in table.columns if metric(name) in clocks or is_rate(name)]
    rows: dict[str, list[int]] = {}
    for row, mode in enumerate(table.columns["mode"]):
        if mode in ("", *kept):
            raise table.cell_error(row, "mode", f"must name a mode: got {mode!r}")
        rows.setdefault(mode, []).append(row)
    parts = {}
    for mode, chosen in rows.items():
        part = table.rows(chosen)
        columns = {name: part.columns[name] for name in kept} | {mode: part.columns["w"]}
        parts[mode] = replace(part, columns=columns)
    aside = [name for name in table.columns if name not in (*kept, "mode", "w")]
    return parts, tuple((name, "beside mode and w") for name in aside)

"""Reads training logs: amplitudes of modes over training steps, with what the steps count."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dlnflow._common import _validate
from dlnflow._common._frozen import read_only_copy, set_fields
from dlnflow.data._files import FileError, listed
from dlnflow.identification._identify import identify
from dlnflow.identification._log_clock import clock_of
from dlnflow.identification._log_columns import Aside, each_mode, one_run, roles
from dlnflow.identification._log_rows import FEWEST_ROWS, LogCurves, curves
from dlnflow.identification._log_table import LogTable, tables
from dlnflow.identification._result import Identification
from dlnflow.theory._clock import Clock, Training
from dlnflow.theory._clock import label as clock_label

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
SHOWN = 6  # modes named in the repr
PROBED = re.compile(r"(?:^|[_/ .-])(?:r2|r_squared|probe)(?:$|[_/ .-])")


@dataclass(frozen=True, eq=False, repr=False)
class TrainingLog:
    """Curves of modes from a training log: an immutable record, made by `dlnflow.read_log`.

    Attributes
    ----------
    t : array, shape (times,)
        Rising times: training steps, or what ``clock`` says.
    w : array, shape (modes, times)
        The modes.
    names : tuple of str
        Name of each mode in the log.
    clock : {"paper", "network", "unknown"} or Training
        The unit of ``t``, as `dlnflow.identify` takes it.
    set_aside : tuple of (str, str)
        Columns that were not read as modes, each with the reason.
    notes : tuple of str
        What was done: which column is the time, which rows were left out.
    """

    t: Array
    w: Array
    names: tuple[str, ...]
    clock: Clock
    set_aside: Aside
    notes: tuple[str, ...]

    def __setstate__(self, state: dict[str, Any]) -> None:
        set_fields(self, state)

    def identify(self, **options: Any) -> Identification:
        """The network that best explains these curves.

        Parameters
        ----------
        **options
            Arguments of `dlnflow.identify` other than ``t`` and ``w``. ``clock`` and ``names`` are
            those of the log unless given.

        Returns
        -------
        Identification
        """
        return identify(self.t, self.w, **{"clock": self.clock, "names": self.names, **options})

    def __repr__(self) -> str:
        modes, more = len(self.names), len(self.names) - SHOWN
        return "\n".join(
            [
                f"TrainingLog: {modes} mode{'s' * (modes > 1)}, {self.t.size} times from "
                f"{self.t[0]:.6g} to {self.t[-1]:.6g} ({clock_label(self.clock)})",
                f"  modes: {listed(self.names[:SHOWN])}" + f" and {more} more" * (more > 0),
                *(f"  {note}" for note in (*self.aside_in_words(), *self.notes)),
            ]
        )

    def aside_in_words(self) -> tuple[str, ...]:
        """A sentence that names the columns set aside with their reasons, if there are any."""
        if not self.set_aside:
            return ()
        return (f"Set aside: {_reasons(self.set_aside)}.",)


def read_log(
    source: str | PathLike[str] | Sequence[str | PathLike[str]] | pd.DataFrame,
    *,
    columns: Sequence[str] | None = None,
    time: str | None = None,
    lr: float | None = None,
    loss: str = "half-sum",
    outputs: int | None = None,
    run: str | None = None,
) -> TrainingLog:
    """Read the modes of a training log, with what its time counts.

    Parameters
    ----------
    source : path, list of paths, or pandas.DataFrame
        A CSV file in which columns are modes; several files with one mode each; or a table. A
        frame's index is read if it has a name.
    columns : sequence of str, optional
        The columns that are modes. By default all but those that are certainly none.
    time : str, optional
        The column of times. By default a column of training steps (``step``, ``iteration``,
        ``trainer/global_step`` ...), of times on the paper's clock (``t``, ``time``), or ``epoch``.
    lr : float, optional
        Learning rate of the training: the column of times then counts training steps.
    loss, outputs
        How the training loss reduces the squared error, as for `dlnflow.Training`.
    run : str, optional
        The run to read from a log with several: a value of a column such as ``objective``, ``run``
        or ``seed``, or the run's name before the names of its columns.

    Returns
    -------
    TrainingLog
        ``t``, ``w``, ``names``, ``clock``, ``set_aside``, ``notes``, ``identify()``.

    Raises
    ------
    ValueError
        If the log has no modes or no time, fewer than two rows, or several runs; if a cell that is
        needed is no number; if the separator or the decimal sign is ambiguous; if a name is not in
        the log; if a learning rate is missing for ``loss``. The message names the file and, where
        there is one, the line and the column.
    TypeError
        If an argument has another type.
    OSError
        If a file cannot be opened.

    Notes
    -----
    Understood are exports of TensorBoard (``Wall time,Step,Value``) and Weights & Biases, the CSV
    loggers of Lightning and Keras, and what ``dlnflow simulate --format csv`` writes; with commas,
    semicolons or tabs between columns.

    Steps are never read as time on the paper's clock. With ``lr`` they are a `dlnflow.Training`
    clock. With a column of learning rates, ``t`` is the sum of the rates, on the network clock.
    With neither the clock is unknown.

    Examples
    --------
    >>> import dlnflow
    >>> import pandas as pd
    >>> t = [0.0, 400.0, 500.0, 600.0, 900.0]
    >>> w = dlnflow.amplitude(t, 1.0, 0.8, 2, eps=0.01, clock=dlnflow.Training(lr=0.1))
    >>> frame = pd.DataFrame({"step": t, "mode_0": w, "loss": [0.5, 0.4, 0.3, 0.2, 0.2]})
    >>> dlnflow.read_log(frame, lr=0.1)
    TrainingLog: 1 mode, 5 times from 0 to 900 (training steps)
      modes: mode_0
      Set aside: loss (a loss).
      Column 'step' counts training steps of learning rate 0.1 and loss 'half-sum'.
    """
    for name, value in (("time", time), ("run", run)):
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{name} must be a str: got {_validate.described(value)}")
    unit = Training(1.0 if lr is None else lr, loss, outputs)
    logs, aside = _logs(tables(source), _names(columns), time, run)
    joined = _joined(logs, aside)
    rates = [rate for log in logs for rate in log.rates]
    timed = clock_of(joined, rates, unit, lr is not None)
    if timed.t.size < FEWEST_ROWS:
        raise FileError(
            f"{joined.label}: modes must be there at {FEWEST_ROWS} times or more: got "
            f"{timed.t.size}"
        )
    only = [] if run is None else [f"Only the run {run!r} was read."]
    if of_probe := [name for name in joined.names if PROBED.search(name.casefold())]:
        only.append(
            f"Columns that may be R2 of a probe are read as amplitudes: {listed(of_probe)}. If "
            "they are R2, give measure='probe' to identify (--measure probe)."
        )
    return TrainingLog(
        read_only_copy(timed.t),
        read_only_copy(joined.w[:, timed.used]),
        joined.names,
        timed.clock,
        tuple(dict.fromkeys((*joined.set_aside, *timed.set_aside))),
        (*only, *timed.notes, *joined.notes),
    )


def _names(columns: Any) -> list[str] | None:
    """The names of the columns chosen."""
    if columns is None:
        return None
    names = [columns] if isinstance(columns, str) else columns
    if not (isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)):
        raise TypeError(f"columns must be names of columns: got {_validate.described(columns)}")
    if not names:
        raise ValueError("columns must name at least one column: got none")
    if len(set(names)) < len(names):
        raise ValueError(f"columns must be named once each: got {listed(names)}")
    return list(names)


def _logs(
    found: list[LogTable], columns: list[str] | None, time: str | None, run: str | None
) -> tuple[list[LogCurves], Aside]:
    """The curves of each file, or of each mode where it has a row for each measurement."""
    parts: list[tuple[LogTable, list[str] | None]] = []
    aside: Aside = ()
    for whole in found:
        table = one_run(whole, run, columns)
        if {"mode", "w"} <= table.columns.keys():
            modes, beside = each_mode(table)
            parts += [(part, [mode]) for mode, part in modes.items()]
            aside += beside
        else:
            parts.append((table, None))
    if columns is not None:
        there = dict.fromkeys(name for table, _ in parts for name in table.columns)
        if missing := [name for name in columns if name not in there]:
            raise ValueError(
                f"columns must name columns of the log: got {listed(missing)} (found: "
                f"{listed(there)})"
            )
        parts = [(part, [name for name in columns if name in part.columns]) for part, _ in parts]
    return [curves(part, roles(part, chosen, time)) for part, chosen in parts], aside


def _joined(logs: list[LogCurves], aside: Aside) -> LogCurves:
    """The curves of all files or modes at the times that all of them have."""
    aside = tuple(dict.fromkeys((*aside, *(one for log in logs for one in log.set_aside))))
    several = len({log.label for log in logs}) > 1
    notes = [f"{log.stem}: {note}" if several else note for log in logs for note in log.notes]
    having = [log for log in logs if log.names]
    if not having:
        raise FileError(
            f"{logs[0].label}: no column of a mode ({_reasons(aside) or 'only a time'}); choose "
            "modes with columns= (--columns)"
        )
    first = having[0]
    if len(having) == 1:
        return replace(first, set_aside=aside, notes=tuple(dict.fromkeys(notes)))
    _refuse_different(having)
    t = reduce(np.intersect1d, (log.t for log in having))
    every = reduce(np.union1d, (log.t for log in having))
    if t.size < every.size:
        notes.append(
            f"Left out: {every.size - t.size} of {every.size} times, which not every mode has."
        )
    if t.size < FEWEST_ROWS:
        raise FileError(
            f"{first.label}: modes must have {FEWEST_ROWS} times or more in common: got {t.size} "
            f"of {every.size}"
        )
    w = np.concatenate([log.w[:, np.searchsorted(log.t, t)] for log in having])
    return replace(
        first, t=t, w=w, names=_different_names(having), set_aside=aside, notes=tuple(notes)
    )


def _refuse_different(logs: list[LogCurves]) -> None:
    """Refuse logs that are not one mode each, on one clock."""
    for log in logs:
        if len(log.names) > 1:
            raise FileError(
                f"{log.label}: several files must hold one mode each: got {listed(log.names)}; "
                "choose one with columns= (--columns), or read each file alone"
            )
        if log.counts != logs[0].counts:
            raise FileError(
                f"{log.label}: times must count the same in all files: got column {log.time!r} "
                f"here and {logs[0].time!r} in {logs[0].label}"
            )


def _different_names(logs: list[LogCurves]) -> tuple[str, ...]:
    """Names of the columns, of the files where those are equal, or their paths."""
    choices = [[log.names[0], log.stem, log.label] for log in logs]
    for names in zip(*choices, strict=True):
        if len(set(names)) == len(names):
            return names
    raise ValueError(f"source must hold each file once: got {listed(log.label for log in logs)}")


def _reasons(aside: Aside) -> str:
    """Columns set aside, with the reasons."""
    return ", ".join(f"{listed([name])} ({reason})" for name, reason in aside)

"""The clock of a training log: what its times count, and times from its learning rates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlnflow.identification._log_columns import Aside
from dlnflow.identification._log_rows import LogCurves, LogRate
from dlnflow.identification._validation import UNKNOWN
from dlnflow.theory._clock import Clock, Training

Array = NDArray[np.float64]

ONE_FACTOR = "lam is known up to one common factor"


class LogClock(NamedTuple):
    """Times of a log in units of ``clock``; ``used`` are the rows at which they rise."""

    t: Array
    used: NDArray[np.intp]
    clock: Clock
    notes: tuple[str, ...]
    set_aside: Aside


def clock_of(log: LogCurves, rates: Sequence[LogRate], unit: Training, lr_given: bool) -> LogClock:
    """The clock of the log's times.

    ``unit`` has the loss, and the learning rate if one was given.
    """
    everywhere = np.arange(log.t.size)
    if lr_given:
        if log.counts == "epochs":
            raise ValueError(
                "lr must be left out where the time is in epochs, since the number of steps in one "
                f"is not known: got {unit.lr:g} with column {log.time!r}"
            )
        note = (
            f"Column {log.time!r} counts training steps of learning rate {unit.lr:g} and loss "
            f"{unit.loss!r}."
        )
        aside = tuple(
            (rate.name, f"lr was given as {unit.lr:g}, and is {_span(rate)} here") for rate in rates
        )
        return LogClock(log.t, everywhere, unit, (note,), aside)
    usable = _distinct(rates) if log.counts in ("steps", "epochs") else []
    if len(usable) != 1 and (unit.loss != "half-sum" or unit.outputs is not None):
        raise ValueError(
            "loss and outputs must be left out without a learning rate for training steps, as lr "
            f"(--lr) or in a column: got loss={unit.loss!r}, outputs={unit.outputs}"
        )
    if len(usable) == 1:
        return _accumulated(log, usable[0], unit)
    reason = "several learning rates that differ" if usable else "a learning rate, not needed"
    aside = tuple((rate.name, reason) for rate in rates)
    clock = "paper" if log.counts == "time" else UNKNOWN
    return LogClock(log.t, everywhere, clock, (_unit_in_words(log),), aside)


def _unit_in_words(log: LogCurves) -> str:
    """What a column counts if no learning rate is known."""
    column = f"Column {log.time!r}"
    if log.counts == "time":
        return f"{column} is read as time on the paper's clock."
    if log.counts == "steps":
        return (
            f"{column} counts training steps of unknown learning rate: {ONE_FACTOR}, which lr= "
            "(--lr) would fix."
        )
    what = "epochs of an unknown number of steps" if log.counts == "epochs" else "an unknown unit"
    return f"{column} counts {what}: {ONE_FACTOR}."


def _accumulated(log: LogCurves, rate: LogRate, unit: Training) -> LogClock:
    """Time as the sum of the learning rate over steps; that of a row holds from the row before."""
    t = log.t
    knots = np.concatenate([[0.0], rate.steps])
    sums = np.concatenate([[0.0], np.cumsum(rate.lr * np.diff(knots))])
    beyond = np.maximum(t - knots[-1], 0.0) * rate.lr[-1]
    flow = (np.interp(t, knots, sums) + beyond) * unit.flow_time_per_step
    used = np.flatnonzero(np.diff(flow, prepend=-1.0) > 0.0)
    notes = [
        f"Column {log.time!r} counts {log.counts if log.counts == 'epochs' else 'training steps'}; "
        f"t is the sum over them of the learning rate in column {rate.name!r} ({_span(rate)}), "
        "where the rate of a row holds from the row before to it"
        f", times {unit.flow_time_per_step:g} for loss {unit.loss!r}."
    ]
    if log.counts == "epochs":
        notes.append(f"The number of steps in an epoch is unknown: {ONE_FACTOR}.")
    if used.size < t.size:
        notes.append(
            f"Left out: {t.size - used.size} of {t.size} times, before which the learning rate "
            "was 0."
        )
    clock = UNKNOWN if log.counts == "epochs" else "network"
    return LogClock(flow[used], used, clock, tuple(notes), ())


def _distinct(rates: Sequence[LogRate]) -> list[LogRate]:
    """One of each group of columns with the same rates."""
    found: list[LogRate] = []
    for rate in rates:
        if rate.lr.size and not any(
            np.array_equal(rate.steps, one.steps) and np.array_equal(rate.lr, one.lr)
            for one in found
        ):
            found.append(rate)
    return found


def _span(rate: LogRate) -> str:
    low, high = rate.lr.min(initial=np.inf), rate.lr.max(initial=0.0)
    return f"{high:g}" if low >= high else f"{low:g} to {high:g}"

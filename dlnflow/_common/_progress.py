"""Long work: progress shown, a time limit kept, nothing lost to an interrupt or an error."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import Any, TypeVar

from dlnflow._common import _validate

Report = bool | Callable[[float, str], None]
Made = TypeVar("Made")


class Stopped(Exception):
    """A part of the work ended early, and with it the whole."""


class Watch(AbstractContextManager["Watch"]):
    """Calls for progress, and says when to stop and why.

    An interrupt or an error ends the work without leaving the ``with`` block as an exception;
    `outcome` or `insist` raises the error afterwards, when what was reached has been put together.

    Parameters
    ----------
    progress : bool or callable
        True shows a bar on standard error; a callable is given the share done and a line of text.
    max_seconds : float or None
        After which `stopped` says so.
    every : float
        Seconds between two reports.
    """

    def __init__(self, progress: Report, max_seconds: float | None, *, every: float = 0.2) -> None:
        if not (isinstance(progress, bool) or callable(progress)):
            raise TypeError(f"progress must be True, False or a function: got {progress!r}")
        self.limit = float("inf")
        if max_seconds is not None:
            limit = _validate.single("max_seconds", _validate.positive("max_seconds", max_seconds))
            self.limit = float(limit)
        self.stopped: str | None = None
        self.error: Exception | None = None
        self.every = every
        self._progress = progress
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Watch:
        self.start = self._last = time.perf_counter()
        if self._progress is True:
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task("", total=1.0)
        return self

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.perf_counter() - self.start

    def goes_on(self, share: float, text: Callable[[], str]) -> bool:
        """Whether there is time left; reports now and then."""
        now = time.perf_counter()
        if now - self._last >= self.every:
            self._last = now
            self.report(share, text())
        if now - self.start > self.limit:
            self.stopped = f"max_seconds = {self.limit:g} ran out"
        return self.stopped is None

    def report(self, share: float, text: str) -> None:
        """Show how far it is."""
        if self._bar is not None:
            self._bar.update(self._task, completed=share, description=text)
        elif callable(self._progress):
            self._progress(share, text)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if self._bar is not None:
            self._bar.stop()
        if kind is KeyboardInterrupt:
            self.stopped = "interrupted"
        elif isinstance(error, Stopped):
            self.stopped = str(error)
        elif isinstance(error, Exception):
            self.error, self.stopped = error, f"{type(error).__name__}: {error}"
        elif kind is None and self.stopped is None:
            self._report_done()
        return kind is KeyboardInterrupt or isinstance(error, Exception)

    def _report_done(self) -> None:
        """The last report; whatever it raises, the work is complete."""
        try:
            with suppress(KeyboardInterrupt):
                self.report(1.0, "done")
        except Exception as error:
            self.error = error

    def insist(self, measured: Any) -> None:
        """Raise the error that ended the work, or stop after all if nothing has been measured."""
        if self.error is not None:
            raise self.error
        if not len(measured):
            raise KeyboardInterrupt if self.stopped == "interrupted" else RuntimeError(self.stopped)

    def outcome(self, name: str, measured: Any, make: Callable[[], Made]) -> Made:
        """What is made of what was measured, or, after an error, the error with that in it.

        Parameters
        ----------
        name : str
            The attribute of the error that carries what was made.
        measured : sized
            If there is nothing, there is nothing to carry or return.
        make : callable
        """
        if not len(measured):
            self.insist(measured)
        made = make()
        if self.error is None:
            return made
        vars(self.error)[name] = made
        self.error.add_note(f"what was reached before this is kept in the error's attribute {name}")
        raise self.error

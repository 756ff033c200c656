"""Long work: progress on screen, a time limit, and partial results after an interrupt or error."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from types import TracebackType
from typing import Any, TypeVar

from dlnflow._common import _validate

Show = Callable[[float, str], None]
ProgressOption = bool | Show
Made = TypeVar("Made")


@contextmanager
def bar(total: float | None, console: Any = None) -> Iterator[Show]:
    """A progress bar, to be called with the amount done and a line of text.

    Shown on standard error, or on ``console``, if that is a terminal or a notebook. The bar is
    removed at the end. Without a ``total`` it shows that something happens.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    screen = Console(stderr=True) if console is None else console
    if not (screen.is_terminal or screen.is_jupyter):
        yield lambda done, text: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True) as shown:
        task = shown.add_task("", total=total)
        yield lambda done, text: shown.update(task, completed=done, description=text)


class Stopped(Exception):
    """A part of the work ended early, so the whole work ends."""


class Progress(AbstractContextManager["Progress"]):
    """Reports progress, and records when and why the work stops early.

    An interrupt or an error ends the ``with`` block without an exception. `result` or
    `raise_error` raises the error afterwards, when the partial result has been put together.

    Parameters
    ----------
    progress : bool or callable
        True shows a bar on standard error. A callable gets the share done and a line of text.
    max_seconds : float or None
        Time limit, after which `update` returns False.
    every : float
        Seconds between two reports.
    """

    def __init__(
        self, progress: ProgressOption, max_seconds: float | None, *, every: float = 0.2
    ) -> None:
        if not (isinstance(progress, bool) or callable(progress)):
            raise TypeError(f"progress must be True, False or a function: got {progress!r}")
        self.limit = float("inf")
        if max_seconds is not None:
            self.limit = _validate.number("max_seconds", max_seconds, _validate.positive)
        self.stopped: str | None = None
        self.error: Exception | None = None
        self.every = every
        self._option = progress
        self._show: Show | None = None
        self._shown = ExitStack()

    def __enter__(self) -> Progress:
        self.start = self._last = time.perf_counter()
        if callable(self._option):
            self._show = self._option
        elif self._option:
            self._show = self._shown.enter_context(bar(1.0))
        return self

    @property
    def seconds(self) -> float:
        """Seconds since the work began."""
        return time.perf_counter() - self.start

    def update(self, share: float, text: Callable[[], str]) -> bool:
        """Report the share done, if the last report is old enough; return if there is time left."""
        now = time.perf_counter()
        if now - self._last >= self.every:
            self._last = now
            self.report(share, text())
        if now - self.start > self.limit:
            self.stopped = f"max_seconds = {self.limit:g} ran out"
        return self.stopped is None

    def report(self, share: float, text: str) -> None:
        """Report the share done at once."""
        if self._show is not None:
            self._show(share, text)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self._shown.close()
        if kind is KeyboardInterrupt:
            self.stopped = "interrupted"
        elif isinstance(error, Stopped):
            self.stopped = str(error)
        elif isinstance(error, Exception):
            self.error, self.stopped = error, f"{type(error).__name__}: {error}"
        elif kind is None and self.stopped is None and callable(self._option):
            self._report_done(self._option)
        return kind is KeyboardInterrupt or isinstance(error, Exception)

    def _report_done(self, show: Show) -> None:
        """Make the last report. The work is complete even if this raises an error."""
        try:
            with suppress(KeyboardInterrupt):
                show(1.0, "done")
        except Exception as error:
            self.error = error

    def raise_error(self, measured: Any) -> None:
        """Raise the error that ended the work; if nothing was measured, raise what stopped it."""
        if self.error is not None:
            raise self.error
        if not len(measured):
            raise KeyboardInterrupt if self.stopped == "interrupted" else RuntimeError(self.stopped)

    def result(self, name: str, measured: Any, make: Callable[[], Made]) -> Made:
        """Return ``make()``; after an error, raise the error with ``make()`` as an attribute.

        Parameters
        ----------
        name : str
            The attribute of the error that holds the partial result.
        measured : sized
            What has been measured. If it is empty there is no partial result.
        make : callable
        """
        if not len(measured):
            self.raise_error(measured)
        made = make()
        if self.error is None:
            return made
        vars(self.error)[name] = made
        self.error.add_note(f"the partial result is in the error's attribute {name}")
        raise self.error

"""Error messages, exit codes, and text for the user on standard error."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from dlnflow.cli._characters import use_plain_characters
from dlnflow.cli._reading import InputError
from dlnflow.data import FileError

EXIT_CODES = (
    "Exit codes: 0 done; 1 a finding: a verdict or a number changed, or a step does not hold "
    "(claims, derive --verify); 2 bad input, or an output that cannot be written; 70 an error in "
    "dlnflow itself; 130 interrupted; 141 nobody reads the output any more."
)
FINDING = 1
REFUSED = 2
NOBODY_READS = 141  # 128 + SIGPIPE, what a shell reports of any program in that case

# matches the library's own refusals only: "eps must be positive and finite: got -1"
REFUSAL = re.compile(r"\w.* must .*: got ", re.DOTALL)

# reasons why a stream cannot be written; errors of files carry the file's name
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

# some versions of Typer depend on Click, others have a copy; this finds the class in both
UsageError: Any = typer.BadParameter.__mro__[1]


class OneLineErrors(TyperGroup):
    """Commands that report bad input in one line on stderr and exit with code 2."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command line; also report standard output that cannot be written."""
        use_plain_characters()
        try:
            try:
                return super().main(*args, **options)
            finally:
                if sys.stdout is not None:
                    sys.stdout.flush()  # an error at the interpreter's exit could not be handled
        except (OSError, SystemExit) as error:
            # Typer and Rich exit with 1 on a closed pipe, but 1 means a finding here
            if isinstance(error, BrokenPipeError) or isinstance(error.__context__, BrokenPipeError):
                _discard(sys.stdout, sys.stderr)
                sys.exit(NOBODY_READS)
            if isinstance(error, SystemExit):
                raise
            if error.filename is not None or error.errno not in UNWRITABLE:
                raise
            _discard(sys.stdout)
            say(f"error: standard output: cannot be written: {error.strerror}")
            sys.exit(REFUSED)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the options that come before the command."""
        with _one_line():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Parse and run the command."""
        with _one_line():
            return super().invoke(ctx)


def _discard(*streams: Any) -> None:
    """Discard what the streams still hold, which would raise an error at the interpreter's exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        if stream is not None:
            os.dup2(null, stream.fileno())
    os.close(null)


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except (InputError, UsageError) as error:
        text = error.format_message() if isinstance(error, UsageError) else str(error)
        say("error: " + " ".join(text.split()))
        raise typer.Exit(REFUSED) from None


@contextmanager
def library_refusals() -> Iterator[None]:
    """Turn what the library says of arguments, files and missing packages into input errors."""
    try:
        yield
    except (TypeError, ValueError, ImportError) as error:
        text = str(error)
        missing = isinstance(error, ImportError) and "pip install" in text
        if not (missing or isinstance(error, FileError) or REFUSAL.match(text)):
            raise
        raise InputError(text) from None


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show a spinner on a terminal during the work."""
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


def say(text: str) -> None:
    """Print a text for the user on stderr."""
    if sys.stderr is not None:  # typer.echo would write UTF-8 even if the encoding is ASCII
        print(text, file=sys.stderr)

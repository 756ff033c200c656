"""How commands refuse bad input, and how they speak to the person rather than to the pipe."""

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

EXIT_CODES = (
    "Exit codes: 0 done; 1 a finding: a verdict or a number changed, or a step does not hold "
    "(claims, derive --verify); 2 bad input, or an output that cannot be written; 70 an error in "
    "dlnflow itself; 130 interrupted; 141 nobody reads the output any more."
)
FINDING = 1
REFUSED = 2
NOBODY_READS = 141  # 128 + SIGPIPE, what a shell reports of any program in that case

# the library's own refusals, "eps must be positive and finite: got -1", and nobody else's
REFUSAL = re.compile(r"\w.* must .*: got ", re.DOTALL)

# why a stream cannot be written; errors of files have the file's name, or are caught by `writing`
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

# Typer carries its own copy of Click or depends on Click, by version; both have it here
UsageError: Any = typer.BadParameter.__mro__[1]


class OneLineErrors(TyperGroup):
    """Commands that answer bad input with one line on stderr and exit code 2."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command line; standard output that cannot be written to is refused, too."""
        use_plain_characters()
        try:
            try:
                return super().main(*args, **options)
            finally:
                if sys.stdout is not None:
                    sys.stdout.flush()  # when the interpreter ends it would be too late
        except (OSError, SystemExit) as error:
            # Typer and Rich exit with 1 where nobody reads on, which is no finding
            if isinstance(error, BrokenPipeError) or isinstance(error.__context__, BrokenPipeError):
                _let_go_of(sys.stdout, sys.stderr)
                sys.exit(NOBODY_READS)
            if isinstance(error, SystemExit):
                raise
            if error.filename is not None or error.errno not in UNWRITABLE:
                raise
            _let_go_of(sys.stdout)
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


def _let_go_of(*streams: Any) -> None:
    """Send what the streams still hold nowhere, or the interpreter complains at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        if stream is not None:
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


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
    """The library's refusals of an argument as input errors; a bug keeps its traceback."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if not REFUSAL.match(str(error)):
            raise
        raise InputError(str(error)) from None


@contextmanager
def working(what: str) -> Iterator[None]:
    """A sign of life on a terminal while the work lasts."""
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


def say(text: str) -> None:
    """Tell the person, on stderr."""
    if sys.stderr is not None:  # typer.echo would write UTF-8 where the encoding is ASCII
        print(text, file=sys.stderr)

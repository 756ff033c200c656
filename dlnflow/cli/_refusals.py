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

from dlnflow.cli._reading import InputError

# the library's own refusals, "eps must be positive and finite: got -1", and nobody else's
REFUSAL = re.compile(r"\w.* must .*: got ", re.DOTALL)

# why a stream cannot be written; errors of files have the file's name, or are caught by `writing`
UNWRITABLE = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

# Typer carries its own copy of Click or depends on Click, by version; both have it here
UsageError: Any = typer.BadParameter.__mro__[1]


class OneLineErrors(TyperGroup):
    """Commands that answer bad input with one line on stderr and exit code 2."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command line; standard output that cannot be written to is refused, too."""
        try:
            try:
                return super().main(*args, **options)
            finally:
                if sys.stdout is not None:
                    sys.stdout.flush()  # when the interpreter ends it would be too late
        except OSError as error:
            if error.filename is not None or error.errno not in UNWRITABLE:
                raise
            _let_go_of_output()
            if error.errno == errno.EPIPE:  # nobody reads on, which is no mistake
                sys.exit(1)
            say(f"error: standard output: cannot be written: {error.strerror}")
            sys.exit(2)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the options that come before the command."""
        with _one_line():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Parse and run the command."""
        with _one_line():
            return super().invoke(ctx)


def _let_go_of_output() -> None:
    """Send what standard output still holds nowhere, or the interpreter complains at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except (InputError, UsageError) as error:
        text = error.format_message() if isinstance(error, UsageError) else str(error)
        say("error: " + " ".join(text.split()))
        raise typer.Exit(2) from None


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
    typer.echo(text, err=True)

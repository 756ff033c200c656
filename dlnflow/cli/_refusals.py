"""How commands refuse bad input, and how they speak to the person rather than to the pipe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from dlnflow.cli._reading import InputError

# the library's own refusals, "eps must be positive and finite: got -1", and nobody else's
REFUSAL = re.compile(r"\w.* must .*: got ", re.DOTALL)

# Typer carries its own copy of Click or depends on Click, by version; both have it here
UsageError: Any = typer.BadParameter.__mro__[1]


class OneLineErrors(TyperGroup):
    """Commands that answer bad input with one line on stderr and exit code 2."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the options that come before the command."""
        with _one_line():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Parse and run the command."""
        with _one_line():
            return super().invoke(ctx)


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

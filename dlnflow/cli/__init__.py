"""The ``dlnflow`` command."""

from dlnflow.cli._app import app, main

__all__ = ["app", "main"]

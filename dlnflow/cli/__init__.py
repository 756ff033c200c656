"""The ``dlnflow`` command."""

from dlnflow.cli._app import app
from dlnflow_command import main

__all__ = ["app", "main"]

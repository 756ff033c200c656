"""The first step of the ``dlnflow`` command.

It stands outside the package: ``import dlnflow`` loads NumPy, and an interrupt in the middle of
that would show a traceback. Here everything heavy is imported inside the guard.
"""

import os
import sys
from typing import Any, NoReturn

INTERNAL_ERROR = 70  # EX_SOFTWARE of sysexits.h; Python's own 1 would read as a finding
INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def main() -> NoReturn:
    """Run the command line and end the process, quietly with exit code 130 after an interrupt."""
    ours = False
    try:
        import signal

        ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else it is ignored
        sys.unraisablehook = _unraisable
        if ours:  # an exception might be swallowed, or printed, by a library that is being imported
            signal.signal(signal.SIGINT, _leave)
        from dlnflow.cli._app import app

        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        app(prog_name="dlnflow")
        sys.exit()
    except BaseException as error:
        if _interrupted(error):
            sys.exit(INTERRUPTED)
        if isinstance(error, SystemExit):
            raise
        import traceback

        traceback.print_exc()
        sys.exit(INTERNAL_ERROR)
    finally:
        if ours:  # what is left is the interpreter's own end
            signal.signal(signal.SIGINT, _leave)


def _leave(*_: Any) -> NoReturn:
    os._exit(INTERRUPTED)


def _unraisable(problem: Any) -> None:
    """End the process after an interrupt that Python would print and forget, in a destructor."""
    if issubclass(problem.exc_type, KeyboardInterrupt):
        _leave()
    sys.__unraisablehook__(problem)


def _interrupted(error: BaseException | None) -> bool:
    """Whether an interrupt is at the root, though a library may have raised its own error."""
    while error is not None and not isinstance(error, SystemExit):
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False

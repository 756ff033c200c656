"""Entry point of the ``dlnflow`` command and of ``python -m dlnflow``.

It is outside the package because ``import dlnflow`` loads NumPy, and an interrupt during that
import would print a traceback; here the package is imported inside the guard.
"""

import os
import sys
from typing import Any, NoReturn

INTERNAL_ERROR = 70  # EX_SOFTWARE of sysexits.h; Python's own 1 would read as a finding
INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def main() -> NoReturn:
    """Run the command line and end the process; after an interrupt with exit code 130, silently."""
    ours = False
    try:
        import signal

        # with another handler, interrupts are ignored or belong to the caller
        ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        sys.unraisablehook = _unraisable
        if ours:  # a library that is being imported might catch or print an exception
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
        if ours:  # an exception while the interpreter shuts down would be printed
            signal.signal(signal.SIGINT, _leave)


def _leave(*_: Any) -> NoReturn:
    os._exit(INTERRUPTED)


def _unraisable(problem: Any) -> None:
    """End the process after an interrupt in a destructor, which Python would print and ignore."""
    if issubclass(problem.exc_type, KeyboardInterrupt):
        _leave()
    sys.__unraisablehook__(problem)


def _interrupted(error: BaseException | None) -> bool:
    """Whether an interrupt caused the error, which may be a library's own."""
    while error is not None and not isinstance(error, SystemExit):
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False

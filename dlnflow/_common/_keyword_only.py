"""Arguments that were positional once, and are accepted so for a while, with a warning."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

Args = ParamSpec("Args")
Result = TypeVar("Result")


def positional_until_removed(
    places: int, *names: str
) -> Callable[[Callable[Args, Result]], Callable[Args, Result]]:
    """Accept the keyword-only arguments ``names`` as positional ones after the first ``places``.

    Warns
    -----
    DeprecationWarning
        If one is given by its place.
    """

    def decorate(function: Callable[Args, Result]) -> Callable[Args, Result]:
        @wraps(function)
        def accepting(*args: Args.args, **kwargs: Args.kwargs) -> Result:
            given = dict(zip(names, args[places:], strict=False))
            if not given or len(args) > places + len(names) or given.keys() & kwargs.keys():
                return function(*args, **kwargs)
            example = ", ".join(f"{name}=..." for name in given)
            warnings.warn(
                f"{function.__name__} takes {' and '.join(given)} by name: write {example}",
                DeprecationWarning,
                stacklevel=2,
            )
            return function(*args[:places], **kwargs, **given)  # type: ignore[arg-type]

        return accepting

    return decorate

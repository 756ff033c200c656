"""Arrays closed to writing: what immutable records hold."""

from __future__ import annotations

from typing import Any

import numpy as np


def closed(array: Any) -> Any:
    """The array itself, closed to writing, of which nobody else may hold a view."""
    array.flags.writeable = False
    return array


def closed_copy(array: Any) -> Any:
    """A copy of someone else's array, closed to writing."""
    return closed(np.array(array))


def close_again(record: Any, state: dict[str, Any]) -> None:
    """Fill an unpickled record, its arrays closed as they were."""
    for name, value in state.items():
        object.__setattr__(record, name, closed(value) if isinstance(value, np.ndarray) else value)

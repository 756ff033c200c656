"""Read-only arrays, which immutable records hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def read_only(array: Any) -> Any:
    """The same array, made read-only. Use it for arrays of which nobody else holds a view."""
    array.flags.writeable = False
    return array


def read_only_copy(array: Any) -> Any:
    """A read-only copy."""
    return read_only(np.array(array))


def set_fields(record: Any, values: Mapping[str, Any], *, copy: bool = False) -> None:
    """Set fields of a frozen record. Arrays become read-only, or read-only copies.

    Without ``copy`` it serves as ``__setstate__``: pickle forgets that arrays are read-only.
    """
    change = read_only_copy if copy else read_only
    for name, value in values.items():
        kept = change(value) if isinstance(value, np.ndarray) else value
        object.__setattr__(record, name, kept)

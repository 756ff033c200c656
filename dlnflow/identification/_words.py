"""Small phrases that messages have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NAMED = 4  # candidates or modes listed by name


def counted(modes: Iterable[int]) -> str:
    """``mode 1``, or ``modes 0, 2``, the first few by name."""
    names = [str(one) for one in modes]
    return f"mode{'s' if len(names) > 1 else ''} {listed(names)}"


def listed(names: Sequence[str]) -> str:
    """The first few of some names, and how many more there are."""
    shown = ", ".join(names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"

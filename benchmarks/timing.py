"""Ratios of times, measured so that a noisy machine does little harm."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple


class Finding(NamedTuple):
    """One line of the report."""

    question: str
    figure: float
    allowed: float
    larger_is_better: bool = False

    @property
    def met(self) -> bool:
        if self.larger_is_better:
            return self.figure >= self.allowed
        return self.figure <= self.allowed


def median_seconds(*actions: Callable[[], object], repeats: int) -> list[float]:
    """The median time of each action, all of them taken in turn."""
    times: list[list[float]] = [[] for _ in actions]
    for action in actions:
        action()
    gc.disable()
    try:
        for _ in range(repeats):
            for index, action in enumerate(actions):
                start = time.perf_counter()
                action()
                times[index].append(time.perf_counter() - start)
    finally:
        gc.enable()
    return [statistics.median(each) for each in times]

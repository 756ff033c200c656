"""Seconds that recomputing every claim of the paper takes, quickly and in full."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.timing import Finding
from dlnflow import claims


def findings() -> Iterator[Finding]:
    for quick, allowed in ((True, 60), (False, 900)):
        report = claims.run(quick=quick)
        words = "quick" if quick else "full"
        seconds = sum(one.seconds for one in report.values())
        yield Finding(f"all claims, {words}, in seconds", seconds, allowed)
        yield Finding(f"verdicts among these that changed, {words}", len(report.changed), 0)

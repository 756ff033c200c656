"""`amplitude` of xarray's labelled arrays against the same call of plain ones, a million points."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

import dlnflow
from benchmarks.timing import Finding, median_seconds


def findings() -> Iterator[Finding]:
    lam, t = np.linspace(1.0, 2.0, 1000), np.linspace(0.0, 2e4, 1000)
    labelled = [
        xr.DataArray(values, coords={name: values}, dims=name)
        for name, values in (("t", t), ("lam", lam))
    ]
    plain, ours = median_seconds(
        lambda: dlnflow.amplitude(t[:, None], lam, 0.5, 2),
        lambda: dlnflow.amplitude(*labelled, 0.5, 2),
        repeats=25,
    )
    yield Finding("amplitude of xarray / of arrays, a million points", ours / plain, 1.1)

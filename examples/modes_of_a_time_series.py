"""Modes of an electroencephalogram, predicted in one or both directions of time.

``eeg.dat`` ships with Matplotlib: four channels of an electroencephalogram, 800 samples over ten
seconds, each channel of mean 0 and variance 1. The context is the present, and the target is one
sample (12.5 ms) later. The features are the four channels, or windows of eight samples of each (32
features).

Neighbouring samples are alike, so half a second counts as one sample in the standard errors.

Predicting the future from the past alone gives an asymmetric ``sigma_yx``, which the theory does
not cover. Predicting the past from the future as well makes it symmetric.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from _data_report import Pairs, report
from _network_report import folder
from matplotlib.cbook import get_sample_data

CHANNELS, HALF_A_SECOND = 4, 40


def recording() -> np.ndarray:
    """Samples x channels."""
    with get_sample_data("eeg.dat") as file:
        return np.frombuffer(file.read()).reshape(-1, CHANNELS)


def windows(series: np.ndarray, length: int) -> np.ndarray:
    """Windows of consecutive samples, one starting at each, flattened."""
    every = np.lib.stride_tricks.sliding_window_view(series, length, axis=0)
    return every.reshape(len(every), -1)


def both_ways(now: np.ndarray, later: np.ndarray) -> Pairs:
    """Every pair in both directions of time, the two next to each other."""
    x, y = (np.stack(pair, axis=1) for pair in ((now, later), (later, now)))
    width = now.shape[1]
    return Pairs(x.reshape(-1, width), y.reshape(-1, width), block=2 * HALF_A_SECOND)


def main(into: Path) -> None:
    series = recording()
    longer = windows(series, 8)
    cases = {
        "four channels, the future from the past": Pairs(series[:-1], series[1:], HALF_A_SECOND),
        "windows, the future from the past": Pairs(longer[:-1], longer[1:], HALF_A_SECOND),
        "windows, in both directions of time": both_ways(longer[:-1], longer[1:]),
    }
    report(cases, into, "modes_of_a_time_series", modes=4, L=2, eps=1e-2)


if __name__ == "__main__":
    main(folder())

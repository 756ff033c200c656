"""What is learned first from an electroencephalogram, predicted in one or both directions of time.

``eeg.dat`` ships with Matplotlib: four channels of an electroencephalogram, 800 samples over ten
seconds, each channel of mean 0 and variance 1. The context is the present, and the target is one
sample (12.5 ms) later. The features are the four channels, or windows of eight samples of each.

Predicting the future from the past alone gives an asymmetric ``sigma_yx``, and for the windows the
verdict is that the prediction does not hold. Predicting the past from the future as well makes it
symmetric. Neighbouring samples are alike, so half a second counts as one sample in the standard
errors.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from _data_report import report
from _network_report import folder
from matplotlib.cbook import get_sample_data

from dlnflow import Spectrum

CHANNELS, HALF_A_SECOND = 4, 40


def recording() -> np.ndarray:
    """Samples x channels."""
    with get_sample_data("eeg.dat") as file:
        return np.frombuffer(file.read()).reshape(-1, CHANNELS)


def windows(series: np.ndarray, length: int) -> np.ndarray:
    """Windows of consecutive samples, one starting at each, flattened."""
    every = np.lib.stride_tricks.sliding_window_view(series, length, axis=0)
    return every.reshape(len(every), -1)


def forward(series: np.ndarray) -> Spectrum:
    """Modes of the future predicted from the past."""
    return Spectrum.from_samples(series[:-1], series[1:], errors="asymptotic", block=HALF_A_SECOND)


def both_ways(series: np.ndarray) -> Spectrum:
    """Modes of every pair in both directions of time, the two next to each other."""
    pairs = np.stack([series[:-1], series[1:]], axis=1)
    x, y = (some.reshape(-1, series.shape[1]) for some in (pairs, pairs[:, ::-1]))
    return Spectrum.from_samples(x, y, errors="asymptotic", block=2 * HALF_A_SECOND)


def main(into: Path) -> None:
    series = recording()
    longer = windows(series, 8)
    cases = {
        "four channels, the future from the past": forward(series),
        "windows, the future from the past": forward(longer),
        "windows, in both directions of time": both_ways(longer),
    }
    report(cases, into, "modes_of_a_time_series", features=4)


if __name__ == "__main__":
    main(folder())

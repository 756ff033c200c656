"""What the data alone say about a prediction: whether it can be believed, and why not.

One set of thresholds for the repr of a `Spectrum`, for `Spectrum.predict` and for
`dlnflow.network.check_assumptions`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from dlnflow.data._record import SpectrumRecord


class TrustThresholds(NamedTuple):
    """Values above which data are not what a prediction can be made for."""

    asymmetry: float = 0.1  # of sigma_yx
    rho: float = 1.05  # largest generalised eigenvalue; views that can be exchanged have at most 1
    chance: float = 3.0  # |Sigma_yx|^2 over that of unrelated views; samples of these reach 2


TRUST = TrustThresholds()


def doubts(spectrum: SpectrumRecord) -> Iterator[str]:
    """Why networks need not learn from these data as predicted, in words."""
    if spectrum.n is not None:
        total = float(np.trace(spectrum._whole.xx))
        chance = spectrum.n * float(np.sum(spectrum._whole.yx**2)) / total**2
        if chance < TRUST.chance:
            yield (
                "the views are hardly related: sigma_yx is of the size that chance gives for "
                f"{spectrum.n} samples"
            )
    if spectrum.asymmetry > TRUST.asymmetry:
        yield (
            "the views cannot be exchanged: sigma_yx is not symmetric (asymmetry "
            f"{spectrum.asymmetry:.2g})"
        )
    if spectrum.largest_rho > TRUST.rho:
        yield (
            "the views cannot be exchanged: a feature of y varies more than the same feature of x "
            f"(largest rho {spectrum.largest_rho:.3g})"
        )

"""What is learned first from patches of photographs, at three distances between the two views.

The data are patches of 6 x 6 pixels of scikit-learn's two photographs. The context is one patch,
the target the patch some pixels to its right, left, below or above, so the views can be exchanged
and the prediction holds. The further apart they are, the fewer features a JEPA learns: those of
small rho start above their plateau. Patches paired at random have nothing in common, and the
verdict says so.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from _data_report import report
from _network_report import folder

from dlnflow import Spectrum
from dlnflow.studies.demo import photographs

PATCH, STRIDE = 6, 3  # pixels
DISTANCES = (1, 3, 12)


def patch_pairs(images: list[np.ndarray], distance: int) -> tuple[np.ndarray, np.ndarray]:
    """Patches and their neighbours in all four directions, one pair per row."""
    x, y = [], []
    for image in images:
        patches = np.lib.stride_tricks.sliding_window_view(image, (PATCH, PATCH))
        for one in (patches, patches.swapaxes(0, 1)):
            first, second = one[:-distance:STRIDE, ::STRIDE], one[distance::STRIDE, ::STRIDE]
            x += [first, second]
            y += [second, first]
    return tuple(np.concatenate([some.reshape(-1, PATCH**2) for some in side]) for side in (x, y))


def main(into: Path) -> None:
    images = photographs()
    cases = {
        f"patches {distance} pixel{'s' * (distance > 1)} apart": Spectrum.from_samples(
            *patch_pairs(images, distance)
        )
        for distance in DISTANCES
    }
    x, y = patch_pairs(images, DISTANCES[0])
    unrelated = np.random.default_rng(0).permutation(y)
    cases["patches paired at random"] = Spectrum.from_samples(x, unrelated)
    report(cases, into, "modes_of_photographs", features=6)


if __name__ == "__main__":
    main(folder())

"""Modes of image patches, at three distances between context and target.

The data are patches of 4 x 4 pixels of scikit-learn's two photographs. The context is one patch,
the target the patch some pixels to its right, left, below or above. Nearby patches have much in
common and large rho. Between distant patches only the mean brightness can be predicted.

Patches of one region overlap and are not independent. They are sorted by region, and each region of
64 x 64 pixels counts as one sample in the standard errors.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from _data_report import Pairs, report
from _network_report import folder

from dlnflow.studies.demo import photographs

PATCH, REGION, STRIDE = 4, 64, 3  # pixels
DISTANCES = (1, 2, 8)
SIDES = ((0, 1), (0, -1), (1, 0), (-1, 0))


def patch_pairs(images: list[np.ndarray], distance: int) -> Pairs:
    """Pairs of patches in all four directions, region by region, with a region as block."""
    sides = [region for image in images for region in regions(image, distance)]
    x, y = (np.concatenate(side) for side in zip(*sides, strict=True))
    return Pairs(x, y, block=len(sides[0][0]))


def regions(image: np.ndarray, distance: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Contexts and targets of every region that has its neighbours inside the image."""
    patches = np.lib.stride_tricks.sliding_window_view(image, (PATCH, PATCH))
    corners = (
        np.arange(distance, size - distance - REGION + 1, REGION) for size in patches.shape[:2]
    )
    found = []
    for top, left in np.stack(np.meshgrid(*corners), axis=-1).reshape(-1, 2):
        rows, columns = (np.arange(start, start + REGION, STRIDE) for start in (top, left))
        context = patches[np.ix_(rows, columns)].reshape(-1, PATCH**2)
        targets = [
            patches[np.ix_(rows + down * distance, columns + right * distance)]
            for down, right in SIDES
        ]
        y = np.concatenate([target.reshape(-1, PATCH**2) for target in targets])
        found.append((np.tile(context, (len(SIDES), 1)), y))
    return found


def main(into: Path) -> None:
    images = photographs()
    cases = {
        f"patches {distance} pixel{'s' * (distance > 1)} apart": patch_pairs(images, distance)
        for distance in DISTANCES
    }
    report(cases, into, "modes_of_photographs", modes=4, L=2, eps=1e-3)


if __name__ == "__main__":
    main(folder())

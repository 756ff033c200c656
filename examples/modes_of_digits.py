"""Modes of handwritten digits, one half predicted from the other: data on which the theory fails.

The data are scikit-learn's 1797 digits of 8 x 8 pixels. The context is the left half and the target
the right half, 32 pixels each; two pixels of the left half are the same in every image. The theory
assumes that context and target are of the same kind. The two halves are not: corresponding pixels
have little in common. Mirroring the right half moves strokes that meet in the middle to the same
place, and predicting each half from the other also makes the covariance symmetric. The checks of
the assumptions report what is still broken. Networks are trained on the six modes of largest lam,
because the last of all modes would take at least ten thousand times as long as the first.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from _data_report import Pairs, report
from _network_report import folder
from sklearn.datasets import load_digits

WHITE = 16.0  # the largest value of a pixel


def halves() -> tuple[np.ndarray, np.ndarray]:
    """Left and right halves of all digits, 8 x 4 pixels."""
    images = load_digits().images / WHITE
    return images[:, :, :4], images[:, :, 4:]


def main(into: Path) -> None:
    left, right = halves()
    x, y, mirrored = (half.reshape(len(half), -1) for half in (left, right, right[:, :, ::-1]))
    both = np.stack([x, mirrored], axis=1).reshape(-1, 32)  # the two halves of one image together
    other = np.stack([mirrored, x], axis=1).reshape(-1, 32)
    cases = {
        "right half from left": Pairs(x, y),
        "mirrored right half from left": Pairs(x, mirrored),
        "each half from the other, mirrored": Pairs(both, other, block=2),
    }
    report(cases, into, "modes_of_digits", modes=6, L=2, eps=1e-2)


if __name__ == "__main__":
    main(folder())

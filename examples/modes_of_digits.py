"""What is learned first from halves of handwritten digits: views that cannot be exchanged.

The data are scikit-learn's 1797 digits of 8 x 8 pixels. The context is the left half and the target
the right half, 32 pixels each. Corresponding pixels have little in common. The verdict is that the
prediction does not hold, and a trained JEPA learns in another order. Mirroring the right half moves
strokes that meet in the middle to the same place, but the verdict stays. With each half predicted
from the other the views can be exchanged, and trained networks confirm the prediction.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from _data_report import report
from _network_report import folder
from sklearn.datasets import load_digits

from dlnflow import Spectrum

WHITE = 16.0  # the largest value of a pixel


def main(into: Path) -> None:
    images = load_digits().images / WHITE
    left, right = images[:, :, :4], images[:, :, 4:]
    x, y, mirrored = (half.reshape(len(half), -1) for half in (left, right, right[:, :, ::-1]))
    cases = {
        "right half from left": (x, y),
        "mirrored right half from left": (x, mirrored),
        "each half from the other, mirrored": (np.vstack([x, mirrored]), np.vstack([mirrored, x])),
    }
    spectra = {words: Spectrum.from_samples(*pairs) for words, pairs in cases.items()}
    report(spectra, into, "modes_of_digits", features=4)


if __name__ == "__main__":
    main(folder())

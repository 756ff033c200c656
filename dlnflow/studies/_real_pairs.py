"""Pairs of real data whose two views can be exchanged: every pair is counted both ways round.

All data ship with scikit-learn or Matplotlib; nothing is downloaded.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlnflow.studies.demo._patches import patch_pairs, photographs

Array = NDArray[np.float64]
Views = tuple[Array, Array]

STEP = 3  # pixels between patches
WINDOW = 16  # samples of a window of the electroencephalogram
NOISE = 0.1  # deviation, of photographs from 0 to 1


def both_ways(one: Array, other: Array) -> Views:
    """Each view as context and as target."""
    return np.concatenate([one, other]), np.concatenate([other, one])


def shifted_patches(images: list[Array], width: int, shift: int) -> Views:
    """Square patches of images (also with colours), and those to the right and below."""
    one: list[Array] = []
    other: list[Array] = []
    for image in images:
        patches = np.lib.stride_tricks.sliding_window_view(image, (width, width), axis=(0, 1))
        for down, right in ((0, shift), (shift, 0)):
            rows, columns = patches.shape[0] - down, patches.shape[1] - right
            for views, top, left in ((one, 0, 0), (other, down, right)):
                part = patches[top : top + rows : STEP, left : left + columns : STEP]
                views.append(part.reshape(part.shape[0] * part.shape[1], -1))
    return both_ways(np.concatenate(one), np.concatenate(other))


def digits_halves() -> Views:
    """Left halves of handwritten digits, and their mirrored right halves."""
    images = _digits()
    left, right = images[:, :, :4], images[:, :, :3:-1]
    return both_ways(left.reshape(len(left), -1), right.reshape(len(right), -1))


def digits_shifted() -> Views:
    """Crops of 5 x 5 pixels of handwritten digits, one pixel apart."""
    images = _digits()
    middle, below, beside = images[:, 1:6, 1:6], images[:, 2:7, 1:6], images[:, 1:6, 2:7]
    one, other = np.concatenate([middle, middle]), np.concatenate([below, beside])
    return both_ways(one.reshape(len(one), -1), other.reshape(len(other), -1))


def noisy_photographs() -> Views:
    """Patches of 6 x 6 pixels, twice with different noise."""
    random = np.random.default_rng(0)
    windows = (
        np.lib.stride_tricks.sliding_window_view(image, (6, 6))[::4, ::4].reshape(-1, 36)
        for image in photographs()
    )
    patches = np.concatenate(list(windows))
    one, other = (patches + NOISE * random.normal(size=patches.shape) for _ in range(2))
    return both_ways(one, other)


def colour_photographs() -> Views:
    """Patches of 4 x 4 pixels in three colours, half a patch apart."""
    from sklearn.datasets import load_sample_images

    return shifted_patches([image / 255.0 for image in load_sample_images().images], 4, 2)


def electroencephalogram(lag: int, width: int, *, together: bool) -> Views:
    """Windows of an electroencephalogram, of each channel or of its four channels together."""
    channels = np.fromfile(_file("eeg.dat")).reshape(-1, 4)
    channels = (channels - channels.mean(axis=0)) / channels.std(axis=0)
    windows = np.lib.stride_tricks.sliding_window_view(channels, width, axis=0)
    size = 4 * width if together else width
    return both_ways(*(part.reshape(-1, size) for part in (windows[:-lag], windows[lag:])))


def portrait(width: int) -> Views:
    """Patches of a portrait, half a patch apart."""
    from PIL import Image

    grey = np.asarray(Image.open(_file("grace_hopper.jpg")).convert("L"), float) / 255.0
    return shifted_patches([grey], width, width // 2)


def brain_scan() -> Views:
    """Patches of 8 x 8 pixels of a magnetic resonance image, half a patch apart."""
    with gzip.open(_file("s1045.ima.gz")) as file:
        pixels = np.frombuffer(file.read(), np.uint16).astype(float).reshape(256, 256)
    return shifted_patches([pixels / pixels.std()], 8, 4)


REAL_PAIRS: dict[str, Callable[[], Views]] = {
    "EEG, four channels": lambda: electroencephalogram(4, 4, together=True),
    "EEG, single channels": lambda: electroencephalogram(8, WINDOW, together=False),
    "digits, shifted": digits_shifted,
    "digits, halves": digits_halves,
    "photographs, 4 px": lambda: patch_pairs(photographs(), 4),
    "photographs, 6 px": lambda: patch_pairs(photographs(), 6),
    "photographs, 8 px": lambda: patch_pairs(photographs(), 8),
    "photographs, noise": noisy_photographs,
    "photographs, colour": colour_photographs,
    "portrait, 5 px": lambda: portrait(5),
    "portrait, 8 px": lambda: portrait(8),
    "brain scan, 8 px": brain_scan,
}


def _digits() -> Array:
    from sklearn.datasets import load_digits

    return np.asarray(load_digits().images / 16.0)


def _file(name: str) -> Path:
    from matplotlib.cbook import get_sample_data

    return Path(str(get_sample_data(name, asfileobj=False)))

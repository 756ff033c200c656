"""Pairs of patches from two photographs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dlnflow._common import _validate

Array = NDArray[np.float64]

STRIDE = 3  # pixels between patches; closer patches are nearly the same
LUMINANCE = (0.299, 0.587, 0.114)  # weights of red, green and blue: ITU-R BT.601


def photographs() -> list[Array]:
    """The photographs of scikit-learn: two arrays of shape (427, 640), grayscale in [0, 1].

    Raises
    ------
    ImportError
        If scikit-learn or Pillow is not installed.

    Examples
    --------
    >>> [image.shape for image in photographs()]
    [(427, 640), (427, 640)]
    """
    try:
        import PIL  # noqa: F401  # scikit-learn reads the photographs with it
        from sklearn.datasets import load_sample_images
    except ImportError as error:
        raise ImportError(
            "the demo needs scikit-learn's photographs and Pillow to read them: install both with "
            "pip install 'dlnflow[photos]'"
        ) from error
    return [image / 255.0 @ np.array(LUMINANCE) for image in load_sample_images().images]


def patch_pairs(images: list[Array], patch: int) -> tuple[Array, Array]:
    """Every patch with the four patches half its width to the left, right, above and below.

    Parameters
    ----------
    images : list of array, shape (height, width)
    patch : int
        Width of a patch, even.

    Returns
    -------
    x, y : array, shape (n, patch**2)
        Contexts and targets, row by row of pixels, one context for each of its targets.

    Raises
    ------
    ValueError, TypeError
        If ``patch`` is no even number from 4 to 16.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = patch_pairs([np.arange(64.0).reshape(8, 8)], 4)
    >>> x.shape, sorted({float(step) for step in (y - x)[:, 0]})
    ((8, 16), [-16.0, -2.0, 2.0, 16.0])
    """
    width = patch_width(patch)
    pairs = list(itertools.chain.from_iterable(_shifted(image, width) for image in images))
    return np.concatenate([x for x, _ in pairs]), np.concatenate([y for _, y in pairs])


def _shifted(image: Array, patch: int) -> Iterator[tuple[Array, Array]]:
    patches = np.lib.stride_tricks.sliding_window_view(image, (patch, patch))
    half = patch // 2
    for down, right in ((0, half), (0, -half), (half, 0), (-half, 0)):
        rows = np.arange(max(0, -down), len(patches) - max(0, down), STRIDE)
        columns = np.arange(max(0, -right), patches.shape[1] - max(0, right), STRIDE)
        x = patches[np.ix_(rows, columns)]
        y = patches[np.ix_(rows + down, columns + right)]
        yield x.reshape(-1, patch**2), y.reshape(-1, patch**2)


def patch_width(patch: int) -> int:
    width = _validate.depth("patch", patch)
    if width.ndim or width % 2 or not 4 <= width <= 16:
        raise ValueError(f"patch must be an even number from 4 to 16: got {patch!r}")
    return int(width)

"""Pairs and tokens from videos and images: `frames`, `patches`."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.data._covariance import flattened


def frames(*videos: ArrayLike, lag: int = 1) -> tuple[NDArray[Any], NDArray[Any]]:
    """Frames of videos as contexts, and the frames ``lag`` later as their targets.

    Parameters
    ----------
    *videos : array, shape (frames, ...)
        One or several, with frames of the same shape, such as (h, w) or (h, w, 3). No pair has
        frames of two videos.
    lag : int
        Frames from context to target.

    Returns
    -------
    x, y : array, shape (n, d)
        Frames as rows; ``n`` is the number of frames less ``lag`` for each video.

    Raises
    ------
    ValueError, TypeError
        If there is no video, a video has not more than ``lag`` frames, frames differ in shape, or
        ``lag`` is not a positive integer.

    Notes
    -----
    Neighbouring pairs depend on each other: give ``block=`` to the standard errors. A file of one
    video, ``.npy``, is read in batches by ``pairs_from(path, lag=lag, flatten=True)``.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnflow.data import frames
    >>> one, two = np.arange(12.0).reshape(3, 2, 2), np.arange(8.0).reshape(2, 2, 2)
    >>> x, y = frames(one, two)
    >>> x[:, 0].tolist(), y[:, 0].tolist()
    ([0.0, 4.0, 0.0], [4.0, 8.0, 4.0])
    """
    step = _validate.positive_integer("lag", lag)
    if not videos:
        raise ValueError("videos must hold at least one video: got none")
    every = [flattened(f"videos[{i}]", video) for i, video in enumerate(videos)]
    for i, rows in enumerate(every):
        if len(rows) <= step:
            raise ValueError(
                f"videos[{i}] must hold more than lag = {step} frames: got {len(rows)}"
            )
        if rows.shape[1] != every[0].shape[1]:
            raise ValueError(
                f"videos[{i}] must have frames of {every[0].shape[1]} numbers, as videos[0]: "
                f"got {rows.shape[1]}"
            )
    x, y = (
        np.concatenate([rows[part] for rows in every]) for part in (np.s_[:-step], np.s_[step:])
    )
    return x, y


def patches(images: ArrayLike, size: ArrayLike) -> NDArray[Any]:
    """Images or videos, cut into patches that do not overlap.

    Parameters
    ----------
    images : array, shape (n, h, w) or (n, h, w, channels)
        Videos have shape (n, frames, h, w) or (n, frames, h, w, channels).
    size : int, or one int per axis
        Sides of a patch. One number stands for a square; ``(2, 8, 8)`` cuts videos.

    Returns
    -------
    array, shape (n, *grid, k)
        Tokens, each the ``k`` numbers of a patch, row by row.

    Raises
    ------
    ValueError, TypeError
        If the sizes do not divide the images, or the shape has not as many axes.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnflow.data import patches
    >>> tokens = patches(np.arange(16).reshape(1, 4, 4), 2)
    >>> tokens.shape, tokens[0, 0, 1].tolist()
    ((1, 2, 2, 4), [2, 3, 6, 7])
    """
    given = images if isinstance(images, np.ndarray) else _validate.numbers("images", images)
    sides = np.atleast_1d(_validate.depth("size", size))
    sides = np.repeat(sides, 2) if np.ndim(size) == 0 else sides
    axes = sides.size
    space = np.array(given.shape[1 : 1 + axes])
    if sides.ndim != 1 or given.ndim not in (axes + 1, axes + 2) or (space % sides).any():
        raise ValueError(
            f"images must have shape (n, ...) with {axes} axes that size {sides.tolist()} divides, "
            f"and at most one more for channels: got shape {given.shape}"
        )
    grid = tuple((space // sides).tolist())
    split = [number for pair in zip(grid, sides.tolist(), strict=True) for number in pair]
    cut = given.reshape(len(given), *split, *given.shape[1 + axes :])
    order = [*range(1, 2 * axes, 2), *range(2, 2 * axes + 1, 2)]
    moved = cut.transpose(0, *order, *range(2 * axes + 1, cut.ndim))
    return moved.reshape(len(given), *grid, prod(moved.shape[1 + axes :]))

"""The modes of resampled data, each matched to the mode of the data that it resembles."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NOTHING = 1e-10  # of the data's variance: rounding leaves less of a resample that repeats one row


def resampled(
    x: Array,
    y: Array,
    block: int,
    resamples: int,
    rng: np.random.Generator,
    modes_of: Callable[[Array, Array], dict[str, Array]],
    filters: Array,
) -> Array:
    """``lam`` and ``variance`` of every resample, shape (resamples, 2, modes).

    Blocks of consecutive rows are drawn with replacement, as multinomial weights.
    """
    n, modes = len(x), filters.shape[1]
    groups = -(-n // block)
    both = np.hstack([x, y])
    least = NOTHING * float(np.sum(x**2)) / n
    drawn = np.empty((resamples, 2, modes))
    for index in range(resamples):
        counts = rng.multinomial(groups, np.full(groups, 1.0 / groups))
        xx, yx = _covariances(x, both, np.repeat(counts, block)[:n])
        if np.trace(xx) <= least:
            raise _too_few(0, modes)
        drawn[index] = _matched(modes_of(xx, yx), filters)
    return drawn


def _covariances(x: Array, both: Array, counts: NDArray[np.int64]) -> tuple[Array, Array]:
    total, d = counts.sum(), x.shape[1]
    mean = counts @ both / total
    products = (x * counts[:, None]).T @ both / total - np.outer(mean[:d], mean)
    xx, xy = products[:, :d], products[:, d:]
    return 0.5 * (xx + xx.T), xy.T


def _matched(found: dict[str, Array], filters: Array) -> Array:
    from scipy.optimize import linear_sum_assignment

    modes = filters.shape[1]
    if found["lam"].size < modes:
        raise _too_few(found["lam"].size, modes)
    overlap = np.abs(filters.T @ found["basis"])
    _, theirs = linear_sum_assignment(-overlap)
    return np.array([found["lam"][theirs], found["variance"][theirs]])


def _too_few(found: int, modes: int) -> ValueError:
    return ValueError(
        "errors='bootstrap' must find the variance of every mode in every resample: got one with "
        f"{found} of {modes} modes; use more samples or errors='asymptotic'"
    )

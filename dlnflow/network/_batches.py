"""The data of gradient descent: covariances, samples in batches, or a sampler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, repeat
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.data._covariance import centred, paired_samples
from dlnflow.network._data import Covariances, given_covariances, given_samples
from dlnflow.network._equations import Equations
from dlnflow.network._flow import matching

Array = NDArray[np.float64]
Sampler = Callable[[int, np.random.Generator], tuple[ArrayLike, ArrayLike]]

CENTRED = 1e-6  # largest mean, in deviations: single precision leaves less
TRIED, CHANCE = 4096, 6.0  # samples drawn to test the mean; standard errors it may differ from 0


@dataclass(frozen=True)
class Source:
    """Where the gradient's covariances come from, validated."""

    data: Covariances
    yy: Array | None
    words: str = "full batch"
    samples: Callable[[np.random.Generator], Iterator[tuple[Array, Array]]] | None = None

    def batches(self, whole: Equations, random: np.random.Generator) -> Iterator[Equations]:
        """The equations of the batch of every step, endlessly."""
        if self.samples is None:
            yield from repeat(whole)
        else:
            for x, y in self.samples(random):
                yield replace(whole, xx=x.T @ x / len(x), yx=y.T @ x / len(x))


def _shuffled(
    x: Array, y: Array, size: int, random: np.random.Generator
) -> Iterator[tuple[Array, Array]]:
    while True:
        order = random.permutation(len(x))
        for start in range(0, len(order) - size + 1, size):
            rows = order[start : start + size]
            yield x[rows], y[rows]


def given_source(
    sigma_xx: ArrayLike | None,
    sigma_yx: ArrayLike | None,
    x: ArrayLike | None,
    y: ArrayLike | None,
    sampler: Sampler | None,
    batch_size: int | None,
    sigma_yy: ArrayLike | None,
) -> Source:
    """Validates the data arguments of `gradient_descent`."""
    size = None if batch_size is None else _validate.positive_integer("batch_size", batch_size)
    if x is not None or y is not None:
        if any(other is not None for other in (sigma_xx, sigma_yx, sigma_yy, sampler)):
            raise ValueError(
                "x and y must come without sigma_xx, sigma_yx, sigma_yy and sampler: got both"
            )
        return _of_samples(x, y, size)
    if sigma_xx is None or sigma_yx is None:
        raise ValueError(
            "sigma_xx and sigma_yx must be given, or samples x and y: got "
            + ("a sampler alone" if sampler is not None else "neither")
        )
    data = given_covariances(sigma_xx, sigma_yx)
    yy = None if sigma_yy is None else matching("sigma_yy", sigma_yy, data.d)
    if sampler is None and size is None:
        return Source(data, yy)
    if sampler is None or size is None:
        raise ValueError(
            "batch_size must be given with samples or a sampler, and a sampler with batch_size: "
            f"got batch_size = {batch_size!r}, sampler = {sampler!r}"
        )
    drawn = partial(_drawn, _tried(sampler, data.d), size, data.d)
    words = f"batches of {size} from a sampler"
    return Source(data, yy, words, lambda random: (drawn(random) for _ in count()))


def _of_samples(x: Any, y: Any, size: int | None) -> Source:
    context, target = paired_samples(x, y)
    for name, samples in (("x", context), ("y", target)):
        off = _off_centre(samples, CENTRED)
        if off:
            raise ValueError(
                f"{name} must be centred: got a mean of {off}; use {name} - {name}.mean(axis=0)"
            )
    if size is not None and size > len(context):
        raise ValueError(
            f"batch_size must not exceed the number of samples, {len(context)}: got {size}"
        )
    data, centre = given_samples(context, target), centred(target)
    yy = centre.T @ centre / len(centre)
    if size is None:
        return Source(data, yy)
    return Source(data, yy, f"batches of {size}", partial(_shuffled, context, target, size))


def _drawn(sampler: Sampler, size: int, d: int, random: np.random.Generator) -> tuple[Array, Array]:
    """A batch from the sampler, validated."""
    drawn = sampler(size, random)
    if not (isinstance(drawn, tuple | list) and len(drawn) == 2):
        raise TypeError(f"sampler must return two arrays, x and y: got {type(drawn).__name__}")
    x, y = (
        _validate.real(f"sampler's {name}", part) for name, part in zip("xy", drawn, strict=True)
    )
    if x.shape != (size, d) or y.shape != (size, d):
        raise ValueError(
            f"sampler must return x and y of shape {(size, d)}: got {x.shape} and {y.shape}"
        )
    return x, y


def _tried(sampler: Any, d: int) -> Sampler:
    """The sampler, if a test sample is centred within its standard error."""
    if not callable(sampler):
        raise TypeError(f"sampler must be a function of n and rng: got {sampler!r}")
    for name, part in zip("xy", _drawn(sampler, TRIED, d, np.random.default_rng(0)), strict=True):
        off = _off_centre(part, CHANCE / TRIED**0.5)
        if off:
            raise ValueError(
                f"sampler must return centred samples: got {name} with the mean {off} over {TRIED} "
                "of them"
            )
    return sampler


def _off_centre(samples: Array, allowed: float) -> str:
    """The first mean that is not 0 within so many deviations, in words; empty if all are."""
    mean, spread = samples.mean(axis=0), samples.std(axis=0)
    off = np.flatnonzero(np.abs(mean) > allowed * spread + CENTRED * spread.max())
    return f"{mean[off[0]]:.3g} in column {off[0]}" if off.size else ""

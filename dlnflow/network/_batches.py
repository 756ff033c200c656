"""The data of gradient descent: covariances, samples in batches, or a sampler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
    x: Array | None = None
    y: Array | None = None
    sampler: Sampler | None = None
    batch_size: int | None = None

    @property
    def words(self) -> str:
        """The batches in words."""
        if self.batch_size is None:
            return "full batch"
        return f"batches of {self.batch_size}" + (" from a sampler" if self.sampler else "")

    def batches(self, whole: Equations, random: np.random.Generator) -> Iterator[Equations]:
        """The equations of the batch of every step, endlessly."""
        if self.batch_size is None:
            while True:
                yield whole
        for x, y in self._samples(random):
            n = len(x)
            yield Equations(whole.shapes, whole.target_layer, x.T @ x / n, y.T @ x / n)

    def _samples(self, random: np.random.Generator) -> Iterator[tuple[Array, Array]]:
        assert self.batch_size is not None
        while True:
            if self.sampler is not None:
                yield _drawn(self.sampler, self.batch_size, self.data.d, random)
                continue
            assert self.x is not None
            assert self.y is not None
            order = random.permutation(len(self.x))
            for start in range(0, len(order) - self.batch_size + 1, self.batch_size):
                rows = order[start : start + self.batch_size]
                yield self.x[rows], self.y[rows]


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
    size = None
    if batch_size is not None:
        size = int(_validate.single("batch_size", _validate.depth("batch_size", batch_size)))
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
    if (sampler is None) != (size is None):
        raise ValueError(
            "batch_size must be given with samples or a sampler, and a sampler with batch_size: "
            f"got batch_size = {batch_size!r}, sampler = {sampler!r}"
        )
    checked = None if sampler is None else _tried(sampler, data.d)
    return Source(data, yy, sampler=checked, batch_size=size)


def _of_samples(x: Any, y: Any, size: int | None) -> Source:
    context, target = paired_samples(x, y)
    for name, samples in (("x", context), ("y", target)):
        spread = samples.std(axis=0)
        off = np.abs(samples.mean(axis=0)) > CENTRED * (spread + spread.max())
        if off.any():
            raise ValueError(
                f"{name} must be centred: got a mean of {samples.mean(axis=0)[off][0]:.3g} in "
                f"column {int(np.argmax(off))}; use {name} - {name}.mean(axis=0)"
            )
    if size is not None and size > len(context):
        raise ValueError(
            f"batch_size must not exceed the number of samples, {len(context)}: got {size}"
        )
    data = given_samples(context, target)
    centre = centred(target)
    return Source(data, centre.T @ centre / len(centre), context, target, batch_size=size)


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
        mean, spread = part.mean(axis=0), part.std(axis=0)
        off = np.abs(mean) > CHANCE * spread / TRIED**0.5 + CENTRED * spread.max()
        if off.any():
            worst = int(np.argmax(off))
            raise ValueError(
                f"sampler must return centred samples: got {name} with the mean {mean[worst]:.3g} "
                f"in column {worst} over {TRIED} of them"
            )
    return sampler

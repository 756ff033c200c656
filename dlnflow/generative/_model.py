"""The base class of the generative models, and the validation of their parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow._common._validate import Seed
from dlnflow.data._covariance import refuse_negative, square, symmetric
from dlnflow.data._spectrum import Spectrum

Array = NDArray[np.float64]

ORTHOGONAL = 1e-8  # rounding errors of a basis are smaller


class Model(ABC):
    """A centred distribution of pairs of context and target.

    Its subclasses are `Static`, `Temporal`, `Masking` and `MaskedTokens`.
    """

    @abstractmethod
    def covariances(self) -> tuple[Array, Array]:
        """``sigma_xx`` and ``sigma_yx``, exact, each of shape (d, d)."""

    @abstractmethod
    def sample(self, n: int, rng: Seed = 0) -> tuple[Array, Array]:
        """``n`` independent pairs.

        Parameters
        ----------
        n : int
            Number of pairs.
        rng : int, Generator or None
            Seed or generator; None for a fresh seed.

        Returns
        -------
        x, y : array, shape (n, d)
            Context and target, of mean 0.

        Raises
        ------
        ValueError, TypeError
            If ``n`` is not a positive integer or ``rng`` is neither a seed nor a generator.
        """

    def spectrum(self) -> Spectrum:
        """The modes of the exact covariances, a `dlnflow.Spectrum`."""
        return Spectrum.from_covariances(*self.covariances())

    def __repr__(self) -> str:
        d = len(self.covariances()[0])
        numbers = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]
        said = [f"{k} = {v}" for k, v in numbers.items() if not isinstance(v, np.ndarray)]
        return ", ".join([f"{type(self).__name__}: d = {d}", *said])


def per_feature(**columns: Array) -> list[Array]:
    """Validated arrays broadcast to one entry per feature."""
    shape = _validate.together(**columns)
    if len(shape) > 1 or 0 in shape:
        raise ValueError(
            f"{' and '.join(columns)} must hold one number for each feature, shape (d,): "
            f"got shape {shape}"
        )
    return [np.broadcast_to(column, shape or (1,)) for column in columns.values()]


def orthogonal(name: str, value: ArrayLike | None, d: int) -> Array:
    """An orthogonal matrix; the identity by default."""
    if value is None:
        return np.eye(d)
    matrix = square(name, value, d)
    apart = float(np.abs(matrix.T @ matrix - np.eye(d)).max())
    if apart > ORTHOGONAL:
        raise ValueError(
            f"{name} must be orthogonal, {name}.T @ {name} = 1: got one that is {apart:.2g} off"
        )
    return matrix


def covariance_matrix(name: str, value: ArrayLike, d: int | None = None) -> Array:
    """A covariance matrix: symmetric, without negative eigenvalues."""
    matrix = symmetric(name, square(name, value, d))
    refuse_negative(name, np.linalg.eigvalsh(matrix))
    return matrix


def gaussian(n: int, sigma: Array, rng: np.random.Generator) -> Array:
    """Rows with the covariance ``sigma``, which may be singular."""
    variance, basis = np.linalg.eigh(sigma)
    spread = np.sqrt(np.maximum(variance, 0.0))
    rows: Array = rng.normal(size=(n, len(sigma))) * spread @ basis.T
    return rows

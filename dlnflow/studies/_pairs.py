"""Gaussian pairs with given modes: the data of the experiments and of the maps of validity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow.network._initialise import orthonormal

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GaussianPairs:
    """Jointly Gaussian context and target with the same covariance, in a random basis."""

    lam: Array
    rho: Array
    basis: Array

    @classmethod
    def of(cls, lam: ArrayLike, rho: ArrayLike, random: np.random.Generator) -> GaussianPairs:
        """Positive modes with ``rho <= 1``, in a basis drawn at random."""
        columns = np.broadcast_arrays(
            *np.atleast_1d(np.asarray(lam, float), np.asarray(rho, float))
        )
        covariance, coefficient = columns
        return cls(covariance, coefficient, orthonormal(covariance.size, covariance.size, random))

    @property
    def sigma_xx(self) -> Array:
        """``B diag(lam / rho) B^T``."""
        return self._in_basis(self.lam / self.rho)

    @property
    def sigma_yx(self) -> Array:
        """``B diag(lam) B^T``."""
        return self._in_basis(self.lam)

    def sample(self, n: int, random: np.random.Generator) -> tuple[Array, Array]:
        """``n`` pairs: in every mode ``y`` is ``rho x`` plus noise that gives it x's variance."""
        deviation = np.sqrt(self.lam / self.rho)
        x = random.normal(size=(n, self.lam.size)) * deviation
        noise = random.normal(size=x.shape) * deviation * np.sqrt(1.0 - self.rho**2)
        return x @ self.basis.T, (self.rho * x + noise) @ self.basis.T

    def _in_basis(self, diagonal: Array) -> Array:
        matrix: Array = (self.basis * diagonal) @ self.basis.T
        return 0.5 * (matrix + matrix.T)

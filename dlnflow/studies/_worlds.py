"""Gaussian pairs with given modes: the data of the experiments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow.network._initialise import orthonormal

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class World:
    """Jointly Gaussian context and target with the same covariance, in a random basis."""

    lam: Array
    rho: Array
    basis: Array

    @classmethod
    def of(cls, lam: ArrayLike, rho: ArrayLike, random: np.random.Generator) -> World:
        """Modes, positive and with ``rho <= 1``, in a basis drawn at random."""
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
        """``n`` pairs: ``y = rho x`` plus noise, mode by mode, so that both vary alike."""
        spread = np.sqrt(self.lam / self.rho)
        x = random.normal(size=(n, self.lam.size)) * spread
        noise = random.normal(size=x.shape) * spread * np.sqrt(1.0 - self.rho**2)
        return x @ self.basis.T, (self.rho * x + noise) @ self.basis.T

    def _in_basis(self, diagonal: Array) -> Array:
        turned: Array = (self.basis * diagonal) @ self.basis.T
        return 0.5 * (turned + turned.T)

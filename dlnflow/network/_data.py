"""Validated data of a network: two covariances with their modes, and the network that fits them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common._frozen import read_only_copy, set_fields
from dlnflow.data._covariance import (
    centred,
    covariance,
    generalised_modes,
    given_pair,
    paired_samples,
)
from dlnflow.data._spectrum import Spectrum
from dlnflow.network._equations import Equations
from dlnflow.network._network import Network
from dlnflow.theory._objective import Objective, as_objective
from dlnflow.theory._scaled_modes import GivenModes

Array = NDArray[np.float64]

ROUNDING = 16.0  # machine epsilons, times d: off-diagonal elements below are rounding
LEAK = 1e-4  # share of sigma_yx on directions without variance; 0 for sampled covariances


@dataclass(frozen=True, eq=False)
class Covariances:
    """Validated covariances, their modes, and a basis in which ``xx`` is diagonal."""

    xx: Array
    yx: Array
    spectrum: Spectrum
    rotation: Array  # U, orthogonal: U^T xx U = diag(variances)
    variances: Array  # all d of them, 0 for null directions

    __setstate__ = set_fields

    @property
    def d(self) -> int:
        """The dimension of the data."""
        return len(self.xx)

    @property
    def basis(self) -> Array:
        """An orthonormal basis of the whole space: the modes, then the null directions."""
        return complete(self.spectrum.basis)

    @property
    def yx_rotated(self) -> Array:
        """``U^T yx U``, or its diagonal as a vector if the rest is rounding."""
        turned: Array = self.rotation.T @ self.yx @ self.rotation
        diagonal = np.diag(turned).copy()
        beside = np.abs(turned - np.diag(diagonal)).max()
        least = ROUNDING * self.d * np.finfo(np.float64).eps * np.abs(turned).max()
        return diagonal if beside <= least else turned

    @cached_property
    def _generalised(self) -> tuple[Array, Array]:
        kept = self.spectrum.variance.size
        leading = self.rotation[:, ::-1][:, :kept], self.variances[::-1][:kept]
        return generalised_modes(*leading, self.yx)[:2]

    @property
    def generalised_rho(self) -> Array:
        """Generalised eigenvalues of (sym(yx), xx), in falling order."""
        return self._generalised[0]

    @property
    def patterns(self) -> Array:
        """``xx v_i`` of unit length, for the generalised eigenvectors ``v_i``, as columns."""
        return self._generalised[1]


def given_covariances(sigma_xx: ArrayLike, sigma_yx: ArrayLike) -> Covariances:
    """Validates covariances; ``sigma_yx`` must vanish on null directions of ``sigma_xx``."""
    spectrum = Spectrum.from_covariances(sigma_xx, sigma_yx)
    xx, yx, _ = given_pair(sigma_xx, sigma_yx)
    return _validated(xx, yx, spectrum)


def given_samples(x: ArrayLike, y: ArrayLike) -> Covariances:
    """Validates paired samples."""
    spectrum = Spectrum.from_samples(x, y)
    xx, yx = covariances(x, y)
    return _validated(covariance(xx), yx, spectrum)


def given_data(
    sigma_xx: ArrayLike | None, sigma_yx: ArrayLike | None, x: ArrayLike | None, y: ArrayLike | None
) -> Covariances:
    """Validates covariances or samples, whichever are given."""
    by_samples = x is not None or y is not None
    if by_samples == (sigma_xx is not None or sigma_yx is not None):
        raise ValueError(
            "sigma_xx and sigma_yx must be given, or x and y: got "
            + ("both" if by_samples else "neither")
        )
    if by_samples:
        return given_samples(x, y)  # type: ignore[arg-type]
    return given_covariances(sigma_xx, sigma_yx)  # type: ignore[arg-type]


def _validated(xx: Array, yx: Array, spectrum: Spectrum) -> Covariances:
    variances, rotation = np.linalg.eigh(xx)
    null = complete(spectrum.basis)[:, spectrum.lam.size :]
    leak = float(np.linalg.norm(yx @ null)) if null.size else 0.0
    if leak > LEAK * float(np.linalg.norm(yx)):
        raise ValueError(
            "sigma_yx must vanish on directions in which sigma_xx has no variance, as covariances "
            f"do: got a part of size {leak:.3g} there (of {np.linalg.norm(yx):.3g})"
        )
    kept = [read_only_copy(one) for one in (xx, yx, rotation, np.maximum(variances, 0.0))]
    return Covariances(kept[0], kept[1], spectrum, kept[2], kept[3])


def complete(columns: Array) -> Array:
    """Extend orthonormal columns to a basis of the whole space."""
    d, r = columns.shape
    if d == r:
        return columns
    full = np.linalg.svd(columns)[0]
    return np.hstack([columns, full[:, r:]])


def covariances(x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    """Covariances ``sigma_xx`` and ``sigma_yx`` of paired samples, which are centred here.

    Parameters
    ----------
    x, y : array, shape (n, d)
        Context and target, one pair per row.

    Returns
    -------
    sigma_xx, sigma_yx : array, shape (d, d)
        ``E[x x^T]`` and ``E[y x^T]``, divided by ``n``.

    Raises
    ------
    ValueError, TypeError
        If samples are missing or infinite, not in rows, of different shapes, or fewer than two.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnflow import network
    >>> x = np.random.default_rng(0).normal(size=(1000, 3))
    >>> sigma_xx, sigma_yx = network.covariances(x, 0.5 * x)
    >>> bool(np.allclose(sigma_yx, 0.5 * sigma_xx))
    True
    """
    context, target = map(centred, paired_samples(x, y))
    return context.T @ context / len(context), target.T @ context / len(context)


@dataclass(frozen=True, eq=False)
class Problem:
    """A network, data and an objective that fit together; `given_problem` validates them."""

    network: Network
    data: Covariances
    objective: Objective

    @property
    def m(self) -> int:
        """The target layer."""
        return int(self.objective.layer(self.network.L))

    @cached_property
    def equations(self) -> Equations:
        """Gradient flow on these data."""
        shapes = tuple(layer.shape for layer in self.network.layers)
        return Equations(shapes, self.m, self.data.xx, self.data.yx)

    @property
    def weights(self) -> Array:
        """The weights of the network as one vector."""
        return self.equations.flat(self.network.layers)


def given_problem(network: Network, data: Covariances, objective: str | Objective) -> Problem:
    """Validates that network, data and objective fit together."""
    if not isinstance(network, Network):
        raise TypeError(f"network must be a dlnflow.network.Network: got {type(network).__name__}")
    problem = Problem(network, data, as_objective(objective))
    m, widths = problem.m, network.widths
    if widths[0] != data.d:
        raise ValueError(
            f"network must take inputs of the data's dimension {data.d}: got one for {widths[0]}"
        )
    if widths[-1] != widths[m]:
        target = "the data" if m == 0 else f"encoder layer {m}"
        raise ValueError(
            f"network must give as many outputs as the target has, {widths[m]} for a target at "
            f"{target}: got {widths[-1]}"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        speed = np.linalg.norm(problem.equations.downhill(problem.weights))
    if not np.isfinite(speed):
        raise ValueError(
            "network must have weights whose squared gradient is finite in double precision on "
            f"these covariances: got weights up to {np.abs(problem.weights).max():.3g}"
        )
    return problem


def given_modes(
    network: Network, spectrum: Spectrum, eps: Array, chosen: Any = slice(None)
) -> GivenModes:
    """Modes of a spectrum, all or some, as the closed form takes them, from the amplitudes eps."""
    columns = spectrum.lam, spectrum.rho, spectrum.variance, eps
    lam, rho, variance, start = (column[chosen] for column in columns)
    depths = np.asarray(network.L), np.asarray(network.decoder_depth)
    return GivenModes(lam, rho, variance, start, *depths)

"""What a linear probe reads from an encoder's output plus noise.

For a feature ``f`` of unit variance and an output ``h``, both centred,

    R2 = c^T (C + sigma^2 1)^-1 c,    C = E[h h^T],  c = E[h f].

Any ``M``, ``b`` with ``C = M M^T``, ``c = M b`` and ``|b| = 1`` give it without forming ``C``,
whose small eigenvalues would be lost to rounding: with the singular values ``s_j`` and the right
singular vectors ``q_j`` of ``M``

    R2 = sum_j s_j^2 / (s_j^2 + sigma^2) (q_j . b)^2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.data._covariance import centred
from dlnflow.network._data import Covariances
from dlnflow.theory._probe import readable

Array = NDArray[np.float64]

BLOCK = 2**20  # numbers in the roots that are decomposed at once
ROUNDING = 16.0  # machine epsilons, times the dimension: less variance is rounding


def probe_r2(outputs: ArrayLike, features: ArrayLike, *, sigma: ArrayLike) -> Array:
    """Share of each feature's variance that a linear probe reads from outputs plus white noise.

    For samples of any encoder. For the linear networks of this package, whose covariances are
    known, see `Run.probe_r2`.

    Parameters
    ----------
    outputs : array, shape (n, width)
        The encoder's outputs, one sample per row. The means are subtracted.
    features : array, shape (n,) or (n, k)
        Values of the features on the same samples. They are centred and scaled to unit variance.
    sigma : array, single or shape (k,)
        Standard deviation of the noise on each output, positive.

    Returns
    -------
    float or array, shape (k,)
        ``R2``, in [0, 1].

    Raises
    ------
    ValueError, TypeError
        If an array is not finite, of the wrong shape or of fewer than two samples, a feature is
        constant, or ``sigma`` is not positive.

    Notes
    -----
    ``R2 = c^T (C + sigma^2 1)^-1 c`` with ``C`` the covariance of the outputs and ``c`` their
    covariance with the feature (divided by ``n``); derived in ``docs/networks.md``. The noise is
    accounted for exactly and not drawn. With fewer samples than outputs ``R2`` can be large by
    chance.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnflow import network
    >>> x = np.random.default_rng(0).normal(size=(1000, 2))
    >>> outputs = x @ np.diag([1.0, 0.1])        # the second feature is nearly lost in the noise
    >>> network.probe_r2(outputs, x, sigma=0.5).round(2).tolist()
    [0.81, 0.04]
    """
    seen, values = _validate.real("outputs", outputs), _validate.real("features", features)
    if seen.ndim != 2 or not seen.size:
        raise ValueError(
            f"outputs must have shape (n, width), one sample per row: got {seen.shape}"
        )
    if values.ndim not in (1, 2) or not values.size or len(values) != len(seen):
        raise ValueError(
            f"features must have shape ({len(seen)},) or ({len(seen)}, k), one value per sample "
            f"of outputs: got {values.shape}"
        )
    columns = values.reshape(len(values), -1)
    if len(seen) < 2:
        raise ValueError(f"outputs must hold at least two samples: got {len(seen)}")
    constant = np.flatnonzero(np.ptp(columns, axis=0) == 0.0)
    if constant.size:
        raise ValueError(f"features must vary over the samples: feature {constant[0]} is constant")
    unit = centred(columns / np.abs(columns).max(axis=0))
    scale = float(np.abs(seen).max()) or 1.0
    root = centred(seen / scale).T / np.sqrt(len(seen))
    noise = given_sigma(sigma, columns.shape[1]) / scale
    r2 = Readout(root[None], unit / np.linalg.norm(unit, axis=0)).r2(noise)[0]
    return r2.reshape(values.shape[1:])[()]


@dataclass(frozen=True, eq=False)
class Readout:
    """Roots ``M`` at one or more times, and the features' directions ``b``.

    Parameters
    ----------
    roots : array, shape (times, width, n)
    directions : array, shape (n, k)
        Unit columns.
    """

    roots: Array
    directions: Array

    def r2(self, sigma: Array) -> Array:
        """``R2`` for the noises ``sigma``, shape (..., k): shape (..., times, k)."""
        sigma = np.broadcast_to(sigma, (*sigma.shape[:-1], self.directions.shape[1]))
        times, width, n = self.roots.shape
        result = np.empty((*sigma.shape[:-1], times, sigma.shape[-1]))
        step = max(1, BLOCK // (width * n))
        for start in range(0, times, step):
            some = slice(start, start + step)
            _, size, right = np.linalg.svd(self.roots[some], full_matrices=False)
            share = np.square(right @ self.directions)
            read = readable(size[..., None], sigma[..., None, None, :])
            result[..., some, :] = np.sum(read * share, axis=-2)
        return np.minimum(result, 1.0, out=result)


@dataclass(frozen=True, eq=False)
class Features:
    """Linear features ``v . x`` of unit variance on given covariances.

    Parameters
    ----------
    data : Covariances
    filters : array, shape (d, k)
        ``v`` as columns, scaled so that ``v^T Sxx v = 1``.
    """

    data: Covariances
    filters: Array

    @property
    def size(self) -> Array:
        """``|Sxx v|``, the length of each pattern, shape (k,)."""
        return np.asarray(np.linalg.norm(self.data.xx @ self.filters, axis=0))

    @property
    def rho(self) -> Array:
        """Regression coefficient of each feature, ``v^T sym(Syx) v``, shape (k,)."""
        return np.asarray(np.sum(self.filters * (self.data.yx @ self.filters), axis=0))

    def readout(self, encoder: Array) -> Readout:
        """The readout of these features from encoders, shape (times, width, d)."""
        root = self.data.rotation * np.sqrt(self.data.variances)
        return Readout(encoder @ root, root.T @ self.filters)


def signal_to_noise(r2: Array) -> Array:
    """``sqrt(R2 / (1 - R2))``: for an aligned mode, its amplitude over that where ``R2`` is 1/2."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.sqrt(r2 / (1.0 - r2)))


def given_features(name: str, filters: ArrayLike, data: Covariances) -> Features:
    """Validates filters, as columns, and scales them to features of unit variance."""
    columns = _validate.real(name, filters)
    if columns.ndim != 2 or columns.shape[0] != data.d or not columns.size:
        raise ValueError(
            f"{name} must be filters of the data's dimension, shape ({data.d}, k): "
            f"got {columns.shape}"
        )
    largest = np.abs(columns).max(axis=0)
    if not largest.all():
        raise ValueError(f"{name} must have variance: filter {largest.argmin()} is zero")
    unit = columns / largest
    unit /= np.linalg.norm(unit, axis=0)
    deviation = np.linalg.norm((data.rotation * np.sqrt(data.variances)).T @ unit, axis=0)
    least = ROUNDING * data.d * np.finfo(np.float64).eps * data.variances.max()
    flat = np.flatnonzero(deviation**2 <= least)
    if flat.size:
        raise ValueError(
            f"{name} must have variance: the data have none along filter {flat[0]} "
            f"({deviation[flat[0]] ** 2:.3g} of up to {data.variances.max():.3g})"
        )
    return Features(data, unit / deviation)


def given_sigma(sigma: Any, count: int) -> Array:
    """Validates the noise of ``count`` features."""
    noise = _validate.positive("sigma", sigma)
    if noise.shape not in ((), (1,), (count,)):
        raise ValueError(
            f"sigma must be a single value or one for each of {count} features: "
            f"got shape {noise.shape}"
        )
    return np.broadcast_to(noise, (count,))

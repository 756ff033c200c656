"""The directions in which data vary, whatever the units of the features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dlnflow.data._covariance import refuse_negative

Array = NDArray[np.float64]

ZERO_VARIANCE = 1e-10  # of the largest, with features at unit variance; rounding is below 1e-14


def directions(xx: Array, rounding: float, unit: float) -> tuple[Array, Array, Array]:
    """Principal components with variance, their falling variances, and the directions without.

    Both sets of directions are orthonormal columns. Whether a direction has variance is judged with
    the features scaled to unit variance, so that units do not matter: a feature in units that make
    it small is no direction without variance, but an exact combination of features has none. A
    feature of at most ``rounding`` of the largest variance counts as constant. ``xx`` is a multiple
    of ``unit``.
    """
    rising, vectors = np.linalg.eigh(xx)
    refuse_negative("sigma_xx", rising, unit)
    null = _without_variance(xx, rounding)
    if null.shape[1]:
        whole = np.linalg.qr(null, mode="complete")[0]
        null, space = np.split(whole, [null.shape[1]], axis=1)
        rising, turn = np.linalg.eigh(space.T @ xx @ space)
        vectors = space @ turn
    small = rising <= rounding * rising[-1]
    null = np.hstack([null, vectors[:, small]])
    return vectors[:, ~small][:, ::-1], rising[~small][::-1], null


def _without_variance(xx: Array, rounding: float) -> Array:
    """Directions without variance as columns of unit length."""
    variance = np.diag(xx)
    varies = variance > rounding * variance.max()
    constant = np.eye(len(xx))[:, ~varies]
    scale = np.sqrt(variance[varies])
    scaled = xx[np.ix_(varies, varies)] / np.outer(scale, scale)
    least, most = np.linalg.eigvalsh(scaled)[[0, -1]]  # faster than eigenvectors, of no use then
    if least > max(ZERO_VARIANCE, rounding) * most:
        return constant
    values, vectors = np.linalg.eigh(scaled)
    flat = values <= max(ZERO_VARIANCE, rounding) * values[-1]
    combined = np.zeros((len(xx), int(flat.sum())))
    combined[varies] = vectors[:, flat] / scale[:, None]
    return np.hstack([constant, combined / np.linalg.norm(combined, axis=0)])

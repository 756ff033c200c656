"""The likelihood of fits, and the size of the noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlnflow.identification._fit import Fit, Measurements, RowRecord

Array = NDArray[np.float64]


@dataclass(frozen=True)
class EvaluatedFit(RowRecord):
    """A fit with its likelihood.

    Attributes
    ----------
    fit : Fit
    log_likelihood : array, shape (rows,)
    sigma : array, shape (rows,)
        Standard deviation of the noise, given or estimated: of ``w``, or of ``log w``.
    stderr : array, shape (rows, 3)
        Of ``log |lam|``, ``log |rho|``, ``log eps``.
    freedom : array, shape (rows,)
        Degrees of freedom of the estimate of ``sigma``; infinite if it was given.
    """

    fit: Fit
    log_likelihood: Array
    sigma: Array
    stderr: Array
    freedom: Array

    @property
    def aic(self) -> float:
        """Akaike's criterion; the fitted ``sigma`` of each row counts as a parameter."""
        fitted = self.fit.free.sum() + np.isfinite(self.freedom).sum()
        return float(2.0 * fitted - 2.0 * self.log_likelihood.sum())

    @property
    def sharpness(self) -> Array:
        """The share of a difference in log-likelihood that counts as evidence, for each row.

        ``(n - k) / n`` for ``n`` measurements and ``k`` parameters, from integrating over ``sigma``
        instead of fitting it; 1 if ``sigma`` was given.
        """
        measured = np.where(np.isinf(self.freedom), 1.0, self.freedom + self.fit.free)
        return np.where(np.isinf(self.freedom), 1.0, np.minimum(self.freedom, measured) / measured)


def evaluate(fit: Fit, data: Measurements, sigma: Array | None) -> EvaluatedFit:
    """The likelihood of a fit, with ``sigma`` estimated for each row unless it is given."""
    n, size = data.t.size, data.size
    cost = np.maximum(fit.cost, data.floor)
    with np.errstate(divide="ignore", invalid="ignore"):
        jacobian = np.where(data.relative, np.log(np.abs(data.w)).sum(axis=1), n * np.log(size))
        freedom = n - fit.free
        variance, likeliest = cost / freedom, cost / n
        if sigma is not None:
            variance = likeliest = (sigma / size) ** 2
            freedom = np.full(len(size), np.inf)
        log_likelihood = -0.5 * (n * np.log(2.0 * np.pi * likeliest) + cost / likeliest) - jacobian
        log_likelihood = np.where(np.isfinite(fit.cost), log_likelihood, -np.inf)
        deviation = np.sqrt(variance)
        stderr = deviation[:, None] * np.sqrt(np.einsum("rii->ri", fit.covariance))
    return EvaluatedFit(fit, log_likelihood, deviation * size, stderr, freedom)

"""How likely a fit makes the data, with the noise's size known or estimated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlnflow.identification._fit import Data, Fit
from dlnflow.identification._least_squares import Indices

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
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
        """Akaike's criterion: twice what was fitted, the noise included, less twice the fit."""
        fitted = self.fit.free.sum() + np.isfinite(self.freedom).sum()
        return float(2.0 * fitted - 2.0 * self.log_likelihood.sum())

    @property
    def sharpness(self) -> Array:
        """How much of a difference in log-likelihood counts as evidence, row by row.

        With the noise's size integrated out rather than fitted, and the parameters' share of the
        measurements taken off, ``n - k`` of ``n`` measurements decide between two candidates.
        """
        measured = np.where(np.isinf(self.freedom), 1.0, self.freedom + self.fit.free)
        return np.where(np.isinf(self.freedom), 1.0, np.minimum(self.freedom, measured) / measured)

    def rows(self, chosen: Indices) -> Judged:
        """Some of the rows."""
        return Judged(
            self.fit.rows(chosen),
            self.log_likelihood[chosen],
            self.sigma[chosen],
            self.stderr[chosen],
            self.freedom[chosen],
        )


def judge(fit: Fit, data: Data, sigma: Array | None) -> Judged:
    """The likelihood of a fit; ``sigma`` is profiled out, row by row, unless given."""
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
    return Judged(fit, log_likelihood, deviation * size, stderr, freedom)

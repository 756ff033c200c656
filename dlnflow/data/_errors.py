"""Standard errors of modes, confidence intervals, and probabilities of the order of learning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlnflow._common._frozen import set_fields
from dlnflow.theory._critical_time import log_critical_time

Array = NDArray[np.float64]

QUANTITIES = ("lam", "variance", "rho")
DRAWS = 4000  # an order probability then has a standard error below 0.01
LEAST_CENTRE = 0.5  # of a variance: the bias correction leaves at least this share


@dataclass(frozen=True, eq=False)
class Errors:
    """Standard errors of the modes of a sample: an immutable record.

    Attributes
    ----------
    lam, variance, rho : array, shape (modes,)
        Standard errors.
    covariance : array, shape (2 modes, 2 modes)
        Of the estimates ``lam``, then ``variance``.
    method : str
        ``"asymptotic"`` (influence functions) or ``"bootstrap"``.
    n, block, groups : int
        Number of samples, of consecutive samples that depend on each other, and of such blocks.
    independent : float
        Effective number of independent samples; ``n`` where ``block`` is 1.
    noise_floor : array, shape (modes,)
        Size of ``lam`` that unrelated data reaches by chance (5 %, over all modes together).
    mixing : array, shape (modes,)
        Standard error, in radians, of the angle between the mode and the one it is hardest to
        distinguish from. Above about 0.5 the samples do not resolve the two.
    bias : array, shape (3, modes)
        Expected ``lam``, ``variance`` and ``rho`` of samples less those of the data: second order
        of perturbation theory for Gaussian samples, or the mean over bootstrap resamples.
        Intervals are corrected for it, the estimates are not.
    draws : array, shape (resamples, 2, modes), or None
        Bootstrap only: ``lam`` and ``variance`` of every resample.

    Notes
    -----
    ``docs/data.md``.
    """

    lam: Array
    variance: Array
    rho: Array
    covariance: Array
    method: str
    n: int
    block: int
    groups: int
    independent: float
    noise_floor: Array
    mixing: Array
    bias: Array
    draws: Array | None = None

    def __post_init__(self) -> None:
        set_fields(self, vars(self), copy=True)

    def __repr__(self) -> str:
        blocks = f" in {self.groups} blocks of {self.block}" if self.block > 1 else ""
        modes = "mode" if self.lam.size == 1 else "modes"
        return f"Errors: {self.method}, {self.lam.size} {modes}, {self.n} samples{blocks}"

    def leading(self, count: int) -> Errors:
        """Errors of the first ``count`` modes."""
        m = self.lam.size
        both = np.r_[:count, m : m + count]
        return replace(
            self,
            lam=self.lam[:count],
            variance=self.variance[:count],
            rho=self.rho[:count],
            covariance=self.covariance[np.ix_(both, both)],
            noise_floor=self.noise_floor[:count],
            mixing=self.mixing[:count],
            bias=self.bias[:, :count],
            draws=None if self.draws is None else self.draws[:, :, :count],
        )


def standard_errors(lam: Array, variance: Array, covariance: Array) -> tuple[Array, Array, Array]:
    """Standard errors of lam, variance and rho, the last by the delta method."""
    of_lam, of_variance, together = _parts(covariance)
    rho = lam / variance
    of_rho = (of_lam - 2.0 * rho * together + rho**2 * of_variance) / variance**2
    return np.sqrt(of_lam), np.sqrt(of_variance), np.sqrt(np.maximum(of_rho, 0.0))


def with_rho(bias: Array, lam: Array, variance: Array, covariance: Array) -> Array:
    """Biases of lam, variance and rho, the last by the delta method to second order."""
    _, of_variance, together = _parts(covariance)
    rho = lam / variance
    curvature = (rho * of_variance - together) / variance
    return np.vstack([bias, (bias[0] - rho * bias[1] + curvature) / variance])


def _parts(covariance: Array) -> tuple[Array, Array, Array]:
    """Variances of lam and of variance, and the covariance of the two, mode by mode."""
    m = len(covariance) // 2
    diagonal = np.diag(covariance)
    return diagonal[:m], diagonal[m:], np.diag(covariance[:m, m:])


def interval(errors: Errors, name: str, estimate: Array, level: float) -> Array:
    """Lower and upper ends, shape (2, modes); see `Spectrum.interval`."""
    from scipy.special import stdtrit

    bias = errors.bias[QUANTITIES.index(name)]
    quantile = float(stdtrit(errors.groups - 1.0, 0.5 + 0.5 * level))
    width = quantile * np.hypot(getattr(errors, name), bias)
    centre = estimate - bias
    if name == "variance":
        centre = np.maximum(centre, LEAST_CENTRE * estimate)
        relative = width / centre
        return np.array([centre * np.exp(-relative), centre * np.exp(relative)])
    return np.array([centre - width, centre + width])


def order_probability(errors: Errors, lam: Array, variance: Array, L: int, **options: Any) -> Array:
    """Probability that mode i is learned before mode j; see `Spectrum.order_probability`."""
    drawn_lam, drawn_variance = _draws(errors, lam, variance)
    times = log_critical_time(
        drawn_lam, drawn_lam / drawn_variance, L, variance=drawn_variance, **options
    )
    probability = np.full((lam.size, lam.size), 0.5)
    for mode, column in enumerate(times.T):
        first = column[:, None] < times
        tied = column[:, None] == times
        probability[mode] = first.mean(axis=0) + 0.5 * tied.mean(axis=0)
    return probability


def _draws(errors: Errors, lam: Array, variance: Array) -> tuple[Array, Array]:
    """Values of ``lam`` and ``variance`` from the distribution of the estimates, (draws, modes)."""
    m = lam.size
    centre = np.concatenate([lam, np.log(variance)])
    if errors.draws is not None:
        drawn = np.hstack([errors.draws[:, 0], np.log(errors.draws[:, 1])])
        drawn += centre - drawn.mean(axis=0)
    else:
        scale = np.concatenate([np.ones(m), 1.0 / variance])
        values, vectors = np.linalg.eigh(errors.covariance * np.outer(scale, scale))
        normal = np.random.default_rng(0).normal(size=(DRAWS, 2 * m))
        drawn = centre + normal * np.sqrt(np.maximum(values, 0.0)) @ vectors.T
    return drawn[:, :m], np.exp(drawn[:, m:])

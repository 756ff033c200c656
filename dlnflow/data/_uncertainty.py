"""How sure the modes of samples are: standard errors, intervals, and the order of learning."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dlnflow.theory._critical_time import log_critical_time
from dlnflow.theory._objective import Objective

if TYPE_CHECKING:
    from dlnflow.data._spectrum import Spectrum

Array = NDArray[np.float64]

QUANTITIES = ("lam", "variance", "rho")
DRAWS = 4000  # an order probability is then within 0.02
UNSETTLED = 0.5  # radians
HALF = 0.5  # of a variance: no correction takes more


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
        Samples, consecutive samples taken to be dependent, and the blocks of these.
    independent : float
        How many independent samples tell as much; ``n`` where ``block`` is 1.
    noise_floor : array, shape (modes,)
        Size below which ``lam`` is no larger than that of unrelated data; 5 % over all modes.
    mixing : array, shape (modes,)
        Standard error, in radians, of the angle between the mode and the one it is least
        distinguishable from. From about 0.5 on, the two are not told apart.
    bias : array, shape (3, modes)
        By how much sampling moves ``lam``, ``variance`` and ``rho`` on average: second order of
        perturbation theory for Gaussian samples, or what the bootstrap shows. Intervals are
        corrected for it, the estimates are not.
    draws : array, shape (resamples, 2, modes), or None
        Of a bootstrap: ``lam`` and ``variance`` of every resample.

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
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                own = value.copy()
                own.flags.writeable = False
                object.__setattr__(self, field.name, own)

    def __repr__(self) -> str:
        blocks = f" in {self.groups} blocks of {self.block}" if self.block > 1 else ""
        modes = "mode" if self.lam.size == 1 else "modes"
        return f"Errors: {self.method}, {self.lam.size} {modes}, {self.n} samples{blocks}"

    def leading(self, count: int) -> Errors:
        """Those of the first modes."""
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
    """Of lam, variance and rho, the last by the delta method."""
    of_lam, of_variance, together = _parts(covariance)
    rho = lam / variance
    of_rho = (of_lam - 2.0 * rho * together + rho**2 * of_variance) / variance**2
    return np.sqrt(of_lam), np.sqrt(of_variance), np.sqrt(np.maximum(of_rho, 0.0))


def with_rho(bias: Array, lam: Array, variance: Array, covariance: Array) -> Array:
    """The bias of lam and variance, and of rho by the delta method to second order."""
    _, of_variance, together = _parts(covariance)
    rho = lam / variance
    curvature = (rho * of_variance - together) / variance
    return np.vstack([bias, (bias[0] - rho * bias[1] + curvature) / variance])


def _parts(covariance: Array) -> tuple[Array, Array, Array]:
    """Variances of lam and of variance, and the covariance of the two, mode by mode."""
    m = len(covariance) // 2
    diagonal = np.diag(covariance)
    return diagonal[:m], diagonal[m:], np.diag(covariance[:m, m:])


def interval(spectrum: Spectrum, errors: Errors, name: str, level: float) -> Array:
    """Lower and upper ends, shape (2, modes); see `Spectrum.interval`."""
    from scipy.special import stdtrit

    estimate, error = getattr(spectrum, name), getattr(errors, name)
    bias = errors.bias[QUANTITIES.index(name)]
    width = float(stdtrit(errors.groups - 1.0, 0.5 + 0.5 * level)) * np.hypot(error, bias)
    centre = estimate - bias
    if name == "variance":
        centre = np.maximum(centre, HALF * estimate)
        relative = width / centre
        return np.array([centre * np.exp(-relative), centre * np.exp(relative)])
    return np.array([centre - width, centre + width])


def order_probability(
    spectrum: Spectrum,
    errors: Errors,
    L: int,
    eps: float,
    objective: str | Objective,
    p: float,
    decoder_depth: int,
) -> Array:
    """Chance that mode i is learned before mode j; see `Spectrum.order_probability`."""
    lam, variance = _likely(spectrum, errors)
    times = log_critical_time(
        lam,
        lam / variance,
        L,
        eps=eps,
        objective=objective,
        p=p,
        decoder_depth=decoder_depth,
        variance=variance,
    )
    chance = np.full((lam.shape[1], lam.shape[1]), 0.5)
    for one, column in enumerate(times.T):
        first = column[:, None] < times
        together = column[:, None] == times
        chance[one] = first.mean(axis=0) + 0.5 * together.mean(axis=0)
    return chance


def _likely(spectrum: Spectrum, errors: Errors) -> tuple[Array, Array]:
    """Values of ``lam`` and ``variance`` that the errors allow, (draws, modes) each."""
    m = spectrum.lam.size
    centre = np.concatenate([spectrum.lam, np.log(spectrum.variance)])
    if errors.draws is not None:
        drawn = np.hstack([errors.draws[:, 0], np.log(errors.draws[:, 1])])
        drawn += centre - drawn.mean(axis=0)
    else:
        scale = np.concatenate([np.ones(m), 1.0 / spectrum.variance])
        values, vectors = np.linalg.eigh(errors.covariance * np.outer(scale, scale))
        normal = np.random.default_rng(0).normal(size=(DRAWS, 2 * m))
        drawn = centre + normal * np.sqrt(np.maximum(values, 0.0)) @ vectors.T
    return drawn[:, :m], np.exp(drawn[:, m:])

"""Estimation of a spectrum's standard errors: by influence functions and by the bootstrap."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow.data._covariance import Samples
from dlnflow.data._estimation import ASYMPTOTIC, InBasis
from dlnflow.data._influence import (
    Coordinates,
    Influence,
    influence_sums,
    refuse_few,
    refuse_other_data,
)
from dlnflow.data._record import Errors, SpectrumRecord
from dlnflow.data._sampling import COMPROMISES, WHITENED, gaussian_bias, noise_floor

Array = NDArray[np.float64]

FEWEST = 20  # resamples: their standard errors have a relative error of a sixth
LEAST, LARGEST = 1e-140, 1e140  # sizes of modes whose squares neither underflow nor overflow
RESIDUAL = 1e-12  # share of the target's covariance that rounding leaves of an exact regression
NOTHING = 1e-10  # share of the data's variance that only rounding leaves in a resample of one row


def asymptotic(
    spectrum: SpectrumRecord, batches: Iterable[tuple[ArrayLike, ...]], block: int
) -> Errors:
    """Asymptotic errors by influence functions, in one pass over raw samples."""
    basis = spectrum.basis_name
    if basis not in ASYMPTOTIC:
        raise ValueError(
            f"asymptotic errors are not known for basis={basis!r}: use "
            f"from_samples(..., basis={basis!r}, errors='bootstrap')"
        )
    whole = spectrum._whole
    _refuse_size(whole)
    if spectrum.n is not None:
        refuse_few(spectrum.n, block, whole.spaces.size)
    influence = Influence(
        whole,
        basis == "generalised",
        1.0 - spectrum.shrinkage,
        len(whole.basis) - len(spectrum.constant),
    )
    coordinates = Coordinates(whole.filters, spectrum.names, spectrum.scale, spectrum.missing > 0)
    sums, groups, second = influence_sums(influence, coordinates, batches, block)
    m, weight = whole.spaces.size, sums.total[-1]
    n = round(weight**2 / sums.products[-1, -1])
    refuse_few(n, block, m)
    shift = sums.total[2 * m : 4 * m] / weight
    joint = second.products[:-1, :-1] / weight - np.outer(shift, shift)
    refuse_other_data(influence, joint)
    if spectrum.n is not None and n != spectrum.n:
        raise ValueError(
            f"batches must be the {spectrum.n} samples that the spectrum was made of: got {n}"
        )
    change = np.hstack([np.eye(2 * m), -influence.linear(shift)])
    covariance = groups.covariance_of_mean(change)
    alone = covariance if block == 1 else sums.covariance_of_mean(change)
    independent = n / _design(np.diag(covariance)[:m], np.diag(alone)[:m])
    bias = gaussian_bias(whole, joint, independent, generalised=influence.generalised)
    return _errors(
        spectrum,
        covariance,
        joint,
        independent,
        bias=(1.0 - spectrum.shrinkage) * bias,
        method="asymptotic",
        n=n,
        block=block,
        groups=groups.count,
    )


def bootstrap(
    spectrum: SpectrumRecord,
    samples: Samples,
    block: int,
    resamples: int,
    rng: np.random.Generator,
    modes_of: Callable[[Array, Array], dict[str, Any]],
) -> Errors:
    """Bootstrap errors from blocks of centred samples; ``modes_of`` is the whole estimator."""
    whole = spectrum._whole
    x, y, m = samples.x, samples.y, whole.spaces.size
    n = len(x)
    weights = np.ones(n) if samples.weights is None else samples.weights
    _refuse_size(whole)
    refuse_few(samples.effective, block, m)
    if resamples < FEWEST:
        raise ValueError(f"resamples must number at least {FEWEST}: got {resamples}")
    groups = -(-n // block)
    both = np.hstack([x, y])
    draws = np.empty((resamples, 2, m))
    for draw in draws:
        counts = rng.multinomial(groups, np.full(groups, 1.0 / groups))
        draw[:] = _resampled(
            x, both, np.repeat(counts, block)[:n] * weights, modes_of, whole.filters
        )
    u, v = x @ whole.filters, y @ whole.filters
    about = weights[:, None] * (u * v - np.average(u * v, axis=0, weights=weights))
    blocks = np.add.reduceat(about, np.arange(0, n, block))
    return _errors(
        spectrum,
        np.cov(draws.reshape(resamples, -1), rowvar=False),
        np.cov(np.hstack([u, v]), rowvar=False, bias=True, aweights=weights),
        samples.effective / _design(np.sum(blocks**2, axis=0), np.sum(about**2, axis=0)),
        bias=draws.mean(axis=0) - [np.diag(whole.yx), np.diag(whole.xx)],
        method="bootstrap",
        n=samples.effective,
        block=block,
        groups=groups,
        draws=draws,
    )


def _refuse_size(whole: InBasis) -> None:
    """Refuse modes whose squared errors would overflow or underflow."""
    for name, matrix in (("variance", whole.xx), ("lam", whole.yx)):
        size = float(np.abs(matrix).max())
        if size and not LEAST <= size <= LARGEST:
            raise ValueError(
                f"{name} must lie within {LEAST:g} and {LARGEST:g} for errors, whose squares "
                f"overflow or underflow elsewhere: got {size:.3g}; divide x and y by their size"
            )


def _design(blocks: Array, rows: Array) -> float:
    """Design effect: the number of dependent rows worth one independent row; at least 1.

    The variances of a mean are given with blocks and with rows as independent.
    """
    ratio = np.divide(blocks, rows, out=np.ones_like(rows), where=rows > 0.0)
    return max(1.0, float(ratio.mean()))


def _errors(
    spectrum: SpectrumRecord,
    covariance: Array,
    joint: Array,
    independent: float,
    *,
    bias: Array,
    **rest: Any,
) -> Errors:
    whole = spectrum._whole
    m = whole.spaces.size
    lam, variance = np.diag(whole.yx), np.diag(whole.xx)
    of_lam, of_variance, together = _parts(covariance)
    rho = lam / variance
    of_rho = (of_lam - 2.0 * rho * together + rho**2 * of_variance) / variance**2
    lam_err, variance_err, rho_err = np.sqrt([of_lam, of_variance, np.maximum(of_rho, 0.0)])
    xx, noise = joint[:m, :m], _unpredicted(joint, independent)
    kept, powers = 1.0 - spectrum.shrinkage, COMPROMISES if whole.cross else WHITENED
    scale = rho_err * variance if spectrum.basis_name == "generalised" else lam_err
    errors = Errors(
        lam=lam_err,
        variance=variance_err,
        rho=rho_err,
        bias=with_rho(bias, lam, variance, covariance),
        covariance=covariance,
        independent=independent,
        noise_floor=kept
        * noise_floor(scale / kept, xx, noise, whole.searched, independent, powers),
        mixing=_mixing(whole, noise, independent, spectrum.basis_name),
        **rest,
    )
    return errors.leading(spectrum.lam.size)


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


def _unpredicted(joint: Array, independent: float) -> Array:
    """Covariance of the target's part that the context does not predict linearly."""
    m = len(joint) // 2
    xx, yx, yy = joint[:m, :m], joint[m:, :m], joint[m:, m:]
    if independent <= m + 1.0:
        return yy
    residual: Array = yy - yx @ np.linalg.solve(xx, yx.T)
    if np.abs(residual).max() <= RESIDUAL * np.abs(yy).max():
        return np.zeros_like(residual)
    return residual * (independent / (independent - m))


def _mixing(whole: InBasis, noise: Array, n: float, basis: str) -> Array:
    """Largest standard error of the angle between a mode and any other, for Gaussian data."""
    s, lam, own = np.diag(whole.xx), np.diag(whole.yx), np.diag(noise)
    rho, of_z = lam / s, own / s
    gap_s, gap_lam, gap_rho = (_gaps(values) for values in (s, lam, rho))
    spread_s = np.outer(s, s) / n
    targets = np.outer(s, own)
    spread_lam = 0.25 * (spread_s * (rho[:, None] + rho) ** 2 + (targets + targets.T) / n)
    if basis == "generalised":
        squared = 0.25 / n * (1.0 + (of_z[:, None] + of_z) / gap_rho)
    elif basis == "joint":
        size_s, size_lam = s @ s, lam @ lam or 1.0
        weight_s, weight_lam = gap_s / size_s, gap_lam / size_lam
        spread = weight_s * spread_s / size_s + weight_lam * spread_lam / size_lam
        squared = spread / (weight_s + weight_lam) ** 2
    else:
        squared = np.where(whole.by_yx, spread_lam / gap_lam, spread_s / gap_s)
    np.fill_diagonal(squared, 0.0)
    return np.minimum(np.sqrt(squared.max(axis=1)), 0.5 * np.pi)


def _gaps(values: Array) -> Array:
    """Squared differences, none of them 0."""
    least = 1e-12 * (np.abs(values).max() or 1.0)
    return np.maximum((values[:, None] - values) ** 2, least**2)


def _resampled(
    x: Array,
    both: Array,
    counts: Array,
    modes_of: Callable[[Array, Array], dict[str, Any]],
    filters: Array,
) -> Array:
    """``lam`` and ``variance`` of rows that count several times, shape (2, modes).

    ``both`` are ``x`` and ``y`` side by side.
    """
    from scipy.optimize import linear_sum_assignment

    (n, d), modes, total = x.shape, filters.shape[1], counts.sum()
    mean = counts @ both / total
    products = (x * counts[:, None]).T @ both / total - np.outer(mean[:d], mean)
    xx, yx = 0.5 * (products[:, :d] + products[:, :d].T), products[:, d:].T
    constant = np.trace(xx) <= NOTHING * float(np.vdot(x, x)) / n
    found = {"lam": np.empty(0)} if constant else modes_of(xx, yx)
    if found["lam"].size < modes:
        raise ValueError(
            "errors='bootstrap' must find the variance of every mode in every resample: got one "
            f"with {found['lam'].size} of {modes} modes; use more samples or errors='asymptotic'"
        )
    _, theirs = linear_sum_assignment(-np.abs(filters.T @ found["basis"]))
    return np.array([found["lam"][theirs], found["variance"][theirs]])

"""Estimation of a spectrum's standard errors: by influence functions and by the bootstrap."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow.data._errors import Errors, standard_errors, with_rho
from dlnflow.data._influence import Influence, refuse_few, summarise
from dlnflow.data._joint_basis import InBasis
from dlnflow.data._record import SpectrumRecord
from dlnflow.data._sampling import gaussian_bias, noise_floor

Array = NDArray[np.float64]

FEWEST = 20  # resamples: their standard errors have a relative error of a sixth
LEAST, LARGEST = 1e-140, 1e140  # sizes of modes whose squares neither underflow nor overflow
NOTHING = 1e-10  # share of the data's variance that only rounding leaves in a resample of one row


def asymptotic(
    spectrum: SpectrumRecord, batches: Iterable[tuple[ArrayLike, ArrayLike]], block: int
) -> Errors:
    """Asymptotic errors by influence functions, in one pass over raw samples."""
    if spectrum.basis_name == "joint":
        raise ValueError(
            "asymptotic errors are not known for basis='joint', which has no closed form: use "
            "from_samples(..., basis='joint', errors='bootstrap')"
        )
    whole = spectrum._whole
    _refuse_size(whole)
    if spectrum.n is not None:
        refuse_few(spectrum.n, block, whole.spaces.size)
    influence = Influence(
        whole,
        spectrum.basis_name == "generalised",
        1.0 - spectrum.shrinkage,
        len(whole.basis) - len(spectrum.constant),
    )
    found = summarise(influence, batches, block)
    if spectrum.n is not None and found.n != spectrum.n:
        raise ValueError(
            f"batches must be the {spectrum.n} samples that the spectrum was made of: got {found.n}"
        )
    independent = found.n / found.design
    return _errors(
        whole,
        found.covariance,
        found.joint,
        spectrum,
        independent,
        method="asymptotic",
        n=found.n,
        block=block,
        groups=found.groups,
        bias=(1.0 - spectrum.shrinkage)
        * gaussian_bias(whole, found.joint, independent, generalised=influence.generalised),
    )


def bootstrap(
    spectrum: SpectrumRecord,
    x: Array,
    y: Array,
    block: int,
    resamples: int,
    rng: np.random.Generator,
    modes_of: Callable[[Array, Array], dict[str, Any]],
) -> Errors:
    """Bootstrap errors from blocks of centred samples; ``modes_of`` is the whole estimator."""
    whole = spectrum._whole
    _refuse_size(whole)
    refuse_few(len(x), block, whole.spaces.size)
    if resamples < FEWEST:
        raise ValueError(f"resamples must number at least {FEWEST}: got {resamples}")
    draws = _resampled(x, y, block, resamples, rng, modes_of, whole.filters)
    covariance = np.cov(draws.reshape(resamples, -1), rowvar=False)
    u, v = x @ whole.filters, y @ whole.filters
    joint = np.cov(np.hstack([u, v]), rowvar=False, bias=True)
    groups = -(-len(x) // block)
    return _errors(
        whole,
        covariance,
        joint,
        spectrum,
        len(x) / _design(u * v, block),
        method="bootstrap",
        n=len(x),
        block=block,
        groups=groups,
        draws=draws,
        bias=draws.mean(axis=0) - [np.diag(whole.yx), np.diag(whole.xx)],
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


def _design(products: Array, block: int) -> float:
    """Design effect: the number of dependent rows worth one independent row; at least 1."""
    about = products - products.mean(axis=0)
    sums = np.add.reduceat(about, np.arange(0, len(about), block))
    alone = np.sum(about**2, axis=0)
    ratio = np.divide(np.sum(sums**2, axis=0), alone, out=np.ones_like(alone), where=alone > 0.0)
    return max(1.0, float(ratio.mean()))


def _errors(
    whole: InBasis,
    covariance: Array,
    joint: Array,
    spectrum: SpectrumRecord,
    independent: float,
    *,
    bias: Array,
    **rest: Any,
) -> Errors:
    m = whole.spaces.size
    lam, variance = np.diag(whole.yx), np.diag(whole.xx)
    of_lam, of_variance, of_rho = standard_errors(lam, variance, covariance)
    xx, noise = joint[:m, :m], _unpredicted(joint, independent)
    kept = 1.0 - spectrum.shrinkage
    scale = of_rho * variance if spectrum.basis_name == "generalised" else of_lam
    floor = noise_floor(scale / kept, xx, noise, whole.spaces, independent)
    errors = Errors(
        lam=of_lam,
        variance=of_variance,
        rho=of_rho,
        bias=with_rho(bias, lam, variance, covariance),
        covariance=covariance,
        independent=independent,
        noise_floor=kept * floor,
        mixing=_mixing(whole, noise, independent, spectrum.basis_name),
        **rest,
    )
    return errors.leading(spectrum.lam.size)


def _unpredicted(joint: Array, independent: float) -> Array:
    """Covariance of the target's part that the context does not predict linearly."""
    m = len(joint) // 2
    xx, yx, yy = joint[:m, :m], joint[m:, :m], joint[m:, m:]
    if independent <= m + 1.0:
        return yy
    residual: Array = yy - yx @ np.linalg.solve(xx, yx.T)
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
        same_space = whole.spaces[:, None] == whole.spaces
        squared = np.where(same_space, spread_lam / gap_lam, spread_s / gap_s)
    np.fill_diagonal(squared, 0.0)
    return np.minimum(np.sqrt(squared.max(axis=1)), 0.5 * np.pi)


def _gaps(values: Array) -> Array:
    """Squared differences, none of them 0."""
    least = 1e-12 * (np.abs(values).max() or 1.0)
    return np.maximum((values[:, None] - values) ** 2, least**2)


def _resampled(
    x: Array,
    y: Array,
    block: int,
    resamples: int,
    rng: np.random.Generator,
    modes_of: Callable[[Array, Array], dict[str, Array]],
    filters: Array,
) -> Array:
    """``lam`` and ``variance`` of every resample, shape (resamples, 2, modes).

    Blocks of consecutive rows are drawn with replacement, as multinomial weights.
    """
    n, modes = len(x), filters.shape[1]
    groups = -(-n // block)
    both = np.hstack([x, y])
    least = NOTHING * float(np.sum(x**2)) / n
    drawn = np.empty((resamples, 2, modes))
    for index in range(resamples):
        counts = rng.multinomial(groups, np.full(groups, 1.0 / groups))
        xx, yx = _covariances(x, both, np.repeat(counts, block)[:n])
        if np.trace(xx) <= least:
            raise _too_few(0, modes)
        drawn[index] = _matched(modes_of(xx, yx), filters)
    return drawn


def _covariances(x: Array, both: Array, counts: NDArray[np.int64]) -> tuple[Array, Array]:
    total, d = counts.sum(), x.shape[1]
    mean = counts @ both / total
    products = (x * counts[:, None]).T @ both / total - np.outer(mean[:d], mean)
    xx, xy = products[:, :d], products[:, d:]
    return 0.5 * (xx + xx.T), xy.T


def _matched(found: dict[str, Array], filters: Array) -> Array:
    from scipy.optimize import linear_sum_assignment

    modes = filters.shape[1]
    if found["lam"].size < modes:
        raise _too_few(found["lam"].size, modes)
    overlap = np.abs(filters.T @ found["basis"])
    _, theirs = linear_sum_assignment(-overlap)
    return np.array([found["lam"][theirs], found["variance"][theirs]])


def _too_few(found: int, modes: int) -> ValueError:
    return ValueError(
        "errors='bootstrap' must find the variance of every mode in every resample: got one with "
        f"{found} of {modes} modes; use more samples or errors='asymptotic'"
    )

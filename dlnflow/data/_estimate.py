"""The errors of a spectrum's modes, from the samples it was made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.data._bias import gaussian_bias
from dlnflow.data._bootstrap import resampled
from dlnflow.data._influence import Influence, moments, refuse_few
from dlnflow.data._joint_basis import InBasis
from dlnflow.data._noise_floor import noise_floor
from dlnflow.data._uncertainty import Errors, standard_errors, with_rho

if TYPE_CHECKING:
    from dlnflow.data._spectrum import Spectrum

Array = NDArray[np.float64]

FEWEST = 20  # resamples: they tell a standard error to a sixth
LEAST, LARGEST = 1e-140, 1e140  # of modes whose squares are numbers, with room for sums


def intensity(shrinkage: Any, context: Array) -> float:
    """How far to shrink: 0 for None, a number as it is, or Ledoit and Wolf's."""
    if shrinkage is None:
        return 0.0
    if shrinkage == "ledoit-wolf":
        try:
            from sklearn.covariance import ledoit_wolf_shrinkage
        except ImportError:
            raise ImportError(
                "shrinkage='ledoit-wolf' needs scikit-learn: pip install 'dlnflow[shrinkage]', or "
                "give a number in [0, 1]"
            ) from None
        # its fourth powers overflow or underflow long before squares do, and it knows no unit
        _, exponent = np.frexp(np.abs(context).max())
        found = float(ledoit_wolf_shrinkage(np.ldexp(context, -exponent), assume_centered=True))
        if found < 1.0:
            return found
        raise ValueError(
            "shrinkage must lie in [0, 1), where 1 leaves no data: got 1 from 'ledoit-wolf', which "
            "cannot tell x from uncorrelated features of one variance; give a number, or None"
        )
    if isinstance(shrinkage, str):
        raise ValueError(
            f"shrinkage must be None, 'ledoit-wolf' or a number in [0, 1): got {shrinkage!r}"
        )
    number = float(_validate.single("shrinkage", _validate.real("shrinkage", shrinkage)))
    if not 0.0 <= number < 1.0:
        raise ValueError(f"shrinkage must lie in [0, 1), where 1 leaves no data: got {number:g}")
    return number


def asymptotic(
    spectrum: Spectrum, batches: Iterable[tuple[ArrayLike, ArrayLike]], block: int
) -> Errors:
    """By influence functions, in one pass over raw samples."""
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
    found = moments(influence, batches, block)
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
    spectrum: Spectrum,
    x: Array,
    y: Array,
    block: int,
    resamples: int,
    rng: np.random.Generator,
    modes_of: Callable[[Array, Array], dict[str, Any]],
) -> Errors:
    """By resampling blocks of centred samples; ``modes_of`` is the whole estimator."""
    whole = spectrum._whole
    _refuse_size(whole)
    refuse_few(len(x), block, whole.spaces.size)
    if resamples < FEWEST:
        raise ValueError(f"resamples must number at least {FEWEST}: got {resamples}")
    draws = resampled(x, y, block, resamples, rng, modes_of, whole.filters)
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
    """Refuse modes whose errors, squared, no number holds."""
    for name, matrix in (("variance", whole.xx), ("lam", whole.yx)):
        size = float(np.abs(matrix).max())
        if size and not LEAST <= size <= LARGEST:
            raise ValueError(
                f"{name} must lie within {LEAST:g} and {LARGEST:g} for errors, whose squares "
                f"overflow or underflow elsewhere: got {size:.3g}; divide x and y by their size"
            )


def _design(products: Array, block: int) -> float:
    """How many dependent rows carry what one independent row does; at least 1."""
    about = products - products.mean(axis=0)
    sums = np.add.reduceat(about, np.arange(0, len(about), block))
    alone = np.sum(about**2, axis=0)
    ratio = np.divide(np.sum(sums**2, axis=0), alone, out=np.ones_like(alone), where=alone > 0.0)
    return max(1.0, float(ratio.mean()))


def _errors(
    whole: InBasis,
    covariance: Array,
    joint: Array,
    spectrum: Spectrum,
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
    judged = of_rho * variance if spectrum.basis_name == "generalised" else of_lam
    floor = noise_floor(judged / kept, xx, noise, whole.spaces, independent)
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
        alike = whole.spaces[:, None] == whole.spaces
        squared = np.where(alike, spread_lam / gap_lam, spread_s / gap_s)
    np.fill_diagonal(squared, 0.0)
    return np.minimum(np.sqrt(squared.max(axis=1)), 0.5 * np.pi)


def _gaps(values: Array) -> Array:
    """Squared differences, none of them 0."""
    least = 1e-12 * (np.abs(values).max() or 1.0)
    return np.maximum((values[:, None] - values) ** 2, least**2)

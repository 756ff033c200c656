"""Estimation of modes from covariances and from samples; validates what it is given."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow._common._validate import described
from dlnflow.data._covariance import centred, covariance, paired_samples, products, square
from dlnflow.data._joint_basis import BASES, DEGENERATE, equality_tolerance, joint_modes

Array = NDArray[np.float64]
Fields = dict[str, Any]  # of a SpectrumRecord


@dataclass(frozen=True)
class SampleEstimate:
    """The fields of a spectrum, the centred samples, and the estimator for the bootstrap."""

    fields: Fields
    x: Array
    y: Array
    repeat: Callable[[Array, Array], Fields]


def from_covariances(
    sigma_xx: ArrayLike,
    sigma_yx: ArrayLike,
    basis: str,
    n: int | None,
    constant: Sequence[int | str],
    constant_y: Sequence[int | str],
) -> Fields:
    """Estimate the modes of two covariance matrices; see `Spectrum.from_covariances`."""
    xx, yx = square("sigma_xx", sigma_xx), square("sigma_yx", sigma_yx)
    if xx.shape != yx.shape:
        raise ValueError(
            "sigma_xx and sigma_yx must have the same shape, context and target the same "
            f"dimension: got {xx.shape} and {yx.shape}"
        )
    d = len(xx)
    coarse = max(_precision(sigma_xx), _precision(sigma_yx))
    count = None if n is None else _samples(n)
    if count is not None:
        _warn_of_few(count, d)
    symmetric = covariance(xx)
    _validate.choice("basis", basis, BASES)
    known = _features("constant", constant, d, d - 1)
    known_y = _features("constant_y", constant_y, d, d)
    found = _modes(symmetric, yx, basis, count, 0.0, len(known), 4.0 * d**0.5 * coarse)
    return found | {"basis_name": basis, "n": count, "constant": known, "constant_y": known_y}


def from_samples(
    x: ArrayLike, y: ArrayLike, basis: str, shrinkage: float | str | None
) -> SampleEstimate:
    """Estimate the modes of paired samples; see `Spectrum.from_samples`."""
    context, target = paired_samples(x, y)
    _validate.choice("basis", basis, BASES)
    n, d = context.shape
    _warn_of_few(n, d)
    if (context == context[0]).all():
        raise ValueError("x must vary from sample to sample: got the same sample in every row")
    constant, constant_y = (
        tuple(np.flatnonzero((rows == rows[0]).all(axis=0)).tolist()) for rows in (context, target)
    )
    context, target = centred(context), centred(target)
    rounding = 4.0 * d**0.5 * float(np.finfo(np.float64).eps)
    covariances = products(context, target)
    share = _shrinkage(shrinkage, np.delete(context, constant, axis=1))

    def estimate(xx: Array, yx: Array) -> Fields:
        return _modes(xx, yx, basis, n, share, len(constant), rounding)

    fields = estimate(*covariances) | {
        "basis_name": basis,
        "n": n,
        "constant": constant,
        "constant_y": constant_y,
        "shrinkage": share,
    }
    return SampleEstimate(fields, context, target, estimate)


def _modes(
    xx: Array,
    yx: Array,
    basis: str,
    n: int | None,
    shrinkage: float,
    constant: int,
    rounding: float,
) -> dict[str, Any]:
    """The fields that the covariances determine, after shrinkage."""
    d = len(xx)
    tolerance = DEGENERATE if n is None else equality_tolerance(n, d)
    floor = 0.0
    if shrinkage:
        varying = np.diag(xx) > 0.0
        floor = shrinkage * float(np.trace(xx)) / (d - constant)
        xx, yx = (1.0 - shrinkage) * xx + np.diag(floor * varying), (1.0 - shrinkage) * yx
    return joint_modes(xx, yx, basis, rounding=rounding, tolerance=tolerance, floor=floor)


def _shrinkage(shrinkage: Any, context: Array) -> float:
    """The shrinkage intensity: 0 for None, a given number, or that of Ledoit and Wolf."""
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
        # scikit-learn takes fourth powers, which overflow sooner than squares; the unit cancels
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


def _precision(value: ArrayLike) -> float:
    kind = np.asarray(value).dtype
    return float(np.finfo(kind if kind.kind == "f" else np.float64).eps)


def _samples(n: Any) -> int:
    count = _validate.positive_integer("n", n)
    if count < 2:
        raise ValueError(f"n must be at least 2 samples: got {count}")
    return count


def _features(name: str, features: Sequence[int | str], d: int, most: int) -> tuple[int | str, ...]:
    rule = (
        f"{name} must hold at most {most} of the {d} features, by name or index from 0, none twice"
    )
    try:
        given = None if isinstance(features, str | bytes) else tuple(features)
    except TypeError:
        given = None
    if given is None or not all(map(_is_feature, given)):
        raise TypeError(f"{rule}: got {described(features if given is None else given)}")
    plain = tuple(one if isinstance(one, str) else int(one) for one in given)
    places = [one for one in plain if not isinstance(one, str)]
    inside = all(0 <= place < d for place in places)
    if len(plain) > most or not inside or len(set(places)) < len(places):
        raise ValueError(f"{rule}: got {described(plain)}")
    return plain


def _is_feature(one: Any) -> bool:
    return isinstance(one, int | np.integer | str) and not isinstance(one, bool)


def _warn_of_few(n: int, d: int) -> None:
    if n <= d:
        few = "1 mode has" if n == 2 else f"{n - 1} modes have"
        warnings.warn(
            f"x has {n} samples in {d} dimensions: at most {few} any variance, "
            "the rest are dropped, and those left are largely chance. Use many samples per "
            "dimension, or fewer dimensions.",
            UserWarning,
            stacklevel=4,
        )

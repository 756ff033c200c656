"""Estimation of modes from covariances and from samples, and the diagnostics of their basis."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow._common._validate import described
from dlnflow.data._covariance import (
    Samples,
    centred,
    commutator,
    generalised_modes,
    given_names,
    given_pair,
    given_samples,
    products,
)
from dlnflow.data._directions import directions
from dlnflow.data._jacobi import jointly_diagonal
from dlnflow.data._labels import Names

Array = NDArray[np.float64]
Spaces = NDArray[np.intp]
Fields = dict[str, Any]  # of a SpectrumRecord

BASES = ("cross", "variance", "generalised", "joint")
SCALES = ("unit",)
ASYMPTOTIC = ("cross", "variance", "generalised")  # bases whose influence functions are known

EPS = float(np.finfo(np.float64).eps)
DEGENERATE = 1e-4  # relative difference of variances, or of lam, that count as equal
SAMPLED, LARGEST_TOLERANCE = 4.0, 0.3  # sampled variances of white noise scatter over 4 sqrt(d / n)


@dataclass(frozen=True, eq=False)
class InBasis:
    """All modes of the data, sorted, with both covariances in their coordinates.

    One covariance determines the spaces of modes that share a number in ``spaces``, the other the
    directions inside them: ``sigma_yx`` the spaces if ``cross``, otherwise ``sigma_xx``.
    """

    basis: Array
    filters: Array
    xx: Array
    yx: Array
    spaces: Spaces
    cross: bool = False

    @property
    def by_yx(self) -> NDArray[np.bool_]:
        """Pairs of modes whose directions ``sigma_yx`` determines, not ``sigma_xx``."""
        same: NDArray[np.bool_] = self.spaces[:, None] == self.spaces
        return ~same if self.cross else same

    @property
    def searched(self) -> Spaces:
        """As ``spaces``: the spaces in which sampled ``sigma_yx`` determines the directions."""
        return np.zeros_like(self.spaces) if self.cross else self.spaces


def from_covariances(
    sigma_xx: ArrayLike,
    sigma_yx: ArrayLike,
    basis: str,
    n: int | None,
    constant: Sequence[int | str],
    constant_y: Sequence[int | str],
    names: Sequence[str] | None,
    scale: str | None,
) -> Fields:
    """Estimate the modes of two covariance matrices; see `Spectrum.from_covariances`."""
    asked = None if names is None else tuple(names)
    xx, yx, known_names = given_pair(sigma_xx, sigma_yx, asked, other_target=True)
    d = len(xx)
    known_names = given_names(known_names, d)
    if n is not None:
        n = _validate.positive_integer("n", n)
        if n < 2:
            raise ValueError(f"n must be at least 2 samples: got {n}")
        _warn_of_few(n, d)
    _validate.choice("basis", basis, BASES)
    known = _features("constant", constant, d, d - 1)
    known_y = _features("constant_y", constant_y, len(yx), len(yx))
    given = {"sigma_xx": sigma_xx, "sigma_yx": sigma_yx}
    kinds = [np.asarray(_validate.converted(*one)).dtype for one in given.items()]
    eps = max(float(np.finfo(kind).eps) if kind.kind == "f" else EPS for kind in kinds)
    if len(yx) != d:
        _refuse_for_other_target(basis=(basis, "cross"), scale=(scale, None))
    units = _units(scale, xx)
    if units is not None:
        xx, yx = (matrix / np.outer(units, units) for matrix in (xx, yx))
    found = _of_any_target(xx, yx, basis, n, eps=eps)
    of_features = {"constant": known, "constant_y": known_y, "names": known_names}
    return found | of_features | {"scale": units}


def from_samples(
    x: ArrayLike,
    y: ArrayLike,
    basis: str,
    shrinkage: float | str | None,
    scale: str | None,
    errors: str | None,
    **options: Any,
) -> tuple[Fields, Samples, Callable[[Array, Array], Fields]]:
    """Estimate the modes of paired samples; see `Spectrum.from_samples`.

    Also returns the centred and scaled samples, and the estimator for the bootstrap.
    """
    given = given_samples(x, y, other_target=True, **options)
    _validate.choice("basis", basis, BASES)
    n, d = given.effective, given.x.shape[1]
    _warn_of_few(n, d)
    constant, constant_y = (
        tuple(np.flatnonzero((rows == rows[0]).all(axis=0)).tolist()) for rows in (given.x, given.y)
    )
    if len(constant) == d:
        raise ValueError("x must vary from sample to sample: got the same sample in every row")
    context, target = (centred(rows, given.weights) for rows in (given.x, given.y))
    covariances = products(context, target, given.weights)
    if context.shape != target.shape:
        _refuse_for_other_target(basis=(basis, "cross"), scale=(scale, None), errors=(errors, None))
    units = _units(scale, covariances[0])
    if units is not None:
        context, target = context / units, target / units
        covariances = products(context, target, given.weights)
    weights = np.ones(len(context)) if given.weights is None else given.weights
    kept = weights > 0.0
    if isinstance(shrinkage, str) and np.ptp(weights[kept]) > 0.0:
        raise ValueError(f"shrinkage must be a number with weights: got {shrinkage!r}")
    share = _shrinkage(shrinkage, np.delete(context[kept], constant, axis=1))
    varying = d - len(constant)

    def estimate(xx: Array, yx: Array) -> Fields:
        return _of_any_target(xx, yx, basis, n, shrinkage=share, varying=varying)

    fields = estimate(*covariances) | {
        "constant": _by_name(constant, given.names),
        "constant_y": _by_name(constant_y, given.names if len(target.T) == d else None),
        "names": given.names,
        "missing": given.missing,
        "scale": units,
    }
    return fields, replace(given, x=context, y=target), estimate


def _of_any_target(xx: Array, yx: Array, basis: str, n: int | None, **options: Any) -> Fields:
    """`joint_modes`, also for a target of another dimension.

    An MAE's loss and gradient flow do not change if the target is rotated. ``V U^T y``, with the
    singular vectors of ``sigma_yx = U diag(lam) V^T``, has the dimension of the context, and the
    symmetric ``V diag(lam) V^T``. What of ``y`` it leaves out is not correlated with ``x``.
    """
    if yx.shape == xx.shape:
        return joint_modes(xx, yx, basis, n, **options)
    left, lam, right = np.linalg.svd(yx, full_matrices=False)
    fields = joint_modes(xx, right.T @ np.diag(lam) @ right, basis, n, **options)
    towards = left @ (right @ fields["basis"])
    lengths = np.linalg.norm(towards, axis=0)
    correlated = (fields["lam"] > 0.0) & (lengths > 0.0)
    target = np.divide(towards, lengths, out=np.zeros_like(towards), where=correlated)
    return fields | {"target_basis": target}


def _refuse_for_other_target(**options: tuple[Any, Any]) -> None:
    """Refuse options that need context and target of one dimension."""
    for name, (given, only) in options.items():
        if given != only:
            raise ValueError(
                f"{name} must be {only!r} if x and y differ in dimension: got {given!r}"
            )


def _units(scale: str | None, xx: Array) -> Array | None:
    """Standard deviations of the context; None without scaling.

    Infinite where the context is constant, which leaves the feature out of both views: the unit of
    its target is unknown.
    """
    if scale is None:
        return None
    _validate.choice("scale", scale, SCALES)
    variance = np.diag(xx)
    return np.sqrt(np.where(variance > 0.0, variance, np.inf))


def _by_name(places: tuple[int, ...], names: Names | None) -> tuple[int | str, ...]:
    return places if names is None else tuple(names[place] for place in places)


def joint_modes(
    xx: Array,
    yx: Array,
    basis: str,
    n: int | None,
    *,
    shrinkage: float = 0.0,
    varying: int = 1,
    eps: float = EPS,
) -> Fields:
    """The fields of a `Spectrum` that the covariances determine, after shrinkage.

    In the variance basis, variances that ``n`` samples do not resolve count as equal; ``yx`` then
    determines the basis of their space. ``floor``, the part of each variance that shrinkage added,
    is subtracted first. Both matrices are scaled to unit size, so that no square overflows.
    """
    d = len(xx)
    # the relative width over which samples scatter equal variances (Marchenko-Pastur)
    scatter = 0.0 if n is None else min(LARGEST_TOLERANCE, SAMPLED * (d / n) ** 0.5)
    tolerance, rounding = max(DEGENERATE, scatter), 4.0 * d**0.5 * eps
    floor = shrinkage * float(np.trace(xx)) / varying
    xx, yx = (1.0 - shrinkage) * xx, (1.0 - shrinkage) * yx
    size_xx, size_yx = np.abs(xx).max() or 1.0, np.abs(yx).max() or 1.0
    xx, yx, floor = xx / size_xx, yx / size_yx, floor / size_xx
    space, own, null = directions(xx, rounding, size_xx)
    kept, variance = own.size, own + floor
    xx = xx + np.diag(floor * (np.diag(xx) > 0.0))
    symmetric = 0.5 * (yx + yx.T)
    noise = rounding * float(np.linalg.norm(yx))
    if basis == "generalised":
        _, columns, filters = generalised_modes(space, variance, yx)
        spaces = np.zeros(kept, dtype=np.intp)
    elif basis == "cross":
        inside = space if kept < d else np.eye(d)
        values, turn = np.linalg.eigh(inside.T @ symmetric @ inside)
        columns, spaces = _resolved(
            values[::-1], inside @ turn[:, ::-1], xx, DEGENERATE, 2.0 * noise
        )
        filters = columns
    else:
        columns, spaces = _resolved(own, space, symmetric, tolerance, rounding * float(own[0]))
        if basis == "joint":
            both = [space.T @ matrix @ space for matrix in (xx, symmetric)]
            sized = np.array([matrix / (np.linalg.norm(matrix) or 1.0) for matrix in both])
            columns = space @ jointly_diagonal(sized, space.T @ columns)
            spaces = np.zeros(kept, dtype=np.intp)
        filters = columns
    signs = np.sign(columns[np.abs(columns).argmax(axis=0), np.arange(kept)])
    columns, filters = columns * signs, filters * signs
    whole = np.hstack([filters, null])
    in_basis = whole.T @ yx @ whole
    lengths = np.linalg.norm(whole, axis=0)
    known = np.where(np.abs(in_basis) <= noise * np.outer(lengths, lengths), 0.0, in_basis)
    if basis == "cross":
        _equal_within_rounding(known, spaces, noise)
    order = np.argsort(-np.diag(known)[:kept], kind="stable")
    columns, filters = columns[:, order], filters[:, order]
    xx_inside, yx_inside = filters.T @ xx @ filters, known[np.ix_(order, order)]
    return {
        "lam": np.diag(yx_inside) * size_yx,
        "variance": np.diag(xx_inside) * size_xx,
        "basis": columns,
        "filters": filters,
        "coupling": _coupling(xx_inside, yx_inside, rounding),
        "dropped": d - kept,
        "commutator": commutator(xx, yx),
        "off_diagonal": _off_share(in_basis),
        "asymmetry": float(np.linalg.norm(yx - yx.T) / (2.0 * np.linalg.norm(yx) or 1.0)),
        "off_variance": _off_share(xx_inside),
        "overlap": float(np.abs(columns.T @ columns - np.eye(kept)).max()),
        "basis_name": basis,
        "n": n,
        "shrinkage": shrinkage,
        "_whole": InBasis(
            columns,
            filters,
            xx_inside * size_xx,
            yx_inside * size_yx,
            spaces[order],
            cross=basis == "cross",
        ),
    }


def _resolved(
    values: Array, columns: Array, other: Array, tolerance: float, rounding: float
) -> tuple[Array, Spaces]:
    """Eigenvectors of one covariance, rotated where eigenvalues are equal to diagonalise the other.

    A space is a run of falling ``values`` that differ from its first by at most ``rounding`` plus a
    relative ``tolerance``. Inside it ``other`` is diagonal, by falling eigenvalues.
    """
    turned, spaces = columns.copy(), np.empty(values.size, dtype=np.intp)
    start = 0
    while start < values.size:
        first = values[start]
        equal = first - values[start:] <= tolerance * abs(first) + rounding
        stop = start + int(np.sum(equal))
        spaces[start:stop] = start
        if stop - start > 1:
            inside = columns[:, start:stop]
            rotation = np.linalg.eigh(inside.T @ other @ inside)[1][:, ::-1]
            turned[:, start:stop] = inside @ rotation
        start = stop
    return turned, spaces


def _equal_within_rounding(yx: Array, spaces: Spaces, rounding: float) -> None:
    """Give modes of one space the same ``lam``, in place, if they differ by rounding alone."""
    lam = np.diag(yx)[: spaces.size]
    for space in np.unique(spaces):
        inside = np.flatnonzero(spaces == space)
        if np.ptp(lam[inside]) <= rounding:
            yx[inside, inside] = lam[inside[0]]


def _coupling(xx: Array, yx: Array, rounding: float) -> Array:
    """The larger of the modes' couplings in the two covariances."""
    variance = np.diag(xx)
    scale = np.outer(variance, variance)
    small = np.abs(xx) <= rounding * np.linalg.norm(xx)
    np.fill_diagonal(small, False)
    shares = [_shared(matrix**2 / scale) for matrix in (np.where(small, 0.0, xx), yx)]
    return np.maximum(*shares)


def _shared(squares: Array) -> Array:
    """Share of the elements off the diagonal in each row and column; 0 where all are 0."""
    together = squares.sum(axis=0) + squares.sum(axis=1)
    own = 2.0 * np.diag(squares)
    return np.divide(
        np.maximum(together - own, 0.0), together, out=np.zeros_like(own), where=together > 0.0
    )


def _off_share(matrix: Array) -> float:
    """Share of the squared Frobenius norm that is off the diagonal; 0 if the matrix is 0."""
    outside = matrix - np.diag(np.diag(matrix))
    return float(np.linalg.norm(outside) / (np.linalg.norm(matrix) or 1.0)) ** 2


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


def _features(name: str, features: Sequence[int | str], d: int, most: int) -> tuple[int | str, ...]:
    rule = (
        f"{name} must hold at most {most} of the {d} features, by name or index from 0, none twice"
    )
    try:
        given = None if isinstance(features, str | bytes) else tuple(features)
    except TypeError:
        given = None
    kinds = int | np.integer | str
    if given is None or any(isinstance(one, bool) or not isinstance(one, kinds) for one in given):
        raise TypeError(f"{rule}: got {described(features if given is None else given)}")
    plain = tuple(one if isinstance(one, str) else int(one) for one in given)
    places = [one for one in plain if not isinstance(one, str)]
    inside = all(0 <= place < d for place in places)
    if len(plain) > most or not inside or len(set(places)) < len(places):
        raise ValueError(f"{rule}: got {described(plain)}")
    return plain


def _warn_of_few(n: int, d: int) -> None:
    if n <= d:
        few = "1 mode has" if n == 2 else f"{n - 1} modes have"
        warnings.warn(
            f"x has {n} samples in {d} dimensions: at most {few} any variance, "
            "the rest are dropped, and those left are largely chance. Use many samples per "
            "dimension, or fewer dimensions. If columns are the samples, pass x.T and y.T.",
            UserWarning,
            stacklevel=4,
        )

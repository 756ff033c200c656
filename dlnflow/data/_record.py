"""The record of a spectrum: modes, basis, diagnostics and their standard errors."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from dlnflow._common import _validate
from dlnflow._common._frozen import read_only, set_fields
from dlnflow.data._estimation import InBasis
from dlnflow.theory._critical_time import log_critical_time

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

QUANTITIES = ("lam", "variance", "rho")
DRAWS = 4000  # an order probability then has a standard error below 0.01
LEAST_CENTRE = 0.5  # of a variance: the bias correction leaves at least this share
LISTED, MOST_OF_LENGTH = 3, 0.9  # features of a mode in its label, and their share of its square
MOST = 100.0  # deviation of the logarithm of a variance; those of unresolved modes would overflow


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
        names = (*QUANTITIES, "noise_floor", "mixing", "bias", "draws")
        values = {name: getattr(self, name) for name in names}
        kept = {name: value[..., :count] for name, value in values.items() if value is not None}
        return replace(self, covariance=self.covariance[np.ix_(both, both)], **kept)


@dataclass(frozen=True, eq=False, repr=False)
class SpectrumRecord:
    """The fields of a `Spectrum`, documented there, and what follows from them alone."""

    lam: Array
    variance: Array
    basis: Array
    coupling: Array
    dropped: int
    commutator: float
    off_diagonal: float
    asymmetry: float
    filters: Array
    off_variance: float
    overlap: float
    _whole: InBasis = field(repr=False)
    basis_name: str = "cross"
    n: int | None = None
    constant: tuple[int | str, ...] = ()
    constant_y: tuple[int | str, ...] = ()
    shrinkage: float = 0.0
    errors: Errors | None = None
    names: tuple[str, ...] | None = None
    scale: Array | None = None
    missing: int = 0
    target_basis: Array | None = None

    def __post_init__(self) -> None:
        set_fields(self, vars(self), copy=True)

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The features of each mode with their weights in `basis`; None without names.

        The largest first, at most three, no more than make up nine tenths of the mode's squared
        length.
        """
        names = self.names
        return names and tuple(_label(weights, names) for weights in self.basis.T)

    @property
    def rho(self) -> Array:
        """Regression coefficient of each mode, ``lam / variance``, shape (modes,)."""
        ratio: Array = self.lam / self.variance
        return read_only(ratio)

    @property
    def suppressed(self) -> int:
        """Number of modes with ``rho < 0``, which no objective learns."""
        return int(np.sum(self.rho < 0.0))

    @property
    def noisy(self) -> int:
        """Number of modes of pure noise, ``lam = rho = 0``."""
        return int(np.sum(self.lam == 0.0))

    @property
    def largest_rho(self) -> float:
        """The largest regression coefficient of any feature.

        The largest generalised eigenvalue of (sym(Sigma_yx), Sigma_xx). It is at most 1 if the two
        views can be exchanged.
        """
        from scipy.linalg import eigh

        xx, yx = self._whole.xx, self._whole.yx
        last = len(xx) - 1
        found = eigh(0.5 * (yx + yx.T), xx, eigvals_only=True, subset_by_index=[last, last])
        return float(found[0])

    @property
    def below_noise(self) -> NDArray[np.bool_]:
        """Modes whose ``lam`` is compatible with unrelated context and target, shape (modes,).

        The test is two-sided at 5 % over all modes together: in one of twenty unrelated data sets
        some mode exceeds the floor.

        Raises
        ------
        ValueError
            Without `errors`.
        """
        return np.abs(self.lam) <= self._known("below_noise").noise_floor

    def leading(self, n: int) -> Self:
        """The ``n`` modes of largest ``lam``.

        The diagnostics remain those of the whole data.

        Parameters
        ----------
        n : int
            From 1 to the number of modes.

        Returns
        -------
        Spectrum

        Raises
        ------
        ValueError, TypeError
            If there are not that many modes.

        Examples
        --------
        >>> from dlnflow import Spectrum
        >>> s = Spectrum.from_covariances([[2, 0], [0, 1]], [[0.8, 0], [0, 0.9]])
        >>> s.leading(1).lam.tolist()
        [0.9]
        """
        count = _validate.depth("n", n)
        if count.ndim or count > self.lam.size:
            raise ValueError(f"n must lie in 1..{self.lam.size}, the number of modes: got {n}")
        names = ("lam", "variance", "basis", "filters", "coupling", "target_basis")
        values = {name: getattr(self, name) for name in names}
        kept: dict[str, Any] = {
            name: value[..., : int(count)] for name, value in values.items() if value is not None
        }
        errors = None if self.errors is None else self.errors.leading(int(count))
        return replace(self, errors=errors, **kept)

    def interval(self, name: str, level: float = 0.95) -> Array:
        """Confidence interval of every mode.

        Parameters
        ----------
        name : {"lam", "variance", "rho"}
            The quantity.
        level : float
            Coverage of the population's value, in (0, 1).

        Returns
        -------
        array, shape (2, modes)
            Lower and upper ends.

        Raises
        ------
        ValueError
            Without `errors`, or for arguments out of range.

        Notes
        -----
        Intervals are by Student's t, for the variance in the logarithm. They are corrected for the
        bias of sampling (`Errors.bias`), and its size is added in quadrature to the standard error.
        ``docs/data.md`` gives the coverage measured.

        Examples
        --------
        >>> import numpy as np
        >>> from dlnflow import Spectrum
        >>> x = np.random.default_rng(0).normal(size=(1000, 1))
        >>> s = Spectrum.from_samples(x, 0.5 * x, errors="asymptotic")
        >>> s.interval("variance").round(2).tolist()
        [[0.87], [1.05]]
        """
        from scipy.special import stdtrit

        _validate.choice("name", name, QUANTITIES)
        share = float(_validate.single("level", _validate.fraction("level", level)))
        errors, estimate = self._known("interval"), getattr(self, name)
        bias = errors.bias[QUANTITIES.index(name)]
        width = stdtrit(errors.groups - 1.0, 0.5 + 0.5 * share) * np.hypot(
            getattr(errors, name), bias
        )
        centre: Array = estimate - bias
        if name == "variance":
            centre = np.maximum(centre, LEAST_CENTRE * estimate)
            spread = np.minimum(width / centre, MOST)
            return centre * np.exp(np.array([-spread, spread]))
        return centre + np.array([-width, width])

    def to_dataframe(self) -> pd.DataFrame:
        """One row per mode: mode, lam, variance, rho, and with names `labels` as features.

        With `errors` also their standard errors lam_err, variance_err and rho_err, and below_noise.
        """
        from dlnflow._common._frame import Frame

        columns: dict[str, Any] = {"mode": np.arange(self.lam.size)}
        if self.labels is not None:
            columns["features"] = self.labels
        columns |= {name: getattr(self, name) for name in QUANTITIES}
        if self.errors is not None:
            columns |= {f"{name}_err": getattr(self.errors, name) for name in QUANTITIES}
            columns["below_noise"] = self.below_noise
        return Frame(columns)

    def _known(self, what: str) -> Errors:
        if self.errors is None:
            raise ValueError(
                f"{what} needs standard errors: use from_samples(..., errors='asymptotic'), or "
                "with_errors(batches)"
            )
        return self.errors


def _label(weights: Array, names: tuple[str, ...]) -> str:
    """The largest weights with their features, such as "0.8 height - 0.6 weight"."""
    order = np.argsort(-np.abs(weights), kind="stable")
    reached = np.cumsum(weights[order] ** 2)
    count = min(LISTED, 1 + int(np.sum(reached < MOST_OF_LENGTH * reached[-1])))
    terms = [f"{weights[place]:+.2g} {names[place]}" for place in order[:count]]
    text = " ".join(f"{term[0]} {term[1:]}" for term in terms)
    more = " + ..." if reached[count - 1] < MOST_OF_LENGTH * reached[-1] else ""
    return text.removeprefix("+ ").replace("- ", "-", text.startswith("- ")) + more


def order_probability(
    errors: Errors,
    lam: Array,
    variance: Array,
    L: int,
    *,
    later: Array | float = 0.0,
    **options: Any,
) -> Array:
    """Probability that mode i is learned before mode j; see `Spectrum.order_probability`.

    ``later`` is added to the logarithms of the critical times.
    """
    drawn_lam, drawn_variance = _draws(errors, lam, variance)
    times = later + log_critical_time(
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
        drawn = normal * np.sqrt(np.maximum(values, 0.0)) @ vectors.T
        drawn[:, m:] = np.clip(drawn[:, m:], -MOST, MOST)
        drawn += centre
    return drawn[:, :m], np.exp(drawn[:, m:])

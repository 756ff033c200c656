"""The modes of data: covariances or samples in, ``lam``, ``variance``, ``rho`` and a basis out.

The mode equations hold where one basis makes ``Sigma_xx`` and ``Sigma_yx`` diagonal. Real data has
no such basis, so a `Spectrum` also says how far it is from having one.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.data import _estimate, _spectrum_text
from dlnflow.data import _uncertainty as uncertainty
from dlnflow.data._covariance import (
    centred,
    covariance,
    described,
    paired_samples,
    products,
    square,
)
from dlnflow.data._joint_basis import BASES, DEGENERATE, InBasis, alike_in_samples, joint_modes
from dlnflow.data._uncertainty import Errors
from dlnflow.theory._critical_time import critical_time_table
from dlnflow.theory._objective import Objective
from dlnflow.theory._simulate import Simulation, simulate

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

MOSTLY = _spectrum_text.MOSTLY


@dataclass(frozen=True, eq=False, repr=False)
class Spectrum:
    """The modes of data, and how well the data fits the theory: an immutable record.

    Build one with `from_covariances` or `from_samples`. Modes are sorted by descending ``lam``.

    Attributes
    ----------
    lam : array, shape (modes,)
        Covariance of each mode, ``diag(B^T Sigma_yx B)``. Exactly 0 where only rounding is left.
    variance : array, shape (modes,)
        ``diag(B^T Sigma_xx B)``, positive.
    basis : array, shape (d, modes)
        ``B``: orthonormal columns, eigenvectors of ``Sigma_xx``; the entry largest in size of each
        is positive. Where variances agree, eigenvectors of the symmetric part of ``Sigma_yx``
        inside their common space. They agree within a relative 1e-4; of samples, within the
        ``4 sqrt(d / n)``, at most 0.3, over which equal ones scatter.
    coupling : array, shape (modes,)
        Of the squared correlations in the mode's row and column of ``Sigma_yx`` (whitened to unit
        variance), the share that belongs to other modes; 0 where there are none. Unlike the three
        numbers below it gives a small mode the same weight as a large one.
    dropped : int
        Directions left out for lack of variance (at most 1e-10 of the largest; more if the input
        has single precision): they have no mode equation.
    commutator : float
        ``|Sxx Syx - Syx Sxx| / (|Sxx| |Syx|)`` in Frobenius norms, in [0, 1]; free of scale. 0 if
        and only if the two commute.
    off_diagonal : float
        Share of the squared Frobenius norm of ``Sigma_yx`` off the diagonal in the basis, in
        [0, 1]. Neither ``commutator`` nor ``asymmetry`` exceeds its square root.
    asymmetry : float
        ``|Syx - Syx^T| / (2 |Syx|)`` in Frobenius norms, in [0, 1].

    Notes
    -----
    The definition of modes is the paper's (its assumption of simultaneously diagonalisable
    covariances); the diagnostics are the library's own, and all but ``coupling`` weigh modes by
    ``lam**2``, so a few large modes decide them. ``docs/data.md``.

    Examples
    --------
    >>> import dlnflow
    >>> from dlnflow import Spectrum
    >>> s = Spectrum.from_covariances([[2.0, 0.0], [0.0, 1.0]], [[0.8, 0.0], [0.0, 0.9]])
    >>> s.lam.tolist(), s.rho.tolist()
    ([0.9, 0.8], [0.9, 0.4])
    >>> s
    Spectrum: d = 2, 2 modes, 0 with negative rho
      lam 0.8 to 0.9, rho 0.4 to 0.9
      commutator 0, off-diagonal share 0 %, asymmetry 0
    """

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
    basis_name: str = "variance"
    n: int | None = None
    constant: tuple[int | str, ...] = ()
    constant_y: tuple[int | str, ...] = ()
    shrinkage: float = 0.0
    errors: Errors | None = None

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, np.ndarray):
                own = value.copy()
                own.flags.writeable = False
                object.__setattr__(self, one.name, own)

    @classmethod
    def from_covariances(
        cls,
        sigma_xx: ArrayLike,
        sigma_yx: ArrayLike,
        *,
        basis: str = "variance",
        n: int | None = None,
        constant: Sequence[int | str] = (),
        constant_y: Sequence[int | str] = (),
    ) -> Spectrum:
        """The modes of two covariance matrices.

        Parameters
        ----------
        sigma_xx : array, shape (d, d)
            ``E[x x^T]`` of the centred context: symmetric and positive semi-definite.
        sigma_yx : array, shape (d, d)
            ``E[y x^T]`` of the centred target (rows) with the context (columns).
        basis : {"variance", "generalised", "joint"}
            In which the modes are taken; see the class.
        n : int, optional
            Of how many samples these are the covariances, at least 2. Variances that so many
            cannot tell apart then count as alike. Without it the covariances count as exact.
        constant, constant_y : sequence of int or str
            Features of the context and of the target that never vary, by index or name, to be
            named in `cautions`.

        Returns
        -------
        Spectrum

        Raises
        ------
        ValueError, TypeError
            For matrices that are not square, finite, of one shape and not empty, and for a
            ``sigma_xx`` that is no covariance or is zero; the message names the argument.

        Warns
        -----
        UserWarning
            With no more samples than dimensions, from which some modes cannot be had at all; with
            ``basis="joint"``, should the basis not settle.

        Notes
        -----
        Source: the paper's setting; see the class for the choice of basis.

        Examples
        --------
        >>> from dlnflow import Spectrum
        >>> turned = [[1.5, 0.5], [0.5, 1.5]]
        >>> Spectrum.from_covariances(turned, [[0.1, 0.5], [0.5, 0.1]]).rho.round(3).tolist()
        [0.3, -0.4]
        """
        xx, yx = square("sigma_xx", sigma_xx), square("sigma_yx", sigma_yx)
        if xx.shape != yx.shape:
            raise ValueError(
                "sigma_xx and sigma_yx must have the same shape, context and target the same "
                f"dimension: got {xx.shape} and {yx.shape}"
            )
        coarse = max(_precision(sigma_xx), _precision(sigma_yx))
        count = None if n is None else _samples(n)
        if count is not None:
            _warn_of_few(count, len(xx))
        return cls._of(
            covariance(xx),
            yx,
            rounding=4.0 * len(xx) ** 0.5 * coarse,
            basis=_validate.choice("basis", basis, BASES),
            n=count,
            constant=_features("constant", constant, len(xx), len(xx) - 1),
            constant_y=_features("constant_y", constant_y, len(xx), len(xx)),
        )

    @classmethod
    def _of(
        cls,
        xx: Array,
        yx: Array,
        *,
        rounding: float,
        basis: str,
        n: int | None,
        constant: tuple[int | str, ...],
        constant_y: tuple[int | str, ...],
        shrinkage: float = 0.0,
    ) -> Spectrum:
        found = _modes(xx, yx, basis, n, shrinkage, len(constant), rounding)
        return cls(
            **found,
            basis_name=basis,
            n=n,
            constant=constant,
            constant_y=constant_y,
            shrinkage=shrinkage,
        )

    @classmethod
    def from_samples(
        cls,
        x: ArrayLike,
        y: ArrayLike,
        *,
        basis: str = "variance",
        shrinkage: float | str | None = None,
        errors: str | None = None,
        block: int = 1,
        resamples: int = 400,
        rng: Any = 0,
    ) -> Spectrum:
        """The modes of paired samples, which are centred here.

        Parameters
        ----------
        x, y : array, shape (n, d)
            Context and target, one pair per row. The means are subtracted for you, and the
            covariances divide by ``n`` (not ``n - 1``).
        basis : {"variance", "generalised", "joint"}
            In which the modes are taken; see the class.
        shrinkage : float in [0, 1) or "ledoit-wolf", optional
            Replaces ``Sigma_xx`` by ``(1 - a) Sigma_xx + a mu`` (``mu`` the mean variance of the
            features that vary) and ``Sigma_yx`` by ``(1 - a) Sigma_yx``: for few samples per
            dimension. ``"ledoit-wolf"`` chooses ``a`` by the context (scikit-learn).
        errors : {"asymptotic", "bootstrap"}, optional
            Standard errors to go with the modes; see `with_errors`. The bootstrap repeats the
            whole estimate on ``resamples`` resamples of the rows, in any basis.
        block : int
            So many consecutive rows depend on each other (a time series, overlapping patches), and
            count as one in the errors.
        resamples : int
            At least 20, which tell standard errors to a sixth; a few hundred for good ones.
        rng : seed or numpy.random.Generator
            Of the bootstrap.

        Returns
        -------
        Spectrum

        Raises
        ------
        ValueError, TypeError
            For samples that are missing or infinite, not in rows, of different shapes, fewer than
            two, without any variance, or so large or small that squares overflow or underflow; for
            options out of range; for ``"ledoit-wolf"`` where it would leave no data, since ``x``
            looks like uncorrelated features of one variance. With ``errors``, for fewer than two
            blocks, and for fewer samples than two more than there are modes.
        ImportError
            For ``shrinkage="ledoit-wolf"`` without scikit-learn.

        Warns
        -----
        UserWarning
            As `from_covariances`.

        Notes
        -----
        Shrinkage: O. Ledoit and M. Wolf, J. Multivariate Anal. 88 (2004) 365. In the basis of
        variances it leaves the modes and their order, multiplies ``lam`` by ``1 - a`` and ``rho``
        by ``(1 - a) s / ((1 - a) s + a mu)``: least where there is little variance, as a ridge.
        Errors take ``a`` as given.

        Examples
        --------
        >>> import numpy as np
        >>> from dlnflow import Spectrum
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(5.0, [3.0, 1.0], size=(10_000, 2))
        >>> y = x * [0.2, 0.9] + rng.normal(size=x.shape)
        >>> s = Spectrum.from_samples(x, y, errors="asymptotic")
        >>> s.rho.round(1).tolist(), s.errors.rho.round(3).tolist()
        ([0.2, 0.9], [0.003, 0.01])
        """
        context, target = paired_samples(x, y)
        _validate.choice("basis", basis, BASES)
        if errors is not None:
            _validate.choice("errors", errors, ("asymptotic", "bootstrap"))
        n, d = context.shape
        _warn_of_few(n, d)
        if (context == context[0]).all():
            raise ValueError("x must vary from sample to sample: got the same sample in every row")
        constant, constant_y = (
            tuple(np.flatnonzero((rows == rows[0]).all(axis=0)).tolist())
            for rows in (context, target)
        )
        context, target = centred(context), centred(target)
        rounding = 4.0 * d**0.5 * float(np.finfo(np.float64).eps)
        varying = np.delete(context, constant, axis=1)
        covariances = products(context, target)
        part = _estimate.intensity(shrinkage, varying)
        spectrum = cls._of(
            *covariances,
            rounding=rounding,
            basis=basis,
            n=n,
            constant=constant,
            constant_y=constant_y,
            shrinkage=part,
        )
        size = int(_validate.single("block", _validate.depth("block", block)))
        if errors == "asymptotic":
            return spectrum.with_errors([(context, target)], block=size)
        if errors is None:
            return spectrum

        def modes(xx: Array, yx: Array) -> dict[str, Any]:
            return _modes(xx, yx, basis, n, part, len(constant), rounding)

        count = int(_validate.single("resamples", _validate.depth("resamples", resamples)))
        source = _validate.generator("rng", rng)
        return replace(
            spectrum,
            errors=_estimate.bootstrap(spectrum, context, target, size, count, source, modes),
        )

    def with_errors(
        self, batches: Iterable[tuple[ArrayLike, ArrayLike]], *, block: int = 1
    ) -> Spectrum:
        """The same modes with asymptotic standard errors, from a pass over their samples.

        Parameters
        ----------
        batches : iterable of (x, y), arrays of shape (rows, d)
            The samples that the spectrum was made of, all of them once, as they came (not
            centred), in batches of any size; ``[(x, y)]`` for one. Memory is of the order of
            ``modes**2``.
        block : int
            So many consecutive rows, across batches, depend on each other and count as one.

        Returns
        -------
        Spectrum
            With `errors`.

        Raises
        ------
        ValueError, TypeError
            For anything but pairs (x, y), for other samples than the spectrum's, fewer than two
            blocks, fewer samples than two more than there are modes, and for ``basis="joint"``,
            which has a bootstrap only.

        Notes
        -----
        Standard errors of a mean of influence functions, for any distribution with fourth moments;
        derived in ``docs/data.md``. Inside a space of alike variances, what is left of
        ``sigma_xx`` off the diagonal is neglected in the turn towards other spaces.

        Examples
        --------
        >>> import numpy as np
        >>> from dlnflow import Spectrum
        >>> x = np.random.default_rng(0).normal(size=(100, 1))
        >>> s = Spectrum.from_covariances(x.var(axis=0)[:, None], 0.5 * x.var(axis=0)[:, None])
        >>> s.with_errors([(x[:50], 0.5 * x[:50]), (x[50:], 0.5 * x[50:])]).errors
        Errors: asymptotic, 1 mode, 100 samples
        """
        size = int(_validate.single("block", _validate.depth("block", block)))
        return replace(self, errors=_estimate.asymptotic(self, batches, size))

    @property
    def below_noise(self) -> NDArray[np.bool_]:
        """Modes whose ``lam`` is no larger than that of unrelated data, shape (modes,).

        Two-sided 5 %, over all modes together: of unrelated context and target, one mode in any is
        above it in one data set of twenty.

        Raises
        ------
        ValueError
            Without `errors`.
        """
        return np.abs(self.lam) <= self._known("below_noise").noise_floor

    def interval(self, name: str, level: float = 0.95) -> Array:
        """Confidence interval of every mode.

        Parameters
        ----------
        name : {"lam", "variance", "rho"}
            Of what.
        level : float
            In (0, 1): how often it is to hold the value of the population.

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
        Corrected for the bias of sampling (`Errors.bias`), whose whole size adds to the standard
        error; by Student's t, for the variance in the logarithm. Coverage: ``docs/data.md``.

        Examples
        --------
        >>> import numpy as np
        >>> from dlnflow import Spectrum
        >>> x = np.random.default_rng(0).normal(size=(1000, 1))
        >>> s = Spectrum.from_samples(x, 0.5 * x, errors="asymptotic")
        >>> s.interval("variance").round(2).tolist()
        [[0.87], [1.05]]
        """
        _validate.choice("name", name, uncertainty.QUANTITIES)
        share = float(_validate.single("level", _validate.fraction("level", level)))
        return uncertainty.interval(self, self._known("interval"), name, share)

    def order_probability(
        self,
        L: int,
        *,
        eps: float = 1e-3,
        objective: str | Objective = "jepa",
        p: float = 0.5,
        decoder_depth: int = 1,
    ) -> Array:
        """How likely each mode is learned before each other, as far as the samples tell.

        Parameters
        ----------
        L : int
            Encoder depth.
        eps, objective, p, decoder_depth
            As in `dlnflow.critical_time`, single values.

        Returns
        -------
        array, shape (modes, modes)
            Entry ``[i, j]``: probability that mode ``i`` has the smaller critical time. A tie, as
            between two modes that are never learned, counts half; 1/2 on the diagonal.

        Raises
        ------
        ValueError, TypeError
            Without `errors`, or for arguments out of range.

        Notes
        -----
        Share of draws of ``lam`` and ``variance``: of a bootstrap its own, moved to the estimate;
        else 4000 of the normal law of ``lam`` and the logarithm of ``variance``, always the same.

        Biased for few samples, since a critical time is a curved function of ``lam``. For two modes
        that in truth are learned at once (variances 1.5 and 1, ``rho`` 0.45 and 0.61, L = 2), the
        probability was on average 0.68 with 30 samples, 0.61 with 100, 0.56 with 300 and 0.53 with
        1000, where 0.5 is right.

        Examples
        --------
        >>> import numpy as np
        >>> from dlnflow import Spectrum
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(500, 2)) * [2.0, 1.0]
        >>> y = x * [0.2, 0.9] + 0.3 * rng.normal(size=x.shape)
        >>> s = Spectrum.from_samples(x, y, errors="asymptotic")
        >>> s.rho.round(1).tolist(), bool(s.order_probability(2, eps=0.01)[0, 1] > 0.95)
        ([0.9, 0.2], True)
        """
        for name, value, check in (
            ("L", L, _validate.depth),
            ("eps", eps, _validate.positive),
            ("p", p, _validate.fraction),
            ("decoder_depth", decoder_depth, _validate.depth),
        ):
            _validate.single(name, check(name, value))
        return uncertainty.order_probability(
            self, self._known("order_probability"), L, eps, objective, p, decoder_depth
        )

    def _known(self, what: str) -> Errors:
        if self.errors is None:
            raise ValueError(
                f"{what} needs standard errors: use from_samples(..., errors='asymptotic'), or "
                "with_errors(batches)"
            )
        return self.errors

    @property
    def rho(self) -> Array:
        """Regression coefficient of each mode, ``lam / variance``, shape (modes,)."""
        ratio: Array = self.lam / self.variance
        ratio.flags.writeable = False
        return ratio

    @property
    def suppressed(self) -> int:
        """Number of modes with ``rho < 0``, which no objective learns."""
        return int(np.sum(self.rho < 0.0))

    @property
    def noisy(self) -> int:
        """Number of modes of pure noise, ``lam = rho = 0``."""
        return int(np.sum(self.lam == 0.0))

    @property
    def cautions(self) -> tuple[str, ...]:
        """Where the theory does not apply to this data, in plain words; empty where it does.

        Given when the off-diagonal share exceeds 1 % (a tenth in size: more than a small
        correction), when modes have a coupling above 0.5 (other modes say more about their target
        than they do), when the basis is far from orthogonal or leaves ``sigma_xx`` off-diagonal,
        when modes cannot be told apart by so many samples, when errors come from fewer than 20
        independent samples per mode, when features never vary, and when directions were dropped.
        """
        return _spectrum_text.cautions(self)

    def leading(self, n: int) -> Spectrum:
        """The ``n`` modes of largest ``lam``.

        Diagnostics stay those of the whole data, of which the modes remain a part.

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
        first = slice(int(count))
        return replace(
            self,
            lam=self.lam[first],
            variance=self.variance[first],
            basis=self.basis[:, first],
            filters=self.filters[:, first],
            coupling=self.coupling[first],
            errors=None if self.errors is None else self.errors.leading(int(count)),
        )

    def simulate(self, L: ArrayLike, **options: Any) -> Simulation:
        """Trajectories of these modes; see `dlnflow.simulate` for ``options`` and what it raises.

        Examples
        --------
        >>> from dlnflow import Spectrum
        >>> s = Spectrum.from_covariances([[2.0, 0.0], [0.0, 1.0]], [[0.8, 0.0], [0.0, 0.9]])
        >>> s.simulate(3, eps=0.01)["jepa"].w.shape[0]
        2
        """
        return simulate(self.lam, self.rho, L, variance=self.variance, **options)

    def critical_time_table(self, L: ArrayLike, **options: Any) -> pd.DataFrame:
        """Critical times of these modes; see `dlnflow.critical_time_table` for ``options``.

        Examples
        --------
        >>> from dlnflow import Spectrum
        >>> s = Spectrum.from_covariances([[2.0, 0.0], [0.0, 1.0]], [[0.8, 0.0], [0.0, 0.9]])
        >>> s.critical_time_table(1, objective="mae")["exact"].round(2).tolist()
        [7.01, 7.38]
        """
        return critical_time_table(self.lam, self.rho, L, variance=self.variance, **options)

    def to_dataframe(self) -> pd.DataFrame:
        """One row per mode: mode, lam, variance, rho.

        With `errors` also their standard errors lam_err, variance_err and rho_err, and below_noise.
        """
        import pandas as pd

        columns: dict[str, Any] = {"mode": np.arange(self.lam.size)}
        columns |= {name: getattr(self, name) for name in uncertainty.QUANTITIES}
        if self.errors is not None:
            for name in uncertainty.QUANTITIES:
                columns[f"{name}_err"] = getattr(self.errors, name)
            columns["below_noise"] = self.below_noise
        return pd.DataFrame(columns)

    def __repr__(self) -> str:
        return _spectrum_text.text(self)


def _precision(value: ArrayLike) -> float:
    kind = np.asarray(value).dtype
    return float(np.finfo(kind if kind.kind == "f" else np.float64).eps)


def _modes(
    xx: Array,
    yx: Array,
    basis: str,
    n: int | None,
    shrinkage: float,
    constant: int,
    rounding: float,
) -> dict[str, Any]:
    """The whole estimate, which the bootstrap repeats."""
    d = len(xx)
    alike = DEGENERATE if n is None else alike_in_samples(n, d)
    floor = 0.0
    if shrinkage:
        varying = np.diag(xx) > 0.0
        floor = shrinkage * float(np.trace(xx)) / (d - constant)
        xx, yx = (1.0 - shrinkage) * xx + np.diag(floor * varying), (1.0 - shrinkage) * yx
    return joint_modes(xx, yx, basis, rounding=rounding, alike=alike, floor=floor)


def _samples(n: Any) -> int:
    count = int(_validate.single("n", _validate.depth("n", n)))
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
            stacklevel=3,
        )

"""The modes of data, from covariances or samples: `Spectrum`.

The mode equations hold if one basis diagonalises ``Sigma_xx`` and ``Sigma_yx``. Real data has no
such basis, so a `Spectrum` also measures how far the data is from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow._common._validate import Seed
from dlnflow.data import _description, _error_estimates, _estimation, _trust
from dlnflow.data._learned_modes import LearnedModes

Array = NDArray[np.float64]


class Spectrum(LearnedModes):
    """The modes of data, and how well the data satisfies the theory's assumptions: a frozen record.

    Build one with `from_covariances` or `from_samples`. Modes are sorted by descending ``lam``.

    Attributes
    ----------
    lam : array, shape (modes,)
        Covariance of each mode, ``diag(B^T Sigma_yx B)``. Exactly 0 if it is below rounding.
    variance : array, shape (modes,)
        ``diag(B^T Sigma_xx B)``, positive.
    basis : array, shape (d, modes)
        ``B``: orthonormal columns, eigenvectors of the symmetric part of ``Sigma_yx`` among the
        directions with variance. The entry of largest size in each is positive. Modes of equal
        ``lam`` (within a relative 1e-4, or 0 within rounding) are eigenvectors of ``Sigma_xx``
        inside their common space. Other bases: ``docs/data.md``.
    coupling : array, shape (modes,)
        Share of other modes in the squared correlations of the mode's row and column of
        ``Sigma_yx`` or of ``Sigma_xx`` (both whitened to unit variance), whichever is larger. It
        weights small and large modes equally.
    dropped : int
        Number of directions without variance (at most 1e-10 of the largest, or rounding of single
        precision), which have no mode equation.
    commutator : float
        ``|Sxx Syx - Syx Sxx| / (|Sxx| |Syx|)`` in Frobenius norms, in [0, 1]; 0 if and only if the
        two commute.
    off_diagonal : float
        Share of the squared Frobenius norm of ``Sigma_yx`` off the diagonal in the basis, in
        [0, 1]. In the default basis it is the asymmetric part, ``asymmetry**2``.
    asymmetry : float
        ``|Syx - Syx^T| / (2 |Syx|)`` in Frobenius norms, in [0, 1].
    filters : array, shape (d, modes)
        Dual of ``basis``, ``filters^T basis = 1``: ``x @ filters`` are the modes' coordinates.
    off_variance : float
        As ``off_diagonal``, of ``Sigma_xx``: the main measure in the default basis. 0 for
        ``basis="generalised"``, and for ``"variance"`` except where variances count as equal.
        ``commutator`` is at most ``sqrt(off_diagonal) + sqrt(2 off_variance)`` in an orthogonal
        basis.
    overlap : float
        Largest cosine between two modes; 0 except for ``basis="generalised"``.
    basis_name, n, constant, constant_y, shrinkage
        The options of the estimate; ``shrinkage`` is a number.
    errors : Errors or None
        Standard errors, if they were estimated.
    names : tuple of str, or None
        The features' names.
    scale : array, shape (d,), or None
        With ``scale="unit"``: the standard deviations of ``x`` by which both views were divided.
        All other attributes describe the features divided by it. Infinite for a constant feature,
        which then counts in neither view.
    missing : int
        Number of pairs with missing values that were dropped.
    target_basis : array, shape (d_y, modes), or None
        If the target has another dimension: the direction of ``y`` that each mode predicts, of unit
        length; 0 where ``lam`` is 0. Then ``basis`` and ``target_basis`` are the singular vectors
        of ``Sigma_yx``, ``lam`` the singular values, and only an MAE has a mode equation: a JEPA
        encodes context and target with one encoder.

    Notes
    -----
    Modes are those of the paper's Assumption 4.1, that one basis diagonalises both covariances. The
    diagnostics are the library's own. All but ``coupling`` weight modes by ``lam**2``, so that a
    few large modes dominate. See ``docs/data.md``.

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
      commutator 0, asymmetry 0; off the diagonal 0 % of sigma_xx, 0 % of sigma_yx
      the closed form holds for every mode: the covariances commute
    """

    @classmethod
    def from_covariances(
        cls,
        sigma_xx: ArrayLike,
        sigma_yx: ArrayLike,
        *,
        basis: str = "cross",
        n: int | None = None,
        constant: Sequence[int | str] = (),
        constant_y: Sequence[int | str] = (),
        names: Sequence[str] | None = None,
        scale: str | None = None,
    ) -> Spectrum:
        """The modes of two covariance matrices.

        Parameters
        ----------
        sigma_xx : array, shape (d, d)
            ``E[x x^T]`` of the centred context: symmetric and positive semi-definite.
        sigma_yx : array, shape (d, d)
            ``E[y x^T]`` of the centred target (rows) with the context (columns). DataFrames are
            aligned by their labels. For an MAE the shape may be (d_y, d); see `target_basis`.
        basis : {"cross", "variance", "generalised", "joint"}
            The basis of the modes; see ``docs/data.md``.
        n : int, optional
            Number of samples behind the covariances, at least 2. For ``basis="variance"`` and
            ``"joint"``, variances that so many samples do not resolve then count as equal. By
            default the covariances count as exact; with it the modes are those of `from_samples`.
        constant, constant_y : sequence of int or str
            Features of the context and of the target that never vary, by index or name; `cautions`
            names them.
        names : sequence of str, optional
            The features' names; by default the labels of a DataFrame.
        scale : {"unit"}, optional
            As for `from_samples`; the variances are those of ``sigma_xx``.

        Returns
        -------
        Spectrum

        Raises
        ------
        ValueError, TypeError
            If a matrix is not square, not finite or empty, if the shapes differ, or if ``sigma_xx``
            is not a covariance matrix or is zero.

        Warns
        -----
        UserWarning
            If there are no more samples than dimensions, or if the iteration for ``basis="joint"``
            does not converge.

        Examples
        --------
        >>> from dlnflow import Spectrum
        >>> turned = [[1.5, 0.5], [0.5, 1.5]]
        >>> Spectrum.from_covariances(turned, [[0.1, 0.5], [0.5, 0.1]]).rho.round(3).tolist()
        [0.3, -0.4]
        """
        return cls(
            **_estimation.from_covariances(
                sigma_xx, sigma_yx, basis, n, constant, constant_y, names, scale
            )
        )

    @classmethod
    def from_samples(
        cls,
        x: ArrayLike,
        y: ArrayLike,
        *,
        basis: str = "cross",
        shrinkage: float | str | None = None,
        errors: str | None = None,
        block: int = 1,
        resamples: int = 400,
        rng: Seed = 0,
        names: Sequence[str] | None = None,
        weights: ArrayLike | None = None,
        missing: str = "refuse",
        scale: str | None = None,
        flatten: bool = False,
    ) -> Spectrum:
        """The modes of paired samples, which are centred here.

        Parameters
        ----------
        x, y : array, shape (n, d)
            Context and target, one pair per row. The means are subtracted, and the covariances
            are divided by ``n`` (not ``n - 1``). DataFrames are aligned by their labels: columns,
            and rows by the index. For an MAE ``y`` may have the shape (n, d_y); see `target_basis`.
        basis : {"cross", "variance", "generalised", "joint"}
            The basis of the modes; see ``docs/data.md``.
        shrinkage : float in [0, 1) or "ledoit-wolf", optional
            Intensity ``a`` of shrinkage, for few samples per dimension: ``Sigma_xx`` becomes
            ``(1 - a) Sigma_xx + a mu``, with ``mu`` the mean variance of the varying features, and
            ``Sigma_yx`` becomes ``(1 - a) Sigma_yx``. ``"ledoit-wolf"`` estimates ``a`` from ``x``.
        errors : {"asymptotic", "bootstrap"}, optional
            Adds standard errors; see `with_errors`. The bootstrap repeats the whole estimate on
            ``resamples`` resamples of the rows, in any basis.
        block : int
            Number of consecutive rows that depend on each other, as in a time series or in
            overlapping patches. A block counts as one sample in the errors.
        resamples : int
            At least 20, which give standard errors within a sixth; a few hundred for accurate ones.
        rng : int, numpy.random.Generator or None
            Seed or generator of the bootstrap; None for a fresh seed.
        names : sequence of str, optional
            The features' names; by default the columns of a DataFrame.
        weights : array, shape (n,), optional
            How much each pair counts, such as an inverse probability of being sampled: not
            negative, of any size. Means are then weighted, and ``n`` is the effective number of
            samples ``sum(w)**2 / sum(w**2)`` (L. Kish, *Survey Sampling*, 1965).
        missing : {"refuse", "drop"}
            What happens to pairs with NaN in either view. `cautions` says how many were dropped.
        scale : {"unit"}, optional
            Divides each feature, in both views alike, by its standard deviation in ``x``. Choose it
            for features in different units, of which the largest otherwise decides everything. The
            errors treat the standard deviations as known.
        flatten : bool
            Whether to make a row of each sample, for images of shape (n, h, w).

        Returns
        -------
        Spectrum

        Raises
        ------
        ValueError, TypeError
            If samples are missing or infinite, not in rows, of different shapes, fewer than two,
            constant, or so large or small that squares overflow or underflow; if an option is out
            of range; if labels of ``x`` and ``y`` differ; if weights are negative, all zero or not
            one per row; if ``"ledoit-wolf"`` would shrink ``Sigma_xx`` to a multiple of the
            identity.
            With ``errors``, if there are fewer than two blocks or than ``modes + 2`` samples.
        ImportError
            For ``shrinkage="ledoit-wolf"`` without scikit-learn.

        Warns
        -----
        UserWarning
            As `from_covariances` does.

        Notes
        -----
        Shrinkage: O. Ledoit and M. Wolf, J. Multivariate Anal. 88 (2004) 365. With
        ``basis="cross"`` or ``"variance"`` it keeps the modes and their order, and multiplies
        ``lam`` by ``1 - a`` and ``rho`` by ``(1 - a) s / ((1 - a) s + a mu)``, which is smallest
        for modes of little variance, as in ridge regression. The errors treat ``a`` as known.

        Examples
        --------
        >>> import numpy as np
        >>> from dlnflow import Spectrum
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(5.0, [3.0, 1.0], size=(10_000, 2))
        >>> y = x * [0.2, 0.9] + rng.normal(size=x.shape)
        >>> s = Spectrum.from_samples(x, y, errors="asymptotic")
        >>> s.rho.round(1).tolist(), s.errors.rho.round(3).tolist()
        ([0.2, 0.9], [0.003, 0.011])
        """
        if errors is not None:
            _validate.choice("errors", errors, ("asymptotic", "bootstrap"))
        fields, samples, estimate = _estimation.from_samples(
            x,
            y,
            basis,
            shrinkage,
            scale,
            errors,
            names=names,
            weights=weights,
            missing=missing,
            flatten=flatten,
        )
        spectrum = cls(**fields)
        size = _validate.positive_integer("block", block)
        if errors is None:
            return spectrum
        if errors == "asymptotic":
            heavy = () if samples.weights is None else (samples.weights,)
            found = _error_estimates.asymptotic(
                replace(spectrum, scale=None), [(samples.x, samples.y, *heavy)], size
            )
        else:
            count = _validate.positive_integer("resamples", resamples)
            source = _validate.generator("rng", rng)
            found = _error_estimates.bootstrap(spectrum, samples, size, count, source, estimate)
        return replace(spectrum, errors=found)

    def with_errors(self, batches: Iterable[tuple[ArrayLike, ...]], *, block: int = 1) -> Spectrum:
        """The spectrum with asymptotic standard errors, from one pass over its samples.

        Parameters
        ----------
        batches : iterable of (x, y) or (x, y, weights), arrays of shape (rows, d) and (rows,)
            All samples of the spectrum, each once, in order and not centred, in batches of any
            size; ``[(x, y)]`` for one batch. Memory is ``O(modes**2)``.
        block : int
            Number of consecutive rows, across batches, that depend on each other.

        Returns
        -------
        Spectrum
            With `errors`.

        Raises
        ------
        ValueError, TypeError
            If ``batches`` are not pairs (x, y) or not the samples of the spectrum, if there are
            fewer than two blocks or fewer than ``modes + 2`` samples, or if ``basis="joint"``,
            for which only the bootstrap is available.

        Notes
        -----
        By influence functions, valid for any distribution with fourth moments; derived in
        ``docs/data.md``. In a space of equal variances or ``lam`` the off-diagonal part of the
        covariance that determines the space is neglected in the rotation towards other spaces.

        Examples
        --------
        >>> import numpy as np
        >>> from dlnflow import Spectrum
        >>> x = np.random.default_rng(0).normal(size=(100, 1))
        >>> s = Spectrum.from_covariances(x.var(axis=0)[:, None], 0.5 * x.var(axis=0)[:, None])
        >>> s.with_errors([(x[:50], 0.5 * x[:50]), (x[50:], 0.5 * x[50:])]).errors
        Errors: asymptotic, 1 mode, 100 samples
        """
        size = _validate.positive_integer("block", block)
        if self.target_basis is not None:
            raise ValueError("errors are not known if x and y differ in dimension")
        return replace(self, errors=_error_estimates.asymptotic(self, batches, size))

    @property
    def verdict(self) -> str:
        """How far to believe the closed form for these modes, in one sentence.

        It begins with "holds", "is a rough guide", "need not hold" or "does not hold", and rests on
        the same thresholds as `predict` and `dlnflow.network.check_assumptions`.
        """
        return _trust.verdict(self)

    @property
    def cautions(self) -> tuple[str, ...]:
        """Sentences on what limits these modes, besides the `verdict`; empty if nothing does.

        They concern modes that are not orthogonal, modes that the samples do not resolve, fewer
        than 20 independent samples per mode, a ``rho`` above 1, a feature that holds over 90 % of
        the variance, constant features, and dropped directions and pairs.
        """
        return _description.cautions(self)

    def __repr__(self) -> str:
        return _description.text(self)

    def _repr_html_(self) -> str:
        return _description.html(self)

"""Covariances in one pass over batches of paired rows: `CovarianceAccumulator`, `accumulate`.

`pairs_from` makes such batches from a file larger than memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow._common._progress import bar
from dlnflow.data import _covariance
from dlnflow.data._covariance import given_weights
from dlnflow.data._labels import aligned
from dlnflow.data._pair_moments import PairMoments, joined, moments
from dlnflow.data._spectrum import Spectrum

Array = NDArray[np.float64]

NAMED = 5  # rows or features listed in a message


class CovarianceAccumulator:
    """Covariances of paired rows, accumulated batch by batch in ``O(d**2)`` memory.

    Choose it over `Spectrum.from_samples` if the samples do not fit into memory, arrive over time,
    or are split over workers: accumulators can be pickled and merged.

    Parameters
    ----------
    names : sequence of str, optional
        The ``d`` features' names; by default the columns of the first DataFrame. Tables are aligned
        by these labels, arrays count in this order.
    missing : {"refuse", "drop"}
        What happens to pairs with NaN in either view: `update` refuses their batch, or leaves them
        out and counts them.
    flatten : bool
        Whether to make a row of each sample, for images of shape (rows, h, w).

    Attributes
    ----------
    missing : int
        Number of pairs that were left out.

    Notes
    -----
    Rows are centred before they are multiplied, and parts are combined by the formula of Chan,
    Golub and LeVeque (*Updating formulae and a pairwise algorithm for computing sample variances*,
    1983). A mean of 1e8 times the spread, or one that drifts, therefore costs no accuracy. Any
    division of the rows into batches and parts, merged in any order, gives the same covariances to
    1e-12 of ``sqrt(s_i s_j)``. Sums are in double precision for rows of any type.

    An update is atomic: a batch that is refused or interrupted changes nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnflow.data import CovarianceAccumulator
    >>> rng = np.random.default_rng(0)
    >>> total = CovarianceAccumulator()
    >>> for _ in range(100):
    ...     x = rng.normal(5.0, [3.0, 1.0], size=(1000, 2))
    ...     total.update(x, x * [0.2, 0.9] + rng.normal(size=x.shape))
    >>> total
    CovarianceAccumulator: n = 100000, d = 2
    >>> sigma_xx, sigma_yx = total.covariances()
    >>> (sigma_yx / sigma_xx).diagonal().round(1).tolist()
    [0.2, 0.9]
    """

    def __init__(
        self,
        *,
        names: Sequence[str] | None = None,
        missing: str = "refuse",
        flatten: bool = False,
    ) -> None:
        self.names = None if names is None else tuple(map(str, names))
        self.missing = 0
        self._drops = _validate.choice("missing", missing, _covariance.MISSING) == "drop"
        self.flatten = flatten
        self._total: PairMoments | None = None

    @property
    def n(self) -> int:
        """Number of pairs so far."""
        return 0 if self._total is None else self._total.n

    @property
    def effective(self) -> int:
        """Effective number of pairs, ``sum(w)**2 / sum(w**2)``; ``n`` without weights."""
        total = self._total
        return 0 if total is None else round(total.weight**2 / total.squares)

    @property
    def d(self) -> int | None:
        """Number of features; None before the first pair."""
        return None if self._total is None else self._total.origin.shape[1]

    @property
    def mean_x(self) -> Array:
        """Mean of the contexts, shape (d,)."""
        return self._at_least(1).mean[0]

    @property
    def mean_y(self) -> Array:
        """Mean of the targets, shape (d,)."""
        return self._at_least(1).mean[1]

    @property
    def constant(self) -> tuple[int, ...]:
        """Features of ``x`` that are constant so far; their variance is exactly 0."""
        return self._constant(0)

    @property
    def constant_y(self) -> tuple[int, ...]:
        """Features of ``y`` that are constant so far."""
        return self._constant(1)

    def update(self, x: ArrayLike, y: ArrayLike, weights: ArrayLike | None = None) -> None:
        """Add a batch of pairs.

        Parameters
        ----------
        x, y : array, shape (rows, d)
            Contexts and targets, one pair per row, of any real type. There may be no rows.
            DataFrames are aligned by their labels.
        weights : array, shape (rows,), optional
            How much each pair counts, as for `Spectrum.from_samples`; 1 by default.

        Raises
        ------
        ValueError, TypeError
            If shapes differ from each other or in width from earlier batches, or if rows hold NaN,
            infinity or numbers whose squares overflow. Nothing of such a batch is added.
        """
        context, target, names = self._batch(x, y)
        if not len(context):
            return
        heavy = None if weights is None else given_weights(weights, x, len(context))
        kept = np.ones(len(context), dtype=bool) if heavy is None else heavy > 0.0
        lost = 0
        if self._drops:
            absent = _covariance.missing_rows(context, target)
            kept, lost = kept & ~absent, int(np.sum(absent))
        if not kept.all():
            context, target = context[kept], target[kept]
            heavy = None if heavy is None else heavy[kept]
        if not len(context):
            self.missing += lost
            return
        with np.errstate(invalid="ignore", over="ignore"):
            batch = moments(context, target, heavy)
            total = batch if self._total is None else joined(self._total, batch)
            finite = total.finite
        if not finite:
            self._refuse_infinite(context, target, names)
        self._total, self.names, self.missing = total, names, self.missing + lost

    def merge(self, other: CovarianceAccumulator) -> CovarianceAccumulator:
        """Add all pairs of another accumulator, which does not change.

        Parameters
        ----------
        other : CovarianceAccumulator
            Has the same number of features; either may be empty.

        Returns
        -------
        CovarianceAccumulator
            This accumulator, so that ``functools.reduce`` can merge many.

        Raises
        ------
        ValueError, TypeError
            If ``other`` is not an accumulator, is this one, or has another number of features.
        """
        if not isinstance(other, CovarianceAccumulator):
            raise TypeError(
                f"other must be a CovarianceAccumulator: got {_validate.described(other)}"
            )
        if other is self:
            raise ValueError("other must hold other pairs than this one: got this one itself")
        if self._total is None or other._total is None:
            total = self._total or other._total
        else:
            if self.d != other.d:
                raise ValueError(f"other must have {self.d} features, as this one: got {other.d}")
            if self.names != other.names:
                raise ValueError(
                    f"other must have the features of this one in the same order, {self.names}: "
                    f"got {other.names}"
                )
            total = joined(self._total, other._total)
            if not total.finite:
                raise ValueError("other must have means whose squares do not overflow: got inf")
        self._total, self.missing = total, self.missing + other.missing
        if self.names is None:
            self.names = other.names
        return self

    def covariances(self) -> tuple[Array, Array]:
        """The covariances ``sigma_xx`` and ``sigma_yx`` of the pairs so far.

        Returns
        -------
        sigma_xx, sigma_yx : array, shape (d, d)
            ``E[x x^T]`` and ``E[y x^T]`` of centred samples, divided by ``n`` (not ``n - 1``).

        Raises
        ------
        ValueError
            If there are fewer than two pairs.
        """
        total = self._at_least(2)
        xx, yx = total.products
        return (xx + xx.T) / (2 * total.weight), yx / total.weight

    def spectrum(self, *, basis: str = "cross", scale: str | None = None) -> Spectrum:
        """The modes of the pairs so far.

        Parameters
        ----------
        basis : {"cross", "variance", "generalised", "joint"}
        scale : {"unit"}, optional
            As for `Spectrum.from_covariances`.

        Returns
        -------
        Spectrum

        Raises
        ------
        ValueError, TypeError
            If there are fewer than two pairs or ``x`` is constant, and as
            `Spectrum.from_covariances`.
        """
        sigma_xx, sigma_yx = self.covariances()
        if len(self.constant) == self.d:
            raise ValueError("x must vary from sample to sample: got the same sample in every row")
        _covariance.refuse_underflow("x", float(sigma_xx.max()))
        constant, constant_y = (
            [self.names[place] if self.names else place for place in places]
            for places in (self.constant, self.constant_y)
        )
        made = Spectrum.from_covariances(
            sigma_xx,
            sigma_yx,
            n=self.effective,
            basis=basis,
            constant=constant,
            constant_y=constant_y,
            names=self.names,
            scale=scale,
        )
        return replace(made, missing=self.missing)

    def __repr__(self) -> str:
        return f"CovarianceAccumulator: n = {self.n}, d = {self.d}"

    def _constant(self, member: int) -> tuple[int, ...]:
        if self._total is None:
            return ()
        return tuple(np.flatnonzero(self._total.constant[member]).tolist())

    def _at_least(self, n: int) -> PairMoments:
        if self._total is None or self._total.n < n:
            pairs = "2 pairs" if n > 1 else "1 pair"
            raise ValueError(f"the accumulator must hold at least {pairs} (rows): got {self.n}")
        return self._total

    def _batch(
        self, x: ArrayLike, y: ArrayLike
    ) -> tuple[NDArray[Any], NDArray[Any], tuple[str, ...] | None]:
        if self.flatten:
            x, y = _covariance.as_rows("x", x), _covariance.as_rows("y", y)
        context, target, names = aligned(x, y, (self._rows("x", x), self._rows("y", y)), self.names)
        _covariance.refuse_other_shape(context, target)
        expected = len(self.names) if self.names is not None else self.d
        if expected not in (None, context.shape[1]):
            why = "one per name" if self.d is None else "as before"
            raise ValueError(
                f"x and y must have {expected} features, {why}: got {context.shape[1]}"
            )
        if names and self._total is not None and self.names is None:
            raise ValueError(
                "x and y must be arrays, as the batches before, whose features had no names: got "
                f"tables with {', '.join(names)}; give names= to the accumulator"
            )
        return context, target, names if self.names is None else self.names

    def _rows(self, name: str, value: ArrayLike) -> NDArray[Any]:
        return _rows(name, _covariance.with_gaps(value) if self._drops else value)

    def _refuse_infinite(
        self, context: NDArray[Any], target: NDArray[Any], names: tuple[str, ...] | None
    ) -> None:
        for name, rows in (("x", context), ("y", target)):
            bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
            if bad.size:
                here, column = rows[bad[0]], int(np.argmin(np.isfinite(rows[bad[0]])))
                called = f" ({names[column]})" if names else ""
                raise ValueError(
                    f"{name} must hold finite numbers: got {here[column]:g} in column {column}"
                    f"{called}; {bad.size} row{'s' * (bad.size > 1)}, {_listed(bad)} of this "
                    f"batch, {_listed(bad + self.n)} of all so far (counted from 0) cannot be "
                    "used; drop or fill them first"
                )
        raise _covariance.overflow(context, target)


def accumulate(
    batches: Iterable[tuple[ArrayLike, ...]],
    *,
    into: CovarianceAccumulator | None = None,
    progress: bool = False,
) -> CovarianceAccumulator:
    """Accumulate the covariances of batches of pairs, in one pass.

    Parameters
    ----------
    batches : iterable of (x, y) or (x, y, weights)
        Arrays of shape (rows, d) and (rows,), for example from `pairs_from`.
    into : CovarianceAccumulator, optional
        The accumulator to add to. After an error or an interrupt it holds all complete batches; a
        note on the exception says how many samples.
    progress : bool
        Shows a progress bar on standard error.

    Returns
    -------
    CovarianceAccumulator
        ``into``, or a new one.

    Raises
    ------
    ValueError, TypeError
        If a batch is not a pair (x, y), as `CovarianceAccumulator.update`, and whatever the
        iteration over ``batches`` raises.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnflow.data import accumulate
    >>> x = np.arange(12.0).reshape(6, 2)
    >>> accumulate((x[i : i + 2], x[i : i + 2]) for i in (0, 2, 4)).covariances()[0].tolist()
    [[11.666666666666666, 11.666666666666666], [11.666666666666666, 11.666666666666666]]
    """
    if into is None:
        into = CovarianceAccumulator(names=getattr(batches, "names", None))
    elif not isinstance(into, CovarianceAccumulator):
        raise TypeError(
            f"into must be a CovarianceAccumulator or None: got {_validate.described(into)}"
        )
    before = into.n
    shown = bar(getattr(batches, "n", None)) if progress else nullcontext()
    with shown as show:
        try:
            for x, y, weights in _covariance.in_pairs(batches):
                into.update(x, y, weights)
                if show is not None:
                    show(into.n - before, f"{into.n - before:,} pairs")
        except BaseException as error:
            error.add_note(f"{into.n} samples are in the accumulator, all from complete batches.")
            raise
    return into


def _rows(name: str, value: ArrayLike) -> NDArray[Any]:
    """Samples in rows; arrays of a plain real type are not copied."""
    plain = isinstance(value, np.ndarray) and not isinstance(value, np.ma.MaskedArray)
    small = plain and value.dtype.kind in "iuf" and value.dtype.itemsize <= 8  # type: ignore[union-attr]
    rows: NDArray[Any] = np.asarray(value) if small else _validate.numbers(name, value)
    if rows.ndim != 2 or not rows.shape[1]:
        raise ValueError(
            f"{name} must hold samples in rows, shape (n, d), d > 0: got shape {rows.shape}"
            f"{_covariance.rows_hint(rows.shape)}"
        )
    return rows


def _listed(rows: NDArray[np.intp]) -> str:
    return ", ".join(map(str, rows[:NAMED])) + ", ..." * (rows.size > NAMED)

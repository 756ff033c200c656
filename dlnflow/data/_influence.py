"""Influence functions of modes, and their sums in one pass over samples.

Modes are smooth functions of the two covariances, which are means over samples. To first order an
estimate is therefore a mean of one number per sample, the sample's influence, and its standard
error is that of a mean, for any distribution (F. Hampel, J. Amer. Statist. Assoc. 69 (1974) 383).
The formulas are derived in ``docs/data.md``. Tests compare them with finite differences of the
whole estimator in the weights of the samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow.data._covariance import (
    filled,
    given_weights,
    in_pairs,
    missing_rows,
    samples_in_rows,
)
from dlnflow.data._estimation import InBasis
from dlnflow.data._labels import Names, aligned

Array = NDArray[np.float64]

ENTRIES = 2**21  # numbers in the rows that are processed at once: 16 MB
SPARE = 2  # samples beyond the modes: one for the mean, and one degree of freedom for errors
SAME = 1e-6  # relative; two computations of one covariance differ by less, other data by more


@dataclass(frozen=True, eq=False)
class Influence:
    """The influence of a sample on ``lam`` and ``variance`` of all modes, up to a constant.

    It is a quadratic form in the sample's coordinates ``u = F^T x``, ``v = F^T y``. ``kept`` is
    ``1 - shrinkage``; ``features`` is the number of features in the mean variance towards which
    variances are shrunk.
    """

    whole: InBasis
    generalised: bool
    kept: float
    features: int

    def __call__(self, u: Array, v: Array) -> Array:
        """Shape (n, 2 modes), from coordinates of shape (n, modes)."""
        return self._of_patterns(u, v) if self.generalised else self._of_axes(u, v)

    def linear(self, shift: Array) -> Array:
        """Derivative at ``shift`` (``u`` and ``v`` concatenated), shape (2 modes, 2 modes).

        For a quadratic form ``f(a + b) - f(a) - f(b)`` is exact.
        """
        m = shift.size // 2
        units = np.eye(2 * m)
        moved = units + shift
        there = self(moved[:, :m], moved[:, m:]) - self(units[:, :m], units[:, m:])
        return (there - self(shift[None, :m], shift[None, m:])).T

    def _of_axes(self, u: Array, v: Array) -> Array:
        of_lam, of_variance = self._turns
        lam = u * (v + u @ of_lam.T)
        variance = u * (u + v @ of_variance.T) + v * (u @ of_variance.T)
        return np.hstack([self.kept * lam, self.kept * variance + self._shared(u)])

    @cached_property
    def _turns(self) -> tuple[Array, Array]:
        """Effect of a rotation of mode ``i`` towards mode ``j`` on its ``lam`` and ``variance``.

        A rotation by ``sigma_xx`` changes ``lam``, one by ``sigma_yx`` the variance.
        """
        xx, yx = self.whole.xx, 0.5 * (self.whole.yx + self.whole.yx.T)
        by_yx = self.whole.by_yx
        of_lam = _over_gaps(2.0 * np.where(by_yx, 0.0, yx), np.diag(xx))
        return of_lam, _over_gaps(np.where(by_yx, xx, 0.0), np.diag(yx))

    def _of_patterns(self, u: Array, v: Array) -> Array:
        scale, rho, gram, towards, shared_rho, shared_variance = self._patterns
        z, q = u / scale, v / scale
        along, across = z @ towards.T, q @ towards.T
        turned = q * along + z * across - 2.0 * rho * z * along
        of_rho = self.kept * (z * q - rho * z**2)
        of_variance = self.kept * (2.0 * z * (z @ gram) - np.diag(gram) * z**2 + turned)
        shared = self._shared(u)
        of_rho, of_variance = of_rho + shared * shared_rho, of_variance + shared * shared_variance
        return np.hstack([rho * of_variance + scale**2 * of_rho, of_variance])

    @cached_property
    def _patterns(self) -> tuple[Array, Array, Array, Array, Array, Array]:
        scale = np.sqrt(np.diag(self.whole.xx))
        rho = np.diag(self.whole.yx) / scale**2
        gram = self.whole.basis.T @ self.whole.basis * np.outer(scale, scale)
        dual = self.whole.filters.T @ self.whole.filters / np.outer(scale, scale)
        towards = _over_gaps(gram, rho)
        shared = 2.0 - np.diag(gram) * np.diag(dual) - 2.0 * rho * np.sum(towards * dual, axis=1)
        return scale, rho, gram, towards, -rho * np.diag(dual), shared

    def _shared(self, u: Array) -> Array:
        """Influence of a sample on every variance through the mean variance of shrinkage."""
        if self.kept == 1.0:
            return np.zeros((1, 1))
        x = u @ self.whole.basis.T
        return (1.0 - self.kept) * np.sum(x**2, axis=1, keepdims=True) / self.features


class GroupSums:
    """Sums over groups of rows: of their totals, and of the products of these.

    Rows end in their weight, so that the last entry of a group's total is the group's size. Groups
    of weight 0 do not count.
    """

    def __init__(self, width: int) -> None:
        self.count, self.total = 0, np.zeros(width)
        self.products = np.zeros((width, width))

    def add(self, totals: Array) -> None:
        self.count += int(np.count_nonzero(totals[:, -1]))
        self.total += totals.sum(axis=0)
        self.products += totals.T @ totals

    def covariance_of_mean(self, change: Array) -> Array:
        """Covariance of the mean of ``change @ row``, groups being independent."""
        size = self.total[-1]
        about = np.hstack([change, -(change @ self.total[:-1] / size)[:, None]])
        return about @ self.products @ about.T / size**2 * self.count / (self.count - 1.0)


@dataclass(frozen=True, eq=False)
class Coordinates:
    """Reads batches of samples and finds their coordinates in the modes.

    Pairs with ``missing`` values have weight 0 if there may be any.
    """

    filters: Array
    names: Names | None = None
    scale: Array | None = None
    missing: bool = False

    def __call__(
        self, batches: Iterable[tuple[ArrayLike, ...]], step: int
    ) -> Iterator[tuple[Array, Array, Array]]:
        """``u``, ``v`` and weights of at most ``step`` rows, about the means of the first batch."""
        d, m = self.filters.shape
        filters = self.filters if self.scale is None else self.filters / self.scale[:, None]
        means: tuple[Array, Array] | None = None
        for x, y, given in in_pairs(batches):
            arrays = (
                samples_in_rows("x", x, missing=self.missing),
                samples_in_rows("y", y, missing=self.missing),
            )
            context, target, _ = aligned(x, y, arrays, self.names)
            if context.shape != target.shape or context.shape[1] != d:
                raise ValueError(
                    f"batches must be pairs (x, y) of one shape (n, {d}), the spectrum's features: "
                    f"got {context.shape} and {target.shape}"
                )
            n = len(context)
            weights = np.ones(n) if given is None else given_weights(given, x, n)
            weights = np.where(missing_rows(context, target), 0.0, weights)
            if not weights.any():
                yield np.zeros((n, m)), np.zeros((n, m)), weights
                continue
            context, target = filled(context, target, weights)
            means = means or (context.mean(axis=0), target.mean(axis=0))
            for start in range(0, n, step):
                piece = slice(start, start + step)
                u, v = (
                    (rows[piece] - mean) @ filters
                    for rows, mean in zip((context, target), means, strict=True)
                )
                yield u, v, weights[piece]


def influence_sums(
    influence: Influence,
    coordinates: Coordinates,
    batches: Iterable[tuple[ArrayLike, ...]],
    block: int,
) -> tuple[GroupSums, GroupSums, GroupSums]:
    """Sums over rows, over blocks of rows, and over rows by the root of their weights.

    In one pass over raw samples. A row holds the influence of a sample, ``u``, ``v`` and 1, times
    the sample's weight, about a provisional mean: the mean of all samples is known only at the end.
    A quadratic form about another mean differs by a linear one, which is corrected exactly. The
    last of the sums has the (weighted) covariances of ``u`` and ``v``. Memory is about
    ``(4 modes)**2`` numbers.
    """
    m = influence.whole.spaces.size
    width = 4 * m + 1
    sums, second = GroupSums(width), GroupSums(2 * m + 1)
    groups = GroupSums(width) if block > 1 else sums
    done, unfinished = (
        0,
        np.empty((0, width)),
    )  # the sum of a block that may continue in the next piece
    for u, v, weights in coordinates(batches, max(1, ENTRIES // width)):
        rows = np.hstack([influence(u, v), u, v, np.ones((len(u), 1))])
        second.add(rows[:, 2 * m :] * np.sqrt(weights)[:, None])
        rows *= weights[:, None]
        if block > 1:
            starts = len(unfinished) + np.arange(-done % block, len(rows), block)
            blocks = np.add.reduceat(np.vstack([unfinished, rows]), np.union1d(0, starts))
            groups.add(blocks[:-1])
            unfinished = blocks[-1:]
        sums.add(rows)
        done += len(rows)
    if block > 1:
        groups.add(unfinished)
    return sums, groups, second


def refuse_few(n: int, block: int, modes: int) -> None:
    """Refuse samples without a degree of freedom for errors."""
    groups = -(-n // block)
    if groups < 2:
        raise ValueError(
            f"errors must come from at least 2 independent samples or blocks: got {groups} "
            f"({n} samples, block = {block})"
        )
    if n < modes + SPARE:
        raise ValueError(
            f"errors must come from at least {modes + SPARE} samples, {SPARE} more than there are "
            f"modes, which fewer fit without any error: got {n}"
        )


def refuse_other_data(influence: Influence, joint: Array) -> None:
    """Refuse samples whose covariance ``joint`` is not that of the spectrum."""
    m = len(joint) // 2
    pooled = np.sum((influence.whole.basis @ joint[:m, :m]) * influence.whole.basis)
    shared = (1.0 - influence.kept) * pooled / influence.features
    expected = np.diag(influence.whole.xx)
    gram = np.sum(influence.whole.filters**2, axis=0)
    got = influence.kept * np.diag(joint)[:m] + shared * gram
    apart = np.abs(got / expected - 1.0).max()
    lam = influence.kept * np.diag(joint[m:, :m])
    scale = np.sqrt(expected * np.diag(joint)[m:]) + np.abs(lam)
    apart_lam = np.abs(lam - np.diag(influence.whole.yx)) / np.where(scale > 0.0, scale, 1.0)
    apart = max(apart, apart_lam.max())
    if apart > SAME:
        raise ValueError(
            "batches must be the samples that the spectrum was made of, all of them once: "
            f"got covariances that differ by a relative {apart:.2g}"
        )


def _over_gaps(matrix: Array, values: Array) -> Array:
    """``matrix_ij / (values_i - values_j)``; 0 on the diagonal, and where it was 0."""
    gaps = values[:, None] - values
    out = np.zeros_like(matrix)
    with np.errstate(over="ignore"):
        return np.divide(matrix, gaps, out=out, where=(gaps != 0.0) & (matrix != 0.0))

"""A random split of one vector's coordinates between context and target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dlnflow._common import _validate
from dlnflow._common._frozen import set_fields
from dlnflow._common._validate import Seed
from dlnflow.generative._model import (
    Array,
    Model,
    covariance_matrix,
    gaussian,
    orthogonal,
    per_feature,
)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Masking(Model):
    """One Gaussian vector whose coordinates are split at random between context and target.

    Every coordinate of ``z`` goes, independently, to the context with probability ``context``, to
    the target with probability ``target``, or to neither. Elsewhere it is 0. The model is the
    library's own. `MaskedTokens` has blocks, tubes, and fixed numbers of tokens.

    Parameters
    ----------
    covariance : array, shape (d, d)
        ``C = E[z z^T]``.
    context, target : float
        Probabilities in (0, 1) with a sum of at most 1.
    disjoint : bool
        Whether no coordinate is in both. If not, context and target are drawn independently, and
        the sum of the probabilities may exceed 1.

    Raises
    ------
    ValueError, TypeError
        If ``covariance`` is not a covariance matrix or is zero, or a probability is out of range.

    See Also
    --------
    Masking.from_blocks : Groups of equally correlated coordinates.
    Masking.from_eigenvalues : A random ``C`` with given eigenvalues.

    Notes
    -----
    Let ``q`` and ``r`` be the two probabilities. Two different coordinates are both in the context
    with probability ``q**2``; one is in the context and the other in the target with ``q r``; no
    coordinate is in both. Hence ``sigma_xx = q**2 C + q (1 - q) diag C`` and
    ``sigma_yx = q r (C - diag C)``. If the two are independent, ``sigma_yx = q r C``.

    If the diagonal of ``C`` is constant, ``c``, the two commute, and an eigenvalue ``mu`` of ``C``
    gives a mode with ``lam = q r (mu - c)`` and ``variance = q**2 mu + q (1 - q) c``. Modes of less
    than average variance have ``rho < 0``, and neither objective learns them. The same holds inside
    blocks of constant diagonal if ``C`` is 0 between blocks. Otherwise the two do not commute. If
    ``r > q``, the sum of many correlated coordinates can have ``rho > 1``. Derived here.

    Examples
    --------
    >>> from dlnflow import generative
    >>> model = generative.Masking([[1.0, 0.5], [0.5, 1.0]], context=0.5, target=0.5)
    >>> model.spectrum().lam.round(12).tolist(), model.spectrum().rho.round(3).tolist()
    ([0.125, -0.125], [0.2, -0.333])
    """

    covariance: Array
    context: float
    target: float
    disjoint: bool

    def __init__(
        self, covariance: ArrayLike, context: float, target: float, *, disjoint: bool = True
    ) -> None:
        matrix = covariance_matrix("covariance", covariance)
        if not matrix.any():
            raise ValueError("covariance must have variance in some direction: got all zeros")
        q, r = (
            float(_validate.single(name, _validate.fraction(name, value)))
            for name, value in (("context", context), ("target", target))
        )
        if disjoint and q + r > 1.0:
            raise ValueError(
                "context and target must have a sum of at most 1, no coordinate being both, or "
                f"disjoint=False: got {q:g} + {r:g}"
            )
        fields = {"covariance": matrix, "context": q, "target": r, "disjoint": bool(disjoint)}
        set_fields(self, fields, copy=True)

    @classmethod
    def from_blocks(
        cls,
        sizes: ArrayLike,
        correlation: ArrayLike,
        context: float,
        target: float,
        *,
        variance: ArrayLike = 1.0,
    ) -> Masking:
        """Blocks of equally correlated coordinates; no correlation between blocks.

        Parameters
        ----------
        sizes : array of int, shape (blocks,)
            Number of coordinates of each block, ``m``.
        correlation : array, shape (blocks,)
            Between any two coordinates of a block, ``h``, from ``-1 / (m - 1)`` to 1.
        context, target : float
            As for the class.
        variance : array, shape (blocks,)
            Variance of each of its coordinates, ``v``.

        Returns
        -------
        Masking

        Raises
        ------
        ValueError, TypeError
            As for the class, or if a correlation is not possible in its block.

        Notes
        -----
        The sum of a block's coordinates is one mode, with ``lam = q r v h (m - 1)`` and
        ``variance = q v (1 + q h (m - 1))``. The other ``m - 1`` modes of the block have
        ``lam = -q r v h`` and ``variance = q v (1 - q h)``.

        Examples
        --------
        >>> from dlnflow import generative
        >>> model = generative.Masking.from_blocks([3, 2], [0.5, 1.0], 0.5, 0.5)
        >>> model.spectrum().lam.round(12).tolist()
        [0.25, 0.25, -0.125, -0.125, -0.25]
        """
        members, together, size = per_feature(
            sizes=_validate.depth("sizes", sizes).astype(np.float64),
            correlation=_validate.real("correlation", correlation),
            variance=_validate.positive("variance", variance),
        )
        least = -1.0 / np.maximum(members - 1.0, 1.0)
        outside = np.flatnonzero((together < least) | (together > 1.0))
        if outside.size:
            raise ValueError(
                f"correlation must lie in [-1 / (size - 1), 1], here [{least[outside[0]]:.4g}, 1]: "
                f"got {together[outside[0]]:g}"
            )
        block = np.repeat(np.arange(members.size), members.astype(np.int64))
        shared = (size * together)[block]
        matrix = np.where(block == block[:, None], shared, 0.0)
        np.fill_diagonal(matrix, size[block])
        return cls(matrix, context, target)

    @classmethod
    def from_eigenvalues(
        cls,
        eigenvalues: ArrayLike,
        context: float,
        target: float,
        *,
        rotation: str | ArrayLike = "equal",
        rng: Seed = 0,
    ) -> Masking:
        """A model with given eigenvalues of ``C``, in a random or a given basis.

        Parameters
        ----------
        eigenvalues : array, shape (d,)
            At least two, not negative, not all 0.
        context, target : float
            As for the class.
        rotation : {"equal", "random"} or array, shape (d, d)
            ``"equal"``: a random basis in which all coordinates have the same variance, so that the
            covariances commute. ``"random"``: a random basis. A matrix: orthogonal, with the
            eigenvectors in its columns.
        rng : int, Generator or None
            Seed or generator of the random basis; None for a fresh seed.

        Returns
        -------
        Masking

        Raises
        ------
        ValueError, TypeError
            As for the class, or if an eigenvalue is negative, or ``rotation`` is not orthogonal.

        Notes
        -----
        ``"equal"`` is `scipy.stats.random_correlation`, times the mean eigenvalue.

        Examples
        --------
        >>> from dlnflow import generative
        >>> apart = [3.0, 2.0, 1.0]
        >>> even = generative.Masking.from_eigenvalues(apart, 0.5, 0.5, rng=0)
        >>> even.spectrum().lam.round(12).tolist(), even.spectrum().off_variance < 1e-20
        ([0.25, 0.0, -0.25], True)
        >>> odd = generative.Masking.from_eigenvalues(apart, 0.5, 0.5, rotation="random", rng=0)
        >>> odd.spectrum().off_variance > 0.01
        True
        """
        from scipy.stats import ortho_group, random_correlation

        (values,) = per_feature(eigenvalues=_validate.not_negative("eigenvalues", eigenvalues))
        d, mean = values.size, values.mean()
        if d < 2 or not mean:
            given = np.asarray(eigenvalues).tolist()
            raise ValueError(f"eigenvalues must be at least two and not all 0: got {given}")
        random = _validate.generator("rng", rng)
        if not isinstance(rotation, str):
            basis = orthogonal("rotation", rotation, d)
        elif _validate.choice("rotation", rotation, ("equal", "random")) == "equal":
            even = random_correlation.rvs(values / mean, random_state=random, tol=1e-13 * d)
            return cls(mean * even, context, target)
        else:
            basis = ortho_group.rvs(d, random_state=random)
        return cls((basis * values) @ basis.T, context, target)

    def covariances(self) -> tuple[Array, Array]:
        """``sigma_xx = q**2 C + q (1 - q) diag C`` and ``sigma_yx = q r (C - diag C)``.

        The latter is ``q r C`` if context and target are independent.
        """
        q, r = self.context, self.target
        own = np.diag(np.diag(self.covariance))
        return q**2 * self.covariance + q * (1.0 - q) * own, q * r * (
            self.covariance - own if self.disjoint else self.covariance
        )

    def sample(self, n: int, rng: Seed = 0) -> tuple[Array, Array]:
        """``n`` independent pairs, each with its own mask; see `Model.sample`."""
        rows, random = _validate.positive_integer("n", n), _validate.generator("rng", rng)
        whole = gaussian(rows, self.covariance, random)
        lot = random.random(size=whole.shape)
        x = np.where(lot < self.context, whole, 0.0)
        if self.disjoint:
            wanted = (self.context <= lot) & (lot < self.context + self.target)
        else:
            wanted = random.random(size=whole.shape) < self.target
        return x, np.where(wanted, whole, 0.0)

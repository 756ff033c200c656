"""Tokens of one Gaussian vector under the masks of JEPAs and MAEs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dlnflow._common import _validate
from dlnflow._common._frozen import set_fields
from dlnflow._common._validate import Seed
from dlnflow.data._masks import Masks, masked
from dlnflow.generative._model import Array, Model, covariance_matrix, gaussian


@dataclass(frozen=True, eq=False, repr=False, init=False)
class MaskedTokens(Model):
    """One Gaussian vector of tokens, shown to the context and the target through masks.

    Choose it over `Masking` for masks that are not independent between tokens: blocks, tubes, or a
    fixed number of tokens. The model is the library's own.

    Parameters
    ----------
    covariance : array, shape (d, d)
        ``C``, of the whole vector: ``d`` is a multiple of the number of tokens, and the numbers of
        a token stand together.
    masks : dlnflow.data.Masks
        The distribution of the masks.

    Raises
    ------
    ValueError, TypeError
        If ``covariance`` is not a covariance matrix, is zero or has no ``d`` of this kind, or
        ``masks`` is something else.

    Notes
    -----
    Entry by entry, ``sigma_xx`` is ``C`` times the probability that the context shows both tokens,
    and ``sigma_yx`` is ``C`` times the probability that the target has the one and the context the
    other. Derived here.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnflow import generative
    >>> from dlnflow.data import Masks
    >>> place = np.arange(4)
    >>> covariance = 0.9 ** np.abs(place[:, None] - place)
    >>> model = generative.MaskedTokens(covariance, Masks.random(4, context=0.5, target=0.5))
    >>> model.spectrum().lam.round(3).tolist()
    [0.842, -0.23, -0.299, -0.313]
    """

    covariance: Array
    masks: Masks

    def __init__(self, covariance: ArrayLike, masks: Masks) -> None:
        matrix = covariance_matrix("covariance", covariance)
        if not matrix.any():
            raise ValueError("covariance must have variance in some direction: got all zeros")
        if not isinstance(masks, Masks):
            raise TypeError(f"masks must be a dlnflow.data.Masks: got {_validate.described(masks)}")
        if len(matrix) % masks.tokens:
            raise ValueError(
                f"covariance must have a multiple of {masks.tokens} rows, the number of tokens: "
                f"got {len(matrix)}"
            )
        set_fields(self, {"covariance": matrix, "masks": masks}, copy=True)

    def covariances(self) -> tuple[Array, Array]:
        """``sigma_xx`` and ``sigma_yx``: ``C`` times the probabilities of the masks."""
        k = len(self.covariance) // self.masks.tokens
        both, across = (
            np.kron(p, np.ones((k, k))) for p in (self.masks.context, self.masks.target)
        )
        return self.covariance * both, self.covariance * across

    def sample(self, n: int, rng: Seed = 0) -> tuple[Array, Array]:
        """``n`` independent pairs, each with its own masks; see `Model.sample`."""
        rows, random = _validate.positive_integer("n", n), _validate.generator("rng", rng)
        return masked(gaussian(rows, self.covariance, random), self.masks, random)

"""The validated arguments of a prediction, and the directions of the data that decide it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dlnflow.data._spectrum import Spectrum
from dlnflow.network._subspace import Subspace
from dlnflow.theory._clock import Clock, network_time
from dlnflow.theory._objective import Objective

Array = NDArray[np.float64]

FEWEST = 8  # features for which directions are taken
SIZES = (2, 3, 4)  # of the projected network, in dimensions per feature asked for
WHOLE = 5  # dimensions per feature up to which the whole network is integrated


@dataclass(frozen=True, eq=False)
class Question:
    """Validated arguments of a prediction, and the data in the coordinates of their span."""

    spectrum: Spectrum
    L: int
    decoder_depth: int
    eps: float
    p: float
    clock: Clock
    count: int

    @cached_property
    def span(self) -> Array:
        """Orthonormal columns that span the modes, shape (d, rank)."""
        return np.linalg.qr(self.spectrum._whole.basis)[0]

    @property
    def scale(self) -> float:
        """The largest mean square of any direction."""
        return float(np.abs(self.spectrum._whole.xx).max())

    @property
    def unit(self) -> float:
        """Time of the flow on `covariances` in one unit of the clock."""
        return float(network_time(self.clock, self.L)) * self.scale

    @cached_property
    def covariances(self) -> tuple[Array, Array]:
        """``Sigma_xx`` and ``Sigma_yx`` over the scale in the span, shape (rank, rank)."""
        whole = self.spectrum._whole
        inside = self.span.T @ whole.basis
        xx, yx = (inside @ (matrix / self.scale) @ inside.T for matrix in (whole.xx, whole.yx))
        return 0.5 * (xx + xx.T), yx

    def directions(self, objective: Objective) -> tuple[Array, ...]:
        """What decides which features are learned, as columns, the most important first.

        Right and left singular vectors of ``Sigma_yx``, by falling singular value. For a JEPA,
        whose context and target share an encoder, the singular value counts as far as the two
        vectors agree, and the generalised eigenvectors of large ``rho`` follow.
        """
        from scipy.linalg import eigh

        xx, yx = self.covariances
        left, size, right = np.linalg.svd(yx)
        if objective.layer(self.L) == 0:
            return right.T, left
        order = np.argsort(-size * np.sum(left * right.T, axis=0))
        return right.T[:, order], left[:, order], eigh(0.5 * (yx + yx.T), xx)[1][:, ::-1]

    def subspaces(self, objective: Objective) -> Iterator[Subspace]:
        """Larger and larger spans of leading directions; the whole space alone if it is small."""
        rank, features = self.span.shape[1], max(self.count, FEWEST)
        if rank <= WHOLE * features:
            yield Subspace(np.eye(rank))
            return
        several = self.directions(objective)
        for size in (size * features for size in SIZES):
            each = size if len(several) == 2 else size // 2
            yield Subspace.spanned(*(some[:, :each] for some in several))

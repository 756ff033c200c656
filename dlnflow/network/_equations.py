"""Gradient flow of all matrices of a network: the right-hand side and its linearisation.

The loss is ``1/2 E |A x - sg(T y)|^2`` with ``A = W_N ... W_1`` and ``T = W_m ... W_1``, so

    dW_j/dt = (W_N ... W_{j+1})^T (T sigma_yx - A sigma_xx) (W_{j-1} ... W_1)^T.

Matrix products for ``N`` layers, in a basis where ``sigma_xx`` is diagonal: ``N - 1`` prefixes
``W_a ... W_1`` (the last of them is ``A``, the ``m``-th is ``T``), one for ``T sigma_yx`` (none if
``sigma_yx`` is diagonal too, or ``m = 0``), ``N - 1`` to pull the error back layer by layer, and
``N - 1`` outer products with the prefixes (the first layer's prefix is 1). No product is computed
twice; the basis saves the product ``A sigma_xx``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Equations:
    """The flow of all matrices as one vector, for fixed data and target layer.

    Parameters
    ----------
    shapes : sequence of (int, int)
        Shapes of the layers, first layer first.
    target_layer : int
        ``m``.
    xx, yx : array, shape (d, d) or (d,)
        The covariances; a vector means a diagonal matrix.
    """

    shapes: tuple[tuple[int, int], ...]
    target_layer: int
    xx: Array
    yx: Array

    @cached_property
    def _places(self) -> list[slice]:
        ends = np.cumsum([rows * columns for rows, columns in self.shapes]).tolist()
        return [slice(*ends_) for ends_ in zip([0, *ends[:-1]], ends, strict=True)]

    @property
    def size(self) -> int:
        """The number of weights."""
        return self._places[-1].stop

    @property
    def products(self) -> int:
        """Matrix products in one evaluation of `velocity`."""
        by_matrices = (self.xx.ndim == 2) + (self.yx.ndim == 2 and self.target_layer > 0)
        return 3 * (len(self.shapes) - 1) + by_matrices

    def layers(self, flat: Array) -> list[Array]:
        """The matrices in a vector of weights, as views; leading axes are kept."""
        lead = flat.shape[:-1]
        return [
            flat[..., place].reshape(*lead, *shape)
            for place, shape in zip(self._places, self.shapes, strict=True)
        ]

    def flat(self, layers: Sequence[Array]) -> Array:
        """The vector of weights of matrices without leading axes."""
        return np.concatenate([layer.ravel() for layer in layers])

    def velocity(self, _: float, flat: Array) -> Array:
        """``d(weights)/dt`` on the network clock; the signature is that of ``solve_ivp``."""
        return self.downhill(flat)

    def downhill(self, flat: Array, target: Array | None = None) -> Array:
        """The negative gradient of all weights; ``target`` replaces ``W_m ... W_1``."""
        layers = self.layers(flat)
        before = prefixes(layers)
        pulled = self._error(before, target)
        result = np.empty(self.size)
        for j in reversed(range(len(layers))):
            out = result[self._places[j]].reshape(self.shapes[j])
            if j:
                np.matmul(pulled, before[j].T, out=out)
                pulled = layers[j].T @ pulled
            else:
                out[...] = pulled
        return result

    def _error(self, before: Sequence[Any], target: Array | None = None) -> Array:
        """``T sigma_yx - A sigma_xx`` from the prefixes."""
        return self._wanted(before, target) - times(before[-1], self.xx)

    def _wanted(self, before: Sequence[Any], target: Array | None = None) -> Array:
        if self.target_layer == 0:
            return np.diag(self.yx) if self.yx.ndim == 1 else self.yx
        return times(before[self.target_layer] if target is None else target, self.yx)

    def linearisation(self, flat: Array) -> Callable[[Array], Array]:
        """The derivative of `velocity` at ``flat``: a function of a change, shape (..., size).

        The target moves with the weights, though no gradient passes through it.
        """
        layers = self.layers(flat)
        before = prefixes(layers)
        pulled = [self._error(before)]  # to the output of each layer, last layer first
        for layer in reversed(layers[1:]):
            pulled.append(layer.T @ pulled[-1])
        # For a transposed right factor BLAS takes up to twice as long.
        turned: list[Any] = [None, *(np.ascontiguousarray(one.T) for one in before[1:-1])]

        def change_of_velocity(change: Array) -> Array:
            moved = self.layers(change)
            shift: list[Any] = [None, moved[0]]
            for j in range(1, len(layers)):
                shift.append(moved[j] @ before[j])
                shift[-1] += layers[j] @ shift[j]
            back = -times(shift[-1], self.xx)
            if self.target_layer:
                back += times(shift[self.target_layer], self.yx)
            result = np.empty(change.shape)
            for j, error in zip(reversed(range(len(layers))), pulled, strict=True):
                out = back
                if j:
                    out = back @ turned[j]
                    out += error @ shift[j].swapaxes(-1, -2)
                    back = layers[j].T @ back
                    back += moved[j].swapaxes(-1, -2) @ error
                result[..., self._places[j]] = out.reshape(*change.shape[:-1], -1)
            return result

        return change_of_velocity

    def loss(self, flat: Array, yy: Array | None = None) -> Array:
        """``1/2 E |A x - T y|^2``, less ``1/2 E |T y|^2`` if ``yy`` is None; shape of the lead."""
        before = prefixes(self.layers(flat))
        prediction = before[-1]
        value = np.sum(
            prediction * (0.5 * times(prediction, self.xx) - self._wanted(before)), (-2, -1)
        )
        if yy is not None:
            target = before[self.target_layer] if self.target_layer else np.eye(len(yy))
            value = value + 0.5 * np.sum(target * times(target, yy), (-2, -1))
        return value


def prefixes(layers: Sequence[Array]) -> list[Any]:
    """``W_a ... W_1`` for a = 0, 1, ..., N; None for the first, which is the identity."""
    done: list[Any] = [None, layers[0]]
    for layer in layers[1:]:
        done.append(layer @ done[-1])
    return done


def times(matrix: Array, covariance: Array) -> Array:
    """``matrix @ covariance``; a vector means a diagonal covariance."""
    return matrix * covariance if covariance.ndim == 1 else matrix @ covariance

"""An approximate inverse of the linear systems of implicit steps, for small balanced networks.

Gradient flow from a balanced initialisation keeps ``W_i = U_i S U_{i-1}^T``, with one ``S`` for all
layers. In these bases, ``D_i = U_i^T dW_i U_{i-1}``, and without the terms that vanish with the
error, the linearised flow is

    dD_j/dt = S^(N-j) E S^(j-1),    E = -A X + T Y,
    A = sum_i S^(N-i) D_i S^(i-1),    T = sum_(i<=m) S^(m-i) D_i S^(i-1),

with ``X = U_0^T Sigma_xx U_0`` and ``Y = U_0^T Sigma_yx U_0``. The output of the prediction is
taken to have the basis of the target. The rows of ``E`` then decouple, and ``(1 - gamma J) D = R``
is solved by one matrix of the layers' width for each row, exactly but for the terms left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dlnflow.network._equations import Equations

Array = NDArray[np.float64]

LARGEST = 64  # width: the factorisations are of as many matrices of this size
SYMMETRIC = 1e-6  # relative asymmetry of sigma_yx that rounding leaves
LEAST = 1e-12  # singular value over the largest: smaller ones leave their vectors undetermined


class Preconditioner:
    """Approximately inverts ``1 - gamma J`` for the flow of a balanced network of equal widths."""

    def __init__(self, equations: Equations) -> None:
        self._equations, self._m = equations, equations.target_layer

    @staticmethod
    def serves(equations: Equations) -> bool:
        """If the layers are square, of one small size, and sigma_yx is symmetric.

        Otherwise the output leaves the basis of the target, or the factorisations are too dear.
        """
        sizes = {size for shape in equations.shapes for size in shape}
        yx = np.diag(equations.yx) if equations.yx.ndim == 1 else equations.yx
        symmetric = np.linalg.norm(yx - yx.T) <= SYMMETRIC * np.linalg.norm(yx)
        return len(sizes) == 1 and max(sizes) <= LARGEST and bool(symmetric)

    def setup(self, weights: Array, gamma: float) -> None:
        """Factorise for some weights and ``gamma``."""
        layers, m = self._equations.layers(weights), self._m
        count = len(layers)
        squares, first = np.linalg.eigh(layers[0].T @ layers[0])
        size = np.sqrt(np.maximum(squares, LEAST**2 * squares[-1]))
        bases = [first]
        for layer in layers:
            bases.append(layer @ bases[-1] / size)
        xx, yx = self._equations.xx, self._equations.yx
        self._xx = (first.T * xx if xx.ndim == 1 else first.T @ xx) @ first
        self._yx = (first.T * yx if yx.ndim == 1 else first.T @ yx) @ first
        self._bases, self._gamma = bases, gamma
        powers = size ** np.arange(2 * count + 1)[:, None]
        places = range(1, count + 1)
        self._into = [powers[count - i][:, None] * powers[i - 1] for i in places]
        self._target = [powers[m - i][:, None] * powers[i - 1] for i in range(1, m + 1)]
        gain = sum(one**2 for one in self._into)
        matrix = gain[:, :, None] * self._xx
        if m:
            matrix -= (
                sum(
                    one[:, :, None] * other[:, :, None]
                    for one, other in zip(self._into, self._target, strict=False)
                )
                * self._yx
            )
        self._inverse = np.linalg.inv(np.eye(size.size) + gamma * matrix)

    def solve(self, residual: Array) -> Array:
        """The change ``D`` with ``(1 - gamma J) D`` about ``residual``."""
        bases = self._bases
        parts = [
            bases[i + 1].T @ part @ bases[i]
            for i, part in enumerate(self._equations.layers(residual))
        ]
        error = -sum(map(np.multiply, self._into, parts)) @ self._xx
        if self._m:
            error += sum(map(np.multiply, self._target, parts)) @ self._yx
        error = self._gamma * (error[:, None] @ self._inverse)[:, 0]
        return np.concatenate(
            [
                np.ravel(bases[i + 1] @ (part + into * error) @ bases[i].T)
                for i, (part, into) in enumerate(zip(parts, self._into, strict=True))
            ]
        )

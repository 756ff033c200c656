"""The record of a deep linear network: an encoder and a decoder, as lists of matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow._common._frozen import read_only, read_only_copy

Array = NDArray[np.float64]

ABSENT = 1e-12  # of the largest amplitude: smaller ones are rounding of 0


@dataclass(frozen=True, eq=False, repr=False)
class Network:
    """A deep linear network, encoder ``W_L ... W_1`` and decoder ``W_N ... W_{L+1}``: immutable.

    Build one with `balanced`, `misaligned`, `unbalanced` or `gaussian`, or from your own matrices.

    Parameters
    ----------
    encoder, decoder : sequence of array
        Matrices, first layer first: ``encoder[0]`` has shape (width_1, d), ``encoder[1]`` (width_2,
        width_1), and so on into the decoder.

    Attributes
    ----------
    encoder, decoder : tuple of array
        The matrices, read-only.

    Raises
    ------
    ValueError, TypeError
        If encoder or decoder is empty, a matrix is not finite, or a matrix has not as many columns
        as the one before it has rows.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnflow import network
    >>> net = network.Network([np.eye(3, 5), np.eye(3)], [np.eye(5, 3)])
    >>> net
    Network: encoder 5-3-3, decoder 3-5
    >>> net.product.shape
    (5, 5)
    """

    encoder: tuple[Array, ...]
    decoder: tuple[Array, ...]

    def __post_init__(self) -> None:
        named: dict[str, Array] = {}
        for name in ("encoder", "decoder"):
            given = getattr(self, name)
            if isinstance(given, np.ndarray) and given.ndim == 2:
                raise ValueError(f"{name} must be a list of matrices: got a single matrix")
            if not isinstance(given, Sequence | np.ndarray):
                raise TypeError(f"{name} must be a list of matrices: got {given!r}")
            layers = {f"{name}[{i}]": _layer(f"{name}[{i}]", one) for i, one in enumerate(given)}
            if not layers:
                raise ValueError(f"{name} must hold at least one matrix: got none")
            object.__setattr__(self, name, tuple(layers.values()))
            named |= layers
        for (before, first), (after, second) in pairwise(named.items()):
            if second.shape[1] != first.shape[0]:
                turned = f"; pass {after}.T" if second.shape[0] == first.shape[0] else ""
                raise ValueError(
                    f"{after} must have {first.shape[0]} columns, the width that {before} gives: "
                    f"got shape {second.shape}{turned}"
                )

    @property
    def layers(self) -> tuple[Array, ...]:
        """All matrices, first layer first."""
        return self.encoder + self.decoder

    @property
    def L(self) -> int:
        """Number of encoder layers."""
        return len(self.encoder)

    @property
    def decoder_depth(self) -> int:
        """Number of decoder layers."""
        return len(self.decoder)

    @property
    def widths(self) -> tuple[int, ...]:
        """``d``, then the width after each layer; ``N + 1`` numbers."""
        return (self.encoder[0].shape[1], *(layer.shape[0] for layer in self.layers))

    @property
    def embedding(self) -> Array:
        """The encoder as one matrix ``Wbar = W_L ... W_1``, shape (width_L, d)."""
        return _product(self.encoder)

    @property
    def product(self) -> Array:
        """The end-to-end matrix ``W_N ... W_1``, shape (width_N, d)."""
        return _product(self.layers)

    @property
    def balance_defect(self) -> float:
        """Largest ``|W_{a+1}^T W_{a+1} - W_a W_a^T|`` (Frobenius), conserved by gradient flow.

        Examples
        --------
        >>> from dlnflow import network
        >>> network.Network([[[2.0]]], [[[1.0]]]).balance_defect
        3.0
        """
        return max(float(np.linalg.norm(defect)) for defect in defects(self.layers))

    @property
    def imbalance(self) -> float:
        """`balance_defect` over the largest ``|W_a W_a^T|``: 0 if balanced, about 1 if not."""
        size = max(float(np.linalg.norm(layer @ layer.T)) for layer in self.layers)
        return self.balance_defect / size if size else 0.0

    def __repr__(self) -> str:
        widths = self.widths
        inside = "-".join(map(str, widths[: self.L + 1]))
        return f"Network: encoder {inside}, decoder {'-'.join(map(str, widths[self.L :]))}"

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, layers in state.items():
            object.__setattr__(self, name, tuple(map(read_only, layers)))


def amplitudes(network: Network, basis: Array) -> Array:
    """``|Wbar b|`` for the columns ``b`` of a basis; 0 if it is rounding."""
    size: Array = np.linalg.norm(network.embedding @ basis, axis=0)
    return np.where(size > ABSENT * size.max(initial=0.0), size, 0.0)


def defects(layers: Sequence[Array]) -> list[Array]:
    """``W_{a+1}^T W_{a+1} - W_a W_a^T`` between neighbours; leading axes broadcast."""
    return [
        after.swapaxes(-1, -2) @ after - before @ before.swapaxes(-1, -2)
        for before, after in pairwise(layers)
    ]


def _layer(name: str, value: ArrayLike) -> Array:
    matrix = _validate.real(name, value)
    if matrix.ndim != 2 or not matrix.size:
        raise ValueError(f"{name} must be a matrix (width x width before): got {matrix.shape}")
    return read_only_copy(matrix)


def _product(layers: Sequence[Array]) -> Array:
    return reduce(lambda done, layer: layer @ done, layers)

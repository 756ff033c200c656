"""Modes of a training run, from the encoder alone: the basis that its matrices share over time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.data._jacobi import jointly_diagonal
from dlnflow.identification._door import negative_beyond_noise, within_range

Array = NDArray[np.float64]

MATRICES = 24  # times, of all, that the basis is made of: more of them tell little that is new
NEVER = 1e-9  # of the largest amplitude: directions that no weight ever answers to
STILL = 1e-11  # relative change of an amplitude that is rounding


class Modes(NamedTuple):
    """Directions of the data, and how strongly the encoder answers to each over time.

    Attributes
    ----------
    basis : array, shape (d, modes)
    w : array, shape (modes, times)
        Along each mode's own direction among the outputs, which noise takes below 0 as often as
        above: a norm of what is only noise would have a floor instead.
    dropped : int
        Directions that the encoder never answers to, or whose amplitude never changes.
    off_diagonal : float
        Share of the encoder's Gram matrices' squared size off the diagonal in the basis, the
        largest over time: 0 where modes never mix.
    """

    basis: Array
    w: Array
    dropped: int
    off_diagonal: float


def given_encoder(encoder: ArrayLike, t: Array) -> Array:
    """The encoder's matrices, shape (times, width, d)."""
    matrices = _validate.real("encoder", encoder)
    if matrices.ndim != 3 or not matrices.size or len(matrices) != t.size:
        raise ValueError(
            f"encoder must have shape (times, width, d) with {t.size} times: got {matrices.shape}"
        )
    return _of_some_size("encoder", matrices, t)


def _of_some_size(name: str, matrices: Array, t: Array) -> Array:
    """Matrices none of which is 0, the largest entries within what `identify` works with."""
    within_range(name, np.abs(matrices).max())
    nothing = np.flatnonzero(~matrices.any(axis=(1, 2)))
    if nothing.size:
        raise ValueError(
            f"{name} must not be 0, where no training sets out from: got all zeros at "
            f"t = {t[nothing[0]]:g}"
        )
    return matrices


def encoder_from_outputs(outputs: ArrayLike, probes: ArrayLike, t: Array) -> Array:
    """The encoder's matrices from what it makes of known inputs, by least squares.

    Parameters
    ----------
    outputs : array, shape (times, n, width)
    probes : array, shape (n, d)
        Spanning all directions.
    t : array, shape (times,)
    """
    inputs = _validate.real("probes", probes)
    if inputs.ndim != 2 or not inputs.size:
        raise ValueError(f"probes must have shape (n, d): got {inputs.shape}")
    made = _validate.real("outputs", outputs)
    n, d = inputs.shape
    if made.ndim != 3 or made.shape[:2] != (t.size, n) or not made.size:
        raise ValueError(
            f"outputs must have shape (times, n, width) with {t.size} times and {n} probes: "
            f"got {made.shape}"
        )
    _of_some_size("outputs", made, t)
    rank = int(np.linalg.matrix_rank(inputs))
    if rank < d:
        raise ValueError(
            f"probes must span all {d} directions: got {n} probes that span {rank}; add more, or "
            "give the encoder's weights"
        )
    return np.asarray((np.linalg.pinv(inputs) @ made).swapaxes(1, 2))


def modes_of(t: Array, encoder: Array) -> Modes:
    """The modes of an encoder over time.

    The logarithms of its Gram matrices, in which an amplitude of a millionth counts as much as the
    largest, are diagonal in one basis where modes never mix; otherwise as nearly as possible.
    """
    chosen = np.unique(np.linspace(0, len(encoder) - 1, MATRICES).astype(int))
    logarithms = np.array([_log_gram(encoder[i]) for i in chosen])
    turn = np.cos(np.arange(len(chosen)) ** 2.0)
    start = np.linalg.eigh(np.tensordot(turn, logarithms, axes=1))[1]
    basis = jointly_diagonal(logarithms, start)
    answers = encoder @ basis
    w = _amplitudes(t, answers)
    highest = w.max(axis=1)
    moves = (highest > NEVER * highest.max()) & (np.ptp(w, axis=1) > STILL * highest)
    gram = answers.swapaxes(1, 2) @ answers
    total = np.sum(gram**2, axis=(1, 2))
    own = np.sum(np.einsum("tii->ti", gram) ** 2, axis=1)
    share = 1.0 - np.divide(own, total, out=np.ones_like(own), where=total > 0.0)
    largest = np.abs(basis).argmax(axis=0)
    basis = basis * np.sign(basis[largest, np.arange(basis.shape[1])])
    return Modes(basis[:, moves], w[moves], int(np.sum(~moves)), max(0.0, float(share.max())))


def _amplitudes(t: Array, answers: Array) -> Array:
    """Shape (modes, times), of answers (times, width, modes); norms where a direction turns."""
    by_mode = answers.transpose(2, 0, 1)
    outputs = np.linalg.svd(by_mode, full_matrices=False)[2][:, 0, :, None]
    along = (by_mode @ outputs)[:, :, 0]
    along = along * np.sign(along.sum(axis=1, keepdims=True))
    turns = negative_beyond_noise(t, along)
    return np.where(turns[:, None], np.linalg.norm(by_mode, axis=2), along)


def _log_gram(matrix: Array) -> Array:
    """``log |W b|`` of the right singular vectors ``b``, as a matrix."""
    _, sizes, vectors = np.linalg.svd(matrix)
    d = matrix.shape[1]
    floor = NEVER**2 * max(float(sizes[0]), np.finfo(np.float64).tiny)
    heights = np.log(np.maximum(np.concatenate([sizes, np.zeros(d - sizes.size)]), floor))
    return np.asarray((vectors.T * heights) @ vectors)

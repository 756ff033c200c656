"""The modes of a training run, from the encoder's matrices over time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.data._jacobi import jointly_diagonal
from dlnflow.identification._validation import negative_beyond_noise, within_range

Array = NDArray[np.float64]

MATRICES = 24  # times used for the basis: more of them change it little
NEVER = 1e-9  # share of the largest amplitude below which a direction has no response
STILL = 1e-11  # relative change of an amplitude that is rounding


class EncoderModes(NamedTuple):
    """Directions of the data, and the encoder's amplitude along each over time.

    Attributes
    ----------
    basis : array, shape (d, modes)
    w : array, shape (modes, times)
        Component along each mode's output direction. Unlike a norm, it has mean 0 for pure noise.
    dropped : int
        Number of directions without response, or whose amplitude never changes.
    off_diagonal : float
        Off-diagonal share of the squared norm of the encoder's Gram matrix in this basis, the
        largest over time; 0 if modes never mix.
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
    """Refuse matrices that are 0, or too large or small for `identify`."""
    within_range(name, np.abs(matrices).max())
    nothing = np.flatnonzero(~matrices.any(axis=(1, 2)))
    if nothing.size:
        raise ValueError(
            f"{name} must not be 0, from where no training starts: got all zeros at "
            f"t = {t[nothing[0]]:g}"
        )
    return matrices


def encoder_from_outputs(outputs: ArrayLike, probes: ArrayLike, t: Array) -> Array:
    """The encoder's matrices from its outputs for known inputs, by least squares.

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


def modes_of(t: Array, encoder: Array) -> EncoderModes:
    """The modes of an encoder over time.

    The basis diagonalises the logarithms of its Gram matrices jointly: exactly if modes never mix,
    else as nearly as possible. With logarithms, small amplitudes count as much as large ones.
    """
    chosen = np.unique(np.linspace(0, len(encoder) - 1, MATRICES).astype(int))
    logarithms = np.array([_log_gram(encoder[i]) for i in chosen])
    turn = np.cos(np.arange(len(chosen)) ** 2.0)
    start = np.linalg.eigh(np.tensordot(turn, logarithms, axes=1))[1]
    basis = jointly_diagonal(logarithms, start)
    responses = encoder @ basis
    w = _amplitudes(t, responses)
    highest = w.max(axis=1)
    moves = (highest > NEVER * highest.max()) & (np.ptp(w, axis=1) > STILL * highest)
    gram = responses.swapaxes(1, 2) @ responses
    total = np.sum(gram**2, axis=(1, 2))
    own = np.sum(np.einsum("tii->ti", gram) ** 2, axis=1)
    share = 1.0 - np.divide(own, total, out=np.ones_like(own), where=total > 0.0)
    largest = np.abs(basis).argmax(axis=0)
    basis = basis * np.sign(basis[largest, np.arange(basis.shape[1])])
    return EncoderModes(
        basis[:, moves], w[moves], int(np.sum(~moves)), max(0.0, float(share.max()))
    )


def _amplitudes(t: Array, responses: Array) -> Array:
    """Amplitudes, shape (modes, times), of responses (times, width, modes).

    Norms for a mode whose output direction turns.
    """
    by_mode = responses.transpose(2, 0, 1)
    outputs = np.linalg.svd(by_mode, full_matrices=False)[2][:, 0, :, None]
    along = (by_mode @ outputs)[:, :, 0]
    along = along * np.sign(along.sum(axis=1, keepdims=True))
    turns = negative_beyond_noise(t, along)
    return np.where(turns[:, None], np.linalg.norm(by_mode, axis=2), along)


def _log_gram(matrix: Array) -> Array:
    """The matrix with eigenvalues ``log |W b|`` for the right singular vectors ``b``."""
    _, sizes, vectors = np.linalg.svd(matrix)
    d = matrix.shape[1]
    floor = NEVER**2 * max(float(sizes[0]), np.finfo(np.float64).tiny)
    heights = np.log(np.maximum(np.concatenate([sizes, np.zeros(d - sizes.size)]), floor))
    return np.asarray((vectors.T * heights) @ vectors)

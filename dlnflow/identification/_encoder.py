"""The modes of a training run, from the encoder's matrices over time."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.data._jacobi import jointly_diagonal
from dlnflow.identification._validation import given_times, negative_beyond_noise, within_range

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


def recording(t: Any, encoder: Any, outputs: Any, probes: Any) -> tuple[Array, Array]:
    """Validated times and encoder matrices, shape (times, width, d).

    From outputs (times, n, width) for probes (n, d), the matrices follow by least squares.
    """
    given = {"t": t, "encoder": encoder, "outputs": outputs, "probes": probes}
    names = [name for name, value in given.items() if value is not None]
    if names not in (["t", "encoder"], ["t", "outputs", "probes"]):
        raise ValueError(
            "give a run; or t with encoder; or t with outputs and probes: got "
            + (", ".join(names) or "nothing")
        )
    times = given_times(t)
    if probes is None:
        wanted = f"(times, width, d) with {times.size} times"
        return times, _matrices("encoder", encoder, times, wanted, (times.size,))
    inputs = _validate.real("probes", probes)
    if inputs.ndim != 2 or not inputs.size:
        raise ValueError(f"probes must have shape (n, d): got {inputs.shape}")
    n, d = inputs.shape
    wanted = f"(times, n, width) with {times.size} times and {n} probes"
    made = _matrices("outputs", outputs, times, wanted, (times.size, n))
    rank = int(np.linalg.matrix_rank(inputs))
    if rank < d:
        raise ValueError(
            f"probes must span all {d} directions: got {n} probes that span {rank}; add more, or "
            "give the encoder's weights"
        )
    return times, np.asarray((np.linalg.pinv(inputs) @ made).swapaxes(1, 2))


def _matrices(name: str, value: ArrayLike, t: Array, wanted: str, sizes: tuple[int, ...]) -> Array:
    """Matrices over time whose shape begins with ``sizes``, none of them 0."""
    matrices = _validate.real(name, value)
    if matrices.ndim != 3 or not matrices.size or matrices.shape[: len(sizes)] != sizes:
        raise ValueError(f"{name} must have shape {wanted}: got {matrices.shape}")
    within_range(name, np.abs(matrices).max())
    nothing = np.flatnonzero(~matrices.any(axis=(1, 2)))
    if nothing.size:
        raise ValueError(
            f"{name} must not be 0, from where no training starts: got all zeros at "
            f"t = {t[nothing[0]]:g}"
        )
    return matrices


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

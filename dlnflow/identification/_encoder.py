"""The modes of a training run, from the encoder's matrices or outputs over time."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.data._covariance import centred
from dlnflow.data._jacobi import jointly_diagonal
from dlnflow.identification._validation import given_times, negative_beyond_noise, within_range

Array = NDArray[np.float64]

MATRICES = 24  # times used for the basis: more of them change it little
NEVER = 1e-9  # share of the largest amplitude below which a direction has no response
STILL = 1e-11  # relative change of an amplitude that is rounding
UNREAD = 1e-9  # of a feature's variance: a smaller part that is not read is rounding
RECORDINGS = (
    ["t", "encoder"],
    ["t", "outputs", "probes"],
    ["t", "outputs", "features", "probe_sigma"],
)


class EncoderModes(NamedTuple):
    """Directions of the data, and the encoder's amplitude along each over time.

    Attributes
    ----------
    basis : array, shape (d, modes), or None
        None where features were given, whose directions are unknown.
    amplitudes : array, shape (modes, times)
        Component along each mode's output direction. Unlike a norm, it has mean 0 for pure noise.
    w : array, shape (modes, times)
        The same, and the norm for a mode that turned.
    turned : bool array, shape (modes,)
        Modes whose component becomes negative beyond its noise.
    dropped : int
        Number of directions without response, or whose amplitude never changes.
    off_diagonal : float
        `_off_diagonal` in this basis, the largest over time.
    """

    basis: Array | None
    amplitudes: Array
    w: Array
    turned: NDArray[np.bool_]
    dropped: int
    off_diagonal: float


def recorded_modes(recording: dict[str, Any]) -> tuple[Array, EncoderModes]:
    """Validated times, and the modes of a recording.

    ``recording`` holds the arguments of `recover` by name, None for those that were left out.
    """
    names = [name for name, value in recording.items() if value is not None]
    if names not in RECORDINGS:
        raise ValueError(
            "give a run; or t with encoder; or t with outputs and probes; or t with outputs, "
            f"features and probe_sigma: got {', '.join(names) or 'nothing'}"
        )
    times = given_times(recording["t"])
    if "encoder" in names:
        wanted = f"(times, width, d) with {times.size} times"
        encoder = _matrices("encoder", recording["encoder"], times, wanted, (times.size,))
        return times, modes_of(times, encoder)
    key = "features" if "features" in names else "probes"
    known = _validate.real(key, recording[key])
    if known.ndim != 2 or not known.size:
        columns = "k" if key == "features" else "d"
        raise ValueError(f"{key} must have shape (n, {columns}): got {known.shape}")
    n = len(known)
    wanted = f"(times, n, width) with {times.size} times and {n} probes"
    outputs = _matrices("outputs", recording["outputs"], times, wanted, (times.size, n))
    if key == "features":
        return times, _probed_modes(times, outputs, known, recording["probe_sigma"])
    return times, modes_of(times, _encoder(outputs, known))


def _encoder(outputs: Array, probes: Array) -> Array:
    """The encoder's matrices by least squares."""
    n, d = probes.shape
    rank = int(np.linalg.matrix_rank(probes))
    if rank < d:
        raise ValueError(
            f"probes must span all {d} directions: got {n} probes that span {rank}; add more, or "
            "give the encoder's weights, or features of the probes with probe_sigma"
        )
    return np.asarray((np.linalg.pinv(probes) @ outputs).swapaxes(1, 2))


def _probed_modes(t: Array, outputs: Array, features: Array, probe_sigma: Any) -> EncoderModes:
    """Each feature as a mode, whose amplitude is known up to a factor.

    For an aligned mode ``R2 / (1 - R2) = (w a / probe_sigma)**2`` with ``a = |Sigma_xx v|``. The
    amplitude here is ``w a``.
    """
    from dlnflow.network._probe import probe_r2, signal_to_noise

    count = features.shape[1]
    noise = _validate.positive("probe_sigma", probe_sigma)
    if noise.shape not in ((), (count,)):
        raise ValueError(
            f"probe_sigma must be one number, or one for each of {count} features: "
            f"got shape {noise.shape}"
        )
    r2 = np.array([probe_r2(one, features, sigma=noise) for one in outputs]).T
    if (1.0 - r2 < UNREAD).any():
        mode, at = map(int, np.argwhere(1.0 - r2 < UNREAD)[0])
        raise ValueError(
            f"probe_sigma must be larger, so that R2 stays below 1 - {UNREAD:g} and is not "
            f"rounding: got {np.broadcast_to(noise, count)[mode]:g} with R2 = {r2[mode, at]:.12g} "
            f"of feature {mode} at t = {t[at]:g}"
        )
    w = np.broadcast_to(noise, count)[:, None] * signal_to_noise(r2)
    still = np.flatnonzero(~_moves(w))
    if still.size:
        raise ValueError(
            "features must be read by the probe, and not equally at all times: got R2 = "
            f"{r2[still[0]].max():g} at most of feature {still[0]}; leave it out"
        )
    unit = centred(features / np.abs(features).max(axis=0))
    responses = outputs.swapaxes(1, 2) @ (unit / np.linalg.norm(unit, axis=0))
    turned = np.zeros(count, dtype=bool)
    return EncoderModes(None, w, w, turned, 0, _off_diagonal(responses))


def _matrices(name: str, value: ArrayLike, t: Array, wanted: str, sizes: tuple[int, ...]) -> Array:
    """Matrices over time whose shape begins with ``sizes``, none of them 0."""
    matrices = _validate.real(name, value)
    if matrices.ndim != 3 or not matrices.size or matrices.shape[: len(sizes)] != sizes:
        last = matrices.ndim == 3 and matrices.shape[2:] == (t.size,)
        hint = f"; pass np.moveaxis({name}, -1, 0)" if last else ""
        raise ValueError(f"{name} must have shape {wanted}: got {matrices.shape}{hint}")
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
    amplitudes, w, turned = _amplitudes(t, responses)
    moves = _moves(w)
    largest = np.abs(basis).argmax(axis=0)
    basis = basis * np.sign(basis[largest, np.arange(basis.shape[1])])
    return EncoderModes(
        basis[:, moves],
        amplitudes[moves],
        w[moves],
        turned[moves],
        int(np.sum(~moves)),
        _off_diagonal(responses),
    )


def _moves(w: Array) -> NDArray[np.bool_]:
    """Which modes have a response that changes."""
    highest = w.max(axis=1)
    return np.asarray(
        (highest > NEVER * highest.max()) & (np.ptp(w, axis=1) > STILL * highest), dtype=bool
    )


def _off_diagonal(responses: Array) -> float:
    """Off-diagonal share of the squared norm of the Gram matrix of responses, largest over time.

    For responses of shape (times, width, modes). It is 0 if modes never mix.
    """
    gram = responses.swapaxes(1, 2) @ responses
    total = np.sum(gram**2, axis=(1, 2))
    own = np.sum(np.einsum("tii->ti", gram) ** 2, axis=1)
    share = 1.0 - np.divide(own, total, out=np.ones_like(own), where=total > 0.0)
    return max(0.0, float(share.max()))


def _amplitudes(t: Array, responses: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Signed amplitudes, amplitudes to fit, and modes that turned, of (times, width, modes).

    A mode turned if its signed amplitude is negative beyond noise. Then its norm is to be fitted.
    """
    by_mode = responses.transpose(2, 0, 1)
    outputs = np.linalg.svd(by_mode, full_matrices=False)[2][:, 0, :, None]
    along = (by_mode @ outputs)[:, :, 0]
    along = np.where(along.sum(axis=1, keepdims=True) < 0.0, -along, along)
    turned = negative_beyond_noise(t, along)
    return along, np.where(turned[:, None], np.linalg.norm(by_mode, axis=2), along), turned


def _log_gram(matrix: Array) -> Array:
    """The matrix with eigenvalues ``log |W b|`` for the right singular vectors ``b``."""
    _, sizes, vectors = np.linalg.svd(matrix)
    d = matrix.shape[1]
    floor = NEVER**2 * max(float(sizes[0]), np.finfo(np.float64).tiny)
    heights = np.log(np.maximum(np.concatenate([sizes, np.zeros(d - sizes.size)]), floor))
    return np.asarray((vectors.T * heights) @ vectors)

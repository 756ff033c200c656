"""What is compared of each mode over time, predicted and measured: its R2 or its amplitude."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlnflow._common._frozen import set_fields
from dlnflow.data._spectrum import Spectrum
from dlnflow.network._probe import given_features, signal_to_noise
from dlnflow.network._run import Run
from dlnflow.theory._modes import amplitude_of
from dlnflow.theory._probe import default_floor, readable
from dlnflow.theory._scaled_modes import ValidatedModes

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Modes:
    """The modes compared: their spectrum, their closed form, and their initial amplitudes."""

    spectrum: Spectrum
    closed_form: ValidatedModes
    eps: Array  # 0 where a bottleneck leaves the mode out

    @property
    def plateau(self) -> Array:
        """Predicted plateaus; 0 for modes that start at 0."""
        return np.where(self.eps > 0.0, self.closed_form.plateau, 0.0)

    def amplitudes(self, t: Array) -> Array:
        """Predicted amplitudes, shape (modes, times)."""
        w = amplitude_of(self.closed_form.along_time, t)
        return np.where(self.eps[:, None] > 0.0, w, 0.0)


@dataclass(frozen=True, eq=False)
class Curves:
    """Predicted and measured curves of every mode: an immutable record.

    Attributes
    ----------
    predicted, measured : array, shape (modes, times)
    scale : array, shape (modes,)
        The size to which deviations are relative.
    t : array
        The times of the run, and time 0.
    heights : array, shape (fractions, modes, times)
        Over ``t``, for each fraction of the plateau: the measured curve relative to what counts as
        learned. It is at least 1 where the mode is learned.
    """

    predicted: Array
    measured: Array
    scale: Array
    t: Array
    heights: Array

    def __post_init__(self) -> None:
        set_fields(self, vars(self))

    __setstate__ = set_fields


def by_amplitude(run: Run, modes: Modes, fractions: Array) -> Curves:
    """Amplitudes ``|Wbar b|``; a mode is learned at a fraction of its predicted plateau."""
    t, encoder = _from_start(run)
    w = np.linalg.norm(encoder @ modes.spectrum.basis, axis=-2).T
    level = (fractions[:, None] * modes.plateau)[..., None]
    heights = np.divide(w, level, out=np.zeros((len(fractions), *w.shape)), where=level > 0.0)
    scale = np.maximum(modes.closed_form.plateau, modes.eps)
    scale = np.where(scale > 0.0, scale, scale.max() or 1.0)
    return Curves(modes.amplitudes(run.t), w[:, -run.t.size :].copy(), scale, t, heights)


def by_probe(run: Run, modes: Modes, fractions: Array) -> Curves:
    """``R2`` under the default noise of the first fraction; a mode is learned where it is 1/2."""
    t, encoder = _from_start(run)
    features = given_features("spectrum.filters", modes.spectrum.filters, run.data)
    floors = default_floor(modes.closed_form.plateau, fractions[:, None])
    r2 = features.readout(encoder).r2(features.size * floors).swapaxes(-1, -2)
    heights = signal_to_noise(r2)
    predicted = readable(modes.amplitudes(run.t), floors[0][:, None])
    measured = r2[0][:, -run.t.size :].copy()
    return Curves(predicted, measured, np.ones(len(modes.eps)), t, heights)


MEASURES: dict[str, Callable[[Run, Modes, Array], Curves]] = {
    "probe": by_probe,
    "amplitude": by_amplitude,
}


def _from_start(run: Run) -> tuple[Array, Array]:
    """Times and encoders, with time 0 added if the run does not record it."""
    if run.t[0] == 0.0:
        return run.t, run.encoder
    start = run.start.embedding[None]
    return np.append(0.0, run.t), np.concatenate([start, run.encoder])

"""Covariances that do not commute: turned by an angle, and measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SEED = 0
CHANNELS = 4


def turned(lam: Sequence[float], rho: Sequence[float], angle: float) -> tuple[Array, Array]:
    """``sigma_xx`` diagonal, and ``sigma_yx`` whose modes are turned away from the axes.

    By an angle in radians, the root mean square over a rotation's directions, drawn once.
    """
    from scipy.linalg import expm

    raw = np.random.default_rng(SEED).normal(size=(len(lam), len(lam)))
    skew = (raw - raw.T) / np.linalg.norm(raw - raw.T)
    turn = expm(angle * np.sqrt(len(lam)) * skew)
    yx = turn @ np.diag(lam) @ turn.T
    return np.diag(np.divide(lam, rho)), 0.5 * (yx + yx.T)


def recorded(lag: int) -> tuple[Array, Array]:
    """An electroencephalogram, four channels, and itself so many samples of 12.5 ms away.

    In both directions of time, so that ``sigma_yx`` is symmetric. It ships with Matplotlib.
    """
    from matplotlib.cbook import get_sample_data

    file: Any = get_sample_data("eeg.dat")
    with file:
        series = np.frombuffer(file.read()).reshape(-1, CHANNELS)
    now, later = series[:-lag], series[lag:]
    x, y = np.concatenate([now, later]), np.concatenate([later, now])
    return x.T @ x / len(x), y.T @ x / len(x)


def commutator(sigma_xx: Array, sigma_yx: Array) -> float:
    """Relative, in Frobenius norms."""
    size = np.linalg.norm(sigma_xx) * np.linalg.norm(sigma_yx)
    return float(np.linalg.norm(sigma_xx @ sigma_yx - sigma_yx @ sigma_xx) / size)

"""Networks and data outside the theory's assumptions: predicted and measured critical times.

A mode counts as learned when ``|Wbar b|`` along its direction ``b`` reaches half of the plateau of
the closed form. Two programs without shared code measure that time, `plain_network` and
`dlnflow.network`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlnflow.studies.claims.routes import _plain_network as plain_network

Array = NDArray[np.float64]

HALF = 0.5
SEED = 0  # of the rotation
CHANNELS = 4  # of the electroencephalogram
SPARE = 1.5  # training time in units of the last predicted critical time
CAP = 5.0  # largest error counted; also that of a mode that is not learned
POINTS = 300  # times recorded of a run of `dlnflow.network`


@dataclass(frozen=True, eq=False)
class NetworkCase:
    """An objective, covariances, and the initial layers of a network."""

    objective: str
    sigma_xx: Array
    sigma_yx: Array
    initial: Sequence[Array]
    L: int


@dataclass(frozen=True, eq=False)
class Forecast:
    """Prediction by the closed form on the diagonal of the data.

    Attributes
    ----------
    basis : array, shape (d, modes)
    times : array, shape (modes,)
        Critical times.
    level : array, shape (modes,)
        Half of the plateaus.
    """

    basis: Array
    times: Array
    level: Array

    @property
    def due(self) -> NDArray[np.bool_]:
        """The modes that are predicted to be learned, and not learned initially."""
        return np.isfinite(self.times) & (self.times > 0.0)

    def until(self, spare: float) -> float:
        """Training time, as a multiple of the last critical time."""
        return spare * float(self.times[self.due].max())


def forecast(given: NetworkCase) -> Forecast:
    """Prediction for every mode from its own initial amplitude."""
    from dlnflow.data import Spectrum
    from dlnflow.theory import critical_time, plateau

    # the response of claim 10 assumes that sigma_xx is diagonal
    data = Spectrum.from_covariances(given.sigma_xx, given.sigma_yx, basis="variance")
    initial = data.basis
    for layer in given.initial[: given.L]:
        initial = layer @ initial
    eps = np.linalg.norm(initial, axis=0)
    modes = data.lam, data.rho, given.L
    times = critical_time(*modes, eps=eps, objective=given.objective, variance=data.variance)
    rest = plateau(data.rho, given.L, objective=given.objective)
    return Forecast(data.basis, times, HALF * rest)


def plain_network_times(given: NetworkCase, expected: Forecast, spare: float = SPARE) -> Array:
    """Critical times by `plain_network`; infinite for modes that are not learned."""
    data = given.sigma_xx, given.sigma_yx, given.initial, given.L, given.objective
    made = plain_network.train(*data, expected.until(spare), expected.basis)
    return np.array(
        [
            plain_network.Trained(made.t, w[None], made.encoder).times(level / w[-1])[0]
            for w, level in zip(made.w, expected.level, strict=True)
        ]
    )


def matrix_network_times(given: NetworkCase, expected: Forecast, spare: float = SPARE) -> Array:
    """Critical times by `dlnflow.network`, with its own integrator."""
    from dlnflow import network
    from dlnflow.network._learning import crossing_times

    net = network.Network(tuple(given.initial[: given.L]), tuple(given.initial[given.L :]))
    t = np.linspace(0.0, expected.until(spare), POINTS)
    data, objective = (given.sigma_xx, given.sigma_yx), given.objective
    run = network.gradient_flow(net, *data, objective=objective, t=t, rtol=1e-9)
    w = np.linalg.norm(run.encoder @ expected.basis, axis=-2).T
    return crossing_times(run.t, w, expected.level)


MEASURED: dict[str, Callable[..., Array]] = {
    "plain network": plain_network_times,
    "matrix network": matrix_network_times,
    "real data": matrix_network_times,
}


def measured(route: str, given: NetworkCase, spare: float = SPARE) -> Array:
    """Measured critical times by a route, shape (modes,)."""
    return MEASURED[route](given, forecast(given), spare)


def turned(lam: Sequence[float], rho: Sequence[float], angle: float) -> tuple[Array, Array]:
    """Diagonal ``sigma_xx``, and ``sigma_yx`` with modes rotated away from the axes.

    The angle (radians) is the root mean square over the axes of one random rotation.
    """
    from scipy.linalg import expm

    raw = np.random.default_rng(SEED).normal(size=(len(lam), len(lam)))
    skew = (raw - raw.T) / np.linalg.norm(raw - raw.T)
    turn = expm(angle * np.sqrt(len(lam)) * skew)
    yx = turn @ np.diag(lam) @ turn.T
    return np.diag(np.divide(lam, rho)), 0.5 * (yx + yx.T)


def recorded(lag: int) -> tuple[Array, Array]:
    """Covariances of a four-channel electroencephalogram with itself, ``lag`` samples apart.

    A sample lasts 12.5 ms. Both directions of time are used, so that ``sigma_yx`` is symmetric. The
    recording ships with Matplotlib.
    """
    from matplotlib.cbook import get_sample_data

    file: Any = get_sample_data("eeg.dat")
    with file:
        series = np.frombuffer(file.read()).reshape(-1, CHANNELS)
    now, later = series[:-lag], series[lag:]
    x, y = np.concatenate([now, later]), np.concatenate([later, now])
    return x.T @ x / len(x), y.T @ x / len(x)

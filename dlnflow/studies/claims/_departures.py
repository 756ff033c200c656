"""Networks that depart from the theory's assumptions: predicted and measured critical times.

A mode counts as learned when the encoder answers to its direction with half of the plateau that the
closed form gives it. Two programs tell that time which share no code, `plain_network` and
`dlnflow.network`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlnflow.studies.claims.routes import _plain_network as plain_network

Array = NDArray[np.float64]
Start = Sequence[Array]

HALF = 0.5
SPARE = 1.5  # a network is trained that much longer than the last mode should take
CAP = 5.0  # the error of a mode that is later than that, or not learned
POINTS = 300  # times at which a run of `dlnflow.network` is kept


@dataclass(frozen=True, eq=False)
class Setting:
    """A network and its data."""

    objective: str
    sigma_xx: Array
    sigma_yx: Array
    start: Start
    L: int


@dataclass(frozen=True, eq=False)
class Forecast:
    """By the closed form on the diagonal of the data: modes, critical times, half plateaus."""

    basis: Array
    times: Array
    level: Array

    @property
    def due(self) -> NDArray[np.bool_]:
        """The modes that are learned."""
        return np.isfinite(self.times) & (self.times > 0.0)

    def until(self, spare: float) -> float:
        """How long a network is trained."""
        return spare * float(self.times[self.due].max())


def forecast(given: Setting) -> Forecast:
    """Every mode predicted from its own amplitude at the start."""
    from dlnflow.data._spectrum import Spectrum
    from dlnflow.theory._critical_time import critical_time
    from dlnflow.theory._modes import plateau

    data = Spectrum.from_covariances(given.sigma_xx, given.sigma_yx)
    answer = data.basis
    for layer in given.start[: given.L]:
        answer = layer @ answer
    eps = np.linalg.norm(answer, axis=0)
    modes = data.lam, data.rho, given.L
    times = critical_time(*modes, eps=eps, objective=given.objective, variance=data.variance)
    rest = plateau(data.rho, given.L, objective=given.objective)
    return Forecast(data.basis, times, HALF * rest)


def plain_network_times(given: Setting, expected: Forecast, spare: float = SPARE) -> Array:
    """By the route `plain_network`; infinite for what it does not learn."""
    data = given.sigma_xx, given.sigma_yx, given.start, given.L, given.objective
    made = plain_network.train(*data, expected.until(spare), expected.basis)
    return np.array(
        [
            plain_network.Trained(made.t, w[None], made.encoder).times(level / w[-1])[0]
            for w, level in zip(made.w, expected.level, strict=True)
        ]
    )


def matrix_network_times(given: Setting, expected: Forecast, spare: float = SPARE) -> Array:
    """By `dlnflow.network`, in its own bases and by its own integrator."""
    from dlnflow import network
    from dlnflow.network._learning import crossing_times

    net = network.Network(tuple(given.start[: given.L]), tuple(given.start[given.L :]))
    t = np.linspace(0.0, expected.until(spare), POINTS)
    data = given.sigma_xx, given.sigma_yx, given.objective
    run = network.gradient_flow(net, *data, t=t, rtol=1e-9)
    return crossing_times(run.t, run.w, expected.level)


MEASURED: dict[str, Callable[..., Array]] = {
    "plain network": plain_network_times,
    "matrix network": matrix_network_times,
    "real data": matrix_network_times,
}


def measured(route: str, given: Setting, spare: float = SPARE) -> Array:
    """Critical times by a route, shape (modes,)."""
    return MEASURED[route](given, forecast(given), spare)

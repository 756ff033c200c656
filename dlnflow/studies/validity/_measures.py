"""What the maps of validity measure: networks that violate one assumption, and their errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlnflow.data._spectrum import Spectrum
from dlnflow.network._compare import Comparison, compare
from dlnflow.network._data import covariances
from dlnflow.network._descent import gradient_descent
from dlnflow.network._flow import gradient_flow
from dlnflow.network._initialise import balanced, gaussian, misaligned, rotation, unbalanced
from dlnflow.network._network import Network
from dlnflow.network._run import finished
from dlnflow.network._stability import largest_stable_rate
from dlnflow.studies.validity._mapping import LAM, RHO, Case, Sweep
from dlnflow.theory._critical_time import critical_time
from dlnflow.theory._objective import Objective
from dlnflow.theory._published import critical_time_published, published

Array = NDArray[np.float64]
Row = dict[str, float]

EPS, DEPTH = 1e-2, 2
LARGEST_EPS = 0.5 * min(RHO) ** DEPTH  # half of the smallest plateau, a JEPA's
LATE = 0.9  # share of its plateau at which the last mode counts as learned here
SPARE, PATIENCE = 1.5, 6.0  # training time in units of that; Gaussian initialisations take longer
POINTS = 600  # of a recorded trajectory


def _commuting(case: Case, angle: float) -> Row:
    sigma_xx, sigma_yx = case.data
    turn = rotation(len(sigma_xx), angle, np.random.default_rng(case.rotation))
    made = _flow(sigma_xx, turn @ sigma_yx @ turn.T, case.objective)
    beside = made.spectrum.off_variance**0.5
    return {"x": made.spectrum.commutator, "angle": angle, "beside": beside, **_errors(made)}


def _balance(case: Case, imbalance: float) -> Row:
    net = _network(unbalanced, case, imbalance=imbalance)
    made = _flow(*case.data, case.objective, net)
    return {"x": net.imbalance, "parameter": imbalance, **_errors(made)}


def _alignment(case: Case, angle: float) -> Row:
    net = _network(misaligned, case, angle=angle)
    return {"x": angle, **_errors(_flow(*case.data, case.objective, net))}


def _initialisation(case: Case, eps: float, repeats: int) -> Row:
    nets = (gaussian(*case.data, DEPTH, eps=eps, rng=case.rng + i) for i in range(repeats))
    made = (_flow(*case.data, case.objective, net, eps=eps, spare=PATIENCE) for net in nets)
    return {"x": eps, **_median(map(_errors, made)), **_published_error(case, eps)}


def _learning_rate(case: Case, share: float) -> Row:
    net = _network(balanced, case)
    lr = share * largest_stable_rate(net, *case.data, objective=case.objective)
    made = _descent(case, net, lr=lr)
    overlap = dict(zip(("predicted_overlap", "measured_overlap"), made.overlap, strict=True))
    return {"x": share, "lr": lr, **_errors(made), **overlap}


def _samples(case: Case, count: float, repeats: int) -> Row:
    n, population = int(count), Spectrum.from_covariances(*case.data)
    errors = []
    for repeat in range(repeats):
        data = covariances(*case.pairs.sample(n, np.random.default_rng([case.rng, n, repeat])))
        net = _network(balanced, case)
        errors.append(_errors(_flow(*data, case.objective, net, spectrum=population)))
    return {"x": count / len(LAM), "n": count, **_median(errors)}


def _ema(case: Case, decay: float, lr: float) -> Row:
    made = _descent(case, _network(balanced, case), lr=lr, ema=decay)
    lag = lr / (1.0 - decay) / float(made.predicted_time.min())
    return {"x": lag, "decay": decay, **_errors(made)}


def _decoder_depth(case: Case, depth: float, eps: float) -> Row:
    net = _network(balanced, case, eps=eps, decoder_depth=int(depth))
    made = compare(finished(gradient_flow(net, *case.data, objective=case.objective)))
    modes = made.spectrum.lam, made.spectrum.rho
    one_layer = critical_time(*modes, DEPTH, eps=eps, objective=case.objective)
    error = float(np.abs(made.measured_time / one_layer - 1.0).max())
    own = _errors(made)
    deviation, own_error = own["deviation"], own["time_error"]
    return {"x": depth, "time_error": error, "deviation": deviation, "own_error": own_error}


SWEEPS = {
    "commuting": Sweep("commuting covariances", "commutator of the covariances", _commuting),
    "balance": Sweep("balanced layers", "imbalance of the layers", _balance),
    "alignment": Sweep("aligned layers", "misalignment (radians)", _alignment),
    "initialisation": Sweep(
        "small balanced initialisation", "scale eps of a Gaussian initialisation", _initialisation
    ),
    "learning_rate": Sweep(
        "small learning rate", "learning rate over the largest stable one", _learning_rate
    ),
    "samples": Sweep("infinite data", "samples per dimension", _samples),
    "ema": Sweep(
        "target encoder without lag", "lag of the EMA target over the first critical time", _ema
    ),
    "decoder_depth": Sweep("one decoder layer", "decoder depth P", _decoder_depth),
}


def _network(make: Callable[..., Network], case: Case, **options: Any) -> Network:
    """A network on the data of a case, in which all assumptions hold save what ``options`` say."""
    settings = {"eps": EPS, "objective": case.objective, "rng": case.rng} | options
    return make(*case.data, DEPTH, **settings)


def _end_of_learning(sigma_xx: Array, sigma_yx: Array, objective: Objective, eps: float) -> float:
    """When the last mode that grows has been learned, on the network clock."""
    spectrum = Spectrum.from_covariances(sigma_xx, sigma_yx)
    modes = spectrum.lam[spectrum.rho > 0.0], spectrum.rho[spectrum.rho > 0.0]
    times = critical_time(*modes, DEPTH, p=LATE, eps=eps, objective=objective, clock="network")
    return float(np.max(times))


def _flow(
    sigma_xx: Array,
    sigma_yx: Array,
    objective: Objective,
    net: Network | None = None,
    *,
    eps: float = EPS,
    spare: float = SPARE,
    spectrum: Spectrum | None = None,
) -> Comparison:
    """Gradient flow until some time after the last mode is learned, beside its prediction."""
    if net is None:
        net = balanced(sigma_xx, sigma_yx, DEPTH, eps=eps, objective=objective)
    data = Spectrum.from_covariances(sigma_xx, sigma_yx) if spectrum is None else spectrum
    grid = data.simulate(DEPTH, eps=eps, objective=objective, clock="network")[objective].t
    even = np.linspace(0.0, spare * _end_of_learning(sigma_xx, sigma_yx, objective, eps), POINTS)
    t = np.union1d(even, grid[grid < even[-1]])
    run = gradient_flow(
        net, sigma_xx, sigma_yx, objective=objective, t=t, clock="network", rtol=1e-10
    )
    return compare(finished(run), spectrum=spectrum)


def _descent(case: Case, net: Network, *, lr: float, ema: float = 0.0) -> Comparison:
    """As `_flow`, by gradient descent."""
    steps = int(np.ceil(SPARE * _end_of_learning(*case.data, case.objective, EPS) / lr))
    options: dict[str, Any] = {"record": POINTS, "clock": "network", "ema": ema}
    return compare(
        finished(
            gradient_descent(
                net, *case.data, objective=case.objective, lr=lr, steps=steps, **options
            )
        )
    )


def _published_error(case: Case, eps: float) -> Row:
    """The relative error of the paper's formula against the exact critical times, if it has one."""
    if not published(case.objective, 1):
        return {}
    modes = case.pairs.lam, case.pairs.rho
    exact = critical_time(*modes, DEPTH, eps=eps, objective=case.objective)
    if not exact.all():
        return {}
    head = critical_time_published(*modes, DEPTH, eps=eps, objective=case.objective)
    return {"published_error": float(np.abs(head / exact - 1.0).max())}


def _errors(comparison: Comparison) -> Row:
    """The columns of every map."""
    return {
        "time_error": float(np.nanmax(np.abs(comparison.time_error), initial=0.0)),
        "deviation": comparison.largest_deviation,
        "tau": comparison.tau,
    }


def _median(errors: Iterable[Row]) -> Row:
    rows = list(errors)
    return {name: float(np.median([row[name] for row in rows])) for name in rows[0]}

"""Checks of the theory's assumptions: what is measured for each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.data._trust import leading_coupling, misfit
from dlnflow.network._checks import CRITERIA, Assumptions, Check
from dlnflow.network._compare import compare
from dlnflow.network._data import Covariances, Problem, given_data, given_modes, given_problem
from dlnflow.network._learning import HIGH, LOW, overlap
from dlnflow.network._network import ABSENT, Network, amplitudes
from dlnflow.network._run import Run
from dlnflow.network._stability import Optimiser, below_one, given_optimiser, stable_rate
from dlnflow.network._switching import switching_exponent
from dlnflow.theory._clock import LOSSES
from dlnflow.theory._critical_time import critical_time, critical_time_of
from dlnflow.theory._objective import Objective, as_objective
from dlnflow.theory._scaled_modes import GivenModes

Array = NDArray[np.float64]

ROUNDING = 1e-16  # misalignment by rounding, which every initialisation has
NOTABLE = 0.1  # misalignment at which critical times change
HALF = 0.5


def check_assumptions(
    sigma_xx: ArrayLike | None = None,
    sigma_yx: ArrayLike | None = None,
    *,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    network: Network | None = None,
    objective: str | Objective | None = None,
    lr: float | None = None,
    loss: str = "half-sum",
    momentum: float = 0.0,
    ema: float = 0.0,
    run: Run | None = None,
) -> Assumptions:
    """Measure every assumption of the theory on data and, if given, on a network.

    Parameters
    ----------
    sigma_xx, sigma_yx : array, shape (d, d)
        Covariances of the data. Give these or samples.
    x, y : array, shape (n, d)
        Paired samples, which are centred here.
    network : Network, optional
        The network at the initialisation. It adds the checks of initialisation, depth and widths.
    objective : str, Objective or None
        By default that of the run, or JEPA.
    lr, loss, momentum, ema
        Settings of gradient descent, as for `gradient_descent`; need ``network`` (or ``run``).
    run : Run, optional
        A run on these data. It adds the checks of the order in which modes were learned, and of
        greedy learning. Its network and objective are used where none are given.

    Returns
    -------
    Assumptions
        A `Check` for each assumption: the measured value, the threshold and its reason, and the
        consequence of a violation.

    Raises
    ------
    ValueError, TypeError
        If the data are missing or given twice, the network does not fit them, or an argument is out
        of range.

    Notes
    -----
    The thresholds are taken from the maps in ``docs/networks.md``, which show what each violation
    costs.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnflow import network
    >>> xx, yx = np.diag([1.0, 2.0, 3.0]), np.diag([0.9, 1.0, 1.1])
    >>> turned = [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    >>> network.check_assumptions(xx, yx).hold, network.check_assumptions(xx, turned).hold
    (True, False)
    """
    if run is not None:
        if not isinstance(run, Run):
            raise TypeError(f"run must be a dlnflow.network.Run: got {type(run).__name__}")
        network = run.start if network is None else network
        objective = run.objective if objective is None else objective
    chosen = as_objective("jepa" if objective is None else objective)
    below_one("momentum", momentum)
    _validate.choice("loss", loss, LOSSES)
    data = given_data(sigma_xx, sigma_yx, x, y)
    checks = list(_of_data(data))
    if network is not None:
        problem = given_problem(network, data, chosen)
        checks += _of_network(problem)
        checks += _of_learning(problem)
        if lr is not None:
            checks += _of_descent(problem, given_optimiser(problem, lr, loss, momentum, ema=ema))
    elif lr is not None:
        raise ValueError(f"network must be given to check a learning rate: got lr = {lr!r}")
    if lr is None and (ema or momentum):
        raise ValueError("lr must be given to check momentum and ema: got None")
    if run is not None:
        compared = compare(run)
        checks.append(_check("the predicted order", compared.tau))
        checks.append(_check("greedy learning, as trained", compared.overlap[1]))
    return Assumptions(tuple(checks))


def _check(assumption: str, measured: Any, **changes: Any) -> Check:
    criterion = CRITERIA[assumption]._replace(**changes)
    return Check(assumption, float(measured), *criterion)


def _of_data(data: Covariances) -> Iterator[Check]:
    spectrum = data.spectrum
    yield _check("symmetric sigma_yx", spectrum.asymmetry)
    yield _check("rho at most 1", spectrum.largest_rho)
    yield _check("commuting covariances", misfit(spectrum))
    yield _check("modes stand alone", leading_coupling(spectrum))
    yield _check("positive regression coefficients", np.mean(spectrum.rho <= 0.0))
    yield _check("full rank", spectrum.dropped)
    if spectrum.n is not None:
        yield _check("enough samples", (data.d / spectrum.n) ** 0.5)


def _of_network(problem: Problem) -> Iterator[Check]:
    network, rho = problem.network, problem.data.spectrum.rho
    yield _check("balanced layers", network.imbalance)
    yield _check("aligned layers", misalignment(problem))
    yield _check("wide enough layers", min(network.widths), threshold=float(np.sum(rho > 0.0)))


def _learnable(problem: Problem) -> GivenModes:
    """The modes that grow: with an initial amplitude and positive rho."""
    spectrum = problem.data.spectrum
    eps = amplitudes(problem.network, spectrum.basis)
    return given_modes(problem.network, spectrum, eps, (eps > 0.0) & (spectrum.rho > 0.0))


def _of_learning(problem: Problem) -> Iterator[Check]:
    given = _learnable(problem)
    lam, rho, eps, objective = given.lam, given.rho, given.eps, problem.objective
    if not eps.size:
        return
    modes = given.under(objective, "paper")
    depths: dict[str, Any] = {"L": given.L, "decoder_depth": given.decoder_depth}
    yield _check("small initialisation", np.max(eps / modes.plateau))
    window = (critical_time_of(modes, np.asarray(p)) for p in (LOW, HIGH))
    yield _check("greedy learning", overlap(*window))
    typical = float(np.exp(np.mean(np.log(eps))))
    growing = rho[typical < HALF * modes.plateau]
    if growing.size > 1 and growing.min() < growing.max():
        ends = [growing.min(), growing.max()]
        late, soon = critical_time(1.0, ends, eps=typical, objective=objective, **depths)
        yield _check("deep encoder", late / soon - 1.0)
    present = max(misalignment(problem), misfit(problem.data.spectrum))
    if present < NOTABLE:
        growth = switching_exponent(lam, rho, eps=eps, objective=objective, **depths)
        allowed = float(np.log(NOTABLE / max(ROUNDING, present)))
        yield _check("units do not switch", np.max(growth), threshold=allowed)


def _of_descent(problem: Problem, optimiser: Optimiser) -> Iterator[Check]:
    yield _check("small learning rate", optimiser.training.lr / stable_rate(problem, optimiser))
    given = _learnable(problem)
    if not optimiser.ema or not given.eps.size:
        return
    times = critical_time_of(given.under(problem.objective, "network"), np.asarray(HALF))
    waits = times[times > 0.0]
    if waits.size:
        lag = optimiser.flow_time / (1.0 - optimiser.ema)
        yield _check("target without lag", lag / waits.min())


def misalignment(problem: Problem) -> float:
    """Share of the prediction, by norm, that meets the target of another mode; 0 if aligned."""
    network, basis = problem.network, problem.data.spectrum.basis
    target = reduce(lambda done, layer: layer @ done, network.layers[: problem.m], basis)
    size = np.linalg.norm(target, axis=0)
    there = size > ABSENT * size.max(initial=0.0)
    target = np.where(there, target / np.where(there, size, 1.0), 0.0)
    meets = target.T @ network.product @ basis
    total = float(np.linalg.norm(meets))
    if total == 0.0:
        return 1.0
    own = np.maximum(np.diag(meets), 0.0)
    return float(np.linalg.norm(meets - np.diag(own)) / total)

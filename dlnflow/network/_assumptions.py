"""Checks of the theory's assumptions: what is measured for each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.data._covariance import paired_samples
from dlnflow.network._checks import CRITERIA, Assumptions, Check
from dlnflow.network._compare import compare
from dlnflow.network._data import Covariances, given_covariances, given_samples
from dlnflow.network._descent import ema_of
from dlnflow.network._flow import target_of
from dlnflow.network._learning import HIGH, LOW, overlap
from dlnflow.network._network import ABSENT, Network, amplitudes
from dlnflow.network._run import Run
from dlnflow.network._stability import Optimiser, momentum_of, stable_rate
from dlnflow.network._switching import switching_exponent
from dlnflow.theory._clock import LOSSES, Training
from dlnflow.theory._critical_time import critical_time
from dlnflow.theory._modes import plateau
from dlnflow.theory._objective import Objective, as_objective

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
    inertia = momentum_of(momentum)
    _validate.choice("loss", loss, LOSSES)
    data, samples = _given(sigma_xx, sigma_yx, x, y)
    checks = list(_of_data(data, samples))
    if network is not None:
        m = target_of(network, data, chosen)
        checks += _of_network(network, data, m)
        checks += _of_learning(network, data, chosen, m)
        if lr is not None:
            training = Training(lr=lr, loss=loss, outputs=network.widths[-1])
            optimiser = Optimiser(training, inertia, ema=ema_of(ema, m))
            checks += _of_descent(network, data, chosen, optimiser)
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


def _given(
    sigma_xx: ArrayLike | None, sigma_yx: ArrayLike | None, x: ArrayLike | None, y: ArrayLike | None
) -> tuple[Covariances, int | None]:
    by_covariances = sigma_xx is not None or sigma_yx is not None
    by_samples = x is not None or y is not None
    if by_covariances == by_samples:
        raise ValueError(
            "sigma_xx and sigma_yx must be given, or x and y: got "
            + ("both" if by_samples else "neither")
        )
    if by_samples:
        context, _ = paired_samples(x, y)  # type: ignore[arg-type]
        return given_samples(x, y), len(context)  # type: ignore[arg-type]
    return given_covariances(sigma_xx, sigma_yx), None  # type: ignore[arg-type]


def _of_data(data: Covariances, samples: int | None) -> Iterator[Check]:
    spectrum = data.spectrum
    yield _check("commuting covariances", spectrum.off_diagonal**0.5)
    learnable = (spectrum.rho > 0.0) & (spectrum.lam > 0.0)
    shared = np.where(learnable, spectrum.coupling, 0.0) ** 0.5
    alone = CRITERIA["modes stand alone"]
    modes = ", ".join(map(str, np.flatnonzero(shared > alone.threshold))) or "none"
    consequence = alone.consequence.format(modes=modes)
    yield _check("modes stand alone", shared.max(), consequence=consequence)
    yield _check("positive regression coefficients", np.mean(spectrum.rho <= 0.0))
    yield _check("full rank", spectrum.dropped)
    if samples is not None:
        yield _check("enough samples", (data.d / samples) ** 0.5)


def _of_network(network: Network, data: Covariances, m: int) -> Iterator[Check]:
    yield _check("balanced layers", network.imbalance)
    yield _check("aligned layers", misalignment(network, data, m))
    learnable = float(np.sum(data.spectrum.rho > 0.0))
    yield _check("wide enough layers", min(network.widths), threshold=learnable)


def _of_learning(
    network: Network, data: Covariances, objective: Objective, m: int
) -> Iterator[Check]:
    spectrum = data.spectrum
    eps = amplitudes(network, spectrum.basis)
    there = (eps > 0.0) & (spectrum.rho > 0.0)
    if not there.any():
        return
    lam, rho, eps, L = spectrum.lam[there], spectrum.rho[there], eps[there], network.L
    depth = network.decoder_depth
    rest = plateau(rho, L, objective=objective, decoder_depth=depth)
    times = partial(critical_time, L=L, objective=objective, decoder_depth=depth)
    yield _check("small initialisation", np.max(eps / rest))
    yield _check("greedy learning", overlap(*(times(lam, rho, eps=eps, p=p) for p in (LOW, HIGH))))
    typical = float(np.exp(np.mean(np.log(eps))))
    growing = rho[typical < HALF * rest]
    if growing.size > 1 and growing.min() < growing.max():
        late, soon = (times(1.0, float(r), eps=typical) for r in (growing.min(), growing.max()))
        yield _check("deep encoder", late / soon - 1.0)
    present = max(misalignment(network, data, m), spectrum.off_diagonal**0.5)
    if present < NOTABLE:
        growth = switching_exponent(lam, rho, L, eps=eps, objective=objective, decoder_depth=depth)
        allowed = float(np.log(NOTABLE / max(ROUNDING, present)))
        yield _check("alignment outlasts the wait", np.max(growth), threshold=allowed)


def _of_descent(
    network: Network, data: Covariances, objective: Objective, optimiser: Optimiser
) -> Iterator[Check]:
    stable = stable_rate(network, data, objective, optimiser)
    yield _check("small learning rate", optimiser.training.lr / stable)
    spectrum = data.spectrum
    eps = amplitudes(network, spectrum.basis)
    there = (eps > 0.0) & (spectrum.rho > 0.0)
    if not optimiser.ema or not there.any():
        return
    times = critical_time(
        spectrum.lam[there],
        spectrum.rho[there],
        network.L,
        eps=eps[there],
        objective=objective,
        decoder_depth=network.decoder_depth,
        clock="network",
    )
    waits = times[times > 0.0]
    if waits.size:
        lag = optimiser.flow_time / (1.0 - optimiser.ema)
        yield _check("target without lag", lag / waits.min())


def misalignment(network: Network, data: Covariances, m: int) -> float:
    """Share of the prediction, by norm, that meets the target of another mode; 0 if aligned."""
    basis = data.spectrum.basis
    target = basis
    for layer in network.layers[:m]:
        target = layer @ target
    size = np.linalg.norm(target, axis=0)
    there = size > ABSENT * size.max(initial=0.0)
    target = np.where(there, target / np.where(there, size, 1.0), 0.0)
    meets = target.T @ network.product @ basis
    total = float(np.linalg.norm(meets))
    if total == 0.0:
        return 1.0
    own = np.maximum(np.diag(meets), 0.0)
    return float(np.linalg.norm(meets - np.diag(own)) / total)

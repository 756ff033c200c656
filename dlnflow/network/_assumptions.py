"""Whether the theory's assumptions hold, each with a number and what follows if it does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.data._covariance import paired_samples
from dlnflow.network._checks import PICTURE, Assumptions, Check
from dlnflow.network._compare import compare
from dlnflow.network._data import Covariances, given_covariances, given_samples
from dlnflow.network._descent import ema_of
from dlnflow.network._flow import target_of
from dlnflow.network._learning import GREEDY, HIGH, LOW, overlap
from dlnflow.network._network import ABSENT, Network, amplitudes
from dlnflow.network._run import Run
from dlnflow.network._stability import largest_stable_rate, momentum_of
from dlnflow.network._switching import switching_exponent
from dlnflow.theory._clock import LOSSES, Training
from dlnflow.theory._critical_time import critical_time
from dlnflow.theory._modes import plateau
from dlnflow.theory._objective import Objective, as_objective

Array = NDArray[np.float64]

ROUNDING = 1e-16  # the misalignment that no start escapes
NOTABLE = 0.1  # that at which it shows
HALF = 0.5
TIED = 0.04


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
    """Measure every assumption of the theory on your data and, if you have one, your network.

    Parameters
    ----------
    sigma_xx, sigma_yx : array, shape (d, d)
        Covariances of the data, or give samples.
    x, y : array, shape (n, d)
        Paired samples, centred here.
    network : Network, optional
        As it is before training; adds what concerns the initialisation, depth and widths.
    objective : str, Objective or None
        By default that of the run, or JEPA.
    lr, loss, momentum, ema
        Of gradient descent, as for `gradient_descent`; need ``network`` (or ``run``).
    run : Run, optional
        A run on these data; adds the order in which it really learned, and whether one at a time.
        Its network and objective stand for those not given.

    Returns
    -------
    Assumptions
        One `Check` each: what was measured, the threshold and its reason, the consequence.

    Raises
    ------
    ValueError, TypeError
        For data that is none or given twice, and a network that does not fit it.

    Notes
    -----
    The thresholds come from the maps in ``docs/networks.md``, which say what each costs.

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
    settings: dict[str, Any] = {"momentum": momentum_of(momentum), "loss": loss}
    _validate.choice("loss", loss, LOSSES)
    data, samples = _given(sigma_xx, sigma_yx, x, y)
    checks = list(_of_data(data, samples))
    if network is not None:
        m = target_of(network, data, chosen)
        checks += _of_network(network, data, chosen, m)
        checks += _of_learning(network, data, chosen, m)
        if lr is not None:
            checks.append(_of_rate(network, data, chosen, lr, settings))
            checks += _of_lag(network, data, chosen, lr, settings, ema_of(ema, m))
    elif lr is not None:
        raise ValueError(f"network must be given for a learning rate to be judged: got lr = {lr!r}")
    if lr is None and (ema or momentum):
        raise ValueError("lr must be given for momentum and ema to be judged: got None")
    if run is not None:
        checks += _of_run(run)
    return Assumptions(tuple(checks))


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
    yield Check(
        "commuting covariances",
        spectrum.off_diagonal**0.5,
        0.03,
        "share of sigma_yx off the diagonal, in size,",
        "in the map critical times are off by some thousandths below, a JEPA's by a quarter "
        "at 0.045",
        "Modes mix: each grows with a part of the others' correlation, those learned early pull "
        "others along, and the predicted order holds only between modes far apart.",
    )
    learnable = (spectrum.rho > 0.0) & (spectrum.lam > 0.0)
    tied = np.where(learnable, spectrum.coupling, 0.0) ** 0.5
    beyond = ", ".join(map(str, np.flatnonzero(tied > TIED))) or "none"
    yield Check(
        "modes stand alone",
        float(tied.max()),
        TIED,
        "largest share of a mode's correlation that belongs to others, in size,",
        "in the map a JEPA's critical times are off by less than 0.02 below, by a quarter at 0.06",
        "These modes follow others' targets as well as their own, and a JEPA learns them earlier "
        f"than predicted (mode {beyond}): trust the prediction for the rest.",
    )
    yield Check(
        "positive regression coefficients",
        float(np.mean(spectrum.rho <= 0.0)),
        0.0,
        "share of modes with rho <= 0",
        "the paper has none; the closed form has them",
        "Neither objective ever learns these modes: they fade instead of waiting their turn; in "
        "the paper's setting they do not exist.",
        concerns=PICTURE,
    )
    yield Check(
        "full rank",
        float(spectrum.dropped),
        0.0,
        "directions without variance",
        "a direction without variance has no mode equation",
        "The encoder keeps its initial weights on these null directions for ever.",
    )
    if samples is not None:
        yield Check(
            "enough samples",
            (data.d / samples) ** 0.5,
            0.1,
            "sqrt(d / n)",
            "in the map critical times are off by one to two times this",
            "The modes are those of the sample: others would be drawn from the same source, and "
            "the order of modes closer than this is chance.",
        )


def _of_network(
    network: Network, data: Covariances, objective: Objective, m: int
) -> Iterator[Check]:
    yield Check(
        "balanced layers",
        network.imbalance,
        0.1,
        "imbalance",
        "in the map critical times are off by 0.3 to 0.4 times this",
        "Layers do not share their singular values: no single u per mode describes them, and "
        "modes set out earlier or later than predicted.",
    )
    yield Check(
        "aligned layers",
        misalignment(network, data, m),
        0.3,
        "share of the prediction that meets another mode's target, in size,",
        "in the map critical times are off by a sixth to a half of its square",
        "Modes start mixed: the network first has to align, and modes arrive later than "
        "predicted, the small ones most.",
    )
    learnable = int(np.sum(data.spectrum.rho > 0.0))
    yield Check(
        "wide enough layers",
        float(min(network.widths)),
        float(learnable),
        "narrowest width",
        "one unit for each mode with rho > 0",
        "The bottleneck holds only so many modes: which, is a competition that the mode "
        "equations know nothing of.",
        at_least=True,
    )


def _of_learning(
    network: Network, data: Covariances, objective: Objective, m: int
) -> Iterator[Check]:
    spectrum = data.spectrum
    eps = amplitudes(network, spectrum.basis)
    there = (eps > 0.0) & (spectrum.rho > 0.0)
    if not there.any():
        return
    settings: dict[str, Any] = {"objective": objective, "decoder_depth": network.decoder_depth}
    rest = plateau(spectrum.rho[there], network.L, **settings)
    settings |= {"eps": eps[there]}
    modes = spectrum.lam[there], spectrum.rho[there], network.L
    yield Check(
        "small initialisation",
        float(np.max(eps[there] / rest)),
        HALF,
        "largest start over its plateau",
        "above half there is nothing left to learn by the usual measure",
        "Some modes start near or above their plateau and have no critical time; the weights are "
        "too large for feature learning to be seen.",
        concerns=PICTURE,
    )
    windows = [critical_time(*modes, p=p, **settings) for p in (LOW, HIGH)]
    yield Check(
        "greedy learning",
        overlap(*windows),
        GREEDY,
        "overlap of neighbouring modes' learning windows",
        "above half, most of a mode's learning coincides with its neighbour's",
        "Modes are learned together rather than one after another: a smaller initialisation, or "
        "modes further apart, would separate them.",
        concerns=PICTURE,
    )
    typical = float(np.exp(np.mean(np.log(eps[there]))))
    delay = _delay(modes[1][typical < HALF * rest], network.L, {**settings, "eps": typical})
    if delay is not None:
        yield _of_depth(delay)
    astray = max(misalignment(network, data, m), spectrum.off_diagonal**0.5)
    if astray < NOTABLE:
        yield Check(
            "alignment outlasts the wait",
            float(np.max(switching_exponent(*modes, **settings))),
            float(np.log(NOTABLE / max(ROUNDING, astray))),
            "e-folds by which a misalignment grows",
            "so many turn the misalignment there is, of data and network, into a tenth",
            "A unit that has learned one mode switches to a better one (larger rho for a JEPA) "
            "long before that one's own unit has grown: late modes come earlier than predicted.",
        )


def _delay(rho: Array, L: int, settings: dict[str, Any]) -> float | None:
    """Of the smallest rho behind the largest, at equal lam; None for fewer than two."""
    if rho.size < 2 or rho.min() == rho.max():
        return None
    late, soon = (critical_time(1.0, float(one), L, **settings) for one in (rho.min(), rho.max()))
    return float(late / soon - 1.0)


def _of_depth(delay: float) -> Check:
    return Check(
        "deep encoder",
        delay,
        0.1,
        "delay of the smallest rho behind the largest at equal lam",
        "a tenth: less is soon outweighed by differences in lam",
        "rho hardly enters the order of learning (for L = 1 not at leading order; nor for an MAE, "
        "a deep decoder or a tiny start): features come by covariance alone.",
        at_least=True,
        concerns=PICTURE,
    )


def misalignment(network: Network, data: Covariances, m: int) -> float:
    """Of the prediction, by size, the share that meets another mode's target; 0 if aligned."""
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


def _of_rate(
    network: Network,
    data: Covariances,
    objective: Objective,
    lr: float,
    settings: dict[str, Any],
) -> Check:
    stable = largest_stable_rate(network, data.xx, data.yx, objective, **settings)
    rate = float(_validate.single("lr", _validate.positive("lr", lr)))
    return Check(
        "small learning rate",
        rate / stable,
        0.1,
        "learning rate over the largest stable one",
        "in the map, at a tenth, critical times are off by up to a hundredth, curves by up to a "
        "tenth of a plateau",
        "Steps no longer follow the flow: fast modes overshoot, learning windows blur into each "
        "other, and above 1 the weights leave the plateau.",
    )


def _of_lag(
    network: Network,
    data: Covariances,
    objective: Objective,
    lr: float,
    settings: dict[str, Any],
    ema: float,
) -> Iterator[Check]:
    eps = amplitudes(network, data.spectrum.basis)
    there = (eps > 0.0) & (data.spectrum.rho > 0.0)
    if not ema or not there.any():
        return
    step = Training(lr=lr, loss=settings["loss"], outputs=network.widths[-1]).flow_time_per_step
    times = critical_time(
        data.spectrum.lam[there],
        data.spectrum.rho[there],
        network.L,
        eps=eps[there],
        objective=objective,
        decoder_depth=network.decoder_depth,
        clock="network",
    )
    waits = times[times > 0.0]
    if not waits.size:
        return
    lag = step / (1.0 - settings["momentum"]) / (1.0 - ema)
    yield Check(
        "target without lag",
        lag / float(waits.min()),
        0.02,
        "lag of the EMA target over the first critical time",
        "in the map critical times are off by five times this",
        "The target follows the encoder late, and features come late, in proportion.",
    )


def _of_run(run: Run) -> Iterator[Check]:
    made = compare(run)
    yield Check(
        "the predicted order",
        made.tau,
        0.9,
        "Kendall tau between predicted and actual order",
        "one pair in twenty exchanged",
        "The network learned in another order than the modes' equations say, or not what they say: "
        "what the broken assumptions, or training off the flow, cost on these data.",
        at_least=True,
    )
    yield Check(
        "greedy learning, as trained",
        made.overlap[1],
        GREEDY,
        "overlap of neighbouring modes' learning windows in the run",
        "above half, most of a mode's learning coincides with its neighbour's",
        "The run learned modes together; where the start predicts otherwise, the learning rate, or "
        "data that the modes do not describe, has blurred it.",
        concerns=PICTURE,
    )

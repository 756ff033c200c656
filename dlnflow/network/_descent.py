"""Gradient descent on a whole network, as it is trained in practice."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow._common._frozen import read_only
from dlnflow._common._progress import Progress, ProgressOption
from dlnflow.network._batches import Sampler, given_source
from dlnflow.network._data import Covariances
from dlnflow.network._equations import Equations, prefixes
from dlnflow.network._flow import target_of
from dlnflow.network._initialise import Seed
from dlnflow.network._network import Network
from dlnflow.network._run import Run
from dlnflow.network._stability import (
    Optimiser,
    momentum_of,
    resting_value,
    stable_rate,
    stable_rate_at,
)
from dlnflow.theory._clock import Clock, Training, network_time
from dlnflow.theory._objective import Objective, as_objective

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _Thresholds:
    """When training counts as divergent."""

    norm: float = 1e6  # of all weights, over the larger of initialisation and plateau: blown up
    cosine: float = -0.5  # between successive steps: below it, a step takes back the one before
    count: int = 100  # so many such steps in a row are an oscillation
    undamped: float = 0.99  # last step over the first of these: above it, they do not die out
    rounding: float = 1e-8  # step over the norm of the weights: below it, steps may be rounding


DIVERGENCE = _Thresholds()


class DivergenceError(ArithmeticError):
    """The learning rate is too large: the weights blow up, or oscillate and never settle.

    Attributes
    ----------
    step : int
        The step at which the weights blew up, or from which on each step takes back much of the one
        before.
    largest_stable : float
        The rate below which full-batch descent is stable; see `largest_stable_rate`.
    run : Run
        The run up to the last step with finite weights.
    """

    def __init__(self, message: str, *, step: int, largest_stable: float, run: Run) -> None:
        super().__init__(message)
        self.step = step
        self.largest_stable = largest_stable
        self.run = run

    def __reduce__(self) -> Any:
        return _error_again, (self.args[0], self.step, self.largest_stable, self.run)


def _error_again(message: str, step: int, largest_stable: float, run: Run) -> DivergenceError:
    return DivergenceError(message, step=step, largest_stable=largest_stable, run=run)


def gradient_descent(
    network: Network,
    sigma_xx: ArrayLike | None = None,
    sigma_yx: ArrayLike | None = None,
    objective: str | Objective = "jepa",
    *,
    lr: float,
    steps: int,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    sampler: Sampler | None = None,
    batch_size: int | None = None,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    ema: float = 0.0,
    loss: str = "half-sum",
    record: ArrayLike = 400,
    clock: Clock = "paper",
    sigma_yy: ArrayLike | None = None,
    rng: Seed = 0,
    progress: ProgressOption = False,
    max_seconds: float | None = None,
) -> Run:
    """Train a network by gradient descent, on covariances, on samples or from a sampler.

    The arguments fall into three groups. Data: ``sigma_xx``, ``sigma_yx``, ``sigma_yy``, ``x``,
    ``y``, ``sampler``, ``batch_size``, ``rng``. Optimiser: ``objective``, ``loss``, ``lr``,
    ``steps``, ``momentum``, ``weight_decay``, ``ema``. Recording: ``record``, ``clock``,
    ``progress``, ``max_seconds``.

    Parameters
    ----------
    network : Network
        The network at the initialisation.
    sigma_xx, sigma_yx : array, shape (d, d)
        Covariances, for full-batch descent. With a ``sampler``: the covariances it samples from,
        whose modes the run is measured by.
    sigma_yy : array, shape (d, d), optional
        Covariance of the target, used by ``run.loss`` alone. Samples bring their own.
    x, y : array, shape (n, d)
        Paired samples in place of covariances. Centre them first: their mean must be 0.
    sampler : callable, optional
        ``sampler(n, rng)`` returns ``n`` fresh pairs ``x, y`` of centred data; needs
        ``batch_size``.
    batch_size : int, optional
        Samples in a step; by default all. Samples are shuffled before every epoch. Those left over
        at its end, fewer than a batch, are skipped.
    rng : int, Generator or None
        Seed of the batches, 0 by default.
    objective : str or Objective
    loss : {"half-sum", "sum", "mean"}
        As for `dlnflow.Training`.
    lr, steps : float, int
        Learning rate and number of steps.
    momentum : float
        Heavy-ball momentum, in [0, 1): ``v = momentum v + gradient``, ``W = W - lr v``.
    weight_decay : float
        Times the weights, it is added to the gradient.
    ema : float
        Decay of the target encoder, in [0, 1). After every step its weights are ``ema`` times their
        former values plus ``1 - ema`` times those of the online encoder. 0 is the plain
        stop-gradient.
    record : int or array of int
        The number of steps whose weights are kept, or these steps themselves; step 0 is the
        initialisation. Training ends with the last of them. If it ends earlier, the last step
        reached is kept as well.
    clock : {"paper", "network"} or Training
        The clock of ``run.t``, which is flow time: ``lr / (1 - momentum)`` a step (times a factor
        for the loss), so that a run can be compared with its prediction. ``run.steps`` counts
        steps.
    progress, max_seconds
        As for `gradient_flow`.

    Returns
    -------
    Run

    Raises
    ------
    DivergenceError
        If the weights blow up, or oscillate without damping. It carries the step, the largest
        stable rate and the run.
    ValueError, TypeError
        If the data are missing, not centred or smaller than a batch, or an argument is out of
        range.
    Exception
        Whatever ``sampler`` or ``progress`` raises; once training has begun its attribute ``run``
        is the run up to there.

    Notes
    -----
    Gradients are those of `gradient_flow`; ``docs/networks.md`` gives the error that each departure
    from the flow causes.

    Examples
    --------
    >>> import numpy as np
    >>> import dlnflow
    >>> from dlnflow import network
    >>> lam, rho = np.array([1.0, 0.8]), np.array([0.9, 0.5])
    >>> net = network.balanced(np.diag(lam / rho), np.diag(lam), L=2, eps=0.05)
    >>> run = network.gradient_descent(
    ...     net, np.diag(lam / rho), np.diag(lam), lr=0.01, steps=10_000, record=[0, 5000, 10_000]
    ... )
    >>> run.steps.tolist(), run.t.tolist()          # the paper's clock: L lr a step
    ([0, 5000, 10000], [0.0, 100.0, 200.0])
    >>> exact = dlnflow.amplitude(run.t, lam[:, None], rho[:, None], 2, eps=0.05)
    >>> float(np.abs(run.w / exact - 1).max().round(4))
    0.0005
    """
    chosen = as_objective(objective)
    source = given_source(sigma_xx, sigma_yx, x, y, sampler, batch_size, sigma_yy)
    m = target_of(network, source.data, chosen)
    optimiser = Optimiser(
        Training(lr=lr, loss=loss, outputs=network.widths[-1]),
        momentum=momentum_of(momentum),
        weight_decay=_not_negative("weight_decay", weight_decay),
        ema=ema_of(ema, m),
    )
    count = int(_validate.single("steps", _validate.depth("steps", steps)))
    kept = _recorded(record, count)
    unit = float(network_time(clock, network.L))
    shapes = tuple(layer.shape for layer in network.layers)
    equations = Equations(shapes, m, source.data.xx, source.data.yx)
    tracker = Progress(progress, max_seconds)
    batches = source.batches(equations, _validate.generator("rng", rng))
    bound = DIVERGENCE.norm * _scale(network, source.data, chosen)
    ending = _descend(equations, network, batches, optimiser, kept, bound, tracker)
    run = Run(
        t=read_only(ending.steps * (optimiser.flow_time / unit)),
        steps=read_only(ending.steps),
        objective=chosen,
        clock=clock,
        start=network,
        data=source.data,
        sigma_yy=source.yy,
        stopped=tracker.stopped
        if ending.blown_up is None
        else f"diverged at step {ending.blown_up}",
        how=f"gradient descent, lr = {lr:g}, {source.words}, {tracker.seconds:.1f} s",
        _weights=read_only(ending.states),
    )
    if tracker.error is None:
        _raise_if_diverged(run, ending, optimiser)
    return tracker.result("run", ending.steps, lambda: run)


@dataclass(frozen=True)
class _Ending:
    """Weights at the recorded steps and the last one, and whether training diverged.

    ``blown_up`` is the step at which the weights blew up, ``oscillating`` the one since which they
    oscillate, about the network ``centre``.
    """

    states: Array
    steps: NDArray[np.int64]
    blown_up: int | None = None
    oscillating: int | None = None
    centre: Network | None = None


def _descend(
    equations: Equations,
    network: Network,
    batches: Iterator[Equations],
    optimiser: Optimiser,
    kept: NDArray[np.int64],
    bound: float,
    tracker: Progress,
) -> _Ending:
    m = equations.target_layer
    weights = equations.flat(network.layers)
    states = np.empty((kept.size, weights.size))
    averaged = weights  # the target encoder is the first m layers of these
    decay = optimiser.weight_decay * optimiser.training.lr
    change, oscillation = np.zeros_like(weights), _Oscillation()
    done, step, last = 0, 0, int(kept[-1])
    blown_up = None
    with tracker, np.errstate(over="ignore", invalid="ignore"):
        while True:
            if kept[done] == step:
                states[done] = weights
                done += 1
            if step == last or not tracker.update(step / last, partial(_line, step, last)):
                break
            target = prefixes(equations.layers(averaged)[:m])[m] if optimiser.ema else None
            gradient = optimiser.step * next(batches).downhill(weights, target)
            before, change = change, optimiser.momentum * change + gradient - decay * weights
            changed = weights + change
            if not float(np.linalg.norm(changed)) < bound:
                blown_up = step + 1
                break
            weights, step = changed, step + 1
            oscillation.update(step, before, change)
            if optimiser.ema:
                averaged = optimiser.ema * averaged + (1.0 - optimiser.ema) * weights
    steps = kept[:done]
    if not done or step > kept[done - 1]:
        states[done] = weights
        steps = np.append(steps, step)
    reached = states[: steps.size], steps
    if blown_up is not None:
        return _Ending(*reached, blown_up=blown_up)
    if oscillation.lasts(float(np.linalg.norm(weights))):
        layers = equations.layers(weights - 0.5 * change)
        centre = Network(tuple(layers[: network.L]), tuple(layers[network.L :]))
        return _Ending(*reached, oscillating=oscillation.since, centre=centre)
    return _Ending(*reached)


class _Oscillation:
    """Since when every step takes back much of the one before, and how large these steps are."""

    def __init__(self) -> None:
        self.since = 1
        self._sizes: deque[float] = deque(maxlen=DIVERGENCE.count)
        self._size = 0.0

    def update(self, step: int, before: Array, change: Array) -> None:
        """Record the change of the weights in a step, and in the step before it."""
        previous, self._size = self._size, float(np.linalg.norm(change))
        if not float(before @ change) < DIVERGENCE.cosine * previous * self._size:
            self.since = step + 1
            self._sizes.clear()
        self._sizes.append(self._size)

    def lasts(self, scale: float) -> bool:
        """Whether it has lasted, is larger than rounding of weights of this norm, and undamped."""
        if len(self._sizes) < DIVERGENCE.count:
            return False
        least = max(DIVERGENCE.rounding * scale, DIVERGENCE.undamped * self._sizes[0])
        return self._size > least


def _line(step: int, last: int) -> str:
    return f"step {step} of {last}"


def ema_of(ema: float, m: int) -> float:
    """A decay in [0, 1), 0 for a target that passes no encoder."""
    value = float(_validate.single("ema", _validate.not_negative("ema", ema)))
    if value >= 1.0:
        raise ValueError(f"ema must lie in [0, 1): got {ema}")
    if value and m == 0:
        raise ValueError(f"ema must be 0 for an MAE, whose target passes no encoder: got {ema}")
    return value


def _not_negative(name: str, value: float) -> float:
    return float(_validate.single(name, _validate.not_negative(name, value)))


def _recorded(record: ArrayLike, count: int) -> NDArray[np.int64]:
    """The steps to record, rising, ending with the last: evenly spaced, or as given."""
    given = _validate.not_negative("record", record)
    if (given != np.floor(given)).any() or not given.size:
        raise ValueError(f"record must be a number of steps, or steps: got {record!r}")
    if given.ndim == 0:
        if given < 2:
            raise ValueError(f"record must be at least 2, the start and the end: got {record!r}")
        return np.unique(np.linspace(0, count, min(int(given), count + 1)).astype(np.int64))
    if given.ndim > 1 or (np.diff(given) <= 0).any() or given[-1] > count:
        raise ValueError(f"record must rise from step to step within 0..{count}: got {record!r}")
    return given.astype(np.int64)


def _scale(network: Network, data: Covariances, objective: Objective) -> float:
    """The norm of the weights at the initialisation or, if that is larger, at the plateau."""
    rest = max(1.0, float(resting_value(data.spectrum.rho, network, objective).max()))
    count = sum(layer.size for layer in network.layers)
    start = max(float(np.linalg.norm(layer)) for layer in network.layers)
    return max(start, rest * count**0.5)


def _raise_if_diverged(run: Run, ending: _Ending, optimiser: Optimiser) -> None:
    step = ending.oscillating if ending.blown_up is None else ending.blown_up
    if step is None:
        return
    lr = optimiser.training.lr
    data = run.data, run.objective
    stable = stable_rate(run.start, *data, optimiser)
    if ending.centre is not None:
        stable = min(stable, stable_rate_at(ending.centre, *data, optimiser))
    what = "oscillate since" if ending.blown_up is None else "blew up at"
    hint = f"the largest stable rate is about {stable:.3g}"
    if lr <= stable:
        hint += " for the full batch near the plateau; batches, momentum, decay, a lagging target "
        hint += "and the path to the plateau can need a smaller one"
    raise DivergenceError(
        f"lr must be smaller: got {lr:g}, with which the weights {what} step {step}; {hint}",
        step=step,
        largest_stable=stable,
        run=run,
    )

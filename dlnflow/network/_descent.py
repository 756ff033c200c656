"""Gradient descent on a whole network, as it is trained in practice."""

from __future__ import annotations

import copyreg
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow._common._frozen import read_only
from dlnflow._common._keyword_only import positional_until_removed
from dlnflow._common._progress import Progress, ProgressOption
from dlnflow._common._validate import Seed
from dlnflow.network._batches import Sampler, given_source
from dlnflow.network._data import Problem, given_problem
from dlnflow.network._equations import Equations, prefixes
from dlnflow.network._network import Network
from dlnflow.network._run import Run
from dlnflow.network._stability import Optimiser, given_optimiser, resting_value, stable_rate
from dlnflow.theory._clock import Clock, network_time
from dlnflow.theory._objective import Objective

Array = NDArray[np.float64]


# When training counts as divergent:
BLOWN_UP = 1e6  # norm of all weights over the larger of initialisation and plateau
AGAINST = -0.5  # cosine between successive steps: below it, a step takes back the one before
OSCILLATION = 100  # so many such steps in a row
UNDAMPED = 0.99  # last step over the first of these: above it, they do not die out
ROUNDING = 1e-8  # step over the norm of the weights: below it, steps may be rounding


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
        return copyreg.__newobj__, (type(self), *self.args), vars(self)  # type: ignore[attr-defined]


@positional_until_removed(3, "objective")
def gradient_descent(
    network: Network,
    sigma_xx: ArrayLike | None = None,
    sigma_yx: ArrayLike | None = None,
    *,
    objective: str | Objective = "jepa",
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
    source = given_source(sigma_xx, sigma_yx, x, y, sampler, batch_size, sigma_yy)
    problem = given_problem(network, source.data, objective)
    optimiser = given_optimiser(problem, lr, loss, momentum, decay=weight_decay, ema=ema)
    kept = _recorded(record, _validate.positive_integer("steps", steps))
    unit = float(network_time(clock, network.L))
    tracker = Progress(progress, max_seconds)
    batches = source.batches(problem.equations, _validate.generator("rng", rng))
    ending = _descend(problem, batches, optimiser, kept, tracker)
    blown_up = ending.since is not None and ending.centre is None
    run = Run(
        t=read_only(ending.steps * (optimiser.flow_time / unit)),
        steps=read_only(ending.steps),
        objective=problem.objective,
        clock=clock,
        start=network,
        data=source.data,
        sigma_yy=source.yy,
        stopped=f"diverged at step {ending.since}" if blown_up else tracker.stopped,
        how=f"gradient descent, lr = {lr:g}, {source.words}, {tracker.seconds:.1f} s",
        _weights=read_only(ending.states),
    )
    if tracker.error is None:
        _raise_if_diverged(run, ending, problem, optimiser)
    return tracker.result("run", ending.steps, lambda: run)


@dataclass(frozen=True)
class _Ending:
    """Weights at the recorded steps and the last one, and whether training diverged.

    ``since`` is the step at which the weights blew up or, if there is a ``centre``, since which
    they oscillate about it.
    """

    states: Array
    steps: NDArray[np.int64]
    since: int | None
    centre: Network | None = None


def _descend(
    problem: Problem,
    batches: Iterator[Equations],
    optimiser: Optimiser,
    kept: NDArray[np.int64],
    tracker: Progress,
) -> _Ending:
    equations, weights, m = problem.equations, problem.weights, problem.m
    states = np.empty((kept.size, weights.size))
    averaged = weights  # the target encoder is the first m layers of these
    decay = optimiser.weight_decay * optimiser.training.lr
    change, oscillation = np.zeros_like(weights), _Oscillation()
    done, step, last = 0, 0, int(kept[-1])
    bound, blown_up = BLOWN_UP * _scale(problem), None
    with tracker, np.errstate(over="ignore", invalid="ignore"):
        while True:
            if kept[done] == step:
                states[done] = weights
                done += 1
            text = partial("step {} of {}".format, step, last)
            if step == last or not tracker.update(step / last, text):
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
    states = states[: steps.size]
    if blown_up is None and oscillation.lasts(float(np.linalg.norm(weights))):
        layers, L = tuple(equations.layers(weights - 0.5 * change)), problem.network.L
        return _Ending(states, steps, oscillation.since, Network(layers[:L], layers[L:]))
    return _Ending(states, steps, blown_up)


class _Oscillation:
    """Since when every step takes back much of the one before, and how large these steps are."""

    def __init__(self) -> None:
        self.since = 1
        self._sizes: deque[float] = deque(maxlen=OSCILLATION)
        self._size = 0.0

    def update(self, step: int, before: Array, change: Array) -> None:
        """Record the change of the weights in a step, and in the step before it."""
        previous, self._size = self._size, float(np.linalg.norm(change))
        if not float(before @ change) < AGAINST * previous * self._size:
            self.since = step + 1
            self._sizes.clear()
        self._sizes.append(self._size)

    def lasts(self, scale: float) -> bool:
        """Whether it has lasted, is larger than rounding of weights of this norm, and undamped."""
        lasts = len(self._sizes) == OSCILLATION
        return lasts and self._size > max(ROUNDING * scale, UNDAMPED * self._sizes[0])


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


def _scale(problem: Problem) -> float:
    """The norm of the weights at the initialisation or, if that is larger, at the plateau."""
    rest = max(1.0, float(resting_value(problem).max()))
    start = max(float(np.linalg.norm(layer)) for layer in problem.network.layers)
    return max(start, rest * problem.equations.size**0.5)


def _raise_if_diverged(run: Run, ending: _Ending, problem: Problem, optimiser: Optimiser) -> None:
    if ending.since is None:
        return
    lr, centres = optimiser.training.lr, [] if ending.centre is None else [ending.centre]
    stable = stable_rate(problem, optimiser, *centres)
    what = "oscillate since" if centres else "blew up at"
    hint = f"the largest stable rate is about {stable:.3g}"
    if lr <= stable:
        hint += " for the full batch near the plateau; batches, momentum, decay, a lagging target "
        hint += "and the path to the plateau can need a smaller one"
    raise DivergenceError(
        f"lr must be smaller: got {lr:g}, with which the weights {what} step {ending.since}; "
        f"{hint}",
        step=ending.since,
        largest_stable=stable,
        run=run,
    )

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
from dlnflow._common._frozen import closed
from dlnflow._common._progress import Report, Watch
from dlnflow.network._batches import Sampler, given_source
from dlnflow.network._data import Covariances
from dlnflow.network._equations import Equations, prefixes
from dlnflow.network._flow import target_of
from dlnflow.network._initialise import Seed
from dlnflow.network._network import Network
from dlnflow.network._run import Run
from dlnflow.network._stability import (
    largest_stable_rate,
    momentum_of,
    resting_value,
    stable_rate_at,
)
from dlnflow.theory._clock import Clock, Training, network_time
from dlnflow.theory._objective import Objective, as_objective

Array = NDArray[np.float64]
BLOWN_UP = 1e6  # times the size of the start and of the plateau
OPPOSED, SWINGS = -0.5, 100  # cosine between two moves that swing back, and how many in a row
UNDAMPED, NOTABLE = 0.99, 1e-8  # swings that shrink no more than this, and are not rounding


class DivergenceError(ArithmeticError):
    """Gradient descent with too large a rate: the weights blow up, or swing and never settle.

    Attributes
    ----------
    step : int
        At which the weights blew up, or since which each step takes back much of the one before.
    largest_stable : float
        The rate below which full-batch descent is stable; see `largest_stable_rate`.
    run : Run
        What was recorded before, and the last weights before the blow-up.
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
    progress: Report = False,
    max_seconds: float | None = None,
) -> Run:
    """Train a network by gradient descent, on covariances, on samples or from a sampler.

    Parameters
    ----------
    network : Network
        Where it starts.
    sigma_xx, sigma_yx : array, shape (d, d)
        The data, for descent on the whole of it. With a ``sampler``, the covariances it draws
        from, by whose modes the run is read.
    objective : str or Objective
    lr, steps : float, int
        Learning rate and number of steps.
    x, y : array, shape (n, d)
        Paired samples instead, centred by you: their mean must be 0.
    sampler : callable, optional
        ``sampler(n, rng)`` gives ``n`` fresh pairs ``x, y`` of centred data; needs ``batch_size``.
    batch_size : int, optional
        Samples in a step; by default all. Samples are shuffled anew for every pass through them,
        and those left over at its end, fewer than a batch, are skipped.
    momentum : float
        Heavy ball, in [0, 1): ``v = momentum v + gradient``, ``W = W - lr v``.
    weight_decay : float
        Added to the gradient times the weights.
    ema : float
        Decay of the target encoder, in [0, 1): after every step its weights are ``ema`` of what
        they were and ``1 - ema`` of the online encoder's. 0 is the plain stop-gradient.
    loss : {"half-sum", "sum", "mean"}
        As for `dlnflow.Training`.
    record : int or array of int
        How many steps to keep weights of, or which ones; step 0 is the start. Training ends with
        the last of them. Where it ends before, the last step reached is kept as well.
    clock : {"paper", "network"} or Training
        Of ``run.t``: flow time, ``lr / (1 - momentum)`` a step (and a factor for the loss), so that
        it lies on the prediction. ``run.steps`` counts steps.
    sigma_yy : array, shape (d, d), optional
        Read by ``run.loss`` alone; with samples it is theirs.
    rng : int, Generator or None
        Seed of the batches.
    progress, max_seconds
        As for `gradient_flow`.

    Returns
    -------
    Run

    Raises
    ------
    DivergenceError
        When the weights blow up, or swing to and fro undamped. It carries the step, the largest
        stable rate and the run.
    ValueError, TypeError
        For data that is none, not centred or smaller than a batch, and settings out of range.
    Exception
        Whatever ``sampler`` or ``progress`` raises; its attribute ``run`` is the run up to there.

    Notes
    -----
    Gradients are those of `gradient_flow`; ``docs/networks.md`` has what each departure from the
    flow costs.

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
    rule = _Rule(
        step=Training(lr=lr, loss=loss, outputs=network.widths[-1]).flow_time_per_step,
        momentum=momentum_of(momentum),
        decay=_not_negative("weight_decay", weight_decay) * lr,
        ema=ema_of(ema, m),
    )
    count = int(_validate.single("steps", _validate.depth("steps", steps)))
    kept = _recorded(record, count)
    unit = float(network_time(clock, network.L))
    shapes = tuple(layer.shape for layer in network.layers)
    equations = Equations(shapes, m, source.data.xx, source.data.yx)
    watch = Watch(progress, max_seconds)
    batches = source.batches(equations, _validate.generator("rng", rng))
    bound = BLOWN_UP * _scale(network, source.data, chosen)
    ending = _descend(equations, network, batches, rule, kept, bound, watch)
    run = Run(
        t=closed(ending.steps * (rule.flow_time / unit)),
        steps=closed(ending.steps),
        objective=chosen,
        clock=clock,
        start=network,
        data=source.data,
        sigma_yy=source.yy,
        stopped=watch.stopped if ending.blown_up is None else f"diverged at step {ending.blown_up}",
        how=f"gradient descent, lr = {lr:g}, {source.words}, {watch.seconds:.1f} s",
        _weights=closed(ending.states),
    )
    if watch.error is None:
        _raise_if_diverged(run, ending, lr, momentum, loss)
    return watch.outcome("run", ending.steps, lambda: run)


@dataclass(frozen=True)
class _Rule:
    """The update, in units of flow time."""

    step: float
    momentum: float
    decay: float  # of a weight in one step
    ema: float

    @property
    def flow_time(self) -> float:
        """Flow time that a step comes to, once the momentum has built up."""
        return self.step / (1.0 - self.momentum)


@dataclass(frozen=True)
class _Ending:
    """Weights at the steps kept and the last, and if they blew up or swing: when, about what."""

    states: Array
    steps: NDArray[np.int64]
    blown_up: int | None = None
    swinging: int | None = None
    centre: Network | None = None


def _descend(
    equations: Equations,
    network: Network,
    batches: Iterator[Equations],
    rule: _Rule,
    kept: NDArray[np.int64],
    bound: float,
    watch: Watch,
) -> _Ending:
    m = equations.target_layer
    weights = equations.flat(network.layers)
    states = np.empty((kept.size, weights.size))
    shadow = weights  # the target encoder's weights, of which the first m layers are read
    move, swing = np.zeros_like(weights), _Swing()
    done, step, last = 0, 0, int(kept[-1])
    blown_up = None
    with watch, np.errstate(over="ignore", invalid="ignore"):
        while True:
            if kept[done] == step:
                states[done] = weights
                done += 1
            if step == last or not watch.goes_on(step / last, partial(_line, step, last)):
                break
            target = prefixes(equations.layers(shadow)[:m])[m] if rule.ema else None
            push = rule.step * next(batches).downhill(weights, target)
            before, move = move, rule.momentum * move + push - rule.decay * weights
            moved = weights + move
            if not float(np.linalg.norm(moved)) < bound:
                blown_up = step + 1
                break
            weights, step = moved, step + 1
            swing.see(step, before, move)
            if rule.ema:
                shadow = rule.ema * shadow + (1.0 - rule.ema) * weights
    steps = kept[:done]
    if not done or step > kept[done - 1]:
        states[done] = weights
        steps = np.append(steps, step)
    reached = states[: steps.size], steps
    if blown_up is not None:
        return _Ending(*reached, blown_up=blown_up)
    if swing.goes_on(float(np.linalg.norm(weights))):
        layers = equations.layers(weights - 0.5 * move)
        centre = Network(tuple(layers[: network.L]), tuple(layers[network.L :]))
        return _Ending(*reached, swinging=swing.since, centre=centre)
    return _Ending(*reached)


class _Swing:
    """Since when every move takes back much of the one before, and how large they have been."""

    def __init__(self) -> None:
        self.since = 1
        self._sizes: deque[float] = deque(maxlen=SWINGS)
        self._size = 0.0

    def see(self, step: int, before: Array, move: Array) -> None:
        """Look at the move of a step, and the one before it."""
        previous, self._size = self._size, float(np.linalg.norm(move))
        if not float(before @ move) < OPPOSED * previous * self._size:
            self.since = step + 1
            self._sizes.clear()
        self._sizes.append(self._size)

    def goes_on(self, scale: float) -> bool:
        """Whether the swinging has lasted, is no rounding of weights this size, and undamped."""
        lasting = len(self._sizes) == SWINGS
        return lasting and self._size > max(NOTABLE * scale, UNDAMPED * self._sizes[0])


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
    """The steps to keep, rising, ending with the last: evenly spread, or as given."""
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
    """The size of the weights at the start or, if that is larger, at the plateau."""
    rest = max(1.0, float(resting_value(data.spectrum.rho, network, objective).max()))
    count = sum(layer.size for layer in network.layers)
    start = max(float(np.linalg.norm(layer)) for layer in network.layers)
    return max(start, rest * count**0.5)


def _raise_if_diverged(run: Run, ending: _Ending, lr: float, momentum: float, loss: str) -> None:
    step = ending.swinging if ending.blown_up is None else ending.blown_up
    if step is None:
        return
    settings: dict[str, Any] = {"momentum": momentum, "loss": loss}
    data = run.data.xx, run.data.yx, run.objective
    stable = largest_stable_rate(run.start, *data, **settings)
    if ending.centre is not None:
        stable = min(stable, stable_rate_at(ending.centre, run.data, run.objective, **settings))
    what = "swing from step to step since" if ending.blown_up is None else "blew up at"
    hint = f"the largest stable rate is about {stable:.3g}"
    if lr <= stable:
        hint += " for the full batch near the plateau; batches, momentum, decay, a lagging target "
        hint += "and the way there can need a smaller one"
    raise DivergenceError(
        f"lr must be smaller: got {lr:g}, with which the weights {what} step {step}; {hint}",
        step=step,
        largest_stable=stable,
        run=run,
    )

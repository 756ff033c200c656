"""Gradient descent on a whole network, as it is trained in practice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow import _validate
from dlnflow._covariance import centred, paired_samples
from dlnflow.clock import Clock, Training, network_time
from dlnflow.network._data import Covariances, covariances, given_covariances
from dlnflow.network._equations import Equations, prefixes
from dlnflow.network._flow import closed, matching, target_of
from dlnflow.network._initialise import Seed
from dlnflow.network._network import Network
from dlnflow.network._run import Run
from dlnflow.network._stability import largest_stable_rate, momentum_of
from dlnflow.network._watch import Report, Watch
from dlnflow.objective import Objective, as_objective

Array = NDArray[np.float64]
Sampler = Callable[[int, np.random.Generator], tuple[ArrayLike, ArrayLike]]

CENTRED = 1e-6  # of the spread: what subtracting a mean in single precision leaves
TRIED, CHANCE = 4096, 6.0  # samples drawn to see that the mean is 0 within so many standard errors
BLOWN_UP = 1e6  # times the size of the start and of the plateau


class DivergenceError(ArithmeticError):
    """Gradient descent with too large a rate.

    Attributes
    ----------
    step : int
        At which the weights blew up.
    largest_stable : float
        The rate below which full-batch descent is stable; see `largest_stable_rate`.
    run : Run
        What was recorded before.
    """

    def __init__(self, message: str, *, step: int, largest_stable: float, run: Run) -> None:
        super().__init__(message)
        self.step = step
        self.largest_stable = largest_stable
        self.run = run


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
        How many steps to keep weights of, or which ones; step 0 is the start.
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
        When the weights blow up. It carries the step, the largest stable rate and the run so far.
    ValueError, TypeError
        For data that is none, not centred or smaller than a batch, and settings out of range.

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
    source = _source(sigma_xx, sigma_yx, x, y, sampler, batch_size, sigma_yy)
    m = target_of(network, source.data, chosen)
    rule = _Rule(
        step=Training(lr=lr, loss=loss, outputs=network.widths[-1]).flow_time_per_step,
        momentum=momentum_of(momentum),
        decay=_not_negative("weight_decay", weight_decay) * lr,
        ema=_ema(ema, m),
    )
    count = int(_validate.single("steps", _validate.depth("steps", steps)))
    kept = _recorded(record, count)
    unit = float(network_time(clock, network.L))
    shapes = tuple(layer.shape for layer in network.layers)
    equations = Equations(shapes, m, source.data.xx, source.data.yx)
    watch = Watch(progress, max_seconds)
    batches = source.batches(equations, np.random.default_rng(rng))
    states, blown_up = _descend(equations, network, batches, rule, kept, watch)
    reached = kept[: len(states)]
    run = Run(
        t=closed(reached * (rule.flow_time / unit)),
        steps=closed(reached),
        objective=chosen,
        clock=clock,
        start=network,
        data=source.data,
        sigma_yy=source.yy,
        stopped=watch.stopped if blown_up is None else f"diverged at step {blown_up}",
        how=f"gradient descent, lr = {lr:g}, {source.words}, {watch.seconds:.1f} s",
        _weights=closed(states),
    )
    if blown_up is not None:
        _raise_diverged(run, blown_up, lr, momentum, loss)
    return run


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


def _descend(
    equations: Equations,
    network: Network,
    batches: Iterator[Equations],
    rule: _Rule,
    kept: NDArray[np.int64],
    watch: Watch,
) -> tuple[Array, int | None]:
    """Weights at the steps to keep, and the step at which they blew up, if they did."""
    m = equations.target_layer
    weights = equations.flat(network.layers)
    states = np.empty((kept.size, weights.size))
    shadow = weights  # the target encoder's weights, of which the first m layers are read
    speed = np.zeros_like(weights)
    bound = BLOWN_UP * max(float(np.linalg.norm(weights)), weights.size**0.5)
    done, step, last, blown_up = 0, 0, int(kept[-1]), None
    with watch, np.errstate(over="ignore", invalid="ignore"):
        while True:
            if kept[done] == step:
                states[done] = weights
                done += 1
            if step == last or not watch.goes_on(step / last, partial(_line, step, last)):
                break
            target = prefixes(equations.layers(shadow)[:m])[m] if rule.ema else None
            push = rule.step * next(batches).downhill(weights, target)
            speed = rule.momentum * speed + push - rule.decay * weights
            weights = weights + speed
            step += 1
            if not float(np.linalg.norm(weights)) < bound:
                blown_up = step
                break
            if rule.ema:
                shadow = rule.ema * shadow + (1.0 - rule.ema) * weights
    return states[:done], blown_up


def _line(step: int, last: int) -> str:
    return f"step {step} of {last}"


@dataclass(frozen=True)
class _Source:
    """Where the gradient's covariances come from."""

    data: Covariances
    yy: Array | None
    x: Array | None = None
    y: Array | None = None
    sampler: Sampler | None = None
    batch_size: int | None = None

    @property
    def words(self) -> str:
        """In words."""
        if self.batch_size is None:
            return "full batch"
        return f"batches of {self.batch_size}" + (" from a sampler" if self.sampler else "")

    def batches(self, whole: Equations, random: np.random.Generator) -> Iterator[Equations]:
        """The equations of every step's batch, without end."""
        if self.batch_size is None:
            while True:
                yield whole
        for x, y in self._samples(random):
            n = len(x)
            yield Equations(whole.shapes, whole.target_layer, x.T @ x / n, y.T @ x / n)

    def _samples(self, random: np.random.Generator) -> Iterator[tuple[Array, Array]]:
        assert self.batch_size is not None
        while True:
            if self.sampler is not None:
                yield _drawn(self.sampler, self.batch_size, self.data.d, random)
                continue
            assert self.x is not None
            assert self.y is not None
            order = random.permutation(len(self.x))
            for start in range(0, len(order) - self.batch_size + 1, self.batch_size):
                rows = order[start : start + self.batch_size]
                yield self.x[rows], self.y[rows]


def _source(
    sigma_xx: ArrayLike | None,
    sigma_yx: ArrayLike | None,
    x: ArrayLike | None,
    y: ArrayLike | None,
    sampler: Sampler | None,
    batch_size: int | None,
    sigma_yy: ArrayLike | None,
) -> _Source:
    size = None
    if batch_size is not None:
        size = int(_validate.single("batch_size", _validate.depth("batch_size", batch_size)))
    if x is not None or y is not None:
        if sigma_xx is not None or sigma_yx is not None or sampler is not None:
            raise ValueError("x and y must come without sigma_xx, sigma_yx and sampler: got both")
        return _of_samples(x, y, size)
    if sigma_xx is None or sigma_yx is None:
        raise ValueError(
            "sigma_xx and sigma_yx must be given, or samples x and y: got "
            + ("a sampler alone" if sampler is not None else "neither")
        )
    data = given_covariances(sigma_xx, sigma_yx)
    yy = None if sigma_yy is None else matching("sigma_yy", sigma_yy, data.d)
    if (sampler is None) != (size is None):
        raise ValueError(
            "batch_size must be given with samples or a sampler, and a sampler with batch_size: "
            f"got batch_size = {batch_size!r}, sampler = {sampler!r}"
        )
    checked = None if sampler is None else _tried(sampler, data.d)
    return _Source(data, yy, sampler=checked, batch_size=size)


def _of_samples(x: Any, y: Any, size: int | None) -> _Source:
    context, target = paired_samples(x, y)
    for name, samples in (("x", context), ("y", target)):
        spread = samples.std(axis=0)
        off = np.abs(samples.mean(axis=0)) > CENTRED * (spread + spread.max())
        if off.any():
            raise ValueError(
                f"{name} must be centred: got a mean of {samples.mean(axis=0)[off][0]:.3g} in "
                f"column {int(np.argmax(off))}; use {name} - {name}.mean(axis=0)"
            )
    if size is not None and size > len(context):
        raise ValueError(
            f"batch_size must not exceed the number of samples, {len(context)}: got {size}"
        )
    data = given_covariances(*covariances(context, target))
    centre = centred(target)
    return _Source(data, centre.T @ centre / len(centre), context, target, batch_size=size)


def _drawn(sampler: Sampler, size: int, d: int, random: np.random.Generator) -> tuple[Array, Array]:
    """A sampler's batch, looked at before it is used."""
    drawn = sampler(size, random)
    if not (isinstance(drawn, tuple | list) and len(drawn) == 2):
        raise TypeError(f"sampler must return two arrays, x and y: got {type(drawn).__name__}")
    x, y = (np.asarray(part, dtype=np.float64) for part in drawn)
    if x.shape != (size, d) or y.shape != (size, d):
        raise ValueError(
            f"sampler must return x and y of shape {(size, d)}: got {x.shape} and {y.shape}"
        )
    for name, part in (("x", x), ("y", y)):
        if not np.isfinite(part).all():
            raise ValueError(f"sampler must return finite numbers: got {name} with others")
    return x, y


def _tried(sampler: Any, d: int) -> Sampler:
    """The sampler, if its samples are centred as far as some thousands of them can tell."""
    if not callable(sampler):
        raise TypeError(f"sampler must be a function of n and rng: got {sampler!r}")
    for name, part in zip("xy", _drawn(sampler, TRIED, d, np.random.default_rng(0)), strict=True):
        mean, spread = part.mean(axis=0), part.std(axis=0)
        if (np.abs(mean) > CHANCE * spread / TRIED**0.5).any():
            worst = int(np.argmax(np.abs(mean)))
            raise ValueError(
                f"sampler must return centred samples: got {name} with the mean {mean[worst]:.3g} "
                f"in column {worst} over {TRIED} of them"
            )
    return sampler


def _ema(ema: float, m: int) -> float:
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


def _raise_diverged(run: Run, step: int, lr: float, momentum: float, loss: str) -> None:
    stable = largest_stable_rate(
        run.start, run.data.xx, run.data.yx, run.objective, momentum=momentum, loss=loss
    )
    hint = f"the largest stable rate is about {stable:.3g}"
    if lr < stable:
        hint += " for the full batch; smaller batches need a smaller rate"
    raise DivergenceError(
        f"lr must be smaller: got {lr:g}, with which the weights blew up at step {step}; {hint}",
        step=step,
        largest_stable=stable,
        run=run,
    )

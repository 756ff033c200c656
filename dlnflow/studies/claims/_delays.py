"""By how much one mode is learned later than another, by every route."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow.studies.claims._claim import Observations, setting
from dlnflow.studies.claims._times import SPARE, Telling, closed_form

Array = NDArray[np.float64]

RATE, BATCH = 0.08, 256  # of gradient descent on samples
TRAINED_ERROR = 0.03  # of a delay: twice what six runs at this rate were off by, 0.0135 at most
COARSE = 5e-3  # of a network that starts within a few of its solver's steps of being learned
BESIDE = (0.97, 1.03)  # times a boundary


def behind(times: Array) -> float:
    """By how much the second of two modes comes later, relative to the first."""
    return float(times[1] / times[0] - 1.0)


def delay(
    one: Telling,
    objective: str,
    lam: ArrayLike,
    rho: ArrayLike,
    L: int,
    eps: float,
    *,
    exact_zeros: bool = False,
    **options: Any,
) -> float:
    """`behind` of two modes by one route.

    With ``exact_zeros`` a network of matrices starts in the coordinates of the data rather than in
    random bases, and no rounding grows between modes (``docs/networks.md``, "When units switch").
    """
    if exact_zeros and one.route == "plain network":
        options["seed"] = None
    return behind(one.times(objective, lam, rho, L, eps, **options))


def error(one: Telling, number: float, eps: float = 0.0, rest: float = 1.0) -> float:
    """Of a delay, from that of both times; ``rest`` is the lower plateau."""
    near = one.route == "plain network" and eps > 0.2 * rest
    return 2.0 * one.error * (1.0 + abs(number)) + (COARSE if near else 0.0)


def boundary(seen: Observations, series: str) -> float:
    """Where the condition of a series ends: amid the settings on its either side (`BESIDE`)."""
    inside = [one.x for one in seen if one.series == series and one.inside]
    outside = [one.x for one in seen if one.series == series and not one.inside]
    return float(np.sqrt(max(inside) * min(outside)))


def told(seen: Observations, series: str, x: float) -> float:
    """The number of a setting, by the route that comes first."""
    return next(one.number for one in seen if one.setting == setting(series, x))


def trained_delay(
    objective: str, lam: ArrayLike, rho: ArrayLike, L: int, eps: float, seed: int
) -> float:
    """The delay of the second mode in a network trained on fresh Gaussian samples."""
    from dlnflow.network import balanced, compare, gradient_descent
    from dlnflow.studies._worlds import World

    random = np.random.default_rng(seed)
    world = World.of(lam, rho, random)
    xx, yx = world.sigma_xx, world.sigma_yx
    net = balanced(xx, yx, L, eps=eps, objective=objective, rng=random)
    last = SPARE * float(closed_form(objective, lam, rho, L, eps, clock="network").max())
    run = gradient_descent(
        net,
        xx,
        yx,
        objective,
        lr=RATE,
        steps=int(np.ceil(last / RATE)),
        sampler=world.sample,
        batch_size=BATCH,
        rng=random,
    )
    made = compare(run)
    places = np.abs(made.spectrum.basis.T @ world.basis).argmax(axis=0)
    return behind(made.measured_time[places])

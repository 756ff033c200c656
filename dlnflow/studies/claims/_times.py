"""Critical times and delays between modes by every route, on the paper's clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow.studies.claims._claim import Observations, case
from dlnflow.studies.claims.routes import _paper_ode as paper_ode
from dlnflow.studies.claims.routes import _plain_network as plain_network
from dlnflow.studies.claims.routes import _quadrature as quadrature

Array = NDArray[np.float64]

RATE, BATCH = 0.08, 256  # learning rate and batch size on samples
TRAINED_ERROR = 0.03  # of a delay: six runs at this rate were off by at most 0.0135
COARSE = 5e-3  # error of a time that the solver reaches in a few steps
BESIDE = (0.97, 1.03)  # values on either side of a boundary, in units of it
SPARE = 1.6  # training time at first, in units of the last critical time


def closed_form(
    objective: str, lam: ArrayLike, rho: ArrayLike, L: int, eps: float, **options: Any
) -> Array:
    """Critical times by `dlnflow.critical_time`."""
    from dlnflow.theory import critical_time

    return np.atleast_1d(critical_time(lam, rho, L, eps=eps, objective=objective, **options))


def derivation(
    objective: str,
    lam: ArrayLike,
    rho: ArrayLike,
    L: int,
    eps: float,
    *,
    p: float = 0.5,
    decoder_depth: int = 1,
) -> Array:
    """Critical times by the symbolic expression."""
    from dlnflow import symbolic

    derived = symbolic.derive(objective, L, decoder_depth=decoder_depth)
    return np.atleast_1d(derived.lambdify("critical_time")(lam, rho, eps, p))


def network(
    objective: str, lam: ArrayLike, rho: ArrayLike, L: int, eps: float, **options: Any
) -> Array:
    """Critical times of a network of matrices, trained until all modes are at rest."""
    shared = {name: options[name] for name in ("p", "decoder_depth") if name in options}
    horizon = SPARE * float(np.max(paper_ode.times(objective, lam, rho, L, eps, **shared)))
    return plain_network.times(objective, lam, rho, L, eps, until=horizon, **options)


class TimeRoute(NamedTuple):
    """A route that computes critical times, and its relative error."""

    route: str
    times: Callable[..., Array]
    error: float


TIME_ROUTES = (
    TimeRoute("closed form", closed_form, 1e-13),
    TimeRoute("derivation", derivation, 1e-8),
    TimeRoute("quadrature", quadrature.times, 1e-12),
    TimeRoute("mode ODE", paper_ode.times, 1e-8),
    TimeRoute("plain network", network, 1e-5),
)


def by(*routes: str) -> Iterator[TimeRoute]:
    """The routes of these names."""
    return (one for one in TIME_ROUTES if one.route in routes)


def behind(times: Array) -> float:
    """Relative delay of the second of two modes behind the first."""
    return float(times[1] / times[0] - 1.0)


def delay(
    one: TimeRoute,
    objective: str,
    lam: ArrayLike,
    rho: ArrayLike,
    L: int,
    eps: float,
    *,
    exact_zeros: bool = False,
    **options: Any,
) -> float:
    """Relative delay of the second of two modes by one route.

    With ``exact_zeros`` a network of matrices is initialised in the basis of the data rather than
    in random bases, so that no rounding error grows between modes (``docs/networks.md``, "When
    units switch").
    """
    if exact_zeros and one.route == "plain network":
        options["seed"] = None
    return behind(one.times(objective, lam, rho, L, eps, **options))


def error(one: TimeRoute, number: float, eps: float = 0.0, rest: float = 1.0) -> float:
    """Error of a delay, from that of both times; ``rest`` is the lower plateau."""
    near = one.route == "plain network" and eps > 0.2 * rest
    return 2.0 * one.error * (1.0 + abs(number)) + (COARSE if near else 0.0)


def boundary(seen: Observations, series: str) -> float:
    """Where the condition of a series ends: between the cases on either side (`BESIDE`)."""
    inside = [one.x for one in seen if one.series == series and one.inside]
    outside = [one.x for one in seen if one.series == series and not one.inside]
    return float(np.sqrt(max(inside) * min(outside)))


def number_at(seen: Observations, series: str, x: float) -> float:
    """The number of a case, by the first route that has it."""
    return next(one.number for one in seen if one.case == case(series, x))


def trained_delay(
    objective: str, lam: ArrayLike, rho: ArrayLike, L: int, eps: float, seed: int
) -> float:
    """Relative delay of the second mode in a network trained on fresh Gaussian samples."""
    from dlnflow.network import balanced, compare, gradient_descent
    from dlnflow.studies._pairs import GaussianPairs

    random = np.random.default_rng(seed)
    data = GaussianPairs.of(lam, rho, random)
    xx, yx = data.sigma_xx, data.sigma_yx
    net = balanced(xx, yx, L, eps=eps, objective=objective, rng=random)
    last = SPARE * float(closed_form(objective, lam, rho, L, eps, clock="network").max())
    run = gradient_descent(
        net,
        xx,
        yx,
        objective=objective,
        lr=RATE,
        steps=int(np.ceil(last / RATE)),
        sampler=data.sample,
        batch_size=BATCH,
        rng=random,
    )
    made = compare(run, measure="amplitude")
    places = np.abs(made.spectrum.basis.T @ data.basis).argmax(axis=0)
    return behind(made.measured_time[places])

"""Critical times by every route that tells them, on the paper's clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow.studies.claims.routes import _paper_ode as paper_ode
from dlnflow.studies.claims.routes import _plain_network as plain_network
from dlnflow.studies.claims.routes import _quadrature as quadrature

Array = NDArray[np.float64]

SPARE = 1.6  # a network is trained that much longer than its last mode takes, and more if need be


def closed_form(
    objective: str, lam: ArrayLike, rho: ArrayLike, L: int, eps: float, **options: Any
) -> Array:
    """By `dlnflow.critical_time`."""
    from dlnflow.theory._critical_time import critical_time

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
    """By the derived expression."""
    from dlnflow import symbolic

    derived = symbolic.derive(objective, L, decoder_depth=decoder_depth)
    return np.atleast_1d(derived.lambdify("critical_time")(lam, rho, eps, p))


def network(
    objective: str, lam: ArrayLike, rho: ArrayLike, L: int, eps: float, **options: Any
) -> Array:
    """By a network of matrices, trained for as long as its modes need."""
    settings = {name: options[name] for name in ("p", "decoder_depth") if name in options}
    horizon = SPARE * float(np.max(paper_ode.times(objective, lam, rho, L, eps, **settings)))
    return plain_network.times(objective, lam, rho, L, eps, until=horizon, **options)


class Telling(NamedTuple):
    """A route that tells critical times, and how far they may be off, relatively."""

    route: str
    times: Callable[..., Array]
    error: float


TELLING = (
    Telling("closed form", closed_form, 1e-13),
    Telling("derivation", derivation, 1e-8),
    Telling("quadrature", quadrature.times, 1e-12),
    Telling("mode ODE", paper_ode.times, 1e-8),
    Telling("plain network", network, 1e-5),
)


def by(*routes: str) -> Iterator[Telling]:
    """Some of the routes."""
    return (one for one in TELLING if one.route in routes)

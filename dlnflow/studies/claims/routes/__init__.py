"""Independent ways to a number: which there are, and which of them share code.

The modules here share nothing with the rest of the library, nor with each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Route(NamedTuple):
    """A way to a number.

    Attributes
    ----------
    how : str
        In words.
    module : str
        Its code.
    family : str
        Routes of one family share code for the quantities judged here; those of two do not.
    """

    how: str
    module: str
    family: str


ROUTES = {
    "derivation": Route(
        "statements derived from the loss by computer algebra, checked in explicit matrices, by "
        "quadrature and by power series",
        "dlnflow.symbolic",
        "algebra",
    ),
    "closed form": Route(
        "the exact solution, by tables of the master curve", "dlnflow.modes", "closed form"
    ),
    "quadrature": Route(
        "the time as an integral, by mpmath with 40 digits",
        "dlnflow.claims.routes.quadrature",
        "quadrature",
    ),
    "mode ODE": Route(
        "the paper's equation of one mode by SciPy's solve_ivp",
        "dlnflow.claims.routes.paper_ode",
        "mode ODE",
    ),
    "plain network": Route(
        "matrices by forward and backward pass written out afresh, SciPy's LSODA or plain descent",
        "dlnflow.claims.routes.plain_network",
        "plain network",
    ),
    "matrix network": Route(
        "whole networks of matrices by gradient flow", "dlnflow.network", "network"
    ),
    "trained network": Route(
        "networks trained by gradient descent, on batches of samples or the population",
        "dlnflow.network",
        "network",
    ),
    "real data": Route(
        "networks of matrices by gradient flow on the covariances of measured data",
        "dlnflow.network",
        "network",
    ),
}


def independent(routes: Iterable[str]) -> set[str]:
    """The families among the routes."""
    return {ROUTES[name].family for name in routes}

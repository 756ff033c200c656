"""Routes: independent ways to compute a number, and which of them share code.

The modules here share no code with the rest of the library, and none with each other except
`target_layer`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Route(NamedTuple):
    """A way to compute a number.

    Attributes
    ----------
    how : str
        The method, in words.
    module : str
        The module that holds its code.
    family : str
        Routes of one family share code for the numbers compared here; those of two do not.
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
        "the exact solution, by tables of the master curve", "dlnflow.theory", "closed form"
    ),
    "quadrature": Route(
        "the time as an integral, by mpmath with 40 digits",
        f"{__name__}._quadrature",
        "quadrature",
    ),
    "mode ODE": Route(
        "the equation of one mode, as the paper's critical times imply it, by SciPy's solve_ivp",
        f"{__name__}._paper_ode",
        "mode ODE",
    ),
    "plain network": Route(
        "matrices with forward and backward pass written anew, by SciPy's LSODA or plain descent",
        f"{__name__}._plain_network",
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
    """The families of some routes."""
    return {ROUTES[name].family for name in routes}


def target_layer(objective: str, L: int) -> int:
    """The number of encoder layers before the target, from the objective's name."""
    if objective in ("jepa", "mae"):
        return L if objective == "jepa" else 0
    return int(objective.removeprefix("layer-"))

"""The largest stable learning rate: the linearised flow at the plateau."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow._common._keyword_only import positional_until_removed
from dlnflow.network._data import Problem, given_covariances, given_problem
from dlnflow.network._equations import Equations
from dlnflow.network._initialise import aligned_bases
from dlnflow.network._network import Network
from dlnflow.theory._clock import Training
from dlnflow.theory._objective import Objective, plateau_amplitude

Array = NDArray[np.float64]

SMALL = 300  # weights up to which all eigenvalues are computed
LEADING, BASIS, PRECISE = 8, 40, 1e-6  # of larger networks: eigenvalues, Arnoldi vectors, tolerance
DRIFT = 1e-9  # of the fastest rate: real parts below are rounding; they neither grow nor decay


@dataclass(frozen=True)
class Optimiser:
    """Heavy-ball gradient descent, with weight decay and an EMA target."""

    training: Training
    momentum: float
    weight_decay: float
    ema: float

    @property
    def step(self) -> float:
        """Flow time of one step without momentum."""
        return self.training.flow_time_per_step

    @property
    def flow_time(self) -> float:
        """Flow time of one step once the momentum has built up."""
        return self.step / (1.0 - self.momentum)


@positional_until_removed(3, "objective")
def largest_stable_rate(
    network: Network,
    sigma_xx: ArrayLike,
    sigma_yx: ArrayLike,
    *,
    objective: str | Objective = "jepa",
    momentum: float = 0.0,
    loss: str = "half-sum",
) -> float:
    """The learning rate above which full-batch gradient descent leaves the plateau.

    Parameters
    ----------
    network : Network
        The network at the initialisation; at the plateau its widths and depths are the same.
    sigma_xx, sigma_yx, objective
        As for `gradient_flow`.
    momentum : float
        Heavy-ball momentum, in [0, 1).
    loss : {"half-sum", "sum", "mean"}
        As for `dlnflow.Training`.

    Returns
    -------
    float
        The smaller of two rates: the one stable at the plateau, where the network has learned
        all modes that fit its width, and the one stable at the initialisation. Infinite if nothing
        decays at either.

    Raises
    ------
    ValueError, TypeError
        As for `gradient_flow`.

    Notes
    -----
    A step ``h`` along the flow multiplies the part that decays at the (complex) rate ``mu`` by
    ``1 - h mu``: stable for ``h < 2 Re(mu) / |mu|**2``; momentum ``b`` multiplies that by
    ``1 + b`` (exact for real ``mu``). Derived in ``docs/networks.md``. If the covariances do not
    commute, the plateau of `dlnflow.Spectrum`'s modes is used, and the rate is approximate.

    Examples
    --------
    One mode, two layers, ``u**2 = 1``: the curvature of the loss is 2, so steps above 1 diverge.

    >>> from dlnflow import network
    >>> net = network.balanced([[1.0]], [[1.0]], L=1, eps=0.1)
    >>> round(network.largest_stable_rate(net, [[1.0]], [[1.0]], objective="mae"), 6)
    1.0
    """
    problem = given_problem(network, given_covariances(sigma_xx, sigma_yx), objective)
    return stable_rate(problem, given_optimiser(problem, 1.0, loss, momentum))


def stable_rate(problem: Problem, optimiser: Optimiser, *others: Network) -> float:
    """As `largest_stable_rate`, from validated arguments; stable at other networks as well."""
    networks = problem.network, _at_plateau(problem), *others
    return min(_stable_rate_at(replace(problem, network=one), optimiser) for one in networks)


def _stable_rate_at(problem: Problem, optimiser: Optimiser) -> float:
    """The learning rate above which a part that decays at these weights grows in discrete steps."""
    rates = -_leading_eigenvalues(problem.equations, problem.weights)
    decaying = rates.real > DRIFT * float(np.abs(rates).max(initial=0.0))
    if not decaying.any():
        return float("inf")
    size = np.abs(rates[decaying])
    with np.errstate(over="ignore"):  # a rate below 1e-308 bounds no step
        step = float(np.min(2.0 * (rates[decaying].real / size) / size))
    per_unit = replace(optimiser.training, lr=1.0).flow_time_per_step
    return (1.0 + optimiser.momentum) * step / per_unit


def given_optimiser(
    problem: Problem, lr: float, loss: str, momentum: float, *, decay: float = 0.0, ema: float = 0.0
) -> Optimiser:
    """Validates the settings of gradient descent; a target that passes no encoder has no EMA."""
    training = Training(lr=lr, loss=loss, outputs=problem.network.widths[-1])
    inertia = below_one("momentum", momentum)
    decay = _validate.number("weight_decay", decay, _validate.not_negative)
    lag = below_one("ema", ema)
    if lag and problem.m == 0:
        raise ValueError(f"ema must be 0 for an MAE, whose target passes no encoder: got {ema}")
    return Optimiser(training, inertia, decay, lag)


def below_one(name: str, value: float) -> float:
    """Validates a number in [0, 1)."""
    share = _validate.number(name, value, _validate.not_negative)
    if share >= 1.0:
        raise ValueError(f"{name} must lie in [0, 1): got {value}")
    return share


def _at_plateau(problem: Problem) -> Network:
    """The balanced network in which every mode with positive rho has its plateau."""
    L, widths = problem.network.L, problem.network.widths
    common = resting_value(problem)[: min(widths)]
    bases = aligned_bases(problem.data, L, widths, problem.objective, np.random.default_rng(0))
    kept = [basis[:, : common.size] for basis in bases]
    layers = tuple((after * common) @ before.T for before, after in pairwise(kept))
    return Network(layers[:L], layers[L:])


def resting_value(problem: Problem) -> Array:
    """The singular value ``u`` of every layer at the plateau, ``u**k = rho``; 0 below 0."""
    gap = problem.objective.gap(problem.network.L, problem.network.decoder_depth)
    rho = problem.data.spectrum.rho
    return plateau_amplitude(rho, np.ones(()), np.asarray(gap, dtype=np.float64))


def _leading_eigenvalues(equations: Equations, weights: Array) -> NDArray[Any]:
    if equations.size <= SMALL:
        with np.errstate(over="ignore", invalid="ignore"):
            matrix = equations.linearisation(weights)(np.eye(equations.size)).T
        return np.linalg.eigvals(_finite(matrix, weights))
    from scipy.sparse.linalg import LinearOperator, eigs

    with np.errstate(over="ignore", invalid="ignore"):
        linear = equations.linearisation(weights)
    operator = LinearOperator(
        (equations.size, equations.size),
        matvec=lambda change: linear(np.ravel(change)),
        dtype=np.float64,
    )
    start = np.random.default_rng(0).normal(size=equations.size)
    with np.errstate(over="ignore", invalid="ignore"):
        moved = _finite(operator @ start, weights)
    if not moved.any():
        return np.zeros(1)
    return np.asarray(
        eigs(operator, k=LEADING, ncv=BASIS, v0=start, tol=PRECISE, return_eigenvectors=False)
    )


def _finite(derivative: Array, weights: Array) -> Array:
    if not np.isfinite(derivative).all():
        raise ValueError(
            "sigma_yx must leave the gradient at the plateau finite in double precision: got "
            f"weights up to {np.abs(weights).max():.3g} there"
        )
    return derivative

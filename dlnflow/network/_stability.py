"""The largest stable learning rate: the linearised flow at the plateau."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.network._data import Covariances, given_covariances
from dlnflow.network._equations import Equations
from dlnflow.network._flow import target_of
from dlnflow.network._initialise import balanced
from dlnflow.network._network import Network
from dlnflow.theory._clock import Training
from dlnflow.theory._objective import Objective, as_objective, plateau_amplitude

Array = NDArray[np.float64]

SMALL = 300  # weights up to which all eigenvalues are computed
LEADING, BASIS, PRECISE = 8, 40, 1e-6  # of larger networks: eigenvalues, Arnoldi vectors, tolerance
DRIFT = 1e-9  # of the fastest rate: real parts below are rounding; they neither grow nor decay


@dataclass(frozen=True)
class Optimiser:
    """Heavy-ball gradient descent, with weight decay and an EMA target."""

    training: Training
    momentum: float = 0.0
    weight_decay: float = 0.0
    ema: float = 0.0

    @property
    def step(self) -> float:
        """Flow time of one step without momentum."""
        return self.training.flow_time_per_step

    @property
    def flow_time(self) -> float:
        """Flow time of one step once the momentum has built up."""
        return self.step / (1.0 - self.momentum)


def largest_stable_rate(
    network: Network,
    sigma_xx: ArrayLike,
    sigma_yx: ArrayLike,
    objective: str | Objective = "jepa",
    *,
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
    >>> round(network.largest_stable_rate(net, [[1.0]], [[1.0]], "mae"), 6)
    1.0
    """
    chosen = as_objective(objective)
    data = given_covariances(sigma_xx, sigma_yx)
    target_of(network, data, chosen)
    training = Training(lr=1.0, loss=loss, outputs=network.widths[-1])
    return stable_rate(network, data, chosen, Optimiser(training, momentum_of(momentum)))


def stable_rate(
    network: Network, data: Covariances, objective: Objective, optimiser: Optimiser
) -> float:
    """As `largest_stable_rate`, from validated arguments."""
    both = network, _at_plateau(network, data, objective)
    return min(stable_rate_at(one, data, objective, optimiser) for one in both)


def stable_rate_at(
    network: Network, data: Covariances, objective: Objective, optimiser: Optimiser
) -> float:
    """The learning rate above which a part that decays at these weights grows in discrete steps."""
    per_unit = replace(optimiser.training, lr=1.0).flow_time_per_step
    return (1.0 + optimiser.momentum) * _stable_step(network, data, objective) / per_unit


def momentum_of(momentum: float) -> float:
    """Validates a momentum, which lies in [0, 1)."""
    value = float(_validate.single("momentum", _validate.not_negative("momentum", momentum)))
    if value >= 1.0:
        raise ValueError(f"momentum must lie in [0, 1): got {momentum}")
    return value


def _at_plateau(network: Network, data: Covariances, objective: Objective) -> Network:
    """The balanced network in which every mode with positive rho has its plateau."""
    start = balanced(
        data.xx,
        data.yx,
        network.L,
        eps=1.0,
        objective=objective,
        decoder_depth=network.decoder_depth,
        widths=network.widths[1:],
    )
    common = resting_value(data.spectrum.rho, network, objective)
    layers = []
    before = data.spectrum.basis
    for layer in start.layers:
        after = layer @ before
        layers.append((after * common) @ before.T)
        before = after
    return Network(tuple(layers[: network.L]), tuple(layers[network.L :]))


def resting_value(rho: Array, network: Network, objective: Objective) -> Array:
    """The singular value ``u`` of every layer at the plateau, ``u**k = rho``; 0 below 0."""
    gap = np.asarray(objective.gap(network.L, network.decoder_depth), dtype=np.float64)
    return plateau_amplitude(rho, np.ones(()), gap)


def _stable_step(network: Network, data: Covariances, objective: Objective) -> float:
    shapes = tuple(layer.shape for layer in network.layers)
    equations = Equations(shapes, int(objective.layer(network.L)), data.xx, data.yx)
    weights = equations.flat(network.layers)
    rates = -_leading_eigenvalues(equations, weights)
    decaying = rates.real > DRIFT * float(np.abs(rates).max(initial=0.0))
    if not decaying.any():
        return float("inf")
    size = np.abs(rates[decaying])
    with np.errstate(over="ignore"):  # a rate below 1e-308 bounds no step
        return float(np.min(2.0 * (rates[decaying].real / size) / size))


def _leading_eigenvalues(equations: Equations, weights: Array) -> NDArray[Any]:
    if equations.size <= SMALL:
        with np.errstate(over="ignore", invalid="ignore"):
            matrix = equations.linearised(weights, np.eye(equations.size)).T
        return np.linalg.eigvals(_finite(matrix, weights))
    from scipy.sparse.linalg import LinearOperator, eigs

    operator = LinearOperator(
        (equations.size, equations.size),
        matvec=lambda change: equations.linearised(weights, np.ravel(change)),
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

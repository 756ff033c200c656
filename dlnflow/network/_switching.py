"""How fast a learned feature's layers leave it for another: where exact alignment cannot last.

A hidden unit that has learned mode ``j`` may find mode ``i``, which waits for its own unit to grow,
to be the better one. Its first-layer weight on ``i`` then grows exponentially from whatever
misalignment there is. To leading order in the small amplitude of ``i``, at the plateau
``u_j**k = rho_j``, and with ``s = lam / rho``,

    target behind a layer (m >= 1):  r = s_i rho_j**((N - 2 + m) / k) (rho_i - rho_j)
    target in the data (m = 0):      r = the larger root of
                                     (r + s_i U**2) (r + s_j U**2) = (lam_i U')**2,
                                     U = rho_j**((N - 1) / N),  U' = rho_j**((N - 2) / N)

per unit of network time: a JEPA's units switch to larger ``rho``, an MAE's to larger ``lam rho``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow import _validate
from dlnflow.critical_time import critical_time
from dlnflow.objective import Objective, as_objective

Array = NDArray[np.float64]


def switching_rate(
    lam: ArrayLike,
    rho: ArrayLike,
    L: int,
    *,
    objective: str | Objective = "jepa",
    decoder_depth: int = 1,
) -> Array:
    """The rate at which units that have learned one mode turn to another, still small one.

    Parameters
    ----------
    lam, rho : array, shape (modes,)
    L, decoder_depth : int
    objective : str or Objective

    Returns
    -------
    array, shape (modes, modes)
        Row ``i``, column ``j``: exponential growth rate, per unit of network time, of mode ``i`` in
        the unit of the learned mode ``j``; 0 where it shrinks instead, where ``i = j``, and for
        modes with ``rho <= 0``.

    Raises
    ------
    ValueError, TypeError
        As for `dlnflow.critical_time`.

    Notes
    -----
    Derived in ``docs/networks.md``. Leading order in the amplitude of the waiting mode.

    Examples
    --------
    A JEPA that has learned ``rho = 0.5`` turns to ``rho = 1``, never the other way round:

    >>> from dlnflow import network
    >>> network.switching_rate([1.0, 1.0], [1.0, 0.5], 1).tolist()
    [[0.0, 0.25], [0.0, 0.0]]
    """
    covariance, coefficient, _ = _validate.modes(lam, rho, _any_variance(rho))
    covariance, coefficient = (
        column.ravel() for column in np.broadcast_arrays(covariance, coefficient)
    )
    chosen = as_objective(objective)
    L = int(_validate.single("L", _validate.depth("L", L)))
    P = _validate.single("decoder_depth", _validate.depth("decoder_depth", decoder_depth))
    learnable = coefficient > 0.0
    rest = np.where(learnable, coefficient, 1.0)
    waiting, learned = np.s_[:, None], np.s_[None, :]
    variance = np.where(learnable, covariance / rest, 0.0)
    N = L + int(P)
    if int(chosen.layer(L)):
        power = float(chosen.inertia(L, decoder_depth)) / float(chosen.gap(L, decoder_depth))
        rate = variance[waiting] * rest[learned] ** power * (rest[waiting] - rest[learned])
    else:
        drag = rest ** (2.0 * (N - 1) / N)
        pull = covariance[waiting] * rest[learned] ** ((N - 2) / N)
        own, other = variance[waiting] * drag[learned], variance[learned] * drag[learned]
        rate = np.hypot(0.5 * (own - other), pull) - 0.5 * (own + other)
    possible = learnable[waiting] & learnable[learned] & ~np.eye(rest.size, dtype=bool)
    return np.where(possible, np.maximum(rate, 0.0), 0.0)


def switching_exponent(
    lam: ArrayLike,
    rho: ArrayLike,
    L: int,
    *,
    eps: ArrayLike = 1e-3,
    objective: str | Objective = "jepa",
    decoder_depth: int = 1,
) -> Array:
    """By how many e-folds a misalignment grows while each mode waits for its turn.

    Parameters
    ----------
    lam, rho, L, objective, decoder_depth
        As for `switching_rate`.
    eps : array, shape (modes,) or ()
        Initial amplitudes.

    Returns
    -------
    array, shape (modes,)
        The largest, over the modes learned before it, of `switching_rate` times the wait; 0 for
        modes that are never learned. Where it exceeds ``log(1 / misalignment)``, the mode is
        learned early, in another's unit, and the closed form fails for it. Rounding alone is a
        misalignment of 1e-16, whose logarithm is -37.

    Raises
    ------
    ValueError, TypeError
        As for `dlnflow.critical_time`.

    Examples
    --------
    >>> from dlnflow import network
    >>> for eps in (1e-2, 1e-3):
    ...     print(network.switching_exponent([0.7, 1.0], [1.0, 0.5], 3, eps=eps).round(1).tolist())
    [0.0, 0.0]
    [64.0, 0.0]
    """
    settings: dict[str, Any] = {"objective": objective, "decoder_depth": decoder_depth}
    rate = switching_rate(lam, rho, L, **settings)
    variance = _any_variance(rho)
    times = critical_time(lam, rho, L, eps=eps, clock="network", variance=variance, **settings)
    times = np.broadcast_to(times, rate.shape[:1])
    finite = np.where(np.isfinite(times), times, 0.0)
    wait = np.maximum(finite[:, None] - np.where(np.isfinite(times), times, np.inf)[None, :], 0.0)
    return np.max(rate * wait, axis=1, initial=0.0)


def _any_variance(rho: ArrayLike) -> Array:
    """Some variance for pure noise, which is never learned whatever it is."""
    return np.where(_validate.real("rho", rho) == 0.0, 1.0, np.nan)

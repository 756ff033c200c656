"""Switching rates: how fast the unit of a learned mode turns to another mode.

When a hidden unit has learned mode ``j``, mode ``i`` may still be small. If ``i`` is the better
mode, the first-layer weight of that unit on ``i`` grows exponentially from any misalignment. To
leading order in the small amplitude of ``i``, at the plateau ``u_j**k = rho_j``, and with
``s = lam / rho``,

    target behind a layer (m >= 1):  r = s_i rho_j**((N - 2 + m) / k) (rho_i - rho_j)
    target in the data (m = 0):      r = the larger root of
                                     (r + s_i U**2) (r + s_j U**2) = (lam_i U')**2,
                                     U = rho_j**((N - 1) / N),  U' = rho_j**((N - 2) / N)

per unit of network time: a JEPA's units switch to larger ``rho``, an MAE's to larger ``lam rho``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.theory._critical_time import log_critical_time
from dlnflow.theory._objective import Objective, as_objective

Array = NDArray[np.float64]


def switching_rate(
    lam: ArrayLike,
    rho: ArrayLike,
    L: int,
    *,
    objective: str | Objective = "jepa",
    decoder_depth: int = 1,
) -> Array:
    """Rate at which units that have learned one mode turn to another mode, which is still small.

    Parameters
    ----------
    lam, rho : array, shape (modes,)
    L, decoder_depth : int
    objective : str or Objective

    Returns
    -------
    array, shape (modes, modes)
        Row ``i``, column ``j``: exponential growth rate, per unit of network time, of mode ``i`` in
        the unit of the learned mode ``j``. 0 if it decays, if ``i = j``, and for modes with
        ``rho <= 0``; infinite if it overflows.

    Raises
    ------
    ValueError, TypeError
        As for `dlnflow.critical_time`.

    Notes
    -----
    Derived in ``docs/networks.md``, to leading order in the amplitude of mode ``i``.

    Examples
    --------
    The unit of a JEPA that has learned ``rho = 0.5`` turns to ``rho = 1``, not the reverse:

    >>> from dlnflow import network
    >>> network.switching_rate([1.0, 1.0], [1.0, 0.5], 1).tolist()
    [[0.0, 0.25], [0.0, 0.0]]
    """
    covariance, coefficient = _columns(lam, rho)
    return _power_of_two(_log2_rate(covariance, coefficient, L, objective, decoder_depth))


def switching_exponent(
    lam: ArrayLike,
    rho: ArrayLike,
    L: int,
    *,
    eps: ArrayLike = 1e-3,
    objective: str | Objective = "jepa",
    decoder_depth: int = 1,
) -> Array:
    """Logarithm of the growth of a misalignment before each mode is learned.

    Parameters
    ----------
    lam, rho, L, objective, decoder_depth
        As for `switching_rate`.
    eps : array, shape (modes,) or ()
        Initial amplitudes.

    Returns
    -------
    array, shape (modes,)
        The largest of `switching_rate` times the difference of critical times, over the modes
        learned before it; 0 for modes that are never learned. If it exceeds ``log(1 /
        misalignment)``, the mode is learned early, in the unit of another mode, and the closed form
        fails for it. Rounding alone is a misalignment of 1e-16, whose logarithm is -37. Infinite if
        it overflows.

    Raises
    ------
    ValueError, TypeError
        As for `dlnflow.critical_time`, or if ``eps`` has another shape.

    Examples
    --------
    >>> from dlnflow import network
    >>> for eps in (1e-2, 1e-3):
    ...     print(network.switching_exponent([0.7, 1.0], [1.0, 0.5], 3, eps=eps).round(1).tolist())
    [0.0, 0.0]
    [64.0, 0.0]
    """
    covariance, coefficient = _columns(lam, rho)
    start = _validate.positive("eps", eps)
    if start.shape not in ((), (1,), np.broadcast_shapes(np.shape(lam), np.shape(rho))):
        raise ValueError(
            f"eps must have the shape of lam and rho, or be a single value: got {start.shape}"
        )
    rate = _log2_rate(covariance, coefficient, L, objective, decoder_depth)
    learnable = coefficient > 0.0
    times = np.full(coefficient.shape, np.inf)
    if learnable.any():
        modes = covariance[learnable], coefficient[learnable]
        start = np.broadcast_to(start.ravel(), times.shape)[learnable]
        times[learnable] = log_critical_time(
            *modes, L, eps=start, objective=objective, decoder_depth=decoder_depth, clock="network"
        )
    return np.max(_power_of_two(rate + _log2_wait(times)), axis=1, initial=0.0)


def _columns(lam: ArrayLike, rho: ArrayLike) -> tuple[Array, Array]:
    """Both validated, shape (modes,)."""
    coefficient = _validate.real("rho", rho)
    # Pure noise is never learned, whatever its variance, but needs one to be valid.
    variance = None if coefficient.all() else np.where(coefficient == 0.0, 1.0, np.nan)
    covariance, coefficient = np.broadcast_arrays(*_validate.modes(lam, rho, variance)[:2])
    return covariance.ravel(), coefficient.ravel()


def _log2_rate(
    covariance: Array, coefficient: Array, L: int, objective: str | Objective, decoder_depth: int
) -> Array:
    """Logarithm to base 2 of `switching_rate`, whose factors may overflow where it does not.

    For a target in the data the rate is ``lam_i U'`` times the root ``z`` of
    ``(z + rho_j / rho_i) (z + lam_j / lam_i) = 1``, since ``U**2 = rho_j U'``.
    """
    chosen = as_objective(objective)
    L = _validate.positive_integer("L", L)
    P = _validate.positive_integer("decoder_depth", decoder_depth)
    learnable = coefficient > 0.0
    rest = np.where(learnable, coefficient, 1.0)
    log_lam, log_rho = np.log2(np.where(learnable, covariance, 1.0)), np.log2(rest)
    waiting, learned = np.s_[:, None], np.s_[None, :]
    if int(chosen.layer(L)):
        power = float(chosen.growth_exponent(L, P)) / float(chosen.gap(L, P))
        rate = (log_lam - log_rho)[waiting] + power * log_rho[learned]
        rate = rate + _log2(rest[waiting] - rest[learned])
    else:
        root = _log2_root(log_rho[learned] - log_rho[waiting], log_lam[learned] - log_lam[waiting])
        rate = log_lam[waiting] + (L + P - 2) / (L + P) * log_rho[learned] + root
    possible = learnable[waiting] & learnable[learned] & ~np.eye(rest.size, dtype=bool)
    return np.where(possible, rate, -np.inf)


def _log2_root(log_a: Array, log_b: Array) -> Array:
    """Logarithm of the larger root of ``(z + a) (z + b) = 1``, ``-inf`` where it is not positive.

    ``z = (1 - a b) / (hypot((a - b) / 2, 1) + (a + b) / 2)``, divided by the largest of ``a``,
    ``b`` and 1.
    """
    largest = np.maximum(np.maximum(log_a, log_b), 0.0)
    a, b, one = np.exp2(log_a - largest), np.exp2(log_b - largest), np.exp2(-largest)
    above = -np.expm1(np.log(2.0) * np.minimum(log_a + log_b, 0.0))
    return _log2(above) - largest - np.log2(np.hypot(0.5 * (a - b), one) + 0.5 * (a + b))


def _log2_wait(times: Array) -> Array:
    """Logarithms to base 2 of positive differences of times, from logarithms of times."""
    later, earlier = np.broadcast_arrays(times[:, None], times[None, :])
    waits = (earlier < later) & np.isfinite(later)
    share = np.zeros(waits.shape)
    np.expm1(np.subtract(earlier, later, where=waits, out=share), where=waits, out=share)
    wait = np.full(waits.shape, -np.inf)
    return np.add(later / np.log(2.0), _log2(-share), where=waits, out=wait)


def _log2(values: Array) -> Array:
    """Logarithm to base 2, ``-inf`` for values that are not positive."""
    return np.log2(values, where=values > 0.0, out=np.full(values.shape, -np.inf))


def _power_of_two(exponent: Array) -> Array:
    with np.errstate(over="ignore", under="ignore"):
        return np.exp2(exponent)

"""What a linear probe reads of a mode: the closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.theory._clock import Clock
from dlnflow.theory._labelled import Quantity, labelled
from dlnflow.theory._modes import amplitude_of
from dlnflow.theory._objective import Objective
from dlnflow.theory._scaled_modes import ValidatedModes, validated

Array = NDArray[np.float64]

LEAST = np.finfo(np.float64).tiny  # a floor that underflows is none: nothing reads as 0 then


@labelled(Quantity("R2", "share of variance that a probe reads"))
def probe_r2(
    t: ArrayLike,
    lam: ArrayLike,
    rho: ArrayLike,
    L: ArrayLike,
    *,
    eps: ArrayLike = 1e-3,
    objective: str | Objective = "jepa",
    p: ArrayLike = 0.5,
    sigma: ArrayLike | None = None,
    decoder_depth: ArrayLike = 1,
    clock: Clock = "paper",
    variance: ArrayLike | None = None,
) -> Array:
    """Share of a mode's variance that a linear probe reads from the encoder's output plus noise.

    Parameters
    ----------
    t, lam, rho, L, eps, objective, decoder_depth, clock, variance
        As for `amplitude`.
    p : array
        Sets the default noise, in (0, 1): half of the variance can be read when the amplitude
        reaches the fraction ``p`` of its plateau. Not used if ``sigma`` is given.
    sigma : array, optional
        Standard deviation of the white noise, positive. By default ``p sqrt(s)`` times the plateau,
        or ``p sqrt(s)`` for a mode without a plateau (``rho <= 0``).

    Returns
    -------
    float or array
        ``R2``, in [0, 1], in the broadcast shape of all arguments.

    Raises
    ------
    ValueError, TypeError
        As for `amplitude`; if ``p`` is out of range, ``sigma`` is not positive, or the plateau in
        the default noise is beyond the range of floats.

    Notes
    -----
    ``R2 = w**2 s / (w**2 s + sigma**2)`` with ``s = lam / rho``; ``docs/theory.md``, section 8.
    ``R2 = 1/2`` at ``hitting_time(sigma / sqrt(s))``, which for the default ``sigma`` is
    ``critical_time(p)``. For whole networks see `dlnflow.network.Run.probe_r2`.

    Examples
    --------
    >>> import dlnflow
    >>> learned = dlnflow.critical_time(1.0, 0.5, 2)
    >>> dlnflow.probe_r2([0.0, learned, float("inf")], 1.0, 0.5, 2).round(6).tolist()
    [6.4e-05, 0.5, 0.8]
    """
    given = validated(lam, rho, L, eps, decoder_depth, variance, t=t)
    modes = given.under(objective, clock)
    times, share = _validate.not_negative("t", t, infinite=True), _validate.fraction("p", p)
    noise = None if sigma is None else _validate.positive("sigma", sigma)
    shape = _validate.together(t=times, p=share, sigma=noise, **vars(given))
    floor = _floor_of(modes, share) if noise is None else noise / np.sqrt(modes.columns()[1])
    r2 = readable(amplitude_of(modes, times), floor)
    return (r2 if np.shape(r2) == shape else np.broadcast_to(r2, shape).copy())[()]


def _floor_of(modes: ValidatedModes, p: Array) -> Any:
    with np.errstate(over="ignore", under="ignore"):
        plateau = modes.plateau
    if np.any((plateau == np.inf) | ((plateau == 0.0) & (modes.rho > 0.0))):
        raise ValueError(
            "rho and L must keep the plateau within the range of floats, or sigma must be given: "
            f"got rho in {modes.rho.min():g} .. {modes.rho.max():g}, L up to {modes.L.max():g}"
        )
    return modes.over(lambda p, some: default_floor(some.plateau, p), lambda same: same, t=p)


def default_floor(plateau: Array, p: Any) -> Any:
    """The default noise in units of a feature's size: ``p`` times its plateau.

    A feature that is never learned has no plateau. Its noise is that of a feature with a plateau
    of 1.
    """
    return p * np.where(plateau > 0.0, plateau, 1.0)


def readable(size: Array, floor: Any) -> Any:
    """``size**2 / (size**2 + floor**2)``: share of a signal's variance read through noise."""
    with np.errstate(divide="ignore", over="ignore", under="ignore"):
        return 1.0 / (1.0 + np.square(np.maximum(floor, LEAST) / size))

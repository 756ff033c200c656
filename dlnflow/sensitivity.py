"""How the amplitude moves with what it depends on: exact derivatives of the closed form.

The mode equation has two scaling symmetries: ``lam`` only sets the pace, and ``rho`` only the pace
and the size. With ``g = w' / w``, ``b = k / L`` and ``alpha = (N - 2 + m) / L`` they give

    d log w / d log |lam| = t g(w)
    d log w / d log eps   = g(w) / g(eps)
    d log w / d log |rho| = (1 + alpha t g(w) - g(w) / g(eps)) / b

on every branch, with nothing left to integrate.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow import _validate
from dlnflow._course import launch, prepare
from dlnflow.clock import Clock
from dlnflow.modes import amplitude_block
from dlnflow.objective import Objective

Array = NDArray[np.float64]


class Sensitivities(NamedTuple):
    """The amplitude and its partial derivatives, arrays of one shape.

    ``lam``, ``rho`` and ``eps`` are the derivatives with respect to these, the others held;
    ``t`` is the velocity.
    """

    w: Any
    lam: Any
    rho: Any
    eps: Any
    t: Any


def sensitivities(
    t: ArrayLike,
    lam: ArrayLike,
    rho: ArrayLike,
    L: ArrayLike,
    *,
    eps: ArrayLike = 1e-3,
    objective: str | Objective = "jepa",
    decoder_depth: ArrayLike = 1,
    clock: Clock = "paper",
) -> Sensitivities:
    """The amplitude's exact derivatives with respect to ``lam``, ``rho``, ``eps`` and time.

    Parameters
    ----------
    t : array
        Finite and not negative.
    lam, rho, L, eps, objective, decoder_depth, clock
        As for `dlnflow.amplitude`; ``lam`` and ``rho`` not 0.

    Returns
    -------
    Sensitivities
        ``w``, ``lam``, ``rho``, ``eps``, ``t``: each of the broadcast shape of all arguments.

    Raises
    ------
    ValueError, TypeError
        As for `dlnflow.amplitude`; for a mode of pure noise, an infinite time, or an ``eps`` equal
        to the plateau, from which no mode sets out.

    Notes
    -----
    From the scaling symmetries of the mode equation; derived in ``docs/identify.md``.

    Examples
    --------
    How much higher does a mode stand at t = 40 for one percent more ``lam``?

    >>> import dlnflow
    >>> s = dlnflow.sensitivities(40.0, 1.0, 0.5, 1, eps=0.02)
    >>> more = dlnflow.amplitude(40.0, 1.01, 0.5, 1, eps=0.02) - s.w
    >>> float(round(0.01 * s.lam, 5)), float(round(more, 5))
    (0.00202, 0.00206)
    """
    modes = prepare(lam, rho, L, eps, objective, decoder_depth, clock, None)
    time = _validate.not_negative("t", t)
    w = modes.over(amplitude_block, launch, t=time)
    with np.errstate(all="ignore"):
        growth, *slopes = log_slopes(
            time,
            np.log(w),
            np.log(np.abs(modes.lam)),
            np.log(np.abs(modes.rho)),
            np.log(modes.eps),
            sign=np.sign(modes.rho),
            pace=modes.unit * modes.L,
            inertia=modes.inertia / modes.L,
            power=modes.gap / modes.L,
        )
    if not np.isfinite(slopes).all():
        raise ValueError(
            "eps must differ from the plateau, where a mode stays for ever: got eps = rho**(L / k)"
        )
    shape = np.shape(w)
    partial = [
        np.broadcast_to(w * slope / base, shape)[()]
        for slope, base in zip(slopes, (modes.lam, modes.rho, modes.eps), strict=True)
    ]
    by_lam, by_rho, by_eps = partial
    return Sensitivities(w, by_lam, by_rho, by_eps, np.broadcast_to(w * growth, shape)[()])


def log_slopes(
    t: Array,
    log_w: Array,
    log_lam: Array,
    log_rho: Array,
    log_eps: Array,
    *,
    sign: Any,
    pace: Any,
    inertia: Any,
    power: Any,
) -> tuple[Array, Array, Array, Array]:
    """``w' / w``, and the derivatives of ``log w`` by ``log |lam|``, ``log |rho|``, ``log eps``.

    ``pace`` is ``L`` times the network time in one unit of the clock, ``inertia`` stands for
    ``alpha`` and ``power`` for ``b``.
    """

    def relative_growth(height: Array) -> Array:
        speed = sign * pace * np.exp(log_lam + inertia * height)
        return speed * (1.0 - sign * np.exp(power * height - log_rho))

    growth = relative_growth(log_w)
    by_eps = growth / relative_growth(log_eps)
    by_lam = t * growth
    return growth, by_lam, (1.0 + inertia * by_lam - by_eps) / power, by_eps

"""How the amplitude moves with what it depends on: exact derivatives of the closed form.

With ``b = k / L``, ``a = c - 1`` and ``w = (|q| |rho|)**(1 / b)``, the derivatives of ``log |q|``
by the logarithms of the scaled time ``x``, the starting point and the fixed point, which
``dlnflow.theory.curve._response`` computes, give:

    d log w / d log |lam| = d log w / d log t = (d log |q| / d log x) / b
    d log w / d log eps   = d log |q| / d log |q0|
    d log w / d log |rho| = (1 + a d log |q| / d log x - d log |q| / d log |q0|) / b

on every branch. The last line cancels; it is the derivative by the fixed point.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.theory._clock import Clock
from dlnflow.theory._labelled import Quantity, labelled
from dlnflow.theory._modes import amplitude_of, scaled_time
from dlnflow.theory._objective import Objective
from dlnflow.theory._scaled_modes import ValidatedModes, at_start, by_curve, validated
from dlnflow.theory.curve._response import responses

Array = NDArray[np.float64]


class Sensitivities(NamedTuple):
    """The amplitude and its partial derivatives, arrays of one shape.

    ``lam``, ``rho`` and ``eps`` are the derivatives with respect to these, the others held;
    ``t`` is the velocity.
    """

    w: Array
    lam: Array
    rho: Array
    eps: Array
    t: Array


PARTIAL = (
    Quantity("wbar", "encoder amplitude"),
    Quantity("d wbar / d lam", "sensitivity to lam", "1 / (unit of lam)"),
    Quantity("d wbar / d rho", "sensitivity to rho"),
    Quantity("d wbar / d eps", "sensitivity to eps"),
    Quantity("d wbar / d t", "velocity", "1 / ({clock})"),
)


@labelled(*PARTIAL, record=Sensitivities)
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
    Derived in ``docs/identify-method.md``. Right to a relative 1e-10, or for a time within a
    relative 2e-14 of ``t``; infinite where a derivative is larger than a float holds.

    Examples
    --------
    How much higher does a mode stand at t = 40 for one percent more ``lam``?

    >>> import dlnflow
    >>> s = dlnflow.sensitivities(40.0, 1.0, 0.5, 1, eps=0.02)
    >>> more = dlnflow.amplitude(40.0, 1.01, 0.5, 1, eps=0.02) - s.w
    >>> float(round(0.01 * s.lam, 5)), float(round(more, 5))
    (0.00202, 0.00206)
    """
    modes = validated(lam, rho, L, eps, decoder_depth, None, t=t).under(objective, clock)
    time = _validate.not_negative("t", t)
    w = amplitude_of(modes, time)
    with np.errstate(all="ignore"):
        return _partial_derivatives(w, time, modes)


def _partial_derivatives(w: Any, time: Array, modes: ValidatedModes) -> Sensitivities:
    rank = max(np.ndim(w), 1)
    t, *fields = (a.reshape((1,) * (rank - a.ndim) + a.shape) for a in (time, *modes.fields))
    aligned = ValidatedModes(*fields)
    lam, rho, eps = aligned.lam, aligned.rho, aligned.eps
    here = at_start(aligned)
    if not here.log_r0.all():
        raise ValueError(
            "eps must differ from the plateau, where a mode stays for ever: got eps = rho**(L / k)"
        )
    x = scaled_time(t, here)
    log_r, by_x, by_start, by_fixed_point = by_curve(
        here.order, here.branch, responses, x, here.log_r0, stacked=4
    )
    b, shape = here.gap / here.L, np.shape(w)
    log_w = np.log(eps) + (log_r - here.log_r0) / b

    def partial(slope: Array, by: Array, log_by: Array) -> Any:
        """``w slope / by``; of the logarithms, since the product may be a float and ``w`` none."""
        size = np.exp(log_w + np.log(np.abs(slope)) - log_by)
        value = np.sign(slope) * np.sign(by) * size
        return np.broadcast_to(value, shape or (1,)).reshape(shape).copy()[()]

    return Sensitivities(
        w,
        lam=partial(np.where(by_x == 0.0, 0.0, x * by_x) / b, lam, np.log(np.abs(lam))),
        rho=partial(by_fixed_point / b, rho, np.log(np.abs(rho))),
        eps=partial(by_start, eps, np.log(eps)),
        t=partial(by_x / b, here.rate, -np.log(here.rate)),
    )

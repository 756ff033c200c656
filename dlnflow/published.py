"""The paper's critical times, and the terms it leaves as ``Theta(...)``.

Both are pieces of one expansion: with ``T_c`` the antiderivative of ``dq / (q**c (1 - q))``, the
exact critical time is ``(T_c(q_p) - T_c(q_0)) / kappa``, and what the paper publishes is the part
of ``-T_c(q_0) / kappa`` that grows as a power of ``1 / eps``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow import _validate
from dlnflow._course import Modes, pace, prepare
from dlnflow.clock import Clock
from dlnflow.objective import JEPA, MAE, Objective, as_objective, order_from

Array = NDArray[np.float64]


def critical_time_published(
    lam: ArrayLike,
    rho: ArrayLike,
    L: ArrayLike,
    *,
    eps: ArrayLike = 1e-3,
    objective: str | Objective = "jepa",
    decoder_depth: ArrayLike = 1,
    clock: Clock = "paper",
    variance: ArrayLike | None = None,
) -> Any:
    """The paper's critical times, without their unspecified ``Theta`` terms.

    Parameters
    ----------
    lam, rho, L, eps, clock, variance
        As for `critical_time`.
    objective : {"jepa", "mae"} or Objective
        The paper has these two.
    decoder_depth : int
        The paper has 1.

    Returns
    -------
    float or array
        The broadcast shape of all arguments; infinite for ``rho <= 0``, of which the paper does not
        speak and which is never learned.

    Raises
    ------
    ValueError
        As for `critical_time`, and for an objective or decoder depth without a published formula.

    Notes
    -----
    The paper's theorem on critical times: for JEPA
    ``(1 / lam) sum_{n=1}^{2L-1} L / (n rho**(2L-n-1) eps**(n/L)) + Theta(log eps)``; for MAE
    ``L / ((L-1) lam eps**((L-1)/L)) + Theta(1)``, and ``log(1/eps) / lam + Theta(1)`` at ``L = 1``.
    The exact time to any fraction ``p`` shares this head.

    Examples
    --------
    >>> import dlnflow
    >>> paper = dlnflow.critical_time_published(1.0, 0.5, 1)
    >>> float(paper), float(dlnflow.critical_time(1.0, 0.5, 1).round(2))
    (1000.0, 1008.43)
    """
    modes = _door(lam, rho, L, eps, objective, decoder_depth, clock, variance)
    formula = _published_jepa if as_objective(objective) == JEPA else _published_mae
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        times = np.where(modes.rho > 0.0, formula(modes) / (modes.L * modes.unit), np.inf)
    return _spread(times, modes, decoder_depth)


def published(objective: str | Objective, decoder_depth: ArrayLike = 1) -> bool:
    """Whether the paper publishes a critical time for this objective and decoder depth."""
    single = (_validate.depth("decoder_depth", decoder_depth) == 1).all()
    return bool(single) and as_objective(objective) in (JEPA, MAE)


def _published_jepa(modes: Modes) -> Array:
    total = np.zeros(np.broadcast_shapes(modes.rho.shape, modes.L.shape, modes.eps.shape))
    for n in range(1, 2 * int(modes.L.max())):
        exponent = 2 * modes.L - n - 1
        term = modes.L / (n * np.abs(modes.rho) ** exponent * modes.eps ** (n / modes.L))
        total += np.where(exponent >= 0, term, 0.0)
    return total / np.abs(modes.lam)


def _published_mae(modes: Modes) -> Array:
    excess = np.maximum(modes.L - 1, 1)
    deep = modes.L / (excess * modes.eps ** (excess / modes.L))
    return np.where(modes.L > 1, deep, np.log(1.0 / modes.eps)) / np.abs(modes.lam)


def critical_time_remainder(
    lam: ArrayLike,
    rho: ArrayLike,
    L: ArrayLike,
    *,
    eps: ArrayLike = 1e-3,
    objective: str | Objective = "jepa",
    p: ArrayLike = 0.5,
    decoder_depth: ArrayLike = 1,
    clock: Clock = "paper",
    variance: ArrayLike | None = None,
) -> Any:
    """What the published critical times leave out: exact less published, without cancellation.

    Parameters
    ----------
    lam, rho, L, eps, objective, decoder_depth, clock, variance
        As for `critical_time_published`.
    p : array
        Fraction of the plateau, in (0, 1), on which these terms depend.

    Returns
    -------
    float or array
        The broadcast shape of all arguments. The formula's own value also where the mode starts
        above the fraction, and its exact critical time is 0; 0 for ``rho <= 0``, where both times
        are infinite.

    Raises
    ------
    ValueError
        As for `critical_time_published`, and for ``p`` outside (0, 1).

    Notes
    -----
    New; derived in ``docs/theory.md``, section 6. In units of ``1 / kappa``: for JEPA
    ``log(q_p / (1 - q_p)) - sum_{n=1}^{2L-1} q_p**-n / n - log(q_0 / (1 - q_0))``, whose last term
    is the paper's ``Theta(log eps)``; for MAE ``T_c(q_p)``, the paper's ``Theta(1)``, less
    ``q_0**(2-c) / (2-c) 2F1(1, 2-c; 3-c; q_0)``, which vanishes with ``eps``.

    Examples
    --------
    At eps = 1e-8 the difference of both times has lost its digits; the remainder has not:

    >>> import dlnflow
    >>> mode = {"lam": 1.0, "rho": 0.5, "L": 3, "eps": 1e-8}
    >>> float(dlnflow.critical_time_published(**mode).round(-9))
    12997000000000.0
    >>> float(dlnflow.critical_time_remainder(**mode).round(6))
    269.273253
    """
    fraction = _validate.fraction("p", p)
    modes = _door(lam, rho, L, eps, objective, decoder_depth, clock, variance)
    _validate.together(p=fraction, lam=modes.lam, rho=modes.rho, L=modes.L, eps=modes.eps)
    formula = _remainder_jepa if as_objective(objective) == JEPA else _remainder_mae
    with np.errstate(all="ignore"):
        kappa = as_objective(objective).rate(modes.lam, modes.rho, modes.L) * modes.unit
        log_q0 = pace(modes).log_r0
        q_p = fraction ** (modes.gap / modes.L)
        left_out = formula(modes, q_p, log_q0) / kappa
    return _spread(np.where(modes.rho > 0.0, left_out, 0.0), modes, decoder_depth)


def _spread(times: Array, modes: Modes, decoder_depth: ArrayLike) -> Any:
    """In the shape of all arguments, those included that do not enter the formula."""
    rest = modes.lam.shape, modes.variance.shape, np.shape(decoder_depth)
    return np.broadcast_to(times, np.broadcast_shapes(times.shape, *rest)).copy()[()]


def _remainder_jepa(modes: Modes, q_p: Array, log_q0: Array) -> Array:
    powers = np.zeros(np.broadcast_shapes(q_p.shape, modes.L.shape))
    for n in range(1, 2 * int(modes.L.max())):
        powers += np.where(n < 2 * modes.L, q_p**-n / n, 0.0)
    logit_q0 = log_q0 - np.log(np.abs(np.expm1(log_q0)))
    return np.log(q_p / (1.0 - q_p)) - powers - logit_q0


def _remainder_mae(modes: Modes, q_p: Array, log_q0: Array) -> Array:
    from scipy.special import hyp2f1

    q0 = np.exp(log_q0)
    b = 2.0 - order_from(modes.inertia, modes.gap)
    first = np.where(modes.L > 1, b - 1.0, 1.0)
    to_plateau = q_p**first / first * hyp2f1(1.0, first, b, q_p)
    from_start = q0**b / b * hyp2f1(1.0, b, b + 1.0, q0)
    logistic = np.log(q_p / (1.0 - q_p)) + np.log(modes.rho) + np.log1p(-q0)
    return np.where(modes.L > 1, to_plateau - from_start, logistic)


def _door(
    lam: ArrayLike,
    rho: ArrayLike,
    L: ArrayLike,
    eps: ArrayLike,
    objective: str | Objective,
    decoder_depth: ArrayLike,
    clock: Clock,
    variance: ArrayLike | None,
) -> Modes:
    if not published(objective, decoder_depth):
        raise ValueError(
            "objective must be 'jepa' or 'mae' and decoder_depth 1, for which the paper publishes "
            f"a formula: got {objective!r} with decoder_depth = {decoder_depth!r}"
        )
    return prepare(lam, rho, L, eps, objective, decoder_depth, clock, variance)

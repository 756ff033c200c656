"""The paper's critical times, and the terms it leaves as ``Theta(...)``.

Both are pieces of one expansion: with ``T_c`` the antiderivative of ``dq / (q**c (1 - q))``, the
exact critical time is ``(T_c(q_p) - T_c(q_0)) / kappa``, and what the paper publishes is the part
of ``-T_c(q_0) / kappa`` that grows as a power of ``1 / eps``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.theory._clock import Clock
from dlnflow.theory._labelled import Quantity, labelled
from dlnflow.theory._numerics import rational_power
from dlnflow.theory._objective import JEPA, MAE, Objective, as_objective, order_from
from dlnflow.theory._scaled_modes import ValidatedModes, scaled, validated

Array = NDArray[np.float64]
Formula = Callable[[Array, ValidatedModes], Array]


@labelled(Quantity("t_c", "published critical time", "{clock}"))
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
) -> Array:
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
    The paper's Theorem 4.5 (arXiv:2407.03475v1, as restated by others): for JEPA
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
    formula = _of_paper(objective, decoder_depth, _published_jepa, _published_mae)
    modes = validated(lam, rho, L, eps, decoder_depth, variance).under(objective, clock)
    return modes.over(formula, lambda same: same, t=np.ones(()))


def published(objective: str | Objective, decoder_depth: ArrayLike = 1) -> bool:
    """Whether the paper publishes a critical time for this objective and decoder depth."""
    single = (_validate.depth("decoder_depth", decoder_depth) == 1).all()
    return bool(single) and as_objective(objective) in (JEPA, MAE)


def _of_paper(
    objective: str | Objective, decoder_depth: ArrayLike, for_jepa: Formula, for_mae: Formula
) -> Formula:
    """The formula for the objective, if the paper publishes a critical time."""
    if not published(objective, decoder_depth):
        raise ValueError(
            "objective must be 'jepa' or 'mae' and decoder_depth 1, for which the paper publishes "
            f"a formula: got {objective!r} with decoder_depth = {decoder_depth!r}"
        )
    return for_jepa if as_objective(objective) == JEPA else for_mae


def _published_jepa(_: Array, modes: ValidatedModes) -> Array:
    total = np.zeros(np.broadcast_shapes(modes.rho.shape, modes.L.shape, modes.eps.shape))
    for n in range(1, 2 * int(modes.L.max())):
        exponent = 2 * modes.L - n - 1
        of_rho = rational_power(np.abs(modes.rho), exponent, np.ones(1))
        power = of_rho * rational_power(modes.eps, np.array([float(n)]), modes.L)
        if not (power.min() > 0.0 and power.max() < np.inf):  # one factor alone may be no float
            log_power = exponent * np.log(np.abs(modes.rho)) + n / modes.L * np.log(modes.eps)
            power = np.where((power > 0.0) & (power < np.inf), power, np.exp(log_power))
        total += np.where(exponent >= 0, modes.L / (n * power), 0.0)
    times = total / np.abs(modes.lam)
    return np.where(modes.rho > 0.0, times / (modes.L * modes.unit), np.inf)


def _published_mae(_: Array, modes: ValidatedModes) -> Array:
    excess = np.maximum(modes.L - 1, 1)
    deep = modes.L / (excess * rational_power(modes.eps, excess, modes.L))
    total = np.where(modes.L > 1, deep, np.log(1.0 / modes.eps))
    times = total / np.abs(modes.lam)
    return np.where(modes.rho > 0.0, times / (modes.L * modes.unit), np.inf)


@labelled(Quantity("t_c", "exact less published critical time", "{clock}"))
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
) -> Array:
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
        above the fraction, and its exact critical time is 0; above the plateau its principal value;
        minus infinity for ``eps`` at the plateau itself. 0 for ``rho <= 0``, where both times are
        infinite.

    Raises
    ------
    ValueError
        As for `critical_time_published`, and for ``p`` outside (0, 1).

    Notes
    -----
    Derived in ``docs/theory.md``, section 6. In units of ``1 / kappa``: for JEPA
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
    formula = _of_paper(objective, decoder_depth, _remainder_jepa, _remainder_mae)
    modes = validated(lam, rho, L, eps, decoder_depth, variance).under(objective, clock)
    return modes.over(formula, lambda same: same, t=fraction, name="p")


def _log_kappa(modes: ValidatedModes) -> Array:
    excess = modes.growth_exponent / modes.gap * np.log(np.abs(modes.rho))
    return np.log(modes.gap * np.abs(modes.lam)) + excess


def _ends(p: Array, modes: ValidatedModes) -> tuple[Array, Array]:
    """``log q`` at the fraction and at the initialisation."""
    return modes.gap / modes.L * np.log(p), scaled(modes).log_r0


def _remainder_jepa(p: Array, modes: ValidatedModes) -> Array:
    log_qp, log_q0 = _ends(p, modes)
    log_largest = -(2 * modes.L - 1) * log_qp  # of the powers: split off, it may be no float
    powers = np.zeros(log_largest.shape)
    for n in range(1, 2 * int(modes.L.max())):
        powers += np.where(n < 2 * modes.L, np.exp(-n * log_qp - log_largest) / n, 0.0)
    logit_qp = log_qp - np.log(-np.expm1(log_qp))
    logit_q0 = log_q0 - np.log(np.abs(np.expm1(log_q0)))
    total = (logit_qp - logit_q0) * np.exp(-log_largest) - powers
    left_out = total * np.exp(log_largest - _log_kappa(modes))
    return np.where(modes.rho > 0.0, left_out / modes.unit, 0.0)


def _remainder_mae(p: Array, modes: ValidatedModes) -> Array:
    from scipy.special import hyp2f1

    log_qp, log_q0 = _ends(p, modes)
    q_p, q0 = np.exp(log_qp), np.exp(log_q0)
    order = order_from(modes.growth_exponent, modes.gap)
    b = 2.0 - order
    first = np.where(modes.L > 1, b - 1.0, 1.0)
    to_plateau = q_p**first / first * hyp2f1(1.0, first, b, q_p)
    from_start = q0**b / b * hyp2f1(1.0, b, b + 1.0, np.minimum(q0, 1.0))
    # above the plateau the principal value, by the integral from infinity
    beyond = q0**-order / order * hyp2f1(1.0, order, order + 1.0, np.minimum(1.0 / q0, 1.0))
    from_start = np.where(
        q0 > 1.0, beyond + np.pi / np.tan(np.pi * first) - q0**first / first, from_start
    )
    logit_qp = log_qp - np.log(-np.expm1(log_qp))
    logistic = logit_qp + np.log(modes.rho) + np.log(np.abs(np.expm1(log_q0)))
    scaled_time = np.where(modes.L > 1, to_plateau - from_start, logistic)
    left_out = scaled_time / np.exp(_log_kappa(modes))
    return np.where(modes.rho > 0.0, left_out / modes.unit, 0.0)

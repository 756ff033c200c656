"""Critical times: exact, measured on an integrated trajectory, and in tables with the published.

The critical time of a mode is when its amplitude ``wbar`` reaches the fraction ``p`` of its
plateau.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.theory._clock import Clock
from dlnflow.theory._integrate import ModeEquation
from dlnflow.theory._labelled import Quantity, labelled
from dlnflow.theory._objective import Objective, Objectives, as_objectives
from dlnflow.theory._published import critical_time_published, published
from dlnflow.theory._scaled_modes import (
    ScaledModes,
    ValidatedModes,
    elapsed,
    log_scaled,
    scaled,
    validated,
)
from dlnflow.theory.curve._master_curve import Branch

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

LARGEST_MEASURED = 1.0 - 1e-9  # fraction of the plateau


@labelled(Quantity("t_c", "critical time", "{clock}"))
def critical_time(
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
    """Exact time for ``wbar`` to reach the fraction ``p`` of its plateau.

    Parameters
    ----------
    lam, rho : array
        Covariance and regression coefficient, of one sign.
    L : array of int
        Encoder depth.
    eps : array
        ``wbar(0)``, positive.
    objective : str or Objective
        ``"jepa"``, ``"mae"``, ``"layer-m"`` or an `Objective`.
    p : array
        Fraction of the plateau, in (0, 1).
    decoder_depth : array of int
        ``P``; the paper has 1.
    clock : {"paper", "network"} or Training
        In which the time is given.
    variance : array, optional
        ``s``, for pure noise (``lam = rho = 0``).

    Returns
    -------
    float or array
        The broadcast shape of all arguments. 0 where the mode starts at or above the fraction,
        infinite where it is never learned (``rho <= 0``) or only after more time than a float
        holds.

    Raises
    ------
    ValueError, TypeError
        For input out of range, of the wrong kind or of shapes that do not broadcast.

    Notes
    -----
    ``(T_c(q_p) - T_c(q_0)) / kappa`` with ``q_p = p**(k / L)``, ``q_0 = eps**(k / L) / rho``;
    ``docs/theory.md``, section 6. The paper has the head of its expansion at small ``eps``
    (`critical_time_published`). Relative error a few 1e-15; more for a mode that starts close below
    the fraction, where the rounding of ``eps``, ``rho`` and ``p`` already moves the answer.

    Examples
    --------
    Depth 3, equal covariance: JEPA takes 17 % longer for the mode with the smaller ``rho``, MAE
    does not:

    >>> import dlnflow
    >>> jepa = dlnflow.critical_time(1.0, [1.0, 0.5], 3)
    >>> mae = dlnflow.critical_time(1.0, [1.0, 0.5], 3, objective="mae")
    >>> round(float(jepa[1] / jepa[0] - 1), 3), round(float(mae[1] / mae[0] - 1), 4)
    (0.173, -0.0036)
    """
    fraction = _validate.fraction("p", p)
    modes = validated(lam, rho, L, eps, decoder_depth, variance).under(objective, clock)
    return critical_time_of(modes, fraction)


def critical_time_of(modes: ValidatedModes, p: Array) -> Any:
    """`critical_time` of validated modes."""
    return modes.over(_critical_block, scaled, t=p, name="p")


def log_critical_time_of(modes: ValidatedModes, p: Array) -> Any:
    """`log_critical_time` of validated modes."""
    return modes.over(_log_critical_block, log_scaled, t=p, name="p")


def _critical_block(p: Array, modes: ScaledModes) -> Array:
    elapsed_time = _elapsed(p, modes)
    time = np.divide(elapsed_time, modes.rate)
    if not modes.rate.min() > 0.0:
        time = np.where(elapsed_time > 0.0, time, 0.0)
    return time if modes.rho.min() > 0.0 else np.where(modes.rho > 0.0, time, np.inf)


def _log_critical_block(p: Array, modes: ScaledModes) -> Array:
    """With the logarithm of the rate in its place."""
    return np.where(modes.rho > 0.0, np.log(_elapsed(p, modes)) - modes.rate, np.inf)


def _elapsed(p: Array, modes: ScaledModes) -> Array:
    """The critical time on the master curve."""
    log_r1 = modes.gap / modes.L * np.log(p)
    # A mode that starts above the fraction is taken to start at it: no time passes.
    log_r0 = np.minimum(modes.log_r0, log_r1)
    growth = np.full((1,) * log_r0.ndim, float(Branch.GROWTH))
    return elapsed(modes.order, growth, log_r0, log_r1, log_r1 - log_r0)


def log_critical_time(
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
    """The logarithm of `critical_time`, which tells modes apart where the times are no floats.

    Parameters and errors as for `critical_time`; minus infinity where that is 0, infinite only for
    a mode that is never learned.

    Examples
    --------
    >>> modes = {"lam": [1.0, 1.0], "rho": [1.0, 0.05], "L": 40, "eps": 1e-200}
    >>> critical_time(**modes).tolist(), log_critical_time(**modes).round(4).tolist()
    ([inf, inf], [908.8406, 908.8407])
    """
    fraction = _validate.fraction("p", p)
    modes = validated(lam, rho, L, eps, decoder_depth, variance).under(objective, clock)
    return log_critical_time_of(modes, fraction)


@labelled(Quantity("t_c", "measured critical time", "{clock}"))
def critical_time_measured(
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
    """The critical time located as an event on a ``solve_ivp`` trajectory of each mode.

    Independent of `critical_time` but for the mode equation itself, and some 1e4 times slower.

    Parameters
    ----------
    lam, rho, L, eps, objective, p, decoder_depth, clock, variance
        As for `critical_time`; ``p`` at most 1 - 1e-9, beyond which an integrated trajectory no
        longer tells a mode from its plateau.

    Returns
    -------
    float or array
        The broadcast shape of all arguments; 0 and infinity as for `critical_time`. Relative error
        about 1e-11, growing to 1e-6 at the largest ``p``.

    Raises
    ------
    ValueError, TypeError
        As for `critical_time`.

    Notes
    -----
    See ``dlnflow.integrate`` for the variables.

    Examples
    --------
    >>> import dlnflow
    >>> measured = dlnflow.critical_time_measured(1.0, 0.5, 3)
    >>> abs(float(measured / dlnflow.critical_time(1.0, 0.5, 3)) - 1) < 1e-10
    True
    """
    fraction = _validate.fraction("p", p)
    if (fraction > LARGEST_MEASURED).any():
        raise ValueError(f"p must be at most 1 - 1e-9 to be measured: got {fraction.max():.17g}")
    modes = validated(lam, rho, L, eps, decoder_depth, variance).under(objective, clock)
    arrays = np.broadcast_arrays(fraction * modes.plateau, *modes.columns())
    times = [_measure(*map(float, row)) for row in zip(*(a.ravel() for a in arrays), strict=True)]
    return np.reshape(times, arrays[0].shape)[()]


def _measure(target: float, *columns: float) -> float:
    equation = ModeEquation(*columns)
    if target == 0.0:
        return float("inf")
    return 0.0 if equation.eps >= target else equation.time_of(target)


class TableOptions(TypedDict, total=False):
    """What `critical_time_table` accepts besides the modes and their depth."""

    eps: ArrayLike
    objective: Objectives
    p: float
    decoder_depth: int
    clock: Clock


def critical_time_table(
    lam: ArrayLike,
    rho: ArrayLike,
    L: ArrayLike,
    eps: ArrayLike = 1e-3,
    objective: Objectives = ("jepa", "mae"),
    *,
    p: float = 0.5,
    decoder_depth: int = 1,
    clock: Clock = "paper",
    variance: ArrayLike | None = None,
) -> pd.DataFrame:
    """Critical times measured, exact and as published, for every mode, depth, eps and objective.

    Parameters
    ----------
    lam, rho, variance : array
        The modes, broadcast together and flattened.
    L, eps : array
        Depths and initial amplitudes; every mode is taken at each of them.
    objective : str, Objective or several
        One or several objectives.
    p, decoder_depth, clock
        As for `critical_time`, single values.

    Returns
    -------
    pandas.DataFrame
        One row per objective, depth, eps and mode, in that nesting, with columns ``objective, mode,
        lam, rho, L, eps, measured, exact, published, exact_error, published_error``. Errors are
        relative to ``measured``, signed; 0 where both agree on 0 or infinity. ``published`` and its
        error are missing (NaN) where the paper has no formula: other objectives, deeper decoders.

    Raises
    ------
    ValueError, TypeError
        As for `critical_time`.

    Notes
    -----
    Sources as for `critical_time`, `critical_time_published` and `critical_time_measured`.

    Examples
    --------
    >>> import dlnflow
    >>> table = dlnflow.critical_time_table(1.0, [1.0, 0.5], 3, objective="jepa")
    >>> print(table[["rho", "measured", "exact", "published"]].round(1).to_string(index=False))
     rho  measured   exact  published
     1.0   68678.7 68678.7    68680.0
     0.5   80559.9 80559.9    80680.0
    """
    import pandas as pd

    from dlnflow._common._frame import Frame

    _validate.single("p", _validate.fraction("p", p))
    _validate.single("decoder_depth", _validate.depth("decoder_depth", decoder_depth))
    checked = _validate.modes(lam, rho, variance)
    shape = np.broadcast_shapes(*(column.shape for column in checked if column is not None))
    modes: dict[str, Any] = {
        name: None if column is None else np.broadcast_to(column, shape).ravel()
        for name, column in zip(("lam", "rho", "variance"), checked, strict=True)
    }
    depths = _validate.depth("L", L).reshape(-1, 1, 1)
    starts = _validate.positive("eps", eps).reshape(-1, 1)
    crossed = {**modes, "L": depths, "eps": starts, "decoder_depth": decoder_depth, "clock": clock}
    frames = []
    for one in as_objectives(objective):
        exact = critical_time(**crossed, objective=one, p=p)
        measured = critical_time_measured(**crossed, objective=one, p=p)
        if published(one, decoder_depth):
            from_paper = critical_time_published(**crossed, objective=one)
        else:
            from_paper = np.full_like(exact, np.nan)
        columns = {
            "objective": np.array(one.name, dtype=object),
            "mode": np.arange(exact.shape[-1]),
            "lam": modes["lam"],
            "rho": modes["rho"],
            "L": depths,
            "eps": starts,
            "measured": measured,
            "exact": exact,
            "published": from_paper,
            "exact_error": _relative_error(exact, measured),
            "published_error": _relative_error(from_paper, measured),
        }
        frames.append(
            Frame({k: np.broadcast_to(v, exact.shape).ravel() for k, v in columns.items()})
        )
    return pd.concat(frames, ignore_index=True)


def _relative_error(value: Array, reference: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(value == reference, 0.0, (value - reference) / reference)

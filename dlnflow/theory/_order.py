"""The order of learning as a function of the initialisation: `order_boundaries`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.theory._critical_time import log_critical_time
from dlnflow.theory._objective import Objective, Objectives, as_objectives

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

SMALLEST = 1e-300  # eps from which boundaries are sought
POINTS = 300  # of the grid on which critical times are compared
TIED = 1e-12  # relative difference of critical times that may be rounding
HALVINGS = 80  # of an interval of log eps: to rounding
APART = 1e-12  # relative distance of two boundaries that count as one
INSIDE = 10.0  # factor below the upper end of an interval at which its order is read


def order_boundaries(
    lam: ArrayLike,
    rho: ArrayLike,
    L: int,
    *,
    objective: Objectives = ("jepa", "mae"),
    p: float = 0.5,
    decoder_depth: int = 1,
) -> pd.DataFrame:
    """The order in which modes are learned, for every initial amplitude.

    Parameters
    ----------
    lam, rho : array
        The modes, broadcast together and flattened. Those with ``rho <= 0`` are never learned and
        in no order.
    L : int
        Encoder depth.
    objective : str, Objective or several
    p, decoder_depth
        As for `dlnflow.critical_time`, single values.

    Returns
    -------
    pandas.DataFrame
        One row per objective and interval of ``eps``, rising, with columns ``objective, eps_from,
        eps_to, order``. ``order`` is a tuple of the modes' numbers, first learned first. A mode
        that starts above the fraction ``p`` of its plateau has nothing to learn, and is left out.

    Raises
    ------
    ValueError, TypeError
        As for `dlnflow.critical_time`; if an argument that must be single is an array, or no mode
        has ``rho > 0``.

    Notes
    -----
    The critical times of two modes agree for at most two values of ``eps``: their difference has
    the derivative ``1 / v_j - 1 / v_i`` in ``eps``, and the velocities ``v`` are equal only at
    ``eps**(k / L) = (lam_i - lam_j) / (lam_i / rho_i - lam_j / rho_j)``. Boundaries are sought on
    both sides of it, by bisection, from ``eps = 1e-300`` on. Times within a relative 1e-12 count as
    tied, as those of modes of equal ``lam`` in an MAE that starts tiny. Derived here.

    Examples
    --------
    A JEPA learns the mode of larger ``rho`` first at a moderate initialisation only:

    >>> import dlnflow
    >>> print(dlnflow.order_boundaries([1.0, 1.3], [0.9, 0.4], 4, objective="jepa").round(6))
      objective  eps_from    eps_to   order
    0      jepa  0.000000  0.000191  (1, 0)
    1      jepa  0.000191  0.009334  (0, 1)
    2      jepa  0.009334  0.012800  (1, 0)
    3      jepa  0.012800  0.328050    (0,)
    """
    from dlnflow._common._frame import Frame

    _validate.single("p", _validate.fraction("p", p))
    network = {"L": _validate.positive_integer("L", L)}
    network["decoder_depth"] = _validate.positive_integer("decoder_depth", decoder_depth)
    columns = [np.ravel(one) for one in np.broadcast_arrays(*_validate.modes(lam, rho, None)[:2])]
    learned = np.flatnonzero(columns[1] > 0.0)
    if not learned.size:
        raise ValueError(
            "rho must be above 0 for some mode, or none is learned: "
            f"got {columns[1].max():g} at most"
        )
    chosen = columns[0][learned], columns[1][learned]
    rows = [
        (one.name, low, high, tuple(learned[order].tolist()))
        for one in as_objectives(objective)
        for low, high, order in _Modes(*chosen, one, p, network).intervals()
    ]
    return Frame(rows, columns=["objective", "eps_from", "eps_to", "order"])


class _Modes(NamedTuple):
    """Modes that one objective learns."""

    lam: Array
    rho: Array
    objective: Objective
    p: float
    network: dict[str, int]

    @property
    def tops(self) -> Array:
        """``eps`` from which each mode starts above the fraction ``p`` of its plateau."""
        return np.asarray(self.p * self.objective.plateau(self.rho, **self.network))

    def log_times(self, modes: Any, log_eps: Array) -> Array:
        """Logarithms of the critical times of some modes, by index."""
        options: dict[str, Any] = {"objective": self.objective, "p": self.p, **self.network}
        return log_critical_time(self.lam[modes], self.rho[modes], eps=np.exp(log_eps), **options)

    def intervals(self) -> list[tuple[float, float, NDArray[np.intp]]]:
        """Ends and order of each interval of ``eps``."""
        tops = np.maximum(self.tops, SMALLEST)
        ends = np.unique([*tops, *self._crossings()])
        ends = ends[np.append(ends[1:] > (1.0 + APART) * ends[:-1], True)]
        found: list[tuple[float, float, NDArray[np.intp]]] = []
        low = 0.0
        for high in ends.tolist():
            inside = max(high / INSIDE, (max(low, SMALLEST) * high) ** 0.5)
            some = np.flatnonzero(tops > inside)
            order = some[np.argsort(self.log_times(some, np.log(inside)), kind="stable")]
            if found and np.array_equal(found[-1][2], order):
                low = found.pop()[0]
            found.append((low, high, order))
            low = high
        return found

    def _crossings(self) -> Array:
        """Values of ``eps`` at which two modes have the same critical time."""
        i, j = np.triu_indices(self.lam.size, 1)
        grid = self._grid(i, j)
        times = self.log_times(np.s_[:, None], grid)
        brackets = []
        for one, other in zip(i, j, strict=True):
            with np.errstate(invalid="ignore"):
                apart = times[one] - times[other]  # NaN where both start above the fraction
            resolved = np.flatnonzero(np.abs(apart) > TIED)
            turns = np.flatnonzero(np.diff(np.sign(apart[resolved])))
            brackets += [(one, other, grid[resolved[k]], grid[resolved[k + 1]]) for k in turns]
        if not brackets:
            return np.empty(0)
        return self._bisected(*map(np.array, zip(*brackets, strict=True)))

    def _grid(self, i: NDArray[np.intp], j: NDArray[np.intp]) -> Array:
        """Values of ``log eps`` between two of which two modes change order at most once."""
        power = self.objective.gap(**self.network) / self.network["L"]
        variance = self.lam / self.rho
        with np.errstate(divide="ignore", invalid="ignore"):
            still = (self.lam[i] - self.lam[j]) / (variance[i] - variance[j])
            at = np.append(np.log(still) / power, np.log(self.tops))
        low, high = np.log(SMALLEST), np.log(max(float(self.tops.max()), 2.0 * SMALLEST))
        at = at[(at > low) & (at <= high)]
        return np.unique([*np.linspace(low, high, POINTS), *at])

    def _bisected(self, one: Any, other: Any, low: Array, high: Array) -> Array:
        """``eps`` where the critical times of two modes agree, between two values of its log."""

        def first(log_eps: Array) -> NDArray[np.bool_]:
            return np.asarray(self.log_times(one, log_eps) < self.log_times(other, log_eps))

        start = first(low)
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            same = first(middle) == start
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        return np.exp(0.5 * (low + high))

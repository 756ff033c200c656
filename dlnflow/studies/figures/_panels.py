"""Trajectories in the layout of the paper's Figure 2."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.plot import simulation
from dlnflow.plot._style import many_axes
from dlnflow.plot._trajectories import check_words
from dlnflow.theory import simulate
from dlnflow.theory._clock import Clock

# one pair of arrays for each column; in the last lam rises while rho falls
OWN_MODES = (
    ((2.0, 1.4, 1.0), 1.0),
    (1.0, (1.0, 0.8, 0.6)),
    ((1.0, 1.1, 1.2), (1.0, 0.8, 0.6)),
)


def paper_panels(
    lam: ArrayLike | None = None,
    rho: ArrayLike | None = None,
    L: int = 5,
    *,
    eps: float = 1e-2,
    quantity: str = "w",
    time: str = "linear",
    decoder_depth: int = 1,
    clock: Clock = "paper",
    ax: Any = None,
) -> NDArray[Any]:
    r"""Six panels in the layout of the paper's Figure 2: JEPA above, MAE below.

    Parameters
    ----------
    lam, rho : array, shape (modes,), optional
        The modes of all panels, both or neither; they broadcast. The left column has their ``lam``
        at the first mode's ``rho``, the middle one their ``rho`` at the first mode's ``lam``, and
        the right one the modes as they are. By default modes of our own.
    L : int
        Encoder depth.
    eps : float
        ``wbar(0)``.
    quantity, time
        As for `dlnflow.plot.trajectories`.
    decoder_depth, clock
        As for `dlnflow.amplitude`, single values.
    ax : array of Axes, shape (2, 3), optional
        By default those of a new figure.

    Returns
    -------
    array of Axes, shape (2, 3)

    Raises
    ------
    ValueError, TypeError
        As for `dlnflow.simulate` and `dlnflow.plot.trajectories`; if one of ``lam`` and ``rho`` is
        given without the other, or ``ax`` has another shape.

    Notes
    -----
    The layout is that of Figure 2 of arXiv:2407.03475v1, a simulation with several modes; the modes
    are our own, and the right column is shaded by ``rho`` (the paper's by ``lam``). With the
    default modes both objectives learn a larger ``lam`` first; of equal ``lam``, JEPA learns the
    larger ``rho`` first and MAE all together. The titles are computed from the modes given.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import matplotlib.pyplot as plt
    >>> import dlnflow
    >>> panels = dlnflow.plot.paper_panels()
    >>> for panel in panels[:, 2]:
    ...     print(panel.get_title().splitlines()[1])
    largest $\rho$, smallest $\lambda$ first
    largest $\lambda$, smallest $\rho$ first
    >>> plt.close("all")
    """
    check_words(quantity, time)
    network: dict[str, Any] = {"eps": eps, "decoder_depth": decoder_depth, "clock": clock}
    sims = [simulate(one, other, L, **network) for one, other in _columns(lam, rho)]
    panels = many_axes(ax, (2, 3), figsize=(13.0, 9.0))
    for column, sim in enumerate(sims):
        simulation(sim, quantity=quantity, time=time, ax=panels[:, column])
    return panels


def _columns(lam: ArrayLike | None, rho: ArrayLike | None) -> Any:
    """``lam`` and ``rho`` of each column."""
    if lam is None and rho is None:
        return OWN_MODES
    if lam is None or rho is None:
        missing, with_it = ("lam", "rho") if lam is None else ("rho", "lam")
        raise ValueError(f"{missing} must be given with {with_it}: got None")
    given = _validate.modes(lam, rho, None)[:2]
    one, other = map(np.ravel, np.broadcast_arrays(*given))
    sign = np.sign(one) * np.sign(one[0])
    return (one, sign * other[0]), (sign * one[0], other), (one, other)

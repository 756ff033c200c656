"""Trajectories in the layout of the paper's Figure 2."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike, NDArray

from dlnflow._common._validate import described
from dlnflow.plot import simulation
from dlnflow.plot._style import many_axes
from dlnflow.plot._trajectories import check_words
from dlnflow.theory import simulate
from dlnflow.theory._clock import Clock


def paper_panels(
    L: int = 5,
    *,
    eps: float = 1e-2,
    lam: ArrayLike = (2.0, 1.4, 1.0),
    rho: ArrayLike = (1.0, 0.8, 0.6),
    crossed: tuple[ArrayLike, ArrayLike] = ((1.0, 1.1, 1.2), (1.0, 0.8, 0.6)),
    quantity: str = "w",
    time: str = "linear",
    decoder_depth: int = 1,
    clock: Clock = "paper",
    ax: Any = None,
) -> NDArray[Any]:
    r"""Six panels in the layout of the paper's Figure 2: JEPA above, MAE below.

    Parameters
    ----------
    L : int
        Encoder depth.
    eps : float
        ``wbar(0)``.
    lam : array, shape (modes,)
        Covariances of the left column, at ``rho = 1``.
    rho : array, shape (modes,)
        Regression coefficients of the middle column, at ``lam = 1``.
    crossed : pair of arrays, shape (modes,) each
        ``lam`` and ``rho`` of the right column. With the default, ``lam`` rises while ``rho``
        falls, and the objectives learn the modes in opposite order.
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
        As for `dlnflow.simulate` and `dlnflow.plot.trajectories`; if ``crossed`` is not a pair, or
        ``ax`` has another shape.

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
    try:
        crossed_lam, crossed_rho = crossed
    except (TypeError, ValueError):
        raise ValueError(f"crossed must be a pair, lam and rho: got {described(crossed)}") from None
    columns: Any = ((lam, 1.0), (1.0, rho), (crossed_lam, crossed_rho))
    network: dict[str, Any] = {"eps": eps, "decoder_depth": decoder_depth, "clock": clock}
    sims = [simulate(one_lam, one_rho, L, **network) for one_lam, one_rho in columns]
    panels = many_axes(ax, (2, 3), figsize=(13.0, 9.0))
    for column, sim in enumerate(sims):
        simulation(sim, quantity=quantity, time=time, ax=panels[:, column])
    return panels

"""The collapse of all modes of one objective and depth onto the master curve."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.plot._style import (
    ModeColumns,
    colour,
    display,
    explain_modes,
    ink,
    named_lines,
    number,
    single_axes,
)
from dlnflow.studies.figures._depth import given_modes
from dlnflow.theory import Objective, Simulation, critical_time, learned_fraction
from dlnflow.theory._clock import Clock, label, network_time
from dlnflow.theory._objective import as_objective

Array = NDArray[np.float64]

HALF = 0.5
LEARNED = 0.99  # value of the master curve at which the time window ends
BEFORE = 2.0  # length of the window before the half over that after it
POINTS = 401
STAGGER = 60  # points between two markers of one curve
SHARPEST = 1e-4  # of the window: largest rounding error of t with which a mode is drawn


def collapse(
    lam: ArrayLike | Simulation,
    rho: ArrayLike | None = None,
    L: int | None = None,
    *,
    eps: ArrayLike = 1e-3,
    objective: str | Objective | None = None,
    decoder_depth: int = 1,
    clock: Clock = "paper",
    ax: Axes | None = None,
) -> Axes:
    """All modes of one objective and depth on one curve, by measuring time in units of their rate.

    Parameters
    ----------
    lam : array or Simulation
        A simulation in place of ``lam`` also gives the other arguments; of those only
        ``objective`` may then be given, to choose one that was simulated.
    rho, eps : array
        The modes, broadcast with ``lam`` and flattened. Modes that are not learned, that start
        above half of ``rho``, or whose transition is too narrow for floats to resolve in ``t``, are
        left out and counted in the title.
    L, decoder_depth : int
        One depth for all modes, since it determines the curve.
    objective : str or Objective
        By default JEPA, or the first one of a simulation.
    clock : {"paper", "network"} or Training
        Of the inset alone; the rescaled time has no unit.
    ax : Axes, optional
        By default those of a new figure.

    Returns
    -------
    Axes
        Learned fraction ``q`` against ``kappa (t - t_half)``, every line on the same abscissas (NaN
        before ``t = 0``), the last line (dashed) the master curve; the inset shows the same
        modes against ``t``.

    Raises
    ------
    ValueError, TypeError
        As for `dlnflow.critical_time`; if no mode can be shown, or an argument is missing or was
        given beside a simulation.

    Notes
    -----
    ``dq/dt = kappa q**c (1 - q)`` (``docs/theory.md``, section 5) with the rate of
    `dlnflow.Objective`; ``t_half`` is when ``q = 1/2``. The dashed line integrates that equation
    from ``q = 1/2`` by SciPy's ``solve_ivp``, independently of the closed form.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import matplotlib.pyplot as plt
    >>> import dlnflow
    >>> ax = dlnflow.plot.collapse([1.0, 3.0, 0.2], [1.0, 0.7, 0.5], 2, eps=[1e-3, 1e-2, 1e-4])
    >>> lines = [line.get_ydata() for line in ax.get_lines()]
    >>> all(abs(q[-300:] - lines[-1][-300:]).max() < 1e-8 for q in lines)
    True
    >>> plt.close("all")
    """
    if isinstance(lam, Simulation):
        if rho is not None or L is not None:
            raise ValueError("rho and L must not be given with a Simulation, which has its own")
        return _of_simulation(lam, objective, ax)
    if rho is None or L is None:
        raise TypeError("rho and L must be given, or a Simulation in place of lam: got None")
    one, network = _network(L, "jepa" if objective is None else objective, decoder_depth)
    modes = given_modes(lam, rho, eps, L=L, decoder_depth=decoder_depth)
    given = modes.count
    unit = float(network_time(clock, L))
    x, master = _master_curve(float(one.order(L, decoder_depth)))
    modes, half, kappa = _resolved(modes, one, x, network)
    t = half[:, None] + x / kappa[:, None]
    q = np.where(t >= 0.0, _learned(np.maximum(t, 0.0), modes, network), np.nan)
    axes = single_axes(ax, figsize=(7.0, 5.0))
    _draw(axes, modes, one, x, q)
    axes.plot(x, master, color=ink(), linestyle=(0, (4, 3)), linewidth=1.2, label="_master curve")
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(0.0, 1.05)
    axes.set_xlabel(r"rescaled time $\kappa\,(t - t_{q=1/2})$")
    axes.set_ylabel("learned fraction $q$")
    _entitle(axes, modes, one, float(np.nanmax(np.abs(q - master))), given - modes.count)
    dashed = Line2D([], [], color=ink(), linestyle=(0, (4, 3)), label="master curve")
    explain_modes(axes, modes, colour(one), named_lines(axes), [dashed])
    _inset(axes, modes, one, half / unit, clock, network)
    return axes


def _of_simulation(sim: Simulation, objective: str | Objective | None, ax: Axes | None) -> Axes:
    wanted = sim.parts[0].objective if objective is None else as_objective(objective)
    if wanted not in sim:
        raise ValueError(
            f"objective must be one that was simulated, {', '.join(map(str, sim))}: "
            f"got {wanted.name!r}"
        )
    part = sim[wanted]
    depths = {}
    for name, values in (("L", part.L), ("decoder_depth", part.decoder_depth)):
        each = np.unique(values)
        if each.size > 1:
            raise ValueError(f"{name} must be the same for all modes: got {each.tolist()}")
        depths[name] = int(each[0])
    return collapse(
        part.lam,
        part.rho,
        **depths,
        eps=part.eps,
        objective=wanted,
        clock=part.clock,
        ax=ax,
    )


def _network(
    L: int, objective: str | Objective, decoder_depth: int
) -> tuple[Objective, dict[str, Any]]:
    for name, value in (("L", L), ("decoder_depth", decoder_depth)):
        if _validate.depth(name, value).ndim:
            raise ValueError(f"{name} must be a single number, one curve each: got {value!r}")
    one = as_objective(objective)
    return one, {"L": L, "objective": one, "decoder_depth": decoder_depth}


def _resolved(
    modes: ModeColumns, objective: Objective, x: Array, network: dict[str, Any]
) -> tuple[ModeColumns, Array, Array]:
    """The modes that pass ``q = 1/2`` at a time that floats resolve, that time, and their rate."""
    gap = objective.gap(network["L"], network["decoder_depth"])
    half_in_w = HALF ** (network["L"] / gap)
    columns: dict[str, Any] = {
        name: getattr(modes, name) for name in ("lam", "rho", "eps", "variance")
    }
    half = critical_time(**columns, **network, p=half_in_w, clock="network")
    kappa = objective.rate(modes.lam, modes.rho, network["L"], network["decoder_depth"])
    learned = np.isfinite(half) & (half > 0.0)
    rounding = np.abs(kappa) * np.where(learned, half, 0.0) * np.finfo(np.float64).eps
    keep = learned & (rounding < SHARPEST * x[-1])
    if not keep.any():
        raise ValueError(
            "lam, rho and eps must hold a mode that is learned (rho > 0), starts with less than "
            "half of rho learned, and whose transition floats can resolve (eps not too small): "
            "got none"
        )
    return modes.among(keep), half[keep], kappa[keep]


def _learned(t: Array, modes: ModeColumns, network: dict[str, Any]) -> Array:
    columns = {name: getattr(modes, name)[:, None] for name in ("lam", "rho", "eps")}
    return np.asarray(learned_fraction(t, **columns, **network, clock="network"))


def _master_curve(order: float) -> tuple[Array, Array]:
    """Rescaled times and the master curve at them, by quadrature and ``solve_ivp``."""
    from scipy.integrate import quad, solve_ivp

    end = quad(lambda q: 1.0 / (q**order * (1.0 - q)), HALF, LEARNED)[0]
    x = end * np.linspace(-BEFORE, 1.0, POINTS)
    middle = int(np.searchsorted(x, 0.0))
    halves = [
        solve_ivp(
            lambda _, q: q**order * (1.0 - q),
            (0.0, times[-1]),
            [HALF],
            method="DOP853",
            t_eval=times,
            rtol=1e-12,
            atol=1e-14,
        ).y[0]
        for times in (x[middle - 1 :: -1], x[middle:])
    ]
    return x, np.concatenate([halves[0][::-1], halves[1]])


def _draw(axes: Axes, modes: ModeColumns, objective: Objective, x: Array, q: Array) -> None:
    colours, _, _ = modes.scale(colour(objective))
    for i, text in enumerate(modes.labels()):
        axes.plot(
            x,
            q[i],
            color=colours[i],
            linestyle="-",
            linewidth=3.0,
            alpha=0.7,
            marker="osD^vP*X"[i % 8],
            markersize=5.5 if modes.named else 3.5,
            # staggered, so that every mode shows where all lines coincide
            markevery=(i * STAGGER // modes.count, STAGGER),
            label=text,
        )


def _entitle(
    axes: Axes, modes: ModeColumns, objective: Objective, distance: float, left_out: int
) -> None:
    count = "1 mode" if modes.count == 1 else f"{modes.count} modes"
    note = f"; {left_out} left out" if left_out else ""
    axes.set_title(
        f"{display(objective)}, {modes.common()}\n"
        f"{count} within {number(distance, 1)} of one curve{note}",
        fontsize="medium",
    )


def _inset(
    axes: Axes,
    modes: ModeColumns,
    objective: Objective,
    half: Array,
    clock: Clock,
    network: dict[str, Any],
) -> None:
    """The same modes before rescaling."""
    unit = float(network_time(clock, network["L"]))
    t = np.geomspace(half.min() / 10.0, half.max() * 10.0, POINTS)
    inset = axes.inset_axes((0.13, 0.62, 0.4, 0.28))
    colours, _, _ = modes.scale(colour(objective))
    for i, q in enumerate(_learned(t[None, :] * unit, modes, network)):
        inset.plot(t, q, color=colours[i], linestyle=modes.line_style(i), linewidth=1.0)
    inset.set_xscale("log")
    inset.set_ylim(0.0, 1.05)
    inset.set_yticks([0.0, 0.5, 1.0])
    inset.set_title("before rescaling", fontsize="small")
    inset.set_xlabel(f"$t$ ({label(clock)})", fontsize="small", labelpad=1.0)
    inset.set_ylabel("$q$", fontsize="small", labelpad=1.0)
    inset.tick_params(labelsize="small")

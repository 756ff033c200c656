"""One mode: its equation, the exact solution, the times. Read it beside the paper, in this order.

``_objective`` (where the target is read: gap, order, rate, plateau), ``_clock``, ``_modes`` (the
solution), ``_integrate`` (the same by ``solve_ivp``), ``_critical_time``, ``_published`` (the
paper's critical times), ``_order`` (which mode comes first, for every initialisation), ``_probe``
(what a linear probe reads), ``_simulate``. The curve that all modes share is in ``curve``.
``_labelled`` lets them take xarray and Dask arrays, and ``_sweep`` writes what they give of these.
"""

from dlnflow.theory._clock import Training
from dlnflow.theory._critical_time import critical_time, critical_time_measured, critical_time_table
from dlnflow.theory._integrate import ModeEquation
from dlnflow.theory._modes import amplitude, hitting_time, learned_fraction, plateau, velocity
from dlnflow.theory._objective import JEPA, MAE, Objective
from dlnflow.theory._order import order_boundaries
from dlnflow.theory._probe import probe_r2
from dlnflow.theory._published import critical_time_published, critical_time_remainder
from dlnflow.theory._sensitivity import Sensitivities, sensitivities
from dlnflow.theory._simulate import Simulation, Trajectories, simulate
from dlnflow.theory._sweep import resume_sweep

__all__ = [
    "JEPA",
    "MAE",
    "ModeEquation",
    "Objective",
    "Sensitivities",
    "Simulation",
    "Training",
    "Trajectories",
    "amplitude",
    "critical_time",
    "critical_time_measured",
    "critical_time_published",
    "critical_time_remainder",
    "critical_time_table",
    "hitting_time",
    "learned_fraction",
    "order_boundaries",
    "plateau",
    "probe_r2",
    "resume_sweep",
    "sensitivities",
    "simulate",
    "velocity",
]

"""Closed-form learning dynamics of deep linear self-supervised networks."""

from dlnflow.clock import Training
from dlnflow.critical_time import (
    critical_time,
    critical_time_measured,
    critical_time_table,
)
from dlnflow.modes import amplitude, hitting_time, learned_fraction, plateau, velocity
from dlnflow.objective import JEPA, MAE, Objective
from dlnflow.published import critical_time_published, critical_time_remainder
from dlnflow.simulate import Simulation, Trajectories, simulate
from dlnflow.spectrum import Spectrum

__all__ = [
    "JEPA",
    "MAE",
    "Objective",
    "Simulation",
    "Spectrum",
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
    "plateau",
    "simulate",
    "velocity",
]

"""Closed-form learning dynamics of deep linear self-supervised networks."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dlnflow.accumulate import CovarianceAccumulator
from dlnflow.clock import Training
from dlnflow.critical_time import (
    critical_time,
    critical_time_measured,
    critical_time_table,
)
from dlnflow.identification import (
    Identification,
    Recovery,
    identify,
    identify_each,
    recover,
)
from dlnflow.modes import amplitude, hitting_time, learned_fraction, plateau, velocity
from dlnflow.objective import JEPA, MAE, Objective
from dlnflow.published import critical_time_published, critical_time_remainder
from dlnflow.sensitivity import Sensitivities, sensitivities
from dlnflow.simulate import Simulation, Trajectories, simulate
from dlnflow.spectrum import Spectrum

if TYPE_CHECKING:
    from dlnflow import claims as claims
    from dlnflow import demo as demo
    from dlnflow import generative as generative
    from dlnflow import network as network
    from dlnflow import plot as plot
    from dlnflow import symbolic as symbolic

__all__ = [
    "JEPA",
    "MAE",
    "CovarianceAccumulator",
    "Identification",
    "Objective",
    "Recovery",
    "Sensitivities",
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
    "identify",
    "identify_each",
    "learned_fraction",
    "plateau",
    "recover",
    "sensitivities",
    "simulate",
    "velocity",
]


def __getattr__(name: str) -> Any:
    """``dlnflow.plot``, ``network``, ``symbolic`` and the like, loaded when asked for."""
    if name in ("claims", "demo", "generative", "network", "plot", "symbolic"):
        return import_module(f"dlnflow.{name}")
    raise AttributeError(f"module 'dlnflow' has no attribute {name!r}")

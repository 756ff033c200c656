"""Closed-form learning dynamics of deep linear self-supervised networks.

Start from `simulate` (modes ``lam``, ``rho`` and a depth give trajectories), `Spectrum` (the modes
of your own paired data), `identify` (what made these training curves) or `network` (whole networks
of matrices). ``symbolic`` has the derivation, ``plot`` the figures, ``generative`` models of data,
``studies`` the paper's claims recomputed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dlnflow import _deprecated
from dlnflow import network as network
from dlnflow.data import CovarianceAccumulator, Spectrum
from dlnflow.identification import (
    Identification,
    Recovery,
    identify,
    identify_each,
    read_log,
    recover,
)
from dlnflow.theory import (
    JEPA,
    MAE,
    Objective,
    Sensitivities,
    Simulation,
    Training,
    Trajectories,
    amplitude,
    critical_time,
    critical_time_measured,
    critical_time_published,
    critical_time_remainder,
    critical_time_table,
    hitting_time,
    learned_fraction,
    order_boundaries,
    plateau,
    probe_r2,
    resume_sweep,
    sensitivities,
    simulate,
    velocity,
)

if TYPE_CHECKING:
    from dlnflow import generative as generative
    from dlnflow import plot as plot
    from dlnflow import studies as studies
    from dlnflow import symbolic as symbolic
    from dlnflow.studies import claims as claims
    from dlnflow.studies import demo as demo

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
    "order_boundaries",
    "plateau",
    "probe_r2",
    "read_log",
    "recover",
    "resume_sweep",
    "sensitivities",
    "simulate",
    "velocity",
]


_PACKAGES = ("data", "generative", "network", "plot", "studies", "symbolic", "theory")
_deprecated.install()


def __getattr__(name: str) -> Any:
    """Sub-packages, loaded when asked for."""
    if name in _PACKAGES:
        return import_module(f"dlnflow.{name}")
    if name == "__version__":
        from importlib.metadata import version

        return version("dlnflow")
    return _deprecated.former("dlnflow", name)


def __dir__() -> list[str]:
    return sorted([*__all__, *_PACKAGES, "claims", "demo", "__version__"])

"""Figures of the theory, each from one call.

Every function draws on the axes it is given, or on a new figure, and returns the axes; none of
them shows a window. An objective has the same colour in all of them (`colour`); shades of it and
line styles distinguish its modes.
"""

from typing import Any

from dlnflow import _deprecated
from dlnflow.plot._claims import claim
from dlnflow.plot._identification import identification
from dlnflow.plot._networks import comparison, experiment
from dlnflow.plot._prediction import prediction
from dlnflow.plot._style import colour
from dlnflow.plot._trajectories import simulation, trajectories
from dlnflow.plot._validity import validity

__all__ = [
    "claim",
    "collapse",
    "colour",
    "comparison",
    "critical_time_against_depth",
    "experiment",
    "first_learned_map",
    "identification",
    "noisy_features",
    "paper_panels",
    "prediction",
    "simulation",
    "trajectories",
    "validity",
]


def __getattr__(name: str) -> Any:
    """Figures that compute what they show, which are in `dlnflow.studies.figures`."""
    return _deprecated.former(__name__, name)


def __dir__() -> list[str]:
    return list(__all__)

"""Figures of the theory, each from one call.

Every function draws on the axes it is given, or on a new figure, and returns the axes; none of
them shows a window. An objective has the same colour in all of them (`colour`), shades of which,
with line styles, tell its modes apart.
"""

from dlnflow.plot._claims import claim
from dlnflow.plot._collapse import collapse
from dlnflow.plot._depth import critical_time_against_depth
from dlnflow.plot._first_learned import first_learned_map
from dlnflow.plot._identification import identification
from dlnflow.plot._networks import comparison, experiment, validity
from dlnflow.plot._noisy_features import noisy_features
from dlnflow.plot._style import colour
from dlnflow.plot._trajectories import paper_panels, simulation, trajectories

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
    "simulation",
    "trajectories",
    "validity",
]

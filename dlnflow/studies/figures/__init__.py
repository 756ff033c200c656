"""Figures that compute what they show; `dlnflow.plot` hands them on."""

from dlnflow.studies.figures._collapse import collapse
from dlnflow.studies.figures._depth import critical_time_against_depth
from dlnflow.studies.figures._first_learned import first_learned_map
from dlnflow.studies.figures._noisy_features import noisy_features
from dlnflow.studies.figures._panels import paper_panels

__all__ = [
    "collapse",
    "critical_time_against_depth",
    "first_learned_map",
    "noisy_features",
    "paper_panels",
]

"""The way back: from measured trajectories to the network, its objective, depth and modes."""

from dlnflow.identification._candidates import Candidate
from dlnflow.identification._identify import identify, identify_each
from dlnflow.identification._log import TrainingLog, read_log
from dlnflow.identification._recover import Recovery, recover
from dlnflow.identification._result import Estimates, Identification

__all__ = [
    "Candidate",
    "Estimates",
    "Identification",
    "Recovery",
    "TrainingLog",
    "identify",
    "identify_each",
    "read_log",
    "recover",
]

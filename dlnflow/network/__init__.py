"""Whole networks of matrices: where the theory holds, where it breaks, and by how much."""

from typing import Any

from dlnflow import _deprecated
from dlnflow.data import _prediction
from dlnflow.network._assumptions import check_assumptions
from dlnflow.network._checks import Assumptions, Check
from dlnflow.network._compare import Comparison, compare
from dlnflow.network._data import covariances
from dlnflow.network._descent import DivergenceError, gradient_descent
from dlnflow.network._flow import gradient_flow
from dlnflow.network._initialise import balanced, gaussian, misaligned, unbalanced
from dlnflow.network._network import Network
from dlnflow.network._predict import predict as _predict
from dlnflow.network._probe import probe_r2
from dlnflow.network._run import Run
from dlnflow.network._stability import largest_stable_rate
from dlnflow.network._switching import switching_exponent, switching_rate
from dlnflow.network._variance_scaling import effective_eps, gain_for_eps, variance_scaled

__all__ = [
    "Assumptions",
    "Check",
    "Comparison",
    "DivergenceError",
    "Network",
    "Run",
    "balanced",
    "check_assumptions",
    "compare",
    "covariances",
    "effective_eps",
    "gain_for_eps",
    "gaussian",
    "gradient_descent",
    "gradient_flow",
    "largest_stable_rate",
    "misaligned",
    "probe_r2",
    "switching_exponent",
    "switching_rate",
    "unbalanced",
    "variance_scaled",
]

_prediction.supply(_predict)


def __getattr__(name: str) -> Any:
    """``experiments`` and ``validity``, which are in `dlnflow.studies`."""
    return _deprecated.former(__name__, name)

"""Three experiments with whole networks on the paper's claims: order, depth, initialisation."""

from dlnflow.studies.experiments._experiments import Experiment, depth, initialisation, order

__all__ = ["Experiment", "depth", "initialisation", "order"]

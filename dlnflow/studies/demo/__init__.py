"""The demo: modes of photographs, learned by both objectives."""

from dlnflow.studies.demo._demo import DemoResult, learning_orders, run
from dlnflow.studies.demo._patches import patch_pairs, photographs

__all__ = ["DemoResult", "learning_orders", "patch_pairs", "photographs", "run"]

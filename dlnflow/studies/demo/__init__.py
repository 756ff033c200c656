"""The demo: modes of real photographs, learned by both objectives."""

from dlnflow.studies.demo._demo import DemoResult, learning_orders, patch_pairs, photographs, run

__all__ = ["DemoResult", "learning_orders", "patch_pairs", "photographs", "run"]

"""The demo: what a JEPA and an MAE learn first from photographs, and networks that confirm it."""

from dlnflow.studies.demo._demo import DemoResult, run
from dlnflow.studies.demo._patches import patch_pairs, photographs

__all__ = ["DemoResult", "patch_pairs", "photographs", "run"]

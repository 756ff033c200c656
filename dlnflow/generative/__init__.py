"""Models of paired data with exact modes, and samplers: static, temporal, masking.

The paper names two kinds of data, static and dynamic, in which features differ in how well the
context predicts the target. These models of them are the library's own. Each has a case in which
JEPA and MAE learn two features in opposite order (`noisy_features`).
"""

from dlnflow.generative._masking import Masking
from dlnflow.generative._model import Model
from dlnflow.generative._noisy import NoisyFeatures, noisy_features
from dlnflow.generative._static import Static
from dlnflow.generative._temporal import Temporal
from dlnflow.generative._tokens import MaskedTokens

__all__ = [
    "MaskedTokens",
    "Masking",
    "Model",
    "NoisyFeatures",
    "Static",
    "Temporal",
    "noisy_features",
]

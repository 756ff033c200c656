"""Models of paired data whose modes are known exactly, with samplers: static, temporal, masking.

Each is a way in which features come to differ in how well the context tells the target, and each
has a case in which JEPA and MAE part ways (`noisy_features`).
"""

from dlnflow.generative._masking import Masking
from dlnflow.generative._model import Model
from dlnflow.generative._noisy import NoisyFeatures, noisy_features
from dlnflow.generative._static import Static
from dlnflow.generative._temporal import Temporal

__all__ = ["Masking", "Model", "NoisyFeatures", "Static", "Temporal", "noisy_features"]

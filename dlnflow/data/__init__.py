"""Modes of paired data: covariances, also in one pass, their modes, and standard errors of both."""

from dlnflow.data._accumulate import CovarianceAccumulator, accumulate
from dlnflow.data._batches import Pairs
from dlnflow.data._files import FileError
from dlnflow.data._masks import Masks
from dlnflow.data._on_dask import accumulate_dask
from dlnflow.data._pairs import pairs_from
from dlnflow.data._prediction import FeaturePrediction, Prediction, Verification
from dlnflow.data._record import Errors
from dlnflow.data._spectrum import Spectrum
from dlnflow.data._tokens import frames, patches

__all__ = [
    "CovarianceAccumulator",
    "Errors",
    "FeaturePrediction",
    "FileError",
    "Masks",
    "Pairs",
    "Prediction",
    "Spectrum",
    "Verification",
    "accumulate",
    "accumulate_dask",
    "frames",
    "pairs_from",
    "patches",
]

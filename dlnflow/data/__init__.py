"""Modes of paired data: covariances, also in one pass, their modes, and how sure these are."""

from dlnflow.data._accumulate import CovarianceAccumulator, accumulate
from dlnflow.data._sources import pairs_from
from dlnflow.data._spectrum import Spectrum
from dlnflow.data._uncertainty import Errors

__all__ = ["CovarianceAccumulator", "Errors", "Spectrum", "accumulate", "pairs_from"]

"""Maps of validity: how the error of the prediction grows as an assumption is violated."""

from dlnflow.studies.validity._mapping import ValidityMap
from dlnflow.studies.validity._validity import (
    alignment,
    balance,
    commuting,
    decoder_depth,
    ema,
    initialisation,
    learning_rate,
    samples,
)

__all__ = [
    "ValidityMap",
    "alignment",
    "balance",
    "commuting",
    "decoder_depth",
    "ema",
    "initialisation",
    "learning_rate",
    "samples",
]

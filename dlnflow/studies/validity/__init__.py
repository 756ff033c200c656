"""Maps of validity: what breaking each assumption of the theory costs."""

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

"""Powers with a quotient of small integers as exponent, right to the last digits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

GRAIN = 2.0**20  # what of the quotient is kept exactly when multiplied by a small integer


def rational_power(base: Array, numerator: Array, denominator: Array) -> Array:
    """``base**(numerator / denominator)`` for ``base >= 0``, corrected for the quotient's rounding.

    At ``base = 1e-30`` that rounding alone would cost a relative 1e-14.
    """
    quotient = numerator / denominator
    high = np.round(quotient * GRAIN) / GRAIN
    rest = (numerator - high * denominator - (quotient - high) * denominator) / denominator
    # Copies, so that they take one code path in NumPy, whatever they were broadcast from: the same
    # numbers give the same power to the last digit.
    base, quotient = np.broadcast_arrays(base, quotient)
    power = np.power(np.array(base, order="C"), np.array(quotient, order="C"))
    if not rest.any():
        return power
    return power * (1.0 + rest * np.log(np.where(base > 0.0, base, 1.0)))

"""The three sides of the master curve: from the fraction to the distance travelled, and back.

With ``r = |q|`` each side has a coordinate ``z`` that rises with time and in which the law
``dq/dtau = q**c (1 - q)`` loses its singularities, ``dtau = r**(1 - c) dz``:

===========  ===========  ======================  =====================
side         domain       ``z``                   range of ``z``
===========  ===========  ======================  =====================
growth       0 < q < 1    ``log(q / (1 - q))``    the whole line
decay        q > 1        ``log(q / (q - 1))``    positive
suppression  q < 0        ``log((1 + r) / r)``    positive
===========  ===========  ======================  =====================
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Side(Protocol):
    """Maps between ``log r`` and ``z``, accurate at both ends."""

    motion: float = 1.0  # +1 where ``log|q / (1 - q)|`` rises with time, -1 where it falls

    def z(self, log_r: Array) -> Array:
        """The coordinate of a fraction."""

    def log_r(self, z: Array) -> Array:
        """The fraction at a coordinate."""

    def distance(self, log_r: Array) -> Array:
        """``1 - q``."""
        return -np.expm1(log_r)

    def log_distance(self, log_r: Array) -> Array:
        """``log|1 - q|``."""


class Growth(Side):
    """``q`` between 0 and 1; ``z`` is the logit."""

    def z(self, log_r: Array) -> Array:
        rest = np.expm1(log_r)
        np.negative(rest, out=rest)
        np.log(rest, out=rest)
        return np.subtract(log_r, rest, out=rest)

    def log_r(self, z: Array) -> Array:
        return np.minimum(z, 0.0) - np.log1p(np.exp(-np.abs(z)))

    def log_distance(self, log_r: Array) -> Array:
        return np.log(-np.expm1(log_r))


class Decay(Side):
    """``q`` above 1."""

    def z(self, log_r: Array) -> Array:
        near = -np.log(-np.expm1(-log_r))
        far = -np.log1p(-np.exp(-log_r))
        return np.where(log_r < 0.7, near, far)

    def log_r(self, z: Array) -> Array:
        near = -np.log1p(-np.exp(-z))
        far = -np.log(-np.expm1(-z))
        return np.where(z > 0.7, near, far)

    def log_distance(self, log_r: Array) -> Array:
        return log_r + np.log(-np.expm1(-log_r))

    def log_rz(self, z: Array) -> Array:
        """``log(r z)``, regular at ``z = 0``."""
        return -np.log(-np.expm1(-z) / z)


class Suppression(Side):
    """``q`` below 0."""

    motion = -1.0

    def z(self, log_r: Array) -> Array:
        return np.log1p(np.exp(-np.abs(log_r))) + np.maximum(-log_r, 0.0)

    def log_r(self, z: Array) -> Array:
        return -z - np.log(-np.expm1(-z))

    def distance(self, log_r: Array) -> Array:
        return 1.0 + np.exp(log_r)

    def log_distance(self, log_r: Array) -> Array:
        return np.logaddexp(0.0, log_r)

    def log_rz(self, z: Array) -> Array:
        """``log(r z)``, regular at ``z = 0``."""
        return -z - np.log(-np.expm1(-z) / z)


AnySide = Growth | Decay | Suppression

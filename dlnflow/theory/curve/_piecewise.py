"""Piecewise polynomials on equal panels: a function tabulated once, evaluated in one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

Array = NDArray[np.float64]

DEGREE = 6


@dataclass(frozen=True)
class PiecewisePolynomial:
    """A function on ``[low, high]`` as one polynomial of degree 6 a panel.

    Arguments must lie in it: there is no check. Choose it when a smooth
    function is dear to compute and wanted millions of times; ``scipy.interpolate.PPoly`` is the
    general equivalent, several times slower because it searches for the panel.

    Parameters
    ----------
    first : int
        Number of the first panel; panel ``n`` covers ``[n * width, (n + 1) * width]``, so that a
        point near zero keeps its digits.
    width : float
        The panels' common width.
    coefficients : array, shape (7, panels)
        Power-basis coefficients in the panel's own coordinate, which runs from 0 to 1.
    """

    first: int
    width: float
    coefficients: Array

    @classmethod
    def fit(
        cls, function: Callable[[Array], Array], first: int, width: float, panels: int
    ) -> PiecewisePolynomial:
        """Interpolate ``function``, given one row of points a panel, at Chebyshev points."""
        points = chebyshev.chebpts1(DEGREE + 1)
        starts = width * np.arange(first, first + panels)
        values = function(starts[:, None] + 0.5 * width * (points + 1.0))
        series = _VALUES_TO_CHEBYSHEV @ values.T
        return cls(first, width, _CHEBYSHEV_TO_POWER @ series)

    @property
    def low(self) -> float:
        """The least argument."""
        return self.width * self.first

    @property
    def last(self) -> float:
        """The largest argument, just inside the last panel."""
        high = self.width * (self.first + self.coefficients.shape[1])
        return float(np.nextafter(high, self.low))

    def __call__(self, x: Array) -> Array:
        position = x * (1.0 / self.width)
        panel = np.floor(position)
        position -= panel
        panel -= self.first
        index = panel.astype(np.intp)
        result = self.coefficients[-1].take(index, mode="clip")
        for row in self.coefficients[-2::-1]:
            result *= position
            result += row.take(index, out=panel, mode="clip")
        return result


def _chebyshev_to_power() -> Array:
    """Power coefficients on [0, 1], one column for each Chebyshev polynomial on [-1, 1]."""
    matrix = np.zeros((DEGREE + 1, DEGREE + 1))
    onto_unit = np.polynomial.Polynomial([-1.0, 2.0])
    for n in range(DEGREE + 1):
        basis = np.polynomial.Chebyshev.basis(n).convert(kind=np.polynomial.Polynomial)
        matrix[: n + 1, n] = basis(onto_unit).coef
    return matrix


# Two steps and not their product: on smooth data the Chebyshev coefficients fall so fast that the
# second matrix, whose entries reach 1e4, amplifies nothing; the product of both would.
_VALUES_TO_CHEBYSHEV = np.linalg.inv(chebyshev.chebvander(chebyshev.chebpts1(DEGREE + 1), DEGREE))
_CHEBYSHEV_TO_POWER = _chebyshev_to_power()

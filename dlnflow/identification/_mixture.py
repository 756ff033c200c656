"""Confidence distributions along the signed line, mixed over everything that the data allow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlnflow.identification._valley import Valley

Array = NDArray[np.float64]

OFFSET = 800.0  # of the logarithm, so that it is positive: it then tells the sign
END = 690.0  # of the logarithm, whose exponential counts as 0 or infinite beyond
STEPS = 64  # of bisection, from the line's whole length to rounding
SMALL = 1e-300


class Part(NamedTuple):
    """One parameter under one explanation: where it may lie, and the explanation's weight.

    Attributes
    ----------
    weight : float
    place : array, shape (points,)
        On the signed line, from the estimate on: the logarithm's difference where the sign is the
        same, with a gap where it is not.
    width, rise : array, shape (points,)
    freedom : float
        As of the `Valley`.
    """

    weight: float
    place: Array
    width: Array
    rise: Array
    freedom: float


def part(valley: Valley, column: int, weight: float, sign: float, middle: float) -> Part:
    """A valley seen along one parameter, from an estimate with a sign and a logarithm."""
    own = valley.sign if column < 2 else np.ones_like(valley.sign)
    own_sign = sign if column < 2 else 1.0
    logarithm = np.clip(valley.parameters[:, column], -END - 1.0, END + 1.0)
    place = own * logarithm - own_sign * middle + (own - own_sign) * OFFSET
    return Part(weight, place, valley.width[:, column], valley.rise, valley.freedom)


def quantiles(parts: Sequence[Part], tails: Array) -> Array:
    """Places on the line below which the mixture has so much confidence.

    The confidence that a parameter lies below a place: signed roots of the profile likelihood
    ratio, as Student's t; of its lower envelope, since an interval has no holes. A parabola gives
    the usual interval.
    """
    from scipy.special import ndtr, stdtr

    share = np.array([one.weight for one in parts])
    freedom = np.array([one.freedom for one in parts])
    place, rise = (np.concatenate([getattr(one, x) for one in parts]) for x in ("place", "rise"))
    width = np.maximum(np.concatenate([one.width for one in parts]), SMALL)
    first = np.cumsum([0, *(one.place.size for one in parts[:-1])])
    low, high = np.full(tails.size, -4.0 * OFFSET), np.full(tails.size, 4.0 * OFFSET)
    with np.errstate(all="ignore"):
        for _ in range(STEPS):
            here = 0.5 * (low + high)
            away = (here[:, None] - place) / width
            up, down = (
                np.sqrt(np.minimum.reduceat(rise + np.maximum(one, 0.0) ** 2, first, axis=1))
                for one in (away, -away)
            )
            root = up - down
            below = np.where(np.isinf(freedom), ndtr(root), stdtr(freedom, root))
            reached = below @ share >= tails * share.sum()
            low, high = np.where(reached, low, here), np.where(reached, here, high)
    return np.asarray(0.5 * (low + high))


def value(place: Array, sign: float, middle: float) -> Array:
    """The parameter itself at places on the line."""
    across = sign * (middle + OFFSET) + place
    own = np.where(across < 0.0, -1.0, 1.0)
    logarithm = np.where(own == sign, middle + sign * place, np.abs(across) - OFFSET)
    with np.errstate(over="ignore", under="ignore"):
        size = np.exp(logarithm)
    size = np.where(logarithm > END, np.inf, np.where(logarithm < -END, 0.0, size))
    return np.asarray(own * size)

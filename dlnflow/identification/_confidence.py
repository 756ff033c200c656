"""What the data leave open of each mode: intervals and errors over every explanation they allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dlnflow.identification._fit import PREFERENCE, Data
from dlnflow.identification._likelihood import Judged
from dlnflow.identification._mixture import OFFSET, Part, part, quantiles, value
from dlnflow.identification._trajectory import SIGNS, Trajectory
from dlnflow.identification._valley import Valley, valleys

Array = NDArray[np.float64]

NEGLIGIBLE = 1e-4  # weight below which an explanation does not count
BY_CHANCE = 1e-3  # how often a constant with noise may pass for a mode that moves
LEVEL = 0.95
LARGE = 1e9  # degrees of freedom that are as good as infinitely many
ENDLESS = 4.0 * OFFSET
FAR_OFF = 100.0  # in a logarithm: as good as 0, infinite, or of the other sign
PARABOLA = 2.0  # how many times a standard error's own interval one may be and the error still hold


@dataclass(frozen=True)
class Confidence:
    """Every law that counts, under either kind of noise, and the valleys of their likelihoods.

    Attributes
    ----------
    trajectories : sequence of Trajectory
        Best first, as are ``weight`` and the judged.
    weight : array, shape (laws,)
    data, judged
        Under the noise that was chosen.
    other : tuple of Data and Judged, or None
        The same under the other kind of noise; with None where modes were fitted together.
    told : bool array, shape (modes, 3)
        What was known beforehand.
    """

    trajectories: Sequence[Trajectory]
    weight: Array
    data: Data
    judged: Sequence[Judged]
    other: tuple[Data, Sequence[Judged]] | None
    told: NDArray[np.bool_]

    @property
    def sign(self) -> Array:
        """Of the best estimates, mode by mode."""
        return self.judged[0].fit.sign

    @property
    def middle(self) -> Array:
        """Logarithms of the best estimates, ``lam`` in units of the clock."""
        return self.judged[0].fit.parameters

    @cached_property
    def moved(self) -> NDArray[np.bool_]:
        """Whether a mode moved beyond its noise: whether a constant explains it much worse."""
        from scipy.special import fdtri

        data, best, n = self.data, self.judged[0], self.data.t.size
        heights = np.log(np.where(data.w > 0.0, data.w, 1.0))
        curve = np.where(data.relative[:, None], heights, data.w / data.size[:, None])
        level = curve.mean(axis=1)
        start = data.known[:, 2]
        if best.fit.shared is not None:
            start = np.where(best.fit.shared.precision[:, 2] > 0.0, self.middle[:, 2], start)
        start = np.where(data.relative, start, np.exp(start) / data.size)
        level = np.where(np.isnan(start), level, start)
        constant = np.sum((curve - level[:, None]) ** 2, axis=1)
        gain = (constant - best.fit.cost) / (best.sigma / data.size) ** 2
        freedom = np.minimum(best.freedom, LARGE)
        free = np.maximum(np.isnan(data.known).sum(axis=1) - np.isnan(data.known[:, 2]), 1)
        limit = free * fdtri(free, freedom, 1.0 - BY_CHANCE)
        return np.asarray((gain > limit) | self.told[:, :2].any(axis=1) | (n <= free))

    @cached_property
    def _found(self) -> list[tuple[int, Array, list[Valley]]]:
        """Rank, share of the rank's weight for each mode, and the modes' valleys."""
        there = [i for i, weight in enumerate(self.weight) if weight > NEGLIGIBLE]
        chosen = valleys([self.trajectories[i] for i in there], self.data, self._some(there))
        if self.other is None:
            return [
                (i, np.ones(len(self.data.w)), own) for i, own in zip(there, chosen, strict=True)
            ]
        data, judged = self.other
        share = np.array([self._other_share(i) for i in there])
        rows = np.flatnonzero(share.any(axis=0))
        found = [(i, 1.0 - s, own) for i, s, own in zip(there, share, chosen, strict=True)]
        if rows.size:
            more = valleys(
                [self.trajectories[i] for i in there],
                data.rows(rows),
                [judged[i].rows(rows) for i in there],
            )
            for i, s, own in zip(there, share, more, strict=True):
                every: list[Valley] = [own[0]] * len(self.data.w)
                for row, valley in zip(rows, own, strict=True):
                    every[row] = valley
                found.append((i, s, every))
        return found

    def _some(self, ranks: Sequence[int]) -> list[Judged]:
        return [self.judged[i] for i in ranks]

    def _other_share(self, rank: int) -> Array:
        """How much of a law's weight its fit under the other kind of noise has, for each mode."""
        from scipy.special import expit

        assert self.other is not None
        data, judged = self.other
        ahead = _evidence(self.judged[rank], self.data) - _evidence(judged[rank], data)
        share = np.where(data.relative == self.data.relative, 0.0, expit(-ahead))
        return np.asarray(np.where(share > NEGLIGIBLE, share, 0.0))

    def _parts(self, row: int, column: int, conditional: bool) -> list[Part]:
        best = (float(self.sign[row]), float(self.middle[row, column]))
        return [
            part(valley[row], column, float(self.weight[rank] * share[row]), *best)
            for rank, share, valley in self._found
            if (rank == 0 or not conditional) and self.weight[rank] * share[row] > 0.0
        ]

    def interval(self, column: int, level: float, *, conditional: bool = False) -> Array:
        """Both ends, shape (2, modes); the estimate lies within."""
        places = self._places(column, level, conditional)
        sign = self.sign if column < 2 else np.ones_like(self.sign)
        ends = [
            value(places[:, row], float(sign[row]), float(self.middle[row, column]))
            for row in range(len(self.data.w))
        ]
        return np.stack(ends, axis=1)

    def _places(self, column: int, level: float, conditional: bool) -> Array:
        """Ends on the signed line, shape (2, modes), from the estimates on."""
        tails = np.array([0.5 - 0.5 * level, 0.5 + 0.5 * level])
        places = np.zeros((2, len(self.data.w)))
        for row in map(int, np.flatnonzero(~self.told[:, column])):
            if self.moved[row]:
                places[:, row] = quantiles(self._parts(row, column, conditional), tails)
            else:
                places[:, row] = self._anywhere(row, column, tails)
        return np.stack([np.minimum(places[0], 0.0), np.maximum(places[1], 0.0)])

    def _anywhere(self, row: int, column: int, tails: Array) -> Array:
        """Of a mode that did not move: all that its sign and, for ``eps``, the first time allow."""
        from scipy.special import ndtri

        data, middle = self.data, float(self.middle[row, column])
        if column == 2:
            if data.t[0] > 0.0:
                return np.array([-ENDLESS, ENDLESS])
            size = 1.0 if data.relative[row] else np.exp(middle)
            return np.asarray(ndtri(tails) * self.judged[0].sigma[row] / size)
        sign = float(self.sign[row])
        allowed = {SIGNS[one] for one in data.branches[row]}
        nothing = -sign * (OFFSET + middle)
        return np.array(
            [
                -ENDLESS if -1.0 in allowed else nothing,
                ENDLESS if 1.0 in allowed else nothing,
            ]
        )

    def errors(self, column: int, usual: Array) -> Array:
        """Standard errors of a logarithm: the usual ones where the interval is theirs.

        Where it reaches much farther, to another optimum or along a flat floor, the error is that
        of a parabola that reaches as far; infinite where it reaches 0, infinity or the other sign.
        """
        from scipy.special import ndtri, stdtrit

        reach = np.abs(self._places(column, LEVEL, False)).max(axis=0)
        tail = 0.5 + 0.5 * LEVEL
        freedom = self.judged[0].freedom
        wide = np.where(np.isinf(freedom), ndtri(tail), stdtrit(np.minimum(freedom, LARGE), tail))
        reach = np.where(reach > FAR_OFF, np.inf, reach / wide)
        return np.where(self.told[:, column], 0.0, np.where(reach > PARABOLA * usual, reach, usual))


def _evidence(judged: Judged, data: Data) -> Array:
    """Log-likelihood of each row, as far as it decides, less what relative noise is doubted by."""
    return judged.sharpness * judged.log_likelihood - PREFERENCE * data.relative

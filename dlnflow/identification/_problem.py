"""The whole problem of identification: validated once, every candidate fitted and judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow.identification import _door
from dlnflow.identification._candidates import Law, laws
from dlnflow.identification._fit import PREFERENCE, Data, fit_each
from dlnflow.identification._least_squares import Indices
from dlnflow.identification._likelihood import Judged, judge
from dlnflow.identification._result import UNKNOWN, Identification
from dlnflow.identification._together import fit_together
from dlnflow.identification._trajectory import Trajectory
from dlnflow.theory._clock import Clock, Training

Array = NDArray[np.float64]
CLOCKS = ("paper", "network", UNKNOWN)


class Solutions(NamedTuple):
    """Every law's fit: under the noise chosen for each mode, and under the other kind, if any."""

    data: Data
    judged: list[Judged]
    other: tuple[Data, list[Judged]] | None


@dataclass(frozen=True)
class Problem:
    """Measured trajectories, what is known of them, and the mode equations to try."""

    t: Array
    w: Array  # of the modes that move
    known: Array
    sign: Array
    sigma: Array | None
    kinds: tuple[NDArray[np.bool_], ...]
    laws: tuple[Law, ...]
    clock: Clock
    constant: tuple[int, ...]
    single: bool

    @classmethod
    def of(
        cls,
        t: ArrayLike,
        w: ArrayLike,
        eps: ArrayLike | None,
        clock: Clock,
        *,
        lam: ArrayLike | None = None,
        rho: ArrayLike | None = None,
        objective: Any = ("jepa", "mae"),
        L: ArrayLike | None = None,
        decoder_depth: ArrayLike = 1,
        noise: str | None = None,
        sigma: ArrayLike | None = None,
    ) -> Problem:
        """The door."""
        times = _door.given_times(t)
        curves = _door.given_amplitudes(w, times)
        candidates = laws(objective, L, decoder_depth, _known_clock(clock))
        known, sign = _door.given_known(lam, rho, eps, len(curves))
        _door.enough(times, known)
        moves = np.ptp(curves, axis=1) > 0.0
        if not moves.any():
            raise ValueError(
                f"w must change: got {curves[0, 0]:g} at all times; nothing can be learned from a "
                "mode that does not move: measure longer"
            )
        deviation = _door.given_sigma(sigma, len(curves))
        return cls(
            times,
            curves[moves],
            known[moves],
            sign[moves],
            None if deviation is None else deviation[moves],
            _door.given_noise(noise, curves[moves]),
            candidates,
            clock,
            tuple(map(int, np.flatnonzero(~moves))),
            np.ndim(w) == 1,
        )

    @property
    def lam_in_other_units(self) -> Array | None:
        """What is known of ``lam`` where the clock's unit is not."""
        if self.clock != UNKNOWN or np.isnan(self.known[:, 0]).all():
            return None
        return self.known[:, 0]

    def solutions(self, *, one_eps: bool = False) -> Solutions:
        """Every law, fitted under the noise that explains the modes best."""
        lam = self.lam_in_other_units
        together = one_eps or lam is not None
        tried = self._tried(lam)
        trajectories = [Trajectory(law, _known_clock(self.clock)) for law in self.laws]
        sigma = self._of_rows(self.sigma)
        judged = [judge(fit, tried, sigma) for fit in fit_each(trajectories, tried)]
        chosen = self._likeliest(judged, together)
        data = tried.rows(chosen)
        if together:
            pairs = zip(trajectories, judged, strict=True)
            fits = [
                fit_together(a, data, one.fit.rows(chosen), one_eps=one_eps, lam=lam)
                for a, one in pairs
            ]
            return Solutions(data, [judge(fit, data, self.sigma) for fit in fits], None)
        other = (chosen + len(self.w)) % len(tried.w)
        return Solutions(
            data,
            [one.rows(chosen) for one in judged],
            None
            if len(self.kinds) == 1
            else (tried.rows(other), [one.rows(other) for one in judged]),
        )

    def _tried(self, lam: Array | None) -> Data:
        """A row for every mode under every kind of noise, one kind below the other."""
        known = self.known.copy()
        if lam is not None:
            known[:, 0] = np.nan
        again = len(self.kinds)
        return Data(
            self.t,
            np.tile(self.w, (again, 1)),
            np.tile(known, (again, 1)),
            _door.branches(self.t, self.w, self.sign) * again,
            np.concatenate(self.kinds),
        )

    def _of_rows(self, column: Array | None) -> Array | None:
        return None if column is None else np.tile(column, len(self.kinds))

    def _likeliest(self, judged: list[Judged], together: bool) -> Indices:
        """The row of each mode under the noise that the best law makes likelier."""
        modes = np.arange(len(self.w))
        if len(self.kinds) == 1:
            return modes
        likely = np.max([one.sharpness * one.log_likelihood for one in judged], axis=0)
        absolute, relative = likely.reshape(2, -1)
        with np.errstate(invalid="ignore"):
            gain = np.where(self.kinds[1], np.nan_to_num(relative - absolute), 0.0)
        if together:
            gain = np.where(self.kinds[1], gain.sum(), 0.0)
        return np.where(gain > PREFERENCE, modes + modes.size, modes)

    def result(self, found: Solutions, modes: Indices) -> Identification:
        """The record, candidates in the order of Akaike's criterion, of some of the modes."""
        some = [one.rows(modes) for one in found.judged]
        criterion = np.array([one.aic for one in some])
        if not np.isfinite(criterion).any():
            raise ValueError(
                "lam, rho, eps must leave some candidate a trajectory like the measured ones: "
                "got none that fits what was told"
            )
        order = np.argsort(criterion, kind="stable")
        other = found.other
        return Identification(
            t=_closed(self.t),
            w=_closed(self.w[modes]),
            clock=self.clock,
            constant=self.constant,
            _laws=tuple(self.laws[i] for i in order),
            _judged=tuple(some[i] for i in order),
            _data=found.data.rows(modes),
            _other=None
            if other is None
            else (other[0].rows(modes), tuple(other[1][i].rows(modes) for i in order)),
            _told=np.isfinite(self.known[modes]),
            _single=self.single or modes.size < len(self.w),
        )


def _known_clock(clock: Clock) -> Clock:
    """A clock that the formulas know: the paper's in place of an unknown one."""
    if not isinstance(clock, Training) and not (isinstance(clock, str) and clock in CLOCKS):
        raise ValueError(
            f"clock must be {', '.join(map(repr, CLOCKS))} or a dlnflow.Training: got {clock!r}"
        )
    return "paper" if clock == UNKNOWN else clock


def _closed(array: Array) -> Array:
    own = array.copy()
    own.flags.writeable = False
    return own

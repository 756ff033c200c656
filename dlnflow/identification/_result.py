"""What `identify` found: an immutable record."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.identification._candidates import Candidate, Law
from dlnflow.identification._confidence import Confidence
from dlnflow.identification._fit import Data
from dlnflow.identification._likelihood import Judged
from dlnflow.identification._trajectory import Trajectory
from dlnflow.theory._clock import Clock
from dlnflow.theory._objective import Objective

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

NAMES = ("lam", "rho", "eps")
NEGLIGIBLE = 1e-6  # weight below which a candidate's estimates do not count
UNLIKELY = 1e-6  # chance at which residuals contradict the noise that was given
NOTABLE = 1.5  # by a factor beyond which it matters
TINY = 1e-300
UNKNOWN = "unknown"  # a clock whose unit was not given


class Estimates(NamedTuple):
    """One number for each mode (or one alone): of ``lam``, of ``rho`` and of ``eps``."""

    lam: Any
    rho: Any
    eps: Any


@dataclass(frozen=True, eq=False, repr=False)
class Identification:
    """Which network explains measured trajectories, and with which modes: an immutable record.

    Build one with `dlnflow.identify`.

    Attributes
    ----------
    t : array, shape (times,)
    w : array, shape (modes, times)
        As measured; modes that never move are left out (``constant``).
    clock : str or Training
        ``"unknown"`` if its unit was not given.
    constant : tuple of int
        Modes that never move; their estimates are NaN.
    """

    t: Array
    w: Array
    clock: Clock
    constant: tuple[int, ...]
    _laws: tuple[Law, ...]  # best first
    _judged: tuple[Judged, ...]
    _data: Data
    _other: tuple[Data, tuple[Judged, ...]] | None  # under the other kind of noise
    _told: NDArray[np.bool_]
    _single: bool

    @property
    def candidate(self) -> Candidate:
        """The best explanation: an objective, a depth, a decoder depth."""
        return self._laws[0].first

    @property
    def objective(self) -> Objective:
        """Its objective."""
        return self.candidate.objective

    @property
    def L(self) -> int:
        """Its encoder depth."""
        return self.candidate.L

    @property
    def decoder_depth(self) -> int:
        """Its decoder depth."""
        return self.candidate.decoder_depth

    @property
    def equivalent(self) -> tuple[Candidate, ...]:
        """Other candidates with the very same mode equation: no trajectory tells them apart."""
        return self._laws[0].candidates[1:]

    @property
    def rival(self) -> Candidate:
        """The second best explanation; the best where it was the only one."""
        return self._laws[min(1, len(self._laws) - 1)].first

    @property
    def lam(self) -> Any:
        """Covariance of each mode; on an unknown clock in units of it, unless some were known."""
        return self._out(self._sign * np.exp(self._parameters[:, 0]))

    @property
    def rho(self) -> Any:
        """Regression coefficient of each mode."""
        return self._out(self._sign * np.exp(self._parameters[:, 1]))

    @property
    def eps(self) -> Any:
        """Amplitude of each mode at time 0."""
        return self._out(np.exp(self._parameters[:, 2]))

    @property
    def stderr(self) -> Estimates:
        """Standard errors, the doubt between candidates included.

        0 for what was given, infinite for what the data do not determine. Where one candidate has
        all the evidence they are the usual ones; else its rivals' estimates count with their
        weights (Burnham and Anderson, *Model Selection and Multimodel Inference*, 2002, eq. 4.9).
        Where `interval` reaches more than twice as far as they say, they grow with it, to infinity
        where it has no end.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            errors = np.where(
                np.isinf(self._log_errors), np.inf, self._log_errors * np.exp(self._parameters)
            )
        return Estimates(*(self._out(column) for column in errors.T))

    @property
    def sigma(self) -> Any:
        """Standard deviation of the noise: of ``w``, or of ``log w`` where it is relative."""
        return self._out(self._judged[0].sigma)

    @property
    def noise(self) -> Any:
        """``"absolute"`` or ``"relative"``, for each mode."""
        kinds = np.where(self._data.relative, "relative", "absolute")
        return str(kinds[0]) if self._single else tuple(map(str, kinds))

    @property
    def sigma_excess(self) -> Any:
        """How many times the given ``sigma`` the residuals are, mode by mode, where they differ.

        1 where they agree within chance (one time in a million) or within half as much again, and
        where no ``sigma`` was given.
        """
        from scipy.special import chdtr, chdtrc

        best, data = self._judged[0], self._data
        left = data.t.size - best.fit.free
        squares = best.fit.cost * (data.size / best.sigma) ** 2
        ratio = np.sqrt(squares / left)
        chance = np.minimum(chdtr(left, squares), chdtrc(left, squares))
        apart = (chance < UNLIKELY) & (np.maximum(ratio, 1.0 / np.maximum(ratio, TINY)) > NOTABLE)
        return self._out(np.where(apart & np.isinf(best.freedom), ratio, 1.0))

    @property
    def time_scale(self) -> float | None:
        """Units of the paper's clock in one unit of ``t``; None unless it was fitted."""
        shared = self._judged[0].fit.shared
        return None if shared is None or shared.scale is None else float(np.exp(shared.scale[0]))

    def interval(self, name: str, level: float = 0.95, *, conditional: bool = False) -> Array:
        """A confidence interval, shape (2,) or (2, modes).

        Parameters
        ----------
        name : {"lam", "rho", "eps"}
        level : float
            Between 0 and 1.
        conditional : bool
            As if the best candidate were known to be right. Otherwise candidates count with their
            weights, and the interval is as wide as their doubt.

        Returns
        -------
        array
            From 2.5 to 97.5 % of the confidence, for 95 %, that signed roots of the profile
            likelihood ratio give as Student's t (normal if ``sigma`` was given), mixed over the
            candidates and both kinds of noise. It spans every branch that the data allow, from
            negative to infinite: a mode that hardly moved may be about to rise, near its plateau
            or falling.

        Raises
        ------
        ValueError
            For another name, or a level that is none.
        """
        column = NAMES.index(_validate.choice("name", name, NAMES))
        share = float(_validate.single("level", _validate.fraction("level", level)))
        ends = self._confidence.interval(column, share, conditional=conditional)
        if column == 0:
            ends = ends / self._unit
        if self._single:
            return ends[:, 0]
        return np.stack([self._spread(end) for end in ends])

    @cached_property
    def aic(self) -> tuple[float, ...]:
        """Akaike's criterion of each candidate, best first."""
        return tuple(one.aic for one in self._judged)

    @property
    def weight(self) -> Array:
        """Akaike weights, softened where times are few: how candidates share the evidence."""
        sharp = float(self._judged[0].sharpness.mean())
        raw = np.exp(-0.5 * sharp * (np.array(self.aic) - self.aic[0]))
        return np.asarray(raw / raw.sum())

    @property
    def ranking(self) -> pd.DataFrame:
        """One row for each mode equation tried, best first.

        Columns: objective, L, decoder_depth, log_likelihood, aic, delta_aic (to the best), weight
        (Akaike's), misfit (root mean square residual over the noise of the best), same (other
        candidates with the same equation).
        """
        import pandas as pd

        best = self._misfits[0]
        return pd.DataFrame(
            [
                {
                    "objective": law.first.objective.name,
                    "L": law.first.L,
                    "decoder_depth": law.first.decoder_depth,
                    "log_likelihood": float(one.log_likelihood.sum()),
                    "aic": aic,
                    "delta_aic": aic - self.aic[0],
                    "weight": float(weight),
                    "misfit": misfit / best,
                    "same": "; ".join(map(str, law.candidates[1:])),
                }
                for law, one, aic, weight, misfit in zip(
                    self._laws, self._judged, self.aic, self.weight, self._misfits, strict=True
                )
            ]
        )

    def to_dataframe(self) -> pd.DataFrame:
        """One row for each mode: its estimates, their errors, and how much of it was seen.

        For each of lam, rho and eps: the estimate, its standard error (``lam_err``), and both ends
        of its 95 % interval (``lam_low``, ``lam_high``). ``first_seen`` and ``last_seen``: fitted
        amplitude over plateau at the first and the last time (`seen`).
        """
        import pandas as pd

        seen = self.seen
        errors = self.stderr
        columns: dict[str, Any] = {"mode": np.arange(self.w.shape[0] + len(self.constant))}
        for name in NAMES:
            columns[name] = np.atleast_1d(getattr(self, name))
            columns[f"{name}_err"] = np.atleast_1d(getattr(errors, name))
            ends = self.interval(name)
            columns[f"{name}_low"], columns[f"{name}_high"] = np.atleast_2d(ends.T).T
        columns["first_seen"] = np.atleast_1d(self._out(seen[:, 0]))
        columns["last_seen"] = np.atleast_1d(self._out(seen[:, -1]))
        return pd.DataFrame(columns)

    @property
    def seen(self) -> Array:
        """Fitted amplitude over its plateau at all times, shape (modes, times).

        Negative for modes with negative ``rho``, in whose place stands ``|rho|**(L / k)``.
        """
        fit, trajectory = self._judged[0].fit, self._trajectory(0)
        rest = fit.parameters[:, 1:2] / trajectory.power
        height = np.minimum(fit.heights(trajectory, self.t) - rest, 700.0)
        return np.asarray(fit.sign[:, None] * np.exp(height))

    def predict(self, t: ArrayLike, *, rank: int = 0) -> Any:
        """Amplitudes at other times, by the best explanation or the one of that rank.

        Parameters
        ----------
        t : array, shape (times,)
            On the clock of the measurement.
        rank : int
            0 for the best.

        Returns
        -------
        array, shape (times,) or (modes, times)

        Raises
        ------
        ValueError
            For times that are negative, and a rank that no candidate has.
        """
        times = np.atleast_1d(_validate.not_negative("t", t))
        if rank not in range(len(self._laws)):
            raise ValueError(f"rank must lie in 0..{len(self._laws) - 1}: got {rank}")
        curves = self._curves(times, rank)
        return curves[0] if self._single else self._spread(curves)

    def _curves(self, times: Array, rank: int = 0) -> Array:
        """Fitted amplitudes of the modes that move, shape (modes, times)."""
        return np.exp(self._judged[rank].fit.heights(self._trajectory(rank), times))

    @property
    def residuals(self) -> Any:
        """Measured less fitted, in standard deviations of the noise; the shape of ``w``."""
        best, rows = self._judged[0], np.arange(len(self.w))
        heights = best.fit.heights(self._trajectory(0), self.t)
        away = self._data.residuals(heights, rows) * self._data.size[:, None]
        away = -away / best.sigma[:, None]
        return away[0] if self._single else away

    def explain(self) -> str:
        """In words: what explains the data, how sure that is, and what would decide the rest."""
        from dlnflow.identification._explain import sentences

        return "\n".join(sentences(self))

    def plot(self, *, ax: Any = None) -> NDArray[Any]:
        """Trajectories with the best fit and its rival above, residuals below.

        Parameters
        ----------
        ax : array of two Axes, optional
            By default those of a new figure.

        Returns
        -------
        array of Axes
        """
        from dlnflow.plot import identification

        return identification(self, ax=ax)

    def __repr__(self) -> str:
        from dlnflow.identification._explain import summary

        return summary(self)

    @cached_property
    def _confidence(self) -> Confidence:
        trajectories = [self._trajectory(rank) for rank in range(len(self._laws))]
        return Confidence(
            trajectories, self.weight, self._data, self._judged, self._other, self._told
        )

    @cached_property
    def _log_errors(self) -> Array:
        """Standard errors of the logarithms, shape (modes, 3)."""
        usual = np.sqrt(self._variance)
        columns = [self._confidence.errors(i, usual[:, i]) for i in range(len(NAMES))]
        return np.stack(columns, axis=1)

    @property
    def _unit(self) -> float:
        """Units of ``lam`` as known in one of the clock."""
        return 1.0 if self.time_scale is None else self.time_scale

    @property
    def _parameters(self) -> Array:
        return self._own(0)

    def _own(self, rank: int) -> Array:
        """Logarithms of ``|lam|``, ``|rho|`` and ``eps``, ``lam`` in units of those given."""
        fit = self._judged[rank].fit
        if fit.shared is None or fit.shared.scale is None:
            return fit.parameters
        return fit.parameters - [fit.shared.scale[0], 0.0, 0.0]

    @property
    def _variance(self) -> Array:
        """Of the logarithms, shape (modes, 3), the doubt between candidates included."""
        total = np.zeros_like(self._parameters)
        for rank, weight in enumerate(self.weight):
            if weight > NEGLIGIBLE:
                shift = self._own(rank) - self._parameters
                total += weight * (self._judged[rank].stderr ** 2 + shift**2)
        return total

    @property
    def _sign(self) -> Array:
        return self._judged[0].fit.sign

    @property
    def _misfits(self) -> Array:
        sizes = self._judged[0].sigma / self._data.size
        costs = np.array([np.maximum(one.fit.cost, self._data.floor) for one in self._judged])
        return np.asarray(np.sqrt(np.mean(costs / sizes**2, axis=1) / self.t.size))

    @property
    def _places(self) -> list[int]:
        """The modes' places among all that were given."""
        count = len(self.w) + len(self.constant)
        return [i for i in range(count) if i not in self.constant]

    def _trajectory(self, rank: int) -> Trajectory:
        clock = "paper" if self.clock == UNKNOWN else self.clock
        return Trajectory(self._laws[rank], clock)

    def _out(self, values: Array) -> Any:
        """One number for a single trajectory, else an array with a place for every mode."""
        return float(values[0]) if self._single else self._spread(values)

    def _spread(self, values: Array) -> Array:
        """With NaN for the modes that were set aside."""
        return np.insert(
            values, np.array(self.constant, int) - np.arange(len(self.constant)), np.nan, axis=0
        )

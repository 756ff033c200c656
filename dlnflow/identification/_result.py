"""The record that `identify` returns."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow.identification._answer import Answer, Found
from dlnflow.identification._candidates import Candidate
from dlnflow.identification._explain import sentences, summary
from dlnflow.identification._ranked_fits import RankedFits
from dlnflow.identification._validation import NAMES, UNKNOWN
from dlnflow.identification._verdict import judged
from dlnflow.theory._clock import Clock, label
from dlnflow.theory._objective import Objective

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


class Estimates(NamedTuple):
    """``lam``, ``rho`` and ``eps``: one number for each mode, or one alone."""

    lam: Any
    rho: Any
    eps: Any


@dataclass(frozen=True, eq=False, repr=False)
class Identification:
    """The networks that explain measured trajectories, with their modes: an immutable record.

    Build one with `dlnflow.identify`.
    """

    _found: Found
    _single: bool

    @property
    def _fits(self) -> RankedFits:
        return self._found.fits

    @property
    def explained(self) -> bool:
        """Whether a candidate explains the curves, to their noise or to 1 % of the amplitude.

        Where it is False, no evidence among candidates means anything, and ``answer`` rests on a
        comparison with trained networks, if they tell.
        """
        return self._found.explained

    @property
    def misfit(self) -> float:
        """Root mean square residual of the best candidate over the amplitude, of all modes.

        Over the largest amplitude of each mode where noise is absolute; of ``log w`` where it is
        relative. Infinite where no candidate has such curves.
        """
        return self._found.whole.total

    @property
    def verdict(self) -> str:
        """In one line: whether the curves are explained, to what size, and by which candidate."""
        return next(judged(self._found))

    @property
    def answer(self) -> Answer:
        """The objective and depth that can be believed, and what that rests on.

        ``answer.objective`` and ``answer.L`` are None where the data do not tell: `objective` and
        `L` are then those of the best fit, right or wrong.
        """
        return self._found.answer

    @property
    def names(self) -> tuple[Any, ...]:
        """Names of all modes, or their numbers."""
        count = len(self._fits.data.w) + len(self.constant)
        return tuple(self._fits.label(place) for place in range(count))

    @property
    def used(self) -> NDArray[np.bool_]:
        """Which measurements were fitted, shape (modes, times), for the modes that move.

        All, unless the candidates explain only the part in which each mode learns.
        """
        return self._fits.data.used

    @property
    def t(self) -> Array:
        """Times of the measurement, shape (times,)."""
        return self._fits.data.t

    @property
    def w(self) -> Array:
        """Measured amplitudes (or ``R2``) of the modes that move, shape (modes, times)."""
        return self._fits.data.w

    @property
    def clock(self) -> Clock:
        """What ``t`` counts; ``"unknown"`` if its unit was not given."""
        return self._fits.clock

    @property
    def time_label(self) -> str:
        """The clock in words, as on the axis of a figure."""
        return "time" if self.clock == UNKNOWN else label(self.clock)

    @property
    def constant(self) -> tuple[int, ...]:
        """Modes that never move. Their estimates are NaN."""
        return self._fits.constant

    @property
    def candidate(self) -> Candidate:
        """The best candidate: an objective, an encoder depth, a decoder depth."""
        return self._fits.best

    @property
    def objective(self) -> Objective:
        """Objective of the best candidate."""
        return self.candidate.objective

    @property
    def L(self) -> int:
        """Encoder depth of the best candidate."""
        return self.candidate.L

    @property
    def decoder_depth(self) -> int:
        """Decoder depth of the best candidate."""
        return self.candidate.decoder_depth

    @property
    def equivalent(self) -> tuple[Candidate, ...]:
        """Other candidates with the same mode equation, which no trajectory can distinguish."""
        return self._fits.equations[0][1:]

    @property
    def rival(self) -> Candidate:
        """The second best candidate; the best where it was the only one."""
        return self._fits.equations[:2][-1][0]

    @property
    def lam(self) -> Any:
        """Covariance of each mode; on an unknown clock in its units, unless some were given."""
        return self._out(self._fits.estimates[:, 0])

    @property
    def rho(self) -> Any:
        """Regression coefficient of each mode."""
        return self._out(self._fits.estimates[:, 1])

    @property
    def eps(self) -> Any:
        """Amplitude of each mode at time 0."""
        return self._out(self._fits.estimates[:, 2])

    @property
    def stderr(self) -> Estimates:
        """Standard errors, including the uncertainty about the candidate.

        0 for what was given, infinite for what the data do not determine. Estimates of the other
        candidates count with their weights (Burnham and Anderson, *Model Selection and Multimodel
        Inference*, 2002, eq. 4.9). Where `interval` is more than twice as wide as the error says,
        the error is enlarged to match it.
        """
        return Estimates(*(self._out(column) for column in self._fits.errors.T))

    @property
    def sigma(self) -> Any:
        """Standard deviation of the noise: of ``w``, or of ``log w`` where it is relative."""
        return self._out(self._fits.fits[0].sigma)

    @property
    def noise(self) -> Any:
        """``"absolute"`` or ``"relative"``, for each mode."""
        kinds = np.where(self._fits.data.relative, "relative", "absolute")
        return str(kinds[0]) if self._single else tuple(map(str, kinds))

    @property
    def sigma_excess(self) -> Any:
        """Size of the residuals over the given ``sigma``, for each mode.

        1 where they agree to a factor of 1.5 or to a chance of one in a million, and where no
        ``sigma`` was given.
        """
        return self._out(self._fits.sigma_excess)

    @property
    def time_scale(self) -> float | None:
        """Units of the paper's clock in one unit of ``t``; None unless it was fitted."""
        return self._fits.time_scale

    def interval(self, name: str, level: float = 0.95, *, conditional: bool = False) -> Array:
        """A confidence interval, shape (2,) or (2, modes).

        Parameters
        ----------
        name : {"lam", "rho", "eps"}
        level : float
            Between 0 and 1.
        conditional : bool
            Assume that the best candidate is right. By default all candidates count with their
            weights, so the interval includes the uncertainty about the candidate.

        Returns
        -------
        array
            Lower and upper ends. They come from signed roots of the profile likelihood ratio with
            Student's t (normal if ``sigma`` was given), mixed over the candidates and both kinds
            of noise. The interval covers every branch that the data allow, from negative to
            infinite: a mode that hardly moved may be about to rise, near its plateau or falling.

        Raises
        ------
        ValueError
            If ``name`` is another name, or ``level`` is not between 0 and 1.
        """
        column = NAMES.index(_validate.choice("name", name, NAMES))
        share = float(_validate.single("level", _validate.fraction("level", level)))
        ends = self._fits.interval(column, share, conditional=conditional)
        return ends[:, 0] if self._single else np.stack([self._fits.spread(end) for end in ends])

    @property
    def aic(self) -> tuple[float, ...]:
        """Akaike's criterion of each mode equation, best first."""
        return self._fits.aic

    @property
    def weight(self) -> Array:
        """Share of the evidence of each mode equation: Akaike weights, less unequal for few times.

        Also less unequal where residuals repeat those of the time before. It compares candidates,
        and means nothing where none explains the curves (`explained`).
        """
        return self._fits.weight

    @property
    def ranking(self) -> pd.DataFrame:
        """One row for each mode equation, best first.

        Columns: objective, L, decoder_depth, log_likelihood, aic, delta_aic (to the best), weight
        (share of the evidence; NaN where no candidate explains the curves), misfit (root mean
        square residual over the amplitude), same (other candidates with the same equation).
        """
        from dlnflow._common._frame import Frame

        fits, aic = self._fits, np.array(self.aic)
        first = [same[0] for same in fits.equations]
        return Frame(
            {
                "objective": [one.objective.name for one in first],
                "L": [one.L for one in first],
                "decoder_depth": [one.decoder_depth for one in first],
                "log_likelihood": [float(one.log_likelihood.sum()) for one in fits.fits],
                "aic": aic,
                "delta_aic": aic - aic.min(),
                "weight": self.weight if self.explained else np.nan,
                "misfit": fits.misfits,
                "same": ["; ".join(map(str, same[1:])) for same in fits.equations],
            }
        )

    def to_dataframe(self) -> pd.DataFrame:
        """One row for each mode: its estimates, their errors, and the part of it that was seen.

        For each of lam, rho and eps: the estimate, its standard error (``lam_err``), and both ends
        of its 95 % interval (``lam_low``, ``lam_high``). ``first_seen`` and ``last_seen``: fitted
        amplitude over plateau at the first and the last time (`seen`).
        """
        from dlnflow._common._frame import Frame

        columns: dict[str, Any] = {"mode": self.names}
        for name, error in zip(NAMES, self.stderr, strict=True):
            columns[name] = np.atleast_1d(getattr(self, name))
            columns[f"{name}_err"] = np.atleast_1d(error)
            ends = self.interval(name)
            columns[f"{name}_low"], columns[f"{name}_high"] = np.atleast_2d(ends.T).T
        columns["first_seen"] = np.atleast_1d(self._out(self.seen[:, 0]))
        columns["last_seen"] = np.atleast_1d(self._out(self.seen[:, -1]))
        return Frame(columns)

    @property
    def seen(self) -> Array:
        """Fitted amplitude over its plateau at all times, shape (modes, times).

        For modes with negative ``rho`` it is negative, and relative to ``|rho|**(L / k)``.
        """
        return self._fits.seen

    def predict(self, t: ArrayLike, *, rank: int = 0) -> Any:
        """Amplitudes (or ``R2``) at other times.

        Parameters
        ----------
        t : array, shape (times,)
            On the clock of the measurement.
        rank : int
            Which mode equation, 0 for the best.

        Returns
        -------
        array, shape (times,) or (modes, times)

        Raises
        ------
        ValueError
            If a time is negative, or no mode equation has this rank.
        """
        times = np.atleast_1d(_validate.not_negative("t", t))
        count = len(self._fits.equations)
        if (
            isinstance(rank, bool)
            or not isinstance(rank, int | np.integer)
            or rank not in range(count)
        ):
            raise ValueError(f"rank must lie in 0..{count - 1}: got {rank}")
        curves = self._fits.data.values(self._fits.fits[rank].heights(times))
        return curves[0] if self._single else self._fits.spread(curves)

    @property
    def residuals(self) -> Any:
        """Measured less fitted, in standard deviations of the noise; NaN where not `used`."""
        away = np.where(self.used, self._fits.residuals, np.nan)
        return away[0] if self._single else away

    def explain(self) -> str:
        """In words: whether the curves are explained, by what, and what would help."""
        return "\n".join(sentences(self._found))

    def plot(self, *, ax: Any = None) -> NDArray[Any]:
        """Trajectories with the best fit and the second best above, residuals below.

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
        return summary(self._found)

    def _repr_html_(self) -> str:
        first, *_ = summary(self._found).splitlines()
        return f"<p>{escape(first)}</p>{self.to_dataframe().to_html(index=False)}"

    def _out(self, values: Array) -> Any:
        """One number for a single trajectory, else an array with a place for every mode."""
        return float(values[0]) if self._single else self._fits.spread(values)

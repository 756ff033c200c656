"""Comparison of a network's training with the closed form, mode by mode."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dlnflow._common import _validate
from dlnflow._common._frozen import read_only, set_fields
from dlnflow.data._spectrum import Spectrum
from dlnflow.network._curves import MEASURES, Curves, Modes
from dlnflow.network._data import given_modes
from dlnflow.network._learning import (
    HIGH,
    LOW,
    Agreement,
    crossing_times,
    loss_times,
    order_agreement,
    overlap,
)
from dlnflow.network._network import amplitudes
from dlnflow.network._run import Run
from dlnflow.theory._clock import label
from dlnflow.theory._critical_time import critical_time_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Array = NDArray[np.float64]

NAMED = 3  # modes that the repr names
COARSE = 0.1  # step of run.t over a measured critical time: above it the repr says so


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Prediction and measurement for a run: an immutable record.

    Build one with `compare`.

    Attributes
    ----------
    run : Run
    p : float
        Sets when a mode counts as learned; see `compare`.
    measure : {"probe", "amplitude"}
        What is compared.
    """

    run: Run
    p: float
    measure: str
    _modes: Modes
    _curves: Curves

    @property
    def spectrum(self) -> Spectrum:
        """The modes compared, in their order."""
        return self._modes.spectrum

    @property
    def eps(self) -> Array:
        """Initial amplitude of each mode, used in its prediction, shape (modes,).

        0 for modes that a bottleneck leaves out.
        """
        return self._modes.eps

    @property
    def predicted(self) -> Array:
        """The closed form at ``run.t``, shape (modes, times)."""
        return self._curves.predicted

    @property
    def measured(self) -> Array:
        """The network at ``run.t``, shape (modes, times)."""
        return self._curves.measured

    @cached_property
    def plateau(self) -> Array:
        """Predicted plateau of each amplitude; 0 for modes that start at 0."""
        return read_only(self._modes.plateau)

    @cached_property
    def predicted_time(self) -> Array:
        """Exact critical times, shape (modes,), on the run's clock; 0 for modes starting above."""
        return read_only(self._exact(self.p))

    @cached_property
    def measured_time(self) -> Array:
        """Times at which the network had first learned each mode, or infinity."""
        return read_only(self._crossings(0))

    @cached_property
    def lost_time(self) -> Array:
        """Times from which each learned mode was lost again to the end of the run, or infinity."""
        heights = self._curves.heights[0]
        return read_only(loss_times(self._curves.t, heights, np.ones(len(heights))))

    @property
    def due(self) -> NDArray[np.bool_]:
        """Modes that start below ``p`` of their plateau and should be learned within the run."""
        return (self.predicted_time > 0.0) & (self.predicted_time <= self.run.t[-1])

    @property
    def learned(self) -> NDArray[np.bool_]:
        """Modes that start below ``p`` of their plateau and were learned within the run."""
        return (self.predicted_time > 0.0) & np.isfinite(self.measured_time)

    @property
    def lost(self) -> NDArray[np.bool_]:
        """Modes of `learned` that were lost again by the end of the run."""
        return self.learned & np.isfinite(self.lost_time)

    @cached_property
    def order(self) -> Agreement:
        """Kendall's tau between predicted and measured times, with its standard error.

        Modes that the run had not learned by its end count as learned last. Modes that start above
        ``p`` of their plateau, or are learned neither in prediction nor in the run, are left out.
        """
        counted = self.due | self.learned
        cut = np.where(self.due, self.predicted_time, np.inf)
        return order_agreement(cut[counted], self.measured_time[counted])

    @property
    def tau(self) -> float:
        """Kendall's tau of `order`; if it has none, 1 if the learned modes are those due, or 0."""
        if self.order.tau is not None:
            return self.order.tau
        return float(np.array_equal(self.due, self.learned))

    @property
    def coarseness(self) -> float:
        """Resolution of measured times: the largest relative step of ``run.t`` at one of them."""
        measured = self.measured_time[self.learned & (self.measured_time > 0.0)]
        if not measured.size:
            return 0.0
        t = self._curves.t
        after = np.clip(np.searchsorted(t, measured), 1, t.size - 1)
        return float(np.max((t[after] - t[after - 1]) / measured))

    @cached_property
    def deviation(self) -> Array:
        """Largest ``|measured - predicted|`` of each mode, shape (modes,).

        Of amplitudes, relative to the larger of plateau and ``eps``; for a mode with neither, to
        the largest of the other modes.
        """
        gap = np.max(np.abs(self.measured - self.predicted), axis=1, initial=0.0)
        return read_only(gap / self._curves.scale)

    @property
    def largest_deviation(self) -> float:
        """The largest `deviation`."""
        return float(self.deviation.max())

    @cached_property
    def overlap(self) -> tuple[float, float]:
        """Overlap of learning windows, predicted and measured: 0 one at a time, 1 all at once.

        A window is the time between the critical times for ``p`` of a tenth and of nine tenths. The
        overlap of two modes next in order is relative to the shorter window; the mean over such
        pairs is returned.
        """
        predicted = overlap(self._exact(LOW), self._exact(HIGH))
        return predicted, overlap(self._crossings(1), self._crossings(2))

    @property
    def time_error(self) -> Array:
        """``measured_time / predicted_time - 1``, shape (modes,).

        Infinite for modes that are due within the run but were not learned, -1 for modes that were
        learned though they are predicted never to be. NaN for modes that start above ``p`` of their
        plateau, and for modes neither due within the run nor learned in it.
        """
        late = self.due & ~self.learned
        early = self.learned & np.isinf(self.predicted_time)
        both = self.learned & np.isfinite(self.predicted_time)
        nothing = np.full(self.eps.shape, np.nan)
        ratio = np.divide(self.measured_time, self.predicted_time, out=nothing, where=both)
        return np.where(late, np.inf, np.where(early, -1.0, ratio - 1.0))

    def to_dataframe(self) -> pd.DataFrame:
        """One row per mode.

        Columns ``mode, lam, rho, eps, plateau, predicted_time, measured_time, lost_time,
        time_error, deviation``; of data with names also ``features``, after ``mode``.
        """
        from dlnflow._common._frame import Frame

        size, lam, rho = self.eps.size, self.spectrum.lam, self.spectrum.rho
        times = ("predicted_time", "measured_time", "lost_time", "time_error")
        columns = {name: getattr(self, name) for name in ("eps", "plateau", *times, "deviation")}
        labels = self.spectrum.labels
        named = {"mode": np.arange(size)} | ({} if labels is None else {"features": labels})
        return Frame({**named, "lam": lam, "rho": rho, **columns})

    def plot(self, *, ax: Axes | None = None, modes: int = 5) -> Axes:
        """Draw prediction and measurement; see `dlnflow.plot.comparison`."""
        from dlnflow import plot

        return plot.comparison(self, ax=ax, modes=modes)

    def _exact(self, p: float) -> Array:
        times = critical_time_of(self._modes.closed_form, np.asarray(p))
        return np.where(self.eps > 0.0, times, np.inf)

    def _crossings(self, fraction: int) -> Array:
        heights = self._curves.heights[fraction]
        return crossing_times(self._curves.t, heights, np.ones(len(heights)))

    __setstate__ = set_fields

    def __repr__(self) -> str:
        above = int(np.sum((self.predicted_time == 0.0) & (self.plateau > 0.0)))
        started = f"; {above} start above {self.p:g} of their plateau" if above else ""
        worst = int(self.deviation.argmax())
        unit = {"probe": "in R2", "amplitude": "of a plateau"}[self.measure]
        lines = [
            f"Comparison: {self.run.objective!r}, {self.spectrum.lam.size} modes to t = "
            f"{self.run.t[-1]:.4g} ({label(self.run.clock)}), by {self.measure}",
            f"  learned: {self.learned.sum()} by the network, {self.due.sum()} predicted{started}",
        ]
        if self.lost.any():
            when = self.lost_time[self.lost]
            modes = ", ".join(
                f"mode {mode} at {time:.4g}"
                for mode, time in zip(np.flatnonzero(self.lost)[:NAMED], when, strict=False)
            )
            more = f", and {when.size - NAMED} more" if when.size > NAMED else ""
            lines.append(f"  lost again: {when.size} ({modes}{more})")
        lines += [
            f"  order of learning: {describe(self.order)}",
            f"  largest deviation {self.largest_deviation:.2g} {unit} (mode {worst})",
        ]
        timed = self.learned & np.isfinite(self.predicted_time)
        if timed.any():
            errors = np.abs(self.time_error[timed])
            lines.append(
                f"  critical times off by {errors.max():.2g} at most, {np.median(errors):.2g} in "
                f"the median of {int(timed.sum())}"
            )
        if self.coarseness > COARSE:
            known = f"{min(self.coarseness, 1.0):.0%}"
            lines.append(f"  run.t is coarse: measured times are known to {known} only")
        if self.run.stopped:
            lines.append(f"  the run stopped early: {self.run.stopped}")
        return "\n".join(lines)


def compare(
    run: Run, *, p: float = 0.5, spectrum: Spectrum | None = None, measure: str = "probe"
) -> Comparison:
    """Compare a run with the closed form, mode by mode.

    Parameters
    ----------
    run : Run
        From `gradient_flow` or `gradient_descent`, on any data and from any initialisation.
    p : float
        Sets when a mode counts as learned, in (0, 1); see ``measure``.
    spectrum : Spectrum, optional
        Modes to predict and to measure, by default those of the training data. With the spectrum of
        the population the comparison shows the effect of training on a sample.
    measure : {"probe", "amplitude"}
        What is predicted and measured. ``"probe"``: the share ``R2`` of each mode's feature that a
        linear probe reads through the default noise for ``p`` (`Run.probe_r2`, with the predicted
        plateaus). A mode is learned when ``R2`` first reaches one half. ``"amplitude"``:
        ``|Wbar b|`` for each mode's direction ``b``. A mode is learned at the fraction ``p`` of its
        predicted plateau. Amplitudes also respond to units that have learned another feature.

    Returns
    -------
    Comparison
        Predicted and measured trajectories and critical times per mode, the times at which modes
        were lost again, the agreement of the two learning orders, and the deviations.

    Raises
    ------
    ValueError, TypeError
        If ``p`` is out of range, ``run`` is not a Run or reached no time, ``spectrum`` has another
        dimension or a mode without variance in the run's data, or ``measure`` is another name.

    Notes
    -----
    The prediction is `dlnflow.probe_r2` or `dlnflow.amplitude` for each mode, from its own initial
    amplitude. The two predict the same critical times. Measured times are interpolated between
    ``run.t``, whose steps limit their accuracy.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnflow import network
    >>> sigma_xx, sigma_yx = np.diag([1.0, 2.0]), np.diag([0.9, 1.0])
    >>> net = network.balanced(sigma_xx, sigma_yx, L=2, eps=0.01)
    >>> run = network.gradient_flow(net, sigma_xx, sigma_yx)
    >>> comparison = network.compare(run)
    >>> comparison.to_dataframe()[["predicted_time", "measured_time"]].round(2)
       predicted_time  measured_time
    0          929.24         929.24
    1          890.42         890.42
    >>> comparison.largest_deviation < 1e-10, comparison.order.tau
    (True, 1.0)
    """
    if not isinstance(run, Run):
        raise TypeError(f"run must be a dlnflow.network.Run: got {type(run).__name__}")
    if not run.t.size:
        raise ValueError(f"run must have reached some time: got none ({run.stopped})")
    fraction = _validate.number("p", p, _validate.fraction)
    _validate.choice("measure", measure, tuple(MEASURES))
    chosen = run.spectrum if spectrum is None else spectrum
    if not isinstance(chosen, Spectrum):
        raise TypeError(f"spectrum must be a dlnflow.Spectrum: got {type(chosen).__name__}")
    if len(chosen.basis) != run.start.widths[0]:
        raise ValueError(
            f"spectrum must have the run's dimension {run.start.widths[0]}: got {len(chosen.basis)}"
        )
    eps = read_only(amplitudes(run.start, chosen.basis))
    # modes that a bottleneck leaves out start at 1 in their closed form, which is not used
    given = given_modes(run.start, chosen, np.where(eps > 0.0, eps, 1.0))
    modes = Modes(chosen, given.under(run.objective, run.clock), eps)
    curves = MEASURES[measure](run, modes, np.array([fraction, LOW, HIGH]))
    return Comparison(run, fraction, measure, modes, curves)


def describe(agreement: Agreement) -> str:
    """The agreement in words."""
    if agreement.tau is None:
        return "no two modes to put in order"
    if agreement.stderr is None:
        return f"Kendall tau {agreement.tau:.2g} (too few modes for an error)"
    return f"Kendall tau {agreement.tau:.2f} +- {agreement.stderr:.2f}"

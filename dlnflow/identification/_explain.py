"""Describes an identification in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlnflow.identification._ranking import RankedFits
from dlnflow.identification._validation import UNKNOWN
from dlnflow.theory._clock import Training, label

Array = NDArray[np.float64]


class ExplanationLimits(NamedTuple):
    """Thresholds that decide which sentences are written."""

    decided: float = 10.0  # difference of AIC: a weight ratio of 150
    tied: float = 0.1  # difference of AIC: a weight ratio of 1.05
    sure: float = 0.95  # weight of a candidate beside which others do not matter
    loose: float = 0.3  # standard error of a logarithm: a third, so not determined
    unknown: float = 1e3  # factor of uncertainty at which a parameter is unknown
    low: float = 0.1  # of the plateau: the transition begins
    half: float = 0.5  # of the plateau: a curve that starts above it shows no wait
    high: float = 0.9  # of the plateau: the transition ends
    few: int = 5  # measurements within a transition that show its shape
    correlation: float = 5.0  # standard errors of the correlation of neighbouring residuals
    exact: float = 1e-9  # misfit over amplitude that rounding or an ODE solver causes
    slight: float = 5e-3  # misfit over amplitude at which estimates are still good
    hardly: float = 1.5  # ratio of last to first amplitude of a mode that hardly moved
    ahead: float = 10.0  # how many times the measured time is searched for a decisive time
    decisive: float = 3.0  # standard deviations of one measurement
    huge: float = 1e4  # standard deviations whose number does not matter
    outlier: float = 8.0  # standard deviations of the other residuals
    least_scatter: float = 1e-3  # of the noise estimate: scatter below it is rounding
    outliers: float = 0.05  # share of the points: more than that are not outliers
    listed: int = 4  # candidates or modes listed by name


LIMITS = ExplanationLimits()


def sentences(fits: RankedFits) -> Iterator[str]:
    """The explanation, sentence by sentence."""
    yield _best_candidate(fits)
    yield from _same_equation(fits)
    yield from _rivals(fits)
    yield from _misfit(fits)
    yield from _sigma(fits)
    yield from _outliers(fits)
    yield from _unmoved(fits)
    yield from _unseen(fits)
    yield from _undetermined(fits)
    yield from _scope(fits)


def summary(fits: RankedFits) -> str:
    """The text representation of an identification."""
    modes = len(fits.data.w)
    lines = [
        f"Identification: {fits.best}, {100.0 * fits.weight[0]:.3g} % of the evidence among "
        f"{_plural(len(fits.equations), 'mode equation')}",
        f"  {_plural(modes, 'mode')}, {fits.data.t.size} times to {fits.data.t[-1]:.4g}",
    ]
    given = fits.spread(fits.given, False)
    values, errors = fits.spread(fits.estimates), fits.spread(fits.errors)
    for column, name in enumerate(("lam", "rho")):
        rows = [one[: LIMITS.listed, column] for one in (values, errors, given)]
        shown = ", ".join(_estimate(*one) for one in zip(*rows, strict=True))
        more = f", … ({len(given)} in all)" if len(given) > LIMITS.listed else ""
        lines.append(f"  {name} {shown}{more}")
    return "\n".join(lines)


def counted(modes: Iterable[int]) -> str:
    """``mode 1``, or ``modes 0, 2``, the first few by name."""
    names = [str(one) for one in modes]
    return f"mode{'s' if len(names) > 1 else ''} {_listed(names)}"


def _listed(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    shown, more = ", ".join(names[: LIMITS.listed]), len(names) - LIMITS.listed
    return f"{shown} and {more} more" if more > 0 else shown


def _plural(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


def _estimate(value: float, error: float, given: bool) -> str:
    if given:
        return f"{value:.4g} (given)"
    return f"{value:.4g} (open)" if np.isinf(error) else f"{value:.4g} ± {error:.1g}"


def _modes(fits: RankedFits, some: NDArray[np.bool_]) -> str:
    return counted(fits.places[i] for i in np.flatnonzero(some))


def _best_candidate(fits: RankedFits) -> str:
    tried = len(fits.equations)
    if tried == 1:
        return f"{fits.best} was the only candidate."
    ahead = np.array(fits.aic) - fits.aic[0]
    if ahead[1] < LIMITS.tied:
        return (
            f"{int(np.sum(ahead < LIMITS.tied))} of {tried} mode equations explain these "
            f"trajectories equally well; the first of them is {fits.best}."
        )
    return (
        f"{fits.best} explains these trajectories best: {100.0 * fits.weight[0]:.3g} % of "
        f"the evidence among {_plural(tried, 'mode equation')}; next comes "
        f"{fits.equations[1].first} (AIC higher by {ahead[1]:.3g})."
    )


def _same_equation(fits: RankedFits) -> Iterator[str]:
    same = fits.equations[0].candidates[1:]
    if same:
        yield (
            f"No trajectory can distinguish it from candidates with the same mode equation: "
            f"{_listed([str(one) for one in same])}. The network's own depth would, or lam on a "
            "clock other than the paper's."
        )


def _rivals(fits: RankedFits) -> Iterator[str]:
    close = [i for i, aic in enumerate(fits.aic) if i > 0 and aic - fits.aic[0] < LIMITS.decided]
    if close:
        weights = [f"{fits.equations[i].first} ({100 * fits.weight[i]:.2g} %)" for i in close]
        yield f"These data do not rule out {_listed(weights)}."
        yield _decision(fits, close[0])


class DecisiveMeasurement(NamedTuple):
    """Where two mode equations differ most, in standard deviations of a measurement."""

    mode: int
    t: float
    best: float
    rival: float
    size: float


def decisive(fits: RankedFits, rival: int) -> DecisiveMeasurement:
    """The time and mode at which the best mode equation and a rival differ most.

    Beyond the times measured, only modes whose ``rho`` both determine are compared.
    """
    t = fits.data.t
    first = t[t > 0.0][0]
    times = np.concatenate([[0.0], np.geomspace(0.1 * first, LIMITS.ahead * t[-1], 600), t])
    times = np.unique(times)
    curves = [fits.heights(times, i) for i in (0, rival)]
    best, other = map(np.exp, curves)
    away = np.where(fits.data.relative[:, None], curves[0] - curves[1], best - other)
    away = np.abs(away) / fits.fits[0].sigma[:, None]
    predicted = ~_rho_undetermined(fits, rival)[:, None] | (times <= t[-1])
    away = np.where(np.isfinite(away) & predicted, away, 0.0)
    mode, at = np.unravel_index(int(away.argmax()), away.shape)
    ends = best[mode, at], other[mode, at]
    return DecisiveMeasurement(fits.places[mode], times[at], *ends, float(away[mode, at]))


def _rho_undetermined(fits: RankedFits, rival: int) -> NDArray[np.bool_]:
    """Modes whose ``rho`` the best mode equation or the rival does not determine."""
    errors = np.array([fits.fits[i].stderr[:, 1] for i in (0, rival)])
    return np.asarray((errors > LIMITS.loose).any(axis=0))


def _decision(fits: RankedFits, rival: int) -> str:
    name, found = fits.equations[rival].first, decisive(fits, rival)
    if found.size < LIMITS.decisive:
        unknown = _rho_undetermined(fits, rival)
        if unknown.any():
            return (
                f"To rule out {name}, measure {_modes(fits, unknown)} at later times. How much "
                "later is not known, because rho is not."
            )
        return (
            f"No single measurement up to {LIMITS.ahead:g} times the last time would rule out "
            f"{name} at this noise ({found.size:.2g} standard deviations at most). Measure more "
            "often or more accurately, give what is known (eps, lam, rho), or add modes with "
            "another rho."
        )
    when = "within the times measured" if found.t <= fits.data.t[-1] else "later than measured"
    size = f"{found.size:.2g}" if found.size < LIMITS.huge else f"more than {LIMITS.huge:g}"
    return (
        f"To rule out {name}, measure mode {found.mode} near t = {found.t:.4g} ({when}): "
        f"w = {found.best:.4g} against {found.rival:.4g}, {size} standard deviations of one "
        "measurement."
    )


def _relative_misfit(fits: RankedFits) -> Array:
    """Size of each mode's residuals over its amplitude."""
    return np.asarray(np.sqrt(fits.fits[0].fit.cost / fits.data.t.size))


def _misfit(fits: RankedFits) -> Iterator[str]:
    """Correlated residuals: no candidate has the measured shape."""
    away, misfit = fits.residuals, _relative_misfit(fits)
    power = np.sum(away**2, axis=1)
    correlation = np.sum(away[:, 1:] * away[:, :-1], axis=1) / np.where(power > 0.0, power, 1.0)
    significant = correlation * np.sqrt(fits.data.t.size) > LIMITS.correlation
    bad = significant & (misfit > LIMITS.exact)
    if bad.any():
        worst = float(misfit[bad].max())
        so = (
            "The misfit is so small that lam and rho change by about ten times its size only, but "
            "standard errors do not hold here."
            if worst < LIMITS.slight
            else "Standard errors do not hold here."
        )
        yield (
            f"No candidate is right: the residuals of {_modes(fits, bad)} are not noise, since "
            f"neighbouring ones are correlated (size {worst:.2g} of the amplitude). Another "
            "objective, decoder or clock, a finite learning rate, an unbalanced initialisation or "
            f"modes that mix would cause this; see dlnflow.network.check_assumptions. {so}"
        )


def _sigma(fits: RankedFits) -> Iterator[str]:
    """A given ``sigma`` that the residuals contradict."""
    excess = fits.sigma_excess
    for these, what in (
        (excess > 1.0, "errors and weights based on it are too small"),
        (excess < 1.0, "errors and intervals based on it are too wide"),
    ):
        if these.any():
            least, most = excess[these].min(), excess[these].max()
            times = f"{most:.2g}" if least == most else f"{least:.2g} to {most:.2g}"
            yield (
                f"The data contradict the sigma given: the residuals of {_modes(fits, these)} are "
                f"{times} times as large, so {what}."
            )


def _outliers(fits: RankedFits) -> Iterator[str]:
    away = np.abs(fits.residuals)
    scatter = 1.4826 * np.median(away, axis=1, keepdims=True)
    away = away / np.maximum(scatter, LIMITS.least_scatter)
    off = (away > LIMITS.outlier) & (_relative_misfit(fits)[:, None] > LIMITS.exact)
    off &= off.sum(axis=1, keepdims=True) <= max(1.0, LIMITS.outliers * fits.data.t.size)
    if off.any():
        mode, at = np.unravel_index(int(np.where(off, away, 0.0).argmax()), off.shape)
        count = int(off.sum())
        what = "1 point is an outlier:" if count == 1 else f"{count} points are outliers, the worst"
        yield (
            f"{what} mode {fits.places[mode]} at t = {fits.data.t[at]:.4g}, by "
            f"{away[mode, at]:.2g} standard deviations of the other points. An outlier can change "
            "which candidate is best. Leave it out and compare."
        )


def _unmoved(fits: RankedFits) -> Iterator[str]:
    """Modes that did not move beyond their noise, or hardly."""
    still = ~fits.confidence.moved
    if still.any():
        levels = np.maximum(fits.data.w[still].mean(axis=1), 0.0) ** fits.trajectories[0].power
        rho = _listed([f"{level:.3g}" for level in levels])
        yield (
            f"{_modes(fits, still).capitalize()} did not move beyond the noise: lam is unknown, "
            f"and so is rho, unless this is the plateau: then rho is {rho} ({fits.best})."
        )
    low, _ = fits.confidence.interval(1, 0.95)
    ends = np.exp(fits.heights(fits.data.t[[0, -1]]))
    for mode in np.flatnonzero(_hardly_moved(fits)):
        known = "and so is its sign"
        if low[mode] >= 0.0:
            known = f"except that it is above {low[mode]:.2g}"
        yield (
            f"Mode {fits.places[mode]} hardly moved (from {ends[mode, 0]:.3g} to "
            f"{ends[mode, 1]:.3g}): rho is unknown, {known}. The mode may be near its plateau or "
            "far from it: measure longer."
        )


def _open(fits: RankedFits) -> NDArray[np.bool_]:
    """Modes whose ``rho`` may be infinite, or of either sign."""
    low, high = fits.confidence.interval(1, 0.95)
    endless = np.isinf(low) | np.isinf(high) | (low <= 0.0) & (high >= 0.0)
    return np.asarray(~fits.given[:, 1] & endless)


def _hardly_moved(fits: RankedFits) -> NDArray[np.bool_]:
    """Modes that moved, but by so little that ``rho`` is open."""
    little = np.abs(np.diff(fits.heights(fits.data.t[[0, -1]]))[:, 0]) < np.log(LIMITS.hardly)
    return np.asarray(fits.confidence.moved & little & _open(fits))


def _unseen(fits: RankedFits) -> Iterator[str]:
    """Parts of a curve before, after or between the times."""
    seen = fits.seen
    start, end = seen[:, 0], seen[:, -1]
    described = ~fits.confidence.moved | _hardly_moved(fits)
    rises = (start > 0.0) & (start < 1.0) & ~described
    inside = np.sum((seen > LIMITS.low) & (seen < LIMITS.high), axis=1)
    cases = (
        (
            "No transition seen",
            rises & (end < LIMITS.low),
            "only the initial growth is known, not the plateau. Measure longer",
        ),
        (
            "No plateau seen",
            rises & (end >= LIMITS.low) & (end < LIMITS.high),
            "rho rests on the curvature of the curve alone. Measure longer",
        ),
        (
            "No initialisation seen",
            rises & (start > LIMITS.half),
            "eps and lam are extrapolated. Measure earlier",
        ),
        (
            "The transition falls between the times",
            rises & (start < LIMITS.low) & (end > LIMITS.high) & (inside < LIMITS.few),
            "its shape, by which depths and objectives differ, is hardly sampled. Measure there",
        ),
    )
    for name, these, what in cases:
        if these.any():
            how_much = (
                "the plateau is not constrained"
                if (these & _open(fits)).any()
                else f"from {start[these].min():.2g} to {end[these].max():.2g} of the plateau, "
                f"{_plural(int(inside[these].min()), 'measurement')} between {LIMITS.low:g} and "
                f"{LIMITS.high:g}"
            )
            yield f"{name} in {_modes(fits, these)} ({how_much}): {what}."
    high = fits.confidence.interval(1, 0.95)[1]
    falls = (start < 0.0) & (high <= 0.0) & ~described
    if falls.any():
        yield f"Suppressed, with negative lam and rho: {_modes(fits, falls)}."


def _undetermined(fits: RankedFits) -> Iterator[str]:
    errors, own = fits.log_errors, fits.fits[0].stderr
    still = ~fits.confidence.moved
    for column, (name, described) in enumerate(
        (("lam", still), ("rho", still | _hardly_moved(fits)))
    ):
        loose = (errors[:, column] > LIMITS.loose) & ~described
        unknown = loose & (errors[:, column] > np.log(LIMITS.unknown))
        low, high = fits.interval(column, 0.95)
        bounded = unknown & np.isfinite(low) & np.isfinite(high)
        if (unknown & ~bounded).any():
            yield f"{name} is unknown in {_modes(fits, unknown & ~bounded)}."
        if bounded.any():
            ends = [f"{low[i]:.2g} and {high[i]:.2g}" for i in np.flatnonzero(bounded)]
            yield (
                f"{name} lies between {_listed(ends)} in {_modes(fits, bounded)}, and may be close "
                "to 0."
            )
        loose &= ~unknown
        if loose.any():
            alone = fits.weight[0] > LIMITS.sure or (own[loose, column] > LIMITS.loose).any()
            why = "the data do not determine it" if alone else "the candidates differ in it"
            yield (
                f"In {_modes(fits, loose)} {name} is known only to a factor of "
                f"{np.exp(errors[loose, column].max()):.2g}, because {why}."
            )


def _scope(fits: RankedFits) -> Iterator[str]:
    """What the result assumes."""
    if fits.clock == UNKNOWN:
        scale = fits.time_scale
        yield (
            "The clock's unit is unknown: lam is known up to one factor for all modes."
            if scale is None
            else f"One unit of t is {scale:.4g} of the paper's clock."
        )
    elif isinstance(fits.clock, Training):
        yield f"Times are read as {label(fits.clock)}."
    else:
        yield f"Times are read as time on the {fits.clock}'s clock."
    L = fits.best.L
    depths = {one.L for equation in fits.equations for one in equation.candidates}
    tied = bool(np.ptp(fits.aic) < LIMITS.tied)
    if max(depths) == L and len(depths) > 1 and not tied:
        yield (
            f"L = {L} is the deepest that was tried; deeper encoders may fit better "
            f"(L=range(1, {2 * L + 1}))."
        )
    if len(fits.data.w) == 1 and len(fits.equations) > 1:
        yield (
            "There is one mode only, so the result rests on the shape of one curve. A second mode "
            "with another rho would show how times and plateaus depend on rho, by which the "
            "objectives differ."
        )
    if fits.constant:
        verb = "never moves and was" if len(fits.constant) == 1 else "never move and were"
        yield f"{counted(fits.constant).capitalize()} {verb} left out."

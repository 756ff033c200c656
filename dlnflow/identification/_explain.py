"""Describes an identification in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlnflow.identification._answer import SURE, Found
from dlnflow.identification._misfit import EXACT
from dlnflow.identification._ranked_fits import RankedFits
from dlnflow.identification._validation import UNKNOWN
from dlnflow.identification._verdict import LISTED, judged, listed, percent
from dlnflow.theory._clock import Training, label

Array = NDArray[np.float64]

TIED = 0.1  # difference of AIC: a weight ratio of 1.05
RULED_OUT = 1.0 / 150.0  # of the best candidate's evidence
LOOSE = 0.3  # standard error of a logarithm: a third, so not determined
UNKNOWN_FACTOR = 1e3  # factor of uncertainty at which a parameter is unknown
LOW = 0.1  # of the plateau: the transition begins
HALF = 0.5  # of the plateau: a curve that starts above it shows no wait
HIGH = 0.9  # of the plateau: the transition ends
FEW = 5  # measurements within a transition that show its shape
SLIGHT = 5e-3  # misfit over amplitude at which estimates are still good
HARDLY = 1.5  # ratio of last to first amplitude of a mode that hardly moved
SEARCHED_AHEAD = 10.0  # how many times the measured time is searched for a decisive time
DECISIVE = 3.0  # standard deviations of one measurement
HUGE = 1e4  # standard deviations whose number does not matter
OUTLIER = 8.0  # standard deviations of the other residuals
LEAST_SCATTER = 1e-3  # of the noise estimate: scatter below it is rounding
OUTLIER_SHARE = 0.05  # share of the points: more than that are not outliers


UNITS = {
    "scaled": "The unit of the amplitude is unknown: lam and rho are known up to powers of one "
    "unknown factor for all modes.",
    "probe": "Amplitudes are in units of the probe's noise: lam and rho are known up to powers of "
    "a factor of each mode.",
}


def sentences(found: Found) -> Iterator[str]:
    """The explanation, sentence by sentence."""
    yield from judged(found)
    parts = [_residuals, _scope]
    if found.fits.misfit.explained:
        parts = [_residuals, _unmoved, _unseen, _undetermined, _scope]
    if found.explained:
        parts.insert(0, _candidates)
    for part in parts:
        yield from part(found.fits)


def summary(found: Found) -> str:
    """The text representation of an identification."""
    fits = found.fits
    verdict, *more = judged(found)
    lines = [
        f"Identification: {verdict}",
        *(f"  {one}" for one in more),
        f"  {_plural(len(fits.data.w), 'mode')}, {fits.data.t.size} times to {fits.data.t[-1]:.4g}",
    ]
    if not fits.misfit.explained:  # the numbers of a wrong candidate mean nothing
        return "\n".join(lines)
    every = fits.spread(fits.estimates), fits.spread(fits.errors), fits.spread(fits.data.given, 0)
    for column, name in enumerate(("lam", "rho")):
        rows = zip(*(one[:LISTED, column] for one in every), strict=True)
        count = len(every[0])
        more_modes = f", … ({count} in all)" if count > LISTED else ""
        lines.append(f"  {name} {', '.join(_estimate(*row) for row in rows)}{more_modes}")
    return "\n".join(lines)


def counted(modes: Iterable[object]) -> str:
    """``mode 1``, or ``modes 0, 2``, the first few by name."""
    names = list(modes)
    return f"mode{'s' if len(names) > 1 else ''} {listed(names)}"


def _sentence(text: str) -> str:
    """With a capital letter; names of modes keep theirs."""
    return text[:1].upper() + text[1:]


def _plural(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


def _estimate(value: float, error: float, given: bool) -> str:
    doubt = "(given)" if given else "(open)" if np.isinf(error) else f"± {error:.1g}"
    return f"{value:.4g} {doubt}"


def _modes(fits: RankedFits, some: NDArray[np.bool_]) -> str:
    return counted(fits.labels[i] for i in np.flatnonzero(some))


def _candidates(fits: RankedFits) -> Iterator[str]:
    """What else explains the curves, and which measurement would decide."""
    best, *others = (same[0] for same in fits.equations)
    if not others:
        yield f"{best} was the only candidate."
    elif fits.weight[0] >= SURE:
        yield f"Next comes {others[0]}, with {percent(fits.weight[1])} of the evidence."
    if same := fits.equations[0][1:]:
        yield (
            "No trajectory can distinguish it from candidates with the same mode equation: "
            f"{listed(same)}. The network's own depth would, or lam on a clock other than the "
            "paper's."
        )
    if (close := int(np.sum(fits.weight > RULED_OUT * fits.weight[0]))) > 1:
        shares = zip(others, fits.weight[1:close], strict=False)
        rivals = [f"{rival} ({percent(weight)})" for rival, weight in shares]
        yield f"These data do not rule out {listed(rivals)}."
        yield _decision(fits, 1)


class DecisiveMeasurement(NamedTuple):
    """Where two mode equations differ most, in standard deviations of a measurement."""

    mode: Any
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
    times = np.concatenate([[0.0], np.geomspace(0.1 * first, SEARCHED_AHEAD * t[-1], 600), t])
    times = np.unique(times)
    heights = np.stack([fits.fits[i].heights(times) for i in (0, rival)])
    values = fits.data.values(heights)
    apart = np.diff(np.where(fits.data.relative[:, None], heights, values), axis=0)[0]
    away = np.abs(apart) / fits.fits[0].sigma[:, None]
    predicted = ~_rho_undetermined(fits, rival)[:, None] | (times <= t[-1])
    away = np.where(np.isfinite(away) & predicted, away, 0.0)
    mode, at = np.unravel_index(int(away.argmax()), away.shape)
    best, other = values[:, mode, at]
    return DecisiveMeasurement(fits.labels[mode], times[at], best, other, float(away[mode, at]))


def _rho_undetermined(fits: RankedFits, rival: int) -> NDArray[np.bool_]:
    """Modes whose ``rho`` the best mode equation or the rival does not determine."""
    errors = np.array([fits.fits[i].stderr[:, 1] for i in (0, rival)])
    return np.asarray((errors > LOOSE).any(axis=0))


def _decision(fits: RankedFits, rival: int) -> str:
    name, found = fits.equations[rival][0], decisive(fits, rival)
    if found.size < DECISIVE:
        unknown = _rho_undetermined(fits, rival)
        if unknown.any():
            return (
                f"To rule out {name}, measure {_modes(fits, unknown)} at later times. How much "
                "later is not known, because rho is not."
            )
        return (
            f"No single measurement up to {SEARCHED_AHEAD:g} times the last time would rule out "
            f"{name} at this noise ({found.size:.2g} standard deviations at most). Measure more "
            "often or more accurately, give what is known (eps, lam, rho), or add modes with "
            "another rho."
        )
    when = "within the times measured" if found.t <= fits.data.t[-1] else "later than measured"
    size = f"{found.size:.2g}" if found.size < HUGE else f"more than {HUGE:g}"
    return (
        f"To rule out {name}, measure mode {found.mode} near t = {found.t:.4g} ({when}): "
        f"w = {found.best:.4g} against {found.rival:.4g}, {size} standard deviations of one "
        "measurement."
    )


def _residuals(fits: RankedFits) -> Iterator[str]:
    """Residuals that contradict a given ``sigma``, or that are outliers."""
    away, n = fits.residuals, fits.data.count[:, None]
    misfit = fits.misfit.size
    if fits.misfit.grade != "noise":
        so = (
            "Estimates change by about ten times the size of the misfit only, but standard errors "
            "do not hold here."
            if misfit.max() < SLIGHT
            else "Standard errors do not hold here."
        )
        yield (
            "Another objective, decoder or clock, a finite learning rate, an unbalanced "
            "initialisation or modes that mix would cause such a misfit; see "
            f"dlnflow.network.check_assumptions. {so}"
        )
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
    scatter = 1.4826 * np.median(np.abs(away), axis=1, keepdims=True)
    away = np.abs(away) / np.maximum(scatter, LEAST_SCATTER)
    off = (away > OUTLIER) & (misfit[:, None] > EXACT)
    off &= off.sum(axis=1, keepdims=True) <= np.maximum(1.0, OUTLIER_SHARE * n)
    if count := int(off.sum()):
        mode, at = np.unravel_index(int(np.where(off, away, 0.0).argmax()), off.shape)
        what = "1 point is an outlier:" if count == 1 else f"{count} points are outliers, the worst"
        yield (
            f"{what} mode {fits.labels[mode]} at t = {fits.data.t[at]:.4g}, by "
            f"{away[mode, at]:.2g} standard deviations of the other points. An outlier can change "
            "which candidate is best. Leave it out and compare."
        )


def _unmoved(fits: RankedFits) -> Iterator[str]:
    """Modes that did not move beyond their noise, or hardly."""
    still = ~fits.moved
    if still.any():
        levels = np.maximum(fits.data.w[still].mean(axis=1), 0.0)
        rho = listed([f"{one:.3g}" for one in levels ** fits.fits[0].trajectory.power])
        yield (
            f"{_sentence(_modes(fits, still))} did not move beyond the noise: lam is unknown, "
            f"and so is rho, unless this is the plateau: then rho is {rho} ({fits.best})."
        )
    low, _ = fits.interval(1, 0.95)
    ends = np.exp(fits.fits[0].heights(fits.data.t[[0, -1]]))
    for mode in np.flatnonzero(_hardly_moved(fits)):
        above = f"except that it is above {low[mode]:.2g}"
        known = above if low[mode] >= 0.0 else "and so is its sign"
        yield (
            f"Mode {fits.labels[mode]} hardly moved (from {ends[mode, 0]:.3g} to "
            f"{ends[mode, 1]:.3g}): rho is unknown, {known}. The mode may be near its plateau or "
            "far from it: measure longer."
        )


def _open(fits: RankedFits) -> NDArray[np.bool_]:
    """Modes whose ``rho`` may be infinite, or of either sign."""
    low, high = fits.interval(1, 0.95)
    endless = np.isinf(low) | np.isinf(high) | (low <= 0.0) & (high >= 0.0)
    return np.asarray(~fits.data.given[:, 1] & endless)


def _hardly_moved(fits: RankedFits) -> NDArray[np.bool_]:
    """Modes that moved, but by so little that ``rho`` is open."""
    little = np.abs(np.diff(fits.fits[0].heights(fits.data.t[[0, -1]]))[:, 0]) < np.log(HARDLY)
    return np.asarray(fits.moved & little & _open(fits))


def _unseen(fits: RankedFits) -> Iterator[str]:
    """Parts of a curve before, after or between the times."""
    seen = fits.seen
    start, end = seen[:, 0], seen[:, -1]
    described = ~fits.moved | _hardly_moved(fits)
    rises = (start > 0.0) & (start < 1.0) & ~described
    inside = np.sum((seen > LOW) & (seen < HIGH), axis=1)
    cases = (
        (
            "No transition seen",
            rises & (end < LOW),
            "only the initial growth is known, not the plateau. Measure longer",
        ),
        (
            "No plateau seen",
            rises & (end >= LOW) & (end < HIGH),
            "rho rests on the curvature of the curve alone. Measure longer",
        ),
        (
            "No initialisation seen",
            rises & (start > HALF),
            "eps and lam are extrapolated. Measure earlier",
        ),
        (
            "The transition falls between the times",
            rises & (start < LOW) & (end > HIGH) & (inside < FEW),
            "its shape, by which depths and objectives differ, is hardly sampled. Measure there",
        ),
    )
    for name, these, what in cases:
        if these.any():
            how_much = (
                "the plateau is not constrained"
                if (these & _open(fits)).any()
                else f"from {start[these].min():.2g} to {end[these].max():.2g} of the plateau, "
                f"{_plural(int(inside[these].min()), 'measurement')} between {LOW:g} and "
                f"{HIGH:g}"
            )
            yield f"{name} in {_modes(fits, these)} ({how_much}): {what}."
    high = fits.interval(1, 0.95)[1]
    falls = (start < 0.0) & (high <= 0.0) & ~described
    if falls.any():
        yield f"Suppressed, with negative lam and rho: {_modes(fits, falls)}."


def _undetermined(fits: RankedFits) -> Iterator[str]:
    errors, own = fits.log_errors, fits.fits[0].stderr
    still = ~fits.moved
    described = {"lam": still, "rho": still | _hardly_moved(fits)}
    for column, (name, these) in enumerate(described.items()):
        loose = (errors[:, column] > LOOSE) & ~these
        unknown = loose & (errors[:, column] > np.log(UNKNOWN_FACTOR))
        low, high = fits.interval(column, 0.95)
        bounded = unknown & np.isfinite(low) & np.isfinite(high)
        if (unknown & ~bounded).any():
            yield f"{name} is unknown in {_modes(fits, unknown & ~bounded)}."
        if bounded.any():
            ends = [f"{low[i]:.2g} and {high[i]:.2g}" for i in np.flatnonzero(bounded)]
            yield (
                f"{name} lies between {listed(ends)} in {_modes(fits, bounded)}, and may be close "
                "to 0."
            )
        loose &= ~unknown
        if loose.any():
            alone = fits.weight[0] > SURE or (own[loose, column] > LOOSE).any()
            why = "the data do not determine it" if alone else "the candidates differ in it"
            yield (
                f"In {_modes(fits, loose)} {name} is known only to a factor of "
                f"{np.exp(errors[loose, column].max()):.2g}, because {why}."
            )


def _scope(fits: RankedFits) -> Iterator[str]:
    """What the result assumes."""
    if fits.data.measure in UNITS:
        yield UNITS[fits.data.measure]
    if fits.clock == UNKNOWN:
        scale = fits.time_scale
        yield (
            "The clock's unit is unknown: lam is known up to one factor for all modes."
            if scale is None
            else f"One unit of t is {scale:.4g} of the paper's clock."
        )
    else:
        clock = fits.clock
        read = label(clock) if isinstance(clock, Training) else f"time on the {clock}'s clock"
        yield f"Times are read as {read}."
    L = fits.best.L
    depths = {one.L for equation in fits.equations for one in equation}
    if max(depths) == L and len(depths) > 1 and np.ptp(fits.aic) >= TIED:
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
        yield f"{_sentence(counted(map(fits.label, fits.constant)))} {verb} left out."

"""An identification in words: what is sure, what cannot be told apart, and what would decide it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlnflow.identification._result import UNKNOWN, Identification
from dlnflow.identification._words import NAMED, counted, listed
from dlnflow.theory._clock import Training, label

Array = NDArray[np.float64]

DECIDED = 10.0  # difference of Akaike's criterion: weights of 150 to 1
TIED = 0.1
LOOSE = 0.3  # of the standard error of log rho (or lam): by a third, so not determined
LOW, HALF, HIGH = 0.1, 0.5, 0.9  # of the plateau
FEW = 5  # measurements within a transition
PATTERN = 5.0  # standard errors of the residuals' correlation from point to point
EXACT = 1e-9  # a misfit, over the amplitude, that only rounding or an ODE's tolerance makes
AHEAD = 10.0  # how many times the measured time is searched for a decision
TELLING = 3.0  # standard deviations of one measurement
BEYOND = 1e4
SURE = 0.95  # weight of a candidate that leaves the others no say
FACTOR = 1e3  # a number known no better than to so much is not known
HARDLY = 1.5  # from the first amplitude to the last
SLIGHT = 5e-3  # of the amplitude: a misfit of that size leaves the estimates about as good
WILD = 8.0  # standard deviations, by the other points' scatter, at which a point stands alone
LEAST = 1e-3  # of the noise's estimate that the scatter of most points can be
ALONE = 0.05  # of the points at most may do so


def sentences(found: Identification) -> Iterator[str]:
    """The explanation, sentence by sentence."""
    yield _verdict(found)
    yield from _same_equation(found)
    yield from _rivals(found)
    yield from _misfit(found)
    yield from _noise(found)
    yield from _wild(found)
    yield from _still(found)
    yield from _unseen(found)
    yield from _undetermined(found)
    yield from _scope(found)


def summary(found: Identification) -> str:
    """The few lines that stand for an identification on the screen."""
    modes = len(found.w)
    lines = [
        f"Identification: {found.candidate}, {100.0 * found.weight[0]:.3g} % of the evidence among "
        f"{_equations(len(found._laws))}",
        f"  {modes} mode{'s' if modes > 1 else ''}, {found.t.size} times to {found.t[-1]:.4g}",
    ]
    errors = found.stderr
    told = np.zeros((modes + len(found.constant), 3), dtype=bool)
    told[found._places] = found._told
    for column, name in enumerate(("lam", "rho")):
        some = zip(
            np.atleast_1d(getattr(found, name))[:NAMED],
            np.atleast_1d(getattr(errors, name)),
            told[:, column],
            strict=False,
        )
        shown = ", ".join(_estimate(*one) for one in some)
        more = f", … ({len(told)} in all)" if len(told) > NAMED else ""
        lines.append(f"  {name} {shown}{more}")
    return "\n".join(lines)


def _estimate(value: float, error: float, told: bool) -> str:
    if told:
        return f"{value:.4g} (told)"
    if np.isinf(error):
        return f"{value:.4g} (open)"
    return f"{value:.4g} ± {error:.1g}"


def _equations(count: int) -> str:
    return f"{count} mode equation{'s' if count > 1 else ''}"


def _verdict(found: Identification) -> str:
    tried = found.weight.size
    if tried == 1:
        return f"{found.candidate} was the only candidate."
    ahead = found.aic[1] - found.aic[0]
    if ahead < TIED:
        tied = int(np.sum(np.array(found.aic) - found.aic[0] < TIED))
        return (
            f"{tied} of {tried} mode equations explain these trajectories equally well; the first "
            f"of them is {found.candidate}."
        )
    return (
        f"{found.candidate} explains these trajectories best: {100.0 * found.weight[0]:.3g} % of "
        f"the evidence among {_equations(tried)}; next comes {found._laws[1].first} (AIC higher "
        f"by {ahead:.3g})."
    )


def _same_equation(found: Identification) -> Iterator[str]:
    same = found.equivalent
    if same:
        yield (
            f"The same mode equation, so that no trajectory tells them apart: "
            f"{listed([str(one) for one in same])}. What would: the network's own depth, or lam "
            "on a clock other than the paper's."
        )


def _rivals(found: Identification) -> Iterator[str]:
    close = [i for i, aic in enumerate(found.aic) if i > 0 and aic - found.aic[0] < DECIDED]
    if not close:
        return
    names = listed([f"{found._laws[i].first} ({100 * found.weight[i]:.2g} %)" for i in close])
    yield f"Not told apart from it by these data: {names}."
    yield _decision(found, close[0])


def _deviations(size: float) -> str:
    return f"{size:.2g} standard deviations" if size < BEYOND else "far beyond the noise"


class _Test(NamedTuple):
    """Where two explanations differ most, in standard deviations of a measurement."""

    mode: int
    t: float
    one: float
    other: float
    size: float


def _decision(found: Identification, rival: int) -> str:
    test = decisive(found, rival)
    against = f"{found._laws[rival].first}"
    if test.size < TELLING and _plateau_lost(found, rival).any():
        return (
            f"What would decide against {against}: later times, in "
            f"{_modes(found, _plateau_lost(found, rival))}, whose rho is not known; so it cannot "
            "be said how much later."
        )
    if test.size < TELLING:
        return (
            f"No single measurement up to {AHEAD:g} times the last would decide against {against} "
            f"at this noise ({test.size:.2g} standard deviations at most): measure more often or "
            "more exactly, give what is known (eps, lam, rho), or add modes with another rho."
        )
    when = "within the times measured" if test.t <= found.t[-1] else "later than measured so far"
    return (
        f"What would decide against {against}: mode {test.mode} near t = {test.t:.4g} ({when}), "
        f"w = {test.one:.4g} against {test.other:.4g}, {_deviations(test.size)} of one measurement."
    )


def decisive(found: Identification, rival: int) -> _Test:
    """The time and mode at which the best explanation and a rival differ most.

    A mode whose ``rho`` either leaves open is not foretold beyond the times measured.
    """
    first = found.t[found.t > 0.0][0]
    times = np.unique(
        np.concatenate([[0.0], np.geomspace(0.1 * first, AHEAD * found.t[-1], 600), found.t])
    )
    curves = [found._judged[i].fit.heights(found._trajectory(i), times) for i in (0, rival)]
    one, other = map(np.exp, curves)
    away = np.where(found._data.relative[:, None], curves[0] - curves[1], one - other)
    away = np.abs(away) / found._judged[0].sigma[:, None]
    foretold = ~_plateau_lost(found, rival)[:, None] | (times <= found.t[-1])
    away = np.where(np.isfinite(away) & foretold, away, 0.0)
    mode, at = np.unravel_index(int(away.argmax()), away.shape)
    place = found._places[mode]
    return _Test(place, times[at], one[mode, at], other[mode, at], float(away[mode, at]))


def _plateau_lost(found: Identification, rival: int) -> NDArray[np.bool_]:
    """Modes whose rho the best explanation or the rival does not tell."""
    errors = np.array([found._judged[i].stderr[:, 1] for i in (0, rival)])
    return np.asarray((errors > LOOSE).any(axis=0))


def _relative_misfit(found: Identification) -> Array:
    """Size of each mode's residuals over its amplitude."""
    best, data = found._judged[0], found._data
    return np.asarray(np.sqrt(best.fit.cost / data.t.size))


def _misfit(found: Identification) -> Iterator[str]:
    """Residuals that go on from point to point: a curve that none of the candidates has."""
    n = found.t.size
    away = np.atleast_2d(found.residuals)
    relative_misfit = _relative_misfit(found)
    power = np.sum(away**2, axis=1)
    follow = np.sum(away[:, 1:] * away[:, :-1], axis=1) / np.where(power > 0.0, power, 1.0)
    bad = (follow * np.sqrt(n) > PATTERN) & (relative_misfit > EXACT)
    if bad.any():
        worst = float(relative_misfit[bad].max())
        so = (
            "So small a misfit moves lam and rho little, by some ten times its size, but standard "
            "errors do not hold here."
            if worst < SLIGHT
            else "Standard errors do not hold here."
        )
        yield (
            f"But no candidate is right: the residuals of {_modes(found, bad)} are no noise, they "
            f"go on from point to point (size {worst:.2g} of the amplitude). Another objective, "
            "decoder or clock, a finite learning rate, an unbalanced start or modes that mix would "
            f"do this: see dlnflow.network.check_assumptions. {so}"
        )


def _noise(found: Identification) -> Iterator[str]:
    """A ``sigma`` that the residuals contradict."""
    excess = np.atleast_1d(found.sigma_excess)[found._places]
    for these, what in (
        (excess > 1.0, "errors and weights that rest on it are too small"),
        (excess < 1.0, "errors and intervals that rest on it are too wide"),
    ):
        if these.any():
            least, most = excess[these].min(), excess[these].max()
            times = f"{most:.2g}" if least == most else f"{least:.2g} to {most:.2g}"
            yield (
                f"The data contradict the sigma given: the residuals of {_modes(found, these)} are "
                f"{times} times as large, so that {what}."
            )


def _wild(found: Identification) -> Iterator[str]:
    """Single points far off the others' scatter."""
    away = np.abs(np.atleast_2d(found.residuals))
    usual = np.maximum(1.4826 * np.median(away, axis=1, keepdims=True), LEAST)
    off = (away > WILD * usual) & (_relative_misfit(found)[:, None] > EXACT)
    off &= off.sum(axis=1, keepdims=True) <= max(1.0, ALONE * found.t.size)
    if off.any():
        mode, at = np.unravel_index(int(np.where(off, away / usual, 0.0).argmax()), off.shape)
        count = int(off.sum())
        points = "1 point lies" if count == 1 else f"{count} points lie"
        worst = "in" if count == 1 else "most so in"
        yield (
            f"{points} far off the others' scatter, {worst} mode {found._places[mode]} at t = "
            f"{found.t[at]:.4g}, by "
            f"{away[mode, at] / usual[mode, 0]:.2g} of its standard deviations: a wild point can "
            "decide between candidates. Leave it out and see."
        )


def _still(found: Identification) -> Iterator[str]:
    """Modes that did not move beyond their noise, or hardly."""
    still = ~found._confidence.moved
    if still.any():
        levels = np.maximum(found.w[still].mean(axis=1), 0.0) ** found._trajectory(0).power
        rest = listed([f"{level:.3g}" for level in levels])
        yield (
            f"{_modes(found, still).capitalize()} did not move beyond the noise: nothing is known "
            f"of lam, and rho is {rest} ({found.candidate}) if that is the plateau, else unknown."
        )
    low, _ = found._confidence.interval(1, 0.95)
    for mode in np.flatnonzero(_hardly(found)):
        first, last = found._curves(found.t[[0, -1]])[mode]
        known = (
            ", not even its sign" if low[mode] < 0.0 else f" but that it is above {low[mode]:.2g}"
        )
        yield (
            f"Mode {found._places[mode]} hardly moved (from {first:.3g} to {last:.3g}): nothing is "
            f"known of rho{known}. It may stand near its plateau or be far from it: measure "
            "longer."
        )


def _open(found: Identification) -> NDArray[np.bool_]:
    """Modes whose ``rho`` may be infinite, or of either sign."""
    low, high = found._confidence.interval(1, 0.95)
    return np.asarray(
        ~found._told[:, 1] & (np.isinf(low) | np.isinf(high) | (low <= 0.0) & (high >= 0.0))
    )


def _hardly(found: Identification) -> NDArray[np.bool_]:
    """Modes that moved, but by so little that ``rho`` is open."""
    heights = found._judged[0].fit.heights(found._trajectory(0), found.t[[0, -1]])
    little = np.abs(np.diff(heights, axis=1)[:, 0]) < np.log(HARDLY)
    return np.asarray(found._confidence.moved & little & _open(found))


def _unseen(found: Identification) -> Iterator[str]:
    """What of a curve lies outside the times, or between them."""
    part = found.seen
    start, end = part[:, 0], part[:, -1]
    told_of = ~found._confidence.moved | _hardly(found)
    rises = (start > 0.0) & (start < 1.0) & ~told_of
    inside = np.sum((part > LOW) & (part < HIGH), axis=1)
    cases = (
        (
            "No transition seen",
            rises & (end < LOW),
            "only how fast the mode sets out is known, not where it is going: measure longer",
        ),
        (
            "No plateau seen",
            rises & (end >= LOW) & (end < HIGH),
            "rho rests on the bend of the curve alone: measure longer",
        ),
        (
            "No start seen",
            rises & (start > HALF),
            "eps and the wait are extrapolated: measure earlier",
        ),
        (
            "The transition falls between the times",
            rises & (start < LOW) & (end > HIGH) & (inside < FEW),
            "its shape, by which depths and objectives differ, is hardly sampled: measure there",
        ),
    )
    for name, these, what in cases:
        if these.any():
            how_much = (
                "the plateau is not constrained"
                if (these & _open(found)).any()
                else f"from {start[these].min():.2g} to {end[these].max():.2g} of the plateau, "
                f"{inside[these].min()} measurements within {LOW:g} to {HIGH:g}"
            )
            yield f"{name} in {_modes(found, these)} ({how_much}): {what}."
    high = found._confidence.interval(1, 0.95)[1]
    falls = (start < 0.0) & (high <= 0.0) & ~told_of
    if falls.any():
        yield f"Falling to 0, suppressed, with negative lam and rho: {_modes(found, falls)}."


def _modes(found: Identification, some: NDArray[np.bool_]) -> str:
    return counted(found._places[i] for i in np.flatnonzero(some))


def _undetermined(found: Identification) -> Iterator[str]:
    doubt, own = found._log_errors, found._judged[0].stderr
    told_of = ~found._confidence.moved, ~found._confidence.moved | _hardly(found)
    for column, name in enumerate(("lam", "rho")):
        loose = (doubt[:, column] > LOOSE) & ~told_of[column]
        lost = loose & (doubt[:, column] > np.log(FACTOR))
        low, high = found._confidence.interval(column, 0.95) / (found._unit if column == 0 else 1.0)
        within = lost & np.isfinite(low) & np.isfinite(high)
        if (lost & ~within).any():
            yield f"{name} is not known in {_modes(found, lost & ~within)}."
        if within.any():
            ends = [f"{one:.2g} and {other:.2g}" for one, other in zip(low, high, strict=True)]
            some = listed([ends[i] for i in np.flatnonzero(within)])
            yield f"{name} lies between {some} in {_modes(found, within)}, and may be next to 0."
        loose &= ~lost
        if loose.any():
            one = found.weight[0] > SURE or (own[loose, column] > LOOSE).any()
            why = "no candidate tells it" if one else "each candidate has its own"
            yield (
                f"In {_modes(found, loose)} {name} is known to a factor of "
                f"{np.exp(doubt[loose, column].max()):.2g} only: {why}."
            )


def _scope(found: Identification) -> Iterator[str]:
    if found.clock == UNKNOWN:
        scale = found.time_scale
        yield (
            "The clock's unit is unknown: lam is known up to one factor for all modes."
            if scale is None
            else f"One unit of t is {scale:.4g} of the paper's clock."
        )
    else:
        yield f"Times are read as {_clock(found)}."
    depths = [one.L for law in found._laws for one in law.candidates]
    level = bool(np.ptp(found.ranking["delta_aic"]) < TIED)
    if max(depths) == found.L and len(set(depths)) > 1 and not level:
        yield (
            f"L = {found.L} is the deepest that was tried: deeper ones may explain more "
            f"(L=range(1, {2 * found.L + 1}))."
        )
    if len(found.w) == 1 and len(found._laws) > 1:
        yield (
            "One mode only: the verdict rests on the shape of one curve. A second mode with "
            "another rho would test what tells the objectives apart: how times and plateaus depend "
            "on rho."
        )
    if found.constant:
        verb = "never moves and was" if len(found.constant) == 1 else "never move and were"
        yield f"{counted(found.constant).capitalize()} {verb} set aside."


def _clock(found: Identification) -> str:
    if isinstance(found.clock, Training):
        return label(found.clock)
    return f"time on the {found.clock}'s clock"

"""An identification in words: what is sure, what cannot be told apart, and what would decide it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlnflow.clock import Training, label
from dlnflow.identification._result import UNKNOWN, Identification

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
LARGEST = 700.0  # of an exponent
NAMED = 4  # candidates or modes listed by name


def sentences(found: Identification) -> Iterator[str]:
    """The explanation, sentence by sentence."""
    yield _verdict(found)
    yield from _same_equation(found)
    yield from _rivals(found)
    yield from _misfit(found)
    yield from _unseen(found)
    yield from _undetermined(found)
    yield from _scope(found)


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
        f"the evidence among {tried} mode equations; next comes {found._laws[1].first} (AIC higher "
        f"by {ahead:.3g})."
    )


def _same_equation(found: Identification) -> Iterator[str]:
    same = found.equivalent
    if same:
        yield (
            f"The same mode equation, so that no trajectory tells them apart: "
            f"{_listed([str(one) for one in same])}. What would: the network's own depth, or lam "
            "on a clock other than the paper's."
        )


def _rivals(found: Identification) -> Iterator[str]:
    close = [i for i, aic in enumerate(found.aic) if i > 0 and aic - found.aic[0] < DECIDED]
    if not close:
        return
    names = _listed([f"{found._laws[i].first} ({100 * found.weight[i]:.2g} %)" for i in close])
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
    """The time and mode at which the best explanation and a rival differ most."""
    first = found.t[found.t > 0.0][0]
    times = np.unique(
        np.concatenate([[0.0], np.geomspace(0.1 * first, AHEAD * found.t[-1], 600), found.t])
    )
    curves = [found._judged[i].fit.heights(found._trajectory(i), times) for i in (0, rival)]
    one, other = map(np.exp, curves)
    away = np.where(found._data.relative[:, None], curves[0] - curves[1], one - other)
    away = np.abs(away) / found._judged[0].sigma[:, None]
    away = np.where(np.isfinite(away), away, 0.0)
    mode, at = np.unravel_index(int(away.argmax()), away.shape)
    place = found._places[mode]
    return _Test(place, times[at], one[mode, at], other[mode, at], float(away[mode, at]))


def _misfit(found: Identification) -> Iterator[str]:
    """Residuals that go on from point to point: a curve that none of the candidates has."""
    n = found.t.size
    away = np.atleast_2d(found.residuals)
    relative_misfit = found._judged[0].sigma / np.where(
        found._data.relative, 1.0, found.w.max(axis=1)
    )
    power = np.sum(away**2, axis=1)
    follow = np.sum(away[:, 1:] * away[:, :-1], axis=1) / np.where(power > 0.0, power, 1.0)
    bad = (follow * np.sqrt(n) > PATTERN) & (relative_misfit > EXACT)
    if bad.any():
        modes = _modes(found, np.flatnonzero(bad))
        worst = float(relative_misfit[bad].max())
        yield (
            f"But no candidate is right: the residuals of mode {modes} are no noise, they go on "
            f"from point to point (size {worst:.2g} of the amplitude). Another objective, decoder "
            "or clock, an unbalanced start or modes that mix would do this: see "
            "dlnflow.network.check_assumptions. Standard errors do not hold here."
        )


def _unseen(found: Identification) -> Iterator[str]:
    """What of a curve lies outside the times, or between them."""
    part = found.seen
    start, end = part[:, 0], part[:, -1]
    rises = (start > 0.0) & (start < 1.0)
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
            modes = np.flatnonzero(these)
            yield (
                f"{name} in mode {_modes(found, modes)} (from {start[modes].min():.2g} to "
                f"{end[modes].max():.2g} of the plateau, {inside[modes].min()} measurements within "
                f"{LOW:g} to {HIGH:g}): {what}."
            )
    falls = np.flatnonzero(start < 0.0)
    if falls.size:
        yield f"Falling to 0, suppressed, with negative lam and rho: mode {_modes(found, falls)}."


def _modes(found: Identification, some: NDArray[np.intp]) -> str:
    return _listed([str(found._places[i]) for i in some])


def _undetermined(found: Identification) -> Iterator[str]:
    doubt, own = np.sqrt(found._variance), found._judged[0].stderr
    for column, name in enumerate(("lam", "rho")):
        loose = np.flatnonzero(doubt[:, column] > LOOSE)
        if loose.size:
            why = "no candidate" if (own[loose, column] > LOOSE).any() else "each candidate its own"
            wide = np.exp(min(doubt[loose, column].max(), LARGEST))
            yield (
                f"{name} is known to a factor of {wide:.2g} only in mode {_modes(found, loose)}: "
                f"{why} value."
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
    if max(depths) == found.L and len(set(depths)) > 1:
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
        yield f"Mode {_listed(list(map(str, found.constant)))} never moves and was set aside."


def _clock(found: Identification) -> str:
    if isinstance(found.clock, Training):
        return label(found.clock)
    return f"time on the {found.clock}'s clock"


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"

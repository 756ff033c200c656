"""Whole networks trained beside a prediction, to confirm or to refute it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dlnflow._common._progress import Progress, Show
from dlnflow.data._prediction import FeaturePrediction, Verification
from dlnflow.network._flow import gradient_flow
from dlnflow.network._initialise import balanced
from dlnflow.network._learning import crossing_times, loss_times, order_agreement
from dlnflow.network._probe import signal_to_noise
from dlnflow.network._question import Question
from dlnflow.network._subspace import LOST

Array = NDArray[np.float64]
IntArray = NDArray[np.intp]

VERIFIED_RTOL = 1e-6
CONTRADICTED = 0.1  # share of the times beyond their bounds above which nothing is believed
COARSE_TIMES, FINE_TIMES = 200, 30  # of a verification, and on each side of every transition
NEARBY = (1e-4, 0.3)  # distances of the latter in logarithms: units may pass a feature in a moment


def verified(question: Question, parts: dict[str, FeaturePrediction], tracker: Progress) -> None:
    """Train whole networks beside the predictions, until the time is up, and add what they did."""
    predicted = dict(parts)
    parts.update({name: _added(part, _untrained(part, tracker)) for name, part in parts.items()})
    for i, (name, part) in enumerate(predicted.items()):
        left = tracker.limit - tracker.seconds
        if left <= 0.0:
            tracker.stopped = f"max_seconds = {tracker.limit:g} ran out"
        elif part.mode.size and tracker.stopped is None:

            def show(done: float, text: str, before: int = i) -> None:
                if done < 1.0:
                    tracker.report((before + done) / len(predicted), text)

            found = _trained(question, part, show, left)
            if found.stopped and tracker.seconds >= tracker.limit:
                found = replace(found, stopped=f"max_seconds = {tracker.limit:g} ran out")
            tracker.stopped = found.stopped
            parts[name] = _added(part, found)
            continue
        parts[name] = _added(part, _untrained(part, tracker))


def _added(part: FeaturePrediction, found: Verification) -> FeaturePrediction:
    """The prediction with what a network did, and how far the two agree."""
    due = np.isfinite(part.time) & (part.time <= found.until) & np.isfinite(part.bound)
    with np.errstate(divide="ignore", invalid="ignore"):
        beyond = np.abs(np.log(found.time / part.time)) > part.bound
    wrong = part.mode[due & beyond]
    believed = part.believed and wrong.size <= CONTRADICTED * max(int(due.sum()), 1)
    verdict = f"{part.verdict} {_said(part, found, wrong)}"
    return replace(part, verification=found, believed=believed, verdict=verdict)


def _untrained(part: FeaturePrediction, tracker: Progress) -> Verification:
    never = np.full(part.mode.size, np.inf)
    return Verification(never, never, None, float("nan"), 0.0, tracker.stopped, None)


def _trained(
    question: Question, part: FeaturePrediction, show: Show, seconds: float
) -> Verification:
    """A whole network on the data, and what it learned when."""
    xx, yx = (question.scale * matrix for matrix in question.covariances)
    depth, eps = question.decoder_depth, question.eps
    run = gradient_flow(
        balanced(xx, yx, question.L, eps=eps, decoder_depth=depth),
        xx,
        yx,
        objective=part.objective,
        t=_times(part),
        clock=question.clock,
        rtol=VERIFIED_RTOL,
        keep="encoder",
        progress=show,
        max_seconds=None if np.isinf(seconds) else seconds,
    )
    height = signal_to_noise(run.probe_r2(question.span.T @ part.features, p=question.p).T)
    level = np.ones(len(height))
    time = crossing_times(run.t, height, level)
    followed = run.t <= max(part.until, run.t[0])
    lost = loss_times(run.t[followed], height[:, followed], level)
    until = float(run.t[-1])
    due = part.time <= until
    counted = due | np.isfinite(time)
    agreement = order_agreement(np.where(due, part.time, np.inf)[counted], time[counted])
    both = due & np.isfinite(time)
    off = np.abs(time[both] / part.time[both] - 1.0)
    median = float(np.median(off)) if off.size else float("nan")
    return Verification(time, lost, agreement.tau, median, until, run.stopped, run)


def _times(part: FeaturePrediction) -> Array:
    """Times that resolve every predicted transition, and go on for a while."""
    known = part.time[np.isfinite(part.time)]
    if not known.size:
        return np.linspace(0.0, part.until, COARSE_TIMES)
    offsets = np.geomspace(*NEARBY, FINE_TIMES)
    around = known[:, None] * np.exp(np.concatenate([-offsets, [0.0], offsets]))
    coarse = np.geomspace(0.1 * known.min(), LOST * known.max(), COARSE_TIMES)
    every = np.unique(np.concatenate([[0.0], coarse, around.ravel()]))
    return every[every <= coarse[-1]]


def _said(part: FeaturePrediction, found: Verification, wrong: IntArray) -> str:
    """What the trained network says, in words."""
    if found.run is None:
        return f"No network was trained beside it ({found.stopped or 'nothing is left to learn'})."
    early = f"; its training ended early ({found.stopped})" if found.stopped else ""
    known = np.isfinite(found.time)
    if not known.any():
        return f"A whole network trained beside it learned none by t = {found.until:.3g}{early}."
    order = "" if found.tau is None else f"in this order with Kendall's tau {found.tau:.2g}, "
    both = known & np.isfinite(part.time)
    off = np.abs(found.time[both] / part.time[both] - 1.0)
    times = f"at times {_percent(found.median_error)} off in the median"
    times += f" and {_percent(float(off.max()))} at most" if off.size else ""
    lost = int(np.isfinite(found.lost_time).sum())
    again = f" {lost} of them {'was' if lost == 1 else 'were'} lost again." if lost else ""
    against = ", ".join(map(str, wrong))
    doubt = (
        f" It contradicts the prediction beyond the bound for mode {against}." if against else ""
    )
    return (
        f"A whole network trained beside it learned {int(known.sum())} of {known.size} features by "
        f"t = {found.until:.3g}, {order}{times}{early}.{again}{doubt}"
    )


def _percent(share: float) -> str:
    return "less than 0.01 %" if share < 1e-4 else f"{100.0 * share:.2g} %"

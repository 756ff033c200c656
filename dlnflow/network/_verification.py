"""Whole networks trained beside a prediction, to confirm or to refute it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dlnflow._common._progress import Progress
from dlnflow.data._prediction import FeaturePrediction, Verification
from dlnflow.network._flow import gradient_flow
from dlnflow.network._initialise import balanced
from dlnflow.network._learning import crossing_times, loss_times, order_agreement
from dlnflow.network._question import Question

Array = NDArray[np.float64]

VERIFIED_RTOL = 1e-6
COARSE_TIMES, FINE_TIMES = 200, 30  # of a verification, and on each side of every transition
NEARBY = (1e-4, 0.3)  # distances of the latter in logarithms: units may pass a feature in a moment
AFTER = 1.5  # end of a verification over the last predicted time


def verified(
    question: Question, parts: dict[str, FeaturePrediction], tracker: Progress
) -> dict[str, FeaturePrediction]:
    """The predictions with whole networks trained beside them, until the time is up."""
    done: dict[str, Verification] = {}
    with tracker:
        for name, part in parts.items():
            left = tracker.limit - tracker.seconds
            over = left <= 0.0
            if part.mode.size and not over:
                done[name] = _trained(question, part, tracker, left, len(done) / len(parts))
                tracker.stopped = done[name].stopped
                over = bool(tracker.stopped) and tracker.seconds >= tracker.limit
            if over:
                tracker.stopped = f"max_seconds = {tracker.limit:g} ran out"
            if tracker.stopped:
                break
    tracker.raise_error(parts)
    found = {
        name: replace(done[name], stopped=tracker.stopped)
        if name in done and done[name].stopped
        else done.get(name) or _untrained(part, tracker)
        for name, part in parts.items()
    }
    return {
        name: replace(
            part, verification=found[name], verdict=f"{part.verdict} {_said(found[name])}"
        )
        for name, part in parts.items()
    }


def _untrained(part: FeaturePrediction, tracker: Progress) -> Verification:
    never = np.full(part.mode.size, np.inf)
    return Verification(never, never, None, float("nan"), 0.0, tracker.stopped, None)


def _trained(
    question: Question, part: FeaturePrediction, tracker: Progress, seconds: float, share: float
) -> Verification:
    """A whole network on the data, and what it learned when."""
    xx, yx = question.covariances
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
        progress=lambda done, text: tracker.report(share + done * (1.0 - share), text),
        max_seconds=None if np.isinf(seconds) else seconds,
    )
    r2 = run.probe_r2(question.span.T @ part.features, p=question.p).T
    with np.errstate(divide="ignore"):
        height = np.sqrt(r2 / (1.0 - r2))
    level = np.ones(len(height))
    time, lost = crossing_times(run.t, height, level), loss_times(run.t, height, level)
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
    coarse = np.geomspace(0.1 * known.min(), AFTER * known.max(), COARSE_TIMES)
    every = np.unique(np.concatenate([[0.0], coarse, around.ravel()]))
    return every[every <= coarse[-1]]


def _said(found: Verification) -> str:
    """What the trained network says, in words."""
    early = f"; its training ended early ({found.stopped})" if found.stopped else ""
    learned_ = int(np.isfinite(found.time).sum())
    if found.run is None:
        return f"No network was trained beside it ({found.stopped or 'nothing is left to learn'})."
    if not learned_:
        return f"A whole network trained beside it learned none by t = {found.until:.3g}{early}."
    order = "" if found.tau is None else f"in this order with Kendall's tau {found.tau:.2g}, "
    lost = int(np.isfinite(found.lost_time).sum())
    again = f" {lost} of them {'was' if lost == 1 else 'were'} lost again by then." if lost else ""
    return (
        f"A whole network trained beside it learned {learned_} of {found.time.size} features by "
        f"t = {found.until:.3g}, {order}at times {100.0 * found.median_error:.2g} % off in the "
        f"median{early}."
        f"{again}"
    )

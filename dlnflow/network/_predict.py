"""What networks would learn first from the data of a spectrum: `Spectrum.predict`.

Two stages. From a small initialisation features grow along the singular vectors of ``Sigma_yx``,
each as a mode alone: the closed form. Then units of a JEPA turn to features of larger ``rho``: the
flow of a small network on the leading directions of the data, see `dlnflow.network._subspace`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dlnflow._common import _validate
from dlnflow._common._progress import Progress, ProgressOption
from dlnflow.data._prediction import FeaturePrediction, Prediction
from dlnflow.data._record import order_probability
from dlnflow.data._spectrum import Spectrum
from dlnflow.data._trust import TRUST, doubts, misfit
from dlnflow.network._question import Question
from dlnflow.network._subspace import (
    FINE,
    READ,
    RTOL,
    BalancedFlow,
    Learned,
    Subspace,
    learned,
)
from dlnflow.network._verification import verified
from dlnflow.theory._clock import Clock, network_time
from dlnflow.theory._critical_time import critical_time_of
from dlnflow.theory._objective import Objective, Objectives, as_objectives
from dlnflow.theory._probe import default_floor
from dlnflow.theory._scaled_modes import validated

Array = NDArray[np.float64]
IntArray = NDArray[np.intp]

FIRST = 8  # features predicted by default
CANDIDATES = 2  # times the features asked for: modes of largest lam among which they are found
MOST_STEPS = 5000  # of the integrator
LEAST_SECONDS = 1.0  # for each size, however little time is left
BEYOND = 4.0  # end of the flow over the closed form's last critical time
SAME = 6e-3  # relative error of the flow's times: the closed form, if as near, is taken instead
CONVERGED = 0.1  # relative difference of times between two sizes that stops the refinement
LEAST_BOUND = 0.02
BELIEVED = 0.3  # largest error expected of a prediction that holds


def predict(
    spectrum: Spectrum,
    L: int,
    *,
    eps: float,
    objective: Objectives,
    modes: int | None,
    p: float,
    decoder_depth: int,
    clock: Clock,
    verify: bool,
    max_seconds: float | None,
    progress: ProgressOption,
) -> Prediction:
    """What networks would learn first; see `Spectrum.predict`."""
    learnable = int(np.sum(spectrum.lam > 0.0))
    if not learnable:
        raise ValueError(
            "spectrum must have a mode with positive lam to predict features: got none, and "
            "neither objective learns any"
        )
    count = min(FIRST, learnable) if modes is None else _validate.positive_integer("modes", modes)
    if count > learnable:
        raise ValueError(
            f"modes must lie in 1..{learnable}, the modes with positive lam: got {modes}"
        )
    if not isinstance(verify, bool | np.bool_):
        raise TypeError(f"verify must be True or False: got {verify!r}")
    question = Question(
        spectrum,
        _validate.positive_integer("L", L),
        _validate.positive_integer("decoder_depth", decoder_depth),
        _validate.number("eps", eps, _validate.positive),
        _validate.number("p", p, _validate.fraction),
        clock,
        count,
    )
    network_time(clock, question.L)
    several = as_objectives(objective)
    tracker = Progress(progress, max_seconds)
    parts: dict[str, FeaturePrediction] = {}

    def made() -> Prediction:
        depths = question.L, question.decoder_depth
        return Prediction(*depths, question.eps, question.p, clock, parts)

    with tracker:
        for one in several:
            parts[one.name] = _part(question, one, tracker)
        if verify:
            verified(question, parts, tracker)
    if len(parts) < len(several) and tracker.error is None:
        raise KeyboardInterrupt
    return tracker.result("prediction", parts, made)


def _part(question: Question, objective: Objective, tracker: Progress) -> FeaturePrediction:
    candidates = Candidates.of(question, objective)
    found, bound, dimensions = _converged(question, objective, candidates, tracker)
    time, lost = found.time / question.unit, found.lost / question.unit
    with np.errstate(invalid="ignore"):
        agrees = np.abs(time / candidates.closed_form - 1.0) <= SAME
    if found.stopped and misfit(question.spectrum) <= TRUST.exact:
        agrees |= np.isinf(time)  # the closed form is exact where the flow could not be followed
    time = np.where(agrees, candidates.closed_form, time)
    bound = np.where(agrees & np.isinf(found.time), LEAST_BOUND, bound)
    rows = np.sort(np.lexsort((candidates.closed_form, time))[: question.count])
    mode = candidates.mode[rows]
    spectrum = question.spectrum
    part = FeaturePrediction(
        objective=objective,
        mode=mode,
        lam=spectrum.lam[mode],
        rho=spectrum.rho[mode],
        time=time[rows],
        lost_time=lost[rows],
        closed_form=candidates.closed_form[rows],
        bound=np.where(np.isfinite(time), bound, np.inf)[rows],
        features=spectrum.filters[:, mode] / np.sqrt(spectrum.variance[mode]),
        probability=None,
        dimensions=dimensions,
        until=found.until / question.unit,
        started=candidates.started,
        believed=False,
        verdict="",
        labels=spectrum.labels and tuple(spectrum.labels[one] for one in mode),
    )
    part = replace(part, probability=_probability(question, part))
    return _judged(question, part, found.stopped)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Modes that may be among the first: those of largest lam that start below their plateau."""

    mode: IntArray
    started: IntArray  # those that start above it
    closed_form: Array
    flow: BalancedFlow

    @classmethod
    def of(cls, question: Question, objective: Objective) -> Candidates:
        spectrum, L, P = question.spectrum, question.L, question.decoder_depth
        mode = np.flatnonzero(spectrum.lam > 0.0)[: CANDIDATES * question.count]
        lam, rho = spectrum.lam[mode], spectrum.rho[mode]
        given = validated(lam, rho, L, question.eps, P, None)
        times = critical_time_of(given.under(objective, question.clock), np.asarray(question.p))
        started = mode[times == 0.0]
        mode, rho, times = (some[times > 0.0] for some in (mode, rho, times))
        xx, yx = question.covariances
        deviation = np.sqrt(spectrum.variance[mode] / question.scale)
        filters = question.span.T @ spectrum.filters[:, mode] / deviation
        size = np.linalg.norm(xx @ filters, axis=0)
        sigma = size * default_floor(objective.plateau(rho, L, P), question.p)
        m = int(objective.layer(L))
        read = min(READ, 0.5 * (1.0 / question.p - 1.0))  # stays below the plateau
        flow = BalancedFlow(xx, yx, m, L, P, question.eps, filters, sigma, read)
        return cls(mode, started, times, flow)


def _converged(
    question: Question, objective: Objective, candidates: Candidates, tracker: Progress
) -> tuple[Learned, Array, int]:
    """Times from a flow that is large enough, their relative errors, and its dimensions.

    The whole space is integrated twice, with two tolerances.
    """
    closed_form = np.sort(candidates.closed_form)
    if not closed_form.size:
        nothing = np.empty(0)
        return Learned(nothing, nothing, nothing, nothing, 0.0), nothing, 0
    end = BEYOND * float(closed_form[min(question.count, closed_form.size) - 1]) * question.unit

    def integrated(subspace: Subspace, rtol: Mapping[str, float]) -> Learned:
        left = max(tracker.limit - tracker.seconds, LEAST_SECONDS)
        return learned(
            candidates.flow,
            subspace,
            wanted=question.count,
            end=end,
            most_steps=MOST_STEPS,
            tracker=Progress(False, None if np.isinf(left) else left),
            rtol=rtol,
        )

    flows = [(subspace, RTOL) for subspace in question.subspaces(objective)]
    if flows[-1][0].size == question.span.shape[1]:
        flows.append((flows[-1][0], FINE))
    size, found = flows[0][0].size, integrated(*flows[0])
    change = np.full(closed_form.size, np.inf)
    for subspace, rtol in flows[1:]:
        if tracker.seconds > tracker.limit:
            break
        before, size, found = found, subspace.size, integrated(subspace, rtol)
        change = _change(before.time, found.time)
        if rtol is RTOL and np.all(change[np.argsort(found.time)[: question.count]] <= CONVERGED):
            break
    reading = np.maximum(_change(found.early, found.time), _change(found.time, found.late))
    return found, np.maximum(change, LEAST_BOUND) + reading, size


def _change(before: Array, after: Array) -> Array:
    """Relative difference of times; 0 where both are infinite."""
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = np.abs(np.log(after / before))
    return np.where(
        np.isinf(before) & np.isinf(after), 0.0, np.where(np.isnan(apart), np.inf, apart)
    )


def _probability(question: Question, part: FeaturePrediction) -> Array | None:
    """Probability of each step of the order from sampling errors.

    Times scatter as those of the closed form do, about the predicted ones.
    """
    spectrum = question.spectrum
    if spectrum.errors is None:
        return None
    rows = part.order[np.isfinite(part.time[part.order])]
    later = np.zeros(spectrum.lam.size)
    later[part.mode[rows]] = np.log(part.time[rows] / part.closed_form[rows])
    chance = order_probability(
        spectrum.errors,
        spectrum.lam,
        spectrum.variance,
        question.L,
        later=later,
        eps=question.eps,
        objective=part.objective,
        p=question.p,
        decoder_depth=question.decoder_depth,
    )
    return np.array([chance[one, other] for one, other in pairwise(part.mode[rows])])


def _judged(question: Question, part: FeaturePrediction, stopped: str | None) -> FeaturePrediction:
    """The prediction with its verdict: why to believe it or not, then what it says."""
    reasons = list(doubts(question.spectrum))
    ever = part.order[np.isfinite(part.time[part.order])]
    sure = part.bound[ever] <= BELIEVED
    believed = not reasons and bool(sure.any())
    if not part.mode.size:
        words = [f"does not hold: {'; '.join(reasons)}"] if reasons else []
        words += ["No feature is left to learn: all start above half of their plateau"]
        words += ["Use a smaller eps"]
    elif reasons:
        whole = part.dimensions == question.span.shape[1]
        so = "The times are those of a whole network" if whole else "Only a trained network tells"
        words = [f"does not hold: {'; '.join(reasons)}. {so}"]
    elif not ever.size:
        words = ["does not hold: no feature was learned"]
    elif not believed:
        words = ["does not hold: no time is certain. Only a trained network tells"]
    else:
        worst = 100.0 * float(part.bound[ever][sure].max())
        doubted = ", ".join(map(str, part.mode[ever][~sure]))
        which = f", except for mode {doubted}" if doubted else ""
        words = [f"holds{which}: times agree with a whole network's within {worst:.2g} %"]
    words += _findings(part, stopped)
    return replace(part, believed=believed, verdict=". ".join(words) + ".")


def _findings(part: FeaturePrediction, stopped: str | None) -> Iterator[str]:
    ever = np.isfinite(part.time)
    alone, count = int(np.sum(part.decided_by == "closed form")), int(ever.sum())
    others = "other features' units decide the rest"
    if count and alone == count:
        yield "All times are those of the closed form"
    elif count:
        by = f"{alone} of {count} times are those" if alone else "No time is that"
        yield f"{by} of the closed form; {others}"
    if not ever.all():
        missing = int(np.sum(~ever))
        what = "1 feature is" if missing == 1 else f"{missing} features are"
        ended = f", where the integration ended ({stopped})" if stopped else ""
        yield f"{what} not learned by t = {part.until:.3g}{ended}"
    larger = part.started[part.started < part.mode.max(initial=0)]
    if larger.size:
        which = ", ".join(map(str, larger))
        yield f"Left out, since they start above half of their plateau: {which}"
    lost = np.flatnonzero(np.isfinite(part.lost_time))
    if lost.size:
        which = ", ".join(f"{part.mode[i]} from {part.lost_time[i]:.3g}" for i in lost)
        yield f"At t = {part.until:.3g} learned features are lost again: {which}"

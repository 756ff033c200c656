"""What networks would learn first from the data of a spectrum: `Spectrum.predict`.

Two stages. From a small initialisation features grow along the singular vectors of ``Sigma_yx``,
each as a mode alone: the closed form. Then units of a JEPA turn to features of larger ``rho``: the
flow of a small network on the leading directions of the data, see `dlnflow.network._subspace`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dlnflow._common import _validate
from dlnflow._common._progress import Progress, ProgressOption
from dlnflow.data._prediction import FeaturePrediction, Prediction
from dlnflow.data._record import order_probability
from dlnflow.data._spectrum import Spectrum
from dlnflow.data._trust import doubts
from dlnflow.network._question import Question
from dlnflow.network._subspace import BalancedFlow, Learned, Subspace, learned
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
BEYOND = 4.0  # end of the flow over the closed form's last critical time
SAME = 6e-3  # relative error of the flow's times: the closed form, if as near, is taken instead
CONVERGED = 0.1  # relative difference of times between two sizes that stops the refinement
LEAST_BOUND = 0.02
BELIEVED = 0.3  # largest error expected of a prediction that holds


def predict(
    spectrum: Spectrum,
    L: int,
    *,
    eps: float = 1e-3,
    objective: Objectives = ("jepa", "mae"),
    modes: int | None = None,
    p: float = 0.5,
    decoder_depth: int = 1,
    clock: Clock = "paper",
    verify: bool = False,
    max_seconds: float | None = None,
    progress: ProgressOption = False,
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
    parts = {one.name: _part(question, one) for one in several}
    if verify:
        parts = verified(question, parts, tracker)
    return Prediction(question.L, question.decoder_depth, question.eps, question.p, clock, parts)


def _part(question: Question, objective: Objective) -> FeaturePrediction:
    candidates = Candidates.of(question, objective)
    found, bound, dimensions = _converged(question, objective, candidates)
    unit = float(network_time(question.clock, question.L))
    time, lost = found.time / unit, found.lost / unit
    with np.errstate(invalid="ignore"):
        agrees = np.abs(time / candidates.closed_form - 1.0) <= SAME
    time = np.where(agrees, candidates.closed_form, time)
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
        until=found.until / unit,
        believed=False,
        verdict="",
    )
    return _judged(question, replace(part, probability=_probability(question, part)))


@dataclass(frozen=True, eq=False)
class Candidates:
    """Modes that may be among the first: those of largest lam that start below their plateau."""

    mode: IntArray
    closed_form: Array
    flow: BalancedFlow

    @classmethod
    def of(cls, question: Question, objective: Objective) -> Candidates:
        spectrum, L, P = question.spectrum, question.L, question.decoder_depth
        mode = np.flatnonzero(spectrum.lam > 0.0)[: CANDIDATES * question.count]
        lam, rho = spectrum.lam[mode], spectrum.rho[mode]
        given = validated(lam, rho, L, question.eps, P, None)
        times = critical_time_of(given.under(objective, question.clock), np.asarray(question.p))
        mode, rho, times = (some[times > 0.0] for some in (mode, rho, times))
        xx, yx = question.covariances
        filters = question.span.T @ spectrum.filters[:, mode] / np.sqrt(spectrum.variance[mode])
        size = np.linalg.norm(xx @ filters, axis=0)
        sigma = size * default_floor(objective.plateau(rho, L, P), question.p)
        m = int(objective.layer(L))
        return cls(mode, times, BalancedFlow(xx, yx, m, L, P, question.eps, filters, sigma))


def _converged(
    question: Question, objective: Objective, candidates: Candidates
) -> tuple[Learned, Array, int]:
    """Times from a flow that is large enough, their relative errors, and its dimensions."""
    unit = float(network_time(question.clock, question.L))
    closed_form = np.sort(candidates.closed_form)
    if not closed_form.size:
        nothing = np.empty(0)
        return Learned(nothing, nothing, nothing, nothing, 0.0), nothing, 0
    end = BEYOND * float(closed_form[min(question.count, closed_form.size) - 1]) * unit
    rank = question.span.shape[1]

    def integrated(subspace: Subspace) -> Learned:
        return learned(
            candidates.flow,
            subspace,
            wanted=question.count,
            end=end,
            most_steps=MOST_STEPS,
            tracker=Progress(False, None),
        )

    first, *larger = question.subspaces(objective)
    size, found = first.size, integrated(first)
    change = np.full(closed_form.size, 0.0 if size == rank else np.inf)
    for subspace in larger:
        before, size, found = found, subspace.size, integrated(subspace)
        change = _change(before.time, found.time) if size < rank else np.zeros(closed_form.size)
        if np.all(change[np.argsort(found.time)[: question.count]] <= CONVERGED):
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


def _judged(question: Question, part: FeaturePrediction) -> FeaturePrediction:
    """The prediction with its verdict: why to believe it or not, then what it says."""
    reasons = list(doubts(question.spectrum))
    ever = part.order[np.isfinite(part.time[part.order])]
    sure = part.bound[ever] <= BELIEVED
    known = sure.size if sure.all() else int(np.argmin(sure))
    believed = not reasons and known > 0
    if reasons:
        whole = part.dimensions == question.span.shape[1]
        so = "The times are a whole network's" if whole else "Only a trained network tells"
        words = [f"does not hold: {'; '.join(reasons)}. {so}"]
    elif not part.mode.size:
        words = ["no feature is left to learn: all start above their plateau; use a smaller eps"]
    elif not known:
        words = ["does not hold: no time is certain. Only a trained network tells"]
    else:
        worst = float(part.bound[ever][:known].max())
        which = "" if known == sure.size else f" for the first {known} of {sure.size} features"
        words = [f"holds{which}: times agree with a whole network's within {100.0 * worst:.2g} %"]
    words += _findings(part)
    return replace(part, believed=believed, verdict=". ".join(words) + ".")


def _findings(part: FeaturePrediction) -> Iterator[str]:
    ever = np.isfinite(part.time)
    alone, count = int(np.sum(part.decided_by == "closed form")), int(ever.sum())
    others = "units that have learned other features decide the rest"
    if count and alone == count:
        yield "All are those of the closed form"
    elif count:
        by = f"{alone} of {count} are those" if alone else "None is that"
        yield f"{by} of the closed form; {others}"
    if not ever.all():
        missing = int(np.sum(~ever))
        what = "1 feature is" if missing == 1 else f"{missing} features are"
        yield f"{what} not learned by t = {part.until:.3g}"
    lost = np.flatnonzero(np.isfinite(part.lost_time))
    if lost.size:
        which = ", ".join(f"{part.mode[i]} from {part.lost_time[i]:.3g}" for i in lost)
        yield f"At t = {part.until:.3g} learned features are lost again: {which}"

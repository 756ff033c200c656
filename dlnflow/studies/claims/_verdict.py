"""The one rule that turns the observations of any claim into a verdict."""

from __future__ import annotations

import math
from collections import defaultdict
from enum import StrEnum
from itertools import combinations
from typing import NamedTuple

from dlnflow.studies.claims._claim import Observation, Observations
from dlnflow.studies.claims.routes import independent

FEWEST_ROUTES = 2


class Verdict(StrEnum):
    """The possible verdicts on a claim."""

    holds = "holds"
    holds_when = "holds when"
    fails = "does not hold"
    needless = "holds without its condition"
    disputed = "routes disagree"
    unseen = "too few routes"


class Judgement(NamedTuple):
    """A verdict, and the observation that decided it, if a single one did."""

    verdict: Verdict
    because: str


def verdict_of(observations: Observations) -> Judgement:
    """The verdict on a claim.

    Parameters
    ----------
    observations : tuple of Observation

    Returns
    -------
    Judgement
        The verdict and the observation that decided it, ``""`` if no single one did.

    Notes
    -----
    Routes disagree
        if a number is not finite or its error is not a valid bound, if numbers of two routes for
        one case differ by more than the sum of their errors, or if two routes disagree on whether
        a case meets the condition.
    Too few routes
        unless at least two routes that share no code observe each series inside the claim's
        condition and, if the series goes beyond it, outside.
    Holds
        if the claim is true in every observation and has no condition.
    Holds when
        if it is true in every observation inside its condition and in none outside.
    Holds without its condition
        if it is true in every observation, inside and outside.
    Does not hold
        otherwise; the first observation that contradicts the condition is the counterexample.

    Examples
    --------
    >>> from dlnflow.studies.claims import Observation, verdict_of
    >>> seen = [Observation(route, "JEPA", 3.0, 0.17, True) for route in ("mode ODE", "quadrature")]
    >>> verdict_of(tuple(seen)).verdict
    <Verdict.holds: 'holds'>
    >>> verdict_of((*seen, Observation("closed form", "JEPA", 3.0, 0.27, True))).because
    'JEPA, 3: 0.17 by the mode ODE, but 0.27 by the closed form'
    """
    for verdict, because in (
        (Verdict.disputed, _not_finite(observations) or _apart(observations)),
        (Verdict.unseen, _alone(observations)),
    ):
        if because:
            return Judgement(verdict, because)
    if all(one.holds for one in observations):
        needless = any(not one.inside for one in observations)
        return Judgement(Verdict.needless if needless else Verdict.holds, "")
    wrong = [one for one in observations if one.holds != one.inside]
    if not wrong:
        return Judgement(Verdict.holds_when, "")
    return Judgement(Verdict.fails, words_of(wrong[0]))


def refuted(observations: Observations) -> bool:
    """Whether some observation inside the condition makes the claim false."""
    return any(one.inside and not one.holds for one in observations)


def words_of(one: Observation) -> str:
    """An observation as a phrase."""
    return f"{one.series}, {one.x:g}: {one.number:.4g} by the {one.route}"


def _not_finite(observations: Observations) -> str:
    for one in observations:
        if not (math.isfinite(one.x) and math.isfinite(one.number)):
            return f"not a finite number: {words_of(one)}"
        if one.error is not None and not 0.0 <= one.error < math.inf:
            return f"not an error bound: {one.error:g} of {words_of(one)}"
    return ""


def _alone(observations: Observations) -> str:
    sides = defaultdict(set)
    for one in observations:
        sides[one.series, one.inside].add(one.route)
    if not any(inside for _, inside in sides):
        return "no observation inside the condition"
    for (series, inside), routes in sides.items():
        if len(independent(routes)) < FEWEST_ROUTES:
            where = "holds" if inside else "does not"
            return f"{series}, where the condition {where}: only by {' and '.join(sorted(routes))}"
    return ""


def _apart(observations: Observations) -> str:
    cases = defaultdict(list)
    for one in observations:
        cases[one.case].append(one)
    for same in cases.values():
        for one, other in combinations(same, 2):
            if one.inside != other.inside:
                return f"on whether the condition holds: {words_of(one)}"
            if one.error is None or other.error is None:
                continue
            if abs(one.number - other.number) > one.error + other.error:
                return f"{words_of(one)}, but {other.number:.4g} by the {other.route}"
    return ""

"""From observations to a verdict, by one rule for every claim."""

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
    """What is found of a claim."""

    holds = "holds"
    holds_when = "holds when"
    fails = "does not hold"
    needless = "holds without its condition"
    disputed = "routes disagree"
    unseen = "too few routes"


class Judgement(NamedTuple):
    """A verdict, and the observation that decided it where one did."""

    verdict: Verdict
    because: str


def judge(observations: Observations) -> Judgement:
    """The verdict on a claim.

    Parameters
    ----------
    observations : tuple of Observation

    Returns
    -------
    Judgement
        The verdict and what decided it, ``""`` where nothing single did.

    Notes
    -----
    Routes disagree
        if a number is not finite or its error none, if two routes tell numbers for one setting that
        differ by more than both their errors, or if they are not of one mind about the condition.
    Too few routes
        unless each series is seen by at least two routes that share no code, inside the claim's
        condition and, where the series goes beyond it, outside.
    Holds
        if it is true in every observation, and has no condition.
    Holds when
        if it is true in every observation inside its condition, and in none outside.
    Holds without its condition
        if it is true in every observation, inside and outside.
    Does not hold
        otherwise; the first observation that the condition does not tell is the counterexample.

    Examples
    --------
    >>> from dlnflow.studies.claims import Observation, judge
    >>> seen = [Observation(route, "JEPA", 3.0, 0.17, True) for route in ("mode ODE", "quadrature")]
    >>> judge(tuple(seen)).verdict
    <Verdict.holds: 'holds'>
    >>> judge((*seen, Observation("closed form", "JEPA", 3.0, 0.27, True))).because
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
    """Whether the claim is false somewhere inside its condition."""
    return any(one.inside and not one.holds for one in observations)


def words_of(one: Observation) -> str:
    """An observation in words."""
    return f"{one.series}, {one.x:g}: {one.number:.4g} by the {one.route}"


def _not_finite(observations: Observations) -> str:
    for one in observations:
        if not (math.isfinite(one.x) and math.isfinite(one.number)):
            return f"not a finite number: {words_of(one)}"
        if one.error is not None and not 0.0 <= one.error < math.inf:
            return f"not an error: {one.error:g} of {words_of(one)}"
    return ""


def _alone(observations: Observations) -> str:
    sides = defaultdict(set)
    for one in observations:
        sides[one.series, one.inside].add(one.route)
    if not any(inside for _, inside in sides):
        return "nothing was seen where the claim should hold"
    for (series, inside), routes in sides.items():
        if len(independent(routes)) < FEWEST_ROUTES:
            where = "holds" if inside else "does not"
            return f"{series}, where the condition {where}: seen by {' and '.join(sorted(routes))}"
    return ""


def _apart(observations: Observations) -> str:
    settings = defaultdict(list)
    for one in observations:
        settings[one.setting].append(one)
    for same in settings.values():
        for one, other in combinations(same, 2):
            if one.inside != other.inside:
                return f"whether the condition holds at {words_of(one)}"
            if one.error is None or other.error is None:
                continue
            if abs(one.number - other.number) > one.error + other.error:
                return f"{words_of(one)}, but {other.number:.4g} by the {other.route}"
    return ""

"""From observations to a verdict, by one rule for every claim."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from enum import StrEnum
from itertools import combinations
from typing import NamedTuple

from dlnflow.claims._claim import Observation, Observations
from dlnflow.claims.routes import independent

FEWEST_ROUTES = 2


class Verdict(StrEnum):
    """What is found of a claim."""

    holds = "holds"
    holds_when = "holds when"
    fails = "does not hold"
    disputed = "routes disagree"
    unseen = "too few routes"


class Judgement(NamedTuple):
    """A verdict, and the observation that decided it where one did."""

    verdict: Verdict
    because: str


def judge(observations: Observations) -> Judgement:
    """The verdict on a claim.

    Routes disagree
        if two of them tell numbers for one setting that differ by more than both their errors.
    Too few routes
        unless at least two that share no code saw it inside its condition, and two outside, if it
        has an outside.
    Holds
        if it is true in every observation.
    Holds when
        if it is true in every observation inside its condition, and in none outside.
    Does not hold
        otherwise; the first observation that the condition does not tell is the counterexample.
    """
    apart = _apart(observations)
    if apart:
        return Judgement(Verdict.disputed, apart)
    inside = [one for one in observations if one.inside]
    outside = [one for one in observations if not one.inside]
    for side, words in ((inside, "where the claim should hold"), (outside, "where it should not")):
        if (side or words == "where the claim should hold") and not _enough(side):
            return Judgement(Verdict.unseen, f"fewer than two independent routes {words}")
    if all(one.holds for one in observations):
        if not outside:
            return Judgement(Verdict.holds, "")
        return Judgement(Verdict.fails, f"its condition is not needed: {words_of(outside[0])}")
    wrong = [one for one in observations if one.holds != one.inside]
    if not wrong:
        return Judgement(Verdict.holds_when, "")
    return Judgement(Verdict.fails, words_of(wrong[0]))


def words_of(one: Observation) -> str:
    """An observation in words."""
    return f"{one.series}, {one.x:g}: {one.number:.4g} by the {one.route}"


def _enough(observations: Iterable[Observation]) -> bool:
    return len(independent({one.route for one in observations})) >= FEWEST_ROUTES


def _apart(observations: Observations) -> str:
    settings = defaultdict(list)
    for one in observations:
        settings[one.setting].append(one)
    for same in settings.values():
        for one, other in combinations(same, 2):
            if not abs(one.number - other.number) <= one.error + other.error:
                return f"{words_of(one)}, but {other.number:.4g} by the {other.route}"
    return ""

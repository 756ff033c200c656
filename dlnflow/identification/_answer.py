"""What can be believed about the network that was trained."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from dlnflow.identification._candidates import name_of
from dlnflow.identification._misfit import EXACT, Misfit
from dlnflow.identification._ranked_fits import RankedFits
from dlnflow.identification._trained import Likeness
from dlnflow.theory._objective import Objective, as_objective
from dlnflow.theory.curve._master_curve import Branch

SURE = 0.95  # share of the evidence from which an answer is given
BEGUN, ENDED = 0.05, 0.95  # of the plateau: between them lies the transition

CLOSED_FORM, TRAINED = "closed form", "trained networks"


class Answer(NamedTuple):
    """The objective and depth that can be believed; None where the data do not tell.

    ``source`` says what the answer rests on: ``"closed form"`` if a candidate explains the curves,
    ``"trained networks"`` if networks that were trained for comparison have such curves.
    """

    objective: Objective | None
    L: int | None
    source: str | None

    def __str__(self) -> str:
        if self.objective is None:
            return "cannot tell"
        name = name_of(self.objective)
        return f"{name}, depth not told" if self.L is None else f"{name}, L = {self.L}"


UNKNOWN = Answer(None, None, None)


@dataclass(frozen=True, eq=False)
class Found:
    """What was found about measured curves.

    Attributes
    ----------
    fits : RankedFits
        To the whole curves, or only to the part in which each mode learns if they explain that part
        and not the whole. The candidate of the answer comes first.
    whole : Misfit
        Of the best fit to the whole curves.
    other_law : float
        Share of the evidence for growth laws that no candidate has, against the best fits to the
        whole curves.
    refuted : bool
        Whether one of these growth laws explains the curves far better than any candidate.
    likeness : Likeness or None
        To trained networks; None where the closed form or another growth law explains the curves.
    """

    fits: RankedFits
    whole: Misfit
    other_law: float
    refuted: bool
    likeness: Likeness | None

    @property
    def explained(self) -> bool:
        """Whether a candidate explains the whole curves, and no other growth law far better."""
        return self.whole.explained and not self.refuted

    @property
    def learning_only(self) -> bool:
        """Whether only the part in which each mode learns was fitted."""
        return not self.fits.data.used.all()

    @cached_property
    def answer(self) -> Answer:
        """The objective and depth that can be believed."""
        if self.explained:
            return by_closed_form(self.fits)
        objective, L = (None, None) if self.likeness is None else self.likeness.told
        return UNKNOWN if objective is None else Answer(as_objective(objective), L, TRAINED)


def by_closed_form(fits: RankedFits) -> Answer:
    """The candidate with nearly all of the evidence, or else the objective with nearly all."""
    if skipped(fits) or not rising(fits):
        return UNKNOWN
    weight, best = fits.weight * (1.0 - fits.no_candidate), fits.best
    if weight[0] >= SURE:
        return Answer(best.objective, best.L, CLOSED_FORM)
    same = [best.objective in {one.objective for one in equation} for equation in fits.equations]
    return Answer(best.objective, None, CLOSED_FORM) if weight[same].sum() >= SURE else UNKNOWN


def rising(fits: RankedFits) -> bool:
    """Whether some mode rises. How modes fall tells little about the network."""
    return bool(((fits.fits[0].branch == Branch.GROWTH) & fits.moved).any())


def skipped(fits: RankedFits) -> bool:
    """Whether the transition of every mode falls between two times, or on one alone.

    Then the shape of the transition, which tells candidates apart, was not measured.
    """
    seen = np.abs(fits.seen)
    inside = (seen > BEGUN) & (seen < ENDED) & fits.data.used
    passed = (seen.min(axis=1) <= BEGUN) & (seen.max(axis=1) >= ENDED)
    return bool(passed.all() and inside.sum() <= 1 and fits.misfit.size.max() > EXACT)


def of_answer(fits: RankedFits, answer: Answer) -> RankedFits:
    """The fits with the best candidate first that agrees with the answer."""
    for rank, equation in enumerate(fits.equations):
        if any(one.objective == answer.objective and answer.L in (None, one.L) for one in equation):
            order = [rank, *(i for i in range(len(fits.equations)) if i != rank)]
            return fits.reordered(np.array(order))
    return fits

"""What can be believed about the network that was trained."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from dlnflow.identification._candidates import Candidate, name_of
from dlnflow.identification._misfit import EXACT, Misfit
from dlnflow.identification._ranked_fits import RankedFits
from dlnflow.identification._trained import Likeness
from dlnflow.theory._objective import Objective, as_objective
from dlnflow.theory.curve._master_curve import Branch

SURE = 0.95  # share of the evidence from which an answer is given
BEGUN, ENDED = 0.05, 0.95  # of the plateau: between them lies the transition

FEWEST_TIMES = 12  # with noise, from which a candidate is told

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
    nearest : Candidate
        The best fit to the whole curves.
    whole : Misfit
        Of that fit.
    other_law : float
        Share of the evidence for growth laws that no candidate has, against the best fits to the
        whole curves.
    refuted : bool
        Whether one of these growth laws explains the curves far better than any candidate.
    likeness : Likeness or None
        To trained networks; None where the closed form tells the objective, or another growth law
        explains the curves.
    """

    fits: RankedFits
    nearest: Candidate
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
        known = by_closed_form(self.fits) if self.explained else UNKNOWN
        if known.objective is not None or self.likeness is None:
            return known
        objective, L = self.likeness.told
        depths = [one.L for one in self.simple_candidates if one.objective.name == objective]
        if not depths:
            return UNKNOWN
        told = as_objective(str(objective))
        return Answer(told, L if L in depths else None, TRAINED)

    @property
    def simple_candidates(self) -> list[Candidate]:
        """Candidates with one decoder layer, as the trained networks have."""
        return [one for same in self.fits.equations for one in same if one.decoder_depth == 1]


def by_closed_form(fits: RankedFits) -> Answer:
    """The candidate with nearly all of the evidence, or else the objective with nearly all."""
    if undecided(fits) is not None:
        return UNKNOWN
    weight, best = fits.weight * (1.0 - fits.no_candidate), fits.best
    if weight[0] >= SURE:
        return Answer(best.objective, best.L, CLOSED_FORM)
    same = [best.objective in {one.objective for one in equation} for equation in fits.equations]
    return Answer(best.objective, None, CLOSED_FORM) if weight[same].sum() >= SURE else UNKNOWN


def undecided(fits: RankedFits) -> str | None:
    """Why curves decide nothing between candidates that explain them, or None if they may."""
    noisy = fits.misfit.size.max() > EXACT
    seen, best = np.abs(fits.seen), fits.fits[0]
    inside = (seen > BEGUN) & (seen < ENDED) & fits.data.used
    passed = (seen.min(axis=1) <= BEGUN) & (seen.max(axis=1) >= ENDED)
    if not fits.moved.any():
        return "no mode moves beyond the noise"
    if not ((best.branch == Branch.GROWTH) & fits.moved).any():
        return "no mode rises, and how modes fall decides little"
    if noisy and passed.all() and inside.sum() <= 1:
        return (
            "at most one measurement lies in the transition, which decides nothing; measure more "
            "often while the amplitude rises"
        )
    if noisy and fits.data.t.size < FEWEST_TIMES:
        return f"fewer than {FEWEST_TIMES} times with noise decide little; measure more often"
    if (fits.sigma_excess > 1.0).any():
        return "the residuals contradict the sigma given"
    return None


def of_answer(fits: RankedFits, answer: Answer) -> RankedFits:
    """The fits with the best candidate first that agrees with the answer."""
    for rank, equation in enumerate(fits.equations):
        if any(one.objective == answer.objective and answer.L in (None, one.L) for one in equation):
            order = [rank, *(i for i in range(len(fits.equations)) if i != rank)]
            return fits.reordered(np.array(order))
    return fits

"""From fits to a finding: whether the curves are explained is decided before anything else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dlnflow.identification._answer import Found, of_answer, undecided
from dlnflow.identification._fit_all import fit_all, ranked
from dlnflow.identification._least_squares import Indices
from dlnflow.identification._ranked_fits import RankedFits
from dlnflow.identification._trained import LEAST_TIMES, NEGATIVE, Likeness, likeness
from dlnflow.identification._trajectory import SIGNS
from dlnflow.identification._validation import ValidatedCurves
from dlnflow.identification._window import learning
from dlnflow.theory.curve._master_curve import Branch

ALIKE = 0.5  # share of the evidence for growth laws of no network, above which nothing is told


def finding(curves: ValidatedCurves, fits: RankedFits, modes: Indices) -> Found:
    """What was found about some of the modes, all from one network."""
    best = ranked(fits, modes)
    found = Found(best, best.best, best.misfit, best.no_candidate, best.refuted, None)
    if found.refuted or found.answer.objective is not None:
        return found
    if found.explained:
        return replace(found, likeness=_agreeing(best))
    shown = _while_learning(curves, modes) or best
    found = replace(found, fits=shown, likeness=_likeness(best))
    return replace(found, fits=of_answer(found.fits, found.answer))


def _agreeing(fits: RankedFits) -> Likeness | None:
    """The likeness of curves that several candidates explain, if it tells the best objective."""
    if undecided(fits) is not None or fits.no_candidate > ALIKE:
        return None
    alike = _likeness(fits)
    told = None if alike is None else alike.told[0]
    return alike if told == fits.best.objective.name else None


def _likeness(fits: RankedFits) -> Likeness | None:
    """To trained networks; None for too few times, or amplitudes that no log has."""
    t, w = fits.data.t, fits.data.amplitude
    if t.size < LEAST_TIMES or w.min() < -NEGATIVE * w.max():
        return None
    return likeness(t, w)


def _while_learning(curves: ValidatedCurves, modes: Indices) -> RankedFits | None:
    """Fits to the part in which each mode learns, if a candidate explains that part."""
    if curves.joint:
        return None
    count = len(curves.data.w) // curves.kinds
    rows = np.concatenate([modes + count * kind for kind in range(curves.kinds)])
    data = curves.data.rows(rows)
    used = learning(data.w)
    if used.all():
        return None
    cut = np.asarray(~used.all(axis=1))
    rises = np.array([branch == Branch.GROWTH for branch in SIGNS])
    data = replace(data, used=used, allowed=np.where(cut[:, None], rises, data.allowed))
    fits = ranked(fit_all(replace(curves, data=data)), np.arange(modes.size))
    return fits if fits.misfit.explained else None

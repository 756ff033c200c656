"""From fits to a finding: whether the curves are explained is decided before anything else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dlnflow.identification._answer import Found, of_answer
from dlnflow.identification._fit_all import fit_all, ranked
from dlnflow.identification._least_squares import Indices
from dlnflow.identification._ranked_fits import RankedFits
from dlnflow.identification._trained import CLASSES, LEAST_TIMES, Likeness, likeness
from dlnflow.identification._validation import ValidatedCurves
from dlnflow.identification._window import learning


def finding(curves: ValidatedCurves, fits: RankedFits, modes: Indices) -> Found:
    """What was found about some of the modes, all from one network."""
    best = ranked(fits, modes)
    whole = Found(best, best.misfit, best.no_candidate, best.refuted, None)
    if whole.explained or whole.refuted:
        return whole
    shown = _while_learning(curves, modes) or best
    found = replace(whole, fits=shown, likeness=_likeness(best))
    return replace(found, fits=of_answer(found.fits, found.answer))


def _likeness(fits: RankedFits) -> Likeness | None:
    """To trained networks of the candidates' objectives and depths; None for too few times."""
    data = fits.data
    candidates = {
        (one.objective.name, one.L)
        for equation in fits.equations
        for one in equation
        if one.decoder_depth == 1
    }
    if data.t.size < LEAST_TIMES or not candidates.intersection(CLASSES):
        return None
    return likeness(data.t, data.amplitude).among(candidates)


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
    fits = ranked(fit_all(replace(curves, data=replace(data, used=used))), np.arange(modes.size))
    return fits if fits.misfit.explained else None

"""The verdict in words: first whether the curves are explained, then by what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dlnflow.identification._answer import CLOSED_FORM, TRAINED, Found, undecided
from dlnflow.identification._candidates import name_of
from dlnflow.identification._misfit import EXACT
from dlnflow.identification._trained import Likeness

LEAST_PERCENT = 1e-4  # share below which no number is given
LISTED = 4  # candidates or modes listed by name
NAMED = 0.02  # share of the evidence from which a candidate is named


def percent(share: float) -> str:
    """``12 %``; what is nearly nothing without its many zeros."""
    if share < LEAST_PERCENT:
        return f"less than {100.0 * LEAST_PERCENT:g} %"
    return f"{100.0 * share:.2g} %" if share < 0.995 else "100 %"


def off(misfit: float) -> str:
    """The size of a misfit."""
    if misfit >= 1.0:
        return f"{100.0 * misfit:.0f} %"
    return f"{100.0 * misfit:.2g} %" if misfit > EXACT else "rounding"


def listed(names: Sequence[object]) -> str:
    """The first few names, and how many more there are."""
    shown, more = ", ".join(map(str, names[:LISTED])), len(names) - LISTED
    return f"{shown} and {more} more" if more > 0 else shown


def judged(found: Found) -> Iterator[str]:
    """Whether a candidate explains the curves, and what can be believed, the verdict first."""
    if found.explained:
        yield f"{_size(found)}: {_which(found)}"
        if found.likeness is not None:
            yield _by_likeness(found)
    else:
        yield f"no candidate explains these curves: {_failure(found)}"
        yield _by_likeness(found)
        if found.learning_only:
            yield _learning(found)


def _size(found: Found) -> str:
    misfit = found.whole
    if misfit.total <= EXACT:
        return "explained to rounding"
    if misfit.grade == "noise":
        return f"explained to the noise ({off(misfit.total)} of the amplitude)"
    return f"explained to 1 % (off by {off(misfit.beyond_noise)}, by more than noise)"


def _which(found: Found) -> str:
    """The candidate, or those that cannot be told apart."""
    fits, answer = found.fits, found.answer
    if answer.source == CLOSED_FORM and answer.L is not None:
        count = len(fits.equations)
        among = f"of the evidence among {count} mode equation{'' if count == 1 else 's'}"
        return f"{fits.best}, {percent(fits.weight[0])} {among}"
    if (why := undecided(fits)) is not None:
        return f"cannot tell by which candidate, since {why}"
    shares = [
        *zip([str(same[0]) for same in fits.equations], fits.weight, strict=True),
        ("growth laws of no network", found.other_law / max(1.0 - found.other_law, LEAST_PERCENT)),
    ]
    total = sum(share for _, share in shares)
    first = sorted(shares, key=lambda one: -one[1])[:LISTED]
    rivals = ", ".join(f"{one} ({percent(x / total)})" for one, x in first if x >= NAMED * total)
    rivals = rivals or f"{len(shares)} with less than {percent(NAMED)} each"
    if answer.source == CLOSED_FORM and answer.objective is not None:
        name = name_of(answer.objective)
        return f"{name}, but cannot tell the depth: {rivals} of the evidence"
    return f"cannot tell by which candidate: {rivals} of the evidence"


def _failure(found: Found) -> str:
    """The size of the misfit, and where it is largest."""
    misfit, labels = found.whole, found.fits.labels
    if found.refuted:
        return "a growth law of no network here explains them better"
    if not np.isfinite(misfit.total):
        return "none has such a curve"
    failing = np.flatnonzero(misfit.fails)
    size = f"the nearest, {found.nearest}, is off by {off(misfit.total)} of the amplitude"
    if len(labels) == 1:
        return f"{size}, in {misfit.where[0]}"
    if failing.size == len(labels) and len({misfit.where[i] for i in failing}) == 1:
        return f"{size}, in {misfit.where[failing[0]]} of all modes"
    order = failing[np.argsort(-misfit.size[failing])]
    parts = listed([f"{misfit.where[i]} of mode {labels[i]}" for i in order])
    return f"{size}, in {parts}"


def _by_likeness(found: Found) -> str:
    """What trained networks with such curves say."""
    likeness, answer = found.likeness, found.answer
    if likeness is None:
        return "Cannot tell objective and depth."
    if answer.source == TRAINED:
        return f"By comparison with trained networks: {answer} ({_nearest(likeness)})."
    why = "no trained network has such curves" if likeness.strange else _nearest(likeness)
    if likeness.told[0] is not None:
        return f"Trained networks with such curves are none of the candidates given ({why})."
    return f"Comparison with trained networks cannot tell objective and depth either ({why})."


def _nearest(likeness: Likeness) -> str:
    """The objectives and depths of the trained networks with the most similar curves."""
    count = likeness.neighbours
    if not count:
        return "no mode rises from below half of its top"
    objective, share = max(likeness.objective.items(), key=lambda item: item[1])
    L, part = max(likeness.depth.items(), key=lambda item: item[1])
    return (
        f"of the {count} trained networks with the most similar curves, {count * share:.0f} are "
        f"{objective.upper()}s, {count * share * part:.0f} of them with L = {L}"
    )


def _learning(found: Found) -> str:
    """The part of each curve that was fitted."""
    fits = found.fits
    t, used = fits.data.t, fits.data.used
    parts = [
        f"mode {label} from t = {t[row][0]:.4g} to {t[row][-1]:.4g}"
        for label, row in zip(fits.labels, used, strict=True)
    ]
    return (
        f"Fitted only where each mode learns, which {fits.best} explains to "
        f"{off(fits.misfit.total)}: {listed(parts)}."
    )

"""Records of checked assumptions: threshold and text of each, and how they are printed."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from dlnflow.data._trust import TRUST
from dlnflow.network._learning import GREEDY

if TYPE_CHECKING:
    import pandas as pd

VALIDITY, PICTURE = "the closed form", "the paper's picture"
SHOWN = 1e-12  # smaller numbers are rounding, and printed as 0


@dataclass(frozen=True)
class Check:
    """One assumption: the measured value, its threshold, and the consequence of a violation.

    Attributes
    ----------
    assumption : str
    measured, threshold : float
        The assumption holds where ``measured`` does not exceed ``threshold`` (or, if ``at_least``,
        is not below it).
    quantity : str
        What ``measured`` is.
    reason : str
        Why the threshold has this value.
    consequence : str
        What a violation leads to.
    at_least : bool
    concerns : {"the closed form", "the paper's picture"}
        What a violation affects: whether the prediction is right, or whether it predicts the
        paper's picture, in which features are learned one after another, by ``rho``.
    """

    assumption: str
    measured: float
    threshold: float
    quantity: str
    reason: str
    consequence: str
    at_least: bool = False
    concerns: str = VALIDITY

    @property
    def holds(self) -> bool:
        """If the assumption holds."""
        if self.at_least:
            return self.measured >= self.threshold
        return self.measured <= self.threshold


@dataclass(frozen=True, repr=False)
class Assumptions:
    """All checks that could be made of the given data and network: an immutable record.

    Index it with the name of an assumption, or iterate over it. Notebooks show it as a table.
    """

    checks: tuple[Check, ...]

    @property
    def hold(self) -> bool:
        """If all assumptions hold."""
        return all(check.holds for check in self.checks)

    @property
    def broken(self) -> tuple[Check, ...]:
        """The checks of the assumptions that do not hold."""
        return tuple(check for check in self.checks if not check.holds)

    def __iter__(self) -> Iterator[Check]:
        return iter(self.checks)

    def __len__(self) -> int:
        return len(self.checks)

    def __getitem__(self, assumption: str) -> Check:
        for check in self.checks:
            if check.assumption == assumption:
                return check
        names = ", ".join(repr(check.assumption) for check in self.checks)
        raise KeyError(f"{assumption!r} was not checked; here are {names}")

    def to_dataframe(self) -> pd.DataFrame:
        """One row per assumption.

        Columns ``assumption, concerns, measured, threshold, holds, quantity, reason, consequence``.
        """
        from dlnflow._common._frame import Frame

        names = ["assumption", "concerns", "measured", "threshold", "holds", "quantity", "reason"]
        rows = [{**vars(check), "holds": check.holds} for check in self.checks]
        return Frame(rows, columns=[*names, "consequence"])

    def __repr__(self) -> str:
        lines = [self._title]
        heading = ""
        for check in self._by_concern():
            if check.concerns != heading:
                heading = check.concerns
                lines.append(f" of {heading}:")
            verdict = "holds " if check.holds else "BROKEN"
            lines.append(
                f"  {verdict}  {check.assumption}: {check.quantity} {_shown(check.measured)} "
                f"({_bound(check)})"
            )
            if not check.holds:
                lines += [" " * 10 + line for line in textwrap.wrap(check.consequence, 78)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        names = ("concerns", "assumption", "quantity", "measured", "threshold", "holds")
        head = "".join(f"<th>{name}</th>" for name in names)
        body = ""
        for check in self._by_concern():
            verdict = "yes" if check.holds else f"<b>no</b>: {escape(check.consequence)}"
            texts = check.concerns, check.assumption, check.quantity.rstrip(",")
            cells = [escape(one) for one in (*texts, _shown(check.measured), _bound(check))]
            body += "<tr>" + "".join(f"<td>{one}</td>" for one in (*cells, verdict)) + "</tr>"
        return (
            f"<table><caption>{self._title}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table>"
        )

    @property
    def _title(self) -> str:
        held = len(self.checks) - len(self.broken)
        return f"Assumptions: {held} of {len(self.checks)} hold"

    def _by_concern(self) -> list[Check]:
        return sorted(self.checks, key=lambda check: check.concerns == PICTURE)


def _shown(number: float) -> str:
    return f"{number if abs(number) > SHOWN else 0.0:.3g}"


def _bound(check: Check) -> str:
    return f"{'>=' if check.at_least else '<='} {check.threshold:.3g}"


WINDOWS = "overlap of neighbouring modes' learning windows"
HALF_SHARED = "above half, most of a mode's learning coincides with its neighbour's"


class Criterion(NamedTuple):
    """The fixed part of a `Check`."""

    threshold: float
    quantity: str
    reason: str
    consequence: str
    at_least: bool = False
    concerns: str = VALIDITY


CRITERIA = {
    "symmetric sigma_yx": Criterion(
        TRUST.asymmetry,
        "asymmetry of sigma_yx",
        "beyond, its left and right singular vectors differ by as much",
        "Context and target cannot be exchanged. The two sets of singular vectors of sigma_yx "
        "differ, and networks learn mixtures of them.",
    ),
    "rho at most 1": Criterion(
        TRUST.rho,
        "largest rho of any feature",
        "at most 1 for views that can be exchanged",
        "Context and target cannot be exchanged: a feature of y varies more than that of x. Units "
        "of a JEPA turn to such features, whatever was learned first.",
    ),
    "commuting covariances": Criterion(
        TRUST.commuting,
        "root of the off-diagonal share of the covariances",
        "in the map critical times are off by a tenth at most below",
        "Modes mix. The closed form holds for the features learned first; later ones wait for, or "
        "are taken over by, units of others. Spectrum.predict has their times.",
    ),
    "modes stand alone": Criterion(
        TRUST.coupling,
        f"largest coupling of the first {TRUST.leading} modes",
        "on 13 of 14 real data sets below, an MAE's first three features come within 6 %",
        "Already the first modes are coupled to others more than to themselves: the closed form "
        "is a rough guide. Spectrum.predict has the times.",
    ),
    "positive regression coefficients": Criterion(
        0.0,
        "share of modes with rho <= 0",
        "only modes with rho > 0 grow",
        "Neither objective learns these modes: their amplitudes decay.",
        concerns=PICTURE,
    ),
    "full rank": Criterion(
        0.0,
        "directions without variance",
        "a direction without variance has no mode equation",
        "On these directions the encoder keeps its initial weights.",
    ),
    "enough samples": Criterion(
        0.1,
        "sqrt(d / n)",
        "in the map critical times are off by one to two times this",
        "The modes are those of the sample. Another sample has other modes, and the order of "
        "modes whose critical times differ by less than this is due to chance.",
    ),
    "balanced layers": Criterion(
        0.1,
        "imbalance",
        "in the map critical times are off by 0.3 to 0.4 times this",
        "Layers do not share their singular values: no single u per mode describes them, and "
        "modes are learned earlier or later than predicted.",
    ),
    "aligned layers": Criterion(
        0.3,
        "root of the share of the output along targets of other modes",
        "in the map critical times are off by a sixth to a half of its square",
        "Modes are mixed at the initialisation: the layers have to align first, and modes are "
        "learned later than predicted, those of small lam most.",
    ),
    "wide enough layers": Criterion(
        float("nan"),  # depends on data and network
        "narrowest width",
        "one unit for each mode with rho > 0",
        "The narrowest layer holds fewer modes than there are to learn. Modes compete for its "
        "units, which the mode equations do not describe.",
        at_least=True,
    ),
    "small initialisation": Criterion(
        0.5,
        "largest initial amplitude over its plateau",
        "a mode counts as learned at half of its plateau",
        "Some modes start near or above their plateau and have no critical time: the weights "
        "are too large for feature learning.",
        concerns=PICTURE,
    ),
    "greedy learning": Criterion(
        GREEDY,
        WINDOWS,
        HALF_SHARED,
        "Modes are learned together rather than one after another. A smaller initialisation, "
        "or modes further apart, would separate them.",
        concerns=PICTURE,
    ),
    "deep encoder": Criterion(
        0.1,
        "delay of the smallest rho behind the largest at equal lam",
        "a smaller delay is soon outweighed by differences in lam",
        "rho hardly affects the order of learning: for L = 1 not at leading order, nor for an "
        "MAE, a deep decoder or a tiny initialisation. The order is that of lam.",
        at_least=True,
        concerns=PICTURE,
    ),
    "units do not switch": Criterion(
        float("nan"),  # depends on data and network
        "log of the growth of a misalignment before a mode is learned,",
        "a growth by exp of this brings the present misalignment, of data and network, to a tenth",
        "A unit that has learned one mode switches to a better one (larger rho for a JEPA) before "
        "the unit of that mode has grown: late modes are learned earlier than predicted.",
    ),
    "small learning rate": Criterion(
        0.1,
        "learning rate over the largest stable one",
        "in the map, at a tenth, critical times are off by up to a hundredth, curves by up to "
        "a tenth of a plateau",
        "Steps no longer follow the flow: fast modes overshoot, learning windows overlap, and "
        "above 1 the weights leave the plateau.",
    ),
    "target without lag": Criterion(
        0.02,
        "lag of the EMA target over the first critical time",
        "in the map critical times are off by five times this",
        "The target lags behind the encoder, and features are learned late, in proportion.",
    ),
    "the predicted order": Criterion(
        0.9,
        "Kendall tau between predicted and actual order",
        "one pair in twenty exchanged",
        "The network learned modes in another order than predicted, or other modes: the effect "
        "of broken assumptions, or of training that departs from gradient flow.",
        at_least=True,
    ),
    "greedy learning, as trained": Criterion(
        GREEDY,
        f"{WINDOWS} in the run",
        HALF_SHARED,
        "The network learned modes together. If the prediction has them one after another, the "
        "cause is the learning rate, or data that the modes do not describe.",
        concerns=PICTURE,
    ),
}

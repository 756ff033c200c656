"""Results of a run, and their comparison with the recorded ones."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlnflow.studies.claims import _pages as pages
from dlnflow.studies.claims._claim import Claim, Effort, Noted, Observation, Observations
from dlnflow.studies.claims._verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

RECORD = "recorded.json"
SAME, NOTHING = 0.02, 1e-9  # relative and absolute difference of numbers that are the same
NOTHING_SAID = (Verdict.disputed, Verdict.unseen)


@dataclass(frozen=True, eq=False, repr=False)
class Finding:
    """The result on one claim: an immutable record.

    Attributes
    ----------
    claim : Claim
    effort : Effort
        Whether all cases were computed, or the quick ones.
    verdict : Verdict
        By the rule of `verdict_of`.
    because : str
        The observation that decided the verdict, if a single one did.
    noted : Noted
        Sentence, numbers and condition; empty unless the claim holds.
    observations : tuple of Observation
    control : Verdict
        The verdict with the claim's premise changed.
    refuted : bool
        Whether the control made the claim false somewhere inside its condition.
    seconds : float
    """

    claim: Claim
    effort: Effort
    verdict: Verdict
    because: str
    noted: Noted
    observations: Observations
    control: Verdict
    refuted: bool
    seconds: float

    @property
    def routes(self) -> tuple[str, ...]:
        """The routes that observed the claim."""
        return self.claim.routes(self.observations)

    @property
    def sound(self) -> bool:
        """Whether the control changes the verdict and makes the claim false."""
        changes = self.control != self.verdict and self.control not in NOTHING_SAID
        return changes and self.refuted

    @property
    def recorded(self) -> str | None:
        """The verdict recorded for this version; None if there is no record."""
        found = recorded().get(self.claim.name)
        return None if found is None else str(found["verdict"])

    @property
    def moved(self) -> dict[str, tuple[float | None, float | None]]:
        """Numbers that differ from the recorded ones by more than 2 %, as (found, recorded).

        None where one of the two is missing.
        """
        before = recorded().get(self.claim.name, {}).get("numbers", {})
        pairs = {
            name: (self.noted.numbers.get(name), before.get(name))
            for name in {**before, **self.noted.numbers}
        }
        return {name: pair for name, pair in pairs.items() if not _same(*pair)}

    @property
    def changed(self) -> bool:
        """Whether the verdict or one of the numbers differs from the record."""
        return str(self.verdict) != self.recorded or bool(self.moved)

    @property
    def summary(self) -> str:
        """The verdict in one line, with the condition or the deciding observation."""
        words = str(self.verdict)
        if self.verdict is Verdict.holds_when:
            return f"{words} {self.noted.condition}"
        return f"{words}: {self.because}" if self.because else words

    @property
    def brief(self) -> str:
        """As `summary`, without the numbers of the condition."""
        return pages.brief(self.summary) if self.verdict is Verdict.holds_when else self.summary

    def to_dict(self) -> dict[str, Any]:
        """The finding without its single observations, as written to JSON."""
        return {
            "name": self.claim.name,
            "title": self.claim.title,
            "statement": self.claim.statement,
            "source": self.claim.source,
            "verdict": str(self.verdict),
            "because": self.because,
            "condition": self.noted.condition,
            "found": self.noted.sentence,
            "numbers": {name: float(f"{v:.6g}") for name, v in self.noted.numbers.items()},
            "routes": list(self.routes),
            "observations": len(self.observations),
            "control": {"premise": self.claim.control.words, "verdict": str(self.control)},
            "code": self.claim.module,
        }

    def to_dataframe(self) -> pd.DataFrame:
        """One row for each observation: route, series, x, number, holds, inside, error."""
        from dlnflow._common._frame import Frame

        table = Frame(list(self.observations), columns=list(Observation._fields))
        return table.astype({"x": float, "number": float, "error": float})

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """The figure; see `dlnflow.plot.claim`."""
        from dlnflow import plot

        return plot.claim(self, ax=ax)

    def __repr__(self) -> str:
        return f"{self.claim}: {self.summary}"


def _same(found: float | None, before: float | None) -> bool:
    if found is None or before is None:
        return False
    return math.isclose(found, before, rel_tol=SAME, abs_tol=NOTHING)


@dataclass(frozen=True, eq=False, repr=False)
class Report(Mapping[str, Finding]):
    """Mapping from the number of each claim to its `Finding`; made by `run`.

    Attributes
    ----------
    findings : tuple of Finding
    stopped : str or None
        Why the run ended early; None if it is complete.
    """

    findings: tuple[Finding, ...]
    stopped: str | None = None

    def __getitem__(self, name: str) -> Finding:
        for one in self.findings:
            if one.claim.name == str(name):
                return one
        here = ", ".join(self) or "none"
        raise KeyError(f"claim {name!r} is not in this report; here are {here}")

    def __iter__(self) -> Iterator[str]:
        return (one.claim.name for one in self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    @property
    def changed(self) -> tuple[Finding, ...]:
        """Findings whose verdict or numbers differ from the record."""
        return tuple(one for one in self.findings if one.changed)

    @property
    def unsound(self) -> tuple[Finding, ...]:
        """Findings whose control does not make the claim false."""
        return tuple(one for one in self.findings if not one.sound)

    def to_dataframe(self) -> pd.DataFrame:
        """One row for each claim: title, verdict, condition, found, routes, control, seconds."""
        from dlnflow._common._frame import Frame

        return Frame(
            {
                "claim": one.claim.name,
                "title": one.claim.title,
                "verdict": str(one.verdict),
                "condition": one.noted.condition or one.because,
                "found": one.noted.sentence,
                "routes": ", ".join(one.routes),
                "control": str(one.control),
                "seconds": round(one.seconds, 2),
            }
            for one in self.findings
        )

    def to_json(self) -> str:
        """All findings, in the format of the record."""
        efforts = {str(one.effort) for one in self.findings}
        content = {
            "effort": "/".join(sorted(efforts)),
            "stopped": self.stopped,
            "claims": self.to_dicts(),
        }
        return json.dumps(content, indent=1, allow_nan=False) + "\n"

    def to_markdown(self) -> str:
        """The report as a Markdown page: a table, then one section for each claim."""
        return pages.page(self.to_dicts(), self.stopped)

    def to_html(self) -> str:
        """The report as one HTML file that contains its figures."""
        sections = (
            pages.HtmlSection(
                one.to_dict(),
                one.claim,
                one.noted,
                one.observations,
                one.control,
                one.brief,
                one.summary,
                one.recorded,
                one.changed,
                one.seconds,
                one.plot,
            )
            for one in self.findings
        )
        return pages.html(sections, self.stopped)

    def save_figures(self, folder: str | Path) -> list[Path]:
        """Save a figure of each claim, and its data as CSV.

        Parameters
        ----------
        folder : path
            Created if it does not exist.

        Returns
        -------
        list of Path
            Paths of the figures.
        """
        import matplotlib.pyplot as plt

        into = Path(folder)
        into.mkdir(parents=True, exist_ok=True)
        made = []
        for one in self.findings:
            file = into / f"claim_{one.claim.name}.png"
            figure: Any = one.plot().figure
            figure.savefig(file, dpi=110)
            plt.close(figure)
            one.to_dataframe().to_csv(file.with_suffix(".csv"), index=False, lineterminator="\n")
            made.append(file)
        return made

    def to_dicts(self) -> list[dict[str, Any]]:
        """Every finding's `Finding.to_dict`."""
        return [one.to_dict() for one in self.findings]

    def __repr__(self) -> str:
        lines = [repr(one) for one in self.findings]
        if self.stopped:
            lines.append(f"stopped early: {self.stopped}")
        return "\n".join(["Report", *lines])


@cache
def recorded() -> Mapping[str, Mapping[str, Any]]:
    """The recorded results of a full run of this version, by claim.

    Returns
    -------
    mapping
        From the number of a claim to its `Finding.to_dict`; empty if there is no record.

    Examples
    --------
    >>> from dlnflow import claims
    >>> round(claims.recorded()["5"]["numbers"]["JEPA, eps = 1e-3, L = 3"], 3)
    0.173
    """
    file = files("dlnflow.studies.claims") / RECORD
    if not file.is_file():
        return {}
    return {one["name"]: one for one in json.loads(file.read_text("utf-8"))["claims"]}

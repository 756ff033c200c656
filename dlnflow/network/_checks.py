"""What a look at the assumptions finds: records, and how they read."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

VALIDITY, PICTURE = "the closed form", "the paper's picture"
SHOWN = 1e-12  # what is smaller is the rounding that stands for zero


@dataclass(frozen=True)
class Check:
    """One assumption: what was measured, against what, why that, and what follows.

    Attributes
    ----------
    assumption : str
    measured, threshold : float
        The assumption holds where ``measured`` does not exceed ``threshold`` (or, if ``at_least``,
        is not below it).
    quantity : str
        What ``measured`` is.
    reason : str
        For the threshold.
    consequence : str
        Of a violation.
    at_least : bool
    concerns : {"the closed form", "the paper's picture"}
        What a violation calls in question: whether the prediction is right, or whether what it
        predicts is the paper's picture of features learned one after another, by ``rho``.
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
        """Whether the assumption holds."""
        if self.at_least:
            return self.measured >= self.threshold
        return self.measured <= self.threshold


@dataclass(frozen=True, repr=False)
class Assumptions:
    """All checks that could be made of what was given: an immutable record.

    Index it with the name of an assumption, or iterate over it.
    """

    checks: tuple[Check, ...]

    @property
    def hold(self) -> bool:
        """Whether all of them hold."""
        return all(check.holds for check in self.checks)

    @property
    def broken(self) -> tuple[Check, ...]:
        """Those that do not."""
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
        import pandas as pd

        names = ("assumption", "concerns", "measured", "threshold", "holds", "quantity", "reason")
        return pd.DataFrame(
            [
                {name: getattr(check, name) for name in (*names, "consequence")}
                for check in self.checks
            ]
        )

    def __repr__(self) -> str:
        held = len(self.checks) - len(self.broken)
        lines = [f"Assumptions: {held} of {len(self.checks)} hold"]
        headed = ""
        for check in sorted(self.checks, key=lambda check: check.concerns == PICTURE):
            if check.concerns != headed:
                headed = check.concerns
                lines.append(f" of {headed}:")
            sign = ">=" if check.at_least else "<="
            verdict = "holds " if check.holds else "BROKEN"
            lines.append(
                f"  {verdict}  {check.assumption}: {check.quantity} {_shown(check.measured):.3g} "
                f"({sign} {check.threshold:.3g})"
            )
            if not check.holds:
                lines += textwrap.wrap(
                    check.consequence, 88, initial_indent=" " * 10, subsequent_indent=" " * 10
                )
        return "\n".join(lines)


def _shown(number: float) -> float:
    """The number without the rounding that stands for zero."""
    return number if abs(number) > SHOWN else 0.0

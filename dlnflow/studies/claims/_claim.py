"""What a claim is, and what is observed about it: immutable records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from dlnflow.studies.claims.routes import ROUTES


class Effort(StrEnum):
    """How much is computed: everything in a minute, or in minutes."""

    quick = "quick"
    full = "full"

    def choose(self, quick: Any, full: Any) -> Any:
        """One of two settings."""
        return full if self is Effort.full else quick


class Observation(NamedTuple):
    """One number, found by one route in one setting, and what it says of the claim.

    Attributes
    ----------
    route : str
        A key of `ROUTES`.
    series : str
        Which of several quantities or networks.
    x : float
        The value of what is varied.
    number : float
        The number on which the claim is judged here.
    holds : bool
        Whether the claim is true here, by this number.
    inside : bool
        Whether the claim's condition is met here; True where it has none.
    error : float or None
        How far the number may be from that of another route in the same setting. None for a
        distance from a prediction, which every route has to itself and only has to be small.
    """

    route: str
    series: str
    x: float
    number: float
    holds: bool
    inside: bool = True
    error: float | None = 0.0

    @property
    def setting(self) -> tuple[str, float]:
        """What routes have in common that tell the same number."""
        return setting(self.series, self.x)


def setting(series: str, x: float) -> tuple[str, float]:
    """A series and a value of what is varied, to nine digits."""
    return series, float(f"{x:.9g}")


@dataclass(frozen=True)
class Axis:
    """What is varied, or measured: words, and whether it is drawn by its logarithm."""

    label: str
    log: bool = False


Observations = tuple[Observation, ...]


class Noted(NamedTuple):
    """What the observations come to, in words and in numbers with names."""

    sentence: str
    numbers: Mapping[str, float]
    condition: str = ""  # the boundary found, in words; "" where the claim has none


@dataclass(frozen=True)
class Control:
    """The claim's premise broken: its verdict has to change."""

    words: str
    premise: Mapping[str, Any]


def every(_: Observation) -> bool:
    """All observations are drawn."""
    return True


@dataclass(frozen=True, eq=False)
class Claim:
    """One claim, and how it is examined.

    Attributes
    ----------
    name : str
        Its number: ``"3"``, ``"12a"``.
    title : str
        In a few words.
    statement : str
        In the paper's terms, as a sentence that is true or false in any one setting.
    source : str
        Where it comes from.
    x, number : Axis
        What is varied, and the number observed.
    observe : callable
        ``observe(effort, **premise)`` yields observations.
    note : callable
        From all observations, what they come to.
    control : Control
        A premise with which the verdict must be another.
    module : str
        The code that computes it.
    drawn : callable
        Which observations the figure shows; by default all.
    level : float, optional
        Of the number, at which the claim turns, for the figure.
    """

    name: str
    title: str
    statement: str
    source: str
    x: Axis
    number: Axis
    observe: Callable[..., Iterable[Observation]]
    note: Callable[[Observations], Noted]
    control: Control
    module: str
    drawn: Callable[[Observation], bool] = every
    level: float | None = None

    def __repr__(self) -> str:
        return f"Claim {self.name}: {self.title}"

    def routes(self, observations: Observations) -> tuple[str, ...]:
        """The routes taken, in the order of `ROUTES`."""
        taken = {one.route for one in observations}
        return tuple(name for name in ROUTES if name in taken)

"""Immutable records: a claim, and the observations it is tested on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from dlnflow.studies.claims.routes import ROUTES


class Effort(StrEnum):
    """How many cases are computed: quick takes about a minute, full several minutes."""

    quick = "quick"
    full = "full"

    def choose(self, quick: Any, full: Any) -> Any:
        """One of two values, by effort."""
        return full if self is Effort.full else quick


class Observation(NamedTuple):
    """One number, computed by one route in one case, and whether the claim is true there.

    Attributes
    ----------
    route : str
        A key of `ROUTES`.
    series : str
        Name of the quantity, network or data set.
    x : float
        Value of the varied quantity.
    number : float
        The number that decides whether the claim is true here.
    holds : bool
        Whether the claim is true in this case.
    inside : bool
        Whether the case meets the claim's condition; True if the claim has none.
    error : float or None
        Error bound of the number, used when routes are compared in the same case. None for a
        distance from a prediction, which is not compared between routes.
    """

    route: str
    series: str
    x: float
    number: float
    holds: bool
    inside: bool = True
    error: float | None = 0.0

    @property
    def case(self) -> tuple[str, float]:
        """The key under which numbers of different routes are compared."""
        return case(self.series, self.x)


def case(series: str, x: float) -> tuple[str, float]:
    """A series and a value of the varied quantity, to nine digits."""
    return series, float(f"{x:.9g}")


@dataclass(frozen=True)
class Axis:
    """An axis of a claim's figure: its label, and whether its scale is logarithmic."""

    label: str
    log: bool = False


Observations = tuple[Observation, ...]


class Noted(NamedTuple):
    """The result of a claim's observations, as a sentence and as named numbers."""

    sentence: str
    numbers: Mapping[str, float]
    condition: str = ""  # where the claim is true; "" if it has no condition


@dataclass(frozen=True)
class Control:
    """A negative control: a changed premise with which the claim has to be false."""

    words: str
    premise: Mapping[str, Any]


def every(_: Observation) -> bool:
    """Draws all observations."""
    return True


@dataclass(frozen=True, eq=False)
class Claim:
    """One claim, and how it is tested.

    Attributes
    ----------
    name : str
        Its number: ``"3"``, ``"12a"``.
    title : str
        Short title.
    statement : str
        A sentence that is true or false in any one case.
    source : str
        Where the claim comes from.
    x, number : Axis
        The varied quantity and the observed number.
    observe : callable
        ``observe(effort, **premise)`` yields the observations.
    note : callable
        Makes the `Noted` from all observations.
    control : Control
        Changed premise with which the claim has to be false.
    module : str
        Name of the module that computes it.
    drawn : callable
        Selects the observations in the figure; all by default.
    level : float, optional
        Threshold of the number, drawn in the figure.
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
        """The routes of some observations, in the order of `ROUTES`."""
        taken = {one.route for one in observations}
        return tuple(name for name in ROUTES if name in taken)

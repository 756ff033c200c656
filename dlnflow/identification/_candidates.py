"""What a network may have been: an objective, an encoder depth, a decoder depth.

On the paper's clock a mode obeys ``dw/dt = lam w**a (1 - w**b / rho)`` with ``b = k / L`` and
``a = 1 + (N - 2 + m) / L``. Candidates with the same ``(a, b)`` obey the same equation, and no
trajectory tells them apart: they are fitted once, as one **law**.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dlnflow._common import _validate
from dlnflow.theory._clock import Clock, network_time
from dlnflow.theory._objective import JEPA, MAE, Objective, as_objective

DEEPEST = 6  # depths tried unless told otherwise
ALL = "all"


@dataclass(frozen=True)
class Candidate:
    """One network that the trajectories may come from."""

    objective: Objective
    L: int
    decoder_depth: int

    @cached_property
    def gap(self) -> int:
        """``k``."""
        return int(self.objective.gap(self.L, self.decoder_depth))

    @cached_property
    def inertia(self) -> int:
        """``N - 2 + m``."""
        return int(self.objective.inertia(self.L, self.decoder_depth))

    @cached_property
    def order(self) -> float:
        """``c`` of the master curve."""
        return float(self.objective.order(self.L, self.decoder_depth))

    @cached_property
    def exponents(self) -> tuple[Fraction, Fraction]:
        """``a - 1`` and ``b``: what the shape of a trajectory depends on."""
        return Fraction(self.inertia, self.L), Fraction(self.gap, self.L)

    def __str__(self) -> str:
        decoder = "" if self.decoder_depth == 1 else f", P = {self.decoder_depth}"
        named = (
            self.objective.name.upper() if self.objective in (JEPA, MAE) else self.objective.name
        )
        return f"{named}, L = {self.L}{decoder}"


@dataclass(frozen=True)
class Law:
    """A mode equation, and the candidates that share it; the first of them speaks for all."""

    candidates: tuple[Candidate, ...]

    @property
    def first(self) -> Candidate:
        """The simplest: the paper's own objectives before others, then the shallower."""
        return self.candidates[0]

    def unit(self, clock: Clock) -> float:
        """Network time of the first candidate in one unit of the clock."""
        return float(network_time(clock, self.first.L))


def laws(
    objective: Any, depths: ArrayLike | None, decoder_depth: ArrayLike, clock: Clock
) -> tuple[Law, ...]:
    """The door: every candidate asked for, gathered by the equation it obeys.

    On a clock that is not the paper's, candidates of different depth differ by a factor in
    ``lam``; they are one law all the same, unless ``lam`` is known.
    """
    Ls = _depths("L", np.arange(1, DEEPEST + 1) if depths is None else depths)
    Ps = _depths("decoder_depth", decoder_depth)
    found: dict[tuple[Fraction, Fraction], list[Candidate]] = {}
    for one in _objectives(objective, max(Ls)):
        for P in Ps:
            for L in Ls:
                if one.target_layer is None or one.target_layer < L or one.target_layer == 0:
                    candidate = Candidate(one, L, P)
                    found.setdefault(candidate.exponents, []).append(candidate)
    if not found:
        raise ValueError(
            f"objective must have its target within the encoder: got {objective!r} for L = {Ls}"
        )
    network_time(clock, 1)
    return tuple(Law(tuple(group)) for group in found.values())


def _objectives(objective: Any, deepest: int) -> tuple[Objective, ...]:
    """One or several objectives, or all that networks so deep can have."""
    if isinstance(objective, str) and objective == ALL:
        return tuple(
            as_objective(name)
            for name in ("jepa", "mae", *(f"layer-{m}" for m in range(1, deepest)))
        )
    if isinstance(objective, str | Objective):
        return (as_objective(objective),)
    if not isinstance(objective, Iterable):
        raise TypeError(f"objective must be a name, an Objective, or several: got {objective!r}")
    several = tuple(as_objective(one) for one in objective)
    if not several or len(set(several)) != len(several):
        raise ValueError(f"objective must name at least one and none twice: got {objective!r}")
    return several


def _depths(name: str, value: ArrayLike) -> tuple[int, ...]:
    return tuple(int(one) for one in np.unique(_validate.depth(name, value)))

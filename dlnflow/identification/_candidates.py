"""Candidate networks: an objective, an encoder depth and a decoder depth.

On the paper's clock a mode obeys ``dw/dt = lam w**a (1 - w**b / rho)`` with ``b = k / L`` and
``a = 1 + (N - 2 + m) / L``. Candidates with equal ``(a, b)`` obey the same equation. No trajectory
can distinguish them, so they are fitted once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from dlnflow._common import _validate
from dlnflow.theory._objective import JEPA, MAE, Objective, Objectives, as_objective

DEEPEST = 6  # largest encoder depth tried by default


@dataclass(frozen=True)
class Candidate:
    """A network that may have produced the trajectories."""

    objective: Objective
    L: int
    decoder_depth: int

    @cached_property
    def gap(self) -> int:
        """``k``."""
        return int(self.objective.gap(self.L, self.decoder_depth))

    @cached_property
    def growth_exponent(self) -> int:
        """``N - 2 + m``."""
        return int(self.objective.growth_exponent(self.L, self.decoder_depth))

    @cached_property
    def order(self) -> float:
        """``c`` of the master curve."""
        return float(self.objective.order(self.L, self.decoder_depth))

    @cached_property
    def exponents(self) -> tuple[Fraction, Fraction]:
        """``a - 1`` and ``b``, which determine the shape of a trajectory."""
        return Fraction(self.growth_exponent, self.L), Fraction(self.gap, self.L)

    def __str__(self) -> str:
        decoder = "" if self.decoder_depth == 1 else f", P = {self.decoder_depth}"
        return f"{name_of(self.objective)}, L = {self.L}{decoder}"


def name_of(objective: Objective) -> str:
    """``JEPA``, ``MAE``, ``layer-2``."""
    return objective.name.upper() if objective in (JEPA, MAE) else objective.name


@dataclass(frozen=True)
class GrowthLaw:
    """A mode equation ``dw/dt = lam w**(1 + alpha) (1 - w**beta / rho)`` that no candidate has.

    Fitted beside the candidates: where it explains the curves as well, they do not show that a
    candidate is right. It has the attributes of a `Candidate` by which trajectories are computed.
    """

    growth_exponent: float
    gap: float
    L: int = 1

    @property
    def order(self) -> float:
        """``c`` of the master curve."""
        return 1.0 + self.growth_exponent / self.gap


LAWS = (GrowthLaw(0.0, 1.0), GrowthLaw(0.0, 0.25), GrowthLaw(0.0, 4.0), GrowthLaw(1.0, 2.0))

Equation = tuple[Candidate, ...]  # candidates with one mode equation; the first represents them


def distinct_equations(
    objective: Objectives, depths: ArrayLike | None, decoder_depth: ArrayLike
) -> tuple[Equation, ...]:
    """All candidates, grouped by mode equation: JEPA, MAE, other objectives, then by depth.

    Off the paper's clock, candidates of different depth in one group differ by a factor in ``lam``.
    """
    encoder_depths = _depths("L", range(1, DEEPEST + 1) if depths is None else depths)
    decoder_depths = _depths("decoder_depth", decoder_depth)
    groups: dict[tuple[Fraction, Fraction], Equation] = {}
    objectives = _objectives(objective, encoder_depths[-1])
    for one, P, L in product(objectives, decoder_depths, encoder_depths):
        if not one.target_layer or one.target_layer < L:
            candidate = Candidate(one, L, P)
            same = groups.get(candidate.exponents, ())
            groups[candidate.exponents] = (*same, candidate)
    if not groups:
        raise ValueError(
            "objective must have its target within the encoder: "
            f"got {objective!r} for L = {encoder_depths}"
        )
    return tuple(groups.values())


def _objectives(objective: Objectives, deepest: int) -> tuple[Objective, ...]:
    """The objectives given, or with ``"all"`` every target layer up to the deepest encoder."""
    if isinstance(objective, str) and objective == "all":
        objective = ("jepa", "mae", *(f"layer-{m}" for m in range(1, deepest)))
    if isinstance(objective, str | Objective):
        return (as_objective(objective),)
    if not isinstance(objective, Iterable):
        raise TypeError(f"objective must be a name, an Objective, or several: got {objective!r}")
    several = tuple(as_objective(one) for one in objective)
    if not several or len(set(several)) != len(several):
        raise ValueError(f"objective must name at least one and none twice: got {objective!r}")
    return several


def _depths(name: str, value: ArrayLike) -> tuple[int, ...]:
    """The depths in ascending order."""
    return tuple(int(one) for one in np.unique(_validate.depth(name, value)))

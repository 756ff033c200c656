"""The objective, depths and clock of a derivation, and the concrete networks it covers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import sympy as sp

from dlnflow._common import _validate
from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._size import shown
from dlnflow.theory._objective import Objective, as_objective

CLOCKS = ("paper", "network")
DEPTHS_TRIED = 4  # number of encoder depths at which a step with symbolic L is checked
ANY_LAYER = "layer-m"
# Layers of encoder or decoder. `derive` takes about a second there, and ten at ten times the depth.
# The checks take longer: their exact matrices and digits grow with a higher power of the depth
DEEPEST = 100


@dataclass(frozen=True)
class ConcreteDepths:
    """Encoder depth, decoder depth, and the layer the target is read after, as numbers."""

    L: int
    P: int
    m: int

    @property
    def N(self) -> int:
        """Number of layers."""
        return self.L + self.P

    @property
    def symbols(self) -> dict[Any, Any]:
        """The values of the symbolic depths."""
        return {no.L: sp.Integer(self.L), no.P: sp.Integer(self.P), no.m: sp.Integer(self.m)}


@dataclass(frozen=True)
class Architecture:
    """An objective at given or symbolic depths, on a clock."""

    objective: str
    L: Any
    P: Any
    m: Any
    clock: str

    @property
    def N(self) -> Any:
        """Number of layers."""
        return self.L + self.P

    @property
    def gap(self) -> Any:
        """``k``, the number of layers between target and prediction."""
        return self.N - self.m

    @property
    def speed(self) -> Any:
        """Network time in one unit of the clock."""
        return 1 / self.L if self.clock == "paper" else sp.Integer(1)

    @property
    def conditions(self) -> tuple[Any, ...]:
        """That the target's layer is one of the encoder's, where the symbols do not imply it."""
        implied = self.m in (0, 1, self.L) or not self.symbolic
        return () if implied else (sp.Le(self.m, self.L),)

    @property
    def symbolic(self) -> bool:
        """Whether any depth is a symbol."""
        return bool(sp.Tuple(self.L, self.P, self.m).free_symbols)

    @property
    def in_paper(self) -> bool:
        """Whether the paper's theorems cover it: JEPA and MAE, one decoder layer."""
        return self.objective in ("jepa", "mae") and self.P == 1

    def of_paper(self, name: str) -> Architecture:
        """JEPA or MAE with one decoder layer at this encoder depth, on the paper's clock."""
        m = self.L if name == "jepa" else sp.Integer(0)
        return Architecture(name, self.L, sp.Integer(1), m, "paper")

    def cases(self) -> tuple[ConcreteDepths, ...]:
        """The depths at which it is checked: its own, or small ones where it has symbols."""
        least = max(1, int(self.m)) if self.m.is_Integer else 1
        depths = range(least, least + DEPTHS_TRIED) if self.L.free_symbols else (int(self.L),)
        found = []
        for L, P in product(depths, (1, 2) if self.P.free_symbols else (int(self.P),)):
            m = self.m.xreplace({no.L: sp.Integer(L)})
            layers = {0, 1, L} if m.free_symbols else {int(m)}
            found += [ConcreteDepths(L, P, layer) for layer in sorted(layers)]
        return tuple(found)

    @property
    def tried(self) -> str:
        """The depths of `cases` in words."""
        cases = self.cases()
        text = f"L = {self.L}" if not self.L.free_symbols else f"L = {cases[0].L}..{cases[-1].L}"
        if self.P.free_symbols:
            text += ", P = 1 and 2"
        return text + (", m = 0, 1 and L" if self.m == no.m else "")

    def __str__(self) -> str:
        named = {"jepa": "JEPA", "mae": "MAE", ANY_LAYER: "the target after layer m"}
        name = named.get(self.objective, f"the target after layer {self.m}")
        encoder = "any L" if self.L.free_symbols else f"L = {self.L}"
        decoder = "any decoder depth" if self.P.free_symbols else f"decoder depth {self.P}"
        return f"{name}, {encoder}, {decoder}, {self.clock} clock"


def validate_clock(clock: Any) -> None:
    """Refuse clocks that a derivation does not have."""
    if not isinstance(clock, str) or clock not in CLOCKS:
        raise ValueError(f"clock must be 'paper' or 'network' in a derivation: got {shown(clock)}")


def validated_architecture(
    objective: str | Objective, L: int | None, decoder_depth: int | None, clock: str
) -> Architecture:
    """Validates the arguments of `derive`."""
    depth = no.L if L is None else _depth("L", L)
    P = no.P if decoder_depth is None else _depth("decoder_depth", decoder_depth)
    validate_clock(clock)
    if isinstance(objective, str) and objective.lower() == ANY_LAYER:
        return Architecture(ANY_LAYER, depth, P, no.m, clock)
    known = as_objective(objective)
    if known.target_layer is None:
        return Architecture(known.name, depth, P, depth, clock)
    if L is not None:
        known.layer(L)
    elif known.target_layer > DEEPEST:
        raise ValueError(
            f"objective must have a target_layer of at most {DEEPEST}, since the cost grows with "
            f"depth ('layer-m' keeps it a symbol): got {known.target_layer}"
        )
    return Architecture(known.name, depth, P, sp.Integer(known.target_layer), clock)


def _depth(name: str, value: Any) -> sp.Integer:
    if isinstance(value, sp.Integer):
        value = int(value)
    try:
        checked = np.asarray(_validate.depth(name, value))
    except RecursionError:
        raise TypeError(f"{name} must be a positive integer: got {shown(value)}") from None
    depth = int(_validate.single(name, checked))
    if depth > DEEPEST:
        raise ValueError(
            f"{name} must be at most {DEEPEST}, since the cost grows with depth ({name}=None "
            f"derives every depth at once): got {shown(depth)}"
        )
    return sp.Integer(depth)

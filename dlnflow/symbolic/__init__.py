"""The derivation, from the loss to the critical time: every step checked by machine.

``derive("jepa", L=3)`` is the theory's own; ``derive_mode_ode(loss, ...)`` takes a user's loss.
"""

from dlnflow.symbolic._custom import derive_mode_ode
from dlnflow.symbolic._derivation import Derivation
from dlnflow.symbolic._derive import derive
from dlnflow.symbolic._fixed_points import FixedPoint
from dlnflow.symbolic._judge import DerivationError, UndecidedError
from dlnflow.symbolic._notation import L, P, eps, lam, m, p, rho, t, u, w
from dlnflow.symbolic._render import to_markdown as side_by_side
from dlnflow.symbolic._step import Step

__all__ = [
    "Derivation",
    "DerivationError",
    "FixedPoint",
    "L",
    "P",
    "Step",
    "UndecidedError",
    "derive",
    "derive_mode_ode",
    "eps",
    "lam",
    "m",
    "p",
    "rho",
    "side_by_side",
    "t",
    "u",
    "w",
]

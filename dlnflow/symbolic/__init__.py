"""The derivation from the loss to the critical time, with a check of every step.

`derive` covers the objectives of the theory, such as ``derive("jepa", L=3)``; `derive_mode_ode`
takes a user's own loss.
"""

from dlnflow.symbolic._custom import derive_mode_ode
from dlnflow.symbolic._derivation import Derivation, side_by_side
from dlnflow.symbolic._derive import derive
from dlnflow.symbolic._evaluate import DerivationError, UndecidedError
from dlnflow.symbolic._fixed_points import FixedPoint
from dlnflow.symbolic._notation import L, P, eps, lam, m, p, rho, t, u, w
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

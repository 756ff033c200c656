"""Turns derived expressions into NumPy functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from inspect import Parameter, Signature
from typing import Any

import numpy as np
import sympy as sp

from dlnflow._common import _validate
from dlnflow.symbolic import _notation as no

ARGUMENTS = {
    "mode_ode": (no.w, no.lam, no.rho),
    "order": (),
    "rate": (no.lam, no.rho),
    "plateau": (no.rho,),
    "critical_time": (no.lam, no.rho, no.eps, no.p),
    "critical_time_published": (no.lam, no.rho, no.eps),
    "critical_time_head": (no.lam, no.rho, no.eps),
    "remainder": (no.lam, no.rho, no.eps, no.p),
}


def numpy_function(
    name: str, expression: Any, depths: tuple[Any, ...], plateau: Any = None
) -> Callable[..., Any]:
    """A NumPy function of the quantity's arguments, then depths, then other parameters.

    With a ``plateau`` it is 0 where ``eps`` is at or above the fraction ``p`` of the plateau.
    """
    fixed = ARGUMENTS[name]
    rest = sorted(expression.free_symbols - {*fixed, *depths}, key=str)
    names = [symbol.name for symbol in (*fixed, *depths, *rest)]

    distance = sp.S.NegativeOne if plateau is None else no.eps - no.p * plateau

    @lru_cache(maxsize=32)
    def compiled(*sizes: int) -> Callable[..., Any]:
        numbers = dict(zip(depths, map(sp.Integer, sizes), strict=True))
        concrete = [one.subs(numbers).doit() for one in (expression, distance)]
        return sp.lambdify([*fixed, *rest], concrete, modules=[{"hyper": _hyper}, "numpy"])

    def function(*args: Any, **kwargs: Any) -> Any:
        given = _bound(name, names, args, kwargs)
        sizes = [_whole(symbol.name, given[symbol.name]) for symbol in depths]
        arrays = [_checked(symbol, given[symbol.name]) for symbol in (*fixed, *rest)]
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
        with np.errstate(all="ignore"):
            found, above = (np.broadcast_to(one, shape) for one in compiled(*sizes)(*arrays))
        return np.where(above >= 0.0, 0.0, found)[()]

    function.__name__ = name
    function.__doc__ = f"{name}({', '.join(names)}): {expression}"
    return function


def _bound(name: str, names: list[str], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    signature = Signature([Parameter(one, Parameter.POSITIONAL_OR_KEYWORD) for one in names])
    try:
        return signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        raise TypeError(f"{name} takes ({', '.join(names)}): got {error}") from None


def _checked(symbol: Any, given: Any) -> Any:
    """An argument after validation: positive, and below 1 if it is ``p``."""
    if symbol == no.p:
        return _validate.fraction("p", given)
    if symbol == no.w:
        return _validate.not_negative("w", given)
    return _validate.positive(symbol.name, given)


def _whole(name: str, value: Any) -> int:
    array = np.asarray(value)
    if array.ndim or array.dtype.kind not in "iuf" or array != np.floor(array) or array < 0:
        raise ValueError(f"{name} must be a single non-negative integer: got {value!r}")
    return int(array)


def _hyper(_above: Any, below: Any, z: Any) -> Any:
    """``2F1(1, b; b + 1; z)``, the only one needed, in SymPy's order of arguments.

    SciPy's function loses all digits near ``z = 1`` for some ``b`` below -1, so ``b`` is raised
    above 0 by ``F(b) = 1 + z b / (b + 1) F(b + 1)``.
    """
    from scipy.special import hyp2f1

    b = float(below[0]) - 1.0
    shifts = max(0, math.ceil(-b))
    found = hyp2f1(1.0, b + shifts, b + shifts + 1.0, z)
    for shift in reversed(range(shifts)):
        found = 1.0 + z * (b + shift) / (b + shift + 1.0) * found
    return found

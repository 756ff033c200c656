"""Derived expressions as NumPy functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp

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


def numpy_function(name: str, expression: Any, depths: tuple[Any, ...]) -> Callable[..., Any]:
    """A function of the arguments that the quantity has, then depths, then other parameters."""
    fixed = ARGUMENTS[name]
    rest = sorted(expression.free_symbols - {*fixed, *depths}, key=str)
    order = [*fixed, *depths, *rest]
    names = [symbol.name for symbol in order]

    @lru_cache(maxsize=32)
    def compiled(*sizes: int) -> Callable[..., Any]:
        numbers = dict(zip(depths, map(sp.Integer, sizes), strict=True))
        concrete = expression.subs(numbers).doit()
        return sp.lambdify([*fixed, *rest], concrete, modules=[{"hyper": _hyper}, "numpy"])

    def function(*args: Any, **kwargs: Any) -> Any:
        given = _bound(name, names, args, kwargs)
        sizes = tuple(_whole(symbol.name, given[symbol.name]) for symbol in depths)
        arrays = [np.asarray(given[s.name], dtype=float) for s in (*fixed, *rest)]
        shape = np.broadcast_shapes(*(array.shape for array in arrays)) if arrays else ()
        return np.broadcast_to(compiled(*sizes)(*arrays), shape).copy()[()]

    function.__name__ = name
    function.__doc__ = f"{name}({', '.join(names)}): {expression}"
    return function


def _bound(name: str, names: list[str], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    given = dict(zip(names, args, strict=False))
    wrong = [key for key in kwargs if key not in names or key in given]
    given |= kwargs
    missing = [one for one in names if one not in given]
    if len(args) > len(names) or wrong or missing:
        raise TypeError(
            f"{name} takes ({', '.join(names)}): got {len(args)} by position"
            + (f", {', '.join(kwargs)} by name" if kwargs else "")
        )
    return given


def _whole(name: str, value: Any) -> int:
    array = np.asarray(value)
    if array.ndim or array != np.floor(array):
        raise ValueError(f"{name} must be a single integer: got {value!r}")
    return int(array)


def _hyper(above: Any, below: Any, z: Any) -> Any:
    """SciPy's Gauss hypergeometric function, in SymPy's order of arguments."""
    from scipy.special import hyp2f1

    return hyp2f1(above[0], above[1], below[0], z)

"""Elementwise functions of labelled arrays (xarray) and of lazy ones (Dask).

Neither library is imported here: an argument of theirs shows that the caller has done so.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from functools import partial, wraps
from itertools import combinations
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np

from dlnflow._common._validate import described
from dlnflow.theory._clock import label, network_time
from dlnflow.theory._objective import as_objective

Args = ParamSpec("Args")
Result = TypeVar("Result")
Given = dict[str, Any]


class Quantity(NamedTuple):
    """What a labelled result says of itself; ``{clock}`` in its units is the clock's name."""

    symbol: str
    long_name: str
    units: str = "1"


def labelled(
    *results: Quantity, record: Callable[..., Any] | None = None
) -> Callable[[Callable[Args, Result]], Callable[Args, Result]]:
    """Let an elementwise function, which returns these quantities, take labelled and lazy arrays.

    A function of several quantities returns them in a ``record``, a class of named tuples.

    ``DataArray`` arguments are broadcast by the names of their dimensions, and the result is one.
    What is made of a Dask array stays lazy.
    """

    def decorate(function: Callable[Args, Result]) -> Callable[Args, Result]:
        code = function.__code__
        names = code.co_varnames[: code.co_argcount]

        @wraps(function)
        def accepting(*args: Args.args, **kwargs: Args.kwargs) -> Result:
            values = (*args, *kwargs.values())
            if any(isinstance(one, _types("xarray", "DataArray", "Dataset")) for one in values):
                apply: Callable[..., Any] = _by_name
            elif any(isinstance(one, _types("dask.array", "Array")) for one in values):
                apply = _by_block
            else:
                return function(*args, **kwargs)
            if len(args) > len(names) or kwargs.keys() & set(names[: len(args)]):
                return function(*args, **kwargs)  # which says what is wrong with the call
            given: Given = {**dict(zip(names, args, strict=False)), **kwargs}
            as_objective(given.get("objective", "jepa"))  # at once, though the numbers are lazy
            network_time(given.get("clock", "paper"), 1)
            with warnings.catch_warnings():  # a grid has more chunks than each of its axes
                warnings.filterwarnings("ignore", "Increasing number of chunks")
                made = apply(accepting, given, results)
            return record(*made) if record else made

        return accepting

    return decorate


def _types(module: str, *names: str) -> tuple[type, ...]:
    """The classes of a module, none if it has not been imported."""
    loaded = sys.modules.get(module)
    return tuple(getattr(loaded, name) for name in names) if loaded else ()


def _by_name(function: Any, given: Given, results: tuple[Quantity, ...]) -> Any:
    """The function of ``DataArray`` arguments, broadcast by the names of their dimensions."""
    import xarray as xr

    arrays = {name: one for name, one in given.items() if isinstance(one, xr.DataArray)}
    fixed = {name: one for name, one in given.items() if name not in arrays}
    for name, one in fixed.items():
        if isinstance(one, xr.Dataset) or _dimensions(one):
            raise TypeError(
                f"{name} must be a single value or a DataArray, whose dimensions have names, where "
                f"another argument is a DataArray: got {described(one)}"
            )
    try:
        made = xr.apply_ufunc(
            partial(_called, function, tuple(arrays), fixed),
            *arrays.values(),
            output_core_dims=[()] * len(results),
            join="exact",
            keep_attrs="drop_conflicts",
            dask="parallelized",
            output_dtypes=[np.float64] * len(results),
        )
    except ValueError:
        _refuse_other_labels(arrays)
        raise
    clock = label(given.get("clock", "paper"))
    for one, quantity in zip(made if len(results) > 1 else (made,), results, strict=True):
        one.name = function.__name__ if len(results) == 1 else None
        one.attrs = {**quantity._asdict(), "units": quantity.units.format(clock=clock)}
    return made


def _by_block(function: Any, given: Given, results: tuple[Quantity, ...]) -> Any:
    """The function of Dask arrays, broadcast as in NumPy and computed block by block."""
    from dask.array import apply_gufunc

    arrays = {name: one for name, one in given.items() if _dimensions(one)}
    fixed = {name: one for name, one in given.items() if name not in arrays}
    signature = f"{','.join(['()'] * len(arrays))}->{','.join(['()'] * len(results))}"
    return apply_gufunc(  # type: ignore[no-untyped-call]
        partial(_called, function, tuple(arrays), fixed),
        signature,
        *arrays.values(),
        output_dtypes=[np.float64] * len(results) if len(results) > 1 else np.float64,
    )


def _called(function: Any, names: tuple[str, ...], fixed: Given, *arrays: Any) -> Any:
    """At the top level of a module, so that other processes can be sent it."""
    return function(**dict(zip(names, arrays, strict=True)), **fixed)


def _dimensions(value: Any) -> int:
    """How many dimensions a value has; 1 for a list that is not rectangular."""
    try:
        return np.ndim(value)
    except ValueError:
        return 1


def _refuse_other_labels(arrays: Mapping[str, Any]) -> None:
    """Name two arrays whose labels differ along a dimension that they share."""
    for (one, its), (other, others) in combinations(arrays.items(), 2):
        for dim in set(its.dims) & set(others.dims):
            indexes = [a.indexes[dim] for a in (its, others) if dim in a.indexes]
            apart = any(not indexes[0].equals(one) for one in indexes)
            if apart or its.sizes[dim] != others.sizes[dim]:
                found = [described(a[dim].values.tolist()) for a in (its, others)]
                raise ValueError(
                    f"{one} and {other} must have the same labels in the same order along their "
                    f"dimension {dim!r}: got {found[0]} and {found[1]}"
                )

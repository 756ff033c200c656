"""Validates the arguments of public functions.

Each check names the argument, the value and what is allowed, and returns the array to work with.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import combinations, pairwise
from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common._arrays import on_host

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

# between variance and lam / rho, so that rounded tables pass and wrong units do not
AGREEMENT = 1e-2
BLANK = " \t\r\n"  # what may stand around a number in a text
NUMBER = re.compile(
    r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?|nan)", re.ASCII | re.IGNORECASE
)
SHOWN = 60  # characters of a value in a message
MOST_SHOWN = 4  # entries of an array

# ``float`` takes all of these, some with a warning
NOT_REAL = (
    str,
    bytes,
    bytearray,
    bool,
    np.bool_,
    complex,
    np.complexfloating,
    np.datetime64,
    np.timedelta64,
    np.ndarray,
)


def number_in_text(text: str) -> float:
    """The number that a text holds in plain ASCII digits, ``inf`` and ``nan`` included.

    ``float`` alone also reads ``1_000`` and the digits of other scripts, which in a file or a
    command are more likely mistakes.

    Raises
    ------
    ValueError
        For every other text.

    Examples
    --------
    >>> number_in_text(" 1e3 "), number_in_text("-inf")
    (1000.0, -inf)
    """
    plain = text.strip(BLANK)
    if not NUMBER.fullmatch(plain):
        raise ValueError(f"{plain!r} is not a number")
    return float(plain)


def real(name: str, value: ArrayLike) -> Array:
    """Finite real numbers as an array."""
    array = numbers(name, value)
    if not _within(array, -np.inf, np.inf):
        _refuse(name, array, np.isfinite(array), "must be finite")
    return array


def numbers(name: str, value: ArrayLike) -> Array:
    """Real numbers as a float array, whatever their values."""
    if value is None:
        raise TypeError(f"{name} must hold real numbers: got None")
    if _has_mask(value):
        raise ValueError(f"{name} must have no masked entries: got {described(value)}")
    try:
        array = np.asarray(converted(name, value))
    except ValueError:
        raise ValueError(
            f"{name} must be a rectangular array of numbers: got {described(value)}"
        ) from None
    if array.dtype.kind not in "iufO":
        raise TypeError(f"{name} must hold real numbers: got {described(value)}")
    if array.dtype.kind != "O" and array.dtype.itemsize <= 8:
        return np.asarray(array, dtype=np.float64)
    try:
        # whoever asks next says that the result must be finite, and so does this
        with np.errstate(over="ignore", under="ignore"):
            if array.dtype.kind != "O":
                double = array.astype(np.float64)
            else:
                flat = [_double(one) for one in array.flat]
                double = np.array(flat, dtype=np.float64).reshape(array.shape)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must hold real numbers: got {described(value)}") from None
    beyond = np.isinf(double) & np.asarray(array != double, dtype=bool)
    if beyond.any():
        raise ValueError(
            f"{name} must be finite in double precision: got {described(array[beyond][0])}"
        )
    return double


def is_lazy(value: Any) -> bool:
    """Whether Dask holds the value, so that NumPy would compute all of it."""
    graph = getattr(value, "__dask_graph__", None)
    return graph is not None and graph() is not None


def converted(name: str, value: Any) -> Any:
    """A value that NumPy can read, whatever library its arrays are of; see `on_host`."""
    if is_lazy(value):
        raise TypeError(
            f"{name} must be in memory: got {type(value).__name__}, held by Dask; "
            f"{name}.compute() loads it, and dlnflow.data.accumulate_dask need not"
        )
    try:
        return on_host(value)
    except Exception as error:  # other libraries raise errors of their own
        why = str(error).strip().partition("\n")[0] or type(error).__name__
        raise TypeError(
            f"{name} must be convertible to a NumPy array: got {described(value)}: {why}"
        ) from error


def _has_mask(value: Any) -> bool:
    """Whether an entry is masked, in lists too: there NumPy drops the mask, or warns of NaN."""
    if isinstance(value, list | tuple):
        return any(map(_has_mask, value))
    return isinstance(value, np.ma.MaskedArray) and bool(np.ma.is_masked(value))


def _double(one: Any) -> float:
    """A number of any type, infinite if it is too large."""
    if isinstance(one, NOT_REAL):
        raise TypeError
    try:
        return float(one)
    except OverflowError:
        return float("inf") if one > 0 else float("-inf")


def _large_enough(name: str, value: ArrayLike, array: Array) -> None:
    """Refuse what is not 0 but rounds to it in double precision, and would be called 0."""
    if array.all():
        return
    given = np.asarray(converted(name, value))
    lost = (array == 0.0) & np.asarray(given != 0, dtype=bool)
    if lost.any():
        raise ValueError(
            f"{name} must not be too small for double precision: got {described(given[lost][0])}"
        )


def described(value: Any) -> str:
    """A value in a few words, however large it is."""
    if isinstance(value, np.ndarray) and value.size > MOST_SHOWN:
        return f"an array of dtype {value.dtype}, shape {value.shape}"
    kind = type(value).__name__
    try:
        text = str(value) if isinstance(value, np.floating) else repr(value)
    except ValueError:  # Python refuses to print integers of many thousand digits
        return f"a value of type {kind}, too long to print"
    if len(text) <= SHOWN and "\n" not in text:
        return text
    if isinstance(value, Number):
        return f"{text[:20]}... ({len(text)} characters)"
    return f"a {kind} of length {len(value)}" if hasattr(value, "__len__") else f"a {kind}"


def positive(name: str, value: ArrayLike) -> Array:
    """Finite numbers above zero, at least one."""
    array = _some(name, numbers(name, value))
    if not _within(array, 0.0, np.inf):
        _large_enough(name, value, array)
        _refuse(name, array, (array > 0.0) & (array < np.inf), "must be positive and finite")
    return array


def not_negative(name: str, value: ArrayLike, *, infinite: bool = False) -> Array:
    """Numbers from zero up, infinity among them if allowed."""
    array = numbers(name, value)
    good = array >= 0.0 if infinite else (array >= 0.0) & (array < np.inf)
    rule = "must not be negative or NaN" if infinite else "must be finite and not negative"
    _refuse(name, array, good, rule)
    return array


def fraction(name: str, value: ArrayLike) -> Array:
    """Numbers strictly between 0 and 1."""
    array = numbers(name, value)
    _large_enough(name, value, array)
    _refuse(name, array, (array > 0.0) & (array < 1.0), "must lie in (0, 1)")
    return array


def depth(name: str, value: ArrayLike) -> IntArray:
    """Positive integers; floats that are whole count as such."""
    array = _some(name, numbers(name, value))
    whole = (array >= 1.0) & (array == np.floor(array)) & (array < 2.0**31)
    _refuse(name, array, whole, "must be a positive integer")
    return array.astype(np.int64)


def modes(
    lam: ArrayLike, rho: ArrayLike, variance: ArrayLike | None
) -> tuple[Array, Array, Array | None]:
    """``lam`` and ``rho`` of one sign, and the variance where both are zero."""
    same_labels(lam=lam, rho=rho, variance=variance)
    given = {"lam": lam, "rho": rho}
    lam, rho = numbers("lam", lam), numbers("rho", rho)
    if all(array.size and _within(array, 0.0, np.inf) for array in (lam, rho)):
        together(lam=lam, rho=rho)
        return lam, rho, None if variance is None else _variance(lam, rho, variance)
    for name, array in (("lam", lam), ("rho", rho)):
        _some(name, array, "mode")
        _refuse(name, array, np.isfinite(array), "must be finite")
        _large_enough(name, given[name], array)
    together(lam=lam, rho=rho)
    differ = np.sign(lam) != np.sign(rho)
    if differ.any():
        raise ValueError(
            "lam and rho must have the same sign (rho = lam / variance), or both be 0: "
            f"got lam = {_first(lam, differ)} with rho = {_first(rho, differ)}"
        )
    if variance is None:
        if not rho.all():
            raise ValueError(
                "rho must not be 0 unless variance is given: a mode with lam = rho = 0 is pure "
                "noise, and only its variance says how fast it decays: got rho = 0.0"
            )
        return lam, rho, None
    return lam, rho, _variance(lam, rho, variance)


def _variance(lam: Array, rho: Array, variance: ArrayLike) -> Array:
    array = numbers("variance", variance)
    _large_enough("variance", variance, array)
    together(lam=lam, rho=rho, variance=array)
    shape = np.broadcast_shapes(lam.shape, rho.shape)
    with np.errstate(over="ignore"):
        implied = np.divide(lam, rho, out=np.zeros(shape), where=rho != 0)
    array = positive("variance", np.where(np.isnan(array) & (implied > 0.0), implied, array))
    apart = (implied != 0.0) & ~(np.abs(array - implied) <= AGREEMENT * implied)
    apart |= implied == np.inf
    if apart.any():
        raise ValueError(
            "variance must agree with lam / rho where rho is not 0: "
            f"got {_first(array, apart)} for lam / rho = {_first(implied, apart)}"
        )
    return array


def together(**arrays: ArrayLike | None) -> tuple[int, ...]:
    """The common shape of arrays that broadcast; else an error that names two that do not."""
    shapes = {name: np.shape(array) for name, array in arrays.items() if array is not None}
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError:
        pairs = combinations(shapes.items(), 2)
        (one, its), (other, others) = next(pair for pair in pairs if _clash(pair[0][1], pair[1][1]))
        grid = (
            f"; for every combination pass {one}[:, None]" if len(its) == len(others) == 1 else ""
        )
        raise ValueError(
            f"{one} and {other} must have shapes that broadcast: got {its} and {others}{grid}"
        ) from None


def same_labels(**arguments: Any) -> None:
    """Refuse Series and DataFrames of which one has other labels, or another order of them."""
    tables = {name: table for name, table in arguments.items() if _index(table) is not None}
    for (one, first), (other, table) in pairwise(tables.items()):
        if len(first) == len(table) and not _index(first).equals(_index(table)):
            raise ValueError(
                f"{other} must have the labels of {one} in the same order: got "
                f"{described(_index(table).tolist())} beside {described(_index(first).tolist())}; "
                f"use {other}.reindex({one}.index), or to_numpy() to go by position"
            )


def _index(table: Any) -> Any:
    """The labels of a pandas Series or DataFrame; None for anything else."""
    index = getattr(table, "index", None)
    return index if hasattr(index, "get_indexer") else None


def choice(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """One of a few words."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(
            f"{name} must be one of {', '.join(map(repr, allowed))}: got {described(value)}"
        )
    return str(value)


Seed = int | np.random.Generator | None


def generator(name: str, value: Seed) -> np.random.Generator:
    """A source of random numbers from a seed, a generator, or None for a fresh one."""
    try:
        return np.random.default_rng(value)
    except (TypeError, ValueError):
        raise TypeError(
            f"{name} must be a non-negative integer, a numpy Generator or None: "
            f"got {described(value)}"
        ) from None


def _some(name: str, array: Array, what: str = "value") -> Array:
    if array.size == 0:
        raise ValueError(f"{name} must hold at least one {what}: got an empty array")
    return array


def single(name: str, array: Any) -> Any:
    """A validated value that must not be an array."""
    if np.ndim(array):
        raise ValueError(f"{name} must be a single value: got {np.asarray(array).tolist()}")
    return array


def number(name: str, value: ArrayLike, check: Callable[[str, ArrayLike], Array]) -> float:
    """One number that passes a check of this module."""
    return float(single(name, check(name, value)))


def positive_integer(name: str, value: Any) -> int:
    """One positive integer."""
    return int(single(name, depth(name, value)))


def _within(array: Array, low: float, high: float) -> bool:
    """Whether all numbers lie strictly between, in two passes and no temporary; NaN does not."""
    return bool(array.size == 0 or (array.min() > low and array.max() < high))


def _clash(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two shapes do not broadcast."""
    return any(a != b and 1 not in (a, b) for a, b in zip(one[::-1], other[::-1], strict=False))


def _refuse(name: str, array: Array, good: NDArray[np.bool_], rule: str) -> None:
    if good.all():
        return
    bad = ~good
    where = f" at index {tuple(map(int, np.argwhere(bad)[0]))}" if array.ndim else ""
    raise ValueError(f"{name} {rule}: got {_first(array, bad):g}{where}")


def _first(array: Array, where: NDArray[np.bool_]) -> float:
    return float(np.broadcast_to(array, where.shape)[where][0])

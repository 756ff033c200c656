"""Elementwise work in blocks that fit the cache, and powers right to the last digits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BLOCK = 65536
NEXT_BELOW = 1.0 - 2.0**-52  # the plateau is approached, never reached
GRAIN = 2.0**20  # what of a quotient is kept exactly when multiplied by a small integer


def blockwise(function: Callable[..., Array], *operands: Array) -> Array:
    """``function(*operands)`` for an elementwise function, a block of the result at a time.

    Operands reach the function with at least one axis, as views that still broadcast against each
    other, never copied to the full shape; memory beyond the result is a few blocks.
    """
    shape = np.broadcast_shapes(*(operand.shape for operand in operands))
    rank = max(len(shape), 1)
    aligned = [
        operand.reshape((1,) * (rank - operand.ndim) + operand.shape) for operand in operands
    ]
    result = np.empty(shape or (1,))
    if result.size == 0:
        return result
    if result.size <= BLOCK:
        result[...] = function(*aligned)
        return result.reshape(shape)
    for index in _blocks(shape):
        pieces = (operand[_within(index, operand.shape)] for operand in aligned)
        result[index] = function(*pieces)
    return result


def _blocks(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Slices that cut ``shape`` into blocks along its first axis whose rows fit one."""
    axis = next(i for i in range(len(shape)) if np.prod(shape[i + 1 :], dtype=int) <= BLOCK)
    step = max(1, BLOCK // int(np.prod(shape[axis + 1 :], dtype=int)))
    leading = product(*(range(n) for n in shape[:axis]))
    for outer in leading:
        for start in range(0, shape[axis], step):
            yield (*(slice(i, i + 1) for i in outer), slice(start, start + step))


def _within(index: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """The part of an operand that broadcasts against a block of the result."""
    return tuple(slice(None) if n == 1 else cut for cut, n in zip(index, shape, strict=False))


def rational_power(base: Array, numerator: Array, denominator: Array) -> Array:
    """``base**(numerator / denominator)`` for ``base >= 0``, corrected for the quotient's rounding.

    At ``base = 1e-30`` that rounding alone would cost a relative 1e-14.
    """
    quotient = numerator / denominator
    high = np.round(quotient * GRAIN) / GRAIN
    rest = (numerator - high * denominator - (quotient - high) * denominator) / denominator
    # Copies, so that they take one code path in NumPy, whatever they were broadcast from: the same
    # numbers give the same power to the last digit.
    base, quotient = np.broadcast_arrays(base, quotient)
    power = np.power(np.array(base, order="C"), np.array(quotient, order="C"))
    if not rest.any():
        return power
    return power * (1.0 + rest * np.log(np.where(base > 0.0, base, 1.0)))


def between(value: Array, at_zero: Array, at_rest: Array) -> Array:
    """In finite time the fixed point is approached and never reached, from either side."""
    falls = at_zero > at_rest
    lowest = np.where(falls, np.minimum(at_rest / NEXT_BELOW, at_zero), at_zero)
    highest = np.where(falls, at_zero, np.maximum(at_rest * NEXT_BELOW, at_zero))
    return np.clip(value, lowest, highest, out=value)


def at_the_ends(t: Array, value: Array, at_zero: Array, at_rest: Array) -> Array:
    """The exact values at ``t = 0`` and ``t = inf``."""
    if not t.min() > 0.0:
        value = np.where(t == 0.0, at_zero, value)
    if t.max() == np.inf:
        value = np.where(t == np.inf, at_rest, value)
    return value

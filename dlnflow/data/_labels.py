"""Labels of tables: the names of features, and the order that two tables share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Names = tuple[str, ...]
Places = NDArray[np.intp]

NUMBERED = re.compile(r"(.*?)[ _.\-]?([0-9]+)", re.ASCII)
LISTED = 5  # labels in a message
BY_POSITION = "pass arrays, as by to_numpy(), to pair by position"


def columns(value: Any) -> Names | None:
    """The labels of a table's columns, as text; None for an array."""
    return _labels(value, "column_names") or _labels(value, "columns")


def named(labels: Names | None) -> Names | None:
    """The labels, or None if they are only the numbers of the columns."""
    return None if labels is None or _numbering(labels) else labels


def feature_order(
    wanted: Sequence[str] | None,
    got: Names | None,
    what: str,
    whose: str,
    hint: str = BY_POSITION,
) -> Places | None:
    """Places of the ``wanted`` features among those that ``what`` has; None for the same order.

    Labels that consist of one prefix and a number (x1, x2 and y1, y2) are paired by number. Bare
    numbers of columns are no labels beside names.
    """
    if wanted is None or got is None or tuple(wanted) == got:
        return None
    wanted, bare = tuple(wanted), [_numbering(labels) for labels in (wanted, got)]
    if len(wanted) == len(got):
        for ours, theirs in (wanted, got), (_numbers(wanted), _numbers(got)):
            if ours and theirs and sorted(set(ours)) == sorted(theirs):
                return np.array([theirs.index(key) for key in ours])
        if bare[0] != bare[1] and not all(map(str.isdigit, got if bare[0] else wanted)):
            return None
    elif all(bare):
        return None  # the check of shapes refuses these
    extra = [label for label in got if label not in wanted]
    absent = [label for label in wanted if label not in got]
    lacks = f" without {_listed(absent)}" if absent else ""
    beside = f" with {_listed(extra)}" if extra else ""
    twice = "" if absent or extra else f" {_listed(got)}, not each once"
    raise ValueError(
        f"{what} must have the features of {whose}, in any order: got a table{beside}"
        f"{' and' * bool(beside and lacks)}{lacks}{twice}; {hint}"
    )


def row_order(one: Any, other: Any, what: str, whose: str) -> Places | None:
    """Places of the rows of ``one`` among those of ``other``; None for the same order.

    Both are pandas objects with an index; for anything else rows go by position.
    """
    wanted, got = getattr(one, "index", None), getattr(other, "index", None)
    if not (hasattr(wanted, "get_indexer") and hasattr(got, "get_indexer")):
        return None
    if wanted.equals(got):  # type: ignore[union-attr]
        return None
    numbers = [_row_numbers(index) for index in (wanted, got)]
    if len(wanted) == len(got) and numbers[0] != numbers[1]:  # type: ignore[arg-type]
        named_one = got if numbers[0] else wanted
        if named_one.dtype.kind not in "iuf":  # type: ignore[union-attr]
            return None
    unique = wanted.is_unique and got.is_unique  # type: ignore[union-attr]
    places: Places = got.get_indexer(wanted) if unique else np.array([-1])  # type: ignore[union-attr]
    if len(wanted) == len(got) and (places >= 0).all():  # type: ignore[arg-type]
        return places
    if not unique:
        found = "labels that occur twice, in another order"
    else:
        absent = [str(label) for label in wanted[places < 0]]  # type: ignore[index]
        extra = [str(label) for label in got[wanted.get_indexer(got) < 0]]  # type: ignore
        found = f"without {_listed(absent)}" if absent else f"with {_listed(extra)}"
    raise ValueError(
        f"{what} must have the row labels (index) of {whose}, in any order: got {found}; "
        f"{BY_POSITION}"
    )


def taken(rows: NDArray[Any], order: Places | None, axis: int) -> NDArray[Any]:
    """The array in another order along one axis."""
    return rows if order is None else np.take(rows, order, axis)


def aligned(
    x: Any,
    y: Any,
    arrays: tuple[NDArray[Any], NDArray[Any]],
    names: Sequence[str] | None = None,
) -> tuple[NDArray[Any], NDArray[Any], Names | None]:
    """Samples in one order of rows and features, and the features' names if they have any.

    ``arrays`` holds the rows of ``x`` and ``y``. Tables follow ``names``, or else the columns of
    ``x``. A target of another dimension, without a feature of ``x``, keeps its own order.
    """
    of_x, of_y = columns(x), columns(y)
    if arrays[0].shape[1] != arrays[1].shape[1] and set(of_x or ()).isdisjoint(of_y or ()):
        of_y = None
    wanted, whose = (of_x, "x") if names is None else (tuple(names), "names")
    context = taken(arrays[0], feature_order(wanted, of_x, "x", whose), 1)
    target = taken(arrays[1], feature_order(wanted, of_y, "y", whose), 1)
    target = taken(target, row_order(x, y, "y", "x"), 0)
    return context, target, named(wanted) or named(of_y)


def aligned_square(
    name: str, value: Any, matrix: NDArray[Any], names: Names | None
) -> tuple[NDArray[Any], Names | None]:
    """A square matrix with rows and columns in the order of ``names``, and those names.

    Without ``names`` rows follow the columns.
    """
    of_columns, of_rows = columns(value), _labels(value, "index")
    wanted, whose = (of_columns, "its columns") if names is None else (names, "sigma_xx")
    matrix = taken(matrix, feature_order(wanted, of_columns, f"columns of {name}", whose), 1)
    matrix = taken(matrix, feature_order(wanted, of_rows, f"rows of {name}", whose), 0)
    return matrix, names or named(of_columns)


def _labels(value: Any, attribute: str) -> Names | None:
    """An attribute that holds labels, which a dimension of xarray by that name does not."""
    found = None if hasattr(value, "dims") else getattr(value, attribute, None)
    return None if found is None or callable(found) else tuple(map(str, found))


def _numbers(labels: Names) -> tuple[Any, ...] | None:
    """The numbers behind the prefix that all labels share, or None."""
    found = [NUMBERED.fullmatch(label) for label in labels]
    if len({match and match[1] for match in found}) != 1 or found[0] is None:
        return None
    return tuple(int(match[2]) for match in found if match)


def _numbering(labels: Sequence[str]) -> bool:
    return list(labels) == [str(place) for place in range(len(labels))]


def _row_numbers(index: Any) -> bool:
    return type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(map(repr, labels[:LISTED])) + ", ..." * (len(labels) > LISTED)

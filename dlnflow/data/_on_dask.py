"""Covariances on Dask, part by part: `accumulate_dask`."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterable, Sequence
from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlnflow._common import _validate
from dlnflow.data._accumulate import CovarianceAccumulator, accumulate
from dlnflow.data._files import parquet_table
from dlnflow.data._pairs import numbered, parquet_groups, two_names

if TYPE_CHECKING:
    from dask.delayed import Delayed

TOGETHER = 8  # parts merged by one task
BATCH = 2**22  # numbers of x, or of y, in a batch of Parquet; wide files are slower in small ones

Part = tuple[Callable[..., CovarianceAccumulator], tuple[Any, ...]]


def accumulate_dask(
    data: Any,
    other: Any = None,
    *,
    pairs: Sequence[str] = ("x", "y"),
    keep: str | os.PathLike[str] | None = None,
) -> Delayed:
    """Accumulate the covariances of pairs on Dask, in one pass over data of any size.

    Choose it over `accumulate` for data that Dask holds, or for several processes or machines.
    Each part of the data (a block of rows, a partition, a row group) becomes one accumulator on the
    worker that has it, and these are merged in a tree. Parts are computed again if a worker is
    lost, and merged in the same order, so that the result is the same to the last bit.

    Parameters
    ----------
    data : Dask array, DataFrame or bag, or path
        A Dask array of contexts, shape (n, d). A Dask DataFrame of contexts, or of pairs if there
        is no ``other``. A Dask bag of batches (x, y). The path of a Parquet file of pairs, or of a
        folder, whose files then count as one table, those in sub-folders included.
    other : Dask array or DataFrame, optional
        The targets, row by row, of the same kind and shape as ``data``. The columns of a DataFrame
        are matched by name, its rows by the index.
    pairs : two str
        Prefixes of the columns that make the pairs in one DataFrame or in Parquet; see
        `pairs_from`.
    keep : path, optional
        A folder, which all workers must reach, for the covariances of the parts. After an
        interrupt the same call goes on from what is there. Parts are known by the names that Dask
        gives them, and by the size and time of files. Delete the folder afterwards.

    Returns
    -------
    dask.delayed.Delayed
        ``.compute()`` gives the `CovarianceAccumulator`, on the scheduler of your choice.

    Raises
    ------
    TypeError
        If ``data`` is none of these, or ``other`` not of its kind.
    ValueError
        If ``data`` and ``other`` differ in shape, columns or partitions, or if columns are missing
        or differ between files. At ``compute()``, as `CovarianceAccumulator.update`, with a note
        that names the part.
    OSError
        If there is no such file.
    ImportError
        Without Dask, which comes with ``pip install 'dlnflow[dask]'``.

    Notes
    -----
    The result agrees with that of all rows in one piece to 1e-12 of ``sqrt(s_i s_j)``; see
    `CovarianceAccumulator`. A process holds a part at a time (of Parquet, a batch of a part). Let
    each process use one thread of the matrix library (``OMP_NUM_THREADS=1``); ``docs/sweeps.md``.

    Examples
    --------
    >>> import dask.array as da
    >>> from dlnflow.data import accumulate_dask
    >>> x = da.random.default_rng(0).normal(size=(10_000, 2), chunks=(1000, 2))
    >>> accumulate_dask(x, 0.5 * x).compute(scheduler="threads")
    CovarianceAccumulator: n = 10000, d = 2
    """
    try:
        from dask.delayed import delayed
    except ImportError:
        raise ImportError("accumulate_dask needs Dask: pip install 'dlnflow[dask]'") from None
    parts = _parts(data, other, two_names(pairs))
    make = delayed(_part, pure=True)
    lazy = [make(place, how, *given) for place, (how, given) in enumerate(parts)]
    return _tree(lazy, None if keep is None else Path(keep))


def _parts(data: Any, other: Any, prefixes: tuple[str, ...]) -> Iterable[Part]:
    """What makes each part, and of what."""
    kind = _kind(data)
    if kind not in ("array", "frame") and other is not None:
        raise TypeError(
            f"other must be None with a bag or a path: got {_validate.described(other)}"
        )
    if kind == "path":
        found = parquet_groups(Path(data).absolute(), prefixes)  # workers may be elsewhere
        versions = {file: (file.stat().st_size, file.stat().st_mtime_ns) for file, _ in found}
        return [(_of_group, (file, place, prefixes, versions[file])) for file, place in found]
    if kind == "bag":
        return [(accumulate, (batches,)) for batches in data.to_delayed()]
    if kind == "frame" and other is None:
        places = numbered("data", prefixes, tuple(map(str, data.columns)))
        columns = [data.columns[place] for place in places]
        return [(_of_columns, (frame, columns)) for frame in data.to_delayed()]
    if _kind(other) != kind:
        held = "a Dask array" if kind == "array" else "a Dask DataFrame"
        raise TypeError(f"other must be {held}, as data is: got {_validate.described(other)}")
    if kind == "frame":
        return _paired_frames(data, other)
    return _paired_arrays(data, other)


def _kind(data: Any) -> str:
    if isinstance(data, str | os.PathLike):
        return "path"
    module = type(data).__module__.partition(".")[0]
    if module == "dask" and hasattr(data, "to_delayed"):
        for kind, attribute in (("array", "chunks"), ("frame", "columns"), ("bag", "pluck")):
            if hasattr(data, attribute):
                return kind
    raise TypeError(
        "data must be a Dask array (of xarray's DataArray its .data), DataFrame or bag of batches "
        "(x, y), or the path of a Parquet file or folder, and other of its kind: "
        f"got {_validate.described(data)}"
    )


def _paired_arrays(x: Any, y: Any) -> Iterable[Part]:
    """Blocks of rows, of the chunks of ``x``."""
    apart = [a != b for a, b in zip(x.shape, y.shape, strict=False) if not np.isnan(a + b)]
    if x.ndim != 2 or y.ndim != 2 or any(apart):
        raise ValueError(
            "data and other must have the same shape (n, d), one pair per row and the same "
            f"dimension: got {x.shape} and {y.shape}"
        )
    x, y = (a if a.numblocks[1] == 1 else a.rechunk({1: -1}) for a in (x, y))
    if not np.isnan(x.shape[0] + y.shape[0]):
        y = y.rechunk({0: x.chunks[0]})
    elif x.numblocks[0] != y.numblocks[0]:
        raise ValueError(
            "data and other must have as many blocks where their sizes are not known: "
            f"got {x.numblocks[0]} and {y.numblocks[0]}"
        )
    # not optimised one by one: what both are made of is then computed once
    blocks = (one.to_delayed(optimize_graph=False).ravel() for one in (x, y))
    return [(_of_rows, pair) for pair in zip(*blocks, strict=True)]


def _paired_frames(x: Any, y: Any) -> Iterable[Part]:
    """Partitions of both, with columns matched by name."""
    columns, others = list(x.columns), list(y.columns)
    alone = [name for name in (*columns, *others) if (name in columns) != (name in others)]
    if alone or len(set(columns)) < len(columns) or len(columns) != len(others):
        raise ValueError(
            "data and other must have the same columns, each once: got "
            + (f"{alone[0]!r} in one alone" if alone else f"{len(columns)} and {len(others)}")
        )
    if x.npartitions != y.npartitions:
        raise ValueError(
            "data and other must have as many partitions: "
            f"got {x.npartitions} and {y.npartitions}; other.repartition changes it"
        )
    partitions = zip(x.to_delayed(), y.to_delayed(), strict=True)
    return [(_of_frames, (*pair, columns)) for pair in partitions]


def _tree(parts: list[Any], keep: Path | None) -> Any:
    """Merge parts in a tree. With ``keep`` its first level is stored, or read if it is there."""
    from dask.delayed import delayed

    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
    merge, load = delayed(_merged, pure=True), delayed(_load, pure=True)
    while True:
        groups = [parts[i : i + TOGETHER] for i in range(0, len(parts), TOGETHER)]
        parts = [merge(group) for group in groups]
        if keep is not None:
            files = [keep / f"{part.key}.pickle" for part in parts]
            parts = [
                load(str(file)) if file.exists() else delayed(_store, pure=True)(part, str(file))
                for part, file in zip(parts, files, strict=True)
            ]
            keep = None
        if len(parts) == 1:
            return parts[0]


def _merged(parts: list[CovarianceAccumulator]) -> CovarianceAccumulator:
    return reduce(CovarianceAccumulator.merge, parts, CovarianceAccumulator())


def _store(part: CovarianceAccumulator, file: str) -> CovarianceAccumulator:
    """Write a file that is there whole or not at all, also if two workers write it."""
    unfinished = Path(f"{file}.{os.getpid()}")
    unfinished.write_bytes(pickle.dumps(part))
    unfinished.replace(file)
    return part


def _load(file: str) -> CovarianceAccumulator:
    loaded: CovarianceAccumulator = pickle.loads(Path(file).read_bytes())
    return loaded


def _part(
    place: int, make: Callable[..., CovarianceAccumulator], *given: Any
) -> CovarianceAccumulator:
    """One part; an error says which it was, counted from 0."""
    try:
        return make(*given)
    except Exception as error:
        error.add_note(f"in part {place} of the data (counted from 0)")
        raise


def _of_rows(x: Any, y: Any, names: Sequence[str] | None = None) -> CovarianceAccumulator:
    total = CovarianceAccumulator(names=names)
    total.update(x, y)
    return total


def _of_columns(frame: Any, columns: list[Any]) -> CovarianceAccumulator:
    half = len(columns) // 2
    x, y = (frame[some].to_numpy() for some in (columns[:half], columns[half:]))
    return _of_rows(x, y, list(map(str, columns[:half])))


def _of_frames(x: Any, y: Any, columns: list[Any]) -> CovarianceAccumulator:
    if not x.index.equals(y.index):
        raise ValueError(
            "data and other must have the same index in each partition, in the same order: got "
            f"{_validate.described(x.index.tolist())} and {_validate.described(y.index.tolist())}"
        )
    return _of_rows(x[columns].to_numpy(), y[columns].to_numpy(), list(map(str, columns)))


def _of_group(
    path: Path, group: int, prefixes: tuple[str, ...], _: tuple[int, int]
) -> CovarianceAccumulator:
    """Of a row group. The file's size and time make another part of one that has changed."""
    table = parquet_table(path, partial(numbered, path, prefixes), group)
    d, rows = table.width // 2, max(1, 2 * BATCH // table.width)
    total = CovarianceAccumulator(names=table.names and table.names[:d])
    try:
        return accumulate(((some[:, :d], some[:, d:]) for some in table.read(rows)), into=total)
    except ValueError:
        for _block in table.blocks(rows):  # names the file and row of a number that is not finite
            pass
        raise

"""Sweeps larger than memory, written to Zarr chunk by chunk: `resume_sweep`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, product
from typing import TYPE_CHECKING, Any

import numpy as np

from dlnflow._common._validate import described, is_lazy

if TYPE_CHECKING:
    import xarray as xr
    from dask.delayed import Delayed

Region = tuple[slice, ...]


def resume_sweep(sweep: xr.DataArray | xr.Dataset, store: Any) -> Delayed:
    """Write a lazy sweep to Zarr, and compute only the chunks that are not there yet.

    Parameters
    ----------
    sweep : xarray.DataArray or xarray.Dataset
        What `amplitude` and its kin make of arguments that Dask holds; every part of it lazy.
    store : path or Zarr store
        A new one is made with the sweep's coordinates. One that exists must hold the same sweep,
        whole or in part.

    Returns
    -------
    dask.delayed.Delayed
        ``.compute()`` writes the missing chunks, on the scheduler of your choice, and returns
        their number. After an interrupt call `resume_sweep` again.

    Raises
    ------
    TypeError
        If ``sweep`` is not labelled, not named, or in memory.
    ValueError
        If a dimension of ``sweep`` has no coordinate, or if ``store`` holds something else: other
        names, coordinates, chunks or numbers.
    ImportError
        Without Dask and Zarr, which come with ``pip install 'dlnflow[sweeps]'``.

    Notes
    -----
    A chunk is written whole or not at all, so a worker that is lost costs its own chunks at most.
    Of a sweep that exists, the first chunk is computed again for comparison: this tells another
    ``eps`` or ``objective``, which no coordinate holds. ``docs/sweeps.md`` has an example on a
    cluster of processes.

    Examples
    --------
    >>> import tempfile, numpy as np, xarray as xr, dlnflow
    >>> values = np.logspace(-4, -1, 6)
    >>> eps = xr.DataArray(values, coords={"eps": values}, dims="eps").chunk(eps=2)
    >>> times = dlnflow.critical_time(1.0, 0.5, 2, eps=eps)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first = dlnflow.resume_sweep(times, f"{folder}/sweep.zarr").compute()
    ...     again = dlnflow.resume_sweep(times, f"{folder}/sweep.zarr").compute()
    >>> first, again
    (3, 0)
    """
    try:
        import xarray as xr
        import zarr
        from dask.delayed import delayed
    except ImportError:
        raise ImportError(
            "resume_sweep needs xarray, Dask and Zarr: pip install 'dlnflow[sweeps]'"
        ) from None
    data = _as_dataset(sweep)
    try:
        held = xr.open_zarr(store, consolidated=False, chunks=None)
    except FileNotFoundError:
        _create(data, store)
        held = None
    write, writes = delayed(_write), []
    for name, part in data.items():
        if held is not None:
            _refuse_another(name, part, held)
        array = zarr.open_array(store, path=name, mode="r")
        if array.chunks != tuple(sizes[0] for sizes in part.chunks):
            raise ValueError(
                f"store must have the chunks of sweep[{name!r}]: got {array.chunks} in place of "
                f"{tuple(sizes[0] for sizes in part.chunks)}"
            )
        compared = held is None
        for region, block in zip(_regions(part.chunks), part.data.to_delayed().flat, strict=True):
            if np.isnan(array[tuple(side.start for side in region)]):
                writes.append(write(store, name, region, block))
            elif not compared:
                _refuse_other_numbers(name, array[region], block.compute())
                compared = True
    return delayed(len)(writes)


def _as_dataset(sweep: Any) -> Any:
    """The sweep as a Dataset of lazy parts."""
    import xarray as xr

    if isinstance(sweep, xr.DataArray):
        if sweep.name is None:
            raise TypeError("sweep must have a name, as by sweep.rename('w'): got None")
        sweep = sweep.to_dataset()
    if not isinstance(sweep, xr.Dataset):
        raise TypeError(
            f"sweep must be an xarray.DataArray or an xarray.Dataset: got {described(sweep)}"
        )
    for name, part in sweep.items():
        if not is_lazy(part.data):
            raise TypeError(
                f"sweep must be held by Dask: got {name!r} in memory; chunk an argument first, as "
                "eps.chunk(eps=100)"
            )
    bare = [dim for dim in sweep.dims if dim not in sweep.coords]
    if bare or not sweep:
        got = f"none along {bare[0]!r}" if bare else "no variable"
        raise ValueError(
            f"sweep must have a coordinate along each dimension, to be known again: got {got}"
        )
    return sweep


def _create(data: Any, store: Any) -> None:
    """Write coordinates, and arrays without chunks, in which every number reads as NaN."""
    encoding = {name: {"_FillValue": np.nan} for name in data}
    options = {"compute": False, "consolidated": False, "zarr_format": 2}
    data.to_zarr(store, mode="w-", encoding=encoding, **options)


def _refuse_another(name: Any, part: Any, held: Any) -> None:
    """Refuse a store that holds something with other labels."""
    if name not in held:
        got = ", ".join(sorted(map(repr, held))) or "nothing"
        raise ValueError(f"store must hold the sweep's {name!r}: got {got}")
    its = held[name]
    if its.dims != part.dims or its.shape != part.shape:
        raise ValueError(
            f"store must hold {name!r} of dimensions {dict(part.sizes)}: got {dict(its.sizes)}"
        )
    for label in {*part.coords, *its.coords}:
        if not (label in its.coords and label in part.coords):
            raise ValueError(f"store must have the coordinates of the sweep: {label!r} is in one")
        if not its[label].variable.equals(part[label].variable):
            raise ValueError(f"store must have the coordinates of the sweep: {label!r} differs")


def _refuse_other_numbers(name: Any, there: Any, here: Any) -> None:
    """Refuse a store whose first chunk is not that of the sweep, within rounding."""
    if not np.allclose(there, here, rtol=1e-10, atol=0.0):
        place = int(np.argmin(np.isclose(there, here, rtol=1e-10, atol=0.0)))
        raise ValueError(
            f"store must hold the same sweep: its {name!r} has {there.flat[place]:g} where sweep "
            f"has {here.flat[place]:g}; has another argument changed?"
        )


def _regions(chunks: tuple[tuple[int, ...], ...]) -> Iterator[Region]:
    """Slices of every chunk, the last dimension first."""
    ends = [list(accumulate(sizes)) for sizes in chunks]
    sides = [
        [slice(end - size, end) for end, size in zip(some, sizes, strict=True)]
        for some, sizes in zip(ends, chunks, strict=True)
    ]
    return product(*sides)


def _write(store: Any, name: str, region: Region, block: Any) -> None:
    import zarr

    zarr.open_array(store, path=name, mode="r+")[region] = block

"""`accumulate_dask` of a Parquet folder on two processes against NumPy's products in memory.

NumPy has the same rows as two arrays, and two threads. Files are links to one of 16,384 rows, and
NumPy repeats its products as often.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.timing import Finding, median_seconds
from dlnflow.data import accumulate_dask

D, FILES, ROWS = 512, 8, 16_384  # 131,072 pairs, 1 GB if they were not links
ALLOWED, ALLOWED_MEMORY = 1.3, 1.1
FEWER = 4  # part of the files that memory is compared with


def findings(files: int = FILES) -> Iterator[Finding]:
    from distributed import Client, LocalCluster

    x, y = np.random.default_rng(0).normal(5.0, 1.0, size=(2, ROWS, D))
    with tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder, "few"), Path(folder, "many")
        _write(few, x, y, files // FEWER)
        _write(many, x, y, files)
        with (
            LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            client.run(_one_thread)
            accumulate_dask(few).compute()
            fewer = max(client.run(_peak_memory).values())

            def products() -> None:
                for _ in range(files):
                    x.T @ x, y.T @ x

            def accumulated() -> None:
                accumulate_dask(many).compute()

            with threadpool_limits(2):
                plain, ours = median_seconds(products, accumulated, repeats=3)
            more = max(client.run(_peak_memory).values())
    n = files * ROWS
    yield Finding(
        f"Parquet on 2 processes / products in memory, d={D} n={n}", ours / plain, ALLOWED
    )
    yield Finding(f"peak memory of a process, n={n} / n={n // FEWER}", more / fewer, ALLOWED_MEMORY)


def _write(folder: Path, x: np.ndarray, y: np.ndarray, files: int) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    folder.mkdir()
    names = [f"{side}{place}" for side in "xy" for place in range(D)]
    table = pa.table(dict(zip(names, (*x.T, *y.T), strict=True)))
    first = folder / "00000.parquet"
    parquet.write_table(table, first, compression="none", use_dictionary=False)
    for place in range(1, files):
        os.link(first, folder / f"{place:05}.parquet")


def _one_thread() -> None:
    threadpool_limits(1)


def _peak_memory() -> int:
    return getrusage(RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    for finding in findings(*map(int, sys.argv[1:])):
        print(finding)

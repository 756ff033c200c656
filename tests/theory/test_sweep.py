"""A sweep is written to Zarr once, whatever interrupts it, and never mixed with another."""

import os
import signal
import sys
import time

import numpy as np
import pytest

import dlnflow
from dlnflow.theory import _sweep

xr = pytest.importorskip("xarray")
dask = pytest.importorskip("dask")
pytest.importorskip("zarr")

LAM = np.linspace(0.5, 2.0, 10)


@pytest.fixture(autouse=True)
def _one_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


def axis(name, values):
    return xr.DataArray(values, coords={name: values}, dims=name)


def sweep(eps=1e-2, lam=LAM, rows=4):
    lam, L = axis("lam", lam).chunk(lam=rows), axis("L", [1, 2, 3]).chunk(L=1)
    modes = {"lam": lam, "rho": axis("rho", [0.3, 0.9]), "L": L, "eps": eps}
    times = {one: dlnflow.critical_time(**modes, objective=one) for one in ("jepa", "mae")}
    return xr.Dataset(times)


CHUNKS = 3 * 3 * 2


@pytest.fixture
def store(tmp_path):
    return tmp_path / "sweep.zarr"


def loaded(store):
    return xr.open_zarr(store, consolidated=False).load()


def written(monkeypatch):
    """The regions that are written from now on."""
    regions = []
    real = _sweep._write

    def watched(store, name, region, block):
        regions.append((name, region))
        real(store, name, region, block)

    monkeypatch.setattr(_sweep, "_write", watched)
    return regions


def test_the_store_holds_what_the_sweep_gives_with_labels_and_units(store):
    assert dlnflow.resume_sweep(sweep(), store).compute() == CHUNKS
    xr.testing.assert_identical(loaded(store), sweep().compute())
    assert loaded(store).mae.attrs["units"] == "time, paper clock"


def test_a_single_quantity_is_written_under_its_name(store):
    dlnflow.resume_sweep(sweep().jepa.rename("time"), store).compute()
    assert list(loaded(store)) == ["time"]


def test_labels_may_be_words(store):
    words = sweep().jepa.isel(rho=0).assign_coords(lam=[f"mode {i}" for i in range(10)])
    dlnflow.resume_sweep(words, store).compute()
    assert dlnflow.resume_sweep(words, store).compute() == 0
    assert loaded(store).lam.values.tolist() == words.lam.values.tolist()


def test_only_what_is_missing_is_computed(store, monkeypatch):
    def interrupted(store, name, region, block):
        if len(done) == 5:
            raise KeyboardInterrupt
        done.append((name, region))
        real(store, name, region, block)

    done, real = [], _sweep._write
    monkeypatch.setattr(_sweep, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        dlnflow.resume_sweep(sweep(), store).compute()
    monkeypatch.setattr(_sweep, "_write", real)
    assert int(np.isnan(loaded(store).to_array()).sum()) > 0
    rest = written(monkeypatch)
    assert dlnflow.resume_sweep(sweep(), store).compute() == CHUNKS - 5
    assert len(rest) == CHUNKS - 5
    assert not any(region in done for region in rest)
    xr.testing.assert_identical(loaded(store), sweep().compute())
    assert dlnflow.resume_sweep(sweep(), store).compute() == 0


def test_a_sweep_that_cannot_be_learned_is_not_taken_for_one_that_is_missing(store):
    """Zeros and infinities are numbers like others; only NaN marks a missing chunk."""
    times = sweep() * 0.0
    assert dlnflow.resume_sweep(times, store).compute() == CHUNKS
    assert dlnflow.resume_sweep(times, store).compute() == 0
    never = times + np.inf
    with pytest.raises(ValueError, match="has 0 where sweep has inf"):
        dlnflow.resume_sweep(never, store)


OTHERS = {
    "eps": (sweep(eps=2e-2), "must hold the same sweep: its 'jepa' has .* where sweep has"),
    "values": (sweep(lam=2 * LAM), "must have the coordinates of the sweep: 'lam' differs"),
    "coordinate": (sweep().assign_coords(run=1), "the coordinates of the sweep: 'run' is in one"),
    "size": (sweep(lam=LAM[:8]), "must hold 'jepa' of dimensions .*8.*: got .*10"),
    "chunks": (sweep(rows=2), r"chunks of sweep\['jepa'\]: got \(4, 2, 1\) in place of \(2, 2, 1"),
    "names": (sweep().rename(jepa="ours"), "must hold the sweep's 'ours': got 'jepa', 'mae'"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_another_sweep_is_not_written_into_the_store(case, store):
    other, message = OTHERS[case]
    dlnflow.resume_sweep(sweep(), store).compute()
    with pytest.raises(ValueError, match=message):
        dlnflow.resume_sweep(other, store)
    xr.testing.assert_identical(loaded(store), sweep().compute())


REFUSED = {
    "in memory": (sweep().compute(), TypeError, "held by Dask: got 'jepa' in memory; chunk"),
    "no name": (sweep().jepa.rename(None), TypeError, "sweep must have a name"),
    "no labels": (sweep().jepa.data, TypeError, "must be an xarray.DataArray or an xarray.Dataset"),
    "nothing": (xr.Dataset(), ValueError, "got no variable"),
    "no coordinate": (sweep().drop_vars("lam"), ValueError, "got none along 'lam'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_lazy_sweep_is_refused_before_a_store_is_made(case, store):
    given, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message):
        dlnflow.resume_sweep(given, store)
    assert not store.exists()


@pytest.mark.parametrize("missing", ["zarr", "xarray", "dask.delayed"])
def test_without_the_libraries_the_extra_is_named(missing, monkeypatch, store):
    given = sweep()
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=r"pip install 'dlnflow\[sweeps\]'"):
        dlnflow.resume_sweep(given, store)


def _slowly(block):
    time.sleep(0.1)
    return block


@pytest.mark.long
def test_a_worker_killed_on_the_way_costs_nothing_but_time(store):
    distributed = pytest.importorskip("distributed")
    slow = xr.apply_ufunc(_slowly, sweep(), dask="parallelized", output_dtypes=[float])
    options = {"threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(2, **options) as cluster, distributed.Client(cluster) as client:
        before = client.run(os.getpid)
        future = client.compute(dlnflow.resume_sweep(slow, store))
        time.sleep(0.5)
        assert not future.done()
        os.kill(min(before.values()), signal.SIGKILL)
        assert future.result(timeout=60) == CHUNKS
        client.wait_for_workers(2, timeout=60)
        assert set(client.run(os.getpid).values()) != set(before.values())
    xr.testing.assert_equal(loaded(store), sweep().compute())

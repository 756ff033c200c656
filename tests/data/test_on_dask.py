"""Covariances on Dask are those of all rows in one piece, on any scheduler, whatever is lost."""

import os
import signal
import sys
import time

import numpy as np
import pandas as pd
import pytest

from dlnflow.data import CovarianceAccumulator, Spectrum, _on_dask, accumulate_dask

pytest.importorskip("dask")

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd

RNG = np.random.default_rng(0)
X = RNG.normal(5.0, [3.0, 1.0, 0.1], size=(2_000, 3))
Y = 0.5 * X + RNG.normal(size=X.shape)
NAMES = ["x1", "x2", "x3", "y1", "y2", "y3"]
PAIRS = pd.DataFrame(np.hstack([X, Y]), columns=NAMES)


@pytest.fixture(autouse=True)
def _one_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


def arrays(x=X, y=Y):
    return da.from_array(x, chunks=(300, 2)), da.from_array(y, chunks=(450, 3))


def frames(x=X, y=Y):
    contexts, targets = (pd.DataFrame(a, columns=list("abc")) for a in (x, y))
    return dd.from_pandas(contexts, npartitions=5), dd.from_pandas(
        targets[["c", "a", "b"]], npartitions=5
    )


def folder(path, frame=PAIRS):
    """Two files, one in a sub-folder, of several row groups."""
    (path / "more").mkdir(parents=True)
    shuffled = frame[NAMES[::-1]]
    frame[:1_200].to_parquet(path / "a.parquet", row_group_size=250)
    shuffled[1_200:].to_parquet(path / "more" / "b.parquet", row_group_size=250)
    return path


SOURCES = {
    "arrays": lambda path: arrays(),
    "arrays of rows of unknown number": lambda path: tuple(
        one.to_dask_array() for one in frames()[:1] * 2
    ),
    "frames": lambda path: frames(),
    "one frame": lambda path: (dd.from_pandas(PAIRS, npartitions=7),),
    "bag": lambda path: (
        db.from_sequence([(X[i : i + 100], Y[i : i + 100]) for i in range(0, 2_000, 100)]),
    ),
    "folder": lambda path: (folder(path / "pairs"),),
    "file": lambda path: (str(folder(path / "pairs") / "a.parquet"),),
}


def rows_of(name):
    if name == "file":
        return X[:1_200], Y[:1_200]
    return (X, X) if "unknown" in name else (X, Y)


def error(total, x, y):
    """The largest error of an entry, in units of sqrt(s_i s_j)."""
    wanted = CovarianceAccumulator()
    wanted.update(x, y)
    spread = np.sqrt(np.outer(x.std(axis=0), x.std(axis=0)))
    pairs = zip(total.covariances(), wanted.covariances(), strict=True)
    return max(float(np.abs((got - want) / spread).max()) for got, want in pairs)


def bits(total):
    arrays = (*total.covariances(), total.mean_x, total.mean_y)
    return total.n, total.names, total.constant, [array.tobytes() for array in arrays]


@pytest.mark.parametrize("name", SOURCES)
def test_the_covariances_are_those_of_all_rows_in_one_piece(name, tmp_path):
    total = accumulate_dask(*SOURCES[name](tmp_path)).compute()
    x, y = rows_of(name)
    assert total.n == len(x)
    assert error(total, x, y) < 1e-12
    assert error(total, x[:-1], y[:-1]) > 1e-6  # one row less would be seen


def test_features_keep_their_names(tmp_path):
    for name, names in (("frames", "abc"), ("one frame", NAMES[:3]), ("folder", NAMES[:3])):
        total = accumulate_dask(*SOURCES[name](tmp_path)).compute()
        assert total.names == tuple(names)


@pytest.mark.long
@pytest.mark.parametrize("scheduler", ["threads", "processes"])
@pytest.mark.parametrize("name", SOURCES)
def test_every_scheduler_gives_the_same_to_the_last_bit(name, scheduler, tmp_path):
    lazy = accumulate_dask(*SOURCES[name](tmp_path))
    assert bits(lazy.compute(scheduler=scheduler)) == bits(lazy.compute())


def test_columns_of_targets_are_matched_by_name_and_not_by_place():
    x, y = frames()
    assert error(accumulate_dask(x, y).compute(), X, Y[:, [2, 0, 1]]) > 0.01


def test_what_both_are_made_of_is_computed_once():
    calls = []

    def block(numbers):
        calls.append(1)
        return numbers

    series = da.from_array(X, chunks=(500, 3)).map_blocks(block, dtype=float, meta=np.empty((0, 0)))
    total = accumulate_dask(series, 0.5 * series).compute()
    assert (total.n, len(calls)) == (2_000, 4)


def test_a_time_series_is_paired_by_slices():
    series = da.from_array(X, chunks=(300, 3))
    assert error(accumulate_dask(series[:-2], series[2:]).compute(), X[:-2], X[2:]) < 1e-12


def test_parts_without_rows_count_for_nothing():
    x, y = frames()
    few = accumulate_dask(x[x.a > 1e9], y[x.a > 1e9]).compute()
    assert few.n == 0
    some = accumulate_dask(x[x.a > 9], y[x.a > 9]).compute()
    assert error(some, X[X[:, 0] > 9], Y[X[:, 0] > 9]) < 1e-12


@pytest.fixture
def counted(monkeypatch):
    calls = []
    real = CovarianceAccumulator.update

    def counting(self, *batch):
        calls.append(len(batch[0]))
        real(self, *batch)

    monkeypatch.setattr(CovarianceAccumulator, "update", counting)
    return calls


@pytest.mark.parametrize("name", ["arrays", "folder"])
def test_an_interrupted_pass_goes_on_from_what_it_has(name, tmp_path, counted, monkeypatch):
    monkeypatch.setattr(_on_dask, "TOGETHER", 2)
    given, keep = SOURCES[name](tmp_path), tmp_path / "kept"
    stored = []
    real = _on_dask._store

    def interrupted(part, file):
        if len(stored) == 2:
            raise KeyboardInterrupt
        stored.append(part.n)
        return real(part, file)

    monkeypatch.setattr(_on_dask, "_store", interrupted)
    with pytest.raises(KeyboardInterrupt):
        accumulate_dask(*given, keep=keep).compute()
    assert len(list(keep.iterdir())) == 2
    monkeypatch.setattr(_on_dask, "_store", real)
    counted.clear()
    total = accumulate_dask(*given, keep=keep).compute()
    assert sum(counted) == 2_000 - sum(stored)
    assert bits(total) == bits(accumulate_dask(*given).compute())
    counted.clear()
    accumulate_dask(*given, keep=keep).compute()
    assert counted == []


def test_a_file_that_has_changed_is_read_again(tmp_path, counted):
    pairs, keep = folder(tmp_path / "pairs"), tmp_path / "kept"
    accumulate_dask(pairs, keep=keep).compute()
    (2 * PAIRS[:1_200]).to_parquet(pairs / "a.parquet", row_group_size=250)
    counted.clear()
    total = accumulate_dask(pairs, keep=keep).compute()
    assert counted
    factor = np.where(np.arange(2_000)[:, None] < 1_200, 2.0, 1.0)
    assert error(total, factor * X, factor * Y) < 1e-12


def test_a_row_group_is_not_held_whole(tmp_path, monkeypatch):
    import pyarrow

    rows = np.random.default_rng(1).normal(size=1_000_000)
    path = tmp_path / "long.parquet"
    pd.DataFrame({f"{side}{i}": rows for side in "xy" for i in (1, 2)}).to_parquet(path)
    monkeypatch.setattr(_on_dask, "BATCH", 20_000)
    held = []
    real = CovarianceAccumulator.update

    def watched(self, *batch):
        held.append(pyarrow.total_allocated_bytes())
        real(self, *batch)

    monkeypatch.setattr(CovarianceAccumulator, "update", watched)
    before = pyarrow.total_allocated_bytes()
    assert accumulate_dask(path).compute().n == 1_000_000
    assert len(held) == 100
    assert max(held) - before < 4 * rows.nbytes / 3


BAD = np.where(np.arange(2_000)[:, None] == 700, np.nan, X)
REFUSED = {
    "no lazy array": (
        lambda p: (X, Y),
        TypeError,
        "data must be a Dask array .*, DataFrame or bag",
    ),
    "labelled": (
        lambda p: (pytest.importorskip("xarray").DataArray(arrays()[0], dims=["n", "d"]), X),
        TypeError,
        "of xarray's DataArray its .data",
    ),
    "nothing": (lambda p: (None,), TypeError, "data must be a Dask array.*got None"),
    "array alone": (lambda p: arrays()[:1], TypeError, "data must be .* and other of its kind"),
    "array and frame": (
        lambda p: (arrays()[0], frames()[0]),
        TypeError,
        "other must be a Dask arr",
    ),
    "frame and array": (lambda p: (frames()[0], arrays()[0]), TypeError, "other must be a Dask Da"),
    "bag and more": (lambda p: (SOURCES["bag"](p)[0], arrays()[0]), TypeError, "None with a bag"),
    "narrower": (lambda p: (arrays()[0], arrays()[1][:, :2]), ValueError, r"\(2000, 3\) and \(20"),
    "flat": (lambda p: (arrays()[0][0], arrays()[1][0]), ValueError, "the same shape"),
    "other columns": (
        lambda p: (frames()[0], frames()[1].rename(columns={"b": "z"})),
        ValueError,
        "the same columns, each once: got 'b' in one alone",
    ),
    "other partitions": (
        lambda p: (frames()[0], frames()[1].repartition(npartitions=2)),
        ValueError,
        "as many partitions: got 5 and 2",
    ),
    "no prefixes": (lambda p: (frames()[0],), ValueError, "data: columns x1, x2, ... are missing"),
    "empty folder": (lambda p: (p,), ValueError, r"holds no \.parquet file"),
    "no file": (lambda p: (p / "no.parquet",), OSError, "no.parquet"),
    "files that differ": (
        lambda p: (_with_another_file(folder(p)),),
        ValueError,
        "must have the columns of .*a.parquet: in one alone: x4, y4",
    ),
}


def _with_another_file(path):
    more = PAIRS.assign(x4=1.0, y4=2.0)
    more.to_parquet(path / "z.parquet")
    return path


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_pairs_is_refused_before_anything_is_computed(case, tmp_path):
    make, kind, message = REFUSED[case]
    path = tmp_path / "data"
    if case == "empty folder":
        path.mkdir()
    with pytest.raises(kind, match=message):
        accumulate_dask(*make(path))


def test_a_number_that_is_not_finite_is_named_with_its_place(tmp_path):
    with pytest.raises(ValueError, match="x must hold finite numbers: got nan in column 0") as info:
        accumulate_dask(*arrays(BAD)).compute()
    assert info.value.__notes__[-1] == "in part 2 of the data (counted from 0)"
    bad = folder(tmp_path / "bad", PAIRS.assign(x1=BAD[:, 0]))
    with pytest.raises(
        ValueError, match=r"a.parquet: must hold finite numbers: got nan at row 700"
    ):
        accumulate_dask(bad).compute()


def test_rows_of_another_index_are_refused():
    x, y = (pd.DataFrame(a, columns=list("abc")) for a in (X, Y))
    later = y.set_index(y.index + 1)
    with pytest.raises(ValueError, match="must have the same index in each partition"):
        accumulate_dask(
            dd.from_pandas(x, npartitions=2), dd.from_pandas(later, npartitions=2)
        ).compute()


def test_what_dask_holds_is_not_computed_whole_without_notice():
    x, y = arrays()
    message = "x must be in memory: got Array, held by Dask; x.compute.*accumulate_dask need not"
    with pytest.raises(TypeError, match=message):
        Spectrum.from_samples(x, y)
    with pytest.raises(TypeError, match=message):
        CovarianceAccumulator().update(x, y)
    found = accumulate_dask(x, y).compute().spectrum()
    np.testing.assert_allclose(found.lam, Spectrum.from_samples(x.compute(), Y).lam, rtol=1e-10)


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask.delayed", None)
    with pytest.raises(ImportError, match=r"pip install 'dlnflow\[dask\]'"):
        accumulate_dask("pairs.parquet")


def _slowly(rows):
    time.sleep(0.05)
    return rows


@pytest.mark.long
def test_a_worker_killed_on_the_way_changes_nothing():
    distributed = pytest.importorskip("distributed")
    series = da.from_array(X, chunks=(50, 3)).map_blocks(_slowly, dtype=float)
    lazy = accumulate_dask(series, da.from_array(Y, chunks=(50, 3)))
    options = {"threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(2, **options) as cluster, distributed.Client(cluster) as client:
        before = client.run(os.getpid)
        future = client.compute(lazy)
        time.sleep(0.5)
        assert not future.done()
        os.kill(min(before.values()), signal.SIGKILL)
        total = future.result(timeout=60)
        client.wait_for_workers(2, timeout=60)
        assert set(client.run(os.getpid).values()) != set(before.values())
    assert bits(total) == bits(lazy.compute())

"""Pairs from files: each format gives the arrays, in batches of any size, or a clear error."""

import mmap
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlnflow.data import FileError, accumulate, pairs_from

N, D = 23, 3


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def xy():
    rng = np.random.default_rng(0)
    return rng.normal(size=(2, N, D))


def frame(x, y=None, order=None):
    """Columns x1, x2, ... and y1, y2, ..., and one that is no feature."""
    columns = {f"x{i}": x[:, i - 1] for i in range(1, x.shape[1] + 1)}
    if y is not None:
        columns |= {f"y_{i}": y[:, i - 1] for i in range(1, y.shape[1] + 1)}
        columns["who"] = [f"sample {i}" for i in range(len(x))]
    table = pd.DataFrame(columns)
    return table if order is None else table[[list(columns)[i] for i in order]]


def text(array, header=None):
    lines = [",".join(map(repr, row)) for row in np.asarray(array).tolist()]
    return "\n".join([*([header] if header else []), *lines]) + "\n"


def write(name, x, y):
    if name == "both.npz":
        np.savez(name, other=np.ones(2), x=x, y=y)
    elif name == "compressed.npz":
        np.savez_compressed(name, x=x, y=y)
    elif name == "fortran.npz":
        np.savez(name, x=np.asfortranarray(x), y=np.asfortranarray(y))
    elif name == "both.csv":
        frame(x, y, order=(6, 3, 1, 5, 0, 4, 2)).to_csv(name, index=False)
    elif name == "both.parquet":
        frame(x, y, order=(6, 3, 1, 5, 0, 4, 2)).to_parquet(name, row_group_size=7)
    return name


def write_one(name, array):
    if name.endswith(".npy"):
        np.save(name, np.asfortranarray(array) if "fortran" in name else array)
    elif name.endswith(".npz"):
        np.savez_compressed(name, series=array)
    elif name == "bare.csv":
        Path(name).write_text(text(array))
    elif name.endswith(".csv"):
        Path(name).write_text("\ufeff\na,b,c\n" + text(array).replace("\n", "\n\n"), "utf-8")
    else:
        frame(array).to_parquet(name, row_group_size=5)
    return name


PAIRED = ("both.npz", "compressed.npz", "fortran.npz", "both.csv", "both.parquet")
SINGLE = ("a.npy", "fortran.npy", "one.npz", "bare.csv", "headed.csv", "a.parquet")


def collected(source):
    """All rows, after a look at the sizes of the batches."""
    batches = list(source)
    sizes = [len(x) for x, _ in batches]
    assert all(len(y) == size for (_, y), size in zip(batches, sizes, strict=True))
    assert source.n in (None, sum(sizes))
    return [np.concatenate(side) for side in zip(*batches, strict=True)], sizes


@pytest.mark.parametrize("name", PAIRED)
@pytest.mark.parametrize("batch", [1, 5, 7, 23, 100, None])
def test_pairs_of_one_file_are_the_arrays_to_the_last_bit(here, xy, name, batch):
    source = pairs_from(write(name, *xy), batch=batch)
    (x, y), sizes = collected(source)
    np.testing.assert_array_equal(x, xy[0])
    np.testing.assert_array_equal(y, xy[1])
    assert set(sizes[:-1]) <= {batch}
    assert sizes[-1] <= (batch or N)
    assert source.d == D
    again, _ = collected(source)
    np.testing.assert_array_equal(again[0], x)


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("other", ["y.npy", "y.csv"])
def test_pairs_of_two_files_go_row_by_row(here, xy, name, other):
    np.save("y.npy", xy[1])
    Path("y.csv").write_text(text(xy[1]))
    (x, y), _ = collected(pairs_from(write_one(name, xy[0]), other, batch=4))
    np.testing.assert_array_equal(x, xy[0])
    np.testing.assert_array_equal(y, xy[1])


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("lag", [1, 4, 22])
@pytest.mark.parametrize("batch", [1, 4, 9, None])
def test_lagged_pairs_cross_the_borders_of_batches(here, xy, name, lag, batch):
    series = xy[0]
    source = pairs_from(write_one(name, series), lag=lag, batch=batch)
    for _ in range(2):
        (x, y), _ = collected(source)
        np.testing.assert_array_equal(x, series[:-lag])
        np.testing.assert_array_equal(y, series[lag:])


@given(
    st.sampled_from(["u1", "i4", "f2", "f4", ">f8", "i8"]),
    st.integers(1, 30),
    st.lists(st.integers(1, 4), max_size=1),
    st.integers(1, 31),
    st.booleans(),
    st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_arrays_of_any_type_come_back_in_rows(here, dtype, n, axes, batch, compressed, fortran):
    rng = np.random.default_rng(n)
    x = rng.integers(0, 100, size=(n, *axes)).astype(dtype)
    y = (99 - x).astype(dtype)
    stored = [np.asfortranarray(a) for a in (x, y)] if fortran and not compressed else [x, y]
    (np.savez_compressed if compressed else np.savez)("any.npz", x=stored[0], y=stored[1])
    got, _ = collected(pairs_from("any.npz", batch=batch))
    for found, wanted in zip(got, (x, y), strict=True):
        np.testing.assert_array_equal(found, wanted.reshape(n, -1))


def test_other_names_for_the_pair(here, xy):
    np.savez("named.npz", left=xy[0], right=xy[1])
    (x, y), _ = collected(pairs_from("named.npz", pairs=("right", "left")))
    np.testing.assert_array_equal([y, x], xy)
    columns = {f"left.{i}": xy[0][:, i] for i in range(D)} | {
        f"r {i}": xy[1][:, i] for i in (2, 0, 1)
    }
    pd.DataFrame(columns).to_csv("named.csv", index=False)
    source = pairs_from("named.csv", pairs=("left", "r"))
    (x, y), _ = collected(source)
    np.testing.assert_array_equal([x, y], xy)
    assert source.names == ("left.0", "left.1", "left.2")


def test_numbers_order_columns_as_numbers(here):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, 11))
    frame(x, x).to_csv("wide.csv", index=False)
    assert pairs_from("wide.csv").names[-2:] == ("x10", "x11")


@pytest.mark.long
@pytest.mark.parametrize("name", ["big.npy", "big.csv", "big.parquet"])
def test_a_file_is_never_in_memory_whole(here, name):
    x = np.zeros((200_000, 16))
    if name == "big.npy":
        np.save(name, x)
    elif name == "big.csv":
        Path(name).write_text(("0.0," * 15 + "0.0\n") * len(x))
    else:
        frame(x).to_parquet(name, row_group_size=1000)
    source = pairs_from(name, lag=1, batch=1000)
    tracemalloc.start()
    rows = sum(len(a) for a, _ in source)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == len(x) - 1
    assert peak < x.nbytes / 10


def test_an_npy_file_is_mapped_not_copied(here, xy):
    np.save("x.npy", xy[0])
    x, _ = next(iter(pairs_from("x.npy", "x.npy")))
    owner = x
    while isinstance(owner, np.ndarray):
        owner = owner.base
    assert isinstance(owner, mmap.mmap)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray])
@pytest.mark.parametrize("row", [0, 1000, 1999])
def test_a_number_that_was_damaged_in_an_npz_is_noticed(here, save, layout, row):
    """One that a checksum alone shows: finite, of plausible size, in a file of the right length."""
    x, y = np.random.default_rng(2).normal(size=(2, 2000, 3))
    damaged = y.copy()
    damaged.view(np.uint64)[row, 1] ^= 1 << 50
    save("good.npz", x=layout(x), y=layout(y))
    with zipfile.ZipFile("good.npz") as good:
        place = good.getinfo("y.npy")
    save("bad.npz", x=layout(x), y=layout(damaged))
    bad = bytearray(Path("bad.npz").read_bytes())
    entry = bad.rindex(b"PK\x01\x02")
    bad[entry + 16 : entry + 20] = place.CRC.to_bytes(4, "little")
    Path("bad.npz").write_bytes(bad)
    assert len(collected(pairs_from("good.npz"))[0]) == 2
    with pytest.raises(ValueError, match=r"bad\.npz: array 'y': cannot be read: .*damaged"):
        accumulate(pairs_from("bad.npz", batch=100))


def test_what_the_accumulator_makes_of_a_file_is_what_it_makes_of_the_array(here, xy):
    wanted = accumulate([tuple(xy)])
    for name in PAIRED:
        total = accumulate(pairs_from(write(name, *xy), batch=4), progress=True)
        np.testing.assert_allclose(total.covariances(), wanted.covariances(), atol=1e-14)
    assert total.names == ("x1", "x2", "x3")


REFUSED = [
    # arrays
    (("none.npy", "x.npy"), {}, "No such file or directory: 'none.npy'"),
    (("none.npz",), {}, "No such file or directory: 'none.npz'"),
    (("none.csv",), {}, "No such file or directory: 'none.csv'"),
    (("none.parquet",), {}, "No such file or directory: 'none.parquet'"),
    (("x.npy", "short.npy"), {}, "x.npy and short.npy: must hold as many rows, .*: got 23 and 22"),
    (("x.npy", "wide.npy"), {}, "x.npy and wide.npy: must have as many numbers .*: got 3 and 4"),
    (("x.npy", "short.csv"), {}, "must hold as many rows.* short.csv ends after 22, x.npy goes on"),
    (("short.csv", "x.npy"), {}, "must hold as many rows.* short.csv ends after 22, x.npy goes on"),
    (("x.npy",), {}, "x.npy: holds one array: pairs need an .npz, a second file, or a lag"),
    (("cut.npy", "x.npy"), {}, "cut.npy: cannot be read: not a NumPy file of numbers, damaged"),
    (("empty.npy", "x.npy"), {}, "empty.npy: cannot be read: not a NumPy file"),
    (("objects.npy", "x.npy"), {}, "objects.npy: cannot be read: not a NumPy file of numbers"),
    (("text.npy", "x.npy"), {}, "text.npy: must hold real numbers: got type <U1"),
    (("complex.npy", "x.npy"), {}, "must hold real numbers: got type complex128"),
    (("norows.npy", "x.npy"), {}, r"norows.npy: no samples: got shape \(0, 3\)"),
    (("single.npy", "x.npy"), {}, "single.npy: must hold samples in rows.*: got a single number"),
    (("zip.npy", "x.npy"), {}, "zip.npy: holds several arrays"),
    (("nan.npy", "x.npy"), {}, r"nan.npy: must hold finite numbers: got nan at row 17 \(counted"),
    (("x.npy", "many.npy"), {"batch": 9}, "got inf at 3 of these rows, 15, 16, 17 "),
    (("x.npy", "many.npy"), {"batch": 23}, "at 6 of these rows, 15, 16, 17, 18, 19, ... .counted"),
    (("x.npy",), {"lag": 23}, "x.npy: must hold more than lag = 23 rows: got 23"),
    (("x.csv",), {"lag": 23}, "x.csv: must hold more than lag = 23 rows: got 23"),
    (("both.npz",), {"lag": 1}, "both.npz: must hold one array here: got x, y"),
    (("both.npz",), {"pairs": ("x", "z")}, r"array 'z' is missing \(found: x, y\)"),
    (("x.npz",), {}, "x.npz: holds one array: call it .npy"),
    (("bad.npz",), {}, "bad.npz: .*cannot be read: not a NumPy file"),
    (("cut.npz",), {}, "cut.npz: .*cannot be read: not a NumPy file"),
    (("objects.npz",), {}, "objects.npz: array 'x': cannot be read: not a NumPy file of numbers"),
    (("damaged.npz",), {}, "damaged.npz: array 'x': cannot be read: .*damaged"),
    (("less.npz",), {}, "less.npz: array 'x': cannot be read: .*damaged"),
    (("shorter.npz",), {}, "shorter.npz: array 'x': cannot be read: .*damaged"),
    (("images.npy", "x.npy"), {}, r"images.npy: must hold samples in rows, .* shape \(23, 3, 1\)"),
    (("images.npz",), {}, r"images.npz: array 'x': must hold samples in rows, .*\(1, 23, 3\)"),
    (("packed.npz",), {}, r"packed.npz: array 'x': must hold samples in rows, .*\(1, 23, 3\)"),
    (("checksum.npz",), {}, "checksum.npz: array 'x': cannot be read: .*damaged"),
    (("version.npz",), {}, "version.npz: array 'x': cannot be read: .*damaged"),
    (("bad.txt",), {}, "bad.txt: samples are read from .npy, .npz, .csv or .parquet"),
    # tables
    (("word.csv",), {"lag": 1}, "word.csv: line 3, column 2: 'b' is not a number"),
    (("under.csv",), {"lag": 1}, "under.csv: line 2, column 1: '1_000' is not a number$"),
    (("top.csv",), {"lag": 1}, "top.csv: line 1, column 1: '1_000' is not a number$"),
    (("scripts.csv",), {"lag": 1}, "scripts.csv: line 2, column 2: '٣٢' is not a number$"),
    (("exponent.csv",), {}, "exponent.csv: line 2, column 'y1': '1e5_0' is not a number$"),
    (("space.csv",), {"lag": 1}, r"space.csv: line 2, column 1: '\\xa012' is not a number$"),
    (("digit.csv",), {}, "digit.csv: columns y1, y2, ... are missing"),
    (("named.csv",), {"lag": 1}, "named.csv: line 4, column 'q': a number is missing"),
    (("ragged.csv",), {"lag": 1}, "ragged.csv: line 2: 1 cells where 2 are expected"),
    (("more.csv",), {"lag": 1}, "more.csv: line 3: 3 cells where 2 are expected"),
    (("longer.csv",), {"lag": 1}, "longer.csv: line 2: 3 cells where 2 are expected"),
    (("infinite.csv",), {"lag": 1}, "infinite.csv: line 2, column 1: must be finite: got -inf"),
    (("na.csv",), {"lag": 1}, "na.csv: line 2, column 2: 'NA' is not a number"),
    (("blank.csv",), {"lag": 1}, "blank.csv: line 2, column 1: a number is missing"),
    (("header.csv",), {"lag": 1}, "header.csv: no samples"),
    (("empty.csv",), {"lag": 1}, "empty.csv: no samples"),
    (("latin.csv",), {"lag": 1}, "latin.csv: cannot be read: not a text file in UTF-8"),
    (
        ("late.csv",),
        {"lag": 1, "batch": 10_000},
        "late.csv: cannot be read: not a text file in UTF-8",
    ),
    (("quote.csv",), {"lag": 1}, "quote.csv: "),
    (("semicolons.csv",), {}, "semicolons.csv: commas must separate the columns: got ';'"),
    (("bare-semicolons.csv",), {"lag": 1}, "commas must separate the columns: got ';'"),
    (("tabs.csv",), {"lag": 1}, r"tabs.csv: commas must separate the columns: got '\\t'"),
    (("mixed.csv",), {"lag": 1}, "'3;4' is not a number; commas must separate the columns"),
    (("bare.csv",), {}, "bare.csv: the first line must name the columns, x1, y1, ...: got numbers"),
    (("named.csv",), {}, r"named.csv: columns x1, x2, ... are missing \(found: p, q\)"),
    (("lonely.csv",), {}, "lonely.csv: column 'x2' has no partner: y2 is missing"),
    (("lonely.csv",), {"pairs": ("y", "x")}, "column 'x2' has no partner: y2 is missing"),
    (("twice.csv",), {}, "twice.csv: columns 'x1' and 'x_1' both stand for x1"),
    (("pairword.csv",), {}, "pairword.csv: line 3, column 'y1': 'no' is not a number"),
    (("pairmore.csv",), {}, "pairmore.csv: line 3: 4 cells where 3 are expected"),
    (("pairless.csv",), {}, "pairless.csv: line 3: 2 cells where 3 are expected"),
    (("bad.parquet",), {}, "bad.parquet: cannot be read as Parquet: "),
    (("words.parquet",), {"lag": 1}, "column 'b' must hold real numbers: got type "),
    (
        ("missing.parquet",),
        {"lag": 1},
        "missing.parquet: must hold finite numbers: got nan at row 1",
    ),
    (("both.csv",), {"pairs": ("x",)}, r"pairs must be two different names.*: got \('x',\)"),
    (("both.csv",), {"pairs": "xy"}, "pairs must be two different names.*: got 'xy'"),
    (("x.npy",), {"lag": 0}, "lag must be a positive integer: got 0"),
    (("x.npy", "x.npy"), {"lag": 1}, "lag must be None with two files"),
    (("x.npy", "x.npy"), {"batch": -1}, "batch must be a positive integer: got -1"),
]


@pytest.mark.long
@pytest.mark.parametrize(("paths", "options", "message"), REFUSED)
def test_what_makes_no_pairs_is_refused_in_one_line_that_says_where(
    here, bad_files, paths, options, message
):
    with pytest.raises((ValueError, OSError), match=message) as caught:
        list(pairs_from(*paths, **{"batch": 5} | options))
    assert "\n" not in str(caught.value)


@pytest.fixture
def bad_files(here, xy):
    x = xy[0]
    arrays = {
        "x": x,
        "cut": x,
        "short": x[:-1],
        "wide": np.ones((N, 4)),
        "text": np.full((N, D), "a"),
        "complex": x * 1j,
        "norows": x[:0],
        "single": np.array(1.0),
        "nan": np.where(np.arange(N)[:, None] == 17, np.nan, x),
        "many": np.where((np.arange(N)[:, None] >= 15) & (np.arange(N)[:, None] <= 20), np.inf, x),
    }
    for name, array in arrays.items():
        np.save(f"{name}.npy", array)
    np.save("objects.npy", np.array([[None]]), allow_pickle=True)
    np.savez("both.npz", x=x, y=x)
    np.savez("objects.npz", x=np.array([[None]]), y=x)
    np.savez_compressed("damaged.npz", x=x, y=x)
    with zipfile.ZipFile("less.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", Path("x.npy").read_bytes()[:-8])
        archive.write("x.npy", "y.npy")
    with zipfile.ZipFile("version.npz", "w") as archive:
        archive.writestr("x.npy", Path("x.npy").read_bytes().replace(b"NUMPY\x01", b"NUMPY\x09"))
    with zipfile.ZipFile("shorter.npz", "w") as archive:
        archive.writestr("x.npy", Path("x.npy").read_bytes()[:-8])
        archive.write("x.npy", "y.npy")
    np.save("images.npy", x[:, :, None])
    np.savez("images.npz", x=x[None], y=x[None])
    np.savez_compressed("packed.npz", x=x[None], y=x[None])
    both = Path("both.npz").read_bytes()
    damaged = bytearray(Path("damaged.npz").read_bytes())
    checksum = damaged.copy()
    checksum[checksum.index(b"PK\x01\x02") + 16] ^= 1
    damaged[120:320] = bytes(200)
    contents = {
        "cut.npy": Path("x.npy").read_bytes()[:-8],
        "zip.npy": both,
        "x.npz": Path("x.npy").read_bytes(),
        "cut.npz": both[:-30],
        "checksum.npz": bytes(checksum),
        "damaged.npz": bytes(damaged),
        "empty.npy": "",
        "bad.npz": "PK?",
        "bad.txt": "1",
        "bad.parquet": "PAR1",
        "short.csv": text(x[:-1]),
        "x.csv": text(x),
        "bare.csv": text(x),
        "both.csv": frame(x, x).to_csv(index=False),
        "word.csv": "1,2\n3,4\n5,b\n",
        "under.csv": "1,2\n1_000,4\n5,6\n",
        "top.csv": "1_000,2_000\n3,4\n5,6\n",
        "scripts.csv": "1,2\n3,٣٢\n5,6\n",
        "exponent.csv": "x1,y1\n3,1e5_0\n5,6\n",
        "space.csv": "1,2\n\u00a012,4\n",
        "digit.csv": "x1,y٣\n1,2\n3,4\n",
        "named.csv": "p,q\n1,2\n3,4\n5,\n",
        "ragged.csv": "1,2\n3\n",
        "more.csv": "1,2\n3,4\n5,6,7\n",
        "longer.csv": "a,b\n1,2,3\n4,5,6\n",
        "infinite.csv": "1,2\n-inf,1\n",
        "na.csv": "1,2\n1,NA\n",
        "blank.csv": "1,2\n,\n3,4\n",
        "header.csv": "a,b\n",
        "empty.csv": "\n\n",
        "latin.csv": b"\xe4,b\n1,2\n",
        "late.csv": b"a,b\n" + b"1,2\n" * 100_000 + b"\xe4,2\n",
        "semicolons.csv": "x1;x2;y1;y2\n1;2;3;4\n",
        "bare-semicolons.csv": "1;2\n3;4\n5;6\n",
        "tabs.csv": "a\tb\n3\t4\n5\t6\n",
        "mixed.csv": "a,b\n1,2\n5,3;4\n",
        "quote.csv": 'a,b\n1,2\n"3,4\n5,6\n',
        "lonely.csv": "x1,x2,y1\n1,2,3\n",
        "twice.csv": "x1,x_1,y1\n1,2,3\n",
        "pairword.csv": "who,x1,y1\na,1,2\nb,1,no\n",
        "pairmore.csv": "who,x1,y1\na,1,2\nb,1,2,3\n",
        "pairless.csv": "who,x1,y1\na,1,2\nb,1\n",
    }
    for name, content in contents.items():
        Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    pd.DataFrame({"a": [1, 2], "b": ["c", "d"]}).to_parquet("words.parquet")
    pd.DataFrame({"a": [1.0, None, 3.0]}).to_parquet("missing.parquet")


def test_cells_too_many_are_refused_whatever_becomes_of_warnings(here):
    Path("longer.csv").write_text("a,b\n1,2,3\n4,5,6\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match=r"longer\.csv: line 2: 3 cells where 2 are expected"):
            list(pairs_from("longer.csv", lag=1))


def test_parquet_without_pyarrow_says_what_to_install(here, xy, monkeypatch):
    write("both.parquet", *xy)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"pip install 'dlnflow\[parquet\]'"):
        pairs_from("both.parquet")


def read(path):
    return accumulate(pairs_from(path, **({"lag": 1} if str(path).endswith(".npy") else {})))


def saved(kind, name):
    x, y = np.random.default_rng(0).normal(size=(2, 9, 2))
    if kind == "npy":
        np.save(name, np.ones((3, 1)))
    elif kind == "stored":
        np.savez(name, x=np.ones((9, 2)), y=np.ones((9, 2)))
    else:
        np.savez_compressed(name, x=np.asfortranarray(x), y=y)
    return Path(name).read_bytes()


@pytest.mark.parametrize(
    ("kind", "place", "byte"),
    [("npy", 10, 32), ("npy", 21, 44), ("stored", 772, 255), ("packed", 675, 192)],
)
def test_errors_of_python_s_own_readers_are_reported_as_damage(here, kind, place, byte):
    name = "damaged.npy" if kind == "npy" else "damaged.npz"
    content = bytearray(saved(kind, name))
    content[place] = byte
    Path(name).write_bytes(content)
    with pytest.raises(FileError, match=r"^damaged\.np[yz].* cannot be read: "):
        read(name)


@pytest.mark.long
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["npy", "stored", "packed"])
def test_whatever_byte_is_damaged_a_file_is_read_or_refused_in_a_line_that_names_it(here, kind):
    name = "damaged.npy" if kind == "npy" else "damaged.npz"
    whole = saved(kind, name)
    flipped = [
        bytes([*whole[:place], byte, *whole[place + 1 :]])
        for place in range(len(whole))
        for byte in {10, 32, 92, 255}
    ]
    refused = []
    for content in [*(whole[:end] for end in range(len(whole))), *flipped]:
        Path(name).write_bytes(content)
        try:
            read(name)
        except ValueError as error:
            refused.append(error)
    assert len(refused) > len(whole)
    for error in refused:
        overflow = "squares do not overflow" in str(error)
        assert overflow or (isinstance(error, FileError) and name in str(error))
        assert "\n" not in str(error)


def test_a_trouble_of_the_system_is_not_taken_for_damage(here, monkeypatch):
    saved("stored", "good.npz")

    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(zipfile, "ZipFile", forbidden)
    with pytest.raises(PermissionError):
        read("good.npz")


def test_an_array_shorter_than_its_file_is_refused(here):
    content = saved("npy", "short.npy")
    Path("short.npy").write_bytes(content.replace(b"(3, 1)", b"(2, 1)"))
    with pytest.raises(FileError, match=r"short\.npy: .* ends 8 bytes before the file does"):
        read("short.npy")


def test_names_found_in_a_file_are_listed_in_one_line(here):
    np.savez("odd.npz", **{"a\nb": np.ones((3, 1)), "c": np.ones((3, 1))})
    with pytest.raises(FileError, match=r"found: 'a\\nb', c"):
        pairs_from("odd.npz")
    with pytest.raises(FileError, match=r"got 'a\\nb', c"):
        pairs_from("odd.npz", lag=1)
    Path("odd.csv").write_text('"a\nb",c\n1,2\n3,4\n')
    with pytest.raises(FileError, match=r"found: 'a\\nb', c"):
        pairs_from("odd.csv")


@pytest.mark.parametrize("place", [30, 8288, 20_000, 300_000])
def test_a_csv_that_is_no_text_further_down_is_refused_as_one(here, place):
    content = bytearray(b"x1,y1\n" + b"1.25,2.5\n" * 40_000)
    content[place] = 0xAC
    Path("odd.csv").write_bytes(content)
    with pytest.raises(FileError, match=r"odd\.csv: cannot be read: not a text file in UTF-8"):
        read("odd.csv")

"""Pairs with a lag: never across the border of two sequences, and no clock without a warning."""

import warnings
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from dlnflow.data import FileError, accumulate, pairs_from

SIZES = (9, 5, 12)
LAG = 3


def sequences(seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(size, 2)) for size in SIZES]


def together(parts, order=None):
    """One table of all sequences, with a column that names them."""
    table = pd.DataFrame(np.concatenate(parts), columns=["a", "b"])
    table.insert(1, "who", np.repeat(["p", "q", "01"], SIZES))
    return table if order is None else table.iloc[order]


def pairs_of(pairs):
    """All pairs as rows (x, y), sorted."""
    rows = np.concatenate([np.hstack(batch) for batch in pairs])
    return rows[np.lexsort(rows.T)]


def wanted(parts):
    return pairs_of((part[:-LAG], part[LAG:]) for part in parts)


def interleaved():
    """Rows in the order of time, each sequence in its own order."""
    times = np.concatenate([np.arange(size) for size in SIZES])
    return np.argsort(times, kind="stable")


@pytest.mark.parametrize("batch", [None, 1, 2, 7])
@pytest.mark.parametrize("suffix", [".csv", ".parquet", None])
@pytest.mark.parametrize("mixed", [False, True])
def test_groups_are_not_paired_across_their_borders(tmp_path, batch, suffix, mixed):
    parts = sequences()
    table = together(parts, interleaved() if mixed else None)
    source = table
    if suffix:
        source = tmp_path / f"panel{suffix}"
        of_csv = suffix == ".csv"
        write = table.to_csv if of_csv else partial(table.to_parquet, row_group_size=3)
        write(source, index=False)
    pairs = pairs_from(source, lag=LAG, groups="who", batch=batch)
    assert pairs.names == ("a", "b")
    assert pairs.d == 2
    assert pairs.series
    assert np.array_equal(pairs_of(pairs), wanted(parts))
    # the control: without groups pairs reach across
    crossing = pairs_from(table[["a", "b"]], lag=LAG, batch=batch)
    assert len(pairs_of(crossing)) > len(wanted(parts))


@pytest.mark.parametrize("batch", [None, 1, 4])
def test_a_list_holds_one_sequence_in_each_item(tmp_path, batch):
    parts = sequences()
    table = together(parts)
    paths = []
    for number, (start, stop) in enumerate(pairwise(np.cumsum([0, *SIZES]))):
        columns = ["a", "b"] if number % 2 else ["b", "a"]
        paths.append(tmp_path / f"{number}.csv")
        table.iloc[start:stop][columns].to_csv(paths[-1], index=False)
    found = pairs_from(paths, lag=LAG, batch=batch)
    assert found.names == ("b", "a")
    assert np.array_equal(
        pairs_of(found)[:, [1, 0, 3, 2]],
        wanted(parts)[np.lexsort(wanted(parts)[:, [1, 0, 3, 2]].T)],
    )
    arrays = pairs_from(parts, lag=LAG, batch=batch)
    assert arrays.n == sum(SIZES) - 3 * LAG
    assert np.array_equal(pairs_of(arrays), wanted(parts))


def test_an_array_says_the_groups_of_rows_in_memory():
    parts = sequences()
    table = together(parts)
    found = pairs_from(table[["a", "b"]], lag=LAG, groups=table["who"])
    assert np.array_equal(pairs_of(found), wanted(parts))


def test_groups_of_a_csv_are_text(tmp_path):
    path = tmp_path / "series.csv"
    path.write_text("who,a\n1,0.5\n1,0.25\n01,4\n01,2\n")
    ((x, y),) = pairs_from(path, lag=1, groups="who")
    assert sorted(zip(x.ravel(), y.ravel(), strict=True)) == [(0.5, 0.25), (4.0, 2.0)]


@pytest.mark.parametrize("size", [1, LAG])
def test_short_groups_are_refused_by_name(size):
    table = together(sequences()).iloc[: SIZES[0] + size]
    with pytest.raises(
        FileError, match=rf"groups must each hold more than lag = 3 rows: got {size} in 'q'"
    ):
        list(pairs_from(table, lag=LAG, groups="who"))
    with pytest.raises(FileError, match=rf"must hold more than lag = 3 rows: got {size}$"):
        pairs_from([np.ones((9, 1)), np.ones((size, 1))], lag=LAG)


def test_bad_groups_and_sequences_are_refused(tmp_path):
    parts, table = sequences(), together(sequences())
    path = tmp_path / "panel.csv"
    table.to_csv(path, index=False)
    np.save(tmp_path / "panel.npy", parts[0])
    for arguments, options, message in (
        ((path,), {"groups": "id"}, r"panel\.csv: column 'id' of groups is missing \(found: a, wh"),
        ((table,), {"groups": "id"}, "column 'id' of groups is missing"),
        ((tmp_path / "panel.npy",), {"groups": "id"}, r"panel\.npy: has no column 'id'"),
        ((path,), {"groups": np.ones(3)}, "groups must be the name of a column of a file"),
        ((parts[0],), {"groups": np.ones(3)}, r"groups must have shape \(9,\), one per row: got"),
        ((parts,), {"groups": "who"}, "groups must be None with a list"),
        (([],), {}, "path must hold at least one sequence"),
        (([parts[0], parts[1][:, :1]],), {}, "must have 2 features, as the first sequence: got 1"),
        ((path,), {"lag": None, "groups": "who"}, "groups must be None without lag"),
    ):
        with pytest.raises(ValueError, match=message):
            pairs_from(*arguments, **{"lag": 1} | options)
    table.loc[3, "who"] = None
    with pytest.raises(FileError, match=r"groups must be known in every row: got none in 1"):
        list(pairs_from(table, lag=1, groups="who"))
    with pytest.raises(TypeError, match=r"path must be a path without lag"):
        pairs_from(parts[0])


def test_other_features_in_a_sequence_are_refused():
    one = pd.DataFrame(sequences()[0], columns=["a", "b"])
    with pytest.raises(FileError, match=r"must have the features of .* with 'c' and without 'b'"):
        pairs_from([one, one.rename(columns={"b": "c"})], lag=1)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("batch", [None, 2])
def test_a_clock_among_the_features_is_named(sign, batch):
    series = pd.DataFrame(sequences()[2], columns=["a", "b"]).assign(hour=sign * np.arange(12.0))
    with pytest.warns(UserWarning, match=r"column 'hour' goes one way from each row to the next"):
        accumulate(pairs_from(series, lag=1, batch=batch))
    with pytest.warns(UserWarning, match=r"column 2 goes one way"):
        accumulate(pairs_from([series.to_numpy()] * 2, lag=1, batch=batch))
    with warnings.catch_warnings():  # the controls: one step back, and too few rows to tell
        warnings.simplefilter("error")
        accumulate(pairs_from(series.assign(hour=[*range(11), 0]), lag=1, batch=batch))
        accumulate(pairs_from(series.iloc[:8], lag=1, batch=batch))


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npy", None])
def test_pairs_with_missing_values_are_dropped_in_their_place(tmp_path, suffix):
    series = sequences()[2]
    series[4, 1] = np.nan
    frame = pd.DataFrame(series, columns=["a", "b"])
    source = frame if suffix is None else tmp_path / f"series{suffix}"
    if suffix == ".npy":
        np.save(source, series)
    elif suffix:
        (frame.to_csv if suffix == ".csv" else frame.to_parquet)(source, index=False)
    with pytest.warns(UserWarning, match=r"^2 of 9 pairs have missing values and were dropped$"):
        found = pairs_of(pairs_from(source, lag=LAG, batch=2, missing="drop"))
    whole = np.hstack([series[:-LAG], series[LAG:]])
    assert len(found) == 7
    assert np.array_equal(found, pairs_of([(whole[np.isfinite(whole).all(axis=1)],)]))
    with pytest.raises(ValueError, match=r"missing|finite"):
        list(pairs_from(source, lag=LAG))


def test_only_empty_cells_are_missing(tmp_path):
    path = tmp_path / "odd.csv"
    for cell, fault in (("inf", "finite"), ("1;2", "number"), ("abc", "number")):
        path.write_text(f"x1,y1\n1,2\n{cell},4\n5,7\n,3\n")
        with pytest.raises(FileError, match=fault):
            list(pairs_from(path, missing="drop"))


def test_groups_in_a_series_go_by_its_index():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(np.cumsum(rng.normal(size=(60, 2)), axis=0), columns=["a", "b"])
    groups = pd.Series(np.repeat([0, 1, 2], 20))
    shuffled = groups.iloc[rng.permutation(60)]

    def modes(keys):
        return accumulate(pairs_from(frame, lag=1, groups=keys)).spectrum().lam

    assert np.array_equal(modes(shuffled), modes(groups))
    assert not np.allclose(modes(shuffled.to_numpy()), modes(groups))
    with pytest.raises(ValueError, match="groups must have the row labels"):
        modes(groups.set_axis(np.arange(9, 69)))

"""Training logs: which formats are read, what is said of them, and what is refused."""

import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pandas as pd
import pytest

import dlnflow
from dlnflow.identification import TrainingLog, read_log

STEPS = np.arange(0, 100, 10)
A = np.linspace(0.1, 0.9, 10).round(3)
B = np.linspace(0.2, 0.7, 10).round(3)


def text(columns, *, separator=",", comma=False):
    """A CSV file from columns by name; None gives an empty cell."""
    rows = [[f'"{name}"' for name in columns]]
    for row in zip(*columns.values(), strict=True):
        cells = ["" if cell is None else str(cell) for cell in row]
        rows.append([cell.replace(".", ",") if comma else cell for cell in cells])
    return "\n".join(separator.join(row) for row in rows)


def rarely(values, every):
    """The values in every so many rows, and empty cells between."""
    found = [None] * (len(values) * every)
    found[::every] = values
    return found


@pytest.fixture
def log(tmp_path):
    """Write a file and read it."""

    def read(content, name="log.csv", **options):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else text(content))
        return read_log(path, **options)

    return read


def aside(found):
    return dict(found.set_aside)


def said(found):
    return " ".join(found.notes)


# What loggers write

LIGHTNING = {
    "epoch": np.repeat([0, 1], 10),
    "lr-Adam": rarely([0.1] * 10, 2),
    "mode_0": [None, *rarely(A, 2)[:-1]],
    "mode_1": [None, *rarely(B, 2)[:-1]],
    "step": np.repeat(STEPS, 2),
    "train_loss": [None, *rarely(B, 2)[:-1]],
    "val_acc": [None] * 19 + [0.5],
}
WANDB = {
    "Step": STEPS,
    **{
        f"run-7 - {name}{end}": values
        for name, values in (("mode_0", A), ("mode_1", B), ("_step", STEPS), ("loss", A))
        for end in ("", "__MIN", "__MAX")
    },
}
HISTORY = {
    "_step": range(10),
    "_runtime": np.linspace(1.5, 80.0, 10),
    "_timestamp": np.linspace(1.7e9, 1.8e9, 10),
    "trainer/global_step": STEPS,
    "mode_0": A,
    "mode_1": B,
}
KERAS = {
    "epoch": range(10),
    "accuracy": A,
    "loss": B,
    "mode_0": A,
    "mode_1": B,
    "val_loss": B,
}
OWN = {
    "": range(10),
    "iteration": STEPS,
    "time": np.linspace(0.5, 7.0, 10),
    "mode_0": A,
    "seed": [3] * 10,
    "grad_norm": B,
    "rank": [4] * 10,
    "host": ["gpu-a, 1"] * 10,
    "date": ["2025-01-02"] * 10,
    "seen": 64 * np.arange(10),
    "none": [None] * 10,
    "mode_1": B,
}
FORMATS = {
    "Lightning": (LIGHTNING, "step", {"epoch": "the epoch", "train_loss": "a loss"}),
    "WandB": (
        WANDB,
        "Step",
        {
            "run-7 - mode_0__MIN": "the range of column 'run-7 - mode_0'",
            "run-7 - _step": "another count of steps",
            "run-7 - loss": "a loss",
        },
    ),
    "WandB history": (
        HISTORY,
        "trainer/global_step",
        dict.fromkeys(("_runtime", "_timestamp"), "a time, not the clock of training"),
    ),
    "Keras": (KERAS, "epoch", {"accuracy": "an accuracy", "val_loss": "a loss"}),
    "own": (
        OWN,
        "iteration",
        {
            "Unnamed: 0": "the index of the rows",
            "time": "a time, not the clock of training",
            "seed": "the run",
            "grad_norm": "a gradient's norm",
            "rank": "the same whole number in every row",
            "host": "text",
            "date": "text",
            "seen": "a count of rows",
            "none": "no value in any row",
        },
    ),
}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("name", FORMATS)
def test_logs_of_every_logger_give_their_modes(name, separator, log):
    columns, time, reasons = FORMATS[name]
    if "host" in columns:
        columns = columns | {"host": ['"gpu-a, 1"'] * 10}
    found = log(text(columns, separator=separator))
    assert [one.split(" - ")[-1] for one in found.names] == ["mode_0", "mode_1"]
    np.testing.assert_array_equal(found.w, [A, B])
    assert f"Column {time!r}" in said(found)
    assert aside(found).items() >= reasons.items()
    read = {*found.names, time, *aside(found), *(["lr-Adam"] if name == "Lightning" else [])}
    assert read == {one or "Unnamed: 0" for one in columns}  # nothing is lost in silence


@pytest.mark.parametrize("name", FORMATS)
def test_a_frame_gives_what_its_file_gives(name, log):
    columns = FORMATS[name][0]
    frame = pd.DataFrame({key or "Unnamed: 0": list(cells) for key, cells in columns.items()})
    before = frame.copy()
    found = read_log(frame)
    np.testing.assert_array_equal(found.w, [A, B])
    pd.testing.assert_frame_equal(frame, before)
    indexed = frame.set_index(next(one for one in frame if one.lower().endswith(("p", "n", "h"))))
    np.testing.assert_array_equal(read_log(indexed).w, [A, B])


def test_tags_of_tensorboard_are_named_after_their_files(tmp_path):
    wall = np.linspace(1.7e9, 1.8e9, 10)
    tags = {"run-x-tag-mode_0": A, "run-x-tag-mode_1": B, "run-x-tag-lr": [0.1] * 10}
    paths = []
    for name, values in tags.items():
        paths.append(tmp_path / f"{name}.csv")
        paths[-1].write_text(text({"Wall time": wall, "Step": STEPS, "Value": values}))
    found = read_log(paths)
    assert found.names == ("run-x-tag-mode_0", "run-x-tag-mode_1")
    np.testing.assert_array_equal(found.w, [A, B])
    np.testing.assert_allclose(found.t, 0.1 * STEPS)
    assert found.clock == "network"
    assert aside(found) == {"Wall time": "a time, not the clock of training"}
    assert read_log(paths[:1]).names == ("run-x-tag-mode_0",)


def test_what_simulate_writes_comes_back(log):
    sim = dlnflow.simulate([1.0, 1.1], [0.8, 0.5], 2)
    content = sim.to_dataframe().to_csv(index=False)
    for name in ("jepa", "mae"):
        found = log(content, run=name)
        np.testing.assert_array_equal(found.t, sim[name].t)
        np.testing.assert_array_equal(found.w, sim[name].w)
        assert (found.names, found.clock) == (("0", "1"), "paper")
        assert aside(found)["rho"] == "beside mode and w"
    np.testing.assert_array_equal(log(content, run="mae", columns=["1"]).w, sim["mae"].w[1:])
    with pytest.raises(
        ValueError, match=r"holds runs of jepa, mae: choose one with run= \(--run\)"
    ):
        log(content)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas_are_read(separator, log):
    found = log(text({"step": STEPS, "a": A, "b": B}, separator=separator, comma=True))
    np.testing.assert_array_equal(found.w, [A, B])


def test_a_byte_order_mark_and_blank_lines_are_no_part_of_the_log(log):
    found = log(b"\xef\xbb\xbfstep,a\r\n0,0.1\r\n\r\n10,0.2\r\n")
    assert (found.names, found.w.tolist()) == (("a",), [[0.1, 0.2]])


def test_an_epochs_mean_is_not_read_beside_its_steps(log):
    found = log({"step": STEPS, "a_step": A, "a_epoch": B})
    assert found.names == ("a_step",)
    assert aside(found) == {"a_epoch": "the epoch's mean of column 'a_step'"}


@pytest.mark.parametrize(
    "name", ["eig_val_0", "probe_r2/mode 0", "mode_0_step", "w_epoch", "accumulated", "update"]
)
def test_a_column_that_may_be_a_mode_is_one(name, log):
    assert log({"step": STEPS, name: A}).names == (name,)


def test_two_whole_numbers_are_no_count_of_rows(log):
    assert log("step,a\n0,1\n10,2\n").w.tolist() == [[1.0, 2.0]]


def test_names_with_a_dash_are_no_runs(log):
    assert log({"step": STEPS, "x - re": A, "y - re": B}).names == ("x - re", "y - re")


def test_names_may_hold_other_separators(log):
    assert log("step;mode 0, x\n0;0.1\n10;0.2\n").names == ("mode 0, x",)


@pytest.mark.parametrize(
    ("others", "clock"),
    [
        (("step", "_step"), "global_step"),
        (("_step",), "trainer/global_step"),
        (("_step",), "iter"),
        (("time", "Wall time"), "steps"),
    ],
)
def test_of_several_counts_of_steps_the_optimisers_is_the_clock(others, clock, log):
    found = log({name: 0.5 + np.arange(10) for name in others} | {"a": A, clock: STEPS})
    np.testing.assert_array_equal(found.t, STEPS)
    assert set(aside(found)) == set(others)


def test_columns_and_time_choose_what_the_names_would_not(log):
    columns = {"step": STEPS, "val_loss": A, "lr": B, "samples": 64 * STEPS, "other": B}
    found = log(columns, columns=["lr", "val_loss"], time="samples")
    assert found.names == ("lr", "val_loss")
    np.testing.assert_array_equal(found.w, [B, A])
    np.testing.assert_array_equal(found.t, 64 * STEPS)
    assert found.clock == "unknown"
    assert "'samples' counts an unknown unit" in said(found)
    assert aside(found) == {
        "step": "another count of steps",
        "other": "not among the columns chosen",
    }


@pytest.mark.parametrize("time", ["t", "step", "Wall time", "epoch"])
def test_a_time_that_is_not_chosen_is_no_mode(time, log):
    columns = dict.fromkeys(("t", "step", "Wall time", "epoch"), STEPS + 0.5) | {"a": A}
    found = log(columns, time=time)
    assert found.names == ("a",)
    assert {*aside(found), time, "a"} == set(columns)


# What the time counts


@pytest.mark.parametrize(
    ("name", "options", "clock"),
    [
        ("t", {}, "paper"),
        ("Time", {}, "paper"),
        ("t", {"lr": 0.1}, dlnflow.Training(lr=0.1)),
        ("step", {}, "unknown"),
        ("epoch", {}, "unknown"),
        ("Step", {"lr": 0.1, "loss": "sum"}, dlnflow.Training(lr=0.1, loss="sum")),
        (
            "global_step",
            {"lr": 0.1, "loss": "mean", "outputs": 8},
            dlnflow.Training(lr=0.1, loss="mean", outputs=8),
        ),
    ],
)
def test_steps_are_no_time_on_the_papers_clock(name, options, clock, log):
    found = log({name: STEPS, "a": A}, **options)
    assert found.clock == clock
    assert ("lam is known up to one common factor" in said(found)) == (clock == "unknown")
    assert ("--lr" in said(found)) == (name == "step")
    np.testing.assert_array_equal(found.t, STEPS)


def test_learning_rates_are_summed_over_steps(log):
    lr = np.linspace(0.5, 0.05, 10).round(3)
    found = log({"step": STEPS, "a": A, "lr": lr})
    expected = np.concatenate([[0.0], np.cumsum(lr[1:] * 10)])
    np.testing.assert_allclose(found.t, expected, rtol=1e-14)
    assert found.clock == "network"
    assert "'lr' (0.05 to 0.5), where the rate of a row holds from the row before" in said(found)
    mean = log({"step": STEPS, "a": A, "lr": lr}, loss="mean", outputs=8)
    np.testing.assert_allclose(mean.t, 0.25 * expected, rtol=1e-14)
    assert "times 0.25 for loss 'mean'" in said(mean)


def test_a_rate_in_rows_of_its_own_holds_where_it_was_logged(log):
    found = log({"step": [0, 5, 10, 20], "lr": [None, 1.0, 2.0, None], "a": [0.1, None, 0.2, 0.3]})
    np.testing.assert_allclose(found.t, [0.0, 5.0 + 10.0, 15.0 + 20.0])


def test_of_repeated_steps_the_last_rate_counts(log):
    found = log({"step": [0, 5, 5, 10], "lr": [1.0, 1.0, 2.0, 2.0], "a": [0.1, 0.2, 0.2, 0.3]})
    np.testing.assert_allclose(found.t, [0.0, 10.0, 20.0])


def test_a_log_that_begins_late_counts_the_steps_before(log):
    np.testing.assert_allclose(log({"step": [5, 6], "lr": [2.0, 2.0], "a": [0.1, 0.2]}).t, [10, 12])


def test_times_after_the_learning_rate_reached_0_are_left_out(log):
    found = log({"step": STEPS, "a": A, "lr": [0.1] * 9 + [0.0]})
    np.testing.assert_array_equal(found.w, [A[:-1]])
    assert "Left out: 1 of 10 times, before which the learning rate was 0" in said(found)


def test_rates_that_are_not_used_are_set_aside(log):
    columns = {"step": STEPS, "a": A, "lr-Adam/pg1": [0.1] * 10, "lr-Adam/pg2": [0.2] * 10}
    found = log(columns)
    assert found.clock == "unknown"
    assert set(aside(found).values()) == {"several learning rates that differ"}
    same = log(columns | {"lr-Adam/pg2": [0.1] * 10})
    np.testing.assert_allclose(same.t, 0.1 * STEPS)
    given = log(columns, lr=0.3)
    assert aside(given)["lr-Adam/pg2"] == "lr was given as 0.3, and is 0.2 here"
    on_paper = log({"t": STEPS, "a": A, "lr": [0.1] * 10})
    assert aside(on_paper) == {"lr": "a learning rate, not needed"}
    epochs = log({"epoch": range(10), "a": A, "learning_rate": [0.5] * 10})
    assert epochs.clock == "unknown"
    np.testing.assert_allclose(epochs.t, 0.5 * np.arange(10))


# Rows


def test_a_resumed_run_replaces_what_it_wrote_again(log):
    steps = [0, 10, 20, 30, 20, 30, 40]
    found = log({"step": steps, "a": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]})
    assert found.t.tolist() == [0, 10, 20, 30, 40]
    assert found.w.tolist() == [[0.1, 0.2, 0.5, 0.6, 0.7]]
    assert "goes back from 30 to 20 (line 6)" in said(found)
    assert "Left out: 2 of 4 rows before it, from 20 on" in said(found)


def test_a_resumption_is_seen_in_rows_without_modes(log):
    found = log({"step": [0, 10, 25, 20, 30], "a": [0.1, 0.2, 0.9, None, 0.3]})
    assert found.t.tolist() == [0, 10, 30]


def test_the_last_value_of_a_repeated_step_counts(log):
    found = log({"step": [0, 10, 10, 20], "a": [0.1, 0.2, 0.3, 0.4]})
    assert found.w.tolist() == [[0.1, 0.3, 0.4]]
    assert "Of repeated steps the last value was used. Left out: 1 of 4 rows" in said(found)


def test_modes_of_one_step_in_several_rows_are_one_measurement(log):
    found = log({"step": [0, 0, 10, 10], "a": [0.1, None, 0.2, None], "b": [None, 1.5, None, 2.5]})
    assert found.w.tolist() == [[0.1, 0.2], [1.5, 2.5]]
    assert "repeated" not in said(found)


@pytest.mark.parametrize("cell", ["nan", "inf", "-Infinity"])
def test_a_log_is_used_until_it_diverges(cell, log):
    found = log({"step": STEPS, "a": [*A[:7], cell, cell, "nan"], "b": B})
    assert found.t.tolist() == [0, 10, 20, 30, 40, 50, 60]
    assert f"'a' is not finite from step 70 on ({cell} in line 9)" in said(found)


def test_steps_that_lack_a_mode_are_left_out(log):
    found = log({"step": STEPS, "a": A, "b": ["nan", *B[1:6], None, *B[7:]]})
    assert found.t.tolist() == [10, 20, 30, 40, 50, 70, 80, 90]
    assert "Left out: 2 of 10 steps, which lack a mode" in said(found)
    assert "not finite" not in said(found)


def test_rows_without_a_mode_are_left_out_and_counted(log):
    found = log({"step": range(20), "a": rarely(A, 2)})
    np.testing.assert_array_equal(found.w, [A])
    assert "Left out: 10 of 20 rows, which have no mode" in said(found)


def test_files_are_matched_at_common_steps(tmp_path):
    for name, steps, values in (("a", STEPS, A), ("b", STEPS + 10, B)):
        (tmp_path / f"{name}.csv").write_text(text({"step": steps, "mode": values}))
    paths = [tmp_path / "a.csv", str(tmp_path / "b.csv")]
    found = read_log(paths)
    np.testing.assert_array_equal(found.w, [A[1:], B[:-1]])
    assert found.names == ("a", "b")
    assert "Left out: 2 of 11 times, which not every mode has" in said(found)


# Runs


def test_several_runs_in_one_log_need_a_choice(log):
    columns = {"seed": [1] * 10 + [2] * 10, "step": [*STEPS, *STEPS], "a": [*A, *B]}
    with pytest.raises(ValueError, match=r"holds runs of 1, 2: choose one with run="):
        log(columns)
    found = log(columns, run="2")
    np.testing.assert_array_equal(found.w, [B])
    assert "Only the run '2' was read" in said(found)
    exported = {"Step": STEPS} | {
        f"{run} - a{end}": w for run, w in (("x", A), ("y", B)) for end in ("", "__MIN", "__MAX")
    }
    with pytest.raises(ValueError, match="holds runs of x, y"):
        log(exported)
    np.testing.assert_array_equal(log(exported, run="y").w, [B])
    np.testing.assert_array_equal(log(exported, columns=["y - a", "x - a"]).w, [B, A])
    with pytest.raises(ValueError, match=r"has no run 'z' \(found: x, y\)"):
        log(exported, run="z")


def test_an_objective_in_numbers_is_a_loss(log):
    assert aside(log({"step": STEPS, "objective": B, "a": A})) == {"objective": "a loss"}


# Refusals

GOOD = {"step": STEPS, "a": A}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty: a header"),
        (b"\xff\xfes\0t\0", "not a text file in UTF-8"),
        ("0,0.1\n10,0.2\n", "line 1: a header is needed"),
        ("0,5;1\n1,5;2\n", "columns may be separated by commas or semicolons"),
        ("step,a\n", "no measurements below the header"),
        ("step,a\n0,0.1\n", "modes must be there at 2 times or more: got 1"),
        ("step,a\n0,0.1,0.3\n", "line 2: 3 cells under 2 columns"),
        ("step,a\n0,5,0,1\n", "decimal commas need columns separated by semicolons or tabs"),
        ("step,a,a\n0,1,2\n", "different names: got a twice"),
        ("step,,a\n0,0.5,2\n1,0.4,3\n", "column 'Unnamed: 1' has no name"),
        ("step,,a\n0,5,2.5\n1,4,3.5\n", "column 'Unnamed: 1' has no name"),
        ('step,a\n0,"0,5"\n1,"0,6"\n', "line 2, column 'a': '0,5' is not a number"),
        ("a,b\n0,1\n1,2\n", "no column of times, named t, time, step"),
        ("Wall time,a\n0,1\n1,2\n", "no column of times"),
        ("t,time,a\n0,0,1\n", "several columns may be the time: t, time; choose one"),
        ("t,step,a\n0,0,1\n", "several columns may be the time: step, t"),
        ("epoch,time,a\n0,0,1\n", "several columns may be the time: epoch, time"),
        ("step,iteration,a\n0,0,1\n1,5,2\n", "several columns may be the time: step, iteration"),
        ("step,loss\n0,0.1\n10,0.2\n", r"no column of a mode \(loss \(a loss\)\)"),
        ("step,a\n0,0.1\n10,x\n", "line 3, column 'a': 'x' is not a number"),
        ("step,a\n0,0.1\nx,0.2\n", "line 3, column 'step': 'x' is not a number"),
        ("step,a\n0,0.1\n,0.2\n", "line 3, column 'step': a number is missing"),
        ("step,a\n0,0.1\ninf,0.2\n", "line 3, column 'step': must be finite"),
        ("step,a\n0,0.1\n1,inf\n2,0.3\n", "line 3, column 'a': must be finite: got inf"),
        ("step,a\n0,nan\n1,nan\n2,inf\n", "no finite number in any row"),
        ("step,a,b\n0,1,1.5\n1,nan,1.6\n2,nan,1.7\n", "'a' is not finite from step 1 on"),
        ("step,a\n0,0.1\n10,0.2\n0,0.1\n10,0.2\n", "begins again at 0 in line 4: several runs"),
        ("t,a\n0,0.1\n10,0.2\n5,0.3\n", "line 4, column 't': times must rise: got 5 after 10"),
        ("t,a\n0,0.1\n0,0.2\n", "line 3, column 't': times must rise: got 0 after 0"),
        ({"step": STEPS, "a": A, "b": [0.1] + [None] * 9}, "'b' is logged at 1 of 10 steps"),
        ("step,a,lr\n0,0.1,0.1\n1,0.2,-1\n", "line 3, column 'lr': a learning rate must be"),
        ("step;a\n0;1,5\n1;0.3\n", "'0.3' has a decimal point, and '1,5' a comma"),
        ("step;a\n0;1,5\n1;1,5,2\n", "line 3: '1,5,2' is no number with a decimal comma"),
        ("step;a\n0;1,500\n1;2,500\n", "'1,500' may have a decimal comma or one of thousands"),
        ("step,a;b\n1,2;3\n2,3;4\n", "columns may be separated by commas or semicolons"),
        ("mode,t,w\n0,0,1\n,1,2\n", "line 3, column 'mode': must name a mode: got ''"),
    ],
)
def test_logs_that_are_not_clear_are_refused(content, message, log):
    with pytest.raises(ValueError, match=message) as refused:
        log(content)
    assert str(refused.value).count("log.csv") == 1
    assert "\n" not in str(refused.value)
    assert log(GOOD).w.tolist() == [A.tolist()]  # the control


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"columns": ["b", "a"]}, ValueError, r"columns must name columns of the log: got b \("),
        ({"columns": ["a", "a"]}, ValueError, "columns must be named once each"),
        ({"columns": []}, ValueError, "columns must name at least one column"),
        ({"columns": 3}, TypeError, "columns must be names"),
        ({"columns": ["step"], "time": "step"}, ValueError, "columns must leave out the column"),
        ({"time": "steps"}, ValueError, r"time must name a column: got 'steps' \(found: step, a\)"),
        ({"time": 0}, TypeError, "time must be a str: got 0"),
        ({"run": "x"}, ValueError, "run must be left out, as no column names runs"),
        ({"lr": -1.0}, ValueError, "lr must be positive"),
        ({"loss": "sum"}, ValueError, "loss and outputs must be left out without a learning rate"),
        ({"loss": "huber"}, ValueError, "loss must be one of"),
    ],
)
def test_arguments_that_do_not_fit_the_log_are_refused(options, error, message, log):
    with pytest.raises(error, match=message):
        log(GOOD, **options)


def test_a_learning_rate_does_not_say_how_long_an_epoch_is(log):
    with pytest.raises(ValueError, match="lr must be left out where the time is in epochs"):
        log({"epoch": STEPS, "a": A}, lr=0.1)


def test_sources_that_are_no_logs_are_refused(tmp_path):
    for source in (3, {"t": [1]}, [3], None):
        with pytest.raises(TypeError, match="source must be a path, a list of paths or a pandas"):
            read_log(source)
    with pytest.raises(ValueError, match="source must hold at least one path"):
        read_log([])
    with pytest.raises(FileNotFoundError):
        read_log(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="source: column names must be single"):
        read_log(pd.DataFrame({("a", "b"): [1.0], ("a", "c"): [2.0]}))
    with pytest.raises(ValueError, match="row 1, column 'a': 'x' is not a number"):
        read_log(pd.DataFrame({"step": [0, 1], "a": ["1", "x"]}))


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"step": STEPS, "b": B, "c": B}, "several files must hold one mode each: got b, c"),
        ({"t": STEPS, "b": B}, "times must count the same in all files: got column 't' here"),
        ({"step": STEPS + 1, "b": B}, "2 times or more in common: got 0 of 20"),
        (None, "source must hold each file once"),
    ],
)
def test_files_that_do_not_fit_together_are_refused(second, message, tmp_path):
    paths = [tmp_path / "a.csv", tmp_path / ("a.csv" if second is None else "b.csv")]
    for path, columns in zip(paths, (GOOD, second or GOOD), strict=True):
        path.write_text(text(columns))
    with pytest.raises(ValueError, match=message):
        read_log(paths)


# The record


def test_a_log_is_an_immutable_record_that_says_what_was_done(log):
    found = log(LIGHTNING)
    assert repr(found).splitlines() == [
        "TrainingLog: 2 modes, 10 times from 0 to 9 (time, network clock)",
        "  modes: mode_0, mode_1",
        "  Set aside: epoch (the epoch), train_loss (a loss), val_acc (of the validation).",
        "  Column 'step' counts training steps; t is the sum over them of the learning rate in "
        "column 'lr-Adam' (0.1), where the rate of a row holds from the row before to it, times 1 "
        "for loss 'half-sum'.",
        "  Left out: 10 of 20 rows, which have no mode.",
    ]
    for one in (found, pickle.loads(pickle.dumps(found))):
        assert isinstance(one, TrainingLog)
        with pytest.raises(ValueError, match="read-only"):
            one.w[0, 0] = 1.0
        with pytest.raises(FrozenInstanceError):
            one.names = ()


def test_a_log_identifies_its_network_on_its_own_clock(log):
    steps = np.linspace(0.0, 120.0, 60)
    clock = dlnflow.Training(lr=0.1)
    w = dlnflow.amplitude(steps, [[2.0], [1.1]], [[0.8], [0.5]], 1, eps=0.01, clock=clock)
    read = log({"step": steps, "x": w[0], "y": w[1]}, lr=0.1)
    found = read.identify(L=1, objective="jepa")
    np.testing.assert_allclose(found.lam, [2.0, 1.1], rtol=1e-6)
    assert read.identify(L=1, objective="jepa", clock="network").lam[0] == pytest.approx(0.2)


def test_columns_that_may_be_r2_are_named_and_no_others(log):
    assert "are read as amplitudes: probe_r2/0. If" in said(
        log({"step": STEPS, "probe_r2/0": A, "w2": B})
    )
    assert "R2" not in said(log({"step": STEPS, "r2d2": A, "reprobed": B}))


def test_two_runs_mixed_in_one_log_are_refused(log):
    steps = np.arange(0, 400, 10)
    one, other = np.linspace(0.1, 0.9, 40), np.linspace(0.2, 0.8, 40)
    pairs = np.stack([one, other], axis=1).ravel()
    with pytest.raises(ValueError, match="40 of 40 steps hold a mode twice or more"):
        log({"step": np.repeat(steps, 2), "a": pairs})
    lagged = np.stack([steps + 100, steps + 10], axis=1).ravel()
    with pytest.raises(ValueError, match="'step' goes back more than 20 times"):
        log({"step": lagged, "a": pairs})
    resumed = np.r_[steps[:30], steps[20:]]
    assert log({"step": resumed, "a": np.r_[one[:30], one[20:]]}).w.shape == (1, 40)


def test_names_that_only_contain_a_loss_are_modes(log):
    found = log({"step": STEPS, "glossary": A, "train_loss": B, "loss/total": B, "weight_norm": B})
    assert found.names == ("glossary",)

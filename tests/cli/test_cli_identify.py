"""``dlnflow identify``: which files it reads, what it says, and how it refuses."""

import csv
import io

import numpy as np
import pytest
from test_cli import file, output, refusal, run

import dlnflow

T = np.linspace(0.0, 60.0, 80)
W = dlnflow.amplitude(T, [[1.0], [1.1]], [[0.8], [0.5]], 3, eps=0.01, objective="mae")


def wide(t=T, w=W, names=("first", "second"), time="t"):
    rows = [",".join((time, *names))]
    rows += [",".join(map(repr, map(float, row))) for row in zip(t, *w, strict=True)]
    return "\n".join(rows)


@pytest.fixture
def curves(tmp_path):
    return file(tmp_path, "curves.csv", wide())


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_curves_in_columns_give_the_modes_that_made_them(curves):
    rows = table(output("identify", curves, "--format", "csv"))
    assert [float(row["lam"]) for row in rows] == pytest.approx([1.0, 1.1], rel=1e-6)
    assert [float(row["rho"]) for row in rows] == pytest.approx([0.8, 0.5], rel=1e-6)
    said = run("identify", curves).stderr
    assert "explained to rounding: MAE, L = 3" in said


@pytest.mark.long
def test_what_simulate_writes_is_read_run_by_run(tmp_path):
    text = output("simulate", "--lam", "1,1.1", "--rho", "0.8,0.5", "-L", 2, "--format", "csv")
    path = file(tmp_path, "sim.csv", text)
    for name in ("jepa", "mae"):
        rows = table(output("identify", path, "--run", name, "--ranking", "--format", "csv"))
        assert (rows[0]["objective"], rows[0]["L"]) == (name, "2")
    assert "holds runs of jepa, mae: choose one with run= (--run)" in refusal("identify", path)
    assert "has no run 'ema' (found: jepa, mae)" in refusal("identify", path, "--run", "ema")


def test_what_it_writes_the_other_commands_read(curves, tmp_path):
    output("identify", curves, "--out", tmp_path / "modes.csv")
    rows = table(output("table", "--modes", tmp_path / "modes.csv", "-L", 2, "--format", "csv"))
    assert len(rows) == 4


@pytest.mark.long
def test_candidates_clock_and_what_is_known_are_options(curves, tmp_path):
    text = output("identify", curves, "-L", "2,3", "--objective", "mae", "--ranking", "-f", "csv")
    assert [row["L"] for row in table(text)] == ["3", "2"]
    steps = table(output("identify", curves, "--lr", 0.1, "-f", "csv"))
    assert float(steps[0]["lam"]) == pytest.approx(1.0 / 0.3, rel=1e-6)
    said = run("identify", curves, "--clock", "unknown", "--lam", "2,nan").stderr
    assert "One unit of t is 0.5 of the paper's clock" in said
    known = table(output("identify", curves, "--eps", 0.01, "-f", "csv"))
    assert [float(row["eps_err"]) for row in known] == [0.0, 0.0]
    assert "2 numbers" not in output("identify", curves, "--rho", "0.8,0.5", "--noise", "relative")


@pytest.mark.long
def test_a_figure_is_drawn_where_asked(curves, tmp_path):
    said = run("identify", curves, "--figure", tmp_path / "fit.png").stderr
    assert "wrote" in said
    assert (tmp_path / "fit.png").stat().st_size > 10_000


def test_a_figure_that_cannot_be_drawn_is_refused_before_the_work(tmp_path):
    said = refusal("identify", tmp_path / "none.csv", "--figure", tmp_path / "fit.foo")
    assert "suffix of a figure must be" in said
    assert "fit.foo" in said


def test_the_noise_may_be_given_and_intervals_are_written(curves):
    rows = table(output("identify", curves, "--sigma", "0.01", "-L", 3, "-f", "csv"))
    for row, lam in zip(rows, (1.0, 1.1), strict=True):
        assert float(row["lam_low"]) < lam < float(row["lam_high"])
        assert float(row["rho_low"]) < float(row["rho"]) < float(row["rho_high"])
    each = table(output("identify", curves, "--sigma", "0.01,0.03", "-L", 3, "-f", "csv"))
    assert float(each[1]["lam_err"]) > 2.5 * float(rows[1]["lam_err"])
    shown = output("identify", curves)
    assert "rho_low" in shown
    assert "sigma: 3 numbers for 2 modes" in refusal("identify", curves, "--sigma", "1,2,3")


def test_a_mode_that_never_moves_is_reported(tmp_path):
    path = file(tmp_path, "flat.csv", wide(w=[*W, np.full(T.size, 0.5)], names=("a", "b", "c")))
    result = run("identify", path)
    assert result.exit_code == 0
    assert "warning: w does not change in mode c" in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty: a header and a column of times are needed"),
        ("1,2\n3,4\n", "line 1: a header is needed: a column named t"),
        ("x,y\n1,2\n", "no column of times, named t, time, step"),
        ("t,time,y\n1,2,3\n", "several columns may be the time: t, time; choose one with time="),
        ("t,y\n", "no measurements below the header"),
        ("t,y\n1,2,3\n", "line 2: 3 cells under 2 columns"),
        ("t,y\n1,2\n2,two\n", "line 3, column 'y': 'two' is not a number"),
        ("t,y\n1,1_000\n", "line 2, column 'y': '1_000' is not a number"),
        ("mode,t,w\n0,0,1\n0,1_0,2\n", "line 3, column 't': '1_0' is not a number"),
        ("t\n1\n2\n", "no column of a mode (only a time)"),
        ("t,y\n0,1\n0,2\n", "line 3, column 't': times must rise: got 0 after 0"),
        (wide(w=-W), "w must not be negative beyond its noise"),
        (wide(w=np.ones((2, 80))), "w must change"),
        ("mode,t,w\n0,0,1\n0,1,2\n1,0,1\n1,3,2\n", "in common: got 1 of 3"),
    ],
)
def test_files_that_hold_no_trajectories_are_refused_in_one_line(text, message, tmp_path):
    assert message in refusal("identify", file(tmp_path, "bad.csv", text))


def test_other_refusals_are_one_line_too(curves, tmp_path):
    assert "cannot be read: No such file" in refusal("identify", tmp_path / "none.csv")
    assert "lam: 3 numbers for 2 modes" in refusal("identify", curves, "--lam", "1,2,3")
    assert "run must be left out" in refusal("identify", curves, "--run", "jepa")
    assert "columns must name columns of the log: got third" in refusal(
        "identify", curves, "--columns", "first,third"
    )
    assert "noise must be one of" in refusal("identify", curves, "--noise", "pink")
    assert "clock must be" in refusal("identify", curves, "--clock", "wall")
    assert "give --clock or --lr, not both" in refusal(
        "identify", curves, "--clock", "paper", "--lr", 1
    )
    assert "loss and outputs must be left out" in refusal("identify", curves, "--loss", "sum")


def test_steps_count_training_steps_and_never_time_on_the_papers_clock(tmp_path):
    log = file(tmp_path, "log.csv", wide(time="step"))
    only = ("-L", 3, "--objective", "mae", "-f", "csv")
    lam = {
        options: [float(row["lam"]) for row in table(output("identify", log, *options, *only))]
        for options in ((), ("--lr", 0.5), ("--lr", 0.5, "--loss", "sum"), ("--clock", "paper"))
    }
    assert lam["--clock", "paper"] == pytest.approx([1.0, 1.1], rel=1e-6)
    assert lam["--lr", 0.5] == pytest.approx([1.0 / 1.5, 1.1 / 1.5], rel=1e-6)
    assert lam["--lr", 0.5, "--loss", "sum"] == pytest.approx([1.0 / 3.0, 1.1 / 3.0], rel=1e-6)
    assert "training steps of unknown learning rate" in run("identify", log).stderr


def test_a_learning_rate_in_the_log_gives_the_clock_and_another_is_refused(tmp_path):
    columns = (*W, np.full(T.size, 0.5), np.linspace(2.0, 1.0, T.size))
    log = file(
        tmp_path, "log.csv", wide(w=columns, names=("first", "second", "lr", "loss"), time="step")
    )
    result = run("identify", log, "-L", 3, "--objective", "mae", "-f", "csv")
    assert [float(row["lam"]) for row in table(result.stdout)] == pytest.approx(
        [1.0 / 1.5, 1.1 / 1.5], rel=1e-6
    )
    assert "Set aside: loss (a loss)." in result.stderr
    assert result.stderr.startswith("explained to rounding: MAE, L = 3")
    assert "--clock: the log's learning rates" in refusal("identify", log, "--clock", "paper")


def test_modes_in_several_files_are_read_together(tmp_path):
    logs = [
        file(tmp_path, f"{n}.csv", wide(w=[w], names=(n,))) for n, w in zip("ab", W, strict=True)
    ]
    rows = table(output("identify", *logs, "-L", 3, "--objective", "mae", "-f", "csv"))
    assert [float(row["lam"]) for row in rows] == pytest.approx([1.0, 1.1], rel=1e-6)

"""The command line: what it prints, what it writes, and how it refuses."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from problems import EQUAL_LAM
from typer.testing import CliRunner

import dlnflow
from dlnflow._common._frame import Frame
from dlnflow.cli import app
from dlnflow.data._spectrum import Spectrum
from dlnflow.studies import demo

TWO = ("--lam", "1,1", "--rho", "1,0.5")
JOINT_ERRORS = "--errors: --basis joint needs the bootstrap"
COMMANDS = (
    *((name,) for name in ("simulate", "table", "modes", "derive", "demo", "figure")),
    *(("figure", kind) for kind in ("trajectories", "depth", "panels", "collapse", "map")),
)


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def output(*arguments):
    result = run(*arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def refusal(*arguments):
    """The one line that a refused command prints."""
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("error: ").rstrip("\n")


def read_back(text):
    """A frame from CSV, every number read with Python's own float."""
    rows = list(csv.DictReader(io.StringIO(text)))
    kinds = {"objective": str, "features": str, "mode": int, "L": int, "below_noise": "True".__eq__}
    return Frame(
        {name: [kinds.get(name, float)(row[name] or "nan") for row in rows] for name in rows[0]}
    )


def file(folder, name, text):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder, so that messages name files as a user would see them."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 3)) * [2.0, 1.0, 0.5]
    return x, x * [0.3, 0.8, 0.9] + rng.normal(size=x.shape)


@pytest.mark.long
def test_table_as_csv_is_the_librarys_frame_bit_for_bit():
    text = output("table", *TWO, "-L", "1,3", "--eps", "1e-3,1e-6", "--p", 0.7, "-f", "csv")
    table = dlnflow.critical_time_table(*EQUAL_LAM, [1, 3], eps=[1e-3, 1e-6], p=0.7)
    pd.testing.assert_frame_equal(read_back(text), table, check_exact=True)


def test_infinite_and_missing_values_survive_csv():
    arguments = ("--lam=-1,1", "--rho", "-0.5,0.5", "-L", 2, "--objective", "jepa,layer-1")
    table = dlnflow.critical_time_table([-1.0, 1.0], [-0.5, 0.5], 2, objective=("jepa", "layer-1"))
    assert np.isinf(table["exact"]).any()
    assert table["published"].isna().any()
    text = output("table", *arguments, "-f", "csv")
    pd.testing.assert_frame_equal(read_back(text), table, check_exact=True)


@pytest.mark.long
@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ((), {}),
        (("--clock", "network"), {"clock": "network"}),
        (
            ("--lr", 0.01, "--loss", "mean", "--outputs", 7),
            {"clock": dlnflow.Training(lr=0.01, loss="mean", outputs=7)},
        ),
        (("--lr", 0.01), {"clock": dlnflow.Training(lr=0.01)}),
        (("--method", "ode"), {"method": "ode"}),
        (("--times", "0,10,100"), {"t": [0, 10, 100]}),
        (("--decoder-depth", 2, "--eps", 0.01), {"decoder_depth": 2, "eps": 0.01}),
        (("--objective", "mae, layer-1"), {"objective": ("mae", "layer-1")}),
    ],
)
def test_every_setting_reaches_the_simulation(options, settings):
    text = output("simulate", *TWO, "-L", 2, *options, "--format", "csv")
    frame = dlnflow.simulate(*EQUAL_LAM, 2, **settings).to_dataframe()
    pd.testing.assert_frame_equal(read_back(text), frame, check_exact=True)


def test_table_settings_reach_the_library():
    options = ("--objective", "mae", "-P", 2, "--lr", 0.1, "--loss", "sum")
    table = dlnflow.critical_time_table(
        [1.0, 1.0],
        [1.0, 0.5],
        3,
        objective="mae",
        decoder_depth=2,
        clock=dlnflow.Training(lr=0.1, loss="sum"),
    )
    text = output("table", *TWO, "-L", 3, *options, "-f", "csv")
    pd.testing.assert_frame_equal(read_back(text), table, check_exact=True)


@pytest.mark.long
@pytest.mark.parametrize(
    "text",
    [
        "lam,rho\n1,1\n1,0.5\n",
        "rho,lam\r\n1,1\r\n0.5,1\r\n",
        "\ufeffname, lam , rho\n a,1,1\n\n b,1, 0.5\n",
        "lam,rho,variance\n1,1,1\n1,0.5,2\n",
    ],
    ids=["plain", "order and line ends", "mark, names, spaces, blank line", "variance"],
)
def test_modes_from_a_file_equal_modes_given_inline(tmp_path, text):
    arguments = ("-L", "1,3", "-f", "csv")
    from_file = output("table", "--modes", file(tmp_path, "m.csv", text), *arguments)
    assert from_file == output("table", *TWO, *arguments)


def test_variance_makes_room_for_pure_noise(tmp_path):
    path = file(tmp_path, "m.csv", "lam,rho,variance\n1,0.5,2\n0,0,3\n")
    arguments = ("-L", 2, "--times", "0,5", "-f", "csv")
    from_file = output("simulate", "--modes", path, *arguments)
    inline = ("--lam", "1,0", "--rho", "0.5,0", "--variance", "2,3")
    assert from_file == output("simulate", *inline, *arguments)
    frame = dlnflow.simulate([1, 0], [0.5, 0], 2, t=[0, 5], variance=[2, 3]).to_dataframe()
    np.testing.assert_array_equal(read_back(from_file)["w"], frame["w"])


@pytest.mark.parametrize("equals", [True, False])
def test_an_inline_list_may_open_with_a_minus_sign(equals):
    lists = ("--lam=-1,2", "--rho=-0.5,1") if equals else ("--lam", "-1,2", "--rho", "-0.5,1")
    text = output("table", *lists, "-L", 1, "-f", "csv")
    assert read_back(text)["lam"].tolist() == [-1.0, 2.0] * 2


def strict(text):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_json_is_strict_and_holds_every_digit():
    arguments = ("--lam=-1,1", "--rho=-0.5,0.3", "-L", 2, "--objective", "jepa,layer-1")
    rows = strict(output("table", *arguments, "-f", "json"))
    table = read_back(output("table", *arguments, "-f", "csv"))
    assert list(rows[0]) == list(table.columns)
    assert rows[0]["exact"] == "Infinity"
    assert rows[-1]["published"] is None
    frame = pd.DataFrame(rows).astype({name: table[name].dtype for name in table})
    pd.testing.assert_frame_equal(table, frame, check_exact=True)


def test_latex_is_a_balanced_tabular_with_every_column():
    text = output("table", "--lam=-1,1", "--rho=-0.5,0.5", "-L", "1,3", "-f", "latex")
    columns = dlnflow.critical_time_table(1.0, 0.5, 1).columns
    (spec,) = re.findall(r"\\begin\{tabular\}\{(\w+)\}", text)
    assert text.count(r"\end{tabular}") == 1
    assert len(spec) == len(columns)
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 1 + 8
    assert all(len(re.split(r"(?<!\\)&", row)) == len(columns) for row in rows)
    assert all(row.count("$") % 2 == 0 for row in rows)
    assert not re.search(r"(?<!\\)_", text)
    assert r"$\infty$" in text
    assert r"$\lambda$" in text
    assert "published error" in text


def test_markdown_rows_all_have_the_same_cells():
    lines = output("table", *TWO, "-L", "1,3", "-f", "markdown").splitlines()
    columns = dlnflow.critical_time_table(1.0, 0.5, 1).columns
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == list(columns)
    assert all(re.fullmatch(r":?-+:?", cell) for cell in cells[1])
    assert {len(row) for row in cells} == {len(columns)}
    assert len(lines) == 2 + 8
    assert len({len(line) for line in lines}) == 1


def test_a_table_on_a_narrow_screen_loses_no_digit(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    lines = output("table", *TWO, "-L", 3).splitlines()
    names, *rows = [line.split() for line in lines if line.split() and "─" not in line]
    table = dlnflow.critical_time_table(*EQUAL_LAM, 3)
    assert names == list(table.columns)
    shown = [float(row[names.index("exact")]) for row in rows]
    np.testing.assert_allclose(shown, table["exact"], rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "start"),
    [("t.csv", "objective,"), ("t.json", "[\n{"), ("t.md", "| obj"), ("t.tex", r"\begin{tab")],
)
def test_the_suffix_of_the_file_chooses_the_format(tmp_path, name, start):
    result = run("table", *TWO, "-L", 1, "--out", tmp_path / name)
    assert result.stdout == ""
    assert "4 rows" in result.stderr
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)


TABLES = ".csv, .json, .md, .tex, .txt, unless --format is given"
DERIVATIONS = ".md, .tex, .txt, unless --format is given"
REPORTS = ".json, .md, .html, .htm, .txt, unless --format is given"
PICTURES = ".webp"


@pytest.mark.long
@pytest.mark.parametrize(
    ("command", "allowed"),
    [
        (("table", *TWO, "-L", 1, "--out"), TABLES),
        (("simulate", *TWO, "-L", 1, "--out"), TABLES),
        (("modes", "none.npy", "--lag", 1, "--out"), TABLES),
        (("identify", "none.csv", "--out"), TABLES),
        (("identify", "none.csv", "--figure"), PICTURES),
        (("derive", "jepa", "--out"), DERIVATIONS),
        (("derive", "jepa", "--verify", "--out"), DERIVATIONS),
        (("claims", "--out"), REPORTS),
        *((("figure", kind, *TWO, "-L", 1, "--out"), PICTURES) for kind in ("depth", "collapse")),
        (("figure", "trajectories", *TWO, "-L", 1, "--out"), PICTURES),
        *((("figure", kind, "-L", 1, "--out"), PICTURES) for kind in ("panels", "map")),
    ],
)
@pytest.mark.parametrize("suffix", [".xlsx", ".cvs", ""])
def test_a_suffix_that_names_no_format_is_refused_before_the_work(here, command, allowed, suffix):
    message = refusal(*command, f"out{suffix}")
    assert message.startswith(f"out{suffix}: the suffix of ")
    assert message.endswith(f"{allowed}: got {suffix or 'none'}")
    assert not list(here.iterdir())


@pytest.mark.parametrize("name", ["out.xlsx", "out"])
def test_a_format_asked_for_makes_any_suffix_good(here, name):
    output("table", *TWO, "-L", 1, "--out", name, "--format", "json")
    assert len(strict((here / name).read_text(encoding="utf-8"))) == 4


def test_a_format_asked_for_beats_the_suffix(tmp_path):
    output("table", *TWO, "-L", 1, "--out", tmp_path / "t.csv", "--format", "json")
    assert len(strict((tmp_path / "t.csv").read_text())) == 4


def data_rows(text):
    return [line for line in text.splitlines() if line.strip().startswith(("jepa", "mae"))]


def test_the_screen_shows_fewer_rows_and_says_so():
    result = run("simulate", *TWO, "-L", 2)
    frame = dlnflow.simulate(*EQUAL_LAM, 2).to_dataframe()
    shown = data_rows(result.stdout)
    assert len(shown) <= 60 < len(frame)
    assert f"{len(shown)} of {len(frame)} rows" in result.stderr
    ends = frame.groupby(["objective", "mode"])["t"].agg(["first", "last"])
    times = [float(row.split()[6]) for row in shown]
    for t in ends.to_numpy().ravel():
        assert any(abs(t - one) <= 1e-5 * t for one in times)


def test_the_screen_stays_short_with_many_modes():
    many = ",".join(["1"] * 50)
    result = run("simulate", "--lam", many, "--rho", many, "-L", 1)
    assert len(data_rows(result.stdout)) == 60
    frame = dlnflow.simulate([1.0] * 50, [1.0] * 50, 1).to_dataframe()
    assert f"60 of {len(frame)} rows" in result.stderr


@pytest.mark.long
def test_a_file_gets_every_row(tmp_path):
    out = tmp_path / "all.txt"
    result = run("simulate", *TWO, "-L", 2, "--out", out)
    assert "1600 rows" in result.stderr
    assert len(data_rows(out.read_text(encoding="utf-8"))) == 1600


def test_images_are_flattened_on_request(here):
    video = np.random.default_rng(0).normal(size=(60, 2, 2)).cumsum(axis=0)
    np.save("video.npy", video)
    rows = video.reshape(60, 4)
    wanted = Spectrum.from_samples(rows[:-1], rows[1:]).to_dataframe()
    text = output("modes", "video.npy", "--lag", 1, "--flatten", "--no-errors", "-f", "csv")
    pd.testing.assert_frame_equal(read_back(text), wanted, rtol=1e-9)
    assert "flatten=True (--flatten) makes a row" in refusal("modes", "video.npy", "--lag", 1)


def test_modes_of_data_feed_the_table(here, samples):
    x, y = samples
    np.save("x.npy", x)
    np.save("y.npy", y)
    result = run("modes", "--x", "x.npy", "--y", "y.npy", "--format", "csv", "--out", "modes.csv")
    spectrum = Spectrum.from_samples(x, y, errors="asymptotic")
    assert result.exit_code == 0
    assert repr(spectrum) in result.stderr
    written = read_back((here / "modes.csv").read_text())
    assert [*written][4:] == ["lam_err", "variance_err", "rho_err", "below_noise"]
    pd.testing.assert_frame_equal(written, spectrum.to_dataframe(), rtol=1e-9)
    text = output("table", "--modes", "modes.csv", "-L", 2, "-f", "csv")
    table = spectrum.critical_time_table(2)
    pd.testing.assert_frame_equal(read_back(text), table, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("header", [None, "left,right,up"])
def test_samples_in_csv_and_npz_give_the_same_modes_as_npy(here, samples, header):
    x, y = samples
    np.save("x.npy", x)
    np.save("y.npy", y)
    np.savez("both.npz", x=x, y=y)
    top = {"header": header or "", "comments": ""} if header else {}
    for name, array in (("x.csv", x), ("y.csv", y)):
        np.savetxt(name, array, delimiter=",", fmt="%.17g", **top)
    wanted = read_back(output("modes", "--x", "x.npy", "--y", "y.npy", "-f", "csv"))

    def agrees(*arguments):
        written = read_back(output("modes", *arguments, "-f", "csv"))
        named = written.pop("features") if "features" in written else None
        pd.testing.assert_frame_equal(written, wanted, rtol=1e-12)
        return named

    agrees("--x", "x.csv", "--y", "y.csv")
    agrees("both.npz")
    np.savez_compressed("other.npz", x=y, here=x, there=y)
    agrees("other.npz", "--pairs", "here, there")
    columns = {f"x{i}": column for i, column in enumerate(x.T)}
    columns |= {f"y{i}": column for i, column in enumerate(y.T)}
    pd.DataFrame(columns).to_parquet("both.parquet")
    agrees("both.parquet")


def test_modes_of_a_time_series_are_those_of_its_lagged_pairs(here, samples):
    series = np.cumsum(samples[0], axis=0)
    np.save("series.npy", series)
    np.savetxt("series.csv", series, delimiter=",", fmt="%.17g")
    pairs = series[:-2], series[2:]
    block = round(len(pairs[0]) ** 0.5)
    wanted = Spectrum.from_samples(*pairs, errors="asymptotic", block=block)
    assert block > 1
    for file in ("series.npy", "series.csv"):
        written = read_back(output("modes", file, "--lag", 2, "-f", "csv"))
        pd.testing.assert_frame_equal(written, wanted.to_dataframe(), rtol=1e-9)
    wanted = Spectrum.from_samples(*pairs, errors="asymptotic", block=7)
    written = read_back(output("modes", "series.npy", "--lag", 2, "--block", 7, "-f", "csv"))
    pd.testing.assert_frame_equal(written, wanted.to_dataframe(), rtol=1e-9)


@pytest.mark.parametrize("basis", ["variance", "generalised", "joint"])
def test_modes_in_each_basis_with_errors_where_they_are_known(here, samples, basis):
    np.savez("both.npz", x=samples[0], y=samples[1])
    wanted = Spectrum.from_samples(*samples, basis=basis).to_dataframe()
    result = run("modes", "both.npz", "--basis", basis, "-f", "csv")
    written = read_back(result.stdout)
    pd.testing.assert_frame_equal(written[[*wanted]], wanted, rtol=1e-6, atol=1e-8)
    assert ("lam_err" in written) == (basis != "joint")
    assert ("no standard errors" in result.stderr) == (basis == "joint")
    written = read_back(output("modes", "both.npz", "--basis", basis, "--no-errors", "-f", "csv"))
    assert [*written] == [*wanted]


@pytest.mark.parametrize("errors", ["--errors", "--no-errors"])
def test_with_a_depth_it_prints_what_is_learned_first(here, errors):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 3)) * [2.0**0.5, 1.0, 1.5]
    y = x * [0.5, 0.9, -0.5] + 0.1 * rng.normal(size=x.shape)
    np.savez("both.npz", x=x, y=y)
    options = ("-L", 3, "--eps", 1e-2, "--count", 1)
    result = run("modes", "both.npz", *options, errors, "-f", "csv")
    kind = {"--errors": "asymptotic", "--no-errors": None}[errors]
    wanted = Spectrum.from_samples(x, y, errors=kind)
    assert repr(wanted.predict(3, eps=1e-2, modes=1)) in result.stderr
    assert len(read_back(result.stdout)) == 3
    result = run("modes", "both.npz", *options[:4], errors, "--verify", "-f", "csv")
    assert repr(wanted.predict(3, eps=1e-2, verify=True)) in result.stderr
    assert result.stderr.count("A whole network trained beside it learned 2 of 2 features") == 2
    assert ("probability of each step" in result.stderr) == (errors == "--errors")


def test_the_time_limit_of_a_verification_is_kept_and_reported(here):
    x = np.random.default_rng(0).normal(size=(500, 3))
    np.savez("both.npz", x=x, y=x)
    result = run("modes", "both.npz", "-L", 3, "--no-errors", "--verify", "--max-seconds", 1e-6)
    assert result.exit_code == 0
    assert "max_seconds = 1e-06 ran out" in result.stderr


def test_modes_that_cannot_be_predicted_are_written_all_the_same(here, samples, monkeypatch):
    np.savez("both.npz", x=samples[0], y=-samples[0])
    result = run("modes", "both.npz", "-L", 2, "-f", "csv")
    assert result.exit_code == 2
    assert "error: spectrum must have a mode with positive lam" in result.stderr
    assert len(read_back(result.stdout)) == samples[0].shape[1]
    np.savez("both.npz", x=samples[0], y=samples[0])

    def missing(*_, **__):
        raise ImportError("a prediction needs scikit-sundae: pip install 'dlnflow[stiff]'")

    monkeypatch.setattr(Spectrum, "predict", missing)
    result = run("modes", "both.npz", "-L", 2, "-f", "csv")
    assert result.exit_code == 2
    last = result.stderr.splitlines()[-1]
    assert last == "error: a prediction needs scikit-sundae: pip install 'dlnflow[stiff]'"


def test_a_warning_about_the_samples_goes_to_stderr(here):
    np.savez("few.npz", x=np.eye(3), y=np.eye(3))
    result = run("modes", "few.npz", "-f", "csv")
    assert result.exit_code == 0
    assert "warning: x has 3 samples in 3 dimensions" in result.stderr
    assert len(read_back(result.stdout)) == 2


@pytest.mark.parametrize("rows", [3000, 3])
def test_modes_of_samples_too_few_for_errors_come_without_and_say_so(here, rows):
    np.save("series.npy", np.random.default_rng(0).normal(size=(rows, 3)))
    command = ("modes", "series.npy", "--lag", rows - 2, "-f", "csv")
    result = run(*command)
    assert result.exit_code == 0
    assert "no standard errors: they need at least 3 samples, and there are 2\n" in result.stderr
    assert [*read_back(result.stdout)] == ["mode", "lam", "variance", "rho"]
    assert refusal(*command, "--errors").startswith("errors must come from at least 3 samples")


@pytest.mark.long
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lam,rho\n1,1\n1,abc\n", "m.csv: line 3, column 'rho': 'abc' is not a number"),
        ("lam,rho\n1,1\n\n1,\n", "m.csv: line 4, column 'rho': a number is missing"),
        ("lam,rho\n1_000,1\n", "m.csv: line 2, column 'lam': '1_000' is not a number"),
        ("lam,rho\n1,0.\u0665\n", "m.csv: line 2, column 'rho': '0.\u0665' is not a number"),
        ("lam,rho\n1,1e-400\n", "m.csv: line 2, column 'rho': 1e-400 is too small for double"),
        ("lam,rho\n1,nan\n", "m.csv: line 2, column 'rho': must be finite: got nan"),
        ("lam,rho,variance\n1,1,x\n", "m.csv: line 2, column 'variance': 'x' is not a number"),
        ("lam,foo\n1,1\n", "m.csv: line 1: column 'rho' is missing (found: lam, foo)"),
        ("lam,rho,rho\n1,1,1\n", "m.csv: line 1: column 'rho' is there more than once"),
        ("lam,rho\n", "m.csv: no modes below the header (line 1)"),
        ("lam,rho\n1\n", "m.csv: line 2: 1 cells under 2 columns"),
        ("", "m.csv: empty: a header with lam and rho is needed"),
        (b"\xff\xfe\x00", "m.csv: cannot be read: not a text file in UTF-8"),
    ],
)
def test_a_bad_file_of_modes_is_refused_by_line_and_column(here, text, message):
    file(here, "m.csv", text)
    for command in ("simulate", "table", ("figure", "collapse")):
        command = (command,) if isinstance(command, str) else command
        assert refusal(*command, "--modes", "m.csv", "-L", 1).startswith(message)


@pytest.mark.long
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--lam", "1,2,x", "--rho", 1), "lam: 'x' is not a number (item 3 of '1,2,x')"),
        (("--lam", "1,,2", "--rho", 1), "lam: a number is missing (item 2 of '1,,2')"),
        (("--lam", "1_000", "--rho", 1), "lam: '1_000' is not a number (item 1 of '1_000')"),
        (("--lam", 1, "--rho", "1,٣"), "rho: '٣' is not a number (item 2 of '1,٣')"),
        (("--lam", "1e400", "--rho", 1), "lam: 1e400 is too large for double precision (item 1"),
        ((*TWO, "--eps", "1e-400"), "eps: 1e-400 is too small for double precision"),
        ((*TWO, "--eps", "1e-1_0"), "eps: '1e-1_0' is not a number"),
        ((*TWO, "-L", "1_0"), "L: '1_0' is not a number"),
        (("--lam", "1,2", "--rho", "1,2,3"), "lam and rho must have shapes that broadcast"),
        (("--lam=-1", "--rho", 1), "lam and rho must have the same sign"),
        (("--lam", 0, "--rho", 0), "rho must not be 0 unless variance is given"),
        ((), "modes are missing: give --lam and --rho, or --modes FILE"),
        (("--lam", 1), "--rho is missing"),
        (("--rho", 1), "--lam is missing"),
        ((*TWO, "--modes", "m.csv"), "give --modes or --lam, not both"),
        (("--variance", 1, "--modes", "m.csv"), "give --modes or --variance, not both"),
        (("--modes", "none.csv"), "none.csv: cannot be read: No such file or directory"),
        ((*TWO, "--eps", -1), "eps must be positive and finite: got -1"),
        ((*TWO, "--eps", "x"), "eps: 'x' is not a number"),
        ((*TWO, "-L", "2.5"), "L must be a positive integer: got 2.5"),
        ((*TWO, "--depth", "two"), "L: 'two' is not a number"),
        ((*TWO, "--decoder-depth", 0), "decoder_depth must be a positive integer: got 0"),
        ((*TWO, "--objective", "foo"), "objective must be 'jepa', 'mae', 'layer-m'"),
        ((*TWO, "--objective", "mae,mae"), "objective must name at least one and none twice"),
        ((*TWO, "--objective", "layer-4"), "target_layer must lie in 0..L, here 0..1: got 4"),
        ((*TWO, "--clock", "wall"), "clock must be 'paper', 'network' or"),
        ((*TWO, "--lr", 0), "lr must be positive and finite: got 0"),
        ((*TWO, "--lr", 0.1, "--loss", "mean"), "outputs must be given for loss='mean'"),
        ((*TWO, "--lr", 0.1, "--clock", "paper"), "give --clock or --lr, not both"),
        ((*TWO, "--loss", "sum"), "--loss needs --lr"),
        ((*TWO, "--outputs", 3), "--outputs needs --lr"),
        ((*TWO, "--format", "xml"), "Invalid value for '--format'"),
        ((*TWO, "--out", "none/t.csv"), "none/t.csv: cannot be written: there is no directory"),
        ((*TWO, "--out", "."), ".: cannot be written: it is a directory"),
        ((*TWO, "--epsilon", 1), "No such option: --epsilon"),
    ],
)
@pytest.mark.parametrize("command", ["simulate", "table"])
def test_bad_options_are_refused_in_one_line(here, command, arguments, message):
    arguments = arguments if {"-L", "--depth"} & set(arguments) else (*arguments, "-L", 1)
    assert refusal(command, *arguments).startswith(message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("table", *TWO), "Missing option '--depth' / '-L'"),
        (("table", *TWO, "-L", 1, "--p", 2), "p must lie in (0, 1): got 2"),
        (("simulate", *TWO, "-L", 1, "--method", "guess"), "method must be one of 'exact', 'ode'"),
        (("simulate", *TWO, "-L", 1, "--times", "3,2"), "t must rise from each time to the next"),
        (("simulate", *TWO, "-L", 1, "--times", "a"), "times: 'a' is not a number"),
        (("tabel",), "No such command 'tabel'"),
        (("--loud",), "No such option: --loud"),
        (("figure", "pie"), "No such command 'pie'"),
        (("figure", "map", "-L", 0), "L must be a positive integer: got 0"),
        (("figure", "map", "-L", 1, "--out", "f.xyz"), "f.xyz: the suffix of a figure must be"),
        (("figure", "panels", "--out", "none/f.png"), "none/f.png: cannot be written"),
        (("figure", "panels", "--time", "cubic"), "time must be one of 'linear', 'log'"),
        (("demo", "--out", "taken"), "taken: cannot be written: File exists"),
    ],
)
def test_each_command_refuses_what_it_cannot_do(here, arguments, message):
    file(here, "taken", "")
    assert refusal(*arguments).startswith(message)


@pytest.mark.long
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "samples are missing: give FILE, or --x and --y"),
        (("--x", "x.npy"), "samples are missing"),
        (("--x", "x.npy", "p.npz"), "give FILE or --x and --y, not both"),
        (("p.npz", "--pairs", "x,y", "--lag", 1), "give --pairs or --lag, not both"),
        (("--x", "x.npy", "--y", "x.npy", "--lag", 1), "--lag needs FILE in place of --x and --y"),
        (("--x", "x.npy", "--y", "x.npy", "--pairs", "a,b"), "--pairs needs FILE in place of"),
        (("half.npz", "--pairs", "x"), "pairs must be two different names"),
        (("x.npy", "--lag", 0), "lag must be a positive integer: got 0"),
        (("x.npy", "--lag", 1.5), "lag must be a positive integer: got 1.5"),
        (("x.npy", "--lag", "a"), "lag: 'a' is not a number"),
        (("x.npy", "--lag", 4), "x.npy: must hold more than lag = 4 rows: got 4"),
        (("x.npy", "--lag", 3), "the accumulator must hold at least 2 pairs (rows): got 1"),
        (("x.npy", "--lag", 1, "--block", 2), "block must leave at least 2 blocks of the 3"),
        (("x.npy", "--lag", 1, "--block", 0.5), "block must be a positive integer: got 0.5"),
        (("x.npy", "--lag", 1, "--eps", 0.1), "--eps needs --depth"),
        (("x.npy", "--lag", 1, "--count", 2), "--count needs --depth"),
        (("x.npy", "--lag", 1, "--verify"), "--verify needs --depth"),
        (("x.npy", "--lag", 1, "-L", 2, "--max-seconds", 2), "--max-seconds needs --verify"),
        (
            ("none.npy", "--lag", 1, "-L", 1, "--verify", "--max-seconds", 0),
            "max_seconds must be positive and finite: got 0",
        ),
        (("none.npy", "--lag", 1, "-L", 0), "L must be a positive integer: got 0"),
        (("none.npy", "--lag", 1, "-L", 1, "--eps", 0), "eps must be positive and finite: got 0"),
        (("same.npy", "--lag", 1), "x must vary from sample to sample"),
        (("x.npy", "--lag", 1, "--basis", "joint", "--errors"), JOINT_ERRORS),
        (("x.npy", "--lag", 1, "--basis", "other"), "Invalid value for '--basis'"),
        (("--x", "none.npy", "--y", "x.npy"), "none.npy: cannot be read: No such file"),
        (("--x", "folder.npy", "--y", "x.npy"), "folder.npy: cannot be read: Is a directory"),
        (("--x", "bad.npy", "--y", "x.npy"), "bad.npy: cannot be read: not a NumPy file"),
        (("--x", "empty.npy", "--y", "x.npy"), "empty.npy: cannot be read: not a NumPy file"),
        (("--x", "objects.npy", "--y", "x.npy"), "objects.npy: cannot be read: not a NumPy file"),
        (("--x", "x.txt", "--y", "x.npy"), "x.txt: samples are read from .npy, .npz, .csv or"),
        (("--x", "pair.npy", "--y", "x.npy"), "pair.npy: holds several arrays"),
        (("--x", "x.npy", "--y", "wide.npy"), "x.npy and wide.npy: must have as many numbers"),
        (("--x", "nan.npy", "--y", "x.npy"), "nan.npy: must hold finite numbers: got nan at row 1"),
        (("--x", "flat.npy", "--y", "x.npy"), "flat.npy and x.npy: must have as many numbers"),
        (("--x", "text.npy", "--y", "x.npy"), "text.npy: must hold real numbers"),
        (("--x", "cell.csv", "--y", "x.npy"), "cell.csv: line 2, column 2: 'b' is not a number"),
        (("--x", "ragged.csv", "--y", "x.npy"), "ragged.csv: line 2: 1 cells where 2 are expected"),
        (("--x", "header.csv", "--y", "x.npy"), "header.csv: no samples"),
        (("half.npz",), "half.npz: array 'y' is missing (found: x)"),
        (("x.npy",), "x.npy: holds one array"),
        (("bad.npz",), "bad.npz: array 'x': cannot be read: not a NumPy file"),
        (("objects.npz",), "objects.npz: array 'x': cannot be read: not a NumPy file"),
        (("cut.npz",), "cut.npz: array 'x': cannot be read: not a NumPy file"),
        (("flipped.npz",), "flipped.npz: array 'x': cannot be read: not a NumPy file"),
        (("images.npz",), "images.npz: array 'x': must hold samples in rows, shape (n, d): got"),
        (("cell.csv",), "cell.csv: the first line must name the columns, x1, y1, ...: got numbers"),
    ],
)
def test_bad_samples_are_refused_in_one_line(here, arguments, message):
    x = np.arange(8.0).reshape(4, 2)
    arrays = {"x": x, "wide": np.ones((4, 3)), "flat": x.ravel(), "text": np.full((4, 2), "a")}
    arrays["same"] = np.ones((4, 2))
    Path("folder.npy").mkdir()
    arrays["nan"] = np.where(x == 3.0, np.nan, x)
    for name, array in arrays.items():
        np.save(f"{name}.npy", array)
    np.save("objects.npy", np.array([[None]]), allow_pickle=True)
    np.savez("half.npz", x=x)
    Path("pair.npy").write_bytes(Path("half.npz").read_bytes())
    np.savez("objects.npz", x=np.array([[None]]), y=x)
    np.savez_compressed("cut.npz", x=x, y=x)
    damaged = bytearray(Path("cut.npz").read_bytes())
    damaged[80:120] = b"?" * 40
    Path("cut.npz").write_bytes(damaged)
    np.savez("images.npz", x=x[None], y=x[None])
    long = np.random.default_rng(0).normal(size=(2000, 3))
    np.savez("flipped.npz", x=long, y=long)
    flipped = bytearray(Path("flipped.npz").read_bytes())
    flipped[flipped.index(long[1000].tobytes()) + 6] ^= 1
    Path("flipped.npz").write_bytes(flipped)
    files = {"bad.npy": "?", "empty.npy": "", "bad.npz": "PK?", "x.txt": "1"}
    files |= {"cell.csv": "1,2\n3,b\n", "ragged.csv": "1,2\n3\n", "header.csv": "a,b\n"}
    for name, text in files.items():
        file(here, name, text)
    assert refusal("modes", *arguments).startswith(message)


def test_a_bug_is_not_passed_off_as_bad_input(monkeypatch):
    def broken(*_, **__):
        raise ValueError("operands could not be broadcast together")

    monkeypatch.setattr(dlnflow, "critical_time_table", broken)
    result = run("table", *TWO, "-L", 1)
    assert result.exit_code == 1
    assert isinstance(result.exception, ValueError)


def test_a_missing_extra_is_named(here, monkeypatch):
    def without(*_, **__):
        raise ImportError("the demo needs this: pip install 'dlnflow[photos]'")

    monkeypatch.setattr(demo, "run", without)
    assert refusal("demo") == "the demo needs this: pip install 'dlnflow[photos]'"


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("trajectories", (*TWO, "-L", 2, "--quantity", "learned", "--time", "log")),
        ("depth", (*TWO, "-L", "1,2,3", "--lr", 0.1)),
        ("panels", ("-L", 2, "--clock", "network")),
        ("collapse", (*TWO, "-L", 2, "--objective", "mae")),
        ("map", ("-L", 2, "--p", 0.4)),
    ],
)
def test_a_figure_is_written_where_it_says(here, kind, arguments):
    result = run("figure", kind, *arguments)
    assert result.exit_code == 0, result.stderr
    assert result.stderr == f"wrote {kind}.png\n"
    assert (here / f"{kind}.png").read_bytes().startswith(b"\x89PNG")


def test_the_suffix_chooses_the_kind_of_picture(here):
    output("figure", "map", "-L", 2, "--out", "map.svg")
    assert b"<svg" in (here / "map.svg").read_bytes()


def test_the_demo_writes_into_the_folder_asked_for(here, monkeypatch):
    told = {}
    monkeypatch.setattr(demo, "run", lambda out, *, console: told.update(out=out, to=console))
    output("demo", "--out", "a/b")
    assert str(told["out"]) == "a/b"
    assert (here / "a" / "b").is_dir()


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_helps_with_an_example(command):
    assert f"Example: dlnflow {' '.join(command)} " in output(*command, "--help")


def test_the_bases_are_spelled_in_one_piece():
    assert "variance, generalised or joint" in re.sub(r"[\s│]+", " ", output("modes", "--help"))


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_example_runs(command, here, monkeypatch, samples):
    monkeypatch.setattr(demo, "run", lambda out, *, console: None)
    for name, array in zip(("x.npy", "y.npy"), samples, strict=True):
        np.save(name, array)
    text = output(*command, "--help")
    example = " ".join(text[text.index("Example: dlnflow") :].split()).split()[2:]
    assert run(*example).exit_code == 0


def test_alone_it_prints_its_help_and_version_its_version():
    assert output() == output("--help")
    assert re.fullmatch(r"dlnflow \d+\.\d+\.\d+\S*\n", output("--version"))


def python(*arguments, **options):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, **options
    )


@pytest.mark.long
def test_the_process_exits_with_2_and_one_line():
    done = python("-m", "dlnflow", "table", *TWO, "-L", "1", "--eps", "-1")
    expected = "error: eps must be positive and finite: got -1 at index (0,)\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", expected)


@pytest.mark.long
def test_the_process_prints_what_the_runner_does():
    done = python("-m", "dlnflow", "table", *TWO, "-L", "1", "-f", "csv")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == output("table", *TWO, "-L", 1, "-f", "csv")


@pytest.mark.long
@pytest.mark.parametrize("times", [1, 5_000], ids=["less than a buffer", "more"])
def test_a_closed_pipe_is_quiet(times):
    many = ",".join(map(str, range(times)))
    command = [sys.executable, "-m", "dlnflow", "simulate", *TWO, "-L", "1", "-f", "csv"]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        [*command, "--times", many], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=buffered
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("arguments", [("--help",), (), ("table", *TWO, "-L", "1", "-f", "csv")])
def test_an_output_that_is_full_is_refused_in_one_line(arguments, buffered):
    environment = os.environ | {"PYTHONUNBUFFERED": "" if buffered else "1"}
    command = [sys.executable, "-m", "dlnflow", *arguments]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=environment
        )
    expected = "error: standard output: cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, expected)


@pytest.mark.long
def test_the_library_does_without_the_command_line_and_help_without_the_heavy_parts():
    check = (
        "import sys; from importlib import import_module; import_module({!r}); print(*sys.modules)"
    )
    library = python("-c", check.format("dlnflow")).stdout.split()
    assert not {"typer", "rich", "dlnflow.cli", "pandas"} & set(library)
    command = python("-c", check.format("dlnflow.cli")).stdout.split()
    assert not {"pandas", "matplotlib", "scipy.integrate", "sympy"} & set(command)


@pytest.mark.long
def test_a_derivation_comes_in_three_formats(tmp_path):
    from dlnflow import symbolic

    d = symbolic.derive("jepa", L=3)
    assert output("derive", "jepa", "--depth", 3) == d.to_text()
    assert output("derive", "jepa", "-L", "3", "--format", "markdown") == d.to_markdown()
    assert output("derive", "jepa", "-L", "3", "--format", "latex") == d.to_latex()
    page = tmp_path / "d.tex"
    assert output("derive", "jepa", "-L", "3", "--out", page) == ""
    assert page.read_text() == d.to_latex()


@pytest.mark.long
def test_depths_stay_symbols_unless_given():
    from dlnflow import symbolic

    assert output("derive", "mae") == symbolic.derive("mae").to_text()
    text = output("derive", "layer-m", "-P", "any", "--clock", "network")
    assert text == symbolic.derive("layer-m", decoder_depth=None, clock="network").to_text()


@pytest.mark.long
def test_verifying_prints_every_step_and_exits_by_what_it_found(monkeypatch):
    result = run("derive", "mae", "-L", 1, "--verify")
    assert result.exit_code == 0
    assert "11e. When two objectives learn" in result.stdout
    assert "18 of 18 steps hold" in result.stderr
    markdown = output("derive", "mae", "-L", 1, "--verify", "--format", "markdown")
    assert markdown.count("| yes ") == 18

    from dlnflow.symbolic import _mode_steps

    printed = _mode_steps.paper_velocity

    def misprinted(objective, L, w):
        return printed("jepa" if objective == "mae" else "mae", L, w)

    monkeypatch.setattr(_mode_steps, "paper_velocity", misprinted)
    result = run("derive", "mae", "-L", 1, "--verify")
    assert result.exit_code == 1
    assert "17 of 18 steps hold" in result.stderr
    assert "does not hold: left - right" in " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name an objective: jepa, mae, layer-2 or layer-m; or give --verify"),
        (["jeppa"], "objective must be 'jepa'"),
        (["jepa", "-L", "0"], "L must be a positive integer: got 0"),
        (["jepa", "-L", "2.5"], "L must be a positive integer: got 2.5"),
        (["jepa", "-P", "inf"], "decoder_depth"),
        (["jepa", "-L", "two"], "L: 'two' is not a number"),
        (["layer-3", "-L", "2"], "target_layer must lie in 0..L"),
        (["jepa", "--clock", "fast"], "clock must be 'paper' or 'network'"),
        (["jepa", "mae", "--format", "latex"], "latex holds one derivation"),
        (["jepa", "--out", "no/such/place.md"], "there is no directory"),
    ],
)
def test_a_derivation_that_cannot_be_made_is_refused_in_one_line(arguments, words):
    assert words in refusal("derive", *arguments)

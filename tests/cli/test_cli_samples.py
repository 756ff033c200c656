"""``dlnflow modes`` on tables as people hold them: other orders, groups, gaps and units."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from dlnflow import Spectrum
from dlnflow.cli import app

UNITS = np.array([1.0, 1e3, 1e6])


def run(*arguments):
    result = CliRunner().invoke(app, ["modes", *map(str, arguments), "--no-errors", "-f", "csv"])
    return result.exit_code, result.stdout, result.stderr


def rho(text):
    rows = [line.split(",") for line in text.splitlines()]
    return [float(row[rows[0].index("rho")]) for row in rows[1:]]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def xy():
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.normal(size=(300, 3)) * [3.0, 2.0, 1.0], columns=list("abc"))
    return x, x * [0.2, 0.5, 0.9] + 0.1 * rng.normal(size=x.shape)


def test_both_headers_are_read(here, xy):
    x, y = xy
    x.to_csv("x.csv", index=False)
    y[["c", "a", "b"]].to_csv("y.csv", index=False)
    code, out, err = run("--x", "x.csv", "--y", "y.csv")
    wanted = Spectrum.from_samples(x, y)
    assert code == 0
    assert np.allclose(rho(out), wanted.rho)
    assert f"modes by lam: 0: {wanted.labels[0]}" in err
    y.rename(columns={"c": "d"}).to_csv("y.csv", index=False)
    code, out, err = run("--x", "x.csv", "--y", "y.csv")
    assert (code != 0, out) == (True, "")
    assert "y.csv: must have the features of x.csv, in any order: got a table with 'd'" in err


def test_groups_gaps_and_a_clock(here, xy):
    x, _ = xy
    table = x.assign(who=np.repeat(["p", "q"], 150))
    table.to_csv("panel.csv", index=False)
    code, out, err = run("panel.csv", "--lag", 2, "--groups", "who")
    parts = [x.to_numpy()[:150], x.to_numpy()[150:]]
    pairs = [np.concatenate([part[at] for part in parts]) for at in (slice(-2), slice(2, None))]
    assert code == 0
    assert np.allclose(rho(out), Spectrum.from_samples(*pairs).rho)
    assert "warning" not in err
    table.loc[7, "b"] = np.nan
    table.assign(day=np.arange(300.0)).to_csv("panel.csv", index=False)
    code, out, err = run("panel.csv", "--lag", 2, "--groups", "who", "--drop-missing")
    assert code == 0
    assert "warning: 2 of 296 pairs have missing values and were dropped" in err
    assert "warning: panel.csv: column 'day' goes one way" in err
    code, out, err = run("panel.csv", "--lag", 2, "--groups", "who")
    assert code != 0
    assert "panel.csv: line 9, column 'b': a number is missing" in err
    assert "--groups needs --lag" in run("panel.csv", "--groups", "who")[2]


def test_units(here, xy):
    x, y = xy
    (x * UNITS).to_csv("x.csv", index=False)
    (y * UNITS).to_csv("y.csv", index=False)
    _, out, err = run("--x", "x.csv", "--y", "y.csv", "--unit")
    assert np.allclose(rho(out), Spectrum.from_samples(x, y, scale="unit").rho)
    assert "features divided by their standard deviations in x" in err
    _, out, err = run("--x", "x.csv", "--y", "y.csv")
    assert "one feature ('c') holds 100 % of all variance" in err
    assert not np.allclose(rho(out), Spectrum.from_samples(x, y, scale="unit").rho, rtol=1e-3)


def test_a_video_may_have_gaps(here):
    video = np.random.default_rng(0).normal(size=(60, 2, 2)).cumsum(axis=0)
    video[7, 1, 0] = np.nan
    np.save("video.npy", video)
    code, out, err = run("video.npy", "--lag", 1, "--flatten", "--drop-missing")
    rows, kept = video.reshape(60, 4), ~np.isin(np.arange(59), [6, 7])
    assert code == 0
    assert np.allclose(rho(out), Spectrum.from_samples(rows[:-1][kept], rows[1:][kept]).rho)
    assert "2 of 59 pairs have missing values and were dropped" in err
    code, out, err = run("video.npy", "--lag", 1, "--flatten")
    assert (code != 0, out) == (True, "")
    assert "must hold finite numbers: got nan" in err

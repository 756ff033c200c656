"""The scripts on real data run unchanged, print what their first lines say, and write a figure."""

import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(script, folder):
    return subprocess.run(
        [sys.executable, str(EXAMPLES / script), str(folder)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MPLBACKEND": "Agg"},
    )


def module(name):
    sys.path.insert(0, str(EXAMPLES))
    try:
        return __import__(name)
    finally:
        sys.path.remove(str(EXAMPLES))


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What each script prints, run once, and its folder."""
    done = {}

    def of(name):
        if name not in done:
            folder = tmp_path_factory.mktemp(name)
            done[name] = run(f"{name}.py", folder), folder
        return done[name]

    return of


NAMES = ("modes_of_photographs", "modes_of_digits", "modes_of_a_time_series")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_data_set_gets_modes_with_errors_an_order_and_two_networks(name, said):
    made, folder = said(name)
    assert made.stderr == ""
    assert made.stdout.count("Spectrum:") == made.stdout.count("rho_err") == 3
    assert made.stdout.count("Comparison: JEPA") == made.stdout.count("Comparison: MAE") == 3
    assert len(re.findall(r"predicted order: .*then \d \(.*%\)", made.stdout)) == 6
    assert made.stdout.count("network's order:") == 6
    assert made.stdout.count("assumptions that hold:") == 6
    assert "seconds" not in made.stdout  # no run was cut short
    assert matplotlib.image.imread(folder / f"{name}.png").std() > 0.05


def taus(made, objective):
    found = re.findall(rf"Comparison: {objective}.*?Kendall tau (-?[\d.]+)", made, flags=re.S)
    return [float(tau) for tau in found]


def worst(made, objective):
    """The largest errors of critical times, one for each network."""
    found = re.findall(rf"Comparison: {objective}.*?off by ([\d.e-]+) at most", made, flags=re.S)
    return [float(error) for error in found]


@pytest.mark.slow
def test_patches_are_learned_in_the_predicted_order_and_neighbouring_ones_in_time(said):
    made = said("modes_of_photographs")[0].stdout
    for objective in ("JEPA", "MAE"):
        assert taus(made, objective) == [1.0] * 3
        near, _, far = worst(made, objective)
        assert near < 0.002
        assert far > 0.01


@pytest.mark.long
def test_halves_of_digits_break_the_assumption_that_covariances_commute(said):
    made = said("modes_of_digits")[0].stdout
    assert made.count("commuting covariances") == 6


@pytest.mark.slow
def test_only_in_both_directions_of_time_does_the_recording_meet_the_assumptions(said):
    made = said("modes_of_a_time_series")[0].stdout
    forward, both = made.split("WINDOWS, IN BOTH")
    assert forward.count("commuting covariances") == 4
    assert "commuting covariances" not in both


def test_photographs_come_region_by_region():
    script = module("modes_of_photographs")
    rng = np.random.default_rng(0)
    images = [rng.normal(size=(140, 210)), rng.normal(size=(140, 140))]
    pairs = script.patch_pairs(images, 2)
    count = len(range(0, script.REGION, script.STRIDE)) ** 2 * 4
    assert pairs.block == count
    assert len(pairs.x) == len(pairs.y) == (2 * 3 + 2 * 2) * count
    corner = images[0][2:6, 2:6].ravel()
    assert np.array_equal(pairs.x[0], corner)
    shifted = {(0, 2): 0, (0, -2): 1, (2, 0): 2, (-2, 0): 3}
    for (down, right), side in shifted.items():
        target = images[0][2 + down : 6 + down, 2 + right : 6 + right].ravel()
        row = side * count // 4
        assert np.array_equal(pairs.x[row], corner)
        assert np.array_equal(pairs.y[row], target)


def test_time_reversed_pairs_lie_next_to_each_other():
    script = module("modes_of_a_time_series")
    series = np.arange(12.0).reshape(6, 2)
    pairs = script.both_ways(series[:-1], series[1:])
    assert np.array_equal(pairs.x[::2], pairs.y[1::2])
    assert np.array_equal(pairs.x[1::2], pairs.y[::2])
    assert np.array_equal(pairs.x[2], series[1])
    assert pairs.block == 2 * script.HALF_A_SECOND


def test_an_order_names_what_starts_learned_and_what_is_never_learned():
    report = module("_data_report")
    chance = np.array([[0.5, 0.3, 0, 0], [0.7, 0.5, 0, 0], [0, 0, 0.5, 0], [0, 0, 0, 0.5]])
    words = report.in_order(np.array([2.0, 1.0, np.inf, 0.0]), chance)
    assert words == "1, then 0 (70 %); above half of its plateau at initialisation: 3; never: 2"
    assert report.in_order(np.array([1.0, np.inf])) == "0; never: 1"
    assert report.percent(0.995) == "over 99 %"

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


def cases(name, said):
    """The output of a script for each of its data sets."""
    text = said(name)[0].stdout
    titles = re.findall(r"^[A-Z0-9, ]+$", text, flags=re.M)
    return dict(zip(titles, re.split(r"^[A-Z0-9, ]+$", text, flags=re.M)[1:], strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_data_set_gets_modes_a_prediction_and_two_networks(name, said):
    made, folder = said(name)
    assert made.stderr == ""
    count = len(cases(name, said))
    assert count >= 3
    assert made.stdout.count("Spectrum:") == made.stdout.count("Prediction:") == count
    for objective in ("JEPA", "MAE"):
        verdicts = [" ".join(one.split()) for one in paragraph(objective).findall(made.stdout)]
        assert len(verdicts) == count
        assert all("network was trained" in one or "A whole network" in one for one in verdicts)
    assert matplotlib.image.imread(folder / f"{name}.png").std() > 0.05


def verdict(text, objective):
    return " ".join(paragraph(objective).search(text)[0].split())


def paragraph(objective):
    """The verdict on an objective, which ends where its table begins."""
    return re.compile(rf"^{objective}: .*?(?=^ *mode |\Z|^$)", flags=re.M | re.S)


def agreement(text, objective):
    """Kendall's tau and the median error of times in percent."""
    found = re.search(
        r"tau (-?[\d.]+), at times (?:less than )?([\d.e-]+) %", verdict(text, objective)
    )
    return tuple(map(float, found.groups()))


@pytest.mark.slow
def test_networks_confirm_what_is_learned_of_neighbouring_patches_and_not_of_unrelated(said):
    near, middle, far, unrelated = cases("modes_of_photographs", said).values()
    for text in (near, middle):
        for objective in ("JEPA", "MAE"):
            assert verdict(text, objective).startswith(f"{objective}: holds")
            tau, error = agreement(text, objective)
            assert tau > 0.8
            assert error < 2.0
    assert "learned 1 of 1 features" in verdict(far, "JEPA")
    assert "learned 6 of 6 features" in verdict(far, "MAE")
    for objective in ("JEPA", "MAE"):
        assert "does not hold: the views may be unrelated" in verdict(unrelated, objective)


@pytest.mark.slow
def test_only_halves_of_digits_that_can_be_exchanged_are_predicted(said):
    right, mirrored, both = cases("modes_of_digits", said).values()
    for objective in ("JEPA", "MAE"):
        for text in (right, mirrored):
            assert "does not hold: the views cannot be exchanged" in verdict(text, objective)
        assert verdict(both, objective).startswith(f"{objective}: holds")
        tau, error = agreement(both, objective)
        assert tau == 1.0
        assert error < 3.0


@pytest.mark.long
def test_windows_of_the_recording_are_predicted_in_both_directions_of_time_only(said):
    channels, forward, both = cases("modes_of_a_time_series", said).values()
    for objective in ("JEPA", "MAE"):
        assert "does not hold: the views cannot be exchanged" in verdict(forward, objective)
        for text in (channels, both):
            assert verdict(text, objective).startswith(f"{objective}: holds")
            assert agreement(text, objective)[0] == 1.0


def test_patches_are_paired_with_those_on_all_four_sides():
    script = module("modes_of_photographs")
    rows, columns = np.indices((20, 26))
    for image in (rows, columns):
        x, y = script.patch_pairs([image.astype(float)], 2)
        shift = y - x
        assert np.all(shift == shift[:, :1])
        values, counts = np.unique(shift[:, 0], return_counts=True)
        assert values.tolist() == [-2.0, 0.0, 2.0]
        assert counts[0] == counts[2] > 0
    assert x.shape == y.shape


def test_time_reversed_pairs_are_counted_in_both_directions():
    script = module("modes_of_a_time_series")
    series = np.random.default_rng(0).normal(size=(900, 2)).cumsum(axis=0)
    assert script.forward(series).asymmetry > 1e-6
    both = script.both_ways(series)
    assert both.asymmetry < 1e-12
    assert both.n == 2 * (len(series) - 1)

"""The demo says what its numbers say, on photographs that are there."""

import builtins
import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import dlnflow
from dlnflow import Spectrum
from dlnflow.studies import demo
from dlnflow.studies.demo._demo import LEADING
from dlnflow.studies.demo._patches import _shifted

pytestmark = pytest.mark.long

pytest.importorskip("sklearn")
pytest.importorskip("PIL")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What is done, and the figures open afterwards."""
    out = tmp_path_factory.mktemp("demo") / "new" / "folder"
    paper = io.StringIO()
    plt.close("all")
    result = demo.run(out, console=Console(file=paper, width=1000))
    return (result, paper.getvalue(), out), plt.get_fignums()


@pytest.fixture(scope="module")
def done(ran):
    return ran[0]


def test_it_writes_its_figures_and_tables_into_the_folder_given(done):
    result, _, out = done
    assert sorted(file.name for file in out.iterdir()) == [
        "critical_times.csv",
        "learned.png",
        "modes.csv",
        "order_against_depth.png",
        "order_map.png",
        "orders.csv",
        "patterns.png",
    ]
    assert {*result.files} == {*out.iterdir()}
    for file in result.files:
        if file.suffix == ".png":
            assert file.read_bytes().startswith(b"\x89PNG")
    saved = pd.read_csv(out / "modes.csv")
    assert np.allclose(saved["lam"], result.spectrum.lam, rtol=1e-12)


def test_it_takes_less_than_a_minute(done):
    assert done[0].seconds < 60.0


def test_figures_leave_no_window_behind(ran):
    assert ran[1] == []


def test_its_modes_are_those_of_the_photographs(done):
    spectrum = done[0].spectrum
    x, y = demo.patch_pairs(demo.photographs(), 8)
    assert spectrum.lam.size == x.shape[1] == 64
    assert np.array_equal(spectrum.lam, Spectrum.from_samples(x, y).lam)
    assert spectrum.asymmetry < 1e-12  # left and right, above and below alike
    flat = spectrum.basis[:, 0]
    assert np.ptp(flat) < 0.02  # the brightness of the patch comes first


def test_one_neighbour_alone_would_not_be_symmetric():
    image = demo.photographs()[0]
    x, y = next(_shifted(image, 8))
    assert Spectrum.from_samples(x, y).asymmetry > 1e-3


def test_the_table_agrees_with_integration_for_leading_modes_at_every_depth(done):
    table = done[0].table
    assert len(table) == 2 * 3 * LEADING
    assert set(table["L"]) == {1, 2, 4}
    assert table["exact_error"].abs().max() < 1e-9
    assert table["published_error"].abs().max() > 1e-2


def test_depth_moves_jepa_from_lam_towards_rho_and_leaves_mae_with_lam(done):
    jepa, mae = (done[0].orders.query("objective == @name") for name in ("jepa", "mae"))
    assert jepa["with_rho"].is_monotonic_increasing
    assert jepa["by_rho"].is_monotonic_increasing
    assert jepa["with_lam"].is_monotonic_decreasing
    assert jepa["with_rho"].iloc[-1] > mae["with_rho"].iloc[-1] + 0.01
    assert jepa["by_rho"].iloc[-1] > 0.1
    assert mae["by_rho"].max() == 0.0
    assert mae["with_lam"].min() > 0.99
    assert jepa["by_rho"].iloc[0] == 0.0


def test_the_orders_follow_from_the_critical_times(done):
    result = done[0]
    spectrum = result.spectrum
    times = {
        (name, L): dlnflow.critical_time(spectrum.lam, spectrum.rho, L, eps=1e-6, objective=name)
        for name in ("jepa", "mae")
        for L in (1, 2, 4)
    }
    learnable = spectrum.rho > 0.0
    compared = np.all([(t > 0) & np.isfinite(t) for t in times.values()], axis=0)
    for row in result.orders.to_dict("records"):
        time_of = times[row["objective"], row["L"]]
        rest = dlnflow.plateau(spectrum.rho[learnable], row["L"], objective=row["objective"])
        assert row["learnable"] == learnable.sum()
        assert row["above"] == np.sum(rest <= 1e-6)
        assert row["compared"] == compared.sum()
        places = pd.Series(-time_of[compared]).rank()
        by_hand = np.corrcoef(places, pd.Series(spectrum.rho[compared]).rank())[0, 1]
        assert row["with_rho"] == pytest.approx(by_hand)


def test_the_sentences_hold_the_numbers(done):
    result, text, _ = done
    order, assumptions, negative = result.sentences
    jepa = result.orders.query("objective == 'jepa' and L == 4").iloc[0]
    mae = result.orders.query("objective == 'mae' and L == 4").iloc[0]
    s = result.spectrum
    assert f"of {jepa.with_lam:.2f} (JEPA) and {mae.with_lam:.2f} (MAE)" in order
    assert f"with rho of {jepa.with_rho:.2f} and {mae.with_rho:.2f}" in order
    assert f"of the {jepa.conflicts} pairs" in order
    assert f"{jepa.by_rho:.0%} (0% at L = 1), MAE in {mae.by_rho:.0%}" in order
    assert f"commutator {s.commutator:.1g}" in assumptions
    assert f"{np.sum(s.coupling > 0.5)} of 64 modes share more" in assumptions
    assert f"{s.suppressed} of 64 modes have negative rho (down to {s.rho.min():.2f}" in negative
    assert "none of them is ever learned" in negative
    assert f"{jepa.above} start above JEPA's plateau" in negative
    assert all(sentence in text for sentence in result.sentences)


def test_modes_of_negative_rho_only_fall(done):
    s = done[0].spectrum
    negative = s.rho < 0.0
    for part in s.simulate(4, eps=1e-6).parts:
        w = part.w[negative]
        assert np.all(np.diff(w) <= 0.0)
        assert np.all(w[:, -1] < 1e-6)


def test_orders_are_told_apart_where_modes_disagree():
    s = Spectrum.from_covariances(np.diag([9.0, 4.0, 2.0, 1.0]), np.diag([0.9, 0.8, 0.7, 0.6]))
    by_lam, by_rho = np.arange(1.0, 5.0), np.arange(4.0, 0.0, -1.0)
    orders = demo.learning_orders(s, {("mae", 1): by_lam, ("jepa", 1): by_rho})
    assert orders[["with_lam", "with_rho"]].to_numpy().tolist() == [[1.0, -1.0], [-1.0, 1.0]]
    assert orders["conflicts"].tolist() == [6, 6]
    assert orders["by_rho"].tolist() == [0.0, 1.0]


def test_modes_learned_at_once_or_never_are_counted_and_not_compared():
    s = Spectrum.from_covariances(np.diag([1.0, 2.0, 4.0]), np.diag([0.9, 0.8, -0.7]))
    orders = demo.learning_orders(s, {("mae", 1): np.array([0.0, 2.0, np.inf])})
    assert orders["learnable"].item() == 2
    assert orders["compared"].item() == 1
    assert orders[["with_lam", "with_rho", "by_rho"]].isna().all(axis=None)


def test_targets_lie_half_a_patch_from_their_contexts_on_all_four_sides():
    row, column = np.indices((20, 30))
    for image, step in ((row, 4), (column, 4)):
        x, y = demo.patch_pairs([image.astype(float)], 8)
        shift = y - x
        assert np.all(shift == shift[:, :1])
        values, counts = np.unique(shift[:, 0], return_counts=True)
        assert values.tolist() == [-step, 0.0, step]
        assert counts[0] == counts[2]


@pytest.mark.slow
def test_smaller_patches_do_as_well(tmp_path):
    paper = io.StringIO()
    result = demo.run(tmp_path, console=Console(file=paper), patch=4)
    assert result.spectrum.lam.size == 16
    assert len(result.sentences) == 3
    assert "16 modes have negative rho" in result.sentences[2]


@pytest.mark.parametrize("patch", [0, 3, 2, 18, 2.5, [4, 6]])
def test_patches_that_cannot_be_halved_are_refused_before_any_work(patch, tmp_path):
    with pytest.raises(ValueError, match="patch must"):
        demo.run(tmp_path / "never", patch=patch)
    assert not (tmp_path / "never").exists()


def test_without_scikit_learn_it_says_what_to_install(monkeypatch, tmp_path):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("sklearn"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'dlnflow\[photos\]'"):
        demo.run(tmp_path, console=Console(file=io.StringIO()))

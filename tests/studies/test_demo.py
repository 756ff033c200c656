"""The demo says what its numbers say, on photographs that are there."""

import builtins
import dataclasses
import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from dlnflow import Spectrum
from dlnflow.studies import demo
from dlnflow.studies.demo import _demo
from dlnflow.studies.demo._patches import _shifted

pytestmark = pytest.mark.long

pytest.importorskip("sklearn")
pytest.importorskip("PIL")
pytest.importorskip("sksundae")


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


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Smaller patches, of which an MAE learns features that a JEPA does not, and loses some."""
    paper = io.StringIO()
    folder = tmp_path_factory.mktemp("small")
    return demo.run(folder, console=Console(file=paper, width=80), patch=4), paper.getvalue()


def test_it_writes_its_figures_and_tables_into_the_folder_given(done):
    result, _, out = done
    names = ["features.csv", "features.png", "modes.csv", "times.png"]
    assert sorted(file.name for file in out.iterdir()) == names
    assert {*result.files} == {*out.iterdir()}
    for file in result.files:
        if file.suffix == ".png":
            assert file.read_bytes().startswith(b"\x89PNG")
    saved = pd.read_csv(out / "modes.csv")
    assert np.allclose(saved["lam"], result.spectrum.lam, rtol=1e-12)
    saved = pd.read_csv(out / "features.csv")
    assert np.allclose(saved["network_time"], result.prediction.to_dataframe()["network_time"])


def test_it_takes_less_than_a_minute_and_a_half(done):
    assert done[0].seconds < 90.0


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


def test_trained_networks_confirm_the_order_and_the_times(done):
    for part in done[0].prediction.values():
        assert part.mode.size == 8
        assert part.believed
        assert part.tau == pytest.approx(1.0)
        assert part.median_error < 0.01
        assert np.all(np.abs(part.network_time / part.time - 1.0) < part.bound)


def test_the_closed_form_alone_would_not_be_confirmed(done):
    jepa = done[0].prediction["jepa"]
    assert np.argsort(jepa.closed_form).tolist() != jepa.order.tolist()
    assert np.abs(jepa.network_time / jepa.closed_form - 1.0).max() > 0.5


def test_the_jepa_learns_a_feature_of_larger_rho_where_the_objectives_differ(done):
    jepa, mae = done[0].prediction.values()
    rows = (~np.isin(one.mode, other.mode) for one, other in ((jepa, mae), (mae, jepa)))
    (mine,), (theirs,) = (part.rho[row] for part, row in zip((jepa, mae), rows, strict=True))
    assert mine > 2.0 * theirs


def test_the_sentences_hold_the_numbers(done):
    result, text, _ = done
    jepa, mae = result.prediction.values()
    confirmed, differences, stages = result.sentences
    for name, part in (("JEPA", jepa), ("MAE", mae)):
        most = np.max(np.abs(part.network_time / part.time - 1.0))
        assert (
            f" trained {name} learned 8 of 8 features in the predicted order (times "
            f"{100.0 * part.median_error:.2g} % off in the median, {100.0 * most:.2g} % at most)"
        ) in confirmed
    shared = [mode for mode in jepa.mode if mode in mae.mode]
    places = [[list(part.mode[part.order]).index(mode) for mode in shared] for part in (jepa, mae)]
    opposite = sum(
        (places[0][i] - places[0][j]) * (places[1][i] - places[1][j]) < 0
        for i in range(len(shared))
        for j in range(i)
    )
    assert f"share {len(shared)} of these features and learn {opposite} pairs" in differences
    for part, other in ((jepa, mae), (mae, jepa)):
        (row,) = np.flatnonzero(~np.isin(part.mode, other.mode))
        assert f"mode {part.mode[row]} (rho {part.rho[row]:.2f})" in differences
    decided = [np.sum(part.decided_by == "closed form") for part in (jepa, mae)]
    assert f"the times of {decided[0]} of 8 (JEPA) and {decided[1]} of 8 (MAE) features" in stages
    assert "networks lost 0 (JEPA) and 0 (MAE) features again" in stages
    assert all(sentence in text for sentence in result.sentences)


def test_the_printed_table_holds_every_feature_and_fits_a_terminal(small):
    result, text = small
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in text
    for name, part in result.prediction.items():
        rows = [line.split() for line in lines if line.split()[:1] == [name.upper()]]
        assert [int(row[1]) for row in rows] == part.mode[part.order].tolist()
        assert [float(row[-1]) for row in rows] == pytest.approx(
            part.network_time[part.order], rel=5e-3
        )


def test_features_learned_by_one_objective_only_and_lost_again_are_counted(small):
    result, _ = small
    jepa, mae = result.prediction.values()
    lost = np.isfinite(mae.network_lost_time).sum()
    assert jepa.mode.size < mae.mode.size
    assert lost > 0
    assert "the JEPA also learns no other, the MAE mode" in result.sentences[1]
    assert f"networks lost 0 (JEPA) and {lost} (MAE) features again" in result.sentences[2]


def test_an_order_that_is_not_confirmed_is_not_called_so(small):
    prediction = small[0].prediction
    found = dataclasses.replace(prediction["mae"].verification, tau=0.2)
    parts = {**prediction.parts, "mae": dataclasses.replace(prediction["mae"], verification=found)}
    said = _demo._confirmed(dataclasses.replace(prediction, parts=parts))
    assert said.count("in the predicted order") == 1
    assert "a trained MAE learned 6 of 6 features with Kendall's tau 0.2 (times" in said


def test_an_interrupted_verification_ends_the_demo(monkeypatch, tmp_path):
    predict = Spectrum.predict

    def interrupted(self, *arguments, progress, **options):
        def stop(share, text):
            raise KeyboardInterrupt

        return predict(self, *arguments, progress=stop, **options)

    monkeypatch.setattr(Spectrum, "predict", interrupted)
    with pytest.raises(KeyboardInterrupt):
        demo.run(tmp_path / "never", console=Console(file=io.StringIO()), patch=4)
    assert not (tmp_path / "never").exists()


def test_one_neighbour_alone_would_not_be_symmetric():
    image = demo.photographs()[0]
    x, y = next(_shifted(image, 8))
    assert Spectrum.from_samples(x, y).asymmetry > 1e-3


def test_targets_lie_half_a_patch_from_their_contexts_on_all_four_sides():
    row, column = np.indices((20, 30))
    for image, step in ((row, 4), (column, 4)):
        x, y = demo.patch_pairs([image.astype(float)], 8)
        shift = y - x
        assert np.all(shift == shift[:, :1])
        values, counts = np.unique(shift[:, 0], return_counts=True)
        assert values.tolist() == [-step, 0.0, step]
        assert counts[0] == counts[2]


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

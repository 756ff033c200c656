"""The picture of noisy features shows the two orders, and says what it shows."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

import dlnflow
from dlnflow.generative import noisy_features as case_of
from dlnflow.plot import colour, noisy_features

KINDS = ("static", "temporal", "masking")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def line(axes, label):
    (found,) = [line for line in axes.get_lines() if line.get_label() == label]
    return found


def half_time(axes, name):
    """Where the drawn curve itself crosses half."""
    t, share = line(axes, f"_{name}").get_data()
    return np.interp(0.5, share, t)


def test_curves_are_the_exact_amplitudes_over_their_plateaus():
    panels = noisy_features()
    assert panels.shape == (2, 3)
    for column, kind in enumerate(KINDS):
        case = case_of(kind)
        for row, objective in enumerate(("jepa", "mae")):
            for i, name in enumerate(case.features):
                t, share = line(panels[row, column], f"_{name}").get_data()
                mode = case.lam[i], case.rho[i], 5
                w = dlnflow.amplitude(t, *mode, eps=1e-2, objective=objective)
                assert np.allclose(share * dlnflow.plateau(mode[1], 5, objective=objective), w)
                assert share[-1] > 0.8


def test_jepa_panels_show_the_clean_feature_first_and_mae_panels_the_noisy_one():
    for jepa, mae in noisy_features().T:
        assert half_time(jepa, "clean") < 0.9 * half_time(jepa, "noisy")
        assert half_time(mae, "noisy") < 0.9 * half_time(mae, "clean")


@pytest.mark.long
def test_dots_lie_on_the_curves_at_half():
    for axes in noisy_features().ravel():
        for name in ("clean", "noisy"):
            t, share = line(axes, f"_{name}, half").get_data()
            assert share == [0.5]
            assert np.isclose(t[0], half_time(axes, name), rtol=5e-3)


def test_features_differ_in_more_than_colour_and_are_named_beside_their_curves():
    for axes in noisy_features().ravel():
        styles = {line(axes, f"_{name}").get_linestyle() for name in ("clean", "noisy")}
        assert styles == {"-", "--"}
        assert sorted(text.get_text().strip() for text in axes.texts) == ["clean", "noisy"]


def test_clean_features_have_the_colour_of_the_objective():
    for row, objective in zip(noisy_features(), ("jepa", "mae"), strict=True):
        for axes in row:
            drawn = line(axes, "_clean").get_color()
            assert matplotlib.colors.same_color(drawn, colour(objective))


def test_the_title_counts_where_the_finding_holds():
    deep = noisy_features()[0, 0].figure.get_suptitle()
    assert "in 3 of 3 kinds" in deep
    assert "$L = 5$" in deep
    shallow = noisy_features(1)[0, 0].figure.get_suptitle()
    assert "in 0 of 3 kinds" in shallow


def test_axes_of_your_own_are_drawn_on():
    axes = plt.subplots(2, 3)[1]
    assert noisy_features(ax=axes)[1, 2] is axes[1, 2]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"L": 0}, "L must be a positive integer"),
        ({"L": [3, 4]}, "L must be a single value"),
        ({"eps": -1.0}, "eps must be positive"),
        ({"eps": 0.05}, "eps must be below half of every plateau"),
        ({"eps": 1e-300}, "eps must be large enough that every critical time fits a float"),
        ({"ax": np.array([None])}, "ax must be an array"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name(options, said):
    with pytest.raises(ValueError, match=said):
        noisy_features(**options)

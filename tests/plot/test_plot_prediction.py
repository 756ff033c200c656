"""The figure of a prediction, tested on what it draws and says."""

import dataclasses
from types import SimpleNamespace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from dlnflow import Spectrum, plot
from dlnflow.plot._prediction import DrawnFeatures, DrawnPrediction
from dlnflow.plot._style import fields_of

OBJECTIVES = ("jepa", "mae", "layer-1")
RNG = np.random.default_rng(1)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def made():
    """Data whose covariances do not commute, so that predictions differ from the closed form."""
    turn = np.linalg.qr(RNG.normal(size=(4, 4)))[0]
    yx = turn @ np.diag([1.0, 0.8, 0.5, 0.3]) @ turn.T
    spectrum = Spectrum.from_covariances(1.1 * np.eye(4) + 0.4 * np.diag([0, 1, 2, 3]), yx)
    return spectrum.predict(2, eps=0.01, objective=OBJECTIVES, modes=3, verify=True)


def line(axes, label):
    (found,) = [one for one in axes.get_lines() if one.get_label() == f"_{label}"]
    return found


def changed(made, name="mae", **fields):
    """The prediction with other fields for one objective."""
    parts = {**made.parts, name: dataclasses.replace(made[name], **fields)}
    return dataclasses.replace(made, parts=parts)


def other_verification(made, name="mae", **fields):
    kept = dataclasses.replace(made[name].verification, **fields)
    return changed(made, name, verification=kept)


def test_every_time_is_drawn_in_the_predicted_order_and_the_objectives_colour(made):
    axes = made.plot()
    assert axes.get_yscale() == "log"
    assert made.time_label in axes.get_ylabel()
    for name, part in made.items():
        kinds = {
            "predicted": part.time,
            "closed form": part.closed_form,
            "network": part.network_time,
        }
        for kind, times in kinds.items():
            drawn = line(axes, f"{name} {kind}")
            np.testing.assert_array_equal(drawn.get_ydata(), times[part.order])
            assert np.allclose(drawn.get_xdata(), [1, 2, 3], atol=0.3)
            assert matplotlib.colors.same_color(drawn.get_color(), plot.colour(name))
    assert np.any(made["jepa"].time != made["jepa"].closed_form)
    assert len({tuple(line(axes, f"{name} predicted").get_xdata()) for name in made}) == 3


def test_each_feature_has_the_number_of_its_mode(made):
    for name, part in made.items():
        one = dataclasses.replace(made, parts={name: part})
        numbers = [int(text.get_text()) for text in one.plot().texts]
        assert numbers == part.mode[part.order].tolist()


def test_objectives_and_marks_are_told_apart_without_colour(made):
    axes = made.plot()
    shapes = {line(axes, f"{name} predicted").get_marker() for name in made}
    assert len(shapes) == 3
    filled, ring, bar = (
        line(axes, f"jepa {kind}") for kind in ("predicted", "network", "closed form")
    )
    assert filled.get_markerfacecolor() != ring.get_markerfacecolor() == "none"
    assert bar.get_marker() == "_"
    assert bar.get_markersize() > ring.get_markersize()


def test_the_legend_has_at_most_eight_entries_and_those_drawn(made):
    words = [text.get_text() for text in made.plot().get_legend().get_texts()]
    assert words == ["JEPA", "MAE", "target at layer 1", "predicted", "closed form", "network"]
    named = {f"layer-{m}": made["layer-1"] for m in range(1, 9)}
    never = {
        name: dataclasses.replace(part, time=part.time + np.inf) for name, part in named.items()
    }
    many = dataclasses.replace(made, parts=never)
    assert len(many.plot().get_legend().get_texts()) <= 8


def test_the_legend_lies_below_the_axes_and_the_title_inside_the_figure(made):
    axes = made.plot()
    axes.figure.canvas.draw()
    legend = axes.get_legend().get_window_extent()
    assert not legend.overlaps(axes.get_window_extent())
    for box in (legend, axes.title.get_window_extent()):
        assert axes.figure.bbox.contains(*box.min)
        assert axes.figure.bbox.contains(*box.max)


def test_without_a_verification_the_title_says_what_is_predicted(made):
    alone = changed(changed(made, "jepa", verification=None), verification=None)
    axes = alone.plot()
    part = made["jepa"]
    decided = np.sum(part.decided_by == "closed form")
    assert f"JEPA: the closed form decides {decided} of 3 times" in axes.get_title()
    assert not [one for one in axes.get_lines() if one.get_label() == "_jepa network"]
    doubted = changed(made, verification=None, believed=False).plot().get_title()
    assert "MAE: the closed form decides" in doubted
    assert "the prediction need not hold" in doubted


def test_the_title_says_what_the_networks_say(made):
    title = made.plot().get_title().splitlines()
    for text, name in zip(title, made, strict=False):
        part = made[name]
        assert part.tau > 1.0 - 1e-9
        assert "a network confirms the order of 3 of 3 features; median error " in text
        error = 100.0 * part.median_error
        assert (f"{error:.2g} %" if error >= 0.01 else "below 0.01 %") in text
    assert title[-1] == r"$L = 2$, $\epsilon = 10^{-2}$"
    wrong = other_verification(made, tau=0.333).plot().get_title()
    assert "MAE: Kendall's tau with a network's order 0.33" in wrong
    lone = other_verification(made, tau=None).plot().get_title()
    assert "MAE: a network learned 3 of 3 features; median" in lone
    nothing = other_verification(made, time=np.full(3, np.inf), tau=None, until=12.0)
    assert "MAE: a network learned none of the features by 12\n" in nothing.plot().get_title()
    stopped = other_verification(made, run=None, time=np.full(3, np.inf))
    assert "MAE: the closed form decides" in stopped.plot().get_title()


def test_a_feature_that_is_never_learned_has_an_arrowhead_at_the_top(made):
    time = made["mae"].time.copy()
    time[1] = np.inf
    axes = changed(made, time=time).plot()
    never = line(axes, "mae never")
    assert len(never.get_xdata()) == 1
    assert 0.9 < never.get_ydata()[0] < 1.0
    assert line(axes, "mae predicted").get_ydata().size == 2
    assert line(axes, "mae network").get_ydata().size == 3
    words = [text.get_text() for text in axes.get_legend().get_texts()]
    assert "predicted: not learned" in words


def test_no_feature_left_to_learn_leaves_empty_axes():
    spectrum = Spectrum.from_covariances(np.eye(2), 0.1 * np.eye(2))
    axes = spectrum.predict(4, eps=0.1, objective="jepa").plot()
    assert "JEPA: no feature is left to learn" in axes.get_title()


def test_marks_are_seen_on_a_dark_background(made):
    with plt.style.context("dark_background"):
        axes = made.plot()
        handles = axes.get_legend().legend_handles
    for handle in handles[3:]:
        assert matplotlib.colors.to_rgb(handle.get_color()) == (1.0, 1.0, 1.0)
    assert line(axes, "jepa network").get_markerfacecolor() == "none"


def test_it_draws_on_the_axes_given(made):
    figure, axes = plt.subplots()
    assert made.plot(ax=axes) is axes
    assert plt.get_fignums() == [figure.number]
    with pytest.raises(ValueError, match="ax must be a Matplotlib Axes or None: got str"):
        made.plot(ax="axes")


def test_a_record_is_drawn_by_its_fields_whatever_its_class(made):
    def alike(record, protocol):
        return SimpleNamespace(**{name: getattr(record, name) for name in fields_of(protocol)})

    parts = {name: alike(part, DrawnFeatures) for name, part in made.items()}
    one = alike(made, DrawnPrediction)
    one.parts = parts
    assert plot.prediction(one).get_title() == made.plot().get_title()


@pytest.mark.parametrize("bad", [None, "x", [], {}, 3, np.zeros(2), Spectrum])
def test_what_is_no_prediction_is_refused_by_name(bad):
    with pytest.raises(TypeError, match=r"prediction must be a dlnflow Prediction: got"):
        plot.prediction(bad)
    assert not plt.get_fignums()

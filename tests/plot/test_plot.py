"""Figures, tested on what they draw and say."""

from itertools import pairwise
from types import SimpleNamespace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

import dlnflow
from dlnflow import plot
from dlnflow.plot import _style as style
from dlnflow.plot._style import fields_of, number
from dlnflow.plot._trajectories import DrawnTrajectories

LAM, RHO = [1.0, 1.3, 0.7], [0.9, 0.4, 1.0]
MIXED = {
    "lam": [1.0, 0.5, -1.0, 0.0],
    "rho": [1.0, 0.7, -0.5, 0.0],
    "variance": [1.0, 0.5 / 0.7, 2.0, 1.0],
}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def simulated(objective="jepa", L=3, **options):
    return dlnflow.simulate(LAM, RHO, L, objective=objective, **options)


def mode_lines(axes):
    return [line for line in axes.get_lines() if not line.get_label().startswith("_")]


def finding(axes):
    return axes.get_title().splitlines()[1]


@pytest.mark.parametrize("objective", ["jepa", "mae", "layer-1"])
@pytest.mark.parametrize(
    ("quantity", "function"),
    [("w", dlnflow.amplitude), ("learned", dlnflow.learned_fraction)],
)
def test_lines_are_the_closed_form(objective, quantity, function):
    axes = plot.trajectories(simulated(objective)[objective], quantity=quantity)
    lines = mode_lines(axes)
    assert len(lines) == len(LAM)
    for line, lam, rho in zip(lines, LAM, RHO, strict=True):
        t, drawn = line.get_data()
        np.testing.assert_array_equal(drawn, function(t, lam, rho, 3, objective=objective))


def test_circles_stand_where_a_mode_has_half_its_plateau():
    part = simulated()["jepa"]
    (circles,) = [
        line
        for line in plot.trajectories(part).get_lines()
        if line.get_label().startswith("_critical")
    ]
    t, height = circles.get_data()
    np.testing.assert_allclose(t, part.critical_time())
    np.testing.assert_allclose(height, 0.5 * part.plateau, rtol=1e-12)


@pytest.mark.parametrize("time", ["log", "log-log"])
def test_log_axes_drop_time_zero_and_nothing_else(time):
    part = simulated()["jepa"]
    axes = plot.trajectories(part, time=time)
    assert part.t[0] == 0.0
    assert axes.get_xscale() == "log"
    assert axes.get_yscale() == ("log" if time == "log-log" else "linear")
    for line in mode_lines(axes):
        np.testing.assert_array_equal(line.get_xdata(), part.t[1:])


def test_linear_axis_keeps_time_zero():
    axes = plot.trajectories(simulated()["jepa"])
    assert all(line.get_xdata()[0] == 0.0 for line in mode_lines(axes))


def test_a_log_axis_without_a_positive_time_is_refused():
    part = simulated(t=[0.0])["jepa"]
    with pytest.raises(ValueError, match="t must hold a time above 0"):
        plot.trajectories(part, time="log")


@pytest.mark.long
@pytest.mark.parametrize(
    ("quantity", "time", "drawn"),
    [
        ("w", "linear", 4),
        ("w", "log-log", 4),
        ("learned", "log", 3),  # pure noise has nothing to learn
        ("learned", "log-log", 2),  # nor has a log axis room for the suppressed mode
    ],
)
def test_only_finite_values_are_drawn_and_the_rest_is_counted(quantity, time, drawn):
    part = dlnflow.simulate(**MIXED, L=2, objective="mae")["mae"]
    axes = plot.trajectories(part, quantity=quantity, time=time)
    lines = mode_lines(axes)
    assert len(lines) == drawn
    assert all(np.isfinite(line.get_ydata()).any() for line in lines)
    assert not any(np.isinf(line.get_ydata()).any() for line in lines)
    assert ("without a value to show" in finding(axes)) == (drawn < 4)
    assert "2 of 4 modes never learned" in finding(axes)
    axes.figure.canvas.draw()


def test_fast_decay_does_not_stretch_a_log_axis_out_of_use():
    part = dlnflow.simulate([1.0, -1.0], [1e-2, -1.0], 1, objective="mae", eps=1e-4)["mae"]
    axes = plot.trajectories(part, time="log-log")
    lowest = min(np.nanmin(line.get_ydata()) for line in mode_lines(axes))
    assert lowest < 1e-8
    assert axes.get_ylim()[0] > 1e-8


def test_few_modes_are_told_apart_without_colour_and_named():
    lam = np.linspace(1.0, 2.0, 5)
    axes = plot.trajectories(dlnflow.simulate(lam, 1.0, 2, objective="mae")["mae"])
    lines = mode_lines(axes)
    looks = {line._unscaled_dash_pattern for line in lines}
    assert len(looks) == len(lines) == 5
    value = [matplotlib.colors.rgb_to_hsv(line.get_color()[:3])[2] for line in lines]
    assert value[0] > value[-1]
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert sum(r"\lambda" in name for name in names) == 5
    assert r"\rho = 1$" in axes.get_title()


def test_many_modes_have_a_scale_instead_of_a_legend():
    rho = np.linspace(0.5, 1.0, 40)
    axes = plot.trajectories(dlnflow.simulate(1.0, rho, 2, objective="mae")["mae"])
    assert axes.get_legend() is None
    (bar,) = [one for one in axes.figure.axes if one is not axes]
    assert bar.get_ylabel() == r"$\rho$"
    lightness = [matplotlib.colors.rgb_to_hsv(line.get_color()[:3])[2] for line in mode_lines(axes)]
    assert lightness[0] > lightness[-1]


@pytest.mark.parametrize(
    ("lam", "rho", "objective", "words"),
    [
        ([1.0, 2.0], 1.0, "mae", r"largest $\lambda$ first"),
        (1.0, [1.0, 0.5], "jepa", r"largest $\rho$ first"),
        (1.0, [1.0, 0.5], "mae", "learned together"),
        ([1.0, 1.3, 0.8], [0.9, 0.4, 0.7], "jepa", r"largest $\lambda$ first"),
        ([1.0, 1.5, 1.2, 1.0], [0.5, 0.6, 0.9, 0.95], "jepa", r"largest $\lambda$ first"),
        ([1.0, 1.2, 1.1], [0.9, 0.5, 0.3], "jepa", "learned from $t$"),
        ([1.0, 1.0], [0.5, 0.5], "jepa", "learned at the same time"),
        ([-1.0, -2.0], [-1.0, -1.0], "jepa", "no mode is learned"),
        (-1.0, -1.0, "jepa", "never learned"),
        (1.0, 1.0, "jepa", "half of its plateau at $t$"),
        ([1.0, 1.0], [1e-4, 1e-5], "jepa", "initialised above half of the plateau"),
    ],
)
def test_title_says_what_the_critical_times_say(lam, rho, objective, words):
    part = dlnflow.simulate(lam, rho, 3, objective=objective)[objective]
    assert finding(plot.trajectories(part)).startswith(words)


def test_title_claims_no_order_that_one_mode_breaks():
    lam, rho = [1.0, 1.0, 1.0, 2.0], [1.0, 0.7, 0.4, 0.5]
    part = dlnflow.simulate(lam, rho, 4, objective="jepa")["jepa"]
    assert part.learning_order().tolist() != np.argsort(rho)[::-1].tolist()
    assert r"$\rho$" not in finding(plot.trajectories(part))


def test_a_simulation_of_one_objective_is_drawn_as_its_trajectories():
    sim = simulated("mae")
    for mine, theirs in zip(
        plot.trajectories(sim).get_lines(), plot.trajectories(sim["mae"]).get_lines(), strict=True
    ):
        np.testing.assert_array_equal(mine.get_ydata(), theirs.get_ydata())


def test_a_simulation_of_several_objectives_is_drawn_on_one_axes():
    sim = simulated(("jepa", "mae"), 4)
    axes = plot.trajectories(sim, time="log")
    lines = mode_lines(axes)
    expected = [w[1:] for part in sim.parts for w in part.w]
    assert len(lines) == len(expected)
    for line, w in zip(lines, expected, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), w)
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names[-3:-1] == ["JEPA", "MAE"]
    assert len(names) == len(LAM) + 3
    assert finding(axes) == "JEPA and MAE learn the modes in different orders"


@pytest.mark.parametrize("bad", [None, 3, [], {}])
def test_what_is_no_objective_has_no_colour(bad):
    with pytest.raises(TypeError, match="objective must be a name or an Objective"):
        plot.colour(bad)


def test_colours_are_found_by_name_in_any_case_and_by_objective():
    assert plot.colour("JEPA") == plot.colour(dlnflow.JEPA)
    assert plot.colour("layer-2") == plot.colour(dlnflow.Objective(target_layer=2))
    assert plot.colour("layer-0") == plot.colour("mae")
    with pytest.raises(ValueError, match="objective must be 'jepa', 'mae', 'layer-m'"):
        plot.colour("byol")


def test_figures_defined_elsewhere_are_offered_without_a_warning(recwarn):
    assert set(dir(plot)) == set(plot.__all__)
    assert all(callable(getattr(plot, name)) for name in plot.__all__)
    assert not recwarn.list
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = plot.nothing


def test_simulation_draws_each_objective_on_its_own_axes():
    sim = simulated(("mae", "layer-1", "jepa"))
    panels = sim.plot(quantity="learned", time="log")
    assert panels.shape == (3,)
    for part, panel in zip(sim.parts, panels, strict=True):
        for line, q in zip(mode_lines(panel), part.learned, strict=True):
            np.testing.assert_array_equal(line.get_ydata(), q[1:])


@pytest.mark.parametrize(
    ("lam", "rho", "words"),
    [
        ([1.0, 1.3], [0.9, 0.4], "opposite order"),
        ([1.0, 2.0], [1.0, 1.0], "the same order"),
        (LAM, RHO, "different orders"),
        (1.0, [1.0, 0.5], "critical time over"),
    ],
)
def test_heading_compares_the_learning_orders(lam, rho, words):
    sim = dlnflow.simulate(lam, rho, 4)
    assert words in sim.plot()[0].figure.get_suptitle()


SINGLE = {
    "trajectories": lambda ax=None: plot.trajectories(simulated()["jepa"], ax=ax),
    "depth": lambda ax=None: plot.critical_time_against_depth(1.0, [1.0, 0.5], ax=ax),
    "collapse": lambda ax=None: plot.collapse(1.0, [1.0, 0.5], 2, ax=ax),
    "map": lambda ax=None: plot.first_learned_map(3, ax=ax),
}
MANY = {
    "simulation": ((2,), lambda ax=None: simulated(("jepa", "mae")).plot(ax=ax)),
    "paper_panels": ((2, 3), lambda ax=None: plot.paper_panels(ax=ax)),
}
EVERY = {**SINGLE, **{name: make for name, (_, make) in MANY.items()}}


def contrast(one, other):
    """The contrast of two colours by the Web Content Accessibility Guidelines, 1 to 21."""
    linear = [
        np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        for c in map(np.array, map(matplotlib.colors.to_rgb, (one, other)))
    ]
    low, high = sorted(float(c @ (0.2126, 0.7152, 0.0722)) for c in linear)
    return (high + 0.05) / (low + 0.05)


def least_contrast(figure, background):
    """Of everything with a colour of its own, legends included."""
    lines, texts = figure.findobj(plt.Line2D), figure.findobj(matplotlib.text.Text)
    colours = [one.get_color() for one in [*lines, *texts] if one.get_visible()]
    colours += [one.get_markeredgecolor() for one in lines if one.get_visible()]
    return min(contrast(colour, background) for colour in colours)


DARK = {**EVERY, "noisy_features": lambda: plot.noisy_features()}
MANY_MODES = {
    "many modes": lambda: plot.trajectories(dlnflow.simulate(1.0, np.linspace(0.2, 1.0, 9), 3)),
    "modes of a JEPA": lambda: dlnflow.simulate(1.0, np.linspace(0.2, 1.0, 4), 3).plot(),
}


@pytest.mark.parametrize("name", [*DARK, *MANY_MODES])
def test_every_figure_is_readable_in_a_dark_style(name):
    with plt.style.context("dark_background"):
        figure = np.ravel({**DARK, **MANY_MODES}[name]())[0].figure
        assert least_contrast(figure, "black") > 3.0


@pytest.mark.parametrize("name", ["collapse", "simulation", "noisy_features"])
def test_the_shades_for_a_light_background_are_not_readable_in_a_dark_style(name, monkeypatch):
    monkeypatch.setattr("dlnflow.plot._style.is_dark", lambda: False)
    with plt.style.context("dark_background"):
        figure = np.ravel(DARK[name]())[0].figure
        assert least_contrast(figure, "black") < 2.5


@pytest.mark.parametrize(("face", "dark"), [("#22252b", True), ("#eaeaf2", False), ("none", False)])
def test_shades_follow_the_background(face, dark):
    with plt.style.context({"axes.facecolor": face, "figure.facecolor": "white"}):
        assert style.is_dark() is dark
        first, *_, last = style.shades_of(plot.colour("jepa"))(np.linspace(0.0, 1.0, 5))
        assert bool(first.sum() < last.sum()) is dark


@pytest.mark.parametrize("name", EVERY)
def test_every_axes_says_what_it_shows(name):
    for axes in np.ravel(EVERY[name]()):
        for one in (axes, *axes.child_axes):
            assert one.get_xlabel()
            assert one.get_ylabel()
            assert one.get_title()


@pytest.mark.long
@pytest.mark.parametrize("name", EVERY)
def test_no_legend_covers_data(name):
    axes = np.ravel(EVERY[name]())
    axes[0].figure.canvas.draw()
    boxes = [one.get_window_extent() for one in axes]
    for one in axes:
        legend = one.get_legend().get_window_extent()
        assert not any(legend.overlaps(box) for box in boxes)


def test_a_legend_stays_inside_a_figure_whose_layout_makes_no_room():
    figure, ax = plt.subplots()
    plot.trajectories(simulated()["jepa"], ax=ax)
    figure.canvas.draw()
    legend = ax.get_legend().get_window_extent()
    assert figure.bbox.contains(*legend.min)
    assert figure.bbox.contains(*legend.max)


@pytest.mark.parametrize("name", SINGLE)
def test_the_axes_given_are_used_and_returned(name):
    figure, ax = plt.subplots()
    assert SINGLE[name](ax) is ax
    assert ax.has_data()
    assert plt.get_fignums() == [figure.number]


@pytest.mark.parametrize("name", MANY)
def test_the_array_of_axes_given_is_used_and_returned(name):
    shape, make = MANY[name]
    figure, given = plt.subplots(*(shape if len(shape) == 2 else (1, *shape)), squeeze=False)
    given = given.reshape(shape)
    assert np.array_equal(make(given), given)
    assert all(ax.has_data() for ax in given.ravel())
    assert plt.get_fignums() == [figure.number]
    assert not figure.get_suptitle()


def test_a_lone_axes_will_do_for_a_single_objective():
    _, ax = plt.subplots()
    assert simulated("mae").plot(ax=ax).tolist() == [ax]


@pytest.mark.parametrize("name", EVERY)
def test_axes_of_another_kind_are_refused(name):
    with pytest.raises(ValueError, match="ax must be"):
        EVERY[name]("axes")


@pytest.mark.parametrize("name", MANY)
def test_axes_of_another_shape_are_refused(name):
    _, given = plt.subplots(2, 2)
    with pytest.raises(ValueError, match="ax must have shape"):
        MANY[name][1](given)


@pytest.mark.parametrize(("argument", "value"), [("quantity", "q"), ("time", "years")])
def test_an_unknown_word_is_refused_by_name_before_a_figure_is_made(argument, value):
    sim = simulated()
    for draw in (
        lambda **o: plot.trajectories(sim["jepa"], **o),
        sim.plot,
        plot.paper_panels,
    ):
        with pytest.raises(ValueError, match=f"{argument} must be one of .*{value}"):
            draw(**{argument: value})
    assert not plt.get_fignums()


def depth_lines(axes, kind):
    return [line for line in axes.get_lines() if line.get_label().endswith(kind)]


def test_an_objective_has_one_colour_in_every_figure():
    wanted = [plot.colour("jepa"), plot.colour("mae")]
    depth = plot.critical_time_against_depth(1.0, 1.0)
    boundaries = plot.first_learned_map(3).get_lines()
    assert [line.get_color() for line in depth_lines(depth, "exact")] == wanted
    assert [line.get_color() for line in boundaries[:2]] == wanted
    for objective, colour in zip(("jepa", "mae"), wanted, strict=True):
        single = dlnflow.simulate(1.0, 1.0, 2, objective=objective)[objective]
        (line,) = mode_lines(plot.trajectories(single))
        assert matplotlib.colors.to_hex(line.get_color()).upper() == colour
        drawn = plot.collapse(1.0, 1.0, 2, objective=objective).get_lines()[0]
        assert matplotlib.colors.to_hex(drawn.get_color()).upper() == colour


def test_the_clock_is_named_in_words():
    steps = dlnflow.Training(lr=0.1)
    assert "training steps" in plot.trajectories(simulated(clock=steps)["jepa"]).get_xlabel()
    axes = plot.critical_time_against_depth(1.0, 1.0, clock=steps)
    assert "training steps" in axes.get_ylabel()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-3, "$10^{-3}$"),
        (0.0025, r"$2.5 \times 10^{-3}$"),
        (1.5e7, r"$1.5 \times 10^{7}$"),
        (0.5, "0.5"),
        (0.0, "0"),
        (120.0, "120"),
        (-1e-4, r"$-1 \times 10^{-4}$"),
    ],
)
def test_numbers_are_written_for_reading(value, text):
    assert number(value) == text


RECORDS = {
    "sim": (plot.simulation, "Simulation"),
    "part": (plot.trajectories, "Simulation or Trajectories"),
    "finding": (plot.claim, "Finding"),
    "found": (plot.identification, "Identification"),
}


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("bad", [None, "x", [], {}, 3, 1j, np.zeros(2), dlnflow.simulate])
def test_what_is_no_record_is_refused_by_name(name, bad):
    draw, kind = RECORDS[name]
    with pytest.raises(TypeError, match=rf"^{name} must be a dlnflow.*{kind}: got "):
        draw(bad)
    assert not plt.get_fignums()


def test_a_record_is_drawn_by_its_fields_whatever_its_class():
    part = simulated()["jepa"]
    times = part.critical_time()
    alike = SimpleNamespace(**{name: getattr(part, name) for name in fields_of(DrawnTrajectories)})
    alike.critical_time = lambda: times
    for mine, theirs in zip(
        plot.trajectories(alike).get_lines(), plot.trajectories(part).get_lines(), strict=True
    ):
        assert np.array_equal(mine.get_ydata(), theirs.get_ydata())
    assert len(plot.simulation(SimpleNamespace(parts=(alike,)))) == 1


@pytest.mark.parametrize("name", ["p", "decoder_depth"])
@pytest.mark.parametrize(
    "bad", [None, "x", [], 1j, pytest.param(10**400, id="huge"), [[1.0], [1.0, 2.0]]]
)
def test_settings_of_depths_are_refused_by_name(name, bad):
    with pytest.raises((TypeError, ValueError), match=rf"^{name} must "):
        plot.critical_time_against_depth(1.0, 1.0, **{name: bad})


def test_the_number_of_points_is_single():
    with pytest.raises(ValueError, match="points must be a single value"):
        plot.first_learned_map(2, points=[20])


@pytest.mark.filterwarnings("error")
def test_a_variance_that_is_no_float_is_not_needed_for_a_figure():
    axes = plot.critical_time_against_depth([1.0, 1.0], [5e-324, 1.0])
    assert any(np.isfinite(line.get_ydata()).all() for line in axes.get_lines())


def test_series_of_a_claim_are_named_beside_the_axes_and_do_not_overlap():
    series = [f"JEPA, L = {L}" for L in range(1, 17)]
    observations = [
        SimpleNamespace(
            route="closed form", series=one, x=x, number=1.0 + 1e-3 * x, holds=True, inside=True
        )
        for one in series
        for x in (1.0, 2.0)
    ]
    axis = SimpleNamespace(label="words", log=False)
    claim = SimpleNamespace(
        name="1", title="Title", drawn=lambda one: True, level=None, x=axis, number=axis
    )
    finding = SimpleNamespace(claim=claim, observations=observations, brief="holds")
    axes = plot.claim(finding)
    axes.figure.canvas.draw()
    assert sorted(text.get_text() for text in axes.texts) == sorted(series)
    boxes = [matplotlib.text.Text.get_window_extent(text) for text in axes.texts]
    boxes.sort(key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 + 1.0 for low, high in pairwise(boxes))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["closed form"]

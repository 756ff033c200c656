"""Figures, tested on what they draw and say."""

from types import SimpleNamespace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

import dlnflow
from dlnflow import plot
from dlnflow.plot._style import number
from dlnflow.plot._trajectories import DRAWN
from dlnflow.theory._objective import Objective

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


# Trajectories


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
    lam = np.linspace(1.0, 2.0, 8)
    axes = plot.trajectories(dlnflow.simulate(lam, 1.0, 2, objective="mae")["mae"])
    lines = mode_lines(axes)
    looks = {line._unscaled_dash_pattern for line in lines}
    assert len(looks) == len(lines) == 8
    value = [matplotlib.colors.rgb_to_hsv(line.get_color()[:3])[2] for line in lines]
    assert value[0] > value[-1]
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert sum(r"\lambda" in name for name in names) == 8
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
        ([1.0, 1.0], [1e-4, 1e-5], "jepa", "learned from the start"),
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


# The paper's panels


def half_way(line):
    """When a plotted line passes half of its last value: from the drawing alone."""
    t, w = line.get_data()
    return np.interp(0.5 * w[-1], w, t)


def drawn_order(axes):
    return np.argsort([half_way(line) for line in mode_lines(axes)]).tolist()


def test_third_column_inverts_the_order_between_the_objectives():
    panels = plot.paper_panels()
    jepa, mae = (drawn_order(panel) for panel in panels[:, 2])
    assert jepa == [0, 1, 2]
    assert mae == [2, 1, 0]


def test_first_column_keeps_the_order_and_the_second_separates_jepa_alone():
    panels = plot.paper_panels()
    assert drawn_order(panels[0, 0]) == drawn_order(panels[1, 0])
    jepa, mae = ([half_way(line) for line in mode_lines(panel)] for panel in panels[:, 1])
    assert max(jepa) / min(jepa) > 1.5
    assert max(mae) / min(mae) < 1.02


def test_panels_take_other_modes():
    panels = plot.paper_panels(
        2, eps=1e-3, lam=[1.0, 3.0], crossed=([1.0, 2.0], [0.5, 0.4]), clock="network"
    )
    t, w = mode_lines(panels[1, 2])[1].get_data()
    expected = dlnflow.amplitude(t, 2.0, 0.4, 2, eps=1e-3, objective="mae", clock="network")
    np.testing.assert_array_equal(w, expected)
    assert "network clock" in panels[1, 2].get_xlabel()


def test_crossed_must_be_a_pair():
    with pytest.raises(ValueError, match="crossed must be a pair"):
        plot.paper_panels(crossed=3.0)


# The collapse


def collapse_data(**options):
    axes = plot.collapse(**options)
    *modes, master = axes.get_lines()
    x = master.get_xdata()
    assert all(np.array_equal(line.get_xdata(), x) for line in modes)
    return x, np.array([line.get_ydata() for line in modes]), master.get_ydata()


def spread(q):
    return np.nanmax(np.nanmax(q, axis=0) - np.nanmin(q, axis=0))


MODES = {
    "lam": np.array([1.0, 3.0, 0.2, 0.8, 1.7]),
    "rho": np.array([1.0, 0.7, 0.5, 1.6, 0.9]),
    "eps": np.array([1e-3, 1e-2, 1e-4, 1e-5, 3e-3]),
}


@pytest.mark.parametrize("objective", ["jepa", "layer-1", "mae"])
@pytest.mark.parametrize(("L", "decoder_depth"), [(1, 1), (2, 1), (3, 2)])
def test_modes_collapse_onto_one_curve(objective, L, decoder_depth):
    _, q, master = collapse_data(**MODES, L=L, objective=objective, decoder_depth=decoder_depth)
    assert np.all(np.isfinite(q).sum(axis=0)[-200:] == 5)
    assert spread(q) < 1e-6
    assert np.nanmax(np.abs(q - master)) < 1e-6


def test_a_wrong_rate_exponent_tears_the_collapse_apart(monkeypatch):
    right = Objective.rate

    def wrong(self, lam, rho, L, decoder_depth=1):
        return right(self, lam, rho, L, decoder_depth) * np.asarray(rho)

    monkeypatch.setattr(Objective, "rate", wrong)
    _, q, _ = collapse_data(**MODES, L=2)
    assert spread(q) > 0.05


def test_master_curve_has_the_closed_form():
    x, _, q = collapse_data(**MODES, L=2)  # JEPA, order 4
    elapsed = -sum(q**-n / n for n in (1, 2, 3)) + np.log(q / (1.0 - q))
    at_half = -(2.0 + 4.0 / 2 + 8.0 / 3)
    np.testing.assert_allclose(elapsed - at_half, x, atol=1e-7)


def test_collapse_does_not_depend_on_the_clock_but_its_inset_does():
    paper, network = (plot.collapse(**MODES, L=3, clock=clock) for clock in ("paper", "network"))
    np.testing.assert_array_equal(
        paper.get_lines()[0].get_ydata(), network.get_lines()[0].get_ydata()
    )
    t_paper, t_network = (
        axes.child_axes[0].get_lines()[0].get_xdata() for axes in (paper, network)
    )
    np.testing.assert_allclose(t_paper, 3.0 * t_network)
    raw = paper.child_axes[0].get_lines()[0].get_ydata()
    np.testing.assert_allclose(raw, dlnflow.learned_fraction(t_paper, 1.0, 1.0, 3), rtol=1e-9)


def test_collapse_leaves_out_and_counts_modes_that_do_not_grow_through_one_half():
    lam, rho = [1.0, -1.0, 0.0, 1.0], [1.0, -1.0, 0.0, 1e-3]
    axes = plot.collapse(lam, rho, 2)
    assert len(axes.get_lines()) == 2
    assert "1 mode " in finding(axes)
    assert "3 left out" in finding(axes)


@pytest.mark.parametrize("bad", [{"rho": -1.0, "lam": -1.0}, {"eps": 1e-30}, {"L": [1, 2]}])
def test_collapse_of_nothing_is_refused(bad):
    with pytest.raises(ValueError, match=r"lam, rho and eps must|L must be a single number"):
        plot.collapse(**{"lam": 1.0, "rho": 1.0, "L": 3, **bad})


# Critical times against depth


def depth_lines(axes, kind):
    return [line for line in axes.get_lines() if line.get_label().endswith(kind)]


@pytest.mark.parametrize(
    ("kind", "function"),
    [("exact", dlnflow.critical_time), ("published", dlnflow.critical_time_published)],
)
def test_depth_figure_draws_the_critical_times(kind, function):
    axes = plot.critical_time_against_depth([1.0, 2.0], [1.0, 0.8], eps=1e-4, clock="network")
    depths = np.arange(1, 9)
    lines = depth_lines(axes, kind)
    expected = [
        function(lam, rho, depths, eps=1e-4, objective=objective, clock="network")
        for objective in ("jepa", "mae")
        for lam, rho in ((1.0, 1.0), (2.0, 0.8))
    ]
    for line, times in zip(lines, expected, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), depths)
        np.testing.assert_allclose(line.get_ydata(), times)
    assert axes.get_yscale() == "log"


def test_nothing_is_marked_as_published_without_a_formula():
    axes = plot.critical_time_against_depth(1.0, 1.0, objective=("jepa", "layer-2"))
    assert len(depth_lines(axes, "exact")) == 2
    assert len(depth_lines(axes, "published")) == 1
    deeper = plot.critical_time_against_depth(1.0, 1.0, decoder_depth=2)
    assert not depth_lines(deeper, "published")


def test_an_inner_target_is_drawn_from_its_own_depth_on():
    axes = plot.critical_time_against_depth(1.0, 1.0, range(1, 6), objective="layer-3")
    (line,) = depth_lines(axes, "exact")
    assert np.isnan(line.get_ydata()).tolist() == [True, True, False, False, False]


def test_critical_times_without_a_place_on_the_axis_are_not_drawn():
    axes = plot.critical_time_against_depth([1.0, -1.0, 0.0], [1.0, -1.0, 0.0], [1, 2])
    exact = [np.isnan(line.get_ydata()).all() for line in depth_lines(axes, "exact")]
    assert exact == [False, True, True] * 2


def test_depth_title_compares_modes_where_all_have_a_time():
    # at depth 8 the mode with rho = 0.4 starts above half of JEPA's plateau
    axes = plot.critical_time_against_depth(1.0, [1.0, 0.4])
    assert dlnflow.critical_time(1.0, 0.4, 8) == 0.0
    last = max(L for L in range(1, 9) if dlnflow.critical_time(1.0, 0.4, L) > 0.0)
    ratio = dlnflow.critical_time(1.0, 0.4, last) / dlnflow.critical_time(1.0, 1.0, last)
    assert f"$L = {last}$" in axes.get_title()
    assert rf"JEPA $\times\,{ratio:.4g}$" in axes.get_title()


# The map


def test_on_the_boundary_both_modes_have_one_critical_time():
    axes = plot.first_learned_map(3, lam=2.0, rho=0.8, eps=1e-2, decoder_depth=2, points=30)
    for line, objective in zip(axes.get_lines(), ("jepa", "mae"), strict=False):
        rho_ratio, lam_ratio = line.get_data()
        settings = {"eps": 1e-2, "objective": objective, "decoder_depth": 2}
        second = dlnflow.critical_time(2.0 * lam_ratio, 0.8 * rho_ratio, 3, **settings)
        first = dlnflow.critical_time(2.0, 0.8, 3, **settings)
        assert np.isfinite(lam_ratio).all()
        np.testing.assert_allclose(second, first, rtol=1e-10)


def region(axes, words):
    (found,) = [one for one in axes.collections if words in one.get_label()]
    return found.get_paths()


def test_regions_say_who_is_learned_first():
    eps, L = 1e-3, 4
    axes = plot.first_learned_map(L, eps=eps)
    rng = np.random.default_rng(1)
    rho_ratio, lam_ratio = np.exp(rng.uniform(np.log(0.21), np.log(4.9), (2, 300)))
    inside = {
        words: np.any(
            [p.contains_points(np.c_[rho_ratio, lam_ratio]) for p in region(axes, words)], axis=0
        )
        for words in ("both: mode 2", "both: mode 1", "JEPA: mode 1", "JEPA: mode 2")
    }
    jepa, mae = (
        dlnflow.critical_time(lam_ratio, rho_ratio, L, eps=eps, objective=objective)
        < dlnflow.critical_time(1.0, 1.0, L, eps=eps, objective=objective)
        for objective in ("jepa", "mae")
    )
    np.testing.assert_array_equal(inside["both: mode 2"], jepa & mae)
    np.testing.assert_array_equal(inside["both: mode 1"], ~jepa & ~mae)
    np.testing.assert_array_equal(inside["JEPA: mode 1"], ~jepa & mae)
    np.testing.assert_array_equal(inside["JEPA: mode 2"], jepa & ~mae)
    assert inside["JEPA: mode 1"].any()


def test_map_title_gives_the_share_of_disagreement():
    title = plot.first_learned_map(4, points=200).get_title()
    axis = np.geomspace(0.2, 5.0, 301)
    rho_ratio, lam_ratio = np.meshgrid(axis, axis)
    first = [
        dlnflow.critical_time(lam_ratio, rho_ratio, 4, objective=objective)
        < dlnflow.critical_time(1.0, 1.0, 4, objective=objective)
        for objective in ("jepa", "mae")
    ]
    share = 100.0 * np.mean(first[0] != first[1])
    stated = float(title.split(" on ")[1].split(" %")[0])
    assert stated == pytest.approx(share, abs=0.5)


def test_map_of_one_objective_and_of_three():
    one = plot.first_learned_map(3, objective="mae")
    assert one.get_title().startswith("MAE learns mode 2 first on ")
    three = plot.first_learned_map(3, objective=("jepa", "layer-1", "mae"))
    assert region(three, "disagree")


def test_map_shows_where_mode_2_starts_as_learned():
    axes = plot.first_learned_map(6, eps=1e-2, rho=0.6)
    (bar,) = [line for line in axes.get_lines() if "starts as learned" in line.get_label()]
    ratio, shown = bar.get_xdata(), np.isfinite(bar.get_ydata())
    np.testing.assert_array_equal(shown, dlnflow.critical_time(1.0, 0.6 * ratio, 6, eps=1e-2) == 0)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"rho_ratio": (2.0, 1.0)}, "rho_ratio must be two rising"),
        ({"lam_ratio": (0.0, 1.0)}, "lam_ratio must be positive"),
        ({"rho": 1e-3}, "eps must lie below"),
        ({"rho": -1.0}, "rho must be positive"),
        ({"eps": [1e-3, 1e-2]}, "must be single numbers"),
        ({"points": 0}, "points must be"),
    ],
)
def test_map_refuses_what_it_cannot_show(bad, words):
    with pytest.raises(ValueError, match=words):
        plot.first_learned_map(3, **bad)


# Every figure

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


@pytest.mark.parametrize("name", EVERY)
def test_every_axes_says_what_it_shows(name):
    for axes in np.ravel(EVERY[name]()):
        for one in (axes, *axes.child_axes):
            assert one.get_xlabel()
            assert one.get_ylabel()
            assert one.get_title()


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
    "part": (plot.trajectories, "Trajectories"),
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
    alike = SimpleNamespace(**{name: getattr(part, name) for name in DRAWN})
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

"""Figures that compute what they show, tested on what they draw and say."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

import dlnflow
from dlnflow import plot
from dlnflow.theory import Objective


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def mode_lines(axes):
    return [line for line in axes.get_lines() if not line.get_label().startswith("_")]


def finding(axes):
    return axes.get_title().splitlines()[1]


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


def test_given_modes_are_those_of_all_panels():
    lam, rho = [1.0, 2.0, -0.5], [0.5, 0.4, -0.2]
    network = {"eps": 1e-3, "clock": "network"}
    panels = plot.paper_panels(lam, rho, 2, **network)
    columns = [(lam, [0.5, 0.5, -0.5]), ([1.0, 1.0, -1.0], rho), (lam, rho)]
    for panel, (one, other) in zip(panels[1], columns, strict=True):
        for mode, line in enumerate(mode_lines(panel)):
            t, w = line.get_data()
            expected = dlnflow.amplitude(t, one[mode], other[mode], 2, objective="mae", **network)
            np.testing.assert_array_equal(w, expected)
    assert "network clock" in panels[1, 2].get_xlabel()


@pytest.mark.parametrize(("given", "missing"), [("lam", "rho"), ("rho", "lam")])
def test_modes_of_the_panels_need_both_numbers(given, missing):
    with pytest.raises(ValueError, match=f"{missing} must be given with {given}: got None"):
        plot.paper_panels(**{given: [1.0, 2.0]})


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


def test_depth_legend_has_at_most_eight_entries_and_many_modes_a_colour_bar():
    few = plot.critical_time_against_depth(1.0, [1.0, 0.9, 0.8, 0.7, 0.6])
    assert len(few.get_legend().get_texts()) == 8
    many = plot.critical_time_against_depth(1.0, np.linspace(0.5, 1.0, 9))
    assert len(many.get_legend().get_texts()) == 3
    (bar,) = [one for one in many.figure.axes if one is not many]
    assert bar.get_ylabel() == r"$\rho$"


@pytest.mark.parametrize("objective", [None, "mae"])
def test_a_simulation_collapses_as_its_modes_do(objective):
    sim = dlnflow.simulate(**MODES, L=2, clock="network")
    mine = plot.collapse(sim, objective=objective)
    theirs = plot.collapse(**MODES, L=2, objective=objective or "jepa", clock="network")
    for one, other in zip(mine.get_lines(), theirs.get_lines(), strict=True):
        np.testing.assert_array_equal(one.get_ydata(), other.get_ydata())
    assert mine.child_axes[0].get_xlabel() == theirs.child_axes[0].get_xlabel()


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        ((dlnflow.simulate(1.0, 0.5, 2), 0.5), {}, ValueError, "must not be given with a Simul"),
        ((dlnflow.simulate(1.0, 0.5, [1, 2]),), {}, ValueError, "L must be the same for all"),
        (
            (dlnflow.simulate(1.0, 0.5, 2),),
            {"objective": "layer-1"},
            ValueError,
            "objective must be one that was simulated, jepa, mae: got 'layer-1'",
        ),
        ((1.0,), {}, TypeError, "rho and L must be given"),
    ],
)
def test_a_simulation_that_does_not_collapse_is_refused(arguments, options, error, words):
    with pytest.raises(error, match=words):
        plot.collapse(*arguments, **options)

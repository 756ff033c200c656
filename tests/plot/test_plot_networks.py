"""Figures of whole networks, tested on what they draw and say."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from dlnflow import network, plot
from dlnflow.network._learning import GREEDY, breakdown
from dlnflow.plot._style import number
from dlnflow.studies import experiments, validity
from dlnflow.studies.validity import ValidityMap

pytestmark = pytest.mark.long

LAM, RHO = np.array([0.7, 1.2, 0.9]), np.array([0.9, 0.6, 0.8])
OTHER = {"probe": "amplitude", "amplitude": "probe"}
WORDS = {"jepa": "JEPA", "mae": "MAE", "layer-1": "target at layer 1"}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def compared(objective="jepa", lam=LAM, rho=RHO, **options):
    xx, yx = np.diag(lam / rho), np.diag(lam)
    net = network.balanced(xx, yx, 2, eps=0.05)
    return network.compare(network.gradient_flow(net, xx, yx, objective=objective, **options))


@pytest.fixture(scope="module")
def order():
    return experiments.order(L=2, eps=0.1, batch_size=64)


@pytest.fixture(scope="module")
def depth():
    return experiments.depth([1, 2], eps=1e-2)


@pytest.fixture(scope="module")
def initialisation():
    return experiments.initialisation([1e-3, 1e-2, 1e-1])


@pytest.fixture(scope="module")
def balance():
    return validity.balance([0.003, 0.01, 0.03])


def labelled(axes, words):
    (line,) = [line for line in axes.get_lines() if line.get_label() == words]
    return line


def predictions(axes):
    return [line for line in axes.get_lines() if line.get_marker() in ("", "None", None)]


def networks(axes):
    return [line for line in axes.get_lines() if line.get_label().startswith("_network")]


def same_colour(line, objective):
    return matplotlib.colors.same_color(line.get_color(), plot.colour(objective))


@pytest.mark.parametrize("objective", ["jepa", "mae", "layer-1"])
def test_lines_are_predicted_and_markers_measured(objective):
    made = compared(objective)
    axes = plot.comparison(made)
    lines, marks = predictions(axes), networks(axes)
    assert len(lines) == len(marks) == 3
    for mode, (line, mark) in enumerate(zip(lines, marks, strict=True)):
        t, drawn = line.get_data()
        np.testing.assert_array_equal(t, made.run.t)
        np.testing.assert_array_equal(drawn, made.predicted[mode])
        seen = np.searchsorted(made.run.t, mark.get_xdata())
        np.testing.assert_array_equal(made.run.t[seen], mark.get_xdata())
        np.testing.assert_array_equal(made.measured[mode][seen], mark.get_ydata())
        assert mark.get_linestyle() == "None"
        assert 8 <= seen.size <= 14
        assert np.ptp(mark.get_ydata()) > 0.8 * np.ptp(made.measured[mode])
        assert matplotlib.colors.same_color(line.get_color(), mark.get_color())


def test_measured_is_drawn_and_not_predicted_where_the_two_differ():
    xx, yx = np.diag(LAM / RHO), np.diag(LAM)
    net = network.unbalanced(xx, yx, 2, eps=0.05, imbalance=0.5)
    made = network.compare(network.gradient_flow(net, xx, yx))
    line, mark = predictions(axes := plot.comparison(made))[0], networks(axes)[0]
    expected = np.interp(mark.get_xdata(), *line.get_data())
    assert np.abs(mark.get_ydata() - expected).max() > 0.02
    assert f"at most {number(made.largest_deviation, 2)} apart" in axes.get_title()


@pytest.mark.parametrize(
    ("measure", "axis", "unit"),
    [("probe", "probe reads", "apart"), ("amplitude", "amplitude", "of a plateau apart")],
)
def test_axis_and_title_say_what_is_compared(measure, axis, unit):
    made = network.compare(compared().run, measure=measure)
    axes = plot.comparison(made)
    assert axis in axes.get_ylabel()
    assert axes.get_title().splitlines()[0].endswith(unit)
    (mark, *_) = networks(axes)
    assert np.isin(mark.get_ydata(), made.measured).all()
    assert not np.isin(
        mark.get_ydata()[1:], network.compare(made.run, measure=OTHER[measure]).measured
    ).any()


def test_the_title_gives_the_largest_deviation_and_the_depths():
    for objective, words in WORDS.items():
        made = compared(objective)
        title = plot.comparison(made).get_title()
        assert title.startswith(f"{words}: $R^2$ of network and closed form")
        assert f"at most {number(max(made.largest_deviation, 1e-10), 2)} apart" in title
        assert "encoder depth $L = 2$, decoder depth $P = 1$" in title
        assert "not drawn" not in title


def test_axes_say_what_is_read_and_the_clock():
    on_paper, on_network = (
        plot.comparison(compared(clock=clock)) for clock in ("paper", "network")
    )
    assert "R^2" in on_paper.get_ylabel()
    assert on_paper.get_xlabel() != on_network.get_xlabel()
    assert "network" in on_network.get_xlabel()


def test_the_largest_modes_are_drawn_and_the_rest_counted():
    made = compared()
    axes = plot.comparison(made, modes=2)
    drawn = [line.get_ydata() for line in predictions(axes)]
    assert len(drawn) == len(networks(axes)) == 2
    np.testing.assert_array_equal(drawn, made.predicted[np.argsort(-made.spectrum.lam)[:2]])
    assert "1 smaller modes not drawn" in axes.get_title()


def test_modes_are_told_apart_without_colour_and_named():
    lam = np.linspace(0.8, 1.5, 8)
    axes = plot.comparison(compared("mae", lam, lam / 2.0))
    lines = predictions(axes)
    assert len({line._unscaled_dash_pattern for line in lines}) == len(lines) == 5
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert sum(r"\lambda" in name and r"\rho" in name for name in names) == 5
    assert names[-2:] == ["closed form", "network"]
    assert r"$\lambda = 1.5$, $\rho = 0.75$" in names


def test_more_modes_have_a_colour_bar_instead_of_a_legend():
    lam = np.linspace(0.8, 1.5, 8)
    axes = plot.comparison(compared("mae", lam, lam / 2.0), modes=8)
    assert len(predictions(axes)) == 8
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["closed form", "network"]
    (bar,) = [one for one in axes.figure.axes if one is not axes]
    assert "mode" in bar.get_ylabel()


@pytest.mark.parametrize("objective", ["jepa", "mae", "layer-1"])
def test_shades_are_those_of_the_objectives_colour(objective):
    middle = predictions(plot.comparison(compared(objective)))[1]
    assert matplotlib.colors.to_rgb(middle.get_color()) == pytest.approx(
        matplotlib.colors.to_rgb(plot.colour(objective)), abs=0.02
    )


def test_a_comparison_of_one_time_can_be_drawn():
    axes = plot.comparison(compared(t=[0.0]))
    assert all(line.get_xdata().size == 1 for line in networks(axes))
    axes.figure.canvas.draw()


def test_a_comparison_draws_itself_on_the_axes_given():
    axes = plt.subplots()[1]
    assert compared().plot(ax=axes) is axes
    assert len(networks(axes)) == 3


def test_order_has_a_panel_for_each_run(order):
    panels = plot.experiment(order)
    assert panels.shape == (2, 2)
    for row, name in zip(panels, ("same", "opposite"), strict=True):
        for axes, objective in zip(row, ("jepa", "mae"), strict=True):
            made = order.comparisons[name, objective]
            for line, curve in zip(predictions(axes), made.predicted, strict=True):
                np.testing.assert_array_equal(line.get_ydata(), curve)
            first = made.measured_time.argmin()
            words = rf"$\rho = {made.spectrum.rho[first]:.2f}$"
            assert axes.get_title().startswith(f"{objective.upper()} learns {words}")
            assert ("disagree" in axes.get_title()) == (name == "opposite")


@pytest.mark.parametrize(
    ("name", "x", "column"),
    [("depth", "L", "gap"), ("initialisation", "eps", "overlap")],
)
def test_lines_are_the_closed_form_and_markers_the_network(name, x, column, request):
    made = request.getfixturevalue(name)
    (axes,) = made.plot()
    for objective, part in made.table.groupby("objective"):
        for words, kind in (("closed form", "predicted"), ("network", "measured")):
            line = labelled(axes, f"{WORDS[objective]}, {words}")
            np.testing.assert_array_equal(line.get_xdata(), part[x])
            np.testing.assert_array_equal(line.get_ydata(), part[f"{kind}_{column}"])
            assert same_colour(line, objective)
            assert (line.get_linestyle() == "None") == (kind == "measured")
            assert (line.get_marker() == "None") == (kind == "predicted")
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert len(names) == 4


def test_the_title_on_depth_gives_the_measured_gaps_of_the_deepest(depth):
    (axes,) = plot.experiment(depth)
    for row in depth.table[depth.table["L"] == 2].itertuples():
        assert f"{row.objective.upper()} ${row.measured_gap:+.2g}$" in axes.get_title()
    assert "$L = 2$" in axes.get_title()
    assert axes.get_xlabel() == "encoder depth $L$"
    assert r"\rho" in axes.get_ylabel()


def test_the_title_on_initialisation_says_where_greedy_learning_ends(initialisation):
    (axes,) = plot.experiment(initialisation)
    for objective, part in initialisation.table.groupby("objective"):
        where = breakdown(part["eps"].to_numpy(), part["measured_overlap"].to_numpy())
        assert f"{number(where, 2)} ({WORDS[objective]})" in axes.get_title()
    assert axes.get_xscale() == "log"
    assert r"\epsilon" in axes.get_xlabel()
    assert "overlap" in axes.get_ylabel()
    assert any(np.all(np.asarray(line.get_ydata()) == GREEDY) for line in axes.get_lines())


def test_the_title_says_so_where_greedy_learning_goes_on():
    made = experiments.initialisation([1e-4, 1e-3], objective="jepa")
    assert plot.experiment(made)[0].get_title() == (
        r"Greedy learning ends above these $\epsilon$ (JEPA)"
    )


def test_the_title_does_not_say_so_where_learning_is_never_greedy():
    made = experiments.initialisation([0.1, 0.2], objective="mae")
    assert made.table["measured_overlap"].min() > GREEDY
    assert "does not end" not in plot.experiment(made)[0].get_title()


def test_experiments_are_drawn_on_the_axes_given(order, depth):
    grid = plt.subplots(2, 2)[1]
    assert plot.experiment(order, ax=grid).tolist() == grid.tolist()
    axes = plt.subplots()[1]
    assert plot.experiment(depth, ax=axes).tolist() == [axes]
    assert plot.experiment(depth, ax=[axes]).tolist() == [axes]


@pytest.mark.slow
def test_lines_are_the_errors_of_times_and_trajectories(balance):
    axes = plot.validity(balance)
    for objective, part in balance.table.groupby("objective"):
        for words, column in (("critical time", "time_error"), ("trajectory", "deviation")):
            line = labelled(axes, f"{WORDS[objective]}: {words}")
            np.testing.assert_array_equal(line.get_xdata(), part["x"])
            np.testing.assert_array_equal(line.get_ydata(), part[column])
            assert same_colour(line, objective)
            filled = matplotlib.colors.same_color(
                line.get_markerfacecolor(), plot.colour(objective)
            )
            assert filled == (column == "time_error")
    assert len(axes.get_lines()) == 4
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert axes.get_xlabel() == balance.variable
    assert "error" in axes.get_ylabel()


def test_the_title_names_the_assumption_and_the_powers(balance):
    title = plot.validity(balance).get_title()
    assert title.startswith("Breaking one assumption: balanced layers\n")
    for name, power in balance.exponents.items():
        assert f"{name.upper()} as $x^{{{power:.2f}}}$" in title


def a_map(x, error, **columns):
    table = pd.DataFrame({"objective": "jepa", "x": x, "time_error": error, "deviation": 0.5})
    return ValidityMap("sense", "nonsense", table.assign(**columns), {"jepa": None})


def test_without_a_power_the_title_gives_the_range():
    title = plot.validity(a_map([0.1, 0.2, 0.3], [0.04, 0.3, 0.6])).get_title()
    assert title.endswith("errors of critical times: JEPA 0.04 to 0.6")


def test_modes_never_learned_have_an_arrowhead_at_the_top_and_no_point():
    axes = plot.validity(a_map([0.1, 0.2, 0.3], [0.04, np.inf, np.inf]))
    top = labelled(axes, "_never learned")
    assert top.get_xdata().tolist() == [0.2, 0.3]
    assert top.get_marker() == "^"
    assert same_colour(top, "jepa")
    assert labelled(axes, "JEPA: critical time").get_xdata().tolist() == [0.1]
    assert "JEPA 0.04 or more" in axes.get_title()
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert "a mode not learned" in names
    axes.figure.canvas.draw()


def test_errors_of_other_formulas_have_lines_of_their_own():
    made = a_map([0.1, 0.2, 0.3], [0.1, 0.2, 0.3], published_error=[0.01, 0.0, 0.03])
    line = labelled(plot.validity(made), "JEPA: published formula, balanced start")
    assert line.get_xdata().tolist() == [0.1, 0.3]
    assert line.get_ydata().tolist() == [0.01, 0.03]
    deep = validity.decoder_depth([1, 2], objective="mae")
    axes = deep.plot()
    own = labelled(axes, "MAE: critical time, closed form for $P$")
    np.testing.assert_array_equal(own.get_ydata(), deep.table["own_error"])
    assert axes.get_xscale() == "linear"


def test_values_over_decades_stand_on_a_log_axis_however_few():
    axes = plot.validity(a_map([250.0, 2500.0, 25_000.0], [0.1, 0.03, 0.01]))
    assert axes.get_xscale() == "log"


def test_a_map_draws_itself_on_the_axes_given(balance):
    axes = plt.subplots()[1]
    assert balance.plot(ax=axes) is axes
    assert len(axes.get_lines()) == 4


@pytest.mark.parametrize("draw", [plot.comparison, plot.experiment, plot.validity])
@pytest.mark.parametrize("made", [None, "depth", 1.0])
def test_what_cannot_be_drawn_is_refused(draw, made):
    with pytest.raises(TypeError, match=r"made must be a dlnflow\.network"):
        draw(made)


def test_axes_that_are_none_or_too_few_are_refused(order, depth, balance):
    for draw, made in ((plot.comparison, compared()), (plot.validity, balance)):
        with pytest.raises(ValueError, match="ax must be a Matplotlib Axes or None: got str"):
            draw(made, ax="axes")
    with pytest.raises(ValueError, match=r"ax must have shape \(2, 2\).*got \(2,\)"):
        plot.experiment(order, ax=plt.subplots(1, 2)[1])
    with pytest.raises(ValueError, match="ax must be an array of Matplotlib Axes"):
        plot.experiment(depth, ax="axes")


@pytest.mark.parametrize("modes", [0, -3, 2.5, "all"])
def test_a_number_of_modes_that_is_not_positive_is_refused_by_name(modes):
    with pytest.raises((ValueError, TypeError), match="modes must"):
        plot.comparison(compared(), modes=modes)

"""Experiments on whole networks, and how errors grow as assumptions are violated."""

import dataclasses
import inspect
import itertools
import math
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from dlnflow.network._learning import breakdown
from dlnflow.studies.experiments import _experiments as experiments
from dlnflow.studies.validity import _measures as measures
from dlnflow.studies.validity import _validity as validity

pytestmark = pytest.mark.long

ORDER = {"L": 4, "eps": 0.02, "lr": 0.1, "batch_size": 128}
STARTS = (1e-4, 1e-3, 1e-2, 1e-1)


@pytest.fixture(scope="module")
def order():
    return experiments.order(**ORDER)


@pytest.fixture(scope="module")
def depth():
    return experiments.depth([1, 2, 3], eps=1e-2)


@pytest.fixture(scope="module")
def initialisation():
    return experiments.initialisation(STARTS)


def test_networks_on_samples_learn_in_the_predicted_order(order):
    table = order.table
    assert len(table) == 16
    error = table["measured_time"] / table["predicted_time"] - 1.0
    assert error.abs().max() < 0.1
    assert error.abs().max() > 1e-4
    for (distribution, _), part in table.groupby(["distribution", "objective"]):
        assert part.sort_values("place")["measured_time"].is_monotonic_increasing
        assert sorted(part["place"]) == [0, 1, 2, 3]
        assert distribution in ("same", "opposite")
    assert all(made.order.tau == pytest.approx(1.0) for made in order.comparisons.values())


def test_the_objectives_disagree_where_they_should_and_nowhere_else(order):
    places = order.table.groupby(["distribution", "objective"])["place"].apply(list)
    same, opposite = (
        [places[name, objective] for objective in ("jepa", "mae")] for name in ("same", "opposite")
    )
    assert same[0] == same[1] == [0, 1, 2, 3]
    assert opposite[0] == [3, 2, 1, 0]
    assert opposite[1] == [0, 1, 2, 3]


def test_the_finding_on_order_names_what_each_objective_learns_first(order):
    assert (
        "opposite order: JEPA starts with rho = 0.95; opposite order: MAE starts with rho = 0.60"
        in order.finding
    )
    assert (
        "same order: JEPA starts with rho = 0.95; same order: MAE starts with rho = 0.95"
        in order.finding
    )
    assert order.finding.count("Kendall tau") == 4
    assert repr(order) == f"Experiment 'order': {order.finding}"


def test_modes_are_those_asked_for():
    modes = (1.0, 0.8), (0.9, 0.7)
    made = experiments.order(modes, modes, L=1, eps=0.1, batch_size=16)
    assert len(made.table) == 8
    assert made.table["lam"].to_numpy() == pytest.approx(np.tile(modes[0], 4))
    assert made.table["rho"].to_numpy() == pytest.approx(np.tile(modes[1], 4))


def test_a_seed_gives_the_same_samples_and_another_seed_others():
    first, again, other = (experiments.order(L=1, eps=0.1, rng=rng) for rng in (3, 3, 4))
    pd.testing.assert_frame_equal(first.table, again.table)
    assert (first.table["measured_time"] != other.table["measured_time"]).all()
    assert first.table["predicted_time"].to_numpy() == pytest.approx(other.table["predicted_time"])


def test_the_gap_between_large_and_small_rho_grows_with_depth_for_a_jepa_alone(depth):
    gaps = depth.table.pivot_table(index="L", columns="objective", values="measured_gap")
    assert gaps["jepa"].is_monotonic_increasing
    assert gaps.loc[3, "jepa"] > 20.0 * gaps.loc[1, "jepa"] > 0.0
    assert (gaps["mae"] < 0.0).all()
    assert gaps["mae"].abs().is_monotonic_decreasing


def test_the_gap_is_the_predicted_one(depth):
    table = depth.table
    assert table["measured_gap"].to_numpy() == pytest.approx(table["predicted_gap"], abs=1e-4)
    assert table["predicted_gap"].to_numpy() != pytest.approx(np.roll(table["predicted_gap"], 1))
    assert list(depth.comparisons) == [(L, one) for L in (1, 2, 3) for one in ("jepa", "mae")]
    assert all(made.largest_deviation < 1e-8 for made in depth.comparisons.values())


def test_the_finding_on_depth_gives_the_gaps_of_the_deepest(depth):
    last = depth.table[depth.table["L"] == 3]
    assert "at L = 3" in depth.finding
    for row in last.itertuples():
        text = (
            f"{row.objective.upper()} {row.measured_gap:+.3g} (predicted {row.predicted_gap:+.3g}"
        )
        assert text in depth.finding


def test_modes_of_equal_lam_are_distinguished_by_rho_in_any_order_given():
    options = {"depths": [2], "eps": 1e-2, "objective": "jepa"}
    one, other = (
        experiments.depth(rho=rho, **options).table["measured_gap"][0]
        for rho in ((1.0, 0.8, 0.5), (0.5, 1.0, 0.8))
    )
    assert one == pytest.approx(other, rel=1e-3)
    assert one > 0.1


def test_learning_windows_overlap_the_more_the_larger_the_start(initialisation):
    for _, part in initialisation.table.groupby("objective"):
        assert part["eps"].tolist() == list(STARTS)
        assert part["measured_overlap"].is_monotonic_increasing
        assert part["measured_overlap"].iloc[0] == 0.0
        assert part["measured_overlap"].iloc[-1] > 0.9


def test_the_overlap_is_the_predicted_one(initialisation):
    table = initialisation.table
    assert table["measured_overlap"].to_numpy() == pytest.approx(
        table["predicted_overlap"], abs=1e-3
    )
    assert table["measured_overlap"].between(0.05, 0.95).any()


def test_the_finding_on_initialisation_says_where_greedy_learning_ends(initialisation):
    for name, part in initialisation.table.groupby("objective"):
        eps = part["eps"].to_numpy()
        seen, due = (
            breakdown(eps, part[f"{k}_overlap"].to_numpy()) for k in ("measured", "predicted")
        )
        assert f"{name.upper()} at eps = {seen:.2g} (predicted {due:.2g})" in initialisation.finding
    assert "nowhere" not in initialisation.finding
    small = experiments.initialisation([1e-4, 1e-3], objective="jepa")
    assert "JEPA at no eps here" in small.finding


def test_learning_that_is_never_greedy_is_not_said_to_stay_so():
    made = experiments.initialisation([0.1, 0.2], objective="mae")
    assert (made.table["measured_overlap"] > 0.9).all()
    assert "nowhere here" not in made.finding


def test_greedy_learning_ends_where_a_straight_line_in_log_eps_has_a_half():
    eps = np.array([1e-4, 1e-3, 1e-2, 1e-1])
    overlaps = np.array([0.0, 0.25, 0.75, 1.0])
    assert breakdown(eps, overlaps) == pytest.approx(10.0**-2.5)
    assert breakdown(eps, np.array([0.0, 0.5, 0.75, 1.0])) == pytest.approx(1e-3)
    assert np.isinf(breakdown(eps, np.array([0.0, 0.1, 0.2, 0.49])))


def interrupting(after):
    """A progress callback that presses Ctrl-C at the report after so many."""
    reports = []

    def report(share, text):
        reports.append(text)
        if len(reports) > after:
            raise KeyboardInterrupt

    return report


@pytest.mark.parametrize(
    "run",
    [
        lambda progress: experiments.depth([1, 2, 3, 4, 5], eps=1e-2, progress=progress),
        lambda progress: validity.balance(np.geomspace(1e-3, 0.3, 40), progress=progress),
    ],
)
def test_an_interrupt_keeps_what_was_measured_and_says_so(run):
    made = run(interrupting(1))
    assert made.stopped == "interrupted"
    assert len(made.table)
    assert np.isfinite(made.table.select_dtypes("number").to_numpy()).all()
    assert "stopped early: interrupted" in repr(made)


@pytest.mark.parametrize(
    ("run", "name"),
    [
        (
            lambda progress: experiments.order(
                L=2, eps=0.1, lr=0.1, batch_size=16, progress=progress
            ),
            "experiment",
        ),
        (
            lambda progress: experiments.depth([1, 2, 3, 4, 5], eps=1e-2, progress=progress),
            "experiment",
        ),
        (
            lambda progress: experiments.initialisation(
                np.geomspace(1e-3, 0.1, 20), progress=progress
            ),
            "experiment",
        ),
        (
            lambda progress: validity.balance(np.geomspace(1e-3, 0.3, 40), progress=progress),
            "map",
        ),
    ],
)
def test_an_error_on_the_way_carries_what_was_measured(run, name, monkeypatch):
    monkeypatch.setattr("dlnflow._common._progress.time", a_second_a_look())
    reports = []

    def report(share, text):
        reports.append(text)
        if len(reports) > 2:
            raise OSError("full disk")

    with pytest.raises(OSError, match="full disk") as caught:
        run(report)
    made = getattr(caught.value, name)
    assert made.stopped == "OSError: full disk"
    assert len(made.table)
    assert "stopped early: OSError: full disk" in repr(made)


def test_an_error_before_anything_was_measured_is_raised_as_it_is(monkeypatch):
    def at_once(*_, **__):
        raise OSError("full disk")

    monkeypatch.setattr(experiments, "gradient_flow", at_once)
    with pytest.raises(OSError, match="full disk") as caught:
        experiments.initialisation([1e-3], objective="jepa")
    assert not hasattr(caught.value, "experiment")


def a_second_a_look():
    """A wall clock on which every look takes a second."""
    ticks = itertools.count()
    return SimpleNamespace(perf_counter=lambda: float(next(ticks)))


def test_an_interrupt_before_anything_was_measured_is_one(monkeypatch):
    def at_once(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(experiments, "gradient_flow", at_once)
    with pytest.raises(KeyboardInterrupt):
        experiments.initialisation([1e-3], objective="jepa")


def test_progress_is_reported_as_runs_are_done():
    reports = []
    experiments.depth(
        [1, 2, 3, 4], eps=1e-2, progress=lambda share, text: reports.append((share, text))
    )
    assert reports
    assert reports == sorted(reports)
    for share, text in reports:
        assert 0.0 <= share <= 1.0
        assert text.startswith("L = ") or (share, text) == (1.0, "done")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: experiments.order(((1.0,), (1.5,))), ValueError, r"same must have every rho in"),
        (
            lambda: experiments.order(opposite=((1.0, -1.0), (0.5, -0.5))),
            ValueError,
            r"opposite must have every rho in \(0, 1\]",
        ),
        (lambda: experiments.order(L=0), ValueError, "L must be a positive integer"),
        (lambda: experiments.order(lr=-0.1), ValueError, "lr must be positive"),
        (lambda: experiments.order(eps=0.0), ValueError, "eps must be positive"),
        (lambda: experiments.depth([0]), ValueError, "depths must be a positive integer"),
        (lambda: experiments.depth([1], rho=[1.2, 0.5]), ValueError, "rho must have every rho"),
        (lambda: experiments.depth([1], objective="gan"), ValueError, "gan"),
        (lambda: experiments.depth([1], rng="seed"), TypeError, "rng"),
        (lambda: experiments.initialisation([0.0]), ValueError, "eps must be positive"),
        (lambda: experiments.initialisation([1e-2], [1.0, 0.9], [1.1, 0.5]), ValueError, "lam and"),
        (lambda: experiments.initialisation([1e-2], progress="yes"), TypeError, "progress must be"),
    ],
)
def test_bad_settings_of_an_experiment_are_refused_by_name(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "power", "objectives"),
    [
        (lambda: validity.commuting([0.02, 0.04, 0.08]), 2.0, 2),
        (lambda: validity.balance([0.003, 0.01, 0.03]), 1.0, 2),
        (lambda: validity.alignment([0.03, 0.06, 0.1]), 2.0, 2),
        (lambda: validity.learning_rate([0.01, 0.03, 0.1]), 1.0, 2),
        (lambda: validity.samples([2000, 20_000, 200_000], seeds=3), -0.5, 2),
        (lambda: validity.ema([0.8, 0.9, 0.97], lr=0.05), 1.0, 1),
    ],
    ids=["commuting", "balance", "alignment", "learning_rate", "samples", "ema"],
)
def test_the_error_grows_as_a_power_of_the_violation(make, power, objectives):
    made = make()
    assert len(made.exponents) == objectives
    for name, part in made.table.groupby("objective"):
        assert made.exponents[name] == pytest.approx(power, abs=0.15)
        assert part["x"].is_monotonic_increasing
        errors = part["time_error"] if power > 0.0 else part["time_error"][::-1]
        assert errors.is_monotonic_increasing
        assert f"{name.upper()} off by {errors.min():.2g} to {errors.max():.2g}" in made.finding
        assert f"as x**{made.exponents[name]:.2f}" in made.finding
    assert made.variable in repr(made)
    assert made.assumption in repr(made)
    assert (made.table["tau"] == 1.0).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "bound"),
    [
        (lambda: validity.commuting([1e-6]), 1e-4),
        (lambda: validity.balance([1e-9]), 1e-4),
        (lambda: validity.alignment([1e-9]), 1e-4),
        (lambda: validity.decoder_depth([1]), 1e-4),
        (lambda: validity.learning_rate([0.01]), 2e-3),
        (lambda: validity.ema([0.0], lr=0.02), 2e-3),
    ],
    ids=["commuting", "balance", "alignment", "decoder_depth", "learning_rate", "ema"],
)
def test_without_a_violation_there_is_no_error(make, bound):
    made = make()
    assert made.table["time_error"].max() < bound
    assert made.exponents == dict.fromkeys(made.exponents)
    assert "as x**" not in made.finding


def test_only_the_paper_is_wrong_about_deep_decoders():
    table = validity.decoder_depth([1, 2, 3]).table
    assert table["own_error"].max() < 1e-4
    assert table["deviation"].max() < 1e-8
    for _, part in table.groupby("objective"):
        error = part["time_error"].tolist()
        assert error[0] < 1e-4
        assert 0.5 < error[1] < error[2]


def test_a_gaussian_start_errs_by_far_more_than_the_published_formula():
    table = validity.initialisation([1e-3, 1e-2], objective="mae", seeds=1).table
    assert (table["time_error"] > 10.0 * table["published_error"]).all()
    assert table["published_error"].is_monotonic_increasing
    assert table["published_error"].between(1e-3, 0.3).all()


def test_the_rate_of_a_map_is_a_share_of_the_stable_one():
    table = validity.learning_rate([0.1, 0.2], objective="mae").table
    assert table["lr"][1] == pytest.approx(2.0 * table["lr"][0])
    assert {"predicted_overlap", "measured_overlap"} <= set(table)


@pytest.mark.slow
def test_a_power_is_fitted_to_small_errors_only():
    made = validity.balance([0.003, 0.01, 0.03, 2.0], objective="mae")
    assert made.table["time_error"].iloc[-1] > 0.2
    small = validity.balance([0.003, 0.01, 0.03], objective="mae")
    assert made.exponents == pytest.approx(small.exponents, rel=1e-9)
    assert validity.balance([0.003, 0.01], objective="mae").exponents == {"mae": None}


def test_a_map_repeats_with_its_seed_and_not_with_another():
    first, again, other = (
        validity.alignment([0.1], objective="mae", rng=rng).table for rng in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first, again)
    assert first["time_error"][0] != pytest.approx(other["time_error"][0], rel=1e-3)


def test_every_map_is_listed_under_its_name():
    public = {
        name
        for name, one in inspect.getmembers(validity, inspect.isfunction)
        if one.__module__ == validity.__name__ and not name.startswith("_")
    }
    assert set(validity.MAPS) == public
    for name, one in validity.MAPS.items():
        assert one.__name__ == name
        assert re.search(r"Examples\n", inspect.getdoc(one))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: validity.commuting([0.0]), ValueError, "angles must be positive"),
        (lambda: validity.balance([-0.1]), ValueError, "imbalances must be positive"),
        (lambda: validity.alignment([math.nan]), ValueError, "angles must be positive"),
        (lambda: validity.initialisation([-1.0]), ValueError, "eps must be positive"),
        (lambda: validity.initialisation([0.1], seeds=0), ValueError, "seeds must be a positive"),
        (lambda: validity.learning_rate([1.0]), ValueError, r"shares must lie in \(0, 1\)"),
        (lambda: validity.samples([0.5]), ValueError, "counts must be a positive integer"),
        (lambda: validity.ema([1.0]), ValueError, "decays|ema"),
        (lambda: validity.ema([0.9], objective="mae"), ValueError, "ema|target"),
        (lambda: validity.decoder_depth([1.5]), ValueError, "depths must be a positive integer"),
        (lambda: validity.decoder_depth([1], objective="gan"), ValueError, "gan"),
        (lambda: validity.balance([0.1], rng="seed"), TypeError, "rng"),
    ],
)
def test_bad_settings_of_a_map_are_refused_by_name(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_an_interrupt_inside_a_run_ends_the_whole_map(monkeypatch):
    """The run cut short is not taken for one in which modes were not learned."""
    real = measures.gradient_flow
    runs = []

    def interrupted_later(*arguments, **settings):
        runs.append(1)
        run = real(*arguments, **settings)
        return dataclasses.replace(run, stopped="interrupted") if len(runs) == 2 else run

    monkeypatch.setattr(measures, "gradient_flow", interrupted_later)
    made = validity.decoder_depth([1, 2, 3], objective="mae")
    assert made.stopped == "interrupted"
    assert made.table["x"].tolist() == [1.0]
    assert np.isfinite(made.table["time_error"]).all()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: experiments.depth([1, 7], eps=0.1), ValueError, "eps must lie below half"),
        (lambda: experiments.order(same=3), ValueError, "same must be a pair"),
        (lambda: experiments.order(lr=0), ValueError, "lr must be positive"),
        (lambda: validity.ema([0.9, 1.0]), ValueError, r"decays must lie in \[0, 1\): got 1"),
        (lambda: validity.ema(objective="mae"), ValueError, "objective must have its target"),
        (lambda: validity.samples([1000, 3]), ValueError, "counts must exceed the dimension"),
        (lambda: validity.decoder_depth(eps=0.8), ValueError, "eps must lie in"),
        (lambda: validity.balance(rng=None), TypeError, "rng must be a non-negative integer"),
    ],
)
def test_settings_are_refused_before_any_network_is_trained(call, error, words, monkeypatch):
    def never(*_, **__):
        raise AssertionError("trained")

    for place in (experiments, measures):
        for name in ("gradient_flow", "gradient_descent"):
            monkeypatch.setattr(place, name, never, raising=False)
    with pytest.raises(error, match=words):
        call()

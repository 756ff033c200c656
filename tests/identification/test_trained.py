import importlib.util
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

import dlnflow
from dlnflow import network
from dlnflow.identification import _trained
from dlnflow.identification._trained import Metric, likeness

BUILD = Path(__file__).parents[2] / "docs" / "_build"
LAM, RHO = np.array([1.0, 0.7, 0.45]), np.array([0.9, 0.75, 0.6])
XX, YX = np.diag(LAM / RHO), np.diag(LAM)


def build_script(name):
    """A module of docs/_build, which is no package."""
    spec = importlib.util.spec_from_file_location(name, BUILD / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def stacked():
    return build_script("stacked_training")


@pytest.fixture(scope="module")
def curves():
    return build_script("reference_curves")


def trained(objective, L, seed=0, *, eps=0.03, width=24, longer=4.0, batch=32):
    """Amplitudes of a network trained by batches from a Gaussian start."""
    rng = np.random.default_rng(seed)

    def sampler(n, rng):
        x = rng.normal(size=(n, 3)) * np.sqrt(np.diag(XX))
        noise = rng.normal(size=(n, 3)) * np.sqrt(np.diag(XX) * (1 - RHO**2))
        return x, x * RHO + noise

    widths = [width] * L + [width if objective == "jepa" else 3]
    start = network.gaussian(XX, YX, L=L, eps=eps, widths=widths, rng=rng)
    options = {"eps": eps, "objective": objective, "clock": "network"}
    steps = int(longer * dlnflow.critical_time(LAM, RHO, L, **options)[0] / 0.05)
    run = network.gradient_descent(
        start, XX, YX, objective=objective, lr=0.05, steps=steps, sampler=sampler,
        batch_size=batch, rng=rng, record=120,
    )  # fmt: skip
    return run.steps, run.w


@pytest.fixture(scope="module")
def mae():
    return trained("mae", 2)


def test_probabilities_sum_to_one_and_agree_with_each_other(mae):
    like = likeness(*mae)
    assert sum(like.probability.values()) == pytest.approx(1)
    assert sum(like.objective.values()) == pytest.approx(1 - like.probability["none"])
    best = max(like.objective, key=like.objective.get)
    for L, share in like.depth.items():
        assert share * like.objective[best] == pytest.approx(like.probability[best, L])
    assert like.neighbours == _trained.NEIGHBOURS


def test_units_of_time_and_amplitude_and_the_origin_of_time_do_not_matter(mae):
    t, w = mae
    for changed in (likeness(7.3 * t, w), likeness(t - 11.0, w), likeness(t, 1e4 * w)):
        np.testing.assert_allclose(changed.classes, likeness(t, w).classes, atol=0.021)
    assert np.abs(likeness(t**2, w).classes - likeness(t, w).classes).max() > 0.1


def test_order_of_modes_does_not_matter(mae):
    t, w = mae
    np.testing.assert_allclose(likeness(t, w[::-1]).classes, likeness(t, w).classes, atol=0.021)


def test_a_mode_given_twice_and_one_that_never_moves_change_little(mae):
    t, w = mae
    zero = np.vstack([w, 0 * w[:1]])
    np.testing.assert_allclose(likeness(t, zero).classes, likeness(t, w).classes)
    twice = likeness(t, np.vstack([w, w[-1:]]))
    assert twice.objective["mae"] == pytest.approx(likeness(t, w).objective["mae"], abs=0.15)


def test_a_single_mode_may_be_given_without_a_list(mae):
    t, w = mae
    np.testing.assert_array_equal(likeness(t, w[0]).classes, likeness(t, w[:1]).classes)


def test_half_of_the_rows_give_nearly_the_same_answer(mae):
    t, w = mae
    full, half = likeness(t, w), likeness(t[::2], w[:, ::2])
    assert half.objective["mae"] == pytest.approx(full.objective["mae"], abs=0.15)


@pytest.mark.long
def test_networks_trained_by_batches_are_told_or_left_open():
    told = [
        (likeness(*trained(objective, 2, seed, eps=eps)).told[0], objective)
        for objective, eps in (("mae", 0.02), ("jepa", 0.1))
        for seed in range(3)
    ]
    assert all(answer in (None, truth) for answer, truth in told)
    assert sum(answer == truth for answer, truth in told) >= 3


@pytest.mark.slow
def test_of_many_networks_trained_by_batches_few_are_told_wrongly():
    told = [
        (likeness(*trained(objective, L, seed, eps=eps)).told[0], objective)
        for objective, L, eps in (
            ("mae", 1, 0.03),
            ("mae", 3, 0.03),
            ("jepa", 1, 0.05),
            ("jepa", 3, 0.12),
        )
        for seed in range(10)
    ]
    assert sum(answer not in (None, truth) for answer, truth in told) <= 2
    assert sum(answer == truth for answer, truth in told) >= 25


def test_permuted_labels_leave_nothing_told(mae, monkeypatch):
    assert likeness(*mae).told[0] == "mae"
    genuine = _trained.reference

    def permuted(size):
        metric = genuine(size)
        return metric._replace(labels=np.random.default_rng(0).permutation(metric.labels))

    monkeypatch.setattr(_trained, "reference", permuted)
    assert likeness(*mae).told == (None, None)
    assert likeness(*mae).objective["mae"] < 0.6


def test_curves_that_no_network_drew_are_rarely_told(curves):
    answers = [
        likeness(*curves.decoy(kind, single, np.random.default_rng([seed, single]))).told[0]
        for kind in curves.DECOYS
        for single in (True, False)
        for seed in range(5)
    ]
    assert sum(answer is not None for answer in answers) <= 0.05 * len(answers)


def test_a_falling_curve_is_like_no_network():
    t = np.linspace(0, 10, 50)
    like = likeness(t, np.exp(-t))
    assert like.probability["none"] == 1
    assert (like.neighbours, like.strange, like.told) == (0, True, (None, None))


def test_a_curve_unlike_all_others_is_strange(mae):
    sawtooth = 5 * np.linspace(0, 1, 100) % 1 + 0.01
    assert likeness(np.arange(100), sawtooth).strange
    assert not likeness(*mae).strange


def test_what_is_told_follows_from_the_probabilities():
    def told(jepa=(0, 0, 0, 0), mae=(0, 0, 0, 0), *, strange=False):
        return _trained.Likeness(np.array([*jepa, *mae, 0.0]), 50, 1.0, strange).told

    sure = (0.01, 0.02, 0.96, 0.01)
    assert told(jepa=sure) == ("jepa", 3)
    assert told(mae=sure) == ("mae", 3)
    assert told(mae=(0.5, 0.5, 0, 0)) == ("mae", None)
    assert told((0.25,) * 4, (0, 0, 0, 0)) == ("jepa", None)
    assert told(mae=(0.36, 0.24, 0.06, 0.24)) == ("mae", None)  # 0.9 but for rounding
    assert told((0.25, 0.25, 0, 0), (0.5, 0, 0, 0)) == (None, None)
    assert told(jepa=sure, strange=True) == (None, None)


def test_a_record_stays_immutable_through_pickle(mae):
    like = pickle.loads(pickle.dumps(likeness(*mae)))
    with pytest.raises(ValueError, match="read-only"):
        like.classes[0] = 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, w: (t[::-1], w), "t must hold at least 15 rising times"),
        (lambda t, w: (t[:10], w[:, :10]), "t must hold at least 15 rising times"),
        (lambda t, w: (t, w[:, 1:]), r"w must have shape \(modes, 120\)"),
        (lambda t, w: (t, w[:0]), r"w must have shape \(modes, 120\)"),
        (lambda t, w: (t, -w), "w must be amplitudes"),
        (lambda t, w: (t, 0 * w), "w must be amplitudes"),
        (lambda t, w: (t, np.where(w == w.max(), np.nan, w)), "w must be finite"),
    ],
)
def test_wrong_arguments_are_refused(mae, change, message):
    with pytest.raises(ValueError, match=message):
        likeness(*change(*mae))


@pytest.mark.parametrize("size", [_trained.SINGLE, _trained.SEVERAL])
def test_the_reference_holds_as_many_networks_of_each_class(size):
    metric = _trained.reference(size)
    counts = np.bincount(metric.labels, minlength=_trained.NONE + 1)
    assert len(set(counts[: _trained.NONE])) == 1
    assert counts[0] > 3 * _trained.NEIGHBOURS
    assert isinstance(metric, Metric)
    assert metric.points.shape == (counts.sum(), metric.projection.shape[1])


@pytest.mark.parametrize("objective", ["jepa", "mae"])
@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize(
    "options", [{}, {"momentum": 0.8}, {"decay": 1e-3}, {"momentum": 0.5, "decay": 1e-3}]
)
def test_stacked_training_is_gradient_descent(stacked, objective, balanced, options):
    check_against_gradient_descent(stacked, objective, balanced, options)


def test_stacked_training_with_a_lagging_target_is_gradient_descent(stacked):
    check_against_gradient_descent(stacked, "jepa", False, {"ema": 0.9})
    with pytest.raises(AssertionError):
        check_against_gradient_descent(stacked, "jepa", False, {"ema": 0.9}, {"ema": 0.8})


def check_against_gradient_descent(stacked, objective, balanced, options, others=None):
    rng, record = np.random.default_rng(0), np.array([0, 1, 10, 300])
    layers = stacked.initialised(objective, [3, 5, 4], np.array([0.1, 0.2]), balanced, rng)
    variance, rho = rng.uniform(0.5, 1.5, (2, 3)), rng.uniform(0.3, 0.9, (2, 3))
    w = stacked.train(
        layers, variance, rho, objective=objective, record=record, rng=rng,
        optimiser=stacked.Optimiser(lr=0.05, **options),
    )  # fmt: skip
    named = dict(others or options)
    named["weight_decay"] = named.pop("decay", 0.0)
    for i in range(2):
        start = network.Network(tuple(x[i] for x in layers[:-1]), (layers[-1][i],))
        xx, yx = np.diag(variance[i]), np.diag(rho[i] * variance[i])
        run = network.gradient_descent(
            start, xx, yx, objective=objective, lr=0.05, steps=300, record=record, **named
        )
        amplitudes = np.linalg.norm(run.encoder, axis=1)
        np.testing.assert_allclose(w[i], amplitudes.T, atol=1e-10)

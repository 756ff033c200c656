"""Generative models have the modes that they state, and their samples agree."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import rotation

from dlnflow import network
from dlnflow.data._spectrum import Spectrum
from dlnflow.generative import Masking, Static, Temporal, noisy_features

KINDS = ("static", "temporal", "masking")
SIGMAS = 5.0
dimensions = st.integers(1, 5)
seeds = st.integers(0, 2**32 - 1)


def random_covariance(d, rng):
    root = rng.normal(size=(d, d + 1))
    return root @ root.T / d


def stable(d, rng, radius=0.9):
    matrix = rng.normal(size=(d, d))
    return radius * matrix / np.abs(np.linalg.eigvals(matrix)).max()


def random_model(kind, d, rng):
    if kind == "static":
        return Static(*rng.uniform(0.1, 2.0, (3, d)), basis=rotation(d, rng))
    if kind == "temporal":
        noise = random_covariance(d, rng)
        return Temporal(stable(d, rng), random_covariance(d, rng), noise, lag=rng.integers(1, 4))
    context = rng.uniform(0.2, 0.7)
    return Masking(random_covariance(d, rng), context, rng.uniform(0.2, 1.0 - context))


def deviations(u, v, expected):
    """Sample means of all products u_i v_j less what is expected, in standard errors."""
    products = u[:, :, None] * v[:, None, :]
    errors = products.std(axis=0) / len(u) ** 0.5
    apart = np.abs(products.mean(axis=0) - expected)
    return np.divide(apart, errors, out=np.zeros_like(apart), where=apart > 1e-12)


def worst(model, x, y):
    xx, yx = model.covariances()
    return max(deviations(x, x, xx).max(), deviations(y, x, yx).max())


# Covariances, against computations that share nothing with the models


@given(dimensions, seeds)
def test_two_views_have_the_covariances_of_the_linear_map_that_makes_them(d, seed):
    rng = np.random.default_rng(seed)
    signal, noise, other = rng.uniform(0.1, 2.0, (3, d))
    basis, none = rotation(d, rng), np.zeros((d, d))
    x, y = np.hstack([basis, basis, none]), np.hstack([basis, none, basis])
    sources = np.diag(np.concatenate([signal, noise, other]))
    found = Static(signal, noise, other, basis=basis).covariances()
    assert np.allclose(found[0], x @ sources @ x.T, atol=1e-14)
    assert np.allclose(found[1], y @ sources @ x.T, atol=1e-14)


@pytest.mark.long
@given(st.integers(1, 12), seeds, st.integers(1, 5))
def test_a_series_has_the_covariances_of_the_sum_of_its_past(d, seed, lag):
    rng = np.random.default_rng(seed)
    dynamics, innovation, noise = (
        stable(d, rng),
        random_covariance(d, rng),
        random_covariance(d, rng),
    )
    powers = [np.eye(d)]
    for _ in range(600):
        powers.append(dynamics @ powers[-1])
    xx = noise + sum(power @ innovation @ power.T for power in powers)
    yx = sum(
        later @ innovation @ power.T for later, power in zip(powers[lag:], powers, strict=False)
    )
    found = Temporal(dynamics, innovation, noise, lag=lag).covariances()
    assert np.allclose(found[0], xx, rtol=1e-9, atol=1e-9 * np.abs(xx).max())
    assert np.allclose(found[1], yx, rtol=1e-9, atol=1e-9 * np.abs(xx).max())


@given(st.integers(1, 4), seeds)
def test_a_masked_vector_has_the_covariances_of_all_its_masks(d, seed):
    rng = np.random.default_rng(seed)
    whole = random_covariance(d, rng)
    chances = rng.dirichlet(np.ones(3))
    xx, yx = np.zeros((2, d, d))
    for fate in itertools.product(range(3), repeat=d):
        context, target = (np.array(fate) == 0).astype(float), (np.array(fate) == 1).astype(float)
        chance = np.prod(chances[list(fate)])
        xx += chance * np.outer(context, context) * whole
        yx += chance * np.outer(target, context) * whole
    found = Masking(whole, chances[0], chances[1]).covariances()
    assert np.allclose(found[0], xx, atol=1e-13)
    assert np.allclose(found[1], yx, atol=1e-13)


# Modes, against the formulas


@pytest.mark.long
@given(st.integers(1, 12), seeds, st.integers(1, 4))
def test_forgetting_and_noise_lower_rho_and_variance_raises_lam(d, seed, lag):
    rng = np.random.default_rng(seed)
    memory, size = rng.uniform(-0.95, 0.95, d), 1.3 ** np.arange(d)
    noise = 0.4 * size
    model = Temporal.from_features(memory, size, noise, lag=lag, basis=rotation(d, rng))
    found = model.spectrum()
    order = np.argsort(-(memory**lag) * size)
    assert np.allclose(found.lam, (size * memory**lag)[order], atol=1e-10 * size[-1])
    assert np.allclose(found.rho, (size * memory**lag / (size + noise))[order], atol=1e-9)
    assert max(found.off_diagonal, found.off_variance) < 1e-18


@given(st.integers(1, 6), seeds)
def test_a_view_has_the_signal_as_lam_and_its_share_as_rho(d, seed):
    rng = np.random.default_rng(seed)
    signal, noise = rng.permutation(1.5 ** np.arange(d)), rng.uniform(0.0, 0.1, d)
    found = Static(signal, noise, 7.0, basis=rotation(d, rng)).spectrum()
    order = np.argsort(-signal)
    assert np.allclose(found.lam, signal[order])
    assert np.allclose(found.rho, (signal / (signal + noise))[order])


@given(st.integers(2, 12), seeds)
def test_masks_of_coordinates_of_equal_variance_keep_the_eigenvectors(d, seed):
    rng = np.random.default_rng(seed)
    mu = rng.permutation(1.3 ** np.arange(d))
    q = rng.uniform(0.1, 0.9)
    r = rng.uniform(0.05, 1.0) * (1.0 - q)
    model = Masking.from_eigenvalues(mu, q, r, rng=rng)
    found, mean = model.spectrum(), mu.mean()
    assert np.allclose(np.linalg.eigvalsh(model.covariance), np.sort(mu))
    assert np.allclose(np.diag(model.covariance), mean)
    falling = -np.sort(-mu)
    assert np.allclose(found.lam, q * r * (falling - mean), atol=1e-12 * mean)
    assert np.allclose(found.variance, q**2 * falling + q * (1.0 - q) * mean)
    assert max(found.off_diagonal, found.off_variance) < 1e-20
    assert np.array_equal(found.rho < 0.0, falling < mean)


@given(st.integers(3, 8), seeds)
def test_masks_of_coordinates_of_unequal_variance_mix_the_eigenvectors(d, seed):
    mu = 1.5 ** np.arange(d)
    model = Masking.from_eigenvalues(mu, 0.5, 0.4, rotation="random", rng=seed)
    assert np.allclose(np.linalg.eigvalsh(model.covariance), mu)
    assert np.ptp(np.diag(model.covariance)) > 0.01
    assert model.spectrum().off_variance > 1e-6


def test_many_eigenvalues_are_no_obstacle():
    mu = np.random.default_rng(0).gamma(0.3, size=300)
    model = Masking.from_eigenvalues(mu, 0.5, 0.5, rng=0)
    assert np.allclose(np.linalg.eigvalsh(model.covariance), np.sort(mu), atol=1e-12 * mu.max())
    assert model.spectrum().off_variance < 1e-20


def test_your_own_rotation_is_that_of_the_eigenvectors():
    turn = rotation(3, np.random.default_rng(0))
    model = Masking.from_eigenvalues([1.0, 2.0, 3.0], 0.5, 0.5, rotation=turn)
    assert np.allclose(turn.T @ model.covariance @ turn, np.diag([1.0, 2.0, 3.0]))


def test_a_block_has_one_common_feature_and_its_others_are_suppressed():
    q, r, sizes = 0.5, 0.3, np.array([4, 3])
    h, v = np.array([0.8, 0.3]), np.array([1.0, 3.0])
    model = Masking.from_blocks(sizes, h, q, r, variance=v)
    found = model.spectrum()
    common, rest = q * r * v * h * (sizes - 1), -q * r * v * h
    every = np.concatenate([common, np.repeat(rest, sizes - 1)])
    own = q * v * np.array([1.0 + q * h * (sizes - 1), 1.0 - q * h])
    order = np.argsort(-every, kind="stable")
    assert np.allclose(found.lam, every[order])
    expected = np.concatenate([own[0], np.repeat(own[1], sizes - 1)])
    assert np.allclose(np.sort(found.variance), np.sort(expected))
    assert np.allclose(found.lam[:2] / found.variance[:2], (common / own[0])[np.argsort(-common)])
    assert found.suppressed == 5
    assert np.allclose(model.covariance[4:, 4:], 3.0 * (0.7 * np.eye(3) + 0.3))


# Samples, within their error bars


@settings(max_examples=15)
@given(st.sampled_from(KINDS), dimensions, seeds)
def test_samples_have_the_exact_covariances_within_five_standard_errors(kind, d, seed):
    rng = np.random.default_rng(seed)
    model = random_model(kind, d, rng)
    x, y = model.sample(20_000, rng)
    assert worst(model, x, y) < SIGMAS
    for side in (x, y):
        assert np.all(np.abs(side.mean(axis=0)) < SIGMAS * side.std(axis=0) / len(x) ** 0.5)
    assert deviations(x[1:], x[:-1], 0.0).max() < SIGMAS
    assert deviations(y[1:], x[:-1], 0.0).max() < SIGMAS


@pytest.mark.long
@settings(max_examples=15)
@given(st.sampled_from(KINDS), seeds)
def test_samples_of_a_slightly_wrong_model_do_not(kind, seed):
    rng = np.random.default_rng(seed)
    model = random_model(kind, 4, rng)
    x, y = model.sample(100_000, rng)
    wrong = {
        "static": lambda: Static(model.signal, 1.2 * model.noise, basis=model.basis),
        "temporal": lambda: Temporal(model.dynamics, 1.2 * model.innovation, model.noise),
        "masking": lambda: Masking(model.covariance, 0.9 * model.context, model.target),
    }
    assert worst(wrong[kind](), x, y) > SIGMAS


def test_the_target_has_the_variance_of_its_own_noise():
    x, y = Static([1.0], [0.5], [3.0]).sample(100_000, 0)
    assert deviations(y, y, 4.0).max() < SIGMAS
    assert deviations(x, x, 1.5).max() < SIGMAS


@given(seeds)
@settings(max_examples=10)
def test_the_future_of_a_series_has_the_covariance_of_its_present(seed):
    rng = np.random.default_rng(seed)
    model = random_model("temporal", 3, rng)
    _, y = model.sample(20_000, rng)
    assert deviations(y, y, model.covariances()[0]).max() < SIGMAS


@pytest.mark.long
def test_a_series_is_stationary_from_its_first_step_and_has_the_lagged_covariances():
    rng = np.random.default_rng(0)
    dynamics, innovation, noise = stable(2, rng), random_covariance(2, rng), np.diag([0.5, 0.1])
    many = np.array([Temporal(dynamics, innovation, noise).series(4, rng) for _ in range(5_000)])
    for lag in (1, 2, 3):
        model = Temporal(dynamics, innovation, noise, lag=lag)
        for start in range(4 - lag):
            assert worst(model, many[:, start], many[:, start + lag]) < SIGMAS
    later = Temporal(dynamics, innovation, noise, lag=2)
    assert worst(later, many[:, 0], many[:, 1]) > SIGMAS


def test_sampled_modes_are_the_exact_ones_negative_rho_among_them():
    models = (
        Static([3.0, 1.0], [3.0, 0.1]),
        Temporal.from_features([0.9, -0.8], [1.0, 3.0], 0.1),
        Masking.from_blocks([2, 2], [0.9, 0.9], 0.5, 0.5, variance=[1.0, 3.0]),
    )
    negative = []
    for model in models:
        exact = model.spectrum()
        sampled = Spectrum.from_samples(*model.sample(50_000, 1))
        assert np.allclose(sampled.rho, exact.rho, atol=0.02)
        negative.append(sampled.suppressed)
    assert negative == [0, 1, 2]


def test_no_coordinate_is_both_context_and_target_and_each_is_as_often_as_asked():
    x, y = Masking(np.eye(3), 0.3, 0.6).sample(100_000, 0)
    assert not np.any((x != 0.0) & (y != 0.0))
    assert np.allclose((x != 0.0).mean(axis=0), 0.3, atol=0.01)
    assert np.allclose((y != 0.0).mean(axis=0), 0.6, atol=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_sample_and_another_does_not(kind):
    model = noisy_features(kind).model
    one, same, other = (model.sample(5, rng) for rng in (3, np.random.default_rng(3), 4))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    if kind == "temporal":
        assert np.array_equal(model.series(5, 3), model.series(5, 3))
        assert not np.array_equal(model.series(5, 3), model.series(5, 4))


# Records and refusals


def test_a_model_keeps_copies_that_cannot_be_changed():
    signal = np.array([1.0, 2.0])
    model = Static(signal, 0.5)
    signal[0] = 9.0
    assert model.signal.tolist() == [1.0, 2.0]
    assert model.noise.tolist() == model.target_noise.tolist() == [0.5, 0.5]
    with pytest.raises(ValueError, match="read-only"):
        model.signal[0] = 9.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.signal = signal
    assert repr(model) == "Static: d = 2"
    said = "Masking: d = 3, context = 0.5, target = 0.25, disjoint = True"
    assert repr(Masking(np.eye(3), 0.5, 0.25)) == said


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: Static([1.0, -1.0], 0.1), ValueError, "signal must be finite and not negative"),
        (lambda: Static(1.0, -0.1), ValueError, "noise must be"),
        (lambda: Static(1.0, 0.1, -1.0), ValueError, "target_noise must be"),
        (lambda: Static([1.0, 2.0], [0.1] * 3), ValueError, "signal and noise must have shapes"),
        (lambda: Static(np.ones((2, 2)), 0.1), ValueError, r"signal and noise must hold one"),
        (lambda: Static([], 0.1), ValueError, "signal and noise must hold one number"),
        (lambda: Static(0.0, 0.0), ValueError, "signal and noise must give"),
        (lambda: Static([1.0, 2.0], 0.1, basis=np.ones((2, 2))), ValueError, "basis must be orth"),
        (lambda: Static([1.0, 2.0], 0.1, basis=np.eye(3)), ValueError, r"basis must have shape"),
        (lambda: Temporal([[1.0]], [[1.0]]), ValueError, "dynamics must have a spectral radius"),
        (lambda: Temporal([1.0], [[1.0]]), ValueError, "dynamics must be a square"),
        (lambda: Temporal([[0.5]], np.eye(2)), ValueError, "innovation must have shape"),
        (lambda: Temporal([[0.5]], [[-1.0]]), ValueError, "innovation must be positive semi"),
        (lambda: Temporal([[0.5]], [[1.0]], [[-1.0]]), ValueError, "noise must be positive semi"),
        (lambda: Temporal([[0.5]], [[0.0]]), ValueError, "innovation and noise must have"),
        (lambda: Temporal([[0.5]], [[1.0]], lag=0), ValueError, "lag must be a positive integer"),
        (lambda: Temporal([[0.5]], [[1.0]], lag=[1, 2]), ValueError, "lag must be a single"),
        (lambda: Temporal.from_features(1.0, 1.0), ValueError, r"memory must lie in \(-1, 1\)"),
        (lambda: Temporal.from_features(0.5, -1.0), ValueError, "variance must be"),
        (lambda: Temporal.from_features(0.5, 1.0, -1.0), ValueError, "noise must be"),
        (lambda: Masking([[1.0, 2.0], [0.0, 1.0]], 0.5, 0.5), ValueError, "covariance must be sym"),
        (lambda: Masking([[1.0, 2.0], [2.0, 1.0]], 0.5, 0.5), ValueError, "covariance must be pos"),
        (lambda: Masking([[0.0]], 0.5, 0.5), ValueError, "covariance must have variance"),
        (lambda: Masking([[1.0]], 1.0, 0.5), ValueError, r"context must lie in \(0, 1\)"),
        (lambda: Masking([[1.0]], 0.5, 0.0), ValueError, r"target must lie in \(0, 1\)"),
        (lambda: Masking([[1.0]], 0.6, 0.5), ValueError, "context and target must have a sum"),
        (lambda: Masking([[1.0]], [0.5], 0.5), ValueError, "context must be a single value"),
        (lambda: Masking.from_blocks([3], -0.6, 0.5, 0.5), ValueError, "correlation must lie"),
        (lambda: Masking.from_blocks([3], 1.1, 0.5, 0.5), ValueError, "correlation must lie"),
        (lambda: Masking.from_blocks([0], 0.5, 0.5, 0.5), ValueError, "sizes must be a positive"),
        (
            lambda: Masking.from_blocks([3], 0.5, 0.5, 0.5, variance=0.0),
            ValueError,
            "variance must be positive",
        ),
        (lambda: Masking.from_eigenvalues([1.0], 0.5, 0.5), ValueError, "eigenvalues must be at"),
        (lambda: Masking.from_eigenvalues([1, -1], 0.5, 0.5), ValueError, "eigenvalues must be fi"),
        (
            lambda: Masking.from_eigenvalues([1, 2], 0.5, 0.5, rotation="even"),
            ValueError,
            "rotation must be one of",
        ),
        (
            lambda: Masking.from_eigenvalues([1, 2], 0.5, 0.5, rotation=np.ones((2, 2))),
            ValueError,
            "rotation must be orthogonal",
        ),
        (lambda: Static(1.0, 1.0).sample(0), ValueError, "n must be a positive integer"),
        (lambda: Masking(np.eye(2), 0.5, 0.5).sample(2.5), ValueError, "n must be a positive"),
        (lambda: Temporal([[0.5]], [[1.0]]).series(3, "seed"), TypeError, "rng must be"),
        (lambda: noisy_features("spatial"), ValueError, "kind must be one of"),
    ],
)
def test_what_makes_no_model_is_refused_by_name(make, error, said):
    with pytest.raises(error, match=said):
        make()


# Noisy features


@pytest.mark.parametrize("kind", KINDS)
def test_the_noisy_feature_is_larger_and_only_mae_learns_it_first(kind):
    case = noisy_features(kind)
    clean, noisy = 0, 1
    assert case.features == ("clean", "noisy")
    assert case.lam[noisy] > case.lam[clean]
    assert case.variance[noisy] > case.variance[clean]
    assert case.rho[noisy] < case.rho[clean] < 1.0
    assert case.learning_order("jepa") == ("clean", "noisy")
    assert case.learning_order("mae") == ("noisy", "clean")
    jepa, mae = case.critical_times("jepa"), case.critical_times("mae")
    assert jepa[noisy] > 1.2 * jepa[clean]
    assert mae[clean] > 1.2 * mae[noisy]
    assert np.all(case.rho**case.L > 5.0 * case.eps)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("setting", [{"L": 1}, {"L": 3, "eps": 1e-3}, {"eps": 1e-6}])
def test_with_less_depth_or_a_tiny_start_jepa_learns_the_noisy_feature_first_too(kind, setting):
    other = dataclasses.replace(noisy_features(kind), **setting)
    assert other.learning_order("jepa") == ("noisy", "clean")


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("objective", ["jepa", "mae"])
def test_a_network_learns_the_two_features_in_the_predicted_order(kind, objective):
    case = noisy_features(kind)
    xx, yx = case.model.covariances()
    net = network.balanced(xx, yx, case.L, eps=case.eps)
    made = network.compare(network.gradient_flow(net, xx, yx, objective=objective))
    predicted = case.critical_times(objective)[::-1]
    assert np.allclose(made.measured_time[:2], predicted, rtol=1e-3)
    assert np.all(np.isinf(made.measured_time[2:]))


def test_all_other_features_of_the_masked_case_are_suppressed():
    spectrum = noisy_features("masking").model.spectrum()
    assert spectrum.lam.size == 32
    assert spectrum.suppressed == 30

"""What a linear probe reads of a feature, from networks and from samples."""

import numpy as np
import pytest
from scipy.stats import ortho_group

import dlnflow
from dlnflow import network
from dlnflow.network._learning import loss_times

LAM, RHO = np.array([1.2, 0.9, 0.65, 0.45]), np.array([0.95, 0.85, 0.75, 0.6])
BASIS = ortho_group.rvs(4, random_state=np.random.default_rng(0))
XX, YX = (BASIS * (LAM / RHO)) @ BASIS.T, (BASIS * LAM) @ BASIS.T
EPS = 1e-2


def by_definition(wbar, xx, v, sigma):
    """``c^T (C + sigma^2 1)^-1 c``, one feature and one encoder at a time."""
    v = v / np.sqrt(v @ xx @ v)
    c = wbar @ xx @ v
    return c @ np.linalg.solve(wbar @ xx @ wbar.T + sigma**2 * np.eye(len(wbar)), c)


def mixed(d=4, width=3, seed=0):
    """Covariances that do not commute, and a narrow unaligned network on them."""
    rng = np.random.default_rng(seed)
    half, mix = rng.normal(size=(2, d, d))
    xx = half @ half.T
    layers = [0.5 * rng.normal(size=shape) for shape in ((5, d), (width, 5), (width, width))]
    return xx, 0.5 * xx @ mix @ mix.T / d, network.Network(layers[:2], layers[2:])


@pytest.fixture(scope="module")
def run():
    xx, yx, net = mixed()
    return network.gradient_flow(net, xx, yx, t=np.linspace(0.0, 5.0, 6), clock="network")


# Networks


@pytest.mark.long
@pytest.mark.parametrize(("L", "P"), [(2, 1), (3, 1), (2, 2)])
@pytest.mark.parametrize("objective", ["jepa", "mae", "layer-1"])
@pytest.mark.parametrize("noise", [{}, {"p": 0.2}, {"sigma": 0.1}], ids=str)
def test_an_aligned_network_reads_as_the_closed_form_says(objective, L, P, noise):
    options = {"eps": EPS, "objective": objective, "decoder_depth": P}
    net = network.balanced(XX, YX, L, **options)
    made = network.gradient_flow(net, XX, YX, objective=objective)
    exact = dlnflow.probe_r2(made.t[:, None], LAM, RHO, L, **options, **noise)
    assert np.abs(made.probe_r2(**noise) - exact).max() < 1e-8
    assert np.abs(made.probe_r2(BASIS, **noise) - exact).max() < 1e-8
    options["objective"] = "mae" if objective != "mae" else "jepa"
    other = dlnflow.probe_r2(made.t[:, None], LAM, RHO, L, **options, **noise)
    assert np.abs(made.probe_r2(**noise) - other).max() > 0.05


def test_any_network_reads_as_by_definition(run):
    filters = np.random.default_rng(1).normal(size=(4, 3))
    sigma = np.array([0.1, 0.5, 2.0])
    made = run.probe_r2(filters, sigma=sigma)
    assert made.shape == (6, 3)
    for k, v in enumerate(filters.T):
        xx = run.data.xx
        direct = [by_definition(wbar, xx, v, sigma[k]) for wbar in run.encoder]
        assert made[:, k] == pytest.approx(direct, rel=1e-10)


def test_the_default_noise_is_a_share_of_the_plateau_of_the_feature_s_own_rho(run):
    xx, yx = run.data.xx, run.data.yx
    v = np.array([1.0, -0.5, 0.2, 0.0])
    v = v / np.sqrt(v @ xx @ v)
    rho = v @ yx @ v
    assert rho > 0.0
    sigma = 0.3 * np.linalg.norm(xx @ v) * dlnflow.plateau(rho, 2)
    assert run.probe_r2(v[:, None], p=0.3) == pytest.approx(run.probe_r2(v[:, None], sigma=sigma))
    flipped = network.gradient_flow(run.start, xx, -yx, t=[0.0, 1.0])
    never = flipped.probe_r2(v[:, None], p=0.3)
    sigma = 0.3 * np.linalg.norm(xx @ v)
    assert never == pytest.approx(flipped.probe_r2(v[:, None], sigma=sigma))


def test_the_scale_of_a_filter_and_the_other_features_do_not_matter(run):
    filters = np.random.default_rng(2).normal(size=(4, 2))
    made = run.probe_r2(filters)
    for scale in (1e-200, -3.0, 1e200):
        assert run.probe_r2(scale * filters) == pytest.approx(made)
    assert run.probe_r2(filters[:, :1])[:, 0] == pytest.approx(made[:, 0])


def test_directions_without_variance_add_nothing():
    xx, yx = np.diag([1.5, 1.0, 0.0]), np.diag([1.0, 0.5, 0.0])
    small = network.gradient_flow(
        network.balanced(xx[:2, :2], yx[:2, :2], 2, eps=0.1), xx[:2, :2], yx[:2, :2], t=[0.0, 9.0]
    )
    whole = network.gradient_flow(network.balanced(xx, yx, 2, eps=0.1), xx, yx, t=[0.0, 9.0])
    filters = np.array([[1.0, 0.3], [0.0, 1.0]])
    padded = np.vstack([filters, [[5.0, -7.0]]])
    assert whole.probe_r2(padded) == pytest.approx(small.probe_r2(filters))


def test_weak_features_are_read_right_beside_strong_ones():
    """Forming the covariance of the outputs would lose what is below 1e-8 of the largest."""
    lam, rho = np.array([1.0, 1e-3]), np.array([1.0, 1e-3])
    xx, yx = np.diag(lam / rho), np.diag(lam)
    net = network.Network([np.diag([1.0, 1e-11])], [np.eye(2)])
    made = network.gradient_flow(net, xx, yx, t=[0.0, 1e-9])
    v, sigma = np.array([[0.0], [1.0]]), 1e-11
    assert made.probe_r2(v, sigma=sigma)[0, 0] == pytest.approx(0.5, rel=1e-9)
    turned = ortho_group.rvs(2, random_state=np.random.default_rng(0))
    net = network.Network([turned @ np.diag([1.0, 1e-11])], [np.eye(2)])
    made = network.gradient_flow(net, xx, yx, t=[0.0, 1e-9])
    assert made.probe_r2(v, sigma=sigma)[0, 0] == pytest.approx(0.5, rel=1e-3)
    by_covariance = np.linalg.eigh(net.embedding @ net.embedding.T)[0][0]
    assert by_covariance != pytest.approx(1e-22, rel=0.9, abs=0.0)


@pytest.mark.parametrize(
    ("features", "options", "message"),
    [
        (np.eye(3), {}, r"features must be filters of the data's dimension, shape \(4, k\): got"),
        (np.ones(4), {}, r"features must be filters .*: got \(4,\)"),
        (np.eye(4) * [1, 1, 0, 1], {}, "features must have variance: filter 2 is zero"),
        (np.full((4, 1), np.nan), {}, "features must be finite"),
        (None, {"sigma": 0.0}, "sigma must be positive and finite: got 0"),
        (None, {"sigma": [1.0, 2.0]}, r"sigma must be a single value or one for each of 4 feat"),
        (None, {"p": 1.0}, r"p must lie in \(0, 1\): got 1"),
    ],
)
def test_what_is_no_filter_or_no_noise_is_refused(run, features, options, message):
    with pytest.raises(ValueError, match=message):
        run.probe_r2(features, **options)


def test_a_filter_along_which_the_data_do_not_vary_is_refused():
    xx, yx = np.diag([1.0, 0.5, 0.0]), np.diag([0.5, 0.2, 0.0])
    made = network.gradient_flow(network.balanced(xx, yx, 1, eps=0.1), xx, yx, t=[0.0, 1.0])
    with pytest.raises(ValueError, match=r"features must have variance: .* none along filter 1"):
        made.probe_r2(np.eye(3)[:, 1:])
    assert made.probe_r2(np.eye(3)[:, :2]).shape == (2, 2)


# Samples


def test_samples_read_as_the_population_of_their_own_covariances(run):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4)) + 7.0
    filters = rng.normal(size=(4, 2))
    xx = np.cov(x.T, bias=True)
    made = network.gradient_flow(run.start, xx, 0.5 * xx, t=[0.0, 1.0])
    outputs = x @ made.encoder[-1].T
    by_samples = network.probe_r2(outputs, 3.0 * x @ filters - 5.0, sigma=[0.3, 0.6])
    assert by_samples == pytest.approx(made.probe_r2(filters, sigma=[0.3, 0.6])[-1], rel=1e-9)
    uncentred = x.T @ x / len(x)
    wrong = [by_definition(made.encoder[-1], uncentred, v, 0.3) for v in filters.T]
    assert by_samples != pytest.approx(wrong, rel=0.05)


@pytest.mark.long
def test_a_regression_on_outputs_with_drawn_noise_explains_the_same_share():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(200_000, 3)) * [1.5, 1.0, 0.5]
    outputs = np.column_stack([np.tanh(x[:, 0] + 0.5 * x[:, 1]), np.maximum(x[:, 1], 0.0)])
    sigma = 0.4
    exact = network.probe_r2(outputs, x, sigma=sigma)
    noisy = outputs + sigma * rng.normal(size=outputs.shape)
    for seen, agrees in ((noisy, True), (outputs, False)):
        centred = seen - seen.mean(axis=0)
        fit = centred @ np.linalg.lstsq(centred, x - x.mean(axis=0), rcond=None)[0]
        explained = fit.var(axis=0) / x.var(axis=0)
        assert bool(np.abs(explained - exact).max() < 0.005) is agrees


def test_a_vector_of_values_gives_one_number():
    x = np.random.default_rng(5).normal(size=(100, 2))
    assert isinstance(one := network.probe_r2(x, x[:, 0], sigma=0.5), float)
    assert one == pytest.approx(network.probe_r2(x, x, sigma=0.5)[0])
    assert network.probe_r2(np.ones((100, 3)), x[:, 0], sigma=0.5) == 0.0
    assert network.probe_r2(1e300 * x, x[:, 0], sigma=0.5) == pytest.approx(1.0)
    assert network.probe_r2(1e-300 * x, 1e300 * x[:, 0], sigma=0.5) == 0.0


@pytest.mark.parametrize(
    ("outputs", "features", "sigma", "message"),
    [
        (np.ones(5), np.arange(5), 1.0, r"outputs must have shape \(n, width\).*: got \(5,\)"),
        (np.ones((5, 2)), np.arange(4), 1.0, r"features must have shape \(5,\) or .*: got \(4,\)"),
        (np.ones((1, 2)), [1.0], 1.0, "outputs must hold at least two samples: got 1"),
        (np.ones((3, 2)), [[1, 2], [2, 2], [3, 2]], 1.0, "features must vary .*: feature 1 is"),
        (np.ones((3, 2)), [1, 2, 3], -1.0, "sigma must be positive and finite: got -1"),
        (np.full((3, 2), np.inf), [1, 2, 3], 1.0, "outputs must be finite"),
        (np.ones((3, 2)), [1, 2, np.nan], 1.0, "features must be finite"),
    ],
)
def test_samples_that_cannot_be_read_are_refused(outputs, features, sigma, message):
    with pytest.raises(ValueError, match=message):
        network.probe_r2(outputs, features, sigma=sigma)


# What amplitudes miss


def faked():
    """A network of nearly equal variances, whose one unit answers to both axes."""
    xx, yx = np.diag([1.0, 1.01]), np.array([[0.5, 0.45], [0.45, 0.5]])
    net, t = network.balanced(xx, yx, 2, eps=1e-3), np.linspace(0.0, 1e5, 2000)
    return xx, yx, network.gradient_flow(net, xx, yx, t=t)


@pytest.fixture(scope="module")
def turned():
    """One unit, a little misaligned, that learned the mode of large lam and turned to large rho."""
    xx, yx = np.diag([2.0, 0.7]), np.diag([1.0, 0.7])
    first = 0.1 * np.array([[np.cos(0.1), np.sin(0.1)]])
    net = network.Network([first, [[0.1]]], [[[0.1]]])
    return network.gradient_flow(net, xx, yx, t=np.linspace(0.0, 2000.0, 2000))


def test_one_unit_is_two_modes_by_amplitude_and_one_by_the_probe():
    xx, yx, run = faked()
    assert np.linalg.svd(run.encoder[-1])[1] == pytest.approx([0.894, 0.001], abs=1e-3)
    variance = dlnflow.Spectrum.from_covariances(xx, yx, basis="variance")
    assert network.compare(run, spectrum=variance, measure="amplitude").learned.sum() == 2
    components = network.compare(run, spectrum=variance)
    assert components.due.sum() == 2
    assert components.learned.sum() == 0
    assert np.all(components.measured[:, -1] < 0.5)
    assert network.compare(run, measure="amplitude").learned.sum() == 2
    probed = network.compare(run)
    assert probed.learned.tolist() == probed.due.tolist() == [True, False]
    assert probed.largest_deviation < 1e-4


def test_a_mode_that_is_lost_again_is_reported_with_both_times(turned):
    by_amplitude, probed = network.compare(turned, measure="amplitude"), network.compare(turned)
    assert by_amplitude.learned.sum() == 2
    assert by_amplitude.tau == pytest.approx(1.0)
    assert probed.lost.tolist() == [True, False]
    first, second = probed.measured_time
    assert first < probed.lost_time[0] < second
    assert np.isinf(probed.lost_time[1])
    r2 = probed.measured[0]
    below = turned.t > probed.lost_time[0]
    assert np.all(r2[below] < 0.5)
    assert r2[~below][-1] >= 0.5
    assert f"lost again: 1 (mode 0 at {probed.lost_time[0]:.4g})" in repr(probed)
    table = probed.to_dataframe()
    assert np.array_equal(table["lost_time"], probed.lost_time)


def test_nothing_is_lost_where_units_do_not_turn():
    net = network.balanced(XX, YX, 2, eps=EPS)
    made = network.compare(network.gradient_flow(net, XX, YX))
    assert np.all(np.isinf(made.lost_time))
    assert not made.lost.any()
    assert "lost" not in repr(made)


def test_a_curve_that_comes_back_is_not_lost():
    t = np.arange(7.0)
    curves = np.array(
        [
            [0.1, 0.5, 2.0, 2.0, 0.5, 0.2, 0.1],
            [0.1, 2.0, 0.5, 2.0, 2.0, 2.0, 2.0],
            [0.1, 2.0, 0.5, 2.0, 2.0, 0.5, 0.1],
            [0.1, 0.2, 0.3, 0.2, 0.1, 0.1, 0.1],
            [2.0, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1],
        ]
    )
    lost = loss_times(t, curves, np.ones(5))
    assert 3.0 < lost[0] < 4.0
    assert 4.0 < lost[2] < 5.0
    assert 0.0 < lost[4] < 1.0
    assert np.isinf(lost[[1, 3]]).all()


@pytest.mark.long
def test_a_mode_that_a_bottleneck_leaves_out_is_learned_early_if_a_unit_turns_to_it():
    xx = np.diag([2.0, 0.7])
    yx = np.array([[1.0, 0.05], [0.05, 0.7]])
    net = network.balanced(xx, yx, 2, eps=1e-2, widths=(1, 1, 1))
    run = network.gradient_flow(net, xx, yx, t=np.linspace(0.0, 3000.0, 3000))
    made = network.compare(run)
    assert made.eps[1] == made.plateau[1] == 0.0
    assert np.isinf(made.predicted_time[1])
    assert made.time_error[1] == -1.0
    assert made.learned.tolist() == [True, True]
    assert made.lost.tolist() == [True, False]
    assert np.isinf(network.compare(run, measure="amplitude").measured_time[1])


@pytest.mark.parametrize("measure", ["probe", "amplitude"])
def test_both_measures_agree_where_the_assumptions_hold(measure):
    net = network.balanced(XX, YX, 2, eps=EPS)
    run = network.gradient_flow(net, XX, YX)
    made = network.compare(run, measure=measure)
    exact = dlnflow.critical_time(LAM, RHO, 2, eps=EPS)
    assert made.measure == measure
    assert made.measured_time == pytest.approx(exact, rel=1e-4)
    assert made.overlap[0] == pytest.approx(made.overlap[1], abs=1e-3)
    assert made.largest_deviation < 1e-8
    late = network.gradient_flow(net, XX, YX, t=run.t[1:])
    again = network.compare(late, measure=measure)
    assert again.measured.shape == again.predicted.shape == (4, late.t.size)
    assert again.measured == pytest.approx(made.measured[:, 1:], rel=1e-6)


def test_an_unknown_measure_is_refused(turned):
    with pytest.raises(ValueError, match="measure must be one of 'probe', 'amplitude': got 'r2'"):
        network.compare(turned, measure="r2")

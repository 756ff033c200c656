"""Where networks start: what each initialisation promises, and what all of them refuse."""

import copy
import pickle
from dataclasses import FrozenInstanceError
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from dlnflow import network
from dlnflow.network import Network, balanced, gaussian, misaligned, unbalanced

D = 5
INITIALISERS = (balanced, misaligned, unbalanced, gaussian)
depths, seeds = st.integers(1, 4), st.integers(0, 2**32 - 1)
OBJECTIVES = ("jepa", "mae", "layer-1")


def data(d=D, seed=0):
    """Covariances in a random basis, modes sorted by falling ``lam``."""
    basis = ortho_group.rvs(d, random_state=np.random.default_rng(seed))
    lam, rho = np.linspace(1.0, 0.5, d), np.linspace(0.4, 0.95, d)
    return basis * (lam / rho) @ basis.T, basis * lam @ basis.T, basis


XX, YX, BASIS = data()


def singular_values(layer):
    return np.linalg.svd(layer, compute_uv=False)


def after_target(net, m):
    """The layers from the target to the output as one matrix."""
    done = np.eye(net.widths[m])
    for layer in net.layers[m:]:
        done = layer @ done
    return done


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one.layers, other.layers, strict=True))


@given(st.lists(st.integers(1, 5), min_size=3, max_size=6), seeds, st.data())
def test_widths_depths_and_products_are_those_of_the_matrices(widths, seed, draw):
    rng = np.random.default_rng(seed)
    layers = [rng.normal(size=(b, a)) for a, b in pairwise(widths)]
    L = draw.draw(st.integers(1, len(layers) - 1))
    net = Network(layers[:L], layers[L:])
    assert net.widths == tuple(widths)
    assert (net.L, net.decoder_depth) == (L, len(layers) - L)
    assert np.array_equal(net.layers[-1], layers[-1])
    x = rng.normal(size=widths[0])
    inside = x
    for i, layer in enumerate(layers):
        inside = layer @ inside
        if i == L - 1:
            assert net.embedding @ x == pytest.approx(inside, rel=1e-10, abs=1e-12)
    assert net.product @ x == pytest.approx(inside, rel=1e-10, abs=1e-12)
    assert repr(net) == (
        f"Network: encoder {'-'.join(map(str, widths[: L + 1]))}, "
        f"decoder {'-'.join(map(str, widths[L:]))}"
    )


def test_a_network_cannot_be_changed_not_even_through_the_matrices_it_was_made_of():
    given_layer = np.eye(2)
    net = Network([given_layer], [np.eye(2)])
    given_layer[0, 0] = 7.0
    assert net.encoder[0][0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        net.decoder[0][0, 0] = 1.0
    with pytest.raises(FrozenInstanceError):
        net.encoder = ()


@pytest.mark.parametrize("again", [lambda net: pickle.loads(pickle.dumps(net)), copy.deepcopy])
def test_a_copy_is_equal_and_as_closed_to_writing(again):
    net = gaussian(XX, YX, 2, rng=3)
    other = again(net)
    assert same(net, other)
    assert (other.L, other.widths) == (net.L, net.widths)
    with pytest.raises(ValueError, match="read-only"):
        other.encoder[0][0, 0] = 1.0


@pytest.mark.parametrize(
    ("encoder", "decoder", "error", "message"),
    [
        ([], [np.eye(2)], ValueError, "encoder must hold at least one matrix: got none"),
        ([np.eye(2)], [], ValueError, "decoder must hold at least one matrix: got none"),
        (np.eye(2), [np.eye(2)], ValueError, "encoder must be a list of matrices: got a single"),
        ([np.eye(2)], np.eye(2), ValueError, "decoder must be a list of matrices: got a single"),
        (
            [np.eye(2), np.eye(3)],
            [np.eye(3)],
            ValueError,
            r"encoder\[1\] must have 2 columns, .* encoder\[0\] gives: got shape \(3, 3\)",
        ),
        (
            [np.eye(2)],
            [np.eye(2), np.eye(3)],
            ValueError,
            r"decoder\[1\] must have 2 columns, .* decoder\[0\] gives",
        ),
        (
            [np.eye(2)],
            [np.eye(3)],
            ValueError,
            r"decoder\[0\] must have 2 columns, the width that encoder\[0\] gives",
        ),
        ([np.eye(2)], [[[1.0, np.nan]]], ValueError, r"decoder\[0\] must be finite: got nan"),
        ([np.ones(2)], [np.eye(2)], ValueError, r"encoder\[0\] must be a matrix .* got \(2,\)"),
        ([np.ones((0, 2))], [np.eye(2)], ValueError, r"encoder\[0\] must be a matrix"),
        (["ab"], [np.eye(2)], TypeError, r"encoder\[0\] must hold real numbers"),
        (5, [np.eye(2)], TypeError, "encoder must"),
        ([np.eye(2)], None, TypeError, "decoder must"),
    ],
)
def test_matrices_that_make_no_network_are_refused_by_name(encoder, decoder, error, message):
    with pytest.raises(error, match=message):
        Network(encoder, decoder)


def test_the_balance_defect_is_the_largest_of_the_neighbours():
    net = Network([[[2.0]], [[2.0]]], [[[1.0]], [[3.0]]])
    assert net.balance_defect == 8.0
    assert net.imbalance == pytest.approx(8.0 / 9.0)
    assert Network([[[0.0]]], [[[0.0]]]).imbalance == 0.0


@given(depths, st.integers(1, 3), st.floats(-12, 0.5), seeds, st.sampled_from([None, *OBJECTIVES]))
@settings(max_examples=40)
def test_balanced_layers_have_one_singular_value_and_modes_the_amplitude_eps(
    L, P, decades, seed, objective
):
    eps = 10.0**decades
    net = balanced(XX, YX, L, eps=eps, objective=objective, decoder_depth=P, rng=seed)
    scale = eps ** (1.0 / L)
    assert (net.L, net.decoder_depth) == (L, P)
    for layer in net.layers:
        assert singular_values(layer) == pytest.approx(np.full(D, scale), rel=1e-13)
    assert net.balance_defect < 1e-14 * scale**2
    assert np.linalg.norm(net.embedding @ BASIS, axis=0) == pytest.approx(np.full(D, eps))


@pytest.mark.parametrize("L", [1, 2, 3])
def test_without_an_objective_the_network_is_aligned_for_every_target(L):
    net = balanced(XX, YX, L, eps=0.1)
    scale = 0.1 ** (1.0 / L)
    for m in range(L + 1):
        assert after_target(net, m) == pytest.approx(scale ** (L + 1 - m) * np.eye(D))
    assert balanced(XX, YX, L, eps=0.1, rng=9).layers[0] == pytest.approx(net.layers[0])


@pytest.mark.parametrize("objective", ["jepa", "mae", "layer-1", ("jepa", "mae")])
def test_with_an_objective_it_is_aligned_for_that_target_and_no_other(objective):
    L, scale = 3, 0.1 ** (1.0 / 3)
    net = balanced(XX, YX, L, eps=0.1, objective=objective, rng=4)
    places = {"jepa": {3}, "mae": {0}, "layer-1": {1}}.get(objective, {0, 3})
    for m in range(L + 1):
        expected = scale ** (L + 1 - m) * np.eye(D)
        aligned = np.allclose(after_target(net, m), expected, atol=1e-12)
        assert aligned == (m in places)


@pytest.mark.parametrize("initialise", INITIALISERS)
def test_a_seed_is_reproducible_and_another_is_another_network(initialise):
    settings = {} if initialise is gaussian else {"objective": "jepa"}
    one = initialise(XX, YX, 2, rng=1, **settings)
    assert same(one, initialise(XX, YX, 2, rng=1, **settings))
    assert same(one, initialise(XX, YX, 2, rng=np.random.default_rng(1), **settings))
    assert not same(one, initialise(XX, YX, 2, rng=2, **settings))
    assert not same(initialise(XX, YX, 2, rng=None, **settings), one)


@pytest.mark.parametrize("objective", [None, "mae", ("jepa", "mae")])
def test_a_bottleneck_passes_the_modes_of_largest_lam(objective):
    net = balanced(XX, YX, 2, eps=0.01, widths=[3, 5, 5], objective=objective)
    assert net.widths == (5, 3, 5, 5)
    assert np.linalg.norm(net.embedding @ BASIS, axis=0) == pytest.approx([0.01] * 3 + [0.0] * 2)
    assert net.balance_defect < 1e-15
    assert net.product @ BASIS[:, :3] == pytest.approx(0.001 * BASIS[:, :3])


@pytest.mark.parametrize("objective", [None, "jepa"])
def test_wide_layers_hold_all_modes_and_nothing_else(objective):
    net = balanced(XX, YX, 2, eps=0.01, widths=[9, 7, 7], objective=objective)
    assert net.widths == (5, 9, 7, 7)
    assert np.linalg.norm(net.embedding @ BASIS, axis=0) == pytest.approx([0.01] * 5)
    assert net.balance_defect < 1e-15
    for layer in net.layers:
        assert np.sum(singular_values(layer) > 1e-12) == D


@given(st.floats(0.01, 1.0), st.sampled_from(OBJECTIVES), depths, seeds)
@settings(max_examples=40)
def test_a_misaligned_output_is_turned_by_the_angle_asked_for_and_stays_balanced(
    angle, objective, L, seed
):
    net = misaligned(XX, YX, L, angle=angle, eps=0.1, objective=objective, rng=seed)
    m = {"jepa": L, "mae": 0, "layer-1": 1}[objective]
    turn = after_target(net, m) / (0.1 ** (1.0 / L)) ** (L + 1 - m)
    assert turn @ turn.T == pytest.approx(np.eye(D), abs=1e-11)
    angles = np.angle(np.linalg.eigvals(turn))
    assert np.sqrt(np.mean(angles**2)) == pytest.approx(angle, rel=1e-6)
    assert net.balance_defect < 1e-14
    assert np.linalg.norm(net.embedding @ BASIS, axis=0) == pytest.approx(np.full(D, 0.1))


@given(st.floats(0.05, 2.0), st.booleans(), st.integers(1, 3), st.integers(1, 2), seeds)
@settings(max_examples=40)
def test_unbalanced_layers_fall_evenly_and_leave_eps_alone(step, rising, L, P, seed):
    sign = -1.0 if rising else 1.0
    settings = {"eps": 0.01, "objective": "jepa", "decoder_depth": P, "rng": seed}
    net = unbalanced(XX, YX, L, imbalance=sign * step, **settings)
    scales = np.log([singular_values(layer)[0] for layer in net.layers])
    assert np.diff(scales) == pytest.approx(np.full(L + P - 1, -sign * step))
    assert np.linalg.norm(net.embedding @ BASIS, axis=0) == pytest.approx(np.full(D, 0.01))
    more = unbalanced(XX, YX, L, imbalance=1.5 * sign * step, **settings)
    assert 1e-3 < net.imbalance < more.imbalance


@pytest.mark.parametrize(("initialise", "name"), [(misaligned, "angle"), (unbalanced, "imbalance")])
def test_a_departure_of_zero_is_the_balanced_network(initialise, name):
    settings = {"eps": 0.01, "objective": "layer-1", "rng": 5}
    own, off = balanced(XX, YX, 3, **settings), initialise(XX, YX, 3, **{name: 0.0}, **settings)
    for a, b in zip(own.layers, off.layers, strict=True):
        assert a == pytest.approx(b, abs=1e-15)
    away = initialise(XX, YX, 3, **{name: 0.2}, **settings)
    assert not np.allclose(away.decoder[-1], own.decoder[-1], rtol=0.05)


@pytest.mark.long
@pytest.mark.parametrize(("L", "widths"), [(1, None), (3, None), (2, [3, 9, 9])])
def test_gaussian_networks_have_the_amplitude_eps_in_the_mean_over_seeds(L, widths):
    eps, count = 0.01, 600
    settings = {"eps": eps, "widths": widths}
    nets = [gaussian(XX, YX, L, rng=seed, **settings) for seed in range(count)]
    squares = np.array([np.sum((net.embedding @ BASIS) ** 2, axis=0) for net in nets])
    error = squares.mean(axis=1).std() / count**0.5
    assert squares.mean() == pytest.approx(eps**2, abs=4.0 * error)
    assert error < 0.05 * eps**2
    assert nets[0].imbalance > 0.1
    variances = [np.var([net.layers[i] for net in nets]) for i in range(L)]
    rows = [layer.shape[0] for layer in nets[0].encoder]
    assert variances * np.array(rows) == pytest.approx(np.full(L, eps ** (2.0 / L)), rel=0.06)


def test_covariances_of_samples_are_centred_and_divide_by_n():
    rng = np.random.default_rng(0)
    x, y = rng.normal(2.0, 1.0, size=(2, 30, 3))
    xx, yx = network.covariances(x, y)
    assert xx == pytest.approx(np.cov(x.T, bias=True))
    assert yx == pytest.approx(np.cov(y.T, x.T, bias=True)[:3, 3:])
    assert yx != pytest.approx(yx.T)


LOW_RANK, LEAKING = np.diag([1.0, 1.0, 0.0]), np.diag([0.5, 0.5, 0.2])
BAD = [
    ({"sigma_xx": np.ones((2, 3))}, ValueError, r"sigma_xx must be a square .* \(2, 3\)"),
    ({"sigma_yx": np.ones(3)}, ValueError, r"sigma_yx must be a square .* got shape \(3,\)"),
    ({"sigma_xx": np.eye(3)}, ValueError, r"must have the same shape.* \(3, 3\) and \(5, 5\)"),
    ({"sigma_xx": np.full((5, 5), np.nan)}, ValueError, "sigma_xx must be finite: got nan"),
    ({"sigma_yx": np.full((5, 5), np.inf)}, ValueError, "sigma_yx must be finite: got inf"),
    ({"sigma_xx": np.triu(np.ones((5, 5)))}, ValueError, "sigma_xx must be symmetric: got 1 at"),
    ({"sigma_xx": -np.eye(5)}, ValueError, "sigma_xx must be positive semi-definite"),
    ({"sigma_xx": np.zeros((5, 5))}, ValueError, "sigma_xx must have variance"),
    ({"sigma_xx": None}, TypeError, "sigma_xx must hold real numbers: got None"),
    (
        {"sigma_xx": LOW_RANK, "sigma_yx": LEAKING},
        ValueError,
        r"sigma_yx must vanish on directions .* got a part of size 0.2 there",
    ),
    ({"eps": 0.0}, ValueError, "eps must be positive and finite: got 0"),
    ({"eps": -1e-3}, ValueError, "eps must be positive and finite: got -0.001"),
    ({"eps": [0.1, 0.2]}, ValueError, "eps must be a single value"),
    ({"L": 0}, ValueError, "L must be a positive integer: got 0"),
    ({"L": 1.5}, ValueError, "L must be a positive integer: got 1.5"),
    ({"L": [1, 2]}, ValueError, "L must be a single value"),
    ({"decoder_depth": 0}, ValueError, "decoder_depth must be a positive integer: got 0"),
    ({"widths": [5, 5]}, ValueError, r"widths must hold one number for each of the 3 layers"),
    ({"widths": 5}, ValueError, r"widths must hold one number for each of the 3 layers"),
    ({"widths": [5, 0, 5]}, ValueError, "widths must be a positive integer: got 0"),
]


@pytest.mark.parametrize("initialise", INITIALISERS)
@pytest.mark.parametrize(("change", "error", "message"), BAD)
def test_bad_input_is_refused_by_every_initialiser(initialise, change, error, message):
    with pytest.raises(error, match=message):
        initialise(**{"sigma_xx": XX, "sigma_yx": YX, "L": 2, **change})


def test_a_target_that_has_no_variance_where_the_context_has_none_is_accepted():
    assert balanced(LOW_RANK, np.diag([0.5, 0.5, 0.0]), 2).widths == (3, 3, 3, 3)


@pytest.mark.parametrize("initialise", INITIALISERS[:3])
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"objective": "jepa", "widths": [5, 3, 5]},
            ValueError,
            "widths must give as many outputs as the target at layer 2 has, 3: got 5",
        ),
        (
            {"objective": "mae", "widths": [5, 3, 3]},
            ValueError,
            "widths must give as many outputs as the target at layer 0 has, 5: got 3",
        ),
        ({"objective": "vae"}, ValueError, "objective must be"),
        ({"objective": "layer-3"}, ValueError, r"target_layer must lie in .* 0..2: got 3"),
    ],
)
def test_outputs_that_cannot_meet_the_target_are_refused(initialise, change, error, message):
    with pytest.raises(error, match=message):
        initialise(XX, YX, 2, **change)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: misaligned(XX, YX, 2, angle=-0.1), "angle must be finite and not negative"),
        (lambda: misaligned(XX, YX, 2, angle=np.inf), "angle must be finite and not negative"),
        (lambda: misaligned(XX, YX, 2, angle=[0.1]), "angle must be a single value"),
        (lambda: unbalanced(XX, YX, 2, imbalance=np.nan), "imbalance must be finite: got nan"),
        (lambda: unbalanced(XX, YX, 2, imbalance=[0.1]), "imbalance must be a single value"),
        (lambda: network.covariances([[1.0, 2.0]], [[1.0, 2.0]]), "x must hold at least 2"),
        (lambda: network.covariances(np.eye(2), np.eye(3)), "x and y must have the same shape"),
        (
            lambda: network.covariances([[1.0], [np.nan]], [[1.0], [2.0]]),
            "x must hold finite numbers: .* nan at row 1, column 0",
        ),
    ],
)
def test_other_bad_input_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()

"""The initialisations of PyTorch: variances, bounds, and the initial amplitude by formula."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlnflow import network
from dlnflow.network import effective_eps, gain_for_eps, variance_scaled

SCHEMES = ("kaiming_uniform", "kaiming_normal", "xavier_uniform", "xavier_normal", "normal")
UNIFORM = ("kaiming_uniform", "xavier_uniform")
D, WIDTHS = 4, (60, 90, 40, 4)
FAN_IN, FAN_OUT = np.array((D, *WIDTHS[:-1])), np.array(WIDTHS)
VARIANCES = {  # of torch.nn.init at its defaults; kaiming_uniform with a = sqrt(5)
    "kaiming_uniform": 1.0 / (3.0 * FAN_IN),
    "kaiming_normal": 2.0 / FAN_IN,
    "xavier_uniform": 2.0 / (FAN_IN + FAN_OUT),
    "xavier_normal": 2.0 / (FAN_IN + FAN_OUT),
    "normal": np.ones(len(WIDTHS)),
}


def drawn(scheme, seed=0, gain=None, widths=WIDTHS, L=3):
    chosen = {"scheme": scheme, "gain": gain, "widths": widths, "decoder_depth": len(widths) - L}
    return variance_scaled(np.eye(D), np.eye(D), L, rng=seed, **chosen)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_weights_have_the_variance_of_pytorch(scheme):
    nets = [drawn(scheme, seed) for seed in range(100)]
    for place, variance in enumerate(VARIANCES[scheme]):
        weights = np.concatenate([net.layers[place].ravel() for net in nets])
        assert np.mean(weights**2) == pytest.approx(variance, rel=0.04)
        assert abs(np.mean(weights)) < 5.0 * np.sqrt(variance / weights.size)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_uniform_weights_fill_their_interval_and_normal_ones_exceed_it(scheme):
    for layer, variance in zip(drawn(scheme).layers, VARIANCES[scheme], strict=True):
        largest = np.abs(layer).max() / np.sqrt(3.0 * variance)
        assert bool(0.95 < largest <= 1.0) is (scheme in UNIFORM)


def test_the_default_is_that_of_a_linear_layer_of_pytorch():
    net = variance_scaled(np.eye(D), np.eye(D), 3, widths=WIDTHS)
    assert all(map(np.array_equal, net.layers, drawn("kaiming_uniform").layers))
    for layer, fan_in in zip(net.layers, FAN_IN, strict=True):
        assert 0.95 < np.abs(layer).max() * np.sqrt(fan_in) <= 1.0


@given(st.sampled_from(SCHEMES), st.floats(1e-3, 1e3), st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_the_gain_is_a_factor_of_every_layer(scheme, gain, seed):
    unit, scaled = (drawn(scheme, seed, one) for one in (1.0, gain))
    for one, other in zip(unit.layers, scaled.layers, strict=True):
        assert other == pytest.approx(gain * one, rel=1e-12)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("L", "widths"), [(1, (7, 4)), (2, (3, 20, 4)), (3, (30, 2, 12, 4))])
def test_the_effective_eps_is_the_average_of_many_networks(scheme, L, widths):
    squares = [
        np.mean(np.linalg.norm(drawn(scheme, seed, 0.2, widths, L).embedding, axis=0) ** 2)
        for seed in range(3000)
    ]
    expected = effective_eps(D, L, scheme=scheme, gain=0.2, widths=widths) ** 2
    error = np.std(squares) / len(squares) ** 0.5
    assert abs(np.mean(squares) - expected) < 4.0 * error
    assert abs(np.mean(squares) - 1.2 * expected) > 4.0 * error


@given(st.sampled_from(SCHEMES), st.floats(1e-6, 1e2), st.integers(1, 3))
def test_the_gain_for_an_eps_gives_this_eps(scheme, eps, L):
    shared = {"scheme": scheme, "widths": WIDTHS}
    gain = gain_for_eps(eps, D, L, **shared)
    assert effective_eps(D, L, gain=gain, **shared) == pytest.approx(eps, rel=1e-12)
    assert effective_eps(D, L, gain=1.01 * gain, **shared) != pytest.approx(eps, rel=1e-3)


def test_the_gain_of_the_normal_scheme_is_the_deviation_of_a_weight():
    net = drawn("normal", gain=0.02)
    assert np.std(net.layers[1]) == pytest.approx(0.02, rel=0.05)
    assert gain_for_eps(effective_eps(D, 3, scheme="normal", gain=0.02), D, 3) == (
        pytest.approx(0.02, rel=1e-12)
    )
    with pytest.raises(ValueError, match="eps must be positive and finite: got 0"):
        gain_for_eps(0.0, D, 3)


def test_only_the_widths_of_the_encoder_make_the_effective_eps():
    assert effective_eps(4, 2, widths=(9, 16)) == effective_eps(4, 2, widths=(9, 16, 3, 4))
    assert effective_eps(4, 2) == effective_eps(4, 2, widths=(4, 4, 4))
    assert effective_eps(4, 2, widths=(9, 16)) == pytest.approx((9 / 4 * 16 / 9) ** 0.5 / 3.0)


def test_a_gaussian_network_of_this_eps_has_amplitudes_of_the_same_size():
    eps = effective_eps(D, 2, scheme="xavier_normal", gain=0.1, widths=(200, 200))
    options = {"widths": (200, 200, D), "rng": 1}
    one = network.gaussian(np.eye(D), np.eye(D), 2, eps=eps, **options)
    other = variance_scaled(np.eye(D), np.eye(D), 2, scheme="xavier_normal", gain=0.1, **options)
    sizes = [np.linalg.norm(net.embedding) for net in (one, other)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.1)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
@pytest.mark.parametrize("scheme", SCHEMES)
def test_weights_scatter_as_those_that_pytorch_draws(scheme):
    import torch

    torch.manual_seed(0)
    options = {"a": 5**0.5} if scheme == "kaiming_uniform" else {}
    theirs = torch.empty(300, 200)
    getattr(torch.nn.init, f"{scheme}_")(theirs, **options)
    ours = variance_scaled(np.eye(200), np.eye(200), 1, scheme=scheme, widths=(300, 200))
    for moment in (2, 4):
        mean = np.mean(ours.encoder[0] ** moment)
        assert mean == pytest.approx(float((theirs**moment).mean()), rel=0.05)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"scheme": "he"}, ValueError, "scheme must be one of .*kaiming_uniform.*: got 'he'"),
        ({"gain": 0.0}, ValueError, "gain must be positive and finite: got 0"),
        ({"gain": "1"}, TypeError, "gain must hold real numbers: got '1'"),
        ({"widths": (3,)}, ValueError, "widths must hold one number for each of the"),
        ({"widths": (3, 0, 4)}, ValueError, "widths must"),
        ({"L": 0}, ValueError, "L must"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(options, error, message):
    L, rest = options.get("L", 2), {k: v for k, v in options.items() if k != "L"}
    with pytest.raises(error, match=message):
        variance_scaled(np.eye(4), np.eye(4), L, **rest)
    with pytest.raises(error, match=message):
        effective_eps(4, L, **rest)


def test_a_dimension_that_is_none_is_refused():
    with pytest.raises(ValueError, match="d must"):
        effective_eps(0, 2)


@pytest.mark.parametrize("gain", [1e-300, 1e300])
def test_an_effective_eps_beyond_floats_is_refused(gain):
    with pytest.raises(ValueError, match="must keep eps within the range of floats"):
        network.effective_eps(3, 2, gain=gain)

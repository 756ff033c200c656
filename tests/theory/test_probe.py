"""What a linear probe reads of a mode, in closed form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dlnflow

MODES = {"lam": 1.2, "rho": 0.7, "L": 3, "eps": 1e-2}
NAMES = st.sampled_from(["jepa", "mae", "layer-1"])


@pytest.mark.long
@given(
    st.floats(0.1, 10.0),
    st.floats(0.2, 3.0),
    st.integers(1, 5),
    st.sampled_from([1e-3, 1e-2]),
    st.floats(0.05, 0.95),
    NAMES,
    st.integers(1, 2),
)
def test_half_can_be_read_at_the_critical_time(lam, rho, L, eps, p, objective, P):
    modes = {"lam": lam, "rho": rho, "L": L, "eps": eps, "objective": objective}
    modes["decoder_depth"] = P
    time = dlnflow.critical_time(p=p, **modes)
    if time > 0.0:
        around = np.array([1.0 - 1e-12, 1.0 + 1e-12]) * time
        before, after = dlnflow.probe_r2(around, p=p, **modes)
        assert before <= 0.5 + 1e-12
        assert after >= 0.5 - 1e-12
        assert np.all(dlnflow.probe_r2(around, p=0.9 * p, **modes) > 0.5)


def test_half_can_be_read_at_the_amplitude_of_the_noise():
    sigma, s = np.array([0.05, 0.1, 0.3]), MODES["lam"] / MODES["rho"]
    time = dlnflow.hitting_time(sigma / np.sqrt(s), **MODES)
    assert np.all(time > 0.0)
    assert dlnflow.probe_r2(time, sigma=sigma, **MODES) == pytest.approx(0.5)
    assert np.abs(dlnflow.probe_r2(time, sigma=2.0 * sigma, **MODES) - 0.5).min() > 0.1


@pytest.mark.parametrize("clock", ["paper", "network"])
@pytest.mark.parametrize("objective", ["jepa", "mae", "layer-1"])
def test_it_is_the_share_of_signal_in_signal_plus_noise(objective, clock):
    modes = {**MODES, "objective": objective, "clock": clock, "decoder_depth": 2}
    t = np.append(np.linspace(0.0, 2.0 * dlnflow.critical_time(**modes), 50), np.inf)
    signal = dlnflow.amplitude(t, **modes) ** 2 * MODES["lam"] / MODES["rho"]
    assert dlnflow.probe_r2(t, sigma=0.2, **modes) == pytest.approx(signal / (signal + 0.04))


def test_every_argument_broadcasts():
    t, p = np.linspace(0.0, 500.0, 5), np.array([0.3, 0.6])[:, None]
    lam = np.array([1.0, 2.0, -0.5])[:, None, None]
    made = dlnflow.probe_r2(t, lam, 0.5 * lam, 2, eps=1e-2, p=p)
    assert made.shape == (3, 2, 5)
    one = dlnflow.probe_r2(t[3], 2.0, 1.0, 2, eps=1e-2, p=0.6)
    assert isinstance(one, float)
    assert made[1, 1, 3] == one
    assert dlnflow.probe_r2([], 2.0, 1.0, 2).shape == (0,)


@pytest.mark.parametrize(
    "mode", [{"lam": -1.0, "rho": -0.5}, {"lam": 0.0, "rho": 0.0, "variance": 2.0}]
)
def test_a_mode_without_plateau_is_read_through_the_noise_of_a_plateau_of_one(mode):
    t = [0.0, 100.0, np.inf]
    made = dlnflow.probe_r2(t, **mode, L=2, eps=0.1, p=0.4)
    w = dlnflow.amplitude(t, **mode, L=2, eps=0.1)
    assert made == pytest.approx(w**2 / (w**2 + 0.16))
    s = 2.0
    given_noise = dlnflow.probe_r2(t, **mode, L=2, eps=0.1, sigma=0.4 * np.sqrt(s))
    assert given_noise == pytest.approx(made)
    assert made[-1] == 0.0


def test_floors_beyond_the_range_of_floats_give_no_nan():
    t = [0.0, 1.0, np.inf]
    assert np.all(dlnflow.probe_r2(t, 1e-200, 1e-200, 5, sigma=1e-308) >= 0.0)
    assert np.all(dlnflow.probe_r2(t, -1.0, -0.5, 2, sigma=5e-324)[:2] == 1.0)
    assert dlnflow.probe_r2(np.inf, -1.0, -0.5, 2, sigma=5e-324) == 0.0
    assert np.all(dlnflow.probe_r2(t[:2], -1.0, -0.5, 2, sigma=1e308) == 0.0)
    assert np.all(dlnflow.probe_r2(t, 1.0, 1e-300, 1, eps=1e-300) <= 1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"t": -1.0}, "t must not be negative or NaN: got -1"),
        ({"p": 1.0}, r"p must lie in \(0, 1\): got 1"),
        ({"sigma": 0.0}, "sigma must be positive and finite: got 0"),
        ({"sigma": [0.1, -1.0]}, r"sigma must be positive and finite: got -1 at index \(1,\)"),
        ({"lam": -1.0}, "lam and rho must have the same sign"),
        ({"t": [1.0, 2.0], "sigma": [1.0] * 3}, r"t and sigma .* \(2,\) and \(3,\)"),
        ({"t": [1.0, 2.0], "p": [0.1] * 3}, r"t and p .* \(2,\) and \(3,\)"),
    ],
)
def test_what_is_no_noise_or_no_mode_is_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        dlnflow.probe_r2(**{"t": 1.0, **MODES, **change})

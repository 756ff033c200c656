"""Whether curves are explained is decided before by which candidate."""

import numpy as np
import pytest

import dlnflow
from dlnflow.identification._window import learning

T = np.linspace(0.0, 60.0, 80)
TRUE = dlnflow.amplitude(T, [[1.0], [1.1]], [[0.8], [0.5]], 3, eps=0.01, objective="mae")


def noisy(w, size, seed=0):
    return w + size * np.max(w, axis=-1, keepdims=True) * np.random.default_rng(seed).normal(
        size=w.shape
    )


def wrong_curves(name, rng, t):
    """Curves of no network: ``TRUE`` is the negative control."""
    x, width = t / t[-1], rng.uniform(0.04, 0.09)
    step = 1.0 / (1.0 + np.exp(-(x - rng.uniform(0.3, 0.5)) / width))
    damping, turn = rng.uniform(4.0, 7.0), rng.uniform(12.0, 25.0)
    start = rng.uniform(0.005, 0.05)
    return {
        "logistic": step,
        "exponential": start + 1.0 - np.exp(-x / rng.uniform(0.1, 0.3)),
        "overshoot": start + 1.0 - np.exp(-damping * x) * np.cos(turn * x),
        "collapse": start + step / (1.0 + np.exp((x - 0.75) / 0.04)),
        "power law": start + x ** rng.uniform(0.3, 0.8),
        "loss": 0.1 + np.exp(-x / rng.uniform(0.05, 0.2)),
        "random walk": np.abs(0.4 + 0.03 * np.cumsum(rng.normal(size=t.size))),
    }[name]


@pytest.mark.parametrize(
    "name",
    ["logistic", "exponential", "overshoot", "collapse", "power law", "loss", "random walk"],
)
@pytest.mark.parametrize("size", [0.0, 0.01])
def test_no_network_is_told_from_curves_of_no_network(name, size):
    for seed in range(4):
        rng = np.random.default_rng([seed, 1])
        for times in (16, 40):
            t = np.linspace(0.0, 60.0, times)
            w = np.maximum(noisy(wrong_curves(name, rng, t), size, seed), 1e-4)
            assert str(dlnflow.identify(t, w).answer) == "cannot tell", (seed, times)


def test_networks_are_told_from_curves_with_as_few_times():
    t = np.linspace(0.0, 60.0, 16)
    w = dlnflow.amplitude(t, 1.0, 0.8, 3, eps=0.01, objective="mae")
    assert str(dlnflow.identify(t, w).answer) == "MAE, L = 3"
    assert dlnflow.identify(t, noisy(w, 0.01)).explained


@pytest.mark.parametrize("size", [1e-3, 0.01, 0.05])
@pytest.mark.parametrize("times", [12, 30, 80])
def test_noise_is_taken_for_noise(size, times):
    t = np.linspace(0.0, 60.0, times)
    w = dlnflow.amplitude(t, 1.0, 0.8, 2, eps=0.02, objective="mae")
    runs = np.abs(np.stack([noisy(w, size, seed) for seed in range(100)]))
    found = dlnflow.identify_each(t, runs, objective="mae", L=2, noise="absolute")
    assert sum(one._found.whole.grade == "noise" for one in found) >= 97
    spread = np.array([one.misfit for one in found])
    assert np.isclose(np.median(spread), size * np.sqrt(1.0 - 3.0 / times), rtol=0.3)


def test_a_misfit_that_is_slow_is_no_noise_however_few_the_times():
    t = np.linspace(0.0, 60.0, 24)
    w = dlnflow.amplitude(t, 1.0, 0.8, 2, eps=0.02, objective="mae")
    slow = w * (1.0 + 0.05 * np.sin(t / 7.0))
    assert not dlnflow.identify(t, slow, noise="absolute").explained
    shuffled = w + np.random.default_rng(0).permutation(slow - w)
    assert dlnflow.identify(t, shuffled, noise="absolute").explained


def test_a_slow_misfit_below_1_percent_explains_to_1_percent():
    found = dlnflow.identify(T, TRUE * (1.0 + 0.004 * np.sin(T / 5.0)))
    assert found.verdict.startswith("explained to 1 % (off by 0.")
    assert 5e-4 < found.misfit < 1e-2
    assert repr(found).startswith(f"Identification: {found.verdict}")
    assert found.explain().startswith(found.verdict)


def test_where_none_fits_no_evidence_is_given_and_nothing_estimated_is_printed():
    found = dlnflow.identify(T, wrong_curves("random walk", np.random.default_rng(0), T))
    assert found.ranking["weight"].isna().all()
    assert "evidence" not in repr(found) + found.explain()
    assert "rho" not in repr(found)
    assert found.verdict.startswith("no candidate explains these curves: the nearest, ")
    assert f"is off by {100.0 * found.misfit:.2g} % of the amplitude" in found.verdict


def fails_in(w, **options):
    return dlnflow.identify(T, w, **options).verdict


def test_the_verdict_says_where_the_best_candidate_fails():
    fall = np.where(T > 40.0, 0.3, 1.0)
    assert "a fall after the plateau" in fails_in(TRUE[0] * fall)
    broken = np.vstack([TRUE[0], TRUE[1] * fall])
    assert "a fall after the plateau of mode 1" in fails_in(broken)
    top = TRUE[0].max()
    exact = {"objective": "mae", "L": 3, "lam": 1.0, "rho": 0.8, "eps": 0.01, "noise": "absolute"}
    assert "in the plateau" in fails_in(TRUE[0] + 0.3 * top * (T > 45.0), **exact)
    assert "in the rise" in fails_in(TRUE[0] + 0.15 * top * (T < 8.0), **exact)


def test_one_point_in_the_transition_decides_nothing():
    tc = float(dlnflow.critical_time(1.0, 0.64, 2, eps=1e-4))
    t = np.linspace(0.0, 3.0 * tc, 40)
    w = dlnflow.amplitude(t, 1.0, 0.64, 2, eps=1e-4)
    found = dlnflow.identify(t, noisy(w, 1e-3), noise="absolute")
    assert str(found.answer) == "cannot tell"
    assert "decides nothing" in repr(found)
    fine = np.linspace(0.9 * tc, 1.3 * tc, 60)
    seen = dlnflow.identify(fine, dlnflow.amplitude(fine, 1.0, 0.64, 2, eps=1e-4))
    assert str(seen.answer) == "JEPA, L = 2"


def test_a_sigma_that_the_data_contradict_tells_nothing():
    wide = noisy(TRUE, 0.01)
    with pytest.warns(UserWarning, match="sigma is contradicted"):
        found = dlnflow.identify(T, wide, sigma=1e-4)
    assert str(found.answer) == "cannot tell"
    assert "contradict the sigma given" in found.verdict
    assert str(dlnflow.identify(T, wide, sigma=0.01 * TRUE.max()).answer) == "MAE, L = 3"


def test_too_few_times_with_noise_tell_nothing():
    t = np.linspace(0.0, 60.0, 10)
    w = dlnflow.amplitude(t, [[1.0], [1.1]], [[0.8], [0.5]], 3, eps=0.01, objective="mae")
    assert str(dlnflow.identify(t, w).answer) == "MAE, L = 3"
    found = dlnflow.identify(t, noisy(w, 1e-3))
    assert str(found.answer) == "cannot tell"
    assert "fewer than 12 times" in found.verdict


def test_trained_networks_that_are_no_candidates_are_not_the_answer():
    t = np.linspace(0.0, 60.0, 120)
    w = dlnflow.amplitude(t, [[1.0], [0.8]], [[0.8], [0.6]], 2, eps=0.02, objective="mae")
    off = w * (1.0 + 0.05 * np.sin(t / 6.0))
    assert dlnflow.identify(t, off).answer[::2] == (dlnflow.MAE, "trained networks")
    found = dlnflow.identify(t, off, objective="jepa")
    assert str(found.answer) == "cannot tell"
    assert "none of the candidates given" in repr(found)


def test_a_jump_between_two_rows_tells_nothing():
    w = np.r_[np.full(79, 0.01), 1.0]
    assert str(dlnflow.identify(T, w).answer) == "cannot tell"


def test_a_mode_that_is_lost_gives_lam_and_rho_from_its_learning():
    lost = noisy(TRUE, 0.005) * np.exp(-np.maximum(T - 45.0, 0.0) / 4.0)
    found = dlnflow.identify(T, lost, objective="mae", L=3)
    assert not found.explained
    assert np.allclose(found.rho, [0.8, 0.5], rtol=0.05)
    assert np.allclose(found.lam, [1.0, 1.1], rtol=0.2)


def test_falling_modes_alone_tell_no_network():
    w = dlnflow.amplitude(T, [[-0.5], [-0.8]], [[-0.4], [-0.7]], 2, eps=0.5)
    found = dlnflow.identify(T, noisy(w, 1e-3))
    assert found.explained
    assert str(found.answer) == "cannot tell"
    assert "no mode rises" in repr(found)


def test_a_growth_law_of_no_network_can_refute_all_candidates():
    t = np.linspace(0.0, 20.0, 200)
    logistic = noisy(1.0 / (1.0 + np.exp(8.0 - t)), 0.02)
    found = dlnflow.identify(t, logistic, noise="absolute")
    assert not found.explained
    few = dlnflow.identify(t[::10], logistic[::10], noise="absolute")
    assert str(few.answer) == "cannot tell"


def test_residuals_that_repeat_their_neighbours_count_once():
    def share(times, size, wave):
        """Evidence of the second candidate, with noise or with a slow misfit."""
        t = np.linspace(0.0, 60.0, times)
        w = dlnflow.amplitude(t, [[1.0], [1.1]], [[0.8], [0.5]], 4, eps=0.01, objective="mae")
        w = noisy(w * (1.0 + wave * np.sin(t / 5.0)), size)
        found = dlnflow.identify(t, w, objective="mae", L=[3, 4, 5], noise="relative")
        return found.weight[1]

    few, many = (share(times, 0.0, 0.004) for times in (80, 800))
    assert 0.5 < few / many < 2.0
    assert few > 1e-8
    few, many = (share(times, 0.004, 0.0) for times in (80, 800))
    assert many < 1e-3 * few


def test_amplitudes_up_to_a_factor_tell_the_same_network():
    plain = dlnflow.identify(T, noisy(TRUE, 1e-3))
    scaled = dlnflow.identify(T, 7.0 * noisy(TRUE, 1e-3), measure="scaled")
    assert str(plain.answer) == str(scaled.answer) == "MAE, L = 3"
    assert "up to powers of one unknown factor" in scaled.explain()
    assert "unknown factor" not in plain.explain()
    with pytest.raises(ValueError, match="lam and rho must be left out where measure is 'scaled'"):
        dlnflow.identify(T, TRUE, measure="scaled", rho=[0.8, 0.5])


@pytest.mark.parametrize("sigma", [0.3, 1.0])
def test_what_a_probe_reads_tells_the_same_network(sigma):
    r2 = TRUE**2 / (TRUE**2 + sigma**2)
    noise = 2e-3 * np.random.default_rng(0).normal(size=r2.shape)
    found = dlnflow.identify(T, r2 + noise, measure="probe")
    assert str(found.answer) == "MAE, L = 3"
    assert np.allclose(found.predict(T), r2, atol=4e-3)
    assert np.allclose(found.rho * sigma ** (4.0 / 3.0), [0.8, 0.5], rtol=0.05)
    assert "in units of the probe's noise" in found.explain()
    assert str(dlnflow.identify(T, r2 + noise).answer) != "MAE, L = 3"
    with pytest.raises(ValueError, match=r"w must be R2, at most 1.*got 1\.\d+ in mode 0"):
        dlnflow.identify(T, 2.0 * r2 / r2.max(), measure="probe")
    with pytest.raises(ValueError, match="noise must be 'absolute' where measure is 'probe'"):
        dlnflow.identify(T, r2, measure="probe", noise="relative")


def test_modes_are_called_by_their_names():
    flat = np.vstack([TRUE, np.full(T.size, 0.3)])
    names = ["Colour", "shape", "noise"]
    with pytest.warns(UserWarning, match="w does not change in mode noise"):
        found = dlnflow.identify(T, flat, names=names)
    assert found.names == ("Colour", "shape", "noise")
    assert found.to_dataframe()["mode"].tolist() == names
    assert "Mode noise never moves" in found.explain()
    broken = TRUE * np.array([np.ones(T.size), np.where(T > 40.0, 0.2, 1.0)])
    assert "of mode shape" in dlnflow.identify(T, broken, names=names[:2]).verdict
    for wrong in (["a"], ["a", "a"], "ab"):
        with pytest.raises(ValueError, match="names must be 2 different names"):
            dlnflow.identify(T, TRUE, names=wrong)


def test_only_the_learning_of_a_mode_is_fitted_where_alignment_comes_first():
    t = np.linspace(0.0, 60.0, 120)
    w = dlnflow.amplitude(t, 1.0, 0.8, 2, eps=1e-3, objective="mae")
    aligning = np.sqrt(w**2 + (0.12 * np.exp(-t / 6.0)) ** 2)
    found = dlnflow.identify(t, noisy(aligning, 2e-3), noise="absolute")
    assert not found.explained
    assert not found.used[0, 0]
    assert found.used[0, -1]
    assert "Fitted only where each mode learns" in repr(found)
    assert np.isclose(found.predict(t)[-1], aligning[-1], rtol=0.01)
    assert np.isnan(found.residuals[~found.used[0]]).all()
    assert dlnflow.identify(t, noisy(w, 2e-3), noise="absolute").used.all()


def test_a_mode_learns_from_its_rise_until_it_is_lost():
    w = np.concatenate([np.full(20, 0.05), np.linspace(0.05, 1.0, 20), np.ones(20), np.zeros(20)])
    inside = np.flatnonzero(learning(w[None])[0])
    assert 20 <= inside[0] <= 24
    assert 56 <= inside[-1] <= 60
    assert learning(np.linspace(1.0, 2.0, 30)[None]).all()
    assert learning(w[None, ::12]).all()

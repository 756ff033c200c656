"""Which network explains measured trajectories: right on exact ones, honest on noisy ones."""

import pickle

import numpy as np
import pytest
import scipy.optimize

import dlnflow
from dlnflow.hyperlogistic import Branch
from dlnflow.identification._candidates import laws
from dlnflow.identification._trajectory import Trajectory

POINTS = 100


def case(rng, deepest=6, before=0.0, p=0.97):
    """A random network, and times through its mode's transition."""
    while True:
        objective, L = str(rng.choice(["jepa", "mae"])), int(rng.integers(1, deepest + 1))
        lam, rho, eps = rng.uniform(0.3, 2.0), rng.uniform(0.1, 0.95), 10 ** rng.uniform(-4, -1)
        if eps < 0.3 * dlnflow.plateau(rho, L, objective=objective):
            break
    setting = {"lam": lam, "rho": rho, "L": L, "eps": eps, "objective": objective}
    first, last = (dlnflow.critical_time(**setting, p=at) for at in (0.05, p))
    t = np.linspace(before * first, 1.1 * last, POINTS)
    return setting, t, dlnflow.amplitude(t, **setting)


@pytest.mark.parametrize("seed", range(4))
def test_exact_trajectories_give_back_the_network_to_a_millionth(seed):
    rng = np.random.default_rng(seed)
    for _ in range(50):
        setting, t, w = case(rng)
        found = dlnflow.identify(t, w)
        assert (found.objective, found.L) == (setting["objective"], setting["L"])
        assert found.lam == pytest.approx(setting["lam"], rel=1e-6)
        assert found.rho == pytest.approx(setting["rho"], rel=1e-6)


@pytest.mark.parametrize("kind", ["absolute", "relative"])
@pytest.mark.parametrize("conditional", [False, True])
def test_intervals_hold_the_truth_as_often_as_they_say(kind, conditional):
    rng = np.random.default_rng(7)
    count = 500 if conditional else 150
    cases = [case(rng, 5, before=0.9, p=0.95) for _ in range(count)]
    held = {"lam": 0, "rho": 0}
    wrong = 0
    for setting, t, w in cases:
        noise = 0.01 * rng.normal(size=POINTS)
        measured = w * (1.0 + noise) if kind == "relative" else w + w.max() * noise
        known = {"objective": setting["objective"], "L": setting["L"]} if conditional else {}
        found = dlnflow.identify(t, measured, noise=kind, **known)
        for name in held:
            low, high = found.interval(name)
            held[name] += low <= setting[name] <= high
        low, high = found.interval("rho", 0.5)
        wrong += low <= setting["rho"] <= high
    for name, times in held.items():
        assert 0.90 <= times / count <= 0.99, (name, times)
    assert 0.35 < wrong / count < 0.65


def test_read_with_the_wrong_objective_the_truth_is_outside():
    t = np.linspace(0.0, 60.0, 80)
    w = dlnflow.amplitude(t, 1.0, 0.8, 2, eps=0.01, objective="mae")
    noisy = w * (1.0 + 0.01 * np.random.default_rng(0).normal(size=t.size))
    found = dlnflow.identify(t, noisy, objective="jepa", L=2)
    low, high = found.interval("lam")
    assert not low <= 1.0 <= high
    assert "no candidate is right" in found.explain()
    assert "no candidate is right" not in dlnflow.identify(t, noisy).explain()


def test_fit_and_errors_are_those_of_scipy():
    t = np.linspace(0.0, 9000.0, 60)
    w = dlnflow.amplitude(t, 1.0, 0.6, 3, eps=0.01)
    w = w + 0.002 * np.random.default_rng(1).normal(size=t.size)
    found = dlnflow.identify(t, w, objective="jepa", L=3, noise="absolute")

    def curve(t, lam, rho, eps):
        return dlnflow.amplitude(t, np.exp(lam), np.exp(rho), 3, eps=np.exp(eps))

    best, covariance = scipy.optimize.curve_fit(curve, t, w, np.log([0.9, 0.65, 0.012]))
    assert np.allclose(np.log([found.lam, found.rho, found.eps]), best, rtol=1e-4)
    own = np.array(found.stderr) / [found.lam, found.rho, found.eps]
    assert np.allclose(own, np.sqrt(np.diag(covariance)), rtol=1e-2)
    likelihood = scipy.stats.norm.logpdf(
        w, curve(t, *best), np.sqrt(np.mean((w - curve(t, *best)) ** 2))
    ).sum()
    assert found.ranking["aic"][0] == pytest.approx(2 * 4 - 2 * likelihood, rel=1e-6)


def _own_errors(found):
    """Standard errors of the logarithms, mode by mode, lam before rho before eps."""
    return np.array(found.stderr) / np.array([found.lam, found.rho, found.eps])


def test_a_given_noise_sets_the_errors():
    t = np.linspace(0.0, 9000.0, 60)
    w = dlnflow.amplitude(t, 1.0, 0.6, 3, eps=0.01)  # plateau 0.216, so that units matter
    w = w + 0.002 * np.random.default_rng(1).normal(size=t.size)

    def curve(t, lam, rho, eps):
        return dlnflow.amplitude(t, np.exp(lam), np.exp(rho), 3, eps=np.exp(eps))

    for sigma in (0.002, 0.01):
        found = dlnflow.identify(t, w, objective="jepa", L=3, noise="absolute", sigma=sigma)
        best, covariance = scipy.optimize.curve_fit(
            curve, t, w, np.log([0.9, 0.65, 0.012]), np.full(t.size, sigma), absolute_sigma=True
        )
        assert found.sigma == pytest.approx(sigma, rel=1e-12)
        assert np.allclose(_own_errors(found), np.sqrt(np.diag(covariance)), rtol=1e-2)
        likelihood = scipy.stats.norm.logpdf(w, curve(t, *best), sigma).sum()
        assert found.ranking["aic"][0] == pytest.approx(2 * 3 - 2 * likelihood, rel=1e-6)


def test_modes_that_share_something_are_fitted_as_by_scipy():
    t, n = np.linspace(0.0, 60.0, 60), 60
    truth = np.log([[1.0, 0.8, 0.01], [1.2, 0.5, 0.01]])
    noise = np.array([0.004, 0.008])
    law = {"L": 2, "objective": "mae"}

    def curves(rows):
        lam, rho, eps = np.exp(rows).T[:, :, None]
        return dlnflow.amplitude(t, lam, rho, eps=eps, **law)

    rng = np.random.default_rng(3)
    w = curves(truth) + noise[:, None] * rng.normal(size=(2, n))

    def against_scipy(found, spread, start):
        """Errors of the rows' parameters and AIC, where ``spread`` makes rows of what is shared."""

        def stacked(_, *shared):
            return curves(spread(np.array(shared))).ravel()

        sizes = np.repeat(found.sigma, n)
        best, covariance = scipy.optimize.curve_fit(
            stacked, None, w.ravel(), start, sizes, absolute_sigma=True
        )
        residuals = (stacked(None, *best) - w.ravel()).reshape(2, n)
        free = len(start) / 2
        assert np.allclose(
            found.sigma, np.sqrt(np.sum(residuals**2, axis=1) / (n - free)), rtol=1e-3
        )
        likeliest = np.sqrt(np.mean(residuals**2, axis=1))
        likelihood = scipy.stats.norm.logpdf(residuals, 0.0, likeliest[:, None]).sum()
        assert found.ranking["aic"][0] == pytest.approx(
            2 * (len(start) + 2) - 2 * likelihood, rel=1e-5
        )
        return best, np.sqrt(np.diag(covariance))

    one = dlnflow.identify(t, w, **law, noise="absolute", one_eps=True)
    best, errors = against_scipy(
        one,
        lambda p: np.array([[p[0], p[1], p[4]], [p[2], p[3], p[4]]]),
        truth.ravel()[[0, 1, 3, 4, 2]],
    )
    own = _own_errors(one)
    assert np.allclose(np.log(one.rho), best[[1, 3]], atol=1e-3 * errors[1])
    assert np.allclose(own, [errors[[0, 2]], errors[[1, 3]], errors[[4, 4]]], rtol=2e-2)

    unknown = dlnflow.identify(
        7.0 * t, w, lam=[1.0, np.nan], clock="unknown", noise="absolute", **law
    )
    best, errors = against_scipy(
        unknown,
        lambda p: np.array([[p[0], *p[1:3]], [p[0] + p[3], *p[4:6]]]),
        [0.0, *truth[0, 1:], truth[1, 0], *truth[1, 1:]],
    )
    assert unknown.time_scale == pytest.approx(np.exp(best[0]) / 7.0, rel=1e-3)
    own = _own_errors(unknown)
    assert own[0, 0] == 0.0
    assert unknown.lam[0] == 1.0
    assert np.allclose(own.T.ravel()[1:], errors[[1, 2, 3, 4, 5]], rtol=3e-2)


@pytest.mark.parametrize("clock", ["paper", "network", dlnflow.Training(lr=0.1)])
@pytest.mark.parametrize(("objective", "P"), [("jepa", 1), ("mae", 2), ("layer-1", 3)])
def test_the_fitted_curves_are_the_library_s_own(clock, objective, P):
    (law,) = laws(objective, 3, P, clock)
    trajectory = Trajectory(law, clock)
    setting = {"L": 3, "objective": objective, "decoder_depth": P}
    rest = float(dlnflow.plateau(0.6, **setting))
    speed = float(dlnflow.velocity(0.3, 1.0, 0.6, clock=clock, **setting))
    t = np.linspace(0.0, 3.0 / abs(speed), 50)
    for branch, rho, eps in (
        (Branch.GROWTH, 0.6, 0.3 * rest),
        (Branch.DECAY, 0.6, 1.7 * rest),
        (Branch.SUPPRESSION, -0.6, 0.3),
    ):
        parameters = np.log([[1.0, 0.6, eps]])
        own = np.exp(trajectory.heights(t, parameters, branch))[0]
        theirs = dlnflow.amplitude(t, np.sign(rho), rho, eps=eps, clock=clock, **setting)
        assert np.allclose(own, theirs, rtol=1e-12)


@pytest.mark.parametrize("objective", ["jepa", "mae", "layer-2"])
@pytest.mark.parametrize(("sign", "eps"), [(1.0, 1e-3), (1.0, 0.9), (-1.0, 0.2)])
def test_sensitivities_are_the_derivatives(objective, sign, eps):
    lam, rho, step = 1.3 * sign, 0.5 * sign, 1e-4
    setting = {"L": 3, "objective": objective, "decoder_depth": 2}
    pace = dlnflow.velocity(0.5 * eps + 0.1, 1.3, 0.5, **setting)
    t = np.linspace(0.0, 2.0 / abs(pace), 9)
    found = dlnflow.sensitivities(t, lam, rho, eps=eps, **setting)

    def slope(along, values):
        def at(factor):
            moved = {**values, along: values[along] * factor}
            return dlnflow.amplitude(moved.pop("t"), **moved, **setting)

        near, far = at(1 + step) - at(1 - step), at(1 + 2 * step) - at(1 - 2 * step)
        return (8 * near - far) / (12 * step * np.where(values[along] == 0, 1, values[along]))

    values = {"t": t, "lam": lam, "rho": rho, "eps": eps}
    for name in ("lam", "rho", "eps"):
        expected = slope(name, values)
        assert np.allclose(getattr(found, name), expected, rtol=1e-6, atol=1e-9), name
        assert not np.allclose(1.1 * getattr(found, name), expected, rtol=1e-3, atol=1e-9)
    assert np.allclose(found.t[1:], slope("t", values)[1:], rtol=1e-6, atol=1e-12)


def test_suppressed_and_falling_modes_are_told_apart():
    t = np.linspace(0.0, 3000.0, 120)
    w = dlnflow.amplitude(t, [[1.0], [-1.0], [0.5]], [[0.6], [-0.3], [0.1]], 2, eps=0.1)
    found = dlnflow.identify(t, w)
    assert (found.objective, found.L) == ("jepa", 2)
    assert np.allclose(found.lam, [1.0, -1.0, 0.5], rtol=1e-6)
    assert np.allclose(found.rho, [0.6, -0.3, 0.1], rtol=1e-6)
    low, high = found.interval("rho")
    assert np.all(low <= found.rho)
    assert np.all(found.rho <= high)
    assert "suppressed, with negative lam and rho: mode 1" in found.explain()


def test_clocks_known_values_and_one_start():
    t = np.linspace(0.0, 700.0, 150)
    modes = ([[1.0], [1.1]], [[0.8], [0.5]])
    w = dlnflow.amplitude(t, *modes, 2, eps=0.02, clock="network")
    assert np.allclose(dlnflow.identify(t, w, clock="network").lam, [1.0, 1.1], rtol=1e-6)
    assert np.allclose(dlnflow.identify(t, w).lam, [2.0, 2.2], rtol=1e-6)
    unknown = dlnflow.identify(t, w, clock="unknown", lam=[1.0, np.nan])
    assert unknown.time_scale == pytest.approx(2.0, rel=1e-9)
    assert np.allclose(unknown.lam, [1.0, 1.1], rtol=1e-9)
    assert dlnflow.identify(t, w, clock="unknown").time_scale is None
    known = dlnflow.identify(t, w, eps=0.02, clock="network", rho=[0.8, np.nan])
    assert np.all(known.stderr.eps == 0.0)
    assert known.stderr.rho[0] == 0.0 < known.stderr.rho[1]
    noisy = w * (1.0 + 0.02 * np.random.default_rng(0).normal(size=w.shape))
    one = dlnflow.identify(t, noisy, one_eps=True, clock="network")
    assert one.eps[0] == one.eps[1] == pytest.approx(0.02, rel=0.05)
    each = dlnflow.identify(t, noisy, clock="network")
    assert each.eps[0] != each.eps[1]


def test_candidates_with_one_mode_equation_are_one_and_named_together():
    t = np.linspace(0.0, 150.0, 100)
    w = dlnflow.amplitude(t, 1.0, 0.6, 4, eps=0.02, objective="layer-1")
    assert np.allclose(w, dlnflow.amplitude(t, 1.0, 0.6, 1, eps=0.02), rtol=1e-12)
    found = dlnflow.identify(t, w, objective="all", L=[1, 2, 4])
    assert str(found.candidate) == "JEPA, L = 1"
    assert "layer-1, L = 4" in map(str, found.equivalent)
    assert "no trajectory tells them apart" in found.explain()
    deeper = dlnflow.amplitude(t, 1.0, 0.6, 2, eps=0.1, decoder_depth=2, objective="mae")
    found = dlnflow.identify(t, deeper, decoder_depth=[1, 2, 3])
    assert (found.objective, found.L, found.decoder_depth) == ("mae", 2, 2)


def test_all_objectives_are_all_that_networks_so_deep_can_have():
    t = np.linspace(0.0, 60.0, 80)
    found = dlnflow.identify(
        t, dlnflow.amplitude(t, 1.0, 0.8, 2, eps=0.01), objective="all", L=[2, 4]
    )
    tried = set()
    for law in found.ranking.itertuples():
        first = f"{law.objective.upper()}, L = {law.L}" if law.objective in ("jepa", "mae") else ""
        tried |= {first or f"{law.objective}, L = {law.L}", *filter(None, law.same.split("; "))}
    layers = {"layer-1, L = 2", *(f"layer-{m}, L = 4" for m in (1, 2, 3))}
    assert tried == {f"{name}, L = {L}" for name in ("JEPA", "MAE") for L in (2, 4)} | layers


def test_the_rival_is_the_second_best():
    t = np.linspace(0.0, 60.0, 80)
    w = dlnflow.amplitude(t, 1.0, 0.8, 2, eps=0.01, objective="mae")
    found = dlnflow.identify(t, w)
    second = found.ranking.loc[1]
    assert (found.rival.objective.name, found.rival.L) == (second.objective, second.L)
    assert found.rival != found.candidate
    alone = dlnflow.identify(t, w, objective="mae", L=2)
    assert alone.rival == alone.candidate


def test_modes_that_are_fitted_together_have_one_kind_of_noise():
    rng = np.random.default_rng(0)
    t = np.linspace(0.0, 60.0, 100)
    w = dlnflow.amplitude(t, [[1.0], [1.2]], [[0.8], [0.5]], 2, eps=0.01, objective="mae")
    w[0] *= 1.0 + 0.02 * rng.normal(size=t.size)
    w[1] += 0.001 * rng.normal(size=t.size)
    law = {"objective": "mae", "L": 2}
    assert dlnflow.identify(t, w, **law).noise == ("relative", "absolute")
    assert len(set(dlnflow.identify(t, w, one_eps=True, **law).noise)) == 1


def test_many_trajectories_at_once_are_each_as_if_alone():
    rng = np.random.default_rng(3)
    t = np.linspace(0.0, 1.0, 80)
    runs = []
    for objective, L in (("jepa", 2), ("mae", 1), ("mae", 3)):
        lam = dlnflow.critical_time(1.0, 0.7, L, eps=0.02, objective=objective, p=0.95)
        w = dlnflow.amplitude(t, lam, 0.7, L, eps=0.02, objective=objective)
        runs.append(w * (1.0 + 0.005 * rng.normal(size=80)))
    for run, found in zip(runs, dlnflow.identify_each(t, runs), strict=True):
        alone = dlnflow.identify(t, run)
        assert (found.objective, found.L) == (alone.objective, alone.L)
        assert found.lam == pytest.approx(alone.lam, rel=1e-6)
        assert found.stderr.rho == pytest.approx(alone.stderr.rho, rel=1e-4)
        assert found.aic == pytest.approx(alone.aic, rel=1e-8)


def sentences(t, w, **options):
    return dlnflow.identify(t, w, **options).explain()


def test_what_was_not_seen_is_said_and_only_then():
    setting = {"lam": 1.0, "rho": 0.8, "L": 3, "eps": 0.01, "objective": "mae"}
    whole, early, middle, late = (
        np.linspace(*ends, 60) for ends in ((0, 60), (0, 15), (0, 33), (33.5, 60))
    )
    said = {
        "No transition seen": early,
        "No plateau seen": middle,
        "No start seen": late,
        "falls between the times": np.r_[0:28:30j, 45:60:30j],
    }
    everything = sentences(whole, dlnflow.amplitude(whole, **setting))
    for text, t in said.items():
        assert text in sentences(t, dlnflow.amplitude(t, **setting), L=3, objective="mae"), text
        assert text not in everything, text
    assert "One mode only" in everything
    two = dlnflow.amplitude(whole, [[1.0], [1.1]], [[0.8], [0.5]], 3, eps=0.01, objective="mae")
    assert "One mode only" not in sentences(whole, two)
    assert "deepest that was tried" in sentences(whole, two, L=[1, 2, 3])
    assert "deepest that was tried" not in sentences(whole, two)
    assert "the only candidate" in sentences(whole, two, L=3, objective="mae")


def test_the_measurement_that_would_decide_decides():
    t = np.concatenate([np.linspace(0.0, 20.0, 8), np.linspace(45.0, 60.0, 20)])
    setting = {"lam": 1.0, "rho": 0.8, "L": 3, "eps": 0.01, "objective": "mae"}
    rng = np.random.default_rng(0)
    w = dlnflow.amplitude(t, **setting) + 0.003 * rng.normal(size=t.size)
    undecided = dlnflow.identify(t, w, noise="absolute", sigma=0.003)
    assert "Not told apart" in undecided.explain()
    from dlnflow.identification._explain import decisive

    test = decisive(undecided, 1)
    times = np.sort(np.append(t, test.t * np.array([0.98, 1.0, 1.02])))
    more = dlnflow.amplitude(times, **setting) + 0.003 * rng.normal(size=times.size)
    decided = dlnflow.identify(times, more, noise="absolute", sigma=0.003)
    assert decided.weight[0] > undecided.weight[0]


T = np.linspace(0.0, 60.0, 40)
W = dlnflow.amplitude(T, 1.0, 0.8, 3, eps=0.01, objective="mae")


@pytest.mark.parametrize(
    ("t", "w", "options", "message"),
    [
        (T[::-1], W, {}, "t must rise .*: got unsorted times 60, "),
        (np.r_[T[:-1], T[-2]], W, {}, "got repeated times"),
        (T - 1.0, W, {}, "t must be finite and not negative: got -1"),
        (T[:30], W, {}, r"w must have shape .* with 30 times: got \(40,\)"),
        (T, np.r_[W[:-1], np.nan], {}, "w must be finite: got nan"),
        (T, -W, {}, "w must not be negative beyond its noise.* in mode 0 at t = "),
        (T, W - 0.02, {}, "w must not be negative beyond its noise"),
        (T, np.full(40, 0.3), {}, "w must change: got 0.3 at all times"),
        (T[:4], W[:4], {}, "t must hold at least 5 times .*: got 4"),
        (T, W, {"eps": -1.0}, "eps must be positive: got -1"),
        (T, W, {"lam": 1.0, "rho": -0.5}, "lam and rho must have the same sign"),
        (T, W, {"lam": [1.0, 2.0]}, "lam must be one number, or one for each of the 1 modes"),
        (T, W, {"noise": "pink"}, "noise must be one of"),
        (T, W, {"L": 0}, "L must be a positive integer"),
        (T, W, {"clock": "wall"}, "clock must be"),
        (T, W, {"objective": []}, "objective must name at least one"),
        (T, W, {"objective": "layer-3", "L": [1, 2]}, "objective must have its target within"),
        (T, W, {"sigma": 0.0}, "sigma must be positive"),
        (T, np.where(T < 2, 0.0, W), {"noise": "relative"}, "noise must be 'absolute' where"),
    ],
)
def test_what_cannot_be_identified_is_refused(t, w, options, message):
    with pytest.raises(ValueError, match=message):
        dlnflow.identify(t, w, **options)


def test_noise_may_take_a_small_amplitude_below_0():
    rng = np.random.default_rng(2)
    w = W + 0.01 * rng.normal(size=40)
    assert w.min() < 0.0
    found = dlnflow.identify(T, w, objective="mae", L=3)
    assert found.noise == "absolute"
    assert found.rho == pytest.approx(0.8, rel=0.02)


def test_a_mode_that_never_moves_is_set_aside_and_told_of():
    with pytest.warns(UserWarning, match="w does not change in modes 1"):
        found = dlnflow.identify(T, [W, np.full(40, 0.2), 0.9 * W])
    assert np.isnan(found.lam[1])
    assert np.isfinite(found.lam[[0, 2]]).all()
    assert "Mode 1 never moves and was set aside" in found.explain()
    assert found.to_dataframe()["mode"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("scale", [1e-8, 1e12])
def test_any_unit_of_time_will_do(scale):
    found = dlnflow.identify(T * scale, W)
    assert found.lam * scale == pytest.approx(1.0, rel=1e-6)


def test_odd_curves_are_answered_without_a_warning_or_a_nan():
    rng = np.random.default_rng(0)
    for w in (
        0.5 + 0.01 * rng.normal(size=40),
        np.where(T < 30.0, 0.1, 0.8),
        np.abs(np.sin(T)),
        np.where(T < 30.0, 0.0, 0.5),
        [*range(1, 41)],
        W.astype(np.float32),
        1e-12 * W,
        1e3 * W,
    ):
        found = dlnflow.identify(T, w)
        assert np.isfinite([found.lam, found.rho, found.eps]).all()
        assert not np.isnan([*found.stderr]).any()
        assert found.explain()
        assert repr(found)
        assert found.weight.sum() == pytest.approx(1.0)


def test_the_ranking_is_a_table_and_the_record_cannot_be_changed():
    found = dlnflow.identify(T, W)
    table = found.ranking
    assert list(table.columns) == [
        "objective", "L", "decoder_depth", "log_likelihood", "aic", "delta_aic", "weight",
        "misfit", "same",
    ]  # fmt: skip
    assert table["aic"].is_monotonic_increasing
    assert np.array_equal(found.predict(T), found.predict(T, rank=0))
    assert not np.allclose(found.predict(T, rank=1), W, rtol=1e-6)
    assert np.allclose(found.predict(T), W, rtol=1e-10)
    with pytest.raises(ValueError, match="read-only"):
        found.w[0, 0] = 1.0
    with pytest.raises(ValueError, match="rank must lie in"):
        found.predict(T, rank=12)
    again = pickle.loads(pickle.dumps(found))
    assert again.lam == found.lam


def test_the_figure_shows_measurements_fit_rival_and_residuals():
    rng = np.random.default_rng(0)
    found = dlnflow.identify(T, W + 0.01 * rng.normal(size=40))
    upper, lower = found.plot()
    measured, best, rival = upper.get_lines()[:3]
    assert np.array_equal(measured.get_ydata(), found.w[0])
    assert np.interp(T, best.get_xdata(), best.get_ydata()) == pytest.approx(found.predict(T))
    assert not np.allclose(best.get_ydata(), rival.get_ydata())
    assert np.array_equal(lower.get_lines()[0].get_ydata(), found.residuals)
    assert "MAE" in upper.get_title()
    with pytest.raises(TypeError, match="found must be a dlnflow Identification"):
        dlnflow.plot.identification("fit")

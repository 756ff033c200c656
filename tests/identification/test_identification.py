"""`identify` finds the network of exact trajectories, and states its uncertainty for noisy ones."""

import pickle

import numpy as np
import pytest
import scipy.optimize
from tiers import repeated

import dlnflow
from dlnflow.identification._candidates import distinct_equations
from dlnflow.identification._explain import decisive
from dlnflow.identification._fit_all import _SharedParameters
from dlnflow.identification._least_squares import inverse
from dlnflow.identification._trajectory import Trajectory
from dlnflow.identification._validation import branches, scatter
from dlnflow.theory.curve._master_curve import Branch

POINTS = 100


def case(rng, deepest=6, before=0.0, p=0.97):
    """A random network, and times through its mode's transition."""
    while True:
        objective, L = str(rng.choice(["jepa", "mae"])), int(rng.integers(1, deepest + 1))
        lam, rho, eps = rng.uniform(0.3, 2.0), rng.uniform(0.1, 0.95), 10 ** rng.uniform(-4, -1)
        if eps < 0.3 * dlnflow.plateau(rho, L, objective=objective):
            break
    arguments = {"lam": lam, "rho": rho, "L": L, "eps": eps, "objective": objective}
    first, last = (dlnflow.critical_time(**arguments, p=at) for at in (0.05, p))
    t = np.linspace(before * first, 1.1 * last, POINTS)
    return arguments, t, dlnflow.amplitude(t, **arguments)


@pytest.mark.long
@pytest.mark.parametrize("seed", repeated(range(4), [0, 1]))
def test_exact_trajectories_identify_the_network_to_a_millionth(seed):
    rng = np.random.default_rng(seed)
    for _ in range(50):
        arguments, t, w = case(rng)
        found = dlnflow.identify(t, w)
        assert (found.objective, found.L) == (arguments["objective"], arguments["L"])
        assert found.lam == pytest.approx(arguments["lam"], rel=1e-6)
        assert found.rho == pytest.approx(arguments["rho"], rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["absolute", "relative"])
@pytest.mark.parametrize("conditional", [False, True])
def test_intervals_have_their_nominal_coverage(kind, conditional):
    rng = np.random.default_rng(7)
    count = 500 if conditional else 150
    cases = [case(rng, 5, before=0.9, p=0.95) for _ in range(count)]
    held = {"lam": 0, "rho": 0}
    wrong = 0
    for arguments, t, w in cases:
        noise = 0.01 * rng.normal(size=POINTS)
        measured = w * (1.0 + noise) if kind == "relative" else w + w.max() * noise
        known = {"objective": arguments["objective"], "L": arguments["L"]} if conditional else {}
        found = dlnflow.identify(t, measured, noise=kind, **known)
        for name in held:
            low, high = found.interval(name)
            held[name] += low <= arguments[name] <= high
        low, high = found.interval("rho", 0.5)
        wrong += low <= arguments["rho"] <= high
    for name, times in held.items():
        assert 0.90 <= times / count <= 0.99, (name, times)
    assert 0.35 < wrong / count < 0.65


def test_the_wrong_objective_leaves_the_true_modes_outside_the_intervals():
    t = np.linspace(0.0, 60.0, 80)
    w = dlnflow.amplitude(t, 1.0, 0.8, 2, eps=0.01, objective="mae")
    noisy = w * (1.0 + 0.01 * np.random.default_rng(0).normal(size=t.size))
    found = dlnflow.identify(t, noisy, objective="jepa", L=2)
    low, high = found.interval("lam")
    assert not low <= 1.0 <= high
    assert not found.explained
    assert dlnflow.identify(t, noisy).explained


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
    options = {"L": 2, "objective": "mae"}

    def curves(rows):
        lam, rho, eps = np.exp(rows).T[:, :, None]
        return dlnflow.amplitude(t, lam, rho, eps=eps, **options)

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

    one = dlnflow.identify(t, w, **options, noise="absolute", one_eps=True)
    best, errors = against_scipy(
        one,
        lambda p: np.array([[p[0], p[1], p[4]], [p[2], p[3], p[4]]]),
        truth.ravel()[[0, 1, 3, 4, 2]],
    )
    own = _own_errors(one)
    assert np.allclose(np.log(one.rho), best[[1, 3]], atol=1e-3 * errors[1])
    assert np.allclose(own, [errors[[0, 2]], errors[[1, 3]], errors[[4, 4]]], rtol=2e-2)

    unknown = dlnflow.identify(
        7.0 * t, w, lam=[1.0, np.nan], clock="unknown", noise="absolute", **options
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
    (equation,) = distinct_equations(objective, 3, P)
    trajectory = Trajectory(equation, clock)
    arguments = {"L": 3, "objective": objective, "decoder_depth": P}
    rest = float(dlnflow.plateau(0.6, **arguments))
    speed = float(dlnflow.velocity(0.3, 1.0, 0.6, clock=clock, **arguments))
    t = np.linspace(0.0, 3.0 / abs(speed), 50)
    for branch, rho, eps in (
        (Branch.GROWTH, 0.6, 0.3 * rest),
        (Branch.DECAY, 0.6, 1.7 * rest),
        (Branch.SUPPRESSION, -0.6, 0.3),
    ):
        parameters = np.log([[1.0, 0.6, eps]])
        own = np.exp(trajectory.heights(t, parameters, branch))[0]
        theirs = dlnflow.amplitude(t, np.sign(rho), rho, eps=eps, clock=clock, **arguments)
        assert np.allclose(own, theirs, rtol=1e-12)


@pytest.mark.parametrize("objective", ["jepa", "mae", "layer-2"])
@pytest.mark.parametrize(("sign", "eps"), [(1.0, 1e-3), (1.0, 0.9), (-1.0, 0.2)])
def test_sensitivities_are_the_derivatives(objective, sign, eps):
    lam, rho, step = 1.3 * sign, 0.5 * sign, 1e-4
    arguments = {"L": 3, "objective": objective, "decoder_depth": 2}
    velocity = dlnflow.velocity(0.5 * eps + 0.1, 1.3, 0.5, **arguments)
    t = np.linspace(0.0, 2.0 / abs(velocity), 9)
    found = dlnflow.sensitivities(t, lam, rho, eps=eps, **arguments)

    def slope(along, values):
        def at(factor):
            moved = {**values, along: values[along] * factor}
            return dlnflow.amplitude(moved.pop("t"), **moved, **arguments)

        near, far = at(1 + step) - at(1 - step), at(1 + 2 * step) - at(1 - 2 * step)
        return (8 * near - far) / (12 * step * np.where(values[along] == 0, 1, values[along]))

    values = {"t": t, "lam": lam, "rho": rho, "eps": eps}
    for name in ("lam", "rho", "eps"):
        expected = slope(name, values)
        assert np.allclose(getattr(found, name), expected, rtol=1e-6, atol=1e-9), name
        assert not np.allclose(1.1 * getattr(found, name), expected, rtol=1e-3, atol=1e-9)
    assert np.allclose(found.t[1:], slope("t", values)[1:], rtol=1e-6, atol=1e-12)


SLOW = dlnflow.amplitude(np.linspace(0.0, 300.0, 80), [[1.0], [0.05]], [[0.8], [0.5]], 2, eps=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("one_eps", [False, True])
def test_a_mode_that_hardly_moved_does_not_determine_its_plateau(one_eps):
    t, held = np.linspace(0.0, 300.0, 80), 0
    for seed in range(8):
        noise = 0.01 * np.random.default_rng(seed).normal(size=SLOW.shape)
        found = dlnflow.identify(t, SLOW * (1.0 + noise), one_eps=one_eps, L=[1, 2, 3])
        low, high = found.interval("rho")
        assert low[1] < 0.5 < high[1] == np.inf == found.stderr.rho[1]
        assert low[0] < high[0] < 1.1
        ends = found.interval("lam")[:, 1]
        held += ends[0] <= 0.05 <= ends[1]
        said = found.explain()
        assert "Mode 1 hardly moved" in said
        assert "rho is unknown" in said
        assert "of the plateau" not in "".join(x for x in said.splitlines() if "mode 1" in x)
        assert "(open)" in repr(found)
    assert held >= 7


@pytest.mark.long
def test_a_flat_curve_with_noise_determines_no_more_than_a_constant():
    t = np.linspace(0.0, 300.0, 80)
    rng = np.random.default_rng(0)
    for found in dlnflow.identify_each(t, 0.8 * (1.0 + 0.01 * rng.normal(size=(20, 80)))):
        for name in ("lam", "rho"):
            assert found.interval(name).tolist() == [-np.inf, np.inf]
        assert 0.79 < found.interval("eps")[1] < 0.83
        assert found.lam > 0.0
        said = found.explain()
        assert "Mode 0 did not move beyond the noise: lam is unknown" in said
        assert "Suppressed" not in said
        assert "e+" not in said
    found = dlnflow.identify(t, 0.8 * (1.0 + 0.01 * rng.normal(size=80)), objective="jepa", L=1)
    assert "unless this is the plateau: then rho is 0.799 (JEPA, L = 1)" in found.explain()


@pytest.mark.slow
@pytest.mark.parametrize("level", [0.1, 0.5, 0.95])
def test_an_interval_contains_its_own_estimate(level):
    t = np.linspace(0.0, 60.0, 80)
    for seed, eps in ((0, 0.02), (1, 0.3), (2, 0.62), (44, 0.639), (3, 0.64), (4, 0.9)):
        w = dlnflow.amplitude(t, 1.0, 0.8, 2, eps=eps)
        noise = 0.01 * np.random.default_rng(seed).normal(size=80)
        found = dlnflow.identify(t, w * (1.0 + noise))
        for name in ("lam", "rho", "eps"):
            low, high = found.interval(name, level)
            assert low <= getattr(found, name) <= high


def test_the_fewer_times_the_less_a_difference_in_fit_decides():
    rng = np.random.default_rng(0)
    modes = {"lam": [[1.0], [1.2]], "rho": [[0.8], [0.5]], "L": 3, "eps": 0.02, "objective": "mae"}
    for n in (8, 100):
        t = np.linspace(0.0, 40.0, n)
        w = dlnflow.amplitude(t, **modes)
        w += 0.01 * w.max(axis=1, keepdims=True) * rng.normal(size=w.shape)
        for sigma, sharp in ((None, (n - 3) / n), ([0.01, 0.005], 1.0)):
            found = dlnflow.identify(t, w, noise="absolute", sigma=sigma)
            raw = np.exp(-0.5 * sharp * found.ranking["delta_aic"])
            assert np.allclose(found.weight, raw / raw.sum(), rtol=1e-9, atol=1e-15)


@pytest.mark.slow
def test_with_few_times_intervals_include_the_uncertainty_about_the_kind_of_noise():
    t = np.linspace(0.0, 40.0, 8)
    modes = {"lam": [[1.0], [1.2]], "rho": [[0.8], [0.5]], "L": 3, "eps": 0.02, "objective": "mae"}
    w, held, count = dlnflow.amplitude(t, **modes), 0, 25
    for seed in range(count):
        noise = 0.01 * np.random.default_rng(seed).normal(size=w.shape)
        found = dlnflow.identify(t, w + w.max(axis=1, keepdims=True) * noise)
        for name in ("lam", "rho", "eps"):
            low, high = found.interval(name)
            held += np.sum((low <= np.ravel(modes[name])) & (np.ravel(modes[name]) <= high))
    assert held / (6 * count) > 0.79


def test_a_sigma_that_the_data_contradict_is_reported():
    t = np.linspace(0.0, 60.0, 80)
    w = dlnflow.amplitude(t, [[1.0], [1.1]], [[0.8], [0.5]], 3, eps=0.01, objective="mae")
    w = w * (1.0 + 0.01 * np.random.default_rng(0).normal(size=w.shape))
    options = {"objective": "mae", "L": 3, "noise": "relative"}
    with pytest.warns(UserWarning, match=r"residuals are up to 9. times the sigma given"):
        found = dlnflow.identify(t, w, sigma=1e-4, **options)
    assert np.all((found.sigma_excess > 80.0) & (found.sigma_excess < 120.0))
    assert "The data contradict the sigma given: the residuals of modes 0, 1" in found.explain()
    with pytest.warns(UserWarning, match="sigma is contradicted"):
        dlnflow.identify_each(t, w, sigma=1e-4, **options)
    assert "sigma given" not in dlnflow.identify(t, w, sigma=0.011, **options).explain()
    assert "too wide" in dlnflow.identify(t, w, sigma=1.0, **options).explain()


def test_an_outlier_is_reported():
    w = W * (1.0 + 0.01 * np.random.default_rng(0).normal(size=T.size))
    assert "outlier" not in dlnflow.identify(T, w, L=[2, 3]).explain()
    w[20] *= 1.5
    said = dlnflow.identify(T, w, L=[2, 3]).explain()
    assert f"1 point is an outlier: mode 0 at t = {T[20]:.4g}" in said


def test_a_finite_learning_rate_is_named_with_the_size_of_the_misfit():
    data = np.eye(3), np.diag([0.9, 0.6, 0.4])
    start = dlnflow.network.balanced(*data, L=2, eps=0.05)
    run = dlnflow.network.gradient_descent(
        start, *data, objective="jepa", lr=0.1, steps=3000, record=100
    )
    found = dlnflow.identify(run.t, run.w, objective="jepa", L=[1, 2])
    assert np.allclose(found.rho, [0.9, 0.6, 0.4], rtol=1e-3)
    assert "a finite learning rate" in found.explain()
    assert "ten times the size of the misfit only" in found.explain()
    assert 1e-5 < found.misfit < 1e-3
    assert found.explained


def test_where_only_the_rise_was_seen_no_share_of_the_plateau_is_reported():
    t = np.linspace(0.0, 4.5, 60)
    w = dlnflow.amplitude(t, 1.0, 0.8, 1, eps=1e-3, objective="mae")
    noise = 0.02 * np.random.default_rng(3).normal(size=60)
    said = dlnflow.identify(t, w * (1.0 + noise), objective="mae", L=1).explain()
    assert "the plateau is not constrained" in said
    assert "e-" not in said


def test_pure_noise_has_rho_close_to_0():
    t = np.linspace(0.0, 300.0, 80)
    w = dlnflow.amplitude(t, 0.0, 0.0, 2, eps=0.3, variance=1.0)
    for seed in range(4):
        noise = 0.01 * np.random.default_rng(seed).normal(size=80)
        found = dlnflow.identify(t, w * (1.0 + noise), objective="jepa", L=2)
        for name in ("lam", "rho"):
            low, high = found.interval(name)
            assert -0.05 < low < 0.0 <= high < 0.05
            assert f"{name} lies between" in found.explain()


def test_what_was_given_reads_as_given():
    t = np.linspace(0.0, 3000.0, 120)
    w = dlnflow.amplitude(t, [[1.0], [-1.0]], [[0.6], [-0.5]], 2, eps=0.1)
    w = w * (1.0 + 0.01 * np.random.default_rng(0).normal(size=w.shape))
    found = dlnflow.identify(t, w, rho=[np.nan, -0.5])
    assert "-0.5 (given)" in repr(found)
    assert found.stderr.rho[1] == 0.0
    assert np.allclose(found.interval("rho")[:, 1], -0.5, rtol=1e-15)


def test_suppressed_and_falling_modes_are_distinguished():
    t = np.linspace(0.0, 3000.0, 120)
    w = dlnflow.amplitude(t, [[1.0], [-1.0], [0.5]], [[0.6], [-0.3], [0.1]], 2, eps=0.1)
    found = dlnflow.identify(t, w)
    assert (found.objective, found.L) == ("jepa", 2)
    assert np.allclose(found.lam, [1.0, -1.0, 0.5], rtol=1e-6)
    assert np.allclose(found.rho, [0.6, -0.3, 0.1], rtol=1e-6)
    low, high = found.interval("rho")
    assert np.all(low <= found.rho)
    assert np.all(found.rho <= high)
    assert "Suppressed, with negative lam and rho: mode 1" in found.explain()


def test_clocks_known_values_and_one_eps():
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
    assert "No trajectory can distinguish it" in found.explain()
    deeper = dlnflow.amplitude(t, 1.0, 0.6, 2, eps=0.1, decoder_depth=2, objective="mae")
    found = dlnflow.identify(t, deeper, decoder_depth=[1, 2, 3])
    assert (found.objective, found.L, found.decoder_depth) == ("mae", 2, 2)


def test_all_objectives_are_all_that_networks_so_deep_can_have():
    t = np.linspace(0.0, 60.0, 80)
    found = dlnflow.identify(
        t, dlnflow.amplitude(t, 1.0, 0.8, 2, eps=0.01), objective="all", L=[2, 4]
    )
    tried = set()
    for row in found.ranking.itertuples():
        first = f"{row.objective.upper()}, L = {row.L}" if row.objective in ("jepa", "mae") else ""
        tried |= {first or f"{row.objective}, L = {row.L}", *filter(None, row.same.split("; "))}
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
    options = {"objective": "mae", "L": 2}
    assert dlnflow.identify(t, w, **options).noise == ("relative", "absolute")
    assert len(set(dlnflow.identify(t, w, one_eps=True, **options).noise)) == 1


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


def test_what_was_not_seen_is_reported_and_only_then():
    arguments = {"lam": 1.0, "rho": 0.8, "L": 3, "eps": 0.01, "objective": "mae"}
    whole, early, middle, late = (
        np.linspace(*ends, 60) for ends in ((0, 60), (0, 15), (0, 33), (33.5, 60))
    )
    said = {
        "No transition seen": early,
        "No plateau seen": middle,
        "No initialisation seen": late,
        "falls between the times": np.r_[0:28:30j, 45:60:30j],
    }
    everything = sentences(whole, dlnflow.amplitude(whole, **arguments))
    for text, t in said.items():
        assert text in sentences(t, dlnflow.amplitude(t, **arguments), L=3, objective="mae"), text
        assert text not in everything, text
    assert "one mode only" in everything
    two = dlnflow.amplitude(whole, [[1.0], [1.1]], [[0.8], [0.5]], 3, eps=0.01, objective="mae")
    assert "one mode only" not in sentences(whole, two)
    assert "deepest that was tried" in sentences(whole, two, L=[1, 2, 3])
    assert "deepest that was tried" not in sentences(whole, two)
    assert "the only candidate" in sentences(whole, two, L=3, objective="mae")


def test_the_decisive_measurement_decides():
    t = np.concatenate([np.linspace(0.0, 20.0, 8), np.linspace(45.0, 60.0, 20)])
    arguments = {"lam": 1.0, "rho": 0.8, "L": 3, "eps": 0.01, "objective": "mae"}
    rng = np.random.default_rng(0)
    w = dlnflow.amplitude(t, **arguments) + 0.003 * rng.normal(size=t.size)
    undecided = dlnflow.identify(t, w, noise="absolute", sigma=0.003)
    assert "do not rule out" in undecided.explain()
    test = decisive(undecided._fits, 1)
    times = np.sort(np.append(t, test.t * np.array([0.98, 1.0, 1.02])))
    more = dlnflow.amplitude(times, **arguments) + 0.003 * rng.normal(size=times.size)
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
        (T, W, {"lam": [1.0, 2.0]}, r"lam must be one number, or one for each mode of w \(1\)"),
        (T, W, {"noise": "pink"}, "noise must be one of"),
        (T, W, {"L": 0}, "L must be a positive integer"),
        (T, W, {"clock": "wall"}, "clock must be 'paper', 'network', 'unknown' or a"),
        (T, W, {"rho": 0.0}, "rho must be finite and not 0, as in every mode with a plateau"),
        (T[:1], W[:1], {}, "t must hold at least 5 times .*: got 1"),
        (T * 1e180, W, {}, "t must be in units that keep it between 1e-50 and 1e.50"),
        (T * 1e-180, W, {}, "t must be in units that keep it between"),
        (T, W * 1e250, {}, "w must be in units that keep it between"),
        (T, W * 1e-250, {}, "w must be in units that keep it between"),
        (T, W, {"eps": 1e-320}, "eps must be in units that keep it between"),
        (T, W, {"lam": 1e60}, "lam must be in units that keep it between"),
        (T, W, {"sigma": 1e-60}, "sigma must be in units that keep it between"),
        (T, W, {"objective": []}, "objective must name at least one"),
        (T, W, {"objective": "layer-3", "L": [1, 2]}, "objective must have its target within"),
        (T, W, {"sigma": 0.0}, "sigma must be positive"),
        (T, np.where(T < 2, 0.0, W), {"noise": "relative"}, "noise must be 'absolute' where"),
    ],
)
def test_what_cannot_be_identified_is_refused(t, w, options, message):
    with pytest.raises(ValueError, match=message):
        dlnflow.identify(t, w, **options)


def test_unknown_options_are_refused_with_the_name_of_the_function():
    with pytest.raises(TypeError, match=r"identify_each\(\) got .* 'one_eps'"):
        dlnflow.identify_each(T, [W], one_eps=True)
    with pytest.raises(TypeError, match=r"identify\(\) got .* 'foo'"):
        dlnflow.identify(T, W, foo=1)
    with pytest.raises(TypeError, match="one_eps must be True or False: got 'yes'"):
        dlnflow.identify(T, W, one_eps="yes")


@pytest.mark.parametrize("time", [1e48, 1e-48])
@pytest.mark.parametrize("size", [1e48, 1e-48])
def test_results_hold_up_to_the_limits_of_units(time, size):
    found = dlnflow.identify(T * time, W * size, L=[2, 3])
    assert (found.objective, found.L) == ("mae", 3)
    assert found.rho == pytest.approx(0.8 * size ** (4 / 3), rel=1e-6)
    assert found.lam == pytest.approx(1.0 / time / size ** (2 / 3), rel=1e-6)


def test_noise_may_take_a_small_amplitude_below_0():
    rng = np.random.default_rng(2)
    w = W + 0.01 * rng.normal(size=40)
    assert w.min() < 0.0
    found = dlnflow.identify(T, w, objective="mae", L=3)
    assert found.noise == "absolute"
    assert found.rho == pytest.approx(0.8, rel=0.02)


def test_a_mode_that_never_moves_is_left_out_and_reported():
    with pytest.warns(UserWarning, match="w does not change in mode 1:"):
        found = dlnflow.identify(T, [W, np.full(40, 0.2), 0.9 * W])
    assert np.isnan(found.lam[1])
    assert np.isfinite(found.lam[[0, 2]]).all()
    assert "Mode 1 never moves and was left out" in found.explain()
    assert found.to_dataframe()["mode"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("scale", [1e-8, 1e12])
def test_any_unit_of_time_is_accepted(scale):
    found = dlnflow.identify(T * scale, W)
    assert found.lam * scale == pytest.approx(1.0, rel=1e-6)


@pytest.mark.long
def test_odd_curves_cause_no_warning_and_no_nan():
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
        assert "1 modes" not in repr(found)
        assert not np.isnan([*found.interval("lam"), *found.interval("rho")]).any()
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


def test_given_values_that_no_candidate_fits_are_refused():
    with pytest.raises(ValueError, match="lam, rho, eps must allow some candidate a trajectory"):
        dlnflow.identify(T, W, lam=1.0, rho=1e-30)


def test_a_notebook_shows_the_candidate_and_a_table_of_the_modes():
    html = dlnflow.identify(T, W)._repr_html_()
    assert "<p>Identification: explained to rounding: MAE" in html
    assert "<th>rho_low</th>" in html


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


def test_errors_and_intervals_include_the_uncertainty_between_candidates():
    rng = np.random.default_rng(0)
    t = np.linspace(0.0, 9000.0, 14)
    w = dlnflow.amplitude(t, 1.0, 0.6, 3, eps=0.01) + 0.002 * rng.normal(size=t.size)
    found = dlnflow.identify(t, w, objective="jepa", L=[2, 3, 4], noise="absolute")
    evidence = np.exp(-0.5 * (t.size - 3) / t.size * found.ranking["delta_aic"])
    assert np.allclose(found.weight, evidence / evidence.sum())
    assert found.weight[0] < 0.9
    each = [
        dlnflow.identify(t, w, objective="jepa", L=int(L), noise="absolute")
        for L in found.ranking["L"]
    ]
    middles = np.log([one.lam for one in each])
    errors = np.array([one.stderr.lam / one.lam for one in each])
    total = found.weight @ (errors**2 + (middles - middles[0]) ** 2)
    assert found.stderr.lam == pytest.approx(found.lam * np.sqrt(total), rel=1e-4)
    student = scipy.stats.t(t.size - 3)
    for end, tail in zip(found.interval("lam", 0.9), (0.05, 0.95), strict=True):
        assert found.weight @ student.cdf((np.log(end) - middles) / errors) == pytest.approx(
            tail, rel=0.02
        )
    ends = np.log(found.interval("lam", 0.9, conditional=True))
    assert ends == pytest.approx(middles[0] + errors[0] * student.ppf([0.05, 0.95]), abs=5e-3)


@pytest.mark.parametrize("noise", ["absolute", "relative"])
def test_residuals_and_misfits_are_in_units_of_the_noise(noise):
    rng = np.random.default_rng(1)
    t = np.linspace(0.0, 9000.0, 60)
    w = dlnflow.amplitude(t, [[1.0], [1.2]], [[0.6], [0.9]], 3, eps=0.01)
    off = rng.normal(size=w.shape) * [[0.001], [0.01]]
    w = w * (1.0 + off) if noise == "relative" else w + off
    found = dlnflow.identify(t, w, L=3, noise=noise)

    def away(rank):
        fitted = found.predict(t, rank=rank)
        apart = np.log(w / fitted) if noise == "relative" else w - fitted
        return apart / found.sigma[:, None]

    assert np.allclose(found.residuals, away(0), rtol=1e-6, atol=1e-9)
    sizes = np.sqrt([np.mean(away(rank) ** 2) for rank in (0, 1)])
    scale = w.max(axis=1) if noise == "absolute" else np.ones(2)
    over = [np.sqrt(np.mean((away(k) * (found.sigma / scale)[:, None]) ** 2)) for k in (0, 1)]
    assert np.allclose(found.ranking["misfit"], over, rtol=1e-6)
    assert np.isclose(found.misfit, over[0], rtol=1e-6)
    assert sizes[1] > 1.2 * sizes[0]


@pytest.mark.parametrize("noise", ["absolute", "relative"])
def test_the_decisive_measurement_is_where_the_curves_differ_most(noise):
    rng = np.random.default_rng(0)
    t = np.linspace(0.0, 9000.0, 30)
    w = dlnflow.amplitude(t, [[1.0], [1.2]], [[0.6], [0.9]], 3, eps=0.01)
    off = rng.normal(size=w.shape) * [[0.02], [0.04]]
    w = w * (1.0 + off) if noise == "relative" else w + 0.2 * off
    with pytest.warns(UserWarning, match="mode 0"):
        found = dlnflow.identify(
            t, [np.full(30, 0.3), *w], objective="jepa", L=[3, 4, 5], noise=noise
        )
    test = decisive(found._fits, 1)

    def size(times):
        one, other = found.predict(times), found.predict(times, rank=1)
        apart = np.log(one / other) if noise == "relative" else one - other
        return np.abs(apart[1:]) / found.sigma[1:, None]

    assert test.size == pytest.approx(size([test.t])[test.mode - 1, 0], rel=1e-6)
    assert test.size >= 0.999 * size(np.linspace(0.0, 10.0 * t[-1], 300)).max()
    ends = [found.predict([test.t], rank=rank)[test.mode, 0] for rank in (0, 1)]
    assert [test.best, test.rival] == pytest.approx(ends, rel=1e-6)


def test_constant_modes_are_left_out_with_their_known_values():
    rng = np.random.default_rng(0)
    flat = np.full(40, 0.3)
    noisy = [W + 0.003 * rng.normal(size=40), W + 0.006 * rng.normal(size=40)]
    options = {"objective": "mae", "L": 3, "noise": "absolute"}
    with pytest.warns(UserWarning, match="modes 0, 1, 3"):
        found = dlnflow.identify(
            T, [flat, flat, noisy[0], flat, noisy[1]], **options,
            rho=[-0.5, -0.5, 0.8, -0.5, np.nan], sigma=[9.0, 9.0, 0.003, 9.0, 0.006],
        )  # fmt: skip
    assert np.isnan(found.lam).tolist() == [True, True, False, True, False]
    assert found.sigma[[2, 4]] == pytest.approx([0.003, 0.006])
    assert found.rho[2] == pytest.approx(0.8, rel=1e-12)
    assert found.stderr.rho[2] == 0.0 < found.stderr.rho[4]


def test_the_sign_that_is_known_is_the_sign_that_is_found():
    t = np.linspace(0.0, 40.0, 60)
    rng = np.random.default_rng(0)
    falling = dlnflow.amplitude(t, -1.0, -0.5, 2, eps=0.5) + 0.01 * rng.normal(size=t.size)
    for name in ("lam", "rho"):
        for sign in (1.0, -1.0):
            found = dlnflow.identify(t, falling, objective="jepa", L=2, **{name: 0.4 * sign})
            assert np.sign([found.lam, found.rho]).tolist() == [sign, sign]


def test_curves_are_tried_on_every_branch_that_their_direction_allows():
    rng = np.random.default_rng(0)
    t = np.linspace(0.0, 1.0, 30)
    flat = 0.5 + 0.05 * rng.normal(size=30)
    curves = np.array([flat, flat, flat, flat + 2.0 * t, flat + 2.0 - 2.0 * t, flat - 2.0 * t])
    G, D, S = Branch.GROWTH, Branch.DECAY, Branch.SUPPRESSION
    expected = [[G, D, S], [G, D], [S], [G], [D, S], [D]]
    allowed = branches(t, curves, np.array([0.0, 1.0, -1.0, 0.0, 0.0, 1.0]))
    assert [np.flatnonzero(one).tolist() for one in allowed] == expected


def test_the_scatter_of_a_curve_is_its_noise_at_times_of_any_spacing():
    rng = np.random.default_rng(0)
    t = np.cumsum(rng.exponential(size=4000))
    curves = np.array([3.0 * t, np.zeros(4000)]) + 0.2 * rng.normal(size=(2, 4000))
    assert scatter(t, curves) == pytest.approx([0.2, 0.2], rel=0.1)


def test_noise_of_an_undetermined_kind_is_taken_to_be_absolute():
    t = np.linspace(0.0, 30.0, 40)
    w = dlnflow.amplitude(t, 1.0, 0.8, 2, eps=0.7, objective="mae")
    for seed in range(8):
        measured = w * (1.0 + 0.002 * np.random.default_rng(seed).normal(size=t.size))
        assert dlnflow.identify(t, measured, objective="mae", L=2).noise == "absolute"


def test_the_kind_of_noise_is_chosen_with_the_best_mode_equation():
    for seed in range(6):
        off = np.random.default_rng(seed).normal(size=40)
        for measured in (W * (1.0 + 0.02 * off), W + 0.001 * off):
            right = dlnflow.identify(T, measured, objective="mae", L=3)
            among = dlnflow.identify(T, measured, objective=["jepa", "mae"], L=[1, 3])
            assert (among.L, among.noise) == (3, right.noise)


def test_a_given_noise_of_each_mode_is_that_mode_s_under_either_kind():
    rng = np.random.default_rng(0)
    w = np.array([W * (1.0 + s * rng.normal(size=40)) for s in (0.005, 0.08)])
    options = {"objective": "mae", "L": 3}
    alone = [
        dlnflow.identify(T, one, sigma=s, **options).noise
        for one, s in zip(w, (0.005, 0.08), strict=True)
    ]
    assert dlnflow.identify(T, w, sigma=[0.005, 0.08], **options).noise == tuple(alone)


def test_modes_fitted_jointly_have_the_noise_that_explains_all_of_them():
    rng = np.random.default_rng(0)
    w = np.array([W * (1.0 + 0.02 * rng.normal(size=40)), 0.0 * W])
    w[1] = dlnflow.amplitude(T, 1.2, 0.5, 3, eps=0.01, objective="mae")
    w[1] += 0.0002 * rng.normal(size=40)
    options = {"objective": "mae", "L": 3, "one_eps": True}
    kinds = ("absolute", "relative")
    likely = [
        dlnflow.identify(T, w, noise=k, **options).ranking["log_likelihood"][0] for k in kinds
    ]
    apart = dlnflow.identify(T, w, objective="mae", L=3).noise
    assert apart == ("relative", "absolute")
    assert dlnflow.identify(T, w, **options).noise == (kinds[int(np.argmax(likely))],) * 2


def test_times_are_enough_for_the_mode_of_which_least_is_known():
    with pytest.raises(ValueError, match=r"t must hold at least 5 times .*: got 4"):
        dlnflow.identify(T[::13], [W[::13], W[::13]], eps=[0.01, np.nan])


def test_a_noisy_curve_that_is_mostly_negative_is_refused():
    w = -0.2 + 0.2 * np.random.default_rng(0).normal(size=40)
    with pytest.raises(ValueError, match="w must not be negative beyond its noise"):
        dlnflow.identify(T, w)


def test_sensitivities_are_the_same_on_every_clock():
    t = np.linspace(0.0, 900.0, 20)
    paper = dlnflow.sensitivities(t, 1.0, 0.8, 3, eps=0.05)
    for clock, unit in (("network", 3.0), (dlnflow.Training(lr=0.1), 0.3)):
        found = dlnflow.sensitivities(t / unit, 1.0, 0.8, 3, eps=0.05, clock=clock)
        for name in ("w", "lam", "rho", "eps"):
            assert np.allclose(getattr(found, name), getattr(paper, name), rtol=1e-9), name
        assert np.allclose(found.t, unit * paper.t, rtol=1e-9)


def test_sensitivities_of_a_mode_that_stays_on_its_plateau_are_refused():
    with pytest.raises(ValueError, match="eps must differ from the plateau"):
        dlnflow.sensitivities([0.0, 1.0], 1.0, 0.5, 1, eps=0.5)


def test_an_interval_of_eps_is_positive_for_suppressed_modes_too():
    t = np.linspace(0.0, 40.0, 60)
    rng = np.random.default_rng(0)
    w = dlnflow.amplitude(t, -1.0, -0.5, 2, eps=0.5) * (1.0 + 0.01 * rng.normal(size=t.size))
    found = dlnflow.identify(t, w, objective="jepa", L=2)
    low, high = found.interval("eps")
    assert 0.0 < low < found.eps < high
    low, high = found.interval("lam")
    assert low < found.lam < high < 0.0


def test_between_tied_candidates_none_is_told():
    t = np.linspace(0.0, 5.0, 40)
    w = dlnflow.amplitude(t, 1.0, 0.8, 1, eps=0.01)
    w = w * (1.0 + 0.2 * np.random.default_rng(0).normal(size=t.size))
    found = dlnflow.identify(t, w, L=[1, 2, 3], noise="relative")
    assert np.sum(found.ranking["delta_aic"] < 0.1) > 1
    assert "cannot tell by which candidate" in found.verdict
    assert str(found.answer) == "cannot tell"


def test_rounding_errors_do_not_rule_a_candidate_out():
    t = np.linspace(0.0, 60.0, 80)
    w = dlnflow.amplitude(t, 1.0, 0.8, 2, eps=0.01, objective="mae")
    off = 1e-11 * np.sin(0.2 * t)
    assert sentences(t, w * (1.0 + off)).startswith("explained to rounding")
    assert sentences(t, w * (1.0 + 1e5 * off), noise="relative").startswith("explained to 1 %")
    assert not dlnflow.identify(t, w * (1.0 + 1e10 * off), noise="relative").explained


def test_a_known_eps_is_the_one_that_modes_share():
    w = dlnflow.amplitude(T, [[1.0], [1.2]], [[0.8], [0.5]], 3, eps=0.01, objective="mae")
    w = w * (1.0 + 0.01 * np.random.default_rng(0).normal(size=w.shape))
    options = {"objective": "mae", "L": 3, "noise": "relative", "eps": 0.01}
    apart, one = (dlnflow.identify(T, w, one_eps=shared, **options) for shared in (False, True))
    assert np.allclose(one.lam, apart.lam, rtol=1e-6)
    assert np.all(one.stderr.eps == 0.0)


def test_the_deepest_depth_is_reported_only_where_others_were_tried():
    assert "deepest that was tried" not in sentences(T, W, L=3)
    assert "deepest that was tried" in sentences(T, W, L=[2, 3])


def test_a_decision_is_placed_within_the_times_or_after_them():
    early, gap = np.linspace(0.0, 30.0, 20), np.r_[0:20:8j, 45:60:20j]
    for t, said in ((early, "later than measured"), (gap, "within the times measured")):
        w = dlnflow.amplitude(t, 1.0, 0.8, 3, eps=0.01, objective="mae")
        w = w + 0.003 * np.random.default_rng(0).normal(size=t.size)
        found = dlnflow.identify(t, w, objective="mae", L=[3, 4], noise="absolute", sigma=0.003)
        assert (decisive(found._fits, 1).t > t[-1]) == ("later" in said)
        assert said in found.explain()


def test_undetermined_parameters_have_infinite_variance():
    columns = np.random.default_rng(0).normal(size=(9, 3))
    free = np.ones((1, 3), dtype=bool)
    regular = inverse((columns.T @ columns)[None], free)[0]
    assert np.allclose(regular, np.linalg.inv(columns.T @ columns))
    first, second, _ = columns.T
    for last, lost in (
        (0.0 * first, [False, False, True]),
        (2.0 * first, [True, False, True]),
        *((share * first + second, [True, True, True]) for share in (-2.5, -0.5, 0.5, 1.5)),
    ):
        other = np.column_stack([first, second, last])
        assert np.isinf(np.diag(inverse((other.T @ other)[None], free)[0])).tolist() == lost
    shared = _SharedParameters.of(np.full((2, 3), np.nan), True, np.full(2, np.nan))
    spread = np.diag(np.r_[np.ones(4), np.inf])
    assert np.all(np.diagonal(shared.of_rows(spread), axis1=1, axis2=2) == [1.0, 1.0, np.inf])


def test_no_measurement_is_predicted_from_an_unknown_plateau():
    rng = np.random.default_rng(0)
    t = np.linspace(0.0, 25.0, 20)
    w = dlnflow.amplitude(t, 1.0, 0.8, 3, eps=0.01, objective="mae") + 0.003 * rng.normal(size=20)
    found = dlnflow.identify(t, w, noise="absolute", sigma=0.003, objective="mae", L=[3, 4])
    assert found.stderr.rho > found.rho
    assert decisive(found._fits, 1).t <= t[-1]
    assert (
        "measure mode 0 at later times. How much later is not known, because rho is not"
        in found.explain()
    )

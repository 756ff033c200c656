"""Standard errors: influence functions, intervals, order, noise floor, shrinkage and bases."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.linalg import norm
from problems import rotation
from scipy.optimize import linear_sum_assignment

from dlnflow import network
from dlnflow.data._error_estimates import with_rho
from dlnflow.data._estimation import ASYMPTOTIC
from dlnflow.data._sampling import edge, gaussian_bias, noise_floor
from dlnflow.data._spectrum import Spectrum
from dlnflow.network._data import given_covariances
from dlnflow.theory._critical_time import critical_time

QUANTITIES = ("lam", "variance", "rho")


def pairs(n, variance=(4.0, 2.0, 1.0, 0.4), rho=(0.3, 0.9, 0.6, -0.4), seed=0, turn=True):
    rng = np.random.default_rng(seed)
    d = len(variance)
    basis = rotation(d, np.random.default_rng(9)) if turn else np.eye(d)
    z, e = rng.normal(size=(2, n, d)) * np.sqrt(variance)
    return z @ basis.T, (np.array(rho) * z + np.sqrt(1.0 - np.square(rho)) * e) @ basis.T


def weighted(x, y, weights, basis, shrinkage):
    """The modes of samples that count differently."""
    weights = weights / weights.sum()
    x, y = x - weights @ x, y - weights @ y
    xx, yx = (x * weights[:, None]).T @ x, (y * weights[:, None]).T @ x
    kept = 1.0 - (shrinkage or 0.0)
    xx = 0.5 * kept * (xx + xx.T) + (1.0 - kept) * np.mean(np.diag(xx)) * np.eye(len(xx))
    return Spectrum.from_covariances(xx, kept * yx, basis=basis)


@pytest.mark.parametrize("shrinkage", [None, 0.3])
@pytest.mark.parametrize("basis", ASYMPTOTIC)
def test_errors_are_those_of_the_whole_estimator_under_reweighting(basis, shrinkage):
    """The infinitesimal jackknife by finite differences: no formula is shared."""
    x, y = pairs(60, seed=3)
    y = y + 0.3 * x[:, ::-1]
    options = {"basis": basis, "shrinkage": shrinkage}
    found = Spectrum.from_samples(x, y, errors="asymptotic", **options)
    step = 1e-4
    moved = []
    for k in range(60):
        ends = []
        for sign in (1.0, -1.0):
            weights = np.ones(60)
            weights[k] += sign * step
            other = weighted(x, y, weights, **options)
            ends.append([getattr(other, name) for name in QUANTITIES])
        moved.append((np.array(ends[0]) - np.array(ends[1])) / (2.0 * step))
    error = np.sqrt(np.sum(np.square(moved), axis=0) * 60 / 59)
    for name, expected in zip(QUANTITIES, error, strict=True):
        assert getattr(found.errors, name) == pytest.approx(expected, rel=1e-4), name


@pytest.mark.parametrize("basis", ["cross", "variance"])
def test_bootstrap_and_asymptotic_errors_agree_where_samples_are_many(basis):
    x, y = pairs(30_000)
    y = y + 0.1 * x[:, ::-1]
    one = Spectrum.from_samples(x, y, basis=basis, errors="asymptotic")
    other = Spectrum.from_samples(x, y, basis=basis, errors="bootstrap", resamples=300)
    for name in QUANTITIES:
        ratio = getattr(other.errors, name) / getattr(one.errors, name)
        assert np.all(np.abs(ratio - 1.0) < 0.2), name
    few = Spectrum.from_samples(x[:300], y[:300], basis=basis, errors="asymptotic")
    assert np.all(few.errors.rho > 2.0 * one.errors.rho)


LAM, VARIANCE = np.array([1.2, 1.8, 0.6, -0.16]), np.array([4.0, 2.0, 1.0, 0.4])
BASIS = rotation(4, np.random.default_rng(9))


def held(repetitions, n, stretch=1.0, **options):
    """The share of 95 % intervals that hold the data's values, modes matched by direction."""
    truth = {"lam": LAM, "variance": VARIANCE, "rho": LAM / VARIANCE}
    count = dict.fromkeys(QUANTITIES, 0.0)
    for seed in range(repetitions):
        found = Spectrum.from_samples(*pairs(n, seed=seed), **options)
        modes, match = linear_sum_assignment(-np.abs(BASIS.T @ found.basis))
        for name in QUANTITIES:
            low, high = found.interval(name)[:, match]
            value = stretch * truth[name][modes]
            count[name] += np.mean((low <= value) & (value <= high)) / repetitions
    return count


@pytest.mark.parametrize("basis", ["cross", "variance"])
def test_intervals_hold_the_data_s_modes_as_often_as_they_say(basis):
    for name, share in held(300, 80, basis=basis, errors="asymptotic").items():
        assert 0.90 <= share <= 0.99, (name, share)


def test_intervals_do_not_hold_other_values():
    assert all(share < 0.6 for share in held(60, 800, stretch=1.5, errors="asymptotic").values())


@pytest.mark.slow
@pytest.mark.parametrize("basis", ASYMPTOTIC)
def test_the_bias_is_what_many_samples_show(basis):
    variance, rho = 0.5 ** np.arange(5) * 4.0, (0.3, 0.8, -0.2, 0.6, 0.1)
    truth = {"lam": variance * rho, "variance": variance, "rho": np.array(rho)}
    # the two largest lam are 1.2 and 1.6: from fewer samples the third order matters
    count, clear = (1600, 3.0) if basis == "cross" else (400, 4.0)
    off = {name: np.zeros((600, 5)) for name in QUANTITIES}
    expected = {name: np.zeros((600, 5)) for name in QUANTITIES}
    for seed in range(600):
        x, y = pairs(count, variance, rho, seed, turn=False)
        found = Spectrum.from_samples(x, y, basis=basis, errors="asymptotic")
        modes, match = linear_sum_assignment(-np.abs(found.filters / norm(found.filters, axis=0)))
        for name, bias in zip(QUANTITIES, found.errors.bias, strict=True):
            off[name][seed] = getattr(found, name)[match] - truth[name][modes]
            expected[name][seed] = bias[match]
    for name in ("rho",) if basis == "generalised" else QUANTITIES:
        error = off[name].std(axis=0) / np.sqrt(600)
        miss = np.abs((off[name] - expected[name]).mean(axis=0)) / error
        assert miss.max() < 3.5, (name, miss)
        assert (np.abs(off[name].mean(axis=0)) / error).max() > clear, name  # there is one to tell


def test_intervals_are_moved_by_the_bias_and_widened_by_it():
    found = Spectrum.from_samples(*pairs(80), errors="asymptotic")
    quantile = scipy.stats.t(79).ppf(0.95)
    for place, name in ((0, "lam"), (2, "rho")):
        low, high = found.interval(name, 0.9)
        bias = found.errors.bias[place]
        assert np.abs(bias).min() > 1e-6
        assert np.allclose(0.5 * (low + high), getattr(found, name) - bias)
        width = np.sqrt(getattr(found.errors, name) ** 2 + bias**2)
        assert np.allclose(0.5 * (high - low), quantile * width)


def test_a_second_pass_in_batches_gives_the_same_errors():
    x, y = pairs(500)
    whole = Spectrum.from_samples(x, y, errors="asymptotic", block=7)
    batches = [(x[i : i + 93], y[i : i + 93]) for i in range(0, 500, 93)]
    again = Spectrum.from_samples(x, y).with_errors(iter(batches), block=7)
    assert np.allclose(again.errors.covariance, whole.errors.covariance, rtol=1e-9)
    with pytest.raises(ValueError, match="batches must be the"):
        Spectrum.from_samples(x, y).with_errors(batches[:-1])
    with pytest.raises(ValueError, match="batches must be the samples"):
        Spectrum.from_samples(x, y).with_errors([(x[::-1], y)])


def test_rows_that_repeat_each_other_count_as_one_where_told():
    x, y = pairs(400)
    alone = Spectrum.from_samples(x, y, errors="asymptotic")
    x5, y5 = np.repeat(x, 5, axis=0), np.repeat(y, 5, axis=0)
    blocks = Spectrum.from_samples(x5, y5, errors="asymptotic", block=5)
    ignored = Spectrum.from_samples(x5, y5, errors="asymptotic")
    assert np.allclose(blocks.errors.rho, alone.errors.rho, rtol=1e-6)
    assert np.allclose(ignored.errors.rho, alone.errors.rho / np.sqrt(5.0), rtol=1e-2)
    for basis in ASYMPTOTIC:
        floors = [
            Spectrum.from_samples(*rows, basis=basis, errors="asymptotic", block=block).errors
            for rows, block in (((x, y), 1), ((x5, y5), 5))
        ]
        assert np.allclose(floors[1].noise_floor, floors[0].noise_floor, rtol=0.1)
        assert np.allclose(floors[1].bias, floors[0].bias, rtol=0.2, atol=1e-4)
    options = {"basis": "variance", "errors": "bootstrap", "block": 5, "resamples": 200}
    resampled = Spectrum.from_samples(x5, y5, **options)
    expected = Spectrum.from_samples(x, y, basis="variance", errors="asymptotic").errors.rho
    assert np.allclose(resampled.errors.rho, expected, rtol=0.3)


def test_the_order_of_learning_is_as_sure_as_its_modes():
    x, y = pairs(4000)
    sure = Spectrum.from_samples(x, y, errors="asymptotic")
    chance = sure.order_probability(3, eps=1e-3, objective="mae")
    assert np.allclose(chance + chance.T, 1.0)
    assert np.all(np.diag(chance) == 0.5)
    assert chance[0, 1] > 0.99  # lam 1.8 against 1.2
    assert chance[3].max() < 0.01 + 0.5  # the suppressed one comes last
    few = Spectrum.from_samples(x[:40], y[:40], errors="asymptotic")
    assert few.order_probability(3, eps=1e-3, objective="mae")[:3, :3].max() < 1.0
    alike = pairs(2000, variance=(2.0, 1.0), rho=(0.4, 0.8), turn=False)
    even = Spectrum.from_samples(*alike, errors="asymptotic").order_probability(1, objective="mae")
    assert 0.02 < even[0, 1] < 0.98


@pytest.mark.long
def test_modes_of_unrelated_data_lie_below_the_noise():
    variance = (4.0, 2.0, 1.0, 0.4, 0.2)
    for basis in ASYMPTOTIC:
        above = [
            (
                ~Spectrum.from_samples(
                    *pairs(200, variance, (0.0,) * 5, seed), basis=basis, errors="asymptotic"
                ).below_noise
            ).any()
            for seed in range(100)
        ]
        assert np.mean(above) < 0.15, basis
        x, y = pairs(200, variance, (0.5,) * 5)
        found = Spectrum.from_samples(x, y, basis=basis, errors="asymptotic")
        assert not found.below_noise.any()


@pytest.mark.slow
def test_alarms_over_unrelated_data_are_as_rare_as_they_say():
    variance = 0.8 ** np.arange(12)
    above = [
        (
            ~Spectrum.from_samples(
                *pairs(600, variance, (0.0,) * 12, seed), basis="generalised", errors="asymptotic"
            ).below_noise
        ).any()
        for seed in range(400)
    ]
    assert 0.02 < np.mean(above) < 0.085


def test_the_edge_of_noise_is_wigner_s_and_that_of_a_large_random_matrix():
    assert edge(np.full(30, 3.0), 500.0) == pytest.approx(np.sqrt(2 * 30 * 3.0 / 500.0), rel=1e-6)
    rng, d, n = np.random.default_rng(0), 800, 4000
    noise = np.geomspace(0.01, 1.0, d)
    entries = rng.normal(size=(d, d)) * np.sqrt(noise[:, None] / n)
    largest = np.linalg.eigvalsh(0.5 * (entries + entries.T))[-1]
    assert edge(noise, n) == pytest.approx(largest, rel=0.02)
    assert edge(np.full(d, noise.mean()), n) != pytest.approx(largest, rel=0.05)


def test_draws_of_a_bootstrap_are_centred_on_the_estimate():
    x, y = pairs(60, variance=(2.0, 1.0), rho=(0.4, 0.8), turn=False)
    found = Spectrum.from_samples(x, y, errors="bootstrap", resamples=200)
    shifted = replace(
        found.errors, draws=found.errors.draws + np.array([[[0.3, -0.1]], [[0, 0]]])[:, 0]
    )
    other = replace(found, errors=shifted)
    expected = found.order_probability(1, objective="mae")
    assert np.allclose(other.order_probability(1, objective="mae"), expected)
    assert 0.0 < expected[0, 1] < 1.0


def test_errors_are_in_the_table_and_the_text_and_follow_the_leading_modes():
    found = Spectrum.from_samples(*pairs(400), errors="asymptotic")
    table = found.to_dataframe()
    assert np.array_equal(table["rho_err"], found.errors.rho)
    assert table["below_noise"].tolist() == found.below_noise.tolist()
    assert "standard errors asymptotic, of 400 samples" in repr(found)
    first = found.leading(2)
    assert np.array_equal(first.interval("lam"), found.interval("lam")[:, :2])
    plain = Spectrum.from_samples(*pairs(400))
    assert "rho_err" not in plain.to_dataframe()
    for ask in (lambda: plain.below_noise, lambda: plain.interval("rho")):
        with pytest.raises(ValueError, match="errors"):
            ask()


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(2, 6))
def test_generalised_modes_share_out_both_covariances(seed, d):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(d, d)) + np.eye(d)
    xx, yx = root @ root.T + 0.1 * np.eye(d), rng.normal(size=(d, d))
    s = Spectrum.from_covariances(xx, yx, basis="generalised")
    scale = np.abs(xx).max()
    assert np.allclose(s.basis * s.variance @ s.basis.T, xx, atol=1e-8 * scale)
    assert np.allclose(s.basis * s.lam @ s.basis.T, 0.5 * (yx + yx.T), atol=1e-7 * scale)
    assert np.allclose(s.filters.T @ s.basis, np.eye(d), atol=1e-8)
    assert np.allclose(np.sort(s.rho), np.sort(given_covariances(xx, yx).generalised_rho))
    plain = Spectrum.from_covariances(xx, yx)
    assert not np.allclose(np.sort(plain.rho), np.sort(s.rho))


def test_the_joint_basis_is_the_common_one_where_there_is_one_and_a_compromise_elsewhere():
    rng = np.random.default_rng(0)
    basis = rotation(6, rng)
    xx, yx = basis * np.arange(1, 7) @ basis.T, basis * rng.normal(size=6) @ basis.T
    common = Spectrum.from_covariances(xx, yx, basis="joint")
    assert common.off_diagonal < 1e-20
    assert common.off_variance < 1e-20
    off = yx + 0.2 * (lambda a: a + a.T)(rng.normal(size=(6, 6)))

    def unlike(s):
        size = np.linalg.norm
        inside = [s.filters.T @ (m / size(m)) @ s.filters for m in (xx, off)]
        return sum(np.sum((m - np.diag(np.diag(m))) ** 2) for m in inside)

    joint, variance = (Spectrum.from_covariances(xx, off, basis=b) for b in ("joint", "variance"))
    assert unlike(joint) < 0.9 * unlike(variance)
    assert joint.off_variance > 1e-4
    with pytest.raises(ValueError, match="asymptotic errors are not known for basis='joint'"):
        Spectrum.from_samples(*pairs(100), basis="joint", errors="asymptotic")
    assert Spectrum.from_samples(
        *pairs(100), basis="joint", errors="bootstrap", resamples=20
    ).errors.rho.shape == (4,)


def test_shrinkage_does_what_it_says():
    x, y = pairs(50)
    plain, shrunk = (Spectrum.from_samples(x, y, shrinkage=a) for a in (None, 0.2))
    mean = np.mean(x.var(axis=0))
    assert np.allclose(shrunk.lam, 0.8 * plain.lam)
    assert np.allclose(shrunk.variance, 0.8 * plain.variance + 0.2 * mean)
    assert np.allclose(np.abs(shrunk.basis), np.abs(plain.basis))
    assert shrunk.shrinkage == 0.2
    assert "shrunk towards equal variance by 0.2" in repr(shrunk)
    chosen = Spectrum.from_samples(x, y, shrinkage="ledoit-wolf").shrinkage
    assert 0.0 < chosen < 1.0
    for wrong in (1.0, -0.1, "much"):
        with pytest.raises(ValueError, match="shrinkage must"):
            Spectrum.from_samples(x, y, shrinkage=wrong)


def test_features_that_never_vary_are_named_and_set_aside():
    x, y = pairs(100)
    x[:, 2] = 7.0
    found = Spectrum.from_samples(x, y, errors="asymptotic")
    assert found.constant == (2,)
    assert found.lam.size == 3
    assert "constant features of x, dropped: 1 (index 2)" in repr(found)
    named = Spectrum.from_covariances(*network.covariances(x, y), n=100, constant=("gain",))
    assert "dropped: 1 (gain)" in repr(named)


ERRORS = ("asymptotic", "bootstrap")


@pytest.mark.parametrize("errors", ERRORS)
def test_samples_that_leave_nothing_to_judge_by_have_no_errors(errors):
    """Two samples lie on a line, three on a plane, whatever the data: their errors would be 0."""
    x, y = pairs(40, (2.0, 1.0), (0.5, 0.5))
    few = r"errors must come from at least {} samples, 2 more than there are modes.*: got {}"
    with pytest.raises(ValueError, match=few.format(3, 2)):
        Spectrum.from_samples(x[:2, :1], y[:2, :1], errors=errors)
    with pytest.raises(ValueError, match=few.format(4, 3)):
        Spectrum.from_samples(x[:3], y[:3], errors=errors)
    with pytest.raises(ValueError, match=r"come from at least 2 .* blocks: got 1 \(40 samples"):
        Spectrum.from_samples(x, y, errors=errors, block=40)
    unknown = Spectrum.from_covariances(*network.covariances(x[:3], y[:3]))
    with pytest.raises(ValueError, match=few.format(4, 3)):
        unknown.with_errors([(x[:3], y[:3])])
    enough = Spectrum.from_samples(x, y, errors=errors, block=20)
    assert all(np.isfinite(enough.interval(name)).all() for name in QUANTITIES)


def test_a_resample_without_variance_is_refused_in_words():
    x, y = pairs(4, (2.0,), (0.5,))
    for options in ({}, {"block": 5}):
        rows = [np.repeat(a, options.get("block", 1), axis=0) for a in (x, y)]
        with pytest.raises(ValueError, match="in every resample: got one with 0 of 1 modes"):
            Spectrum.from_samples(*rows, errors="bootstrap", **options)


def test_a_bootstrap_takes_enough_resamples_to_tell_a_standard_error():
    for count in (1, 19):
        with pytest.raises(ValueError, match=f"resamples must number at least 20: got {count}"):
            Spectrum.from_samples(*pairs(100), errors="bootstrap", resamples=count)


def test_errors_of_few_samples_per_mode_come_with_a_caution():
    x, y = pairs(400)
    said = "the errors come from {} independent samples for 4 modes: with fewer than 20 per mode"
    assert said.format(79) in repr(Spectrum.from_samples(x[:79], y[:79], errors="asymptotic"))
    assert said.format(79) in repr(Spectrum.from_samples(x[:79], y[:79], errors="bootstrap"))
    enough = Spectrum.from_samples(x[:80], y[:80], errors="asymptotic")
    assert "the errors come from" not in repr(enough)
    assert enough.errors.independent == 80.0
    assert said.format(79) in repr(
        Spectrum.from_samples(x[:79], y[:79], errors="asymptotic").leading(1)
    )
    repeated = (np.repeat(a[:60], 5, axis=0) for a in (x, y))
    of_blocks = Spectrum.from_samples(*repeated, errors="asymptotic", block=5)
    assert of_blocks.errors.independent == pytest.approx(60.0, rel=0.05)
    assert "with fewer than 20 per mode" in repr(of_blocks)


@pytest.mark.parametrize("errors", ERRORS)
def test_a_target_that_never_varies_is_below_the_noise_in_every_mode(errors):
    x, _ = pairs(100)
    found = Spectrum.from_samples(x, np.ones_like(x), errors=errors, resamples=20)
    assert found.below_noise.all()
    assert "4 pure noise" in repr(found)
    assert "4 modes below the noise" in repr(found)


def test_a_mean_far_from_zero_leaves_samples_as_they_are_to_the_errors():
    x, y = pairs(200)
    far = x + 1e16  # numbers there lie 2 apart
    found = Spectrum.from_samples(far, y, errors="asymptotic")
    near = Spectrum.from_samples(far - 1e16, y, errors="asymptotic")
    assert np.allclose(found.errors.covariance, near.errors.covariance, rtol=1e-9)
    assert np.allclose(found.with_errors([(far, y)]).errors.rho, near.errors.rho, rtol=1e-9)


@pytest.mark.parametrize("errors", ERRORS)
def test_modes_whose_errors_no_number_holds_have_none(errors):
    x, y = pairs(100)
    for size in (1e100, 1e-100):
        with pytest.raises(ValueError, match=r"variance must lie within 1e-140 and 1e.140"):
            Spectrum.from_samples(size * x, size * y, errors=errors)
    with pytest.raises(ValueError, match=r"lam must lie within 1e-140 and 1e.140"):
        Spectrum.from_samples(x, 1e-170 * y, errors=errors)


def test_samples_to_go_over_are_pairs():
    x, y = pairs(100)
    spectrum = Spectrum.from_samples(x, y)
    for slip in ((x, y), [(x,)], [None]):
        with pytest.raises(ValueError, match=r"batches must be .* pairs \(x, y\), as \[\(x, y\)\]"):
            spectrum.with_errors(slip)
    with pytest.raises(TypeError, match=r"batches must be an iterable of pairs .*: got 3"):
        spectrum.with_errors(3)


def test_the_noise_of_modes_with_a_place_of_their_own_is_judged_by_a_normal_quantile():
    error = np.array([0.3, 0.2, 0.1, 0.05])
    unit = np.eye(4)
    floor = noise_floor(error, unit, unit, np.arange(4), 100.0)
    assert np.allclose(floor, scipy.stats.norm.isf(0.5 * 0.05 / 4) * error)
    assert np.allclose(noise_floor(error, unit, 1e-9 * unit, np.zeros(4, int), 100.0), floor)


def test_the_largest_of_noise_s_own_modes_is_rarely_above_their_floor():
    rng, d, n = np.random.default_rng(0), 20, 400.0
    entries = rng.normal(size=(4000, d, d)) / np.sqrt(n)
    largest = np.abs(np.linalg.eigvalsh(0.5 * (entries + entries.swapaxes(1, 2)))).max(axis=1)
    unit, still = np.eye(2 * d), np.zeros(2 * d)
    for alone, level in ((0, 0.05), (d, 0.025)):  # of which a finite size takes some
        both = slice(0, d + alone)
        spaces = np.r_[np.zeros(d, int), np.arange(1, alone + 1)]
        floor = noise_floor(still[both], unit[both, both], unit[both, both], spaces, n)[0]
        assert 0.4 * level < np.mean(largest > floor) < 1.05 * level


@pytest.mark.parametrize("basis", ASYMPTOTIC)
def test_errors_bias_and_noise_floor_are_in_the_units_of_the_data(basis):
    x, y = pairs(60)
    one = Spectrum.from_samples(x, y, basis=basis, errors="asymptotic")
    other = Spectrum.from_samples(10.0 * x, 10.0 * y, basis=basis, errors="asymptotic")
    assert np.allclose(other.errors.noise_floor, 100.0 * one.errors.noise_floor)
    assert np.allclose(other.errors.lam, 100.0 * one.errors.lam)
    assert np.allclose(other.errors.bias, np.array([[100.0], [100.0], [1.0]]) * one.errors.bias)
    orders = [s.order_probability(2, eps=1e-2, objective="mae") for s in (one, other)]
    assert np.allclose(*orders, atol=0.03)


def test_rows_that_balance_each_other_count_for_no_more_than_one():
    x, y = pairs(400)
    size = np.argsort(np.sum(x**2, axis=1))
    rows = np.ravel([size[:200], size[:199:-1]], order="F")  # a small one, then a large one
    alone, blocks = (
        Spectrum.from_samples(x[rows], y[rows], errors="asymptotic", block=block).errors
        for block in (1, 2)
    )
    assert np.all(blocks.variance[:1] < alone.variance[:1])
    assert np.allclose(blocks.bias[:2], alone.bias[:2])


def test_the_last_block_counts_where_it_is_not_full():
    x, y = pairs(100)
    found = Spectrum.from_samples(x, y, basis="variance", errors="asymptotic", block=30)
    assert found.errors.groups == 4
    size = np.sum((x - x.mean(axis=0)) @ found.filters[:, :1], axis=1) ** 2 - found.variance[0]
    sums = np.add.reduceat(size, [0, 30, 60, 90])
    assert found.errors.variance[0] == pytest.approx(np.sqrt(np.sum(sums**2) * 4 / 3) / 100)
    with pytest.raises(ValueError, match="at least 2 independent samples or blocks: got 1"):
        Spectrum.from_samples(x, y, errors="asymptotic", block=100)


def test_intervals_of_variance_are_symmetric_in_the_logarithm_and_positive():
    found = Spectrum.from_samples(*pairs(80), errors="asymptotic", block=4)
    quantile = scipy.stats.t(19).ppf(0.95)
    far = replace(found.errors, bias=found.errors.bias + [[0], [0.8], [0]] * found.variance)
    for errors in (found.errors, far):
        centre = np.maximum(found.variance - errors.bias[1], 0.5 * found.variance)
        low, high = replace(found, errors=errors).interval("variance", 0.9)
        assert np.allclose(np.sqrt(low * high), centre)
        width = quantile * np.hypot(errors.variance, errors.bias[1])
        assert np.allclose(0.5 * np.log(high / low), width / centre)


def test_the_bias_of_rho_is_that_of_a_ratio_of_noisy_numbers():
    lam, variance, bias = np.array([0.6]), np.array([2.0]), np.array([[0.01], [-0.03]])
    covariance = np.array([[0.02, -0.015], [-0.015, 0.06]])
    drawn = np.random.default_rng(0).multivariate_normal([0.61, 1.97], covariance, 200_000)
    expected = np.mean(drawn[:, 0] / drawn[:, 1]) - 0.3
    of_rho = with_rho(bias, lam, variance, covariance)[2]
    assert of_rho == pytest.approx([expected], abs=0.0015)
    assert expected > 0.01


def test_leading_modes_keep_their_own_errors():
    found = Spectrum.from_samples(*pairs(100), errors="bootstrap", resamples=30)
    few = found.leading(2).errors
    for name in ("lam", "variance", "rho", "noise_floor", "mixing"):
        assert np.array_equal(getattr(few, name), getattr(found.errors, name)[:2]), name
    assert np.array_equal(few.bias, found.errors.bias[:, :2])
    assert np.array_equal(few.draws, found.errors.draws[:, :, :2])
    assert np.array_equal(
        few.covariance, found.errors.covariance[np.ix_([0, 1, 4, 5], [0, 1, 4, 5])]
    )


@pytest.mark.parametrize(
    ("P", "p", "first"), [(1, 0.5, False), (3, 0.5, True), (1, 0.9, True), (3, 0.9, True)]
)
def test_the_order_of_learning_is_that_of_the_network_asked_about(P, p, first):
    x, y = pairs(20_000, variance=(1.2 / 0.9, 1.0 / 0.3), rho=(0.9, 0.3), turn=False)
    found = Spectrum.from_samples(x, y, errors="asymptotic")
    small, large = np.argsort(found.variance)
    network_of = {"L": 2, "eps": 0.05, "objective": "jepa", "decoder_depth": P, "p": p}
    times = critical_time(found.lam, found.rho, variance=found.variance, **network_of)
    assert (times[small] < times[large]) == first
    chance = found.order_probability(**network_of)[small, large]
    assert chance > 0.97 if first else chance < 0.03


@pytest.mark.parametrize("basis", ASYMPTOTIC)
def test_a_mode_alone_is_too_small_by_the_share_of_its_mean(basis):
    found = Spectrum.from_samples(
        *pairs(50, variance=(2.0,), rho=(0.5,)), basis=basis, errors="asymptotic"
    )
    assert np.allclose(found.errors.bias[:2], [-found.lam / 50, -found.variance / 50])


def test_the_bias_of_modes_that_share_a_variance_is_what_many_samples_show():
    n, s, lam, rest = 400, np.array([4.0, 4.0, 1.0, 1.0]), np.array([3.0, 1.5, 0.8, -0.4]), 0.3
    own = lam**2 / s + rest
    joint = np.block([[np.diag(s), np.diag(lam)], [np.diag(lam), np.diag(own)]])
    drawn = scipy.stats.wishart(n - 1, joint / n).rvs(20_000, random_state=0)
    xx, yx = drawn[:, :4, :4], drawn[:, 4:, :4]
    spaces = np.linalg.eigh(xx)[1][:, :, ::-1]
    found = np.empty((20_000, 2, 4))
    for half in (slice(0, 2), slice(2, 4)):
        inside = spaces[:, :, half].swapaxes(1, 2) @ yx @ spaces[:, :, half]
        turn = np.linalg.eigh(0.5 * (inside + inside.swapaxes(1, 2)))
        modes = spaces[:, :, half] @ turn[1][:, :, ::-1]
        found[:, 0, half] = turn[0][:, ::-1]
        found[:, 1, half] = np.einsum("tik,tij,tjk->tk", modes, xx, modes)
    whole = Spectrum.from_covariances(np.diag(s), np.diag(lam), basis="variance")._whole
    axis = np.abs(whole.filters).argmax(axis=0)
    assert len(set(whole.spaces)) == 2
    both, expected = np.r_[axis, axis + 4], np.empty((2, 4))
    expected[:, axis] = gaussian_bias(whole, joint[np.ix_(both, both)], n, generalised=False)
    error = found.std(axis=0) / np.sqrt(20_000)
    miss = found.mean(axis=0) - [lam, s] - expected
    assert np.abs(miss / error).max() < 3.0
    assert (np.abs(expected / error) > 5.0).sum() >= 7


def test_modes_nearer_than_the_noise_repel_each_other_no_further():
    n, rho = 100, np.array([0.5, 0.5 + 1e-7, -0.3])
    spread = np.diag([1.0, 1.0 + 1e-7, 3.0])
    for basis, yx, xx in (
        ("generalised", np.diag(rho), np.eye(3)),
        ("variance", 0.5 * spread, spread),
    ):
        whole = Spectrum.from_covariances(xx, yx, basis=basis)._whole
        joint = np.block([[whole.xx, whole.yx], [whole.yx, whole.xx]])
        apart = replace(whole, spaces=np.arange(3))
        expected = gaussian_bias(apart, joint, n, generalised=basis == "generalised")
        assert np.all(np.abs(expected) < 2.0 / np.sqrt(n))


@pytest.mark.parametrize("name", ["L", "eps", "p", "decoder_depth"])
@pytest.mark.parametrize("bad", [[[0.5], [0.5, 0.7]], [0.5, 0.7], None, "x", -1])
def test_an_order_s_settings_are_single_and_refused_by_name(name, bad):
    x = np.random.default_rng(0).normal(size=(50, 2))
    found = Spectrum.from_samples(x, x, errors="asymptotic")
    with pytest.raises((TypeError, ValueError), match=rf"^{name} must "):
        found.order_probability(**{"L": 2, name: bad})

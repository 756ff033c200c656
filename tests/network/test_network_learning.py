"""When modes are learned on a measured curve, in what order, and when one leaves its units."""

import math
import sys

import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from problems import AGREEING, OPPOSED
from scipy.stats import kendalltau

import dlnflow
from dlnflow import network
from dlnflow.network._equations import Equations
from dlnflow.network._learning import Agreement, crossing_times, order_agreement, overlap
from dlnflow.theory._objective import as_objective


def crossing(t, curve, level):
    return float(crossing_times(np.asarray(t), np.atleast_2d(curve), np.array([level]))[0])


@pytest.mark.parametrize("rate", [0.3, 2.0])
@pytest.mark.parametrize("level", [2e-3, 0.1, 0.77])
def test_an_exponential_crosses_its_level_when_it_should(rate, level):
    t = np.linspace(0.0, 30.0, 61)
    assert crossing(t, 1e-3 * np.exp(rate * t), level) == pytest.approx(
        math.log(level / 1e-3) / rate, rel=1e-12
    )


def test_a_curve_that_starts_above_its_level_is_there_at_the_first_time():
    t = np.linspace(0.0, 1.0, 11)
    assert crossing(t, 0.5 + t, 0.5) == 0.0
    assert crossing(t, 2.0 - t, 0.5) == 0.0
    assert crossing(t, 0.5 + t, 0.51) > 0.0


def test_a_level_that_is_never_reached_has_no_time():
    t = np.linspace(0.0, 1.0, 11)
    assert crossing(t, 0.1 + t, 1.2) == math.inf
    assert crossing(t, 1.0 - 0.5 * t, 1.2) == math.inf
    assert crossing(t, 0.1 + t, 1.0) < 1.0


def test_a_mode_without_a_plateau_has_no_time():
    t = np.linspace(0.0, 1.0, 11)
    assert crossing(t, np.exp(-t), 0.0) == math.inf


def test_only_the_first_of_several_crossings_counts():
    t = np.linspace(0.0, 3.0, 3001)
    curve = 1.0 + np.sin(2.0 * np.pi * t)
    assert crossing(t, curve, 1.5) == pytest.approx(1.0 / 12.0, rel=1e-8)
    assert crossing(t[1000:], curve[1000:], 1.5) == pytest.approx(1.0 + 1.0 / 12.0, rel=1e-8)


def test_a_curve_that_leaves_zero_is_there_when_it_is_first_seen_to_be():
    assert crossing([0.0, 1.0, 2.0, 3.0], [0.0, 0.0, 0.8, 0.9], 0.5) == 2.0


def test_a_crossing_lies_between_the_points_on_either_side_of_it():
    t, curve = np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.3, 0.1, 0.9, 0.2])
    assert 1.0 < crossing(t, curve, 0.5) < 2.0
    assert crossing(t, curve, 0.9) == 2.0


def test_each_curve_has_its_own_level():
    t = np.linspace(0.0, 10.0, 101)
    curves = np.exp(np.array([[1.0], [2.0], [-1.0]]) * t)
    times = crossing_times(t, curves, np.array([math.e, math.e**4, 2.0]))
    assert times == pytest.approx([1.0, 2.0, math.inf])


@pytest.mark.parametrize("objective", ["jepa", "mae", "layer-1"])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_crossings_of_the_closed_form_are_its_critical_times(objective, p):
    modes = {"lam": [1.0, 0.8, 0.5], "rho": [0.95, 0.7, 0.6], "L": 3}
    part = dlnflow.simulate(**modes, eps=1e-3, objective=objective)[objective]
    exact = part.critical_time(p=p)
    assert crossing_times(part.t, part.w, p * part.plateau) == pytest.approx(exact, rel=1e-4)
    assert crossing_times(part.t, part.w, 0.9 * p * part.plateau) != pytest.approx(exact, rel=1e-4)


def test_crossings_are_the_finer_the_finer_the_grid():
    modes = {"lam": 1.0, "rho": 0.8, "L": 2, "eps": 1e-2}
    exact = float(dlnflow.critical_time(**modes))
    errors = []
    for points in (50, 200, 800):
        t = np.linspace(0.0, 2.0 * exact, points)
        w = dlnflow.amplitude(t, **modes)
        errors.append(abs(crossing(t, w, 0.5 * dlnflow.plateau(0.8, 2)) / exact - 1.0))
    assert errors[0] > 10.0 * errors[1] > 100.0 * errors[2] > 0.0


def test_windows_one_after_another_have_no_overlap():
    assert overlap(np.array([0.0, 2.0, 4.0]), np.array([1.0, 3.0, 5.0])) == 0.0


def test_equal_windows_overlap_in_full():
    assert overlap(np.full(4, 1.0), np.full(4, 3.0)) == 1.0


def test_overlap_is_the_shared_time_over_the_shorter_window():
    assert overlap(np.array([0.0, 1.0]), np.array([4.0, 5.0])) == pytest.approx(0.75)
    assert overlap(np.array([0.0, 3.0]), np.array([4.0, 5.0])) == pytest.approx(0.5)
    assert overlap(np.array([0.0, 3.0, 4.0]), np.array([4.0, 5.0, 9.0])) == pytest.approx(0.5)


def test_a_window_within_another_overlaps_in_full():
    assert overlap(np.array([0.0, 3.0]), np.array([10.0, 4.0])) == 1.0


def test_modes_that_are_not_learned_take_no_part_in_the_overlap():
    low, high = np.array([0.0, 1.0]), np.array([4.0, 5.0])
    alone = overlap(low, high)
    for also in ((math.inf, math.inf), (2.0, math.inf), (0.0, 0.0)):
        assert overlap(np.append(low, also[0]), np.append(high, also[1])) == alone
    assert overlap(np.append(low, 4.5), np.append(high, 6.5)) != alone
    assert overlap(np.array([1.0]), np.array([2.0])) == 0.0
    assert overlap(np.array([]), np.array([])) == 0.0


quarters = st.integers(0, 400).map(lambda n: 0.25 * n)
windows = st.lists(
    st.tuples(quarters, st.integers(1, 100).map(lambda n: 0.25 * n)),
    min_size=2,
    max_size=6,
    unique_by=lambda window: window[0] + window[1],
)


@given(windows, st.integers(-6, 6), st.randoms(use_true_random=False))
def test_overlap_knows_no_unit_of_time_and_no_numbering_of_modes(drawn, power, random):
    low = np.array([begin for begin, _ in drawn])
    high = low + np.array([length for _, length in drawn])
    value = overlap(low, high)
    assert 0.0 <= value <= 1.0
    assert overlap(2.0**power * low, 2.0**power * high) == value
    assert overlap(low + 8.0, high + 8.0) == pytest.approx(value)
    order = list(range(len(drawn)))
    random.shuffle(order)
    assert overlap(low[order], high[order]) == pytest.approx(value)


times = st.lists(st.integers(0, 8), min_size=4, max_size=9)


@pytest.mark.long
@given(times, st.data())
def test_agreement_is_kendalls_tau_with_the_error_of_a_jackknife(first, data):
    one = np.array(first, float)
    other = np.array(data.draw(st.lists(st.integers(0, 8), min_size=one.size, max_size=one.size)))
    made = order_agreement(one, other.astype(float))
    if np.ptp(one) == 0.0 or np.ptp(other) == 0.0:
        assert made == Agreement(None, None)
        return
    assert made.tau == pytest.approx(kendalltau(one, other).statistic)
    rest = [(np.delete(one, i), np.delete(other, i)) for i in range(one.size)]
    if any(np.ptp(a) == 0.0 or np.ptp(b) == 0.0 for a, b in rest):
        assert made.stderr is None
        return
    taus = np.array([kendalltau(a, b).statistic for a, b in rest])
    by_hand = math.sqrt((one.size - 1) * np.var(taus))
    assert made.stderr == pytest.approx(by_hand, abs=1e-12)


def test_equal_orders_agree_and_reversed_ones_do_not():
    when = np.array([3.0, 1.0, 4.0, 1.5, 9.0])
    assert order_agreement(when, when**3) == pytest.approx((1.0, 0.0))
    assert order_agreement(when, -when) == pytest.approx((-1.0, 0.0))


def test_an_exchange_lowers_the_agreement_by_its_share_of_the_pairs():
    made = order_agreement(np.arange(5.0), np.array([0.0, 2.0, 1.0, 3.0, 4.0]))
    assert made.tau == pytest.approx(1.0 - 2.0 / 10.0)
    assert made.stderr > 0.0


def test_modes_never_learned_tie_with_each_other_and_come_last():
    never = math.inf
    assert order_agreement(
        np.array([1.0, 2.0, never, never]), np.array([5.0, 6.0, never, never])
    ).tau == pytest.approx(1.0)
    assert order_agreement(np.array([1.0, never, 2.0]), np.array([1.0, 2.0, never])).tau < 1.0


def test_there_is_no_agreement_where_there_is_no_order():
    assert order_agreement(np.array([1.0]), np.array([1.0])) == (None, None)
    assert order_agreement(np.array([]), np.array([])) == (None, None)
    assert order_agreement(np.arange(4.0), np.full(4, math.inf)) == (None, None)
    assert order_agreement(np.arange(3.0), np.arange(3.0)) == (1.0, None)


def growth_beside(lam, rho, i, j, L, P, objective, small=1e-9):
    """The largest growth rate of weights between two modes, ``j`` learned and ``i`` waiting."""
    chosen = as_objective(objective)
    N = L + P
    u = np.empty(2)
    u[i], u[j] = small, rho[j] ** (1.0 / float(chosen.gap(L, P)))
    m = int(chosen.layer(L))
    equations = Equations(((2, 2),) * N, m, np.diag(lam / rho), np.diag(lam))
    linear = equations.linearisation(equations.flat([np.diag(u)] * N))(np.eye(4 * N))
    beside = np.ravel([[4 * layer + 1, 4 * layer + 2] for layer in range(N)])
    own = np.setdiff1d(np.arange(4 * N), beside)
    assert not linear[np.ix_(beside, own)].any()
    return float(np.linalg.eigvals(linear[np.ix_(beside, beside)]).real.max())


@pytest.mark.parametrize("P", [1, 2])
@pytest.mark.parametrize("L", [1, 2, 3])
@pytest.mark.parametrize("objective", ["jepa", "mae", "layer-1"])
def test_the_switching_rate_is_an_eigenvalue_of_the_linearised_network(objective, L, P):
    rng = np.random.default_rng(7)
    seen = set()
    for _ in range(12):
        lam, rho = rng.uniform(0.3, 2.0, 2), rng.uniform(0.2, 1.0, 2)
        rate = network.switching_rate(lam, rho, L, objective=objective, decoder_depth=P)
        for i, j in ((0, 1), (1, 0)):
            found = growth_beside(lam, rho, i, j, L, P, objective)
            seen.add(bool(rate[i, j] > 0.0))
            if rate[i, j] > 0.0:
                assert found == pytest.approx(rate[i, j], rel=1e-6)
            else:
                assert found < 1e-10
    assert seen == {False, True}


@given(
    st.lists(st.tuples(st.floats(0.2, 2.0), st.floats(0.2, 1.0)), min_size=2, max_size=4),
    st.integers(1, 5),
    st.integers(1, 3),
)
def test_a_jepa_turns_to_larger_rho_and_an_mae_to_larger_lam_rho(modes, L, P):
    lam, rho = np.array(modes).T
    better = {"jepa": rho, "mae": lam * rho}
    for objective, value in better.items():
        rate = network.switching_rate(lam, rho, L, objective=objective, decoder_depth=P)
        ahead = value[:, None] / value[None, :] - 1.0
        assert np.all(rate[ahead > 1e-9] > 0.0)
        assert np.all(rate[ahead < -1e-9] == 0.0)
        assert np.all(np.diag(rate) == 0.0)


@pytest.mark.parametrize(("lam", "rho"), [(-0.5, -0.7), (0.0, 0.0)])
def test_modes_that_are_never_learned_take_no_part_in_switching(lam, rho):
    covariance, coefficient = [1.0, 1.0, lam], [1.0, 0.5, rho]
    rate = network.switching_rate(covariance, coefficient, 2)
    assert rate.shape == (3, 3)
    assert np.array_equal(rate[:2, :2], network.switching_rate([1.0, 1.0], [1.0, 0.5], 2))
    assert rate[:2, :2].any()
    assert not rate[2].any()
    assert not rate[:, 2].any()
    assert network.switching_exponent(covariance, coefficient, 2, eps=1e-3)[2] == 0.0


def trained(lam, rho, angle):
    xx, yx = np.diag(lam / rho), np.diag(lam)
    net = network.misaligned(xx, yx, 2, angle=angle, eps=1e-3)
    end = 1.1 * dlnflow.critical_time(lam, rho, 2, eps=1e-3, clock="network").max()
    t = np.linspace(0.0, end, 4000)
    return network.compare(network.gradient_flow(net, xx, yx, t=t, clock="network"))


@pytest.mark.long
def test_a_unit_switches_the_sooner_the_larger_the_misalignment():
    rate = network.switching_rate(*OPPOSED, 2).max()
    delays = []
    for angle in (1e-8, 1e-6):
        made = trained(*OPPOSED, angle)
        assert made.spectrum.lam == pytest.approx([1.0, 0.7])
        first, second = made.measured_time
        assert made.time_error[0] == pytest.approx(0.0, abs=1e-4)
        assert made.time_error[1] < -0.2
        delays.append(second - first)
    assert delays[0] - delays[1] == pytest.approx(math.log(100.0) / rate, rel=0.03)


@pytest.mark.long
@pytest.mark.parametrize("angle", [1e-8, 1e-6])
def test_no_unit_switches_where_the_better_mode_is_learned_first(angle):
    made = trained(*AGREEING, angle)
    assert made.largest_deviation < 1e-6
    assert np.abs(made.time_error).max() < 1e-4
    assert np.all(np.isfinite(made.measured_time))


@pytest.mark.long
def test_an_aligned_network_keeps_its_units_though_a_better_mode_waits():
    made = trained(*OPPOSED, 0.0)
    assert made.largest_deviation < 1e-6
    assert network.switching_exponent(*OPPOSED, 2, eps=1e-3).max() > 37.0


@given(
    st.lists(st.integers(4, 12), min_size=1, max_size=5, unique=True),
    st.integers(1, 3),
    st.sampled_from([1e-4, 1e-6]),
)
def test_nothing_switches_in_a_jepa_whose_modes_agree_on_the_order(tenths, L, eps):
    steps = np.array(sorted(tenths, reverse=True)) / 12.0
    lam, rho = 2.0 * steps, steps
    assert not network.switching_exponent(lam, rho, L, eps=eps).any()
    if steps.size > 1:
        assert network.switching_exponent(1.0 / lam, rho, L, eps=eps).any()


@given(
    st.tuples(st.floats(0.3, 2.0), st.floats(0.3, 2.0)),
    st.tuples(st.floats(0.4, 1.0), st.floats(0.4, 1.0)),
    st.integers(1, 3),
    st.sampled_from(["jepa", "mae"]),
    st.floats(0.1, 10.0),
)
@settings(max_examples=60)
def test_the_exponent_is_rate_times_wait_and_knows_no_unit(lam, rho, L, objective, unit):
    lam, rho, options = np.array(lam), np.array(rho), {"objective": objective}
    exponent = network.switching_exponent(lam, rho, L, eps=1e-4, **options)
    when = dlnflow.critical_time(lam, rho, L, eps=1e-4, clock="network", **options)
    rate = network.switching_rate(lam, rho, L, **options)
    late = int(when.argmax())
    assume(when[0] != when[1])
    by_hand = np.zeros(2)
    by_hand[late] = rate[late, 1 - late] * np.ptp(when)
    assert exponent == pytest.approx(by_hand)
    scaled = network.switching_exponent(unit * lam, rho, L, eps=1e-4, **options)
    assert scaled == pytest.approx(exponent, rel=1e-6, abs=1e-6)


def test_the_exponent_takes_the_worst_of_the_modes_learned_before():
    lam, rho = np.array([1.0, 0.95, 0.7]), np.array([0.4, 0.5, 1.0])
    settings = {"eps": 1e-3}
    pairs = [network.switching_exponent(lam[[i, 2]], rho[[i, 2]], 2, **settings)[1] for i in (0, 1)]
    assert pairs[0] != pytest.approx(pairs[1])
    assert network.switching_exponent(lam, rho, 2, **settings)[2] == pytest.approx(max(pairs))


@pytest.mark.parametrize("function", [network.switching_rate, network.switching_exponent])
@pytest.mark.parametrize(
    ("lam", "rho", "L", "options", "error", "words"),
    [
        ([1.0, math.nan], [1.0, 0.5], 2, {}, ValueError, "lam must be finite"),
        ([1.0, 1.0], [1.0, -0.5], 2, {}, ValueError, "lam and rho"),
        ([1.0, 1.0], [1.0, 0.5, 0.3], 2, {}, ValueError, "lam"),
        ([1.0], [1.0], 0, {}, ValueError, "L must be a positive integer"),
        ([1.0], [1.0], 2, {"decoder_depth": 0}, ValueError, "decoder_depth must be a positive"),
        ([1.0], [1.0], 2, {"objective": "gan"}, ValueError, "gan"),
        (None, [1.0], 2, {}, TypeError, "lam must hold real numbers"),
    ],
)
def test_bad_modes_and_depths_are_refused_by_name(function, lam, rho, L, options, error, words):
    with pytest.raises(error, match=words):
        function(lam, rho, L, **options)


@pytest.mark.parametrize("eps", [0.0, -1.0, math.nan])
def test_a_start_that_is_not_positive_is_refused(eps):
    with pytest.raises(ValueError, match="eps must be positive"):
        network.switching_exponent([1.0, 0.7], [0.5, 1.0], 2, eps=eps)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("objective", ["jepa", "mae", "layer-1"])
def test_a_rate_is_right_where_its_factors_are_no_floats(objective):
    L, P = 4, 1
    N, m = L + P, {"jepa": L, "mae": 0, "layer-1": 1}[objective]
    rng = np.random.default_rng(2)
    held = 0
    for reach in np.repeat([30.0, 250.0], 100):
        lam, rho = 10.0 ** rng.uniform(-reach, reach, (2, 2))
        found = network.switching_rate(lam, rho, L, objective=objective)[0, 1]
        with mp.workdps(1100):
            (lam_i, lam_j), (rho_i, rho_j) = (
                [mp.mpf(float(v)) for v in pair] for pair in (lam, rho)
            )
            if m:
                power = mp.mpf(N - 2 + m) / (N - m)
                exact = lam_i / rho_i * rho_j**power * (rho_i - rho_j)
            else:
                lower = rho_j ** (mp.mpf(N - 2) / N)
                a, b = lam_i / rho_i * rho_j * lower, lam_j * lower
                exact = mp.sqrt(((a - b) / 2) ** 2 + (lam_i * lower) ** 2) - (a + b) / 2
            exact = max(exact, mp.mpf(0))
        if exact > sys.float_info.max:
            assert found == math.inf
        elif exact > sys.float_info.min:
            held += 1
            assert found == pytest.approx(float(exact), rel=1e-11)
        else:
            assert found <= sys.float_info.min
    assert held > 20


@pytest.mark.filterwarnings("error")
def test_rates_and_exponents_beyond_floats_are_infinite_and_alone_nothing_switches():
    assert network.switching_rate([1.0], [1e75], 4).tolist() == [[0.0]]
    assert network.switching_exponent([1.0, 1.0], [1e75, 1e70], 4).tolist() == [0.0, 0.0]
    assert network.switching_rate([1.0, 1.0], [1e75, 1e70], 4)[0, 1] == math.inf
    # neither time is a float, and their difference is none
    late = {"lam": [0.99, 1.0], "rho": [1.0, 0.5], "L": 40, "eps": 1e-200}
    assert network.switching_exponent(**late).tolist() == [math.inf, 0.0]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("unit", [1e-300, 1e-200, 1e200, 1e300])
@pytest.mark.parametrize("objective", ["jepa", "mae"])
def test_the_exponent_knows_no_unit_however_large(unit, objective):
    lam, rho = np.array([0.7, 1.0, 0.8]), np.array([1.0, 0.5, 0.9])
    scaled, plain = (
        network.switching_exponent(c * lam, rho, 3, eps=1e-4, objective=objective)
        for c in (unit, 1.0)
    )
    assert plain.any()
    assert scaled == pytest.approx(plain, rel=1e-9)


def test_the_start_of_a_switch_has_the_shape_of_the_modes():
    lam, rho = [0.7, 1.0], [1.0, 0.5]
    one, each = (network.switching_exponent(lam, rho, 2, eps=eps) for eps in (1e-3, [1e-3] * 2))
    assert np.array_equal(one, each)
    with pytest.raises(ValueError, match=r"eps must have the shape of lam and rho.*: got \(3,\)"):
        network.switching_exponent(lam, rho, 2, eps=[1e-3] * 3)

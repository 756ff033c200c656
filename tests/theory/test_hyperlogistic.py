"""The master curve against mpmath, its own ODE and its laws."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import antiderivative

from dlnflow.theory.curve._master_curve import Branch, master_curve

ORDERS = [1.0, 4 / 3, 1.5, 1.9, 2.0, 2.5, 6.0, 16.0, 40.0]
RATIOS = {4 / 3: (4, 3), 1.5: (3, 2), 1.9: (19, 10), 2.5: (5, 2)}


def exact_order(order):
    from fractions import Fraction

    return Fraction(*RATIOS.get(order, (int(order), 1)))


def column(*values):
    return np.array(values, dtype=float)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("branch", "q0", "q1"),
    [
        (Branch.GROWTH, 1e-3, 0.7),
        (Branch.GROWTH, 0.3, 0.3 * (1 + 1e-9)),
        (Branch.GROWTH, 1e-8, 1 - 1e-9),
        (Branch.DECAY, 30.0, 1.2),
        (Branch.DECAY, 3.7, 1.4),
        (Branch.DECAY, 1e9, 1e8),
        (Branch.DECAY, 1.5, 1 + 1e-9),
        (Branch.SUPPRESSION, -0.5, -1e-4),
        (Branch.SUPPRESSION, -1e6, -3.0),
        (Branch.SUPPRESSION, -0.2, -0.2 * (1 - 1e-9)),
    ],
)
def test_elapsed_time_equals_the_closed_form_of_the_literature(order, branch, q0, q1):
    with mp.workdps(60):
        exact = exact_order(order)
        rises = antiderivative(mp.mpf(q1), exact) - antiderivative(mp.mpf(q0), exact)
        scale = abs(mp.mpf(q0)) ** (mp.mpf(exact.numerator) / exact.denominator - 1)
        truth = rises * scale
        log_r0, log_r1 = mp.log(abs(mp.mpf(q0))), mp.log(abs(mp.mpf(q1)))
        ends = column(log_r0), column(log_r1), column(log_r1 - log_r0)
        got = mp.mpf(float(master_curve(order, branch).elapsed(*ends)[0]))
        # The ends themselves are rounded; near q = 1, and over many decades, that moves the time.
        near_rest = (1 + abs(log_r0)) / (abs(mp.mpf(q1) - 1) * abs(truth))
        rounding = mp.mpf(2) ** -52 * (near_rest + order * abs(log_r1 - log_r0))
        assert abs(got - truth) / truth < 1e-14 + min(rounding, mp.mpf("1e-6"))


@pytest.mark.long
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("branch", [Branch.GROWTH, Branch.DECAY, Branch.SUPPRESSION])
@settings(max_examples=60)
@given(start=st.floats(-30, 30), share=st.floats(1e-9, 1.0))
def test_the_way_back_finds_the_point_the_time_was_taken_to(order, branch, start, share):
    """Up to rounding of the point, or of the time where the curve is steep."""
    log_r0 = {Branch.GROWTH: -abs(start) - 1e-3, Branch.DECAY: abs(start) + 1e-3}.get(branch, start)
    goal = -30.0 if branch is Branch.SUPPRESSION else -share * log_r0
    ratio = column(min(share * goal, -1e-9) if branch is Branch.SUPPRESSION else 0.999 * goal)
    curve, r0 = master_curve(order, branch), column(log_r0)
    with np.errstate(all="ignore"):
        x = curve.elapsed(r0, r0 + ratio, ratio)
        found = curve.log_growth(x, r0, curve.start(r0))
        again = curve.elapsed(r0, r0 + found, found)
    if np.isfinite(x[0]):
        point_found = abs(found[0] - ratio[0]) < 1e-13 * (10.0 + abs(log_r0) + abs(ratio[0]))
        assert point_found or again[0] == pytest.approx(x[0], rel=1e-12, abs=0)


@pytest.mark.parametrize("order", ORDERS)
def test_a_solution_obeys_its_differential_equation(order):
    curve = master_curve(order, Branch.GROWTH)
    r0 = column(np.log(0.2))
    x, step = column(0.3 / order), 1e-4 / order

    def q(x):
        return np.exp(r0 + curve.log_growth(x, r0, curve.start(r0)))

    slope = (q(x + step) - q(x - step)) / (2 * step) * np.exp((order - 1) * r0)
    right_hand_side = q(x) ** order * (1 - q(x))
    assert slope == pytest.approx(right_hand_side, rel=1e-6, abs=0)
    wrong_order = q(x) ** (order + 0.01) * (1 - q(x))
    assert slope != pytest.approx(wrong_order, rel=1e-6, abs=0)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("branch", [Branch.GROWTH, Branch.DECAY, Branch.SUPPRESSION])
def test_times_add_along_one_solution(order, branch):
    """T(a, c) = T(a, b) + T(b, c) in unscaled time, however far apart a, b and c lie."""
    sign = -1.0 if branch is Branch.GROWTH else 1.0
    ends = sign * np.array([12.0, 3.0, 0.4])
    if branch is Branch.SUPPRESSION:
        ends = np.array([5.0, 0.1, -7.0])
    curve = master_curve(order, branch)

    def time(i, j):
        a, b = column(ends[i]), column(ends[j])
        return curve.elapsed(a, b, b - a) * np.exp(-(order - 1) * (a - ends[0]))

    assert time(0, 1) + time(1, 2) == pytest.approx(time(0, 2), rel=1e-13)


@settings(max_examples=100, deadline=None)
@given(st.floats(-20, -0.1), st.sampled_from(ORDERS), st.floats(-3, 2), st.floats(1e-3, 2.0))
def test_time_order_is_preserved(log_r0, order, first, gap):
    curve = master_curve(order, Branch.GROWTH)
    r0 = column(log_r0)
    x = 10.0 ** np.array([first, first + gap])
    early, late = curve.log_growth(x, r0, curve.start(r0))
    assert early <= late


def test_close_points_keep_their_relative_accuracy():
    """Where the difference of two tabulated values has lost every digit."""
    curve = master_curve(6.0, Branch.GROWTH)
    r0, ratio = column(np.log(0.3)), column(1e-13)
    first_order = ratio / (1 - 0.3)
    assert curve.elapsed(r0, r0 + ratio, ratio) == pytest.approx(first_order, rel=1e-12, abs=0)
    from_table = curve.start(r0 + ratio) * np.exp(-5.0 * ratio) - curve.start(r0)
    assert from_table != pytest.approx(first_order, rel=1e-6, abs=0)


def test_noise_is_a_power_law():
    curve = master_curve(3.0, Branch.NOISE)
    r0 = column(0.0)
    x = curve.elapsed(r0, r0 - np.log(2), column(-np.log(2)))
    assert x == pytest.approx((2**3 - 1) / 3, rel=1e-15)
    assert curve.log_growth(x, r0, curve.start(r0)) == pytest.approx(-np.log(2), rel=1e-15)


@pytest.mark.parametrize("order", [0.5, 1.05, float("nan")])
def test_orders_no_network_has_are_refused(order):
    with pytest.raises(ValueError, match="order must be 1 or at least"):
        master_curve(order, Branch.GROWTH)

"""The search for the best parameters: it finds the optimum of curves with a steep transition."""

import numpy as np
import pytest

import dlnflow
from dlnflow.identification._candidates import JEPA, MAE, Candidate
from dlnflow.identification._trajectory import Trajectory

UNIT = np.linspace(0.0, 1.0, 40)


def trajectory(objective, L):
    return Trajectory((Candidate(objective, L, 1),), "paper")


def steepness(lam, rho, eps, setting):
    """Largest derivative of ``log w`` by ``log lam``: by so much a curve magnifies rounding."""
    s = dlnflow.sensitivities(UNIT, lam, rho, setting["L"], eps=eps, objective=setting["objective"])
    return np.max(np.abs(s.lam * lam / s.w))


def steep_curves(rng, count, steepest, last):
    """Random curves whose transition magnifies rounding by 1e4 to ``steepest``, with no noise.

    ``last(rng, **mode)`` draws the last time, at ``lam = 1``.
    """
    found = []
    while len(found) < count:
        setting = {"L": int(rng.integers(1, 7)), "objective": str(rng.choice(["jepa", "mae"]))}
        rho, eps = rng.uniform(0.1, 0.95), 10 ** rng.uniform(-10, -5)
        lam = float(last(rng, rho, eps, setting))
        if lam < 1e40 and 1e4 < steepness(lam, rho, eps, setting) < steepest:
            w = dlnflow.amplitude(UNIT, lam, rho, eps=eps, **setting)
            found.append((w, lam, rho, setting))
    return found


def missed(curves):
    """How many curves are not identified, or not to a millionth."""
    found = dlnflow.identify_each(UNIT, [w for w, *_ in curves])
    return sum(
        setting["L"] != one.L
        or str(one.objective) != setting["objective"].upper()
        or abs(one.lam / lam - 1.0) > 1e-6
        or abs(one.rho / rho - 1.0) > 1e-6
        for one, (_, lam, rho, setting) in zip(found, curves, strict=True)
    )


def times_with_one_in_the_transition(rng, rho, eps, setting):
    return rng.choice([1.5, 3.0]) * dlnflow.critical_time(1.0, rho, eps=eps, **setting)


def times_that_end_near_the_plateau(rng, rho, eps, setting):
    q = 1.0 - 10 ** rng.uniform(-12, -1)
    return dlnflow.critical_time(1.0, rho, eps=eps, p=q, **setting)


def test_a_curve_with_one_point_in_a_steep_transition_is_identified():
    t = np.linspace(0.0, 3.0 * dlnflow.critical_time(1.0, 0.64, 2, eps=1.2e-8), 40)
    found = dlnflow.identify(t, dlnflow.amplitude(t, 1.0, 0.64, 2, eps=1.2e-8))
    assert str(found.candidate) == "JEPA, L = 2"
    np.testing.assert_allclose([found.lam, found.rho], [1.0, 0.64], rtol=1e-8)


@pytest.mark.parametrize("seed", [0, 1])
def test_curves_with_a_point_in_a_steep_transition_are_identified(seed):
    rng = np.random.default_rng(seed)
    assert missed(steep_curves(rng, 60, 1e8, times_with_one_in_the_transition)) == 0


def test_curves_that_end_near_the_plateau_are_identified():
    rng = np.random.default_rng(2)
    assert missed(steep_curves(rng, 60, 1e6, times_that_end_near_the_plateau)) == 0


@pytest.mark.parametrize("objective", [JEPA, MAE])
@pytest.mark.parametrize("L", [1, 3])
@pytest.mark.parametrize("height", [0.02, 0.3])
def test_the_time_of_a_rise_is_the_hitting_time(objective, L, height):
    one, parameters = trajectory(objective, L), np.log([[1.7, 0.8, 0.01]])
    value, gradient = one.log_rise(parameters, np.log([height]))
    t = dlnflow.hitting_time(height, 1.7, 0.8, L, eps=0.01, objective=objective)
    np.testing.assert_allclose(value, np.log(1.7 * t), rtol=1e-12)
    steps = 1e-5 * np.eye(3)
    ends = [one.log_rise(parameters + s, np.log([height]))[0] for s in (*steps, *-steps)]
    slopes = np.subtract(ends[:3], ends[3:]).ravel() / 2e-5
    np.testing.assert_allclose(gradient[0], slopes, rtol=1e-6, atol=1e-9)


def test_amplitudes_that_a_mode_does_not_pass_have_no_time():
    parameters = np.log([[1.0, 0.8, 0.01]] * 2)
    value, _ = trajectory(JEPA, 1).log_rise(parameters, np.log([0.009, 0.81]))
    assert np.isnan(value).all()

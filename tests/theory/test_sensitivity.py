"""Derivatives of the amplitude against mpmath, over its whole domain.

The reference differentiates the elapsed time, an independent formula, implicitly and numerically.
"""

import random

import mpmath as mp
import numpy as np
import pytest
from reference import DIGITS, elapsed
from test_accuracy import random_mode, random_target, rest_of
from tiers import repeated

import dlnflow
from dlnflow.theory.curve import Branch, master_curve
from dlnflow.theory.curve._response import plain_responses, responses

RELATIVE = 1e-10
STEP = mp.mpf("1e-40")  # relative, of differences with 200 digits
IN_TIME = 2e-14  # relative: what a rounding of the time and of the rate may do
NAMES = ("lam", "rho", "eps")


def slopes(w, mode):
    """``d log w / d log (lam, rho, eps)`` and the velocity where the amplitude is ``w``."""
    up, down = 1 + STEP, 1 - STEP
    of_w = (elapsed(w * up, **mode) - elapsed(w * down, **mode)) / (2 * STEP)
    found = []
    for name in NAMES:
        ends = [elapsed(w, **{**mode, name: mp.mpf(mode[name]) * by}) for by in (down, up)]
        found.append((ends[0] - ends[1]) / (2 * STEP) / of_w)
    return found, w / of_w


def ask(t, mode):
    return dlnflow.sensitivities(
        t,
        mode["lam"],
        mode["rho"],
        mode["L"],
        eps=mode["eps"],
        objective=dlnflow.Objective(mode["target_layer"]),
        decoder_depth=mode["P"],
    )


def errors(found, w, t, mode):
    """Of each derivative, over what is allowed."""
    by, speed = slopes(w, mode)
    moved = speed * t * IN_TIME
    nearby = [slopes(w + sign * moved, mode)[0] for sign in (-1, 1)]
    for name, exact, *around in zip(NAMES, by, *nearby, strict=True):
        value = mp.mpf(float(getattr(found, name))) * mode[name] / w
        allowed = RELATIVE * abs(exact) + max(abs(one - exact) for one in around)
        yield name, abs(value - exact) / allowed


def between(w, mode):
    """Whether a rounding of the time leaves the amplitude on its way."""
    passed = elapsed(w, **mode)
    moved = abs(w * STEP * passed * IN_TIME / (elapsed(w * (1 + STEP), **mode) - passed))
    ends = sorted([mp.mpf(mode["eps"]), rest_of(mode)])
    return ends[0] < w - moved and w + moved < ends[1]


@pytest.mark.long
@pytest.mark.parametrize("branch", repeated(["growth", "decay", "suppression"], ["growth"]))
def test_derivatives_over_random_modes(branch):
    rng, tried = random.Random(branch), 0
    with mp.workdps(DIGITS):
        while tried < 6:
            mode = random_mode(rng, branch)
            w = random_target(rng, mode)
            t = float(elapsed(w, **mode))
            if np.isfinite(t) and t > 0.0 and between(w, mode):
                tried += 1
                for name, error in errors(ask(t, mode), w, t, mode):
                    assert error < 1.0, (name, float(error), t, mode)


@pytest.mark.parametrize("share", [1e-12, 1e-6, 1e-3])
@pytest.mark.parametrize("target_layer", [0, 2, 3])
def test_derivatives_of_a_mode_that_has_hardly_moved(target_layer, share):
    mode = {"L": 3, "P": 1, "target_layer": target_layer, "eps": 1e-10, "rho": 0.5, "lam": 1.0}
    with mp.workdps(DIGITS):
        objective = dlnflow.Objective(target_layer)
        t = share * float(dlnflow.critical_time(1.0, 0.5, 3, eps=1e-10, objective=objective))
        w = mp.findroot(
            lambda w: elapsed(w, **mode) - t, (mp.mpf("1e-10"), mp.mpf("2e-10")), tol=1e-60
        )
        for name, error in errors(ask(t, mode), w, t, mode):
            assert error < 1.0, (name, float(error))


def test_the_check_notices_an_error_in_the_ninth_digit():
    mode = {"L": 3, "P": 1, "target_layer": 3, "eps": 1e-2, "rho": 0.5, "lam": 1.0}
    with mp.workdps(DIGITS):
        w = mp.mpf("0.05")
        t = float(elapsed(w, **mode))
        good = ask(t, mode)
        assert all(error < 1.0 for _, error in errors(good, w, t, mode))
        wrong = good._replace(**{name: getattr(good, name) * (1 + 1e-9) for name in NAMES})
        assert all(error > 1.0 for _, error in errors(wrong, w, t, mode))


@pytest.mark.parametrize("eps", [1e-6, 1e-12, 1e-20, 1e-30])
def test_a_mode_at_rest_answers_to_rho_alone(eps):
    rest = float(dlnflow.critical_time(1.0, 0.5, 3, eps=eps))
    found = dlnflow.sensitivities(2.0 * rest, 1.0, 0.5, 3, eps=eps)
    assert found.rho == pytest.approx(3 * 0.5**2, rel=1e-13)  # of the plateau rho**3
    assert (found.lam, found.eps, found.t) == (0.0, 0.0, 0.0)


def test_derivatives_are_floats_where_the_amplitude_has_underflowed():
    found = dlnflow.sensitivities(745.0, -1.0, -0.5, 1, eps=0.1, objective="mae")
    with mp.workdps(50):  # w = eps exp(lam t) sqrt((1 + r) / (1 + ...)), to first order in w
        r0 = mp.mpf("0.1") ** 2 / mp.mpf("0.5")
        w = mp.mpf("0.1") / mp.sqrt(1 + r0) * mp.exp(-745)
    assert found.lam == pytest.approx(float(745 * w), abs=5e-324)
    assert found.eps == pytest.approx(float(w / mp.mpf("0.1")), abs=5e-324)


def test_one_call_for_all_branches_is_the_calls_one_by_one():
    modes = {"lam": [1.0, 1.0, -1.0, 2.0], "rho": [0.5, 0.01, -0.5, 0.7]}
    eps = [1e-3, 0.3, 0.2, 1e-2]
    t = np.array([[0.0], [0.3], [40.0], [3000.0]])
    together = np.array(dlnflow.sensitivities(t, **modes, L=2, eps=eps))
    for i in range(4):
        one = dlnflow.sensitivities(t[:, 0], modes["lam"][i], modes["rho"][i], 2, eps=eps[i])
        assert np.array_equal(together[:, :, i], np.array(one))


@pytest.mark.parametrize("objective", ["jepa", "mae"])
def test_the_derivative_in_time_is_the_velocity(objective):
    t = np.geomspace(1e-3, 1e3, 30)
    found = dlnflow.sensitivities(t, 1.0, 0.5, 2, eps=0.05, objective=objective)
    velocity = dlnflow.velocity(found.w, 1.0, 0.5, 2, objective=objective)
    near = 1e-10 * np.abs(velocity).max()
    assert np.allclose(found.t, velocity, rtol=1e-11, atol=near)


def test_derivatives_too_large_for_a_float_are_infinite_and_not_missing():
    mode = {"eps": 3.20079469845621e-166, "objective": "layer-4", "decoder_depth": 2}
    t, lam, rho = 7.353559524550377e307, 5.871726365807562e-11, 827693.2227726969
    found = dlnflow.sensitivities(t, lam, rho, 5, **mode)
    assert not np.isnan(found).any()
    assert found.t == np.inf


@pytest.mark.parametrize("branch", [Branch.GROWTH, Branch.DECAY, Branch.SUPPRESSION])
def test_what_fits_use_agrees_with_the_exact_derivatives(branch):
    curve = master_curve(4.0, branch)
    log_r0 = np.full(40, -1.0 if branch == Branch.GROWTH else 1.0)
    x = np.geomspace(1e-2, 10.0, 40)
    exact, plain = responses(curve, x, log_r0), plain_responses(curve, x, log_r0)
    for one, other in zip(exact, plain, strict=True):
        assert np.allclose(one, other, rtol=1e-9, atol=1e-12)
    assert not np.allclose(exact.by_fixed_point, plain.by_start, rtol=1e-3)

"""The accuracy the library promises, against mpmath with 200 digits, edges included.

``amplitude`` is backward stable: the time at which the exact solution takes the returned value
differs from the asked time by a relative 1e-14 or less, or the value itself is right to 1e-13.
"""

import random

import mpmath as mp
import numpy as np
import pytest
from reference import DIGITS, constants, elapsed
from tiers import repeated

import dlnflow

BACKWARD, FORWARD = 1e-14, 1e-13


def rest_of(mode):
    if mode["rho"] <= 0:
        return mp.mpf(0)
    k = constants(mode["target_layer"], mode["L"], mode["P"])[1]
    return mp.mpf(mode["rho"]) ** (mp.mpf(mode["L"]) / k)


def promise_kept(w, t, mode):
    """Whether ``w`` is a good answer for the time ``t``; both are floats."""
    rest = rest_of(mode)
    rising = 1 if mode["eps"] < rest else -1

    def time(value):
        return elapsed(value, **mode) if (rest - value) * rising > 0 else mp.inf

    if abs(time(mp.mpf(w)) - t) <= BACKWARD * t:
        return True
    ends = [time(mp.mpf(w) * (1 + sign * rising * mp.mpf(FORWARD))) for sign in (-1, 1)]
    return ends[0] <= t <= ends[1]


def ask(t, mode):
    return float(
        dlnflow.amplitude(
            t,
            mode["lam"],
            mode["rho"],
            mode["L"],
            eps=mode["eps"],
            objective=dlnflow.Objective(mode["target_layer"]),
            decoder_depth=mode["P"],
            variance=mode.get("variance"),
        )
    )


def random_mode(rng, branch):
    L, P = rng.randint(1, 20), rng.choice([1, 1, 1, 2, 5])
    layer = rng.choice([0, L, rng.randint(0, L)])
    eps = 10 ** rng.uniform(-30, -1)
    rho = rng.choice([1.0, 10 ** rng.uniform(-2, 0.3), rng.uniform(0.05, 1)])
    lam = 10 ** rng.uniform(-3, 2)
    mode = {"L": L, "P": P, "target_layer": layer, "eps": eps, "rho": rho, "lam": lam}
    if branch == "decay":
        mode["rho"] = max(eps ** ((L + P - layer) / L) * 10 ** rng.uniform(-3, 0), 1e-290)
    if branch == "suppression":
        mode |= {"rho": -rho, "lam": -lam}
    if branch == "noise":
        mode |= {"rho": 0.0, "lam": 0.0, "variance": 10 ** rng.uniform(-2, 2)}
    return mode


def random_target(rng, mode):
    """An amplitude on the way, near either end as often as between."""
    eps, rest = mp.mpf(mode["eps"]), rest_of(mode)
    near = 10 ** mp.mpf(rng.uniform(-12, 0))
    if mode["rho"] <= 0:
        return eps * 10 ** -(10 ** mp.mpf(rng.uniform(-8, 1)))
    place = rng.random()
    if place < 0.3 and eps < rest:
        return rest * (1 - (1 - eps / rest) * near)
    if place < 0.6:
        return eps + (rest - eps) * near * (1 - mp.mpf(10) ** -12)
    return mp.exp(mp.log(eps) + (mp.log(rest) - mp.log(eps)) * mp.mpf(rng.random()))


@pytest.mark.long
@pytest.mark.parametrize(
    "branch", repeated(["growth", "decay", "suppression", "noise"], ["growth", "noise"])
)
def test_amplitude_keeps_its_promise_over_random_modes(branch):
    rng = random.Random(branch)
    with mp.workdps(DIGITS):
        for _ in range(30):
            mode = random_mode(rng, branch)
            t = float(elapsed(random_target(rng, mode), **mode))
            if np.isfinite(t):
                assert promise_kept(ask(t, mode), t, mode), (t, mode)


def test_the_check_would_notice_an_error_of_a_few_digits():
    mode = {"L": 3, "P": 1, "target_layer": 3, "eps": 1e-2, "rho": 0.5, "lam": 1.0}
    with mp.workdps(DIGITS):
        t = float(elapsed(0.05, **mode))
        w = ask(t, mode)
        assert promise_kept(w, t, mode)
        assert not promise_kept(w * (1 + 1e-12), t, mode)
        assert not promise_kept(w, t * (1 + 1e-12), mode)


@pytest.mark.long
@pytest.mark.parametrize("eps", [1e-30, 1e-8, 1e-1])
@pytest.mark.parametrize("L", [1, 2, 20])
@pytest.mark.parametrize("layer", [0, "L"])
def test_edges_of_growth(eps, L, layer):
    """At both ends of eps and L, from next to the start to 1e-12 of the plateau."""
    mode = {"L": L, "P": 1, "target_layer": L if layer == "L" else 0, "rho": 0.97, "lam": 1.3}
    mode["eps"] = eps
    with mp.workdps(DIGITS):
        rest = rest_of(mode)
        if mp.mpf(eps) >= rest:
            pytest.fail("the case is meant to grow")
        for share in ("1e-12", "1e-6", "0.5", "0.999999", "0.999999999999"):
            w = eps + (rest - eps) * mp.mpf(share)
            t = float(elapsed(w, **mode))
            assert promise_kept(ask(t, mode), t, mode), share


@pytest.mark.parametrize(("objective", "layer"), [("jepa", None), ("mae", 0)])
@pytest.mark.parametrize("L", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("eps", [1e-30, 1e-6, 1e-2])
def test_critical_times_are_right_to_a_few_last_digits(objective, layer, L, eps):
    """The plateau is entered as an exact product, so that nothing else is rounded."""
    mode = {"L": L, "P": 1, "target_layer": L if layer is None else 0, "eps": eps}
    mode |= {"rho": 1.0, "lam": 0.7}
    got = dlnflow.critical_time(0.7, 1.0, L, eps=eps, objective=objective)
    with mp.workdps(DIGITS):
        truth = elapsed(mp.mpf(0.5), **mode)
        assert abs(mp.mpf(float(got)) - truth) / truth < 5e-15


@pytest.mark.parametrize(
    ("lam", "rho", "L", "eps"),
    [(1.0, 1e10, 20, 1e-3), (1e10, 1.0, 3, 1e-190), (1.0, 0.5, 20, 1e-14)],
)
def test_a_mode_from_far_below_reaches_its_plateau(lam, rho, L, eps):
    critical = float(dlnflow.critical_time(lam, rho, L, eps=eps))
    t = critical * np.array([0.0, 0.1, 0.5, 0.9, 0.999, 1.001, 1.1, 2.0, 10.0])
    w = dlnflow.amplitude(t, lam, rho, L, eps=eps)
    rest = float(dlnflow.plateau(rho, L))
    assert (np.diff(w) >= 0.0).all()
    assert w[4] < 0.5 * rest < w[5]
    assert w[-3:] == pytest.approx(rest, rel=1e-12)
    assert dlnflow.learned_fraction(t[-1], lam, rho, L, eps=eps) == pytest.approx(1.0, rel=1e-12)
    mode = {"L": L, "P": 1, "target_layer": L, "eps": eps, "rho": rho, "lam": lam}
    with mp.workdps(DIGITS):
        assert all(promise_kept(float(one), when, mode) for one, when in zip(w, t, strict=True))


def test_a_plateau_of_1e325_times_the_initial_amplitude_is_approached_as_it_should():
    mode = {"lam": 4.385847317059408e-06, "rho": 1957361.2478071866, "L": 38}
    eps, clock = 9.86361171339162e-86, dlnflow.Training(lr=3.1533303432286165e-05, loss="sum")
    t = 2.8708782488090033e175 * np.array([0.5, 1.0, 1.0 + 1e-15, 2.0])
    w = dlnflow.amplitude(t, **mode, eps=eps, clock=clock)
    q = dlnflow.learned_fraction(t, **mode, eps=eps, clock=clock)
    assert 0.5 < q[1] < 1.0 - 1e-6
    assert np.log(w) == pytest.approx(38 * (np.log(q) + np.log(mode["rho"])), rel=1e-13)


def test_a_scalar_is_its_entry_in_an_array_whatever_the_other_entries_are():
    eps = np.array([4.3346726755265395e-77, 3.3837879874363215e-296, 9.0403627516570454e-259])
    mode = {"lam": 4.578472979674463e-106, "rho": 3.04348981973693, "L": 3, "decoder_depth": 3}
    together = dlnflow.amplitude(2e280, **mode, eps=eps)
    alone = [dlnflow.amplitude(2e280, **mode, eps=one) for one in eps]
    assert np.array_equal(together, alone)

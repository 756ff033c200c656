"""Amplitudes, learned fractions and hitting times: laws, edges, branches, clocks, broadcasting."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import dlnflow
from dlnflow.theory import _numerics as _blocks

depths = st.integers(1, 20)
lams = st.floats(1e-3, 1e3)
rhos = st.floats(0.02, 2.0)
starts = st.floats(-30.0, -1.0).map(lambda d: 10.0**d)
objectives = st.sampled_from(["jepa", "mae"])


@given(lams, rhos, depths, starts, objectives)
def test_the_ends_of_time_are_exact(lam, rho, L, eps, objective):
    settings = {"eps": eps, "objective": objective}
    w = dlnflow.amplitude([0.0, np.inf], lam, rho, L, **settings)
    assert w[0] == eps
    assert w[1] == dlnflow.plateau(rho, L, objective=objective)


@given(lams, rhos, depths, starts, objectives, st.floats(1e-6, 3.0), st.floats(1e-6, 3.0))
def test_trajectories_are_monotone_and_stay_between_start_and_plateau(
    lam, rho, L, eps, objective, early, late
):
    settings = {"eps": eps, "objective": objective}
    scale = dlnflow.critical_time(lam, rho, L, **settings)
    scale = scale if 0 < scale < np.inf else 1.0
    t = np.sort([early, late]) * scale
    w = dlnflow.amplitude(t, lam, rho, L, **settings)
    rest = dlnflow.plateau(rho, L, objective=objective)
    low, high = sorted([eps, rest])
    assert low <= w.min() <= w.max() <= high
    assert (w[1] - w[0]) * np.sign(rest - eps) >= -1e-14 * w.max()


@given(lams, rhos, depths, objectives, st.floats(1e-4, 0.999))
def test_hitting_time_inverts_amplitude(lam, rho, L, objective, share):
    settings = {"eps": 1e-3, "objective": objective}
    rest = dlnflow.plateau(rho, L, objective=objective)
    assume(abs(rest / 1e-3 - 1) > 0.1)
    w = 1e-3 * (rest / 1e-3) ** share
    t = dlnflow.hitting_time(w, lam, rho, L, **settings)
    found = dlnflow.amplitude(t, lam, rho, L, **settings)
    again = dlnflow.hitting_time(found, lam, rho, L, **settings)
    assert found == pytest.approx(w, rel=1e-12) or again == pytest.approx(t, rel=1e-13)


@given(lams, rhos, depths, objectives, st.floats(0.1, 10), st.floats(0.01, 3))
def test_covariance_only_sets_the_pace(lam, rho, L, objective, factor, share):
    t = share * 1e3
    slow = dlnflow.amplitude(t, lam, rho, L, objective=objective)
    fast = dlnflow.amplitude(t / factor, lam * factor, rho, L, objective=objective)
    assert fast == pytest.approx(slow, rel=1e-9)


@pytest.mark.long
@given(rhos, depths, st.integers(1, 4), st.data())
def test_all_modes_collapse_onto_one_curve(rho, L, P, data):
    """From q = 0.3 on, q over kappa t is the same for every mode; with a wrong rate it is not."""
    m = data.draw(st.integers(0, L))
    objective = dlnflow.Objective(m)
    k = objective.gap(L, P)

    def q_after(rho, lam, rate_error=0.0):
        eps = (0.3 * rho) ** (L / k)
        kappa = objective.rate(lam, rho, L, P) * rho**rate_error
        settings = {"eps": eps, "objective": objective, "decoder_depth": P, "clock": "network"}
        pace = 0.3 ** (1 - objective.order(L, P)) / objective.order(L, P)
        return dlnflow.learned_fraction(0.7 * pace / kappa, lam, rho, L, **settings)

    assert q_after(rho, 2.0) == pytest.approx(q_after(1.0, 1.0), rel=1e-10)
    if abs(np.log(rho)) > 0.1:
        assert q_after(rho, 2.0, rate_error=0.3) != pytest.approx(q_after(1.0, 1.0), rel=1e-4)


@pytest.mark.parametrize("objective", ["jepa", "mae", "layer-2"])
@pytest.mark.parametrize("clock", ["paper", "network", dlnflow.Training(0.1, "mean", outputs=7)])
@pytest.mark.parametrize(
    ("lam", "rho", "variance", "eps"),
    [(1.3, 0.8, None, 0.2), (1.3, 0.3, None, 0.6), (-1.3, -0.8, None, 0.4), (0.0, 0.0, 0.9, 0.4)],
    ids=["growth", "decay", "suppression", "noise"],
)
def test_velocity_is_the_slope_of_amplitude(objective, clock, lam, rho, variance, eps):
    settings = {"objective": objective, "clock": clock, "decoder_depth": 2, "variance": variance}
    t, h = 0.7, 1e-5
    w = dlnflow.amplitude([t - h, t, t + h], lam, rho, 3, eps=eps, **settings)
    slope = (w[2] - w[0]) / (2 * h)
    assert slope != 0
    assert slope == pytest.approx(dlnflow.velocity(w[1], lam, rho, 3, **settings), rel=1e-6)


@pytest.mark.parametrize(("L", "power"), [(1, 2.0), (3, 3 - 1 / 3)])
def test_velocity_is_the_papers_equation(L, power):
    w, lam, rho = 0.3, 1.7, 0.6
    jepa = lam * w ** (3 - 1 / L) - lam / rho * w**3
    mae = lam * w ** (2 - 1 / L) - lam / rho * w**3
    assert dlnflow.velocity(w, lam, rho, L) == pytest.approx(jepa, rel=1e-14)
    assert dlnflow.velocity(w, lam, rho, L, objective="mae") == pytest.approx(mae, rel=1e-14)
    assert power == 3 - 1 / L


@given(lams, rhos, depths, starts, objectives)
def test_the_paper_clock_runs_L_times_faster(lam, rho, L, eps, objective):
    settings = {"eps": eps, "objective": objective}
    paper = dlnflow.critical_time(lam, rho, L, **settings)
    network = dlnflow.critical_time(lam, rho, L, clock="network", **settings)
    assert paper == pytest.approx(L * network, rel=1e-14)


def test_noise_is_the_limit_of_vanishing_regression():
    t, s = np.array([1.0, 30.0, 1e4]), 0.8
    noise = dlnflow.amplitude(t, 0.0, 0.0, 3, eps=0.3, variance=s)
    for sign in (1, -1):
        nearly = dlnflow.amplitude(t, sign * s * 1e-13, sign * 1e-13, 3, eps=0.3)
        assert nearly == pytest.approx(noise, rel=1e-9)
    assert noise[-1] < noise[0] < 0.3


def test_learned_fraction_on_every_branch():
    q = dlnflow.learned_fraction(
        [[0.0], [50.0], [np.inf]],
        [1, 1, -1, 0],
        [0.5, 0.01, -0.5, 0],
        1,
        eps=0.1,
        variance=[2, 100, 2, 3],
    )
    assert q[0, :3] == pytest.approx([0.2, 10.0, -0.2])
    assert np.all((q[1, :3] > [0.2, 1.0, -0.2]) & (q[1, :3] < [1.0, 10.0, 0.0]))
    assert q[2].tolist() == [1.0, 1.0, 0.0, np.inf]
    assert np.isinf(q[:, 3]).all()


def test_hitting_time_is_infinite_for_what_never_happens():
    def hit(w, rho=0.5, **more):
        return dlnflow.hitting_time(w, np.sign(rho), rho, 2, eps=0.1, **more)

    assert hit(0.1) == 0.0
    assert hit(0.05) == hit(0.25) == hit(0.3) == np.inf
    assert 0 < hit(0.2) < np.inf
    assert hit(0.2, rho=0.2) == hit(0.04, rho=0.2) == np.inf
    assert 0 < hit(0.05, rho=0.2) < np.inf
    assert hit(0.2, rho=-0.5) == hit(0.0, rho=-0.5) == np.inf
    assert 0 < hit(0.01, rho=-0.5) < np.inf


def test_a_mode_that_starts_on_its_plateau_stays():
    assert dlnflow.amplitude([0, 1, 1e9], 1.0, 0.5, 1, eps=0.5).tolist() == [0.5] * 3
    assert dlnflow.hitting_time(0.5, 1.0, 0.5, 1, eps=0.5) == 0.0
    assert dlnflow.critical_time(1.0, 0.5, 1, eps=0.5) == 0.0


def test_every_argument_broadcasts():
    rng = np.random.default_rng(0)
    t = rng.uniform(0, 500, (2, 1, 1, 1, 1))
    lam, rho = rng.uniform(0.5, 2, (3, 1, 1, 1)), rng.uniform(0.05, 1.5, (4, 1, 1))
    L, eps = np.array([[1], [2], [5]]), np.array([1e-8, 1e-2, 0.3])
    together = dlnflow.amplitude(t, lam, rho, L, eps=eps)
    assert together.shape == (2, 3, 4, 3, 3)
    for index in np.ndindex(together.shape):
        i, j, k, m, n = index
        alone = dlnflow.amplitude(
            t[i].item(), lam[j].item(), rho[k].item(), L[m].item(), eps=eps[n]
        )
        assert alone == together[index]


def test_blocks_change_nothing(monkeypatch):
    """Modes computed once and modes computed with each block; rows and single elements chosen."""
    rng = np.random.default_rng(1)
    lam, rho = rng.uniform(0.5, 2, (2, 5, 7)), rng.uniform(-0.9, 1.5, (5, 7))
    lam = np.abs(lam) * np.sign(rho)
    t, L = rng.uniform(0, 300, 7), rng.integers(1, 4, (2, 1, 1))
    whole = dlnflow.amplitude(t, lam, rho, L, eps=0.2)
    rows = dlnflow.amplitude(t, lam[..., :1], rho[:, :1], L, eps=0.2)
    for size in (1, 3, 7, 20):
        monkeypatch.setattr(_blocks, "BLOCK", size)
        monkeypatch.setattr("dlnflow.theory._scaled_modes.BLOCK", size)
        assert np.array_equal(dlnflow.amplitude(t, lam, rho, L, eps=0.2), whole)
        assert np.array_equal(dlnflow.amplitude(t, lam[..., :1], rho[:, :1], L, eps=0.2), rows)


def test_scalars_give_scalars_and_lists_are_welcome():
    assert np.ndim(dlnflow.amplitude(1, 1, 1, 1)) == 0
    assert dlnflow.amplitude([1, 2], [[1], [2]], 1, 1).shape == (2, 2)
    assert dlnflow.amplitude([], 1, 1, 1).shape == (0,)


def test_times_beyond_the_range_of_floats_do_no_harm():
    """L = 1 with 20 decoder layers at eps = 1e-30 takes about 1e600 units of time."""
    settings = {"eps": 1e-30, "objective": "mae", "decoder_depth": 20}
    assert dlnflow.amplitude(1e300, 1.0, 0.5, 1, **settings) == pytest.approx(1e-30, rel=1e-13)
    assert dlnflow.critical_time(1.0, 0.5, 1, **settings) == np.inf
    assert dlnflow.amplitude(np.inf, 1.0, 0.5, 1, **settings) == pytest.approx(0.5 ** (1 / 21))


@pytest.mark.parametrize(
    ("mode", "truth"),
    [
        ({"w": 1e-300, "lam": -1e300, "rho": -1e300, "L": 1}, -1e-300),
        ({"w": 1e-300, "lam": 1e200, "rho": 1e100, "L": 2, "objective": "mae"}, 1e-250),
        ({"w": 1e-200, "lam": 1e150, "rho": 1e150, "L": 1}, 1e-250),
        ({"w": 1e-200, "lam": 0.0, "rho": 0.0, "L": 2, "variance": 1e300}, -1e-300),
        ({"w": 1e170, "lam": 1e-100, "rho": 1e180, "L": 1}, 1e240 * (1.0 - 1e-10)),
    ],
)
def test_a_velocity_is_right_where_its_factors_are_no_floats(mode, truth):
    assert dlnflow.velocity(**mode) == pytest.approx(truth, rel=1e-12, abs=0.0)


@pytest.mark.parametrize("many", ["w", "lam", "rho", "L", "decoder_depth"])
@pytest.mark.parametrize("w", [0.3, 1e-200])
def test_a_velocity_broadcasts_over_every_argument(many, w):
    one = {"w": w, "lam": 1.0, "rho": 0.5, "L": 2, "decoder_depth": 1}
    together = dlnflow.velocity(**{**one, many: [one[many], 2 * one[many]]})
    assert together.shape == (2,)
    assert together[0] == dlnflow.velocity(**one)
    assert together[1] == dlnflow.velocity(**{**one, many: 2 * one[many]})

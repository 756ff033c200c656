"""The integrated mode equation: the independent check, and that it is independent."""

import ast
from pathlib import Path

import numpy as np
import pytest
import scipy.integrate

import dlnflow
from dlnflow.theory import _integrate as integrate
from dlnflow.theory._integrate import ModeEquation
from dlnflow.theory._scaled_modes import validated

BRANCHES = ["growth", "decay", "suppression", "noise"]
MOST_EVALUATIONS = 50_000  # of the right-hand side; an ordinary mode takes some 3,000


@pytest.fixture(autouse=True)
def evaluations(monkeypatch):
    """How often the right-hand side is evaluated; past a bound it fails, where it might hang."""
    original, count = scipy.integrate.solve_ivp, [0]

    def counting(motion, *arguments, **options):
        calls = 0

        def counted(*state):
            nonlocal calls
            calls += 1
            count[0] += 1
            assert calls < MOST_EVALUATIONS, "the solver does not come to an end"
            return motion(*state)

        return original(counted, *arguments, **options)

    monkeypatch.setattr(scipy.integrate, "solve_ivp", counting)
    return count


def equation(lam, rho, L, *, eps, objective="jepa", decoder_depth=1, clock="paper", variance=None):
    modes = validated(lam, rho, L, eps, decoder_depth, variance).under(objective, clock)
    return ModeEquation(*map(float, modes.columns()))


def random_mode(rng, branch):
    """Arguments of one mode, and amplitudes on its way, not in order."""
    L, P = int(rng.integers(1, 13)), int(rng.choice([1, 2, 4]))
    objective = dlnflow.Objective(int(rng.integers(0, L + 1)))
    eps, rho, lam = 10 ** rng.uniform(-30, -0.3), rng.uniform(0.05, 2), 10 ** rng.uniform(-2, 2)
    at_start = eps ** (objective.gap(L, P) / L)  # the rho whose plateau is eps
    variance, share = None, np.array([0.9, 0.01, 0.5, 0.2])
    if branch == "growth":
        rho = max(rho, 1.5 * at_start)
    elif branch == "decay":
        rho = at_start * 10 ** rng.uniform(-2, -0.05)
    elif branch == "suppression":
        lam, rho = -lam, -rho
    else:
        lam, rho, variance = 0.0, 0.0, 10 ** rng.uniform(-2, 2)
    mode = {"lam": lam, "rho": rho, "L": L, "eps": eps, "objective": objective}
    mode |= {"decoder_depth": P, "variance": variance}
    rest = dlnflow.plateau(rho, L, objective=objective, decoder_depth=P)
    return mode, eps * (rest / eps) ** share if rest else eps * 10 ** (-3 * share)


def disagreement(w, t, mode):
    """Relative, in amplitude or in time, whichever is the better conditioned."""
    in_value = np.abs(w / dlnflow.amplitude(t, **mode) - 1)
    in_time = np.abs(dlnflow.hitting_time(w, **mode) / t - 1)
    return np.minimum(in_value, in_time).max()


@pytest.mark.long
@pytest.mark.parametrize("branch", BRANCHES)
def test_the_integrated_amplitude_is_the_closed_form_at_times_in_any_order(branch):
    rng = np.random.default_rng(BRANCHES.index(branch))
    for _ in range(25):
        mode, w = random_mode(rng, branch)
        t = dlnflow.hitting_time(w, **mode)
        assert np.isfinite(t).all()
        found = equation(**mode).amplitude(np.append(t, 0.0))
        assert found[-1] == mode["eps"]
        assert disagreement(found[:-1], t, mode) < 1e-10, mode


def test_the_comparison_would_notice_another_equation():
    mode = {"lam": 1.0, "rho": 0.5, "L": 3, "eps": 1e-3}
    t = dlnflow.hitting_time(np.array([2e-3, 0.1]), **mode)
    assert disagreement(equation(**mode).amplitude(t), t, mode) < 1e-10
    wrong = [mode | {"rho": 0.5 + 1e-8}, mode | {"lam": 1 + 1e-8}, mode | {"eps": 1e-3 + 1e-11}]
    for other in wrong:
        assert disagreement(equation(**other).amplitude(t), t, mode) > 1e-9


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("clock", ["paper", "network", dlnflow.Training(0.1, "sum")])
def test_what_is_integrated_is_velocity(branch, clock, monkeypatch):
    """The system handed to SciPy, turned back into dw/dt."""
    handed = {}

    def instead(motion, *_, **__):
        handed["motion"] = motion
        raise StopIteration

    monkeypatch.setattr(scipy.integrate, "solve_ivp", instead)
    rng = np.random.default_rng(7)
    for _ in range(20):
        mode, amplitudes = random_mode(rng, branch)
        one = equation(**mode, clock=clock)
        with pytest.raises(StopIteration):
            one.amplitude(np.array([1.0]))
        start = mode.pop("eps")
        for w in amplitudes:
            dy, dtau = handed["motion"](0.0, np.array([np.log(w / start), 0.0]))
            slope = w * dy / (dtau * np.exp(one._log_scale))
            assert slope == pytest.approx(
                dlnflow.velocity(w, **mode, clock=clock), rel=1e-11, abs=0
            )


def test_the_check_knows_nothing_of_the_solution():
    """It imports NumPy, SciPy and the standard library: none of ours."""
    tree = ast.parse(Path(integrate.__file__).read_text())
    imported = {
        name
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert "scipy.integrate" in imported
    assert {name.split(".")[0] for name in imported} <= {
        "__future__",
        "collections",
        "dataclasses",
        "typing",
        "numpy",
        "scipy",
    }


def test_a_mode_never_passes_its_plateau():
    one = equation(1.0, 0.5, 2, eps=1e-3)
    rest = dlnflow.plateau(0.5, 2)
    assert np.isfinite(one.time_of(0.999 * rest))
    assert one.time_of(1.001 * rest) == np.inf


def test_a_suppressed_mode_never_rises():
    assert equation(-1.0, -0.5, 2, eps=1e-3).time_of(2e-3) == np.inf


def test_a_mode_on_its_plateau_stays():
    one = equation(1.0, 0.5, 1, eps=0.5)
    assert one.amplitude(np.array([0.0, 1.0, 1e5])).tolist() == [0.5] * 3


def test_the_time_to_an_amplitude_inverts_the_amplitude_at_a_time():
    one = equation(1.3, 0.8, 4, eps=1e-6, objective="mae")
    for w in (1e-5, 0.1, 0.7):
        assert one.amplitude(np.array([one.time_of(w)]))[0] == pytest.approx(w, rel=1e-9)


@pytest.mark.parametrize("t", [[0.0], [1e-300], [0.0, 1e-30]])
def test_the_earliest_times_find_the_mode_at_its_start(t):
    assert equation(1.0, 0.5, 2, eps=1e-3).amplitude(np.array(t)).tolist() == [1e-3] * len(t)


@pytest.mark.parametrize("t", [1e6, 1e9, 1e300])
def test_a_mode_long_at_rest_costs_no_more_than_its_transition(t, evaluations):
    w = equation(1.0, 0.5, 2, eps=1e-3).amplitude(np.array([t]))
    assert w == pytest.approx(0.25, rel=1e-9)
    assert evaluations[0] > 100


def test_times_beyond_the_range_of_floats_do_no_harm():
    """One layer with 20 decoder layers at eps = 1e-30 takes about 1e600 units of time."""
    mode = {"lam": 1.0, "rho": 0.5, "L": 1, "eps": 1e-30, "decoder_depth": 20}
    assert equation(**mode).time_of(0.25) == np.inf
    assert equation(**mode).amplitude(np.array([1e300]))[0] == 1e-30


def test_an_integration_that_fails_says_so(monkeypatch):
    """What SciPy could not finish is no trajectory."""
    whole = scipy.integrate.solve_ivp

    def gives_up(*arguments, **options):
        result = whole(*arguments, **options)
        result.status, result.message = -1, "step too small"
        return result

    monkeypatch.setattr(scipy.integrate, "solve_ivp", gives_up)
    with pytest.raises(RuntimeError, match="step too small"):
        dlnflow.simulate(1.0, 0.5, 2, t=[0.0, 1.0], method="ode")


@pytest.mark.parametrize("objective", ["jepa", "mae"])
@pytest.mark.parametrize("rho", [-0.5, 0.0, 1e-3])
def test_a_falling_mode_is_followed_to_the_end_of_the_floats(objective, rho):
    modes = {"lam": 2.0 * rho, "rho": rho, "L": 2, "eps": 0.3, "variance": 2.0}
    t = np.geomspace(1e-300, 1e308, 20)
    ways = (
        dlnflow.simulate(**modes, objective=objective, t=t, method=method)[objective].w
        for method in ("exact", "ode")
    )
    exact, integrated = ways
    assert exact[-2] > 0.0 or objective == "mae"
    assert np.allclose(integrated, exact, rtol=1e-9, atol=0.0)

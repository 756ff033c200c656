"""Gradient flow of whole networks: the closed form is met where it holds, and laws anywhere."""

import contextlib
import itertools
import math
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import covariances, samples
from scipy.linalg import eigh
from scipy.stats import ortho_group

import dlnflow
from dlnflow.network import (
    Network,
    balanced,
    check_assumptions,
    compare,
    gaussian,
    gradient_descent,
    gradient_flow,
    largest_stable_rate,
)
from dlnflow.network._equations import Equations
from dlnflow.network._network import defects

EPS = 1e-2
seeds = st.integers(0, 2**32 - 1)


def data(lam, variance, seed=0):
    """Covariances with these modes in a random basis."""
    d = len(lam)
    basis = ortho_group.rvs(d, random_state=np.random.default_rng(seed))
    return basis * variance @ basis.T, basis * lam @ basis.T, basis


def rising(d):
    """Modes that are all learned."""
    lam, rho = np.linspace(1.0, 0.5, d), np.linspace(0.95, 0.4, d)
    return *data(lam, lam / rho), lam, rho


def random_bases(data_basis, L, P, m, seed=1):
    """A balanced network with a random basis between any two layers, aligned for target ``m``."""
    d, rng = len(data_basis), np.random.default_rng(seed)
    bases = [data_basis, *(ortho_group.rvs(d, random_state=rng) for _ in range(L + P - 1))]
    bases.append(bases[m])
    layers = [EPS ** (1.0 / L) * b @ a.T for a, b in itertools.pairwise(bases)]
    return Network(layers[:L], layers[L:])


def middle(L):
    return dlnflow.Objective(max(1, L // 2))


def exact(run, objective, L, P):
    modes = run.spectrum
    lam, rho, variance = (a[:, None] for a in (modes.lam, modes.rho, modes.variance))
    return dlnflow.amplitude(
        run.t, lam, rho, L, eps=EPS, objective=objective, decoder_depth=P, variance=variance
    )


def apart(one, other):
    return np.abs(one / other - 1.0).max()


def assert_reduces(d, objective, L, P, count):
    xx, yx, basis, lam, rho = rising(d)
    objective = middle(L) if objective == "middle" else dlnflow.Objective(objective)
    m = int(objective.layer(L))
    settings = {"eps": EPS, "objective": objective, "decoder_depth": P}
    last = 1.3 * dlnflow.critical_time(lam, rho, L, **settings).max()
    net = random_bases(basis, L, P, m)
    run = gradient_flow(net, xx, yx, objective=objective, t=np.linspace(0.0, last, count))
    assert run.stopped is None
    assert run.w.shape == (d, count)
    assert apart(run.w, exact(run, objective, L, P)) < (1e-6 if "CVODE" in run.how else 1e-8)
    other = dlnflow.MAE if m else dlnflow.JEPA
    assert apart(run.w, exact(run, other, L, P)) > 1e-2
    if (m, P) != (1, 1):  # there dw/dt = lam w**2 (1 - w / rho) on the paper's clock, for any L
        assert apart(run.w, exact(run, objective, L + 1, P)) > 1e-2
    assert apart(run.w, exact(run, objective, L, P + 1)) > 1e-2
    assert run.off_diagonal.max() < 1e-12


@pytest.mark.long
@pytest.mark.parametrize("P", [1, 2])
@pytest.mark.parametrize("L", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("objective", [None, 0, "middle"])
def test_the_network_meets_the_closed_form_and_no_other(objective, L, P):
    assert_reduces(5, objective, L, P, 20)


@pytest.mark.long
@pytest.mark.parametrize(("objective", "L"), [(None, 1), (0, 2), ("middle", 2)])
def test_the_network_meets_the_closed_form_in_64_dimensions(objective, L):
    assert_reduces(64, objective, L, 1, 8)


@pytest.mark.parametrize("objective", [dlnflow.JEPA, dlnflow.MAE, dlnflow.Objective(1)])
def test_suppressed_noisy_and_null_modes_meet_it_too(objective):
    lam, variance = np.array([1.0, 0.6, 0.0, -0.5, 0.0]), np.array([1.1, 1.0, 0.8, 1.0, 0.0])
    xx, yx, basis = data(lam, variance)
    net = random_bases(basis, 2, 1, int(objective.layer(2)))
    modes = {"lam": lam[:2], "rho": lam[:2] / variance[:2], "L": 2}
    last = 1.2 * dlnflow.critical_time(**modes, eps=EPS, objective=objective).max()
    run = gradient_flow(net, xx, yx, objective=objective, t=np.linspace(0.0, last, 30))
    assert run.spectrum.dropped == 1
    assert run.spectrum.lam == pytest.approx(lam[:4])
    predicted = exact(run, objective, 2, 1)
    assert run.w == pytest.approx(predicted, rel=1e-8, abs=1e-8 * EPS)
    assert np.all(predicted[:2, -1] > 0.2)
    assert np.all(np.diff(predicted[2:]) < 0.0)
    assert predicted[3, -1] < 0.9 * EPS
    null = np.linalg.norm(run.encoder @ basis[:, 4], axis=-1)
    assert null == pytest.approx(np.full(30, EPS), rel=1e-8)


@given(
    st.lists(st.integers(1, 5), min_size=2, max_size=4),
    st.integers(1, 3),
    st.sampled_from(["jepa", "mae", "layer-1"]),
    seeds,
)
@settings(max_examples=25)
def test_the_flow_keeps_every_balance_defect_and_large_steps_do_not(inner, L, objective, seed):
    d, L = 4, min(L, len(inner))
    widths = [*inner, 0]
    widths[-1] = [d, *inner][{"jepa": L, "mae": 0, "layer-1": 1}[objective]]
    xx, yx = covariances(*samples(12, d, seed))
    net = gaussian(xx, yx, L, eps=0.5, decoder_depth=len(widths) - L, widths=widths, rng=seed)
    run = gradient_flow(net, xx, yx, objective=objective, t=[1.0, 3.0], clock="network", rtol=1e-10)
    before = defects(net.layers)
    for a, b in zip(before, defects(run.network(1).layers), strict=True):
        assert a == pytest.approx(b, abs=1e-8)
    assert run.balance_defect == pytest.approx(np.full(2, net.balance_defect), rel=1e-7)
    assert not np.allclose(run.network(1).encoder[0], net.encoder[0], rtol=1e-4)
    jump = gradient_descent(net, xx, yx, objective=objective, lr=0.3, steps=1, record=[1]).network(
        0
    )
    moved = defects([a - b for a, b in zip(jump.layers, net.layers, strict=True)])
    for a, b, shift in zip(before, defects(jump.layers), moved, strict=True):
        assert b - a == pytest.approx(shift, abs=1e-12 * (1.0 + np.abs(a).max()))
    assert max(np.abs(shift).max() for shift in moved) > 1e-7


def test_the_loss_of_an_mae_never_rises_and_is_the_mean_squared_error():
    x, y = samples(50, 4, 3)
    xx, yx = covariances(x, y)
    net = gaussian(xx, yx, 2, eps=0.05, rng=0)
    settings = {"t": np.linspace(0.0, 60.0, 80), "sigma_yy": y.T @ y / len(y)}
    run = gradient_flow(net, xx, yx, objective="mae", **settings)
    miss = x @ run.product.swapaxes(-1, -2) - y
    assert run.loss == pytest.approx(0.5 * np.mean(np.sum(miss**2, -1), -1), rel=1e-10)
    assert np.all(np.diff(run.loss) < 1e-12)
    assert run.loss[-1] < 0.5 * run.loss[0]
    without = gradient_flow(net, xx, yx, objective="mae", t=run.t).loss
    assert without == pytest.approx(run.loss - 0.5 * np.mean(np.sum(y**2, -1)), abs=1e-10)
    jepa = gradient_flow(net, xx, yx, objective="jepa", **settings)
    miss = x @ jepa.product.swapaxes(-1, -2) - y @ jepa.encoder.swapaxes(-1, -2)
    assert jepa.loss == pytest.approx(0.5 * np.mean(np.sum(miss**2, -1), -1), rel=1e-9)
    assert np.any(np.diff(jepa.loss) > 1e-6)


@pytest.mark.parametrize("objective", ["jepa", "mae", "layer-1"])
def test_rotating_context_and_target_together_rotates_the_run(objective):
    x, y = samples(40, 4, 5)
    xx, yx = covariances(x, y)
    turn = ortho_group.rvs(4, random_state=np.random.default_rng(8))
    net = gaussian(xx, yx, 2, eps=0.1, rng=1)
    out = turn if objective == "mae" else np.eye(4)
    turned = Network([net.encoder[0] @ turn.T, net.encoder[1]], [out @ net.decoder[0]])
    t = [0.0, 10.0, 40.0]
    run = gradient_flow(net, xx, yx, objective=objective, t=t)
    other = gradient_flow(turned, turn @ xx @ turn.T, turn @ yx @ turn.T, objective=objective, t=t)
    assert other.encoder @ turn == pytest.approx(run.encoder, abs=1e-9)
    assert other.product == pytest.approx(out @ run.product @ turn.T, abs=1e-9)
    assert other.w == pytest.approx(run.w, abs=1e-9)
    assert other.loss == pytest.approx(run.loss, abs=1e-9)
    assert not np.allclose(other.encoder, run.encoder, atol=1e-3)
    assert run.off_diagonal[0] > 0.05


def stiff_problem():
    """The second mode is learned thousands of the first one's relaxation times later."""
    lam, rho = np.array([1.0, 0.002]), np.array([0.9, 0.1])
    xx, yx, basis = data(lam, lam / rho)
    last = 1.2 * dlnflow.critical_time(lam, rho, 1, eps=EPS).max()
    return (random_bases(basis, 1, 1, 1), xx, yx), np.linspace(0.0, last, 12)


@pytest.mark.long
def test_explicit_and_implicit_methods_agree():
    problem, t = stiff_problem()
    methods = ["DOP853", "CVODE", "Radau", "BDF"]
    runs = [gradient_flow(*problem, t=t, method=m, rtol=1e-9) for m in methods]
    assert [run.how.split(":")[0] for run in runs] == methods
    for run in runs:
        assert apart(run.w, exact(run, "jepa", 1, 1)) < 1e-5
    assert not np.array_equal(runs[0].w, runs[1].w)


def test_a_flow_that_turns_stiff_goes_on_implicitly_and_stays_accurate():
    problem, t = stiff_problem()
    run = gradient_flow(*problem, t=t)
    assert run.how.startswith("DOP853 then CVODE:")
    assert apart(run.w, exact(run, "jepa", 1, 1)) < 1e-6
    assert run.w[1, -1] > 0.05
    brief = gradient_flow(*problem, t=[0.0, 1.0])
    assert brief.how.startswith("DOP853:")


def test_without_scikit_sundae_small_networks_go_on_with_radau(monkeypatch):
    monkeypatch.setattr("dlnflow.network._solvers.cvode_is_installed", lambda: False)
    problem, t = stiff_problem()
    run = gradient_flow(*problem, t=t)
    assert run.how.startswith("DOP853 then Radau:")
    assert run.how.endswith(MISSING)
    assert apart(run.w, exact(run, "jepa", 1, 1)) < 1e-6
    assert "sundae" not in gradient_flow(*problem, t=[0.0, 1.0]).how


MISSING = "scikit-sundae, which comes with pip install 'dlnflow[stiff]', would be faster"


@pytest.mark.long
def test_without_scikit_sundae_large_networks_say_what_is_missing(monkeypatch):
    monkeypatch.setattr("dlnflow.network._solvers.cvode_is_installed", lambda: False)
    monkeypatch.setattr("dlnflow.network._solvers.LARGEST_FACTORISED", 7)  # the network has 8
    problem, t = stiff_problem()
    run = gradient_flow(*problem, t=t[:6])
    assert run.how.startswith("DOP853:")
    assert run.how.endswith(MISSING)
    assert run.how.count(MISSING) == 1
    assert apart(run.w, exact(run, "jepa", 1, 1)) < 1e-8


def test_cvode_without_scikit_sundae_names_the_extra(monkeypatch):
    monkeypatch.setattr("dlnflow.network._flow.cvode_is_installed", lambda: False)
    with pytest.raises(
        ImportError, match=r"method='CVODE' needs scikit-sundae, .*dlnflow\[stiff\]"
    ):
        gradient_flow(NET, XX, YX, t=[0.0, 1.0], method="CVODE")
    assert gradient_flow(NET, XX, YX, t=[0.0, 1.0]).stopped is None


@pytest.mark.long
@pytest.mark.parametrize(
    ("objective", "L"), [("jepa", 1), ("jepa", 3), ("mae", 2), ("mae", 3), ("layer-1", 2)]
)
def test_cvode_is_exact_to_a_millionth_of_a_plateau_and_a_large_rtol_is_not(objective, L):
    xx, yx, basis, lam, rho = rising(5)
    last = 1.3 * dlnflow.critical_time(lam, rho, L, eps=EPS, objective=objective).max()
    net = random_bases(basis, L, 1, {"jepa": L, "mae": 0, "layer-1": 1}[objective])
    settings = {"objective": objective, "t": np.linspace(0.0, last, 200)}
    run, loose, explicit = (
        gradient_flow(net, xx, yx, **settings, method=method, rtol=rtol)
        for method, rtol in (("CVODE", None), ("CVODE", 1e-3), ("DOP853", None))
    )
    plateau = dlnflow.plateau(run.spectrum.rho, L, objective=objective)[:, None]
    due = exact(run, objective, L, 1)
    assert np.abs((run.w - due) / plateau).max() < 1e-6
    assert np.abs((run.w - explicit.w) / plateau).max() < 1e-6
    assert np.abs((loose.w - due) / plateau).max() > 1e-2


def test_cvode_reads_times_within_its_steps_as_exactly():
    xx, yx, basis, _, rho = rising(3)
    net = random_bases(basis, 2, 1, 0)
    t = np.linspace(0.0, 300.0, 4000)
    run = gradient_flow(net, xx, yx, objective="mae", t=t, method="CVODE")
    assert int(run.how.split()[1]) < t.size / 2
    plateau = dlnflow.plateau(rho, 2, objective="mae")[:, None]
    assert np.abs((run.w - exact(run, "mae", 2, 1)) / plateau).max() < 1e-6
    ends = gradient_flow(net, xx, yx, objective="mae", t=t[[0, -1]], method="CVODE")
    assert np.array_equal(ends.w[:, -1], run.w[:, -1])
    assert ends.how.split()[1] == run.how.split()[1]


def failing_after(monkeypatch, calls, fail):
    """The gradient calls ``fail`` after so many evaluations."""
    count, downhill = itertools.count(), Equations.downhill

    def gradient(self, flat, target=None):
        return downhill(self, flat, target) if next(count) < calls else fail()

    monkeypatch.setattr(Equations, "downhill", gradient)


def interrupt():
    raise KeyboardInterrupt


def test_an_interrupt_within_a_step_of_cvode_leaves_a_clean_partial_run(monkeypatch):
    failing_after(monkeypatch, 300, interrupt)
    run = long_run(method="CVODE")
    assert run.stopped == "interrupted"
    assert 2 < run.t.size < 40
    assert apart(run.w, exact(run, "jepa", 2, 1)) < 1e-5


def test_what_cvode_prints_does_not_reach_the_user(monkeypatch, capsys):
    failing_after(monkeypatch, 300, lambda: math.nan)
    run = long_run(method="CVODE")
    assert run.stopped.startswith("the integrator gave up: ")
    assert np.isfinite(run.w).all()
    assert capsys.readouterr() == ("", "")
    monkeypatch.undo()
    failing_after(monkeypatch, 300, lambda: math.nan)
    monkeypatch.setattr("dlnflow.network._solvers.redirect_stdout", contextlib.nullcontext)
    long_run(method="CVODE")
    assert "Error" in capsys.readouterr().out


@pytest.mark.long
@pytest.mark.parametrize("objective", ["jepa", "mae"])
@pytest.mark.parametrize("eps", [1e-10, 1e-3, 1.0])
def test_cvode_takes_data_of_any_scale(objective, eps):
    lam, t = np.array([1.0, 0.9]), np.array([0.0, 1.0, 30.0, 1e12])
    runs = []
    for size in (1.0, 1e-100, 1e100):
        xx, yx = size * np.diag([2.0, 1.0, 0.0]), size * np.diag([*lam, 0.0])
        net = balanced(xx, yx, 2, eps=eps, objective=objective)
        settings = {"objective": objective, "t": t / size, "method": "CVODE", "rtol": 1e-8}
        runs.append(gradient_flow(net, xx, yx, **settings))
        assert runs[-1].stopped is None
        assert apart(runs[-1].w, runs[0].w) < 1e-6
    assert apart(runs[0].w[:, -1], runs[0].w[:, 0]) > 1e-4


@pytest.mark.parametrize("objective", ["jepa", "mae"])
def test_a_run_that_keeps_the_encoder_alone_is_the_same_at_a_fraction_of_the_size(objective):
    xx, yx, *_ = rising(6)
    net = gaussian(xx, yx, 3, eps=0.1, rng=0)
    settings = {"objective": objective, "t": np.linspace(0.0, 200.0, 60)}
    full = gradient_flow(net, xx, yx, **settings)
    part = gradient_flow(net, xx, yx, **settings, keep="encoder")
    assert np.array_equal(part.t, full.t)
    for name in ("encoder", "w", "off_diagonal"):
        assert getattr(part, name) == pytest.approx(getattr(full, name), rel=1e-10, abs=1e-14)
    for i in (0, 59, -1, -60):
        for a, b in zip(part.network(i).layers, full.network(i).layers, strict=True):
            assert np.array_equal(a, b)
    assert len(pickle.dumps(part)) < 0.35 * len(pickle.dumps(full))
    reads = [
        lambda name=name: getattr(part, name) for name in ("product", "loss", "balance_defect")
    ]
    for read in (*reads, lambda: part.network(1), lambda: part.network(-2)):
        with pytest.raises(
            ValueError, match=r"keep must be 'weights' in gradient_flow .*'encoder'"
        ):
            read()
    with pytest.raises(IndexError):
        part.network(60)


@pytest.mark.usefixtures("clock")
def test_a_stopped_run_that_keeps_the_encoder_has_its_first_and_last_network():
    settings = {"keep": "encoder", "max_seconds": 60}
    part, full = long_run(**settings), long_run(max_seconds=60)
    assert np.array_equal(part.t, full.t)
    for i in (0, -1):
        assert np.array_equal(part.network(i).product, full.network(i).product)
    only = gradient_flow(NET, XX, YX, t=[3.0], keep="encoder")
    assert np.array_equal(only.network(0).layers[0], only.network(-1).layers[0])
    assert only.encoder[0] == pytest.approx(only.network(0).embedding)
    assert not np.array_equal(only.encoder[0], NET.embedding)


@pytest.fixture
def clock(monkeypatch):
    """A wall clock on which every look takes a second."""
    ticks = itertools.count()
    fake = SimpleNamespace(perf_counter=lambda: float(next(ticks)))
    monkeypatch.setattr("dlnflow._common._progress.time", fake)


def long_run(**settings):
    xx, yx, basis, lam, rho = rising(3)
    last = dlnflow.critical_time(lam, rho, 2, eps=EPS).max()
    t = np.linspace(0.0, last, 40)
    return gradient_flow(random_bases(basis, 2, 1, 2), xx, yx, t=t, **settings)


@pytest.mark.usefixtures("clock")
def test_what_was_reached_in_the_time_allowed_is_returned():
    full, part = long_run(), long_run(max_seconds=60)
    assert full.stopped is None
    assert part.stopped == "max_seconds = 60 ran out"
    assert "stopped early: max_seconds = 60 ran out" in repr(part)
    assert 1 < part.t.size < 40
    asked = part.t.size - 1
    assert np.array_equal(part.t[:asked], full.t[:asked])
    assert np.array_equal(part.w[:, :asked], full.w[:, :asked])
    assert full.t[asked - 1] < part.t[-1] < full.t[asked]
    assert apart(part.w, exact(part, "jepa", 2, 1)) < 1e-8
    assert np.isfinite(part.loss).all()
    assert "max_seconds" not in repr(full)


def test_no_time_at_all_still_gives_a_run():
    run = long_run(max_seconds=1e-9)
    assert run.stopped.startswith("max_seconds = 1e-09")
    assert 1 <= run.t.size <= 2
    assert run.w.shape == (3, run.t.size)
    assert run.w[:, 0] == pytest.approx(EPS)


def test_a_run_that_reached_its_last_time_was_not_stopped():
    run = gradient_flow(Network([[[0.1]]], [[[0.1]]]), [[1.0]], [[0.5]], t=[1e-3], max_seconds=1e-9)
    assert run.t.tolist() == [1e-3]
    assert run.stopped is None


def impatient(share, _):
    if share > 0.5:
        raise KeyboardInterrupt


@pytest.mark.usefixtures("clock")
def test_an_interrupt_leaves_a_clean_partial_run():
    run = long_run(progress=impatient)
    assert run.stopped == "interrupted"
    assert 2 < run.t.size < 40
    assert apart(run.w, exact(run, "jepa", 2, 1)) < 1e-8
    assert np.isfinite(run.balance_defect).all()


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("method", ["DOP853", "CVODE", "Radau", "BDF"])
@pytest.mark.parametrize("name", ["paper", "network"])
def test_what_was_reached_before_the_only_time_asked_for_is_kept(method, name):
    """Between two times, too, the last state of the integrator is there, at its own time."""
    xx, yx, basis, *_ = rising(3)
    net = random_bases(basis, 2, 1, 2)
    settings = {"clock": name, "method": method, "rtol": 1e-9}
    run = gradient_flow(net, xx, yx, t=[5000.0], max_seconds=60, **settings)
    assert run.stopped == "max_seconds = 60 ran out"
    assert 1.0 < run.t[-1] < 5000.0
    assert run.w[0, -1] > 1.01 * EPS
    again = gradient_flow(net, xx, yx, t=run.t, **settings)
    assert again.stopped is None
    assert run.w == pytest.approx(again.w, rel=1e-6)
    assert run.loss == pytest.approx(again.loss, rel=1e-6)


class ReportError(Exception):
    """What a user's callable raises."""


def broken_after(share_of_the_work):
    """A progress callable that fails."""

    def report(share, _):
        if share > share_of_the_work:
            raise ReportError("full disk")

    return report


@pytest.mark.usefixtures("clock")
def test_an_error_on_the_way_carries_the_run_up_to_there():
    with pytest.raises(ReportError, match="full disk") as caught:
        long_run(progress=broken_after(0.5))
    run = caught.value.run
    assert run.stopped == "ReportError: full disk"
    assert 2 < run.t.size < 40
    assert apart(run.w, exact(run, "jepa", 2, 1)) < 1e-8
    assert any("the error's attribute run" in note for note in caught.value.__notes__)


@pytest.mark.usefixtures("clock")
def test_an_error_in_the_last_report_carries_the_whole_run():
    def report(_, text):
        if text == "done":
            raise ReportError("full disk")

    with pytest.raises(ReportError) as caught:
        long_run(progress=report)
    assert caught.value.run.stopped is None
    assert np.array_equal(caught.value.run.w, long_run().w)


@pytest.mark.long
@pytest.mark.parametrize("method", ["auto", "CVODE", "Radau", "BDF"])
@pytest.mark.parametrize("end", [1e12, 1e18, 1e30, 1e300])
def test_a_flow_far_beyond_rest_ends_in_silence_and_says_where(end, method):
    """Warnings are errors here: SciPy's Newton matrices stay regular."""
    xx, yx, basis, _, rho = rising(2)
    rest = dlnflow.plateau(rho, 1, objective="mae")
    run = gradient_flow(
        random_bases(basis, 1, 1, 0),
        xx,
        yx,
        objective="mae",
        t=[0.0, end],
        method=method,
        clock="network",
    )
    assert run.w[:, -1] == pytest.approx(rest, rel=1e-9)
    if end == 1e12:
        assert run.stopped is None
    else:
        assert run.stopped.startswith("double precision follows the flow no further")
        assert 1e13 < run.t[-1] < 1e16
    assert run.t.size == 2


@pytest.mark.long
def test_a_mode_that_waits_a_billion_relaxation_times_is_not_taken_for_rest():
    """Its velocity, 1e-18 at the start, is below what moves weights at any tolerance."""
    lam, rho = np.array([1.0, 0.9]), np.array([0.9, 0.5])
    net = Network([np.diag([0.5, 1e-9])], [np.diag([0.5, 1e-9])])
    eps = np.array([[0.5], [1e-9]])
    t = dlnflow.critical_time(0.9, 0.5, 1, eps=1e-9) * np.array([0.0, 0.5, 2.0])
    run = gradient_flow(net, np.diag(lam / rho), np.diag(lam), t=t)
    assert run.stopped is None
    due = dlnflow.amplitude(t, lam[:, None], rho[:, None], 1, eps=eps)
    assert run.w == pytest.approx(due, rel=1e-2)  # atol is 4e-4 of the second mode's weights
    exactly = gradient_flow(net, np.diag(lam / rho), np.diag(lam), t=t, atol=1e-20)
    assert exactly.w == pytest.approx(due, rel=1e-6)
    assert due[1] == pytest.approx([1e-9, 2e-9, 0.5], rel=0.1)


@pytest.mark.parametrize("method", ["DOP853", "CVODE", "Radau", "BDF", "auto"])
def test_every_method_stops_after_so_many_steps_and_says_so(method, monkeypatch):
    most = {"DOP853": 500, "CVODE": 10 if method == "auto" else 80, "Radau": 20, "BDF": 80}
    monkeypatch.setattr("dlnflow.network._solvers.MOST_STEPS", most)
    xx, yx, basis, *_ = rising(2)
    net = random_bases(basis, 1, 1, 1)
    run = gradient_flow(net, xx, yx, t=[0.0, 1e30], method=method)
    last = "CVODE" if method == "auto" else method
    assert run.stopped == f"{most[last]} steps of {last} did not reach the last time"
    assert run.t[-1] > 0.1
    monkeypatch.undo()
    assert run.w == pytest.approx(gradient_flow(net, xx, yx, t=run.t).w, rel=1e-6)


@pytest.mark.usefixtures("clock")
def test_an_interrupted_run_still_tells_what_it_took():
    assert " 0 gradients" not in long_run(progress=impatient).how


@pytest.mark.usefixtures("clock")
def test_progress_is_reported_in_shares_that_never_fall():
    reports = []
    long_run(progress=lambda share, text: reports.append((share, text)))
    shares = [share for share, _ in reports]
    assert len(shares) > 10
    assert shares == sorted(shares)
    assert 0.0 < shares[0] < 0.5
    assert shares[-1] == pytest.approx(1.0)
    assert all(0.0 <= share <= 1.0 for share in shares)
    assert "network clock" in reports[0][1]


@pytest.mark.usefixtures("clock")
def test_the_bar_does_not_touch_standard_output(capsys):
    assert np.array_equal(long_run(progress=True).w, long_run().w)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("objective", ["jepa", "mae"])
def test_times_that_resolve_every_transition_are_picked(objective):
    xx, yx, basis, _, rho = rising(4)
    m = 2 if objective == "jepa" else 0
    run = gradient_flow(random_bases(basis, 2, 1, m), xx, yx, objective=objective)
    share = run.w / dlnflow.plateau(rho, 2, objective=objective)[:, None]
    assert run.t[0] == 0.0
    assert np.all(share[:, -1] > 0.99)
    assert np.all(np.sum((share > 0.1) & (share < 0.9), axis=1) >= 3)


def test_clocks_differ_by_their_units_and_nothing_else():
    xx, yx, basis, *_ = rising(3)
    problem = (random_bases(basis, 3, 1, 3), xx, yx)
    t = np.array([0.0, 100.0, 500.0])
    own = gradient_flow(*problem, t=t, clock="network")
    paper = gradient_flow(*problem, t=3.0 * t)
    steps = gradient_flow(*problem, t=50.0 * t, clock=dlnflow.Training(lr=0.01, loss="sum"))
    for other, unit in ((paper, 3.0), (steps, 50.0)):
        assert other.w == pytest.approx(own.w, rel=1e-10)
        assert np.array_equal(other.t, unit * t)
    assert "paper clock" in repr(paper)
    assert "training steps" in repr(steps)
    assert not np.allclose(gradient_flow(*problem, t=t).w, own.w, rtol=1e-3)


def test_generalised_modes_are_the_data_s_own_where_covariances_commute():
    lam, rho = np.array([1.0, 0.8, 0.6, -0.3]), np.array([0.5, 0.9, 0.7, -0.2])
    xx, yx, basis = data(lam, lam / rho)
    run = gradient_flow(random_bases(basis, 2, 1, 2), xx, yx, t=[0.0, 400.0, 800.0])
    order = np.argsort(-run.spectrum.rho)
    assert run.amplitudes("generalised") == pytest.approx(run.w[order], rel=1e-7)
    assert not np.allclose(run.w[order], run.w, rtol=1e-2)
    assert run.data.generalised_rho == pytest.approx(run.spectrum.rho[order])


def test_generalised_modes_are_read_at_their_patterns_where_covariances_do_not_commute():
    xx, yx = covariances(*samples(40, 4, 5))
    run = gradient_flow(gaussian(xx, yx, 2, eps=EPS), xx, yx, t=[0.0, 1000.0])
    rho, vectors = eigh(0.5 * (yx + yx.T), xx)
    patterns = xx @ vectors[:, ::-1]
    answers = np.linalg.norm(run.encoder @ patterns, axis=-2) / np.linalg.norm(patterns, axis=0)
    assert run.data.generalised_rho == pytest.approx(rho[::-1])
    assert run.amplitudes("generalised") == pytest.approx(answers.T, rel=1e-9)
    own = np.sort(run.amplitudes("generalised")[:, -1])
    assert not np.allclose(own, np.sort(run.w[:, -1]), rtol=1e-2)


def test_aligned_starts_stay_diagonal_and_gaussian_ones_are_not():
    xx, yx, basis, *_ = rising(4)
    t = [0.0, 200.0]
    assert gradient_flow(random_bases(basis, 2, 1, 2), xx, yx, t=t).off_diagonal.max() < 1e-12
    off = gradient_flow(gaussian(xx, yx, 2, eps=EPS), xx, yx, t=t).off_diagonal
    assert np.all((off > 0.1) & (off <= 1.0))


def test_the_network_of_any_time_is_the_one_the_run_was_read_from():
    xx, yx, *_ = rising(3)
    net = gaussian(xx, yx, 2, eps=0.1, decoder_depth=2, widths=[4, 2, 5, 2])
    run = gradient_flow(net, xx, yx, t=[0.0, 20.0, 50.0])
    for i in range(3):
        one = run.network(i)
        assert one.embedding == pytest.approx(run.encoder[i], rel=1e-12, abs=1e-15)
        assert one.product == pytest.approx(run.product[i], rel=1e-12, abs=1e-15)
        assert one.balance_defect == pytest.approx(run.balance_defect[i])
        assert one.widths == net.widths
    for a, b in zip(run.network(0).layers, net.layers, strict=True):
        assert a == pytest.approx(b, abs=1e-15)
    assert run.start is net
    assert not np.allclose(run.network(2).embedding, net.embedding, rtol=0.1)
    with pytest.raises(IndexError):
        run.network(3)


@pytest.mark.parametrize("name", ["t", "encoder", "product", "loss", "balance_defect"])
def test_a_run_cannot_be_changed(name):
    xx, yx, basis, *_ = rising(2)
    run = gradient_flow(random_bases(basis, 2, 1, 2), xx, yx, t=[0.0, 1.0])
    with pytest.raises(ValueError, match="read-only"):
        getattr(run, name)[0] = 1.0


def test_any_tolerance_that_is_accepted_is_silent():
    xx, yx, basis, *_ = rising(2)
    gradient_flow(random_bases(basis, 1, 1, 1), xx, yx, t=[0.0, 1.0], rtol=3e-14)
    with pytest.raises(ValueError, match="rtol must be at least 3e-14"):
        gradient_flow(random_bases(basis, 1, 1, 1), xx, yx, t=[0.0, 1.0], rtol=1e-15)


XX, YX = np.diag([2.0, 1.0]), np.diag([1.0, 0.9])
NET = balanced(XX, YX, 2)
WIDE = Network([np.eye(40)] * 3, [np.eye(40)])
NARROW = Network([np.eye(1, 2)], [np.eye(2, 1)])
BAD = [
    ({"network": [np.eye(2)]}, TypeError, "network must be a dlnflow.network.Network: got list"),
    (
        {"network": balanced(np.eye(3), np.eye(3), 2)},
        ValueError,
        "network must take inputs of the data's dimension 2: got one for 3",
    ),
    ({"network": NARROW}, ValueError, "as the target has, 1 for a target at encoder layer 1: got"),
    (
        {"network": Network([np.eye(1, 2)], [np.eye(1)]), "objective": "mae"},
        ValueError,
        "as the target has, 2 for a target at the data: got 1",
    ),
    ({"objective": "layer-3"}, ValueError, r"target_layer must lie in .* 0..2: got 3"),
    ({"objective": "vae"}, ValueError, "objective must be"),
    ({"sigma_xx": np.eye(3)}, ValueError, "sigma_xx and sigma_yx must have the same shape"),
    ({"sigma_xx": [[1.0, 0.5], [0.0, 1.0]]}, ValueError, "sigma_xx must be symmetric"),
    ({"sigma_xx": np.diag([1.0, -1.0])}, ValueError, "sigma_xx must be positive semi-definite"),
    ({"sigma_xx": np.diag([1.0, 0.0])}, ValueError, "sigma_yx must vanish on directions"),
    ({"sigma_yx": [[1.0, np.nan], [0.0, 1.0]]}, ValueError, "sigma_yx must be finite: got nan"),
    ({"sigma_yy": np.eye(3)}, ValueError, r"sigma_yy must have the shape of .* \(3, 3\)"),
    ({"sigma_yy": np.ones(2)}, ValueError, "sigma_yy must be a square matrix"),
    ({"t": []}, ValueError, "t must have one axis and at least one time"),
    ({"t": 1.0}, ValueError, "t must have one axis"),
    ({"t": [2.0, 1.0]}, ValueError, "t must rise"),
    ({"t": [-1.0, 1.0]}, ValueError, "t must be finite and not negative: got -1"),
    ({"t": [0.0, np.nan]}, ValueError, "t must be finite and not negative: got nan"),
    ({"t": [0.0, math.inf]}, ValueError, "t must be finite and not negative: got inf"),
    (
        {"t": None, "network": Network([np.diag([1.0, 0.0])], [np.eye(2)])},
        ValueError,
        "t must be given for a network in which some mode has no amplitude",
    ),
    ({"clock": "wall"}, ValueError, "clock must be .*: got 'wall'"),
    ({"keep": "ends"}, ValueError, "keep must be one of 'weights', 'encoder': got 'ends'"),
    ({"method": "rk4"}, ValueError, "method must be one of 'auto', 'DOP853'.*: got 'rk4'"),
    (
        {"method": "Radau", "network": WIDE, "sigma_xx": np.eye(40), "sigma_yx": np.eye(40)},
        ValueError,
        "method must be 'auto', 'CVODE' or 'DOP853' for more than 6000 .* got 'Radau' for 6400",
    ),
    ({"rtol": 0.0}, ValueError, r"rtol must lie in \(0, 1\): got 0"),
    ({"rtol": [1e-8, 1e-9]}, ValueError, "rtol must be a single value"),
    ({"atol": 0.0}, ValueError, "atol must be positive and finite: got 0"),
    ({"progress": "yes"}, TypeError, "progress must be True, False or a function: got 'yes'"),
    ({"max_seconds": 0.0}, ValueError, "max_seconds must be positive and finite: got 0"),
]


@pytest.mark.parametrize(("change", "error", "message"), BAD)
def test_bad_input_is_refused_by_name(change, error, message):
    good = {"network": NET, "sigma_xx": XX, "sigma_yx": YX, "t": [0.0, 1.0]}
    with pytest.raises(error, match=message):
        gradient_flow(**{**good, **change})


def test_modes_are_read_in_a_basis_that_exists():
    run = gradient_flow(NET, XX, YX, t=[0.0, 1.0])
    with pytest.raises(ValueError, match="basis must be one of 'data', 'generalised': got 'pca'"):
        run.amplitudes("pca")


@pytest.mark.long
@pytest.mark.parametrize("objective", ["jepa", "mae"])
@pytest.mark.parametrize("size", [1e-30, 1e-10, 1.0, 1e10])
@pytest.mark.parametrize("eps", [1e-30, 1e-3, 30.0])
def test_extreme_data_and_starts_are_met_in_silence_and_leave_no_gaps(objective, size, eps):
    """Warnings are errors here, and no number is NaN."""
    xx, yx = size * np.diag([2.0, 1.0, 0.0]), size * np.diag([1.0, 0.9, 0.0])
    net = balanced(xx, yx, 2, eps=eps, objective=objective)
    run = gradient_flow(net, xx, yx, objective=objective, t=np.array([0.0, 1.0, 1e3, 1e12]) / size)
    rate = largest_stable_rate(net, xx, yx, objective=objective)
    assert 0.0 < rate < math.inf
    steps = gradient_descent(net, xx, yx, objective=objective, lr=0.1 * rate, steps=50)
    for one in (run, steps):
        for name in ("w", "loss", "product", "balance_defect", "off_diagonal"):
            assert np.isfinite(getattr(one, name)).all()
        assert "Comparison" in repr(compare(one))
    ema = 0.9 if objective == "jepa" else 0.0
    found = check_assumptions(
        xx, yx, network=net, objective=objective, lr=0.1 * rate, ema=ema, run=run
    )
    assert np.isfinite([check.measured for check in found]).all()


def test_weights_without_a_finite_gradient_are_refused_by_name():
    net = balanced(XX, YX, 2, eps=1e100)
    for call in (
        lambda: gradient_flow(net, XX, YX, t=[0.0, 1.0]),
        lambda: gradient_descent(net, XX, YX, lr=0.1, steps=3),
        lambda: largest_stable_rate(net, XX, YX),
        lambda: check_assumptions(XX, YX, network=net, lr=0.1),
    ):
        with pytest.raises(ValueError, match=r"network must have weights whose .* up to 1e\+50"):
            call()


@pytest.mark.parametrize("d", [1, 13])
def test_a_plateau_without_a_finite_gradient_is_refused_by_name(d):
    net = balanced(np.eye(d), 1e100 * np.eye(d), 2, eps=0.1)
    with pytest.raises(ValueError, match=r"sigma_yx must leave the .* up to 1e\+100 there"):
        largest_stable_rate(net, np.eye(d), 1e100 * np.eye(d))


@pytest.mark.parametrize("size", [1e-320, 1e-150])
def test_weights_that_hardly_move_have_an_infinite_or_huge_stable_rate(size):
    net = balanced([[1.0]], [[size]], 1, eps=0.1, objective="mae")
    zero = Network([[[0.0]]], [[[0.0]]])
    assert largest_stable_rate(net, [[1.0]], [[size]], objective="mae") > 1.0
    found = check_assumptions([[1.0]], [[size]], network=zero, lr=0.1, ema=0.5)
    assert np.isfinite([check.measured for check in found]).all()

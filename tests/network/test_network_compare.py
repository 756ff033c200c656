"""Prediction beside network, and assumptions measured: each breaks where it is broken."""

import dataclasses
import math

import numpy as np
import pytest
from problems import WAITING
from scipy.stats import ortho_group

import dlnflow
from dlnflow import network
from dlnflow.network import check_assumptions, compare
from dlnflow.network._initialise import rotation

LAM, RHO = np.array([1.2, 0.9, 0.65, 0.45]), np.array([0.95, 0.85, 0.75, 0.6])
BASIS = ortho_group.rvs(4, random_state=np.random.default_rng(0))
EPS = 1e-2


def in_basis(diagonal, basis=BASIS):
    return (basis * diagonal) @ basis.T


XX, YX = in_basis(LAM / RHO), in_basis(LAM)


def aligned(objective="jepa", L=2, P=1, **options):
    net = network.balanced(XX, YX, L, eps=EPS, objective=objective, decoder_depth=P)
    return network.gradient_flow(net, XX, YX, objective=objective, **options)


@pytest.fixture(scope="module")
def jepa():
    return aligned()


@pytest.mark.long
@pytest.mark.parametrize(("L", "P"), [(2, 1), (3, 1), (2, 2)])
@pytest.mark.parametrize("objective", ["jepa", "mae", "layer-1"])
def test_an_aligned_network_is_on_its_prediction(objective, L, P):
    run = aligned(objective, L, P)
    made = compare(run)
    assert made.largest_deviation < 1e-8
    assert made.order == (1.0, 0.0)
    settings = {"eps": EPS, "objective": objective, "decoder_depth": P}
    exact = dlnflow.critical_time(LAM, RHO, L, **settings)
    assert made.predicted_time == pytest.approx(exact, rel=1e-12)
    assert made.measured_time == pytest.approx(exact, rel=1e-4)
    assert np.abs(made.time_error).max() < 1e-4
    assert made.eps == pytest.approx(np.full(4, EPS))
    assert made.plateau == pytest.approx(
        dlnflow.plateau(RHO, L, objective=objective, decoder_depth=P)
    )
    assert made.overlap[0] == pytest.approx(made.overlap[1], abs=1e-3)
    other = dlnflow.MAE if objective == "jepa" else dlnflow.JEPA
    wrong = compare(dataclasses.replace(run, objective=other))
    assert wrong.largest_deviation > 0.1
    assert np.abs(wrong.time_error).max() > 0.1


def test_a_mode_counts_as_learned_at_the_fraction_asked_for(jepa):
    times = [compare(jepa, p=p) for p in (0.2, 0.5, 0.8)]
    for made in times:
        exact = dlnflow.critical_time(LAM, RHO, 2, eps=EPS, p=made.p)
        assert made.predicted_time == pytest.approx(exact)
        assert made.measured_time == pytest.approx(exact, rel=1e-4)
    assert np.all(np.diff([made.measured_time for made in times], axis=0) > 0.0)


def test_times_are_on_the_clock_of_the_run():
    on_paper, on_network = (compare(aligned(clock=clock)) for clock in ("paper", "network"))
    assert on_paper.predicted_time == pytest.approx(2.0 * on_network.predicted_time)
    assert on_paper.measured_time == pytest.approx(2.0 * on_network.measured_time, rel=1e-4)


@pytest.mark.long
def test_modes_not_learned_within_the_run_come_last_in_both_orders():
    exact = dlnflow.critical_time(LAM, RHO, 2, eps=EPS)
    end = 0.5 * (exact[1] + exact[2])
    made = compare(aligned(t=np.linspace(0.0, end, 4000)))
    assert np.all(np.isfinite(made.measured_time) == [True, True, False, False])
    assert np.all(np.isfinite(made.predicted_time))
    assert made.order.tau == pytest.approx(1.0)
    assert np.all(np.isnan(made.time_error[2:]))
    assert "learned: 2 by the network, 2 predicted" in repr(made)


def test_a_mode_that_was_due_and_did_not_come_errs_without_bound():
    exact = dlnflow.critical_time(LAM, RHO, 2, eps=EPS)
    run = aligned(t=np.linspace(0.0, 0.5 * (exact[2] + exact[3]), 400))
    faster = dlnflow.Spectrum.from_covariances(2.0 * XX, 2.0 * YX)
    made = compare(run, spectrum=faster)
    assert made.predicted_time == pytest.approx(0.5 * exact)
    assert np.isinf(made.time_error).tolist() == [False, False, False, True]
    assert made.time_error[:3] == pytest.approx(np.ones(3), abs=1e-3)
    assert np.isnan(compare(run).time_error[3])


def test_a_mode_said_to_have_negative_rho_but_learned_is_far_from_its_prediction(jepa):
    never = dlnflow.Spectrum.from_covariances(XX, in_basis(LAM * [1, 1, 1, -1]))
    for measure, least in (("probe", 0.3), ("amplitude", 10.0)):
        made = compare(jepa, spectrum=never, measure=measure)
        assert made.spectrum.lam[3] == pytest.approx(-0.45)
        assert math.isinf(made.predicted_time[3])
        assert made.plateau[3] == 0.0
        assert math.isinf(made.measured_time[3])
        assert made.deviation[3] > least


def through_a_bottleneck(basis, objective):
    xx, yx = in_basis(LAM / RHO, basis), in_basis(LAM, basis)
    widths, end = {"jepa": ((3, 3), 200.0), "mae": ((3, 4), 120.0)}[objective]
    net = network.balanced(xx, yx, 1, eps=EPS, widths=widths)
    return network.gradient_flow(net, xx, yx, objective=objective, t=np.linspace(0.0, end, 3000))


@pytest.mark.long
@pytest.mark.parametrize("objective", ["jepa", "mae"])
@pytest.mark.parametrize("basis", [np.eye(4), BASIS], ids=["axes", "turned"])
def test_a_mode_that_a_bottleneck_leaves_out_is_predicted_never_to_start(basis, objective):
    made = compare(through_a_bottleneck(basis, objective))
    assert made.eps[:3] == pytest.approx(np.full(3, EPS))
    assert made.eps[3] == 0.0
    assert not made.predicted[3].any()
    assert math.isinf(made.predicted_time[3])
    assert math.isinf(made.measured_time[3])
    assert made.plateau[3] == 0.0
    assert made.largest_deviation < 1e-8
    assert made.order.tau == pytest.approx(1.0)


def test_a_given_spectrum_is_the_one_predicted_and_read_by():
    population = dlnflow.Spectrum.from_covariances(XX, YX)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(300, 4)) @ in_basis(np.sqrt(LAM / RHO))
    y = x @ in_basis(RHO) + 0.3 * rng.normal(size=x.shape)
    sampled = network.covariances(x, y)
    net = network.balanced(*sampled, 2, eps=EPS)
    run = network.gradient_flow(net, *sampled)
    made, own = compare(run, spectrum=population), compare(run)
    assert made.spectrum is population
    assert own.spectrum is run.spectrum
    modes = (column[:, None] for column in (population.lam, population.rho))
    assert made.predicted == pytest.approx(dlnflow.probe_r2(run.t, *modes, 2, eps=EPS))
    v = population.filters / np.sqrt(
        np.diag(population.filters.T @ sampled[0] @ population.filters)
    )
    sigma = 0.5 * np.linalg.norm(sampled[0] @ v, axis=0) * population.rho**2
    assert made.measured == pytest.approx(run.probe_r2(v, sigma=sigma).T)
    assert np.abs(made.measured - own.measured).max() > 0.05
    by_amplitude = compare(run, spectrum=population, measure="amplitude")
    modes = (column[:, None] for column in (population.lam, population.rho))
    assert by_amplitude.predicted == pytest.approx(dlnflow.amplitude(run.t, *modes, 2, eps=EPS))
    read = np.linalg.norm(run.encoder @ population.basis, axis=-2).T
    assert by_amplitude.measured == pytest.approx(read)
    assert np.abs(made.predicted - own.predicted).max() > 0.05
    assert np.abs(made.time_error).max() > 0.01


@pytest.mark.parametrize("objective", ["jepa", "mae"])
def test_suppressed_and_noisy_modes_are_on_their_predictions_too(objective):
    lam, variance = np.array([1.0, 0.7, 0.0, -0.5]), np.array([1.1, 1.0, 0.8, 1.0])
    xx, yx = in_basis(variance), in_basis(lam)
    net = network.balanced(xx, yx, 2, eps=EPS)
    made = compare(network.gradient_flow(net, xx, yx, objective=objective))
    assert made.spectrum.rho == pytest.approx(lam / variance, abs=1e-12)
    assert made.largest_deviation < 1e-8
    assert np.all(np.diff(made.predicted[3]) < 0.0)
    assert np.all(np.isinf(made.predicted_time[2:]) & np.isinf(made.measured_time[2:]))
    assert np.all(np.isnan(made.time_error[2:]))
    assert made.order.tau == pytest.approx(1.0)


def test_a_table_has_a_row_for_each_mode(jepa):
    made = compare(jepa)
    table = made.to_dataframe()
    numbers = ["predicted_time", "measured_time", "lost_time", "time_error", "deviation"]
    assert list(table) == ["mode", "lam", "rho", "eps", "plateau", *numbers]
    assert table["mode"].tolist() == [0, 1, 2, 3]
    assert table["lam"].to_numpy() == pytest.approx(LAM)
    for name in numbers:
        assert np.array_equal(table[name], getattr(made, name))


def test_the_words_say_how_well_they_agree_and_whether_the_run_was_stopped(jepa):
    text = repr(compare(jepa))
    assert "4 modes" in text
    assert "learned: 4 by the network, 4 predicted" in text
    assert "Kendall tau 1.00 +- 0.00" in text
    assert "in the median of 4" in text
    assert "stopped" not in text
    cut = dataclasses.replace(jepa, stopped="time is up")
    assert "the run stopped early: time is up" in repr(compare(cut))


@pytest.mark.parametrize(("d", "words"), [(1, "no two modes"), (3, "too few modes for an error")])
def test_few_modes_have_no_order_or_no_error_of_it(d, words):
    xx, yx = np.diag((LAM / RHO)[:d]), np.diag(LAM[:d])
    run = network.gradient_flow(network.balanced(xx, yx, 1, eps=0.1), xx, yx)
    assert words in repr(compare(run))


def test_what_cannot_be_compared_is_refused(jepa):
    with pytest.raises(TypeError, match=r"run must be a dlnflow.network.Run: got Network"):
        compare(jepa.start)
    for p in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match=r"p must lie in \(0, 1\)"):
            compare(jepa, p=p)
    small = dlnflow.Spectrum.from_covariances(np.eye(3), np.eye(3))
    with pytest.raises(ValueError, match="spectrum must have the run's dimension 4: got 3"):
        compare(jepa, spectrum=small)
    weights = np.empty((0, jepa._weights.shape[1]))
    nothing = dataclasses.replace(jepa, t=np.empty(0), _weights=weights, stopped="time is up")
    with pytest.raises(ValueError, match=r"some time: got none \(time is up\)"):
        compare(nothing)


# Assumptions

START = {"eps": EPS, "objective": "jepa"}
NET = network.balanced(XX, YX, 3, **START)
AXES = network.balanced(np.eye(4), np.eye(4), 3, eps=EPS)
STABLE = network.largest_stable_rate(NET, XX, YX)
ASSUMPTIONS = [
    "symmetric sigma_yx",
    "rho at most 1",
    "commuting covariances",
    "modes stand alone",
    "positive regression coefficients",
    "full rank",
    "balanced layers",
    "aligned layers",
    "wide enough layers",
    "small initialisation",
    "greedy learning",
    "deep encoder",
    "units do not switch",
    "small learning rate",
    "the predicted order",
    "greedy learning, as trained",
]
TURN = rotation(4, 0.7, np.random.default_rng(0))
TURNED = TURN @ YX @ TURN.T
TWIST = 0.3 * (np.outer(BASIS[:, 0], BASIS[:, 1]) - np.outer(BASIS[:, 1], BASIS[:, 0]))
MIXED = XX + 0.3 * (np.outer(BASIS[:, 2], BASIS[:, 3]) + np.outer(BASIS[:, 3], BASIS[:, 2]))
RANK = in_basis(LAM / RHO * [1, 1, 1, 0]), in_basis(LAM * [1, 1, 1, 0])


def broken(xx=XX, yx=YX, net=NET, share=0.05, **options):
    made = check_assumptions(xx, yx, network=net, lr=share * STABLE, **options)
    return {check.assumption for check in made.broken}


def begun(L=3, start=network.balanced, **options):
    return start(XX, YX, L, **START | options)


def test_all_assumptions_hold_for_an_ideal_network():
    run = network.gradient_flow(NET, XX, YX)
    made = check_assumptions(XX, YX, network=NET, lr=0.05 * STABLE, run=run)
    assert [check.assumption for check in made] == ASSUMPTIONS
    assert made.hold
    assert made.broken == ()
    assert made["small learning rate"].measured == pytest.approx(0.05)
    assert made["the predicted order"].measured == 1.0
    assert made["small initialisation"].measured == pytest.approx(EPS / 0.6**3)
    assert [check.assumption for check in check_assumptions(XX, YX, run=run)] == [
        name for name in ASSUMPTIONS if name != "small learning rate"
    ]
    assert [check.assumption for check in check_assumptions(XX, YX)] == ASSUMPTIONS[:6]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, set()),
        ({"yx": TURNED, "share": 0.02}, {"commuting covariances", "rho at most 1"}),
        ({"yx": YX + TWIST}, {"commuting covariances", "symmetric sigma_yx"}),
        ({"xx": MIXED}, {"commuting covariances", "rho at most 1"}),
        ({"yx": in_basis(LAM * [1, 1, 1, -1])}, {"positive regression coefficients"}),
        ({"yx": in_basis(LAM * [1, 1, 1, 0])}, {"positive regression coefficients"}),
        (
            {"xx": np.eye(4), "yx": np.diag([0.9, 0.8, 0.7, 0.0]), "net": AXES},
            {"positive regression coefficients"},
        ),
        ({"xx": RANK[0], "yx": RANK[1]}, {"full rank"}),
        ({"net": begun(start=network.unbalanced, imbalance=0.3)}, {"balanced layers"}),
        ({"net": begun(start=network.misaligned, angle=0.4)}, {"aligned layers"}),
        ({"net": begun(widths=(4, 3, 4, 4))}, {"wide enough layers"}),
        ({"net": begun(eps=0.05)}, {"greedy learning"}),
        ({"net": begun(L=1)}, {"deep encoder"}),
        ({"share": 0.2}, {"small learning rate"}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_one_violation_breaks_its_own_assumption_and_no_other(change, expected):
    assert broken(**change) == expected


def test_strongly_correlated_features_do_not_stand_alone():
    xx = np.full((4, 4), 0.95) + 0.05 * np.eye(4)
    made = check_assumptions(xx, np.diag([0.04, 0.03, 0.02, 0.01]))
    assert {check.assumption for check in made.broken} == {
        "commuting covariances",
        "modes stand alone",
    }


def test_weights_near_their_plateau_are_no_small_initialisation():
    near, small = (begun(eps=eps) for eps in (0.13, 0.1))
    assert "small initialisation" in broken(net=near)
    assert "small initialisation" not in broken(net=small)


def test_the_objective_checked_is_the_one_given():
    assert "deep encoder" in broken(net=network.balanced(XX, YX, 3, eps=EPS), objective="mae")
    assert broken(net=network.balanced(XX, YX, 3, eps=EPS), objective="jepa") == set()
    run = network.gradient_flow(
        network.balanced(XX, YX, 3, eps=EPS), XX, YX, objective="mae", t=[1.0]
    )
    assert not check_assumptions(XX, YX, run=run)["deep encoder"].holds


@pytest.mark.parametrize(("eps", "switches"), [(1e-3, True), (1e-2, False)])
def test_a_better_mode_that_waits_too_long_breaks_the_alignment(eps, switches):
    net = network.balanced(*WAITING, 3, eps=eps)
    made = check_assumptions(*WAITING, network=net)["units do not switch"]
    assert made.holds is not switches
    exponent = network.switching_exponent([1.0, 0.7], [0.5, 1.0], 3, eps=eps)
    assert made.measured == pytest.approx(exponent.max())
    turned = network.misaligned(*WAITING, 3, eps=eps, angle=1e-3)
    later = check_assumptions(*WAITING, network=turned)["units do not switch"]
    assert later.threshold == pytest.approx(math.log(1e2), abs=1.0)
    assert made.threshold > 30.0


@pytest.mark.long
@pytest.mark.parametrize(("seed", "holds", "by_amplitude"), [(0, False, False), (1, True, False)])
def test_a_run_that_learned_in_another_order_breaks_the_order(seed, holds, by_amplitude):
    """By the probe; amplitudes find another order where the network kept to the predicted one."""
    turn = rotation(4, 0.5, np.random.default_rng(seed))
    wide = in_basis(np.array([4.0, 2.0, 1.0, 0.5]))
    turned = turn @ in_basis(np.array([1.2, 1.0, 0.7, 0.4])) @ turn.T
    run = network.gradient_flow(network.balanced(wide, turned, 3, **START), wide, turned)
    made = check_assumptions(wide, turned, run=run)
    assert made["the predicted order"].measured == compare(run).order.tau
    assert made["the predicted order"].holds is holds
    assert (compare(run, measure="amplitude").order.tau >= 0.9) is by_amplitude
    assert {check.assumption for check in made.broken} - {"the predicted order"} >= {
        "commuting covariances",
        "greedy learning",
    }


def test_a_run_that_never_learned_what_was_due_breaks_the_order():
    flipped = network.Network(NET.encoder, [-layer for layer in NET.decoder])
    end = 1.2 * dlnflow.critical_time(LAM, RHO, 3, eps=EPS).max()
    run = network.gradient_flow(flipped, XX, YX, t=np.linspace(0.0, end, 400))
    made = compare(run)
    assert np.all(np.isinf(made.measured_time))
    assert np.all(made.predicted_time < end)
    assert not check_assumptions(XX, YX, run=run)["the predicted order"].holds


def ideal_samples(n):
    """Samples whose covariances are exactly the ideal ones."""
    x = np.random.default_rng(3).normal(size=(n, 4))
    x = np.linalg.qr(x - x.mean(axis=0))[0] * math.sqrt(n) @ in_basis(np.sqrt(LAM / RHO))
    return x, x @ in_basis(RHO)


def test_few_samples_are_too_few_however_ideal():
    for n, enough in ((398, False), (402, True)):
        x, y = ideal_samples(n)
        made = check_assumptions(x=x, y=y)
        assert [check.assumption for check in made.broken] == ["enough samples"][enough:]
        assert made["enough samples"].measured == pytest.approx(math.sqrt(4 / n))


def test_checks_of_samples_and_of_their_covariances_agree():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(10_000, 4)) * [1.0, 2.0, 3.0, 4.0] + 3.0
    y = 0.5 * x + 0.4 * x @ rng.normal(size=(4, 4)) - 1.0
    by_samples = check_assumptions(x=x, y=y, network=NET)
    by_covariances = check_assumptions(*network.covariances(x, y), network=NET)
    assert {check.assumption for check in by_samples} - {
        check.assumption for check in by_covariances
    } == {"enough samples"}
    for check in by_covariances:
        assert by_samples[check.assumption].measured == pytest.approx(check.measured)
    assert by_covariances["commuting covariances"].measured > 0.1


def test_notebooks_show_every_check_in_a_table_with_the_consequences_of_violations():
    made = check_assumptions(XX, TURNED)
    html = made._repr_html_()
    assert html.count("<tr>") == 1 + len(made)
    assert html.count("<b>no</b>") == len(made.broken) > 0
    for check in made:
        assert check.assumption in html
        assert (check.consequence in html) == (not check.holds)
    assert "&lt;= 0.1" in html


def test_checks_are_found_by_name_and_say_what_follows():
    made = check_assumptions(XX, TURNED, network=NET)
    assert made["full rank"] is next(check for check in made if check.assumption == "full rank")
    assert len(made) == len(list(made)) == 12
    with pytest.raises(KeyError, match="'wealth' was not checked; here are 'symmetric sig"):
        made["wealth"]
    table = made.to_dataframe()
    names = ["concerns", "measured", "threshold", "holds", "quantity", "reason", "consequence"]
    assert list(table) == ["assumption", *names]
    assert table["holds"].tolist() == [check.holds for check in made]
    assert (table[["quantity", "reason", "consequence"]].map(len) > 8).all(axis=None)
    assert table["consequence"].is_unique
    text = repr(made)
    assert text.startswith("Assumptions: 10 of 12 hold")
    assert text.count("BROKEN") == 2
    assert " ".join(made["commuting covariances"].consequence.split()) in " ".join(text.split())
    assert made["full rank"].consequence not in " ".join(text.split())
    assert "BROKEN" not in repr(check_assumptions(XX, YX, network=NET))


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({}, ValueError, "got neither"),
        ({"sigma_xx": XX, "sigma_yx": YX, "x": YX, "y": YX}, ValueError, "got both"),
        ({"sigma_xx": XX}, TypeError, "sigma_yx"),
        ({"x": XX}, TypeError, "y must"),
        ({"sigma_xx": XX, "sigma_yx": math.nan * YX}, ValueError, "sigma_yx must"),
        ({"sigma_xx": XX, "sigma_yx": YX, "lr": 0.1}, ValueError, "network must be given"),
        ({"sigma_xx": XX, "sigma_yx": YX, "run": NET}, TypeError, "run must be a dlnflow"),
        ({"sigma_xx": XX, "sigma_yx": YX, "network": XX}, TypeError, "network must be"),
        ({"sigma_xx": XX[1:, 1:], "sigma_yx": YX[1:, 1:], "network": NET}, ValueError, "network"),
        ({"sigma_xx": XX, "sigma_yx": YX, "network": NET, "lr": -1.0}, ValueError, "lr must be"),
        ({"sigma_xx": XX, "sigma_yx": YX, "objective": "gan"}, ValueError, "gan"),
    ],
)
def test_what_cannot_be_checked_is_refused(given, error, words):
    with pytest.raises(error, match=words):
        check_assumptions(**given)


def test_white_samples_have_the_modes_of_the_target():
    """Their variances scatter by chance alone, and decide nothing."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2000, 4))
    y = x @ in_basis(np.array([0.95, 0.8, 0.6, 0.4])) + 0.3 * rng.normal(size=x.shape)
    found = dlnflow.Spectrum.from_samples(x, y)
    for made in (check_assumptions(x=x, y=y), check_assumptions(*network.covariances(x, y))):
        check = made["commuting covariances"]
        assert check.measured == pytest.approx(max(found.off_diagonal, found.off_variance) ** 0.5)
        assert check.holds
    components = dlnflow.Spectrum.from_covariances(*network.covariances(x, y), basis="variance")
    assert components.off_diagonal**0.5 > 0.1


@pytest.mark.slow
def test_correlated_features_are_learned_as_modes_of_the_cross_covariance():
    """Principal components are tied to each other here, and not learned as the closed form says."""
    rng = np.random.default_rng(1)
    distance = np.abs(np.subtract.outer(range(12), range(12)))
    shape = np.linalg.cholesky(np.exp(-distance / 6.0))
    s = rng.normal(size=(3000, 12)) @ shape.T
    x, y = (s + 0.6 * rng.normal(size=s.shape) for _ in range(2))
    views = np.concatenate([x, y]), np.concatenate([y, x])
    net = network.balanced(*network.covariances(*views), L=2, eps=1e-2)
    run = network.gradient_flow(net, *network.covariances(*views))
    components = dlnflow.Spectrum.from_samples(*views, basis="variance")
    errors, others = (
        np.abs(compare(run, spectrum=modes).time_error) for modes in (None, components)
    )
    assert np.nanmax(errors[:5]) < 0.01
    assert np.nanmax(others) > 0.03


@pytest.mark.long
@pytest.mark.parametrize(("ema", "holds"), [(0.9, True), (0.9999, False)])
def test_a_target_that_lags_behind_the_first_mode_is_noticed(ema, holds):
    made = check_assumptions(XX, YX, network=NET, lr=0.02, ema=ema)
    check = made["target without lag"]
    assert check.holds == holds
    first = compare(network.gradient_flow(NET, XX, YX)).predicted_time.min() / NET.L
    assert check.measured == pytest.approx(0.02 / (1.0 - ema) / first, rel=1e-6)
    assert "target without lag" not in [
        one.assumption for one in check_assumptions(XX, YX, network=NET, lr=0.02)
    ]


def test_an_objective_given_outweighs_the_run_s():
    run = aligned()
    by_run = check_assumptions(XX, YX, run=run)["deep encoder"].measured
    as_mae = check_assumptions(XX, YX, run=run, objective="mae")["deep encoder"].measured
    assert by_run > 0.1 > as_mae


def test_a_run_recorded_from_late_on_invents_no_times():
    late = compare(aligned(t=np.array([5000.0])))
    assert late.coarseness >= 1.0
    assert "coarse" in repr(late)
    assert "coarse" not in repr(compare(aligned()))


def test_modes_that_start_above_are_marked_and_left_out_of_the_order():
    xx, yx = np.diag([1.0, 1.25, 100.0]), np.diag([0.9, 1.0, 0.8])
    net = network.balanced(xx, yx, 2, eps=1e-2)
    made = compare(network.gradient_flow(net, xx, yx))
    assert made.learned.sum() == made.due.sum() == 2
    assert "1 start above 0.5 of their plateau" in repr(made)
    above = made.predicted_time == 0.0
    assert np.isnan(made.time_error[above]).all()


def test_neither_side_of_a_comparison_can_be_written():
    made = compare(aligned())
    for name in ("eps", "predicted", "measured", "plateau", "predicted_time", "deviation"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(made, name)[...] = 0.0


def test_what_the_caller_does_with_his_arrays_afterwards_changes_no_run():
    yx, yy = YX.copy(), np.eye(4)
    run = network.gradient_flow(NET, XX, yx, t=[0.0, 10.0], sigma_yy=yy)
    yx *= 0.0
    yy *= 0.0
    untouched = network.gradient_flow(NET, XX, YX, t=[0.0, 10.0], sigma_yy=np.eye(4))
    assert run.loss == pytest.approx(untouched.loss)


@pytest.mark.parametrize(("eps", "greedy"), [(1e-4, True), (0.08, False)])
def test_a_run_that_learns_all_at_once_is_reported(eps, greedy):
    net = network.balanced(XX, YX, 2, eps=eps)
    run = network.gradient_flow(net, XX, YX, objective="mae")
    check = check_assumptions(XX, YX, run=run)["greedy learning, as trained"]
    assert check.measured == compare(run).overlap[1]
    assert check.holds == greedy

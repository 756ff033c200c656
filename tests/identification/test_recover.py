"""`recover` estimates the modes of the data from a training run."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dlnflow
from dlnflow import network
from dlnflow.data._spectrum import Spectrum
from dlnflow.identification import Identification
from dlnflow.identification._encoder import modes_of

LAM = np.array([1.0, 0.8, 0.6, -0.1, -0.3])
VARIANCE = np.array([1.2, 0.9, 1.0, 0.5, 1.0])
JUDGED = {"explained": False, "misfit": 0.25, "verdict": "No candidate explains these data."}


def world(lam=LAM, variance=VARIANCE, seed=0):
    basis = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(lam), len(lam))))[0]
    return basis * variance @ basis.T, basis * lam @ basis.T


def world_basis(seed):
    return Spectrum.from_covariances(*world(seed=seed)).basis


def trained(objective="jepa", L=2, eps=0.05, seed=0, **options):
    xx, yx = world(seed=seed)
    start = network.balanced(xx, yx, L=L, eps=eps, objective=objective, rng=seed, **options)
    return network.gradient_flow(start, xx, yx, objective=objective)


@pytest.fixture(scope="module")
def run():
    return trained()


@pytest.fixture
def judged(monkeypatch):
    """Fixed values of what an identification says of its misfit."""
    for name, value in JUDGED.items():
        monkeypatch.setattr(
            Identification, name, property(lambda _, value=value: value), raising=False
        )


@pytest.mark.long
@pytest.mark.parametrize(
    ("objective", "L", "P"), [("jepa", 1, 1), ("jepa", 3, 1), ("mae", 2, 1), ("layer-1", 2, 2)]
)
def test_the_modes_of_the_data_are_recovered_from_the_weights(objective, L, P):
    run = trained(objective, L, decoder_depth=P)
    found = dlnflow.recover(run)
    assert np.allclose(found.lam, LAM, rtol=1e-6)
    assert np.allclose(found.rho, LAM / VARIANCE, rtol=1e-6)
    assert np.allclose(found.eps, 0.05, rtol=1e-9)
    assert np.allclose(np.abs(np.sum(found.basis * run.spectrum.basis, axis=0)), 1.0, atol=1e-8)
    assert found.suppressed.tolist() == [False, False, False, True, True]
    assert found.learned.tolist() == [True, True, True, False, False]
    assert found.off_diagonal < 1e-12
    assert found.dropped == 0


@pytest.mark.slow
@settings(max_examples=10)
@given(st.integers(0, 10_000))
def test_any_signs_of_any_modes_are_recognised(seed):
    rng = np.random.default_rng(seed)
    rho = rng.uniform(0.2, 0.95, 4) * rng.choice([-1.0, 1.0], 4)
    rho[0] = abs(rho[0])
    lam = rng.uniform(0.4, 1.0, 4) * np.sign(rho)
    xx, yx = world(lam, lam / rho, seed)
    run = network.gradient_flow(network.balanced(xx, yx, L=2, eps=0.02), xx, yx)
    found = dlnflow.recover(run)
    assert np.allclose(found.lam, np.sort(lam)[::-1], rtol=1e-5)
    assert np.array_equal(found.suppressed, found.rho < 0.0)


def test_a_run_read_with_the_wrong_objective_gives_other_modes(run):
    wrong = dlnflow.recover(run, objective="mae")
    assert not np.allclose(wrong.lam, LAM, rtol=0.1)
    assert not wrong.identification.explained


@pytest.mark.long
def test_objective_and_depth_need_not_be_known(run):
    found = dlnflow.recover(t=run.t, encoder=run.encoder)
    assert (found.identification.objective, found.identification.L) == ("jepa", 2)
    assert np.allclose(found.lam, LAM, rtol=1e-6)


def test_outputs_on_probes_do_as_well_as_weights(run):
    probes = np.random.default_rng(1).normal(size=(12, 5))
    outputs = np.einsum("nd,twd->tnw", probes, run.encoder)
    found = dlnflow.recover(t=run.t, outputs=outputs, probes=probes, objective="jepa", L=2)
    assert np.allclose(found.rho, dlnflow.recover(run).rho, rtol=1e-6)


def test_other_clocks_are_understood():
    xx, yx = world()
    net = network.balanced(xx, yx, L=2, eps=0.05)
    run = network.gradient_flow(net, xx, yx, clock=dlnflow.Training(lr=0.01))
    assert np.allclose(dlnflow.recover(run).lam, LAM, rtol=1e-6)
    paper = dlnflow.recover(t=run.t, encoder=run.encoder, objective="jepa", L=2)
    assert np.allclose(paper.lam, LAM * 0.01 * 2, rtol=1e-6)


def test_directions_without_variance_are_dropped_and_counted(judged):
    xx, yx = world(np.array([0.9, 0.5, 0.0]), np.array([1.0, 1.0, 0.0]))
    run = network.gradient_flow(network.balanced(xx, yx, L=2, eps=0.05), xx, yx)
    found = dlnflow.recover(run)
    assert np.allclose(found.lam, [0.9, 0.5], rtol=1e-6)
    assert found.dropped == 1
    assert "dropped: 1" in repr(found)


def test_the_verdict_and_modes_that_mix_come_before_any_number(run, judged):
    xx, yx = world()
    turn = np.eye(5) + 0.15 * np.triu(np.ones((5, 5)), 1)
    mixed = turn @ yx @ turn.T
    other = network.gradient_flow(network.balanced(xx, mixed, L=2, eps=0.05), xx, mixed)
    found = dlnflow.recover(other)
    first, second, third, *_ = repr(found).splitlines()
    assert first == f"Recovery: {JUDGED['verdict']}"
    assert "Modes mix" in second
    assert "5 modes" in third
    assert found.explain().startswith("Modes mix")
    clean = dlnflow.recover(run)
    assert "5 modes" in repr(clean).splitlines()[1]
    assert clean.explain() == clean.identification.explain()


def test_a_recovery_hands_on_how_well_the_amplitudes_are_explained(run, judged):
    found = dlnflow.recover(run)
    assert {name: getattr(found, name) for name in JUDGED} == JUDGED


def test_modes_are_matched_with_those_of_the_data_by_direction(run):
    found = dlnflow.recover(run)
    table = found.against(run.spectrum)
    assert table["of_data"].tolist() == [0, 1, 2, 3, 4]
    assert np.allclose(table["lam"], table["lam_data"], rtol=1e-6)
    shuffled = Spectrum.from_covariances(*world(LAM[[3, 0, 1, 2, 4]], VARIANCE[[3, 0, 1, 2, 4]]))
    assert np.nanmin(found.against(shuffled)["overlap"]) > 1.0 - 1e-6
    stranger = Spectrum.from_covariances(*world(seed=7)).leading(1)
    strange = found.against(stranger)
    assert strange["overlap"].isna().sum() >= 4
    assert strange["rho_data"].isna().sum() >= 4


def test_modes_of_other_directions_match_none(run):
    xx, yx = world(seed=5)
    table = dlnflow.recover(run).against(Spectrum.from_covariances(xx, yx))
    apart = np.abs(world_basis(0).T @ world_basis(5)).max(axis=1) ** 2 < 0.5
    assert apart.any()
    assert table["of_data"].isna().sum() + (table["of_data"] == -1).sum() >= apart.sum()
    assert np.isnan(table["rho_data"][apart]).all()


def test_a_mode_counts_as_learned_from_half_of_its_plateau_on():
    for share, learned in ((0.45, False), (0.6, True)):
        last = dlnflow.critical_time(1.0, 0.8, 2, eps=0.01, p=share)
        t = np.linspace(0.0, float(last), 60)
        w = dlnflow.amplitude(t, [[1.0], [2.0]], [[0.8], [0.9]], 2, eps=0.01)
        encoder = np.einsum("mt,mk->tmk", w, np.eye(2))
        found = dlnflow.recover(t=t, encoder=encoder, objective="jepa", L=2)
        assert found.lam == pytest.approx([2.0, 1.0], rel=1e-6)
        assert found.learned.tolist() == [True, learned]


def test_a_recovery_is_a_table_and_cannot_be_changed(run):
    found = dlnflow.recover(run)
    table = found.to_dataframe()
    assert table["learned"].tolist() == found.learned.tolist()
    assert np.array_equal(table["rho_err"], found.stderr.rho)
    assert np.allclose(found.variance, VARIANCE, rtol=1e-6)
    with pytest.raises(ValueError, match="read-only"):
        found.lam[0] = 1.0
    assert np.array_equal(pickle.loads(pickle.dumps(found)).lam, found.lam)


@pytest.mark.slow
@pytest.mark.parametrize("outputs_only", [False, True])
def test_noise_in_the_weights_does_not_lift_a_suppressed_mode(run, outputs_only):
    run, held, count = trained("mae"), 0, 20
    t, encoder = run.t[::4], run.encoder[::4]
    probes = np.random.default_rng(1).normal(size=(9, 5))
    for seed in range(count):
        noisy = encoder + 0.005 * np.random.default_rng(seed).normal(size=encoder.shape)
        given = {"encoder": noisy}
        if outputs_only:
            given = {"outputs": np.einsum("nd,twd->tnw", probes, noisy), "probes": probes}
        found = dlnflow.recover(t=t, objective="mae", L=2, **given)
        low, high = found.identification.interval("rho")
        assert found.suppressed[-1]
        held += low[-1] <= LAM[-1] / VARIANCE[-1] <= high[-1]
    assert held >= 0.8 * count


def test_amplitudes_are_those_of_the_closed_form(run):
    found = dlnflow.recover(run)
    closed = dlnflow.amplitude(run.t, LAM[:, None], (LAM / VARIANCE)[:, None], 2, eps=0.05)
    assert np.allclose(found.amplitudes, closed, rtol=1e-6)
    assert not found.turned.any()
    assert np.array_equal(found.amplitudes, found.identification.w)


def test_a_mode_that_decays_to_noise_keeps_its_sign(judged):
    t = np.linspace(0.0, 60.0, 80)
    w = dlnflow.amplitude(t, [[1.0], [-0.8]], [[0.8], [-0.9]], 2, eps=0.3, objective="mae")
    encoder = np.einsum("mt,mk->tmk", w, np.eye(2))
    encoder = encoder + 0.01 * np.random.default_rng(0).normal(size=encoder.shape)
    found = dlnflow.recover(t=t, encoder=encoder, objective="mae", L=2)
    assert found.suppressed.tolist() == [False, True]
    assert found.amplitudes[1].min() < 0.0 < found.amplitudes[0].min()
    assert abs(found.amplitudes[1, 40:].mean()) < 0.005
    assert not found.turned.any()
    assert np.array_equal(found.identification.w, found.amplitudes)
    for text in (repr(found), found.explain()):
        assert "Amplitudes cross 0 within their noise in mode 1:" in text


def test_a_mode_that_changes_its_sign_is_fitted_by_its_norm_and_named(judged):
    t = np.linspace(0.0, 60.0, 81)
    w = np.array([dlnflow.amplitude(t, 5.0, 2.0, 2, eps=0.05), np.linspace(-1.0, 1.5, 81)])
    encoder = np.zeros((81, 3, 2))
    encoder[:, 0, 0], encoder[:, 1, 1] = w
    found = dlnflow.recover(t=t, encoder=encoder, objective="jepa", L=2)
    assert found.dropped == 0
    mode = int(np.flatnonzero(found.turned)[0])
    assert found.turned.sum() == 1
    assert np.allclose(np.abs(found.basis[:, mode]), [0.0, 1.0])
    assert np.allclose(np.abs(found.amplitudes[mode]), np.abs(w[1]))
    assert np.any(found.amplitudes[mode] < 0.0)
    assert np.any(found.amplitudes[mode] > 0.0)
    assert np.allclose(found.identification.w[mode], np.abs(w[1]))
    assert found.to_dataframe()["turned"].tolist() == found.turned.tolist()
    for text in (repr(found), found.explain()):
        assert f"more than a right angle in mode {mode}: norms were fitted" in text
        assert "cross 0" not in text


def test_a_mode_whose_signed_amplitudes_add_up_to_0_is_not_lost():
    t, w = np.linspace(0.0, 60.0, 80), np.append(np.arange(-40, 0), np.arange(1, 41)) / 32
    assert w.sum() == 0.0
    found = dlnflow.recover(t=t, encoder=w[:, None, None], objective="jepa", L=2)
    assert found.turned.tolist() == [True]
    assert np.array_equal(np.abs(found.amplitudes), np.abs([w]))


def probed(run, n=4, k=3, sigma=0.3, **options):
    """A run seen through features of ``n`` inputs, which span its first ``k`` modes only."""
    rng = np.random.default_rng(2)
    drawn = np.concatenate([np.ones((n, 1)), rng.normal(size=(n, k))], axis=1)
    features = np.linalg.qr(drawn)[0][:, 1:] * np.sqrt(n)
    inputs = features * np.sqrt(VARIANCE[:k]) @ run.spectrum.basis[:, :k].T
    outputs = np.einsum("nd,twd->tnw", inputs, run.encoder)
    made = {"t": run.t, "outputs": outputs, "features": features, "probe_sigma": sigma}
    return inputs, made | options


@pytest.mark.parametrize("objective", ["jepa", "mae"])
def test_the_probe_reads_amplitudes_up_to_a_factor_where_probes_do_not_span(objective):
    run = trained(objective)
    inputs, given = probed(run)
    with pytest.raises(ValueError, match="or features of the probes with probe_sigma"):
        dlnflow.recover(t=run.t, outputs=given["outputs"], probes=inputs)
    found = dlnflow.recover(**given, L=[1, 2, 3])
    lam, rho, factor = LAM[:3], LAM[:3] / VARIANCE[:3], np.sqrt(VARIANCE[:3])
    closed = dlnflow.amplitude(run.t, lam[:, None], rho[:, None], 2, eps=0.05, objective=objective)
    assert np.allclose(found.amplitudes / factor[:, None], closed, rtol=1e-6)
    assert not np.allclose(found.amplitudes, closed, rtol=1e-2)
    best = found.identification
    assert (best.objective, best.L) == (objective, 2)
    powers = {"lam": -best.objective.growth_exponent(2) / 2, "rho": best.objective.gap(2) / 2}
    assert np.allclose(best.lam, lam * factor ** powers["lam"], rtol=1e-5)
    assert np.allclose(best.rho, rho * factor ** powers["rho"], rtol=1e-5)
    assert np.allclose(best.eps, 0.05 * factor, rtol=1e-5)
    first = found.explain().splitlines()[0]
    assert first.startswith("Amplitudes are known only up to a factor")
    assert all(f"{name} a**{power:g}" in first for name, power in powers.items())
    assert found.learned.tolist() == [True, True, True]


def test_the_probe_does_not_depend_on_its_noise_nor_on_a_bias(run):
    _, given = probed(run)
    plain = dlnflow.recover(**given, objective="jepa", L=2)
    noise = dlnflow.recover(**given | {"probe_sigma": [0.1, 0.5, 2.0]}, objective="jepa", L=2)
    assert np.allclose(noise.amplitudes, plain.amplitudes, rtol=1e-6)
    bias = given["outputs"] + np.linspace(1.0, 2.0, 5)
    shifted = dlnflow.recover(**given | {"outputs": bias}, objective="jepa", L=2)
    assert np.allclose(shifted.amplitudes, plain.amplitudes, rtol=1e-6)
    uneven = given["outputs"] * np.linspace(1.0, 2.0, 5)
    other = dlnflow.recover(**given | {"outputs": uneven}, objective="jepa", L=2)
    assert not np.allclose(other.amplitudes, plain.amplitudes, rtol=1e-2)


def test_nothing_with_an_unknown_factor_is_reported_as_a_number(run, judged):
    _, given = probed(run)
    found = dlnflow.recover(**given, objective="jepa", L=2)
    assert found.relative
    assert found.basis is None
    assert np.isnan([found.lam, found.rho, found.eps, *found.stderr, found.variance]).all()
    assert np.isnan(found.interval("rho")).all()
    assert "known only up to a factor" in repr(found).splitlines()[1]
    assert "  lam " not in repr(found)
    with pytest.raises(ValueError, match="against needs the modes' directions"):
        found.against(run.spectrum)
    weights = dlnflow.recover(run)
    assert not weights.relative
    assert np.isfinite([weights.lam, weights.interval("rho")[0]]).all()
    assert "  lam " in repr(weights)
    assert "factor" not in weights.explain()


def test_features_that_overlap_mix(run, judged):
    _, given = probed(run)
    turned = given["features"] @ np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    assert dlnflow.recover(**given, objective="jepa", L=2).off_diagonal < 1e-12
    mixed = dlnflow.recover(**given | {"features": turned}, objective="jepa", L=2)
    assert mixed.off_diagonal > 1e-2
    assert "Modes mix" in repr(mixed).splitlines()[1]


def test_suppressed_features_are_recognised_in_their_own_order(run):
    _, given = probed(run, n=12, k=5)
    backwards = given | {"features": given["features"][:, ::-1]}
    found = dlnflow.recover(**backwards, objective="jepa", L=2)
    assert found.suppressed.tolist() == [True, True, False, False, False]
    assert found.learned.tolist() == [False, False, True, True, True]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"probe_sigma": None}, "outputs, features and probe_sigma: got t, outputs, features"),
        ({"features": None}, "got t, outputs, probe_sigma"),
        ({"probes": np.eye(5)}, "got t, outputs, probes, features, probe_sigma"),
        ({"probe_sigma": 0.0}, "probe_sigma must be positive"),
        ({"probe_sigma": [0.1, 0.2]}, r"probe_sigma must be .* 3 features: got shape \(2,\)"),
        ({"probe_sigma": 1e-9}, r"probe_sigma must be larger.* got 1e-09 with R2 = 1 of feature 0"),
        ({"features": np.ones(4)}, r"features must have shape \(n, k\): got \(4,\)"),
        ({"features": np.ones((4, 1))}, "feature 0 is constant"),
        ({"features": np.ones((3, 1))}, "outputs must have shape .* 3 probes"),
        ({"eps": 0.05}, "eps and one_eps must be left out with features.*eps=0.05"),
        ({"one_eps": True}, "eps and one_eps must be left out with features.*one_eps=True"),
    ],
)
def test_invalid_features_are_refused(run, changed, message):
    _, given = probed(run)
    with pytest.raises(ValueError, match=message):
        dlnflow.recover(**given | changed)


def test_features_that_the_probe_does_not_read_are_refused(run):
    _, given = probed(run, n=12)
    rng = np.random.default_rng(0)
    drawn = np.concatenate([np.ones((12, 1)), given["features"], rng.normal(size=(12, 1))], axis=1)
    unread = np.linalg.qr(drawn)[0][:, 1:]
    with pytest.raises(ValueError, match=r"features must be read .* feature 3; leave it out"):
        dlnflow.recover(**given | {"features": unread})
    steady = np.repeat(given["outputs"][-1:], run.t.size, axis=0)
    with pytest.raises(ValueError, match=r"not equally at all times: .* feature 0; leave it out"):
        dlnflow.recover(**given | {"outputs": steady})


@pytest.mark.parametrize("name", ["features", "probe_sigma"])
def test_a_run_is_read_by_its_weights(run, name):
    with pytest.raises(ValueError, match=f"{name} must be left out where a run is given"):
        dlnflow.recover(run, **{name: 1.0})


def test_a_warning_of_sigma_points_to_the_call(run):
    with pytest.warns(UserWarning, match="sigma is contradicted") as seen:
        dlnflow.recover(run, objective="mae", sigma=1e-6)
    assert seen[0].filename == __file__


def test_any_unit_of_the_encoder_is_accepted(run):
    for scale in (1e-40, 1e40):
        found = dlnflow.recover(t=run.t, encoder=scale * run.encoder, objective="jepa", L=2)
        assert np.allclose(found.rho, LAM / VARIANCE * scale**0.5, rtol=1e-6)


def test_an_encoder_that_is_0_at_some_time_is_refused(run):
    nothing = run.encoder.copy()
    nothing[3] = 0.0
    for encoder, at in ((nothing, run.t[3]), (0.0 * run.encoder, run.t[0])):
        with pytest.raises(ValueError, match=f"encoder must not be 0.* at t = {at:g}"):
            dlnflow.recover(t=run.t, encoder=encoder)
        with pytest.raises(ValueError, match="outputs must not be 0"):
            dlnflow.recover(t=run.t, outputs=encoder.swapaxes(1, 2), probes=np.eye(5))
    for scale in (1e200, 1e-200):
        with pytest.raises(ValueError, match="encoder must be in units that keep it between"):
            dlnflow.recover(t=run.t, encoder=scale * run.encoder)


def test_a_recovery_knows_its_intervals(run, judged):
    found = dlnflow.recover(run)
    assert np.array_equal(found.interval("rho", 0.5), found.identification.interval("rho", 0.5))
    assert found.interval("lam").shape == (2, 5)
    alone = dlnflow.recover(t=run.t, encoder=run.encoder[:, :, :1] * 1.0, objective="jepa", L=2)
    assert alone.interval("lam").shape == (2, alone.lam.size)
    assert " 1 mode of" in repr(alone)


def test_unknown_options_are_refused_by_name(run):
    with pytest.raises(TypeError, match=r"recover\(\) got .* 'foo'"):
        dlnflow.recover(run, foo=3)
    with pytest.raises(TypeError, match="one_eps must be True or False"):
        dlnflow.recover(run, one_eps=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give a run; or t with encoder; .*got nothing"),
        ({"t": [0, 1]}, "got t"),
        (
            {"t": [0.0, 1.0], "encoder": np.ones((3, 2, 2))},
            r"encoder must have shape .*\(3, 2, 2\)",
        ),
        ({"t": [0.0, 1.0], "encoder": np.ones((2, 2))}, r"encoder must have shape .*\(2, 2\)"),
        (
            {"t": [0.0, 1.0], "outputs": np.ones((2, 3, 2)), "probes": np.ones((3, 2))},
            "probes must span all 2 directions: got 3 probes that span 1",
        ),
        (
            {"t": [0.0, 1.0], "outputs": np.ones((2, 4, 2)), "probes": np.eye(3)},
            r"outputs must have shape .* 3 probes: got \(2, 4, 2\)",
        ),
        ({"t": np.arange(9.0), "encoder": np.ones((9, 2, 2))}, "encoder must change"),
        ({"t": [1.0, 0.0], "encoder": np.ones((2, 2, 2))}, "t must rise"),
    ],
)
def test_invalid_runs_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        dlnflow.recover(**arguments)


def test_a_run_knows_its_own_times(run):
    with pytest.raises(ValueError, match="clock must be left out where a run is given"):
        dlnflow.recover(run, clock="network")
    with pytest.raises(TypeError, match=r"run must be a dlnflow\.network\.Run: got str"):
        dlnflow.recover("run")


@pytest.mark.long
def test_a_known_eps_is_used(run):
    known = dlnflow.recover(run, eps=0.05)
    assert np.all(known.stderr.eps == 0.0)
    rng = np.random.default_rng(0)
    noisy = run.encoder * (1.0 + 0.001 * rng.normal(size=(len(run.t), 1, 1)))
    options = {"t": run.t, "encoder": noisy, "objective": "jepa", "L": 2}
    assert np.ptp(dlnflow.recover(**options).eps) > 0.0
    assert np.ptp(dlnflow.recover(**options, one_eps=True).eps) == 0.0


def test_directions_with_only_rounding_errors_are_dropped(run):
    rng = np.random.default_rng(0)
    wider = np.zeros((len(run.t), 5, 6))
    wider[:, :, :5] = run.encoder
    wider[:, :, 5] = 1e-13 * rng.normal(size=(len(run.t), 5))
    found = dlnflow.recover(t=run.t, encoder=wider, objective="jepa", L=2)
    assert found.dropped == 1
    assert np.allclose(found.lam, LAM, rtol=1e-6)


def test_where_modes_mix_the_basis_is_the_one_in_which_they_mix_least():
    rng = np.random.default_rng(0)
    encoder = np.eye(4) * np.arange(1.0, 5.0) + 0.2 * rng.normal(size=(20, 4, 4))
    basis = modes_of(np.arange(20.0), encoder).basis
    sizes, vectors = np.linalg.eigh(encoder.swapaxes(1, 2) @ encoder)
    logarithms = (vectors * np.log(sizes)[:, None, :]) @ vectors.swapaxes(1, 2)

    def diagonal(basis):
        return np.sum(np.einsum("im,tij,jm->tm", basis, logarithms, basis) ** 2)

    for i, j in zip(*np.triu_indices(4, 1), strict=True):
        for angle in (0.02, -0.02):
            turn = np.eye(4)
            turn[[i, j], [i, j]], turn[i, j], turn[j, i] = (
                np.cos(angle),
                -np.sin(angle),
                np.sin(angle),
            )
            assert diagonal(basis @ turn) < diagonal(basis)

"""`recover` estimates the modes of the data from a training run."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dlnflow
from dlnflow import network
from dlnflow.data._spectrum import Spectrum
from dlnflow.identification._encoder import modes_of

LAM = np.array([1.0, 0.8, 0.6, -0.1, -0.3])
VARIANCE = np.array([1.2, 0.9, 1.0, 0.5, 1.0])


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
    assert "No candidate is right" in wrong.identification.explain()


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


def test_directions_without_variance_are_dropped_and_counted():
    xx, yx = world(np.array([0.9, 0.5, 0.0]), np.array([1.0, 1.0, 0.0]))
    run = network.gradient_flow(network.balanced(xx, yx, L=2, eps=0.05), xx, yx)
    found = dlnflow.recover(run)
    assert np.allclose(found.lam, [0.9, 0.5], rtol=1e-6)
    assert found.dropped == 1
    assert "dropped: 1" in repr(found)


def test_modes_that_mix_are_reported(run):
    xx, yx = world()
    turn = np.eye(5) + 0.15 * np.triu(np.ones((5, 5)), 1)
    mixed = turn @ yx @ turn.T
    other = network.gradient_flow(network.balanced(xx, mixed, L=2, eps=0.05), xx, mixed)
    assert "caution: modes mix" in repr(dlnflow.recover(other))
    assert "caution" not in repr(dlnflow.recover(run))


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


def test_a_recovery_explains_itself_and_knows_its_intervals(run):
    found = dlnflow.recover(run)
    assert found.explain() == found.identification.explain()
    assert np.array_equal(found.interval("rho", 0.5), found.identification.interval("rho", 0.5))
    assert found.interval("lam").shape == (2, 5)
    alone = dlnflow.recover(t=run.t, encoder=run.encoder[:, :, :1] * 1.0, objective="jepa", L=2)
    assert alone.interval("lam").shape == (2, alone.lam.size)
    assert "Recovery: 1 mode of" in repr(alone)


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

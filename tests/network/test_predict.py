"""Predictions for data: against whole networks and explicit integration, and where they fail."""

import math
import pickle
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from tiers import repeated

import dlnflow
from dlnflow import Spectrum
from dlnflow._common._progress import Progress
from dlnflow.network import _solvers, _subspace, _verification
from dlnflow.network._question import Question
from dlnflow.network._subspace import Subspace, learned
from dlnflow.studies._real_pairs import REAL_PAIRS

LAM, RHO = np.array([1.0, 0.8, 0.6, 0.5]), np.array([0.9, 0.7, 0.5, 0.3])
COMMUTING = Spectrum.from_covariances(np.diag(LAM / RHO), np.diag(LAM))


def exchangeable(d, seed, steepness=0.8, mixing=0.3):
    """Covariances of two noisy views of the same features: symmetric, with rho below 1."""
    random = np.random.default_rng(seed)
    shared = np.diag(steepness ** np.arange(d))
    mixed = np.linalg.qr(np.eye(d) + mixing * random.normal(size=(d, d)))[0]
    noise = mixed @ np.diag(random.uniform(0.05, 0.5, d)) @ mixed.T
    return shared + noise, shared


def real(name):
    return Spectrum.from_samples(*REAL_PAIRS[name]())


@pytest.fixture(scope="module")
def digits():
    return real("digits, shifted").predict(2, eps=1e-2, verify=True)


@pytest.mark.parametrize("L", [1, 3])
@pytest.mark.parametrize("objective", ["jepa", "mae", "layer-1"])
def test_covariances_that_commute_give_the_closed_form(L, objective):
    if objective == "layer-1" and L == 1:
        pytest.skip("layer 1 of 1 is the JEPA")
    made = COMMUTING.predict(L, eps=1e-2, objective=objective)[objective]
    exact = dlnflow.critical_time(made.lam, made.rho, L, eps=1e-2, objective=objective)
    assert made.time.tolist() == exact.tolist() == made.closed_form.tolist()
    assert set(made.decided_by) == {"closed form"}
    assert made.believed
    assert made.verdict.startswith("holds: ")
    assert np.all(np.isinf(made.lost_time))


def explicit_times(xx, yx, L, objective, eps, filters, until):
    """Times by a network, an integrator and a probe of their own."""
    d, m = len(xx), L if objective == "jepa" else 0

    def flow(_, z):
        layers = z.reshape(L + 1, d, d)
        before = [np.eye(d)]
        for layer in layers:
            before.append(layer @ before[-1])
        error, gradients = before[m] @ yx - before[-1] @ xx, [None] * (L + 1)
        for j in reversed(range(L + 1)):
            gradients[j] = error @ before[j].T
            error = layers[j].T @ error
        return np.ravel(gradients)

    start = np.tile(eps ** (1 / L) * np.eye(d), (L + 1, 1, 1)).ravel()
    done = solve_ivp(flow, (0.0, until / L), start, "LSODA", rtol=1e-9, atol=1e-13)
    times = np.full(filters.shape[1], np.inf)
    for i, v in enumerate(filters.T):
        a = xx @ v
        rho = v @ yx @ v
        sigma = 0.5 * np.linalg.norm(a) * dlnflow.plateau(rho, L, objective=objective)
        r2 = []
        for z in done.y.T:
            encoder = np.linalg.multi_dot([np.eye(d), *z.reshape(L + 1, d, d)[:L][::-1]])
            c = encoder @ a
            seen = encoder @ xx @ encoder.T + sigma**2 * np.eye(d)
            r2.append(c @ np.linalg.solve(seen, c))
        above = np.flatnonzero(np.array(r2) >= 0.5)
        if above.size:
            j = above[0]
            heights = np.log(np.sqrt(np.divide(r2, np.subtract(1.0, r2)))[j - 1 : j + 1])
            times[i] = L * np.interp(0.0, heights, done.t[j - 1 : j + 1])
    return times


@pytest.mark.parametrize("objective", ["jepa", "mae"])
@pytest.mark.parametrize("seed", repeated(range(12), (0, 1)))
def test_times_are_those_of_an_explicit_network(objective, seed):
    xx, yx = exchangeable(5, seed)
    made = Spectrum.from_covariances(xx, yx).predict(2, eps=1e-2, objective=objective)[objective]
    ever = np.isfinite(made.time)
    until = 1.2 * made.time[ever].max()
    found = explicit_times(xx, yx, 2, objective, 1e-2, made.features, until)
    assert np.allclose(found[ever], made.time[ever], rtol=0.02)
    assert np.all(found[~ever] > 0.9 * until)
    if seed < 2:
        assert np.any(made.decided_by == "interaction") == (objective == "jepa")


def test_a_whole_network_confirms_the_prediction_for_real_data(digits):
    for part in digits.values():
        assert part.believed
        assert part.tau == pytest.approx(1.0)
        assert part.median_error < 0.01
        ratio = part.network_time / part.time
        assert np.all(np.abs(np.log(ratio)) < np.log(1.3))
        assert np.mean(np.abs(np.log(ratio)) <= part.bound) >= 0.9


def test_the_closed_form_alone_misses_later_features_of_a_jepa(digits):
    error = np.abs(digits["jepa"].network_time / digits["jepa"].closed_form - 1.0)
    first = np.argsort(digits["jepa"].closed_form)
    assert np.all(error[first[:2]] < 0.05)
    assert error.max() > 0.2
    assert np.sum(digits["jepa"].decided_by == "interaction") >= 4


def test_principal_components_are_not_what_networks_learn_first():
    """The negative control of the basis: their closed form fails where the default holds."""
    x, y = REAL_PAIRS["photographs, 4 px"]()

    def error(basis):
        made = Spectrum.from_samples(x, y, basis=basis).predict(2, eps=1e-2, objective="mae")["mae"]
        first = np.argsort(made.closed_form)[:3]
        with np.errstate(divide="ignore"):
            return np.abs(np.log(made.time[first] / made.closed_form[first])).max()

    assert error("cross") < 0.05 < 0.15 < error("variance")


def test_a_projection_much_smaller_than_the_data_learns_as_they_do():
    xx, yx = exchangeable(48, 3, steepness=0.85, mixing=0.05)
    made = Spectrum.from_covariances(xx, yx).predict(2, eps=1e-2, modes=4, verify=True)
    for part in made.values():
        assert part.dimensions < 48
        assert np.all(np.abs(np.log(part.network_time / part.time)) <= part.bound + 0.01)
        assert part.tau == pytest.approx(1.0)


def test_a_projection_without_generalised_eigenvectors_is_worse():
    """The control of the subspace: singular vectors alone miss what a JEPA's units turn to."""
    question = Question(real("photographs, 6 px"), 2, 1, 1e-2, 0.5, "paper", 8)
    flow = sys.modules["dlnflow.network._predict"].Candidates.of(question, dlnflow.JEPA).flow
    right, _, generalised = question.directions(dlnflow.JEPA)

    def times(*columns):
        options = {"wanted": 5, "end": 4e5, "most_steps": 4000, "tracker": Progress(False, None)}
        return learned(flow, Subspace.spanned(*columns), **options).time

    whole = times(np.eye(len(right)))
    first = np.argsort(whole)[:5]
    assert np.all((whole[first] > 0.0) & np.isfinite(whole[first]))
    both, alone = (
        np.abs(np.log(np.minimum(some[first], 1e9) / whole[first])).max()
        for some in (times(right[:, :8], generalised[:, :8]), times(right[:, :16]))
    )
    assert both < 0.03 < alone


def test_features_that_units_leave_again_are_reported():
    made = real("EEG, single channels").predict(2, eps=1e-2, objective="jepa", verify=True)["jepa"]
    lost = np.isfinite(made.lost_time)
    assert lost.any()
    assert "are lost again" in made.verdict
    row = int(np.flatnonzero(np.isfinite(made.network_lost_time))[0])
    assert made.network_lost_time[row] == pytest.approx(made.lost_time[row], rel=0.1)


@pytest.mark.parametrize(
    ("xx", "yx", "said"),
    [
        (np.diag([2.0, 1.0]), np.diag([0.8, 1.2]), "rho 1.2, above 1"),
        (np.diag([2.0, 1.0]), [[0.8, 0.3], [-0.3, 0.6]], "not symmetric"),
    ],
)
def test_views_that_cannot_be_exchanged_are_not_believed(xx, yx, said):
    made = Spectrum.from_covariances(xx, yx).predict(2, eps=1e-2)
    assert not made.believed
    for part in made.values():
        assert part.verdict.startswith("does not hold: the views cannot be exchanged")
        assert said in part.verdict
        assert "The times are those of a whole network" in part.verdict


def test_shuffled_views_are_not_believed():
    x, y = REAL_PAIRS["digits, shifted"]()
    half = len(x) // 2
    order = np.random.default_rng(0).permutation(half)
    x, y = np.concatenate([x[:half], y[order]]), np.concatenate([y[order], x[:half]])
    shuffled = Spectrum.from_samples(x, y)
    assert "the views may be unrelated" in shuffled.verdict
    made = shuffled.predict(2, eps=1e-3, objective="mae", modes=2)["mae"]
    assert not made.believed
    assert made.verdict.startswith("does not hold: the views may be unrelated")


def test_the_first_features_are_chosen_in_the_order_of_the_spectrum():
    few = COMMUTING.predict(3, eps=1e-2, objective="jepa", modes=2)["jepa"]
    all_ = COMMUTING.predict(3, eps=1e-2, objective="jepa")["jepa"]
    assert few.mode.tolist() == sorted(all_.mode[all_.order][:2].tolist())
    assert np.all(np.diff(all_.time[all_.order]) > 0.0)
    assert np.allclose(np.diag(few.features.T @ np.diag(LAM / RHO) @ few.features), 1.0)
    assert np.allclose(few.lam, COMMUTING.lam[few.mode])


def test_times_follow_the_clock():
    paper, net = (COMMUTING.predict(3, eps=1e-2, clock=clock) for clock in ("paper", "network"))
    steps = COMMUTING.predict(3, eps=1e-2, clock=dlnflow.Training(lr=0.1))
    for name in paper:
        assert np.allclose(paper[name].time, 3.0 * net[name].time)
        assert np.allclose(steps[name].time, net[name].time / 0.1)


def test_the_scale_of_the_data_changes_times_alone():
    xx, yx = exchangeable(5, 1)
    one, other = (
        Spectrum.from_covariances(c * xx, c * yx).predict(2, eps=1e-2, objective="jepa")["jepa"]
        for c in (1.0, 1e4)
    )
    assert np.allclose(other.time, one.time / 1e4, rtol=1e-2)
    assert other.decided_by.tolist() == one.decided_by.tolist()


def test_features_that_start_above_their_plateau_are_left_out():
    made = COMMUTING.predict(3, eps=0.03, objective="jepa")["jepa"]
    assert made.mode.size < 4
    assert np.all(0.5 * dlnflow.plateau(made.rho, 3) > 0.03)
    none = COMMUTING.predict(3, eps=0.9, objective="jepa", verify=True)["jepa"]
    assert none.mode.size == 0
    assert "Use a smaller eps" in none.verdict
    assert not none.believed
    assert none.network_time.size == 0


def test_singular_covariances_are_predicted_inside_their_span():
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0][:, :4]
    flat = Spectrum.from_covariances(
        turn @ np.diag(LAM / RHO) @ turn.T, turn @ np.diag(LAM) @ turn.T
    )
    made, plain = (some.predict(2, eps=1e-2, verify=True) for some in (flat, COMMUTING))
    for name, part in made.items():
        assert part.features.shape == (6, 4)
        assert np.allclose(part.time, plain[name].time)
        assert np.allclose(part.network_time, plain[name].network_time, rtol=1e-3)


@pytest.mark.parametrize("scale", [1e-200, 1e-100, 1e100, 1e200])
def test_extreme_units_change_times_alone(scale):
    lam, rho = np.array([1.0, 0.8]), np.array([0.6, 0.8])
    made = Spectrum.from_covariances(scale * np.diag(lam / rho), scale * np.diag(lam)).predict(
        2, eps=1e-2
    )
    for part in made.values():
        assert part.time.tolist() == part.closed_form.tolist()
        assert np.all(np.isfinite(part.time))


@pytest.mark.parametrize("p", [0.01, 0.97, 0.999])
def test_any_fraction_of_the_plateau_can_be_asked_for(p):
    made = COMMUTING.predict(2, eps=1e-4, p=p)
    for part in made.values():
        assert part.believed
        assert np.all(part.bound < 0.3)


@pytest.mark.parametrize("basis", ["variance", "generalised", "joint"])
def test_any_basis_can_be_predicted(basis):
    xx, yx = exchangeable(5, 2)
    made = Spectrum.from_covariances(xx, yx, basis=basis).predict(2, eps=1e-2, objective="mae")[
        "mae"
    ]
    default = Spectrum.from_covariances(xx, yx).predict(2, eps=1e-2, objective="mae")["mae"]
    assert np.allclose(np.einsum("di,de,ei->i", made.features, xx, made.features), 1.0)
    assert made.time.min() == pytest.approx(default.time.min(), rel=0.3)


def test_sampling_errors_give_the_probability_of_each_step():
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 3)) * [1.4, 1.2, 1.19]
    y = x * [0.9, 0.6, 0.6] + 0.3 * random.normal(size=x.shape)
    views = np.concatenate([x, y]), np.concatenate([y, x])
    sampled = Spectrum.from_samples(*views, errors="asymptotic", block=1)
    made = sampled.predict(2, eps=1e-2, objective="mae")["mae"]
    assert made.probability.shape == (2,)
    assert np.all((made.probability > 0.4) & (made.probability <= 1.0))
    assert made.probability[0] > made.probability[1]
    assert "probability of each step" in repr(made)
    assert COMMUTING.predict(2)["mae"].probability is None


def test_an_early_end_says_what_was_not_reached():
    made = real("photographs, 6 px").predict(2, eps=1e-3, verify=True, max_seconds=0.1)
    for part in made.values():
        assert part.verification.run is None
        assert part.verification.stopped == "max_seconds = 0.1 ran out"
        assert np.all(np.isinf(part.network_time))
        assert "No network was trained beside it (max_seconds = 0.1 ran out)" in part.verdict


def test_an_interrupt_of_the_prediction_is_not_taken_for_features_that_are_not_learned(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(_subspace._Follower, "_record", interrupt)
    with pytest.raises(KeyboardInterrupt):
        COMMUTING.predict(2)


def test_errors_of_the_integration_are_raised(monkeypatch):
    def fail(*_):
        raise FloatingPointError("inside")

    monkeypatch.setattr(_subspace._Follower, "_record", fail)
    with pytest.raises(FloatingPointError, match="inside"):
        COMMUTING.predict(2)


def test_an_error_of_progress_keeps_the_prediction():
    def fail(share, text):
        raise OSError("disk")

    data = real("photographs, 6 px")
    with pytest.raises(OSError, match="disk") as caught:
        data.predict(2, eps=1e-2, objective="jepa", modes=4, verify=True, progress=fail)
    assert np.all(np.isfinite(caught.value.prediction["jepa"].time))


def test_whole_networks_are_integrated_to_the_stated_accuracy():
    """Small misalignments that an integrator leaves grow before a unit turns."""
    xx, yx = np.array([[1.0, 0.3], [0.3, 1.0]]), np.array([[0.8, 0.2], [0.2, 0.3]])
    data = Spectrum.from_covariances(xx, yx)
    for L, eps, P, exact in ((1, 1e-3, 2, 1.9808e6), (2, 1e-4, 1, 2.7923e6)):
        made = data.predict(L, eps=eps, decoder_depth=P, objective="jepa")["jepa"]
        last = int(np.argmax(made.time))
        assert abs(np.log(exact / made.time[last])) <= made.bound[last]


def test_a_network_that_contradicts_the_bounds_takes_the_belief_away(digits):
    part = digits["jepa"]
    assert part.believed
    asked = replace(part, verification=None)
    agreeing = part.verification
    assert _verification._added(asked, agreeing).believed
    late = np.where(np.arange(part.mode.size) < 3, 2.0, 1.0) * agreeing.time
    against = _verification._added(asked, replace(agreeing, time=late))
    assert not against.believed
    named = ", ".join(map(str, part.mode[:3]))
    assert f"contradicts the prediction beyond the bound for mode {named}" in against.verdict


def test_dependent_samples_may_be_unrelated():
    random = np.random.default_rng(59)
    noise = random.normal(size=(2, 800, 8))
    series = np.zeros_like(noise)
    for i in range(1, 800):
        series[:, i] = 0.97 * series[:, i - 1] + noise[:, i]
    views = np.stack(series, axis=1).reshape(-1, 8), np.stack(series[::-1], axis=1).reshape(-1, 8)
    made = Spectrum.from_samples(*views, errors="asymptotic", block=200)
    assert made.below_noise.all()
    assert "unrelated (every mode is below the noise)" in made.verdict


def test_an_interrupt_keeps_what_was_verified():
    def interrupt(share, text):
        raise KeyboardInterrupt

    data = real("photographs, 6 px")
    made = data.predict(2, eps=1e-3, objective="jepa", modes=4, verify=True, progress=interrupt)
    assert made["jepa"].verification.stopped == "interrupted"
    assert np.all(np.isfinite(made["jepa"].time))


def test_progress_rises_over_all_networks():
    seen = []
    data = real("photographs, 6 px")
    data.predict(2, eps=1e-2, modes=4, verify=True, progress=lambda share, text: seen.append(share))
    assert seen
    assert seen[-1] == 1.0
    assert all(0.0 <= share <= 1.0 for share in seen)


def test_without_cvode_a_large_prediction_names_the_extra(monkeypatch):
    for module in (_solvers, _subspace):
        monkeypatch.setattr(module, "cvode_is_installed", lambda: False)
    xx, yx = exchangeable(30, 0)
    with pytest.raises(ImportError, match=r"scikit-sundae.*pip install 'dlnflow\[stiff\]'"):
        Spectrum.from_covariances(xx, yx).predict(2, eps=1e-2)
    small = COMMUTING.predict(2, eps=1e-2)
    assert np.allclose(small["mae"].time, small["mae"].closed_form)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"modes": 5}, ValueError, "modes must lie in 1..4, the modes with positive lam: got 5"),
        ({"modes": 0}, ValueError, "modes must be a positive integer"),
        ({"modes": 1.5}, ValueError, "modes must be a positive integer"),
        ({"L": 0}, ValueError, "L must be a positive integer"),
        ({"L": [1, 2]}, ValueError, "L must be a single value"),
        ({"eps": 0.0}, ValueError, "eps must be positive"),
        ({"eps": [0.1, 0.2]}, ValueError, "eps must be a single value"),
        ({"p": 1.0}, ValueError, r"p must lie in \(0, 1\)"),
        ({"objective": "vae"}, ValueError, "objective"),
        ({"objective": "layer-7"}, ValueError, "layer"),
        ({"verify": "yes"}, TypeError, "verify must be True or False: got 'yes'"),
        ({"max_seconds": -1.0}, ValueError, "max_seconds must be positive"),
        ({"clock": "wall"}, ValueError, "clock"),
        ({"decoder_depth": 0}, ValueError, "decoder_depth must be a positive integer"),
        ({"progress": 3}, TypeError, "progress"),
    ],
)
def test_bad_arguments_are_named(options, error, said):
    with pytest.raises(error, match=said):
        COMMUTING.predict(**{"L": 2} | options)


def test_data_without_positive_lam_are_refused():
    negative = Spectrum.from_covariances(np.eye(2), np.diag([-0.5, -0.2]))
    with pytest.raises(ValueError, match="a mode with positive lam to predict features: got none"):
        negative.predict(2)


def test_verified_fields_need_a_verification():
    part = COMMUTING.predict(2)["jepa"]
    for name in ("network_time", "network_lost_time", "tau", "median_error"):
        with pytest.raises(ValueError, match=rf"{name} needs a trained network"):
            getattr(part, name)


def test_the_record_prints_selects_and_pickles(digits):
    with pytest.raises(KeyError, match="'vae' was not predicted; here are 'jepa', 'mae'"):
        digits["vae"]
    text = repr(digits)
    assert re.search(r"^Prediction: L = 2, eps = 0.01", text)
    assert "JEPA: holds: times agree with a whole network's within" in text
    assert "MAE: holds" in text
    assert "A whole network trained beside it learned 8 of 8 features" in " ".join(text.split())
    assert digits._repr_html_().startswith("<pre>")
    frame = digits.to_dataframe()
    assert frame["objective"].tolist() == ["jepa"] * 8 + ["mae"] * 8
    assert frame.groupby("objective")["time"].apply(lambda t: t.is_monotonic_increasing).all()
    again = pickle.loads(pickle.dumps(digits))
    assert np.array_equal(again["jepa"].time, digits["jepa"].time)
    with pytest.raises(ValueError, match="read-only"):
        again["jepa"].time[0] = 0.0


def test_deeper_decoders_are_predicted_too():
    made = COMMUTING.predict(2, eps=1e-2, decoder_depth=2, verify=True)
    for part in made.values():
        assert np.allclose(part.network_time, part.time, rtol=1e-2)


def test_a_single_feature_needs_no_order():
    made = Spectrum.from_covariances([[2.0]], [[1.0]]).predict(2, eps=1e-2, verify=True)
    assert made["jepa"].tau is None
    assert made["jepa"].median_error < 1e-3
    assert not math.isnan(made["jepa"].median_error)

"""A target of another dimension: an MAE has the modes of the singular vectors, a JEPA none."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import dlnflow
from dlnflow import CovarianceAccumulator, Spectrum, network

LAM, VARIANCE, EPS = np.array([0.9, 0.4]), np.array([1.5, 1.0, 0.7]), 0.01


def rotations():
    rng = np.random.default_rng(0)
    return [np.linalg.qr(rng.normal(size=(d, d)))[0] for d in (3, 2)]


def covariances(wide=False):
    """Context of 3 dimensions and target of 2, or the other way round, with commuting modes."""
    right, left = rotations()
    variance, matrix = VARIANCE, left @ np.diag(LAM) @ right[:, :2].T
    if wide:
        right, variance, matrix = left, VARIANCE[:2], matrix.T
    return right @ np.diag(variance) @ right.T, matrix


@pytest.mark.parametrize("wide", [False, True])
def test_modes_are_singular_vectors(wide):
    xx, yx = covariances(wide)
    s = Spectrum.from_covariances(xx, yx)
    modes = 2 if wide else 3
    assert np.allclose(s.lam, [*LAM, 0.0][:modes])
    assert np.allclose(s.rho, [*(LAM / VARIANCE[:2]), 0.0][:modes])
    assert np.allclose(yx @ s.basis, s.target_basis * s.lam)
    assert np.allclose(np.linalg.norm(s.target_basis, axis=0), [1.0, 1.0, 0.0][:modes])
    assert "for an MAE only" in repr(s)
    assert "JEPA" not in s.verdict
    assert s.leading(1).target_basis.shape == (len(yx), 1)
    square = Spectrum.from_covariances(np.eye(2), np.eye(2))
    assert square.target_basis is None
    assert "MAE only" not in repr(square)


@pytest.mark.parametrize("wide", [False, True])
def test_a_network_with_another_output_learns_these_modes(wide):
    xx, yx = covariances(wide)
    s = Spectrum.from_covariances(xx, yx)
    dy, dx = yx.shape
    encoder, decoder = EPS * s.basis[:, :2].T, EPS * s.target_basis[:, :2]

    def flow(_, weights):
        w, v = weights[: 2 * dx].reshape(2, dx), weights[2 * dx :].reshape(dy, 2)
        error = yx - v @ w @ xx
        return np.concatenate([(v.T @ error).ravel(), (error @ w.T).ravel()])

    t = np.linspace(0.0, 30.0, 40)
    start = np.concatenate([encoder.ravel(), decoder.ravel()])
    run = solve_ivp(flow, (0.0, t[-1]), start, t_eval=t, rtol=1e-10, atol=1e-13)
    w = np.einsum("kdt,dk->kt", run.y[: 2 * dx].reshape(2, dx, -1), s.basis[:, :2])
    made = s.simulate(1, t=t, eps=EPS, clock="network")
    assert list(made) == ["mae"]
    assert np.allclose(made["mae"].w[:2], w, rtol=1e-6)
    swapped = dlnflow.amplitude(
        t, s.lam[1::-1, None], s.rho[1::-1, None], 1, eps=EPS, objective="mae"
    )
    assert not np.allclose(swapped, w, rtol=0.1)


def samples(n=3000):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, 4)) * [2.0, 1.5, 1.0, 0.8]
    return x, x @ rng.normal(size=(4, 2)) + 0.3 * rng.normal(size=(n, 2))


def test_samples_give_the_singular_values_of_their_covariances():
    x, y = samples()
    total = np.cov(x, y, rowvar=False, bias=True)
    s = Spectrum.from_samples(x, y)
    assert np.allclose(s.lam[:2], np.linalg.svd(total[4:, :4])[1])
    assert s.noisy == 2
    prediction = s.predict(2, eps=EPS, modes=2, verify=True)
    assert list(prediction) == ["mae"]
    assert prediction["mae"].tau == 1.0
    assert prediction["mae"].median_error < 0.02
    assert set(s.critical_time_table(2)["objective"]) == {"mae"}


@pytest.mark.parametrize("objective", ["jepa", ("jepa", "mae"), dlnflow.Objective(target_layer=1)])
def test_what_has_no_mode_equation_is_refused_with_the_reason(objective):
    s = Spectrum.from_samples(*samples())
    message = (
        "objective must be 'mae' .* since a JEPA encodes both with one encoder: got '(jepa|lay)"
    )
    for ask in (s.predict, s.simulate, s.critical_time_table):
        with pytest.raises(ValueError, match=message):
            ask(2, objective=objective)


def test_what_needs_one_dimension_is_refused_by_name():
    x, y = samples()
    s = Spectrum.from_samples(x, y)
    for options in ({"basis": "variance"}, {"scale": "unit"}, {"errors": "bootstrap"}):
        (name,) = options
        with pytest.raises(ValueError, match=f"^{name} must be .* if x and y differ in dimension"):
            Spectrum.from_samples(x, y, **options)
    with pytest.raises(ValueError, match=r"^errors are not known if x and y differ"):
        s.with_errors([(x, y)])
    for refused in (
        lambda: CovarianceAccumulator().update(x, y),
        lambda: network.covariances(x, y),
    ):
        with pytest.raises(
            ValueError, match=r"got \(3000, 4\) and \(3000, 2\); a JEPA encodes both"
        ):
            refused()
    with pytest.raises(ValueError, match=r"got \(3000, 4\) and \(2999, 2\)$"):
        Spectrum.from_samples(x, y[1:])


def test_a_lost_column_is_no_other_target():
    pd = pytest.importorskip("pandas")
    x, y = samples()
    x = pd.DataFrame(x, columns=list("abcd"))
    assert Spectrum.from_samples(x, pd.DataFrame(y, columns=["u", "v"])).names == tuple("abcd")
    with pytest.raises(ValueError, match=r"^y must have the features of x.* without 'c', 'd'"):
        Spectrum.from_samples(x, x[["b", "a"]])

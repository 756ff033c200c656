"""Modes are recovered from covariances and samples, and departures from the theory reported."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import commuting, rotation

import dlnflow
from dlnflow.data._spectrum import Spectrum

dimensions = st.integers(2, 7)
seeds = st.integers(0, 2**32 - 1)
ORTHOGONAL = ("cross", "variance", "joint")


def distinct_modes(d, rng):
    """Variances and covariances, every two of them at least 5 % apart, some negative."""
    variance = rng.permutation(1.3 ** np.arange(d)) * rng.uniform(0.98, 1.02, d)
    lam = rng.permutation(1.2 ** np.arange(d)) * rng.uniform(0.98, 1.02, d)
    return lam * rng.choice([-1.0, 1.0], d), variance


def diagnostics(s):
    return np.array([s.commutator, s.off_diagonal, s.asymmetry, s.off_variance])


@given(dimensions, seeds, st.sampled_from(ORTHOGONAL))
def test_the_modes_put_into_any_basis_are_recovered_sorted_by_lam(d, seed, name):
    rng = np.random.default_rng(seed)
    lam, variance = distinct_modes(d, rng)
    basis = rotation(d, rng)
    s = Spectrum.from_covariances(*commuting(lam, variance, basis), basis=name)
    order = np.argsort(-lam)
    assert np.allclose(s.lam, lam[order], rtol=1e-12)
    assert np.allclose(s.variance, variance[order], rtol=1e-12)
    assert np.allclose(s.rho, (lam / variance)[order], rtol=1e-12)
    assert np.allclose(np.abs(np.sum(s.basis * basis[:, order], axis=0)), 1.0)
    assert np.all(diagnostics(s) < 1e-13)
    assert np.all(s.coupling < 1e-13)
    assert s.cautions == () or s.largest_rho > 1.0
    assert s.suppressed == np.sum(lam < 0)


@given(dimensions, seeds)
def test_covariances_of_data_are_reproduced_by_the_basis(d, seed):
    rng = np.random.default_rng(seed)
    sigma_xx, sigma_yx = random_covariances(d, rng)
    symmetric = 0.5 * (sigma_yx + sigma_yx.T)
    for name, diagonal in (("cross", symmetric), ("variance", sigma_xx)):
        s = Spectrum.from_covariances(sigma_xx, sigma_yx, basis=name)
        assert np.allclose(s.basis.T @ s.basis, np.eye(d), atol=1e-12)
        values = s.lam if name == "cross" else s.variance
        assert np.allclose(s.basis.T @ diagonal @ s.basis, np.diag(values), atol=1e-3)
        assert np.allclose(np.diag(s.basis.T @ sigma_yx @ s.basis), s.lam)
        assert np.allclose(np.diag(s.basis.T @ sigma_xx @ s.basis), s.variance)
        assert np.all(np.diff(s.lam) <= 0.0)


def random_covariances(d, rng):
    x, y = rng.normal(size=(2, 3 * d, d))
    y += x @ rng.normal(size=(d, d))
    return x.T @ x / len(x), y.T @ x / len(x)


@given(dimensions, seeds, st.floats(-3, 3))
def test_a_unit_of_measurement_scales_lam_and_variance_and_nothing_else(d, seed, decades):
    x, y = np.random.default_rng(seed).normal(size=(2, 3 * d, d)) + 1.0
    y += x
    unit = 10.0**decades
    one, other = Spectrum.from_samples(x, y), Spectrum.from_samples(unit * x, unit * y)
    assert np.allclose(other.lam, unit**2 * one.lam, rtol=1e-9, atol=1e-12 * unit**2)
    assert np.allclose(other.variance, unit**2 * one.variance)
    assert np.allclose(other.rho, one.rho, atol=1e-12)
    assert np.allclose(other.coupling, one.coupling, atol=1e-9)
    assert np.allclose(diagnostics(other), diagnostics(one), atol=1e-12)


@given(dimensions, seeds)
def test_a_rotation_of_the_coordinates_turns_the_basis_and_nothing_else(d, seed):
    rng = np.random.default_rng(seed)
    sigma_xx, sigma_yx = random_covariances(d, rng)
    turn = rotation(d, rng)
    one = Spectrum.from_covariances(sigma_xx, sigma_yx)
    other = Spectrum.from_covariances(turn @ sigma_xx @ turn.T, turn @ sigma_yx @ turn.T)
    assert np.allclose(other.lam, one.lam, atol=1e-8)
    assert np.allclose(diagnostics(other), diagnostics(one), atol=1e-8)
    assert np.allclose(np.abs(np.sum(other.basis * (turn @ one.basis), axis=0)), 1.0, atol=1e-5)


@given(dimensions, seeds)
def test_the_off_diagonal_share_bounds_the_other_diagnostics(d, seed):
    given = random_covariances(d, np.random.default_rng(seed))
    for basis in ORTHOGONAL:
        s = Spectrum.from_covariances(*given, basis=basis)
        assert 0.0 <= s.off_diagonal <= 1.0
        assert 0.0 <= s.off_variance <= 1.0
        bound = np.sqrt(s.off_diagonal) + np.sqrt(2.0 * s.off_variance)
        assert s.commutator <= bound + 1e-12
        assert s.asymmetry <= np.sqrt(s.off_diagonal) + 1e-12
        assert np.all((s.coupling >= 0.0) & (s.coupling <= 1.0))


@given(dimensions, seeds)
def test_in_the_default_basis_only_the_asymmetric_part_of_sigma_yx_is_off_the_diagonal(d, seed):
    s = Spectrum.from_covariances(*random_covariances(d, np.random.default_rng(seed)))
    assert s.off_diagonal == pytest.approx(s.asymmetry**2, rel=1e-6)


def tilted(angle, basis="cross"):
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    covariances = np.diag([2.0, 1.0]), turn @ np.diag([0.9, 0.2]) @ turn.T
    return Spectrum.from_covariances(*covariances, basis=basis)


def test_the_diagnostics_grow_with_the_angle_between_the_eigenbases():
    angles = np.linspace(0.0, np.pi / 4.0, 9)
    lam, variance = ((0.7 * np.sin(2 * angles)) ** 2, 0.9**2 + 0.2**2), (np.sin(2 * angles) ** 2, 5)
    for basis, main, (beside, whole) in (
        ("cross", "off_variance", variance),
        ("variance", "off_diagonal", lam),
    ):
        spectra = [tilted(angle, basis) for angle in angles]
        for name in ("commutator", main):
            values = np.array([getattr(s, name) for s in spectra])
            assert values[0] == 0.0
            assert np.all(np.diff(values) > 0.0)
        assert np.allclose([getattr(s, main) for s in spectra], 0.5 * beside / whole)
        assert np.allclose([s.asymmetry for s in spectra], 0.0)


def test_a_covariance_that_only_turns_has_asymmetry_one_and_no_mode_of_its_own():
    s = Spectrum.from_covariances(np.eye(2), [[0.0, -0.5], [0.5, 0.0]])
    assert s.asymmetry == s.off_diagonal == 1.0
    assert s.commutator == 0.0
    assert s.coupling.tolist() == [1.0, 1.0]
    assert s.noisy == 2


@given(dimensions, seeds)
def test_degenerate_variances_are_resolved_by_the_covariance(d, seed):
    rng = np.random.default_rng(seed)
    lam, _ = distinct_modes(d, rng)
    variance = np.full(d, 2.0)
    variance[d // 2 + 1 :] = 5.0
    basis = rotation(d, rng)
    s = Spectrum.from_covariances(*commuting(lam, variance, basis), basis="variance")
    assert np.allclose(s.lam, np.sort(lam)[::-1], rtol=1e-11)
    assert s.off_diagonal < 1e-20


def test_nearly_degenerate_variances_are_resolved_too_but_distinct_ones_are_not():
    lam = np.array([0.9, 0.1])
    turn = np.array([[1.0, -1.0], [1.0, 1.0]]) / np.sqrt(2.0)
    sigma_yx = turn * lam @ turn.T
    near = Spectrum.from_covariances(np.diag([1.0, 1.0 - 1e-6]), sigma_yx, basis="variance")
    apart = Spectrum.from_covariances(np.diag([1.0, 0.9]), sigma_yx, basis="variance")
    assert np.allclose(near.lam, lam)
    assert near.off_diagonal < 1e-12
    assert apart.off_diagonal > 0.3


@given(st.integers(2, 5), seeds)
def test_samples_and_their_own_covariances_have_exactly_the_same_modes(d, seed):
    """In the variance basis where variances lie further apart than 40 samples scatter them."""
    x, y = np.random.default_rng(seed).normal(3.0, 2.0, size=(2, 40, d)) * 10.0 ** np.arange(d)
    a, b = (rows - rows.mean(axis=0) for rows in (x, y))
    a, b = (rows - rows.mean(axis=0) for rows in (a, b))
    for basis in ("cross", "variance"):
        from_samples = Spectrum.from_samples(x, y, basis=basis)
        from_covariances = Spectrum.from_covariances(a.T @ a / 40, b.T @ a / 40, basis=basis)
        assert np.array_equal(from_samples.lam, from_covariances.lam)
        assert np.array_equal(from_samples.basis, from_covariances.basis)
        assert from_samples.off_variance == from_covariances.off_variance


@pytest.mark.parametrize("n", [2_000, 50_000])
def test_modes_of_white_data_are_those_of_the_cross_covariance(n):
    """Sampled variances that scatter about one value say nothing of the basis."""
    rng = np.random.default_rng(0)
    rho = np.array([0.95, 0.8, 0.6, 0.4, 0.2, 0.05])
    turn = rotation(6, rng)
    x = rng.normal(size=(n, 6))
    y = x @ (turn * rho) @ turn.T + 0.3 * rng.normal(size=(n, 6))
    for basis in ("cross", "variance"):
        sampled = Spectrum.from_samples(x, y, basis=basis)
        assert sampled.rho == pytest.approx(rho, abs=3.0 / n**0.5)
        assert not sampled.cautions
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    by_variance_alone = Spectrum.from_covariances(a.T @ a / n, b.T @ a / n, basis="variance")
    assert by_variance_alone.rho != pytest.approx(rho, abs=0.1)


def test_means_do_not_matter_and_the_covariance_divides_by_n():
    x, y = np.array([[11.0], [13.0]]), np.array([[-5.0], [-4.0]])
    s = Spectrum.from_samples(x, y)
    assert s.variance.tolist() == [1.0]
    assert s.lam.tolist() == [0.5]


def test_the_context_is_whitened_by_its_own_variance_not_by_the_target_s():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(20_000, 1))
    y = 0.3 * x + 2.0 * rng.normal(size=x.shape)
    assert Spectrum.from_samples(x, y).rho[0] == pytest.approx(0.3, abs=0.05)
    assert Spectrum.from_samples(y, x).rho[0] == pytest.approx(0.3 / 4.09, abs=0.01)


def test_directions_without_variance_are_dropped_and_counted():
    s = Spectrum.from_covariances(np.diag([1.0, 0.0, 2.0]), np.diag([0.5, 0.0, 0.1]))
    assert s.lam.tolist() == [0.5, 0.1]
    assert s.basis.shape == (3, 2)
    assert s.dropped == 1
    assert "dropped: 1" in repr(s)


def test_a_small_variance_is_not_mistaken_for_none():
    s = Spectrum.from_covariances(np.diag([1.0, 1e-8]), np.diag([0.5, 0.5e-8]))
    assert s.dropped == 0
    assert np.allclose(s.rho, 0.5)


def test_a_variance_that_rounding_could_make_is_dropped():
    turn, _ = np.linalg.qr(np.array([[2.0, 1.0], [1.0, -1.0]]))
    xx = turn @ np.diag([1.0, 1e-12]) @ turn.T
    assert Spectrum.from_covariances(xx, 0.5 * xx).dropped == 1
    s = Spectrum.from_covariances(np.diag([1.0, 1e-15]), np.diag([0.5, 0.5e-15]))
    assert s.dropped == 1


def test_a_constant_pixel_is_dropped():
    x = np.random.default_rng(0).normal(size=(50, 3))
    x[:, 1] = 0.7
    s = Spectrum.from_samples(x, x)
    assert s.dropped == 1
    assert np.allclose(s.rho, 1.0)


def test_too_few_samples_are_warned_of_and_answered():
    x = np.random.default_rng(0).normal(size=(4, 6))
    with pytest.warns(UserWarning, match="4 samples in 6 dimensions: at most 3 modes"):
        s = Spectrum.from_samples(x, x)
    assert s.lam.size == 3
    assert s.dropped == 3
    Spectrum.from_samples(np.eye(6)[:, :5], np.eye(6)[:, :5])


@given(dimensions, seeds)
def test_rounding_does_not_give_pure_noise_a_sign(d, seed):
    rng = np.random.default_rng(seed)
    lam, variance = distinct_modes(d, rng)
    lam[rng.integers(d)] = 0.0
    s = Spectrum.from_covariances(*commuting(lam, variance, rotation(d, rng)))
    assert s.noisy == 1
    assert s.suppressed == np.sum(lam < 0.0)


def test_pure_noise_passes_through_simulate_and_only_decays():
    s = Spectrum.from_covariances(np.diag([1.0, 3.0]), np.diag([0.5, 0.0]))
    part = s.simulate(2, eps=0.1, objective="mae")["mae"]
    assert s.rho.tolist() == [0.5, 0.0]
    assert np.all(np.diff(part.w[1]) < 0.0)
    assert part.critical_time()[1] == np.inf
    assert part.critical_time()[0] < np.inf


def test_simulate_and_the_table_are_the_package_s_own_for_these_modes():
    s = Spectrum.from_covariances(np.diag([1.0, 2.0]), np.diag([0.9, 0.4]))
    own = dlnflow.simulate([0.9, 0.4], [0.9, 0.2], 3, eps=0.01, clock="network")
    assert np.array_equal(s.simulate(3, eps=0.01, clock="network")["jepa"].w, own["jepa"].w)
    table = s.critical_time_table([1, 2], eps=0.01, objective="mae")
    expected = dlnflow.critical_time_table([0.9, 0.4], [0.9, 0.2], [1, 2], 0.01, "mae")
    assert table.equals(expected)


def test_leading_keeps_the_modes_of_largest_lam():
    lam, variance = np.array([-0.9, 0.2, 0.5]), np.array([1.0, 2.0, 3.0])
    s = Spectrum.from_covariances(np.diag(variance), np.diag(lam))
    assert s.leading(2).lam.tolist() == [0.5, 0.2]
    assert s.leading(2).variance.tolist() == [3.0, 2.0]
    assert np.array_equal(s.leading(1).basis, [[0.0], [0.0], [1.0]])
    assert s.leading(3).lam.tolist() == s.lam.tolist()


def test_the_table_of_modes_has_one_row_each():
    s = Spectrum.from_covariances(np.diag([1.0, 2.0]), np.diag([0.9, 0.4]))
    assert s.to_dataframe().to_dict("list") == {
        "mode": [0, 1],
        "lam": [0.9, 0.4],
        "variance": [1.0, 2.0],
        "rho": [0.9, 0.2],
    }


def test_a_spectrum_cannot_be_changed():
    s = tilted(0.1)
    for name in ("lam", "variance", "rho", "basis", "coupling"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(s, name)[0] = 1.0
    with pytest.raises(AttributeError):
        s.dropped = 3


def test_the_text_says_how_far_to_believe_the_closed_form():
    commuting = Spectrum.from_covariances(np.diag([2.0, 1.0]), np.diag([0.8, 0.7]))
    assert "the closed form holds for every mode" in repr(commuting)
    assert tilted(0.05, "cross").verdict.startswith("holds for an MAE")
    assert tilted(0.4, "cross").verdict.startswith("holds for the features learned first")
    assert tilted(0.4, "variance").verdict.startswith("need not hold")
    assert "variance basis" in repr(tilted(0.4, "variance"))
    assert "basis" not in repr(tilted(0.4, "cross"))
    for turned in (tilted(0.4, "cross"), tilted(0.4, "variance")):
        shares = f"{_share(turned.off_variance)} of sigma_xx, {_share(turned.off_diagonal)} of"
        assert shares in repr(turned)


def _share(share):
    return f"{100 * share:.2g} %" if share > 1e-12 else "0 %"


@pytest.mark.parametrize(
    ("xx", "yx", "n", "said"),
    [
        ([2.0, 1.0], [[0.5, 0.3], [-0.3, 0.5]], None, "sigma_yx is not symmetric"),
        ([2.0, 1.0], np.diag([1.0, 1.1]), None, "some feature has rho 1.1, above 1"),
        ([2.0, 1.0], np.diag([0.1, 0.02]), 400, "the views may be unrelated"),
    ],
)
def test_the_verdict_names_why_no_prediction_holds(xx, yx, n, said):
    s = Spectrum.from_covariances(np.diag(xx), yx, n=n)
    assert s.verdict.startswith("does not hold: ")
    assert said in s.verdict
    assert f"the closed form {s.verdict}" in repr(s)


def test_the_verdict_on_unrelated_views_needs_the_number_of_samples():
    weak = np.diag([2.0, 1.0]), np.diag([0.1, 0.02])
    assert Spectrum.from_covariances(*weak).verdict.startswith("holds")
    assert Spectrum.from_covariances(*weak, n=100_000).verdict.startswith("holds")


def test_first_modes_coupled_to_others_make_the_closed_form_a_rough_guide():
    xx = np.diag([2.0, 1.0, 1.0])
    xx[1, 2] = xx[2, 1] = 0.99
    assert np.all(Spectrum.from_covariances(xx, np.diag([0.9, 0.5, 0.2])).coupling < 0.5)
    xx = np.full((4, 4), 0.95) + 0.05 * np.eye(4)
    s = Spectrum.from_covariances(xx, np.diag([0.04, 0.03, 0.02, 0.01]))
    assert s.coupling.max() > 0.5
    assert s.verdict.startswith("is a rough guide")


def test_a_large_mode_does_not_hide_that_the_small_ones_are_tied_to_each_other():
    sigma_yx = np.diag([100.0, 0.01, 0.01])
    sigma_yx[1, 2] = sigma_yx[2, 1] = 0.05
    s = Spectrum.from_covariances(np.diag([200.0, 1.0, 0.5]), sigma_yx, basis="variance")
    assert s.off_diagonal < 1e-6
    assert s.coupling[0] == 0.0
    assert np.all(s.coupling[1:] > 0.9)


def test_coupling_compares_squared_correlations_in_unit_variance():
    s = Spectrum.from_covariances(np.diag([4.0, 1.0]), [[0.4, 0.6], [0.0, 0.5]], basis="variance")
    assert s.lam.tolist() == [0.5, 0.4]
    other = (0.6 / 2.0) ** 2
    assert np.allclose(s.coupling, [other / (other + 2 * 0.5**2), other / (other + 2 * 0.1**2)])


def test_coupling_is_that_of_the_covariance_in_which_it_is_larger():
    xx, yx = np.array([[4.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 2.0]]), np.diag([0.9, 0.5, 0.2])
    s = Spectrum.from_covariances(xx, yx)
    assert np.allclose(s.coupling, [1.0 / 5.0, 1.0 / 5.0, 0.0])  # squared correlation 1 / 4
    turning = yx + 0.4 * np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 0]])
    both = Spectrum.from_covariances(xx, turning)
    squared = 0.4**2 / (4.0 * 1.0)
    large, small = (squared / (squared + own**2) for own in (0.9 / 4.0, 0.5))
    assert large > 1.0 / 5.0 > small
    assert np.allclose(both.coupling, [large, 1.0 / 5.0, 0.0])


def test_huge_and_tiny_numbers_do_not_overflow():
    given = np.diag([1.0, 2.0]), np.array([[1, 0.1], [0.1, 1]])
    for size in (1e-200, 1e200):
        for basis, rho in (("variance", [0.5, 1.0]), ("cross", [0.9 / 1.5, 1.1 / 1.5])):
            s = Spectrum.from_covariances(*(size * matrix for matrix in given), basis=basis)
            assert np.isfinite(diagnostics(s)).all()
            assert np.allclose(np.sort(s.rho), rho)


@pytest.mark.parametrize(
    ("of_x", "of_y", "message"),
    [
        (1e200, 1e200, r"x and y must hold numbers whose squares do not overflow: got .*e\+200"),
        (1.0, 1e308, "x and y must hold numbers whose squares do not overflow: got .*e"),
        (1e-170, 1e-170, "x must vary by numbers whose squares do not underflow: got squares"),
        (1e-150, 1.0, "x must vary by numbers whose squares do not underflow: got squares of at"),
        (1e-100, 1e-250, "y must vary by numbers whose products with x do not underflow: got"),
    ],
)
def test_samples_whose_products_no_number_holds_are_refused(of_x, of_y, message):
    with pytest.raises(ValueError, match=message):
        Spectrum.from_samples(of_x * SAMPLES, of_y * SAMPLES[::-1])


@pytest.mark.parametrize("size", [1e-100, 1e100])
def test_samples_of_other_sizes_have_the_same_rho(size):
    one, other = (Spectrum.from_samples(s * SAMPLES, s * SAMPLES[::-1]) for s in (1.0, size))
    assert np.allclose(other.rho, one.rho, rtol=1e-12)


@pytest.mark.parametrize("name", ["x", "y"])
def test_the_error_for_an_array_names_its_type_and_shape_only(name):
    given = {"x": np.ones((2000, 3)), "y": np.ones((2000, 3))}
    given[name] = given[name].astype(str)
    message = f"^{name} must hold real numbers: got an array of dtype <U32, shape \\(2000, 3\\)$"
    with pytest.raises(TypeError, match=message):
        Spectrum.from_samples(**given)
    with pytest.raises(ValueError, match=r"^x must be a rectangular .*: got a list of length 500$"):
        Spectrum.from_samples([[1.0]] * 499 + [[]], given["y"])


def test_features_that_never_vary_are_counted_and_named_on_both_sides():
    x, y = np.random.default_rng(0).normal(size=(2, 50, 4))
    x[:, [1, 3]], y[:, 2] = 7.0, -1.0
    s = Spectrum.from_samples(x, y)
    assert (s.constant, s.constant_y) == ((1, 3), (2,))
    assert "constant features of x, dropped: 2 (index 1, 3)" in s.cautions
    assert "constant features of y: 1 (index 2)" in s.cautions
    named = Spectrum.from_covariances(GOOD, GOOD, constant=("gain",), constant_y=("a", "b"))
    assert "constant features of x, dropped: 1 (gain)" in named.cautions
    assert "constant features of y: 2 (a, b)" in named.cautions
    many = Spectrum.from_covariances(np.eye(30), np.eye(30), constant=range(20))
    assert "20 (index 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...)" in repr(many)
    with pytest.raises(ValueError, match="constant must hold at most 1 of the 2 features"):
        Spectrum.from_covariances(GOOD, GOOD, constant=(0, 1))
    with pytest.raises(ValueError, match=r"constant_y must hold at most 2 .*: got \(2,\)"):
        Spectrum.from_covariances(GOOD, GOOD, constant_y=(2,))


def test_single_precision_is_enough():
    rng = np.random.default_rng(3)
    lam, variance = distinct_modes(6, rng)
    pair = commuting(lam, variance, rotation(6, rng))
    s = Spectrum.from_covariances(*(matrix.astype(np.float32) for matrix in pair))
    assert np.allclose(s.lam, np.sort(lam)[::-1], rtol=1e-5)
    assert s.dropped == 0


GOOD = np.diag([2.0, 1.0])


@pytest.mark.parametrize(
    ("sigma_xx", "sigma_yx", "message"),
    [
        (np.ones((2, 3)), GOOD, r"sigma_xx must be a square matrix \(d x d\): got shape \(2, 3\)"),
        (GOOD, np.ones(3), r"sigma_yx must be a square matrix \(d x d\): got shape \(3,\)"),
        (np.ones((0, 0)), GOOD, r"sigma_xx must be a square matrix \(d x d\): got shape \(0, 0\)"),
        (GOOD, np.eye(3), r"sigma_xx and sigma_yx must have the same .*\(2, 2\) and \(3, 3\)"),
        (GOOD, [[1, np.nan], [0, 1]], r"sigma_yx must be finite: got nan at index \(0, 1\)"),
        ([[np.inf, 0], [0, 1]], GOOD, r"sigma_xx must be finite: got inf at index \(0, 0\)"),
        ([[2, 0.5], [0.4, 1]], GOOD, r"sigma_xx must be symmetric: got 0.5 at \(0, 1\) and 0.4"),
        ([[1, 2], [2, 1]], GOOD, "sigma_xx must be positive semi-definite.*eigenvalue -1"),
        (np.zeros((2, 2)), GOOD, "sigma_xx must have variance in some direction: got all zeros"),
    ],
)
def test_matrices_that_are_no_covariances_are_refused(sigma_xx, sigma_yx, message):
    with pytest.raises(ValueError, match=message):
        Spectrum.from_covariances(sigma_xx, sigma_yx)


def with_nan():
    samples = np.arange(12.0).reshape(6, 2)
    samples[[3, 5], [1, 0]] = np.nan
    return samples


SAMPLES = np.random.default_rng(0).normal(size=(6, 2))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (with_nan(), SAMPLES, "x must hold finite numbers: got 2 .* first nan at row 3, column 1"),
        (SAMPLES, with_nan(), "y must hold finite numbers: got 2 .* first nan at row 3, column 1"),
        (SAMPLES, SAMPLES[:5], r"x and y must have the same shape.*got \(6, 2\) and \(5, 2\)"),
        (SAMPLES[:, 0], SAMPLES, r"x must hold samples in rows.*got shape \(6,\)"),
        (SAMPLES, SAMPLES[:0], r"y must hold samples in rows.*got shape \(0, 2\)"),
        (SAMPLES[:1], SAMPLES[:1], r"x must hold at least 2 samples \(rows\): got 1"),
        (np.ones((6, 2)), SAMPLES, "x must vary from sample to sample"),
    ],
)
def test_samples_that_have_no_covariance_are_refused(x, y, message):
    with pytest.raises(ValueError, match=message):
        Spectrum.from_samples(x, y)


@pytest.mark.parametrize("bad", [None, "data", [[1j, 0], [0, 1]]])
def test_what_is_not_numbers_is_refused_by_name(bad):
    with pytest.raises(TypeError, match="sigma_xx must hold real numbers"):
        Spectrum.from_covariances(bad, GOOD)
    with pytest.raises(TypeError, match="y must hold real numbers"):
        Spectrum.from_samples(SAMPLES, bad)


@pytest.mark.parametrize("n", [0, 3, 1.5, [1, 2]])
def test_only_modes_that_are_there_can_lead(n):
    with pytest.raises(ValueError, match="n must"):
        tilted(0.1).leading(n)


@settings(max_examples=20)
@given(seeds)
def test_more_samples_bring_the_modes_of_the_data_nearer(seed):
    rng = np.random.default_rng(seed)
    lam, variance = np.array([0.9, 0.5, -0.4]), np.array([1.0, 2.0, 4.0])

    def error(n):
        x = rng.normal(size=(n, 3)) * np.sqrt(variance)
        y = x * (lam / variance) + rng.normal(size=x.shape)
        return np.abs(Spectrum.from_samples(x, y).rho - lam / variance).max()

    assert np.median([error(10_000) for _ in range(3)]) < 0.1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("unit", [1e-140, 1e-49, 1e60, 1e90, 1e145])
def test_ledoit_and_wolf_s_shrinkage_knows_no_unit(unit):
    x, y = np.random.default_rng(0).normal(size=(2, 50, 2)) * [1.0, 3.0]
    plain = Spectrum.from_samples(x, y, shrinkage="ledoit-wolf")
    found = Spectrum.from_samples(unit * x, unit * y, shrinkage="ledoit-wolf")
    assert 0.0 < plain.shrinkage < 1.0
    assert found.shrinkage == pytest.approx(plain.shrinkage, rel=1e-9)
    assert found.rho == pytest.approx(plain.rho, rel=1e-9)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("unit", [1e-49, 1.0, 1e60])
def test_shrinkage_that_would_leave_no_data_is_refused(unit):
    x, y = unit * np.random.default_rng(0).normal(size=(2, 50, 2))
    with pytest.raises(ValueError, match=r"shrinkage must lie in .* got 1 from 'ledoit-wolf'"):
        Spectrum.from_samples(x, y, shrinkage="ledoit-wolf")


@pytest.mark.parametrize("name", ["constant", "constant_y"])
@pytest.mark.parametrize(
    ("features", "error"),
    [
        *((bad, TypeError) for bad in (5, None, "a", b"a", [0.5], [None], [True], np.array(0))),
        *((bad, ValueError) for bad in ([-1], [3], [0, 0], [10**5000])),
    ],
)
def test_features_are_called_by_name_or_index(name, features, error):
    with pytest.raises(error, match=rf"{name} must hold at most .* of the 3 features.*: got "):
        Spectrum.from_covariances(np.eye(3), np.eye(3), **{name: features})


def test_an_index_may_be_numpy_s():
    s = Spectrum.from_covariances(np.eye(3), np.eye(3), constant=np.array([0, 2]))
    assert s.constant == (0, 2)
    assert all(type(one) is int for one in s.constant)


def test_a_notebook_shows_twelve_modes_and_how_many_more():
    lam = np.linspace(1.0, 0.1, 15)
    page = Spectrum.from_covariances(np.eye(15), np.diag(lam))._repr_html_()
    assert page.count("<tr>") == 1 + 12
    assert "<td>1</td>" in page
    assert "and 3 more modes" in page
    assert "<pre>Spectrum: d = 15" in page
    x = np.random.default_rng(0).normal(size=(100, 2))
    with_errors = Spectrum.from_samples(x, x, errors="asymptotic")._repr_html_()
    assert with_errors.count("±") == 2 * 3
    assert "more mode" not in with_errors

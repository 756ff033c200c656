"""The default basis: eigenvectors of the symmetric part of ``sigma_yx``, ties by ``sigma_xx``."""

import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import commuting, rotation

import dlnflow
from dlnflow.cli import _modes
from dlnflow.data import CovarianceAccumulator
from dlnflow.data._estimation import BASES
from dlnflow.data._spectrum import Spectrum

dimensions = st.integers(2, 7)
seeds = st.integers(0, 2**32 - 1)


def random_covariances(d, rng):
    x, y = rng.normal(size=(2, 3 * d, d))
    y += x @ rng.normal(size=(d, d))
    return x.T @ x / len(x), y.T @ x / len(x)


def alignment(s, columns):
    """Cosines between the modes and the columns that they should be, one each."""
    return np.abs(np.sum(s.basis * columns, axis=0))


def test_it_is_the_default_everywhere():
    for function in (
        Spectrum.from_covariances,
        Spectrum.from_samples,
        CovarianceAccumulator.spectrum,
    ):
        assert inspect.signature(function).parameters["basis"].default == "cross"
    assert inspect.signature(_modes.modes).parameters["basis"].default == "cross"
    assert tuple(_modes.Basis) == BASES


@given(dimensions, seeds)
def test_modes_are_the_eigenvectors_of_the_symmetric_part_of_sigma_yx(d, seed):
    xx, yx = random_covariances(d, np.random.default_rng(seed))
    s = Spectrum.from_covariances(xx, yx)
    values, vectors = np.linalg.eigh(0.5 * (yx + yx.T))
    assert np.allclose(s.lam, values[::-1], atol=1e-12 * np.abs(values).max())
    assert np.allclose(np.abs(s.basis.T @ vectors[:, ::-1]), np.eye(d), atol=1e-6)
    assert np.allclose(s.variance, np.diag(s.basis.T @ xx @ s.basis))
    assert np.array_equal(s.filters, s.basis)
    assert s.overlap < 1e-13


@given(seeds, st.sampled_from([0.5, -0.5]))
def test_modes_of_one_lam_are_those_of_sigma_xx(seed, tied):
    rng = np.random.default_rng(seed)
    lam, variance = np.array([0.9, tied, tied, -0.8]), np.array([1.0, 3.0, 2.0, 5.0])
    basis = rotation(4, rng)
    s = Spectrum.from_covariances(*commuting(lam, variance, basis))
    assert np.abs(alignment(s, basis) - 1.0).max() < 1e-10
    assert s.variance == pytest.approx(variance, rel=1e-10)
    assert s.lam[1] == s.lam[2]
    assert s.off_variance < 1e-20


@given(seeds)
def test_modes_of_one_variance_are_those_of_sigma_yx_in_either_basis(seed):
    lam, variance = np.array([0.9, 0.6, 0.3, -0.8]), np.array([1.0, 2.0, 2.0, 5.0])
    basis = rotation(4, np.random.default_rng(seed))
    for name in ("cross", "variance"):
        s = Spectrum.from_covariances(*commuting(lam, variance, basis), basis=name)
        assert np.abs(alignment(s, basis) - 1.0).max() < 1e-10


def test_lam_and_variance_tied_at_once_have_no_preferred_directions_and_no_error():
    s = Spectrum.from_covariances(2.0 * np.eye(3), np.eye(3))
    assert s.lam.tolist() == [1.0] * 3
    assert s.variance.tolist() == [2.0] * 3
    assert s.off_variance == s.off_diagonal == 0.0


@pytest.mark.parametrize("apart", [5e-5, 5e-3])
def test_nearly_equal_lam_share_a_space_but_distinct_ones_do_not(apart):
    turn = np.array([[1.0, -1.0], [1.0, 1.0]]) / np.sqrt(2.0)
    yx = turn * np.array([0.5, 0.5 * (1.0 - apart)]) @ turn.T
    s = Spectrum.from_covariances(np.diag([1.0, 3.0]), yx)
    assert (s.off_variance < 1e-12) == (apart < 1e-4)


@given(dimensions, seeds)
def test_without_any_covariance_the_modes_are_the_principal_components(d, seed):
    rng = np.random.default_rng(seed)
    variance = 1.3 ** np.arange(d)[::-1]
    basis = rotation(d, rng)
    xx = basis * variance @ basis.T
    s = Spectrum.from_covariances(0.5 * (xx + xx.T), np.zeros((d, d)))
    assert s.noisy == d
    assert np.allclose(s.variance, variance)
    assert np.allclose(alignment(s, basis), 1.0)


@given(seeds)
def test_lam_of_zero_within_rounding_count_as_equal(seed):
    lam, variance = np.array([0.9, 0.0, 0.0, 0.0, -0.4]), np.array([2.0, 5.0, 4.0, 3.0, 1.0])
    basis = rotation(5, np.random.default_rng(seed))
    s = Spectrum.from_covariances(*commuting(lam, variance, basis))
    assert s.noisy == 3
    assert s.variance == pytest.approx(variance, rel=1e-10)
    assert np.abs(alignment(s, basis) - 1.0).max() < 1e-10


def test_modes_lie_among_the_directions_with_variance():
    rng = np.random.default_rng(0)
    space = rotation(5, rng)[:, :3]
    inner_xx, inner_yx = random_covariances(3, rng)
    s = Spectrum.from_covariances(space @ inner_xx @ space.T, space @ inner_yx @ space.T)
    within = Spectrum.from_covariances(inner_xx, inner_yx)
    assert s.dropped == 2
    assert np.allclose(s.lam, within.lam)
    assert np.allclose(s.variance, within.variance)
    assert np.allclose(space @ space.T @ s.basis, s.basis)
    assert s.off_variance == pytest.approx(within.off_variance)


def test_an_asymmetric_sigma_yx_has_the_modes_of_its_symmetric_part():
    rng = np.random.default_rng(1)
    xx, yx = random_covariances(4, rng)
    one, other = (Spectrum.from_covariances(xx, matrix) for matrix in (yx, 0.5 * (yx + yx.T)))
    assert np.allclose(one.lam, other.lam)
    assert np.allclose(one.basis, other.basis)
    assert one.asymmetry > 0.05 > other.asymmetry
    assert one.off_variance == pytest.approx(other.off_variance)


def test_single_precision_finds_the_same_modes_and_the_same_ties():
    lam, variance = np.array([0.9, 0.5, 0.5, 0.0, 0.0]), np.array([1.0, 3.0, 2.0, 5.0, 4.0])
    basis = rotation(5, np.random.default_rng(3))
    pair = (matrix.astype(np.float32) for matrix in commuting(lam, variance, basis))
    s = Spectrum.from_covariances(*pair)
    assert s.lam == pytest.approx(lam, abs=1e-6)
    assert s.variance == pytest.approx(variance, rel=1e-5)
    assert np.allclose(alignment(s, basis), 1.0, atol=1e-6)
    assert s.noisy == 2


def test_diagonal_covariances_give_unit_vectors_and_their_own_numbers():
    lam, variance = np.array([0.1, 0.7, 0.7, 0.0, -0.3]), np.array([3.0, 0.3, 1.1, 2.0, 0.7])
    s = Spectrum.from_covariances(np.diag(variance), np.diag(lam))
    assert s.lam.tolist() == [0.7, 0.7, 0.1, 0.0, -0.3]
    assert s.variance.tolist() == [1.1, 0.3, 3.0, 2.0, 0.7]
    assert np.array_equal(s.basis, np.eye(5)[:, [2, 1, 0, 3, 4]])
    assert s.coupling.tolist() == [0.0] * 5
    tilted = np.diag(variance) + 0.1
    assert np.array_equal(
        Spectrum.from_covariances(tilted, np.diag([5.0, 4.0, 3.0, 2.0, 1.0])).basis, np.eye(5)
    )


def test_nearly_equal_variances_do_not_decide_the_modes():
    """Principal components are the single inputs; a network learns the sum of the two first."""
    xx, yx = np.diag([1.0, 1.01]), [[0.5, 0.45], [0.45, 0.5]]
    s = Spectrum.from_covariances(xx, yx)
    assert s.lam == pytest.approx([0.95, 0.05])
    assert s.rho == pytest.approx([0.95 / 1.005, 0.05 / 1.005])
    assert s.verdict.startswith("holds for an MAE")
    components = Spectrum.from_covariances(xx, yx, basis="variance")
    assert components.lam == pytest.approx([0.5, 0.5])
    assert components.verdict.startswith("need not hold")


@given(dimensions, seeds)
def test_all_bases_agree_where_the_covariances_commute(d, seed):
    rng = np.random.default_rng(seed)
    lam = rng.permutation(1.2 ** np.arange(d)) * rng.choice([-1.0, 1.0], d)
    covariances = commuting(lam, rng.permutation(1.3 ** np.arange(d)), rotation(d, rng))
    one = Spectrum.from_covariances(*covariances)
    for basis in BASES:
        other = dlnflow.Spectrum.from_covariances(*covariances, basis=basis)
        assert np.allclose(other.rho, one.rho, rtol=1e-9)
        assert np.allclose(other.variance, one.variance, rtol=1e-9)


def test_a_target_that_is_a_multiple_of_the_context_leaves_no_noise():
    for seed in range(6):
        x = np.random.default_rng(seed).normal(size=(300, 3)) * [2, 1, 0.7]
        s = Spectrum.from_samples(x, 0.5 * x, errors="asymptotic")
        assert np.allclose(s.rho, 0.5)
        assert not s.below_noise.any()

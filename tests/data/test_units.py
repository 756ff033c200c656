"""Units do not decide which features count as real, nor, standardised, anything at all."""

import numpy as np
import pytest

from dlnflow import CovarianceAccumulator, Spectrum

UNITS = np.array([1.0, 1e3, 1e6])
BASES = ("cross", "variance", "generalised", "joint")


def data(n=4000, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    return x, x * [0.2, 0.5, 0.9] + 0.5 * rng.normal(size=x.shape)


@pytest.mark.parametrize("basis", BASES)
def test_exact_modes_of_very_different_size_are_all_kept(basis):
    size = np.array([1.0, 1e5, 1e10])
    s = Spectrum.from_covariances(np.diag(size), np.diag([0.9, 0.5, 0.2] * size), basis=basis)
    assert s.dropped == 0
    assert np.allclose(s.lam, [2e9, 5e4, 0.9], rtol=1e-12)
    assert np.allclose(s.rho, [0.2, 0.5, 0.9], rtol=1e-12)


@pytest.mark.parametrize("basis", BASES)
def test_no_real_feature_is_dropped_for_its_units(basis):
    x, y = data()
    s = Spectrum.from_samples(x * UNITS, y * UNITS, basis=basis)
    assert s.dropped == 0
    assert np.allclose(s.rho[[2, 1, 0]], [0.2, 0.5, 0.9], atol=0.05)


@pytest.mark.parametrize("units", [np.ones(3), UNITS, UNITS[::-1]])
@pytest.mark.parametrize("basis", BASES)
def test_an_exact_combination_is_dropped_in_any_units(units, basis):
    x, y = data()
    x[:, 2], y[:, 2] = x[:, 0] + x[:, 1], y[:, 0] + y[:, 1]
    s = Spectrum.from_samples(x * units, y * units, basis=basis)
    assert s.dropped == 1
    assert s.lam.size == 2
    assert np.allclose(s.basis.T @ (np.array([1.0, 1.0, -1.0]) / units), 0.0, atol=1e-6)


@pytest.mark.parametrize("basis", BASES)
def test_standardised_modes_are_those_of_any_units(basis):
    x, y = data()
    options = {"basis": basis, "scale": "unit"}
    wanted = Spectrum.from_samples(x / x.std(axis=0), y / x.std(axis=0), basis=basis)
    found = Spectrum.from_samples(x * UNITS, y * UNITS, **options)
    assert np.allclose(found.lam, wanted.lam)
    assert np.allclose(found.rho, wanted.rho)
    assert np.allclose(found.scale, (x * UNITS).std(axis=0))
    total = CovarianceAccumulator()
    total.update(x * UNITS, y * UNITS)
    assert np.allclose(total.spectrum(**options).rho, wanted.rho)
    # the control: without the option units do matter
    assert not np.allclose(Spectrum.from_samples(x * UNITS, y * UNITS, basis=basis).lam, wanted.lam)


def test_errors_of_standardised_modes_do_not_depend_on_units():
    x, y = data()
    wanted = Spectrum.from_samples(x, y, scale="unit", errors="asymptotic")
    found = Spectrum.from_samples(x * UNITS, y * UNITS, scale="unit", errors="asymptotic")
    again = found.with_errors([(x * UNITS, y * UNITS)])
    for one in (found, again):
        assert np.allclose(one.errors.rho, wanted.errors.rho, rtol=1e-9)
    drawn = Spectrum.from_samples(x * UNITS, y * UNITS, scale="unit", errors="bootstrap")
    assert np.allclose(drawn.errors.rho, wanted.errors.rho, rtol=0.3)


def test_both_views_are_divided_by_the_same():
    x, y = data()
    s = Spectrum.from_samples(x, 3.0 * y, scale="unit")
    assert s.largest_rho > 2.0
    assert "above 1" in s.verdict


def test_a_feature_that_is_constant_in_x_has_no_unit_and_counts_in_neither_view():
    x, y = data()
    x[:, 1] = 7.0
    y[:, 1] *= 1e30
    s = Spectrum.from_samples(x, y, scale="unit", errors="asymptotic")
    assert s.scale[1] == np.inf
    assert s.constant == (1,)
    assert s.dropped == 1
    rest = Spectrum.from_samples(x[:, [0, 2]], y[:, [0, 2]], scale="unit", errors="asymptotic")
    assert np.allclose(s.rho, rest.rho)
    assert np.allclose(s.errors.rho, rest.errors.rho)


def test_scale_is_one_word():
    with pytest.raises(ValueError, match=r"^scale must be one of 'unit': got 'std'"):
        Spectrum.from_samples(*data(10), scale="std")


def test_a_feature_that_decides_everything_is_named():
    x, y = data()
    large = Spectrum.from_samples(x * [1.0, 1.0, 10.0], y * [1.0, 1.0, 10.0], names=["a", "b", "c"])
    assert [text for text in large.cautions if "one feature ('c') holds 98 % of all" in text]
    small = Spectrum.from_samples(x * [1.0, 1.0, 3.0], y * [1.0, 1.0, 3.0])
    assert small.cautions == ()
    alone = Spectrum.from_samples(x[:, :1], y[:, :1])
    assert alone.cautions == ()


def test_a_series_that_grows_is_said_to():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(2000, 2))
    steady = np.empty_like(noise)
    steady[0] = noise[0]
    for step in range(1, len(noise)):
        steady[step] = 0.998 * steady[step - 1] + noise[step]
    growing = steady * np.exp(np.arange(2000) / 100)[:, None]
    for series, grows in ((steady, False), (growing, True)):
        one = Spectrum.from_samples(series[:-1], series[1:])
        total = CovarianceAccumulator()
        total.update(series[:-1], series[1:])
        exact = Spectrum.from_covariances(*total.covariances())
        for found in (one, total.spectrum(), exact):
            said = [text for text in found.cautions if "impossible for views" in text]
            assert bool(said) == grows == (found.largest_rho > 1.0)


@pytest.mark.parametrize("basis", BASES)
def test_samples_and_their_covariances_give_one_answer(basis):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 12)) * 0.9 ** np.arange(12)
    y = x + 0.1 * rng.normal(size=x.shape)
    centred = x - x.mean(axis=0)
    covariances = centred.T @ centred / 60, (y - y.mean(axis=0)).T @ centred / 60
    one = Spectrum.from_samples(x, y, basis=basis)
    other = Spectrum.from_covariances(*covariances, basis=basis, n=60)
    assert np.allclose(one.lam, other.lam)
    assert np.allclose(one.rho, other.rho)
    if basis == "variance":  # exact covariances are resolved further
        exact = Spectrum.from_covariances(*covariances, basis=basis)
        assert not np.allclose(one.lam, exact.lam)

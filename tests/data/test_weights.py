"""Weights of pairs, and pairs with missing values."""

import numpy as np
import pandas as pd
import pytest

from dlnflow import CovarianceAccumulator, Spectrum
from dlnflow.data import accumulate


@pytest.fixture
def xy():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 3)) * [3.0, 2.0, 1.0] + 5.0
    return x, x * [0.2, 0.5, 0.9] + 0.3 * rng.normal(size=x.shape)


def repeated(count, *arrays):
    return tuple(np.repeat(array, count, axis=0) for array in arrays)


def test_a_whole_weight_is_that_many_equal_pairs(xy):
    count = np.random.default_rng(1).integers(0, 4, 600)
    for basis in ("cross", "variance", "generalised", "joint"):
        wanted = Spectrum.from_covariances(*covariances(*repeated(count, *xy)), basis=basis)
        tolerant = {"rtol": 1e-10} if basis != "variance" else {"atol": 0.2}
        for scale in (1.0, 1e-200, 1e200):
            found = Spectrum.from_samples(*xy, basis=basis, weights=scale * count)
            assert np.allclose(found.lam, wanted.lam, **tolerant)
            assert np.allclose(found.rho, wanted.rho, **tolerant)
    assert found.n == round(count.sum() ** 2 / (count**2).sum())
    # the control: the weights do change the modes
    assert not np.allclose(Spectrum.from_samples(*xy).lam, wanted.lam, rtol=1e-3)


def covariances(x, y):
    total = CovarianceAccumulator()
    total.update(x, y)
    return total.covariances()


def test_equal_weights_change_nothing(xy):
    for errors in ("asymptotic", "bootstrap"):
        wanted = Spectrum.from_samples(*xy, errors=errors, block=3)
        found = Spectrum.from_samples(*xy, errors=errors, block=3, weights=np.full(600, 0.3))
        assert found.n == 600 == found.errors.n
        for name in ("lam", "rho"):
            assert np.allclose(getattr(found, name), getattr(wanted, name))
            assert np.allclose(getattr(found.errors, name), getattr(wanted.errors, name))
        assert np.allclose(found.errors.noise_floor, wanted.errors.noise_floor)


@pytest.mark.parametrize("block", [1, 3])
def test_pairs_of_weight_0_are_as_if_they_were_not_there(xy, block):
    x, y = xy
    weights = np.random.default_rng(1).gamma(1.0, size=600)
    weights[:30] = weights[90:120] = 0.0
    kept = weights > 0.0
    for errors in ("asymptotic", "bootstrap"):
        options = {"errors": errors, "block": block}
        found = Spectrum.from_samples(x, y, weights=weights, **options)
        wanted = Spectrum.from_samples(x[kept], y[kept], weights=weights[kept], **options)
        assert found.n == wanted.n
        assert np.allclose(found.lam, wanted.lam)
        assert found.errors.independent == pytest.approx(wanted.errors.independent, rel=1e-9)
        close = {"rtol": 1e-9 if errors == "asymptotic" else 0.3}
        assert np.allclose(found.errors.rho, wanted.errors.rho, **close)


def test_both_kinds_of_errors_count_the_weights():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 2)) * [3.0, 1.0]
    y = x * [0.3, 0.8] + rng.normal(size=x.shape)
    weights = rng.gamma(0.3, size=2000)
    one, other = (
        Spectrum.from_samples(x, y, weights=weights, errors=errors).errors
        for errors in ("asymptotic", "bootstrap")
    )
    assert np.allclose(one.rho, other.rho, rtol=0.2)
    assert not np.allclose(
        Spectrum.from_samples(x, y, errors="asymptotic").errors.rho, other.rho, rtol=0.3
    )


def test_weighted_batches_in_any_parts_give_the_same_modes_and_errors(xy):
    x, y = xy
    weights = np.random.default_rng(1).gamma(1.0, size=600) * (np.arange(600) % 7 > 0)
    wanted = Spectrum.from_samples(x, y, weights=weights, errors="asymptotic")
    batches = [(x[i : i + 70], y[i : i + 70], weights[i : i + 70]) for i in range(0, 600, 70)]
    one, other = accumulate(batches[:2]), accumulate(batches[2:])
    total = one.merge(other)
    assert np.allclose(
        total.covariances()[0], np.cov(x, rowvar=False, aweights=weights, bias=True), rtol=1e-12
    )
    assert total.effective == wanted.n < total.n
    found = total.spectrum().with_errors(batches)
    assert np.allclose(found.lam, wanted.lam)
    assert np.allclose(found.errors.rho, wanted.errors.rho)
    assert np.allclose(found.errors.noise_floor, wanted.errors.noise_floor)
    with pytest.raises(ValueError, match=r"must be the samples that the spectrum was made of"):
        total.spectrum().with_errors([batch[:2] for batch in batches])


@pytest.mark.slow
@pytest.mark.parametrize("errors", ["asymptotic", "bootstrap"])
def test_weighted_errors_are_the_scatter_of_estimates(errors):
    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):
        x = rng.normal(size=(300, 2)) * [2.0, 1.0]
        y = x * [0.6, 0.4] + rng.normal(size=x.shape)
        weights = rng.gamma(0.7, size=300)
        s = Spectrum.from_samples(x, y, weights=weights, errors=errors, resamples=60)
        plain = Spectrum.from_samples(x, y, errors="asymptotic")
        found.append([s.rho, s.errors.rho, plain.errors.rho])
    estimates, given, unweighted = np.moveaxis(found, 1, 0)
    scatter = estimates.std(axis=0)
    assert np.allclose(np.mean(given, axis=0), scatter, rtol=0.2)
    assert not np.allclose(np.mean(unweighted, axis=0), scatter, rtol=0.2)


def test_weights_with_labels_follow_the_rows(xy):
    x, y = map(pd.DataFrame, xy)
    weights = pd.Series(np.random.default_rng(1).gamma(1.0, size=600))
    wanted = Spectrum.from_samples(x, y, weights=weights, errors="asymptotic")
    turned = weights.sample(frac=1.0, random_state=0)
    found = Spectrum.from_samples(x, y, weights=turned)
    assert np.allclose(found.lam, wanted.lam)
    assert np.allclose(found.with_errors([(x, y, turned)]).errors.lam, wanted.errors.lam)
    assert not np.allclose(
        Spectrum.from_samples(x, y, weights=turned.to_numpy()).lam, wanted.lam, rtol=1e-6
    )
    with pytest.raises(ValueError, match=r"^weights must have the row labels \(index\) of x"):
        Spectrum.from_samples(x, y, weights=weights.set_axis(range(1, 601)))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (-np.ones(600), r"weights must be finite and not negative: got -1 at index \(0,\)"),
        (np.full(600, np.nan), "weights must be finite and not negative: got nan"),
        (np.zeros(600), "weights must not all be 0: got 0 for every row"),
        (np.ones(599), r"weights must have shape \(600,\), one per row of x: got \(599,\)"),
        (np.ones((600, 1)), r"weights must have shape \(600,\)"),
        (np.eye(1, 600)[0], "x must hold at least 2 samples .*: got 1 left"),
    ],
)
def test_bad_weights_are_refused_by_name(xy, weights, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        Spectrum.from_samples(*xy, weights=weights)
    if "left" not in message:
        with pytest.raises(ValueError, match=f"^{message}"):
            CovarianceAccumulator().update(*xy, weights)


def test_weights_do_not_go_with_the_intensity_of_ledoit_and_wolf(xy):
    weights = np.arange(600.0)
    with pytest.raises(ValueError, match=r"^shrinkage must be a number with weights: got 'ledoit"):
        Spectrum.from_samples(*xy, weights=weights, shrinkage="ledoit-wolf")
    found = Spectrum.from_samples(*xy, weights=1.0 * (weights > 99.0), shrinkage="ledoit-wolf")
    wanted = Spectrum.from_samples(*(rows[100:] for rows in xy), shrinkage="ledoit-wolf")
    assert found.shrinkage == pytest.approx(wanted.shrinkage, rel=1e-9)
    assert found.shrinkage > 0.0


def test_pairs_with_missing_values_are_dropped_and_counted(xy):
    x, y = xy
    holed_x, holed_y = x.copy(), y.copy()
    holed_x[3, 1] = holed_y[3, 0] = holed_y[8, 2] = np.nan
    whole = np.delete(np.arange(600), [3, 8])
    wanted = Spectrum.from_samples(x[whole], y[whole], errors="asymptotic")
    found = Spectrum.from_samples(holed_x, holed_y, missing="drop", errors="asymptotic")
    assert found.missing == 2
    assert found.n == 598
    assert np.allclose(found.lam, wanted.lam)
    assert np.allclose(found.errors.lam, wanted.errors.lam)
    assert "pairs with missing values, dropped: 2" in found.cautions
    with pytest.raises(ValueError, match=r"must hold finite numbers: got 1 that are not"):
        Spectrum.from_samples(holed_x, holed_y)
    assert Spectrum.from_samples(x, y, missing="drop").missing == 0


def test_dropped_rows_leave_the_blocks_of_the_errors_in_place(xy):
    x, y = (np.repeat(rows, 2, axis=0) for rows in xy)  # each pair twice: one block
    options = {"errors": "asymptotic", "block": 2}
    last = np.r_[:100, 102:1200, 100]  # the block that has lost its second row comes last
    wanted = Spectrum.from_samples(x[last], y[last], **options)
    x[101] = np.nan
    found = Spectrum.from_samples(x, y, missing="drop", **options)
    assert found.errors.groups == wanted.errors.groups == 600
    assert np.allclose(found.errors.rho, wanted.errors.rho, rtol=1e-9)
    whole = np.delete(np.arange(1200), 101)
    shifted = Spectrum.from_samples(x[whole], y[whole], **options)
    assert not np.allclose(shifted.errors.rho, wanted.errors.rho, rtol=0.1)


def test_batches_with_missing_values_give_the_modes_of_the_rest(xy):
    x, y = map(np.copy, xy)
    x[3, 1] = y[3, 0] = y[8, 2] = x[250, 0] = np.nan
    y[100:170] = np.nan  # a whole batch
    batches = [(x[i : i + 35], y[i : i + 35]) for i in range(0, 600, 35)]
    wanted = Spectrum.from_samples(x, y, missing="drop", errors="asymptotic", block=2)
    one, other = (CovarianceAccumulator(missing="drop") for _ in range(2))
    total = accumulate(batches[:9], into=one).merge(accumulate(batches[9:], into=other))
    assert total.missing == wanted.missing == 73
    assert total.n == wanted.n == 527
    found = total.spectrum().with_errors(batches, block=2)
    assert found.missing == 73
    assert np.allclose(found.lam, wanted.lam)
    assert np.allclose(found.errors.rho, wanted.errors.rho)
    assert np.allclose(wanted.with_errors([(x, y)], block=2).errors.rho, wanted.errors.rho)
    with pytest.raises(ValueError, match=r"x must hold finite numbers: got nan in column 1"):
        accumulate(batches)
    plain = Spectrum.from_samples(*xy)
    with pytest.raises(ValueError, match=r"must hold finite numbers"):
        plain.with_errors(batches)


def test_gaps_of_nullable_tables_and_masked_arrays_are_missing(xy):
    x, y = xy
    holed = x.copy()
    holed[3, 1] = np.nan
    wanted = Spectrum.from_samples(holed, y, missing="drop")
    nullable = pd.DataFrame(x).astype("Float64")
    nullable.iloc[3, 1] = pd.NA
    masked = np.ma.masked_array(x, mask=np.isnan(holed))
    for given in (nullable, masked):
        found = Spectrum.from_samples(given, y, missing="drop")
        assert found.missing == 1
        assert np.allclose(found.lam, wanted.lam, rtol=1e-12)
        with pytest.raises((ValueError, TypeError)):
            Spectrum.from_samples(given, y)
    with pytest.raises(TypeError, match=r"^x must hold real numbers"):
        Spectrum.from_samples(pd.DataFrame(x).astype(str), y, missing="drop")


def test_infinity_is_not_missing(xy):
    x, y = xy
    x = x.copy()
    x[3, 1] = np.inf
    with pytest.raises(ValueError, match=r"x must hold finite numbers: got 1 .* inf at row 3"):
        Spectrum.from_samples(x, y, missing="drop")


def test_what_is_missing_everywhere_is_refused(xy):
    x, y = xy
    with pytest.raises(ValueError, match=r"x must hold at least 2 samples .*: got 0 left"):
        Spectrum.from_samples(x, np.full_like(y, np.nan), missing="drop")
    with pytest.raises(ValueError, match=r"^missing must be one of 'refuse', 'drop': got 'fill'"):
        Spectrum.from_samples(x, y, missing="fill")

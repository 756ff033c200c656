"""Images as rows go together with weights, gaps, names and sequences; labels survive conversion."""

import numpy as np
import pandas as pd
import pytest

from dlnflow import CovarianceAccumulator, Spectrum
from dlnflow.data import pairs_from

NAMES = tuple(f"pixel {place}" for place in range(6))
PARTS = np.s_[:-2], np.s_[2:]


def joined(batches):
    return tuple(np.concatenate(views) for views in zip(*batches, strict=True))


class Tensor:
    """A PyTorch tensor with a gradient, which NumPy cannot read."""

    def __init__(self, values, gradient=True):
        self.values, self.gradient = np.asarray(values), gradient

    shape = property(lambda self: self.values.shape)

    def detach(self):
        return Tensor(self.values, False)

    def cpu(self):
        return self

    def __array__(self, dtype=None, copy=None):
        if self.gradient:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        return self.values


@pytest.fixture
def images():
    """Two views (100, 2, 3), with a gap in one, and weights."""
    rng = np.random.default_rng(0)
    one = rng.normal(size=(100, 2, 3)) * [3.0, 2.0, 1.0]
    other = 0.5 * one + 0.2 * rng.normal(size=one.shape)
    other[7, 1, 2] = np.nan
    return one, other, rng.uniform(0.5, 2.0, size=100)


@pytest.mark.parametrize("kind", [np.asarray, Tensor])
def test_images_have_weights_gaps_and_names(images, kind):
    one, other, weights = images
    full = np.arange(100) != 7
    rows = one[full].reshape(99, 6), other[full].reshape(99, 6)
    wanted = Spectrum.from_samples(*rows, weights=weights[full])
    found = Spectrum.from_samples(
        *map(kind, images[:2]), flatten=True, weights=kind(weights), missing="drop", names=NAMES
    )
    assert np.allclose(found.lam, wanted.lam, rtol=1e-12)
    assert (found.missing, found.names) == (1, NAMES)
    total = CovarianceAccumulator(flatten=True, missing="drop", names=NAMES)
    total.update(kind(one), kind(other), kind(weights))
    assert np.allclose(total.spectrum().lam, wanted.lam, rtol=1e-12)
    assert (total.missing, total.names) == (1, NAMES)
    # the controls
    assert not np.allclose(found.lam, Spectrum.from_samples(*rows).lam, rtol=1e-3)
    with pytest.raises(ValueError, match="y must hold finite numbers: got 1 that are not"):
        Spectrum.from_samples(*map(kind, images[:2]), flatten=True, weights=kind(weights))


def test_masked_pixels_are_gaps(images):
    one, other, _ = images
    masked = np.ma.masked_invalid(other)
    found = Spectrum.from_samples(one, masked, flatten=True, missing="drop")
    assert found.missing == 1
    assert np.allclose(
        found.lam, Spectrum.from_samples(one, other, flatten=True, missing="drop").lam
    )
    with pytest.raises(ValueError, match="y must have no masked entries"):
        Spectrum.from_samples(one, masked, flatten=True)


@pytest.mark.parametrize("flatten", [False, True])
def test_flattening_leaves_the_labels_of_tables(images, flatten):
    x, y = (pd.DataFrame(view.reshape(100, 6)[10:], columns=NAMES) for view in images[:2])
    wanted = Spectrum.from_samples(x.to_numpy(), y.to_numpy())
    turned = y[list(NAMES[::-1])].sample(frac=1.0, random_state=0)
    found = Spectrum.from_samples(x, turned, flatten=flatten)
    assert np.allclose(found.lam, wanted.lam, rtol=1e-12)
    assert found.names == NAMES
    total = CovarianceAccumulator(flatten=flatten)
    total.update(x, turned)
    assert np.allclose(total.spectrum().lam, wanted.lam, rtol=1e-12)
    assert total.names == NAMES


@pytest.mark.parametrize("kind", [np.asarray, Tensor])
def test_videos_in_memory_are_sequences(images, kind):
    one, other, _ = images
    with pytest.warns(UserWarning, match="2 of 196 pairs have missing values"):
        x, y = joined(pairs_from([kind(one), kind(other)], lag=2, flatten=True, missing="drop"))
    wanted = [np.concatenate([v[part] for v in (one, other)]).reshape(196, 6) for part in PARTS]
    full = ~np.isnan(np.hstack(wanted)).any(axis=1)
    assert np.array_equal(x, wanted[0][full])
    assert np.array_equal(y, wanted[1][full])
    with pytest.raises(ValueError, match=r"got shape \(100, 2, 3\); flatten=True makes a row"):
        pairs_from([kind(one)], lag=2)


def test_groups_may_be_a_tensor():
    series, of = np.arange(6.0)[:, None], np.array([0, 1, 0, 1, 0, 1])
    x, y = joined(pairs_from(Tensor(series), lag=1, groups=Tensor(of)))
    assert sorted(zip(x.ravel(), y.ravel(), strict=True)) == [(0, 2), (1, 3), (2, 4), (3, 5)]


def test_masked_rows_of_a_sequence_are_not_read_as_numbers():
    series = np.ma.masked_array(np.arange(4.0), mask=[False, True, False, False])
    with pytest.raises(ValueError, match="series must have no masked entries"):
        pairs_from(series, lag=1)
    with pytest.warns(UserWarning, match="2 of 3 pairs have missing values"):
        x, y = joined(pairs_from(series, lag=1, missing="drop"))
    assert (x.item(), y.item()) == (2.0, 3.0)


def test_a_target_of_another_dimension_may_be_a_tensor():
    sigma_xx, sigma_yx = np.diag([2.0, 1.0]), np.array([[0.5, 0.0], [0.0, 0.2], [0.1, 0.0]])
    wanted = Spectrum.from_covariances(sigma_xx, sigma_yx)
    found = Spectrum.from_covariances(Tensor(sigma_xx), Tensor(sigma_yx))
    assert np.array_equal(found.lam, wanted.lam)


@pytest.mark.parametrize("library", ["pyarrow", "polars"])
def test_tables_of_other_libraries_are_aligned_by_their_columns(library):
    package = pytest.importorskip(library)
    made = package.table if library == "pyarrow" else package.DataFrame
    rng = np.random.default_rng(0)
    x = {name: rng.normal(size=50) * (place + 1.0) for place, name in enumerate("abc")}
    y = {name: column * 0.5 + 0.1 * rng.normal(size=50) for name, column in x.items()}
    turned = {name: y[name] for name in "cab"}
    wanted = Spectrum.from_samples(np.array([*x.values()]).T, np.array([*y.values()]).T)
    found = Spectrum.from_samples(made(x), made(turned))
    assert found.names == ("a", "b", "c")
    assert np.allclose(found.lam, wanted.lam, rtol=1e-12)
    # the control
    by_position = Spectrum.from_samples(made(x), np.array([*turned.values()]).T)
    assert not np.allclose(by_position.lam, wanted.lam, rtol=1e-3)
    who = [f"s{place % 2}" for place in range(50)]
    series = made({"who": who} | x)
    pairs = pairs_from(series, lag=1, groups="who")
    assert pairs.names == ("a", "b", "c")
    context, target = joined(pairs)
    rows = np.array([*x.values()]).T
    order = np.lexsort(context.T)
    kept = np.lexsort(rows[:-2].T)
    assert np.array_equal(context[order], rows[:-2][kept])
    assert np.array_equal(target[order], rows[2:][kept])


def test_dimensions_of_xarray_are_no_labels_of_tables():
    xarray = pytest.importorskip("xarray")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3))
    y = 0.5 * x + 0.1 * rng.normal(size=x.shape)
    views = [xarray.DataArray(view, dims=("index", "columns")) for view in (x, y)]
    found = Spectrum.from_samples(*views)
    assert found.names is None
    assert np.array_equal(found.lam, Spectrum.from_samples(x, y).lam)
    sigma = xarray.DataArray(np.eye(2), dims=("index", "columns"))
    assert Spectrum.from_covariances(sigma, 0.5 * np.eye(2)).names is None


@pytest.mark.parametrize("options", [{}, {"missing": "drop"}, {"flatten": True}])
def test_what_dask_holds_is_refused_and_not_computed(options):
    dask = pytest.importorskip("dask.dataframe")
    computed = []
    x = pd.DataFrame(np.eye(4)[:, :2], columns=["a", "b"])
    lazy = dask.from_pandas(x, npartitions=2).map_partitions(
        lambda part: computed.append(len(part)) or part, meta=x
    )
    with pytest.raises(TypeError, match="x must be in memory: got DataFrame, held by Dask"):
        Spectrum.from_samples(lazy, x, **options)
    with pytest.raises(TypeError, match="y must be in memory: got DataFrame, held by Dask"):
        CovarianceAccumulator(**options).update(x, lazy)
    with pytest.raises(TypeError, match="weights must be in memory"):
        Spectrum.from_samples(x, x, weights=lazy["a"], **options)
    with pytest.raises(TypeError, match="series must be in memory"):
        pairs_from(lazy, lag=1, **options)
    with pytest.raises(TypeError, match="series must be in memory"):
        pairs_from(lazy, lag=1, groups="a", **options)
    assert not computed

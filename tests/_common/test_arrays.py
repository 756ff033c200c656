"""Arrays of other libraries are read wherever data enters."""

import importlib
import importlib.util

import numpy as np
import pandas as pd
import pytest

import dlnflow
from dlnflow import generative, network
from dlnflow.data import accumulate, pairs_from


class Array:
    """What arrays of most libraries have in common."""

    def __init__(self, values):
        self.values = np.asarray(values)

    shape = property(lambda self: self.values.shape)
    ndim = property(lambda self: self.values.ndim)

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        return type(self)(self.values[index])


class Tensor(Array):
    """A PyTorch tensor on a GPU with a gradient, which NumPy cannot read."""

    def __init__(self, values, gradient=True, device="cuda:0", dtype="float64"):
        super().__init__(values)
        self.gradient, self.device, self.dtype = gradient, device, dtype

    def detach(self):
        return Tensor(self.values, False, self.device, self.dtype)

    def cpu(self):
        return Tensor(self.values, self.gradient, "cpu", self.dtype)

    def double(self):
        return Tensor(self.values, self.gradient, self.device)

    def __array__(self, dtype=None, copy=None):
        if self.gradient:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        if self.device != "cpu" or self.dtype == "bfloat16":
            raise TypeError(f"can't convert {self.device} {self.dtype} to numpy")
        return self.values


class Brain(Tensor):
    """A tensor of brain floats, a type that NumPy does not have."""

    def __init__(self, values):
        super().__init__(values, dtype="bfloat16")


class OnDevice(Array):
    """A CuPy array."""

    @property
    def __cuda_array_interface__(self):
        return {"version": 3}

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def get(self):
        return self.values


class Frame:
    """A table that offers nothing but `to_numpy`."""

    def __init__(self, values):
        self.values = np.asarray(values)

    def to_numpy(self):
        return self.values


class Exchanged:
    """An array that offers nothing but DLPack."""

    def __init__(self, values):
        self.values = np.array(values)

    def __dlpack__(self, **options):
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()


def installed(package, *names):
    def made(values):
        name = names[min(np.ndim(values), len(names)) - 1]
        return getattr(importlib.import_module(package), name)(np.asarray(values))

    missing = importlib.util.find_spec(package.partition(".")[0]) is None
    return pytest.param(made, id=package, marks=pytest.mark.skipif(missing, reason="not installed"))


def rows_of_tensors(values):
    return [Tensor(row) for row in values] if np.ndim(values) else Tensor(values)


def frame(values):
    return pd.DataFrame(values) if np.ndim(values) == 2 else np.asarray(values)


KINDS = [
    *(Tensor, Brain, OnDevice, Frame, Exchanged, rows_of_tensors, frame),
    installed("torch", "tensor"),
    installed("jax.numpy", "asarray"),
    installed("xarray", "DataArray"),
    installed("polars", "Series", "DataFrame"),
]

RNG = np.random.default_rng(0)
X = RNG.integers(-8, 8, size=(50, 3)) / 4.0  # in every floating type
Y = X / 2.0 + RNG.integers(-8, 8, size=X.shape) / 16.0
XX, YX = np.diag([2.0, 1.0, 0.5]), np.diag([1.0, 0.75, 0.25])
LAM, RHO, T = np.array([1.0, 0.75]), np.array([0.5, 0.25]), np.arange(0.0, 800.0, 50.0)
W = np.round(dlnflow.amplitude(T, 1.0, 0.5, 1, eps=0.0625) * 2.0**20) / 2.0**20


def accumulated(x, y):
    total = dlnflow.CovarianceAccumulator()
    total.update(x, y)
    return total.covariances()


def with_errors(x, y):
    return dlnflow.Spectrum.from_samples(X, Y).with_errors([(x, y)]).errors.lam


CALLS = {
    "Spectrum.from_samples": (lambda x, y: dlnflow.Spectrum.from_samples(x, y).lam, X, Y),
    "Spectrum.from_covariances": (lambda *a: dlnflow.Spectrum.from_covariances(*a).lam, XX, YX),
    "Spectrum.with_errors": (with_errors, X, Y),
    "CovarianceAccumulator.update": (accumulated, X, Y),
    "accumulate": (lambda x, y: accumulate([(x, y)]).covariances(), X, Y),
    "amplitude": (lambda t: dlnflow.amplitude(t, 1.0, 0.5, 2), T),
    "critical_time": (lambda *a: dlnflow.critical_time(*a, 3, p=a[1]), LAM, RHO),
    "simulate": (lambda *a: dlnflow.simulate(*a, 3)["jepa"].w, LAM, RHO),
    "critical_time_table": (lambda *a: dlnflow.critical_time_table(*a, 3)["exact"], LAM, RHO),
    "identify": (lambda t, w: dlnflow.identify(t, w, L=1).rho, T, W),
    "identify_each": (lambda t, w: dlnflow.identify_each(t, w, L=1)[0].rho, T, W),
    "network.balanced": (lambda xx, yx: network.balanced(xx, yx, 2).product, XX, YX),
    "network.Network": (lambda *a: network.Network(a[:1], a[1:]).product, XX, YX),
    "generative.Static": (lambda *a: generative.Static(*a).covariances()[0], LAM, RHO),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("kind", KINDS)
def test_arrays_of_other_libraries_mean_what_their_numbers_mean(kind, name):
    call, *arguments = CALLS[name]
    if kind is frame and name in ("identify", "identify_each"):
        pytest.skip("one-dimensional")
    exact = call(*arguments)
    given = [kind(argument) for argument in arguments]
    np.testing.assert_allclose(call(*given), exact, rtol=1e-6)


def test_the_stand_ins_cannot_be_read_by_numpy():
    for kind in (Tensor, Brain, OnDevice):
        with pytest.raises((TypeError, RuntimeError)):
            np.asarray(kind(LAM))
    for kind in (Frame, Exchanged):
        assert np.asarray(kind(LAM)).dtype == object


def test_tensors_in_single_precision_count_as_single_precision():
    small = np.diag([1.0, 1e-8, 0.0])
    double = dlnflow.Spectrum.from_covariances(Tensor(small), Tensor(YX))
    single = dlnflow.Spectrum.from_covariances(Tensor(small.astype(np.float32)), Tensor(YX))
    assert (double.dropped, single.dropped) == (1, 2)


def test_what_cannot_be_converted_is_refused_by_name_with_the_reason():
    class Traced(Array):
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("a traced array has no values\nmore")

    with pytest.raises(
        TypeError, match=r"^lam must be convertible .*: got .*: a traced .* values$"
    ):
        dlnflow.critical_time(Traced(LAM), RHO, 3)


def test_no_mask_and_no_missing_value_is_lost_in_conversion():
    with pytest.raises(ValueError, match="x must hold finite numbers"):
        dlnflow.Spectrum.from_samples(Tensor(np.where(X > 0.0, np.nan, X)), Tensor(Y))
    with pytest.raises(ValueError, match="lam must have no masked entries"):
        dlnflow.critical_time([np.ma.masked, Tensor(1.0)], 0.5, 3)


IMAGES = RNG.normal(size=(40, 2, 3))
ROWS = IMAGES.reshape(40, 6)


@pytest.mark.parametrize("kind", [np.asarray, Tensor, np.ndarray.tolist])
def test_images_are_flattened_on_request(kind, tmp_path):
    wanted = dlnflow.Spectrum.from_samples(ROWS, ROWS[::-1]).lam
    images = kind(IMAGES), kind(IMAGES[::-1])
    found = dlnflow.Spectrum.from_samples(*images, flatten=True)
    np.testing.assert_array_equal(found.lam, wanted)
    total = dlnflow.CovarianceAccumulator(flatten=True)
    accumulate([images], into=total)
    np.testing.assert_allclose(total.spectrum().lam, wanted, rtol=1e-12)
    with pytest.raises(ValueError, match=r"got shape \(40, 2, 3\); flatten=True makes a row of"):
        dlnflow.Spectrum.from_samples(*images)
    with pytest.raises(ValueError, match=r"got shape \(40, 2, 3\); flatten=True makes a row of"):
        dlnflow.CovarianceAccumulator().update(*images)
    with pytest.raises(ValueError, match=r"x must hold samples along its first axis.* \(40,\)"):
        dlnflow.Spectrum.from_samples(ROWS[:, 0], ROWS[:, 0], flatten=True)


def test_images_in_files_are_flattened_on_request(tmp_path):
    video, two = tmp_path / "video.npy", tmp_path / "pairs.npz"
    np.save(video, IMAGES)
    np.savez(two, x=IMAGES, y=IMAGES[::-1])
    ((x, y),) = pairs_from(video, lag=2, flatten=True)
    np.testing.assert_array_equal((x, y), (ROWS[:-2], ROWS[2:]))
    ((x, y),) = pairs_from(two, flatten=True)
    np.testing.assert_array_equal((x, y), (ROWS, ROWS[::-1]))
    ((x, y),) = pairs_from(video, video, flatten=True)
    np.testing.assert_array_equal((x, y), (ROWS, ROWS))
    with pytest.raises(ValueError, match=r"\(40, 2, 3\); flatten=True \(--flatten\) makes a row"):
        pairs_from(video, lag=2)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda: dlnflow.identify(T, np.stack([W, W], axis=1)), r"; pass w\.T$"),
        (lambda: dlnflow.Spectrum.from_samples(X, Y.T), r"; pass x\.T or y\.T$"),
        (
            lambda: network.Network([np.ones((4, 3))], [np.ones((4, 2))]),
            r"; pass decoder\[0\]\.T$",
        ),
        (
            lambda: dlnflow.recover(t=[0.0, 1.0], encoder=np.ones((3, 3, 2))),
            r"; pass np\.moveaxis\(encoder, -1, 0\)$",
        ),
        (lambda: dlnflow.amplitude(T, LAM, 0.5, 3), r"; for every combination pass t\[:, None\]$"),
    ],
)
def test_a_transposed_array_is_refused_with_what_to_pass(call, hint):
    with pytest.raises(ValueError, match=hint):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: dlnflow.identify(T, np.ones((2, 3))),
        lambda: dlnflow.Spectrum.from_samples(X, Y[:-1]),
        lambda: network.Network([np.ones((4, 3))], [np.ones((2, 2))]),
        lambda: dlnflow.recover(t=[0.0, 1.0], encoder=np.ones((3, 3, 3))),
        lambda: dlnflow.amplitude(T, np.ones((2, 3)), 0.5, 3),
    ],
)
def test_no_hint_is_given_where_a_transpose_would_not_help(call):
    with pytest.raises(ValueError, match="got ") as raised:
        call()
    assert "pass" not in str(raised.value)

"""Elementwise functions of labelled and of lazy arrays give what they give of plain ones."""

import inspect
import subprocess
import sys

import numpy as np
import pytest

import dlnflow

xr = pytest.importorskip("xarray")
da = pytest.importorskip("dask.array")

FIRST = {
    "amplitude": "t",
    "learned_fraction": "t",
    "hitting_time": "w",
    "velocity": "w",
    "critical_time": "p",
    "critical_time_measured": "p",
    "critical_time_published": None,
    "critical_time_remainder": "p",
    "plateau": None,
    "probe_r2": "t",
    "sensitivities": "t",
}
MODES = ["clean", "noisy", "weak"]
VALUES = {
    "t": ("time", [0.0, 30.0, 400.0]),
    "w": ("height", [0.02, 0.1]),
    "p": ("share", [0.4, 0.6]),
    "lam": ("mode", [1.0, 1.3, 0.7]),
    "rho": ("mode", [0.9, 0.5, 0.8]),
    "L": ("depth", [1, 2]),
    "eps": ("start", [0.01, 0.03]),
}
ARRAYS = {
    name: xr.DataArray(values, dims=dim, coords={"mode": MODES} if dim == "mode" else None)
    for name, (dim, values) in VALUES.items()
}


def arguments(name, **changed):
    taken = inspect.signature(getattr(dlnflow, name)).parameters
    mine = {"t", "w", "p"} & {FIRST[name]} | {"lam", "rho", "L", "eps"}
    return {n: a for n, a in (ARRAYS | changed).items() if n in taken and n in mine}


def plain(name, dims):
    """The same call of plain arrays, each with its dimension at its place among ``dims``."""
    function, given = getattr(dlnflow, name), arguments(name)
    spread = {n: a.expand_dims([d for d in dims if d not in a.dims]) for n, a in given.items()}
    return function(**{n: a.transpose(*dims).to_numpy() for n, a in spread.items()})


def parts(result):
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize("name", FIRST)
def test_dimensions_are_broadcast_by_name_and_keep_their_labels(name):
    made = getattr(dlnflow, name)(**arguments(name))
    dims = parts(made)[0].dims
    for one, other in zip(parts(made), parts(plain(name, dims)), strict=True):
        np.testing.assert_array_equal(one.to_numpy(), other)
        assert one.mode.values.tolist() == MODES
        assert set(one.attrs) == {"symbol", "long_name", "units"}
    if name == "sensitivities":
        assert isinstance(made, dlnflow.Sensitivities)
    else:
        assert made.name == name


@pytest.mark.parametrize("name", FIRST)
def test_what_dask_holds_stays_lazy_and_gives_the_same_chunk_by_chunk(name):
    function, given = getattr(dlnflow, name), arguments(name)
    made = function(**{n: a.chunk(dict.fromkeys(a.dims, 1)) for n, a in given.items()})
    for one, other in zip(parts(made), parts(function(**given)), strict=True):
        assert isinstance(one.data, da.Array)
        assert max(max(sizes) for sizes in one.data.chunks) == 1
        xr.testing.assert_identical(one.compute(scheduler="synchronous"), other)


def test_bare_dask_arrays_are_broadcast_by_position_as_in_numpy():
    t, lam = np.linspace(0.0, 400.0, 10), np.array([[1.0], [1.3]])
    made = dlnflow.amplitude(da.from_array(t, chunks=4), lam, 0.5, 2)
    assert isinstance(made, da.Array)
    assert made.chunks[1] == (4, 4, 2)
    wanted = dlnflow.amplitude(t, lam, 0.5, 2)
    np.testing.assert_array_equal(made.compute(scheduler="synchronous"), wanted)
    several = dlnflow.sensitivities(da.from_array(t, chunks=4), lam, 0.5, 2)
    wanted = dlnflow.sensitivities(t, lam, 0.5, 2)
    np.testing.assert_array_equal(several.eps.compute(scheduler="synchronous"), wanted.eps)


def test_nothing_is_computed_before_it_is_asked_for():
    def forbidden(block):
        raise AssertionError("computed")

    lazy = da.map_blocks(forbidden, da.ones(4, chunks=2), dtype=float, meta=np.empty(0))
    made = dlnflow.amplitude(xr.DataArray(lazy, dims="time"), 1.0, 0.5, 2)
    with pytest.raises(AssertionError, match="computed"):
        made.compute(scheduler="synchronous")


def test_a_lazy_number_out_of_range_is_refused_when_it_is_computed():
    made = dlnflow.amplitude(xr.DataArray([-1.0, 1.0], dims="time").chunk(), 1.0, 0.5, 2)
    with pytest.raises(ValueError, match="t must not be negative or NaN: got -1"):
        made.compute(scheduler="synchronous")


@pytest.mark.parametrize(("name", "word"), [("objective", "jeap"), ("clock", "papers")])
def test_a_wrong_word_is_refused_at_once_though_the_numbers_are_lazy(name, word):
    lazy = xr.DataArray([1.0, 2.0], dims="time").chunk()
    with pytest.raises(ValueError, match=f"{name} must be .*: got '{word}'"):
        dlnflow.amplitude(lazy, 1.0, 0.5, 2, **{name: word})


@pytest.mark.parametrize(
    ("clock", "units"),
    [("paper", "time, paper clock"), (dlnflow.Training(lr=0.1), "training steps")],
)
def test_times_carry_the_name_of_their_clock(clock, units):
    made = dlnflow.critical_time(ARRAYS["lam"], ARRAYS["rho"], 2, clock=clock)
    assert made.attrs == {"symbol": "t_c", "long_name": "critical time", "units": units}


REFUSED = {
    "another order": ({"rho": ARRAYS["rho"][::-1]}, "lam and rho must have the same labels"),
    "missing labels": ({"rho": ARRAYS["rho"][:2]}, r"got \['clean', .*'weak'\] and \['clean', "),
    "another size": ({"eps": xr.DataArray([0.1, 0.2, 0.3], dims="time")}, "t and eps must have"),
    "no sign in common": ({"lam": -ARRAYS["lam"]}, "lam and rho must have the same sign"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_labels_that_differ_are_refused_by_the_names_of_both(case):
    changed, message = REFUSED[case]
    given = {**arguments("amplitude"), "t": xr.DataArray([1.0, 2.0], dims="time"), **changed}
    with pytest.raises(ValueError, match=message):
        dlnflow.amplitude(**given)


@pytest.mark.parametrize("t", [[1.0, 2.0, 3.0], np.ones(3), ARRAYS["lam"].to_dataset(name="t")])
def test_an_array_without_names_beside_one_with_names_is_refused(t):
    """It has as many numbers as there are modes, and would be taken for one number per mode."""
    with pytest.raises(TypeError, match="t must be a single value or a DataArray, whose dim"):
        dlnflow.amplitude(t, ARRAYS["lam"], ARRAYS["rho"], 2)


@pytest.mark.parametrize(
    ("args", "options", "message"),
    [
        ((1.0,), {}, "missing"),
        ((1.0, 0.5, 2, 3, 4, 5), {}, "positional"),
        ((1.0, 0.5, 2), {"lam": 1.0}, "multiple values"),
        ((1.0, 0.5, 2), {"wrong": 1.0}, "unexpected keyword"),
    ],
)
def test_a_wrong_call_is_refused_as_that_of_any_function(args, options, message):
    with pytest.raises(TypeError, match=message):
        dlnflow.amplitude(ARRAYS["t"], *args, **options)


def test_the_functions_load_neither_library():
    script = (
        "import sys, dlnflow; dlnflow.amplitude([1.0, 2.0], 1.0, 0.5, 2);"
        "print([m for m in ('xarray', 'dask', 'torch', 'jax') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_every_elementwise_function_is_among_those_tested():
    elementwise = {
        name
        for name in dlnflow.__all__
        if inspect.isfunction(one := getattr(dlnflow, name))
        and one.__module__.startswith("dlnflow.theory")
    }
    others = {"simulate", "critical_time_table", "order_boundaries", "resume_sweep"}
    assert elementwise - others == set(FIRST)

"""What the door says to bad input: the argument, its value, what is allowed."""

import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

import dlnflow
from dlnflow._common import _validate

GOOD = {"lam": 1.0, "rho": 0.5, "L": 3}

BAD = [
    ({"eps": 0.0}, ValueError, r"eps must be positive and finite: got 0"),
    ({"eps": [1e-3, -1.0]}, ValueError, r"eps must be positive.* got -1 at index \(1,\)"),
    ({"eps": float("nan")}, ValueError, "eps must be positive and finite: got nan"),
    ({"eps": float("inf")}, ValueError, "eps must be positive and finite: got inf"),
    ({"rho": -0.5}, ValueError, "lam and rho must have the same sign.* lam = 1.0 with rho = -0.5"),
    ({"lam": 0.0}, ValueError, "lam and rho must have the same sign"),
    ({"lam": 0.0, "rho": 0.0}, ValueError, "rho must not be 0 unless variance is given"),
    ({"lam": []}, ValueError, "lam must hold at least one mode: got an empty array"),
    ({"rho": []}, ValueError, "rho must hold at least one mode: got an empty array"),
    ({"lam": [[1], [1, 2]]}, ValueError, "lam must be a rectangular array of numbers"),
    ({"rho": "half"}, TypeError, "rho must hold real numbers: got 'half'"),
    ({"lam": None}, TypeError, "lam must hold real numbers: got None"),
    ({"lam": 1 + 2j}, TypeError, "lam must hold real numbers"),
    ({"lam": float("nan")}, ValueError, "lam must be finite: got nan"),
    ({"lam": True}, TypeError, "lam must hold real numbers"),
    ({"L": 0}, ValueError, "L must be a positive integer: got 0"),
    ({"L": 2.5}, ValueError, "L must be a positive integer: got 2.5"),
    ({"L": [1, -2]}, ValueError, r"L must be a positive integer: got -2 at index \(1,\)"),
    ({"L": "3"}, TypeError, "L must hold real numbers: got '3'"),
    ({"objective": "vae"}, ValueError, "objective must be"),
    ({"objective": dlnflow.Objective(7)}, ValueError, r"target_layer must lie in .* 0..3: got 7"),
    ({"clock": "wall"}, ValueError, "clock must be .*: got 'wall'"),
    ({"decoder_depth": 0}, ValueError, "decoder_depth must be a positive integer: got 0"),
    ({"lam": [1, 2], "rho": [0.1, 0.2, 0.3]}, ValueError, r"lam and rho .* \(2,\) and \(3,\)"),
    ({"lam": [1, 2], "L": [1, 2, 3]}, ValueError, r"lam and L .* \(2,\) and \(3,\)"),
    ({"lam": [1, 2], "eps": [0.1] * 3}, ValueError, r"lam and eps .* \(2,\) and \(3,\)"),
    ({"variance": 3.0}, ValueError, r"variance must agree with lam / rho .* got 3.0 .* = 2.0"),
    ({"variance": -2.0}, ValueError, "variance must be positive and finite: got -2"),
]

FUNCTIONS = {
    "amplitude": lambda **a: dlnflow.amplitude(1.0, **a),
    "learned_fraction": lambda **a: dlnflow.learned_fraction(1.0, **a),
    "hitting_time": lambda **a: dlnflow.hitting_time(0.01, **a),
    "critical_time": dlnflow.critical_time,
    "critical_time_measured": dlnflow.critical_time_measured,
    "simulate": dlnflow.simulate,
    "critical_time_table": dlnflow.critical_time_table,
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(("change", "error", "message"), BAD)
def test_bad_modes_are_refused_by_every_function(name, change, error, message):
    if name == "critical_time_table" and any(np.size(change.get(a, 0)) > 1 for a in ("L", "eps")):
        change = {key: value for key, value in change.items() if key != "lam"}
        if len(change) == 1 and all(np.all(np.greater(v, 0)) for v in change.values()):
            return  # depths and eps are crossed with the modes there, not broadcast
    with pytest.raises(error, match=message):
        FUNCTIONS[name](**{**GOOD, **change})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dlnflow.amplitude(-1.0, 1, 0.5, 3), "t must not be negative or NaN: got -1"),
        (
            lambda: dlnflow.amplitude([0, np.nan], 1, 0.5, 3),
            r"t must not be .* nan at index \(1,\)",
        ),
        (lambda: dlnflow.amplitude([1, 2], [1, 2, 3], 0.5, 3), r"t and lam .* \(2,\) and \(3,\)"),
        (
            lambda: dlnflow.hitting_time(-0.1, 1, 0.5, 3),
            "w must be finite and not negative: got -0.1",
        ),
        (lambda: dlnflow.velocity(np.nan, 1, 0.5, 3), "w must be finite and not negative: got nan"),
        (lambda: dlnflow.critical_time(1, 0.5, 3, p=1.0), r"p must lie in \(0, 1\): got 1"),
        (lambda: dlnflow.critical_time(1, 0.5, 3, p=[0.5, 0]), r"p must lie in \(0, 1\): got 0 at"),
        (lambda: dlnflow.simulate(1, 0.5, 3, method="rk4"), "method must be one of 'exact', 'ode'"),
        (lambda: dlnflow.simulate(1, 0.5, 3, t=[]), "t must have one axis and at least one time"),
        (lambda: dlnflow.simulate(1, 0.5, 3, t=[2.0, 1.0]), "t must rise"),
        (lambda: dlnflow.simulate(1, 0.5, 3, t=[0, np.inf]), "t must be finite and not negative"),
        (
            lambda: dlnflow.simulate(1, 0.5, 3, t=[-1, 0]),
            "t must be finite and not negative: got -1",
        ),
        (
            lambda: dlnflow.critical_time_published(1, 0.5, 3, objective="layer-1"),
            "objective must be 'jepa' or 'mae'",
        ),
        (
            lambda: dlnflow.critical_time_published(1, 0.5, 3, decoder_depth=2),
            "decoder_depth 1",
        ),
    ],
)
def test_other_arguments_are_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_rounded_variances_are_accepted():
    dlnflow.amplitude(1.0, 0.333, 0.667, 2, variance=0.5)


def test_whole_floats_are_depths():
    assert dlnflow.plateau(0.5, 3.0) == 0.125


LONG = np.finfo(np.longdouble).maxexp > np.finfo(np.float64).maxexp
long_only = pytest.mark.skipif(not LONG, reason="long double is double precision here")
BEYOND = [
    pytest.param(lambda: np.longdouble("1e4000"), id="long double", marks=long_only),
    pytest.param(lambda: np.array([1, "-1e4000"], np.longdouble), id="array", marks=long_only),
    pytest.param(lambda: [np.longdouble("1e4000")], id="list", marks=long_only),
    pytest.param(
        lambda: np.array([np.longdouble("1e4000")], object), id="object array", marks=long_only
    ),
    pytest.param(lambda: 10**400, id="int"),
    pytest.param(lambda: -(10**400), id="negative int"),
    pytest.param(lambda: 10**5000, id="int that Python does not print"),
    pytest.param(lambda: [1, 10**400], id="int in a list"),
    pytest.param(lambda: Fraction(10**400, 3), id="Fraction"),
    pytest.param(lambda: Decimal("1e4000"), id="Decimal"),
]
BELOW = [
    pytest.param(lambda: np.longdouble("1e-4000"), id="long double", marks=long_only),
    pytest.param(lambda: np.array([1, "1e-4000"], np.longdouble), id="array", marks=long_only),
    pytest.param(lambda: Fraction(1, 10**400), id="Fraction"),
    pytest.param(lambda: Decimal("1e-4000"), id="Decimal"),
]
POSITIVE = ("lam", "rho", "eps", "variance")


@pytest.mark.parametrize("argument", [*POSITIVE, "L", "decoder_depth"])
@pytest.mark.parametrize("value", BEYOND)
def test_numbers_beyond_double_precision_are_not_finite(argument, value):
    with pytest.raises(ValueError, match=f"^{argument} must be finite in double precision: got "):
        dlnflow.critical_time(**{**GOOD, argument: value()})


@pytest.mark.parametrize("value", BEYOND)
def test_other_arguments_beyond_double_precision_are_not_finite(value):
    for name, call in {
        "t": lambda t: dlnflow.amplitude(t, **GOOD),
        "w": lambda w: dlnflow.hitting_time(w, **GOOD),
        "p": lambda p: dlnflow.critical_time(**GOOD, p=p),
        "lr": lambda lr: dlnflow.Training(lr=lr),
        "sigma_xx": lambda xx: dlnflow.Spectrum.from_covariances(np.full((2, 2), xx), np.eye(2)),
    }.items():
        if np.ndim(value()) and name == "sigma_xx":
            continue
        with pytest.raises(ValueError, match=f"^{name} must be finite in double precision: got "):
            call(value())


@pytest.mark.parametrize("argument", [*POSITIVE, "p"])
@pytest.mark.parametrize("value", BELOW)
def test_numbers_that_round_to_zero_are_too_small_and_not_called_zero(argument, value):
    with pytest.raises(ValueError, match=f"^{argument} must not be too small .*: got .*1[^0]"):
        dlnflow.critical_time(**{**GOOD, argument: value()})


NOT_REAL = [
    1 + 0j,
    [1 + 0j],
    np.clongdouble(1),
    np.array([np.complex128(1)], dtype=object),
    np.datetime64("2020-01-01"),
    np.timedelta64(1, "s"),
    np.array([np.timedelta64(1, "s")], dtype=object),
    [datetime.datetime(2020, 1, 1)],
    "1",
    ["1"],
    b"1",
    np.array(["1"], dtype=object),
    np.array([np.True_], dtype=object),
    np.array([np.array([1.0]), None], dtype=object),
    np.array([np.ma.masked, 1], dtype=object),
    pd.NA,
    pd.NaT,
    pd.array([True], dtype="boolean"),
    np.array([1, pd.NA], dtype=object),
    np.array([(1.0,)], dtype=[("a", "f8")]),
]


@pytest.mark.parametrize("value", NOT_REAL, ids=repr)
def test_what_is_no_real_number_is_refused_by_type(value):
    with pytest.raises(TypeError, match=r"^lam must hold real numbers: got "):
        dlnflow.critical_time(**{**GOOD, "lam": value})


@pytest.mark.parametrize(
    "value",
    [
        np.ma.array([1.0, 2.0], mask=[False, True]),
        [1.0, np.ma.masked],
        np.ma.masked,
        [[1.0, 2.0], [1.0, np.ma.masked]],
        (np.ma.array([1.0, 2.0], mask=[False, True]), [1.0, 2.0]),
    ],
    ids=repr,
)
def test_masked_entries_are_refused(value):
    with pytest.raises(ValueError, match=r"^lam must have no masked entries: got "):
        dlnflow.critical_time(**{**GOOD, "lam": value})


@pytest.mark.parametrize("kind", ["Int64", "Float64"])
def test_a_missing_value_of_pandas_is_refused(kind):
    with pytest.raises((TypeError, ValueError), match=r"^lam must (hold real numbers|be finite)"):
        dlnflow.critical_time(**{**GOOD, "lam": pd.array([1, None], dtype=kind)})


@pytest.mark.parametrize(
    "value",
    [
        np.array([1, 2], np.float16),
        np.array([1, 2], np.longdouble),
        np.array([1, 2], np.uint8),
        np.array([Fraction(1), Decimal(2)], dtype=object),
        pd.array([1, 2], dtype="Int64"),
        pd.Series([1, 2], dtype="Float64"),
        np.ma.array([1.0, 2.0]),
        (1, 2),
    ],
    ids=lambda value: str(getattr(value, "dtype", "tuple")),
)
def test_real_numbers_of_every_type_mean_the_same(value):
    expected = dlnflow.critical_time(**{**GOOD, "lam": [1.0, 2.0]})
    np.testing.assert_array_equal(dlnflow.critical_time(**{**GOOD, "lam": value}), expected)


@pytest.mark.parametrize(
    "text", ["1", "+1", "-1.", ".5", "1e3", "1E-3", " 1\t", "inf", "-Infinity", "NaN", "1.5e+07"]
)
def test_a_number_in_a_text_is_what_python_reads(text):
    np.testing.assert_equal(_validate.number_in_text(text), float(text))


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "1_000", "1e5_0", "\uff11\uff12", "\u0663", "\u00a01", "0x10", "1,5", "1 0"),
        *("1e", "infinit", "--1", "nan1", ".", "1f", "\u221e", "\u22121"),
    ],
)
def test_other_spellings_are_no_numbers(text):
    with pytest.raises(ValueError, match=r"is not a number$"):
        _validate.number_in_text(text)

"""What the door says to bad input: the argument, its value, what is allowed."""

import numpy as np
import pytest

import dlnflow

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

"""Exponents of every objective, against the mode equation written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dlnflow
from dlnflow.theory._objective import as_objective, as_objectives


@given(st.integers(1, 30), st.integers(1, 10), st.data())
def test_exponents_follow_from_the_number_of_layers(L, P, data):
    m = data.draw(st.integers(0, L))
    N = L + P
    objective = dlnflow.Objective(target_layer=m)
    assert objective.gap(L, P) == N - m
    assert objective.order(L, P) == pytest.approx(2 * (N - 1) / (N - m), rel=1e-15)
    assert objective.growth_exponent(L, P) == N - 2 + m


@given(st.integers(1, 20), st.floats(0.05, 2), st.floats(0.1, 10))
def test_the_papers_pair_of_exponents(L, rho, lam):
    """JEPA: order 2L, rate ~ rho**(2L-1); MAE: order 2L/(L+1), rate ~ rho**((L-1)/(L+1))."""
    assert dlnflow.JEPA.order(L) == 2 * L
    assert dlnflow.MAE.order(L) == pytest.approx(2 * L / (L + 1), rel=1e-15)
    assert dlnflow.JEPA.rate(lam, rho, L) == pytest.approx(lam * rho ** (2 * L - 1), rel=1e-12)
    assert dlnflow.MAE.rate(lam, rho, L) == pytest.approx(
        (L + 1) * lam * rho ** ((L - 1) / (L + 1)), rel=1e-12
    )
    assert dlnflow.JEPA.plateau(rho, L) == pytest.approx(rho**L, rel=1e-14)
    assert dlnflow.MAE.plateau(rho, L) == pytest.approx(rho ** (L / (L + 1)), rel=1e-14)


def test_the_ends_of_the_dial_are_the_named_objectives():
    assert dlnflow.Objective(target_layer=0) == dlnflow.MAE
    for L in (1, 4):
        ends = dlnflow.Objective(target_layer=L), dlnflow.JEPA
        assert ends[0].order(L, 2) == ends[1].order(L, 2)
    assert [o.name for o in (dlnflow.JEPA, dlnflow.MAE, dlnflow.Objective(2))] == [
        "jepa",
        "mae",
        "layer-2",
    ]
    assert as_objective("layer-2") == dlnflow.Objective(2)


def test_a_suppressed_mode_has_no_plateau():
    assert dlnflow.plateau([-0.5, 0.0, 0.5], 2).tolist() == [0.0, 0.0, 0.25]


def test_arrays_of_depths_broadcast():
    L = np.arange(1, 5)
    assert dlnflow.MAE.order(L).tolist() == [1.0, 4 / 3, 1.5, 1.6]
    assert dlnflow.JEPA.gap(L, [[1], [3]]).shape == (2, 4)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: dlnflow.Objective(-1), ValueError, "target_layer must lie in 0..L: got -1"),
        (lambda: dlnflow.Objective(1.5), TypeError, "target_layer must be an integer"),
        (
            lambda: dlnflow.Objective(4).gap(3),
            ValueError,
            r"target_layer must lie in .* 0..3: got 4",
        ),
        (lambda: dlnflow.JEPA.gap(0), ValueError, "L must be a positive integer: got 0"),
        (lambda: dlnflow.JEPA.gap(2, 0), ValueError, "decoder_depth must be a positive integer"),
        (lambda: as_objective("vae"), ValueError, "objective must be .*: got 'vae'"),
        (lambda: as_objective(3), TypeError, "objective must be a name or an Objective"),
        (lambda: as_objective("layer-" + "9" * 20), ValueError, "target_layer must lie .*: got 9"),
        (lambda: as_objective("layer-" + "9" * 5000), ValueError, "objective must .* length 5006"),
        (lambda: as_objective("layer-\N{ARABIC-INDIC DIGIT THREE}"), ValueError, "objective must"),
        (lambda: as_objective(10**5000), TypeError, "objective must .* too long to print"),
        (lambda: as_objectives([10**5000]), TypeError, "objective must .* too long to print"),
        (lambda: dlnflow.Objective(10**5000), ValueError, "target_layer must .* too long to print"),
        (lambda: dlnflow.Objective(2**31), ValueError, "target_layer must lie .*: got 2147483648"),
        (lambda: dlnflow.Objective(True), TypeError, "target_layer must be an integer"),
        (lambda: dlnflow.Objective(np.True_), TypeError, "target_layer must be an integer"),
        (lambda: as_objectives(["jepa", "jepa"]), ValueError, "objective must name .* none twice"),
        (lambda: as_objectives([]), ValueError, "objective must name at least one"),
    ],
)
def test_refusals_name_the_argument(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_layer_may_be_numpy_s_and_as_deep_as_an_encoder():
    assert dlnflow.Objective(np.int64(2)) == dlnflow.Objective(np.array(2)) == "layer-2"
    assert type(dlnflow.Objective(np.int64(2)).target_layer) is int
    assert as_objective("layer-2147483647").gap(2**31 - 1) == 1

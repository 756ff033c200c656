"""What the paper's critical times leave out, against mpmath; the formulas themselves stand in
``test_critical_time.py``, beside the exact ones they are compared with."""

import mpmath as mp
import numpy as np
import pytest
from reference import DIGITS, elapsed

import dlnflow


def left_out(objective, L, eps, rho, p, lam=1.3):
    """Exact less published, both with 200 digits."""
    with mp.workdps(DIGITS):
        layer, k = (L, 1) if objective == "jepa" else (0, L + 1)
        start, r, covariance = mp.mpf(eps), mp.mpf(rho), mp.mpf(lam)
        target = mp.mpf(p) * r ** (mp.mpf(L) / k)
        exact = elapsed(target, lam, rho, eps, layer, L)
        if objective == "jepa":
            powers = range(1, 2 * L)
            published = sum(
                L / (n * r ** (2 * L - n - 1) * start ** (mp.mpf(n) / L)) for n in powers
            )
        elif L == 1:
            published = mp.log(1 / start)
        else:
            published = L / ((L - 1) * start ** (mp.mpf(L - 1) / L))
        return float(exact - published / covariance)


@pytest.mark.long
@pytest.mark.parametrize("objective", ["jepa", "mae"])
@pytest.mark.parametrize("L", [1, 2, 3, 6])
@pytest.mark.parametrize(("eps", "p"), [(1e-2, 0.5), (1e-4, 0.9), (1e-20, 0.2)])
def test_the_remainder_is_what_separates_the_exact_from_the_published(objective, L, eps, p):
    rho = np.array([0.7, 0.95, 1.4])
    got = dlnflow.critical_time_remainder(1.3, rho, L, eps=eps, objective=objective, p=p)
    truth = [left_out(objective, L, eps, r, p) for r in rho]
    assert got == pytest.approx(truth, rel=1e-11)
    elsewhere = dlnflow.critical_time_remainder(1.3, rho, L, eps=eps, objective=objective, p=p / 2)
    assert elsewhere != pytest.approx(truth, rel=1e-3)


def test_it_keeps_the_digits_that_the_difference_of_both_times_has_lost():
    mode = {"lam": 1.3, "rho": 0.7, "L": 3, "eps": 1e-20}
    difference = dlnflow.critical_time(**mode) - dlnflow.critical_time_published(**mode)
    truth = left_out("jepa", 3, 1e-20, 0.7, 0.5)
    assert dlnflow.critical_time_remainder(**mode) == pytest.approx(truth, rel=1e-11)
    assert difference != pytest.approx(truth, rel=0.5)


def test_clock_covariance_and_shapes_are_those_of_the_times():
    def remainder(**change):
        return dlnflow.critical_time_remainder(
            **{"lam": 1.0, "rho": 0.7, "L": 3, "objective": "mae", **change}
        )

    assert remainder(clock="network") == pytest.approx(remainder() / 3, rel=1e-14)
    assert remainder(lam=2.0) == pytest.approx(remainder() / 2, rel=1e-14)
    assert remainder(L=[1, 2, 3], p=[[0.2], [0.5]]).shape == (2, 3)
    assert remainder(lam=-1.0, rho=-0.7) == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"p": 1.0}, r"p must lie in \(0, 1\): got 1"),
        ({"objective": "layer-1"}, "objective must be 'jepa' or 'mae'"),
        ({"decoder_depth": 2}, "decoder_depth 1"),
        ({"eps": 0.0}, "eps must be positive"),
    ],
)
def test_refusals_name_the_argument(change, message):
    with pytest.raises(ValueError, match=message):
        dlnflow.critical_time_remainder(**{"lam": 1.0, "rho": 0.7, "L": 2, **change})


@pytest.mark.parametrize("L", [1, 2, 3, 8])
@pytest.mark.parametrize("eps", [0.3, 0.9, 1.5])
def test_above_the_fraction_an_mae_s_remainder_is_the_formula_s_principal_value(L, eps):
    with mp.workdps(40):
        rho, c, b = mp.mpf("0.5"), mp.mpf(2 * L) / (L + 1), mp.mpf(L + 1) / L

        def elapsed(q):
            if L == 1:
                return mp.log(abs(q / (1 - q)))
            return mp.re(q ** (1 - c) / (1 - c) * mp.hyp2f1(1, 1 - c, 2 - c, q))

        rate = (L + 1) * rho ** (c - 1) / L
        exact = (elapsed(mp.mpf("0.5") ** b) - elapsed(mp.mpf(eps) ** b / rho)) / rate
        paper = dlnflow.critical_time_published(1.0, 0.5, L, eps=eps, objective="mae")
        truth = float(exact - mp.mpf(float(paper)))
    got = dlnflow.critical_time_remainder(1.0, 0.5, L, eps=eps, objective="mae")
    assert got == pytest.approx(truth, rel=1e-13)

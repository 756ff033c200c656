"""Boundaries of ``eps`` between orders of learning, against critical times and dense scans."""

import numpy as np
import pandas as pd
import pytest

import dlnflow

RNG = np.random.default_rng(3)
CASES = [
    ([1.0, 1.3], [0.9, 0.4], 4, 1),
    ([1.0, 1.0, 1.0], [0.9, 0.5, 0.2], 5, 1),
    ([1.0, 1.2, 1.1, -0.1], [0.9, 0.5, 0.45, -0.1], 1, 3),
    (RNG.uniform(0.5, 2.0, 6), RNG.uniform(0.1, 1.0, 6), 3, 1),
    (RNG.uniform(0.5, 2.0, 5), RNG.uniform(0.1, 3.0, 5), 6, 2),
]
OBJECTIVES = ("jepa", "mae", "layer-1")


def order_at(lam, rho, L, P, objective, eps):
    """Modes yet to be learned, by `dlnflow.critical_time` alone."""
    times = dlnflow.critical_time(lam, rho, L, eps=eps, objective=objective, decoder_depth=P)
    counted = np.flatnonzero(np.isfinite(times) & (times > 0.0))
    return tuple(counted[np.argsort(times[counted], kind="stable")].tolist())


@pytest.mark.parametrize(("lam", "rho", "L", "P"), CASES)
def test_a_dense_scan_finds_the_same_orders(lam, rho, L, P):
    table = dlnflow.order_boundaries(lam, rho, L, objective=OBJECTIVES, decoder_depth=P)
    for objective, rows in table.groupby("objective", sort=False):
        assert rows.eps_from.iloc[0] == 0.0
        np.testing.assert_array_equal(rows.eps_from.iloc[1:], rows.eps_to.iloc[:-1])
        assert all(one != two for one, two in zip(rows.order, rows.order[1:], strict=False))
        # where modes of equal lam are no longer tied by rounding
        for eps in np.geomspace(1e-7, 0.999 * rows.eps_to.iloc[-1], 120):
            at = rows[(rows.eps_from < eps) & (eps <= rows.eps_to)]
            assert at.order.item() == order_at(lam, rho, L, P, objective, eps)
        assert order_at(lam, rho, L, P, objective, 1.001 * rows.eps_to.iloc[-1]) == ()


@pytest.mark.parametrize(("lam", "rho", "L", "P"), CASES)
def test_the_order_changes_at_each_boundary(lam, rho, L, P):
    for _, row in dlnflow.order_boundaries(lam, rho, L, decoder_depth=P).iterrows():
        before, after = (
            order_at(lam, rho, L, P, row.objective, row.eps_to * (1.0 + side))
            for side in (-1e-9, 1e-9)
        )
        assert before == row.order
        assert after != row.order


def test_two_modes_can_change_their_order_twice():
    table = dlnflow.order_boundaries([1.0, 1.3], [0.9, 0.4], 4, objective="jepa")
    assert table.order.tolist() == [(1, 0), (0, 1), (1, 0), (0,)]


def test_two_boundaries_between_two_points_of_a_grid_are_found():
    """Modes whose critical times nearly touch: only the point of equal velocities tells."""

    def orders(lam):
        table = dlnflow.order_boundaries([1.0, lam], [0.9, 0.4], 4, objective="jepa")
        return table.order.tolist()

    low, high = 1.3, 2.0  # twice, never
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if len(orders(middle)) == 4 else (low, middle)
    table = dlnflow.order_boundaries([1.0, low], [0.9, 0.4], 4, objective="jepa")
    assert table.order.tolist() == [(1, 0), (0, 1), (1, 0), (0,)]
    width = np.log(table.eps_to[1] / table.eps_from[1])
    assert width < 0.01 * np.log(1e300) / 300
    assert orders(high + 1e-6) == [(1, 0), (0,)]


def test_tiny_initialisations_are_ordered_by_lam():
    table = dlnflow.order_boundaries([1.0, 1.001], [0.9, 0.4], 40, objective="jepa")
    assert table.order[0] == (1, 0)
    assert 0.0 < table.eps_to[0] < 1e-100


def test_a_mode_that_is_never_learned_is_in_no_order():
    alone = dlnflow.order_boundaries([1.0, 1.3], [0.9, 0.4], 4)
    table = dlnflow.order_boundaries([-1.0, 1.0, 1.3], [-0.5, 0.9, 0.4], 4)
    assert table.order.tolist() == [tuple(i + 1 for i in order) for order in alone.order]
    pd.testing.assert_frame_equal(table.drop(columns="order"), alone.drop(columns="order"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rho": [-0.9, -0.4], "lam": [-1.0, -1.3]}, "rho must be above 0 for some mode.* -0.4"),
        ({"L": [1, 2]}, r"L must be a single value: got \[1, 2\]"),
        ({"p": 1.0}, r"p must lie in \(0, 1\): got 1"),
        ({"p": [0.5, 0.6]}, "p must be a single value"),
        ({"lam": [1.0, -1.0]}, "lam and rho must have the same sign"),
        ({"objective": "vae"}, "objective must be"),
    ],
)
def test_bad_arguments_are_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        dlnflow.order_boundaries(**{"lam": [1.0, 1.3], "rho": [0.9, 0.4], "L": 4} | change)

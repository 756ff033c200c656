"""The right-hand side of whole networks, against the loss itself."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import covariances, product, samples

from dlnflow.network._equations import Equations

seeds = st.integers(0, 2**32 - 1)


layouts = st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(0, 3), seeds)


def layout(drawn):
    """Layers of arbitrary widths, their target layer, and samples."""
    L, P, m, seed = drawn
    m, rng = min(m, L), np.random.default_rng(seed)
    widths = rng.integers(1, 5, L + P + 1)
    widths[-1] = widths[m]
    layers = [rng.normal(size=(b, a)) for a, b in itertools.pairwise(widths)]
    return layers, m, samples(7, widths[0], seed)


def frozen_gradient(layers, m, x, y, *, detach=True):
    """Of the mean squared error itself, by a complex step: exact to rounding."""
    d = layers[0].shape[1]
    target = product(layers[:m], d)
    gradient = [np.empty(layer.shape) for layer in layers]
    for j, layer in enumerate(layers):
        for place in np.ndindex(layer.shape):
            moved = [one.astype(complex) for one in layers]
            moved[j][place] += 1e-30j
            wanted = target if detach else product(moved[:m], d)
            miss = x @ product(moved, d).T - y @ wanted.T
            gradient[j][place] = 0.5 * np.sum(miss * miss).imag / len(x) / 1e-30
    return np.concatenate([one.ravel() for one in gradient])


def equations_of(layers, m, x, y):
    return Equations(tuple(layer.shape for layer in layers), m, *covariances(x, y))


@pytest.mark.long
@given(layouts)
@settings(max_examples=30)
def test_the_flow_is_steepest_descent_of_the_loss_with_its_target_held(drawn):
    layers, m, (x, y) = layout(drawn)
    equations = equations_of(layers, m, x, y)
    velocity = equations.velocity(0.0, equations.flat(layers))
    expected = -frozen_gradient(layers, m, x, y)
    scale = 1.0 + np.abs(expected).max()
    assert velocity == pytest.approx(expected, rel=1e-9, abs=1e-11 * scale)
    if m:
        through = -frozen_gradient(layers, m, x, y, detach=False)
        assert not np.allclose(velocity, through, rtol=1e-3)


@given(layouts, seeds)
@settings(max_examples=30)
def test_the_linearised_flow_is_the_difference_of_two_flows_nearby(drawn, seed):
    layers, m, (x, y) = layout(drawn)
    equations = equations_of(layers, m, x, y)
    weights = equations.flat(layers)
    change = np.random.default_rng(seed).normal(size=(2, weights.size))
    h = 1e-5
    ahead, behind = (
        np.array([equations.velocity(0.0, weights + sign * h * one) for one in change])
        for sign in (1.0, -1.0)
    )
    expected = (ahead - behind) / (2.0 * h)
    linear = equations.linearisation(weights)(change)
    assert linear == pytest.approx(expected, abs=1e-6 * (1.0 + np.abs(expected).max()))
    assert equations.linearisation(weights)(change[1]) == pytest.approx(linear[1])


@pytest.mark.parametrize("m", [0, 1, 2])
def test_a_vector_of_variances_stands_for_a_diagonal_matrix(m):
    rng = np.random.default_rng(m)
    xx, yx, weights = rng.uniform(0.5, 2.0, 3), rng.normal(size=3), rng.normal(size=27)
    short, long = (Equations(((3, 3),) * 3, m, *c) for c in ((xx, yx), (np.diag(xx), np.diag(yx))))
    assert short.velocity(0.0, weights) == pytest.approx(long.velocity(0.0, weights))
    assert short.loss(weights) == pytest.approx(long.loss(weights))
    change = rng.normal(size=27)
    assert short.linearisation(weights)(change) == pytest.approx(
        long.linearisation(weights)(change)
    )


class Counting(np.ndarray):
    """An array that counts the matrix products it takes part in."""

    count = 0

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        Counting.count += ufunc is np.matmul
        plain = [np.asarray(one) for one in inputs]
        answer = getattr(ufunc, method)(*plain, **options)
        return answer.view(Counting)


@pytest.mark.parametrize("by_matrices", list(itertools.product([False, True], repeat=2)))
@pytest.mark.parametrize(("N", "m"), [(2, 0), (2, 1), (4, 0), (4, 2), (6, 5)])
def test_the_number_of_matrix_products_is_the_one_promised(N, m, by_matrices):
    rng = np.random.default_rng(0)
    xx, yx = (rng.normal(size=(3, 3) if matrix else 3) for matrix in by_matrices)
    equations = Equations(((3, 3),) * N, m, xx, yx)
    Counting.count = 0
    counted = equations.velocity(0.0, rng.normal(size=9 * N).view(Counting))
    assert Counting.count == equations.products
    assert np.isfinite(np.asarray(counted)).all()

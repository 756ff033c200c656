"""Centred pairs of samples for the tests of whole networks, and products of layers."""

from functools import reduce

import numpy as np


def samples(n, d, seed):
    """Centred pairs whose covariances neither commute nor are symmetric."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * np.linspace(0.6, 1.4, d)
    y = 0.6 * x + 0.4 * x @ rng.normal(size=(d, d)) / d**0.5 + 0.3 * rng.normal(size=(n, d))
    return x - x.mean(axis=0), y - y.mean(axis=0)


def covariances(x, y):
    return x.T @ x / len(x), y.T @ x / len(x)


def product(layers, size):
    return reduce(lambda done, layer: layer @ done, layers, np.eye(size))

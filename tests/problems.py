"""Named problems: modes, covariances and samples that tests of several packages use."""

from functools import reduce

import numpy as np

# Pairs of modes, as (lam, rho).
EQUAL_LAM = [1.0, 1.0], [1.0, 0.5]  # only rho differs
AGREEING = np.array([1.0, 0.7]), np.array([1.0, 0.5])  # the larger lam has the larger rho
OPPOSED = np.array([0.7, 1.0]), np.array([1.0, 0.5])  # the larger lam has the smaller rho

# Covariances of two commuting modes of which the first is learned early and switches.
WAITING = np.diag([0.7, 2.0]), np.diag([0.7, 1.0])


def rotation(d, rng):
    """A random orthogonal matrix."""
    return np.linalg.qr(rng.normal(size=(d, d)))[0]


def commuting(lam, variance, basis):
    """Covariances with these modes in a basis: ``sigma_xx`` and ``sigma_yx``."""
    return basis * variance @ basis.T, basis * lam @ basis.T


def samples(n, d, seed):
    """Centred pairs whose covariances neither commute nor are symmetric."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * np.linspace(0.6, 1.4, d)
    y = 0.6 * x + 0.4 * x @ rng.normal(size=(d, d)) / d**0.5 + 0.3 * rng.normal(size=(n, d))
    return x - x.mean(axis=0), y - y.mean(axis=0)


def covariances(x, y):
    """``sigma_xx`` and ``sigma_yx`` of centred samples."""
    return x.T @ x / len(x), y.T @ x / len(x)


def product(layers, size):
    """The product of layers, first layer first."""
    return reduce(lambda done, layer: layer @ done, layers, np.eye(size))

"""The approximate inverse of implicit steps: exact at rest, and worth its cost on the way."""

import numpy as np
import pytest

from dlnflow import network
from dlnflow.network._equations import Equations
from dlnflow.network._preconditioner import LARGEST, Preconditioner

LAM, RHO = np.array([1.0, 0.8, 0.6, 0.5]), np.array([0.9, 0.7, 0.5, 0.3])


def at_rest(objective, L=2, P=1, turned=0.0):
    """Equations and weights of an aligned network at its plateau, in turned coordinates."""
    turn = np.linalg.qr(np.eye(4) + turned * np.random.default_rng(0).normal(size=(4, 4)))[0]
    m = {"jepa": L, "mae": 0}[objective]
    u = turn @ np.diag(RHO ** (1.0 / (L + P - m))) @ turn.T
    xx, yx = turn @ np.diag(LAM / RHO) @ turn.T, turn @ np.diag(LAM) @ turn.T
    equations = Equations(((4, 4),) * (L + P), m, xx, yx)
    return equations, equations.flat([u] * (L + P))


@pytest.mark.parametrize("objective", ["jepa", "mae"])
@pytest.mark.parametrize("turned", [0.0, 0.5])
@pytest.mark.parametrize(("L", "P"), [(1, 1), (2, 1), (3, 2)])
def test_at_rest_it_is_the_inverse(objective, turned, L, P):
    equations, weights = at_rest(objective, L, P, turned)
    assert np.abs(equations.downhill(weights)).max() < 1e-12
    system = (
        np.eye(equations.size) - 7.0 * equations.linearisation(weights)(np.eye(equations.size)).T
    )
    made = Preconditioner(equations)
    made.setup(weights, 7.0)
    solved = np.array([made.solve(column) for column in np.eye(equations.size)]).T
    assert np.abs(system @ solved - np.eye(equations.size)).max() < 1e-9


def test_away_from_rest_it_is_not():
    equations, weights = at_rest("jepa")
    system = (
        np.eye(equations.size)
        - 7.0 * equations.linearisation(0.8 * weights)(np.eye(equations.size)).T
    )
    made = Preconditioner(equations)
    made.setup(0.8 * weights, 7.0)
    solved = np.array([made.solve(column) for column in np.eye(equations.size)]).T
    assert np.abs(system @ solved - np.eye(equations.size)).max() > 0.1


def test_it_serves_small_balanced_layers_of_one_width():
    equations, weights = at_rest("jepa")
    assert Preconditioner.serves(equations, weights)
    tilted = weights + 0.1 * np.random.default_rng(0).normal(size=weights.size)
    assert not Preconditioner.serves(equations, tilted)
    wide = LARGEST + 1
    large = Equations(((wide, wide),) * 2, 1, np.ones(wide), np.ones(wide))
    assert not Preconditioner.serves(large, np.tile(np.eye(wide).ravel(), 2))
    uneven = Equations(((3, 4), (4, 3)), 1, np.ones(4), np.ones(4))
    assert not Preconditioner.serves(uneven, np.ones(24))


def test_it_saves_products_and_changes_no_result(monkeypatch):
    random = np.random.default_rng(0)
    shared = np.diag(0.7 ** np.arange(12))
    turn = np.linalg.qr(np.eye(12) + 0.2 * random.normal(size=(12, 12)))[0]
    xx = shared + turn @ np.diag(random.uniform(0.05, 0.3, 12)) @ turn.T
    net = network.balanced(xx, shared, 3, eps=1e-2)
    t = np.geomspace(1.0, 3e5, 30)

    def trained():
        run = network.gradient_flow(net, xx, shared, t=t, rtol=1e-8, method="CVODE")
        return run, int(run.how.split(", ")[1].split()[0])

    with_it, few = trained()
    monkeypatch.setattr(Preconditioner, "serves", staticmethod(lambda *_: False))
    without, many = trained()
    assert few < 0.7 * many
    assert np.abs(with_it.encoder - without.encoder).max() < 1e-4

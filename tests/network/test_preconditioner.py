"""The approximate inverse of implicit steps: exact at rest, and worth its cost on the way."""

from dataclasses import replace

import numpy as np
import pytest

from dlnflow._common._progress import Progress
from dlnflow.network._equations import Equations
from dlnflow.network._preconditioner import LARGEST, Preconditioner
from dlnflow.network._solvers import integrate

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


def test_it_serves_small_layers_of_one_width_and_symmetric_covariances():
    equations, _ = at_rest("jepa", turned=0.5)
    assert Preconditioner.serves(equations)
    asymmetric = equations.yx + 0.1 * np.triu(np.ones((4, 4)))
    assert not Preconditioner.serves(replace(equations, yx=asymmetric))
    wide = LARGEST + 1
    assert not Preconditioner.serves(
        Equations(((wide, wide),) * 2, 1, np.ones(wide), np.ones(wide))
    )
    assert not Preconditioner.serves(Equations(((3, 4), (4, 3)), 1, np.ones(4), np.ones(4)))


def test_it_saves_products_and_changes_no_result():
    random = np.random.default_rng(0)
    shared = np.diag(0.7 ** np.arange(12))
    turn = np.linalg.qr(np.eye(12) + 0.2 * random.normal(size=(12, 12)))[0]
    xx = shared + turn @ np.diag(random.uniform(0.05, 0.3, 12)) @ turn.T
    equations = Equations(((12, 12),) * 4, 3, xx, shared)

    def trained(precondition):
        return integrate(
            equations,
            np.tile((1e-2 ** (1 / 3) * np.eye(12)).ravel(), 4),
            np.geomspace(1.0, 1e5, 30),
            keep=lambda weights: weights,
            rtol={"CVODE": 1e-8},
            atol=None,
            method="CVODE",
            tracker=Progress(False, None),
            precondition=precondition,
        )

    with_it, without = trained(True), trained(False)
    assert with_it.evaluations < 0.7 * without.evaluations
    assert np.abs(with_it.kept - without.kept).max() < 1e-4

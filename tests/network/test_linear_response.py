"""The response of a mode to units learned earlier grows at the switching rate without coupling."""

import numpy as np
import pytest

from dlnflow.network import switching_rate
from dlnflow.network._linear_response import linear_response, response_at_critical_time


@pytest.mark.parametrize("objective", ["jepa", "mae"])
@pytest.mark.parametrize("L", [1, 2, 4])
def test_the_linear_response_grows_at_the_switching_rate(objective, L):
    lam, rho = np.array([1.2, 0.9, 0.7]), np.array([0.6, 0.95, 0.8])
    rates = switching_rate(lam, rho, L, objective=objective)
    assert (rates > 0.0).any()
    for i, j in np.argwhere(~np.eye(3, dtype=bool)):
        motion, _ = linear_response(objective, lam, rho, L, i, j)
        assert max(0.0, np.linalg.eigvalsh(motion).max()) == pytest.approx(rates[i, j], rel=1e-12)


@pytest.mark.parametrize("objective", ["jepa", "mae"])
def test_commuting_covariances_give_no_response(objective):
    sigma_xx, sigma_yx = np.diag([1.0, 1.2, 0.9]), np.diag([1.0, 0.8, 0.5])
    assert not response_at_critical_time(objective, sigma_xx, sigma_yx, 2, 1e-2).any()


@pytest.mark.parametrize("objective", ["jepa", "mae"])
def test_the_response_is_proportional_to_a_small_coupling(objective):
    def response(coupling):
        sigma_yx = np.array([[1.0, coupling], [coupling, 0.5]])
        return response_at_critical_time(objective, np.eye(2), sigma_yx, 2, 1e-2)

    first, second = response(1e-6), response(2e-6)
    assert first[0] == 0.0
    assert second[1] == pytest.approx(2.0 * first[1], rel=1e-6)

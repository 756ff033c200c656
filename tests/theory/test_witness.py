"""The closed form against gradient flow of a whole network of matrices, without modes."""

from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.stats import ortho_group

import dlnflow

LAM, RHO = np.array([1.4, 0.9, -0.5]), np.array([0.9, 0.5, -0.4])
T = np.array([0.0, 1.5, 4.0, 9.0])


def product(layers):
    return reduce(lambda done, layer: layer @ done, layers)


def trained_encoder(target_layer, L, P, eps, *, detach=True):
    """``Wbar(t)`` under gradient flow on every matrix, all of them in random orthogonal bases."""
    data, *inner = ortho_group.rvs(3, size=L + P, random_state=np.random.default_rng(0))
    sigma_yx = data @ np.diag(LAM) @ data.T
    sigma_xx = data @ np.diag(LAM / RHO) @ data.T
    m = target_layer
    # The decoder's output must live where the target does: after m layers of the encoder.
    bases = [data, *inner]
    bases.append(bases[m])
    start = np.array([eps ** (1 / L) * b @ a.T for a, b in pairwise(bases)])

    def flow(_, flat):
        layers = flat.reshape(start.shape)
        target = product(layers[:m]) if m else np.eye(3)
        # d/dW_j of 1/2 E |W_N .. W_1 x - sg(target) y|^2
        error = product(layers) @ sigma_xx - target @ sigma_yx
        speed = []
        for j in range(L + P):
            after = product(layers[j + 1 :]) if j + 1 < L + P else np.eye(3)
            before = product(layers[:j]) if j else np.eye(3)
            speed.append(-after.T @ error @ before.T)
            if not detach and j < m:  # the gradient that the stop-gradient leaves out
                after_in_target = product(layers[j + 1 : m]) if j + 1 < m else np.eye(3)
                sigma_yy = sigma_xx
                residual = target @ sigma_yy - product(layers) @ sigma_yx.T
                speed[-1] = speed[-1] - after_in_target.T @ residual @ before.T
        return np.ravel(speed)

    solution = solve_ivp(flow, (0, T[-1]), start.ravel(), t_eval=T, rtol=1e-11, atol=1e-13)
    encoders = [product(y.reshape(start.shape)[:L]) for y in solution.y.T]
    return [np.diag(bases[L].T @ encoder @ data) for encoder in encoders], encoders, bases[L], data


@pytest.mark.long
@pytest.mark.parametrize("P", [1, 2])
@pytest.mark.parametrize(
    ("L", "layer"), [(1, 0), (1, 1), (2, 0), (2, 1), (2, 2), (3, 0), (3, 1), (3, 3)]
)
def test_a_network_of_matrices_follows_the_closed_form(L, layer, P):
    eps = 0.2
    amplitudes, encoders, out, data = trained_encoder(layer, L, P, eps)
    predicted = dlnflow.amplitude(
        T[:, None],
        LAM,
        RHO,
        L,
        eps=eps,
        objective=dlnflow.Objective(layer),
        decoder_depth=P,
        clock="network",
    )
    assert np.array(amplitudes) == pytest.approx(predicted, rel=1e-8)
    for encoder in encoders:  # and the modes have not mixed
        rotated = out.T @ encoder @ data
        assert rotated - np.diag(np.diag(rotated)) == pytest.approx(np.zeros((3, 3)), abs=1e-9)
    elsewhere = dlnflow.amplitude(
        T[:, None],
        LAM,
        RHO,
        L,
        eps=eps,
        objective=dlnflow.Objective(layer),
        decoder_depth=P + 1,
        clock="network",
    )
    assert np.array(amplitudes) != pytest.approx(elsewhere, rel=1e-3)


def test_without_the_stop_gradient_it_does_not():
    amplitudes, *_ = trained_encoder(2, 2, 1, 0.2, detach=False)
    predicted = dlnflow.amplitude(T[:, None], LAM, RHO, 2, eps=0.2, clock="network")
    assert np.array(amplitudes) != pytest.approx(predicted, rel=1e-2)

"""Clocks: training steps against gradient descent that knows no clock."""

import numpy as np
import pytest

import dlnflow


def descend(loss, lr, steps, *, lam=1.0, rho=0.5, L=2, eps=0.2, outputs=4):
    """One mode of a JEPA by plain gradient descent on the losses people use; returns wbar."""
    factor = {"half-sum": 1.0, "sum": 2.0, "mean": 2.0 / outputs}[loss]
    encoder, decoder = np.full(L, eps ** (1 / L)), eps ** (1 / L)
    variance = lam / rho
    for _ in range(steps):
        w = encoder.prod()
        # d/dV and d/dW of 1/2 E (V w x - target)^2 with the target held fixed
        error = decoder * w * variance - w * lam
        gradient = decoder * error * w / encoder
        decoder -= lr * factor * error * w
        encoder = encoder - lr * factor * gradient
    return encoder.prod()


@pytest.mark.parametrize("loss", ["half-sum", "sum", "mean"])
def test_steps_of_training_lie_on_the_prediction(loss):
    lr, steps = 1e-3, {"half-sum": 12000, "sum": 6000, "mean": 24000}[loss]
    clock = dlnflow.Training(lr=lr, loss=loss, outputs=4)
    predicted = dlnflow.amplitude(steps, 1.0, 0.5, 2, eps=0.2, clock=clock)
    trained = descend(loss, lr, steps)
    assert 0.21 < predicted < 0.245
    assert predicted == pytest.approx(trained, rel=2e-4)
    other = {"half-sum": "sum", "sum": "half-sum", "mean": "sum"}[loss]
    wrong = dlnflow.Training(lr=lr, loss=other, outputs=4)
    assert dlnflow.amplitude(steps, 1.0, 0.5, 2, eps=0.2, clock=wrong) != pytest.approx(
        trained, rel=2e-4
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lr": 0}, "lr must be positive"),
        ({"lr": [0.1, 0.2]}, "lr must be a single value"),
        ({"lr": 0.1, "loss": "l1"}, "loss must be one of 'half-sum', 'sum', 'mean': got 'l1'"),
        ({"lr": 0.1, "loss": "mean"}, "outputs must be given for loss='mean'"),
        ({"lr": 1.7e308, "loss": "sum"}, "lr must .* finite time for loss='sum': got 1.7e.308"),
        ({"lr": 5e-324, "loss": "mean", "outputs": 10}, "lr must give each step a positive"),
        ({"lr": 0.1, "outputs": 0}, "outputs must be a positive integer: got 0"),
    ],
)
def test_refusals_name_the_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        dlnflow.Training(**arguments)


def test_the_time_of_a_step_is_a_float_wherever_one_holds_it():
    assert dlnflow.Training(1e308, "mean", 10).flow_time_per_step == pytest.approx(2e307)
    assert dlnflow.Training(5e-324).flow_time_per_step == 5e-324


def test_a_clock_that_python_refuses_to_print_is_refused_in_words():
    with pytest.raises(ValueError, match=r"clock must be .* too long to print"):
        dlnflow.critical_time(1.0, 0.5, 2, clock=10**5000)

"""Gradient descent: on the flow at small rates, off it by known amounts, and gone at large ones."""

import itertools
import pickle
import re
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import ortho_group

import dlnflow
from dlnflow.network import (
    DivergenceError,
    Network,
    balanced,
    gaussian,
    gradient_descent,
    gradient_flow,
    largest_stable_rate,
)

LAM, RHO, EPS = np.array([1.0, 0.7, 0.5]), np.array([0.9, 0.7, 0.5]), 0.1
BASIS = ortho_group.rvs(3, random_state=np.random.default_rng(0))
XX, YX = BASIS * (LAM / RHO) @ BASIS.T, BASIS * LAM @ BASIS.T
OBJECTIVES = ("jepa", "mae", "layer-1")


def start(objective="jepa", L=2, **settings):
    return balanced(XX, YX, L, eps=EPS, objective=objective, **settings)


def descend(objective="jepa", *, net=None, **settings):
    net = start(objective) if net is None else net
    return gradient_descent(
        net, XX, YX, objective=objective, **{"lr": 0.05, "steps": 400, **settings}
    )


def samples(n=60, d=3, seed=0):
    """Centred pairs whose covariances neither commute nor are symmetric."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * np.linspace(0.7, 1.3, d)
    y = 0.6 * x + 0.3 * x @ rng.normal(size=(d, d)) + 0.3 * rng.normal(size=(n, d))
    return x - x.mean(axis=0), y - y.mean(axis=0)


def error_of(run, objective="jepa", factor=1.0):
    flow = gradient_flow(run.start, XX, YX, objective=objective, t=factor * run.t)
    return np.abs(run.w - flow.w).max()


@pytest.mark.long
@pytest.mark.parametrize("momentum", [0.0, 0.8])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_distance_from_the_flow_halves_with_the_rate(objective, momentum):
    errors = []
    for steps in (400, 800, 1600) if momentum == 0.0 else (1600, 3200, 6400):
        lr = 24.0 * (1.0 - momentum) / steps
        record = np.linspace(0, steps, 21)
        run = descend(objective, lr=lr, steps=steps, momentum=momentum, record=record)
        assert run.t[-1] == pytest.approx(48.0)
        errors.append(error_of(run, objective))
    assert errors[0] < 0.15
    ratios = np.divide(errors[:-1], errors[1:])
    assert ratios == pytest.approx([2.0, 2.0], rel=0.1)
    assert error_of(run, objective, factor=0.8) > 10.0 * errors[-1]


def test_an_average_that_forgets_at_once_is_the_plain_stop_gradient():
    plain, off = descend(), descend(ema=0.0)
    assert np.array_equal(plain.encoder, off.encoder)
    assert np.allclose(descend(ema=1e-9).encoder, plain.encoder, atol=1e-8)


@pytest.mark.parametrize("objective", ["jepa", "layer-1"])
def test_a_target_that_lags_delays_learning_the_more_the_longer_it_remembers(objective):
    half = 0.5 * dlnflow.plateau(RHO[0], 2, objective=objective)
    settings = {"steps": 900, "record": 900}
    w = [descend(objective, ema=ema, **settings).w[0] for ema in (0.0, 0.9, 0.99)]
    reached = [int(np.argmax(one > half)) for one in w]
    assert 0 < 1.02 * reached[0] < reached[1]
    assert 1.2 * reached[1] < reached[2]


@pytest.mark.long
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_weight_decay_is_that_of_a_scalar_recursion_and_lowers_the_plateau(objective):
    lr, decay, steps, L, N = 0.05, 0.02, 3000, 2, 3
    m = {"jepa": 2, "mae": 0, "layer-1": 1}[objective]
    u = np.full(3, EPS ** (1 / L))
    rows = [u]
    for _ in range(steps):
        slope = LAM * u ** (N - 1 + m) - LAM / RHO * u ** (2 * N - 1) - decay * u
        u = u + lr * slope
        rows.append(u)
    record = np.arange(0, steps + 1, 100)
    run = descend(objective, lr=lr, steps=steps, weight_decay=decay, record=record)
    assert run.w == pytest.approx(np.array(rows)[record].T ** L, rel=1e-9)
    free = descend(objective, lr=lr, steps=steps, record=record)
    assert run.w[0, -1] < 0.99 * free.w[0, -1]
    assert free.w[0, -1] == pytest.approx(dlnflow.plateau(0.9, L, objective=objective), rel=1e-3)


def rows_of_batches(n, size, rng):
    while True:
        order = rng.permutation(n) if size else np.arange(n)
        for first in range(0, n - (size or n) + 1, size or n):
            yield order[first : first + (size or n)]


def plain_loop(net, m, x, y, *, lr, steps, momentum, decay, ema, size, seed, factor):
    """Back-propagation through explicit samples, as one would write it first."""
    weights = [layer.copy() for layer in net.layers]
    target = [layer.copy() for layer in net.encoder[:m]]
    speed = [np.zeros_like(layer) for layer in weights]
    batches = rows_of_batches(len(x), size, np.random.default_rng(seed))
    for _ in range(steps):
        rows = next(batches)
        wanted = y[rows]
        for layer in target:
            wanted = wanted @ layer.T
        inputs = [x[rows]]
        for layer in weights:
            inputs.append(inputs[-1] @ layer.T)
        back = factor * (inputs[-1] - wanted) / len(rows)
        gradients = []
        for j in reversed(range(len(weights))):
            gradients.insert(0, back.T @ inputs[j] + decay * weights[j])
            back = back @ weights[j]
        for j, gradient in enumerate(gradients):
            speed[j] = momentum * speed[j] + gradient
            weights[j] = weights[j] - lr * speed[j]
        target = [ema * t + (1.0 - ema) * w for t, w in zip(target, weights[:m], strict=True)]
    return weights


@pytest.mark.parametrize("size", [None, 16, 60])
@pytest.mark.parametrize(
    ("objective", "m", "ema", "momentum", "decay", "loss", "factor"),
    [
        ("jepa", 2, 0.0, 0.0, 0.0, "half-sum", 1.0),
        ("jepa", 2, 0.95, 0.9, 0.01, "half-sum", 1.0),
        ("layer-1", 1, 0.7, 0.5, 0.1, "sum", 2.0),
        ("mae", 0, 0.0, 0.9, 0.05, "mean", 2.0 / 3.0),
    ],
)
def test_a_plain_loop_over_samples_gives_the_same_weights(
    objective, m, ema, momentum, decay, loss, factor, size
):
    x, y = samples()
    net = gaussian(XX, YX, 2, eps=0.3, decoder_depth=2, rng=1)
    settings = {"lr": 0.02, "steps": 50, "momentum": momentum, "ema": ema}
    run = gradient_descent(
        net,
        x=x,
        y=y,
        objective=objective,
        batch_size=size,
        weight_decay=decay,
        loss=loss,
        rng=7,
        **settings,
    )
    loop = {"decay": decay, "factor": factor, **settings}
    expected = plain_loop(net, m, x, y, size=size, seed=7, **loop)
    for own, other in zip(run.network(-1).layers, expected, strict=True):
        assert own == pytest.approx(other, rel=1e-12, abs=1e-13)
    if size == 16:
        shuffled = plain_loop(net, m, x, y, size=size, seed=8, **loop)
        assert not np.allclose(run.network(-1).encoder[0], shuffled[0], rtol=1e-6)


def test_the_whole_of_the_samples_is_their_covariances():
    x, y = samples()
    net = gaussian(XX, YX, 2, eps=0.3)
    own = gradient_descent(net, x=x, y=y, objective="mae", lr=0.05, steps=200)
    xx, yx, yy = x.T @ x / len(x), y.T @ x / len(x), y.T @ y / len(y)
    other = gradient_descent(net, xx, yx, objective="mae", lr=0.05, steps=200, sigma_yy=yy)
    assert own.encoder == pytest.approx(other.encoder, rel=1e-10, abs=1e-13)
    assert own.loss == pytest.approx(other.loss, rel=1e-10)
    miss = x @ own.product[-1].T - y
    assert own.loss[-1] == pytest.approx(0.5 * np.mean(np.sum(miss**2, axis=-1)))


def gaussian_pairs(n, rng):
    """Pairs with the covariances XX and YX."""
    x = rng.normal(size=(n, 3)) * np.sqrt(LAM / RHO)
    y = x * RHO + 0.3 * rng.normal(size=(n, 3))
    return x @ BASIS.T, y @ BASIS.T


@pytest.mark.long
def test_small_batches_at_a_small_rate_scatter_about_the_whole():
    settings = {"lr": 0.01, "steps": 3000, "record": np.arange(0, 3001, 300)}
    whole = descend(**settings)
    fresh = descend(sampler=gaussian_pairs, batch_size=16, **settings)
    x, y = gaussian_pairs(4000, np.random.default_rng(5))
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    net = start()
    drawn = gradient_descent(net, x=x, y=y, batch_size=16, **settings)
    sampled = gradient_descent(net, x=x, y=y, **settings)
    for run, centre in ((fresh, whole), (drawn, sampled)):
        away = np.abs(run.product - centre.product).max()
        assert 1e-4 < away < 0.08
    assert not np.array_equal(descend(sampler=gaussian_pairs, batch_size=16, rng=1).w, whole.w)
    again = descend(sampler=gaussian_pairs, batch_size=16, **settings)
    assert np.array_equal(again.w, fresh.w)


@pytest.mark.parametrize(("loss", "factor"), [("sum", 2.0), ("mean", 2.0 / 3.0)])
def test_another_loss_is_another_rate(loss, factor):
    own = descend(lr=0.03, loss=loss)
    other = descend(lr=0.03 * factor)
    assert own.w == pytest.approx(other.w, rel=1e-12)
    assert own.t == pytest.approx(other.t)
    assert not np.allclose(own.w, descend(lr=0.03).w, rtol=1e-3)


@pytest.mark.parametrize("momentum", [0.0, 0.5])
@pytest.mark.parametrize(("L", "P"), [(1, 1), (2, 1), (3, 2)])
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(("loss", "factor"), [("half-sum", 1.0), ("sum", 2.0), ("mean", 2.0)])
def test_one_mode_s_largest_stable_rate_is_known_in_closed_form(
    objective, L, P, momentum, loss, factor
):
    lam, rho = 0.7, 0.6
    m = {"jepa": L, "mae": 0, "layer-1": 1}[objective]
    k = L + P - m
    curvature = k * lam * (rho ** (1.0 / k)) ** (L + P + m - 2)
    net = balanced([[lam / rho]], [[lam]], L, eps=1e-3, decoder_depth=P)
    rate = largest_stable_rate(
        net, [[lam / rho]], [[lam]], objective=objective, momentum=momentum, loss=loss
    )
    assert rate == pytest.approx(2.0 * (1.0 + momentum) / curvature / factor, rel=1e-9)


def near_plateau(objective, away=1e-6):
    """Every layer at the square root, or whatever root, of the plateau, and a little beside it."""
    k = 3 - {"jepa": 2, "mae": 0, "layer-1": 1}[objective]
    rng = np.random.default_rng(1)
    one = BASIS * RHO ** (1.0 / k) @ BASIS.T
    layers = [one + away * rng.normal(size=(3, 3)) for _ in range(3)]
    return Network(layers[:2], layers[2:])


def stays(objective, lr, momentum):
    net = near_plateau(objective)
    settings = {"steps": 2000, "record": [2000], "momentum": momentum}
    try:
        run = descend(objective, net=net, lr=lr, **settings)
    except DivergenceError:
        return False
    return bool(np.abs(run.product[0] - net.product).max() < 1e-3)


@pytest.mark.long
@pytest.mark.parametrize("momentum", [0.0, 0.6])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_largest_stable_rate_is_where_descent_begins_to_leave_the_plateau(objective, momentum):
    rate = largest_stable_rate(start(objective), XX, YX, objective=objective, momentum=momentum)
    low, high = 0.9 * rate, 1.1 * rate
    assert stays(objective, low, momentum)
    assert not stays(objective, high, momentum)
    for _ in range(5):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if stays(objective, middle, momentum) else (low, middle)
    assert 0.5 * (low + high) == pytest.approx(rate, rel=0.01)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_leading_eigenvalues_say_what_all_of_them_say(objective, monkeypatch):
    lam, rho = np.linspace(1.0, 0.5, 12), np.linspace(0.5, 0.9, 12)
    xx, yx = np.diag(lam / rho), np.diag(lam)
    net = balanced(xx, yx, 2, objective=objective)
    leading = largest_stable_rate(net, xx, yx, objective=objective)
    monkeypatch.setattr("dlnflow.network._stability.SMALL", 10_000)
    assert largest_stable_rate(net, xx, yx, objective=objective) == pytest.approx(leading, rel=1e-6)


@pytest.mark.parametrize("d", [2, 12])
@pytest.mark.parametrize("sign", [0.0, -1.0])
def test_data_with_nothing_to_learn_has_a_largest_stable_rate_too(sign, d):
    xx, yx = np.eye(d), sign * np.diag(np.linspace(0.9, 0.5, d))
    net = balanced(xx, yx, 2, eps=0.5)
    rate = largest_stable_rate(net, xx, yx)
    assert 0.5 < rate < 2.0
    if not sign:  # N = 3 layers of u = 2**-0.5: the loss bends most by (2 N - 1) u**4
        assert rate == pytest.approx(1.6)


@pytest.mark.long
@pytest.mark.parametrize("momentum", [0.0, 0.6])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_too_large_a_rate_is_reported_with_its_step_and_the_partial_run(objective, momentum):
    net = near_plateau(objective, away=1e-3)
    rate = largest_stable_rate(net, XX, YX, objective=objective, momentum=momentum)
    settings = {"net": net, "steps": 20_000, "momentum": momentum}
    with pytest.raises(DivergenceError) as caught:
        descend(objective, lr=2.0 * rate, record=np.arange(20_001), **settings)
    error = caught.value
    assert error.largest_stable == pytest.approx(rate)
    assert f"got {2.0 * rate:g}, with which the weights blew up at step {error.step};" in str(error)
    assert str(error).endswith(f"the largest stable rate is about {rate:.3g}")
    assert error.run.steps.tolist() == list(range(error.step))
    assert error.run.stopped == f"diverged at step {error.step}"
    with pytest.raises(DivergenceError) as again:
        descend(objective, lr=2.0 * rate, record=2, **settings)
    assert again.value.run.steps.tolist() == [0, error.step - 1]
    assert np.array_equal(again.value.run.encoder[-1], error.run.encoder[-1])
    assert np.array_equal(again.value.run.t[-1:], error.run.t[-1:])
    for name in ("w", "loss", "product", "balance_defect", "off_diagonal"):
        assert np.isfinite(getattr(error.run, name)).all()
    calm = descend(objective, lr=0.9 * rate, **settings)
    assert calm.stopped is None
    assert np.abs(calm.product[-1] - net.product).max() < 0.05


def diverged():
    with pytest.raises(DivergenceError) as caught:
        descend(net=near_plateau("jepa", 1e-3), lr=30.0)
    return caught.value


def test_a_divergence_survives_the_way_between_processes():
    error = diverged()
    other = pickle.loads(pickle.dumps(error))
    assert (str(other), other.step) == (str(error), error.step)


def test_batches_that_diverge_below_the_full_batch_s_rate_are_reported():
    net = near_plateau("jepa", 1e-3)
    rate = largest_stable_rate(net, XX, YX)
    message = "for the full batch near the plateau; batches, momentum, decay, a lagging target"
    with pytest.raises(DivergenceError, match=message):
        descend(net=net, lr=0.9 * rate, steps=5000, sampler=gaussian_pairs, batch_size=1)


@pytest.mark.parametrize(
    ("record", "steps"),
    [
        (3, [0, 10, 20]),
        (2, [0, 20]),
        (4, [0, 6, 13, 20]),
        (1000, list(range(21))),
        ([5], [5]),
        ([0, 7, 20], [0, 7, 20]),
        (np.array([1.0, 2.0]), [1, 2]),
    ],
)
def test_the_steps_asked_for_are_recorded(record, steps):
    every = descend(steps=20, record=[*range(21)])
    run = descend(steps=20, record=record)
    assert run.steps.tolist() == steps
    assert np.array_equal(run.encoder, every.encoder[steps])
    assert every.w[:, 0] == pytest.approx(EPS)
    assert np.all(np.diff(every.w[0]) > 0.0)


def test_time_counts_steps_in_every_clock():
    steps = np.array([0, 10, 20])
    settings = {"lr": 0.04, "steps": 20, "record": steps}
    assert descend(**settings).t == pytest.approx(0.08 * steps)
    assert descend(clock="network", **settings).t == pytest.approx(0.04 * steps)
    assert descend(clock=dlnflow.Training(lr=0.04), **settings).t == pytest.approx(steps)
    assert descend(clock="network", loss="sum", **settings).t == pytest.approx(0.08 * steps)
    assert descend(clock="network", momentum=0.75, **settings).t == pytest.approx(0.16 * steps)
    flow = gradient_flow(start(), XX, YX, t=[0.0, 1.0])
    assert flow.steps is None
    assert "gradient descent, lr = 0.04, full batch" in repr(descend(**settings))


def test_what_was_reached_in_the_time_allowed_is_returned(monkeypatch):
    ticks = itertools.count()
    fake = SimpleNamespace(perf_counter=lambda: float(next(ticks)))
    monkeypatch.setattr("dlnflow._common._progress.time", fake)
    reports = []
    full = descend(record=400, progress=lambda share, text: reports.append((share, text)))
    part = descend(record=400, max_seconds=100)
    assert part.stopped == "max_seconds = 100 ran out"
    assert 50 < part.steps.size <= 101
    assert np.array_equal(part.encoder, full.encoder[: part.steps.size])
    assert full.stopped is None
    shares = [share for share, _ in reports]
    assert shares == sorted(shares)
    assert 0.0 <= shares[0] < 0.1 < 0.9 < shares[-1] <= 1.0
    assert re.fullmatch(r"step \d+ of 400", reports[0][1])

    def impatient(share, _):
        if share > 0.5:
            raise KeyboardInterrupt

    assert descend(progress=impatient).stopped == "interrupted"


def ticking(monkeypatch):
    """A wall clock on which every look takes a second."""
    ticks = itertools.count()
    fake = SimpleNamespace(perf_counter=lambda: float(next(ticks)))
    monkeypatch.setattr("dlnflow._common._progress.time", fake)


def same_as_asked_for(run, steps, **settings):
    """Whether the last weights are those of a run that was asked for them."""
    asked = descend(record=run.steps, steps=steps, **settings)
    equal = np.array_equal(asked.t, run.t) and np.array_equal(asked.product, run.product)
    return equal and asked.stopped is None


def test_the_last_step_reached_is_kept_however_far_apart_the_recorded_ones_are(monkeypatch):
    """And a billion steps need no memory before they are made."""
    ticking(monkeypatch)
    run = descend(steps=10**9, max_seconds=100, ema=0.5)
    assert run.stopped == "max_seconds = 100 ran out"
    assert run.steps.size == 2
    assert 50 < run.steps[-1] < 101
    assert same_as_asked_for(run, 10**9, ema=0.5)
    late = descend(steps=10**9, record=[10**9], max_seconds=100)
    assert late.steps.size == 1
    assert same_as_asked_for(late, 10**9)


def failing_after(count, error):
    """A sampler that fails once the run has drawn so many batches."""
    drawn = itertools.count()

    def sampler(n, rng):
        if n < 4096 and next(drawn) == count:
            raise error
        return gaussian_pairs(n, rng)

    return sampler


@pytest.mark.parametrize("record", [2, 400, [100]])
def test_a_sampler_that_fails_costs_nothing_that_was_reached(record):
    error = OSError("the disk is gone")
    settings = {"steps": 1000, "batch_size": 8}
    with pytest.raises(OSError, match="the disk is gone") as caught:
        descend(record=record, sampler=failing_after(70, error), **settings)
    assert caught.value is error
    run = error.run
    assert run.stopped == "OSError: the disk is gone"
    assert run.steps[-1] == 70
    assert same_as_asked_for(run, 1000, sampler=gaussian_pairs, batch_size=8)
    assert any("the error's attribute run" in note for note in error.__notes__)


def test_an_interrupt_inside_a_sampler_keeps_the_last_step():
    sampler = failing_after(70, KeyboardInterrupt())
    run = descend(steps=1000, record=2, sampler=sampler, batch_size=8)
    assert run.stopped == "interrupted"
    assert run.steps.tolist() == [0, 70]


def test_samples_that_turn_bad_on_the_way_are_refused_with_the_run_so_far():
    batches = itertools.count()

    def sampler(n, rng):
        x, y = gaussian_pairs(n, rng)
        return x, y * (np.nan if n < 4096 and next(batches) == 9 else 1.0)

    with pytest.raises(ValueError, match="sampler's y must be finite: got nan") as caught:
        descend(sampler=sampler, batch_size=8)
    assert caught.value.run.steps[-1] == 9


X, Y = samples()
PAIRS = {"sigma_xx": None, "sigma_yx": None, "x": X, "y": Y}
WITH_NAN = np.where(np.arange(60)[:, None] == 4, np.nan, X)


def drawing(change):
    def sampler(n, rng):
        return change(*gaussian_pairs(n, rng))

    return {"sampler": sampler, "batch_size": 8}


def wide_and_narrow(x, y):
    return np.column_stack([1e3 * x[:, 0], x[:, 1], 0.1 * x[:, 2] + 0.5]), y


BAD = [
    ({"sigma_xx": None}, ValueError, "sigma_xx and sigma_yx must be given.* got neither"),
    (
        {"sigma_xx": None, "sigma_yx": None, **drawing(lambda x, y: (x, y))},
        ValueError,
        "sigma_xx and sigma_yx must be given.* got a sampler alone",
    ),
    ({"x": X, "y": Y}, ValueError, "x and y must come without sigma_xx.* got both"),
    ({**PAIRS, **drawing(lambda x, y: (x, y))}, ValueError, "x and y must come without"),
    ({**PAIRS, "y": None}, TypeError, "y must hold real numbers: got None"),
    ({**PAIRS, "x": X + 1.0}, ValueError, "x must be centred: got a mean of 1 in column 0; use x"),
    (
        {**PAIRS, "y": Y + np.diag([0, 2, 0])[1]},
        ValueError,
        "y must be centred: got a mean of 2 in column 1",
    ),
    ({**PAIRS, "x": WITH_NAN}, ValueError, "x must hold finite .* nan at row 4, column 0"),
    ({**PAIRS, "y": Y[:50]}, ValueError, r"x and y must have the same .* \(60, 3\) and \(50, 3\)"),
    ({**PAIRS, "batch_size": 61}, ValueError, "batch_size must not exceed .* samples, 60: got 61"),
    ({**PAIRS, "batch_size": 0}, ValueError, "batch_size must be a positive integer: got 0"),
    ({"batch_size": 5}, ValueError, "batch_size must be given with samples or a sampler"),
    ({"sampler": gaussian_pairs}, ValueError, "and a sampler with batch_size: got batch_size = N"),
    ({"sampler": 3, "batch_size": 2}, TypeError, "sampler must be a function of n and rng: got 3"),
    (drawing(lambda x, y: x), TypeError, "sampler must return two arrays, x and y: got ndarray"),
    (
        drawing(lambda x, y: (x[:, :2], y)),
        ValueError,
        r"sampler must return x and y of shape \(4096, 3\): got \(4096, 2\) and \(4096, 3\)",
    ),
    (drawing(lambda x, y: (x, y * np.nan)), ValueError, "sampler's y must be finite: got nan"),
    (
        drawing(lambda x, y: (x, y + np.array([0.0, 0.5, 0.0]))),
        ValueError,
        "sampler must return centred samples: got y with the mean .* in column 1",
    ),
    (
        drawing(wide_and_narrow),
        ValueError,
        "sampler must return centred samples: got x with the mean .* in column 2",
    ),
    ({"ema": 1.0}, ValueError, r"ema must lie in \[0, 1\): got 1.0"),
    ({"ema": -0.1}, ValueError, "ema must be finite and not negative: got -0.1"),
    ({"ema": 0.5, "objective": "mae"}, ValueError, "ema must be 0 for an MAE.* got 0.5"),
    ({"momentum": 1.0}, ValueError, r"momentum must lie in \[0, 1\): got 1.0"),
    ({"momentum": -0.5}, ValueError, "momentum must be finite and not negative: got -0.5"),
    ({"weight_decay": -1.0}, ValueError, "weight_decay must be finite and not negative: got -1"),
    ({"lr": 0.0}, ValueError, "lr must be positive and finite: got 0"),
    ({"lr": [0.1]}, ValueError, "lr must be a single value"),
    ({"steps": 0}, ValueError, "steps must be a positive integer: got 0"),
    ({"steps": 2.5}, ValueError, "steps must be a positive integer: got 2.5"),
    ({"record": 1}, ValueError, "record must be at least 2, the start and the end: got 1"),
    ({"record": 2.5}, ValueError, "record must be a number of steps, or steps: got 2.5"),
    ({"record": []}, ValueError, "record must be a number of steps, or steps"),
    ({"record": [0, 21]}, ValueError, r"record must rise .* within 0..20: got \[0, 21\]"),
    ({"record": [3, 3]}, ValueError, r"record must rise from step to step .* got \[3, 3\]"),
    ({"record": [-1, 3]}, ValueError, "record must be finite and not negative: got -1"),
    ({"loss": "huber"}, ValueError, "loss must be one of 'half-sum', 'sum', 'mean': got 'huber'"),
    ({"clock": "wall"}, ValueError, "clock must be .*: got 'wall'"),
    ({"objective": "vae"}, ValueError, "objective must be"),
    ({"sigma_yy": np.eye(2)}, ValueError, "sigma_yy must have the shape of sigma_xx"),
    ({"network": None}, TypeError, "network must be a dlnflow.network.Network: got NoneType"),
    ({"max_seconds": -1}, ValueError, "max_seconds must be positive and finite: got -1"),
]


@pytest.mark.parametrize(("change", "error", "message"), BAD)
def test_bad_input_is_refused_by_name(change, error, message):
    good = {"network": start(), "sigma_xx": XX, "sigma_yx": YX, "lr": 0.1, "steps": 20}
    with pytest.raises(error, match=message):
        gradient_descent(**{**good, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"momentum": 1.0}, r"momentum must lie in \[0, 1\): got 1.0"),
        ({"loss": "huber"}, "loss must be one of"),
        ({"sigma_xx": np.eye(2)}, "must have the same shape"),
        ({"objective": "layer-3"}, "target_layer must lie in"),
    ],
)
def test_the_largest_stable_rate_refuses_bad_input_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        largest_stable_rate(**{"network": start(), "sigma_xx": XX, "sigma_yx": YX, **change})


@pytest.mark.long
def test_a_run_that_settles_elsewhere_has_not_diverged():
    """Rounding goes to and fro for ever; and decay lets larger steps settle than without it."""
    xx, yx = np.diag([1.0, 2.0, 3.0]), np.diag([0.9, 1.0, 1.1])
    net = balanced(xx, yx, 3, eps=0.1, objective="mae", rng=1)
    rate = largest_stable_rate(net, xx, yx, objective="mae")
    run = gradient_descent(net, xx, yx, objective="mae", lr=1.1 * rate, steps=20_000)
    assert run.w[:, -1] == pytest.approx(run.w[:, -2], rel=1e-9)
    one = balanced([[1.0]], [[1.0]], 1, eps=0.5)
    for steps in (30, 200):
        made = gradient_descent(
            one, [[1.0]], [[1.0]], objective="mae", lr=1.1, weight_decay=0.3, steps=steps
        )
        assert made.w[0, -1] == pytest.approx(0.7**0.5, rel=1e-3)


def test_an_oscillation_is_reported_also_where_the_plateau_is_not_that_of_the_modes():
    xx, yx = np.diag([1.0, 0.5]), np.array([[0.5, 0.4], [0.4, 0.3]])
    net = gaussian(xx, yx, 1, eps=0.3)
    rate = largest_stable_rate(net, xx, yx, objective="mae")
    with pytest.raises(DivergenceError, match="oscillate since step"):
        gradient_descent(net, xx, yx, objective="mae", lr=1.1 * rate, steps=4000)


def test_a_large_plateau_is_no_divergence():
    net = balanced([[1e-6]], [[1e7]], 1, eps=1.0)
    rate = largest_stable_rate(net, [[1e-6]], [[1e7]], objective="mae")
    run = gradient_descent(net, [[1e-6]], [[1e7]], objective="mae", lr=0.1 * rate, steps=1000)
    assert run.w[0, -1] == pytest.approx(1e13**0.5)


@pytest.mark.parametrize("steps", [1, 10, 10**9])
def test_a_run_that_is_stopped_at_once_is_its_initialisation(steps):
    xx, yx = np.eye(2), 0.5 * np.eye(2)
    net = balanced(xx, yx, L=1, eps=0.1)
    run = gradient_descent(net, xx, yx, lr=0.01, steps=steps, max_seconds=1e-9)
    assert run.steps.tolist() == [0]
    assert "max_seconds" in run.stopped


@pytest.mark.parametrize("call", [2, 3, 8])
def test_a_sampler_that_fails_early_leaves_its_own_error_and_the_run(call):
    xx, yx, calls = np.eye(2), 0.5 * np.eye(2), []

    def sampler(n, rng):
        calls.append(n)
        if len(calls) == call:
            raise ValueError("no more data")
        x = rng.normal(size=(n, 2))
        return x, 0.5 * x

    net = balanced(xx, yx, L=1, eps=0.1)
    with pytest.raises(ValueError, match="no more data") as caught:
        gradient_descent(net, xx, yx, lr=0.01, steps=9, sampler=sampler, batch_size=8)
    assert caught.value.run.steps[-1] == call - 2

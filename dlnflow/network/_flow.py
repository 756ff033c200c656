"""Gradient flow of a whole network."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow._common._frozen import closed, closed_copy
from dlnflow._common._progress import Report, Watch
from dlnflow.data._covariance import square
from dlnflow.network._data import Covariances, given_covariances
from dlnflow.network._equations import Equations
from dlnflow.network._network import Network, amplitudes
from dlnflow.network._run import Run
from dlnflow.network._solvers import LARGEST_IMPLICIT, METHODS, integrate
from dlnflow.theory._clock import Clock, network_time
from dlnflow.theory._grid import given_grid, resolving_grid
from dlnflow.theory._objective import Objective, as_objective

Array = NDArray[np.float64]

LEAST_RTOL = 3e-14  # SciPy's integrators take no smaller one


def gradient_flow(
    network: Network,
    sigma_xx: ArrayLike,
    sigma_yx: ArrayLike,
    objective: str | Objective = "jepa",
    t: ArrayLike | None = None,
    *,
    clock: Clock = "paper",
    sigma_yy: ArrayLike | None = None,
    method: str = "auto",
    rtol: float | None = None,
    atol: float | None = None,
    progress: Report = False,
    max_seconds: float | None = None,
) -> Run:
    """Train every matrix of a network by gradient flow, with nothing assumed about the data.

    Parameters
    ----------
    network : Network
        Where it starts; its first layer takes ``d`` numbers.
    sigma_xx, sigma_yx : array, shape (d, d)
        Covariances of the centred context, and of the target (rows) with the context (columns).
        They need not commute, nor ``sigma_yx`` be symmetric; ``sigma_xx`` may lack rank.
    objective : str or Objective
        ``"jepa"``, ``"mae"``, ``"layer-m"`` or an `Objective`.
    t : array, shape (times,), optional
        Times on ``clock``, finite, not negative, rising. By default those that resolve every
        transition of the closed form.
    clock : {"paper", "network"} or Training
    sigma_yy : array, shape (d, d), optional
        Covariance of the target, read by ``run.loss`` alone.
    method : {"auto", "DOP853", "Radau", "BDF"}
        SciPy's integrators. ``"auto"`` starts with DOP853 and goes on with Radau if the flow turns
        stiff and the network has at most 1500 weights, beyond which factorising the Jacobian costs
        more than it saves.
    rtol, atol : float, optional
        Tolerances of the integrator, on single weights. By default ``rtol`` is 1e-12 for DOP853 and
        1e-9 for the implicit methods, of lower order, and ``atol`` a hundredth of it times the root
        mean square of the weights at the start.
    progress : bool or callable
        True for a bar on standard error; a callable gets the share done and a line of text.
    max_seconds : float, optional
        Wall-clock limit. What was reached by then is returned, as it is on an interrupt
        (Ctrl-C): the times passed, and the last one reached. ``run.stopped`` says why.

    Returns
    -------
    Run
        It ends early, and ``run.stopped`` says so, also after 10 million explicit or 100,000
        implicit steps, and where an implicit method would step over 1e15 of the fastest relaxation
        times: rates that matter on such times are below rounding.

    Raises
    ------
    ValueError, TypeError
        For covariances that are none, do not match the network or each other, a target layer that
        the encoder does not have or whose width is not that of the output, and settings out of
        range.
    Exception
        Whatever ``progress`` raises; its attribute ``run`` is the run up to there.

    Notes
    -----
    ``dW_j/dt = (W_N .. W_{j+1})^T (T Sigma_yx - A Sigma_xx) (W_{j-1} .. W_1)^T`` on the network
    clock: step 2 of ``docs/derivation.md``. The weights at every time are kept: ``8 N d**2`` bytes
    each.

    Examples
    --------
    Random orthogonal bases between the layers, and still the closed form:

    >>> import numpy as np
    >>> import dlnflow
    >>> from dlnflow import network
    >>> lam, rho = np.array([1.0, 0.8]), np.array([0.9, 0.5])
    >>> sigma_xx, sigma_yx = np.diag(lam / rho), np.diag(lam)
    >>> net = network.balanced(sigma_xx, sigma_yx, L=3, eps=0.01, objective="jepa", rng=0)
    >>> t = np.linspace(0.0, 3000.0, 50)
    >>> run = network.gradient_flow(net, sigma_xx, sigma_yx, t=t)
    >>> exact = dlnflow.amplitude(t, lam[:, None], rho[:, None], 3, eps=0.01)
    >>> bool(np.abs(run.w / exact - 1).max() < 1e-8)
    True
    """
    chosen = as_objective(objective)
    data = given_covariances(sigma_xx, sigma_yx)
    m = target_of(network, data, chosen)
    yy = None if sigma_yy is None else matching("sigma_yy", sigma_yy, data.d)
    _validate.choice("method", method, METHODS)
    weights = sum(layer.size for layer in network.layers)
    if method in ("Radau", "BDF") and weights > 4 * LARGEST_IMPLICIT:
        raise ValueError(
            f"method must be 'DOP853' or 'auto' for more than {4 * LARGEST_IMPLICIT} weights, "
            f"whose Jacobian would not fit: got {method!r} for {weights}"
        )
    times = _times(t, network, data, chosen, clock)
    unit = float(network_time(clock, network.L))
    rotated, equations = _in_eigenbasis(network, data, m)
    watch = Watch(progress, max_seconds)
    done = integrate(
        equations,
        equations.flat(rotated),
        times * unit,
        rtol=_tolerance("rtol", rtol),
        atol=_tolerance("atol", atol),
        method=method,
        watch=watch,
    )
    run = Run(
        t=closed(_on_clock(done.times, times, unit)),
        steps=None,
        objective=chosen,
        clock=clock,
        start=network,
        data=data,
        sigma_yy=yy,
        stopped=done.stopped,
        how=(
            f"{' then '.join(done.methods)}: {done.steps} steps, {done.evaluations} gradients, "
            f"{done.seconds:.1f} s"
        ),
        _weights=closed(_back(done.states, equations, data, m)),
    )
    return watch.outcome("run", done.states, lambda: run)


def _on_clock(reached: Array, times: Array, unit: float) -> Array:
    """The times reached, on the clock of those asked for, of which all but the last are some."""
    asked = times[: reached.size].copy()
    if reached[-1] != times[reached.size - 1] * unit:
        asked[-1] = reached[-1] / unit
    return asked


def _tolerance(name: str, value: float | None) -> float | None:
    if value is None:
        return None
    check = _validate.fraction if name == "rtol" else _validate.positive
    tolerance = float(_validate.single(name, check(name, value)))
    if name == "rtol" and tolerance < LEAST_RTOL:
        raise ValueError(f"rtol must be at least {LEAST_RTOL:g}, near rounding: got {tolerance:g}")
    return tolerance


def target_of(network: Network, data: Covariances, objective: Objective) -> int:
    """The target layer ``m`` of a network that fits the data; else an error that says why not."""
    if not isinstance(network, Network):
        raise TypeError(f"network must be a dlnflow.network.Network: got {type(network).__name__}")
    m = int(objective.layer(network.L))
    widths = network.widths
    if widths[0] != data.d:
        raise ValueError(
            f"network must take inputs of the data's dimension {data.d}: got one for {widths[0]}"
        )
    if widths[-1] != widths[m]:
        target = "the data" if m == 0 else f"encoder layer {m}"
        raise ValueError(
            f"network must give as many outputs as the target has, {widths[m]} for a target at "
            f"{target}: got {widths[-1]}"
        )
    equations = Equations(tuple(layer.shape for layer in network.layers), m, data.xx, data.yx)
    with np.errstate(over="ignore", invalid="ignore"):
        speed = np.linalg.norm(equations.downhill(equations.flat(network.layers)))
    if not np.isfinite(speed):
        largest = max(float(np.abs(layer).max()) for layer in network.layers)
        raise ValueError(
            "network must have weights whose squared gradient is finite in double precision on "
            f"these covariances: got weights up to {largest:.3g}"
        )
    return m


def matching(name: str, value: ArrayLike, d: int) -> Array:
    """A square matrix of the data's dimension."""
    matrix = square(name, value)
    if len(matrix) != d:
        raise ValueError(f"{name} must have the shape of sigma_xx, {(d, d)}: got {matrix.shape}")
    return closed_copy(matrix)


def _times(
    t: ArrayLike | None, network: Network, data: Covariances, objective: Objective, clock: Clock
) -> Array:
    if t is not None:
        return given_grid(t).t
    start = amplitudes(network, data.spectrum.basis)
    if not start.all():
        raise ValueError(
            "t must be given for a network in which some mode has no amplitude at all: got None"
        )
    settings: dict[str, Any] = {"objective": objective, "clock": clock}
    columns = {
        "lam": data.spectrum.lam,
        "rho": data.spectrum.rho,
        "variance": data.spectrum.variance,
        "eps": start,
    }
    columns = {name: column[:, None] for name, column in columns.items()}
    depths = {"L": network.L, "decoder_depth": network.decoder_depth}
    return resolving_grid(**columns, **depths, **settings).t


def _in_eigenbasis(network: Network, data: Covariances, m: int) -> tuple[list[Array], Equations]:
    """The layers and equations where ``sigma_xx`` is diagonal, which saves a product."""
    layers = list(network.layers)
    layers[0] = layers[0] @ data.rotation
    if m == 0:
        layers[-1] = data.rotation.T @ layers[-1]
    shapes = tuple(layer.shape for layer in layers)
    return layers, Equations(shapes, m, data.variances, data.yx_rotated)


def _back(states: Array, equations: Equations, data: Covariances, m: int) -> Array:
    layers = equations.layers(states)
    layers[0][...] = layers[0] @ data.rotation.T
    if m == 0:
        layers[-1][...] = data.rotation @ layers[-1]
    return states

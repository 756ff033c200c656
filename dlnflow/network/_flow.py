"""Gradient flow of a whole network."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow._common._frozen import read_only, read_only_copy
from dlnflow._common._keyword_only import positional_until_removed
from dlnflow._common._progress import Progress, ProgressOption
from dlnflow.data._covariance import square
from dlnflow.network._data import Problem, given_covariances, given_modes, given_problem
from dlnflow.network._equations import Equations, prefixes
from dlnflow.network._network import Network, amplitudes
from dlnflow.network._run import Run
from dlnflow.network._solvers import (
    LARGEST_FACTORISED,
    METHODS,
    MISSING,
    RTOL,
    cvode_is_installed,
    integrate,
)
from dlnflow.theory._clock import Clock, network_time
from dlnflow.theory._grid import given_grid, resolving_grid
from dlnflow.theory._objective import Objective

Array = NDArray[np.float64]

LEAST_RTOL = 3e-14  # the smallest that SciPy's integrators accept
KEPT = ("weights", "encoder")


@positional_until_removed(3, "objective", "t")
def gradient_flow(
    network: Network,
    sigma_xx: ArrayLike,
    sigma_yx: ArrayLike,
    *,
    objective: str | Objective = "jepa",
    t: ArrayLike | None = None,
    clock: Clock = "paper",
    sigma_yy: ArrayLike | None = None,
    method: str = "auto",
    rtol: float | None = None,
    atol: float | None = None,
    keep: str = "weights",
    progress: ProgressOption = False,
    max_seconds: float | None = None,
) -> Run:
    """Train all matrices of a network by gradient flow, for any covariances.

    Parameters
    ----------
    network : Network
        The network at the initialisation, with ``d`` inputs.
    sigma_xx, sigma_yx : array, shape (d, d)
        Covariances of the centred context, and of the target (rows) with the context (columns).
        They need not commute, ``sigma_yx`` need not be symmetric, and ``sigma_xx`` may be singular.
    objective : str or Objective
        ``"jepa"``, ``"mae"``, ``"layer-m"`` or an `Objective`.
    t : array, shape (times,), optional
        Times on ``clock``, finite, not negative, rising. The default resolves every transition of
        the closed form.
    clock : {"paper", "network"} or Training
    sigma_yy : array, shape (d, d), optional
        Covariance of the target, used by ``run.loss`` alone.
    method : {"auto", "DOP853", "CVODE", "Radau", "BDF"}
        ``"auto"`` begins with SciPy's DOP853 and changes to SUNDIALS' CVODE once the flow is stiff.
        CVODE needs scikit-sundae (``pip install 'dlnflow[stiff]'``). Without it, networks of at
        most 1500 weights change to SciPy's Radau, and larger ones go on with DOP853, which can take
        hours; ``run.how`` says so.
    rtol, atol : float, optional
        Tolerances of the integrator, on single weights. By default ``rtol`` is 1e-12 for DOP853,
        1e-10 for CVODE and 1e-9 for Radau and BDF, and ``atol`` is a hundredth of it times the root
        mean square of the initial weights. CVODE's amplitudes are then right to 1e-6 of a plateau,
        and with ``rtol=1e-6``, in less than half of the time, to 2e-3.
    keep : {"weights", "encoder"}
        What the run holds at every time: ``"weights"`` is all layers, ``8 N d**2`` bytes;
        ``"encoder"`` is their product ``Wbar``, ``8 d**2`` bytes, and all layers at the first and
        the last time only. The attributes ``product``, ``loss`` and ``balance_defect`` of a run,
        and ``run.network(i)`` between, need all layers.
    progress : bool or callable
        True shows a bar on standard error. A callable gets the share done and a line of text.
    max_seconds : float, optional
        Wall-clock limit. After it, or after an interrupt (Ctrl-C), the partial run is returned: the
        requested times passed, and the last time reached. ``run.stopped`` gives the reason.

    Returns
    -------
    Run
        It also ends early, with the reason in ``run.stopped``, after 10 million explicit or 100,000
        implicit steps, and before an implicit step of more than 1e15 of the fastest relaxation
        times: rates that matter on such times are below rounding.

    Raises
    ------
    ValueError, TypeError
        If ``sigma_xx`` is not a covariance matrix, the shapes of covariances and network do not
        match, the encoder has no such target layer or its width is not that of the output, or an
        argument is out of range.
    ImportError
        For ``method="CVODE"`` without scikit-sundae.
    Exception
        Whatever ``progress`` raises; its attribute ``run`` is the run up to there.

    Notes
    -----
    ``dW_j/dt = (W_N .. W_{j+1})^T (T Sigma_yx - A Sigma_xx) (W_{j-1} .. W_1)^T`` on the network
    clock: step 2 of ``docs/derivation.md``.

    Examples
    --------
    With random orthogonal bases between the layers the closed form holds as well:

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
    data = given_covariances(sigma_xx, sigma_yx)
    problem = given_problem(network, data, objective)
    yy = None if sigma_yy is None else matching("sigma_yy", sigma_yy, data.d)
    _validate.choice("method", method, METHODS)
    _validate.choice("keep", keep, KEPT)
    size = problem.equations.size
    if method in ("Radau", "BDF") and size > 4 * LARGEST_FACTORISED:
        raise ValueError(
            f"method must be 'auto', 'CVODE' or 'DOP853' for more than {4 * LARGEST_FACTORISED} "
            f"weights, whose Jacobian would not fit: got {method!r} for {size}"
        )
    if method == "CVODE" and not cvode_is_installed():
        raise ImportError(f"method='CVODE' needs {MISSING}")
    if rtol is not None:
        rtol = _validate.number("rtol", rtol, _validate.fraction)
        if rtol < LEAST_RTOL:
            raise ValueError(f"rtol must be at least {LEAST_RTOL:g}, near rounding: got {rtol:g}")
    if atol is not None:
        atol = _validate.number("atol", atol, _validate.positive)
    times = _default_times(problem, clock) if t is None else given_grid(t).t
    unit = float(network_time(clock, network.L))
    equations, start = _in_eigenbasis(problem)
    tracker = Progress(progress, max_seconds)
    back = partial(_back, problem=problem)
    done = integrate(
        equations,
        start,
        times * unit,
        keep=back if keep == "weights" else partial(_encoder, problem=problem),
        rtol=RTOL if rtol is None else dict.fromkeys(METHODS, rtol),
        atol=atol,
        method=method,
        tracker=tracker,
    )
    if keep == "weights":
        weights, encoder = done.kept, None
    else:
        weights = np.array([back(state) for state in done.ends])
        encoder = read_only(done.kept.reshape(-1, network.widths[network.L], data.d))
    run = Run(
        t=read_only(_on_clock(done.times, times, unit)),
        steps=None,
        objective=problem.objective,
        clock=clock,
        start=network,
        data=data,
        sigma_yy=yy,
        stopped=done.stopped,
        how=(
            f"{' then '.join(done.methods)}: {done.steps} steps, {done.evaluations} gradients, "
            f"{done.seconds:.1f} s{done.note}"
        ),
        _weights=read_only(weights),
        _encoder=encoder,
    )
    return tracker.result("run", done.kept, lambda: run)


def _on_clock(reached: Array, times: Array, unit: float) -> Array:
    """The times reached, on the requested clock; only the last may not be a requested time."""
    asked = times[: reached.size].copy()
    if reached[-1] != times[reached.size - 1] * unit:
        asked[-1] = reached[-1] / unit
    return asked


def matching(name: str, value: ArrayLike, d: int) -> Array:
    """Validates a square matrix of the data's dimension."""
    matrix = square(name, value)
    if len(matrix) != d:
        raise ValueError(f"{name} must have the shape of sigma_xx, {(d, d)}: got {matrix.shape}")
    return read_only_copy(matrix)


def _default_times(problem: Problem, clock: Clock) -> Array:
    spectrum = problem.data.spectrum
    start = amplitudes(problem.network, spectrum.basis)
    if not start.all():
        raise ValueError(
            "t must be given for a network in which some mode has no amplitude at all: got None"
        )
    given = given_modes(problem.network, spectrum, start)
    return resolving_grid(given.under(problem.objective, clock)).t


def _in_eigenbasis(problem: Problem) -> tuple[Equations, Array]:
    """Equations and weights in a basis where ``sigma_xx`` is diagonal; saves a product."""
    layers, data = list(problem.network.layers), problem.data
    layers[0] = layers[0] @ data.rotation
    if problem.m == 0:
        layers[-1] = data.rotation.T @ layers[-1]
    equations = replace(problem.equations, xx=data.variances, yx=data.yx_rotated)
    return equations, equations.flat(layers)


def _back(state: Array, problem: Problem) -> Array:
    """The weights of a state, in the basis of the data."""
    weights = state.copy()
    layers, rotation = problem.equations.layers(weights), problem.data.rotation
    layers[0][...] = layers[0] @ rotation.T
    if problem.m == 0:
        layers[-1][...] = rotation @ layers[-1]
    return weights


def _encoder(state: Array, problem: Problem) -> Array:
    """The encoder of a state, in the basis of the data, as a vector."""
    layers = problem.equations.layers(state)[: problem.network.L]
    return np.ravel(prefixes(layers)[-1] @ problem.data.rotation.T)

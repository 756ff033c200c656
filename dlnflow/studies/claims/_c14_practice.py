"""Claim 14: the order of learning from the initialisations of practice.

Layers of independent weights, neither balanced nor aligned: Gaussian, and two schemes of PyTorch.
Features count as learned when a linear probe reads half of their variance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlnflow.studies.claims._claim import (
    Axis,
    Claim,
    Control,
    Effort,
    Noted,
    Observation,
    Observations,
)
from dlnflow.studies.claims._times import closed_form
from dlnflow.studies.claims.routes import _paper_ode as paper_ode
from dlnflow.studies.claims.routes import _plain_network as plain_network

Array = NDArray[np.float64]

LAM, RHO, DEPTH = (1.0, 1.03, 1.08, 1.13, 1.2), (0.95, 0.75, 0.57, 0.42, 0.3), 2
D, XX, YX = len(LAM), np.diag(np.divide(LAM, RHO)), np.diag(LAM)
GAIN = 0.1  # factor of every layer; eps of a Gaussian network is its square
SEEDS, ENOUGH = 20, 15  # a fair coin gives 15 heads of 20 or more in one of 50 trials
GAUSSIAN, XAVIER, KAIMING = "Gaussian", "xavier_normal", "kaiming_uniform"
BOTH = ("jepa", "mae")
CASES = (  # scheme, objectives, widths over D
    (GAUSSIAN, BOTH, (1, 4)),
    (KAIMING, ("jepa",), (16,)),
)
MORE_CASES = (
    (GAUSSIAN, BOTH, (1, 2, 4, 16)),
    (XAVIER, BOTH, (4, 16)),  # at 1 the same as Gaussian
    (KAIMING, BOTH, (4, 16)),
)
WIDE, SMALL = 4, 0.025  # an MAE's least width over D, and the eps below which a JEPA starts
SPAN, POINTS = 4.0, 50  # training time over the last critical time; times recorded
EARLIEST, SHORTEST = (
    0.05,
    5.0,
)  # the first of them over the first critical time; least training time
STEPS, RTOL = 4000, 1e-5  # of plain descent, and of gradient flow
ERROR = 0.1  # of a median tau: half of one pair among ten


def observe(effort: Effort, *, gain: float = GAIN) -> Iterator[Observation]:
    """Median over seeds of Kendall's tau with falling ``rho`` (JEPA) or falling ``lam`` (MAE).

    The data rank their features oppositely by ``lam`` and by ``rho``, so that an order by one of
    them has a negative tau with the other. Features not learned in time count as learned last.

    Parameters
    ----------
    gain : float
        Factor of every layer; the condition stays that of the claim's own initialisations.
    """
    for scheme, objectives, widths in effort.choose(CASES, MORE_CASES):
        for objective in objectives:
            for width in widths:
                small = objective == "mae" or eps_of(scheme, width) < SMALL
                inside = small and (objective == "jepa" or width >= WIDE)
                for route, times in ROUTES.items():
                    taus = _taus(objective, times(scheme, objective, width, gain))
                    number = float(np.median(taus))
                    holds = number > 0.0 and int(np.sum(taus > 0.0)) >= ENOUGH
                    series = _name(objective, scheme)
                    yield Observation(route, series, width, number, holds, inside, ERROR)


def eps_of(scheme: str, width: int, gain: float = GAIN) -> float:
    """Root mean square amplitude at the initialisation."""
    from dlnflow.network import effective_eps

    if scheme == GAUSSIAN:
        return gain**DEPTH
    return effective_eps(D, DEPTH, scheme=scheme, gain=gain, widths=[width * D] * DEPTH)


def _networks(scheme: str, objective: str, width: int, gain: float) -> Iterator[Any]:
    """The same networks for all routes, one for each seed."""
    from dlnflow.network import gaussian, variance_scaled

    n = width * D
    widths = (*[n] * DEPTH, n if objective == "jepa" else D)
    for seed in range(SEEDS):
        if scheme == GAUSSIAN:
            yield gaussian(XX, YX, DEPTH, eps=gain**DEPTH, widths=widths, rng=seed)
        else:
            options: dict[str, Any] = {"widths": widths, "rng": seed}
            yield variance_scaled(XX, YX, DEPTH, scheme=scheme, gain=gain, **options)


def predicted(objective: str, eps: float) -> Array:
    """Critical times of the closed form at the effective eps."""
    return closed_form(objective, LAM, RHO, DEPTH, eps)


def _grid(objective: str, eps: float) -> Array:
    times = predicted(objective, eps)
    end = max(SPAN * float(times.max()), SHORTEST)
    return np.append(0.0, np.geomspace(EARLIEST * (float(times.min()) or end), end, POINTS))


@lru_cache
def _matrix(scheme: str, objective: str, width: int, gain: float) -> Array:
    from dlnflow.network import compare, gradient_flow

    options: dict[str, Any] = {"rtol": RTOL, "keep": "encoder", "objective": objective}
    options["t"] = _grid(objective, eps_of(scheme, width, gain))
    times = []
    for net in _networks(scheme, objective, width, gain):
        with np.errstate(over="ignore"):  # in trial steps of the integrator, which it repeats
            made = compare(gradient_flow(net, XX, YX, **options))
        times.append(made.measured_time[np.argsort(made.spectrum.lam)])
    return np.array(times)


@lru_cache
def _plain(scheme: str, objective: str, width: int, gain: float) -> Array:
    every = [net.layers for net in _networks(scheme, objective, width, gain)]
    initial = [np.array(layers) for layers in zip(*every, strict=True)]
    grid = _grid(objective, eps_of(scheme, width, gain))
    records = np.unique(np.rint(grid / grid[-1] * STEPS).astype(int))
    lr = float(grid[-1]) / DEPTH / STEPS
    encoders = plain_network.descend(XX, YX, initial, DEPTH, objective, lr, records)
    modes = zip(LAM, RHO, strict=True)
    rest = np.array([paper_ode.plateau(objective, lam, rho, DEPTH) for lam, rho in modes])
    noise = plain_network.HALF * rest * np.sqrt(np.diag(XX))
    r2 = plain_network.probe_r2(encoders, XX, np.eye(D), noise)
    return plain_network.readable_times(DEPTH * lr * records, r2)


Route = Callable[[str, str, int, float], Array]
ROUTES: Mapping[str, Route] = {"matrix network": _matrix, "plain network": _plain}


def _taus(objective: str, times: Array) -> Array:
    """Kendall's tau for each seed; 0 if all features are learned at one time."""
    from scipy.stats import kendalltau, rankdata

    ranking = -np.array(RHO if objective == "jepa" else LAM)
    every = [kendalltau(ranking, rankdata(one)).statistic for one in times]
    return np.round(np.nan_to_num(every), 12)


def _name(objective: str, scheme: str) -> str:
    return f"{objective.upper()}, {scheme}"


def ratios(objective: str, width: int) -> Array:
    """Measured over predicted times from Gaussian weights, in the preferred order: medians."""
    times = _matrix(GAUSSIAN, objective, width, GAIN)
    found = np.median(times / predicted(objective, GAIN**DEPTH), axis=0)
    return found if objective == "jepa" else found[::-1]


def note(seen: Observations) -> Noted:
    """The medians of tau, and the error of the closed form, by width."""
    widths = sorted({int(one.x) for one in seen if one.series.endswith(GAUSSIAN)})
    listed = ", ".join(f"{width}" for width in widths)
    taus = {(one.series, int(one.x)): one.number for one in seen if one.route == "matrix network"}
    words = {
        name: ", ".join(f"{taus[_name(name, GAUSSIAN), width]:.2g}" for width in widths)
        for name in BOTH
    }
    large = taus[_name("jepa", KAIMING), 16]
    errors = [
        f"{objective.upper()} {'; '.join(map(_ends, (ratios(objective, w) for w in widths)))}"
        for objective in BOTH
    ]
    few = {(name, width): ratios(name, width) for name in BOTH for width in (1, WIDE)}
    return Noted(
        f"From Gaussian weights with eps = {GAIN**DEPTH:g}, at widths of {listed} times the "
        f"dimension, the median of tau over {SEEDS} seeds is {words['jepa']} with rho for a JEPA "
        f"and {words['mae']} with lam for an MAE. kaiming_uniform at a fixed gain starts larger in "
        f"wider layers: at 16 times the dimension, eps = {eps_of(KAIMING, 16):.2g}, and a JEPA's "
        f"tau is {large:.2g}. The closed form at the effective eps is wrong about times: measured "
        "over predicted time, as medians over seeds from the first feature of the preferred order "
        f"to the last, is {', and '.join(errors)} at these widths.",
        {
            f"median tau, {name.upper()}, width {width} d": taus[_name(name, GAUSSIAN), width]
            for name, width in few
        }
        | {
            f"first feature's time over the closed form's, {name.upper()}, width {width} d": float(
                one[0]
            )
            for (name, width), one in few.items()
        }
        | {"median tau, JEPA, kaiming_uniform, width 16 d": large},
        f"a JEPA starts small and an MAE is wide: at L = {DEPTH}, with an effective eps of at most "
        "0.02 for a JEPA, at widths of 1 to 16 times the dimension (at 0.04 it tends to learn by "
        f"lam), and layers of at least {WIDE} times the dimension for an MAE (at twice the "
        f"dimension fewer than {ENOUGH} of {SEEDS} seeds have the preference)",
    )


def _ends(one: Array) -> str:
    first, last = one[[0, -1]]
    return f"{first:.2f} to " + (f"{last:.2f}" if np.isfinite(last) else f"over {SPAN:g}")


CLAIM = Claim(
    name="14",
    title="The preference survives the initialisations of practice",
    statement="From layers of independent weights, Gaussian or by a scheme of PyTorch with a small "
    "gain, a JEPA learns features in the order of rho and an MAE in the order of lam, where these "
    "orders are opposite: the median over seeds of Kendall's tau is positive, and so is tau in at "
    f"least {ENOUGH} of {SEEDS} seeds. (A feature is learned when a linear probe reads half of its "
    "variance.)",
    source="a test of the paper's preference without its balanced orthogonal initialisation",
    x=Axis("width over the dimension of the data", log=True),
    number=Axis("median tau with rho (JEPA) or lam (MAE)"),
    observe=observe,
    note=note,
    control=Control(
        "ten times the gain, so that features can be read before training", {"gain": 1.0}
    ),
    module=__name__,
    level=0.0,
)

"""Claim 5: depth amplifies the difference between features of high and low ``rho``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from dlnflow.studies.claims._claim import (
    Axis,
    Claim,
    Control,
    Effort,
    Noted,
    Observation,
    Observations,
)
from dlnflow.studies.claims._times import (
    TimeRoute,
    behind,
    by,
    closed_form,
    delay,
    error,
    number_at,
)

LAM, RHO = (1.0, 1.0), (1.0, 0.5)
DEPTHS = {1e-2: 6, 1e-3: 10, 1e-6: 20}  # largest depth for each eps
LEAST_RESOLVED = 1e-3  # eps below which a network's error exceeds an MAE's delay
NOT_DEEPER = 9  # largest depth of MAEs and of networks of matrices
DEEPEST = 40  # up to which the condition's end is looked for
TRAINED, TRAINED_EPS = range(1, 7), 1e-3  # depths of whole networks
CLOSE = 1e-5  # error of their delays
QUICK = ("closed form", "mode ODE")
AS_NAMED = {"jepa": "jepa", "mae": "mae"}
HEADLINE = ((1e-3, 1), (1e-3, 3), (1e-3, 6), (1e-6, 3))  # eps, L


def observe(
    effort: Effort, *, trained: Mapping[str, str] = AS_NAMED, decoder_depth: int = 1
) -> Iterator[Observation]:
    """Relative delay of the mode of small ``rho`` at equal ``lam``, for each depth.

    Networks of matrices are initialised in random bases.

    Parameters
    ----------
    trained : mapping
        Objective trained in place of each one; the condition stays that of the latter.
    decoder_depth : int
        Decoder depth of the trained networks.
    """
    for eps, deepest in DEPTHS.items():
        for objective in ("jepa", "mae"):
            last = last_depth(objective, eps)
            for way in by(*effort.choose(QUICK, (*QUICK, "quadrature", "plain network"))):
                matrices = way.route == "plain network"
                if matrices and objective == "mae" and eps < LEAST_RESOLVED:
                    continue
                less = objective == "mae" or matrices
                end = min(deepest, NOT_DEEPER) if less else deepest
                delays = [
                    delay(way, trained[objective], LAM, RHO, L, eps, decoder_depth=decoder_depth)
                    for L in range(1, end + 1)
                ]
                off = _error(way, trained[objective], eps)
                yield from _by_depth(objective, eps, last, way.route, delays, off)
    if effort is Effort.full:
        yield from _whole_networks(trained)


def _by_depth(
    objective: str,
    eps: float,
    last: int,
    route: str,
    delays: Sequence[float],
    off: Callable[[float, int], float],
) -> Iterator[Observation]:
    """From the delays at depth 1, 2, ...: whether each layer changes them as claimed."""
    before = None
    for L, number in enumerate(delays, 1):
        true = _as_claimed(objective, before, number)
        yield Observation(route, _name(objective, eps), L, number, true, last >= L, off(number, L))
        before = number


def _as_claimed(objective: str, before: float | None, number: float) -> bool:
    """Whether a JEPA's delay grows, or an MAE's does not grow in size; at L = 1 its sign."""
    if objective == "jepa":
        return number > (0.0 if before is None else before)
    return number <= 0.0 if before is None else abs(number) <= abs(before)


def _error(way: TimeRoute, objective: str, eps: float) -> Callable[[float, int], float]:
    from dlnflow.theory import plateau

    return lambda number, L: error(way, number, eps, float(plateau(RHO[1], L, objective=objective)))


def last_depth(objective: str, eps: float) -> int:
    """Largest depth up to which each layer acts as claimed, by the closed form."""
    before = None
    for L in range(1, DEEPEST):
        number = behind(closed_form(objective, LAM, RHO, L, eps))
        if not _as_claimed(objective, before, number):
            return L - 1
        before = number
    return DEEPEST


def _whole_networks(trained: Mapping[str, str]) -> Iterator[Observation]:
    """Networks of four modes; the largest and the smallest ``rho`` are compared."""
    from dlnflow.studies.experiments import _experiments as experiments

    table = experiments.depth(TRAINED, eps=TRAINED_EPS).table
    for objective in ("jepa", "mae"):
        last = last_depth(objective, TRAINED_EPS)
        delays = table["measured_gap"][table["objective"] == trained[objective]].tolist()
        yield from _by_depth(
            objective, TRAINED_EPS, last, "matrix network", delays, lambda number, L: CLOSE
        )


def _name(objective: str, eps: float) -> str:
    return f"{objective.upper()}, eps = 1e{round(np.log10(eps))}"


def _last(seen: Observations, series: str) -> int:
    """The last depth inside the condition."""
    return int(max(one.x for one in seen if one.series == series and one.inside))


def note(seen: Observations) -> Noted:
    """The delays in a few cases, and the depths at which the condition ends."""
    numbers = {
        f"{_name(objective, eps)}, L = {L}": number_at(seen, _name(objective, eps), L)
        for objective in ("jepa", "mae")
        for eps, L in HEADLINE
    }
    ends = {eps: _last(seen, _name("jepa", eps)) for eps in DEPTHS}
    numbers |= {f"largest L, {_name('jepa', eps)}": last for eps, last in ends.items()}
    jepa, mae = (_name(objective, 1e-3) for objective in ("jepa", "mae"))
    turn = numbers[f"largest L, {mae}"] = _last(seen, mae)
    shares = [eps / RHO[1] ** (last + 1) for eps, last in ends.items()]
    at = {(name, L): number_at(seen, name, L) for name in (jepa, mae) for L in (1, 3, 6)}
    return Noted(
        "At equal lam and eps = 1e-3 the relative delay of rho = 0.5 behind rho = 1 at L = 1, 3 "
        f"and 6 is {at[jepa, 1]:.2g}, {at[jepa, 3]:.3g} and {at[jepa, 6]:.3g} for a JEPA, "
        f"{at[mae, 1]:.2g}, {at[mae, 3]:.2g} and {at[mae, 6]:.2g} for an MAE. The MAE's delay "
        f"changes sign near L = {turn} and is {number_at(seen, mae, NOT_DEEPER):.2g} at "
        f"L = {NOT_DEEPER}.",
        numbers,
        "a JEPA's eps is well below the lower plateau rho**L, and an MAE is not so deep that its "
        f"delay has changed sign: for a JEPA with rho = 0.5 up to L = {ends[1e-2]}, {ends[1e-3]} "
        f"and {ends[1e-6]} at eps = 1e-2, 1e-3 and 1e-6 (with one more layer eps is "
        f"{min(shares):.2g} to {max(shares):.2g} of the plateau); for an MAE up to L = {turn} at "
        "eps = 1e-3, beyond which a small delay of the other sign grows",
    )


CLAIM = Claim(
    name="5",
    title="Depth amplifies the difference",
    statement="With every layer of the encoder the relative delay between features of high and low "
    "regression coefficient, at equal covariance, grows for a JEPA, and does not for an MAE.",
    source="the paper's critical times (Theorem 4.5) and their dependence on depth",
    x=Axis("encoder depth L"),
    number=Axis("delay of rho = 0.5 behind rho = 1 (-1: learned initially)"),
    observe=observe,
    note=note,
    control=Control(
        "the objectives exchanged: an MAE in place of the JEPA, and a JEPA in place of the MAE",
        {"trained": {"jepa": "mae", "mae": "jepa"}},
    ),
    module=__name__,
)

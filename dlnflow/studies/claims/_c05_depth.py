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
from dlnflow.studies.claims._delays import behind, delay, error, told
from dlnflow.studies.claims._times import Telling, by, closed_form

LAM, RHO = (1.0, 1.0), (1.0, 0.5)
DEPTHS = {1e-2: 6, 1e-3: 10, 1e-6: 20}  # the largest seen, for each eps
LEAST_TOLD = 1e-3  # eps below which an MAE's delay is smaller than the error of networks' times
NOT_DEEPER = 9  # MAEs, and networks of matrices
DEEPEST = 40  # where growing may end
TRAINED, TRAINED_EPS = range(1, 7), 1e-3  # depths of whole networks
CLOSE = 1e-5  # to which their delays are known
QUICK = ("closed form", "mode ODE")
AS_NAMED = {"jepa": "jepa", "mae": "mae"}
HEADLINE = ((1e-3, 1), (1e-3, 3), (1e-3, 6), (1e-6, 3))  # eps, L


def observe(
    effort: Effort, *, trained: Mapping[str, str] = AS_NAMED, decoder_depth: int = 1
) -> Iterator[Observation]:
    """How much later the mode of small ``rho`` is learned at equal ``lam``, depth by depth.

    Networks of matrices start in random bases.

    Parameters
    ----------
    trained : mapping
        What is trained in place of each objective; where the claim ends stays that objective's.
    decoder_depth : int
        Of what is trained.
    """
    for eps, deepest in DEPTHS.items():
        for objective in ("jepa", "mae"):
            last = last_depth(objective, eps)
            for way in by(*effort.choose(QUICK, (*QUICK, "quadrature", "plain network"))):
                matrices = way.route == "plain network"
                if matrices and objective == "mae" and eps < LEAST_TOLD:
                    continue
                less = objective == "mae" or matrices
                end = min(deepest, NOT_DEEPER) if less else deepest
                delays = [
                    delay(way, trained[objective], LAM, RHO, L, eps, decoder_depth=decoder_depth)
                    for L in range(1, end + 1)
                ]
                off = _error(way, trained[objective], eps)
                yield from _course(objective, eps, last, way.route, delays, off)
    if effort is Effort.full:
        yield from _whole_networks(trained)


def _course(
    objective: str,
    eps: float,
    last: int,
    route: str,
    delays: Sequence[float],
    off: Callable[[float, int], float],
) -> Iterator[Observation]:
    """From delays at depth 1, 2, ..., whether each layer does what is claimed."""
    before = None
    for L, number in enumerate(delays, 1):
        true = _as_claimed(objective, before, number)
        yield Observation(route, _name(objective, eps), L, number, true, last >= L, off(number, L))
        before = number


def _as_claimed(objective: str, before: float | None, number: float) -> bool:
    """A JEPA's delay grows with the layer, an MAE's does not, in size; at first, whether it is."""
    if objective == "jepa":
        return number > (0.0 if before is None else before)
    return number <= 0.0 if before is None else abs(number) <= abs(before)


def _error(way: Telling, objective: str, eps: float) -> Callable[[float, int], float]:
    from dlnflow.theory._modes import plateau

    return lambda number, L: error(way, number, eps, float(plateau(RHO[1], L, objective=objective)))


def last_depth(objective: str, eps: float) -> int:
    """Up to which depth each layer does what is claimed, by the closed form."""
    before = None
    for L in range(1, DEEPEST):
        number = behind(closed_form(objective, LAM, RHO, L, eps))
        if not _as_claimed(objective, before, number):
            return L - 1
        before = number
    return DEEPEST


def _whole_networks(trained: Mapping[str, str]) -> Iterator[Observation]:
    """Four modes, the largest and the smallest ``rho`` compared."""
    from dlnflow.studies.experiments import _experiments as experiments

    table = experiments.depth(TRAINED, eps=TRAINED_EPS).table
    for objective in ("jepa", "mae"):
        last = last_depth(objective, TRAINED_EPS)
        delays = table["measured_gap"][table["objective"] == trained[objective]].tolist()
        yield from _course(
            objective, TRAINED_EPS, last, "matrix network", delays, lambda number, L: CLOSE
        )


def _name(objective: str, eps: float) -> str:
    return f"{objective.upper()}, eps = 1e{round(np.log10(eps))}"


def _last(seen: Observations, series: str) -> int:
    """The last depth inside the condition."""
    return int(max(one.x for one in seen if one.series == series and one.inside))


def note(seen: Observations) -> Noted:
    """The delays at a few settings, and where growing ends."""
    numbers = {
        f"{_name(objective, eps)}, L = {L}": told(seen, _name(objective, eps), L)
        for objective in ("jepa", "mae")
        for eps, L in HEADLINE
    }
    ends = {eps: _last(seen, _name("jepa", eps)) for eps in DEPTHS}
    numbers |= {f"largest L, {_name('jepa', eps)}": last for eps, last in ends.items()}
    jepa, mae = (_name(objective, 1e-3) for objective in ("jepa", "mae"))
    turn = numbers[f"largest L, {mae}"] = _last(seen, mae)
    starts = [eps / RHO[1] ** (last + 1) for eps, last in ends.items()]
    return Noted(
        "At equal lam and eps = 1e-3 the relative delay of rho = 0.5 behind rho = 1 at L = 1, 3 "
        f"and 6 is {told(seen, jepa, 1):.2g}, {told(seen, jepa, 3):.3g} and "
        f"{told(seen, jepa, 6):.3g} for a JEPA, {told(seen, mae, 1):.2g}, {told(seen, mae, 3):.2g} "
        f"and {told(seen, mae, 6):.2g} for an MAE, whose delay changes its sign near L = {turn} "
        f"and is {told(seen, mae, NOT_DEEPER):.2g} at L = {NOT_DEEPER}.",
        numbers,
        "a JEPA's start stays well below the lower plateau rho**L, and an MAE is not so deep that "
        "its delay has changed its sign: for a JEPA with rho = 0.5 up to L = "
        f"{ends[1e-2]}, {ends[1e-3]} and {ends[1e-6]} at eps = 1e-2, 1e-3 and 1e-6 (a layer more, "
        f"and it starts at {min(starts):.2g} to {max(starts):.2g} of it); for an MAE up to "
        f"L = {turn} at eps = 1e-3, from where a small delay of the other sign grows",
    )


CLAIM = Claim(
    name="5",
    title="Depth amplifies the difference",
    statement="With every layer of the encoder the relative delay between features of high and low "
    "regression coefficient, at equal covariance, grows for a JEPA, and does not for an MAE.",
    source="the paper, on depth and the implicit bias",
    x=Axis("encoder depth L"),
    number=Axis("delay of rho = 0.5 behind rho = 1 (-1: starts learned)"),
    observe=observe,
    note=note,
    control=Control(
        "the objectives exchanged: an MAE in place of the JEPA, and a JEPA in place of the MAE",
        {"trained": {"jepa": "mae", "mae": "jepa"}},
    ),
    module=__name__,
)

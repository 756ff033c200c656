"""Claim 13a: the target layer interpolates between MAE and JEPA."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

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
    BESIDE,
    TimeRoute,
    behind,
    by,
    closed_form,
    delay,
    error,
    number_at,
)
from dlnflow.theory import plateau

LAM, RHO = (1.0, 1.0), (1.0, 0.5)
EPS = 1e-2  # of the numbers in the note
MAIN = 3  # the depth at which the largest eps are determined
DEPTHS, MORE_DEPTHS = (2, 3, 4), (2, 3, 4, 5)
TURNS, MORE_TURNS = (3,), (1, 2, 3)  # target layers whose largest eps is tested
DEEP, LOW = 6, (0, 1)  # a depth with a smallest eps too, and its two target layers
SMALLEST = 1e-14  # delays below this eps are rounding errors
FEW = ("closed form", "mode ODE")
PRECISE = ("closed form", "quadrature")


def observe(effort: Effort, *, gap_kept: bool = False) -> Iterator[Observation]:
    """Relative delay of the mode of small ``rho`` at equal ``lam``, for each target layer.

    Each target layer is compared with the one below it, layer 0 with the one above. Networks of
    matrices are initialised in random bases.

    Parameters
    ----------
    gap_kept : bool
        The decoder gets one more layer for every target layer, which keeps the gap between target
        and prediction; the condition stays that of one decoder layer.
    """
    few = FEW if gap_kept else (*FEW, "plain network")
    every = (*few, "quadrature")
    for L in effort.choose(DEPTHS, MORE_DEPTHS):
        routes = effort.choose(few if L == MAIN else FEW, every)
        more = ("derivation",) if effort is Effort.full and L == MAIN else ()
        yield from _by_layer(L, EPS, range(L + 1), (*routes, *more), gap_kept)
    for layer in effort.choose(TURNS, MORE_TURNS):
        for share in BESIDE:
            eps = share * eps_limits(MAIN, layer)[1]
            yield from _by_layer(MAIN, eps, range(MAIN + 1), effort.choose(few, every), gap_kept)
    for share in BESIDE:
        yield from _by_layer(DEEP, share * eps_limits(DEEP, max(LOW))[0], LOW, PRECISE, gap_kept)


def _by_layer(
    L: int, eps: float, layers: Sequence[int], routes: Sequence[str], gap_kept: bool
) -> Iterator[Observation]:
    """Targets at several layers of one encoder, with one eps."""
    for way in by(*routes):
        delays = [_delay(way, L, m, eps, 1 + m if gap_kept else 1) for m in layers]
        for m, number in enumerate(delays):
            upper = max(m, 1)
            least, largest = eps_limits(L, upper)
            true, inside = delays[upper] > delays[upper - 1], least < eps < largest
            off = error(way, number, eps, 0.5 * _rest(L, m))
            yield Observation(way.route, _name(L, eps), m, number, true, inside, off)


def _delay(way: TimeRoute, L: int, m: int, eps: float, decoder_depth: int) -> float:
    return delay(way, _objective(L, m), LAM, RHO, L, eps, decoder_depth=decoder_depth)


def _objective(L: int, m: int) -> str:
    """Name of the objective; the first and last layer have the paper's equations."""
    return {L: "jepa", 0: "mae"}.get(m, f"layer-{m}")


def _rest(L: int, m: int) -> float:
    return float(plateau(min(RHO), L, objective=_objective(L, m)))


@lru_cache
def eps_limits(L: int, m: int) -> tuple[float, float]:
    """The ``eps`` between which layer ``m`` delays more than ``m - 1``, by the closed form."""
    from scipy.optimize import brentq

    def more(log_eps: float) -> float:
        eps = float(np.exp(log_eps))
        upper, lower = (
            behind(closed_form(_objective(L, one), LAM, RHO, L, eps)) for one in (m, m - 1)
        )
        return upper - lower

    half = 0.5 * _rest(L, m)  # from there the mode counts as learned initially
    least, amid, most = np.log([SMALLEST, 1e-2 * half, half])
    low = float(np.exp(brentq(more, least, amid))) if more(least) < 0.0 else 0.0
    return low, float(np.exp(brentq(more, amid, most)))


def _name(L: int, eps: float) -> str:
    return f"L = {L}, eps = {eps:.3g}"


def note(seen: Observations) -> Noted:
    """The delays at L = 3, the limits, and the JEPAs with equal delays."""
    delays = [number_at(seen, _name(MAIN, EPS), m) for m in range(MAIN + 1)]
    ends = [eps_limits(MAIN, m)[1] for m in range(1, MAIN + 1)]
    least = eps_limits(DEEP, max(LOW))[0]
    between, shallow = number_at(seen, _name(4, EPS), 3), number_at(seen, _name(2, EPS), 2)
    first = ", ".join(f"{one:.5f}" for one in delays[:-1])
    return Noted(
        f"With L = 3 and eps = 0.01 the delay of rho = 0.5 behind rho = 1 is {first} and "
        f"{delays[-1]:.5f} for a target at layer 0 (MAE), 1, 2 and 3 (JEPA). A target k layers "
        f"below the prediction gives the delay of a JEPA of depth L/k: {between:.4f} at layer 3 "
        f"of 4, {shallow:.4f} for the JEPA with L = 2.",
        {f"delay, L = 3, m = {m}": one for m, one in enumerate(delays)}
        | {f"largest eps, L = 3, m = {m}": one for m, one in enumerate(ends, 1)}
        | {"smallest eps, L = 6, m = 1": least}
        | {"delay, L = 4, m = 3": between, "delay, L = 2, m = 2": shallow},
        "the mode of small rho starts well below its plateau: with L = 3 the step to layer 1 "
        f"raises the delay for eps < {ends[0]:.2g}, that to 2 for eps < {ends[1]:.2g}, that to 3 "
        f"for eps < {ends[2]:.2g}. At L = {DEEP} the step to layer 1 also needs eps > {least:.1g}, "
        "below which both delays are about 1e-10 and the step lowers them",
    )


CLAIM = Claim(
    name="13a",
    title="The target layer interpolates between MAE and JEPA",
    statement="Reading the target one encoder layer later, from layer 0 (MAE) to layer L (JEPA), "
    "raises the delay of small rho behind large rho at equal lam.",
    source="derived here, for targets between the data and the representation",
    x=Axis("target layer m"),
    number=Axis("delay of rho = 0.5 behind rho = 1"),
    observe=observe,
    note=note,
    control=Control(
        "one more decoder layer for every target layer, which keeps the gap between target and "
        "prediction",
        {"gap_kept": True},
    ),
    module=__name__,
    drawn=lambda one: one.series.startswith(f"L = {MAIN},"),
)

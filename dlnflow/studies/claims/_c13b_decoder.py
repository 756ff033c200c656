"""Claim 13b: a deeper decoder removes a JEPA's preference for large rho."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
MAIN, EPS = 3, 1e-2  # depth and eps of the numbers in the note
DECODERS, MORE_DECODERS = (1, 2, 3, 4, 5), (1, 2, 3, 4, 5, 6, 8, 10)
OTHERS = {1: (1, 2, 3, 4), 2: (1, 2, 3, 4), 4: (1, 2, 3, 4), 5: (1, 2, 3, 4)}  # by depth L
TURNS, MORE_TURNS = (2,), (2, 3)  # decoder depths whose largest eps is tested
TURNED = (1, 2, 3, 4)
SHALLOW, LARGE = 2, 0.1  # depth and eps at which the delay changes sign with P
LONG, MORE_LONG = (6, 8), (2, 3, 4, 5, 6, 7, 8, 9, 10)
DEEPEST = {"plain network": 3, "mode ODE": 6}  # decoders that these routes can integrate
LEAST = 5e-3  # eps below all boundaries
FEW = ("closed form", "mode ODE")


def observe(effort: Effort, *, objective: str = "jepa") -> Iterator[Observation]:
    """Relative delay of the mode of small ``rho`` at equal ``lam``, by decoder depth.

    A decoder is compared with one of one layer less, a single layer with two. Networks of matrices
    are initialised in random bases.

    Parameters
    ----------
    objective : str
        Objective that is trained; the condition stays that of the JEPA.
    """
    full = effort is Effort.full
    routes = (*FEW, "plain network", *(("quadrature",) if full else ()))
    more = ("derivation",) if full else ()
    decoders = effort.choose(DECODERS, MORE_DECODERS)
    yield from _depths(objective, MAIN, EPS, decoders, (*routes, *more))
    for P in effort.choose(TURNS, MORE_TURNS):
        for share in BESIDE:
            yield from _depths(objective, MAIN, share * largest_start(MAIN, P), TURNED, routes)
    long = effort.choose(LONG, MORE_LONG)
    yield from _depths(objective, SHALLOW, LARGE, long, (*FEW, "quadrature"))
    for L, others in OTHERS.items() if full else ():
        yield from _depths(objective, L, EPS, others, (*FEW, "quadrature"))


def _depths(
    objective: str, L: int, eps: float, decoders: Sequence[int], routes: Sequence[str]
) -> Iterator[Observation]:
    """Decoders of several depths on one encoder, with one eps."""
    for way in by(*routes):

        @lru_cache
        def at(P: int, way: TimeRoute = way) -> float:
            return delay(way, objective, LAM, RHO, L, eps, decoder_depth=P)

        deepest = DEEPEST.get(way.route, max(decoders))
        for P in (one for one in decoders if one <= deepest):
            deeper = max(P, 2)
            true = 0.0 < at(deeper) < at(deeper - 1)
            off = error(way, at(P), eps, 0.5 * _rest(objective, L, P))
            inside = eps < largest_start(L, deeper)
            yield Observation(way.route, _name(L, eps), P, at(P), true, inside, off)


def _rest(objective: str, L: int, P: int) -> float:
    return float(plateau(min(RHO), L, objective=objective, decoder_depth=P))


@lru_cache
def largest_start(L: int, P: int) -> float:
    """Largest ``eps`` at which a JEPA's delay is positive and less than with ``P - 1`` layers.

    By the closed form; the smaller of two roots.
    """
    from scipy.optimize import brentq

    def at(log_eps: float, decoder: int) -> float:
        eps = float(np.exp(log_eps))
        return behind(closed_form("jepa", LAM, RHO, L, eps, decoder_depth=decoder))

    def end(difference: Callable[[float], float], decoder: int) -> float:
        half = 0.5 * _rest("jepa", L, decoder)  # from there the mode counts as learned initially
        return float(np.exp(brentq(difference, np.log(LEAST), np.log(half))))

    return min(end(lambda e: at(e, P), P), end(lambda e: at(e, P - 1) - at(e, P), P - 1))


def reversal(L: int, eps: float) -> int:
    """The smallest decoder depth, from 3 on, with a negative delay."""
    P = 3
    while behind(closed_form("jepa", LAM, RHO, L, eps, decoder_depth=P)) > 0.0:
        P += 1
    return P


def _name(L: int, eps: float) -> str:
    return f"L = {L}, eps = {eps:.3g}"


def note(seen: Observations) -> Noted:
    """The delays of three decoders, and the limits of the claim."""
    main, long = _name(MAIN, EPS), _name(SHALLOW, LARGE)
    one, two, five = (number_at(seen, main, P) for P in (1, 2, 5))
    ends = {P: largest_start(MAIN, P) for P in MORE_TURNS}
    turn, last, beyond = reversal(SHALLOW, LARGE), *(number_at(seen, long, P) for P in LONG)
    return Noted(
        f"With L = 3 and eps = 0.01 a JEPA's delay of rho = 0.5 behind rho = 1 is {one:.5f} with "
        f"one decoder layer, {two:.5f} with two and {five:.5f} with five. It can become negative: "
        f"with L = {SHALLOW} and eps = {LARGE} it is {last:.2g} at P = {LONG[0]} and {beyond:.2g} "
        f"at P = {LONG[1]}.",
        {"delay, P = 1": one, "delay, P = 2": two, "delay, P = 5": five}
        | {f"largest eps, L = 3, P = {P}": end for P, end in ends.items()}
        | {"first P with a negative delay, L = 2, eps = 0.1": float(turn)},
        "the initialisation is small and the decoder not so deep that the delay changes sign: with "
        f"L = 3, eps < {ends[2]:.2g} for P = 2 and eps < {ends[3]:.2g} for P = 3; with L = "
        f"{SHALLOW} and eps = {LARGE}, P < {turn}",
    )


CLAIM = Claim(
    name="13b",
    title="A deeper decoder removes the preference",
    statement="With each further decoder layer a JEPA still delays small rho behind large rho at "
    "equal lam, but by less.",
    source="derived here, for decoders of more than one layer",
    x=Axis("decoder depth P"),
    number=Axis("delay of rho = 0.5 behind rho = 1"),
    observe=observe,
    note=note,
    control=Control("an MAE in place of the JEPA", {"objective": "mae"}),
    module=__name__,
    drawn=lambda one: one.series.startswith((f"L = {MAIN},", _name(SHALLOW, LARGE))),
)

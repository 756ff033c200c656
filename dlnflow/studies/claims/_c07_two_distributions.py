"""Claim 7: distributions on which JEPA and MAE learn in the same, or in opposite order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

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
from dlnflow.studies.claims._times import (
    BATCH,
    BESIDE,
    RATE,
    TRAINED_ERROR,
    TimeRoute,
    behind,
    by,
    closed_form,
    error,
    number_at,
)

Array = NDArray[np.float64]

DEPTH, EPS = 5, 1e-2  # of the trained networks
DISTRIBUTIONS = {  # lam and rho of their modes
    "same": ((1.4, 1.25, 1.1, 1.0), (0.95, 0.85, 0.72, 0.6)),
    "opposite": ((1.0, 1.08, 1.16, 1.24), (0.95, 0.84, 0.72, 0.6)),
}
SAME, OPPOSITE = (lam[-1] / lam[0] for lam, _ in DISTRIBUTIONS.values())
RHO = (0.95, 0.6)  # of their first and last modes
FAR = 2.5  # ratio of lam outside the window
CASES, MORE_CASES = ((DEPTH, EPS),), ((2, 1e-2), (3, 1e-3), (DEPTH, EPS))  # L, eps
MODELS, MORE_MODELS = ("static",), ("static", "temporal", "masking")
QUICK = ("closed form", "mode ODE")
MORE = (*QUICK, "quadrature", "plain network")
FOUR = "four modes, neighbours"


@dataclass(frozen=True)
class ModeSet:
    """Modes in order of decreasing ``rho``, with a depth and an initialisation."""

    lam: tuple[float, ...]
    rho: tuple[float, ...]
    L: int = DEPTH
    eps: float = EPS

    @property
    def ratio(self) -> float:
        """Ratio of the last mode's ``lam`` to the first one's."""
        return self.lam[-1] / self.lam[0]

    def inside(self) -> bool:
        """Whether the ratios of neighbours' ``lam`` lie in the window."""
        within = []
        for (a, b), rho in zip(pairwise(self.lam), pairwise(self.rho), strict=True):
            low, high = window(rho, self.L, self.eps)
            within.append(low < b / a < high)
        return all(within)

    def opposition(self, way: TimeRoute, layers: int) -> float:
        """`opposition` of both objectives, by one route."""
        options = {"seed": None} if way.route == "plain network" else {}
        jepa, mae = (
            way.times(objective, self.lam, self.rho, layers, self.eps, **options)
            for objective in ("jepa", "mae")
        )
        return opposition(jepa, mae)


def opposition(jepa: Array, mae: Array) -> float:
    """The least of the JEPA's delays and the MAE's leads between neighbouring modes.

    Positive if and only if the JEPA learns by decreasing ``rho`` and the MAE in the opposite order.
    """
    late = [behind(np.array(one)) for one in pairwise(jepa)]
    early = [-behind(np.array(one)) for one in pairwise(mae)]
    return min(*late, *early)


def window(rho: tuple[float, float], L: int, eps: float) -> tuple[float, float]:
    """Interval of ``lam_2/lam_1`` with opposite orders, by the closed form."""
    low, high = (1.0 + behind(closed_form(one, 1.0, rho, L, eps)) for one in ("mae", "jepa"))
    return low, high


def observe(effort: Effort, *, layers: int | None = None) -> Iterator[Observation]:
    """`opposition` of modes of decreasing ``rho``, for several ratios of ``lam``.

    Networks of matrices are initialised in the basis of the data, so that no unit switches to
    another mode.

    Parameters
    ----------
    layers : int, optional
        Depth of all encoders; the condition stays that of the depth named in the series.
    """
    names = effort.choose(QUICK, MORE)
    for L, eps in effort.choose(CASES, MORE_CASES):
        near = [1.0 + share * (end - 1.0) for end in window(RHO, L, eps) for share in BESIDE]
        for ratio in sorted({*near, SAME, OPPOSITE, FAR}):
            two = ModeSet((1.0, ratio), RHO, L, eps)
            derived = ("derivation",) if effort is Effort.full and L == DEPTH else ()
            yield from _by_routes((*names, *derived), two, _name(L, eps), layers)
    for kind in effort.choose(MODELS, MORE_MODELS):
        yield from _by_routes(names, _model(kind), f"{kind} model", layers)
    if effort is Effort.full:
        for lam, rho in DISTRIBUTIONS.values():
            yield from _by_routes(names, ModeSet(lam, rho), FOUR, layers)
        yield from _trained()


def _by_routes(
    names: tuple[str, ...], modes: ModeSet, series: str, layers: int | None
) -> Iterator[Observation]:
    for way in by(*names):
        number = modes.opposition(way, layers or modes.L)
        off = error(way, number, modes.eps, min(modes.rho) ** modes.L)
        yield _observation(way.route, series, modes, number, off)


def _observation(route: str, series: str, modes: ModeSet, number: float, off: float) -> Observation:
    inside = modes.inside()
    return Observation(route, series, modes.ratio, number, number > 0.0, inside, off)


def _model(kind: str) -> ModeSet:
    """A clean feature and a larger, noisy one, in a generative model."""
    from dlnflow import generative

    case = generative.noisy_features(kind)
    return ModeSet(tuple(case.lam.tolist()), tuple(case.rho.tolist()), case.L, case.eps)


def _trained() -> Iterator[Observation]:
    """Networks trained on samples of either distribution."""
    from dlnflow.studies.experiments import _experiments as experiments

    made = experiments.order(
        *DISTRIBUTIONS.values(), L=DEPTH, eps=EPS, lr=RATE, batch_size=BATCH
    ).comparisons
    for name, (lam, rho) in DISTRIBUTIONS.items():
        jepa, mae = (
            one.measured_time[np.argsort(-one.spectrum.rho)]
            for one in (made[name, "jepa"], made[name, "mae"])
        )
        ends = ModeSet((lam[0], lam[-1]), RHO)
        for series, modes, of in (
            (_name(DEPTH, EPS), ends, [0, -1]),
            (FOUR, ModeSet(lam, rho), [0, 1, 2, 3]),
        ):
            number = opposition(jepa[of], mae[of])
            yield _observation("trained network", series, modes, number, TRAINED_ERROR)


def _name(L: int, eps: float) -> str:
    return f"L = {L}, eps = 1e{round(np.log10(eps))}"


def note(seen: Observations) -> Noted:
    """Both distributions, and the window."""
    series = _name(DEPTH, EPS)
    same, opposite = (number_at(seen, series, ratio) for ratio in (SAME, OPPOSITE))
    low, high = _ends(seen, series)
    return Noted(
        "Modes of rho = 0.95 and 0.6 are learned in the same order by both objectives at L = 5 and "
        f"eps = 1e-2 if lam_2/lam_1 is {SAME:.2g}; if it is {OPPOSITE:.3g}, the JEPA learns the "
        f"first and the MAE the second first, each by at least {100 * opposite:.2g} % of the time.",
        {
            "smallest lam_2/lam_1 of opposite orders": low,
            "largest lam_2/lam_1 of opposite orders": high,
            f"opposition at lam_2/lam_1 = {SAME:.2g}": same,
            f"opposition at lam_2/lam_1 = {OPPOSITE:.3g}": opposite,
        },
        "lam_2/lam_1 lies between the ratios t*(rho_2)/t*(rho_1) at equal lam, above the MAE's and "
        f"below the JEPA's: {low:.3f} and {high:.2g} for rho = 0.95, 0.6, L = 5, eps = 1e-2",
    )


def _ends(seen: Observations, series: str) -> tuple[float, float]:
    """The window's ends, each between the cases on either side (`BESIDE`)."""
    here = [one for one in seen if one.series == series]
    inside = sorted({one.x for one in here if one.inside})
    below = max(one.x for one in here if one.x < inside[0])
    above = min(one.x for one in here if one.x > inside[-1])
    lead = float(np.sqrt((inside[-1] - 1.0) * (above - 1.0)))
    return 1.0 - float(np.sqrt((1.0 - inside[0]) * (1.0 - below))), 1.0 + lead


CLAIM = Claim(
    name="7",
    title="Both can learn in opposite order",
    statement="Of two features a JEPA learns the one of larger regression coefficient first and an "
    "MAE the other: their orders are opposite.",
    source="the paper's statement that the two objectives differ in the order of learning; these "
    "distributions and the boundary are ours",
    x=Axis("lam_2 / lam_1, with rho_2 < rho_1"),
    number=Axis("smallest delay (JEPA) or lead (MAE)"),
    observe=observe,
    note=note,
    control=Control("one encoder layer, with the condition of the deeper encoders", {"layers": 1}),
    module=__name__,
    level=0.0,
)

"""How far predictions for some data can be believed, from the data alone.

One set of thresholds for the repr of a `Spectrum`, for `Spectrum.predict` and for
`dlnflow.network.check_assumptions`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dlnflow.data._record import SpectrumRecord


class TrustThresholds(NamedTuple):
    """Values above which a prediction is not to be believed; ``docs/networks.md`` has the maps."""

    exact: float = 1e-6  # root of an off-diagonal share that rounding leaves
    commuting: float = 0.1  # the same: times are off by a tenth at most below, in the map
    coupling: float = 0.5  # share: an MAE's third feature is off by a factor of three at 0.5
    leading: int = 3  # features whose coupling counts
    asymmetry: float = 0.1  # of sigma_yx: its two sets of singular vectors differ
    rho: float = 1.05  # of any feature; if the views can be exchanged it is at most 1
    samples_per_mode: int = 20  # independent; with fewer, intervals covered too rarely in tests
    cosine: float = 0.1  # a tenth of each mode's amplitude appears in another
    mixing: float = 0.5  # radians: standard error of the angle between two modes


TRUST = TrustThresholds()
SPARE = 4  # added to the dimension: the largest eigenvalue of noise scatters


def misfit(spectrum: SpectrumRecord) -> float:
    """Root of the larger off-diagonal share of the two covariances: 0 if they commute."""
    return float(max(spectrum.off_diagonal, spectrum.off_variance) ** 0.5)


def leading_coupling(spectrum: SpectrumRecord) -> float:
    """The largest coupling among the first modes with positive lam; 0 if there are none."""
    first = np.flatnonzero(spectrum.lam > 0.0)[: TRUST.leading]
    return float(np.max(spectrum.coupling[first], initial=0.0))


def chance_rho(spectrum: SpectrumRecord) -> float:
    """The largest rho that unrelated views reach in as many samples; 0 for exact covariances.

    ``2 sqrt(d / n)`` is the largest eigenvalue of the whitened ``sym(Sigma_yx)`` of unrelated pairs
    that are counted in both directions.
    """
    if spectrum.n is None:
        return 0.0
    independent = spectrum.n if spectrum.errors is None else spectrum.errors.independent
    chance = 2.0 * ((spectrum._whole.spaces.size + SPARE) / independent) ** 0.5
    return float((1.0 - spectrum.shrinkage) * chance)


def doubts(spectrum: SpectrumRecord) -> tuple[str, ...]:
    """Why networks need not learn from these data as any prediction says."""
    if spectrum.target_basis is not None:
        return ()  # an MAE needs no views that can be exchanged
    found = []
    largest = spectrum.largest_rho
    if spectrum.errors is not None and spectrum.below_noise.all():
        found.append("the views may be unrelated (every mode is below the noise)")
    elif largest <= chance_rho(spectrum):
        found.append(
            f"the views may be unrelated (largest rho {largest:.2g}, by chance up to "
            f"{chance_rho(spectrum):.2g})"
        )
    apart = []
    if spectrum.asymmetry > TRUST.asymmetry:
        apart.append(f"sigma_yx is not symmetric (asymmetry {spectrum.asymmetry:.2g})")
    if largest > TRUST.rho:
        apart.append(f"some feature has rho {largest:.3g}, above 1")
    if apart:
        found.append(f"the views cannot be exchanged, since {' and '.join(apart)}")
    return tuple(found)


def verdict(spectrum: SpectrumRecord) -> str:
    """How far to believe the closed form for these modes, in one sentence."""
    reasons = doubts(spectrum)
    if reasons:
        return f"does not hold: {'; '.join(reasons)}"
    if misfit(spectrum) <= TRUST.exact:
        return "holds for every mode: the covariances commute"
    if spectrum.basis_name in ("variance", "generalised"):
        return (
            "need not hold: features grow along the singular vectors of sigma_yx, the modes of "
            "basis='cross'"
        )
    if spectrum.target_basis is not None:
        return "holds for the features that an MAE learns first"
    if leading_coupling(spectrum) > TRUST.coupling:
        return "is a rough guide: the first modes are coupled to others; use predict(L)"
    if misfit(spectrum) <= TRUST.commuting:
        return (
            "holds for an MAE, and for the features that a JEPA learns first; predict(L) has its "
            "others"
        )
    return "holds for the features learned first; predict(L) has the others"

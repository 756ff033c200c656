"""Whether a fit explains its curves: the size of the residuals against noise, and where they are.

This is decided before anything is said about which candidate is best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlnflow.identification._fit import Fit
from dlnflow.theory.curve._master_curve import Branch

Array = NDArray[np.float64]

EXACT = 1e-9  # misfit that rounding or an ODE solver causes
SMALL = 1e-2  # misfit up to which a wrong curve still explains the data, to 1 %
LARGE = 0.2  # misfit beyond which residuals are not taken for noise
BY_CHANCE = 1e-3  # probability at which slow residuals are not noise
RANK = 1e-6  # of the largest singular value: below it a direction is rounding
SLOW = 24  # slowest components of the residuals that are compared with the rest, at most
SHARE = 3  # measurements for each of these components
FALL = 0.2  # of the highest value: a fall after the plateau
BEYOND = 6.0  # standard deviations of a fall that noise does not explain
LEARNED = 0.9  # of the highest value: the plateau begins
MOST = 0.7  # share of the squared residuals in the part where a fit fails
LEAST_INDEPENDENT = 3.0  # measurements that count at least, however much residuals repeat

WHOLE = "the whole curve"


@dataclass(frozen=True, eq=False)
class Misfit:
    """How far a fit is from its curves.

    Attributes
    ----------
    grade : {"noise", "1 %", "no"}
        Whether the fit explains the curves to their noise, to 1 %, or not.
    size : array, shape (modes,)
        Root mean square residual: of ``w`` over its largest value, or of ``log w``.
    fails : bool array, shape (modes,)
        Modes that the fit does not explain.
    beyond_noise : float
        Largest size among the modes whose residuals are not noise; 0 if there are none.
    where : tuple of str
        The part of each mode's curve in which the residuals are largest.
    independent : float
        Share of the measurements whose residuals do not repeat those of their neighbours.
    """

    grade: str
    size: Array
    fails: NDArray[np.bool_]
    beyond_noise: float
    where: tuple[str, ...]
    independent: float

    @property
    def explained(self) -> bool:
        """Whether the fit explains the curves, to their noise or to 1 %."""
        return self.grade != "no"

    @property
    def total(self) -> float:
        """Root mean square of `size` over the modes."""
        return float(np.sqrt(np.mean(self.size**2)))


@np.errstate(all="ignore")
def misfit_of(fit: Fit) -> Misfit:
    """The misfit of a fit to all its rows."""
    data = fit.data
    if not np.isfinite(fit.cost).all():
        return _none(len(data.w))
    rows = np.arange(len(data.w))
    heights, slopes = _with_slopes(fit)
    free = np.isnan(data.known)[:, None]
    residuals, slopes = -data.residuals(heights, rows), data.slopes(heights, slopes, rows) * free
    fitted = data.values(heights)
    if not (np.isfinite(fitted).all() and np.isfinite(slopes).all()):
        return _none(len(rows))
    parts = [
        _slow_part(residuals[i, used], slopes[i, used], data.t[used], fitted[i, used])
        for i, used in enumerate(data.used)
    ]
    curves = [row[used] for row, used in zip(residuals, data.used, strict=True)]
    measured = [row[used] for row, used in zip(data.w, data.used, strict=True)]
    size = np.sqrt(fit.cost / data.count)
    falls = np.array([_falls(one) for one in measured])
    chance = np.minimum(1.0, len(parts) * np.array([one.chance for one in parts]))
    slow = (chance < BY_CHANCE) & (size > EXACT)
    if not slow.any() and _pooled(parts, size).chance < BY_CHANCE:
        slow = size > EXACT
    fails = (slow & (size > SMALL)) | (size > LARGE) | (falls & (size > SMALL))
    grade = "no" if fails.any() else "1 %" if slow.any() else "noise"
    beyond = float(np.where(slow, size, 0.0).max())
    where = tuple(map(_where, curves, measured, falls))
    share = _independent(curves) if grade != "noise" else 1.0
    return Misfit(grade, size, fails, beyond, where, share)


def _none(modes: int) -> Misfit:
    """Where there is no such curve."""
    size = np.full(modes, np.inf)
    return Misfit("no", size, np.isinf(size), np.inf, (WHOLE,) * modes, 1.0)


class Slow(NamedTuple):
    """Squared residuals in slow components and in all others, and the numbers of both."""

    slow: float
    rest: float
    components: int
    others: int

    @property
    def chance(self) -> float:
        """Probability of so large a slow part, for noise: by an F test."""
        from scipy.special import fdtrc

        if self.slow <= 0.0 or self.components < 1 or self.others < 1:
            return 1.0
        ratio = self.slow * self.others / (self.rest * self.components) if self.rest else np.inf
        return float(fdtrc(self.components, self.others, ratio))


def _with_slopes(fit: Fit) -> tuple[Array, Array]:
    """``log w`` and its derivatives by the parameters, at all times."""
    each = zip(fit.parameters[:, None], map(Branch, fit.branch), strict=True)
    found = [fit.trajectory.with_slopes(fit.data.t, one, branch) for one, branch in each]
    heights, slopes = map(np.concatenate, zip(*found, strict=True))
    return heights, slopes


def _slow_part(residuals: Array, slopes: Array, t: Array, fitted: Array) -> Slow:
    """The part of the residuals that varies slowly along the curve, other than by parameters.

    The slow components are cosines of the length along the curve, in which time and amplitude count
    alike. A wrong curve leaves residuals that are slow in it, and noise does not.
    """
    slow = max(0, min(SLOW, (t.size - slopes.shape[1]) // SHARE))
    rise = np.ptp(fitted) or 1.0
    length = np.cumsum(np.abs(np.diff(t)) / np.ptp(t) + np.abs(np.diff(fitted)) / rise)
    place = np.concatenate([[0.0], length]) / length[-1]
    cosines = np.cos(np.pi * np.outer(place, np.arange(slow)))
    scale = np.linalg.norm(slopes, axis=0)
    known = np.where(scale > 0.0, slopes / np.where(scale > 0.0, scale, 1.0), 0.0)
    left, sizes, _ = np.linalg.svd(np.nan_to_num(known), full_matrices=False)
    known = left[:, sizes > RANK * sizes.max(initial=0.0)]
    new, sizes, _ = np.linalg.svd(cosines - known @ (known.T @ cosines), full_matrices=False)
    new = new[:, sizes > RANK * np.sqrt(t.size)]
    energy = float(np.sum((new.T @ residuals) ** 2))
    others = t.size - known.shape[1] - new.shape[1]
    rest = max(0.0, float(np.sum(residuals**2)) - energy)
    return Slow(energy, rest, new.shape[1], others)


def _pooled(parts: Sequence[Slow], size: Array) -> Slow:
    """All modes together, each in units of its misfit."""
    some = [
        (one.slow / unit**2, one.rest / unit**2, one.components, one.others)
        for one, unit in zip(parts, size, strict=True)
        if unit > 0.0
    ]
    return Slow(*np.sum(some, axis=0)) if some else Slow(0.0, 0.0, 0, 0)


def _falls(w: Array) -> bool:
    """Whether a curve that rose falls again, by more than its noise."""
    if w.size < 5:
        return False
    noise = 1.4826 * np.median(np.abs(w[:-2] - 2.0 * w[1:-1] + w[2:])) / np.sqrt(6.0)
    smooth = np.convolve(w, np.ones(3) / 3.0, "valid")
    top = int(smooth.argmax())
    rise, fall = smooth[top] - smooth[: top + 1].min(), smooth[top] - smooth[top:].min()
    return bool(min(rise, fall) > max(BEYOND * noise, FALL * smooth[top]))


def _where(curve: Array, w: Array, falls: bool) -> str:
    """The part of a curve in which a fit fails."""
    if falls:
        return "a fall after the plateau"
    start, end = float(w[0]), float(w[-3:].mean())
    arrived = np.flatnonzero((w - start) * np.sign(end - start) > LEARNED * abs(end - start))
    first = int(arrived[0]) if arrived.size else w.size
    share = float(np.sum(curve[:first] ** 2) / np.sum(curve**2)) if curve.any() else 0.5
    change = "the rise" if end > start else "the fall"
    return change if share > MOST else "the plateau" if share < 1.0 - MOST else WHOLE


def _independent(curves: list[Array]) -> float:
    """Share of independent measurements, for residuals that decay like a first-order process."""
    together = sum(float(np.sum(one[1:] * one[:-1])) for one in curves)
    correlation = max(0.0, together / sum(float(np.sum(one**2)) for one in curves))
    least = LEAST_INDEPENDENT / max(one.size for one in curves)
    return max(least, (1.0 - correlation) / (1.0 + correlation))

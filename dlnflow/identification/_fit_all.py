"""Fits all mode equations to the curves, each mode independently or all jointly.

A joint fit has one ``eps``, or one unknown clock unit, for all modes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dlnflow._common._frozen import read_only
from dlnflow.identification._fit import (
    HUGE,
    NO_CURVE,
    PREFERENCE,
    Fit,
    Problems,
    fit_each,
    vectorised_model,
)
from dlnflow.identification._least_squares import Indices, inverse, least_squares
from dlnflow.identification._measurements import Measurements
from dlnflow.identification._ranked_fits import RankedFits
from dlnflow.identification._validation import ValidatedCurves

Array = NDArray[np.float64]

SAME = 6  # digits of AIC that distinguish mode equations
RESTARTS = 3  # at most, from the shared ``eps`` of the fit before
LEAST_GAIN = 1e-3  # in twice the log-likelihood, below which restarts end


def fit_all(curves: ValidatedCurves) -> RankedFits:
    """Fit every mode equation, under the kind of noise that explains each mode best."""
    data = curves.data
    count = len(curves.trajectories)
    fits = fit_each([*curves.trajectories, *curves.laws], data)
    every = RankedFits(
        fits[:count], fits[count:], None, curves.clock, curves.constant, curves.names
    )
    modes = np.arange(len(data.w) // curves.kinds)
    likelier = (
        np.zeros_like(modes) if curves.kinds == 1 else _relative_is_likelier(every, curves.joint)
    )
    chosen = every.rows(modes + modes.size * likelier)
    if curves.joint:
        joint = [_fit_jointly(one, curves.one_eps) for one in (*chosen.fits, *chosen.laws)]
        return replace(chosen, fits=tuple(joint[:count]), laws=tuple(joint[count:]))
    other = None if curves.kinds == 1 else every.rows(modes + modes.size * (1 - likelier))
    return replace(chosen, other=other)


def _relative_is_likelier(every: RankedFits, joint: bool) -> Indices:
    """1 for each mode whose best fit is likelier under relative noise than under absolute, else 0.

    The first half of the rows has absolute noise.
    """
    likely = np.max([one.sharpness * one.log_likelihood for one in every.fits], axis=0)
    absolute, relative = likely.reshape(2, -1)
    _, can = every.data.relative.reshape(2, -1)
    with np.errstate(invalid="ignore"):
        gain = np.where(can, np.nan_to_num(relative - absolute), 0.0)
    if joint:
        gain = np.where(can, gain.sum(), 0.0)
    return (gain > PREFERENCE).astype(np.intp)


def ranked(found: RankedFits, modes: Indices) -> RankedFits:
    """The fits of some of the modes, in the order of Akaike's criterion."""
    some = found.rows(modes)
    if not np.isfinite(some.aic).any():
        raise ValueError(NO_CURVE)
    # where sigma is so large that all are as likely, by the misfit
    ordered = some.reordered(np.lexsort([some.misfits, np.round(some.aic, SAME)]))
    read_only(ordered.data.w)
    read_only(ordered.data.used)
    return ordered


def _fit_jointly(each: Fit, one_eps: bool) -> Fit:
    """Fit all rows with one ``eps``, or with known ``lam`` on a clock of unknown unit.

    The search starts from independent fits of the rows. With one ``eps`` it is repeated from rows
    fitted anew to the shared ``eps``: a row that hardly moves has several optima, and its
    independent optimum need not be the best one there.
    """
    if not np.isfinite(each.cost).all():
        return each
    data = each.data
    noise = np.sqrt(each.cost / data.count)
    best = _search(each, data, one_eps, noise)
    for _ in range(RESTARTS if one_eps else 0):
        known = data.known.copy()
        known[:, 2] = np.where(np.isnan(known[:, 2]), best.parameters[:, 2], known[:, 2])
        (anew,) = fit_each([each.trajectory], replace(data, known=known))
        if not np.isfinite(anew.cost).all():
            break
        other = _search(anew, data, one_eps, noise)
        if not np.sum(other.cost / noise**2) < np.sum(best.cost / noise**2) - LEAST_GAIN:
            break
        best = other
    return best


def _search(each: Fit, data: Measurements, one_eps: bool, noise: Array) -> Fit:
    """The local optimum reached from the fit ``each``, in which more may be held fixed."""
    layout = _SharedParameters.of(data.known, one_eps, data.own_lam)
    every = np.arange(len(data.w))
    problems = Problems(np.zeros_like(every), each.branch, every, each.parameters)
    of_rows = vectorised_model([each.trajectory], data, problems)

    def over_noise(parameters: Array) -> tuple[Array, Array]:
        residuals, slopes = of_rows(parameters, every)
        return residuals / noise[:, None], slopes / noise[:, None, None]

    def model(shared: Array, _: Indices) -> tuple[Array, Array]:
        residuals, slopes = over_noise(layout.spread(shared[0]))
        return residuals.reshape(1, -1), (slopes @ layout.design).reshape(1, residuals.size, -1)

    start = layout.start(each.parameters)[None]
    free = np.ones(start.shape, dtype=bool)
    found = least_squares(model, start, free, float(np.sum(data.floor / noise**2)))
    shared, covariance = found.parameters[0], inverse(found.normal, free)[0]
    parameters = layout.spread(shared)
    with np.errstate(all="ignore"):
        residuals, slopes = over_noise(parameters)
        cost = np.maximum(noise**2 * np.sum(residuals**2, axis=1), data.floor)
    return Fit(
        each.trajectory,
        data,
        parameters,
        each.branch,
        cost,
        layout.of_rows(covariance) / (noise**2)[:, None, None],
        np.full(len(every), start.size / len(every)),
        (float(shared[-1]), float(covariance[-1, -1])) if layout.shares[:, 0].any() else None,
        *_determined_by_others(parameters, residuals, slopes, np.isnan(data.known), layout.shares),
    )


def _determined_by_others(
    parameters: Array,
    residuals: Array,
    slopes: Array,
    free: NDArray[np.bool_],
    shares: NDArray[np.bool_],
) -> tuple[Array, Array]:
    """Mean and precision of a row's shared parameters, as all other rows determine them.

    At the joint optimum the gradients of a row and of all others cancel, so the row's gradient over
    their precision is the distance to the optimum of the others.
    """
    with np.errstate(all="ignore"):
        gradient = np.einsum("rni,rn->ri", slopes, residuals)
        variance = np.einsum("rii->ri", inverse(slopes.swapaxes(1, 2) @ slopes, free))
        own = np.where(shares & (variance > 0.0), 1.0 / variance, 0.0)
        precision = np.where(shares, own.sum(axis=0) - own, 0.0)
        mean = np.where(precision > 0.0, parameters + gradient / precision, parameters)
    return mean, precision


@dataclass(frozen=True)
class _SharedParameters:
    """``parameters = fixed + design @ shared``, for the parameters of each row.

    An unknown clock unit is the last of the shared parameters: ``lam`` on the clock is the known
    ``lam`` times that unit.
    """

    fixed: Array
    design: Array  # shape (rows, 3, shared)
    shares: NDArray[np.bool_]  # which parameters of a row are shared

    @classmethod
    def of(cls, known: Array, one_eps: bool, own_lam: Array) -> _SharedParameters:
        scaled = np.isfinite(own_lam)
        known = np.column_stack([np.where(scaled, own_lam, known[:, 0]), known[:, 1:]])
        unknown = np.isnan(known)
        shares = unknown & [False, False, one_eps]
        shares[:, 0] = scaled
        own = np.eye(known.size)[:, (unknown & ~shares).ravel()].reshape(len(known), 3, -1)
        together = [(shares & (np.arange(3) == i))[..., None] for i in (2, 0) if shares[:, i].any()]
        design = np.concatenate([own, *together], axis=2)
        return cls(np.where(unknown, 0.0, known), design, shares)

    def spread(self, shared: Array) -> Array:
        """The parameters of every row."""
        return self.fixed + self.design @ shared

    def start(self, parameters: Array) -> Array:
        """The mean of the independent fits, for each shared parameter."""
        return np.tensordot(parameters - self.fixed, self.design) / self.design.sum(axis=(0, 1))

    def of_rows(self, covariance: Array) -> Array:
        """The covariance of each row's three parameters, ``lam`` in the units of the known ones."""
        design = self.design.copy()
        if self.shares[:, 0].any():
            design[:, 0, -1] -= 1.0
        known = np.where(np.isfinite(covariance), covariance, HUGE)
        spread = design @ known @ design.swapaxes(1, 2)
        return np.where(np.abs(spread) >= HUGE, np.inf, spread)

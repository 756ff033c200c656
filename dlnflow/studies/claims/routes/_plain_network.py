"""A deep linear network with its own forward and backward pass, integrated by SciPy's LSODA.

Shares no code with the rest of the library and uses no theory of modes. Its input is covariances
and initial layers; the amplitude along a direction ``b`` is ``|Wbar b|``. A mode counts as learned
at a fraction of the network's *own* final amplitude, or when a linear probe reads half of it. Times
are on the paper's clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from dlnflow.studies.claims.routes import target_layer

Array = NDArray[np.float64]

RTOL, ATOL = 1e-9, 1e-13
SETTLED = 1e-3  # relative change over the last tenth of a run of a mode at rest
PATIENCE = 8  # how often the training time is doubled
HALF = 0.5  # R2 of a feature that counts as learned


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained network: amplitudes along given directions over time.

    Attributes
    ----------
    t : array, shape (times,)
        The solver's own steps, on the paper's clock.
    w : array, shape (modes, times)
        ``|Wbar b|`` for each direction.
    encoders : array, shape (times, width, d)
        ``Wbar``.
    """

    t: Array
    w: Array
    encoders: Array

    @property
    def encoder(self) -> Array:
        """The final ``Wbar``."""
        return np.asarray(self.encoders[-1])

    @property
    def settled(self) -> NDArray[np.bool_]:
        """Which modes are at rest, shape (modes,)."""
        earlier = self.w[:, np.searchsorted(self.t, 0.9 * self.t[-1])]
        return np.abs(earlier / self.w[:, -1] - 1.0) < SETTLED

    def times(self, p: float = 0.5) -> Array:
        """Time at which each mode first reaches the fraction ``p`` of its final amplitude."""
        return np.array([_crossing(self.t, one, p * one[-1]) for one in self.w])

    def readable_times(self, xx: Array, filters: Array, sigma: Array) -> Array:
        """Time at which a probe first reads half of each feature, as `readable_times`."""
        return readable_times(self.t, probe_r2(self.encoders, xx, filters, sigma))


def orthogonal_layers(d: int, layers: int, scale: float, seed: int) -> list[Array]:
    """Layers that are ``scale`` times orthogonal matrices, with the product ``scale**N I``.

    Each matrix is the transpose of its mirror image in the sequence. With an odd number of layers
    the first is the identity.
    """
    random = np.random.default_rng(seed)
    weights: list[Array] = []
    for place in range(layers // 2):
        turn = np.linalg.qr(random.normal(size=(d, d)))[0]
        weights[place:place] = [turn, turn.T]
    if layers % 2:
        weights.insert(0, np.eye(d))
    return [scale * one for one in weights]


def aligned_layers(
    d: int,
    L: int,
    eps: float,
    objective: str = "jepa",
    decoder_depth: int = 1,
    seed: int | None = 0,
) -> list[Array]:
    """Balanced orthogonal initialisation with prediction and target aligned: ``wbar(0) = eps``.

    The bases are random, or the coordinate axes if ``seed`` is None. In the latter case zeros stay
    exactly 0, and no rounding error grows between modes.
    """
    scale = eps ** (1.0 / L)
    if seed is None:
        return [scale * np.eye(d)] * (L + decoder_depth)
    before = target_layer(objective, L)
    random = np.random.default_rng(seed)
    first = [scale * np.linalg.qr(random.normal(size=(d, d)))[0] for _ in range(before)]
    return first + orthogonal_layers(d, L + decoder_depth - before, scale, seed + 1)


def train(
    sigma_xx: ArrayLike,
    sigma_yx: ArrayLike,
    initial: Sequence[Array],
    L: int,
    objective: str,
    until: float,
    basis: Array | None = None,
) -> Trained:
    """Gradient flow on the population loss up to the time ``until`` (paper's clock)."""
    xx, yx = np.asarray(sigma_xx, float), np.asarray(sigma_yx, float)
    shapes = [one.shape for one in initial]
    cuts = np.cumsum([one.size for one in initial])[:-1]
    m = target_layer(objective, L)

    def unpacked(state: Array) -> list[Array]:
        return [part.reshape(s) for part, s in zip(np.split(state, cuts), shapes, strict=True)]

    def descent(_: float, state: Array) -> Array:
        weights = unpacked(state)
        passed = [np.eye(len(xx))]
        for weight in weights:
            passed.append(weight @ passed[-1])
        error = passed[-1] @ xx - passed[m] @ yx  # of E[(prediction - frozen target) x^T]
        gradients = []
        for weight, before in zip(reversed(weights), reversed(passed[:-1]), strict=True):
            gradients.append(error @ before.T)
            error = weight.T @ error
        return -np.concatenate([g.ravel() for g in reversed(gradients)])

    solved = solve_ivp(
        descent,
        (0.0, until / L),
        np.concatenate([one.ravel() for one in initial]),
        "LSODA",
        rtol=RTOL,
        atol=ATOL,
    )
    if solved.status < 0:
        raise RuntimeError(f"solve_ivp failed: {solved.message}")
    directions = np.eye(len(xx)) if basis is None else basis
    encoders = np.array(
        [np.linalg.multi_dot([np.eye(len(xx)), *unpacked(y)[:L][::-1]]) for y in solved.y.T]
    )
    w = np.linalg.norm(encoders @ directions, axis=1).T
    return Trained(L * solved.t, w, encoders)


def times(
    objective: str,
    lam: ArrayLike,
    rho: ArrayLike,
    L: int,
    eps: float,
    *,
    until: float,
    p: float = 0.5,
    decoder_depth: int = 1,
    seed: int | None = 0,
) -> Array:
    """Critical times of a balanced network trained on all modes at once, shape (modes,).

    The training time ``until`` is doubled until all modes are at rest.
    """
    lam, rho = np.broadcast_arrays(np.atleast_1d(np.asarray(lam, float)), np.asarray(rho, float))
    initial = aligned_layers(lam.size, L, eps, objective, decoder_depth, seed)
    return settled(np.diag(lam / rho), np.diag(lam), initial, L, objective, until).times(p)


def settled(
    sigma_xx: ArrayLike,
    sigma_yx: ArrayLike,
    initial: Sequence[Array],
    L: int,
    objective: str,
    until: float,
    basis: Array | None = None,
) -> Trained:
    """As `train`, with the training time doubled until all modes are at rest."""
    for _ in range(PATIENCE):
        made = train(sigma_xx, sigma_yx, initial, L, objective, until, basis)
        if made.settled.all():
            return made
        until *= 2.0
    raise RuntimeError(f"the network is not at rest after time {until / 2.0:g}")


def probe_r2(encoder: Array, xx: Array, filters: Array, sigma: Array) -> Array:
    """``c^T (C + sigma**2)^-1 c`` for each filter ``v`` and its noise, shape (..., filters).

    With ``G = Wbar^T Wbar`` and the pattern ``a = Sigma_xx v`` it equals
    ``a^T G (Sigma_xx G + sigma**2)^-1 a``, where the matrix has the size of the input.

    Parameters
    ----------
    encoder : array, shape (..., width, d)
    filters : array, shape (d, filters)
        Of any scale.
    sigma : array, shape (filters,)
    """
    gram = np.swapaxes(encoder, -1, -2) @ encoder
    r2 = []
    for v, noise in zip(filters.T, sigma, strict=True):
        a = xx @ v / np.sqrt(v @ xx @ v)
        solved = np.linalg.solve(xx @ gram + noise**2 * np.eye(len(xx)), a[:, None])
        r2.append((a[None] @ gram @ solved)[..., 0, 0])
    return np.stack(r2, axis=-1)


def readable_times(t: Array, r2: Array) -> Array:
    """First time at which each feature has ``R2 = 1/2``; infinite if it never does.

    ``r2`` has shape (times, ..., features). Of an aligned mode ``sqrt(R2 / (1 - R2))`` is the
    amplitude, in units of that at which the mode is learned.
    """
    curves = np.sqrt(r2 / (1.0 - r2)).reshape(len(t), -1).T
    return np.array([_crossing(t, one, 1.0) for one in curves]).reshape(r2.shape[1:])


def descend(
    xx: Array,
    yx: Array,
    initial: Sequence[Array],
    L: int,
    objective: str,
    lr: float,
    records: NDArray[np.int64],
) -> Array:
    """Gradient descent on the population loss of many networks at once.

    Each layer has shape (networks, rows, columns). Returns ``Wbar`` after the rising numbers of
    steps ``records``, shape (times, networks, width, d).
    """
    weights, kept, target = [one.copy() for one in initial], [], target_layer(objective, L)
    shown = set(records.tolist())
    for step in range(int(records[-1]) + 1):
        passed = [np.broadcast_to(np.eye(len(xx)), (len(weights[0]), *xx.shape))]
        for weight in weights:
            passed.append(weight @ passed[-1])
        if step in shown:
            kept.append(passed[L])
        error = passed[-1] @ xx - passed[target] @ yx
        for place in reversed(range(len(weights))):
            gradient = error @ np.swapaxes(passed[place], -1, -2)
            error = np.swapaxes(weights[place], -1, -2) @ error
            weights[place] -= lr * gradient
    return np.array(kept)


def _crossing(t: Array, w: Array, level: float) -> float:
    """First crossing of a level, by a cubic in ``log w`` through four steps of the solver."""
    above = np.flatnonzero(w >= level)
    if not above.size:
        return float("inf")
    i = int(above[0])
    if i == 0:
        return float(t[0])
    around = slice(max(0, i - 2), i + 2)
    shape = np.polynomial.Polynomial.fit(t[around], np.log(w[around]), len(t[around]) - 1)
    return float(brentq(lambda s: shape(s) - np.log(level), t[i - 1], t[i]))

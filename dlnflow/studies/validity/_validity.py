"""Maps of validity: how far prediction and network part as one assumption is broken by degrees.

Each function breaks one assumption, all others being met, and returns a `ValidityMap`: a table, the
exponent with which the error grows where it has one, and ``plot()``. An interrupt (Ctrl-C) ends it
early with what was measured; any other exception on the way propagates with that as its attribute
``map``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dlnflow._common import _validate
from dlnflow._common._progress import Report
from dlnflow.data._spectrum import Spectrum
from dlnflow.network._compare import compare
from dlnflow.network._data import covariances
from dlnflow.network._flow import gradient_flow
from dlnflow.network._initialise import balanced, gaussian, misaligned, rotation, unbalanced
from dlnflow.network._run import finished
from dlnflow.network._stability import largest_stable_rate
from dlnflow.studies._worlds import World
from dlnflow.studies.validity._mapping import (
    BOTH,
    DEPTH,
    EPS,
    LAM,
    LEAST_PLATEAU,
    PATIENCE,
    RHO,
    ValidityMap,
    aligned_start,
    descent,
    errors_of,
    flow,
    map_of,
    published_error,
    seed,
    typical,
)
from dlnflow.theory._critical_time import critical_time
from dlnflow.theory._objective import Objective, as_objectives


def commuting(
    angles: ArrayLike = (0.003, 0.01, 0.03, 0.1, 0.2, 0.4, 0.8),
    *,
    objective: Any = BOTH,
    rng: int = 0,
    progress: Report = False,
) -> ValidityMap:
    """Commuting covariances: the modes of ``Sigma_yx`` turned away from those of ``Sigma_xx``.

    Parameters
    ----------
    angles : array
        By how much, in radians; positive.
    objective : str, Objective or several
    rng : int
        Seed of bases and rotations.
    progress : bool or callable
        As for `dlnflow.network.gradient_flow`.

    Returns
    -------
    ValidityMap
        ``x`` is the relative commutator, the column ``beside`` the share of ``Sigma_yx`` off the
        diagonal, in size (`dlnflow.Spectrum`).

    Raises
    ------
    ValueError, TypeError
        For values out of range.

    Examples
    --------
    >>> from dlnflow.studies.validity import _validity as validity
    >>> validity.commuting([0.01, 0.03, 0.1], objective="mae").exponents["mae"] > 0.8
    True
    """
    random = np.random.default_rng(seed(rng))
    world = World.of(LAM, RHO, random)
    axis = int(random.integers(2**31))

    def measure(angle: float, one: Objective) -> dict[str, float]:
        turn = rotation(world.lam.size, angle, np.random.default_rng(axis))
        sigma_yx = turn @ world.sigma_yx @ turn.T
        made = flow(world.sigma_xx, sigma_yx, one)
        spectrum = made.spectrum
        beside = spectrum.off_diagonal**0.5
        return {"x": spectrum.commutator, "angle": angle, "beside": beside, **errors_of(made)}

    values = _validate.positive("angles", angles).ravel()
    return map_of(
        "commuting covariances",
        "commutator of the covariances",
        values,
        objective,
        measure,
        progress,
    )


def balance(
    imbalances: ArrayLike = (0.003, 0.01, 0.03, 0.1, 0.3, 0.6, 1.0),
    *,
    objective: Any = BOTH,
    rng: int = 0,
    progress: Report = False,
) -> ValidityMap:
    """The balance of the layers at the start, at the same ``wbar(0)``.

    Parameters
    ----------
    imbalances : array
        As for `dlnflow.network.unbalanced`; positive.
    objective, rng, progress
        As for `commuting`.

    Returns
    -------
    ValidityMap
        ``x`` is `dlnflow.network.Network.imbalance`.

    Raises
    ------
    ValueError, TypeError
        For values out of range.

    Examples
    --------
    >>> from dlnflow.studies.validity import _validity as validity
    >>> round(validity.balance([0.003, 0.01, 0.03], objective="jepa").exponents["jepa"], 1)
    1.0
    """
    random = np.random.default_rng(seed(rng))
    world = World.of(LAM, RHO, random)

    def measure(imbalance: float, one: Objective) -> dict[str, float]:
        settings: dict[str, Any] = {"eps": EPS, "objective": one, "rng": rng}
        net = unbalanced(world.sigma_xx, world.sigma_yx, DEPTH, imbalance=imbalance, **settings)
        made = flow(world.sigma_xx, world.sigma_yx, one, net)
        return {"x": net.imbalance, "parameter": imbalance, **errors_of(made)}

    values = _validate.positive("imbalances", imbalances).ravel()
    return map_of(
        "balanced layers", "imbalance of the layers", values, objective, measure, progress
    )


def alignment(
    angles: ArrayLike = (0.003, 0.01, 0.03, 0.1, 0.3, 0.6, 1.0),
    *,
    objective: Any = BOTH,
    rng: int = 0,
    progress: Report = False,
) -> ValidityMap:
    """The alignment of the layers at the start, which stay balanced.

    Parameters
    ----------
    angles : array
        As for `dlnflow.network.misaligned`; positive.
    objective, rng, progress
        As for `commuting`.

    Returns
    -------
    ValidityMap
        ``x`` is the angle, in radians.

    Raises
    ------
    ValueError, TypeError
        For values out of range.

    Examples
    --------
    >>> from dlnflow.studies.validity import _validity as validity
    >>> made = validity.alignment([0.01, 0.03, 0.1], objective="mae")
    >>> round(made.exponents["mae"])
    2
    """
    world = World.of(LAM, RHO, np.random.default_rng(seed(rng)))

    def measure(angle: float, one: Objective) -> dict[str, float]:
        settings: dict[str, Any] = {"eps": EPS, "objective": one, "rng": rng}
        net = misaligned(world.sigma_xx, world.sigma_yx, DEPTH, angle=angle, **settings)
        return {"x": angle, **errors_of(flow(world.sigma_xx, world.sigma_yx, one, net))}

    values = _validate.positive("angles", angles).ravel()
    return map_of("aligned layers", "misalignment (radians)", values, objective, measure, progress)


def initialisation(
    eps: ArrayLike = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
    *,
    objective: Any = BOTH,
    seeds: int = 3,
    rng: int = 0,
    progress: Report = False,
) -> ValidityMap:
    """The scale of a Gaussian initialisation, and beside it that of the published formulas.

    Parameters
    ----------
    eps : array
        Scales.
    objective, rng, progress
        As for `commuting`.
    seeds : int
        Networks at each scale, whose median error is taken.

    Returns
    -------
    ValidityMap
        ``x`` is ``eps``. ``time_error`` is that of the closed form for a Gaussian start; the column
        ``published_error`` that of the paper's formula for a balanced one.

    Raises
    ------
    ValueError, TypeError
        For values out of range.

    Examples
    --------
    >>> from dlnflow.studies.validity import _validity as validity
    >>> made = validity.initialisation([1e-3, 1e-2], objective="mae", seeds=1)
    >>> made.table["published_error"].round(2).tolist()
    [0.04, 0.15]
    """
    world = World.of(LAM, RHO, np.random.default_rng(seed(rng)))
    count = int(_validate.single("seeds", _validate.depth("seeds", seeds)))

    def measure(start: float, one: Objective) -> dict[str, float]:
        errors = [
            errors_of(
                flow(
                    world.sigma_xx,
                    world.sigma_yx,
                    one,
                    gaussian(world.sigma_xx, world.sigma_yx, DEPTH, eps=start, rng=rng + repeat),
                    eps=start,
                    spare=PATIENCE,
                )
            )
            for repeat in range(count)
        ]
        return {"x": start, **typical(errors), **published_error(world, one, start)}

    values = _validate.positive("eps", eps).ravel()
    return map_of(
        "small balanced initialisation",
        "scale eps of a Gaussian start",
        values,
        objective,
        measure,
        progress,
    )


def learning_rate(
    shares: ArrayLike = (0.003, 0.01, 0.03, 0.1, 0.3, 0.6, 0.9),
    *,
    objective: Any = BOTH,
    rng: int = 0,
    progress: Report = False,
) -> ValidityMap:
    """The learning rate of full-batch gradient descent.

    Parameters
    ----------
    shares : array
        Rates as shares of the largest stable one; in (0, 1).
    objective, rng, progress
        As for `commuting`.

    Returns
    -------
    ValidityMap
        ``x`` is the share. The columns ``predicted_overlap`` and ``measured_overlap`` say how much
        of their learning neighbouring modes share (`dlnflow.network.Comparison.overlap`).

    Raises
    ------
    ValueError, TypeError
        For values out of range.

    Examples
    --------
    >>> from dlnflow.studies.validity import _validity as validity
    >>> power = validity.learning_rate([0.003, 0.01, 0.03], objective="mae").exponents["mae"]
    >>> round(power, 1)
    1.0
    """
    random = np.random.default_rng(seed(rng))
    world = World.of(LAM, RHO, random)

    def measure(share: float, one: Objective) -> dict[str, float]:
        net = aligned_start(world, one, rng)
        stable = largest_stable_rate(net, world.sigma_xx, world.sigma_yx, one)
        made = descent(world, one, net, lr=share * stable)
        predicted, measured = made.overlap
        return {
            "x": share,
            "lr": share * stable,
            **errors_of(made),
            "predicted_overlap": predicted,
            "measured_overlap": measured,
        }

    values = _validate.fraction("shares", shares).ravel()
    return map_of(
        "small learning rate",
        "learning rate over the largest stable one",
        values,
        objective,
        measure,
        progress,
    )


def samples(
    counts: ArrayLike = (100, 300, 1000, 3000, 10_000, 100_000),
    *,
    objective: Any = BOTH,
    seeds: int = 5,
    rng: int = 0,
    progress: Report = False,
) -> ValidityMap:
    """The number of samples: networks trained on them, predicted from the population.

    Parameters
    ----------
    counts : array of int
        Numbers of samples.
    objective, rng, progress
        As for `commuting`.
    seeds : int
        Samples of each size, whose median error is taken.

    Returns
    -------
    ValidityMap
        ``x`` is ``n / d``, samples per dimension.

    Raises
    ------
    ValueError, TypeError
        For values out of range.

    Examples
    --------
    >>> from dlnflow.studies.validity import _validity as validity
    >>> made = validity.samples([1000, 100_000], objective="mae", seeds=1)
    >>> bool(made.table["time_error"].iloc[0] > made.table["time_error"].iloc[1])
    True
    """
    random = np.random.default_rng(seed(rng))
    world = World.of(LAM, RHO, random)
    population = Spectrum.from_covariances(world.sigma_xx, world.sigma_yx)
    repeats = int(_validate.single("seeds", _validate.depth("seeds", seeds)))

    def measure(count: float, one: Objective) -> dict[str, float]:
        errors = []
        for repeat in range(repeats):
            draw = np.random.default_rng([rng, int(count), repeat])
            data = covariances(*world.sample(int(count), draw))
            errors.append(
                errors_of(flow(*data, one, aligned_start(world, one, rng), spectrum=population))
            )
        return {"x": count / world.lam.size, "n": count, **typical(errors)}

    values = _validate.depth("counts", counts).ravel().astype(np.float64)
    if (values <= len(LAM)).any():
        raise ValueError(f"counts must exceed the dimension, {len(LAM)}: got {int(values.min())}")
    return map_of("infinite data", "samples per dimension", values, objective, measure, progress)


def ema(
    decays: ArrayLike = (0.0, 0.9, 0.97, 0.99, 0.997, 0.999, 0.9997),
    *,
    objective: Any = "jepa",
    lr: float = 0.02,
    rng: int = 0,
    progress: Report = False,
) -> ValidityMap:
    """The decay of an EMA target encoder.

    Parameters
    ----------
    decays : array
        In [0, 1).
    objective : str, Objective or several
        With a target behind at least one layer.
    lr : float
        Learning rate, small, so that the decay is all that differs from the flow.
    rng, progress
        As for `commuting`.

    Returns
    -------
    ValidityMap
        ``x`` is the time over which the target lags, ``lr / (1 - decay)`` on the network clock, as
        a share of the first mode's critical time.

    Raises
    ------
    ValueError, TypeError
        For values out of range.

    Examples
    --------
    >>> from dlnflow.studies.validity import _validity as validity
    >>> made = validity.ema([0.9, 0.999], lr=0.05)
    >>> bool(made.table["time_error"].iloc[0] < made.table["time_error"].iloc[1])
    True
    """
    random = np.random.default_rng(seed(rng))
    world = World.of(LAM, RHO, random)

    def measure(decay: float, one: Objective) -> dict[str, float]:
        made = descent(world, one, aligned_start(world, one, rng), lr=lr, ema=decay)
        lag = lr / (1.0 - decay) / float(made.predicted_time.min())
        return {"x": lag, "decay": decay, **errors_of(made)}

    values = _validate.not_negative("decays", decays).ravel()
    if (values >= 1.0).any():
        raise ValueError(f"decays must lie in [0, 1): got {values.max():g}")
    if any(one.target_layer == 0 for one in as_objectives(objective)):
        raise ValueError("objective must have its target behind a layer: got 'mae'")
    _validate.positive("lr", lr)
    lagging = "lag of the EMA target over the first critical time"
    return map_of("target encoder without lag", lagging, values, objective, measure, progress)


def decoder_depth(
    depths: ArrayLike = (1, 2, 3, 4),
    *,
    objective: Any = BOTH,
    eps: float = 0.05,
    rng: int = 0,
    progress: Report = False,
) -> ValidityMap:
    """The decoder's depth, against the paper's theory, which has one layer, and the closed form.

    Parameters
    ----------
    depths : array of int
        Decoder depths.
    objective, rng, progress
        As for `commuting`.
    eps : float
        Initial amplitude; a deep decoder takes very long from a small one.

    Returns
    -------
    ValidityMap
        ``x`` is ``P``. ``time_error`` is that of the prediction for one decoder layer; the column
        ``own_error`` that of the closed form for ``P``.

    Raises
    ------
    ValueError, TypeError
        For values out of range.

    Examples
    --------
    >>> from dlnflow.studies.validity import _validity as validity
    >>> made = validity.decoder_depth([1, 2], objective="mae")
    >>> made.table["time_error"].round(2).tolist(), bool(made.table["own_error"].max() < 1e-4)
    ([0.0, 1.86], True)
    """
    world = World.of(LAM, RHO, np.random.default_rng(seed(rng)))

    def measure(depth: float, one: Objective) -> dict[str, float]:
        net = balanced(
            world.sigma_xx,
            world.sigma_yx,
            DEPTH,
            eps=eps,
            objective=one,
            decoder_depth=int(depth),
            rng=rng,
        )
        made = compare(finished(gradient_flow(net, world.sigma_xx, world.sigma_yx, one)))
        spectrum = made.spectrum
        single = critical_time(spectrum.lam, spectrum.rho, DEPTH, eps=eps, objective=one)
        own = errors_of(made)
        error = float(np.abs(made.measured_time / single - 1.0).max())
        return {
            "x": depth,
            "time_error": error,
            "deviation": own["deviation"],
            "own_error": own["time_error"],
        }

    values = _validate.depth("depths", depths).ravel().astype(np.float64)
    if not 0.0 < eps < 0.5 * LEAST_PLATEAU:
        raise ValueError(
            f"eps must lie in (0, {0.5 * LEAST_PLATEAU:.3g}), below half of each plateau: got {eps}"
        )
    return map_of("one decoder layer", "decoder depth P", values, objective, measure, progress)


MAPS: dict[str, Callable[..., ValidityMap]] = {
    "commuting": commuting,
    "balance": balance,
    "alignment": alignment,
    "initialisation": initialisation,
    "learning_rate": learning_rate,
    "samples": samples,
    "ema": ema,
    "decoder_depth": decoder_depth,
}

"""Maps of validity: how the error of the prediction grows as one assumption is violated more.

Each public function violates one assumption, while all others hold, and returns a `ValidityMap`: a
table, the exponent with which the error grows (if it has one), and ``plot()``. All take
``objective`` (one or several), ``rng`` (a non-negative integer, 0 by default: the seed of bases and
networks) and ``progress`` (as `dlnflow.network.gradient_flow`). An interrupt (Ctrl-C) ends a map
early with what was measured. Any other exception propagates; its attribute ``map`` is the partial
map.
"""

from __future__ import annotations

from collections.abc import Callable

from numpy.typing import ArrayLike

from dlnflow._common import _validate
from dlnflow._common._progress import ProgressOption
from dlnflow.studies.validity._mapping import LAM, ValidityMap
from dlnflow.studies.validity._measures import LARGEST_EPS, SWEEPS
from dlnflow.theory._objective import Objectives, as_objectives

BOTH = ("jepa", "mae")


def commuting(
    angles: ArrayLike = (0.003, 0.01, 0.03, 0.1, 0.2, 0.4, 0.8),
    *,
    objective: Objectives = BOTH,
    rng: int = 0,
    progress: ProgressOption = False,
) -> ValidityMap:
    """Violate commutation: turn the modes of ``Sigma_yx`` away from those of ``Sigma_xx``.

    Parameters
    ----------
    angles : array
        In radians; positive.
    objective, rng, progress
        As for all maps: the objectives, the seed, progress on screen.

    Returns
    -------
    ValidityMap
        ``x`` is the relative commutator, the column ``beside`` the share of ``Sigma_xx`` off the
        diagonal in the basis of ``Sigma_yx``, in size (`dlnflow.Spectrum`).

    Raises
    ------
    ValueError, TypeError
        For values out of range.

    Examples
    --------
    >>> from dlnflow.studies import validity
    >>> validity.commuting([0.03, 0.1, 0.2], objective="mae").exponents["mae"] > 1.5
    True
    """
    return SWEEPS["commuting"].run(_validate.positive("angles", angles), objective, rng, progress)


def balance(
    imbalances: ArrayLike = (0.003, 0.01, 0.03, 0.1, 0.3, 0.6, 1.0),
    *,
    objective: Objectives = BOTH,
    rng: int = 0,
    progress: ProgressOption = False,
) -> ValidityMap:
    """Violate balance: scale the layers differently at the initialisation, at the same ``wbar(0)``.

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
    >>> from dlnflow.studies import validity
    >>> round(validity.balance([0.003, 0.01, 0.03], objective="jepa").exponents["jepa"], 1)
    1.0
    """
    values = _validate.positive("imbalances", imbalances)
    return SWEEPS["balance"].run(values, objective, rng, progress)


def alignment(
    angles: ArrayLike = (0.003, 0.01, 0.03, 0.1, 0.3, 0.6, 1.0),
    *,
    objective: Objectives = BOTH,
    rng: int = 0,
    progress: ProgressOption = False,
) -> ValidityMap:
    """Violate alignment: rotate the output of a network that stays balanced.

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
    >>> from dlnflow.studies import validity
    >>> made = validity.alignment([0.01, 0.03, 0.1], objective="mae")
    >>> round(made.exponents["mae"])
    2
    """
    return SWEEPS["alignment"].run(_validate.positive("angles", angles), objective, rng, progress)


def initialisation(
    eps: ArrayLike = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
    *,
    objective: Objectives = BOTH,
    seeds: int = 3,
    rng: int = 0,
    progress: ProgressOption = False,
) -> ValidityMap:
    """Use a Gaussian initialisation of any scale in place of a small balanced one.

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
        ``x`` is ``eps``. ``time_error`` is that of the closed form for a Gaussian initialisation;
        the column ``published_error`` that of the paper's formula for a balanced one.

    Raises
    ------
    ValueError, TypeError
        For values out of range.

    Examples
    --------
    >>> from dlnflow.studies import validity
    >>> made = validity.initialisation([1e-3, 1e-2], objective="mae", seeds=1)
    >>> made.table["published_error"].round(2).tolist()
    [0.04, 0.15]
    """
    repeats = _whole("seeds", seeds)
    values = _validate.positive("eps", eps)
    return SWEEPS["initialisation"].run(values, objective, rng, progress, repeats=repeats)


def learning_rate(
    shares: ArrayLike = (0.003, 0.01, 0.03, 0.1, 0.3, 0.6, 0.9),
    *,
    objective: Objectives = BOTH,
    rng: int = 0,
    progress: ProgressOption = False,
) -> ValidityMap:
    """Violate gradient flow: train by gradient descent with a large learning rate.

    Parameters
    ----------
    shares : array
        Learning rates as shares of the largest stable one; in (0, 1).
    objective, rng, progress
        As for `commuting`.

    Returns
    -------
    ValidityMap
        ``x`` is the share. The columns ``predicted_overlap`` and ``measured_overlap`` are the
        overlap of the learning windows of neighbouring modes
        (`dlnflow.network.Comparison.overlap`).

    Raises
    ------
    ValueError, TypeError
        For values out of range.

    Examples
    --------
    >>> from dlnflow.studies import validity
    >>> power = validity.learning_rate([0.003, 0.01, 0.03], objective="mae").exponents["mae"]
    >>> round(power, 1)
    1.0
    """
    return SWEEPS["learning_rate"].run(
        _validate.fraction("shares", shares), objective, rng, progress
    )


def samples(
    counts: ArrayLike = (100, 300, 1000, 3000, 10_000, 100_000),
    *,
    objective: Objectives = BOTH,
    seeds: int = 5,
    rng: int = 0,
    progress: ProgressOption = False,
) -> ValidityMap:
    """Violate infinite data: train on samples, and predict from the population.

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
    >>> from dlnflow.studies import validity
    >>> made = validity.samples([1000, 100_000], objective="mae", seeds=1)
    >>> bool(made.table["time_error"].iloc[0] > made.table["time_error"].iloc[1])
    True
    """
    repeats = _whole("seeds", seeds)
    values = _validate.depth("counts", counts)
    if (values <= len(LAM)).any():
        raise ValueError(f"counts must exceed the dimension, {len(LAM)}: got {int(values.min())}")
    return SWEEPS["samples"].run(values, objective, rng, progress, repeats=repeats)


def ema(
    decays: ArrayLike = (0.0, 0.9, 0.97, 0.99, 0.997, 0.999, 0.9997),
    *,
    objective: Objectives = "jepa",
    lr: float = 0.02,
    rng: int = 0,
    progress: ProgressOption = False,
) -> ValidityMap:
    """Let the target encoder lag: an exponential moving average (EMA) of the online encoder.

    Parameters
    ----------
    decays : array
        In [0, 1).
    objective : str, Objective or several
        With a target behind at least one layer.
    lr : float
        Learning rate, small, so that only the decay differs from the flow.
    rng, progress
        As for `commuting`.

    Returns
    -------
    ValidityMap
        ``x`` is the time by which the target lags, ``lr / (1 - decay)`` on the network clock, as
        a share of the first mode's critical time.

    Raises
    ------
    ValueError, TypeError
        For values out of range.

    Examples
    --------
    >>> from dlnflow.studies import validity
    >>> made = validity.ema([0.9, 0.999], lr=0.05)
    >>> bool(made.table["time_error"].iloc[0] < made.table["time_error"].iloc[1])
    True
    """
    values = _validate.not_negative("decays", decays)
    if (values >= 1.0).any():
        raise ValueError(f"decays must lie in [0, 1): got {values.max():g}")
    if any(one.target_layer == 0 for one in as_objectives(objective)):
        raise ValueError("objective must have its target behind a layer: got 'mae'")
    _validate.positive("lr", lr)
    return SWEEPS["ema"].run(values, objective, rng, progress, lr=lr)


def decoder_depth(
    depths: ArrayLike = (1, 2, 3, 4),
    *,
    objective: Objectives = BOTH,
    eps: float = 0.05,
    rng: int = 0,
    progress: ProgressOption = False,
) -> ValidityMap:
    """Use a deep decoder, for which the prediction for one decoder layer does not hold.

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
        ``x`` is ``P``. ``time_error`` is that of the prediction for one decoder layer, as in the
        paper; the column ``own_error`` that of the closed form for ``P``.

    Raises
    ------
    ValueError, TypeError
        For values out of range.

    Examples
    --------
    >>> from dlnflow.studies import validity
    >>> made = validity.decoder_depth([1, 2], objective="mae")
    >>> made.table["time_error"].round(2).tolist(), bool(made.table["own_error"].max() < 1e-4)
    ([0.0, 1.86], True)
    """
    values = _validate.depth("depths", depths)
    if not 0.0 < eps < LARGEST_EPS:
        raise ValueError(
            f"eps must lie in (0, {LARGEST_EPS:.3g}), below half of each plateau: got {eps}"
        )
    return SWEEPS["decoder_depth"].run(values, objective, rng, progress, eps=eps)


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


def _whole(name: str, value: int) -> int:
    return int(_validate.single(name, _validate.depth(name, value)))

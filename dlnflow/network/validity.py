"""Maps of validity: how far prediction and network part as one assumption is broken by degrees.

Each function breaks one assumption, all others being met, and returns a `ValidityMap`: a table, the
exponent with which the error grows where it has one, and ``plot()``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow import _validate
from dlnflow.critical_time import critical_time
from dlnflow.network._compare import Comparison, compare
from dlnflow.network._data import covariances
from dlnflow.network._descent import gradient_descent
from dlnflow.network._flow import gradient_flow
from dlnflow.network._initialise import balanced, gaussian, misaligned, rotation, unbalanced
from dlnflow.network._stability import largest_stable_rate
from dlnflow.network._watch import Report, Watch
from dlnflow.network._worlds import World
from dlnflow.objective import Objective, as_objectives
from dlnflow.published import critical_time_published, published
from dlnflow.spectrum import Spectrum

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

LAM, RHO = (1.2, 0.9, 0.65, 0.45), (0.95, 0.88, 0.8, 0.7)  # learned in this order by both
EPS, DEPTH = 1e-2, 2
BOTH = ("jepa", "mae")
FLOOR, CEILING = 1e-5, 0.1  # of errors that a power is fitted to: above interpolation, small
FEWEST = 3  # points for a power
LATE, SPARE = 0.9, 1.5  # trained so many times as long as the last mode takes to that share
PATIENCE = 6.0  # the same for Gaussian starts, which take longer
POINTS = 600


@dataclass(frozen=True, eq=False, repr=False)
class ValidityMap:
    """How the error grows with one broken assumption: an immutable record.

    Attributes
    ----------
    assumption : str
    variable : str
        What is varied: the column ``x`` of the table, in words.
    table : pandas.DataFrame
        Columns ``objective``, ``x``, ``time_error`` (the largest relative error of a critical time,
        infinite where a mode was not learned at all), ``deviation`` (the largest distance of a
        trajectory from its prediction, in plateaus), ``tau`` (Kendall's, of the learning order with
        the predicted one), and what else a map has to say.
    exponents : dict
        By objective: the power of ``x`` with which ``time_error`` grows while it is small, or None
        where there are too few such points.
    """

    assumption: str
    variable: str
    table: pd.DataFrame
    exponents: dict[str, float | None]

    @property
    def finding(self) -> str:
        """In one sentence."""
        said = []
        for name, power in self.exponents.items():
            error = self.table.loc[self.table["objective"] == name, "time_error"]
            known = error[np.isfinite(error)]
            text = "leaves modes unlearned"
            if known.size:
                text = f"off by {known.min():.2g} to {known.max():.2g}"
                text += "" if known.size == error.size else " where all modes are learned"
            power_law = "" if power is None else f", as x**{power:.2f}"
            said.append(f"{name.upper()} {text}{power_law}")
        return f"{self.variable}: {'; '.join(said)}"

    def plot(self, **options: Any) -> Any:
        """The figure; see `dlnflow.plot.validity`."""
        from dlnflow import plot

        return plot.validity(self, **options)

    def __repr__(self) -> str:
        return f"ValidityMap of {self.assumption}; {self.finding}"


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
    >>> from dlnflow.network import validity
    >>> validity.commuting([0.01, 0.03, 0.1], objective="mae").exponents["mae"] > 0.8
    True
    """
    random = _validate.generator("rng", rng)
    world = World.of(LAM, RHO, random)
    axis = int(random.integers(2**31))

    def measure(angle: float, one: Objective) -> dict[str, float]:
        turn = rotation(world.lam.size, angle, np.random.default_rng(axis))
        sigma_yx = turn @ world.sigma_yx @ turn.T
        made = _flow(world.sigma_xx, sigma_yx, one)
        spectrum = made.spectrum
        beside = spectrum.off_diagonal**0.5
        return {"x": spectrum.commutator, "angle": angle, "beside": beside, **_errors(made)}

    values = _validate.positive("angles", angles).ravel()
    table = _table(values, objective, measure, progress)
    return _map("commuting covariances", "commutator of the covariances", table)


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
    >>> from dlnflow.network import validity
    >>> round(validity.balance([0.003, 0.01, 0.03], objective="jepa").exponents["jepa"], 1)
    1.0
    """
    random = _validate.generator("rng", rng)
    world = World.of(LAM, RHO, random)

    def measure(imbalance: float, one: Objective) -> dict[str, float]:
        settings: dict[str, Any] = {"eps": EPS, "objective": one, "rng": rng}
        net = unbalanced(world.sigma_xx, world.sigma_yx, DEPTH, imbalance=imbalance, **settings)
        made = _flow(world.sigma_xx, world.sigma_yx, one, net)
        return {"x": net.imbalance, "parameter": imbalance, **_errors(made)}

    values = _validate.positive("imbalances", imbalances).ravel()
    return _map(
        "balanced layers", "imbalance of the layers", _table(values, objective, measure, progress)
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
    >>> from dlnflow.network import validity
    >>> made = validity.alignment([0.01, 0.03, 0.1], objective="mae")
    >>> round(made.exponents["mae"])
    2
    """
    world = World.of(LAM, RHO, _validate.generator("rng", rng))

    def measure(angle: float, one: Objective) -> dict[str, float]:
        settings: dict[str, Any] = {"eps": EPS, "objective": one, "rng": rng}
        net = misaligned(world.sigma_xx, world.sigma_yx, DEPTH, angle=angle, **settings)
        return {"x": angle, **_errors(_flow(world.sigma_xx, world.sigma_yx, one, net))}

    values = _validate.positive("angles", angles).ravel()
    return _map(
        "aligned layers", "misalignment (radians)", _table(values, objective, measure, progress)
    )


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
    >>> from dlnflow.network import validity
    >>> made = validity.initialisation([1e-3, 1e-2], objective="mae", seeds=1)
    >>> made.table["published_error"].round(2).tolist()
    [0.04, 0.15]
    """
    world = World.of(LAM, RHO, _validate.generator("rng", rng))
    count = int(_validate.single("seeds", _validate.depth("seeds", seeds)))

    def measure(start: float, one: Objective) -> dict[str, float]:
        errors = [
            _errors(
                _flow(
                    world.sigma_xx,
                    world.sigma_yx,
                    one,
                    gaussian(world.sigma_xx, world.sigma_yx, DEPTH, eps=start, rng=rng + seed),
                    eps=start,
                    spare=PATIENCE,
                )
            )
            for seed in range(count)
        ]
        typical = {name: float(np.median([error[name] for error in errors])) for name in errors[0]}
        return {"x": start, **typical, **_published_error(world, one, start)}

    values = _validate.positive("eps", eps).ravel()
    table = _table(values, objective, measure, progress)
    return _map("small balanced initialisation", "scale eps of a Gaussian start", table)


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
    >>> from dlnflow.network import validity
    >>> power = validity.learning_rate([0.003, 0.01, 0.03], objective="mae").exponents["mae"]
    >>> round(power, 1)
    1.0
    """
    random = _validate.generator("rng", rng)
    world = World.of(LAM, RHO, random)

    def measure(share: float, one: Objective) -> dict[str, float]:
        net = _balanced(world, one, rng)
        stable = largest_stable_rate(net, world.sigma_xx, world.sigma_yx, one)
        made = _descent(world, one, net, lr=share * stable)
        predicted, measured = made.overlap
        return {
            "x": share,
            "lr": share * stable,
            **_errors(made),
            "predicted_overlap": predicted,
            "measured_overlap": measured,
        }

    values = _validate.fraction("shares", shares).ravel()
    table = _table(values, objective, measure, progress)
    return _map("small learning rate", "learning rate over the largest stable one", table)


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
    >>> from dlnflow.network import validity
    >>> made = validity.samples([1000, 100_000], objective="mae", seeds=1)
    >>> bool(made.table["time_error"].iloc[0] > made.table["time_error"].iloc[1])
    True
    """
    random = _validate.generator("rng", rng)
    world = World.of(LAM, RHO, random)
    population = Spectrum.from_covariances(world.sigma_xx, world.sigma_yx)
    repeats = int(_validate.single("seeds", _validate.depth("seeds", seeds)))

    def measure(count: float, one: Objective) -> dict[str, float]:
        errors = []
        for seed in range(repeats):
            draw = np.random.default_rng([rng, int(count), seed])
            data = covariances(*world.sample(int(count), draw))
            errors.append(
                _errors(_flow(*data, one, _balanced(world, one, rng), spectrum=population))
            )
        typical = {name: float(np.median([error[name] for error in errors])) for name in errors[0]}
        return {"x": count / world.lam.size, "n": count, **typical}

    values = _validate.depth("counts", counts).ravel().astype(np.float64)
    table = _table(values, objective, measure, progress)
    return _map("infinite data", "samples per dimension", table)


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
    >>> from dlnflow.network import validity
    >>> made = validity.ema([0.9, 0.999], lr=0.05)
    >>> bool(made.table["time_error"].iloc[0] < made.table["time_error"].iloc[1])
    True
    """
    random = _validate.generator("rng", rng)
    world = World.of(LAM, RHO, random)

    def measure(decay: float, one: Objective) -> dict[str, float]:
        made = _descent(world, one, _balanced(world, one, rng), lr=lr, ema=decay)
        lag = lr / (1.0 - decay) / float(made.predicted_time.min())
        return {"x": lag, "decay": decay, **_errors(made)}

    values = _validate.not_negative("decays", decays).ravel()
    table = _table(values, objective, measure, progress)
    return _map(
        "target encoder without lag", "lag of the EMA target over the first critical time", table
    )


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
    >>> from dlnflow.network import validity
    >>> made = validity.decoder_depth([1, 2], objective="mae")
    >>> made.table["time_error"].round(2).tolist(), bool(made.table["own_error"].max() < 1e-4)
    ([0.0, 1.86], True)
    """
    world = World.of(LAM, RHO, _validate.generator("rng", rng))

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
        made = compare(gradient_flow(net, world.sigma_xx, world.sigma_yx, one))
        spectrum = made.spectrum
        single = critical_time(spectrum.lam, spectrum.rho, DEPTH, eps=eps, objective=one)
        own = _errors(made)
        error = float(np.abs(made.measured_time / single - 1.0).max())
        return {
            "x": depth,
            "time_error": error,
            "deviation": own["deviation"],
            "own_error": own["time_error"],
        }

    values = _validate.depth("depths", depths).ravel().astype(np.float64)
    table = _table(values, objective, measure, progress)
    return _map("one decoder layer", "decoder depth P", table)


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


def _balanced(world: World, objective: Objective, rng: int) -> Any:
    return balanced(world.sigma_xx, world.sigma_yx, DEPTH, eps=EPS, objective=objective, rng=rng)


def _end(sigma_xx: Array, sigma_yx: Array, objective: Objective, eps: float) -> float:
    """When, on the network clock, all that is to be learned has been."""
    spectrum = Spectrum.from_covariances(sigma_xx, sigma_yx)
    rising = spectrum.rho > 0.0
    settings: dict[str, Any] = {"eps": eps, "objective": objective, "clock": "network"}
    times = critical_time(spectrum.lam[rising], spectrum.rho[rising], DEPTH, p=LATE, **settings)
    return float(np.max(times))


def _flow(
    sigma_xx: Array,
    sigma_yx: Array,
    objective: Objective,
    net: Any = None,
    *,
    eps: float = EPS,
    spare: float = SPARE,
    spectrum: Spectrum | None = None,
) -> Comparison:
    if net is None:
        net = balanced(sigma_xx, sigma_yx, DEPTH, eps=eps, objective=objective)
    data = Spectrum.from_covariances(sigma_xx, sigma_yx) if spectrum is None else spectrum
    grid = data.simulate(DEPTH, eps=eps, objective=objective, clock="network")[objective].t
    even = np.linspace(0.0, spare * _end(sigma_xx, sigma_yx, objective, eps), POINTS)
    t = np.union1d(even, grid[grid < even[-1]])
    run = gradient_flow(net, sigma_xx, sigma_yx, objective, t, clock="network", rtol=1e-10)
    return compare(run, spectrum=spectrum)


def _descent(
    world: World, objective: Objective, net: Any, *, lr: float, **options: Any
) -> Comparison:
    end = SPARE * _end(world.sigma_xx, world.sigma_yx, objective, EPS)
    run = gradient_descent(
        net,
        world.sigma_xx,
        world.sigma_yx,
        objective,
        lr=lr,
        steps=int(np.ceil(end / lr)),
        record=POINTS,
        clock="network",
        **options,
    )
    return compare(run)


def _published_error(world: World, objective: Objective, eps: float) -> dict[str, float]:
    if not published(objective, 1):
        return {}
    settings: dict[str, Any] = {"eps": eps, "objective": objective}
    head = critical_time_published(world.lam, world.rho, DEPTH, **settings)
    exact = critical_time(world.lam, world.rho, DEPTH, **settings)
    return {"published_error": float(np.abs(head / exact - 1.0).max())}


def _errors(comparison: Comparison) -> dict[str, float]:
    return {
        "time_error": float(np.max(np.abs(comparison.time_error))),
        "deviation": comparison.largest_deviation,
        "tau": comparison.tau,
    }


def _table(
    values: Iterable[float],
    objective: Any,
    measure: Callable[[float, Objective], dict[str, float]],
    progress: Report,
) -> pd.DataFrame:
    import pandas as pd

    objectives = as_objectives(objective)
    jobs = [(one, float(value)) for one in objectives for value in values]
    rows = []
    with Watch(progress, None) as watch:
        for done, (one, value) in enumerate(jobs):
            watch.goes_on(done / len(jobs), partial(str.format, "{}, {:.3g}", one.name, value))
            rows.append({"objective": one.name, **measure(value, one)})
    return pd.DataFrame(rows)


def _map(assumption: str, variable: str, table: pd.DataFrame) -> ValidityMap:
    exponents = {}
    for name, part in table.groupby("objective", sort=False):
        x, error = part["x"].to_numpy(), part["time_error"].to_numpy()
        small = (x > 0.0) & (error > FLOOR) & (error < CEILING)
        fits = int(small.sum()) >= FEWEST
        slope = np.polyfit(np.log(x[small]), np.log(error[small]), 1)[0] if fits else None
        exponents[str(name)] = None if slope is None else float(slope)
    return ValidityMap(assumption, variable, table, exponents)

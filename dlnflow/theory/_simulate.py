"""``simulate`` and the immutable results it returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow._common._frozen import read_only_copy, set_fields
from dlnflow.theory._clock import Clock, label
from dlnflow.theory._critical_time import critical_time_of, log_critical_time_of
from dlnflow.theory._grid import given_grid, resolving_grid
from dlnflow.theory._integrate import ModeEquation
from dlnflow.theory._modes import amplitude_of, learned_fraction_of, velocity_of
from dlnflow.theory._objective import Objective, Objectives, as_objective, as_objectives
from dlnflow.theory._scaled_modes import GivenModes, ValidatedModes, validated

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Array = NDArray[np.float64]

ERRORS = {"exact": (1e-13, 1e-14), "ode": (1e-10, 1e-12)}  # relative, of values and of times
CURVES = ("w", "w_over_plateau", "learned")  # in tables
NOTABLE = 1e-3  # error in value above which the repr says so
SHOWN_MODES = 20  # rows of the table in a notebook


class SimulationOptions(TypedDict, total=False):
    """What `simulate` accepts besides the modes and their depth."""

    eps: ArrayLike
    objective: Objectives
    t: ArrayLike | None
    decoder_depth: ArrayLike
    clock: Clock
    method: str


class PlotOptions(TypedDict, total=False):
    """Options of `dlnflow.plot.simulation`."""

    quantity: str
    time: str
    ax: Any


def simulate(
    lam: ArrayLike,
    rho: ArrayLike,
    L: ArrayLike,
    *,
    eps: ArrayLike = 1e-3,
    objective: Objectives = ("jepa", "mae"),
    t: ArrayLike | None = None,
    decoder_depth: ArrayLike = 1,
    clock: Clock = "paper",
    method: str = "exact",
    variance: ArrayLike | None = None,
) -> Simulation:
    """Trajectories of all modes under one or several objectives.

    Parameters
    ----------
    lam, rho : array
        Covariance and regression coefficient of each mode, of one sign; they broadcast.
    L, eps, decoder_depth, variance : array
        As for `dlnflow.amplitude`; they broadcast with the modes.
    objective : str, Objective or several
        By default both of the paper's.
    t : array, shape (times,), optional
        Finite, not negative, rising. By default each objective gets its own grid, in which every
        mode's transition is resolved; its ``grid`` says how well.
    clock : {"paper", "network"} or Training
        In which times are counted.
    method : {"exact", "ode"}
        The closed form, or SciPy's ``solve_ivp`` on the mode equation (thousands of times slower;
        for checking). `Trajectories.value_error` says how far amplitudes are right.

    Returns
    -------
    Simulation
        A mapping from objective to its `Trajectories`: ``sim["jepa"].w``.

    Raises
    ------
    ValueError, TypeError
        For input out of range, of the wrong kind or of shapes that do not broadcast; the message
        names the argument.

    Notes
    -----
    Sources as for `dlnflow.amplitude`.

    Examples
    --------
    Covariance rises while rho falls, and the objectives learn in opposite order:

    >>> import dlnflow
    >>> sim = dlnflow.simulate(lam=[1.0, 1.3], rho=[0.9, 0.4], L=4)
    >>> sim["jepa"].learning_order().tolist(), sim["mae"].learning_order().tolist()
    ([0, 1], [1, 0])
    >>> sim["jepa"].w.shape == (2, sim["jepa"].t.size)
    True
    """
    _validate.choice("method", method, ("exact", "ode"))
    objectives = as_objectives(objective)
    given = validated(lam, rho, L, eps, decoder_depth, variance).spread()
    every = [given.under(one, clock) for one in objectives]
    times = None if t is None else given_grid(t)
    parts = []
    for one, modes in zip(objectives, every, strict=True):
        grid = resolving_grid(modes) if times is None else times
        exact = method == "exact"
        w = amplitude_of(modes.along_time, grid.t) if exact else _integrated(modes, grid.t)
        axes = read_only_copy(grid.t), read_only_copy(w)
        parts.append(Trajectories(one, clock, method, grid.description, *axes, **vars(given)))
    return Simulation(tuple(parts))


def _integrated(modes: ValidatedModes, t: Array) -> Array:
    """Amplitudes by the mode equation."""
    columns = np.broadcast_arrays(*modes.columns())
    rows = zip(*(column.ravel() for column in columns), strict=True)
    w = [ModeEquation(*map(float, row)).amplitude(t) for row in rows]
    return np.reshape(w, (*modes.rho.shape, t.size))


@dataclass(frozen=True, eq=False, repr=False)
class Trajectories:
    """All modes under one objective: an immutable record.

    Attributes
    ----------
    t : array, shape (times,)
        Time on ``clock``.
    w : array, shape (*modes, times)
        Encoder amplitudes; ``modes`` is the broadcast shape of the arguments.
    lam, rho, L, eps, decoder_depth, variance : array, shape (*modes)
        The modes as given; ``variance`` is None if it was not.
    objective : Objective
    clock : str or Training
    method : str
    grid : str
        How the times were chosen, and how well they resolve the transitions.
    labels : tuple of str, or None
        The features of each mode, of a `Spectrum` with names.

    Examples
    --------
    >>> import dlnflow
    >>> jepa = dlnflow.simulate(1.0, [1.0, 0.5], 2)["jepa"]
    >>> jepa.plateau.tolist(), jepa.critical_time().round(1).tolist()
    ([1.0, 0.25], [22147.0, 23338.3])
    """

    objective: Objective
    clock: Clock
    method: str
    grid: str
    t: Array
    w: Array
    lam: Array
    rho: Array
    L: NDArray[np.int64]
    eps: Array
    decoder_depth: NDArray[np.int64]
    variance: Array | None
    labels: tuple[str, ...] | None = None

    @property
    def time_label(self) -> str:
        """What ``t`` counts, in words."""
        return label(self.clock)

    @cached_property
    def learned(self) -> Array:
        """Learned fraction, shape of ``w``; see `dlnflow.learned_fraction`."""
        if self.method == "exact":
            return read_only_copy(learned_fraction_of(self._modes.along_time, self.t))
        with np.errstate(divide="ignore"):
            power = self.objective.gap(self.L, self.decoder_depth) / self.L
            return read_only_copy(self.w ** power[..., None] / self.rho[..., None])

    @cached_property
    def plateau(self) -> Array:
        """Where each mode comes to rest, shape of the modes; see `dlnflow.plateau`."""
        return read_only_copy(self._modes.plateau)

    @cached_property
    def w_over_plateau(self) -> Array:
        """``w / plateau``, shape of ``w``; NaN for a mode that is not learned.

        Not the learned fraction, which is its power ``k / L``.

        Examples
        --------
        >>> import dlnflow
        >>> jepa = dlnflow.simulate(1.0, 0.5, 3, objective="jepa", t=[80_560.0])["jepa"]
        >>> jepa.w_over_plateau.round(2).tolist(), jepa.learned.round(2).tolist()
        ([0.5], [0.79])
        """
        plateau = np.where(self.plateau > 0.0, self.plateau, np.nan)
        with np.errstate(over="ignore"):
            return read_only_copy(self.w / plateau[..., None])

    @cached_property
    def value_error(self) -> Array:
        """Bound on the relative error of ``w``, its largest over time, shape of the modes.

        Both methods are right for a time that differs from ``t`` by a relative rounding error or
        more (1e-14 for ``"exact"``, 1e-12 for ``"ode"``). Where a transition takes a small part of
        the time before it, that changes ``w`` by much more.

        Examples
        --------
        >>> import dlnflow
        >>> for eps in (1e-2, 1e-8):
        ...     sim = dlnflow.simulate(1.0, 0.5, 3, eps=eps, objective="jepa", method="ode")
        ...     print(f"{sim['jepa'].value_error:.0e}")
        1e-10
        3e-02
        """
        in_value, in_time = ERRORS[self.method]
        speed = velocity_of(self._modes.along_time, self.w)
        moving = self.w > 0.0
        change = np.divide(np.abs(speed) * self.t, self.w, out=np.zeros_like(self.w), where=moving)
        return read_only_copy(np.max(in_value + in_time * change, axis=-1))

    def critical_time(self, p: float = 0.5) -> Array:
        """Exact time to the fraction ``p`` of the plateau, shape of the modes, on ``clock``.

        Computed in closed form from the modes whatever the grid and method; see
        `dlnflow.critical_time`.
        """
        return critical_time_of(self._modes, _validate.fraction("p", p))

    def learning_order(self, p: float = 0.5) -> NDArray[np.intp]:
        """Indices of the (flattened) modes, first learned first; never learned ones come last."""
        fraction = _validate.fraction("p", p)
        times, logarithms = (
            np.ravel(of(self._modes, fraction)) for of in (critical_time_of, log_critical_time_of)
        )
        return np.lexsort((logarithms, times))  # logarithms tell apart what overflows

    def to_dataframe(self) -> pd.DataFrame:
        """One row per mode and time.

        Columns: objective, mode, lam, rho, L, eps, t, w, `w_over_plateau`, learned. After mode also
        the `labels`, if there are any, as features.
        """
        from dlnflow._common._frame import Frame

        times, modes = self.t.size, self.rho.size
        per_mode = {"mode": np.arange(modes)}
        if self.labels is not None:
            per_mode["features"] = np.asarray(self.labels, dtype=object)
        per_mode |= {name: getattr(self, name).ravel() for name in ("lam", "rho", "L", "eps")}
        return Frame(
            {"objective": self.objective.name}
            | {name: np.repeat(column, times) for name, column in per_mode.items()}
            | {"t": np.tile(self.t, modes)}
            | {name: getattr(self, name).ravel() for name in CURVES}
        )

    __setstate__ = set_fields

    @cached_property
    def _modes(self) -> ValidatedModes:
        given = GivenModes(self.lam, self.rho, self.variance, self.eps, self.L, self.decoder_depth)
        return given.under(self.objective, self.clock)

    def __repr__(self) -> str:
        times = log_critical_time_of(self._modes, np.asarray(0.5))
        never, above = (int(np.sum(times == at)) for at in (np.inf, -np.inf))
        note = f", {never} of them never learned" if never else ""
        note += f", {above} starting above half of their plateau" if above else ""
        return (
            f"{self.objective!r}: {self.rho.size} modes{note}, by method {self.method!r}\n"
            f"  t: {label(self.clock)}, {self.grid}{self._caution}"
        )

    @property
    def _caution(self) -> str:
        worst, in_time = float(self.value_error.max()), ERRORS[self.method][1]
        if worst <= NOTABLE:
            return ""
        return (
            f"\n  w is right for times within a relative {in_time:g} of t; transitions are so "
            f"brief that its own relative error can be {min(worst, 1.0):.1g}"
        )

    def _repr_html_(self) -> str:
        from dlnflow._common._frame import Frame

        columns = ("lam", "rho", "L", "eps", "plateau")
        table = Frame({name: getattr(self, name).ravel() for name in columns})
        if self.labels is not None:
            table.insert(0, "features", self.labels)
        table["critical time"] = np.ravel(self.critical_time())
        lines = "<br>".join(escape(line) for line in repr(self).splitlines())
        return f"<p>{lines}</p>{table.to_html(max_rows=SHOWN_MODES)}"


@dataclass(frozen=True, eq=False, repr=False)
class Simulation(Mapping[str | Objective, Trajectories]):
    """Trajectories by objective, in the order asked for.

    Index it with a name or an `Objective`: ``sim["jepa"]``, ``sim[dlnflow.MAE]``.
    """

    parts: tuple[Trajectories, ...]

    def __getitem__(self, objective: str | Objective) -> Trajectories:
        wanted = as_objective(objective)
        for part in self.parts:
            if part.objective == wanted:
                return part
        here = ", ".join(repr(name) for name in self)
        raise KeyError(f"objective {wanted.name!r} was not simulated; here are {here}")

    def __contains__(self, objective: object) -> bool:
        try:
            wanted = as_objective(objective)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return False
        return any(part.objective == wanted for part in self.parts)

    def get(self, objective: Any, default: Any = None) -> Any:
        """The trajectories of an objective, or ``default`` if it was not simulated."""
        return super().get(objective, default) if objective in self else default

    def __iter__(self) -> Iterator[str | Objective]:
        return (part.objective.name for part in self.parts)

    def __len__(self) -> int:
        return len(self.parts)

    def plot(self, **options: Unpack[PlotOptions]) -> NDArray[Any]:
        """Trajectories of all objectives side by side; see `dlnflow.plot.simulation`."""
        from dlnflow import plot

        return plot.simulation(self, **options)

    def to_dataframe(self) -> pd.DataFrame:
        """The frames of all objectives, one below the other; see `Trajectories.to_dataframe`."""
        import pandas as pd

        return pd.concat([part.to_dataframe() for part in self.parts], ignore_index=True)

    def to_xarray(self) -> xr.Dataset:
        """``w``, ``w_over_plateau`` and ``learned`` over (objective, mode, time).

        ``t`` is over (objective, time): all objectives have the same number of times, each its own.
        Modes are flattened.

        Raises
        ------
        ImportError
            Without xarray, which comes with ``pip install 'dlnflow[xarray]'``.
        """
        try:
            import xarray as xr
        except ImportError as error:
            raise ImportError(
                "to_xarray needs xarray: install it with pip install 'dlnflow[xarray]'"
            ) from error
        first = self.parts[0]
        stack = ("objective", "mode", "time")
        size = (len(self.parts), first.rho.size, first.t.size)
        curves = {name: [getattr(part, name) for part in self.parts] for name in CURVES}
        per_mode = {
            name: ("mode", getattr(first, name).ravel()) for name in ("lam", "rho", "L", "eps")
        }
        return xr.Dataset(
            {name: (stack, np.reshape(values, size)) for name, values in curves.items()},
            coords={
                "objective": list(self),
                "t": (("objective", "time"), np.stack([p.t for p in self.parts])),
                **per_mode,
            },
            attrs={"clock": str(first.clock), "method": first.method},
        )

    def __repr__(self) -> str:
        return "\n".join(["Simulation", *(repr(part) for part in self.parts)])

    def _repr_html_(self) -> str:
        return "".join(part._repr_html_() for part in self.parts)

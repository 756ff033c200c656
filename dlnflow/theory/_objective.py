"""Where the target is read, and every exponent that follows from it.

A network of ``L`` encoder and ``P`` decoder layers (``N = L + P``) predicts the target as it stands
after ``m`` encoder layers. With one common singular value ``u`` per mode in all layers, gradient
flow gives each mode

    du/dt = lam u**(N - 1 + m) (1 - u**k / rho),        k = N - m,

and from it the constants of the master curve for ``q = u**k / rho``. This module is the one place
where they stand.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow._common._validate import described
from dlnflow.theory._numerics import rational_power

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

DEEPEST = 2**31 - 1  # encoder that is accepted
MOST_DIGITS = 100  # of a layer's number in a name; Python reads no more than some thousands


@dataclass(frozen=True, repr=False)
class Objective:
    """A self-supervised objective, by the encoder layer after which its target is read.

    Choose ``JEPA`` (the target is the latent representation, ``m = L``), ``MAE`` (the target is the
    data, ``m = 0``), or a layer in between.

    Parameters
    ----------
    target_layer : int or None
        ``m``, from 0 (the data) to the encoder's depth ``L``; None stands for ``L`` itself,
        whatever ``L`` is.

    Raises
    ------
    TypeError, ValueError
        If ``target_layer`` is not a non-negative integer or None.

    Notes
    -----
    Methods broadcast over arrays of ``L`` and ``decoder_depth`` (positive integers, else
    ``ValueError``), and refuse an ``L`` below the target layer. Source: the paper (JEPA
    and MAE); derived for every other layer in ``docs/theory.md``.

    Examples
    --------
    >>> import dlnflow
    >>> between = dlnflow.Objective(target_layer=2)
    >>> [float(objective.order(3)) for objective in (dlnflow.JEPA, dlnflow.MAE, between)]
    [6.0, 1.5, 3.0]
    >>> dlnflow.JEPA == "jepa", dlnflow.JEPA == "JEPA"      # an objective equals its name
    (True, True)
    """

    target_layer: int | None

    def __post_init__(self) -> None:
        if self.target_layer is None:
            return
        given = described(self.target_layer)
        try:
            layer = (
                None if isinstance(self.target_layer, bool | np.bool) else index(self.target_layer)
            )
        except TypeError:
            layer = None
        if layer is None:
            raise TypeError(f"target_layer must be an integer or None: got {given}")
        if not 0 <= layer <= DEEPEST:
            limit = "0..L" if layer < 0 else f"0..L, where L is at most {DEEPEST}"
            raise ValueError(f"target_layer must lie in {limit}: got {given}")
        object.__setattr__(self, "target_layer", layer)

    @property
    def name(self) -> str:
        """``"jepa"``, ``"mae"`` or ``"layer-m"``: accepted wherever an objective is asked for."""
        return {None: "jepa", 0: "mae"}.get(self.target_layer, f"layer-{self.target_layer}")

    def __eq__(self, other: object) -> bool:
        """An objective equals its name, in any case."""
        if isinstance(other, Objective):
            return self.target_layer == other.target_layer
        return self.name == other.lower() if isinstance(other, str) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        named = {None: "JEPA", 0: "MAE"}
        return named.get(self.target_layer, f"Objective(target_layer={self.target_layer})")

    def layer(self, L: ArrayLike) -> Integers:
        """``m``, the number of encoder layers the target has passed."""
        depth = _validate.depth("L", L)
        if self.target_layer is None:
            return depth[()]
        if np.any(depth < self.target_layer):
            least = int(depth.min())
            raise ValueError(
                f"target_layer must lie in 0..L, here 0..{least}: got {self.target_layer}"
            )
        return np.full_like(depth, self.target_layer)[()]

    def gap(self, L: ArrayLike, decoder_depth: ArrayLike = 1) -> Integers:
        """``k = N - m``: the number of layers between the target and the prediction."""
        return _layers(L, decoder_depth) - self.layer(L)

    def growth_exponent(self, L: ArrayLike, decoder_depth: ArrayLike = 1) -> Integers:
        """``N - 2 + m``: a small mode grows at the relative rate ``lam u**(N - 2 + m)``."""
        return _layers(L, decoder_depth) - 2 + self.layer(L)

    def order(self, L: ArrayLike, decoder_depth: ArrayLike = 1) -> Array:
        """``c = 2 (N - 1) / k``, the order of the master curve, written ``1 + (N - 2 + m) / k``."""
        return order_from(self.growth_exponent(L, decoder_depth), self.gap(L, decoder_depth))

    def rate(
        self, lam: ArrayLike, rho: ArrayLike, L: ArrayLike, decoder_depth: ArrayLike = 1
    ) -> Array:
        """``kappa = k lam |rho|**(c - 1)``, network clock; divide by ``L`` for the paper's.

        Examples
        --------
        >>> float(JEPA.rate(lam=1.0, rho=0.5, L=3)), float(MAE.rate(lam=1.0, rho=0.5, L=3))
        (0.03125, 2.8284271247461903)
        """
        k = self.gap(L, decoder_depth)
        exponent = self.growth_exponent(L, decoder_depth) / k
        magnitude = np.abs(_validate.real("rho", rho))
        with np.errstate(over="ignore"):
            return (k * _validate.real("lam", lam) * magnitude**exponent)[()]

    def plateau(self, rho: ArrayLike, L: ArrayLike, decoder_depth: ArrayLike = 1) -> Array:
        """``rho**(L / k)``, where ``wbar`` comes to rest; 0 for ``rho <= 0``.

        Examples
        --------
        >>> float(JEPA.plateau(0.5, L=3)), float(MAE.plateau(0.5, L=3))
        (0.125, 0.5946035575013605)
        """
        rho, depth = _validate.real("rho", rho), _validate.depth("L", L)
        gap = np.asarray(self.gap(L, decoder_depth))
        shape = _validate.together(rho=rho, L=depth, decoder_depth=gap)
        # one axis at least, in which NumPy's powers round as in many
        rest = plateau_amplitude(
            np.atleast_1d(rho), depth.astype(np.float64), gap.astype(np.float64)
        )
        return rest.reshape(shape)[()]


def order_from(growth_exponent: Any, gap: Any) -> Any:
    """``1 + (N - 2 + m) / k``, which is ``2 (N - 1) / k``."""
    return 1.0 + growth_exponent / gap


def plateau_amplitude(rho: Array, L: Array, gap: Array) -> Array:
    """``rho**(L / k)``, 0 for negative ``rho``: the amplitude at which ``u**k = rho``."""
    with np.errstate(over="ignore"):
        return rational_power(np.maximum(rho, 0.0), L, gap)


def _layers(L: ArrayLike, decoder_depth: ArrayLike) -> Integers:
    """``N = L + P``."""
    encoder = _validate.depth("L", L)
    decoder = _validate.depth("decoder_depth", decoder_depth)
    _validate.together(L=encoder, decoder_depth=decoder)
    return encoder[()] + decoder[()]


Objectives = str | Objective | Iterable[str | Objective]  # one or several

JEPA = Objective(target_layer=None)
MAE = Objective(target_layer=0)


def as_objective(objective: str | Objective) -> Objective:
    """An objective from its name: ``"jepa"``, ``"mae"`` or ``"layer-2"``.

    Raises
    ------
    ValueError
        For a name that is none of these.
    TypeError
        For anything but a string or an ``Objective``.
    """
    if isinstance(objective, Objective):
        return objective
    if not isinstance(objective, str):
        raise TypeError(f"objective must be a name or an Objective: got {described(objective)}")
    name = objective.lower()
    if name in ("jepa", "mae"):
        return JEPA if name == "jepa" else MAE
    digits = name.removeprefix("layer-")
    if digits != name and digits.isascii() and digits.isdecimal() and len(digits) <= MOST_DIGITS:
        return Objective(target_layer=int(digits))
    raise ValueError(
        "objective must be 'jepa', 'mae', 'layer-m' with a number m, or an Objective: "
        f"got {described(objective)}"
    )


def as_objectives(objective: Objectives) -> tuple[Objective, ...]:
    """One or several objectives as a tuple, in the order given.

    Raises
    ------
    ValueError
        If none is given, or one is given twice.
    """
    if isinstance(objective, str | Objective):
        return (as_objective(objective),)
    try:
        several = tuple(map(as_objective, objective))
    except TypeError as error:
        raise TypeError(f"objective must be a name, an Objective, or several: {error}") from None
    if not several or len(set(several)) != len(several):
        raise ValueError(
            f"objective must name at least one and none twice: got {described(objective)}"
        )
    return several

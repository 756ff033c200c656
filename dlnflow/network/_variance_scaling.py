"""The standard initialisations of practice: independent weights, scaled by a layer's widths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow._common._validate import Seed
from dlnflow.network._initialise import Shape
from dlnflow.network._network import Network

Array = NDArray[np.float64]

ROOT_3 = 3.0**0.5  # half the width of a uniform distribution of variance 1


class Scheme(NamedTuple):
    """An initialisation of PyTorch.

    Attributes
    ----------
    spread : callable
        Variance of a weight at a gain of 1, from the layer's input and output width.
    gain : float
        PyTorch's default.
    uniform : bool
        Whether weights are uniform on a symmetric interval; otherwise they are normal.
    """

    spread: Callable[[int, int], float]
    gain: float
    uniform: bool

    def deviation(self, columns: int, rows: int, gain: float) -> float:
        """Standard deviation of a weight of a layer with so many inputs and outputs."""
        return gain * self.spread(columns, rows) ** 0.5

    def layer(self, columns: int, rows: int, gain: float, random: np.random.Generator) -> Array:
        """A random layer."""
        shape = rows, columns
        unit = random.uniform(-ROOT_3, ROOT_3, shape) if self.uniform else random.normal(size=shape)
        return self.deviation(columns, rows, gain) * unit


def _by_input(columns: int, rows: int) -> float:
    return 1.0 / columns


def _alike(columns: int, rows: int) -> float:
    return 1.0


def _by_both(columns: int, rows: int) -> float:
    return 2.0 / (columns + rows)


SCHEMES = {
    "kaiming_uniform": Scheme(_by_input, 1.0 / ROOT_3, uniform=True),
    "kaiming_normal": Scheme(_by_input, 2.0**0.5, uniform=False),
    "xavier_uniform": Scheme(_by_both, 1.0, uniform=True),
    "xavier_normal": Scheme(_by_both, 1.0, uniform=False),
    "normal": Scheme(_alike, 1.0, uniform=False),
}


def variance_scaled(
    sigma_xx: ArrayLike,
    sigma_yx: ArrayLike,
    L: int,
    *,
    scheme: str = "kaiming_uniform",
    gain: float | None = None,
    decoder_depth: int = 1,
    widths: Sequence[int] | None = None,
    rng: Seed = 0,
) -> Network:
    """A standard initialisation of PyTorch: independent weights, scaled by the layers' widths.

    Parameters
    ----------
    sigma_xx, sigma_yx, L, decoder_depth, widths, rng
        As for `balanced`; only the dimension of the data matters.
    scheme : {"kaiming_uniform", "kaiming_normal", "xavier_uniform", "xavier_normal", "normal"}
        Distribution of the weights of a layer with ``fan_in`` inputs and ``fan_out`` outputs. The
        variance is ``gain**2 / fan_in`` (Kaiming), ``2 gain**2 / (fan_in + fan_out)`` (Xavier) or
        ``gain**2`` (``"normal"``, where ``gain`` is the standard deviation), and the mean 0.
    gain : float, optional
        Factor of all weights, positive. By default that of PyTorch: ``1 / sqrt(3)`` for
        ``"kaiming_uniform"``, with which `torch.nn.Linear` initialises its weights, ``sqrt(2)`` for
        ``"kaiming_normal"``, and 1 for the others. A smaller gain makes a smaller `effective_eps`.

    Returns
    -------
    Network

    Raises
    ------
    ValueError, TypeError
        As for `balanced`, if ``scheme`` is another name, or if ``gain`` is not positive.

    Notes
    -----
    The formulas of `torch.nn.init`. The default of `torch.nn.Linear` is
    ``kaiming_uniform_(a=sqrt(5))``, weights uniform between ``-1 / sqrt(fan_in)`` and ``1 /
    sqrt(fan_in)``. Biases are not part of the theory.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnflow import network
    >>> net = network.variance_scaled(np.eye(4), np.eye(4), L=2, widths=(100, 100, 4))
    >>> net
    Network: encoder 4-100-100, decoder 100-4
    >>> [round(float(np.abs(layer).max()), 2) for layer in net.layers]    # 1 / sqrt(fan_in)
    [0.5, 0.1, 0.1]
    """
    chosen, factor = _given_scheme(scheme, gain)
    shape = Shape(sigma_xx, sigma_yx, L, decoder_depth, widths)
    random = _validate.generator("rng", rng)
    layers = [chosen.layer(*sizes, factor, random) for sizes in pairwise(shape.widths)]
    return shape.network(layers)


def effective_eps(
    d: int,
    L: int,
    *,
    scheme: str = "kaiming_uniform",
    gain: float | None = None,
    widths: Sequence[int] | None = None,
) -> float:
    """The ``eps`` of an encoder from `variance_scaled`: its root mean square amplitude.

    Parameters
    ----------
    d : int
        Dimension of the data.
    L : int
        Encoder depth.
    scheme, gain
        As for `variance_scaled`.
    widths : sequence of int, optional
        Width after each layer, at least the ``L`` of the encoder; by default all ``d``.

    Returns
    -------
    float
        Root mean square of ``|Wbar v|`` over unit vectors ``v`` and seeds. Single networks and
        modes scatter about it, the less the wider the layers.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range, or ``widths`` holds fewer than ``L`` numbers.

    Notes
    -----
    The product over the encoder's layers of ``sqrt(variance * fan_out)``, exact at every width:
    weights are independent, so ``E |W h|**2 = fan_out * variance * |h|**2`` for a given ``h``.

    Examples
    --------
    At PyTorch's default gain wide encoders start large, and at a gain of 0.1 small:

    >>> from dlnflow import network
    >>> widths = (64, 64)
    >>> round(network.effective_eps(4, 2, widths=widths), 4)
    1.3333
    >>> round(network.effective_eps(4, 2, scheme="xavier_normal", gain=0.1, widths=widths), 4)
    0.0137
    """
    chosen, factor = _given_scheme(scheme, gain)
    depth, eps = _encoder_scale(d, L, chosen, factor, widths)
    if not 0.0 < eps < float("inf"):
        raise ValueError(
            f"gain, L and widths must keep eps within the range of floats: got {eps:g} for "
            f"gain = {factor:g}, L = {depth}"
        )
    return eps


def gain_for_eps(
    eps: float, d: int, L: int, *, scheme: str = "normal", widths: Sequence[int] | None = None
) -> float:
    """The gain of `variance_scaled` with which an encoder has a given `effective_eps`.

    Parameters
    ----------
    eps : float
        Root mean square amplitude of the encoder, positive.
    d, L, widths
        As for `effective_eps`.
    scheme : str
        As for `variance_scaled`. For ``"normal"`` the gain is the standard deviation of a weight.

    Returns
    -------
    float
        The gain, the same in all layers.

    Raises
    ------
    ValueError, TypeError
        As for `effective_eps`, or if ``eps`` is not positive.

    Notes
    -----
    `effective_eps` is proportional to ``gain**L``.

    Examples
    --------
    Three layers of width 64 with weights of standard deviation 0.02, and back:

    >>> from dlnflow import network
    >>> round(network.effective_eps(64, 3, scheme="normal", gain=0.02), 6)
    0.004096
    >>> round(network.gain_for_eps(0.004096, 64, 3), 6)
    0.02
    """
    wanted = _validate.number("eps", eps, _validate.positive)
    depth, unit = _encoder_scale(d, L, _given_scheme(scheme, None)[0], 1.0, widths)
    return float((wanted / unit) ** (1.0 / depth))


def _encoder_scale(
    d: int, L: int, chosen: Scheme, gain: float, widths: Sequence[int] | None
) -> tuple[int, float]:
    """The encoder's depth, and the product of ``sqrt(variance * fan_out)`` over its layers."""
    first = _validate.positive_integer("d", d)
    depth = _validate.positive_integer("L", L)
    after = np.full(depth, first) if widths is None else _validate.depth("widths", widths)
    if after.ndim != 1 or after.size < depth:
        raise ValueError(
            f"widths must hold one number for each of the {depth} encoder layers: got {widths!r}"
        )
    sizes = pairwise((first, *after[:depth].tolist()))
    return depth, prod(chosen.deviation(*one, gain) * one[1] ** 0.5 for one in sizes)


def _given_scheme(scheme: str, gain: float | None) -> tuple[Scheme, float]:
    _validate.choice("scheme", scheme, tuple(SCHEMES))
    chosen = SCHEMES[scheme]
    if gain is None:
        return chosen, chosen.gain
    return chosen, _validate.number("gain", gain, _validate.positive)

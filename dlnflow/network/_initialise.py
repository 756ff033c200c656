"""Initialisations of networks: balanced, misaligned, unbalanced, Gaussian."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow._common._validate import Seed
from dlnflow.network._data import Covariances, given_covariances
from dlnflow.network._network import Network
from dlnflow.theory._objective import Objectives, as_objectives

Array = NDArray[np.float64]


def balanced(
    sigma_xx: ArrayLike,
    sigma_yx: ArrayLike,
    L: int,
    *,
    eps: float = 1e-3,
    objective: Objectives | None = None,
    decoder_depth: int = 1,
    widths: Sequence[int] | None = None,
    rng: Seed = 0,
) -> Network:
    """The initialisation that the theory assumes: balanced, orthogonal, aligned with the data.

    All singular values are ``eps**(1 / L)``, so every mode has the amplitude ``eps``.

    Parameters
    ----------
    sigma_xx, sigma_yx : array, shape (d, d)
        Covariances of the data, with whose modes the network is aligned.
    L : int
        Encoder depth.
    eps : float
        ``wbar(0)`` of every mode, positive.
    objective : str, Objective, several, or None
        If None, all layers share the data's basis, and the network is aligned for every target.
        Otherwise the bases between layers are random, and the output has the basis of the target.
    decoder_depth : int
        ``P``.
    widths : sequence of int, optional
        Width after each of the ``L + P`` layers; by default all ``d``. With a bottleneck of width
        ``K`` the ``K`` modes of largest ``lam`` pass, and the others have amplitude 0.
    rng : int, Generator or None
        Seed of the random bases, 0 by default.

    Returns
    -------
    Network

    Raises
    ------
    ValueError, TypeError
        If ``sigma_xx`` is not a covariance matrix, an argument is out of range, or the output is
        not as wide as the target.

    Notes
    -----
    ``docs/theory.md``, section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnflow import network
    >>> xx, yx = np.diag([2.0, 1.0]), np.diag([1.0, 0.9])
    >>> net = network.balanced(xx, yx, L=3, eps=1e-3, objective="jepa", rng=7)
    >>> np.linalg.svd(net.encoder[1])[1].round(12).tolist()
    [0.1, 0.1]
    >>> net.balance_defect < 1e-15
    True
    """
    plan = _Plan(sigma_xx, sigma_yx, L, eps, decoder_depth, widths)
    return plan.balanced(objective, _validate.generator("rng", rng))


def misaligned(
    sigma_xx: ArrayLike,
    sigma_yx: ArrayLike,
    L: int,
    *,
    angle: float = 0.1,
    eps: float = 1e-3,
    objective: Objectives | None = None,
    decoder_depth: int = 1,
    widths: Sequence[int] | None = None,
    rng: Seed = 0,
) -> Network:
    """A balanced network whose output is rotated away from its target.

    If all singular values are equal, this is the only kind of misalignment: any orthogonal first
    layer is aligned with any basis, as long as the product of the layers from the target to the
    output is a multiple of the identity.

    Parameters
    ----------
    sigma_xx, sigma_yx, L, eps, objective, decoder_depth, widths, rng
        As for `balanced`.
    angle : float
        Angle of the random rotation of the output, in radians, as a root mean square over its
        directions; not negative.

    Returns
    -------
    Network
        Balanced for every ``angle``; at 0 the network of `balanced`.

    Raises
    ------
    ValueError, TypeError
        As for `balanced`.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnflow import network
    >>> xx, yx = np.diag([2.0, 1.0]), np.diag([1.0, 0.9])
    >>> net = network.misaligned(xx, yx, L=2, angle=0.3, eps=1e-2)
    >>> (net.decoder[0] / 0.1).round(2).tolist(), net.balance_defect < 1e-15
    ([[0.96, -0.3], [0.3, 0.96]], True)
    """
    size = _validate.number("angle", angle, _validate.not_negative)
    plan = _Plan(sigma_xx, sigma_yx, L, eps, decoder_depth, widths)
    random = _validate.generator("rng", rng)
    net = plan.balanced(objective, random)
    turn = rotation(plan.widths[-1], size, random)
    return Network(net.encoder, (*net.decoder[:-1], turn @ net.decoder[-1]))


def unbalanced(
    sigma_xx: ArrayLike,
    sigma_yx: ArrayLike,
    L: int,
    *,
    imbalance: float = 0.1,
    eps: float = 1e-3,
    objective: Objectives | None = None,
    decoder_depth: int = 1,
    widths: Sequence[int] | None = None,
    rng: Seed = 0,
) -> Network:
    """An aligned network whose layers differ in scale, with ``wbar(0) = eps``.

    Parameters
    ----------
    sigma_xx, sigma_yx, L, eps, objective, decoder_depth, widths, rng
        As for `balanced`.
    imbalance : float
        Decrease of the logarithm of the scale from each layer to the next. At 0 the network is
        balanced; a negative number makes later layers larger.

    Returns
    -------
    Network

    Raises
    ------
    ValueError, TypeError
        As for `balanced`.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnflow import network
    >>> xx, yx = np.diag([2.0, 1.0]), np.diag([1.0, 0.9])
    >>> net = network.unbalanced(xx, yx, L=2, imbalance=0.5, eps=1e-2)
    >>> [round(float(layer[0, 0]), 4) for layer in net.layers]
    [0.1284, 0.0779, 0.0472]
    >>> round(net.imbalance, 2), round(float(net.embedding[0, 0]), 4)
    (0.63, 0.01)
    """
    step = _validate.number("imbalance", imbalance, _validate.real)
    plan = _Plan(sigma_xx, sigma_yx, L, eps, decoder_depth, widths)
    net = plan.balanced(objective, _validate.generator("rng", rng))
    places = np.arange(len(net.layers)) - 0.5 * (plan.L - 1)
    factors = np.exp(-step * places).tolist()
    return plan.network([f * layer for f, layer in zip(factors, net.layers, strict=True)])


def gaussian(
    sigma_xx: ArrayLike,
    sigma_yx: ArrayLike,
    L: int,
    *,
    eps: float = 1e-3,
    decoder_depth: int = 1,
    widths: Sequence[int] | None = None,
    rng: Seed = 0,
) -> Network:
    """Independent normal weights of a given ``eps``: neither balanced nor aligned.

    `variance_scaled` has the schemes of PyTorch, which fix the scale by the widths.

    Parameters
    ----------
    sigma_xx, sigma_yx, L, decoder_depth, widths, rng
        As for `balanced`; only the dimension of the data matters.
    eps : float
        Root mean square of ``|Wbar v|`` over unit vectors ``v`` and seeds: weights have the
        variance ``eps**(2 / L)`` divided by the output width of their layer.

    Returns
    -------
    Network

    Raises
    ------
    ValueError, TypeError
        As for `balanced`.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnflow import network
    >>> net = network.gaussian(np.eye(50), np.eye(50), L=3, eps=1e-3)
    >>> round(float(np.linalg.norm(net.embedding) / 50**0.5), 4)
    0.001
    """
    plan = _Plan(sigma_xx, sigma_yx, L, eps, decoder_depth, widths)
    random = _validate.generator("rng", rng)
    return plan.network(
        [
            plan.scale / np.sqrt(rows) * random.normal(size=(rows, columns))
            for columns, rows in pairwise(plan.widths)
        ]
    )


def rotation(size: int, angle: float, random: np.random.Generator) -> Array:
    """``expm(S)`` for a random skew ``S`` with ``|S|_F = angle sqrt(size)``."""
    from scipy.linalg import expm

    raw = random.normal(size=(size, size))
    skew = raw - raw.T
    length = float(np.linalg.norm(skew))
    return np.asarray(expm(skew * (angle * np.sqrt(size) / length))) if length else np.eye(size)


class Shape:
    """Validated data, depth and widths of a network to initialise."""

    def __init__(
        self,
        sigma_xx: ArrayLike,
        sigma_yx: ArrayLike,
        L: int,
        decoder_depth: int,
        widths: Sequence[int] | None,
    ) -> None:
        self.data = given_covariances(sigma_xx, sigma_yx)
        self.L = _validate.positive_integer("L", L)
        count = self.L + _validate.positive_integer("decoder_depth", decoder_depth)
        after = np.full(count, self.data.d) if widths is None else _validate.depth("widths", widths)
        if after.shape != (count,):
            raise ValueError(
                f"widths must hold one number for each of the {count} layers: got {widths!r}"
            )
        self.widths = (self.data.d, *after.tolist())

    def network(self, layers: Sequence[Array]) -> Network:
        """The layers as encoder and decoder."""
        return Network(tuple(layers[: self.L]), tuple(layers[self.L :]))


class _Plan(Shape):
    """Validated arguments of the initialisations with a given ``eps``."""

    def __init__(
        self,
        sigma_xx: ArrayLike,
        sigma_yx: ArrayLike,
        L: int,
        eps: float,
        decoder_depth: int,
        widths: Sequence[int] | None,
    ) -> None:
        super().__init__(sigma_xx, sigma_yx, L, decoder_depth, widths)
        self.scale = _validate.number("eps", eps, _validate.positive) ** (1.0 / self.L)

    def balanced(self, objective: Objectives | None, random: np.random.Generator) -> Network:
        """All singular values are the scale."""
        bases = aligned_bases(self.data, self.L, self.widths, objective, random)
        return self.network([self.scale * after @ before.T for before, after in pairwise(bases)])


def aligned_bases(
    data: Covariances,
    L: int,
    widths: tuple[int, ...],
    objective: Objectives | None,
    random: np.random.Generator,
) -> list[Array]:
    """Orthonormal columns before and after every layer, as many as the narrowest layer holds."""
    count = min(widths)
    modes = data.basis[:, :count]
    if objective is None:
        shared = {data.d: modes}
        for width in widths:
            if width not in shared:
                shared[width] = orthonormal(width, count, random)
        return [shared[width] for width in widths]
    targets = [int(one.layer(L)) for one in as_objectives(objective)]
    bases = [modes, *(orthonormal(width, count, random) for width in widths[1:])]
    for m in targets:
        if widths[m] != widths[-1]:
            raise ValueError(
                f"widths must give as many outputs as the target at layer {m} has, "
                f"{widths[m]}: got {widths[-1]}"
            )
    common = bases[min(targets)]
    for place in (*targets, -1):
        bases[place] = common
    return bases


def orthonormal(rows: int, columns: int, random: np.random.Generator) -> Array:
    """Random orthonormal columns, uniformly distributed."""
    q, r = np.linalg.qr(random.normal(size=(rows, rows)))
    return np.asarray((q * np.sign(np.diag(r)))[:, :columns])

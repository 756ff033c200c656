"""Two views of the same features, each with independent noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dlnflow._common import _validate
from dlnflow._common._frozen import set_fields
from dlnflow._common._validate import Seed
from dlnflow.generative._model import Array, Model, orthogonal, per_feature


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Static(Model):
    """Two noisy views of the same features.

    ``x = z + n_x`` and ``y = z + n_y``, feature by feature, all independent and Gaussian. This is
    data of the kind that the paper calls static; the model is the library's own.

    Parameters
    ----------
    signal : array, shape (d,)
        Variance of each feature; 0 for a feature of pure noise.
    noise : array, shape (d,)
        Variance of its noise in the context.
    target_noise : array, shape (d,), optional
        Variance of its noise in the target, by default ``noise``. It does not affect the modes.
    basis : array, shape (d, d), optional
        Orthogonal matrix whose columns are the features' directions; by default the identity.

    Raises
    ------
    ValueError, TypeError
        If variances are negative, of different lengths or all zero, or ``basis`` is not
        orthogonal.

    Notes
    -----
    ``lam = signal``, since the noise of the two views is independent, ``variance = signal + noise``
    and ``rho = signal / (signal + noise)``. Derived here.

    Examples
    --------
    >>> from dlnflow import generative
    >>> model = generative.Static(signal=[1.0, 2.0], noise=[0.25, 2.0])
    >>> model.spectrum().lam.tolist(), model.spectrum().rho.tolist()
    ([2.0, 1.0], [0.5, 0.8])
    >>> x, y = model.sample(1000, rng=0)
    >>> x.shape
    (1000, 2)
    """

    signal: Array
    noise: Array
    target_noise: Array
    basis: Array

    def __init__(
        self,
        signal: ArrayLike,
        noise: ArrayLike,
        target_noise: ArrayLike | None = None,
        *,
        basis: ArrayLike | None = None,
    ) -> None:
        given = {"signal": signal, "noise": noise}
        if target_noise is not None:
            given["target_noise"] = target_noise
        columns = {name: _validate.not_negative(name, value) for name, value in given.items()}
        values = dict(zip(columns, per_feature(**columns), strict=True))
        if not (values["signal"] + values["noise"]).any():
            raise ValueError("signal and noise must give some feature variance: got all zeros")
        values["basis"] = orthogonal("basis", basis, values["signal"].size)
        set_fields(self, {"target_noise": values["noise"]} | values, copy=True)

    def covariances(self) -> tuple[Array, Array]:
        """``sigma_xx = B diag(signal + noise) B^T`` and ``sigma_yx = B diag(signal) B^T``."""
        return self._in_basis(self.signal + self.noise), self._in_basis(self.signal)

    def sample(self, n: int, rng: Seed = 0) -> tuple[Array, Array]:
        """``n`` independent pairs; see `Model.sample`."""
        shape = (_validate.positive_integer("n", n), self.signal.size)
        random = _validate.generator("rng", rng)
        features = random.normal(size=shape) * np.sqrt(self.signal)
        x = features + random.normal(size=shape) * np.sqrt(self.noise)
        y = features + random.normal(size=shape) * np.sqrt(self.target_noise)
        return x @ self.basis.T, y @ self.basis.T

    def _in_basis(self, diagonal: Array) -> Array:
        turned: Array = (self.basis * diagonal) @ self.basis.T
        return 0.5 * (turned + turned.T)

"""A noisy time series: the present is the context, the future is the target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dlnflow._common import _validate
from dlnflow._common._frozen import set_fields
from dlnflow._common._validate import Seed
from dlnflow.data._covariance import square
from dlnflow.generative._model import (
    Array,
    Model,
    covariance_matrix,
    gaussian,
    orthogonal,
    per_feature,
)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Temporal(Model):
    """A vector autoregression observed through noise, now and ``lag`` steps later.

    The latent process ``z' = A z + xi`` is stationary and Gaussian. The context is ``x = z + n``
    with noise ``n`` that is independent at every step, and the target is the same ``lag`` steps
    later. This is data of the kind that the paper calls dynamic; the model is the library's own.

    Parameters
    ----------
    dynamics : array, shape (d, d)
        ``A``, of spectral radius below 1.
    innovation : array, shape (d, d)
        Covariance of ``xi``.
    noise : array, shape (d, d), optional
        Covariance of the observation noise; by default 0.
    lag : int
        Steps from context to target.

    Raises
    ------
    ValueError, TypeError
        If ``dynamics`` is not stable, shapes differ, ``innovation`` or ``noise`` is not a
        covariance matrix, or ``lag`` is not a positive integer.

    See Also
    --------
    Temporal.from_features : Independent features of given memory, variance and noise.

    Notes
    -----
    With ``G`` the stationary covariance, ``G = A G A^T + innovation``: ``sigma_xx = G + noise`` and
    ``sigma_yx = A**lag G``, as noise of different steps is independent. The two need not commute,
    nor ``sigma_yx`` be symmetric. Derived here.

    Examples
    --------
    >>> from dlnflow import generative
    >>> turning = generative.Temporal([[0.8, -0.3], [0.3, 0.8]], [[0.3, 0.0], [0.0, 0.2]])
    >>> round(turning.spectrum().asymmetry, 2)
    0.35
    """

    dynamics: Array
    innovation: Array
    noise: Array
    lag: int

    def __init__(
        self,
        dynamics: ArrayLike,
        innovation: ArrayLike,
        noise: ArrayLike | None = None,
        *,
        lag: int = 1,
    ) -> None:
        step = square("dynamics", dynamics)
        radius = float(np.abs(np.linalg.eigvals(step)).max())
        if radius >= 1.0:
            raise ValueError(
                "dynamics must have a spectral radius below 1, or the series is not stationary: "
                f"got {radius:.6g}"
            )
        d = len(step)
        xi = covariance_matrix("innovation", innovation, d)
        observation = np.zeros((d, d)) if noise is None else covariance_matrix("noise", noise, d)
        if not (xi.any() or observation.any()):
            raise ValueError("innovation and noise must have some variance: got all zeros")
        values = {"dynamics": step, "innovation": xi, "noise": observation}
        set_fields(self, values | {"lag": _validate.positive_integer("lag", lag)}, copy=True)

    @classmethod
    def from_features(
        cls,
        memory: ArrayLike,
        variance: ArrayLike,
        noise: ArrayLike = 0.0,
        *,
        lag: int = 1,
        basis: ArrayLike | None = None,
    ) -> Temporal:
        """Independent features, each a first-order autoregression.

        Parameters
        ----------
        memory : array, shape (d,)
            Correlation of a feature with itself one step later, ``a``, in (-1, 1).
        variance : array, shape (d,)
            Its stationary variance, ``g``.
        noise : array, shape (d,)
            Variance of its observation noise.
        lag : int
            Steps from context to target.
        basis : array, shape (d, d), optional
            Orthogonal matrix whose columns are the features' directions; by default the identity.

        Returns
        -------
        Temporal

        Raises
        ------
        ValueError, TypeError
            As for the class, or if ``memory`` is not in (-1, 1) or a variance is negative.

        Notes
        -----
        ``lam = g a**lag`` and ``rho = a**lag g / (g + noise)``. Negative memory at an odd lag
        gives ``rho < 0``.

        Examples
        --------
        >>> from dlnflow import generative
        >>> model = generative.Temporal.from_features([0.9, 0.5], [1.0, 4.0], [0.2, 0.0])
        >>> model.spectrum().lam.round(12).tolist(), model.spectrum().rho.round(12).tolist()
        ([2.0, 0.9], [0.5, 0.75])
        """
        kept = _validate.real("memory", memory)
        if not (np.abs(kept) < 1.0).all():
            raise ValueError(f"memory must lie in (-1, 1): got {np.asarray(memory).tolist()}")
        kept, size, observation = per_feature(
            memory=kept,
            variance=_validate.not_negative("variance", variance),
            noise=_validate.not_negative("noise", noise),
        )
        turn = orthogonal("basis", basis, kept.size)
        # 1 - a**2 in a form that keeps its digits for a near 1
        diagonals = kept, (1.0 - kept) * (1.0 + kept) * size, observation
        dynamics, innovation, observed = ((turn * diagonal) @ turn.T for diagonal in diagonals)
        return cls(dynamics, innovation, observed, lag=lag)

    def stationary(self) -> Array:
        """Covariance of the latent process, shape (d, d): ``G = A G A^T + innovation``.

        Examples
        --------
        >>> from dlnflow import generative
        >>> generative.Temporal([[0.5]], [[3.0]]).stationary().round(12).tolist()
        [[4.0]]
        """
        from scipy.linalg import solve_discrete_lyapunov

        stationary: Array = solve_discrete_lyapunov(self.dynamics, self.innovation)
        return 0.5 * (stationary + stationary.T)

    def covariances(self) -> tuple[Array, Array]:
        """``sigma_xx = G + noise`` and ``sigma_yx = A**lag G``, ``G`` the stationary covariance."""
        stationary = self.stationary()
        return stationary + self.noise, np.linalg.matrix_power(self.dynamics, self.lag) @ stationary

    def sample(self, n: int, rng: Seed = 0) -> tuple[Array, Array]:
        """``n`` independent pairs, each from a series of its own; see `Model.sample`."""
        rows, random = _validate.positive_integer("n", n), _validate.generator("rng", rng)
        stationary = self.stationary()
        ahead = np.linalg.matrix_power(self.dynamics, self.lag)
        now = gaussian(rows, stationary, random)
        later = now @ ahead.T + gaussian(rows, stationary - ahead @ stationary @ ahead.T, random)
        x = now + gaussian(rows, self.noise, random)
        y = later + gaussian(rows, self.noise, random)
        return x, y

    def series(self, n: int, rng: Seed = 0) -> Array:
        """One stationary series, one row per step.

        Parameters
        ----------
        n : int
            Number of steps.
        rng : int, Generator or None
            Seed or generator; None for a fresh seed.

        Returns
        -------
        array, shape (n, d)
            The observations, with noise. Contexts are ``series[:-lag]`` and targets
            ``series[lag:]``; these pairs depend on each other.

        Raises
        ------
        ValueError, TypeError
            If ``n`` is not a positive integer or ``rng`` is neither a seed nor a generator.

        Examples
        --------
        >>> import dlnflow
        >>> from dlnflow import generative
        >>> model = generative.Temporal.from_features([0.9, 0.5], [1.0, 4.0])
        >>> z = model.series(100_000, rng=0)
        >>> dlnflow.Spectrum.from_samples(z[:-1], z[1:]).rho.round(2).tolist()
        [0.5, 0.9]
        """
        steps, random = _validate.positive_integer("n", n), _validate.generator("rng", rng)
        latent = gaussian(steps, self.innovation, random)
        latent[0] = gaussian(1, self.stationary(), random)[0]
        for step in range(1, steps):
            latent[step] += self.dynamics @ latent[step - 1]
        return latent + gaussian(steps, self.noise, random)

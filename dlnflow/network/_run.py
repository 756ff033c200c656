"""The record of a training run, by gradient flow or gradient descent."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow._common._frozen import read_only, set_fields
from dlnflow._common._progress import Stopped
from dlnflow.data._spectrum import Spectrum
from dlnflow.network._data import Covariances, Problem
from dlnflow.network._equations import Equations, prefixes
from dlnflow.network._network import Network, defects
from dlnflow.network._probe import given_features, given_sigma
from dlnflow.theory._clock import Clock, label
from dlnflow.theory._objective import Objective
from dlnflow.theory._probe import default_floor

Array = NDArray[np.float64]

BASES = ("data", "generalised")


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """Weights over time, and quantities derived from them: an immutable record.

    Attributes
    ----------
    t : array, shape (times,)
        Time on ``clock``. If the run was ``stopped``: the requested times that were reached, and
        the last time reached.
    steps : array of int, shape (times,), or None
        The same in steps of gradient descent; None for gradient flow.
    objective : Objective
    clock : str or Training
    start : Network
        The network at the initialisation.
    data
        The covariances, with their modes (``run.spectrum``).
    stopped : str or None
        Why the run ended before the last requested time; None if it did not.
    how : str
        The method, its steps, evaluations of the gradient, and seconds.

    Examples
    --------
    >>> from dlnflow import network
    >>> sigma_xx, sigma_yx = [[1.0, 0.0], [0.0, 2.0]], [[0.9, 0.0], [0.0, 1.0]]
    >>> net = network.balanced(sigma_xx, sigma_yx, L=2, eps=0.1)
    >>> run = network.gradient_flow(net, sigma_xx, sigma_yx, t=[0.0, 40.0, 400.0])
    >>> run.encoder.shape
    (3, 2, 2)
    >>> run.w.round(3).tolist()      # modes x times; JEPA's plateau is rho**2
    [[0.1, 0.166, 0.25], [0.1, 0.441, 0.81]]
    """

    t: Array
    steps: NDArray[np.int64] | None
    objective: Objective
    clock: Clock
    start: Network
    data: Covariances
    sigma_yy: Array | None
    stopped: str | None
    how: str
    _weights: Array  # at every time, or at the first and the last if there is an _encoder
    _encoder: Array | None = None

    @property
    def spectrum(self) -> Spectrum:
        """The modes of the data."""
        return self.data.spectrum

    @property
    def time_label(self) -> str:
        """The clock in words, as on the axis of a figure."""
        return label(self.clock)

    def network(self, index: int) -> Network:
        """The network at the time ``t[index]``.

        Raises
        ------
        IndexError
            If there is no such time.
        ValueError
            If the run keeps the encoder alone at this time.
        """
        place = range(self.t.size)[index]
        at_end = self._encoder is not None and place in (0, self.t.size - 1)
        weights = self._weights[-bool(place)] if at_end else self._all_weights[place]
        layers = self._equations.layers(weights)
        return Network(tuple(layers[: self.start.L]), tuple(layers[self.start.L :]))

    @cached_property
    def encoder(self) -> Array:
        """``Wbar(t)``, shape (times, width_L, d)."""
        return self._prefixes[self.start.L] if self._encoder is None else self._encoder

    @cached_property
    def product(self) -> Array:
        """The end-to-end matrix, shape (times, width_N, d)."""
        return self._prefixes[-1]

    @cached_property
    def loss(self) -> Array:
        """The loss, shape (times,).

        ``1/2 E |prediction - target|^2``. Without ``sigma_yy`` the term ``1/2 E |target|^2``, which
        has no gradient, is left out.
        """
        return read_only(self._equations.loss(self._all_weights, self.sigma_yy))

    @property
    def w(self) -> Array:
        """Amplitudes of the data's modes, shape (modes, times): ``amplitudes("data")``."""
        return self.amplitudes("data")

    def amplitudes(self, basis: str = "data") -> Array:
        """Amplitude of the encoder along each mode, shape (modes, times).

        Parameters
        ----------
        basis : {"data", "generalised"}
            ``|Wbar b_i|`` for the modes ``b_i`` of `spectrum`, in its order; or
            ``|Wbar p_i| / |p_i|`` for the patterns ``p_i = Sigma_xx v_i`` of the generalised
            eigenvectors ``sym(Sigma_yx) v_i = rho_i Sigma_xx v_i`` in falling ``rho_i``. The two
            are the same modes if the covariances commute.

        Raises
        ------
        ValueError
            If ``basis`` is another name.
        """
        _validate.choice("basis", basis, BASES)
        directions = self.spectrum.basis if basis == "data" else self.data.patterns
        return np.asarray(np.linalg.norm(self.encoder @ directions, axis=-2).T)

    def probe_r2(
        self, features: ArrayLike | None = None, *, sigma: ArrayLike | None = None, p: float = 0.5
    ) -> Array:
        """Share of each feature's variance that a linear probe reads, shape (times, features).

        The probe reads the encoder's output plus white noise. An amplitude also rises if a unit has
        learned another feature and responds a little to this one; ``R2`` does not.

        Parameters
        ----------
        features : array, shape (d, k), optional
            Filters ``v`` as columns, of any scale; the features are ``v . x``. By default
            ``run.spectrum.filters``.
        sigma : array, single or shape (k,), optional
            Standard deviation of the noise on each output, positive. By default
            ``p |Sigma_xx v|`` times the plateau of the closed form, with ``v`` scaled to unit
            variance and ``rho = v^T Sigma_yx v``. Then an aligned mode has ``R2 = 1/2`` at its
            critical time.
        p : float
            Fraction of the plateau in the default noise, in (0, 1).

        Returns
        -------
        array, shape (times, k)
            ``R2``, in [0, 1].

        Raises
        ------
        ValueError, TypeError
            If ``features`` are not filters of the data's dimension or one of them has no variance,
            ``sigma`` is not positive, or ``p`` is out of range.

        Notes
        -----
        ``R2 = c^T (C + sigma^2 1)^-1 c`` with ``C = Wbar Sigma_xx Wbar^T``,
        ``c = Wbar Sigma_xx v`` and ``v^T Sigma_xx v = 1``; derived in ``docs/networks.md``.
        A feature with ``rho <= 0`` is never learned and has no plateau. Its default noise is
        that of a plateau of 1, ``p |Sigma_xx v|``: from a small initialisation its ``R2`` stays
        near 0.

        Examples
        --------
        >>> from dlnflow import network
        >>> sigma_xx, sigma_yx = [[1.0, 0.0], [0.0, 2.0]], [[0.9, 0.0], [0.0, 1.0]]
        >>> net = network.balanced(sigma_xx, sigma_yx, L=2, eps=0.1)
        >>> run = network.gradient_flow(net, sigma_xx, sigma_yx, t=[0.0, 40.0, 400.0])
        >>> run.probe_r2().round(3).tolist()
        [[0.39, 0.057], [0.639, 0.542], [0.8, 0.8]]
        >>> run.probe_r2([[1.0], [1.0]], sigma=0.5).round(3).tolist()    # the sum of both
        [[0.062], [0.266], [0.464]]
        """
        filters = self.spectrum.filters if features is None else features
        chosen = given_features("features", filters, self.data)
        fraction = _validate.number("p", p, _validate.fraction)
        if sigma is None:
            depths = self.start.L, self.start.decoder_depth
            noise = chosen.size * default_floor(
                self.objective.plateau(chosen.rho, *depths), fraction
            )
        else:
            noise = given_sigma(sigma, chosen.size.size)
        return chosen.readout(self.encoder).r2(noise)

    @cached_property
    def balance_defect(self) -> Array:
        """`Network.balance_defect` over time, shape (times,); gradient flow conserves it."""
        layers = self._equations.layers(self._all_weights)
        sizes = [np.linalg.norm(one, axis=(-2, -1)) for one in defects(layers)]
        return read_only(np.asarray(np.max(sizes, axis=0)))

    @cached_property
    def off_diagonal(self) -> Array:
        """Share of the squared norm of ``Wbar^T Wbar`` off the diagonal in the data's basis."""
        turned = self.encoder @ self.data.basis
        gram = turned.swapaxes(-1, -2) @ turned
        total = np.sum(gram**2, (-2, -1))
        own = np.sum(np.diagonal(gram, axis1=-2, axis2=-1) ** 2, -1)
        share = 1.0 - np.divide(own, total, out=np.ones_like(own), where=total > 0.0)
        return read_only(np.maximum(share, 0.0))

    __setstate__ = set_fields

    @property
    def _all_weights(self) -> Array:
        if self._encoder is not None:
            raise ValueError(
                "keep must be 'weights' in gradient_flow for a run whose layers are read between "
                "its first and its last time: got 'encoder'"
            )
        return self._weights

    @cached_property
    def _equations(self) -> Equations:
        return Problem(self.start, self.data, self.objective).equations

    @cached_property
    def _prefixes(self) -> list[Any]:
        layers = self._equations.layers(self._all_weights)
        return [None, *map(read_only, prefixes(layers)[1:])]

    def __repr__(self) -> str:
        ended = f"\n  stopped early: {self.stopped}" if self.stopped else ""
        last = f"to {self.t[-1]:.4g}" if self.t.size else "(none reached)"
        return (
            f"{self.objective!r} on {repr(self.start).removeprefix('Network: ')}, "
            f"{self.spectrum.lam.size} modes\n"
            f"  {self.t.size} times {last} ({label(self.clock)}), by {self.how}{ended}"
        )


def finished(run: Run) -> Run:
    """The run, if it is complete; otherwise `Stopped`, with the reason."""
    if run.stopped:
        raise Stopped(run.stopped)
    return run

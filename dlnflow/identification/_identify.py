"""Identifies the network behind measured trajectories."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dlnflow._common import _validate
from dlnflow.identification._explain import counted
from dlnflow.identification._find import finding
from dlnflow.identification._fit_all import fit_all
from dlnflow.identification._result import Identification
from dlnflow.identification._validation import validated
from dlnflow.theory._clock import Clock
from dlnflow.theory._objective import Objectives


def identify(
    t: ArrayLike,
    w: ArrayLike,
    eps: ArrayLike | None = None,
    clock: Clock = "paper",
    *,
    lam: ArrayLike | None = None,
    rho: ArrayLike | None = None,
    objective: Objectives = ("jepa", "mae"),
    L: ArrayLike | None = None,
    decoder_depth: ArrayLike = 1,
    noise: str | None = None,
    sigma: ArrayLike | None = None,
    one_eps: bool = False,
    measure: str = "amplitude",
    names: Sequence[str] | None = None,
) -> Identification:
    """The network that best explains measured mode trajectories, with its ``lam`` and ``rho``.

    Every candidate (an objective with an encoder and a decoder depth) is fitted to all modes by
    maximum likelihood, and the candidates are ranked. `Identification.explain` says in words which
    candidates the data do not distinguish, and which measurement would.

    Parameters
    ----------
    t : array, shape (times,)
        Increasing times since initialisation, at which the amplitude is ``eps``.
    w : array, shape (times,) or (modes, times)
        Measured amplitudes of the encoder's modes, all from one network.
    eps : float or array, shape (modes,), optional
        Amplitude at time 0, NaN where unknown. By default it is fitted.
    clock : {"paper", "network", "unknown"} or Training
        The unit of ``t``. On an unknown clock ``lam`` is in units of that clock, unless some
        ``lam`` are given: then the unit is fitted too (``time_scale``).
    lam, rho : float or array, shape (modes,), optional
        Known values, NaN where unknown. They cannot be 0: leave out ``rho`` for a mode of pure
        noise, which is found as a suppressed mode with ``rho`` close to 0.
    objective : str, Objective or several
        Objectives to try: JEPA and MAE by default; ``"all"`` adds every target layer between.
    L : int or several, optional
        Encoder depths to try: 1 to 6 by default.
    decoder_depth : int or several
        Decoder depths to try.
    noise : {"absolute", "relative"}, optional
        Whether the noise is equal at all times or proportional to the amplitude. By default the
        kind that explains each mode better.
    sigma : float or array, shape (modes,), optional
        Standard deviation of the noise: of ``w``, or of ``log w`` if relative. By default it is
        estimated for each mode.
    one_eps : bool
        Whether all modes have the same ``eps``, as after a balanced initialisation.
    measure : {"amplitude", "scaled", "probe"}
        What ``w`` holds: amplitudes ``|W b|``; amplitudes up to an unknown factor, so that ``lam``
        and ``rho`` are in units of it; or the ``R2`` of a linear probe that reads the encoder's
        output plus white noise (`dlnflow.network.probe_r2`), which is the amplitude in units of the
        probe's noise.
    names : sequence of str, optional
        Name of each mode, by which the results call it.

    Returns
    -------
    Identification
        ``explained`` and ``misfit`` first; ``answer``, the objective and depth to believe;
        ``objective``, ``L``, ``lam``, ``rho``, ``eps`` of the best fit, ``stderr``, ``interval``,
        ``ranking``, ``explain()``, ``plot()``.

    Raises
    ------
    ValueError, TypeError
        If times do not increase or are too few; if amplitudes are not finite, negative beyond their
        noise or all constant; if no network is such a candidate; if a time or an amplitude is below
        1e-50 or above 1e50.

    Warns
    -----
    UserWarning
        If some modes never move: they are left out. If the residuals contradict ``sigma``.

    Notes
    -----
    Least squares with the exact derivatives of the closed form (`dlnflow.sensitivities`), Akaike's
    criterion, and profile likelihoods for intervals. Candidates with the same mode equation are
    fitted once and listed together (``equivalent``). Derived in ``docs/identify-method.md``.

    Examples
    --------
    >>> import numpy as np
    >>> import dlnflow
    >>> t = np.linspace(0.0, 60.0, 80)
    >>> w = dlnflow.amplitude(t, [[1.0], [1.1]], [[0.8], [0.5]], 3, eps=0.01, objective="mae")
    >>> r = dlnflow.identify(t, w)
    >>> r.objective, r.L, r.lam.round(6).tolist(), r.rho.round(6).tolist()
    (MAE, 3, [1.0, 1.1], [0.8, 0.5])
    """
    w = _validate.numbers("w", w)
    network = objective, L, decoder_depth
    options: dict[str, Any] = {"measure": measure, "names": names}
    curves = validated(t, w, (lam, rho, eps), clock, network, noise, sigma, one_eps, **options)
    if curves.constant:
        warnings.warn(
            f"w does not change in {counted(curves.labels(curves.constant))}: nothing can be "
            "estimated there, and the estimates are NaN",
            UserWarning,
            stacklevel=2,
        )
    fits = fit_all(curves)
    found = Identification(finding(curves, fits, np.arange(len(fits.data.w))), w.ndim == 1)
    warn_of_sigma([found], stacklevel=3)
    return found


def warn_of_sigma(found: Sequence[Identification], *, stacklevel: int) -> None:
    """Warn if the residuals contradict the ``sigma`` that was given."""
    worst = max(float(np.nanmax(one.sigma_excess)) for one in found)
    if worst > 1.0:
        warnings.warn(
            f"sigma is contradicted by the data: residuals are up to {worst:.2g} times the sigma "
            "given, and errors and weights based on it do not hold",
            UserWarning,
            stacklevel=stacklevel,
        )


def identify_each(
    t: ArrayLike,
    w: ArrayLike,
    eps: ArrayLike | None = None,
    clock: Clock = "paper",
    *,
    lam: ArrayLike | None = None,
    rho: ArrayLike | None = None,
    objective: Objectives = ("jepa", "mae"),
    L: ArrayLike | None = None,
    decoder_depth: ArrayLike = 1,
    noise: str | None = None,
    sigma: ArrayLike | None = None,
    measure: str = "amplitude",
) -> tuple[Identification, ...]:
    """`identify` for several trajectories, each from a network of its own.

    Faster than one call for each, since they are fitted together.

    Parameters
    ----------
    t : array, shape (times,)
    w : array, shape (trajectories, times)
    eps, clock, lam, rho, objective, L, decoder_depth, noise, sigma, measure
        As for `identify`, with one value for each trajectory instead of each mode.

    Returns
    -------
    tuple of Identification
        One for each trajectory.

    Raises
    ------
    ValueError, TypeError
        As for `identify`, and if a trajectory never moves.

    Warns
    -----
    UserWarning
        If the residuals contradict ``sigma``.

    Notes
    -----
    As for `identify`.

    Examples
    --------
    >>> import numpy as np
    >>> import dlnflow
    >>> t = np.linspace(0.0, 800.0, 200)
    >>> runs = [dlnflow.amplitude(t, 1.0, 0.8, L, eps=0.05) for L in (1, 2)]
    >>> [one.L for one in dlnflow.identify_each(t, runs)]
    [1, 2]
    """
    network = objective, L, decoder_depth
    known = lam, rho, eps
    w = np.atleast_2d(_validate.numbers("w", w))
    curves = validated(t, w, known, clock, network, noise, sigma, measure=measure)
    if curves.constant:
        raise ValueError(
            "w must change in every trajectory: got one value at all times in "
            f"{', '.join(map(str, curves.constant))}"
        )
    if np.isfinite(curves.data.own_lam).any():
        raise ValueError(
            "lam must be left out on an unknown clock: got lam for trajectories that each have a "
            "clock of their own"
        )
    fits = fit_all(curves)
    found = tuple(
        Identification(finding(curves, fits, np.array([i])), True) for i in range(len(fits.data.w))
    )
    warn_of_sigma(found, stacklevel=3)
    return found

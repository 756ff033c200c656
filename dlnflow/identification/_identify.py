"""From measured trajectories to the network that made them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dlnflow.identification._door import flag
from dlnflow.identification._problem import Problem
from dlnflow.identification._result import Identification
from dlnflow.identification._words import counted
from dlnflow.theory._clock import Clock


def identify(
    t: ArrayLike,
    w: ArrayLike,
    eps: ArrayLike | None = None,
    clock: Clock = "paper",
    *,
    lam: ArrayLike | None = None,
    rho: ArrayLike | None = None,
    objective: Any = ("jepa", "mae"),
    L: ArrayLike | None = None,
    decoder_depth: ArrayLike = 1,
    noise: str | None = None,
    sigma: ArrayLike | None = None,
    one_eps: bool = False,
) -> Identification:
    """The network that best explains measured mode trajectories, with its ``lam`` and ``rho``.

    Every candidate, an objective with an encoder and a decoder depth, is fitted to all modes by
    maximum likelihood; the candidates are ranked, and `Identification.explain` says in words what
    these data cannot tell apart and which measurement would.

    Parameters
    ----------
    t : array, shape (times,)
        Rising, from 0 on, since initialisation: ``eps`` is the amplitude at time 0.
    w : array, shape (times,) or (modes, times)
        Measured amplitudes of the encoder's modes, all from one network.
    eps : float or array, shape (modes,), optional
        Amplitude at time 0 where it is known, NaN where not. By default it is fitted.
    clock : {"paper", "network", "unknown"} or Training
        What ``t`` counts. On an unknown clock ``lam`` comes in its units, unless some ``lam`` are
        given: then its unit is fitted too (``time_scale``).
    lam, rho : float or array, shape (modes,), optional
        What is known of the modes beforehand, NaN where nothing is; not 0: a mode of pure noise
        falls as the power law that suppressed modes end in.
    objective : str, Objective or several
        Candidates: by default the paper's two; ``"all"`` adds every target between.
    L : int or several, optional
        Encoder depths to try: 1 to 6 by default.
    decoder_depth : int or several
        Decoder depths to try.
    noise : {"absolute", "relative"}, optional
        Whether the noise is the same at all times or a share of the amplitude. By default what
        explains each mode better.
    sigma : float or array, shape (modes,), optional
        Standard deviation of the noise, if known: of ``w``, or of ``log w`` if relative. By default
        it is estimated, for each mode.
    one_eps : bool
        Whether all modes start from one amplitude, as with a balanced start.

    Returns
    -------
    Identification
        ``objective``, ``L``, ``lam``, ``rho``, ``eps``, ``stderr``, ``interval``, ``ranking``,
        ``explain()``, ``plot()``.

    Raises
    ------
    ValueError, TypeError
        For times that do not rise, amplitudes that are not finite, negative beyond their scatter or
        all constant, too few times, candidates that no network is, and units in which anything is
        below 1e-50 or above 1e50.

    Warns
    -----
    UserWarning
        For modes that never move, beside others that do: they are set aside. For a ``sigma`` that
        the residuals exceed by far.

    Notes
    -----
    Least squares with the exact derivatives of the closed form (`dlnflow.sensitivities`); ranked by
    Akaike's criterion, intervals by the profile likelihood. Candidates with the same mode equation
    are fitted once and listed together (``equivalent``). Derived in ``docs/identify.md``.

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
    problem = Problem.of(
        t,
        w,
        eps,
        clock,
        lam=lam,
        rho=rho,
        objective=objective,
        L=L,
        decoder_depth=decoder_depth,
        noise=noise,
        sigma=sigma,
    )
    if problem.constant:
        warnings.warn(
            f"w does not change in {counted(problem.constant)}: nothing can be learned from what "
            "does not move, and the estimates are NaN",
            UserWarning,
            stacklevel=2,
        )
    solutions = problem.solutions(one_eps=flag("one_eps", one_eps))
    found = problem.result(solutions, np.arange(len(problem.w)))
    doubt_sigma([found], stacklevel=3)
    return found


def doubt_sigma(found: Sequence[Identification], *, stacklevel: int) -> None:
    """Warn of noise that was given and that the residuals exceed by far."""
    worst = max(float(np.nanmax(one.sigma_excess)) for one in found)
    if worst > 1.0:
        warnings.warn(
            f"sigma is contradicted by the data: residuals are up to {worst:.2g} times the sigma "
            "given, and errors and weights that rest on it do not hold",
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
    objective: Any = ("jepa", "mae"),
    L: ArrayLike | None = None,
    decoder_depth: ArrayLike = 1,
    noise: str | None = None,
    sigma: ArrayLike | None = None,
) -> tuple[Identification, ...]:
    """`identify` for every trajectory by itself, as if each came from a network of its own.

    Much faster than a call for each: they are fitted side by side.

    Parameters
    ----------
    t : array, shape (times,)
    w : array, shape (trajectories, times)
    eps, clock, lam, rho, objective, L, decoder_depth, noise, sigma
        As for `identify`; one value for each trajectory where there it is one for each mode.

    Returns
    -------
    tuple of Identification
        One for each trajectory.

    Raises
    ------
    ValueError, TypeError
        As for `identify`; also for a trajectory that never moves.

    Warns
    -----
    UserWarning
        For a ``sigma`` that the residuals exceed by far.

    Notes
    -----
    Source as for `identify`.

    Examples
    --------
    >>> import numpy as np
    >>> import dlnflow
    >>> t = np.linspace(0.0, 800.0, 200)
    >>> runs = [dlnflow.amplitude(t, 1.0, 0.8, L, eps=0.05) for L in (1, 2)]
    >>> [one.L for one in dlnflow.identify_each(t, runs)]
    [1, 2]
    """
    problem = Problem.of(
        t,
        np.atleast_2d(w),
        eps,
        clock,
        lam=lam,
        rho=rho,
        objective=objective,
        L=L,
        decoder_depth=decoder_depth,
        noise=noise,
        sigma=sigma,
    )
    if problem.constant:
        raise ValueError(
            "w must change in every trajectory: got one value at all times in "
            f"{', '.join(map(str, problem.constant))}"
        )
    if problem.lam_in_other_units is not None:
        raise ValueError("lam must be left out on an unknown clock, which each trajectory has anew")
    solutions = problem.solutions()
    every = tuple(problem.result(solutions, np.array([i])) for i in range(len(problem.w)))
    doubt_sigma(every, stacklevel=3)
    return every

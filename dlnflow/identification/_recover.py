"""From one training run of a network back to the modes of its data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow.data._spectrum import Spectrum
from dlnflow.identification._door import flag, given_times
from dlnflow.identification._encoder import Modes, encoder_from_outputs, given_encoder, modes_of
from dlnflow.identification._identify import doubt_sigma
from dlnflow.identification._problem import Problem
from dlnflow.identification._result import Estimates, Identification
from dlnflow.theory._clock import Clock

if TYPE_CHECKING:
    import pandas as pd

    from dlnflow.network import Run

Array = NDArray[np.float64]

HALF = 0.5  # of the plateau: beyond it a mode counts as learned
MIXING = 1e-3  # off-diagonal share above which modes no longer stand for themselves
ALIKE = 0.5  # squared overlap of two directions that may pass for one


@dataclass(frozen=True, eq=False, repr=False)
class Recovery:
    """Modes read off a training run: an immutable record, sorted by falling ``lam``.

    Build one with `dlnflow.recover`.

    Attributes
    ----------
    lam, rho : array, shape (modes,)
        Both negative for modes that the run suppresses.
    eps : array, shape (modes,)
        Amplitudes at time 0.
    stderr : Estimates
        Standard errors of the three.
    basis : array, shape (d, modes)
        The modes' directions, orthonormal columns, found from the run itself.
    learned : bool array, shape (modes,)
        Whether the run took the mode to half of its plateau or beyond; not where ``rho`` is open.
    off_diagonal : float
        How far modes mixed: share of the encoder's Gram matrices off the diagonal in the basis,
        the largest over time.
    dropped : int
        Directions with nothing to read: never answered to, or never changed (as where the data
        have no variance).
    identification : Identification
        Of the amplitudes: residuals, ranking, `explain`.
    """

    lam: Array
    rho: Array
    eps: Array
    stderr: Estimates
    basis: Array
    learned: NDArray[np.bool_]
    off_diagonal: float
    dropped: int
    identification: Identification

    @property
    def variance(self) -> Array:
        """``lam / rho``: variance of the data along each mode."""
        return np.asarray(self.lam / self.rho)

    @property
    def suppressed(self) -> NDArray[np.bool_]:
        """Which modes have negative ``rho``: their amplitude falls to 0."""
        return self.rho < 0.0

    def interval(self, name: str, level: float = 0.95, *, conditional: bool = False) -> Array:
        """`Identification.interval` of the modes, shape (2, modes)."""
        return np.reshape(
            self.identification.interval(name, level, conditional=conditional), (2, -1)
        )

    def explain(self) -> str:
        """`Identification.explain`: what explains the amplitudes, and how sure that is."""
        return self.identification.explain()

    def to_dataframe(self) -> pd.DataFrame:
        """One row for each mode: lam, rho, eps with standard errors, and whether it was learned."""
        import pandas as pd

        columns: dict[str, Any] = {"mode": np.arange(self.lam.size)}
        for name in Estimates._fields:
            columns[name] = getattr(self, name)
            columns[f"{name}_err"] = getattr(self.stderr, name)
        return pd.DataFrame({**columns, "learned": self.learned})

    def against(self, spectrum: Spectrum) -> pd.DataFrame:
        """What the run says beside what the data say, mode by mode.

        Parameters
        ----------
        spectrum : Spectrum
            Modes of the data, matched one to one by direction.

        Returns
        -------
        pandas.DataFrame
            Columns: mode, of_data (its number in ``spectrum``), overlap (cosine of their
            directions), lam, lam_data, rho, rho_data. Modes that match none have NaN there.

        Raises
        ------
        ValueError
            For data of another dimension.
        """
        import pandas as pd
        from scipy.optimize import linear_sum_assignment

        if spectrum.basis.shape[0] != self.basis.shape[0]:
            raise ValueError(
                f"spectrum must have the run's dimension {self.basis.shape[0]}: "
                f"got {spectrum.basis.shape[0]}"
            )
        cosines = np.abs(self.basis.T @ spectrum.basis)
        rows, partners = linear_sum_assignment(-(cosines**2))
        partner = np.full(self.lam.size, -1)
        partner[rows] = partners
        overlap = cosines[np.arange(self.lam.size), partner]
        there = (partner >= 0) & (overlap**2 > ALIKE)
        return pd.DataFrame(
            {
                "mode": np.arange(self.lam.size),
                "of_data": pd.array(np.where(there, partner, -1), dtype="Int64").astype("Int64"),
                "overlap": np.where(there, overlap, np.nan),
                "lam": self.lam,
                "lam_data": np.where(there, spectrum.lam[partner], np.nan),
                "rho": self.rho,
                "rho_data": np.where(there, spectrum.rho[partner], np.nan),
            }
        )

    def __repr__(self) -> str:
        best, modes = self.identification, self.lam.size
        lines = [
            f"Recovery: {modes} mode{'s' if modes > 1 else ''} of a run of {best.candidate}, "
            f"{int(self.learned.sum())} learned, {int(self.suppressed.sum())} suppressed",
            f"  lam {self.lam.min():.4g} to {self.lam.max():.4g}, "
            f"rho {self.rho.min():.4g} to {self.rho.max():.4g}",
        ]
        if self.off_diagonal > MIXING:
            lines.append(
                f"  caution: modes mix (off-diagonal share {self.off_diagonal:.2g}): no basis "
                "keeps them apart at all times"
            )
        if self.dropped:
            lines.append(f"  directions with nothing to read, dropped: {self.dropped}")
        return "\n".join(lines)


def recover(
    run: Run | None = None,
    *,
    t: ArrayLike | None = None,
    encoder: ArrayLike | None = None,
    outputs: ArrayLike | None = None,
    probes: ArrayLike | None = None,
    objective: Any = None,
    L: ArrayLike | None = None,
    decoder_depth: ArrayLike | None = None,
    clock: Clock | None = None,
    eps: ArrayLike | None = None,
    noise: str | None = None,
    sigma: ArrayLike | None = None,
    one_eps: bool = False,
) -> Recovery:
    """The modes of the data, read off one training run.

    The basis comes from the run itself: where modes do not mix, the encoder's Gram matrices at all
    times are diagonal in it. Then every mode's amplitude is identified: the learned ones by wait,
    rise and plateau, those with negative ``rho`` by their fall.

    Parameters
    ----------
    run : dlnflow.network.Run, optional
        A run, which knows its objective, depths and clock. Or give what you recorded:
    t : array, shape (times,)
        Times since initialisation.
    encoder : array, shape (times, width, d)
        The product of the encoder's weights over time. Or:
    outputs, probes : array, shape (times, n, width) and (n, d)
        What the encoder made of ``n`` known inputs that span all directions.
    objective, L, decoder_depth, clock
        Of the network, as for `dlnflow.identify`: several, or nothing, where they are not known.
    eps, noise, sigma, one_eps
        As for `dlnflow.identify`; one number for all modes, whose order is not known beforehand.

    Returns
    -------
    Recovery

    Raises
    ------
    ValueError, TypeError
        For a run given twice or not at all, arrays of the wrong shape, an encoder that is 0 at some
        time, probes that do not span all directions, and as `dlnflow.identify`.

    Warns
    -----
    UserWarning
        As `dlnflow.identify`.

    Notes
    -----
    The joint basis by Jacobi angles (Cardoso and Souloumiac 1996) on the logarithms of the Gram
    matrices; ``docs/identify.md``.

    Examples
    --------
    >>> import numpy as np
    >>> import dlnflow
    >>> from dlnflow import network
    >>> sigma_xx, sigma_yx = np.diag([1.0, 1.0, 2.0]), np.diag([0.9, -0.3, 1.0])
    >>> net = network.balanced(sigma_xx, sigma_yx, L=2, eps=0.1)
    >>> run = network.gradient_flow(net, sigma_xx, sigma_yx)
    >>> dlnflow.recover(run).rho.round(6).tolist()
    [0.5, 0.9, -0.3]
    """
    if run is not None:
        _only(t=t, encoder=encoder, outputs=outputs, probes=probes, clock=clock)
        from dlnflow.network import Run

        if not isinstance(run, Run):
            raise TypeError(f"run must be a dlnflow.network.Run: got {type(run).__name__}")
        t, encoder, clock = run.t, run.encoder, run.clock
        objective = run.objective if objective is None else objective
        L = run.start.L if L is None else L
        decoder_depth = run.start.decoder_depth if decoder_depth is None else decoder_depth
    if t is None or (encoder is None) == (outputs is None) or (outputs is None) != (probes is None):
        raise ValueError(
            "give a run; or t with encoder; or t with outputs and probes: got "
            + (", ".join(_given(t=t, encoder=encoder, outputs=outputs, probes=probes)) or "nothing")
        )
    times = given_times(t)
    if outputs is not None and probes is not None:
        matrices = encoder_from_outputs(outputs, probes, times)
    else:
        assert encoder is not None
        matrices = given_encoder(encoder, times)
    modes = modes_of(times, matrices)
    if not modes.w.size:
        raise ValueError("encoder must change: got the same amplitudes at all times")
    problem = Problem.of(
        times,
        modes.w,
        eps,
        "paper" if clock is None else clock,
        objective=("jepa", "mae") if objective is None else objective,
        L=L,
        decoder_depth=1 if decoder_depth is None else decoder_depth,
        noise=noise,
        sigma=sigma,
    )
    solutions = problem.solutions(one_eps=flag("one_eps", one_eps))
    every = problem.result(solutions, np.arange(len(modes.w)))
    doubt_sigma([every], stacklevel=3)
    order = np.argsort(-np.atleast_1d(every.lam), kind="stable")
    return _recovery(modes, problem.result(solutions, order), order)


def _recovery(modes: Modes, found: Identification, order: NDArray[np.intp]) -> Recovery:
    return Recovery(
        _closed(found.lam),
        _closed(found.rho),
        _closed(found.eps),
        Estimates(*map(_closed, found.stderr)),
        _closed(modes.basis[:, order]),
        _closed((found.seen.max(axis=1) >= HALF) & np.isfinite(found.stderr.rho)),
        modes.off_diagonal,
        modes.dropped,
        found,
    )


def _only(**others: Any) -> None:
    given = _given(**others)
    if given:
        raise ValueError(f"{given[0]} must be left out where a run is given, which knows its own")


def _given(**arguments: Any) -> list[str]:
    return [name for name, value in arguments.items() if value is not None]


def _closed(array: NDArray[Any]) -> NDArray[Any]:
    own = array.copy()
    own.flags.writeable = False
    return own

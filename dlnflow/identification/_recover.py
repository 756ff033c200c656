"""Recovers the modes of the data from one training run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common._frozen import read_only_copy
from dlnflow.data._spectrum import Spectrum
from dlnflow.identification._encoder import modes_of, recording
from dlnflow.identification._find import finding
from dlnflow.identification._fit_all import fit_all, ranked
from dlnflow.identification._identify import warn_of_sigma
from dlnflow.identification._result import Estimates, Identification
from dlnflow.identification._validation import validated
from dlnflow.theory._clock import Clock
from dlnflow.theory._objective import Objectives

if TYPE_CHECKING:
    import pandas as pd

    from dlnflow.network import Run

Array = NDArray[np.float64]

HALF = 0.5  # of the plateau: a mode above it is learned
RECORDED = ("t", "encoder", "outputs", "probes", "clock")  # what a run has of its own
MIXING = 1e-3  # off-diagonal share above which estimates of single modes are not reliable
ALIKE = 0.5  # squared overlap above which two directions match


@dataclass(frozen=True, eq=False, repr=False)
class Recovery:
    """Modes of a training run, by decreasing ``lam``: an immutable record.

    Build one with `dlnflow.recover`.

    Attributes
    ----------
    lam, rho : array, shape (modes,)
        Both negative for suppressed modes.
    eps : array, shape (modes,)
        Amplitudes at time 0.
    stderr : Estimates
        Standard errors of the three.
    basis : array, shape (d, modes)
        The modes' directions, orthonormal columns, estimated from the run.
    learned : bool array, shape (modes,)
        Whether the mode reached half of its plateau; False where ``rho`` is undetermined.
    off_diagonal : float
        Off-diagonal share of the encoder's Gram matrix in the basis, the largest over time; 0 if
        modes never mix.
    dropped : int
        Number of directions without response, or with constant amplitude (as where the data have no
        variance).
    identification : Identification
        Of the amplitudes, with residuals, ranking and `explain`.
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
        """Variance of the data along each mode, ``lam / rho``."""
        return np.asarray(self.lam / self.rho)

    @property
    def suppressed(self) -> NDArray[np.bool_]:
        """Which modes have negative ``rho``, so that their amplitude falls to 0."""
        return self.rho < 0.0

    def interval(self, name: str, level: float = 0.95, *, conditional: bool = False) -> Array:
        """`Identification.interval` of the modes, shape (2, modes)."""
        return np.reshape(
            self.identification.interval(name, level, conditional=conditional), (2, -1)
        )

    def explain(self) -> str:
        """`Identification.explain` of the amplitudes."""
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
        """Compare with the modes of the data.

        Parameters
        ----------
        spectrum : Spectrum
            Modes of the data, matched one to one by direction.

        Returns
        -------
        pandas.DataFrame
            Columns: mode, of_data (its number in ``spectrum``), overlap (cosine of their
            directions), lam, lam_data, rho, rho_data; NaN where no mode of the data matches.

        Raises
        ------
        ValueError
            If the data have another dimension.
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
                "separates them at all times"
            )
        if self.dropped:
            lines.append(f"  directions without response or change, dropped: {self.dropped}")
        return "\n".join(lines)


def recover(
    run: Run | None = None,
    *,
    t: ArrayLike | None = None,
    encoder: ArrayLike | None = None,
    outputs: ArrayLike | None = None,
    probes: ArrayLike | None = None,
    objective: Objectives | None = None,
    L: ArrayLike | None = None,
    decoder_depth: ArrayLike | None = None,
    clock: Clock | None = None,
    eps: ArrayLike | None = None,
    noise: str | None = None,
    sigma: ArrayLike | None = None,
    one_eps: bool = False,
) -> Recovery:
    """Recover the modes of the data from one training run.

    The basis is estimated from the run: if modes do not mix, the encoder's Gram matrices at all
    times are diagonal in it. Then the amplitude of each mode is identified, as by `identify`.

    Parameters
    ----------
    run : dlnflow.network.Run, optional
        A run, with its objective, depths and clock. Or give a recording:
    t : array, shape (times,)
        Times since initialisation.
    encoder : array, shape (times, width, d)
        The product of the encoder's weights over time. Or:
    outputs, probes : array, shape (times, n, width) and (n, d)
        The encoder's outputs for ``n`` known inputs that span all directions.
    objective, L, decoder_depth, clock
        Of the network, as for `dlnflow.identify`; several or none if unknown.
    eps, noise, sigma, one_eps
        As for `dlnflow.identify`, with one number for all modes.

    Returns
    -------
    Recovery

    Raises
    ------
    ValueError, TypeError
        If a run is given twice or not at all, an array has the wrong shape, the encoder is 0 at
        some time, or the probes do not span all directions; and as `dlnflow.identify`.

    Warns
    -----
    UserWarning
        If the residuals contradict ``sigma``.

    Notes
    -----
    The joint basis comes from Jacobi angles (Cardoso and Souloumiac 1996) on the logarithms of the
    Gram matrices (``docs/identify.md``).

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
    default: tuple[Any, ...] = (("jepa", "mae"), None, 1)
    if run is not None:
        from dlnflow.network import Run

        for name, value in zip(RECORDED, (t, encoder, outputs, probes, clock), strict=True):
            if value is not None:
                raise ValueError(f"{name} must be left out where a run is given, which has its own")
        if not isinstance(run, Run):
            raise TypeError(f"run must be a dlnflow.network.Run: got {type(run).__name__}")
        t, encoder, clock = run.t, run.encoder, run.clock
        default = run.objective, run.start.L, run.start.decoder_depth
    times, matrices = recording(t, encoder, outputs, probes)
    modes = modes_of(times, matrices)
    if not modes.w.size:
        raise ValueError("encoder must change: got the same amplitudes at all times")
    network = tuple(
        own if given is None else given
        for own, given in zip(default, (objective, L, decoder_depth), strict=True)
    )
    clock = "paper" if clock is None else clock
    curves = validated(times, modes.w, (None, None, eps), clock, network, noise, sigma, one_eps)
    fits = fit_all(curves)
    unsorted = ranked(fits, np.arange(len(modes.w)))
    order = np.argsort(-unsorted.estimates[:, 0], kind="stable")
    found = Identification(finding(curves, fits, order), False)
    warn_of_sigma([found], stacklevel=3)
    learned = (found.seen.max(axis=1) >= HALF) & np.isfinite(found.stderr.rho)
    return Recovery(
        read_only_copy(found.lam),
        read_only_copy(found.rho),
        read_only_copy(found.eps),
        Estimates(*map(read_only_copy, found.stderr)),
        read_only_copy(modes.basis[:, order]),
        read_only_copy(learned),
        modes.off_diagonal,
        modes.dropped,
        found,
    )

"""Recovers the modes of the data from one training run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common._frozen import read_only_copy
from dlnflow.data._spectrum import Spectrum
from dlnflow.identification._encoder import EncoderModes, recorded_modes
from dlnflow.identification._explain import counted
from dlnflow.identification._find import finding
from dlnflow.identification._fit_all import fit_all, ranked
from dlnflow.identification._identify import warn_of_sigma
from dlnflow.identification._result import Estimates, Identification
from dlnflow.identification._validation import ValidatedCurves, validated
from dlnflow.theory._clock import Clock
from dlnflow.theory._objective import Objectives

if TYPE_CHECKING:
    import pandas as pd

    from dlnflow.network import Run

Array = NDArray[np.float64]

HALF = 0.5  # of the plateau: a mode above it is learned
MIXING = 1e-3  # off-diagonal share above which estimates of single modes are not reliable
ALIKE = 0.5  # squared overlap above which two directions match


@dataclass(frozen=True, eq=False, repr=False)
class Recovery:
    """Modes of a training run, by decreasing ``lam``: an immutable record.

    Build one with `dlnflow.recover`. From ``features`` the modes have the order of the features,
    and ``lam``, ``rho`` and ``eps`` are NaN, since amplitudes are known only up to a factor.

    Attributes
    ----------
    lam, rho : array, shape (modes,)
        Both negative for suppressed modes.
    eps : array, shape (modes,)
        Amplitudes at time 0.
    stderr : Estimates
        Standard errors of the three.
    basis : array, shape (d, modes), or None
        The modes' directions, orthonormal columns, estimated from the run. None from features.
    amplitudes : array, shape (modes, times)
        Signed amplitudes: the component of ``W b`` along the mode's own output direction, with the
        sign for which its sum over time is positive. From features they have no sign and an
        unknown factor, ``|Sigma_xx v|`` for a linear encoder.
    turned : bool array, shape (modes,)
        Modes whose output direction turns by more than a right angle, so that the amplitude becomes
        negative beyond its noise. Their norms ``|W b|`` are identified instead. A smaller turn is
        not reported; it lowers the amplitude by the cosine of its angle.
    learned : bool array, shape (modes,)
        Whether the mode reached half of its plateau; False where ``rho`` is undetermined.
    off_diagonal : float
        Off-diagonal share of the encoder's Gram matrix in the basis, the largest over time; 0 if
        modes never mix. From features: of the Gram matrix of their covariances with the outputs.
    dropped : int
        Number of directions without response, or with constant amplitude (as where the data have no
        variance).
    identification : Identification
        Of the amplitudes, with residuals, ranking and `explain`. From features its ``lam``, ``rho``
        and ``eps`` contain powers of the unknown factors; `explain` gives the powers.
    """

    lam: Array
    rho: Array
    eps: Array
    stderr: Estimates
    basis: Array | None
    amplitudes: Array
    turned: NDArray[np.bool_]
    learned: NDArray[np.bool_]
    off_diagonal: float
    dropped: int
    identification: Identification

    @property
    def variance(self) -> Array:
        """Variance of the data along each mode, ``lam / rho``."""
        return np.asarray(self.lam / self.rho)

    @property
    def explained(self) -> bool:
        """`Identification.explained` of the amplitudes."""
        return self.identification.explained

    @property
    def misfit(self) -> float:
        """`Identification.misfit` of the amplitudes."""
        return self.identification.misfit

    @property
    def verdict(self) -> str:
        """`Identification.verdict` of the amplitudes."""
        return self.identification.verdict

    @property
    def relative(self) -> bool:
        """Whether amplitudes are known only up to a factor for each mode, as from features."""
        return self.basis is None

    @property
    def suppressed(self) -> NDArray[np.bool_]:
        """Which modes have negative ``rho``, so that their amplitude falls to 0."""
        return np.asarray(self.identification.rho < 0.0)

    def interval(self, name: str, level: float = 0.95, *, conditional: bool = False) -> Array:
        """`Identification.interval` of the modes, shape (2, modes); NaN from features."""
        ends = self.identification.interval(name, level, conditional=conditional)
        ends = np.reshape(ends, (2, -1))
        return np.full_like(ends, np.nan) if self.relative else ends

    def explain(self) -> str:
        """Whether modes mix, turn or have unknown factors, then `Identification.explain`."""
        return "\n".join([*self._remarks(), self.identification.explain()])

    def _remarks(self) -> Iterator[str]:
        """Sentences on mixing, unknown factors and signs, where there is something to say."""
        if self.off_diagonal > MIXING:
            yield (
                f"Modes mix (off-diagonal share {self.off_diagonal:.2g}): estimates of single "
                "modes are not reliable."
            )
        if self.relative:
            best = self.identification.candidate
            depths = best.L, best.decoder_depth
            rho = best.objective.gap(*depths) / best.L
            lam = -best.objective.growth_exponent(*depths) / best.L
            yield (
                "Amplitudes are known only up to a factor a for each mode (|Sigma_xx v| if the "
                "encoder is linear), so lam, rho and eps are unknown. Those of the identification "
                f"are lam a**{lam:.3g}, rho a**{rho:.3g} and eps a."
            )
        if self.turned.any():
            yield (
                "Output directions turn by more than a right angle in "
                f"{counted(np.flatnonzero(self.turned))}: norms were fitted, not signed amplitudes."
            )
        crossing = (self.amplitudes < 0.0).any(axis=1) & ~self.turned
        if crossing.any():
            yield (
                f"Amplitudes cross 0 within their noise in {counted(np.flatnonzero(crossing))}: "
                "they were fitted with their signs."
            )

    def to_dataframe(self) -> pd.DataFrame:
        """One row for each mode: lam, rho, eps with standard errors, learned, turned."""
        from dlnflow._common._frame import Frame

        columns: dict[str, Any] = {"mode": np.arange(self.lam.size)}
        for name in Estimates._fields:
            columns[name] = getattr(self, name)
            columns[f"{name}_err"] = getattr(self.stderr, name)
        return Frame({**columns, "learned": self.learned, "turned": self.turned})

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
            If the data have another dimension, or the modes come from features.
        """
        import pandas as pd
        from scipy.optimize import linear_sum_assignment

        from dlnflow._common._frame import Frame

        if self.basis is None:
            raise ValueError(
                "against needs the modes' directions: got modes from features, which have none; "
                "recover from encoder, or from outputs and probes"
            )
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
        return Frame(
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
        modes, network = self.lam.size, self.identification.candidate
        lines = [
            f"Recovery: {self.verdict}",
            *(f"  {remark}" for remark in self._remarks()),
            f"  {modes} mode{'s' if modes > 1 else ''} of a run of {network}, "
            f"{int(self.learned.sum())} learned, {int(self.suppressed.sum())} suppressed",
        ]
        if not self.relative:
            lines.append(
                f"  lam {self.lam.min():.4g} to {self.lam.max():.4g}, "
                f"rho {self.rho.min():.4g} to {self.rho.max():.4g}"
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
    features: ArrayLike | None = None,
    probe_sigma: ArrayLike | None = None,
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
    features : array, shape (n, k)
        In place of ``probes``, where the inputs do not span all directions or the encoder is not
        linear: values of ``k`` features on the inputs. Each feature is a mode, whose amplitude is
        found up to a factor from what a linear probe reads.
    probe_sigma : array, single or shape (k,)
        Standard deviation of the probe's noise, as ``sigma`` of `dlnflow.network.probe_r2`.
        Required with features.
    objective, L, decoder_depth, clock
        Of the network, as for `dlnflow.identify`; several or none if unknown.
    eps, noise, sigma, one_eps
        As for `dlnflow.identify`, with one number for all modes. ``eps`` and ``one_eps`` have to
        be left out with features.

    Returns
    -------
    Recovery

    Raises
    ------
    ValueError, TypeError
        If a run is given twice or not at all, an array has the wrong shape, the encoder is 0 at
        some time, the probes do not span all directions, ``probe_sigma`` is so small that ``R2``
        rounds to 1, or the probe reads a feature not at all or equally at all times; and as
        `dlnflow.identify`.

    Warns
    -----
    UserWarning
        If the residuals contradict ``sigma``.

    Notes
    -----
    The joint basis comes from Jacobi angles (Cardoso and Souloumiac 1996) on the logarithms of the
    Gram matrices (``docs/identify.md``). From features, the amplitude is
    ``probe_sigma sqrt(R2 / (1 - R2))``, which is ``w |Sigma_xx v|`` for an aligned mode ``v . x``
    of unit variance (``docs/networks.md``).

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
    recording = {
        "t": t,
        "encoder": encoder,
        "outputs": outputs,
        "probes": probes,
        "features": features,
        "probe_sigma": probe_sigma,
    }
    default: tuple[Any, ...] = (("jepa", "mae"), None, 1)
    if run is not None:
        _check_run(run, {**recording, "clock": clock})
        recording |= {"t": run.t, "encoder": run.encoder}
        clock, default = run.clock, (run.objective, run.start.L, run.start.decoder_depth)
    times, modes = recorded_modes(recording)
    if not modes.w.size:
        raise ValueError("encoder must change: got the same amplitudes at all times")
    network = tuple(
        own if given is None else given
        for own, given in zip(default, (objective, L, decoder_depth), strict=True)
    )
    clock = "paper" if clock is None else clock
    curves = validated(times, modes.w, (None, None, eps), clock, network, noise, sigma, one_eps)
    if features is not None and (eps is not None or one_eps):
        raise ValueError(
            "eps and one_eps must be left out with features, whose amplitudes have unknown "
            f"factors: got eps={eps!r}, one_eps={one_eps}"
        )
    return _recovery(modes, curves)


def _check_run(run: Any, others: dict[str, Any]) -> None:
    """Refuse what is no run, and arguments that a run has of its own."""
    from dlnflow.network import Run

    for name, value in others.items():
        if value is not None:
            raise ValueError(f"{name} must be left out where a run is given, which has its own")
    if not isinstance(run, Run):
        raise TypeError(f"run must be a dlnflow.network.Run: got {type(run).__name__}")


def _recovery(modes: EncoderModes, curves: ValidatedCurves) -> Recovery:
    """Identify the amplitudes. Modes with a basis are sorted by ``lam``."""
    fits, order = fit_all(curves), np.arange(len(modes.w))
    if modes.basis is not None:
        order = np.argsort(-ranked(fits, order).estimates[:, 0], kind="stable")
    found = Identification(finding(curves, fits, order), False)
    warn_of_sigma([found], stacklevel=4)
    learned = (found.seen.max(axis=1) >= HALF) & np.isfinite(found.stderr.rho)
    unit = np.nan if modes.basis is None else 1.0
    return Recovery(
        read_only_copy(unit * found.lam),
        read_only_copy(unit * found.rho),
        read_only_copy(unit * found.eps),
        Estimates(*(read_only_copy(unit * one) for one in found.stderr)),
        None if modes.basis is None else read_only_copy(modes.basis[:, order]),
        read_only_copy(modes.amplitudes[order]),
        read_only_copy(modes.turned[order]),
        read_only_copy(learned),
        modes.off_diagonal,
        modes.dropped,
        found,
    )

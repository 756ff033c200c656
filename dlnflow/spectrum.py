"""The modes of data: covariances or samples in, ``lam``, ``variance``, ``rho`` and a basis out.

The mode equations hold where one basis makes ``Sigma_xx`` and ``Sigma_yx`` diagonal. Real data has
no such basis, so a `Spectrum` also says how far it is from having one.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow import _validate
from dlnflow._covariance import centred, covariance, paired_samples, square
from dlnflow._joint_basis import DEGENERATE, alike_in_samples, joint_modes
from dlnflow.critical_time import critical_time_table
from dlnflow.simulate import Simulation, simulate

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

OFF_DIAGONAL = 0.01  # a hundredth of the squared norm: a tenth of the size, no longer a correction
MOSTLY = 0.5  # share above which other modes matter more than the mode itself
ALMOST_COMMUTING = 0.01  # of the off-diagonal share: a turn among modes of nearly equal variance


@dataclass(frozen=True, eq=False, repr=False)
class Spectrum:
    """The modes of data, and how well the data fits the theory: an immutable record.

    Build one with `from_covariances` or `from_samples`. Modes are sorted by descending ``lam``.

    Attributes
    ----------
    lam : array, shape (modes,)
        Covariance of each mode, ``diag(B^T Sigma_yx B)``. Exactly 0 where only rounding is left.
    variance : array, shape (modes,)
        ``diag(B^T Sigma_xx B)``, positive.
    basis : array, shape (d, modes)
        ``B``: orthonormal columns, eigenvectors of ``Sigma_xx``; the entry largest in size of each
        is positive. Where variances agree, eigenvectors of the symmetric part of ``Sigma_yx``
        inside their common space. They agree within a relative 1e-4; of samples, within the
        ``4 sqrt(d / n)``, at most 0.3, over which equal ones scatter.
    coupling : array, shape (modes,)
        Of the squared correlations in the mode's row and column of ``Sigma_yx`` (whitened to unit
        variance), the share that belongs to other modes; 0 where there are none. Unlike the three
        numbers below it gives a small mode the same weight as a large one.
    dropped : int
        Directions left out for lack of variance (at most 1e-10 of the largest; more if the input
        has single precision): they have no mode equation.
    commutator : float
        ``|Sxx Syx - Syx Sxx| / (|Sxx| |Syx|)`` in Frobenius norms, in [0, 1]; free of scale. 0 if
        and only if the two commute.
    off_diagonal : float
        Share of the squared Frobenius norm of ``Sigma_yx`` off the diagonal in the basis, in
        [0, 1]. Neither ``commutator`` nor ``asymmetry`` exceeds its square root.
    asymmetry : float
        ``|Syx - Syx^T| / (2 |Syx|)`` in Frobenius norms, in [0, 1].

    Notes
    -----
    The definition of modes is the paper's (its assumption of simultaneously diagonalisable
    covariances); the diagnostics are the library's own, and all but ``coupling`` weigh modes by
    ``lam**2``, so a few large modes decide them. ``docs/data.md``.

    Examples
    --------
    >>> import dlnflow
    >>> from dlnflow.spectrum import Spectrum
    >>> s = Spectrum.from_covariances([[2.0, 0.0], [0.0, 1.0]], [[0.8, 0.0], [0.0, 0.9]])
    >>> s.lam.tolist(), s.rho.tolist()
    ([0.9, 0.8], [0.9, 0.4])
    >>> s
    Spectrum: d = 2, 2 modes, 0 with negative rho
      lam 0.8 to 0.9, rho 0.4 to 0.9
      commutator 0, off-diagonal share 0 %, asymmetry 0
    """

    lam: Array
    variance: Array
    basis: Array
    coupling: Array
    dropped: int
    commutator: float
    off_diagonal: float
    asymmetry: float

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                own = value.copy()
                own.flags.writeable = False
                object.__setattr__(self, field.name, own)

    @classmethod
    def from_covariances(cls, sigma_xx: ArrayLike, sigma_yx: ArrayLike) -> Spectrum:
        """The modes of two covariance matrices.

        Parameters
        ----------
        sigma_xx : array, shape (d, d)
            ``E[x x^T]`` of the centred context: symmetric and positive semi-definite.
        sigma_yx : array, shape (d, d)
            ``E[y x^T]`` of the centred target (rows) with the context (columns).

        Returns
        -------
        Spectrum

        Raises
        ------
        ValueError, TypeError
            For matrices that are not square, finite, of one shape and not empty, and for a
            ``sigma_xx`` that is no covariance or is zero; the message names the argument.

        Notes
        -----
        Source: the paper's setting; see the class for the choice of basis.

        Examples
        --------
        >>> from dlnflow.spectrum import Spectrum
        >>> turned = [[1.5, 0.5], [0.5, 1.5]]
        >>> Spectrum.from_covariances(turned, [[0.1, 0.5], [0.5, 0.1]]).rho.round(3).tolist()
        [0.3, -0.4]
        """
        return cls._of(sigma_xx, sigma_yx, DEGENERATE)

    @classmethod
    def _of(cls, sigma_xx: ArrayLike, sigma_yx: ArrayLike, alike: float) -> Spectrum:
        xx, yx = square("sigma_xx", sigma_xx), square("sigma_yx", sigma_yx)
        if xx.shape != yx.shape:
            raise ValueError(
                "sigma_xx and sigma_yx must have the same shape, context and target the same "
                f"dimension: got {xx.shape} and {yx.shape}"
            )
        coarse = max(_precision(sigma_xx), _precision(sigma_yx))
        rounding = 4.0 * len(xx) ** 0.5 * coarse
        return cls(**joint_modes(covariance(xx), yx, rounding=rounding, alike=alike))

    @classmethod
    def from_samples(cls, x: ArrayLike, y: ArrayLike) -> Spectrum:
        """The modes of paired samples, which are centred here.

        Parameters
        ----------
        x, y : array, shape (n, d)
            Context and target, one pair per row. The means are subtracted for you, and the
            covariances divide by ``n`` (not ``n - 1``).

        Returns
        -------
        Spectrum

        Raises
        ------
        ValueError, TypeError
            For samples that are missing or infinite, not in rows, of different shapes, fewer than
            two or without any variance.

        Warns
        -----
        UserWarning
            With no more samples than dimensions, from which some modes cannot be had at all.

        Examples
        --------
        >>> import numpy as np
        >>> from dlnflow.spectrum import Spectrum
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(5.0, [3.0, 1.0], size=(10_000, 2))
        >>> y = x * [0.2, 0.9] + rng.normal(size=x.shape)
        >>> Spectrum.from_samples(x, y).rho.round(1).tolist()
        [0.2, 0.9]
        """
        context, target = paired_samples(x, y)
        n, d = context.shape
        if n <= d:
            warnings.warn(
                f"x has {n} samples in {d} dimensions: at most {n - 1} modes have any variance, "
                "the rest are dropped, and those left are largely chance. Use many samples per "
                "dimension, or fewer dimensions.",
                UserWarning,
                stacklevel=2,
            )
        if (context == context[0]).all():
            raise ValueError("x must vary from sample to sample: got the same sample in every row")
        context = centred(context)
        target = centred(target)
        alike = alike_in_samples(n, d)
        return cls._of(context.T @ context / n, target.T @ context / n, alike)

    @property
    def rho(self) -> Array:
        """Regression coefficient of each mode, ``lam / variance``, shape (modes,)."""
        ratio: Array = self.lam / self.variance
        ratio.flags.writeable = False
        return ratio

    @property
    def suppressed(self) -> int:
        """Number of modes with ``rho < 0``, which no objective learns."""
        return int(np.sum(self.rho < 0.0))

    @property
    def noisy(self) -> int:
        """Number of modes of pure noise, ``lam = rho = 0``."""
        return int(np.sum(self.lam == 0.0))

    @property
    def cautions(self) -> tuple[str, ...]:
        """Where the theory does not apply to this data, in plain words; empty where it does.

        Given when the off-diagonal share exceeds 1 % (a tenth in size: more than a small
        correction), when modes have a coupling above 0.5 (other modes say more about their target
        than they do), and when directions were dropped.
        """
        said = []
        if self.off_diagonal > OFF_DIAGONAL:
            uneven = self.asymmetry**2 > 0.5 * self.off_diagonal
            cause = "sigma_yx is not symmetric" if uneven else "the covariances do not commute"
            if self.commutator**2 < ALMOST_COMMUTING * self.off_diagonal and not uneven:
                cause = (
                    "variances are too alike to tell the modes by; whiten x, or take more samples"
                )
            verdict = "do not apply" if self.off_diagonal > MOSTLY else "are an approximation"
            said.append(
                f"{cause}: the mode equations {verdict} here; "
                f"off-diagonal share {_percent(self.off_diagonal)}"
            )
        mixed = int(np.sum(self.coupling > MOSTLY))
        if mixed:
            said.append(
                f"{mixed} of {self.lam.size} modes are tied to other modes more than to their own "
                f"target (coupling above {MOSTLY}): for these the mode equations are a rough guide"
            )
        if self.dropped:
            said.append(
                f"directions without variance, which have no modes, dropped: {self.dropped}"
            )
        return tuple(said)

    def leading(self, n: int) -> Spectrum:
        """The ``n`` modes of largest ``lam``.

        Diagnostics stay those of the whole data, of which the modes remain a part.

        Parameters
        ----------
        n : int
            From 1 to the number of modes.

        Returns
        -------
        Spectrum

        Raises
        ------
        ValueError, TypeError
            If there are not that many modes.

        Examples
        --------
        >>> from dlnflow.spectrum import Spectrum
        >>> s = Spectrum.from_covariances([[2, 0], [0, 1]], [[0.8, 0], [0, 0.9]])
        >>> s.leading(1).lam.tolist()
        [0.9]
        """
        count = _validate.depth("n", n)
        if count.ndim or count > self.lam.size:
            raise ValueError(f"n must lie in 1..{self.lam.size}, the number of modes: got {n}")
        first = slice(int(count))
        return replace(
            self,
            lam=self.lam[first],
            variance=self.variance[first],
            basis=self.basis[:, first],
            coupling=self.coupling[first],
        )

    def simulate(self, L: ArrayLike, **options: Any) -> Simulation:
        """Trajectories of these modes; see `dlnflow.simulate` for ``options`` and what it raises.

        Examples
        --------
        >>> from dlnflow.spectrum import Spectrum
        >>> s = Spectrum.from_covariances([[2.0, 0.0], [0.0, 1.0]], [[0.8, 0.0], [0.0, 0.9]])
        >>> s.simulate(3, eps=0.01)["jepa"].w.shape[0]
        2
        """
        return simulate(self.lam, self.rho, L, variance=self.variance, **options)

    def critical_time_table(self, L: ArrayLike, **options: Any) -> pd.DataFrame:
        """Critical times of these modes; see `dlnflow.critical_time_table` for ``options``.

        Examples
        --------
        >>> from dlnflow.spectrum import Spectrum
        >>> s = Spectrum.from_covariances([[2.0, 0.0], [0.0, 1.0]], [[0.8, 0.0], [0.0, 0.9]])
        >>> s.critical_time_table(1, objective="mae")["exact"].round(2).tolist()
        [7.01, 7.38]
        """
        return critical_time_table(self.lam, self.rho, L, variance=self.variance, **options)

    def to_dataframe(self) -> pd.DataFrame:
        """One row per mode: mode, lam, variance, rho."""
        import pandas as pd

        return pd.DataFrame(
            {
                "mode": np.arange(self.lam.size),
                "lam": self.lam,
                "variance": self.variance,
                "rho": self.rho,
            }
        )

    def __repr__(self) -> str:
        rho = self.rho
        noise = f", {self.noisy} pure noise" if self.noisy else ""
        lines = [
            f"Spectrum: d = {self.basis.shape[0]}, {self.lam.size} modes, "
            f"{self.suppressed} with negative rho{noise}",
            f"  lam {self.lam.min():.3g} to {self.lam.max():.3g}, "
            f"rho {rho.min():.3g} to {rho.max():.3g}",
            f"  commutator {_small(self.commutator):.2g}, off-diagonal share "
            f"{_percent(self.off_diagonal)}, asymmetry {_small(self.asymmetry):.2g}",
        ]
        return "\n".join(lines + [f"  caution: {text}" for text in self.cautions])


def _precision(value: ArrayLike) -> float:
    kind = np.asarray(value).dtype
    return float(np.finfo(kind if kind.kind == "f" else np.float64).eps)


def _small(number: float) -> float:
    """The number without the rounding that stands for zero."""
    return number if number > 1e-12 else 0.0


def _percent(share: float) -> str:
    percent = 100.0 * _small(share)
    return f"{percent:.0f} %" if percent >= 10.0 else f"{percent:.2g} %"

"""The record of a spectrum: modes, basis, diagnostics and standard errors."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from dlnflow._common import _validate
from dlnflow._common._frozen import read_only, set_fields
from dlnflow.data import _errors
from dlnflow.data._errors import Errors
from dlnflow.data._joint_basis import InBasis

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class SpectrumRecord:
    """The fields of a `Spectrum`, documented there, and what follows from them alone."""

    lam: Array
    variance: Array
    basis: Array
    coupling: Array
    dropped: int
    commutator: float
    off_diagonal: float
    asymmetry: float
    filters: Array
    off_variance: float
    overlap: float
    _whole: InBasis = field(repr=False)
    basis_name: str = "variance"
    n: int | None = None
    constant: tuple[int | str, ...] = ()
    constant_y: tuple[int | str, ...] = ()
    shrinkage: float = 0.0
    errors: Errors | None = None

    def __post_init__(self) -> None:
        set_fields(self, vars(self), copy=True)

    @property
    def rho(self) -> Array:
        """Regression coefficient of each mode, ``lam / variance``, shape (modes,)."""
        ratio: Array = self.lam / self.variance
        return read_only(ratio)

    @property
    def suppressed(self) -> int:
        """Number of modes with ``rho < 0``, which no objective learns."""
        return int(np.sum(self.rho < 0.0))

    @property
    def noisy(self) -> int:
        """Number of modes of pure noise, ``lam = rho = 0``."""
        return int(np.sum(self.lam == 0.0))

    @property
    def below_noise(self) -> NDArray[np.bool_]:
        """Modes whose ``lam`` is compatible with unrelated context and target, shape (modes,).

        The test is two-sided at 5 % over all modes together: in one of twenty unrelated data sets
        some mode exceeds the floor.

        Raises
        ------
        ValueError
            Without `errors`.
        """
        return np.abs(self.lam) <= self._known("below_noise").noise_floor

    def leading(self, n: int) -> Self:
        """The ``n`` modes of largest ``lam``.

        The diagnostics remain those of the whole data.

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
        >>> from dlnflow import Spectrum
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
            filters=self.filters[:, first],
            coupling=self.coupling[first],
            errors=None if self.errors is None else self.errors.leading(int(count)),
        )

    def interval(self, name: str, level: float = 0.95) -> Array:
        """Confidence interval of every mode.

        Parameters
        ----------
        name : {"lam", "variance", "rho"}
            The quantity.
        level : float
            Coverage of the population's value, in (0, 1).

        Returns
        -------
        array, shape (2, modes)
            Lower and upper ends.

        Raises
        ------
        ValueError
            Without `errors`, or for arguments out of range.

        Notes
        -----
        Intervals are by Student's t, for the variance in the logarithm. They are corrected for the
        bias of sampling (`Errors.bias`), and its size is added in quadrature to the standard error.
        ``docs/data.md`` gives the coverage measured.

        Examples
        --------
        >>> import numpy as np
        >>> from dlnflow import Spectrum
        >>> x = np.random.default_rng(0).normal(size=(1000, 1))
        >>> s = Spectrum.from_samples(x, 0.5 * x, errors="asymptotic")
        >>> s.interval("variance").round(2).tolist()
        [[0.87], [1.05]]
        """
        _validate.choice("name", name, _errors.QUANTITIES)
        share = float(_validate.single("level", _validate.fraction("level", level)))
        return _errors.interval(self._known("interval"), name, getattr(self, name), share)

    def to_dataframe(self) -> pd.DataFrame:
        """One row per mode: mode, lam, variance, rho.

        With `errors` also their standard errors lam_err, variance_err and rho_err, and below_noise.
        """
        import pandas as pd

        columns: dict[str, Any] = {"mode": np.arange(self.lam.size)}
        columns |= {name: getattr(self, name) for name in _errors.QUANTITIES}
        if self.errors is not None:
            for name in _errors.QUANTITIES:
                columns[f"{name}_err"] = getattr(self.errors, name)
            columns["below_noise"] = self.below_noise
        return pd.DataFrame(columns)

    def _known(self, what: str) -> Errors:
        if self.errors is None:
            raise ValueError(
                f"{what} needs standard errors: use from_samples(..., errors='asymptotic'), or "
                "with_errors(batches)"
            )
        return self.errors

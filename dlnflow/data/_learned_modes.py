"""How networks learn the modes of data: a `Spectrum`'s methods that ask the theory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow._common._progress import ProgressOption
from dlnflow.data._prediction import Prediction, supplied
from dlnflow.data._record import SpectrumRecord, order_probability
from dlnflow.theory._clock import Clock
from dlnflow.theory._critical_time import TableOptions, critical_time_table
from dlnflow.theory._objective import MAE, Objective, Objectives, as_objectives
from dlnflow.theory._simulate import Simulation, SimulationOptions, simulate

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


class LearnedModes(SpectrumRecord):
    """Trajectories, critical times and predictions for the modes of a spectrum."""

    def predict(
        self,
        L: int,
        *,
        eps: float = 1e-3,
        objective: Objectives | None = None,
        modes: int | None = None,
        p: float = 0.5,
        decoder_depth: int = 1,
        clock: Clock = "paper",
        verify: bool = False,
        max_seconds: float | None = None,
        progress: ProgressOption = False,
    ) -> Prediction:
        """What networks would learn first from these data, when, and how far to believe it.

        Parameters
        ----------
        L : int
            Encoder depth.
        eps : float
            Amplitude of every mode at the balanced initialisation.
        objective : str, Objective or several, optional
            By default ``("jepa", "mae")``, or an MAE alone if the target has another dimension.
        modes : int, optional
            Number of features for each objective: those learned first. The default is 8, or all
            modes with positive ``lam`` if there are fewer. Modes that start above half of their
            plateau are left out.
        p : float
            Sets when a feature counts as learned, in (0, 1); see `dlnflow.network.compare`.
        decoder_depth : int
        clock : {"paper", "network"} or Training
        verify : bool
            Whether to train a whole network for each objective, and to compare. It needs the time
            of `dlnflow.network.gradient_flow`.
        max_seconds : float, optional
            Wall-clock limit for all objectives together. After it the prediction is refined no
            further, and what the networks of the verification reached by then is returned. The same
            holds after an interrupt of the verification.
        progress : bool or callable
            Of the verification, as for `dlnflow.network.gradient_flow`. The prediction of an error
            that it raises is the error's attribute ``prediction``.

        Returns
        -------
        Prediction
            For each objective: its features, their times and the order, what decides them, and a
            verdict in words.

        Raises
        ------
        ValueError, TypeError
            If no mode has positive ``lam``, there are fewer such modes than ``modes``, or an
            argument is out of range.
        ImportError
            If more than some 19 dimensions have to be integrated and scikit-sundae is missing; it
            comes with ``pip install 'dlnflow[stiff]'``.

        Notes
        -----
        Two stages; ``docs/networks.md`` has the theory and the errors measured. From a small
        initialisation features grow along the singular vectors of ``Sigma_yx``, by the closed form.
        Then units of a JEPA turn to features of larger ``rho``. That is found by gradient flow on
        the covariances projected onto the leading singular vectors and, for a JEPA, the leading
        generalised eigenvectors. The projection grows until times change by less than a tenth.
        Data of up to five dimensions per feature are integrated whole.

        Examples
        --------
        >>> import numpy as np
        >>> from dlnflow import Spectrum
        >>> s = Spectrum.from_covariances(np.diag([2.0, 1.0]), np.diag([0.8, 0.7]))
        >>> prediction = s.predict(3, eps=0.01, objective="jepa")
        >>> prediction["jepa"].time.round(1).tolist(), prediction["jepa"].order.tolist()
        ([3773.4, 3019.5], [1, 0])
        >>> print(prediction["jepa"].verdict.partition(". ")[0])
        holds: times agree with a whole network's within 4.6 %
        """
        return supplied()(
            self,
            L,
            eps=eps,
            objective=self._answered(objective),
            modes=modes,
            p=p,
            decoder_depth=decoder_depth,
            clock=clock,
            verify=verify,
            max_seconds=max_seconds,
            progress=progress,
        )

    def order_probability(
        self,
        L: int,
        *,
        eps: float = 1e-3,
        objective: str | Objective = "jepa",
        p: float = 0.5,
        decoder_depth: int = 1,
    ) -> Array:
        """Probability that one mode is learned before another, given the standard errors.

        Parameters
        ----------
        L : int
            Encoder depth.
        eps, objective, p, decoder_depth
            As in `dlnflow.critical_time`, single values.

        Returns
        -------
        array, shape (modes, modes)
            Entry ``[i, j]``: probability that mode ``i`` has the smaller critical time. A tie, such
            as two modes that are never learned, counts half. The diagonal is 1/2.

        Raises
        ------
        ValueError, TypeError
            Without `errors`, or for arguments out of range.

        Notes
        -----
        A share of draws of ``lam`` and ``variance``: the bootstrap's, shifted to the estimate, or
        4000 draws (the same every time) from the normal distribution of ``lam`` and the logarithm
        of ``variance``.

        It is biased for few samples, as a critical time is nonlinear in ``lam``. For two modes that
        are learned at the same time (variances 1.5 and 1, ``rho`` 0.45 and 0.61, L = 2; the true
        value is 0.5) its mean was 0.68 with 30 samples, 0.61 with 100, 0.56 with 300 and 0.53
        with 1000.

        Examples
        --------
        >>> import numpy as np
        >>> from dlnflow import Spectrum
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(500, 2)) * [2.0, 1.0]
        >>> y = x * [0.3, 0.9] + 0.3 * rng.normal(size=x.shape)
        >>> s = Spectrum.from_samples(x, y, errors="asymptotic")
        >>> chance = s.order_probability(2, eps=0.01, objective="mae")
        >>> s.rho.round(1).tolist(), bool(chance[0, 1] > 0.95)
        ([0.3, 0.9], True)
        """
        for name, value, check in (
            ("L", L, _validate.depth),
            ("eps", eps, _validate.positive),
            ("p", p, _validate.fraction),
            ("decoder_depth", decoder_depth, _validate.depth),
        ):
            _validate.single(name, check(name, value))
        return order_probability(
            self._known("order_probability"),
            self.lam,
            self.variance,
            L,
            eps=eps,
            objective=objective,
            p=p,
            decoder_depth=decoder_depth,
        )

    def simulate(self, L: ArrayLike, **options: Unpack[SimulationOptions]) -> Simulation:
        """Trajectories of these modes; see `dlnflow.simulate` for ``options`` and what it raises.

        Examples
        --------
        >>> from dlnflow import Spectrum
        >>> s = Spectrum.from_covariances([[2.0, 0.0], [0.0, 1.0]], [[0.8, 0.0], [0.0, 0.9]])
        >>> s.simulate(3, eps=0.01)["jepa"].w.shape[0]
        2
        """
        options["objective"] = self._answered(options.get("objective"))
        made = simulate(self.lam, self.rho, L, variance=self.variance, **options)
        if self.labels is None:
            return made
        labels = tuple(
            np.broadcast_to(np.asarray(self.labels, object), made.parts[0].rho.shape).flat
        )
        return Simulation(tuple(replace(part, labels=labels) for part in made.parts))

    def critical_time_table(self, L: ArrayLike, **options: Unpack[TableOptions]) -> pd.DataFrame:
        """Critical times of these modes; see `dlnflow.critical_time_table` for ``options``.

        Examples
        --------
        >>> from dlnflow import Spectrum
        >>> s = Spectrum.from_covariances([[2.0, 0.0], [0.0, 1.0]], [[0.8, 0.0], [0.0, 0.9]])
        >>> s.critical_time_table(1, objective="mae")["exact"].round(2).tolist()
        [7.01, 7.38]
        """
        options["objective"] = self._answered(options.get("objective"))
        table = critical_time_table(self.lam, self.rho, L, variance=self.variance, **options)
        if self.labels is not None:
            table.insert(
                list(table).index("mode") + 1,
                "features",
                [self.labels[mode] for mode in table["mode"]],
            )
        return table

    def _answered(self, objective: Objectives | None) -> Objectives:
        """The objectives, by default all that have a mode equation for these data."""
        if self.target_basis is None:
            return ("jepa", "mae") if objective is None else objective
        asked = as_objectives("mae" if objective is None else objective)
        for one in asked:
            if one != MAE:
                raise ValueError(
                    "objective must be 'mae' if x and y differ in dimension, since a JEPA encodes "
                    f"both with one encoder: got {one.name!r}"
                )
        return asked

"""Cases in which JEPA and MAE learn a small clean and a large noisy feature in opposite order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlnflow._common import _validate
from dlnflow.generative._masking import Masking
from dlnflow.generative._model import Array, Model
from dlnflow.generative._static import Static
from dlnflow.generative._temporal import Temporal
from dlnflow.theory._critical_time import critical_time
from dlnflow.theory._objective import Objective

KINDS = ("static", "temporal", "masking")
BOTH = [1, 0]  # modes of the clean and the noisy feature, which has the largest covariance


@dataclass(frozen=True, eq=False)
class NoisyFeatures:
    """A model with a small clean and a large noisy feature.

    Arrays have one entry for each feature, in the order of ``features``.

    Attributes
    ----------
    model : Static, Temporal or Masking
        The distribution.
    clean, noisy : str
        Descriptions of the two features.
    L, eps : int, float
        Encoder depth and initialisation for the critical times.
    """

    model: Model
    clean: str
    noisy: str
    L: int = 5
    eps: float = 1e-2

    @property
    def features(self) -> tuple[str, str]:
        """The names, ``("clean", "noisy")``."""
        return "clean", "noisy"

    @property
    def lam(self) -> Array:
        """Covariance of each, shape (2,)."""
        return self.model.spectrum().lam[BOTH]

    @property
    def variance(self) -> Array:
        """Variance of each, shape (2,)."""
        return self.model.spectrum().variance[BOTH]

    @property
    def rho(self) -> Array:
        """Regression coefficient of each, shape (2,)."""
        return self.model.spectrum().rho[BOTH]

    def critical_times(self, objective: str | Objective) -> Array:
        """Critical times of the two features, shape (2,), on the paper's clock.

        Examples
        --------
        >>> from dlnflow import generative
        >>> case = generative.noisy_features("static")
        >>> for objective in ("jepa", "mae"):
        ...     print(case.critical_times(objective).round().tolist())
        [4233.0, 6006.0]
        [49.0, 38.0]
        """
        found: Array = critical_time(self.lam, self.rho, self.L, eps=self.eps, objective=objective)
        return found

    def learning_order(self, objective: str | Objective) -> tuple[str, ...]:
        """Names of the features in the order in which they are learned.

        Examples
        --------
        >>> from dlnflow import generative
        >>> case = generative.noisy_features("masking")
        >>> case.learning_order("jepa"), case.learning_order("mae")
        (('clean', 'noisy'), ('noisy', 'clean'))
        """
        return tuple(self.features[i] for i in np.argsort(self.critical_times(objective)))


def noisy_features(kind: str) -> NoisyFeatures:
    """A case in which a JEPA learns the clean feature first, and an MAE the noisy one.

    Parameters
    ----------
    kind : {"static", "temporal", "masking"}
        The model.

    Returns
    -------
    NoisyFeatures
        The noisy feature has the larger variance and covariance, the clean one the larger ``rho``.
        At ``L = 5`` and ``eps = 0.01`` the second critical time is at least 1.2 times the first.

    Raises
    ------
    ValueError
        If ``kind`` is none of these.

    Notes
    -----
    *Static*: two views, in which the larger feature has more noise. *Temporal*: a large feature of
    short memory and a smaller one of long memory. *Masking*: sixteen coordinates of large variance
    and weak correlation, and sixteen of small variance and strong correlation; the other thirty
    modes have ``rho < 0`` and are not learned.

    The opposite order needs depth and an initialisation that is not tiny: at ``L = 3`` and
    ``eps = 0.001`` the JEPA also learns the noisy feature first.

    Examples
    --------
    >>> from dlnflow import generative
    >>> case = generative.noisy_features("temporal")
    >>> case.features, case.rho.round(2).tolist(), case.lam.round(2).tolist()
    (('clean', 'noisy'), [0.94, 0.62], [1.03, 1.3])
    """
    model: Model
    if _validate.choice("kind", kind, KINDS) == "static":
        model = Static(signal=[1.3, 1.0], noise=[0.9, 0.05])
        clean, noisy = "smaller, little noise", "larger, much noise"
    elif kind == "temporal":
        model = Temporal.from_features(
            memory=[0.65, 0.98], variance=[2.0, 1.05], noise=[0.1, 0.05], lag=1
        )
        clean, noisy = "smaller, long memory", "larger, short memory"
    else:
        model = Masking.from_blocks(
            sizes=[16, 16], correlation=[0.2, 0.9], context=0.5, target=0.5, variance=[1.8, 0.3]
        )
        clean = "small coordinates, strongly correlated"
        noisy = "large coordinates, weakly correlated"
    return NoisyFeatures(model, clean, noisy)

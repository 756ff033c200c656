"""The three clocks: the paper's, the network's, and optimiser steps.

Gradient flow on every parameter runs on the **network** clock. The paper's critical times imply
equations for the product ``wbar = u**L`` without the factor ``L`` that the chain rule gives, so its
time is ``L`` times the network's: ``t_paper = L * t_network``. A training run counts optimiser
steps, of a loss that may differ from the theory's by a factor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from dlnflow._common import _validate
from dlnflow._common._validate import described

LOSSES = ("half-sum", "sum", "mean")


@dataclass(frozen=True)
class Training:
    """A clock in optimiser steps: ``t`` counts steps of gradient descent at a small rate.

    Parameters
    ----------
    lr : float
        Learning rate, positive.
    loss : {"half-sum", "sum", "mean"}
        How the squared error is reduced over the outputs (over the batch it is always averaged):
        half its sum (the theory's own), its sum (``torch``'s ``MSELoss(reduction="sum")`` divided
        by the batch size), or its mean over outputs too (``MSELoss(reduction="mean")``).
    outputs : int, optional
        The number ``d`` of outputs; needed for ``"mean"``, whose gradient is ``2 / d`` of the
        theory's.

    Raises
    ------
    ValueError
        For a rate that is not positive, an unknown loss, or ``"mean"`` without ``outputs``; for a
        rate so large or small that no float holds the time that a step covers.

    Examples
    --------
    >>> import dlnflow
    >>> flow = dlnflow.critical_time(1.0, 0.5, 3, clock="network")
    >>> steps = dlnflow.critical_time(1.0, 0.5, 3, clock=dlnflow.Training(lr=0.01, loss="sum"))
    >>> round(float(flow / steps), 12)
    0.02
    """

    lr: float
    loss: str = "half-sum"
    outputs: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "lr", _validate.number("lr", self.lr, _validate.positive))
        _validate.choice("loss", self.loss, LOSSES)
        if self.outputs is not None:
            outputs = _validate.positive_integer("outputs", self.outputs)
            object.__setattr__(self, "outputs", outputs)
        elif self.loss == "mean":
            raise ValueError("outputs must be given for loss='mean': got None")
        if not 0.0 < self.flow_time_per_step < math.inf:
            raise ValueError(
                f"lr must give each step a positive, finite time for loss={self.loss!r}: "
                f"got {self.lr:g}, and {self.flow_time_per_step:g} for the time"
            )

    @property
    def flow_time_per_step(self) -> float:
        """Time on the network clock that one step covers."""
        if self.loss == "mean":
            assert self.outputs is not None
            return self.lr / (0.5 * self.outputs)
        return self.lr * {"half-sum": 1.0, "sum": 2.0}[self.loss]


Clock = str | Training


def network_time(clock: Clock, L: ArrayLike) -> Any:
    """Time on the network clock in one unit of ``clock``.

    Parameters
    ----------
    clock : "paper", "network" or Training
    L : array of int
        Encoder depth; the paper's clock depends on it.

    Returns
    -------
    float or array, shape of L

    Raises
    ------
    ValueError
        For an unknown clock.

    Examples
    --------
    >>> float(network_time("paper", 4)), network_time(Training(lr=0.1), 4)
    (0.25, 0.1)
    """
    if isinstance(clock, Training):
        return clock.flow_time_per_step
    if isinstance(clock, str) and clock in ("paper", "network"):
        return 1.0 / _validate.depth("L", L)[()] if clock == "paper" else 1.0
    raise ValueError(
        f"clock must be 'paper', 'network' or a dlnflow.Training: got {described(clock)}"
    )


def label(clock: Clock) -> str:
    """The clock in words, for axes and reports."""
    return "training steps" if isinstance(clock, Training) else f"time, {clock} clock"

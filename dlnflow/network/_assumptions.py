"""Whether the theory's assumptions hold, each with a number and what follows if it does not."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow import _validate
from dlnflow._covariance import paired_samples
from dlnflow.critical_time import critical_time
from dlnflow.modes import plateau
from dlnflow.network._compare import compare
from dlnflow.network._data import Covariances, covariances, given_covariances
from dlnflow.network._flow import target_of
from dlnflow.network._learning import GREEDY, HIGH, LOW, overlap
from dlnflow.network._network import ABSENT, Network, amplitudes
from dlnflow.network._run import Run
from dlnflow.network._stability import largest_stable_rate
from dlnflow.network._switching import switching_exponent
from dlnflow.objective import Objective, as_objective

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

ROUNDING = 1e-16  # the misalignment that no start escapes
NOTABLE = 0.1  # that at which it shows
HALF = 0.5
SHOWN = 1e-12


@dataclass(frozen=True)
class Check:
    """One assumption: what was measured, against what, why that, and what follows.

    Attributes
    ----------
    assumption : str
    measured, threshold : float
        The assumption holds where ``measured`` does not exceed ``threshold`` (or, if ``at_least``,
        is not below it).
    quantity : str
        What ``measured`` is.
    reason : str
        For the threshold.
    consequence : str
        Of a violation.
    at_least : bool
    """

    assumption: str
    measured: float
    threshold: float
    quantity: str
    reason: str
    consequence: str
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether the assumption holds."""
        if self.at_least:
            return self.measured >= self.threshold
        return self.measured <= self.threshold


@dataclass(frozen=True, repr=False)
class Assumptions:
    """All checks that could be made of what was given: an immutable record.

    Index it with the name of an assumption, or iterate over it.
    """

    checks: tuple[Check, ...]

    @property
    def hold(self) -> bool:
        """Whether all of them hold."""
        return all(check.holds for check in self.checks)

    @property
    def broken(self) -> tuple[Check, ...]:
        """Those that do not."""
        return tuple(check for check in self.checks if not check.holds)

    def __iter__(self) -> Iterator[Check]:
        return iter(self.checks)

    def __len__(self) -> int:
        return len(self.checks)

    def __getitem__(self, assumption: str) -> Check:
        for check in self.checks:
            if check.assumption == assumption:
                return check
        names = ", ".join(repr(check.assumption) for check in self.checks)
        raise KeyError(f"{assumption!r} was not checked; here are {names}")

    def to_dataframe(self) -> pd.DataFrame:
        """One row per assumption.

        Columns ``assumption, measured, threshold, holds, quantity, reason, consequence``.
        """
        import pandas as pd

        names = ("assumption", "measured", "threshold", "holds", "quantity", "reason")
        return pd.DataFrame(
            [
                {name: getattr(check, name) for name in (*names, "consequence")}
                for check in self.checks
            ]
        )

    def __repr__(self) -> str:
        held = len(self.checks) - len(self.broken)
        lines = [f"Assumptions: {held} of {len(self.checks)} hold"]
        for check in self.checks:
            sign = ">=" if check.at_least else "<="
            verdict = "holds " if check.holds else "BROKEN"
            lines.append(
                f"  {verdict}  {check.assumption}: {check.quantity} {_shown(check.measured):.3g} "
                f"({sign} {check.threshold:.3g})"
            )
            if not check.holds:
                lines += textwrap.wrap(
                    check.consequence, 88, initial_indent=" " * 10, subsequent_indent=" " * 10
                )
        return "\n".join(lines)


def check_assumptions(
    sigma_xx: ArrayLike | None = None,
    sigma_yx: ArrayLike | None = None,
    *,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    network: Network | None = None,
    objective: str | Objective = "jepa",
    lr: float | None = None,
    loss: str = "half-sum",
    run: Run | None = None,
) -> Assumptions:
    """Measure every assumption of the theory on your data and, if you have one, your network.

    Parameters
    ----------
    sigma_xx, sigma_yx : array, shape (d, d)
        Covariances of the data, or give samples.
    x, y : array, shape (n, d)
        Paired samples, centred here.
    network : Network, optional
        As it is before training; adds what concerns the initialisation, depth and widths.
    objective : str or Objective
    lr, loss : float, str
        Learning rate and loss of gradient descent, as for `gradient_descent`; needs ``network``.
    run : Run, optional
        A run on these data; adds the order in which it really learned. Its network and objective
        stand for those not given.

    Returns
    -------
    Assumptions
        One `Check` each: what was measured, the threshold and its reason, the consequence.

    Raises
    ------
    ValueError, TypeError
        For data that is none or given twice, and a network that does not fit it.

    Notes
    -----
    The thresholds come from the maps in ``docs/networks.md``, which say what each costs.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnflow import network
    >>> xx, yx = np.diag([1.0, 2.0, 3.0]), np.diag([0.9, 1.0, 1.1])
    >>> turned = [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    >>> network.check_assumptions(xx, yx).hold, network.check_assumptions(xx, turned).hold
    (True, False)
    """
    if run is not None:
        if not isinstance(run, Run):
            raise TypeError(f"run must be a dlnflow.network.Run: got {type(run).__name__}")
        network = run.start if network is None else network
        objective = run.objective
    chosen = as_objective(objective)
    data, samples = _given(sigma_xx, sigma_yx, x, y)
    checks = list(_of_data(data, samples))
    if network is not None:
        m = target_of(network, data, chosen)
        checks += _of_network(network, data, chosen, m)
        checks += _of_learning(network, data, chosen, m)
        if lr is not None:
            checks.append(_of_rate(network, data, chosen, lr, loss))
    elif lr is not None:
        raise ValueError(f"network must be given for a learning rate to be judged: got lr = {lr!r}")
    if run is not None:
        checks.append(_of_order(run))
    return Assumptions(tuple(checks))


def _given(
    sigma_xx: ArrayLike | None, sigma_yx: ArrayLike | None, x: ArrayLike | None, y: ArrayLike | None
) -> tuple[Covariances, int | None]:
    by_covariances = sigma_xx is not None or sigma_yx is not None
    by_samples = x is not None or y is not None
    if by_covariances == by_samples:
        raise ValueError(
            "sigma_xx and sigma_yx must be given, or x and y: got "
            + ("both" if by_samples else "neither")
        )
    if by_samples:
        context, _ = paired_samples(x, y)  # type: ignore[arg-type]
        return given_covariances(*covariances(x, y)), len(context)  # type: ignore[arg-type]
    return given_covariances(sigma_xx, sigma_yx), None  # type: ignore[arg-type]


def _of_data(data: Covariances, samples: int | None) -> Iterator[Check]:
    spectrum = data.spectrum
    yield Check(
        "commuting covariances",
        spectrum.off_diagonal**0.5,
        0.03,
        "share of sigma_yx off the diagonal, in size,",
        "in the map critical times are off by some thousandths below, a JEPA's by a quarter "
        "at 0.045",
        "Modes mix: each grows with a part of the others' correlation, those learned early pull "
        "others along, and the predicted order holds only between modes far apart.",
    )
    yield Check(
        "modes stand alone",
        float(np.mean(spectrum.coupling > HALF)),
        0.1,
        "share of modes tied more to others than to themselves",
        "one mode in ten may be a guess",
        "Small modes follow other modes' targets rather than their own: trust the prediction for "
        "large modes only (Spectrum.coupling says which).",
    )
    yield Check(
        "positive regression coefficients",
        float(np.mean(spectrum.rho <= 0.0)),
        0.0,
        "share of modes with rho <= 0",
        "the paper has none; the closed form has them",
        "Neither objective ever learns these modes: they fade instead of waiting their turn, in "
        "the paper's setting they do not exist.",
    )
    yield Check(
        "full rank",
        float(spectrum.dropped),
        0.0,
        "directions without variance",
        "a direction without variance has no mode equation",
        "The encoder keeps its initial weights on these null directions for ever.",
    )
    if samples is not None:
        yield Check(
            "enough samples",
            (data.d / samples) ** 0.5,
            0.1,
            "sqrt(d / n)",
            "in the map critical times are off by one to two times this",
            "The modes are those of the sample: others would be drawn from the same source, and "
            "the order of modes closer than this is chance.",
        )


def _of_network(
    network: Network, data: Covariances, objective: Objective, m: int
) -> Iterator[Check]:
    yield Check(
        "balanced layers",
        network.imbalance,
        0.1,
        "imbalance",
        "in the map critical times are off by 0.3 to 0.4 times this",
        "Layers do not share their singular values: no single u per mode describes them, and "
        "modes set out earlier or later than predicted.",
    )
    yield Check(
        "aligned layers",
        misalignment(network, data, m),
        0.3,
        "share of the prediction that meets another mode's target, in size,",
        "in the map critical times are off by a sixth to a half of its square",
        "Modes start mixed: the network first has to align, and modes arrive later than "
        "predicted, the small ones most.",
    )
    learnable = int(np.sum(data.spectrum.rho > 0.0))
    yield Check(
        "wide enough layers",
        float(min(network.widths)),
        float(learnable),
        "narrowest width",
        "one unit for each mode with rho > 0",
        "The bottleneck holds only so many modes: which, is a competition that the mode "
        "equations know nothing of.",
        at_least=True,
    )


def _of_learning(
    network: Network, data: Covariances, objective: Objective, m: int
) -> Iterator[Check]:
    spectrum = data.spectrum
    eps = amplitudes(network, spectrum.basis)
    there = (eps > 0.0) & (spectrum.rho > 0.0)
    if not there.any():
        return
    settings: dict[str, Any] = {"objective": objective, "decoder_depth": network.decoder_depth}
    rest = plateau(spectrum.rho[there], network.L, **settings)
    settings |= {"eps": eps[there]}
    modes = spectrum.lam[there], spectrum.rho[there], network.L
    yield Check(
        "small initialisation",
        float(np.max(eps[there] / rest)),
        HALF,
        "largest start over its plateau",
        "above half there is nothing left to learn by the usual measure",
        "Some modes start near or above their plateau and have no critical time; the weights are "
        "too large for feature learning to be seen.",
    )
    windows = [critical_time(*modes, p=p, **settings) for p in (LOW, HIGH)]
    yield Check(
        "greedy learning",
        overlap(*windows),
        GREEDY,
        "overlap of neighbouring modes' learning windows",
        "above half, most of a mode's learning coincides with its neighbour's",
        "Modes are learned together rather than one after another: a smaller initialisation, or "
        "modes further apart, would separate them.",
    )
    low, high = float(modes[1].min()), float(modes[1].max())
    shared = {**settings, "eps": float(np.exp(np.mean(np.log(eps[there]))))}
    late, soon = (critical_time(1.0, rho, network.L, **shared) for rho in (low, high))
    yield Check(
        "deep encoder",
        float(late / soon - 1.0) if soon > 0.0 else 0.0,
        0.1,
        "delay of the smallest rho behind the largest at equal lam",
        "a tenth: less is soon outweighed by differences in lam",
        "rho hardly enters the order of learning (for L = 1 not at leading order; nor for an MAE, "
        "a deep decoder or a tiny start): features come by covariance alone.",
        at_least=True,
    )
    astray = max(misalignment(network, data, m), spectrum.off_diagonal**0.5)
    yield Check(
        "alignment outlasts the wait",
        float(np.max(switching_exponent(*modes, **settings))),
        max(0.0, float(np.log(NOTABLE / max(ROUNDING, astray)))),
        "e-folds by which a misalignment grows",
        "so many turn the misalignment there is, of data and network, into a tenth",
        "A unit that has learned one mode switches to a better one (larger rho for a JEPA) long "
        "before that one's own unit has grown: late modes come earlier than predicted.",
    )


def misalignment(network: Network, data: Covariances, m: int) -> float:
    """Of the prediction, by size, the share that meets another mode's target; 0 if aligned."""
    basis = data.spectrum.basis
    target = basis
    for layer in network.layers[:m]:
        target = layer @ target
    size = np.linalg.norm(target, axis=0)
    there = size > ABSENT * size.max(initial=0.0)
    target = np.where(there, target / np.where(there, size, 1.0), 0.0)
    meets = target.T @ network.product @ basis
    total = float(np.linalg.norm(meets))
    if total == 0.0:
        return 1.0
    own = np.maximum(np.diag(meets), 0.0)
    return float(np.linalg.norm(meets - np.diag(own)) / total)


def _of_rate(
    network: Network, data: Covariances, objective: Objective, lr: float, loss: str
) -> Check:
    stable = largest_stable_rate(network, data.xx, data.yx, objective, loss=loss)
    rate = float(_validate.single("lr", _validate.positive("lr", lr)))
    return Check(
        "small learning rate",
        rate / stable,
        0.1,
        "learning rate over the largest stable one",
        "in the map, at a tenth, critical times are off by up to a hundredth, curves by up to a "
        "tenth of a plateau",
        "Steps no longer follow the flow: fast modes overshoot, learning windows blur into each "
        "other, and above 1 the weights leave the plateau.",
    )


def _of_order(run: Run) -> Check:
    return Check(
        "the predicted order",
        compare(run).tau,
        0.9,
        "Kendall tau between predicted and actual order",
        "one pair in twenty exchanged",
        "The network learned in another order than the modes' equations say: what the broken "
        "assumptions above cost on these data.",
        at_least=True,
    )


def _shown(number: float) -> float:
    """The number without the rounding that stands for zero."""
    return number if abs(number) > SHOWN else 0.0

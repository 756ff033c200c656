"""Shared by the scripts on real data: modes with errors, their order, and trained networks."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import dlnflow
from dlnflow import network, plot

OBJECTIVES = ("jepa", "mae")
SECONDS = 15.0  # for each network; a longer run is stopped, and compared up to that point
COLUMNS = ["lam", "lam_err", "rho", "rho_err", "below_noise"]


@dataclass(frozen=True)
class Pairs:
    """Paired samples in rows, of which ``block`` consecutive ones depend on each other."""

    x: np.ndarray
    y: np.ndarray
    block: int = 1

    def along(self, basis: np.ndarray) -> Pairs:
        """The components of the samples along some directions."""
        return Pairs(self.x @ basis, self.y @ basis, self.block)

    def spectrum(self, errors: str | None = None) -> dlnflow.Spectrum:
        """The modes of the samples, with standard errors if asked for."""
        return dlnflow.Spectrum.from_samples(self.x, self.y, errors=errors, block=self.block)


def report(
    cases: dict[str, Pairs], into: Path, name: str, *, modes: int, L: int, eps: float
) -> None:
    """Print each data set's leading modes and how networks learn them; save a figure."""
    figure, panels = plt.subplots(
        len(cases), 2, figsize=(12.0, 4.4 * len(cases)), layout="constrained", squeeze=False
    )
    for row, (words, pairs) in zip(panels, cases.items(), strict=True):
        whole = pairs.spectrum()
        print(f"{words.upper()}\n{whole}\n\nThe {modes} modes of largest lam alone:")
        part = pairs.along(whole.leading(modes).basis)
        spectrum = part.spectrum("asymptotic")
        print(spectrum.to_dataframe()[COLUMNS].to_string(float_format="{:.2g}".format))
        for axes, objective in zip(row, OBJECTIVES, strict=True):
            print(f"\n{objective.upper()}, L = {L}, eps = {eps:g}")
            print(f"  predicted order: {predicted(spectrum, objective, L, eps)}")
            made = trained(part, spectrum, objective, L, eps)
            plot.comparison(made, ax=axes)
            axes.set(xscale="log", xlim=(0.1 * made.predicted_time[made.due].min(), made.run.t[-1]))
            axes.set_title(f"{words}\n{headline(made)}", fontsize="medium")
        print()
    file = into / f"{name}.png"
    figure.savefig(file, dpi=100)
    plt.close(figure)
    print(file)


def predicted(spectrum: dlnflow.Spectrum, objective: str, L: int, eps: float) -> str:
    """The predicted order of learning, with the probability of each step."""
    times = spectrum.simulate(L, eps=eps, objective=objective)[objective].critical_time()
    return in_order(times, spectrum.order_probability(L, eps=eps, objective=objective))


def in_order(times: np.ndarray, chance: np.ndarray | None = None) -> str:
    """Modes sorted by their critical times, in words."""
    order = [int(i) for i in np.argsort(times, kind="stable") if 0.0 < times[i] < np.inf]
    words = [f"{order[0]}"] if order else ["none"]
    for before, now in itertools.pairwise(order):
        sure = "" if chance is None else f" ({percent(chance[before, now])})"
        words.append(f"then {now}{sure}")
    started, never = np.flatnonzero(times == 0.0), np.flatnonzero(np.isinf(times))
    said = ", ".join(words)
    if started.size:
        said += f"; above half of its plateau at initialisation: {', '.join(map(str, started))}"
    return said + (f"; never: {', '.join(map(str, never))}" if never.size else "")


def percent(chance: float) -> str:
    """A probability in percent, which is never printed as certain."""
    return "over 99 %" if chance > 0.99 else f"{100.0 * chance:.0f} %"


def trained(
    pairs: Pairs, spectrum: dlnflow.Spectrum, objective: str, L: int, eps: float
) -> network.Comparison:
    """Train a network on the pairs, compare it with the prediction, and print the result."""
    sigma_xx, sigma_yx = network.covariances(pairs.x, pairs.y)
    net = network.balanced(sigma_xx, sigma_yx, L, eps=eps)
    run = network.gradient_flow(net, sigma_xx, sigma_yx, objective=objective, max_seconds=SECONDS)
    made = network.compare(run, spectrum=spectrum)
    checks = network.check_assumptions(x=pairs.x, y=pairs.y, network=net, objective=objective)
    print(f"  network's order: {in_order(made.measured_time)}\n{made}")
    print(f"  assumptions that hold: {len(checks) - len(checks.broken)} of {len(checks)}; broken:")
    for check in checks.broken:
        sign = "<" if check.at_least else ">"
        print(f"    {check.assumption} ({check.measured:.3g} {sign} {check.threshold:g})")
    return made


def headline(made: network.Comparison) -> str:
    """The largest error of a critical time, for a title."""
    off = np.abs(made.time_error[made.due & made.learned])
    apart = f"{100.0 * off.max():.2g} %" if off.size else "100 %, nothing being learned"
    return f"{made.run.objective.name.upper()}: critical times off by up to {apart}"

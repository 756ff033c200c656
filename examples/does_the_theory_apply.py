"""Check the assumptions on paired samples, and compare a trained network with the prediction."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
from _network_report import folder
from your_own_data import paired_samples

from dlnflow import network


def main(into: Path) -> None:
    x, y = paired_samples()
    sigma_xx, sigma_yx = network.covariances(x, y)
    net = network.balanced(sigma_xx, sigma_yx, L=3, eps=1e-2)
    for objective in ("jepa", "mae"):
        checks = network.check_assumptions(x=x, y=y, network=net, objective=objective)
        run = network.gradient_flow(net, sigma_xx, sigma_yx, objective=objective, progress=True)
        made = network.compare(run)
        print(f"{checks}\n\n{made}\n{made.to_dataframe().round(3).to_string(index=False)}\n")
        made.plot()
        plt.savefig(into / f"does_the_theory_apply_{objective}.png", dpi=150)
        plt.close("all")


if __name__ == "__main__":
    main(folder())

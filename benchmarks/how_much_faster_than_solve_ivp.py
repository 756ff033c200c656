"""Time per trajectory point against SciPy's LSODA on the mode equation as the paper writes it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.integrate import solve_ivp

import dlnflow
from benchmarks.timing import Finding, median_seconds

MODES, POINTS, L, EPS = 1000, 200, 3, 1e-3


def findings() -> Iterator[Finding]:
    rng = np.random.default_rng(0)
    lam, rho = rng.uniform(0.5, 1.5, (MODES, 1)), rng.uniform(0.3, 1.0, (MODES, 1))
    for objective, power in (("jepa", 3 - 1 / L), ("mae", 2 - 1 / L)):
        last = 1.2 * dlnflow.critical_time(lam, rho, L, eps=EPS, objective=objective).max()
        t = np.linspace(0.0, last, POINTS)
        few = range(0, MODES, 100)

        def integrate(power: float = power, t: np.ndarray = t, few: range = few) -> None:
            for i in few:
                a, b = lam[i, 0], lam[i, 0] / rho[i, 0]
                solve_ivp(
                    lambda _, w, a=a, b=b: a * w**power - b * w**3,
                    (0.0, t[-1]),
                    [EPS],
                    method="LSODA",
                    rtol=1e-10,
                    atol=1e-14,
                    t_eval=t,
                )

        def exact(objective: str = objective, t: np.ndarray = t) -> object:
            return dlnflow.amplitude(t, lam, rho, L, eps=EPS, objective=objective)

        theirs, ours = median_seconds(integrate, exact, repeats=5)
        ratio = (theirs / len(few)) / (ours / MODES)
        name = f"solve_ivp (LSODA, rtol 1e-10) / exact, {objective} L={L}"
        yield Finding(name, ratio, 500.0, larger_is_better=True)

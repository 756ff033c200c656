"""One evaluation of a network's gradient flow against its matrix products alone, by NumPy.

`N` square layers take `3 (N - 1)` products: `N - 1` prefixes, `N - 1` to pull the error back and
`N - 1` outer products. JEPA takes one more, unless `sigma_yx` is diagonal where `sigma_xx` is.
On one thread, since several wait for each other wherever another program runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.timing import Finding, median_seconds
from dlnflow.network._equations import Equations

L, P = 4, 1
N = L + P
CASES = (("jepa", L, 2), ("mae", 0, 2), ("jepa, diagonal yx", L, 1))


def findings() -> Iterator[Finding]:
    for d, allowed, repeats in ((512, 1.3, 40), (64, 1.6, 4000)):
        rng = np.random.default_rng(0)
        every = []
        for _, target_layer, axes in CASES:
            variances, yx = rng.uniform(0.5, 1.5, d), rng.normal(size=(d,) * axes)
            every.append(Equations(((d, d),) * N, target_layer, variances, yx))
        weights = rng.normal(size=every[0].size) / d**0.5
        counts = sorted({equations.products for equations in every})
        with threadpool_limits(1):
            seconds = median_seconds(
                *(multiplying(d, count) for count in counts),
                *(partial(equations.velocity, 0.0, weights) for equations in every),
                repeats=repeats,
            )
        products = dict(zip(counts, seconds, strict=False))
        ours = seconds[len(counts) :]
        for (name, *_), equations, time in zip(CASES, every, ours, strict=True):
            question = f"velocity / its {equations.products} products, d={d} L={L} {name}"
            yield Finding(question, time / products[equations.products], allowed)


def multiplying(d: int, count: int) -> Callable[[], None]:
    """So many products, of the shapes, operands and transposes that the gradient has."""
    rng = np.random.default_rng(1)
    layers, prefixes, pulled = rng.normal(size=(3, N, d, d)) / d**0.5
    pairs = [(layers[j], prefixes[j]) for j in range(1, N)]
    pairs += [(pulled[j], prefixes[j].T) for j in range(1, N)]
    pairs += [(layers[j].T, pulled[j]) for j in range(1, N)]
    pairs += [(prefixes[0], pulled[0])] * (count - len(pairs))
    products = np.empty((count, d, d))

    def multiply() -> None:
        for (left, right), product in zip(pairs, products, strict=True):
            np.matmul(left, right, out=product)

    return multiply

"""Reference values by mpmath, from the closed forms as the literature writes them.

Nothing here is shared with the library: the exponents are spelled out again from the mode equation,
and the integral of ``dq / (q**c (1 - q))`` is taken from its integer-order and hypergeometric
forms.
"""

from fractions import Fraction

import mpmath as mp

DIGITS = 200


def constants(target_layer: int, L: int, P: int) -> tuple[int, int, Fraction]:
    """``(N, k, c)``: layers, gap, order."""
    N = L + P
    k = N - target_layer
    return N, k, Fraction(2 * (N - 1), k)


def antiderivative(q: mp.mpf, c: Fraction) -> mp.mpf:
    """``T_c(q)`` on the branch of ``q``, rising with time there."""
    if 0 < q < 1 and c.denominator == 1:
        powers = sum((q**-n / mp.mpf(n) for n in range(1, int(c))), mp.mpf(0))
        return mp.log(q / (1 - q)) - powers
    order = mp.mpf(c.numerator) / c.denominator
    if 0 < q < 1:
        return q ** (1 - order) / (1 - order) * mp.hyp2f1(1, 1 - order, 2 - order, q)
    r = abs(q)
    return r**-order / order * mp.hyp2f1(1, order, order + 1, 1 / q)


def elapsed(
    w: float | mp.mpf,
    lam: float,
    rho: float,
    eps: float,
    target_layer: int,
    L: int,
    P: int = 1,
    variance: float | None = None,
) -> mp.mpf:
    """Time on the paper's clock for ``wbar`` to go from ``eps`` to ``w``."""
    with mp.workdps(DIGITS):
        N, k, c = constants(target_layer, L, P)
        lam, rho, eps, w = mp.mpf(lam), mp.mpf(rho), mp.mpf(eps), mp.mpf(w)
        if rho == 0:
            power = mp.mpf(2 * N - 2) / L
            return L * (w**-power - eps**-power) / ((2 * N - 2) * mp.mpf(variance))
        start, end = (amount ** (mp.mpf(k) / L) / rho for amount in (eps, w))
        kappa = k * abs(lam) * abs(rho) ** (mp.mpf(c.numerator) / c.denominator - 1)
        return L * (antiderivative(end, c) - antiderivative(start, c)) / kappa

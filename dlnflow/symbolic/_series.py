"""Times to any number of digits, by series and quadrature instead of the closed forms.

``1 / (q**c (1 - q))`` is the geometric series ``sum_j q**(j - c)``; integrated term by term it
gives elapsed times for ``q < 1`` at any order, whole or not, and to thousands of digits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import mpmath
import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._evaluate import value
from dlnflow.symbolic._hyperlogistic import HyperlogisticForm
from dlnflow.symbolic._numeric_modes import NumericMode

ACCURATE = 36  # digits after the point to which the series is summed
DECADES = 30  # powers of 10 by which corrections shrink from one eps to the next


def elapsed(order: Any, start: Any, end: Any) -> Any:
    """The integral of ``1 / (q**c (1 - q))`` from ``start`` to ``end``, both in (0, 1)."""
    if not (0 < start < 1 and 0 < end < 1):
        raise ValueError(f"start and end must lie in (0, 1): got {start} and {end}")
    # the value at a vanishing start needs all digits, the other one only ACCURATE of them
    with mpmath.workdps(3 * ACCURATE):
        upper = _series(+order, +end)
    return upper - _series(order, start)


def _series(order: Any, q: Any) -> Any:
    """``T_c(q)`` term by term: the sum of ``q**(j+1-c) / (j+1-c)``, a logarithm where that is 0."""
    exponent = 1 - order
    power, total = q**exponent, mpmath.mpf(0)
    while True:
        total += mpmath.log(q) if exponent == 0 else power / exponent
        exponent, power = exponent + 1, power * q
        if exponent > 1 and power < mpmath.mpf(10) ** -ACCURATE * (1 - q):
            return total


def critical_time_by_series(form: HyperlogisticForm, values: Mapping[Any, Any], digits: int) -> Any:
    """The critical time of a mode, ``values`` among them ``lam``, ``rho``, ``eps`` and ``p``."""
    return _critical_time(form, frozenset(values.items()), digits)


@lru_cache(maxsize=4096)
def _critical_time(form: HyperlogisticForm, numbers: frozenset[Any], digits: int) -> Any:
    values = dict(numbers)
    there = form.at(values)
    with mpmath.workdps(digits):
        order, rate, start, end = (
            _number(sp.sympify(one).xreplace(dict(values)), digits)
            for one in (there.order, there.rate, there.q_0, there.q_p)
        )
        return sp.Float(elapsed(order, start, end) / rate, digits)


Cases = tuple[Mapping[Any, Any], ...]  # numbers for every symbol but eps


@dataclass(frozen=True)
class CheckedForm:
    """A hyperlogistic equation, and the modes and numbers at which its steps are checked."""

    form: HyperlogisticForm
    modes: tuple[NumericMode, ...]
    cases: Cases
    tried: str
    in_paper: bool = False

    @cached_property
    def exact(self) -> tuple[Asymptotics, ...]:
        """Exact times of the cases."""
        return tuple(Asymptotics(self.form, values) for values in self.cases)


@dataclass(frozen=True)
class Asymptotics:
    """The critical time of one mode at three ``eps`` so small that only leading terms remain."""

    form: HyperlogisticForm
    values: Mapping[Any, Any]

    @cached_property
    def order(self) -> Any:
        """``c``."""
        return value(self.form.order, self.values)

    @property
    def logarithmic(self) -> bool:
        """Whether the remainder grows like ``log(1/eps)``, as at whole orders from 2."""
        return bool(self.order.is_Integer and self.order >= 2)

    @cached_property
    def small_eps(self) -> list[Any]:
        """Three ``eps``; corrections shrink by ``DECADES`` powers of 10 from one to the next."""
        fraction = self.order - sp.floor(self.order)
        slowest = min(fraction, 1 - fraction) or sp.Integer(1)
        exponent = value(self.form.exponent, self.values) * slowest
        plateau = sp.Rational(str(sp.N(value(self.form.plateau, self.values), 8)))
        falls = [int(sp.ceiling(DECADES * j / exponent)) for j in (1, 2, 3)]
        return [plateau / 10**fall for fall in falls]

    def digits(self, eps: Any) -> int:
        """Digits for the time, enough for its remainder too."""
        powers = sp.log(1 / eps, 10).n(15) * value(self.form.exponent, self.values)
        return int(sp.ceiling(powers * (self.order - 1))) + 100

    @cached_property
    def logs(self) -> list[Any]:
        """``log(1/eps)``."""
        return [sp.log(1 / eps).n(self.digits(eps)) for eps in self.small_eps]

    def time(self, eps: Any) -> Any:
        """The exact time from ``eps`` to the fraction ``p`` of the plateau."""
        return critical_time_by_series(self.form, {**self.values, no.eps: eps}, self.digits(eps))

    def left_over(self, part: Any, eps: Any) -> Any:
        """The exact time minus a claimed part."""
        numbers = {**self.values, no.eps: eps}
        return self.time(eps) - sp.N(value(part, numbers), self.digits(eps))

    def trend(self, part: Any) -> tuple[list[Any], list[Any]]:
        """`left_over` at the three ``eps``, and its slopes against ``log(1/eps)``."""
        left = [self.left_over(part, eps) for eps in self.small_eps]
        pairs = [(left[j + 1] - left[j], self.logs[j + 1] - self.logs[j]) for j in (0, 1)]
        return left, [sp.N(rise / run, 50) for rise, run in pairs]


def critical_time_by_quadrature(velocity: Any, values: Mapping[Any, Any], end: Any) -> Any:
    """The integral of ``dw / f(w)`` from ``eps`` to ``end``."""
    numbers = {key: one for key, one in values.items() if key != no.w}
    f = sp.lambdify([no.w], velocity.xreplace(numbers), modules="mpmath")
    return quadrature(lambda w: 1 / f(w), values[no.eps], end)


def quadrature(integrand: Callable[[Any], Any], start: Any, end: Any) -> Any:
    """A smooth integral by quadrature, in the logarithm."""
    digits = 45
    with mpmath.workdps(digits):
        ends = [mpmath.log(_number(one, digits)) for one in (start, end)]
        pieces = mpmath.linspace(*ends, 9)

        def in_logarithm(x: Any) -> Any:
            q = mpmath.exp(x)
            return q * integrand(q)

        area = mpmath.quad(in_logarithm, pieces, method="gauss-legendre")
        return sp.Float(area, digits)


def _number(expression: Any, digits: int) -> Any:
    return mpmath.mpf(sp.N(expression, digits)._mpf_)

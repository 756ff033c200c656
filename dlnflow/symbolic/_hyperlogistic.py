"""The hyperlogistic family: order, rate, plateau and critical time of a mode equation.

A mode equation ``du/dt = A u**g - B u**(g + k)`` belongs to the family, with ``lam = A`` and
``rho = A / B``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import sympy as sp

from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._mode_loss import powers_of

Formula = Callable[[], Any]  # written only where its condition can hold


@dataclass(frozen=True)
class HyperlogisticForm:
    """``du/dt = speed * lam u**growth (1 - u**gap / rho)``, and ``w = u**L``.

    ``growth`` is the power of the growing term, ``gap`` the number of layers ``k`` between target
    and prediction, ``speed`` the network time in one unit of the clock.
    """

    lam: Any
    rho: Any
    growth: Any
    gap: Any
    L: Any
    speed: Any

    def at(self, values: Mapping[Any, Any]) -> HyperlogisticForm:
        """The form with values for symbols."""
        numbers = dict(values)
        parts = {one.name: getattr(self, one.name) for one in fields(self)}
        return replace(self, **{name: one.xreplace(numbers) for name, one in parts.items()})

    @property
    def conditions(self) -> tuple[Any, ...]:
        """Conditions for ``lam``, ``lam / rho`` and ``gap`` to be positive, where not implied."""
        damping = sp.cancel(self.lam / self.rho)
        return tuple(one > 0 for one in (self.lam, damping, self.gap) if not one.is_positive)

    @property
    def order(self) -> Any:
        """``c``."""
        return ratio(self.growth - 1 + self.gap, self.gap)

    @property
    def excess(self) -> Any:
        """``c - 1``."""
        return ratio(self.growth - 1, self.gap)

    @property
    def rate(self) -> Any:
        """``kappa``, on the clock."""
        return self.simple_rate * self.rho**self.excess

    @property
    def simple_rate(self) -> Any:
        """``kappa`` without its power of ``rho``."""
        return ratio(self.gap, 1 / self.speed) * self.lam

    @property
    def exponent(self) -> Any:
        """``k / L``: ``q = w**(k/L) / rho``."""
        return ratio(self.gap, self.L)

    @property
    def plateau(self) -> Any:
        """``rho**(L / k)``."""
        return self.rho ** ratio(self.L, self.gap)

    @property
    def rests_at_zero(self) -> bool:
        """Whether 0 is a fixed point: the growing power is positive, or a number of layers."""
        layers = self.growth.free_symbols
        return bool(self.growth.is_positive or (layers and all(one.is_integer for one in layers)))

    def flow(self, u: Any) -> Any:
        """``du/dt`` on the network clock."""
        return self.lam * u**self.growth * (1 - u**self.gap / self.rho)

    def velocity(self, w: Any) -> Any:
        """``dw/dt`` on the clock."""
        factor = ratio(self.L, 1 / self.speed)
        return self.terms(w) if factor == 1 else sp.Mul(factor, self.terms(w), evaluate=False)

    def terms(self, w: Any) -> Any:
        """``dw/dt`` on the paper's clock: no factor ``L``."""
        first = sp.expand((self.L - 1 + self.growth) / self.L)
        second = sp.expand((self.L - 1 + self.growth + self.gap) / self.L)
        return self.lam * w**first - self.lam / self.rho * w**second

    @property
    def q_0(self) -> Any:
        """``q_0``."""
        return no.eps**self.exponent / self.rho

    @property
    def q_p(self) -> Any:
        """``q_p``."""
        return no.p**self.exponent

    @cached_property
    def above_two(self) -> Any:
        """``(c - 2) k``, a polynomial in the depths."""
        return sp.expand(self.growth - 1 - self.gap)

    @property
    def is_one(self) -> Any:
        """The condition for order 1."""
        numerator = sp.expand(self.growth - 1)
        if self.above_two.is_nonnegative or numerator.is_positive:
            return sp.false
        if sp.expand(numerator - no.L).is_number:
            return sp.Eq(no.L, no.L - numerator)
        return sp.Eq(numerator, 0)

    def by_order(self, one: Formula, whole: Formula, other: Formula) -> Any:
        """One of three formulas, by whether the order is 1, whole from 2, or another."""
        is_whole = sp.Contains(self.order, sp.Integers)
        return by_condition(
            (one, self.is_one),
            (whole, sp.false if self.above_two.is_negative else is_whole),
            (other, sp.true),
        )

    def antiderivative(self, q: Any) -> Any:
        """``T_c(q)``, the integral of ``1 / (q**c (1 - q))``."""
        return self.by_order(
            one=lambda: logit(q),
            whole=lambda: whole_order(q, self.excess),
            other=lambda: any_order(q, self.excess),
        )

    def critical_time(self) -> Any:
        """``(T_c(q_p) - T_c(q_0)) / kappa``, for ``q_0 < q_p < 1``."""
        q_0, q_p, e = self.q_0, self.q_p, self.excess
        return self.by_order(
            one=lambda: (logit(q_p) - logit(q_0)) / self.simple_rate,
            whole=lambda: (whole_order(q_p, e) - whole_order(q_0, e)) / self.rate,
            other=lambda: (any_order(q_p, e) - any_order(q_0, e)) / self.rate,
        )

    @property
    def short(self) -> dict[Any, Any]:
        """The values of the symbols ``q_0``, ``q_p`` and ``kappa``."""
        return {no.q_0: self.q_0, no.q_p: self.q_p, no.kappa: self.rate}

    def head(self) -> Any:
        """The part of the critical time that grows as a power of ``1 / eps``.

        At order 1 it is the logarithm without ``rho``, as in the paper.
        """
        return self.short_head().xreplace(self.short)

    def short_head(self) -> Any:
        """`head` in ``q_0`` and ``kappa``."""
        return self.by_order(
            one=lambda: sp.log(1 / no.eps) / (ratio(self.L, 1 / self.speed) * self.lam),
            whole=lambda: _summed(no.q_0**-no.n / no.n, self.excess) / no.kappa,
            other=lambda: self._head_terms() / no.kappa,
        )

    def _head_terms(self) -> Any:
        if self.above_two.is_negative:
            return no.q_0**-self.excess / self.excess
        term = no.q_0 ** (no.n - self.order) / (self.order - no.n)
        return _summed(term, sp.ceiling(self.order) - 1)

    def remainder(self) -> Any:
        """Critical time less `head`, without cancellation."""
        return self.short_remainder().xreplace(self.short)

    def short_remainder(self) -> Any:
        """`remainder` in ``q_0``, ``q_p`` and ``kappa``."""
        q_0, q_p, e = no.q_0, no.q_p, self.excess
        return self.by_order(
            one=lambda: (logit(q_p) + sp.log(self.rho) + sp.log(1 - q_0)) / no.kappa,
            whole=lambda: (whole_order(q_p, e) - logit(q_0)) / no.kappa,
            other=lambda: (any_order(q_p, e) - self._tail()) / no.kappa,
        )

    def _tail(self) -> Any:
        below = self.above_two.is_negative
        b = ratio(-self.above_two, self.gap) if below else sp.ceiling(self.order) - self.order
        return no.q_0**b / b * sp.hyper((1, b), (b + 1,), no.q_0)

    def remainder_limit(self) -> tuple[Any, Any]:
        """The remainder's order in ``eps``, and the limit of their quotient."""
        constant = lambda: sp.S.One  # noqa: E731
        scale = self.by_order(constant, lambda: sp.log(1 / no.eps), constant)
        limit = self.by_order(
            one=lambda: (logit(no.q_p) + sp.log(self.rho)) / no.kappa,
            whole=lambda: self.exponent / no.kappa,
            other=lambda: any_order(no.q_p, self.excess) / no.kappa,
        )
        return scale, limit


def by_condition(*cases: tuple[Formula, Any]) -> Any:
    """The formula of the first condition that holds, where conditions may depend on depths."""
    kept: list[tuple[Any, Any]] = []
    for formula, when in cases:
        if when != sp.false:
            kept.append((at_condition(formula(), when), when))
        if when == sp.true:
            break
    return kept[0][0] if len(kept) == 1 else sp.Piecewise(*kept)


def at_condition(form: Any, when: Any) -> Any:
    """A formula with the value that a condition gives to a symbol."""
    if isinstance(when, sp.Eq) and when.lhs.is_Symbol and when.rhs.is_number:
        return form.xreplace({when.lhs: when.rhs})
    return form


def logit(q: Any) -> Any:
    """``log(q / (1 - q))``."""
    return sp.log(q / (1 - q))


def whole_order(q: Any, excess: Any) -> Any:
    """``T_c`` for a whole order ``c = 1 + excess``."""
    return logit(q) - _summed(q**-no.n / no.n, excess)


def any_order(q: Any, excess: Any) -> Any:
    """``T_c`` for an order that is not whole."""
    return q**-excess / -excess * sp.hyper((1, -excess), (1 - excess,), q)


def _summed(term: Any, count: Any) -> Any:
    total = sp.Sum(term, (no.n, 1, count))
    return total.doit() if sp.sympify(count).is_Integer else total


def ratio(numerator: Any, denominator: Any) -> Any:
    """A quotient of polynomials, each with its common factor extracted."""
    above, below = (sp.factor_terms(sp.expand(one)) for one in (numerator, denominator))
    return above / below


def form_of(flow: Any, L: Any, speed: Any) -> HyperlogisticForm | None:
    """The hyperlogistic form of ``du/dt`` on the network clock; None if it has none."""
    terms = powers_of(flow, no.u)
    if len(terms) != 2:
        return None
    (one, first), (other, second) = terms.items()
    if _comes_later(one, first, other, second):
        one, first, other, second = other, second, one, first
    gap = sp.expand(other - one)
    if gap.is_nonpositive or first.is_nonpositive or second.is_nonnegative:
        return None
    rho = sp.cancel(-first / second)
    return HyperlogisticForm(first, rho, one, gap, L, speed)


def _comes_later(one: Any, first: Any, other: Any, second: Any) -> bool:
    """Whether the first of two terms is the damping one: of higher power, or negative."""
    difference = sp.expand(other - one)
    if difference.is_positive is None or difference.is_zero:
        return bool(first.is_negative or second.is_positive)
    return bool(difference.is_negative)

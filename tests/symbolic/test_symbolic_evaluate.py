"""When a statement is true, false or undecided."""

import pytest
import sympy as sp

from dlnflow.symbolic import DerivationError, UndecidedError, _evaluate, derive
from dlnflow.symbolic import _notation as no
from dlnflow.symbolic._evaluate import limit_holds, to_zero

x, y = sp.symbols("x y", positive=True)


def test_an_identity_is_proved_and_a_near_miss_refuted_with_its_point():
    _evaluate.prove_zero((x + y) ** 2 - x**2 - 2 * x * y - y**2)
    with pytest.raises(DerivationError) as refused:
        _evaluate.prove_zero(sp.sin(x) ** 2 + sp.cos(x) ** 2 - 1 + sp.Rational(1, 10**12) * x)
    assert not isinstance(refused.value, UndecidedError)
    assert set(refused.value.counterexample) == {x}
    assert refused.value.residual != 0


def test_what_sympy_cannot_simplify_is_undecided_though_it_is_zero():
    """A contiguous relation of hypergeometric functions: true, and out of reach of simplify."""
    f = [sp.hyper((1, y + shift), (y + shift + 1,), x / 3) for shift in (0, 1)]
    zero = f[0] - 1 - x / 3 * y / (y + 1) * f[1]
    with pytest.raises(UndecidedError, match="8 random points"):
        _evaluate.prove_zero(zero)


def test_a_model_that_leaves_something_open_decides_nothing():
    with pytest.raises(DerivationError, match="there is no value for y"):
        _evaluate.holds_in(sp.Eq(x, y), [{x: sp.Integer(1)}])
    with pytest.raises(DerivationError, match="nothing was checked"):
        _evaluate.holds_in(sp.Eq(x, y), [])


def test_rational_models_are_compared_exactly():
    tiny = sp.Rational(1, 10**60)
    with pytest.raises(DerivationError):
        _evaluate.holds_in(sp.Eq(x, y), [{x: sp.Integer(1), y: 1 + tiny}])
    assert _evaluate.holds_in(sp.Eq(x, y), [{x: sp.Integer(1), y: sp.Integer(1)}]) == 1


def test_values_that_are_no_numbers_are_refused():
    for bad in (sp.nan, sp.zoo, sp.oo):
        with pytest.raises(DerivationError):
            _evaluate.holds_in(sp.Eq(x, y, evaluate=False), [{x: bad, y: sp.sqrt(2)}])


def test_a_limit_is_held_against_values_at_small_starts():
    eps = no.eps
    f = sp.Function("f")
    at = [{eps: sp.Rational(1, 10**k), f(eps): 2 + sp.Rational(1, 10**k)} for k in (3, 6, 9)]
    found = {to_zero(f(eps)): sp.Integer(2)}
    limit_holds(sp.Eq(to_zero(f(eps)), 2), found, at, {})
    with pytest.raises(DerivationError) as refused:
        limit_holds(sp.Eq(to_zero(-f(eps)), 2), found, at, {})
    assert refused.value.counterexample[eps] == sp.Rational(1, 10**9)
    with pytest.raises(UndecidedError):
        limit_holds(sp.Eq(to_zero(2 * f(eps)), 4), found, at, {})
    with pytest.raises(DerivationError, match="has no limit in it"):
        limit_holds(sp.Eq(x, y), found, at, {})


def test_a_number_of_a_million_digits_is_refused_at_once():
    step = derive("jepa", L=2).steps[6]
    relation = step.statement[0]
    changed = sp.Eq(relation.lhs, relation.rhs + sp.Integer(10) ** (10**6), evaluate=False)
    with pytest.raises(UndecidedError, match="too large to evaluate"):
        step.with_statement(changed, *step.statement[1:]).check()

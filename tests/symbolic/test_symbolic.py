"""The derivation as an object: it is what the numeric code computes, and it refuses bad input."""

import math
import random

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import dlnflow
from dlnflow import symbolic

NETWORKS = st.tuples(st.integers(1, 6), st.integers(1, 3)).flatmap(
    lambda depths: st.tuples(st.just(depths[0]), st.just(depths[1]), st.integers(0, depths[0]))
)


def objective_at(L, m):
    return dlnflow.JEPA if m == L else dlnflow.Objective(target_layer=m)


def number(expression, **values):
    """An expression with numbers for its symbols, by name."""
    named = {symbol: values[symbol.name] for symbol in expression.free_symbols}
    return float(sp.N(expression.subs(named).doit(), 30))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(NETWORKS, st.floats(0.1, 3), st.floats(0.2, 1.5), st.sampled_from(["paper", "network"]))
def test_what_is_derived_is_what_the_numeric_code_computes(network, lam, rho, clock):
    L, P, m = network
    objective = objective_at(L, m)
    d = symbolic.derive(objective, L, decoder_depth=P, clock=clock)
    speed = 1 / L if clock == "paper" else 1
    numeric = {"objective": objective, "decoder_depth": P, "clock": clock}

    def close(derived, computed):
        assert derived == pytest.approx(float(computed), rel=1e-12)

    close(float(d.order), objective.order(L, P))
    close(number(d.rate, lam=lam, rho=rho), objective.rate(lam, rho, L, P) * speed)
    plateau = float(objective.plateau(rho, L, P))
    close(number(d.plateau, rho=rho), plateau)
    for share in (0.01, 0.6, 1.7):
        velocity = d.lambdify("mode_ode")(share * plateau, lam, rho)
        close(velocity, dlnflow.velocity(share * plateau, lam, rho, L, **numeric))
    eps = 0.01 * plateau
    exact = dlnflow.critical_time(lam, rho, L, eps=eps, p=0.4, **numeric)
    close(number(d.critical_time, lam=lam, rho=rho, eps=eps, p=0.4), exact)
    head = number(d.critical_time_head, lam=lam, rho=rho, eps=eps)
    left = number(d.remainder, lam=lam, rho=rho, eps=eps, p=0.4)
    assert head + left == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(NETWORKS)
def test_symbolic_depths_come_to_the_concrete_ones(network):
    L, P, m = network
    depths = {symbolic.L: L, symbolic.P: P, symbolic.m: m}
    general = symbolic.derive("layer-m", decoder_depth=None)
    concrete = symbolic.derive(objective_at(L, m), L, decoder_depth=P)
    for name in ("order", "rate", "plateau"):
        difference = getattr(general, name).subs(depths) - getattr(concrete, name)
        assert sp.simplify(difference) == 0
    mode = {"lam": 0.7, "rho": 0.6, "eps": 1e-7, "p": 0.3}
    for name in ("critical_time", "critical_time_head", "remainder"):
        derived = number(getattr(general, name).subs(depths).doit(), **mode)
        assert derived == pytest.approx(number(getattr(concrete, name), **mode), rel=1e-12)


def test_a_wrong_exponent_in_the_numeric_code_would_show(monkeypatch):
    d = symbolic.derive("jepa", L=3)
    monkeypatch.setattr(
        dlnflow.Objective, "rate", lambda self, lam, rho, L, P=1: lam * rho ** (1 / L)
    )
    assert number(d.rate, lam=1.0, rho=0.5) != pytest.approx(dlnflow.JEPA.rate(1.0, 0.5, 3) / 3)


@pytest.mark.long
@pytest.mark.parametrize("objective", ["jepa", "mae"])
@pytest.mark.parametrize("L", [1, 2, 5, None])
def test_the_published_times_are_the_numeric_ones(objective, L):
    d = symbolic.derive(objective, L)
    lam, rho, eps = 1.3, np.array([0.9, 0.4]), np.array([[1e-3], [1e-9]])
    for number_of_layers in (1, 2, 5) if L is None else (L,):
        depth = {"L": number_of_layers} if L is None else {}
        numeric = {"eps": eps, "objective": objective}
        published = d.lambdify("critical_time_published")(lam, rho, eps, **depth)
        expected = dlnflow.critical_time_published(lam, rho, number_of_layers, **numeric)
        np.testing.assert_allclose(published, expected, rtol=1e-13)
        left = d.lambdify("remainder")(lam, rho, eps, 0.5, **depth)
        expected = dlnflow.critical_time_remainder(lam, rho, number_of_layers, **numeric)
        np.testing.assert_allclose(left, expected, rtol=1e-10)


def test_the_symbols_have_the_names_of_the_contract():
    d = symbolic.derive("jepa", L=3)
    assert {s.name for s in d.critical_time.free_symbols} == {"lam", "rho", "eps", "p"}
    assert d.critical_time.free_symbols == {symbolic.lam, symbolic.rho, symbolic.eps, symbolic.p}
    assert d.mode_ode.lhs.variables == (symbolic.t,)
    assert {s.name for s in symbolic.derive("layer-m", decoder_depth=None).order.free_symbols} == {
        "L",
        "P",
        "m",
    }


def test_the_network_clock_has_the_factor_and_the_papers_has_not():
    paper, network = (symbolic.derive("mae", L=3, clock=clock) for clock in ("paper", "network"))
    assert sp.simplify(network.rate / paper.rate) == 3
    assert sp.simplify(network.mode_ode.rhs / paper.mode_ode.rhs) == 3
    assert sp.simplify(paper.critical_time / network.critical_time) == 3
    assert paper.flow == network.flow


def test_only_what_the_paper_publishes_is_called_published():
    for d in (
        symbolic.derive("layer-1", L=3),
        symbolic.derive("jepa", L=3, decoder_depth=2),
        symbolic.derive("jepa", L=3, clock="network"),
    ):
        with pytest.raises(ValueError, match="critical_time_published exists for JEPA and MAE"):
            d.critical_time_published  # noqa: B018
        assert d.critical_time_head.has(symbolic.eps)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("jeppa",), ValueError, "objective must be 'jepa', 'mae', 'layer-m'.*got 'jeppa'"),
        ((3,), TypeError, "objective must be a name or an Objective: got 3"),
        (("jepa", 0), ValueError, "L must be a positive integer: got 0"),
        (("jepa", 1.5), ValueError, "L must be a positive integer: got 1.5"),
        (("jepa", [1, 2]), ValueError, "L must be a single value"),
        (("layer-4", 3), ValueError, "target_layer must lie in 0..L, here 0..3: got 4"),
        (("jepa", 101), ValueError, "L must be at most 100, .* every depth at once.: got 101"),
        (("jepa", 10**6), ValueError, "L must be at most 100, .*L=None derives"),
        (
            ("mae", 2, "paper", 10**6),
            ValueError,
            "decoder_depth must be at most 100, .*: got 1000000",
        ),
        (
            ("layer-1000000",),
            ValueError,
            "objective must have a target_layer of at most 100, .*: got",
        ),
        (("jepa", 2, "net"), ValueError, "clock must be 'paper' or 'network'.*got 'net'"),
        (("jepa", 2, dlnflow.Training(lr=1)), ValueError, "clock must be"),
        (("jepa", 2, "paper", 0), ValueError, "decoder_depth must be a positive integer: got 0"),
    ],
)
def test_bad_input_is_refused_by_name(arguments, error, words):
    objective, *rest = arguments
    named = dict(zip(("L", "clock", "decoder_depth"), rest, strict=False))
    with pytest.raises(error, match=words):
        symbolic.derive(objective, **named)


@pytest.mark.long
def test_the_deepest_network_is_derived():
    """At the bound; it takes about a second."""
    d = symbolic.derive("jepa", L=100, decoder_depth=100)
    assert d.order == sp.Rational(398, 100)
    assert symbolic.derive("jepa", L=100).order == 200


def test_functions_take_arrays_by_position_or_name_and_say_what_they_take():
    time = symbolic.derive("mae").lambdify("critical_time")
    rho = np.linspace(0.3, 0.9, 4)
    by_name = time(lam=1.0, rho=rho[:, None], eps=[1e-3, 1e-4], p=0.5, L=3)
    assert by_name.shape == (4, 2)
    expected = dlnflow.critical_time(1.0, rho[:, None], 3, eps=[1e-3, 1e-4], objective="mae")
    np.testing.assert_allclose(by_name, expected, rtol=1e-12)
    with pytest.raises(TypeError, match=r"critical_time takes \(lam, rho, eps, p, L\)"):
        time(1.0, 0.5)
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        time(1.0, 0.5, 1e-3, 0.5, 3, depth=3)
    with pytest.raises(ValueError, match="L must be a single non-negative integer"):
        time(1.0, 0.5, 1e-3, 0.5, [1, 2])
    for wrong in ({"eps": 0.0}, {"p": 1.0}, {"lam": -1.0}, {"rho": math.nan}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} must"):
            time(**{"lam": 1.0, "rho": 0.5, "eps": 1e-3, "p": 0.5, "L": 3, **wrong})
    with pytest.raises(ValueError, match="name must be one of mode_ode, order"):
        symbolic.derive("mae").lambdify("speed")


def test_a_quantity_that_does_not_depend_on_an_argument_still_takes_its_shape():
    published = symbolic.derive("mae", L=3).lambdify("critical_time_published")
    assert published(1.0, [0.5, 0.6], 1e-3).shape == (2,)
    assert symbolic.derive("jepa", L=2).lambdify("order")() == 4
    assert symbolic.derive("layer-1").lambdify("critical_time")(1.0, 0.5, 1e-3, 0.5, L=7) > 0


def test_a_mode_that_starts_above_the_fraction_takes_no_time():
    time = symbolic.derive("layer-2", L=3).lambdify("critical_time")
    eps = [0.01, 0.05, 0.1, 0.5]
    expected = dlnflow.critical_time(1.0, 0.3, 3, eps=eps, objective="layer-2")
    np.testing.assert_allclose(time(1.0, 0.3, eps, 0.5), expected, rtol=1e-12)
    assert (expected == 0).any()
    assert (expected > 0).any()


def test_orders_that_are_not_whole_are_right_up_to_the_plateau():
    """SciPy's 2F1 alone is off by a factor here."""
    time = symbolic.derive("jepa", 12, decoder_depth=3).lambdify("critical_time")
    p = np.array([0.5, 0.9, 0.98, 0.999, 1 - 1e-4])
    expected = dlnflow.critical_time(1.0, 0.3, 12, eps=1e-4, p=p, decoder_depth=3)
    np.testing.assert_allclose(time(1.0, 0.3, 1e-4, p), expected, rtol=1e-11)


def test_equal_derivations_are_equal():
    assert symbolic.derive("jepa", L=3) == symbolic.derive("jepa", L=3)
    assert symbolic.derive("jepa", L=3) != symbolic.derive("jepa", L=2)


def test_steps_are_found_by_number():
    d = symbolic.derive("jepa")
    assert d["10a"].title == "The exact critical time"
    with pytest.raises(KeyError, match="step must be one of 1, 2, 3, 4a"):
        d["12"]


def test_the_repr_says_what_was_derived():
    assert repr(symbolic.derive("jepa", L=2)) == (
        "<Derivation of JEPA, L = 2, decoder depth 1, paper clock: 18 steps; "
        "dw/dt = lam*w**(5/2) - lam*w**3/rho>"
    )


def test_the_relative_gap_of_step_11_is_that_of_the_library():
    """The limit, at an initialisation small enough for three digits."""
    for objective, L, P in [("jepa", 3, 1), ("jepa", 2, 2), ("mae", 3, 1), ("layer-2", 4, 1)]:
        d = symbolic.derive(objective, L, decoder_depth=P)
        *_, scale, limit = d["11a"].statement[:4]
        eps = 1e-40
        names = {"rho_1": 0.9, "rho_2": 0.4, "p": 0.5, "eps": eps}
        predicted = number(scale.rhs, **names) * number(limit.rhs, **names)
        start = {symbolic.lam: 1, symbolic.eps: sp.Rational(1, 10**40), symbolic.p: sp.S.Half}
        exact = [
            d.critical_time.subs({**start, symbolic.rho: rho}).evalf(150)
            for rho in (sp.Rational(9, 10), sp.Rational(2, 5))
        ]
        gap = float(exact[1] / exact[0] - 1)
        assert gap == pytest.approx(predicted, rel=1e-3)


def test_random_points_obey_the_assumptions_of_their_symbols():
    from dlnflow.symbolic._evaluate import random_points

    symbols = [symbolic.L, symbolic.m, symbolic.rho, symbolic.t]
    points = random_points(symbols, count=200, seed=random.Random(0).randrange(9))
    assert all(point[symbolic.m] <= point[symbolic.L] for point in points)
    assert all(point[symbolic.rho] > 0 and point[symbolic.L].is_integer for point in points)
    assert {math.copysign(1, point[symbolic.t]) for point in points} == {1, -1}

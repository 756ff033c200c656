"""A user's own loss: the family where it belongs, fixed points where it does not."""

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import solve_ivp

import dlnflow
from dlnflow import symbolic
from dlnflow.symbolic import DerivationError, derive_mode_ode, lam, rho

w, v, tau, beta = sp.symbols("w v tau beta", positive=True)
w1, w2, v1 = sp.symbols("w1 w2 v1", positive=True)
ERROR = lam / rho / 2 * (v * w) ** 2 - lam * v * w * tau


def holds(d):
    table = d.verify()
    return table["holds"].eq(True).all(), table["how"].tolist()


@pytest.mark.long
@pytest.mark.parametrize(
    ("objective", "target", "L", "P"),
    [("jepa", w, 3, 1), ("mae", 1, 2, 2), ("layer-1", w ** sp.Rational(1, 3), 3, 1)],
)
def test_the_loss_of_the_theory_gives_its_equations(objective, target, L, P):
    d = derive_mode_ode(ERROR, encoder={w: L}, decoder={v: P}, frozen={tau: target})
    theory = symbolic.derive(objective, L, decoder_depth=P)
    for name in ("order", "rate", "plateau", "critical_time", "remainder"):
        assert sp.simplify(getattr(d, name) - getattr(theory, name)) == 0
    assert d.mode_ode == theory.mode_ode
    assert [step.number for step in d.steps] == ["5", "7", "8", "9", "10a", "10b", "10c"]
    assert holds(d)[0], holds(d)[1]


def test_depths_may_stay_symbols():
    d = derive_mode_ode(ERROR, encoder={w: symbolic.L}, decoder={v: symbolic.P}, frozen={tau: w})
    theory = symbolic.derive("jepa", decoder_depth=None)
    assert sp.simplify(d.order - theory.order) == 0
    assert sp.simplify(d.plateau - theory.plateau) == 0
    assert d.depths == (symbolic.L, symbolic.P)


def test_single_layers_and_their_product_are_the_same():
    apart = derive_mode_ode(
        ERROR.subs(w, w1 * w2), encoder=[w1, w2], decoder=[v], frozen={tau: w1 * w2}
    )
    product = derive_mode_ode(ERROR, encoder={w: 2}, decoder=v, frozen={tau: w})
    assert apart.mode_ode == product.mode_ode


@pytest.mark.long
def test_a_constant_target_acts_like_data():
    """A constant target: MAE's equation with lam tau for lam, another plateau."""
    d = derive_mode_ode(ERROR, encoder={w: 3}, decoder=v, parameters=[tau])
    mae = symbolic.derive("mae", L=3)
    assert d.order == mae.order
    assert sp.simplify(d.plateau - mae.plateau.subs(rho, rho * tau)) == 0
    assert holds(d)[0], holds(d)[1]
    time = d.lambdify("critical_time")
    # the library's MAE at the covariance lam tau and the regression coefficient rho tau
    expected = dlnflow.critical_time(0.6, 0.3, 3, eps=1e-3, objective="mae")
    assert time(1.0, 0.5, 1e-3, 0.5, tau=0.6) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.long
def test_weight_decay_lowers_the_covariance_of_a_shallow_mae():
    decay = beta / 2 * (v**2 + w**2)
    d = derive_mode_ode(ERROR + decay, encoder=w, decoder=v, frozen={tau: 1}, parameters=[beta])
    assert d.order == 1
    assert d.conditions == (lam - beta > 0,)
    assert holds(d)[0], holds(d)[1]


@pytest.mark.long
def test_weight_decay_takes_a_jepa_out_of_the_family():
    decay = beta / 2 * (v**2 + w**2)
    d = derive_mode_ode(ERROR + decay, encoder=w, decoder=v, frozen={tau: w}, parameters=[beta])
    assert not d.in_family
    assert "not of the hyperlogistic family" in repr(d)
    with pytest.raises(ValueError, match=r"is not hyperlogistic: .* got 3 terms"):
        d.order  # noqa: B018
    assert [point.stable for point in d.fixed_points] == [True, None, None]
    assert holds(d)[0], holds(d)[1]

    numbers = {lam: 1.0, rho: 0.8, beta: 0.05}
    low, high = (float(point.w.subs(numbers)) for point in d.fixed_points[1:])
    f = sp.lambdify(symbolic.w, d.mode_ode.rhs.subs(numbers).subs(d.mode_ode.lhs.expr, symbolic.w))
    for start, end in [(0.9 * low, 0.0), (1.1 * low, high), (2.0, high)]:
        run = solve_ivp(
            lambda _, x: f(x), (0, 3000), [start], method="LSODA", rtol=1e-9, atol=1e-12
        )
        assert run.y[0, -1] == pytest.approx(end, abs=1e-6)


def test_the_critical_time_is_the_users_equation_integrated():
    """A supervised target, two layers: logistic growth."""
    loss = lam / rho / 2 * (w1 * w2) ** 2 - lam * w1 * w2
    d = derive_mode_ode(loss, encoder=[w1, w2], clock="network")
    assert (d.order, d.rate, d.plateau) == (1, 2 * lam, rho)
    f = d.lambdify("mode_ode")
    half = d.lambdify("critical_time")(1.5, 0.7, 1e-3, 0.5)
    run = solve_ivp(lambda _, x: f(x, 1.5, 0.7), (0, half), [1e-3], rtol=1e-11, atol=1e-14)
    assert run.y[0, -1] == pytest.approx(0.35, rel=1e-8)


@pytest.mark.long
def test_an_order_below_one_ends_with_the_exact_time():
    """A single supervised layer: exponential approach, order 0, no power of 1/eps to speak of."""
    d = derive_mode_ode(lam / rho / 2 * w**2 - lam * w, encoder=w)
    assert d.order == 0
    assert [step.number for step in d.steps] == ["5", "7", "8", "9", "10a"]
    assert holds(d)[0], holds(d)[1]
    time = d.lambdify("critical_time")(2.0, 0.5, 0.1, 0.5)
    assert time == pytest.approx(0.25 * np.log(0.4 / 0.25), rel=1e-12)


def test_roots_beyond_quadratic_are_left_as_an_equation():
    loss = ERROR + beta / 2 * (v**2 + 3 * w ** sp.Rational(2, 3))
    d = derive_mode_ode(loss, encoder={w: 3}, decoder=v, frozen={tau: w}, parameters=[beta])
    assert [point.w for point in d.fixed_points] == [0]
    assert "Further ones are the positive solutions of" in d["7"].explanation


@pytest.mark.long
def test_roots_of_factors_are_found_and_floats_are_fractions():
    d = derive_mode_ode((v * w - tau) ** 4 / 4, encoder=w, decoder=v, frozen={tau: w})
    assert [point.w for point in d.fixed_points] == [0, 1]
    assert holds(d)[0], holds(d)[1]
    d = derive_mode_ode(0.5 * w**4 - 0.7 * w**2, encoder=w)
    assert d.plateau == sp.sqrt(70) / 10
    assert holds(d)[0], holds(d)[1]


def test_a_conjecture_is_tested_against_the_loss_itself():
    d = derive_mode_ode(ERROR, encoder={w: 2}, decoder=v, parameters=[tau])
    d.check_mode_ode(d.mode_ode)
    with pytest.raises(DerivationError) as refused:
        d.check_mode_ode(lam * symbolic.w**2 - lam * symbolic.w**3 / rho)
    assert refused.value.residual != 0


GOOD = {"encoder": w, "decoder": v, "frozen": {tau: 1}}


@pytest.mark.parametrize(
    ("loss", "given", "error", "words"),
    [
        ("x", {"encoder": w}, TypeError, "loss must be a SymPy expression: got 'x'"),
        (ERROR + beta * w * v, GOOD, ValueError, "symbols that are not declared .*got beta"),
        (sp.Symbol("lam") * w**2, {"encoder": w}, ValueError, "lam is dlnflow.symbolic.lam"),
        (ERROR, {**GOOD, "parameters": [w]}, ValueError, "declare each symbol once: got w again"),
        (
            ERROR,
            {**GOOD, "encoder": {w: 0}},
            ValueError,
            "positive integer numbers of layers: got 0",
        ),
        (ERROR, {**GOOD, "encoder": "w"}, TypeError, "encoder must hold SymPy symbols: got 'w'"),
        (ERROR, {**GOOD, "clock": "fast"}, ValueError, "clock must be 'paper' or 'network'"),
        (lam * w, {"encoder": [w, v]}, ValueError, "every trained symbol: v is not in"),
        (ERROR + w**2, GOOD, ValueError, "must move the layers of every symbol alike"),
        (ERROR + sp.tanh(v * w), GOOD, ValueError, "sum of powers .* got the term"),
        (ERROR, {"encoder": (), "decoder": [v, w], "frozen": {tau: 1}}, ValueError, "at least one"),
        (
            ERROR,
            {**GOOD, "frozen": {tau: beta}},
            ValueError,
            "value of tau has symbols that are not",
        ),
        (ERROR, {**GOOD, "frozen": [tau]}, TypeError, "frozen must map symbols to their values"),
        (ERROR, {**GOOD, "frozen": {tau: None}}, TypeError, "frozen must map tau to an expression"),
        (ERROR, {**GOOD, "encoder": None}, TypeError, "encoder must hold SymPy symbols: got None"),
        (ERROR, {**GOOD, "encoder": {w: None}}, ValueError, "numbers of layers: got None for w"),
        (ERROR, {**GOOD, "parameters": sp.Symbol("a")}, ValueError, "declared positive: got a"),
        (
            ERROR,
            {**GOOD, "parameters": symbolic.eps},
            ValueError,
            "that the derivation uses: got eps",
        ),
        (ERROR * sp.I, GOOD, ValueError, "loss must be real and finite"),
        (ERROR + sp.nan, GOOD, ValueError, "loss must be real and finite"),
    ],
)
def test_a_loss_that_cannot_be_taken_is_refused_by_name(loss, given, error, words):
    with pytest.raises(error, match=words):
        derive_mode_ode(loss, **given)


z = sp.Symbol("z", positive=True)
deep = v * w
for _ in range(3000):
    deep = sp.sin(deep, evaluate=False)
NO_COUNTS = [
    *(True, False, np.True_, sp.true, "2", None, 1j, [], 2.5, np.float64(2.5), sp.Rational(1, 2)),
    *(np.nan, np.inf, -np.inf, np.float32("inf"), sp.nan, sp.oo, sp.zoo),
    *(0, -1, np.int64(0), np.int64(-3), -(10**5000), sp.Symbol("z"), symbolic.m, deep),
]


@pytest.mark.parametrize("name", ["encoder", "decoder"])
@pytest.mark.parametrize("count", NO_COUNTS, ids=range(len(NO_COUNTS)))
def test_what_is_no_number_of_layers_is_refused(name, count):
    symbol = {"encoder": w, "decoder": v}[name]
    with pytest.raises(
        ValueError,
        match=f"^{name} must give positive integer numbers of layers: got .* for {symbol}$",
    ):
        derive_mode_ode(ERROR, **{**GOOD, name: {symbol: count}})


@pytest.mark.long
@pytest.mark.parametrize("count", [2, np.int64(2), np.uint8(2), 2.0, np.float32(2), sp.Integer(2)])
def test_whole_numbers_of_any_library_count_layers(count):
    d = derive_mode_ode(ERROR, **{**GOOD, "encoder": {w: count}})
    assert d.mode_ode == derive_mode_ode(ERROR, **{**GOOD, "encoder": {w: 2}}).mode_ode


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        *(
            ({"encoder": one}, TypeError, "^encoder must hold SymPy symbols: got ")
            for one in (True, np.True_, 2, "wv", b"w", np.array(2), sp.true, w**2, [w, None], deep)
        ),
        *(
            ({"parameters": one}, TypeError, "^parameters must hold SymPy symbols: got ")
            for one in (True, None, "b", ["b"], {2: z}, sp.false)
        ),
        *(
            ({"frozen": {tau: one}}, TypeError, "^frozen must map tau to an expression: got ")
            for one in (True, np.True_, sp.true, "w", 1j, [w], w > 1)
        ),
        *(
            ({"frozen": {tau: one}}, ValueError, "^frozen's value of tau must be real and finite")
            for one in (np.nan, np.inf, np.float64("nan"), sp.oo, sp.nan, sp.zoo, sp.I * w)
        ),
        *(
            ({"frozen": {tau: one}}, ValueError, "^frozen's value of tau must be")
            for one in (deep, w ** (10**9), 10**5000, sp.Integral(w, w), sp.Piecewise((w, w > 1)))
        ),
        ({"encoder": [w, w]}, ValueError, "declare each symbol once: got w again"),
        (
            {"encoder": {w: symbolic.L, symbolic.u: 1}},
            ValueError,
            "that the derivation uses: got u",
        ),
        # the index of the sums of step 9
        (
            {"encoder": {w: sp.Symbol("n", integer=True, positive=True)}},
            ValueError,
            "^encoder must not be a symbol that the derivation uses: got n",
        ),
        ({"clock": None}, ValueError, "^clock must be"),
        ({"clock": ["paper"]}, ValueError, "^clock must be"),
        ({"clock": {"paper"}}, ValueError, "^clock must be"),
    ],
)
def test_an_argument_that_cannot_be_taken_is_refused_by_name(given, error, words):
    with pytest.raises(error, match=words):
        derive_mode_ode(ERROR, **{**GOOD, **given})


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (deep, "small enough to print and evaluate: maximum recursion"),
        (v * w * sp.Integer(10) ** 5000, "small enough to print and evaluate: Exceeds the limit"),
        ((v * w) ** (10**9), r"small enough to evaluate \(.*\): got 1000000000 in it"),
        (sp.Sum(v * w, (symbolic.L, 1, 3)), "written with numbers, symbols, sums"),
        (v * w * sp.Piecewise((v, w > 1), (w, True)), "written with numbers, symbols, sums"),
        (v * w * sp.Symbol("x", commutative=False), "real and finite|written with numbers"),
        (v * w + sp.O(w), "written with numbers, symbols, sums"),
        (v * w * sp.sqrt(-1 - lam), "real and finite"),
        ((v * w) ** 501 - (v * w) ** 500, "an order of at most 400, .*: got 500"),
    ],
    ids=range(9),
)
def test_a_loss_beyond_what_can_be_derived_is_refused(loss, words):
    with pytest.raises(ValueError, match=f"^loss must .*{words}"):
        derive_mode_ode(loss, encoder=w, decoder=v)


@pytest.mark.parametrize("name", ["encoder", "decoder"])
@pytest.mark.parametrize("count", [101, 10**6, 10**5000], ids=["101", "10**6", "10**5000"])
def test_a_product_too_deep_is_refused(name, count):
    with pytest.raises(ValueError, match=f"^{name} must have at most 100 layers, .*: got"):
        derive_mode_ode(ERROR, **{**GOOD, name: {{"encoder": w, "decoder": v}[name]: count}})


def test_roots_of_high_powers_are_left_as_an_equation():
    """Factors of a polynomial of degree 200 take minutes."""
    decay = beta / 2 * (v**2 + 100 * w ** sp.Rational(2, 100))
    loss = ERROR + decay
    d = derive_mode_ode(loss, encoder={w: 100}, decoder=v, frozen={tau: w}, parameters=[beta])
    assert [point.w for point in d.fixed_points] == [0]
    assert "Further ones are the positive solutions of" in d["7"].explanation

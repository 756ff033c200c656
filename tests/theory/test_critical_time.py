"""Critical times: the numbers beyond the paper, the paper's own, and the measured ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dlnflow

CRITICAL_TIMES = [dlnflow.critical_time, dlnflow.critical_time_measured]
COLUMNS = [
    "objective",
    "mode",
    "lam",
    "rho",
    "L",
    "eps",
    "measured",
    "exact",
    "published",
    "exact_error",
    "published_error",
]

depths = st.integers(1, 20)
lams = st.floats(1e-3, 1e3)
rhos = st.floats(0.05, 2.0)
starts = st.floats(-30.0, -2.0).map(lambda d: 10.0**d)
objectives = st.sampled_from(["jepa", "mae", "layer-1"])


def relative_gap(time, L, **settings):
    """How much later the mode with rho = 0.5 comes than the one with rho = 1."""
    one, half = time(1.0, [1.0, 0.5], L, **settings)
    return half / one - 1


@pytest.mark.parametrize("time", CRITICAL_TIMES)
@pytest.mark.parametrize(
    ("eps", "L", "jepa", "mae"),
    [
        (1e-3, 1, "+0.0035", "-0.0545"),
        (1e-3, 3, "+0.173", "-0.0036"),
        (1e-3, 6, "+1.131", "+0.00016"),
        (1e-6, 3, "+0.0129", "-3.5e-5"),
    ],
)
def test_depth_amplifies_what_jepa_sees_of_rho_and_mae_does_not(time, eps, L, jepa, mae):
    """The numbers to the digits in which they are written down."""
    for objective, written in (("jepa", jepa), ("mae", mae)):
        gap = relative_gap(time, L, eps=eps, objective=objective)
        mantissa, _, exponent = written.partition("e")
        unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
        assert abs(gap - float(written)) <= 0.51 * unit


@pytest.mark.parametrize("time", CRITICAL_TIMES)
def test_a_deeper_decoder_removes_the_difference(time):
    gaps = [relative_gap(time, 3, eps=1e-2, decoder_depth=P) for P in (1, 2, 5)]
    assert [f"{gap:.2f}" for gap in gaps[:1]] == ["0.48"]
    assert [f"{gap:.2g}" for gap in gaps[1:]] == ["0.08", "0.001"]
    assert gaps == sorted(gaps, reverse=True)


def excess(eps, L, objective, lam=0.7, rho=0.6):
    """What the published formula leaves out."""
    settings = {"eps": eps, "objective": objective}
    exact = dlnflow.critical_time(lam, rho, L, **settings)
    return exact - dlnflow.critical_time_published(lam, rho, L, **settings)


@pytest.mark.parametrize("L", [1, 2, 3])
def test_the_paper_leaves_out_a_logarithm_for_jepa(L):
    """Theta(log eps), whose factor is 1 / (lam rho**(2L-1))."""
    lam, rho = 0.7, 0.6
    eps = np.array([1e-5, 1e-6, 1e-7])
    left_out = excess(eps, L, "jepa", lam, rho)
    factors = np.diff(left_out) / np.log(10) * lam * rho ** (2 * L - 1)
    assert factors == pytest.approx(1, abs=0.03)
    assert abs(factors[1] - 1) < abs(factors[0] - 1)
    term = L / (lam * rho ** (2 * L - 2) * eps ** (1 / L))
    without_a_term = np.diff(left_out + term) / np.log(10) * lam * rho ** (2 * L - 1)
    assert np.abs(without_a_term - 1).min() > 1


@pytest.mark.parametrize("L", [1, 2, 3, 6])
def test_the_paper_leaves_out_a_constant_for_mae(L):
    left_out = excess(10.0 ** -np.array([6, 8, 10, 12]), L, "mae")
    steps = np.abs(np.diff(left_out))
    assert steps[-1] < 5e-3 * abs(left_out[-1])
    assert np.all(steps[1:] <= 0.3 * steps[:-1] + 1e-9)
    if L == 1:
        constant = (np.log(0.25 / 0.75) + np.log(0.6)) / (2 * 0.7)
        assert left_out[-1] == pytest.approx(constant, rel=1e-10)


@pytest.mark.parametrize("objective", ["jepa", "mae"])
@pytest.mark.parametrize("L", [1, 2, 5, 10])
def test_published_and_exact_meet_at_small_eps(objective, L):
    eps = 10.0 ** -np.array([3.0, 6.0, 12.0, 30.0])
    settings = {"eps": eps, "objective": objective}
    exact = dlnflow.critical_time(1.0, 0.8, L, **settings)
    error = np.abs(dlnflow.critical_time_published(1.0, 0.8, L, **settings) / exact - 1)
    assert np.all(error[1:] <= error[:-1] + 1e-14)
    assert error[0] > 10 * error[-1]


@pytest.mark.parametrize(
    ("objective", "L", "by_hand"),
    [
        ("jepa", 1, lambda lam, rho, eps: 1 / (lam * eps)),
        (
            "jepa",
            2,
            lambda lam, rho, eps: (
                (2 / (rho**2 * eps**0.5) + 2 / (2 * rho * eps) + 2 / (3 * eps**1.5)) / lam
            ),
        ),
        ("mae", 1, lambda lam, rho, eps: np.log(1 / eps) / lam),
        ("mae", 2, lambda lam, rho, eps: 2 / (lam * eps**0.5)),
        ("mae", 3, lambda lam, rho, eps: 3 / (2 * lam * eps ** (2 / 3))),
    ],
)
def test_the_published_formula_by_hand(objective, L, by_hand):
    lam, rho, eps = np.array([1.3, 0.2]), np.array([0.4, 1.7]), np.array([[1e-2], [1e-5]])
    got = dlnflow.critical_time_published(lam, rho, L, eps=eps, objective=objective)
    assert got == pytest.approx(by_hand(lam, rho, eps), rel=1e-14)


@pytest.mark.parametrize("objective", ["jepa", "mae"])
def test_the_published_formula_broadcasts_over_every_argument(objective):
    lam, rho, L = np.array([1.0, 2.0]), np.array([[0.5], [0.9], [1.2]]), np.array([1, 2, 7])
    L, eps = L[:, None, None], np.array([1e-2, 1e-4])[:, None, None, None]
    together = dlnflow.critical_time_published(lam, rho, L, eps=eps, objective=objective)
    assert together.shape == (2, 3, 3, 2)
    for h, i, j, k in np.ndindex(together.shape):
        settings = {"eps": eps[h].item(), "objective": objective}
        alone = dlnflow.critical_time_published(lam[k], rho[j, 0], L[i].item(), **settings)
        assert together[h, i, j, k] == pytest.approx(alone, rel=1e-14)


@pytest.mark.parametrize(
    ("change", "shape"),
    [
        ({"variance": [2.0, 2.0]}, (2,)),
        ({"decoder_depth": [1, 1, 1]}, (3,)),
        ({"lam": 0.0, "rho": 0.0, "variance": [1.0, 2.0]}, (2,)),
    ],
)
@pytest.mark.parametrize(
    "time",
    [
        *CRITICAL_TIMES,
        dlnflow.critical_time_published,
    ],
)
def test_results_have_the_broadcast_shape_of_all_arguments(time, change, shape):
    assert np.shape(time(**({"lam": 1.0, "rho": 0.5, "L": 2} | change))) == shape


def test_the_dials_other_layers_and_decoders_have_no_published_formula():
    for settings in ({"objective": "layer-1"}, {"decoder_depth": 2}, {"decoder_depth": [1, 2]}):
        with pytest.raises(ValueError, match="for which the paper publishes a formula"):
            dlnflow.critical_time_published(1.0, 0.5, 3, **settings)


def test_a_fraction_of_the_plateau_and_an_absolute_threshold_order_modes_differently():
    """A small plateau is half covered early, and a given amplitude reached late."""
    modes = {"lam": [1.2, 1.0], "rho": [0.5, 1.0], "L": 2, "eps": 0.01}
    relative, absolute = dlnflow.critical_time(**modes), dlnflow.hitting_time(0.2, **modes)
    assert np.argsort(relative).tolist() == [0, 1]
    assert np.argsort(absolute).tolist() == [1, 0]
    measured = dlnflow.critical_time_measured(**modes)
    assert np.argsort(measured).tolist() == [0, 1]


@given(lams, rhos, depths, starts, objectives, st.floats(0.01, 0.99))
def test_at_the_critical_time_the_fraction_is_reached(lam, rho, L, eps, objective, p):
    settings = {"eps": eps, "objective": objective}
    rest = dlnflow.plateau(rho, L, objective=objective)
    t = dlnflow.critical_time(lam, rho, L, p=p, **settings)
    if eps >= p * rest:
        assert t == 0
        return
    assert t == pytest.approx(dlnflow.hitting_time(p * rest, lam, rho, L, **settings), rel=1e-12)
    w = dlnflow.amplitude(t * np.array([1 - 1e-13, 1 + 1e-13]), lam, rho, L, **settings)
    assert w[0] * (1 - 1e-11) <= p * rest <= w[1] * (1 + 1e-11)


@given(lams, rhos, depths, starts, objectives)
def test_larger_fractions_are_reached_later(lam, rho, L, eps, objective):
    p = np.array([1e-3, 0.1, 0.5, 0.9, 0.999, 1 - 1e-9])
    t = dlnflow.critical_time(lam, rho, L, eps=eps, objective=objective, p=p)
    assert np.all(np.diff(t) >= 0)
    assert t[-1] > t[0] or t[-1] == 0 or np.ptp(t) <= 1e-12 * t[-1]


@pytest.mark.parametrize("time", CRITICAL_TIMES)
def test_nothing_to_wait_for_and_nothing_that_comes(time):
    """Zero from the fraction upwards and above the plateau; infinite for what is not learned."""
    start_at = 0.5 * dlnflow.plateau(0.5, 2)
    t = time(1.0, 0.5, 2, eps=np.array([0.999 * start_at, start_at, 1.1 * start_at, 1.0]))
    assert t[0] > 0
    assert t[1:].tolist() == [0, 0, 0]
    never = time([-1.0, 0.0, 1.0], [-0.5, 0.0, 0.5], 2, variance=[2.0, 3.0, 2.0])
    assert np.isinf(never).tolist() == [True, True, False]


@pytest.mark.long
@pytest.mark.parametrize("objective", ["jepa", "mae", "layer-1"])
@pytest.mark.parametrize("L", [1, 2, 5, 20])
def test_measured_and_exact_agree(objective, L):
    rho, eps, p = [1.6, 0.5], [[1e-30], [1e-8], [1e-2]], [[[0.1]], [[0.5]], [[0.9]]]
    settings = {"eps": eps, "objective": objective, "p": p}
    exact = dlnflow.critical_time(1.3, rho, L, **settings)
    measured = dlnflow.critical_time_measured(1.3, rho, L, **settings)
    assert measured.shape == exact.shape == (3, 3, 2)
    assert ((exact > 0) == (measured > 0)).all()
    there = exact > 0
    assert np.abs(measured / np.where(there, exact, 1) - 1)[there].max() < 1e-10
    nudged = dlnflow.critical_time(1.3 * (1 + 1e-9), rho, L, **settings)
    assert np.abs(measured / np.where(there, nudged, 1) - 1)[there].min() > 1e-10


@pytest.mark.parametrize("clock", ["network", dlnflow.Training(0.01, "mean", outputs=5)])
@pytest.mark.parametrize("decoder_depth", [1, 3])
def test_every_clock_and_decoder_is_measured_as_computed(clock, decoder_depth):
    settings = {"clock": clock, "decoder_depth": decoder_depth, "eps": 1e-4}
    exact = dlnflow.critical_time([1.0, 2.0], 0.7, 3, **settings)
    measured = dlnflow.critical_time_measured([1.0, 2.0], 0.7, 3, **settings)
    assert measured == pytest.approx(exact, rel=1e-10)
    assert exact != pytest.approx(dlnflow.critical_time([1.0, 2.0], 0.7, 3, eps=1e-4), rel=1e-3)


def test_times_beyond_the_range_of_floats_are_infinite_however_found():
    settings = {"eps": 1e-30, "objective": "mae", "decoder_depth": 20}
    for time in CRITICAL_TIMES:
        assert time(1.0, 0.5, 1, **settings) == np.inf


def test_the_table_has_a_row_for_every_objective_depth_eps_and_mode():
    objectives, L, eps = ("mae", "jepa"), [3, 1], [1e-2, 1e-3]
    table = dlnflow.critical_time_table([1.0, 2.0], [0.5, 0.9], L, eps, objectives)
    assert table.columns.tolist() == COLUMNS
    rows = table[["objective", "L", "eps", "mode"]].to_numpy().tolist()
    assert rows == [
        [o, depth, start, mode]
        for o in objectives
        for depth in L
        for start in eps
        for mode in (0, 1)
    ]
    assert table["lam"].tolist() == [1.0, 2.0] * 8
    assert table["rho"].tolist() == [0.5, 0.9] * 8
    assert table.index.tolist() == list(range(16))
    for row in table.itertuples():
        settings = {"eps": row.eps, "objective": row.objective}
        assert row.exact == dlnflow.critical_time(row.lam, row.rho, row.L, **settings)
        assert row.measured == dlnflow.critical_time_measured(row.lam, row.rho, row.L, **settings)
        assert row.published == dlnflow.critical_time_published(row.lam, row.rho, row.L, **settings)
        assert row.exact_error == pytest.approx(row.exact / row.measured - 1, rel=0, abs=3e-16)
        assert row.published_error == pytest.approx(row.published / row.measured - 1, abs=1e-14)


def test_the_table_says_that_exact_is_exact_and_published_is_not():
    table = dlnflow.critical_time_table([1.0, 0.3], [1.0, 0.5], [1, 2, 4], [1e-3, 1e-2])
    assert 0 < table["exact_error"].abs().max() < 1e-10
    assert table["published_error"].abs().min() > 1e-5


@pytest.mark.parametrize("objective", ["jepa", dlnflow.JEPA, ["jepa"], (dlnflow.Objective(None),)])
def test_one_objective_however_it_is_given(objective):
    table = dlnflow.critical_time_table(1.0, 0.5, 2, objective=objective)
    assert table["objective"].tolist() == ["jepa"]
    assert table["exact"].item() == dlnflow.critical_time(1.0, 0.5, 2)


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({"objective": ("jepa", "layer-1", "mae")}, [False, True, False]),
        ({"decoder_depth": 2}, [True, True]),
        ({}, [False, False]),
    ],
)
def test_published_is_missing_where_the_paper_has_no_formula_and_nothing_else_is(settings, missing):
    table = dlnflow.critical_time_table(1.0, 0.5, 2, **settings)
    assert table["published"].isna().tolist() == missing
    assert table["published_error"].isna().tolist() == missing
    rest = table.drop(columns=["published", "published_error"])
    assert not rest.isna().any(axis=None)


def test_the_table_takes_modes_that_are_not_learned():
    table = dlnflow.critical_time_table(
        [1.0, -1.0, 0.0, 1.0],
        [0.5, -0.5, 0.0, 1e-3],
        2,
        eps=1e-2,
        objective="jepa",
        variance=[2.0, 2.0, 1.0, 1e3],
    )
    for column in ("measured", "exact"):
        assert np.isinf(table[column]).tolist() == [False, True, True, False]
        assert table[column][3] == 0.0
    assert table["exact_error"][1:].tolist() == [0.0, 0.0, 0.0]
    assert table["published_error"][1:3].tolist() == [0.0, 0.0]


def test_modes_of_any_shape_are_rows_in_order():
    table = dlnflow.critical_time_table([[1.0], [2.0]], [0.5, 0.7, 0.9], 1, objective="mae")
    assert table["mode"].tolist() == list(range(6))
    assert table["lam"].tolist() == [1.0] * 3 + [2.0] * 3
    assert table["rho"].tolist() == [0.5, 0.7, 0.9] * 2

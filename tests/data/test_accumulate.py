"""Covariances accumulated in batches: exact for any mean, drift and division, and atomic."""

import pickle
import warnings
from fractions import Fraction
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlnflow.data import CovarianceAccumulator, Spectrum, _pair_moments, accumulate

TOLERANCE = 1e-12


def limit(monkeypatch, **limits):
    monkeypatch.setattr(_pair_moments, "LIMITS", _pair_moments.LIMITS._replace(**limits))


def sample(n, d, rng, mean=0.0, drift=0.0, dtype=np.float64):
    """Pairs whose features have spreads from 1e-3 to 1e3, and a mean in units of the spread."""
    spread = np.logspace(-3, 3, d)
    walk = drift * np.linspace(-0.5, 0.5, n)[:, None]
    x = spread * (rng.normal(size=(n, d)) + mean + walk)
    y = spread * (rng.normal(size=(n, d)) - mean + walk) + 0.5 * x
    return x.astype(dtype), y.astype(dtype)


def reference(x, y):
    """Two passes in extended precision, which divides by n."""
    x, y = (np.asarray(a, np.longdouble) for a in (x, y))
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    return x.T @ x / len(x), y.T @ x / len(x), y.T @ y / len(x)


def worst(total, x, y):
    """The largest error of an entry, in units of sqrt(s_i s_j)."""
    xx, yx, yy = reference(x, y)
    s, r = np.sqrt(np.diag(xx)), np.sqrt(np.diag(yy))
    got_xx, got_yx = total.covariances()
    errors = np.abs(got_xx - xx) / np.outer(s, s), np.abs(got_yx - yx) / np.outer(r, s)
    return float(max(error.max() for error in errors))


def of(x, y):
    total = CovarianceAccumulator()
    total.update(x, y)
    return total


def in_batches(x, y, cuts):
    """The edges of batches, and the batches."""
    edges = [0, *sorted(cuts), len(x)]
    for start, stop in pairwise(edges):
        yield x[start:stop], y[start:stop]


def state(total):
    return pickle.dumps(total)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of a few rows, so that a small sample has many, and segments that double."""
    limit(monkeypatch, in_cache=1)
    limit(monkeypatch, fewest_rows=7)
    limit(monkeypatch, growth=3)


@pytest.mark.long
@pytest.mark.parametrize("mean", [0.0, 3.0, 9.0, 11.0, 1e3, 1e8])
@pytest.mark.parametrize("drift", [0.0, 10.0, 1e8])
def test_covariances_are_exact_at_any_mean_and_drift(small_blocks, mean, drift):
    x, y = sample(5000, 6, np.random.default_rng(0), mean, drift)
    assert worst(of(x, y), x, y) < TOLERANCE
    assert worst(accumulate(in_batches(x, y, range(13, 5000, 13))), x, y) < TOLERANCE


def test_rows_multiplied_as_they_are_would_be_noticed_at_a_large_mean(monkeypatch):
    limit(monkeypatch, small_mean=np.inf)
    x, y = sample(5000, 6, np.random.default_rng(0), mean=1e8)
    assert worst(of(x, y), x, y) > 1.0


def test_rows_looked_at_that_vary_more_than_the_rest_do_no_harm():
    """Every row by which a small mean is judged is far out, and no other."""
    n = 64 * _pair_moments.LIMITS.sampled
    x, y = np.random.default_rng(2).normal(1e4, 1.0, size=(2, n, 3))
    x[::64] *= np.random.default_rng(3).choice([-1.0, 1.0], size=(n // 64, 1))
    assert worst(of(x, y), x, y) < TOLERANCE


@pytest.mark.parametrize("lay", [np.asfortranarray, lambda a: np.hstack([a, a])[:, : a.shape[1]]])
def test_rows_are_multiplied_where_they_lie(lay, monkeypatch):
    """Of rows near 0 nothing is copied; of others, and of other types, all is."""
    x, y = (lay(a) for a in sample(5000, 4, np.random.default_rng(4), mean=5.0))
    subtracted = []
    subtract = np.subtract
    monkeypatch.setattr(
        _pair_moments.np, "subtract", lambda *a, **k: subtracted.append(1) or subtract(*a, **k)
    )
    near = of(x, y)
    assert not subtracted
    assert worst(near, x, y) < TOLERANCE
    of(x.astype(np.float32), y.astype(np.float32))
    assert subtracted


def test_a_first_row_far_out_does_no_harm(small_blocks):
    x, y = sample(5000, 4, np.random.default_rng(1))
    x[0], y[0] = 1e10, -1e10
    assert worst(of(x, y), x, y) < TOLERANCE
    assert worst(accumulate(in_batches(x, y, [1, 2])), x, y) < TOLERANCE


def test_many_rows_far_from_the_first_do_no_harm(monkeypatch):
    """A single mean for a whole batch, that of its first block, would lose three digits here."""
    limit(monkeypatch, in_cache=1)
    limit(monkeypatch, fewest_rows=1)
    x, y = np.random.default_rng(1).normal(size=(2, 20_000, 1))
    x[0], y[0] = 1e10 / 3, -1e10 / 7
    assert worst(of(x, y), x, y) < TOLERANCE


def test_products_of_raw_rows_would_fail_the_same_test():
    x, y = sample(5000, 6, np.random.default_rng(0), mean=1e8)

    class Raw:
        def covariances(self):
            means = x.mean(axis=0), y.mean(axis=0)
            return tuple(
                a.T @ x / len(x) - np.outer(m, means[0]) for a, m in zip((x, y), means, strict=True)
            )

    assert worst(Raw(), x, y) > 1.0


@pytest.mark.long
def test_thousands_of_single_rows_at_a_large_mean_lose_nothing():
    """Means kept as plain numbers would wander by their own rounding."""
    x, y = sample(5_000, 2, np.random.default_rng(3), mean=1e8)
    total = accumulate((x[i : i + 1], y[i : i + 1]) for i in range(len(x)))
    assert worst(total, x, y) < TOLERANCE


@pytest.mark.long
@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 60),
    st.integers(1, 5),
    st.sampled_from([0.0, 1e8]),
    st.data(),
)
def test_any_division_merged_in_any_order_gives_the_same(seed, n, d, mean, data):
    x, y = sample(n, d, np.random.default_rng(seed), mean)
    cuts = data.draw(st.lists(st.integers(0, n), max_size=6))
    parts = data.draw(st.permutations([of(*part) for part in in_batches(x, y, cuts)]))
    merged = reduce(CovarianceAccumulator.merge, parts, CovarianceAccumulator())
    xx, yx, yy = reference(x, y)
    s, r = np.sqrt(np.diag(xx)), np.sqrt(np.diag(yy))
    assert merged.n == n
    for one in (merged, of(x, y)):
        got_xx, got_yx = one.covariances()
        assert (np.abs(got_xx - xx) <= TOLERANCE * np.outer(s, s)).all()
        assert (np.abs(got_yx - yx) <= TOLERANCE * np.outer(r, s)).all()
        assert np.abs(one.mean_x - x.mean(axis=0)).max() <= 1e-14 * np.abs(x).max()
        assert np.abs(one.mean_y - y.mean(axis=0)).max() <= 1e-14 * np.abs(y).max()


def test_covariances_by_hand():
    sigma_xx, sigma_yx = of([[0.0, 1.0], [2.0, 1.0]], [[4.0, 0.0], [0.0, 8.0]]).covariances()
    assert sigma_xx.tolist() == [[1.0, 0.0], [0.0, 0.0]]
    assert sigma_yx.tolist() == [[-2.0, 0.0], [4.0, 0.0]]


@pytest.mark.parametrize("dtype", ["f2", "f4", "u1", "i2", "i8", ">f8", "f16"])
def test_rows_of_any_type_are_added_up_in_double_precision(dtype):
    rng = np.random.default_rng(4)
    x, y = (rng.integers(0, 100, size=(3000, 3)).astype(dtype) for _ in range(2))
    rows = [[Fraction(int(v)) for v in row] for row in x]
    means = [sum(column) / len(x) for column in zip(*rows, strict=True)]
    exact = sum((row[0] - means[0]) * (row[1] - means[1]) for row in rows) / len(x)
    got = of(x, y).covariances()[0]
    assert got[0, 1] == pytest.approx(float(exact), rel=TOLERANCE, abs=1e-9)
    assert got.dtype == np.float64


def test_the_layout_of_the_rows_makes_no_difference():
    x, y = sample(500, 4, np.random.default_rng(5))
    wanted = of(x, y).covariances()
    wide = np.zeros((500, 9))
    wide[:, 1::2] = x
    for context in (np.asfortranarray(x), wide[:, 1::2], x[::-1][::-1], x.tolist()):
        np.testing.assert_allclose(of(context, y).covariances(), wanted, rtol=0, atol=1e-6)
        assert worst(of(context, y), x, y) < TOLERANCE


def test_sigma_xx_is_symmetric_to_the_last_bit():
    x, y = sample(500, 50, np.random.default_rng(6), mean=1e8)
    sigma_xx = accumulate(in_batches(x, y, [100, 300])).covariances()[0]
    assert (sigma_xx == sigma_xx.T).all()


@pytest.mark.parametrize("value", [0.1, -1e300 / 1e200, 1e8 / 3, 0.0])
def test_features_that_never_vary_are_known_and_have_no_variance_at_all(small_blocks, value):
    x, y = sample(300, 4, np.random.default_rng(7), mean=1e3)
    x[:, 2] = y[:, 0] = value
    parts = [of(*part) for part in in_batches(x, y, [1, 2, 50, 120])]
    for total in (of(x, y), reduce(CovarianceAccumulator.merge, parts[::-1])):
        sigma_xx, sigma_yx = total.covariances()
        assert total.constant == (2,)
        assert total.constant_y == (0,)
        assert not sigma_xx[2].any()
        assert not sigma_xx[:, 2].any()
        assert not sigma_yx[:, 2].any()
        assert not sigma_yx[0].any()
        assert total.mean_x[2] == total.mean_y[0] == value


@pytest.mark.parametrize("row", [0, 1, 2, 149, 298, 299])
def test_one_row_that_differs_in_the_last_bit_ends_constancy(small_blocks, row):
    x, y = sample(300, 3, np.random.default_rng(8))
    x[:, 1] = 0.1
    x[row, 1] = np.nextafter(0.1, 1.0)
    assert of(x, y).constant == ()
    assert accumulate(in_batches(x, y, [1, 2, 50, 149, 299])).constant == ()


def test_parts_constant_at_different_values_vary_together():
    x = np.array([[1.0, 5.0], [1.0, 6.0]])
    total = of(x, x).merge(of(x + np.array([2.0, 0.0]), x))
    assert total.constant == ()
    assert total.covariances()[0][0, 0] == 1.0


@pytest.mark.parametrize("dtype", [np.float32, np.longdouble])
def test_a_constant_of_another_precision_has_no_variance_either(dtype):
    x = np.full((4000, 2), dtype(1) / 10)
    x[:, 1] = np.arange(4000)
    assert of(x, x).covariances()[0][0].tolist() == [0.0, 0.0]


BAD = {
    "nan": ("x", 3, np.nan),
    "inf": ("y", 3, np.inf),
    "-inf": ("x", 0, -np.inf),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("scale", [1.0, 0.0])
def test_rows_that_are_not_finite_are_refused_by_number(case, scale):
    name, row, value = BAD[case]
    rng = np.random.default_rng(9)
    x, y = scale * rng.normal(size=(2, 10, 2))
    total = of(rng.normal(size=(1000, 2)), rng.normal(size=(1000, 2)))
    before = state(total)
    {"x": x, "y": y}[name][row, 1] = value
    with pytest.raises(ValueError, match=f"^{name} must hold finite numbers: got") as caught:
        total.update(x, y)
    assert f"1 row, {row} of this batch, {1000 + row} of all so far" in str(caught.value)
    assert "column 1" in str(caught.value)
    assert state(total) == before


def test_of_many_bad_rows_the_first_few_and_their_number_are_said():
    x = np.zeros((50, 2))
    y = np.where(np.arange(50)[:, None] % 5 == 2, np.nan, 1.0) * np.ones(2)
    total = CovarianceAccumulator(names=["left", "right"])
    message = r"column 0 \(left\); 10 rows, 2, 7, 12, 17, 22, ... of this batch"
    with pytest.raises(ValueError, match=message):
        total.update(x, y)
    assert total.n == 0


REFUSED = {
    "fewer targets": (np.ones((4, 2)), np.ones((3, 2)), ValueError, "x and y must have the same"),
    "wider targets": (np.ones((4, 2)), np.ones((4, 3)), ValueError, "x and y must have the same"),
    "another width": (np.ones((4, 3)), np.ones((4, 3)), ValueError, "must have 2 features, as"),
    "flat": (np.ones(4), np.ones(4), ValueError, "x must hold samples in rows"),
    "no features": (np.ones((4, 0)), np.ones((4, 0)), ValueError, "x must hold samples in rows"),
    "complex": (np.ones((4, 2)) * 1j, np.ones((4, 2)), TypeError, "x must hold real numbers"),
    "text": (np.ones((4, 2)), np.full((4, 2), "a"), TypeError, "got an array of dtype <U1, shape"),
    "truth": (np.ones((4, 2), bool), np.ones((4, 2)), TypeError, "x must hold real numbers"),
    "nothing": (None, np.ones((4, 2)), TypeError, "x must hold real numbers: got None"),
    "too large": (np.eye(2) * 1e200, np.eye(2), ValueError, "squares do not overflow: got 1e.200"),
    "too large y": (np.eye(2), np.eye(2) * -1.5e308, ValueError, "squares do not overflow: got"),
    "masked": (np.ma.masked_equal([[1, 2]], 2), [[1, 2]], ValueError, "x must have no masked"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_batch_leaves_everything_as_it_was(case):
    x, y, kind, message = REFUSED[case]
    if case == "too large y":
        x, y = np.array([[1.0, 0], [-1, 0]]) * 1e10, y
    total = of(*sample(20, 2, np.random.default_rng(10)))
    before = state(total)
    with pytest.raises(kind, match=message):
        total.update(x, y)
    assert state(total) == before


def test_a_batch_of_another_width_than_the_names_is_refused():
    with pytest.raises(ValueError, match="must have 3 features, one per name: got 2"):
        CovarianceAccumulator(names="abc").update(np.eye(2), np.eye(2))


def test_no_rows_change_nothing():
    total = CovarianceAccumulator()
    total.update(np.empty((0, 2)), np.empty((0, 2)))
    assert (total.n, total.d, total.constant) == (0, None, ())
    total = of(np.eye(2), np.eye(2))
    before = state(total)
    total.update(np.empty((0, 2)), np.empty((0, 2)))
    assert state(total) == before


@pytest.mark.parametrize("rows", [0, 1])
def test_fewer_than_two_pairs_have_no_covariances(rows):
    total = of(np.ones((rows, 2)), np.ones((rows, 2)))
    with pytest.raises(ValueError, match=f"must hold at least 2 pairs .*: got {rows}"):
        total.covariances()
    with pytest.raises(ValueError, match=r"must hold at least 1 pair .*: got 0"):
        _ = CovarianceAccumulator().mean_x


def test_an_interrupt_in_the_middle_leaves_no_half_of_a_batch(monkeypatch):
    total = of(*sample(20, 2, np.random.default_rng(11)))
    before = state(total)
    real = _pair_moments.np.matmul
    calls = []

    def interrupted(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(_pair_moments.np, "matmul", interrupted)
    with pytest.raises(KeyboardInterrupt):
        total.update(np.eye(2), np.eye(2))
    assert len(calls) == 2
    assert state(total) == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_what_came_before_a_failure_is_kept(error):
    x, y = sample(40, 2, np.random.default_rng(12))

    def failing():
        yield x[:15], y[:15]
        yield x[15:30], y[15:30]
        raise error

    total = CovarianceAccumulator()
    with pytest.raises(error) as caught:
        accumulate(failing(), into=total)
    assert caught.value.__notes__ == [
        "30 samples are in the accumulator, all from complete batches."
    ]
    assert accumulate([(x[30:], y[30:])], into=total) is total
    assert worst(total, x, y) < TOLERANCE


def test_merging_leaves_the_other_as_it_is_and_takes_empty_ones():
    x, y = sample(30, 2, np.random.default_rng(13))
    one, other, empty = of(x[:10], y[:10]), of(x[10:], y[10:]), CovarianceAccumulator()
    before = state(other)
    assert one.merge(other) is one
    assert state(other) == before
    full = state(one)
    assert state(one.merge(empty)) == full
    assert worst(empty.merge(one), x, y) < TOLERANCE
    empty.update(x, y)
    assert one.n == 30


def test_an_accumulator_is_not_merged_with_itself():
    """Every pair would count twice, in silence."""
    total = of(*sample(30, 2, np.random.default_rng(14)))
    before = state(total)
    with pytest.raises(ValueError, match="other must hold other pairs than this one"):
        total.merge(total)
    assert state(total) == before
    total.merge(pickle.loads(before))
    assert total.n == 60


@pytest.mark.parametrize("rows", [2, 5])
def test_what_is_no_pairs_is_refused_with_what_is(rows):
    x, y = sample(rows, 3, np.random.default_rng(19))
    expected = r"^batches must be an iterable of pairs \(x, y\), as \[\(x, y\)\] .*: got "
    for slip, got in (
        ((x, y), rf"an array of dtype float64, shape \({rows}, 3\) in it"),
        ([(x,)], "a tuple of length 1 in it"),
        ([(x, y, x, x)], "a tuple of length 4 in it"),
        ([None], "None in it"),
    ):
        with pytest.raises(ValueError, match=expected + got):
            accumulate(slip)
    with pytest.raises(TypeError, match=expected + "3"):
        accumulate(3)
    for pairs in ([[x, y]], np.stack([[x, y], [y, x]]), iter([(x, y)])):
        assert accumulate(pairs).n in (rows, 2 * rows)


def test_an_error_of_the_iteration_is_not_taken_for_one_of_its_pairs():
    def broken():
        yield np.eye(2), np.eye(2)
        raise ValueError("not mine")

    with pytest.raises(ValueError, match="not mine"):
        accumulate(broken())


def test_contexts_whose_squares_underflow_are_not_said_to_be_zero():
    x, y = sample(30, 2, np.random.default_rng(20))
    with pytest.raises(ValueError, match="x must vary by numbers whose squares do not underflow"):
        of(1e-170 * x, y).spectrum()


def test_features_that_never_vary_are_named_in_the_modes():
    x, y = np.random.default_rng(21).normal(size=(2, 30, 2))
    x[:, 0], y[:, 1] = 0.1, 0.2
    total = CovarianceAccumulator(names=["left", "right"])
    total.update(x, y)
    found = total.spectrum()
    assert (found.constant, found.constant_y) == (("left",), ("right",))
    assert (of(x, y).spectrum().constant, of(x, y).spectrum().constant_y) == ((0,), (1,))


def test_what_is_no_accumulator_or_of_another_width_is_not_merged():
    total = of(np.eye(2), np.eye(2))
    with pytest.raises(TypeError, match="other must be a CovarianceAccumulator: got 3"):
        total.merge(3)
    with pytest.raises(ValueError, match="other must have 2 features, as this one: got 3"):
        total.merge(of(np.eye(3), np.eye(3)))
    with pytest.raises(TypeError, match="into must be a CovarianceAccumulator or None: got 3"):
        accumulate([], into=3)
    for wrong in (total.merge, lambda it: accumulate([], into=it)):
        with pytest.raises(TypeError, match=r"got an array of dtype float64, shape \(900, 2\)$"):
            wrong(np.ones((900, 2)))


def test_a_pickle_goes_on_where_it_was():
    x, y = sample(30, 2, np.random.default_rng(15))
    total = pickle.loads(state(of(x[:10], y[:10])))
    total.update(x[10:], y[10:])
    assert worst(total, x, y) < TOLERANCE


def test_memory_does_not_grow_with_the_number_of_rows():
    import tracemalloc

    rng = np.random.default_rng(16)
    x = rng.normal(size=(200_000, 8))
    CovarianceAccumulator().update(x[:1000], x[:1000])
    tracemalloc.start()
    CovarianceAccumulator().update(x, x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < x.nbytes / 4


def test_the_modes_are_those_of_the_samples():
    rng = np.random.default_rng(17)
    x = rng.normal(5.0, [3.0, 2.0, 1.0], size=(2000, 3))
    y = x * [0.2, 0.5, 0.9] + rng.normal(size=x.shape)
    wanted = Spectrum.from_samples(x, y)
    found = accumulate(in_batches(x, y, [500, 700])).spectrum()
    for name in ("lam", "variance", "basis", "coupling"):
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), atol=1e-10)


def test_modes_of_contexts_that_never_vary_are_refused():
    with pytest.raises(ValueError, match="x must vary from sample to sample: got the same"):
        of(np.ones((5, 2)), np.eye(5)[:, :2]).spectrum()


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_seen_on_a_terminal_and_changes_nothing(known, terminal, capsys, monkeypatch):
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
    x, y = sample(30, 2, np.random.default_rng(18))

    class Source:
        names = ("a", "b")
        n = 30 if known else None

        def __iter__(self):
            return in_batches(x, y, [10, 20])

    total = accumulate(Source(), progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert ("30 pairs" in err) == terminal
    assert bool(err) == terminal
    assert total.names == ("a", "b")
    assert state(total) == state(accumulate(Source()))


def test_no_warning_escapes_from_a_refusal():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="finite"):
            of(np.array([[np.inf, 1.0], [-np.inf, 1.0]]), np.eye(2))

"""Tables go by their labels: whatever their order, they give the modes of ordered arrays."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import dlnflow
from dlnflow import CovarianceAccumulator, Spectrum, network
from dlnflow.data import FileError, accumulate, pairs_from

NAMES = ["height", "weight", "age"]


@pytest.fixture
def xy():
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.normal(size=(400, 3)) * [3.0, 2.0, 1.0], columns=NAMES)
    x.index = [f"s{row}" for row in range(400)]
    return x, x * [0.2, 0.5, 0.9] + 0.1 * rng.normal(size=x.shape)


def reordered(table):
    return table[["age", "height", "weight"]].sample(frac=1.0, random_state=1)


def same(one, other):
    return np.allclose(one.lam, other.lam, rtol=1e-12) and np.allclose(one.rho, other.rho)


def test_columns_and_rows_in_another_order_give_the_same_modes(xy):
    x, y = xy
    wanted = Spectrum.from_samples(x.to_numpy(), y.to_numpy(), errors="asymptotic")
    found = Spectrum.from_samples(x, reordered(y), errors="asymptotic")
    assert same(found, wanted)
    assert np.allclose(found.errors.rho, wanted.errors.rho)
    assert found.names == tuple(NAMES)
    assert wanted.names is None
    assert same(found.with_errors([(x, reordered(y))]), wanted)
    # the control: by position both orders matter
    assert not same(Spectrum.from_samples(x.to_numpy(), reordered(y).to_numpy()), wanted)
    assert not same(Spectrum.from_samples(x, y[["age", "height", "weight"]].to_numpy()), wanted)


def test_batches_in_other_orders_give_the_covariances_of_one(xy):
    x, y = xy
    wanted = CovarianceAccumulator()
    wanted.update(x.to_numpy(), y.to_numpy())
    for names in (None, NAMES):
        found = CovarianceAccumulator(names=names)
        found.update(x[:100], y[:100])
        found.update(reordered(x[100:]), reordered(y[100:]))
        assert found.names == tuple(NAMES)
        assert np.allclose(found.covariances(), wanted.covariances(), rtol=1e-12)
    assert np.allclose(found.spectrum().rho, Spectrum.from_samples(x, y).rho)
    other = CovarianceAccumulator(names=NAMES[::-1])
    other.update(x, y)
    assert np.allclose(other.covariances()[0], wanted.covariances()[0][::-1, ::-1])
    with pytest.raises(ValueError, match=r"other must have the features .* in the same order"):
        found.merge(other)
    with pytest.raises(ValueError, match=r"x must have the features of names.* with 'length'"):
        found.update(x.rename(columns={"age": "length"}), y)
    assert found.n == 400


def test_a_merged_accumulator_keeps_the_names(xy):
    one, other = CovarianceAccumulator(), CovarianceAccumulator()
    other.update(*xy)
    assert one.merge(other).spectrum().names == tuple(NAMES)


def test_covariances_with_labels_are_aligned(xy):
    x, y = xy
    xx = x.cov(ddof=0)
    both = pd.concat([y.add_suffix("_y"), x], axis=1).cov(ddof=0)
    yx = both.loc[[f"{name}_y" for name in NAMES], NAMES].set_axis(NAMES, axis=0)
    wanted = Spectrum.from_covariances(xx, yx)
    turned = yx.loc[["weight", "age", "height"], ["age", "weight", "height"]]
    found = Spectrum.from_covariances(xx, turned)
    assert same(found, wanted)
    assert same(found, Spectrum.from_samples(x, y))
    assert found.names == tuple(NAMES)
    assert not same(Spectrum.from_covariances(xx, turned.to_numpy()), wanted)
    start = network.balanced(xx, yx, L=1, eps=0.1)
    runs = [network.gradient_flow(start, xx, one, objective="mae") for one in (yx, turned)]
    assert np.allclose(*(network.compare(run).measured[:, -1] for run in runs))
    with pytest.raises(ValueError, match=r"rows of sigma_yx must have the features of sigma_xx"):
        Spectrum.from_covariances(xx, yx.rename(index={"age": "length"}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda y: y.rename(columns={"age": "length"}),
            "features of x, in any order: got a table with 'length' and without 'age'; pass arrays",
        ),
        (lambda y: y[["height", "age"]], "got a table without 'weight'"),
        (lambda y: y.rename(index={"s3": "t3"}), r"row labels \(index\) of x.* without 's3'"),
        (lambda y: y.iloc[:-1], r"without 's399'"),
        (lambda y: y.set_axis(["s0", *y.index[:-1]]), "occur twice"),
        (lambda y: y.set_axis(["age", "age", "weight"], axis=1), "without 'height'"),
        (lambda y: y.set_axis(range(1, 401)).set_axis(NAMES, axis=1), None),
    ],
)
def test_other_labels_are_refused_by_name(xy, change, message):
    x, y = xy
    if message is None:
        x, message = x.set_axis(range(400)), "without '0'"
    with pytest.raises(ValueError, match=rf"^y must have the .*{message}"):
        Spectrum.from_samples(x, change(y))
    with pytest.raises(ValueError, match=message):
        CovarianceAccumulator().update(x, change(y))


def test_numbered_columns_are_partners_by_their_number(xy):
    x, y = xy
    wanted = Spectrum.from_samples(x.to_numpy(), y.to_numpy())
    x, y = x.set_axis(["x1", "x2", "x3"], axis=1), y.set_axis(["y_1", "y_2", "y_3"], axis=1)
    assert same(Spectrum.from_samples(x, y[["y_3", "y_1", "y_2"]]), wanted)
    with pytest.raises(ValueError, match=r"with .*'y_4' and without"):
        Spectrum.from_samples(x, y.rename(columns={"y_3": "y_4"}))


def test_bare_numbers_are_no_labels_beside_names(xy):
    x, y = xy
    wanted = Spectrum.from_samples(x, y)
    bare = pd.DataFrame(y.to_numpy())
    assert same(Spectrum.from_samples(x, bare), wanted)
    assert Spectrum.from_samples(pd.DataFrame(x.to_numpy()), bare).names is None
    # but numbers in another order are labels
    assert same(Spectrum.from_samples(pd.DataFrame(x.to_numpy()), bare[[2, 0, 1]]), wanted)


def test_features_are_named_in_tables_text_cautions_and_errors(xy):
    x, y = xy
    spectrum = Spectrum.from_samples(x.assign(weight=1.0), y)
    assert spectrum.constant == ("weight",)
    assert "constant features of x, dropped: 1 (weight)" in repr(spectrum)
    spectrum = Spectrum.from_samples(x, y)
    first = max(zip(np.abs(spectrum.basis[:, 0]), NAMES, strict=True))[1]
    assert spectrum.labels[0].split()[1] == first
    assert spectrum.labels[2] == "1 age"
    for table in (
        spectrum.to_dataframe(),
        spectrum.critical_time_table(2, objective="mae"),
        spectrum.predict(1, objective="mae")["mae"].to_dataframe(),
    ):
        assert dict(zip(table["mode"], table["features"], strict=True)) == dict(
            enumerate(spectrum.labels)
        )
    made = spectrum.simulate([[1], [2]])
    assert made["mae"].labels == spectrum.labels * 2
    assert set(made.to_dataframe()["features"]) == set(spectrum.labels)
    assert spectrum.labels[0] in repr(spectrum)
    assert spectrum.labels[0] in spectrum._repr_html_()
    assert spectrum.labels[0] in repr(spectrum.predict(1, objective="mae"))
    assert spectrum.leading(2).labels == spectrum.labels[:2]
    bad = x.copy()
    bad.loc["s3", "age"] = np.inf
    with pytest.raises(ValueError, match=r"got 1 that are not, the first inf at .*2 \(age\)"):
        Spectrum.from_samples(bad, y)
    with pytest.raises(ValueError, match=r"got inf in column 2 \(age\)"):
        CovarianceAccumulator().update(bad, y)
    # the control: without names there are none
    plain = Spectrum.from_samples(x.to_numpy(), y.to_numpy())
    assert plain.labels is None
    assert "features" not in plain.to_dataframe()
    assert Spectrum.from_samples(x.to_numpy(), y.to_numpy(), names=NAMES).labels == spectrum.labels


def test_a_label_lists_the_largest_weights_with_their_signs():
    from dlnflow.data._record import _label

    names = ("a", "b", "c", "d")
    assert _label(np.array([0.6, -0.8, 0.0, 0.0]), names) == "-0.8 b + 0.6 a"
    assert _label(np.array([0.0, 0.0, 1.0, 0.0]), names) == "1 c"
    assert _label(np.full(4, 0.5), names) == "0.5 a + 0.5 b + 0.5 c + ..."


def test_figures_name_the_features(xy):
    spectrum = Spectrum.from_samples(*xy)
    axes = dlnflow.plot.trajectories(spectrum.simulate(2, objective="mae"))
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert f"0: {spectrum.labels[0]}" in legend
    axes = spectrum.predict(1, objective="mae").plot()
    assert set(spectrum.labels) <= {text.get_text() for text in axes.texts}
    plt.close("all")


@pytest.mark.parametrize("names", ["abc", ["a", "b"], list("abcd")])
def test_names_must_be_one_for_each_feature(xy, names):
    x, y = (table.to_numpy() for table in xy)
    with pytest.raises(ValueError, match=r"^names must be 3 names, one per feature: got"):
        Spectrum.from_samples(x, y, names=names)


def test_a_repeated_name_needs_one_order(xy):
    x, y = (table.set_axis(["a", "a", "b"], axis=1) for table in xy)
    assert Spectrum.from_samples(x, y).names == ("a", "a", "b")
    with pytest.raises(ValueError, match=r"y must have the features of x"):
        Spectrum.from_samples(x, y.iloc[:, [2, 0, 1]])


def test_a_comparison_with_a_network_names_the_features(xy):
    covariances = (x := xy[0].cov()), 0.5 * x
    start = network.balanced(*covariances, L=1, eps=0.1)
    made = network.compare(network.gradient_flow(start, *covariances, objective="mae"))
    assert tuple(made.to_dataframe()["features"]) == made.spectrum.labels
    legend = {text.get_text() for text in made.plot().get_legend().get_texts()}
    assert {f"{mode}: {label}" for mode, label in enumerate(made.spectrum.labels)} <= legend
    plt.close("all")
    plain = [matrix.to_numpy() for matrix in covariances]
    made = network.compare(network.gradient_flow(start, *plain, objective="mae"))
    assert "features" not in made.to_dataframe()


def test_two_csv_files_go_by_their_headers(xy, tmp_path):
    x, y = xy
    paths = [tmp_path / name for name in ("x.csv", "y.csv")]
    x.to_csv(paths[0], index=False)
    reordered(y).loc[y.index].to_csv(paths[1], index=False)
    pairs = pairs_from(*paths, batch=70)
    assert pairs.names == tuple(NAMES)
    found = accumulate(pairs).spectrum()
    assert found.names == tuple(NAMES)
    assert same(found, Spectrum.from_samples(x, y))
    y.rename(columns={"age": "length"}).to_csv(paths[1], index=False)
    with pytest.raises(FileError, match=r"y\.csv: must have the features of .*x\.csv.* 'length'"):
        pairs_from(*paths)


def test_series_of_other_labels_are_refused_by_name():
    lam = pd.Series([1.0, 1.3], index=["a", "b"])
    rho = pd.Series([0.9, 0.4], index=["a", "b"])
    turned = rho[["b", "a"]]
    time = pd.Series([10.0, 20.0], index=["u", "v"])
    message = r"^{} must have the labels of {} in the same order: got \['b', 'a'\] beside"
    for function, one, other in (
        (lambda rho: dlnflow.amplitude(10.0, lam, rho, 2), "rho", "lam"),
        (lambda rho: dlnflow.learned_fraction(10.0, lam, rho, 2), "rho", "lam"),
        (lambda rho: dlnflow.critical_time(lam, rho, 2), "rho", "lam"),
        (lambda rho: dlnflow.critical_time_table(lam, rho, 2), "rho", "lam"),
        (lambda rho: dlnflow.simulate(lam, rho, 2), "rho", "lam"),
        (lambda rho: dlnflow.hitting_time(0.5 * rho**2, lam, [0.9, 0.4], 2), "w", "lam"),
        (lambda eps: dlnflow.critical_time(lam, [0.9, 0.4], 2, eps=0.01 * eps), "eps", "lam"),
    ):
        function(rho)
        with pytest.raises(ValueError, match=message.format(one, other)):
            function(turned)
    with pytest.raises(ValueError, match=r"^t must have the labels of lam"):
        dlnflow.amplitude(time, lam, rho, 2)
    assert np.shape(dlnflow.amplitude(time, 1.0, 0.5, 2)) == (2,)


def test_names_that_come_after_rows_without_names_are_refused(xy):
    x, y = (pd.DataFrame(np.asarray(one)) for one in xy)
    names = [f"f{i}" for i in range(x.shape[1])]
    named = x.set_axis(names, axis=1), y.set_axis(names, axis=1)
    bare = CovarianceAccumulator()
    bare.update(x.to_numpy(), y.to_numpy())
    with pytest.raises(ValueError, match="must be arrays, as the batches before"):
        bare.update(*named)
    told = CovarianceAccumulator()
    told.update(*named)
    with pytest.raises(ValueError, match="other must have the features of this one"):
        bare.merge(told)
    told.update(x.to_numpy(), y.to_numpy())
    assert told.names == tuple(names)

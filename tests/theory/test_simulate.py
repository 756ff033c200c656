"""``simulate``: what comes back, in which shapes, and that nobody can change it."""

import dataclasses
import re
import sys
from collections.abc import Mapping

import numpy as np
import pytest

import dlnflow

LAM, RHO = np.array([1.0, 1.3, 0.8]), np.array([0.9, 0.4, 0.7])


@pytest.fixture(scope="module")
def sim():
    return dlnflow.simulate(LAM, RHO, 3)


@pytest.mark.long
@pytest.mark.parametrize(
    ("arguments", "shape"),
    [
        ({"lam": 1.0, "rho": 0.5, "L": 2}, ()),
        ({"lam": [1.0], "rho": 0.5, "L": 2}, (1,)),
        ({"lam": LAM, "rho": RHO, "L": 2}, (3,)),
        ({"lam": LAM[:, None], "rho": [0.4, 0.9], "L": 2}, (3, 2)),
        ({"lam": 1.0, "rho": 0.5, "L": [1, 2, 4]}, (3,)),
        ({"lam": 1.0, "rho": 0.5, "L": 2, "eps": [[1e-2], [1e-3]]}, (2, 1)),
        ({"lam": LAM, "rho": RHO, "L": [[1], [3]], "eps": [1e-2, 1e-3, 1e-4]}, (2, 3)),
        ({"lam": 1.0, "rho": 0.5, "L": 2, "decoder_depth": [1, 2]}, (2,)),
        ({"lam": 0.0, "rho": 0.0, "L": 2, "variance": [1.0, 2.0]}, (2,)),
    ],
)
@pytest.mark.parametrize(
    ("t", "method"), [(None, "exact"), ([0.0, 1.0, 40.0], "exact"), ([0.0, 1.0, 40.0], "ode")]
)
def test_results_are_modes_by_times(arguments, shape, t, method):
    for part in dlnflow.simulate(**arguments, t=t, method=method).values():
        assert part.t.ndim == 1
        assert part.w.shape == part.learned.shape == (*shape, part.t.size)
        assert part.plateau.shape == np.shape(part.critical_time()) == shape
        for name in ("lam", "rho", "L", "eps", "decoder_depth"):
            assert getattr(part, name).shape == shape
        assert part.learning_order().shape == (int(np.prod(shape)),)


def test_trajectories_hold_what_the_functions_of_modes_say():
    settings = {"eps": [[1e-2], [1e-3]], "decoder_depth": 2}
    sim = dlnflow.simulate(LAM, RHO, 3, **settings)
    for name, part in sim.items():
        more = {**settings, "objective": name}
        apart = more | {"eps": np.array(settings["eps"])[..., None]}
        columns = LAM[:, None], RHO[:, None], 3
        assert np.array_equal(part.w, dlnflow.amplitude(part.t, *columns, **apart))
        assert np.array_equal(part.learned, dlnflow.learned_fraction(part.t, *columns, **apart))
        expected = dlnflow.plateau(RHO, 3, objective=name, decoder_depth=2)
        assert np.array_equal(part.plateau, np.broadcast_to(expected, (2, 3)))
        for p in (0.5, 0.9):
            assert np.array_equal(
                part.critical_time(p), dlnflow.critical_time(LAM, RHO, 3, p=p, **more)
            )


@pytest.mark.parametrize("method", ["exact", "ode"])
@pytest.mark.parametrize("objective", ["jepa", "mae", "layer-1"])
def test_learned_is_the_power_of_the_amplitude(method, objective):
    modes = [1.0, 1.3, -1.0], [0.9, 0.01, -0.5]
    t = np.linspace(0, 30, 7)
    part = dlnflow.simulate(
        *modes, 3, eps=0.3, decoder_depth=2, objective=objective, t=t, method=method
    )[objective]
    k = part.objective.gap(3, 2)
    assert part.learned == pytest.approx(part.w ** (k / 3) / np.array(modes[1])[:, None], rel=1e-11)
    assert k != 3 or objective == "layer-1" or objective == "jepa"


@pytest.mark.long
@pytest.mark.parametrize(
    "arguments",
    [
        {"lam": LAM, "rho": RHO, "L": 1, "eps": 0.01},
        {"lam": LAM, "rho": RHO, "L": 4},
        {"lam": LAM[:, None], "rho": [0.4, 0.9], "L": 2, "eps": 0.05, "decoder_depth": 2},
        {"lam": 1.0, "rho": 0.8, "L": [1, 2], "clock": "network", "objective": "layer-1"},
        {
            "lam": [1.0, -1.0, 0.0],
            "rho": [0.02, -0.5, 0.0],
            "variance": [50, 2, 1],
            "L": 2,
            "eps": 0.2,
        },
    ],
    ids=["shallow", "deep", "decoder", "network clock", "all branches"],
)
def test_closed_form_and_integration_agree(arguments):
    exact, ode = (dlnflow.simulate(**arguments, method=m) for m in ("exact", "ode"))
    for name, part in exact.items():
        assert ode[name].method == "ode"
        assert np.array_equal(ode[name].t, part.t)
        assert ode[name].w == pytest.approx(part.w, rel=1e-8, abs=0)
        assert not np.array_equal(ode[name].w, part.w), "two computations, not one"
        noise = part.rho == 0.0
        assert np.isinf(ode[name].learned[noise]).all()
        assert ode[name].learned[~noise] == pytest.approx(part.learned[~noise], rel=1e-7)


def test_modes_that_are_learned_very_far_apart_can_be_integrated():
    """The fast mode rests on its plateau nearly all the time, at no cost."""
    modes = {"lam": [1.0, 1e-5], "rho": 1.0, "L": 2, "objective": "mae"}
    exact, ode = (dlnflow.simulate(**modes, method=m)["mae"] for m in ("exact", "ode"))
    assert ode.w == pytest.approx(exact.w, rel=1e-8)


def test_integration_starts_at_time_zero_alone():
    for method in ("exact", "ode"):
        part = dlnflow.simulate(LAM, RHO, 2, t=[0.0], method=method)["jepa"]
        assert part.w.tolist() == [[1e-3]] * 3


def test_the_first_learned_comes_first_and_the_never_learned_last():
    sim = dlnflow.simulate(
        [-1.0, 1.0, 0.0, 1.3, 1.0],
        [-0.5, 0.9, 0.0, 0.4, 0.9],
        4,
        variance=[2.0, 1 / 0.9, 1.0, 1.3 / 0.4, 1 / 0.9],
    )
    assert sim["jepa"].learning_order().tolist() == [1, 4, 3, 0, 2]
    assert sim["mae"].learning_order().tolist() == [3, 1, 4, 0, 2]
    late, early = (
        dlnflow.simulate([1.2, 1.0], [0.5, 1.0], 2, eps=0.1, objective="jepa")["jepa"]
        .critical_time([[0.5], [0.999]])
        .argsort(axis=1)
    )
    assert late.tolist() != early.tolist()


def test_arrays_are_read_only(sim):
    for part in sim.values():
        arrays = {"w": part.w, "learned": part.learned, "plateau": part.plateau, "t": part.t}
        arrays |= {name: getattr(part, name) for name in ("lam", "rho", "L", "eps")}
        for name, array in arrays.items():
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0
            assert getattr(part, name).any()


@pytest.mark.parametrize("name", ["t", "w", "learned", "plateau", "lam", "method"])
def test_attributes_are_frozen(sim, name):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(sim["jepa"], name, None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        sim.parts = ()


@pytest.mark.parametrize("method", ["exact", "ode"])
def test_the_callers_arrays_are_neither_shared_nor_frozen(method):
    mine = {"lam": LAM.copy(), "rho": RHO.copy(), "L": np.array([1, 2, 3])}
    mine |= {"eps": np.full(3, 1e-2), "t": np.array([0.0, 1.0, 10.0])}
    mine |= {"variance": LAM / RHO, "decoder_depth": np.array([1, 2, 1])}
    part = dlnflow.simulate(**mine, method=method)["jepa"]
    before = part.w.copy()
    for name, array in mine.items():
        assert array.flags.writeable
        assert not np.shares_memory(array, getattr(part, name))
        array[...] = 7
    assert part.lam.tolist() == LAM.tolist()
    assert part.t.tolist() == [0.0, 1.0, 10.0]
    assert np.array_equal(part.w, before)
    assert np.all(part.learned[:, 0] < 1)


def test_simulations_are_mappings_from_name_to_trajectories(sim):
    assert isinstance(sim, Mapping)
    assert len(sim) == 2
    assert list(sim) == list(sim.keys()) == ["jepa", "mae"]
    assert [part.objective for part in sim.values()] == [dlnflow.JEPA, dlnflow.MAE]
    assert sim["jepa"] is sim[dlnflow.JEPA] is sim["JEPA"] is dict(sim)["jepa"]
    assert "mae" in sim
    assert dlnflow.MAE in sim
    assert "layer-1" not in sim
    assert sim.get("layer-1") is None
    assert list(dlnflow.simulate(1, 0.5, 3, objective=["layer-2", "mae"])) == ["layer-2", "mae"]
    assert list(dlnflow.simulate(1, 0.5, 3, objective=dlnflow.Objective(2))) == ["layer-2"]


def test_a_missing_objective_is_told_what_is_there(sim):
    with pytest.raises(KeyError, match=r"'layer-1' was not simulated; here are 'jepa', 'mae'"):
        sim["layer-1"]
    with pytest.raises(KeyError, match="'jepa' was not simulated; here are 'mae'"):
        dlnflow.simulate(1.0, 0.5, 1, objective="mae")[dlnflow.JEPA]


def test_dataframes_have_a_row_per_mode_and_time():
    sim = dlnflow.simulate(LAM[:, None], [0.4, 0.9], 2, eps=[1e-2, 1e-3], t=[0.0, 5.0, 100.0])
    part, frame = sim["mae"], sim["mae"].to_dataframe()
    assert frame.columns.tolist() == [
        "objective",
        "mode",
        "lam",
        "rho",
        "L",
        "eps",
        "t",
        "w",
        "w_over_plateau",
        "learned",
    ]
    assert len(frame) == 6 * 3
    assert set(frame["objective"]) == {"mae"}
    assert frame["mode"].tolist() == np.repeat(np.arange(6), 3).tolist()
    for row in frame.itertuples():
        i, j = divmod(row.mode, 2)
        time = int(np.flatnonzero(part.t == row.t)[0])
        assert (row.lam, row.rho) == (LAM[i], [0.4, 0.9][j])
        assert (row.L, row.eps) == (2, [1e-2, 1e-3][j])
        assert (row.w, row.learned) == (part.w[i, j, time], part.learned[i, j, time])
        assert row.w_over_plateau == row.w / dlnflow.plateau(row.rho, 2, objective="mae")


def test_the_amplitude_over_its_plateau_is_the_learned_fraction_to_the_power_of_l_over_k(sim):
    for part in sim.values():
        power = part.L / part.objective.gap(part.L)
        q = part.learned ** power[..., None]
        np.testing.assert_allclose(part.w_over_plateau, q, rtol=1e-12)
        at_half = dlnflow.simulate(
            *(part.lam, part.rho, part.L), objective=part.objective, t=[part.critical_time().max()]
        )
        assert at_half[part.objective].w_over_plateau.min() == pytest.approx(0.5, rel=1e-9)
    assert not np.allclose(sim["jepa"].w_over_plateau, sim["jepa"].learned)


def test_a_mode_that_is_not_learned_has_no_amplitude_over_its_plateau():
    mae = dlnflow.simulate([1.0, -1.0], [0.5, -0.5], 2, objective="mae")["mae"]
    assert np.isnan(mae.w_over_plateau).all(axis=1).tolist() == [False, True]


def test_tables_make_latex_that_compiles(sim):
    pytest.importorskip("jinja2")
    tables = [sim.to_dataframe(), sim["mae"].to_dataframe().head(3), sim.to_dataframe()[["w", "L"]]]
    tables += [dlnflow.critical_time_table(1.0, [1.0, 0.5], 3).round(2)]
    for table in tables:
        text = table.to_latex()
        assert not re.search(r"(?<!\\)[_%#&](?! )", text.replace("\\_", "")), text[:300]
    assert "w_over_plateau" in tables[0].to_latex(escape=False)
    assert r"w\_over\_plateau" in tables[0].to_latex()


def test_the_whole_frame_is_the_objectives_one_below_the_other(sim):
    frame = sim.to_dataframe()
    assert frame["objective"].unique().tolist() == ["jepa", "mae"]
    assert frame.index.tolist() == list(range(len(frame)))
    for name, part in sim.items():
        here = frame[frame["objective"] == name].reset_index(drop=True)
        assert here.equals(part.to_dataframe())


def test_frames_can_be_changed_without_changing_the_result(sim):
    before = sim["jepa"].w.copy()
    frame = sim.to_dataframe()
    frame["w"] = 0.0
    assert np.array_equal(sim["jepa"].w, before)


@pytest.mark.parametrize("t", [None, [0.0, 1.0, 10.0, 1e4]])
def test_datasets_are_objective_by_mode_by_time(t):
    pytest.importorskip("xarray")
    sim = dlnflow.simulate(LAM[:, None], [0.4, 0.9], 2, t=t)
    data = sim.to_xarray()
    assert dict(data.sizes) == {"objective": 2, "mode": 6, "time": sim["jepa"].t.size}
    assert set(data.data_vars) == {"w", "w_over_plateau", "learned"}
    assert data["t"].dims == ("objective", "time")
    assert data.attrs == {"clock": "paper", "method": "exact"}
    for name, part in sim.items():
        here = data.sel(objective=name)
        assert here["w"].dims == ("mode", "time")
        assert np.array_equal(here["w"], part.w.reshape(6, -1))
        assert np.array_equal(here["learned"], part.learned.reshape(6, -1))
        assert np.array_equal(here["w_over_plateau"], part.w_over_plateau.reshape(6, -1))
        assert np.array_equal(here["t"], part.t)
        assert np.array_equal(here["lam"], part.lam.ravel())
        assert np.array_equal(here["rho"], part.rho.ravel())
    same = np.array_equal(sim["jepa"].t, sim["mae"].t)
    assert same == (t is not None)


def test_a_single_mode_makes_a_dataset_too():
    pytest.importorskip("xarray")
    data = dlnflow.simulate(1.0, 0.5, 2, objective="mae", t=[0.0, 1.0]).to_xarray()
    assert dict(data.sizes) == {"objective": 1, "mode": 1, "time": 2}


def test_without_xarray_the_extra_is_named(sim, monkeypatch):
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ImportError, match=r"pip install 'dlnflow\[xarray\]'"):
        sim.to_xarray()


def test_plots_show_every_mode_of_every_objective(sim):
    import matplotlib.pyplot as plt

    panels = np.ravel(sim.plot())
    drawn = [line for axes in panels for line in axes.lines if np.size(line.get_ydata()) > 9]
    assert len(drawn) >= 6
    plt.close("all")


@pytest.mark.parametrize("eps", [1e-2, 1e-4, 1e-6, 1e-8])
@pytest.mark.parametrize("objective", ["jepa", "mae"])
def test_integrated_amplitudes_are_off_by_less_than_is_stated_and_not_by_much_less(objective, eps):
    ode = dlnflow.simulate(1.0, [0.5, 0.9], 3, eps=eps, objective=objective, method="ode")
    made = ode[objective]
    exact = dlnflow.amplitude(made.t, 1.0, [[0.5], [0.9]], 3, eps=eps, objective=objective)
    off = np.abs(made.w / exact - 1).max(axis=1)
    assert np.all(off < made.value_error)
    if made.value_error.max() > 1e-3:
        assert np.all(off > 1e-3 * made.value_error)
        assert f"w is right for times within a relative {1e-12:g} of t" in repr(made)
    else:
        assert "w is right for" not in repr(made)


def test_every_branch_has_a_bound_on_its_values():
    modes = {"lam": [1.0, 0.0, -1.0], "rho": [0.5, 0.0, -0.5], "variance": [2.0, 1.0, 2.0]}
    for made in dlnflow.simulate(L=[2, 3, 4], eps=[0.1, 0.2, 0.3], **modes).parts:
        assert np.all((made.value_error >= 1e-13) & (made.value_error < 1e-12))


def test_a_notebook_shows_every_objective_with_a_table_of_its_modes():
    html = dlnflow.simulate([1.0, 1.3], [0.9, 0.4], 3)._repr_html_()
    assert html.count("<table") == 2
    assert html.index("JEPA: 2 modes") < html.index("MAE: 2 modes")
    for column in ("lam", "rho", "plateau", "critical time"):
        assert html.count(f"<th>{column}</th>") == 2
    assert "<td>0.0640</td>" in html or "<td>0.064</td>" in html


def test_the_representation_says_what_was_done():
    sim = dlnflow.simulate([1.0, -1.0, 0.0], [0.5, -0.5, 0.0], 2, variance=[2, 2, 1])
    text = repr(sim)
    assert text.startswith("Simulation\n")
    for part in sim.values():
        assert repr(part) in text
        assert f"{part.objective!r}: 3 modes, 2 of them never learned, by method 'exact'" in text
        assert f"t: time, paper clock, {part.grid}" in text
    assert "never learned" not in repr(dlnflow.simulate(1.0, 0.5, 2))
    steps = dlnflow.simulate(1.0, 0.5, 2, t=[0, 1], clock=dlnflow.Training(0.1), method="ode")
    assert "by method 'ode'\n  t: training steps, 2 times from 0 to 1, as given" in repr(steps)


@pytest.mark.parametrize(
    ("clock", "longer"),
    [("network", 1 / 3), (dlnflow.Training(0.01), 100 / 3), (dlnflow.Training(0.1, "sum"), 5 / 3)],
)
@pytest.mark.parametrize("t", [None, [0.0, 10.0, 5e4]])
def test_a_clock_only_scales_time(clock, longer, t, sim):
    there = sim if t is None else dlnflow.simulate(LAM, RHO, 3, t=t)
    scaled = None if t is None else np.array(t) * longer
    here = dlnflow.simulate(LAM, RHO, 3, clock=clock, t=scaled)
    for name, part in here.items():
        assert part.t == pytest.approx(there[name].t * longer, rel=1e-10)
        assert part.w == pytest.approx(there[name].w, rel=1e-8)
        assert part.critical_time() == pytest.approx(
            there[name].critical_time() * longer, rel=1e-13
        )
        assert part.clock == clock


def test_the_order_is_known_where_no_time_is_a_float():
    sim = dlnflow.simulate(
        [1.0, 1.0, 1.0, -1.0], [0.5, 1.0, 0.8, -0.5], 40, eps=1e-200, t=[0.0, 1.0]
    )
    assert np.isinf(sim["jepa"].critical_time()).all()
    assert sim["jepa"].learning_order().tolist() == [1, 2, 0, 3]
    assert "1 of them never learned" in repr(sim["jepa"])
    tame = dlnflow.simulate([1.0, 1.0, 1.0], [0.5, 1.0, 0.8], 3)["jepa"]
    assert tame.learning_order().tolist() == np.argsort(tame.critical_time()).tolist()


def test_modes_are_validated_once_in_a_simulation(monkeypatch):
    from dlnflow._common import _validate

    calls, checked = [], _validate.modes
    monkeypatch.setattr(_validate, "modes", lambda *given: calls.append(given) or checked(*given))
    sim = dlnflow.simulate([1.0, 0.8], [0.9, 0.5], 3)
    sim["jepa"].learned, sim["jepa"].plateau, sim["mae"].critical_time(), repr(sim)
    assert len(calls) == 1
    dlnflow.amplitude(1.0, 1.0, 0.5, 3)
    assert len(calls) == 2


def test_times_that_differ_in_their_last_digits_are_told_apart():
    sim = dlnflow.simulate([1.0, 1.0 + 4e-15], 0.5, 3, eps=1e-10, t=[0.0, 1.0])["jepa"]
    assert np.diff(sim.critical_time()) < 0.0
    assert sim.learning_order().tolist() == [1, 0]

"""Claims: one rule gives the verdicts, their routes share no code, controls make claims false, and
what is printed is what was recorded."""

import ast
import json
import math
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dlnflow import claims
from dlnflow.studies.claims import _pages as pages
from dlnflow.studies.claims import _report, _run, _times, routes
from dlnflow.studies.claims._claim import Effort, Observation
from dlnflow.studies.claims._verdict import Verdict, refuted, verdict_of

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
STANDS = (Verdict.holds, Verdict.holds_when)
NAMES = tuple(claims.CLAIMS)
FAST = ("1", "3", "6", "7", "12c", "13b")  # `make claims` and `make test-slow` examine all
examined = pytest.mark.parametrize(
    "name", [pytest.param(one, marks=() if one in FAST else pytest.mark.slow) for one in NAMES]
)


@cache
def quick(name):
    return claims.run(name, quick=True)[name]


def seen(route, holds, *, inside=True, x=1.0, number=1.0, error=0.0):
    return Observation(route, "series", x, number, holds, inside, error)


def test_what_is_true_everywhere_holds():
    assert verdict_of((seen("quadrature", True), seen("mode ODE", True))).verdict is Verdict.holds


def test_what_is_true_inside_its_condition_and_nowhere_else_holds_when():
    both = [
        seen(route, holds, inside=holds, x=float(holds))
        for route in ("quadrature", "mode ODE")
        for holds in (True, False)
    ]
    assert verdict_of(tuple(both)).verdict is Verdict.holds_when


@pytest.mark.parametrize("holds", [True, False])
def test_one_case_that_contradicts_the_condition_refutes_the_claim(holds):
    most = [
        seen(route, one, inside=one, x=float(one))
        for route in ("quadrature", "mode ODE")
        for one in (True, False)
    ]
    wrong = seen("closed form", holds, inside=not holds, x=7.0)
    verdict, because = verdict_of((*most, wrong))
    assert verdict is Verdict.fails
    assert "7" in because
    assert "closed form" in because


def test_a_claim_that_is_true_outside_its_condition_holds_without_it():
    every = [
        seen(route, True, inside=inside, x=float(inside))
        for route in ("quadrature", "mode ODE")
        for inside in (True, False)
    ]
    assert verdict_of(tuple(every)).verdict is Verdict.needless


def test_only_falsehood_inside_its_condition_refutes_a_claim():
    true, false = seen("quadrature", True), seen("mode ODE", False)
    assert refuted((true, false))
    assert not refuted((true, seen("mode ODE", False, inside=False)))
    assert not refuted((true, seen("mode ODE", True, inside=False)))


def test_routes_that_share_code_count_as_one():
    alike = (seen("matrix network", True), seen("trained network", True))
    assert verdict_of(alike).verdict is Verdict.unseen
    assert verdict_of((*alike, seen("plain network", True))).verdict is Verdict.holds


def test_both_sides_of_a_condition_need_two_routes():
    lonely = (
        seen("quadrature", True),
        seen("mode ODE", True),
        seen("quadrature", False, inside=False, x=2.0),
    )
    assert verdict_of(lonely).verdict is Verdict.unseen


def test_no_observations_give_no_verdict():
    assert verdict_of(()).verdict is Verdict.unseen


@pytest.mark.parametrize(("apart", "verdict"), [(0.9, Verdict.holds), (1.1, Verdict.disputed)])
def test_routes_have_to_agree_within_their_errors(apart, verdict):
    pair = (
        seen("quadrature", True, number=1.0, error=0.4),
        seen("mode ODE", True, number=1.0 + apart, error=0.6),
    )
    assert verdict_of(pair).verdict is verdict


@pytest.mark.parametrize("which", ["x", "number", "error"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("holds", [True, False])
def test_an_observation_that_is_not_finite_gives_no_verdict(which, value, holds):
    good = (seen("quadrature", True), seen("mode ODE", True))
    bad = seen("closed form", holds, inside=holds, **{"x": 9.0, which: value})
    assert verdict_of((*good, bad)).verdict is Verdict.disputed


def test_an_error_is_not_negative():
    pair = (seen("quadrature", True, error=-1.0), seen("mode ODE", True, error=2.0))
    assert verdict_of(pair).verdict is Verdict.disputed


def test_a_series_observed_by_one_route_alone_gives_no_verdict():
    good = (seen("quadrature", True), seen("mode ODE", True))
    alone = Observation("closed form", "another series", 1.0, 1.0, True)
    assert verdict_of((*good, alone)).verdict is Verdict.unseen


def test_cases_are_equal_to_nine_digits():
    pair = (
        seen("quadrature", True, x=0.3, number=1.0),
        seen("mode ODE", True, x=0.1 + 0.2, number=99.0),
    )
    assert verdict_of(pair).verdict is Verdict.disputed


def test_routes_have_to_agree_about_the_condition():
    pair = (seen("quadrature", True), seen("mode ODE", True, inside=False))
    assert verdict_of(pair).verdict is Verdict.disputed


def test_distances_from_a_prediction_are_not_compared_between_routes():
    pair = (
        seen("quadrature", True, number=1e-9, error=None),
        seen("mode ODE", True, number=1e-6, error=None),
    )
    assert verdict_of(pair).verdict is Verdict.holds


def imports_of(path):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def test_routes_share_nothing_with_the_library_or_with_each_other():
    folder = Path(routes.__file__).parent
    modules = sorted(folder.glob("*.py"))
    assert {"_paper_ode.py", "_plain_network.py", "_quadrature.py"} <= {one.name for one in modules}
    for module in modules:
        ours = {name for name in imports_of(module) if name.split(".")[0] == "dlnflow"}
        assert ours <= {"dlnflow.studies.claims.routes"}, module.name


def test_a_route_that_shared_code_would_be_noticed():
    ours = set(imports_of(Path(_times.__file__)))
    assert not {one for one in ours if one.startswith("dlnflow")} <= {
        "dlnflow.studies.claims.routes"
    }


def test_the_papers_equation_is_the_derived_one():
    from dlnflow import symbolic
    from dlnflow.studies.claims.routes import _paper_ode as paper_ode

    w = np.geomspace(1e-3, 0.5, 7)
    for objective, L, P in [("jepa", 2, 1), ("mae", 3, 1), ("layer-1", 3, 2), ("jepa", 2, 3)]:
        derived = symbolic.derive(objective, L, decoder_depth=P).lambdify("mode_ode")
        velocity = paper_ode.velocity(objective, 1.3, 0.6, L, P)
        assert np.allclose([velocity(one) for one in w], derived(w, 1.3, 0.6), rtol=1e-12, atol=0.0)


@examined
def test_its_verdict_is_the_recorded_one(name):
    found = quick(name)
    assert found.recorded is not None
    assert not found.changed, found.summary


@examined
def test_its_control_changes_the_verdict(name):
    found = quick(name)
    assert found.control not in (found.verdict, Verdict.disputed, Verdict.unseen)
    assert found.refuted


@examined
def test_it_rests_on_finite_numbers_by_two_routes_or_more(name):
    found = quick(name)
    table = found.to_dataframe()
    assert np.isfinite(table[["x", "number"]].to_numpy()).all()
    assert len(claims.routes.independent(found.routes)) >= 2
    assert set(found.routes) <= set(claims.ROUTES)


@examined
def test_its_numbers_are_the_recorded_ones(name):
    assert quick(name).moved == {}


@pytest.mark.parametrize("name", NAMES)
def test_its_words_are_the_recorded_ones(name):
    claim, recorded = claims.CLAIMS[name], claims.recorded()[name]
    assert claim.name == name
    assert (claim.title, claim.statement) == (recorded["title"], recorded["statement"])
    assert (claim.source, claim.module) == (recorded["source"], recorded["code"])
    assert claim.control.words == recorded["control"]["premise"]
    assert bool(recorded["condition"]) is (recorded["verdict"] == Verdict.holds_when)
    assert recorded["found"]


def test_claims_are_numbered_from_1_on():
    numbers = {int(re.match(r"\d+", name)[0]) for name in NAMES}
    assert numbers == set(range(1, max(numbers) + 1))
    assert list(claims.recorded()) == list(NAMES)


def test_the_page_is_what_the_record_says():
    assert (ROOT / "docs" / "claims.md").read_text() == pages.page(claims.recorded().values())


def test_the_table_of_delays_in_the_docs_is_what_the_record_says():
    text = (ROOT / "docs" / "beyond-the-paper.md").read_text()
    table = pages.delays(claims.recorded().values())
    assert pages.block(text, "delays") == table
    assert pages.with_block(text, "delays", table) == text
    assert pages.with_block(text, "delays", "stale\n") != text


CITED = [
    ("+0.0035", "5", "JEPA, eps = 1e-3, L = 1"),
    ("+0.173", "5", "JEPA, eps = 1e-3, L = 3"),
    ("+1.131", "5", "JEPA, eps = 1e-3, L = 6"),
    ("-0.0545", "5", "MAE, eps = 1e-3, L = 1"),
    ("-0.0036", "5", "MAE, eps = 1e-3, L = 3"),
    ("+0.0002", "5", "MAE, eps = 1e-3, L = 6"),
    ("0.016", "9", "largest eps, JEPA, L = 2"),
    ("0.0021", "9", "largest eps, MAE, L = 2"),
]


@pytest.mark.parametrize(("shown", "claim", "name"), CITED)
def test_numbers_of_claims_in_other_pages_are_the_recorded_ones(shown, claim, name):
    assert shown in (ROOT / "docs" / "networks.md").read_text()
    unit = 10.0 ** -len(shown.split(".")[1])
    assert abs(float(shown) - claims.recorded()[claim]["numbers"][name]) <= 0.51 * unit


def test_another_record_would_make_another_page():
    changed = json.loads(json.dumps(list(claims.recorded().values())))
    changed[2]["verdict"] = "does not hold"
    assert pages.page(changed) != pages.page(claims.recorded().values())


def test_every_claim_has_its_figure_and_data():
    for name in NAMES:
        for suffix in ("png", "csv"):
            assert (ROOT / "docs" / "figures" / "claims" / f"claim_{name}.{suffix}").exists()


def test_links_of_the_table_lead_to_sections():
    page = (ROOT / "docs" / "claims.md").read_text()
    headings = re.findall(r"^## (.*)$", page, re.MULTILINE)
    anchors = {
        "".join(c for c in one.lower() if c.isalnum() or c in " -_").replace(" ", "-")
        for one in headings
    }
    targets = set(re.findall(r"\]\(#([^)]+)\)", page))
    assert len(targets) == len(NAMES)
    assert targets <= anchors


@pytest.fixture(scope="module")
def report():
    return claims.run(["1", "7"], quick=True)


def test_a_report_is_a_mapping_in_the_claims_order(report):
    assert list(report) == ["1", "7"]
    assert report["7"].claim is claims.CLAIMS["7"]
    with pytest.raises(KeyError, match="claim '2' is not in this report; here are 1, 7"):
        report["2"]


def test_json_has_the_format_of_the_record(report):
    made = json.loads(report.to_json())
    assert made["effort"] == "quick"
    assert made["stopped"] is None
    assert [one["name"] for one in made["claims"]] == ["1", "7"]
    assert made["claims"][0].keys() == claims.recorded()["1"].keys()


class Seen(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.images, self.links, self.ids = [], [], [], set()

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag not in ("meta", "img"):
            self.open.append(tag)
        if tag == "img":
            self.images.append(values["src"])
        if tag == "a":
            self.links.append(values["href"])
        if "id" in values:
            self.ids.add(values["id"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_html_stands_alone_with_its_figures_inside(report):
    page = Seen()
    page.feed(report.to_html())
    assert page.open == []
    assert len(page.images) == 2
    assert all(one.startswith("data:image/png;base64,") for one in page.images)
    assert {link.removeprefix("#") for link in page.links} <= page.ids
    assert "http" not in report.to_html()


def test_figures_are_saved_with_what_they_draw(report, tmp_path):
    made = report.save_figures(tmp_path / "new")
    assert [one.name for one in made] == ["claim_1.png", "claim_7.png"]
    data = pd.read_csv(tmp_path / "new" / "claim_7.csv")
    assert len(data) == len(report["7"].observations)
    assert np.allclose(data["number"], [one.number for one in report["7"].observations])


def test_a_figure_draws_every_observation(report):
    axes = report["7"].plot()
    markers = [
        (x, y)
        for line in axes.get_lines()
        if line.get_linestyle() == "None"
        for x, y in line.get_xydata()
    ]
    shown = [one for one in report["7"].observations if report["7"].claim.drawn(one)]
    assert sorted(markers) == sorted((one.x, one.number) for one in shown)


def test_a_marker_is_filled_where_the_claim_is_true_and_open_where_it_is_not(report):
    true = {(one.x, one.number): one.holds for one in report["7"].observations}
    assert set(true.values()) == {True, False}
    for line in report["7"].plot().get_lines():
        if line.get_linestyle() == "None" and line.get_marker() == "^":
            for x, y in line.get_xydata():
                assert (line.get_markerfacecolor() != "white") is true[x, y]


def test_a_logarithmic_axis_shows_zeros_at_its_foot(report):
    axes = report["1"].plot()
    assert 0.0 in [one.number for one in report["1"].observations]
    heights = np.concatenate([line.get_ydata() for line in axes.get_lines()])
    assert heights.min() > 0.0
    assert "0 is drawn at" in axes.get_ylabel()


def test_a_figure_of_nothing_is_refused():
    from dlnflow import plot

    with pytest.raises(TypeError, match=r"finding must be a dlnflow\.claims\.Finding: got str"):
        plot.claim("3")


def test_an_interrupt_keeps_what_was_found():
    def progress(share, text):
        if share > 0.0:
            raise KeyboardInterrupt

    report = claims.run(["1", "7"], quick=True, progress=progress)
    assert list(report) == ["1"]
    assert report.stopped == "interrupted"


def test_an_error_on_the_way_keeps_what_was_found():
    def progress(share, text):
        if share > 0.0:
            raise OSError("pipe closed")

    with pytest.raises(OSError, match="pipe closed") as caught:
        claims.run(["1", "7"], quick=True, progress=progress)
    report = caught.value.report
    assert list(report) == ["1"]
    assert report.stopped == "OSError: pipe closed"


def test_an_interrupt_before_anything_was_found_is_an_interrupt():
    def progress(share, text):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        claims.run("1", quick=True, progress=progress)


def test_progress_names_the_claim_at_work():
    said = []
    claims.run("1", quick=True, progress=lambda share, text: said.append((share, text)))
    assert said[0] == (0.0, "1. Mode equations and fixed points")
    assert said[-1][0] == 1.0


@pytest.mark.parametrize("only", ["99", ["1", "99"], [], "", "12z"])
def test_claims_that_do_not_exist_are_refused(only):
    with pytest.raises(ValueError, match="only must name"):
        claims.run(only)


def test_quick_is_a_switch():
    with pytest.raises(TypeError, match="quick must be True or False: got 'yes'"):
        claims.run("1", quick="yes")


def test_a_verdict_that_is_not_recorded_counts_as_changed(monkeypatch):
    found = quick("1")
    other = {**claims.recorded(), "1": {**claims.recorded()["1"], "verdict": "does not hold"}}
    monkeypatch.setattr(_report, "recorded", lambda: other)
    assert found.changed
    assert _report.Report((found,)).changed == (found,)
    monkeypatch.setattr(_report, "recorded", dict)
    assert found.changed


def test_a_number_that_moves_counts_as_changed(monkeypatch):
    found = quick("3")
    name, value = next(iter(found.noted.numbers.items()))
    numbers = {**claims.recorded()["3"]["numbers"], name: 1.03 * value}
    other = {**claims.recorded(), "3": {**claims.recorded()["3"], "numbers": numbers}}
    monkeypatch.setattr(_report, "recorded", lambda: other)
    assert list(found.moved) == [name]
    assert found.changed
    del numbers[name]
    assert found.moved == {name: (value, None)}
    numbers |= {name: value, "no longer found": 1.0}
    assert found.moved == {"no longer found": (None, 1.0)}


def test_a_number_stands_for_all_parts_of_a_claim():
    assert [one.name for one in _run._chosen("12")] == ["12a", "12b", "12c"]
    assert [one.name for one in _run._chosen([13, " 12A "])] == ["12a", "13a", "13b", "13c"]
    assert [one.name for one in _run._chosen(1)] == ["1"]


def test_a_claim_that_does_not_stand_says_what_refuted_it(monkeypatch):
    claim = claims.CLAIMS["1"]
    refuted = _run.Claim(
        **{
            **{one: getattr(claim, one) for one in claim.__dataclass_fields__},
            "observe": lambda effort, **premise: claims.broken(claim),
        }
    )
    found = _run.examine(refuted, Effort.quick)
    assert found.verdict is Verdict.fails
    assert found.noted.sentence == ""
    assert "plain network" in found.summary
    assert not found.sound


def command(*arguments):
    from typer.testing import CliRunner

    from dlnflow.cli._app import app

    return CliRunner().invoke(app, ["claims", "--quick", *map(str, arguments)])


def test_the_command_prints_the_verdicts_and_exits_with_0():
    result = command("--only", "1, 7")
    assert result.exit_code == 0
    assert "Both can learn in opposite order" in result.stdout
    assert "2 claims, verdicts and numbers as recorded" in result.stderr


@pytest.mark.parametrize(("form", "suffix"), [("markdown", "md"), ("json",) * 2, ("html",) * 2])
def test_the_command_writes_what_the_report_does(form, suffix, tmp_path):
    file = tmp_path / f"report.{suffix}"
    assert command("--only", "1", "--out", file).exit_code == 0
    assert command("--only", "1", "--format", form).stdout[:40] == file.read_text()[:40]


def test_a_changed_verdict_is_exit_code_1(monkeypatch):
    other = {**claims.recorded(), "1": {**claims.recorded()["1"], "verdict": "does not hold"}}
    monkeypatch.setattr(_report, "recorded", lambda: other)
    result = command("--only", "1")
    assert result.exit_code == 1
    assert "claim 1: holds; recorded is: does not hold" in result.stderr


def test_a_control_that_says_nothing_is_exit_code_1(monkeypatch):
    monkeypatch.setattr(_run, "refuted", lambda seen: False)
    result = command("--only", "1")
    assert result.exit_code == 1
    assert "its control does not refute it" in result.stderr


def test_an_interrupted_command_says_what_it_has(monkeypatch):
    examine = _run.examine

    def interrupted(claim, effort):
        if claim.name == "7":
            raise KeyboardInterrupt
        return examine(claim, effort)

    monkeypatch.setattr(_run, "examine", interrupted)
    result = command("--only", "1,7", "--format", "markdown")
    assert result.exit_code == 130
    assert "Stopped early: interrupted" in result.stdout
    assert "stopped early: interrupted; 1 claim examined" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--only", "99"), "only must name claims among 1, 2,"),
        (("--out", "nowhere/report.md"), "there is no directory nowhere"),
        (("--figures", "pyproject.toml"), "pyproject.toml: cannot be written: it is a file"),
        (("--format", "pdf"), "pdf"),
    ],
)
def test_bad_input_is_refused_in_one_line_before_the_work(arguments, said, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(_run, "examine", None)
    result = command(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_plain_probe_reads_what_the_library_reads():
    from dlnflow import network
    from dlnflow.studies.claims.routes import _plain_network as plain_network

    random = np.random.default_rng(0)
    root = random.normal(size=(4, 4))
    xx, yx = root @ root.T, root @ np.diag([0.9, 0.7, 0.5, 0.3]) @ root.T
    net = network.gaussian(xx, yx, 2, eps=0.3, widths=(6, 3, 3))
    run = network.gradient_flow(net, xx, yx, t=[0.0, 1.0, 5.0])
    filters, sigma = random.normal(size=(4, 2)), np.array([0.1, 0.7])
    plain = plain_network.probe_r2(run.encoder, xx, filters, sigma)
    assert plain == pytest.approx(run.probe_r2(filters, sigma=sigma), rel=1e-9)


@pytest.mark.parametrize("objective", ["jepa", "mae"])
def test_plain_descent_of_many_networks_is_gradient_flow_at_a_small_rate(objective):
    from dlnflow import network
    from dlnflow.studies.claims.routes import _plain_network as plain_network

    xx, yx = np.diag([1.0, 2.0]), np.array([[0.9, 0.1], [0.1, 1.0]])
    nets = [network.gaussian(xx, yx, 2, eps=0.2, rng=seed) for seed in range(3)]
    initial = [np.array(layers) for layers in zip(*(net.layers for net in nets), strict=True)]
    kept = [one.copy() for one in initial]
    made = plain_network.descend(xx, yx, initial, 2, objective, 1e-3, np.array([0, 4000, 8000]))
    assert all(map(np.array_equal, initial, kept))
    for place, net in enumerate(nets):
        run = network.gradient_flow(
            net, xx, yx, objective=objective, t=[0.0, 4.0, 8.0], clock="network"
        )
        assert made[:, place] == pytest.approx(run.encoder, abs=2e-3)


def test_the_time_at_which_a_probe_reads_half_lies_between_the_steps_around_it():
    from dlnflow.studies.claims.routes import _plain_network as plain_network

    t = np.linspace(0.0, 10.0, 41)
    w = np.exp(t[:, None] - np.array([3.1, 7.3, 20.0, -1.0]))
    found = plain_network.readable_times(t, w**2 / (1.0 + w**2))
    assert found[:2] == pytest.approx([3.1, 7.3], rel=1e-9)
    assert found[2:].tolist() == [np.inf, 0.0]


@pytest.mark.parametrize("name", NAMES)
def test_no_figure_has_more_lines_than_can_be_told_apart(name):
    names = pd.read_csv(ROOT / "docs" / "figures" / "claims" / f"claim_{name}.csv")
    shown = {one.series for one in names.itertuples() if claims.CLAIMS[name].drawn(one)}
    assert 0 < len(shown) <= 8

"""Links, pointers to code and tables of numbers in the documentation are right."""

import ast
import re
from operator import attrgetter
from pathlib import Path

import pytest

import dlnflow

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)#]+?)\)")
SECTION = re.compile(r"\]\(([^)#:]*)#([^)]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
POINTER = re.compile(r"\[`(\w+)`\]\((\S+?\.py)\)")


def defined_in(path):
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_project_leads_somewhere(page):
    for target in LINK.findall(page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def anchors(text):
    """Where a page's headings are found, as GitHub names them."""
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in HEADING.findall(text)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_section_leads_to_one(page):
    for target, anchor in SECTION.findall(page.read_text()):
        there = page.parent / target if target else page
        assert anchor in anchors(there.read_text()), (target, anchor)


def test_every_pointer_of_the_theory_names_something_defined_there():
    page = ROOT / "docs" / "theory.md"
    pointers = POINTER.findall(page.read_text())
    assert len(pointers) >= 15
    for name, target in pointers:
        assert name in defined_in(page.parent / target), (name, target)


def test_a_pointer_to_nothing_would_be_noticed():
    assert "no_such_function" not in defined_in(ROOT / "dlnflow" / "theory" / "_modes.py")
    assert POINTER.findall("[`gone`](../some/place.py)") == [("gone", "../some/place.py")]


def test_the_files_that_the_guide_names_are_there():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    paths = re.findall(r"`((?:dlnflow|tests|docs)/[\w/.-]+)`", text)
    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_names_of_the_glossary_are_there():
    text = (ROOT / "docs" / "glossary.md").read_text()
    names = re.findall(r"`dlnflow\.([\w.]+)`", text)
    assert len(names) > 30
    for name in names:
        attrgetter(name)(dlnflow)


def test_the_table_of_delays_is_what_the_library_computes():
    text = (ROOT / "docs" / "beyond-the-paper.md").read_text()
    for eps, L in [("1e-3", 1), ("1e-3", 3), ("1e-3", 6), ("1e-6", 3)]:
        row = re.search(rf"\| {eps} \| {L} \| (\S+) % \| (\S+) % \|", text)
        assert row is not None
        for objective, shown in zip(("jepa", "mae"), row.groups(), strict=True):
            t = dlnflow.critical_time(1.0, [1.0, 0.5], L, eps=float(eps), objective=objective)
            percent = float(shown.replace("\N{MINUS SIGN}", "-"))
            digits = len(shown.split(".")[1]) if "." in shown else 0
            assert abs(percent - 100 * (t[1] / t[0] - 1)) <= 0.51 * 10**-digits

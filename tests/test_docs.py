"""The pages keep their promises: each formula of the theory points at code that is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)#]+?)\)")
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


def test_every_pointer_of_the_theory_names_something_defined_there():
    page = ROOT / "docs" / "theory.md"
    pointers = POINTER.findall(page.read_text())
    assert len(pointers) >= 15
    for name, target in pointers:
        assert name in defined_in(page.parent / target), (name, target)


def test_a_pointer_to_nothing_would_be_noticed():
    assert "no_such_function" not in defined_in(ROOT / "dlnflow" / "modes.py")
    assert POINTER.findall("[`gone`](../dlnflow/modes.py)") == [("gone", "../dlnflow/modes.py")]


def test_the_critical_time_table_of_the_readme_is_what_the_library_computes():
    import dlnflow

    text = (ROOT / "README.md").read_text()
    for eps, L in [("1e-3", 1), ("1e-3", 3), ("1e-3", 6), ("1e-6", 3)]:
        row = re.search(rf"\| {eps} \| {L} \| (\S+) % \| (\S+) % \|", text)
        assert row is not None
        for objective, shown in zip(("jepa", "mae"), row.groups(), strict=True):
            t = dlnflow.critical_time(1.0, [1.0, 0.5], L, eps=float(eps), objective=objective)
            percent = float(shown.replace("\N{MINUS SIGN}", "-"))
            digits = len(shown.split(".")[1]) if "." in shown else 0
            assert abs(percent - 100 * (t[1] / t[0] - 1)) <= 0.51 * 10**-digits

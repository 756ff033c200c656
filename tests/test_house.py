"""The floor plan: which package imports which, where modules live, and how long the README is.

All imports are counted: those at the top of a module, those inside functions and those for types.
"""

import ast
from collections import Counter
from pathlib import Path

import pytest

import dlnflow

ROOT = Path(dlnflow.__file__).parent
README = ROOT.parent / "README.md"
# Results draw themselves, so what has results may import `plot`.
THEORY = {"_common", "theory.curve", "theory", "plot"}

# What each package may import, besides itself and the module of old paths.
ALLOWED = {
    "_common": set(),
    "theory.curve": set(),
    "plot": {"_common"},
    "theory": THEORY,
    "symbolic": {"_common", "theory"},
    "data": THEORY,
    "generative": THEORY | {"data"},
    "network": THEORY | {"data", "generative"},
    "identification": THEORY | {"data", "generative", "network"},
}


def module_name(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def imported(tree, modules=MODULES):
    """The modules of ``dlnflow`` that a tree names in any import."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in modules else node.module)
    return {name for name in found if name.split(".")[0] == "dlnflow"}


IMPORTS = {name: imported(tree) for name, tree in TREES.items()}


def reached(name, imports=IMPORTS):
    """Every module that ``name`` names, through any number of imports."""
    seen, ahead = set(), set(imports.get(name, ()))
    while ahead:
        seen |= ahead
        ahead = set().union(*(imports.get(one, ()) for one in ahead)) - seen
    return seen


def circles(imports):
    """Groups of modules that reach one another."""
    reach = {name: reached(name, imports) for name in imports}
    return {
        frozenset(other for other in reach[name] if name in reach.get(other, ()))
        for name in imports
        if name in reach[name]
    }


def package(name):
    """The package of a module, as the floor plan names it; "" is the root."""
    inner = name.removeprefix("dlnflow").lstrip(".")
    return "theory.curve" if inner.startswith("theory.curve") else inner.split(".")[0]


def test_no_imports_form_a_circle():
    assert [sorted(one) for one in circles(IMPORTS)] == []


def test_a_circle_would_be_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == {frozenset("abc")}
    assert circles({"a": {"b"}, "b": set()}) == set()


@pytest.mark.parametrize(
    "source",
    [
        "import dlnflow.plot",
        "from dlnflow import plot",
        "def later():\n    from dlnflow import plot",
        "if TYPE_CHECKING:\n    from dlnflow.plot import trajectories",
    ],
)
def test_imports_of_every_kind_are_counted(source):
    assert imported(ast.parse(source)) == {"dlnflow.plot"}


@pytest.mark.parametrize("name", ALLOWED)
def test_a_package_imports_only_what_stands_below_it(name):
    used = {
        package(target)
        for module, targets in IMPORTS.items()
        if package(module) == name
        for target in targets
    }
    assert used - {name, "_deprecated"} <= ALLOWED[name]


@pytest.mark.parametrize("leaf", ["studies", "cli"])
def test_nothing_imports_a_leaf(leaf):
    """But the root, which hands names on, and leaves themselves."""
    users = {package(module) for module, found in IMPORTS.items() if leaf in map(package, found)}
    assert users <= {"", "__main__", "studies", "cli"}


def test_the_exponents_depend_on_validation_and_powers_alone():
    used = reached("dlnflow.theory._objective")
    assert {package(name) for name in used} <= {"theory", "_common"}
    assert len(used) <= 4


def test_the_check_by_integration_stands_alone():
    assert reached("dlnflow.theory._integrate") == set()


def test_the_derivation_takes_no_formula_from_the_numeric_code():
    """Only names of objectives and checks of arguments: what it derives, the tests compare."""
    derivation = [name for name in MODULES if package(name) == "symbolic"]
    assert len(derivation) > 10
    used = {
        alias.name
        for name in derivation
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.ImportFrom) and node.module.startswith("dlnflow.theory")
        for alias in node.names
    }
    assert used == {"Objective", "as_objective"}
    attributes = set()
    for name in derivation:
        objectives = {
            node.targets[0].id
            for node in ast.walk(TREES[name])
            if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("as_objective(")
        }
        attributes |= {
            node.attr
            for node in ast.walk(TREES[name])
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in objectives
        }
    assert attributes == {"layer", "name", "target_layer"}


def test_the_matrices_know_no_modes():
    """Whole networks check the closed form, so they take nothing from it."""
    for name in ("_equations", "_network", "_solvers"):
        used = set(map(package, reached(f"dlnflow.network.{name}")))
        assert used <= {"network", "_common"}, name


def test_no_class_name_is_defined_twice():
    names = Counter(
        node.name
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    )
    assert {name: count for name, count in names.items() if count > 1} == {}


def test_the_top_level_holds_packages_alone():
    assert {path.stem for path in ROOT.glob("*.py")} == {"__init__", "__main__", "_deprecated"}


def test_modules_inside_a_package_carry_an_underscore():
    inner = [path for path in ROOT.rglob("*.py") if path.parent != ROOT]
    assert [path for path in inner if not path.name.startswith("_")] == []


def test_no_module_is_longer_than_four_hundred_lines():
    lengths = {
        name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()
    }
    assert {name: length for name, length in lengths.items() if length > 400} == {}


@pytest.mark.skipif(not README.exists(), reason="not a checkout")
def test_the_readme_has_at_most_1300_words():
    assert len(README.read_text(encoding="utf-8").split()) <= 1300

"""The package as a whole: what importing it costs, what it shows, which way its arrows point."""

import ast
import importlib.metadata
import importlib.resources
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import dlnflow
from dlnflow import network, symbolic
from dlnflow.studies.experiments import _experiments as experiments
from dlnflow.studies.validity import _validity as validity

ROOT = Path(dlnflow.__file__).parent
HEAVY = [
    "sympy",
    "matplotlib",
    "pandas",
    "xarray",
    "typer",
    "rich",
    "scipy.integrate",
    "scipy.special",
    "scipy.optimize",
    "sklearn",
]
# Reached only when a figure, a demo or a command is asked for.
LEAVES = {"plot", "cli", "__main__", "_demo_figures"}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def statements_at_import(body):
    """What runs when a module is imported, ``if TYPE_CHECKING`` left out."""
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from statements_at_import(node.orelse)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for field in ("body", "orelse", "finalbody", "handlers"):
                yield from statements_at_import(getattr(node, field, []))


def ours(source):
    """The modules of ``dlnflow`` that a source imports at module level; "" is the root."""
    found = set()
    for node in statements_at_import(ast.parse(source).body):
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        else:
            assert node.level == 0, "imports are absolute"
            named = [
                full if (full := f"{node.module}.{alias.name}")[8:] in MODULES else node.module
                for alias in node.names
            ]
        found |= {name[8:] for name in named if name.split(".")[0] == "dlnflow"}
    return found


IMPORTS = {name: ours(path.read_text()) for name, path in MODULES.items()}


def reached(name, imports=IMPORTS):
    """Every module that importing ``name`` brings in, through any number of steps."""
    seen, ahead = set(), set(imports[name])
    while ahead:
        seen |= ahead
        ahead = set().union(*(imports.get(one, ()) for one in ahead)) - seen
    return seen


def test_importing_the_package_loads_nothing_heavy():
    script = f"import sys, dlnflow; print([m for m in {HEAVY} if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert loaded.stderr == ""
    assert loaded.stdout.strip() == "[]"


def test_the_look_at_loaded_modules_would_see_one():
    script = f"import sys, scipy.integrate; print([m for m in {HEAVY} if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "scipy.integrate" in loaded.stdout


def test_the_public_names_are_all_there_once_and_sorted_as_listed():
    assert len(set(dlnflow.__all__)) == len(dlnflow.__all__)
    for name in dlnflow.__all__:
        assert hasattr(dlnflow, name)


def sections(doc):
    """Section titles of a numpydoc docstring, with their text."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}$", inspect.cleandoc(doc), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("name", dlnflow.__all__)
def test_public_names_are_documented(name):
    public = getattr(dlnflow, name)
    doc = inspect.getdoc(public)
    assert doc
    assert doc.splitlines()[0].rstrip().endswith((".", "?"))
    if not inspect.isfunction(public):
        return
    found = sections(doc)
    assert {"Parameters", "Returns", "Raises", "Examples"} <= set(found)
    assert f"{name}(" in found["Examples"]
    documented = {
        word.strip(" *")
        for line in found["Parameters"].splitlines()
        if line and not line.startswith(" ")
        for word in line.split(" : ")[0].split(",")
    }
    assert documented == set(inspect.signature(public).parameters)


def test_functions_have_types_throughout():
    for name in dlnflow.__all__:
        if inspect.isfunction(public := getattr(dlnflow, name)):
            signature = inspect.signature(public)
            assert signature.return_annotation is not inspect.Signature.empty
            assert all(p.annotation is not p.empty for p in signature.parameters.values()), name


def test_the_master_curve_knows_no_network():
    """It and its helpers import private helpers only, and not the door."""
    below = reached("hyperlogistic")
    assert below
    assert all(name.startswith("_") for name in below)
    assert "_validate" not in below


def test_the_exponents_stand_on_nothing_else():
    assert IMPORTS["objective"] == {"_validate", "_power"}
    assert reached("objective") == {"_validate", "_power"}


def test_the_check_by_integration_stands_alone():
    assert reached("integrate") == set()


def test_the_derivation_takes_no_formula_from_the_numeric_code():
    """Only names of objectives and checks of arguments: what it derives, the tests compare."""
    derivation = {name for name in MODULES if name.split(".")[0] == "symbolic"}
    assert len(derivation) > 10
    outside = set().union(*(IMPORTS[name] for name in derivation)) - derivation
    assert outside == {"objective", "_validate"}
    used = set()
    for name in derivation:
        for node in ast.walk(ast.parse(MODULES[name].read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "dlnflow.objective":
                used |= {alias.name for alias in node.names}
    assert used == {"Objective", "as_objective"}
    calls = re.compile(r"known\.(\w+)")
    assert set(calls.findall(MODULES["symbolic._setting"].read_text())) == {
        "layer",
        "name",
        "target_layer",
    }


@pytest.mark.parametrize("name", symbolic.__all__)
def test_public_names_of_the_derivation_are_documented(name):
    public = getattr(symbolic, name)
    if inspect.isfunction(public) or inspect.isclass(public):
        doc = inspect.getdoc(public)
        assert doc
        if inspect.isfunction(public):
            assert {"Parameters", "Returns", "Examples"} <= set(sections(doc))


def test_the_matrices_know_no_modes():
    """The witness of the closed forms takes nothing from them until it is read."""
    for name in ("_equations", "_network", "_watch", "_solvers"):
        used = {one for one in reached(f"network.{name}") if not one.startswith("network")}
        assert used <= {"_validate"}, name


@pytest.mark.parametrize("place", [network, experiments, validity])
def test_public_functions_of_networks_are_documented(place):
    names = getattr(place, "__all__", None) or [
        name
        for name, one in vars(place).items()
        if inspect.isfunction(one) and one.__module__ == place.__name__ and name[0] != "_"
    ]
    assert len(names) >= 3
    for name in names:
        public = getattr(place, name)
        doc = inspect.getdoc(public)
        assert doc, name
        if inspect.isfunction(public):
            found = sections(doc)
            assert {"Parameters", "Returns", "Raises", "Examples"} <= set(found), name
            assert f"{name}(" in found["Examples"], name
            signature = inspect.signature(public)
            documented = {
                word.strip(" *")
                for line in found["Parameters"].splitlines()
                if line and not line.startswith(" ")
                for word in line.split(" : ")[0].split(",")
            }
            assert documented == set(signature.parameters), name
            assert all(p.annotation is not p.empty for p in signature.parameters.values())


@pytest.mark.parametrize(
    ("upper", "lower"),
    [
        ("modes", "hyperlogistic"),
        ("modes", "objective"),
        ("simulate", "modes"),
        ("critical_time", "objective"),
        ("critical_time", "hyperlogistic"),
        ("critical_time", "integrate"),
        ("spectrum", "simulate"),
        ("symbolic", "objective"),
        ("network._compare", "critical_time"),
        ("network._data", "spectrum"),
        ("network.validity", "network._compare"),
        ("network._flow", "network._equations"),
    ],
)
def test_arrows_point_down_and_never_back(upper, lower):
    assert lower in reached(upper)
    assert upper not in reached(lower)


def test_nothing_imports_figures_or_the_command_line():
    for name in MODULES:
        if name.split(".")[0] not in LEAVES:
            up = {target for target in reached(name) if target.split(".")[0] in LEAVES}
            assert not up, f"{name} imports {up}"
    assert not any(
        target.startswith("cli")
        for name in MODULES
        for target in IMPORTS[name]
        if name.split(".")[0] in {"plot", "_demo_figures"}
    )


def test_the_derivation_is_there_without_being_asked_for_and_costs_nothing_before():
    code = (
        "import sys, dlnflow; before = 'sympy' in sys.modules; dlnflow.symbolic.derive;"
        "print(before, 'sympy' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True"]


def test_there_are_no_cycles():
    assert [name for name in MODULES if name in reached(name)] == []


def test_the_look_for_cycles_would_find_one():
    imports = {"a": {"b"}, "b": {"c"}, "c": {"a"}}
    assert "a" in reached("a", imports)


def test_the_look_at_imports_sees_what_runs_at_import_and_nothing_else():
    source = """
from typing import TYPE_CHECKING
from dlnflow._common import _validate
from dlnflow.theory._modes import amplitude
if TYPE_CHECKING:
    from dlnflow import cli
try:
    import dlnflow.theory._grid
except ImportError:
    pass
def later():
    from dlnflow import plot
"""
    assert ours(source) == {"_validate", "modes", "grid"}


def test_types_ship_with_the_package():
    assert (importlib.resources.files("dlnflow") / "py.typed").is_file()


def test_the_version_is_one_and_the_same():
    version = importlib.metadata.version("dlnflow")
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", version)
    project = ROOT.parent / "pyproject.toml"
    if project.exists():
        assert tomllib.loads(project.read_text())["project"]["version"] == version


def test_the_lowest_supported_versions_are_those_that_are_tested():
    constraints = ROOT.parent / "constraints-lowest.txt"
    if not constraints.exists():
        pytest.skip("not a checkout")
    tested = dict(re.findall(r"^([\w-]+)==([\d.]+)\.\*$", constraints.read_text(), re.MULTILINE))
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    named = [
        *project["dependencies"],
        *(one for name in extras if name != "dev" for one in extras[name]),
    ]
    declared = dict(re.findall(r"^([\w-]+)>=([\d.]+)$", "\n".join(named), re.MULTILINE))
    assert len(declared) > 10
    assert tested == declared


def test_figures_are_there_without_being_asked_for_and_cost_nothing_before():
    code = (
        "import sys, dlnflow; before = 'matplotlib' in sys.modules; dlnflow.plot.paper_panels;"
        "print(before, 'matplotlib' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True"]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        dlnflow.nothing  # noqa: B018

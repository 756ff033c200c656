"""The package as a whole: what importing it costs, and what it shows."""

import importlib
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
from dlnflow.studies import experiments, validity

ROOT = Path(dlnflow.__file__).parent
HEAVY = [
    "sympy",
    "matplotlib",
    "pandas",
    "xarray",
    "dask",
    "distributed",
    "zarr",
    "torch",
    "jax",
    "typer",
    "rich",
    "scipy.integrate",
    "scipy.special",
    "scipy.optimize",
    "sklearn",
]


def test_importing_the_package_loads_nothing_heavy():
    script = f"import sys, dlnflow; print([m for m in {HEAVY} if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert loaded.stderr == ""
    assert loaded.stdout.strip() == "[]"


@pytest.mark.long
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


@pytest.mark.parametrize("name", symbolic.__all__)
def test_public_names_of_the_derivation_are_documented(name):
    public = getattr(symbolic, name)
    if inspect.isfunction(public) or inspect.isclass(public):
        doc = inspect.getdoc(public)
        assert doc
        if inspect.isfunction(public):
            assert {"Parameters", "Returns", "Examples"} <= set(sections(doc))


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


@pytest.mark.long
def test_the_derivation_is_there_without_being_asked_for_and_costs_nothing_before():
    code = (
        "import sys, dlnflow; before = 'sympy' in sys.modules; dlnflow.symbolic.derive;"
        "print(before, 'sympy' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True"]


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
        *(one for name in extras if name not in {"dev", "release"} for one in extras[name]),
    ]
    declared = dict(re.findall(r"^([\w-]+)>=([\d.]+)$", "\n".join(named), re.MULTILINE))
    assert len(declared) > 10
    assert tested == declared


@pytest.mark.long
def test_figures_are_there_without_being_asked_for_and_cost_nothing_before():
    code = (
        "import sys, dlnflow; before = 'matplotlib' in sys.modules; dlnflow.plot.paper_panels;"
        "print(before, 'matplotlib' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True"]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        dlnflow.nothing  # noqa: B018


OLD_PATHS = [
    ("dlnflow.spectrum", "Spectrum"),
    ("dlnflow.accumulate", "accumulate"),
    ("dlnflow.accumulate", "pairs_from"),
    ("dlnflow.modes", "amplitude"),
    ("dlnflow.critical_time", "critical_time"),
    ("dlnflow.hyperlogistic", "master_curve"),
    ("dlnflow.uncertainty", "Errors"),
]


@pytest.mark.parametrize(("module", "name"), OLD_PATHS)
def test_an_old_import_path_works_and_says_where_the_name_is_now(module, name):
    old = importlib.import_module(module)
    with pytest.warns(DeprecationWarning, match=f"{name} has moved: import it from dlnflow"):
        found = getattr(old, name)
    assert found.__name__ == name
    assert inspect.isfunction(dlnflow.critical_time)  # no module has taken its place


@pytest.mark.parametrize("name", ["claims", "demo", "network.experiments", "network.validity"])
def test_studies_go_on_under_their_former_names_without_a_warning(name):
    module = importlib.import_module(f"dlnflow.{name}")
    assert all(callable(getattr(module, one)) or one.isupper() for one in dir(module))


def test_the_package_shows_its_public_names_and_packages_and_nothing_else():
    shown = set(dir(dlnflow))
    assert set(dlnflow.__all__) < shown
    assert {"network", "plot", "symbolic", "generative", "claims", "__version__"} <= shown
    assert not {name for name in shown if name.startswith("_")} - {"__version__"}
    assert dlnflow.__version__ == importlib.metadata.version("dlnflow")
    assert all(hasattr(dlnflow, name) for name in shown)

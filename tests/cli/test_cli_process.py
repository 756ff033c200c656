"""The command as a process: interrupts, encodings of the terminal, exit codes."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_cli import output

import dlnflow
from dlnflow.cli._characters import plain

TWO = ("--lam", "1,1", "--rho", "1,0.5")
TABLE = ("table", *TWO, "-L", "1")

# an import hook that interrupts the import of one module, as Ctrl-C does at that moment
INTERRUPTED_IMPORT = """
import os, signal, sys
from importlib.abc import MetaPathFinder

class Interrupt(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            {act}

sys.meta_path.insert(0, Interrupt())
"""
START = """
import sys
from dlnflow_command import main
sys.argv = ["dlnflow", *{arguments!r}]
main()
"""
# the workers of pytest-xdist ignore SIGINT, and so would what they start
HEEDED = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
SIGNALLED = "os.kill(os.getpid(), signal.SIGINT)"
RAISED = "raise KeyboardInterrupt"


def python(code, *, environment=None, **options):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=False,
        timeout=300,
        env=os.environ | (environment or {}),
        **options,
    )


def started(arguments, before=""):
    return HEEDED + before + START.format(arguments=list(map(str, arguments)))


@pytest.mark.slow
@pytest.mark.parametrize("act", [SIGNALLED, RAISED], ids=["signal", "exception"])
@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("numpy", TABLE),
        ("dlnflow.identification", TABLE),
        ("typer", TABLE),
        ("rich.console", TABLE),
        ("scipy.integrate", TABLE),
        ("pandas", TABLE),
        ("sympy", ("derive", "jepa", "--verify")),
        ("matplotlib.pyplot", ("figure", "map", "-L", 2, "--out", "map.png")),
        ("dlnflow.data._accumulate", TABLE),
        ("dlnflow.studies.claims", ("claims", "--only", "4", "--quick")),
        ("dlnflow.studies.demo", ("demo", "--out", "demo")),
    ],
)
def test_an_interrupt_while_a_module_is_imported_is_quiet(tmp_path, module, arguments, act):
    before = INTERRUPTED_IMPORT.format(module=module, act=act)
    done = python(started(arguments, before), cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_an_interrupt_that_a_library_made_another_error_of_is_quiet():
    act = "import builtins\n            try: raise KeyboardInterrupt\n            "
    act += "except KeyboardInterrupt: raise RuntimeError('import failed')"
    done = python(started(TABLE, INTERRUPTED_IMPORT.format(module="pandas", act=act)))
    assert (done.returncode, done.stderr) == (130, b"")


@pytest.mark.parametrize("module", ["numpy", "dlnflow.identification", "typer"])
def test_a_library_that_catches_everything_in_its_import_keeps_no_interrupt(module):
    act = f"try: {SIGNALLED}\n            except BaseException: pass"
    done = python(started(TABLE, INTERRUPTED_IMPORT.format(module=module, act=act)))
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_an_interrupt_in_a_destructor_ends_the_command():
    """Python itself would print it, forget it and go on."""
    before = f"""
import os, signal, dlnflow
class Dropped:
    def __del__(self):
        {SIGNALLED}
dlnflow.critical_time_table = lambda *_, **__: Dropped() and None
"""
    done = python(started(TABLE, before))
    assert (done.returncode, done.stderr) == (130, b"")


@pytest.mark.long
@pytest.mark.parametrize(
    ("broken", "arguments"),
    [
        ("dlnflow.critical_time_table", TABLE),
        ("dlnflow.simulate", ("simulate", *TWO, "-L", 1)),
        ("dlnflow.simulate", ("figure", "trajectories", *TWO, "-L", 1)),
        ("dlnflow.symbolic.Derivation.verify", ("derive", "mae", "-L", 1, "--verify")),
        ("dlnflow.studies.demo.run", ("demo", "--out", "demo")),
    ],
)
def test_an_interrupt_in_the_middle_of_the_work_is_quiet(tmp_path, broken, arguments):
    before = f"""
import os, signal, dlnflow
{broken} = lambda *_, **__: {SIGNALLED}
"""
    done = python(started(arguments, before), cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


@pytest.mark.long
def test_an_interrupt_that_the_parent_ignores_is_ignored():
    before = f"import os, signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {SIGNALLED}\n"
    done = python(started((*TABLE, "-f", "csv"), before))
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_first_step_of_the_command_loads_nothing_that_could_be_interrupted():
    before = "import sys; seen = set(sys.modules); import dlnflow_command;"
    done = python(before + "print(*sorted(set(sys.modules) - seen))", text=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded <= {"dlnflow_command"} | set(sys.stdlib_module_names)


def test_a_bug_shows_its_traceback_and_is_no_finding():
    before = "import dlnflow\ndlnflow.critical_time_table = lambda *_, **__: 1 / 0\n"
    done = python(started(TABLE, before), text=True)
    assert done.returncode == 70
    assert done.stderr.startswith("Traceback (most recent call last)")
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_a_broken_installation_is_no_finding():
    before = INTERRUPTED_IMPORT.format(module="typer", act="raise ImportError('no typer')")
    done = python(started(TABLE, before), text=True)
    assert done.returncode == 70
    assert done.stderr.endswith("ImportError: no typer\n")


@pytest.mark.long
@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("table", "--help"), TABLE, (*TABLE, "-f", "csv"), ("derive", "jepa", "-L", "1")],
    ids=" ".join,
)
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_pipe_that_nobody_reads_is_quiet_and_no_finding(arguments, unbuffered):
    command = [sys.executable, "-m", "dlnflow", *map(str, arguments)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_every_exit_code_is_in_the_help():
    told = " ".join(output("--help").split())
    for code in ("0 done", "1 a finding", "2 bad input", "70 an error in dlnflow itself"):
        assert code in told
    assert "130 interrupted; 141 nobody reads" in told


ENCODINGS = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "locale C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}
EVERY = {
    "help": ("--help",),
    "claims": ("claims", "--only", "4", "--quick"),
    "claims as markdown": ("claims", "--only", "4", "--quick", "--format", "markdown"),
    "derive": ("derive", "mae", "-L", 1),
    "derive --verify": ("derive", "mae", "-L", 1, "--verify"),
    "table": TABLE,
    "table as markdown": (*TABLE, "--objective", "layer-1", "-f", "markdown"),
    "simulate": ("simulate", *TWO, "-L", 1, "--times", "1,2"),
    "modes": ("modes", "x.npy", "--lag", 1, "-L", 2),
    "identify": ("identify", "curves.csv", "-L", 2),
    "figure": ("figure", "map", "-L", 2, "--out", "map.png"),
}


@pytest.fixture
def inputs(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(50, 2)))
    text = output("simulate", *TWO, "-L", 2, "--objective", "mae", "-f", "csv")
    (tmp_path / "curves.csv").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("command", EVERY)
def test_every_command_speaks_ascii_where_there_is_nothing_else(inputs, command):
    done = python(started(EVERY[command]), environment=ENCODINGS["ascii"], cwd=inputs)
    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).isascii()
    assert rb"\u" not in done.stdout + done.stderr


@pytest.mark.long
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_an_encoding_lacks_is_written_in_plain_characters(encoding):
    """Greek, dashes and lines from any command, on both streams, and the exit code stays."""
    before = """
import sys, typer
from dlnflow.cli import app
@app.command("speak")
def speak():
    for stream in (sys.stdout, sys.stderr):
        print("\\u03bb \\u2192 \\u03c1\\u2026\\u2500\\u4e2d", file=stream)
    raise typer.Exit(1)
"""
    done = python(started(["speak"], before), environment=ENCODINGS[encoding])
    dots = {"cp1252": b"\x85"}.get(encoding, b"...")
    assert done.returncode == 1
    assert done.stdout == done.stderr == b"lambda -> rho" + dots + b"-\\u4e2d" + os.linesep.encode()


@pytest.mark.long
def test_a_refusal_that_names_a_greek_file_is_still_one_line(tmp_path):
    done = python(started([*TABLE, "--out", "λ/t.csv"]), environment=ENCODINGS["ascii"])
    assert done.returncode == 2
    expected = b"error: lambda/t.csv: cannot be written: there is no directory lambda\n"
    assert done.stderr == expected


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "locale C"])
def test_files_are_in_utf_8_whatever_the_terminal_is(tmp_path, encoding):
    arguments = ("derive", "mae", "-L", 1, "--verify", "--out", "d.txt")
    done = python(started(arguments), environment=ENCODINGS[encoding], cwd=tmp_path)
    assert done.returncode == 0
    assert "─" in (tmp_path / "d.txt").read_text(encoding="utf-8")


def test_no_character_of_the_package_is_left_to_a_number():
    """Each has a name or a likeness in ASCII; a number in its place could not be read."""
    root = Path(dlnflow.__file__).parent
    for path in root.rglob("*.py"):
        if path.name != "_characters.py":
            for one in set(re.findall(r"[^\x00-\x7f]", path.read_text(encoding="utf-8"))):
                assert "\\" not in plain(one), (path, one)


def test_the_greek_alphabet_is_spelled():
    assert plain("αβγδεζηθικλμνξοπρστυφχψω ϵϱ ΛΣ") == (
        "alphabetagammadeltaepsilonzetaetathetaiotakappalambdamunuxiomicronpirhosigmatauupsilon"
        "phichipsiomega epsilonrho LambdaSigma"
    )
    assert signal.SIGINT + 128 == 130

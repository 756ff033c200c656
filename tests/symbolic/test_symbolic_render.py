"""The derivation to read: complete, in every format, and the page in docs is what it prints."""

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
import sympy as sp
from typer.testing import CliRunner

from dlnflow import symbolic
from dlnflow.cli import app
from dlnflow.symbolic._printers import latex, plain

ROOT = Path(__file__).parents[2]
w, v, tau, beta = sp.symbols("w v tau beta", positive=True)
NAMES = ["jepa", "mae", "layer-m", "decayed"]


@cache
def derivation(name):
    if name == "decayed":
        loss = symbolic.lam / symbolic.rho / 2 * (v * w) ** 2 - symbolic.lam * v * w * tau
        return symbolic.derive_mode_ode(
            loss + beta / 2 * (v**2 + w**2),
            encoder=w,
            decoder=v,
            frozen={tau: w},
            parameters=[beta],
        )
    L = {"jepa": 3}.get(name)
    return symbolic.derive(name, L=L, decoder_depth=None if name == "layer-m" else 1)


@pytest.fixture(params=NAMES)
def d(request):
    return derivation(request.param)


def formulas(markdown):
    return re.findall(r"\$\$\n(.+?)\n\$\$|\$([^$\n]+)\$", markdown, flags=re.DOTALL)


@pytest.mark.long
def test_every_format_holds_every_step(d):
    for text in (d.to_text(), d.to_markdown(), d.to_latex()):
        for step in d.steps:
            assert str(step) in text
    assert sum(len(step.statement) for step in d.steps) <= len(formulas(d.to_markdown()))
    assert d._repr_markdown_() == d.to_markdown()


def test_latex_is_balanced_and_has_no_stray_special_characters(d):
    text = d.to_latex()
    assert text.count("{") == text.count("}")
    assert len(re.findall(r"\\left\b", text)) == len(re.findall(r"\\right\b", text))
    assert text.startswith(r"\documentclass")
    assert text.rstrip().endswith(r"\end{document}")
    prose = re.sub(r"\\fitted\{.*\}", "", text.split(r"\maketitle")[1])
    assert not re.search(r"(?<!\\)[_%&#]", prose)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_compiles(d, tmp_path):
    (tmp_path / "d.tex").write_text(d.to_latex())
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "d.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-2000:]
    assert "Overfull" not in run.stdout


def test_formulas_are_in_the_papers_symbols():
    d = symbolic.derive("mae")
    assert latex(d.mode_ode) == (
        r"\frac{d \bar{w}}{d t} = \lambda \bar{w}^{2 - \frac{1}{L}} - "
        r"\frac{\lambda \bar{w}^{3}}{\rho}"
    )
    assert plain(d.mode_ode) == "dw/dt = lam*w**(2 - 1/L) - lam*w**3/rho"
    everything = "".join(latex(relation) for step in d.steps for relation in step.statement)
    for command in (r"\lambda", r"\varepsilon", r"\Sigma"):
        assert command in everything
        everything = everything.replace(command, "")
    assert not re.search(r"lam|eps|Sigma|t_star|\\mathtt|plateau", everything)


def test_notebooks_show_greek_letters_and_str_stays_plain():
    d = symbolic.derive("jepa", L=2)
    for shown in (d._repr_latex_(), d["10b"]._repr_latex_(), d["10b"]._repr_markdown_()):
        assert r"\lambda" in shown
        assert r"\rho" in shown
        assert "lam" not in re.sub(r"\\lambda|`[^`]*`", "", shown)
    assert r"\varepsilon" in d["10b"]._repr_latex_()
    assert str(d.rate) == "lam*rho**3/2"
    assert "lam*w**(5/2)" in repr(d)
    assert r"\beta" in derivation("decayed")._repr_latex_()


@pytest.mark.long
def test_plain_text_has_no_markup():
    for d in map(derivation, NAMES):
        assert "`" not in d.to_text()
        assert "$" not in d.to_text()
        assert "Derivative(" not in d.to_text()


def test_what_two_derivations_share_is_said_once():
    both = symbolic.side_by_side([symbolic.derive("jepa"), symbolic.derive("mae")])
    assert both.count("Let one orthogonal basis") == 1
    assert both.count(r"\frac{\partial E}{\partial X}") == 1
    assert both.count("*JEPA*:") >= 5


def test_an_equation_outside_the_family_says_so():
    assert "is not hyperlogistic" in derivation("decayed").to_text()
    assert "fixed point (stable): 0" in derivation("decayed").to_text()


@pytest.mark.long
def test_the_page_in_docs_is_what_the_command_prints():
    """``make docs`` writes it anew."""
    printed = CliRunner().invoke(app, ["derive", "jepa", "mae", "layer-m", "--format", "markdown"])
    assert printed.exit_code == 0
    assert (ROOT / "docs" / "derivation.md").read_text(encoding="utf-8") == printed.stdout


def test_the_makefile_writes_that_page():
    makefile = (ROOT / "Makefile").read_text()
    assert "dlnflow derive jepa mae layer-m --out docs/derivation.md" in makefile


@pytest.mark.parametrize(
    ("given", "error"),
    [*((bad, TypeError) for bad in (None, 3, [3], "x", "", sp.Symbol("x"))), ([], ValueError)],
)
def test_only_derivations_are_set_side_by_side(given, error):
    with pytest.raises(error, match="derivations must "):
        symbolic.side_by_side(given)
    with pytest.raises(TypeError, match=r"derivations must .*: got Derivation"):
        symbolic.side_by_side(derivation("decayed"))

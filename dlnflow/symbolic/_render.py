"""Derivations as text, Markdown and LaTeX documents."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

from dlnflow.symbolic._printers import latex, plain
from dlnflow.symbolic._step import Step

WIDTH = 100  # characters of a line of text


class Readable(NamedTuple):
    """What is rendered of a derivation."""

    title: str
    steps: Sequence[Step]
    results: Sequence[tuple[str, Any]]
    conditions: Sequence[Any]
    why_not: str


HOW_TO_READ = (
    "Every step has a statement, an explanation, a source and an independent check; `dlnflow "
    'derive --verify` runs all checks. "The paper" is Littwin et al. 2024, arXiv:2407.03475v1. Its '
    "body could not be read for this project; its theorems are cited as others restate them. A "
    'step "derived here" may have been published elsewhere.'
)
NOTATION = (
    (r"\Sigma_{xx}, \Sigma_{yx}, \Sigma_{yy}", "Sigma_xx", "covariances of context and target"),
    (r"\lambda, \rho", "lam, rho", "of a mode: its entry of Sigma_yx, and that over its variance"),
    ("L, P, m", "L, P, m", "encoder depth, decoder depth, layer of the target"),
    ("k = L + P - m", "", "number of layers between target and prediction"),
    (r"\bar{w}, u", "w, u", "amplitude of the encoder in the mode, and of each of its layers"),
    (
        r"\varepsilon, p",
        "eps, p",
        "amplitude at the initialisation; fraction of the plateau, 0 < p < 1",
    ),
    (r"t_{\mathrm{net}}, t_{\mathrm{paper}}, t", "t_network, t_paper, t", "time on either clock"),
    (r"q, c, \kappa", "q, c, kappa", "learned fraction, order, rate (on the chosen clock)"),
    (
        "t^{*}, T_c, R",
        "t_star, T_c, R",
        "critical time, its integral, its remainder after step 10b",
    ),
    ("G, g, S", "G, g, S", "relative gap of two modes, its order, critical time at lam = 1"),
)


def to_text(derivation: Readable) -> str:
    """As text with one line per formula."""
    lines = [f"Derivation: {derivation.title}", ""]
    for step in derivation.steps:
        lines += [str(step), *_wrapped(step.explanation, "   ")]
        lines += ["", *(f"      {plain(relation)}" for relation in step.statement), ""]
        lines += _wrapped(f"source: {step.source}", "   ")
        lines += [*_wrapped(f"checked by: {step.how} ({step.depths})", "   "), ""]
    lines += ["Result", *(f"   {name}: {plain(one)}" for name, one in derivation.results)]
    if derivation.why_not:
        lines += _wrapped(derivation.why_not, "   ")
    lines += [f"   for {plain(condition)}" for condition in derivation.conditions]
    return "\n".join(lines) + "\n"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text.replace("`", ""), WIDTH, initial_indent=indent, subsequent_indent=indent
    )


def to_markdown(derivations: Sequence[Readable]) -> str:
    """Several derivations step by step; what they share is printed once."""
    blocks = [
        f"# Derivation: {_several([one.title for one in derivations])}",
        *_shared_title(derivations),
    ]
    blocks += [HOW_TO_READ, _notation()]
    numbers = _unique([step.number for one in derivations for step in one.steps])
    for number in sorted(numbers, key=_position):
        having = [one for one in derivations if any(s.number == number for s in one.steps)]
        blocks += _markdown_step(
            [(one.title, _numbered(one, number)) for one in having], len(derivations)
        )
    blocks += ["## Result", *_markdown_result(derivations)]
    return "\n\n".join(blocks) + "\n"


def _notation() -> str:
    head = ["| symbol | in code | meaning |", "|---|---|---|"]
    rows = [f"| ${symbol}$ | {code} | {meaning} |" for symbol, code, meaning in NOTATION]
    return "\n".join(head + rows)


def _numbered(derivation: Readable, number: str) -> Step:
    return next(step for step in derivation.steps if step.number == number)


def _shared_title(derivations: Sequence[Readable]) -> list[str]:
    """Depths and clock, printed once if they are shared."""
    rest = _unique([one.title.partition(", ")[2] for one in derivations])
    if len(rest) == 1:
        return [f"For {rest[0]}."]
    return ["\n".join(f"- {one.title}" for one in derivations)]


def _position(number: str) -> tuple[int, str]:
    digits = "".join(filter(str.isdigit, number))
    return int(digits), number


def _unique(values: Sequence[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _markdown_step(found: list[tuple[str, Step]], count: int) -> list[str]:
    steps = [step for _, step in found]
    blocks = [f"## {steps[0]}"]
    blocks += _labelled("explanation", found, count)
    shared = [one for one in steps[0].statement if all(one in step.statement for step in steps)]
    if len(shared) < len(steps[0].statement):
        blocks += [_formula(relation) for relation in shared]
        blocks += _own_statements(found, shared, count)
    else:
        blocks += [_formula(relation) for relation in steps[0].statement]
    blocks += _labelled("source", found, count)
    for how in _unique([step.how for step in steps]):
        alike = [(title, step.depths) for title, step in found if step.how == how]
        blocks.append(f"Checked by: {how} ({_tried(alike)}).")
    return blocks


def _tried(found: list[tuple[str, str]]) -> str:
    """The depths tried, with the derivations' names where the depths differ."""
    places = _unique([depths for _, depths in found])
    if len(places) == 1:
        return str(places[0])
    named = {place: [title for title, depths in found if depths == place] for place in places}
    return "; ".join(f"{_several(titles)}: {place}" for place, titles in named.items())


def _labelled(attribute: str, found: list[tuple[str, Step]], count: int) -> list[str]:
    """The explanations or sources of steps, with names where they differ."""
    name = "Source: " if attribute == "source" else ""
    end = "." if attribute == "source" else ""
    blocks = []
    for value in _unique([getattr(step, attribute) for _, step in found]):
        titles = [title for title, step in found if getattr(step, attribute) == value]
        label = f"*{_several(titles)}*: " if len(titles) < count else ""
        blocks.append(f"{name}{label}{value}{end}")
    return blocks


def _own_statements(found: list[tuple[str, Step]], shared: list[Any], count: int) -> list[str]:
    """The relations that are not shared, under the names of their derivations."""
    own = [
        (title, tuple(one for one in step.statement if one not in shared)) for title, step in found
    ]
    blocks = []
    for relations in _unique([statement for _, statement in own]):
        titles = [title for title, statement in own if statement == relations]
        blocks += [f"*{_several(titles)}*:"] if len(titles) < count else []
        blocks += [_formula(relation) for relation in relations]
    return blocks


def _formula(relation: Any) -> str:
    return f"$$\n{latex(relation)}\n$$"


def _several(titles: Sequence[str]) -> str:
    return "; ".join(title.split(",")[0] for title in titles)


def _markdown_result(derivations: Sequence[Readable]) -> list[str]:
    blocks = []
    for one in derivations:
        rows = [f"| {name} | ${_cell(value)}$ |" for name, value in one.results]
        title = _several([one.title]) if len(derivations) > 1 else "result"
        blocks.append("\n".join([f"| {title} | |", "|---|---|", *rows]))
        blocks += [one.why_not] if one.why_not else []
        blocks += [
            f"{title.capitalize()}: for ${latex(one_condition)}$."
            for one_condition in one.conditions
        ]
    return blocks


def _cell(value: Any) -> str:
    return latex(value).replace("|", r"\vert ")


PREAMBLE = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{amsmath,amssymb}
\usepackage{graphicx}
\usepackage[margin=2.5cm]{geometry}
\sloppy
\newsavebox{\formula}
\newcommand{\fitted}[1]{\savebox{\formula}{$\displaystyle #1$}%
  \[\ifdim\wd\formula>\linewidth\resizebox{\linewidth}{!}{\usebox{\formula}}%
  \else\usebox{\formula}\fi\]}
"""


def to_latex(derivation: Readable) -> str:
    """A document that compiles with pdflatex."""
    parts = [PREAMBLE, rf"\title{{Derivation: {_prose(derivation.title)}}}", r"\date{}"]
    parts += [r"\begin{document}", r"\maketitle"]
    for step in derivation.steps:
        parts += [rf"\section*{{{_prose(str(step))}}}", _prose(step.explanation)]
        parts += [_display(relation) for relation in step.statement]
        parts += [
            rf"\noindent\emph{{Source:}} {_prose(step.source)}.\quad"
            rf" \emph{{Checked by:}} {_prose(step.how)} ({_prose(step.depths)})."
        ]
    parts.append(r"\section*{Result}")
    for name, value in derivation.results:
        parts += [_prose(name), _display(value)]
    parts += [_prose(derivation.why_not)] if derivation.why_not else []
    parts += [_display(condition) for condition in derivation.conditions]
    return "\n\n".join([*parts, r"\end{document}"]) + "\n"


def _display(relation: Any) -> str:
    return rf"\fitted{{{latex(relation)}}}"


def _prose(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "^": r"\^{}", "~": r"\~{}", "<": r"$<$", ">": r"$>$"}
    escaped = re.sub(r"[\\#$%&_{}^~<>]", lambda found: special.get(found[0], "\\" + found[0]), text)
    return re.sub("`([^`]*)`", r"\\texttt{\1}", escaped)

"""Derivations as text, Markdown and LaTeX documents.

A derivation is anything with `Derivation`'s ``title``, ``steps``, ``results``, ``conditions`` and
``why_not``.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from dlnflow.symbolic._printers import latex, plain
from dlnflow.symbolic._step import Step

WIDTH = 100  # characters of a line of text


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


def to_text(derivation: Any) -> str:
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


def to_markdown(derivations: Sequence[Any]) -> str:
    """Several derivations step by step; what they share is printed once."""
    rest = _by_value((one.title, one.title.partition(", ")[2]) for one in derivations)
    shared = f"For {next(iter(rest))}." if len(rest) == 1 else _titles(derivations)
    blocks = [f"# Derivation: {_several([one.title for one in derivations])}", shared]
    blocks += [HOW_TO_READ, _notation()]
    having: dict[str, list[tuple[str, Step]]] = {}
    for one in derivations:
        for step in one.steps:
            having.setdefault(step.number, []).append((one.title, step))
    for number in sorted(having, key=_position):
        blocks += _markdown_step(having[number], len(derivations))
    blocks += ["## Result", *_markdown_result(derivations)]
    return "\n\n".join(blocks) + "\n"


def _notation() -> str:
    head = ["| symbol | in code | meaning |", "|---|---|---|"]
    rows = [f"| ${symbol}$ | {code} | {meaning} |" for symbol, code, meaning in NOTATION]
    return "\n".join(head + rows)


def _titles(derivations: Sequence[Any]) -> str:
    return "\n".join(f"- {one.title}" for one in derivations)


def _position(number: str) -> tuple[int, str]:
    return int(number.rstrip("abcdefgh")), number


def _by_value(found: Iterable[tuple[str, Any]]) -> dict[Any, list[str]]:
    """The derivations, by what they have; equal ones together."""
    groups: dict[Any, list[str]] = {}
    for title, value in found:
        groups.setdefault(value, []).append(title)
    return groups


def _markdown_step(found: list[tuple[str, Step]], count: int) -> list[str]:
    def labelled(values: Iterable[Any]) -> Iterator[tuple[str, Any]]:
        """Values that differ, with the names of the derivations that have each."""
        groups = _by_value(zip((title for title, _ in found), values, strict=True))
        for value, titles in groups.items():
            yield f"*{_several(titles)}*:" if len(titles) < count else "", value

    steps = [step for _, step in found]
    blocks = [f"## {steps[0]}"]
    blocks += [f"{name} {one}".lstrip() for name, one in labelled(s.explanation for s in steps)]
    shared = [one for one in steps[0].statement if all(one in step.statement for step in steps)]
    blocks += map(_formula, shared)
    own = [tuple(one for one in step.statement if one not in shared) for step in steps]
    if own[0]:
        for name, relations in labelled(own):
            blocks += [name] * bool(name) + [_formula(relation) for relation in relations]
    for name, source in labelled(step.source for step in steps):
        blocks.append(f"Source: {name} {source}.".replace("  ", " "))
    for how in dict.fromkeys(step.how for step in steps):
        depths = _by_value((title, step.depths) for title, step in found if step.how == how)
        places = [f"{_several(titles)}: {place}" for place, titles in depths.items()]
        tried = next(iter(depths)) if len(depths) == 1 else "; ".join(places)
        blocks.append(f"Checked by: {how} ({tried}).")
    return blocks


def _formula(relation: Any) -> str:
    return f"$$\n{latex(relation)}\n$$"


def _several(titles: Sequence[str]) -> str:
    return "; ".join(title.split(",")[0] for title in titles)


def _markdown_result(derivations: Sequence[Any]) -> list[str]:
    blocks = []
    for one in derivations:
        rows = [f"| {name} | ${_cell(value)}$ |" for name, value in one.results]
        title = _several([one.title]) if len(derivations) > 1 else "result"
        blocks.append("\n".join([f"| {title} | |", "|---|---|", *rows]))
        blocks += [one.why_not] if one.why_not else []
        blocks += [f"{title.capitalize()}: for ${latex(when)}$." for when in one.conditions]
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


def to_latex(derivation: Any) -> str:
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

"""A derivation to read: text, Markdown, a LaTeX document."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dlnflow.symbolic._printers import latex, plain
from dlnflow.symbolic._step import Step

if TYPE_CHECKING:
    from dlnflow.symbolic._derivation import Derivation

WIDTH = 100


HOW_TO_READ = (
    "Every step says what holds, why, where it comes from, and by which second route it is "
    'checked; `dlnflow derive --verify` runs all checks. "The paper" is Littwin et al. 2024, '
    "arXiv:2407.03475."
)
NOTATION = (
    (r"\Sigma_{xx}, \Sigma_{yx}, \Sigma_{yy}", "Sigma_xx", "covariances of context and target"),
    (r"\lambda, \rho", "lam, rho", "of a mode: its entry of Sigma_yx, and that over its variance"),
    ("L, P, m", "L, P, m", "encoder depth, decoder depth, layer of the target"),
    ("k = L + P - m", "", "number of layers between target and prediction"),
    (r"\bar{w}, u", "w, u", "amplitude of the encoder in the mode, and of each of its layers"),
    (r"\varepsilon, p", "eps, p", "amplitude at the start; fraction of the plateau, 0 < p < 1"),
    (r"t_{\mathrm{net}}, t_{\mathrm{paper}}, t", "t_network, t_paper, t", "time on either clock"),
    (r"q, c, \kappa", "q, c, kappa", "learned fraction, order, rate (on the chosen clock)"),
    ("t^{*}, T_c, R", "t_star, T_c, R", "critical time, its integral, what step 10b leaves out"),
    ("G, g, S", "G, g, S", "relative gap of two modes, its order, critical time at lam = 1"),
)


def summary(derivation: Derivation) -> list[tuple[str, Any]]:
    """The quantities that a derivation comes to, with their names."""
    found: list[tuple[str, Any]] = [("mode equation", derivation.mode_ode)]
    if derivation.in_family:
        found += [
            ("order c", derivation.order),
            ("rate kappa", derivation.rate),
            ("plateau", derivation.plateau),
        ]
    else:
        found += [(f"fixed point {_stability(one)}", one.w) for one in derivation.fixed_points]
    return found


def _stability(point: Any) -> str:
    words = {True: "(stable)", False: "(unstable)", None: "(stability not decided)"}
    return words[point.stable]


def to_text(derivation: Derivation) -> str:
    """One line per formula, wrapped prose."""
    lines = [f"Derivation: {derivation.title}", ""]
    for step in derivation.steps:
        lines += [str(step), *_wrapped(step.explanation, "   ")]
        lines += ["", *(f"      {plain(relation)}" for relation in step.statement), ""]
        lines += _wrapped(f"source: {step.source}", "   ")
        lines += [*_wrapped(f"checked by: {step.how} ({step.depths})", "   "), ""]
    lines += ["Result", *(f"   {name}: {plain(one)}" for name, one in summary(derivation))]
    if derivation.why_not:
        lines += _wrapped(derivation.why_not, "   ")
    lines += [f"   for {plain(condition)}" for condition in derivation.conditions]
    return "\n".join(lines) + "\n"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text.replace("`", ""), WIDTH, initial_indent=indent, subsequent_indent=indent
    )


def to_markdown(derivations: Sequence[Derivation]) -> str:
    """Derivations as Markdown, one below the other step by step; what they share is said once.

    Parameters
    ----------
    derivations : sequence of Derivation

    Returns
    -------
    str

    Raises
    ------
    TypeError, ValueError
        For anything but derivations, and for none.

    Examples
    --------
    >>> from dlnflow import symbolic
    >>> text = symbolic.side_by_side([symbolic.derive("jepa"), symbolic.derive("mae")])
    >>> print(text.splitlines()[0])
    # Derivation: JEPA; MAE
    """
    derivations = _validated(derivations)
    blocks = [
        f"# Derivation: {_several([one.title for one in derivations])}",
        *_settings(derivations),
    ]
    blocks += [HOW_TO_READ, _notation()]
    numbers = _unique([step.number for one in derivations for step in one.steps])
    for number in sorted(numbers, key=_position):
        having = [one for one in derivations if any(s.number == number for s in one.steps)]
        blocks += _markdown_step([(one.title, one[number]) for one in having], len(derivations))
    blocks += ["## Result", *_markdown_result(derivations)]
    return "\n\n".join(blocks) + "\n"


def _validated(derivations: Any) -> list[Derivation]:
    from dlnflow.symbolic._derivation import Derivation

    rule = "derivations must be a sequence of dlnflow.symbolic.Derivation"
    if isinstance(derivations, str) or not isinstance(derivations, Sequence):
        raise TypeError(f"{rule}: got {type(derivations).__name__}")
    found = list(derivations)
    for one in found:
        if not isinstance(one, Derivation):
            raise TypeError(f"{rule}: got {type(one).__name__} in it")
    if not found:
        raise ValueError("derivations must hold at least one: got none")
    return found


def _notation() -> str:
    head = ["| symbol | in code | meaning |", "|---|---|---|"]
    rows = [f"| ${symbol}$ | {code} | {meaning} |" for symbol, code, meaning in NOTATION]
    return "\n".join(head + rows)


def _settings(derivations: Sequence[Derivation]) -> list[str]:
    """Depths and clock: once if they are shared."""
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
    """Where a check was tried, and for which derivations if that differs."""
    places = _unique([depths for _, depths in found])
    if len(places) == 1:
        return str(places[0])
    named = {place: [title for title, depths in found if depths == place] for place in places}
    return "; ".join(f"{_several(titles)}: {place}" for place, titles in named.items())


def _labelled(attribute: str, found: list[tuple[str, Step]], count: int) -> list[str]:
    """What steps say in words: once, or with the names of those that say it."""
    name = "Source: " if attribute == "source" else ""
    end = "." if attribute == "source" else ""
    blocks = []
    for value in _unique([getattr(step, attribute) for _, step in found]):
        titles = [title for title, step in found if getattr(step, attribute) == value]
        label = f"*{_several(titles)}*: " if len(titles) < count else ""
        blocks.append(f"{name}{label}{value}{end}")
    return blocks


def _own_statements(found: list[tuple[str, Step]], shared: list[Any], count: int) -> list[str]:
    """The relations that are not shared, under the names of the derivations that have them."""
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


def _markdown_result(derivations: Sequence[Derivation]) -> list[str]:
    blocks = []
    for one in derivations:
        rows = [f"| {name} | ${_cell(value)}$ |" for name, value in summary(one)]
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


def to_latex(derivation: Derivation) -> str:
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
    for name, value in summary(derivation):
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

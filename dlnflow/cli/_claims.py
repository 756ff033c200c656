"""``dlnflow claims``: the paper's claims, recomputed and judged."""

from __future__ import annotations

from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlnflow.cli import _options as options
from dlnflow.cli._reading import InputError
from dlnflow.cli._refusals import FINDING, library_refusals, say
from dlnflow.cli._tables import by_suffix, hand_over, writable, writing

if TYPE_CHECKING:
    from dlnflow.studies.claims import Report

WIDTH = 132  # characters of the table


class Document(StrEnum):
    """How a report is written."""

    table = "table"
    markdown = "markdown"
    json = "json"
    html = "html"


SUFFIXES = {
    ".md": Document.markdown,
    ".json": Document.json,
    ".html": Document.html,
    ".htm": Document.html,
    ".txt": Document.table,
}


def claims(
    *,
    only: Annotated[
        str | None,
        options.option(
            "--only",
            metavar="LIST",
            panel="Claims",
            help="Numbers of claims: 3,12a; 12 for its parts.",
        ),
    ] = None,
    quick: Annotated[
        bool,
        options.option(
            "--quick", panel="Claims", help="Fewer settings: a minute in place of several."
        ),
    ] = False,
    form: Annotated[
        Document | None,
        options.option(
            "--format",
            panel="Output",
            help="By default what the suffix of --out says (.md, .json, .html, .txt), else table.",
        ),
    ] = None,
    figures: Annotated[
        Path | None,
        options.option(
            "--figures",
            metavar="FOLDER",
            panel="Output",
            help="Where to put a figure of each claim, and its data as CSV.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        options.option("--out", "-o", metavar="FILE", panel="Output", help="Where to write."),
    ] = None,
) -> None:
    """The paper, claim by claim: recomputed and judged.

    Exit code 1 if a verdict or a number is not as recorded, or a control does not refute.

    Each claim is put to several routes that share no code (closed form, SciPy, mpmath, computer
    algebra, networks of matrices), in many settings, and once more with its premise broken.
    """
    from dlnflow.studies import claims as theirs

    writable(out)
    if figures is not None and figures.exists() and not figures.is_dir():
        raise InputError(f"{figures}: cannot be written: it is a file, not a folder")
    chosen = by_suffix(form, out, SUFFIXES, Document.table)
    wanted = None if only is None else [name.strip() for name in only.split(",")]
    with library_refusals():
        report = theirs.run(wanted, quick=quick, progress=True)
    hand_over(_written(report, chosen), out)
    if figures is not None:
        with writing(figures):
            made = report.save_figures(figures)
        say(f"wrote {figures}: {len(made)} figures and their data")
    _end(report)


def _end(report: Report) -> None:
    """Say what is not as it should be; exit 1 if anything is, 130 after an interrupt."""
    for one in report.changed:
        if str(one.verdict) != one.recorded:
            say(f"claim {one.claim.name}: {one.summary}; recorded is: {one.recorded or 'nothing'}")
            continue
        for name, (value, before) in one.moved.items():
            say(f"claim {one.claim.name}: {name}: {_told(value)}; recorded is: {_told(before)}")
    for one in report.unsound:
        say(f"claim {one.claim.name}: its control does not refute it: {one.control}")
    if report.stopped:
        say(f"stopped early: {report.stopped}; {counted(len(report))} examined")
        raise typer.Exit(130)
    if report.changed or report.unsound:
        raise typer.Exit(FINDING)
    say(f"{counted(len(report))}, verdicts and numbers as recorded")


def _told(number: float | None) -> str:
    return "nothing" if number is None else f"{number:.6g}"


def counted(claims: int) -> str:
    """So many claims, in words."""
    return f"{claims} claim{'s' if claims != 1 else ''}"


def _written(report: Report, form: Document) -> str:
    return {
        Document.table: _table,
        Document.markdown: type(report).to_markdown,
        Document.json: type(report).to_json,
        Document.html: type(report).to_html,
    }[form](report)


def _table(report: Report) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=True)
    for name in ("", "claim", "verdict", "found"):
        table.add_column(name)
    table.add_column("routes", justify="right")
    table.add_column("control")
    for one in report.findings:
        table.add_row(
            one.claim.name,
            one.claim.title,
            one.brief,
            one.noted.sentence,
            str(len(one.routes)),
            str(one.control),
        )
    text = StringIO()
    Console(file=text, width=WIDTH, highlight=False, markup=False).print(table)
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())

"""``dlnflow claims``: recompute the claims and compare them with the record."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlnflow.cli import _options as options
from dlnflow.cli._reading import InputError, names
from dlnflow.cli._refusals import FINDING, library_refusals, say
from dlnflow.cli._tables import as_text, by_suffix, hand_over, rich_table, writing

if TYPE_CHECKING:
    from dlnflow.studies.claims import Report

WIDTH = 132  # characters of the table


class ReportFormat(StrEnum):
    """Format of the report."""

    table = "table"
    markdown = "markdown"
    json = "json"
    html = "html"


in_claims = options.panel("Claims")


def claims(
    *,
    only: Annotated[
        options.Names,
        in_claims(
            "--only LIST", "Numbers of claims, such as 3,12a; 12 selects its parts.", read=names
        ),
    ] = None,
    quick: Annotated[
        bool, in_claims("--quick", "Fewer cases: one minute instead of several.")
    ] = False,
    form: Annotated[
        ReportFormat | None,
        options.in_output(
            "--format", "Default: by the suffix of --out (.md, .json, .html, .txt), else table."
        ),
    ] = None,
    figures: Annotated[
        Path | None,
        options.in_output(
            "--figures FOLDER", "Folder for a figure of each claim and its data as CSV."
        ),
    ] = None,
    out: options.DocumentOut = None,
) -> None:
    """Recompute the claims of the paper, and claims beyond it, and give each a verdict.

    Exit code 1 if a verdict or a number differs from the record, or if a control fails.

    Several routes that share no code (closed form, SciPy, mpmath, computer algebra, networks of
    matrices) compute each claim in many cases. A control with a changed premise has to be false.
    """
    from dlnflow.studies import claims as theirs

    if figures is not None and figures.exists() and not figures.is_dir():
        raise InputError(f"{figures}: cannot be written: it is a file, not a folder")
    chosen = by_suffix(form, out, ReportFormat)
    with library_refusals():
        report = theirs.run(only, quick=quick, progress=True)
    hand_over(_written(report, chosen), out)
    if figures is not None:
        with writing(figures):
            made = report.save_figures(figures)
        say(f"wrote {figures}: {len(made)} figures and their data")
    _end(report)


def _end(report: Report) -> None:
    """Report differences from the record; exit 1 if there are any, 130 after an interrupt."""
    for one in report.changed:
        if str(one.verdict) != one.recorded:
            say(f"claim {one.claim.name}: {one.summary}; recorded is: {one.recorded or 'nothing'}")
            continue
        for name, (value, before) in one.moved.items():
            say(f"claim {one.claim.name}: {name}: {_shown(value)}; recorded is: {_shown(before)}")
    for one in report.unsound:
        say(f"claim {one.claim.name}: its control does not refute it: {one.control}")
    if report.stopped:
        say(f"stopped early: {report.stopped}; {counted(len(report))} examined")
        raise typer.Exit(130)
    if report.changed or report.unsound:
        raise typer.Exit(FINDING)
    say(f"{counted(len(report))}, verdicts and numbers as recorded")


def _shown(number: float | None) -> str:
    return "nothing" if number is None else f"{number:.6g}"


def counted(claims: int) -> str:
    """A number of claims, in words."""
    return f"{claims} claim{'s' if claims != 1 else ''}"


def _written(report: Report, form: ReportFormat) -> str:
    if form is not ReportFormat.table:
        return getattr(report, f"to_{form}")()
    headings = ("", "claim", "verdict", "found", "routes", "control")
    columns = {name: {"justify": "right" if name == "routes" else "left"} for name in headings}
    rows = [
        (
            one.claim.name,
            one.claim.title,
            one.brief,
            one.noted.sentence,
            len(one.routes),
            one.control,
        )
        for one in report.findings
    ]
    return as_text(rich_table(columns, rows, show_lines=True), WIDTH)

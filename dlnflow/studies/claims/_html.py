"""The report as one HTML file, its figures inside."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

from dlnflow.studies.claims._pages import anchor, heading, listed
from dlnflow.studies.claims.routes import ROUTES

if TYPE_CHECKING:
    from dlnflow.studies.claims._report import Finding, Report

STYLE = """\
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
       padding: 0 1rem; color: #222 }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem;
         border-bottom: 1px solid #ddd }
blockquote { border-left: 4px solid #0072B2; margin: 1rem 0; padding: .1rem 1rem;
             background: #f6f8fa }
img { max-width: 100% }
.verdict { font-weight: 600 }
.changed { color: #b00020 }
.source { color: #666; font-size: .9rem }
details table { font: 13px/1.4 ui-monospace, monospace }
"""
COLUMNS = ("route", "setting", "number", "true", "condition met")


def document(report: Report) -> str:
    """The whole file."""
    rows = "".join(_row(one) for one in report.findings)
    sections = "".join(_section(one) for one in report.findings)
    stopped = (
        f'<p class="changed">Stopped early: {escape(report.stopped)}.</p>' if report.stopped else ""
    )
    return (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8"><title>The paper, claim by claim</title>\n'
        f"<style>\n{STYLE}</style></head><body>\n<h1>The paper, claim by claim</h1>\n{stopped}"
        "<p>Littwin et al. (2024), <i>How JEPA Avoids Noisy Features</i>, arXiv:2407.03475, "
        "recomputed by <code>dlnflow claims</code>. Every number below comes from this run. A "
        "claim <b>holds</b> if it is true in every setting tried by every route, and <b>holds "
        "when</b> a condition is met if it is true there and nowhere else.</p>\n"
        f"<table><tr><th></th><th>claim</th><th>verdict</th><th>found</th></tr>{rows}</table>\n"
        f"{_routes(report)}{sections}</body></html>\n"
    )


def _row(one: Finding) -> str:
    found = one.to_dict()
    link = f'<a href="#{anchor(found)}">{escape(one.claim.title)}</a>'
    cells = (escape(one.claim.name), link, _verdict(one, one.brief), escape(one.noted.sentence))
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>\n"


def _verdict(one: Finding, text: str) -> str:
    words = f'<span class="verdict">{escape(text)}</span>'
    if one.changed:
        words += f' <span class="changed">(recorded: {escape(str(one.recorded))})</span>'
    return words


def _routes(report: Report) -> str:
    taken = {name for one in report.findings for name in one.routes}
    items = "".join(
        f"<li><b>{name}</b>: {escape(route.how)} (<code>{route.module}</code>)</li>"
        for name, route in ROUTES.items()
        if name in taken
    )
    return f"<h2>Routes</h2><ul>{items}</ul>\n"


def _section(one: Finding) -> str:
    found = one.to_dict()
    numbers = "".join(
        f"<tr><td>{escape(name)}</td><td>{value:.4g}</td></tr>"
        for name, value in one.noted.numbers.items()
    )
    return (
        f'<h2 id="{anchor(found)}">{escape(heading(found))}</h2>\n'
        f"<blockquote><p>{escape(one.claim.statement)}</p></blockquote>\n"
        f'<p class="source">{escape(one.claim.source)}</p>\n'
        f"<p>{_verdict(one, one.summary)}. {escape(one.noted.sentence)}</p>\n"
        f'<p><img alt="{escape(one.claim.title)}" src="data:image/png;base64,{_figure(one)}"></p>\n'
        f"<table>{numbers}</table>\n"
        f"<p>{len(one.observations)} observations by {escape(listed(one.routes))}; computed by "
        f"<code>{one.claim.module}</code> in {one.seconds:.1f} s. Control, "
        f"{escape(one.claim.control.words)}: <i>{one.control}</i>.</p>\n"
        f"<details><summary>All observations</summary>{_observations(one)}</details>\n"
    )


def _observations(one: Finding) -> str:
    head = "".join(f"<th>{name}</th>" for name in COLUMNS)
    rows = (
        (seen.route, f"{seen.series}, {seen.x:g}", f"{seen.number:.6g}", seen.holds, seen.inside)
        for seen in one.observations
    )
    return f"<table><tr>{head}</tr>{''.join(map(_plain_row, rows))}</table>"


def _plain_row(cells: Iterable[object]) -> str:
    words = {True: "yes", False: "no"}
    shown = (words[cell] if isinstance(cell, bool) else str(cell) for cell in cells)
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in shown) + "</tr>"


def _figure(one: Finding) -> str:
    import matplotlib.pyplot as plt

    axes = one.plot()
    buffer = BytesIO()
    axes.figure.savefig(buffer, format="png", dpi=100)
    plt.close(axes.figure)
    return b64encode(buffer.getvalue()).decode("ascii")

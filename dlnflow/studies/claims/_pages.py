"""The report as a Markdown page, an HTML file, and tables for other pages."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from html import escape
from io import BytesIO
from typing import Any, NamedTuple

from dlnflow.studies.claims._claim import Claim, Noted, Observations
from dlnflow.studies.claims._verdict import Verdict
from dlnflow.studies.claims.routes import ROUTES

PACKAGE = "../dlnflow"  # from docs/
START, END = "<!-- {} -->\n", "<!-- end -->\n"  # of a block that is written by machine
FIGURES = "figures/claims"
FORMATS = (  # how a number's name begins, and its format; boundaries are known to 3 %
    ("smallest lam_2/lam_1", ".3g"),  # known to 3 % of its distance from 1
    ("largest L", "g"),
    *((name, "#.2g") for name in ("boundary", "largest", "smallest")),
    *((name, "#.2g") for name in ("imbalance", "overlap", "commutator")),
    ("", ".4g"),
)
DELAYS = (("1e-3", 1), ("1e-3", 3), ("1e-3", 6), ("1e-6", 3))  # eps, L
INTRODUCTION = """\
# The claims, one by one

Printed by `dlnflow claims --format markdown`, which recomputes everything below. Claims 1 to 9 are
the paper's. Claims 10 and 11 test two of its assumptions. Claims 12a to 13c go beyond it: 12a drops
an assumption, 12b and 12c are questions raised about it, 13a to 13c are derived here. Claim 14
tests its preference from the initialisations of practice, and claim 15 what is learned first from
real data. The paper is arXiv:2407.03475 in its first version; numbers of theorems may differ in
others. Its body could not be read for this project, only its abstract, a figure caption and
theorems as restated by others.

Each claim is a statement that is true or false in any one case. Several *routes* that share no code
for the number in question compute it in many cases, and one rule
([`verdict_of`](../dlnflow/studies/claims/_verdict.py)) gives the verdict:

- **holds**: true in every case;
- **holds when ...**: true in every case that meets the condition and in no other. At least two
  routes observe each series on each side of the condition that it reaches. A boundary is a root of
  the closed form or of one network; the other routes confirm it 3 % below and above. So boundaries
  are printed with two digits;
- **does not hold**: otherwise, with a case that shows it.

If two routes disagree in a case, there is no verdict. (Distances from a prediction only have to be
small.) Every claim has a *control*: with a changed premise it has to be false. Each verdict links
to the code that computed it. Verdicts and numbers are compared with those recorded with the code.
Times are on the paper's clock. A mode counts as learned at half of its own plateau, and at time 0
if it starts above that. Where units can respond to several modes (claims 10 to 12a and 14, and the
recording of claim 4), it counts as learned when a linear probe reads half of its variance through
noise, which for an aligned mode is the same. Claim 3 measures the amplitudes of trained networks.

"""

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
COLUMNS = ("route", "case", "number", "true", "condition met")


class HtmlSection(NamedTuple):
    """What the HTML file shows of one finding."""

    found: Mapping[str, Any]
    claim: Claim
    noted: Noted
    observations: Observations
    control: Verdict
    brief: str
    summary: str
    recorded: str | None
    changed: bool
    seconds: float
    plot: Callable[[], Any]


def page(findings: Iterable[Mapping[str, Any]], stopped: str | None = None) -> str:
    """The report as a Markdown page."""
    every = list(findings)
    cut = f"**Stopped early: {stopped}.**\n\n" if stopped else ""
    parts = [INTRODUCTION, cut, table(every), "\n", routes(every)]
    return "".join([*parts, *map(section, every)])


def table(findings: Iterable[Mapping[str, Any]], link: str = "", package: str = PACKAGE) -> str:
    """The table of verdicts, one row for each claim.

    Parameters
    ----------
    findings : iterable of dict
        In the format of the record.
    link : str
        The page that holds the sections; by default the table's own.
    package : str
        Path of the package from the table's page.
    """
    lines = ["| | claim | verdict |", "|---|---|---|"]
    for one in findings:
        name = f"[{one['title']}]({link}#{anchor(one)})"
        short = {**one, "condition": brief(one["condition"])}
        lines.append(f"| {one['name']} | {name} | {verdict(short, package)} |")
    return "\n".join(lines) + "\n"


def brief(condition: str) -> str:
    """A condition without the numbers after its colon."""
    return condition.split(": ")[0]


def delays(findings: Iterable[Mapping[str, Any]]) -> str:
    """Table of the relative delay of the smaller of two ``rho``, from claim 5."""
    numbers = next(one["numbers"] for one in findings if one["name"] == "5")
    lines = ["| eps | L | JEPA | MAE |", "|---|---|---|---|"]
    for eps, L in DELAYS:
        cells = [percent(numbers[f"{name}, eps = {eps}, L = {L}"]) for name in ("JEPA", "MAE")]
        lines.append(f"| {eps} | {L} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def percent(share: float) -> str:
    """A share as a signed percentage with two or three digits."""
    digits = f"{100.0 * share:+.3g}" if abs(share) >= 0.1 else f"{100.0 * share:+.2g}"
    return digits.replace("-", "\N{MINUS SIGN}").replace("e\N{MINUS SIGN}0", "e-") + " %"


def with_block(text: str, name: str, content: str) -> str:
    """A page with the block of that name replaced."""
    before, rest = text.split(START.format(name))
    return before + START.format(name) + content + END + rest.split(END, 1)[1]


def block(text: str, name: str) -> str:
    """The content of a block of a page."""
    return text.split(START.format(name))[1].split(END)[0]


def verdict(one: Mapping[str, Any], package: str = PACKAGE) -> str:
    """The verdict, linked to its code, with its condition or the deciding observation."""
    words = f"[**{one['verdict']}**]({path(one['code'], package)})"
    if one["condition"]:
        return f"{words} {plain(one['condition'])}"
    return f"{words}: {plain(one['because'])}" if one["because"] else words


def routes(findings: Iterable[Mapping[str, Any]]) -> str:
    """List of the routes used, linked to their code."""
    taken = {name for one in findings for name in one["routes"]}
    lines = ["## Routes", ""]
    for name, route in ROUTES.items():
        if name in taken:
            lines.append(f"- **{name}**: {route.how} ([code]({path(route.module)}))")
    families: dict[str, list[str]] = {}
    for name in ROUTES:
        if name in taken:
            families.setdefault(ROUTES[name].family, []).append(name)
    alike = [listed(names) for names in families.values() if len(names) > 1]
    if alike:
        lines += ["", f"Routes that share code, and count as one: {'; '.join(alike)}."]
    return "\n".join(lines) + "\n\n"


def section(one: Mapping[str, Any]) -> str:
    """The section of one claim."""
    lines = [
        f"## {heading(one)}",
        "",
        f"> {plain(one['statement'])}",
        "",
        f"*{plain(one['source'][:1].upper() + one['source'][1:])}.*",
        "",
        f"Verdict: {verdict(one)}.",
        "",
    ]
    if one["found"]:
        lines += [plain(one["found"]), ""]
    lines += [f"![{one['title']}]({FIGURES}/claim_{one['name']}.png)", ""]
    if one["numbers"]:
        lines += ["| number | |", "|---|---|"]
        lines += [
            f"| {plain(name)} | {shown(name, value)} |" for name, value in one["numbers"].items()
        ]
        lines.append("")
    lines += [
        f"{one['observations']} observations by {listed(one['routes'])}: "
        f"[code]({path(one['code'])}), [data]({FIGURES}/claim_{one['name']}.csv). "
        f"Control, {plain(one['control']['premise'])}: *{one['control']['verdict']}*.",
        "",
        "",
    ]
    return "\n".join(lines)


def shown(name: str, value: float) -> str:
    """A number with no more digits than are known."""
    return format(value, next(form for first, form in FORMATS if name.startswith(first)))


def heading(one: Mapping[str, Any]) -> str:
    """The title of a claim's section."""
    return f"{one['name']}. {one['title']}"


def anchor(one: Mapping[str, Any]) -> str:
    """The anchor of a claim's section."""
    kept = "".join(c for c in heading(one).lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


def path(module: str, package: str = PACKAGE) -> str:
    """Path from a page to the file or folder of a module."""
    from importlib.util import find_spec

    found = find_spec(module)
    inner = module.removeprefix("dlnflow").replace(".", "/")
    folder = found is not None and found.submodule_search_locations is not None
    return f"{package}{inner}" + ("" if folder else ".py")


def listed(names: Iterable[str]) -> str:
    """Names joined with commas and "and"."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def plain(text: str) -> str:
    """Text with the characters of formulas escaped for Markdown."""
    return text.replace("*", "\\*").replace("|", "\\|")


def html(sections: Iterable[HtmlSection], stopped: str | None = None) -> str:
    """The report as one HTML file."""
    every = list(sections)
    rows = "".join(_row(one) for one in every)
    parts = "".join(_section(one) for one in every)
    cut = f'<p class="changed">Stopped early: {escape(stopped)}.</p>' if stopped else ""
    return (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8"><title>The claims, one by one</title>\n'
        f"<style>\n{STYLE}</style></head><body>\n<h1>The claims, one by one</h1>\n{cut}"
        "<p>Littwin et al. (2024), <i>How JEPA Avoids Noisy Features</i>, arXiv:2407.03475, "
        "recomputed by <code>dlnflow claims</code>. Every number below comes from this run. A "
        "claim <b>holds</b> if it is true in every case by every route, and <b>holds when</b> a "
        "condition is met if it is true in those cases and in no other.</p>\n"
        f"<table><tr><th></th><th>claim</th><th>verdict</th><th>found</th></tr>{rows}</table>\n"
        f"{_html_routes(every)}{parts}</body></html>\n"
    )


def _row(one: HtmlSection) -> str:
    link = f'<a href="#{anchor(one.found)}">{escape(one.claim.title)}</a>'
    cells = (escape(one.claim.name), link, _verdict(one, one.brief), escape(one.noted.sentence))
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>\n"


def _verdict(one: HtmlSection, text: str) -> str:
    words = f'<span class="verdict">{escape(text)}</span>'
    if one.changed:
        words += f' <span class="changed">(recorded: {escape(str(one.recorded))})</span>'
    return words


def _html_routes(sections: Iterable[HtmlSection]) -> str:
    taken = {name for one in sections for name in one.found["routes"]}
    items = "".join(
        f"<li><b>{name}</b>: {escape(route.how)} (<code>{route.module}</code>)</li>"
        for name, route in ROUTES.items()
        if name in taken
    )
    return f"<h2>Routes</h2><ul>{items}</ul>\n"


def _section(one: HtmlSection) -> str:
    numbers = "".join(
        f"<tr><td>{escape(name)}</td><td>{shown(name, value)}</td></tr>"
        for name, value in one.noted.numbers.items()
    )
    return (
        f'<h2 id="{anchor(one.found)}">{escape(heading(one.found))}</h2>\n'
        f"<blockquote><p>{escape(one.claim.statement)}</p></blockquote>\n"
        f'<p class="source">{escape(one.claim.source)}</p>\n'
        f"<p>{_verdict(one, one.summary)}. {escape(one.noted.sentence)}</p>\n"
        f'<p><img alt="{escape(one.claim.title)}" src="data:image/png;base64,{_figure(one)}"></p>\n'
        f"<table>{numbers}</table>\n"
        f"<p>{len(one.observations)} observations by {escape(listed(one.found['routes']))}; "
        f"computed by <code>{one.claim.module}</code> in {one.seconds:.1f} s. Control, "
        f"{escape(one.claim.control.words)}: <i>{one.control}</i>.</p>\n"
        f"<details><summary>All observations</summary>{_observations(one)}</details>\n"
    )


def _observations(one: HtmlSection) -> str:
    head = "".join(f"<th>{name}</th>" for name in COLUMNS)
    rows = (
        (seen.route, f"{seen.series}, {seen.x:g}", f"{seen.number:.6g}", seen.holds, seen.inside)
        for seen in one.observations
    )
    return f"<table><tr>{head}</tr>{''.join(map(_plain_row, rows))}</table>"


def _plain_row(cells: Iterable[object]) -> str:
    words = {True: "yes", False: "no"}
    texts = (words[cell] if isinstance(cell, bool) else str(cell) for cell in cells)
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in texts) + "</tr>"


def _figure(one: HtmlSection) -> str:
    import matplotlib.pyplot as plt

    axes = one.plot()
    buffer = BytesIO()
    axes.figure.savefig(buffer, format="png", dpi=100)
    plt.close(axes.figure)
    return b64encode(buffer.getvalue()).decode("ascii")

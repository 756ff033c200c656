"""The report in Markdown, from findings or from their record: a page, and tables for others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dlnflow.studies.claims.routes import ROUTES

PACKAGE = "../dlnflow"  # from docs/
START, END = "<!-- {} -->\n", "<!-- end -->\n"  # of a block that is written by machine
FIGURES = "figures/claims"
DELAYS = (("1e-3", 1), ("1e-3", 3), ("1e-3", 6), ("1e-6", 3))  # eps, L
INTRODUCTION = """\
# The paper, claim by claim

Printed by `dlnflow claims --format markdown`, which recomputes everything below. Each claim is a
statement that is true or false in any one setting. It is put to several *routes* that share no code
for the quantity judged, in many settings, and one rule
([`judge`](../dlnflow/studies/claims/_judge.py)) makes the verdict:

- **holds**: true in every setting tried;
- **holds when ...**: true wherever the condition is met and nowhere else. On whichever side of the
  condition a series of settings lies, two routes or more see it there. Where the boundary is a root
  of the closed form or of one network, the others are asked a few percent below and above it;
- **does not hold**: otherwise, with a setting that shows it.

Where two routes tell a number for the same setting they have to agree, or there is no verdict
(distances from a prediction, which every route has to itself, only have to be small). Every claim
has a *control*: with its premise broken it has to be false. Verdicts and numbers are compared with
those recorded with the code. Times are on the paper's clock; a mode counts as learned at half of
its own plateau, at time 0 if it starts above.

"""


def page(findings: Iterable[Mapping[str, Any]], stopped: str | None = None) -> str:
    """The whole report."""
    every = list(findings)
    cut = f"**Stopped early: {stopped}.**\n\n" if stopped else ""
    parts = [INTRODUCTION, cut, table(every), "\n", routes(every)]
    return "".join([*parts, *map(section, every)])


def table(findings: Iterable[Mapping[str, Any]], link: str = "", package: str = PACKAGE) -> str:
    """One row per claim.

    Parameters
    ----------
    findings : iterable of dict
        As the record has them.
    link : str
        The page on which the sections stand; by default the table's own.
    package : str
        Where the code stands, seen from the table's page.
    """
    lines = ["| | claim | verdict |", "|---|---|---|"]
    for one in findings:
        name = f"[{one['title']}]({link}#{anchor(one)})"
        short = {**one, "condition": brief(one["condition"])}
        lines.append(f"| {one['name']} | {name} | {verdict(short, package)} |")
    return "\n".join(lines) + "\n"


def brief(condition: str) -> str:
    """A condition without the numbers that follow its colon."""
    return condition.split(": ")[0]


def delays(findings: Iterable[Mapping[str, Any]]) -> str:
    """By how much the smaller of two ``rho`` is learned later, from what claim 5 found."""
    numbers = next(one["numbers"] for one in findings if one["name"] == "5")
    lines = ["| eps | L | JEPA | MAE |", "|---|---|---|---|"]
    for eps, L in DELAYS:
        cells = [percent(numbers[f"{name}, eps = {eps}, L = {L}"]) for name in ("JEPA", "MAE")]
        lines.append(f"| {eps} | {L} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def percent(share: float) -> str:
    """A share of either sign, with two or three digits."""
    digits = f"{100.0 * share:+.3g}" if abs(share) >= 0.1 else f"{100.0 * share:+.2g}"
    return digits.replace("-", "\N{MINUS SIGN}").replace("e\N{MINUS SIGN}0", "e-") + " %"


def with_block(text: str, name: str, content: str) -> str:
    """A page with the block of that name written anew."""
    before, rest = text.split(START.format(name))
    return before + START.format(name) + content + END + rest.split(END, 1)[1]


def block(text: str, name: str) -> str:
    """What stands in a block of a page."""
    return text.split(START.format(name))[1].split(END)[0]


def verdict(one: Mapping[str, Any], package: str = PACKAGE) -> str:
    """The verdict, which leads to the code, with its condition or with what decided it."""
    words = f"[**{one['verdict']}**]({path(one['code'], package)})"
    if one["condition"]:
        return f"{words} {plain(one['condition'])}"
    return f"{words}: {plain(one['because'])}" if one["because"] else words


def routes(findings: Iterable[Mapping[str, Any]]) -> str:
    """The routes taken by any claim, with their code."""
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
    """All about one claim."""
    lines = [
        f"## {heading(one)}",
        "",
        f"> {plain(one['statement'])}",
        "",
        f"*{one['source'][:1].upper()}{one['source'][1:]}.*",
        "",
        f"Verdict: {verdict(one)}.",
        "",
    ]
    if one["found"]:
        lines += [plain(one["found"]), ""]
    lines += [f"![{one['title']}]({FIGURES}/claim_{one['name']}.png)", ""]
    if one["numbers"]:
        lines += ["| number | |", "|---|---|"]
        lines += [f"| {plain(name)} | {value:.4g} |" for name, value in one["numbers"].items()]
        lines.append("")
    lines += [
        f"{one['observations']} observations by {listed(one['routes'])}: "
        f"[code]({path(one['code'])}), [data]({FIGURES}/claim_{one['name']}.csv). "
        f"Control, {plain(one['control']['premise'])}: *{one['control']['verdict']}*.",
        "",
        "",
    ]
    return "\n".join(lines)


def heading(one: Mapping[str, Any]) -> str:
    """The title of a claim's section."""
    return f"{one['name']}. {one['title']}"


def anchor(one: Mapping[str, Any]) -> str:
    """Where the section is found on its page."""
    kept = "".join(c for c in heading(one).lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


def path(module: str, package: str = PACKAGE) -> str:
    """The file, or folder, of a module, seen from a page."""
    from importlib.util import find_spec

    found = find_spec(module)
    inner = module.removeprefix("dlnflow").replace(".", "/")
    folder = found is not None and found.submodule_search_locations is not None
    return f"{package}{inner}" + ("" if folder else ".py")


def listed(names: Iterable[str]) -> str:
    """Names in a sentence."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def plain(text: str) -> str:
    """Text with formulas in it, so that Markdown changes nothing in it, in a table or outside."""
    return text.replace("*", "\\*").replace("|", "\\|")

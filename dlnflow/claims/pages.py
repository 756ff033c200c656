"""The report as a page of Markdown, from findings or from their record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dlnflow.claims.routes import ROUTES

REPOSITORY = ".."  # from docs/
FIGURES = "figures/claims"
INTRODUCTION = """\
# The paper, claim by claim

Printed by `dlnflow claims --format markdown`, which recomputes everything below. Each claim is a
statement that is true or false in any one setting. It is put to several *routes* that share no code
for the quantity judged, in many settings, and one rule ([`judge`](../dlnflow/claims/_judge.py))
makes the verdict:

- **holds**: true in every setting tried;
- **holds when ...**: true wherever the condition is met and nowhere else, seen on both sides by two
  routes or more. The boundary is computed, not assumed;
- **does not hold**: otherwise, with a setting that shows it.

Where two routes tell a number for the same setting they have to agree, or there is no verdict. And
every claim has a *control*: with its premise broken the verdict has to change. Times are on the
paper's clock.

"""


def page(findings: Iterable[Mapping[str, Any]]) -> str:
    """The whole report."""
    every = list(findings)
    parts = [INTRODUCTION, table(every), "\n", routes(every)]
    return "".join([*parts, *map(section, every)])


def table(findings: Iterable[Mapping[str, Any]], link: str = "") -> str:
    """One row per claim; ``link`` is the page on which the sections stand."""
    lines = ["| | claim | verdict | found |", "|---|---|---|---|"]
    for one in findings:
        name = f"[{one['title']}]({link}#{anchor(one)})"
        cells = (one["name"], name, verdict(one), plain(one["found"]))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def verdict(one: Mapping[str, Any]) -> str:
    """The verdict with its condition, or with what decided it."""
    words = f"**{one['verdict']}**"
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
    alike = [" and ".join(names) for names in families.values() if len(names) > 1]
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


def path(module: str) -> str:
    """The file, or folder, of a module, seen from the page."""
    from importlib.util import find_spec

    found = find_spec(module)
    inner = module.replace(".", "/")
    folder = found is not None and found.submodule_search_locations is not None
    return f"{REPOSITORY}/{inner}" + ("" if folder else ".py")


def listed(names: Iterable[str]) -> str:
    """Names in a sentence."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def plain(text: str) -> str:
    """Text with formulas in it, so that Markdown changes nothing in it, in a table or outside."""
    return text.replace("*", "\\*").replace("|", "\\|")

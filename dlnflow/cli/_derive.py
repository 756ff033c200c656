"""``dlnflow derive``: prints derivations, or runs their checks."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlnflow.cli import _options as options
from dlnflow.cli._reading import InputError, number
from dlnflow.cli._refusals import FINDING, library_refusals, say, working
from dlnflow.cli._tables import Format, as_text, by_suffix, hand_over, render, rich_table

if TYPE_CHECKING:
    import pandas as pd

    from dlnflow.symbolic import Derivation

VERIFIED = ("jepa", "mae", "layer-1")  # without an argument, at the DEPTHS
DEPTHS = (None, 1, 2, 3, 4, 5)
HOW_WIDTH = 76  # characters


class Document(StrEnum):
    """Output format of a derivation."""

    text = "text"
    markdown = "markdown"
    latex = "latex"


def derive(
    *,
    objectives: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[OBJECTIVE]...",
            help="jepa, mae, layer-2, or layer-m for any m; several in one document (not latex).",
        ),
    ] = None,
    depth: Annotated[str, options.in_network("--depth -L L|any", "Encoder depth.")] = "any",
    decoder_depth: Annotated[
        str, options.in_network("--decoder-depth -P P|any", "Decoder depth.")
    ] = "1",
    clock: Annotated[
        str, options.in_clock("--clock paper|network", "Clock of rates and times.")
    ] = "paper",
    verify: Annotated[
        bool,
        options.panel("Checks")(
            "--verify",
            "Run every step's check and print the table; exit 1 if one fails. Without an "
            "objective: JEPA, MAE and the target after layer 1, any L and L = 1 to 5.",
        ),
    ] = False,
    form: Annotated[
        Document | None,
        options.in_output(
            "--format", "By default the suffix of --out decides (.md, .tex, .txt), else text."
        ),
    ] = None,
    out: options.DocumentOut = None,
) -> None:
    """Print the derivation from the loss to the critical time, or check every step of it."""
    chosen = by_suffix(form, out, Document)
    if not objectives and not verify:
        raise InputError("name an objective: jepa, mae, layer-2 or layer-m; or give --verify")
    derivations = list(_derivations(objectives, depth, decoder_depth, clock))
    if not verify:
        hand_over(_document(derivations, chosen), out)
        return
    frame = _verified(derivations)
    hand_over(_table(frame, chosen), out)
    failed = frame[frame["holds"] != True]  # noqa: E712  (None means undecided)
    say(f"{len(frame) - len(failed)} of {len(frame)} steps hold")
    if len(failed):
        raise typer.Exit(FINDING)


def _derivations(
    objectives: list[str] | None, depth: str, decoder_depth: str, clock: str
) -> Iterable[Derivation]:
    from dlnflow import symbolic

    given: Any = None if depth == "any" else number("L", depth)
    layers: Any = None if decoder_depth == "any" else number("decoder_depth", decoder_depth)
    every = given is None and not objectives
    with library_refusals():
        for name in dict.fromkeys(objectives or VERIFIED):
            for L in DEPTHS if every else (given,):
                yield symbolic.derive(name, L, decoder_depth=layers, clock=clock)


def _document(derivations: list[Derivation], form: Document) -> str:
    from dlnflow.symbolic import side_by_side

    if form is Document.markdown:
        return side_by_side(derivations)
    if form is Document.latex and len(derivations) > 1:
        raise InputError("latex holds one derivation: give one objective")
    return "\n".join(getattr(one, f"to_{form}")() for one in derivations)


def _verified(derivations: list[Derivation]) -> pd.DataFrame:
    import pandas as pd

    frames = []
    for count, one in enumerate(derivations, start=1):
        with working(f"verifying {one.title} ({count} of {len(derivations)})"):
            frames.append(one.verify())
        frames[-1].insert(0, "derivation", one.title)
    return pd.concat(frames, ignore_index=True)


def _table(frame: pd.DataFrame, form: Document) -> str:
    shown = frame.assign(holds=frame["holds"].map({True: "yes", False: "no"}).fillna("undecided"))
    if form is not Document.text:
        return render(shown, Format(form.value))
    columns: dict[str, dict[str, Any]] = {
        "step": {"width": 34},
        "holds": {},
        "how": {"width": HOW_WIDTH},
        "seconds": {"justify": "right"},
    }
    shown["how"] = shown["how"].str.replace("`", "")
    shown["seconds"] = shown["seconds"].map("{:.2f}".format)
    return "\n".join(
        as_text(
            rich_table(columns, part[[*columns]].to_numpy(), title=title, title_justify="left"), 140
        )
        for title, part in shown.groupby("derivation", sort=False)
    )

"""``dlnflow derive``: prints derivations, or runs their checks."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlnflow.cli import _options as options
from dlnflow.cli._reading import InputError, number
from dlnflow.cli._refusals import FINDING, library_refusals, say
from dlnflow.cli._tables import Format, by_suffix, hand_over, render, writable

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


SUFFIXES = {".md": Document.markdown, ".tex": Document.latex, ".txt": Document.text}


def derive(
    *,
    objectives: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[OBJECTIVE]...",
            help="jepa, mae, layer-2, or layer-m for any m; several in one document (not latex).",
        ),
    ] = None,
    depth: Annotated[
        str,
        options.option("--depth", "-L", metavar="L|any", panel="Network", help="Encoder depth."),
    ] = "any",
    decoder_depth: Annotated[
        str,
        options.option(
            "--decoder-depth", "-P", metavar="P|any", panel="Network", help="Decoder depth."
        ),
    ] = "1",
    clock: Annotated[
        str,
        options.option(
            "--clock", metavar="paper|network", panel="Clock", help="Clock of rates and times."
        ),
    ] = "paper",
    verify: Annotated[
        bool,
        options.option(
            "--verify",
            panel="Checks",
            help="Run every step's check and print the table; exit 1 if one fails. Without an "
            "objective: JEPA, MAE and the target after layer 1, any L and L = 1 to 5.",
        ),
    ] = False,
    form: Annotated[
        Document | None,
        options.option(
            "--format",
            panel="Output",
            help="By default the suffix of --out decides (.md, .tex, .txt), else text.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        options.option("--out", "-o", metavar="FILE", panel="Output", help="File to write to."),
    ] = None,
) -> None:
    """Print the derivation from the loss to the critical time, or check every step of it."""
    writable(out)
    chosen = by_suffix(form, out, SUFFIXES, Document.text)
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
    parts = [one.to_text() if form is Document.text else one.to_latex() for one in derivations]
    if form is Document.latex and len(parts) > 1:
        raise InputError("latex holds one derivation: give one objective")
    return "\n".join(parts)


def _verified(derivations: list[Derivation]) -> pd.DataFrame:
    import pandas as pd
    from rich.console import Console

    frames = []
    with Console(stderr=True).status("verifying") as status:
        for index, one in enumerate(derivations):
            status.update(f"verifying {one.title} ({index + 1} of {len(derivations)})")
            frame = one.verify()
            frame.insert(0, "derivation", one.title)
            frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _table(frame: pd.DataFrame, form: Document) -> str:
    shown = frame.assign(holds=frame["holds"].map({True: "yes", False: "no"}).fillna("undecided"))
    if form is not Document.text:
        return render(shown, Format(form.value))
    return "\n".join(
        _text_block(title, part) for title, part in shown.groupby("derivation", sort=False)
    )


def _text_block(title: Any, rows: pd.DataFrame) -> str:
    from io import StringIO

    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=str(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("step", width=34)
    table.add_column("holds")
    table.add_column("how", width=HOW_WIDTH)
    table.add_column("seconds", justify="right")
    for row in rows.to_dict("records"):
        how = str(row["how"]).replace("`", "")
        table.add_row(str(row["step"]), str(row["holds"]), how, f"{row['seconds']:.2f}")
    text = StringIO()
    Console(file=text, width=140, highlight=False, markup=False).print(table)
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())

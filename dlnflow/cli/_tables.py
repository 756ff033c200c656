"""Output of the command line: tables in five formats, and other documents."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dlnflow.cli._reading import InputError, is_number
from dlnflow.cli._refusals import say

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

SYMBOLS = {  # headings of a LaTeX table
    "lam": r"$\lambda$",
    "rho": r"$\rho$",
    "variance": "$s$",
    "L": "$L$",
    "eps": r"$\epsilon$",
    "t": "$t$",
    "w": r"$\bar w$",
    "learned": "$q$",
}
MISSING = "—"
WIDE = 10_000  # at the screen's width Rich would cut off digits; long lines only wrap

F = TypeVar("F", bound=StrEnum)
Columns = dict[str, list[str]]  # cells as text


class Format(StrEnum):
    """Format of a table."""

    table = "table"
    csv = "csv"
    markdown = "markdown"
    latex = "latex"
    json = "json"


SUFFIXES = {
    ".csv": "csv",
    ".json": "json",
    ".md": "markdown",
    ".tex": "latex",
    ".html": "html",
    ".htm": "html",
}


def by_suffix(form: F | None, out: Path | None, kind: type[F]) -> F:
    """The format given, else by the file's suffix; without a file, or for .txt, the first one.

    Raises
    ------
    InputError
        If the file's suffix names no format and none is given.
    """
    screen, *others = kind
    if form is not None or out is None:
        return form or screen
    suffixes = {suffix: kind(name) for suffix, name in SUFFIXES.items() if name in others}
    suffixes[".txt"] = screen
    if out.suffix.lower() not in suffixes:
        raise InputError(
            f"{out}: the suffix of --out must be one of {', '.join(suffixes)}, unless --format is "
            f"given: got {out.suffix or 'none'}"
        )
    return suffixes[out.suffix.lower()]


def writable(out: Path | None) -> Path | None:
    """The path, if a file can be written there; checked before the work, which may be long.

    Raises
    ------
    InputError
        If the path is a directory, or its directory does not exist.
    """
    if out is not None and out.is_dir():
        raise InputError(f"{out}: cannot be written: it is a directory")
    if out is not None and not out.parent.is_dir():
        raise InputError(f"{out}: cannot be written: there is no directory {out.parent}")
    return out


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Turn failures to write into input errors that name the file."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error.strerror or error}") from None


def hand_over(text: str, out: Path | None, note: str = "") -> None:
    """Write a document to a file, with a message, or to standard output.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    if out is None:
        sys.stdout.write(text)
        # a closed pipe could not be handled at the interpreter's exit
        sys.stdout.flush()
        return
    with writing(out):
        out.write_text(text, encoding="utf-8", newline="")
    say(f"wrote {out}{note}")


@dataclass(frozen=True)
class Output:
    """Where a table is written, and its format."""

    form: Format
    out: Path | None

    @property
    def on_screen(self) -> bool:
        """Whether it is for reading, so that it should be short."""
        return self.out is None and self.form is Format.table

    def write(self, frame: pd.DataFrame) -> None:
        """Write a table.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        if self.on_screen:
            from rich.console import Console

            Console(width=WIDE, highlight=False, markup=False).print(_rich(_cells(frame)))
            sys.stdout.flush()
        else:
            hand_over(render(frame, self.form), self.out, f": {len(frame)} rows")


def render(frame: pd.DataFrame, form: Format) -> str:
    """A table as text.

    ``csv`` and ``json`` have all digits; the others have six, and three of a relative error.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"rho": [1.0, 0.5], "exact_error": [1e-13, float("nan")]})
    >>> print(render(frame, Format.markdown), end="")
    |  rho | exact_error |
    | ---: | ----------: |
    |    1 |       1e-13 |
    |  0.5 |           — |
    """
    if form is Format.csv:
        return frame.to_csv(index=False, lineterminator="\n")
    if form is Format.json:
        return _json(frame)
    columns = _cells(frame)
    if form is Format.table:
        return as_text(_rich(columns), WIDE)
    return _markdown(columns) if form is Format.markdown else _latex(columns)


def thinned(frame: pd.DataFrame, series: int, limit: int) -> pd.DataFrame:
    """At most ``limit`` rows of ``series`` of equal length one below the other, with their ends.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"mode": [0] * 5 + [1] * 5, "t": [0, 1, 2, 3, 4] * 2})
    >>> thinned(frame, series=2, limit=6)["t"].tolist()
    [0, 2, 4, 0, 2, 4]
    """
    import numpy as np

    length = len(frame) // series
    times = np.unique(np.linspace(0, length - 1, max(2, limit // series)).astype(np.intp))
    rows = (length * np.arange(series)[:, None] + times).ravel()
    if rows.size > limit:
        rows = rows[np.linspace(0, rows.size - 1, limit).astype(np.intp)]
    return frame.iloc[rows]


def _json(frame: pd.DataFrame) -> str:
    rows = [
        {name: _strict(value) for name, value in row.items()} for row in frame.to_dict("records")
    ]
    return "[\n" + ",\n".join(json.dumps(row, allow_nan=False) for row in rows) + "\n]\n"


def _strict(value: Any) -> Any:
    """A value that JSON can hold: null for NaN, a string for infinity."""
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return None if math.isnan(value) else str(value).replace("inf", "Infinity")


def _cells(frame: pd.DataFrame) -> Columns:
    """The cells of each column as text."""
    return {
        str(name): [_readable(value, 3 if str(name).endswith("error") else 6) for value in column]
        for name, column in frame.items()
    }


def _readable(value: Any, digits: int) -> str:
    if not isinstance(value, float):
        return str(value)
    return MISSING if math.isnan(value) else f"{value:.{digits}g}"


def _is_text(cells: list[str]) -> bool:
    return not all(is_number(cell) or cell == MISSING for cell in cells)


def _markdown(columns: Columns) -> str:
    lines = []
    for name, cells in columns.items():
        cells = [cell.replace("|", "\\|") for cell in cells]
        width = max(4, len(name), *map(len, cells))
        if _is_text(cells):
            lines.append([f"{c:<{width}}" for c in (name, "-" * width, *cells)])
        else:
            lines.append([f"{c:>{width}}" for c in (name, "-" * (width - 1) + ":", *cells)])
    return "".join(f"| {' | '.join(row)} |\n" for row in zip(*lines, strict=True))


def _latex(columns: Columns) -> str:
    """A ``tabular`` that compiles without any package."""
    spec = "".join("l" if _is_text(cells) else "r" for cells in columns.values())
    head = " & ".join(SYMBOLS.get(name) or _escaped(name.replace("_", " ")) for name in columns)
    rows = zip(*columns.values(), strict=True)
    body = "".join(f"{' & '.join(map(_latex_cell, row))} \\\\\n" for row in rows)
    return (
        f"\\begin{{tabular}}{{{spec}}}\n\\hline\n{head} \\\\\n\\hline\n{body}\\hline\n"
        "\\end{tabular}\n"
    )


def _latex_cell(cell: str) -> str:
    if cell == MISSING:
        return "---"
    if not is_number(cell):
        return _escaped(cell)
    mantissa, _, exponent = cell.replace("inf", "\\infty").partition("e")
    return f"${mantissa} \\times 10^{{{int(exponent)}}}$" if exponent else f"${mantissa}$"


def _escaped(text: str) -> str:
    names = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return re.sub(r"[\\~^#$%&_{}]", lambda found: names.get(found[0], "\\" + found[0]), text)


def _rich(columns: Columns) -> Table:
    looks = {
        name: {"justify": "left" if _is_text(cells) else "right", "no_wrap": True}
        for name, cells in columns.items()
    }
    return rich_table(looks, zip(*columns.values(), strict=True))


def rich_table(
    columns: Mapping[str, Mapping[str, Any]], rows: Iterable[Iterable[Any]], **look: Any
) -> Table:
    """A table from the looks of its columns and its cells."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, **look)
    for name, options in columns.items():
        table.add_column(name, **options)
    for row in rows:
        table.add_row(*map(str, row))
    return table


def as_text(table: Table, width: int) -> str:
    """A table without colours and without blanks at the ends of its lines."""
    from rich.console import Console

    text = StringIO()
    Console(file=text, width=width, highlight=False, markup=False).print(table)
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())

"""Output of the command line: tables in five formats, and other documents."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

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

F = TypeVar("F", bound=StrEnum)


class Format(StrEnum):
    """Format of a table."""

    table = "table"
    csv = "csv"
    markdown = "markdown"
    latex = "latex"
    json = "json"


SUFFIXES = {
    ".csv": Format.csv,
    ".json": Format.json,
    ".md": Format.markdown,
    ".tex": Format.latex,
    ".txt": Format.table,
}


def chosen_format(form: Format | None, out: Path | None) -> Format:
    """The format given, else the one of the file's suffix; without a file ``table``."""
    return by_suffix(form, out, SUFFIXES, Format.table)


def by_suffix(form: F | None, out: Path | None, suffixes: Mapping[str, F], screen: F) -> F:
    """A document's format: the one given, else by the file's suffix; without a file ``screen``.

    Raises
    ------
    InputError
        If the file's suffix names no format and none is given.
    """
    if form is not None or out is None:
        return form or screen
    chosen = suffixes.get(out.suffix.lower())
    if chosen is None:
        raise InputError(
            f"{out}: the suffix of --out must be one of {', '.join(suffixes)}, unless --format is "
            f"given: got {out.suffix or 'none'}"
        )
    return chosen


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


def write(frame: pd.DataFrame, form: Format, out: Path | None) -> None:
    """Write a table to a file, or to standard output.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    if out is None:
        if form is Format.table:
            _print(frame)
        else:
            sys.stdout.write(render(frame, form))
        # a closed pipe could not be handled at the interpreter's exit
        sys.stdout.flush()
        return
    with writing(out), out.open("w", encoding="utf-8", newline="") as file:
        file.write(render(frame, form))


def hand_over(text: str, out: Path | None) -> None:
    """Write a document to a file, with a message, or to standard output.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    if out is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    with writing(out):
        out.write_text(text, encoding="utf-8")
    say(f"wrote {out}")


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
    return {
        Format.json: _json,
        Format.markdown: _markdown,
        Format.latex: _latex,
        Format.table: _plain,
    }[form](frame)


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
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _cells(frame: pd.DataFrame) -> dict[str, list[str]]:
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


def _markdown(frame: pd.DataFrame) -> str:
    lines = []
    for name, cells in _cells(frame).items():
        cells = [cell.replace("|", "\\|") for cell in cells]
        width = max(4, len(name), *map(len, cells))
        if _is_text(cells):
            lines.append([f"{c:<{width}}" for c in (name, "-" * width, *cells)])
        else:
            lines.append([f"{c:>{width}}" for c in (name, "-" * (width - 1) + ":", *cells)])
    return "".join(f"| {' | '.join(row)} |\n" for row in zip(*lines, strict=True))


def _latex(frame: pd.DataFrame) -> str:
    """A ``tabular`` that compiles without any package."""
    columns = _cells(frame)
    spec = "".join("l" if _is_text(cells) else "r" for cells in columns.values())
    head = " & ".join(SYMBOLS.get(name) or _escaped(name.replace("_", " ")) for name in columns)
    rows = [
        " & ".join(_latex_cell(cell) for cell in row) for row in zip(*columns.values(), strict=True)
    ]
    body = "".join(f"{row} \\\\\n" for row in rows)
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


def _rich(frame: pd.DataFrame) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    columns = _cells(frame)
    for name, cells in columns.items():
        table.add_column(name, justify="left" if _is_text(cells) else "right", no_wrap=True)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    return table


def _print(frame: pd.DataFrame, file: TextIO | None = None) -> None:
    from rich.console import Console

    # at the screen's width Rich would cut off digits; long lines only wrap, and can be piped
    Console(file=file, width=10_000, highlight=False).print(_rich(frame))


def _plain(frame: pd.DataFrame) -> str:
    text = StringIO()
    _print(frame, text)
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())

"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import dlnflow
from dlnflow.cli._reading import InputError, number, numbers, read_modes, whole
from dlnflow.cli._refusals import library_refusals
from dlnflow.cli._tables import Format, writable

if TYPE_CHECKING:
    from dlnflow.theory._clock import Clock


def option(*names: str, panel: str, help: str, **more: Any) -> Any:
    """An option, in a panel of the help page."""
    return typer.Option(*names, help=help, rich_help_panel=panel, **more)


def _parser(read: Callable[[str, str], float], name: str) -> Callable[[str], float]:
    """As ``functools.partial``, with the ``__name__`` that older versions of Typer need."""

    def parse(text: str) -> float:
        return read(name, str(text))  # Typer also parses the default, which is a number

    return parse


Lam = Annotated[
    str | None,
    option(
        "--lam",
        metavar="LIST",
        panel="Modes",
        help="Covariance of each mode, such as 1,0.5. One number is used for all modes. "
        "If the first number is negative, write --lam=-1,2.",
    ),
]
Rho = Annotated[
    str | None,
    option("--rho", metavar="LIST", panel="Modes", help="Regression coefficient of each mode."),
]
Variance = Annotated[
    str | None,
    option(
        "--variance",
        metavar="LIST",
        panel="Modes",
        help="Variance of each mode; required if lam = rho = 0 (pure noise).",
    ),
]
ModesFile = Annotated[
    Path | None,
    option(
        "--modes",
        metavar="FILE",
        panel="Modes",
        help="CSV file with a header and the columns lam, rho and, optionally, variance, instead "
        "of the lists. Other columns are ignored.",
    ),
]
Depth = Annotated[
    int,
    option(
        "--depth",
        "-L",
        metavar="L",
        parser=_parser(whole, "L"),
        panel="Network",
        help="Encoder depth.",
    ),
]
Depths = Annotated[
    str,
    option("--depth", "-L", metavar="LIST", panel="Network", help="Encoder depths, such as 1,3,6."),
]
Eps = Annotated[
    float,
    option(
        "--eps",
        metavar="EPS",
        parser=_parser(number, "eps"),
        panel="Network",
        help="Amplitude of every mode at the initialisation.",
    ),
]
EpsList = Annotated[
    str,
    option(
        "--eps",
        metavar="LIST",
        panel="Network",
        help="Amplitudes at the initialisation, such as 1e-3,1e-6.",
    ),
]
OneObjective = Annotated[
    str,
    option("--objective", metavar="NAME", panel="Network", help="jepa, mae or layer-2."),
]
Objectives = Annotated[
    str,
    option(
        "--objective",
        metavar="LIST",
        panel="Network",
        help="jepa, mae, or layer-2 (target at layer 2); several with commas.",
    ),
]
DecoderDepth = Annotated[
    int,
    option(
        "--decoder-depth",
        "-P",
        metavar="P",
        parser=_parser(whole, "decoder_depth"),
        panel="Network",
        help="Decoder depth.",
    ),
]
ClockName = Annotated[
    str | None,
    option(
        "--clock",
        metavar="paper|network",
        panel="Clock",
        help="Unit of time: the paper's clock (the default) or the network's, on which times are L "
        "times shorter.",
    ),
]
LearningRate = Annotated[
    float | None,
    option(
        "--lr",
        metavar="RATE",
        parser=_parser(number, "lr"),
        panel="Clock",
        help="Learning rate; time is then counted in training steps.",
    ),
]
Loss = Annotated[
    str | None,
    option(
        "--loss",
        metavar="half-sum|sum|mean",
        panel="Clock",
        help="How the training loss reduces the squared error over outputs. Default: half-sum.",
    ),
]
Outputs = Annotated[
    int | None,
    option(
        "--outputs",
        metavar="D",
        parser=_parser(whole, "outputs"),
        panel="Clock",
        help="Number of outputs; required for --loss mean.",
    ),
]
Fraction = Annotated[
    float,
    option(
        "--p",
        metavar="FRACTION",
        parser=_parser(number, "p"),
        panel="Network",
        help="Fraction of the plateau that counts as learned.",
    ),
]
FormatName = Annotated[
    Format | None,
    option(
        "--format",
        "-f",
        metavar="FORMAT",
        panel="Output",
        help="table, csv, markdown, latex or json. Default: by the suffix of --out (.csv, .json, "
        ".md, .tex, .txt for table); table without --out. csv and json have all digits, the others "
        "six. csv has empty cells for missing values and inf for infinity; json has null and the "
        "string Infinity. latex needs no package.",
    ),
]
Out = Annotated[
    Path | None,
    option(
        "--out",
        "-o",
        metavar="FILE",
        panel="Output",
        callback=writable,
        help="File to write to. Default: standard output.",
    ),
]


def modes(
    lam: str | None, rho: str | None, variance: str | None, file: Path | None
) -> dict[str, Any]:
    """The modes from lists or from a file, by name."""
    inline = {
        name: text
        for name, text in (("lam", lam), ("rho", rho), ("variance", variance))
        if text is not None
    }
    if file is not None:
        if inline:
            raise InputError(f"give --modes or --{next(iter(inline))}, not both")
        return read_modes(file)
    if not inline:
        raise InputError("modes are missing: give --lam and --rho, or --modes FILE")
    for name in ("lam", "rho"):
        if name not in inline:
            raise InputError(f"--{name} is missing: modes need --lam and --rho, or --modes FILE")
    return {name: numbers(name, text) for name, text in inline.items()}


def names(objective: str) -> tuple[str, ...]:
    """The objectives of a comma-separated list."""
    return tuple(name.strip() for name in objective.split(","))


def clock(name: str | None, lr: float | None, loss: str | None, outputs: int | None) -> Clock:
    """The clock that the four options give together."""
    if lr is None:
        for option, value in (("loss", loss), ("outputs", outputs)):
            if value is not None:
                raise InputError(
                    f"--{option} needs --lr, with which time is counted in training steps"
                )
        return name or "paper"
    if name is not None:
        raise InputError("give --clock or --lr, not both: --lr counts time in training steps")
    with library_refusals():
        return dlnflow.Training(lr=lr, loss=loss or "half-sum", outputs=outputs)

"""Options that several commands share, and groups of options that make one argument."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Signature, isfunction, signature
from pathlib import Path
from typing import Annotated, Any

import typer

import dlnflow
from dlnflow.cli._reading import InputError, names, number, numbers, read_modes, whole
from dlnflow.cli._refusals import library_refusals
from dlnflow.cli._tables import Format, Output, by_suffix, writable

Reader = Callable[[str, str], Any]  # of an argument's name, for messages, and of its text


def panel(name: str) -> Callable[..., Any]:
    """A function that makes options in one panel of the help page.

    An option is given as the help shows it, ``--flag METAVAR``. With ``read`` its value is read
    under the name that the library's argument has.
    """

    def option(usage: str, help: str, *, read: Reader | None = None, **more: Any) -> Any:
        flags = [word for word in usage.split() if word.startswith("-")]
        metavar = " ".join(word for word in usage.split() if word not in flags)
        argument = "L" if "-L" in flags else flags[0].strip("-").replace("-", "_")
        if read is not None:

            def parse(text: str) -> Any:  # a partial has no __name__, which older Typer needs
                return read(argument, str(text))  # Typer also parses defaults, maybe numbers

            more["parser"] = parse
        return typer.Option(
            *flags, metavar=metavar or None, help=help, rich_help_panel=name, **more
        )

    return option


def with_groups(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command for Typer, with the options of each group in place of the group.

    A group is a parameter of type ``Annotated[T, function]``. Its argument is what the function
    makes of the options that are the function's own parameters.

    Examples
    --------
    >>> def pair(*, a: int, b: int = 2) -> tuple[int, int]:
    ...     return a, b
    >>> def command(*, both: Annotated[tuple[int, int], pair], c: int = 3) -> None:
    ...     print(both, c)
    >>> flat = with_groups(command)
    >>> signature(flat)
    <Signature (*, a: int, b: int = 2, c: int = 3)>
    >>> flat(a=0, b=1, c=4)
    (0, 1) 4
    """
    options: dict[str, Any] = {}
    groups = {}
    for name, parameter in signature(command, eval_str=True).parameters.items():
        make = getattr(parameter.annotation, "__metadata__", (None,))[0]
        if isfunction(make):
            groups[name] = with_groups(make)
            options |= signature(groups[name]).parameters
        else:
            options[name] = parameter

    def run(**given: Any) -> Any:
        for name, make in groups.items():
            given[name] = make(
                **{option: given.pop(option) for option in signature(make).parameters}
            )
        return command(**given)

    run.__doc__ = command.__doc__
    run.__annotations__ = {name: one.annotation for name, one in options.items()}
    run.__signature__ = Signature([*options.values()])  # type: ignore[attr-defined]
    return run


def add(group: typer.Typer, name: str, example: str) -> Callable[..., Any]:
    """A decorator that makes a function a command; the example ends its help page."""
    path = f"figure {name}" if group.info.name == "figure" else name
    register = group.command(name, epilog=f"Example: dlnflow {path} {example}")
    return lambda command: register(with_groups(command))


in_modes, in_network, in_clock, in_output = map(panel, ("Modes", "Network", "Clock", "Output"))

# Typer would read list[float] and tuple[str, ...] as options that are given several times
Numbers = Any
Names = Any

Lam = Annotated[
    Numbers,
    in_modes(
        "--lam LIST",
        "Covariance of each mode, such as 1,0.5. One number is used for all modes. "
        "If the first number is negative, write --lam=-1,2.",
        read=numbers,
    ),
]
Rho = Annotated[
    Numbers, in_modes("--rho LIST", "Regression coefficient of each mode.", read=numbers)
]
Variance = Annotated[
    Numbers,
    in_modes(
        "--variance LIST",
        "Variance of each mode; required if lam = rho = 0 (pure noise).",
        read=numbers,
    ),
]
ModesFile = Annotated[
    Path | None,
    in_modes(
        "--modes FILE",
        "CSV file with a header and the columns lam, rho and, optionally, variance, instead "
        "of the lists. Other columns are ignored.",
    ),
]
Depth = Annotated[int, in_network("--depth -L L", "Encoder depth.", read=whole)]
Depths = Annotated[
    Numbers, in_network("--depth -L LIST", "Encoder depths, such as 1,3,6.", read=numbers)
]
Eps = Annotated[
    float, in_network("--eps EPS", "Amplitude of every mode at the initialisation.", read=number)
]
Objectives = Annotated[
    Names,
    in_network(
        "--objective LIST",
        "jepa, mae, or layer-2 (target at layer 2); several with commas.",
        read=names,
    ),
]
OneObjective = Annotated[str, in_network("--objective NAME", "jepa, mae or layer-2.")]
DecoderDepth = Annotated[int, in_network("--decoder-depth -P P", "Decoder depth.", read=whole)]
ClockName = Annotated[
    str | None,
    in_clock(
        "--clock paper|network",
        "Unit of time: the paper's clock (the default) or the network's, on which times are L "
        "times shorter.",
    ),
]
LearningRate = Annotated[
    float | None,
    in_clock("--lr RATE", "Learning rate; time is then counted in training steps.", read=number),
]
Loss = Annotated[
    str | None,
    in_clock(
        "--loss half-sum|sum|mean",
        "How the training loss reduces the squared error over outputs. Default: half-sum.",
    ),
]
Outputs = Annotated[
    int | None, in_clock("--outputs D", "Number of outputs; required for --loss mean.", read=whole)
]
Fraction = Annotated[
    float,
    in_network("--p FRACTION", "Fraction of the plateau that counts as learned.", read=number),
]
FormatName = Annotated[
    Format | None,
    in_output(
        "--format -f FORMAT",
        "table, csv, markdown, latex or json. Default: by the suffix of --out (.csv, .json, "
        ".md, .tex, .txt for table); table without --out. csv and json have all digits, the others "
        "six. csv has empty cells for missing values and inf for infinity; json has null and the "
        "string Infinity. latex needs no package.",
    ),
]
Out = Annotated[
    Path | None,
    in_output("--out -o FILE", "File to write to. Default: standard output.", callback=writable),
]
DocumentOut = Annotated[
    Path | None, in_output("--out -o FILE", "File to write to.", callback=writable)
]


def modes_of(
    *, lam: Lam = None, rho: Rho = None, variance: Variance = None, modes: ModesFile = None
) -> dict[str, Any]:
    """The modes from lists or from a file, by name."""
    given = {"lam": lam, "rho": rho, "variance": variance}
    inline = {name: values for name, values in given.items() if values is not None}
    if modes is not None:
        if inline:
            raise InputError(f"give --modes or --{next(iter(inline))}, not both")
        return read_modes(modes)
    if not inline:
        raise InputError("modes are missing: give --lam and --rho, or --modes FILE")
    for name in ("lam", "rho"):
        if name not in inline:
            raise InputError(f"--{name} is missing: modes need --lam and --rho, or --modes FILE")
    return inline


def lam_and_rho_of(*, lam: Lam = None, rho: Rho = None, modes: ModesFile = None) -> dict[str, Any]:
    """As `modes_of`, without their variances."""
    given = modes_of(lam=lam, rho=rho, modes=modes)
    return {name: given[name] for name in ("lam", "rho")}


def clock_of(
    *,
    clock: ClockName = None,
    lr: LearningRate = None,
    loss: Loss = None,
    outputs: Outputs = None,
) -> str | dlnflow.Training:
    """The clock that the four options give together."""
    if lr is None:
        for option, value in (("loss", loss), ("outputs", outputs)):
            if value is not None:
                raise InputError(
                    f"--{option} needs --lr, with which time is counted in training steps"
                )
        return clock or "paper"
    if clock is not None:
        raise InputError("give --clock or --lr, not both: --lr counts time in training steps")
    with library_refusals():
        return dlnflow.Training(lr=lr, loss=loss or "half-sum", outputs=outputs)


def output_of(*, form: FormatName = None, out: Out = None) -> Output:
    """Where the table is written, in the format given or the one of the file's suffix."""
    return Output(by_suffix(form, out, Format), out)


Modes = Annotated[dict[str, Any], modes_of]
LamAndRho = Annotated[dict[str, Any], lam_and_rho_of]
Clock = Annotated[str | dlnflow.Training, clock_of]
TableOutput = Annotated[Output, output_of]


def simulated(
    *,
    modes: Modes,
    L: Depth,
    eps: Eps = 1e-3,
    objective: Objectives = "jepa,mae",
    decoder_depth: DecoderDepth = 1,
    clock: Clock,
) -> dict[str, Any]:
    """Arguments of `dlnflow.simulate`."""
    network = {"L": L, "eps": eps, "objective": objective, "decoder_depth": decoder_depth}
    return modes | network | {"clock": clock}


Simulated = Annotated[dict[str, Any], simulated]

"""The command line application: ``simulate``, ``table``, ``demo``, and the other commands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import dlnflow
from dlnflow.cli import _options as options
from dlnflow.cli._claims import claims
from dlnflow.cli._derive import derive
from dlnflow.cli._figures import figures
from dlnflow.cli._identify import identify
from dlnflow.cli._modes import modes
from dlnflow.cli._reading import InputError, numbers
from dlnflow.cli._refusals import EXIT_CODES, OneLineErrors, library_refusals, say, working
from dlnflow.cli._tables import Format, chosen_format, thinned, write, writing

if TYPE_CHECKING:
    import pandas as pd

SCREEN = 60  # largest number of rows of trajectories on the screen

app = typer.Typer(
    name="dlnflow",
    cls=OneLineErrors,
    help="Closed-form learning dynamics of deep linear self-supervised networks: which modes a "
    f"JEPA and an MAE learn, in what order, and when.\n\n{EXIT_CODES}",
    epilog="Example: dlnflow table --lam 1,1 --rho 1,0.5 -L 1,3",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _command_line(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as version_of

        print(f"dlnflow {version_of('dlnflow')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


app.add_typer(figures)
app.command("claims", epilog="Example: dlnflow claims --only 3,5 --quick")(claims)
app.command("derive", epilog="Example: dlnflow derive jepa -L 3 --format markdown")(derive)
app.command("modes", epilog="Example: dlnflow modes --x x.npy --y y.npy --out modes.csv")(modes)
app.command("identify", epilog="Example: dlnflow identify runs.csv --figure fit.png")(identify)


@app.command("simulate", epilog="Example: dlnflow simulate --lam 1,1.3 --rho 0.9,0.4 -L 4")
def _simulate(
    *,
    lam: options.Lam = None,
    rho: options.Rho = None,
    variance: options.Variance = None,
    modes: options.ModesFile = None,
    depth: options.Depth,
    eps: options.Eps = 1e-3,
    objective: options.Objectives = "jepa,mae",
    decoder_depth: options.DecoderDepth = 1,
    clock: options.ClockName = None,
    lr: options.LearningRate = None,
    loss: options.Loss = None,
    outputs: options.Outputs = None,
    method: Annotated[
        str,
        options.option(
            "--method",
            metavar="exact|ode",
            panel="Network",
            help="The closed form, or SciPy's solve_ivp as a check.",
        ),
    ] = "exact",
    times: Annotated[
        str | None,
        options.option(
            "--times",
            metavar="LIST",
            panel="Clock",
            help="Rising times, such as 0,10,100. Default: times that resolve every transition.",
        ),
    ] = None,
    form: options.FormatName = None,
    out: options.Out = None,
) -> None:
    """Trajectories: amplitude w and learned fraction of every mode over time."""
    form = chosen_format(form, out)
    given = options.modes(lam, rho, variance, modes)
    counting = options.clock(clock, lr, loss, outputs)
    t = None if times is None else numbers("times", times)
    with library_refusals(), working("simulating"):
        sim = dlnflow.simulate(
            **given,
            L=depth,
            eps=eps,
            objective=options.names(objective),
            t=t,
            decoder_depth=decoder_depth,
            clock=counting,
            method=method,
        )
        frame = sim.to_dataframe()
    if form is Format.table:
        say(repr(sim))
    series = sum(part.rho.size for part in sim.values())
    _hand_over(frame, form, out, series)


@app.command("table", epilog="Example: dlnflow table --lam 1,1 --rho 1,0.5 -L 1,3 --eps 1e-3,1e-6")
def _table(
    *,
    lam: options.Lam = None,
    rho: options.Rho = None,
    variance: options.Variance = None,
    modes: options.ModesFile = None,
    depth: options.Depths,
    eps: options.EpsList = "1e-3",
    objective: options.Objectives = "jepa,mae",
    p: options.Fraction = 0.5,
    decoder_depth: options.DecoderDepth = 1,
    clock: options.ClockName = None,
    lr: options.LearningRate = None,
    loss: options.Loss = None,
    outputs: options.Outputs = None,
    form: options.FormatName = None,
    out: options.Out = None,
) -> None:
    """Critical times: measured on an integrated trajectory, exact, and by the paper's formula."""
    form = chosen_format(form, out)
    given = options.modes(lam, rho, variance, modes)
    counting = options.clock(clock, lr, loss, outputs)
    depths, starts = numbers("L", depth), numbers("eps", eps)
    with library_refusals(), working("integrating every mode"):
        frame = dlnflow.critical_time_table(
            **given,
            L=depths,
            eps=starts,
            objective=options.names(objective),
            p=p,
            decoder_depth=decoder_depth,
            clock=counting,
        )
    _hand_over(frame, form, out)


@app.command("demo", epilog="Example: dlnflow demo --out demo-output")
def _demo(
    out: Annotated[
        Path,
        options.option("--out", "-o", metavar="FOLDER", panel="Output", help="Folder to write to."),
    ] = Path("demo-output"),
) -> None:
    """A complete example on photographs: modes, critical times and figures, into a folder."""
    from rich.console import Console

    from dlnflow.studies import demo

    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    try:
        demo.run(out, console=Console())
    except ImportError as error:
        if "pip install" not in str(error):
            raise
        raise InputError(str(error)) from None


def _hand_over(frame: pd.DataFrame, form: Format, out: Path | None, series: int = 0) -> None:
    """Write the table; on the screen, at most ``SCREEN`` rows of ``series``, with a message."""
    short = bool(series) and out is None and form is Format.table and len(frame) > SCREEN
    shown = thinned(frame, series, SCREEN) if short else frame
    write(shown, form, out)
    if short:
        say(f"{len(shown)} of {len(frame)} rows, evenly spaced; --format csv writes all")
    if out is not None:
        say(f"wrote {out}: {len(frame)} rows")

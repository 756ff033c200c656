"""The command line application: ``simulate``, ``table``, ``demo``, and the other commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
from dlnflow.cli._tables import Format, thinned, writing

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
options.add(app, "claims", "--only 3,5 --quick")(claims)
options.add(app, "derive", "jepa -L 3 --format markdown")(derive)
options.add(app, "modes", "--x x.npy --y y.npy --out modes.csv")(modes)
options.add(app, "identify", "runs.csv --figure fit.png")(identify)


@options.add(app, "simulate", "--lam 1,1.3 --rho 0.9,0.4 -L 4")
def _simulate(
    *,
    given: options.Simulated,
    method: Annotated[
        str,
        options.in_network(
            "--method exact|ode", "The closed form, or SciPy's solve_ivp as a check."
        ),
    ] = "exact",
    times: Annotated[
        options.Numbers,
        options.in_clock(
            "--times LIST",
            "Rising times, such as 0,10,100. Default: times that resolve every transition.",
            read=numbers,
        ),
    ] = None,
    output: options.TableOutput,
) -> None:
    """Trajectories: amplitude w and learned fraction of every mode over time."""
    with library_refusals(), working("simulating"):
        sim = dlnflow.simulate(**given, t=times, method=method)
        frame = sim.to_dataframe()
    if output.form is Format.table:
        say(repr(sim))
    if not output.on_screen or len(frame) <= SCREEN:
        output.write(frame)
        return
    shown = thinned(frame, sum(part.rho.size for part in sim.values()), SCREEN)
    output.write(shown)
    say(f"{len(shown)} of {len(frame)} rows, evenly spaced; --format csv writes all")


@options.add(app, "table", "--lam 1,1 --rho 1,0.5 -L 1,3 --eps 1e-3,1e-6")
def _table(
    *,
    modes: options.Modes,
    L: options.Depths,
    eps: Annotated[
        options.Numbers,
        options.in_network(
            "--eps LIST", "Amplitudes at the initialisation, such as 1e-3,1e-6.", read=numbers
        ),
    ] = "1e-3",
    objective: options.Objectives = "jepa,mae",
    p: options.Fraction = 0.5,
    decoder_depth: options.DecoderDepth = 1,
    clock: options.Clock,
    output: options.TableOutput,
) -> None:
    """Critical times: measured on an integrated trajectory, exact, and by the paper's formula."""
    with library_refusals(), working("integrating every mode"):
        frame = dlnflow.critical_time_table(
            **modes,
            L=L,
            eps=eps,
            objective=objective,
            p=p,
            decoder_depth=decoder_depth,
            clock=clock,
        )
    output.write(frame)


@options.add(app, "demo", "--out demo-output")
def _demo(
    out: Annotated[Path, options.in_output("--out -o FOLDER", "Folder to write to.")] = Path(
        "demo-output"
    ),
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

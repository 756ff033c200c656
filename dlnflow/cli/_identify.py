"""``dlnflow identify``: measured training curves in, what was trained out."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

import dlnflow
from dlnflow.cli import _options as options
from dlnflow.cli._figures import drawable, save
from dlnflow.cli._reading import InputError, numbers
from dlnflow.cli._refusals import library_refusals, say, working
from dlnflow.cli._tables import Format, chosen_format, write
from dlnflow.cli._trajectories import read_trajectories

SHOWN = 6  # candidates of the ranking on the screen


def _shown(column: str) -> bool:
    """Whether the screen's table has it: intervals say what standard errors do, and more."""
    return not column.endswith("_err")


def identify(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="CSV: a column of times and one for each mode's amplitude; or the columns mode, t "
            "and w, as `dlnflow simulate --format csv` writes.",
        ),
    ],
    *,
    run: Annotated[
        str | None,
        options.option(
            "--run", metavar="NAME", panel="Input", help="Which objective's run of such a file."
        ),
    ] = None,
    eps: Annotated[
        str | None,
        options.option(
            "--eps", metavar="LIST", panel="Known", help="Amplitudes at time 0, if known."
        ),
    ] = None,
    lam: Annotated[
        str | None,
        options.option("--lam", metavar="LIST", panel="Known", help="Covariances, nan if unknown."),
    ] = None,
    rho: Annotated[
        str | None,
        options.option("--rho", metavar="LIST", panel="Known", help="Regression coefficients."),
    ] = None,
    objective: Annotated[
        str,
        options.option(
            "--objective",
            metavar="LIST",
            panel="Candidates",
            help="jepa, mae, layer-2; or all: every target there is.",
        ),
    ] = "jepa,mae",
    depth: Annotated[
        str | None,
        options.option(
            "--depth", "-L", metavar="LIST", panel="Candidates", help="Encoder depths; 1 to 6."
        ),
    ] = None,
    decoder_depth: Annotated[
        str,
        options.option(
            "--decoder-depth", "-P", metavar="LIST", panel="Candidates", help="Decoder depths."
        ),
    ] = "1",
    clock: Annotated[
        str | None,
        options.option(
            "--clock",
            metavar="paper|network|unknown",
            panel="Clock",
            help="What times count: the paper's clock (the default), the network's, or one whose "
            "unit is not known.",
        ),
    ] = None,
    lr: options.LearningRate = None,
    loss: options.Loss = None,
    outputs: options.Outputs = None,
    noise: Annotated[
        str | None,
        options.option(
            "--noise",
            metavar="absolute|relative",
            panel="Noise",
            help="The same at all times, or a share of the amplitude; by default what fits better.",
        ),
    ] = None,
    sigma: Annotated[
        str | None,
        options.option(
            "--sigma",
            metavar="LIST",
            panel="Noise",
            help="The noise's standard deviation, if known: of w, or of log w if relative.",
        ),
    ] = None,
    ranking: Annotated[
        bool,
        options.option("--ranking", panel="Output", help="The table of candidates, not of modes."),
    ] = False,
    figure: Annotated[
        Path | None,
        options.option(
            "--figure",
            metavar="FILE",
            panel="Output",
            callback=drawable,
            help="Where to draw the trajectories, the fit and the residuals.",
        ),
    ] = None,
    form: options.FormatName = None,
    out: options.Out = None,
) -> None:
    """Which network was trained: objective, depth, lam and rho from measured training curves."""
    form = chosen_format(form, out)
    t, w = read_trajectories(file, run)
    known = {
        name: _known(name, text, len(w))
        for name, text in (("eps", eps), ("lam", lam), ("rho", rho), ("sigma", sigma))
        if text is not None
    }
    with library_refusals(), working("fitting"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = dlnflow.identify(
            t,
            w,
            clock=options.clock(clock, lr, loss, outputs),
            objective="all" if objective.strip() == "all" else options.names(objective),
            L=None if depth is None else numbers("L", depth),
            decoder_depth=numbers("decoder_depth", decoder_depth),
            noise=noise,
            **known,
        )
    for warning in caught:
        say(f"warning: {warning.message}")
    say(found.explain())
    frame = found.ranking if ranking else found.to_dataframe()
    if out is None and form is Format.table:
        frame = (
            frame.head(SHOWN) if ranking else frame[[name for name in frame if _shown(str(name))]]
        )
    write(frame, form, out)
    if figure is not None:
        save(found.plot, figure)
    if out is not None:
        say(f"wrote {out}: {len(frame)} rows")


def _known(name: str, text: str, modes: int) -> Any:
    """One number for all modes, or one for each."""
    values = numbers(name, text)
    if len(values) not in (1, modes):
        raise InputError(f"{name}: {len(values)} numbers for {modes} modes")
    return values[0] if len(values) == 1 else values

"""``dlnflow identify``: identifies the network from measured training curves."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

import dlnflow
from dlnflow.cli import _options as options
from dlnflow.cli._figures import drawable, save
from dlnflow.cli._reading import InputError, numbers, read_trajectories
from dlnflow.cli._refusals import library_refusals, say, working
from dlnflow.cli._tables import Format, chosen_format, write

SHOWN = 6  # candidates of the ranking on the screen


def _shown(column: str) -> bool:
    """Whether a column is shown on the screen: intervals are, standard errors are not."""
    return not column.endswith("_err")


def identify(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="CSV with a column of times and one column of amplitudes for each mode; or with "
            "columns mode, t and w, as written by `dlnflow simulate --format csv`.",
        ),
    ],
    *,
    run: Annotated[
        str | None,
        options.option(
            "--run",
            metavar="NAME",
            panel="Input",
            help="Objective to read from a file with several.",
        ),
    ] = None,
    eps: Annotated[
        str | None,
        options.option(
            "--eps", metavar="LIST", panel="Known", help="Amplitudes at time 0; nan if unknown."
        ),
    ] = None,
    lam: Annotated[
        str | None,
        options.option("--lam", metavar="LIST", panel="Known", help="Covariances; nan if unknown."),
    ] = None,
    rho: Annotated[
        str | None,
        options.option(
            "--rho", metavar="LIST", panel="Known", help="Regression coefficients; nan if unknown."
        ),
    ] = None,
    objective: Annotated[
        str,
        options.option(
            "--objective",
            metavar="LIST",
            panel="Candidates",
            help="Objectives to try: jepa, mae, layer-2; or all, for every target layer.",
        ),
    ] = "jepa,mae",
    depth: Annotated[
        str | None,
        options.option(
            "--depth",
            "-L",
            metavar="LIST",
            panel="Candidates",
            help="Encoder depths to try (1 to 6).",
        ),
    ] = None,
    decoder_depth: Annotated[
        str,
        options.option(
            "--decoder-depth",
            "-P",
            metavar="LIST",
            panel="Candidates",
            help="Decoder depths to try.",
        ),
    ] = "1",
    clock: Annotated[
        str | None,
        options.option(
            "--clock",
            metavar="paper|network|unknown",
            panel="Clock",
            help="The unit of time: the paper's clock (the default), the network's, or unknown.",
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
            help="Equal at all times, or proportional to the amplitude. By default the better fit.",
        ),
    ] = None,
    sigma: Annotated[
        str | None,
        options.option(
            "--sigma",
            metavar="LIST",
            panel="Noise",
            help="Standard deviation of the noise: of w, or of log w if relative.",
        ),
    ] = None,
    ranking: Annotated[
        bool,
        options.option(
            "--ranking", panel="Output", help="Print the candidates instead of the modes."
        ),
    ] = False,
    figure: Annotated[
        Path | None,
        options.option(
            "--figure",
            metavar="FILE",
            panel="Output",
            callback=drawable,
            help="Draw the trajectories, the fit and the residuals to a file.",
        ),
    ] = None,
    form: options.FormatName = None,
    out: options.Out = None,
) -> None:
    """Estimate objective, depth, lam and rho of a network from measured training curves."""
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

"""``dlnflow identify``: identifies the network from measured training curves."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

import dlnflow
from dlnflow.cli import _options as options
from dlnflow.cli._figures import drawable, save
from dlnflow.cli._reading import InputError, names, numbers, reading
from dlnflow.cli._refusals import library_refusals, say, working

SHOWN = 6  # candidates of the ranking on the screen

logged, known, candidates, noisy = map(options.panel, ("Log", "Known", "Candidates", "Noise"))


def identify(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="Training log in CSV: a column of steps or times and one column of amplitudes for "
            "each mode; or one mode in each of several files; or columns mode, t and w, as written "
            "by `dlnflow simulate --format csv`.",
        ),
    ],
    *,
    columns: Annotated[
        options.Names,
        logged(
            "--columns LIST",
            "Columns that are modes. Default: all but those that are certainly none.",
            read=names,
        ),
    ] = None,
    time: Annotated[
        str | None,
        logged(
            "--time NAME",
            "Column of times. Default: step, iteration or the like; t or time, on the paper's "
            "clock; or epoch.",
        ),
    ] = None,
    run: Annotated[
        str | None,
        logged("--run NAME", "Run, objective or seed to read from a log with several."),
    ] = None,
    eps: Annotated[
        options.Numbers, known("--eps LIST", "Amplitudes at time 0; nan if unknown.", read=numbers)
    ] = None,
    lam: Annotated[
        options.Numbers, known("--lam LIST", "Covariances; nan if unknown.", read=numbers)
    ] = None,
    rho: Annotated[
        options.Numbers,
        known("--rho LIST", "Regression coefficients; nan if unknown.", read=numbers),
    ] = None,
    objective: Annotated[
        options.Names,
        candidates(
            "--objective LIST",
            "Objectives to try: jepa, mae, layer-2; or all, for every target layer.",
            read=names,
        ),
    ] = "jepa,mae",
    L: Annotated[
        options.Numbers,
        candidates("--depth -L LIST", "Encoder depths to try (1 to 6).", read=numbers),
    ] = None,
    decoder_depth: Annotated[
        options.Numbers,
        candidates("--decoder-depth -P LIST", "Decoder depths to try.", read=numbers),
    ] = "1",
    clock: Annotated[
        str | None,
        options.in_clock(
            "--clock paper|network|unknown",
            "The unit of time: the paper's clock, the network's, or unknown. Default: what the log "
            "says; unknown for steps without a learning rate.",
        ),
    ] = None,
    lr: options.LearningRate = None,
    loss: options.Loss = None,
    outputs: options.Outputs = None,
    measure: Annotated[
        str,
        options.panel("Input")(
            "--measure amplitude|scaled|probe",
            "What the columns hold: amplitudes (the default), amplitudes up to a factor, or the R2 "
            "of a linear probe.",
        ),
    ] = "amplitude",
    noise: Annotated[
        str | None,
        noisy(
            "--noise absolute|relative",
            "Equal at all times, or proportional to the amplitude. By default the better fit.",
        ),
    ] = None,
    sigma: Annotated[
        options.Numbers,
        noisy(
            "--sigma LIST",
            "Standard deviation of the noise: of w, or of log w if relative.",
            read=numbers,
        ),
    ] = None,
    ranking: Annotated[
        bool, options.in_output("--ranking", "Print the candidates instead of the modes.")
    ] = False,
    figure: Annotated[
        Path | None,
        options.in_output(
            "--figure FILE",
            "Draw the trajectories, the fit and the residuals to a file.",
            callback=drawable,
        ),
    ] = None,
    output: options.TableOutput,
) -> None:
    """Estimate objective, depth, lam and rho of a network from measured training curves."""
    if clock is not None:
        options.clock_of(clock=clock, lr=lr, loss=loss, outputs=outputs)  # refuses both
    with reading(), library_refusals():
        log = dlnflow.read_log(
            files,
            columns=columns,
            time=time,
            lr=lr,
            loss=loss or "half-sum",
            outputs=outputs,
            run=run,
        )
    if clock is not None and log.clock == "network":
        raise InputError("--clock: the log's learning rates give the clock: leave it out")
    given = {"eps": eps, "lam": lam, "rho": rho, "sigma": sigma}
    with library_refusals(), working("fitting"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = log.identify(
            clock=clock or log.clock,
            objective="all" if objective == ("all",) else objective,
            L=L,
            decoder_depth=decoder_depth,
            noise=noise,
            measure=measure,
            **{name: _for_modes(name, one, len(log.w)) for name, one in given.items() if one},
        )
    say(found.explain())
    for note in (*log.notes, *log.aside_in_words()):
        say(note)
    for warning in caught:
        say(f"warning: {warning.message}")
    if not found.explained:
        say("The table shows the best fit, which does not explain the curves.")
    frame = found.ranking if ranking else found.to_dataframe()
    if output.on_screen and ranking:
        frame = frame.head(SHOWN)
    elif output.on_screen:  # intervals without standard errors
        frame = frame.loc[:, ~frame.columns.str.endswith("_err")]
    output.write(frame)
    if figure is not None:
        save(found.plot, figure)


def _for_modes(name: str, values: list[float], modes: int) -> Any:
    """One number for all modes, or one for each."""
    if len(values) not in (1, modes):
        raise InputError(f"{name}: {len(values)} numbers for {modes} modes")
    return values[0] if len(values) == 1 else values

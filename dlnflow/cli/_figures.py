"""``dlnflow figure``: figures of `dlnflow.plot`, each a command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

import dlnflow
from dlnflow.cli import _options as options
from dlnflow.cli._reading import InputError, numbers
from dlnflow.cli._refusals import library_refusals, say, working
from dlnflow.cli._tables import writable, writing

DPI = 200


def drawable(out: Path | None) -> Path | None:
    """The path, if a figure can be written there; checked before the work.

    Raises
    ------
    InputError
        If Matplotlib does not know the suffix, and as for `writable`.
    """
    if out is None:
        return None
    from matplotlib.backend_bases import FigureCanvasBase

    kinds = FigureCanvasBase.get_supported_filetypes()
    if out.suffix.lower().lstrip(".") not in kinds:
        known = ", ".join(f".{kind}" for kind in sorted(kinds))
        raise InputError(
            f"{out}: the suffix of a figure must be one of {known}: got {out.suffix or 'none'}"
        )
    return writable(out)


Picture = Annotated[
    Path,
    options.option(
        "--out",
        "-o",
        metavar="FILE",
        panel="Output",
        callback=drawable,
        help="File to write to; its suffix chooses the format: .png, .pdf, .svg.",
    ),
]
Quantity = Annotated[
    str,
    options.option(
        "--quantity",
        metavar="w|learned",
        panel="Figure",
        help="Amplitude or learned fraction.",
    ),
]
TimeAxis = Annotated[
    str,
    options.option(
        "--time",
        metavar="linear|log|log-log",
        panel="Figure",
        help="Scale of the time axis, or of both axes.",
    ),
]

figures = typer.Typer(
    name="figure",
    help="Figures, written to a file.",
    epilog="Example: dlnflow figure depth --lam 1,1 --rho 1,0.5 -L 1,2,3,4",
)


@figures.command(
    "trajectories",
    epilog="Example: dlnflow figure trajectories --lam 1,1.3 --rho 0.9,0.4 -L 4",
)
def _trajectories(
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
    quantity: Quantity = "w",
    time: TimeAxis = "linear",
    out: Picture = Path("trajectories.png"),
) -> None:
    """Every mode over time, objectives side by side."""
    with library_refusals():
        sim = dlnflow.simulate(
            **options.modes(lam, rho, variance, modes),
            L=depth,
            eps=eps,
            objective=options.names(objective),
            decoder_depth=decoder_depth,
            clock=options.clock(clock, lr, loss, outputs),
        )
    _draw("simulation", out, sim=sim, quantity=quantity, time=time)


@figures.command(
    "depth",
    epilog="Example: dlnflow figure depth --lam 1,1 --rho 1,0.5 -L 1,2,3,4",
)
def _depth(
    *,
    lam: options.Lam = None,
    rho: options.Rho = None,
    modes: options.ModesFile = None,
    depth: options.Depths,
    eps: options.Eps = 1e-3,
    objective: options.Objectives = "jepa,mae",
    p: options.Fraction = 0.5,
    decoder_depth: options.DecoderDepth = 1,
    clock: options.ClockName = None,
    lr: options.LearningRate = None,
    loss: options.Loss = None,
    outputs: options.Outputs = None,
    out: Picture = Path("depth.png"),
) -> None:
    """Critical times against depth, exact and by the published formula."""
    _draw(
        "critical_time_against_depth",
        out,
        **_lam_and_rho(lam, rho, modes),
        depths=numbers("L", depth),
        eps=eps,
        objective=options.names(objective),
        p=p,
        decoder_depth=decoder_depth,
        clock=options.clock(clock, lr, loss, outputs),
    )


@figures.command("panels", epilog="Example: dlnflow figure panels -L 5 --out panels.png")
def _panels(
    *,
    depth: options.Depth = 5,
    eps: options.Eps = 1e-2,
    decoder_depth: options.DecoderDepth = 1,
    clock: options.ClockName = None,
    lr: options.LearningRate = None,
    loss: options.Loss = None,
    outputs: options.Outputs = None,
    quantity: Quantity = "w",
    time: TimeAxis = "linear",
    out: Picture = Path("panels.png"),
) -> None:
    """Six panels in the layout of the paper's Figure 2, with modes of our own."""
    _draw(
        "paper_panels",
        out,
        L=depth,
        eps=eps,
        decoder_depth=decoder_depth,
        clock=options.clock(clock, lr, loss, outputs),
        quantity=quantity,
        time=time,
    )


@figures.command(
    "collapse",
    epilog="Example: dlnflow figure collapse --lam 1,3,0.2 --rho 1,0.7,0.5 -L 2",
)
def _collapse(
    *,
    lam: options.Lam = None,
    rho: options.Rho = None,
    modes: options.ModesFile = None,
    depth: options.Depth,
    eps: options.Eps = 1e-3,
    objective: options.OneObjective = "jepa",
    decoder_depth: options.DecoderDepth = 1,
    clock: options.ClockName = None,
    lr: options.LearningRate = None,
    loss: options.Loss = None,
    outputs: options.Outputs = None,
    out: Picture = Path("collapse.png"),
) -> None:
    """All modes of one objective on one curve, with time in units of their rate."""
    _draw(
        "collapse",
        out,
        **_lam_and_rho(lam, rho, modes),
        L=depth,
        eps=eps,
        objective=objective,
        decoder_depth=decoder_depth,
        clock=options.clock(clock, lr, loss, outputs),
    )


@figures.command("map", epilog="Example: dlnflow figure map -L 3 --eps 1e-2 --out map.png")
def _map(
    *,
    depth: options.Depth,
    eps: options.Eps = 1e-3,
    objective: options.Objectives = "jepa,mae",
    p: options.Fraction = 0.5,
    decoder_depth: options.DecoderDepth = 1,
    out: Picture = Path("map.png"),
) -> None:
    """Which of two modes is learned first, over the ratios of their rho and lam."""
    _draw(
        "first_learned_map",
        out,
        L=depth,
        eps=eps,
        objective=options.names(objective),
        p=p,
        decoder_depth=decoder_depth,
    )


def _lam_and_rho(lam: str | None, rho: str | None, file: Path | None) -> dict[str, Any]:
    given = options.modes(lam, rho, None, file)
    return {name: given[name] for name in ("lam", "rho")}


def _draw(figure: str, out: Path, **arguments: Any) -> None:
    """Write one figure of `dlnflow.plot` to a file."""

    def draw() -> Any:
        from dlnflow import plot

        return getattr(plot, figure)(**arguments)

    save(draw, out)


def save(draw: Callable[[], Any], out: Path) -> None:
    """Draw axes, and write their figure to a file in the format of its suffix."""
    import matplotlib

    matplotlib.use("agg")  # no window is shown, and there may be no display
    import matplotlib.pyplot as plt
    import numpy as np

    with library_refusals(), working("drawing"):
        axes = draw()
    drawn = np.ravel(axes)[0].figure
    with writing(out):
        drawn.savefig(out, dpi=DPI)
    plt.close(drawn)
    say(f"wrote {out}")

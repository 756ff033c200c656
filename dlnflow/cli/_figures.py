"""``dlnflow figure``: figures of `dlnflow.plot`, each a command."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Annotated, Any

import typer

import dlnflow
from dlnflow.cli import _options as options
from dlnflow.cli._reading import InputError
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


in_figure = options.panel("Figure")
Picture = Annotated[
    Path,
    options.in_output(
        "--out -o FILE",
        "File to write to; its suffix chooses the format: .png, .pdf, .svg.",
        callback=drawable,
    ),
]
Quantity = Annotated[str, in_figure("--quantity w|learned", "Amplitude or learned fraction.")]
TimeAxis = Annotated[
    str, in_figure("--time linear|log|log-log", "Scale of the time axis, or of both axes.")
]

figures = typer.Typer(
    name="figure",
    help="Figures, written to a file.",
    epilog="Example: dlnflow figure depth --lam 1,1 --rho 1,0.5 -L 1,2,3,4",
)


def _figure(name: str, drawn_by: str, example: str) -> Callable[[Callable[..., None]], None]:
    """A decorator that makes a figure of `dlnflow.plot` a command.

    The decorated function has no body: its parameters are the options, all of which but ``out`` go
    to ``drawn_by``, and its docstring is the help.
    """

    def register(declared: Callable[..., None]) -> None:
        def draw(*, out: Path, modes: dict[str, Any] | None = None, **given: Any) -> None:
            def drawn() -> Any:
                from dlnflow import plot

                return getattr(plot, drawn_by)(**modes or {}, **given)

            save(drawn, out)

        draw.__doc__ = declared.__doc__
        draw.__signature__ = signature(declared, eval_str=True)  # type: ignore[attr-defined]
        options.add(figures, name, example)(draw)

    return register


@options.add(figures, "trajectories", "--lam 1,1.3 --rho 0.9,0.4 -L 4")
def _trajectories(
    *,
    given: options.Simulated,
    quantity: Quantity = "w",
    time: TimeAxis = "linear",
    out: Picture = Path("trajectories.png"),
) -> None:
    """Every mode over time, objectives side by side."""
    with library_refusals():
        sim = dlnflow.simulate(**given)
    save(lambda: sim.plot(quantity=quantity, time=time), out)


@_figure("depth", "critical_time_against_depth", "--lam 1,1 --rho 1,0.5 -L 1,2,3,4")
def _depth(
    *,
    modes: options.LamAndRho,
    depths: options.Depths,
    eps: options.Eps = 1e-3,
    objective: options.Objectives = "jepa,mae",
    p: options.Fraction = 0.5,
    decoder_depth: options.DecoderDepth = 1,
    clock: options.Clock,
    out: Picture = Path("depth.png"),
) -> None:
    """Critical times against depth, exact and by the published formula."""


@_figure("panels", "paper_panels", "-L 5 --out panels.png")
def _panels(
    *,
    L: options.Depth = 5,
    eps: options.Eps = 1e-2,
    decoder_depth: options.DecoderDepth = 1,
    clock: options.Clock,
    quantity: Quantity = "w",
    time: TimeAxis = "linear",
    out: Picture = Path("panels.png"),
) -> None:
    """Six panels in the layout of the paper's Figure 2, with modes of our own."""


@_figure("collapse", "collapse", "--lam 1,3,0.2 --rho 1,0.7,0.5 -L 2")
def _collapse(
    *,
    modes: options.LamAndRho,
    L: options.Depth,
    eps: options.Eps = 1e-3,
    objective: options.OneObjective = "jepa",
    decoder_depth: options.DecoderDepth = 1,
    clock: options.Clock,
    out: Picture = Path("collapse.png"),
) -> None:
    """All modes of one objective on one curve, with time in units of their rate."""


@_figure("map", "first_learned_map", "-L 3 --eps 1e-2 --out map.png")
def _map(
    *,
    L: options.Depth,
    eps: options.Eps = 1e-3,
    objective: options.Objectives = "jepa,mae",
    p: options.Fraction = 0.5,
    decoder_depth: options.DecoderDepth = 1,
    out: Picture = Path("map.png"),
) -> None:
    """Which of two modes is learned first, over the ratios of their rho and lam."""


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

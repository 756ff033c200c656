"""What a JEPA and an MAE learn first from photographs, predicted and measured.

The context is a patch of a photograph. The targets are the four patches half its width to the left,
right, above and below; all four together make ``Sigma_yx`` symmetric (with one alone its asymmetry
is 0.02). Patches overlap because otherwise ``lam`` and ``rho`` rank the modes almost equally (a
correlation of 0.98 for patches of 8 pixels side by side, 0.94 at half a patch), and the objectives
would hardly differ.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlnflow.data import FeaturePrediction, Prediction, Spectrum
from dlnflow.studies.demo._patches import patch_pairs, patch_width, photographs

if TYPE_CHECKING:
    from rich.console import Console

L, EPS = 3, 1e-2
SAME_ORDER = 1.0 - 1e-9  # Kendall's tau of two equal orders, up to rounding


@dataclass(frozen=True, eq=False)
class DemoResult:
    """Results of the demo: an immutable record.

    Attributes
    ----------
    spectrum : Spectrum
        The modes of the photographs' patches.
    prediction : Prediction
        What both objectives learn first, with networks trained beside it.
    sentences : tuple of str
        The findings, computed from the numbers.
    files : tuple of pathlib.Path
        The files written.
    seconds : float
        Wall-clock time of the demo.
    """

    spectrum: Spectrum
    prediction: Prediction
    sentences: tuple[str, ...]
    files: tuple[Path, ...]
    seconds: float


def run(out: Path, *, console: Console | None = None, patch: int = 8) -> DemoResult:
    """Predict what is learned first from patches of two photographs, and train networks on them.

    Parameters
    ----------
    out : pathlib.Path
        Folder for figures and tables; created if needed.
    console : rich.console.Console, optional
        By default standard output.
    patch : int
        Width of the patches in pixels, even, from 4 to 16: ``patch**2`` modes.

    Returns
    -------
    DemoResult

    Raises
    ------
    ImportError
        If scikit-learn, which contains the photographs, Pillow, which reads them, or scikit-sundae,
        which trains the networks, is missing.
    ValueError, TypeError
        If ``patch`` is no even number from 4 to 16.

    Notes
    -----
    The photographs are ``china.jpg`` and ``flower.jpg`` of scikit-learn; nothing is downloaded.
    They are in grayscale from 0 to 1, and ``lam`` is in those units squared. Times are on the
    paper's clock.

    Examples
    --------
    >>> import io, tempfile
    >>> from rich.console import Console
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = run(Path(folder), console=Console(file=io.StringIO()), patch=4)
    >>> result.prediction["jepa"].order.tolist()
    [0, 1, 2, 3]
    """
    from rich.console import Console

    from dlnflow._common._progress import bar

    started = time.perf_counter()
    width = patch_width(patch)
    console = Console() if console is None else console
    with bar(1.0, console) as show:
        show(0.0, "reading two photographs")
        x, y = patch_pairs(photographs(), width)
        show(0.05, f"finding the modes of {len(x)} pairs of patches")
        spectrum = Spectrum.from_samples(x, y)
        show(0.1, "predicting what is learned first")
        prediction = spectrum.predict(
            L, eps=EPS, verify=True, progress=lambda share, text: show(0.3 + 0.6 * share, text)
        )
        if any(part.verification.stopped for part in prediction.values() if part.verification):
            raise KeyboardInterrupt  # which a verification turns into an incomplete result
        show(0.9, "drawing")
        files = _write(Path(out), spectrum, prediction)
        show(1.0, "done")
    said = _confirmed(prediction), _differences(prediction), _stages(prediction)
    result = DemoResult(spectrum, prediction, said, files, time.perf_counter() - started)
    _report(result, len(x), console)
    return result


def _confirmed(prediction: Prediction) -> str:
    """Order and times of the trained networks."""

    def said(name: str, part: FeaturePrediction) -> str:
        both = np.isfinite(part.time) & np.isfinite(part.network_time)
        off = np.abs(part.network_time[both] / part.time[both] - 1.0)
        same = part.tau is not None and part.tau > SAME_ORDER
        order = "in the predicted order" if same else f"with Kendall's tau {part.tau}"
        return (
            f"a trained {name.upper()} learned {both.sum()} of {_count(part)} features {order} "
            f"(times {100.0 * part.median_error:.2g} % off in the median, "
            f"{100.0 * off.max(initial=0.0):.2g} % at most)"
        )

    text = "; ".join(said(*item) for item in prediction.items())
    return f"{text[0].upper()}{text[1:]}."


def _differences(prediction: Prediction) -> str:
    """Features that only one objective learns, and pairs learned in opposite orders."""
    jepa, mae = (_times(part) for part in prediction.values())
    shared = jepa.keys() & mae.keys()
    opposite = sum(
        (jepa[one] - jepa[other]) * (mae[one] - mae[other]) < 0.0
        for one, other in combinations(shared, 2)
    )

    def others(part: FeaturePrediction) -> str:
        rows = [i for i in part.order[: _count(part)] if part.mode[i] not in shared]
        words = (f"mode {part.mode[i]} (rho {part.rho[i]:.2f})" for i in rows)
        return ", ".join(words) or "no other"

    return (
        f"The JEPA and the MAE share {len(shared)} of these features and learn {opposite} pairs of "
        f"them in opposite orders; the JEPA also learns {others(prediction['jepa'])}, the MAE "
        f"{others(prediction['mae'])}."
    )


def _stages(prediction: Prediction) -> str:
    """What decides the times, and what the networks lost again."""

    def each(words: Callable[[FeaturePrediction], str]) -> str:
        return " and ".join(f"{words(part)} ({name.upper()})" for name, part in prediction.items())

    def alone(part: FeaturePrediction) -> str:
        return f"{np.sum(part.decided_by == 'closed form')} of {_count(part)}"

    def off(part: FeaturePrediction) -> str:
        error = np.abs(part.closed_form / part.network_time - 1.0)
        return f"{100.0 * error.max(where=np.isfinite(part.network_time), initial=0.0):.0f} %"

    def lost(part: FeaturePrediction) -> str:
        return f"{np.sum(np.isfinite(part.network_lost_time))}"

    return (
        f"The closed form decides the times of {each(alone)} features; units that have learned "
        f"other features decide the rest, where the closed form is up to {each(off)} off; the "
        f"networks lost {each(lost)} features again."
    )


def _times(part: FeaturePrediction) -> dict[int, float]:
    """Times of the features that are learned, by mode."""
    every = zip(part.mode.tolist(), part.time.tolist(), strict=True)
    return {mode: time for mode, time in every if time < np.inf}


def _count(part: FeaturePrediction) -> int:
    """Number of features predicted to be learned."""
    return int(np.isfinite(part.time).sum())


def _report(result: DemoResult, pairs: int, console: Console) -> None:
    """Print everything but the figures."""

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False)

    say(f"{pairs} pairs of patches from two photographs")
    say(repr(result.spectrum))
    _print_table(result.prediction, console)
    for sentence in result.sentences:
        say(f"{sentence}\n")
    names = ", ".join(file.name for file in result.files)
    say(f"In {result.files[0].parent}: {names} ({result.seconds:.0f} s)")


def _print_table(prediction: Prediction, console: Console) -> None:
    from rich import box
    from rich.table import Table

    title = f"Features learned first, L = {L}, eps = {EPS:g} ({prediction.time_label})"
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    columns = ["mode", "lam", "rho", "closed_form", "decided_by", "time", "bound", "network_time"]
    for name in ("", *columns):
        table.add_column(name.replace("_", "\n"), justify="right", no_wrap=True)
    for name, part in prediction.items():
        frame = part.to_dataframe()[columns]
        frame["bound"] = [f"{100.0 * bound:.2g} %" for bound in frame["bound"]]
        for place, row in enumerate(frame.itertuples(index=False), start=1):
            cells = (f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row)
            table.add_row(name.upper(), *cells, end_section=place == len(frame))
    console.print(table)


def _write(out: Path, spectrum: Spectrum, prediction: Prediction) -> tuple[Path, ...]:
    """Tables and figures into the folder."""
    from dlnflow.studies.demo import _figures

    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name, frame in (
        ("modes", spectrum.to_dataframe()),
        ("features", prediction.to_dataframe()),
    ):
        written.append(out / f"{name}.csv")
        frame.to_csv(written[-1], index=False)
    for name, figure in (
        ("times", _figures.times(prediction)),
        ("features", _figures.features(spectrum, prediction)),
    ):
        written.append(out / f"{name}.png")
        figure.savefig(written[-1], dpi=150)
    return tuple(written)

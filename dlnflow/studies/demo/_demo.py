"""Real photographs, two objectives: which patterns JEPA and MAE learn, and in what order.

The context is a patch of a photograph, the target the patch half a patch away, to the left, to the
right, above and below alike. Those four together make ``Sigma_yx`` symmetric (one alone: asymmetry
0.02). With patches of 8 pixels that only touch, ``lam`` and ``rho`` rank the modes nearly alike (a
correlation of 0.92, against 0.62 for half a patch), and little could tell the objectives apart.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dlnflow._common import _validate
from dlnflow.data._spectrum import MOSTLY, Spectrum
from dlnflow.theory._critical_time import critical_time
from dlnflow.theory._modes import plateau

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

Array = NDArray[np.float64]
Times = dict[tuple[str, int], Array]  # of all modes, by objective and depth

DEPTHS = (1, 2, 4)
OBJECTIVES = ("jepa", "mae")
EPS = 1e-6  # JEPA's plateau is rho**L: at L = 4 a mode with rho below 0.03 starts above it
STRIDE = 3  # pixels between patches; nearer ones tell little that is new
LEADING = 8  # modes in the printed table
HEADINGS = {"objective": "", "published_error": "its_error"}
LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601, as every grayscale conversion


@dataclass(frozen=True, eq=False)
class DemoResult:
    """What the demo found.

    Attributes
    ----------
    spectrum : Spectrum
        The modes of the photographs' patches.
    table : pandas.DataFrame
        Critical times of the leading modes; see `dlnflow.critical_time_table`.
    orders : pandas.DataFrame
        One row per objective and depth. ``learnable``: modes with ``rho > 0``; ``above``: of those,
        how many start above their plateau; ``compared``: modes with a positive and finite critical
        time under every objective and depth, the same ones in every row. ``with_lam``,
        ``with_rho``: Spearman correlation of their learning order with ``lam`` and ``rho`` (1: the
        largest is learned first). ``conflicts``: pairs of them that ``lam`` and ``rho`` rank
        oppositely; ``by_rho``: share of those in which the larger ``rho`` is learned first.
    sentences : tuple of str
        Three, computed from the numbers.
    files : tuple of pathlib.Path
        What was written.
    seconds : float
        How long it took.
    """

    spectrum: Spectrum
    table: pd.DataFrame
    orders: pd.DataFrame
    sentences: tuple[str, ...]
    files: tuple[Path, ...]
    seconds: float


def run(out: Path, *, console: Console | None = None, patch: int = 8) -> DemoResult:
    """Learn the patches of two photographs with JEPA and MAE, print and draw what happens.

    Parameters
    ----------
    out : pathlib.Path
        Folder for figures and tables; made if it is not there.
    console : rich.console.Console, optional
        Where to print; by default the standard output.
    patch : int
        Width of the patches in pixels, even, from 4 to 16: ``patch**2`` modes.

    Returns
    -------
    DemoResult

    Raises
    ------
    ImportError
        Without scikit-learn and Pillow, which bring and read the photographs.
    ValueError, TypeError
        For a ``patch`` out of range.

    Notes
    -----
    The photographs are ``china.jpg`` and ``flower.jpg``, which ship inside scikit-learn; nothing is
    downloaded. Grayscale in [0, 1]; ``lam`` is in those units squared. Times are on the paper's
    clock. Critical times: the paper's theorem, measured, exact and as published.

    Examples
    --------
    >>> import io, tempfile
    >>> from rich.console import Console
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = run(Path(folder), console=Console(file=io.StringIO()), patch=4)
    >>> result.spectrum.lam.size, result.orders["objective"].unique().tolist()
    (16, ['jepa', 'mae'])
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    started = time.perf_counter()
    width = _patch_width(patch)
    console = Console() if console is None else console
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("reading two photographs", total=4)

        def done(then: str) -> None:
            progress.update(task, advance=1, description=then)

        x, y = patch_pairs(photographs(), width)
        done(f"finding the modes of {len(x)} pairs of patches")
        spectrum = Spectrum.from_samples(x, y)
        done("integrating the leading modes")
        table = spectrum.leading(LEADING).critical_time_table(DEPTHS, eps=EPS, objective=OBJECTIVES)
        times = _critical_times(spectrum)
        orders = learning_orders(spectrum, times)
        done("drawing")
        said = _sentences(spectrum, orders, times)
        files = _write(Path(out), spectrum, table, orders, times)
        done("done")
    result = DemoResult(spectrum, table, orders, said, files, time.perf_counter() - started)
    _report(result, len(x), console)
    return result


def photographs() -> list[Array]:
    """The photographs of scikit-learn: two arrays of shape (427, 640), grayscale in [0, 1].

    Raises
    ------
    ImportError
        Without scikit-learn or Pillow; says how to get them.

    Examples
    --------
    >>> [image.shape for image in photographs()]
    [(427, 640), (427, 640)]
    """
    try:
        import PIL  # noqa: F401  # scikit-learn reads pictures with it
        from sklearn.datasets import load_sample_images
    except ImportError as error:
        raise ImportError(
            "the demo needs scikit-learn's photographs and Pillow to read them: install both with "
            "pip install 'dlnflow[photos]'"
        ) from error
    return [image / 255.0 @ np.array(LUMINANCE) for image in load_sample_images().images]


def patch_pairs(images: list[Array], patch: int) -> tuple[Array, Array]:
    """Every patch with the four that lie half a patch to its left, right, above and below.

    Parameters
    ----------
    images : list of array, shape (height, width)
    patch : int
        Width of a patch, even.

    Returns
    -------
    x, y : array, shape (n, patch**2)
        Contexts and targets, row by row of pixels, one context for each of its targets.

    Raises
    ------
    ValueError, TypeError
        For a ``patch`` out of range.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = patch_pairs([np.arange(64.0).reshape(8, 8)], 4)
    >>> x.shape, sorted({float(step) for step in (y - x)[:, 0]})
    ((8, 16), [-16.0, -2.0, 2.0, 16.0])
    """
    width = _patch_width(patch)
    pairs = list(itertools.chain.from_iterable(_shifted(image, width) for image in images))
    return np.concatenate([x for x, _ in pairs]), np.concatenate([y for _, y in pairs])


def _shifted(image: Array, patch: int) -> Iterator[tuple[Array, Array]]:
    patches = np.lib.stride_tricks.sliding_window_view(image, (patch, patch))
    half = patch // 2
    for down, right in ((0, half), (0, -half), (half, 0), (-half, 0)):
        rows = np.arange(max(0, -down), len(patches) - max(0, down), STRIDE)
        columns = np.arange(max(0, -right), patches.shape[1] - max(0, right), STRIDE)
        x = patches[np.ix_(rows, columns)]
        y = patches[np.ix_(rows + down, columns + right)]
        yield x.reshape(-1, patch**2), y.reshape(-1, patch**2)


def _patch_width(patch: int) -> int:
    width = _validate.depth("patch", patch)
    if width.ndim or width % 2 or not 4 <= width <= 16:
        raise ValueError(f"patch must be an even number from 4 to 16: got {patch!r}")
    return int(width)


def learning_orders(spectrum: Spectrum, times: Times) -> pd.DataFrame:
    """How the order of learning goes with ``lam`` and with ``rho``.

    Parameters
    ----------
    spectrum : Spectrum
    times : dict
        Critical times of all its modes, by objective and depth.

    Returns
    -------
    pandas.DataFrame
        See ``DemoResult.orders``. Correlations are missing (NaN) with fewer than three modes to
        compare or where all agree, and ``by_rho`` without a conflict.

    Notes
    -----
    Modes that start above half their plateau have critical time 0, those with ``rho <= 0``
    infinity; such ties say nothing of the order, and are counted instead of compared.

    Examples
    --------
    >>> spectrum = Spectrum.from_covariances(np.diag([4.0, 2, 1]), np.diag([0.9, 0.8, 0.7]))
    >>> times = {("jepa", 1): np.array([3.0, 2.0, 1.0]), ("mae", 1): np.array([1.0, 2.0, 3.0])}
    >>> learning_orders(spectrum, times)[["objective", "with_rho", "by_rho"]].values.tolist()
    [['jepa', 1.0, 1.0], ['mae', -1.0, 0.0]]
    """
    import pandas as pd

    compared = _compared(times)
    lam, rho = spectrum.lam[compared], spectrum.rho[compared]
    learnable = spectrum.rho[spectrum.rho > 0.0]
    rows = []
    for (objective, L), time_of in times.items():
        conflicts, by_rho = _conflicts(lam, rho, time_of[compared])
        rows.append(
            {
                "objective": objective,
                "L": L,
                "learnable": learnable.size,
                "above": int(np.sum(plateau(learnable, L, objective=objective) <= EPS)),
                "compared": int(np.sum(compared)),
                "with_lam": _rank_correlation(-time_of[compared], lam),
                "with_rho": _rank_correlation(-time_of[compared], rho),
                "conflicts": conflicts,
                "by_rho": by_rho,
            }
        )
    return pd.DataFrame(rows)


def _compared(times: Times) -> NDArray[np.bool_]:
    every = np.array(list(times.values()))
    return ((every > 0.0) & np.isfinite(every)).all(axis=0)


def _conflicts(lam: Array, rho: Array, times: Array) -> tuple[int, float]:
    """Pairs that ``lam`` and ``rho`` rank oppositely, and the share in which ``rho`` prevails."""
    i, j = np.triu_indices(lam.size, 1)
    oppose = (lam[i] - lam[j]) * (rho[i] - rho[j]) < 0.0
    i, j = i[oppose], j[oppose]
    prevails = (rho[i] - rho[j]) * (times[i] - times[j]) < 0.0
    return int(oppose.sum()), float(prevails.mean()) if prevails.size else float("nan")


def _rank_correlation(one: Array, other: Array) -> float:
    from scipy.stats import spearmanr

    if one.size < 3 or np.ptp(one) == 0.0 or np.ptp(other) == 0.0:
        return float("nan")
    return float(spearmanr(one, other).statistic)


def _critical_times(spectrum: Spectrum) -> Times:
    lam, rho, variance = spectrum.lam, spectrum.rho, spectrum.variance
    return {
        (name, L): critical_time(lam, rho, L, eps=EPS, objective=name, variance=variance)
        for name in OBJECTIVES
        for L in DEPTHS
    }


def _sentences(spectrum: Spectrum, orders: pd.DataFrame, times: Times) -> tuple[str, str, str]:
    """What was found: the order, the assumptions, the modes that are not learned."""
    rows: dict[Any, Any] = {(row["objective"], row["L"]): row for row in orders.to_dict("records")}
    last = DEPTHS[-1]
    jepa, mae, shallow = rows["jepa", last], rows["mae", last], rows["jepa", DEPTHS[0]]
    order = (
        f"At L = {last} the order of learning has a rank correlation with lam of "
        f"{jepa['with_lam']:.2f} (JEPA) and {mae['with_lam']:.2f} (MAE), with rho of "
        f"{jepa['with_rho']:.2f} and {mae['with_rho']:.2f}; of the {jepa['conflicts']} pairs of "
        f"modes that lam and rho rank oppositely, JEPA learns the larger rho first in "
        f"{jepa['by_rho']:.0%} ({shallow['by_rho']:.0%} at L = {DEPTHS[0]}), MAE in "
        f"{mae['by_rho']:.0%}."
    )
    return order, _on_assumptions(spectrum, times), _on_negative(spectrum, times, jepa, mae)


def _on_assumptions(spectrum: Spectrum, times: Times) -> str:
    mixed = spectrum.coupling > MOSTLY
    trusted = _compared(times) & ~mixed
    time_of = times["jepa", DEPTHS[-1]][trusted]
    conflicts, by_rho = _conflicts(spectrum.lam[trusted], spectrum.rho[trusted], time_of)
    prevails = f"in {by_rho:.0%} of {conflicts} such pairs" if conflicts else "in no pair at all"
    return (
        f"As a whole the covariances nearly fit the theory (commutator {spectrum.commutator:.1g}, "
        f"off-diagonal share {spectrum.off_diagonal:.1g}), but {mixed.sum()} of {mixed.size} modes "
        "share more of their correlation with the targets of other modes than with their own, and "
        f"for these it is a rough guide; among the {trusted.sum()} compared modes that it fits, "
        f"JEPA learns the larger rho first {prevails}."
    )


def _on_negative(spectrum: Spectrum, times: Times, jepa: Any, mae: Any) -> str:
    negative = spectrum.rho < 0.0
    share = spectrum.variance[negative].sum() / spectrum.variance.sum()
    learned = int(np.sum(negative & np.isfinite(list(times.values())).any(axis=0)))
    return (
        f"{negative.sum()} of {negative.size} modes have negative rho (down to "
        f"{spectrum.rho.min():.2f}; {share:.1%} of the variance), and {learned or 'none'} of them "
        f"is ever learned by either objective; of the {jepa['learnable']} with positive rho, "
        f"{jepa['above']} start above JEPA's plateau rho**L at L = {DEPTHS[-1]} ({mae['above']} "
        "above MAE's) and shrink towards it."
    )


def _report(result: DemoResult, pairs: int, console: Console) -> None:
    """Print everything but the figures."""

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False)

    say(f"{pairs} pairs of patches from two photographs; eps = {EPS:g}, times on the paper's clock")
    say(repr(result.spectrum))
    shown = result.table.drop(columns=["eps", "exact_error"])
    shown.insert(1, "L", shown.pop("L"))
    _print_table(console, "Critical times of the leading modes", shown, LEADING)
    _print_table(console, "Order of learning", result.orders, len(DEPTHS))
    for sentence in result.sentences:
        say(f"\n{sentence}")
    names = ", ".join(file.name for file in result.files)
    say(f"\nIn {result.files[0].parent}: {names} ({result.seconds:.1f} s)")


def _print_table(console: Console, title: str, frame: pd.DataFrame, section: int) -> None:
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in frame.columns:
        table.add_column(HEADINGS.get(name, name).replace("_", "\n"), justify="right", no_wrap=True)
    for place, row in enumerate(frame.to_dict("records"), start=1):
        cells = (
            f"{cell:.0e}" if name == "published_error" else f"{cell:.4g}" if cell == cell else "-"
            for name, cell in row.items()
            if name != "objective"
        )
        table.add_row(row["objective"].upper(), *cells, end_section=place % section == 0)
    console.print(table)


def _write(
    out: Path, spectrum: Spectrum, table: pd.DataFrame, orders: pd.DataFrame, times: Times
) -> tuple[Path, ...]:
    """Tables and figures into the folder."""
    from dlnflow.studies.demo import _figures as _demo_figures

    out.mkdir(parents=True, exist_ok=True)
    frames = {"modes": spectrum.to_dataframe(), "critical_times": table, "orders": orders}
    figures = {
        "learned": _demo_figures.learned(spectrum.leading(LEADING), DEPTHS[-1], EPS),
        "order_against_depth": _demo_figures.order_against_depth(orders),
        "order_map": _demo_figures.order_map(spectrum, times, DEPTHS[-1], EPS),
        "patterns": _demo_figures.patterns(spectrum, times, DEPTHS[-1]),
    }
    written = []
    for name, frame in frames.items():
        written.append(out / f"{name}.csv")
        frame.to_csv(written[-1], index=False)
    for name, figure in figures.items():
        written.append(out / f"{name}.png")
        figure.savefig(written[-1], dpi=150)
    return tuple(written)

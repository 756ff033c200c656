"""The modes of photographs, and the order in which a JEPA and an MAE learn them.

The context is a patch of a photograph. The targets are the four patches half its width to the left,
right, above and below; all four together make ``Sigma_yx`` symmetric (with one alone its asymmetry
is 0.02). Patches overlap because otherwise ``lam`` and ``rho`` rank the modes almost equally (a
correlation of 0.92 for patches of 8 pixels side by side, 0.62 at half a patch), and the objectives
would hardly differ.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dlnflow.data import Spectrum
from dlnflow.data._trust import TRUST
from dlnflow.studies.demo._patches import patch_pairs, patch_width, photographs
from dlnflow.theory import critical_time, plateau

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

Array = NDArray[np.float64]
Times = dict[tuple[str, int], Array]  # of all modes, by objective and depth

DEPTHS = (1, 2, 4)
OBJECTIVES = ("jepa", "mae")
EPS = 1e-6  # JEPA's plateau is rho**L: at L = 4 modes with rho below 0.03 start above theirs
LEADING = 8  # modes in the printed table
HEADINGS = {"objective": "", "published_error": "its_error"}


@dataclass(frozen=True, eq=False)
class DemoResult:
    """Results of the demo: an immutable record.

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
        The findings, computed from the numbers.
    files : tuple of pathlib.Path
        The files written.
    seconds : float
        Wall-clock time of the demo.
    """

    spectrum: Spectrum
    table: pd.DataFrame
    orders: pd.DataFrame
    sentences: tuple[str, ...]
    files: tuple[Path, ...]
    seconds: float


def run(out: Path, *, console: Console | None = None, patch: int = 8) -> DemoResult:
    """Compute the modes of patches of two photographs, and print and draw how they are learned.

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
        If scikit-learn, which contains the photographs, or Pillow, which reads them, is missing.
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
    >>> result.spectrum.lam.size, result.orders["objective"].unique().tolist()
    (16, ['jepa', 'mae'])
    """
    from rich.console import Console

    from dlnflow._common._progress import bar

    started = time.perf_counter()
    width = patch_width(patch)
    console = Console() if console is None else console
    with bar(4.0, console) as show:
        show(0.0, "reading two photographs")
        x, y = patch_pairs(photographs(), width)
        show(1.0, f"finding the modes of {len(x)} pairs of patches")
        spectrum = Spectrum.from_samples(x, y)
        show(2.0, "integrating the leading modes")
        table = spectrum.leading(LEADING).critical_time_table(DEPTHS, eps=EPS, objective=OBJECTIVES)
        times = _critical_times(spectrum)
        orders = learning_orders(spectrum, times)
        show(3.0, "drawing")
        said = _sentences(spectrum, orders, times)
        files = _write(Path(out), spectrum, table, orders, times)
        show(4.0, "done")
    result = DemoResult(spectrum, table, orders, said, files, time.perf_counter() - started)
    _report(result, len(x), console)
    return result


def learning_orders(spectrum: Spectrum, times: Times) -> pd.DataFrame:
    """How the order of learning correlates with ``lam`` and with ``rho``.

    Parameters
    ----------
    spectrum : Spectrum
    times : dict
        Critical times of all its modes, by objective and depth.

    Returns
    -------
    pandas.DataFrame
        See ``DemoResult.orders``. Correlations are NaN with fewer than three modes or if all are
        equal, and ``by_rho`` is NaN without a conflict.

    Notes
    -----
    Modes that start above half their plateau have critical time 0, those with ``rho <= 0`` an
    infinite one. Such modes have no place in the order; they are counted and not compared.

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
    """Pairs ranked oppositely by ``lam`` and ``rho``; share in which larger ``rho`` is first."""
    i, j = np.triu_indices(lam.size, 1)
    oppose = (lam[i] - lam[j]) * (rho[i] - rho[j]) < 0.0
    i, j = i[oppose], j[oppose]
    rho_first = (rho[i] - rho[j]) * (times[i] - times[j]) < 0.0
    return int(oppose.sum()), float(rho_first.mean()) if rho_first.size else float("nan")


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
    """Findings on the order, on the assumptions, and on modes that are not learned."""
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
    mixed = spectrum.coupling > TRUST.coupling
    trusted = _compared(times) & ~mixed
    time_of = times["jepa", DEPTHS[-1]][trusted]
    conflicts, by_rho = _conflicts(spectrum.lam[trusted], spectrum.rho[trusted], time_of)
    prevails = f"in {by_rho:.0%} of {conflicts} such pairs" if conflicts else "in no pair at all"
    return (
        f"As a whole the covariances nearly fit the theory (commutator {spectrum.commutator:.1g}, "
        f"off-diagonal share of Sigma_xx {spectrum.off_variance:.1g}), but {mixed.sum()} of "
        f"{mixed.size} modes share more of their correlation with other modes than with their own "
        f"target, and for these it is a rough approximation; among the other {trusted.sum()} "
        f"compared modes, JEPA learns the larger rho first {prevails}."
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

"""``dlnflow modes``: the modes of paired data in files of any size."""

from __future__ import annotations

import math
import warnings
from collections.abc import Generator, Iterator
from contextlib import closing
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import dlnflow
from dlnflow._common import _validate
from dlnflow.cli import _options as options
from dlnflow.cli._reading import InputError, number, reading_samples, whole
from dlnflow.cli._refusals import library_refusals, say, working
from dlnflow.cli._tables import chosen_format, write
from dlnflow.data._influence import SPARE
from dlnflow.theory._critical_time import log_critical_time

if TYPE_CHECKING:
    from dlnflow.data import CovarianceAccumulator, Pairs, Spectrum

ONLY_BOOTSTRAP = "--basis joint needs the bootstrap of Spectrum.from_samples, in Python"
SHOWN = 10  # modes of an order of learning
MOST_ORDERED = 256  # modes up to which probabilities of an order take a few seconds


class Basis(StrEnum):
    """Basis of the modes."""

    variance = "variance"
    generalised = "generalised"
    joint = "joint"


def modes(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="Samples in rows: .npz, .csv or .parquet with pairs, or, with --lag, a time "
            "series (also .npy). The file may be larger than memory.",
        ),
    ] = None,
    *,
    pairs: Annotated[
        str | None,
        options.option(
            "--pairs",
            metavar="X,Y",
            panel="Samples",
            help="Names of context and target: two arrays of an .npz file, or two prefixes of "
            "columns, such as x for x1, x2, ... Default: x,y.",
        ),
    ] = None,
    lag: Annotated[
        str | None,
        options.option(
            "--lag",
            metavar="K",
            panel="Samples",
            help="FILE is a time series: each row is the context of the row K later.",
        ),
    ] = None,
    x: Annotated[
        Path | None,
        options.option(
            "--x",
            metavar="FILE",
            panel="Samples",
            help="Instead of FILE: contexts, one sample per row; all columns of a table.",
        ),
    ] = None,
    y: Annotated[
        Path | None,
        options.option(
            "--y", metavar="FILE", panel="Samples", help="Targets, in the same form as --x."
        ),
    ] = None,
    basis: Annotated[
        Basis,
        options.option(
            "--basis",
            metavar="NAME",
            panel="Modes",
            help="Basis of the modes: variance, generalised or joint.",
        ),
    ] = Basis.variance,
    errors: Annotated[
        bool | None,
        options.option(
            "--errors/--no-errors",
            panel="Modes",
            help="Standard errors, from a second pass over the files. Default: yes, except for "
            "--basis joint, which has none.",
        ),
    ] = None,
    block: Annotated[
        str | None,
        options.option(
            "--block",
            metavar="N",
            panel="Modes",
            help="Number of consecutive samples that are dependent and count as one in the errors. "
            "Default: 1; with --lag the square root of the number of samples.",
        ),
    ] = None,
    depth: Annotated[
        str | None,
        options.option(
            "--depth",
            "-L",
            metavar="L",
            panel="Network",
            help="Encoder depth; adds the order in which a JEPA and an MAE learn the modes.",
        ),
    ] = None,
    eps: Annotated[
        str | None,
        options.option(
            "--eps",
            metavar="EPS",
            panel="Network",
            help="Amplitude at the initialisation. Default: 1e-3.",
        ),
    ] = None,
    form: options.FormatName = None,
    out: options.Out = None,
) -> None:
    """Modes of paired data; other commands read its csv output with --modes."""
    if errors and basis is Basis.joint:
        raise InputError(f"--errors: {ONLY_BOOTSTRAP}")
    form = chosen_format(form, out)
    network = _network(depth, eps)
    rows = None if block is None else _block(block)
    source = _source(file, pairs, lag, x, y)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        spectrum = _spectrum(source, basis, errors, rows)
    for text in dict.fromkeys(str(warning.message) for warning in caught):
        say(f"warning: {text}")
    say(repr(spectrum))
    if network is not None:
        with library_refusals(), working("ordering"):
            lines = list(_orders(spectrum, *network))
        say("\n".join(lines))
    frame = spectrum.to_dataframe()
    write(frame, form, out)
    if out is not None:
        say(f"wrote {out}: {len(frame)} rows")


def _network(depth: str | None, eps: str | None) -> tuple[float, float] | None:
    """Depth and eps of the network, validated before the long work."""
    if depth is None:
        if eps is not None:
            raise InputError("--eps needs --depth, which predicts the order of learning")
        return None
    L, start = whole("L", depth), 1e-3 if eps is None else number("eps", eps)
    with library_refusals():
        dlnflow.critical_time(1.0, 1.0, L, eps=start)
    return L, start


def _block(text: str) -> int:
    with library_refusals():
        return int(_validate.depth("block", whole("block", text)))


def _source(
    file: Path | None, pairs: str | None, lag: str | None, x: Path | None, y: Path | None
) -> Pairs:
    """The pairs that the options give together."""
    from dlnflow.data import pairs_from

    if file is not None:
        if x is not None or y is not None:
            raise InputError("give FILE or --x and --y, not both")
        if pairs is not None and lag is not None:
            raise InputError("give --pairs or --lag, not both")
        options: dict[str, Any] = {}
        if pairs is not None:
            options["pairs"] = tuple(name.strip() for name in pairs.split(","))
        if lag is not None:
            options["lag"] = whole("lag", lag)
        with library_refusals(), reading_samples(), working("opening"):
            return pairs_from(file, **options)
    if x is None or y is None:
        raise InputError("samples are missing: give FILE, or --x and --y")
    for name, value in (("pairs", pairs), ("lag", lag)):
        if value is not None:
            raise InputError(f"--{name} needs FILE in place of --x and --y")
    with library_refusals(), reading_samples(), working("opening"):
        return pairs_from(x, y)


def _spectrum(source: Pairs, basis: Basis, errors: bool | None, block: int | None) -> Spectrum:
    """The modes, from one pass over the files, with errors from a second pass."""
    from dlnflow.data import accumulate

    with library_refusals():
        with reading_samples():
            total = accumulate(source, progress=True)
        with working("diagonalising"):
            spectrum = total.spectrum(basis=basis.value)
        least = spectrum.lam.size + SPARE
        if errors is None and basis is Basis.joint:
            say(f"no standard errors: {ONLY_BOOTSTRAP}")
        elif errors is None and total.n < least:
            say(f"no standard errors: they need at least {least} samples, and there are {total.n}")
        elif errors is not False:
            size = block or _default_block(source, total)
            if total.n < 2 * size:
                raise InputError(
                    f"block must leave at least 2 blocks of the {total.n} samples: got {size}"
                )
            with reading_samples(), closing(_with_bar(source)) as batches:
                spectrum = spectrum.with_errors(batches, block=size)
    return spectrum


def _default_block(source: Pairs, total: CovarianceAccumulator) -> int:
    """Rows of a block: the square root of their number for a time series, else 1."""
    return max(1, min(round(total.n**0.5), total.n // 2)) if source.series else 1


def _with_bar(source: Pairs) -> Generator[Any, None, None]:
    """The batches, with a progress bar."""
    from dlnflow._common._progress import bar

    with bar(source.n) as show:
        done = 0
        for x, y in source:
            yield x, y
            done += len(x)
            show(done, f"{done:,} pairs")


def _orders(spectrum: Spectrum, L: float, eps: float) -> Iterator[str]:
    """The order of learning under each objective, with probabilities if errors are known."""
    yield f"order of learning at L = {L:g}, eps = {eps:g}, in modes of the table"
    for objective in ("jepa", "mae"):
        times = log_critical_time(
            spectrum.lam,
            spectrum.rho,
            L,
            eps=eps,
            objective=objective,
            variance=spectrum.variance,
        )
        ahead, never = ((times == at).sum() for at in (-math.inf, math.inf))
        order = times.argsort(kind="stable")[ahead : times.size - never].tolist()
        first = order[:SHOWN]
        said = [", ".join(map(str, first)) or "none"]
        said += [f"and {len(order) - SHOWN} more"] * (len(order) > SHOWN)
        said += [f"{ahead} initialised above half of their plateau"] * bool(ahead)
        said += [f"{never} never"] * bool(never)
        yield f"  {objective:<5}" + "; ".join(said)
        if spectrum.errors is not None and len(first) > 1 and times.size <= MOST_ORDERED:
            chance = spectrum.order_probability(int(L), eps=eps, objective=objective)
            sure = (chance[one, other] for one, other in pairwise(first))
            yield "       probability that each precedes the next: " + ", ".join(
                f"{p:.2f}" for p in sure
            )

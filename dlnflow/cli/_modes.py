"""``dlnflow modes``: the modes of paired data in files of any size."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import dlnflow
from dlnflow._common import _validate
from dlnflow._common._progress import bar
from dlnflow.cli import _options as options
from dlnflow.cli._reading import InputError, names, number, positive, reading, whole
from dlnflow.cli._refusals import library_refusals, say, working
from dlnflow.data import accumulate, pairs_from

if TYPE_CHECKING:
    from dlnflow.data import Pairs, Spectrum

ONLY_BOOTSTRAP = "--basis joint needs the bootstrap of Spectrum.from_samples, in Python"

in_samples = options.panel("Samples")
in_prediction = options.panel("Prediction")


class Basis(StrEnum):
    """Basis of the modes."""

    cross = "cross"
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
        options.Names,
        in_samples(
            "--pairs X,Y",
            "Names of context and target: two arrays of an .npz file, or two prefixes of "
            "columns, such as x for x1, x2, ... Default: x,y.",
            read=names,
        ),
    ] = None,
    lag: Annotated[
        int | None,
        in_samples(
            "--lag K",
            "FILE is a time series: each row is the context of the row K later.",
            read=whole,
        ),
    ] = None,
    groups: Annotated[
        str | None,
        in_samples(
            "--groups COLUMN",
            "With --lag: the column that says which sequence a row belongs to.",
        ),
    ] = None,
    missing: Annotated[
        bool,
        in_samples("--drop-missing", "Leave out pairs with empty cells or NaN, and say how many."),
    ] = False,
    x: Annotated[
        Path | None,
        in_samples(
            "--x FILE", "Instead of FILE: contexts, one sample per row; all columns of a table."
        ),
    ] = None,
    y: Annotated[Path | None, in_samples("--y FILE", "Targets, in the same form as --x.")] = None,
    flatten: Annotated[
        bool, in_samples("--flatten", "Make a row of each sample of an array, such as an image.")
    ] = False,
    basis: Annotated[
        Basis,
        options.in_modes(
            "--basis NAME", "Basis of the modes: cross, variance, generalised or joint."
        ),
    ] = Basis.cross,
    unit: Annotated[
        bool,
        options.in_modes(
            "--unit", "Divide each feature, in both views, by its standard deviation in x."
        ),
    ] = False,
    errors: Annotated[
        bool | None,
        options.in_modes(
            "--errors/--no-errors",
            "Standard errors, from a second pass over the files. Default: yes, except for "
            "--basis joint, which has none.",
        ),
    ] = None,
    block: Annotated[
        int | None,
        options.in_modes(
            "--block N",
            "Number of consecutive samples that are dependent and count as one in the errors. "
            "Default: 1; with --lag the square root of the number of samples.",
            read=positive,
        ),
    ] = None,
    L: Annotated[
        int | None,
        options.in_network(
            "--depth -L L",
            "Encoder depth; adds what a JEPA and an MAE learn first, and when.",
            read=whole,
        ),
    ] = None,
    eps: Annotated[
        float | None,
        options.in_network(
            "--eps EPS", "Amplitude at the initialisation. Default: 1e-3.", read=number
        ),
    ] = None,
    count: Annotated[
        int | None,
        in_prediction("--count N", "Features to predict. Default: 8.", read=positive),
    ] = None,
    verify: Annotated[
        bool,
        in_prediction("--verify", "Train a whole network for each objective, and compare."),
    ] = False,
    max_seconds: Annotated[
        float | None,
        in_prediction("--max-seconds S", "Time limit of --verify.", read=number),
    ] = None,
    output: options.TableOutput,
) -> None:
    """Modes of paired data; other commands read its csv output with --modes."""
    if errors and basis is Basis.joint:
        raise InputError(f"--errors: {ONLY_BOOTSTRAP}")
    asked = {"eps": eps, "count": count, "verify": verify or None, "max-seconds": max_seconds}
    for name in [name for name, value in asked.items() if value is not None and L is None]:
        raise InputError(f"--{name} needs --depth, which predicts what is learned first")
    if max_seconds is not None and not verify:
        raise InputError("--max-seconds needs --verify")
    initial = 1e-3 if eps is None else eps
    if L is not None:  # validates these before the long work
        with library_refusals():
            dlnflow.critical_time(1.0, 1.0, L, eps=initial)
            if max_seconds is not None:
                _validate.number("max_seconds", max_seconds, _validate.positive)
    with warnings.catch_warnings(record=True) as caught, library_refusals(), reading():
        warnings.simplefilter("always")
        source = _pairs(
            file, x, y, pairs=pairs, lag=lag, groups=groups, missing=missing, flatten=flatten
        )
        spectrum = _spectrum(source, basis, errors, block, unit)
    for text in dict.fromkeys(str(warning.message) for warning in caught):
        say(f"warning: {text}")
    say(repr(spectrum))
    output.write(spectrum.to_dataframe())
    if L is not None:
        with library_refusals(), bar(1.0) as show:
            show(0.0, "predicting")
            prediction = spectrum.predict(
                L, eps=initial, modes=count, verify=verify, max_seconds=max_seconds, progress=show
            )
        say(repr(prediction))


def _pairs(
    file: Path | None, x: Path | None, y: Path | None, *, missing: bool, flatten: bool, **parts: Any
) -> Pairs:
    """The pairs that the options give together."""
    given = {name: value for name, value in parts.items() if value is not None}
    if file is None:
        if x is None or y is None:
            raise InputError("samples are missing: give FILE, or --x and --y")
        for name in given:
            raise InputError(f"--{name} needs FILE in place of --x and --y")
        files = [x, y]
    else:
        if x is not None or y is not None:
            raise InputError("give FILE or --x and --y, not both")
        if "pairs" in given and "lag" in given:
            raise InputError("give --pairs or --lag, not both")
        if "groups" in given and "lag" not in given:
            raise InputError("--groups needs --lag")
        files = [file]
    with working("opening"):
        asked = "drop" if missing else "refuse"
        return pairs_from(*files, missing=asked, flatten=flatten, **given)


def _spectrum(
    source: Pairs, basis: Basis, errors: bool | None, block: int | None, unit: bool
) -> Spectrum:
    """The modes, from one pass over the files, with errors from a second pass."""
    total = accumulate(source, progress=True)
    with working("diagonalising"):
        spectrum = total.spectrum(basis=basis.value, scale="unit" if unit else None)
    least = spectrum.lam.size + 2  # what Spectrum.with_errors needs
    if errors is None and basis is Basis.joint:
        say(f"no standard errors: {ONLY_BOOTSTRAP}")
    elif errors is None and total.n < least:
        say(f"no standard errors: they need at least {least} samples, and there are {total.n}")
    elif errors is not False:
        of_series = max(1, min(round(total.n**0.5), total.n // 2))
        size = block or (of_series if source.series else 1)
        if total.n < 2 * size:
            raise InputError(
                f"block must leave at least 2 blocks of the {total.n} samples: got {size}"
            )
        with closing(_with_bar(source)) as batches:
            spectrum = spectrum.with_errors(batches, block=size)
    return spectrum


def _with_bar(source: Pairs) -> Generator[Any, None, None]:
    """The batches, with a progress bar."""
    with bar(source.n) as show:
        done = 0
        for x, y in source:
            yield x, y
            done += len(x)
            show(done, f"{done:,} pairs")

"""Descriptions of a `Spectrum`: text, table for notebooks, and cautions."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

import numpy as np

from dlnflow.data._record import QUANTITIES, SpectrumRecord
from dlnflow.data._trust import TRUST, verdict

FEATURES = 10  # listed by name
FIRST = 3  # modes whose features the text names
EXACT = 1e-6  # by which rounding may take a rho above 1
DOMINANT = 0.9  # share of all variance in one feature
ROWS = 12  # of the table for notebooks


def text(spectrum: SpectrumRecord) -> str:
    """Sizes, range of the modes, diagnostics, errors if there are any, and cautions."""
    rho = spectrum.rho
    noise = f", {spectrum.noisy} pure noise" if spectrum.noisy else ""
    named = "" if spectrum.basis_name == "cross" else f", {spectrum.basis_name} basis"
    lines = [
        f"Spectrum: d = {spectrum.basis.shape[0]}, {_modes(spectrum.lam.size)}, "
        f"{spectrum.suppressed} with negative rho{noise}{named}",
        f"  lam {spectrum.lam.min():.3g} to {spectrum.lam.max():.3g}, "
        f"rho {rho.min():.3g} to {rho.max():.3g}",
        *_first(spectrum),
        f"  commutator {_small(spectrum.commutator):.2g}, asymmetry "
        f"{_small(spectrum.asymmetry):.2g}; off the diagonal {_percent(spectrum.off_variance)} of "
        f"sigma_xx, {_percent(spectrum.off_diagonal)} of sigma_yx",
    ]
    if spectrum.target_basis is not None:
        lines.append(
            f"  the target has {len(spectrum.target_basis)} dimensions: modes are singular vectors "
            "of sigma_yx, for an MAE only"
        )
    if spectrum.basis_name == "generalised":
        lines.append(f"  largest cosine between modes {_small(spectrum.overlap):.2g}")
    if spectrum.shrinkage:
        lines.append(f"  shrunk towards equal variance by {spectrum.shrinkage:.3g}")
    if spectrum.scale is not None:
        lines.append("  features divided by their standard deviations in x")
    if spectrum.errors is not None:
        errors = spectrum.errors
        blocks = f" in {errors.groups} blocks of {errors.block}" if errors.block > 1 else ""
        lines.append(
            f"  standard errors {errors.method}, of {errors.n} samples{blocks}; "
            f"{_modes(int(spectrum.below_noise.sum()))} below the noise"
        )
    lines.append(f"  the closed form {verdict(spectrum)}")
    return "\n".join(lines + [f"  caution: {caution}" for caution in cautions(spectrum)])


def _first(spectrum: SpectrumRecord) -> Iterator[str]:
    """The features of the modes of largest lam."""
    if spectrum.labels is not None:
        shown = [f"{mode}: {label}" for mode, label in enumerate(spectrum.labels[:FIRST])]
        more = "; ..." if spectrum.lam.size > FIRST else ""
        yield f"  modes by lam: {'; '.join(shown)}{more}"


def html(spectrum: SpectrumRecord) -> str:
    """The text and a table of the first modes, for notebooks."""
    labels = spectrum.labels
    names = ("mode", "features", *QUANTITIES) if labels else ("mode", *QUANTITIES)
    rows = ["".join(f"<th>{name}</th>" for name in names)]
    for mode in range(min(ROWS, spectrum.lam.size)):
        row = f"<td>{mode}</td>" + (f"<td>{escape(labels[mode])}</td>" if labels else "")
        for name in QUANTITIES:
            errors = getattr(spectrum.errors, name, None)
            error = "" if errors is None else f" ± {errors[mode]:.2g}"
            row += f"<td>{getattr(spectrum, name)[mode]:.4g}{error}</td>"
        rows.append(row)
    head, *body = (f"<tr>{row}</tr>" for row in rows)
    more = spectrum.lam.size - len(body)
    rest = f"<p>and {more} more mode{'s' * (more != 1)}</p>" if more else ""
    table = f"<table><thead>{head}</thead><tbody>{''.join(body)}</tbody></table>"
    return f"<pre>{escape(text(spectrum))}</pre>{table}{rest}"


def cautions(spectrum: SpectrumRecord) -> tuple[str, ...]:
    """What limits the modes; see `Spectrum.cautions`."""
    return tuple(_cautions(spectrum))


def _cautions(spectrum: SpectrumRecord) -> Iterator[str]:
    if spectrum.overlap > TRUST.cosine:
        yield (
            f"the modes are not orthogonal (largest cosine {spectrum.overlap:.2g}), but those of a "
            "network's initialisation are: it learns mixtures of them at first"
        )
    if spectrum.errors is not None:
        modes, independent = spectrum._whole.spaces.size, spectrum.errors.independent
        if independent < TRUST.samples_per_mode * modes:
            yield (
                f"the errors come from {independent:.0f} independent samples for {_modes(modes)}: "
                f"with fewer than {TRUST.samples_per_mode} per mode, intervals may cover the "
                "true value less often than stated"
            )
        unresolved = int(np.sum(spectrum.errors.mixing > TRUST.mixing))
        if unresolved:
            yield (
                f"{unresolved} of {spectrum.lam.size} modes are not resolved by these samples: "
                "each may be a mixture of modes, and its interval that of the mixture"
            )
    largest = 0.0 if spectrum.target_basis is not None else spectrum.largest_rho
    if 1.0 + EXACT < largest <= TRUST.rho:  # above, the verdict says so
        yield (
            f"some feature has rho {largest:.6g}, above 1, which is impossible for views that can "
            "be exchanged: a series that grows, views of different scale, or chance"
        )
    yield from _dominant(spectrum)
    if spectrum.missing:
        yield f"pairs with missing values, dropped: {spectrum.missing}"
    if spectrum.constant:
        yield f"constant features of x, dropped: {_counted(spectrum.constant)}"
    if spectrum.constant_y:
        yield f"constant features of y: {_counted(spectrum.constant_y)}"
    others = spectrum.dropped - len(spectrum.constant)
    if others > 0:
        yield f"directions without variance, which have no modes, dropped: {others}"


def _dominant(spectrum: SpectrumRecord) -> Iterator[str]:
    """A feature whose units may have decided everything."""
    whole = spectrum._whole
    variance = np.sum((whole.basis @ whole.xx) * whole.basis, axis=1)
    place = int(variance.argmax())
    share = float(variance[place] / variance.sum())
    if variance.size > 1 and share > DOMINANT:
        name = f"index {place}" if spectrum.names is None else repr(spectrum.names[place])
        yield (
            f"one feature ({name}) holds {_percent(share)} of all variance: if units differ, use "
            "scale='unit'"
        )


def _modes(count: int) -> str:
    return f"{count} mode{'s' * (count != 1)}"


def _counted(features: tuple[int | str, ...]) -> str:
    """Number of features, and their names or indices."""
    listed = ", ".join(map(str, features[:FEATURES])) + ", ..." * (len(features) > FEATURES)
    what = "index " if isinstance(features[0], int) else ""
    return f"{len(features)} ({what}{listed})"


def _small(number: float) -> float:
    """The number, or 0 if it is only rounding error."""
    return number if number > 1e-12 else 0.0


def _percent(share: float) -> str:
    percent = 100.0 * _small(share)
    return f"{percent:.0f} %" if percent >= 10.0 else f"{percent:.2g} %"

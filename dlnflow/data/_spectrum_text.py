"""What a `Spectrum` says of itself in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlnflow.data._uncertainty import UNSETTLED

if TYPE_CHECKING:
    from dlnflow.data._spectrum import Spectrum

OFF_DIAGONAL = 0.01  # a hundredth of the squared norm: a tenth of the size, no longer a correction
MOSTLY = 0.5  # share above which other modes matter more than the mode itself
ALMOST_COMMUTING = 0.01  # of the off-diagonal share: a turn among modes of nearly equal variance
ENOUGH = 20  # independent samples per mode: with fewer, intervals were found to hold too rarely
NAMED = 10  # features listed
OBLIQUE = 0.1  # cosine: a tenth of each mode's amplitude shows in another


def text(spectrum: Spectrum) -> str:
    """Sizes, range of the modes, diagnostics, errors if there are any, and cautions."""
    rho = spectrum.rho
    noise = f", {spectrum.noisy} pure noise" if spectrum.noisy else ""
    named = "" if spectrum.basis_name == "variance" else f", {spectrum.basis_name} basis"
    lines = [
        f"Spectrum: d = {spectrum.basis.shape[0]}, {_modes(spectrum.lam.size)}, "
        f"{spectrum.suppressed} with negative rho{noise}{named}",
        f"  lam {spectrum.lam.min():.3g} to {spectrum.lam.max():.3g}, "
        f"rho {rho.min():.3g} to {rho.max():.3g}",
        f"  commutator {_small(spectrum.commutator):.2g}, off-diagonal share "
        f"{_percent(spectrum.off_diagonal)}, asymmetry {_small(spectrum.asymmetry):.2g}",
    ]
    if spectrum.basis_name == "joint":
        lines.append(f"  off-diagonal share of sigma_xx {_percent(spectrum.off_variance)}")
    if spectrum.basis_name == "generalised":
        lines.append(f"  largest cosine between modes {_small(spectrum.overlap):.2g}")
    if spectrum.shrinkage:
        lines.append(f"  shrunk towards equal variance by {spectrum.shrinkage:.3g}")
    if spectrum.errors is not None:
        errors = spectrum.errors
        blocks = f" in {errors.groups} blocks of {errors.block}" if errors.block > 1 else ""
        lines.append(
            f"  standard errors {errors.method}, of {errors.n} samples{blocks}; "
            f"{_modes(int(spectrum.below_noise.sum()))} below the noise"
        )
    return "\n".join(lines + [f"  caution: {caution}" for caution in cautions(spectrum)])


def cautions(spectrum: Spectrum) -> tuple[str, ...]:
    """Where the theory does not apply to the data; see `Spectrum.cautions`."""
    said = [*_off_diagonal(spectrum), *_of_basis(spectrum), *_of_modes(spectrum)]
    if spectrum.constant:
        said.append(f"features of x that never vary, set aside: {_counted(spectrum.constant)}")
    if spectrum.constant_y:
        said.append(f"features of y that never vary: {_counted(spectrum.constant_y)}")
    others = spectrum.dropped - len(spectrum.constant)
    if others > 0:
        said.append(f"directions without variance, which have no modes, dropped: {others}")
    return tuple(said)


def _off_diagonal(spectrum: Spectrum) -> list[str]:
    if spectrum.off_diagonal <= OFF_DIAGONAL:
        return []
    uneven = spectrum.asymmetry**2 > 0.5 * spectrum.off_diagonal
    uneven = uneven or spectrum.basis_name == "generalised"
    cause = "sigma_yx is not symmetric" if uneven else "the covariances do not commute"
    if spectrum.commutator**2 < ALMOST_COMMUTING * spectrum.off_diagonal and not uneven:
        cause = "variances are too alike to tell the modes by; whiten x, or take more samples"
    verdict = "do not apply" if spectrum.off_diagonal > MOSTLY else "are an approximation"
    return [
        f"{cause}: the mode equations {verdict} here; "
        f"off-diagonal share {_percent(spectrum.off_diagonal)}"
    ]


def _of_basis(spectrum: Spectrum) -> list[str]:
    said = []
    if spectrum.basis_name == "joint" and spectrum.off_variance > OFF_DIAGONAL:
        said.append(
            "sigma_xx is not diagonal in the joint basis: the mode equations are an approximation "
            f"here; off-diagonal share {_percent(spectrum.off_variance)}"
        )
    if spectrum.overlap > OBLIQUE:
        said.append(
            f"the modes are not orthogonal (largest cosine {spectrum.overlap:.2g}), but a network "
            "starts with orthogonal ones: early times are those of mixtures"
        )
    return said


def _of_modes(spectrum: Spectrum) -> list[str]:
    said = []
    mixed = int(np.sum(spectrum.coupling > MOSTLY))
    if mixed:
        said.append(
            f"{mixed} of {spectrum.lam.size} modes are tied to other modes more than to their own "
            f"target (coupling above {MOSTLY}): for these the mode equations are a rough guide"
        )
    if spectrum.errors is not None:
        modes, independent = spectrum._whole.spaces.size, spectrum.errors.independent
        if independent < ENOUGH * modes:
            said.append(
                f"the errors come from {independent:.0f} independent samples for {_modes(modes)}: "
                f"with fewer than {ENOUGH} per mode, intervals may hold less often than they say"
            )
        blurred = int(np.sum(spectrum.errors.mixing > UNSETTLED))
        if blurred:
            said.append(
                f"{blurred} of {spectrum.lam.size} modes are too alike to be told apart by these "
                "samples: each may be a mixture, and its interval that of the mixture"
            )
    return said


def _modes(count: int) -> str:
    return f"{count} mode{'s' * (count != 1)}"


def _counted(features: tuple[int | str, ...]) -> str:
    """How many, and which: by name, or by index."""
    listed = ", ".join(map(str, features[:NAMED])) + ", ..." * (len(features) > NAMED)
    what = "index " if isinstance(features[0], int) else ""
    return f"{len(features)} ({what}{listed})"


def _small(number: float) -> float:
    """The number without the rounding that stands for zero."""
    return number if number > 1e-12 else 0.0


def _percent(share: float) -> str:
    percent = 100.0 * _small(share)
    return f"{percent:.0f} %" if percent >= 10.0 else f"{percent:.2g} %"

"""Runs the claims: observes each one, applies the rule and the control."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from functools import partial
from importlib import import_module
from string import ascii_lowercase
from typing import Any

from dlnflow._common._progress import Progress, ProgressOption
from dlnflow.studies.claims._claim import Claim, Effort, Noted, Observation
from dlnflow.studies.claims._report import Finding, Report
from dlnflow.studies.claims._verdict import Verdict, refuted, verdict_of

MODULES = (
    "c01_mode_equations",
    "c02_critical_times",
    "c03_regression_first",
    "c04_mae_covariance",
    "c05_depth",
    "c06_one_layer",
    "c07_two_distributions",
    "c08_representations",
    "c09_greedy",
    "c10_commuting",
    "c11_balanced",
    "c12a_generalised_order",
    "c12b_spurious_feature",
    "c12c_efficiency",
    "c13a_target_layer",
    "c13b_decoder",
    "c13c_collapse",
    "c14_practice",
    "c15_real_data",
)
CLAIMS: dict[str, Claim] = {
    claim.name: claim
    for claim in (import_module(f"{__package__}._{module}").CLAIM for module in MODULES)
}
NOTHING = Noted("", {})
STANDS = (Verdict.holds, Verdict.holds_when)


def run(
    only: str | int | Iterable[str] | None = None,
    *,
    quick: bool = False,
    progress: ProgressOption = False,
) -> Report:
    """Recompute the evidence for the claims and give each a verdict.

    Parameters
    ----------
    only : str or several, optional
        Numbers of claims, ``"3"`` or ``["3", "12a"]``, ``"12"`` for all of its parts; by default
        all of them.
    quick : bool
        Fewer cases, all claims in about a minute; the verdicts have to be the same.
    progress : bool or callable
        True shows a bar on standard error; a callable is given the share done and a line of text.

    Returns
    -------
    Report
        An interrupt ends the run early with the claims finished so far. Any other exception, such
        as one raised by ``progress``, propagates with that report as its attribute ``report``.

    Raises
    ------
    ValueError, TypeError
        If ``only`` names a claim that does not exist, or ``quick`` is not True or False.

    Notes
    -----
    Several routes that share no code observe each claim. A control repeats the claim with a changed
    premise, with which it has to be false. One rule gives the verdict (`verdict_of`).

    Examples
    --------
    >>> from dlnflow import claims
    >>> report = claims.run("1", quick=True)
    >>> report["1"].verdict, report["1"].control
    (<Verdict.holds: 'holds'>, <Verdict.fails: 'does not hold'>)
    >>> report["1"].routes
    ('derivation', 'closed form', 'plain network')
    """
    chosen = _chosen(only)
    if not isinstance(quick, bool):
        raise TypeError(f"quick must be True or False: got {quick!r}")
    effort = Effort.quick if quick else Effort.full
    findings: list[Finding] = []
    with Progress(progress, None, every=0.0) as tracker:
        for claim in chosen:
            tracker.update(
                len(findings) / len(chosen), partial(str.format, "{}. {}", claim.name, claim.title)
            )
            findings.append(examine(claim, effort))
    return tracker.result("report", findings, lambda: Report(tuple(findings), tracker.stopped))


def examine(claim: Claim, effort: Effort) -> Finding:
    """The verdict on one claim, and on its control."""
    began = time.perf_counter()
    seen = tuple(claim.observe(effort))
    verdict, because = verdict_of(seen)
    noted = claim.note(seen) if verdict in STANDS else NOTHING
    otherwise = broken(claim)
    control = verdict_of(otherwise).verdict
    false = refuted(otherwise)
    seconds = time.perf_counter() - began
    return Finding(claim, effort, verdict, because, noted, seen, control, false, seconds)


def broken(claim: Claim, **premise: Any) -> tuple[Observation, ...]:
    """Observations of a claim with its premise changed, at quick effort.

    Parameters
    ----------
    claim : Claim
    **premise
        Arguments of its ``observe``; by default those of its control.

    Returns
    -------
    tuple of Observation

    Examples
    --------
    >>> from dlnflow import claims
    >>> claims.verdict_of(claims.broken(claims.CLAIMS["1"], objective="mae")).verdict
    <Verdict.fails: 'does not hold'>
    """
    return tuple(claim.observe(Effort.quick, **(premise or claim.control.premise)))


def _chosen(only: Any) -> Sequence[Claim]:
    if only is None:
        return tuple(CLAIMS.values())
    several = isinstance(only, Iterable) and not isinstance(only, str)
    names = [str(name).strip().lower() for name in (only if several else (only,))]
    for name in names:
        if not any(_called(claim, name) for claim in CLAIMS):
            raise ValueError(f"only must name claims among {', '.join(CLAIMS)}: got {name!r}")
    if not names:
        raise ValueError("only must name at least one claim: got none")
    return tuple(one for name, one in CLAIMS.items() if any(_called(name, by) for by in names))


def _called(claim: str, name: str) -> bool:
    """Whether a name selects a claim; ``"12"`` selects 12a, 12b and so on."""
    return name in (claim, claim.rstrip(ascii_lowercase))

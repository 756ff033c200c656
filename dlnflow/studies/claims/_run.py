"""Examine the claims."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from functools import partial
from importlib import import_module
from typing import Any

from dlnflow._common._progress import Report as Progress
from dlnflow._common._progress import Watch
from dlnflow.studies.claims._claim import Claim, Effort, Noted, Observation
from dlnflow.studies.claims._judge import Verdict, judge, refuted
from dlnflow.studies.claims._report import Finding, Report

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
    progress: Progress = False,
) -> Report:
    """Recompute the evidence for the paper's claims, and judge them.

    Parameters
    ----------
    only : str or several, optional
        Numbers of claims, ``"3"`` or ``["3", "12a"]``, ``"12"`` for all of its parts; by default
        all of them.
    quick : bool
        Fewer settings, all in under a minute; the verdicts have to be the same.
    progress : bool or callable
        True shows a bar on standard error; a callable is given the share done and a line of text.

    Returns
    -------
    Report
        An interrupt ends it early with all claims examined so far. Any other exception on the way,
        as of ``progress``, propagates with the report so far as its attribute ``report``.

    Raises
    ------
    ValueError, TypeError
        For a claim that does not exist.

    Notes
    -----
    Each claim is observed by several routes that share no code, and once more with its premise
    broken, as a control; one rule makes the verdict. ``docs/claims.md``.

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
    with Watch(progress, None, every=0.0) as watch:
        for claim in chosen:
            watch.goes_on(
                len(findings) / len(chosen), partial(str.format, "{}. {}", claim.name, claim.title)
            )
            findings.append(examine(claim, effort))
    return watch.outcome("report", findings, lambda: Report(tuple(findings), watch.stopped))


def examine(claim: Claim, effort: Effort) -> Finding:
    """Observe one claim, judge it, and judge it with its premise broken."""
    began = time.perf_counter()
    seen = tuple(claim.observe(effort))
    verdict, because = judge(seen)
    noted = claim.note(seen) if verdict in STANDS else NOTHING
    otherwise = broken(claim)
    control = judge(otherwise).verdict
    false = refuted(otherwise)
    seconds = time.perf_counter() - began
    return Finding(claim, effort, verdict, because, noted, seen, control, false, seconds)


def broken(claim: Claim, **premise: Any) -> tuple[Observation, ...]:
    """What is observed quickly with the premise broken.

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
    >>> claims.judge(claims.broken(claims.CLAIMS["1"], objective="mae")).verdict
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
    """Whether a claim is meant; ``"12"`` stands for 12a, 12b and 12c."""
    return name in (claim, claim.rstrip("abc"))

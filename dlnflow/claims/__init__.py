"""The paper, claim by claim: evidence recomputed, by routes that share no code, and a verdict."""

from dlnflow.claims._claim import Claim, Control, Effort, Observation
from dlnflow.claims._judge import Verdict, judge
from dlnflow.claims._report import Finding, Report, recorded
from dlnflow.claims._run import CLAIMS, broken, run
from dlnflow.claims.routes import ROUTES

__all__ = [
    "CLAIMS",
    "ROUTES",
    "Claim",
    "Control",
    "Effort",
    "Finding",
    "Observation",
    "Report",
    "Verdict",
    "broken",
    "judge",
    "recorded",
    "run",
]

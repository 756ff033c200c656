"""The paper, claim by claim: evidence recomputed, by routes that share no code, and a verdict."""

from dlnflow.studies.claims._claim import Claim, Control, Effort, Observation
from dlnflow.studies.claims._judge import Verdict, judge
from dlnflow.studies.claims._report import Finding, Report, recorded
from dlnflow.studies.claims._run import CLAIMS, broken, run
from dlnflow.studies.claims.routes import ROUTES

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

"""Claims of the paper and beyond: each recomputed by routes that share no code, with a verdict.

One module for each claim (``_c01_...`` to ``_c14_...``). ``_claim`` defines what a claim is,
``_verdict`` the rule, ``_run`` the loop, ``_report`` and ``_pages`` the results, ``_times`` and
``_departures`` what several claims compute, ``routes`` the independent computations.
"""

from dlnflow.studies.claims._claim import Claim, Control, Effort, Observation
from dlnflow.studies.claims._report import Finding, Report, recorded
from dlnflow.studies.claims._run import CLAIMS, broken, run
from dlnflow.studies.claims._verdict import Verdict, verdict_of
from dlnflow.studies.claims.routes import ROUTES

judge = verdict_of  # its former name

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
    "recorded",
    "run",
    "verdict_of",
]

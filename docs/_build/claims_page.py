"""Recompute the paper's claims in full, and write down what was found, wherever it is told.

The record that `dlnflow claims` compares with, `docs/claims.md` with its figures, and the tables of
the README. Run it from the project's folder: `make docs`.
"""

from __future__ import annotations

from pathlib import Path

from dlnflow import claims
from dlnflow.studies.claims import _pages as pages

ROOT = Path(__file__).parents[2]
RECORD = ROOT / "dlnflow" / "claims" / "recorded.json"


def main() -> None:
    report = claims.run(progress=True)
    if report.stopped or report.unsound:
        raise SystemExit(f"nothing was written: {report.stopped or report.unsound}")
    RECORD.write_text(report.to_json(), encoding="utf-8")
    report.save_figures(ROOT / "docs" / "figures" / "claims")
    write(report.to_dicts())
    print(report)


def write(found: list[dict]) -> None:
    """The page, and the tables of the README, from what was found."""
    (ROOT / "docs" / "claims.md").write_text(pages.page(found), encoding="utf-8")
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    text = pages.with_block(text, "claims", pages.table(found, "docs/claims.md", "dlnflow"))
    text = pages.with_block(text, "delays", pages.delays(found))
    readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

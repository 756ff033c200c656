"""Recompute the claims in full, and write every file that quotes their results.

These are the record that `dlnflow claims` compares with, `docs/claims.md` with its figures, and the
table of `docs/beyond-the-paper.md`. Run it from the project's folder: `make docs`.
"""

from __future__ import annotations

from pathlib import Path

from dlnflow import claims
from dlnflow.studies.claims import _pages as pages

ROOT = Path(__file__).parents[2]
RECORD = ROOT / "dlnflow" / "studies" / "claims" / "recorded.json"


def main() -> None:
    report = claims.run(progress=True)
    if report.stopped or report.unsound:
        raise SystemExit(f"nothing was written: {report.stopped or report.unsound}")
    RECORD.write_text(report.to_json(), encoding="utf-8")
    report.save_figures(ROOT / "docs" / "figures" / "claims")
    write(report.to_dicts())
    print(report)


def write(found: list[dict]) -> None:
    """Write the page of claims, and the table of delays in ``docs/beyond-the-paper.md``."""
    (ROOT / "docs" / "claims.md").write_text(pages.page(found), encoding="utf-8")
    beyond = ROOT / "docs" / "beyond-the-paper.md"
    text = pages.with_block(beyond.read_text(encoding="utf-8"), "delays", pages.delays(found))
    beyond.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

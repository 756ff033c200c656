"""The example scripts run unchanged, and write the figures and tables they name."""

import os
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import pandas as pd
import pytest

pytestmark = pytest.mark.long
EXAMPLES = Path(__file__).parent.parent / "examples"


def run(script, *arguments):
    return subprocess.run(
        [sys.executable, str(EXAMPLES / script), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MPLBACKEND": "Agg"},
    ).stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("depth_and_the_gap", 12),
        ("which_features_come_first", 16),
        ("where_greedy_learning_ends", 50),
    ],
)
def test_each_experiment_leaves_a_table_and_a_figure(name, rows, tmp_path):
    said = run(f"{name}.py", tmp_path)
    assert "Experiment" in said
    assert len(pd.read_csv(tmp_path / f"{name}.csv")) == rows
    assert matplotlib.image.imread(tmp_path / f"{name}.png").std() > 0.05


@pytest.mark.slow
def test_data_in_answer_out(tmp_path):
    said = run("does_the_theory_apply.py", tmp_path)
    assert said.count("Assumptions:") == said.count("Comparison:") == 2
    for objective in ("jepa", "mae"):
        assert (tmp_path / f"does_the_theory_apply_{objective}.png").exists()


@pytest.mark.long
def test_your_own_data_has_an_order_for_each_objective():
    said = run("your_own_data.py")
    assert "jepa learns the modes in the order" in said
    assert "mae learns the modes in the order" in said


def test_a_script_that_fails_would_be_noticed(tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit(1)")
    with pytest.raises(subprocess.CalledProcessError):
        run(broken)

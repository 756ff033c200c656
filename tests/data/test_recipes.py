"""The recipes of ``docs/sweeps.md`` for Ray and Spark, run where these are installed."""

import os
import re
import sys
from doctest import DocTestParser
from functools import reduce
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dlnflow.data import CovarianceAccumulator, accumulate, pairs_from

PAGE = Path(__file__).parents[2] / "docs" / "sweeps.md"
D = 3
ROWS = np.random.default_rng(0).normal(5.0, 1.0, size=(900, 2 * D))
COLUMNS = [f"{side}{place}" for side in "xy" for place in range(1, D + 1)]

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not PAGE.exists(), reason="not a checkout"),
    pytest.mark.filterwarnings("ignore"),  # of the engines
]


@pytest.fixture
def folder(tmp_path):
    for place in range(3):
        frame = pd.DataFrame(ROWS[300 * place : 300 * (place + 1)], columns=COLUMNS)
        frame.to_parquet(tmp_path / f"{place}.parquet")
    return tmp_path


def recipe(engine):
    """The block of the page that uses an engine."""
    blocks = re.findall(r"^```(\w*)\n(.+?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (found,) = (block for kind, block in blocks if not kind and f"{engine}." in block)
    return found.replace('"pairs/"', "folder")


def of_rows():
    """The function that the page defines for engines that map rows."""
    for example in DocTestParser().get_examples(PAGE.read_text()):
        if example.source.startswith("def of_rows"):
            space = {"np": np, "CovarianceAccumulator": CovarianceAccumulator}
            exec("from itertools import islice\n" + example.source, space)
            return space["of_rows"]
    raise AssertionError("the page has no of_rows")


def check(total):
    whole = CovarianceAccumulator()
    whole.update(ROWS[:, :D], ROWS[:, D:])
    assert total.n == 900
    for got, wanted in zip(total.covariances(), whole.covariances(), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0.0, atol=1e-12)
        assert np.abs(got - 1.01 * wanted).max() > 1e-12


def test_the_function_of_rows_gives_the_same_for_any_batch():
    for batch in (1, 7, 10_000):
        parts = [next(of_rows()(part, D, batch)) for part in np.array_split(ROWS, 4)]
        check(reduce(CovarianceAccumulator.merge, parts))


def test_ray(folder):
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False)
    try:
        space = {
            "ray": ray,
            "reduce": reduce,
            "accumulate": accumulate,
            "pairs_from": pairs_from,
            "CovarianceAccumulator": CovarianceAccumulator,
            "paths": sorted(folder.iterdir()),
        }
        exec(recipe("ray"), space)
    finally:
        ray.shutdown()
    check(space["total"])


def test_spark(folder, monkeypatch):
    sql = pytest.importorskip("pyspark.sql")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    spark = sql.SparkSession.builder.master("local[2]").getOrCreate()
    try:
        space = {
            "spark": spark,
            "d": D,
            "folder": str(folder),
            "of_rows": of_rows(),
            "CovarianceAccumulator": CovarianceAccumulator,
        }
        exec(recipe("spark"), space)
    finally:
        spark.stop()
    check(space["total"])

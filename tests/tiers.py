"""Marks for tests that repeat a check over many cases."""

import pytest


def repeated(cases, fast):
    """The cases as parameters, of which `make test` runs those in ``fast``."""
    return [case if case in fast else pytest.param(case, marks=pytest.mark.slow) for case in cases]

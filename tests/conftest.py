"""Settings shared by all tests."""

import matplotlib
from hypothesis import settings

matplotlib.use("Agg")

# A loaded machine makes examples slow, which says nothing about the code.
settings.register_profile("dlnflow", deadline=None, derandomize=True)
settings.load_profile("dlnflow")

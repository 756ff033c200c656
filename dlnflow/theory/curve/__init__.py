"""The master curve: Blumberg's hyperlogistic law, both ways. It knows no network."""

from dlnflow.theory.curve._master_curve import Branch, MasterCurve, master_curve

__all__ = ["Branch", "MasterCurve", "master_curve"]

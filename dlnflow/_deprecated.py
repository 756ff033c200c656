"""Where names used to be. Delete an entry here to end an old path.

``MOVED`` names whole modules that went elsewhere: importing one goes on working, and taking a
public name from it warns. ``RENAMED`` ones are other names of a package and do not warn.
``ELSEWHERE`` is the package that defines what a package offers and does not define itself, without
a warning either.
"""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from types import ModuleType
from typing import Any

MOVED = {
    "accumulate": "dlnflow.data",
    "clock": "dlnflow.theory",
    "critical_time": "dlnflow.theory",
    "hyperlogistic": "dlnflow.theory.curve",
    "integrate": "dlnflow.theory",
    "modes": "dlnflow.theory",
    "objective": "dlnflow.theory",
    "published": "dlnflow.theory",
    "sensitivity": "dlnflow.theory",
    "simulate": "dlnflow.theory",
    "spectrum": "dlnflow.data",
    "uncertainty": "dlnflow.data",
}
RENAMED = {
    "claims": "dlnflow.studies.claims",
    "demo": "dlnflow.studies.demo",
    "network.experiments": "dlnflow.studies.experiments",
    "network.validity": "dlnflow.studies.validity",
}
ELSEWHERE = {"dlnflow.plot": "dlnflow.studies.figures"}


class _Elsewhere(ModuleType):
    """A module by its former name: its public names are looked up where they are now."""

    def __init__(self, name: str, now: str, warn: bool) -> None:
        super().__init__(name, f"See `{now}`.")
        self._now, self._warn = now, warn

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") and name != "__all__":
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = getattr(import_module(self._now), name)
        if self._warn:
            warnings.warn(
                f"{self.__name__}.{name} has moved: import it from {self._now}",
                DeprecationWarning,
                stacklevel=2,
            )
        return value

    def __dir__(self) -> list[str]:
        return list(import_module(self._now).__all__)


def install() -> None:
    """Make the former names importable."""
    for names, warn in ((MOVED, True), (RENAMED, False)):
        for name, now in names.items():
            full = f"dlnflow.{name}"
            sys.modules.setdefault(full, _Elsewhere(full, now, warn))


def former(package: str, name: str) -> Any:
    """A name that ``package`` no longer defines itself, or an `AttributeError`."""
    if package in ELSEWHERE and name in sys.modules[package].__all__:
        return getattr(import_module(ELSEWHERE[package]), name)
    found = sys.modules.get(f"{package}.{name}")
    if isinstance(found, _Elsewhere):
        return found
    raise AttributeError(f"module {package!r} has no attribute {name!r}")

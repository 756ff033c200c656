"""Questions answered with the library: claims, experiments, maps of validity, figures, the demo."""

from importlib import import_module
from typing import Any

__all__ = ["claims", "demo", "experiments", "figures", "validity"]


def __getattr__(name: str) -> Any:
    """Sub-packages, loaded when asked for."""
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)

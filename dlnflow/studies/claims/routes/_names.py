"""What an objective's name means, for routes that share nothing else with the library."""

from __future__ import annotations


def target_layer(objective: str, L: int) -> int:
    """How many encoder layers the target has passed."""
    if objective in ("jepa", "mae"):
        return L if objective == "jepa" else 0
    return int(objective.removeprefix("layer-"))

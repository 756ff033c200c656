"""stub until merged"""

from typing import NamedTuple, Any


class Likeness(NamedTuple):
    told: Any = (None, None)


def likeness(t, w):
    return Likeness()

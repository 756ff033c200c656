"""The type of the library's tables. It loads pandas, so import it where a table is made."""

from __future__ import annotations

from typing import Any

import pandas as pd


class Frame(pd.DataFrame):
    """A pandas DataFrame whose LaTeX compiles: names of columns hold underscores.

    Examples
    --------
    >>> type(Frame({"rho": [1.0], "exact_error": [1e-13]})[["exact_error"]]).__name__
    'Frame'
    """

    @property
    def _constructor(self) -> type[Frame]:
        """The type of tables made from this one."""
        return Frame

    def to_latex(self, *args: Any, escape: bool | None = True, **options: Any) -> Any:
        """`pandas.DataFrame.to_latex` with ``escape=True`` by default."""
        return super().to_latex(*args, escape=escape, **options)

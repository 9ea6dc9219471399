"""A matplotlib Figure that needs no pyplot and shows itself in a notebook."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from matplotlib.figure import Figure

__all__ = ["Canvas"]


class Canvas(Figure):
    """A Figure outside pyplot's registry: nothing to close, no global state."""

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        self.savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()

    def __reduce__(self) -> Any:
        return super().__reduce__()

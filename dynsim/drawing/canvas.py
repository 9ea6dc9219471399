"""A matplotlib Figure that needs no pyplot, and its division into panels."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import PlaceHolderLayoutEngine

__all__ = ["Canvas", "panel_row"]

NARROWEST = 1.9  # inches: a panel with labels needs as much


class Canvas(Figure):
    """A Figure outside pyplot's registry: nothing to close, no global state."""

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        self.savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()

    _saving = False

    def savefig(self, *where: Any, **options: Any) -> None:
        """Write a file, as matplotlib's own; panels are given their places without being drawn for it."""
        self._saving = True
        try:
            super().savefig(*where, **options)
        finally:
            self._saving = False

    def draw(self, renderer: Any) -> None:
        """Draw; the ticks of an axis that ends near the largest float overflow without a word.

        To save a figure matplotlib draws it twice: the first time to no effect but that its panels are laid out,
        which is all that is done here then.
        """
        engine = self.get_layout_engine()
        with np.errstate(over="ignore", invalid="ignore"):
            if self._saving and self.axes and not isinstance(engine, PlaceHolderLayoutEngine | None):
                with suppress(ValueError):  # as matplotlib does: panels that find no room are drawn all the same
                    engine.execute(self)
            else:
                super().draw(renderer)

    def __reduce__(self) -> Any:
        return super().__reduce__()


def panel_row(figure: Any, count: int, **options: Any) -> np.ndarray:
    """Return panels side by side where the figure is wide enough, below each other in a column.

    Parameters
    ----------
    figure : matplotlib Figure or SubFigure
    count : int
    **options
        Of ``subplots``; `width_ratios` only counts side by side.
    """
    dpi = figure.dpi if hasattr(figure, "dpi") else figure.figure.dpi
    beside = figure.bbox.width / dpi >= NARROWEST * count
    if not beside:
        options.pop("width_ratios", None)
    return figure.subplots(*((1, count) if beside else (count, 1)), squeeze=False, **options).ravel()

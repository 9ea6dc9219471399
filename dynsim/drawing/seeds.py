"""A measured quantity with its spread over seeds: never a line without its band."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["draw_seeds"]


def draw_seeds(axes: Any, x: Any, values: Any, style: dict[str, Any], label: str | None = None) -> None:
    """Draw the mean over `seed` as a line and the range over seeds as a band.

    Parameters
    ----------
    axes : matplotlib Axes
    x : array
    values : xarray.DataArray
        With dimension `seed` and that of `x`.
    style : dict
        Line style; its colour is the band's.
    label : str, optional
    """
    values = values.transpose("seed", ...)
    known = np.isfinite(values.values).all(axis=0)
    x, band = np.asarray(x)[known], values.values[:, known]
    axes.plot(x, band.mean(axis=0), label=label, **style)
    axes.fill_between(x, band.min(axis=0), band.max(axis=0), color=style["color"], alpha=0.2, linewidth=0)

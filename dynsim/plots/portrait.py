"""Phase portraits: field, nullclines, lines of equilibria with their stability, collapse region, an orbit."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.phase_plane import (
    draw_field,
    draw_lines,
    draw_nullclines,
    draw_orbit,
    draw_points,
    draw_separatrices,
)
from dynsim.symbolic.printing import unicode_name

EXPERIMENT = "portrait"
OPTIONS: dict[str, Any] = {}
SIZE = (11.0, 4.6)

_TITLES = {"stop": "with stop-gradient", "full": "without stop-gradient", "target": "only the second branch"}


def draw(data: xr.Dataset, figure: Any) -> None:
    """One panel per branch."""
    panels = figure.subplots(1, data.sizes["branch"], sharey=True, squeeze=False)[0]
    x_name, y_name = data.attrs["x_name"], data.attrs["y_name"]
    for axes, branch in zip(panels, data["branch"].values, strict=True):
        one = data.sel(branch=branch)
        shade = "collapsed" in one and int(one["collapsed"].max()) == 1
        if shade:
            x = np.linspace(float(one.x[0]), float(one.x[-1]), one.sizes["x_coarse"])
            y = np.linspace(float(one.y[0]), float(one.y[-1]), one.sizes["y_coarse"])
            axes.contourf(x, y, one["collapsed"].T, levels=[0.5, 1.5], colors=["#EFE0D6"], zorder=0)
        draw_field(axes, one)
        draw_nullclines(axes, one)
        draw_lines(axes, one)
        draw_separatrices(axes, one)
        draw_points(axes, one)
        draw_orbit(axes, one, x_name, y_name)
        axes.set(xlim=(one.x[0], one.x[-1]), ylim=(one.y[0], one.y[-1]), xlabel=unicode_name(x_name))
        axes.set_title(_TITLES.get(str(branch), str(branch)) if data.sizes["branch"] > 1 else f"branch {branch}")
    panels[0].set_ylabel(unicode_name(y_name))
    caption(
        figure,
        data,
        "Grey: field. Lines of equilibria: solid where they attract, dashed where they repel. Dotted: nullclines. "
        "Purple: separatrices, solid into the point at which they start, dashed out of it. "
        "Filled point: stable, open: unstable, square: saddle. Black: orbit from the marked start. "
        "Shaded: starts that collapse, exactly",
        "" if data.attrs["complete"] else "The equilibria were searched numerically and are not proven complete",
    )

"""Phase portraits: field, nullclines, lines of equilibria with their stability, collapse region, an orbit."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.plots.parts.captions import caption, values
from dynsim.plots.parts.phase_plane import (
    draw_field,
    draw_lines,
    draw_nullclines,
    draw_orbit,
    draw_points,
    draw_separatrices,
)
from dynsim.records import provenance
from dynsim.symbolic.printing import unicode_name

EXPERIMENT = "portrait"
OPTIONS: dict[str, Any] = {}
SIZE = (11.0, 4.6)

_TITLES = {"stop": "with stop-gradient", "full": "without stop-gradient", "target": "only the second branch"}


def draw(data: xr.Dataset, figure: Any) -> None:
    """One panel per branch."""
    panels = figure.subplots(1, data.sizes["branch"], sharey=True, squeeze=False)[0]
    x_name, y_name = data.attrs["x_name"], data.attrs["y_name"]
    shaded = False
    for axes, branch in zip(panels, data["branch"].values, strict=True):
        one = data.sel(branch=branch)
        if "collapsed" in one and int(one["collapsed"].max()) == 1:
            shaded = True
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
        axes.set_title(_TITLES.get(str(branch), str(branch)) if len(panels) > 1 else f"branch {branch}")
        if len(panels) == 1:
            axes.set_box_aspect(0.8)
    panels[0].set_ylabel(unicode_name(y_name))
    caption(
        figure,
        data,
        "Grey: field. Dotted: nullclines. Black: orbit from the marked start",
        *_equilibria(data),
        "Shaded: starts that collapse, exactly" if shaded else "",
    )


def _equilibria(data: xr.Dataset) -> list[str]:
    """What is drawn of equilibria and separatrices."""
    if "point" not in data.dims:
        held = {name: data[f"orbit_{name}"][0, 0].item() for name in provenance(data)["flow"]["states"]}
        for name in (data.attrs["x_name"], data.attrs["y_name"]):
            del held[name]
        return [
            f"The field is that at {values(held)}, which the orbit leaves; equilibria are drawn for two states only"
        ]
    told = []
    if data.sizes["line"]:
        told.append("Lines of equilibria: solid where they attract, dashed where they repel")
    if data.sizes["point"]:
        told.append("Filled point: stable, open: not, square: saddle")
    if data.sizes["separatrix"]:
        told.append("Purple: separatrices, solid into the point at which they start, dashed out of it")
    if not data.attrs["complete"]:
        told.append("The equilibria were searched numerically and are not proven complete")
    return told

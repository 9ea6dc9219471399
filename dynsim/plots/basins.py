"""Basins of collapse: where each start ends, integrated, with the exact boundary over it; with and without noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.style import COLOURS, SEQUENCE

EXPERIMENT = "basins"
OPTIONS: dict[str, Any] = {}
SIZE = (11.0, 6.8)

_TITLES = {"stop": "with stop-gradient", "full": "without stop-gradient", "target": "only the second branch"}


def draw(data: xr.Dataset, figure: Any) -> None:
    """One column per branch, one row per noise level; colour is |θ| at the end."""
    noise, branches = data["noise"].values, data["branch"].values
    panels = figure.subplots(len(noise), len(branches), sharex=True, sharey=True, squeeze=False)
    colours = colormaps[SEQUENCE].with_extremes(bad="white")
    for row, level in zip(panels, noise, strict=True):
        for axes, branch in zip(row, branches, strict=True):
            one = data.sel(branch=branch, noise=level)
            mesh = axes.pcolormesh(
                one["phi"], one["theta"], one["limit"].T, cmap=colours, vmin=0.0, vmax=1.6, rasterized=True
            )
            for index in range(one.sizes["border"]):
                border = one.isel(border=index)
                axes.plot(border["border_phi"], border["border_theta"], color="white", linewidth=3.2)
                axes.plot(border["border_phi"], border["border_theta"], color=COLOURS["vermilion"], linewidth=1.6)
            share = float((one["limit"] < 1e-3).mean())
            box = {"facecolor": "white", "edgecolor": "none", "pad": 2.0}
            told = {"transform": axes.transAxes, "va": "center", "fontsize": 9, "bbox": box}
            axes.text(0.03, 0.5, f"{share:.0%} collapse", **told)
            axes.plot(0.6, 0.1, "o", color="white", markeredgecolor="black", markersize=6)
            axes.set(xlim=(one["phi"][0], one["phi"][-1]), ylim=(one["theta"][0], one["theta"][-1]))
            axes.grid(False)
            if level == noise[0]:
                axes.set_title(_TITLES.get(str(branch), str(branch)))
        row[0].set_ylabel(f"{'noise' if level else 'no noise'}, σ² = {level:g}\nθ(0), encoder")
    for axes in panels[-1]:
        axes.set_xlabel("φ(0), predictor")
    figure.colorbar(mesh, ax=list(np.ravel(panels)), label="|θ| at the end (0: collapsed)", shrink=0.8, extend="max")
    caption(
        figure,
        data,
        f"Colour: integrated to t = {data.attrs['t_end']:g}; white: undecided, too slow to tell at that time",
        "Vermilion: the exact boundary of collapse, the orbits into the points at which θ = 0 stops attracting",
        "Circle: the article's start",
        "Noise closes the escape of the two branches without stop-gradient and leaves that of stop-gradient open",
    )

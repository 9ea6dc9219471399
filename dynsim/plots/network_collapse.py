"""The toy and a real network in the three branches, on the same kind of axes."""

from __future__ import annotations

from typing import Any

import xarray as xr

from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.spread import draw_seeds
from dynsim.plots.parts.style import BRANCH_STYLE
from dynsim.records import provenance

EXPERIMENT = "network-collapse"
OPTIONS: dict[str, Any] = {}
SIZE = (10.2, 8.8)

# One column per quantity: what the toy calls it, what the network calls it, the scale of both.
_SHARED = (
    ("norm_ratio", "encoder |θ|/|θ(0)|", "norm of z / norm at start", "log"),
    ("loss", "loss", "loss", "linear"),
    ("relative_speed_ratio", "relative speed, predictor/encoder", "relative speed, predictor/encoder", "log"),
)
_MEASURES = (
    ("spread", "spread std(z/|z|)·√d", (0, 1.05)),
    ("rankme", "RankMe", (0, None)),
    ("knn", "kNN accuracy (augmented)", (0, 1.05)),
)


def draw(data: xr.Dataset, figure: Any) -> None:
    """Toy above, network below, a column per shared quantity; last row what only the network has."""
    grid = figure.subplots(3, 3)
    for branch in data["branch"].values:
        style, one = BRANCH_STYLE[str(branch)], data.sel(branch=branch)
        for toy, network, (name, *_) in zip(grid[0], grid[1], _SHARED, strict=True):
            toy.plot(one["time"], one[f"toy_{name}"].where(one[f"toy_{name}"] > 0), label=str(branch), **style)
            draw_seeds(network, one["step"], one[name], style)
        for axes, (name, *_) in zip(grid[2], _MEASURES, strict=True):
            draw_seeds(axes, one["step"], one[name], style)
    for toy, network, (_, said, told, scale) in zip(grid[0], grid[1], _SHARED, strict=True):
        toy.set(title=f"toy: {said}", xlabel="flow time t", yscale=scale)
        network.set(title=f"network: {told}", xlabel="step", yscale=scale)
    grid[0, 0].set_ylim(1e-4, None)
    grid[0, 2].set_ylim(1e-6, 5)
    for axes, (_, told, limits) in zip(grid[2], _MEASURES, strict=True):
        axes.set(title=f"network: {told}", xlabel="step", ylim=limits)
    for axes in grid.flat:
        axes.title.set_fontsize(9.5)
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    about = provenance(data)["experiment"]
    caption(
        figure,
        data,
        f"Network: {about['data']}, {about['encoder']} encoder with norm '{about['norm']}', {about['predictor']} "
        f"predictor, {about['objective']} loss, {about['optimiser']} lr {about['lr']:g} "
        f"momentum {about['momentum']:g}, "
        f"batch {about['batch']}; mean and range over {data.sizes['seed']} seeds",
        "The loss is no measure of collapse, and no single measure is: four are shown (norm, spread, RankMe, kNN). "
        "The cosine loss leaves the norm free, so that it does not fall here as θ does",
    )

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
SIZE = (10.2, 6.4)

_PANELS = (
    ("spread", "spread std(z/|z|)·√d", "linear"),
    ("rankme", "RankMe", "linear"),
    ("norm_ratio", "norm of z / norm at start", "log"),
    ("knn", "kNN accuracy (augmented)", "linear"),
)


def draw(data: xr.Dataset, figure: Any) -> None:
    """Toy on the left, the network's measures on the right; one colour and line style per branch."""
    grid = figure.subplots(2, 3)
    for branch in data["branch"].values:
        style, one = BRANCH_STYLE[str(branch)], data.sel(branch=branch)
        grid[0, 0].plot(one["time"], one["theta"], label=str(branch), **style)
        grid[1, 0].plot(one["time"], one["loss_toy"], **style)
        for axes, (name, _, _) in zip(grid[:, 1:].flat, _PANELS, strict=True):
            draw_seeds(axes, one["step"], one[name], style)
    grid[0, 0].set(title="toy: encoder θ", xlabel="flow time t", ylabel="θ")
    grid[0, 0].legend()
    grid[1, 0].set(title="toy: loss", xlabel="flow time t", yscale="log")
    grid[1, 0].set_ylim(1e-6, None)
    for axes, (_, title, scale) in zip(grid[:, 1:].flat, _PANELS, strict=True):
        axes.set(title=f"network: {title}", xlabel="step", yscale=scale)
        axes.title.set_fontsize(9.5)
    for axes in (grid[0, 1], grid[1, 2]):
        axes.set_ylim(0, 1.05)
    about = provenance(data)["experiment"]
    caption(
        figure,
        data,
        f"Network: {about['data']}, {about['encoder']} encoder with norm '{about['norm']}', {about['predictor']} "
        f"predictor, {about['objective']} loss, {about['optimiser']} lr {about['lr']:g} "
        f"momentum {about['momentum']:g}, "
        f"batch {about['batch']}; mean and range over {data.sizes['seed']} seeds",
        "The loss is no measure of collapse, and no single measure is: four are shown",
    )
